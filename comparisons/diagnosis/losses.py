"""Causes in cost functions and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from comparisons.diagnosis.mismatch import Array, Explained, Mismatch, combination, off_by
from scratch import (
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    Dense,
    Hinge,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)

_Of = Callable[[Mismatch, Array, Array], Iterator[Explained]]
_EPSILONS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)


def loss(mismatch: Mismatch) -> Iterator[Explained]:
    """Terms of the cost or of its gradient that are missing, or another function's."""
    if mismatch.name not in ("loss", "grad/loss.input") or not mismatch.plan.batches:
        return
    layers, batch = mismatch.case.architecture.layers, mismatch.plan.batches[0]
    p = mismatch.given.get(f"forward/{layers[-1][0]}") if layers else batch.x
    if p is None or batch.target is None:
        return
    of: dict[Any, tuple[_Of, _Of]] = {
        BinaryCrossEntropy: (_bce, _bce_gradient),
        BinaryCrossEntropyFromLogits: (_logits, _logits_gradient),
        SoftmaxCrossEntropy: (_softmax, _softmax_gradient),
        MeanSquaredError: (_mse, _mse_gradient),
        Hinge: (_hinge, _hinge_gradient),
    }
    cost = mismatch.case.architecture.loss
    if type(cost) in of:
        yield from of[type(cost)][mismatch.name != "loss"](mismatch, p, batch.target)


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(z / 2))


def _softmax_of(z: Array, axis: int = 1) -> Array:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _bce(mismatch: Mismatch, a: Array, y: Array) -> Iterator[Explained]:
    r, m = mismatch.reference, len(a)
    yield from off_by(mismatch, "the term (1 - y) log(1 - a)", -((1 - y) * np.log(1 - a)).sum() / m)
    yield from off_by(mismatch, "the term y log a", -(y * np.log(a)).sum() / m)
    cost = -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum() / m
    for eps in _EPSILONS:
        one, both = np.log(a + eps), np.log(1 - a + eps)
        yield f"{eps:g} inside the logarithm", r - cost - (y * one + (1 - y) * both).sum() / m
        yield f"{eps:g} inside the logarithm of a", r - cost - (y * one + (1 - y) * np.log(1 - a)).sum() / m
        cut = np.clip(a, eps, 1 - eps)
        yield f"a is cut to [{eps:g}, 1 - {eps:g}]", r - cost - (y * np.log(cut) + (1 - y) * np.log(1 - cut)).sum() / m
    yield "the cost of mean squared error", r - cost + ((a - y) ** 2).sum() / (2 * m)


def _bce_gradient(mismatch: Mismatch, a: Array, y: Array) -> Iterator[Explained]:
    m = len(a)
    yield "a - y, the gradient with respect to z of the sigmoid and the cost together", (a - y) / m
    yield "a - y, the gradient with respect to z, without 1/m", a - y
    yield from off_by(mismatch, "the term (1 - y)/(1 - a)", (1 - y) / (1 - a) / m)
    yield from off_by(mismatch, "the term y/a", -y / a / m)
    for eps in _EPSILONS:
        yield f"{eps:g} in the denominators", ((1 - y) / (1 - a + eps) - y / (a + eps)) / m
        cut = np.clip(a, eps, 1 - eps)
        yield f"a is cut to [{eps:g}, 1 - {eps:g}]", ((1 - y) / (1 - cut) - y / cut) / m


def _logits(mismatch: Mismatch, z: Array, y: Array) -> Iterator[Explained]:
    m = len(z)
    yield from off_by(mismatch, "the term log(1 + exp(-|z|))", np.log1p(np.exp(-np.abs(z))).sum() / m)
    yield from off_by(mismatch, "the term z y", -(z * y).sum() / m)
    yield from off_by(mismatch, "the term max(z, 0)", np.maximum(z, 0).sum() / m)


def _logits_gradient(mismatch: Mismatch, z: Array, y: Array) -> Iterator[Explained]:
    r, m, a = mismatch.reference, len(z), _sigmoid(z)
    yield "the derivative of sigmoid once more: a (1 - a) is already in a - y", r * a * (1 - a)
    yield "the sigmoid is left out: z - y", (z - y) / m
    yield "the sigmoid is applied twice", (_sigmoid(a) - y) / m
    yield "the gradient with respect to a: sigmoid's derivative is missing", (a - y) / (a * (1 - a)) / m
    yield from off_by(mismatch, "the target y", -y / m)


def _softmax(mismatch: Mismatch, z: Array, y: Array) -> Iterator[Explained]:
    r, m = mismatch.reference, len(z)
    a = _softmax_of(z)
    cost = -(y * np.log(a)).sum() / m
    yield "the softmax is taken over the examples", r - cost - (y * np.log(_softmax_of(z, 0))).sum() / m
    shifted = z - z.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=0, keepdims=True))
    yield "the sum of exponentials is taken over the examples", r - cost - (y * (shifted - log_sum)).sum() / m
    yield "softmax is applied twice", r - cost - (y * np.log(_softmax_of(a))).sum() / m
    yield "binary cross-entropy of every class", r - cost - (y * np.log(a) + (1 - y) * np.log(1 - a)).sum() / m
    yield from off_by(
        mismatch, "the logarithm of the sum", (y * np.log(np.exp(shifted).sum(axis=1, keepdims=True))).sum() / m
    )
    for eps in _EPSILONS:
        yield f"{eps:g} inside the logarithm", r - cost - (y * np.log(a + eps)).sum() / m


def _softmax_gradient(mismatch: Mismatch, z: Array, y: Array) -> Iterator[Explained]:
    r, m, a = mismatch.reference, len(z), _softmax_of(z)
    yield "the derivative of softmax once more: it is already in a - y", r * a * (1 - a)
    yield "the softmax is left out: z - y", (z - y) / m
    yield "the softmax is applied twice", (_softmax_of(a) - y) / m
    yield "the softmax is taken over the examples", (_softmax_of(z, 0) - y) / m
    yield "-y/a: the gradient with respect to a, softmax's derivative is missing", -y / a / m
    yield from off_by(mismatch, "the target y", -y / m)
    yield "only the right class gets a gradient", r * (y > 0)


def _mse(mismatch: Mismatch, p: Array, y: Array) -> Iterator[Explained]:
    r, m, d = mismatch.reference, len(p), p - y
    cost = (d**2).sum() / (2 * m)
    for factor, told in ((0.5, ""), (1.0, ", without the half")):
        yield f"the errors are not squared: |p - y|{told}", r - cost + factor * np.abs(d).sum() / m
    yield "the root of the mean squared error", r - cost + np.sqrt((d**2).mean())
    yield "the squared sum of the errors, not the sum of their squares", r - cost + d.sum() ** 2 / (2 * m)


def _mse_gradient(mismatch: Mismatch, p: Array, y: Array) -> Iterator[Explained]:
    m, d = len(p), p - y
    if mismatch.case.architecture.layers and isinstance(mismatch.case.architecture.layers[-1][1], Dense):
        yield "the derivative of sigmoid, p (1 - p), though the output p is linear", d * p * (1 - p) / m
        a = _sigmoid(p)
        yield "the derivative of sigmoid, though the output is linear", d * a * (1 - a) / m
        yield "the derivative of tanh, 1 - p^2, though the output p is linear", d * (1 - p**2) / m
        yield "the derivative of tanh, though the output is linear", d * (1 - np.tanh(p) ** 2) / m
    yield "sign(p - y): the gradient of the absolute error", np.sign(d) / m
    yield from off_by(mismatch, "the target y", -y / m)
    yield "(p - y)^2, the cost itself", d**2 / m
    yield "(p - y)^2/2, the cost itself", d**2 / (2 * m)


def _margins(z: Array, y: Array, margin: float = 1.0) -> Array:
    """z_k - z_t + margin for the wrong classes; 0 for the right one."""
    right = (z * y).sum(axis=1, keepdims=True)
    return np.where(y > 0, 0.0, z - right + margin)


def _hinge(mismatch: Mismatch, z: Array, y: Array) -> Iterator[Explained]:
    r, m = mismatch.reference, len(z)
    margins = np.maximum(_margins(z, y), 0)
    yield "the right class is counted too: its margin of 1", r + 1.0
    yield (
        "only the largest margin of each example is counted",
        r + (margins.max(axis=1) - margins.sum(axis=1)).sum() / m,
    )
    yield "the margins are squared", r + (margins**2 - margins).sum() / m
    yield "the margins are not cut off at 0", r + (_margins(z, y) - margins).sum() / m
    for margin in (0.0, 0.5, 2.0):
        yield f"the margin is {margin:g}, not 1", r + (np.maximum(_margins(z, y, margin), 0) - margins).sum() / m


def _hinge_gradient(mismatch: Mismatch, z: Array, y: Array) -> Iterator[Explained]:
    m = len(z)
    counted = (_margins(z, y) > 0).astype(np.float64)
    total = counted.sum(axis=1, keepdims=True)
    yield "the right class gets no gradient: minus the number of positive margins is missing", counted / m
    yield "the right class gets -1, not minus the number of positive margins", (counted - y) / m
    yield "the right class is counted too: its margin of 1", (counted + y - y * (total + 1)) / m
    yield "the right class is counted among the positive margins", (counted + y - y * total) / m
    yield from off_by(mismatch, "the wrong classes' gradient", counted / m)
    yield from off_by(mismatch, "the right class' gradient", -y * total / m)
    yield (
        "the margins themselves are used, not whether they are positive",
        ((np.maximum(_margins(z, y), 0) - y * np.maximum(_margins(z, y), 0).sum(axis=1, keepdims=True)) / m),
    )
    for margin in (0.0, 0.5, 2.0):
        other = (_margins(z, y, margin) > 0).astype(np.float64) * (y == 0)
        yield f"the margin is {margin:g}, not 1", (other - y * other.sum(axis=1, keepdims=True)) / m


def loss_combination(mismatch: Mismatch) -> Iterator[Explained]:
    """Other factors before prediction and target in the cost's gradient."""
    kinds: dict[Any, Callable[[Array], Array]] = {
        BinaryCrossEntropyFromLogits: _sigmoid,
        SoftmaxCrossEntropy: _softmax_of,
        MeanSquaredError: np.asarray,
    }
    layers, cost = mismatch.case.architecture.layers, mismatch.case.architecture.loss
    if mismatch.name != "grad/loss.input" or type(cost) not in kinds:
        return
    batch, m = mismatch.plan.batches[0], mismatch.m
    z = mismatch.given.get(f"forward/{layers[-1][0]}") if layers else batch.x
    if z is None or batch.target is None:
        return
    a = kinds[type(cost)](z)
    terms = {"a": a / m, "y": batch.target / m, "1": np.full_like(a, 1 / m)}
    yield from combination(mismatch, "m times the gradient is not a - y but", terms)
