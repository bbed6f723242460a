"""What Keras does otherwise: each convention against Keras's own numbers, and what TensorFlow refuses."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras

from reference import CONVENTIONS, Unsupported, twin_class
from reference.tensorflow_layers import LAYERS
from reference.tensorflow_losses import LOSSES
from reference.tensorflow_optimizers import OPTIMIZERS
from reference.tensorflow_twin import FrameworkTwin
from scratch import (
    L2,
    Adam,
    Architecture,
    Batch,
    BatchNorm,
    BinaryCrossEntropy,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    Loss,
    Momentum,
    Network,
    Optimizer,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
    Trainer,
    Weights,
    architecture,
    initial_weights,
)

RNG = np.random.default_rng(17)
X, UPSTREAM = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 3))


def loaded(
    arch: Architecture, optimizer: Optimizer | None = None, *ignored: str, dtype: str = "float64"
) -> FrameworkTwin:
    """A twin with weights that are the same whenever the architecture is."""
    twin = FrameworkTwin(arch, optimizer, dtype, ignored=frozenset(ignored))
    twin.load(initial_weights(arch, np.random.default_rng(4), dtype=dtype))
    return twin


def test_ignored_batchnorm_epsilon_is_kerass_default() -> None:
    for ignored, epsilon in (((), 1e-5), (("batchnorm-epsilon",), 1e-3)):
        y = loaded(architecture(BatchNorm(4)), None, *ignored).differentiate(X, upstream=X).outputs["batchnorm1"]
        np.testing.assert_allclose(y, (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + epsilon), rtol=1e-12)


def test_batch_norm_on_one_example_gives_beta() -> None:
    arch = architecture(BatchNorm(4))
    twin = loaded(arch)
    weights = twin.weights()
    weights.params["batchnorm1"]["beta"] = np.arange(4.0)
    twin.load(weights)
    found = twin.differentiate(X[:1], upstream=X[:1])
    np.testing.assert_array_equal(found.outputs["batchnorm1"], [[0, 1, 2, 3]])
    np.testing.assert_array_equal(found.input_grads["batchnorm1"], np.zeros((1, 4)))


def test_ignored_slope_is_kerass_default_of_three_tenths() -> None:
    for ignored, slope in (((), 0.25), (("leaky-relu-slope",), np.float32(0.3))):
        y = loaded(architecture(LeakyReLU(0.25)), None, *ignored).evaluate(X)["leakyrelu1"]
        np.testing.assert_allclose(y, np.where(X > 0, X, float(slope) * X), rtol=1e-15)


@pytest.mark.parametrize(("slope", "exact"), [(0.25, True), (0.01, False)])
def test_slope_passes_through_float32_even_in_float64(slope: float, exact: bool) -> None:
    twin = loaded(architecture(LeakyReLU(slope)))
    error = np.abs(twin.evaluate(X)["leakyrelu1"] - np.where(X > 0, X, slope * X)).max()
    floor = CONVENTIONS["leaky-relu-float32-slope"].floor
    assert ("leaky-relu-float32-slope" in twin.applied) is not exact
    assert error == 0 if exact else 0 < error < floor * np.abs(X).max()


def test_ignored_hyperparameter_precision_rounds_beta_to_float32() -> None:
    arch, g = architecture(Dense(4, 3)), {"dense1": {"W": np.ones((4, 3)), "b": np.ones(3)}}
    errors = []
    for ignored in ((), ("float32-hyperparameters",)):
        twin, trainer = loaded(arch, Adam(0.1), *ignored), Trainer(Network(arch, initial_weights(arch, RNG)), Adam(0.1))
        twin.update(g)
        trainer.update(g)
        found, wanted = (s["dense1"]["W"]["s"] for s in (twin.optimizer_state(), trainer.states))
        errors.append(np.abs(found / wanted - 1).max())
    assert errors[0] < 1e-15
    stock = loaded(arch, Adam(0.1), "float32-hyperparameters")
    before = stock.weights().params["dense1"]["W"]
    stock.update(g)
    mapped = loaded(arch, Adam(0.1))
    mapped.update(g)
    step = np.abs(stock.weights().params["dense1"]["W"] - mapped.weights().params["dense1"]["W"]).max()
    assert 1e-9 < step < 1e-5
    assert np.abs(before - stock.weights().params["dense1"]["W"]).max() > 0.09


@pytest.mark.parametrize(
    ("optimizer", "convention", "stock"),
    [
        (Adam(0.1, epsilon=1e-3), "adam-epsilon-hat", lambda: keras.optimizers.Adam(0.1, epsilon=1e-3)),
        (RMSprop(0.1, epsilon=1e-3), "rmsprop-epsilon", lambda: keras.optimizers.RMSprop(0.1, rho=0.9, epsilon=1e-3)),
        (Momentum(0.1), "momentum-scale", lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    ],
)
def test_an_ignored_convention_is_kerass_own_optimizer(optimizer: Optimizer, convention: str, stock) -> None:
    arch = architecture(Dense(2, 1, bias=False))
    w, g = np.array([[1.0], [2.0]], "float32"), np.array([[1e-4], [0.5]], "float32")
    ends = []
    for ignored in ((), (convention,)):
        twin = FrameworkTwin(arch, optimizer, "float32", ignored=frozenset(ignored))
        twin.load(Weights({"dense1": {"W": w}}))
        for _ in range(3):
            twin.update({"dense1": {"W": g}})
        ends.append(twin.weights().params["dense1"]["W"])
    variable, own = keras.Variable(w), stock()
    for _ in range(3):
        own.apply([keras.ops.convert_to_tensor(g)], [variable])
    np.testing.assert_array_equal(ends[1], variable.numpy())
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_l2_follows_each_batchs_own_size() -> None:
    arch = architecture(Dense(4, 3), regulariser=L2(0.9))
    for compiled in (False, True):
        twin = FrameworkTwin(arch, compiled=compiled)
        weights = initial_weights(arch, np.random.default_rng(4))
        twin.load(weights)
        for m in (5, 2, 5):
            found = twin.differentiate(X[:m], upstream=UPSTREAM[:m]).grads["dense1"]["W"]
            wanted = X[:m].T @ UPSTREAM[:m] + 0.9 / m * weights.params["dense1"]["W"]
            np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_compiled_and_eager_training_agree() -> None:
    arch = architecture(Dense(4, 6, bias=False), BatchNorm(6), Dropout(0.5), Dense(6, 3), loss=SoftmaxCrossEntropy(), regulariser=L2(0.1))  # fmt: skip
    rng = np.random.default_rng(2)
    batches = [Batch(rng.standard_normal((m, 4)), np.eye(3)[rng.integers(0, 3, m)], {"dropout1": rng.random((m, 6)) < 0.5}) for m in (8, 8, 3)]  # fmt: skip
    ends = []
    for compiled in (False, True):
        twin = FrameworkTwin(arch, Adam(0.1), compiled=compiled)
        twin.load(initial_weights(arch, np.random.default_rng(4)))
        for batch in batches:
            twin.differentiate(batch.x, batch.target, masks=batch.masks)
            twin.update()
        ends.append(twin.weights())
    for kind in ("params", "buffers"):
        for layer, named in getattr(ends[0], kind).items():
            for name, a in named.items():
                np.testing.assert_allclose(a, getattr(ends[1], kind)[layer][name], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("a", [0.0, 1e-8, 1 - 1e-8, 1.0])
def test_probabilities_that_keras_clips_are_refused(a: float) -> None:
    twin = loaded(architecture(loss=BinaryCrossEntropy()))
    with pytest.raises(Unsupported, match="probability-clip"):
        twin.differentiate(np.array([[0.3, a]]), np.array([[0.0, 1.0]]))
    assert twin.differentiate(np.array([[0.3, 1e-6]]), np.array([[0.0, 1.0]])).loss is not None


def test_softmax_targets_that_do_not_sum_to_one_are_refused() -> None:
    twin = loaded(architecture(loss=SoftmaxCrossEntropy()))
    with pytest.raises(Unsupported, match="softmax-target-sum"):
        twin.differentiate(X[:, :2], np.full((5, 2), 0.6))


def test_the_users_precision_setting_is_left_alone() -> None:
    assert keras.config.floatx() == "float32"
    twin = loaded(architecture(Dense(4, 3)), Adam(0.1))
    twin.differentiate(X, upstream=UPSTREAM)
    assert keras.config.floatx() == "float32"


@pytest.mark.parametrize(("table", "base"), [(LAYERS, Layer), (LOSSES, Loss), (OPTIMIZERS, Optimizer)])
def test_every_kind_in_scratch_has_a_twin(table: dict[type, object], base: type) -> None:
    ours = {kind for kind in base.kinds.values() if kind.__module__.startswith("scratch.")}  # type: ignore[attr-defined]
    assert ours
    assert ours <= table.keys()


def test_the_twin_is_found_by_the_frameworks_name() -> None:
    assert twin_class("tensorflow") is FrameworkTwin


def test_a_loss_of_probabilities_does_not_look_behind_the_sigmoid() -> None:
    arch = architecture(Dense(4, 3), Sigmoid(), loss=BinaryCrossEntropy())
    target = RNG.integers(0, 2, (5, 3)).astype(float)
    for compiled in (False, True):
        twin = FrameworkTwin(arch, compiled=compiled)
        weights = initial_weights(arch, np.random.default_rng(4))
        twin.load(weights)
        found, wanted = twin.differentiate(X, target), Network(arch, weights).differentiate(X, target)
        np.testing.assert_allclose(found.output_grad, wanted.output_grad, rtol=1e-12)
        np.testing.assert_allclose(found.grads["dense1"]["W"], wanted.grads["dense1"]["W"], rtol=1e-12)
        assert "hidden-logits" in twin.applied
