"""The fully connected layer.

Derivation. With Z = X W + b, that is z_ij = sum_k x_ik w_kj + b_j, and the upstream gradient dZ = dJ/dZ:

    dJ/dw_kj = sum_i dz_ij x_ik          =>  dW = X^T dZ
    dJ/db_j  = sum_i dz_ij               =>  db = sum of dZ over the examples
    dJ/dx_ik = sum_j dz_ij w_kj          =>  dX = dZ W^T

The course (Ng, Neural Networks and Deep Learning, week 3) writes the same in columns, Z = W X + b, and keeps dZ free of
1/m, so that its dW and db carry it; here dZ already holds the loss's 1/m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scratch.layer import Array, Layer, LayerState, require


@dataclass(frozen=True)
class Dense(Layer):
    """Z = X W + b.

    Parameters
    ----------
    n_in, n_out : int
        Number of input and output features.
    bias : bool
        Whether b is added. A bias in front of batch norm has no effect: the mean removes it.

    Notes
    -----
    Parameters: `W` of shape (n_in, n_out); `b` of shape (n_out,).
    """

    n_in: int
    n_out: int
    bias: bool = True
    regularised: ClassVar[tuple[str, ...]] = ("W",)

    def __post_init__(self) -> None:
        require(self.n_in > 0 and self.n_out > 0, f"Dense({self.n_in}, {self.n_out}): both sizes must be positive")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"W": (self.n_in, self.n_out)}
        return shapes | {"b": (self.n_out,)} if self.bias else shapes

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.n_out,)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        require(x.ndim == 2 and x.shape[1] == self.n_in, f"Dense({self.n_in}, {self.n_out}): input has shape {x.shape}")
        z = x @ state.params["W"]
        if self.bias:
            z += state.params["b"]
        return z, x

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        x, dz = cache, upstream
        grads = {"W": x.T @ dz}
        if self.bias:
            grads["b"] = dz.sum(axis=0)
        return dz @ state.params["W"].T, grads
