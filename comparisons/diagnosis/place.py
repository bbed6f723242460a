"""Where the difference lives, for a mismatch that nothing explains."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from comparisons.diagnosis.mismatch import Array, Mismatch

_FEW_RUNS = 3
_MANY = 5
"""Fewer wrong elements may have a sign in common by chance."""


def whereabouts(mismatch: Mismatch) -> str:
    """In which part of the tensor the wrong elements lie; says so where they lie everywhere."""
    s, r = mismatch.subject, mismatch.reference
    wrong = np.abs(s - r) > mismatch.tolerance
    if not wrong.any():
        return ""
    return f"no known mistake fits; {_where(mismatch, wrong)}"


def _where(mismatch: Mismatch, wrong: Array) -> str:
    if wrong.size == 1 or wrong.all():
        return "every element is wrong" if wrong.size > 1 else "a single number"
    exactly, only = _by_values(mismatch, wrong)
    told = exactly or next(_by_axes(mismatch, wrong), "") or only
    return told or f"{int(wrong.sum())} of {wrong.size} elements are wrong, in no part of their own"


def _by_values(mismatch: Mismatch, wrong: Array) -> tuple[str, str]:
    """Parts of the tensor that the values beside it tell: the part that is wrong, and one that all wrong elements lie in."""
    exactly = only = ""
    beside = (
        ("input", mismatch.input()),
        ("upstream gradient", mismatch.upstream()),
        ("reference", mismatch.reference),
    )
    for name, a in beside:
        if a is None or a.shape != wrong.shape or wrong.sum() < _MANY:
            continue
        for told, part in (("zero", a == 0), ("negative", a < 0), ("positive", a > 0)):
            if np.array_equal(part, wrong):
                exactly = exactly or f"wrong exactly where the {name} is {told}"
            elif not (wrong & ~part).any():
                only = only or f"wrong only where the {name} is {told}"
    return exactly, only


def _by_axes(mismatch: Mismatch, wrong: Array) -> Iterator[str]:
    if wrong.ndim == 4:
        inner = np.zeros_like(wrong)
        inner[:, 1:-1, 1:-1] = True
        if not (wrong & inner).any():
            yield "wrong only at the borders of the images"
    if wrong.ndim == 2 and wrong.shape[0] == wrong.shape[1]:
        diagonal = np.eye(len(wrong), dtype=bool)
        if not (wrong & ~diagonal).any():
            yield "wrong only on the diagonal"
        if not (wrong & diagonal).any():
            yield "wrong only off the diagonal"
    examples = mismatch.is_output or mismatch.is_input_gradient or mismatch.name == "grad/loss.input"
    for axis in range(wrong.ndim):
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        hit = np.flatnonzero(wrong.any(axis=others))
        n = wrong.shape[axis]
        named = _named(axis, wrong.ndim, examples)
        if len(hit) == n - 1 and len(_runs(hit)) > 1:
            yield f"right only in {named} {next(i for i in range(n) if i not in hit)} of {n}"
        elif len(hit) < n and len(_runs(hit)) <= _FEW_RUNS:
            yield f"wrong only in {named} {_ranges(hit, n)} of {n}"


def _named(axis: int, ndim: int, examples: bool) -> str:
    if examples:
        return {0: "example", ndim - 1: "feature" if ndim < 4 else "channel"}.get(
            axis, "step" if ndim == 3 else f"axis {axis}"
        )
    return {2: ("row", "column")}.get(ndim, tuple(f"axis {axis}" if ndim > 1 else "element" for _ in range(ndim)))[axis]


def _ranges(hit: Array, n: int) -> str:
    first = int(hit[0])
    if len(hit) == 1:
        return f"{first}" + (" (the last)" if first == n - 1 else "")
    runs = [f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in _runs(hit)]
    return ", ".join(runs[:-1]) + (" and " if len(runs) > 1 else "") + runs[-1]


def _runs(hit: Array) -> list[Array]:
    """Indices that follow each other, together."""
    return np.split(hit, np.flatnonzero(np.diff(hit) > 1) + 1)
