"""Document 004: practical aspects of deep networks."""

from __future__ import annotations

import itertools
import math

import numpy as np

from comparisons.notes import Numbers, claim
from comparisons.notes.demonstrations import distance, slope
from scratch.activations import sigmoid
from scratch.gradient_check import two_sided

SPLIT = "1 train, dev and test sets"
REGULARISATION = "2.4.1 regularisation"
DROPOUT = "2.4.3 dropout"
DRAWING = "2.4.3 randn and rand"
WHY_DROPOUT = "2.4.4 why dropout works"
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


@claim("004", REGULARISATION, "lambda too large: the fit is too simple", "verified")
def too_much_regularisation() -> Numbers:
    x = np.random.default_rng(0).standard_normal((2, 50))
    y = np.array([[2.0, -1.0]]) @ x
    found: Numbers = {}
    for lambda_ in (0.0, 5000.0):
        w = y @ x.T @ np.linalg.inv(x @ x.T + lambda_ * np.eye(2))
        found[f"training error with lambda = {lambda_:g}, of the mean square"] = float(
            ((w @ x - y) ** 2).sum() / (y**2).sum()
        )
    return found


@claim(
    "004",
    "2.4.2 why L2 works",
    "a large lambda makes w small, tanh(z) then is nearly linear, and the network with it",
    "verified",
)
def small_weights_are_linear() -> Numbers:
    x, v = np.random.default_rng(0).standard_normal((2, 100)), np.array([[1.0, -1.0]])

    def bend(size: float) -> float:
        """How far f(x) = v tanh(w x) is from the linear function v w x, of its size."""
        z = size * x
        return float(np.abs(v @ np.tanh(z) - v @ z).max() / np.abs(v @ z).max())

    return {"distance from a linear function, weights of size 2": bend(2.0), "of size 0.02": bend(0.02)}


@claim(
    "004",
    DROPOUT,
    "rand < 0.8 keeps 0.8 of the units; dividing by 0.8 leaves the expected value of a as it is",
    "verified",
)
def inverted_dropout() -> Numbers:
    kept = np.random.RandomState(0).rand(1000, 100) < 0.8
    return {"kept": round(float(kept.mean()), 2), "mean of 1 * d / 0.8": round(float((kept / 0.8).mean()), 2)}


@claim(
    "004",
    DROPOUT,
    "backward the same D switches the units off, and the gradient is divided by keep_prob as well",
    "verified",
)
def dropout_backward() -> Numbers:
    from scratch import Dropout, LayerState

    layer, rng = Dropout(0.8), np.random.default_rng(0)
    x, upstream, mask = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.random((4, 3)) < 0.8
    state = LayerState(training=True, mask=mask)

    def cost() -> float:
        return float((layer.forward(x, state)[0] ** 2 * upstream).sum())

    y, cache = layer.forward(x, state)
    dx, _ = layer.backward(2 * y * upstream, state, cache)
    return {
        "off the difference quotients by": distance(dx, two_sided(cost, x)),
        "gradient left in dropped units": float(np.abs(dx[~mask]).max()),
    }


@claim("004", DROPOUT, "at test time there is no dropout and no scaling", "verified")
def no_dropout_at_test_time() -> Numbers:
    from scratch import Dropout, LayerState

    x = np.array([[1.0, 2.0]])
    return {"output for (1, 2)": str(Dropout(0.8).forward(x, LayerState())[0][0].tolist())}


@claim("004", WHY_DROPOUT, "dropout has the effect of shrinking the squared norm of the weights", "verified",
       "for a linear unit it is L2: the mean over all masks of the squared error is the error plus (1 - p)/p sum w_j^2 x_j^2")  # fmt: skip
def dropout_is_l2_for_a_linear_unit() -> Numbers:
    w, x, y, p = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.7, -1.1]), 0.4, 0.8
    mean = 0.0
    for mask in itertools.product((0, 1), repeat=3):
        d = np.array(mask)
        mean += float(p ** d.sum() * (1 - p) ** (3 - d.sum()) * (w @ (x * d / p) - y) ** 2)
    penalty = float((1 - p) / p * (w**2 * x**2).sum())
    total = float((w @ x - y) ** 2) + penalty
    return {"error plus penalty": total, "the mean over the 8 masks is off by": abs(mean - total)}


@claim(
    "004",
    WHY_DROPOUT,
    "with dropout the cost does not fall monotonically: switch it off to see whether it falls",
    "verified",
)
def cost_with_dropout() -> Numbers:
    def rises(keep_prob: float) -> int:
        rng = np.random.default_rng(0)
        X = rng.standard_normal((6, 50))
        Y = (X[:1] + X[1:2] > 0).astype(float)
        w, costs = 0.1 * rng.standard_normal((6, 1)), []
        for _ in range(100):
            A = X * (rng.random(X.shape) < keep_prob) / keep_prob
            a = sigmoid(w.T @ A)
            costs.append(-(Y * np.log(a) + (1 - Y) * np.log(1 - a)).mean())
            w = w - 0.1 * A @ (a - Y).T / 50
        return int((np.diff(costs) > 0).sum())

    return {"steps of 99 in which the cost rises, keep_prob 0.5": rises(0.5), "keep_prob 1": rises(1.0)}


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


@claim(
    "004",
    CHECKING,
    "backprop may be right near w = b = 0 and wrong further off: check again after some training",
    "verified",
)
def checked_near_zero() -> Numbers:
    def error(w: float) -> float:
        """Of the derivative 1 - |a| in the place of tanh's 1 - a^2, at z = w."""
        wrong, quotient = 1 - abs(math.tanh(w)), slope(math.tanh, w)
        return abs(wrong - quotient) / (abs(wrong) + abs(quotient))

    return {f"relative error of 1 - |a| for 1 - a^2 at z = {z:g}": error(z) for z in (1e-9, 1e-3, 1.0)}
