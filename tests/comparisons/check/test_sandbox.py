"""Nothing that a user's code does harms the judge: it is told, and the other parts of the file are compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import verdict
from comparisons.cli import main
from reference import missing

pytestmark = pytest.mark.skipif(missing("torch") is not None, reason=missing("torch") or "")

HEAD = """
import os, sys, time
import numpy as np
import backproof
from scratch import Adam, BatchNorm, Dense, MeanSquaredError

def right(x, W, b, upstream):
    return x @ W + b, upstream @ W.T, {"W": x.T @ upstream, "b": upstream.sum(axis=0)}
"""

LAYER = """
@backproof.layer(Dense(4, 3))
def {name}(x, upstream, W, b):
    {body}
    return right(x, W, b, upstream)
"""


def checked(tmp_path: Path, text: str, **options: object) -> CheckResult:
    path = tmp_path / "mine.py"
    path.write_text(HEAD + text)
    return check(path, ("torch",), **options)  # type: ignore[arg-type]


def test_hostile_code_is_survived_and_told(tmp_path: Path) -> None:
    bodies = {
        "raises": "raise KeyError('w')",
        "leaves": "sys.exit(0)",
        "vanishes": "os._exit(3)",
        "sleeps": "time.sleep(60)",
        "prints": "print('x' * 10000); sys.stderr.write('y'); os.write(1, b'z')",
        "mutates": "x *= 1; x[0] += 0; upstream[0] = 7",
        "wrong": "W = 2 * W",
    }
    text = "".join(LAYER.format(name=name, body=body) for name, body in bodies.items())
    result = checked(tmp_path, text, seconds=2.0)
    found = {c.unit.name: c for c in result.checked}
    said = {name: c.rows[0]["diagnosis"] for name, c in found.items()}
    assert "KeyError" in said["raises"]
    assert "ends the program" in said["leaves"]
    assert said["vanishes"] == "vanishes ended the process"
    assert said["sleeps"] == "sleeps did not finish within 2 s"
    assert {name: verdict(c) for name, c in found.items() if verdict(c) != "wrong"} == {"prints": "match"}
    assert found["mutates"].remarks == ("mutates changes its argument upstream in place",)


def test_what_the_code_saves_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.txt").write_text("of a month's training")
    save = "np.savetxt('weights.txt', W); np.savetxt('more.txt', W)"
    Path("mine.py").write_text(HEAD + LAYER.format(name="saves", body=save))
    (found,) = check(Path("mine.py"), ("torch",)).checked
    assert verdict(found) == "match"
    assert Path("weights.txt").read_text() == "of a month's training"
    assert not Path("more.txt").exists()


def test_what_ends_the_process_while_a_file_is_looked_through_is_left_out(tmp_path: Path) -> None:
    text = (
        LAYER.format(name="good", body="pass")
        + """
def sigmoid(x):
    os._exit(1)

def relu(x):
    while True:
        pass

def tanh(x):
    return np.tanh(x)

class Never:
    time.sleep(60)
"""
    )
    result = checked(tmp_path, text, seconds=2.0)
    assert {c.unit.name: verdict(c) for c in result.checked} == {"good": "match", "tanh": "match"}
    notes = "\n".join(result.found.notes)
    assert "sigmoid ended the process; it was not tried again" in notes
    assert any(note.startswith("line ") and "did not finish within 2 s" in note for note in result.found.notes)
    assert "relu did not finish within 2 s; it was not tried again" in notes


def test_declared_losses_optimizers_and_buffers(tmp_path: Path) -> None:
    text = """
@backproof.loss(MeanSquaredError())
def half(x, target):
    return np.sum((x - target) ** 2) / (2 * len(x)), (x - target) / len(x)

@backproof.loss(MeanSquaredError())
def twice(x, target):
    return None, 2 * (x - target) / len(x)

@backproof.optimizer(Adam(0.01))
def uncorrected():
    m, v = {}, {}
    def step(params, grads):
        for k, g in grads.items():
            m[k] = 0.9 * m.get(k, 0) + 0.1 * g
            v[k] = 0.999 * v.get(k, 0) + 0.001 * g**2
            params[k] = params[k] - 0.01 * m[k] / (np.sqrt(v[k]) + 1e-8)
        return params
    return step

@backproof.layer(BatchNorm(4, momentum=0.9, epsilon=1e-5))
def norm(x, upstream, gamma, beta, running_mean, running_var):
    mu, var = x.mean(0), x.var(0)
    n = (x - mu) / np.sqrt(var + 1e-5)
    dn = upstream * gamma
    dx = (dn - dn.mean(0) - n * (dn * n).mean(0)) / np.sqrt(var + 1e-5)
    moved = {"running_mean": 0.9 * running_mean + 0.1 * mu, "running_var": 0.1 * running_var + 0.9 * var}
    return n * gamma + beta, dx, {"gamma": (upstream * n).sum(0), "beta": upstream.sum(0)}, moved
"""
    found = {c.unit.name: c for c in checked(tmp_path, text).checked}
    verdicts = {name: verdict(c) for name, c in found.items()}
    assert verdicts == {"half": "match", "twice": "wrong", "uncorrected": "wrong", "norm": "wrong"}
    causes = {
        name: {row["tensor"]: row["diagnosis"] for row in c.rows if row["verdict"] == "mismatch"}
        for name, c in found.items()
    }
    assert "twice" in causes["twice"]["grad/loss.input"]
    assert "bias correction" in causes["uncorrected"]["step1/param/dense1.W"]
    assert list(causes["norm"]) == ["step1/buffer/batchnorm1.running_var"]
    assert "swapped" in causes["norm"]["step1/buffer/batchnorm1.running_var"]


def test_code_that_computes_in_float32_is_judged_as_such(tmp_path: Path) -> None:
    single = "return tuple(a.astype(np.float32) for a in right(x, W, b, upstream)[:2]) + ({},)"
    result = checked(tmp_path, LAYER.format(name="single", body=single))
    assert verdict(result.checked[0]) == "match"
    assert {row["dtype"] for row in result.checked[0].rows} == {"float32"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["mine.py"], 1, "1 WRONG of 2 things compared"),
        (["mine.py", "--only", "good"], 0, "1 thing compared, no mistake found"),
        (["mine.py", "--only", "nothing"], 2, "no part is named nothing; recognised are good, bad"),
        (["absent.py"], 2, "absent.py: no such file"),
        (["mine.py", "--frameworks", "theano"], 2, "no framework is named 'theano'"),
        (["empty.py"], 2, "nothing was recognised"),
    ],
)
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text = LAYER.format(name="good", body="pass") + LAYER.format(name="bad", body="b = b + 1")
    Path("mine.py").write_text(HEAD + text)
    Path("empty.py").write_text("def unknown(): pass\n")
    result = CliRunner().invoke(main, ["check", *arguments])
    assert result.exit_code == code, result.output
    assert said in result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
