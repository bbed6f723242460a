"""Scratch optimizers as `torch.optim`'s: one function per kind, chosen by `OPTIMIZERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reference.twin import Maps
from scratch.optimizers import Adam, GradientDescent, Momentum, Optimizer, RMSprop


@dataclass(frozen=True)
class Moment:
    """torch's name of one of the optimizer's arrays, and the factor that turns it into scratch's."""

    name: str
    scale: float = 1.0


@dataclass
class OptimizerTwin:
    """A torch optimizer in the place of a scratch optimizer.

    Attributes
    ----------
    stock : torch.optim.Optimizer
    moments : dict of str to Moment
        By scratch's names.
    """

    stock: torch.optim.Optimizer
    moments: dict[str, Moment] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget moments and step counts; torch makes new ones at the next step."""
        self.stock.state.clear()

    def rewind(self) -> None:
        """As `reset`, in place: zeros lead to the same first step as arrays that are not there yet."""
        for kept in self.stock.state.values():
            for array in kept.values():
                array.zero_()

    def state(self, parameter: Tensor, maps: Maps) -> dict[str, Tensor]:
        """The arrays kept for one parameter, by scratch's names and in its scale; zeros before the first step."""
        kept = self.stock.state.get(parameter, {})
        arrays = {}
        for name, moment in self.moments.items():
            name = name if maps("optimizer-state-names") else moment.name
            array = kept.get(moment.name, torch.zeros_like(parameter))
            arrays[name] = array * moment.scale
        return arrays


# foreach=False: torch's loop over single tensors, faster than its grouped kernels where tensors are small.


def _gradient_descent(optimizer: GradientDescent, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    return OptimizerTwin(torch.optim.SGD(parameters, lr=optimizer.learning_rate, foreach=False))


def _momentum(optimizer: Momentum, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    # torch sums gradients where the course averages them: buf = v / (1 - beta). dampening=beta would not do, as torch
    # leaves it out of the first step.
    scale = 1 - optimizer.beta if maps("momentum-scale") else 1.0
    stock = torch.optim.SGD(parameters, lr=optimizer.learning_rate * scale, momentum=optimizer.beta, foreach=False)
    # With beta = 0 torch keeps no buffer at all: there is nothing to compare v with.
    return OptimizerTwin(stock, {"v": Moment("momentum_buffer", scale)} if optimizer.beta else {})


def _rmsprop(optimizer: RMSprop, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    stock = torch.optim.RMSprop(
        parameters, lr=optimizer.learning_rate, alpha=optimizer.beta, eps=optimizer.epsilon, foreach=False
    )
    return OptimizerTwin(stock, {"s": Moment("square_avg")})


def _adam(optimizer: Adam, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    betas = (optimizer.beta1, optimizer.beta2)
    stock = torch.optim.Adam(parameters, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon, foreach=False)
    return OptimizerTwin(stock, {"v": Moment("exp_avg"), "s": Moment("exp_avg_sq")})


OPTIMIZERS: dict[type[Optimizer], Callable[[Any, list[Tensor], Maps], OptimizerTwin]] = {
    GradientDescent: _gradient_descent,
    Momentum: _momentum,
    RMSprop: _rmsprop,
    Adam: _adam,
}
