"""Costs with their gradients, however they are handed over, beside finite differences of the cost.

`costFunction(theta, X, y, lambda)` that returns both, or two functions of the same arguments; one that updates its parameters, beside a
cost; methods of a class with the parameters in the object. What to give for the arguments is tried out: the gradients must come back
in the shapes of parameters. Of several ways that run, the one counts under which most gradients are derivatives of the cost.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.differences import FLOOR, Derived, gradient, ratio
from comparisons.check.homes import line, source_text
from comparisons.check.locating import Spot, statement
from comparisons.check.source import syntax
from comparisons.check.styles.cost_arguments import (
    BIAS,
    STATE,
    STRENGTH,
    STRENGTHS,
    VECTORS,
    Given,
    M,
    bare,
    combinations,
    counted,
    lines,
    strengthened,
)
from comparisons.check.styles.gradient_names import matched
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.network_access import found_arrays, looks_like_gradient
from comparisons.check.styles.network_arguments import (
    RATE,
    UNLIMITED,
    is_x,
    is_y,
    limits,
    parameters_of,
    role,
)
from comparisons.check.styles.network_objects import FORWARD, assign, constructions, held, returned_names
from comparisons.check.styles.rolled_parameters import rolled
from comparisons.check.styles.rolled_pieces import pieces, split
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
TRIED = 500
"""Ways of filling the arguments of one function that are tried at most."""
CALLS = 2500
"""Calls of the cost that may be spent on choosing among ways that run: six for each element of the parameters."""
MOST = 400
"""Elements of parameters from which they would take too long."""
NEAR = 1e-6
_PREDICTED = re.compile(r"(y_?)?(hat|pred\w*|prob\w*)|out(put)?|a2|al|h", re.IGNORECASE)
"""Arguments that are outputs of the forward method."""
_DECAYS = {"nothing": 0.0, "l/m W": STRENGTH / M, "l W": STRENGTH, "l/(2m) W": STRENGTH / (2 * M), "2 l/m W": 2 * STRENGTH / M,
           "l/2 W": STRENGTH / 2, "2 l W": 2 * STRENGTH}  # fmt: skip
_FACTORS = {f"m times too large (m = {M}): the 1/m is missing": M, f"divided by m once too often (m = {M})": 1 / M, "twice too large": 2.0,
            "half as large as it should be": 0.5, "of the wrong sign": -1.0}  # fmt: skip
HALF_OR_DOUBLE = (0.5, 2.0)
USUAL_SCALES = tuple(sign * c * m for sign in (1, -1) for c in (1.0, 0.5, 2.0) for m in (1, M, 1 / M))
"""Of gradients to the derivatives of their cost, in code as it is written."""
ONE_BY_ONE = "elements are updated one after the other: the later ones see the earlier ones updated"
_LENGTH = re.compile(r"(?<!random\.)\bnorm\b|norm\w* *(=|<|>)|\w+_norm\b|clip")
"""Shows that a file may limit the length of gradients."""
_MATRIX_MADE = re.compile(r"\b(as)?mat(rix)?\(")
_MADE_AGAIN = re.compile(r"\b(\w+) = (np\.)?(as)?mat(rix)?\(\1\b")
_COST = re.compile(
    r"\w*(cost|loss|objective|likelihood|error|energy)\w*|J|nll|\w*_?mse|score_and_grad\w*", re.IGNORECASE
)
_GRADIENT = re.compile(r"\w*(grad|deriv|prime|jac|backprop)\w*|d(J|cost|loss)\w*", re.IGNORECASE)
_UPDATE = re.compile(r"\w*(gradient_?descent|sgd|update|train|fit|step|optimi[sz]e|learn)\w*|gd", re.IGNORECASE)


@dataclass
class Objective:
    """A cost and what claims to be its gradient.

    Attributes
    ----------
    file : UserFile
    owner : str
        The class whose methods they are; empty at the top level.
    cost, gradient : str
        The functions; the same if one returns both.
    forward : str
        The method whose output is asked for where an argument is a prediction.
    template : object
        An object of the class.
    given : dict of str to Given
        How arguments of both are filled.
    updates : bool
        Whether the second one moves parameters, by the rate times the gradient.
    scale : float
        The gradients are so many times those of the cost, all of them.
    parameters : tuple of str
        Arguments, and places in the object, of which the cost depends.
    taken_apart : dict of str to dict
        The pieces of vectors of parameters, once they are known.
    cost_names : dict of str to str
        What the cost calls arguments that the gradient has under another name.
    matrices : bool
        Whether arrays with two axes are given as `np.matrix`, with which `*` is the product of matrices.
    doubtful : bool
        Whether nothing agrees, and the gradients are those of some other function.
    """

    file: UserFile
    owner: str
    cost: str
    gradient: str
    forward: str = ""
    template: Any = None
    given: dict[str, Given] = field(default_factory=dict)
    updates: bool = False
    scale: float = 1.0
    parameters: tuple[str, ...] = ()
    taken_apart: dict[str, dict[str, Array]] = field(default_factory=dict)
    cost_names: dict[str, str] = field(default_factory=dict)
    matrices: bool = False
    doubtful: bool = False

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "cost with an update" if self.updates else "cost with its gradient"

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        prefix = f"{self.owner}." if self.owner else ""
        return tuple(dict.fromkeys((prefix + self.cost, prefix + self.gradient)))

    @property
    def line(self) -> int:
        """Where the gradient is calculated."""
        return line(self.file, self.owner, self.gradient)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        told = ["arrays are given as np.matrix"] if self.matrices else []
        if self.scale == 1:
            return told
        what = "the update goes by" if self.updates else "gradients are"
        return [*told, f"{what} {self.scale:.4g} times the gradient of the cost, throughout"]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient by every parameter for which one comes back, and where it is wrong, what it would be by mistakes."""
        values, inner = self._drawn(rng)
        for name, found in self._lengthened(self._compared(values, inner)).items():
            into = self._pieces(name, values, inner)
            if np.abs(found.subject - found.reference).max(initial=0) <= FLOOR * np.abs(found.reference).max(initial=0):
                yield from split(found, into)  # no tolerance is smaller, and what is right needs no explanation
                continue
            told = list(self._of_regulariser(values, inner, name, found.subject, found.reference))
            spot = None
            if self.updates:
                late = list(self._too_late(values, inner, name))
                told += late
                spot = self._one_by_one(name, found.subject, late)
            yield from split(replace(found, explanations=tuple(told), spot=spot), into)

    def _pieces(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Array]:
        """What a vector of parameters consists of, if it is one; found once, as edits of the code change nothing in it."""
        if name not in self.given or self.given[name].kind != "real" or np.ndim(values[name]) != 1:
            return {}
        if name not in self.taken_apart:
            f = self._method(self.cost)
            inside = getattr(getattr(f, "__code__", None), "co_name", "")
            try:
                found = pieces(self.file.path, inside, lambda: self._cost(values, inner), values[name])
            except UserError:
                found = {}
            self.taken_apart[name] = found
        return self.taken_apart[name]

    def _drawn(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Array]]:
        """Fresh arguments, and fresh numbers for what the object holds."""
        return {name: given.drawn(rng) for name, given in self.given.items()}, self._inner(rng)

    def _compared(self, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Derived]:
        """The gradients that come back, each beside the derivative of the cost, by parameter."""
        found = {}
        for name, claimed in self._claims(values, inner).items():
            wanted, error, kinks = gradient(
                self._as_function_of(name, values, inner), self._place(name, values, inner), np.ones(())
            )
            shown = uncut(self.file, claimed, self.scale * wanted) / self.scale
            found[name] = Derived(f"grad/{self.gradient}.{name}", shown, wanted, error, kinks, M)
        return found

    def _lengthened(self, found: dict[str, Derived]) -> dict[str, Derived]:
        """Gradients as they were before the code limited the length of all of them together, if it did."""
        ratios = [ratio(d) for d in found.values()]
        first = ratios[0] if ratios else None
        if first is None or len(ratios) < 2 or not 0 < first < 1 or not _LENGTH.search(source_text(self.file)):
            return found
        alike = all(r is not None and abs(r / first - 1) < NEAR for r in ratios)
        if not alike or any(abs(first / usual - 1) < NEAR for usual in USUAL_SCALES):
            return found
        return {n: replace(d, subject=d.subject / first) for n, d in found.items()}

    def _place(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> Array:
        return np.asarray((inner if name in inner else values)[name], dtype=np.float64)

    def _as_function_of(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> Callable[[Array], Array]:
        """The cost with one parameter free."""

        def cost(v: Array) -> Array:
            moved = (values, inner | {name: v}) if name in inner else (values | {name: v}, inner)
            return np.asarray(self._cost(*moved))

        return cost

    def _of_regulariser(
        self, values: dict[str, Any], inner: dict[str, Array], name: str, claimed: Array, wanted: Array
    ) -> Iterator[tuple[str, Array]]:
        """What is wrong in the part of a regulariser, or in all but that: its strength is set to 0 to tell them apart."""
        if np.abs(claimed - wanted).max(initial=0) <= NEAR * np.abs(wanted).max(initial=0):
            return
        plain, free = self._without_strength(values)
        if plain is None:
            return
        place = self._place(name, values, inner)
        try:
            rest = gradient(plain._as_function_of(name, free, inner), place, np.ones(()))[0]
            shown = plain._claims(free, inner).get(name)
        except UserError:
            return  # it cannot do without: a target of 0 for a mean activation, say
        if shown is None or shown.shape != place.shape:
            return
        shown = shown / self.scale
        near = NEAR * np.abs(wanted).max()
        if np.abs(shown - rest).max() <= near:
            wrong = (np.abs(claimed - wanted) > near) & (place != 0)
            if wrong.any():
                has, by = _penalised((claimed - shown)[wrong], place[wrong])
                wants, _ = _penalised((wanted - rest)[wrong], place[wrong])
                where = "" if wrong.mean() > 0.9 else f", in {wrong.sum()} of {wrong.size} elements"
                text = f"the gradient of the regulariser is {has}, that of the cost {wants}{where}, with l for its strength"
                yield text, np.where(wrong, rest + by[0] * place + by[1] * np.sign(place), wanted)
        elif np.abs((claimed - shown) - (wanted - rest)).max() <= near:
            factor = float(shown.flat[np.abs(rest).argmax()] / rest.flat[np.abs(rest).argmax()])
            if not factor or not np.isfinite(factor):
                return
            told = next(
                (text for text, value in _FACTORS.items() if abs(value / factor - 1) < NEAR), f"{factor:.4g} times"
            )
            yield f"all but the regulariser's part is {told}", factor * rest + (wanted - rest)

    def _without_strength(self, values: dict[str, Any]) -> tuple[Objective | None, dict[str, Any]]:
        """The same with all regularisers switched off; None if there are none."""
        strong = [
            n
            for n, given in self.given.items()
            if given.kind == "fixed" and type(given.value) is float and given.value == STRENGTH
        ]
        template = copy.deepcopy(self.template)
        kept = [n for n, v in vars(template).items() if type(v) is float and v == STRENGTH] if self.owner else []
        for attribute in kept:
            setattr(template, attribute, 0.0)
        if not strong and not kept:
            return None, values
        return replace(self, template=template), values | dict.fromkeys(strong, 0.0)

    @property
    def penalised(self) -> bool:
        """Whether regularisers take part, with a strength that shows."""
        return self._without_strength({})[0] is not None

    def _too_late(self, values: dict[str, Any], inner: dict[str, Array], name: str) -> Iterator[tuple[str, Array]]:
        """What an update comes to that sees numbers which have been updated already: elements before, or other parameters."""
        cost, place = self._as_function_of(name, values, inner), self._place(name, values, inner)
        moving, found = place.copy(), np.zeros_like(place)
        for index in np.ndindex(place.shape):

            def of_one(v: Array, index: tuple[int, ...] = index) -> Array:
                moved = moving.copy()
                moved[index] = v
                return cost(moved)

            found[index] = gradient(of_one, moving[index], np.ones(()))[0]
            moving[index] -= RATE * found[index]
        yield ONE_BY_ONE, found
        for other, moved in self._claims(values, inner).items():
            if other == name:
                continue
            late = {other: self._place(other, values, inner) - RATE * moved}
            mine, own = (values, inner | late) if other in inner else (values | late, inner)
            after = gradient(self._as_function_of(name, mine, own), place, np.ones(()))[0]
            yield f"calculated after {other} had been updated", after

    def _one_by_one(self, name: str, claimed: Array, late: list[tuple[str, Array]]) -> Spot | None:
        """The line in which elements are updated one after the other, where that is what is wrong."""
        after = next((a for text, a in late if text == ONE_BY_ONE and a.shape == claimed.shape), None)
        if after is None or np.abs(after - claimed).max() > NEAR * np.abs(claimed).max():
            return None
        stores = [
            s
            for f in ast.walk(syntax(self.file))
            if isinstance(f, ast.FunctionDef) and f.name == self.gradient
            for s in ast.walk(f)
            if isinstance(s, ast.Assign | ast.AugAssign) and isinstance(_target(s), ast.Subscript)
        ]
        own = [s for s in stores if re.match(rf"{re.escape(name)}\b", ast.unparse(_target(s)))]
        # The first element is right; where a loop moves all of them there is one line.
        moving = sorted(
            own or [s for s in stores if re.search(rf"\b{re.escape(name)}\[", ast.unparse(s.value))],
            key=lambda s: s.lineno,
        )
        if not moving:
            return None
        called = f"{self.owner}.{self.gradient}" if self.owner else self.gradient
        return Spot(called, moving[-1].lineno, statement(self.file.path, moving[-1].lineno))

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh numbers for all arrays that the object holds."""
        arrays = held(self.template) if self.owner else {}
        return {
            p: np.asarray(0.5 * rng.standard_normal(a.shape))
            for p, a in arrays.items()
            if a.dtype.kind == "f"
            and p not in self.given
            and (a.size > 1 or BIAS.fullmatch(re.findall(r"[A-Za-z_]\w*", p)[-1]))
        }

    def _method(self, name: str) -> Callable[..., Any]:
        return getattr(self.file.namespace[self.owner], name) if self.owner else self.file.namespace[name]

    def _function(self, name: str, inner: dict[str, Array]) -> tuple[Callable[..., Any], Any]:
        if not self.owner:
            return self.file.namespace[name], None
        made = copy.deepcopy(self.template)
        for place, a in inner.items():
            assign(made, place, a.copy())
        return getattr(made, name), made

    def _run(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any], Any]:
        """What a function returns, its arguments as it left them, and the object."""
        f, made = self._function(name, inner)
        data = next((v for n, v in values.items() if is_x(n) and isinstance(v, np.ndarray)), None)
        for attribute in [n for n, v in vars(made).items() if v is None and is_x(n)] if self.owner else ():
            setattr(made, attribute, copy.deepcopy(data))  # what one method was given, another remembers
        called = {p.name: p.name for p in parameters_of(f)}
        if name == self.gradient != self.cost:
            called = {own: self.cost_names.get(own, own) for own in called}
        arguments = {own: self._handed(values[n]) for own, n in called.items() if n in values}
        predicted = [p.name for p in parameters_of(f) if self.forward and _PREDICTED.fullmatch(p.name)]
        if predicted:
            arguments |= dict.fromkeys(predicted, self.file.call(getattr(made, self.forward), copy.deepcopy(data)))
        np.random.seed(0)  # noqa: NPY002
        returned = self.file.call(f, **arguments)
        return returned, {called.get(own, own): value for own, value in arguments.items()}, made

    def _handed(self, value: Any) -> Any:
        """A copy of an argument, as a matrix where the file makes its arrays so."""
        copied = copy.deepcopy(value)
        return (
            copied.view(np.matrix) if self.matrices and isinstance(copied, np.ndarray) and copied.ndim == 2 else copied
        )

    def _cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        returned = self._run(self.cost, values, inner)[0]
        parts = returned if isinstance(returned, tuple | list) else [returned]
        names = returned_names(self._method(self.cost))
        numbers = {
            (names[i] if len(names) == len(parts) else ""): float(
                np.real(np.asarray(part, dtype=np.float64)).reshape(())
            )
            for i, part in enumerate(parts)
            if isinstance(part, float | np.floating | np.ndarray) and np.size(part) == 1
        }
        named = [v for n, v in numbers.items() if _COST.fullmatch(n)]
        found = (named or list(numbers.values()))[:1]
        if not found or not np.isfinite(found[0]):
            raise UserError(f"{self.cost} returns no single number")
        return found[0]

    def _claims(self, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Array]:
        """Gradients by parameter: arguments and arrays of the object that have real numbers."""
        returned, arguments, made = self._run(self.gradient, values, inner)
        parameters = {n: np.asarray(values[n]) for n in self.given if n in self.parameters}
        own = {n: a for n, a in inner.items() if n in self.parameters}
        if self.updates:
            return self._moves(parameters, own, returned, arguments, made)
        shown = self._shown(returned)
        kept = {
            p: a
            for p, a in (held(made) if self.owner else {}).items()
            if looks_like_gradient(p) and p not in self.parameters
        }
        # A vector of all parameters is one, whatever shape of it comes back.
        flat = [n for n, a in parameters.items() if np.ndim(a) == 1]
        for name in flat:
            shown = {
                p: a.reshape(-1) if a.size == parameters[name].size and 1 in a.shape else a for p, a in shown.items()
            }
        return matched(parameters | own, shown | kept)

    def _shown(self, returned: Any) -> dict[str, Array]:
        """Arrays that a function returns, by the names in its `return`; those named as gradients if there are any."""
        names = returned_names(self._method(self.gradient))
        labelled = returned
        if isinstance(returned, tuple | list) and len(names) == len(returned):
            labelled = dict(zip(names, returned, strict=True))
        shown = {re.sub(r"^\['([^']*)'\]", r"\1", p): np.asarray(a, np.float64) for p, a in found_arrays(labelled, "")}
        shown = {p or "grad": a for p, a in shown.items() if not _COST.fullmatch(p or "grad")}
        named = {p: a for p, a in shown.items() if looks_like_gradient(p) or "grad" in p.lower()}
        return named or {p: a for p, a in shown.items() if a.ndim}

    def _moves(
        self, parameters: dict[str, Any], inner: dict[str, Array], returned: Any, arguments: dict[str, Any], made: Any
    ) -> dict[str, Array]:
        """The way each parameter went, over the rate."""
        names = returned_names(self._method(self.gradient))
        parts = returned if isinstance(returned, tuple | list) else [returned]
        labelled = dict(zip(names, parts, strict=True)) if len(names) == len(parts) else {}
        found: dict[str, Array] = {}
        for name, before in parameters.items():
            fitting = [labelled.get(name), arguments[name], *parts]
            moved = [np.asarray(a) for a in fitting if isinstance(a, np.ndarray) and a.shape == np.shape(before)]
            moved = [a for a in moved if not np.array_equal(a, before)]
            if moved:
                found[name] = (np.asarray(before) - moved[0]) / RATE
        numbers = {n: v for n, v in parameters.items() if np.ndim(v) == 0}
        found = self._numbers_moved(numbers, names, parts) | found
        after = held(made) if self.owner else {}
        for name, before in inner.items():
            if name in after and after[name].shape == before.shape and not np.array_equal(after[name], before):
                found[name] = (before - after[name]) / RATE
        return found

    def _numbers_moved(self, before: dict[str, float], names: list[str], parts: Sequence[Any]) -> dict[str, Array]:
        """The way of parameters that are single numbers: returned under names like theirs, or in the order of the arguments."""
        after = [v if np.ndim(v) == 0 and isinstance(v, float | np.floating | np.ndarray) else None for v in parts]
        if not before or len(parts) < len(before):
            return {}
        labels = [bare(n) for n in names]
        places = {n: labels.index(bare(n)) for n in before if labels.count(bare(n)) == 1}
        if len(labels) != len(parts) or len(places) < len(before):
            if len(parts) != len(before) or places:
                return {}
            known = {self.cost_names.get(p.name, p.name) for p in parameters_of(self._method(self.gradient))}
            places = {n: i for i, n in enumerate(n for n in before if n in known)}
        return {n: np.asarray((before[n] - v) / RATE) for n, i in places.items() if (v := after[i]) is not None}

    def dependent(self) -> tuple[str, ...]:
        """Real arguments and arrays of the object on which the cost depends.

        Raises
        ------
        UserError
            If it cannot be calculated.
        """
        rng = np.random.default_rng(5)
        values, inner = self._drawn(rng)
        others = self._inner(rng)
        before = self._cost(values, inner)
        fresh = {n: np.asarray(given.drawn(rng)) + 0.1 for n, given in self.given.items() if _is_parameter(n, given)}
        found = [n for n, a in fresh.items() if self._cost(values | {n: a}, inner) != before]
        return (*found, *(p for p, a in others.items() if self._cost(values, inner | {p: a}) != before))

    def agreement(self) -> tuple[int, float, bool] | None:
        """How many gradients are derivatives of the cost, on the scale that most have; that scale; whether they all are.

        None if it cannot be run.
        """
        try:
            compared = self._compared(*self._drawn(np.random.default_rng(23)))
        except (UserError, ValueError):
            return None
        found = [d for d in compared.values() if not d.kinks.all() and np.abs(d.reference).max() > 0]
        if not found or any(d.subject.shape != d.reference.shape or not np.isfinite(d.reference).all() for d in found):
            return None
        ratios = [r for d in found if (r := ratio(d)) is not None]
        # One number is some multiple of any other: it shows a scale only if that is a usual one.
        telling = [r for d in found if d.subject.size > 1 and (r := ratio(d)) is not None]
        telling += [r for r in ratios if any(abs(r / usual - 1) < NEAR for usual in USUAL_SCALES)]
        counts = {r: sum(abs(other / r - 1) < NEAR for other in ratios) for r in telling}
        best = max(counts, key=lambda r: (counts[r], abs(r - 1) < NEAR), default=1.0)
        agreeing = counts.get(best, 0)
        return agreeing, self._accepted(best, agreeing, len(found)), agreeing == len(found)

    def rests(self) -> bool:
        """Whether some elements of a parameter get no gradient at all: the code may know of the others alone."""
        claims = self._claims(*self._drawn(np.random.default_rng(23))).values()
        return any(0 < np.count_nonzero(a) < a.size for a in claims)

    def share(self) -> float:
        """What share of all elements of the gradients agrees, where no gradient does as a whole: the first one that is updated, say."""
        try:
            compared = self._compared(*self._drawn(np.random.default_rng(23))).values()
        except (UserError, ValueError):
            return 0.0
        near = [
            np.abs(d.subject - d.reference) <= NEAR * np.abs(d.reference).max(initial=0)
            for d in compared
            if d.subject.shape == d.reference.shape
        ]
        return float(np.mean(np.concatenate([a.reshape(-1) for a in near]))) if near else 0.0

    def _accepted(self, scale: float, agreeing: int, count: int) -> float:
        """The scale that is taken for granted: a factor common to several gradients, or one that the rate or a half in the cost makes up for."""
        common = agreeing > 1 and agreeing > count / 2
        harmless = scale > 0 and (common or self.updates or any(abs(scale / r - 1) < NEAR for r in HALF_OR_DOUBLE))
        return scale if harmless and abs(scale - 1) > NEAR else 1.0


def _target(statement: ast.Assign | ast.AugAssign) -> ast.expr:
    return statement.targets[0] if isinstance(statement, ast.Assign) else statement.target


def uncut(file: UserFile, claimed: Array, wanted: Array) -> Array:
    """A gradient without what the code cuts off: where all large elements are one round number, and those wanted are beyond it."""
    limit = np.abs(claimed).max(initial=0)
    if claimed.shape != wanted.shape or not limit or float(f"{limit:.2g}") != limit or "clip" not in source_text(file):
        return claimed
    cut = (np.abs(claimed) == limit) & (wanted * np.sign(claimed) > limit)
    return np.where(cut, wanted, claimed)


_REGULARISER = re.compile(r"(my_?)?(lambda|lam|lamda|lmbda|lambd|reg|weight_?decay|l2_)\w*|l2", re.IGNORECASE)


def _is_parameter(name: str, given: Given) -> bool:
    data = (is_x(name) or is_y(name)) and not VECTORS.fullmatch(name)
    return (given.kind == "real" and not data and not STATE.fullmatch(name)) or (
        given.kind == "fixed" and isinstance(given.value, np.ndarray)
    )


def _penalised(part: Array, place: Array) -> tuple[str, Array]:
    """What a regulariser's gradient is made of, the parameter and its sign, in words and as multiples of these two."""
    basis = np.stack([place, np.sign(place)], axis=1)
    by = np.linalg.lstsq(basis, part, rcond=None)[0]
    if len(part) == 1 or np.abs(basis @ by - part).max() > NEAR * np.abs(part).max(initial=0):
        by = np.array([np.median(part / place), 0.0])
    words = []
    for value, of in zip(by, ("W", "sign(W)"), strict=True):
        if abs(value) > NEAR:
            named = next((name for name, v in _DECAYS.items() if abs(v - value) < NEAR), f"{value:.4g} W")
            words.append(named.replace("W", of))
    return " + ".join(words) or "nothing", by


def find_objectives(file: UserFile, taken: frozenset[str]) -> Iterator[Objective]:
    """Costs with gradients at the top level and in classes, each filled so that it runs."""
    functions = {n: f for n, f in file.functions().items() if n not in taken}
    for objectives in _by_gradient(_pairs(file, "", functions)):
        settled = [o for objective in objectives for o in _settled(objective)]
        # Of several costs beside one gradient it is that of the one with which most agrees.
        yield from settled if len(settled) < 2 else [max(settled, key=_agreeing)]
    for owner, cls in file.classes().items():
        methods = {n: f for n, f in vars(cls).items() if callable(f) and not n.startswith("__")}
        found = list(_pairs(file, owner, methods))
        for template in _templates(file, cls) if found else ():
            strong = any(STRENGTHS.fullmatch(n) and type(v) is float for n, v in vars(template).items())
            if held_by_others(owner, taken) and not strong:
                break  # what took it compared all but a regulariser
            settled = [o for objective in found for o in _settled(replace(objective, template=template))]
            yield from settled
            if settled:
                break


def _by_gradient(objectives: Iterable[Objective]) -> Iterator[list[Objective]]:
    """Those of one gradient together."""
    found: dict[str, list[Objective]] = {}
    for objective in objectives:
        found.setdefault(objective.gradient, []).append(objective)
    yield from found.values()


def _agreeing(objective: Objective) -> float:
    agreed = objective.agreement()
    return agreed[0] or min(objective.share(), 0.99) if agreed is not None else -1


_BESIDES = re.compile(
    r"_*(softmax|sigmoid|tanh|relu|update|step|apply|adam|adagrad|rmsprop|sgd|optimi[sz]e)\w*", re.IGNORECASE
)
"""Methods of a class that are compared by themselves."""


def held_by_others(owner: str, taken: frozenset[str]) -> bool:
    """Whether a class is compared already, and not just an activation or an update rule among its methods."""
    methods = {name.partition(".")[2] for name in taken if name.startswith(f"{owner}.")}
    return owner in taken and not (methods and all(_BESIDES.fullmatch(method) for method in methods))


def classes_left(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[tuple[str, type]]:
    """Classes, with their names, that are not compared already, and of which no method has been found."""
    for owner, cls in file.classes().items():
        if not held_by_others(owner, taken) and not any(d.startswith(f"{owner}.") for d in done):
            yield owner, cls


def _templates(file: UserFile, cls: type) -> Iterator[Any]:
    for made in constructions(file, cls, strengthened):
        for name, value in vars(made).items():
            number = isinstance(value, float | int) and not isinstance(value, bool)
            if number and role(name) in ("rate", "epochs"):
                setattr(made, name, RATE if role(name) == "rate" else 1)
            elif limits(name, value):
                setattr(made, name, UNLIMITED)
            elif number and STRENGTHS.fullmatch(name):
                setattr(made, name, STRENGTH)
        if not any(a.size > 1 for a in held(made).values()):
            _fitted(file, made)
        yield made


def _fitted(file: UserFile, made: Any) -> None:
    """Let an object make its parameters, where it does so only when it is given data."""
    for name in ("fit", "train"):
        for given in combinations(["X", "y"], (), 8) if hasattr(made, name) else ():
            x, y = (g.drawn(np.random.default_rng(3)) for g in given.values())
            try:
                file.call(getattr(made, name), x, y)
            except UserError:
                continue
            return


def _pairs(file: UserFile, owner: str, functions: dict[str, Any]) -> Iterator[Objective]:
    """Functions that may be a cost and its gradient, by their names and what they return."""
    forward = next((n for n in FORWARD if owner and n in functions and len(_needed(functions[n])) == 2), "")
    arguments = {n: _needed(f)[bool(owner) :] for n, f in functions.items()}
    if forward:
        arguments = {n: [a for a in given if not _PREDICTED.fullmatch(a)] for n, given in arguments.items()}
    costs = [n for n in functions if _COST.fullmatch(n)]
    for name, f in functions.items():
        returned = returned_names(f)
        plain = [n for n in returned if re.fullmatch(r"[\w.]+", n)]
        both = any(_COST.fullmatch(n.rpartition(".")[2]) for n in plain) and any(
            "grad" in n.lower() or looks_like_gradient(n) for n in plain if not _COST.fullmatch(n)
        )
        if both or (_COST.fullmatch(name) and not _GRADIENT.fullmatch(name) and len(returned) > 1):
            yield Objective(file, owner, name, name, forward)
        elif _UPDATE.fullmatch(name) and (owner or any(role(a) == "rate" for a in arguments[name])):
            taken = {p.name for p in parameters_of(f)}
            of = [c for c in costs if c != name and set(arguments[c]) <= taken]
            yield from (Objective(file, owner, c, name, forward, updates=True) for c in of[:2])
            others = [(c, _renamed(arguments[c], parameters_of(f))) for c in costs if c != name and not of]
            yield from (
                Objective(file, owner, c, name, updates=True, cost_names=r) for c, r in others if r and not owner
            )
        elif _GRADIENT.fullmatch(name):
            own = {a for a in arguments[name] if not (forward and is_x(a))}
            of = [c for c in costs if c != name and {a for a in arguments[c] if not (forward and is_x(a))} == own]
            yield from (Objective(file, owner, c, name, forward) for c in of[:2])


def _renamed(arguments: list[str], others: list[inspect.Parameter]) -> dict[str, str]:
    """Which argument of an update is which of a cost, where names differ in what is like `_current`; empty if one is missing."""
    places = {bare(n): n for n in arguments}
    found = {p.name: places[bare(p.name)] for p in others if bare(p.name) in places}
    whole = len(places) == len(arguments) and len(set(found.values())) == len(found) == len(arguments)
    return found if whole else {}


def _needed(f: Callable[..., Any]) -> list[str]:
    """Arguments that a function cannot do without, data that are None otherwise, and numbers that must be known: rates, epochs, strengths."""
    return [
        p.name
        for p in parameters_of(f)
        if p.default is p.empty
        or role(p.name) == "rate"
        or (role(p.name) == "epochs" and isinstance(p.default, int))
        or limits(p.name, p.default)
        or (p.default is None and is_x(p.name))
        or (isinstance(p.default, float | int) and _REGULARISER.fullmatch(p.name))
        or (isinstance(p.default, float) and p.name == "decay" and _COST.fullmatch(getattr(f, "__name__", "")))
    ]


def _settled(objective: Objective) -> Iterator[Objective]:
    """The objective with its arguments filled in the way under which most gradients agree; none if it runs in no way."""
    file, owner = objective.file, objective.owner
    cls = file.namespace[owner] if owner else None
    functions = [getattr(cls, n) if owner else file.namespace[n] for n in (objective.cost, objective.gradient)]
    named = (n for f in functions for n in _needed(f)[bool(owner) :])
    names = list(dict.fromkeys(objective.cost_names.get(n, n) for n in named))
    if objective.forward:
        names = [n for n in names if not _PREDICTED.fullmatch(n)]
        names = names if any(map(is_x, names)) else ["X", *names]
    arrays = held(objective.template).values() if owner else ()
    widths = tuple(sorted({n for a in arrays for n in a.shape if n > 1}))
    best = None
    if not owner and _of_matrices(objective):
        ways = (w for w in combinations(names, widths, TRIED) if not any(len(g.shape) == 1 for g in w.values()))
        best = _best(replace(objective, matrices=True), ways)
    if best is None or best[0] < 1:
        best = _better(best, _best(objective, itertools.chain(rolled(file, names), combinations(names, widths, TRIED))))
    if not owner and (best is None or (best[0] < 1 and best[1].rests())):
        best = _better(best, _best(objective, counted(names)))
    if best is None and not owner:
        best = _best(objective, lines(names))
        best = best if best and best[0] >= 1 else None  # what is given is a guess: something must agree
    if best is not None:
        # What is the gradient of some function, and of this cost in no element, may be that of another cost, or of other data.
        yield replace(best[1], doubtful=best[0] < MOSTLY and is_a_gradient(best[1]))


MOSTLY = 0.5
"""Share of elements that agree, from which it is no chance."""


def _of_matrices(objective: Objective) -> bool:
    """Whether the file makes matrices with which one of both functions multiplies, that does not make them itself."""
    made = _MATRIX_MADE.search(source_text(objective.file))
    functions = (objective._method(n) for n in {objective.cost, objective.gradient})
    return bool(made) and any("*" in (text := source_of(f)) and not _MADE_AGAIN.search(text) for f in functions)


_Ranked = tuple[float, Objective]
"""With how many gradients agree; with less than 1, the share of elements that do, where no gradient does."""


def _better(one: _Ranked | None, other: _Ranked | None) -> _Ranked | None:
    return max((r for r in (one, other) if r is not None), key=lambda r: r[0], default=None)


def _best(objective: Objective, ways: Iterable[dict[str, Given]]) -> _Ranked | None:
    """The way of filling the arguments under which most gradients agree, and how many do."""
    best: _Ranked | None = None
    calls = 0
    for given in ways:
        shaped = {n: _like(objective.template, n, g) for n, g in given.items()}
        if not objective.updates:  # a "learning rate" of a cost is the strength of a regulariser
            shaped = {n: Given("fixed", value=STRENGTH) if role(n) == "rate" else g for n, g in shaped.items()}
        if best is not None and _at_odds(shaped):
            continue
        tried = replace(objective, given=shaped)
        if not runs(tried) or _elements(tried) > MOST:
            continue
        found = tried.agreement()
        if found is None:
            continue
        calls += 6 * _elements(tried)
        tried.scale = found[1]
        rank = found[0] or min(tried.share(), 0.99)
        if best is None or rank > best[0]:
            best = rank, tried
        if found[2] or calls > CALLS:
            break
    return best


def _at_odds(given: dict[str, Given]) -> bool:
    """Whether there are targets for all examples and one row of inputs alone: that runs by broadcasting, and hides what is wrong."""
    rows = [M in g.shape for n, g in given.items() if is_x(n) and not VECTORS.fullmatch(n) and g.shape]
    targets = [M in g.shape or isinstance(g.value, list) for n, g in given.items() if is_y(n) and not is_x(n)]
    return any(targets) and bool(rows) and not any(rows)


def _like(template: Any, name: str, given: Given) -> Given:
    """An argument that has the name of an array of the object is as large."""
    own = vars(template).get(name) if template is not None else None
    return Given("real", own.shape) if isinstance(own, np.ndarray) and given.kind == "real" else given


def _elements(objective: Objective) -> int:
    """Numbers by which the cost is differentiated."""
    inner = held(objective.template) if objective.owner else {}
    sizes = {n: int(np.prod(g.shape)) for n, g in objective.given.items()} | {p: a.size for p, a in inner.items()}
    return sum(sizes[n] for n in objective.parameters)


def _recalculated(
    objective: Objective, claims: dict[str, Array], values: dict[str, Any], inner: dict[str, Array]
) -> bool:
    """Whether something moves with a learning rate of 0 too: then it is a result of the forward pass, or drawn anew."""
    template = copy.deepcopy(objective.template)
    rates = [n for n, v in vars(template).items() if type(v) is float and role(n) == "rate"]
    for name in rates:
        setattr(template, name, 0.0)
    arguments = {n: 0.0 for n in values if role(n) == "rate"}
    if not rates and not arguments:
        return False
    still = replace(objective, template=template)._claims(values | arguments, inner)
    return bool(still.keys() & claims.keys())


def runs(objective: Objective) -> bool:
    """Whether the cost is a number and a gradient comes back in the shape of a parameter; finds out which the parameters are."""
    rng = np.random.default_rng(7)
    values, inner = objective._drawn(rng)
    others = objective._inner(rng)
    try:
        objective.parameters = objective.dependent()
        claims = objective._claims(values, inner)
        if objective.updates and objective.owner and _recalculated(objective, claims, values, inner):
            return False
        if objective.updates and objective.owner:
            # `fit` may begin with parameters of its own: then it moves them from wherever they were to the same place.
            elsewhere = objective._claims(values, others)
            if any(
                n in elsewhere and np.allclose(inner[n] - RATE * a, others[n] - RATE * elsewhere[n])
                for n, a in claims.items()
                if n in inner
            ):
                return False
    except (UserError, ValueError, TypeError):
        return False
    return bool(claims) and all(a.shape == np.shape((inner if n in inner else values)[n]) for n, a in claims.items())
