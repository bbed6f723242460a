"""Attention and other layers over time as objects that no kind of layer fits, beside finite differences of their own forward pass."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.calling import Unbound, parameters, plain
from comparisons.check.differences import Derived, gradient
from comparisons.check.members import Place, changed, is_gradient, is_memory, label, places, put, snapshot
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.styles.composed_layers import claimed
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
M, T, N, HEADS = 2, 3, 4, 2
LOOKED = 16
"""Elements of each parameter that are looked at."""
_NAMED = re.compile(r"attention|transformer|encoder_?block|self_?attn|multi_?head|mha|^attn")
_SIZES = {
    "heads": ("numheads", "nheads", "heads", "nhead", "h", "numhead", "nhd"),
    "steps": ("seqlen", "maxlen", "contextlength", "blocksize", "t", "sequencelength", "maxseqlen", "contextsize"),
    "rate": ("dropout", "dropoutrate", "pdrop", "rate"),
    "step size": ("lr", "learningrate", "eta", "alpha"),
}
_MATRIX = re.compile(
    r"(w|weights?)(?P<after>q|k|v|o|keys?|quer(y|ies)|values?|out\w*)|(?P<before>q|k|v|o|keys?|quer(y|ies)|values?)(w|weights?|matrix|proj)"
)
KEYS, VALUES = 3, 5
"""Widths of keys and of values, where matrices are handed over: a matrix that is not turned does not fit."""


@dataclass
class AttentionLayer:
    """A class with `forward(x)`, or `forward(q, k, v)`, and `backward(dout)`.

    Attributes
    ----------
    file : UserFile
    cls : type
    shape : tuple of int
        Of an input.
    widths : tuple of int
        Of keys and of values, where the constructor is given matrices.
    """

    file: UserFile
    cls: type
    shape: tuple[int, ...]
    widths: tuple[int, int] = (N, N)

    def _made(self) -> Any:
        given: dict[str, Any] = {}
        for p in parameters(self.cls):
            wanted = plain(p.name)
            kind = next((k for k, names in _SIZES.items() if wanted in names), "")
            if kind in ("heads", "steps", "rate", "step size"):
                given[p.name] = {"heads": HEADS, "steps": T, "rate": 0.0, "step size": 1e-3}[kind]
            elif matrix := _MATRIX.fullmatch(wanted):
                given[p.name] = np.zeros(_of_matrix((matrix["after"] or matrix["before"])[0], self.widths))
            elif p.default is p.empty:
                given[p.name] = N
        np.random.seed(0)  # noqa: NPY002
        return self.file.call(self.cls, **given)

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of the inputs and of the parameters that the object keeps."""
        first = self._made()
        forward, backward = method(self.cls, FORWARD), method(self.cls, BACKWARD)
        asked = [p for p in parameters(getattr(first, forward)) if p.default is p.empty and "mask" not in p.name]
        masks = {p.name: None for p in parameters(getattr(first, forward)) if p.default is p.empty and "mask" in p.name}
        if len(asked) not in (1, 2, 3):
            raise Unbound(f"{self.cls.__name__}.{forward} takes something else")
        inputs = {p.name: rng.standard_normal(self.shape) for p in asked}
        held = {
            p: a for p, a in places(first).items() if p and a.ndim in (1, 2) and not is_gradient(p) and not is_memory(p)
        }
        params = {p: rng.uniform(0.2, 0.7, a.shape) * rng.choice([-1.0, 1.0], a.shape) for p, a in held.items()}

        def run(inputs: dict[str, Array], params: dict[Place, Array]) -> tuple[Any, Array]:
            thing = self._made()
            for place, a in params.items():
                put(thing, place, a.copy())
            out = self.file.call(getattr(thing, forward), **{n: a.copy() for n, a in inputs.items()}, **masks)
            out = out[0] if isinstance(out, tuple) else out
            if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
                raise UserError(f"{self.cls.__name__}.{forward} returns no array")
            return thing, out.astype(np.float64)

        thing, out = run(inputs, params)
        upstream = rng.standard_normal(out.shape)
        before = snapshot(thing)
        backs = [p for p in parameters(getattr(thing, backward)) if p.default is p.empty]
        if len(backs) != 1:
            raise Unbound(f"{self.cls.__name__}.{backward} takes something else")
        result = self.file.call(getattr(thing, backward), upstream.copy())
        new = changed(thing, before)
        given = list(result) if isinstance(result, tuple) else [result]
        for (name, x), g in zip(inputs.items(), given, strict=False):
            if isinstance(g, np.ndarray):
                wanted, error, kinks = gradient(lambda v, n=name: run(inputs | {n: v}, params)[1], x, upstream)  # type: ignore[misc]
                yield Derived(f"grad/{self.cls.__name__}.{name}", g, wanted, error, kinks, M)
        for place, a in params.items():
            g = claimed(thing, new, place)
            if g is None:
                continue
            some = np.unravel_index(np.sort(rng.permutation(a.size)[:LOOKED]), a.shape)

            def f(v: Array, place: Place = place, a: Array = a, some: tuple[Array, ...] = some) -> Array:
                moved = a.copy()
                moved[some] = v
                return run(inputs, params | {place: moved})[1]

            wanted, error, kinks = gradient(f, a[some], upstream)
            yield Derived(
                f"grad/{self.cls.__name__}.{label(place)}",
                g[some] if g.shape == a.shape else g,
                wanted,
                error,
                kinks,
                M,
            )


def _of_matrix(letter: str, widths: tuple[int, int]) -> tuple[int, int]:
    """Shape of the matrix that makes queries, keys, values or the output."""
    keys, values = widths
    return {"v": (N, values), "o": (values, N)}.get(letter, (N, keys))


def find_attention_layers(file: UserFile, taken: frozenset[str]) -> Iterator[AttentionLayer]:
    """Classes that are called attention and have both passes."""
    for name, cls in file.classes().items():
        if name in taken or not _NAMED.search(name.lower()) or inspect.isabstract(cls):
            continue
        if method(cls, FORWARD) and method(cls, BACKWARD):
            given = any(_MATRIX.fullmatch(plain(p.name)) for p in parameters(cls))
            for shape in ((M, T, N), (T, N), (M, HEADS, T, N)):
                for widths in ((KEYS, VALUES), (N, N)) if given else ((N, N),):
                    yield AttentionLayer(file, cls, shape, widths)
