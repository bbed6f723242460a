"""The implementations' own checkpoint formats: scratch's `.npz`, torch's `.pt`, Keras's `.weights.h5`."""

from __future__ import annotations

import importlib
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from comparisons.errors import UnknownName, WeightsError
from comparisons.weights_file import check_numbers
from reference import FRAMEWORKS, twin_class
from scratch import Architecture, Weights
from scratch.network import check_weights
from scratch.weights import flatten

IMPLEMENTATIONS = ("scratch", *FRAMEWORKS)


def export_weights(
    path: Path, implementation: str, arch: Architecture, weights: Weights, overwrite: bool = False
) -> None:
    """Write a network's weights in an implementation's own format, by way of its own objects.

    Raises
    ------
    UnknownName, MissingFramework, WeightsError
    """
    writer = _module(implementation).save if implementation != "scratch" else _save_npz
    if path.exists() and not overwrite:
        raise WeightsError(f"{path}: exists already; choose another name, or give --overwrite")
    dtype = check_numbers(path, weights)
    try:
        check_weights(arch, weights)
        # A folder, for the file to have its own name: torch writes the name into the file.
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            writer(Path(folder, path.name), arch, weights, dtype)
            os.replace(Path(folder, path.name), path)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError for a full disk
        reason = getattr(error, "strerror", None) or _one_line(error)
        raise WeightsError(f"{path}: cannot be written ({reason}); choose another place") from error
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


def import_weights(path: Path, implementation: str, arch: Architecture) -> Weights:
    """Read an implementation's own file; its arrays must be exactly the architecture's, finite and of one dtype.

    Raises
    ------
    UnknownName, MissingFramework, WeightsError
    """
    reader = _module(implementation).load if implementation != "scratch" else _load_npz
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        _check_zip(path)
        weights = reader(path, arch)
        check_weights(arch, weights)
    except PermissionError as error:
        raise WeightsError(f"{path}: may not be read; change its permissions") from error
    except Exception as error:  # whatever a damaged file makes zipfile, pickle, h5py or the framework stumble over
        raise WeightsError(
            f"{path}: not a {implementation} checkpoint of this network: {_one_line(error)}; "
            "name the network it was saved from, or save it again"
        ) from error
    check_numbers(path, weights)
    return weights


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(".")


def _check_zip(path: Path) -> None:
    """Compare the checksums of a `.npz` or `.pt` file, both zip files: torch.load does not, and returns damaged values."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as file:
        # torch reads nothing for a member with the mark of a folder, and returns memory as it lies.
        folders = (member.filename for member in file.infolist() if member.external_attr & 0x10)
        damaged = file.testzip() or next(folders, None)
    if damaged is not None:
        raise ValueError(f"damaged, {damaged} is not what its checksum or mark says")


def _module(implementation: str):
    if implementation not in FRAMEWORKS:
        raise UnknownName(f"no implementation is named {implementation!r}; known are {', '.join(IMPLEMENTATIONS)}")
    twin_class(implementation)  # raises MissingFramework
    return importlib.import_module(f"reference.{implementation}_checkpoint")


def _save_npz(path: Path, arch: Architecture, weights: Weights, dtype: str) -> None:
    named = {f"params/{name}": a for name, a in flatten(weights.params)}
    named |= {f"buffers/{name}": a for name, a in flatten(weights.buffers)}
    with path.open("wb") as file:
        np.savez(file, **named)  # type: ignore[arg-type]


def _load_npz(path: Path, arch: Architecture) -> Weights:
    weights = Weights()
    with path.open("rb") as stream:
        file = np.load(stream, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("one array without a name; a .npz file holds named arrays")
        for key in file.files:
            kind, _, name = key.partition("/")
            layer, _, leaf = name.partition(".")
            if kind not in ("params", "buffers") or not leaf:
                raise ValueError(f"its array {key!r} is named neither params/<layer>.<name> nor buffers/<layer>.<name>")
            getattr(weights, kind).setdefault(layer, {})[leaf] = file[key]
    return weights
