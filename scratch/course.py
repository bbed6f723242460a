"""The course's own interface: its function names, argument orders and column convention.

X has shape (n_x, m), one example per column; parameters are a dictionary `W1` (n_1, n_0), `b1` (n_1, 1), ...; dZ is free of
1/m, which `linear_backward` brings into dW and db. A learner's file with these functions is a drop-in for this one.

Sources: Ng, Neural Networks and Deep Learning, weeks 2 to 4 (week 3's shallow network is in `scratch.course_shallow`);
Improving Deep Neural Networks, weeks 1 and 2 (`scratch.course_practice`); Convolutional Neural Networks, week 1, pooling
(`scratch.course_convolution`). Their names are found here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scratch.activations import sigmoid as _sigmoid
from scratch.course_convolution import create_mask_from_window, distribute_value, pool_backward, pool_forward
from scratch.course_practice import (
    backward_propagation_n,
    backward_propagation_with_dropout,
    backward_propagation_with_regularization,
    compute_cost_with_regularization,
    dictionary_to_vector,
    forward_propagation_n,
    forward_propagation_with_dropout,
    gradient_check,
    gradient_check_n,
    gradients_to_vector,
    initialize_adam,
    initialize_velocity,
    random_mini_batches,
    update_parameters_with_adam,
    update_parameters_with_momentum,
    vector_to_dictionary,
)
from scratch.course_shallow import backward_propagation, forward_propagation, nn_model
from scratch.layer import Array, require

__all__ = [
    "L_layer_model",
    "L_model_backward",
    "L_model_forward",
    "backward_propagation",
    "backward_propagation_n",
    "backward_propagation_with_dropout",
    "backward_propagation_with_regularization",
    "compute_cost",
    "compute_cost_with_regularization",
    "create_mask_from_window",
    "dictionary_to_vector",
    "distribute_value",
    "forward_propagation",
    "forward_propagation_n",
    "forward_propagation_with_dropout",
    "gradient_check",
    "gradient_check_n",
    "gradients_to_vector",
    "initialize_adam",
    "initialize_parameters",
    "initialize_parameters_deep",
    "initialize_parameters_he",
    "initialize_parameters_random",
    "initialize_parameters_zeros",
    "initialize_velocity",
    "linear_activation_backward",
    "linear_activation_forward",
    "linear_backward",
    "linear_forward",
    "nn_model",
    "pool_backward",
    "pool_forward",
    "predict",
    "random_mini_batches",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "tanh",
    "tanh_backward",
    "update_parameters",
    "update_parameters_with_adam",
    "update_parameters_with_momentum",
    "vector_to_dictionary",
]

Parameters = dict[str, Array]


def sigmoid(Z: Array) -> tuple[Array, Array]:
    """A = 1 / (1 + exp(-Z)), and Z as the cache."""
    return _sigmoid(Z), Z


def relu(Z: Array) -> tuple[Array, Array]:
    """A = max(0, Z), and Z as the cache."""
    return np.maximum(0, Z), Z


def tanh(Z: Array) -> tuple[Array, Array]:
    """A = tanh(Z), and Z as the cache."""
    return np.tanh(Z), Z


def sigmoid_backward(dA: Array, cache: Array) -> Array:
    """dZ = dA * s (1 - s) with s = sigmoid(Z), Z the cache."""
    s = _sigmoid(cache)
    return dA * s * (1 - s)


def relu_backward(dA: Array, cache: Array) -> Array:
    """dZ = dA where Z > 0, else 0."""
    return np.where(cache > 0, dA, 0)


def tanh_backward(dA: Array, cache: Array) -> Array:
    """dZ = dA * (1 - tanh(Z)^2): the square of A is taken, not of 1 - A."""
    return dA * (1 - np.tanh(cache) ** 2)


_FORWARD = {"sigmoid": sigmoid, "relu": relu, "tanh": tanh}
_BACKWARD = {"sigmoid": sigmoid_backward, "relu": relu_backward, "tanh": tanh_backward}


def _initialize(layers_dims: Sequence[int], seed: int, scale: Any) -> Parameters:
    rng = np.random.RandomState(seed)  # the course's random stream: its published numbers depend on it
    parameters = {}
    for l in range(1, len(layers_dims)):  # noqa: E741  (the course's letter)
        n, n_before = layers_dims[l], layers_dims[l - 1]
        parameters[f"W{l}"] = rng.randn(n, n_before) * scale(n_before)
        parameters[f"b{l}"] = np.zeros((n, 1))
    return parameters


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Parameters:
    """0.01 N(0, 1) weights and zero biases of the two-layer network, from seed 1."""
    return _initialize((n_x, n_h, n_y), 1, lambda n: 0.01)


def initialize_parameters_deep(layers_dims: Sequence[int], seed: int = 3) -> Parameters:
    """N(0, 1) / sqrt(n_before) weights and zero biases, from seed 3 as in the course."""
    # Multiplying by 1/sqrt(n) would round differently from the course's division.
    return _divided(_initialize(layers_dims, seed, lambda n: 1.0), layers_dims)


def _divided(parameters: Parameters, layers_dims: Sequence[int]) -> Parameters:
    for l in range(1, len(layers_dims)):  # noqa: E741
        parameters[f"W{l}"] /= np.sqrt(layers_dims[l - 1])
    return parameters


def initialize_parameters_zeros(layers_dims: Sequence[int]) -> Parameters:
    """Zeros: all units of a layer stay alike for ever."""
    return _initialize(layers_dims, 3, lambda n: 0.0)


def initialize_parameters_random(layers_dims: Sequence[int]) -> Parameters:
    """10 N(0, 1), the course's example of weights that are too large."""
    return _initialize(layers_dims, 3, lambda n: 10.0)


def initialize_parameters_he(layers_dims: Sequence[int]) -> Parameters:
    """sqrt(2 / n_before) N(0, 1) (He et al. 2015)."""
    return _initialize(layers_dims, 3, lambda n: np.sqrt(2.0 / n))


def linear_forward(A: Array, W: Array, b: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    """Z = W A + b of shape (n, m), and (A, W, b) as the cache."""
    return W @ A + b, (A, W, b)


def linear_activation_forward(A_prev: Array, W: Array, b: Array, activation: str) -> tuple[Array, tuple[Any, Array]]:
    """A = g(W A_prev + b) with g one of sigmoid, relu, tanh; cache: (linear cache, Z)."""
    require(activation in _FORWARD, f"activation {activation!r}: known are {', '.join(_FORWARD)}")
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = _FORWARD[activation](Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X: Array, parameters: Parameters) -> tuple[Array, list[Any]]:  # noqa: N802
    """[LINEAR -> RELU] * (L - 1) -> LINEAR -> SIGMOID: the last A and the cache of every layer."""
    A, caches = X, []
    L = len(parameters) // 2
    for l in range(1, L + 1):  # noqa: E741
        activation = "relu" if l < L else "sigmoid"
        A, cache = linear_activation_forward(A, parameters[f"W{l}"], parameters[f"b{l}"], activation)
        caches.append(cache)
    return A, caches


def compute_cost(AL: Array, Y: Array) -> Array:
    """J = -1/m sum y log a + (1 - y) log(1 - a), zero-dimensional; NaN where a saturates at 0 or 1, as in the course."""
    m = Y.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = -np.sum(np.log(AL) * Y + np.log(1 - AL) * (1 - Y)) / m
    return np.squeeze(cost)


def linear_backward(dZ: Array, cache: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    """dA_prev = W^T dZ, dW = 1/m dZ A_prev^T, db = 1/m sum of dZ over the examples, shape (n, 1)."""
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m


def linear_activation_backward(
    dA: Array, cache: tuple[Any, Array], activation: str = "relu"
) -> tuple[Array, Array, Array]:
    """dA_prev, dW, db of one layer."""
    require(activation in _BACKWARD, f"activation {activation!r}: known are {', '.join(_BACKWARD)}")
    linear_cache, activation_cache = cache
    return linear_backward(_BACKWARD[activation](dA, activation_cache), linear_cache)


def L_model_backward(AL: Array, Y: Array, caches: list[Any]) -> Parameters:  # noqa: N802
    """`dW1`, `db1`, ... and `dA0`, ..., `dAL`: the gradient with respect to the *input* of layer l is `dA{l-1}`.

    (The notes store it under a name one too high, which reads as if it belonged to the layer's output.)
    """
    L = len(caches)
    Y = Y.reshape(AL.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        dA = -(Y / AL - (1 - Y) / (1 - AL))
    grads: Parameters = {f"dA{L}": dA}
    for l in range(L, 0, -1):  # noqa: E741
        activation = "sigmoid" if l == L else "relu"
        dA, grads[f"dW{l}"], grads[f"db{l}"] = linear_activation_backward(dA, caches[l - 1], activation)
        grads[f"dA{l - 1}"] = dA
    return grads


def update_parameters(parameters: Parameters, grads: Parameters, learning_rate: float) -> Parameters:
    """W := W - alpha dW, b := b - alpha db, in a new dictionary."""
    return {name: value - learning_rate * grads[f"d{name}"] for name, value in parameters.items()}


def L_layer_model(  # noqa: N802
    X: Array,
    Y: Array,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
) -> tuple[Parameters, list[float]]:
    """Train [LINEAR -> RELU] * (L - 1) -> LINEAR -> SIGMOID by gradient descent on the whole set.

    Parameters
    ----------
    X : ndarray of shape (n_x, m)
    Y : ndarray of shape (1, m)
        0 or 1.
    layers_dims : sequence of int
        Units of every layer, the input's n_x first.
    print_cost : bool
        Print the cost every 100 iterations.

    Returns
    -------
    parameters : dict
    costs : list of float
        The cost at iterations 0, 100, 200, ...
    """
    parameters, costs = initialize_parameters_deep(layers_dims), []
    for i in range(num_iterations):
        AL, caches = L_model_forward(X, parameters)
        if i % 100 == 0:
            costs.append(float(compute_cost(AL, Y)))
            if print_cost:
                print(f"Cost after iteration {i}: {costs[-1]}")  # noqa: T201
        parameters = update_parameters(parameters, L_model_backward(AL, Y, caches), learning_rate)
    return parameters, costs


def predict(X: Array, y: Array | None, parameters: Parameters) -> Array:
    """1.0 where the network's probability exceeds 0.5, else 0.0; shape (1, m). With labels y it prints the accuracy."""
    p = (L_model_forward(X, parameters)[0] > 0.5).astype(float)
    if y is not None:
        print(f"Accuracy: {np.mean(p == y)}")  # noqa: T201
    return p
