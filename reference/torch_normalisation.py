"""Scratch's normalisation within an example, and its transposed convolution, as torch modules."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference.torch_convolution import ImageTwin
from reference.torch_layers import LAYERS, LayerTwin, Slot
from reference.twin import Maps
from scratch.convolution_transpose import Conv2DTranspose
from scratch.normalisation import GroupNorm, LayerNorm, LocalResponseNorm


def _layer_norm(layer: LayerNorm, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    norm = nn.LayerNorm(layer.n, eps=layer.epsilon, dtype=dtype)
    return LayerTwin(norm, {"gamma": Slot(norm, "weight"), "beta": Slot(norm, "bias")})


def _group_norm(layer: GroupNorm, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    maps("channels-axis")
    norm = nn.GroupNorm(layer.groups, layer.n, eps=layer.epsilon, dtype=dtype)
    return ImageTwin(norm, {"gamma": Slot(norm, "weight"), "beta": Slot(norm, "bias")})


def _local_response_norm(layer: LocalResponseNorm, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    maps("channels-axis")
    alpha = layer.size * layer.alpha if maps("lrn-alpha") else layer.alpha
    return ImageTwin(nn.LocalResponseNorm(layer.size, alpha, layer.beta, layer.k))


@dataclass(kw_only=True)
class SlicedTwin(ImageTwin):
    """`nn.ConvTranspose2d` that cuts nothing off, of whose output a part is kept.

    Attributes
    ----------
    layer : Conv2DTranspose
    before : (int, int)
        Rows and columns to leave out in front.
    """

    layer: Conv2DTranspose
    before: tuple[int, int]

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The part of the module's output that is kept."""
        (high, wide, _), (top, left) = self.layer.output_shape(tuple(x.shape[1:])), self.before
        return super().forward(x, training, mask)[:, top : top + high, left : left + wide]


def _convolution_transpose(layer: Conv2DTranspose, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    kernel, stride = layer.windows.kernel, layer.windows.stride
    same = layer.padding == "same"
    # With k < s, `same` is larger than what the inputs reach; torch has as many elements of bias alone as are asked for.
    tail = tuple(max(s - k, 0) if same else 0 for k, s in zip(kernel, stride, strict=True))
    options = {"output_padding": tail, "bias": layer.bias, "dtype": dtype}
    conv = nn.ConvTranspose2d(layer.n_in, layer.n_out, kernel, stride, **options)
    params = {"W": Slot(conv, "weight", (3, 2, 0, 1) if maps("conv-transpose-layout") else ())}
    params |= {"b": Slot(conv, "bias")} if layer.bias else {}
    if not same:
        return ImageTwin(conv, params)
    cut = [max(k - s, 0) for k, s in zip(kernel, stride, strict=True)]
    lopsided = any(c % 2 for c in cut)
    # Ignored: what torch's own `padding=(c + 1) // 2, output_padding=1` keeps, where c is odd.
    extra = 1 if lopsided and not maps("conv-transpose-same-padding") else 0
    return SlicedTwin(conv, params, layer=layer, before=((cut[0] + extra) // 2, (cut[1] + extra) // 2))


LAYERS |= {
    LayerNorm: _layer_norm,
    GroupNorm: _group_norm,
    LocalResponseNorm: _local_response_norm,
    Conv2DTranspose: _convolution_transpose,
}
