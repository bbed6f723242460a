"""Choosing between several ways in which a piece of code can be read.

A layout, the place of the 1/m, an epsilon cannot be told from names. So every possible reading is tried on a small case beside
the scratch network, and the one that leaves the fewest tensors in disagreement is taken; of equals, the first. That decides
how the code is called and nothing else: whether it is right is judged against a framework afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Unbound
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.plan import plan
from comparisons.subject import ScratchModel
from comparisons.trace import Model, record

Array = np.ndarray
NEAR = 1e-12
"""Relative difference up to which a reading agrees: above rounding on such small cases, below what an epsilon makes."""
LOSS_WEIGHT = 20.0
NOTHING = 1e6
"""Weight of a case in which nothing agrees."""


OURS = ("ImportError", "ModuleNotFoundError", "NotImplementedError")
"""What a function raises that cannot be run here, or is not written yet."""


class Reader(Protocol):
    """The part of a style that calls a unit."""

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model: ...


def best(file: UserFile, style: Reader, candidates: Sequence[Unit], tentative: str = "") -> Unit | None:
    """The candidate that agrees in most tensors of its cases; the first of equals, or if all raise.

    Parameters
    ----------
    file : UserFile
    style : Reader
    candidates : sequence of Unit
        The usual reading first.
    tentative : {"", "runs", "agrees"}
        Where the code may be something else altogether: nothing is made of it unless it runs, or unless something agrees.

    Returns
    -------
    Unit or None
        None where no reading is possible, for a reason that is no mistake of the code.
    """
    least, chosen, failures = math.inf, candidates[0], []
    for unit in candidates:
        try:
            wrong = sum(_disagreeing(file, style, unit, case) for case in unit.cases[:2])
        except UserError as error:
            failures.append(error)
            continue
        if wrong < least:
            least, chosen = wrong, unit
        if not least:
            break
    file.mutated.clear()
    if len(failures) == len(candidates) and (tentative or _beyond_us(failures[0])):
        if not tentative and f"{chosen.name} is not compared: {failures[0]}" not in file.notes:
            file.notes.append(f"{chosen.name} is not compared: {failures[0]}")
        return None
    if tentative == "agrees" and least >= NOTHING:
        return None
    return chosen


def _beyond_us(failure: UserError) -> bool:
    return isinstance(failure, Unbound) or any(name in str(failure) for name in OURS)


def _disagreeing(file: UserFile, style: Reader, unit: Unit, case: Case) -> float:
    """Tensors that differ. The loss weighs most: where it fits, gradients of another scale are wrong, not another loss's."""
    drawn = plan(case)
    np.random.seed(0)  # noqa: NPY002  (what the user's code draws itself)
    found = record(style.model(file, unit, case), case, drawn).tensors
    expected = record(ScratchModel(case.architecture, case.optimizer, "float64"), case, drawn).tensors
    differ = [name for name, a in found.items() if name in expected and not _agree(a, expected[name])]
    if not found or len(differ) == len([name for name in found if name in expected]):
        return NOTHING
    return sum(LOSS_WEIGHT if name == "loss" else 1.0 for name in differ)


def _agree(a: Array, b: Array) -> bool:
    if a.shape != b.shape:
        return False
    return bool(np.allclose(a, b, rtol=0, atol=NEAR * (np.abs(b).max(initial=0.0) or 1.0), equal_nan=True))
