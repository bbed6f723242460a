"""A model in one framework against its port to another: weights transferred, every layer with parameters compared."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from comparisons.discrepancy import judge
from comparisons.errors import BackproofError
from comparisons.naming import place
from comparisons.tolerance import Runs, distance, noise
from reference import version
from reference.model import Model, ModelLayer, OtherLayers, UnknownLayer
from reports.schema import FAILING
from scratch.weights import Arrays

Array = np.ndarray
BATCH = 4
FRAMEWORK_NAMES = {"torch": "torch", "tensorflow": "Keras"}
APPLICABLE = ("epsilon", "momentum", "padding")
"""Settings that can be changed in a model, to see whether they explain a difference."""
ROUNDED = 2.0**-25
"""Relative difference that a number of the model amounts to that was rounded to float32 where it was written: no mistake."""
LOSS = 1e-5
"""Relative difference up to which two losses are the same, as frameworks guard their logarithms."""
UNSPOKEN = ("padding", "batch_first")
"""Settings that may differ in words and be the same in numbers."""
ENDS: dict[str, Callable[[Array], Array]] = {
    "": lambda z: z,
    "softmax": lambda z: _softmax(z),
    "log_softmax": lambda z: np.log(_softmax(z)),
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


class Incomparable(BackproofError):
    """One of the models has a layer, or takes an input, that is not known here: nothing can be said about the port."""


@dataclass(frozen=True)
class PortResult:
    """Rows of the discrepancy table, and what is to be said beside them."""

    rows: list[dict[str, Any]]
    remarks: tuple[str, ...]


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


class _Ends(NamedTuple):
    """What stands behind the last layers of two models, by its name in `ENDS`, and how many outputs the reference's has."""

    subject: str
    reference: str
    width: int


def framework(kind: type) -> str | None:
    """`torch` or `tensorflow` for a class of their models, else None; imports nothing."""
    names = {f"{base.__module__}.{base.__name__}" for base in kind.__mro__}
    if "torch.nn.modules.module.Module" in names:
        return "torch"
    return "tensorflow" if any(n.startswith("keras.") and n.endswith(".Model") for n in names) else None


def reader(model: Any) -> Callable[[Any, Array, str], Model] | None:
    """What reads such a model; None if it is no model of a known framework. Imports only what the model itself needs."""
    found = framework(type(model))
    if found == "torch":
        from reference.torch_model import TorchModel

        return TorchModel
    if found == "tensorflow":
        from reference.keras_model import KerasModel

        return KerasModel
    return None


def input_shape(*models: Any) -> tuple[int, ...] | None:
    """Shape of one example, if one of the models tells: Keras's do. Free axes get a length."""
    for model in models:
        shape = getattr(model, "input_shape", None)
        if isinstance(shape, tuple) and len(shape) > 1:
            return tuple(7 if n is None else int(n) for n in shape[1:])
    return None


def compare_models(
    subject: Any,
    reference: Any,
    name: str = "port",
    shape: tuple[int, ...] | None = None,
    seed: int = 0,
    losses: Losses | None = None,
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

    Raises
    ------
    BackproofError
        If one of them is no model, or the shape is not known, or the models have not the same layers.
    """
    mine, theirs = reader(subject), reader(reference)
    if mine is None or theirs is None:
        raise BackproofError(f"{name}: both must be models, torch.nn.Module or keras.Model")
    known = shape or input_shape(subject, reference)
    if known is None:
        raise Incomparable(f"{name}: the shape of an input is not known; give it, e.g. (32, 32, 3) for images")
    rng = np.random.default_rng([seed, 1])
    example = _example(subject, reference, known, rng)
    chosen: PortResult | None = None
    failure: Exception | None = None
    for time_first in _orders(example, subject, reference):
        options = [
            {"time_first": True} if time_first and framework(type(m)) == "torch" else {} for m in (subject, reference)
        ]
        try:
            pair = {
                d: Pair(mine(subject, example, d, **options[0]), theirs(reference, example, d, **options[1]))
                for d in ("float64", "float32")
            }
            weights = _random(pair["float64"].reference, rng)
            found = _Comparison(name, pair, weights, example, seed, losses).run()
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


def compare_copied(
    copy: Callable[[Any, Any], Any],
    subject: Any,
    reference: Any,
    name: str = "copy",
    shape: tuple[int, ...] | None = None,
) -> PortResult:
    """What a function of the user's that carries weights over has made of them, beside how they belong.

    Parameters
    ----------
    copy : callable
        `copy(subject, reference)`; it changes one of them, which then is compared with the other.
    subject, reference : torch.nn.Module or keras.Model
    name, shape
        As for `compare_models`.

    Raises
    ------
    BackproofError
        If the models have not the same layers, or are not known.
    """
    mine, theirs = reader(subject), reader(reference)
    known = shape or input_shape(subject, reference)
    if mine is None or theirs is None or known is None:
        raise Incomparable(f"{name}: the models, or the shape of their input, are not known")
    example = _example(subject, reference, known, np.random.default_rng(1))

    def read() -> tuple[Pair, Arrays, Arrays]:
        try:
            pair = Pair(mine(subject, example, "float32"), theirs(reference, example, "float32"))
        except (UnknownLayer, ValueError, RuntimeError) as error:
            raise Incomparable(f"{name}: {str(error).strip().splitlines()[0]}") from None
        named = {s.name: r.name for r, s in pair.partners}
        return pair, {named[layer]: a for layer, a in pair.subject.read().items()}, pair.reference.read()

    for model in (subject, reference):
        _scatter(model)
    _, before, _ = read()
    copy(subject, reference)
    pair, s, r = read()
    common = {
        "case": f"check/{name}/copied", "suite": "check", "phase": "update", "step": 0, "subject": pair.subject.framework,
        "reference": pair.reference.framework, "versions": version(pair.reference.framework), "scope": "propagated",
    }  # fmt: skip
    rows = []
    for layer, named in r.items():
        for p, wanted in named.items():
            row = common | {"layer": layer, "tensor": f"step0/param/{layer}.{p}"}
            row |= judge(s[layer][p], wanted, "float32", 1e-10)
            if row["verdict"] == "mismatch":
                row["diagnosis"] = _miscopied(s[layer][p], wanted, before[layer][p], named)
            rows.append(row)
    return PortResult(rows, ())


def _scatter(model: Any) -> None:
    """Weights that hide nothing, none 0 or 1, in somebody's own model: positive, as some are variances."""
    rng = np.random.default_rng(7 if framework(type(model)) == "torch" else 8)
    if framework(type(model)) == "tensorflow":
        for w in model.weights:
            if "float" in str(w.dtype) and "seed" not in w.name:
                w.assign(rng.uniform(0.5, 1.5, tuple(w.shape)))
        return
    import torch

    with torch.no_grad():
        for t in (*model.parameters(), *model.buffers()):
            if t.is_floating_point():
                t.copy_(torch.from_numpy(rng.uniform(0.5, 1.5, tuple(t.shape))))


def _miscopied(s: Array, wanted: Array, before: Array, others: dict[str, Array]) -> str:
    if np.array_equal(s, before):
        return "it is not copied at all"
    for p, other in others.items():
        if other.shape == s.shape and np.array_equal(other, s):
            return f"it is a copy of {p}"
    for axes in itertools.permutations(range(s.ndim)):
        if wanted.transpose(axes).shape == s.shape and np.array_equal(wanted.transpose(axes), s):
            return f"its axes stand in another order: {axes}"
    rows = {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(wanted))} if s.ndim == 2 else {}
    if rows and all(row.tobytes() in rows for row in np.ascontiguousarray(s)):
        return (
            "its rows are those wanted in another order: images are flattened as (c, h, w) in torch, (h, w, c) in Keras"
        )
    for gates in (3, 4):
        if s.shape[-1] % gates == 0:
            parts = np.split(wanted, gates, axis=-1)
            for order in itertools.permutations(range(gates)):
                if np.array_equal(np.concatenate([parts[k] for k in order], axis=-1), s):
                    return "its gates stand in another order" + (
                        ": torch has r, z, n, Keras z, r, n" if gates == 3 else ""
                    )
    return ""


def _failing(found: PortResult) -> int:
    return sum(row["verdict"] in FAILING for row in found.rows)


def _orders(example: Array, *models: Any) -> tuple[bool, ...]:
    """Whether torch's model is given the steps first: what is tried, where it has a layer that wants them so."""
    parts = [part for m in models for part in getattr(m, "modules", list)()]
    timed = any(getattr(part, "batch_first", True) is False for part in parts)
    return (False, True) if timed and example.ndim in (2, 3) else (False,)


def _example(subject: Any, reference: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Inputs: tokens where a model begins with an embedding, else standard normal numbers."""
    for model in (subject, reference):
        for part in [*getattr(model, "modules", list)(), *getattr(model, "layers", [])]:
            tokens = getattr(part, "num_embeddings", None) or getattr(part, "input_dim", None)
            if type(part).__name__ == "Embedding" and tokens:
                return rng.integers(0, tokens, (BATCH, *shape))
    return rng.standard_normal((BATCH, *shape))


class Pair:
    """Both models in one precision, and which layer belongs to which."""

    def __init__(self, subject: Model, reference: Model) -> None:
        self.subject, self.reference = subject, reference
        self.partners = list(_paired(subject, reference))
        self._same_arrays()
        kinds = [[a.kind for a in m.activations] for m in (subject, reference)]
        same = kinds[0] == kinds[1]
        self.activations = list(zip(reference.activations, subject.activations, strict=True)) if same else []

    def _same_arrays(self) -> None:
        """Refuse layers whose arrays are others: a bias too many, other sizes."""
        ours, theirs = self.subject.read(), self.reference.read()
        for r, s in self.partners:
            for name in dict.fromkeys([*theirs[r.name], *ours[s.name]]):
                shapes = [a.get(name) for a in (ours[s.name], theirs[r.name])]
                sizes = [None if a is None else a.shape for a in shapes]
                if sizes[0] == sizes[1]:
                    continue
                setting = next((k for k in ("reset_after", "key_dim", "heads", "units", "filters", "kernel", "groups", "tokens")
                                if k in r.settings and r.settings[k] != s.settings.get(k)), "")  # fmt: skip
                if setting:
                    raise OtherLayers(
                        f"{s.name} has {setting} {s.settings.get(setting)}, the reference's {r.name} {r.settings[setting]}"
                    )
                words = {"b": "bias", "b_recurrent": "second bias"}
                what = words.get(name, name)
                if None in sizes:
                    has, lacks = (
                        (s.name, f"the reference's {r.name}")
                        if sizes[1] is None
                        else (f"the reference's {r.name}", s.name)
                    )
                    raise OtherLayers(f"{has} has a {what}, {lacks} has none")
                raise OtherLayers(f"{s.name}: {what} has shape {sizes[0]}, the reference's {r.name} {sizes[1]}")

    def write(self, arrays: Arrays) -> None:
        """The same weights into both."""
        self.reference.write(arrays)
        self.subject.write({mine.name: arrays[theirs.name] for theirs, mine in self.partners})

    def renamed(self, tensors: dict[str, Array]) -> dict[str, Array]:
        """The subject's tensors under the reference's names."""
        names = {mine.name: theirs.name for theirs, mine in self.partners}
        renamed = {}
        for name, a in tensors.items():
            layer = place(name).layer
            renamed[name.replace(f"/{layer}", f"/{names[layer]}", 1) if layer in names else name] = a
        return renamed


def _paired(subject: Model, reference: Model) -> Iterator[tuple[ModelLayer, ModelLayer]]:
    """Layers of one kind: in the order in which they ran, or by name where that is another."""
    ours, theirs = subject.layers, reference.layers
    if [layer.kind for layer in ours] == [layer.kind for layer in theirs]:
        yield from zip(theirs, ours, strict=True)
        return
    named = {layer.name: layer for layer in ours}
    if len(ours) == len(theirs) and all(t.name in named and named[t.name].kind == t.kind for t in theirs):
        yield from ((t, named[t.name]) for t in theirs)
        return
    names = [FRAMEWORK_NAMES[m.framework] for m in (subject, reference)]
    for i, (s, r) in enumerate(zip(ours, theirs, strict=False), start=1):
        if s.kind != r.kind:
            raise OtherLayers(f"layer {i} with parameters is {s.kind} {s.name!r} in the port ({names[0]}), "
                               f"{r.kind} {r.name!r} in the reference ({names[1]})")  # fmt: skip
    raise OtherLayers(
        f"the port ({names[0]}) has {len(ours)} layers with parameters, the reference ({names[1]}) {len(theirs)}"
    )


def _random(model: Model, rng: np.random.Generator) -> Arrays:
    """Weights that hide nothing: gamma, beta, biases and running averages too."""
    return {layer: {n: _drawn(n, a, rng) for n, a in named.items()} for layer, named in model.read().items()}


def _drawn(name: str, a: Array, rng: np.random.Generator) -> Array:
    if name in ("running_var", "gamma"):
        return rng.uniform(0.5, 1.5, a.shape)
    if name[0] in "WU":
        fan_in = max(int(np.prod(a.shape[:-1])), 1)
        return rng.standard_normal(a.shape) * np.sqrt(2 / fan_in)
    return 0.5 * rng.standard_normal(a.shape)


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
        remarks = [*self._settings(), *self._heads(ends)]
        random = [*pair.subject.random, *pair.reference.random]
        modes = ["evaluation"] if random else ["evaluation", "training"]
        if random:
            remarks.append(
                f"compared in evaluation only: {', '.join(dict.fromkeys(random))} draws at random in training"
            )
        rows = [row for mode in modes for row in self._mode(mode)]
        return PortResult([*rows, *self._losses(ends)], tuple(remarks))

    def _ends(self) -> _Ends | None:
        """What stands behind the last layers of the two; None if that is not known."""
        found, width = [], 0
        for side in ("subject", "reference"):
            tensors = self._tensors(side, "float64", "evaluation")
            last = [a for n, a in tensors.items() if n.startswith("forward/") and n != "forward/output"][-1]
            out = tensors["forward/output"]
            if last.ndim < 2 or last.size != out.size:
                return None
            fits = [end for end, f in ENDS.items() if _close(f(last), out.reshape(last.shape))]
            if not fits:
                return None
            found.append(fits[0])
            width = last.shape[-1]
        return _Ends(found[0], found[1], width)

    def _heads(self, ends: _Ends | None) -> Iterator[str]:
        """Leave out what stands behind the last layers, where it differs as the losses of the two do."""
        pair = self.pairs["float64"]
        ours, theirs = (FRAMEWORK_NAMES[m.framework] for m in (pair.subject, pair.reference))
        mine, right = ends[:2] if ends else ("", "")
        if {mine, right} in SAME_ENDS:
            for both in self.pairs.values():
                both.subject.headless = both.reference.headless = True
            words = {"": "logits"}
            yield f"{ours} ends in {words.get(mine, mine)}, {theirs} in {words.get(right, right)}, as their losses may want it: compared before that"

    def _losses(self, ends: _Ends | None) -> Iterator[dict[str, Any]]:
        """The two losses of the same numbers before what stands behind the last layers."""
        if self.losses is None or ends is None:
            return
        rng, pair = np.random.default_rng([self.seed, 4]), self.pairs["float64"]
        z = rng.standard_normal((BATCH, ends.width))
        targets = {
            "labels": rng.integers(0, z.shape[1], BATCH),
            "bits": rng.integers(0, 2, z.shape).astype(float),
            "numbers": rng.standard_normal(z.shape),
        }[self.losses.targets]
        ours, theirs = self.losses.subject, self.losses.reference
        try:
            s, r = ours.of(ENDS[ends.subject](z), targets), theirs.of(ENDS[ends.reference](z), targets)
        except (ValueError, RuntimeError, TypeError, IndexError):
            return  # it wants its outputs in another shape
        row: dict[str, Any] = {
            "case": f"check/{self.name}/evaluation", "suite": "check", "phase": "loss", "step": 0, "layer": "", "tensor": "loss",
            "subject": pair.subject.framework, "reference": pair.reference.framework,
            "versions": version(pair.reference.framework), "scope": "propagated",
        }  # fmt: skip
        # Keras keeps probabilities 1e-7 away from 0 and 1, and calculates in float32.
        row |= judge(np.asarray(s), np.asarray(r), "float64", LOSS / 100)
        if row["verdict"] == "mismatch":
            row["diagnosis"] = _misplaced(ours, theirs, ends, z, targets, s, r)
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
        moved = [self._tensors("reference", "float64", mode, move) for move in (1, 2)]
        explained = self._explained(mode, s64, r64)
        frameworks = self.pairs["float64"]
        versions = ", ".join(dict.fromkeys(version(m.framework) for m in (frameworks.subject, frameworks.reference)))
        for name, r in r64.items():
            where = place(name)
            row: dict[str, Any] = {
                "case": f"check/{self.name}/{mode}", "suite": "check", "phase": where.phase, "step": where.step,
                "layer": where.layer, "tensor": name, "subject": frameworks.subject.framework,
                "reference": frameworks.reference.framework, "versions": versions, "scope": "propagated",
            }  # fmt: skip
            if name not in s64:
                yield row | {"dtype": "float64", "verdict": "missing", "diagnosis": "the port has no such tensor"}
                continue
            spread = max(distance(m[name], r) for m in moved)
            s, r = self._last_step(name, s64[name], r)
            runs = Runs(s, self._last_step(name, s32[name], r)[0], r, distance(r32[name], r64[name]), spread)
            row |= judge(s, r, "float64", noise(runs, "float64"))
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
        wrong = [n for n, r in r64.items() if n in s64 and not _close(*self._last_step(n, s64[n], r))]
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
                ours, theirs = self._mended(mode, chosen)
            except (ValueError, RuntimeError):
                continue  # no such model
            told = ", ".join(change.told for change in chosen)
            for n in wrong:
                if _close(*self._last_step(n, ours[n], theirs[n])):
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

    def _mended(self, mode: str, changes: list[_Change]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Both models' tensors with some settings changed."""
        pair = self.pairs["float64"]
        for c in changes:
            getattr(pair, c.side).set(c.layer, c.key, c.right)
        try:
            subject = self._tensors("subject", "float64", mode)
            return subject, self._tensors("reference", "float64", mode)
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
            if entering is None or entering.size != z.size:
                return ""
            given = entering.reshape(z.shape)
            found.append(next((name for name, f in CURVES.items() if _close(f(z), given)), ""))
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


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without axes of length 1: one output of each example may stand in (m,) or (m, 1)."""
    return tuple(n for n in shape if n != 1)


def _misplaced(ours: PortLoss, theirs: PortLoss, ends: _Ends, z: Array, targets: Array, s: float, r: float) -> str:
    """Which end of a model its loss does not fit, if with another both losses are the same."""
    words = {"": "no activation"}
    for loss, end, other in ((ours, ends.subject, r), (theirs, ends.reference, s)):
        if loss.wants != end and abs(loss.of(ENDS[loss.wants](z), targets) - other) <= LOSS * abs(other):
            wanted = words.get(loss.wants, loss.wants)
            return (
                f"the model ends in {words.get(end, end)}, where {loss.name} wants {wanted}: with that the losses agree"
            )
    return f"{ours.name} after {words.get(ends.subject, ends.subject)} is not {theirs.name} after {words.get(ends.reference, ends.reference)}"


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


def _normal(z: Array) -> Array:
    """The normal distribution function."""
    return np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)(z)


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _close(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(
        np.abs(a - b).max(initial=0) <= 4 * ROUNDED * max(np.abs(b).max(initial=0), 1e-300)
    )
