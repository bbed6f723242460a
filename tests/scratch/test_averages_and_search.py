"""Averages against pandas; random search against the distributions it promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scratch import (
    Logarithmic,
    Momentum,
    OneMinusLogarithmic,
    Scale,
    Uniform,
    WholeNumber,
    exponentially_weighted_average,
    random_search,
)

VALUES = np.random.default_rng(4).standard_normal((40, 3)) + 5


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.98])
def test_averages_are_those_of_pandas(beta: float) -> None:
    """`adjust=True` is the corrected average; without, pandas starts from the first value, so a 0 is put before it."""
    corrected = pd.DataFrame(VALUES).ewm(alpha=1 - beta, adjust=True).mean()
    found = exponentially_weighted_average(VALUES, beta, bias_correction=True)
    np.testing.assert_allclose(found, corrected, rtol=1e-12)
    from_zero = pd.DataFrame(np.vstack([np.zeros((1, 3)), VALUES])).ewm(alpha=1 - beta, adjust=False).mean()[1:]
    np.testing.assert_allclose(exponentially_weighted_average(VALUES, beta), from_zero, rtol=1e-12)


def test_correction_makes_the_average_of_a_constant_that_constant() -> None:
    constant = np.full(30, 7.0)
    np.testing.assert_allclose(exponentially_weighted_average(constant, 0.98, bias_correction=True), 7.0, rtol=1e-12)
    np.testing.assert_allclose(exponentially_weighted_average(constant, 0.98)[0], 0.02 * 7.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6,), (6, 2), (6, 2, 3), (0, 2)])
@pytest.mark.parametrize("correction", [True, False])
def test_average_keeps_dtype_and_shape(shape: tuple[int, ...], dtype: type, correction: bool) -> None:
    averages = exponentially_weighted_average(np.ones(shape, dtype), 0.9, correction)
    assert (averages.shape, averages.dtype) == (shape, dtype)


def test_average_refuses_whole_numbers_and_beta_of_one() -> None:
    with pytest.raises(ValueError, match="int64"):
        exponentially_weighted_average(np.arange(3))
    with pytest.raises(ValueError, match="beta"):
        exponentially_weighted_average(np.ones(3), 1.0)


def drawn(scale: Scale, count: int = 4000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.array([scale.draw(rng) for _ in range(count)])


def assert_uniform(shares: np.ndarray) -> None:
    """Kolmogorov-Smirnov: the largest gap to the diagonal stays below 1.95 / sqrt(n), exceeded once in a thousand."""
    shares = np.sort(shares)
    assert shares[0] >= 0
    assert shares[-1] <= 1
    gap = np.abs(shares - (np.arange(len(shares)) + 0.5) / len(shares)).max()
    assert gap < 1.95 / np.sqrt(len(shares))


def test_every_scale_is_uniform_on_its_own_measure() -> None:
    assert_uniform((drawn(Uniform(-1, 3)) + 1) / 4)
    assert_uniform((np.log10(drawn(Logarithmic(1e-4, 1))) + 4) / 4)
    assert_uniform((np.log10(1 - drawn(OneMinusLogarithmic(0.9, 0.999))) + 3) / 2)


def test_each_decade_gets_as_many_learning_rates_as_any_other() -> None:
    counts, _ = np.histogram(drawn(Logarithmic(1e-4, 1)), [1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert counts.sum() == 4000
    assert counts.min() > 900


def test_whole_numbers_include_both_ends() -> None:
    values = drawn(WholeNumber(50, 53))
    assert set(values) == {50, 51, 52, 53}
    assert isinstance(WholeNumber(1, 2).draw(np.random.default_rng()), int)


@pytest.mark.parametrize("scale", [Logarithmic(0.1, 0.3), OneMinusLogarithmic(0.9, 0.999)])
def test_rounding_never_leaves_the_interval(scale: Scale) -> None:
    class Ends:
        def uniform(self, low: float, high: float) -> float:
            return self.end(low, high)

    for end in (min, max):
        rng = Ends()
        rng.end = end
        assert scale.low <= scale.draw(rng) <= scale.high


def test_search_draws_independent_settings_that_an_optimizer_takes_and_a_seed_repeats() -> None:
    space = {"learning_rate": Logarithmic(1e-4, 1), "beta": OneMinusLogarithmic(0.9, 0.999)}
    first, again = (list(random_search(np.random.default_rng(1), space, 25)) for _ in range(2))
    assert first == again
    assert len({Momentum(**setting) for setting in first}) == 25
    correlation = np.corrcoef([[np.log(s["learning_rate"]), np.log(1 - s["beta"])] for s in first], rowvar=False)[0, 1]
    assert abs(correlation) < 0.6


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [(Uniform, 1, 1), (Logarithmic, 0, 1), (OneMinusLogarithmic, 0.9, 1), (WholeNumber, 1, 2.5)],
)
def test_scales_without_sense_are_refused(kind: type[Scale], low: float, high: float) -> None:
    with pytest.raises(ValueError, match=kind.__name__):
        kind(low, high)
