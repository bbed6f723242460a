"""Frameworks that a file imports for their data sets alone: what loads data is not run, so they need not be imported, which takes seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

ROOTS = ("tensorflow", "keras", "tensorflow_datasets", "torchvision", "mxnet")
"""Modules that take long to import."""
_DATA = ("datasets", "load_data", "tensorflow_datasets")


def to_categorical(x: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Class numbers as one-hot rows, as `keras.utils.to_categorical`."""
    labels = np.asarray(x, dtype=int)
    labels = labels[..., 0] if labels.ndim > 1 and labels.shape[-1] == 1 else labels
    return np.eye(num_classes or int(labels.max()) + 1, dtype=dtype or "float32")[labels]


ENCODERS = {"to_categorical": to_categorical}


def for_data_alone(statement: ast.stmt, tree: ast.Module) -> bool:
    """Whether all that an import of a framework gives is used for data sets, and for one-hot rows of them, or not at all.

    Parameters
    ----------
    statement : ast.stmt
        An import at the top level.
    tree : ast.Module
        The whole file.
    """
    if isinstance(statement, ast.ImportFrom):
        module = statement.module or ""
        if statement.level or module.partition(".")[0] not in ROOTS:
            return False
        named = {a.asname or a.name: f"{module}.{a.name}" for a in statement.names}
    elif isinstance(statement, ast.Import):
        if any(a.name.partition(".")[0] not in ROOTS for a in statement.names):
            return False
        named = {a.asname or a.name.partition(".")[0]: a.name for a in statement.names}
    else:
        return False
    return "*" not in named and all(_of_data(name, path, tree) for name, path in named.items())


def _of_data(name: str, path: str, tree: ast.Module) -> bool:
    parts = path.split(".")
    if any(p in _DATA for p in parts) or parts[-1] in ENCODERS:
        return True
    uses = list(_uses(name, tree))
    return all(any(p in _DATA or p in ENCODERS for p in use.split(".")) for use in uses)


def _uses(name: str, tree: ast.Module) -> Iterator[str]:
    """The longest chains of attributes, `tf.keras.datasets.mnist.load_data`, that begin with a name."""
    inner: set[int] = set()
    for node in ast.walk(tree):  # outer nodes come first
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                inner.add(id(root))
                root = root.value
            inner.add(id(root))
            if isinstance(root, ast.Name) and root.id == name:
                yield ast.unparse(node)
        elif isinstance(node, ast.Name) and node.id == name and id(node) not in inner:
            yield name
