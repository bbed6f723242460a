"""Convolution over images.

Forward. As everywhere in deep learning this is cross-correlation: the kernel is not flipped. With the image padded by zeros,
stride s and dilation d, for the output at row r and column q (Ng, Convolutional Neural Networks, week 1):

    z_nrqo = b_o + sum_ijc x_n,(s r + d i),(s q + d j),c w_ijco

Backward. Each dz_nrqo reaches the weight through the element that it met, and that element through the weight:

    dw_ijco = sum_nrq x_n,(s r + d i),(s q + d j),c dz_nrqo        db_o = sum_nrq dz_nrqo

    dx_n,t,u,c = sum of w_ijco dz_nrqo over all o and all (i, j), (r, q) with s r + d i = t and s q + d j = u

`scratch.unfolding` turns these sums into matrix products.

Groups: the channels are split into g blocks of c / g, the outputs into g blocks too, and block k of the outputs sees block k of
the channels alone: g independent convolutions. One channel for each group is depthwise convolution; then a window is no longer
than the kernel, a product with W' gains nothing, and the sum over (i, j) is taken of whole images instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.layer import Array, Layer, LayerState, require
from scratch.unfolding import convolve, input_gradient, kernel_gradient
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
        padded, w = self.windows.padded(x), state.params["W"]
        z = self._depthwise_product(padded, w, shape) if self._elementwise else self._product(padded, w)
        if self.bias:
            z += state.params["b"]
        return z, x

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        x, dz = cache, upstream
        differentiate = self._depthwise_gradients if self._elementwise else self._gradients
        dx, dw = differentiate(x, state.params["W"], dz)
        grads = {"W": dw}
        if self.bias:
            grads["b"] = _column_sums(dz)
        return dx, grads

    @property
    def _elementwise(self) -> bool:
        return self.depthwise and self.n_in > 1

    def _by_group(self, *arrays: Array) -> Iterator[tuple[Array, ...]]:
        """Of arrays whose last axis runs over channels, the block of every group in turn."""
        return zip(*(np.split(a, self.groups, axis=-1) for a in arrays), strict=True)

    def _product(self, padded: Array, w: Array) -> Array:
        """Images of the outputs, without b."""
        outputs = [convolve(x_g, w_g, self.windows) for x_g, w_g in self._by_group(padded, w)]
        return outputs[0] if self.groups == 1 else np.concatenate(outputs, axis=-1)

    def _gradients(self, x: Array, w: Array, dz: Array) -> tuple[Array, Array]:
        """Gradients with respect to the images and to W."""
        windows, size = self.windows, (x.shape[1], x.shape[2])
        dx, dw = [], []
        for x_g, w_g, dz_g in self._by_group(windows.padded(x), w, dz):
            dw.append(kernel_gradient(x_g, dz_g, windows))
            dx.append(input_gradient(dz_g, w_g, windows, size))
        return (dx[0], dw[0]) if self.groups == 1 else (np.concatenate(dx, axis=-1), np.concatenate(dw, axis=-1))

    def _depthwise_product(self, padded: Array, w: Array, shape: tuple[int, ...]) -> Array:
        """Sum over (i, j) of images times w_ij."""
        w = self._by_multiple(w)
        z = np.zeros((w.shape[2], *shape[:3], self.n_in), padded.dtype)
        for i, j, x in self.windows.elements(padded, (shape[1], shape[2])):
            z += x * w[i, j]
        return np.moveaxis(z, 0, -1).reshape(shape)

    def _depthwise_gradients(self, x: Array, w: Array, dz: Array) -> tuple[Array, Array]:
        """The same as `_gradients`, one channel a group."""
        padded = self.windows.padded(x)
        by_multiple, positions = self._by_multiple(w), dz.shape[1:3]
        dz = np.ascontiguousarray(np.moveaxis(dz.reshape(*dz.shape[:3], self.n_in, -1), -1, 0))
        dw, dpadded = np.empty_like(by_multiple), np.zeros(padded.shape, padded.dtype)
        targets = self.windows.elements(dpadded, positions)
        for (i, j, seen), (_, _, dx) in zip(self.windows.elements(padded, positions), targets, strict=True):
            for o, dz_o in enumerate(dz):
                dw[i, j, o] = _column_sums(seen * dz_o)
                dx += dz_o * by_multiple[i, j, o]
        dx = self.windows.cropped(dpadded, (x.shape[1], x.shape[2]))
        return dx, np.moveaxis(dw[:, :, :, 0, 0, 0], 2, -1).reshape(w.shape)

    def _by_multiple(self, w: Array) -> Array:
        """Depthwise W as (kh, kw, n_out / n_in, 1, 1, 1, n_in): an image of n_in channels for each of a channel's outputs."""
        multiples = w.reshape(*w.shape[:2], self.n_in, -1)
        return np.ascontiguousarray(np.moveaxis(multiples, -1, 2))[:, :, :, None, None, None]
