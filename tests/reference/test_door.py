"""Every framework's door: what passes bit for bit, what shared conventions are worth, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Twin
from reference.twin import choose
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
    Loss,
    MeanSquaredError,
    Momentum,
    Optimizer,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
    initial_weights,
)
from scratch.weights import flatten

RNG = np.random.default_rng(17)
X, UPSTREAM = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 3))
NORMALISED = architecture(Dense(4, 3), BatchNorm(3, momentum=0.8))


def loaded(kind: type[Twin], arch: Architecture, optimizer: Optimizer | None = None, *ignored: str) -> Twin:
    """A float64 twin with weights that are the same whenever the architecture is."""
    twin = kind(arch, optimizer, ignored=frozenset(ignored))
    twin.load(initial_weights(arch, np.random.default_rng(4)))
    return twin


def test_evaluation_leaves_running_statistics_alone(framework: type[Twin]) -> None:
    twin = loaded(framework, NORMALISED)
    twin.differentiate(X, upstream=UPSTREAM, training=False)
    twin.evaluate(X)
    np.testing.assert_array_equal(twin.weights().buffers["batchnorm1"]["running_var"], np.ones(3))


@pytest.mark.parametrize(
    ("loss", "factor"),
    [(BinaryCrossEntropy(), 3), (BinaryCrossEntropyFromLogits(), 3), (MeanSquaredError(), 3 / 2)],
    ids=lambda value: type(value).__name__,
)
def test_ignored_loss_scale_leaves_the_mean_over_all_elements(framework: type[Twin], loss: Loss, factor: float) -> None:
    arch = architecture(Dense(4, 3), Sigmoid(), loss=loss)
    target = np.random.default_rng(0).uniform(0, 1, (5, 3))
    mapped, stock = (
        loaded(framework, arch, None, *ignored).differentiate(X, target) for ignored in ((), ("loss-scale",))
    )
    assert mapped.loss == pytest.approx(factor * stock.loss, rel=1e-14)
    np.testing.assert_allclose(mapped.grads["dense1"]["W"], factor * stock.grads["dense1"]["W"], rtol=1e-13)


def test_ignored_l2_factor_doubles_the_penalty(framework: type[Twin]) -> None:
    arch = architecture(Dense(4, 3), regulariser=L2(0.9))
    w = initial_weights(arch, np.random.default_rng(4)).params["dense1"]["W"]
    data = X.T @ UPSTREAM
    for ignored, factor in (((), 0.9 / 5), (("l2-factor",), 2 * 0.9 / 5)):
        found = loaded(framework, arch, None, *ignored).differentiate(X, upstream=UPSTREAM).grads["dense1"]
        np.testing.assert_allclose(found["W"], data + factor * w, rtol=1e-13)
        np.testing.assert_allclose(found["b"], UPSTREAM.sum(axis=0), rtol=1e-13)


def test_ignored_momentum_scale_sums_gradients_instead_of_averaging(framework: type[Twin]) -> None:
    arch, optimizer = architecture(Dense(4, 3)), Momentum(0.1, beta=0.75)
    gradient = X.T @ UPSTREAM
    for ignored, scale in (((), 0.25), (("momentum-scale",), 1.0)):
        twin = loaded(framework, arch, optimizer, *ignored)
        before = twin.weights().params["dense1"]["W"]
        for _ in range(2):
            twin.differentiate(X, upstream=UPSTREAM)
            twin.update()
        v1, v2 = scale * gradient, scale * 1.75 * gradient
        np.testing.assert_allclose(twin.optimizer_state()["dense1"]["W"]["v"], v2, rtol=1e-13)
        np.testing.assert_allclose(twin.weights().params["dense1"]["W"], before - 0.1 * (v1 + v2), rtol=1e-12)


def test_weights_pass_bit_for_bit(framework: type[Twin]) -> None:
    weights = initial_weights(NORMALISED, RNG)
    odd = np.array([[-0.0, 5e-324, np.inf], [np.pi, -np.inf, 1e308], [0.1, 0.2, 0.3], [1, 2, 3]])
    odd.view(np.uint64)[3, 0] = 0x7FF8_0000_0000_BEEF  # a NaN with a payload
    weights.params["dense1"]["W"] = odd[::-1, ::-1]  # negative strides
    weights.params["dense1"]["b"].flags.writeable = False
    twin = framework(NORMALISED)
    twin.load(weights)
    read = twin.weights()
    for (name, a), (other, b) in zip(
        [*flatten(weights.params), *flatten(weights.buffers)],
        [*flatten(read.params), *flatten(read.buffers)],
        strict=True,
    ):
        assert (name, a.tobytes()) == (other, b.tobytes())


@pytest.mark.parametrize("optimizer", [Momentum(0.1), RMSprop(0.1), Adam(0.1)], ids=lambda o: type(o).__name__)
def test_loading_again_forgets_everything(framework: type[Twin], optimizer: Optimizer) -> None:
    twin = loaded(framework, NORMALISED, optimizer)
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


def test_nothing_is_shared_with_the_caller(framework: type[Twin]) -> None:
    x, w = X.copy(), initial_weights(NORMALISED, np.random.default_rng(4))
    twin = framework(NORMALISED, GradientDescent(0.1))
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


def test_no_dtype_is_converted_silently(framework: type[Twin]) -> None:
    twin = loaded(framework, architecture(Dense(4, 3), loss=MeanSquaredError()), Adam(0.1))
    low = X.astype("float32")
    with pytest.raises(ValueError, match=r"x: is float32, but the .* twin was built for float64"):
        twin.evaluate(low)
    with pytest.raises(ValueError, match="target: is float32"):
        twin.differentiate(X, UPSTREAM.astype("float32"))
    with pytest.raises(ValueError, match=r"dense1\.W: is float32"):
        twin.load(twin.weights().astype("float32"))
    with pytest.raises(ValueError, match=r"gradient of dense1\.W: is float32"):
        twin.update(twin.weights().astype("float32").params)


def test_no_shape_is_broadcast_silently(framework: type[Twin]) -> None:
    with pytest.raises(ValueError, match=r"target: shape \(5, 1\)"):
        loaded(framework, architecture(Dense(4, 3), loss=MeanSquaredError())).differentiate(X, UPSTREAM[:, :1])
    with pytest.raises(ValueError, match=r"upstream: shape \(1, 3\)"):
        loaded(framework, architecture(Dense(4, 3))).differentiate(X, upstream=UPSTREAM[:1])
    with pytest.raises(ValueError, match=r"the mask has shape \(4,\)"):
        loaded(framework, architecture(Dropout(0.5))).differentiate(X, upstream=X, masks={"dropout1": np.ones(4, bool)})


def test_what_is_missing_is_named(framework: type[Twin]) -> None:
    twin = loaded(framework, architecture(Dense(4, 3), loss=SoftmaxCrossEntropy()), Adam(0.1))
    with pytest.raises(ValueError, match="needs targets"):
        twin.differentiate(X)
    with pytest.raises(ValueError, match=r"do not belong together: dense1\.b"):
        twin.update({"dense1": {"W": np.ones((4, 3))}})
    with pytest.raises(ValueError, match="needs an upstream gradient"):
        loaded(framework, architecture(Tanh())).differentiate(X)
    with pytest.raises(ValueError, match="needs an injected mask"):
        loaded(framework, architecture(Dropout(0.5))).differentiate(X, upstream=X)
    twin.update({"dense1": {"W": np.ones((4, 3)), "b": np.ones(3)}})
    with pytest.raises(ValueError, match="differentiate first"):
        twin.update()
    with pytest.raises(ValueError, match="without an optimizer"):
        loaded(framework, architecture(Tanh())).update()


def test_an_optimizer_with_nothing_to_optimize_does_nothing(framework: type[Twin]) -> None:
    twin = loaded(framework, architecture(Tanh()), Adam(0.1))
    twin.update()
    assert twin.optimizer_state() == {}


def test_a_subclass_has_its_bases_twin_and_an_unknown_kind_is_named() -> None:
    class Base: ...

    class Derived(Base): ...

    assert choose({Base: "twin"}, Derived()) == "twin"
    with pytest.raises(NotImplementedError, match="no twin of int; there are twins of Base"):
        choose({Base: "twin"}, 1)
