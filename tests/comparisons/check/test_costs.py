"""Costs with their gradients in several authors' ways: what to give is found out, right ones pass, and mistakes are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.costs import find_objectives

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "cost_unrolled": {"costFunction": 2},
    "cost_rolled": {"objective": 4},
    "cost_embeddings": {"softmaxLossAndGradient": 2, "negSamplingLossAndGradient": 2},
    "cost_line": {"step_downhill": 2, "update_weights": 2, "compute_gradient": 2},
    "cost_object": {"SparseAutoencoder.cost": 4},
    "cost_updates": {"gradient_descent": 1, "TiedAutoencoder.train": 3},
    "cost_through_predictions": {"LogisticRegression._gradients": 2},
    "differences_cost": {"gradient": 1},
    "cost_families": {
        "cofiCostFunc": 2,
        "grad_GLoVe": 4,
        "glove_gradients": 4,
        "neg_sampling_grad": 3,
        "linear_svm_gradient": 2,
    },
    "cost_skipgram": {"softmaxCostAndGradient": 2, "negSamplingCostAndGradient": 2, "skipgram": 2, "cbow": 2},
}
MISTAKES = {
    "a bias of a vector that is put together averaged twice": (
        "cost_rolled", "db2 = ds2.sum(axis=0)", "db2 = ds2.mean(axis=0)", "objective.b2", "divided by m once too often",
    ),
    "a matrix of a vector that is put together not decayed": (
        "cost_rolled", "X.T @ ds1 + reg * W1", "X.T @ ds1", "objective.W1", "is nothing, that of the cost l W",
    ),
    "decay of one factor of the wrong sign": (
        "cost_families", "Theta[j, :]) - Y_temp, X_temp) + lambda_", "Theta[j, :]) - Y_temp, X_temp) - lambda_",
        "cofiCostFunc.Theta", "in 12 of 36 elements",
    ),
    "co-occurrences not transposed": (
        "cost_families", "grad_W_tilde = 2 * loss.T @ W", "grad_W_tilde = 2 * loss @ W", "grad_GLoVe.W_tilde", "",
    ),
    "biases summed along the other axis": (
        "cost_families", "diff.T @ w, diff.sum(axis=1)", "diff.T @ w, diff.sum(axis=0)", "glove_gradients.b", "",
    ),
    "noise words by the wrong probability": (
        "cost_families", "(1 - neg) @ U_neg", "neg @ U_neg", "neg_sampling_grad.v_c", "",
    ),
    "only the last context word counts": (
        "cost_skipgram", "gradIn[cword_idx] += c_grad_in", "gradIn[cword_idx] = c_grad_in", "skipgram.inputVectors", "",
    ),
    "a context word that comes twice counts once": (
        "cost_skipgram", "gradIn[tokens[w]] += gradPred", "gradIn[tokens[w]] = gradPred", "cbow.inputVectors", "adds once",
    ),
    "bias decayed in the gradient alone": (
        "cost_unrolled", "T1[:, 1:] += lam / m * Theta1[:, 1:]", "T1 += lam / m * Theta1",
        "costFunction.Theta1", "is l/m W, that of the cost nothing, in 6 of 51 elements",
    ),
    "decay of the last layer forgotten": (
        "cost_unrolled", "T2[:, 1:] += lam / m * Theta2[:, 1:]", "",
        "costFunction.Theta2", "is nothing, that of the cost l/m W, in 18 of 51 elements",
    ),
    "cost of the wrong sign": (
        "cost_unrolled", "J = -np.sum", "J = np.sum", "costFunction.Theta2 costFunction.Theta1", "",
    ),
    "words that are drawn twice": (
        "cost_embeddings", "np.add.at(gradOutside, negatives, np.outer(1 - s, centerVec))",
        "gradOutside[negatives] += np.outer(1 - s, centerVec)",
        "negSamplingLossAndGradient.outsideVectors", "a[indices] += ... adds once",
    ),
    "sign of the centre word": (
        "cost_embeddings", "p[outsideIdx] -= 1\n    gradCenter = outsideVectors.T @ p",
        "p[outsideIdx] -= 1\n    gradCenter = -outsideVectors.T @ p",
        "softmaxLossAndGradient.centerVec", "the sign is flipped",
    ),
    "sparsity outside the bracket": (
        "cost_object", "(W2.T.dot(d3) + sparsity) * a2 * (1 - a2)", "W2.T.dot(d3) * a2 * (1 - a2) + sparsity", "cost.b1 cost.W1", "",
    ),
    "one element after the other": (
        "cost_updates", "        error = X.dot(theta) - y\n        theta = theta - alpha * X.T.dot(error) / m",
        "        for j in range(len(theta)):\n            theta[j] = theta[j] - alpha * (X.dot(theta) - y).dot(X[:, j]) / m",
        "gradient_descent.theta", "one after the other",
    ),
    "a bias that sees the new weights": (
        "cost_updates", "self.vbias += lr * L2.mean(axis=0)",
        "self.vbias += lr * (self.x - self.decode(y)).mean(axis=0)", "train.vbias", "",
    ),
    "a slope that is overwritten": (
        "cost_line", "slope_m += -(2 / n)", "slope_m = -(2 / n)", "step_downhill.m", "",
    ),
    "an intercept that goes uphill": (
        "cost_line", "slope_b += -(2 / n)", "slope_b += (2 / n)", "step_downhill.b", "the sign is flipped",
    ),
    "an intercept that is not averaged": (
        "cost_line", "bias -= by_bias / len(radio)", "bias -= by_bias", "update_weights.bias", "the 1/m is missing",
    ),
    "a slope without its input": (
        "cost_line", "dj_dw += miss * x[i]", "dj_dw += miss", "compute_gradient.w", "",
    ),
    "penalty without 1/m in its gradient": (
        "cost_through_predictions", "self.reg_lambda / m * self.weights", "self.reg_lambda * self.weights",
        "_gradients.weights", "is l W, that of the cost l/m W",
    ),
    "penalty's 2 forgotten": (
        "cost_through_predictions", "self.reg_lambda / (2 * m) * np.sum", "self.reg_lambda / m * np.sum",
        "_gradients.weights", "is l/m W, that of the cost 2 l/m W",
    ),
    "1/m forgotten, but not in the penalty": (
        "cost_through_predictions", "X.T @ (y_pred - y) / m + ", "X.T @ (y_pred - y) + ",
        "_gradients.weights", "all but the regulariser's part is m times too large (m = 7)",
    ),
    "decoder's part forgotten": (
        "cost_updates", "(noisy.T.dot(L1) + L2.T.dot(y))", "noisy.T.dot(L1)", "train.W", "",
    ),
}  # fmt: skip


def judged(path: Path) -> dict[str, list[dict[str, Any]]]:
    file = source.run(path)
    found = {}
    for objective in find_objectives(file, frozenset()):
        name = ".".join(filter(None, (objective.owner, objective.gradient)))
        found[name] = [row(d, {}) for d in objective.derived(np.random.default_rng(11))]
    return found


@pytest.mark.parametrize("sample", RIGHT)
def test_right_gradients_are_found_and_raise_no_alarm(sample: str) -> None:
    found = judged(SAMPLES / f"{sample}.py")
    assert {name: len(rows) for name, rows in found.items()} == RIGHT[sample]
    assert {r["verdict"] for rows in found.values() for r in rows} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_named(mistake: str, tmp_path: Path) -> None:
    sample, old, new, tensor, cause = MISTAKES[mistake]
    text = (SAMPLES / f"{sample}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    wrong = {r["tensor"]: r["diagnosis"] for rows in judged(path).values() for r in rows if r["verdict"] == "mismatch"}
    tensors = [f"grad/{t}" for t in tensor.split()]
    assert list(wrong) == tensors
    assert cause in wrong[tensors[0]]


def test_a_half_in_the_cost_and_the_rate_of_an_update_are_no_mistakes(tmp_path: Path) -> None:
    text = (SAMPLES / "cost_updates.py").read_text().replace("/ (2 * m)", "/ m")
    path = tmp_path / "mine.py"
    path.write_text(text)
    objective = next(find_objectives(source.run(path), frozenset()))
    assert objective.remarks == ["the update goes by 0.5 times the gradient of the cost, throughout"]


def test_numbers_of_which_none_goes_down_the_cost_are_not_judged(tmp_path: Path) -> None:
    text = (SAMPLES / "cost_line.py").read_text()
    path = tmp_path / "other.py"
    path.write_text(text.replace("-2 *", "-3.3 * radio[i] *"))
    assert "update_weights" not in judged(path)


TWO_COSTS = """
import numpy as np

def costFunction(theta, X, y):
    h = 1 / (1 + np.exp(-X.dot(theta)))
    return -np.mean(y * np.log(h) + (1 - y) * np.log(1 - h))

def computeCost(X, y, theta):
    return np.sum(np.square(X.dot(theta) - y)) / (2 * len(y))

def gradientDescent(X, y, theta, alpha, num_iters):
    for _ in range(num_iters):
        theta = theta - alpha / len(y) * X.T.dot(X.dot(theta) - y)
    return theta
"""


def test_of_several_costs_beside_one_update_that_counts_with_which_it_agrees(tmp_path: Path) -> None:
    path = tmp_path / "two.py"
    path.write_text(TWO_COSTS)
    assert [(o.cost, o.gradient) for o in find_objectives(source.run(path), frozenset())] == [
        ("computeCost", "gradientDescent")
    ]
    assert [r["verdict"] for r in judged(path)["gradientDescent"]] == ["match"]
