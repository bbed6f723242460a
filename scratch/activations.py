"""Activation functions: elementwise, and softmax over the features.

For an elementwise a = g(z) the chain rule is dz = da * g'(z). Where g' is cheaper in terms of a, the cache holds a.
Source of the formulas: Ng, Neural Networks and Deep Learning, week 3, "Derivatives of activation functions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.layer import Array, Layer, LayerState, require


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) for any z: the exponential is only ever taken of -|z|, which cannot overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1 + e)


def softmax(z: Array) -> Array:
    """exp(z_j) / sum_k exp(z_k) along the last axis; the row's maximum is subtracted so that no exponential overflows."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Sigmoid(Layer):
    """a = 1 / (1 + exp(-z)), a' = a (1 - a)."""

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        a = sigmoid(x)
        return a, a

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        a = cache
        return upstream * a * (1 - a), {}


@dataclass(frozen=True)
class Tanh(Layer):
    """a = tanh(z), a' = 1 - a^2."""

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        a = np.tanh(x)
        return a, a

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        a = cache
        return upstream * (1 - a**2), {}


@dataclass(frozen=True)
class ReLU(Layer):
    """a = max(0, z); a' = 1 where z > 0, else 0. At 0 itself the frameworks choose 0, and so do we."""

    kink_at_zero: ClassVar[bool] = True

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        return np.maximum(x, 0), x

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        z = cache
        return upstream * (z > 0), {}


@dataclass(frozen=True)
class LeakyReLU(Layer):
    """a = max(0, z) + slope min(0, z); a' = 1 where z > 0, else slope (at 0 too, as in the frameworks).

    Parameters
    ----------
    slope : float
        Slope left of 0. The course and torch use 0.01; Keras's layer 0.3 unless told otherwise.
    """

    slope: float = 0.01
    kink_at_zero: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(0 <= self.slope < 1, f"LeakyReLU: slope must lie in [0, 1), not {self.slope}")

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        return np.maximum(x, 0) + self.slope * np.minimum(x, 0), x

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        z = cache
        return np.where(z > 0, upstream, self.slope * upstream), {}


@dataclass(frozen=True)
class Softmax(Layer):
    """a_j = exp(z_j) / sum_k exp(z_k) along the features.

    Derivation: da_j/dz_k = a_j (delta_jk - a_k), so dz_k = sum_j da_j a_j (delta_jk - a_k) = a_k (da_k - sum_j da_j a_j).
    """

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        a = softmax(x)
        return a, a

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        a = cache
        return a * (upstream - (upstream * a).sum(axis=-1, keepdims=True)), {}
