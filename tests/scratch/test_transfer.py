"""Transfer learning from scratch: what is frozen stays bit for bit, the rest learns as it would without it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scratch import (
    L1,
    L2,
    Adam,
    Architecture,
    Batch,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GradientDescent,
    LayerState,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    architecture,
    freeze,
    initial_weights,
    transferred_weights,
)
from scratch.regularisation import Regulariser
from scratch.weights import flatten

RNG_SEED = 3
ARCH = architecture(
    Conv2D(2, 3, 3, bias=False), BatchNorm(3), ReLU(), Residual((Conv2D(3, 3, 1), BatchNorm(3))), Flatten(), Dense(12, 5),
    BatchNorm(5), Tanh(), Dropout(0.8), Dense(5, 3),
    loss=SoftmaxCrossEntropy(), regulariser=L2(0.4), frozen=("conv2d1", "batchnorm1", "residual1"),
)  # fmt: skip


def batches(rng: np.random.Generator, n: int = 4, m: int = 6) -> list[Batch]:
    return [
        Batch(
            rng.standard_normal((m, 4, 4, 2)), np.eye(3)[rng.integers(0, 3, m)], {"dropout1": rng.random((m, 5)) < 0.8}
        )
        for _ in range(n)
    ]


def bits(network: Network) -> dict[str, bytes]:
    weights = network.weights()
    return {name: a.tobytes() for name, a in [*flatten(weights.params), *flatten(weights.buffers)]}


def test_what_is_frozen_keeps_every_bit_and_everything_else_moves() -> None:
    rng = np.random.default_rng(RNG_SEED)
    network = Network(ARCH, initial_weights(ARCH, rng))
    before, trainer = bits(network), Trainer(network, Adam(0.01))
    for result in trainer.fit(batches(rng)):
        assert set(result.grads) == {"dense1", "batchnorm2", "dense2"}
        assert set(result.input_grads) == {name for name, _ in ARCH.layers}
        assert np.abs(result.input_grads["conv2d1"]).max() > 0
    assert set(trainer.states) == {"dense1", "batchnorm2", "dense2"}
    moved = {name for name, after in bits(network).items() if after != before[name]}
    assert moved == {name for name in before if name.split(".")[0] not in ARCH.frozen}


def test_the_part_that_learns_does_as_it_would_alone_on_the_frozen_part_s_outputs() -> None:
    rng = np.random.default_rng(RNG_SEED)
    weights = initial_weights(ARCH, rng)
    for name in ("conv2d1", "batchnorm1", "residual1"):
        for p, a in weights.params[name].items():
            weights.params[name][p] = a + rng.uniform(0.1, 0.5, a.shape)
    cut = 4  # the first layer above the frozen ones
    head = Architecture(ARCH.layers[cut:], ARCH.loss, ARCH.regulariser)
    names = [name for name, _ in head.layers]
    own = type(weights)(
        {n: a for n, a in weights.params.items() if n in names},
        {n: a for n, a in weights.buffers.items() if n in names},
    )
    whole, alone = Trainer(Network(ARCH, weights), Adam(0.01)), Trainer(Network(head, own), Adam(0.01))
    given = batches(rng)
    features = [whole.network.forward(b.x)["residual1"] for b in given]  # evaluation mode
    short = [Batch(f, b.target, b.masks) for f, b in zip(features, given, strict=True)]
    for a, b in zip(whole.fit(given), alone.fit(short), strict=True):
        assert a.loss == b.loss
    for name, a in flatten(alone.network.weights().params):
        layer, _, p = name.partition(".")
        np.testing.assert_array_equal(whole.network.states[layer].params[p], a)


@pytest.mark.parametrize("regulariser", [L1(0.5), L2(0.5)], ids=["l1", "l2"])
def test_frozen_weights_cost_nothing(regulariser: Regulariser) -> None:
    rng = np.random.default_rng(RNG_SEED)
    layers, x, y = (Dense(3, 4), Tanh(), Dense(4, 2)), rng.standard_normal((5, 3)), np.eye(2)[rng.integers(0, 2, 5)]
    plain, partly = (
        architecture(*layers, loss=SoftmaxCrossEntropy(), regulariser=r, frozen=("dense1",))
        for r in (None, regulariser)
    )
    weights = initial_weights(plain, rng)
    without, with_it = (Network(arch, weights).differentiate(x, y) for arch in (plain, partly))
    W = weights.params["dense2"]["W"]
    np.testing.assert_allclose(with_it.loss, without.loss + regulariser.penalty([W], 5), rtol=1e-14)
    assert partly.regularised() == [("dense2", "W")]


def test_gradients_below_a_frozen_layer_are_those_of_the_difference_quotient() -> None:
    rng = np.random.default_rng(RNG_SEED)
    arch = architecture(Dense(3, 4), Tanh(), Dense(4, 4), BatchNorm(4), Dense(4, 2), loss=SoftmaxCrossEntropy(),
                        frozen=("dense2", "batchnorm1"))  # fmt: skip
    weights, x, y = initial_weights(arch, rng), rng.standard_normal((5, 3)), np.eye(2)[rng.integers(0, 2, 5)]
    weights.buffers["batchnorm1"] = {"running_mean": rng.standard_normal(4), "running_var": rng.uniform(0.5, 2, 4)}

    def cost(place: tuple[int, ...], shift: float) -> float:
        moved = weights.astype("float64")
        moved.params["dense1"]["W"][place] += shift
        return float(Network(arch, moved).differentiate(x, y).loss)

    found = Network(arch, weights).differentiate(x, y).grads["dense1"]["W"]
    h = 1e-6
    slopes = [(cost(place, h) - cost(place, -h)) / (2 * h) for place in np.ndindex(found.shape)]
    np.testing.assert_allclose(found.ravel(), slopes, atol=1e-9, rtol=0)
    assert np.abs(found).max() > 1e-2


def test_dropout_drops_whether_frozen_or_not() -> None:
    arch = architecture(Dropout(0.5), frozen=("dropout1",))
    x, mask = np.ones((2, 3)), np.array([[True, False, True], [False, True, False]])
    y = Network(arch, initial_weights(arch, np.random.default_rng(0))).forward(x, True, {"dropout1": mask})["dropout1"]
    np.testing.assert_array_equal(y, mask / 0.5)


def test_a_gradient_for_a_frozen_layer_is_refused_before_anything_moves() -> None:
    arch = architecture(Dense(2, 2), Dense(2, 2), frozen=("dense1",))
    network = Network(arch, initial_weights(arch, np.random.default_rng(0)))
    before, trainer = bits(network), Trainer(network, GradientDescent(0.1))
    with pytest.raises(ValueError, match="layers that do not learn: dense1; leave them out"):
        trainer.update({name: {"W": np.ones((2, 2)), "b": np.ones(2)} for name in ("dense2", "dense1")})
    assert (bits(network), trainer.t) == (before, 0)


def test_an_unknown_frozen_layer_is_refused_and_the_order_does_not_matter() -> None:
    layers = (Dense(2, 2), BatchNorm(2))
    with pytest.raises(ValueError, match="frozen: no layer is named dense7; the layers are dense1, batchnorm1"):
        architecture(*layers, frozen=("dense7",))
    both = architecture(*layers, frozen=("dense1", "batchnorm1"))
    assert both == architecture(*layers, frozen=("batchnorm1", "dense1"))
    assert hash(both) != hash(architecture(*layers))


def test_the_description_round_trips_and_is_as_before_where_nothing_is_frozen() -> None:
    assert Architecture.from_config(ARCH.config()) == ARCH
    assert ARCH.config()["frozen"] == ["conv2d1", "batchnorm1", "residual1"]
    plain = architecture(Dense(2, 2), regulariser=L1(0.5))
    assert "frozen" not in plain.config()
    assert Architecture.from_config(plain.config()) == plain
    for nonsense in ("dense1", ["dense9"], 3, [["dense1"]]):
        with pytest.raises(ValueError, match=r"."):
            Architecture.from_config(plain.config() | {"frozen": nonsense})


def test_a_new_head_on_an_older_network() -> None:
    rng = np.random.default_rng(RNG_SEED)
    old = architecture(Dense(3, 4), BatchNorm(4), Tanh(), Dense(4, 10), loss=SoftmaxCrossEntropy())
    source = initial_weights(old, rng)
    source.buffers["batchnorm1"]["running_mean"] += 1
    new = freeze(architecture(Dense(3, 4), BatchNorm(4), Tanh(), Dense(4, 2), loss=SoftmaxCrossEntropy()), "tanh1")
    assert new.frozen == ("dense1", "batchnorm1", "tanh1")
    weights = transferred_weights(source, new, rng)
    for name, a in [*flatten(source.params), *flatten(source.buffers)]:
        layer, _, leaf = name.partition(".")
        if layer != "dense2":
            taken = (weights.params.get(layer, {}) | weights.buffers.get(layer, {}))[leaf]
            np.testing.assert_array_equal(taken, a)
            assert not np.shares_memory(taken, a)
    assert weights.params["dense2"]["W"].shape == (4, 2)
    assert not weights.params["dense2"]["b"].any()


def test_a_frozen_layer_that_the_older_network_lacks_is_refused() -> None:
    rng = np.random.default_rng(RNG_SEED)
    source = initial_weights(architecture(Dense(3, 4)), rng)
    for layers in ((Dense(3, 5), Dense(5, 2)), (Dense(3, 4), Dense(4, 2))):
        new = freeze(architecture(*layers), "dense2")
        with pytest.raises(ValueError, match="is frozen, but the older network has no layer of that name and shape"):
            transferred_weights(source, new, rng)
    with pytest.raises(ValueError, match="no layer is named dense9; the layers are dense1"):
        freeze(architecture(Dense(3, 4)), "dense9")


def test_the_precision_is_the_older_network_s() -> None:
    rng = np.random.default_rng(RNG_SEED)
    arch = architecture(Dense(3, 4), Dense(4, 2))
    source = initial_weights(architecture(Dense(3, 4)), rng, dtype="float32")
    dtypes = {a.dtype for _, a in flatten(transferred_weights(source, arch, rng).params)}
    assert dtypes == {np.dtype("float32")}


WITHIN = Residual(
    (Dense(4, 4), BatchNorm(4), Tanh(), Residual((Dense(4, 4), Dense(4, 4)), frozen=("main1",)), BatchNorm(4)),
    (Dense(4, 4), BatchNorm(4)),
    frozen=("main1", "shortcut0", "shortcut1"),
)
HELD = {f"{p}_main1" for p in ("gamma", "beta")} | {f"{p}_shortcut0" for p in ("W", "b")}
HELD |= {f"{p}_shortcut1" for p in ("gamma", "beta")} | {f"{p}_main1_main3" for p in ("W", "b")}
AVERAGES = {f"running_{a}_{place}" for a in ("mean", "var") for place in ("main1", "shortcut1")}


def test_a_part_of_a_block_is_frozen_and_the_rest_of_it_moves() -> None:
    rng = np.random.default_rng(RNG_SEED)
    arch = architecture(Dense(3, 4), WITHIN, Dense(4, 2), loss=SoftmaxCrossEntropy(), regulariser=L2(0.4))
    network = Network(arch, initial_weights(arch, rng))
    before, trainer = bits(network), Trainer(network, Adam(0.01))
    given = [Batch(rng.standard_normal((6, 3)), np.eye(2)[rng.integers(0, 2, 6)]) for _ in range(3)]
    for result in trainer.fit(given):
        assert set(result.grads["residual1"]) == WITHIN.parameter_shapes().keys() - HELD
    assert set(trainer.states["residual1"]) == WITHIN.parameter_shapes().keys() - HELD
    still = {name for name, after in bits(network).items() if after == before[name]}
    assert still == {f"residual1.{name}" for name in HELD | AVERAGES}
    assert {p for layer, p in arch.regularised() if layer == "residual1"} == {"W_main0", "W_main0_main3"}
    assert set(WITHIN.frozen_parameters) == HELD


def test_a_part_that_is_frozen_computes_as_in_evaluation_and_the_rest_as_in_training() -> None:
    """The block is taken apart: each layer within run on its own, in the mode that it should be in."""
    rng = np.random.default_rng(RNG_SEED)
    block = Residual((Dense(4, 4), BatchNorm(4), Tanh(), BatchNorm(4)), frozen=("main1",))
    alone = [Network(architecture(layer), initial_weights(architecture(layer), rng)) for layer in block.layers]
    states = [next(iter(network.states.values())) for network in alone]
    states[1].buffers = {"running_mean": rng.standard_normal(4), "running_var": rng.uniform(0.5, 2, 4)}
    params = {f"{p}_main{i}": a for i, state in enumerate(states) for p, a in state.params.items()}
    buffers = {f"{b}_main{i}": a.copy() for i, state in enumerate(states) for b, a in state.buffers.items()}
    x, upstream = rng.standard_normal((2, 6, 4))
    state = LayerState(params, buffers, training=True)
    y, cache = block.forward(x, state)
    dx, grads = block.backward(upstream, state, cache)

    h, caches = x, []
    for layer, own, training in zip(block.layers, states, (True, False, True, True), strict=True):
        own.training = training
        h, kept = layer.forward(h, own)
        caches.append(kept)
    dh, wanted = upstream, {}
    for i in (3, 2, 1, 0):
        dh, of_layer = block.layers[i].backward(dh, states[i], caches[i])
        wanted |= {f"{p}_main{i}": g for p, g in of_layer.items() if i != 1}
    np.testing.assert_array_equal(y, x + h)
    np.testing.assert_array_equal(dx, upstream + dh)
    assert grads.keys() == wanted.keys()
    for p, g in wanted.items():
        np.testing.assert_array_equal(grads[p], g)


def test_parts_of_a_block_are_named_by_place() -> None:
    layers = (Dense(2, 2), BatchNorm(2))
    with pytest.raises(ValueError, match=r"no layer stands at dense1; the places are main0, main1"):
        Residual(layers, frozen=("dense1",))
    both = Residual(layers, frozen=("main1", "main0"))
    assert both == Residual(layers, frozen=("main0", "main1")) != Residual(layers)
    arch = architecture(both)
    assert Architecture.from_config(json.loads(json.dumps(arch.config()))) == arch
    assert "frozen" not in Residual(layers).config()


def test_a_gradient_for_a_frozen_part_is_refused_and_one_that_would_stay_as_it_was_drawn_too() -> None:
    rng = np.random.default_rng(RNG_SEED)
    arch = architecture(Residual((Dense(2, 2), Dense(2, 2)), frozen=("main1",)))
    network = Network(arch, initial_weights(arch, rng))
    before, trainer = bits(network), Trainer(network, GradientDescent(0.1))
    with pytest.raises(ValueError, match=r"parameters that do not learn: residual1.W_main1; leave them out"):
        trainer.update({"residual1": {"W_main0": np.ones((2, 2)), "W_main1": np.ones((2, 2))}})
    assert (bits(network), trainer.t) == (before, 0)
    source = initial_weights(architecture(Dense(2, 2)), rng)
    with pytest.raises(ValueError, match="residual1 is frozen, but the older network has no layer of that name"):
        transferred_weights(source, arch, rng)
