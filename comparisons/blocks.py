"""Arrays piece by piece, so that what is computed on the way stays small however large they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Array = np.ndarray

BLOCK = 2**18
"""Elements of a piece: a few of them fit a core's cache."""


def blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """The same piece of each of several arrays of one shape, in row-major order, as flat arrays.

    Yields
    ------
    tuple of ndarray of shape (n,), n <= BLOCK
        Views of arrays that are contiguous. An empty array has no pieces.
    """
    flat = [a.reshape(-1) for a in arrays]
    for start in range(0, flat[0].size, BLOCK):
        yield tuple(a[start : start + BLOCK] for a in flat)
