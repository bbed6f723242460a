"""A model in one framework against its port to another: weights transferred, every layer with parameters compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.discrepancy import judge
from comparisons.errors import BackproofError
from comparisons.naming import place
from comparisons.tolerance import Runs, distance, noise
from reference import version
from reference.model import Model, ModelLayer, UnknownLayer
from scratch.weights import Arrays

Array = np.ndarray
BATCH = 4
FRAMEWORK_NAMES = {"torch": "torch", "tensorflow": "Keras"}
APPLICABLE = ("epsilon", "momentum")
"""Settings that can be changed in a model, to see whether they explain a difference."""


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
    subject: Any, reference: Any, name: str = "port", shape: tuple[int, ...] | None = None, seed: int = 0
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
        raise BackproofError(f"{name}: the shape of an input is not known; give it, e.g. (32, 32, 3) for images")
    rng = np.random.default_rng([seed, 1])
    example = _example(subject, reference, known, rng)
    try:
        pair = {d: Pair(mine(subject, example, d), theirs(reference, example, d)) for d in ("float64", "float32")}
    except (UnknownLayer, ValueError, RuntimeError) as error:
        raise BackproofError(f"{name}: {str(error).strip().splitlines()[0]}") from error
    weights = _random(pair["float64"].reference, rng)
    return _Comparison(name, pair, weights, example, seed).run()


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
            raise UnknownLayer(f"layer {i} with parameters is {s.kind} {s.name!r} in the port ({names[0]}), "
                               f"{r.kind} {r.name!r} in the reference ({names[1]})")  # fmt: skip
    raise UnknownLayer(
        f"the port ({names[0]}) has {len(ours)} layers with parameters, the reference ({names[1]}) {len(theirs)}"
    )


def _random(model: Model, rng: np.random.Generator) -> Arrays:
    """Weights that hide nothing: gamma, beta, biases and running averages too."""
    return {layer: {n: _drawn(n, a, rng) for n, a in named.items()} for layer, named in model.read().items()}


def _drawn(name: str, a: Array, rng: np.random.Generator) -> Array:
    if name in ("running_var", "gamma"):
        return rng.uniform(0.5, 1.5, a.shape)
    if name in ("W", "U"):
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

    def run(self) -> PortResult:
        pair = self.pairs["float64"]
        remarks = list(self._settings())
        random = [*pair.subject.random, *pair.reference.random]
        modes = ["evaluation"] if random else ["evaluation", "training"]
        if random:
            remarks.append(
                f"compared in evaluation only: {', '.join(dict.fromkeys(random))} draws at random in training"
            )
        rows = [row for mode in modes for row in self._mode(mode)]
        return PortResult(rows, tuple(remarks))

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
            s, r = _last_step(s64[name], r)
            runs = Runs(s, _last_step(s32[name], r)[0], r, distance(r32[name], r64[name]), spread)
            row |= judge(s, r, "float64", noise(runs, "float64"))
            if row["verdict"] == "mismatch" and not row["diagnosis"]:
                row["diagnosis"] = explained.get(name, "")
            yield row

    def _settings(self) -> Iterator[str]:
        """Settings in which the two differ, in words."""
        for theirs, mine in self.pairs["float64"].partners:
            for key in sorted(theirs.settings.keys() & mine.settings.keys()):
                if theirs.settings[key] != mine.settings[key]:
                    yield f"{mine.name}: {key} {mine.settings[key]}, {theirs.settings[key]} in the reference's {theirs.name}"

    def _explained(self, mode: str, s64: dict[str, Array], r64: dict[str, Array]) -> dict[str, str]:
        """Why tensors differ: a setting, if they come right with the reference's; else where the first difference arises."""
        wrong = [n for n, r in r64.items() if n in s64 and not _close(*_last_step(s64[n], r))]
        found: dict[str, str] = {}
        if not wrong:
            return found
        settings = list(self._changeable())
        for chosen in [*([s] for s in settings), *([settings] if len(settings) > 1 else [])]:
            mended = self._mended(mode, chosen)
            told = ", ".join(f"{layer} has {key} {ours}, the reference {right}" for layer, key, ours, right in chosen)
            for n in wrong:
                if _close(mended[n], r64[n]):
                    found.setdefault(n, f"{told}: with the reference's value it agrees")
        return found | self._between(wrong, r64, found)

    def _changeable(self) -> Iterator[tuple[str, str, Any, Any]]:
        for theirs, mine in self.pairs["float64"].partners:
            for key in APPLICABLE:
                ours, right = mine.settings.get(key), theirs.settings.get(key)
                if ours is not None and right is not None and ours != right:
                    yield mine.name, key, ours, right

    def _mended(self, mode: str, settings: list[tuple[str, str, Any, Any]]) -> dict[str, Array]:
        """The subject's tensors with some of its settings as in the reference."""
        subject = self.pairs["float64"].subject
        for layer, key, _, right in settings:
            subject.set(layer, key, right)
        try:
            return self._tensors("subject", "float64", mode)
        finally:
            for layer, key, ours, _ in settings:
                subject.set(layer, key, ours)

    def _between(self, wrong: list[str], r64: dict[str, Array], found: dict[str, str]) -> dict[str, str]:
        """For the first output that is wrong, the last one before it that is right."""
        outputs = [n for n in r64 if n.startswith("forward/")]
        first = next((n for n in outputs if n in wrong), None)
        if first is None or first in found:
            return {}
        i = outputs.index(first)
        before = f"the output of {place(outputs[i - 1]).layer} still agrees" if i else "it is the first layer"
        return {
            first: f"{before}: what comes between differs (activation, pooling, padding, flattening), or its own settings"
        }


def _last_step(s: Array, r: Array) -> tuple[Array, Array]:
    """Where one recurrent layer gives all steps and the other the last: the last of both."""
    if s.ndim == 3 and r.ndim == 2 and (s.shape[0], s.shape[2]) == r.shape:
        return s[:, -1], r
    if r.ndim == 3 and s.ndim == 2 and (r.shape[0], r.shape[2]) == s.shape:
        return s, r[:, -1]
    return s, r


def _close(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= 1e-9 * max(np.abs(b).max(initial=0), 1e-300))
