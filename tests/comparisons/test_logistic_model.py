"""Logistic regression in loops and vectorised as subjects: green, and red in the right tensor with a mistake in them."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.logistic_model import LoopLogistic, VectorisedLogistic
from comparisons.run import Request, compare
from reference import FRAMEWORKS, missing
from reports.summary import culprits
from scratch import (
    L2,
    Adam,
    BinaryCrossEntropy,
    Dense,
    GradientDescent,
    MeanSquaredError,
    Sigmoid,
    architecture,
    initial_weights,
    logistic,
)

UNIT = architecture(Dense(3, 1), Sigmoid(), loss=BinaryCrossEntropy())


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    if reason := missing(request.param):
        pytest.skip(reason)
    return request.param


def test_both_forms_agree_with_the_reference(framework: str) -> None:
    selection = ("course/logistic-loops", "course/logistic-vectorised")
    rows = compare(Request(selection, (framework,), dtypes=("float64",))).discrepancies
    assert set(rows["subject"]) == {"logistic-loops", "logistic-vectorised"}
    assert set(rows["verdict"]) == {"match"}


@pytest.mark.parametrize("model", [LoopLogistic, VectorisedLogistic])
def test_a_sum_that_is_not_averaged_is_found_and_named(framework: str, model: type, monkeypatch) -> None:
    right = model.propagate

    def summed(*given: np.ndarray) -> logistic.Propagated:
        found = right(*given)
        return found._replace(dw=found.dw * given[2].shape[1])

    monkeypatch.setattr(model, "propagate", staticmethod(summed))
    form = "loops" if model is LoopLogistic else "vectorised"
    culprit = culprits(compare(Request((f"course/logistic-{form}/batch8",), (framework,)))).iloc[0]
    assert culprit["tensor"] == "grad/dense1.W"
    assert "the 1/m is missing" in culprit["diagnosis"]


@pytest.mark.parametrize(
    ("arch", "optimizer", "message"),
    [
        (architecture(Dense(3, 2), Sigmoid(), loss=BinaryCrossEntropy()), None, "Dense of one output"),
        (architecture(Dense(3, 1, bias=False), Sigmoid(), loss=BinaryCrossEntropy()), None, "with a bias"),
        (architecture(Dense(3, 1), Sigmoid(), loss=MeanSquaredError()), None, "and MeanSquaredError"),
        (architecture(loss=BinaryCrossEntropy()), None, "Dense of one output"),
        (
            architecture(*(layer for _, layer in UNIT.layers), loss=UNIT.loss, regulariser=L2(0.1)),
            None,
            "not Dense, Sig",
        ),
        (UNIT, Adam(0.1), "learns by gradient descent, not Adam"),
    ],
)
def test_what_is_not_logistic_regression_is_refused(arch, optimizer, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VectorisedLogistic(arch, optimizer, "float64")


@pytest.mark.parametrize("model", [LoopLogistic, VectorisedLogistic])
def test_the_door_keeps_weights_bit_for_bit(model: type) -> None:
    weights, unit = initial_weights(UNIT, np.random.default_rng(0)), model(UNIT, GradientDescent(0.1), "float64")
    unit.load(weights)
    for p, a in unit.weights().params["dense1"].items():
        assert a.tobytes() == weights.params["dense1"][p].tobytes()
