"""`--repro`: the files that it writes fail with the mistake, and pass once it is mended, as nothing but pytest runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from comparisons.check.repro_find import way
from comparisons.check.repro_record import Recorder, Unwritable
from comparisons.check.unit import UserFile
from reference import missing

SAMPLES = Path(__file__).parent / "samples"
Mistakes = list[tuple[str, str]]

CASES: dict[str, tuple[str, Mistakes, set[str]]] = {
    "course": (
        "course_deep.py",
        [("np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ, axis=1, keepdims=True) / m")],
        {"gradient_of_b", "l_model_backward"},
    ),
    "cs231n": (
        "cs231n_layers.py",
        [
            ("(dxhat * xhat).mean(axis=1, keepdims=True)) / std", "(dxhat * xhat).mean(axis=0)) / std"),
            ("dx[np.arange(N), y] -= 1\n    dx /= N", "dx[np.arange(N), y] -= 1"),
            ("config['v'] / (1 - config['beta2']**config['t'])", "config['v'] / (1 - config['beta2'])"),
        ],
        {"layernorm_forward", "softmax_loss", "adam"},
    ),
    "objects": (
        "layers_outputs_kept.py",
        [("-2 * (y_true - dvalues) / outputs", "-(y_true - dvalues) / outputs"), ("layer.weight_cache += layer.dweights**2", "layer.weight_cache = layer.dweights**2")],
        {"loss_meansquarederror", "optimizer_adagrad"},
    ),
    "draws": (
        "layers_params_given.py",
        [("return dout * self.mask", "return dout"), ("(1.0 - self.out) * self.out", "(1.0 + self.out) * self.out")],
        {"test_dropout", "test_sigmoid"},
    ),
    "assembled": ("course_rnn.py", [("dWc = np.dot(dcct, concat.T)", "dWc = np.dot(2 * dcct, concat.T)")], {"gradients['dWc'][0:"}),
    "network": ("network_functions_dicts.py", [("(1 - np.power(A1, 2))", "(1 - A1)")], {"test_"}),
}  # fmt: skip
"""Sample, mistakes as (right, wrong), and words in the names of the files or tests that are to be written."""


def pytest_says(folder: Path) -> str:
    """What a pytest run over a folder of files, on their own, prints."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False).stdout


def outcomes(folder: Path) -> dict[str, str]:
    """What became of each file of one test; one process for all, as the frameworks take long to import."""
    lines = re.findall(r"^(FAILED|PASSED|ERROR) ([^:\s]+)", pytest_says(folder), re.MULTILINE)
    return {name: outcome for outcome, name in lines}


def mended(file: Path) -> Path:
    """Where the same test stands with the mistake taken out."""
    return file.with_name(f"{file.stem}_mended.py")


@pytest.mark.parametrize("name", CASES)
def test_a_written_file_fails_and_passes_when_the_mistake_is_mended(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from comparisons.check.judging import check
    from comparisons.check.report import verdict
    from comparisons.check.repro import reproduce

    sample, mistakes, words = CASES[name]
    text = (SAMPLES / sample).read_text()
    for right, wrong in mistakes:
        assert right in text, right
        text = text.replace(right, wrong)
    path, out = tmp_path / sample, tmp_path / "out"
    path.write_text(text)
    result = check(path, ("torch",))
    made = reproduce(path, result, out)
    assert {r.unit for r in made} == {c.unit.name for c in result.checked if verdict(c) == "wrong"}
    assert not [r for r in made if r.problem]
    written = {r.path: r.path.read_text() for r in made if r.path is not None}
    assert all(any(word in text for text in written.values()) or any(word in str(p) for p in written) for word in words)
    for file, text in written.items():
        for right, wrong in mistakes:
            text = text.replace(wrong, right)
        mended(file).write_text(text)
    assert outcomes(out) == {f.name: "FAILED" for f in written} | {mended(f).name: "PASSED" for f in written}


def test_the_command_writes_files_and_says_where_or_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from comparisons.check import repro
    from comparisons.cli import main

    path, out = tmp_path / "layer.py", tmp_path / "out"
    path.write_text("import numpy as np\n" + RELU)
    command = ["check", str(path), "--frameworks", "torch", "--repro", str(out)]
    outcome = CliRunner().invoke(main, command)
    assert outcome.exit_code == 1, outcome.output
    assert f"reproduction: {out / 'test_relu.py'}" in outcome.output.replace("\n", "")
    assert [p.name for p in out.iterdir()] == ["test_relu.py"]

    def refused(*_: object) -> Path:
        raise repro.Impossible("for a reason")

    monkeypatch.setattr(repro, "_written", refused)
    assert "reproduction: none for ReLU: for a reason" in CliRunner().invoke(main, command).output


def test_a_loop_at_the_top_level_is_written_with_what_it_reads(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from comparisons.check.judging import check
    from comparisons.check.repro import reproduce

    text = (SAMPLES / "network_script_xor.py").read_text()
    path, out = tmp_path / "script.py", tmp_path / "out"
    assert "l1_error * nonlin(l1,deriv=True)" in text
    path.write_text(text.replace("l1_error * nonlin(l1,deriv=True)", "l1_error"))
    (made,) = reproduce(path, check(path, ("torch",)), out)
    assert made.path is not None, made.problem
    written = made.path.read_text()
    assert re.search(r"^1 failed in", pytest_says(out), re.MULTILINE)
    assert "l1_delta = l1_error\n" in written
    made.path.write_text(written.replace("l1_delta = l1_error\n", "l1_delta = l1_error * nonlin(l1, deriv=True)\n"))
    assert re.search(r"^1 passed in", pytest_says(out), re.MULTILINE)


RELU = """

class ReLU:
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, dout):
        return dout * (self.x < 0)
"""


@given(
    # Sixteenths: halving them is exact, which it is not of the smallest numbers.
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=3),
        elements=st.integers(-64, 64).map(lambda k: k / 16),
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([1.0, 0.5, -1.0]),
)
def test_a_layout_is_recognised_and_undone(a: np.ndarray, random, factor: float) -> None:
    axes = list(range(a.ndim))
    random.shuffle(axes)
    target = a.transpose(axes) * factor
    found = way(a, target, (1.0, factor))
    assert found is not None
    np.testing.assert_allclose(found.back(target), a, rtol=0, atol=1e-11)
    given_ = eval(found.told("a"), {"a": a})
    np.testing.assert_allclose(given_, target, rtol=0, atol=1e-11)


def recorded(namespace: dict, calls) -> list[str]:
    """Lines for what `calls(file)` does."""
    recorder = Recorder(namespace)
    calls(UserFile("", namespace, dict.fromkeys(namespace, 1), recorder=recorder))
    assert not recorder.recording.problem
    lines = [line for step in recorder.recording.steps for line in step.lines]
    again = dict(namespace) | {"np": np} | recorder.recording.literals
    exec("\n".join(lines), again)  # what is written must run
    return lines


class Layer:
    """Something of a user's."""

    def __init__(self, n: int) -> None:
        self.W = np.zeros((n, n))
        self.params = {"b": np.zeros(n)}

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x @ self.W + self.params["b"]


def test_what_is_set_between_calls_is_written_down() -> None:
    def calls(file: UserFile) -> None:
        layer = file.call(Layer, 2)
        layer.W = np.arange(4.0).reshape(2, 2)
        layer.params["b"][...] = 1.5
        y = file.call(layer.forward, np.array([[0.25, 0.5]]))
        file.call(layer.forward, y)

    lines = recorded({"Layer": Layer}, calls)
    assert lines[0] == "layer = Layer(2)"
    assert {line.partition(" = ")[0] for line in lines[1:3]} == {"layer.W", "layer.params['b'][...]"}
    assert lines[3:] == ["result = layer.forward(x)", "result2 = layer.forward(result)"]


def test_an_argument_that_was_changed_in_place_is_written_anew() -> None:
    def halve(x: np.ndarray) -> np.ndarray:
        x /= 2
        return x * 3

    def calls(file: UserFile) -> None:
        for _ in range(2):
            file.call(halve, np.array([1.0, 3.0]))

    lines = recorded({"halve": halve}, calls)
    first, second = (re.findall(r"\((\w+)", line)[0] for line in lines)
    assert first != second


def test_what_cannot_be_written_is_said() -> None:
    recorder = Recorder({"f": abs})
    UserFile("", {"f": lambda x: 0}, {}, recorder=recorder).call(lambda x: 0, 1.0)
    assert "is no function of the file" in recorder.recording.problem
    with pytest.raises(Unwritable):
        recorder._written(object(), "x")


PORT = """
import keras
import torch
from keras import layers
from torch import nn


class Original(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 3 * 2, 5)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        return self.head(torch.flatten(x, 1))


def ported():
    return keras.Sequential(
        [
            keras.Input((6, 4, 2)),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(epsilon=1e-5, momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
"""


def test_a_port_is_written_with_both_models(tmp_path: Path) -> None:
    for framework in ("torch", "tensorflow"):
        if reason := missing(framework):
            pytest.skip(reason)
    from comparisons.check.judging import check
    from comparisons.check.repro import reproduce

    expected = {}
    for i, wrong in enumerate(("epsilon=1e-3, momentum=0.9", "epsilon=1e-5, momentum=0.99")):
        path, out = tmp_path / f"port{i}.py", tmp_path / "out"
        path.write_text(PORT.replace("epsilon=1e-5, momentum=0.9", wrong))
        (made,) = reproduce(path, check(path, ("torch",), seconds=120.0), out, seconds=120.0)
        assert made.path is not None, made.problem
        text = made.path.read_text()
        assert ("get_weights()[-2]" in text) == (i == 1)
        again = made.path.rename(made.path.with_name(f"test_port{i}.py"))
        mended(again).write_text(text.replace(wrong, "epsilon=1e-5, momentum=0.9"))
        expected |= {again.name: "FAILED", mended(again).name: "PASSED"}
    assert outcomes(out) == expected
