"""Scratch's convolution and pooling as Keras layers, which have scratch's layout: images (m, h, w, c), kernels (kh, kw, c, o)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from reference.tensorflow_layers import LAYERS, LayerTwin, Precision, Tensor, weight_penalty
from reference.twin import Unsupported
from scratch.convolution import Conv2D
from scratch.pooling import AveragePool2D, Flatten, GlobalAveragePool2D, GlobalMaxPool2D, MaxPool2D
from scratch.regularisation import Regulariser


class GroupedDepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras's depthwise convolution, with its kernel kept in the layout of a convolution in groups.

    Keras: (kh, kw, c, q), channel c's output q. In groups: (kh, kw, 1, c q), the same numbers in the same order.
    """

    def add_weight(self, shape: Any = None, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """A variable; the kernel's in the layout of groups."""
        if name == "kernel":
            kh, kw, c, q = shape
            shape = (kh, kw, 1, c * q)
        return super().add_weight(shape, *args, name=name, **kwargs)

    @property
    def kernel(self) -> Tensor:
        """The kernel as Keras's forward pass wants it."""
        return keras.ops.reshape(self.grouped_kernel, (*self.kernel_size, -1, self.depth_multiplier))

    @kernel.setter
    def kernel(self, variable: Any) -> None:
        self.grouped_kernel = variable

    @property
    def kernel_regularizer(self) -> Any:
        """What Keras calls `depthwise_regularizer` here, under the name that its other layers have for it."""
        return self.depthwise_regularizer


@dataclass(kw_only=True)
class PaddedTwin(LayerTwin):
    """A convolution behind `keras.layers.ZeroPadding2D`: its own padding is `valid` or `same`, never a number."""

    zeros: Any

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the layer for the padded images."""
        return super().forward(self.zeros(x), training, mask)


def _convolution(layer: Conv2D, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    windows = layer.windows
    if max(windows.stride) > 1 and max(windows.dilation) > 1:
        raise Unsupported("conv-stride-dilation")
    padding = layer.padding if isinstance(layer.padding, str) else "valid"
    shared = {"strides": windows.stride, "dilation_rate": windows.dilation, "use_bias": layer.bias, "dtype": to.dtype}
    # The factor is set for each batch, as it depends on the number of examples: see `tensorflow_layers.penalty`.
    penalty = weight_penalty(regulariser)
    # The weights are loaded later; Keras's default initialiser would draw a seed from the caller's `random`.
    # TensorFlow's depthwise kernel knows a single stride; its convolution in groups knows two.
    if layer.depthwise and layer.n_in > 1 and windows.stride[0] == windows.stride[1] and to.maps("depthwise-layout"):
        multiple = layer.n_out // layer.n_in
        options = shared | {
            "depth_multiplier": multiple,
            "depthwise_regularizer": penalty,
            "depthwise_initializer": "zeros",
        }
        conv = GroupedDepthwiseConv2D(windows.kernel, padding=padding, **options)
    else:
        options = shared | {"groups": layer.groups, "kernel_regularizer": penalty, "kernel_initializer": "zeros"}
        conv = keras.layers.Conv2D(layer.n_out, windows.kernel, padding=padding, **options)
    conv.build((None, None, None, layer.n_in))
    kernel = conv.grouped_kernel if isinstance(conv, GroupedDepthwiseConv2D) else conv.kernel
    params = {"W": kernel} | ({"b": conv.bias} if layer.bias else {})
    if isinstance(layer.padding, int) and layer.padding:
        return PaddedTwin(conv, params, zeros=keras.layers.ZeroPadding2D(layer.padding, dtype=to.dtype))
    return LayerTwin(conv, params)


def _max_pool(layer: MaxPool2D, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    to.maps("pool-ties")
    return LayerTwin(keras.layers.MaxPooling2D(layer.windows.kernel, layer.windows.stride, dtype=to.dtype))


def _average_pool(layer: AveragePool2D, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.AveragePooling2D(layer.windows.kernel, layer.windows.stride, dtype=to.dtype))


def _global_average_pool(layer: GlobalAveragePool2D, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.GlobalAveragePooling2D(dtype=to.dtype))


@dataclass(kw_only=True)
class GlobalMaxPoolTwin(LayerTwin):
    """`keras.layers.MaxPooling2D` with a window as large as the images; `GlobalMaxPooling2D` where that is not mapped."""

    to: Precision

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the layer, (m, c)."""
        if not self.to.maps("global-max-ties"):
            return super().forward(x, training, mask)
        whole = keras.layers.MaxPooling2D((x.shape[1], x.shape[2]), dtype=self.to.dtype)
        return keras.ops.squeeze(whole(x), axis=(1, 2))


def _global_max_pool(layer: GlobalMaxPool2D, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return GlobalMaxPoolTwin(keras.layers.GlobalMaxPooling2D(dtype=to.dtype), to=to)


def _flatten(layer: Flatten, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.Flatten(dtype=to.dtype))


LAYERS |= {
    Conv2D: _convolution,
    MaxPool2D: _max_pool,
    AveragePool2D: _average_pool,
    GlobalAveragePool2D: _global_average_pool,
    GlobalMaxPool2D: _global_max_pool,
    Flatten: _flatten,
}
