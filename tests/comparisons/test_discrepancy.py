"""The judge: what it calls equal, different, undecidable, and what it counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from comparisons.discrepancy import Kink, judge, measure
from comparisons.tolerance import K, Runs, distance, noise

NOISE = 1e-15
REFERENCE = np.array([[1.0, -2.0, 3.0], [4.0, -5.0, 8.0]])


def changed(index: tuple[int, int], by: float) -> np.ndarray:
    s = REFERENCE.copy()
    s[index] += by
    return s


def test_equal_arrays_match_and_need_nothing() -> None:
    row = judge(REFERENCE.copy(), REFERENCE, "float64", NOISE)
    assert (row["verdict"], row["needed"], row["max_ulp"], row["mismatched"]) == ("match", 0.0, 0.0, 0)


def test_one_wrong_element_is_found_where_it_is() -> None:
    row = judge(changed((1, 0), 4e-3), REFERENCE, "float64", NOISE)
    assert row["verdict"] == "mismatch"
    assert row["worst_index"] == "(1, 0)"
    assert row["mismatched"] == 1
    assert row["max_abs"] == pytest.approx(4e-3)
    assert row["max_rel"] == pytest.approx(1e-3)
    assert row["needed"] == pytest.approx(4e-3 / 8)
    assert row["max_ulp"] == pytest.approx(4e-3 / np.spacing(4.0))
    assert (row["subject_value"], row["reference_value"]) == (4.004, 4.0)
    assert row["rms_rel"] == pytest.approx(4e-3 / np.sqrt((REFERENCE**2).sum()))


@pytest.mark.parametrize(("factor", "verdict"), [(0.5, "match"), (2.0, "mismatch")])
def test_the_limit_is_k_times_the_noise(factor: float, verdict: str) -> None:
    assert judge(changed((0, 1), factor * K * NOISE), REFERENCE, "float64", NOISE)["verdict"] == verdict


def test_a_registered_floor_widens_the_limit_relative_to_the_largest_element() -> None:
    off = changed((0, 1), 8 * 1e-9)
    assert judge(off, REFERENCE, "float64", NOISE)["verdict"] == "mismatch"
    assert judge(off, REFERENCE, "float64", NOISE, floor=1e-8)["verdict"] == "match"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (np.zeros((2, 3)), "zero throughout"),
        (np.full((2, 3), 7.0), "constant"),
        (np.full((2, 3), np.nan), "NaN throughout"),
        (np.zeros((0, 3)), "empty"),
    ],
)
def test_a_trivial_reference_proves_nothing(reference: np.ndarray, reason: str) -> None:
    row = judge(reference.copy(), reference, "float64", NOISE)
    assert row["verdict"] == "vacuous"
    assert reason in row["diagnosis"]


def test_a_trivial_reference_still_contradicts() -> None:
    assert judge(np.ones((2, 3)), np.zeros((2, 3)), "float64", NOISE)["verdict"] == "mismatch"


def test_too_noisy_is_vacuous_and_never_a_match() -> None:
    row = judge(REFERENCE.copy(), REFERENCE, "float64", 1e-5)
    assert row["verdict"] == "vacuous"
    assert "ill-conditioned" in row["diagnosis"]


def test_shapes_are_never_broadcast() -> None:
    row = judge(REFERENCE[:1], REFERENCE, "float64", NOISE)
    assert row["verdict"] == "mismatch"
    assert row["diagnosis"] == "shape (1, 3), the reference has (2, 3)"


@pytest.mark.parametrize(("run", "dtype"), [("float64", "float32"), ("float32", "float64")])
def test_another_dtype_is_a_mismatch(run: str, dtype: str) -> None:
    row = judge(REFERENCE.astype(dtype), REFERENCE, run, NOISE)
    assert row["verdict"] == "mismatch"
    assert dtype in row["diagnosis"]


@pytest.mark.parametrize(
    ("s", "r", "verdict"),
    [
        (np.nan, np.nan, "match"),
        (np.nan, 1.0, "mismatch"),
        (1.0, np.nan, "mismatch"),
        (np.inf, np.inf, "match"),
        (np.inf, -np.inf, "mismatch"),
        (1e308, np.inf, "mismatch"),
    ],
)
def test_nan_and_infinity_equal_only_themselves(s: float, r: float, verdict: str) -> None:
    subject, reference = REFERENCE.copy(), REFERENCE.copy()
    subject[0, 0], reference[0, 0] = s, r
    assert judge(subject, reference, "float64", NOISE)["verdict"] == verdict


def test_elements_at_a_kink_are_counted_and_left_out() -> None:
    z = np.array([[1e-16, 1.0, 2.0], [-3.0, 0.0, 0.5]])
    kink = Kink(-z, z, noise=1e-16)
    row = judge(changed((0, 0), 5.0), REFERENCE, "float64", NOISE, kink=kink)
    assert (row["verdict"], row["kinks"]) == ("match", 1)
    # (1, 1) is an exact 0 in both: both stand on the same side, nothing is left out.
    assert judge(changed((1, 1), 5.0), REFERENCE, "float64", NOISE, kink=kink)["verdict"] == "mismatch"
    assert judge(changed((0, 1), 5.0), REFERENCE, "float64", NOISE, kink=kink)["verdict"] == "mismatch"


arrays = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e300, 1e300))


@given(r=arrays, data=st.data())
def test_measure_agrees_with_numpy_on_any_shape(r: np.ndarray, data: st.DataObject) -> None:
    s = data.draw(hnp.arrays(np.float64, r.shape, elements=st.floats(-1e300, 1e300)))
    d = measure(s, r, tolerance=1.0)
    difference = np.abs(s - r)
    assert d.max_abs == difference.max() == difference[d.worst]
    assert d.mismatched == np.count_nonzero(difference > 1)


@given(r=arrays)
def test_an_array_never_differs_from_itself(r: np.ndarray) -> None:
    assert judge(r.copy(), r, "float64", 0.0)["verdict"] in ("match", "vacuous")


def test_noise_takes_the_largest_of_its_sources() -> None:
    r = np.array([1.0, 2.0])

    def runs(**others: Any) -> Runs:
        return Runs(**({"s64": r, "s32": r.astype("float32"), "r64": r} | others))

    assert noise(runs(), "float64") == 2.0**-52 * 2
    assert noise(runs(s32=np.float32([1.5, 2])), "float64") == 0.5 * 2.0**-29
    assert noise(runs(r_rounding=0.25), "float64") == 0.25 * 2.0**-29
    assert noise(runs(spread=1e-9), "float64") == 1e-9
    assert noise(runs(), "float32") == 2.0**-23 * 2
    assert noise(runs(r_rounding=0.25), "float32") == 0.25
    assert noise(runs(spread=1e-9), "float32") == 2.0**29 * 1e-9
    assert noise(runs(s32=np.float32([1.5, 2])), "float32") == 2.0**-23 * 2, (
        "the judged error must not widen its own limit"
    )


def test_noise_ignores_what_it_cannot_measure() -> None:
    r = np.array([1.0, np.inf])
    assert noise(Runs(r, np.float32([1, np.inf]), r), "float64") == 2.0**-52


def test_distance_is_the_largest_finite_difference() -> None:
    a, b = np.array([1.0, np.nan, np.inf, 3.0]), np.array([1.5, 0.0, np.inf, -1.0])
    assert distance(a, b) == 4
    assert distance(a.astype("float32"), b) == 4
    assert distance(a[:2], np.array([[1.0, 2.0]])) == 0, "nothing is broadcast"


@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (2, 3, 4, 2), (0, 3)])
def test_pieces_are_judged_as_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    r, z = rng.standard_normal((2, *shape))
    s = r + rng.choice([0, 1e-9, np.nan], shape, p=[0.5, 0.4, 0.1])
    for values in (s, np.asfortranarray(s)):
        kink = Kink(np.where(rng.random(shape) < 0.5, z, -z), z, 5e-4)
        whole = judge(values, r, "float64", 1e-12, kink=kink)
        monkeypatch.setattr("comparisons.blocks.BLOCK", 5)
        pieces = judge(values, r, "float64", 1e-12, kink=kink)
        monkeypatch.undo()
        assert pieces.pop("rms_rel") == pytest.approx(whole.pop("rms_rel"))
        np.testing.assert_equal(pieces, whole)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_the_relative_root_mean_square_of_many_pieces(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comparisons.blocks.BLOCK", 5)
    s, r = np.random.default_rng(0).standard_normal((2, 23))
    expected = np.linalg.norm(s - r) / np.linalg.norm(r)
    assert measure(scale * s, scale * r, 1.0).rms_rel == pytest.approx(expected)
