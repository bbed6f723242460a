"""Skip-gram from scratch against the frameworks' own embeddings, losses and autodiff."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scratch import WordVectors, skip_gram_negative_sampling, skip_gram_softmax

TOLERANCE = {"float64": 1e-12, "float32": 5e-6}
V, N, B, K = 50, 16, 200, 6

Result = tuple[np.ndarray, WordVectors]


def torch_skip_gram(vectors: WordVectors, context: np.ndarray, target: np.ndarray, negatives: Any) -> Result:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    E, theta = (torch.nn.Embedding.from_pretrained(torch.tensor(w), freeze=False) for w in vectors)
    h, t = E(torch.tensor(context)), torch.tensor(target)
    if negatives is None:
        cost = functional.cross_entropy(h @ theta.weight.T, t)
    else:
        positive = functional.logsigmoid((theta(t) * h).sum(1))
        noise = functional.logsigmoid(-torch.einsum("bkn,bn->bk", theta(torch.tensor(negatives)), h))
        cost = -(positive + noise.sum(1)).mean()
    cost.backward()
    return cost.detach().numpy(), WordVectors(E.weight.grad.numpy(), theta.weight.grad.numpy())


def tensorflow_skip_gram(vectors: WordVectors, context: np.ndarray, target: np.ndarray, negatives: Any) -> Result:
    tf = pytest.importorskip("tensorflow")
    E, theta = (tf.Variable(w) for w in vectors)
    with tf.GradientTape() as tape:
        h = tf.nn.embedding_lookup(E, context)
        if negatives is None:
            codes = tf.one_hot(target, V, dtype=E.dtype)
            logits = tf.matmul(h, theta, transpose_b=True)
            cost = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(codes, logits))
        else:
            words = np.column_stack([target, negatives])
            z = tf.einsum("bkn,bn->bk", tf.nn.embedding_lookup(theta, words), h)
            labels = tf.one_hot(np.zeros(len(words), int), words.shape[1], dtype=E.dtype)
            terms = tf.nn.sigmoid_cross_entropy_with_logits(labels, z)
            cost = tf.reduce_mean(tf.reduce_sum(terms, axis=1))
    # The gradient of a look-up is sparse, with one entry per use: as a tensor the uses of a word are added up.
    gradients = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(cost, [E, theta])]
    return cost.numpy(), WordVectors(*gradients)


@pytest.mark.parametrize("framework", [torch_skip_gram, tensorflow_skip_gram], ids=["torch", "tensorflow"])
@pytest.mark.parametrize("sampled", [False, True], ids=["softmax", "negative sampling"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cost_and_gradients_agree(framework: Any, sampled: bool, dtype: str) -> None:
    rng = np.random.default_rng(11)
    vectors = WordVectors(*(rng.standard_normal((V, N)).astype(dtype) for _ in range(2)))
    # 200 pairs and 1200 noise words of 50: every word comes several times.
    context, target = rng.integers(0, V, (2, B))
    negatives = rng.integers(0, V, (B, K)) if sampled else None
    wanted_cost, wanted = framework(vectors, context, target, negatives)
    if negatives is None:
        cost, found = skip_gram_softmax(vectors, context, target)
    else:
        cost, found = skip_gram_negative_sampling(vectors, context, target, negatives)
    for ours, theirs in zip((cost, *found), (wanted_cost, *wanted), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert np.abs(ours - theirs).max() <= TOLERANCE[dtype] * np.abs(theirs).max()
