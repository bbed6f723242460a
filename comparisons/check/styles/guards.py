"""Small numbers inside logarithms, `log(a + 1e-8)`: a habit against log 0, no mistake, but one that shows in the twelfth digit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.check.unit import Unit
from scratch import BinaryCrossEntropy, Loss

Array = np.ndarray
GUARDS = (0.0, 1e-8, 1e-15, 1e-5, 1e-7, 1e-6, 1e-9, 1e-10, 1e-12, 1e-4, 1e-3, 1e-16, 1e-20)
"""Sizes in use; that an effect is really there is asked before it is taken out."""


def unguarded(J: Array, guard: float, loss: Loss | None, a: Array, y: Array) -> Any:
    """The cost that would have come of the same code without the guard.

    Parameters
    ----------
    J : ndarray
        The code's cost, a mean over the examples.
    guard : float
        What it adds inside its logarithms.
    loss : Loss
    a, y : ndarray of shape (m, k)
        Probabilities and targets.
    """
    if not guard or a.shape != y.shape:
        return J
    with np.errstate(all="ignore"):
        effect = y * (np.log(a + guard) - np.log(a))
        if isinstance(loss, BinaryCrossEntropy):
            effect = effect + (1 - y) * (np.log(1 - a + guard) - np.log(1 - a))
    return J + effect.sum() / len(a)


def guarded(unit: Unit) -> list[Unit]:
    """The same reading with each of the guards; a style's model looks them up in the options."""
    told = "{:g} inside the logarithms guards them: its effect on the cost is taken out"
    return [
        replace(unit, options=unit.options | {"guard": g}, assumptions=(*unit.assumptions, told.format(g)))
        for g in GUARDS[1:]
    ]
