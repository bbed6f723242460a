"""The report of a self-test: figures are counted, what was missed is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from reports.selftest import SelfTest, by_subject, lines, markdown, notes, write


def figures(killed: int = 4, alarms: int = 0) -> SelfTest:
    rows = [
        {
            "mutant": f"dense/{i}", "subject": "dense", "what": "w|hat", "case": "c", "expected": "t", "tensor": "u",
            "killed": i < killed, "located": i < min(killed, 3), "named": i < min(killed, 2), "diagnosis": "", "exposed_by": "",
        }
        for i in range(4)
    ]  # fmt: skip
    correct_rows = [{"family": "f", "cases": 1, "comparisons": 1234, "undecided": 2, "alarms": alarms, "margin": 0.25}]
    alarm = {"alarm": "a", "tensor": "t", "reference": "torch", "margin": 2.0, "diagnosis": ""}
    return SelfTest(rows, correct_rows, [alarm] * alarms, ("gru/x",), {"frameworks": {"torch": "2"}, "seed": 0})


def test_figures_are_counted_and_a_survivor_or_an_alarm_fails() -> None:
    test = figures()
    assert (test.share("killed"), test.share("located"), test.share("named")) == (1.0, 0.75, 0.5)
    assert not test.passed
    assert by_subject(test) == [("dense", 4, 4, 3, 2)]
    good = [row | {"located": True, "named": True} for row in test.mutants]
    assert replace(test, mutants=good).exit_code == 0
    assert replace(test, mutants=good, alarms=figures(alarms=1).alarms).exit_code == 1
    assert replace(test, mutants=[*good[1:], good[0] | {"killed": False}]).exit_code == 1


def test_report_tells_what_was_missed(tmp_path: Path) -> None:
    test = figures(killed=3, alarms=1)
    assert "1 of 1,234 correct comparisons" in "\n".join(lines(test))
    assert [title for title, _ in notes(test)] == [
        "Survivors", "Not named", "False alarms", "Not run, as no framework here has such a part",
    ]  # fmt: skip
    page = markdown(test)
    assert "no known regime" in page
    assert r"w\|hat" in page
    paths = write(tmp_path / "new", test)
    assert [path.name for path in paths] == ["mutants.csv", "correct.csv", "alarms.csv", "selftest.md"]
    assert pd.read_csv(paths[0])["killed"].tolist() == [True, True, True, False]
