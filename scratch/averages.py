"""Exponentially weighted averages (Ng, Improving Deep Neural Networks, week 2).

Derivation. With v_0 = 0 and v_t = beta v_{t-1} + (1 - beta) theta_t, unrolling gives

    v_t = (1 - beta) sum_{i=1..t} beta^(t-i) theta_i

whose weights sum to (1 - beta) (1 + beta + ... + beta^(t-1)) = 1 - beta^t, not to 1: the first averages are too small.
Dividing by 1 - beta^t makes them a true weighted mean. A weight has fallen to 1/e after about 1 / (1 - beta) values, since
(1 - e)^(1/e) -> 1/e: beta = 0.9 averages over about 10 values.
"""

from __future__ import annotations

import numpy as np

from scratch.layer import Array, require


def exponentially_weighted_average(values: Array, beta: float = 0.9, bias_correction: bool = False) -> Array:
    """The average after every value.

    Parameters
    ----------
    values : ndarray of shape (T, ...)
        theta_1 ... theta_T, of any shape each; not changed.
    beta : float
        Weight of the past, in [0, 1).
    bias_correction : bool
        Whether v_t is divided by 1 - beta^t.

    Returns
    -------
    ndarray of the shape and dtype of `values`
        v_1 ... v_T.
    """
    require(0 <= beta < 1, f"beta must lie in [0, 1), not {beta}")
    require(
        values.ndim > 0 and np.issubdtype(values.dtype, np.floating),
        f"values must be floating-point numbers along a first axis, not {values.dtype} of shape {values.shape}",
    )
    averages = np.empty_like(values)
    v = np.zeros_like(values[:1])
    for t in range(len(values)):
        v = beta * v + (1 - beta) * values[t : t + 1]
        averages[t : t + 1] = v
    return averages / _weight_sums(values, beta) if bias_correction else averages


def _weight_sums(values: Array, beta: float) -> Array:
    """1 - beta^t for t = 1 ... T, shaped to divide `values`, in their dtype."""
    sums = 1 - beta ** np.arange(1, len(values) + 1, dtype=np.float64)
    return sums.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
