"""Linear classifiers that calculate no loss: right ones pass, and mistakes are found in the right array, on the right line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.linear_models import find_linear
from comparisons.check.styles.online_models import find_online
from comparisons.check.styles.opened_training import find_opened

SAMPLES = Path(__file__).parent / "samples"
SAMPLE = SAMPLES / "linear_models.py"
NONE: frozenset[str] = frozenset()
RIGHT = {"MarginClassifier.train.self.coef", "MarginClassifier.train.self.bias", "Pegasos.fit.self.w", "Perceptron.fit.self.w",
         "svm_of_batches.w", "svm_of_batches.b"}  # fmt: skip
MISTAKES = {
    "a bias that goes the wrong way": (
        "self.bias - self.lr * d_bias", "self.bias + self.lr * d_bias", "MarginClassifier.train.self.bias", "the sign is flipped", 27,
    ),
    "another decision than the one that is learned": (
        "np.dot(row, self.coef) - self.bias", "np.dot(row, self.coef) + self.bias", "MarginClassifier.train.self.bias", "the sign is flipped", 27,
    ),
    "the sign of the class left out": (
        "self.lam * self.coef - sign * row", "self.lam * self.coef - row", "MarginClassifier.train.self.coef", "class -1 are learned with the wrong sign", 26,
    ),
    "a decay that grows where there is a loss": (
        "self.lam * self.coef - sign * row", "-self.lam * self.coef - sign * row", "MarginClassifier.train.self.coef",
        "where there is a loss the decay of coef is -0.7 coef, elsewhere 0.7 coef", 26,
    ),
    "a decay that grows everywhere": (
        "self.w *= 1 - eta", "self.w *= 1 + eta", "Pegasos.fit.self.w", "the decay of w has the wrong sign", 42,
    ),
    "uphill": ("self.w += eta * y[i]", "self.w -= eta * y[i]", "Pegasos.fit.self.w", "w goes uphill", 44),
    "uphill in one element": ("self.w[0] += change", "self.w[0] -= change", "Perceptron.fit.self.w", "wrong only in element 0 of 5", 64),
    "a bias without the strength": ("lr * -C * np.sum", "lr * -np.sum", "svm_of_batches.b", "", 74),
}  # fmt: skip


def judged(path: Path) -> dict[str, tuple[dict[str, Any], int]]:
    file = source.run(path)
    return {
        f"{thing.owner}.{d.tensor.removeprefix('grad/')}".lstrip("."): (row(d, {}), d.spot.line if d.spot else 0)
        for thing in find_linear(file, NONE, set())
        for d in thing.derived(np.random.default_rng(5))
    }


def test_right_ones_pass() -> None:
    found = judged(SAMPLE)
    assert set(found) == RIGHT
    assert {r["verdict"] for r, _ in found.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str, tmp_path: Path) -> None:
    old, new, place, cause, line = MISTAKES[mistake]
    text = SAMPLE.read_text()
    assert text.count(old) == 1
    (tmp_path / "wrong.py").write_text(text.replace(old, new))
    found = judged(tmp_path / "wrong.py")
    assert {p for p, (r, _) in found.items() if r["verdict"] != "match"} == {place}
    assert found[place][0]["verdict"] == "mismatch"
    assert cause in found[place][0]["diagnosis"]
    assert found[place][1] == line


def test_nothing_is_left_changed() -> None:
    file = source.run(SAMPLE)
    codes = {n: f.__code__ for n, f in file.functions().items()}
    list(find_linear(file, NONE, set()))
    assert {n: f.__code__ for n, f in file.functions().items()} == codes


def test_files_without_a_decision_cost_no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "plain.py"
    path.write_text(
        "class Mean:\n    def fit(self, X, y):\n        for x in X:\n            self.w = x\n\n    def predict(self, X):\n        return X > 0\n"
    )
    file = source.run(path)
    monkeypatch.setattr(type(file), "call", lambda *_, **__: pytest.fail("it was run"))
    assert list(find_linear(file, NONE, set())) == []


LOGISTIC = '''import numpy as np


class LogisticRegression:
    """Regularised."""

    def __init__(self, penalty="l2", gamma=0):
        self.penalty, self.gamma = penalty, gamma

    def fit(self, X, y, lr=0.01, tol=1e-7, max_iter=1e7):
        before = np.inf
        self.beta = np.random.rand(X.shape[1])
        for _ in range(int(max_iter)):
            p = 1 / (1 + np.exp(-X @ self.beta))
            loss = self._nll(X, y, p)
            if before - loss < tol:
                return
            before = loss
            self.beta -= lr * self._slope(X, y, p)

    def _nll(self, X, y, p):
        nll = -np.log(p[y == 1]).sum() - np.log(1 - p[y == 0]).sum()
        return (nll + self.gamma / 2 * self.beta @ self.beta) / len(X)

    def _slope(self, X, y, p):
        return -((y - p) @ X - self.gamma * self.beta) / len(X)

    def predict(self, X):
        return 1 / (1 + np.exp(-X @ self.beta))
'''


@pytest.mark.parametrize(("sign", "verdict"), [("-", "match"), ("+", "mismatch")])
def test_a_float_limits_the_turns(sign: str, verdict: str, tmp_path: Path) -> None:
    path = tmp_path / "logistic.py"
    path.write_text(LOGISTIC.replace("@ X - self.gamma", f"@ X {sign} self.gamma"))
    file = source.run(path)
    assert list(find_online(file, NONE, set())) == []
    (opened,) = find_opened(file, NONE)
    (d,) = opened.derived(np.random.default_rng(5))
    assert row(d, {})["verdict"] == verdict
