"""How much two correct implementations may differ: measured per tensor, never tuned.

Correctness is decided in float64, where rounding and real errors lie far apart. With s the subject, r the reference, 32 and
64 the same case run in both precisions, and ' the run on inputs and weights moved by one unit in the last place:

    noise = max( 2^-29 max|s32 - s64|, 2^-29 max|r32 - r64|,
                 max|s' - s64| and max|r' - r64| over two draws, 2^-52 max|r64| )

Each implementation's own float32 run (2^29 times coarser) shows how it amplifies rounding, the perturbation shows how the
problem does. A tensor matches if max|s64 - r64| <= K noise, with one K for everything. K was chosen on 38,286 correct
comparisons (dense networks with and without batch norm, depth 2 to 20, input scale 1e-3 to 1e3): the largest |difference| /
noise was 521, 99.9 % were below 4.3, and the smallest known real error is 7e-4 of the largest element.

The float32 tier asks another question: is the subject's float32 arithmetic as stable as the reference's? It compares
max|s32 - r64| with noise32 = max( max|r32 - r64|, 2^29 max|r' - r64|, 2^-23 max|r64| ). The subject's own float32 error must
not count there: it is what is being judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comparisons.blocks import blocks

Array = np.ndarray

K = 1000.0
COARSER = 2.0**29
"""float32 rounds 2^29 times more coarsely than float64."""
UNDECIDABLE = 1e-3
"""Where K noise exceeds this part of the largest element, agreement proves nothing."""


@dataclass(frozen=True)
class Runs:
    """What the runs of one case tell about one tensor.

    Attributes
    ----------
    s64, s32 : ndarray
        The subject's, in both precisions.
    r64 : ndarray
        The reference's.
    r_rounding : float
        max|r32 - r64|.
    spread : float
        max|r' - r64|.
    s_spread : float
        max|s' - s64|. Where a sum cancels to exactly 0 in all of the reference's runs, only the subject shows how it rounds.
    """

    s64: Array
    s32: Array
    r64: Array
    r_rounding: float = 0.0
    spread: float = 0.0
    s_spread: float = 0.0


def largest(a: Array) -> float:
    """Largest absolute finite element; 0 if there is none."""
    return max((_largest(block) for (block,) in blocks(a)), default=0.0)


def _largest(a: Array) -> float:
    magnitudes = np.abs(a)
    top = float(magnitudes.max())
    return top if np.isfinite(top) else float(magnitudes.max(where=np.isfinite(magnitudes), initial=0.0))


def distance(a: Array, b: Array) -> float:
    """Largest finite |a - b|; 0 where they differ in shape or nothing is finite (that is judged elsewhere)."""
    if a.shape != b.shape:
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        return max((_largest(p.astype(np.float64) - q) for p, q in blocks(a, b)), default=0.0)


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
    scale = largest(runs.r64)
    if dtype == "float32":
        return max(runs.r_rounding, COARSER * runs.spread, 2.0**-23 * scale)
    s_rounding = distance(runs.s32, runs.s64)
    return max(s_rounding / COARSER, runs.r_rounding / COARSER, runs.spread, runs.s_spread, 2.0**-52 * scale)
