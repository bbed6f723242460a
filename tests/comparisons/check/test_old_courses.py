"""Courses of the time before frameworks: linear regression with np.matrix, networks with their gradients in the dictionary of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import Derived, row
from comparisons.check.styles.costs import find_objectives
from comparisons.check.styles.kept_in_models import find_kept_in_models
from comparisons.check.styles.opened_training import find_opened

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
SAMPLES = Path(__file__).parent / "samples"
NONE: frozenset[str] = frozenset()
COSTS = {"descend_gradient_descent.theta", "ridge_gradient.theta", "gradient_descent_of_two.theta"}
NET = {f"NetForward.{p}" for p in ("W1", "b1", "W2", "b2")}
MISTAKES = {
    "an element that is moved before the others are calculated": (
        "cost_matrices", "new = np.matrix(np.zeros(theta.shape))", "new = theta",
        "descend_gradient_descent.theta", "elements are updated one after the other", 18,
    ),
    "always the first column": (
        "cost_matrices", "np.multiply(gap, X[:, j]))\n        theta", "np.multiply(gap, X[:, 0]))\n        theta",
        "descend_gradient_descent.theta", "wrong only in column 1 to 3", 0,
    ),
    "uphill": (
        "cost_matrices", "theta[0, j] - alpha", "theta[0, j] + alpha", "descend_gradient_descent.theta", "the sign is flipped", 0,
    ),
    "a penalty that is not averaged": (
        "cost_matrices", "grad[j] + learningRate / len(X) * theta", "grad[j] + learningRate * theta",
        "ridge_gradient.theta", "is l W, that of the cost l/m W", 0,
    ),
    "the first of two that is moved at once": (
        "cost_matrices", "        second = ", "        theta = np.array([first, theta[1]])\n        gap = X @ theta - y\n        second = ",
        "gradient_descent_of_two.theta", "elements are updated one after the other", 0,
    ),
    "hidden units before their activation": ("kept_in_model", 'var["hr"].T', 'var["h"].T', "NetForward.W2", "", 0),
    "no derivative of the activation": ("kept_in_model", ' * (var["h"] > 0)', "", "NetForward.W1 NetForward.b1", "", 0),
    "a mean for a sum": ("kept_in_model", "back.sum(axis=0)", "back.mean(axis=0)", "NetForward.b1", "divided by m once too often", 0),
}  # fmt: skip
LINE = """
def gradient_descent(x, y):
    m_curr = b_curr = 0
    iterations = 10000
    learning_rate = 0.08
    for i in range(iterations):
        gap = y - (m_curr * x + b_curr)
        cost = sum(gap ** 2) / len(x)
        m_curr = m_curr - learning_rate * -2 / len(x) * sum(x * gap)
        b_curr = b_curr - learning_rate * -2 / len(x) * sum(gap)
        print(m_curr, b_curr, cost)
"""


def judged(path: Path) -> dict[str, tuple[dict[str, Any], int]]:
    file = source.run(path)
    things: list[Any] = [
        *find_objectives(file, NONE),
        *find_kept_in_models(file, file.functions()),
        *find_opened(file, NONE),
    ]
    rng = np.random.default_rng(23)
    found: list[Derived] = [d for thing in things for d in thing.derived(rng)]
    return {d.tensor.removeprefix("grad/"): (row(d, {}), d.spot.line if d.spot else 0) for d in reversed(found)}


def test_right_ones_pass() -> None:
    for name, wanted in (("cost_matrices", COSTS), ("kept_in_model", NET)):
        found = judged(SAMPLES / f"{name}.py")
        assert set(found) == wanted
        assert {r["verdict"] for r, _ in found.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_and_named(mistake: str, tmp_path: Path) -> None:
    name, old, new, tensors, cause, line = MISTAKES[mistake]
    text = (SAMPLES / f"{name}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / f"{name}.py"
    path.write_text(text.replace(old, new))
    found = judged(path)
    assert {n for n, (r, _) in found.items() if r["verdict"] != "match"} == set(tensors.split())
    told, at = found[tensors.split()[0]]
    assert cause in told["diagnosis"]
    assert not line or at == line


@pytest.mark.parametrize(
    ("old", "new", "wrong"), [("", "", ""), ("* -2 / len(x) * sum(gap)", "* 2 / len(x) * sum(gap)", "b_curr")]
)
def test_a_line_with_its_numbers_inside(old: str, new: str, wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "line.py"
    path.write_text(LINE.replace(old, new) if old else LINE)
    found = judged(path)
    assert set(found) == {"gradient_descent.m_curr", "gradient_descent.b_curr"}
    assert [n for n, (r, _) in found.items() if r["verdict"] != "match"] == (
        [f"gradient_descent.{wrong}"] if wrong else []
    )
