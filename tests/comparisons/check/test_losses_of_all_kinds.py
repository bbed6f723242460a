"""Losses of all kinds with their gradients, in several authors' ways: right ones pass, and mistakes are found in the right place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.judging import check
from comparisons.check.known_losses import beside_torch
from comparisons.check.report import verdict
from comparisons.check.styles.loss_pairs import LossPairs

pytest.importorskip("torch")

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "losses_of_all_kinds": 12,
    "losses_in_classes": 10,
    "losses_that_remember": 7,
    "losses_in_tables": 7,
    "losses_of_several_arrays": 13,
}
"""Losses in a file."""
LOSS, GRADIENT = "forward", "grad"
LIBRARIES = {"losses_in_a_book": 3, "losses_of_other_names": 7, "losses_of_scores": 5}
"""Files in which squared errors and cross-entropies stand among others: all parts that are compared."""
MISTAKES = [
    # file, old, new, unit, what is wrong
    ("losses_of_all_kinds", "np.where(y_pred > y_true, 1, -1)", "np.where(y_pred > y_true, -1, 1)", "mae", GRADIENT),
    ("losses_of_all_kinds", "np.size(y_true) * rmse(y_true, y_pred)", "np.size(y_true)", "rmse", GRADIENT),
    ("losses_of_all_kinds", "(np.abs(error) - 0.5 * delta)", "np.abs(error)", "huber", LOSS),
    ("losses_of_all_kinds", "error, delta * np.sign(error))", "error, np.abs(error))", "huber", GRADIENT),
    ("losses_of_all_kinds", "return np.tanh(y_pred - y_true) / len", "return np.tanh(y_true - y_pred) / len", "log_cosh", GRADIENT),
    ("losses_of_all_kinds", "np.log(np.cosh(y_pred - y_true)", "np.log(np.sinh(1 + (y_pred - y_true) ** 2)", "log_cosh", LOSS),
    ("losses_of_all_kinds", "y_true * y_pred < 1, -y_true", "y_true * y_pred < 1, -y_pred", "hinge", GRADIENT),
    ("losses_of_all_kinds", "y_true * y_pred < 1, -y_true", "y_true * y_pred < 0, -y_true", "hinge", GRADIENT),
    ("losses_of_all_kinds", "return -2 * y_true * np.max", "return -y_true * np.max", "squared_hinge", GRADIENT),
    ("losses_of_all_kinds", "return -(y_true / np.clip(y_pred", "return -(np.log(y_true) / np.clip(y_pred", "kl_divergence", GRADIENT),
    ("losses_of_all_kinds", "1 - y_true / (y_pred + 1e-8)", "y_pred - y_true / (y_pred + 1e-8)", "poisson", GRADIENT),
    ("losses_of_all_kinds", "(gamma - 1) * np.log(pt) - (1", "(gamma - 1) * np.log(pt) + (1", "focal_loss", GRADIENT),
    ("losses_of_all_kinds", "np_) - cos * y_pred / np_ ** 2", "np_) - cos * y_pred / np_", "cosine_similarity_loss", GRADIENT),
    ("losses_of_all_kinds", "(2 * y_true * total - (2", "(2 * y_true * total - (1", "dice_loss", GRADIENT),
    ("losses_in_classes", "np.sign(y_pred - y_true) / y_true.size", "np.sign(y_true - y_pred) / y_true.size", "MeanAbsoluteError", GRADIENT),
    ("losses_in_classes", "self.delta * (a - quadratic)", "self.delta * a", "HuberLoss", LOSS),
    ("losses_in_classes", "-self.delta, self.delta) / y", "0, self.delta) / y", "HuberLoss", GRADIENT),
    ("losses_in_classes", "(y_true * y_pred < 1) / y", "(y_true * y_pred > 1) / y", "Hinge", GRADIENT),
    ("losses_in_classes", "(1 - y_true / y_pred)", "(y_true / y_pred - 1)", "Poisson", GRADIENT),
    ("losses_in_classes", "keepdims=True) * p) / n / len", "keepdims=True) * p) / len", "CosineProximity", GRADIENT),
    ("losses_in_classes", "/ (1 + y_pred) / y_true.size", "/ y_pred / y_true.size", "MeanSquaredLogarithmicError", GRADIENT),
    ("losses_in_classes", "np.log(p) - (1 - p) ** g / p) / len", "np.log(p) - (1 - p) ** g) / len", "FocalLoss", GRADIENT),
    ("losses_that_remember", "np.sign(self.pred - self.target) / self.pred.size", "np.sign(self.pred - self.target) / self.pred.size ** 2", "L1Loss", GRADIENT),
    ("losses_that_remember", "self.diff / self.beta, np.sign(self.diff))", "self.diff, np.abs(self.diff))", "SmoothL1Loss", GRADIENT),
    ("losses_that_remember", "self.t[np.arange(n), labels] += 1", "self.t[np.arange(n), labels] = 1", "LabelSmoothingCrossEntropy", LOSS),
    ("losses_that_remember", "return (self.p - self.t) / len(self.p)", "return self.p * (1 - self.t) / len(self.p)", "LabelSmoothingCrossEntropy", GRADIENT),
    ("losses_that_remember", "self.margin - self.d) / self.d", "self.margin - self.d)", "ContrastiveLoss", GRADIENT),
    ("losses_that_remember", "return dx1, -dx1", "return dx1, dx1", "ContrastiveLoss", GRADIENT),
    ("losses_that_remember", "s * (self.a - self.n)", "s * (self.n - self.a)", "TripletLoss", GRADIENT),
    ("losses_that_remember", "s * (self.n - self.p), s", "s * (self.p - self.n), s", "TripletLoss", GRADIENT),
    ("losses_in_tables", "np.where(np.abs(e) < delta, e, delta", "np.where(np.abs(e) > delta, e, delta", "huber_loss", GRADIENT),
    ("losses_in_tables", "2 * (y - t) / y.size", "2 * (t - y) / y.size", "LOSSES['mse']", GRADIENT),
    ("losses_in_tables", "(y - t) / (y * (1 - y)) / y.size", "(y - t) / (y * (1 + y)) / y.size", "LOSSES['bce']", GRADIENT),
    ("losses_in_tables", "np.tanh(y - t)", "np.sinh(y - t)", "LOSSES['logcosh']", GRADIENT),
    ("losses_in_tables", "-t * (y * t < 1)", "-y * (y * t < 1)", "loss_functions['hinge']", GRADIENT),
    ("losses_of_several_arrays", "small, e, self.delta * np.sign(e)) / dv", "small, e, np.sign(e)) / dv", "Loss_Huber", GRADIENT),
    ("losses_of_several_arrays", "return -p / q / len(p)", "return -q / p / len(p)", "Cost.kl_div", GRADIENT),
    ("losses_of_several_arrays", "(dpt * pt)[:, None]", "dpt[:, None]", "sparse_categorical_focal_loss", GRADIENT),
    ("losses_of_several_arrays", "np.where(e > 0, -q, 1 - q)", "np.where(e > 0, q, q - 1)", "quantile_loss", GRADIENT),
    ("losses_of_several_arrays", "np.maximum(0, margin - d) * diff / d", "np.maximum(0, margin - d) * diff", "contrastive_loss", GRADIENT),
    ("losses_of_several_arrays", "dx2 = w * (x1", "dx2 = w * (x2", "cosine_embedding_loss", GRADIENT),
    ("losses_of_several_arrays", "0.5 * (1 - (y - mu) ** 2", "0.5 * (1 + (y - mu) ** 2", "gaussian_nll_loss", GRADIENT),
    ("losses_of_several_arrays", "(np.exp(logvar) - 1) / len(mu)", "(np.exp(logvar) - 1)", "vae_kl_loss", GRADIENT),
    ("losses_of_several_arrays", "dzj = ds.T @ zi", "dzj = ds @ zi", "nt_xent_loss", GRADIENT),
]  # fmt: skip


def judged(path: Path, only: str = "") -> dict[str, list[dict[str, Any]]]:
    """Rows by unit; of those alone whose names begin like this."""
    file = source.run(path)
    found: dict[str, list[dict[str, Any]]] = {}
    file.own = {n: line for n, line in file.own.items() if n.startswith(only)}
    taken: frozenset[str] = frozenset()
    for style in (LossPairs(known=True), LossPairs(known=False)):
        for unit in style.find(file, taken):
            found[unit.name] = [row(d, {}) for d in beside_torch(style.differences(file, unit, unit.cases[0]))]
            taken |= {member.partition(".")[0] for member in unit.members}
    return found


@pytest.mark.parametrize("name", RIGHT)
def test_right_losses_pass(name):
    found = judged(SAMPLES / f"{name}.py")
    assert len(found) == RIGHT[name]
    for unit, rows in found.items():
        assert {r["verdict"] for r in rows} == {"match"}, (unit, rows)


@pytest.mark.parametrize(("name", "old", "new", "unit", "wrong"), MISTAKES)
def test_mistakes_are_found(tmp_path, name, old, new, unit, wrong):
    text = (SAMPLES / f"{name}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    found = judged(path, re.match(r"\w+", unit)[0])
    failing = {n: [r["tensor"] for r in rows if r["verdict"] == "mismatch"] for n, rows in found.items()}
    assert failing.pop(unit, [])
    assert not any(failing.values()), failing
    assert any(r["tensor"].startswith(wrong + "/") for r in found[unit] if r["verdict"] == "mismatch")


@pytest.mark.parametrize("name", LIBRARIES)
def test_right_libraries_pass(name):
    found = [c for c in check(SAMPLES / f"{name}.py", ("torch",)).checked if verdict(c) == "match"]
    assert len(found) == LIBRARIES[name]


def test_the_sign_of_an_absolute_error(tmp_path):
    text = (SAMPLES / "losses_in_a_book.py").read_text()
    path = tmp_path / "mine.py"
    path.write_text(text.replace("np.sign(dvalues - y_true)", "np.sign(y_true - dvalues)"))
    (wrong,) = (c for c in check(path, ("torch",)).checked if verdict(c) == "wrong")
    assert wrong.unit.name == "Loss_MeanAbsoluteError"
    assert [r["diagnosis"] for r in wrong.rows if r["verdict"] == "mismatch"] == ["the sign is flipped"]


OF_ALL = """
import numpy as np

class MSE:
    def loss(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2)

    def gradient(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / len(y_true)

class MAE:
    def loss(self, y_true, y_pred):
        return np.mean(np.abs(y_pred - y_true))

    def gradient(self, y_true, y_pred):
        return np.sign(y_pred - y_true) / len(y_true)
"""
"""Costs that are means over examples and outputs, with gradients that are divided by the number of examples alone."""
LIBRARY = """
def one_hot(y, num_classes):
    return np.eye(num_classes)[y]
"""
TRAINS = """
def train(W, X, Y, loss, epochs):
    for epoch in range(epochs):
        out = X @ W
        W -= 0.1 * X.T @ loss.gradient(Y, out)
        print(loss.loss(Y, out))
"""


@pytest.mark.parametrize(("more", "wrong"), [("", False), (LIBRARY, True), (TRAINS, False), (LIBRARY + TRAINS, False)])
def test_a_gradient_by_examples_alone_beside_a_mean_over_outputs_too(tmp_path, more, wrong):
    path = tmp_path / "mine.py"
    path.write_text(OF_ALL + more)
    checked = {c.unit.name: c for c in check(path, ("torch",)).checked if c.unit.name in ("MSE", "MAE")}
    assert {name: verdict(c) for name, c in checked.items()} == dict.fromkeys(
        ("MSE", "MAE"), "wrong" if wrong else "match"
    )
    told = [" ".join([*c.remarks, *(str(r["diagnosis"]) for r in c.rows)]) for c in checked.values()]
    assert all("k times" in text for text in told)
    assert all(c.remarks for c in checked.values()) != wrong
