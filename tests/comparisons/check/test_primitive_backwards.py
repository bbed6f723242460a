"""Backward functions of operations that are NumPy's own, known by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import Derived, row
from comparisons.check.styles.primitive_backwards import find_primitives, operation

SAMPLE = Path(__file__).parent / "samples" / "primitive_backwards.py"
RIGHT = {
    "plus_backward": "a + b", "mul_backward": "a * b", "div_backward": "a / b", "matmul_backward": "a @ b", "power_backward": "a ** 3",
    "exp_backward": "np.exp(a)", "log_backward": "np.log(a)", "mean_backward": "np.mean(a)",
}  # fmt: skip
MISTAKES = {
    "square": ("a / b ** 2", "a / b", {"div_backward.b"}, "a square is missing"),
    "sign": ("-grad_output * a", "grad_output * a", {"div_backward.b"}, "sign"),
    "upstream": ("[grad_output / a]", "[1 / a]", {"log_backward.a"}, "grad_output is missing"),
    "operand": ("return grad_output * b, grad", "return grad_output * a, grad", {"mul_backward.a"}, "a stands where b is needed"),
    "transpose": ("grad_output @ b.T", "grad_output @ b", {"matmul_backward.a", "matmul_backward.b"}, "fails"),
    "row": ("grad_output.sum(axis=0", "grad_output.mean(axis=0", {"plus_backward.b where shapes are (5, 4) and (1, 4)"}, "mean"),
}  # fmt: skip


def judged(path: Path) -> tuple[dict[str, str], list[Derived]]:
    file = source.run(path)
    found = list(find_primitives(file, file.functions()))
    derived = [d for thing in found for d in thing.derived(np.random.default_rng(3))]
    return {thing.function: thing.meaning.text for thing in found}, derived


def test_right_functions_agree_and_others_are_left_alone() -> None:
    things, derived = judged(SAMPLE)
    assert things == RIGHT
    assert {row(d, {})["verdict"] for d in derived} == {"match"}
    assert "grad/plus_backward.b where shapes are (5, 4) and (1, 4)" in {d.tensor for d in derived}
    assert "grad/mul_backward.b where shapes are (5, 4) and (1, 4)" not in {d.tensor for d in derived}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_named(mistake: str, tmp_path: Path) -> None:
    old, new, tensors, cause = MISTAKES[mistake]
    text = SAMPLE.read_text()
    assert text.count(old) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    _, derived = judged(path)
    wrong = {d.tensor.removeprefix("grad/"): d for d in derived if row(d, {})["verdict"] == "mismatch"}
    assert set(wrong) == tensors
    for d in wrong.values():
        assert cause in d.cause
        assert d.spot is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def log_backward(grad, p):\n    return -grad / p\n", "alone, it may be a loss's"),
        ("def div_backward(dout, a, b):\n    return -dout * a / b ** 2, dout / b\n", "the other order"),
        (
            "def mul(a, b):\n    return a @ b\n\n\ndef mul_backward(d, a, b):\n    return d @ b.T, a.T @ d\n",
            "has a forward function",
        ),
    ],
)
def test_what_is_not_sure_is_left_alone(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "unsure.py"
    path.write_text(text)
    assert judged(path) == ({}, []), why


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("backward_sub", "sub"),
        ("elementwise_mul_vjp", "mul"),
        ("MatMulBackward", "matmul"),
        ("conv_backward", ""),
        ("log", ""),
    ],
)
def test_the_operation_is_told_by_the_name(name: str, what: str) -> None:
    assert operation(name) == what
