"""The walks of recurrent layers through their steps, forwards and back, each with one line of it changed on demand.

A mistake has a short name, by which a walk knows what to change, and the words in which it is told. The empty name changes
nothing. Steps come first: inputs are (T, m, n), states (T + 1, m, n) from h_0 = 0.
"""

from __future__ import annotations

import numpy as np

from comparisons.diagnosis.mismatch import Array

Params = dict[str, Array]


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(z / 2))


RNN_FORWARD = {
    "sigmoid": "sigmoid is used for tanh",
    "relu": "ReLU is used for tanh",
    "linear": "the tanh is left out",
}
RNN_BACK = {
    "truncated": "truncated to one step: nothing is handed back through time",
    "untransposed": "U is not transposed on the way back",
    "slope after": "what comes back from the next step goes on without tanh's derivative",
    "no slope": "tanh's derivative is left out",
    "slope before": "tanh's derivative is taken at the state before the step",
    "slope of h": "the derivative is taken at tanh(h): tanh is applied twice",
    "wrong square": "(1 - h)^2 is used for 1 - h^2",
    "first": "walked forwards through time, not backwards",
    "2 steps": "truncated to 2 steps: only the upstream gradient of the next step is handed back",
    "no back": "what comes back replaces the upstream gradient, instead of being added",
}


def rnn(x: Array, p: Params, mistake: str, n: int, reset_after: bool) -> tuple[Array, dict[str, Array]]:
    h = np.zeros((len(x) + 1, x.shape[1], n))
    activation = {"sigmoid": _sigmoid, "relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}.get(mistake, np.tanh)
    for t in range(len(x)):
        h[t + 1] = activation(x[t] @ p["W"] + h[t] @ p["U"] + p["b"])
    return h, {}


def rnn_back(
    dy: Array, p: Params, h: Array, kept: dict[str, Array], mistake: str, reset_after: bool
) -> tuple[Array, Array]:
    slopes = {
        "slope before": 1 - h[:-1] ** 2,
        "no slope": np.ones_like(h[1:]),
        "slope of h": 1 - np.tanh(h[1:]) ** 2,
        "wrong square": (1 - h[1:]) ** 2,
    }
    slope = slopes.get(mistake, 1 - h[1:] ** 2)
    u = p["U"] if mistake == "untransposed" else p["U"].T
    dz, back = np.zeros_like(slope), np.zeros_like(h[0])
    for t in range(len(dz)) if mistake == "first" else reversed(range(len(dz))):
        dh = back if mistake == "no back" and t < len(dz) - 1 else dy[t] + back
        dz[t] = dy[t] * slope[t] + back if mistake == "slope after" else dh * slope[t]
        handed = dy[t] * slope[t] if mistake == "2 steps" else dz[t]
        back = 0 * back if mistake == "truncated" else handed @ u
    return dz, dz


LSTM_FORWARD = {
    "no output tanh": "tanh of the cell is left out: h = o c",
    "no forget": "the forget gate is not applied: the cell is kept whole",
    "coupled": "1 - f is used for the input gate",
    "candidate sigmoid": "sigmoid is used for the candidate's tanh",
    "no input gate": "the input gate is not applied",
    "no output gate": "the output gate is not applied",
    "no cell": "the cell before is not used",
    "forget bias": "1 is added to the forget gate before its sigmoid (forget bias)",
    "output sigmoid": "sigmoid is used for tanh of the cell",
}
LSTM_BACK = {
    "truncated": "truncated to one step: nothing is handed back from state to state",
    "cell truncated": "nothing is handed back from cell to cell",
    "both truncated": "truncated to one step: nothing is handed back through time at all",
    "no forget": "dc is handed back without the forget gate",
    "input for forget": "dc is handed back by the input gate: the input gate is used for the forget gate",
    "no tanh": "the derivative of tanh(c) is left out",
    "1 - c^2": "1 - c^2 is used for 1 - tanh(c)^2",
    "no output": "the output gate is left out of dc",
    "candidate sigmoid": "sigmoid's derivative for the candidate: g (1 - g) for 1 - g^2",
    "candidate linear": "the derivative of the candidate's tanh is left out",
    "forget cell": "the forget gate's gradient uses the cell after the step, not the one before",
    "no gate": "the derivatives of the gates are left out",
    "output c": "the output gate's gradient uses c: c is used for tanh(c)",
    "dc overwritten": "dc of the next step replaces that of dh, instead of being added",
    "no next cell": "the next cell's gradient, dc_next, is not added",
    "only next cell": "only the next cell's gradient is handed on to the cell before: that through h is missing",
    "untransposed": "U is not transposed on the way back",
    "output before": "the output gate's gradient uses the cell before the step",
    "candidate twice": "1 - tanh(g)^2 is used for 1 - g^2 at the candidate: tanh is applied twice",
    "tanh twice": "tanh is applied twice to the cell in its derivative",
    "candidate square": "(1 - g)^2 is used for 1 - g^2 at the candidate",
    "tanh square": "(1 - tanh(c))^2 is used for 1 - tanh(c)^2",
    "o after": "the output gate is left out of dc, dh goes into the cell as it is",
    "no dh": "dh reaches the output gate without what comes back from the next step",
    "input cell": "the input gate's gradient uses the cell before, not the candidate",
}


def lstm(
    x: Array, p: Params, mistake: str, n: int, reset_after: bool, start: tuple[Array, Array] | None = None
) -> tuple[Array, dict[str, Array]]:
    h = np.zeros((len(x) + 1, x.shape[1], n))
    c, a = np.zeros_like(h), np.zeros((len(x), x.shape[1], 4 * n))
    if start is not None:
        h[0], c[0] = start
    for t in range(len(x)):
        z = x[t] @ p["W"] + h[t] @ p["U"] + p["b"]
        zi, zf, zg, zo = np.split(z, 4, axis=-1)
        i, f, o = _sigmoid(zi), _sigmoid(zf + (mistake == "forget bias")), _sigmoid(zo)
        g = _sigmoid(zg) if mistake == "candidate sigmoid" else np.tanh(zg)
        a[t] = np.concatenate([i, f, g, o], axis=-1)
        taken = {"coupled": 1 - f, "no input gate": np.ones_like(i)}.get(mistake, i)
        left = {"no forget": np.ones_like(f), "no cell": np.zeros_like(f)}.get(mistake, f)
        c[t + 1] = left * c[t] + taken * g
        out = {"no output tanh": c[t + 1], "output sigmoid": _sigmoid(c[t + 1])}.get(mistake, np.tanh(c[t + 1]))
        h[t + 1] = out * (1.0 if mistake == "no output gate" else o)
    return h, {"a": a, "c": c}


def lstm_back(
    dy: Array, p: Params, h: Array, kept: dict[str, Array], mistake: str, reset_after: bool
) -> tuple[Array, Array]:
    a, c = kept["a"], kept["c"]
    dz, back, dc_next = np.zeros_like(a), np.zeros_like(h[0]), np.zeros_like(h[0])
    u = (
        p["U"].reshape(h.shape[-1], 4, -1).transpose(2, 1, 0).reshape(p["U"].shape).T
        if mistake == "untransposed"
        else p["U"].T
    )
    for t in reversed(range(len(dz))):
        last = t == len(dz) - 1
        dz[t], dc_next = lstm_step_back(dy[t], back, None if last else dc_next, a[t], c[t], c[t + 1], mistake)
        back = 0 * back if mistake in ("truncated", "both truncated") else dz[t] @ u
    return dz, dz


def lstm_step_back(
    dy: Array, back: Array | float, dc_next: Array | None, gates: Array, before: Array, after: Array, mistake: str
) -> tuple[Array, Array]:
    """Gradients of what the gates are calculated from, and of the cell before.

    Parameters
    ----------
    dy, back : ndarray
        Upstream gradient of the state, and what comes back to it from the next step.
    dc_next : ndarray, optional
        Of the cell, from the next step; None in the last one.
    gates, before, after : ndarray
        i, f, g, o side by side; the cell before and after the step.
    mistake : str
    """
    i, f, g, o = np.split(gates, 4, axis=-1)
    tanh_c = np.tanh(after)
    slopes = {
        "no tanh": 1.0,
        "1 - c^2": 1 - after**2,
        "tanh square": (1 - tanh_c) ** 2,
        "tanh twice": 1 - np.tanh(tanh_c) ** 2,
    }
    slope = slopes.get(mistake, 1 - tanh_c**2)
    dh = dy + back
    own = dh if mistake == "o after" else dh * slope * (1.0 if mistake == "no output" else o)
    dc = own
    if dc_next is not None and mistake != "no next cell":
        dc = dc_next if mistake == "dc overwritten" else own + dc_next
    gi, gf, go = (1.0, 1.0, 1.0) if mistake == "no gate" else (i * (1 - i), f * (1 - f), o * (1 - o))
    slopes = {
        "candidate sigmoid": g * (1 - g),
        "candidate linear": 1.0,
        "candidate square": (1 - g) ** 2,
        "candidate twice": 1 - np.tanh(g) ** 2,
    }
    candidate = slopes.get(mistake, 1 - g**2)
    seen = {"output c": after, "output before": np.tanh(before)}.get(mistake, tanh_c)
    dz = np.concatenate(
        [
            dc * (before if mistake == "input cell" else g) * gi,
            dc * (after if mistake == "forget cell" else before) * gf,
            dc * i * candidate,
            (dy if mistake == "no dh" else dh) * seen * go,
        ],
        axis=-1,
    )
    if mistake in ("cell truncated", "both truncated"):
        return dz, np.zeros_like(f)
    handed: Array = {"no forget": np.ones_like(f), "input for forget": i}.get(mistake, f)
    return dz, (dc_next if mistake == "only next cell" and dc_next is not None else dc) * handed


GRU_FORWARD = {
    "swapped": "z and 1 - z are swapped: the course's update gate is 1 - z",
    "no reset": "the reset gate is not applied",
    "no update": "the update gate is not applied: the state before is not kept",
    "candidate sigmoid": "sigmoid is used for the candidate's tanh",
    "reset before": "the reset gate acts before the product with U: the paper's and the course's GRU",
    "reset after": "the reset gate acts after the product with U: the frameworks' GRU",
    "sum": "1 - z is missing: h = z h + n",
}
GRU_BACK = {
    "truncated": "truncated to one step: nothing is handed back through time",
    "direct missing": "the direct path from state to state, dh z, is missing",
    "only direct": "only the direct path from state to state is handed back",
    "z sign": "the update gate's gradient has the wrong sign",
    "no candidate": "the derivative of the candidate's tanh is left out",
    "z for 1 - z": "z and 1 - z are swapped at the candidate",
    "1 - z back": "z and 1 - z are swapped on the direct path from state to state",
    "no reset slope": "the derivative of the reset gate's sigmoid is left out",
    "no update slope": "the derivative of the update gate's sigmoid is left out",
    "no reset back": "the reset gate is left out on the way back",
    "h for r h": "h is used for r h in dU of the candidate",
    "candidate sigmoid": "sigmoid's derivative for the candidate's tanh",
    "candidate twice": "1 - tanh(n)^2 is used for 1 - n^2 at the candidate: tanh is applied twice",
    "candidate square": "(1 - n)^2 is used for 1 - n^2 at the candidate",
    "no gates": "what comes back through the two gates is missing",
    "only gates": "what comes back through the candidate and the reset gate is missing",
    "no kept": "the state before is left out of the update gate's gradient",
    "only kept": "the candidate is left out of the update gate's gradient",
    "no state": "the state before is left out of the reset gate's gradient",
    "half reset slope": "r is used for r (1 - r) at the reset gate",
    "other reset slope": "1 - r is used for r (1 - r) at the reset gate",
}


def gru(
    x: Array, p: Params, mistake: str, n: int, reset_after: bool, start: Array | None = None
) -> tuple[Array, dict[str, Array]]:
    h = np.zeros((len(x) + 1, x.shape[1], n))
    if start is not None:
        h[0] = start
    a, met = np.zeros((len(x), x.shape[1], 3 * n)), np.zeros((len(x), x.shape[1], n))
    after = {"reset before": False, "reset after": True}.get(mistake, reset_after)
    second = p.get("b_recurrent", np.zeros(3 * n))
    for t in range(len(x)):
        q, (pz, pr, pn) = h[t] @ p["U"] + second, np.split(x[t] @ p["W"] + p["b"], 3, axis=-1)
        z, r = _sigmoid(pz + q[:, :n]), _sigmoid(pr + q[:, n : 2 * n])
        reset = 1.0 if mistake == "no reset" else r
        met[t] = q[:, 2 * n :] if after else reset * h[t]
        new = reset * met[t] if after else met[t] @ p["U"][:, 2 * n :] + second[2 * n :]
        c = _sigmoid(pn + new) if mistake == "candidate sigmoid" else np.tanh(pn + new)
        a[t] = np.concatenate([z, r, c], axis=-1)
        h[t + 1] = {
            "swapped": (1 - z) * h[t] + z * c,
            "no update": c,
            "sum": z * h[t] + c,
        }.get(mistake, z * h[t] + (1 - z) * c)
    return h, {"a": a, "met": met}


def gru_back(
    dy: Array, p: Params, h: Array, kept: dict[str, Array], mistake: str, reset_after: bool
) -> tuple[Array, Array]:
    """Gradients of x W + b and of h U + b_recurrent, at all steps; the second one's candidate only where the reset is after."""
    a, met = kept["a"], kept["met"]
    dp, dq, back = np.zeros_like(a), np.zeros_like(a), np.zeros_like(h[0])
    for t in reversed(range(len(dp))):
        dp[t], dq[t], back = gru_step_back(dy[t] + back, p, h[t], a[t], met[t], mistake, reset_after)
    return dp, dq


def gru_step_back(
    dh: Array, p: Params, before: Array, gates: Array, met: Array, mistake: str, reset_after: bool
) -> tuple[Array, Array, Array]:
    """Gradients of x W + b, of h U + b_recurrent, and of the state before the step.

    Parameters
    ----------
    dh, before : ndarray
        Gradient of the state after the step; the state before.
    gates, met : ndarray
        z, r, n side by side; what the reset gate acts on.
    """
    u, n = p["U"], before.shape[-1]
    z, r, c = np.split(gates, 3, axis=-1)
    slopes = {
        "no candidate": 1.0,
        "candidate sigmoid": c * (1 - c),
        "candidate square": (1 - c) ** 2,
        "candidate twice": 1 - np.tanh(c) ** 2,
    }
    slope = slopes.get(mistake, 1 - c**2)
    dc = dh * (z if mistake == "z for 1 - z" else 1 - z) * slope
    sign = -1 if mistake == "z sign" else 1
    kept = {"no kept": -c, "only kept": before}.get(mistake, before - c)
    dz = sign * dh * kept * (1.0 if mistake == "no update slope" else z * (1 - z))
    r_slope = {"no reset slope": 1.0, "half reset slope": r, "other reset slope": 1 - r}.get(mistake, r * (1 - r))
    reset = 1.0 if mistake == "no reset back" else r
    if reset_after:
        dr = dc * met * r_slope
        dq = np.concatenate([dz, dr, dc * reset], axis=-1)
        through = dq @ u.T
    else:
        e = dc @ u[:, 2 * n :].T
        dr = (e if mistake == "no state" else e * before) * r_slope
        dq = np.concatenate([dz, dr, dc], axis=-1)
        gates_back = dq[..., : 2 * n] @ u[:, : 2 * n].T
        through = {"no gates": e * reset, "only gates": gates_back}.get(mistake, gates_back + e * reset)
    direct = dh * (1 - z if mistake == "1 - z back" else z)
    back: Array = {"truncated": 0 * through, "direct missing": through, "only direct": direct}.get(
        mistake, direct + through
    )
    return np.concatenate([dz, dr, dc], axis=-1), dq, back
