"""The weights file: one HDF5 format that all implementations read and write; docs/weights.md describes it.

Reading checks everything before anything is returned, so nothing is ever half-loaded; writing goes to a temporary file that
replaces the old one only when it is whole.

The file begins with a seal, the SHA-256 of all that follows, and is compared with it before HDF5 sees a byte. libhdf5 trusts
what it reads: one flipped bit can make it crash or loop for ever, which no `except` catches, and its own checksums, where it
has them, do not prevent that.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
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
BLOCK = 512
"""Bytes in front of the HDF5 part that HDF5 leaves to the user; the seal is there."""
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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
    _check_described(path, arch, weights)
    dtype = check_numbers(path, weights)
    if path.exists() and not overwrite:
        raise WeightsError(f"{path}: exists already; choose another name, or give --overwrite")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with h5py.File(part, "w", userblock_size=BLOCK) as file:
            _write(file, arch, weights, dtype)
        seal(part)
        os.replace(part, path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written ({_reason(error)}); choose another place") from error
    finally:
        with suppress(OSError):  # none was made where the folder is missing or read-only
            part.unlink()


def _reason(error: OSError) -> str:
    # h5py's strerror is a whole paragraph.
    return os.strerror(error.errno) if error.errno else _one_line(error)


def _check_described(path: Path, arch: Architecture, weights: Weights) -> None:
    try:
        check_weights(arch, weights)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


def check_numbers(path: Path, weights: Weights) -> str:
    """The one dtype of all arrays, once they are known to be finite; float64 where there are none.

    Raises
    ------
    WeightsError
        If dtypes are mixed or neither float32 nor float64, or an element is NaN or infinite.
    """
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
    file.attrs["architecture"], file.attrs["written_by"] = json.dumps(arch.config()), _written_by()
    for group, arrays in (("params", weights.params), ("buffers", weights.buffers)):
        parent = _create_group(file, group)
        for layer, named in arrays.items():
            members = _create_group(parent, layer)
            for name, a in named.items():
                # Without times: the same weights give the same bytes.
                members.create_dataset(name, data=a, dtype=_stored(dtype), track_times=False)


def _create_group(parent: h5py.Group, name: str) -> h5py.Group:
    """A group that keeps its members in order, and no times, which h5py's own function cannot leave out."""
    properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    properties.set_obj_track_times(False)
    properties.set_link_creation_order(h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED)
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=properties))


def _stored(dtype: str) -> np.dtype:
    return np.dtype(dtype).newbyteorder("<")


def _written_by() -> str:
    try:
        return f"backproof {metadata.version('backproof')}"
    except metadata.PackageNotFoundError:  # run from the sources
        return "backproof"


def seal(path: Path) -> None:
    """Put the SHA-256 of all that follows into the block at the start of a file; whoever changes the file seals it again."""
    with path.open("r+b") as file:
        file.seek(BLOCK)
        digest = hashlib.file_digest(file, "sha256")
        file.seek(0)
        file.write(_sealed(digest.hexdigest()))


def _sealed(digest: str) -> bytes:
    return f"{FORMAT} sha256 {digest}\n".encode().ljust(BLOCK, b"\0")


def _check_seal(path: Path) -> None:
    with path.open("rb") as file:
        block = file.read(BLOCK)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if block == _sealed(digest):
        return
    if block.startswith(HDF5_SIGNATURE):
        raise WeightsError(
            f"{path}: HDF5, but not a weights file; `backproof weights import` reads what the frameworks save"
        )
    if not block.startswith(FORMAT.encode()):
        raise WeightsError(
            f"{path}: not a weights file, or one damaged at its start; `backproof weights new` makes one"
        )
    raise WeightsError(
        f"{path}: cut short or damaged, its SHA-256 is not the one at its start; restore or write it again"
    )


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
        _check_seal(path)
        with h5py.File(path, "r") as file:
            described, dtype = _read_header(path, file)
            weights = Weights(_read_arrays(path, file, "params", dtype), _read_arrays(path, file, "buffers", dtype))
    except WeightsError:
        raise
    except PermissionError as error:
        raise WeightsError(f"{path}: may not be read; change its permissions") from error
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ... where something is not as described
        raise WeightsError(f"{path}: not of format version {VERSION} ({_one_line(error)}); write it again") from error
    if arch is not None:
        _check_same(path, described, arch)
    _check_described(path, described, weights)
    check_numbers(path, weights)
    return described, weights


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _read_header(path: Path, file: h5py.File) -> tuple[Architecture, str]:
    if file.attrs.get("format") != FORMAT:
        raise WeightsError(f"{path}: not a weights file, its attribute `format` is not {FORMAT!r}; write it again")
    version = file.attrs["version"]
    if version != VERSION:
        raise WeightsError(
            f"{path}: format version {version}, this backproof reads {VERSION}; write it again with this version"
        )
    dtype = str(file.attrs["dtype"])
    if dtype not in DTYPES:
        raise WeightsError(f"{path}: dtype {dtype}; write it again in {' or '.join(DTYPES)}")
    try:
        return Architecture.from_config(json.loads(file.attrs["architecture"])), dtype
    except ValueError as error:
        raise WeightsError(
            f"{path}: its architecture cannot be read ({_one_line(error)}); write it again with this version"
        ) from error


def _read_arrays(path: Path, file: h5py.File, group: str, dtype: str) -> Arrays:
    arrays: Arrays = {}
    for layer, name, dataset in _datasets(path, file, group):
        label = f"{layer}.{name}"
        if dataset.dtype != _stored(dtype):
            raise WeightsError(f"{path}: {label} is {dataset.dtype}, the file says {dtype}; write it again")
        arrays.setdefault(layer, {})[name] = np.asarray(dataset[()], dtype=dtype)
    return arrays


def _datasets(path: Path, file: h5py.File, group: str) -> Iterator[tuple[str, str, Any]]:
    # By name, not by items(): that gives None for a damaged object, where a lookup says what is wrong.
    for layer in file[group]:
        members = file[group][layer]
        if not isinstance(members, h5py.Group):
            raise WeightsError(f"{path}: /{group}/{layer} should be a group of arrays; write it again")
        for name in members:
            if not isinstance(members[name], h5py.Dataset):
                raise WeightsError(f"{path}: /{group}/{layer}/{name} should be an array; write it again")
            yield layer, name, members[name]


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
            fields = ("loss", "regulariser", "frozen")
            has, needs = ([f"{name} {getattr(arch, name)}" for name in fields] for arch in (described, wanted))
            differing = [pair for pair in zip(has, needs, strict=True) if pair[0] != pair[1]]
            what = " where ".join(" and ".join(side) for side in zip(*differing, strict=True)) + " is wanted"
            what = f"has {what}"
    raise WeightsError(f"{path}: of another architecture: it {what}; name another file or network")
