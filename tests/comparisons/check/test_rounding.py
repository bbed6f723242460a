"""Correct code in hard places is never wrong by rounding, its own way to round included; code that is random is not excused by it."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.check import judging
from comparisons.check.judging import CheckResult, judge_all
from comparisons.check.matching import InProcess, live
from comparisons.check.report import verdict

pytest.importorskip("torch")
Array = np.ndarray


def layernorm_forward(x, gamma, beta, ln_param):
    # One pass, in double whatever it is given: far from 0 the variance is what is left of two large numbers.
    x = np.asarray(x, dtype=np.float64)
    mu = x.mean(axis=1, keepdims=True)
    var = (x**2).mean(axis=1, keepdims=True) - mu**2
    s = np.sqrt(var + ln_param.get("eps", 1e-5))
    xhat = (x - mu) / s
    return gamma * xhat + beta, (xhat, s, gamma)


def layernorm_backward(dout, cache):
    xhat, s, gamma = cache
    d = dout * gamma
    n = d.shape[1]
    dx = (n * d - d.sum(1, keepdims=True) - xhat * (d * xhat).sum(1, keepdims=True)) / (n * s)
    return dx, (dout * xhat).sum(0), dout.sum(0)


def affine_forward(x, w, b):
    return np.asarray(x, np.float64).dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    return dout.dot(w.T), x.T.dot(dout), dout.sum(axis=0)


def sigmoid_forward(x):
    out = 1 / (1 + np.exp(-np.asarray(x, np.float64)))
    return out, out


def sigmoid_backward(dout, cache):
    return dout * cache * (1 - cache)


def tanh_forward(x):
    return np.tanh(x), x


def tanh_backward(dout, cache):
    return dout / np.cosh(np.clip(cache, -300, 300)) ** 2


def noisy_forward(x):
    return np.maximum(0, x) + 1e-7 * np.random.default_rng().standard_normal(x.shape), x


def relu_backward(dout, cache):
    return dout * (cache > 0)


LAYERS = (
    layernorm_forward,
    layernorm_backward,
    affine_forward,
    affine_backward,
    sigmoid_forward,
    sigmoid_backward,
    tanh_forward,
    tanh_backward,
)


def checked(*functions: object, regime: str, seed: int) -> CheckResult:
    return judge_all(InProcess(live(*functions), (regime,)), ("torch",), seed)


@pytest.mark.parametrize("regime", ["tiny", "normal", "large", "offset", "saturated", "zeros"])
def test_correct_code_raises_no_alarm_at_any_scale(regime: str) -> None:
    for seed in range(3):
        for c in checked(*LAYERS, regime=regime, seed=seed).checked:
            assert verdict(c) != "wrong", [row for row in c.rows if row["verdict"] == "mismatch"]


def test_it_is_the_codes_own_spread_that_spares_the_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging.Judge, "_spread", lambda *_: {})
    (norm,) = checked(layernorm_forward, layernorm_backward, regime="offset", seed=1).checked
    assert verdict(norm) == "wrong"


def test_code_that_gives_other_numbers_each_time_is_not_excused() -> None:
    relu_forward = noisy_forward
    relu_forward.__name__ = relu_forward.__qualname__ = "relu_forward"
    (relu,) = checked(relu_forward, relu_backward, regime="normal", seed=0).checked
    assert verdict(relu) == "wrong"
