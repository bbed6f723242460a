"""Document 000: notes on the whole course, with the author's own derivation of backprop."""

from __future__ import annotations

import math

import numpy as np

from comparisons.notes import Numbers, claim
from comparisons.notes.demonstrations import TwoLayers, distance, slope
from scratch import Adam, Momentum, RMSprop, minibatches
from scratch.activations import sigmoid
from scratch.gradient_check import two_sided

LOGISTIC = "First course, 1, logistic regression"
FUNCTIONS = "First course, 2, activation functions"
DERIVATION = "First course, 3, gradient descent: derivation of backprop"
SUMMARY = "First course, 3, gradient descent: summary of the formulas"
RANDOM = "First course, 3, random initialisation"
PRACTICE = "Second course, 1, practical aspects"
OPTIMISATION = "Second course, 2, optimisation"


@claim(
    "000",
    LOGISTIC,
    "w = w - alpha df/dw: the gradient is the direction in which the function changes fastest",
    "verified",
)
def steepest_direction() -> Numbers:
    gradient = np.array([2.0, -6.0])  # of x^2 - 1.5 y^2 at (1, 2)

    def rise(angle: float) -> float:
        x, y = 1 + 1e-6 * math.cos(angle), 2 + 1e-6 * math.sin(angle)
        return x**2 - 1.5 * y**2

    angles = np.linspace(-math.pi, math.pi, 3601)
    best = float(angles[np.argmax([rise(angle) for angle in angles])])
    own = math.atan2(gradient[1], gradient[0])
    return {
        "direction of the fastest rise, degrees": round(math.degrees(best)),
        "of the gradient": round(math.degrees(own)),
    }


@claim("000", FUNCTIONS, "sigmoid: a = 1/(1 + e^-z), a' = a(1 - a)", "verified")
def sigmoid_derivative() -> Numbers:
    z, a = 0.7, float(sigmoid(np.array(0.7)))
    return {"a(1 - a) at z = 0.7": a * (1 - a), "difference quotient": slope(lambda x: 1 / (1 + math.exp(-x)), z)}


@claim("000", FUNCTIONS, "tanh: a' = 1 - (tanh z)^2", "verified")
def tanh_derivative() -> Numbers:
    return {"1 - tanh^2 at z = 0.7": 1 - math.tanh(0.7) ** 2, "difference quotient": slope(math.tanh, 0.7)}


@claim("000", FUNCTIONS, "tanh(z) = (e^z - e^-z)/(e^z + e^-z); ReLU: a = max(0, z)", "verified")
def tanh_and_relu() -> Numbers:
    e = math.exp
    return {
        "the quotient at z = 0.7": (e(0.7) - e(-0.7)) / (e(0.7) + e(-0.7)),
        "tanh": math.tanh(0.7),
        "ReLU at -2 and 3": f"{max(0, -2)} and {max(0, 3)}",
    }


@claim("000", FUNCTIONS, "leaky ReLU: y = max(0, x) + leak min(0, x)", "verified")
def leaky_relu() -> Numbers:
    return {"at x = -2, leak 0.01": max(0, -2) + 0.01 * min(0, -2), "at x = 3": max(0, 3) + 0.01 * min(0, 3)}


@claim("000", DERIVATION, "z and a are n[l] x m, W[l] is n[l] x n[l-1], Y is n_y x m", "verified")
def sizes() -> Numbers:
    n = TwoLayers()
    return {"W2": str(n.W2.shape), "z1": str(n.Z1.shape), "a2": str(n.A2.shape), "Y": str(n.Y.shape)}


@claim("000", DERIVATION, "J = -1/m (y log a + (1 - y) log(1 - a)) in vectorised form, of size 1 x 1", "unclear",
       "the products must be summed over the examples: J = -1/m (y log a^T + (1 - y) log(1 - a)^T)")  # fmt: skip
def cost_without_sum() -> Numbers:
    n = TwoLayers()
    as_written = -(n.Y * np.log(n.A2) + (1 - n.Y) * np.log(1 - n.A2)) / n.m
    return {"shape as written": str(as_written.shape), "summed": float(as_written.sum()), "cost": n.cost()}


@claim("000", DERIVATION, "dJ/da2 = -1/m [y/a2 - (1 - y)/(1 - a2)]", "verified")
def da2() -> Numbers:
    n = TwoLayers()
    formula = -(n.Y / n.A2 - (1 - n.Y) / (1 - n.A2)) / n.m
    truth = two_sided(lambda: n.cost_of_a2(n.A2), n.A2)
    return {"off the difference quotients by": distance(formula, truth)}


@claim("000", DERIVATION, "dJ/dz2 = 1/m (a2 - y); the author: my 1/m stands elsewhere than the course's, I do not know who is right",
       "convention", "both: with 1/m in dz, dW = dz a^T and db = sum dz; without it (the course), dW and db carry the 1/m")  # fmt: skip
def who_is_right_about_one_over_m() -> Numbers:
    n = TwoLayers()
    author = ((n.A2 - n.Y) / n.m) @ n.A1.T
    course = (n.A2 - n.Y) @ n.A1.T / n.m
    return {
        "the author's dW2 off by": distance(author, n.true("W2")),
        "the course's off by": distance(course, n.true("W2")),
    }


@claim("000", DERIVATION, "dJ/dW2 = dJ/dz2 a1^T", "verified")
def dw2() -> Numbers:
    n = TwoLayers()
    return {"off the difference quotients by": distance((n.A2 - n.Y) / n.m @ n.A1.T, n.true("W2"))}


@claim("000", DERIVATION, "several examples: dJ/db2 = 1/m np.sum(dz2, axis=1, keepdims=True), where dz2 = 1/m (a2 - y)", "wrong",
       "db2 = np.sum(dz2, axis=1, keepdims=True): dz2 already holds the 1/m; as written m = 5 divides twice")  # fmt: skip
def db_divided_by_m_twice() -> Numbers:
    n = TwoLayers()
    dz2, truth = (n.A2 - n.Y) / n.m, n.true("b2")
    as_written, correct = dz2.sum(axis=1, keepdims=True) / n.m, dz2.sum(axis=1, keepdims=True)
    return {
        "as written / truth": float((as_written / truth).item()),
        "corrected / truth": float((correct / truth).item()),
    }


@claim("000", DERIVATION, "dJ/da1 = W2^T dJ/dz2 and dJ/dz1 = dJ/da1 * g'(z1)", "verified")
def da1_and_dz1() -> Numbers:
    n = TwoLayers()
    dz1 = n.W2.T @ ((n.A2 - n.Y) / n.m) * (1 - np.tanh(n.Z1) ** 2)
    return {"dW1 = dz1 x^T off by": distance(dz1 @ n.X.T, n.true("W1"))}


@claim("000", DERIVATION, "several examples: dJ/db1 = 1/m np.sum(dz1, axis=1, keepdims=True)", "wrong",
       "db1 = np.sum(dz1, axis=1, keepdims=True), for the same reason")  # fmt: skip
def db1_divided_by_m_twice() -> Numbers:
    n = TwoLayers()
    dz1 = n.W2.T @ ((n.A2 - n.Y) / n.m) * (1 - n.A1**2)
    as_written = dz1.sum(axis=1, keepdims=True) / n.m
    return {
        "as written off by": distance(as_written, n.true("b1")),
        "corrected off by": distance(as_written * n.m, n.true("b1")),
    }


@claim(
    "000", SUMMARY, "z[i] = W[i] a[i-1] + b[i], dJ/dW[i] = dJ/dz[i] a[i-1]^T, dJ/da[i-1] = W[i]^T dJ/dz[i]", "verified"
)
def the_sound_part_of_the_summary() -> Numbers:
    n = TwoLayers()
    dz2 = (n.A2 - n.Y) / n.m
    dz1 = n.W2.T @ dz2 * (1 - n.A1**2)
    return {"dW2 off by": distance(dz2 @ n.A1.T, n.true("W2")), "dW1 off by": distance(dz1 @ n.X.T, n.true("W1"))}


@claim("000", SUMMARY, "a[i] = g(a[i])", "wrong", "a[i] = g(z[i])")
def activation_of_itself() -> Numbers:
    return {"tanh(z) at z = 0.7": math.tanh(0.7), "tanh(tanh(z))": math.tanh(math.tanh(0.7))}


@claim(
    "000",
    SUMMARY,
    "dJ/dz[i] = dJ/da[i] * g'(a[i])",
    "wrong",
    "g' is taken at z[i]; in terms of a it is 1 - a^2 for tanh, a(1 - a) for sigmoid",
)
def derivative_at_a() -> Numbers:
    n = TwoLayers()
    da1 = n.W2.T @ ((n.A2 - n.Y) / n.m)
    as_written, correct = da1 * (1 - np.tanh(n.A1) ** 2), da1 * (1 - n.A1**2)
    truth = n.true("W1")
    return {
        "dW1 as written off by": distance(as_written @ n.X.T, truth),
        "corrected off by": distance(correct @ n.X.T, truth),
    }


@claim(
    "000",
    SUMMARY,
    "dJ/db[i] = dJ/dz[i]",
    "unclear",
    "for one example; for several the columns are summed: db = np.sum(dz, axis=1, keepdims=True)",
)
def db_is_dz() -> Numbers:
    n = TwoLayers()
    return {"shape of dz2": str(n.Z2.shape), "shape of b2": str(n.b2.shape)}


@claim("000", RANDOM, "W must be drawn at random, not 0: else all nodes are symmetric; b may be 0", "verified")
def symmetry_of_zeros() -> Numbers:
    n = TwoLayers()
    n.W1, n.b1, n.W2 = np.zeros((4, 3)), np.zeros((4, 1)), np.full((1, 4), 0.5)
    unequal = np.ptp(n.true("W1"), axis=0).max()
    n.W1 = np.random.default_rng(2).standard_normal((4, 3))
    return {
        "the four units' gradients differ by, from zeros": float(unequal),
        "from random weights and b = 0, by": round(float(np.ptp(n.true("W1"), axis=0).max()), 3),
    }


@claim("000", PRACTICE, "L2: add lambda/2m sum w^2 (lambda times the L2 norm); its derivative with respect to w[l] comes from 2 w[l]", "verified",
       "the square of the norm; the gradient is lambda/m w")  # fmt: skip
def l2() -> Numbers:
    w, lambda_, m = np.array([0.5, -1.5]), 0.7, 5
    truth = two_sided(lambda: float(lambda_ / (2 * m) * (w**2).sum()), w)
    return {"lambda/m w off by": distance(lambda_ / m * w, truth)}


@claim(
    "000",
    PRACTICE,
    "L1: add lambda/m sum |w|",
    "convention",
    "the factor is free: 1/m here, 1/(2m) in the lectures; the gradient is lambda/m sign(w)",
)
def l1() -> Numbers:
    w, lambda_, m = np.array([0.5, -1.5]), 0.7, 5
    truth = two_sided(lambda: float(lambda_ / m * np.abs(w).sum()), w)
    return {"lambda/m sign(w) off by": distance(lambda_ / m * np.sign(w), truth)}


@claim(
    "000",
    PRACTICE,
    "normalising inputs: subtract the mean mu, then divide by the variance sigma^2",
    "wrong",
    "divide by the standard deviation sigma",
)
def divided_by_the_variance() -> Numbers:
    x = 3 + 5 * np.random.default_rng(0).standard_normal(1000)
    centred = x - x.mean()
    return {
        "deviation as written": float((centred / x.var()).std()),
        "divided by sigma": float((centred / x.std()).std()),
    }


@claim("000", PRACTICE, "training, development and test set get the same mu and sigma", "verified")
def the_training_sets_statistics() -> Numbers:
    rng = np.random.default_rng(0)
    train, test = 3 + 5 * rng.standard_normal(1000), 3 + 5 * rng.standard_normal(10)
    own = (test - test.mean()) / test.std()
    same = (test - train.mean()) / train.std()
    shift = float(np.abs(own - same).max())
    return {"a test example moves with its set's own statistics by up to": shift}


def _deviation_after(layers: int, scale: float, activation) -> float:
    rng, a = np.random.default_rng(0), np.random.default_rng(1).standard_normal((200, 200))
    for _ in range(layers):
        a = activation(scale * rng.standard_normal((200, 200)) / math.sqrt(200) @ a)
    return float(np.sqrt((a**2).mean()))


@claim(
    "000",
    PRACTICE,
    "in a deep network gradients explode or vanish: where the weights are very large the gradient must be very small, and the other way round",
    "wrong",
    "with the weights: dy/dw[1] is the product of all later weights, so it explodes where they are large and vanishes where they are small",
)
def exploding_with_the_weights() -> Numbers:
    def gradient(w: float, layers: int = 50) -> float:
        return w ** (layers - 1)  # of y = w[50] ... w[1] x at x = 1, with respect to w[1]

    return {f"dy/dw[1] of 50 linear layers, w = {w}": f"{gradient(w):.3g}" for w in (1.5, 0.5)}


@claim("000", PRACTICE, "for ReLU scale by sqrt(2/n[l-1]), for tanh by sqrt(1/n[l-1])", "verified")
def he_and_xavier() -> Numbers:
    def relu(z):
        return np.maximum(z, 0)

    return {
        "ReLU, 20 layers, sqrt(2/n): size of a": _deviation_after(20, math.sqrt(2), relu),
        "ReLU, 20 layers, sqrt(1/n)": _deviation_after(20, 1.0, relu),
        "tanh, 20 layers, sqrt(1/n)": _deviation_after(20, 1.0, np.tanh),
    }


@claim("000", PRACTICE, "Bengio: np.sqrt(2/n[l-1]*n[l]), the factor sqrt(2/(n[l-1] n[l]))", "wrong",
       "sqrt(2/(n[l-1] + n[l])): a sum, not a product; and the code multiplies by n[l] instead of dividing")  # fmt: skip
def bengio() -> Numbers:
    n_before, n = 100, 50
    return {
        "the code, 100 to 50 units": math.sqrt(2 / n_before * n),
        "the formula beside it": math.sqrt(2 / (n_before * n)),
        "Glorot and Bengio 2010": math.sqrt(2 / (n_before + n)),
    }


@claim("000", OPTIMISATION, "V_t = beta V_{t-1} + (1 - beta) theta_t averages over 1/(1 - beta) days, for beta^(1/(1 - beta)) = 1/e", "verified",
       "in the limit beta -> 1")  # fmt: skip
def effective_days() -> Numbers:
    return {"0.9^10": 0.9**10, "0.98^50": 0.98**50, "1/e": 1 / math.e}


@claim("000", OPTIMISATION, "the value of x = 1/(1 - beta) days ago has the coefficient 1/e", "unclear",
       "1/e of the newest one's: beta^x (1 - beta) is about (1 - beta)/e")  # fmt: skip
def coefficient_of_the_past() -> Numbers:
    return {"beta = 0.9, 10 days ago": 0.9**10 * 0.1, "the newest": 0.1, "their ratio": 0.9**10, "1/e": 1 / math.e}


@claim(
    "000", OPTIMISATION, "T mini-batches are an epoch: one update with the whole batch, T with mini-batches", "verified"
)
def updates_of_an_epoch() -> Numbers:
    return {
        "updates, 1,000 examples in batches of 64": len(minibatches(np.random.default_rng(0), 1000, 64)),
        "examples in the last one": len(minibatches(np.random.default_rng(0), 1000, 64)[-1]),
    }


@claim("000", OPTIMISATION, "bias correction: V_t / (1 - beta^t)", "verified")
def bias_correction() -> Numbers:
    v, corrected = 0.0, []
    for t in (1, 2, 3):
        v = 0.9 * v + 0.1 * 20.0
        corrected.append(v / (1 - 0.9**t))
    return {"of a constant 20, uncorrected after 3 days": v, "corrected": corrected[-1]}


@claim("000", OPTIMISATION, "momentum: V = beta V + (1 - beta) dW, W = W - alpha V", "convention",
       "torch and Keras sum gradients: without 1 - beta, alpha there is alpha (1 - beta) here")  # fmt: skip
def momentum() -> Numbers:
    rule, w, state = Momentum(0.1), np.array([1.0]), {"v": np.zeros(1)}
    for t in range(1, 51):
        w = rule.update(w, np.array([1.0]), state, t)
    return {
        "the average after 50 gradients of 1": float(state["v"][0]),
        "a framework's sum": float(state["v"][0]) / 0.1,
    }


@claim(
    "000",
    OPTIMISATION,
    "RMSprop: W := W - alpha dW / sqrt(S), without epsilon",
    "unclear",
    "epsilon is needed where a gradient is 0: alpha dW / (sqrt(S) + epsilon)",
)
def rmsprop_without_epsilon() -> Numbers:
    g = s = np.float64(0.0)
    with np.errstate(invalid="ignore"):
        return {"the step of a zero gradient": str(g / np.sqrt(s)), "with epsilon 1e-8": float(g / (np.sqrt(s) + 1e-8))}


@claim("000", OPTIMISATION, "RMSprop: where db is large, S_db is large and db/S_db is small, dW/S_dW large", "wrong",
       "dW/sqrt(S): after many equal gradients it is 1 for small and large ones alike; dW/S would be 1/dW")  # fmt: skip
def divided_by_the_root() -> Numbers:
    steps: dict[str, float | str] = {}
    for g in (0.01, 10.0):
        rule, state = RMSprop(1.0), {"s": np.zeros(1)}
        moved = [float(-rule.update(np.zeros(1), np.array([g]), state, t)[0]) for t in range(1, 201)]
        steps |= {f"gradient {g:g}: g/sqrt(S)": moved[-1], f"gradient {g:g}: g/S": g / float(state["s"][0])}
    return steps


@claim("000", OPTIMISATION, "Adam: beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8", "convention",
       "so in the paper, the course and torch; Keras has epsilon = 1e-7, and adds it before the bias correction")  # fmt: skip
def adams_defaults() -> Numbers:
    def first_step(epsilon: float) -> float:
        rule, w = Adam(1.0, epsilon=epsilon), np.zeros(1)
        return float(-rule.update(w, np.array([1e-7]), rule.initial_state(w), 1)[0])

    return {"first step for a gradient of 1e-7, alpha 1": first_step(1e-8), "with 1e-7": first_step(1e-7)}


@claim("000", OPTIMISATION, "learning-rate decay: 1/(1 + decay epoch), 0.95^epoch", "verified")
def decay() -> Numbers:
    return {"1/(1 + 1 epoch), epoch 3": 1 / (1 + 3), "0.95^3": 0.95**3}


@claim(
    "000",
    OPTIMISATION,
    "learning-rate decay: k/sqrt(epoch) and k/sqrt(t)",
    "unclear",
    "epochs and steps must count from 1 here, while the other two start at epoch 0",
)
def inverse_root_decay() -> Numbers:
    with np.errstate(divide="ignore"):
        return {"at epoch 0": str(1 / np.sqrt(np.float64(0))), "at epoch 4": 1 / math.sqrt(4)}
