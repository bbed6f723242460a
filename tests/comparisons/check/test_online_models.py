"""What learns from one example at a time and shows no gradients: right ones pass, and mistakes are found in the right array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.online_models import find_online
from comparisons.check.styles.sampled_words import find_sampled_words

SAMPLES = Path(__file__).parent / "samples"
NONE: frozenset[str] = frozenset()
RIGHT = {
    "online_models": {"learn_one.coef", "learn_one.bias", "train_step.weights", "train_step.bias", "train_step.centers", "train_step.sigmas",
                      "update.U", "update.V"},
    "sampled_words": {"learn.syn0 (line 28)", "learn.syn1neg (line 28)", "learn.syn0 (line 43)", "learn.syn1neg (line 43)"},
}  # fmt: skip
MISTAKES = {
    "a mean that is not divided on the way back": (
        "online_models", "self.U[c] -= back / len(context)", "self.U[c] -= back", "update.U", "not divided by their number", 83,
    ),
    "a width to the wrong power": ("online_models", "d2 / self.sigmas ** 3", "d2 / self.sigmas ** 2", "train_step.sigmas", "", 60),
    "uphill in the centers": (
        "online_models", "self.centers -= self.eta_c", "self.centers += self.eta_c", "train_step.centers", "the sign is flipped", 59,
    ),
    "the mean of the words around": (
        "sampled_words", "syn0[c] += error / len(context)", "syn0[c] += error", "learn.syn0 (line 28)", "not divided by their number", 40,
    ),
    "vectors that have moved already": (
        "sampled_words",
        "                    error += g * syn1neg[target]\n                    syn1neg[target] += g * hidden\n",
        "                    syn1neg[target] += g * hidden\n                    error += g * syn1neg[target]\n",
        "learn.syn0 (line 28)", "calculated after syn1neg had been updated", 38,
    ),
    "the wrong vector": ("sampled_words", "syn1neg[node] += g * syn0[c]", "syn1neg[node] += g * error", "learn.syn1neg (line 43)", "", 49),
}  # fmt: skip


def judged(path: Path) -> dict[str, tuple[dict[str, Any], int]]:
    file = source.run(path)
    found: list[Any] = [*find_online(file, NONE, set()), *find_sampled_words(file, NONE, {"BagOfWords.update"})]
    return {
        d.tensor.removeprefix("grad/"): (row(d, {}), d.spot.line if d.spot else 0)
        for thing in found
        for d in thing.derived(np.random.default_rng(5))
    }


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pass(name: str) -> None:
    found = judged(SAMPLES / f"{name}.py")
    assert set(found) == RIGHT[name]
    assert {r["verdict"] for r, _ in found.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(tmp_path: Path, mistake: str) -> None:
    name, old, new, array, cause, line = MISTAKES[mistake]
    text = (SAMPLES / f"{name}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    wrong = {a: (r["diagnosis"], at) for a, (r, at) in judged(path).items() if r["verdict"] == "mismatch"}
    assert set(wrong) == {array}
    assert cause in wrong[array][0]
    assert wrong[array][1] == line


def test_a_step_that_is_the_gradient_of_something_else_is_not_judged(tmp_path: Path) -> None:
    text = """
import numpy as np
class Robust:
    def __init__(self, n_features, lr=0.1):
        self.w, self.v, self.lr = np.ones(n_features), np.ones(n_features), lr
    def predict(self, x):
        return np.dot(self.w, x) + np.dot(self.v, x ** 2)
    def update(self, x, y):
        e = np.tanh(self.predict(x) - y)
        self.w = self.w - self.lr * e * x
        self.v = self.v - self.lr * e * x ** 2
"""
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert not judged(path)
