"""Real data sets, from packages or from a folder of the user's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from comparisons.errors import MissingData

Array = np.ndarray
Split = tuple[Array, Array, Array, Array]
"""x_train, y_train, x_test, y_test: examples in rows, float64."""


def digits() -> Split:
    """scikit-learn's handwritten digits, scaled to [0, 1], one-hot, split 1,437 : 360 in a fixed order.

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarray of float64
        Shapes (1437, 64), (1437, 10), (360, 64), (360, 10).

    Raises
    ------
    MissingData
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingData("digits: scikit-learn is not installed; pip install 'backproof[data]'") from error
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    x, y = pixels[order] / 16, np.eye(10)[labels[order]]
    return x[:1437], y[:1437], x[1437:], y[1437:]


def cats() -> Split:
    """The course's cat / non-cat images: 209 for training, 50 for testing, of 64 x 64 x 3 bytes scaled to [0, 1].

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarray of float64
        Shapes (209, 12288), (209, 1), (50, 12288), (50, 1).

    Raises
    ------
    MissingData
        If the two HDF5 files are not in the folder that `BACKPROOF_DATA` names, or cannot be read.
    """
    import h5py

    folder = data_folder()
    arrays = []
    for part in ("train", "test"):
        path = folder / f"{part}_catvnoncat.h5"
        try:
            with h5py.File(path, "r") as file:
                images, labels = file[f"{part}_set_x"][()], file[f"{part}_set_y"][()]
        except (OSError, KeyError) as error:
            reason = " ".join(str(error).split())[:80]
            raise MissingData(f"cats: {path} cannot be read ({reason}); set BACKPROOF_DATA to its folder") from error
        arrays += [images.reshape(len(images), -1) / 255, labels.reshape(-1, 1).astype(np.float64)]
    return arrays[0], arrays[1], arrays[2], arrays[3]


def data_folder() -> Path:
    """Where the data sets are that are not ours to ship: `BACKPROOF_DATA`, or `../shared/data`."""
    return Path(os.environ.get("BACKPROOF_DATA") or "../shared/data")


DATA = {"digits": digits, "cats": cats}
