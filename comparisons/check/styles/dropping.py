"""Dropout in networks: switched off where a network is first recognised, switched on where its way back is compared with it.

A share that is an argument, an attribute or a global name is set to `KEEP`. What the code draws is the same in every run
(`repeated`), so the output can be differentiated with its masks.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.repeated import salted
from comparisons.check.styles.network_access import Access, Array, Seen

KEEP = 0.625
"""Exact in binary, and far from a half, which would hide that the wrong share is divided by."""
_KEEP = re.compile(r"(p_?)?keep\w*|retain\w*|kp", re.IGNORECASE)
_DROP = re.compile(r"(use_?)?drop\w*|(p|prob|rate|do)_?drop\w*", re.IGNORECASE)
_TRAINING = re.compile(r"(is_?)?train(ing)?(_?(mode|phase|flag))?|mode|phase", re.IGNORECASE)
_on = False


@contextmanager
def dropping() -> Iterator[None]:
    """While it lasts, units are dropped."""
    global _on
    before, _on = _on, True
    try:
        yield
    finally:
        _on = before


def dropped(name: str, now: Any = None) -> Any:
    """What is given for an argument, attribute or global name while units are dropped; None if it has nothing to do with that.

    Parameters
    ----------
    name : str
    now : object
        Its value, or its default, `inspect.Parameter.empty` where there is none.
    """
    name = name.strip("_")
    if not _on:
        return None
    if _TRAINING.fullmatch(name):
        return "train" if isinstance(now, str) else True if isinstance(now, bool) else None
    if isinstance(now, bool) and _DROP.fullmatch(name):
        return True
    if isinstance(now, str | list | tuple | dict | np.ndarray) or (
        callable(now) and now is not inspect.Parameter.empty
    ):
        return None
    return KEEP if _KEEP.fullmatch(name) else 1 - KEEP if _DROP.fullmatch(name) else None


@dataclass
class Dropping:
    """A network with its dropout on."""

    access: Access

    def __post_init__(self) -> None:
        self.name = f"{self.access.name} with dropout"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "access":
            raise AttributeError(name)
        return getattr(self.access, name)

    def forward(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """Outputs alone."""
        with dropping():
            return self.access.forward(params, x, y, m)

    def step(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """Gradients, or parameters after one update."""
        with dropping():
            return self.access.step(params, x, y, m)


def draws(run: Any) -> bool:
    """Whether what `run()` gives, arrays by name, depends on random numbers."""
    found = []
    for salt in (1, 2):
        with salted(salt):
            found.append(run())
    first, second = found
    return first.keys() != second.keys() or any(
        a.shape != second[n].shape or not np.array_equal(a, second[n], equal_nan=a.dtype.kind == "f")
        for n, a in first.items()
    )
