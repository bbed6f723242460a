"""Classes that make their weights, go forward and backward, and move them, all within one training method, beside finite differences.

word2vec as it is written on blogs is of this kind. Its own preparation is run on a short text, one training pair is kept, and the random
numbers that become weights are handed to it. The loss that it keeps is then a function of them, and what moved is its gradient.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.differences import Derived, gradient, ratio
from comparisons.check.styles.costs import held_by_others
from comparisons.check.styles.network_arguments import RATE, constructor_arguments, parameters_of, role
from comparisons.check.styles.network_objects import assign, construct, held
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
CORPUS = [["one", "two", "three", "two", "four", "five"]]
"""A text in which a word comes twice."""
PAIR = 2
"""Which of the training pairs is kept: one with words on both sides."""
MOST = 300
NEAR = 1e-6
OF_ONE_WORD = (
    "right for one word in the context, wrong for two: the loss takes log(sum(exp(u))) once for each of C words, so the error of the "
    "scores is C y - t"
)
SLOW = 2.0**-20
"""A learning rate at which it does not matter what has been updated already."""
_DRAWS = ("uniform", "rand", "randn", "normal", "random", "standard_normal", "random_sample")
_TRAIN = ("train", "fit", "run", "learn", "train_model", "training")
_PREPARE = re.compile(
    r"(generate|make|create|build|get|prepare)_?(training_?)?(data|pairs|set|samples)?", re.IGNORECASE
)
_INITIALISE = re.compile(r"init(ial)?(ize|ise)?\w*|build|set_?up", re.IGNORECASE)
_LOSS = re.compile(r"\w*(loss|cost|error)\w*", re.IGNORECASE)
_DATA = re.compile(r"(training_?|train_?)?(data|pairs|set|samples)", re.IGNORECASE)


@dataclass
class TrainedInside:
    """A class whose training can be run for one pass over one pair.

    Attributes
    ----------
    file : UserFile
    name, method : str
        Of the class and its training method.
    ready : object
        Prepared for training.
    pairs : object
        What the method is given for its data, None if it takes none.
    epochs : int
        For one pass.
    drawn : bool
        Whether the method draws its weights itself.
    scale : float
    several : bool
        Whether the word in the middle has two others around it, as it has not while the way of calling is looked for.
    """

    file: UserFile
    name: str
    method: str
    ready: Any
    pairs: Any
    epochs: int = 1
    drawn: bool = True
    scale: float = 1.0
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    several: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (self.name,)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        told = [
            "one training pair of a short text is learned" + (", with two words in the context" if self.several else "")
        ]
        return told if self.scale == 1 else [*told, f"a step goes by {self.scale:.4g} times the gradient of the loss"]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """How far every array of weights moved, over the rate, beside the gradient of the loss."""
        weights = {n: 0.5 * rng.standard_normal(shape) for n, shape in self.shapes.items()}
        _, after = self._run(weights)
        for name, before in weights.items():
            wanted, error, kinks = self._slope(name, weights)
            claimed = (before - after[name]) / RATE / self.scale
            cause = ""
            if np.abs(claimed - wanted).max(initial=0) > NEAR * np.abs(wanted).max(initial=0):
                cause = OF_ONE_WORD if self.several else ""
                slow = (before - self._run(weights, SLOW)[1][name]) / SLOW / self.scale
                others = " or ".join(n for n in weights if n != name)
                if np.abs(slow - wanted).max(initial=0) < np.sqrt(SLOW) * np.abs(wanted).max(initial=0):
                    cause = f"calculated after {others} had been updated: with a small learning rate it agrees"
            yield Derived(f"grad/{self.name}.{name}", claimed, wanted, error, kinks, 1, cause=cause)

    def _slope(self, name: str, weights: dict[str, Array]) -> tuple[Array, float, Array]:
        return gradient(lambda v: np.asarray(self._run(weights | {name: v})[0]), weights[name], np.ones(()))

    def _run(self, weights: dict[str, Array], rate: float = RATE) -> tuple[float, dict[str, Array]]:
        """The loss that is kept, and the weights after one step.

        Raises
        ------
        UserError
            If there is no loss, or other arrays are drawn.
        """
        made = copy.deepcopy(self.ready)
        for name, value in list(vars(made).items()):
            if type(value) in (int, float) and role(name) in ("rate", "epochs"):
                setattr(made, name, rate if role(name) == "rate" else self.epochs)
        planned = [a.copy() for a in weights.values()]
        if not self.drawn:
            for place, a in weights.items():
                assign(made, place, a.copy())
            planned = []
        f = getattr(made, self.method)
        given = {p.name: v for p in parameters_of(f) if (v := self._argument(p, rate)) is not None}
        np.random.seed(0)  # noqa: NPY002
        with drawing(planned):
            returned = self.file.call(f, **given)
        kept = [v for n, v in vars(made).items() if _LOSS.fullmatch(n)]
        found = [np.asarray(v[-1] if isinstance(v, list) and v else v) for v in (*kept, returned) if v is not None]
        numbers = [float(a.reshape(())) for a in found if a.size == 1 and a.dtype.kind == "f"]
        if not numbers or not np.isfinite(numbers[0]):
            raise UserError(f"{self.name} keeps no loss")
        after = held(made)
        if any(n not in after or after[n].shape != a.shape for n, a in weights.items()):
            raise UserError(f"{self.name} has other weights")
        return numbers[0], {n: np.asarray(after[n], np.float64) for n in weights}

    def _argument(self, p: inspect.Parameter, rate: float = RATE) -> Any:
        if _DATA.fullmatch(p.name):
            return copy.deepcopy(self.pairs)
        if role(p.name) in ("rate", "epochs"):
            return rate if role(p.name) == "rate" else self.epochs
        if p.default is p.empty:
            raise UserError(f"nothing is known for the argument {p.name}")
        return None

    def settle(self) -> bool:
        """Whether one array at least moves by the gradient of the loss; finds what the weights are, and the scale."""
        if not self._shaped():
            return False
        found = list(self.derived(np.random.default_rng(23)))
        ratios = [r for d in found if np.abs(d.reference).max(initial=0) > 0 and (r := ratio(d)) is not None]
        counts = {r: sum(abs(other / r - 1) < NEAR for other in ratios) for r in ratios if r > 0}
        if not counts:
            return False
        best = max(counts, key=lambda r: (counts[r], abs(r - 1) < NEAR))
        self.scale = 1.0 if abs(best - 1) < NEAR else best
        return True

    def _shaped(self) -> bool:
        """Find the weights: arrays that are drawn in training, or are there before it, and move."""
        made = copy.deepcopy(self.ready)
        for name, value in list(vars(made).items()):
            if type(value) in (int, float) and role(name) in ("rate", "epochs"):
                setattr(made, name, 0.0 if role(name) == "rate" else self.epochs)
        before = {n: a.copy() for n, a in held(made).items()}
        f = getattr(made, self.method)
        seen: list[Array] = []
        with drawing([], seen):
            self.file.call(f, **{p.name: v for p in parameters_of(f) if (v := self._argument(p)) is not None})
        after = held(made)
        drawn = {n: a for s in seen for n, a in after.items() if a.shape == s.shape and np.array_equal(a, s)}
        self.drawn = bool(drawn)
        own = {
            n: a
            for n, a in before.items()
            if a.ndim == 2 and a.dtype.kind == "f" and "[" not in n and n in after and after[n].shape == a.shape
        }
        self.shapes = {n: a.shape for n, a in (drawn or own).items()}
        return 0 < sum(int(np.prod(s)) for s in self.shapes.values()) <= MOST


@contextmanager
def drawing(planned: list[Array], seen: list[Array] | None = None) -> Iterator[None]:
    """While it lasts, matrices that NumPy draws are these, as long as there are any; all are noted."""
    left = list(planned)

    def replaced(draw: Callable[..., Any]) -> Callable[..., Any]:
        def drawn(*args: Any, **kwargs: Any) -> Any:
            a = draw(*args, **kwargs)
            if not isinstance(a, np.ndarray) or a.ndim != 2:
                return a
            if left and left[0].shape == a.shape:
                a = left.pop(0)
            if seen is not None:
                seen.append(a.copy())
            return a

        return drawn

    with patch.dict(vars(np.random), {name: replaced(getattr(np.random, name)) for name in _DRAWS}):
        yield


def find_trained_inside(file: UserFile, taken: frozenset[str]) -> Iterator[TrainedInside]:
    """Classes that keep a loss while they train."""
    for name, cls in file.classes().items():
        method = next((n for n in _TRAIN if inspect.isfunction(vars(cls).get(n))), "")
        if (
            held_by_others(name, taken)
            or not method
            or not re.search(r"self\.\w*(loss|cost|error)\w*\s*\+?=", source_of(cls))
        ):
            continue
        for ready, pairs in _prepared(file, cls):
            tried = (TrainedInside(file, name, method, ready, pairs, epochs) for epochs in (1, 2))
            settled = next((t for t in tried if _works(t)), None)
            if settled is not None:
                yield _of_several_words(settled)
                break


def _works(found: TrainedInside) -> bool:
    try:
        return found.settle()
    except (UserError, ValueError, TypeError, IndexError, KeyError, AttributeError):
        return False


def _prepared(file: UserFile, cls: type) -> Iterator[tuple[Any, Any]]:
    """Objects with what they learn from: pairs of a text that they make themselves, or lists of one-hot words."""
    for arguments in _constructors(cls):
        try:
            made = construct(file, cls, arguments)
        except UserError:
            continue
        for name, f in inspect.getmembers(made, inspect.ismethod):
            if _PREPARE.fullmatch(name):
                try:
                    own = copy.deepcopy(made)
                    pairs = file.call(getattr(own, name), **_words(file, f))
                except (UserError, TypeError, ValueError):
                    continue
                if pairs is not None and hasattr(pairs, "__len__") and len(pairs) > PAIR:
                    yield own, pairs[PAIR : PAIR + 1]
        lists = [
            n
            for n, v in vars(made).items()
            if isinstance(v, list) and re.match(r"[xy]|inputs?|targets?|labels?", n, re.IGNORECASE)
        ]
        for name, f in inspect.getmembers(made, inspect.ismethod):
            if _INITIALISE.fullmatch(name) and len(lists) == 2:
                own = copy.deepcopy(made)
                try:
                    file.call(getattr(own, name), **_words(file, f))
                except (UserError, TypeError, ValueError):
                    continue
                size = len(_vocabulary())
                one, other = [0] * size, [0] * size
                one[1] = other[2] = 1
                for attribute in lists:
                    setattr(own, attribute, [one if re.match("x|inp", attribute, re.IGNORECASE) else other])
                yield own, None
        return


def _of_several_words(found: TrainedInside) -> TrainedInside:
    """With two words around the one in the middle, where the loss counts them: `if self.y_train[j][m]: ...; C += 1`."""
    text = source_of(getattr(type(found.ready), found.method))
    counted = re.search(r"if\s*\(?self\.(\w+)\[\w+\]\[\w+\]\)?\s*:(?:.*\n){1,4}?\s*\w+ *\+= *1\b", text)
    lists = vars(found.ready).get(counted[1]) if counted else None
    if counted is None or not isinstance(lists, list) or len(lists) != 1 or sum(lists[0]) != 1:
        return found
    ready = copy.deepcopy(found.ready)
    getattr(ready, counted[1])[0][0] = 1
    return replace(found, ready=ready, several=True)


def _constructors(cls: type) -> Iterator[dict[str, Any]]:
    yield from list(constructor_arguments(cls))[:3]


def _vocabulary() -> list[str]:
    return sorted({word for sentence in CORPUS for word in sentence})


def _words(file: UserFile, f: Callable[..., Any]) -> dict[str, Any]:
    """What is given for the arguments of a preparation.

    Raises
    ------
    UserError
        If one is not known.
    """
    given: dict[str, Any] = {}
    for p in parameters_of(f):
        lower = p.name.lower()
        if p.default is not p.empty:
            continue
        if isinstance(file.namespace.get(p.name), dict):
            given[p.name] = file.namespace[p.name]
        elif re.fullmatch(r"corpus|sentences|texts?|docs?|documents|tokens", lower):
            given[p.name] = copy.deepcopy(CORPUS)
        elif re.fullmatch(r"data|words|vocab(ulary)?", lower):
            given[p.name] = _vocabulary()
        elif re.fullmatch(r"v|vocab_?size|n_?vocab|v_?count", lower):
            given[p.name] = len(_vocabulary())
        elif re.fullmatch(r"window(_?size)?|c", lower):
            given[p.name] = 2
        else:
            raise UserError(f"nothing is known for the argument {p.name}")
    return given
