"""Which piece of the user's code is running, told so that it is known after the process has died or hung.

The name and the time of its start lie in a small file that worker and judge have mapped into memory. That costs a microsecond
for a call, where a message would cost ten, and the finding of units makes many thousands of calls.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_HEAD = struct.Struct("dH")
SIZE = 4096
"""Bytes of the file."""


class Attempts:
    """The worker's end: what it is about to run, and what it is not to run again.

    Parameters
    ----------
    path : Path, optional
        The file to tell it in; nobody is told without.
    excluded : mapping of str to str
        Names that are not to be run, with what they did: `ended the process`.
    """

    def __init__(self, path: Path | None = None, excluded: Mapping[str, str] | None = None) -> None:
        self.excluded = dict(excluded or {})
        self._told = _mapped(path) if path else None

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """The time in which a piece of the user's code runs."""
        if self._told is None:
            yield
            return
        text = name.encode()[: SIZE - _HEAD.size]
        before = self._told[:SIZE] if _HEAD.unpack(self._told[: _HEAD.size])[0] else None
        self._told[_HEAD.size : _HEAD.size + len(text)] = text
        self._told[: _HEAD.size] = _HEAD.pack(time.time(), len(text))
        try:
            yield
        finally:
            if before is None:
                self._told[: _HEAD.size] = _HEAD.pack(0.0, len(text))
            else:  # one around it goes on
                self._told[:SIZE] = before


class Watch:
    """The judge's end."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"\0" * SIZE)
        self._told = _mapped(path)

    def last(self) -> str:
        """Name of what runs now, or ran last; empty if nothing has."""
        _, length = _HEAD.unpack(self._told[: _HEAD.size])
        return self._told[_HEAD.size : _HEAD.size + length].decode(errors="replace")

    def seconds(self) -> float:
        """For how long it has run by now; 0 if it is over."""
        started, _ = _HEAD.unpack(self._told[: _HEAD.size])
        return max(0.0, time.time() - started) if started else 0.0


def _mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), SIZE)
