"""Random search of hyper-parameters on their natural scale (Ng, Improving Deep Neural Networks, week 3).

Random points, not a grid: in n trials every hyper-parameter takes n values instead of the n-th root of as many. A learning
rate's natural scale is logarithmic: 10^r with r uniform gives 0.0001 ... 0.001 as many trials as 0.1 ... 1. For beta it is
1 - beta that counts, as an average goes over 1 / (1 - beta) values: from 0.9 to 0.9005 nothing changes, from 0.999 to
0.9995 the memory doubles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratch.layer import require


@dataclass(frozen=True)
class Scale:
    """Where a hyper-parameter is looked for: in [low, high], on the scale that the subclass stands for."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require(self.low < self.high, f"{self}: low must lie below high")

    def draw(self, rng: np.random.Generator) -> Any:
        """One value."""
        raise NotImplementedError

    def _within(self, value: float) -> float:
        """The value, back from the few ulps by which a power of 10 can leave the interval."""
        return min(max(value, self.low), self.high)


class Uniform(Scale):
    """Every value as likely as any other."""

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(self.low, self.high))


class WholeNumber(Scale):
    """low, low + 1, ..., high, both whole: numbers of units or layers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.low == int(self.low) and self.high == int(self.high), f"{self}: both ends must be whole numbers")

    def draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(int(self.low), int(self.high), endpoint=True))


class Logarithmic(Scale):
    """10^r with r uniform in [log10 low, log10 high]: every decade as likely as any other. For learning rates, low > 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.low > 0, f"{self}: a logarithmic scale lies above 0")

    def draw(self, rng: np.random.Generator) -> float:
        return self._within(10 ** float(rng.uniform(math.log10(self.low), math.log10(self.high))))


class OneMinusLogarithmic(Scale):
    """1 - 10^r with r uniform in [log10(1 - high), log10(1 - low)]: for beta, beta1, beta2, rho; high < 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.high < 1, f"{self}: 1 - value is on a logarithmic scale, so the value lies below 1")

    def draw(self, rng: np.random.Generator) -> float:
        return self._within(1 - 10 ** float(rng.uniform(math.log10(1 - self.high), math.log10(1 - self.low))))


def random_search(rng: np.random.Generator, space: Mapping[str, Scale], trials: int) -> Iterator[dict[str, Any]]:
    """Hyper-parameters to try: one independent draw of each per trial.

    Parameters
    ----------
    rng : numpy.random.Generator
    space : mapping of str to Scale
        E.g. `{"learning_rate": Logarithmic(1e-4, 1), "beta": OneMinusLogarithmic(0.9, 0.999)}`.
    trials : int

    Yields
    ------
    dict
        By the names of `space`: `Momentum(**drawn)`.
    """
    require(trials > 0, f"trials must be positive, not {trials}")
    for _ in range(trials):
        yield {name: scale.draw(rng) for name, scale in space.items()}
