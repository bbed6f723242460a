"""Causes in batch, layer, group and local response normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from comparisons.diagnosis.dense import of_bias
from comparisons.diagnosis.mismatch import Array, Explained, Mismatch, off_by, parts
from comparisons.naming import place
from scratch import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm

Mean = Callable[[Array], Array]
Norm = BatchNorm | LayerNorm | GroupNorm
_EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12)


@dataclass(frozen=True)
class _Statistics:
    """What a norm computes on the way: mean over the set, its size, centred input, variance, s, normalised input."""

    mean: Mean
    size: int
    centred: Array
    var: Array
    s: Array
    n: Array


def normalisation(mismatch: Mismatch) -> Iterator[Explained]:
    """A path of the backward pass, epsilon, a statistic or a scale other than it should be."""
    layer = mismatch.layer_object
    if isinstance(layer, LocalResponseNorm):
        yield from _local_response(mismatch, layer)
    if not isinstance(layer, BatchNorm | LayerNorm | GroupNorm):
        return
    if place(mismatch.name).phase == "buffer" and isinstance(layer, BatchNorm):
        yield from _running_average(mismatch, layer)
        return
    known = mismatch.passed()
    if known is None:
        return
    x, dy = known
    if isinstance(layer, BatchNorm) and (mismatch.frozen or not mismatch.case.training):
        yield from _evaluated(mismatch, layer, x, dy)
        return
    stats = _statistics(x, _mean_of(layer, x), layer.epsilon)
    if mismatch.is_output:
        yield from _outputs(mismatch, layer, x, stats)
    elif mismatch.is_input_gradient:
        yield from _input_gradients(mismatch, layer, x, dy, stats)
    elif mismatch.leaf == "gamma":
        yield from _gamma(mismatch, x, dy, stats)
    elif mismatch.leaf == "beta":
        yield from of_bias(mismatch, dy)


def _over(axes: tuple[int, ...]) -> Mean:
    return lambda a: np.broadcast_to(a.mean(axis=axes, keepdims=True), a.shape)


def _grouped(groups: int, interleaved: bool = False) -> Mean:
    def mean(a: Array) -> Array:
        m, h, w, n = a.shape
        if interleaved:
            return np.broadcast_to(a.reshape(m, h, w, -1, groups).mean(axis=(1, 2, 3), keepdims=True),
                                   (m, h, w, n // groups, groups)).reshape(a.shape)  # fmt: skip
        split = a.reshape(m, h, w, groups, -1)
        return np.broadcast_to(split.mean(axis=(1, 2, 4), keepdims=True), split.shape).reshape(a.shape)

    return mean


def _mean_of(layer: Norm, x: Array) -> Mean:
    if isinstance(layer, BatchNorm):
        return _over(tuple(range(x.ndim - 1)))
    return _grouped(layer.groups) if isinstance(layer, GroupNorm) else _over((x.ndim - 1,))


def _statistics(x: Array, mean: Mean, epsilon: float) -> _Statistics:
    centred = x - mean(x)
    var = mean(centred**2)
    s = np.sqrt(var + epsilon)
    first = np.zeros_like(x)
    first.flat[0] = 1.0
    size = round(1 / float(mean(first).flat[0]))
    return _Statistics(mean, size, centred, var, s, centred / s)


def _outputs(mismatch: Mismatch, layer: Norm, x: Array, at: _Statistics) -> Iterator[Explained]:
    gamma, beta = mismatch.params["gamma"], mismatch.params["beta"]
    eps, k = layer.epsilon, at.size
    if isinstance(layer, BatchNorm):
        buffers = mismatch.plan.weights.buffers[mismatch.layer]
        s = np.sqrt(buffers["running_var"] + eps)
        yield "the running averages are used in training", gamma * (x - buffers["running_mean"]) / s + beta
    if k > 1:
        yield (
            f"normalised by the unbiased variance, 1/({k} - 1)",
            gamma * at.centred / np.sqrt(at.var * k / (k - 1) + eps) + beta,
        )
    yield "epsilon stands outside the root", gamma * at.centred / (np.sqrt(at.var) + eps) + beta
    yield "epsilon is missing", gamma * at.centred / np.sqrt(at.var) + beta
    yield "the root is not taken: divided by the variance", gamma * at.centred / (at.var + eps) + beta
    for other in _EPSILONS:
        yield f"epsilon {other:g} is used for {eps:g}", gamma * at.centred / np.sqrt(at.var + other) + beta
    yield "the mean is not subtracted", gamma * x / at.s + beta
    square = at.mean(x**2)
    yield (
        "the mean square is used for the variance: the mean is not subtracted in it",
        gamma * at.centred / np.sqrt(square + eps) + beta,
    )
    yield (
        "the mean absolute deviation is used for the standard deviation",
        gamma * at.centred / (at.mean(np.abs(at.centred)) + eps) + beta,
    )
    yield "epsilon is added twice", gamma * at.centred / np.sqrt(at.var + 2 * eps) + beta
    yield "epsilon squared is added", gamma * at.centred / np.sqrt(at.var + eps**2) + beta
    yield "not divided by the standard deviation", gamma * at.centred + beta
    yield from off_by(mismatch, "beta", beta)
    yield "gamma is left out", at.n + beta
    yield "gamma and beta are both left out", at.n
    yield "gamma and beta are swapped", beta * at.n + gamma
    yield "gamma multiplies beta too", gamma * (at.n + beta)
    for told, mean in _other_sets(layer, x):
        yield told, gamma * _statistics(x, mean, eps).n + beta


def _other_sets(layer: Norm, x: Array) -> Iterator[tuple[str, Mean]]:
    examples, features, inner = tuple(range(x.ndim - 1)), (x.ndim - 1,), tuple(range(1, x.ndim))
    if isinstance(layer, GroupNorm):
        yield "all channels are one group", _over(inner)
        yield "each channel is normalised on its own", _over((1, 2))
        yield "the groups are interleaved: channels that are not neighbours", _grouped(layer.groups, interleaved=True)
        yield f"{layer.n // layer.groups} groups, not {layer.groups}", _grouped(layer.n // layer.groups)
    yield "normalised over the examples alone", _over((0,))
    if not isinstance(layer, BatchNorm):
        yield "normalised over the examples, as batch norm", _over(examples)
    if not isinstance(layer, LayerNorm):
        yield "normalised over the features, as layer norm", _over(features)
    if x.ndim > 2:
        yield "normalised over the whole example", _over(inner)
    yield "normalised over the whole batch", _over(tuple(range(x.ndim)))


def _input_gradients(mismatch: Mismatch, layer: Norm, x: Array, dy: Array, at: _Statistics) -> Iterator[Explained]:
    r, gamma, mean, n, s = mismatch.reference, mismatch.params["gamma"], at.mean, at.n, at.s
    dn = dy * gamma
    yield "the mean and the variance are treated as constants: both paths are missing", dn / s
    if isinstance(layer, BatchNorm) and x.ndim == 4:
        m, k = len(x), at.size
        wrong = (m * dn - k * mean(dn) - n * k * mean(dn * n)) / (m * s)
        yield "m counts the examples, not their pixels", wrong
    k = at.size
    yield (
        f"the sums over the {k} values are not divided by their number",
        (dn - k * mean(dn) - k * n * mean(dn * n)) / s,
    )
    if not isinstance(layer, BatchNorm) and len(x) != k:
        share = k / len(x)  # (m dn - sum - n sum) / (m s), with sums over the k features
        wrong = (dn - share * mean(dn) - share * n * mean(dn * n)) / s
        yield (
            f"the sums are divided by the number of examples, {len(x)}, not of the {k} values that are normalised",
            wrong,
        )
    yield from _path(mismatch, "the path through the variance (dvar -> dx)", -n * mean(dn * n) / s, k)
    yield from _path(mismatch, "the path through the mean (dmu -> dx)", -mean(dn) / s, k)
    yield from off_by(mismatch, "the direct path", dn / s)
    yield "dy is used for gamma dy in the path through the mean", (dn - mean(dy) - n * mean(dn * n)) / s
    yield "dy is used for gamma dy in the path through the variance", (dn - mean(dn) - n * mean(dy * n)) / s
    yield "gamma is left out of the direct path", (dy - mean(dn) - n * mean(dn * n)) / s
    yield "gamma is left out", (dy - mean(dy) - n * mean(dy * n)) / s
    yield "gamma is multiplied after the means, not before", gamma * (dy - mean(dy) - n * mean(dy * n)) / s
    yield "not divided by the standard deviation", r * s
    yield "divided by the variance instead of the standard deviation", r / s
    yield "multiplied by the standard deviation instead of divided", r * s**2
    yield "the centred input is used for the normalised one", (dn - mean(dn) - at.centred * mean(dn * at.centred)) / s
    yield "the input is used for the normalised one", (dn - mean(dn) - x * mean(dn * x)) / s
    sd = np.sqrt(at.var)
    bare = at.centred / sd
    yield "epsilon is missing in the backward pass", (dn - mean(dn) - bare * mean(dn * bare)) / sd
    for told, other in _other_sets(layer, x):
        o = _statistics(x, other, layer.epsilon)
        yield f"the means of the backward pass: {told}", (dn - other(dn) - n * other(dn * n)) / s
        yield f"the backward pass is {told}", (dn - other(dn) - o.n * other(dn * o.n)) / o.s


def _path(mismatch: Mismatch, name: str, term: Array, size: int) -> Iterator[Explained]:
    if size != mismatch.m and size > 2:
        yield (
            f"{name} is counted {size} times, not divided by the number of values",
            mismatch.reference + (size - 1) * term,
        )
    yield from off_by(mismatch, name, term)


def _gamma(mismatch: Mismatch, x: Array, dy: Array, at: _Statistics) -> Iterator[Explained]:
    n, features = at.n, x.shape[-1]

    def total(a: Array) -> Array:
        return a.reshape(-1, features).sum(axis=0)

    beta, gamma = mismatch.params["beta"], mismatch.params["gamma"]
    yield "the gradient of beta: the normalised input is not multiplied in", total(dy)
    yield "x - mean is used for the normalised input", total(dy * at.centred)
    yield "the input is used for the normalised input", total(dy * x)
    yield "the output is used for the normalised input", total(dy * (gamma * n + beta))
    yield "gamma is multiplied in", total(dy * gamma * n)
    yield from parts(mismatch, "example", (dy * n).reshape(len(dy), -1, features).sum(axis=1))
    yield f"divided by the number of positions, {x.size // features}", total(dy * n) / (x.size // features)
    yield "epsilon is missing", total(dy * at.centred / np.sqrt(at.var))


def _evaluated(mismatch: Mismatch, layer: BatchNorm, x: Array, dy: Array) -> Iterator[Explained]:
    gamma, beta = mismatch.params["gamma"], mismatch.params["beta"]
    buffers = mismatch.plan.weights.buffers[mismatch.layer]
    batch = _statistics(x, _mean_of(layer, x), layer.epsilon)
    s = np.sqrt(buffers["running_var"] + layer.epsilon)
    centred = x - buffers["running_mean"]
    dn = dy * gamma
    if mismatch.is_output:
        if mismatch.frozen:
            text = "normalised by the batch: a frozen batch norm runs in evaluation mode, on its averages"
        else:
            text = "the batch's statistics are used in evaluation, not the running averages"
        yield text, gamma * batch.n + beta
        yield "the running variance is taken for a standard deviation", gamma * centred / buffers["running_var"] + beta
        yield "epsilon is missing", gamma * centred / np.sqrt(buffers["running_var"]) + beta
        yield (
            "epsilon stands outside the root",
            gamma * centred / (np.sqrt(buffers["running_var"]) + layer.epsilon) + beta,
        )
        yield "the running mean is not subtracted", gamma * x / s + beta
        yield from off_by(mismatch, "beta", beta)
        yield "gamma is left out", centred / s + beta
    elif mismatch.is_input_gradient:
        mean, n = batch.mean, batch.n
        text = "differentiated as in training mode: "
        text += (
            "the averages of a frozen batch norm are constants"
            if mismatch.frozen
            else "the running averages are constants"
        )
        yield text, (dn - mean(dn) - n * mean(dn * n)) / batch.s
        held = centred / s
        yield text, (dn - mean(dn) - held * mean(dn * held)) / s
        yield "divided by the batch's standard deviation", dn / batch.s
        yield "gamma is left out", dy / s
    elif mismatch.leaf == "gamma":
        yield (
            "the batch's statistics are used in evaluation, not the running averages",
            (dy * batch.n).reshape(-1, layer.n).sum(axis=0),
        )
    elif mismatch.leaf == "beta":
        yield from of_bias(mismatch, dy)


def _running_average(mismatch: Mismatch, layer: BatchNorm) -> Iterator[Explained]:
    x, step = mismatch.input(), place(mismatch.name).step
    if x is None or step != 1:
        return
    old, rho = mismatch.plan.weights.buffers[mismatch.layer][mismatch.leaf], layer.momentum
    if mismatch.frozen:
        values = tuple(range(x.ndim - 1))
        batch = x.mean(axis=values) if mismatch.leaf == "running_mean" else x.var(axis=values)
        yield "the running average of a frozen batch norm is updated", rho * old + (1 - rho) * batch
        return
    new = (mismatch.reference - rho * old) / (1 - rho)
    m = x.size // x.shape[-1]  # of images, every pixel counts
    if mismatch.leaf == "running_var" and m > 1:
        text = f"the running variance averages the unbiased batch variance, 1/(m - 1) with m = {m}: torch's convention"
        yield text, rho * old + (1 - rho) * new * m / (m - 1)
        yield "the standard deviation is averaged instead of the variance", rho * old + (1 - rho) * np.sqrt(new)
        yield "epsilon is added to the variance that is averaged", rho * old + (1 - rho) * (new + layer.epsilon)
    yield "momentum and 1 - momentum are swapped", (1 - rho) * old + rho * new
    yield "the running average is not updated", old
    yield "the running average is replaced by the batch's value", new
    yield "the old value is not kept: only (1 - momentum) times the batch's", (1 - rho) * new
    yield "the factor 1 - momentum is missing", rho * old + new
    yield "the factor momentum is missing", old + (1 - rho) * new
    yield "updated twice", rho * mismatch.reference + (1 - rho) * new


def _neighbours(a: Array, size: int) -> Array:
    channels = np.arange(a.shape[-1])
    near = np.abs(channels[:, None] - channels[None]) <= size // 2
    return a @ near


def _local_response(mismatch: Mismatch, layer: LocalResponseNorm) -> Iterator[Explained]:
    known = mismatch.passed()
    if known is None:
        return
    x, dy = known
    size, alpha, beta, k = layer.size, layer.alpha, layer.beta, layer.k
    d = k + alpha * _neighbours(x**2, size)
    if mismatch.is_output:
        yield (
            "alpha is divided by the size: torch's convention",
            x * (k + alpha / size * _neighbours(x**2, size)) ** -beta,
        )
        for other in (0.5, 0.75, 1.0):
            yield f"beta {other} is used for {beta}", x * d**-other
        yield "multiplied by the power, not divided", x * d**beta
        yield "only the own channel is summed", x * (k + alpha * x**2) ** -beta
        yield "k is missing", x * (d - k) ** -beta
        yield "the squares are missing in the sum", x * (k + alpha * _neighbours(x, size)) ** -beta
        for other in (size - 2, size + 2, 2 * size + 1):
            yield f"the sum is over {other} channels, not {size}", x * (k + alpha * _neighbours(x**2, other)) ** -beta
    elif mismatch.is_input_gradient:
        direct = dy * d**-beta
        through = -2 * alpha * beta * x * _neighbours(direct * x / d, size)
        yield from off_by(mismatch, "the path through the neighbours' sum", through)
        yield from off_by(mismatch, "the direct path", direct)
        yield "only the own channel is summed in the backward pass", direct - 2 * alpha * beta * x * direct * x / d
        yield "the neighbours' sum is not divided by d", direct - 2 * alpha * beta * x * _neighbours(direct * x, size)
