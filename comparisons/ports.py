"""A model in one framework against its port to another: weights transferred, every layer with parameters compared."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons import port_dropping
from comparisons.discrepancy import judge
from comparisons.errors import BackproofError
from comparisons.naming import place
from comparisons.port_ends import ENDS, LOSS, ROUNDED, SAME_ENDS, Ends, Losses, between, close, misplaced
from comparisons.port_inputs import Makers, joined, takes_several
from comparisons.port_pairing import FRAMEWORK_NAMES, Pair, rearranged
from comparisons.port_shapes import Shape, found_shape, input_shape
from comparisons.tolerance import Runs, distance, noise
from reference import version
from reference.model import Model, OtherLayers, UnknownLayer
from reports.schema import FAILING
from scratch.weights import Arrays

Array = np.ndarray
BATCH, ROWS = 4, 12
"""Examples: images, and rows, which batch norm needs more of to be well conditioned."""
APPLICABLE = ("epsilon", "momentum", "padding")
"""Settings that can be changed in a model, to see whether they explain a difference."""
UNSPOKEN = ("padding", "batch_first")
"""Settings that may differ in words and be the same in numbers."""


class Incomparable(BackproofError):
    """One of the models has a layer, or takes an input, that is not known here: nothing can be said about the port."""


@dataclass(frozen=True)
class PortResult:
    """Rows of the discrepancy table, and what is to be said beside them."""

    rows: list[dict[str, Any]]
    remarks: tuple[str, ...]


def framework(kind: type) -> str | None:
    """`torch` or `tensorflow` for a class of their models, else None; imports nothing."""
    names = {f"{base.__module__}.{base.__name__}" for base in kind.__mro__}
    if "torch.nn.modules.module.Module" in names:
        return "torch"
    return "tensorflow" if any(n.startswith("keras.") and n.endswith(".Model") for n in names) else None


def reading(model: Any, time_first: bool, make: Callable[[], Any] | None) -> dict[str, Any]:
    """What else the reader of a model is to be given."""
    if framework(type(model)) == "torch":
        return {"time_first": True} if time_first else {}
    return {"make": make} if make is not None else {}


def reader(model: Any) -> Callable[..., Model] | None:
    """What reads such a model; None if it is no model of a known framework. Imports only what the model itself needs."""
    found = framework(type(model))
    if found == "torch":
        from reference.torch_model import TorchModel

        return TorchModel
    if found == "tensorflow":
        from reference.keras_model import KerasModel

        return KerasModel
    return None


def compare_models(
    subject: Any,
    reference: Any,
    name: str = "port",
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
    losses: Losses | None = None,
    hints: Iterable[Shape] = (),
    makers: Makers | None = None,
) -> PortResult:
    """Compare two models of any two frameworks.

    Parameters
    ----------
    subject, reference : torch.nn.Module or keras.Model
        The port, and what it was ported from. Both stay as they are: copies are compared.
    name : str
        For the cases.
    shape : tuple of int, optional
        Shape of one example, images as (h, w, c); needed unless a Keras model tells.
    seed : int
    losses : Losses, optional
        What both are trained with, to be compared behind what stands behind the last layers.
    hints : iterable of tuple of int
        Shapes to be tried if none is given and no model tells one.
    makers : pair of callables, optional
        Each makes the subject, or the reference, once more; without, a Keras model that has no configuration is refused.

    Raises
    ------
    BackproofError
        If one of them is no model, or the shape is not known, or the models have not the same layers.
    """
    mine, theirs = reader(subject), reader(reference)
    if mine is None or theirs is None:
        raise BackproofError(f"{name}: both must be models, torch.nn.Module or keras.Model")
    rng = np.random.default_rng([seed, 1])
    (subject, reference), makers, example = entering((subject, reference), makers, name, shape, hints, rng)
    chosen: PortResult | None = None
    failure: Exception | None = None
    for time_first in _orders(example, subject, reference):
        options = [reading(m, time_first, make) for m, make in zip((subject, reference), makers, strict=True)]
        try:
            pair = {
                d: Pair(mine(subject, example, d, **options[0]), theirs(reference, example, d, **options[1]))
                for d in ("float64", "float32")
            }
            weights = _tempered(pair["float64"].reference, _random(pair["float64"].reference, rng), example)
            comparison = _Comparison(name, pair, weights, example, seed, losses)
            if not pair["float64"].sure:
                comparison.rearrange()
            found = comparison.run()
            if _failing(found) and pair["float64"].sure and comparison.rearrange():
                other = comparison.run()
                found = other if _failing(other) < _failing(found) else found
        except (UnknownLayer, ValueError, RuntimeError) as error:
            failure = failure or error
            continue
        if chosen is None or _failing(found) < _failing(chosen):
            told = ("torch is given sequences as (T, m, n): its layers have not batch_first",) if time_first else ()
            chosen = PortResult(found.rows, found.remarks + told)
        if not _failing(chosen):
            break
    if chosen is None:
        unknown = isinstance(failure, UnknownLayer) and not isinstance(failure, OtherLayers)
        raise (Incomparable if unknown else BackproofError)(
            f"{name}: {str(failure).strip().splitlines()[0]}"
        ) from failure
    return chosen


def entering(
    models: tuple[Any, Any],
    makers: Makers | None,
    name: str,
    shape: tuple[int, ...] | None,
    hints: Iterable[Shape],
    rng: np.random.Generator,
) -> tuple[tuple[Any, Any], Makers, Array]:
    """Two models that take one input, what makes them, and examples; those of several inputs are wrapped.

    Raises
    ------
    Incomparable
        If the shape of an input is not known.
    """
    known = shape or input_shape(*models)
    several = None if known else joined(models, makers or (None, None))
    if several is not None:
        return several.models, several.makers, several.example(rng)
    known = None if any(map(takes_several, models)) else known or found_shape(models, hints, makers)
    if known is None:
        raise Incomparable(f"{name}: the shape of an input is not known; give it, e.g. (32, 32, 3) for images")
    return models, makers or (None, None), example_of(*models, known, rng)


def _failing(found: PortResult) -> int:
    return sum(row["verdict"] in FAILING for row in found.rows)


def _orders(example: Array, *models: Any) -> tuple[bool, ...]:
    """Whether torch's model is given the steps first: what is tried, where it has a layer that wants them so."""
    parts = [part for m in models for part in getattr(m, "modules", list)()]
    timed = any(getattr(part, "batch_first", True) is False for part in parts)
    return (False, True) if timed and example.ndim in (2, 3) else (False,)


def example_of(subject: Any, reference: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Inputs: tokens where a model begins with an embedding, else standard normal numbers."""
    for model in (subject, reference):
        for part in [*getattr(model, "modules", list)(), *getattr(model, "layers", [])]:
            tokens = getattr(part, "num_embeddings", None) or getattr(part, "input_dim", None)
            if type(part).__name__ == "Embedding" and tokens:
                return rng.integers(0, tokens, (BATCH, *shape))
    return rng.standard_normal((BATCH if len(shape) > 1 else ROWS, *shape))


def _random(model: Model, rng: np.random.Generator) -> Arrays:
    """Weights that hide nothing: gamma, beta, biases and running averages too."""
    kinds = {layer.name: layer.kind for layer in model.layers}
    return {
        layer: {n: _drawn(n, a, rng, kinds[layer]) for n, a in named.items()} for layer, named in model.read().items()
    }


def _tempered(model: Model, weights: Arrays, example: Array) -> Arrays:
    """Weights with which a sigmoid or softmax at the end is not saturated: there nothing but rounding would be compared."""
    last = model.layers[-1]
    model.write(weights)
    entering = model.differentiate(example, np.random.default_rng(0).standard_normal, False)[f"forward/{last.name}"]
    size = float(np.abs(entering).std())
    if size > 1 and "W" in weights[last.name]:
        weights[last.name] = {n: a / size for n, a in weights[last.name].items()}
    return weights


def _drawn(name: str, a: Array, rng: np.random.Generator, kind: str) -> Array:
    if name in ("running_var", "gamma"):
        return rng.uniform(0.5, 1.5, a.shape)
    if kind == "embedding":
        return rng.standard_normal(a.shape)  # rows are looked up, not summed
    if name[0] in "WU":
        fan_in = max(int(np.prod(a.shape[:-1])), 1)
        return rng.standard_normal(a.shape) * np.sqrt(2 / fan_in)
    if name == "b" and kind.startswith("conv"):
        # Some channels stay below zero everywhere: only there a maximum over all positions shows whether a relu was before.
        return 0.5 * rng.standard_normal(a.shape) - 4 * (rng.random(a.shape) < 0.2)
    return 0.5 * rng.standard_normal(a.shape)


@functools.cache
def _versions(*frameworks: str) -> str:
    return ", ".join(dict.fromkeys(map(version, frameworks)))


def disagreeing(pair: Pair, example: Array) -> list[str]:
    """Exchange partners that look alike where that helps; the reference's layers whose outputs differ all the same.

    Parameters
    ----------
    pair : Pair
        In float64.
    example : ndarray
        An input.
    """
    weights = _random(pair.reference, np.random.default_rng(1))
    comparison = _Comparison("", {"float64": pair}, weights, example, 0, None)
    rearranged(pair, comparison.differing)
    return comparison.differing()


@dataclass
class _Comparison:
    """One pair, in evaluation and in training."""

    name: str
    pairs: dict[str, Pair]
    weights: Arrays
    example: Array
    seed: int
    losses: Losses | None

    def run(self) -> PortResult:
        pair = self.pairs["float64"]
        ends = self._ends()
        dropping = port_dropping.remarks(pair.subject, pair.reference, pair.names)
        remarks = [*self._settings(), *self._heads(ends), *dropping]
        random = [*pair.subject.random, *pair.reference.random]
        modes = ["evaluation"] if random else ["evaluation", "training"]
        if random:
            remarks.append(
                f"compared in evaluation only: {', '.join(dict.fromkeys(random))} draws at random in training"
            )
        rows = [row for mode in modes for row in self._mode(mode)]
        return PortResult([*rows, *self._rates(), *self._losses(ends)], tuple(remarks))

    def rearrange(self) -> bool:
        """Try other partners for layers that look alike; whether any were found whose outputs agree."""
        if not rearranged(self.pairs["float64"], self.differing):
            return False
        self.pairs["float32"].adopt(self.pairs["float64"])
        return True

    def differing(self) -> list[str]:
        """The reference's layers whose outputs differ in evaluation, in the order in which they ran."""
        r64, s64 = (self._tensors(side, "float64", "evaluation") for side in ("reference", "subject"))
        known = self.pairs["float64"].names.values()
        outputs = [(place(n).layer, n) for n in r64 if n.startswith("forward/")]
        return [layer for layer, n in outputs if layer in known and not close(*self._last_step(n, s64[n], r64[n]))]

    def _rates(self) -> Iterator[dict[str, Any]]:
        """Dropout, which the comparison of numbers does without."""
        pair = self.pairs["float64"]
        for setting in port_dropping.settings(pair.subject, pair.reference, pair.names):
            row = self._row("training", setting.name)
            row |= judge(np.asarray(setting.subject), np.asarray(setting.reference), "float64", 0.0)
            yield row | {"diagnosis": setting.told}

    def _row(self, mode: str, tensor: str) -> dict[str, Any]:
        """What all rows of a mode have, and where a tensor belongs."""
        pair, where = self.pairs["float64"], place(tensor)
        return {
            "case": f"check/{self.name}/{mode}", "suite": "check", "phase": where.phase, "step": where.step,
            "layer": where.layer, "tensor": tensor, "subject": pair.subject.framework,
            "reference": pair.reference.framework, "versions": _versions(pair.subject.framework, pair.reference.framework),
            "scope": "propagated",
        }  # fmt: skip

    def _ends(self) -> Ends | None:
        """What stands behind the last layers of the two; None if that is not known."""
        found, width = [], 0
        for side in ("subject", "reference"):
            tensors = self._tensors(side, "float64", "evaluation")
            last = [a for n, a in tensors.items() if n.startswith("forward/") and n != "forward/output"][-1]
            out = tensors["forward/output"]
            if last.ndim < 2 or last.size != out.size:
                return None
            fits = [end for end, f in ENDS.items() if close(f(last), out.reshape(last.shape))]
            if not fits:
                return None
            found.append(fits[0])
            width = last.shape[-1]
        return Ends(found[0], found[1], width)

    def _heads(self, ends: Ends | None) -> Iterator[str]:
        """Leave out what stands behind the last layers, where it differs as the losses of the two do."""
        pair = self.pairs["float64"]
        ours, theirs = (FRAMEWORK_NAMES[m.framework] for m in (pair.subject, pair.reference))
        mine, right = ends[:2] if ends else ("", "")
        if {mine, right} in SAME_ENDS:
            for both in self.pairs.values():
                both.subject.headless = both.reference.headless = True
            words = {"": "logits"}
            yield f"{ours} ends in {words.get(mine, mine)}, {theirs} in {words.get(right, right)}, as their losses may want it: compared before that"

    def _losses(self, ends: Ends | None) -> Iterator[dict[str, Any]]:
        """The two losses of the same numbers before what stands behind the last layers."""
        if self.losses is None or ends is None:
            return
        rng = np.random.default_rng([self.seed, 4])
        z = rng.standard_normal((BATCH, ends.width))
        targets = {
            "labels": rng.integers(0, z.shape[1], BATCH),
            "bits": rng.integers(0, 2, z.shape).astype(float),
            "numbers": rng.standard_normal(z.shape),
        }[self.losses.targets]
        ours, theirs = self.losses.subject, self.losses.reference
        try:
            s, r = ours.of(ENDS[ends.subject](z), targets), theirs.of(ENDS[ends.reference](z), targets)
        except Exception:  # the user's loss wants its outputs in another shape, and says so in its framework's way
            return
        row = self._row("evaluation", "loss")
        # Keras keeps probabilities 1e-7 away from 0 and 1, and calculates in float32.
        row |= judge(np.asarray(s), np.asarray(r), "float64", LOSS / 100)
        if row["verdict"] == "mismatch":
            row["diagnosis"] = misplaced(ours, theirs, ends, z, targets, s, r)
        yield row

    def _draw(self, shape: tuple[int, ...]) -> Array:
        return np.random.default_rng([self.seed, 2]).standard_normal(shape)

    def _tensors(self, side: str, dtype: str, mode: str, move: int = 0) -> dict[str, Array]:
        pair, rng = self.pairs[dtype], np.random.default_rng([self.seed, 3, move])

        def moved(a: Array) -> Array:
            if not move or a.dtype.kind in "iu":
                return a
            return a * (1 + rng.integers(-1, 2, a.shape) * np.finfo(np.float64).eps)

        pair.write(
            {layer: {n: moved(a).astype(dtype) for n, a in named.items()} for layer, named in self.weights.items()}
        )
        model = pair.subject if side == "subject" else pair.reference
        tensors = model.differentiate(moved(self.example), self._draw, mode == "training")
        return pair.renamed(tensors) if side == "subject" else tensors

    def _mode(self, mode: str) -> Iterator[dict[str, Any]]:
        s64, s32 = (self._tensors("subject", dtype, mode) for dtype in ("float64", "float32"))
        r64, r32 = (self._tensors("reference", dtype, mode) for dtype in ("float64", "float32"))
        explained = self._explained(mode, s64, r64)
        rows = list(self._judged(mode, s64, s32, r64, r32, explained))
        wrong = [row for row in rows if row["verdict"] in FAILING]
        if wrong and all(_inside(row["tensor"]) for row in wrong) and "forward/output" in r64:
            # What goes in and comes out agrees, and so do all gradients of parameters: one of the two crops or pads elsewhere, or a
            # maximum of several equal numbers hands its gradient to one of them, or to all.
            for row in wrong:
                row |= {"verdict": "vacuous", "diagnosis": "all that follows from it agrees"}
        yield from rows

    def _judged(
        self,
        mode: str,
        s64: dict[str, Array],
        s32: dict[str, Array],
        r64: dict[str, Array],
        r32: dict[str, Array],
        explained: dict[str, str],
    ) -> Iterator[dict[str, Any]]:
        """A row for each tensor of the reference."""
        spreads: list[dict[str, Array]] = []
        for name, r in r64.items():
            row = self._row(mode, name)
            if name not in s64:
                yield row | {"dtype": "float64", "verdict": "missing", "diagnosis": "the port has no such tensor"}
                continue
            s, r = self._last_step(name, s64[name], r)
            single = self._last_step(name, s32[name], r)[0], distance(r32[name], r64[name])
            judged = judge(s, r, "float64", noise(Runs(s, single[0], r, single[1], 0.0), "float64"))
            if judged["verdict"] == "mismatch":
                # How far the reference moves with its last digits can only widen the tolerance.
                spreads = spreads or [self._tensors("reference", "float64", mode, move) for move in (1, 2)]
                spread = max(distance(m[name], r64[name]) for m in spreads)
                judged = judge(s, r, "float64", noise(Runs(s, single[0], r, single[1], spread), "float64"))
            row |= judged
            if row["verdict"] == "mismatch" and not row["diagnosis"]:
                row["diagnosis"] = explained.get(name, "")
                if row.get("needed", 1.0) <= ROUNDED and "with the reference's value" not in row["diagnosis"]:
                    row |= {"verdict": "match", "tolerance": ROUNDED, "diagnosis": ""}
            yield row

    def _settings(self) -> Iterator[str]:
        """Settings in which the two differ, in words."""
        for theirs, mine in (*self.pairs["float64"].partners, *self.pairs["float64"].activations):
            for key in sorted(theirs.settings.keys() & mine.settings.keys()):
                if key not in UNSPOKEN and theirs.settings[key] != mine.settings[key]:
                    yield f"{mine.name}: {key} {mine.settings[key]}, {theirs.settings[key]} in the reference's {theirs.name}"

    def _explained(self, mode: str, s64: dict[str, Array], r64: dict[str, Array]) -> dict[str, str]:
        """Why tensors differ: a setting, if they come right with the reference's; else where the first difference arises."""
        wrong = [n for n, r in r64.items() if n in s64 and not close(*self._last_step(n, s64[n], r))]
        found: dict[str, str] = {}
        if not wrong:
            return found
        settings = list(self._changeable())
        timed = [s for s in settings if s.key == "batch_first"]
        others = [s for s in settings if s.key != "batch_first"]
        for chosen in [*([s] for s in others), timed, settings if len(settings) > 1 else []]:
            if not chosen:
                continue
            try:
                ours, theirs = self._mended(mode, chosen, r64)
            except (ValueError, RuntimeError):
                continue  # no such model
            told = ", ".join(change.told for change in chosen)
            for n in wrong:
                if close(*self._last_step(n, ours[n], theirs[n])):
                    better = "batch_first=True" if chosen[0].key == "batch_first" else "the reference's value"
                    found.setdefault(n, f"{told}: with {better} it agrees")
        return found | self._between(wrong, r64, found)

    def _changeable(self) -> Iterator[_Change]:
        for theirs, mine in self.pairs["float64"].partners:
            for key in APPLICABLE:
                ours, right = mine.settings.get(key), theirs.settings.get(key)
                if ours is None or right is None or ours == right:
                    continue
                if key == "padding" and (ours == "valid" or right == "valid" or max(mine.settings["stride"]) == 1):
                    continue  # with stride 1 they are the same, or something else differs
                told = f"{mine.name} has {key} {_said(ours)}, the reference {_said(right)}"
                if key == "padding":
                    told += f" with stride {mine.settings['stride'][0]}, where 'same' pads less in front than behind"
                yield _Change("subject", mine.name, key, ours, right, told)
            for side, layer in (("subject", mine), ("reference", theirs)):
                if layer.settings.get("batch_first") is False:
                    told = f"{layer.name} is given (m, T, n) without batch_first, and takes it for (T, m, n)"
                    yield _Change(side, layer.name, "batch_first", False, True, told)
        for theirs, mine in self.pairs["float64"].activations:
            ours, right = mine.settings["slope"], theirs.settings["slope"]
            if ours != right:
                told = f"{mine.name} has slope {_said(ours)}, the reference {_said(right)}"
                yield _Change("subject", mine.name, "slope", ours, right, told)

    def _mended(
        self, mode: str, changes: list[_Change], r64: dict[str, Array]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Both models' tensors with some settings changed."""
        pair = self.pairs["float64"]
        for c in changes:
            getattr(pair, c.side).set(c.layer, c.key, c.right)
        try:
            subject = self._tensors("subject", "float64", mode)
            both = any(c.side == "reference" for c in changes)
            return subject, self._tensors("reference", "float64", mode) if both else r64
        finally:
            for c in changes:
                getattr(pair, c.side).set(c.layer, c.key, c.ours)

    def _between(self, wrong: list[str], r64: dict[str, Array], found: dict[str, str]) -> dict[str, str]:
        """For the first output that is wrong, the last one before it that is right."""
        outputs = [n for n in r64 if n.startswith("forward/")]
        first = next((n for n in outputs if n in wrong), None)
        if first is None or first in found:
            return {}
        i = outputs.index(first)
        before = f"the output of {place(outputs[i - 1]).layer} still agrees" if i else "it is the first layer"
        known = {theirs.name: (theirs, mine) for theirs, mine in self.pairs["float64"].partners}
        theirs, mine = known.get(place(first).layer, (None, None))
        if theirs is not None and mine is not None:
            keys = [
                k
                for k in theirs.settings
                if k not in (*APPLICABLE, *UNSPOKEN) and mine.settings.get(k) != theirs.settings[k]
            ]
            told = ", ".join(
                f"{mine.name} has {k} {mine.settings.get(k)}, the reference {theirs.settings[k]}" for k in keys
            )
            if told:
                return {first: f"{before}: {told}"}
            follows = i > 0 and place(outputs[i - 1]).layer in known
            if follows and known[place(outputs[i - 1]).layer][0].kind.startswith("bidirectional"):
                return {
                    first: f"{before}: what is taken of both directions differs; the last state of the one from the end "
                    "stands at the first step, so torch's out[:, -1] is not what Keras returns"
                }
            told = self._between_the_two(place(outputs[i - 1]).layer, theirs.name, mine.name) if follows else ""
            if told:
                return {first: f"{before}: {told}"}
        return {
            first: f"{before}: what comes between differs (activation, pooling, padding, flattening, which step is taken), "
            "or its own settings"
        }

    def _between_the_two(self, before: str, reference: str, subject: str) -> str:
        """Which functions of single numbers stand between two layers, where they differ and both are known."""
        z = self._tensors("reference", "float64", "evaluation")[f"forward/{before}"]
        self._tensors("subject", "float64", "evaluation")
        pair, found = self.pairs["float64"], []
        for entering in (pair.subject.entering.get(subject), pair.reference.entering.get(reference)):
            if entering is None:
                return ""
            found.append(between(z, entering))
        ours, theirs = found
        return f"{ours} follows it, in the reference {theirs}" if ours != theirs and ours and theirs else ""

    def _last_step(self, name: str, s: Array, r: Array) -> tuple[Array, Array]:
        """In one shape; where one recurrent layer gives all steps and the other the last: the last of both."""
        layer = place(name).layer
        both = any(t.name == layer and t.kind.startswith("bidirectional") for t, _ in self.pairs["float64"].partners)
        if s.shape != r.shape and _squeezed(s.shape) == _squeezed(r.shape):
            return s.reshape(r.shape), r
        if s.ndim == 3 and r.ndim == 2 and (s.shape[0], s.shape[2]) == r.shape:
            return _last(s, both), r
        if r.ndim == 3 and s.ndim == 2 and (r.shape[0], r.shape[2]) == s.shape:
            return s, _last(r, both)
        return s, r


def _inside(tensor: str) -> bool:
    """Whether a tensor is a layer's output, or the gradient of one, that nobody sees from outside."""
    return tensor != "forward/output" and bool(re.fullmatch(r"forward/[^.]+|grad/[^.]+\.output", tensor))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without axes of length 1: one output of each example may stand in (m,) or (m, 1)."""
    return tuple(n for n in shape if n != 1)


def _said(setting: Any) -> str:
    """A number as one, without NumPy's type; a word in quotes."""
    return repr(setting.item() if isinstance(setting, np.generic) else setting)


@dataclass(frozen=True)
class _Change:
    """A setting of one of the two models that is tried with another value."""

    side: str
    layer: str
    key: str
    ours: Any
    right: Any
    told: str


def _last(a: Array, both: bool) -> Array:
    """The last states of a sequence; of the direction from the end that at the first step."""
    if not both:
        return a[:, -1]
    n = a.shape[2] // 2
    return np.concatenate([a[:, -1, :n], a[:, 0, n:]], axis=-1)
