"""Word vectors: one-hot codes, the embedding layer, and what cosine similarity reads out of it.

An embedding is a dense layer without bias on one-hot codes, Y = O E, with row o_i of O all 0 but a 1 at the token t_i
(Ng, Sequence Models, week 2). The product picks rows of E, so it is never formed:

    y_i = e_(t_i)        dE = O^T dY, that is  de_k = sum over all i with t_i = k of dy_i

A token that comes several times gets all its gradients: they are added up (`np.add.at`), where an assignment
`dE[tokens] = dY` would keep the last. A token is no number that could be moved a little: the input has no derivative, and
`backward` returns zeros for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.layer import Array, Layer, LayerState, require


def tokens_of(x: Array, vocabulary: int) -> Array:
    """Tokens as integers, given as integers or as floats that hold integers.

    Raises
    ------
    ValueError
        If one is not an integer in [0, vocabulary): NumPy would count negative ones from the end.
    """
    # NaN fits nothing; the range comes first, as casting what is outside of it may warn.
    fits = bool(((x >= 0) & (x < vocabulary)).all()) and bool((x == np.floor(x)).all())
    require(fits, f"tokens must be integers from 0 to {vocabulary - 1}")
    return x.astype(np.intp)


def one_hot(tokens: Array, vocabulary: int, dtype: np.typing.DTypeLike = np.float64) -> Array:
    """(...) -> (..., vocabulary), all 0 but a 1 at the token."""
    tokens = tokens_of(tokens, vocabulary)
    codes = np.zeros((*tokens.shape, vocabulary), dtype)
    np.put_along_axis(codes, tokens[..., np.newaxis], 1, axis=-1)
    return codes


@dataclass(frozen=True)
class Embedding(Layer):
    """Row t of E for every token t: (m, T) -> (m, T, n). The first layer of a network, as its input has no derivative.

    Parameters
    ----------
    vocabulary : int
        Number of tokens.
    n : int
        Number of features of each.

    Notes
    -----
    Parameter: `E` of shape (vocabulary, n); its dtype is that of the output, whatever holds the tokens.
    """

    vocabulary: int
    n: int
    regularised: ClassVar[tuple[str, ...]] = ("E",)

    def __post_init__(self) -> None:
        fits = self.vocabulary > 0 and self.n > 0
        require(fits, f"Embedding({self.vocabulary}, {self.n}): both sizes must be positive")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"E": (self.vocabulary, self.n)}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape, self.n)

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array]:
        tokens = tokens_of(x, self.vocabulary)
        return state.params["E"][tokens], tokens

    def backward(self, upstream: Array, state: LayerState, cache: Array) -> tuple[Array, dict[str, Array]]:
        tokens, gradient = cache, np.zeros_like(state.params["E"])
        np.add.at(gradient, tokens, upstream)
        return np.zeros(tokens.shape, upstream.dtype), {"E": gradient}


def cosine_similarity(u: Array, v: Array) -> Array:
    """u.v / (|u| |v|) along the last axis; 0 where one of them is the zero vector."""
    product = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    dot = (u * v).sum(axis=-1)
    return np.divide(dot, product, out=np.zeros_like(dot), where=product != 0)


def most_similar(vector: Array, embeddings: Array, without: tuple[int, ...] = (), count: int = 1) -> Array:
    """Tokens whose rows of `embeddings` are most similar to `vector`, the most similar first; never those of `without`."""
    similarity = cosine_similarity(embeddings, vector)
    similarity[list(without)] = -np.inf
    return np.argsort(-similarity, kind="stable")[: min(count, len(embeddings) - len(set(without)))]


def analogy(a: int, b: int, c: int, embeddings: Array) -> int:
    """The token d for which "a is to b as c is to d": most similar to e_b - e_a + e_c, and none of the three."""
    e = embeddings
    found = most_similar(e[b] - e[a] + e[c], e, without=(a, b, c))
    require(len(found) > 0, "there is no token besides the three")
    return int(found[0])
