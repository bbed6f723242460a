"""Which network a user's container of layers is, and how its numbers stand to it: found out by running it."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import parameters, plain, tree
from comparisons.check.homes import source_text
from comparisons.check.styles.container_blocks import Call
from comparisons.check.styles.container_drives import TRAIN, Form, Offer
from comparisons.check.styles.container_runs import Session, Stepped, Way
from comparisons.check.styles.container_scripts import measured
from comparisons.check.styles.cost_beside import Beside, Probed, beside, contradicting, costs, penalised, value
from comparisons.check.styles.network_arguments import role
from comparisons.check.styles.network_reading import LOSS_TITLES, even, ratio, same
from comparisons.check.unit import UserError, UserFile
from comparisons.plan import random_weights
from comparisons.subject import ScratchModel
from scratch import (
    L2,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    GradientDescent,
    Loss,
    MeanSquaredError,
    Network,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    dropout_mask,
)
from scratch.network import Architecture, Pass
from scratch.weights import Weights

Array = np.ndarray
LOSSES: dict[str, Loss] = {
    type(loss).__name__: loss
    for loss in (
        MeanSquaredError(),
        BinaryCrossEntropy(),
        CategoricalCrossEntropy(),
        SoftmaxCrossEntropy(),
        BinaryCrossEntropyFromLogits(),
    )
}


@dataclass(frozen=True)
class Reading:
    """A container with everything that is needed to compare it.

    Attributes
    ----------
    way : Way
    arch : Architecture
        With its loss, if it has one.
    batched : bool
        Whether a step takes all examples at once; else one alone.
    factor, power : float, int
        Its gradients are `factor * m**power` times the architecture's.
    flow : (float, int), optional
        The same for gradients with respect to outputs, as the layers hand them on; None where they are not the loss's.
    agreeing, total : int
        Number of gradients that agree, and that were seen.
    output : bool
        Whether its output is the architecture's.
    predictions : str
        Name of what its forward method gives: a layer's, or `predictions`; empty if it gives nothing that can be compared.
    causes : tuple of str
        What was seen of the order in which it calls its layers, where that is wrong.
    moved : bool
        Whether gradients are differences of parameters.
    doubt : str
        Why a disagreement says nothing.
    late : str
        What is wrong only from the second step on.
    at_once : bool
        Whether the first layer was given the whole batch.
    cost : Beside, optional
        How a cost among the container's methods stands to its loss.
    remembers : bool
        Whether a step depends on those before it, as with momentum.
    sequence, rate : int, float
        Size of each of several batches that one call takes, 0 if it takes but one, and the rate at which it then moves.
    penalty : float
        Of L2: the step adds so many times W to the gradient of every W, or so many m-ths of it.
    per_example : bool
        Which of the two: `penalty / m`.
    """

    way: Way
    arch: Architecture
    batched: bool
    factor: float = 1.0
    power: int = 0
    flow: tuple[float, int] | None = None
    agreeing: int = 0
    total: int = 0
    output: bool = False
    predictions: str = ""
    causes: tuple[str, ...] = ()
    moved: bool = False
    doubt: str = ""
    late: str = ""
    at_once: bool = False
    remembers: bool = False
    cost: Beside | None = None
    sequence: int = 0
    rate: float = 0.0
    penalty: float = 0.0
    per_example: bool = False

    @property
    def complete(self) -> bool:
        """Whether all that was seen agrees."""
        return 0 < self.total == self.agreeing and self.factor > 0 and self.output

    @property
    def rank(self) -> tuple[bool, bool, float, bool, int]:
        """The larger, the more likely this reading is meant."""
        share = self.agreeing / self.total if self.total else 0.0
        return (self.complete, self.output, share if self.factor > 0 else 0.0, self.flow is not None, self.total)

    def trained(self, m: int) -> Architecture:
        """The architecture with the penalty that a step on m examples has."""
        if not self.penalty:
            return self.arch
        return replace(self.arch, regulariser=L2(self.penalty * (1 if self.per_example else m)))

    def scale(self, m: int) -> float:
        """What the code's gradients are to be divided by; a step uphill is the mistake to be told."""
        return abs(self.factor) * float(m) ** self.power


@dataclass
class Probe:
    """One step on one batch, beside what scratch makes of it."""

    x: Array
    y: Array
    upstream: Array
    masks: dict[str, Array]
    stepped: Stepped
    out: Array | None
    evaluates: bool


SMALL = 1e-7


def candidates(way: Way) -> Iterator[Loss | None]:
    """Losses that may stand behind the last layer."""
    if way.recipe.sort == "through":
        yield None
        return
    last = way.arch.layers[-1][1]
    fitting = (
        ("BinaryCrossEntropy", "MeanSquaredError") if isinstance(last, Sigmoid)
        else ("CategoricalCrossEntropy", "MeanSquaredError") if isinstance(last, Softmax)
        else ("MeanSquaredError", "SoftmaxCrossEntropy", "BinaryCrossEntropyFromLogits") if isinstance(last, Dense)
        else ("MeanSquaredError",)
    )  # fmt: skip
    for name in fitting:
        if not way.offer.kinds or name in way.offer.kinds:
            yield LOSSES[name]


def read(file: UserFile, way: Way) -> Reading | None:
    """The most likely reading of a container that is run in one way; None if it cannot be run so.

    Raises
    ------
    UserError
        What the code raised.
    """
    sizes = (6, 4) if way.form.stacked or not way.form.layout.single else (1, 1)
    weights = random_weights(Case("check/container", way.arch, (1,), (way.sizes[0],)), np.random.default_rng(5))
    probes = [_probe(file, way, weights, m, seed) for seed, m in enumerate(sizes)]
    batch = not way.form.stacked and not way.form.layout.single
    if batch and not _at_once(way, probes[0]):
        return None
    found = [_penalised(r, weights, probes) for r in _readings(way, weights, probes, True, batch)]
    if way.form.stacked and not any(r.complete for r in found):
        # One example after another: each makes a step of its own.
        singles = [_probe(file, way, weights, 1, seed) for seed in (2, 3)]
        found += _readings(way, weights, singles, False)
        if not any(r.complete for r in found):
            found = [r for r in found if not r.batched]
    best = max(found, key=lambda r: r.rank, default=None)
    if best is not None and best.complete and way.recipe.sort == "train":
        late = _late(file, best, weights)
        return replace(best, late="" if late == MEMORY else late, remembers=late == MEMORY)
    return best


def _penalised(reading: Reading, weights: Weights, probes: list[Probe]) -> Reading:
    """With the L2 penalty that the step adds to the gradients of all weights, if that is all in which they differ."""
    if reading.complete or reading.arch.loss is None or not reading.output or reading.factor <= 0:
        return reading
    shares: list[tuple[int, float]] = []
    for p in probes:
        m = len(p.x)
        wanted = Network(reading.arch, weights).differentiate(p.x, p.y, None, True, p.masks).grads
        for layer, named in p.stepped.grads.items():
            if "W" not in named or "W" not in weights.params.get(layer, {}):
                continue
            w, rest = weights.params[layer]["W"], named["W"] / reading.scale(m) - wanted[layer]["W"]
            share = float((rest * w).sum() / (w * w).sum()) if rest.shape == w.shape else 0.0
            if share <= SMALL or not same(rest, share * w):
                return reading
            shares.append((m, share))
    agreeing = reading.agreeing + len(shares) // len(probes)
    if not shares or agreeing != reading.total:
        return reading
    for per_example in (False, True):
        strengths = [share * m if per_example else share for m, share in shares]
        if np.ptp(strengths) < SMALL * strengths[0]:
            return replace(reading, agreeing=agreeing, penalty=strengths[0], per_example=per_example, doubt="")
    return reading


def _late(file: UserFile, reading: Reading, weights: Weights) -> str:
    """What a second step of the same container, from the same weights, has of the first one's batch."""
    way, m = reading.way, 4 if reading.batched else 1
    passes, shown = [], []
    session = Session(file, way, m)
    for seed in (11, 12):
        x, y, _, masks = _drawn(way, m, seed)
        session.load(weights)
        shown.append(session.step(x, y, None, list(masks.values())).grads)
        passes.append(Network(reading.trained(m), weights).differentiate(x, y, None, True, masks).grads)
    scale = reading.scale(m)
    names = [(layer, p) for layer, named in shown[1].items() for p in named]

    seen = np.concatenate([shown[1][n][p].ravel() / scale for n, p in names])
    own = [np.concatenate([g[n][p].ravel() for n, p in names]) for g in passes]
    (first, second), *_ = np.linalg.lstsq(np.stack(own, axis=1), seen, rcond=None)
    if not same(first * own[0] + second * own[1], seen, 1e-8):
        return (
            "" if _REMEMBERS.search(source_text(file)) else "the second step does not follow the gradients of its batch"
        )
    if abs(second - 1) < 1e-8 and abs(first) < 1e-8:
        return ""
    if abs(second - 1) < 1e-8 and abs(first - 1) < 1e-8:
        return "the gradients of the batch before are still in it: they are not set to 0 between batches"
    if abs(second) < 1e-8:
        return "the second step uses the gradients of the batch before"
    return MEMORY


MEMORY = "memory"
"""A second step that has some of the first one in it: momentum, or a rate that decays. It is not compared."""
_REMEMBERS = re.compile(r"moment|veloc|adam|rms|beta|decay|cache_w|nesterov", re.IGNORECASE)


def _at_once(way: Way, probe: Probe) -> bool:
    """Whether the first layer was given the whole batch."""
    wanted = way.form.layout.shape(probe.x.shape)
    return any(
        not c.backward and c.block == 0 and c.given is not None and c.given.shape == wanted for c in probe.stepped.calls
    )


def _probe(file: UserFile, way: Way, weights: Weights, m: int, seed: int) -> Probe:
    x, y, upstream, masks = _drawn(way, m, seed)
    session = Session(file, way, m)
    session.load(weights)
    out = session.predict(x) if way.forward else None
    session.load(weights)
    stepped = session.step(x, y, upstream, list(masks.values()))
    return Probe(x, y, upstream, masks, stepped, out, session.evaluates())


def with_cost(file: UserFile, reading: Reading) -> Reading:
    """The reading with what is known of a cost among the container's methods, whose value nothing is learned from."""
    way, loss = reading.way, reading.arch.loss
    if loss is None or way.cls is None or way.form.stacked or not reading.predictions or not reading.output:
        return reading
    if penalised(Session(file, way, 1).container):
        return reading
    title = LOSS_TITLES.get(type(loss), "cross-entropy")
    own = {n: f for n, f in _methods(way.cls).items() if n not in way.recipe.names and n != way.forward}
    weights = random_weights(Case("check/container", way.arch, (1,), (way.sizes[0],)), np.random.default_rng(5))

    def probes(f: Callable[..., Any], swapped: bool) -> list[Probed]:
        found = []
        for seed, m in ((31, 6), (32, 4), (33, 6)) if not way.form.layout.single else ((31, 1), (32, 1), (33, 1)):
            x, y, *_ = _drawn(way, m, seed)
            result = Network(reading.arch, weights).differentiate(x, y, training=False)
            assert result.loss is not None
            output = loss.probabilities(result.outputs[reading.arch.layers[-1][0]])
            found.append(
                Probed(output, y, float(result.loss), cost_value(file, reading, f.__name__, swapped, weights, x, y))
            )
        return found

    for name, f in costs(own):
        found = beside(name, f, probes, loss, title)
        if found is not None:
            return replace(reading, cost=found)
    return reading


def contradicted(file: UserFile, reading: Reading) -> Reading:
    """The reading with the loss that its cost is, where that is a cross-entropy and the gradients are a squared error's.

    `A - Y` is the gradient of the logits with cross-entropy, and that of the output with the squared error. Handed to the last
    activation's own backward pass it makes the gradients those of the squared error.
    """
    loss = contradicting(reading.arch, reading.cost)
    if loss is None or reading.cost is None:
        return reading
    other = replace(reading, arch=replace(reading.arch, loss=loss), flow=None, sequence=0)
    return replace(with_cost(file, other), late=reading.cost.told)


def has_cost(cls: type) -> bool:
    """Whether a class has a method that is called a cost."""
    return any(True for _ in costs(_methods(cls)))


def _methods(cls: type) -> dict[str, Callable[..., Any]]:
    return {n: f for n in dir(cls) if callable(f := getattr(cls, n, None)) and not isinstance(f, type)}


def cost_value(
    file: UserFile, reading: Reading, name: str, swapped: bool, weights: Weights, x: Array, y: Array
) -> float:
    """What a container's cost gives for a batch, after its forward pass.

    Raises
    ------
    UserError
        If it gives no number.
    """
    way = reading.way
    session = Session(file, way, len(x))
    session.load(weights)
    out = session.predict(x)
    pool = session.pool | {"x": way.form.put(x), "y": way.form.target(y), "training": False}
    if out is not None:
        pool["output"] = way.form.put(out)
    found = value(file, getattr(session.container, name), pool, swapped)
    if found is None:
        raise UserError(f"{name} gives no number")
    return found


STEPS = 3
_CHOSEN = re.compile(
    r"randint|choice|sample\(|integers|randrange|default_rng|RandomState|\brng\b|decay|(lr|rate|eta|alpha)\w* ?\*="
)


def in_sequence(file: UserFile, reading: Reading) -> Reading:
    """The reading with what is needed to compare a call that takes several batches, where the code has a loop over them."""
    way = reading.way
    f = _function(file, way)
    if (
        way.recipe.sort != "train"
        or f is None
        or plain(f.__name__) not in TRAIN
        or not reading.moved
        or reading.late
        or reading.remembers
    ):
        return reading
    body = tree(f)
    text = ast.unparse(body) if body else ""
    asked = [p.name for g in (f, way.cls) if g is not None for p in parameters(g)]
    size = 1 if way.form.stacked and not reading.batched else 2 if any(role(n) == "batch_size" for n in asked) else 0
    if not size or not text or _CHOSEN.search(text):
        return reading
    weights = random_weights(Case("check/container", way.arch, (1,), (way.sizes[0],)), np.random.default_rng(5))
    batches = [_drawn(way, size, seed)[:2] for seed in range(21, 21 + STEPS)]
    try:
        session = Session(file, way, size)
        session.load(weights)
        after = session.sequence(*(np.concatenate([b[i] for b in batches]) for i in (0, 1)))
    except UserError:
        return reading
    rates = [reading.scale(size), reading.scale(size * STEPS)]
    right = next((r for r in rates if _moved_alike(after, reading.arch, weights, batches, r)), None)
    if right is not None:
        return replace(reading, sequence=size, rate=right)
    cause = "a call with several batches does not move the parameters as one call for each does"
    if any(_moved_alike(after, reading.arch, weights, batches[-1:], r) for r in rates):
        cause = "of several batches only the last one is learned from: the backward pass stands behind the loop"
    elif any(_moved_alike(after, reading.arch, weights, batches[:1], r) for r in rates):
        cause = "of several batches only the first one is learned from"
    return replace(reading, sequence=size, rate=rates[0], late=cause)


def _function(file: UserFile, way: Way) -> Callable[..., Any] | None:
    name = way.recipe.names[0]
    return file.namespace.get(name[1:]) if name.startswith(":") else getattr(way.cls, name, None)


def _moved_alike(
    after: dict[str, dict[str, Array]],
    arch: Architecture,
    weights: Weights,
    batches: list[tuple[Array, Array]],
    rate: float,
) -> bool:
    """Whether parameters are where a step for each batch takes them."""
    model = ScratchModel(arch, GradientDescent(rate), "float64")
    model.load(weights)
    for x, y in batches:
        model.differentiate(x, y)
        model.update()
    expected = model.weights().params
    return all(same(a, expected[n][p], 1e-8) for n, named in after.items() for p, a in named.items())


def _drawn(way: Way, m: int, seed: int) -> tuple[Array, Array, Array, dict[str, Array]]:
    """Inputs, targets, an upstream gradient, and masks."""
    rng = np.random.default_rng([7, seed])
    n, k = way.sizes
    x, upstream = rng.standard_normal((m, n)), rng.standard_normal((m, k))
    one_hot = np.eye(k)[(k - 1 - np.arange(seed, m + seed)) % k]
    y = one_hot if k > 1 else ((np.arange(m) + seed) % 2).astype(float).reshape(m, 1)
    return x, y, upstream, masks_for(way.arch, m, rng)


def masks_for(arch: Architecture, m: int, rng: np.random.Generator) -> dict[str, Array]:
    """Dropout masks of layers in a stack of dense layers."""
    found: dict[str, Array] = {}
    width = 0
    for name, layer in arch.layers:
        width = layer.parameter_shapes().get("W", (0, width))[1] if "W" in layer.parameter_shapes() else width
        if isinstance(layer, Dropout):
            found[name] = dropout_mask(rng, (m, width), layer.keep_prob)
    return found


def _readings(way: Way, weights: Weights, probes: list[Probe], batched: bool, at_once: bool = False) -> list[Reading]:
    found = (replace(_reading(way, weights, probes, batched, loss), at_once=at_once) for loss in candidates(way))
    return [r if r.complete else replace(r, doubt=_doubt(r, probes[0])) for r in found]


def _reading(way: Way, weights: Weights, probes: list[Probe], batched: bool, loss: Loss | None) -> Reading:
    arch = replace(way.arch, loss=loss)
    passes = [
        Network(arch, weights).differentiate(p.x, None if loss is None else p.y, p.upstream if loss is None else None, True, p.masks)
        for p in probes
    ]  # fmt: skip
    sizes = tuple(len(p.x) for p in probes)
    shown = [p.stepped.grads for p in probes]
    names = [
        (layer, q)
        for layer, named in passes[0].grads.items()
        for q in named
        if all(q in g.get(layer, {}) for g in shown)
    ]
    factor, power, agreeing = _scaled(shown, passes, names, sizes)
    predictions, output = _predicted(way, arch, weights, probes)
    flow = _flow(way, probes, passes, sizes)
    causes = _causes(way, probes[0], flow is not None)
    moved = probes[0].stepped.moved
    return Reading(way, arch, batched, factor, power, flow, agreeing, len(names), output, predictions, causes, moved)


def _scaled(
    shown: list[dict[str, dict[str, Array]]], passes: list[Pass], names: list[tuple[str, str]], sizes: tuple[int, ...]
) -> tuple[float, int, int]:
    """The factor and the power of m under which most gradients agree, and how many do."""
    best, most = (1.0, 0, 0), (0, False, 0)
    for layer, p in reversed(names):
        found = ratio([g[layer][p] for g in shown], [r.grads[layer][p] for r in passes], sizes)
        if found is None:
            continue
        agrees = [
            (n, q)
            for n, q in names
            if all(
                same(g[n][q], found[0] * float(m) ** found[1] * r.grads[n][q])
                for g, r, m in zip(shown, passes, sizes, strict=True)
            )
        ]
        # Of two scales that are as frequent the weights' counts: a bias may be averaged once too often.
        value = (len(agrees), found[0] > 0, sum(q == "W" for _, q in agrees))
        if value > most:
            best, most = (*found, len(agrees)), value
    return best


def _flow(way: Way, probes: list[Probe], passes: list[Pass], sizes: tuple[int, ...]) -> tuple[float, int] | None:
    """Scale of what the last layer is handed, beside the gradient of the loss; a last activation may be the loss's own matter."""
    last = max((c.block for c in probes[0].stepped.calls if c.backward), default=-1)
    after = way.names[last + 1][0] if last + 1 < len(way.parts) else ""
    if last < 0 or (after and len(way.parts) - last > 2):
        return None
    handed = []
    for probe in probes:
        calls = [c for c in probe.stepped.calls if c.backward and c.block == last and c.given is not None]
        if len(calls) != 1 or calls[0].given is None:
            return None
        handed.append(_rows(way.form, calls[0].given, len(probe.x)))
    return ratio(handed, [r.input_grads[after] if after else r.output_grad for r in passes], sizes)


def _rows(form: Form, a: Array, m: int) -> Array:
    """What a layer is handed, in rows."""
    return form.layout.back(a) if m == 1 or not form.stacked else a


def _predicted(way: Way, arch: Architecture, weights: Weights, probes: list[Probe]) -> tuple[str, bool]:
    """What the forward method gives, and whether it is right."""
    last = arch.layers[-1][0]
    if probes[0].out is None or not probes[0].evaluates:
        return "", True
    network = Network(arch, weights)
    for name in (last, "predictions"):
        if name == "predictions" and arch.loss is None:
            continue
        expected = []
        for p in probes:
            out = network.forward(p.x)[last]
            expected.append(out if name == last or arch.loss is None else arch.loss.probabilities(out))
        if all(p.out is not None and same(p.out, e) for p, e in zip(probes, expected, strict=True)):
            return name, True
    return last, False


class Cause(str):
    """What is wrong, and the line from which a layer is called so; 0 if that is not known."""

    line: int = 0

    def __new__(cls, text: str, line: int = 0) -> Cause:
        made = super().__new__(cls, text)
        made.line = line
        return made


def _causes(way: Way, probe: Probe, flows: bool) -> tuple[str, ...]:
    """What is wrong with the order in which layers are called, or with what they are handed."""
    calls = probe.stepped.calls
    if len(probe.x) > 1 and way.form.stacked:
        # One example's calls are like another's.
        firsts = [i for i, c in enumerate(calls) if not c.backward and c.block == 0]
        calls = calls[: firsts[1]] if len(firsts) > 1 else calls
    if not calls:
        return ()
    spoken = [_spoken(way, i) for i in range(len(way.parts))]
    forward, backward = ([c for c in calls if c.backward is b] for b in (False, True))
    order = [c.block for c in forward]
    skipped = [i for i in range(len(spoken)) if i not in order]
    found: list[Cause] = []
    if forward and skipped:
        line = next((c.line for c in forward if c.block > skipped[0]), forward[0].line)
        found.append(Cause(f"the forward pass leaves out {_all(spoken, skipped)}", line))
    elif forward and order[: len(spoken)] != list(range(len(spoken))):
        found.append(Cause(f"the forward pass runs through the layers as {_all(spoken, order)}", forward[0].line))
    else:
        found += _handed(forward, spoken, "forward")
    found += _backward_causes(backward, spoken, flows)
    found += _begins(way, forward, backward, probe)
    return tuple(found or _unmoved(way, probe, spoken))


def order_causes(calls: list[Call], spoken: list[str]) -> list[Cause]:
    """The same of layers in any network: only what the calls alone show, up to where one of them raised.

    Parameters
    ----------
    calls : list of Call
        `block` counts the layers as they were found.
    spoken : list of str
        Their names.
    """
    forward, backward = ([c for c in calls if c.backward is b] for b in (False, True))
    order = list(dict.fromkeys(c.block for c in forward))
    if len(order) < len(forward) or len(order) < 2 or not {c.block for c in backward} <= set(order):
        return []  # a layer that is used twice is no chain
    for before, after in itertools.pairwise(forward):
        if before.result is None or after.given is None or not same_up_to_shape(before.result, after.given):
            return []
    place = {block: i for i, block in enumerate(order)}
    back = [replace(c, block=place[c.block]) for c in backward]
    names = [spoken[i] for i in order]
    numbers = [c.block for c in back]
    raised = bool(back) and back[-1].result is None
    if numbers == list(range(len(numbers))) and (len(numbers) > 1 or (numbers and raised)):
        text = "the backward pass runs through the layers in the order of the forward pass, not in reverse"
        return [Cause(text, back[0].line)]
    if len(numbers) > 1 and numbers == sorted(numbers, reverse=True):
        skipped = [i for i in range(numbers[-1], numbers[0]) if i not in numbers]
        if skipped:
            return [Cause(f"the backward pass leaves out {_all(names, skipped)}", back[0].line)]
        return _handed(back, names, "backward")
    return []


def _backward_causes(backward: list[Call], spoken: list[str], flows: bool) -> Iterator[Cause]:
    order = [c.block for c in backward]
    skipped = [i for i in range(len(spoken)) if i not in order]
    if flows:
        skipped = [
            i for i in skipped if i < len(spoken) - 1
        ]  # the last activation may go backward together with the loss
    if skipped and order:
        line = next((c.line for c in backward if c.block < skipped[-1]), backward[0].line)
        yield Cause(f"the backward pass leaves out {_all(spoken, skipped)}", line)
    elif order and order == list(range(len(spoken))) and len(order) > 1:
        text = "the backward pass runs through the layers in the order of the forward pass, not in reverse"
        yield Cause(text, backward[0].line)
    elif order and order != sorted(order, reverse=True):
        yield Cause(f"the backward pass runs through the layers as {_all(spoken, order)}", backward[0].line)
    elif len(order) > len(spoken):
        twice = sorted({i for i in order if order.count(i) > 1})
        line = next(c.line for i, c in enumerate(backward) if c.block in order[:i])
        yield Cause(f"the backward pass runs through {_all(spoken, twice)} more than once", line)
    else:
        yield from _handed(backward, spoken, "backward")


def _handed(calls: list[Call], spoken: list[str], which: str) -> list[Cause]:
    """Layers that are given something else that was seen than what the layer before them gave."""
    found: list[Cause] = []
    same_as_first = 0
    for number, (before, after) in enumerate(itertools.pairwise(calls), start=1):
        if before.result is None or after.given is None or same_up_to_shape(before.result, after.given):
            continue
        for call in reversed(calls[:number]):
            if call.given is not None and same_up_to_shape(call.given, after.given):
                wrong = f"what {spoken[call.block]} was given"
                same_as_first += calls[0].given is not None and same_up_to_shape(calls[0].given, after.given)
            elif call is not before and call.result is not None and same_up_to_shape(call.result, after.given):
                wrong = f"what {spoken[call.block]} gave"
            else:
                continue
            gave = "it" if call is before else spoken[before.block]
            text = f"in the {which} pass {spoken[after.block]} is handed {wrong}, not what {gave} gave"
            found.append(Cause(text, after.line))
            break
    if same_as_first > 1 and same_as_first == len(calls) - 1:
        text = (
            f"in the {which} pass every layer is handed what the first one was given, not what the one before it gave"
        )
        return [Cause(text, found[0].line)]
    return found


def _begins(way: Way, forward: list[Call], backward: list[Call], probe: Probe) -> Iterator[Cause]:
    """A backward pass that begins with what is no gradient: the output, the targets."""
    if way.recipe.sort == "through" or not backward or not forward or backward[0].given is None:
        return
    first, given = backward[0], backward[0].given
    if not given.any():
        yield Cause("the gradient with which the backward pass begins is 0, whatever the targets are", first.line)
        return
    out = next((c.result for c in forward if c.block == first.block), None)
    target = probe.y[: len(probe.y) if given.size == probe.y.size else 1]
    for a, what in ((out, "the output"), (way.form.target(target), "the targets")):
        if a is None or a.size != given.size or a.dtype.kind not in "fiu":
            continue
        for sign in (1.0, -1.0):
            if np.any(a) and same_up_to_shape(sign * np.asarray(a, float), given):
                yield Cause(f"the backward pass begins with {what}, not with the gradient of the loss", first.line)
                return


def _unmoved(way: Way, probe: Probe, spoken: list[str]) -> list[Cause]:
    """Layers whose parameters stay as they are while those of others move."""
    stepped = probe.stepped
    if not stepped.moved or way.recipe.sort != "train":
        return []
    called = {c.block for c in stepped.calls if c.backward}
    still, moving = [], 0
    for i, names in enumerate(way.names):
        for p, g in stepped.grads.get(names[0], {}).items():
            if g.any():
                moving += 1
            elif i in called:
                still.append((spoken[i], p))
    if not moving or not still:
        return []
    whole = [s for s in dict.fromkeys(s for s, _ in still) if {("W"), ("b")} <= {p for t, p in still if t == s}]
    told = [*whole, *(f"{p} of {s}" for s, p in still if s not in whole)]
    return [Cause(f"the parameters are not updated: {', '.join(told)}")]


def by_its_loss(file: UserFile, reading: Reading) -> Reading:
    """The reading of a training loop with the loss that it keeps a record of, where its gradients are not this one's.

    A squared error beside the gradients of a cross-entropy is another measure; `A - Y` for the logits, beside a cross-entropy, is not.
    """
    loss = reading.arch.loss
    if reading.causes or not (reading.doubt or (reading.complete and isinstance(loss, MeanSquaredError))):
        return reading
    kind = _recorded(file, reading)
    if not kind or (not reading.doubt and kind == "MeanSquaredError"):
        return reading
    found = read(file, replace(reading.way, offer=Offer(kinds=(kind,))))
    if found is None or not found.total or found.complete:
        return reading
    title = LOSS_TITLES.get(type(LOSSES[kind]), "cross-entropy")
    told = Cause(f"the loss is the {title}, but what goes back is not its gradient")
    if not reading.doubt:
        told = Cause(f"the loss is the {title}, but what goes back is the gradient of the squared error")
    return replace(found, doubt="", causes=(told,))


def _recorded(file: UserFile, reading: Reading) -> str:
    """The known loss that a number in a training loop is."""
    way = reading.way
    if not hasattr(way.cls, "script"):
        return ""
    single = way.form.stacked or way.form.layout.single
    sizes = [1, 1, 1] if single else [6, 4]
    weights = random_weights(Case("check/container", way.arch, (1,), (way.sizes[0],)), np.random.default_rng(5))
    values, losses = [], dict[str, list[float]]()
    names = {type(loss).__name__ for loss in candidates(replace(way, offer=Offer())) if loss is not None}
    for seed, m in enumerate(sizes):
        x, y, _, masks = _drawn(way, m, seed)
        session = Session(file, way, m)
        session.load(weights)
        try:
            session.step(x, y, None, list(masks.values()))
        except UserError:
            return ""
        values.append(session.container.values())
        out = Network(way.arch, weights).forward(x)[way.arch.layers[-1][0]]
        for name in names:
            losses.setdefault(name, []).append(float(LOSSES[name].forward(out, y)[0]))
    return measured(values, losses, sizes)


def same_up_to_shape(a: Array, b: Array) -> bool:
    """Equality of elements, however they stand."""
    return a.size == b.size and same(np.asarray(a, float).ravel(), np.asarray(b, float).ravel())


def _spoken(way: Way, i: int) -> str:
    """A layer as a person says it: its class, and which one of several."""
    name = way.parts[i].cls.__name__
    alike = [j for j, p in enumerate(way.parts) if p.cls is way.parts[i].cls]
    return name if len(alike) == 1 else f"{name} {alike.index(i) + 1} of {len(alike)}"


def _all(spoken: list[str], which: list[int]) -> str:
    return ", ".join(spoken[i] for i in which)


def _doubt(reading: Reading, probe: Probe) -> str:
    """Why nothing that was seen says that the container is wrong; empty if it does.

    Where the gradient that the last layer is handed is no known loss's, but all that lies behind follows from it, only the loss is
    unknown.
    """
    if reading.way.constructor is not None and _something_between(reading, probe):
        return "something that is not known here stands between its layers"
    if reading.causes or reading.agreeing or reading.flow is not None:
        return ""
    if not reading.output:
        return "its output is that of no network known here"
    grads = probe.stepped.grads
    largest = [np.abs(g) for named in grads.values() for g in named.values() if g.size]
    if reading.moved and largest and all(even(g) for g in largest):
        return "every parameter moves by the same amount: an adaptive update hides the gradients"
    if reading.way.offer.kinds and (reading.at_once or len(probe.x) == 1):
        return ""  # the loss is right by itself
    return "its steps follow the gradients of no loss known here"


def _something_between(reading: Reading, probe: Probe) -> bool:
    """Whether a layer is given on the way forward what no layer gave."""
    forward = [c for c in probe.stepped.calls if not c.backward][: len(reading.way.parts)]
    return any(
        a.result is not None and b.given is not None and not same_up_to_shape(a.result, b.given)
        for a, b in itertools.pairwise(forward)
    )
