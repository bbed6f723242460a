"""Cost functions J and their gradients, averaged over the m examples and summed over the outputs of each (the course's 1/m).

Every loss is a frozen description with `forward(prediction, target) -> (J, cache)` and `backward(target, cache) -> dJ/dprediction`,
for predictions and targets of shape (m, k). `probabilities` turns a prediction into what the network says of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scratch.activations import sigmoid, softmax
from scratch.layer import Array, require


@dataclass(frozen=True)
class Loss:
    """Base of the losses; known by class name in `Loss.kinds`."""

    kinds: ClassVar[dict[str, type[Loss]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Loss.kinds[cls.__name__] = cls

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Any]:
        """J, a zero-dimensional array of the prediction's dtype, and the cache for `backward`."""
        raise NotImplementedError

    def backward(self, target: Array, cache: Any) -> Array:
        """dJ/dprediction, of shape (m, k)."""
        raise NotImplementedError

    def probabilities(self, prediction: Array) -> Array:
        """The prediction in the units of the target."""
        return prediction

    def config(self) -> dict[str, Any]:
        """The kind, as a JSON-able dictionary."""
        return {"kind": type(self).__name__}


def _same_shape(loss: Loss, prediction: Array, target: Array) -> None:
    # Broadcasting (m,) against (m, 1) would silently give an (m, m) cost.
    require(
        prediction.shape == target.shape and prediction.ndim == 2,
        f"{type(loss).__name__}: prediction has shape {prediction.shape}, target {target.shape}; both must be (m, k)",
    )


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """J = -1/m sum y log a + (1 - y) log(1 - a), from probabilities a in (0, 1).

    dJ/da = 1/m ((1 - y) / (1 - a) - y / a).

    A probability of exactly 0 or 1 on the wrong side costs infinity, as the formula says; a term whose weight y or 1 - y is
    0 is left out, so that 0 log 0 does not become NaN. Train from logits where saturation can occur.
    """

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        _same_shape(self, prediction, target)
        a, y, m = prediction, target, len(prediction)
        with np.errstate(divide="ignore", invalid="ignore"):
            cost = np.where(y > 0, y * np.log(a), 0) + np.where(y < 1, (1 - y) * np.log1p(-a), 0)
        return np.asarray(-cost.sum() / m), a

    def backward(self, target: Array, cache: Array) -> Array:
        a, y, m = cache, target, len(cache)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.where(y < 1, (1 - y) / (1 - a), 0) - np.where(y > 0, y / a, 0)) / m


@dataclass(frozen=True)
class BinaryCrossEntropyFromLogits(Loss):
    """Binary cross-entropy of a = sigmoid(z), computed from z so that nothing saturates.

    -y log a - (1 - y) log(1 - a) = max(z, 0) - z y + log(1 + exp(-|z|)), and dJ/dz = (a - y) / m.
    """

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        _same_shape(self, prediction, target)
        z, y, m = prediction, target, len(prediction)
        cost = np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))
        return np.asarray(cost.sum() / m), z

    def backward(self, target: Array, cache: Array) -> Array:
        z, y, m = cache, target, len(cache)
        return (sigmoid(z) - y) / m

    def probabilities(self, prediction: Array) -> Array:
        return sigmoid(prediction)


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """J = -1/m sum_i sum_k y_ik log a_ik with a = softmax(z), from logits z of shape (m, k) and one-hot (or soft) targets.

    log a_k = z_k - max z - log sum_j exp(z_j - max z). With s_i = sum_k y_ik (1 for one-hot targets),
    dJ/dz = 1/m (s a - y): each y_k contributes -y_k (delta_jk - a_j) to z_j.
    """

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        _same_shape(self, prediction, target)
        z, y, m = prediction, target, len(prediction)
        shifted = z - z.max(axis=1, keepdims=True)
        log_a = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.asarray(-(y * log_a).sum() / m), z

    def backward(self, target: Array, cache: Array) -> Array:
        z, y, m = cache, target, len(cache)
        return (y.sum(axis=1, keepdims=True) * softmax(z) - y) / m

    def probabilities(self, prediction: Array) -> Array:
        return softmax(prediction)


@dataclass(frozen=True)
class CategoricalCrossEntropy(Loss):
    """J = -1/m sum_i sum_k y_ik log a_ik, from probabilities a; dJ/da = -1/m y / a.

    The probabilities are taken as they are: that each row of a sums to 1 is the softmax's affair, and so is the way in which
    one probability moves the others. A term of weight 0 is left out, so that 0 log 0 does not become NaN.
    """

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        _same_shape(self, prediction, target)
        a, y, m = prediction, target, len(prediction)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-np.where(y > 0, y * np.log(a), 0).sum() / m), a

    def backward(self, target: Array, cache: Array) -> Array:
        a, y, m = cache, target, len(cache)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(y > 0, -y / a, 0) / m


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """J = 1/(2m) sum_i sum_k (p_ik - y_ik)^2, the course's half; dJ/dp = (p - y) / m."""

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        _same_shape(self, prediction, target)
        difference = prediction - target
        return np.asarray((difference**2).sum() / (2 * len(prediction))), difference

    def backward(self, target: Array, cache: Array) -> Array:
        return cache / len(cache)


@dataclass(frozen=True)
class Hinge(Loss):
    """J = 1/m sum_i sum_(k != t) max(0, z_ik - z_it + 1), t the right class: the multi-class hinge loss of one-hot targets.

    Each margin z_k - z_t + 1 that is positive pulls z_k down and z_t up, so with h_ik = 1 where it is, and h_it = 0,
    dJ/dz_ik = h_ik / m and dJ/dz_it = -1/m sum_k h_ik. A margin of exactly 0 does not count.

    Source: Weston & Watkins, Support vector machines for multi-class pattern recognition, 1999; CS231n, linear classification.
    """

    def forward(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        _same_shape(self, prediction, target)
        right = target.astype(bool)
        one_each = bool((right.sum(axis=1) == 1).all()) and bool((target[right] == 1).all())
        require(one_each, "Hinge: every target must be one-hot")
        margins = np.where(right, 0, prediction - prediction[right][:, np.newaxis] + 1)
        return np.asarray(np.maximum(0, margins).sum() / len(prediction)), margins

    def backward(self, target: Array, cache: Array) -> Array:
        counts = (cache > 0).astype(cache.dtype)
        return (counts - target * counts.sum(axis=1, keepdims=True)) / len(cache)
