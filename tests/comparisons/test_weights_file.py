"""The weights file: bit for bit there and back, and one clear line for everything that can be wrong with it."""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from comparisons.errors import WeightsError
from comparisons.networks import NETWORKS
from comparisons.weights_file import read_weights, seal, write_weights
from scratch import L2, BatchNorm, Dense, Dropout, SoftmaxCrossEntropy, Weights, architecture, initial_weights
from scratch.weights import flatten

ARCH = architecture(Dense(3, 2), BatchNorm(2), Dropout(0.7), loss=SoftmaxCrossEntropy(), regulariser=L2(0.5))
WEIGHTS = initial_weights(ARCH, np.random.default_rng(0))


def arrays(weights: Weights) -> list[tuple[str, tuple[int, ...], str, bytes]]:
    named = [*flatten(weights.params), *flatten(weights.buffers)]
    return [(name, a.shape, str(a.dtype), a.tobytes()) for name, a in named]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "weights.h5"
    write_weights(path, ARCH, WEIGHTS)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_returns_bit_for_bit_and_in_order(name: str, dtype: str, tmp_path: Path) -> None:
    weights = initial_weights(NETWORKS[name], np.random.default_rng(1), dtype=dtype)
    write_weights(tmp_path / "w.h5", NETWORKS[name], weights)
    arch, read = read_weights(tmp_path / "w.h5", NETWORKS[name])
    assert arch == NETWORKS[name]
    assert arrays(read) == arrays(weights)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), n_in=st.integers(1, 5), n_out=st.integers(1, 5), dtype=st.sampled_from([np.float32, np.float64]))
def test_any_finite_values_in_any_layout_return(data, n_in: int, n_out: int, dtype, tmp_path: Path) -> None:
    values = st.floats(allow_nan=False, allow_infinity=False, width=np.dtype(dtype).itemsize * 8)
    w = data.draw(hnp.arrays(dtype, (n_out, n_in), elements=values)).T  # column-major
    b = data.draw(hnp.arrays(dtype, 2 * n_out, elements=values))[::2]  # with holes
    arch = architecture(Dense(n_in, n_out))
    write_weights(tmp_path / "w.h5", arch, Weights({"dense1": {"W": w, "b": b}}), overwrite=True)
    _, read = read_weights(tmp_path / "w.h5", arch)
    assert read.params["dense1"]["W"].tobytes() == np.ascontiguousarray(w).tobytes()
    assert read.params["dense1"]["b"].tobytes() == np.ascontiguousarray(b).tobytes()


def test_the_same_weights_give_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_weights(tmp_path / "again.h5", ARCH, WEIGHTS)
    assert (tmp_path / "again.h5").read_bytes() == written.read_bytes()


def test_it_can_be_read_with_h5py_alone(written: Path) -> None:
    with h5py.File(written) as file:
        assert (file.attrs["format"], file.attrs["version"], file.attrs["dtype"]) == ("backproof-weights", 1, "float64")
        assert file.attrs["written_by"].startswith("backproof")
        assert json.loads(file.attrs["architecture"])["layers"][0]["name"] == "dense1"
        w = file["params/dense1/W"][()]
    np.testing.assert_array_equal(w, WEIGHTS.params["dense1"]["W"])


def change(path: Path, edit: Callable[[h5py.File], None]) -> None:
    """Edit the file and seal it again, as a careless program that knows the format would."""
    with h5py.File(path, "r+") as file:
        edit(file)
    seal(path)


def set_value(file: h5py.File, name: str, value: np.ndarray) -> None:
    group, _, leaf = name.rpartition("/")
    del file[name]
    file[group][leaf] = value


def describe(file: h5py.File, text: str) -> None:
    file.attrs["architecture"] = text


def described(file: h5py.File) -> str:
    return file.attrs["architecture"]


DAMAGE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "another format": (lambda f: f.attrs.__setitem__("format", "keras"), "not a weights file"),
    "no format": (lambda f: f.attrs.__delitem__("format"), "not a weights file"),
    "a later version": (lambda f: f.attrs.__setitem__("version", 2), "format version 2, this backproof reads 1"),
    "another dtype": (lambda f: f.attrs.__setitem__("dtype", "float16"), "dtype float16"),
    "the wrong dtype": (lambda f: f.attrs.__setitem__("dtype", "float32"), "is float64, the file says float32"),
    "a missing array": (lambda f: f["params/dense1"].__delitem__("b"), "dense1.b: missing"),
    "a missing layer": (lambda f: f["params"].__delitem__("batchnorm1"), "batchnorm1.beta: missing"),
    "a missing group": (lambda f: f.__delitem__("buffers"), "not of format version 1"),
    "an unknown array": (lambda f: set_value(f, "params/dense1/W", f["params/dense1/W"][()]) or f["params/dense1"].move("b", "c"), "dense1.b: missing"),
    "an array too many": (lambda f: f.copy("params/dense1", "params/dense7"), "dense7.W: the network has no such parameter"),
    "another shape": (lambda f: set_value(f, "params/dense1/b", np.zeros(3)), r"shape \(3,\) in the weights, \(2,\)"),
    "NaN": (lambda f: set_value(f, "params/dense1/b", np.array([1, np.nan])), "dense1.b holds 1 NaN"),
    "infinity": (lambda f: set_value(f, "params/dense1/b", np.array([np.inf, np.nan])), "dense1.b holds 2 NaN"),
    "an array for a group": (lambda f: f["params"].__delitem__("dense1") or f["params"].__setitem__("dense1", 1.0), "should be a group"),
    "a group for an array": (lambda f: f["params/dense1"].__delitem__("b") or f["params/dense1"].create_group("b"), "should be an array"),
    "no JSON": (lambda f: describe(f, "{"), "its architecture cannot be read"),
    "an unknown layer": (lambda f: describe(f, described(f).replace("Dropout", "Dropin")), "unknown kind of layer: 'Dropin'"),
    "an unknown field": (lambda f: describe(f, described(f).replace("keep_prob", "rate")), "its architecture cannot be read"),
    "no version": (lambda f: f.attrs.__delitem__("version"), "not of format version 1"),
    "big-endian": (lambda f: set_value(f, "params/dense1/b", np.zeros(2, ">f8")), "dense1.b is >f8"),
    "nonsense in a layer": (lambda f: describe(f, described(f).replace("0.7", "1.7")), r"keep_prob must lie in \(0, 1\]"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_one_line_that_names_file_and_thing(damage: str, written: Path) -> None:
    edit, message = DAMAGE[damage]
    change(written, edit)
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(written)
    assert str(caught.value).startswith(f"{written}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_that_is_not_hdf5(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "nowhere.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(WeightsError, match="not a weights file"):
        read_weights(tmp_path / "text.h5")
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (architecture(Dense(3, 4), BatchNorm(4)), "dense1 = Dense.*n_out=2.* where dense1 = Dense.*n_out=4"),
        (architecture(Dense(3, 2)), "has 3 layers, 1 are wanted"),
        (
            architecture(Dense(3, 2), BatchNorm(2), Dropout(0.7), loss=SoftmaxCrossEntropy()),
            r"has regulariser L2\(lambda_=0.5\) where regulariser None is wanted",
        ),
        (replace(ARCH, frozen=("batchnorm1",)), r"has frozen \(\) where frozen \('batchnorm1',\) is wanted"),
    ],
)
def test_another_architecture_is_refused_by_what_differs(wanted, message: str, written: Path) -> None:
    with pytest.raises(WeightsError, match=f"of another architecture: .*{message}"):
        read_weights(written, wanted)


def assert_noticed(path: Path, broken: bytes) -> None:
    path.write_bytes(broken)
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_every_truncation_and_every_addition_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    for length in range(0, len(whole), 31):
        assert_noticed(written, whole[:length])
    assert_noticed(written, whole + b"\0")


def test_every_flipped_bit_is_noticed(written: Path) -> None:
    whole, rng = written.read_bytes(), np.random.default_rng(0)
    for position in (*range(80), *rng.choice(len(whole), 2000, replace=False)):
        broken = bytearray(whole)
        broken[position] ^= 1 << int(rng.integers(8))
        assert_noticed(written, bytes(broken))


def test_lost_and_foreign_blocks_are_noticed(written: Path) -> None:
    whole, rng = written.read_bytes(), np.random.default_rng(1)
    for start in range(0, len(whole), 64):
        for block in (bytes(64), rng.bytes(64)):
            broken = whole[:start] + block + whole[start + 64 :]
            if broken[: len(whole)] != whole:
                assert_noticed(written, broken[: len(whole)])


def test_hdf5_sees_no_byte_of_a_damaged_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may crash or loop for ever on one."""
    broken = bytearray(written.read_bytes())
    broken[2000] ^= 1
    monkeypatch.setattr("comparisons.weights_file.h5py.File", lambda *_: pytest.fail("was given to HDF5"))
    assert_noticed(written, bytes(broken))


def test_a_changed_value_is_noticed_until_the_file_is_sealed_again(written: Path) -> None:
    with h5py.File(written, "r+") as file:
        file["params/dense1/W"][0, 0] = 7.0
    with pytest.raises(WeightsError, match="cut short or damaged, its SHA-256 is not the one at its start"):
        read_weights(written)
    seal(written)
    assert read_weights(written)[1].params["dense1"]["W"][0, 0] == 7.0


def test_hdf5_that_is_no_weights_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(WeightsError, match="HDF5, but not a weights file; `backproof weights import`"):
        read_weights(tmp_path / "other.h5")


def test_a_description_of_any_length_returns(tmp_path: Path) -> None:
    arch = architecture(*[Dense(1, 1) for _ in range(1500)])  # HDF5 keeps attributes beyond 64 kB elsewhere
    weights = Weights({name: {"W": np.ones((1, 1)), "b": np.zeros(1)} for name, _ in arch.layers})
    write_weights(tmp_path / "w.h5", arch, weights)
    read_arch, read = read_weights(tmp_path / "w.h5", arch)
    assert read_arch == arch
    assert arrays(read) == arrays(weights)


def test_nothing_wrong_is_written(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    diverged = WEIGHTS.astype("float64")
    diverged.params["dense1"]["W"][1, 1] = np.nan
    mixed = WEIGHTS.astype("float64")
    mixed.params["dense1"]["b"] = mixed.params["dense1"]["b"].astype("float32")
    for weights, message in (
        (diverged, "dense1.W holds 1 NaN"),
        (mixed, "all float32 or all float64"),
        (Weights(), "missing"),
        (WEIGHTS.astype("float16"), "not float16"),
    ):
        with pytest.raises(WeightsError, match=message):
            write_weights(path, ARCH, weights)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_replaced_only_when_asked(written: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(WeightsError, match="exists already"):
        write_weights(written, ARCH, WEIGHTS)
    assert written.read_bytes() == before
    write_weights(written, ARCH, WEIGHTS.astype("float32"), overwrite=True)
    assert read_weights(written)[1].params["dense1"]["W"].dtype == np.float32


def test_an_interrupted_write_leaves_the_old_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = written.read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("comparisons.weights_file.os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_weights(written, ARCH, WEIGHTS, overwrite=True)
    assert written.read_bytes() == before
    assert list(written.parent.iterdir()) == [written]


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, reason in (("no such folder", "No such file or directory"), ("file", "Not a directory")):
        with pytest.raises(WeightsError, match=rf"w\.h5: cannot be written \({reason}\); choose another place"):
            write_weights(tmp_path / place / "w.h5", ARCH, WEIGHTS)
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(WeightsError, match=r"cannot be written \(Is a directory\)"):
        write_weights(tmp_path / "folder.h5", ARCH, WEIGHTS, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.h5"]


def test_a_read_only_folder_and_an_unreadable_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:  # by hand: permissions mean nothing to an administrator
        raise PermissionError(errno.EACCES, "Unable to open file (a paragraph of HDF5's)")

    monkeypatch.setattr("comparisons.weights_file.h5py.File", refuse)
    with pytest.raises(WeightsError, match=r"other\.h5: cannot be written \(Permission denied\); choose another place"):
        write_weights(written.with_name("other.h5"), ARCH, WEIGHTS)
    with pytest.raises(WeightsError, match=r"weights\.h5: may not be read; change its permissions"):
        read_weights(written)


def test_the_same_weights_give_the_same_bytes_a_second_later(written: Path, tmp_path: Path) -> None:
    time.sleep(1.1)  # HDF5 counts times in seconds
    write_weights(tmp_path / "later.h5", ARCH, WEIGHTS)
    assert (tmp_path / "later.h5").read_bytes() == written.read_bytes()
