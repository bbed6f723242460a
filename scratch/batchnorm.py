"""Batch normalisation over the examples, and over the pixels of images: for inputs of shape (m, n) and (m, h, w, n).

Forward, per feature, in training mode (Ioffe & Szegedy 2015; Ng, Improving Deep Neural Networks, week 3):

    mu = 1/m sum_i x_i        v = 1/m sum_i (x_i - mu)^2        s = sqrt(v + eps)
    n_i = (x_i - mu) / s      y_i = gamma n_i + beta

Backward. dgamma = sum_i dy_i n_i, dbeta = sum_i dy_i, and with dn_i = gamma dy_i the input is reached along three paths:

    directly            dn_i / s
    through v           dv  = sum_j dn_j (x_j - mu) (-1/2) s^-3,       dv/dx_i = 2 (x_i - mu) / m
    through mu          dmu = -1/s sum_j dn_j   (v does not depend on mu at its minimum: sum_j (x_j - mu) = 0),  dmu/dx_i = 1/m

    dx_i = dn_i / s - n_i / (m s) sum_j dn_j n_j - 1/(m s) sum_j dn_j
         = 1/(m s) (m dn_i - sum_j dn_j - n_i sum_j dn_j n_j)

Images: a feature is a channel, and every pixel of every image is one of its values, so i runs over m h w of them; the kernel that made
the channel is the same at every pixel. Nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scratch.layer import Array, Layer, LayerState, require


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch norm with moving averages.

    Parameters
    ----------
    n : int
        Number of features, or of channels.
    momentum : float
        rho in `running = rho running + (1 - rho) batch`, the course's form (torch's momentum is 1 - rho).
    epsilon : float
        Added to the variance under the root.

    Notes
    -----
    Input (m, n) or (m, h, w, n), output likewise. Parameters `gamma`, `beta` and buffers `running_mean`, `running_var`, all of shape (n,). The running variance
    averages the batch variance with 1/m (the course and Keras), not 1/(m - 1) (torch).
    """

    n: int
    momentum: float = 0.9
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        require(self.n > 0, f"BatchNorm({self.n}): the number of features must be positive")
        require(0 <= self.momentum < 1, f"BatchNorm: momentum must lie in [0, 1), not {self.momentum}")
        require(self.epsilon >= 0, f"BatchNorm: epsilon must not be negative, not {self.epsilon}")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"gamma": (self.n,), "beta": (self.n,)}

    def initial_buffers(self) -> dict[str, Array]:
        return {"running_mean": np.zeros(self.n), "running_var": np.ones(self.n)}

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        require(x.ndim in (2, 4) and x.shape[-1] == self.n, f"BatchNorm({self.n}): input has shape {x.shape}")
        if state.training:
            values = tuple(range(x.ndim - 1))
            mu = x.mean(axis=values)
            centred = x - mu
            var = (centred**2).mean(axis=values)
            self._update_running(state.buffers, mu, var)
        else:
            centred = x - state.buffers["running_mean"]
            var = state.buffers["running_var"]
        s = np.sqrt(var + self.epsilon)
        normalised = centred / s
        y = state.params["gamma"] * normalised + state.params["beta"]
        return y, (normalised, s, state.training)

    def _update_running(self, buffers: dict[str, Array], mu: Array, var: Array) -> None:
        rho = self.momentum
        buffers["running_mean"] = rho * buffers["running_mean"] + (1 - rho) * mu
        buffers["running_var"] = rho * buffers["running_var"] + (1 - rho) * var

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        normalised, s, training = cache
        dy, m, values = upstream, upstream.size // self.n, tuple(range(upstream.ndim - 1))
        grads = {"gamma": (dy * normalised).sum(axis=values), "beta": dy.sum(axis=values)}
        dn = dy * state.params["gamma"]
        if not training:  # mu and v are constants of the input: only the direct path is left
            return dn / s, grads
        dx = (m * dn - dn.sum(axis=values) - normalised * (dn * normalised).sum(axis=values)) / (m * s)
        return dx, grads
