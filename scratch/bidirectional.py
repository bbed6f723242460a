"""Two recurrent layers over one sequence, one of them from its end (Schuster & Paliwal 1997; Ng, Sequence Models, week 1).

With R the reversal of the steps and f, g the same layer with weights of its own each:

    y = [f(x)  R g(R x)]        dx = (dx of f, given the first half of dy) + R (dx of g, given R of the second half)

since R is its own transpose. Where only the last state is wanted, each layer has its own last: g's has seen all steps too,
it is that of the sequence's first step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from scratch.layer import Array, Layer, LayerState, require
from scratch.recurrent import GRU, LSTM, SimpleRNN


@dataclass(frozen=True)
class Bidirectional(Layer):
    """Both directions beside each other: (m, T, n_in) -> (m, T, 2 n_hidden), or (m, 2 n_hidden) of the last states.

    Parameters
    ----------
    layer : SimpleRNN, LSTM or GRU
        What runs in each direction.

    Notes
    -----
    Parameters: those of the layer for the forward direction; the same names with `_reverse` for the other.
    """

    layer: SimpleRNN | LSTM | GRU
    regularised: ClassVar[tuple[str, ...]] = ("W", "U", "W_reverse", "U_reverse")

    def __post_init__(self) -> None:
        fits = isinstance(self.layer, SimpleRNN | LSTM | GRU)
        require(fits, f"Bidirectional: {type(self.layer).__name__} is no recurrent layer")

    @property
    def n_in(self) -> int:
        """Number of input features."""
        return self.layer.n_in

    def config(self) -> dict[str, Any]:
        """Configuration as JSON-able values, including the kind; the layer's own inside."""
        return {"kind": type(self).__name__, "layer": self.layer.config()}

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = self.layer.parameter_shapes()
        return shapes | {f"{p}_reverse": shape for p, shape in shapes.items()}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        *steps, n = self.layer.output_shape(shape)
        return (*steps, 2 * n)

    def _states(self, state: LayerState) -> tuple[LayerState, LayerState]:
        """The layer's state in either direction."""
        names, params = self.layer.parameter_shapes(), state.params
        return (
            replace(state, params={p: params[p] for p in names}),
            replace(state, params={p: params[f"{p}_reverse"] for p in names}),
        )

    def _reversed(self, a: Array) -> Array:
        """The steps of an output the other way round; a last state has none."""
        return a[:, ::-1] if self.layer.return_sequences else a

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        require(x.ndim == 3, f"Bidirectional: input has shape {x.shape}")
        ahead, back = self._states(state)
        y, cache = self.layer.forward(x, ahead)
        y_back, cache_back = self.layer.forward(x[:, ::-1], back)
        return np.concatenate([y, self._reversed(y_back)], axis=-1), (cache, cache_back)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        ahead, back = self._states(state)
        dy, dy_back = np.split(upstream, 2, axis=-1)
        dx, grads = self.layer.backward(dy, ahead, cache[0])
        dx_back, grads_back = self.layer.backward(self._reversed(dy_back), back, cache[1])
        return dx + dx_back[:, ::-1], grads | {f"{p}_reverse": g for p, g in grads_back.items()}
