"""Training functions that keep weights, gradients and costs to themselves, beside finite differences of their own cost.

`fit(X, y)` of a classifier, `model(X, Y, ...)` of a course: with a learning rate of 0 the cost is that of the parameters which were put
in before the loop; with another one, the way they go tells the gradient. See `opened_functions`.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import FunctionType, MethodType
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.differences import Derived, ratio
from comparisons.check.locating import Spot, statement
from comparisons.check.repeated import repeated
from comparisons.check.styles.cost_arguments import (
    BIAS,
    STRENGTH,
    STRENGTHS,
    Given,
    H,
    K,
    M,
    N,
    choices,
    is_number,
    strengthened,
)
from comparisons.check.styles.costs import MOST, NEAR
from comparisons.check.styles.glances import Glanced
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.network_arguments import RATE, is_x, is_y, parameters_of, role
from comparisons.check.styles.network_functions import Patched
from comparisons.check.styles.network_objects import constructions
from comparisons.check.styles.opened_functions import (
    COST,
    Turn,
    compiled,
    definition,
    instead,
    missing_names,
    nested_loops,
    recorded,
    settle_numbers,
    training_loop,
)
from comparisons.check.styles.unguarded import emptied, told, unguard
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
FEW = 60
"""Elements of all parameters up to which it is asked what they see of each other's updates."""
CALLS = 800
"""Turns after which no further way is looked for."""
WAYS = 24
"""Ways of filling the arguments that are tried."""
ROUGHLY = 1e-5
"""So far the probabilities of both labels may be from 1, for a small number in the logarithms."""
_OF_SQUARES = (
    "{} is the cross-entropy, while the update is by the gradient of the squared error; for the cross-entropy the derivative of "
    "sigmoid, a (1 - a), cancels, and a - y is left"
)
_OF_ONE_LABEL = (
    "{} is the cross-entropy, and its gradient is right where the label is {}; where it is {}, {}: the derivative for the output a "
    "is -(y / a - (1 - y) / (1 - a))"
)
_SLOPE = re.compile(r"\b(\w+) \* \(1(\.0)? - \1\)|\b\w*(deriv|prime|grad|slope)\w*\(", re.IGNORECASE)
_QUOTIENT = re.compile(r"divide\(|\by\w* / ", re.IGNORECASE)
_WORDS = ("we", "go", "far", "away", "home", "now", "soon")
_VOCABULARY = re.compile(r"\w*(vec(tor)?_?map|word_?vec\w*|word_to_vec\w*|glove\w*|embeddings?(_(map|dict|index))?)", re.IGNORECASE)  # fmt: skip
_PENALISED = re.compile(r"penalty|penali[sz]|regulari[sz]", re.IGNORECASE)
"""In a class with such words `gamma` is the strength of the penalty."""
_LIKELIHOOD = re.compile(r"\w*(likelihood|reward)\w*|ll", re.IGNORECASE)


@dataclass
class Opened(Glanced):
    """A training function and its own cost.

    Attributes
    ----------
    places : dict of str to tuple
        Shapes of the parameters, by place.
    observed : str
        What the cost is called.
    single : bool
        Whether it is given one example alone.
    first : bool
        Whether its inner loops, too, turn once.
    guards : tuple of float
        Small numbers against log 0 that have been taken out.
    squares : bool
        Whether the squared error of the probability whose cross-entropy the cost is stands in for the cost.
    contradicted : str
        In words, which other gradient it is that the loop moves by: that of this squared error.
    elsewhere : dict of str to tuple of str
        By place of a parameter, others that hold the same array.
    """

    places: dict[str, tuple[int, ...]] = field(default_factory=dict)
    observed: str = ""
    single: bool = False
    first: bool = False
    guards: tuple[float, ...] = ()
    squares: bool = False
    contradicted: str = ""
    elsewhere: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compiled: tuple[Any, FunctionType, dict[str, Any]] | None = None

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "training with its cost"

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        said = [f"the loss is what the code calls {self.observed.rpartition('.')[2]}"]
        return [
            *super().remarks,
            *said,
            *(["it was given one example"] if self.single else []),
            *(["its inner loop was run once"] if self.first else []),
            *told(list(self.guards)),
        ]

    @property
    def glances(self) -> int:
        """Of one example more are drawn: what is wrong for the label 0 may be right for 1."""
        return 5 if self.single else super().glances

    def _drawn(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Array]]:
        values, inner = super()._drawn(rng)
        if self.single:
            which = int(rng.integers(M))
            values = {n: _one(v, which) if is_x(n) or is_y(n) else v for n, v in values.items()}
        return values, inner

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        return {p: np.asarray(0.5 * rng.standard_normal(shape)) for p, shape in self.places.items()}

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """As for any objective; what is the gradient of a squared error beside a cross-entropy is called so."""
        told = self.contradicted
        for d in super().derived(rng):
            near = np.abs(d.subject - d.reference).max(initial=0) <= NEAR * np.abs(d.reference).max(initial=0)
            yield replace(d, cause=told, spot=self._at_derivative()) if told and not near else d

    def _at_derivative(self) -> Spot | None:
        """The line of the function that multiplies by the slope of sigmoid, a (1 - a), or that divides by a."""
        within = definition(self.file, self.owner, self.gradient)
        told_by = _SLOPE if self.contradicted == _OF_SQUARES.format(self.observed) else _QUOTIENT
        for s in ast.walk(within) if within is not None else ():
            if isinstance(s, ast.Assign | ast.AugAssign) and told_by.search(ast.unparse(s.value)):
                called = f"{self.owner}.{self.gradient}" if self.owner else self.gradient
                return Spot(called, s.lineno, statement(self.file.path, s.lineno))
        return None

    def _cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        if self.squares:
            return self._squared_error(values, inner)
        return self._observed_cost(values, inner)

    def _observed_cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        costs = self.costs(self.turned(values, inner, 0.0))
        if self.observed not in costs:
            raise UserError(f"{self.gradient} calculates no {self.observed}")
        return costs[self.observed]

    def _squared_error(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        """Of one example's probability p, where the costs for the labels 0 and 1 are -log(1 - p) and -log p."""
        name = next((n for n, v in values.items() if is_y(n) and isinstance(v, np.ndarray) and v.size == 1), "")
        if not name:
            raise UserError(f"{self.gradient} is given no label")
        y = values[name]
        no, yes = (
            float(np.exp(-self._observed_cost(values | {name: np.full_like(y, label)}, inner))) for label in (0, 1)
        )
        if not abs(no + yes - 1) < ROUGHLY:
            raise UserError(f"{self.observed} is no cross-entropy of a probability")
        return (yes - float(y.reshape(()))) ** 2 / 2

    def dependent(self) -> tuple[str, ...]:
        """Of what the loop moves, that on which the cost depends."""
        rng = np.random.default_rng(5)
        values, inner = self._drawn(rng)
        others, before = self._inner(rng), self._cost(values, inner)
        return tuple(p for p, a in others.items() if self._cost(values, inner | {p: a}) != before)

    def _too_late(self, values: dict[str, Any], inner: dict[str, Array], name: str) -> Iterator[tuple[str, Array]]:
        if sum(a.size for a in inner.values()) <= FEW:
            yield from super()._too_late(values, inner, name)

    def costs(self, turn: Turn) -> dict[str, float]:
        """All that may be a cost."""
        found = turn.costs | turn.called
        return {n: -v if _LIKELIHOOD.fullmatch(n.rpartition(".")[2]) else v for n, v in found.items() if np.isfinite(v)}

    def _claims(self, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Array]:
        turn = self.turned(values, inner, RATE)
        own = {p: a for p, a in inner.items() if not self.parameters or p in self.parameters}
        return {
            p: (a - turn.after[p]) / RATE for p, a in own.items() if p in turn.after and turn.after[p].shape == a.shape
        }

    def turned(self, values: dict[str, Any], inner: dict[str, Array], rate: float) -> Turn:
        """One turn of the loop.

        Raises
        ------
        UserError
            If the code raises.
        """
        f, missing = self._opened()
        made = copy.deepcopy(self.template)
        settle_numbers(made, rate)
        turn = self._turn(inner | {o: inner[p] for p in inner for o in self.elsewhere.get(p, ())}, rate)
        given = {n: v.copy() if isinstance(v, np.ndarray) else copy.copy(v) for n, v in values.items()}
        given |= {n: rate for n in given if role(n) == "rate"}
        own = {n: v for n in self.file.own if (v := self._global(n, rate)) is not None}
        with Patched(self.file.namespace, own | missing | turn.names), ExitStack() as stack:
            stack.enter_context(repeated(self.file.namespace, *([vars(made)] if made is not None else [])))
            self._record(stack, turn)
            arguments = {p.name: given[p.name] for p in parameters_of(f) if p.name in given}
            self.file.call(MethodType(f, made) if self.owner else f, **arguments)
        return turn

    def _turn(self, inner: dict[str, Array], rate: float) -> Turn:
        return Turn(inner, rate)

    def _global(self, name: str, rate: float) -> float | None:
        value = self.file.namespace.get(name)
        return instead(name, value, rate) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def _record(self, stack: ExitStack, turn: Turn) -> None:
        """Note what functions give that are called costs."""
        for name, f in self.file.functions().items():
            if COST.fullmatch(name) and name != self.gradient:
                stack.enter_context(patch.dict(self.file.namespace, {name: recorded(f, name, turn)}))
        cls = self.file.namespace[self.owner] if self.owner else None
        for name, f in list(vars(cls).items()) if cls is not None else ():
            if isinstance(f, FunctionType) and COST.fullmatch(name):
                stack.enter_context(patch.object(cls, name, recorded(f, name, turn)))

    def _opened(self) -> tuple[FunctionType, dict[str, Any]]:
        """The opened function, and what stands in for functions that are not here."""
        function = (
            vars(self.file.namespace[self.owner])[self.gradient] if self.owner else self.file.namespace[self.gradient]
        )
        code = getattr(function, "__func__", function).__code__
        if self.compiled is None or self.compiled[0] is not code:
            made = compiled(self.file, self.owner, self.gradient, self.first)
            if made is None:
                raise UserError(f"{self.gradient} has no loop")
            made.__code__, _ = emptied(made.__code__)
            self.compiled = code, made, missing_names(made.__code__, self.file.namespace)
        return self.compiled[1:]


def _one(value: Any, which: int) -> Any:
    """One of the examples, still as a batch."""
    if isinstance(value, np.ndarray) and value.ndim:
        axis = value.shape.index(M) if M in value.shape else 0
        return value.take([which % value.shape[axis]], axis=axis)
    return value[which : which + 1] if isinstance(value, list) else value


def find_opened(file: UserFile, taken: frozenset[str], whole: frozenset[str] = frozenset()) -> Iterator[Opened]:
    """Training functions and methods that run, and whose cost depends on what they move; none of classes that are compared as a whole."""
    for name, f in file.functions().items():
        if name not in taken and _likely(file, "", name):
            base = Opened(file, "", name, name, updates=True)
            yield from _unguarded(_settled(base, asked(f, False)))
    for owner, cls in file.classes().items():
        for name, f in list(vars(cls).items()) if owner not in whole else ():
            if not isinstance(f, FunctionType) or name.startswith("__") or not _likely(file, owner, name):
                continue
            for template in templates(file, cls):
                strong = any(
                    STRENGTHS.fullmatch(n) and v == STRENGTH for n, v in vars(template).items() if type(v) is float
                )
                if owner in taken - file.partly and not strong:
                    break  # what took it compared all but a regulariser
                found = list(
                    _unguarded(
                        _settled(Opened(file, owner, name, name, template=template, updates=True), asked(f, True))
                    )
                )
                yield from found
                if found:
                    break


def _unguarded(found: Iterator[Opened]) -> Iterator[Opened]:
    """Without what stands against log 0."""
    for opened in found:
        code = (
            vars(opened.file.namespace[opened.owner])[opened.gradient]
            if opened.owner
            else opened.file.namespace[opened.gradient]
        )
        inline = emptied(code.__code__)[1]
        opened.guards = tuple(sorted({*inline, *unguard(opened.file, opened.owner, [opened.gradient])}))
        yield opened


def _likely(file: UserFile, owner: str, name: str) -> bool:
    """Whether a function has a loop, a cost and a learning rate, its object's and the file's included."""
    opened = compiled(file, owner, name)
    if opened is None:
        return False
    names = {*opened.__code__.co_names, *opened.__code__.co_varnames}
    return any(role(n) == "rate" for n in names) and any(COST.fullmatch(n) for n in names)


def asked(f: Callable[..., Any], method: bool) -> list[str]:
    """Arguments that are given: those that must be, and those that the way of training depends on."""
    found = parameters_of(f)[method:]
    steering = ("rate", "epochs", "batch_size", "flag")
    return [
        p.name
        for p in found
        if p.default is p.empty
        or role(p.name) in steering
        or (STRENGTHS.fullmatch(p.name) and isinstance(p.default, int | float))
        or (p.default is None and (is_x(p.name) or is_y(p.name)))
        or re.fullmatch(r"_?(momentum|mu)", p.name)
        or (role(p.name) in ("hidden_size", "input_size", "output_size") and isinstance(p.default, int))
    ]


def templates(file: UserFile, cls: type) -> Iterator[Any]:
    """Objects with small sizes, and with a regulariser where they may have one."""
    own = {p.name: p for p in parameters_of(cls)}
    more: dict[str, Any] = {}
    for name, p in own.items():
        if p.default is p.empty or isinstance(p.default, bool) or not isinstance(p.default, int | float):
            continue
        small = {
            "hidden_size": H - 1,
            "input_size": N,
            "output_size": K,
            "batch_size": M,
            "epochs": 1,
            "rate": RATE,
        }.get(role(name))
        if small is not None:
            more[name] = small
        elif STRENGTHS.fullmatch(name) or (name == "gamma" and _PENALISED.search(source_of(cls))):
            more[name] = STRENGTH
        elif re.fullmatch(r"_?(momentum|mu)|decrease_const|decay_?rate", name):
            more[name] = 0.0
    for made in constructions(file, cls, lambda arguments: more | strengthened(arguments)):
        for name, value in list(vars(made).items()):
            if isinstance(value, int | float) and not isinstance(value, bool):
                number = {"batch_size": M, "epochs": 1, "rate": RATE}.get(role(name))
                if number is not None:
                    setattr(made, name, number)
        yield made


def _fillings(names: list[str], code: Any) -> Iterator[dict[str, Given]]:
    """Ways of filling arguments: all inputs alike, and all targets."""
    groups: dict[str, list[str]] = {}
    for n in names:
        steering = role(n) in ("rate", "epochs", "batch_size", "flag", "seed")
        kind = n if steering or _VOCABULARY.fullmatch(n) else "x" if is_x(n) else "y" if is_y(n) else n
        groups.setdefault(kind, []).append(n)
    words = any(_VOCABULARY.fullmatch(n) for n in names)
    lists = []
    for kind, members in groups.items():
        found = [Given("fixed", value=_sentences())] if words and kind == "x" else _choices(members[0], code)
        if not found:
            return
        lists.append(found)

    if {"x", "y"} <= groups.keys() and not {"shape", "zeros", "ones", "random", "T"} & {*code.co_names}:
        # A line through points, with single numbers for parameters.
        one = {"x": Given("real", (M,)), "y": Given("binary", (M,))}
        firsts = (one.get(kind, given[0]) for kind, given in zip(groups, lists, strict=True))
        yield {n: given for members, given in zip(groups.values(), firsts, strict=True) for n in members}

    def unlikely(chosen: tuple[int, ...]) -> int:
        """How late they come in the lists; inputs in columns go with targets in columns, and come last with others."""
        shapes = [given[i].shape for given, i in zip(lists, chosen, strict=True)]
        along = [shape.index(M) for shape in shapes if len(shape) == 2 and M in shape]
        return sum(chosen) + (10 if len(set(along)) > 1 else -7 if along.count(1) > 1 else 0)

    places = itertools.product(*(range(len(given)) for given in lists))
    for chosen in sorted(itertools.islice(places, 5000), key=unlikely)[:WAYS]:
        yield {n: given[i] for members, given, i in zip(groups.values(), lists, chosen, strict=True) for n in members}


def _choices(name: str, code: Any) -> list[Given]:
    if _VOCABULARY.fullmatch(name):
        widths = dict.fromkeys(c for c in (N, *_numbers(code)) if 1 < c <= 64)
        return [Given("fixed", value=_vectors(n)) for n in widths]
    if role(name) == "sizes":
        return [Given("fixed", value=sizes) for sizes in ([N, H, 1], [N, H, K], [N, 1], [N, K])]
    if re.fullmatch(r"_?(momentum|mu)", name):
        return [Given("fixed", value=0.0)]
    return choices(name)


def _numbers(code: Any) -> Iterator[int]:
    yield from (c for c in code.co_consts if type(c) is int)


def _sentences() -> Array:
    """As many short texts as there are examples, none like another."""
    return np.array([" ".join(_WORDS[(i + j) % len(_WORDS)] for j in range(1 + i % 3)) for i in range(M)])


def _vectors(n: int) -> dict[str, Array]:
    rng = np.random.default_rng(31)
    return {word: rng.standard_normal(n) for word in _WORDS}


def _settled(objective: Opened, names: list[str]) -> Iterator[Opened]:
    """The function with its arguments filled in the way under which most gradients agree.

    Where none agrees, the loss may be another one than the code prints; then only what is the gradient of no function at all is
    taken for a mistake.
    """
    code = objective._opened()[0].__code__
    within = definition(objective.file, objective.owner, objective.gradient)
    inner = within is not None and bool(nested_loops(training_loop(within) or within))
    yield from settled(objective, _fillings(names, code), inner)


def settled(objective: Opened, fillings: Iterable[dict[str, Given]], inner: bool) -> Iterator[Opened]:
    """The same, for given ways of filling the arguments; `inner` tells whether there are loops within the loop."""
    best: tuple[int, Opened] | None = None
    none: list[Opened] = []
    spent = 0
    ways = [(False, False), (True, False), *([(False, True)] if inner else [])]
    for given, (single, first) in itertools.product(fillings, ways):
        if (single or first) and best is not None:
            continue  # else a missing sum over the batch would go unseen
        made = objective.compiled if not first else None
        tried = replace(
            objective,
            given=given,
            single=single,
            first=first,
            places={},
            observed="",
            parameters=(),
            compiled=made,
            elsewhere={},
        )
        for found in _observing(tried):
            spent += 40 * len(found.parameters)
            agreed = found.agreement()
            if agreed is None:
                continue
            agreeing, found.scale, whole = agreed
            if agreeing and (best is None or agreeing > best[0]):
                best = agreeing, found
            if not agreeing and best is None and _agrees_plainly(found):
                best = 1, found
            elif not agreeing:
                none.append(found)
                if best is None and not single and not first and _mostly(found):
                    best = 0, found
            if whole:
                yield found
                return
        if spent > CALLS and (best is not None or none):
            break
    if best is not None:
        yield best[1]
        return
    for other in none:
        told = _OF_SQUARES.format(other.observed) if _of_squares(other) else _of_one_label(other)
        if told:
            yield replace(other, contradicted=told)
            return
    if none and not any(is_a_gradient(o) for o in none):
        yield none[0]


def learns_squares(file: UserFile, members: Iterable[str]) -> str:
    """What is to be said where one of some functions prints a cross-entropy and learns by a squared error; nothing for others."""
    for member in members:
        owner, _, name = member.rpartition(".")
        cls = file.classes().get(owner) if owner else None
        f = vars(cls).get(name) if cls is not None else file.functions().get(name)
        if not isinstance(f, FunctionType) or "log" not in f.__code__.co_names or not _likely(file, owner, name):
            continue
        for template in templates(file, cls) if cls is not None else (None,):
            base = Opened(file, owner, name, name, template=template, updates=True)
            found = list(_settled(base, asked(f, bool(owner))))
            if found and found[0].contradicted:
                return found[0].contradicted
            if found:
                break
    return ""


def _of_squares(opened: Opened) -> bool:
    """Whether the cost is a binary cross-entropy, and what the loop moves by is the gradient of the squared error.

    Of one example the two differ by p (1 - p), which is another number for each draw: they are not taken for one another.
    """
    agreed = replace(opened, squares=True, single=True).agreement()
    return agreed is not None and agreed[2]


def _of_one_label(opened: Opened) -> str:
    """Where the gradient of a cross-entropy is right for one label, and for the other of the wrong sign or nothing: what is to be said."""
    single = replace(opened, single=True)
    labels = ("binary", (M, 1)), ("binary", (1, M)), ("binary", (M,))
    name = next((n for n, g in opened.given.items() if is_y(n) and (g.kind, g.shape) in labels), "")
    found: dict[int, float] = {}
    for label in (0, 1) if name else ():
        rng = np.random.default_rng(23)
        try:
            values, inner = single._drawn(rng)
            single._squared_error(values, inner)
            values[name] = np.full_like(values[name], label)
            claims = single._claims(values, inner)
            glances = [single._glance(n, claims[n], values, inner) for n in single.parameters]
        except (UserError, ValueError, KeyError):
            return ""
        ratios = [0.0 if not np.any(d.subject) else ratio(d) for d in glances if np.any(d.reference)]
        if not ratios or any(r is None or abs(r - (ratios[0] or 0)) > NEAR for r in ratios):
            return ""
        found[label] = ratios[0] or 0.0
    for label, r in found.items():
        other = found[1 - label]
        if abs(r - 1) < NEAR and min(abs(other), abs(other + 1)) < NEAR:
            return _OF_ONE_LABEL.format(
                opened.observed, label, 1 - label, "it is nothing" if abs(other) < NEAR else "the sign is wrong"
            )
    return ""


def _mostly(opened: Opened) -> bool:
    """Whether most elements of all gradients agree with the derivatives: then the others are wrong, of a bias among the weights, say."""
    if sum(int(np.prod(s)) for s in opened.places.values()) > FEW:
        return False
    values, inner = opened._drawn(np.random.default_rng(27))
    try:
        found = opened._compared(values, inner).values()
    except (UserError, ValueError):
        return False
    right = moved = 0
    for d in found:
        if d.subject.shape == d.reference.shape:
            there = (d.subject != 0) | (d.reference != 0)  # what takes no part agrees with anything
            near = np.abs(d.subject - d.reference) <= NEAR * np.abs(d.reference).max(initial=0)
            right, moved = right + int((near & there).sum()), moved + int(there.sum())
    return 2 * right > moved


def _agrees_plainly(opened: Opened) -> bool:
    """Whether all gradients agree once no regulariser is left: then it is the regulariser's part that is wrong."""
    plain, values = opened._without_strength({n: g.value for n, g in opened.given.items() if g.kind == "fixed"})
    if plain is None:
        return False
    given = {n: Given("fixed", value=values[n]) if n in values else g for n, g in opened.given.items()}
    agreed = replace(plain, given=given).agreement()
    return agreed is not None and agreed[2]


def _halved(before: Array, after: Array, less: Array | None) -> bool:
    """Whether half the rate goes half the way: then all that moves goes by one gradient."""
    if less is None or less.shape != after.shape:
        return False
    way = after - before
    return bool(np.abs(way - 2 * (less - before)).max() <= NEAR * np.abs(way).max())


def _observing(tried: Opened) -> Iterator[Opened]:
    """The function with its parameters, and with each number that may be its cost."""
    values, _ = tried._drawn(np.random.default_rng(7))
    try:
        still, moved, less = (tried.turned(values, {}, rate) for rate in (0.0, RATE, RATE / 2))
    except (UserError, ValueError, TypeError):
        return
    places = {
        p: a.shape
        for p, a in still.before.items()
        if p in still.after and p in moved.after and still.after[p].shape == a.shape == moved.after[p].shape
        and np.array_equal(still.after[p], a) and not np.array_equal(moved.after[p], a)
        and np.isfinite(moved.after[p]).all() and (a.size > 1 or (a.ndim == 0 and is_number(p)) or BIAS.fullmatch(re.findall(r"\w+", p)[-1]))
    }  # fmt: skip
    if not all(_halved(still.before[p], moved.after[p], less.after.get(p)) for p in places):
        return  # one example after the other, each with what the one before has left
    if not places or sum(int(np.prod(s)) for s in places.values()) > MOST:
        return
    same: dict[str, tuple[str, ...]] = {}
    for p in list(places):
        if p in places and (others := still.elsewhere(p)):
            same[p] = others
            places = {q: shape for q, shape in places.items() if q not in others}
    for name in tried.costs(still):
        found = replace(tried, places=places, observed=name, elsewhere=same)
        try:
            found.parameters = found.dependent()
        except (UserError, ValueError, TypeError):
            continue
        if found.parameters:
            yield found
