"""Classes that make their weights in training: right ones pass, and mistakes are found in the right array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.trained_inside import find_trained_inside

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {"trained_inside_words": {"w1", "w2"}, "trained_inside_lists": {"W", "W1"}}
MISTAKES = {
    "weights that have moved already": (
        "trained_inside_words",
        "        dl_dw1 = np.outer(x, np.dot(self.w2, e.T))",
        "        self.w2 = self.w2 - (self.eta * dl_dw2)\n        dl_dw1 = np.outer(x, np.dot(self.w2, e.T))\n        dl_dw2 = 0",
        "w1", "calculated after w2 had been updated",
    ),
    "a context word too few": (
        "trained_inside_words", "dl_dw2 = np.outer(h, e)", "dl_dw2 = np.outer(h, e - np.eye(len(e))[1])", "w2", "",
    ),
    "the sign of one": (
        "trained_inside_words", "self.w1 - (self.eta * dl_dw1)", "self.w1 + (self.eta * dl_dw1)", "w1", "the sign is flipped",
    ),
    "the other vector": ("trained_inside_lists", "dLdW1 = np.dot(self.h,e.T)", "dLdW1 = np.dot(self.h,self.y.T)", "W1", ""),
}  # fmt: skip


def judged(path: Path) -> dict[str, dict[str, str]]:
    (found,) = find_trained_inside(source.run(path), frozenset())
    return {d.tensor.rpartition(".")[2]: row(d, {}) for d in found.derived(np.random.default_rng(1))}


def test_scores_of_one_word_alone_are_told(tmp_path):
    text = (SAMPLES / "trained_inside_lists.py").read_text()
    assert "np.sum(t)*self.y" in text
    path = tmp_path / "mine.py"
    path.write_text(text.replace("np.sum(t)*self.y", "self.y"))
    found = judged(path)
    assert {r["verdict"] for r in found.values()} == {"mismatch"}
    assert all("the error of the scores is C y - t" in r["diagnosis"] for r in found.values())


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pass(name):
    found = judged(SAMPLES / f"{name}.py")
    assert set(found) == RIGHT[name]
    assert {r["verdict"] for r in found.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(tmp_path, mistake):
    name, old, new, array, cause = MISTAKES[mistake]
    text = (SAMPLES / f"{name}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    wrong = {a: r["diagnosis"] for a, r in judged(path).items() if r["verdict"] == "mismatch"}
    assert set(wrong) == {array}
    assert cause in wrong[array]
