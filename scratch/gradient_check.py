"""Gradient checking: difference quotients against an analytic gradient (Ng, Improving Deep Neural Networks, week 1).

One-sided   (J(w + h) - J(w)) / h          errs by h/2 J'' + rounding / h
two-sided   (J(w + h) - J(w - h)) / (2h)   errs by h^2/6 J''' + rounding / h: best at h = 1e-5 or so in float64
complex     Im J(w + ih) / h               errs by h^2/6 J''' alone, so h may be 1e-20: exact to rounding, where J is analytic
                                           (no absolute value, comparison or maximum in it)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scratch.layer import Array, require

Cost = Callable[[], float]
"""J, reading the array under test, which is changed in place and restored."""


def two_sided(cost: Cost, a: Array, step: float = 1e-5) -> Array:
    """(J(a + h) - J(a - h)) / (2h), element by element, of a's shape; `a` must be float64."""
    return _by_element(
        a, lambda index, kept: (_at(cost, a, index, kept + step) - _at(cost, a, index, kept - step)) / (2 * step)
    )


def one_sided(cost: Cost, a: Array, step: float = 1e-8) -> Array:
    """(J(a + h) - J(a)) / h, element by element: half the work, far less exact."""
    here = cost()
    return _by_element(a, lambda index, kept: (_at(cost, a, index, kept + step) - here) / step)


def complex_step(cost: Callable[[Array], complex], a: Array, step: float = 1e-20) -> Array:
    """Im J(a + ih) / h, element by element.

    Parameters
    ----------
    cost : callable
        J of a complex array of a's shape, written without abs, comparisons or maxima.
    a : ndarray of float64
    """
    shifted = a.astype(np.complex128)

    def quotient(index: tuple[int, ...], kept: float) -> float:
        shifted[index] = complex(kept, step)
        slope = complex(cost(shifted)).imag / step
        shifted[index] = kept
        return slope

    return _by_element(a, quotient)


def _by_element(a: Array, quotient: Callable[[tuple[int, ...], float], float]) -> Array:
    require(a.dtype == np.float64, f"difference quotients need float64, not {a.dtype}: rounding would drown them")
    found = np.empty_like(a)
    for index in np.ndindex(a.shape):
        kept = float(a[index])
        found[index] = quotient(index, kept)
        a[index] = kept
    return found


def _at(cost: Cost, a: Array, index: tuple[int, ...], value: float) -> float:
    a[index] = value
    return float(cost())


@dataclass(frozen=True)
class Checked:
    """The outcome of a gradient check.

    Attributes
    ----------
    difference : float
        ||analytic - numeric|| / (||analytic|| + ||numeric||); 0 where both vanish.
    worst : tuple of int
        Index of the element that is furthest off.
    analytic, numeric : float
        The two values there.
    """

    difference: float
    worst: tuple[int, ...]
    analytic: float
    numeric: float

    @property
    def reading(self) -> str:
        """The course's: up to 1e-7 `right`, up to 1e-5 `look again`, up to 1e-3 `doubtful`, beyond `wrong`."""
        for limit, text in ((1e-7, "right"), (1e-5, "look again"), (1e-3, "doubtful")):
            if self.difference <= limit:
                return text
        return "wrong"


def check(analytic: Array, numeric: Array) -> Checked:
    """Compare a gradient with its difference quotients.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    require(analytic.shape == numeric.shape, f"the gradient has shape {analytic.shape}, the quotients {numeric.shape}")
    scale = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    apart = np.abs(analytic - numeric)
    worst = tuple(int(i) for i in np.unravel_index(int(np.argmax(apart)), apart.shape))
    difference = float(np.linalg.norm(analytic - numeric) / scale) if scale else 0.0
    return Checked(difference, worst, float(analytic[worst]), float(numeric[worst]))
