"""Causes in single recurrent steps: the walks' mistakes, from a state that is not zero."""

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
    Params,
    gru,
    gru_step_back,
    lstm,
    lstm_step_back,
)
from scratch.activations import sigmoid
from scratch.cells import GRUCell, LSTMCell, RNNCell


def cell(mismatch: Mismatch) -> Iterator[Explained]:
    """Mistakes in one step of a simple recurrent layer, of an LSTM or of a GRU."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if known is None or not isinstance(layer, RNNCell | LSTMCell | GRUCell):
        return
    if isinstance(layer, GRUCell):
        yield from _gru(mismatch, layer, *known)
        return
    x, dy = known
    p, (new, *before) = mismatch.params, layer.split(x)
    if mismatch.is_output:
        for told, other in _other_params(p):
            yield told, _forward(layer, new, before, other, "")
        for mistake, told in LSTM_FORWARD.items() if isinstance(layer, LSTMCell) else _RNN_FORWARD.items():
            yield told, _forward(layer, new, before, p, mistake)
        return
    for told, dz, dc in _backward(layer, new, before, dy, p):
        yield told, _leaf(mismatch, new, before[0], dz, dc, p)
    _, dz, dc = next(_backward(layer, new, before, dy, p, only=""))
    if mismatch.is_input_gradient:
        yield (
            "U is not transposed on the way back",
            np.hstack([dz @ p["W"].T, dz @ _turned(p["U"]).T, *([] if dc is None else [dc])]),
        )
    elif mismatch.leaf == "U":
        after = _forward(layer, new, before, p, "")[:, : layer.n_hidden]
        yield "the state after the step is used for the one before", after.T @ dz
    elif mismatch.leaf in ("W", "b"):
        terms = new[:, :, None] * dz[:, None, :] if mismatch.leaf == "W" else dz
        yield from parts(mismatch, "example", terms)
    if mismatch.leaf == "b":
        yield "summed over the features too", np.full(dz.shape[1], dz.sum())


def _gru(mismatch: Mismatch, layer: GRUCell, x: Array, dy: Array) -> Iterator[Explained]:
    p, n, after = mismatch.params, layer.n_hidden, layer.reset_after
    new, h = layer.split(x)

    def walked(q: Params, mistake: str) -> Array:
        return gru(new[None], q, mistake, n, after, start=h)[0][1]

    if mismatch.is_output:
        yield from ((told, walked(other, "")) for told, other in _other_params(p))
        yield from (
            (told, walked(p, mistake)) for mistake, told in GRU_FORWARD.items() if mistake != "reset after" or not after
        )
        for order in itertools.permutations(range(3)):
            if list(order) != [0, 1, 2]:
                other = {name: a.reshape(*a.shape[:-1], 3, n)[..., order, :].reshape(a.shape) for name, a in p.items()}
                yield f"the gates are in another order: {''.join('zrn'[k] for k in order)} for zrn", walked(other, "")
        return
    kept = gru(new[None], p, "", n, after, start=h)[1]
    met = kept["met"][0]

    def leaf(dp: Array, dq: Array, back: Array, of_n: Array) -> Array:
        if mismatch.is_input_gradient:
            return np.hstack([dp @ p["W"].T, back])
        of_u = h.T @ dq if after else np.hstack([h.T @ dq[:, : 2 * n], of_n.T @ dq[:, 2 * n :]])
        return {"W": new.T @ dp, "U": of_u, "b_recurrent": dq.sum(axis=0)}.get(mismatch.leaf, dp.sum(axis=0))

    for mistake, told in GRU_BACK.items():
        yield told, leaf(*gru_step_back(dy, p, h, kept["a"][0], met, mistake, after), met)
    right = gru_step_back(dy, p, h, kept["a"][0], met, "", after)
    if mismatch.leaf == "U" and not after:
        yield "h is used for r h in dU of the candidate", leaf(*right, h)
    if mismatch.leaf in ("W", "b"):
        terms = new[:, :, None] * right[0][:, None, :] if mismatch.leaf == "W" else right[0]
        yield from parts(mismatch, "example", terms)
    if mismatch.leaf == "b":
        yield "summed over the features too", np.full(3 * n, right[0].sum())


_RNN_FORWARD = {
    "sigmoid": "sigmoid is used for tanh",
    "linear": "the tanh is left out",
    "relu": "ReLU is used for tanh",
}


def _other_params(p: Params) -> Iterator[tuple[str, Params]]:
    yield "the bias is missing", p | {"b": 0 * p["b"]}
    yield "the bias has the wrong sign", p | {"b": -p["b"]}
    yield "the state before is not used", p | {"U": 0 * p["U"]}
    yield "U is transposed", p | {"U": _turned(p["U"])}


def _turned(u: Array) -> Array:
    """Each gate's block transposed."""
    n = len(u)
    return u.reshape(n, -1, n).transpose(2, 1, 0).reshape(u.shape)


def _forward(layer: RNNCell | LSTMCell, x: Array, before: list[Array], p: Params, mistake: str) -> Array:
    if isinstance(layer, LSTMCell):
        h, kept = lstm(x[None], p, mistake, layer.n_hidden, True, start=(before[0], before[1]))
        return np.hstack([h[1], kept["c"][1]])
    z = x @ p["W"] + before[0] @ p["U"] + p["b"]
    return {"sigmoid": sigmoid(z), "linear": z, "relu": np.maximum(z, 0)}.get(mistake, np.tanh(z))


def _backward(
    layer: RNNCell | LSTMCell, x: Array, before: list[Array], dy: Array, p: Params, only: str | None = None
) -> Iterator[tuple[str, Array, Array | None]]:
    """What each mistake makes of the gradient in front of the gates, and of that of the cell before."""
    if isinstance(layer, LSTMCell):
        _, kept = lstm(x[None], p, "", layer.n_hidden, True, start=(before[0], before[1]))
        dh, dc = np.split(dy, 2, axis=1)
        for mistake, told in LSTM_BACK.items() if only is None else {only: ""}.items():
            yield told, *lstm_step_back(dh, 0.0, dc, kept["a"][0], kept["c"][0], kept["c"][1], mistake)
        return
    h = _forward(layer, x, before, p, "")
    if only is not None:
        yield "", dy * (1 - h**2), None
        return
    yield "tanh's derivative is left out", dy, None
    yield "tanh's derivative is taken at the state before the step", dy * (1 - before[0] ** 2), None
    yield "the derivative is taken at tanh(h): tanh is applied twice", dy * (1 - np.tanh(h) ** 2), None
    yield "(1 - h)^2 is used for 1 - h^2", dy * (1 - h) ** 2, None
    yield "1 - h is used for 1 - h^2: the square is missing", dy * (1 - h), None
    yield "sigmoid's derivative h (1 - h) is used for tanh's", dy * h * (1 - h), None
    yield "h^2 - 1 is used for 1 - h^2", dy * (h**2 - 1), None


def _leaf(mismatch: Mismatch, x: Array, h: Array, dz: Array, dc: Array | None, p: Params) -> Array:
    if mismatch.is_input_gradient:
        return np.hstack([dz @ p["W"].T, dz @ p["U"].T, *([] if dc is None else [dc])])
    return {"W": x.T @ dz, "U": h.T @ dz}.get(mismatch.leaf, dz.sum(axis=0))
