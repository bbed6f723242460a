"""Causes in recurrent layers: each mistake is a walk through the steps with one line of it changed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from comparisons.diagnosis.mismatch import Array, Explained, Mismatch, parts
from comparisons.diagnosis.recurrent_walks import (
    GRU_BACK,
    GRU_FORWARD,
    LSTM_BACK,
    LSTM_FORWARD,
    RNN_BACK,
    RNN_FORWARD,
    Params,
    gru,
    gru_back,
    lstm,
    lstm_back,
    rnn,
    rnn_back,
)
from scratch import GRU, LSTM, Bidirectional, SimpleRNN

_LARGE = 3 * 10**5
"""From this many numbers in all gates of all steps on, nothing is walked again."""


def recurrent(mismatch: Mismatch) -> Iterator[Explained]:
    """Mistakes in a recurrent layer or in either direction of a bidirectional one."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if known is None or not isinstance(layer, SimpleRNN | LSTM | GRU | Bidirectional):
        return
    x, dy = known
    inner = layer.layer if isinstance(layer, Bidirectional) else layer
    if x.shape[0] * x.shape[1] * inner.n_hidden * inner.gates > _LARGE:
        return
    if isinstance(layer, Bidirectional):
        yield from _both(mismatch, layer, x, dy)
        return
    p = mismatch.params
    if mismatch.is_output:
        for told, h in _outputs(layer, x, p):
            yield told, _returned(layer, h)
        if layer.return_sequences:
            return
        h = _walk(layer, x, p, "")[0]
        yield "the state after the first step is returned, not the last", h[1]
        yield "the state before the last step is returned", h[-2]
        yield "the mean of all states is returned", h[1:].mean(axis=0)
        return
    yield from _gradients(mismatch, layer, x, _to_steps(layer, dy, x), p, mismatch.leaf)


def _returned(layer: SimpleRNN | LSTM | GRU, h: Array) -> Array:
    return h[1:].swapaxes(0, 1) if layer.return_sequences else h[-1]


def _to_steps(layer: SimpleRNN | LSTM | GRU, dy: Array, x: Array) -> Array:
    if layer.return_sequences:
        return dy.swapaxes(0, 1)
    steps = np.zeros((x.shape[1], *dy.shape))
    steps[-1] = dy
    return steps


def _outputs(layer: SimpleRNN | LSTM | GRU, x: Array, p: Params) -> Iterator[Explained]:
    """States of the mistaken forward passes, (T + 1, m, n)."""
    for told, other in _other_params(layer, p):
        yield told, _walk(layer, x, other, "")[0]
    mistakes = {SimpleRNN: RNN_FORWARD, LSTM: LSTM_FORWARD, GRU: GRU_FORWARD}[type(layer)]
    for mistake, told in mistakes.items():
        if mistake != "reset after" or not getattr(layer, "reset_after", True):
            yield told, _walk(layer, x, p, mistake)[0]
    yield "the sequence is walked from its end", _walk(layer, x[:, ::-1], p, "")[0]


def _other_params(layer: SimpleRNN | LSTM | GRU, p: Params) -> Iterator[tuple[str, Params]]:
    yield "the bias is missing", p | {"b": 0 * p["b"]}
    yield "the bias has the wrong sign", p | {"b": -p["b"]}
    yield "the state before is not used", p | {"U": 0 * p["U"]}
    n = layer.n_hidden
    blocks = p["U"].reshape(n, -1, n)
    yield "U is transposed", p | {"U": blocks.transpose(2, 1, 0).reshape(p["U"].shape)}
    if layer.n_in == n:
        yield "W and U are swapped", p | {"U": p["W"], "W": p["U"]}
    if "b_recurrent" in p:
        yield "the second bias is missing", p | {"b_recurrent": 0 * p["b_recurrent"]}
    names = {LSTM: "ifgo", GRU: "zrn"}.get(type(layer), "")
    for order in itertools.permutations(range(len(names))):
        if list(order) != sorted(order):
            told = f"the gates are in another order: {''.join(names[k] for k in order)} for {names}"
            yield told, {name: a.reshape(*a.shape[:-1], -1, n)[..., order, :].reshape(a.shape) for name, a in p.items()}


def _walk(layer: SimpleRNN | LSTM | GRU, x: Array, p: Params, mistake: str) -> tuple[Array, dict[str, Array]]:
    walk = {SimpleRNN: rnn, LSTM: lstm, GRU: gru}[type(layer)]
    reset_after = getattr(layer, "reset_after", True)
    return walk(x.swapaxes(0, 1), p, mistake, layer.n_hidden, reset_after)


def _gradients(
    mismatch: Mismatch, layer: SimpleRNN | LSTM | GRU, x: Array, dy: Array, p: Params, leaf: str
) -> Iterator[Explained]:
    h, kept = _walk(layer, x, p, "")
    step_back = {SimpleRNN: rnn_back, LSTM: lstm_back, GRU: gru_back}[type(layer)]
    reset_after = getattr(layer, "reset_after", True)
    steps = x.swapaxes(0, 1)
    penalty = mismatch.penalty

    def leaf_of(dz: Array, dq: Array, before: Array, met: Array) -> Array:
        if leaf == "input":
            return (dz @ p["W"].T).swapaxes(0, 1)
        if leaf == "W":
            return np.einsum("tmi,tmj->ij", steps, dz) + penalty
        if leaf == "U":
            return _of_u(before, dq, met, reset_after) + penalty
        return (dq if leaf == "b_recurrent" else dz).sum(axis=(0, 1))

    met = kept.get("met", h[:-1])
    mistakes = {SimpleRNN: RNN_BACK, LSTM: LSTM_BACK, GRU: GRU_BACK}[type(layer)]
    for mistake, told in mistakes.items():
        dz, dq = step_back(dy, p, h, kept, mistake, reset_after)
        yield told, leaf_of(dz, dq, h[:-1], met)
    dz, dq = step_back(dy, p, h, kept, "", reset_after)
    if leaf == "U":
        yield "the state after the step is used for the one before", leaf_of(dz, dq, h[1:], met)
        if not reset_after:
            yield "h is used for r h in dU of the candidate", leaf_of(dz, dq, h[:-1], h[:-1])
        yield "the bias' gradient, dq, without the reset gate", leaf_of(dz, dz, h[:-1], met)
    if leaf == "b_recurrent":
        yield "the gradient of b: the reset gate is left out", dz.sum(axis=(0, 1))
    if leaf == "b" and "b_recurrent" in p:
        yield "the gradient of the second bias: the reset gate is multiplied in", dq.sum(axis=(0, 1))
    if leaf != "input":
        per_step = np.stack([leaf_of(dz[t : t + 1], dq[t : t + 1], h[t : t + 1], met[t : t + 1]) if leaf != "W"
                             else steps[t].T @ dz[t] for t in range(len(steps))])  # fmt: skip
        if leaf == "U":
            per_step = per_step - penalty
        yield from parts(mismatch, "step", per_step)


def _of_u(before: Array, dq: Array, met: Array, reset_after: bool) -> Array:
    du = np.einsum("tmi,tmj->ij", before, dq)
    n = before.shape[-1]
    if not reset_after:
        du[:, 2 * n :] = np.einsum("tmi,tmj->ij", met, dq[..., 2 * n :])
    return du


def _both(mismatch: Mismatch, layer: Bidirectional, x: Array, dy: Array) -> Iterator[Explained]:
    inner, n, turn = layer.layer, layer.layer.n_hidden, layer.layer.return_sequences
    own = {name: mismatch.params[name] for name in inner.parameter_shapes()}
    other = {name: mismatch.params[f"{name}_reverse"] for name in own}
    first, second = dy[..., :n], dy[..., n:]

    def turned(a: Array) -> Array:
        return a[:, ::-1] if turn else a

    if mismatch.is_output:
        ahead, behind = (_returned(inner, _walk(inner, v, q, "")[0]) for v, q in ((x, own), (x[:, ::-1], other)))
        both = _returned(inner, _walk(inner, x, other, "")[0])
        yield "the second direction's output is not turned round again", np.concatenate([ahead, behind], axis=-1)
        yield (
            "both directions run forwards: the input is not turned round, the output is",
            np.concatenate([ahead, turned(both)], axis=-1),
        )
        yield "both directions run forwards", np.concatenate([ahead, both], axis=-1)
        yield (
            "the halves are swapped: the reverse direction comes first",
            np.concatenate([turned(behind), ahead], axis=-1),
        )
        yield (
            "the directions' weights are swapped",
            np.concatenate(
                [
                    _returned(inner, _walk(inner, x, other, "")[0]),
                    turned(_returned(inner, _walk(inner, x[:, ::-1], own, "")[0])),
                ],
                axis=-1,
            ),
        )
        return
    if mismatch.is_input_gradient:
        parts_of = [
            _input_gradient(inner, v, d, q) for v, d, q in ((x, first, own), (x[:, ::-1], turned(second), other))
        ]
        yield "the second direction's gradient is not turned round again", parts_of[0] + parts_of[1]
        yield "only the forward direction is counted", parts_of[0]
        yield "only the reverse direction is counted", parts_of[1][:, ::-1]
        again = _input_gradient(inner, x[:, ::-1], second, other)
        yield "the second direction's upstream gradient is not turned round", parts_of[0] + again[:, ::-1]
        return
    leaf, reverse = mismatch.leaf.removesuffix("_reverse"), mismatch.leaf.endswith("_reverse")
    if reverse:
        told = "the second direction's upstream gradient is not turned round"
        yield told, _leaf(inner, x[:, ::-1], second, other, leaf) + mismatch.penalty
        yield "the forward direction's gradient", _leaf(inner, x, first, own, leaf) + mismatch.penalty
        yield from _gradients(mismatch, inner, x[:, ::-1], _to_steps(inner, turned(second), x), other, leaf)
    else:
        yield (
            "the reverse direction's gradient",
            _leaf(inner, x[:, ::-1], turned(second), other, leaf) + mismatch.penalty,
        )
        yield from _gradients(mismatch, inner, x, _to_steps(inner, first, x), own, leaf)


def _back(inner: SimpleRNN | LSTM | GRU, x: Array, dy: Array, p: Params) -> tuple[Array, Array, Array, Array]:
    h, kept = _walk(inner, x, p, "")
    back = {SimpleRNN: rnn_back, LSTM: lstm_back, GRU: gru_back}[type(inner)]
    dz, dq = back(_to_steps(inner, dy, x), p, h, kept, "", getattr(inner, "reset_after", True))
    return dz, dq, h, kept.get("met", h[:-1])


def _input_gradient(inner: SimpleRNN | LSTM | GRU, x: Array, dy: Array, p: Params) -> Array:
    dz, *_ = _back(inner, x, dy, p)
    return (dz @ p["W"].T).swapaxes(0, 1)


def _leaf(inner: SimpleRNN | LSTM | GRU, x: Array, dy: Array, p: Params, leaf: str) -> Array:
    dz, dq, h, met = _back(inner, x, dy, p)
    if leaf == "W":
        return np.einsum("tmi,tmj->ij", x.swapaxes(0, 1), dz)
    if leaf == "U":
        return _of_u(h[:-1], dq, met, getattr(inner, "reset_after", True))
    return (dq if leaf == "b_recurrent" else dz).sum(axis=(0, 1))
