"""Training steps without a cost: what has been updated before it is used is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.ordered_steps import find_ordered_steps

IN_PLACE = """
import numpy as np
def epoch(X, y, W1, W2, lr=0.1, batch=100):
    for i in range(0, len(y), batch):
        x, labels = X[i:i + batch], y[i:i + batch]
        n = len(x)
        H = np.maximum(x @ W1, 0)
        P = np.exp(H @ W2)
        P /= P.sum(axis=1, keepdims=True)
        P[np.arange(n), labels] -= 1
        {steps}
"""
RETURNED = """
import numpy as np
def train_step(x, y, w1, b1, w2, b2, learning_rate):
    a1 = np.tanh(w1 @ x + b1)
    a2 = 1 / (1 + np.exp(-(w2 @ a1 + b2)))
    d2 = (a2 - y) / x.shape[1]
    {steps}
    return w1, b1, w2, b2
"""
LATE = {
    "in place": (
        IN_PLACE, "W2 -= lr * (H.T @ P) / n; W1 -= lr * x.T @ ((P @ W2.T) * (H > 0)) / n", {"W1"}, "after W2 had been updated",
    ),
    "returned": (
        RETURNED, "w2 = w2 - learning_rate * d2 @ a1.T; d1 = (w2.T @ d2) * (1 - a1 ** 2); w1 = w1 - learning_rate * d1 @ x.T; "
        "b1 = b1 - learning_rate * d1.sum(axis=1, keepdims=True); b2 = b2 - learning_rate * d2.sum(axis=1, keepdims=True)",
        {"w1", "b1"}, "had been updated",
    ),
}  # fmt: skip
FINE = {
    "in place": (IN_PLACE, "D = (P @ W2.T) * (H > 0); W2 -= lr * (H.T @ P) / n; W1 -= lr * x.T @ D / n"),
    "the wrong sign in time": (IN_PLACE, "D = (P @ W2.T) * (H > 0); W2 -= lr * (H.T @ P) / n; W1 += lr * x.T @ D / n"),
    "shortened ways": (
        IN_PLACE,
        "D = (P @ W2.T) * (H > 0); W2 -= np.clip(lr * (H.T @ P) / n, -0.01, 0.01); W1 -= lr * x.T @ D / n",
    ),
    "one parameter after the other, of no gradient": (
        IN_PLACE,
        "W2 -= lr * H.T @ np.sign(P) * H.T @ P; W1 -= lr * x.T @ (P @ W2.T) * (H > 0).mean()",
    ),
}


def found(text: str, steps: str, folder: Path) -> list[dict[str, dict[str, str]]]:
    path = folder / "mine.py"
    path.write_text(text.format(steps=steps))
    return [
        {d.tensor.rpartition(".")[2]: row(d, {}) for d in step.derived(np.random.default_rng(1))}
        for step in find_ordered_steps(source.run(path), frozenset(), set())
    ]


@pytest.mark.parametrize("which", LATE)
def test_what_is_used_too_late_is_found(which: str, tmp_path: Path) -> None:
    text, steps, late, cause = LATE[which]
    (rows,) = found(text, steps, tmp_path)
    assert {n for n, r in rows.items() if r["verdict"] == "mismatch"} == late
    assert all(cause in rows[n]["diagnosis"] for n in late)


@pytest.mark.parametrize("which", FINE)
def test_what_is_used_in_time_or_is_no_gradient_is_left_alone(which: str, tmp_path: Path) -> None:
    assert not found(*FINE[which], tmp_path)
