"""Skip-gram: pairs, noise, hand-derived gradients, and what training makes of a tiny language."""

from __future__ import annotations

import numpy as np
import pytest

from scratch import (
    Adam,
    WordVectors,
    draw_negatives,
    initial_vectors,
    noise_distribution,
    skip_gram_negative_sampling,
    skip_gram_pairs,
    skip_gram_softmax,
    train_skip_gram,
)
from scratch.embedding import cosine_similarity
from scratch.gradient_check import check, two_sided

V, N = 7, 4
# Words repeat among the contexts, the targets and the noise; word 6 never comes; the last pair draws its target as noise.
CONTEXT = np.array([0, 3, 3, 5, 0])
TARGET = np.array([1, 2, 4, 4, 1])
NEGATIVES = np.array([[2, 2, 5], [0, 3, 1], [5, 5, 5], [0, 1, 2], [1, 0, 4]])


def random_vectors(dtype: str = "float64") -> WordVectors:
    rng = np.random.default_rng(3)
    return WordVectors(*(rng.standard_normal((V, N)).astype(dtype) for _ in range(2)))


def skip_gram(vectors: WordVectors, sampled: bool) -> tuple[np.ndarray, WordVectors]:
    if sampled:
        return skip_gram_negative_sampling(vectors, CONTEXT, TARGET, NEGATIVES)
    return skip_gram_softmax(vectors, CONTEXT, TARGET)


SAMPLED = pytest.mark.parametrize("sampled", [False, True], ids=["softmax", "negative sampling"])


@SAMPLED
def test_gradients_are_those_of_the_cost(sampled: bool) -> None:
    vectors = random_vectors()
    _, gradients = skip_gram(vectors, sampled)
    for w, g in zip(vectors, gradients, strict=True):
        assert check(g, two_sided(lambda: float(skip_gram(vectors, sampled)[0]), w)).difference <= 1e-9


@SAMPLED
def test_a_word_that_does_not_come_has_no_gradient(sampled: bool) -> None:
    _, gradients = skip_gram(random_vectors(), sampled)
    np.testing.assert_array_equal(gradients.E[[1, 2, 4, 6]], 0)
    # The softmax asks every word; the samples leave word 6 alone.
    assert bool(gradients.theta[6].any()) != sampled


@SAMPLED
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_shapes_are_kept(sampled: bool, dtype: str) -> None:
    cost, gradients = skip_gram(random_vectors(dtype), sampled)
    assert (cost.shape, cost.dtype) == ((), dtype)
    assert [(g.shape, g.dtype) for g in gradients] == [((V, N), np.dtype(dtype))] * 2


@SAMPLED
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_scores_neither_overflow_nor_vanish(sampled: bool, dtype: str) -> None:
    E, theta = random_vectors(dtype)
    cost, gradients = skip_gram(WordVectors(100 * E, 100 * theta), sampled)
    assert np.isfinite(cost)
    assert all(np.isfinite(g).all() for g in gradients)


def test_first_cost_is_that_of_knowing_nothing() -> None:
    vectors = initial_vectors(np.random.default_rng(0), V, N)
    assert np.abs(vectors.E).max() <= 0.5 / N
    assert float(skip_gram(vectors, False)[0]) == pytest.approx(np.log(V))
    assert float(skip_gram(vectors, True)[0]) == pytest.approx(4 * np.log(2))


def test_pairs_are_all_neighbours_in_both_directions() -> None:
    tokens = np.array([4, 0, 2, 0, 1])
    context, target = skip_gram_pairs(tokens, 2)
    wanted = [(tokens[i], tokens[j]) for i in range(5) for j in range(5) if 0 < abs(i - j) <= 2]
    assert sorted(zip(context.tolist(), target.tolist(), strict=True)) == sorted(wanted)
    assert len(context) == 2 * (2 * 5 - 3)


@pytest.mark.parametrize(("length", "pairs"), [(0, 0), (1, 0), (2, 2), (3, 6)])
def test_short_sequences_have_the_pairs_they_have(length: int, pairs: int) -> None:
    context, target = skip_gram_pairs(np.arange(length), 5)
    assert context.shape == target.shape == (pairs,)


def test_noise_is_the_flattened_count() -> None:
    noise = noise_distribution(np.array([0] * 16 + [2]), 3)
    np.testing.assert_allclose(noise, [8 / 9, 0, 1 / 9], rtol=1e-15)
    drawn = draw_negatives(np.random.default_rng(0), noise, 3000, 4)
    assert drawn.shape == (3000, 4)
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=3) / drawn.size, noise, atol=0.01)


def test_wrong_arguments_are_refused() -> None:
    vectors = random_vectors()
    with pytest.raises(ValueError, match="window"):
        skip_gram_pairs(CONTEXT, 0)
    with pytest.raises(ValueError, match="context and target"):
        skip_gram_softmax(vectors, CONTEXT, TARGET[:-1])
    with pytest.raises(ValueError, match="integers from 0 to 6"):
        skip_gram_softmax(vectors, CONTEXT, TARGET - 2)
    with pytest.raises(ValueError, match="negatives"):
        skip_gram_negative_sampling(vectors, CONTEXT, TARGET, NEGATIVES[:-1])
    with pytest.raises(ValueError, match="noise distribution"):
        train_skip_gram(np.random.default_rng(0), (CONTEXT, TARGET), vectors, Adam(0.1), 1, k=2)


@pytest.mark.parametrize("k", [0, 4], ids=["softmax", "negative sampling"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_words_in_the_same_contexts_come_together(k: int, dtype: str) -> None:
    """Three groups of three words, each group with a word of its own before and after: members never meet each other."""
    rng = np.random.default_rng(1)
    group, member = rng.integers(0, 3, 600), rng.integers(0, 3, 600)
    tokens = np.column_stack([9 + group, 3 * group + member, 12 + group]).ravel()
    start = initial_vectors(rng, 15, 8, dtype)
    kept = start.E.copy()
    noise = noise_distribution(tokens, 15) if k else None
    found, costs = train_skip_gram(rng, skip_gram_pairs(tokens, 1), start, Adam(0.02), 15, 64, k, noise)
    np.testing.assert_array_equal(start.E, kept)
    assert found.E.dtype == dtype
    assert len(costs) == 15
    assert costs[-1] < 0.8 * costs[0]
    members = found.E[:9]
    similarity = cosine_similarity(members[:, np.newaxis], members[np.newaxis])
    same = np.kron(np.eye(3), np.ones((3, 3))) > 0
    assert similarity[same].min() > 0.9
    assert similarity[~same].max() < 0.5
