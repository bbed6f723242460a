"""Naming the cause of a mismatch: closed-form hypotheses, each tested to the tolerance of the row.

A hypothesis says what the subject would have computed had a certain mistake been made, given the reference's values. One
that fits to the last digits is the diagnosis; if none fits, nothing is claimed, and it is told where the difference lives.
The formulas here are mistakes, never a reference: a wrong hypothesis can only fail to explain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from comparisons.diagnosis.activations import activation, activation_combination
from comparisons.diagnosis.attention import attention
from comparisons.diagnosis.cells import cell
from comparisons.diagnosis.dense import dense, dropout, embedding, residual
from comparisons.diagnosis.general import another_shape, constant_ratio, permuted, some_ratio, turned
from comparisons.diagnosis.losses import loss, loss_combination
from comparisons.diagnosis.mismatch import Array, Explained, Mismatch
from comparisons.diagnosis.network import behind
from comparisons.diagnosis.normalisation import normalisation
from comparisons.diagnosis.optimizers import update_rule
from comparisons.diagnosis.place import whereabouts
from comparisons.diagnosis.pooling import pooling
from comparisons.diagnosis.recurrent import recurrent
from comparisons.diagnosis.regularisation import regularisation
from comparisons.diagnosis.windows import convolution, transposed_convolution
from comparisons.tolerance import largest

__all__ = ["HYPOTHESES", "Explained", "Mismatch", "diagnose"]

Hypothesis = Callable[[Mismatch], Iterator[Explained]]

HYPOTHESES: tuple[Hypothesis, ...] = (
    regularisation,
    residual,
    dropout,
    activation,
    loss,
    dense,
    normalisation,
    embedding,
    pooling,
    update_rule,
    constant_ratio,
    convolution,
    transposed_convolution,
    recurrent,
    cell,
    attention,
    behind,
    turned,
    some_ratio,
    loss_combination,
    activation_combination,
    permuted,
)
"""In the order in which they are tried: what says most comes first."""
FOR_LARGE: tuple[Hypothesis, ...] = (regularisation, constant_ratio)
"""What is tried on a tensor of `LARGE` elements or more: the others copy it too often."""
LARGE = 2**22


def diagnose(mismatch: Mismatch) -> str:
    """The first explanation that fits to the row's tolerance, or where the difference lives.

    Returns
    -------
    str
        Short, for a column of the table. Empty only for another shape that nothing explains.
    """
    s = mismatch.subject
    if s.shape != mismatch.reference.shape:
        return another_shape(mismatch)
    with np.errstate(all="ignore"):
        wild = ~np.isfinite(s) & np.isfinite(mismatch.reference)
        told = f"{int(wild.sum())} of {s.size} elements are NaN or infinite" if wild.any() else ""
        for hypothesis in FOR_LARGE if s.size >= LARGE else HYPOTHESES:
            for explanation, expected in hypothesis(mismatch):
                if mismatch.fits(expected):
                    found = f"{explanation} (to {_agreement(mismatch, np.asarray(expected))})"
                    return f"{told}: {found}" if told else found
        return told or whereabouts(mismatch)


def _agreement(mismatch: Mismatch, expected: Array) -> str:
    """How well an explanation fits, relative to the largest element: a power of ten, 1e-15 at best.

    The largest element is the reference's where the explanation is zero but for rounding.
    """
    scale = largest(expected)
    if scale <= mismatch.tolerance:
        scale = largest(mismatch.reference) or 1.0
    apart = max(float(np.nanmax(np.abs(mismatch.subject - expected), initial=0)) / scale, 1e-15)
    return f"1e{math.ceil(math.log10(apart) - 1e-9):d}"
