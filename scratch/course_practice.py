"""The second course's functions (Improving Deep Neural Networks, weeks 1 and 2), in the conventions of `scratch.course`.

L2 regularisation and inverted dropout on the network LINEAR -> RELU -> LINEAR -> RELU -> LINEAR -> SIGMOID, gradient checking
on the vector of all parameters, mini-batches, momentum and Adam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scratch.activations import sigmoid
from scratch.gradient_check import check, two_sided
from scratch.layer import Array

Parameters = dict[str, Array]
Cache = tuple[Array, ...]


def _cross_entropy(A: Array, Y: Array) -> Array:
    return -np.sum(np.log(A) * Y + np.log(1 - A) * (1 - Y)) / Y.shape[1]


def compute_cost_with_regularization(A3: Array, Y: Array, parameters: Parameters, lambd: float) -> Array:
    """Cross-entropy plus lambda / (2m) sum of the squares of all weights (biases are left alone)."""
    squares = sum(np.sum(np.square(value)) for name, value in parameters.items() if name.startswith("W"))
    return _cross_entropy(A3, Y) + lambd / (2 * Y.shape[1]) * squares


def backward_propagation_with_regularization(X: Array, Y: Array, cache: Cache, lambd: float) -> Parameters:
    """Gradients of the three-layer network; dW_l = 1/m dZ_l A_{l-1}^T + lambda/m W_l.

    `cache` is (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3).
    """
    _, A1, W1, _, _, A2, W2, _, _, A3, W3, _ = cache
    m = X.shape[1]
    dZ3 = A3 - Y
    dA2 = W3.T @ dZ3
    dZ2 = dA2 * (A2 > 0)
    dA1 = W2.T @ dZ2
    dZ1 = dA1 * (A1 > 0)
    grads = {"dZ3": dZ3, "dA2": dA2, "dZ2": dZ2, "dA1": dA1, "dZ1": dZ1}
    for l, dZ, A, W in ((3, dZ3, A2, W3), (2, dZ2, A1, W2), (1, dZ1, X, W1)):  # noqa: E741
        grads[f"dW{l}"] = dZ @ A.T / m + lambd / m * W
        grads[f"db{l}"] = dZ.sum(axis=1, keepdims=True) / m
    return grads


def forward_propagation_with_dropout(
    X: Array, parameters: Parameters, keep_prob: float = 0.5, masks: tuple[Array, Array] | None = None
) -> tuple[Array, Cache]:
    """The three-layer network with inverted dropout on both hidden layers.

    Parameters
    ----------
    X : ndarray of shape (n_x, m)
    parameters : dict
    keep_prob : float
        Probability of keeping a unit: a unit stays where rand < keep_prob.
    masks : (D1, D2), optional
        Keep masks of the hidden layers' shapes; drawn from seed 1, as in the course, if not given.

    Returns
    -------
    A3 : ndarray of shape (1, m)
    cache : tuple
        (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3), the A's after dropout.
    """
    W1, b1, W2, b2, W3, b3 = (parameters[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))
    m = X.shape[1]
    rng = np.random.RandomState(1)
    D1, D2 = masks or tuple(rng.rand(len(W), m) < keep_prob for W in (W1, W2))
    Z1 = W1 @ X + b1
    A1 = np.maximum(0, Z1) * D1 / keep_prob
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(0, Z2) * D2 / keep_prob
    Z3 = W3 @ A2 + b3
    A3 = sigmoid(Z3)
    return A3, (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3)


def backward_propagation_with_dropout(X: Array, Y: Array, cache: Cache, keep_prob: float) -> Parameters:
    """Its gradients: the same mask and the same scale, dA = dA D / keep_prob."""
    _, D1, A1, _, _, _, D2, A2, W2, _, _, A3, W3, _ = cache
    m = X.shape[1]
    dZ3 = A3 - Y
    dA2 = W3.T @ dZ3 * D2 / keep_prob
    dZ2 = dA2 * (A2 > 0)
    dA1 = W2.T @ dZ2 * D1 / keep_prob
    dZ1 = dA1 * (A1 > 0)
    grads = {"dZ3": dZ3, "dA2": dA2, "dZ2": dZ2, "dA1": dA1, "dZ1": dZ1}
    for l, dZ, A in ((3, dZ3, A2), (2, dZ2, A1), (1, dZ1, X)):  # noqa: E741
        grads[f"dW{l}"] = dZ @ A.T / m
        grads[f"db{l}"] = dZ.sum(axis=1, keepdims=True) / m
    return grads


def dictionary_to_vector(parameters: Parameters) -> Array:
    """All parameters in one column (N, 1), in the dictionary's order."""
    return np.concatenate([value.reshape(-1, 1) for value in parameters.values()])


def vector_to_dictionary(theta: Array, like: Parameters) -> Parameters:
    """The inverse of `dictionary_to_vector`; `like` gives names and shapes."""
    sizes = np.cumsum([value.size for value in like.values()])[:-1]
    parts = np.split(theta, sizes)
    return {name: part.reshape(value.shape) for (name, value), part in zip(like.items(), parts, strict=True)}


def gradients_to_vector(gradients: Parameters, like: Parameters) -> Array:
    """`dW1`, `db1`, ... in one column, in the order of the parameters."""
    return np.concatenate([gradients[f"d{name}"].reshape(-1, 1) for name in like])


def gradient_check(
    cost: Callable[[Parameters], float], parameters: Parameters, gradients: Parameters, epsilon: float = 1e-7
) -> tuple[float, str]:
    """Two-sided differences against the analytic gradient.

    difference = ||grad - approx|| / (||grad|| + ||approx||): below 1e-7 right, 1e-5 to look at, above 1e-3 wrong.

    Parameters
    ----------
    cost : callable
        J of a dictionary of parameters.
    parameters, gradients : dict
    epsilon : float
        Step of the differences.

    Returns
    -------
    difference : float
    worst : str
        The element with the largest deviation, e.g. `W2[1, 0]`.
    """
    theta, grad = dictionary_to_vector(parameters), gradients_to_vector(gradients, parameters)
    approx = two_sided(lambda: cost(vector_to_dictionary(theta, parameters)), theta, epsilon)
    checked = check(grad, approx)
    return checked.difference, _element(checked.worst[0], parameters)


def forward_propagation_n(X: Array, Y: Array, parameters: Parameters) -> tuple[Array, Cache]:
    """Cost of the three-layer network, and (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3) as the cache."""
    W1, b1, W2, b2, W3, b3 = (parameters[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3"))
    Z1 = W1 @ X + b1
    A1 = np.maximum(0, Z1)
    Z2 = W2 @ A1 + b2
    A2 = np.maximum(0, Z2)
    Z3 = W3 @ A2 + b3
    A3 = sigmoid(Z3)
    return _cross_entropy(A3, Y), (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, A3, W3, b3)


def backward_propagation_n(X: Array, Y: Array, cache: Cache) -> Parameters:
    """Its gradients: those of `backward_propagation_with_regularization` with nothing to regularise."""
    return backward_propagation_with_regularization(X, Y, cache, lambd=0.0)


def gradient_check_n(parameters: Parameters, gradients: Parameters, X: Array, Y: Array, epsilon: float = 1e-7) -> float:
    """The course's check of the three-layer network: `gradient_check` of its cost on X (n_x, m), Y (1, m)."""
    return gradient_check(lambda p: float(forward_propagation_n(X, Y, p)[0]), parameters, gradients, epsilon)[0]


def _element(position: int, parameters: Parameters) -> str:
    for name, value in parameters.items():
        if position < value.size:
            return f"{name}[{', '.join(str(i) for i in np.unravel_index(position, value.shape))}]"
        position -= value.size
    raise IndexError(position)


def random_mini_batches(X: Array, Y: Array, mini_batch_size: int = 64, seed: int = 0) -> list[tuple[Array, Array]]:
    """Columns shuffled from `seed` and cut; the last, smaller batch is kept."""
    order = np.random.RandomState(seed).permutation(X.shape[1])
    starts: Sequence[int] = range(0, X.shape[1], mini_batch_size)
    return [(X[:, order[k : k + mini_batch_size]], Y[:, order[k : k + mini_batch_size]]) for k in starts]


def initialize_velocity(parameters: Parameters) -> Parameters:
    """Zeros named `dW1`, `db1`, ..."""
    return {f"d{name}": np.zeros_like(value) for name, value in parameters.items()}


def update_parameters_with_momentum(
    parameters: Parameters, grads: Parameters, v: Parameters, beta: float, learning_rate: float
) -> tuple[Parameters, Parameters]:
    """v := beta v + (1 - beta) dW;  W := W - alpha v."""
    v = {name: beta * v[name] + (1 - beta) * grads[name] for name in v}
    return {name: value - learning_rate * v[f"d{name}"] for name, value in parameters.items()}, v


def initialize_adam(parameters: Parameters) -> tuple[Parameters, Parameters]:
    """The two moments v and s, zero."""
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters: Parameters,
    grads: Parameters,
    v: Parameters,
    s: Parameters,
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Parameters, Parameters, Parameters]:
    """Adam with bias correction, epsilon outside the root; t counts from 1."""
    v = {name: beta1 * v[name] + (1 - beta1) * grads[name] for name in v}
    s = {name: beta2 * s[name] + (1 - beta2) * np.square(grads[name]) for name in s}
    updated: dict[str, Any] = {}
    for name, value in parameters.items():
        v_corrected, s_corrected = v[f"d{name}"] / (1 - beta1**t), s[f"d{name}"] / (1 - beta2**t)
        updated[name] = value - learning_rate * v_corrected / (np.sqrt(s_corrected) + epsilon)
    return updated, v, s
