"""Causes in the penalty on weights and in its gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from comparisons.diagnosis.mismatch import Explained, Mismatch, off_by
from scratch import L1, Regulariser


def regularisation(mismatch: Mismatch) -> Iterator[Explained]:
    """The regulariser's part of a weight gradient has another factor."""
    regulariser, m, r = mismatch.case.architecture.regulariser, mismatch.m, mismatch.reference
    if regulariser is not None and mismatch.name == "loss":
        yield from _cost(mismatch, regulariser)
    w = mismatch.plan.weights.params.get(mismatch.layer, {}).get(mismatch.leaf)
    if regulariser is None or w is None or mismatch.name != f"grad/{mismatch.layer}.{mismatch.leaf}":
        return
    scale, name = regulariser.lambda_ / m, type(regulariser).__name__
    l1 = isinstance(regulariser, L1)
    right, term, cost = (np.sign(w), "sign(W)", "lambda/m |W|") if l1 else (w, "W", "lambda/(2m) W^2")
    right = scale * right
    data = r - right if mismatch.leaf in getattr(mismatch.layer_object, "regularised", ()) else r
    yield f"{name} is missing: lambda/m {term} is not added", data
    yield f"{name} is added as lambda/(2m) {term}; the derivative of {cost} is lambda/m {term}", data + right / 2
    yield f"{name} is added twice", data + 2 * right
    yield f"{name} is added as lambda {term}, without 1/m", data + m * right
    yield f"{name} has the wrong sign", data - right
    if l1:
        yield "L2's lambda/m W is added for L1's lambda/m sign(W)", data + scale * w
        yield "L1: the sign of 0 is taken for 1; it is 0", data + scale * np.where(w < 0, -1, 1)
        yield "L1: the sign of 0 is taken for -1; it is 0", data + scale * np.where(w > 0, 1, -1)
        yield "L1: |W| is added, not its sign", data + scale * np.abs(w)
    else:
        yield "L1's lambda/m sign(W) is added for L2's lambda/m W", data + scale * np.sign(w)
        yield "lambda/m W^2 is added for lambda/m W", data + scale * w**2
        yield "lambda/(2m) W^2, the cost itself, is added for its derivative", data + scale / 2 * w**2
    if data is not r:
        yield from off_by(mismatch, f"{name}'s part, lambda/m {term},", right)
    if data is r:
        yield f"{name} decays a parameter that it should leave alone", data + right


def _cost(mismatch: Mismatch, regulariser: Regulariser) -> Iterator[Explained]:
    arch, r, m = mismatch.case.architecture, mismatch.reference, mismatch.m
    params = mismatch.plan.weights.params
    weights = [params[layer][p] for layer, p in arch.regularised()]
    others = [a for layer, named in params.items() for p, a in named.items() if (layer, p) not in arch.regularised()]
    l1 = isinstance(regulariser, L1)
    scale = regulariser.lambda_ / m if l1 else regulariser.lambda_ / (2 * m)
    total, beyond = (sum(float((np.abs(a) if l1 else a**2).sum()) for a in group) for group in (weights, others))
    name = f"{type(regulariser).__name__}'s penalty"
    yield f"{name} is not divided by m", r + scale * (m - 1) * total
    yield from off_by(mismatch, name, scale * total)
    yield f"{name} counts the biases too", r + scale * beyond
    yield f"{name}: only the first layer's weights", r + scale * (_penalty(weights[:1], l1) - total)
    yield f"{name}: only the last layer's weights", r + scale * (_penalty(weights[-1:], l1) - total)
    if l1:
        yield f"{name}: W is summed with its sign", r + scale * (sum(float(w.sum()) for w in weights) - total)
    else:
        norms = sum(float((w**2).sum()) ** 0.5 for w in weights)
        yield f"{name}: the norm is not squared", r + scale * (norms - total)
        yield f"{name}: |W| is summed, not W^2", r + scale * (_penalty(weights, True) - total)


def _penalty(weights: list[np.ndarray], l1: bool) -> float:
    return sum(float((np.abs(w) if l1 else w**2).sum()) for w in weights)
