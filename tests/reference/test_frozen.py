"""Frozen layers and L1 penalties in every framework's twin: the frameworks' own mechanisms, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Twin
from scratch import (
    GRU,
    L1,
    L2,
    LSTM,
    Adam,
    Architecture,
    Batch,
    BatchNorm,
    Bidirectional,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Layer,
    MultiHeadAttention,
    Network,
    Pass,
    ReLU,
    Residual,
    SimpleRNN,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    Weights,
    architecture,
    initial_weights,
)
from scratch.regularisation import Regulariser
from scratch.weights import flatten

TOLERANCE = 1e-12
ARCH = architecture(
    Conv2D(2, 3, 3, bias=False), BatchNorm(3, momentum=0.7), ReLU(), Residual((Conv2D(3, 3, 1), BatchNorm(3))), Flatten(),
    Dense(12, 5, bias=False), BatchNorm(5), Tanh(), Dropout(0.8), Dense(5, 3),
    loss=SoftmaxCrossEntropy(), regulariser=L2(0.4), frozen=("conv2d1", "batchnorm1", "residual1"),
)  # fmt: skip


def random_weights(arch: Architecture, rng: np.random.Generator) -> Weights:
    """Nothing at its first 0 or 1; variances positive."""
    weights = initial_weights(arch, rng)
    for arrays in (weights.params, weights.buffers):
        for layer, name in [(layer, name) for layer, named in arrays.items() for name in named]:
            arrays[layer][name] = arrays[layer][name] + rng.uniform(0.1, 0.9, arrays[layer][name].shape)
    return weights


def arrays_of(weights: Weights) -> dict[str, np.ndarray]:
    return dict(flatten(weights.params)) | dict(flatten(weights.buffers))


def tensors(result: Pass) -> dict[str, np.ndarray]:
    named = {f"output {n}": a for n, a in result.outputs.items()} | dict(flatten(result.grads))
    named |= {f"input of {n}": a for n, a in result.input_grads.items()}
    return named if result.loss is None else named | {"loss": result.loss}


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert found.keys() == wanted.keys()
    for name, reference in wanted.items():
        assert found[name].shape == reference.shape, name
        assert np.abs(found[name] - reference).max() <= TOLERANCE * (np.abs(reference).max() or 1.0), name


def batches(rng: np.random.Generator) -> list[Batch]:
    return [
        Batch(
            rng.standard_normal((m, 4, 4, 2)), np.eye(3)[rng.integers(0, 3, m)], {"dropout1": rng.random((m, 5)) < 0.8}
        )
        for m in (6, 6, 5, 4)
    ]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_training_leaves_every_frozen_bit_and_the_rest_agrees_with_scratch(
    framework: type[Twin], compiled: bool
) -> None:
    rng = np.random.default_rng(5)
    weights, optimizer = random_weights(ARCH, rng), Adam(0.01)
    twin, network = framework(ARCH, optimizer, compiled=compiled), Network(ARCH, weights)
    twin.load(weights)
    trainer = Trainer(network, optimizer)
    for batch, result in zip(given := batches(rng), trainer.fit(given), strict=True):
        found = twin.differentiate(batch.x, batch.target, masks=batch.masks)
        assert_close(tensors(found), tensors(result))
        twin.update()
    before, after = arrays_of(weights), arrays_of(twin.weights())
    moved = {name for name in before if after[name].tobytes() != before[name].tobytes()}
    assert moved == {name for name in before if name.split(".")[0] not in ARCH.frozen}
    assert_close(after, arrays_of(network.weights()))
    assert twin.optimizer_state().keys() == trainer.states.keys() == {"dense1", "batchnorm2", "dense2"}


def test_a_frozen_batch_norm_takes_a_single_example(framework: type[Twin]) -> None:
    arch = architecture(Dense(4, 3), BatchNorm(3), Dense(3, 2), frozen=("batchnorm1",))
    rng = np.random.default_rng(6)
    weights, x, upstream = random_weights(arch, rng), rng.standard_normal((1, 4)), rng.standard_normal((1, 2))
    twin = framework(arch)
    twin.load(weights)
    assert_close(
        tensors(twin.differentiate(x, upstream=upstream)),
        tensors(Network(arch, weights).differentiate(x, upstream=upstream)),
    )


def test_without_the_mapping_the_averages_move_in_torch_alone(framework: type[Twin]) -> None:
    arch = architecture(BatchNorm(3, momentum=0.75), frozen=("batchnorm1",))
    rng = np.random.default_rng(7)
    x, upstream = rng.standard_normal((2, 6, 3))
    twin = framework(arch, ignored=frozenset({"frozen-batchnorm"}))
    twin.load(weights := random_weights(arch, rng))
    twin.differentiate(x, upstream=upstream)
    old, new = (w.buffers["batchnorm1"]["running_mean"] for w in (weights, twin.weights()))
    averaged = 0.75 * old + 0.25 * x.mean(axis=0)
    # Keras's trainable=False is evaluation mode: there is no mapping to leave out.
    np.testing.assert_allclose(new, averaged if "frozen-batchnorm" in twin.applied else old, rtol=1e-14)
    assert ("frozen-batchnorm" in twin.applied) == ("torch" in framework.__module__)


KINDS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "dense": (Dense(4, 3), (4,)),
    "convolution": (Conv2D(2, 3, 2), (4, 4, 2)),
    "depthwise": (Conv2D(2, 4, 2, groups=2), (4, 4, 2)),
    "transposed": (Conv2DTranspose(2, 3, 2), (3, 3, 2)),
    "residual": (Residual((Dense(4, 5), Tanh(), Dense(5, 4))), (4,)),
    "rnn": (SimpleRNN(3, 4), (5, 3)),
    "lstm": (LSTM(3, 4), (5, 3)),
    "gru": (GRU(3, 4), (5, 3)),
    "bidirectional": (Bidirectional(LSTM(3, 2)), (5, 3)),
    "attention": (MultiHeadAttention(4, 2), (5, 4)),
    "batch norm": (BatchNorm(4), (4,)),
    "embedding": (Embedding(5, 3), (4,)),
}


def case_of(
    kind: str, regulariser: Regulariser | None, frozen: bool
) -> tuple[Architecture, Weights, np.ndarray, np.ndarray]:
    layer, shape = KINDS[kind]
    rng = np.random.default_rng(8)
    name = type(layer).__name__.lower() + "1"
    arch = architecture(layer, regulariser=regulariser, frozen=(name,) if frozen else ())
    weights = random_weights(arch, rng)
    for p in layer.regularised:
        weights.params[name][p][rng.random(weights.params[name][p].shape) < 0.4] = 0
    x = rng.integers(0, 5, (3, *shape)).astype(float) if kind == "embedding" else rng.standard_normal((3, *shape))
    return arch, weights, x, rng.standard_normal((3, *layer.output_shape(shape)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_can_be_frozen(framework: type[Twin], kind: str) -> None:
    arch, weights, x, upstream = case_of(kind, L2(0.5), frozen=True)
    twin = framework(arch, Adam(0.1))
    twin.load(weights)
    found = twin.differentiate(x, upstream=upstream)
    assert found.grads == {}
    assert_close(tensors(found), tensors(Network(arch, weights).differentiate(x, upstream=upstream)))
    twin.update()
    for name, a in arrays_of(twin.weights()).items():
        assert a.tobytes() == arrays_of(weights)[name].tobytes()
    assert twin.optimizer_state() == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regulariser", [L1(0.7), L2(0.7)], ids=["l1", "l2"])
def test_penalties_reach_the_weights_of_every_kind_of_layer(
    framework: type[Twin], kind: str, regulariser: Regulariser
) -> None:
    """With weights that are exactly 0: the frameworks' own derivative of |w| there is 0."""
    arch, weights, x, upstream = case_of(kind, regulariser, frozen=False)
    twin, plain = framework(arch), framework(architecture(KINDS[kind][0]))
    twin.load(weights)
    plain.load(weights)
    found, without = (t.differentiate(x, upstream=upstream) for t in (twin, plain))
    assert_close(tensors(found), tensors(Network(arch, weights).differentiate(x, upstream=upstream)))
    for layer, p in arch.regularised():
        zero = weights.params[layer][p] == 0
        assert zero.any()
        np.testing.assert_array_equal(found.grads[layer][p][zero], without.grads[layer][p][zero])
        assert np.abs((found.grads[layer][p] - without.grads[layer][p])[~zero]).min() > 1e-6


def test_ignored_l1_factor_halves_the_penalty_and_each_batch_has_its_own(framework: type[Twin]) -> None:
    arch = architecture(Dense(4, 3), regulariser=L1(0.9))
    rng = np.random.default_rng(9)
    weights, x, upstream = random_weights(arch, rng), rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    for ignored, factor in ((frozenset[str](), 0.9), (frozenset({"l1-factor"}), 0.45)):
        twin = framework(arch, ignored=ignored)
        twin.load(weights)
        for m in (5, 2, 5):
            found = twin.differentiate(x[:m], upstream=upstream[:m]).grads["dense1"]
            wanted = x[:m].T @ upstream[:m] + factor / m * np.sign(weights.params["dense1"]["W"])
            np.testing.assert_allclose(found["W"], wanted, rtol=1e-12)
            np.testing.assert_allclose(found["b"], upstream[:m].sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("regulariser", [L1(0.9), L2(0.9)], ids=["l1", "l2"])
def test_the_penalty_counts_frozen_weights_in_torch_alone_and_only_if_asked(
    framework: type[Twin], regulariser: Regulariser
) -> None:
    arch = architecture(
        Dense(4, 3), Tanh(), Dense(3, 2), loss=SoftmaxCrossEntropy(), regulariser=regulariser, frozen=("dense1",)
    )
    rng = np.random.default_rng(10)
    weights, x, y = random_weights(arch, rng), rng.standard_normal((5, 4)), np.eye(2)[rng.integers(0, 2, 5)]
    losses = []
    for ignored in (frozenset[str](), frozenset({"frozen-penalty"})):
        twin = framework(arch, ignored=ignored)
        twin.load(weights)
        losses.append(float(twin.differentiate(x, y).loss))
    frozen = float(regulariser.penalty([weights.params["dense1"]["W"]], 5))
    assert losses[1] - losses[0] == pytest.approx(frozen if "frozen-penalty" in twin.applied else 0, rel=1e-12)
    assert ("frozen-penalty" in twin.applied) == ("torch" in framework.__module__)


PLACES = ("main1", "shortcut0", "shortcut1")


def test_parts_of_a_block_are_frozen_by_the_frameworks_own_means(framework: type[Twin]) -> None:
    """One block with a frozen part in each branch, and a block within it; unmapped, torch's averages of that part move."""
    within = Residual((Dense(4, 4), Dense(4, 4)), frozen=("main1",))
    block = Residual((Dense(4, 4), BatchNorm(4), within, Tanh(), BatchNorm(4)), (Dense(4, 4), BatchNorm(4)), PLACES)
    arch = architecture(Dense(3, 4), block, Dense(4, 2), loss=SoftmaxCrossEntropy(), regulariser=L2(0.4))
    rng = np.random.default_rng(12)
    weights, optimizer = random_weights(arch, rng), Adam(0.01)
    given = [Batch(rng.standard_normal((6, 3)), np.eye(2)[rng.integers(0, 2, 6)]) for _ in range(3)]
    held = {f"residual1.{p}" for p in block.frozen_parameters}
    averages = {f"residual1.running_{a}_{place}" for a in ("mean", "var") for place in ("main1", "shortcut1")}
    for ignored in (frozenset[str](), frozenset({"frozen-batchnorm"})):
        twin, trainer = framework(arch, optimizer, ignored=ignored), Trainer(Network(arch, weights), optimizer)
        twin.load(weights)
        for batch, result in zip(given, trainer.fit(given), strict=True):
            found = twin.differentiate(batch.x, batch.target)
            twin.update()
            if not ignored:
                assert_close(tensors(found), tensors(result))
        before, after = arrays_of(weights), arrays_of(twin.weights())
        still = {name for name in before if after[name].tobytes() == before[name].tobytes()}
        moves = ignored and "frozen-batchnorm" in twin.applied
        assert still == (held if moves else held | averages)
        assert twin.optimizer_state()["residual1"].keys() == trainer.states["residual1"].keys()
    assert ("frozen-batchnorm" in twin.applied) == ("torch" in framework.__module__)
