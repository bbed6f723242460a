"""What stands at the end of a model, and between two of its layers, told by what it does; the losses behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

Array = np.ndarray
ROUNDED = 2.0**-23
"""Relative difference that a number of the model amounts to that was rounded to float32 where it was written: no mistake.

TensorFlow rounds sqrt(2) in its gelu, by 1.7e-8, and a gradient through batch norm has more of that.
"""
LOSS = 1e-5
"""Relative difference up to which two losses are the same, as frameworks guard their logarithms."""
ENDS: dict[str, Callable[[Array], Array]] = {
    "": lambda z: z,
    "softmax": lambda z: softmax(z),
    "log_softmax": lambda z: np.log(softmax(z)),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}
"""What may stand behind the last layer; which of them does depends on the loss, and is no matter of a port."""
CURVES: dict[str, Callable[[Array], Array]] = {
    "nothing": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": ENDS["sigmoid"],
    "softmax": ENDS["softmax"],
    "silu": lambda z: z * ENDS["sigmoid"](z),
    "softplus": lambda z: np.logaddexp(z, 0),
    "relu6": lambda z: np.clip(z, 0, 6),
    "the exact gelu": lambda z: z * _normal(z),
    "gelu by its approximation with tanh": lambda z: z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    **{
        f"leaky relu with slope {a:g}": partial(lambda a, z: np.where(z > 0, z, a * z), a)
        for a in (0.01, 0.1, 0.2, 0.3)
    },
}
"""Activations that may stand between two layers, by what they do."""
SAME_ENDS = ({"", "softmax"}, {"", "log_softmax"}, {"softmax", "log_softmax"}, {"", "sigmoid"})


@dataclass(frozen=True)
class PortLoss:
    """A loss that a model is trained with.

    Attributes
    ----------
    name : str
    of : callable
        Its mean over examples, of a model's output (m, k) and targets; ValueError or RuntimeError where it takes no such output.
    wants : str
        What the model should end in, by its name in `ENDS`.
    """

    name: str
    of: Callable[[Array, Array], float]
    wants: str


@dataclass(frozen=True)
class Losses:
    """Losses of both models.

    Attributes
    ----------
    subject, reference : PortLoss
    targets : {"labels", "bits", "numbers"}
        What both compare an output with: classes (m,), zeros and ones (m, k), numbers (m, k).
    """

    subject: PortLoss
    reference: PortLoss
    targets: str


class Ends(NamedTuple):
    """What stands behind the last layers of two models, by its name in `ENDS`, and how many outputs the reference's has."""

    subject: str
    reference: str
    width: int


def between(z: Array, entering: Array) -> str:
    """What makes the input of a layer of the output of the one before: an activation, pooling, flattening, padding; empty if unknown.

    Parameters
    ----------
    z : ndarray (m, ..., n)
    entering : ndarray
        With as many numbers as are left of z, flattened or not, or with zeros around.
    """
    for pooling, pooled in _pooled(z, entering):
        for name, f in CURVES.items():
            a = pooled(f(z))
            orders = [a, np.moveaxis(a, -1, 1)] if a.ndim > 2 and entering.ndim == 2 else [a]
            if any(_holds(order, entering) for order in orders):
                return name + pooling
    return ""


def _holds(a: Array, entering: Array) -> bool:
    """Whether an array is another one, or that without what was put around."""
    if a.size == entering.size:
        return close(a.reshape(entering.shape), entering)
    if a.ndim != entering.ndim or any(n < m for n, m in zip(entering.shape, a.shape, strict=True)):
        return False
    middle = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(entering.shape, a.shape, strict=True))
    return close(a, entering[middle])


def _pooled(z: Array, entering: Array) -> list[tuple[str, Callable[[Array], Array]]]:
    """Poolings that leave as many numbers, in words."""
    found: list[tuple[str, Callable[[Array], Array]]] = [("", lambda a: a)]
    if z.ndim < 3:
        return found
    inner, axes = z.shape[1:-1], tuple(range(1, z.ndim - 1))
    if entering.size == z.shape[0] * z.shape[-1]:
        found += [(" and a maximum of all", lambda a: a.max(axes)), (" and a mean of all", lambda a: a.mean(axes))]
    for k in (2, 3):
        if all(n >= k for n in inner):
            found += [
                (" and max pooling", partial(_pool, k, np.max)),
                (" and average pooling", partial(_pool, k, np.mean)),
            ]
    return found


def _pool(k: int, of: Callable[..., Array], a: Array) -> Array:
    """The maximum or mean of windows of k by k beside each other."""
    m, *inner, n = a.shape
    cut = a[(slice(None), *(slice(0, s // k * k) for s in inner))]
    cut = cut.reshape(m, *(length for s in inner for length in (s // k, k)), n)
    last = tuple(range(2, 2 * len(inner) + 1, 2))
    moved = np.moveaxis(cut, last, tuple(range(-len(last), 0)))
    return of(moved.reshape(*moved.shape[: -len(last)], -1), axis=-1)


def misplaced(ours: PortLoss, theirs: PortLoss, ends: Ends, z: Array, targets: Array, s: float, r: float) -> str:
    """Which end of a model its loss does not fit, if with another both losses are the same."""
    words = {"": "no activation"}
    for loss, end, other in ((ours, ends.subject, r), (theirs, ends.reference, s)):
        if loss.wants != end and abs(loss.of(ENDS[loss.wants](z), targets) - other) <= LOSS * abs(other):
            wanted = words.get(loss.wants, loss.wants)
            return (
                f"the model ends in {words.get(end, end)}, where {loss.name} wants {wanted}: with that the losses agree"
            )
    return f"{ours.name} after {words.get(ends.subject, ends.subject)} is not {theirs.name} after {words.get(ends.reference, ends.reference)}"


def _normal(z: Array) -> Array:
    """The normal distribution function."""
    return np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)(z)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def close(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= ROUNDED * max(np.abs(b).max(initial=0), 1e-300))
