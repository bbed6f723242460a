"""The `backproof` command as its users meet it: in a process of its own, with and without frameworks, with wrong input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from comparisons.cases import all_cases
from reference import FRAMEWORKS, missing

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = "import sys; sys.argv[0] = 'backproof'; from comparisons.cli import main; main()"
HIDE = """
from importlib.machinery import PathFinder
hidden, find_spec = {names!r}.split(","), PathFinder.find_spec.__func__

def without_hidden(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in hidden else find_spec(cls, name, path, target)

PathFinder.find_spec = classmethod(without_hidden)
"""


@pytest.fixture
def backproof(tmp_path: Path) -> Run:
    """Run the command in an empty folder; `hide` names packages that are to look as if not installed."""

    def run(*arguments: str, hide: str = "", code: str = COMMAND) -> subprocess.CompletedProcess[str]:
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(HIDE.format(names=hide))
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path, "COLUMNS": "80"}
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=work, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def test_list_names_every_case_and_imports_no_framework(backproof: Run) -> None:
    code = "import sys\ntry:\n    " + COMMAND + "\nfinally:\n    print(sorted(sys.modules), file=sys.stderr)"
    done = backproof("list", code=code)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [case.id for case in all_cases()]
    for heavy in ("'torch'", "'tensorflow'", "'keras'", "'pandas'", "'h5py'", "'matplotlib'", "'sklearn'"):
        assert heavy not in done.stderr


def test_importing_the_front_door_imports_nothing_heavy(backproof: Run) -> None:
    code = "import backproof, sys; print(sorted(sys.modules))"
    done = backproof(code=code)
    assert done.returncode == 0
    for heavy in ("'torch'", "'tensorflow'", "'numpy'", "'pandas'", "'comparisons.cases'"):
        assert heavy not in done.stdout


def test_the_front_door_offers_what_it_names(backproof: Run) -> None:
    done = backproof(code="import backproof; print([getattr(backproof, n) is not None for n in backproof.__all__])")
    assert done.returncode == 0, done.stderr
    assert "False" not in done.stdout


def test_help_says_what_the_exit_codes_mean(backproof: Run) -> None:
    done = backproof("run", "--help")
    assert done.returncode == 0
    assert "1  there are discrepancies" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_run_writes_a_whole_report_and_exits_0(backproof: Run, framework: str, tmp_path: Path) -> None:
    if reason := missing(framework):
        pytest.skip(reason)
    hidden = ",".join(f for f in FRAMEWORKS if f != framework)
    done = backproof("run", "layer/dense", "optimizer/adam", "--out", "report", hide=hidden)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "work" / "report"
    rows = pd.read_csv(folder / "discrepancies.csv")
    assert set(rows["reference"]) == {framework}
    assert len(pd.read_parquet(folder / "discrepancies.parquet")) == len(rows)
    assert json.loads((folder / "run.json").read_text())["complete"] is True
    for page in ("summary.md", "report.html"):
        assert (folder / page).stat().st_size > 500
    skipped = pd.read_csv(folder / "skipped.csv")
    assert set(skipped["implementation"]) == set(FRAMEWORKS) - {framework}
    assert "pip install" in skipped["reason"].iloc[0]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_without_any_framework_a_run_cannot_compare_and_says_so(backproof: Run) -> None:
    done = backproof("run", "layer/dense", "--out", "report", hide="torch,tensorflow,keras")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for framework in FRAMEWORKS:
        assert f"pip install 'backproof[{framework}]'" in " ".join(done.stdout.split())


def test_a_required_framework_that_is_missing_is_an_error(backproof: Run, tmp_path: Path) -> None:
    done = backproof("run", "--require", "torch", hide="torch")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("error: torch: package torch is not installed; pip install 'backproof[torch]'")


def test_a_report_is_shown_again_without_any_framework(backproof: Run) -> None:
    usable = [f for f in FRAMEWORKS if not missing(f)]
    if not usable:
        pytest.skip("no framework installed")
    first = backproof("run", "layer/dense/batch5", "--frameworks", usable[0])
    again = backproof("report", hide="torch,tensorflow,keras")
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    assert again.stdout == first.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "layer/dens"), "no case is named 'layer/dens'; did you mean layer/dense"),
        (("run", "--frameworks", "jax"), "no framework is named 'jax'; known are torch, tensorflow"),
        (("run", "--frameworks", "torch", "--require", "tensorflow"), "tensorflow is required but not among"),
        (("run", "layer/dense", "--out", "/dev/null/x"), "/dev/null/x: cannot be written to"),
        (("report", "nowhere"), "nowhere: not a finished run"),
        (("report",), "no report under backproof-runs"),
        (("list", "nothing/here"), "no case is named 'nothing/here'"),
    ],
)
def test_wrong_input_gets_one_line_and_exit_code_2(backproof: Run, arguments: tuple[str, ...], message: str) -> None:
    done = backproof(*arguments)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("backproof: error: ")
    assert message in lines[0]


def test_a_report_is_not_overwritten_unasked(backproof: Run) -> None:
    usable = [f for f in FRAMEWORKS if not missing(f)]
    if not usable:
        pytest.skip("no framework installed")
    arguments = ("run", "layer/dense/batch1", "--frameworks", usable[0], "--out", "report")
    assert backproof(*arguments).returncode == 0
    refused = backproof(*arguments)
    assert refused.returncode == 2
    assert "already holds a report" in refused.stderr
    assert backproof(*arguments, "--overwrite").returncode == 0


def test_a_users_own_scratch_py_does_not_get_in_the_way(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("backproof")
    if not command.exists():
        pytest.skip("backproof is not installed in this environment")
    (tmp_path / "scratch.py").write_text("raise SystemExit('the wrong scratch')")
    done = subprocess.run([command, "list"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
