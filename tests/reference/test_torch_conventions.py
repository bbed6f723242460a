"""The torch twin's door: what passes bit for bit, what each convention is worth, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from reference import Unsupported, twin_class
from reference.torch_layers import LAYERS, choose
from reference.torch_losses import LOSSES
from reference.torch_optimizers import OPTIMIZERS
from reference.torch_twin import FrameworkTwin
from scratch import (
    L2,
    Adam,
    Architecture,
    BatchNorm,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    Dense,
    Dropout,
    GradientDescent,
    Layer,
    Loss,
    MeanSquaredError,
    Momentum,
    Network,
    Optimizer,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    Weights,
    architecture,
    initial_weights,
)
from scratch.weights import flatten

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
    assert twin.applied == {"batchnorm-momentum", "batchnorm-running-variance"}


def test_evaluation_leaves_running_statistics_alone() -> None:
    twin = loaded(NORMALISED)
    twin.differentiate(X, upstream=UPSTREAM, training=False)
    twin.evaluate(X)
    np.testing.assert_array_equal(twin.weights().buffers["batchnorm1"]["running_var"], np.ones(3))


@pytest.mark.parametrize(
    ("loss", "factor"),
    [(BinaryCrossEntropy(), 3), (BinaryCrossEntropyFromLogits(), 3), (MeanSquaredError(), 3 / 2)],
    ids=lambda value: type(value).__name__,
)
def test_ignored_loss_scale_leaves_the_mean_over_all_elements(loss: Loss, factor: float) -> None:
    arch = architecture(Dense(4, 3), Sigmoid(), loss=loss)
    target = np.random.default_rng(0).uniform(0, 1, (5, 3))
    mapped, stock = (loaded(arch, None, *ignored).differentiate(X, target) for ignored in ((), ("loss-scale",)))
    assert mapped.loss == pytest.approx(factor * stock.loss, rel=1e-14)
    np.testing.assert_allclose(mapped.grads["dense1"]["W"], factor * stock.grads["dense1"]["W"], rtol=1e-13)


def test_ignored_l2_factor_doubles_the_penalty() -> None:
    arch = architecture(Dense(4, 3), regulariser=L2(0.9))
    w = initial_weights(arch, np.random.default_rng(4)).params["dense1"]["W"]
    data = X.T @ UPSTREAM
    for ignored, factor in (((), 0.9 / 5), (("l2-factor",), 2 * 0.9 / 5)):
        found = loaded(arch, None, *ignored).differentiate(X, upstream=UPSTREAM).grads["dense1"]
        np.testing.assert_allclose(found["W"], data + factor * w, rtol=1e-13)
        np.testing.assert_allclose(found["b"], UPSTREAM.sum(axis=0), rtol=1e-13)


def test_ignored_momentum_scale_sums_gradients_instead_of_averaging() -> None:
    arch, optimizer = architecture(Dense(4, 3)), Momentum(0.1, beta=0.75)
    gradient = X.T @ UPSTREAM
    for ignored, scale in (((), 0.25), (("momentum-scale",), 1.0)):
        twin = loaded(arch, optimizer, *ignored)
        before = twin.weights().params["dense1"]["W"]
        for _ in range(2):
            twin.differentiate(X, upstream=UPSTREAM)
            twin.update()
        v1, v2 = scale * gradient, scale * 1.75 * gradient
        np.testing.assert_allclose(twin.optimizer_state()["dense1"]["W"]["v"], v2, rtol=1e-13)
        np.testing.assert_allclose(twin.weights().params["dense1"]["W"], before - 0.1 * (v1 + v2), rtol=1e-12)


def test_layout_conventions_show_torch_as_it_is_when_ignored() -> None:
    twin = loaded(architecture(Dense(4, 3)), Adam(0.1), "optimizer-state-names")
    assert twin.optimizer_state()["dense1"]["W"].keys() == {"exp_avg", "exp_avg_sq"}
    with pytest.raises(ValueError, match=r"dense1\.W: shape \(4, 3\).* torch has \(3, 4\)"):
        loaded(architecture(Dense(4, 3)), None, "dense-layout")
    drawn = loaded(architecture(Dropout(0.5)), None, "dropout-mask").differentiate(X, upstream=X).outputs["dropout1"]
    assert set(np.unique(drawn / X)) <= {0.0, 2.0}


def test_weights_pass_bit_for_bit() -> None:
    weights = initial_weights(NORMALISED, RNG)
    odd = np.array([[-0.0, 5e-324, np.inf], [np.pi, -np.inf, 1e308], [0.1, 0.2, 0.3], [1, 2, 3]])
    odd.view(np.uint64)[3, 0] = 0x7FF8_0000_0000_BEEF  # a NaN with a payload
    weights.params["dense1"]["W"] = odd[::-1, ::-1]  # negative strides
    weights.params["dense1"]["b"].flags.writeable = False
    twin = FrameworkTwin(NORMALISED)
    twin.load(weights)
    read = twin.weights()
    for (name, a), (other, b) in zip(
        [*flatten(weights.params), *flatten(weights.buffers)],
        [*flatten(read.params), *flatten(read.buffers)],
        strict=True,
    ):
        assert (name, a.tobytes()) == (other, b.tobytes())


@pytest.mark.parametrize("optimizer", [Momentum(0.1), RMSprop(0.1), Adam(0.1)], ids=lambda o: type(o).__name__)
def test_loading_again_forgets_everything(optimizer: Optimizer) -> None:
    twin = loaded(NORMALISED, optimizer)
    start, ends = twin.weights(), []
    for _ in range(2):
        twin.load(start)
        for _ in range(3):
            twin.differentiate(X, upstream=UPSTREAM)
            twin.update()
        state = twin.optimizer_state()
        ends.append(
            [a.tobytes() for _, a in flatten(twin.weights().params)]
            + [a.tobytes() for _, a in flatten(state["dense1"])]
        )
    assert ends[0] == ends[1]
    twin.load(start)
    assert not any(a.any() for named in twin.optimizer_state().values() for p in named.values() for a in p.values())
    with pytest.raises(ValueError, match="differentiate first"):
        twin.update()


def test_nothing_is_shared_with_the_caller() -> None:
    x, w = X.copy(), initial_weights(NORMALISED, np.random.default_rng(4))
    twin = FrameworkTwin(NORMALISED, GradientDescent(0.1))
    twin.load(w)
    result = twin.differentiate(x, upstream=UPSTREAM)
    result.grads["dense1"]["W"][:] = result.outputs["dense1"][:] = 1e9
    twin.update()
    assert np.abs(twin.weights().params["dense1"]["W"]).max() < 1e3
    twin.weights().params["dense1"]["W"][:] = 1e9
    assert np.abs(twin.weights().params["dense1"]["W"]).max() < 1e3
    assert (x == X).all()
    assert (
        w.params["dense1"]["W"] == initial_weights(NORMALISED, np.random.default_rng(4)).params["dense1"]["W"]
    ).all()


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


def test_no_dtype_is_converted_silently() -> None:
    twin = loaded(architecture(Dense(4, 3), loss=MeanSquaredError()), Adam(0.1))
    low = X.astype("float32")
    with pytest.raises(ValueError, match="x: is float32, but the torch twin was built for float64"):
        twin.evaluate(low)
    with pytest.raises(ValueError, match="target: is float32"):
        twin.differentiate(X, UPSTREAM.astype("float32"))
    with pytest.raises(ValueError, match=r"dense1\.W: is float32"):
        twin.load(twin.weights().astype("float32"))
    with pytest.raises(ValueError, match=r"gradient of dense1\.W: is float32"):
        twin.update(twin.weights().astype("float32").params)


def test_no_shape_is_broadcast_silently() -> None:
    with pytest.raises(ValueError, match=r"target: shape \(5, 1\)"):
        loaded(architecture(Dense(4, 3), loss=MeanSquaredError())).differentiate(X, UPSTREAM[:, :1])
    with pytest.raises(ValueError, match=r"upstream: shape \(1, 3\)"):
        loaded(architecture(Dense(4, 3))).differentiate(X, upstream=UPSTREAM[:1])
    with pytest.raises(ValueError, match=r"the mask has shape \(4,\)"):
        loaded(architecture(Dropout(0.5))).differentiate(X, upstream=X, masks={"dropout1": np.ones(4, bool)})


def test_what_is_missing_is_named() -> None:
    twin = loaded(architecture(Dense(4, 3), loss=SoftmaxCrossEntropy()), Adam(0.1))
    with pytest.raises(ValueError, match="needs targets"):
        twin.differentiate(X)
    with pytest.raises(ValueError, match=r"do not belong together: dense1\.b"):
        twin.update({"dense1": {"W": np.ones((4, 3))}})
    with pytest.raises(ValueError, match="needs an upstream gradient"):
        loaded(architecture(Tanh())).differentiate(X)
    with pytest.raises(ValueError, match="needs an injected mask"):
        loaded(architecture(Dropout(0.5))).differentiate(X, upstream=X)
    twin.update({"dense1": {"W": np.ones((4, 3)), "b": np.ones(3)}})
    with pytest.raises(ValueError, match="differentiate first"):
        twin.update()
    with pytest.raises(ValueError, match="without an optimizer"):
        loaded(architecture(Tanh())).update()


def test_an_optimizer_with_nothing_to_optimize_does_nothing() -> None:
    twin = loaded(architecture(Tanh()), Adam(0.1))
    twin.update()
    assert twin.optimizer_state() == {}


@pytest.mark.parametrize(("table", "base"), [(LAYERS, Layer), (LOSSES, Loss), (OPTIMIZERS, Optimizer)])
def test_every_kind_in_scratch_has_a_twin(table: dict[type, object], base: type) -> None:
    ours = {kind for kind in base.kinds.values() if kind.__module__.startswith("scratch.")}  # type: ignore[attr-defined]
    assert ours
    assert ours <= table.keys()


def test_a_subclass_has_its_bases_twin_and_an_unknown_kind_is_named() -> None:
    class Base: ...

    class Derived(Base): ...

    assert choose({Base: "twin"}, Derived()) == "twin"
    with pytest.raises(NotImplementedError, match="no twin of int; there are twins of Base"):
        choose({Base: "twin"}, 1)


def test_the_twin_is_found_by_the_frameworks_name() -> None:
    assert twin_class("torch") is FrameworkTwin
