"""Weight regularisation (Ng, Improving Deep Neural Networks, week 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scratch.layer import Array, require


@dataclass(frozen=True)
class L2:
    """J += lambda / (2m) sum ||W||^2 over the weights (no biases), m examples in the batch; dW += lambda / m W.

    Parameters
    ----------
    lambda_ : float
        Strength; not negative.
    """

    lambda_: float

    def __post_init__(self) -> None:
        require(self.lambda_ >= 0, f"L2: lambda must not be negative, not {self.lambda_}")

    def penalty(self, weights: Iterable[Array], m: int) -> Array | float:
        """lambda / (2m) times the sum of the squared weights."""
        return self.lambda_ / (2 * m) * sum((w**2).sum() for w in weights)

    def gradient(self, w: Array, m: int) -> Array:
        """d penalty / dW: the 2 of the square cancels the 1/2."""
        return self.lambda_ / m * w

    def config(self) -> dict[str, Any]:
        """Configuration as JSON-able values, including the kind."""
        return {"kind": "L2", "lambda_": self.lambda_}
