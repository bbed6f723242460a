"""Classes that learn from one example at a time and show no gradients, beside finite differences of their own loss or prediction.

A network of radial basis functions, ADALINE, a linear model with SGD, word2vec with negative sampling: `train_one(x, target)` moves the
arrays of the object. How far they move, over the rate, is the gradient of the loss: of the class's own loss method where it has one, else
of a usual loss of what its prediction gives. Where that is not so for most of them, nothing is said, and nothing either where the step is
the gradient of another function.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.calling import source_of, tree
from comparisons.check.differences import Derived, ratio
from comparisons.check.locating import Spot
from comparisons.check.styles.cost_arguments import Given, H, M, N
from comparisons.check.styles.costs import MOST, NEAR, Objective, classes_left, runs
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.network_arguments import RATE, is_x, is_y, parameters_of, required, role
from comparisons.check.styles.network_objects import constructions, held
from comparisons.check.styles.online_arguments import CONTEXT, WORDS, choices, is_rate, is_vocabulary
from comparisons.check.styles.summed_losses import summed
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
SECONDS = 3.0
"""For which ways of calling one class are looked for."""
WAYS = 150
_STEP = re.compile(
    r"_*(train|update|learn|fit|step|partial_?fit|sgd|back_?prop\w*|backward|adjust|optimi[sz]e|propagate_back)\w*",
    re.IGNORECASE,
)
_COST = re.compile(
    r"(?!.*(grad|back|deriv|prime|plot|print|total))_*\w*(loss|cost|nll|energy|objective|error)\w*", re.IGNORECASE
)
_PREDICT = re.compile(
    r"_*(predict\w*|forward\w*|feed_?forward|net_?input|activat(ion|e)|output|compute|hypothesis|think|score|infer\w*|evaluate|__call__)",
    re.IGNORECASE,
)  # fmt: skip
_FIT = ("fit", "train", "initialize", "init_weights", "build")
_POSITIVE = re.compile(r"\w*(std|sigma|width|var|scale|gamma|radi|spread|beta)\w*", re.IGNORECASE)
_LITERAL = re.compile(r"(?<![\w.])\d*\.\d+(?:e-?\d+)?|\b\d+e-?\d+|\b\d+\b(?!\.)", re.IGNORECASE)


MEASURES = ("squared error", "binary cross-entropy", "cross-entropy")
"""Of a prediction and its target, in the order in which they are tried; see `summed_losses`."""


@dataclass
class Online(Objective):
    """A step on one example, and a loss or a prediction.

    Attributes
    ----------
    measure : str
        One of `MEASURES` where `cost` is a method that predicts; empty where it gives the loss.
    renamed : dict of str to str
        What arguments of the step are called by the cost.
    batched : bool
        Whether the prediction is asked for a batch of one.
    scales : dict of str to float
        Multiples of the gradient by which arrays move, where each has a rate of its own.
    """

    measure: str = ""
    renamed: dict[str, str] = field(default_factory=dict)
    batched: bool = False
    scales: dict[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "step on one example, with its loss" if not self.measure else "step on one example"

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        told = [f"the loss is the {self.measure} of what {self.cost} gives"] if self.measure else []
        rates = [f"{n} moves at {r * RATE:.4g} times its gradient" for n, r in self.scales.items() if abs(r - 1) > NEAR]
        return [*super().remarks, *told, *rates]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """As for any cost, with means over lists of words among the explanations."""
        for found in super().derived(rng):
            own = self.scales.get(found.tensor.rpartition(".")[2], 1.0)
            found = replace(found, subject=found.subject / own)
            wrong = np.abs(found.subject - found.reference).max(initial=0) > NEAR * np.abs(found.reference).max(
                initial=0
            )
            spot = self._spot(found.tensor.rpartition(".")[2]) if wrong else None
            told = (*self._of_means(found.reference), *found.explanations)
            yield replace(found, explanations=told, spot=spot)

    def _spot(self, name: str) -> Spot | None:
        """The last line of the step that moves an array."""
        f = getattr(self.file.namespace[self.owner], self.gradient)
        body, code = tree(f), getattr(f, "__code__", None)
        if body is None or code is None or code.co_filename != self.file.path:
            return None
        leaf = re.escape((re.findall(r"[A-Za-z_]\w*", name) or [name])[-1])
        moving = [
            n
            for n in ast.walk(body)
            if isinstance(n, ast.Assign | ast.AugAssign)
            and re.search(rf"\bself\.{leaf}\b", ast.unparse(n).partition("=")[0])
        ]
        if not moving:
            return None
        last = max(moving, key=lambda n: n.lineno)
        return Spot(f"{self.owner}.{self.gradient}", code.co_firstlineno + last.lineno - 1, ast.unparse(last))

    def _of_means(self, wanted: Array) -> Iterator[tuple[str, Array]]:
        for name, given in self.given.items():
            n = np.size(given.value)
            if given.kind == WORDS and given.value is CONTEXT:
                yield f"{n} times too large, and {name} has {n} words: it is not divided by their number", n * wanted
                yield f"divided by the number of words in {name} ({n}), though they are summed", wanted / n

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        found = super()._inner(rng)
        return {p: rng.uniform(0.6, 1.4, a.shape) if _POSITIVE.fullmatch(p) else a for p, a in found.items()}

    def _cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        own = {self.renamed.get(n, n): v for n, v in values.items()}
        if not self.measure:
            return super()._cost(own, inner)
        f, _ = self._function(self.cost, inner)
        name = required(f)[0].name
        x = copy.deepcopy(own[name])
        output = _numbers(self.file.call(f, np.asarray([x]) if self.batched else x))
        target = np.asarray(self._target(values), dtype=np.float64)
        if output.size != target.size:
            raise UserError(f"{self.cost} gives something else than a target")
        return summed(self.measure, output.reshape(-1), target.reshape(-1), self.cost)

    def _target(self, values: dict[str, Any]) -> Any:
        names = [n for n in values if is_y(n) and n not in self.renamed]
        if not names:
            raise UserError(f"{self.gradient} has no target")
        return values[names[-1]]


def _numbers(returned: Any) -> Array:
    """What a prediction gives, as one array of floats.

    Raises
    ------
    UserError
        If it is none.
    """
    if isinstance(returned, tuple) and returned:
        returned = returned[0]
    try:
        found = np.asarray(returned)
    except ValueError:
        found = np.empty(0, dtype=object)
    if found.dtype.kind != "f" or not found.size or not np.isfinite(found).all():
        raise UserError("the prediction gives no numbers")
    return found


def find_online(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[Online]:
    """Classes with such a step.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    for owner, cls in classes_left(file, taken, done):
        pairs = list(_pairs(cls))
        started = time.process_time()
        for template in _templates(file, cls) if pairs else ():
            found = _best(Online(file, owner, "", "", "", template, updates=True), pairs, started)
            if found is not None:
                file.notes[:] = [n for n in file.notes if not n.startswith(f"{owner} is not compared: ")]
                yield found
                break


def _pairs(cls: type) -> Iterator[tuple[str, str, bool]]:
    """A step and a cost, or a step and a prediction, by their names and arguments; whether it is a cost."""
    methods = {
        n: f for n, f in vars(cls).items() if callable(f) and not isinstance(f, type | staticmethod | classmethod)
    }
    needed = {n: [p.name for p in required(f)][1:] for n, f in methods.items()}
    steps = [n for n in methods if _STEP.fullmatch(n) and _data(needed[n])]
    for step in steps:
        asked = _data(needed[step])
        for name in methods:
            if name != step and _COST.fullmatch(name) and len(_data(needed[name])) == len(asked):
                yield step, name, True
    for step in steps:
        for name in methods:
            if name != step and _PREDICT.fullmatch(name) and len(needed[name]) == 1 and len(_data(needed[step])) == 2:
                yield step, name, False


def _data(names: list[str]) -> list[str]:
    """Arguments that are no settings."""
    return [n for n in names if not is_rate(n) and role(n) not in ("epochs", "batch_size", "flag", "seed", "momentum")]


def _templates(file: UserFile, cls: type) -> Iterator[Any]:
    """Objects with small sizes, as they are made; and, where something is lacking then, after they have been fitted."""

    asked = parameters_of(cls)
    words = any(is_vocabulary(p.name) for p in asked)

    def more(_: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for p in asked:
            if is_vocabulary(p.name):
                found[p.name] = H
            elif is_rate(p.name):
                found[p.name] = RATE
            elif (
                words
                and (type(p.default) is int or p.default is p.empty)
                and role(p.name) in ("sizes", "hidden_size", "input_size", "other")
            ):
                found[p.name] = N
        return found

    for made in itertools.islice(constructions(file, cls, more), 2):
        _settle(made)
        fitted = _fitted(file, made)
        if any(a.size > 1 for a in held(made).values()) and (
            fitted is None or held(fitted).keys() == held(made).keys()
        ):
            yield made
        elif fitted is not None:
            yield fitted


def _settle(made: Any) -> None:
    """One pass, and one rate for everything."""
    for name, value in list(vars(made).items()):
        if not isinstance(value, float | int) or isinstance(value, bool):
            continue
        if is_rate(name):
            setattr(made, name, RATE)
        elif role(name) == "epochs" and value >= 1:
            setattr(made, name, 1)


def _fitted(file: UserFile, made: Any) -> Any:
    """A copy that has been trained on small data, which makes what is made then."""
    rng = np.random.default_rng(3)
    for name in _FIT:
        f = getattr(made, name, None)
        if f is None or not callable(f):
            continue
        asked = _data([p.name for p in required(f)])
        if len(asked) != 2 or not is_x(asked[0]) or not is_y(asked[1]):
            continue
        for shape, target in itertools.product(((M, N), (M,), (M, 1)), (rng.uniform(0, 1, M), np.arange(M) % 2)):
            own = copy.deepcopy(made)
            given = {
                p.name: RATE if is_rate(p.name) else 1
                for p in parameters_of(f)
                if p.name not in asked and (p.default is p.empty or role(p.name) == "epochs")
            }
            with suppress(UserError):
                file.call(getattr(own, name), **{asked[0]: rng.uniform(0, 1, shape), asked[1]: target.copy()}, **given)
                if all(np.isfinite(a).all() for a in held(own).values() if a.dtype.kind == "f"):
                    return own
    return None


def _best(base: Online, pairs: list[tuple[str, str, bool]], started: float) -> Online | None:
    """The step, the loss and the arguments under which all that moves goes by its gradient, or most of it does."""
    best: tuple[float, Online] | None = None
    for step, name, is_cost in pairs:
        cls = base.file.namespace[base.owner]
        for tried in _ways(replace(base, gradient=step, cost=name), getattr(cls, step), getattr(cls, name), is_cost):
            if time.process_time() - started > SECONDS:
                break
            agreeing = _agreeing(tried)
            if agreeing is not None and (best is None or agreeing > best[0]):
                best = agreeing, tried
            if agreeing == 1:
                return tried
    return best[1] if best is not None and best[0] >= 0.5 and not is_a_gradient(best[1]) else None


def _ways(base: Online, step: Callable[..., Any], cost: Callable[..., Any], is_cost: bool) -> Iterator[Online]:
    """Ways of filling the arguments, and of measuring a prediction."""
    asked = [p.name for p in required(step)][1:]
    names, others = _data(asked), _data([p.name for p in required(cost)][1:])
    renamed = {a: b for a, b in zip(names, others, strict=False) if a != b} if set(others) - set(names) else {}
    widths = tuple(sorted({n for a in held(base.template).values() for n in a.shape if n > 1}, reverse=True))
    fixed = {
        n: Given("fixed", value=RATE if is_rate(n) else 0.0 if role(n) == "momentum" else 1)
        for n in asked
        if n not in names
    }
    fixed |= {p.name: Given("fixed", value=1) for p in parameters_of(step) if role(p.name) == "epochs"}
    lists = [choices(n, widths, position == 0) for position, n in enumerate(names)]
    places = itertools.product(*(range(len(some)) for some in lists))
    for chosen in sorted(itertools.islice(places, 5000), key=sum)[:WAYS]:
        given = fixed | {n: some[i] for n, some, i in zip(names, lists, chosen, strict=True)}
        tried = replace(base, given=given, renamed=renamed)
        if is_cost:
            yield tried
            continue
        for measure, batched in itertools.product(MEASURES, (False, True)):
            yield replace(tried, measure=measure, batched=batched)


def _agreeing(tried: Online) -> float | None:
    """The share of gradients that agree; None if it does not run."""
    try:
        if not runs(tried) or sum(a.size for a in tried._inner(np.random.default_rng(1)).values()) > MOST:
            return None
        ratios = _ratios(tried)
    except (UserError, ValueError, AttributeError, KeyError, IndexError):
        return None
    if not ratios:
        return None
    known = [r for r in ratios.values() if r is not None and r > 0]
    counts = {r: sum(abs(other / r - 1) < NEAR for other in known) for r in known}
    best = max(counts, key=lambda r: (counts[r], abs(r - 1) < NEAR), default=1.0)
    agreeing = counts.get(best, 0)
    tried.scale = best if abs(best - 1) > NEAR else 1.0
    if _own_rates(tried, ratios):
        tried.scales, tried.scale = {n: float(r) for n, r in ratios.items() if r is not None}, 1.0
        return 1.0
    return agreeing / len(ratios)


def _ratios(tried: Online) -> dict[str, float | None]:
    """By what every move is a multiple of the derivative, as far as it is, and always by the same.

    With one example alone, any function of the error makes a multiple, but with another example it is another one.
    """
    found: list[dict[str, float | None]] = []
    for seed in (23, 24):
        compared = tried._compared(*tried._drawn(np.random.default_rng(seed)))
        found.append({n: ratio(d) for n, d in compared.items() if d.subject.shape == d.reference.shape})
        if len(found[-1]) != len(compared) or any(not np.abs(d.reference).max() > 0 for d in compared.values()):
            return {}
    if found[0].keys() != found[1].keys():
        return {}
    pairs = {n: (r, found[1][n]) for n, r in found[0].items()}
    return {n: r if r is not None and s is not None and abs(r / s - 1) < NEAR else None for n, (r, s) in pairs.items()}


def _own_rates(tried: Online, ratios: dict[str, float | None]) -> bool:
    """Whether each array moves by a rate of its own that is written in the code."""
    source = source_of(tried.file.namespace[tried.owner])
    written = [float(t) for t in _LITERAL.findall(source) if 0 < float(t) < 1]
    known = [r for r in ratios.values() if r is not None]
    if len(known) < len(ratios) or np.ptp(known) < NEAR * known[0]:
        return False
    return all(r > 0 and (abs(r - 1) < NEAR or any(abs(r * RATE / w - 1) < NEAR for w in written)) for r in known)
