"""One step of a recurrent layer, with the state before it as an input: what the layers of `scratch.recurrent` walk with.

The state stands beside the input in one row, [x, h] or [x, h, c], so that a step is a layer like any other and the gradient of
its input holds that of the state too.

Simple RNN.     h' = tanh(z),  z = x W + h U + b

    dz = dh' (1 - h'^2)        dx = dz W^T        dh = dz U^T        dW = x^T dz        dU = h^T dz        db = sum dz

LSTM, gates i, f, g, o.     c' = f c + i g,  h' = o tanh(c')

    dc = dc' + dh' o (1 - tanh(c')^2)         the new cell is reached through the state and directly
    dz_i = dc g i (1 - i)    dz_f = dc c f (1 - f)    dz_g = dc i (1 - g^2)    dz_o = dh' tanh(c') o (1 - o)

and dc f goes back to the old cell; the rest is as above. (Ng, Sequence Models, week 1.)

GRU, gates z, r, n.     q = h U + b_recurrent,  n = tanh(p_n + r q_n) with p = x W + b,  h' = z h + (1 - z) n

    dp_n = dh' (1 - z) (1 - n^2)        dp_z = dh' (h - n) z (1 - z)        dp_r = dp_n q_n r (1 - r)

z and r reach p and q alike, dq_z = dp_z and dq_r = dp_r, but the candidate's q only through the reset gate, dq_n = dp_n r. Then
dW = x^T dp, dU = h^T dq, dx = dp W^T, and the old state is reached through U and directly, dh = dq U^T + dh' z. Where the
reset gate acts before the product with U, n = tanh(p_n + (r h) U_n): with e = dp_n U_n^T

    dp_r = e h r (1 - r)        dU_n = (r h)^T dp_n        dh = dp_z U_z^T + dp_r U_r^T + e r + dh' z

(Cho et al. 2014; `scratch.recurrent` has more on the two forms.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scratch.activations import sigmoid
from scratch.layer import Array, Layer, LayerState, require


@dataclass(frozen=True)
class Cell:
    """What both have; no layer itself, so that no description can name it.

    Parameters
    ----------
    n_in, n_hidden : int
        Number of input features and of units.

    Notes
    -----
    Parameters as those of the layer: `W` (n_in, gates n_hidden), `U` (n_hidden, gates n_hidden), `b` (gates n_hidden,).
    """

    n_in: int
    n_hidden: int
    regularised: ClassVar[tuple[str, ...]] = ("W", "U")
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __post_init__(self) -> None:
        fits = self.n_in > 0 and self.n_hidden > 0
        require(fits, f"{type(self).__name__}({self.n_in}, {self.n_hidden}): both sizes must be positive")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        columns = self.gates * self.n_hidden
        return {"W": (self.n_in, columns), "U": (self.n_hidden, columns), "b": (columns,)}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.states * self.n_hidden,)

    def split(self, x: Array) -> list[Array]:
        """x, h and, where there is one, c."""
        n, width = self.n_hidden, self.n_in + self.states * self.n_hidden
        require(
            x.ndim == 2 and x.shape[1] == width, f"{type(self).__name__}: input has shape {x.shape}, not (m, {width})"
        )
        return np.split(x, [self.n_in + k * n for k in range(self.states)], axis=1)

    def _back(self, dz: Array, x: Array, h: Array, params: dict[str, Array]) -> tuple[list[Array], dict[str, Array]]:
        grads = {"W": x.T @ dz, "U": h.T @ dz, "b": dz.sum(axis=0)}
        return [dz @ params["W"].T, dz @ params["U"].T], grads


@dataclass(frozen=True)
class RNNCell(Cell, Layer):
    """(m, n_in + n_hidden), that is [x, h], to h' of shape (m, n_hidden)."""

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        x, h = self.split(x)
        new = np.tanh(x @ state.params["W"] + h @ state.params["U"] + state.params["b"])
        return new, (x, h, new)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        x, h, new = cache
        parts, grads = self._back(upstream * (1 - new**2), x, h, state.params)
        return np.hstack(parts), grads


@dataclass(frozen=True)
class LSTMCell(Cell, Layer):
    """(m, n_in + 2 n_hidden), that is [x, h, c], to [h', c'] of shape (m, 2 n_hidden); gates i, f, g, o."""

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        x, h, c = self.split(x)
        z = np.split(x @ state.params["W"] + h @ state.params["U"] + state.params["b"], 4, axis=1)
        i, f, o = (sigmoid(z[k]) for k in (0, 1, 3))
        g = np.tanh(z[2])
        new = f * c + i * g
        tanh_c = np.tanh(new)
        return np.hstack([o * tanh_c, new]), (x, h, c, i, f, g, o, tanh_c)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        x, h, c, i, f, g, o, tanh_c = cache
        dh, dc = np.split(upstream, 2, axis=1)
        dc = dc + dh * o * (1 - tanh_c**2)
        dz = np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)])
        parts, grads = self._back(dz, x, h, state.params)
        return np.hstack([*parts, dc * f]), grads


@dataclass(frozen=True)
class GRUCell(Cell, Layer):
    """(m, n_in + n_hidden), that is [x, h], to h' of shape (m, n_hidden); gates z, r, n.

    Parameters
    ----------
    reset_after : bool
        Whether the reset gate acts after the product of the state with U or before it, as in `scratch.recurrent.GRU`.

    Notes
    -----
    With `reset_after` there is a second bias, `b_recurrent` of shape (3 n_hidden,), inside of what the reset gate acts on.
    """

    reset_after: bool = True
    gates: ClassVar[int] = 3

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().parameter_shapes()
        return shapes | {"b_recurrent": shapes["b"]} if self.reset_after else shapes

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        x, h = self.split(x)
        u = state.params["U"]
        p = np.split(x @ state.params["W"] + state.params["b"], 3, axis=1)
        # What the reset gate meets: q_n where it acts after the product with U, h where it acts before.
        if self.reset_after:
            *q, met = np.split(h @ u + state.params["b_recurrent"], 3, axis=1)
        else:
            *q, met = *(h @ u_k for u_k in np.split(u, 3, axis=1)[:2]), h
        z, r = sigmoid(p[0] + q[0]), sigmoid(p[1] + q[1])
        n = np.tanh(p[2] + (r * met if self.reset_after else (r * met) @ u[:, 2 * self.n_hidden :]))
        return z * h + (1 - z) * n, (x, h, z, r, n, met)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        x, h, z, r, n, met = cache
        w, u, last = state.params["W"], state.params["U"], slice(2 * self.n_hidden, None)
        dp_n, dp_z = upstream * (1 - z) * (1 - n**2), upstream * (h - n) * z * (1 - z)
        # Gradient of what the reset gate gives, r met.
        reset = dp_n if self.reset_after else dp_n @ u[:, last].T
        dzr = np.hstack([dp_z, reset * met * r * (1 - r)])
        dp = np.hstack([dzr, dp_n])
        grads = {"W": x.T @ dp, "b": dp.sum(axis=0)}
        if self.reset_after:
            dq = np.hstack([dzr, dp_n * r])
            grads |= {"U": h.T @ dq, "b_recurrent": dq.sum(axis=0)}
            back = dq @ u.T
        else:
            grads["U"] = np.hstack([h.T @ dzr, (r * h).T @ dp_n])
            back = dzr @ u[:, : 2 * self.n_hidden].T + reset * r
        return np.hstack([dp @ w.T, back + upstream * z]), {name: grads[name] for name in self.parameter_shapes()}
