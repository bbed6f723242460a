"""Optimizers that reach parameters through a network, and what they count and keep."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import Checked, check
from comparisons.check.report import verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
NETWORKS = "optimizers_of_networks.py"
NAMES = {
    "SGD", "SGDMomentum", "AdaGrad", "MomentumSGD", "RMSProp", "Adam", "AdamOfLayers", "AdamByName", "RMSpropRegistered",
}  # fmt: skip
EACH = "raised for every parameter, not once a step"
MISTAKES = {
    "a new parameter": (
        "            param -= self.lr * param_grad\n\n\nclass SGDMomentum",
        "            param = param - self.lr * param_grad\n\n\nclass SGDMomentum",
        "SGD", "step1/param/dense1.W", "the parameter is not updated: param is bound to a new array", "param = param -",
    ),
    "a new velocity in the keyword arguments": (
        'kwargs["velocity"] *= self.momentum', 'kwargs["velocity"] = kwargs["velocity"] * self.momentum',
        "SGDMomentum", "step2/param/dense1.W", "v is not kept from step to step", 'kwargs["velocity"] = ',
    ),
    "a new sum of squares": (
        "sum_square += np.power(param_grad, 2)", "sum_square = sum_square + np.power(param_grad, 2)",
        "AdaGrad", "step2/param/dense1.W", "sum_square is bound to a new array", "sum_square = ",
    ),
    "a new average in a loop": (
        "c[...] = self.rho", "c = self.rho", "RMSpropRegistered", "step2/param/dense1.W", "c is bound to a new array", "c = self.rho",
    ),
    "uphill": (
        "self.momentum * self.velocities[i] - self.lr * grad", "self.momentum * self.velocities[i] + self.lr * grad",
        "MomentumSGD", "step1/param/dense1.W", "uphill", "param += self.velocities[i]",
    ),
    "counted in the loop": (
        "        self.t += 1\n        for key in model.params.keys():\n",
        "        for key in model.params.keys():\n            self.t += 1\n",
        "Adam", "step1/param/dense1.b", EACH, "self.t += 1",
    ),
    "counted by a method": (
        "        t = self.cur_step\n", "        self.count()\n        t = self.cur_step\n",
        "AdamByName", "step1/param/dense1.b", EACH, "self.count()",
    ),
    "second moment not squared": (
        "(1 - self.beta2) * layer.dLdb ** 2", "(1 - self.beta2) * layer.dLdb", "AdamOfLayers", "step1/param/dense1.b", "squared", "",
    ),
}  # fmt: skip


def _verdicts(path: Path) -> tuple[dict[str, Checked], list[Checked]]:
    found = {c.unit.name: c for c in check(path, ("torch",)).checked}
    return found, [c for c in found.values() if any(row["verdict"] in FAILING for row in c.rows)]


def test_optimizers_that_are_given_a_network_in_any_way_are_compared_over_several_steps() -> None:
    found, wrong = _verdicts(SAMPLES / NETWORKS)
    assert found.keys() == NAMES
    assert not wrong
    assert all(any(row["tensor"].startswith("step3/") for row in c.rows) for c in found.values())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_an_optimizer_loses_or_counts_too_often_is_told_with_its_line(mistake: str, tmp_path: Path) -> None:
    old, new, name, tensor, cause, line = MISTAKES[mistake]
    text = (SAMPLES / NETWORKS).read_text()
    assert text.count(old) == 1
    path = tmp_path / "optimizers.py"
    path.write_text(text.replace(old, new))
    _, (wrong,) = _verdicts(path)
    failing = [row for row in wrong.rows if row["verdict"] in FAILING]
    assert wrong.unit.name == name
    assert failing[0]["tensor"] == tensor
    assert cause in failing[0]["diagnosis"]
    if line:
        assert line in wrong.spots[failing[0]["case"], tensor].text


AHEAD = "training_nesterov.py"
LOOKING = {"nesterov", "train_nag", "train_in_place", "Regression.fit", "fit_averaged"}
WAYS = (
    {
        "nesterov": ("{k: v - gamma * velocity[k]", "{k: v + gamma * velocity[k]", "wrong way: v + gamma * velocity[k] lies behind"),
        "train_nag": ("W2_ahead = W2 + mu * vW2", "W2_ahead = W2 - mu * vW2", "wrong way: W2 - mu * vW2"),
        "train_in_place": (
            "            params[k] += momentum * v[k]\n        grads", "            params[k] -= momentum * v[k]\n        grads", "wrong way",
        ),
        "Regression.fit": ("self.theta - lr * beta * velocity", "self.theta - beta * velocity", "the learning rate is missing"),
        "fit_averaged": ("w - alpha * gamma * v for", "w + alpha * gamma * v for", "wrong way"),
    },
    {
        "nesterov": ("grad, loss = nn_ahead.train_step", "grad, loss = nn.train_step", "the look-ahead nn_ahead is not used"),
        "fit_averaged": ("w - alpha * gamma * v for", "w - alpha * v for", "the factor beta is missing"),
    },
)  # fmt: skip


def test_a_look_ahead_is_compared_with_the_parameters_of_torch() -> None:
    found, wrong = _verdicts(SAMPLES / AHEAD)
    assert not wrong
    ahead = [c for c in found.values() if c.unit.title.startswith("Nesterov")]
    assert {c.unit.members[0] for c in ahead} == LOOKING
    assert all(row["verdict"] == "match" for c in ahead for row in c.rows)


@pytest.mark.parametrize("mistakes", WAYS, ids=("places", "factors"))
def test_a_look_ahead_to_the_wrong_place_is_told(mistakes: dict[str, tuple[str, str, str]], tmp_path: Path) -> None:
    text = (SAMPLES / AHEAD).read_text()
    for old, new, _ in mistakes.values():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "nesterov.py"
    path.write_text(text)
    _, wrong = _verdicts(path)
    told = {c.unit.members[0]: next(row["diagnosis"] for row in c.rows if row["verdict"] in FAILING) for c in wrong}
    assert told.keys() == mistakes.keys()
    assert all(cause in told[name] for name, (_, _, cause) in mistakes.items())


LISTS = "training_lists_of_dicts.py"


def test_what_points_down_is_added_and_what_lasts_elsewhere_is_not_reset() -> None:
    (found,) = [c for c in check(SAMPLES / LISTS).checked if "momentum" in c.unit.title]
    assert verdict(found) == "match"
    assert any("negative gradients of ours" in text for text in found.unit.assumptions)


def test_a_momentum_of_what_points_down_that_loses_its_share_is_wrong(tmp_path: Path) -> None:
    text = (SAMPLES / LISTS).read_text()
    old = "last = unit['last']"
    assert old in text
    path = tmp_path / LISTS
    path.write_text(text.replace(old, "last = [0.0] * (len(inputs) + 1)"))
    (found,) = [c for c in check(path).checked if "momentum" in c.unit.title]
    assert verdict(found) == "wrong"
