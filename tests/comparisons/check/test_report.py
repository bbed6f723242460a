"""What a newcomer reads: the verdict first, then where, what, why, and what to do."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from comparisons.check import report, source
from comparisons.check.fixes import fix
from comparisons.check.judging import CheckResult, judge_all
from comparisons.check.matching import InProcess
from comparisons.cli import main

NETWORK = Path(__file__).parents[3] / "docs" / "examples" / "course_file.py"
STEPS = """
import numpy as np
class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.t, self.m, self.v = lr, beta1, beta2, 0, None, None
    def update(self, params, grads):
        if self.m is None:
            self.m = {k: np.zeros_like(p) for k, p in params.items()}
            self.v = {k: np.zeros_like(p) for k, p in params.items()}
        self.t = 1
        for k in params:
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * grads[k]**2
            m, v = self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)
            params[k] -= self.lr * m / (np.sqrt(v) + 1e-8)
"""


def printed(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    pytest.importorskip("torch")
    monkeypatch.setenv("COLUMNS", "80")
    result: CheckResult = judge_all(InProcess(source.run(path)), ("torch",))
    report.tell(path, result)
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert all(len(line) <= 80 for line in lines)
    return lines


def test_the_verdict_comes_first_and_then_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(NETWORK, monkeypatch, capsys)
    assert lines[0] == "course_file.py: 1 WRONG of 4 things compared"
    heads = [line.split("  ")[0] for line in lines if line[:1].isalpha()]
    assert heads[1:5] == ["WRONG", "agrees", "agrees", "agrees"]
    text = "\n".join(lines)
    assert "gradient of b2 is wrong in backward_propagation\n    line   36: db2 = np.mean(dZ2" in text
    assert "fix    divide by m once: drop one 1/m (line 36)" in text


def test_of_steps_the_first_wrong_one_is_told_and_until_when_it_was_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "adam.py"
    path.write_text(STEPS)
    text = "\n".join(printed(path, monkeypatch, capsys))
    assert "W after step 2 is wrong in Adam.update" in text
    assert "right  W after step 1, b after step 1" in text
    assert "updated W" not in text
    assert "step 3" not in text
    assert "step 12" not in text
    assert "fix    raise beta to the number of the step" in text


@pytest.mark.parametrize(
    ("cause", "wanted"),
    [
        ("divided by m once too often (6): averaged over the examples, not summed (to 1e-14)", "divide by m once: drop one 1/m"),
        ("exactly m times the reference (m = 6): the 1/m is missing (to 1e-15)", "divide by m, the number of examples"),
        ("(1 - a)^2 is used for 1 - a^2 (to 1e-15)", "use 1 - a^2, not (1 - a)^2"),
        ("1 - z^2 is used for 1 - a^2: the derivative is taken at z, not at a", "use 1 - a^2, not 1 - z^2"),
        ("the path through the mean (dmu -> dx) is missing", "put in the path through the mean (dmu -> dx)"),
        ("the sign is flipped", "flip the sign"),
        ("gamma is left out", "multiply by gamma"),
        ("the term y log a has the wrong sign", "flip the sign of the term y log a"),
        ("exactly keep_prob times the reference: not divided by keep_prob", "divide by keep_prob"),
        ("exactly 1/keep_prob times the reference: divided by keep_prob twice", "divide by keep_prob once"),
        ("exactly 1/keep_prob times the reference: not multiplied by keep_prob in evaluation",
         "divide by keep_prob in training, or multiply by it in evaluation"),
        ("overwritten instead of accumulated: = for +=, over windows and filters", "accumulate: += in place of ="),
        ("summed over the features too", "sum over the examples alone: axis=0"),
        ("no known mistake fits; every element is wrong", ""),
    ],
)  # fmt: skip
def test_a_cause_that_leaves_one_thing_to_do_says_it(cause: str, wanted: str) -> None:
    assert fix(cause) == wanted


def test_columns_are_summed_along_the_other_axis() -> None:
    assert fix("summed over the features too", columns=True).endswith("axis=1, keepdims=True")


def test_a_file_of_which_nothing_is_decided_is_not_called_right(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    text = """
def maxpool(image, f=2, s=2):
    return image[:, ::s, ::s]
def maxpoolBackward(dpool, orig, f, s):
    return orig.reshape(orig.shape) * dpool
"""
    path.write_text(text)
    done = CliRunner().invoke(main, ["check", str(path)])
    assert done.exit_code == 2
    assert done.output.startswith("mine.py: nothing could be compared, 1 not decided")
