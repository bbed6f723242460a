"""Every hand-derived backward pass against central differences of its own forward pass, in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scratch import (
    L2,
    BatchNorm,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    Layer,
    LayerState,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
    initial_weights,
)

LAYERS = {
    "dense": Dense(4, 3),
    "dense without bias": Dense(4, 3, bias=False),
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
    "relu": ReLU(),
    "leaky relu": LeakyReLU(0.2),
    "softmax": Softmax(),
    "batch norm": BatchNorm(4, epsilon=1e-3),
    "dropout": Dropout(0.6),
}
LOSSES: dict[str, tuple[Loss, bool]] = {
    "binary cross-entropy": (BinaryCrossEntropy(), True),
    "binary cross-entropy from logits": (BinaryCrossEntropyFromLogits(), False),
    "softmax cross-entropy": (SoftmaxCrossEntropy(), False),
    "categorical cross-entropy": (CategoricalCrossEntropy(), True),
    "mean squared error": (MeanSquaredError(), False),
}
STEP = 1e-6
TOLERANCE = 1e-7
"""Relative; central differences of step h err by h^2 f''' + ulp / h, about 1e-9 here."""


def central_difference(f: Callable[[], float], a: np.ndarray) -> np.ndarray:
    """df/da, one element at a time; `f` reads `a`, which is restored."""
    gradient = np.empty_like(a)
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + STEP
        above = f()
        a[index] = kept - STEP
        below = f()
        a[index] = kept
        gradient[index] = (above - below) / (2 * STEP)
    return gradient


def assert_close(analytic: np.ndarray, numeric: np.ndarray) -> None:
    assert analytic.shape == numeric.shape
    assert np.abs(analytic - numeric).max() <= TOLERANCE * max(np.abs(numeric).max(), 1.0)


def random_state(layer: Layer, rng: np.random.Generator, shape: tuple[int, int], training: bool) -> LayerState:
    params = {name: rng.standard_normal(s) for name, s in layer.parameter_shapes().items()}
    buffers = {name: rng.uniform(0.5, 2, a.shape) for name, a in layer.initial_buffers().items()}
    return LayerState(params, buffers, training, rng.random(shape) < 0.6)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_backward_is_the_derivative_of_forward(name: str, m: int, training: bool) -> None:
    rng = np.random.default_rng([m, training])
    layer, x = LAYERS[name], rng.standard_normal((m, 4))
    state = random_state(layer, rng, x.shape, training)
    y, cache = layer.forward(x, state)
    upstream = rng.standard_normal(y.shape)
    dx, grads = layer.backward(upstream, state, cache)

    def projected() -> float:
        return float((layer.forward(x, state)[0] * upstream).sum())

    assert_close(dx, central_difference(projected, x))
    assert grads.keys() == state.params.keys()
    for p, g in grads.items():
        assert_close(g, central_difference(projected, state.params[p]))


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_backward_is_the_derivative_of_the_cost(name: str, m: int) -> None:
    rng = np.random.default_rng(m)
    loss, of_probabilities = LOSSES[name]
    prediction = rng.uniform(0.1, 0.9, (m, 3)) if of_probabilities else rng.standard_normal((m, 3))
    target = rng.uniform(0.1, 0.9, (m, 3))
    cost, cache = loss.forward(prediction, target)
    assert cost.shape == ()
    numeric = central_difference(lambda: float(loss.forward(prediction, target)[0]), prediction)
    assert_close(loss.backward(target, cache), numeric)


def test_network_backward_with_everything_in_it() -> None:
    rng = np.random.default_rng(3)
    arch = architecture(
        Dense(5, 6), BatchNorm(6), Tanh(), Dropout(0.7), Dense(6, 4), Sigmoid(), Dense(4, 3),
        loss=SoftmaxCrossEntropy(), regulariser=L2(0.9),
    )  # fmt: skip
    network = Network(arch, initial_weights(arch, rng))
    x, target = rng.standard_normal((7, 5)), np.eye(3)[rng.integers(0, 3, 7)]
    masks = {"dropout1": rng.random((7, 6)) < 0.7}

    def cost() -> float:
        result = network.differentiate(x, target, masks=masks)
        assert result.loss is not None
        return float(result.loss)

    result = network.differentiate(x, target, masks=masks)
    assert_close(result.input_grads["dense1"], central_difference(cost, x))
    for layer, named in result.grads.items():
        for p, g in named.items():
            assert_close(g, central_difference(cost, network.states[layer].params[p]))
