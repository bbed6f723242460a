"""Nesterov's momentum, Adagrad and AdamW against their defining papers' own forms, and in the precision they are given."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scratch import Adagrad, Adam, AdamW, Nesterov, Optimizer

OPTIMIZERS = [Nesterov(0.1), Adagrad(0.1), Adagrad(0.1, initial_accumulator=0.1), AdamW(0.1)]


def test_nesterov_is_the_look_ahead_rule_seen_from_the_look_ahead_point() -> None:
    """theta, whose gradient is taken at theta - alpha beta v, on a quadratic with curvature 1 ... 4."""
    curvature, alpha, beta = np.array([1.0, 2.0, 4.0]), 0.05, 0.8
    theta, sum_of_gradients = np.array([1.0, -2.0, 3.0]), np.zeros(3)
    optimizer = Nesterov(alpha, beta)
    w = theta.copy()
    state = optimizer.initial_state(w)
    for t in range(1, 20):
        sum_of_gradients = beta * sum_of_gradients + curvature * (theta - alpha * beta * sum_of_gradients)
        theta = theta - alpha * sum_of_gradients
        w = optimizer.update(w, curvature * w, state, t)
        np.testing.assert_allclose(w, theta - alpha * beta * sum_of_gradients, rtol=1e-12, atol=1e-14)


def test_nesterov_without_memory_is_gradient_descent() -> None:
    w, g = np.array([1.0, 2.0]), np.array([0.5, -4.0])
    optimizer = Nesterov(0.1, beta=0.0)
    np.testing.assert_array_equal(optimizer.update(w, g, optimizer.initial_state(w), 1), w - 0.1 * g)


def test_adagrad_steps_by_alpha_over_root_t_where_the_gradient_never_changes() -> None:
    optimizer, w = Adagrad(0.3, epsilon=0.0), np.zeros(3)
    g, state = np.array([1e-6, -2.0, 1e5]), optimizer.initial_state(w)
    for t in range(1, 12):
        moved = optimizer.update(w, g, state, t)
        np.testing.assert_allclose(moved - w, -0.3 / math.sqrt(t) * np.sign(g), rtol=1e-13)
        w = moved
    w = optimizer.update(np.zeros(1), np.zeros(1), {"s": np.ones(1)}, 1)
    np.testing.assert_array_equal(w, 0)


def test_adagrad_starts_from_its_initial_accumulator() -> None:
    optimizer = Adagrad(1.0, epsilon=0.0, initial_accumulator=9.0)
    w = np.zeros(1)
    np.testing.assert_allclose(optimizer.update(w, np.array([4.0]), optimizer.initial_state(w), 1), -4 / 5)


def test_adamw_decays_by_a_fixed_share_whatever_the_gradients_size() -> None:
    """L2 in the gradient decays a weight with large gradients less; decoupled, all lose alpha lambda of themselves."""
    w, g = np.full(4, 2.0), np.array([0.0, 1e-3, 1.0, 1e3])
    decoupled, plain = AdamW(0.1, weight_decay=0.5), Adam(0.1)
    states = decoupled.initial_state(w), plain.initial_state(w)
    difference = plain.update(w, g, states[1], 1) - decoupled.update(w, g, states[0], 1)
    np.testing.assert_allclose(difference, 0.1 * 0.5 * w, rtol=1e-12)
    for name in ("v", "s"):
        np.testing.assert_array_equal(states[0][name], states[1][name])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_update_keeps_dtype_and_shape_and_leaves_its_arguments_alone(optimizer: Optimizer, dtype: type) -> None:
    w, g = np.ones((2, 3), dtype), np.full((2, 3), 0.5, dtype)
    state = optimizer.initial_state(w)
    for t in (1, 2, 3):
        moved = optimizer.update(w, g, state, t)
        for a in (moved, *state.values()):
            assert (a.dtype, a.shape) == (dtype, (2, 3))
    assert (w == 1).all()
    assert (g == 0.5).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_quadratic_is_descended(optimizer: Optimizer) -> None:
    w = np.array([3.0, -1.0])
    state, start = optimizer.initial_state(w), float(w @ w)
    for t in range(1, 200):
        w = optimizer.update(w, 2 * w, state, t)
    assert w @ w < 0.1 * start


@pytest.mark.parametrize(
    ("kind", "values"),
    [(Nesterov, {"beta": 1.0}), (Adagrad, {"initial_accumulator": -0.1}), (AdamW, {"weight_decay": -0.1})],
)
def test_values_without_sense_are_refused(kind: type[Optimizer], values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        kind(0.1, **values)
