"""Code that backproof calls in a way it was not written for, or that leaves something to others, is not told as wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import CheckResult, judge_all
from comparisons.check.matching import InProcess
from reports.schema import FAILING

pytest.importorskip("torch")


def checked(text: str, folder: Path) -> CheckResult:
    file = folder / "mine.py"
    file.write_text("import numpy as np\n" + text)
    return judge_all(InProcess(source.run(file)), ("torch",), 0)


def verdicts(result: CheckResult) -> set[str]:
    return {row["verdict"] for c in result.checked for row in c.rows}


NODES = """
def ReLUBackward(out):
    x, = out.in_bounds
    x.grad.data += (x.data > 0) * out.grad.data

def ReLU(x):
    return np.maximum(x, 0)

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x.data)
        return self.y
    def backward(self, out):
        return out.{name} * (1 - self.y ** 2)
"""


def test_an_array_where_an_object_is_meant_is_no_mistake_of_the_file(tmp_path: Path) -> None:
    assert not verdicts(checked(NODES.format(name="upstream_gradient"), tmp_path)) & set(FAILING)


def test_a_slip_of_the_pen_in_an_array_s_attribute_is_one(tmp_path: Path) -> None:
    relu = """
class ReLU:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out
    def backward(self, dout):
        dx = dout.cpoy()
        dx[self.mask] = 0
        return dx
"""
    assert verdicts(checked(relu, tmp_path)) & set(FAILING)


SOFTMAX = """
def softmax(x, derivative=False):
    if derivative:
        return {derivative}
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
"""


@pytest.mark.parametrize(("derivative", "wrong"), [("np.ones(x.shape)", False), ("2 * np.ones(x.shape)", True)])
def test_a_softmax_may_leave_its_derivative_to_the_loss(derivative: str, wrong: bool, tmp_path: Path) -> None:
    result = checked(SOFTMAX.format(derivative=derivative), tmp_path)
    assert bool(verdicts(result) & set(FAILING)) == wrong
    assert "match" in verdicts(result)


LAYERS = """
class Exponentials:
    def forward(self, z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    def derivative(self):
        return {derivative}

class Tanh:
    def forward(self, z):
        self.last = np.tanh(z)
        return self.last
    def derivative(self):
        return 1 - self.last ** 2

class Dense:
    def __init__(self, n_in, n_out, activation=None):
        self.W, self.b = 0.1 * np.random.randn(n_in, n_out), np.zeros(n_out)
        self.activation = activation or Tanh()
    def forward(self, x):
        self.x = x
        return self.activation.forward(x @ self.W + self.b)
    def backward(self, grad):
        delta = grad * self.activation.derivative()
        self.dW, self.db = self.x.T @ delta, delta.sum(axis=0)
        return delta @ self.W.T

class SoftmaxDense(Dense):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out, Exponentials())
"""


@pytest.mark.parametrize(("derivative", "wrong"), [("1.0", False), ("2.0", True)])
def test_a_dense_layer_with_softmax_may_leave_its_derivative_to_the_loss(
    derivative: str, wrong: bool, tmp_path: Path
) -> None:
    result = checked(LAYERS.format(derivative=derivative), tmp_path)
    (found,) = [c for c in result.checked if c.unit.name == "SoftmaxDense"]
    assert bool({row["verdict"] for row in found.rows} & set(FAILING)) == wrong
    assert any("expects the gradient of the logits" in text for text in found.unit.assumptions) != wrong


def test_a_cost_of_class_numbers_is_no_binary_one(tmp_path: Path) -> None:
    cost = """
def loss(y_pred, y_true):
    K = 10
    rows = y_true[:, np.newaxis] == np.arange(K)
    return -np.mean((np.log(y_pred) * rows).sum(axis=1))
"""
    assert not verdicts(checked(cost, tmp_path)) & set(FAILING)


SET_UP = """
class Linear:
    def __init__(self, n_out, weight_scale=0.1):
        self.n_out, self.weight_scale = n_out, weight_scale
    def _setup(self, input_shape, rng):
        self.W = rng.normal(size=(input_shape[1], self.n_out), scale=self.weight_scale)
        self.b = np.zeros(self.n_out)
    def fprop(self, input):
        self.last_input = input
        return np.dot(input, self.W) + self.b
    def bprop(self, output_grad):
        self.dW = np.dot(self.last_input.T, output_grad) / len(output_grad)
        self.db = {bias}
        return np.dot(output_grad, self.W.T)
"""


@pytest.mark.parametrize(("bias", "wrong"), [("output_grad.mean(axis=0)", False), ("output_grad.mean()", True)])
def test_a_layer_may_be_set_up_with_the_shape_of_a_batch_and_a_generator(
    bias: str, wrong: bool, tmp_path: Path
) -> None:
    result = checked(SET_UP.format(bias=bias), tmp_path)
    (found,) = [c for c in result.checked if c.unit.name == "Linear"]
    assert bool({row["verdict"] for row in found.rows} & set(FAILING)) == wrong


SWITCHED = """
class Phases:
    _train = False
    @property
    def is_training(self):
        return self._train
    @is_training.setter
    def is_training(self, is_train=True):
        self._train = is_train

class Dropout(Phases):
    def __init__(self, p=0.25):
        self.p = p
        self._mask = None
    def forward_pass(self, X):
        if self.is_training:
            self._mask = (np.random.uniform(size=X.shape) > self.p) / {divisor}
            return X * self._mask
        self._mask = 1.0
        return X
    def backward_pass(self, delta):
        return delta * {mask}
"""


@pytest.mark.parametrize(
    ("divisor", "mask", "wrong"), [("(1.0 - self.p)", "self._mask", False), ("(1.0 - self.p)", "1.0", True)]
)
def test_a_switch_may_be_a_property_or_shared_by_all_objects(
    divisor: str, mask: str, wrong: bool, tmp_path: Path
) -> None:
    result = checked(SWITCHED.format(divisor=divisor, mask=mask), tmp_path)
    (found,) = result.checked
    assert bool({row["verdict"] for row in found.rows} & set(FAILING)) == wrong


def test_a_softmax_layer_that_is_given_the_targets_is_no_backward_pass(tmp_path: Path) -> None:
    softmax = """
class Softmax:
    def forward(self, z):
        e = np.exp(z - z.max(axis=0))
        self.out = e / e.sum(axis=0)
        return self.out
    def backward(self, y):
        return self.out - y
"""
    assert not verdicts(checked(softmax, tmp_path)) & set(FAILING)


KEEPS_STATE = """
class Recurrent:
    def __init__(self, n_in=4, n_hidden=3):
        self.first, self.n = True, n_hidden
        self.start = np.zeros((1, n_hidden))
    def _make(self, n_in):
        self.params = {{"W": {{"value": 0.5 * np.random.randn(n_in + self.n, self.n)}}, "B": {{"value": np.zeros((1, self.n))}}}}
        for p in self.params.values():
            p["deriv"] = np.zeros_like(p["value"])
    def forward(self, x):
        if self.first:
            self._make(x.shape[2])
            self.first = False
        h = np.repeat(self.start, len(x), axis=0)
        self.zs, self.hs = [], []
        for t in range(x.shape[1]):
            z = np.column_stack([x[:, t], h])
            h = np.tanh(z @ self.params["W"]["value"] + self.params["B"]["value"])
            self.zs.append(z)
            self.hs.append(h)
        self.start = h.mean(axis=0, keepdims=True)
        return np.stack(self.hs, axis=1)
    def backward(self, grad):
        dx, dh = np.zeros((*grad.shape[:2], self.zs[0].shape[1] - self.n)), 0.0
        for t in reversed(range(grad.shape[1])):
            da = (grad[:, t] + dh) * {derivative}
            self.params["W"]["deriv"] += self.zs[t].T @ da
            self.params["B"]["deriv"] += da.sum(axis=0)
            dz = da @ self.params["W"]["value"].T
            dx[:, t], dh = dz[:, : -self.n], dz[:, -self.n :]
        return dx
"""


@pytest.mark.parametrize(("derivative", "wrong"), [("(1 - self.hs[t] ** 2)", False), ("(1 - self.hs[t])", True)])
def test_a_state_that_the_forward_pass_moves_is_no_parameter(derivative: str, wrong: bool, tmp_path: Path) -> None:
    result = checked(KEEPS_STATE.format(derivative=derivative), tmp_path)
    rows = [row for c in result.checked for row in c.rows]
    assert bool({row["verdict"] for row in rows} & set(FAILING)) == wrong
    assert not any("start" in row["tensor"] for row in rows)


OTHER_COST = """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def cost_and_gradient(theta, X, y):
    p = sigmoid(X @ theta)
    cost = np.mean((p - y) ** 4) + np.mean(p)
    grad = X.T @ ({delta}) / len(y)
    return cost, grad
"""


@pytest.mark.parametrize(("delta", "verdict"), [("np.arctan(p - y)", "vacuous"), ("(p - y)[::-1] * p", "mismatch")])
def test_what_is_the_gradient_of_something_else_is_not_decided(delta: str, verdict: str, tmp_path: Path) -> None:
    result = checked(OTHER_COST.format(delta=delta), tmp_path)
    (found,) = [c for c in result.checked if c.unit.members[0] == "cost_and_gradient"]
    assert {row["verdict"] for row in found.rows} == {verdict}


MEANS = """
def conv_fwd(z, K, b):
    n, c, h, w = z.shape
    _, d, k, _ = K.shape
    out = np.zeros((n, d, h - k + 1, w - k + 1))
    for i in range(h - k + 1):
        for j in range(w - k + 1):
            out[:, :, i, j] = np.einsum("ncij,cdij->nd", z[:, :, i:i + k, j:j + k], K) + b
    return out

def conv_bwd(next_dz, K, z):
    N, k = len(z), K.shape[2]
    dK, dz = np.zeros_like(K), np.zeros_like(z)
    for i in range(next_dz.shape[2]):
        for j in range(next_dz.shape[3]):
            dK += np.einsum("ncij,nd->cdij", z[:, :, i:i + k, j:j + k], next_dz[:, :, i, j])
            dz[:, :, i:i + k, j:j + k] += np.einsum("nd,cdij->ncij", next_dz[:, :, i, j], K)
    return dK / N, next_dz.sum(axis=(0, 2, 3)) / {N}, dz
"""


@pytest.mark.parametrize(("N", "wrong"), [("N", False), ("N ** 2", True)])
def test_gradients_of_parameters_may_be_means_in_pairs_of_functions(N: str, wrong: bool, tmp_path: Path) -> None:
    result = checked(MEANS.format(N=N), tmp_path)
    assert "match" in verdicts(result)
    assert bool(verdicts(result) & set(FAILING)) == wrong


CURVE = """
x = np.linspace(-np.pi, np.pi, 2000)
y = np.sin(x)
a, b, c = np.random.randn(), np.random.randn(), np.random.randn()
learning_rate = 1e-6
for t in range(2000):
    y_pred = a + b * x + c * x ** 2
    loss = np.square(y_pred - y).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_a = grad_y_pred.sum()
    grad_b = (grad_y_pred * x).sum()
    grad_c = (grad_y_pred * {power}).sum()
    a -= learning_rate * grad_a
    b -= learning_rate * grad_b
    c -= learning_rate * grad_c
"""


@pytest.mark.parametrize(("power", "wrong"), [("x ** 2", set()), ("x", {"grad/network.c"})])
def test_a_curve_through_points_is_one_of_all_examples(power: str, wrong: set[str], tmp_path: Path) -> None:
    rows = [row for c in checked(CURVE.format(power=power), tmp_path).checked for row in c.rows]
    assert {row["tensor"] for row in rows if row["verdict"] in FAILING} == wrong
    assert {"grad/network.a", "grad/network.b"} <= {row["tensor"] for row in rows if row["verdict"] == "match"}


CURVES = """
class ELU():
    def __init__(self, alpha=0.1):
        self.alpha = alpha
    def __call__(self, x):
        return np.where(x >= 0.0, x, self.alpha * (np.exp(x) - 1))
    def gradient(self, x):
        return np.where(x >= 0.0, 1, {below})

class SoftPlus():
    def __call__(self, x):
        return np.log(1 + np.exp(x))
    def gradient(self, x):
        return 1 / (1 + np.exp(-x))

class Scale():
    def __call__(self, x):
        return x / x.sum()
    def gradient(self, x):
        return 1 / x.sum()
"""


@pytest.mark.parametrize(
    ("below", "cause"),
    [("self(x) + self.alpha", ""), ("self(x)", "the output is taken for the derivative, which is the output plus 0.1")],
)
def test_curves_of_classes_are_compared_with_their_own_derivatives(below: str, cause: str, tmp_path: Path) -> None:
    rows = [row for c in checked(CURVES.format(below=below), tmp_path).checked for row in c.rows]
    assert {row["tensor"] for row in rows} == {"grad/ELU.input", "grad/SoftPlus.input"}
    wrong = {row["tensor"]: row["diagnosis"] for row in rows if row["verdict"] in FAILING}
    assert set(wrong) == ({"grad/ELU.input"} if cause else set())
    assert all(cause in text for text in wrong.values()), wrong
