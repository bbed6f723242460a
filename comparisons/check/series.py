"""How code keeps inputs and states of recurrent layers: one step or many, batches or single examples, arrays or lists of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


def _apart(a: Array) -> list[Array]:
    """The steps of the only example, as vectors."""
    return [np.ascontiguousarray(v) for v in a[0]]


@dataclass(frozen=True)
class Series:
    """One way.

    Attributes
    ----------
    name : str
        As in `layouts.SPOKEN` where it is the same.
    timed : bool
        Whether it is a sequence, (m, T, n) in scratch; else a step, (m, n).
    single : bool
        Whether there is one example alone.
    columns : bool
        Whether a state is a column, with biases of shape (n, 1).
    turns : tuple of bool
        Whether matrices stand with the gates in their rows: what is tried.
    axes : tuple of int
        Scratch's axes in the code's order; empty for a list of steps.
    told : str
        In words.
    """

    name: str
    timed: bool
    single: bool
    columns: bool
    turns: tuple[bool, ...]
    axes: tuple[int, ...] = ()
    told: str = ""

    def there(self, a: Array) -> Any:
        """An input in the code's form."""
        if self.timed and not self.axes:
            return [v[:, np.newaxis] if self.columns else v for v in _apart(a)]
        if not self.timed:
            return self.state(a)
        moved = np.ascontiguousarray(a.transpose(self.axes))
        return moved[0] if self.single and self.axes[0] == 0 and len(self.axes) == 3 and self.name != "one" else moved

    def state(self, a: Array) -> Array:
        """A single state, (m, n) in scratch."""
        if self.columns:
            return np.ascontiguousarray(a.T)
        return np.ascontiguousarray(a[0] if self.single and self.name != "row" else a)

    def state_back(self, value: Any) -> Array | None:
        """The inverse; None if it has another form."""
        a = np.asarray(value)
        if a.ndim == 1 and self.single and not self.columns and self.name != "row":
            return a[np.newaxis]
        if a.ndim != 2:
            return None
        return np.ascontiguousarray(a.T) if self.columns else a

    def back(self, value: Any, n: int) -> Array | None:
        """Something that came back, with n features, in scratch's layout; of another form None, or as it is if it is an array."""
        if not self.timed:
            return self.state_back(value)
        if isinstance(value, dict):
            keys = sorted(k for k in value if isinstance(k, int) and k >= 0)
            value = [value[k] for k in keys]
        if isinstance(value, list | tuple):
            value = np.asarray([np.asarray(v) for v in value])
        a = np.asarray(value)
        if not self.axes:
            if a.ndim == 3 and a.shape[2] == 1:
                a = a[..., 0]
            return a[np.newaxis] if a.ndim == 2 and a.shape[1] == n else None
        if self.single and a.ndim == 2:
            a = a[np.newaxis]
        if a.ndim != 3:
            return None
        return np.ascontiguousarray(a.transpose(np.argsort(self.axes)))


_ROWS, _COLUMNS, _BOTH = (False,), (True,), (False, True)
STEPS: tuple[Series, ...] = (
    Series("rows", False, False, False, _BOTH),
    Series("columns", False, False, True, _COLUMNS),
    Series("column", False, True, True, _COLUMNS),
    Series("vector", False, True, False, _BOTH),
    Series("row", False, True, False, _ROWS),
)
SEQUENCES: tuple[Series, ...] = (
    Series("(m, T, n)", True, False, False, _BOTH, (0, 1, 2), "sequences have shape (m, T, n)"),
    Series("(T, m, n)", True, False, False, _BOTH, (1, 0, 2), "sequences have shape (T, m, n)"),
    Series("(n, m, T)", True, False, True, _COLUMNS, (2, 0, 1), "sequences have shape (n, m, T)"),
    Series("(m, n, T)", True, False, False, _BOTH, (0, 2, 1), "sequences have shape (m, n, T)"),
    Series("(T, n, m)", True, False, True, _COLUMNS, (1, 2, 0), "sequences have shape (T, n, m)"),
    Series("columns of steps", True, True, True, _COLUMNS, (), "one sequence at a time, as a list of columns (n, 1)"),
    Series("(T, n)", True, True, False, _BOTH, (0, 1, 2), "one sequence at a time, of shape (T, n)"),
    Series("(T, n) and columns", True, True, True, _COLUMNS, (0, 1, 2), "one sequence at a time, of shape (T, n)"),
    Series("list of vectors", True, True, False, _BOTH, (), "one sequence at a time, as a list of vectors"),
)
