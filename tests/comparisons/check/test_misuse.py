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
