"""A network described by a list of dictionaries, one for each layer, with its parameters in a dictionary."""

import numpy as np

LAYERS = [
    {"n_in": 2, "n_out": 20, "act": "relu"},
    {"n_in": 20, "n_out": 40, "act": "relu"},
    {"n_in": 40, "n_out": 40, "act": "tanh"},
    {"n_in": 40, "n_out": 1, "act": "sigmoid"},
]


def init_layers(architecture, seed=3):
    rng = np.random.RandomState(seed)
    params = {}
    for i, layer in enumerate(architecture, 1):
        params[f"W{i}"] = 0.1 * rng.randn(layer["n_out"], layer["n_in"])
        params[f"b{i}"] = 0.1 * rng.randn(layer["n_out"], 1)
    return params


def activate(Z, act):
    if act == "relu":
        return np.maximum(0, Z)
    return np.tanh(Z) if act == "tanh" else 1 / (1 + np.exp(-Z))


def through_activation(dA, Z, act):
    if act == "relu":
        return dA * (Z > 0)
    A = activate(Z, act)
    return dA * (1 - A**2) if act == "tanh" else dA * A * (1 - A)


def full_forward_propagation(X, params, architecture):
    memory, A = {}, X
    for i, layer in enumerate(architecture, 1):
        memory[f"A{i - 1}"] = A
        memory[f"Z{i}"] = params[f"W{i}"] @ A + params[f"b{i}"]
        A = activate(memory[f"Z{i}"], layer["act"])
    return A, memory


def full_backward_propagation(Y_hat, Y, memory, params, architecture):
    grads = {}
    m = Y.shape[1]
    dA = -(Y / Y_hat - (1 - Y) / (1 - Y_hat))
    for i, layer in reversed(list(enumerate(architecture, 1))):
        dZ = through_activation(dA, memory[f"Z{i}"], layer["act"])
        grads[f"dW{i}"] = dZ @ memory[f"A{i - 1}"].T / m
        grads[f"db{i}"] = dZ.sum(axis=1, keepdims=True) / m
        dA = params[f"W{i}"].T @ dZ
    return grads
