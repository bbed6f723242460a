"""A network's weights as Keras keeps them: the `.weights.h5` file of a `keras.Sequential` of the layers."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import h5py
import keras

from reference.tensorflow_recurrent import Rearranged
from reference.tensorflow_twin import FrameworkTwin
from scratch.convolution import Conv2D
from scratch.convolution_transpose import Conv2DTranspose
from scratch.network import Architecture
from scratch.normalisation import GroupNorm
from scratch.recurrent import LSTM, SimpleRNN
from scratch.weights import Weights


def sequential(twin: FrameworkTwin) -> Any:
    """A Keras model of the twin's layers.

    Raises
    ------
    ValueError
        If no layer says how many features it takes, or the twin of one keeps its weights in scratch's arrangement.
    """
    for name, twin_layer in twin.layers.items():
        if isinstance(twin_layer.layer, Rearranged):
            raise ValueError(
                f"{name}: Keras keeps its weights in another arrangement; use backproof's own weights file"
            )
    known = ((layer, getattr(layer, "n_in", getattr(layer, "n", None))) for _, layer in twin.architecture.layers)
    first = next(((layer, n) for layer, n in known if n is not None), None)
    if first is None:
        raise ValueError("a network without parameters has no Keras weights file")
    layer, n = first
    images = (None, None)
    axes = {Conv2D: images, Conv2DTranspose: images, GroupNorm: images, SimpleRNN: (None,), LSTM: (None,)}
    inputs = keras.Input((*axes.get(type(layer), ()), n), dtype=twin.dtype)
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
    """Read one, in its own precision; an optimizer's memory, which Keras saves beside a compiled model's weights, is passed over.

    Raises
    ------
    ValueError
        If it is not a Keras weights file, or not of this architecture; the message says what differs.
    """
    given = _arrays(path)
    twin = FrameworkTwin(arch, dtype=_dtype(given))
    model = sequential(twin)
    with tempfile.TemporaryDirectory() as folder:
        own, named = Path(folder, "own.weights.h5"), Path(folder, "checkpoint.weights.h5")
        model.save_weights(own)
        # Keras reads what the model needs and says nothing about the rest: a deeper network's file would pass.
        if extra := sorted(given.keys() - _arrays(own).keys()):
            raise ValueError(f"it holds {', '.join(extra)[:150]}, which this network has no place for")
        shutil.copyfile(path, named)
        try:
            model.load_weights(named)
        except Exception as error:  # Keras raises ValueError, KeyError, TypeError, ... for a file of another model
            raise ValueError(" ".join(str(error).split())[:200].replace(str(named), path.name)) from error
    return twin.weights()


def _arrays(path: Path) -> dict[str, str]:
    """Name and dtype of every array of the model's layers."""
    found: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer/"):
            found[name] = str(item.dtype)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"not a whole HDF5 file ({' '.join(str(error).split())[:80]})") from error
    return found


def _dtype(arrays: dict[str, str]) -> str:
    """Their one precision."""
    found = set(arrays.values())
    if len(found) != 1 or not found <= {"float32", "float64"}:
        raise ValueError(f"its arrays are {', '.join(sorted(found)) or 'none'}; all should be float32, or all float64")
    return found.pop()
