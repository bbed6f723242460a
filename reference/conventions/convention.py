"""What a convention is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["value", "layout", "unsupported", "mode"]


@dataclass(frozen=True)
class Convention:
    """One documented difference.

    Attributes
    ----------
    id : str
        Name used in code, tables and docs.
    title : str
        What differs, in one line.
    scratch, torch, tensorflow : str
        What each does.
    mapping : str
        How the twin makes them equal.
    kind : {"value", "layout", "unsupported", "mode"}
        `value`: ignoring it changes numbers, so its size is measured. `layout`: ignoring it makes shapes or names differ.
        `unsupported`: the framework's stock part cannot express it; such a comparison is left out, with this reason.
        `mode`: as `value`, met in one of the framework's modes alone, and measured where a run names that mode.
    floor : float
        Smallest tolerance, relative to the tensor's largest element, of a float64 row in which a float32 constant of the
        framework stands in the way; 0 where none does.
    source : str
        Where it can be checked.
    about : tuple of str
        Kinds of layer, loss, optimizer or regulariser that it concerns.
    """

    id: str
    title: str
    scratch: str
    torch: str
    tensorflow: str
    mapping: str
    kind: Kind
    source: str
    about: tuple[str, ...] = ()
    floor: float = 0.0


FLOAT32_CONSTANT = 2.0**-24
"""Relative rounding error of a constant that passes through float32."""
