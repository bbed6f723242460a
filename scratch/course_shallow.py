"""The course's shallow network, LINEAR -> TANH -> LINEAR -> SIGMOID, in the conventions of `scratch.course`.

Derivation of the backward pass, with dZ free of 1/m as in the course (its gradient for one example):

    dZ2 = A2 - Y                        J through the sigmoid
    dW2 = 1/m dZ2 A1^T,  db2 = 1/m sum of dZ2 over the examples
    dZ1 = W2^T dZ2 * (1 - A1^2)         tanh' = 1 - tanh^2: A1 is squared, not 1 - A1
    dW1 = 1/m dZ1 X^T,   db1 = 1/m sum of dZ1 over the examples

Source: Ng, Neural Networks and Deep Learning, week 3 and its exercise on planar data.
"""

from __future__ import annotations

import numpy as np

from scratch.activations import sigmoid
from scratch.layer import Array

Parameters = dict[str, Array]


def forward_propagation(X: Array, parameters: Parameters) -> tuple[Array, Parameters]:
    """A2 of shape (1, m), and Z1, A1, Z2, A2 as the cache."""
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def backward_propagation(parameters: Parameters, cache: Parameters, X: Array, Y: Array) -> Parameters:
    """`dW1`, `db1`, `dW2`, `db2`, of the parameters' shapes."""
    A1, A2, m = cache["A1"], cache["A2"], X.shape[1]
    dZ2 = A2 - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    return {
        "dW1": dZ1 @ X.T / m,
        "db1": dZ1.sum(axis=1, keepdims=True) / m,
        "dW2": dZ2 @ A1.T / m,
        "db2": dZ2.sum(axis=1, keepdims=True) / m,
    }


def nn_model(
    X: Array, Y: Array, n_h: int, num_iterations: int = 10000, print_cost: bool = False, learning_rate: float = 1.2
) -> Parameters:
    """Train the network by gradient descent on the whole set.

    Parameters
    ----------
    X : ndarray of shape (n_x, m)
    Y : ndarray of shape (n_y, m)
        0 or 1.
    n_h : int
        Hidden units.
    print_cost : bool
        Print the cost every 1000 iterations.

    Returns
    -------
    dict
        `W1` (n_h, n_x), `b1`, `W2` (n_y, n_h), `b2`, started from 0.01 N(0, 1) of seed 2 as in the course.
    """
    rng = np.random.RandomState(2)
    parameters = {
        "W1": 0.01 * rng.randn(n_h, len(X)),
        "b1": np.zeros((n_h, 1)),
        "W2": 0.01 * rng.randn(len(Y), n_h),
        "b2": np.zeros((len(Y), 1)),
    }
    for i in range(num_iterations):
        A2, cache = forward_propagation(X, parameters)
        if print_cost and i % 1000 == 0:
            cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / Y.shape[1]
            print(f"Cost after iteration {i}: {cost}")  # noqa: T201
        grads = backward_propagation(parameters, cache, X, Y)
        parameters = {name: value - learning_rate * grads[f"d{name}"] for name, value in parameters.items()}
    return parameters
