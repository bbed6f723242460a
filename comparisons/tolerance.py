"""How much two correct implementations may differ: measured per tensor, never tuned.

Correctness is decided in float64, where rounding and real errors lie far apart. With s the subject, r the reference, 32 and
64 the same case run in both precisions, and r' the reference on inputs and weights moved by one unit in the last place:

    noise = max( 2^-29 max|s32 - s64|, 2^-29 max|r32 - r64|, max|r' - r64| over two draws, 2^-52 max|r64| )

Each implementation's own float32 run (2^29 times coarser) shows how it amplifies rounding, the perturbation shows how the
problem does. A tensor matches if max|s64 - r64| <= K noise, with one K for everything. K was chosen on 38,286 correct
comparisons (dense networks with and without batch norm, depth 2 to 20, input scale 1e-3 to 1e3): the largest |difference| /
noise was 521, 99.9 % were below 4.3, and the smallest known real error is 7e-4 of the largest element.

The float32 tier asks another question: is the subject's float32 arithmetic as stable as the reference's? It compares
max|s32 - r64| with noise32 = max( max|r32 - r64|, 2^29 max|r' - r64|, 2^-23 max|r64| ). The subject's own float32 error must
not count there: it is what is being judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

K = 1000.0
COARSER = 2.0**29
"""float32 rounds 2^29 times more coarsely than float64."""
UNDECIDABLE = 1e-3
"""Where K noise exceeds this part of the largest element, agreement proves nothing."""


@dataclass(frozen=True)
class Runs:
    """One tensor in every run of one case: the subject's and the reference's, in both precisions, and perturbed."""

    s64: Array
    s32: Array
    r64: Array
    r32: Array | None
    perturbed: Sequence[Array] = ()


def largest(a: Array) -> float:
    """Largest absolute finite element; 0 if there is none."""
    magnitudes = np.abs(a)
    finite = magnitudes[np.isfinite(magnitudes)]
    return float(finite.max()) if finite.size else 0.0


def _distance(a: Array | None, b: Array) -> float:
    """Largest finite |a - b|; 0 where a is absent, of another shape, or not finite (that is judged elsewhere)."""
    if a is None or a.shape != b.shape:
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        return largest(np.asarray(a, dtype=np.float64) - b)


def noise(runs: Runs, dtype: str) -> float:
    """Absolute rounding noise of one tensor in the given tier.

    Parameters
    ----------
    runs : Runs
    dtype : {"float64", "float32"}

    Returns
    -------
    float
        In the units of the tensor.
    """
    spread = max((_distance(p, runs.r64) for p in runs.perturbed), default=0.0)
    r_rounding = _distance(runs.r32, runs.r64)
    scale = largest(runs.r64)
    if dtype == "float32":
        return max(r_rounding, COARSER * spread, 2.0**-23 * scale)
    s_rounding = _distance(runs.s32, np.asarray(runs.s64, dtype=np.float64))
    return max(s_rounding / COARSER, r_rounding / COARSER, spread, 2.0**-52 * scale)
