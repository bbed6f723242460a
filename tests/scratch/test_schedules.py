"""Learning-rate decay against the course's table and the frameworks' own schedules; decayed training against torch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scratch import (
    Dense,
    GradientDescent,
    Network,
    Trainer,
    architecture,
    exponential_decay,
    initial_weights,
    inverse_decay,
    inverse_sqrt_decay,
    staircase,
    step_of,
)

ALPHA, EPOCHS = 0.2, range(12)
RULES: dict[str, Callable[[int], float]] = {
    "inverse": lambda epoch: inverse_decay(ALPHA, epoch, 0.3),
    "exponential": lambda epoch: exponential_decay(ALPHA, epoch),
    "inverse-sqrt": lambda epoch: inverse_sqrt_decay(ALPHA, epoch + 1, 1.5),
    "staircase": lambda epoch: staircase(ALPHA, epoch, 4, 0.1),
    "inverse-staircase": lambda epoch: inverse_decay(ALPHA, step_of(epoch, 4), 0.3),
}


def test_inverse_decay_gives_the_lectures_table_for_epochs_from_1() -> None:
    rates = [inverse_decay(0.2, epoch, 1.0) for epoch in (1, 2, 3, 4)]
    np.testing.assert_allclose(rates, [0.1, 0.2 / 3, 0.05, 0.04])


def test_rates_start_at_alpha_0_and_never_rise() -> None:
    for name, rule in RULES.items():
        rates = [rule(epoch) for epoch in EPOCHS]
        assert rates[0] == (1.5 * ALPHA if name == "inverse-sqrt" else ALPHA)
        assert sorted(rates, reverse=True) == rates


def test_inverse_sqrt_decay_has_halved_at_count_4() -> None:
    assert inverse_sqrt_decay(0.1, 4) == 0.05
    with pytest.raises(ValueError, match="starts at 1"):
        inverse_sqrt_decay(0.1, 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: inverse_decay(0.1, -1, 1.0),
        lambda: inverse_decay(0.1, 1, -1.0),
        lambda: exponential_decay(0.1, 1, 1.5),
        lambda: inverse_sqrt_decay(0.1, 1, 0.0),
        lambda: staircase(0.1, 1, 0),
    ],
)
def test_values_without_sense_are_refused(call: Callable[[], float]) -> None:
    with pytest.raises(ValueError, match=r"must|cannot"):
        call()


def torch_scheduler(name: str, optimizer):
    import torch

    schedulers = torch.optim.lr_scheduler
    match name:
        case "exponential":
            return schedulers.ExponentialLR(optimizer, 0.95)
        case "staircase":
            return schedulers.StepLR(optimizer, 4, 0.1)
    return schedulers.LambdaLR(optimizer, lambda epoch: RULES[name](epoch) / ALPHA)


@pytest.mark.parametrize("name", ["exponential", "staircase"])
def test_rates_are_those_of_torchs_stock_scheduler(name: str) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=ALPHA)
    scheduler = torch_scheduler(name, optimizer)
    for epoch in EPOCHS:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(RULES[name](epoch), rel=1e-14)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", ["inverse", "exponential", "staircase", "inverse-staircase"])
def test_rates_are_those_of_keras_schedules_in_the_float32_that_keras_computes_them_in(name: str) -> None:
    keras = pytest.importorskip("keras")
    schedules = keras.optimizers.schedules
    schedule = {
        "inverse": lambda: schedules.InverseTimeDecay(ALPHA, 1, 0.3),
        "exponential": lambda: schedules.ExponentialDecay(ALPHA, 1, 0.95),
        "staircase": lambda: schedules.ExponentialDecay(ALPHA, 4, 0.1, staircase=True),
        "inverse-staircase": lambda: schedules.InverseTimeDecay(ALPHA, 4, 0.3, staircase=True),
    }[name]()
    for epoch in EPOCHS:
        assert float(schedule(epoch)) == pytest.approx(RULES[name](epoch), rel=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_training_with_a_decaying_rate_is_torchs(name: str) -> None:
    """`dataclasses.replace` moves a trainer's optimizer to the next rate."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    arch = architecture(Dense(3, 2))
    weights = initial_weights(arch, rng)
    trainer = Trainer(Network(arch, weights), GradientDescent(ALPHA))
    w = torch.tensor(weights.params["dense1"]["W"], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=ALPHA)
    scheduler = torch_scheduler(name, optimizer)
    for epoch in EPOCHS:
        trainer.optimizer = replace(trainer.optimizer, learning_rate=RULES[name](epoch))
        g = rng.standard_normal((3, 2))
        trainer.update({"dense1": {"W": g}})
        w.grad = torch.from_numpy(g)
        optimizer.step()
        with warnings.catch_warnings(action="error"):
            scheduler.step()
        found = trainer.network.weights().params["dense1"]["W"]
        np.testing.assert_allclose(found, w.detach().numpy(), rtol=1e-12, atol=1e-14)
