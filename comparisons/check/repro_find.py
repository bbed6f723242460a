"""The same numbers in another layout: how an array of the user's becomes the tensor that is judged, and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
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


Block = tuple[slice, ...]


def piece(a: Array, target: Array, wrong: Array) -> tuple[Block, Way, Block] | None:
    """A block that an array shares with another one, in another order of axes perhaps.

    Parameters
    ----------
    a, target : ndarray
        Of one or two axes.
    wrong : ndarray of bool
        Of the target's shape: the block must hold one of these elements.

    Returns
    -------
    own : tuple of slice
        The block of `a`.
    turned : Way
        From there to the block of the target.
    block : tuple of slice
        Of the target.
    """
    if a.size < SHARED or a.size > 10**4 or target.size > 10**4:
        return None
    if target.ndim == 1 and a.ndim == 2 and 1 in a.shape:
        found = piece(a.ravel(), target, wrong)
        if found is None or found[0] != (slice(0, a.size),):
            return None
        return (slice(0, a.shape[0]), slice(0, a.shape[1])), Way((0, 1), a.shape, (a.size,)), found[2]
    if a.ndim != target.ndim:
        return None
    scale = float(np.abs(target).max(initial=0.0))
    for axes in itertools.permutations(range(a.ndim)):
        turned = a.transpose(axes)
        for own, block in _shared(turned.shape, target.shape):
            if wrong[block].any() and np.abs(turned[own] - target[block]).max() <= NEAR * scale:
                back = tuple(own[int(i)] for i in np.argsort(axes))
                return back, Way(axes, a[back].shape, target[block].shape), block
    return None


SHARED = 4
"""Elements that a block must have: fewer may agree by chance."""


def _shared(mine: tuple[int, ...], theirs: tuple[int, ...]) -> Iterator[tuple[Block, Block]]:
    """Blocks of one shape in two arrays: as large as the smaller one, or, of the last axis, as wide as one of several gates."""
    widths = [[min(m, t)] for m, t in zip(mine, theirs, strict=True)]
    widths[-1] += [theirs[-1] // g for g in (4, 3, 2) if theirs[-1] % g == 0 and theirs[-1] // g < widths[-1][0]]
    for shape in itertools.product(*widths):
        if np.prod(shape) < SHARED:
            continue
        starts = [range(m - n + 1) for m, n in zip(mine, shape, strict=True)]
        others = [range(t - n + 1) for t, n in zip(theirs, shape, strict=True)]
        for at in itertools.product(*starts):
            own = tuple(slice(i, i + n) for i, n in zip(at, shape, strict=True))
            for there in itertools.product(*others):
                yield own, tuple(slice(i, i + n) for i, n in zip(there, shape, strict=True))
