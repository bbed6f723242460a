"""The computation graph J = 3 (a + b c): values from left to right, derivatives from right to left (Ng, Neural Networks and
Deep Learning, week 2).

    b, c -> u = b c        a, u -> v = a + u        v -> J = 3 v

The chain rule takes each derivative from the one to its right:

    dJ/dv = 3
    dJ/da = dJ/dv dv/da = dJ/dv 1        dJ/du = dJ/dv dv/du = dJ/dv 1
    dJ/db = dJ/du du/db = dJ/du c        dJ/dc = dJ/du du/dc = dJ/du b
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scratch.layer import Array


class Values(NamedTuple):
    """Every value of the graph; numbers, or arrays of one shape, for as many graphs."""

    a: Array
    b: Array
    c: Array
    u: Array
    v: Array
    J: Array


class Derivatives(NamedTuple):
    """dJ/d of every value to the left of J, of its shape."""

    a: Array
    b: Array
    c: Array
    u: Array
    v: Array


def forward(a: Array, b: Array, c: Array) -> Values:
    """From left to right."""
    u = b * c
    v = a + u
    return Values(a, b, c, u, v, 3 * v)


def backward(values: Values) -> Derivatives:
    """From right to left."""
    dv = np.full_like(values.v, 3)
    du = dv * 1
    return Derivatives(a=dv * 1, b=du * values.c, c=du * values.b, u=du, v=dv)
