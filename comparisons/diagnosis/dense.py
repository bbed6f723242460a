"""Causes in dense layers, embeddings, dropout and residual blocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from comparisons.diagnosis.mismatch import Array, Explained, Mismatch, off_by, parts
from scratch import Dense, Dropout, Embedding, Residual

_LARGE = 10**6
"""From this many numbers on, the terms of a sum over the examples are not laid out."""


def dense(mismatch: Mismatch) -> Iterator[Explained]:
    """Transposes, biases, and sums over the examples of a dense layer."""
    known, p, leaf = mismatch.passed(), mismatch.params, mismatch.leaf
    if not isinstance(mismatch.layer_object, Dense) or known is None:
        return
    (x, dy), w = known, p["W"]
    square = w.shape[0] == w.shape[1]
    if mismatch.is_output:
        if "b" in p:
            yield from off_by(mismatch, "the bias", p["b"])
        if square:
            yield "W is transposed: X W^T", x @ w.T + p.get("b", 0)
    elif mismatch.is_input_gradient:
        if square:
            yield "W is not transposed: dZ W for dZ W^T", dy @ w
            yield "the upstream gradient as it came: W is not multiplied in", dy
        dw = x.T @ dy + regular(mismatch, "W")
        yield from _moved(mismatch, dy, dw)
    elif leaf == "W":
        yield from _of_weights(mismatch, x, dy)
    elif leaf == "b":
        yield from of_bias(mismatch, dy)


def regular(mismatch: Mismatch, leaf: str) -> Array | float:
    """What L2 adds to the gradient of a parameter of the layer."""
    arch = mismatch.case.architecture
    if arch.regulariser is None or (mismatch.layer, leaf) not in arch.regularised():
        return 0.0
    return arch.regulariser.lambda_ / mismatch.m * mismatch.params[leaf]


def _moved(mismatch: Mismatch, dy: Array, dw: Array) -> Iterator[Explained]:
    """dX through W - alpha dW: the parameter was updated before it was used."""
    change = dy @ dw.T
    weight = float(np.vdot(change, change))
    if weight > 0 and change.size > 2:
        alpha = -float(np.vdot(mismatch.subject - mismatch.reference, change)) / weight
        text = f"W was updated before dX was computed: dZ (W - {alpha:.4g} dW)^T"
        yield text, mismatch.reference - alpha * change


def _of_weights(mismatch: Mismatch, x: Array, dy: Array) -> Iterator[Explained]:
    if x.shape[1] == dy.shape[1]:
        yield "the transpose: dZ^T X for X^T dZ", dy.T @ x + mismatch.penalty
    if len(x) * x.shape[1] * dy.shape[1] <= _LARGE:
        yield from parts(mismatch, "example", x[:, :, None] * dy[:, None, :])
    yield "the absolute inputs are used", np.abs(x).T @ dy + mismatch.penalty
    yield "the inputs are centred: their mean is subtracted", (x - x.mean(axis=0)).T @ dy + mismatch.penalty
    yield "the upstream gradient is centred: its mean is subtracted", x.T @ (dy - dy.mean(axis=0)) + mismatch.penalty
    yield (
        "the inputs are not used: dW is the bias' gradient in every row",
        np.tile(dy.sum(axis=0), (x.shape[1], 1)) + mismatch.penalty,
    )
    yield (
        "the sums of inputs and upstream gradient are multiplied, not the examples one by one",
        (np.outer(x.sum(axis=0), dy.sum(axis=0)) + mismatch.penalty),
    )


def of_bias(mismatch: Mismatch, dy: Array) -> Iterator[Explained]:
    """The sum of the upstream gradient over all axes but the last, done otherwise."""
    n = dy.shape[-1]
    if dy.ndim > 2:
        yield from parts(mismatch, "example", dy.reshape(len(dy), -1, n).sum(axis=1))
        yield from parts(
            mismatch, "step" if dy.ndim == 3 else "row", dy.swapaxes(0, 1).reshape(dy.shape[1], -1, n).sum(axis=1)
        )
        yield f"divided by the number of positions, {dy.size // n}", dy.reshape(-1, n).mean(axis=0)
    else:
        yield from parts(mismatch, "example", dy)
    yield "summed over the features too", np.full(n, dy.sum())
    yield "the largest, not the sum", dy.reshape(-1, n).max(axis=0)


def dropout(mismatch: Mismatch) -> Iterator[Explained]:
    """A mask or a scale left out of a dropout layer, or another one's."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if not isinstance(layer, Dropout) or known is None:
        return
    keep, a = layer.keep_prob, known[0] if mismatch.is_output else known[1]
    where = "forward" if mismatch.is_output else "backward"
    mask = mismatch.plan.batches[0].masks.get(mismatch.layer)
    if mask is None:
        yield "exactly keep_prob times the reference: scaled in evaluation, though dropout is inverted", a * keep
        yield "exactly 1/keep_prob times the reference: not multiplied by keep_prob in evaluation", a / keep
        kept = mismatch.subject != 0
        if kept.any() and not kept.all():
            yield "dropout acts in evaluation: units are dropped", np.where(kept, a / keep, 0.0)
            yield "dropout acts in evaluation: units are dropped, and not divided by keep_prob", np.where(kept, a, 0.0)
        return
    if not mismatch.is_output:
        yield "exactly keep_prob times the reference: not divided by keep_prob", a * mask
        yield f"the mask is not applied in the {where} pass", a / keep
        yield f"neither mask nor scale is applied in the {where} pass", a
    yield "the mask is inverted: the dropped units are kept", a * ~mask / keep
    yield "the mask is inverted, and not divided by keep_prob", a * ~mask
    if not mismatch.is_output:
        yield from _other_mask(mismatch, a, keep)


def _other_mask(mismatch: Mismatch, a: Array, keep: float) -> Iterator[Explained]:
    """Each element either scaled or 0: what some mask makes of it."""
    found = mismatch.subject != 0
    if found.any() and not found.all():
        yield "another mask than in the forward pass (drawn anew, or stale)", np.where(found, a / keep, 0.0)
        yield "another mask than in the forward pass, not divided by keep_prob", np.where(found, a, 0.0)


def residual(mismatch: Mismatch) -> Iterator[Explained]:
    """One of the two branches of a residual block missing."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if not isinstance(layer, Residual) or known is None or layer.shortcut:
        return
    x, dy = known
    if mismatch.is_output:
        yield from off_by(mismatch, "the shortcut", x)
        yield "the input as it came: the layers are missing", x
    elif mismatch.is_input_gradient:
        yield from off_by(mismatch, "the gradient through the shortcut", dy)
        yield "the upstream gradient as it came: the gradient through the layers is missing", dy


def embedding(mismatch: Mismatch) -> Iterator[Explained]:
    """Gradients of tokens that come several times; tokens counted from 1."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if not isinstance(layer, Embedding) or known is None:
        return
    x, dy = known
    e, tokens = mismatch.params["E"], x.astype(int)
    if mismatch.is_output:
        yield "tokens are counted from 1: row t - 1 for t", e[tokens - 1]
        yield "row t + 1 for t", e[np.minimum(tokens + 1, len(e) - 1)]
    elif mismatch.leaf == "E":
        last = np.zeros_like(e)
        last[tokens] = dy
        yield (
            "of a token that comes several times only its last occurrence counts: assigned, not accumulated",
            last + mismatch.penalty,
        )
        first = np.zeros_like(e)
        first[tokens.ravel()[::-1]] = dy.reshape(-1, layer.n)[::-1]
        yield "of a token that comes several times only its first occurrence counts", first + mismatch.penalty
        often = np.maximum(np.bincount(tokens.ravel(), minlength=len(e)), 1)[:, None]
        yield "divided by how often the token comes", (mismatch.reference - mismatch.penalty) / often + mismatch.penalty
