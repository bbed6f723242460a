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
