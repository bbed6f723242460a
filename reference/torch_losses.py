"""Scratch losses and regularisers as torch's: one function per kind, chosen by `LOSSES` and `PENALTIES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reference.twin import Maps, Unsupported
from scratch.losses import BinaryCrossEntropy, BinaryCrossEntropyFromLogits, Loss, MeanSquaredError, SoftmaxCrossEntropy
from scratch.regularisation import L2

BCE_EPSILON = float(np.float32(1e-12))
"""`nn.BCELoss` divides its gradient by max(a (1 - a), EPSILON), a float32 constant."""


def _as_it_is(prediction: Tensor) -> Tensor:
    return prediction


@dataclass
class LossTwin:
    """A torch loss in the place of a scratch loss.

    Attributes
    ----------
    cost : callable
        J, a tensor without axes, from prediction and target, both of shape (m, k).
    probabilities : callable
        The prediction in the units of the target.
    """

    cost: Callable[[Tensor, Tensor], Tensor]
    probabilities: Callable[[Tensor], Tensor] = _as_it_is


def _refuse_clipped(a: Tensor) -> None:
    """Raise Unsupported where `nn.BCELoss` changes the loss or its gradient."""
    # Its logarithms are cut at -100 as well, but there a (1 - a) is smaller still. Outside [0, 1] the product is negative:
    # torch has an error of its own for that.
    product = a * (1 - a)
    if bool(((product >= 0) & (product < BCE_EPSILON)).any()):
        raise Unsupported("probability-clip")


def _binary_cross_entropy(loss: BinaryCrossEntropy, maps: Maps) -> LossTwin:
    stock = nn.BCELoss()

    def cost(a: Tensor, y: Tensor) -> Tensor:
        _refuse_clipped(a.detach())
        mean = stock(a, y)
        return mean * a.shape[1] if maps("loss-scale") else mean

    return LossTwin(cost)


def _binary_cross_entropy_from_logits(loss: BinaryCrossEntropyFromLogits, maps: Maps) -> LossTwin:
    stock = nn.BCEWithLogitsLoss()

    def cost(z: Tensor, y: Tensor) -> Tensor:
        mean = stock(z, y)
        return mean * z.shape[1] if maps("loss-scale") else mean

    return LossTwin(cost, nn.Sigmoid())


def _softmax_cross_entropy(loss: SoftmaxCrossEntropy, maps: Maps) -> LossTwin:
    # Targets of the logits' shape are class probabilities: the mean is over the m examples, as in scratch.
    return LossTwin(nn.CrossEntropyLoss(), nn.Softmax(dim=-1))


def _mean_squared_error(loss: MeanSquaredError, maps: Maps) -> LossTwin:
    stock = nn.MSELoss()

    def cost(p: Tensor, y: Tensor) -> Tensor:
        mean = stock(p, y)
        return mean * (p.shape[1] / 2) if maps("loss-scale") else mean

    return LossTwin(cost)


LOSSES: dict[type[Loss], Callable[[Any, Maps], LossTwin]] = {
    BinaryCrossEntropy: _binary_cross_entropy,
    BinaryCrossEntropyFromLogits: _binary_cross_entropy_from_logits,
    SoftmaxCrossEntropy: _softmax_cross_entropy,
    MeanSquaredError: _mean_squared_error,
}


def _l2(regulariser: L2, weights: list[Tensor], m: int, maps: Maps) -> Tensor:
    # torch has no penalty, and its weight_decay changes the update, not the loss. Taking lambda / m from the course's
    # gradient for the factor of the penalty is the natural mistake: it forgets the 2 that the square brings.
    factor = regulariser.lambda_ / (2 * m) if maps("l2-factor") else regulariser.lambda_ / m
    return factor * torch.stack([w.square().sum() for w in weights]).sum()


PENALTIES: dict[type, Callable[[Any, list[Tensor], int, Maps], Tensor]] = {L2: _l2}
"""Penalty from the regulariser, the weights that it acts on and the number of examples."""
