"""Layers on rows or columns of features as pairs of functions: dense, activations, normalisation, dropout."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, quiet, shaped, tree
from comparisons.check.drawing import planned_draws
from comparisons.check.models import LayerModel, Ran
from comparisons.check.modes import function_told_apart
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.pairs import Pair, pairs, run_pair
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import BatchNorm, Dense, Dropout, Layer, LayerNorm, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh, architecture

Array = np.ndarray
COLUMNS = "examples are columns: X has shape (n_x, m)"
ROWS = "examples are rows: x has shape (N, D)"
MEANS = "gradients of parameters are means over the examples: the upstream gradient is not divided by m"


def pair_of(unit: Unit) -> Pair:
    """The functions of a unit."""
    return Pair(*unit.options["pair"])


def unit_of(
    file: UserFile, pair: Pair, title: str, cases: Iterable[Case], options: dict[str, Any], *assumed: str
) -> Unit:
    """A unit of a pair; its style is filled in later."""
    line = file.own[pair.name]
    name = pair.backward if pair.backward and _shared(file, pair) else pair.name
    options = options | {"pair": (pair.forward, pair.backward)}
    return Unit(name, "", title, line, pair.members, tuple(cases), options, tuple(a for a in assumed if a))


def _shared(file: UserFile, pair: Pair) -> bool:
    """Whether the backward function is a second one of its forward function: the unit is then known by it."""
    return (
        bool(pair.forward)
        and "." not in pair.backward
        and pair.backward.rpartition("_")[2] != "backward"
        and not pair.forward.endswith(pair.backward.rpartition("_")[2])
    )


@dataclass(frozen=True)
class Layout:
    """Which way round a file has examples, weights and biases."""

    columns: bool
    transposed: bool
    bias: str

    def x(self, x: Array) -> Array:
        """Examples from rows into the file's layout, or back."""
        return np.ascontiguousarray(x.T) if self.columns and x.ndim == 2 else x

    def w(self, w: Array) -> Array:
        """Weights (n_in, n_out) into the file's layout, or back."""
        return np.ascontiguousarray(w.T) if self.transposed and w.ndim == 2 else w

    def b(self, b: Array) -> Array:
        """A vector of one number per feature into the file's layout."""
        return b.reshape({"flat": (-1,), "row": (1, -1), "column": (-1, 1)}[self.bias])

    def vector(self, g: Array, shape: tuple[int, ...]) -> Array:
        """A gradient of one number per feature from the file's layout; what is (n,) beside a bias (n, 1) makes an update (n, n)."""
        spread = self.bias == "column" and g.ndim == 1 and g.size > 1
        return np.broadcast_to(g, (g.size, g.size)) if spread else shaped(g, shape)


LAYOUTS = {
    "rows": Layout(False, False, "flat"),
    "rows, b (1, n)": Layout(False, False, "row"),
    "rows, W (out, in)": Layout(False, True, "flat"),
    "rows, W (out, in), b (1, n)": Layout(False, True, "row"),
    "columns": Layout(True, True, "column"),
    "columns, W (in, out)": Layout(True, False, "column"),
    "columns, b (n,)": Layout(True, True, "flat"),
}


def layouts(first: str) -> list[str]:
    """Names of all layouts, those of the usual orientation first."""
    return sorted(LAYOUTS, key=lambda name: not name.startswith(first))


# Dense

DENSE_ORDER = ("x", "W", "b")


def dense(bases: tuple[str, ...], usual: str, mean: bool) -> Recipe:
    """Dense layers.

    Parameters
    ----------
    bases : tuple of str
        Names before `_forward` and `_backward`.
    usual : {"rows", "columns"}
    mean : bool
        Whether dW and db usually carry the 1/m.
    """

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, bases):
            yield [
                _dense_unit(file, pair, layout, scaled)
                for layout in layouts(usual)
                for scaled in ((mean, not mean) if pair.backward else (False,))
            ]

    return Recipe(find, _dense_model)


def _dense_unit(file: UserFile, pair: Pair, layout: str, mean: bool) -> Unit:
    cases = [Case(f"check/{pair.name}/batch{m}", architecture(Dense(4, 3)), (m,), (4,)) for m in (7, 5, 1)]
    told = COLUMNS if LAYOUTS[layout].columns else ROWS
    options = {"layout": layout, "mean": mean}
    return unit_of(file, pair, "dense layer", cases, options, told, MEANS if mean else "")


def _dense_model(file: UserFile, unit: Unit, case: Case) -> Model:
    layout, pair = LAYOUTS[unit.options["layout"]], pair_of(unit)

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, *__: Any) -> Ran:
        m = len(x) if unit.options["mean"] else 1
        roles = {"x": layout.x(x), "W": layout.w(params["W"]), "b": layout.b(params["b"])}
        out, grads = run_pair(file, pair, roles, layout.x(m * dy), DENSE_ORDER, tuple(roles.values()))
        return ran(pair, out, grads, params, layout, m)

    return LayerModel(case, run)


def ran(pair: Pair, out: Any, grads: dict[str, Any], params: dict[str, Array], layout: Layout, m: int = 1) -> Ran:
    """What a pair returned, in rows; the gradient of its input is m times dJ/dx."""
    back = pair.backward
    dx = layout.x(array(grads["x"], f"{back}: the gradient of the input")) / m if "x" in grads else None
    found = {}
    for p, w in params.items():
        if p not in grads:
            continue
        g = array(grads[p], f"{back}: the gradient of {p}")
        found[p] = layout.w(g) if w.ndim == 2 else layout.vector(g, w.shape)
    output = None if out is None else layout.x(array(out, f"{pair.forward}: the output"))
    return Ran(output, dx, found)


# Activations

ACTIVATIONS: dict[str, list[Layer]] = {
    "sigmoid": [Sigmoid()],
    "logistic": [Sigmoid()],
    "tanh": [Tanh()],
    "relu": [ReLU()],
    "leakyrelu": [LeakyReLU(a) for a in (0.01, 0.1, 0.2, 0.3, 0.05, 0.001)],
    "lrelu": [LeakyReLU(a) for a in (0.01, 0.1, 0.2, 0.3, 0.05, 0.001)],
    "softmax": [Softmax()],
}
SLOPE: Aliases = {
    "upstream": ("da", "dout", "dy", "grad"),
    "slope": ("alpha", "slope", "negslope", "leak", "a", "negativeslope"),
}


def activations(usual: str, bare: bool) -> Recipe:
    """Activations.

    Parameters
    ----------
    usual : {"rows", "columns"}
    bare : bool
        Whether the forward function is called `relu`, not `relu_forward`.
    """

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for base, layers in ACTIVATIONS.items():
            found = [p for p in pairs(free, (base,)) if p.forward or not bare]
            plain_names = {n.lower().replace("_", ""): n for n in free}
            back = next((plain_names[base + b] for b in ("backward", "backprop") if base + b in plain_names), "")
            if bare and back and base in plain_names and not any(p.forward for p in found):
                found = [Pair(plain_names[base], back)]
            for pair in found:
                yield list(_activation_readings(file, pair, layers, usual))

    return Recipe(find, _activation_model)


def _activation_readings(file: UserFile, pair: Pair, layers: list[Layer], usual: str) -> Iterable[Unit]:
    for layer in layers:
        kinds = ("rows", "columns") if usual == "rows" else ("columns", "rows")
        for layout in kinds if isinstance(layer, Softmax) else kinds[:1]:
            for cached in ("given", "Z", "A"):
                cases = [
                    Case(f"check/{pair.name}/{regime}", architecture(layer), (m,), (5,), regime)
                    for m, regime in ((6, "normal"), (4, "zeros"), (3, "saturated"))
                ]
                options = {"layout": layout, "cache": cached}
                title = f"{type(layer).__name__} activation"
                slope = f"slope {layer.slope} below 0" if isinstance(layer, LeakyReLU) else ""
                yield unit_of(file, pair, title, cases, options, slope)


def _activation_model(file: UserFile, unit: Unit, case: Case) -> Model:
    layout, pair, cached = LAYOUTS[unit.options["layout"]], pair_of(unit), unit.options["cache"]
    ((_, layer),) = case.architecture.layers

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, *__: Any) -> Ran:
        z = layout.x(x)
        also: dict[str, Any] = {}
        if cached != "given":
            # Where no cache is returned, the argument of that name is Z or A.
            if pair.forward and isinstance(result := file.call(pair.forward, z.copy()), tuple):
                raise UserError(f"{pair.forward} returns a cache of {len(result) - 1}")
            also["cache"] = z if cached == "Z" else _activated(file, pair, z)
        roles: dict[str, Any] = {"x": z}
        if isinstance(layer, LeakyReLU):
            roles["slope"] = layer.slope
        out, grads = run_pair(file, pair, roles, layout.x(dy), ("x",), None if pair.forward else z, SLOPE, also)
        return ran(pair, out, grads, params, layout)

    return LayerModel(case, run)


def _activated(file: UserFile, pair: Pair, z: Array) -> Any:
    return file.call(pair.forward, z.copy()) if pair.forward else z


# Normalisation

EPSILONS = (1e-5, 1e-8, 1e-7, 1e-6, 1e-4, 1e-3, 1e-10, 1e-12)
NORM_ALIASES: Aliases = {
    "x": ("x", "z", "inp", "input", "a"),
    "param": ("bnparam", "bnparams", "lnparam", "lnparams", "gnparam", "gnparams", "param", "params"),
    "eps": ("eps", "epsilon"),
    "training": ("train", "istrain", "istraining", "training", "trainflg"),
}
NORM_ORDER = ("x", "gamma", "beta")


def norm(bases: tuple[str, ...], batch: bool, usual: str) -> Recipe:
    """Batch norm or layer norm of features."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, bases):
            yield [
                _norm_unit(file, pair, batch, epsilon, layout)
                for layout in sorted(("rows", "columns", "rows, b (1, n)"), key=lambda n: not n.startswith(usual))
                for epsilon in EPSILONS
            ]

    return Recipe(find, _norm_model)


def _norm_unit(file: UserFile, pair: Pair, batch: bool, epsilon: float, layout: str) -> Unit:
    name, layer = pair.name, BatchNorm(4, 0.9, epsilon) if batch else LayerNorm(4, epsilon)
    arch = architecture(layer)
    # A variance near epsilon shows where epsilon stands.
    cases = [Case(f"check/{name}/training", arch, (6, 5) if batch else (6,), (4,))]
    cases.append(Case(f"check/{name}/small", arch, (7,), (4,), "tiny"))
    if batch and pair.forward and function_told_apart(file, pair.forward):
        cases.append(Case(f"check/{name}/evaluation", arch, (5,), (4,), training=False))
    told = COLUMNS if LAYOUTS[layout].columns else ""
    eps = "" if epsilon == EPSILONS[0] else f"epsilon is {epsilon:g}"
    return unit_of(file, pair, f"{'batch' if batch else 'layer'} norm", cases, {"layout": layout}, told, eps)


def _norm_model(file: UserFile, unit: Unit, case: Case) -> Model:
    layout, pair = LAYOUTS[unit.options["layout"]], pair_of(unit)
    ((_, layer),) = case.architecture.layers

    def run(params: dict[str, Array], buffers: dict[str, Array], x: Array, dy: Array, training: bool, _: Any) -> Ran:
        roles, param = norm_roles(layer, layout.x(x), {p: layout.b(a) for p, a in params.items()}, training)
        param |= {name: layout.b(a) for name, a in buffers.items()}
        out, grads = run_pair(file, pair, roles, layout.x(dy) if training else None, NORM_ORDER, aliases=NORM_ALIASES)
        quiet(file, pair.forward, "bn_param")
        done = ran(pair, out, grads, params, layout)
        if training:
            done.buffers = {n: shaped(array(param[n], n), a.shape) for n, a in buffers.items() if n in param}
            done.buffers = done.buffers if moves(file, pair) else {}
        return done

    return LayerModel(case, run)


def moves(file: UserFile, pair: Pair) -> bool:
    """Whether the function keeps running averages at all."""
    source = tree(file.namespace[pair.forward]) if pair.forward else None
    return source is not None and "running_mean" in ast.dump(source)


def norm_roles(layer: Any, x: Array, params: dict[str, Array], training: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of a normalising forward function, and the dictionary among them that it keeps its averages in."""
    param: dict[str, Any] = {"mode": "train" if training else "test", "eps": layer.epsilon}
    if isinstance(layer, BatchNorm):
        param["momentum"] = layer.momentum
    return {"x": x, **params, "param": param, "eps": layer.epsilon, "training": training}, param


# Dropout

DROPOUT_ALIASES: Aliases = {
    "x": ("x", "a", "inp", "z"),
    "param": ("dropoutparam", "dropoutparams", "param", "params"),
    "p": ("p", "keepprob", "keep", "dropoutratio", "rate", "droprate", "prob", "dropout", "pkeep", "pdropout", "pdrop", "dropoutp",
          "dropoutprob", "dropprob", "dropoutrate", "keeprate"),
    "training": ("train", "istrain", "istraining", "training", "trainflg", "mode"),
}  # fmt: skip


def dropout(bases: tuple[str, ...], usual: str) -> Recipe:
    """Dropout, with the planned mask in the place of what the function draws."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, bases):
            if pair.forward:
                told = function_told_apart(file, pair.forward)
                yield [
                    _dropout_unit(file, pair, kept, low, layout, plain)
                    for plain in ((False, True) if told else (False,))
                    for layout in ("rows", "columns")[:: 1 if usual == "rows" else -1]
                    for kept in (True, False)
                    for low in (True, False)
                ]

    return Recipe(find, _dropout_model)


def _dropout_unit(file: UserFile, pair: Pair, kept: bool, low: bool, layout: str, plain: bool) -> Unit:
    arch = architecture(Dropout(0.75))
    cases = [Case(f"check/{pair.name}/training", arch, (8,), (9,))]
    if function_told_apart(file, pair.forward):
        cases.append(Case(f"check/{pair.name}/evaluation", arch, (6,), (9,), training=False))
    told = "p is the probability of keeping a unit" if kept else "p is the probability of dropping a unit"
    options = {"kept": kept, "low": low, "layout": layout, "factor": 1 / 0.75 if plain else 1.0}
    return unit_of(file, pair, "dropout", cases, options, told, PLAIN if plain else "")


PLAIN = "the mask is applied without 1/keep_prob, and evaluation multiplies by keep_prob instead"


def _dropout_model(file: UserFile, unit: Unit, case: Case) -> Model:
    pair, options = pair_of(unit), unit.options
    layout = LAYOUTS[options["layout"]]
    ((_, layer),) = case.architecture.layers
    assert isinstance(layer, Dropout)
    p = layer.keep_prob if options["kept"] else 1 - layer.keep_prob

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, training: bool, mask: Array | None) -> Ran:
        mode = "train" if training else "test"
        roles = {"x": layout.x(x), "param": {"mode": mode, "p": p, "seed": 1}, "p": p, "training": training}
        with planned_draws([] if mask is None else [layout.x(mask)], layer.keep_prob, options["low"]) as drawn:
            up = layout.x(dy)
            out, grads = run_pair(file, pair, roles, up, ("x",), aliases=DROPOUT_ALIASES)
        if mask is not None and drawn.left:
            why = "draws its mask from normal numbers (randn), not from uniform ones (rand)"
            why = why if drawn.normal else "draws no mask of its input's shape with numpy's random numbers"
            raise UserError(f"{pair.forward} {why}")
        done, factor = ran(pair, out, grads, params, layout), options["factor"]
        output, dx = (None if a is None else a * factor for a in (done.output, done.input_grad))
        return Ran(output, dx)

    return LayerModel(case, run)
