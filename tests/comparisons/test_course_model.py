"""The course's functions as a subject: compared like the network, and red when one of the notes' mistakes is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.cases import all_cases, select
from comparisons.course_model import CourseModel
from comparisons.course_practice_model import course_model
from comparisons.data import cats
from comparisons.errors import MissingData
from comparisons.run import Request, compare
from reference import FRAMEWORKS, missing
from reports.summary import culprits
from scratch import (
    L2,
    BinaryCrossEntropy,
    Dense,
    Dropout,
    MeanSquaredError,
    ReLU,
    RMSprop,
    Sigmoid,
    architecture,
    course,
    course_practice,
    course_shallow,
)


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    if reason := missing(request.param):
        pytest.skip(reason)
    return request.param


def test_the_courses_functions_agree(framework: str) -> None:
    rows = compare(
        Request(("course/deep", "course/logistic", "course/shallow-tanh"), (framework,), dtypes=("float64",))
    ).discrepancies
    assert set(rows["subject"]) == {"course"}
    assert set(rows["verdict"]) <= {"match", "vacuous"}
    assert (rows["verdict"] == "match").mean() > 0.85  # a batch of one switches many ReLUs off


def db_divided_twice(dZ, cache):
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m / m


def test_the_notes_second_division_by_m_is_found_and_named(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "linear_backward", db_divided_twice)
    culprit = culprits(compare(Request(("course/deep/gradient-descent",), (framework,)))).iloc[0]
    assert (culprit["phase"], culprit["tensor"]) == ("gradient", "grad/dense3.b")
    assert "divided by m once too often" in culprit["diagnosis"]


def shallow_wrong_square(parameters, cache, X, Y):
    dZ2, m = cache["A2"] - Y, X.shape[1]
    dZ1 = parameters["W2"].T @ dZ2 * (1 - cache["A1"]) ** 2
    right = course_shallow.backward_propagation(parameters, cache, X, Y)
    return right | {"dW1": dZ1 @ X.T / m, "db1": dZ1.sum(axis=1, keepdims=True) / m}


def l2_without_m(X, Y, cache, lambd):
    return course_practice.backward_propagation_with_regularization(X, Y, cache, lambd * X.shape[1])


def dropout_not_rescaled(X, Y, cache, keep_prob):
    return course_practice.backward_propagation_with_dropout(X, Y, cache, 1.0)


@pytest.mark.parametrize(
    ("case", "function", "mistake", "tensor"),
    [
        ("shallow-tanh/gradient-descent", "backward_propagation", shallow_wrong_square, "grad/dense1.W"),
        ("deep/l2", "backward_propagation_with_regularization", l2_without_m, "grad/dense3.W"),
        ("deep/dropout", "backward_propagation_with_dropout", dropout_not_rescaled, "grad/dense2.W"),
    ],
)
def test_mistakes_in_the_other_networks_are_found(
    framework: str, monkeypatch: pytest.MonkeyPatch, case: str, function: str, mistake, tensor: str
) -> None:
    monkeypatch.setattr(course, function, mistake)
    rows = compare(Request((f"course/{case}",), (framework,), dtypes=("float64",))).discrepancies
    wrong = rows[(rows["phase"] == "gradient") & (rows["step"] == 0) & (rows["verdict"] == "mismatch")]
    assert tensor in set(wrong["tensor"])
    right = rows[(rows["phase"] == "forward") & (rows["step"] == 0)]
    assert set(right["verdict"]) <= {"match", "vacuous"}


def test_slow_cases_run_only_when_named() -> None:
    cases = all_cases()
    assert any(case.slow for case in cases)
    assert not any(case.slow for case in select(cases, ()))
    assert [case.id for case in select(cases, ("course/cats",))] == ["course/cats/seed002"]


@pytest.mark.parametrize(
    ("arch", "optimizer", "message"),
    [
        (architecture(Dense(3, 1), loss=BinaryCrossEntropy()), None, "the course's network is"),
        (architecture(Dense(3, 2), ReLU(), Dense(2, 1), Sigmoid(), loss=MeanSquaredError()), None, "the course's cost"),
        (architecture(Dense(3, 1), Sigmoid(), loss=BinaryCrossEntropy()), RMSprop(0.1), "the course has no RMSprop"),
    ],
)
def test_what_the_course_has_not_is_refused(arch, optimizer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        course_model(arch, optimizer, "float64")


def three_layers(*dropouts: float, regulariser=None):
    keep = [Dropout(k) for k in dropouts]
    return architecture(Dense(3, 4), ReLU(), *keep[:1], Dense(4, 2), ReLU(), *keep[1:], Dense(2, 1), Sigmoid(),
                        loss=BinaryCrossEntropy(), regulariser=regulariser)  # fmt: skip


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (three_layers(0.8, 0.5), "one keep_prob for both layers, not 0.8 and 0.5"),
        (three_layers(0.8, 0.8, regulariser=L2(0.1)), "no L2 together with dropout"),
        (architecture(Dense(3, 1), Sigmoid(), loss=BinaryCrossEntropy(), regulariser=L2(0.1)), "three layers alone"),
    ],
)
def test_combinations_that_the_course_has_not_are_refused(arch, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        course_model(arch, None, "float64")


def test_missing_and_broken_images_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKPROOF_DATA", str(tmp_path))
    with pytest.raises(MissingData, match=r"train_catvnoncat.h5 cannot be read.*set BACKPROOF_DATA"):
        cats()
    (tmp_path / "train_catvnoncat.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(MissingData, match="cannot be read") as caught:
        cats()
    assert "\n" not in str(caught.value)


def test_a_data_set_that_is_missing_is_a_skipped_case(framework: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("BACKPROOF_DATA", str(tmp_path))
    tables = compare(Request(("course/cats", "layer/dense/batch1"), (framework,)))
    assert tables.skipped["case"].tolist() == ["course/cats/seed002"]
    assert set(tables.discrepancies["case"]) == {"layer/dense/batch1"}


def test_the_door_keeps_weights_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    arch = architecture(Dense(3, 2), ReLU(), Dense(2, 1), Sigmoid(), loss=BinaryCrossEntropy())
    from scratch import initial_weights

    weights, model = initial_weights(arch, rng), CourseModel(arch, None, "float64")
    model.load(weights)
    for layer, named in model.weights().params.items():
        for name, a in named.items():
            assert a.tobytes() == weights.params[layer][name].tobytes()
