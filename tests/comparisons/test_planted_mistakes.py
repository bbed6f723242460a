"""The checker is checked: mistakes that people make are planted, one at a time; each must be found, located and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from comparisons.run import Request, compare
from reference import FRAMEWORKS, missing
from reports.summary import culprits
from scratch import L1, L2, Adam, Architecture, BatchNorm, Dense, Dropout, Tanh, Trainer

Patch = Callable[[pytest.MonkeyPatch], None]


def method(cls: type, name: str, replacement: Callable[..., Any]) -> Patch:
    """Plant `replacement(original, self, ...)` in place of a method."""
    original = getattr(cls, name)
    return lambda patch: patch.setattr(cls, name, lambda self, *args: replacement(original, self, *args))


def db_divided_by_m_twice(original, self, upstream, state, cache):
    dx, grads = original(self, upstream, state, cache)
    return dx, grads | {"b": grads["b"] / len(upstream)} if "b" in grads else grads


def tanh_of_the_wrong_square(original, self, upstream, state, cache):
    return upstream * (1 - cache) ** 2, {}


def batchnorm_without_the_variance_path(original, self, upstream, state, cache):
    _, s, training = cache
    dx, grads = original(self, upstream, state, cache)
    if training:
        dn = upstream * state.params["gamma"]
        dx = (dn - dn.mean(axis=0)) / s
    return dx, grads


def running_variance_of_the_sample(original, self, buffers, mu, var):
    m = 8  # the batch of the case below
    original(self, buffers, mu, var * (m / (m - 1)))


def adam_without_bias_correction(original, self, w, g, state, t):
    state["v"] = self.beta1 * state["v"] + (1 - self.beta1) * g
    state["s"] = self.beta2 * state["s"] + (1 - self.beta2) * g**2
    return w - self.learning_rate * state["v"] / (np.sqrt(state["s"]) + self.epsilon)


def dropout_not_rescaled(original, self, upstream, state, cache):
    return (upstream if cache is None else upstream * cache), {}


def l2_halved(original, self, w, m):
    return self.lambda_ / (2 * m) * w


def l1_halved(original, self, w, m):
    return self.lambda_ / (2 * m) * np.sign(w)


def l1_with_a_sign_at_zero(original, self, w, m):
    return self.lambda_ / m * np.where(w < 0, -1.0, 1.0).astype(w.dtype)


def averages_that_move_in_evaluation_mode(original, self, x, state):
    y, cache = original(self, x, state)
    if not state.training:
        self._update_running(state.buffers, x.mean(axis=0), x.var(axis=0))
    return y, cache


def frozen_for_the_optimizer_alone(original, self, name, training):
    return training


def weight_decay_of_everything(original, self, grads):
    original(self, grads)
    for state in self.network.states.values():
        state.params = {p: w * 0.99 for p, w in state.params.items()}


@dataclass(frozen=True)
class Planted:
    """A mistake, where it must be found, and a word of its name."""

    patch: Patch
    case: str
    phase: str
    layers: set[str]
    leaf: str
    diagnosis: str


NETWORK = "network/batchnorm-dropout/batch8"
FROZEN, SPARSE = "network/transfer-head/batch8", "network/sparse/batch8"
MISTAKES = {
    "db divided by m twice": Planted(
        method(Dense, "backward", db_divided_by_m_twice),
        NETWORK, "gradient", {"dense3"}, ".b", "divided by m once too often",
    ),
    "(1-A)**2 for 1-A**2": Planted(
        method(Tanh, "backward", tanh_of_the_wrong_square), NETWORK, "gradient", {"tanh1"}, ".input", "(1 - a)^2 is used for 1 - a^2"
    ),
    "dvar->dx missing in batch norm": Planted(
        method(BatchNorm, "backward", batchnorm_without_the_variance_path),
        NETWORK, "gradient", {"batchnorm1", "batchnorm2"}, ".input", "the path through the variance",
    ),
    "running variance with the wrong n": Planted(
        method(BatchNorm, "_update_running", running_variance_of_the_sample),
        NETWORK, "buffer", {"batchnorm1", "batchnorm2"}, ".running_var", "unbiased",
    ),
    "Adam without bias correction": Planted(
        method(Adam, "update", adam_without_bias_correction),
        "optimizer/adam/default", "step", {"dense1"}, "step1/param/dense1.W", "Adam without bias correction",
    ),
    "dropout not rescaled in backward": Planted(
        method(Dropout, "backward", dropout_not_rescaled),
        NETWORK, "gradient", {"dropout1", "dropout2"}, ".input", "not divided by keep_prob",
    ),
    "L2 added as lambda/2m to the gradient": Planted(
        method(L2, "gradient", l2_halved), NETWORK, "gradient", {"dense1", "dense2", "dense3"}, ".W", "lambda/(2m) W"
    ),
    "L1 added as lambda/2m to the gradient": Planted(
        method(L1, "gradient", l1_halved), SPARSE, "gradient", {"dense1", "dense2", "dense3"}, ".W", "lambda/(2m) sign(W)"
    ),
    "L1 with a sign at 0": Planted(
        method(L1, "gradient", l1_with_a_sign_at_zero),
        SPARSE, "gradient", {"dense1", "dense2", "dense3"}, ".W", "the sign of 0 is taken for 1",
    ),
    "averages of a frozen batch norm that move": Planted(
        method(BatchNorm, "forward", averages_that_move_in_evaluation_mode),
        FROZEN, "buffer", {"batchnorm1"}, "", "the running average of a frozen batch norm is updated",
    ),
    "a frozen batch norm in training mode": Planted(
        method(Architecture, "layer_trains", frozen_for_the_optimizer_alone),
        FROZEN, "forward", {"batchnorm1"}, "", "normalised by the batch",
    ),
    "an update that does not spare the frozen layers": Planted(
        method(Trainer, "update", weight_decay_of_everything),
        FROZEN, "step", {"dense1", "batchnorm1", "dense2"}, "", "a parameter of a frozen layer is updated",
    ),
}  # fmt: skip


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found_located_and_named(
    name: str, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := missing(framework):
        pytest.skip(reason)
    planted = MISTAKES[name]
    planted.patch(monkeypatch)
    tables = compare(Request((planted.case,), (framework,)))
    found = culprits(tables)
    assert len(found) == 1, "the case is red, and one row leads"
    culprit = found.iloc[0]
    assert culprit["phase"] == planted.phase
    assert culprit["layer"] in planted.layers
    assert culprit["tensor"].endswith(planted.leaf)
    assert planted.diagnosis in culprit["diagnosis"]

    local = tables.discrepancies.query("scope == 'local' and verdict == 'mismatch'")
    if planted.phase != "step":  # an update is no layer's
        assert set(local["layer"]) == planted.layers, "every guilty layer is found, and none that only inherits"
        assert all(tensor.endswith(planted.leaf) for tensor in local["tensor"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("case", [NETWORK, FROZEN, SPARSE, "optimizer/adam/default"])
def test_without_a_mistake_the_same_cases_are_green(case: str, framework: str) -> None:
    if reason := missing(framework):
        pytest.skip(reason)
    rows = compare(Request((case,), (framework,), dtypes=("float64",))).discrepancies
    assert set(rows["verdict"]) == {"match"}
