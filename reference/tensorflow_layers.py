"""Scratch layers as Keras layers: one function per kind, with the place of every array beside it.

A new kind of layer is one function and one line in `LAYERS` (or one file that adds its line); the twin's loop knows no kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference.twin import Maps, choose
from scratch.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from scratch.batchnorm import BatchNorm
from scratch.dense import Dense
from scratch.dropout import Dropout
from scratch.layer import Array, Layer, require
from scratch.regularisation import L1, L2, Regulariser

Tensor = Any
"""A `tf.Tensor`, eager or symbolic."""


@contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Keras's default precision, for as long as something is built: it is a global setting that belongs to the user."""
    kept = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(kept)


def number(value: float, dtype: str, maps: Maps) -> float:
    """A hyper-parameter that Keras will cast: as np.float64 it survives; a Python float would pass through float32."""
    return np.float64(value) if dtype == "float64" and maps("float32-hyperparameters") else float(value)


def to_tensor(array: Array, dtype: str, name: str) -> Tensor:
    """A copy as tensor; never a conversion, which would hide that two implementations got different numbers."""
    require(array.dtype == dtype, f"{name}: is {array.dtype}, but the TensorFlow twin was built for {dtype}")
    return tf.constant(array)


@dataclass
class LayerTwin:
    """A Keras layer in the place of a scratch layer.

    Attributes
    ----------
    layer : keras.layers.Layer
        Built.
    params, buffers : dict of str to keras.Variable
        By scratch's names; Keras has them in scratch's layout.
    """

    layer: Any
    params: dict[str, Any] = field(default_factory=dict)
    buffers: dict[str, Any] = field(default_factory=dict)

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the layer in this mode; `mask` is the keep mask of a dropout layer."""
        return self.layer(x, training=training)


@dataclass(frozen=True)
class Precision:
    """What every function below needs besides the description: the dtype, and how to ask for a mapping."""

    dtype: str
    maps: Maps


@dataclass(frozen=True)
class PenaltyTwin:
    """A Keras penalty in the place of a scratch regulariser.

    Attributes
    ----------
    stock : type
        Its class, made from the factor alone.
    attribute : str
        Where an instance keeps the factor.
    factor : callable
        The factor, from the regulariser, the number of examples and `Precision.maps`.
    """

    stock: Any
    attribute: str
    factor: Callable[[Any, int, Maps], float]


def _l2_factor(regulariser: L2, m: int, maps: Maps) -> float:
    # l2 sum W^2, where the course has lambda / (2m): taking lambda / m from the course's gradient is the natural mistake.
    return regulariser.lambda_ / (2 * m) if maps("l2-factor") else regulariser.lambda_ / m


def _l1_factor(regulariser: L1, m: int, maps: Maps) -> float:
    # l1 sum |W|: no square brings a 2, and the factor is not L2's.
    return regulariser.lambda_ / m if maps("l1-factor") else regulariser.lambda_ / (2 * m)


PENALTIES: dict[type[Regulariser], PenaltyTwin] = {
    L2: PenaltyTwin(keras.regularizers.L2, "l2", _l2_factor),
    L1: PenaltyTwin(keras.regularizers.L1, "l1", _l1_factor),
}


def weight_penalty(regulariser: Regulariser | None) -> Any:
    """Keras's penalty for the weights of a layer; its factor is set for each batch, as it depends on m: see `penalty`."""
    return choose(PENALTIES, regulariser).stock(0.0) if regulariser else None


def penalty(regulariser: Regulariser, twins: list[LayerTwin], m: int, to: Precision) -> Tensor | None:
    """Keras's penalties of all layers together; None without any, as where all are frozen."""
    kind = choose(PENALTIES, regulariser)
    factor = number(kind.factor(regulariser, m, to.maps), to.dtype, to.maps)
    losses = []
    for twin in twins:
        stock = getattr(twin.layer, "kernel_regularizer", None)
        if stock is not None:
            setattr(stock, kind.attribute, factor)
            losses += twin.layer.losses
    return tf.add_n(losses) if losses else None


def _dense(layer: Dense, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    # The weights are loaded later; Keras's default initialiser would draw a seed from the caller's `random`.
    dense = keras.layers.Dense(
        layer.n_out,
        use_bias=layer.bias,
        kernel_initializer="zeros",
        kernel_regularizer=weight_penalty(regulariser),
        dtype=to.dtype,
    )
    dense.build((None, layer.n_in))
    return LayerTwin(dense, {"W": dense.kernel} | ({"b": dense.bias} if layer.bias else {}))


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch norm, for rows and for images alike: as it is, it is built for one number of axes."""

    def build(self, input_shape: Any) -> None:
        """Create the variables, or keep them; say which axes the moments are taken over."""
        super().build(input_shape)
        self.input_spec = keras.InputSpec(axes={-1: input_shape[-1]})
        self.axes = len(input_shape)

    def add_weight(self, *args: Any, name: str, **kwargs: Any) -> Any:
        """The variable of that name, which there is when the layer is built for other inputs."""
        known = getattr(self, name, None)
        return super().add_weight(*args, name=name, **kwargs) if known is None else known

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        """Keras's forward pass, built for the inputs' number of axes."""
        if len(inputs.shape) != self.axes:
            self.build(tuple(inputs.shape))
        return super().call(inputs, training=training, mask=mask)


def _batch_norm(layer: BatchNorm, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    epsilon = {"epsilon": layer.epsilon} if to.maps("batchnorm-epsilon") else {}
    norm = BatchNormalization(momentum=layer.momentum, dtype=to.dtype, **epsilon)
    norm.build((None, layer.n))
    buffers = {"running_mean": norm.moving_mean, "running_var": norm.moving_variance}
    return LayerTwin(norm, {"gamma": norm.gamma, "beta": norm.beta}, buffers)


@dataclass(kw_only=True)
class DropoutTwin(LayerTwin):
    """`keras.layers.Dropout`, with the recorded mask in the place of its own draw."""

    keep_prob: float
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The input in evaluation mode, the masked and rescaled input in training mode."""
        if not training or not self.maps("dropout-mask"):
            return self.layer(x, training=training)
        require(mask is not None, "Dropout: training needs an injected mask")
        assert mask is not None
        require(mask.shape == x.shape, f"Dropout: the mask has shape {mask.shape}, the input {x.shape}")
        # Multiplied, then divided, as scratch does: the other order differs in the last bit.
        return x * tf.cast(mask, x.dtype) / self.keep_prob


def _dropout(layer: Dropout, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    stock = keras.layers.Dropout(1 - layer.keep_prob, seed=0, dtype=to.dtype)  # without one it draws from `random`
    return DropoutTwin(stock, keep_prob=layer.keep_prob, maps=to.maps)


def _sigmoid(layer: Sigmoid, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.Activation("sigmoid", dtype=to.dtype))


def _tanh(layer: Tanh, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.Activation("tanh", dtype=to.dtype))


def _relu(layer: ReLU, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.ReLU(dtype=to.dtype))


def _leaky_relu(layer: LeakyReLU, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    slope = {"negative_slope": layer.slope} if to.maps("leaky-relu-slope") else {}
    # A float32 attribute of the operation: nothing can be mapped, and a power of 2 is not changed by it.
    if to.dtype == "float64" and float(np.float32(layer.slope)) != layer.slope:
        to.maps("leaky-relu-float32-slope")
    return LayerTwin(keras.layers.LeakyReLU(dtype=to.dtype, **slope))


def _softmax(layer: Softmax, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return LayerTwin(keras.layers.Softmax(axis=-1, dtype=to.dtype))


LAYERS: dict[type[Layer], Callable[[Any, Precision, Regulariser | None], LayerTwin]] = {
    Dense: _dense,
    BatchNorm: _batch_norm,
    Dropout: _dropout,
    Sigmoid: _sigmoid,
    Tanh: _tanh,
    ReLU: _relu,
    LeakyReLU: _leaky_relu,
    Softmax: _softmax,
}
