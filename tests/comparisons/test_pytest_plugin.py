"""`assert_matches` in tests: failures that read well, one table per session, one report, also with pytest-xdist."""

from __future__ import annotations

import pytest

import backproof
from backproof import BackproofError
from reference import missing

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.skipif(missing("torch") is not None, reason=missing("torch") or "")

TESTS = """
import backproof, pytest
from scratch import Dense

@backproof.layer(Dense(4, 3))
def good(x, upstream, W, b):
    return x @ W + b, upstream @ W.T, {"W": x.T @ upstream, "b": upstream.sum(axis=0)}

@backproof.layer(Dense(4, 3))
def bad(x, upstream, W, b):
    return x @ W + b, upstream @ W.T, {"W": x.T @ upstream, "b": upstream.mean(axis=0)}

def test_good():
    assert len(backproof.assert_matches(good).tables.discrepancies) == 12

@pytest.mark.parametrize("regime", ["normal", "tiny"])
def test_bad(regime):
    backproof.assert_matches(bad, regimes=[regime])
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_one_table_and_one_report_per_session(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("--backproof-report=out", "-p", "no:cacheprovider", *workers)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*divided by*"])
    result.stdout.fnmatch_lines(["*= backproof =*", "28 tensors compared, 2 wrong", "report: out*report.html"])
    rows = backproof.read(pytester.path / "out").discrepancies
    assert len(rows) == 28
    assert set(rows.loc[rows["verdict"] == "mismatch", "tensor"]) == {"grad/dense1.b"}
    assert any("test_bad[tiny]" in case for case in rows["case"])


def test_nothing_is_said_where_nothing_was_compared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.no_fnmatch_line("*= backproof =*")


def test_a_report_that_cannot_be_written_is_told_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test(): pass")
    pytester.path.joinpath("file").touch()
    result = pytester.runpytest_subprocess("--backproof-report=file/out", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --backproof-report: file/out: cannot be written to*"])


def test_what_is_not_recognised_is_an_error_and_no_pass() -> None:
    def unknown() -> None:
        pass

    with pytest.raises(BackproofError, match="unknown: not recognised; say what it is"):
        backproof.assert_matches(unknown)
    with pytest.raises(BackproofError, match="not instances"):
        backproof.assert_matches(3)
    with pytest.raises(BackproofError, match="no regime is named 'weird'"):
        backproof.assert_matches(unknown, regimes=["weird"])
