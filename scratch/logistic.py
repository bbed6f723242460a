"""Logistic regression twice: example by example in loops, and vectorised (Ng, Neural Networks and Deep Learning, week 2).

In columns, as the course writes it: X (n, m) holds one example per column, w is (n, 1), b a number, Y (1, m).

Forward and cost:

    z_i = w^T x_i + b        a_i = sigma(z_i)        J = 1/m sum_i -(y_i log a_i + (1 - y_i) log(1 - a_i))

Backward, for the loss of one example. With dL/da = -y/a + (1 - y)/(1 - a) and da/dz = a (1 - a):

    dz = dL/da da/dz = -y (1 - a) + (1 - y) a = a - y        dw_j = x_j dz        db = dz        dx_j = w_j dz

and dw, db of the cost are the averages of these over the examples. Vectorised, the sum over i is a matrix product:

    dw = 1/m sum_i x_i dz_i = 1/m X dZ^T        db = 1/m sum_i dz_i        dX = w dZ

The loops round in another order, so the two agree to rounding, not to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratch.activations import sigmoid
from scratch.layer import Array, require


class Propagated(NamedTuple):
    """What one pass produced; a per-example gradient is that of the example's own loss, without 1/m.

    Attributes
    ----------
    Z, A : ndarray of shape (1, m)
    J : ndarray without axes
        NaN or infinite where an A is exactly 0 or 1, as in the course.
    dA, dZ : ndarray of shape (1, m)
        Per example.
    dX : ndarray of shape (n, m)
        Per example.
    dw : ndarray of shape (n, 1)
        dJ/dw.
    db : ndarray without axes
        dJ/db.
    """

    Z: Array
    A: Array
    J: Array
    dA: Array  # noqa: N815  (the course's letters)
    dZ: Array  # noqa: N815
    dX: Array  # noqa: N815
    dw: Array
    db: Array


def _check(w: Array, X: Array, Y: Array) -> None:
    require(X.ndim == 2 and X.shape[1] > 0, f"X must have shape (n, m) with an example at least, not {X.shape}")
    n, m = X.shape
    require(w.shape == (n, 1), f"w must have shape ({n}, 1), one weight for every row of X, not {w.shape}")
    require(Y.shape == (1, m), f"Y must have shape (1, {m}), one label for every column of X, not {Y.shape}")


def propagate_loop(w: Array, b: Array, X: Array, Y: Array) -> Propagated:
    """Forward and backward, one example and one feature after the other.

    Parameters
    ----------
    w : ndarray of shape (n, 1)
    b : ndarray without axes
    X : ndarray of shape (n, m)
    Y : ndarray of shape (1, m)
        0 or 1, or probabilities.

    Raises
    ------
    ValueError
        If a shape does not fit.
    """
    _check(w, X, Y)
    n, m = X.shape
    Z, A, dA, dZ, dX, dw = (np.zeros(shape, X.dtype) for shape in [(1, m)] * 4 + [(n, m), (n, 1)])
    J, db = X.dtype.type(0), X.dtype.type(0)
    for i in range(m):
        z = X.dtype.type(b)
        for j in range(n):
            z += w[j, 0] * X[j, i]
        y, a = Y[0, i], sigmoid(z)[()]
        with np.errstate(divide="ignore", invalid="ignore"):
            J -= y * np.log(a) + (1 - y) * np.log(1 - a)
            da = -y / a + (1 - y) / (1 - a)
        dz = a - y
        for j in range(n):
            dw[j, 0] += X[j, i] * dz
            dX[j, i] = w[j, 0] * dz
        db += dz
        Z[0, i], A[0, i], dA[0, i], dZ[0, i] = z, a, da, dz
    return Propagated(Z, A, np.asarray(J / m), dA, dZ, dX, dw / m, np.asarray(db / m))


def propagate_vectorised(w: Array, b: Array, X: Array, Y: Array) -> Propagated:
    """The same for all examples at once, without a loop; parameters and errors as of `propagate_loop`."""
    _check(w, X, Y)
    m = X.shape[1]
    Z = w.T @ X + b
    A = sigmoid(Z)
    with np.errstate(divide="ignore", invalid="ignore"):
        J = -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).sum() / m
        dA = -Y / A + (1 - Y) / (1 - A)
    dZ = A - Y
    return Propagated(Z, A, np.asarray(J), dA, dZ, w @ dZ, X @ dZ.T / m, np.asarray(dZ.sum() / m))


def fit(
    w: Array, b: Array, X: Array, Y: Array, learning_rate: float, iterations: int
) -> tuple[Array, Array, list[float]]:
    """Gradient descent on the whole set, vectorised: w := w - alpha dw, b := b - alpha db.

    Returns
    -------
    w : ndarray of shape (n, 1)
    b : ndarray without axes
    costs : list of float
        J before every update.
    """
    costs = []
    for _ in range(iterations):
        pass_ = propagate_vectorised(w, b, X, Y)
        costs.append(float(pass_.J))
        w, b = w - learning_rate * pass_.dw, np.asarray(b - learning_rate * pass_.db)
    return w, b, costs
