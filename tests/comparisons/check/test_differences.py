"""Finite differences of a user's own forward pass, against derivatives known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparisons.check.differences import FLOOR, Derived, contracted, gradient, jacobian, row

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (np.sin, np.cos),
        (np.exp, np.exp),
        (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        (lambda x: x**5, lambda x: 5 * x**4),
        (lambda x: 1e6 * x, lambda x: 1e6 * np.ones_like(x)),
    ],
)
def test_derivatives_are_as_exact_as_they_claim(f, slope) -> None:
    x = 2 * rng.standard_normal((4, 3))
    upstream = rng.standard_normal((4, 3))
    found, error, kinks = gradient(f, x, upstream)
    assert not kinks.any()
    off = np.abs(found - upstream * slope(x)).max()
    assert off <= 10 * error + 1e-11 * np.abs(found).max()
    assert error <= 1e-9 * np.abs(found).max()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_jacobian_of_a_linear_map_is_the_map(m: int, n: int, seed: int) -> None:
    own = np.random.default_rng(seed)
    a, x = own.standard_normal((m, n)), own.standard_normal(n)
    found, errors = jacobian(lambda v: a @ v, x)
    assert found.shape == errors.shape == (n, m)
    np.testing.assert_allclose(found, a.T, atol=1e-10)


def test_elements_at_a_kink_are_found_and_left_out() -> None:
    x = np.array([-1.0, 1e-5, 2.0, 0.0])
    found, error, kinks = gradient(lambda v: np.maximum(v, 0), x, np.ones(4))
    np.testing.assert_array_equal(kinks, [False, True, False, True])
    assert error < 1e-10
    claimed = np.array([0.0, 1.0, 1.0, 0.0])
    judged = row(Derived("grad/relu.input", claimed, found, error, kinks), {})
    assert (judged["verdict"], judged["kinks"], judged["reference"]) == ("match", 2, "finite differences")


def test_the_tolerance_lets_rounding_pass_and_a_small_mistake_not() -> None:
    x = rng.standard_normal((5, 3))
    slopes, errors = jacobian(np.sin, x)
    total, error, kinks = contracted(slopes, errors, 2, np.ones((5, 3)))
    right = row(Derived("grad/f.input", np.cos(x), total, error, kinks), {})
    assert right["verdict"] == "match"
    assert right["tolerance"] >= FLOOR
    wrong = row(Derived("grad/f.input", np.cos(x) * (1 + 1e-4), total, error, kinks), {})
    assert wrong["verdict"] == "mismatch"
    flipped = row(Derived("grad/f.input", -np.cos(x), total, error, kinks), {})
    assert flipped["diagnosis"].startswith("the sign is flipped")


@pytest.mark.parametrize(
    ("shape", "wanted", "verdict"),
    [((3,), (1, 3), "match"), ((1, 3), (3,), "match"), ((3,), (3, 1), "mismatch"), ((1,), (), "match")],
)
def test_a_row_may_have_an_axis_more(shape: tuple[int, ...], wanted: tuple[int, ...], verdict: str) -> None:
    right = rng.standard_normal(wanted)
    found = row(Derived("grad/f.b", right.reshape(shape), right, 1e-12, np.zeros(wanted, bool)), {})
    assert found["verdict"] == verdict


def test_another_shape_is_told_and_never_broadcast() -> None:
    x = rng.standard_normal((5, 3))
    total, error, kinks = gradient(np.sin, x, np.ones((5, 3)))
    judged = row(Derived("grad/f.input", np.cos(x).sum(axis=0), total, error, kinks), {})
    assert judged["verdict"] == "mismatch"
    assert "shape (3,)" in judged["diagnosis"]
