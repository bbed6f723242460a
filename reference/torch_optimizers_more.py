"""Nesterov's momentum, Adagrad and AdamW as `torch.optim`'s; importing this module enters them in `OPTIMIZERS`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reference.torch_optimizers import OPTIMIZERS, Moment, OptimizerTwin
from reference.twin import Maps
from scratch.optimizers_more import Adagrad, AdamW, Nesterov


@dataclass
class AdagradTwin(OptimizerTwin):
    """`torch.optim.Adagrad`, which makes its sums when it is built and expects to find them at every step."""

    initial: float = 0.0

    def reset(self) -> None:
        """Back to the first sums and to step 0."""
        for kept in self.stock.state.values():
            kept["step"].zero_()
            kept["sum"].fill_(self.initial)

    def rewind(self) -> None:
        """The same: it is in place already."""
        self.reset()


def _nesterov(optimizer: Nesterov, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    # torch refuses Nesterov without momentum, where it is gradient descent, and then keeps no buffer.
    look_ahead = {"momentum": optimizer.beta, "nesterov": True} if optimizer.beta else {}
    stock = torch.optim.SGD(parameters, lr=optimizer.learning_rate, foreach=False, **look_ahead)
    return OptimizerTwin(stock, {"v": Moment("momentum_buffer")} if optimizer.beta else {})


def _adagrad(optimizer: Adagrad, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    # torch's initial sum is 0, as scratch's: stock when the convention is left out.
    initial = optimizer.initial_accumulator if maps("adagrad-initial-accumulator") else 0.0
    stock = torch.optim.Adagrad(
        parameters,
        lr=optimizer.learning_rate,
        eps=optimizer.epsilon,
        initial_accumulator_value=initial,
        foreach=False,
    )
    return AdagradTwin(stock, {"s": Moment("sum")}, initial)


def _adamw(optimizer: AdamW, parameters: list[Tensor], maps: Maps) -> OptimizerTwin:
    decay = {"weight_decay": optimizer.weight_decay} if maps("adamw-weight-decay") else {}
    betas = (optimizer.beta1, optimizer.beta2)
    stock = torch.optim.AdamW(
        parameters, lr=optimizer.learning_rate, betas=betas, eps=optimizer.epsilon, foreach=False, **decay
    )
    return OptimizerTwin(stock, {"v": Moment("exp_avg"), "s": Moment("exp_avg_sq")})


OPTIMIZERS |= {Nesterov: _nesterov, Adagrad: _adagrad, AdamW: _adamw}
