"""Networks that are no chain known to scratch (another activation, a shortcut): their gradients beside finite differences.

The Jacobian of the user's own output with respect to every parameter is taken by finite differences; scratch's loss gives the gradient
at the output. Which loss, and its scale, are found as for networks that are recognised.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived, contracted, generator, jacobian
from comparisons.check.styles.network_access import LABELS, SINGLE, Access, Array, as_rows, put, put_target
from comparisons.check.styles.network_arguments import is_output
from comparisons.check.styles.network_reading import (
    LOSS_TITLES,
    Chain,
    chains,
    drawn_batch,
    drawn_weights,
    gradients,
    ratio,
    same,
)
from comparisons.check.styles.shrinking import too_large
from comparisons.check.unit import UserError
from scratch import BinaryCrossEntropy, BinaryCrossEntropyFromLogits, Loss, MeanSquaredError, SoftmaxCrossEntropy

NEAR = 1e-6
"""Relative difference up to which a loss is taken to be the code's."""


@dataclass(frozen=True)
class Scalars:
    """Parameters that are single numbers: no chain, and so of no sizes of their own."""

    weights: tuple[str, ...]
    biases: tuple[None, ...]
    sizes: tuple[int, int]


def shapes_of(access: Access) -> Iterator[Chain | Scalars]:
    """Chains that the parameters make; for single numbers, small numbers of inputs and one output."""
    if all(a.ndim == 0 for a in access.parameters.values()):
        names = tuple(access.parameters)
        yield from (Scalars(names, (None,) * len(names), (n, 1)) for n in (1, 2, 3, 4))
        return
    yield from itertools.islice(chains(access.parameters), 4)


def drawn(access: Access, chain: Chain | Scalars, rng: np.random.Generator) -> dict[str, Array]:
    """Random parameters in the user's layout."""
    if isinstance(chain, Scalars):
        return {n: np.asarray(rng.standard_normal()) for n in chain.weights}
    return chain.to_user(drawn_weights(chain, rng), access.parameters)


@dataclass(frozen=True)
class NumericReading:
    """How a network's gradients follow from its output.

    Attributes
    ----------
    chain : Chain
    form, labels, output : str
    loss : str
        A key of `OUTPUT_GRADIENTS`.
    factor, power : float, int
        The user's gradients are `factor * m**power` times those of the mean over the examples.
    agreeing, total : int
    """

    chain: Chain | Scalars
    form: str
    labels: str
    output: str
    loss: str
    factor: float
    power: int
    agreeing: int
    total: int


def _of(loss: Loss, p: Array, y: Array) -> Array:
    return loss.backward(y, loss.forward(p, y)[1])


def _of_probabilities(p: Array, y: Array) -> Array:
    # Cross-entropy of probabilities: -y/p, and softmax's Jacobian is in the network's own derivative.
    with np.errstate(all="ignore"):
        return np.where(y > 0, -y / p, 0.0) / len(p)


OUTPUT_GRADIENTS = {
    "squared error": lambda p, y: _of(MeanSquaredError(), p, y),
    "cross-entropy": _of_probabilities,
    "binary cross-entropy": lambda p, y: _of(BinaryCrossEntropy(), p, y),
    "cross-entropy of logits": lambda p, y: _of(SoftmaxCrossEntropy(), p, y),
    "binary cross-entropy of logits": lambda p, y: _of(BinaryCrossEntropyFromLogits(), p, y),
}
assert set(LOSS_TITLES.values()) <= set(OUTPUT_GRADIENTS)


def numeric_reading(access: Access, until: float) -> NumericReading | None:
    """The loss and scale under which most of the user's gradients are derivatives of the user's own output.

    Parameters
    ----------
    access : Access
    until : float
        Time of the processor after which no further way of handing over a batch is begun.
    """
    if too_large(access.parameters):
        return None
    best: NumericReading | None = None
    for chain in shapes_of(access):
        for form in access.forms:
            if (best is not None and form in SINGLE and access.batched) or time.process_time() > until:
                continue
            for found in _readings(access, chain, form):
                if best is None or (found.agreeing, found.factor > 0) > (best.agreeing, best.factor > 0):
                    best = found
                if best.agreeing == best.total:
                    return best
    if best is not None and isinstance(best.chain, Scalars) and 2 * best.agreeing < best.total:
        return None  # how many inputs there are is a guess
    return best


def _readings(access: Access, chain: Chain | Scalars, form: str) -> Iterator[NumericReading]:
    sizes = (1, 1) if form in SINGLE else (5, 3)
    rng = np.random.default_rng(17)
    try:
        params = drawn(access, chain, rng)
        batches = [drawn_batch(chain.sizes, m, rng) for m in sizes]
        places = outputs(access, chain, params, *batches[0], form)
    except (UserError, ValueError):
        return
    known: dict[str, list[Slopes]] = {}
    some: dict[str, Array] = {}
    for labels in LABELS:
        try:
            shown = [_user_gradients(access, params, x, y, form, labels)[0] for x, y in batches]
        except (UserError, ValueError):
            continue
        if not all(shown):
            continue
        some = some or {n: _telling([g[n] for g in shown if n in g], a) for n, a in params.items()}
        seen = [{n: g[n].ravel()[some[n]] for n in some if n in g and g[n].size == params[n].size} for g in shown]
        for place in places[:3]:
            try:
                own = [_output(access, chain, params, x, y, form, labels, place) for x, y in batches]
                slopes = known.get(place, [])
                if not slopes or not all(np.array_equal(p, a) for (_, p), a in zip(slopes, own, strict=True)):
                    slopes = [_slopes(access, chain, params, x, y, form, labels, place, some) for x, y in batches]
                    known[place] = slopes
            except (UserError, ValueError):
                continue
            for name, gradient in OUTPUT_GRADIENTS.items():
                wanted = [
                    {n: contracted(*s, 1, gradient(p, y))[0] for n, s in slope.items()}
                    for (slope, p), (_, y) in zip(slopes, batches, strict=True)
                ]
                found = _fitted(seen, wanted, sizes)
                if found is not None:
                    yield NumericReading(chain, form, labels, place, name, *found, len(params))


SOME = 10
"""Elements of a parameter by which a loss is recognised."""


def _telling(shown: list[Array], a: Array) -> Array:
    """Where to look at a parameter: where its gradients are largest, and a few other places."""
    size = np.zeros(a.size)
    for g in shown:
        if g.size == a.size and np.isfinite(g).all():
            size = np.maximum(size, np.abs(g).ravel())
    order = np.argsort(-size, kind="stable")
    return np.sort(np.concatenate([order[: SOME - 3], order[SOME - 3 :: max(1, a.size // 3)]]))


def outputs(
    access: Access, chain: Chain | Scalars, params: dict[str, Array], x: Array, y: Array, form: str
) -> list[str]:
    """Where the user's output may be: what is returned, in the output's shape."""
    for labels in LABELS:
        try:
            seen = access.forward(
                {n: a.copy() for n, a in params.items()}, put(x, form), put_target(y, form, labels), len(x)
            )
        except UserError:
            continue
        fitting = [p for p, a in seen.arrays.items() if as_rows(a, len(x), chain.sizes[-1], form) is not None]
        # Of several values that are returned, the output is the first or the last.
        return sorted(fitting, key=lambda p: (not p.startswith("returned"), not is_output(p.rpartition(".")[2])))
    return []


def _user_gradients(
    access: Access, params: dict[str, Array], x: Array, y: Array, form: str, labels: str
) -> tuple[dict[str, Array], bool]:
    """The user's gradients, and whether they were read off an update."""
    own = {n: a.copy() for n, a in params.items()}
    seen = access.step(own, put(x, form), put_target(y, form, labels), len(x))
    return gradients(access, params, seen), not seen.grads


def _slopes(
    access: Access,
    chain: Chain | Scalars,
    params: dict[str, Array],
    x: Array,
    y: Array,
    form: str,
    labels: str,
    place: str,
    some: dict[str, Array] | None = None,
) -> tuple[dict[str, tuple[Array, Array]], Array]:
    """Jacobian of the output by each parameter, or by some elements of it, with its errors; and the output."""

    def at(name: str, v: Array) -> Array:
        moved = v
        if some is not None:
            moved = params[name].copy()
            moved.ravel()[some[name]] = v
        return _output(access, chain, params | {name: moved}, x, y, form, labels, place)

    found = {
        n: jacobian(lambda v, n=n: at(n, v), a if some is None else a.ravel()[some[n]])  # type: ignore[misc]
        for n, a in params.items()
    }
    return found, _output(access, chain, params, x, y, form, labels, place)


def _output(
    access: Access,
    chain: Chain | Scalars,
    params: dict[str, Array],
    x: Array,
    y: Array,
    form: str,
    labels: str,
    place: str,
) -> Array:
    """The user's own output, in rows."""
    own = {n: w.copy() for n, w in params.items()}
    seen = access.forward(own, put(x, form), put_target(y, form, labels), len(x))
    rows = as_rows(seen.arrays[place], len(x), chain.sizes[-1], form) if place in seen.arrays else None
    if rows is None:
        raise UserError(f"{access.name}: the output changes its shape")
    return rows


def _fitted(
    shown: list[dict[str, Array]], wanted: list[dict[str, Array]], sizes: tuple[int, ...]
) -> tuple[float, int, int] | None:
    """Factor, power and number of agreeing tensors of the scale under which most agree."""
    best: tuple[float, int, int] | None = None
    for name in reversed(list(wanted[0])):
        if not all(name in s for s in shown):
            continue
        scale = ratio([s[name] for s in shown], [w[name] for w in wanted], sizes, NEAR)
        if scale is None:
            continue
        factor, power = scale
        agreeing = sum(
            all(
                n in s and same(s[n], factor * m**power * w[n], NEAR)
                for s, w, m in zip(shown, wanted, sizes, strict=True)
            )
            for n in wanted[0]
        )
        if best is None or (agreeing, factor > 0) > (best[2], best[0] > 0):
            best = (factor, power, agreeing)
    return best


Slopes = tuple[dict[str, tuple[Array, Array]], Array]
"""The Jacobian of the output by each parameter, with its errors; and the output."""


@dataclass(frozen=True)
class Drawn:
    """Numbers of a case, with the derivatives of the output there."""

    params: dict[str, Array]
    x: Array
    y: Array
    slopes: Slopes


def drawn_case(access: Access, reading: NumericReading, case: Case) -> Drawn:
    """Fresh numbers, and the derivatives of the user's output."""
    rng = generator(case)
    m, chain = case.batches[0], reading.chain
    params = drawn(access, chain, rng)
    x, y = drawn_batch(chain.sizes, m, rng)
    # The step comes first: where it fails, nothing else is worth its time.
    _user_gradients(access, params, x, y, reading.form, reading.labels)
    slopes = _slopes(access, chain, params, x, y, reading.form, reading.labels, reading.output)
    return Drawn(params, x, y, slopes)


def derived(access: Access, reading: NumericReading, case: Case, on: Drawn | None = None) -> list[Derived]:
    """The user's gradients and the derivatives of the user's output, on fresh numbers or on those that are given."""
    m, chain = case.batches[0], reading.chain
    on = on or drawn_case(access, reading, case)
    params, (slopes, output) = on.params, on.slopes
    shown, updated = _user_gradients(access, params, on.x, on.y, reading.form, reading.labels)
    upstream = OUTPUT_GRADIENTS[reading.loss](output, on.y)
    scale = abs(reading.factor) * float(m) ** reading.power
    found = []
    order = [n for pair in zip(chain.weights, chain.biases, strict=True) for n in pair if n is not None]
    for name in reversed(order):
        if name in shown:
            total, error, kinks = contracted(*slopes[name], params[name].ndim, upstream)
            sign = 1.0 if updated else np.sign(reading.factor)  # an update that goes uphill is a mistake
            found.append(Derived(f"grad/network.{name}", shown[name] / (sign * scale), total, error, kinks, m))
    return found


def right(derived: Derived) -> bool:
    """Whether a gradient is the derivative, kinks left out."""
    return derived.subject.shape == derived.reference.shape and same(
        np.where(derived.kinks, 0.0, derived.subject), np.where(derived.kinks, 0.0, derived.reference), NEAR
    )
