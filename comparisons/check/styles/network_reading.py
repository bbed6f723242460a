"""Which network a user's code is: layout, activations, loss and scale, found by running it on small unequal sizes.

Weights, inputs and targets are drawn; every reading is computed by `scratch.Network` (which is itself compared with the
frameworks) and held against what the user's code gives. Names decide nothing but the order of the attempts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.styles.network_access import LABELS, SINGLE, Access, Array, Seen, as_rows, put, put_target
from comparisons.check.unit import UserError
from comparisons.diagnosis import Mismatch
from comparisons.diagnosis.network import upstreams
from comparisons.plan import Plan, PlannedBatch
from scratch import (
    L2,
    Architecture,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    Dense,
    Layer,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    Weights,
    architecture,
)

IDENTITY = "identity"
ACTIVATIONS: dict[str, Layer | None] = {
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
    "relu": ReLU(),
    IDENTITY: None,
    "softmax": Softmax(),
    **{f"leaky relu, slope {slope}": LeakyReLU(slope) for slope in (0.01, 0.1, 0.2, 0.3, 0.05, 0.001)},
}
SAME = 1e-7
"""Relative difference below which two ways of computing agree: rounding of float64 lies far below, mistakes far above."""


@dataclass(frozen=True)
class Chain:
    """Weights and biases in order.

    Attributes
    ----------
    weights : tuple of str
    biases : tuple of (str or None)
        Of the same length.
    sizes : tuple of int
        Of the layers, the input first.
    rows : bool
        Whether weights have shape (n_in, n_out).
    augmented : str
        `first` or `last` if that row of the weights is the bias; empty otherwise.
    only_input : bool
        Whether only the first layer's weights have such a row.
    """

    weights: tuple[str, ...]
    biases: tuple[str | None, ...]
    sizes: tuple[int, ...]
    rows: bool
    augmented: str = ""
    only_input: bool = False

    def in_row(self, i: int) -> bool:
        """Whether the bias of layer i, from 0, is a row of its weights."""
        return bool(self.augmented) and not (self.only_input and i)

    def has_bias(self, i: int) -> bool:
        """Whether layer i, from 0, has a bias."""
        return self.in_row(i) or self.biases[i] is not None

    def to_user(self, weights: Weights, like: dict[str, Array]) -> dict[str, Array]:
        """Scratch's arrays as the user's."""
        given = {}
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            own = weights.params[f"dense{i}"]
            W = own["W"]
            if self.in_row(i - 1):
                row = own["b"].reshape(1, -1)
                W = np.vstack([row, W] if self.augmented == "first" else [W, row])
            given[w] = (W if self.rows else W.T).reshape(like[w].shape).copy()
            if b is not None:
                given[b] = own["b"].reshape(like[b].shape).copy()
        return given

    def from_user(self, arrays: dict[str, Array]) -> dict[str, dict[str, Array]]:
        """The user's gradients in scratch's layout, as far as their shapes allow; others are left as they are."""
        found: dict[str, dict[str, Array]] = {}
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True), start=1):
            n_in, n_out = self.sizes[i - 1], self.sizes[i]
            own = found.setdefault(f"dense{i}", {})
            if w in arrays:
                own |= self._weights(np.asarray(arrays[w]), n_in, n_out, self.in_row(i - 1))
            if b is not None and b in arrays:
                own["b"] = _bias(np.asarray(arrays[b]), n_out)
        return found

    def _weights(self, g: Array, n_in: int, n_out: int, bias: bool) -> dict[str, Array]:
        if bias:
            g = g if self.rows else g.T
            if g.shape != (n_in + 1, n_out):
                return {"W": g}
            return {"W": g[1:], "b": g[0]} if self.augmented == "first" else {"W": g[:-1], "b": g[-1]}
        if g.ndim < 2 and g.size == n_in * n_out:
            return {"W": g.reshape(n_in, n_out)}
        return {"W": g if self.rows or g.ndim != 2 else g.T}


def _bias(g: Array, n: int) -> Array:
    """One gradient per unit; a single number is added to every unit's bias, so that is what it amounts to."""
    if g.size == n:
        return g.reshape(n)
    return np.full(n, g.reshape(())) if g.size == 1 else g


def is_bias(name: str, a: Array) -> bool:
    """Whether a parameter is a bias, by its shape, or by its name where the shape leaves it open."""
    last = re.findall(r"[A-Za-z_]\w*", name)
    word = (last[-1] if last else name).lower()
    named = word.startswith("b") or "bias" in word or "intercept" in word or word.endswith("_b") or word.endswith("b")
    if a.ndim == 2 and min(a.shape) > 1:
        return False
    return named or (a.ndim < 2 and not word.startswith(("w", "theta", "syn", "coef")))


def natural(name: str) -> list[Any]:
    """Sort key under which W2 comes before W10, and input before hidden before output."""
    lower = name.lower()
    stage = 0
    for word, value in (
        ("input", -2),
        ("ih", -2),
        ("xh", -2),
        ("hidden", -1),
        ("hh", -1),
        ("out", 1),
        ("ho", 1),
        ("hy", 1),
    ):
        if word in lower:
            stage += value
    return [stage, *(int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name))]


def chains(parameters: dict[str, Array]) -> Iterator[Chain]:
    """Every way in which the shapes of the parameters make a network."""
    biases = [n for n, a in parameters.items() if is_bias(n, a)]
    weights = [n for n in parameters if n not in biases]
    if not weights or len(weights) > 12:
        return
    orders = [tuple(weights)]
    if len(weights) <= 4:
        orders += [o for o in itertools.permutations(weights) if o != orders[0]]
    for order in orders:
        shapes = [parameters[w].reshape(-1, 1).shape if parameters[w].ndim < 2 else parameters[w].shape for w in order]
        if any(len(s) != 2 for s in shapes):
            return
        for rows in (True, False):
            pairs = [s if rows or parameters[w].ndim < 2 else s[::-1] for s, w in zip(shapes, order, strict=True)]
            sizes = (pairs[0][0], *(p[1] for p in pairs))
            if all(pairs[i][1] == pairs[i + 1][0] for i in range(len(pairs) - 1)):
                for chosen in _biases(biases, parameters, sizes[1:]):
                    yield Chain(order, chosen, sizes, rows)
                if not biases and len(order) > 1 and sizes[0] > 2:
                    # A unit that is always 1 beside the inputs.
                    for where in ("last", "first"):
                        yield Chain(order, (None,) * len(order), (sizes[0] - 1, *sizes[1:]), rows, where, True)
            elif not biases and all(pairs[i][1] + 1 == pairs[i + 1][0] for i in range(len(pairs) - 1)):
                inner = (pairs[0][0] - 1, *(p[1] for p in pairs))
                for where in ("first", "last"):
                    yield Chain(order, (None,) * len(order), inner, rows, where)


def _biases(names: list[str], parameters: dict[str, Array], sizes: tuple[int, ...]) -> Iterator[tuple[str | None, ...]]:
    if len(names) > len(sizes):
        return
    if len(names) == len(sizes):
        for order in itertools.permutations(names) if len(names) <= 4 else [tuple(names)]:
            if all(parameters[b].size in (n, 1) for b, n in zip(order, sizes, strict=True)):
                yield order
        return
    # Fewer biases than layers: wherever they fit, as many first layers as possible.
    for places in itertools.combinations(range(len(sizes)), len(names)):
        if all(parameters[b].size == sizes[i] for b, i in zip(names, places, strict=True)):
            chosen: list[str | None] = [None] * len(sizes)
            for b, i in zip(names, places, strict=True):
                chosen[i] = b
            yield tuple(chosen)


@dataclass(frozen=True)
class Reading:
    """A network with everything that is needed to run the user's code in its place.

    Attributes
    ----------
    chain : Chain
    form, labels : str
        How batches and targets are handed over.
    activations : tuple of str
        By layer.
    arch : Architecture
    output : str
        Where the output was found.
    probabilities : bool
        Whether the user's output is what the architecture's last layer would give only after the loss's own function.
    factor, power : float, int
        The user's gradients are `factor * m**power` times the architecture's.
    agreeing, total : int
        Number of gradients that agree, and that were seen.
    shows : str
        `gradients` or `update`: what the user's code lets see.
    pattern : tuple of bool
        Which agree, from the output backwards.
    explained : bool
        Whether a known mistake at the output gives the gradient of the last weights, where none agrees.
    deviation : float
        Largest relative difference of a gradient that agrees.
    decay, decay_power : float, int
        L2's lambda is `decay * m**decay_power` in scratch's scale.
    """

    chain: Chain
    form: str
    activations: tuple[str, ...]
    arch: Architecture
    output: str
    labels: str = LABELS[0]
    probabilities: bool = False
    factor: float = 1.0
    power: int = 0
    agreeing: int = 0
    total: int = 0
    shows: str = "gradients"
    pattern: tuple[bool, ...] = ()
    explained: bool = False
    deviation: float = 0.0
    decay: float = 0.0
    decay_power: int = 0

    @property
    def share(self) -> float:
        """Part of the gradients that agree."""
        return self.agreeing / self.total if self.total else 0.0

    def scale(self, m: int) -> float:
        """What the user's gradients are to be divided by."""
        # An update that goes uphill is the mistake to be told.
        factor = abs(self.factor) if self.shows == "update" else self.factor
        return factor * float(m) ** self.power

    def regularised(self, m: int) -> Architecture:
        """The architecture with the weight decay that the code has for a batch of m."""
        lambda_ = self.decay * float(m) ** self.decay_power
        return replace(self.arch, regulariser=L2(lambda_)) if self.decay else self.arch

    @property
    def single(self) -> bool:
        """Whether only one example at a time is possible."""
        return self.form in SINGLE


def dense_layers(chain: Chain, activations: tuple[str, ...]) -> list[Layer]:
    """Dense layers with their activations."""
    layers: list[Layer] = []
    for i, name in enumerate(activations):
        layers.append(Dense(chain.sizes[i], chain.sizes[i + 1], bias=chain.has_bias(i)))
        activation = ACTIVATIONS[name]
        if activation is not None:
            layers.append(activation)
    return layers


def drawn_weights(chain: Chain, rng: np.random.Generator) -> Weights:
    """Weights of moderate size, biases included."""
    params = {}
    for i, (n_in, n_out) in enumerate(itertools.pairwise(chain.sizes), start=1):
        params[f"dense{i}"] = {"W": rng.standard_normal((n_in, n_out)) * np.sqrt(1.5 / n_in)}
        if chain.has_bias(i - 1):
            params[f"dense{i}"]["b"] = 0.5 * rng.standard_normal(n_out)
    return Weights(params)


def drawn_batch(sizes: tuple[int, ...], m: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Inputs, and targets that suit every loss: 0 or 1, one-hot; the last class is there, as code that counts classes wants it."""
    x = rng.standard_normal((m, sizes[0]))
    k = sizes[-1]
    if k == 1:
        return x, (np.arange(m) % 2).astype(float).reshape(m, 1)
    return x, np.eye(k)[(k - 1 - np.arange(m)) % k]


def combinations(depth: int) -> Iterator[tuple[str, ...]]:
    """Activations by layer, the likely ones first: one for all hidden layers, then any."""
    names = list(ACTIVATIONS)
    hidden = [n for n in names if n != "softmax"]
    seen = set()
    for h, o in itertools.product(hidden, names):
        seen.add((*(h,) * (depth - 1), o))
        yield (*(h,) * (depth - 1), o)
    if 2 < depth <= 4:
        for several in itertools.product(hidden[:5], repeat=depth - 1):
            for o in names[:6]:
                if (*several, o) not in seen:
                    yield (*several, o)


def same(a: Array, b: Array, within: float = SAME) -> bool:
    """Agreement to rounding."""
    scale = np.abs(b).max(initial=0)
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= within * max(scale, 1e-30))


def forward_readings(access: Access, m: int = 6) -> Iterator[Reading]:
    """Every architecture that gives the user's output."""
    for chain in chains(access.parameters):
        for form in access.forms:
            rng = np.random.default_rng(7)
            size = 1 if form in SINGLE else m
            x, y = drawn_batch(chain.sizes, size, rng)
            weights = drawn_weights(chain, rng)
            seen = _attempt(
                lambda c=chain, w=weights, f=form, x=x, y=y: _forward(access, c, w, x, y, f)  # type: ignore[misc]
            )
            if seen is None:
                continue
            rows = {
                place: r
                for place, a in seen.arrays.items()
                if (r := as_rows(a, size, chain.sizes[-1], form)) is not None and a.dtype.kind == "f"
            }
            found = _activations(chain, weights, x, rows)
            if found is not None and _again(access, chain, form, *found):
                names, place = found
                yield Reading(chain, form, names, architecture(*dense_layers(chain, names)), place)


def _again(access: Access, chain: Chain, form: str, names: tuple[str, ...], place: str) -> bool:
    """Whether other numbers agree as well: of one example a 0 is soon met by chance."""
    rng = np.random.default_rng(8)
    weights = drawn_weights(chain, rng)
    network = Network(architecture(*dense_layers(chain, names)), weights)
    alive = False
    for m in (1,) * 8 if form in SINGLE else (4,):
        x, y = drawn_batch(chain.sizes, m, rng)
        seen = _attempt(lambda x=x, y=y: _forward(access, chain, weights, x, y, form))  # type: ignore[misc]
        if seen is None or place not in seen.arrays:
            return False
        rows = as_rows(seen.arrays[place], m, chain.sizes[-1], form)
        expected = network.predict(x)
        if rows is None or not same(rows, expected):
            return False
        alive = alive or bool(expected.any())
    return alive


def _forward(access: Access, chain: Chain, weights: Weights, x: Array, y: Array, form: str) -> Seen:
    params = chain.to_user(weights, access.parameters)
    failure: UserError | None = None
    for labels in LABELS:
        try:
            return access.forward(params, put(x, form), put_target(y, form, labels), len(x))
        except UserError as error:
            failure = failure or error
    assert failure is not None
    raise failure


def _attempt(what: Callable[[], Seen]) -> Seen | None:
    try:
        return what()
    except (UserError, ValueError, KeyError):
        return None


def _activations(
    chain: Chain, weights: Weights, x: Array, rows: dict[str, Array]
) -> tuple[tuple[str, ...], str] | None:
    if not rows:
        return None
    found = None
    for names in combinations(len(chain.weights)):
        output = Network(architecture(*dense_layers(chain, names)), weights).predict(x)
        for place, r in rows.items():
            if same(r, output):
                # Logits are often kept beside the activation made of them: that is the output.
                if names[-1] != IDENTITY:
                    return names, place
                found = found or (names, place)
    return found


def losses(reading: Reading) -> Iterator[tuple[str, Architecture, bool]]:
    """Losses that an output activation is commonly trained with: title, architecture, whether the output is beyond its last layer."""
    layers = dense_layers(reading.chain, reading.activations)
    mse, output = MeanSquaredError(), reading.activations[-1]
    if output == "softmax":
        yield "cross-entropy", architecture(*layers[:-1], loss=SoftmaxCrossEntropy()), True
        yield "squared error", architecture(*layers, loss=mse), False
        return
    if output == "sigmoid":
        yield "binary cross-entropy", architecture(*layers, loss=BinaryCrossEntropy()), False
    yield "squared error", architecture(*layers, loss=mse), False
    if output == IDENTITY and reading.chain.sizes[-1] > 1:
        yield "softmax cross-entropy", architecture(*layers, loss=SoftmaxCrossEntropy()), False
    if output == IDENTITY:
        yield "binary cross-entropy of logits", architecture(*layers, loss=BinaryCrossEntropyFromLogits()), False


LOSS_TITLES: dict[type[Loss], str] = {
    BinaryCrossEntropy: "binary cross-entropy",
    BinaryCrossEntropyFromLogits: "binary cross-entropy",
    SoftmaxCrossEntropy: "cross-entropy",
    MeanSquaredError: "squared error",
}


@dataclass(frozen=True)
class Observed:
    """Gradients that the user's code gave for two batches, in scratch's layout, with what went in."""

    sizes: tuple[int, ...]
    batches: tuple[tuple[Array, Array], ...]
    weights: Weights
    grads: tuple[dict[str, dict[str, Array]], ...]
    labels: str
    shows: str


def observe(access: Access, reading: Reading) -> Iterator[Observed]:
    """Run the user's step, once for every way in which the targets may be handed over."""
    rng = np.random.default_rng(11)
    sizes = (1, 1) if reading.single else (6, 3)
    weights = drawn_weights(reading.chain, rng)
    batches = tuple(drawn_batch(reading.chain.sizes, m, rng) for m in sizes)
    for labels in LABELS:
        grads, shows = [], "gradients"
        try:
            for x, y in batches:
                params = reading.chain.to_user(weights, access.parameters)
                seen = access.step(params, put(x, reading.form), put_target(y, reading.form, labels), len(x))
                shows = "gradients" if seen.grads else "update"
                grads.append(reading.chain.from_user(gradients(access, params, seen)))
        except (UserError, ValueError):
            continue
        if all(any(named for named in g.values()) for g in grads):
            yield Observed(sizes, batches, weights, tuple(grads), labels, shows)


def gradients(access: Access, params: dict[str, Array], seen: Seen) -> dict[str, Array]:
    """What the code gave, or what its update amounts to."""
    if seen.grads:
        return seen.grads
    rate = access.rate or 1.0
    return {
        n: (params[n] - moved) / rate if moved.shape == params[n].shape else moved
        for n, moved in seen.moved.items()
        if n in params
    }


def best_reading(access: Access) -> Reading | None:
    """The architecture, loss and scale under which most gradients agree; None if the output is that of no known network."""
    best: Reading | None = None
    for forward in forward_readings(access):
        if forward.single and access.batched and best is not None and best.agreeing:
            continue  # else a missing sum over the batch would go unseen
        best = _with_loss(access, forward, best)
        if best is not None and best.agreeing == best.total:
            return best
    return best


def unseen_reading(access: Access) -> Reading | None:
    """The same for code that keeps its output to itself: only if the gradients next to the output agree."""
    best: Reading | None = None
    for chain in itertools.islice(chains(access.parameters), 2):
        for form in access.forms:
            if len(chain.weights) > 2 or (form in SINGLE and access.batched):
                continue
            for names in itertools.product(("sigmoid", "tanh", "relu", IDENTITY), repeat=len(chain.weights)):
                forward = Reading(chain, form, names, architecture(*dense_layers(chain, names)), "")
                best = _with_loss(access, forward, best)
                if best is not None and best.agreeing == best.total:
                    return best
    return best if best is not None and best.pattern and best.pattern[0] and not best.single else None


def _with_loss(access: Access, forward: Reading, best: Reading | None) -> Reading | None:
    """The better of a reading and what a forward pass becomes with its likeliest loss."""
    for observed in observe(access, forward):
        for _, arch, beyond in losses(forward):
            reading = replace(forward, arch=arch, probabilities=beyond, labels=observed.labels, shows=observed.shows)
            reading = _scaled(reading, observed)
            if best is None or rank(reading) > rank(best):
                best = reading
    return best


def rank(reading: Reading) -> tuple[Any, ...]:
    """Order of readings: most gradients, those near the output first, and none uphill."""
    return (reading.share, reading.agreeing, reading.explained, reading.pattern, reading.factor > 0)


def _scaled(reading: Reading, observed: Observed) -> Reading:
    """The scale under which most gradients agree, tried from the output backwards; with weight decay if that explains more."""
    best = _scaled_as(reading, observed)
    if best.agreeing < best.total:
        for decayed in _decays(best, observed):
            best = max(best, _scaled_as(decayed, observed), key=rank)
    return best if best.agreeing else _explained(best, observed)


def _scaled_as(reading: Reading, observed: Observed) -> Reading:
    references = [
        Network(reading.regularised(m), observed.weights).differentiate(x, y).grads
        for m, (x, y) in zip(observed.sizes, observed.batches, strict=True)
    ]
    names = [
        (layer, p)
        for layer in references[0]  # in backward order already
        for p in ("W", "b")
        if p in references[0][layer]
    ]
    seen = [(layer, p) for layer, p in names if p in observed.grads[0].get(layer, {})]
    best = replace(reading, agreeing=0, total=len(names), pattern=(False,) * len(names))
    for layer, p in seen:
        scale = ratio([g[layer][p] for g in observed.grads], [r[layer][p] for r in references], observed.sizes)
        if scale is None:
            continue
        factor, power = scale
        pattern = tuple(
            all(
                same(g.get(name, {}).get(q, np.empty(0)), factor * m**power * r[name][q])
                for g, r, m in zip(observed.grads, references, observed.sizes, strict=True)
            )
            for name, q in names
        )
        deviation = max(
            _apart(g[name][q], factor * m**power * r[name][q])
            for g, r, m in zip(observed.grads, references, observed.sizes, strict=True)
            for (name, q), agrees in zip(names, pattern, strict=True)
            if agrees
        )
        tried = replace(best, agreeing=sum(pattern), pattern=pattern, factor=factor, power=power, deviation=deviation)
        best = max(best, tried, key=rank)
    return best


def _decays(reading: Reading, observed: Observed) -> Iterator[Reading]:
    """Readings with an L2 term, where a weight's gradient is the data's and a multiple of the weight itself."""
    references = [Network(reading.arch, observed.weights).differentiate(x, y).grads for x, y in observed.batches]
    for i in range(len(reading.chain.weights), 0, -1):
        w, lambdas = observed.weights.params[f"dense{i}"]["W"], []
        for g, r, m in zip(observed.grads, references, observed.sizes, strict=True):
            given = g.get(f"dense{i}", {}).get("W")
            if given is None or given.shape != w.shape or w.size < 3:
                break
            terms = np.stack([r[f"dense{i}"]["W"].ravel(), w.ravel()], axis=1)
            (data, own), *_ = np.linalg.lstsq(terms, given.ravel(), rcond=None)
            if data == 0 or not same((terms @ (data, own)).reshape(w.shape), given) or own / data <= SAME:
                break
            lambdas.append(float(own / data * m))
        if len(lambdas) < 2:
            continue
        for power in (0, 1, -1) if observed.sizes[0] != observed.sizes[1] else (0,):
            base = [value / float(m) ** power for value, m in zip(lambdas, observed.sizes, strict=True)]
            if abs(base[1] / base[0] - 1) < SAME:
                yield replace(reading, decay=_rounded(base[0], SAME), decay_power=power)
                return


def _apart(a: Array, b: Array) -> float:
    return float(np.abs(a - b).max(initial=0) / (np.abs(b).max(initial=0) or 1.0))


def _explained(reading: Reading, observed: Observed) -> Reading:
    """The reading with the scale under which a known mistake at the output gives the last weights' gradient."""
    last = f"dense{len(reading.chain.weights)}"
    given = [g.get(last, {}).get("W") for g in observed.grads]
    if any(g is None for g in given):
        return reading
    expected: list[dict[str, Array]] = []
    for x, y in observed.batches:
        mismatch = _mismatch(reading.arch, observed.weights, x, y, f"grad/{last}.W")
        into = mismatch.input()
        assert into is not None
        with np.errstate(all="ignore"):
            expected.append({text: into.T @ dz for text, dz in upstreams(mismatch) if len(dz) == len(into)})
    for text, wanted in expected[0].items():
        if text in expected[1]:
            scale = ratio(given, [wanted, expected[1][text]], observed.sizes)  # type: ignore[arg-type]
            if scale is not None and scale[0] > 0:
                return replace(reading, explained=True, factor=scale[0], power=scale[1])
    return reading


def _mismatch(arch: Architecture, weights: Weights, x: Array, y: Array, name: str) -> Mismatch:
    """What hypotheses are asked about, from a pass of the scratch network."""
    found = Network(arch, weights).differentiate(x, y)
    given = {f"forward/{n}": a for n, a in found.outputs.items()} | {"grad/loss.input": found.output_grad}
    given |= {f"grad/{n}.input": a for n, a in found.input_grads.items()}
    given |= {f"grad/{n}.{p}": a for n, named in found.grads.items() for p, a in named.items()}
    case = Case("check/reading", arch, (len(x),), x.shape[1:])
    plan = Plan(weights, [PlannedBatch(x, y)], [])
    return Mismatch(case, plan, name, given[name], given[name], given, 0.0)


def even(a: Array) -> bool:
    """Whether all elements that are not 0 are of one size, but for an epsilon."""
    moved = a[a > 0]
    return moved.size > 0 and float(moved.min()) > 0.98 * float(moved.max())


def doubt(access: Access, reading: Reading) -> str:
    """Why a reading under which nothing agrees says nothing about the code; empty if it does.

    With one example the gradient of the last weights is a^T dz: whatever the loss, dz can be read off it. If everything
    behind follows from that dz, only the loss is unknown.
    """
    if reading.agreeing or reading.explained:
        return ""
    rng = np.random.default_rng(13)
    chain = reading.chain
    weights = drawn_weights(chain, rng)
    x, y = drawn_batch(chain.sizes, 1, rng)
    params = chain.to_user(weights, access.parameters)
    try:
        seen = access.step(params, put(x, reading.form), put_target(y, reading.form, reading.labels), 1)
        grads = chain.from_user(gradients(access, params, seen))
    except (UserError, ValueError):
        return ""
    largest = [np.abs(g) for named in grads.values() for g in named.values() if g.size]
    if reading.shows == "update" and largest and all(even(g) for g in largest):
        return "every parameter moves by the same amount: an adaptive update hides the gradients"
    layers = reading.arch.layers
    cut = layers if isinstance(layers[-1][1], Dense) else layers[:-1]
    behind = Network(Architecture(cut), weights)
    outputs = list(behind.forward(x).values())
    last = f"dense{len(chain.weights)}"
    a = outputs[-2] if len(outputs) > 1 else x
    found = grads.get(last, {}).get("W")
    if len(chain.weights) < 2:
        return "its gradient is that of no loss known here"
    if found is None or found.shape != (chain.sizes[-2], chain.sizes[-1]):
        return ""
    follows, _ = behind.backward(a @ found / float((a * a).sum()))
    agree = all(same(g, follows[layer][p]) for layer, named in grads.items() for p, g in named.items())
    return "the gradient at the output is that of no loss known here; what lies behind follows from it" if agree else ""


def ratio(
    given: list[Array], wanted: list[Array], sizes: tuple[int, ...], within: float = SAME
) -> tuple[float, int] | None:
    """c and p with `given = c m**p wanted` at all batch sizes; None if there are none."""
    ratios = []
    for g, r in zip(given, wanted, strict=True):
        if g.shape != r.shape or not np.isfinite(g).all() or not r.any():
            return None
        found = float((g * r).sum() / (r * r).sum())
        if found == 0 or not same(g, found * r, within):
            return None
        ratios.append(found)
    if len(set(sizes)) == 1:
        return (_rounded(ratios[0], within), 0) if abs(ratios[1] / ratios[0] - 1) < within else None
    for power in (1, 0, -1):
        factors = [r / m**power for r, m in zip(ratios, sizes, strict=True)]
        if abs(factors[1] / factors[0] - 1) < within:
            return _rounded(factors[0], within), power
    return None


def _rounded(factor: float, within: float) -> float:
    """The nearest simple fraction, where it is one to rounding: 1/m is rarely measured exactly."""
    simple = float(Fraction(factor).limit_denominator(10_000 if within <= SAME else 200))
    return simple if abs(simple - factor) < within / 100 * abs(factor) else factor
