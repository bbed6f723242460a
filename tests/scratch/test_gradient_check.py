"""Difference quotients against derivatives known in closed form, and the reading of their distance."""

from __future__ import annotations

import numpy as np
import pytest

from scratch.gradient_check import check, complex_step, one_sided, two_sided

A = np.array([[0.3, -1.2], [2.0, 0.7]])
EXACT = np.exp(A) * np.cos(A) - np.exp(A) * np.sin(A)


def cost(a: np.ndarray):
    return (np.exp(a) * np.cos(a)).sum()


def test_complex_is_exact_two_sided_close_and_one_sided_coarse() -> None:
    a = A.copy()
    errors = [
        np.abs(found - EXACT).max()
        for found in (complex_step(cost, a), two_sided(lambda: cost(a), a), one_sided(lambda: cost(a), a))
    ]
    assert errors[0] < 1e-14
    assert errors[0] < errors[1] < 1e-9
    assert errors[1] < errors[2] < 1e-6
    np.testing.assert_array_equal(a, A)


def test_two_sided_errs_by_the_square_of_the_step() -> None:
    a = A.copy()
    coarse, fine = (np.abs(two_sided(lambda: cost(a), a, h) - EXACT).max() for h in (1e-2, 1e-3))
    assert coarse / fine == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize(
    ("error", "reading"), [(1e-9, "right"), (1e-6, "look again"), (1e-4, "doubtful"), (1e-2, "wrong"), (1.0, "wrong")]
)
def test_the_courses_reading(error: float, reading: str) -> None:
    checked = check(EXACT * (1 + 2 * error), EXACT)
    assert checked.difference == pytest.approx(error, rel=0.6)
    assert checked.reading == reading


def test_the_worst_element_is_named_with_both_values() -> None:
    wrong = EXACT.copy()
    wrong[1, 0] *= -1
    checked = check(wrong, EXACT)
    assert (checked.worst, checked.analytic, checked.numeric) == ((1, 0), -EXACT[1, 0], EXACT[1, 0])


def test_vanishing_gradients_agree() -> None:
    assert check(np.zeros(3), np.zeros(3)).reading == "right"


def test_float32_and_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="need float64, not float32"):
        two_sided(lambda: 0.0, A.astype("float32"))
    with pytest.raises(ValueError, match=r"shape \(2, 2\), the quotients \(4,\)"):
        check(EXACT, EXACT.ravel())
