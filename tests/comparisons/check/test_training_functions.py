"""Training functions opened up, costs with something between them and their gradients, costs beside functions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import Derived, row
from comparisons.check.styles.costs import find_objectives
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.opened_training import find_opened
from comparisons.check.styles.staged_costs import find_staged

SAMPLES = Path(__file__).parent / "samples"
TRAINED = {
    "fit_words": {"W", "b"},
    "train_xor": {"params['W1']", "params['b1']", "params['W2']", "params['b2']"},
    "LogisticRegressionGD.fit": {"w_"},
    "SoftmaxRegression.train": {"W", "b"},
}
STAGED = {
    "GaussianAutoencoder.elbo_loss": {
        f"params['{n}']" for n in ["We", "be", "Wm", "bm", "Ws", "bs", "Wd", "bd", "Wo", "bo"]
    },
    "policy_loss": {"['W1']", "['b1']", "['W2']", "['b2']"},
    "CharRNN.sequence_loss": {"Wxh", "Whh", "Why", "bh", "by"},
}
WRONG = {
    "training_functions_bad": {
        "fit_words": {"W", "b"},
        "train_xor": {"params['W1']", "params['b1']"},
        "LogisticRegressionGD.fit": {"w_"},
        "SoftmaxRegression.train": {"b"},
    },
    "staged_costs_bad": {
        "GaussianAutoencoder.elbo_loss": {f"params['{n}']" for n in ["We", "be", "Ws", "bs"]},
        "policy_loss": {"['W1']", "['b1']"},
        "CharRNN.sequence_loss": {"Wxh"},
    },
}


def verdicts(sample: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows by tensor, by what was found."""
    file = source.run(SAMPLES / f"{sample}.py")
    staged = sample.startswith("staged")
    found = find_staged(file, frozenset(), set()) if staged else find_opened(file, frozenset())
    return {
        thing.members[0]: {d.tensor.rpartition(".")[2]: row(d, {}) for d in thing.derived(np.random.default_rng(1))}
        for thing in found
    }


@pytest.mark.parametrize(("sample", "wanted"), [("training_functions_ok", TRAINED), ("staged_costs_ok", STAGED)])
def test_right_ones_are_found_and_raise_no_alarm(sample: str, wanted: dict[str, set[str]]) -> None:
    found = verdicts(sample)
    assert {name: set(rows) for name, rows in found.items()} == wanted
    assert {r["verdict"] for rows in found.values() for r in rows.values()} == {"match"}


@pytest.mark.parametrize("sample", WRONG)
def test_of_wrong_ones_just_the_wrong_gradients_are_told(sample: str) -> None:
    found = {
        name: {tensor for tensor, r in rows.items() if r["verdict"] == "mismatch"}
        for name, rows in verdicts(sample).items()
    }
    assert found == WRONG[sample]


def test_a_regulariser_that_disagrees_with_the_cost_is_named() -> None:
    diagnosis = verdicts("training_functions_bad")["LogisticRegressionGD.fit"]["w_"]["diagnosis"]
    assert "regulariser is l W, that of the cost 2 l W" in diagnosis


def test_half_a_dropped_batch_is_not_hidden_by_a_single_example() -> None:
    assert (
        "divided by m once too often" in verdicts("training_functions_bad")["SoftmaxRegression.train"]["b"]["diagnosis"]
    )


def test_a_cost_that_is_only_shown_is_no_reason_for_an_alarm(tmp_path: Path) -> None:
    text = (SAMPLES / "training_functions_ok.py").read_text()
    old = "cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) * n_y"
    assert old in text
    path = tmp_path / "shown.py"
    path.write_text(text.replace(old, "cost = np.mean(np.abs(Y - A2))"))
    assert "train_xor" not in {o.members[0] for o in find_opened(source.run(path), frozenset())}


@pytest.mark.parametrize(
    ("matrix", "symmetric"), [([[2.0, 1.0], [1.0, -3.0]], True), ([[2.0, 1.0], [0.5, -3.0]], False)]
)
def test_a_field_is_a_gradient_if_its_jacobian_is_symmetric(matrix: list[list[float]], symmetric: bool) -> None:
    objective = SimpleNamespace(
        parameters=("x",),
        _drawn=lambda rng: ({}, {"x": rng.standard_normal(2)}),
        _place=lambda name, values, inner: inner[name],
        _claims=lambda values, inner: {"x": np.array(matrix) @ inner["x"]},
    )
    assert is_a_gradient(objective) is symmetric


@pytest.mark.parametrize("right", [True, False])
def test_a_cost_beside_network_functions_belongs_to_them(right: bool) -> None:
    pytest.importorskip("torch")
    from comparisons.check.judging import check

    result = check(SAMPLES / f"cost_of_functions_{'ok' if right else 'bad'}.py")
    network = next(c for c in result.checked if "backward_NN" in c.unit.members)
    assert "compute_cost_NN" in network.unit.members
    wrong = {(r["tensor"], r["diagnosis"]) for r in network.rows if r["verdict"] not in ("match", "vacuous")}
    assert bool(wrong) is not right
    assert all(t == "loss" and "lacks the term (1 - y) log(1 - a)" in d for t, d in wrong)


def test_edits_are_found_in_opened_and_staged_code() -> None:
    pytest.importorskip("torch")
    from comparisons.check.judging import check

    told = [
        r["diagnosis"]
        for sample in WRONG
        for c in check(SAMPLES / f"{sample}.py").checked
        for r in c.rows
        if r["verdict"] == "mismatch"
    ]
    for edit in ("np.cos(Z1) + 0.1", "dz = a - Y_oh[i]", "0.5 * (dz * eps", "1 - h ** 2", "dWxh[:, inputs[t]] += draw"):
        assert any(edit in text for text in told), edit


def test_classes_as_numbers_are_one_hot_whatever_the_loss(tmp_path: Path) -> None:
    """Sigmoids for several classes with a binary cross-entropy: targets with two classes at once cannot be given as numbers."""
    pytest.importorskip("torch")
    from comparisons.check.judging import check

    path = tmp_path / "classes.py"
    path.write_text(CLASSES)
    checked = [c for c in check(path).checked if "Classifier.fit" in c.unit.members]
    assert checked
    assert {r["verdict"] for c in checked for r in c.rows} <= {"match", "vacuous"}


CLASSES = """
import numpy as np


class Classifier:
    def __init__(self, n_hidden=5, l2=0.0, epochs=10, eta=0.01, minibatch_size=1, seed=None):
        self.random = np.random.RandomState(seed)
        self.n_hidden, self.l2, self.epochs, self.eta, self.minibatch_size = n_hidden, l2, epochs, eta, minibatch_size

    def _sigmoid(self, z):
        return 1. / (1. + np.exp(-np.clip(z, -250, 250)))

    def _forward(self, X):
        a_h = self._sigmoid(np.dot(X, self.w_h) + self.b_h)
        return a_h, self._sigmoid(np.dot(a_h, self.w_out) + self.b_out)

    def _compute_cost(self, y_enc, output):
        penalty = self.l2 * (np.sum(self.w_h ** 2.) + np.sum(self.w_out ** 2.))
        return -np.sum(y_enc * np.log(output) + (1. - y_enc) * np.log(1. - output)) + penalty

    def fit(self, X_train, y_train, X_valid, y_valid):
        n_output = np.unique(y_train).shape[0]
        self.b_h = np.zeros(self.n_hidden)
        self.w_h = self.random.normal(loc=0.0, scale=0.1, size=(X_train.shape[1], self.n_hidden))
        self.b_out = np.zeros(n_output)
        self.w_out = self.random.normal(loc=0.0, scale=0.1, size=(self.n_hidden, n_output))
        self.costs = []
        y_enc = np.eye(n_output)[y_train.astype(int)]
        for i in range(self.epochs):
            indices = np.arange(X_train.shape[0])
            self.random.shuffle(indices)
            for start in range(0, indices.shape[0] - self.minibatch_size + 1, self.minibatch_size):
                batch = indices[start:start + self.minibatch_size]
                a_h, a_out = self._forward(X_train[batch])
                sigma_out = a_out - y_enc[batch]
                sigma_h = np.dot(sigma_out, self.w_out.T) * a_h * (1. - a_h)
                self.w_h -= self.eta * (np.dot(X_train[batch].T, sigma_h) + 2 * self.l2 * self.w_h)
                self.b_h -= self.eta * np.sum(sigma_h, axis=0)
                self.w_out -= self.eta * (np.dot(a_h.T, sigma_out) + 2 * self.l2 * self.w_out)
                self.b_out -= self.eta * np.sum(sigma_out, axis=0)
            _, a_out = self._forward(X_train)
            self.costs.append(self._compute_cost(y_enc, a_out))
        return self
"""


@pytest.mark.parametrize("limit", ["max_norm=1.0", "max_norm=None"])
def test_gradients_whose_length_is_limited_are_those_of_the_cost(limit: str, tmp_path: Path) -> None:
    text = (SAMPLES / "class_that_clips.py").read_text()
    path = tmp_path / "clips.py"
    # Without a name for it, the length is limited by a number in the code.
    literal = text.replace("size", "norm").replace("batch_norm", "batch_size") if limit.endswith("None") else text
    path.write_text(literal.replace(", max_norm=1.0", "").replace("max_norm", "0.25") if literal != text else text)
    found = [o for o in find_objectives(source.run(path), frozenset()) if o.updates]
    assert [o.members for o in found] == [("Net.cost_and_grads", "Net.fit")]
    rows = [row(d, {}) for d in found[0].derived(np.random.default_rng(1))]
    assert [r["verdict"] for r in rows] == ["match"] * 4


@pytest.mark.parametrize(("off", "verdict"), [(1e-6, "vacuous"), (1e-4, "mismatch")])
def test_what_a_small_number_in_the_code_may_do_is_not_decided(off: float, verdict: str) -> None:
    wanted, kinks = np.linspace(-1.0, 1.0, 5), np.zeros(5, bool)
    assert row(Derived("grad/f.x", wanted * (1 + off), wanted, 1e-12, kinks), {})["verdict"] == verdict


TWO_NAMES = """
import numpy as np

def start(n_x, n_h, n_y):
    return {{"W1": np.random.randn(n_h, n_x), "b1": np.zeros((n_h, 1)), "W2": np.random.randn(n_y, n_h), "b2": np.zeros((n_y, 1))}}

def cross_entropy(A, Y):
    return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / Y.shape[1]

def moved(parameters, grads, rate):
    return {{n: parameters[n] - rate * grads["d" + n] for n in parameters}}

def two_layers(X, Y, layers_dims, learning_rate=0.1, num_iterations=100):
    n_x, n_h, n_y = layers_dims
    parameters = start(n_x, n_h, n_y)
    W1, b1, W2, b2 = (parameters[n] for n in ("W1", "b1", "W2", "b2"))
    for i in range(num_iterations):
        A1 = np.tanh(W1 @ X + b1)
        A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
        cost = cross_entropy(A2, Y)
        dA2 = {derivative}
        dZ2 = dA2 * A2 * (1 - A2)
        dZ1 = (W2.T @ dZ2) * (1 - A1 ** 2)
        grads = {{"dW2": dZ2 @ A1.T / X.shape[1], "db2": dZ2.mean(axis=1, keepdims=True),
                 "dW1": dZ1 @ X.T / X.shape[1], "db1": dZ1.mean(axis=1, keepdims=True)}}
        parameters = moved(parameters, grads, learning_rate)
        W1, b1, W2, b2 = (parameters[n] for n in ("W1", "b1", "W2", "b2"))
    return parameters
"""
"""Parameters are in a dictionary, and the loop reads them under names of their own."""
DERIVATIVES = {
    "-(Y / A2 - (1 - Y) / (1 - A2))": "",
    "-(Y / A2) - (1 - Y) / (1 - A2)": "where it is 0, the sign is wrong",
    "-(Y / A2)": "where it is 0, it is nothing",
    "(1 - Y) / (1 - A2)": "where it is 1, it is nothing",
    "2 * (A2 - Y)": "",  # of another loss: the cost may be shown alone
}


@pytest.mark.parametrize("derivative", DERIVATIVES)
def test_parameters_under_two_names_move_together(derivative: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TWO_NAMES.format(derivative=derivative))
    found = list(find_opened(source.run(path), frozenset()))
    if derivative == "2 * (A2 - Y)":
        assert not found or found[0].contradicted
        return
    (opened,) = found
    rows = [row(d, {}) for d in opened.derived(np.random.default_rng(1))]
    assert len(rows) == 4
    told = DERIVATIVES[derivative]
    assert {r["verdict"] for r in rows} == {"mismatch" if told else "match"}
    assert all(told in r["diagnosis"] for r in rows)
