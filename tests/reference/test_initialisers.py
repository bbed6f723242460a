"""Initialisers against the frameworks', as distributions: no two libraries share a random stream.

Moments within four standard errors, and a Kolmogorov-Smirnov test; seeds are fixed, so the outcome is too.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from scratch.initialisers import INITIALISERS

stats = pytest.importorskip("scipy.stats")

N_IN, N_OUT = 300, 200
DEVIATION = {
    "he": math.sqrt(2 / N_IN),
    "xavier": math.sqrt(1 / N_IN),
    "bengio": math.sqrt(2 / (N_IN + N_OUT)),
    "small_random": 0.01,
}


def scratch(name: str) -> np.ndarray:
    return INITIALISERS[name](np.random.default_rng(0), (N_IN, N_OUT)).ravel()


def assert_same_moments(a: np.ndarray, deviation: float) -> None:
    standard_error = deviation / math.sqrt(a.size)
    assert abs(a.mean()) < 4 * standard_error
    assert abs(a.std() - deviation) < 4 * standard_error


@pytest.mark.parametrize("name", DEVIATION)
def test_scratch_is_normal_with_its_deviation(name: str) -> None:
    a = scratch(name)
    assert_same_moments(a, DEVIATION[name])
    assert stats.kstest(a / DEVIATION[name], "norm").pvalue > 0.01


@pytest.mark.parametrize("name", ["he", "bengio", "small_random"])
def test_torch_draws_from_the_same_distribution(name: str) -> None:
    torch = pytest.importorskip("torch")
    init = torch.nn.init
    draw = {
        "he": lambda w: init.kaiming_normal_(w, nonlinearity="relu"),
        "bengio": init.xavier_normal_,
        "small_random": lambda w: init.normal_(w, std=0.01),
    }[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        a = draw(torch.empty(N_OUT, N_IN)).numpy().ravel()  # torch's layout: fan in is the second axis
    assert_same_moments(a, DEVIATION[name])
    assert stats.ks_2samp(a, scratch(name)).pvalue > 0.01


@pytest.mark.parametrize("name", ["he", "xavier", "bengio"])
def test_keras_has_the_same_deviation_but_cuts_the_tails_off(name: str) -> None:
    pytest.importorskip("tensorflow")
    import keras

    initialisers = keras.initializers
    kind = {"he": initialisers.HeNormal, "xavier": initialisers.LecunNormal, "bengio": initialisers.GlorotNormal}[name]
    a = np.asarray(kind(seed=0)((N_IN, N_OUT))).ravel()
    assert_same_moments(a, DEVIATION[name])
    # A normal distribution cut at two of its deviations, widened so that the deviation is right after the cut.
    cut = stats.truncnorm(-2, 2)
    assert stats.kstest(a / DEVIATION[name] * cut.std(), cut.cdf).pvalue > 0.01
    assert stats.ks_2samp(a, scratch(name)).pvalue < 1e-6
    assert np.abs(a).max() < 2.3 * DEVIATION[name] < np.abs(scratch(name)).max()


def test_torch_linear_default_is_none_of_these() -> None:
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        a = torch.nn.Linear(N_IN, N_OUT).weight.detach().numpy().ravel()
    bound = 1 / math.sqrt(N_IN)  # uniform: a third of the variance of the course's sqrt(1/n) normal
    assert stats.kstest(a, stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.01
    assert a.std() == pytest.approx(DEVIATION["xavier"] / math.sqrt(3), rel=0.02)
