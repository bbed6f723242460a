"""Pooling over images, and the way from images to rows.

Forward, for the window whose first element is (s r, s q), with i < kh and j < kw (Ng, Convolutional Neural Networks, week 1):

    maximum    y_nrqc = max_ij x_n,(s r + i),(s q + j),c
    average    y_nrqc = 1/(kh kw) sum_ij x_n,(s r + i),(s q + j),c

Backward. A maximum changes with the element that attains it and with no other; an average with all of its elements alike:

    maximum    dx_n,(s r + i),(s q + j),c += dy_nrqc  where (i, j) attains the maximum
    average    dx_n,(s r + i),(s q + j),c += dy_nrqc / (kh kw)

Windows may overlap: where an element lies in several, its gradients add up. Where several elements of a window attain the
maximum there is no derivative; the first of them, row by row, is taken to be the one, as in the frameworks, so that what
flows back is what came in. (The course's mask `x == max` gives the whole gradient to each of them.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scratch.layer import Array, Layer, LayerState
from scratch.windows import Pair, Windows, check_image, pair


@dataclass(frozen=True)
class Pooling:
    """What the layers share that make one number of each window of each channel; no layer itself, so no kind of its own.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Step of its positions; its size, if none is given. No padding: what is left over at the end is not seen.

    Notes
    -----
    Input (m, h, w, c), output (m, oh, ow, c).
    """

    size: int | Pair
    stride: int | Pair | None = None

    def __post_init__(self) -> None:
        kind = type(self).__name__
        # In one form only, a list from JSON included: equal layers are to be equal, and hashable.
        object.__setattr__(self, "size", pair(self.size, f"{kind}: size"))
        stride = self.size if self.stride is None else self.stride
        object.__setattr__(self, "stride", pair(stride, f"{kind}: stride"))

    @property
    def windows(self) -> Windows:
        """How the window slides."""
        assert self.stride is not None
        return Windows(pair(self.size, "size"), pair(self.stride, "stride"))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_image((1, *shape), None, type(self).__name__)
        return (*self.windows.positions((shape[0], shape[1])), shape[2])

    def _positions(self, x: Array) -> Pair:
        check_image(x.shape, None, type(self).__name__)
        return self.windows.positions((x.shape[1], x.shape[2]))


@dataclass(frozen=True)
class MaxPool2D(Pooling, Layer):
    """y_nrqc = max_ij x_n,(s r + i),(s q + j),c; of equal elements the first, row by row, gets the gradient."""

    kink_at_zero: ClassVar[bool] = True

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        first, *others = (element for _, _, element in self.windows.elements(x, self._positions(x)))
        y = first.copy()
        for element in others:
            np.maximum(y, element, out=y)
        return y, (x, y)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        (x, y), dx = cache, np.zeros(cache[0].shape, upstream.dtype)
        positions, left = self._positions(x), np.ones(y.shape, bool)  # windows whose gradient nobody has got yet
        elements, targets = (self.windows.elements(a, positions) for a in (x, dx))
        for (_, _, element), (_, _, target) in zip(elements, targets, strict=True):
            attains = element == y
            attains &= left
            left ^= attains
            target += upstream * attains
        return dx, {}

    def decisive(self, x: Array) -> Array:
        """By how much each element exceeds the others of its window; where windows overlap, the closest decision."""
        positions = self._positions(x)
        ranked = np.sort(np.stack([e for _, _, e in self.windows.elements(x, positions)]), axis=0)
        largest, second = ranked[-1], ranked[-2 if len(ranked) > 1 else -1]
        margins = np.full_like(x, np.inf)
        targets = self.windows.elements(margins, positions)
        for (_, _, element), (_, _, margin) in zip(self.windows.elements(x, positions), targets, strict=True):
            own = element - np.where(element == largest, second, largest)
            np.copyto(margin, own, where=np.abs(own) < np.abs(margin))
        return margins


@dataclass(frozen=True)
class AveragePool2D(Pooling, Layer):
    """y_nrqc = 1/(kh kw) sum_ij x_n,(s r + i),(s q + j),c."""

    def forward(self, x: Array, state: LayerState) -> tuple[Array, tuple[int, ...]]:
        positions = self._positions(x)
        y = np.zeros((len(x), *positions, x.shape[3]), x.dtype)
        for _, _, element in self.windows.elements(x, positions):
            y += element
        return y / math.prod(self.windows.kernel), x.shape

    def backward(self, upstream: Array, state: LayerState, cache: tuple[int, ...]) -> tuple[Array, dict[str, Array]]:
        dx, share = np.zeros(cache, upstream.dtype), upstream / math.prod(self.windows.kernel)
        for _, _, target in self.windows.elements(dx, (upstream.shape[1], upstream.shape[2])):
            target += share
        return dx, {}


@dataclass(frozen=True)
class GlobalAveragePool2D(Layer):
    """y_nc = 1/(h w) sum_rq x_nrqc: the mean of each channel, (m, h, w, c) to (m, c)."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_image((1, *shape), None, "GlobalAveragePool2D")
        return (shape[2],)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, tuple[int, ...]]:
        check_image(x.shape, None, "GlobalAveragePool2D")
        return x.mean(axis=(1, 2)), x.shape

    def backward(self, upstream: Array, state: LayerState, cache: tuple[int, ...]) -> tuple[Array, dict[str, Array]]:
        _, h, w, _ = cache
        share = upstream / (h * w)
        return np.broadcast_to(share[:, None, None], cache).copy(), {}


@dataclass(frozen=True)
class GlobalMaxPool2D(Layer):
    """y_nc = max_rq x_nrqc: the maximum of each channel, (m, h, w, c) to (m, c); of equal elements the first gets dy."""

    kink_at_zero: ClassVar[bool] = True

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_image((1, *shape), None, "GlobalMaxPool2D")
        return (shape[2],)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        y, cache = _whole(x.shape).forward(x, state)
        return y[:, 0, 0], cache

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        return _whole(cache[0].shape).backward(upstream[:, None, None], state, cache)

    def decisive(self, x: Array) -> Array:
        """By how much each element exceeds the others of its channel."""
        return _whole(x.shape).decisive(x)


def _whole(shape: tuple[int, ...]) -> MaxPool2D:
    """A window as large as the images."""
    check_image(shape, None, "GlobalMaxPool2D")
    return MaxPool2D((shape[1], shape[2]))


@dataclass(frozen=True)
class Flatten(Layer):
    """Each example as one row, its last axis running fastest: (m, h, w, c) to (m, h w c), the channels of a pixel together."""

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(shape),)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, tuple[int, ...]]:
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, upstream: Array, state: LayerState, cache: tuple[int, ...]) -> tuple[Array, dict[str, Array]]:
        return upstream.reshape(cache), {}
