"""t-SNE: probabilities, the hand-derived gradient, and maps of the digits beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from scratch import TSNE, conditional_probabilities, initial_map, joint_probabilities, kl_divergence
from scratch.gradient_check import check, two_sided
from scratch.tsne import squared_distances


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    datasets = pytest.importorskip("sklearn.datasets")
    return datasets.load_digits().data[:300]


def perplexities(p: np.ndarray) -> np.ndarray:
    return np.exp(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1))


def test_distances_are_those_of_the_differences() -> None:
    # Far from the origin, where the expanded square would cancel.
    x = 1e4 + np.random.default_rng(0).standard_normal((9, 3))
    wanted = ((x[:, np.newaxis] - x) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(x), wanted, atol=1e-9)


@pytest.mark.parametrize("perplexity", [1.5, 5.0, 30.0, 45.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_every_row_has_the_perplexity_asked_for(perplexity: float, scale: float) -> None:
    x = scale * np.random.default_rng(1).standard_normal((50, 4))
    x[0] *= 100  # an outlier: its exponentials would all underflow if the nearest distance were not subtracted
    p = conditional_probabilities(squared_distances(x), perplexity)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(np.diag(p), 0)
    np.testing.assert_allclose(perplexities(p), perplexity, rtol=1e-10)


def test_nearer_points_are_likelier_neighbours() -> None:
    d = squared_distances(np.random.default_rng(2).standard_normal((20, 3)))
    p = conditional_probabilities(d, 5)
    order = np.argsort(d[4])[1:]
    assert (np.diff(p[4][order]) <= 0).all()


def test_points_that_are_the_same_share_their_probability() -> None:
    d = squared_distances(np.repeat(np.array([[0.0], [1.0]]), 6, axis=0))
    p = conditional_probabilities(d, 3)
    np.testing.assert_allclose(p[0, 1:6], 0.2, rtol=1e-12)
    np.testing.assert_array_equal(conditional_probabilities(np.zeros((4, 4)), 2), (1 - np.eye(4)) / 3)


def test_conditional_probabilities_are_scikit_learns(digits: np.ndarray) -> None:
    utils = pytest.importorskip("sklearn.manifold._utils")
    d = squared_distances(digits)
    theirs = utils._binary_search_perplexity(d.astype("float32"), 30.0, 0)
    # Its bisection stops once the entropy is within 1e-5.
    np.testing.assert_allclose(conditional_probabilities(d, 30), theirs, atol=1e-5)


def test_joint_probabilities_are_symmetric_and_together_one() -> None:
    p = joint_probabilities(np.random.default_rng(4).standard_normal((30, 5)), 8)
    np.testing.assert_array_equal(p, p.T)
    assert p.sum() == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_gradient_is_that_of_the_divergence(k: int) -> None:
    rng = np.random.default_rng(5)
    p, y = joint_probabilities(rng.standard_normal((12, 5)), 4), rng.standard_normal((12, k))
    _, gradient = kl_divergence(p, y)
    assert check(gradient, two_sided(lambda: float(kl_divergence(p, y)[0]), y)).difference <= 1e-8
    # Moving the whole map changes nothing.
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-16)


def test_divergence_and_gradient_are_scikit_learns() -> None:
    theirs = pytest.importorskip("sklearn.manifold._t_sne")
    rng = np.random.default_rng(6)
    p, y = joint_probabilities(rng.standard_normal((40, 5)), 8), rng.standard_normal((40, 2))
    condensed = p[np.triu_indices(40, 1)]
    cost, gradient = theirs._kl_divergence(y.ravel(), condensed, 1, 40, 2)
    found, slope = kl_divergence(p, y)
    assert float(found) == pytest.approx(cost, rel=1e-12)
    np.testing.assert_allclose(slope.ravel(), gradient, atol=1e-14)


def test_a_map_of_the_probabilities_themselves_costs_nothing() -> None:
    y = np.random.default_rng(7).standard_normal((15, 2))
    w = 1 / (1 + squared_distances(y)) - np.eye(15)
    cost, gradient = kl_divergence(w / w.sum(), y)
    assert float(cost) == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


def test_first_map_has_the_first_components() -> None:
    x = np.random.default_rng(8).standard_normal((30, 5)) * [1, 5, 2, 1, 1]
    y = initial_map(x)
    assert y[:, 0].std() == pytest.approx(1e-4)
    assert abs(np.corrcoef(y[:, 0], x[:, 1])[0, 1]) > 0.95
    assert abs(np.corrcoef(y.T)[0, 1]) < 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_first_map_has_the_same_sign_everywhere(seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((30, 3)) * [1, 9, 3]
    y = initial_map(x)
    assert np.corrcoef(y[:, 0], x[:, 1])[0, 1] > 0.9
    assert np.corrcoef(y[:, 1], x[:, 2])[0, 1] > 0.9


@pytest.mark.parametrize(("exaggerated_steps", "factor"), [(1, 12), (0, 1)], ids=["exaggerated", "not exaggerated"])
def test_first_step_goes_down_the_gradient_of_its_phase(exaggerated_steps: int, factor: float) -> None:
    x = np.random.default_rng(11).standard_normal((20, 4))
    start = initial_map(x)
    y, _ = TSNE(5, learning_rate=3, exaggerated_steps=exaggerated_steps, steps=1).fit(x, start)
    # The gradient is linear in P; the first velocity is 0, so that every gain is multiplied by 0.8.
    wanted = start - 3 * 0.8 * kl_divergence(factor * joint_probabilities(x, 5), start)[1]
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


def test_float32_stays_float32() -> None:
    x = np.random.default_rng(9).standard_normal((40, 5)).astype("float32")
    p = joint_probabilities(x, 8)
    cost, gradient = kl_divergence(p, x[:, :2])
    y, reached = TSNE(8, steps=300).fit(x, initial_map(x))
    assert {a.dtype for a in (p, cost, gradient, initial_map(x), y)} == {np.dtype("float32")}
    assert np.isfinite(y).all()
    assert np.isfinite(reached)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_digits_are_mapped_as_well_as_by_scikit_learn(digits: np.ndarray, dtype: str) -> None:
    manifold = pytest.importorskip("sklearn.manifold")
    x = digits.astype(dtype)
    start = initial_map(x)
    y, cost = TSNE(perplexity=30).fit(x, start)
    theirs = manifold.TSNE(method="exact", init=start, perplexity=30).fit(x)
    assert cost == pytest.approx(theirs.kl_divergence_, rel=0.15)
    assert manifold.trustworthiness(x, y) >= 0.98


def test_wrong_arguments_are_refused() -> None:
    x = np.random.default_rng(10).standard_normal((10, 3))
    for perplexity in (1, 9, 30):
        with pytest.raises(ValueError, match="perplexity must lie between 1 and 9"):
            joint_probabilities(x, perplexity)
    with pytest.raises(ValueError, match="rows in the first map"):
        TSNE(3).fit(x, x[:5, :2])
    with pytest.raises(ValueError, match="no 4 components"):
        initial_map(x, 4)
    with pytest.raises(ValueError, match="all points are the same"):
        initial_map(np.ones((5, 3)))
    with pytest.raises(ValueError, match="exaggerated_steps"):
        TSNE(exaggerated_steps=300, steps=200)
