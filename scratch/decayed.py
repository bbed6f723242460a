"""Learning-rate decay as part of an optimizer: an update rule whose alpha follows a schedule from step to step.

A schedule is one of the rules of `scratch.schedules` as plain data, so that an optimizer with one can be compared, pickled and
listed. It counts steps from 0: the first update has alpha_0. With `interval` the count goes up every so many steps only, which
makes a staircase of any rule; with the number of batches in an epoch it counts epochs, as the course does.

The update rule itself does not change: at step t it has the alpha of that step. With momentum, alpha multiplies the whole
average v, the old gradients' part of it too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from scratch.layer import Array, require
from scratch.optimizers import Optimizer, State
from scratch.schedules import exponential_decay, inverse_decay, inverse_sqrt_decay, step_of
from scratch.weights import Arrays


@dataclass(frozen=True)
class Schedule:
    """Base of the schedules; known by class name in `Schedule.kinds`."""

    kinds: ClassVar[dict[str, type[Schedule]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Schedule.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        self.rate(1.0, 0)  # refuses values without sense now, not in the midst of training

    def rate(self, learning_rate: float, step: int) -> float:
        """alpha at a step counted from 0, from alpha_0."""
        raise NotImplementedError


@dataclass(frozen=True)
class InverseDecay(Schedule):
    """alpha_0 / (1 + decay n) with n = floor(step / interval)."""

    decay: float
    interval: int = 1

    def rate(self, learning_rate: float, step: int) -> float:
        return inverse_decay(learning_rate, step_of(step, self.interval), self.decay)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """alpha_0 base^n with n = floor(step / interval)."""

    base: float = 0.95
    interval: int = 1

    def rate(self, learning_rate: float, step: int) -> float:
        return exponential_decay(learning_rate, step_of(step, self.interval), self.base)


@dataclass(frozen=True)
class InverseSqrtDecay(Schedule):
    """alpha_0 k / sqrt(n + 1) with n = floor(step / interval): the course counts from 1 here, as at 0 it would be infinite."""

    k: float = 1.0
    interval: int = 1

    def rate(self, learning_rate: float, step: int) -> float:
        return inverse_sqrt_decay(learning_rate, step_of(step, self.interval) + 1, self.k)


@dataclass(frozen=True)
class Decayed(Optimizer):
    """An update rule with the learning rate alpha_t that its schedule gives for step t = 1, 2, ..., counted from 0 there.

    Parameters
    ----------
    rule : Optimizer
        Its learning rate is alpha_0.
    schedule : Schedule
    """

    learning_rate: float = field(init=False)
    rule: Optimizer
    schedule: Schedule

    def __post_init__(self) -> None:
        require(not isinstance(self.rule, Decayed), "Decayed: a rule has one schedule")
        object.__setattr__(self, "learning_rate", self.rule.learning_rate)

    def at_rate(self, learning_rate: float) -> Optimizer:
        return replace(self, rule=self.rule.at_rate(learning_rate))

    def initial_state(self, w: Array) -> State:
        return self.rule.initial_state(w)

    def prepared(self, grads: Arrays) -> Arrays:
        return self.rule.prepared(grads)

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        rate = self.schedule.rate(self.learning_rate, t - 1)
        return self.rule.at_rate(rate).update(w, g, state, t)
