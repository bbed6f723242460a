"""Optimizers with a schedule or with clipping: against the same steps taken by hand, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scratch import (
    Adam,
    Clipped,
    Decayed,
    Dense,
    ExponentialDecay,
    GradientDescent,
    InverseDecay,
    InverseSqrtDecay,
    Momentum,
    Network,
    Schedule,
    Trainer,
    architecture,
    initial_weights,
)

ARCH = architecture(Dense(3, 2), Dense(2, 2))


def trainer(optimizer) -> Trainer:
    return Trainer(Network(ARCH, initial_weights(ARCH, np.random.default_rng(0))), optimizer)


def gradients(scale: float = 1.0) -> list[dict[str, dict[str, np.ndarray]]]:
    rng = np.random.default_rng(1)
    shapes = {name: layer.parameter_shapes() for name, layer in ARCH.layers}
    return [
        {name: {p: scale * rng.standard_normal(s) for p, s in named.items()} for name, named in shapes.items()}
        for _ in range(8)
    ]


def assert_same_weights(a: Trainer, b: Trainer) -> None:
    for layer, named in a.network.weights().params.items():
        for p, w in named.items():
            np.testing.assert_array_equal(w, b.network.weights().params[layer][p])


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [  # of alpha_0 = 0.2
        (InverseDecay(1.0), [0.2, 0.1, 0.2 / 3, 0.05, 0.04]),
        (InverseDecay(1.0, interval=2), [0.2, 0.2, 0.1, 0.1, 0.2 / 3]),
        (ExponentialDecay(0.5), [0.2, 0.1, 0.05, 0.025, 0.0125]),
        (ExponentialDecay(0.5, interval=3), [0.2, 0.2, 0.2, 0.1, 0.1]),
        (InverseSqrtDecay(2.0), [0.4, 0.4 / 2**0.5, 0.4 / 3**0.5, 0.2, 0.4 / 5**0.5]),
    ],
)
def test_rates_step_by_step(schedule: Schedule, rates: list[float]) -> None:
    np.testing.assert_allclose([schedule.rate(0.2, step) for step in range(5)], rates, rtol=1e-14)
    w, state = np.ones(1), {}
    for t, rate in enumerate(rates, start=1):
        moved = Decayed(GradientDescent(0.2), schedule).update(w, np.ones(1), state, t)
        np.testing.assert_allclose(w - moved, rate, rtol=1e-14)


@pytest.mark.parametrize("rule", [Momentum(0.1), Adam(0.1)])
def test_a_decayed_rule_is_the_rule_with_its_rate_replaced_at_every_step(rule) -> None:
    schedule = InverseDecay(0.5)
    decayed, by_hand = trainer(Decayed(rule, schedule)), trainer(rule)
    for step, grads in enumerate(gradients()):
        decayed.update(grads)
        by_hand.optimizer = replace(rule, learning_rate=schedule.rate(0.1, step))
        by_hand.update(grads)
    assert_same_weights(decayed, by_hand)


def test_the_global_norm_is_that_of_all_parameters_of_all_layers() -> None:
    (grads, *_) = gradients(10)
    norm = np.sqrt(sum((g**2).sum() for named in grads.values() for g in named.values()))
    clipped, by_hand = trainer(Clipped(GradientDescent(0.1), limit=2.0)), trainer(GradientDescent(0.1 * 2 / norm))
    clipped.update(grads)
    by_hand.update(grads)
    for layer, named in clipped.network.weights().params.items():
        for p, w in named.items():
            np.testing.assert_allclose(w, by_hand.network.weights().params[layer][p], rtol=1e-13)


@pytest.mark.parametrize("by", Clipped.ways)
def test_small_gradients_pass_and_large_ones_end_at_the_limit(by: str) -> None:
    small, large = gradients(1e-3)[0], gradients(1e3)[0]
    rule = Clipped(Momentum(0.1), limit=1.0, by=by)
    for layer, named in rule.prepared(small).items():
        for p, g in named.items():
            np.testing.assert_array_equal(g, small[layer][p])
    clipped = [g for named in rule.prepared(large).values() for g in named.values()]
    norms = [np.linalg.norm(g) for g in clipped]
    ends = {"value": [np.abs(g).max() for g in clipped], "norm": norms, "global_norm": [np.linalg.norm(norms)]}
    np.testing.assert_allclose(ends[by], 1.0, rtol=1e-12)


def test_clipping_comes_before_the_average_and_under_a_schedule() -> None:
    rule = Decayed(Clipped(Momentum(0.1, beta=0.5), limit=1.0, by="value"), ExponentialDecay(0.5))
    both = trainer(rule)
    before = both.network.weights().params["dense1"]["W"]
    big = {layer: {p: np.full_like(g, 8.0) for p, g in named.items()} for layer, named in gradients()[0].items()}
    both.update(big)
    both.update(big)
    # v is 0.5, then 0.75; the rates are 0.1, then 0.05
    after = both.network.weights().params["dense1"]["W"]
    np.testing.assert_allclose(before - after, 0.1 * 0.5 + 0.05 * 0.75, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseDecay(-1.0), "decay must not be negative"),
        (lambda: ExponentialDecay(1.5), "base must lie"),
        (lambda: InverseSqrtDecay(0.0), "k must be positive"),
        (lambda: ExponentialDecay(0.9, interval=0), "interval must be positive"),
        (lambda: Decayed(Decayed(Adam(0.1), InverseDecay(1.0)), InverseDecay(1.0)), "one schedule"),
        (lambda: Clipped(Adam(0.1), 0.0), "limit must be positive"),
        (lambda: Clipped(Adam(0.1), 1.0, by="length"), "by 'length'; known are value, norm, global_norm"),
        (lambda: Clipped(Decayed(Adam(0.1), InverseDecay(1.0)), 1.0), "clip inside"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_they_are_plain_data() -> None:
    one, other = (Decayed(Clipped(Adam(0.1), 1.0), InverseDecay(0.5)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one.learning_rate == 0.1
