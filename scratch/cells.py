"""One step of a recurrent layer, with the state before it as an input: what the layers of `scratch.recurrent` walk with.

The state stands beside the input in one row, [x, h] or [x, h, c], so that a step is a layer like any other and the gradient of
its input holds that of the state too.

Simple RNN.     h' = tanh(z),  z = x W + h U + b

    dz = dh' (1 - h'^2)        dx = dz W^T        dh = dz U^T        dW = x^T dz        dU = h^T dz        db = sum dz

LSTM, gates i, f, g, o.     c' = f c + i g,  h' = o tanh(c')

    dc = dc' + dh' o (1 - tanh(c')^2)         the new cell is reached through the state and directly
    dz_i = dc g i (1 - i)    dz_f = dc c f (1 - f)    dz_g = dc i (1 - g^2)    dz_o = dh' tanh(c') o (1 - o)

and dc f goes back to the old cell; the rest is as above. (Ng, Sequence Models, week 1.)
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
