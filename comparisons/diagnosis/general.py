"""Causes that are seen from subject and reference alone: factors, turned axes, permutations, shapes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from comparisons.diagnosis.mismatch import FEW, Array, Explained, Mismatch
from scratch import AveragePool2D, Dropout, MaxPool2D, Momentum, Nesterov

_SMALL = 64
"""Up to this many rows or columns, a permutation of them is looked for."""


def another_shape(mismatch: Mismatch) -> str:
    """What the subject's values are that have another shape than the reference's; empty if that cannot be told."""
    s, r = mismatch.subject, mismatch.reference
    if s.size == r.size and r.size > 1 and _near(mismatch, s.reshape(r.shape)):
        return "the right values in another shape"
    if s.ndim == 2 and s.T.shape == r.shape and _near(mismatch, s.T):
        return "the transpose of the reference"
    for axes in _axes(s.ndim):
        if s.sum(axis=axes).shape == r.shape and _near(mismatch, s.sum(axis=axes)):
            examples = axes == (0,) and s.shape[0] == mismatch.m
            return "not summed over the examples" if examples else f"not summed over axis {', '.join(map(str, axes))}"
    if s.ndim > r.ndim and s.shape[s.ndim - r.ndim :] == r.shape and _near(mismatch, s):
        return "the right values, repeated: broadcast over another axis"
    return _summed_wrongly(mismatch)


def _summed_wrongly(mismatch: Mismatch) -> str:
    s, dy = mismatch.subject, mismatch.upstream()
    if dy is None or not mismatch.is_parameter_gradient:
        return ""
    for axes in _axes(dy.ndim):
        for keep in (False, True):
            summed = dy.sum(axis=axes, keepdims=keep)
            if summed.shape == s.shape and np.abs(s - summed).max(initial=0) <= mismatch.tolerance:
                if len(axes) == dy.ndim:
                    return "summed over everything, the features too" if dy.ndim == 2 else "summed over everything"
                features = axes == (dy.ndim - 1,)
                return "the upstream gradient summed over " + ("the features" if features else f"axis {axes}")
    return ""


def _axes(ndim: int) -> Iterator[tuple[int, ...]]:
    for n in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), n)


def _near(mismatch: Mismatch, a: Array) -> bool:
    return bool(np.abs(a - mismatch.reference).max(initial=0) <= mismatch.tolerance)


def _factors(mismatch: Mismatch) -> Iterator[tuple[str, float]]:
    m, layer, optimizer = mismatch.m, mismatch.layer_object, mismatch.case.optimizer
    yield "the sign is flipped", -1.0
    if isinstance(layer, Dropout):
        keep = layer.keep_prob
        yield "exactly keep_prob times the reference: not divided by keep_prob", keep
        yield "exactly 1/keep_prob times the reference: divided by keep_prob twice", 1 / keep
        yield "exactly keep_prob^2 times the reference: multiplied instead of divided", keep**2
        if keep < 1:
            yield "exactly keep_prob/(1 - keep_prob) times the reference: divided by the rate", keep / (1 - keep)
    if isinstance(layer, AveragePool2D | MaxPool2D):
        high, wide = layer.windows.kernel
        yield "exactly h w times the reference: not divided by the window's size", float(high * wide)
        yield "exactly 1/(h w) of the reference: divided by the window's size twice", 1 / (high * wide)
        yield "exactly w times the reference: divided by the window's height alone", float(wide)
        yield "exactly h times the reference: divided by the window's width alone", float(high)
    if m > 1:
        yield f"exactly 1/m of the reference (m = {m}): divided by m once too often", 1 / m
        yield f"exactly m times the reference (m = {m}): the 1/m is missing", float(m)
        yield f"exactly (m-1)/m of the reference (m = {m})", (m - 1) / m
        yield f"exactly m/(m-1) of the reference (m = {m}): unbiased where biased is meant", m / (m - 1)
    yield "exactly twice the reference", 2.0
    yield "exactly half of the reference", 0.5
    yield from _sizes(mismatch)
    if isinstance(optimizer, Momentum | Nesterov):
        beta = optimizer.beta
        yield "exactly 1/(1 - beta) times the reference: the factor 1 - beta is missing", 1 / (1 - beta)
        yield "exactly 1 - beta times the reference: an average where a sum is meant", 1 - beta
    yield "exactly 1/ln 2 of the reference: log2 is used for the natural logarithm", 1 / math.log(2)
    yield "exactly 1/ln 10 of the reference: log10 is used for the natural logarithm", 1 / math.log(10)


def _sizes(mismatch: Mismatch) -> Iterator[tuple[str, float]]:
    """Numbers of outputs, steps and pixels, by which a mean divides and a sum does not."""
    m, x, dy = mismatch.m, mismatch.input(), mismatch.upstream()
    if mismatch.name in ("loss", "grad/loss.input"):
        batch = mismatch.plan.batches[0]
        k = batch.target.shape[-1] if batch.target is not None else 1
        yield from _of_size("k", k, f"k = {k} outputs")
    elif mismatch.reference.ndim == 2 and mismatch.reference.shape[1] > 1:
        k = mismatch.reference.shape[1]
        yield from _of_size("k", k, f"k = {k} columns")
    for a in (x, dy):
        if a is not None and a.ndim == 3:
            yield from _of_size("T", a.shape[1], f"T = {a.shape[1]} steps")
            yield from _of_size("m T", m * a.shape[1], f"m T = {m * a.shape[1]}")
        if a is not None and a.ndim == 4:
            high, wide = a.shape[1], a.shape[2]
            pixels, positions = high * wide, m * high * wide
            yield (
                f"exactly h w times the reference (h w = {pixels}): not divided by the number of pixels",
                float(pixels),
            )
            yield f"exactly 1/(h w) of the reference (h w = {pixels}): divided by the number of pixels", 1 / pixels
            text = f"exactly 1/{positions} of the reference: divided by the number of positions, m h w"
            yield text, 1 / positions
            yield f"exactly w times the reference (w = {wide}): divided by the height alone", float(wide)
            yield f"exactly h times the reference (h = {high}): divided by the width alone", float(high)


def _of_size(name: str, size: int, told: str) -> Iterator[tuple[str, float]]:
    if size > 1:
        yield f"exactly 1/{name} of the reference ({told}): divided by {name} too", 1 / size
        yield f"exactly {name} times the reference ({told}): not divided by {name}", float(size)


def constant_ratio(mismatch: Mismatch) -> Iterator[Explained]:
    """The subject is a known constant times the reference."""
    if not mismatch.subject.any():
        yield "zero throughout: never computed, or overwritten", np.zeros_like(mismatch.reference)
    for explanation, factor in _factors(mismatch):
        yield explanation, factor * mismatch.reference


def some_ratio(mismatch: Mismatch) -> Iterator[Explained]:
    """The subject is some constant times the reference, or the reference and some constant."""
    s, r = mismatch.subject, mismatch.reference
    if np.count_nonzero(r) < FEW:
        return
    weight = float(np.vdot(r, r))
    if weight > 0:
        ratio = float(np.vdot(s, r)) / weight
        yield f"exactly {ratio:.6g} times the reference, throughout", ratio * r
        magnitudes = np.abs(r)
        yield "the absolute value of the reference", magnitudes
        yield "the negative parts are cut off", np.maximum(r, 0)
    top = float(np.abs(s).max(initial=0))
    yield f"clipped to [-{top:.6g}, {top:.6g}]", np.clip(r, -top, top)
    apart = float(np.mean(s - r))
    yield f"the reference + {apart:.6g}, throughout", r + apart


def turned(mismatch: Mismatch) -> Iterator[Explained]:
    """Axes that are swapped, reversed, or read in another order."""
    r = mismatch.reference
    if r.ndim == 2 and r.shape[0] == r.shape[1]:
        yield "the transpose of the reference", r.T
    for order in itertools.permutations(range(r.ndim)):
        if r.ndim <= 4 and r.transpose(order).shape == r.shape:
            yield f"the reference with its axes in the order {order}", r.transpose(order)
    if r.ndim in (2, 3, 4):
        for axes in _axes(r.ndim):
            yield f"the reference reversed along axis {', '.join(map(str, axes))}", np.flip(r, axes)
    if r.ndim >= 2:
        yield "the right values in Fortran order: filled column by column", r.reshape(-1).reshape(r.shape, order="F")
        yield "the right values in C order where Fortran order is meant", r.reshape(-1, order="F").reshape(r.shape)
        for axis in range(r.ndim):
            for by in (1, -1):
                yield f"shifted by {by} along axis {axis}", np.roll(r, by, axis)


def permuted(mismatch: Mismatch) -> Iterator[Explained]:
    """Rows, columns or other slices of the reference in another order."""
    s, r = mismatch.subject, mismatch.reference
    for axis in range(r.ndim):
        n = r.shape[axis]
        if not 1 < n <= _SMALL or r.size > 10**6:
            continue
        ours, theirs = (np.moveaxis(a, axis, 0).reshape(n, -1) for a in (s, r))
        apart = np.abs(ours[:, None] - theirs[None]).max(axis=2) if n * n * r.size < 10**8 else None
        if apart is None:
            continue
        order = apart.argmin(axis=1)
        if len(set(order.tolist())) == n:
            told = ", ".join(map(str, order[:8])) + (", ..." if n > 8 else "")
            yield f"a permutation of the reference along axis {axis}: {told}", np.take(r, order, axis)
