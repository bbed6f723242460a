"""Layer objects, optimizer objects, activation functions and losses: real styles, right ones and ones with a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import CheckResult, judge_all
from comparisons.check.matching import InProcess
from comparisons.check.report import verdict
from reports.schema import FAILING

pytest.importorskip("torch")

SAMPLES = Path(__file__).parent / "samples"
Mistake = tuple[str, str, str, str, str]
"""What is replaced, by what; the unit in which it shows, the tensor, and words of the cause."""

UNITS: dict[str, set[str]] = {
    "layers_params_given.py": {"Relu", "Sigmoid", "Affine", "Dropout", "BatchNormalization"},
    "layers_outputs_kept.py": {
        "Layer_Dense", "Layer_Dropout", "Activation_ReLU", "Activation_Softmax", "Activation_Sigmoid", "Optimizer_SGD", "Optimizer_Adagrad",
        "Optimizer_Adam", "Loss_CategoricalCrossentropy", "Activation_Softmax_Loss_CategoricalCrossentropy", "Loss_BinaryCrossentropy",
        "Loss_MeanSquaredError",
    },
    "layers_one_example.py": {"Dense", "Activation", "Tanh", "Sigmoid", "Softmax", "Convolutional", "mse", "binary_cross_entropy"},
    "layers_row_at_a_time.py": {"FCLayer", "ActivationLayer", "tanh", "mse"},
    "layers_dictionaries.py": {"Linear", "Activation", "Tanh", "tanh", "MSE", "SGD"},
    "layers_small_images.py": {"Conv3x3", "MaxPool2", "Softmax"},
    "layers_own_rate.py": {"ReLU", "Dense", "SigmoidLayer", "FullyConnected"},
    "layers_unfolded_images.py": {"Convolution", "Pooling"},
    "layers_of_other_kinds.py": {
        "Dense", "MaxPooling1D", "MaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "HardSigmoid",
        "LayerNormalization", "ActivationLayer", "Dropout",
    },
    "losses_and_curves_library.py": {
        "MeanSquaredError", "CategoricalCrossentropy", "CrossEntropyOfShares", "Sigmoid", "Softmax", "ElliotSigmoid", "HardSigmoid",
    },
    "optimizers_by_layer.py": {"SGD", "Momentum", "Adam", "RMSprop"},
    "layers_mixed_habits.py": {
        "Linear", "Relu", "Softmax", "CrossEntropy", "Sigmoid", "FullyConnected", "LinearLayer", "SigmoidLayer", "compute_cost", "MaxPool",
        "Dropout", "RNNCell",
    },
    "layers_missing_bases.py": {
        "FullyConnected", "Linear", "FullyConnectedLayer", "ReLULayer", "ConvolutionalLayer", "MaxPoolingLayer", "Flattener", "softmax",
        "cross_entropy_loss", "softmax_with_cross_entropy", "MomentumSGD", "AdamOptimizer",
    },
    "layers_over_time.py": {"Embedding", "MatMul", "RNN", "TimeRNN", "LSTM", "TimeLSTM", "sigmoid"},
    "layers_cells.py": {"RNN", "LSTM", "LSTMCell", "RNNCell", "sigmoid"},
    "losses_given_logits.py": {"QuadraticCost", "CrossEntropyCost", "LogLikelihoodCost", "sigmoid"},
    "optimizers_dictionaries.py": {"SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam"},
}  # fmt: skip
"""Correct files, and what is recognised in them."""

# layers_built_late.py is as its author has it: its Adam does not count its steps.
MISTAKES: dict[str, list[Mistake]] = {
    "layers_params_given.py": [
        ("dout[self.mask] = 0\n        dx = dout", "dx = dout * self.mask", "Relu", "grad/relu1.input", "sides of 0 are swapped"),
        ("(1.0 - self.out) * self.out", "(1.0 + self.out) * self.out", "Sigmoid", "grad/sigmoid1.input", "a (1 + a) is used"),
        ("self.db = np.sum(dout, axis=0)", "self.db = np.sum(dout, axis=1)", "Affine", "grad/dense1.b", "summed over the features"),
        ("return dout * self.mask", "return dout", "Dropout", "grad/dropout1.input", "the mask is not applied"),
        ("dx = dxc - dmu / self.batch_size", "dx = dxc", "BatchNormalization", "grad/batchnorm1.input", "path through the mean"),
    ],
    "layers_outputs_kept.py": [
        ("self.dbiases = np.sum(dvalues, axis=0", "self.dbiases = np.mean(dvalues, axis=0", "Layer_Dense", "grad/dense1.b", "divided by m"),
        ("np.diagflat(single_output) - np.dot", "np.diagflat(single_output) + np.dot", "Activation_Softmax", "grad/softmax1.input", "wrong sign"),
        ("-y_true / dvalues\n        self.dinputs = self.dinputs / samples", "-y_true / dvalues", "Loss_CategoricalCrossentropy",
         "grad/loss.input", "m"),
        ("layer.weight_cache += layer.dweights**2", "layer.weight_cache = layer.dweights**2", "Optimizer_Adagrad", "step2/param/dense1.W",
         "overwritten instead of accumulated"),
        ("-2 * (y_true - dvalues) / outputs", "-(y_true - dvalues) / outputs", "Loss_MeanSquaredError", "grad/loss.input", "half"),
    ],
    "layers_of_other_kinds.py": [
        ("return output_error @ self.weights.T", "return output_error @ self.weights.T / len(output_error)", "Dense", "grad/dense1.input", ""),
        ("window == window.max(axis=(1, 2), keepdims=True)", "window >= 0", "MaxPooling2D", "grad/maxpool2d1.input", ""),
        ("axis=2), w, axis=3) / (h * w)", "axis=2), w, axis=3)", "GlobalAveragePooling2D", "grad/globalaveragepool2d1.input", ""),
        ("lambda y: 1 - y**2", "lambda y: 1 - np.tanh(y) ** 2", "ActivationLayer", "grad/tanh1.input", "at a"),
        ("return grad * self.mask", "return grad", "Dropout", "grad/dropout1.input", "mask"),
    ],
    "losses_and_curves_library.py": [
        ("return -y_true / p", "return y_true / p", "CategoricalCrossentropy", "grad/loss.input", "sign"),
        ("2 * (y_pred - y_true) / y_true.size", "(y_pred - y_true) / y_true.size", "MeanSquaredError", "grad/loss.input", "half"),
        ("(whole - y_true / y_pred)", "(y_pred - y_true / y_pred)", "CrossEntropyOfShares", "grad/loss.input", ""),
        ("return s * (1 - s)", "return s * (1 + s)", "Sigmoid", "grad/sigmoid1.input", ""),
    ],
    "optimizers_by_layer.py": [
        ("if self.velocity_w is None:", "if self.learning_rate:", "Momentum", "step2/param/dense1.W", "not kept"),
        ("self.beta_1 * self.m.get(key, 0)", "self.beta_1 + self.m.get(key, 0)", "Adam", "", ""),
        ("self.rho * self.cache + (1 - self.rho) * np.square", "self.rho * (self.cache + (1 - self.rho)) * np.square", "RMSprop",
         "step1/param/dense1.W", ""),
    ],
    "layers_one_example.py": [
        ("return 1 - np.tanh(x) ** 2", "return 1 - x ** 2", "Tanh", "grad/tanh1.input", "taken at z, not at a"),
        ("signal.convolve2d(output_gradient[i]", "signal.correlate2d(output_gradient[i]", "Convolutional", "grad/conv2d1.input", "flipped"),
        ("2 * (y_pred - y_true) / np.size", "2 * (y_true - y_pred) / np.size", "mse", "grad/loss.input", "sign"),
        ("(np.identity(n) - self.output.T)", "np.identity(n)", "Softmax", "grad/softmax1.input", "is missing"),
    ],
    "layers_row_at_a_time.py": [
        ("        return input_error", "        return np.dot(output_error, self.weights.T)", "FCLayer", "grad/dense1.input", "updated before"),
        ("return 1-np.tanh(x)**2;", "return 1-x**2", "tanh", "grad/tanh1.input", ""),
    ],
    "layers_dictionaries.py": [
        ('self.inputs.T @ grad', 'self.inputs.T @ grad / len(grad)', "Linear", "grad/dense1.W", "divided by m"),
        ("param -= self.lr * grad", "param += self.lr * grad", "SGD", "step1/param/dense1.W", "uphill"),
    ],
    "layers_small_images.py": [
        ("d_L_d_input[i * 2 + i2, j * 2 + j2, f2]", "d_L_d_input[i + i2, j + j2, f2]", "MaxPool2", "grad/maxpool2d1.input", "stride"),
    ],
    "layers_cells.py": [
        ("dt = dh_next * (1 - h_next ** 2)", "dt = dh_next * (1 - h_next) ** 2", "RNN", "grad/rnncell1.W", "(1 - h)^2"),
        ("ds = dc_next + (dh_next * o)", "ds = (dh_next * o)", "LSTM", "grad/lstmcell1.U", "the next cell's gradient, dc_next, is not added"),
        ("do = dh * np.tanh(self.c) *", "do = dh * self.c *", "LSTMCell", "grad/lstmcell1.b", "c is used for tanh(c)"),
        ("self.dbh = draw.sum(axis=1, keepdims=True)", "self.dbh = draw.sum()", "RNNCell", "grad/rnncell1.b", "shape ()"),
    ],
    "losses_given_logits.py": [
        ("(a-y) * sigmoid_prime(z)", "(a-y)", "QuadraticCost", "grad/sigmoid1.input", "derivative of the activation is left out"),
        ("    def delta(z, a, y):\n        return (a-y)\n\nclass Log", "    def delta(z, a, y):\n        return (a-y)*sigmoid_prime(z)\n\nclass Log",
         "CrossEntropyCost", "grad/loss.input", "derivative of sigmoid once more"),
    ],
    "layers_own_rate.py": [
        ("relu_grad = input > 0", "relu_grad = input < 0", "ReLU", "grad/relu1.input", "swapped"),
        ("self.db = dZ.sum(axis=1, keepdims=True) / m", "self.db = dZ.sum(axis=1, keepdims=True)", "SigmoidLayer", "", "m"),
    ],
    "layers_unfolded_images.py": [
        ("self.db = np.sum(dout, axis=0)", "self.db = np.mean(dout, axis=0)", "Convolution", "grad/conv2d1.b", ""),
    ],
    "layers_over_time.py": [
        ("np.add.at(dW, self.idx, dout)", "dW[self.idx] = dout", "Embedding", "grad/embedding1.E", ""),
        ("(1 - h_next ** 2)", "(1 - h_next) ** 2", "TimeRNN", "grad/simplernn1.W", ""),
        ("di *= i * (1 - i)", "di *= (1 - i)", "TimeLSTM", "grad/lstm1.W", ""),
        ("class RNN", "class RNN", "RNN", "grad/rnncell1.W", "(1 - h)^2"),
        ("class LSTM", "class LSTM", "LSTM", "grad/lstmcell1.W", ""),
    ],
    "mixed_articles.py": [
        ("(1 - self.z)", "(1 - self.z)", "Dense with sigmoid", "grad/sigmoid1.input", "a (1 - z) is used"),
        ("(1-self.beta2)*(db)", "(1-self.beta2)*(db)", "AdamOptim", "step1/param/dense1.b", "not squared"),
    ],
    "optimizers_dictionaries.py": [
        ("(np.sqrt(self.h[key]) + 1e-7)\n\n\nclass RMSprop", "(self.h[key] + 1e-7)\n\n\nclass RMSprop", "AdaGrad", "step1/param/dense1.W", "root"),
        ("lr_t  = self.lr * np.sqrt(1.0 - self.beta2**self.iter) / (1.0 - self.beta1**self.iter)", "lr_t  = self.lr", "Adam",
         "step1/param/dense1.W", "without bias correction"),
        ("params[key] += self.v[key]", "params[key] -= self.v[key]", "Momentum", "step1/param/dense1.W", "uphill"),
        ("(1 + self.momentum) * self.lr", "self.lr", "Nesterov", "step1/param/dense1.W", "look-ahead"),
    ],
}  # fmt: skip


def checked(path: Path) -> CheckResult:
    """A file compared with torch in this process."""
    if "scipy" in path.read_text():
        pytest.importorskip("scipy")
    return judge_all(InProcess(source.run(path)), ("torch",), 0)


@pytest.mark.parametrize("name", UNITS)
def test_everything_in_a_correct_file_is_recognised_and_agrees(name: str) -> None:
    result = checked(SAMPLES / name)
    assert {c.unit.name.partition(".")[0] for c in result.checked} == UNITS[name]
    assert {c.unit.name: verdict(c) for c in result.checked if verdict(c) != "match"} == {}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_located_and_named_and_nothing_else_is_blamed(name: str, tmp_path: Path) -> None:
    text = (SAMPLES / name).read_text()
    for old, new, *_ in MISTAKES[name]:
        assert old in text, f"{old!r} is not in the sample"
        text = text.replace(old, new)
    path = tmp_path / name
    path.write_text(text)
    result = checked(path)
    wrong = {c.unit.name.partition(".")[0]: c for c in result.checked if verdict(c) == "wrong"}
    assert wrong.keys() == {unit for _, _, unit, _, _ in MISTAKES[name]}
    for _, _, unit, tensor, cause in MISTAKES[name]:
        failing = [row for row in wrong[unit].rows if row["verdict"] in FAILING]
        if tensor:
            assert tensor in [row["tensor"] for row in failing], unit
        assert cause in " ".join(row["diagnosis"] for row in failing), unit


def test_an_adam_that_does_not_count_its_steps_is_found_where_it_is_published() -> None:
    result = checked(SAMPLES / "layers_built_late.py")
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    assert [c.unit.name for c in wrong] == ["Adam"]
    assert any("step counter is not used" in row["diagnosis"] for row in wrong[0].rows)


AFFINE = """
import numpy as np
class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None
    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b
    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout)
        return np.dot(dout, self.W.T)
class Linear:
    def __init__(self, n_in, n_out):
        self.params = {"W": np.random.randn(n_in, n_out), "b": np.zeros(n_out)}
        self.grads = {}
    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]
    def backward(self, grad):
        self.grads["W"] = self.x.T @ grad
        self.grads["b"] = grad.sum(keepdims=True)
        return grad @ self.params["W"].T
class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros((n_out,))
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, grad):
        return grad @ self.W.T, self.x.T @ grad, np.sum(grad)
"""


def test_a_gradient_of_another_shape_is_wrong_wherever_it_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "affine.py"
    path.write_text(AFFINE)
    checks = checked(path).checked
    assert {c.unit.name: verdict(c) for c in checks} == dict.fromkeys(("Affine", "Linear", "Dense"), "wrong")
    for c in checks:
        failing = [row for row in c.rows if row["verdict"] in FAILING]
        assert {row["tensor"] for row in failing} == {"grad/dense1.b"}
        assert "the reference has (3,)" in failing[0]["diagnosis"]
        assert "the features too" in failing[0]["diagnosis"]


BRANCHES = """
import numpy as np
def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
class SoftmaxWithLoss:
    def forward(self, x, t):
        self.t, self.y = t, softmax(x)
        t = t.argmax(axis=1) if t.size == self.y.size else t
        return -np.sum(np.log(self.y[np.arange(len(t)), t])) / len(t)
    def backward(self, dout=1):
        m = self.t.shape[0]
        if self.t.size == self.y.size:
            return (self.y - self.t) / m
        dx = self.y.copy()
        dx[np.arange(m), self.t] -= 1
        return dx / m
"""


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("", "", {}),
        ("(self.y - self.t) / m", "(self.y - self.t)", {"SoftmaxWithLoss given one-hot rows": "1/m is missing"}),
        ("return dx / m", "return dx", {"SoftmaxWithLoss given class numbers": "1/m is missing"}),
    ],
)
def test_a_loss_that_takes_labels_and_one_hot_rows_is_compared_on_both(
    old: str, new: str, wrong: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "loss.py"
    path.write_text(BRANCHES.replace(old, new) if old else BRANCHES)
    failing = {c.unit.name: c for c in checked(path).checked if verdict(c) != "match"}
    assert failing.keys() == wrong.keys()
    for name, cause in wrong.items():
        assert cause in " ".join(row["diagnosis"] for row in failing[name].rows)


def test_an_optimizer_follows_the_convention_of_its_first_steps_and_is_wrong_from_there_on(tmp_path: Path) -> None:
    text = (SAMPLES / "optimizers_dictionaries.py").read_text()
    old = "(1 - self.beta2) * (grads[key]**2 - self.v[key])"
    assert old in text
    path = tmp_path / "adam.py"
    path.write_text(text.replace(old, "(1 - self.beta2) * (grads[key] - self.v[key])**2"))
    (wrong,) = [c for c in checked(path).checked if verdict(c) == "wrong"]
    failing = [row for row in wrong.rows if row["verdict"] in FAILING]
    assert wrong.unit.name == "Adam"
    assert failing[0]["tensor"].startswith("step2/")
    assert "s stands within the square" in failing[0]["diagnosis"]
