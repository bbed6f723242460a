"""Causes around an update rule: the learning rate's schedule, and clipping of the gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from comparisons.diagnosis.mismatch import Array
from scratch import (
    Clipped,
    Decayed,
    ExponentialDecay,
    InverseDecay,
    InverseSqrtDecay,
    Optimizer,
    Schedule,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
)
from scratch.weights import Arrays, flatten

Around = Callable[[Arrays, int], tuple[Arrays, Optimizer]]
"""(all gradients of step t, t) -> the gradients that the rule is given, and the rule."""
Clip = Callable[[Arrays], Arrays]
Rate = Callable[[int], float]
"""The learning rate of step t."""


def around(optimizer: Decayed | Clipped) -> Iterator[tuple[str, Around]]:
    """Mistaken ways to come from an optimizer to the gradients and the rule of a step."""
    if isinstance(optimizer, Clipped):
        for told, clip in _clips(optimizer):
            yield told, _clipped(clip, optimizer.rule, lambda t: optimizer.learning_rate)
        return
    rule, alpha, schedule = optimizer.rule, optimizer.learning_rate, optimizer.schedule
    for told, rate in _rates(schedule, alpha):
        yield told, _clipped(rule.prepared, rule, rate)
    if isinstance(rule, Clipped):
        for told, clip in _clips(rule):
            yield told, _clipped(clip, rule.rule, lambda t: schedule.rate(alpha, t - 1))


def _clipped(clip: Clip, rule: Optimizer, rate: Rate) -> Around:
    inner = rule.rule if isinstance(rule, Clipped) else rule
    return lambda grads, t: (clip(grads), inner.at_rate(rate(t)))


def _rates(schedule: Schedule, alpha: float) -> Iterator[tuple[str, Rate]]:
    yield "the schedule counts from 1: the first rate is decayed already", lambda t: schedule.rate(alpha, t)
    yield "the decay is multiplied in twice", lambda t: schedule.rate(schedule.rate(alpha, t - 1), t - 1)
    yield "the rate grows: multiplied where it should be divided", lambda t: alpha**2 / schedule.rate(alpha, t - 1)
    interval = getattr(schedule, "interval", 1)
    if interval > 1:
        every = replace(schedule, interval=1)  # type: ignore[call-arg]
        yield "the interval is ignored: decayed at every step", lambda t: every.rate(alpha, t - 1)
        yield "no staircase: the count is not rounded down", lambda t: _smooth(schedule, alpha, (t - 1) / interval)
        yield "the count is rounded up", lambda t: _smooth(schedule, alpha, math.ceil((t - 1) / interval))
        yield "the count is rounded to the nearest", lambda t: _smooth(schedule, alpha, round((t - 1) / interval))
        yield "the staircase counts from 1", lambda t: _smooth(schedule, alpha, (t - 1) // interval + 1)
    if isinstance(schedule, InverseDecay):
        d = schedule.decay
        yield (
            "divided by decay n, without the 1",
            lambda t: alpha / d / ((t - 1) // interval) if t > interval else math.inf,
        )
        yield "1 - decay n for 1/(1 + decay n)", lambda t: alpha * max(1 - d * ((t - 1) // interval), 0)
        yield "exponential decay for inverse decay", lambda t: alpha * math.exp(-d * ((t - 1) // interval))
    if isinstance(schedule, ExponentialDecay):
        yield "base n for base^n", lambda t: alpha * schedule.base * ((t - 1) // interval)
        yield "exp(-base n) for base^n", lambda t: alpha * math.exp(-schedule.base * ((t - 1) // interval))
    if isinstance(schedule, InverseSqrtDecay):
        yield "the root is not taken: k/n", lambda t: alpha * schedule.k / ((t - 1) // interval + 1)
        yield "k is left out", lambda t: alpha / math.sqrt((t - 1) // interval + 1)
        yield "k is inside of the root", lambda t: alpha * math.sqrt(schedule.k / ((t - 1) // interval + 1))
    yield "the learning rate never decays", lambda t: alpha
    yield "the schedule is a step late", lambda t: schedule.rate(alpha, max(t - 2, 0))


def _smooth(schedule: Schedule, alpha: float, n: float) -> float:
    """The rate at any count, a fraction too."""
    if isinstance(schedule, InverseDecay):
        return alpha / (1 + schedule.decay * n)
    if isinstance(schedule, ExponentialDecay):
        return alpha * schedule.base**n
    assert isinstance(schedule, InverseSqrtDecay)
    return alpha * schedule.k / math.sqrt(n + 1)


def _clips(rule: Clipped) -> Iterator[tuple[str, Clip]]:
    limit = rule.limit

    def each(change: Callable[[Array], Array]) -> Clip:
        return lambda grads: {layer: {p: change(g) for p, g in named.items()} for layer, named in grads.items()}

    yield "the gradients are not clipped", lambda grads: grads
    if rule.by != "value":
        yield "clipped by value, not by norm", each(lambda g: clip_by_value(g, limit))
    if rule.by != "norm":
        yield "each gradient is clipped by its own norm", each(lambda g: clip_by_norm(g, limit))
    if rule.by != "global_norm":
        yield "clipped by the norm of all gradients together", lambda grads: clip_by_global_norm(grads, limit)[0]
    if rule.by == "value":
        yield "clipped from above alone", each(lambda g: np.minimum(g, limit))
        yield "clipped from below alone", each(lambda g: np.maximum(g, -limit))
        yield "clipped to [0, limit]", each(lambda g: np.clip(g, 0, limit))
        return
    factors: dict[str, Callable[[float], float]] = {
        "scaled to the limit whether the norm is above it or not": lambda n: limit / n,
        "divided by the norm, without the limit": lambda n: 1 / n if n > limit else 1.0,
        "divided by the squared norm: the root is missing": lambda n: limit / n**2 if n**2 > limit else 1.0,
        "scaled where the norm is below the limit, not above": lambda n: limit / n if n < limit else 1.0,
        "multiplied by norm/limit": lambda n: n / limit if n > limit else 1.0,
        "1e-06 is added to the norm, as torch does": lambda n: min(limit / (n + 1e-6), 1.0),
    }
    for told, factor in factors.items():
        yield told, _by_own(factor) if rule.by == "norm" else _by_all(factor)


def _by_own(factor: Callable[[float], float]) -> Clip:
    """Each gradient times a factor of its own norm."""
    return lambda grads: {
        layer: {p: g * factor(_norm([g])) for p, g in named.items()} for layer, named in grads.items()
    }


def _by_all(factor: Callable[[float], float]) -> Clip:
    """Each gradient times the same factor of the norm of all."""

    def clip(grads: Arrays) -> Arrays:
        common = factor(_norm(g for _, g in flatten(grads)))
        return {layer: {p: g * common for p, g in named.items()} for layer, named in grads.items()}

    return clip


def _norm(gradients: Iterable[Array]) -> float:
    return math.sqrt(sum(float((g**2).sum()) for g in gradients)) or math.nan
