"""Residual blocks: the backward pass against central differences, the identity's share, and the description's way to JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scratch import (
    L2,
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Layer,
    LayerState,
    Network,
    Residual,
    Tanh,
    architecture,
    initial_weights,
)

STEP, TOLERANCE = 1e-6, 1e-7

BLOCKS: dict[str, tuple[Residual, tuple[int, ...]]] = {
    "identity": (Residual((Dense(4, 6), Tanh(), Dense(6, 4))), (4,)),
    "projection": (Residual((Dense(4, 6), Tanh(), Dense(6, 3)), (Dense(4, 3, bias=False),)), (4,)),
    "batch norm in both": (
        Residual((Dense(4, 3, bias=False), BatchNorm(3)), (Dense(4, 3), Tanh(), BatchNorm(3))),
        (4,),
    ),
    "block in a block": (Residual((Dense(4, 4), Residual((Tanh(), Dense(4, 4))))), (4,)),
    "images": (Residual((Conv2D(2, 2, 3, padding="same"), Tanh())), (4, 3, 2)),
    "images, projection": (
        Residual((Conv2D(2, 3, 3, stride=2, padding=1), Tanh(), Conv2D(3, 3, 3, padding=1)), (Conv2D(2, 3, 1, stride=2),)),
        (5, 4, 2),
    ),
}  # fmt: skip


def random_state(layer: Layer, rng: np.random.Generator, training: bool) -> LayerState:
    params = {name: rng.standard_normal(s) for name, s in layer.parameter_shapes().items()}
    buffers = {name: rng.uniform(0.5, 2, a.shape) for name, a in layer.initial_buffers().items()}
    return LayerState(params, buffers, training)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", BLOCKS)
def test_backward_is_the_derivative_of_forward(name: str, training: bool) -> None:
    layer, shape = BLOCKS[name]
    rng = np.random.default_rng(4)
    x, state = rng.standard_normal((5, *shape)), random_state(layer, rng, training)
    y, cache = layer.forward(x, state)
    assert y.shape == (5, *layer.output_shape(shape))
    upstream = rng.standard_normal(y.shape)
    dx, grads = layer.backward(upstream, state, cache)
    assert grads.keys() == state.params.keys()
    for a, gradient in [(x, dx), *((state.params[p], g) for p, g in grads.items())]:
        numeric = np.empty_like(a)
        for index in np.ndindex(a.shape):
            kept, sums = a[index], []
            for step in (STEP, -STEP):
                a[index] = kept + step
                sums.append((layer.forward(x, state)[0] * upstream).sum())
            a[index] = kept
            numeric[index] = (sums[0] - sums[1]) / (2 * STEP)
        assert gradient.shape == a.shape
        assert np.abs(gradient - numeric).max() <= TOLERANCE * max(np.abs(numeric).max(), 1.0)


def test_a_block_whose_layers_give_nothing_is_the_identity() -> None:
    layer = BLOCKS["identity"][0]
    state = LayerState({p: np.zeros(s) for p, s in layer.parameter_shapes().items()})
    x, upstream = np.random.default_rng(0).standard_normal((2, 3, 4))
    y, cache = layer.forward(x, state)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(layer.backward(upstream, state, cache)[0], upstream)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", BLOCKS)
def test_precision_is_kept_and_nothing_given_is_changed(name: str, dtype: str) -> None:
    layer, shape = BLOCKS[name]
    rng = np.random.default_rng(1)
    arch = architecture(layer)
    network = Network(arch, initial_weights(arch, rng, dtype=dtype))
    x = rng.standard_normal((3, *shape)).astype(dtype)
    upstream = rng.standard_normal((3, *layer.output_shape(shape))).astype(dtype)
    given = x.copy(), upstream.copy()
    result = network.differentiate(x, upstream=upstream)
    found = [*result.outputs.values(), *result.input_grads.values(), *result.grads["residual1"].values()]
    assert {a.dtype for a in [*found, *network.states["residual1"].buffers.values()]} == {np.dtype(dtype)}
    np.testing.assert_array_equal(x, given[0])
    np.testing.assert_array_equal(upstream, given[1])


def test_running_averages_move_in_training_only() -> None:
    arch = architecture(BLOCKS["batch norm in both"][0])
    network = Network(arch, initial_weights(arch, np.random.default_rng(0)))
    before = network.weights().buffers["residual1"]
    assert before.keys() == {f"running_{a}_{b}" for a in ("mean", "var") for b in ("main1", "shortcut2")}
    x = np.random.default_rng(1).standard_normal((6, 4))
    network.forward(x)
    np.testing.assert_equal(network.weights().buffers["residual1"], before)
    network.forward(x, training=True)
    assert all((a != before[b]).all() for b, a in network.weights().buffers["residual1"].items())


@pytest.mark.parametrize("name", BLOCKS)
def test_description_survives_json(name: str) -> None:
    arch = architecture(BLOCKS[name][0])
    again = Architecture.from_config(json.loads(json.dumps(arch.config())))
    assert again == arch
    assert hash(again) == hash(arch)


def test_weights_within_are_drawn_and_regularised_and_nothing_else() -> None:
    arch = architecture(BLOCKS["batch norm in both"][0], regulariser=L2(0.5))
    assert arch.regularised() == [("residual1", "W_main0"), ("residual1", "W_shortcut0")]
    params = initial_weights(arch, np.random.default_rng(0)).params["residual1"]
    assert np.ptp(params["W_main0"]) > 0
    np.testing.assert_array_equal(params["gamma_main1"], 1)
    np.testing.assert_array_equal(params["b_shortcut0"], 0)


def test_branches_that_do_not_fit_and_layers_that_cannot_stand_within_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the layers make \(1,\).*the shortcut makes \(4,\)"):
        Residual((Dense(4, 1),)).output_shape((4,))
    with pytest.raises(ValueError, match="dropout"):
        Residual((Dense(4, 4), Dropout(0.5)))
    with pytest.raises(ValueError, match="there must be a layer"):
        Residual(())
    with pytest.raises(ValueError, match="unknown kind of layer"):
        Architecture.from_config(
            {"layers": [{"name": "r", "kind": "Residual", "layers": [{"kind": "Nothing"}]}], "loss": None, "regulariser": None}
        )  # fmt: skip
