"""Transposed convolution over images: the backward pass of a convolution, taken as a forward pass.

A convolution with stride s gathers each window into one output; this scatters each input over one window:

    z_n,(s r + i),(s q + j),o = b_o + sum x_nrqc w_ijoc    over all positions (r, q) and kernel elements (i, j) that meet there.

As matrices: where a convolution of n_out channels to n_in is z' = A x', this is x' = A^T z', hence the name; w_ijoc is that
convolution's kernel, from o to c. Along an axis of n elements it fills (n - 1) s + k, without padding. `same` makes it n s:
as much as the convolution with padding `same` would have made into n (`scratch.windows`), whose zeros are what is cut off here:

    max(k - s, 0) elements, the smaller half before and the rest after;  with k < s the last s - k hold the bias alone.

Backward. Every product x_nrqc w_ijoc goes into exactly one z, so that with dz read where it was added to (0 on what was cut off):

    dx_nrqc = sum_ijo dz_n,(s r + i),(s q + j),o w_ijoc    a convolution of dz, with the same kernel
    dw_ijoc = sum_nrq dz_n,(s r + i),(s q + j),o x_nrqc
    db_o    = sum of dz over examples and pixels
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.layer import Array, Layer, LayerState, require
from scratch.windows import Pair, Windows, check_image, pair


@dataclass(frozen=True)
class Conv2DTranspose(Layer):
    """z_n,(s r + i),(s q + j),o = b_o + sum x_nrqc w_ijoc.

    Parameters
    ----------
    n_in, n_out : int
        Number of input and output channels.
    kernel, stride : int or (int, int)
        Size of the kernel, and how far apart neighbouring inputs are scattered; for height and width.
    padding : {"valid", "same"}
        Keep all (n - 1) s + k elements along an axis, or n s.
    bias : bool
        Whether b is added.

    Notes
    -----
    Input (m, h, w, n_in), output (m, oh, ow, n_out). Parameters: `W` of shape (kh, kw, n_out, n_in), the kernel of the
    convolution that this is the transpose of; `b` of shape (n_out,).
    """

    n_in: int
    n_out: int
    kernel: int | Pair
    stride: int | Pair = 1
    padding: str = "valid"
    bias: bool = True
    regularised: ClassVar[tuple[str, ...]] = ("W",)

    def __post_init__(self) -> None:
        for name in ("kernel", "stride"):
            # In one form only, a list from JSON included: equal layers are to be equal, and hashable.
            object.__setattr__(self, name, pair(getattr(self, name), f"Conv2DTranspose: {name}"))
        positive = self.n_in > 0 and self.n_out > 0
        require(positive, f"Conv2DTranspose({self.n_in}, {self.n_out}): both numbers must be positive")
        known = self.padding in ("valid", "same")
        require(known, f"Conv2DTranspose: padding must be 'valid' or 'same', not {self.padding!r}")

    @property
    def windows(self) -> Windows:
        """How the kernel slides over the output."""
        kernel, stride = (pair(v, "Conv2DTranspose") for v in (self.kernel, self.stride))
        return Windows(kernel, stride, padding=self.padding)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"W": (*self.windows.kernel, self.n_out, self.n_in)}
        return shapes | {"b": (self.n_out,)} if self.bias else shapes

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        check_image((1, *shape), self.n_in, "Conv2DTranspose")
        sizes = zip(shape[:2], self.windows.kernel, self.windows.stride, strict=True)
        return (*(n * s if self.padding == "same" else (n - 1) * s + k for n, k, s in sizes), self.n_out)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        check_image(x.shape, self.n_in, f"Conv2DTranspose({self.n_in}, {self.n_out})")
        m, h, w, _ = x.shape
        high, wide, _ = self.output_shape(x.shape[1:])
        rows, kernel = x.reshape(-1, self.n_in), state.params["W"]
        padded = self.windows.padded(np.zeros((m, high, wide, self.n_out), x.dtype))
        for i, j, target in self.windows.elements(padded, (h, w)):
            target += (rows @ kernel[i, j].T).reshape(target.shape)
        z = self.windows.cropped(padded, (high, wide))
        if self.bias:
            z += state.params["b"]
        return z, x

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        x, dz, kernel = cache, upstream, state.params["W"]
        rows = x.reshape(-1, self.n_in)
        dx, dw = np.zeros(rows.shape, rows.dtype), np.empty(kernel.shape, kernel.dtype)
        padded = self.windows.padded(dz)
        for i, j, read in self.windows.elements(padded, (x.shape[1], x.shape[2])):
            seen = read.reshape(-1, self.n_out)
            dx += seen @ kernel[i, j]
            dw[i, j] = seen.T @ rows
        grads = {"W": dw}
        if self.bias:
            grads["b"] = dz.sum(axis=(0, 1, 2))
        return dx.reshape(x.shape), grads
