"""`backproof weights`, and the implementations' own checkpoints that it writes and reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from comparisons.checkpoints import IMPLEMENTATIONS, export_weights, import_weights
from comparisons.cli import main
from comparisons.errors import WeightsError
from comparisons.networks import NETWORKS
from reference import FRAMEWORKS, missing
from scratch import Weights, initial_weights
from scratch.weights import flatten

SUFFIX = {"scratch": ".npz", "torch": ".pt", "tensorflow": ".weights.h5"}


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> str:
    if request.param in FRAMEWORKS and (reason := missing(request.param)):
        pytest.skip(reason)
    return request.param


def backproof(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def random_weights(name: str, dtype: str) -> Weights:
    """All different, so that no array can stand in for another."""
    rng, weights = np.random.default_rng(0), initial_weights(NETWORKS[name], np.random.default_rng(0))
    for arrays in (weights.params, weights.buffers):
        for named in arrays.values():
            for leaf, a in named.items():
                named[leaf] = rng.uniform(0.5, 2, a.shape)
    return weights.astype(dtype)


def stored(weights: Weights) -> list[tuple[str, str, bytes]]:
    return [(n, str(a.dtype), a.tobytes()) for n, a in (*flatten(weights.params), *flatten(weights.buffers))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["digits", "batchnorm-dropout", "deep-relu"])
def test_own_checkpoints_return_bit_for_bit(name: str, dtype: str, implementation: str, tmp_path: Path) -> None:
    weights, path = random_weights(name, dtype), tmp_path / f"w{SUFFIX[implementation]}"
    export_weights(path, implementation, NETWORKS[name], weights)
    assert stored(import_weights(path, implementation, NETWORKS[name])) == stored(weights)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_torch_reads_its_checkpoint_without_backproof(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    weights = random_weights("digits", "float32")
    export_weights(tmp_path / "w.pt", "torch", NETWORKS["digits"], weights)
    state = torch.load(tmp_path / "w.pt", weights_only=True)
    np.testing.assert_array_equal(state["dense1.weight"].numpy(), weights.params["dense1"]["W"].T)
    np.testing.assert_array_equal(state["batchnorm1.running_var"].numpy(), weights.buffers["batchnorm1"]["running_var"])


def test_keras_reads_its_checkpoint_without_backproof(tmp_path: Path) -> None:
    if reason := missing("tensorflow"):
        pytest.skip(reason)
    import keras

    weights, path = random_weights("shallow-tanh", "float32"), tmp_path / "w.weights.h5"
    export_weights(path, "tensorflow", NETWORKS["shallow-tanh"], weights)
    layers = keras.layers
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, "tanh"), layers.Dense(1, "sigmoid")])
    model.load_weights(path)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), weights.params["dense1"]["W"])
    np.testing.assert_array_equal(model.layers[1].bias.numpy(), weights.params["dense2"]["b"])


def test_a_checkpoint_of_another_network_is_refused(implementation: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{SUFFIX[implementation]}"
    export_weights(path, implementation, NETWORKS["digits"], random_weights("digits", "float64"))
    with pytest.raises(WeightsError, match=f"not a {implementation} checkpoint of this network"):
        import_weights(path, implementation, NETWORKS["deep-relu"])


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 and then nothing", b"\x89HDF\r\n\x1a\n"])
def test_a_broken_checkpoint_is_one_line(content: bytes, implementation: str, tmp_path: Path) -> None:
    path = tmp_path / f"w{SUFFIX[implementation]}"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        import_weights(path, implementation, NETWORKS["digits"])
    assert "\n" not in str(caught.value)


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
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
