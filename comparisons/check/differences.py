"""Derivatives of a user's own forward pass by finite differences, where no framework has a counterpart of it.

Central differences D(h) = (f(a + h) - f(a - h)) / 2h err by c h^2 + O(h^4). Richardson's extrapolation removes the first term:
R(h) = (4 D(h/2) - D(h)) / 3. Of R(h) and R(h/2), the latter is taken; their difference, and the rounding of f over the smallest step,
tell how exact it is. At a kink (ReLU, a maximum) D does not converge: the two disagree far beyond that, and the element is
left out, as is one whose slopes on both sides differ. `scratch.gradient_check` has the course's plain versions.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.known_losses import Samples
from comparisons.check.locating import Spot
from comparisons.diagnosis.general import constant_ratio, some_ratio, turned
from comparisons.diagnosis.mismatch import Mismatch
from comparisons.diagnosis.place import whereabouts
from comparisons.discrepancy import judge
from comparisons.plan import Plan
from comparisons.tolerance import K, largest
from scratch import Weights, architecture

Array = np.ndarray
BY_DIFFERENCES = "finite differences"
STEP = 2.0**-11
"""h, times the element's size where that is above 1: truncation leaves h^4, about 1e-13, and rounding eps / (h/4), about 1e-12."""
SAFETY = 10.0
"""The tolerance is so many times the error that the two extrapolations show."""
FLOOR = 1e-8
"""Relative tolerance that is never undercut: errors common to both extrapolations do not show in their difference."""
KINKED = 1e-5
"""Disagreement of the extrapolations, relative to the largest derivative, from which an element is taken to lie at a kink."""

PROPORTIONAL = 1e-6
"""Relative difference up to which claimed gradients are a multiple of the derivatives."""
ROUGH = 1e-5
"""Difference, relative to each derivative, up to which a small number in the code may be the reason: no mistake is that small everywhere."""
BENT = 0.01
"""Difference of the slopes on both sides, relative to the largest derivative, from which there is a kink: a smooth f has h f''."""


def generator(case: Case) -> np.random.Generator:
    """Random numbers of a case's own: of its seed and its name."""
    return np.random.default_rng([case.seed, zlib.crc32(case.id.encode())])


@dataclass(frozen=True)
class Derived:
    """One tensor of a user's backward pass with the derivative of the user's own forward pass.

    Attributes
    ----------
    tensor : str
        As in a trace: `grad/network.W1`.
    subject : ndarray
        The user's.
    reference : ndarray
        By finite differences.
    error : float
        Largest estimated error of `reference`, kinks left out.
    kinks : ndarray of bool
        Elements at a kink.
    m : int
        Examples.
    explanations : tuple of (str, ndarray)
        What the subject would be by mistakes that whoever called it can tell.
    against : str
        What `reference` is, where it is something else than finite differences.
    cause : str
        Why it is wrong, where the style has found out.
    spot : Spot, optional
        The line that is wrong, likewise.
    twin : Samples, optional
        Of the value of a known loss, which is compared with a framework's by `known_losses.beside_torch`.
    whole : Derived, optional
        What it is a part of, of which the derivative was taken.
    """

    tensor: str
    subject: Array
    reference: Array
    error: float
    kinks: Array
    m: int = 1
    explanations: tuple[tuple[str, Array], ...] = ()
    against: str = BY_DIFFERENCES
    cause: str = ""
    spot: Spot | None = None
    twin: Samples | None = None
    whole: Derived | None = None

    def __post_init__(self) -> None:
        """Let a gradient of shape (n,) stand for one of (1, n), and the other way round: NumPy adds the one to the other."""
        subject, wanted = np.asarray(self.subject), np.shape(self.reference)
        if subject.shape != wanted and _rows(subject.shape) == _rows(wanted):
            object.__setattr__(self, "subject", subject.reshape(wanted))


def _rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without axes of length 1 in front."""
    return _rows(shape[1:]) if shape and shape[0] == 1 else shape


def jacobian(f: Callable[[Array], Array], a: Array) -> tuple[Array, Array]:
    """Derivatives of all outputs with respect to all elements, and their estimated errors.

    Parameters
    ----------
    f : callable
        From an array of a's shape to one of any fixed shape; must not change its argument.
    a : ndarray of float64

    Returns
    -------
    derivatives, errors : ndarray of shape (*a.shape, *output)
        An error that is far above the others marks a kink.
    """
    a = np.asarray(a, dtype=np.float64)
    found: list[Array] = []
    errors: list[Array] = []
    bends: list[Array] = []
    here = np.asarray(f(a.copy()), dtype=np.float64)
    for index in np.ndindex(a.shape):
        h = STEP * max(1.0, abs(float(a[index])))
        quotients, top = [], 0.0
        for step in (h, h / 2, h / 4):
            plus, minus = (np.asarray(f(_moved(a, index, s)), dtype=np.float64) for s in (step, -step))
            quotients.append((plus - minus) / (2 * step))
            top = max(top, largest(plus), largest(minus))
        coarse, fine = ((4 * q - p) / 3 for p, q in itertools.pairwise(quotients))
        found.append(fine)
        bends.append(np.abs(plus - 2 * here + minus) / (h / 4))
        errors.append(np.abs(fine - coarse) + np.finfo(np.float64).eps * top / (h / 4))
    shape = (*a.shape, *(found[0].shape if found else ()))
    slopes = np.reshape(found, shape)
    # At a kink itself all central differences agree on the mean of both sides, but the sides do not agree.
    bent = np.reshape(bends, shape) > BENT * largest(slopes)
    return slopes, np.where(bent, np.inf, np.reshape(errors, shape))


def _moved(a: Array, index: tuple[int, ...], by: float) -> Array:
    moved = a.copy()
    moved[index] += by
    return moved


def gradient(f: Callable[[Array], Array], a: Array, upstream: Array) -> tuple[Array, float, Array]:
    """d sum(upstream * f) / d a by finite differences.

    Returns
    -------
    gradient : ndarray of a's shape
    error : float
        Largest estimated error, kinks left out.
    kinks : ndarray of bool, a's shape
    """
    return contracted(*jacobian(f, a), a.ndim, upstream)


def contracted(derivatives: Array, errors: Array, ndim: int, upstream: Array) -> tuple[Array, float, Array]:
    """The gradient from a Jacobian of which the first `ndim` axes belong to what is differentiated by."""
    axes = tuple(range(ndim, derivatives.ndim))
    with np.errstate(invalid="ignore"):
        total = (derivatives * upstream).sum(axis=axes)
        error = np.sqrt(((errors * upstream) ** 2).sum(axis=axes))
    kinks = ~(error <= KINKED * (largest(total) or 1.0))
    return total, largest(error[~kinks]) if (~kinks).any() else math.inf, kinks


def ratio(derived: Derived) -> float | None:
    """The one number by which all derivatives must be multiplied to be what is claimed; None if there is none."""
    a, b = derived.subject[~derived.kinks], derived.reference[~derived.kinks]
    if not largest(b) or not np.isfinite(a).all():
        return None
    at = np.abs(b).argmax()
    found = float(a[at] / b[at])
    return found if found and largest(a - found * b) <= PROPORTIONAL * largest(a) else None


def row(derived: Derived, common: dict[str, Any]) -> dict[str, Any]:
    """The row of the discrepancy table."""
    subject, reference = np.asarray(derived.subject), derived.reference
    scale = largest(reference) or 1.0
    tolerance = max(FLOOR, SAFETY * derived.error / scale)
    fixed = subject
    if subject.shape == reference.shape:
        fixed = np.where(derived.kinks, reference, subject.astype(np.float64))
    found = judge(fixed, reference, "float64", tolerance * scale / K)
    if "needed" in found:
        found["kinks"] = int(derived.kinks.sum())
    if derived.kinks.mean() > 0.5 and found["verdict"] == "match":
        found |= {"verdict": "vacuous", "diagnosis": "more than half of the elements lie at a kink"}
    rough = ROUGH * np.abs(reference) + tolerance * scale
    if found["verdict"] == "mismatch" and fixed.shape == reference.shape and (np.abs(fixed - reference) <= rough).all():
        off = largest(fixed - reference) / scale
        found |= {
            "verdict": "vacuous",
            "diagnosis": f"agrees to {off:.0e} only: a small number in the code may be the reason",
        }
    if found["verdict"] == "mismatch":
        found["diagnosis"] = derived.cause or found["diagnosis"] or _cause(derived, fixed, tolerance * scale)
    place = {"phase": "forward"} if derived.tensor.startswith("forward/") else {}
    return common | place | {"tensor": derived.tensor, "reference": derived.against} | found


def _cause(derived: Derived, subject: Array, tolerance: float) -> str:
    case = Case("check/differences", architecture(), (derived.m,), (1,))
    given = {derived.tensor: derived.reference}
    mismatch = Mismatch(case, Plan(Weights(), [], []), derived.tensor, subject, derived.reference, given, tolerance)
    with np.errstate(all="ignore"):
        for text, expected in derived.explanations:
            if mismatch.fits(expected):
                return text
        for hypothesis in (constant_ratio, turned, some_ratio, _repeated):
            for text, expected in hypothesis(mismatch):
                if mismatch.fits(expected):
                    return text
    return whereabouts(mismatch)


def _repeated(mismatch: Mismatch) -> Iterator[tuple[str, Array]]:
    """Rows of a table of which some, those looked up several times, are whole fractions of what they should be."""
    s, r = mismatch.subject, mismatch.reference
    wrong = np.flatnonzero((np.abs(s - r) > mismatch.tolerance).any(axis=tuple(range(1, r.ndim))))
    if r.ndim != 2 or not 0 < len(wrong) < len(r):
        return
    expected = r.copy()
    for i in wrong:
        at = np.abs(r[i]).argmax()
        times = round(float(r[i, at] / s[i, at])) if s[i, at] else 0
        if times < 2:
            return
        expected[i] = r[i] / times
    yield (
        "rows that are used several times get the gradient of one use: a[indices] += ... adds once for each index",
        expected,
    )
