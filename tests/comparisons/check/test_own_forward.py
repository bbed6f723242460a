"""Functions that are not the usual ones of their names: a choice where the file is consistent, a mistake where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.own_forward import variant
from comparisons.check.report import block, verdict
from scratch import ReLU, Sigmoid, Softmax, Tanh

SAMPLES = Path(__file__).parent / "samples"
HEAD = "import numpy as np\n"
MISTAKES = {
    "sigmoid's sign": "def sigmoid(x):\n    return 1 / (1 + np.exp(x))\ndef sigmoid_prime(x):\n    return sigmoid(x) * (1 - sigmoid(x))\n",
    "sigmoid's sign alone": "def sigmoid(x):\n    return 1 / (1 + np.exp(x))\n",
    "sigmoid's bracket": "def sigmoid(x):\n    return 1 / 1 + np.exp(-x)\n",
    "tanh with a sum": "def tanh(x):\n    return (np.exp(x) + np.exp(-x)) / (np.exp(x) + np.exp(-x) + 1)\n",
    "tanh of half of x": "def tanh(x):\n    return 2 / (1 + np.exp(-x)) - 1\n",
    "derivative of another tanh": (
        "def tanh(x):\n    return 1.7159 * np.tanh(2 * x / 3)\ndef tanh_prime(x):\n    return 1 - np.tanh(x) ** 2\n"
    ),
    "derivative of another ReLU": (
        "def relu(x):\n    return np.maximum(x, 0) - 0.5\ndef relu_prime(x):\n    return (x > 0.5) * 1.0\n"
    ),
    "softmax over the batch": (
        "def softmax(x):\n    e = np.exp(x - x.max(axis=1, keepdims=True))\n    return e / e.sum(axis=0, keepdims=True)\n"
    ),
    "softmax not normalised": "def softmax(x):\n    return np.exp(x) / np.max(np.exp(x))\n",
    "factor of the cost alone": (
        "def mse(y, t):\n    return 3 * np.sum((y - t) ** 2)\ndef mse_prime(y, t):\n    return 4 * (y - t)\n"
    ),
    "uphill": (
        "def cross_entropy(p, t):\n    return np.sum(t * np.log(p))\ndef cross_entropy_prime(p, t):\n    return t / p\n"
    ),
}


def told(result: CheckResult) -> str:
    """The report, for failures that read well."""
    return "\n".join([*(line for c in result.checked for line in block(c)), *result.found.notes])


@pytest.mark.parametrize("sample", ["unusual_functions", "unusual_layers"])
def test_a_consistent_file_raises_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py")
    assert not [c for c in result.checked if verdict(c) == "wrong"], told(result)
    choices = [text for c in result.checked for text in c.unit.assumptions if "is not the usual" in text]
    assert len(choices) >= 3, told(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_no_variant_and_no_derivative_fits_is_wrong(mistake: str, tmp_path: Path) -> None:
    path = tmp_path / "mistaken.py"
    path.write_text(HEAD + MISTAKES[mistake])
    result = check(path)
    assert [verdict(c) for c in result.checked] == ["wrong"], told(result)


def test_variants_are_told_from_mistakes() -> None:
    x = 2 * np.random.default_rng(3).standard_normal((5, 4))
    assert variant(ReLU(), x, np.maximum(x, 0) - 0.5) == "ReLU - 0.5"
    assert variant(ReLU(), x, np.where(x > 0, x, 0.2 * x)) == "a leaky ReLU with slope 0.2"
    assert variant(Tanh(), x, 1.7159 * np.tanh(2 * x / 3)) == "1.7159 tanh(2x/3)"
    assert variant(Sigmoid(), x, (np.tanh(x) + 1) / 2) == "0.5 tanh + 0.5"
    e = np.exp(x / 2)
    assert variant(Softmax(), x, e / e.sum(axis=1, keepdims=True)) == "softmax with a temperature of 2"
    assert not variant(Softmax(), x, e / e.sum(axis=0))
    assert not variant(Sigmoid(), x, 1 / (1 + np.exp(x)))
    assert not variant(ReLU(), x, np.abs(x))
