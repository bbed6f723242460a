"""Schedules and clipping in the frameworks' own optimizers: the twins start over, compiled or not, and mistakes show."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.run import Request, compare
from reference import FRAMEWORKS, missing, twin_class
from scratch import (
    Clipped,
    Decayed,
    Dense,
    ExponentialDecay,
    InverseDecay,
    InverseSqrtDecay,
    Momentum,
    Nesterov,
    Network,
    Optimizer,
    RMSprop,
    Trainer,
    architecture,
    clip_by_norm,
    initial_weights,
)

ARCH = architecture(Dense(4, 3))
OPTIMIZERS: dict[str, Optimizer] = {
    "momentum": Decayed(Momentum(0.1), InverseDecay(0.7)),
    "nesterov": Decayed(Nesterov(0.05), ExponentialDecay(0.6, interval=2)),
    "rmsprop": Decayed(RMSprop(0.1), InverseSqrtDecay(1.3, interval=2)),
    "norm": Clipped(Momentum(0.1), 1.0, by="norm"),
    "value": Clipped(RMSprop(0.1), 0.5, by="value"),
    "both": Decayed(Clipped(Momentum(0.1), 1.0), ExponentialDecay(0.8)),
}


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    if reason := missing(request.param):
        pytest.skip(reason)
    return request.param


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_and_memory_are_scratchs_and_begin_anew_with_every_load(
    framework: str, name: str, compiled: bool
) -> None:
    weights = initial_weights(ARCH, np.random.default_rng(0))
    twin = twin_class(framework)(ARCH, OPTIMIZERS[name], compiled=compiled)
    for _ in range(2):
        twin.load(weights)
        trainer = Trainer(Network(ARCH, weights), OPTIMIZERS[name])
        rng = np.random.default_rng(1)
        for _ in range(5):
            grads = {"dense1": {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(3)}}
            twin.update(grads)
            trainer.update(grads)
            for p, w in trainer.network.weights().params["dense1"].items():
                np.testing.assert_allclose(twin.weights().params["dense1"][p], w, rtol=1e-11, atol=1e-13)
            for p, arrays in trainer.states["dense1"].items():
                for moment, a in arrays.items():
                    found = twin.optimizer_state()["dense1"][p][moment]
                    np.testing.assert_allclose(found, a, rtol=1e-11, atol=1e-13)


def rate_counted_from_1(self: InverseDecay, learning_rate: float, step: int) -> float:
    return learning_rate / (1 + self.decay * (step + 1))


def each_norm_alone(self: Clipped, grads):
    return {layer: {p: clip_by_norm(g, self.limit) for p, g in named.items()} for layer, named in grads.items()}


@pytest.mark.parametrize(
    ("case", "kind", "method", "mistake"),
    [
        ("optimizer/decay/inverse", InverseDecay, "rate", rate_counted_from_1),
        ("optimizer/clipping/global-norm", Clipped, "prepared", each_norm_alone),
        ("optimizer/clipping/decayed", Clipped, "prepared", lambda self, grads: grads),
    ],
)
def test_mistakes_are_found(
    framework: str, monkeypatch: pytest.MonkeyPatch, case: str, kind: type, method: str, mistake
) -> None:
    monkeypatch.setattr(kind, method, mistake)
    rows = compare(Request((case,), (framework,), dtypes=("float64",))).discrepancies
    assert (rows["verdict"] == "mismatch").any()


def test_scratch_agrees(framework: str) -> None:
    request = Request(("optimizer/decay", "optimizer/clipping"), (framework,), dtypes=("float64",))
    rows = compare(request).discrepancies
    assert set(rows["verdict"]) == {"match"}
