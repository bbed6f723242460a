"""What stands around an update rule in Keras: `LearningRateSchedule`s, and the optimizer's own clipping.

Importing this module enters them in `OPTIMIZERS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras

from reference.tensorflow_layers import Precision, number
from reference.tensorflow_optimizers import OPTIMIZERS, OptimizerTwin, SGDWithRateInside
from reference.twin import choose
from scratch.clipped import Clipped
from scratch.decayed import Decayed, ExponentialDecay, InverseDecay, InverseSqrtDecay, Schedule

ATTRIBUTES = {"value": "clipvalue", "norm": "clipnorm", "global_norm": "global_clipnorm"}


class InverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    """alpha_0 k / sqrt(n + 1): Keras has no such schedule, but a place for the user's."""

    def __init__(self, first: float, interval: int) -> None:
        self.first, self.interval = first, interval

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        first = keras.ops.convert_to_tensor(self.first)
        n = keras.ops.floor(keras.ops.cast(step, first.dtype) / self.interval)
        return first / keras.ops.sqrt(n + 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"first": self.first, "interval": self.interval}


def _schedule(schedule: Schedule, alpha: float, to: Precision) -> Any:
    def exact(value: float) -> float:
        return number(value, to.dtype, to.maps)

    stock = keras.optimizers.schedules
    match schedule:
        case ExponentialDecay(base, n):
            return stock.ExponentialDecay(exact(alpha), n, exact(base), staircase=True)
        case InverseDecay(decay, n):
            return stock.InverseTimeDecay(exact(alpha), n, exact(decay), staircase=True)
        case InverseSqrtDecay(k, n):
            return InverseSqrt(exact(alpha * k), n)
    raise NotImplementedError(f"no twin of {type(schedule).__name__}")


@dataclass
class DecayedTwin(OptimizerTwin):
    """A Keras optimizer with a schedule in the place of its learning rate."""

    rule: OptimizerTwin = field(kw_only=True)

    def state(self, index: int, to: Precision) -> dict[str, Any]:
        """What the rule keeps for one parameter; a velocity holds the rate of the last step, not alpha_0."""
        arrays = self.rule.state(index, to)
        if isinstance(self.stock, SGDWithRateInside):
            last = self.stock.previous_share()
            arrays = {name: a / a.dtype.type(last) for name, a in arrays.items()}
        return arrays


def _decayed(optimizer: Decayed, parameters: list[Any], to: Precision) -> OptimizerTwin:
    to.maps("schedule-count")
    rule = choose(OPTIMIZERS, optimizer.rule)(optimizer.rule, parameters, to)
    # Momentum's rate is not alpha_0 but alpha_0 (1 - beta): the schedule starts from what the rule's twin has.
    rule.stock.learning_rate = _schedule(optimizer.schedule, float(rule.stock.learning_rate.numpy()), to)
    if isinstance(rule.stock, SGDWithRateInside):
        rule.stock.rescales = to.maps("momentum-changing-rate")
    return DecayedTwin(rule.stock, rule=rule)


def _clipped(optimizer: Clipped, parameters: list[Any], to: Precision) -> OptimizerTwin:
    rule = choose(OPTIMIZERS, optimizer.rule)(optimizer.rule, parameters, to)
    setattr(rule.stock, ATTRIBUTES[optimizer.by], optimizer.limit)
    return rule


OPTIMIZERS |= {Decayed: _decayed, Clipped: _clipped}
