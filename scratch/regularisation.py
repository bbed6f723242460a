"""Weight regularisation (Ng, Improving Deep Neural Networks, week 1): a penalty on large weights, added to the cost.

Only weights are penalised, no biases, and those of frozen layers are not: nothing can make them smaller. m is the number of
examples in the batch.

Derivation. Every weight stands in one term of the sum. For L2, d/dw (lambda/(2m) w^2) = lambda/m w: the 2 of the square cancels the
1/2. For L1, |w| is w for w > 0 and -w for w < 0, so d/dw (lambda/m |w|) = lambda/m sign(w). At 0 the slope jumps from -lambda/m to lambda/m
and any number between them is a subgradient; the frameworks choose 0, and so do we: a weight that is exactly 0 is left alone.

L2 pulls a weight the less the smaller it is; L1 pulls with the same force down to 0, which makes many weights vanish.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scratch.layer import Array, require


@dataclass(frozen=True)
class Regulariser:
    """Base of the penalties; known by class name in `Regulariser.kinds`.

    Parameters
    ----------
    lambda_ : float
        Strength; not negative.
    """

    lambda_: float
    kinds: ClassVar[dict[str, type[Regulariser]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Regulariser.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        name = type(self).__name__
        require(self.lambda_ >= 0, f"{name}: lambda must not be negative, not {self.lambda_}")

    def penalty(self, weights: Iterable[Array], m: int) -> Array | float:
        """What is added to the cost for these weights and m examples."""
        raise NotImplementedError

    def gradient(self, w: Array, m: int) -> Array:
        """d penalty / dw, of the shape of w."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Configuration as JSON-able values, including the kind."""
        return {"kind": type(self).__name__, "lambda_": self.lambda_}


@dataclass(frozen=True)
class L2(Regulariser):
    """J += lambda / (2m) sum ||W||^2 over the weights (no biases), m examples in the batch; dW += lambda / m W.

    Parameters
    ----------
    lambda_ : float
        Strength; not negative.
    """

    def penalty(self, weights: Iterable[Array], m: int) -> Array | float:
        """lambda / (2m) times the sum of the squared weights."""
        return self.lambda_ / (2 * m) * sum((w**2).sum() for w in weights)

    def gradient(self, w: Array, m: int) -> Array:
        """d penalty / dW: the 2 of the square cancels the 1/2."""
        return self.lambda_ / m * w


@dataclass(frozen=True)
class L1(Regulariser):
    """J += lambda / m sum |W| over the weights (no biases), m examples in the batch; dW += lambda / m sign(W), sign(0) = 0.

    Parameters
    ----------
    lambda_ : float
        Strength; not negative.
    """

    def penalty(self, weights: Iterable[Array], m: int) -> Array | float:
        """lambda / m times the sum of the weights' absolute values."""
        return self.lambda_ / m * sum(np.abs(w).sum() for w in weights)

    def gradient(self, w: Array, m: int) -> Array:
        """d penalty / dW; 0 where w is exactly 0."""
        return self.lambda_ / m * np.sign(w)
