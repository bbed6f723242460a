"""Recurrent networks that are scripts: loss, gradients and updates in loops at the top level."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import Checked, check
from reports.schema import FAILING

SAMPLE = Path(__file__).parent / "samples" / "script_recurrent.py"
DZ = "dz = (1 - states[t] ** 2) * ds"
MISTAKES = {
    "not transposed": ("ds = np.dot(W.T, dz)", "ds = np.dot(W, dz)", {"U", "W"}, ""),
    "derivative taken at z": (
        DZ,
        "z = np.dot(U, x[t - 1].reshape(1, 1)) + np.dot(W, states[t - 1])\n            dz = (1 - z ** 2) * ds",
        {"U", "W"},
        "but z is z: the derivative is taken at z",
    ),
    "first step alone": ("dU += np.dot", "dU = np.dot", {"U"}, ""),
}


def _checked(path: Path) -> tuple[Checked, set[str]]:
    (found,) = check(path, ("torch",)).checked
    return found, {re.split(r"\W", row["tensor"])[-1] for row in found.rows if row["verdict"] in FAILING}


@pytest.mark.parametrize("truncated", [False, True])
def test_a_recurrent_script_is_compared_with_few_units_and_few_steps(truncated: bool, tmp_path: Path) -> None:
    text = SAMPLE.read_text()
    if truncated:  # on purpose: the gradient goes only so far back
        text = text.replace("T = 25\n", "T = 25\nbptt_truncate = 5\n")
        text = text.replace("range(T, 0, -1)", "range(T, max(0, T - bptt_truncate), -1)")
    path = tmp_path / "script.py"
    path.write_text(text)
    found, wrong = _checked(path)
    assert {row["verdict"] for row in found.rows} == {"match"}
    assert len(found.rows) == 3
    assert not wrong


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_way_back_through_time_is_found(mistake: str, tmp_path: Path) -> None:
    old, new, names, cause = MISTAKES[mistake]
    text = SAMPLE.read_text()
    assert text.count(old) == 1
    path = tmp_path / "script.py"
    path.write_text(text.replace(old, new))
    found, wrong = _checked(path)
    assert wrong == names
    assert cause in next(row["diagnosis"] for row in found.rows if row["verdict"] in FAILING)
