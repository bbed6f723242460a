"""What is known of a mismatching tensor, and the forms that explanations take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from comparisons.case import Case
from comparisons.naming import place
from comparisons.plan import Plan
from scratch import L1, Layer

Array = np.ndarray
Explained = tuple[str, Array]
"""What happened, and the tensor that would have come of it."""
FEW = 3
"""A factor that is no known constant is fitted only to this many elements or more: to one, some factor always fits."""


@dataclass(frozen=True)
class Mismatch:
    """A mismatching tensor with everything that was known when it was computed.

    Attributes
    ----------
    case, plan : Case, Plan
    name : str
        Name of the tensor in the trace.
    subject, reference : ndarray
    given : mapping of str to ndarray
        The reference's whole trace.
    tolerance : float
        Absolute.
    """

    case: Case
    plan: Plan
    name: str
    subject: Array
    reference: Array
    given: Mapping[str, Array]
    tolerance: float

    @property
    def layer(self) -> str:
        """Name of the layer the tensor belongs to."""
        return place(self.name).layer

    @property
    def layer_object(self) -> Layer | None:
        """Its description."""
        return dict(self.case.architecture.layers).get(self.layer)

    @property
    def leaf(self) -> str:
        """The last part of the name: `W`, `input`, `running_var`."""
        return self.name.rpartition(".")[2]

    @property
    def is_output(self) -> bool:
        """Whether it is the layer's output in the first pass."""
        return self.name == f"forward/{self.layer}"

    @property
    def is_input_gradient(self) -> bool:
        """Whether it is the gradient with respect to the layer's input in the first pass."""
        return self.name == f"grad/{self.layer}.input"

    @property
    def is_parameter_gradient(self) -> bool:
        """Whether it is the gradient with respect to one of the layer's parameters in the first pass."""
        return self.name == f"grad/{self.layer}.{self.leaf}" and self.leaf in self.params

    @property
    def frozen(self) -> bool:
        """Whether it belongs to a frozen layer, or to one within a layer."""
        arch, layer = self.case.architecture, self.layer_object
        return self.layer in arch.frozen or (layer is not None and self.leaf in layer.frozen_parameters)

    @property
    def m(self) -> int:
        """Examples in the first batch."""
        return self.case.batches[0]

    @property
    def params(self) -> dict[str, Array]:
        """The layer's parameters as all implementations start with them."""
        return self.plan.weights.params.get(self.layer, {})

    @cached_property
    def penalty(self) -> Array | float:
        """What the regulariser adds to this gradient; 0 where it adds nothing."""
        regulariser = self.case.architecture.regulariser
        owned = (self.layer, self.leaf) in self.case.architecture.regularised()
        if regulariser is None or not owned or not self.is_parameter_gradient:
            return 0.0
        w = self.params[self.leaf]
        return regulariser.lambda_ / self.m * (np.sign(w) if isinstance(regulariser, L1) else w)

    def upstream(self) -> Array | None:
        """The reference's gradient with respect to this layer's output, in the first pass."""
        names, place_in_chain = self._chain()
        if place_in_chain is None:
            return None
        if place_in_chain + 1 < len(names):
            return self.given.get(f"grad/{names[place_in_chain + 1]}.input")
        batch = self.plan.batches[0]
        return batch.upstream if batch.upstream is not None else self.given.get("grad/loss.input")

    def input(self) -> Array | None:
        """The reference's input to this layer, in the first pass."""
        names, place_in_chain = self._chain()
        if place_in_chain is None:
            return None
        return self.given.get(f"forward/{names[place_in_chain - 1]}") if place_in_chain else self.plan.batches[0].x

    def passed(self) -> tuple[Array, Array] | None:
        """Input and upstream gradient, if the tensor is of the first pass and both are known."""
        x, dy = self.input(), self.upstream()
        first = self.is_output or self.is_input_gradient or self.is_parameter_gradient
        return (x, dy) if first and x is not None and dy is not None else None

    def fits(self, expected: Array | float) -> bool:
        """Whether this is what the subject has, and not what the reference has, to the row's tolerance."""
        expected = np.asarray(expected)
        if expected.shape != self.subject.shape:
            return False
        # What would also fit the reference explains nothing.
        return _apart(self.subject, expected) <= self.tolerance < _apart(self.reference, expected)

    def _chain(self) -> tuple[list[str], int | None]:
        """The layers' names, and where this one stands; None where no layer was run."""
        names = [n for n, _ in self.case.architecture.layers]
        return names, names.index(self.layer) if self.layer in names and self.plan.batches else None


def _apart(a: Array, b: Array) -> float:
    """Largest |a - b|; elements that are not finite are equal to the same, and infinitely far from all else."""
    if np.isfinite(a).all() and np.isfinite(b).all():
        return float(np.abs(a - b).max(initial=0))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, np.abs(a - b))
    return float(np.where(np.isnan(apart), np.inf, apart).max(initial=0))


def off_by(mismatch: Mismatch, name: str, term: Array | float, times: float = 1.0) -> Iterator[Explained]:
    """The subject has a term of the reference another number of times.

    Parameters
    ----------
    mismatch : Mismatch
    name : str
        The term, as the subject of a sentence.
    term : ndarray or float
        Broadcast to the tensor's shape.
    times : float
        How often the reference has it.
    """
    s, r, m = mismatch.subject, mismatch.reference, mismatch.m
    term = np.broadcast_to(np.asarray(term, dtype=r.dtype), r.shape)
    known = {"is missing": 0.0, "is counted 2 times": 2.0, "has the wrong sign": -1.0, "is counted 0.5 times": 0.5}
    if m > 2:
        known |= {f"is counted m times (m = {m})": m, f"is divided by m (m = {m})": 1 / m}
    for words, factor in known.items():
        yield f"{name} {words}", r + (factor - 1) * times * term
    weight = float(np.vdot(term, term))
    if np.count_nonzero(term) >= FEW and weight > 0:
        more = float(np.vdot(s - r, term)) / weight
        yield f"{name} is counted {1 + more / times:.4g} times", r + more * term


def combination(mismatch: Mismatch, name: str, terms: dict[str, Array]) -> Iterator[Explained]:
    """The subject is a sum of these terms, each of some number of times, other than the reference's.

    Parameters
    ----------
    mismatch : Mismatch
    name : str
        What the sum is told as: `name: 1 - 2 a`.
    terms : dict of str to ndarray
        By what they are called; `1` is told as its number alone.
    """
    s = mismatch.subject
    if s.size < len(terms) + FEW or s.size > 10**5 or not np.isfinite(s).all():
        return
    columns = np.stack([np.broadcast_to(t, s.shape).ravel() for t in terms.values()], axis=1).astype(np.float64)
    if not np.isfinite(columns).all():
        return
    scales = np.abs(columns).max(axis=0)
    scales[scales == 0] = 1.0
    found, _, rank, _ = np.linalg.lstsq(columns / scales, s.ravel(), rcond=None)
    if rank < len(terms):
        return
    found /= scales
    found[np.abs(found) * scales < 1e-11 * np.abs(s).max(initial=0)] = 0.0
    yield f"{name}: {_sum(found, list(terms))}", (columns @ found).reshape(s.shape)


def _sum(factors: Array, names: list[str]) -> str:
    told = ""
    for factor, name in zip(factors, names, strict=True):
        if factor:
            size = f"{abs(factor):.6g}"
            part = size if name == "1" else name if size == "1" else f"{size} {name}"
            told += (" - " if factor < 0 else " + " if told else "") + part
    return told.strip().replace("- ", "-", 1) if told.startswith(" - ") else told or "0"


def parts(mismatch: Mismatch, what: str, terms: Array) -> Iterator[Explained]:
    """Only some of the terms of a sum, one for each example or step or position, which stand along the first axis."""
    n = len(terms)
    if n < 2:
        return
    rest = mismatch.reference - terms.sum(axis=0)  # what a regulariser adds
    total = mismatch.reference
    yield f"only the last {what} is counted: overwritten instead of summed", rest + terms[-1]
    yield f"only the first {what} is counted", rest + terms[0]
    yield f"the first {what} is left out", total - terms[0]
    yield f"the last {what} is left out", total - terms[-1]
    for i in range(1, n - 1):
        yield f"only {what} {i} (counted from 0) is counted", rest + terms[i]
        yield f"{what} {i} (counted from 0) is left out", total - terms[i]
    once = "divided by m once too often" if what == "example" else f"divided by the number of {what}s"
    yield f"{once} ({n}): averaged over the {what}s, not summed", rest + terms.mean(axis=0)
