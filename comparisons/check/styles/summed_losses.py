"""The usual losses of an output and a target in its shape, for code that keeps its own loss to itself.

They are sums over everything: a factor between them and the code's own is found out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from comparisons.check.unit import UserError

Array = np.ndarray


def _squared(output: Array, target: Array) -> float:
    return float(0.5 * ((output - target) ** 2).sum())


def _entropy(output: Array, target: Array) -> float:
    return -float((target * np.log(np.where(target > 0, output, 1.0))).sum())


def _binary(output: Array, target: Array) -> float:
    return -float((target * np.log(output) + (1 - target) * np.log(1 - output)).sum())


def _of_logits(output: Array, target: Array) -> float:
    top = output.max()
    sums = np.exp(output - top).sum(axis=class_axis(output), keepdims=True)
    return float((np.log(sums) + top - output)[target > 0].sum())


_LOSSES: dict[str, Callable[[Array, Array], float]] = {
    "squared error": _squared,
    "binary cross-entropy": _binary,
    "cross-entropy": _entropy,
    "cross-entropy of logits": _of_logits,
}


def class_axis(output: Array) -> int:
    """The axis of the classes: along which probabilities sum to 1, or the last that is none of a single number."""
    axes = [axis for axis in range(output.ndim) if output.shape[axis] > 1]
    summing = [axis for axis in axes if np.abs(output.sum(axis=axis) - 1).max() < 1e-9]
    return (summing or axes or [0])[-1]


def summed(loss: str, output: Array, target: Array, of: str) -> float:
    """The loss of that name.

    Parameters
    ----------
    loss : str
        `squared error`, `binary cross-entropy`, `cross-entropy` or `cross-entropy of logits`.
    output, target : ndarray
    of : str
        What gave the output.

    Raises
    ------
    UserError
        If it is no number, as the output is none for this loss.
    """
    with np.errstate(all="ignore"):
        found = _LOSSES[loss](output, target)
    if not np.isfinite(found):
        raise UserError(f"the loss of {of} is no {loss}")
    return found
