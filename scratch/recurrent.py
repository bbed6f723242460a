"""Recurrent layers on sequences: simple RNN, GRU and LSTM, with backpropagation through time.

Data have shape (m, T, n_in): m examples of T steps. Every layer starts from h_0 = 0 (and c_0 = 0) and walks the steps with
the same weights: W acts on the input x_t, U on the state h_(t-1) before it. The gates stand beside each other in the columns
of W, U and b. Walking back, a state is reached along two paths: from the output at its own step and from the step after it,

    dh_t = dy_t + (what step t + 1 hands back),

and a weight that is used at every step sums what it gets from each. With dz_t the gradient of the gates before activation:

    dW = sum_t x_t^T dz_t        db = sum_t sum over the examples of dz_t        dx_t = dz_t W^T

Only the recurrence itself has to be walked step by step; these three are one product over all steps.

Simple RNN.     h_t = tanh(z_t),  z_t = x_t W + h_(t-1) U + b

    dz_t = dh_t (1 - h_t^2)      dU = sum_t h_(t-1)^T dz_t      handed back: dz_t U^T

LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000). Gates i, f, g, o:

    i, f, o = sigmoid(z)     g = tanh(z)     c_t = f c_(t-1) + i g     h_t = o tanh(c_t)

    dc_t = dh_t o (1 - tanh(c_t)^2) + (dc_(t+1) f_(t+1))      a cell, too, is reached from its own step and the next
    dz_i = dc g i (1 - i)       dz_f = dc c_(t-1) f (1 - f)       dz_g = dc i (1 - g^2)       dz_o = dh tanh(c) o (1 - o)

GRU (Cho et al. 2014). Gates z (update), r (reset), n (new), with q = h_(t-1) U + b_recurrent:

    z = sigmoid(p_z + q_z)      r = sigmoid(p_r + q_r)      n = tanh(p_n + r q_n)      h_t = z h_(t-1) + (1 - z) n
    dz = dh (h_(t-1) - n)       dn = dh (1 - z)             dp_n = dn (1 - n^2)        dr = dp_n q_n,  dq_n = dp_n r

and directly dh z goes back to h_(t-1). That is the form that resets *after* the product with U. The paper and the course
(Ng, Sequence Models, week 1) reset before it: n = tanh(p_n + (r h_(t-1)) U_n), so that with e = dp_n U_n^T

    dr = e h_(t-1)              handed back along this path: e r              dU_n = sum_t (r h_(t-1))^T dp_n

The course's update gate is Gamma_u = 1 - z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scratch.activations import sigmoid
from scratch.layer import Array, Layer, LayerState, require


@dataclass(frozen=True)
class Recurrent:
    """What the recurrent layers share: projecting all inputs at once, and the gradients that are one product.

    No layer itself, so that no description can name it.

    Inside, steps come first, (T, m, ...), so that each step's arrays are contiguous.

    Parameters
    ----------
    n_in, n_hidden : int
        Number of input features and of units.
    return_sequences : bool
        Whether the output holds the state after every step, (m, T, n_hidden), or after the last, (m, n_hidden).

    Notes
    -----
    Parameters: `W` of shape (n_in, gates n_hidden), `U` of shape (n_hidden, gates n_hidden), `b` of shape (gates n_hidden,).
    """

    n_in: int
    n_hidden: int
    return_sequences: bool = True
    regularised: ClassVar[tuple[str, ...]] = ("W", "U")
    gates: ClassVar[int] = 1

    def __post_init__(self) -> None:
        fits = self.n_in > 0 and self.n_hidden > 0
        require(fits, f"{type(self).__name__}({self.n_in}, {self.n_hidden}): both sizes must be positive")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        columns = self.gates * self.n_hidden
        return {"W": (self.n_in, columns), "U": (self.n_hidden, columns), "b": (columns,)}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self.n_hidden) if self.return_sequences else (self.n_hidden,)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        fits = x.ndim == 3 and x.shape[1] > 0 and x.shape[2] == self.n_in
        require(fits, f"{type(self).__name__}({self.n_in}, {self.n_hidden}): input has shape {x.shape}")
        steps = np.ascontiguousarray(x.swapaxes(0, 1))
        projected = steps @ state.params["W"]
        projected += state.params["b"]
        h, walked = self._walk(projected, state.params)
        y = h[1:].swapaxes(0, 1) if self.return_sequences else h[-1]
        return y.copy(), (steps, h, walked)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        steps, h, walked = cache
        if self.return_sequences:
            dh = upstream.swapaxes(0, 1)
        else:
            dh = np.zeros_like(h[1:])
            dh[-1] = upstream
        dz, recurrent = self._walk_back(dh, state.params, h, walked)
        grads = {"W": _summed(steps, dz), "b": dz.sum(axis=(0, 1))} | recurrent
        dx = (dz @ state.params["W"].T).swapaxes(0, 1)
        return np.ascontiguousarray(dx), {p: grads[p] for p in self.parameter_shapes()}

    def _walk(self, projected: Array, params: dict[str, Array]) -> tuple[Array, Any]:
        """All states, (T + 1, m, n_hidden) from h_0 = 0, and what `_walk_back` needs, given x W + b of all steps."""
        raise NotImplementedError

    def _walk_back(self, dy: Array, params: dict[str, Array], h: Array, walked: Any) -> tuple[Array, dict[str, Array]]:
        """Gradient of x W + b at all steps, (T, m, gates n_hidden), and of the parameters that act on the state."""
        raise NotImplementedError

    def _states(self, projected: Array) -> Array:
        """Room for h_0 = 0 ... h_T."""
        return np.zeros((len(projected) + 1, projected.shape[1], self.n_hidden), projected.dtype)

    def _gate(self, k: int) -> slice:
        """Columns of the k-th gate."""
        return slice(k * self.n_hidden, (k + 1) * self.n_hidden)


def _summed(a: Array, dz: Array) -> Array:
    """sum_t a_t^T dz_t, as one product over steps and examples together."""
    return a.reshape(-1, a.shape[-1]).T @ dz.reshape(-1, dz.shape[-1])


@dataclass(frozen=True)
class SimpleRNN(Recurrent, Layer):
    """h_t = tanh(x_t W + h_(t-1) U + b); parameters as in `Recurrent`, with one gate."""

    def _walk(self, projected: Array, params: dict[str, Array]) -> tuple[Array, None]:
        h = self._states(projected)
        for t, p in enumerate(projected):
            np.tanh(p + h[t] @ params["U"], out=h[t + 1])
        return h, None

    def _walk_back(self, dy: Array, params: dict[str, Array], h: Array, walked: None) -> tuple[Array, dict[str, Array]]:
        slope = 1 - h[1:] ** 2
        dz, back = np.empty_like(slope), np.zeros_like(h[0])
        for t in reversed(range(len(dz))):
            dz[t] = (dy[t] + back) * slope[t]
            back = dz[t] @ params["U"].T
        return dz, {"U": _summed(h[:-1], dz)}


@dataclass(frozen=True)
class LSTM(Recurrent, Layer):
    """Long short-term memory: c_t = f c_(t-1) + i g, h_t = o tanh(c_t).

    Parameters as in `Recurrent`, with four gates in this order: i, f, g, o (input, forget, candidate, output), each
    sigmoid(x_t W + h_(t-1) U + b), but the candidate g = tanh(...).
    """

    gates: ClassVar[int] = 4

    def _walk(self, projected: Array, params: dict[str, Array]) -> tuple[Array, Any]:
        h, c = self._states(projected), self._states(projected)
        a, tanh_c = np.empty_like(projected), np.empty_like(h[1:])
        i, f, g, o = (a[..., self._gate(k)] for k in range(4))
        for t, p in enumerate(projected):
            z = p + h[t] @ params["U"]
            a[t] = sigmoid(z)
            g[t] = np.tanh(z[:, self._gate(2)])
            c[t + 1] = f[t] * c[t] + i[t] * g[t]
            np.tanh(c[t + 1], out=tanh_c[t])
            h[t + 1] = o[t] * tanh_c[t]
        return h, (a, c, tanh_c)

    def _walk_back(self, dy: Array, params: dict[str, Array], h: Array, walked: Any) -> tuple[Array, dict[str, Array]]:
        a, c, tanh_c = walked
        i, f, g, o = (a[..., self._gate(k)] for k in range(4))
        # What each dz has besides dc (dh for o): it does not depend on the walk, so it is one product for all steps.
        factor = a * (1 - a)
        factor[..., self._gate(0)] *= g
        factor[..., self._gate(1)] *= c[:-1]
        factor[..., self._gate(2)] = i * (1 - g**2)
        factor[..., self._gate(3)] *= tanh_c
        to_cell = o * (1 - tanh_c**2)
        dz, back, dc_next = np.empty_like(a), np.zeros_like(h[0]), np.zeros_like(h[0])
        for t in reversed(range(len(a))):
            dh = dy[t] + back
            dc = dh * to_cell[t] + dc_next
            for k, d in enumerate((dc, dc, dc, dh)):
                np.multiply(d, factor[t, :, self._gate(k)], out=dz[t, :, self._gate(k)])
            dc_next = dc * f[t]
            back = dz[t] @ params["U"].T
        return dz, {"U": _summed(h[:-1], dz)}


@dataclass(frozen=True)
class GRU(Recurrent, Layer):
    """Gated recurrent unit: h_t = z h_(t-1) + (1 - z) n; gates z, r, n (update, reset, new) in this order.

    z and r are sigmoid(x_t W + h_(t-1) U + b), and n = tanh(x_t W_n + b_n + r (h_(t-1) U_n + b_recurrent)), or
    n = tanh(x_t W_n + b_n + (r h_(t-1)) U_n) where the reset comes before.

    Parameters
    ----------
    reset_after : bool
        Whether r acts after the product of the state with U (cuDNN, torch, Keras's default) or before it (the paper, the
        course).

    Notes
    -----
    Parameters as in `Recurrent`, and with `reset_after` a second bias, `b_recurrent` of shape (3 n_hidden,), inside of
    what r acts on. Its parts for z and r are only added to those of `b`: both get the same gradient.
    """

    reset_after: bool = True
    gates: ClassVar[int] = 3

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = super().parameter_shapes()
        return shapes | {"b_recurrent": shapes["b"]} if self.reset_after else shapes

    def _walk(self, projected: Array, params: dict[str, Array]) -> tuple[Array, Any]:
        h, u = self._states(projected), params["U"]
        a = np.empty_like(projected)
        # What r meets: q_n where it acts after the product with U, r h where it acts before.
        met = np.empty_like(h[1:])
        zr, n = slice(0, 2 * self.n_hidden), self._gate(2)
        for t, p in enumerate(projected):
            if self.reset_after:
                q = h[t] @ u + params["b_recurrent"]
                a[t, :, zr] = sigmoid(p[:, zr] + q[:, zr])
                met[t] = q[:, n]
                new = a[t, :, self._gate(1)] * met[t]
            else:
                a[t, :, zr] = sigmoid(p[:, zr] + h[t] @ u[:, zr])
                met[t] = a[t, :, self._gate(1)] * h[t]
                new = met[t] @ u[:, n]
            a[t, :, n] = np.tanh(p[:, n] + new)
            z = a[t, :, self._gate(0)]
            h[t + 1] = z * h[t] + (1 - z) * a[t, :, n]
        return h, (a, met)

    def _walk_back(self, dy: Array, params: dict[str, Array], h: Array, walked: Any) -> tuple[Array, dict[str, Array]]:
        a, met = walked
        z, r, n = (a[..., self._gate(k)] for k in range(3))
        to_z, to_r, to_n = z * (1 - z) * (h[:-1] - n), r * (1 - r), (1 - z) * (1 - n**2)
        step = self._step_back_after if self.reset_after else self._step_back_before
        dp, dq, back = np.empty_like(a), np.empty_like(a), np.zeros_like(h[0])
        for t in reversed(range(len(a))):
            dh = dy[t] + back
            dp[t, :, self._gate(0)] = dh * to_z[t]
            dp[t, :, self._gate(2)] = dh * to_n[t]
            back = dh * z[t] + step(dp[t], dq[t], params["U"], to_r[t], r[t], h[t] if not self.reset_after else met[t])
        if self.reset_after:
            return dp, {"U": _summed(h[:-1], dq), "b_recurrent": dq.sum(axis=(0, 1))}
        zr = slice(0, 2 * self.n_hidden)
        return dp, {"U": np.hstack([_summed(h[:-1], dp[..., zr]), _summed(met, dp[..., self._gate(2)])])}

    def _step_back_after(self, dp: Array, dq: Array, u: Array, to_r: Array, r: Array, q_n: Array) -> Array:
        """Fill dp's r, given its z and n, and dq; what goes back through U."""
        dp_n = dp[:, self._gate(2)]
        dp[:, self._gate(1)] = dp_n * q_n * to_r
        dq[:] = dp
        dq[:, self._gate(2)] *= r
        return dq @ u.T

    def _step_back_before(self, dp: Array, dq: Array, u: Array, to_r: Array, r: Array, h: Array) -> Array:
        """Fill dp's r, given its z and n; what goes back through U, that is directly and through r h."""
        zr, n = slice(0, 2 * self.n_hidden), self._gate(2)
        e = dp[:, n] @ u[:, n].T
        dp[:, self._gate(1)] = e * h * to_r
        return dp[:, zr] @ u[:, zr].T + e * r
