"""The diagnosis: nothing is claimed of what nobody would do, nothing breaks it, and what is wrong in part is placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from comparisons.case import Case
from comparisons.cases import all_cases, quick, select
from comparisons.diagnosis import Mismatch, diagnose
from comparisons.diagnosis.mismatch import off_by, parts
from comparisons.plan import plan
from comparisons.subject import ScratchModel
from comparisons.trace import record

NETWORKS = ("deep-relu", "batchnorm-dropout", "sparse", "transfer-head", "sequence-lstm")
CASES = {case.id: case for case in quick(all_cases()) if case.suite in ("layer", "loss", "optimizer")} | {
    case.id: case for case in select(all_cases(), tuple(f"network/{name}/batch8" for name in NETWORKS))
}


def mismatches(case: Case) -> Iterator[Mismatch]:
    """Every tensor of a case, with the subject still equal to the reference. Scratch stands for the reference here."""
    drawn = plan(case)
    given = record(ScratchModel(case.architecture, case.optimizer, "float64"), case, drawn).tensors
    for name, a in given.items():
        tolerance = 1e-12 * (float(np.abs(a).max(initial=0)) or 1.0)
        yield Mismatch(case, drawn, name, a, a, given, tolerance)


def one(case: str, name: str) -> Mismatch:
    return next(m for m in mismatches(select(all_cases(), (case,))[0]) if m.name == name)


def made(mismatch: Mismatch, subject: np.ndarray) -> str:
    return diagnose(replace(mismatch, subject=np.asarray(subject)))


@pytest.mark.parametrize("name", CASES)
def test_a_difference_that_nobody_would_make_is_not_explained(name: str) -> None:
    rng = np.random.default_rng(1)
    for mismatch in mismatches(CASES[name]):
        r = mismatch.reference
        if "evaluation" in mismatch.name or not r.size or (mismatch.frozen and "/param/" in mismatch.name):
            continue  # whatever moved a frozen parameter, it is told that it moved
        scale = float(np.abs(r).max(initial=0)) or 1.0
        told = made(mismatch, r + scale * rng.uniform(0.1, 0.7, r.shape))
        assert told.startswith("no known mistake fits"), f"{mismatch.name}: {told}"


@pytest.mark.parametrize("name", CASES)
def test_values_that_are_not_finite_and_other_shapes_break_nothing(name: str) -> None:
    for mismatch in mismatches(CASES[name]):
        r = mismatch.reference
        if r.ndim and r.size > 1:
            spoilt = r.astype(np.float64)
            spoilt.flat[0] = np.nan
            assert "1 of" in made(mismatch, spoilt)
            assert made(mismatch, np.full(r.shape, np.inf)).startswith(
                f"{r.size} of {r.size} elements are NaN or infinite"
            )
        made(mismatch, np.zeros((*r.shape, 2)))
        made(mismatch, np.zeros(()))


def test_an_explanation_that_fits_the_reference_too_is_none() -> None:
    # The last example's upstream gradient is 0, so that leaving it out changes nothing.
    mismatch = one("layer/dense/batch5", "grad/dense1.b")
    batch = mismatch.plan.batches[0]
    assert batch.upstream is not None
    upstream = batch.upstream.copy()
    upstream[-1] = 0
    drawn = replace(mismatch.plan, batches=[replace(batch, upstream=upstream)])
    right = upstream.sum(axis=0)
    still = replace(mismatch, plan=drawn, reference=right)
    assert made(still, right + np.array([0.3, 0.1, -0.2])).startswith("no known mistake")
    assert "divided by m once too often" in made(still, right / 5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda dy, db: dy, "not summed over the examples"),
        (lambda dy, db: db[None], "the right values in another shape"),
        (lambda dy, db: np.tile(db, (5, 1)), "repeated"),
        (lambda dy, db: dy.sum(axis=1), "summed over the features"),
        (lambda dy, db: dy.sum(axis=1, keepdims=True), "summed over the features"),
        (lambda dy, db: dy.sum(), "summed over everything"),
        (lambda dy, db: np.ones((2, 2)), ""),
    ],
)
def test_another_shape_is_explained_by_what_was_summed(change, told: str) -> None:
    mismatch = one("layer/dense/batch5", "grad/dense1.b")
    found = made(mismatch, change(mismatch.upstream(), mismatch.reference))
    assert told in found
    assert bool(told) == bool(found)


def test_evidence_is_the_power_of_ten_to_which_it_fits() -> None:
    mismatch = one("layer/dense/batch5", "grad/dense1.W")
    assert made(mismatch, -mismatch.reference) == "the sign is flipped (to 1e-15)"
    loose = replace(mismatch, tolerance=1e-3)
    assert made(loose, -mismatch.reference * (1 + 5e-7)) == "the sign is flipped (to 1e-6)"
    assert made(mismatch, -mismatch.reference * (1 + 1e-9)).startswith("exactly -1 times")


def test_a_cause_looser_than_the_tolerance_is_not_named() -> None:
    mismatch = one("layer/dense/batch5", "grad/dense1.W")
    rng = np.random.default_rng(0)
    nearly = -mismatch.reference * (1 + 1e-9 * rng.standard_normal(mismatch.reference.shape))
    assert made(mismatch, nearly).startswith("no known mistake fits")


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (np.s_[2], "wrong only in example 2 of 5"),
        (np.s_[4:], "wrong only in example 4 (the last) of 5"),
        (np.s_[1:3], "wrong only in example 1 to 2 of 5"),
        (np.s_[:, 0], "wrong only in feature 0 of 3"),
        (np.s_[[0, 1, 3, 4]], "right only in example 2 of 5"),
        (np.s_[[0, 1, 3]], "wrong only in example 0 to 1 and 3 of 5"),
    ],
)
def test_what_nothing_explains_is_placed(part, told: str) -> None:
    mismatch = one("layer/dense/batch5", "forward/dense1")
    wrong = mismatch.reference.copy()
    wrong[part] += np.random.default_rng(0).uniform(0.2, 0.9, wrong[part].shape)
    assert made(mismatch, wrong) == f"no known mistake fits; {told}"


def test_what_is_wrong_at_the_zeros_of_the_input_or_at_the_border_is_placed_there() -> None:
    rng = np.random.default_rng(0)
    relu = one("layer/relu/zeros", "grad/relu1.input")
    x = relu.input()
    assert x is not None
    at_zeros = np.where(x == 0, rng.uniform(2, 3, x.shape), relu.reference)
    assert made(relu, at_zeros) == "no known mistake fits; wrong exactly where the input is zero"
    conv = one("layer/conv/same-batch3", "grad/conv2d1.input")
    border = np.ones(conv.reference.shape, bool)
    border[:, 1:-1, 1:-1] = False
    borders = conv.reference + np.where(border, rng.uniform(0.5, 1, border.shape), 0)
    assert made(conv, borders) == "no known mistake fits; wrong only at the borders of the images"


def test_one_number_is_given_no_factor_but_a_known_one() -> None:
    mismatch = one("loss/mean-squared-error/normal-batch6", "loss")
    assert "twice" in made(mismatch, 2 * mismatch.reference)
    assert made(mismatch, 0.7312 * mismatch.reference) == "no known mistake fits; a single number"
    names = [told for told, _ in off_by(mismatch, "the cost", mismatch.reference)]
    assert not any(
        "times" in name and "2 times" not in name and "0.5 times" not in name and "m times" not in name
        for name in names
    )


def test_parts_of_a_sum_keep_what_a_regulariser_adds() -> None:
    mismatch = one("layer/dense/batch5", "grad/dense1.b")
    terms = np.asarray(mismatch.upstream())
    regular = np.array([1.0, 2.0, 3.0])
    with_penalty = replace(mismatch, reference=terms.sum(axis=0) + regular)
    told = dict(parts(with_penalty, "example", terms))
    np.testing.assert_allclose(told["only the first example is counted"], terms[0] + regular)
    np.testing.assert_allclose(told["the last example is left out"], terms[:-1].sum(axis=0) + regular)
    assert list(parts(with_penalty, "example", terms[:1])) == []
