"""What a run makes of trouble: a missing tensor, an exception on either side, a refusal, an interrupt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comparisons.case import Case
from comparisons.cases import all_cases, select
from comparisons.run import Request, compare
from comparisons.runner import Runner
from comparisons.subject import ScratchModel
from reference import FRAMEWORKS, MissingFramework, Unsupported, missing, twin_class
from reports import exit_code
from scratch import Dense, Network
from scratch.weights import flatten


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    if reason := missing(request.param):
        pytest.skip(reason)
    return request.param


def case(name: str) -> Case:
    return select(all_cases(), (name,))[0]


def rows(framework: str, name: str) -> list[dict[str, Any]]:
    return Runner((framework,)).compare(case(name)).discrepancies


def test_a_tensor_that_the_subject_lacks_is_missing(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backward = Network.backward

    def forgetful(self: Network, upstream: np.ndarray):
        grads, input_grads = backward(self, upstream)
        return {layer: {p: g for p, g in named.items() if p != "b"} for layer, named in grads.items()}, input_grads

    monkeypatch.setattr(Network, "backward", forgetful)
    absent = [row for row in rows(framework, "layer/dense/batch5") if row["verdict"] == "missing"]
    assert {(row["tensor"], row["dtype"]) for row in absent} == {
        ("grad/dense1.b", "float64"),
        ("grad/dense1.b", "float32"),
    }
    assert absent[0]["diagnosis"] == "scratch has no such tensor"


def test_a_tensor_that_the_reference_lacks_is_missing_too(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state = ScratchModel.optimizer_state

    def talkative(self: ScratchModel):
        return {layer: {p: s | {"extra": s["v"]} for p, s in named.items()} for layer, named in state(self).items()}

    monkeypatch.setattr(ScratchModel, "optimizer_state", talkative)
    absent = [row for row in rows(framework, "optimizer/momentum") if row["verdict"] == "missing"]
    assert absent
    assert all(row["tensor"].endswith(".extra") for row in absent)
    assert absent[0]["diagnosis"] == f"{framework} has no such tensor"


def test_an_exception_in_the_subject_is_an_error_row_and_the_run_goes_on(framework: str, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise IndexError("list index out of range\nand a second line")

    monkeypatch.setattr(Dense, "backward", broken)
    tables = compare(Request(("layer/dense/batch5", "layer/tanh/normal"), (framework,)))
    by_case = {name: set(found["verdict"]) for name, found in tables.discrepancies.groupby("case")}
    assert by_case == {"layer/dense/batch5": {"error"}, "layer/tanh/normal": {"match"}}
    error = tables.discrepancies.query("verdict == 'error'").iloc[0]
    assert error["diagnosis"] == "scratch raised IndexError: list index out of range"
    assert exit_code(tables) == 1


def test_an_exception_in_the_reference_is_an_error_row(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no kernel")

    monkeypatch.setattr(twin_class(framework), "differentiate", broken)
    found = rows(framework, "layer/dense/batch5")
    assert {(row["verdict"], row["diagnosis"]) for row in found} == {
        ("error", f"{framework} raised RuntimeError: no kernel")
    }


def test_a_refusal_is_vacuous_with_its_convention(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Unsupported("probability-clip")

    monkeypatch.setattr(twin_class(framework), "differentiate", refuse)
    result = Runner((framework,)).compare(case("layer/dense/batch5"))
    assert {(row["verdict"], row["convention"]) for row in result.discrepancies} == {("vacuous", "probability-clip")}
    assert [row["convention"] for row in result.conventions] == ["probability-clip"]


def test_a_layer_that_writes_into_its_input_is_found(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from scratch import Tanh

    def in_place(self, x, state):
        np.tanh(x, out=x)
        return x, x

    monkeypatch.setattr(Tanh, "forward", in_place)
    wrong = [
        row["tensor"] for row in rows(framework, "network/batchnorm-dropout/batch8") if row["verdict"] == "mismatch"
    ]
    assert "forward/batchnorm1" in wrong


def test_a_required_framework_that_is_missing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference.missing", lambda name: f"{name}: gone")
    with pytest.raises(MissingFramework, match="torch: gone"):
        compare(Request(("layer/dense",), required=("torch",)))
    tables = compare(Request(("layer/dense",)))
    assert tables.skipped["reason"].tolist() == ["torch: gone", "tensorflow: gone"]
    assert exit_code(tables) == 2


def test_an_interrupt_keeps_what_was_compared(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Runner.compare

    def interrupted(self: Runner, one: Case):
        if one.id == "layer/dense/one-output":
            raise KeyboardInterrupt
        return whole(self, one)

    monkeypatch.setattr(Runner, "compare", interrupted)
    tables = compare(Request(("layer/dense",), (framework,)))
    assert tables.info["complete"] is False
    assert set(tables.discrepancies["case"]) == {"layer/dense/batch1", "layer/dense/batch5", "layer/dense/no-bias"}
    assert framework in tables.info["frameworks"]
    assert exit_code(tables) == 2


def test_one_runs_numbers_do_not_depend_on_what_ran_before(framework: str) -> None:
    names = ("layer/dropout/evaluation", "layer/batchnorm/normal", "network/deep-relu/zeros")
    together = Runner((framework,))
    for name in (*names, *names):
        alone, after = Runner((framework,)).compare(case(name)), together.compare(case(name))
        for a, b in zip(alone.discrepancies, after.discrepancies, strict=True):
            a, b = (row | {"seconds": 0.0} for row in (a, b))
            np.testing.assert_equal(a, b)
        assert [row["convention"] for row in alone.conventions] == [row["convention"] for row in after.conventions]


def test_every_mapping_that_changes_numbers_is_worth_something(framework: str) -> None:
    """A value convention whose mapping changed nothing anywhere would be a mapping that is not needed."""
    cases = [one for one in all_cases() if not one.data and one.suite != "network"]
    runner, largest = Runner((framework,)), {}
    for one in [*cases, case("network/deep-relu/batch8")]:
        for row in runner.compare(one).conventions:
            if row["difference"] == row["difference"]:
                largest[row["convention"]] = max(row["difference"], largest.get(row["convention"], 0.0))
    assert len(largest) >= 5
    assert min(largest.values()) > 1e-9, largest


def test_weights_are_the_same_on_every_side_before_the_first_step(framework: str) -> None:
    from comparisons.plan import plan

    one = case("network/batchnorm-dropout/batch8")
    drawn, model = plan(one), ScratchModel(one.architecture, one.optimizer, "float64")
    twin = twin_class(framework)(one.architecture, one.optimizer)
    model.load(drawn.weights)
    twin.load(drawn.weights)
    for kind in ("params", "buffers"):
        ours, theirs = (dict(flatten(getattr(side.weights(), kind))) for side in (model, twin))
        assert {n: a.tobytes() for n, a in ours.items()} == {n: a.tobytes() for n, a in theirs.items()}
