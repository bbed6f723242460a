"""The same numbers in another layout: how an array of the user's becomes the tensor that is judged, and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
NEAR = 1e-12


@dataclass(frozen=True)
class Way:
    """From an array of one layout to the other: axes permuted, both leading axes turned round, another shape, a factor.

    Attributes
    ----------
    axes : tuple of int
        The source's axes in the target's order.
    flipped : bool
        Kernels the other way round; the axes with which the target begins.
    source, shape : tuple of int
        Shapes of the source and of the target.
    factor : float
    """

    axes: tuple[int, ...]
    source: tuple[int, ...]
    shape: tuple[int, ...]
    flipped: bool = False
    factor: float = 1.0

    def back(self, target: Array) -> Array:
        """From the target's layout into the source's."""
        a = np.asarray(target).reshape([self.source[i] for i in self.axes])
        a = a[::-1, ::-1] if self.flipped else a
        return np.asarray(a.transpose(np.argsort(self.axes)) / self.factor)

    def told(self, expression: str) -> str:
        """The expression in the target's layout, in NumPy."""
        still = tuple(range(len(self.axes)))
        if len(self.axes) == 2 and self.axes == (1, 0):
            expression += ".T"
        elif self.axes != still:
            expression += f".transpose({', '.join(map(str, self.axes))})"
        if self.flipped:
            expression += "[::-1, ::-1]"
        if tuple(self.source[i] for i in self.axes) != self.shape:
            expression += f".reshape({', '.join(map(str, self.shape)) or '()'})"
        return expression if self.factor == 1 else f"{expression} * {self.factor!r}"


def way(source: Array, target: Array, factors: Iterable[float] = (1.0,), flips: bool = False) -> Way | None:
    """How the one becomes the other; None if it does not."""
    if source.size != target.size or not source.size or source.ndim > 5:
        return None
    scale = float(np.abs(target).max())
    if not np.isfinite(scale):
        return None
    sums = float(source.sum()), float(target.sum())
    for factor in factors:
        # The sum tells most that does not fit, before any axes are turned.
        if abs(sums[0] * factor - sums[1]) > NEAR * scale * source.size * 4:
            continue
        for axes in sorted(itertools.permutations(range(source.ndim)), key=lambda p: _moved(source, p) != target.shape):
            moved = source.transpose(axes) * factor
            for flipped in (False, True) if flips and source.ndim == 4 else (False,):
                turned = moved[::-1, ::-1] if flipped else moved
                if np.abs(turned.reshape(target.shape) - target).max() <= NEAR * scale:
                    return Way(axes, source.shape, target.shape, flipped, factor)
    return None


def _moved(a: Array, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a.shape[i] for i in axes)


def expression(literals: Mapping[str, Array], target: Array) -> str:
    """A NumPy expression for an array from those that are there; empty if none of them holds it."""
    for factors in ((1.0,), (-1.0,)):
        for name, a in literals.items():
            if a.dtype.kind == "f" and (found := way(a, target, factors)) is not None:
                return found.told(name)
    return ""
