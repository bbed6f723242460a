"""Arrays by name, of which the large ones are kept in a file: traces and plans of any size take little memory."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from typing import IO, cast
from weakref import WeakValueDictionary

import numpy as np

from comparisons.blocks import blocks

Array = np.ndarray

SPILLED_FROM = 2**20
"""Number of elements from which a tensor is kept in a file."""


class Tensors(MutableMapping[str, Array]):
    """Arrays by name, in order. Large ones lie in a temporary file, and are mapped into memory when they are asked for.

    So a trace of any size takes little memory, and its tensors are arrays all the same; their pages are given back as
    soon as nothing refers to them. The file has no name: it goes with the last reference to it, however the process ends.
    """

    def __init__(self) -> None:
        self._held: dict[str, Array | _Spilled] = {}
        # What is mapped already is not mapped twice: its pages would count twice in the memory of the process.
        self._mapped: WeakValueDictionary[str, Array] = WeakValueDictionary()

    def __setitem__(self, name: str, a: Array) -> None:
        self._mapped.pop(name, None)
        a = np.asarray(a)  # a user's code may give a number
        self._held[name] = self._spill(a) if a.size >= SPILLED_FROM else a

    def __getitem__(self, name: str) -> Array:
        found = self._held[name]
        if isinstance(found, np.ndarray):
            return found
        mapped = self._mapped.get(name)
        if mapped is None:
            mapped = self._mapped[name] = np.asarray(np.memmap(self._file, found.dtype, "r", found.offset, found.shape))
        return mapped

    def __delitem__(self, name: str) -> None:
        del self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def _spill(self, a: Array) -> _Spilled:
        place = _Spilled(self._file.seek(0, os.SEEK_END), a.dtype, a.shape)
        for (block,) in blocks(a):
            block.tofile(self._file)
        return place

    @cached_property
    def _file(self) -> IO[bytes]:
        file = tempfile.TemporaryFile(prefix="backproof-")  # noqa: SIM115  (open for as long as the tensors are wanted)
        weakref.finalize(self, file.close)
        return file


@dataclass(frozen=True)
class _Spilled:
    """Where an array lies in its file."""

    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]


def spilled(arrays: dict[str, Array]) -> dict[str, Array]:
    """The same arrays by the same names: large ones out of memory, and taken out of `arrays` so as not to stay there."""
    if all(a.size < SPILLED_FROM for a in arrays.values()):
        return arrays
    tensors = Tensors()
    for name in list(arrays):
        tensors[name] = arrays.pop(name)
    return cast("dict[str, Array]", tensors)  # read like one
