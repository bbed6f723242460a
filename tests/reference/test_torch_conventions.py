"""What torch does otherwise: each convention against torch's own numbers, and what torch refuses."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from reference import Unsupported, twin_class
from reference.torch_layers import LAYERS
from reference.torch_losses import LOSSES
from reference.torch_optimizers import OPTIMIZERS
from reference.torch_twin import FrameworkTwin
from scratch import (
    Adam,
    Architecture,
    BatchNorm,
    BinaryCrossEntropy,
    Dense,
    Dropout,
    Layer,
    Loss,
    Network,
    Optimizer,
    SoftmaxCrossEntropy,
    Weights,
    architecture,
    initial_weights,
)

RNG = np.random.default_rng(17)
X, UPSTREAM = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 3))
NORMALISED = architecture(Dense(4, 3), BatchNorm(3, momentum=0.8))


def loaded(arch: Architecture, optimizer: Optimizer | None = None, *ignored: str) -> FrameworkTwin:
    """A float64 twin with weights that are the same whenever the architecture is."""
    twin = FrameworkTwin(arch, optimizer, ignored=frozenset(ignored))
    twin.load(initial_weights(arch, np.random.default_rng(4)))
    return twin


def running(rho_old: float, ddof: int, name: str) -> np.ndarray:
    """The buffer of BatchNorm(4) on X after one pass from its initial value, worked out by NumPy."""
    old, batch = (0.0, X.mean(axis=0)) if name == "running_mean" else (1.0, X.var(axis=0, ddof=ddof))
    return rho_old * old + (1 - rho_old) * batch


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
@pytest.mark.parametrize(
    ("ignored", "rho", "ddof"),
    [((), 0.8, 0), (("batchnorm-momentum",), 1 - 0.8, 0), (("batchnorm-running-variance",), 0.8, 1)],
)
def test_running_statistics_follow_the_course_or_stock_torch(
    ignored: tuple[str, ...], rho: float, ddof: int, name: str
) -> None:
    twin = loaded(architecture(BatchNorm(4, momentum=0.8)), None, *ignored)
    twin.differentiate(X, upstream=X)
    np.testing.assert_allclose(twin.weights().buffers["batchnorm1"][name], running(rho, ddof, name), rtol=1e-14)
    assert twin.applied == {"batchnorm-momentum", "batchnorm-running-variance", "channels-axis"}


def test_layout_conventions_show_torch_as_it_is_when_ignored() -> None:
    twin = loaded(architecture(Dense(4, 3)), Adam(0.1), "optimizer-state-names")
    assert twin.optimizer_state()["dense1"]["W"].keys() == {"exp_avg", "exp_avg_sq"}
    with pytest.raises(ValueError, match=r"dense1\.W: shape \(4, 3\).* torch has \(3, 4\)"):
        loaded(architecture(Dense(4, 3)), None, "dense-layout")
    drawn = loaded(architecture(Dropout(0.5)), None, "dropout-mask").differentiate(X, upstream=X).outputs["dropout1"]
    assert set(np.unique(drawn / X)) <= {0.0, 2.0}


def test_building_leaves_the_callers_random_stream_alone() -> None:
    before = torch.random.get_rng_state()
    FrameworkTwin(NORMALISED, Adam(0.1))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_on_one_example_is_refused_in_training_alone(training: bool) -> None:
    twin = loaded(NORMALISED)
    if not training:
        assert twin.differentiate(X[:1], upstream=UPSTREAM[:1], training=False).outputs["batchnorm1"].shape == (1, 3)
        return
    with pytest.raises(Unsupported, match="batchnorm-batch-of-one"):
        twin.differentiate(X[:1], upstream=UPSTREAM[:1])


@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("a", [0.0, 1e-50, 1e-13, 1 - 1e-13, 1.0])
def test_probabilities_that_torch_clips_are_refused(a: float, y: float) -> None:
    twin = loaded(architecture(loss=BinaryCrossEntropy()))
    with pytest.raises(Unsupported, match="probability-clip"):
        twin.differentiate(np.array([[0.3, a]]), np.array([[0.0, y]]))


@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("a", [2e-12, 1e-8, 1 - 1e-8, 1 - 2e-12])
def test_probabilities_short_of_the_clip_agree(a: float, y: float) -> None:
    arch = architecture(loss=BinaryCrossEntropy())
    x, target = np.array([[0.3, a]]), np.array([[0.0, y]])
    found, wanted = loaded(arch).differentiate(x, target), Network(arch, Weights()).differentiate(x, target)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-14)
    np.testing.assert_allclose(found.output_grad, wanted.output_grad, rtol=1e-13)


@pytest.mark.parametrize("a", [-0.5, 1.5, np.nan])
def test_what_is_no_probability_is_torchs_own_error(a: float) -> None:
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        loaded(architecture(loss=BinaryCrossEntropy())).differentiate(np.array([[a]]), np.array([[1.0]]))


@pytest.mark.parametrize(("table", "base"), [(LAYERS, Layer), (LOSSES, Loss), (OPTIMIZERS, Optimizer)])
def test_every_kind_in_scratch_has_a_twin(table: dict[type, object], base: type) -> None:
    ours = {kind for kind in base.kinds.values() if kind.__module__.startswith("scratch.")}  # type: ignore[attr-defined]
    assert ours
    assert ours <= table.keys()


def test_the_twin_is_found_by_the_frameworks_name() -> None:
    assert twin_class("torch") is FrameworkTwin


def test_softmax_cross_entropy_of_targets_that_do_not_sum_to_one_agrees() -> None:
    arch = architecture(loss=SoftmaxCrossEntropy())
    x, target = RNG.standard_normal((2, 3)), np.array([[0.5, 0.9, 0.2], [1.0, 1.0, 0.0]])
    found, wanted = loaded(arch).differentiate(x, target), Network(arch, Weights()).differentiate(x, target)
    np.testing.assert_allclose(found.output_grad, wanted.output_grad, rtol=1e-13)
