"""Convolution over images, as matrix products of unfolded windows (im2col).

Forward. As everywhere in deep learning this is cross-correlation: the kernel is not flipped. With the image padded by zeros,
stride s and dilation d, for the output at row r and column q (Ng, Convolutional Neural Networks, week 1):

    z_nrqo = b_o + sum_ijc x_n,(s r + d i),(s q + d j),c w_ijco

Unfolded: a row of X' for each position (n, r, q), holding the window that it sees, X'_(nrq),(ijc) = x_n,(s r + d i),(s q + d j),c.
With W' = W as a matrix of kh kw c rows, Z' = X' W' + b is a fully connected layer on windows, and its derivatives are a
fully connected layer's:

    dW' = X'^T dZ'        db_o = sum_nrq dz_nrqo        dX' = dZ' W'^T

An input element lies in several windows, up to one for each kernel element (i, j), and its gradient is the sum over them.
Folding back (col2im) adds dX' where X' was read:

    dx_n,(s r + d i),(s q + d j),c += dx'_(nrq),(ijc)    for each (i, j)

For one (i, j) no two positions read the same element, so each of these additions is one slice. What falls on padding is lost:
zeros are constants.

Groups: the channels are split into g blocks of c / g, the outputs into g blocks too, and block k of the outputs sees block k of
the channels alone: g independent convolutions. One channel for each group is depthwise convolution; then a window is no longer
than the kernel, a product with W' gains nothing, and the sum over (i, j) is taken of whole images instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scratch.layer import Array, Layer, LayerState, require
from scratch.windows import Padding, Pair, Windows, check_image, pair


def _column_sums(a: Array) -> Array:
    """Sum over all axes but the last. As a product: over many rows it is faster than `sum`, and rounds less."""
    rows = a.reshape(-1, a.shape[-1])
    return np.ones(len(rows), a.dtype) @ rows


@dataclass(frozen=True)
class Conv2D(Layer):
    """z_nrqo = b_o + sum_ijc x_n,(s r + d i),(s q + d j),c w_ijco.

    Parameters
    ----------
    n_in, n_out : int
        Number of input and output channels.
    kernel, stride, dilation : int or (int, int)
        Size of the kernel, step of its positions, distance of its elements; for height and width.
    padding : {"valid", "same"} or int
        No zeros around the image; as many as keep ceil(n / s) positions (TensorFlow's rule); or this many on every side.
    groups : int
        Blocks of channels that do not see each other; `n_in` of them is depthwise convolution.
    bias : bool
        Whether b is added.

    Notes
    -----
    Input (m, h, w, n_in), output (m, oh, ow, n_out). Parameters: `W` of shape (kh, kw, n_in / groups, n_out); `b` of
    shape (n_out,). The outputs of a group are neighbours: group k makes outputs k n_out / groups and those that follow.
    """

    n_in: int
    n_out: int
    kernel: int | Pair
    stride: int | Pair = 1
    padding: Padding = "valid"
    dilation: int | Pair = 1
    groups: int = 1
    bias: bool = True
    regularised: ClassVar[tuple[str, ...]] = ("W",)

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "dilation"):
            # In one form only, a list from JSON included: equal layers are to be equal, and hashable.
            object.__setattr__(self, name, pair(getattr(self, name), f"Conv2D: {name}"))
        require(self.n_in > 0 and self.n_out > 0, f"Conv2D({self.n_in}, {self.n_out}): both numbers must be positive")
        known = self.padding in ("valid", "same") if isinstance(self.padding, str) else self.padding >= 0
        require(known, f"Conv2D: padding must be 'valid', 'same' or a number of zeros, not {self.padding!r}")
        divides = self.groups > 0 and self.n_in % self.groups == 0 and self.n_out % self.groups == 0
        require(divides, f"Conv2D({self.n_in}, {self.n_out}): {self.groups} groups do not divide both numbers")

    @property
    def windows(self) -> Windows:
        """How the kernel slides."""
        kernel, stride, dilation = (pair(v, "Conv2D") for v in (self.kernel, self.stride, self.dilation))
        return Windows(kernel, stride, dilation, self.padding)

    @property
    def depthwise(self) -> bool:
        """Whether each output channel sees a single input channel."""
        return self.groups == self.n_in

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"W": (*self.windows.kernel, self.n_in // self.groups, self.n_out)}
        return shapes | {"b": (self.n_out,)} if self.bias else shapes

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_image((1, *shape), self.n_in, "Conv2D")
        return (*self.windows.positions((shape[0], shape[1])), self.n_out)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        check_image(x.shape, self.n_in, f"Conv2D({self.n_in}, {self.n_out})")
        shape = (len(x), *self.output_shape(x.shape[1:]))
        multiply = self._depthwise_product if self._elementwise else self._product
        z = multiply(self.windows.padded(x), state.params["W"], shape)
        if self.bias:
            z += state.params["b"]
        return z, x

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        x, dz, windows = cache, upstream, self.windows
        padded = windows.padded(x)
        differentiate = self._depthwise_gradients if self._elementwise else self._gradients
        dpadded, dw = differentiate(padded, state.params["W"], dz)
        grads = {"W": dw}
        if self.bias:
            grads["b"] = _column_sums(dz)
        return windows.cropped(dpadded, (x.shape[1], x.shape[2])), grads

    @property
    def _elementwise(self) -> bool:
        return self.depthwise and self.n_in > 1

    def _unfolded(self, padded: Array) -> Array:
        """X' of each group: (groups, m oh ow, kh kw n_in / groups), from (m, h, w, n_in)."""
        w, g = self.windows, self.groups
        grouped = padded.reshape(*padded.shape[:3], g, self.n_in // g)
        seen = sliding_window_view(grouped, w.span, axis=(1, 2))
        seen = seen[:, :: w.stride[0], :: w.stride[1], :, :, :: w.dilation[0], :: w.dilation[1]]
        m, oh, ow, _, c, kh, kw = seen.shape
        return seen.transpose(3, 0, 1, 2, 5, 6, 4).reshape(g, m * oh * ow, kh * kw * c)

    def _matrices(self, w: Array) -> Array:
        """W' of each group: (groups, kh kw n_in / groups, n_out / groups), from (kh, kw, n_in / groups, n_out)."""
        return w.reshape(-1, self.groups, self.n_out // self.groups).transpose(1, 0, 2)

    def _product(self, padded: Array, w: Array, shape: tuple[int, ...]) -> Array:
        """Z' = X' W', folded to images."""
        z = self._unfolded(padded) @ self._matrices(w)
        return z.transpose(1, 0, 2).reshape(shape)

    def _gradients(self, padded: Array, w: Array, dz: Array) -> tuple[Array, Array]:
        """Gradients with respect to the padded images and to W."""
        m, oh, ow, _ = dz.shape
        matrices = dz.reshape(m * oh * ow, self.groups, -1).transpose(1, 0, 2)
        dw = self._unfolded(padded).transpose(0, 2, 1) @ matrices
        back = w.reshape(*w.shape[:3], self.groups, -1).transpose(0, 1, 3, 4, 2)  # (kh, kw, groups, outputs, channels)
        dpadded = np.zeros(padded.shape, padded.dtype)
        grouped = dpadded.reshape(*padded.shape[:3], self.groups, -1)
        for i, j, target in self.windows.elements(grouped, (oh, ow)):
            seen = matrices @ back[i, j]  # dX' for this (i, j) alone: what is added up is neighbouring in memory
            target += seen.transpose(1, 0, 2).reshape(target.shape)
        return dpadded, dw.transpose(1, 0, 2).reshape(w.shape)

    def _depthwise_product(self, padded: Array, w: Array, shape: tuple[int, ...]) -> Array:
        """Sum over (i, j) of images times w_ij."""
        w = self._by_multiple(w)
        z = np.zeros((w.shape[2], *shape[:3], self.n_in), padded.dtype)
        for i, j, x in self.windows.elements(padded, (shape[1], shape[2])):
            z += x * w[i, j]
        return np.moveaxis(z, 0, -1).reshape(shape)

    def _depthwise_gradients(self, padded: Array, w: Array, dz: Array) -> tuple[Array, Array]:
        """The same as `_gradients`, one channel a group."""
        by_multiple, positions = self._by_multiple(w), dz.shape[1:3]
        dz = np.ascontiguousarray(np.moveaxis(dz.reshape(*dz.shape[:3], self.n_in, -1), -1, 0))
        dw, dpadded = np.empty_like(by_multiple), np.zeros(padded.shape, padded.dtype)
        targets = self.windows.elements(dpadded, positions)
        for (i, j, x), (_, _, dx) in zip(self.windows.elements(padded, positions), targets, strict=True):
            for o, dz_o in enumerate(dz):
                dw[i, j, o] = _column_sums(x * dz_o)
                dx += dz_o * by_multiple[i, j, o]
        return dpadded, np.moveaxis(dw[:, :, :, 0, 0, 0], 2, -1).reshape(w.shape)

    def _by_multiple(self, w: Array) -> Array:
        """Depthwise W as (kh, kw, n_out / n_in, 1, 1, 1, n_in): an image of n_in channels for each of a channel's outputs."""
        multiples = w.reshape(*w.shape[:2], self.n_in, -1)
        return np.ascontiguousarray(np.moveaxis(multiples, -1, 2))[:, :, :, None, None, None]
