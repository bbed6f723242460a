"""A network's weights as Keras keeps them: the `.weights.h5` file of a `keras.Sequential` of the layers."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import h5py

from reference.tensorflow_twin import FrameworkTwin  # first: it sets what Keras reads when it is imported
from scratch.convolution import Conv2D
from scratch.network import Architecture
from scratch.weights import Weights

import keras  # isort: skip


def sequential(twin: FrameworkTwin) -> Any:
    """A Keras model of the twin's layers.

    Raises
    ------
    ValueError
        If no layer says how many features it takes.
    """
    known = ((layer, getattr(layer, "n_in", getattr(layer, "n", None))) for _, layer in twin.architecture.layers)
    first = next(((layer, n) for layer, n in known if n is not None), None)
    if first is None:
        raise ValueError("a network without parameters has no Keras weights file")
    layer, n = first
    inputs = keras.Input((None, None, n) if isinstance(layer, Conv2D) else (n,), dtype=twin.dtype)
    return keras.Sequential([inputs, *(layer.layer for layer in twin.layers.values())])


def save(path: Path, arch: Architecture, weights: Weights, dtype: str) -> None:
    """Write a file that `model.load_weights` understands; Keras wants its name to end in `.weights.h5`."""
    twin = FrameworkTwin(arch, dtype=dtype)
    twin.load(weights)
    with tempfile.TemporaryDirectory() as folder:
        written = os.path.join(folder, "checkpoint.weights.h5")
        sequential(twin).save_weights(written)
        shutil.copyfile(written, path)


def load(path: Path, arch: Architecture) -> Weights:
    """Read one, in its own precision.

    Raises
    ------
    ValueError
        If it is not a Keras weights file, or not of this architecture; the message says what differs.
    """
    twin = FrameworkTwin(arch, dtype=_dtype(path))
    with tempfile.TemporaryDirectory() as folder:
        named = os.path.join(folder, "checkpoint.weights.h5")
        shutil.copyfile(path, named)
        try:
            sequential(twin).load_weights(named)
        except Exception as error:  # Keras raises ValueError, KeyError, TypeError, ... for a file of another model
            raise ValueError(" ".join(str(error).split())[:200].replace(named, path.name)) from error
    return twin.weights()


def _dtype(path: Path) -> str:
    """The one precision of the file's arrays."""
    found: set[str] = set()
    try:
        with h5py.File(path, "r") as file:
            file.visititems(lambda _, item: found.add(str(item.dtype)) if isinstance(item, h5py.Dataset) else None)
    except OSError as error:
        raise ValueError(f"not an HDF5 file ({' '.join(str(error).split())[:80]})") from error
    if len(found) != 1 or not found <= {"float32", "float64"}:
        raise ValueError(f"its arrays are {', '.join(sorted(found)) or 'none'}; all should be float32, or all float64")
    return found.pop()
