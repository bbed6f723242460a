"""Modes as references and as subjects: what a run makes of them, and what it says when one cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comparisons.cases import all_cases, select
from comparisons.errors import UnknownName
from comparisons.run import Request, compare
from comparisons.runner import COMPILE_FROM, Runner
from reference import MODES, REFERENCES, MissingFramework, NotInMode, Unsupported, missing, twin_class, version
from reports import exit_code
from reports.headline import headline

FUNCTION = "tensorflow-function"


def needs(*references: str) -> None:
    for reason in filter(None, map(missing, references)):
        pytest.skip(reason)


def test_a_mode_is_judged_against_another() -> None:
    needs("tensorflow")
    names = ("layer/batchnorm/normal", "loss/mean-squared-error/normal-batch6")
    tables = compare(Request(names, (FUNCTION,), dtypes=("float64",), quick=True, subject="tensorflow"))
    rows = tables.discrepancies
    assert exit_code(tables) == 0
    assert set(rows["case"]) == set(names)
    assert (set(rows["subject"]), set(rows["reference"])) == ({"tensorflow"}, {FUNCTION})
    (versions,) = set(rows["versions"])
    assert versions == f"{version('tensorflow')}, {version('tensorflow')}"
    assert set(rows["scope"]) == {"propagated"}
    assert set(tables.timings["implementation"]) == {"tensorflow", FUNCTION, "comparison"}
    assert "of tensorflow 2" in headline(tables).sentence


def test_a_mode_that_computes_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("tensorflow")
    kind = twin_class(FUNCTION)
    evaluate = kind.evaluate
    monkeypatch.setattr(kind, "evaluate", lambda self, x: {n: a * (1 + 1e-9) for n, a in evaluate(self, x).items()})
    tables = compare(Request(("layer/dense/batch5",), ("tensorflow",), dtypes=("float64",), subject=FUNCTION))
    wrong = tables.discrepancies.query("verdict == 'mismatch'")
    assert set(wrong["tensor"]) == {"step1/evaluation/dense1"}
    assert set(wrong["subject"]) == {FUNCTION}
    assert wrong["needed"].iloc[0] == pytest.approx(1e-9, rel=1e-3)


def test_a_subjects_float32_constant_counts_against_a_reference_without_one() -> None:
    needs("torch", "tensorflow")
    tables = compare(Request(("layer/lrn/strong-normal",), ("torch",), dtypes=("float64",), subject="tensorflow"))
    rows = tables.discrepancies
    assert set(rows["verdict"]) == {"match"}
    assert set(rows["floor"]) == {"lrn-float32"}
    assert rows["needed"].max() > 1e-9


def test_what_a_mode_cannot_compile_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("tensorflow")

    def refuse(*_: object, **__: object) -> None:
        raise NotInMode("XLA cannot compile it: no kernel")

    monkeypatch.setattr(twin_class(FUNCTION), "differentiate", refuse)
    for subject, references in (("scratch", (FUNCTION,)), (FUNCTION, ("tensorflow",))):
        tables = compare(Request(("layer/dense/batch5", "layer/tanh/normal"), references, subject=subject))
        skipped = tables.skipped
        assert skipped["case"].tolist() == ["layer/dense/batch5", "layer/tanh/normal"]
        assert set(skipped["implementation"]) == {FUNCTION}
        assert set(skipped["reason"]) == {"XLA cannot compile it: no kernel"}
        assert exit_code(tables) == 2


def test_what_a_subject_refuses_is_vacuous(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("tensorflow")

    def refuse(*_: object, **__: object) -> None:
        raise Unsupported("probability-clip")

    monkeypatch.setattr(twin_class("tensorflow"), "differentiate", refuse)
    rows = compare(Request(("layer/dense/batch5",), (FUNCTION,), subject="tensorflow")).discrepancies
    assert set(zip(rows["verdict"], rows["convention"], strict=True)) == {("vacuous", "probability-clip")}


@pytest.mark.parametrize("others", [(), (FUNCTION,)], ids=["alone", "beside-a-mode"])
def test_a_long_training_is_eager_only_beside_a_mode(others: tuple[str, ...]) -> None:
    needs("tensorflow")
    (case,) = select(all_cases(), ("optimizer/adam/default",))
    assert len(case.batches) >= COMPILE_FROM
    twin = Runner(("tensorflow", *others))._twin("tensorflow", case, "float64")
    assert twin.compiled is (not others)


def test_the_cost_of_a_modes_own_convention_is_measured_in_that_mode_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch-compile")
    (case,) = select(all_cases(), ("optimizer/adam/default",))
    announced: list[str] = []
    runner = Runner(("torch", "torch-compile"), ("float64",), announce=announced.append)
    result = runner.compare(case)
    assert {row["verdict"] for row in result.discrepancies} <= {"match", "vacuous"}
    measured = {r["convention"]: r["difference"] for r in result.conventions if r["implementation"] == "torch-compile"}
    assert [name for name, cost in measured.items() if not np.isnan(cost)] == ["compiled-step-count"]
    assert 1e-7 < measured["compiled-step-count"] < 1e-4
    assert "compiled-step-count" not in {r["convention"] for r in result.conventions if r["implementation"] == "torch"}
    assert set(announced) == {"compiling for torch-compile: optimizer/adam/default"}


@pytest.mark.parametrize("mode", MODES)
def test_a_training_on_real_data_runs_in_a_mode(mode: str) -> None:
    """The first steps on the digits, dropout, batch norm and a short last batch among them, and the evaluation."""
    needs(mode)
    pytest.importorskip("sklearn")
    (case,) = select(all_cases(), ("training/digits",))
    sizes = (64, 64, 29)
    short = replace(case, batches=sizes, recorded_steps=(1, 2, 3))
    rows = Runner((mode,), ("float64",), measure=False).compare(short).discrepancies
    assert {row["verdict"] for row in rows} <= {"match", "vacuous"}
    matched = {row["tensor"] for row in rows if row["verdict"] == "match"}
    last = dict(case.architecture.layers)
    wanted = {
        "trajectory/loss",
        "step3/evaluation/predictions",
        f"step3/evaluation/{list(last)[-1]}",
        "step3/param/dense1.W",
    }
    assert wanted <= matched
    assert any(name.startswith("step3/buffer/batchnorm1") for name in matched)


def test_nothing_is_compared_with_itself() -> None:
    assert Request(subject="torch").references == ("tensorflow",)
    assert Request(frameworks=("torch", "torch-compile", "torch")).references == ("torch", "torch-compile")
    with pytest.raises(UnknownName, match="torch would be compared with itself alone; name another with --frameworks"):
        Request(frameworks=("torch",), subject="torch")
    with pytest.raises(UnknownName, match="'jax'; known are scratch, torch, tensorflow, torch-compile"):
        Request(subject="jax")
    assert {case.subject for case in Request(("layer/dense", "course"), subject="torch").cases()} == {"torch"}
    assert {case.subject for case in Request(("layer/dense",)).cases()} == {"scratch"}


def test_a_subject_that_is_missing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference.missing", lambda name: f"{name}: gone")
    with pytest.raises(MissingFramework, match="tensorflow-xla: gone"):
        compare(Request(("layer/dense",), subject="tensorflow-xla"))


def backproof(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'backproof'; from comparisons.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=os.environ | {"COLUMNS": "80"} | environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_without_a_compiler_the_mode_is_skipped_or_if_required_an_error(tmp_path: Path) -> None:
    needs("torch-compile")
    line = "torch-compile: no C++ compiler found; install one or set CXX"
    arguments = ("run", "layer/dense/batch5", "--frameworks", "torch-compile", "--out", "report")
    skipped = backproof(tmp_path, *arguments, CXX="/nowhere/c++")
    assert skipped.returncode == 2
    assert line in skipped.stdout
    assert pd.read_csv(tmp_path / "report" / "skipped.csv")["reason"].tolist() == [line]
    for strict in (("--require", "torch-compile"), ("--subject", "torch-compile", "--frameworks", "torch")):
        refused = backproof(tmp_path, *arguments, *strict, "--overwrite", CXX="/nowhere/c++")
        assert refused.returncode == 2
        assert refused.stderr.splitlines()[-1] == f"backproof: error: {line}"
        assert "Traceback" not in refused.stderr


def test_list_names_the_modes(tmp_path: Path) -> None:
    done = backproof(tmp_path, "list", "layer/dense")
    assert done.returncode == 0
    for name in REFERENCES:
        assert f"reference {name}: " in done.stderr
    assert set(MODES) < set(REFERENCES)


def test_a_run_shows_subject_and_reference(tmp_path: Path) -> None:
    needs("tensorflow")
    chosen = ("--subject", "tensorflow", "--frameworks", FUNCTION, "--dtype", "float64")
    done = backproof(tmp_path, "run", "layer/dense/batch5", *chosen, "--out", "report")
    assert done.returncode == 0, done.stderr
    assert "of tensorflow 2" in " ".join(done.stdout.split())
    assert f"against {FUNCTION} 2" in " ".join(done.stdout.split())
    assert f"compiling for {FUNCTION}" in done.stderr
    rows = pd.read_csv(tmp_path / "report" / "discrepancies.csv")
    assert set(zip(rows["subject"], rows["reference"], strict=True)) == {("tensorflow", FUNCTION)}
