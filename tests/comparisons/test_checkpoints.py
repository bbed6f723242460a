"""The implementations' own checkpoints: bit for bit there and back, readable without backproof, strict about what they hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from comparisons.checkpoints import IMPLEMENTATIONS, export_weights, import_weights
from comparisons.errors import UnknownName, WeightsError
from comparisons.networks import NETWORKS
from reference import FRAMEWORKS, MissingFramework, missing
from scratch import BatchNorm, Dense, ReLU, Weights, architecture, initial_weights
from scratch.weights import flatten

SUFFIX = {"scratch": ".npz", "torch": ".pt", "tensorflow": ".weights.h5"}


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> str:
    if request.param in FRAMEWORKS and (reason := missing(request.param)):
        pytest.skip(reason)
    return request.param


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
@pytest.mark.parametrize("name", ["digits", "batchnorm-dropout", "deep-relu", "lenet5"])
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


SMALL = architecture(Dense(4, 3), BatchNorm(3))


def small_weights() -> Weights:
    rng = np.random.default_rng(0)
    params = {"dense1": {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}}
    params["batchnorm1"] = {"gamma": rng.normal(size=3), "beta": rng.normal(size=3)}
    return Weights(params, {"batchnorm1": {"running_mean": rng.normal(size=3), "running_var": rng.uniform(1, 2, 3)}})


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), n_in=st.integers(1, 4), n_out=st.integers(1, 4), dtype=st.sampled_from([np.float32, np.float64]))
def test_any_finite_values_return(
    data: st.DataObject, n_in: int, n_out: int, dtype: type, implementation: str, tmp_path: Path
) -> None:
    # Subnormals and minus zero too: bits, not values.
    values = st.floats(allow_nan=False, allow_infinity=False, width=np.dtype(dtype).itemsize * 8)
    w, b = (data.draw(hnp.arrays(dtype, shape, elements=values)) for shape in ((n_in, n_out), n_out))
    arch, path = architecture(Dense(n_in, n_out), ReLU()), tmp_path / f"w{SUFFIX[implementation]}"
    export_weights(path, implementation, arch, Weights({"dense1": {"W": w, "b": b}}), overwrite=True)
    assert stored(import_weights(path, implementation, arch)) == stored(Weights({"dense1": {"W": w, "b": b}}))


@pytest.mark.parametrize("implementation", ["scratch", "torch"])
def test_damage_is_noticed_or_does_not_matter(implementation: str, tmp_path: Path) -> None:
    if implementation != "scratch":
        pytest.importorskip(implementation)
    path, rng, noticed = tmp_path / f"w{SUFFIX[implementation]}", np.random.default_rng(0), 0
    export_weights(path, implementation, SMALL, small_weights())
    whole = path.read_bytes()
    for attempt in range(600):
        position = int(rng.integers(len(whole)))
        flipped = bytes([whole[position] ^ 1 << int(rng.integers(8))])
        path.write_bytes(whole[:position] + (flipped + whole[position + 1 :] if attempt % 3 else b""))
        try:
            read = import_weights(path, implementation, SMALL)
        except WeightsError:
            noticed += 1
        else:
            assert stored(read) == stored(small_weights())
    assert noticed > 200


def test_a_tensor_that_torch_would_return_as_memory_lies_is_refused(tmp_path: Path) -> None:
    """With the mark of a folder in the zip file's directory, torch.load reads nothing and returns uninitialised memory."""
    pytest.importorskip("torch")
    path = tmp_path / "w.pt"
    export_weights(path, "torch", SMALL, small_weights())
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        start, names = file.start_dir, file.namelist()
    entry = whole.rindex(next(name for name in names if name.endswith("/data/0")).encode())
    assert entry > start
    whole[entry - 8] ^= 0x10  # external attributes, 8 bytes before the name
    path.write_bytes(whole)
    with pytest.raises(WeightsError, match="data/0 is not what its checksum or mark says"):
        import_weights(path, "torch", SMALL)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for implementation in ("scratch", "torch"):
        if implementation in FRAMEWORKS and missing(implementation):
            continue
        export_weights(tmp_path / "w", implementation, SMALL, small_weights(), overwrite=True)
        first = (tmp_path / "w").read_bytes()
        monkeypatch.setattr("os.getpid", lambda: 1)
        export_weights(tmp_path / "w", implementation, SMALL, small_weights(), overwrite=True)
        assert (tmp_path / "w").read_bytes() == first


def test_a_keras_file_cut_short_is_one_line(tmp_path: Path) -> None:
    """Cut short only: Keras's file has no checksums, so a flipped bit may go unnoticed or crash HDF5."""
    if reason := missing("tensorflow"):
        pytest.skip(reason)
    path = tmp_path / "w.weights.h5"
    export_weights(path, "tensorflow", SMALL, small_weights())
    whole = path.read_bytes()
    for length in range(0, len(whole), 997):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="not a tensorflow checkpoint of this network"):
            import_weights(path, "tensorflow", SMALL)


def test_values_that_no_training_leaves_are_refused(implementation: str, tmp_path: Path) -> None:
    weights, path = small_weights(), tmp_path / f"w{SUFFIX[implementation]}"
    weights.params["dense1"]["b"][0] = np.nan
    with pytest.raises(WeightsError, match=r"dense1\.b holds 1 NaN"):
        export_weights(path, implementation, SMALL, weights)
    with pytest.raises(WeightsError, match="all float32 or all float64"):
        export_weights(path, implementation, SMALL, small_weights().astype("float16"))
    with pytest.raises(WeightsError, match=r"batchnorm1\.beta: missing"):
        export_weights(path, implementation, SMALL, Weights())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"dense1.W": np.ones((4, 3))}, "'dense1.W' is named neither"),
        ({"params/dense1.W": np.ones((4, 3))}, r"batchnorm1\.beta: missing"),
        ({"params/dense1.W": np.array([None])}, "allow_pickle=False"),
    ],
)
def test_an_npz_of_other_things_is_refused(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(WeightsError, match=message):
        import_weights(tmp_path / "w.npz", "scratch", SMALL)


def test_an_npz_of_whole_numbers_or_nan_and_a_bare_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    named = {f"params/{name}": a for name, a in flatten(small_weights().params)}
    named |= {f"buffers/{name}": a for name, a in flatten(small_weights().buffers)}
    for changed, message in (
        (named | {"params/dense1.b": np.arange(3)}, "all float32 or all float64, not float64, int64"),
        (named | {"params/dense1.b": np.full(3, np.inf)}, r"dense1\.b holds 3 NaN or infinite"),
    ):
        np.savez(path, **changed)
        with pytest.raises(WeightsError, match=message):
            import_weights(path, "scratch", SMALL)
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(WeightsError, match="one array without a name"):
        import_weights(path, "scratch", SMALL)


def test_torch_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Sequential(torch.nn.Linear(4, 3)), tmp_path / "w.pt")  # a pickled module, not a state dict
    with pytest.raises(WeightsError, match="not a state dict that torch can read safely"):
        import_weights(tmp_path / "w.pt", "torch", SMALL)


def test_a_place_that_cannot_be_written_to(implementation: str, tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / f"w{SUFFIX[implementation]}"
    with pytest.raises(WeightsError, match=r"cannot be written .*; choose another place"):
        export_weights(path, implementation, SMALL, small_weights())


def test_an_interrupted_export_leaves_the_old_file(
    implementation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"w{SUFFIX[implementation]}"
    path.write_bytes(b"old")
    with pytest.raises(WeightsError, match="exists already"):
        export_weights(path, implementation, SMALL, small_weights())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("comparisons.checkpoints.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_weights(path, implementation, SMALL, small_weights(), overwrite=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_and_missing_implementations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="no implementation is named 'jax'; known are scratch, torch, tensorflow"):
        import_weights(tmp_path / "w", "jax", SMALL)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for framework in FRAMEWORKS:
        with pytest.raises(MissingFramework, match="pip install"):
            import_weights(tmp_path / "w", framework, SMALL)


def test_a_deeper_networks_keras_file_is_refused(tmp_path: Path) -> None:
    if reason := missing("tensorflow"):
        pytest.skip(reason)
    deeper = architecture(Dense(3, 3), ReLU(), Dense(3, 2), ReLU(), Dense(2, 2))
    path = tmp_path / "w.weights.h5"
    export_weights(path, "tensorflow", deeper, initial_weights(deeper, np.random.default_rng(0)))
    with pytest.raises(WeightsError, match="which this network has no place for"):
        import_weights(path, "tensorflow", architecture(Dense(3, 3), ReLU(), Dense(3, 2)))


def test_a_trained_keras_models_file_is_read_without_its_optimizer(tmp_path: Path) -> None:
    if reason := missing("tensorflow"):
        pytest.skip(reason)
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    model.save_weights(tmp_path / "w.weights.h5")
    weights = import_weights(tmp_path / "w.weights.h5", "tensorflow", architecture(Dense(3, 2)))
    np.testing.assert_array_equal(weights.params["dense1"]["W"], model.layers[0].kernel.numpy())


def test_layers_that_keras_keeps_otherwise_have_no_keras_file(tmp_path: Path) -> None:
    if reason := missing("tensorflow"):
        pytest.skip(reason)
    from scratch import GRU

    arch = architecture(GRU(3, 4))
    weights = initial_weights(arch, np.random.default_rng(0))
    with pytest.raises(WeightsError, match="gru1: Keras keeps its weights in another arrangement"):
        export_weights(tmp_path / "w.weights.h5", "tensorflow", arch, weights)
