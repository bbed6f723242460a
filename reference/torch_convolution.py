"""Scratch's convolution and pooling as torch modules.

Between layers images stay in scratch's layout, (m, h, w, c); each module is handed a view in torch's, (m, c, h, w), and its
output is viewed back. So whatever torch flattens, it flattens in scratch's order.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference.torch_layers import LAYERS, LayerTwin, Slot
from reference.twin import Maps
from scratch.convolution import Conv2D
from scratch.pooling import AveragePool2D, Flatten, GlobalAveragePool2D, GlobalMaxPool2D, MaxPool2D
from scratch.windows import Windows

CHANNELS_FIRST = (0, 3, 1, 2)
"""Axes of (m, h, w, c) in torch's order."""
CHANNELS_LAST = (0, 2, 3, 1)
"""And back."""


@dataclass
class ImageTwin(LayerTwin):
    """A module that takes and gives images, with views into torch's layout and back around it."""

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module, (m, oh, ow, c)."""
        return super().forward(x.permute(CHANNELS_FIRST), training, mask).permute(CHANNELS_LAST)


class PointwiseConvolutionTwin(ImageTwin):
    """`nn.Conv2d` of kernel 1 and a stride, on a copy of the images in torch's layout.

    On the CPU the float32 backward of torch 2.13 writes past the gradient's memory for a permuted view of the input.
    """

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module, (m, oh, ow, c)."""
        images = x.permute(CHANNELS_FIRST).contiguous()
        return LayerTwin.forward(self, images, training, mask).permute(CHANNELS_LAST)


@dataclass(kw_only=True)
class SameConvolutionTwin(ImageTwin):
    """`nn.Conv2d` behind `nn.ZeroPad2d`, whose zeros depend on the size of the image: torch has no `same` with a stride.

    Attributes
    ----------
    windows : Windows
    maps : callable
    """

    windows: Windows
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module for the padded images."""
        (top, bottom), (left, right) = self.windows.pads((x.shape[1], x.shape[2]))
        down, across = self.windows.stride
        if max(down, across) > 1 and not self.maps("conv-same-padding"):
            # The zeros on every side with which torch's own `padding` has an output of the same size.
            top, left = bottom if down > 1 else top, right if across > 1 else left
        zeros = nn.ZeroPad2d((left, right, top, bottom))
        return super().forward(zeros(x.permute(CHANNELS_FIRST)).permute(CHANNELS_LAST), training, mask)


def _convolution(layer: Conv2D, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    windows, channels = layer.windows, (layer.n_in, layer.n_out)
    # With stride 1 torch's own `same` has the same zeros, but warns where they are lopsided.
    zeros = layer.padding == "same" and (max(windows.stride) > 1 or any(span % 2 == 0 for span in windows.span))
    options = {"dilation": windows.dilation, "groups": layer.groups, "bias": layer.bias, "dtype": dtype}
    padding = 0 if zeros else layer.padding
    conv = nn.Conv2d(*channels, windows.kernel, windows.stride, padding, **options)
    params = {"W": Slot(conv, "weight", (3, 2, 0, 1) if maps("conv-layout") else ())}
    params |= {"b": Slot(conv, "bias")} if layer.bias else {}
    if windows.kernel == (1, 1) and max(windows.stride) > 1:
        return PointwiseConvolutionTwin(conv, params)
    return SameConvolutionTwin(conv, params, windows=windows, maps=maps) if zeros else ImageTwin(conv, params)


def _max_pool(layer: MaxPool2D, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    maps("pool-ties")
    return ImageTwin(nn.MaxPool2d(layer.windows.kernel, layer.windows.stride))


def _average_pool(layer: AveragePool2D, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return ImageTwin(nn.AvgPool2d(layer.windows.kernel, layer.windows.stride))


@dataclass
class GlobalPoolTwin(ImageTwin):
    """`nn.AdaptiveAvgPool2d(1)` or `nn.AdaptiveMaxPool2d(1)`, without the two axes of length 1 that it leaves."""

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module, (m, c)."""
        return super().forward(x, training, mask).flatten(start_dim=1)


def _global_average_pool(layer: GlobalAveragePool2D, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return GlobalPoolTwin(nn.AdaptiveAvgPool2d(1))


def _global_max_pool(layer: GlobalMaxPool2D, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return GlobalPoolTwin(nn.AdaptiveMaxPool2d(1))


@dataclass(kw_only=True)
class FlattenTwin(LayerTwin):
    """`nn.Flatten`, of images in scratch's layout."""

    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Each example as one row."""
        stays = x.ndim != 4 or self.maps("flatten-order")
        return super().forward(x if stays else x.permute(CHANNELS_FIRST), training, mask)


def _flatten(layer: Flatten, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return FlattenTwin(nn.Flatten(), maps=maps)


LAYERS |= {
    Conv2D: _convolution,
    MaxPool2D: _max_pool,
    AveragePool2D: _average_pool,
    GlobalAveragePool2D: _global_average_pool,
    GlobalMaxPool2D: _global_max_pool,
    Flatten: _flatten,
}
