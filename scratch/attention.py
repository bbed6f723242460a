"""Scaled dot-product attention and multi-head self-attention (Vaswani et al. 2017; Ng, Sequence Models, week 4).

Every step of a sequence asks (query), and is answered by a mean of all steps' values, weighted by how well their keys fit.
For one example and one head, with Q, K, V of shape (T, d) and s = 1/sqrt(d):

    S = s Q K^T        P = softmax of S's rows        Y = P V

Backward, along the chain, the softmax as in `scratch.activations.Softmax`:

    dV = P^T dY        dP = dY V^T        dS_ij = P_ij (dP_ij - sum_k dP_ik P_ik)        dQ = s dS K        dK = s dS^T Q

A causal mask sets S_ij = -inf for j > i: there P_ij = 0, so dS_ij = 0 by the same formula.

Self-attention takes all three from one input, [Q K V] = X W + b; each of h heads has its own n/h columns of Q, K and V.
The heads' outputs stand beside each other again, A (T, n), and are mixed: Y = A W_o + b_o. These are two dense layers around
the attention: dW_o = sum over examples of A^T dY, dA = dY W_o^T, and for W with the upstream [dQ dK dV].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scratch.activations import softmax
from scratch.layer import Array, Layer, LayerState, require


def attention(qkv: Array, causal: bool) -> tuple[Array, Array]:
    """Output P V, shape (..., T, d), and the weights P, shape (..., T, T), of Q, K, V stacked in the first axis."""
    q, k, v = qkv
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        steps = scores.shape[-1]
        scores = np.where(np.tri(steps, dtype=bool), scores, -math.inf)
    p = softmax(scores)
    return p @ v, p


def attention_backward(dy: Array, qkv: Array, p: Array) -> Array:
    """Gradients of Q, K, V, stacked in the first axis as they are."""
    q, k, v = qkv
    dp = dy @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) / math.sqrt(q.shape[-1])
    return np.stack([ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ dy])


def split_heads(a: Array, parts: int, heads: int) -> Array:
    """(m, T, parts heads d) as (parts, m, heads, T, d)."""
    m, steps, n = a.shape
    return a.reshape(m, steps, parts, heads, n // (parts * heads)).transpose(2, 0, 3, 1, 4)


def join_heads(a: Array) -> Array:
    """The inverse of `split_heads`."""
    parts, m, heads, steps, d = a.shape
    return a.transpose(1, 3, 0, 2, 4).reshape(m, steps, parts * heads * d)


@dataclass(frozen=True)
class ScaledDotProductAttention(Layer):
    """softmax(Q K^T / sqrt(d)) V, of queries, keys and values that stand beside each other: (m, T, 3 d) -> (m, T, d).

    Parameters
    ----------
    causal : bool
        Whether a step sees only itself and the steps before it.
    """

    causal: bool = False

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], shape[1] // 3)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        fits = x.ndim == 3 and x.shape[1] > 0 and x.shape[2] > 0 and x.shape[2] % 3 == 0
        require(fits, f"ScaledDotProductAttention: input has shape {x.shape}, not (m, T, 3 d)")
        qkv = split_heads(x, 3, 1)
        y, p = attention(qkv, self.causal)
        return join_heads(y[np.newaxis]), (qkv, p)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        qkv, p = cache
        return join_heads(attention_backward(split_heads(upstream, 1, 1)[0], qkv, p)), {}


@dataclass(frozen=True)
class MultiHeadAttention(Layer):
    """Self-attention with several heads: (m, T, n) -> (m, T, n).

    Parameters
    ----------
    n : int
        Number of features; each head works on n / heads of them.
    heads : int
    causal : bool
        Whether a step sees only itself and the steps before it.

    Notes
    -----
    Parameters: `W` of shape (n, 3 n) and `b` of shape (3 n,), in columns the queries, keys and values, each with the heads
    in order; `W_o` of shape (n, n) and `b_o` of shape (n,) of the output. A bias of the keys has no effect: it adds the same
    to all scores of a row, which the softmax does not see, so the middle third of `b` has gradient 0.
    """

    n: int
    heads: int
    causal: bool = False
    regularised: ClassVar[tuple[str, ...]] = ("W", "W_o")

    def __post_init__(self) -> None:
        fits = self.heads > 0 and self.n > 0 and self.n % self.heads == 0
        require(fits, f"MultiHeadAttention({self.n}, {self.heads}): the heads must share the features evenly")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"W": (self.n, 3 * self.n), "b": (3 * self.n,), "W_o": (self.n, self.n), "b_o": (self.n,)}

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        fits = x.ndim == 3 and x.shape[1] > 0 and x.shape[2] == self.n
        require(fits, f"MultiHeadAttention({self.n}, {self.heads}): input has shape {x.shape}")
        params = state.params
        qkv = split_heads(x @ params["W"] + params["b"], 3, self.heads)
        y, p = attention(qkv, self.causal)
        a = join_heads(y[np.newaxis])
        return a @ params["W_o"] + params["b_o"], (x, qkv, p, a)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        x, qkv, p, a = cache
        dy = upstream
        da = split_heads(dy @ state.params["W_o"].T, 1, self.heads)[0]
        dz = join_heads(attention_backward(da, qkv, p))
        grads = {
            "W": np.tensordot(x, dz, axes=((0, 1), (0, 1))),
            "b": dz.sum(axis=(0, 1)),
            "W_o": np.tensordot(a, dy, axes=((0, 1), (0, 1))),
            "b_o": dy.sum(axis=(0, 1)),
        }
        return dz @ state.params["W"].T, grads
