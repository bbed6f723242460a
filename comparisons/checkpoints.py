"""The implementations' own checkpoint formats: scratch's `.npz`, torch's `.pt`, Keras's `.weights.h5`."""

from __future__ import annotations

import importlib
import os
import zipfile
from pathlib import Path

import numpy as np

from comparisons.errors import UnknownName, WeightsError
from reference import FRAMEWORKS, MissingFramework, missing
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
    arrays = [a for _, a in (*flatten(weights.params), *flatten(weights.buffers))]
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        writer(part, arch, weights, str(arrays[0].dtype) if arrays else "float64")
        os.replace(part, path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def import_weights(path: Path, implementation: str, arch: Architecture) -> Weights:
    """Read an implementation's own file; its arrays must be exactly the architecture's.

    Raises
    ------
    UnknownName, MissingFramework, WeightsError
    """
    reader = _module(implementation).load if implementation != "scratch" else _load_npz
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        weights = reader(path, arch)
        check_weights(arch, weights)
    except ValueError as error:
        raise WeightsError(f"{path}: not a {implementation} checkpoint of this network: {error}") from error
    return weights


def _module(implementation: str):
    if implementation not in FRAMEWORKS:
        raise UnknownName(f"no implementation is named {implementation!r}; known are {', '.join(IMPLEMENTATIONS)}")
    if reason := missing(implementation):
        raise MissingFramework(reason)
    return importlib.import_module(f"reference.{implementation}_checkpoint")


def _save_npz(path: Path, arch: Architecture, weights: Weights, dtype: str) -> None:
    named = {f"params/{name}": a for name, a in flatten(weights.params)}
    named |= {f"buffers/{name}": a for name, a in flatten(weights.buffers)}
    with path.open("wb") as file:
        np.savez(file, **named)  # type: ignore[arg-type]


def _load_npz(path: Path, arch: Architecture) -> Weights:
    weights = Weights()
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            for key in file.files:
                kind, _, name = key.partition("/")
                layer, _, leaf = name.partition(".")
                if kind not in ("params", "buffers") or not leaf:
                    raise ValueError(
                        f"its array {key!r} is named neither params/<layer>.<name> nor buffers/<layer>.<name>"
                    )
                getattr(weights, kind).setdefault(layer, {})[leaf] = file[key]
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"not a readable .npz file ({' '.join(str(error).split())})") from error
    return weights
