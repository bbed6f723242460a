"""CS231n's network classes: `TwoLayerNet`, `FullyConnectedNet`, `ThreeLayerConvNet` and relatives, with `params` and `loss(X, y)`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import array, bound, parameters, plain, shaped
from comparisons.check.drawing import planned_draws
from comparisons.check.models import PassModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.guards import guarded, unguarded
from comparisons.check.styles.pair_losses import LINEAR, PENALTIES, REG, scaled_loss
from comparisons.check.unit import Unit, UserError, UserFile
from scratch import (
    L2,
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Hinge,
    Layer,
    LayerNorm,
    Loss,
    MaxPool2D,
    Pass,
    ReLU,
    SoftmaxCrossEntropy,
    architecture,
)
from scratch.weights import Arrays

Array = np.ndarray
KEEP = 0.75
SIZES = {"input": 6, "hidden": 5, "classes": 3}
ROLES = {
    "input": ("inputsize", "inputdim", "inputdims", "indim", "ninput", "din", "d"),
    "hidden": ("hiddensize", "hiddendim", "hiddendims", "hiddensizes", "nhidden", "h", "hiddenlayersizes"),
    "classes": ("outputsize", "numclasses", "outputdim", "nclasses", "noutput", "c", "outdim"),
    "scale": ("std", "weightscale", "initscale"),
    "reg": ("reg", "regularization", "l2reg", "lambd"),
    "dtype": ("dtype",),
    "dropout": ("dropout", "dropoutkeepratio", "keepprob", "dropoutprob"),
    "normalization": ("normalization",),
    "use_batchnorm": ("usebatchnorm", "usebn", "batchnorm"),
    "filters": ("numfilters", "nfilters"),
    "filter": ("filtersize",),
}
VARIANTS = {"plain": "", "batchnorm": "batch norm", "layernorm": "layer norm", "dropout": "dropout"}


def networks() -> Recipe:
    """Classes with a method `loss` and a constructor that asks for sizes."""
    return Recipe(_find, lambda file, unit, case: _Network(file, unit, case), (_guards,))


def _guards(file: UserFile, unit: Unit) -> list[Unit]:
    return guarded(unit) if unit.options["variant"] == "plain" else []


def _roles(cls: type) -> set[str]:
    names = {plain(p.name) for p in parameters(cls)}
    return {role for role, known in ROLES.items() if names & set(known)}


def _find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
    for name, cls in free.items():
        if not isinstance(cls, type) or not inspect.isfunction(getattr(cls, "loss", None)):
            continue
        roles = _roles(cls)
        if not {"input", "hidden", "classes"} <= roles:
            continue
        if "filters" in roles:
            yield [_unit(file, name, cls, "conv", factor) for factor in (1.0, 2.0)]
            continue
        variants = ["plain"]
        variants += ["batchnorm"] if roles & {"normalization", "use_batchnorm"} else []
        variants += ["layernorm"] if "normalization" in roles else []
        variants += ["dropout"] if "dropout" in roles else []
        for variant in variants:
            readings = [
                _unit(file, name, cls, variant, factor, loss, kept, low)
                for loss in (SoftmaxCrossEntropy(), Hinge())
                for factor in (1.0, 2.0)
                for kept, low in (
                    [(True, True), (False, True), (False, False), (True, False)]
                    if variant == "dropout"
                    else [(True, True)]
                )
            ]
            if variant == "plain" or _takes(file, readings[0]):
                yield readings


def _takes(file: UserFile, unit: Unit) -> bool:
    """Whether a variant, which the assignment leaves to a later part, is there at all: its parameters are made."""
    try:
        net = _Network(file, unit, unit.cases[0]).made(np.dtype("float64"))
    except UserError:
        return False
    wanted = {"batchnorm": "gamma1", "layernorm": "gamma1"}.get(unit.options["variant"])
    return wanted is None or wanted in net.params


def _unit(
    file: UserFile, name: str, cls: type, variant: str, factor: float, loss: Loss | None = None,
    kept: bool = True, low: bool = True,
) -> Unit:  # fmt: skip
    several = _several(cls)
    layers, shape = _layers(variant, several)
    cases = []
    for m in (6, 4) if variant != "conv" else (2,):
        arch = architecture(*layers, loss=loss or SoftmaxCrossEntropy(), regulariser=L2(factor * REG * m))
        cases.append(Case(f"check/{name}/{variant}{m}", arch, (m,), shape))
    told = [PENALTIES[factor]]
    if variant == "dropout":
        told.append(f"dropout is the probability of {'keeping' if kept else 'dropping'} a unit")
    # Another activation makes another network, of which nothing agrees.
    options = {"tentative": "agrees", "class": name, "variant": variant, "several": several, "kept": kept, "low": low}
    options["names"] = _names(architecture(*layers))
    title = "network" + (f" with {VARIANTS[variant]}" if VARIANTS.get(variant) else "")
    unit = Unit(name, "", title, file.own[name], (name,), tuple(cases), options, tuple(told))
    return unit if variant in ("plain", "conv") else replace(unit, name=f"{name}, {VARIANTS[variant]}")


def _names(arch: Architecture) -> dict[str, str]:
    """What a report calls the parameters: W1, b1, gamma1, beta1."""
    found: dict[str, str] = {}
    for kinds, letters in (((Dense, Conv2D), ("W", "b")), ((BatchNorm, LayerNorm), ("gamma", "beta"))):
        layers = [n for n, layer in arch.layers if isinstance(layer, kinds)]
        found |= {f"{n}.{p}": f"{p}{i}" for i, n in enumerate(layers, start=1) for p in letters}
    return found


def _several(cls: type) -> bool:
    """Whether the constructor takes a list of hidden sizes."""
    return any(plain(p.name) in ("hiddendims", "hiddensizes", "hiddenlayersizes") for p in parameters(cls))


def _layers(variant: str, several: bool) -> tuple[list[Layer], tuple[int, ...]]:
    n, h, k = SIZES["input"], SIZES["hidden"], SIZES["classes"]
    if variant == "conv":
        return [Conv2D(2, 3, 3, 1, 1), ReLU(), MaxPool2D(2, 2), Flatten(), Dense(3 * 2 * 2, h), ReLU(), Dense(h, k)], (
            4,
            4,
            2,
        )
    hidden = [h, 4] if several else [h]
    layers: list[Layer] = []
    for before, size in zip([n, *hidden], hidden, strict=False):
        layers.append(Dense(before, size))
        if variant == "batchnorm":
            layers.append(BatchNorm(size, 0.9, 1e-5))
        if variant == "layernorm":
            layers.append(LayerNorm(size, 1e-5))
        layers.append(ReLU())
        if variant == "dropout":
            layers.append(Dropout(KEEP))
    return [*layers, Dense(hidden[-1], k)], (n,)


class _Network(PassModel):
    """An object of the class, made anew for each pass with the given parameters."""

    def __init__(self, file: UserFile, unit: Unit, case: Case) -> None:
        super().__init__(case, self._pass)
        self.file, self.options, self.name = file, unit.options, unit.options["class"]
        self.arch = case.architecture
        self.weighted = [n for n, layer in self.arch.layers if isinstance(layer, Dense | Conv2D)]
        self.normed = [n for n, layer in self.arch.layers if isinstance(layer, BatchNorm | LayerNorm)]

    def made(self, dtype: np.dtype) -> Any:
        """A fresh object; UserError if it cannot be made or has no `params`."""
        cls, variant = self.file.namespace[self.name], self.options["variant"]
        hidden: Any = [SIZES["hidden"], 4] if self.options["several"] else SIZES["hidden"]
        p = KEEP if self.options["kept"] else 1 - KEEP
        values: dict[str, Any] = {
            "input": (2, 4, 4) if variant == "conv" else SIZES["input"],
            "hidden": hidden, "classes": SIZES["classes"], "scale": 0.1, "reg": REG, "dtype": dtype.type,
            "normalization": variant if "norm" in variant else None, "use_batchnorm": variant == "batchnorm",
            "filters": 3, "filter": 3,
        }  # fmt: skip
        if variant == "dropout":
            values["dropout"] = p
        net = self.file.call(cls, **bound(cls, values, ROLES))
        if not isinstance(getattr(net, "params", None), dict):
            raise UserError(f"{self.name} has no dictionary params")
        return net

    def _names(self) -> dict[str, tuple[str, str]]:
        """The file's name of every parameter, with the layer and its parameter."""
        found = {f"{p}{i}": (n, p) for i, n in enumerate(self.weighted, start=1) for p in "Wb"}
        return found | {f"{p}{i}": (n, p) for i, n in enumerate(self.normed, start=1) for p in ("gamma", "beta")}

    def _loaded(self, dtype: np.dtype) -> Any:
        net = self.made(dtype)
        for name, (layer, p) in self._names().items():
            if name not in net.params:
                raise UserError(f"{self.name}: params has no {name}")
            own = self._to_file(layer, p, self.params[layer][p])
            if np.shape(net.params[name]) != own.shape:
                told = f"{self.name}: params[{name!r}] has shape {np.shape(net.params[name])}, {own.shape} was expected"
                raise UserError(told)
            net.params[name] = own
        for i, n in enumerate(self.normed):
            if n in self.buffers and i < len(getattr(net, "bn_params", [])):
                net.bn_params[i].update({b: a.copy() for b, a in self.buffers[n].items()})
        return net

    def _to_file(self, layer: str, p: str, a: Array) -> Array:
        if a.ndim == 4:
            return np.ascontiguousarray(a.transpose(3, 2, 0, 1))
        return self._flattened(a, layer, (2, 2, 3), (2, 0, 1)) if p == "W" else a.copy()

    def _from_file(self, layer: str, p: str, a: Array) -> Array:
        if a.ndim == 4:
            return np.ascontiguousarray(a.transpose(2, 3, 1, 0))
        return self._flattened(a, layer, (3, 2, 2), (1, 2, 0)) if p == "W" else a

    def _flattened(self, a: Array, layer: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
        """Rows of the first weights after images, from the order of NHWC to that of NCHW or back."""
        first = self.options["variant"] == "conv" and layer == self.weighted[1]
        if not first or a.ndim != 2 or len(a) != np.prod(shape):
            return a.copy()
        return np.ascontiguousarray(a.reshape(*shape, -1).transpose(*axes, 3).reshape(len(a), -1))

    def _x(self, x: Array) -> Array:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x.copy()

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Scores of the network at rest."""
        return {self.weighted[-1]: self._scores(self._loaded(x.dtype), x)}

    def _scores(self, net: Any, x: Array) -> Array:
        given = {"x": self._x(x), "Y": None} | ({"reg": REG} if self._asks_reg() else {})
        scores = self.file.call(net.loss, **bound(net.loss, given, LINEAR))
        return array(scores, f"{self.name}.loss without labels: the scores")

    def _asks_reg(self) -> bool:
        return any(plain(p.name) == "reg" for p in parameters(self.file.namespace[self.name].loss))

    def _pass(self, params: Arrays, x: Array, target: Array, _: Any, training: bool, masks: dict[str, Array]) -> Pass:
        net = self._loaded(x.dtype)
        outputs = {}
        if not masks and not self.normed:
            outputs[self.weighted[-1]] = self._scores(net, x)
        roles = {"x": self._x(x), "Y": target.argmax(axis=1)} | ({"reg": REG} if self._asks_reg() else {})
        with planned_draws(list(masks.values()), KEEP, self.options["low"]):
            result = self.file.call(net.loss, **bound(net.loss, roles, LINEAR))
        if not isinstance(result, tuple | list) or len(result) != 2 or not isinstance(result[1], dict):
            raise UserError(f"{self.name}.loss returns no tuple (loss, grads)")
        loss, _ = scaled_loss(f"{self.name}.loss", (result[0], None), 1)
        if self.options.get("guard") and loss is not None and outputs and self.arch.loss is not None:
            a = self.arch.loss.probabilities(outputs[self.weighted[-1]])
            loss = np.asarray(unguarded(loss, self.options["guard"], self.arch.loss, a, target))
        grads: Arrays = {n: {} for n, _ in self.arch.layers if n in params}
        for name, (layer, p) in self._names().items():
            if name in result[1]:
                g = self._from_file(layer, p, array(result[1][name], f"{self.name}.loss: grads[{name!r}]"))
                grads[layer][p] = shaped(g, params[layer][p].shape) if p != "W" else g
        for i, n in enumerate(self.normed):
            if n in self.buffers and i < len(getattr(net, "bn_params", [])):
                kept = net.bn_params[i]
                self.buffers[n] = {b: np.asarray(kept[b]) for b in self.buffers[n] if b in kept}
        return Pass(outputs, loss, grads, {}, None)  # type: ignore[arg-type]  # the scores' gradient stays inside
