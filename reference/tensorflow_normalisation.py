"""Scratch's normalisation within an example, and its transposed convolution, as Keras layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from reference.tensorflow_layers import LAYERS, LayerTwin, Precision, Tensor, weight_penalty
from scratch.convolution_transpose import Conv2DTranspose
from scratch.normalisation import GroupNorm, LayerNorm, LocalResponseNorm
from scratch.regularisation import Regulariser


def _epsilon(layer: LayerNorm | GroupNorm, to: Precision) -> dict[str, float]:
    return {"epsilon": layer.epsilon} if to.maps("layernorm-epsilon") else {}


def _layer_norm(layer: LayerNorm, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    norm = keras.layers.LayerNormalization(axis=-1, dtype=to.dtype, **_epsilon(layer, to))
    norm.build((None, layer.n))
    return LayerTwin(norm, {"gamma": norm.gamma, "beta": norm.beta})


def _group_norm(layer: GroupNorm, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    norm = keras.layers.GroupNormalization(layer.groups, axis=-1, dtype=to.dtype, **_epsilon(layer, to))
    norm.build((None, None, None, layer.n))
    return LayerTwin(norm, {"gamma": norm.gamma, "beta": norm.beta})


class LocalResponseNormalization(keras.layers.Layer):
    """`tf.nn.local_response_normalization` as a layer: Keras has none.

    Parameters
    ----------
    options : dict
        Of the operation, which computes in float32 whatever the layer's precision.
    """

    def __init__(self, options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options = options

    def call(self, inputs: Tensor) -> Tensor:
        """Images normalised, (m, h, w, c)."""
        single = tf.cast(inputs, tf.float32)
        return tf.cast(tf.nn.local_response_normalization(single, **self.options), inputs.dtype)


def _local_response_norm(layer: LocalResponseNorm, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    to.maps("lrn-radius")
    if to.dtype == "float64":
        to.maps("lrn-float32")
    options = {"depth_radius": layer.size // 2, "bias": layer.k, "alpha": layer.alpha, "beta": layer.beta}
    return LayerTwin(LocalResponseNormalization(options, dtype=to.dtype))


@dataclass(kw_only=True)
class SlicedTwin(LayerTwin):
    """`keras.layers.Conv2DTranspose` without the elements that no input reaches."""

    transpose: Conv2DTranspose

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The part of the layer's output that is kept."""
        high, wide, _ = self.transpose.output_shape(tuple(x.shape[1:]))
        return super().forward(x, training, mask)[:, :high, :wide]


def _convolution_transpose(layer: Conv2DTranspose, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    windows = layer.windows
    # The factor is set for each batch, as it depends on the number of examples: see `tensorflow_layers.penalty`.
    penalty = weight_penalty(regulariser)
    # The weights are loaded later; Keras's default initialiser would draw a seed from the caller's `random`.
    options = {"use_bias": layer.bias, "kernel_initializer": "zeros", "kernel_regularizer": penalty, "dtype": to.dtype}
    conv = keras.layers.Conv2DTranspose(layer.n_out, windows.kernel, windows.stride, layer.padding, **options)
    conv.build((None, None, None, layer.n_in))
    params = {"W": conv.kernel} | ({"b": conv.bias} if layer.bias else {})
    reaches_all = all(k >= s for k, s in zip(windows.kernel, windows.stride, strict=True))
    if layer.padding == "valid" and not reaches_all and to.maps("conv-transpose-tail"):
        return SlicedTwin(conv, params, transpose=layer)
    return LayerTwin(conv, params)


LAYERS |= {
    LayerNorm: _layer_norm,
    GroupNorm: _group_norm,
    LocalResponseNorm: _local_response_norm,
    Conv2DTranspose: _convolution_transpose,
}
