"""What stands around an update rule in torch: `lr_scheduler`s and `clip_grad_*_`, called by the optimizer's own hooks.

Importing this module enters them in `OPTIMIZERS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from reference.torch_optimizers import OPTIMIZERS, OptimizerTwin
from reference.twin import Maps, choose
from scratch.clipped import Clipped
from scratch.decayed import Decayed, ExponentialDecay, InverseDecay, InverseSqrtDecay, Schedule

CLIPPING_EPSILON = 1e-6
"""What torch adds to the norm that it divides by."""


def _scheduler(schedule: Schedule, stock: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    n = schedule.interval  # type: ignore[attr-defined]
    match schedule:
        case ExponentialDecay(base, 1):
            return lr_scheduler.ExponentialLR(stock, base)
        case ExponentialDecay(base):
            return lr_scheduler.StepLR(stock, n, base)
        case InverseDecay(decay):  # torch has no rule of its own for these two, but a place for the user's
            return lr_scheduler.LambdaLR(stock, lambda step: 1 / (1 + decay * (step // n)))
        case InverseSqrtDecay(k):
            return lr_scheduler.LambdaLR(stock, lambda step: k / (step // n + 1) ** 0.5)
    raise NotImplementedError(f"no twin of {type(schedule).__name__}")


@dataclass
class DecayedTwin(OptimizerTwin):
    """A torch optimizer whose every step is followed by its scheduler's."""

    rule: OptimizerTwin = field(kw_only=True)
    schedule: Schedule = field(kw_only=True)

    def __post_init__(self) -> None:
        self._first = [group["lr"] for group in self.stock.param_groups]
        self._scheduler = _scheduler(self.schedule, self.stock)
        self.stock.register_step_post_hook(lambda *_: self._scheduler.step())

    def reset(self) -> None:
        """Forget moments and step counts, and go back to the first learning rate."""
        self.rule.reset()
        self._restart()

    def rewind(self) -> None:
        """As `reset`, in place."""
        self.rule.rewind()
        self._restart()

    def _restart(self) -> None:
        for group, first in zip(self.stock.param_groups, self._first, strict=True):
            group["lr"] = first
        self._scheduler = _scheduler(self.schedule, self.stock)

    def state(self, parameter: Tensor, maps: Maps) -> dict[str, Tensor]:
        """What the rule keeps for one parameter."""
        return self.rule.state(parameter, maps)


def _decayed(optimizer: Decayed, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    maps("schedule-count")
    rule = choose(OPTIMIZERS, optimizer.rule)(optimizer.rule, parameters, maps)
    return DecayedTwin(rule.stock, rule=rule, schedule=optimizer.schedule)


def _clip_norm(parameters: Sequence[Tensor], limit: float, maps: Maps) -> None:
    if maps("clip-norm-epsilon"):
        # torch: g min(1, limit / (norm + e)). The limit that undoes e, and clips from norm = limit on.
        norm = float(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
        limit = limit * (norm + CLIPPING_EPSILON) / norm if norm > limit else limit + CLIPPING_EPSILON
    nn.utils.clip_grad_norm_(parameters, limit)


def _clipped(optimizer: Clipped, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    rule = choose(OPTIMIZERS, optimizer.rule)(optimizer.rule, parameters, maps)

    def clip(*_: Any) -> None:
        if optimizer.by == "value":
            nn.utils.clip_grad_value_(parameters, optimizer.limit)
        elif optimizer.by == "norm" and maps("clip-norm-scope"):
            for parameter in parameters:
                _clip_norm([parameter], optimizer.limit, maps)
        else:
            _clip_norm(parameters, optimizer.limit, maps)

    rule.stock.register_step_pre_hook(clip)
    return rule


OPTIMIZERS |= {Decayed: _decayed, Clipped: _clipped}
