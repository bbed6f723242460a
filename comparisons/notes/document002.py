"""Document 002: the programming assignments on deep networks, initialisation, regularisation, gradient checking."""

from __future__ import annotations

import numpy as np

from comparisons.notes import Numbers, claim
from comparisons.notes.demonstrations import distance
from scratch import BinaryCrossEntropyFromLogits, course
from scratch.gradient_check import two_sided

FORWARD = "forward propagation"
COST = "cost"
BACKWARD = "backward propagation"
UPDATE = "updating the parameters"
RESULT = "result of the training"
INITIALISATION = "initialisation against vanishing and exploding gradients"
REGULARISATION = "regularisation"
CHECKING = "gradient checking"


class _Deep:
    """A three-layer network of the assignment on six examples."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.X, self.Y = rng.standard_normal((4, 6)), rng.integers(0, 2, (1, 6)).astype(float)
        self.parameters = course.initialize_parameters_deep((4, 5, 3, 1))
        self.AL, self.caches = course.L_model_forward(self.X, self.parameters)
        self.grads = course.L_model_backward(self.AL, self.Y, self.caches)

    def cost(self, parameters: course.Parameters) -> float:
        return float(course.compute_cost(course.L_model_forward(self.X, parameters)[0], self.Y))

    def true(self, name: str) -> np.ndarray:
        return two_sided(lambda: self.cost(self.parameters), self.parameters[name])


@claim("002", "initialising the parameters", "W[l] = randn(n[l], n[l-1]) / sqrt(n[l-1]), b[l] = 0", "verified")
def deep_initialisation() -> Numbers:
    W = course.initialize_parameters_deep((12288, 20))["W1"]
    return {"deviation of W1 times sqrt(12288)": round(float(W.std() * np.sqrt(12288)), 2)}


@claim(
    "002", FORWARD, "Z[l] = W[l] A[l-1] + b[l]; A = ReLU(Z) in the hidden layers, sigmoid(Z) in the last", "verified"
)
def forward() -> Numbers:
    n = _Deep()
    p, A = n.parameters, n.X
    for l in (1, 2):  # noqa: E741
        A = np.maximum(0, p[f"W{l}"] @ A + p[f"b{l}"])
    return {"the last Z differs by": distance(p["W3"] @ A + p["b3"], n.caches[-1][1])}


@claim("002", COST, "J = -1/m sum(log(AL) Y + log(1 - AL)(1 - Y))", "unclear",
       "right until a saturates: 0 log 0 is NaN in floating point; from logits J = mean(max(z, 0) - z y + log(1 + e^-|z|))")  # fmt: skip
def saturated_cost() -> Numbers:
    loss = BinaryCrossEntropyFromLogits()
    from_logits, _ = loss.forward(np.array([[40.0]]), np.array([[1.0]]))
    return {
        "at a = 1, y = 1": str(course.compute_cost(np.array([[1.0]]), np.array([[1.0]]))),
        "from z = 40": float(from_logits),
    }


@claim("002", BACKWARD, "linear part: dW = 1/m dZ A_prev^T, db = 1/m sum dZ, dA_prev = W^T dZ", "verified")
def linear_backward() -> Numbers:
    n = _Deep()
    return {name: distance(n.grads[f"d{name}"], n.true(name)) for name in ("W1", "b1", "W3", "b3")}


@claim(
    "002", BACKWARD, "dAL = -(Y/AL - (1 - Y)/(1 - AL))", "convention", "m times dJ/dAL: the 1/m comes with dW and db"
)
def dal_is_m_times() -> Numbers:
    n = _Deep()
    AL = n.AL.copy()
    truth = two_sided(lambda: float(course.compute_cost(AL, n.Y)), AL)
    formula = -(n.Y / AL - (1 - n.Y) / (1 - AL))
    return {"dAL / (dJ/dAL), m = 6": float((formula / truth).mean())}


@claim("002", BACKWARD, 'L_model_backward: grads["dA" + str(l + 1)] = dA_prev of layer l + 1', "wrong",
       'dA_prev of layer l + 1 is the gradient with respect to A[l]: grads["dA" + str(l)]; every name is one too high')  # fmt: skip
def names_one_too_high() -> Numbers:
    n = _Deep()
    return {
        "shape of A1": str(n.caches[1][0][0].shape),
        "shape of what the notes call dA1": str(n.grads["dA0"].shape),
        "shape of X": str(n.X.shape),
    }


@claim("002", UPDATE, "W := W - alpha dW, b := b - alpha db", "verified")
def update() -> Numbers:
    n = _Deep()
    moved = course.update_parameters(n.parameters, n.grads, 0.1)
    return {"the cost before": n.cost(n.parameters), "after a step of 0.1": n.cost(moved)}


@claim("002", RESULT, "L_layer_model sets seed 1, initialize_parameters_deep seed 3", "unclear",
       "seed 3, set later, decides: the table comes from it, and seed 1 has no effect")  # fmt: skip
def which_seed() -> Numbers:
    W = course.initialize_parameters_deep((12288, 20, 7, 5, 1))["W1"] * np.sqrt(12288)
    first = {seed: float(np.random.RandomState(seed).randn()) for seed in (1, 3)}
    return {"first weight, unscaled": float(W[0, 0]), "first of seed 3": first[3], "first of seed 1": first[1]}


@claim("002", RESULT, "the plot's axis reads 'iterations (per tens)'", "wrong",
       "per hundreds: the cost is kept where i % 100 == 0")  # fmt: skip
def per_hundreds() -> Numbers:
    return {"points of 2,500 iterations": len([i for i in range(2500) if i % 100 == 0])}


@claim("002", RESULT, "the cost of 12288-20-7-5-1 on the cat images, 0.715731513413713 at iteration 0 to 0.03441074901842096 at 2,400; accuracies 0.9952 and 0.78",
       "verified", "reproduced to 1e-10, in torch and TensorFlow too: `backproof run course/cats` (needs the images)")  # fmt: skip
def cost_table() -> Numbers:
    W = course.initialize_parameters_deep((12288, 20, 7, 5, 1))["W1"]
    return {"the first weight from seed 3": float(W[0, 0])}


@claim("002", INITIALISATION, "W[l] = randn * sqrt(2/n[l-1]) (He)", "verified")
def he() -> Numbers:
    W = course.initialize_parameters_he((400, 300))["W1"]
    return {"deviation times sqrt(400/2)": round(float(W.std() * np.sqrt(200)), 2)}


@claim("002", REGULARISATION, "L2: the cost gets 1/m lambda/2 sum W^2, and dW gets lambda/m W", "verified")
def l2() -> Numbers:
    W, lambda_, m = np.random.default_rng(0).standard_normal((3, 4)), 0.7, 6
    truth = two_sided(lambda: float(1 / m * lambda_ / 2 * np.square(W).sum()), W)
    return {"lambda/m W off by": distance(lambda_ / m * W, truth)}


@claim("002", REGULARISATION, "with high weights the model is smoother, and its output changes more slowly with its input", "wrong",
       "with small weights: that is why the penalty on large ones smoothes")  # fmt: skip
def small_weights_are_smooth() -> Numbers:
    x = np.linspace(-1, 1, 201)
    rng = np.random.default_rng(0)
    W, v = rng.standard_normal((20, 1)), rng.standard_normal((1, 20))
    steepest = {k: np.abs(np.gradient((v @ np.tanh(k * W * x))[0], x)).max() for k in (1, 10)}
    return {
        "steepest slope of a tanh network": float(steepest[1]),
        "with weights ten times larger": float(steepest[10]),
    }


@claim("002", REGULARISATION, "dropout: where D < keep_prob set it to 0, where it is greater to 1", "wrong",
       "the other way round: D = rand < keep_prob is 1; as written the share keep_prob is switched off")  # fmt: skip
def dropout_inverted() -> Numbers:
    D = np.random.RandomState(1).rand(100, 100)
    return {
        "kept as written, keep_prob 0.8": round(float((D > 0.8).mean()), 2),
        "correct": round(float((D < 0.8).mean()), 2),
    }


@claim("002", REGULARISATION, "A * D, 'when we do the matrix multiplication the units that are off take no part'", "unclear",
       "an elementwise product: A and D have the same shape, and a matrix product of them does not exist")  # fmt: skip
def elementwise_mask() -> Numbers:
    A, D = np.ones((3, 5)), np.random.RandomState(1).rand(3, 5) < 0.8
    return {"shape of A * D": str((A * D).shape), "A @ D": "shapes (3, 5) and (3, 5) do not fit"}


@claim("002", REGULARISATION, "dividing A by keep_prob keeps the expected value", "verified")
def dropout_rescaled() -> Numbers:
    kept = np.random.RandomState(1).rand(1000, 100) < 0.8
    return {"mean of 1 * D / 0.8": round(float((kept / 0.8).mean()), 2)}


@claim("002", CHECKING, "step 2: J_plus[i] again, as before", "wrong",
       "J_minus[i], with theta[i] - epsilon: the difference of two J_plus is 0")  # fmt: skip
def two_j_plus() -> Numbers:
    def cost(theta: float) -> float:
        return theta**3

    plus, minus, e = cost(2 + 1e-7), cost(2 - 1e-7), 1e-7
    return {"as written": (plus - plus) / (2 * e), "with J_minus": round((plus - minus) / (2 * e), 4), "dJ": 12.0}


@claim(
    "002",
    CHECKING,
    "(J(theta + e) - J(theta - e)) / 2e against the gradient: a difference below 1e-7 is right",
    "verified",
)
def gradient_check() -> Numbers:
    n = _Deep()
    right, _ = course.gradient_check(n.cost, n.parameters, n.grads)
    wrong, _ = course.gradient_check(n.cost, n.parameters, n.grads | {"db2": n.grads["db2"] / 6})
    return {"with the gradients above": right, "with db2 divided by m again": wrong}
