"""Judging one tensor: attributes first, then values, then the verdict. Pure functions from two arrays to one row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.blocks import blocks
from comparisons.tolerance import UNDECIDABLE, K, largest

Array = np.ndarray


@dataclass(frozen=True)
class Kink:
    """The tensor whose sign decides about another one's elements, in both implementations, and how noisy it is."""

    subject: Array
    reference: Array
    noise: float

    def elements(self) -> Array:
        """Elements where the two may rightly have taken different sides: within K noise of 0, and not equal."""
        return (np.abs(self.reference) <= K * self.noise) & (self.subject != self.reference)


@dataclass(frozen=True)
class Difference:
    """How two arrays of one shape differ, elements at a kink left out.

    Attributes
    ----------
    max_abs, max_rel, max_ulp, rms_rel : float
        As in the table's schema.
    mismatched, kinks : int
        Elements beyond the tolerance, and left out.
    worst : tuple of int
        Index of the largest difference, the first in row-major order.
    """

    max_abs: float = 0.0
    max_rel: float = 0.0
    max_ulp: float = 0.0
    rms_rel: float = 0.0
    mismatched: int = 0
    kinks: int = 0
    worst: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Piece:
    """The same of one block; `rms` and `rms_r` are of the difference and of the reference, with their numbers of elements."""

    max_abs: float
    max_rel: float
    max_ulp: float
    rms: tuple[float, int]
    rms_r: tuple[float, int]
    mismatched: int
    kinks: int
    worst: int


def measure(s: Array, r: Array, tolerance: float, kink: Kink | None = None) -> Difference:
    """Compare values elementwise in float64. NaN equals NaN, and an infinity itself; else either counts as infinitely far."""
    if not r.size:
        return Difference()
    drivers = () if kink is None else (kink.subject, kink.reference)
    pieces = []
    for piece in blocks(s, r, *drivers):
        of_piece = None if kink is None else Kink(piece[2], piece[3], kink.noise)
        pieces.append(_measure(piece[0], piece[1], tolerance, of_piece))
    furthest = int(np.argmax([p.max_abs for p in pieces]))
    worst = sum(p.rms[1] for p in pieces[:furthest]) + pieces[furthest].worst
    rms_r = _together([p.rms_r for p in pieces])
    return Difference(
        max_abs=pieces[furthest].max_abs,
        max_rel=float(np.max([p.max_rel for p in pieces])),
        max_ulp=float(np.max([p.max_ulp for p in pieces])),
        rms_rel=_together([p.rms for p in pieces]) / rms_r if rms_r else 0.0,
        mismatched=sum(p.mismatched for p in pieces),
        kinks=sum(p.kinks for p in pieces),
        worst=tuple(int(i) for i in np.unravel_index(worst, r.shape)),
    )


def _measure(s: Array, r: Array, tolerance: float, kink: Kink | None) -> _Piece:
    s, r = s.astype(np.float64, copy=False), r.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        difference = np.abs(s - r)
    special = ~(np.isfinite(s) & np.isfinite(r))
    if special.any():
        same = (s == r) | (np.isnan(s) & np.isnan(r))
        difference = np.where(special, np.where(same, 0.0, np.inf), difference)
    kinks = 0
    if kink is not None:
        left_out = kink.elements()
        kinks = int(left_out.sum())
        difference[left_out] = 0.0
    magnitude = np.abs(r)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        relative = difference / magnitude
        ulps = difference / np.spacing(np.where(np.isfinite(magnitude), magnitude, 1.0))
    finite = r[~special]
    return _Piece(
        max_abs=float(difference.max()),
        max_rel=float(np.max(relative, initial=0.0, where=magnitude > 0)),
        max_ulp=float(ulps.max()),
        rms=(_rms(difference), difference.size),
        rms_r=(_rms(finite), finite.size),
        mismatched=int((difference > tolerance).sum()),
        kinks=kinks,
        worst=int(np.argmax(difference)),
    )


def _rms(a: Array) -> float:
    top = largest(a)
    # Scaled first, so that the squares neither overflow nor vanish.
    return top * float(np.sqrt(np.mean((a / top) ** 2))) if top else 0.0


def _together(parts: list[tuple[float, int]]) -> float:
    """Root mean square of all elements, from that of each part and its number of elements."""
    n = sum(size for _, size in parts)
    return math.hypot(*(rms * math.sqrt(size / n) for rms, size in parts)) if n else 0.0


def judge(
    subject: Array, reference: Array, dtype: str, noise: float, floor: float = 0.0, kink: Kink | None = None
) -> dict[str, Any]:
    """The part of a table row that follows from the arrays alone.

    Parameters
    ----------
    subject : ndarray of `dtype`
    reference : ndarray of float64
    dtype : {"float64", "float32"}
        Tier in which it is judged.
    noise : float
        Absolute rounding noise of the tensor in that tier (`comparisons.tolerance.noise`).
    floor : float
        Smallest relative tolerance, for a framework's registered float32 constant.
    kink : Kink, optional
        Elements to leave out.

    Returns
    -------
    dict
        Columns of the discrepancy table, with `verdict` and, unless it is a plain match, `diagnosis`.
    """
    r = reference
    row: dict[str, Any] = {"dtype": dtype, "shape": str(r.shape), "size": int(r.size)}
    problem = _attributes(subject, r, dtype)
    if problem:
        return row | {"verdict": "mismatch", "diagnosis": problem, "kinks": 0}
    scale = largest(r) or 1.0
    measured = noise / scale
    tolerance = max(K * measured, floor)
    d = measure(subject, r, tolerance * scale, kink)
    verdict, reason = _verdict(d, r, dtype, measured, tolerance, scale)
    row |= {
        "scale": scale,
        "max_abs": d.max_abs,
        "max_rel": d.max_rel,
        "max_ulp": d.max_ulp,
        "rms_rel": d.rms_rel,
        "mismatched": d.mismatched,
        "worst_index": str(d.worst),
        "subject_value": float(subject[d.worst]) if subject.size else np.nan,
        "reference_value": float(r[d.worst]) if r.size else np.nan,
        "noise": measured,
        "tolerance": tolerance,
        "needed": d.max_abs / scale,
        "kinks": d.kinks,
        "verdict": verdict,
        "diagnosis": reason,
    }
    return row


def _attributes(s: Array, r: Array, dtype: str) -> str:
    """What is wrong before any value is looked at; nothing is broadcast, squeezed or cast to make it fit."""
    if s.shape != r.shape:
        return f"shape {s.shape}, the reference has {r.shape}"
    if s.dtype != dtype:
        return f"dtype {s.dtype} in a {dtype} run: silent promotion or demotion"
    return ""


def _verdict(d: Difference, r: Array, dtype: str, measured: float, tolerance: float, scale: float) -> tuple[str, str]:
    if not d.max_abs <= tolerance * scale:
        return "mismatch", ""
    if not r.size:
        return "vacuous", "empty tensor"
    if all(np.isnan(block).all() for (block,) in blocks(r)):
        return "vacuous", "the reference is NaN throughout"
    if not np.any(r):
        return "vacuous", "the reference is zero throughout"
    if r.size > 1 and all((block == r.flat[0]).all() for (block,) in blocks(r)):
        return "vacuous", "the reference is constant"
    if K * measured > UNDECIDABLE:
        return (
            "vacuous",
            f"ill-conditioned in {dtype}: rounding alone may change it by more than 1e-3 of its largest element",
        )
    return "match", ""
