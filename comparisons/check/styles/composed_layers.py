"""Objects made of other layers, between which more happens than that one hands its output on to the next.

Attention with its projections side by side, residual blocks, gates, branches that are added or joined: no chain, so no
sequence of twins. Such an object has a forward and a backward pass of its own, and the former is differentiated. Its parameters lie in
the layers of which it is made.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain
from comparisons.check.differences import Derived, gradient, ratio
from comparisons.check.members import Place, changed, get, is_gradient, is_memory, label, places, put, snapshot
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.styles.container_drives import SHOW, TRAIN, UPDATE, in_mode, inside_objects
from comparisons.check.styles.network_arguments import training_flags
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
M, T, N, INNER, HEADS = 2, 3, 4, 6, 2
LOOKED = 6
"""Elements of the input and of each parameter that are looked at."""
INPUTS = ((M, T, N), (5, N), (M, N, 5, 6), (M, 5, 6, N), (M, N, 7), (N, 5), (T, N))
NUMBERS = (M, T)
"""Class numbers, for an object that begins with a table to look them up in."""
NEAR = 1e-6
RUNS = 3
"""Shapes of an input under which it runs that are looked at: it takes long."""
_TARGET = re.compile(r"y|y_?true|y_?batch|targets?|labels?|expected\w*|truth", re.IGNORECASE)
_LOSS = re.compile(r"loss|criterion|optimi[sz]er|trainer|cross_?entropy", re.IGNORECASE)
_NETWORK = re.compile(
    r"net(work)?(?![a-z])|model|mlp|sequential|classifier|autoencoder|regress|perceptron", re.IGNORECASE
)
_SIZES: tuple[tuple[str, Any], ...] = (
    (r"(n|num)?_?heads?|n_?head|h|groups?|reduction|ratio|r|expansion\w*|mult", HEADS),
    (r"(max_?)?(seq|context|block|sequence|max)_?(len|length|size)?|t|steps", T),
    (r"\w*drop\w*|p|rate", 0.0),
    (r"lr|learning_?rate|eta|alpha", 1e-3),
    (r"eps\w*", 1e-5),
    (r"\w*(hidden|ff|inner|mlp|mid|ffn|bottleneck)\w*", INNER),
    (r"kernel\w*|k|f|filter_?size", 3),
    (r"pad\w*|stride|s", 1),
)


@dataclass
class ComposedLayer:
    """An object with layers in it, `forward(x)` and `backward(dout)`.

    Attributes
    ----------
    file : UserFile
    cls : type
    shape : tuple of int
        Of the input.
    inner : int
        What the constructor is told for sizes within.
    template : object
        Is copied for every run.
    scale : float
        Gradients of parameters are so many times the derivatives, all of them.
    """

    file: UserFile
    cls: type
    shape: tuple[int, ...]
    inner: int = INNER
    template: Any = None
    scale: float = 1.0

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        kind = "class numbers" if self.shape == NUMBERS else "an input"
        told = [f"it was given {kind} of shape ({', '.join(map(str, self.shape))})"]
        if self.scale != 1:
            told.append(f"gradients of parameters are {self.scale:.4g} times the derivatives")
        return told

    def made(self) -> Any:
        """An object, with small sizes."""
        given: dict[str, Any] = {}
        for p in parameters(self.cls):
            sort = next((v for pattern, v in _SIZES if re.fullmatch(pattern, p.name, re.IGNORECASE)), None)
            if (
                sort is not None
                and isinstance(sort, float)
                and p.default is not None
                and not isinstance(p.default, str)
            ):
                given[p.name] = sort
            elif p.default is p.empty:
                given[p.name] = N if sort is None else self.inner if sort == INNER else sort
        np.random.seed(0)  # noqa: NPY002
        return self.file.call(self.cls, **given)

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of the input and of the parameters that its layers keep."""
        name = self.cls.__name__
        x: Array = rng.integers(0, N, self.shape) if self.shape == NUMBERS else rng.standard_normal(self.shape)
        # Biases above 0, that not all of a few units are switched off.
        params = {
            p: rng.uniform(0.2, 0.7, a.shape) * (rng.choice([-1.0, 1.0], a.shape) if a.ndim > 1 else 1.0)
            for p, a in self._held().items()
        }
        thing, out = self._run(x, params)
        upstream = rng.standard_normal(out.shape)
        before = snapshot(thing)
        back = self.file.call(getattr(thing, method(self.cls, BACKWARD)), upstream.copy())
        new = changed(thing, before)
        dx = next((a for a in (back if isinstance(back, tuple | list) else [back]) if isinstance(a, np.ndarray)), None)
        if dx is not None and x.dtype.kind == "f":
            some = _some(x, rng)
            wanted, error, kinks = gradient(lambda v: self._run(_with(x, some, v), params)[1], x[some], upstream)
            yield Derived(f"grad/{name}.input", dx[some] if dx.shape == x.shape else dx, wanted, error, kinks, M)
        for place, a in params.items():
            g = claimed(thing, new, place)
            if g is None or self._is_shared(thing, new, place, g):
                continue
            some = _some(a, rng)

            def f(v: Array, place: Place = place, a: Array = a, some: tuple[Array, ...] = some) -> Array:
                return self._run(x, params | {place: _with(a, some, v)})[1]

            wanted, error, kinks = gradient(f, a[some], upstream)
            g = np.asarray(g, dtype=np.float64) / self.scale
            yield Derived(f"grad/{name}.{label(place)}", g[some] if g.shape == a.shape else g, wanted, error, kinks, M)

    def _held(self) -> dict[Place, Array]:
        """Parameters, each once."""
        found: dict[int, tuple[Place, Array]] = {}
        for place, a in places(self.template).items():
            if (
                place
                and a.ndim
                and a.size > 1
                and not is_gradient(place)
                and not is_memory(place)
                and not _is_statistic(place)
            ):
                found.setdefault(id(a), (place, a))
        return dict(found.values())

    def _is_shared(self, thing: Any, new: dict[Place, Array], place: Place, g: Array) -> bool:
        """Whether another layer holds the same parameter, with a part of its gradient."""
        a = get(thing, place)
        others = [claimed(thing, new, p) for p, b in places(thing).items() if b is a and p != place]
        return any(o is not None and o is not g and not np.array_equal(o, g) for o in others)

    def _run(self, x: Array, params: dict[Place, Array]) -> tuple[Any, Array]:
        thing = copy.deepcopy(self.template)
        for place, a in params.items():
            put(thing, place, a.copy())
        in_mode(thing, inside_objects(thing), True)
        forward = getattr(thing, method(self.cls, FORWARD))
        more: dict[str, Any] = {p.name: None for p in parameters(forward) if p.default is p.empty and "mask" in p.name}
        more |= training_flags(forward)
        np.random.seed(0)  # noqa: NPY002
        out = self.file.call(forward, x.copy(), **more)
        out = out[0] if isinstance(out, tuple) and out else out
        if not isinstance(out, np.ndarray) or out.dtype.kind != "f" or not np.isfinite(out).all():
            raise UserError(f"{self.cls.__name__} returns no array")
        return thing, out.astype(np.float64)

    def settle(self) -> float | None:
        """The share of gradients that agree; None if it does not run, or shows too little."""
        try:
            self.template = self.made() if self.template is None else self.template
            copy.deepcopy(self.template)
            found = list(self.derived(np.random.default_rng(23)))
            if not all(map(_right, found)):
                self.scale = _common(found)
                found = found if self.scale == 1 else list(self.derived(np.random.default_rng(23)))
        except (UserError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            return None
        if not found or not any(np.abs(d.reference).max(initial=0) > NEAR for d in found):
            return None
        return sum(_right(d) for d in found) / len(found)


def _common(found: list[Derived]) -> float:
    """The one factor, above 0, that all gradients of parameters have: those of a mean; 1 if there is none."""
    ratios = [ratio(d) for d in found if not d.tensor.endswith(".input") and np.abs(d.reference).max(initial=0) > NEAR]
    if len(ratios) < 2 or any(r is None or r <= 0 for r in ratios):
        return 1.0
    known = [r for r in ratios if r is not None]
    return known[0] if np.ptp(known) < NEAR * known[0] and abs(known[0] - 1) > NEAR else 1.0


def spoken(tensor: str) -> str:
    """A parameter as a person says it: `W of att.wq` for `grad/Block.att.wq.params['W']`."""
    place = re.sub(r"\['?(\w+)'?\]", r".\1", tensor.partition(".")[2])
    words = [w for w in place.split(".") if w not in ("params", "parameters", "param")]
    words = words[:-1] if len(words) > 1 and words[-1] in ("data", "value", "val") else words
    if not words or words == ["input"]:
        return "the input"
    return words[-1] + (f" of {'.'.join(words[:-1])}" if len(words) > 1 else "")


def _right(d: Derived) -> bool:
    return d.subject.shape == d.reference.shape and bool(
        np.abs(d.subject - d.reference)[~d.kinks].max(initial=0) <= NEAR * max(1.0, np.abs(d.reference).max(initial=0))
    )


def _some(a: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    """Some of an array's elements."""
    return np.unravel_index(np.sort(rng.permutation(a.size)[:LOOKED]), a.shape)


def _with(a: Array, some: tuple[Array, ...], v: Array) -> Array:
    moved = a.copy()
    moved[some] = v
    return moved


def _is_statistic(place: Place) -> bool:
    return any(re.search(r"running|moving|^r?mean$|^r?var$", str(name).lower()) for _, name in place)


def claimed(thing: Any, new: dict[Place, Array], place: Place) -> Array | None:
    """The gradient of a parameter: an array under the same layer that is named after it.

    `wq.grads['W']` beside `wq.params['W']`, `ln.dgamma` beside `ln.gamma`, `fc.W.grad` beside `fc.W.value`.
    """
    leaf = plain(str(place[-1][1]))
    # A layer's own name comes before the deeper ones; what another layer holds is never looked at.
    for depth in range(len(place) - 1, -1, -1):
        owner = place[:depth]
        under = {p: a for p, a in new.items() if p[:depth] == owner and is_gradient(p[depth:]) and p != place}
        found = [a for p, a in under.items() if _bare(plain(str(p[-1][1]))) == leaf and len(p) <= len(place) + 1]
        if not found and leaf in ("value", "data", "v", "val"):
            found = [a for p, a in under.items() if plain(str(p[-1][1])) in ("grad", "gradient", "d", "delta", "g")]
        if found:
            return found[0]
        if hasattr(get(thing, owner), "__dict__") and leaf not in ("value", "data", "v", "val"):
            return None
    return None


def _bare(name: str) -> str:
    return re.sub(r"^(grad(ient)?s?|dld|dl|d|delta)(?=.)|(grad(ient)?)$", "", name)


def layers_in(file: UserFile, thing: Any) -> list[Any]:
    """Objects of the file within it that have both passes."""
    own = set(file.classes().values())
    return [
        t for t in inside_objects(thing) if type(t) in own and method(type(t), FORWARD) and method(type(t), BACKWARD)
    ]


def _has_wrong_layers(layer: ComposedLayer) -> bool:
    """Whether one of its layers is wrong by itself: then it is that one which is to be told."""
    settled: set[type] = set()
    for sub in layers_in(layer.file, layer.template):
        if type(sub) in settled:
            continue
        shares = []
        for shape in INPUTS:
            share = ComposedLayer(layer.file, type(sub), shape, template=sub).settle()
            shares += [] if share is None else [share]
            if share == 1.0 or len(shares) == RUNS:
                break
        if shares and max(shares) < 1:
            return True
        settled |= {type(sub)} if shares else set()
    return False


def composed(file: UserFile, cls: type) -> ComposedLayer | None:
    """An object of a class that makes layers of its own, given an input under which most of its gradients agree; None if none does."""
    best: tuple[float, ComposedLayer] | None = None
    ran = 0
    for inner, shape in itertools.product((INNER, N), (*INPUTS, NUMBERS)):
        layer = ComposedLayer(file, cls, shape, inner)
        try:
            layer.template = layer.made()
        except UserError:
            continue
        if not layers_in(file, layer.template):
            return None
        share = layer.settle()
        ran += share is not None
        if share is not None and (best is None or share > best[0]):
            best = share, layer
        if share == 1.0 or ran == RUNS:
            break
    if best is None or not best[0]:
        return None  # where nothing agrees, it is something else that goes back
    if best[0] < 1 and _has_wrong_layers(best[1]):
        file.notes.append(f"{cls.__name__} is not compared: a layer in it is wrong by itself")
        return None
    return best[1]


def _takes_one(cls: type, forward: str, backward: str) -> bool:
    """Whether both passes are given one thing, masks aside, and the second no targets."""
    asked, backs = (
        [p.name for p in parameters(getattr(cls, n)) if p.default is p.empty and p.name != "self"]
        for n in (forward, backward)
    )
    return sum("mask" not in n for n in asked) == 1 and len(backs) == 1 and not _TARGET.fullmatch(backs[0])


def find_composed(file: UserFile, taken: frozenset[str], blocks: bool) -> Iterator[ComposedLayer]:
    """Classes whose objects make layers of their own, and have both passes.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    blocks : bool
        Whether those are wanted that no one would take for a whole network, or the others.
    """
    for name, cls in file.classes().items():
        if blocks != (not _NETWORK.search(name) and not method(cls, (*TRAIN, *UPDATE, *SHOW))):
            continue
        forward, backward = method(cls, FORWARD), method(cls, BACKWARD)
        if name in taken or not forward or not backward or forward == backward or inspect.isabstract(cls):
            continue
        if _LOSS.search(name) or not _takes_one(cls, forward, backward):
            continue
        layer = composed(file, cls)
        if layer is not None:
            yield layer
