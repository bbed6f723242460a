"""Functions of one number and their derivatives, as the table of Ng, Neural Networks and Deep Learning, week 2, has them.

Derivations.

    a^2     ((a + h)^2 - a^2) / h = 2a + h -> 2a
    a^3     ((a + h)^3 - a^3) / h = 3a^2 + 3ah + h^2 -> 3a^2
    e^a     e^a (e^h - 1) / h -> e^a, as (e^h - 1) / h -> 1 is what defines e
    ln a    the inverse of e^x: with x = ln a, dx/da = 1 / (da/dx) = 1 / e^x = 1/a
    sigma   (1 + e^-z)^-1: -(1 + e^-z)^-2 (-e^-z) = sigma^2 e^-z = sigma (1 - sigma), as e^-z = (1 - sigma) / sigma
    tanh    sinh / cosh: (cosh^2 - sinh^2) / cosh^2 = 1 - tanh^2
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scratch.activations import sigmoid
from scratch.layer import Array


class Differentiable(NamedTuple):
    """A function and its derivative, both elementwise: from an array to one of its shape and dtype."""

    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


def _sigmoid_derivative(z: Array) -> Array:
    # sigma(-z) for 1 - sigma(z): the difference would lose the digits of a sigma close to 1.
    return sigmoid(z) * sigmoid(-z)


def _tanh_derivative(z: Array) -> Array:
    return 1 - np.tanh(z) ** 2


DERIVATIVES: dict[str, Differentiable] = {
    "square": Differentiable(lambda a: a**2, lambda a: 2 * a),
    "cube": Differentiable(lambda a: a**3, lambda a: 3 * a**2),
    "ln": Differentiable(np.log, lambda a: 1 / a),
    "exp": Differentiable(np.exp, np.exp),
    "sigmoid": Differentiable(sigmoid, _sigmoid_derivative),
    "tanh": Differentiable(np.tanh, _tanh_derivative),
}
"""By name; `ln` is defined for positive numbers."""
