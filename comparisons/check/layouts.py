"""How arrays stand in a user's code beside scratch's layout: permuted axes, axes of length 1 more or less."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """A layout of data.

    Attributes
    ----------
    name : str
    axes : tuple of int
        Scratch's axes in the user's order.
    dropped : int
        How many leading axes of the result are dropped: they have length 1.
    last_dropped : bool
        Whether the last one is dropped too: images of one channel as plain matrices.
    steps : bool
        Whether examples are the steps of sequences: rows (m, n) as (m / T, T, n).
    """

    name: str
    axes: tuple[int, ...]
    dropped: int = 0
    last_dropped: bool = False
    steps: bool = False

    @property
    def single(self) -> bool:
        """Whether it holds one example alone."""
        return self.dropped > 0 or self.name in ("column", "row")

    def there(self, a: Array) -> Array:
        """From scratch's layout into the user's."""
        if self.steps:
            return a.reshape(2 if len(a) % 2 == 0 else 1, -1, a.shape[-1]).copy()
        a = np.ascontiguousarray(a.transpose(self.axes))
        if self.dropped:
            a = a[0]
        return np.ascontiguousarray(a[..., 0] if self.last_dropped else a)

    def back(self, a: Array) -> Array:
        """From the user's layout into scratch's; what has another number of axes stays as it is."""
        if self.steps:
            return a.reshape(-1, a.shape[-1]) if a.ndim == 3 else a
        if a.ndim != len(self.axes) - self.dropped - self.last_dropped:
            return a
        if self.last_dropped:
            a = a[..., np.newaxis]
        if self.dropped:
            a = a[np.newaxis]
        return np.ascontiguousarray(a.transpose(np.argsort(self.axes)))

    def shape(self, shape: Shape) -> Shape:
        """Shape in the user's layout of an array that scratch has in `shape`."""
        moved = tuple(shape[i] for i in self.axes)[self.dropped :]
        return moved[:-1] if self.last_dropped else moved


ROWS = Layout("rows", (0, 1))
COLUMNS = Layout("columns", (1, 0))
VECTOR = Layout("vector", (0, 1), 1)
ROW = Layout("row", (0, 1))
COLUMN = Layout("column", (1, 0))
NHWC = Layout("(m, h, w, c)", (0, 1, 2, 3))
NCHW = Layout("(m, c, h, w)", (0, 3, 1, 2))
HWC = Layout("(h, w, c)", (0, 1, 2, 3), 1)
CHW = Layout("(c, h, w)", (0, 3, 1, 2), 1)
HW = Layout("(h, w)", (0, 1, 2, 3), 1, last_dropped=True)
HWCM = Layout("(h, w, c, m)", (1, 2, 3, 0))
MTN = Layout("(m, T, n)", (0, 1, 2))
TMN = Layout("(T, m, n)", (1, 0, 2))
MNT = Layout("(m, n, T)", (0, 2, 1))
TN = Layout("(T, n)", (0, 1, 2), 1)
STEPS = Layout("(m, T, n)", (0, 1), steps=True)
TOKENS = Layout("(m, T)", (0, 1))
FLAT = {2: (ROWS, COLUMNS), 4: (NHWC, NCHW)}
SPOKEN = {
    "columns": "examples are columns: x has shape (n, m)",
    "vector": "one example at a time, of shape (n,)",
    "row": "one example at a time, of shape (1, n)",
    "column": "one example at a time, of shape (n, 1)",
}


@dataclass(frozen=True)
class Arrangement:
    """A parameter as the user keeps it.

    Attributes
    ----------
    axes : tuple of int
        Scratch's axes in the user's order.
    scratch, user : tuple of int
        Its shapes.
    flipped : bool
        Kernels the other way round: a true convolution.
    spread : bool
        A bias of every output position, not of every channel.
    """

    axes: tuple[int, ...]
    scratch: Shape
    user: Shape
    flipped: bool = False
    spread: bool = False

    def there(self, a: Array) -> Array:
        """From scratch's layout into the user's."""
        if self.spread:
            return np.array(np.broadcast_to(a.reshape(_at_channel(self.user, a.size)), self.user))
        a = a[::-1, ::-1] if self.flipped else a
        return np.ascontiguousarray(a.transpose(self.axes)).reshape(self.user).copy()

    def back(self, a: Array) -> Array:
        """From the user's layout into scratch's; what has another shape stays as it is."""
        if self.spread:
            if a.shape != self.user:
                return a
            channel = _at_channel(self.user, self.scratch[0]).index(self.scratch[0])
            return a.sum(axis=tuple(i for i in range(a.ndim) if i != channel))
        if not same(a.shape, self.user):
            return a
        a = a.reshape([self.scratch[i] for i in self.axes]).transpose(np.argsort(self.axes))
        return np.ascontiguousarray(a[::-1, ::-1] if self.flipped else a)


def _at_channel(user: Shape, n: int) -> Shape:
    place = user.index(n)
    return tuple(n if i == place else 1 for i in range(len(user)))


def same(a: Shape, b: Shape) -> bool:
    """Whether two shapes differ by axes of length 1 at most."""
    return [n for n in a if n != 1] == [n for n in b if n != 1]


def arrangements(scratch: Shape, user: Shape) -> list[Arrangement]:
    """Ways in which a parameter of one shape may stand in an array of the other."""
    found: dict[tuple[int, ...], Arrangement] = {}
    for axes in itertools.permutations(range(len(scratch))):
        if len(scratch) == 4 and axes.index(0) > axes.index(1):
            continue  # rows of a kernel come before its columns
        moved = tuple(scratch[i] for i in axes)
        if same(moved, user):
            found.setdefault(axes, Arrangement(axes, scratch, user))
    if len(scratch) == 4:
        return [r for a in found.values() for r in (a, Arrangement(a.axes, scratch, user, flipped=True))]
    if len(scratch) == 1 and len(user) == 3 and user.count(scratch[0]) == 1:
        return [Arrangement((0,), scratch, user, spread=True)]
    return list(found.values())
