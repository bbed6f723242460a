"""First values of a weight matrix (n_in, n_out) or kernel (kh, kw, n_in, n_out). Biases start at 0, gamma at 1, beta at 0.

Zeros leave all units of a layer alike for ever (the symmetry is never broken); the others draw from a normal distribution
whose standard deviation keeps the variance of the activations from layer to layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from scratch.layer import Array

Initialiser = Callable[[np.random.Generator, tuple[int, ...]], Array]


def fan_in(shape: tuple[int, ...]) -> int:
    """How many inputs each output is a sum over: n_in of a matrix, kh kw n_in of a kernel."""
    return math.prod(shape[:-1])


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """All zeros."""
    return np.zeros(shape)


def small_random(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """0.01 N(0, 1)."""
    return 0.01 * rng.standard_normal(shape)


def he(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """sqrt(2 / n_in) N(0, 1), for ReLU (He et al. 2015)."""
    return math.sqrt(2 / fan_in(shape)) * rng.standard_normal(shape)


def xavier(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """sqrt(1 / n_in) N(0, 1), for tanh: the course's Xavier, which the frameworks call LeCun normal."""
    return math.sqrt(1 / fan_in(shape)) * rng.standard_normal(shape)


def bengio(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """sqrt(2 / (n_in + n_out)) N(0, 1): Glorot and Bengio 2010, which the frameworks call Xavier or Glorot normal."""
    fan_out = math.prod(shape[:-2]) * shape[-1]
    return math.sqrt(2 / (fan_in(shape) + fan_out)) * rng.standard_normal(shape)


INITIALISERS: dict[str, Initialiser] = {f.__name__: f for f in (zeros, small_random, he, xavier, bengio)}
