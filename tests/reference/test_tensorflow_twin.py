"""The TensorFlow twin in use: reused while compiled, quiet towards its caller, not confused by what Keras remembers or refuses."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from reference.tensorflow_twin import FrameworkTwin
from scratch import (
    L2,
    Adam,
    Architecture,
    BinaryCrossEntropy,
    Dense,
    Dropout,
    GradientDescent,
    Loss,
    MeanSquaredError,
    Momentum,
    Network,
    Optimizer,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    architecture,
    initial_weights,
)

RNG = np.random.default_rng(17)
X, UPSTREAM = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 3))
TARGET = np.eye(3)[RNG.integers(0, 3, 5)]


def loaded(arch: Architecture, optimizer: Optimizer | None = None, compiled: bool = False) -> FrameworkTwin:
    """A twin with weights that are the same whenever the architecture is."""
    twin = FrameworkTwin(arch, optimizer, compiled=compiled)
    twin.load(initial_weights(arch, np.random.default_rng(4)))
    return twin


@pytest.mark.parametrize("training", [True, False])
def test_a_compiled_twin_meets_the_same_conventions_in_every_run(training: bool) -> None:
    arch = architecture(Dense(4, 3), Dropout(0.5), Sigmoid(), loss=BinaryCrossEntropy(), regulariser=L2(0.3))
    masks = {"dropout1": RNG.random((5, 3)) < 0.5}
    eager, compiled = loaded(arch), loaded(arch, compiled=True)
    # The other mode is traced too: what it meets does not count here.
    compiled.differentiate(X, TARGET, training=not training, masks=masks)
    start = eager.weights()
    for _ in range(3):
        for twin in (eager, compiled):
            twin.load(start)
            twin.differentiate(X, TARGET, training=training, masks=masks)
        assert compiled.applied == eager.applied
    assert {"loss-scale", "l2-factor", "hidden-logits"} <= compiled.applied
    assert ("dropout-mask" in compiled.applied) is training


def test_compiled_training_compiles_once_for_each_batch_size() -> None:
    arch = architecture(Dense(4, 3), loss=SoftmaxCrossEntropy())
    twin = loaded(arch, Adam(0.1), compiled=True)
    for m in (5, 5, 3, 5, 3):
        twin.differentiate(X[:m], TARGET[:m])
        twin.update()
    assert twin._traced_run.experimental_get_tracing_count() == 2


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), SoftmaxCrossEntropy()], ids=lambda loss: type(loss).__name__)
def test_no_loss_looks_behind_a_sigmoid_through_a_dropout_at_rest(loss: Loss, compiled: bool) -> None:
    arch = architecture(Dense(4, 3), Sigmoid(), Dropout(0.5), loss=loss)
    twin = loaded(arch, compiled=compiled)
    found = twin.differentiate(X, TARGET, training=False)
    wanted = Network(arch, twin.weights()).differentiate(X, TARGET, training=False)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-13)
    np.testing.assert_allclose(found.output_grad, wanted.output_grad, rtol=1e-12)
    np.testing.assert_allclose(found.grads["dense1"]["W"], wanted.grads["dense1"]["W"], rtol=1e-12)


@pytest.mark.parametrize(("last", "loss"), [(Sigmoid(), MeanSquaredError()), (Tanh(), SoftmaxCrossEntropy())])
def test_hidden_logits_are_met_only_where_a_loss_would_look_for_them(last: Sigmoid | Tanh, loss: Loss) -> None:
    twin = loaded(architecture(Dense(4, 3), last, loss=loss))
    twin.differentiate(X, TARGET)
    assert "hidden-logits" not in twin.applied


@pytest.mark.parametrize(
    "optimizer",
    [GradientDescent(1), Momentum(1, beta=0), Momentum(1), RMSprop(1, epsilon=1), Adam(1, epsilon=1), Momentum(0)],
    ids=repr,
)
def test_whole_numbers_and_a_learning_rate_of_zero_are_learning_rates(optimizer: Optimizer) -> None:
    arch = architecture(Dense(4, 3))
    twin = loaded(arch, optimizer)
    trainer = Trainer(Network(arch, twin.weights()), optimizer)
    for scale in (1.0, -0.3):
        grads = {"dense1": {"W": scale * X.T[:, :3], "b": scale * UPSTREAM[0]}}
        twin.update(grads)
        trainer.update(grads)
    for p, wanted in trainer.network.weights().params["dense1"].items():
        np.testing.assert_allclose(twin.weights().params["dense1"][p], wanted, rtol=1e-12)


def test_building_and_training_leave_the_callers_random_stream_alone() -> None:
    arch = architecture(Dense(4, 3), Dropout(0.5), loss=SoftmaxCrossEntropy())
    before = random.getstate()
    twin = loaded(arch, Adam(0.1))
    twin.differentiate(X, TARGET, masks={"dropout1": np.ones((5, 3), bool)})
    twin.update()
    assert random.getstate() == before
