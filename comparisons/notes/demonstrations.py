"""Small networks and finite differences that the audit's demonstrations share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scratch.activations import sigmoid
from scratch.gradient_check import two_sided

Array = np.ndarray


def slope(f: Callable[[float], float], x: float, step: float = 1e-5) -> float:
    """Two-sided difference quotient."""
    return (f(x + step) - f(x - step)) / (2 * step)


def distance(claimed: Array, truth: Array) -> float:
    """Largest difference, relative to the truth's largest element; differences of 1e-8 and less are the quotients' own."""
    return float(np.abs(claimed - truth).max() / np.abs(truth).max())


class TwoLayers:
    """x (3, m) -> tanh (4, m) -> sigmoid (1, m), in columns, with the cost of the course."""

    def __init__(self, m: int = 5) -> None:
        rng = np.random.default_rng(1)
        self.m = m
        self.X, self.Y = rng.standard_normal((3, m)), rng.integers(0, 2, (1, m)).astype(float)
        self.W1, self.b1 = rng.standard_normal((4, 3)), rng.standard_normal((4, 1))
        self.W2, self.b2 = rng.standard_normal((1, 4)), rng.standard_normal((1, 1))
        self.Z1 = self.W1 @ self.X + self.b1
        self.A1 = np.tanh(self.Z1)
        self.Z2 = self.W2 @ self.A1 + self.b2
        self.A2 = sigmoid(self.Z2)

    def cost(self) -> float:
        """J = -1/m sum y log a + (1 - y) log(1 - a), from the present parameters."""
        A2 = sigmoid(self.W2 @ np.tanh(self.W1 @ self.X + self.b1) + self.b2)
        return float(-(self.Y * np.log(A2) + (1 - self.Y) * np.log(1 - A2)).sum() / self.m)

    def cost_of_a2(self, A2: Array) -> float:
        """J as a function of the output alone."""
        return float(-(self.Y * np.log(A2) + (1 - self.Y) * np.log(1 - A2)).sum() / self.m)

    def true(self, name: str) -> Array:
        """dJ/d parameter by differences."""
        return two_sided(self.cost, getattr(self, name))
