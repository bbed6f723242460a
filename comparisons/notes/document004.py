"""Document 004: practical aspects of deep networks."""

from __future__ import annotations

import math

import numpy as np

from comparisons.notes import Numbers, claim
from comparisons.notes.demonstrations import slope
from scratch.activations import sigmoid

SPLIT = "1 train, dev and test sets"
REGULARISATION = "2.4.1 regularisation"
DROPOUT = "2.4.3 dropout"
DRAWING = "2.4.3 randn and rand"
INITIALISATION = "3.2.1 vanishing and exploding gradients"
CHECKING = "3.3 gradient checking"


@claim("004", SPLIT, "little data 70/30 or 60/20/20, much data 98/1/1", "verified")
def splits() -> Numbers:
    return {"dev examples of 1,000 at 20 %": 200, "of 1,000,000 at 1 %": 10_000}


@claim(
    "004",
    REGULARISATION,
    "L2 is weight decay: each update multiplies W by a factor below 1",
    "verified",
    "for plain gradient descent, by 1 - alpha lambda/m",
)
def weight_decay() -> Numbers:
    w, alpha, lambda_, m, g = 2.0, 0.1, 0.7, 5, 0.3
    return {
        "step with lambda/m w in the gradient": w - alpha * (g + lambda_ / m * w),
        "decay first": (1 - alpha * lambda_ / m) * w - alpha * g,
    }


@claim(
    "004",
    DROPOUT,
    "rand < 0.8 keeps 0.8 of the units; dividing by 0.8 leaves the expected value of a as it is",
    "verified",
)
def inverted_dropout() -> Numbers:
    kept = np.random.RandomState(0).rand(1000, 100) < 0.8
    return {"kept": round(float(kept.mean()), 2), "mean of 1 * d / 0.8": round(float((kept / 0.8).mean()), 2)}


@claim("004", DROPOUT, "at test time there is no dropout and no scaling", "verified")
def no_dropout_at_test_time() -> Numbers:
    from scratch import Dropout, LayerState

    x = np.array([[1.0, 2.0]])
    return {"output for (1, 2)": str(Dropout(0.8).forward(x, LayerState())[0][0].tolist())}


@claim("004", DRAWING, "randn: 95 % lie within +-1.96, 99 % within +-2.58", "verified")
def normal_quantiles() -> Numbers:
    return {f"within {z}": round(math.erf(z / math.sqrt(2)), 4) for z in (1.96, 2.58)}


@claim("004", DRAWING, "rand is uniform on [0, 1), 1 excluded", "verified")
def uniform() -> Numbers:
    drawn = np.random.RandomState(0).rand(100_000)
    return {"smallest": round(float(drawn.min()), 4), "largest": round(float(drawn.max()), 4)}


@claim(
    "004",
    "2.4.5 early stopping",
    "weights start small and grow with the iterations: stopping early chooses weights of middle size",
    "verified",
)
def weights_grow() -> Numbers:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 40))
    Y = (X[:1] + rng.standard_normal((1, 40)) > 0).astype(float)
    w, norms = 0.01 * rng.standard_normal((5, 1)), {}
    for step in range(1, 1001):
        w = w - 0.1 * X @ (sigmoid(w.T @ X) - Y).T / 40
        norms[step] = round(float(np.linalg.norm(w)), 3)
    return {f"||w|| after {step} steps": norms[step] for step in (1, 30, 1000)}


@claim("004", "3.1 normalising inputs", "the features come to similar ranges, so that gradient descent gets to the minimum from anywhere", "verified",
       "the curvatures become alike: one learning rate then fits all directions")  # fmt: skip
def conditioned() -> Numbers:
    x = np.random.default_rng(0).standard_normal((2, 500)) * [[1.0], [100.0]]
    raw, normal = (np.linalg.cond(z @ z.T / 500) for z in (x, (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)))
    return {"largest to smallest curvature, raw": float(f"{raw:.3g}"), "normalised": float(f"{normal:.3g}")}


@claim(
    "004", INITIALISATION, "in a deep network activations and gradients grow or shrink exponentially with L", "verified"
)
def exponential_in_depth() -> Numbers:
    return {f"{w} ** 150": w**150 for w in (1.1, 0.9)}


@claim(
    "004",
    INITIALISATION,
    "var(w) = 1/n; for ReLU multiply by np.sqrt(1/n[l-1])",
    "wrong",
    "sqrt(2/n[l-1]) for ReLU, which passes half of its inputs; sqrt(1/n) is tanh's",
)
def relu_needs_two_over_n() -> Numbers:
    def size_after(scale: float) -> float:
        rng, a = np.random.default_rng(0), np.random.default_rng(1).standard_normal((200, 200))
        for _ in range(20):
            a = np.maximum(0, scale * rng.standard_normal((200, 200)) / math.sqrt(200) @ a)
        return float(np.sqrt((a**2).mean()))

    return {"size of a after 20 ReLU layers, sqrt(1/n)": size_after(1.0), "sqrt(2/n)": size_after(math.sqrt(2))}


@claim("004", CHECKING, "the two-sided quotient has the smaller error, of second order", "verified")
def order_of_the_quotient() -> Numbers:
    def two(h: float) -> float:
        return abs(slope(math.exp, 1.0, h) - math.e)

    def one(h: float) -> float:
        return abs((math.exp(1 + h) - math.e) / h - math.e)

    return {
        "error at h = 0.01: one-sided": one(0.01),
        "two-sided": two(0.01),
        "two-sided, h ten times smaller: error / ": two(0.01) / two(0.001),
    }


@claim(
    "004",
    CHECKING,
    "the relative distance of the norms is read against 1e-5",
    "unclear",
    "1e-7 is right, 1e-5 to be looked at, 1e-3 wrong, in float64",
)
def threshold() -> Numbers:
    return {"rounding of float64": 2.0**-52, "of float32": 2.0**-23}


@claim("004", CHECKING, "the regularisation term belongs into J when gradients are checked", "verified")
def regularised_check() -> Numbers:
    w, lambda_, m = 2.0, 0.7, 5
    with_term = slope(lambda v: v**2 + lambda_ / (2 * m) * v**2, w)
    return {
        "gradient with lambda/m w": 2 * w + lambda_ / m * w,
        "quotient with the term": with_term,
        "without": slope(lambda v: v**2, w),
    }
