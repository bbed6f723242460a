"""Mini-batches (Ng, Improving Deep Neural Networks, week 2)."""

from __future__ import annotations

import numpy as np

from scratch.layer import Array, require


def minibatches(rng: np.random.Generator, m: int, batch_size: int) -> list[Array]:
    """One epoch: the indices 0 ... m-1 shuffled and cut into batches; the last, shorter one is kept.

    Returns
    -------
    list of ndarray of int64
        ceil(m / batch_size) index arrays, together every index once.
    """
    require(m > 0 and batch_size > 0, f"minibatches: m={m} and batch_size={batch_size} must be positive")
    order = rng.permutation(m)
    return [order[start : start + batch_size] for start in range(0, m, batch_size)]


def dropout_mask(rng: np.random.Generator, shape: tuple[int, ...], keep_prob: float) -> Array:
    """Boolean keep mask: True with probability keep_prob."""
    return rng.random(shape) < keep_prob
