"""Scratch losses and regularisers as torch's: one function per kind, chosen by `LOSSES` and `PENALTIES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reference.twin import Maps, Unsupported
from scratch.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Hinge,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from scratch.regularisation import L1, L2, Regulariser

BCE_EPSILON = float(np.float32(1e-12))
"""`nn.BCELoss` divides its gradient by max(a (1 - a), EPSILON), a float32 constant."""


def _as_it_is(prediction: Tensor) -> Tensor:
    return prediction


def _nothing_to_refuse(prediction: Tensor) -> None:
    return


@dataclass
class LossTwin:
    """A torch loss in the place of a scratch loss.

    Attributes
    ----------
    cost : callable
        J, a tensor without axes, from prediction and target, both of shape (m, k).
    probabilities : callable
        The prediction in the units of the target.
    refuse : callable
        Raises Unsupported for a prediction of which the stock loss computes something else; never within what is compiled.
    """

    cost: Callable[[Tensor, Tensor], Tensor]
    probabilities: Callable[[Tensor], Tensor] = _as_it_is
    refuse: Callable[[Tensor], None] = _nothing_to_refuse


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
        mean = stock(a, y)
        return mean * a.shape[1] if maps("loss-scale") else mean

    return LossTwin(cost, refuse=_refuse_clipped)


def _binary_cross_entropy_from_logits(loss: BinaryCrossEntropyFromLogits, maps: Maps) -> LossTwin:
    stock = nn.BCEWithLogitsLoss()

    def cost(z: Tensor, y: Tensor) -> Tensor:
        mean = stock(z, y)
        return mean * z.shape[1] if maps("loss-scale") else mean

    return LossTwin(cost, nn.Sigmoid())


def _softmax_cross_entropy(loss: SoftmaxCrossEntropy, maps: Maps) -> LossTwin:
    # Targets of the logits' shape are class probabilities: the mean is over the m examples, as in scratch.
    return LossTwin(nn.CrossEntropyLoss(), nn.Softmax(dim=-1))


def _categorical_cross_entropy(loss: CategoricalCrossEntropy, maps: Maps) -> LossTwin:
    # The divergence is sum y (log y - log a): less the part that is of the targets alone. For one-hot targets that is 0.
    stock = nn.KLDivLoss(reduction="batchmean")

    def cost(a: Tensor, y: Tensor) -> Tensor:
        return stock(a.log(), y) + torch.special.entr(y).sum() / len(y)

    return LossTwin(cost)


def _mean_squared_error(loss: MeanSquaredError, maps: Maps) -> LossTwin:
    stock = nn.MSELoss()

    def cost(p: Tensor, y: Tensor) -> Tensor:
        mean = stock(p, y)
        return mean * (p.shape[1] / 2) if maps("loss-scale") else mean

    return LossTwin(cost)


def _hinge(loss: Hinge, maps: Maps) -> LossTwin:
    stock = nn.MultiMarginLoss()

    def cost(z: Tensor, y: Tensor) -> Tensor:
        mean = stock(z, y.argmax(dim=1))
        return mean * z.shape[1] if maps("hinge-scale") else mean

    return LossTwin(cost)


LOSSES: dict[type[Loss], Callable[[Any, Maps], LossTwin]] = {
    BinaryCrossEntropy: _binary_cross_entropy,
    BinaryCrossEntropyFromLogits: _binary_cross_entropy_from_logits,
    SoftmaxCrossEntropy: _softmax_cross_entropy,
    CategoricalCrossEntropy: _categorical_cross_entropy,
    MeanSquaredError: _mean_squared_error,
    Hinge: _hinge,
}


def _l2(regulariser: L2, weights: list[Tensor], m: int, maps: Maps) -> Tensor:
    # torch has no penalty, and its weight_decay changes the update, not the loss. Taking lambda / m from the course's
    # gradient for the factor of the penalty is the natural mistake: it forgets the 2 that the square brings.
    factor = regulariser.lambda_ / (2 * m) if maps("l2-factor") else regulariser.lambda_ / m
    return factor * torch.stack([w.square().sum() for w in weights]).sum()


def _l1(regulariser: L1, weights: list[Tensor], m: int, maps: Maps) -> Tensor:
    # No square brings a 2: L2's factor is the natural mistake.
    factor = regulariser.lambda_ / m if maps("l1-factor") else regulariser.lambda_ / (2 * m)
    return factor * torch.stack([torch.linalg.vector_norm(w, ord=1) for w in weights]).sum()


PENALTIES: dict[type[Regulariser], Callable[[Any, list[Tensor], int, Maps], Tensor]] = {L2: _l2, L1: _l1}
"""Penalty from the regulariser, the weights that it acts on and the number of examples."""
