"""L1 regularisation from scratch: its formula, its corner, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scratch import L1, L2, Batch, Dense, GradientDescent, MeanSquaredError, Network, Trainer, architecture
from scratch.regularisation import Regulariser
from scratch.weights import Weights


def test_l1_penalty_and_gradient() -> None:
    w = np.array([[1.0, -2.0, 0.0, -0.0]])
    assert L1(0.6).penalty([w, w], m=3) == pytest.approx(0.6 / 3 * 6)
    np.testing.assert_array_equal(L1(0.6).gradient(w, m=3), 0.6 / 3 * np.array([[1.0, -1.0, 0.0, 0.0]]))


WEIGHTS = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-10, 10))


@given(w=WEIGHTS, lambda_=st.floats(0, 5), m=st.integers(1, 50))
def test_each_gradient_is_a_slope_of_its_penalty_and_0_at_0(w: np.ndarray, lambda_: float, m: int) -> None:
    w = np.round(w, 2)  # nothing but 0 itself within the step of 0
    for regulariser in (L1(lambda_), L2(lambda_)):
        gradient, h = regulariser.gradient(w, m), 1e-3
        assert (gradient.shape, gradient.dtype) == (w.shape, w.dtype)
        slope = [(regulariser.penalty([v + h], m) - regulariser.penalty([v - h], m)) / (2 * h) for v in w.ravel()]
        np.testing.assert_allclose(gradient.ravel(), slope, atol=1e-8)


@pytest.mark.parametrize("kind", [L1, L2])
def test_single_precision_stays_single_and_the_description_round_trips(kind: type[Regulariser]) -> None:
    w = np.array([0.5, 0.0, -2.0], dtype=np.float32)
    assert kind(0.3).gradient(w, 7).dtype == np.float32
    arch = architecture(Dense(2, 2), regulariser=kind(0.3))
    assert type(arch).from_config(arch.config()) == arch
    with pytest.raises(ValueError, match=f"{kind.__name__}: lambda must not be negative, not -1"):
        kind(-1)


def trained(regulariser: Regulariser) -> np.ndarray:
    """Weights of a linear regression on one feature that matters and five that do not."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6))
    y = 3 * x[:, :1] + 0.5 * rng.standard_normal((200, 1))
    arch = architecture(Dense(6, 1), loss=MeanSquaredError(), regulariser=regulariser)
    start = Weights({"dense1": {"W": rng.standard_normal((6, 1)), "b": np.zeros(1)}})
    network = Network(arch, start)
    for _ in Trainer(network, GradientDescent(0.01)).fit([Batch(x, y)] * 3000):
        pass
    return network.states["dense1"].params["W"].ravel()


def test_l1_drives_weights_to_0_that_l2_only_makes_smaller() -> None:
    sparse, small = trained(L1(30.0)), trained(L2(30.0))
    # A weight that L1 holds at 0 swings about it by less than alpha lambda/m a step.
    assert (np.abs(sparse[1:]) < 0.01 * 30 / 200).all()
    assert np.abs(small[1:]).min() > 0.01 * 30 / 200
    assert sparse[0] > 2
