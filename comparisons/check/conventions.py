"""Conventions of a framework that a user's code follows where scratch has another: told, and judged against the framework as it is.

The torch twin maps its stock behaviour to scratch's. Where the code has the stock behaviour itself, the mapping is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from comparisons.case import Case
from comparisons.check.unit import Unit
from comparisons.plan import plan
from comparisons.subject import ScratchModel
from comparisons.trace import record
from scratch import BatchNorm

if TYPE_CHECKING:
    from comparisons.check.worker import Answer

UNBIASED = "batchnorm-running-variance"
TOLD = "the running variance averages the unbiased batch variance, with 1/(m - 1), as torch's does"
NEAR = 1e-9


def followed(unit: Unit, case: Case, answer: Answer) -> Unit:
    """The unit with the conventions that its tensors show.

    Parameters
    ----------
    unit : Unit
    case : Case
        One of its cases.
    answer : Answer
        What it gave on that case.
    """
    norms = [name for name, layer in case.architecture.layers if isinstance(layer, BatchNorm)]
    shown = [name for name in norms if f"step1/buffer/{name}.running_var" in answer.tensors]
    if not shown or not case.training or unit.options.get("differences") or unit.options.get("port"):
        return unit
    drawn = plan(case)
    expected = record(ScratchModel(case.architecture, case.optimizer, "float64"), case, drawn).tensors
    for name in shown:
        layer, tensor = dict(case.architecture.layers)[name], f"step1/buffer/{name}.running_var"
        assert isinstance(layer, BatchNorm)
        kept = layer.momentum * drawn.weights.buffers[name]["running_var"]
        m = expected[f"forward/{name}"].size // layer.n
        found, biased = answer.tensors[tensor], expected[tensor]
        if m < 2 or found.shape != biased.shape or np.allclose(found, biased, rtol=NEAR, atol=0):
            return unit
        if not np.allclose(found, kept + (biased - kept) * m / (m - 1), rtol=NEAR, atol=0):
            return unit
    known = unit.options.get("ignored", ())
    return replace(unit, options=unit.options | {"ignored": (*known, UNBIASED)}, assumptions=(*unit.assumptions, TOLD))
