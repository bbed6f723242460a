"""The course's functions for pooling, in its conventions: images (m, n_H, n_W, n_C), one window at a time.

Source: Ng, Convolutional Neural Networks, week 1, exercise. With equal elements in a window the course's mask marks each of them, so
that all get the whole gradient and more flows back than came in; `MaxPool2D` and the frameworks choose the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratch.layer import Array, require

Hyperparameters = dict[str, int]


def create_mask_from_window(x: Array) -> Array:
    """True where x attains its maximum, in every such place."""
    return x == np.max(x)


def distribute_value(dz: float, shape: tuple[int, int]) -> Array:
    """dz in equal shares over a window of this shape."""
    return np.full(shape, dz / (shape[0] * shape[1]))


def pool_forward(
    A_prev: Array, hparameters: Hyperparameters, mode: str = "max"
) -> tuple[Array, tuple[Array, Hyperparameters]]:
    """Maximum or mean of each window of f x f elements, `stride` apart; the input and `hparameters` as the cache."""
    m, n_H, n_W, n_C = A_prev.shape
    f, stride = hparameters["f"], hparameters["stride"]
    A = np.zeros((m, (n_H - f) // stride + 1, (n_W - f) // stride + 1, n_C), A_prev.dtype)
    for i, h, w, c in np.ndindex(A.shape):
        A[i, h, w, c] = _reduced(mode)(A_prev[i, stride * h : stride * h + f, stride * w : stride * w + f, c])
    return A, (A_prev, hparameters)


def pool_backward(dA: Array, cache: tuple[Array, Hyperparameters], mode: str = "max") -> Array:
    """dA_prev: the gradient of each window by the mask of its maximum, or in equal shares."""
    A_prev, hparameters = cache
    _reduced(mode)
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape, dA.dtype)
    for i, h, w, c in np.ndindex(dA.shape):
        window = np.s_[i, stride * h : stride * h + f, stride * w : stride * w + f, c]
        if mode == "max":
            dA_prev[window] += create_mask_from_window(A_prev[window]) * dA[i, h, w, c]
        else:
            dA_prev[window] += distribute_value(float(dA[i, h, w, c]), (f, f))
    return dA_prev


def _reduced(mode: str) -> Callable[[Array], Any]:
    require(mode in ("max", "average"), f"mode {mode!r}: known are max, average")
    return np.max if mode == "max" else np.mean
