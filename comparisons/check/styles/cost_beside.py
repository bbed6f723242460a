"""A cost that stands beside a network and is not what the network's gradients come from: is it the loss whose gradients they are?

Nothing is learned from such a cost; it is printed or kept. So another measure than the loss is no mistake, and is told. A cost that is
made like the loss, of logarithms or of squares, and is neither it nor another known measure, is a mistake. So is a cross-entropy beside
the gradients of a squared error: who writes one down wants it to be learned, and sigmoid' once too often makes the other of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain, tree
from comparisons.check.construct import copied
from comparisons.check.styles.container_drives import Pool, Undrivable
from comparisons.check.unit import UserError, UserFile
from scratch import Architecture, BinaryCrossEntropy, CategoricalCrossEntropy, Loss, MeanSquaredError, Sigmoid, Softmax

Array = np.ndarray
COST = re.compile(r"_*(get|compute|calc(ulate)?|eval(uate)?)?_?(total|batch|data)?_?(cost|loss|objective|error|mse|cross_?entropy)(_?(function|func|fn|value))?|j",
                  re.IGNORECASE)  # fmt: skip
EXACT, NEARLY = 1e-12, 1e-3


@dataclass(frozen=True)
class Probed:
    """A network's output and targets, in rows, and the cost that the code gives for them.

    Attributes
    ----------
    output, target : ndarray
        Probabilities or predictions.
    loss : float
        Of the network as it is taken, in scratch's scale.
    value : float
    """

    output: Array
    target: Array
    loss: float
    value: float


@dataclass(frozen=True)
class Beside:
    """How a cost stands to the loss.

    Attributes
    ----------
    name : str
    factor, power : float, int
        It is `factor * m**power` times the loss; 0 if it is not.
    told : str
        What is to be said of it.
    wrong : bool
    swapped : bool
        Whether it takes the target before the output.
    measure : str
        What it is instead of the loss.
    """

    name: str
    factor: float = 0.0
    power: int = 0
    told: str = ""
    wrong: bool = False
    swapped: bool = False
    measure: str = ""

    @property
    def rank(self) -> int:
        """The larger, the more it speaks for the way in which the network was taken."""
        return 3 if self.factor else 1 if self.wrong else 2

    def scale(self, m: int) -> float:
        """What the cost is to be divided by."""
        return (self.factor or 1.0) * float(m) ** self.power


def penalised(thing: Any) -> bool:
    """Whether an object holds the strength of a penalty: then its cost is not that of its data alone."""
    held = getattr(thing, "__dict__", {})
    return any(
        re.search(r"^_?(l1|l2|reg|lam)|lambd|decay|penalty", n.lower()) and isinstance(v, float) and v
        for n, v in held.items()
    )


def costs(functions: dict[str, Callable[..., Any]]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions that are called a cost and take something."""
    for name, f in functions.items():
        if COST.fullmatch(name) and parameters(f):
            yield name, f


def value(file: UserFile, f: Callable[..., Any], pool: dict[str, Any], swapped: bool) -> float | None:
    """What a cost gives; None if it gives no number.

    Raises
    ------
    UserError
        If it raises, or wants something that is not known.
    """
    asked = [p.name for p in parameters(f) if p.default is p.empty]
    if len(asked) == 2 and "output" in pool and not _named(asked):
        first, second = ("y", "output") if swapped else ("output", "y")
        given = {asked[0]: copied(pool[first]), asked[1]: copied(pool[second])}
    else:
        given = Pool(pool).given(f, True)
    result = file.call(f, **given)
    result = result[0] if isinstance(result, tuple) and result else result
    a = np.asarray(result) if result is not None else np.empty(0)
    return float(a.ravel()[0]) if a.size == 1 and a.dtype.kind == "f" else None


def _named(asked: list[str]) -> bool:
    """Whether the names of two arguments say that they are inputs and targets, or which is the output."""
    bare = {plain(n) for n in asked}
    return bool(bare & {"x", "xtrain", "input", "inputs", "data", "features"})


def stand(name: str, f: Callable[..., Any], probed: list[Probed], loss: Loss, title: str) -> Beside | None:
    """How a cost stands to the loss; None where nothing can be said."""
    found = _scale([p.value for p in probed], [p.loss for p in probed], probed, EXACT)
    if found is not None:
        return Beside(name, *found)
    if _scale([p.value for p in probed], [p.loss for p in probed], probed, NEARLY) is not None:
        return None  # an epsilon against log 0
    for term, of in HALVES.items() if isinstance(loss, BinaryCrossEntropy) else ():
        if _scale([p.value for p in probed], [of(p) for p in probed], probed, NEARLY) is not None:
            text = f"{name} lacks the term {term} of the {title} whose gradients are calculated"
            return Beside(name, wrong=True, told=text)
    for measure, of in MEASURES.items():
        if _scale([p.value for p in probed], [of(p) for p in probed], probed, NEARLY) is not None:
            text = f"{name} is the {measure}, while the gradients are those of the {title}"
            return Beside(name, told=text, measure=measure)
    body = tree(f)
    text = ast.unparse(body) if body is not None else ""
    logs, squares = "log" in text, bool(re.search(r"\*\* ?2|square|power|mse", text))
    alike = squares and not logs if isinstance(loss, MeanSquaredError) else logs
    return Beside(name, wrong=True, told=f"{name} is not the {title} whose gradients are calculated") if alike else None


def _scale(values: list[float], wanted: list[float], probed: list[Probed], within: float) -> tuple[float, int] | None:
    for power in (0, 1, -1):
        ratios = [
            v / (w * float(len(p.output)) ** power) if w else 0.0
            for v, w, p in zip(values, wanted, probed, strict=True)
        ]
        if ratios[0] > 0 and all(abs(r / ratios[0] - 1) < within for r in ratios):
            return ratios[0], power
    return None


def _logs(p: Array) -> Array:
    return np.log(np.clip(p, 1e-12, None))


HALVES: dict[str, Callable[[Probed], float]] = {
    "(1 - y) log(1 - a)": lambda p: -float(np.mean(p.target * _logs(p.output))),
    "y log a": lambda p: -float(np.mean((1 - p.target) * _logs(1 - p.output))),
}
"""What is left of a binary cross-entropy without one of its terms."""
MEASURES: dict[str, Callable[[Probed], float]] = {
    "squared error": lambda p: float(np.mean((p.output - p.target) ** 2)),
    "root of the squared error": lambda p: float(np.sqrt(np.mean((p.output - p.target) ** 2))),
    "absolute error": lambda p: float(np.mean(np.abs(p.output - p.target))),
    "binary cross-entropy": lambda p: (
        -float(np.mean(p.target * _logs(p.output) + (1 - p.target) * _logs(1 - p.output)))
    ),
    "cross-entropy": lambda p: (
        -float(np.mean((p.target * _logs(p.output)).sum(axis=1))) if p.output.shape[1] > 1 else 0.0
    ),
    "share of mistakes": lambda p: float(np.mean(_class(p.output) != _class(p.target))),
    "accuracy": lambda p: float(np.mean(_class(p.output) == _class(p.target))),
}


ENTROPIES = {"binary cross-entropy": BinaryCrossEntropy(), "cross-entropy": CategoricalCrossEntropy()}


def contradicting(arch: Architecture, cost: Beside | None) -> Loss | None:
    """The loss that a cost is, where that is a cross-entropy, and the gradients of probabilities are a squared error's."""
    of_probabilities = isinstance(arch.layers[-1][1], Sigmoid | Softmax) and isinstance(arch.loss, MeanSquaredError)
    return ENTROPIES.get(cost.measure) if cost is not None and of_probabilities else None


def _class(p: Array) -> Array:
    return p.argmax(axis=1) if p.shape[1] > 1 else (p > 0.5).astype(int).ravel()


def beside(
    name: str,
    f: Callable[..., Any],
    probes: Callable[[Callable[..., Any], bool], list[Probed]],
    loss: Loss,
    title: str,
) -> Beside | None:
    """How a cost stands to a network, its arguments in either order.

    Parameters
    ----------
    name : str
    f : callable
        The user's.
    probes : callable
        `probes(f, swapped)` runs the network on a few batches, and the cost on what it gives out.
    loss : Loss
        Whose gradients the network calculates.
    title : str
        Its name in a sentence.
    """
    best: Beside | None = None
    for swapped in (False, True):
        try:
            probed = probes(f, swapped)
        except (UserError, Undrivable):
            continue
        if not all(np.isfinite(p.value) for p in probed):
            continue
        found = stand(name, f, probed, loss, title)
        if found is None:
            return None
        if best is None or _likelier(found, best):
            best = replace(found, swapped=swapped)
    return best


def _likelier(found: Beside, than: Beside) -> bool:
    """Whether one order of a cost's arguments speaks for itself more than the other.

    A cross-entropy whose arguments are exchanged gives a large number wherever the target is not the output, as an absolute error does.
    """
    return (found.rank, found.measure in ENTROPIES) > (than.rank, than.measure in ENTROPIES)
