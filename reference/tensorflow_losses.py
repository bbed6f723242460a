"""Scratch losses as Keras's: one function per kind, chosen by `LOSSES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference.tensorflow_layers import Precision, Tensor
from reference.twin import Unsupported
from scratch.layer import Array
from scratch.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Hinge,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)


def _as_it_is(prediction: Tensor) -> Tensor:
    return prediction


def _nothing_to_refuse(prediction: Array, target: Array) -> None:
    return


def _forgetful(prediction: Tensor, to: Precision) -> Tensor:
    """The prediction without the logits that Keras remembers with a sigmoid's or softmax's, through a dropout at rest too."""
    return tf.identity(prediction) if hasattr(prediction, "_keras_logits") and to.maps("hidden-logits") else prediction


@dataclass
class LossTwin:
    """A Keras loss in the place of a scratch loss.

    Attributes
    ----------
    cost : callable
        J, a tensor without axes, from prediction and target, both of shape (m, k).
    probabilities : callable
        The prediction in the units of the target.
    refuse : callable
        Raises Unsupported for a prediction and target (ndarrays) of which the stock loss computes something else.
    """

    cost: Callable[[Tensor, Tensor], Tensor]
    probabilities: Callable[[Tensor], Tensor] = _as_it_is
    refuse: Callable[[Array, Array], None] = _nothing_to_refuse


def _refuse_clipped(prediction: Array, target: Array) -> None:
    epsilon = keras.config.epsilon()
    if np.any((prediction < epsilon) | (prediction > 1 - epsilon)):
        raise Unsupported("probability-clip")


def _refuse_unnormalised(prediction: Array, target: Array) -> None:
    rounding = target.shape[1] * np.finfo(target.dtype).eps
    if np.any(np.abs(target.sum(axis=1) - 1) > rounding):
        raise Unsupported("softmax-target-sum")


def _binary_cross_entropy(loss: BinaryCrossEntropy, to: Precision) -> LossTwin:
    stock = keras.losses.BinaryCrossentropy(dtype=to.dtype)

    def cost(a: Tensor, y: Tensor) -> Tensor:
        mean = stock(y, _forgetful(a, to))
        return mean * a.shape[1] if to.maps("loss-scale") else mean

    return LossTwin(cost, refuse=_refuse_clipped)


def _binary_cross_entropy_from_logits(loss: BinaryCrossEntropyFromLogits, to: Precision) -> LossTwin:
    stock = keras.losses.BinaryCrossentropy(from_logits=True, dtype=to.dtype)

    def cost(z: Tensor, y: Tensor) -> Tensor:
        mean = stock(y, _forgetful(z, to))
        return mean * z.shape[1] if to.maps("loss-scale") else mean

    return LossTwin(cost, keras.activations.sigmoid)


def _softmax_cross_entropy(loss: SoftmaxCrossEntropy, to: Precision) -> LossTwin:
    stock = keras.losses.CategoricalCrossentropy(from_logits=True, dtype=to.dtype)

    def cost(z: Tensor, y: Tensor) -> Tensor:
        return stock(y, _forgetful(z, to))

    return LossTwin(cost, lambda z: tf.nn.softmax(z, axis=-1), _refuse_unnormalised)


def _categorical_cross_entropy(loss: CategoricalCrossEntropy, to: Precision) -> LossTwin:
    # keras.losses.CategoricalCrossentropy divides the probabilities by their sum, and its gradient flows through that as well.
    # The Poisson loss a - y log a does not; its first part is taken away again.
    stock = keras.losses.CategoricalCrossentropy(dtype=to.dtype)

    def cost(a: Tensor, y: Tensor) -> Tensor:
        a = _forgetful(a, to)
        if not to.maps("probability-sum"):
            return stock(y, a)
        poisson = tf.nn.log_poisson_loss(y, tf.math.log(a))
        return tf.reduce_sum(tf.reduce_mean(poisson - a, axis=0))

    return LossTwin(cost)


def _mean_squared_error(loss: MeanSquaredError, to: Precision) -> LossTwin:
    stock = keras.losses.MeanSquaredError(dtype=to.dtype)

    def cost(p: Tensor, y: Tensor) -> Tensor:
        mean = stock(y, p)
        return mean * (p.shape[1] / 2) if to.maps("loss-scale") else mean

    return LossTwin(cost)


def _hinge(loss: Hinge, to: Precision) -> LossTwin:
    raise Unsupported("hinge-worst")


LOSSES: dict[type[Loss], Callable[[Any, Precision], LossTwin]] = {
    BinaryCrossEntropy: _binary_cross_entropy,
    BinaryCrossEntropyFromLogits: _binary_cross_entropy_from_logits,
    SoftmaxCrossEntropy: _softmax_cross_entropy,
    CategoricalCrossEntropy: _categorical_cross_entropy,
    MeanSquaredError: _mean_squared_error,
    Hinge: _hinge,
}
