"""Layers that scratch does not have, beside finite differences of their own forward pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.unknown_layers import find_unknown_layers

SAMPLE = Path(__file__).parent / "samples" / "unknown_layers.py"
MISTAKES = {
    "kernel not turned": ("'no,ock->nck', dLdZ[:, :, i], self.W)", "'no,ock->nck', dLdZ[:, :, i], self.W[:, :, ::-1])", "Conv1d.input", ""),
    "bias of one number": ("np.sum(dLdZ, axis=(0, 2))", "np.sum(dLdZ, axis=(0, 2)) / 2", "Conv1d.b", "half of the reference"),
    "average not divided": (" / (f * f)", "", "Pooling.input", "exactly 4 times"),
    "stride forgotten": ("dA_prev[:, h * s:h * s + f, w", "dA_prev[:, h:h + f, w", "Pooling.input", ""),
    "inner derivative forgotten": ("1.7159 * 2.0 / 3.0 *", "1.7159 *", "ScaledTanh.input", "1.5 times"),
    "carry gate forgotten": (" + grad * (1 - self.gate)", "", "Highway.input", ""),
    "gate's derivative": ("* self.gate * (1 - self.gate)\n", "* self.gate\n", "Highway.input Highway.W", ""),
}  # fmt: skip


def judged(path: Path) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(11)
    found = find_unknown_layers(source.run(path), frozenset())
    return {d.tensor.removeprefix("grad/"): row(d, {}) for layer in found for d in layer.derived(rng)}


def test_right_layers_are_found_and_raise_no_alarm() -> None:
    rows = judged(SAMPLE)
    assert set(rows) == {"Conv1d.input", "Conv1d.W", "Conv1d.b", "Pooling.input", "ScaledTanh.input", "Highway.input", "Highway.W"}  # fmt: skip
    assert {r["verdict"] for r in rows.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(mistake: str, tmp_path: Path) -> None:
    old, new, tensors, cause = MISTAKES[mistake]
    text = SAMPLE.read_text()
    assert text.count(old) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    wrong = {name: r["diagnosis"] for name, r in judged(path).items() if r["verdict"] == "mismatch"}
    assert set(wrong) == set(tensors.split())
    assert all(cause in told for told in wrong.values())


def test_a_layer_of_one_example_is_not_judged_on_several(tmp_path: Path) -> None:
    text = """
import numpy as np
class SoftmaxLayer:
    def propagate(self, x):
        e = np.exp(x - np.max(x))
        self.y = e / np.sum(e)
        return self.y
    def backpropagate(self, delta):
        dx = self.y * delta
        return dx - self.y * dx.sum(axis=-1, keepdims=True)
"""
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert {r["verdict"] for r in judged(path).values()} == {"match"}


TORCH7 = """
import numpy as np
class Module:
    def forward(self, input):
        return self.updateOutput(input)
    def backward(self, input, gradOutput):
        self.updateGradInput(input, gradOutput)
        self.accGradParameters(input, gradOutput)
        return self.gradInput
    def accGradParameters(self, input, gradOutput):
        pass
class Bilinear(Module):
    def __init__(self, n_in):
        self.scale = np.random.uniform(-1, 1, n_in)
        self.gradScale = np.zeros(n_in)
    def updateOutput(self, input):
        self.output = self.scale * input ** 2
        return self.output
    def updateGradInput(self, input, gradOutput):
        self.gradInput = 2 * self.scale * input * gradOutput
        return self.gradInput
    def accGradParameters(self, input, gradOutput):
        self.gradScale += np.sum(gradOutput * input ** 2, axis=0)
"""


@pytest.mark.parametrize(("new", "wrong"), [("2 * self.scale", {}), ("self.scale", {"Bilinear.input"})])
def test_modules_that_are_given_their_input_once_more(new: str, wrong: set[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TORCH7.replace("2 * self.scale", new))
    rows = judged(path)
    assert set(rows) == {"Bilinear.input", "Bilinear.scale"}
    assert {name for name, r in rows.items() if r["verdict"] == "mismatch"} == set(wrong)
