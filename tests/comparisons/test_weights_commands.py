"""`backproof weights`: from first weights through every implementation and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from comparisons import weights_commands
from comparisons.checkpoints import IMPLEMENTATIONS
from comparisons.cli import main
from comparisons.networks import NETWORKS
from comparisons.weights_file import read_weights
from reference import FRAMEWORKS, missing
from scratch import Weights
from scratch.initialisers import INITIALISERS

SUFFIX = {"scratch": ".npz", "torch": ".pt", "tensorflow": ".weights.h5"}


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> str:
    if request.param in FRAMEWORKS and (reason := missing(request.param)):
        pytest.skip(reason)
    return request.param


def backproof(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_from_first_weights_through_an_implementation_and_back(implementation: str, tmp_path: Path) -> None:
    first, own, back = tmp_path / "a.h5", tmp_path / f"b{SUFFIX[implementation]}", tmp_path / "c.h5"
    for arguments in (
        ("new", "digits", "--out", first, "--dtype", "float32", "--seed", 3),
        ("export", first, "--to", implementation, "--out", own),
        ("import", own, "--from", implementation, "--like", first, "--out", back),
        ("verify", back),
        ("show", back),
    ):
        done = backproof("weights", *arguments)
        assert done.exit_code == 0, done.output
    assert first.read_bytes() == back.read_bytes()
    assert "dense1.W" in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_verify_skips_what_is_not_installed_and_reports_the_rest(tmp_path: Path) -> None:
    backproof("weights", "new", "logistic", "--out", tmp_path / "a.h5")
    done = backproof("weights", "verify", tmp_path / "a.h5")
    assert done.exit_code == 0
    for framework in FRAMEWORKS:
        line = next(line for line in done.output.splitlines() if line.startswith(framework))
        assert ("skipped" if missing(framework) else "bit for bit") in line


def test_verify_exits_1_and_names_the_array_that_lost_a_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.h5"
    backproof("weights", "new", "logistic", "--out", file)

    def careless(implementation: str, arch: object, given: Weights) -> Weights:
        lost = given.astype("float64")
        lost.params["dense1"]["b"] *= -1  # 0 becomes -0: equal, but not bit for bit
        return lost

    monkeypatch.setattr(weights_commands, "_through", careless)
    done = backproof("weights", "verify", file, "--frameworks", "")
    assert done.exit_code == 1
    assert done.output.splitlines() == ["scratch     differs in dense1.b"]


def test_verify_skips_a_missing_framework_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backproof("weights", "new", "logistic", "--out", tmp_path / "a.h5")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = backproof("weights", "verify", tmp_path / "a.h5")
    assert done.exit_code == 0
    assert "torch       skipped: torch: package torch is not installed; pip install" in done.output


@pytest.mark.parametrize("network", NETWORKS)
def test_show_fits_80_columns(network: str, tmp_path: Path) -> None:
    backproof("weights", "new", network, "--out", tmp_path / "a.h5")
    lines = backproof("weights", "show", tmp_path / "a.h5").output.splitlines()
    assert max(map(len, lines)) <= 80
    arrays = [line for line in lines if " float64 " in line]
    _, read = read_weights(tmp_path / "a.h5")
    assert len(arrays) == sum(len(named) for named in (*read.params.values(), *read.buffers.values()))


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    a, npz = tmp_path / "a.h5", tmp_path / "a.npz"
    for arguments in (
        ("new", "logistic", "--out", a),
        ("export", a, "--to", "scratch", "--out", npz),
        ("import", npz, "--from", "scratch", "--network", "logistic", "--out", a),
    ):
        backproof("weights", *arguments)
        refused = backproof("weights", *arguments)
        assert (refused.exit_code, "exists already" in refused.output) == (2, True)
        assert backproof("weights", *arguments, "--overwrite").exit_code == 0


def test_the_choices_are_all_there_are() -> None:
    """They are written out, so that help needs no import."""
    assert tuple(weights_commands.IMPLEMENTATION.choices) == IMPLEMENTATIONS
    options = {p.name: p for p in weights_commands.new.params}
    assert set(options["initialiser"].type.choices) == set(INITIALISERS)
    default = {p.name: p.default for p in weights_commands.verify.params}["frameworks"]
    assert tuple(default.split(",")) == tuple(FRAMEWORKS)


def test_help_imports_nothing_heavy() -> None:
    check = "import sys, comparisons.weights_commands; print(sorted({'numpy', 'h5py', 'rich', 'torch', 'keras'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("verify", "x.h5", "--frameworks", "jax"), "no framework is named 'jax'; known are torch, tensorflow"),
        (("new", "alexnet", "--out", "x.h5"), "no network is named 'alexnet'; known are logistic"),
        (("show", "nowhere.h5"), "nowhere.h5: no such file"),
        (("export", "nowhere.h5", "--to", "scratch", "--out", "x.npz"), "nowhere.h5: no such file"),
        (("import", "x", "--from", "scratch", "--out", "y"), "give either --network or --like"),
        (("import", "x", "--from", "scratch", "--network", "digits", "--out", "y"), "x: no such file"),
    ],
)
def test_wrong_input_exits_2_with_the_reason(arguments: tuple[str, ...], message: str) -> None:
    done = backproof("weights", *arguments)
    assert done.exit_code == 2
    assert message in done.output
