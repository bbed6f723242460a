"""Document 001: a teaching script, chapter 1."""

from __future__ import annotations

import math

import numpy as np

from comparisons.notes import Numbers, claim
from comparisons.notes.demonstrations import TwoLayers, distance, slope
from scratch import course
from scratch.activations import sigmoid

LOGISTIC = "1.2.1 logistic regression"
DERIVATIVES = "1.2.3 derivatives"
VECTORS = "1.2.4 vectorised programming"
SHALLOW = "1.3.5 forward and backward with tanh"
DEEP = "1.4.2 four layers"
INITIALISATION = "1.4.3.3 initialisation"


@claim("001", LOGISTIC, "L = -(y log yhat) - (1 - y) log(1 - yhat)", "verified")
def cross_entropy() -> Numbers:
    return {"y = 1, yhat = 0.9": -math.log(0.9), "y = 0, yhat = 0.9": -math.log(1 - 0.9)}


@claim(
    "001",
    LOGISTIC,
    "if y = 0 the loss is log(1 - yhat)",
    "wrong",
    "-log(1 - yhat): as written the loss is negative, and the lower the worse the prediction",
)
def missing_minus() -> Numbers:
    return {"as written at yhat = 0.9": math.log(1 - 0.9), "correct": -math.log(1 - 0.9)}


@claim("001", LOGISTIC, "the cost J(w, b) of logistic regression is convex", "verified")
def convex_cost() -> Numbers:
    rng = np.random.default_rng(0)
    x = np.vstack([rng.standard_normal((2, 30)), np.ones((1, 30))])
    smallest = []
    for _ in range(50):
        a = sigmoid(3 * rng.standard_normal((1, 3)) @ x)
        smallest.append(np.linalg.eigvalsh(x * (a * (1 - a)) @ x.T / 30).min())
    return {"smallest curvature in any direction, at 50 points, is positive": str(bool(min(smallest) > 0))}


@claim("001", LOGISTIC, "the squared loss of a logistic unit has several local minima (it is not convex)", "verified")
def squared_loss_is_not_convex() -> Numbers:
    def loss(w: float) -> float:
        return 0.5 * (1 / (1 + math.exp(-w)) - 1) ** 2

    curvature = (loss(-3 + 1e-3) - 2 * loss(-3) + loss(-3 - 1e-3)) / 1e-6
    return {"its second derivative at w = -3 is negative": round(curvature, 4)}


@claim("001", "1.2.2 gradient descent", "where w is above the best w' the derivative is positive and w gets smaller; below it larger", "verified",
       "of a convex cost; step by step w comes closer as long as alpha is not too large")  # fmt: skip
def towards_the_minimum() -> Numbers:
    def cost(w: float) -> float:
        return math.log(1 + math.exp(-w)) + 0.25 * w

    best = math.log(3)  # where sigma(w) = 3/4
    return {"w' = ln 3, derivative at w' + 1": slope(cost, best + 1), "at w' - 1": slope(cost, best - 1)}


@claim(
    "001",
    DERIVATIVES,
    "table: a^2 -> 2a, a^3 -> 3a^2, ln a -> 1/a, e^a -> e^a, sigma -> sigma(1 - sigma), tanh -> 1 - tanh^2",
    "verified",
)
def table_of_derivatives() -> Numbers:
    def sigma(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    a = 0.8
    pairs = [
        (lambda x: x**2, 2 * a),
        (lambda x: x**3, 3 * a**2),
        (math.log, 1 / a),
        (math.exp, math.exp(a)),
        (sigma, sigma(a) * (1 - sigma(a))),
        (math.tanh, 1 - math.tanh(a) ** 2),
    ]
    return {"largest deviation from difference quotients at 0.8": max(abs(slope(f, a) - d) for f, d in pairs)}


@claim(
    "001",
    DERIVATIVES,
    "the slope is written f(a)/da or d/da f(a)",
    "unclear",
    "df(a)/da: a derivative is no quotient of f(a)",
)
def slope_notation() -> Numbers:
    return {"f(a) = a^2 at 2: f(a)": 4.0, "df/da": slope(lambda a: a * a, 2.0)}


@claim(
    "001",
    DERIVATIVES,
    "y = a^2: 2 -> 2.001 raises y from 4 to about 4.004, 5 -> 5.001 from 25 to about 25.01",
    "verified",
)
def slopes_of_the_square() -> Numbers:
    return {"at 2": slope(lambda a: a * a, 2.0), "at 5": slope(lambda a: a * a, 5.0)}


@claim("001", DERIVATIVES, "J = 3(a + bc) with a = 7, b = 4, c = 2: dJ/da = 3, dJ/db = 6, dJ/dc = 9", "wrong",
       "dJ/dc = 3 b = 12 (9 belongs to the lecture's b = 3)")  # fmt: skip
def computation_graph() -> Numbers:
    a, b, c = 7.0, 4.0, 2.0
    return {
        "dJ/da": slope(lambda x: 3 * (x + b * c), a),
        "dJ/db": slope(lambda x: 3 * (a + x * c), b),
        "dJ/dc": slope(lambda x: 3 * (a + b * x), c),
    }


@claim("001", DERIVATIVES, "logistic regression: dz = a - y, dw1 = x1 dz, dw2 = x2 dz, db = dz", "verified")
def logistic_gradients() -> Numbers:
    x, w, b, y = (0.5, -1.2), (0.3, 0.8), 0.1, 1.0

    def loss(w1: float, w2: float, b: float) -> float:
        a = 1 / (1 + math.exp(-(w1 * x[0] + w2 * x[1] + b)))
        return -(y * math.log(a) + (1 - y) * math.log(1 - a))

    dz = 1 / (1 + math.exp(-(w[0] * x[0] + w[1] * x[1] + b))) - y
    found = (
        slope(lambda v: loss(v, w[1], b), w[0]),
        slope(lambda v: loss(w[0], v, b), w[1]),
        slope(lambda v: loss(*w, v), b),
    )
    return {"largest deviation": max(abs(f - c) for f, c in zip(found, (dz * x[0], dz * x[1], dz), strict=True))}


@claim(
    "001",
    DERIVATIVES,
    "y = 4a has the slope 4 everywhere; v = a + bc, J = 3v: v from 15 to 15.001 raises J to about 45.003",
    "verified",
)
def slopes_of_the_chain() -> Numbers:
    return {
        "slope of 4a at 2": slope(lambda a: 4 * a, 2.0),
        "dJ/dv": slope(lambda v: 3 * v, 15.0),
        "J at 15.001": 3 * 15.001,
    }


@claim(
    "001", DERIVATIVES, "dJ/dw2 = dJ/dz dz/dw1 = dz x2", "unclear", "dz/dw2 in the middle; the result is right: dz x2"
)
def index_of_the_second_weight() -> Numbers:
    x, w = (0.5, -1.2), (0.3, 0.8)
    return {
        "dz/dw1": slope(lambda v: v * x[0] + w[1] * x[1], w[0]),
        "dz/dw2 = x2": slope(lambda v: w[0] * x[0] + v * x[1], w[1]),
    }


@claim("001", VECTORS, "W = np.zeros([n, 1]), b = 0: logistic regression may start from zeros", "verified",
       "it is convex and has no hidden units that could stay alike; a network may not")  # fmt: skip
def logistic_regression_from_zeros() -> Numbers:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2, 200))
    Y = (rng.random((1, 200)) < sigmoid(np.array([[2.0, -1.0]]) @ X)).astype(float)
    ends = []
    for w in (np.zeros((2, 1)), 3 * rng.standard_normal((2, 1))):
        for _ in range(3000):
            w = w - X @ (sigmoid(w.T @ X) - Y).T / 200
        ends.append(w)
    return {"w from zeros and from random weights differs by": distance(ends[0], ends[1])}


@claim("001", VECTORS, "the loop over the examples and dW = 1/m X dZ^T, db = 1/m np.sum(dZ) give the same", "verified")
def loop_and_vectors() -> Numbers:
    rng = np.random.default_rng(0)
    X, Y, w, b, m = rng.standard_normal((3, 7)), rng.integers(0, 2, (1, 7)), rng.standard_normal((3, 1)), 0.2, 7
    dw, db = np.zeros((3, 1)), 0.0
    for i in range(m):
        x, y = X[:, i : i + 1], Y[0, i]
        dz = float(sigmoid(w.T @ x + b).item()) - y
        dw += x * dz
        db += dz
    dZ = sigmoid(w.T @ X + b) - Y
    return {"dW differs by": distance(X @ dZ.T / m, dw / m), "db differs by": abs(dZ.sum() / m - db / m)}


@claim(
    "001",
    "1.3.2 vectorised forward pass",
    "Z1 (4, m) = W1 (4, 3) X (3, m) + b1 (4, 1), Z2 (1, m) = W2 (1, 4) A1 (4, m) + b2 (1, 1)",
    "verified",
)
def shapes_of_the_forward_pass() -> Numbers:
    n = TwoLayers(m=7)
    one = n.W1 @ n.X[:, 3:4] + n.b1
    return {"Z1": str(n.Z1.shape), "Z2": str(n.Z2.shape), "column 3 alone is off by": distance(n.Z1[:, 3:4], one)}


@claim(
    "001",
    "1.3.4 activation functions",
    "ReLU: the gradient is 1 for z > 0 and 0 for z < 0; tanh's goes to 0 for large |z|",
    "verified",
)
def gradients_of_activations() -> Numbers:
    return {
        "ReLU at 3": slope(lambda z: max(0.0, z), 3.0),
        "ReLU at -3": slope(lambda z: max(0.0, z), -3.0),
        "tanh at 3": slope(math.tanh, 3.0),
    }


@claim("001", SHALLOW, "dZ2 = A2 - Y, dW2 = 1/m dZ2 A1^T", "verified")
def shallow_output_layer() -> Numbers:
    n = TwoLayers()
    return {"dW2 off by": distance((n.A2 - n.Y) @ n.A1.T / n.m, n.true("W2"))}


@claim("001", SHALLOW, "db1 = 1/m np.sum(dZ1, axis=1)", "unclear",
       "with keepdims=True: b1 is (4, 1), and b1 - alpha db1 would otherwise be broadcast to (4, 4)")  # fmt: skip
def db_without_keepdims() -> Numbers:
    n = TwoLayers()
    db1 = np.zeros((4, 5)).sum(axis=1)
    return {"shape of b1": str(n.b1.shape), "shape of b1 - alpha db1": str((n.b1 - 0.1 * db1).shape)}


@claim("001", SHALLOW, "dZ1 = W2^T dZ2 * (1 - A1)^2", "wrong", "W2^T dZ2 * (1 - A1^2): A1 is squared, not 1 - A1")
def wrong_square() -> Numbers:
    n = TwoLayers()
    back, truth = n.W2.T @ (n.A2 - n.Y), n.true("W1")
    as_written, correct = back * (1 - n.A1) ** 2, back * (1 - n.A1**2)
    return {
        "dW1 as written off by": distance(as_written @ n.X.T / n.m, truth),
        "corrected off by": distance(correct @ n.X.T / n.m, truth),
    }


@claim(
    "001", SHALLOW, "without non-linear activations a2 = (W2 W1) x + (W2 b1 + b2): the network stays linear", "verified"
)
def linear_network() -> Numbers:
    n = TwoLayers()
    deep, flat = n.W2 @ (n.W1 @ n.X + n.b1) + n.b2, (n.W2 @ n.W1) @ n.X + (n.W2 @ n.b1 + n.b2)
    return {"the two differ by": distance(deep, flat)}


@claim("001", DEEP, "one example: dW[l] = dZ[l] a[l-1]", "unclear", "dZ[l] a[l-1]^T: an outer product")
def outer_product() -> Numbers:
    dz, a = np.ones((4, 1)), np.ones((3, 1))
    return {"shape of dZ a^T": str((dz @ a.T).shape), "dZ a": "shapes (4, 1) and (3, 1) do not fit"}


@claim("001", DEEP, "several examples: dZ = dA * g'(Z), dW = 1/m dZ A^T, db = 1/m sum dZ, dA = W^T dZ", "verified")
def deep_backward() -> Numbers:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((4, 6)), rng.integers(0, 2, (1, 6)).astype(float)
    given = course.initialize_parameters_deep((4, 5, 3, 1))
    AL, caches = course.L_model_forward(X, given)

    def cost(p) -> float:
        return float(course.compute_cost(course.L_model_forward(X, p)[0], Y))

    difference, _ = course.gradient_check(cost, given, course.L_model_backward(AL, Y, caches))
    return {"gradient check of a network built on them": difference}


@claim(
    "001", INITIALISATION, "two hidden units with the same parameters get the same gradient and stay alike", "verified"
)
def units_stay_alike() -> Numbers:
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, 20)), rng.integers(0, 2, (1, 20)).astype(float)
    p = {"W1": np.full((2, 2), 0.3), "b1": np.zeros((2, 1)), "W2": np.full((1, 2), 0.3), "b2": np.zeros((1, 1))}
    for _ in range(500):
        _, cache = course.forward_propagation(X, p)
        p = course.update_parameters(p, course.backward_propagation(p, cache, X, Y), 0.5)
    return {
        "after 500 steps the units differ by": float(np.abs(p["W1"][0] - p["W1"][1]).max()),
        "while W1 has moved by": round(float(np.abs(p["W1"] - 0.3).max()), 3),
    }


@claim(
    "001", INITIALISATION, "small weights keep z near 0, where the gradient of tanh and sigmoid is largest", "verified"
)
def small_weights_keep_the_slope() -> Numbers:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((200, 100)) @ rng.standard_normal((100, 50))
    mean = {scale: float((1 - np.tanh(scale * z) ** 2).mean()) for scale in (0.01, 1.0)}
    return {"mean of tanh', weights of scale 0.01": mean[0.01], "of scale 1": mean[1.0]}


@claim(
    "001",
    INITIALISATION,
    "W = np.random.rand(2, 2) * 0.01",
    "wrong",
    "np.random.randn: rand is uniform on [0, 1), so that all weights are positive",
)
def rand_for_randn() -> Numbers:
    rng = np.random.RandomState(0)
    return {
        "mean of 10,000 rand": float(rng.rand(10_000).mean()),
        "of randn": round(float(rng.randn(10_000).mean()), 3),
    }
