"""Convolution as matrix products of unfolded windows (im2col), and back (col2im).

Unfolded: a row of X' for each position (n, r, q), holding the window that it sees, X'_(nrq),(ijc) = x_n,(s r + d i),(s q + d j),c.
With W' = W as a matrix of kh kw c rows, Z' = X' W' is a fully connected layer on windows, and its derivatives are a
fully connected layer's:

    dW' = X'^T dZ'        dX' = dZ' W'^T

An input element lies in several windows, up to one for each kernel element (i, j), and its gradient is the sum over them.
Folding back adds dX' where X' was read:

    dx_n,(s r + d i),(s q + d j),c += dx'_(nrq),(ijc)    for each (i, j)

For one (i, j) no two positions read the same element, so each of these additions is one slice, and needs only the columns
of dX' for this (i, j): dZ' w_ij^T.

X' holds each element up to kh kw times. So positions are taken a band at a time, some images or some rows of one, small
enough that the band is still in the cache when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scratch.layer import Array
from scratch.windows import Pair, Windows

BAND = 2**20
"""Elements of X' that are made at once, about."""
FEW = 4
"""Below this number of channels a window's row is so short that X' is faster handled with its positions running fastest."""


def convolve(padded: Array, w: Array, windows: Windows) -> Array:
    """Images (m, oh, ow, o): the images (m, h, w, c), with their zeros around them, times the kernels (kh, kw, c, o)."""
    o = w.shape[3]
    z = np.empty((len(padded), *windows.positions_within((padded.shape[1], padded.shape[2])), o), padded.dtype)
    for images, rows in _bands(z, w[..., 0].size):
        out = z[images, rows].reshape(-1, o)  # a view: either whole images, or rows of one
        np.matmul(_unfolded(padded[images], rows, windows), w.reshape(-1, o), out=out)
    return z


def kernel_gradient(padded: Array, dz: Array, windows: Windows) -> Array:
    """dW (kh, kw, c, o), given the images with their zeros, and the gradient (m, oh, ow, o) of what `convolve` made of them."""
    c, o = padded.shape[3], dz.shape[3]
    dw = np.zeros((*windows.kernel, c, o), padded.dtype)
    matrix = dw.reshape(-1, o)
    for images, rows in _bands(dz, len(matrix)):
        matrix += _unfolded(padded[images], rows, windows).T @ dz[images, rows].reshape(-1, o)
    return dw


def input_gradient(dz: Array, w: Array, windows: Windows, size: Pair) -> Array:
    """dX (m, h, w, c) for images of this size, without the zeros around them: what falls on those is lost, they are constants."""
    c, (top, bottom), (left, right) = w.shape[2], *windows.pads(size)
    dpadded = np.zeros((len(dz), top + size[0] + bottom, left + size[1] + right, c), dz.dtype)
    fold = _fold_few if c < FEW else _fold
    for images, rows in _bands(dz, w[..., 0].size):
        fold(dz[images, rows], w, windows, dpadded[images, windows.stride[0] * rows.start :])
    return windows.cropped(dpadded, size)


def _fold(dz: Array, w: Array, windows: Windows, dx: Array) -> None:
    """Add to dx, whose first row the first positions see, what comes from dz."""
    matrix, back = dz.reshape(-1, dz.shape[3]), w.swapaxes(2, 3)
    for i, j, target in windows.elements(dx, (dz.shape[1], dz.shape[2])):
        target += (matrix @ back[i, j]).reshape(target.shape)


def _fold_few(dz: Array, w: Array, windows: Windows, dx: Array) -> None:
    """The same by one product and channel by channel."""
    kh, kw, c, o = w.shape
    columns = (w.reshape(-1, o) @ dz.reshape(-1, o).T).reshape(kh, kw, c, *dz.shape[:3])
    for i, j, target in windows.elements(dx, (dz.shape[1], dz.shape[2])):
        for k in range(c):
            target[..., k] += columns[i, j, k]


def _bands(outputs: Array, window: int) -> Iterator[tuple[slice, slice]]:
    """Which images, and which rows of these outputs (m, oh, ow, o): all positions in order, windows of so many elements."""
    m, high, wide, _ = outputs.shape
    height = max(1, BAND // (wide * window))
    several = max(1, height // high)
    for first in range(0, m, several):
        for top in range(0, high, height):
            yield slice(first, min(first + several, m)), slice(top, min(top + height, high))


def _unfolded(padded: Array, rows: slice, windows: Windows) -> Array:
    """X' (positions, kh kw c) for these rows of positions."""
    (sh, sw), (dh, dw) = windows.stride, windows.dilation
    within = padded[:, sh * rows.start : sh * (rows.stop - 1) + windows.span[0]]
    seen = sliding_window_view(within, windows.span, axis=(1, 2))[:, ::sh, ::sw, :, ::dh, ::dw]
    m, high, wide, c, kh, kw = seen.shape
    if c < FEW:
        return seen.transpose(4, 5, 3, 0, 1, 2).reshape(kh * kw * c, m * high * wide).T
    return seen.transpose(0, 1, 2, 4, 5, 3).reshape(m * high * wide, kh * kw * c)
