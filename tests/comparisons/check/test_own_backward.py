"""Backward functions inside a framework, small autograd engines, and training loops: judged by differences of their own forward pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import report, source
from comparisons.check.judging import CheckResult, judge_all
from comparisons.check.matching import InProcess
from reports.schema import FAILING

pytest.importorskip("torch")

SAMPLES = Path(__file__).parent / "samples"


def checked(path: Path) -> CheckResult:
    return judge_all(InProcess(source.run(path)), ("torch",), 0)


def failing(result: CheckResult) -> dict[str, dict[str, str]]:
    """Cause of every tensor that is wrong, as a person says it, by unit."""
    found: dict[str, dict[str, str]] = {}
    for c in result.checked:
        for row in c.rows:
            if row["verdict"] in FAILING:
                name = "error" if row["tensor"] == "*" else report.spoken(c.unit, row["tensor"])
                found.setdefault(c.unit.name, {}).setdefault(name, row["diagnosis"])
    return found


@pytest.mark.parametrize(
    ("sample", "units"),
    [
        ("engine_micrograd", {"Value", "training loop"}),
        ("engine_tensor_closures", {"Tensor"}),
        ("engine_grokking", {"Tensor"}),
        ("engine_functions", {"Variable"}),
        ("engine_dictionary", {"Node"}),
        ("engine_numbers", {"Scalar"}),
        ("engine_pulled", {"Var"}),
        (
            "custom_torch_right",
            {
                "Exp",
                "MyCube",
                "ScaledClamp",
                "MyDropout",
                "MSELossFn",
                "MyConv2d",
                "Numpy",
                "SwishFunction",
                "MulAdd",
                "InplaceReLU",
            },
        ),
    ],
)
def test_what_is_right_is_recognised_and_agrees(sample: str, units: set[str]) -> None:
    result = checked(SAMPLES / f"{sample}.py")
    assert {c.unit.name for c in result.checked} == units
    assert {report.verdict(c) for c in result.checked} == {"match"}


def test_gradients_that_are_no_derivatives_on_purpose_are_left_alone() -> None:
    result = checked(SAMPLES / "custom_torch_right.py")
    left = " ".join(result.found.notes)
    for name in ("BinarizeSTE", "RoundFn", "GradientReversalFn", "SurrogateSpike"):
        assert name in left


Mistake = tuple[str, str, str, str]
"""What stands in the sample, what takes its place, the tensor that is wrong by it, and words of its cause."""

MICROGRAD: tuple[Mistake, ...] = (
    ("(1 - t ** 2) * out.grad", "(1 - t) * out.grad", "gradient of a in a.tanh()", "the factor t is missing"),
    ("out.grad / self.data\n", "self.data * out.grad\n", "gradient of a in a.log()", "`out.grad / self.data`"),
    ("k * self.data ** (k - 1)", "k * self.data ** k", "gradient of a in a ** 3", "exponent is off by one"),
    ("other.grad -= self.data", "other.grad += self.data", "gradient of the second operand of a / b", "sign"),
    ("return other + (-self)", "return self + (-other)", "2.5 - a", "operands are swapped"),
    ("        p.grad = 0.0\n", "        pass\n", "gradient of the parameters in the second step", "never reset"),
)
ASSIGNED: tuple[Mistake, ...] = (
    (
        "self.grad += out.grad\n            other.grad += out.grad",
        "self.grad = out.grad\n            other.grad = out.grad",
        "gradient of a in a + a, where it is used twice",
        "= where += is needed",
    ),
)
CLOSURES: tuple[Mistake, ...] = (
    (
        "other.grad += unbroadcast(out.grad, other.shape)",
        "other.grad = other.grad + out.grad",
        "gradient of the second operand of a + b of shapes (3, 4) and (4,)",
        "not summed to the operand's shape",
    ),
    (
        "np.add.at(self.grad, idx, out.grad)",
        "self.grad[idx] += out.grad",
        "gradient of a in a[[0, 0, 2]]",
        "used several times",
    ),
    (
        "self.grad += s * (out.grad - (out.grad * s).sum(axis=axis, keepdims=True))",
        "self.grad += s * (1 - s) * out.grad",
        "gradient of a in a.softmax()",
        "",
    ),
    (
        "out.grad @ other.data.T",
        "out.grad @ other.data",
        "gradient of the first operand of a @ b",
        "the transpose is missing",
    ),
)
GROKKING: tuple[Mistake, ...] = (("(ones - (self * self))", "(ones - self)", "gradient of a in a.tanh()", ""),)
FUNCTIONS: tuple[Mistake, ...] = (
    ("-x0 / x1 ** 2", "-x0 / x1", "gradient of the second operand of a / b", "square is missing"),
    ("x.grad = x.grad + gx", "x.grad = gx", "gradient of a in a + a, where it is used twice", "= where += is needed"),
)
DICTIONARY: tuple[Mistake, ...] = (
    ("-g / a.value ** 2", "-g / a.value", "gradient of a in inverse(a)", "square is missing"),
    (
        "np.sum(g, axis",
        "np.mean(g, axis",
        "gradient of the second operand of a + b of shapes (3, 4) and (4,)",
        "mean stands where sum",
    ),
)
REPEATED: tuple[Mistake, ...] = (
    (
        "gradients[child] += ",
        "gradients[child] = ",
        "gradient of a in a + a, where it is used twice",
        "= where += is needed",
    ),
)
NUMBERS: tuple[Mistake, ...] = (
    ("(a, -1 / a.value ** 2)", "(a, 1 / a.value ** 2)", "gradient of a in reciprocal(a)", "sign"),
    ("(b, a.value)", "(b, b.value)", "gradient of the second operand of mul(a, b)", "`a.value` in place of `b.value`"),
)
PULLED: tuple[Mistake, ...] = (
    ("append((z.value, z))", "append((x.value, z))", "gradient of a in exp(a)", "x stands where z is needed"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "mistakes"),
    [
        ("engine_micrograd", MICROGRAD),
        ("engine_micrograd", ASSIGNED),
        ("engine_tensor_closures", CLOSURES),
        ("engine_grokking", GROKKING),
        ("engine_functions", FUNCTIONS),
        ("engine_dictionary", DICTIONARY),
        ("engine_dictionary", REPEATED),
        ("engine_numbers", NUMBERS),
        ("engine_pulled", PULLED),
    ],
)
def test_mistakes_in_an_engine_are_found_and_named(sample: str, mistakes: tuple[Mistake, ...], tmp_path: Path) -> None:
    text = (SAMPLES / f"{sample}.py").read_text()
    for old, new, _, _ in mistakes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / f"{sample}.py"
    path.write_text(text)
    found = {t: c for tensors in failing(checked(path)).values() for t, c in tensors.items()}
    for _, _, tensor, cause in mistakes:
        assert tensor in found
        assert cause in found[tensor]


def test_going_back_without_an_order_is_told() -> None:
    found = failing(checked(SAMPLES / "engine_registered.py"))["Tensor"]
    assert all("(a * b) * (a * b + a)" in tensor and "topological order" in cause for tensor, cause in found.items())


@pytest.mark.parametrize(
    ("unit", "tensor", "cause"),
    [
        ("MySigmoid", "gradient of x", "torch.sigmoid(x) is needed"),
        ("LinearFunction", "gradient of bias", "divided by m once too often"),
        ("LeakyReLU", "gradient of x", "comparison is the wrong way round"),
        ("MulConstant", "error", "incorrect number of gradients"),
        ("MatMul", "error", "cannot be multiplied"),
        ("GELU", "output", ""),
        ("SoftmaxCrossEntropy", "gradient of logits", "the 1/m is missing"),
        ("LayerNorm", "gradient of x", "the path through the variance is missing"),
        ("training loop", "gradient of the parameters in the second step", "never reset"),
    ],
)
def test_a_mistake_in_a_function_is_found_and_named(unit: str, tensor: str, cause: str, wrong: dict) -> None:
    assert list(wrong[unit]) == [tensor]
    assert cause in wrong[unit][tensor]


@pytest.fixture(scope="module")
def wrong() -> dict[str, dict[str, str]]:
    return failing(checked(SAMPLES / "custom_torch_wrong.py"))


def test_custom_gradients_of_tensorflow() -> None:
    pytest.importorskip("tensorflow")
    result = checked(SAMPLES / "custom_tensorflow.py")
    found = failing(result)
    assert found.keys() == {"swish", "linear"}
    assert "`1 - s`" in found["swish"]["gradient of features"]
    assert "reduce_sum(dy, axis=0)" in found["linear"]["gradient of b"]
    assert "log1pexp" in {c.unit.name for c in result.checked}


LOOP = """
import torch, torch.nn as nn, torch.optim as optim
net = nn.Linear(3, 1)
optimizer = optim.SGD(net.parameters(), lr=0.1)
def batches():
    while True:
        yield torch.randn(4, 3), torch.randn(4, 1)
for x, y in batches():
    FIRST
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("first", "wrong"),
    [
        ("pass", True),
        ("optimizer.zero_grad()", False),
        ("for p in net.parameters(): p.grad = None", False),
        ("optimizer = optim.SGD(net.parameters(), lr=0.1)", False),
        ("prepare(optimizer)", False),
    ],
)
def test_a_loop_over_torch_is_wrong_only_where_nothing_could_reset(first: str, wrong: bool, tmp_path: Path) -> None:
    path = tmp_path / "loop.py"
    path.write_text(LOOP.replace("FIRST", first))
    assert ("training loop" in failing(checked(path))) == wrong


CORE = """
import numpy as np

class Variable:
    def __init__(self, data):
        self.data, self.grad, self.creator = data, None, None

    def backward(self):
        if self.grad is None:
            self.grad = Variable(np.ones_like(self.data))
        order, seen = [], set()

        def visit(v):
            if id(v) not in seen and v.creator is not None:
                seen.add(id(v))
                for x in v.creator.inputs:
                    visit(x)
                order.append(v)

        visit(self)
        for v in reversed(order):
            found = v.creator.backward(v.grad)
            for x, g in zip(v.creator.inputs, found if isinstance(found, tuple) else (found,)):
                x.grad = g if x.grad is None else x.grad + g

def as_variable(x):
    return x if isinstance(x, Variable) else Variable(np.asarray(x))

class Function:
    def __call__(self, *inputs):
        self.inputs = [as_variable(x) for x in inputs]
        out = Variable(np.asarray(self.forward(*(x.data for x in self.inputs))))
        out.creator = self
        return out

class Add(Function):
    def forward(self, a, b):
        return a + b
    def backward(self, g):
        return g, g

class Mul(Function):
    def forward(self, a, b):
        return a * b
    def backward(self, g):
        a, b = self.inputs
        return g * b, g * a

def add(a, b):
    return Add()(a, b)

def mul(a, b):
    return Mul()(a, b)

def setup_variable():
    Variable.__add__ = add
    Variable.__mul__ = mul
"""
USES_CORE = """
import numpy as np
from .core import Function, as_variable

class Sin(Function):
    def forward(self, x):
        return np.sin(x)
    def backward(self, g):
        return g * cos(self.inputs[0])

def sin(x):
    return Sin()(x)

class Cos(Function):
    def forward(self, x):
        return np.cos(x)
    def backward(self, g):
        return g * as_variable(-1.0) * sin(self.inputs[0])

def cos(x):
    return Cos()(x)

class MatMul(Function):
    def forward(self, x, w):
        return x @ w
    def backward(self, g):
        x, w = self.inputs
        return as_variable(g.data @ w.data.T), as_variable(x.data.T @ g.data)

def matmul(x, w):
    return MatMul()(x, w)
"""


def test_functions_of_an_engine_that_another_file_defines(tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text(CORE)
    file = tmp_path / "functions.py"
    file.write_text(USES_CORE)
    result = checked(file)
    assert not failing(result)
    (checked_engine,) = result.checked
    assert {"sin", "cos", "matmul", "Sin"} <= set(checked_engine.unit.members)
    file.write_text(USES_CORE.replace("as_variable(-1.0) * sin", "as_variable(1.0) * sin"))
    (wrong,) = failing(checked(file)).values()
    assert "sign" in wrong["gradient of a in cos(a)"]
    assert "gradient of a in sin(a)" not in wrong


SCALARS = """
import math

def sigmoid(x):
    return 1 / (1 + math.exp(-x))

class History:
    def __init__(self, function=None, saved=(), inputs=()):
        self.function, self.saved, self.inputs = function, saved, inputs

class Mul:
    @staticmethod
    def forward(a, b):
        return a * b, (a, b)
    @staticmethod
    def backward(saved, d):
        a, b = saved
        return b * d, a * d

class Add:
    @staticmethod
    def forward(a, b):
        return a + b, ()
    @staticmethod
    def backward(saved, d):
        return d, d

class Sigmoid:
    @staticmethod
    def forward(a):
        s = sigmoid(a)
        return s, (s,)
    @staticmethod
    def backward(saved, d):
        (s,) = saved
        return (s * (1 - s) * d,)

class Scalar:
    def __init__(self, v, back: History = None):
        self.data, self.history, self.derivative = float(v), back, None
    def _apply(self, function, *others):
        values = [self, *(o if isinstance(o, Scalar) else Scalar(o) for o in others)]
        out, saved = function.forward(*(v.data for v in values))
        return Scalar(out, History(function, saved, values))
    def __mul__(self, b):
        return self._apply(Mul, b)
    def __add__(self, b):
        return self._apply(Add, b)
    def sigmoid(self):
        return self._apply(Sigmoid)
    def backward(self, d=1.0):
        if self.history is None:
            return
        if self.history.function is None:
            self.derivative = d if self.derivative is None else self.derivative + d
            return
        for x, g in zip(self.history.inputs, self.history.function.backward(self.history.saved, d)):
            x.backward(g)
"""


def test_values_that_are_given_an_empty_history(tmp_path: Path) -> None:
    file = tmp_path / "scalars.py"
    file.write_text(SCALARS)
    result = checked(file)
    assert not failing(result)
    assert "Scalar" in {c.unit.name for c in result.checked}
    file.write_text(SCALARS.replace("return s, (s,)", "return s, (a,)"))
    wrong = failing(checked(file))["Scalar"]
    assert "sigmoid(s) is needed" in wrong["gradient of a in a.sigmoid()"]


@pytest.mark.parametrize(("more", "wrong"), [("", True), ("\n\ndef batch(x, i, j):\n    return x[i:j]\n", False)])
def test_rows_taken_twice_are_asked_of_no_engine_that_takes_slices(more: str, wrong: bool, tmp_path: Path) -> None:
    text = (SAMPLES / "engine_tensor_closures.py").read_text()
    once = text.replace("np.add.at(self.grad, idx, out.grad)", "self.grad[idx] += out.grad")
    assert once != text
    path = tmp_path / "engine.py"
    path.write_text(once + more)
    assert bool(failing(checked(path))) == wrong
