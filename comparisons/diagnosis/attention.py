"""Causes in attention: scale, softmax, mask, heads, and the three gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from comparisons.diagnosis.dense import of_bias
from comparisons.diagnosis.mismatch import Array, Explained, Mismatch, off_by, parts
from scratch import MultiHeadAttention, ScaledDotProductAttention

_LARGE = 10**6


@dataclass(frozen=True)
class _Way:
    """How attention is computed; one field otherwise is a mistake."""

    causal: bool
    heads: int = 1
    scale: str = "sqrt"
    axis: int = -1
    mask: str = ""
    split: str = ""
    back: str = ""


def attention(mismatch: Mismatch) -> Iterator[Explained]:
    """Mistakes in scaled dot-product and multi-head attention."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if not isinstance(layer, ScaledDotProductAttention | MultiHeadAttention) or known is None:
        return
    x, dy = known
    heads = layer.heads if isinstance(layer, MultiHeadAttention) else 1
    right = _Way(layer.causal, heads)
    if x.shape[0] * heads * x.shape[1] ** 2 > _LARGE:
        return
    multi = isinstance(layer, MultiHeadAttention)
    if mismatch.is_output:
        if multi:
            yield from off_by(mismatch, "the bias of the output", mismatch.params["b_o"])
            z = x @ mismatch.params["W"]
            yield "the bias of queries, keys and values is missing", _mixed(mismatch, _forward(z, right))
            z = z + mismatch.params["b"]
            yield "W_o is not multiplied in", _forward(z, right)
            yield "the input is added: a residual connection", mismatch.reference + x
        else:
            z = x
        for told, way in _forward_mistakes(right):
            y = _forward(z, way)
            yield told, _mixed(mismatch, y) if multi else y
        for told, other in _columns(z):
            y = _forward(other, right)
            yield told, _mixed(mismatch, y) if multi else y
        return
    z = x @ mismatch.params["W"] + mismatch.params["b"] if multi else x
    upstream = dy @ mismatch.params["W_o"].T if multi else dy
    if mismatch.leaf in ("b", "b_o"):
        yield from of_bias(mismatch, dy if mismatch.leaf == "b_o" else _backward(z, upstream, right))
    if mismatch.leaf == "W_o":
        a = _forward(z, right)
        yield "the transpose: dY^T A for A^T dY", np.einsum("mti,mtj->ij", dy, a) + mismatch.penalty
        yield "the input is used for the heads' outputs", np.einsum("mti,mtj->ij", x, dy) + mismatch.penalty
        yield from parts(mismatch, "example", np.einsum("mti,mtj->mij", a, dy))
        return
    for told, way in _backward_mistakes(right):
        yield told, _collected(mismatch, x, _backward(z, upstream, way))
    if multi:
        text = "W_o is not transposed on the way back: dY W_o for dY W_o^T"
        yield text, _collected(mismatch, x, _backward(z, dy @ mismatch.params["W_o"], right))
        yield "W_o is left out on the way back", _collected(mismatch, x, _backward(z, dy, right))
        if mismatch.leaf == "W":
            dz = _backward(z, upstream, right)
            yield from parts(mismatch, "example", np.einsum("mti,mtj->mij", x, dz))
    dz = _backward(z, upstream, right)
    n = dz.shape[-1] // 3
    for k, name in enumerate(("dQ", "dK", "dV")):
        without = dz.copy()
        without[..., k * n : (k + 1) * n] = 0
        yield f"{name} is missing", _collected(mismatch, x, without)


def _mixed(mismatch: Mismatch, a: Array) -> Array:
    return a @ mismatch.params["W_o"] + mismatch.params["b_o"]


def _collected(mismatch: Mismatch, x: Array, dz: Array) -> Array:
    """The mismatching tensor, given the gradient of queries, keys and values side by side."""
    if mismatch.is_input_gradient:
        return dz @ mismatch.params["W"].T if "W" in mismatch.params else dz
    if mismatch.leaf == "W":
        return np.einsum("mti,mtj->ij", x, dz) + mismatch.penalty
    return dz.sum(axis=(0, 1))


def _forward_mistakes(right: _Way) -> Iterator[tuple[str, _Way]]:
    yield "the scores are not divided by sqrt(d)", replace(right, scale="none")
    yield "the scores are divided by d instead of sqrt(d)", replace(right, scale="d")
    yield "the scores are multiplied by sqrt(d)", replace(right, scale="times")
    yield "the scores are divided by the root of the number of steps", replace(right, scale="steps")
    yield "the scores are divided by the number of steps", replace(right, scale="T")
    if right.heads > 1:
        yield "the scores are divided by the root of all features, not of a head's", replace(right, scale="all")
        yield "the heads are split without moving their axis", replace(right, split="unmoved")
        yield "the heads are split and joined without moving their axis", replace(right, split="both unmoved")
        yield "the heads' features are interleaved", replace(right, split="interleaved")
        yield "the heads' outputs are joined without moving their axis", replace(right, split="joined unmoved")
        yield "a single head is used", replace(right, heads=1)
    yield "the softmax is taken over the queries, not the keys", replace(right, axis=-2)
    yield "the softmax is left out", replace(right, mask="no softmax")
    if right.causal:
        yield "the causal mask is missing", replace(right, causal=False)
        yield "the causal mask is transposed: a step sees the later ones", replace(right, mask="transposed")
        yield "masked scores are set to 0, not to minus infinity", replace(right, mask="zero")
        yield (
            "masked weights are set to 0 after the softmax, so that they do not sum to 1",
            replace(right, mask="after"),
        )
        yield "a step does not see itself: the mask is strict", replace(right, mask="strict")
        yield "a step sees the next one too", replace(right, mask="next")
    else:
        yield "a causal mask is applied", replace(right, causal=True)


def _backward_mistakes(right: _Way) -> Iterator[tuple[str, _Way]]:
    yield "the gradient of the scores is not divided by sqrt(d)", replace(right, back="unscaled")
    yield "the gradient of the scores is divided by d instead of sqrt(d)", replace(right, back="d")
    yield "the gradient of the scores is divided by sqrt(d) twice", replace(right, back="twice")
    yield "the sum in softmax's derivative is missing: only p dp is left", replace(right, back="no sum")
    yield "only the diagonal of softmax's Jacobian, p (1 - p) dp", replace(right, back="diagonal")
    yield "softmax's derivative is left out", replace(right, back="no softmax")
    yield "the sum in softmax's derivative is taken over the queries", replace(right, back="sum axis")
    yield "dK: dS is not transposed", replace(right, back="dk")
    yield "dQ: dS is transposed", replace(right, back="dq")
    yield "dV: P is not transposed", replace(right, back="dv")
    yield "dQ and dK are swapped", replace(right, back="swapped")
    yield "dS Q for dS K in dQ", replace(right, back="dq of q")
    yield "dS^T K for dS^T Q in dK", replace(right, back="dk of k")
    if right.heads > 1:
        yield "the heads are split without moving their axis on the way back", replace(right, back="unmoved")


def _columns(z: Array) -> Iterator[tuple[str, Array]]:
    q, k, v = np.split(z, 3, axis=-1)
    for told, order in {
        "queries and keys are swapped": (k, q, v),
        "queries and values are swapped": (v, k, q),
        "keys and values are swapped": (q, v, k),
        "keys are used for values": (q, k, k),
        "queries are used for keys": (q, q, v),
    }.items():
        yield told, np.concatenate(order, axis=-1)


def _split(a: Array, heads: int, how: str = "") -> Array:
    """(m, T, n) to (m, heads, T, d)."""
    m, steps, n = a.shape
    if how in ("unmoved", "both unmoved"):
        return a.reshape(m, heads, steps, n // heads)
    if how == "interleaved":
        return a.reshape(m, steps, n // heads, heads).transpose(0, 3, 1, 2)
    return a.reshape(m, steps, heads, n // heads).transpose(0, 2, 1, 3)


def _join(a: Array, how: str = "") -> Array:
    m, heads, steps, d = a.shape
    if how in ("joined unmoved", "both unmoved"):
        return a.reshape(m, steps, heads * d)
    if how == "interleaved":
        return a.transpose(0, 2, 3, 1).reshape(m, steps, heads * d)
    return a.transpose(0, 2, 1, 3).reshape(m, steps, heads * d)


def _weights(q: Array, k: Array, way: _Way) -> Array:
    d, steps = q.shape[-1], q.shape[-2]
    scale = {
        "none": 1.0,
        "d": d,
        "times": 1 / math.sqrt(d),
        "all": math.sqrt(d * way.heads),
        "steps": math.sqrt(steps),
        "T": steps,
    }.get(way.scale, math.sqrt(d))
    scores = q @ k.swapaxes(-1, -2) / scale
    seen = np.tri(steps, k={"strict": -1, "next": 1}.get(way.mask, 0), dtype=bool)
    if way.mask == "transposed":
        seen = seen.T
    if way.mask == "strict":
        seen = seen | (np.arange(steps) == 0)[:, None]
    if way.causal and way.mask != "after":
        scores = np.where(seen, scores, 0.0 if way.mask == "zero" else -np.inf)
    if way.mask == "no softmax":
        return scores
    e = np.exp(scores - scores.max(axis=way.axis, keepdims=True))
    p = e / e.sum(axis=way.axis, keepdims=True)
    return p * seen if way.causal and way.mask == "after" else p


def _forward(z: Array, way: _Way) -> Array:
    q, k, v = (_split(a, way.heads, way.split) for a in np.split(z, 3, axis=-1))
    return _join(_weights(q, k, way) @ v, way.split)


def _backward(z: Array, dy: Array, way: _Way) -> Array:
    q, k, v = (_split(a, way.heads) for a in np.split(z, 3, axis=-1))
    dy = _split(dy, way.heads, "unmoved" if way.back == "unmoved" else "")
    p = _weights(q, k, way)
    dp, d = dy @ v.swapaxes(-1, -2), q.shape[-1]
    total = (dp * p).sum(axis=-2 if way.back == "sum axis" else -1, keepdims=True)
    ds = {"no sum": p * dp, "diagonal": p * (1 - p) * dp, "no softmax": dp}.get(way.back, p * (dp - total))
    ds = ds / {"unscaled": 1.0, "d": d, "twice": d}.get(way.back, math.sqrt(d))
    ds_t = ds.swapaxes(-1, -2)
    dq = (ds_t if way.back == "dq" else ds) @ (q if way.back == "dq of q" else k)
    dk = (ds if way.back == "dk" else ds_t) @ (k if way.back == "dk of k" else q)
    dv = (p if way.back == "dv" else p.swapaxes(-1, -2)) @ dy
    if way.back == "swapped":
        dq, dk = dk, dq
    return np.concatenate([_join(a) for a in (dq, dk, dv)], axis=-1)
