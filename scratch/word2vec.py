"""Word vectors learned from text: skip-gram with the full softmax, and with negative sampling.

A context word c is asked which target t stands near it (Ng, Sequence Models, week 2; Mikolov et al. 2013). Every word has two
vectors, its row e of E as context and its row theta of Theta as target; z_w = theta_w . e_c says how well w fits to c. For a
batch of B pairs (c_b, t_b), H = E[c] has the rows h_b = e_(c_b).

Full softmax. p(w | c) = exp z_w / sum_v exp z_v and J = -1/B sum_b log p(t_b | c_b). With Z = H Theta^T of shape (B, V):

    dZ = 1/B (softmax(Z) - O)            O holds the one-hot codes of the targets
    dTheta = dZ^T H        dH = dZ Theta        dE = the rows of dH, added up by context word

Negative sampling. The sum over all V words is replaced by K noise words w_bk, drawn with probability ~ count^(3/4), and the
question by "is it the target, or noise?":

    J = -1/B sum_b [ log s(z_b0) + sum_k log s(-z_bk) ]        s the sigmoid, z_b0 of the target, z_bk of the noise

Let the sign g_0 = -1, g_k = 1, so that each term is -log s(-g z) = log(1 + exp(g z)), whose derivative is g s(g z):

    dz_bj = 1/B g_j s(g_j z_bj)          written so, s(z) - 1 never cancels
    dh_b = sum_j dz_bj theta_(w_bj)      dtheta_w = sum over all (b, j) with w_bj = w of dz_bj h_b

A word that comes several times in a batch gets all its gradients: rows are added up, never assigned. The noise words are drawn
outside and passed in, so that every implementation sees the same ones. A noise word may happen to be the target; its term
counts like any other (Mikolov's program skips it).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratch.activations import sigmoid, softmax
from scratch.embedding import tokens_of
from scratch.layer import Array, require
from scratch.minibatches import minibatches
from scratch.optimizers import Optimizer


class WordVectors(NamedTuple):
    """The two vectors of every word, or the gradients with respect to them.

    Attributes
    ----------
    E : ndarray of shape (V, n)
        As context: what is used once training is over.
    theta : ndarray of shape (V, n)
        As target.
    """

    E: Array
    theta: Array


def initial_vectors(
    rng: np.random.Generator, vocabulary: int, n: int, dtype: np.typing.DTypeLike = np.float64
) -> WordVectors:
    """E uniform in [-1/(2n), 1/(2n)), Theta 0, as in Mikolov's program: every z is 0, every word equally likely."""
    require(vocabulary > 0 and n > 0, f"initial_vectors: vocabulary={vocabulary} and n={n} must be positive")
    bound = 0.5 / n
    return WordVectors(rng.uniform(-bound, bound, (vocabulary, n)).astype(dtype), np.zeros((vocabulary, n), dtype))


def skip_gram_pairs(tokens: Array, window: int) -> tuple[Array, Array]:
    """Every pair of words at most `window` apart, in both directions.

    Parameters
    ----------
    tokens : ndarray of int, shape (T,)
    window : int
        Largest distance between context and target, at least 1.

    Returns
    -------
    context, target : ndarray of int, shape (pairs,)
        By distance, then by position; 2 (window T - window (window + 1) / 2) pairs where window < T.
    """
    require(tokens.ndim == 1, f"tokens must be one sequence, not of shape {tokens.shape}")
    require(window > 0, f"window must be positive, not {window}")
    near = [(tokens[:-apart], tokens[apart:]) for apart in range(1, min(window, len(tokens) - 1) + 1)]
    if not near:
        return tokens[:0], tokens[:0]
    return (
        np.concatenate([side for before, after in near for side in (before, after)]),
        np.concatenate([side for before, after in near for side in (after, before)]),
    )


def noise_distribution(tokens: Array, vocabulary: int, power: float = 0.75) -> Array:
    """(T,) -> (V,), count^power / sum of count^power: rare words come more often than they do in the text, "the" less."""
    weight = np.bincount(tokens_of(tokens, vocabulary), minlength=vocabulary) ** power
    # 0^0 is 1: with power 0 a word that never occurs would be as likely as the others, and 0 words cannot be normalised.
    require(power > 0 and weight.sum() > 0, "noise needs at least one token and a positive power")
    return weight / weight.sum()


def draw_negatives(rng: np.random.Generator, noise: Array, m: int, k: int) -> Array:
    """k noise words for each of m pairs, drawn independently from `noise` (V,): ndarray of int, shape (m, k)."""
    require(m > 0 and k > 0, f"draw_negatives: m={m} and k={k} must be positive")
    return rng.choice(len(noise), size=(m, k), p=noise)


def skip_gram_softmax(vectors: WordVectors, context: Array, target: Array) -> tuple[Array, WordVectors]:
    """J of skip-gram with the full softmax, and its gradients.

    Parameters
    ----------
    vectors : WordVectors
        Of shape (V, n) each.
    context, target : ndarray of int, shape (B,)

    Returns
    -------
    cost : ndarray of shape ()
    gradients : WordVectors
        Shapes and dtype of `vectors`.
    """
    (E, theta), B = vectors, len(context)
    context, target = _pairs(context, target, len(E))
    h, rows = E[context], np.arange(B)
    z = h @ theta.T
    z -= z.max(axis=1, keepdims=True)
    cost = (np.log(np.exp(z).sum(axis=1)) - z[rows, target]).sum() / B
    dz = softmax(z)
    dz[rows, target] -= 1
    dz /= B
    return np.asarray(cost), WordVectors(_added_up(context, dz @ theta, len(E)), dz.T @ h)


def skip_gram_negative_sampling(
    vectors: WordVectors, context: Array, target: Array, negatives: Array
) -> tuple[Array, WordVectors]:
    """J of skip-gram with negative sampling, and its gradients.

    Parameters
    ----------
    vectors : WordVectors
        Of shape (V, n) each.
    context, target : ndarray of int, shape (B,)
    negatives : ndarray of int, shape (B, K)
        The noise words of each pair, see `draw_negatives`.

    Returns
    -------
    cost : ndarray of shape ()
        Summed over the 1 + K words of a pair, averaged over the pairs.
    gradients : WordVectors
        Shapes and dtype of `vectors`.
    """
    (E, theta), B = vectors, len(context)
    context, target = _pairs(context, target, len(E))
    require(negatives.ndim == 2 and len(negatives) == B, f"negatives must be ({B}, K), not {negatives.shape}")
    words = np.column_stack([target, tokens_of(negatives, len(E))])
    h, rows = E[context], theta[words]
    sign = np.ones(words.shape[1], E.dtype)
    sign[0] = -1
    # matmul of (B, 1 + K, n) with (B, n, 1): one small product per pair, without a loop over pairs.
    gz = sign * (rows @ h[:, :, np.newaxis])[:, :, 0]
    cost = (np.maximum(gz, 0) + np.log1p(np.exp(-np.abs(gz)))).sum() / B
    dz = sign * sigmoid(gz) / B
    dh = (dz[:, np.newaxis, :] @ rows)[:, 0, :]
    dtheta = dz[:, :, np.newaxis] * h[:, np.newaxis, :]
    V = len(E)
    return np.asarray(cost), WordVectors(_added_up(context, dh, V), _added_up(words, dtheta, V))


def train_skip_gram(
    rng: np.random.Generator,
    pairs: tuple[Array, Array],
    vectors: WordVectors,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 128,
    k: int = 0,
    noise: Array | None = None,
) -> tuple[WordVectors, list[float]]:
    """Mini-batch training of both matrices.

    Parameters
    ----------
    rng : Generator
        Shuffles the pairs and draws the noise words.
    pairs : tuple of ndarray
        Context and target of `skip_gram_pairs`.
    vectors : WordVectors
        Where to start; left as it is.
    optimizer : Optimizer
    epochs, batch_size : int
    k : int
        Noise words per pair; 0 takes the full softmax.
    noise : ndarray of shape (V,), optional
        Their distribution, see `noise_distribution`; needed if k > 0.

    Returns
    -------
    vectors : WordVectors
    costs : list of float
        J of every epoch, averaged over its pairs, each batch before its own step.
    """
    require(k == 0 or noise is not None, "negative sampling needs the noise distribution")
    context, target = pairs
    states = [optimizer.initial_state(w) for w in vectors]
    costs, t = [], 0
    for _ in range(epochs):
        total = 0.0
        for batch in minibatches(rng, len(context), batch_size):
            if k and noise is not None:
                negatives = draw_negatives(rng, noise, len(batch), k)
                cost, gradients = skip_gram_negative_sampling(vectors, context[batch], target[batch], negatives)
            else:
                cost, gradients = skip_gram_softmax(vectors, context[batch], target[batch])
            t += 1
            moved = zip(vectors, gradients, states, strict=True)
            vectors = WordVectors(*(optimizer.update(w, g, state, t) for w, g, state in moved))
            total += float(cost) * len(batch)
        costs.append(total / len(context))
    return vectors, costs


def _pairs(context: Array, target: Array, vocabulary: int) -> tuple[Array, Array]:
    fits = context.ndim == 1 and context.shape == target.shape and len(context) > 0
    require(fits, f"context and target must be (B,) with B > 0, not {context.shape} and {target.shape}")
    return tokens_of(context, vocabulary), tokens_of(target, vocabulary)


def _added_up(words: Array, rows: Array, vocabulary: int) -> Array:
    """(...), (..., n) -> (V, n): the sum of the rows of every word."""
    n = rows.shape[-1]
    total = np.zeros(vocabulary * n, rows.dtype)
    # One index per element: `np.add.at` is several times faster in one dimension than on rows.
    np.add.at(total, (words[..., np.newaxis] * n + np.arange(n)).ravel(), rows.ravel())
    return total.reshape(vocabulary, n)
