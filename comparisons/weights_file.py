"""The weights file: one HDF5 format that all implementations read and write; docs/weights.md describes it.

Reading checks everything before anything is returned, so nothing is ever half-loaded; writing goes to a temporary file that
replaces the old one only when it is whole.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from comparisons.errors import WeightsError
from scratch import Architecture, Weights
from scratch.network import check_weights
from scratch.weights import Arrays, flatten

Array = np.ndarray

FORMAT, VERSION = "backproof-weights", 1
DTYPES = ("float32", "float64")


def write_weights(path: Path | str, arch: Architecture, weights: Weights, overwrite: bool = False) -> None:
    """Write a network's description and arrays.

    Parameters
    ----------
    path : path
    arch : Architecture
    weights : Weights
        All parameters and buffers of `arch`, finite, all float32 or all float64.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    WeightsError
        If the arrays are not the architecture's, hold NaN or infinity, or the file cannot be written.
    """
    path = Path(path)
    dtype = _check_arrays(path, arch, weights)
    if path.exists() and not overwrite:
        raise WeightsError(f"{path}: exists already; choose another name, or give --overwrite")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w") as file:
            _write(file, arch, weights, dtype)
        os.replace(part, path)
    except OSError as error:
        reason = error.strerror or str(error).partition("(")[2].rstrip(")") or str(error)
        raise WeightsError(f"{path}: cannot be written ({reason}); choose another place") from error
    finally:
        part.unlink(missing_ok=True)


def _check_arrays(path: Path, arch: Architecture, weights: Weights) -> str:
    """The one dtype of all arrays, once they are known to be the architecture's and finite."""
    try:
        check_weights(arch, weights)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    named = [*flatten(weights.params), *flatten(weights.buffers)]
    dtypes = {str(a.dtype) for _, a in named} or {"float64"}
    if len(dtypes) > 1 or not dtypes <= set(DTYPES):
        raise WeightsError(f"{path}: the arrays must be all float32 or all float64, not {', '.join(sorted(dtypes))}")
    for name, a in named:
        _check_finite(path, name, a)
    return dtypes.pop()


def _check_finite(path: Path, name: str, a: Array) -> None:
    wild = int(np.size(a) - np.count_nonzero(np.isfinite(a)))
    if wild:
        raise WeightsError(f"{path}: {name} holds {wild} NaN or infinite of {a.size} elements; the training diverged?")


def _write(file: h5py.File, arch: Architecture, weights: Weights, dtype: str) -> None:
    file.attrs["format"], file.attrs["version"], file.attrs["dtype"] = FORMAT, VERSION, dtype
    description = json.dumps(arch.config())
    file.attrs["architecture"], file.attrs["architecture_crc32"] = description, zlib.crc32(description.encode())
    for group, arrays in (("params", weights.params), ("buffers", weights.buffers)):
        parent = file.create_group(group, track_order=True)
        for layer, named in arrays.items():
            members = parent.create_group(layer, track_order=True)
            for name, a in named.items():
                data = np.ascontiguousarray(a, dtype=np.dtype(dtype).newbyteorder("<"))
                # Without times: the same weights give the same bytes.
                dataset = members.create_dataset(name, data=data, track_times=False)
                dataset.attrs["crc32"] = zlib.crc32(data.tobytes())


def read_weights(path: Path | str, arch: Architecture | None = None) -> tuple[Architecture, Weights]:
    """Read a network's description and arrays.

    Parameters
    ----------
    path : path
    arch : Architecture, optional
        What the file must describe; anything goes if not given.

    Returns
    -------
    Architecture
    Weights
        In the precision of the file, bit for bit.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of another format, version or architecture, or holds NaN or infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; `backproof weights new` makes one")
    try:
        with h5py.File(path, "r") as file:
            described, dtype = _read_header(path, file)
            weights = Weights(_read_arrays(path, file, "params", dtype), _read_arrays(path, file, "buffers", dtype))
    except WeightsError:
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ... for a damaged file
        raise WeightsError(
            f"{path}: cut short, damaged or not HDF5 ({_one_line(error)}); restore or write it again"
        ) from error
    if arch is not None:
        _check_same(path, described, arch)
    _check_arrays(path, described, weights)
    return described, weights


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _read_header(path: Path, file: h5py.File) -> tuple[Architecture, str]:
    if file.attrs.get("format") != FORMAT:
        raise WeightsError(f"{path}: HDF5, but not a weights file (its attribute `format` is not {FORMAT!r})")
    version = file.attrs.get("version")
    if version != VERSION:
        raise WeightsError(
            f"{path}: format version {version}, this backproof reads {VERSION}; write it again with this version"
        )
    dtype = str(file.attrs["dtype"])
    if dtype not in DTYPES:
        raise WeightsError(f"{path}: dtype {dtype}; known are {', '.join(DTYPES)}")
    description = file.attrs["architecture"]
    if zlib.crc32(description.encode()) != file.attrs["architecture_crc32"]:
        raise WeightsError(f"{path}: the description of the architecture is damaged; restore or write it again")
    try:
        return Architecture.from_config(json.loads(description)), dtype
    except ValueError as error:
        raise WeightsError(f"{path}: its architecture cannot be read ({_one_line(error)})") from error


def _read_arrays(path: Path, file: h5py.File, group: str, dtype: str) -> Arrays:
    arrays: Arrays = {}
    for layer, name, dataset in _datasets(path, file, group):
        label = f"{layer}.{name}"
        if dataset.dtype != np.dtype(dtype):
            raise WeightsError(f"{path}: {label} is {dataset.dtype}, the file says {dtype}")
        a = np.asarray(dataset[()], dtype=dtype)
        if zlib.crc32(a.astype(np.dtype(dtype).newbyteorder("<")).tobytes()) != dataset.attrs.get("crc32"):
            raise WeightsError(
                f"{path}: {label} is damaged, its checksum is not that of its values; restore or write it again"
            )
        arrays.setdefault(layer, {})[name] = a
    return arrays


def _datasets(path: Path, file: h5py.File, group: str) -> Iterator[tuple[str, str, Any]]:
    for layer, members in file[group].items():
        if not isinstance(members, h5py.Group):
            raise WeightsError(f"{path}: /{group}/{layer} should be a group of arrays")
        for name, dataset in members.items():
            if not isinstance(dataset, h5py.Dataset):
                raise WeightsError(f"{path}: /{group}/{layer}/{name} should be an array")
            yield layer, name, dataset


def _check_same(path: Path, described: Architecture, wanted: Architecture) -> None:
    """Name the first thing that differs."""
    if described == wanted:
        return
    for (name, layer), (other, other_layer) in zip(described.layers, wanted.layers, strict=False):
        if (name, layer) != (other, other_layer):
            what = f"has {name} = {layer} where {other} = {other_layer} is wanted"
            break
    else:
        if len(described.layers) != len(wanted.layers):
            what = f"has {len(described.layers)} layers, {len(wanted.layers)} are wanted"
        else:
            what = f"has loss {described.loss} and regulariser {described.regulariser}, {wanted.loss} and {wanted.regulariser} are wanted"
    raise WeightsError(f"{path}: of another architecture: it {what}")
