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
    tuple of ndarray of shape (n,)
        Views of arrays that are contiguous. Of others (transposed, say), rows of the first axis are copied, as many as
        make a piece: their copies are never whole. An empty array has no pieces.
    """
    size = arrays[0].size
    if size <= BLOCK or all(a.flags.c_contiguous for a in arrays):
        flat = [a.reshape(-1) for a in arrays]
        for start in range(0, size, BLOCK):
            yield tuple(a[start : start + BLOCK] for a in flat)
        return
    rows = max(1, BLOCK * len(arrays[0]) // size)
    for start in range(0, len(arrays[0]), rows):
        yield tuple(a[start : start + rows].reshape(-1) for a in arrays)
