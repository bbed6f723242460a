"""Naming the cause of a mismatch: closed-form hypotheses, each tested to the tolerance of the row.

A hypothesis says what the subject would have computed had a certain mistake been made, given the reference's values. One
that fits to the last digits is the diagnosis; if none fits, nothing is claimed. The formulas here are mistakes, never a
reference: a wrong hypothesis can only fail to explain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from comparisons.case import Case
from comparisons.naming import place
from comparisons.plan import Plan
from scratch import Adam, BatchNorm, Dropout, Layer, Momentum, RMSprop, Sigmoid, Tanh

Array = np.ndarray
Explained = tuple[str, Array]
"""What happened, and the tensor that would have come of it."""


@dataclass(frozen=True)
class Mismatch:
    """A mismatching tensor with everything that was known when it was computed.

    Attributes
    ----------
    case, plan : Case, Plan
    name : str
        Name of the tensor in the trace.
    subject, reference : ndarray
    given : dict of str to ndarray
        The reference's whole trace.
    tolerance : float
        Absolute.
    """

    case: Case
    plan: Plan
    name: str
    subject: Array
    reference: Array
    given: dict[str, Array]
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
    def m(self) -> int:
        """Examples in the first batch."""
        return self.case.batches[0]

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

    def _chain(self) -> tuple[list[str], int | None]:
        """The layers' names, and where this one stands; None where no layer was run."""
        names = [n for n, _ in self.case.architecture.layers]
        return names, names.index(self.layer) if self.layer in names and self.plan.batches else None


Hypothesis = Callable[[Mismatch], Iterator[Explained]]


def diagnose(mismatch: Mismatch) -> str:
    """The first explanation that fits to the row's tolerance; empty if none does."""
    s = mismatch.subject
    wild = int((~np.isfinite(s)).sum())
    if wild:
        return f"{wild} of {s.size} elements are NaN or infinite"
    if s.shape != mismatch.reference.shape:
        return ""
    with np.errstate(all="ignore"):
        for hypothesis in HYPOTHESES:
            for explanation, expected in hypothesis(mismatch):
                # An explanation that would also fit the reference explains nothing.
                if expected.shape == s.shape and np.abs(s - expected).max(initial=0) <= mismatch.tolerance:
                    return explanation
    return ""


def _factors(mismatch: Mismatch) -> Iterator[tuple[str, float]]:
    m, layer, optimizer = mismatch.m, mismatch.layer_object, mismatch.case.optimizer
    yield "the sign is flipped", -1.0
    if m > 1:
        yield f"exactly 1/m of the reference (m = {m}): divided by m once too often", 1 / m
        yield f"exactly m times the reference (m = {m}): the 1/m is missing", float(m)
        yield f"exactly (m-1)/m of the reference (m = {m})", (m - 1) / m
        yield f"exactly m/(m-1) of the reference (m = {m}): unbiased where biased is meant", m / (m - 1)
    yield "exactly twice the reference", 2.0
    yield "exactly half of the reference", 0.5
    if mismatch.reference.ndim == 2 and mismatch.reference.shape[1] > 1:
        k = mismatch.reference.shape[1]
        yield f"exactly 1/k of the reference (k = {k} columns)", 1 / k
        yield f"exactly k times the reference (k = {k} columns)", float(k)
    if isinstance(layer, Dropout):
        yield "exactly keep_prob times the reference: not divided by keep_prob", layer.keep_prob
        yield "exactly 1/keep_prob times the reference: divided by keep_prob twice", 1 / layer.keep_prob
    if isinstance(optimizer, Momentum):
        yield "exactly 1/(1 - beta) times the reference: the factor 1 - beta is missing", 1 / (1 - optimizer.beta)


def constant_ratio(mismatch: Mismatch) -> Iterator[Explained]:
    """The subject is a known constant times the reference."""
    if not mismatch.subject.any():
        yield "zero throughout: never computed, or overwritten", np.zeros_like(mismatch.reference)
    for explanation, factor in _factors(mismatch):
        yield explanation, factor * mismatch.reference


def transposed(mismatch: Mismatch) -> Iterator[Explained]:
    """A square matrix the other way round."""
    if mismatch.reference.ndim == 2 and mismatch.reference.shape[0] == mismatch.reference.shape[1]:
        yield "the transpose of the reference", mismatch.reference.T


def regularisation(mismatch: Mismatch) -> Iterator[Explained]:
    """The regulariser's part of a weight gradient has another factor."""
    regulariser, m, r = mismatch.case.architecture.regulariser, mismatch.m, mismatch.reference
    w = mismatch.plan.weights.params.get(mismatch.layer, {}).get(mismatch.leaf)
    if regulariser is None or w is None or mismatch.name != f"grad/{mismatch.layer}.{mismatch.leaf}":
        return
    right = regulariser.lambda_ / m * w
    data = r - right if mismatch.leaf in getattr(mismatch.layer_object, "regularised", ()) else r
    yield "L2 is missing: lambda/m W is not added", data
    yield "L2 is added as lambda/(2m) W; the derivative of lambda/(2m) W^2 is lambda/m W", data + right / 2
    yield "L2 is added twice", data + 2 * right
    yield "L2 is added as lambda W, without 1/m", data + m * right
    yield "L2 has the wrong sign", data - right
    if data is r:
        yield "L2 decays a parameter that it should leave alone", data + right


def activation_derivative(mismatch: Mismatch) -> Iterator[Explained]:
    """A derivative that belongs to another function, or is taken at the wrong place."""
    upstream, z = mismatch.upstream(), mismatch.input()
    layer, a = mismatch.layer_object, mismatch.given.get(f"forward/{mismatch.layer}")
    if mismatch.name != f"grad/{mismatch.layer}.input" or upstream is None or z is None or a is None:
        return
    if a.shape != upstream.shape:
        return
    yield "the derivative of the activation is left out", upstream
    if isinstance(layer, Tanh):
        yield "(1 - a)^2 is used for 1 - a^2", upstream * (1 - a) ** 2
        yield "1 - z^2 is used for 1 - a^2: the derivative is taken at z, not at a", upstream * (1 - z**2)
        yield "1 + a^2 is used for 1 - a^2", upstream * (1 + a**2)
        yield "sigmoid's derivative a (1 - a) is used for tanh's", upstream * a * (1 - a)
        yield "tanh is applied twice: the derivative is taken at a instead of z", upstream * (1 - np.tanh(a) ** 2)
    if isinstance(layer, Sigmoid):
        again = 1 / (1 + np.exp(-a))
        yield "sigmoid is applied twice: the derivative is taken at a instead of z", upstream * again * (1 - again)
        yield "tanh's derivative 1 - a^2 is used for sigmoid's", upstream * (1 - a**2)
        yield "a (1 + a) is used for a (1 - a)", upstream * a * (1 + a)


def batch_norm(mismatch: Mismatch) -> Iterator[Explained]:
    """A path of batch norm's backward pass left out, or another variance in the running average."""
    layer = mismatch.layer_object
    if not isinstance(layer, BatchNorm):
        return
    if place(mismatch.name).phase == "buffer":
        yield from _running_average(mismatch, layer)
        return
    dy, x = mismatch.upstream(), mismatch.input()
    if mismatch.leaf != "input" or dy is None or x is None or not mismatch.case.training:
        return
    gamma = mismatch.plan.weights.params[mismatch.layer]["gamma"]
    values = tuple(range(x.ndim - 1))
    s = np.sqrt(x.var(axis=values) + layer.epsilon)
    n, dn = (x - x.mean(axis=values)) / s, dy * gamma
    mean_path, var_path = dn.mean(axis=values), n * (dn * n).mean(axis=values)
    yield "the path through the variance (dvar -> dx) is missing", (dn - mean_path) / s
    yield "the path through the mean (dmu -> dx) is missing", (dn - var_path) / s
    yield "the mean and the variance are treated as constants", dn / s
    yield "gamma is left out", (dy - dy.mean(axis=values) - n * (dy * n).mean(axis=values)) / s


def _running_average(mismatch: Mismatch, layer: BatchNorm) -> Iterator[Explained]:
    x, step = mismatch.input(), place(mismatch.name).step
    if x is None or step != 1:
        return
    old, rho = mismatch.plan.weights.buffers[mismatch.layer][mismatch.leaf], layer.momentum
    new = (mismatch.reference - rho * old) / (1 - rho)
    m = x.size // x.shape[-1]  # of images, every pixel counts
    if mismatch.leaf == "running_var" and m > 1:
        text = f"the running variance averages the unbiased batch variance, 1/(m - 1) with m = {m}: torch's convention"
        yield text, rho * old + (1 - rho) * new * m / (m - 1)
        yield "the standard deviation is averaged instead of the variance", rho * old + (1 - rho) * np.sqrt(new)
    yield "momentum and 1 - momentum are swapped", (1 - rho) * old + rho * new
    yield "the running average is not updated", old
    yield "the running average is replaced by the batch's value", new


def dropout(mismatch: Mismatch) -> Iterator[Explained]:
    """A mask or a scale left out of a dropout layer's backward pass."""
    layer, upstream = mismatch.layer_object, None
    if isinstance(layer, Dropout) and mismatch.leaf == "input":
        upstream = mismatch.upstream()
    if upstream is None:
        return
    assert isinstance(layer, Dropout)
    yield "the mask is not applied in the backward pass", upstream / layer.keep_prob
    yield "neither mask nor scale is applied in the backward pass", upstream


def update_rule(mismatch: Mismatch) -> Iterator[Explained]:
    """The first update of a parameter, made by a variant of the rule."""
    optimizer, where = mismatch.case.optimizer, place(mismatch.name)
    if optimizer is None or where.step != 1 or not mismatch.name.startswith("step1/param/"):
        return
    w = mismatch.plan.weights.params[mismatch.layer][mismatch.leaf]
    first = mismatch.plan.gradients[0] if mismatch.plan.gradients else None
    g = first[mismatch.layer][mismatch.leaf] if first else mismatch.given[f"grad/{mismatch.layer}.{mismatch.leaf}"]
    alpha = optimizer.learning_rate
    yield "the parameter is not updated", w
    yield "the step goes uphill: the sign of the update is flipped", 2 * w - mismatch.reference
    if isinstance(optimizer, Adam):
        b1, b2, eps = optimizer.beta1, optimizer.beta2, optimizer.epsilon
        v, s = (1 - b1) * g, (1 - b2) * g**2
        yield "Adam without bias correction", w - alpha * v / (np.sqrt(s) + eps)
        yield "Adam without bias correction of the first moment", w - alpha * v / (np.abs(g) + eps)
        yield "Adam without bias correction of the second moment", w - alpha * g / (np.sqrt(s) + eps)
        yield (
            "epsilon is added before the bias correction: this is Keras's Adam",
            w - alpha * g / (np.abs(g) + eps / np.sqrt(1 - b2)),
        )
        yield "epsilon stands inside the root", w - alpha * g / np.sqrt(g**2 + eps)
        yield "the root of the second moment is not taken", w - alpha * g / (g**2 + eps)
        later = v / (1 - b1**2) / (np.sqrt(s / (1 - b2**2)) + eps)
        yield "the step counter is one too high", w - alpha * later
    if isinstance(optimizer, RMSprop):
        s = (1 - optimizer.beta) * g**2
        yield "epsilon stands inside the root: this is Keras's RMSprop", w - alpha * g / np.sqrt(s + optimizer.epsilon)
        yield "the root of the average square is not taken", w - alpha * g / (s + optimizer.epsilon)
        swapped = optimizer.beta * g**2
        yield "beta and 1 - beta are swapped", w - alpha * g / (np.sqrt(swapped) + optimizer.epsilon)
    if isinstance(optimizer, Momentum):
        yield "the factor 1 - beta is missing: this is the frameworks' momentum", w - alpha * g
        yield "beta and 1 - beta are swapped", w - alpha * optimizer.beta * g


HYPOTHESES: tuple[Hypothesis, ...] = (
    regularisation,
    activation_derivative,
    batch_norm,
    dropout,
    update_rule,
    constant_ratio,
    transposed,
)
