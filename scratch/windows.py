"""Windows that slide over images: sizes, padding, and the two moves that convolution and pooling are made of.

Data are NHWC: (m, h, w, c), m examples of height h and width w with c channels. Along each axis a window of k elements, d
apart, spans d (k - 1) + 1 of them and moves by the stride s; of n elements that leaves room for

    o = floor((n + p_before + p_after - d (k - 1) - 1) / s) + 1    positions.

Padding: none (`valid`); p zeros on every side (an integer); or as many as give o = ceil(n / s) (`same`), which is

    p = max((ceil(n / s) - 1) s + d (k - 1) + 1 - n, 0)    with floor(p / 2) before and the rest after:

TensorFlow's choice, which depends on n and s, and is lopsided where p is odd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scratch.layer import Array, require

Pair = tuple[int, int]
"""A value for the height, and one for the width."""
Padding = int | str
"""`valid`, `same`, or the number of zeros on every side."""


def pair(value: int | Pair, name: str) -> Pair:
    """The same value for height and width, or each its own; ValueError unless both are positive integers."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    valid = len(both) == 2 and all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in both)
    require(valid, f"{name} must be a positive integer or two of them, not {value!r}")
    return both[0], both[1]


@dataclass(frozen=True)
class Windows:
    """How a window slides over the two axes of an image.

    Attributes
    ----------
    kernel, stride, dilation : (int, int)
        Elements, step, and distance of neighbouring elements, along height and width.
    padding : {"valid", "same"} or int
    """

    kernel: Pair
    stride: Pair
    dilation: Pair = (1, 1)
    padding: Padding = "valid"

    @property
    def span(self) -> Pair:
        """Elements that a window reaches over, holes included."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def pads(self, size: Pair) -> tuple[Pair, Pair]:
        """Zeros (before, after) along height and along width, for images of this size."""
        if isinstance(self.padding, int):
            return (self.padding, self.padding), (self.padding, self.padding)
        if self.padding == "valid":
            return (0, 0), (0, 0)
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, self.stride, self.span, strict=True)]
        top, left = (total // 2 for total in totals)
        return (top, totals[0] - top), (left, totals[1] - left)

    def positions(self, size: Pair) -> Pair:
        """Number of windows along height and width; ValueError if the image is smaller than a window."""
        (top, bottom), (left, right) = self.pads(size)
        return self.positions_within((top + size[0] + bottom, left + size[1] + right))

    def positions_within(self, padded: Pair) -> Pair:
        """The same for images that have their zeros around them."""
        fits = all(n >= k for n, k in zip(padded, self.span, strict=True))
        require(fits, f"a window over {self.span} elements does not fit into an image of {padded}, padding included")
        high, wide = ((n - k) // s + 1 for n, k, s in zip(padded, self.span, self.stride, strict=True))
        return high, wide

    def padded(self, x: Array) -> Array:
        """Images x with their zeros around them; x itself where there are none."""
        size = x.shape[1], x.shape[2]
        (top, bottom), (left, right) = self.pads(size)
        if not (top or bottom or left or right):
            return x
        out = np.zeros((len(x), top + size[0] + bottom, left + size[1] + right, *x.shape[3:]), x.dtype)
        out[:, top : top + size[0], left : left + size[1]] = x
        return out

    def cropped(self, padded: Array, size: Pair) -> Array:
        """The images of this size without the zeros around them: the backward pass of `padded`."""
        (top, _), (left, _) = self.pads(size)
        return padded[:, top : top + size[0], left : left + size[1]]

    def elements(self, padded: Array, positions: Pair) -> Iterator[tuple[int, int, Array]]:
        """For each element (i, j) of the kernel, row by row: the view of what it meets at all positions, (m, oh, ow, ...)."""
        (sh, sw), (dh, dw) = self.stride, self.dilation
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * dh, j * dw
                bottom, right = top + sh * (positions[0] - 1) + 1, left + sw * (positions[1] - 1) + 1
                yield i, j, padded[:, top:bottom:sh, left:right:sw]


def check_image(x_shape: tuple[int, ...], channels: int | None, name: str) -> None:
    """Raise ValueError unless this is the shape of images (m, h, w, c), with this number of channels if one is given."""
    fits = len(x_shape) == 4 and channels in (None, x_shape[3])
    require(fits, f"{name}: input has shape {x_shape}, not (m, h, w, {'c' if channels is None else channels})")
