"""Logistic regression in both forms, the computation graph, and the table of derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch import computation_graph
from scratch.derivatives import DERIVATIVES
from scratch.logistic import Propagated, fit, propagate_loop, propagate_vectorised

FORMS = {"loop": propagate_loop, "vectorised": propagate_vectorised}
POINTS = {"ln": np.array([0.1, 0.8, 1.0, 7.5])}
EVERYWHERE = np.array([-3.0, -0.7, 0.0, 0.8, 2.0, 5.0])


def problem(
    n: int, m: int, dtype: str = "float64", seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    w, b, X = rng.standard_normal((n, 1)), np.asarray(rng.standard_normal()), rng.standard_normal((n, m))
    return w.astype(dtype), b.astype(dtype), X.astype(dtype), rng.integers(0, 2, (1, m)).astype(dtype)


@given(
    n=st.integers(1, 6), m=st.integers(1, 9), seed=st.integers(0, 2**16), dtype=st.sampled_from(["float64", "float32"])
)
def test_both_forms_compute_the_same_in_the_same_shapes_and_precision(n: int, m: int, seed: int, dtype: str) -> None:
    given_ = problem(n, m, dtype, seed)
    tolerance = {"float64": 1e-12, "float32": 1e-4}[dtype]
    for name, a, b in zip(Propagated._fields, propagate_loop(*given_), propagate_vectorised(*given_), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
        assert a.dtype == dtype, name
        # Sums cancel: the scale is that of what is summed.
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_slopes_of_the_cost(form: str) -> None:
    propagate, (w, b, X, Y), h = FORMS[form], problem(3, 5), 1e-6
    found = propagate(w, b, X, Y)

    def slope(array: np.ndarray, place: tuple[int, ...]) -> float:
        ends = []
        for sign in (1, -1):
            array[place] += sign * h
            ends.append(float(propagate(w, b, X, Y).J))
            array[place] -= sign * h
        return (ends[0] - ends[1]) / (2 * h)

    for array, gradient in ((w, found.dw), (b, found.db), (X, found.dX / X.shape[1])):
        numeric = np.array([slope(array, place) for place in np.ndindex(array.shape)]).reshape(array.shape)
        np.testing.assert_allclose(gradient, numeric, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_the_cost_of_a_single_example_worked_by_hand(form: str) -> None:
    found = FORMS[form](np.array([[2.0], [-1.0]]), np.asarray(0.5), np.array([[1.0], [3.0]]), np.array([[1.0]]))
    a = 1 / (1 + math.exp(0.5))  # z = 2 - 3 + 0.5
    assert float(found.J) == pytest.approx(-math.log(a), rel=1e-15)
    np.testing.assert_allclose(found.dw.ravel(), [a - 1, 3 * (a - 1)], rtol=1e-15)
    assert float(found.dA[0, 0]) == pytest.approx(-1 / a, rel=1e-15)


@pytest.mark.parametrize("form", FORMS)
def test_a_saturated_unit_is_told_by_its_cost_not_by_a_warning(form: str) -> None:
    found = FORMS[form](np.array([[1.0]]), np.asarray(0.0), np.array([[800.0]]), np.array([[0.0]]))
    assert np.isposinf(found.J)
    np.testing.assert_array_equal(found.dZ, [[1.0]])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("w", "X", "Y", "message"),
    [
        ((2, 1), (3, 4), (1, 4), r"w must have shape \(3, 1\)"),
        ((3,), (3, 4), (1, 4), r"w must have shape \(3, 1\)"),
        ((3, 1), (3, 4), (4, 1), r"Y must have shape \(1, 4\)"),
        ((3, 1), (3, 0), (1, 0), "with an example at least"),
        ((3, 1), (3,), (1, 3), r"X must have shape \(n, m\)"),
    ],
)
def test_shapes_that_numpy_would_broadcast_are_refused(form: str, w, X, Y, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FORMS[form](np.zeros(w), np.asarray(0.0), np.zeros(X), np.zeros(Y))


def test_gradient_descent_finds_a_line_that_separates() -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2, 300))
    Y = (X[:1] - 2 * X[1:] > 0.3).astype(float)
    w, b, costs = fit(np.zeros((2, 1)), np.asarray(0.0), X, Y, 1.0, 2000)
    assert costs[0] == pytest.approx(math.log(2))
    assert (np.diff(costs) < 0).all()
    assert ((w.T @ X + b > 0) == Y).mean() > 0.98
    assert w[1, 0] / w[0, 0] == pytest.approx(-2, abs=0.3)


@pytest.mark.parametrize("name", DERIVATIVES)
def test_every_derivative_of_the_table_is_a_slope(name: str) -> None:
    f, derivative = DERIVATIVES[name]
    at, h = POINTS.get(name, EVERYWHERE), 1e-5
    np.testing.assert_allclose(derivative(at), (f(at + h) - f(at - h)) / (2 * h), rtol=1e-8, atol=1e-9)
    for dtype in ("float32", "float64"):
        assert derivative(at.astype(dtype)).dtype == f(at.astype(dtype)).dtype == dtype


def test_sigma_s_derivative_is_symmetric_far_from_0_where_1_minus_sigma_has_no_digits_left() -> None:
    far = np.array([30.0, 200.0, 700.0])
    derivative = DERIVATIVES["sigmoid"].derivative
    np.testing.assert_array_equal(derivative(far), derivative(-far))
    np.testing.assert_allclose(derivative(far), np.exp(-far), rtol=1e-12)


def test_the_lecture_s_graph() -> None:
    values = computation_graph.forward(*(np.asarray(v) for v in (5.0, 3.0, 2.0)))
    assert tuple(map(float, values)) == (5, 3, 2, 6, 11, 33)
    assert tuple(map(float, computation_graph.backward(values))) == (3, 6, 9, 3, 3)


def test_the_notes_graph_has_another_dc_than_they_say() -> None:
    """With b = 4, dJ/dc = 3 b = 12; the notes keep the 9 of the lecture's b = 3."""
    values = computation_graph.forward(*(np.asarray(v) for v in (7.0, 4.0, 2.0)))
    assert tuple(map(float, values)) == (7, 4, 2, 8, 15, 45)
    assert float(computation_graph.backward(values).c) == 12
