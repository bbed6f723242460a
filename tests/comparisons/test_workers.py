"""A run in several processes finds what a run in one finds, and ends as one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from comparisons.cases import all_cases, named, select
from comparisons.errors import BackproofError
from comparisons.run import Request, compare
from comparisons.workers import families, parts, processes
from reference import FRAMEWORKS, missing
from reports import exit_code

COMMAND = "import sys; sys.argv[0] = 'backproof'; from comparisons.cli import main; main()"
SELECTION = ("layer/dense", "layer/sigmoid", "layer/batchnorm", "loss/hinge", "optimizer/adam")
INSTALLED = [name for name in FRAMEWORKS if not missing(name)]
needs_one = pytest.mark.skipif(not INSTALLED, reason="no framework installed")
needs_both = pytest.mark.skipif(len(INSTALLED) < 2, reason="a framework is not installed")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comparisons.workers._cores", lambda: 2)


def test_families_are_neighbours_and_lose_no_case() -> None:
    cases = all_cases()
    found = families(cases)
    assert [case for family in found for case in family] == cases
    assert all(len({named(case) for case in family}) == 1 for family in found)
    assert len(found) < len(cases) / 4


def test_several_processes_are_for_many_small_cases(monkeypatch: pytest.MonkeyPatch, two_cores: None) -> None:
    monkeypatch.setattr("comparisons.workers.missing", lambda name: None)
    cases = select(all_cases(), ("layer", "loss"))
    assert processes(Request(), cases) == 2
    assert processes(Request(frameworks=("torch",)), cases) == 2
    assert processes(Request(), cases[:5]) == 1
    assert processes(Request(), [*cases, replace(cases[0], slow=True)]) == 1
    assert processes(Request(), select(all_cases(), ("layer/conv",))) == 1
    assert processes(Request(subject="tensorflow"), cases) == 1
    assert processes(Request(frameworks=("tensorflow", "tensorflow-function")), cases) == 1
    monkeypatch.setattr("comparisons.workers._cores", lambda: 64)
    assert processes(Request(), cases) == 4
    monkeypatch.setattr("comparisons.workers._cores", lambda: 1)
    assert processes(Request(), cases) == 1
    monkeypatch.setattr("comparisons.workers._cores", lambda: 2)
    monkeypatch.setattr("comparisons.workers.missing", lambda name: "gone")
    assert processes(Request(), cases) == 1


@needs_both
def test_a_run_apart_finds_what_a_run_in_one_process_finds(two_cores: None) -> None:
    told: list[tuple[str, int, int]] = []
    here = compare(Request(SELECTION))
    apart = compare(Request(SELECTION), lambda *step: told.append(step), apart=True)
    assert told[0][0].endswith("in 2 processes")
    count = len(select(all_cases(), SELECTION))
    done = [finished for _, finished, _ in told]
    assert (done, done[-1], {total for _, _, total in told}) == (sorted(done), count, {count})

    columns = ["case", "reference", "tensor", "dtype", "scope", "verdict", "convention"]
    pd.testing.assert_frame_equal(apart.discrepancies[columns], here.discrepancies[columns])
    pd.testing.assert_frame_equal(apart.conventions, here.conventions, rtol=1e-3)
    columns = ["case", "implementation", "runs"]
    pd.testing.assert_frame_equal(apart.timings[columns], here.timings[columns])
    assert (apart.info["complete"], apart.info["frameworks"]) == (True, here.info["frameworks"])
    assert apart.info["peak_memory_mb"] > 200
    assert exit_code(apart) == 0


@needs_one
def test_a_process_that_is_killed_is_one_clear_line() -> None:
    request = Request(("optimizer",), (INSTALLED[0],))
    found = parts(request, [INSTALLED[0]], request.cases(), 2)
    part = next(found)
    assert part.process != os.getpid()
    os.kill(part.process, signal.SIGKILL)
    with pytest.raises(BackproofError, match="was killed, for want of memory perhaps"):
        list(found)


@needs_one
def test_frameworks_whose_import_fails_are_columns_less(tmp_path: Path) -> None:
    (tmp_path / f"{INSTALLED[0]}.py").write_text("raise ImportError('wrong wheel')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import comparisons.workers as w; w._cores = lambda: 2; "
    command = [sys.executable, "-c", code + COMMAND, "run", *SELECTION, "--frameworks", ",".join(INSTALLED)]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--out", "report", "--overwrite", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    done = run()
    assert "in 2 processes" in done.stderr
    skipped = pd.read_csv(tmp_path / "report" / "skipped.csv")
    assert skipped[skipped["case"] == "*"]["implementation"].tolist() == [INSTALLED[0]]
    assert "installed but does not import (wrong wheel)" in skipped["reason"].iloc[0]
    rows = pd.read_csv(tmp_path / "report" / "discrepancies.csv")
    assert set(rows["reference"]) == {*INSTALLED[1:]}
    done = run("--require", INSTALLED[0])
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"backproof: error: {INSTALLED[0]}: installed but does not import")
    assert "Traceback" not in done.stderr


@needs_one
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes")
def test_an_interrupt_ends_all_processes_and_keeps_what_was_compared(tmp_path: Path) -> None:
    # What is started in the background of a shell is deaf to interrupts, and so would be its children.
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = hearing + "import comparisons.workers as w; w._cores = lambda: 2; " + COMMAND
    command = [sys.executable, "-c", code, "run", "--frameworks", INSTALLED[0], "--out", "report"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    told = ""
    while not told.startswith("comparing"):  # a family is done
        told = process.stderr.readline()
        assert told, process.communicate()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert json.loads((tmp_path / "report" / "run.json").read_text())["complete"] is False
    assert "layer/dense/batch1" in set(pd.read_csv(tmp_path / "report" / "discrepancies.csv")["case"])
    for _ in range(100):  # multiprocessing's own helper needs a moment
        if not alive(process.pid):
            break
        time.sleep(0.1)
    assert not alive(process.pid)


def alive(group: int) -> bool:
    """Whether a group has a process left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
