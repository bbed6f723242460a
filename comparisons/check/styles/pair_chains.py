"""Several layers in one pair of functions: `linear_activation_forward`, `affine_relu_forward`, `conv_bn_relu_pool_forward`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, parameters, plain, quiet, shaped, strings
from comparisons.check.models import PassModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.pair_images import CONV_ALIASES, IMAGE_LAYOUTS
from comparisons.check.styles.pair_layers import LAYOUTS, MEANS, NORM_ALIASES, layouts, pair_of, unit_of
from comparisons.check.styles.pairs import Pair, pairs, run_pair
from comparisons.check.unit import Unit, UserFile
from comparisons.trace import Model
from scratch import (
    BatchNorm,
    Conv2D,
    Dense,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Pass,
    ReLU,
    Sigmoid,
    Tanh,
    architecture,
)

Array = np.ndarray
PARTS = {
    "affine|linear|fc|dense": "dense",
    "conv": "conv",
    "spatialbatchnorm|spatialbn|batchnorm|bn|batch": "batchnorm",
    "layernorm|ln": "layernorm",
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "leakyrelu|lrelu": "leakyrelu",
    "maxpool|pool": "pool",
}
ACTIVATIONS: dict[str, Layer] = {"relu": ReLU(), "sigmoid": Sigmoid(), "tanh": Tanh(), "leakyrelu": LeakyReLU(0.01)}
ALIASES: Aliases = {
    **CONV_ALIASES,
    **NORM_ALIASES,
    "x": CONV_ALIASES["x"],
    "conv_param": ("convparam", "convparams"),
    "pool_param": ("poolparam", "poolparams"),
    "bn_param": ("bnparam", "bnparams", "lnparam", "normparam"),
    "activation": ("activation", "act", "activationfunction", "func", "activationtype", "actfunc"),
}
ORDER = ("x", "W", "b", "gamma", "beta")


def chains(usual: str, mean: bool) -> Recipe:
    """Pairs named after the layers that they chain; `usual` is rows or columns."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair, kinds in _named(free):
            images = kinds[0] == "conv"
            names = [n for n in IMAGE_LAYOUTS if "1" not in n or n == "NHWC"] if images else layouts(usual)
            means = (mean, not mean) if pair.backward and not images else (False,)
            yield [_unit(file, pair, kinds, layout, scaled, "") for layout in names for scaled in means]

    return Recipe(find, _model)


def _named(free: Free) -> Iterator[tuple[Pair, tuple[str, ...]]]:
    part = "|".join(PARTS)
    for pair in pairs(free, (f"(?:{part})(?:{part})+",)):
        base = re.split("forward|backward|fwd|bwd", plain(pair.name))[0]
        kinds = tuple(next(k for names, k in PARTS.items() if re.fullmatch(names, p)) for p in re.findall(part, base))
        if kinds[0] in ("dense", "conv"):
            yield pair, kinds


def activated(usual: str, mean: bool) -> Recipe:
    """`linear_activation_forward(A_prev, W, b, activation)`: one unit for each activation that it takes."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, ("linearactivation", "affineactivation", "activation", "layer")):
            f = free.get(pair.forward) or free[pair.backward]
            role = next((p for p in parameters(f) if plain(p.name) in ALIASES["activation"]), None)
            if role is None or not pair.forward:
                continue
            known = [a for a in ACTIVATIONS if _mentions(file, pair, a)]
            for name in known:
                names = layouts(usual)
                readings = [
                    _unit(file, pair, ("dense", name), layout, scaled, name)
                    for layout in names
                    for scaled in (mean, not mean)
                ]
                yield [replace(u, name=f"{u.name}, {name}", title=f"dense layer and {name}") for u in readings]

    return Recipe(find, _model)


def _mentions(file: UserFile, pair: Pair, name: str) -> bool:
    return name in {plain(t) for t in strings(file.namespace[pair.forward])}


def _unit(file: UserFile, pair: Pair, kinds: tuple[str, ...], layout: str, mean: bool, word: str) -> Unit:
    images = kinds[0] == "conv"
    made: list[Layer] = []
    for kind in kinds:
        if kind == "dense":
            made.append(Dense(5, 4))
        elif kind == "conv":
            made.append(Conv2D(3, 4, 3, 1, 1))
        elif kind == "batchnorm":
            made.append(BatchNorm(4, 0.9, 1e-5))
        elif kind == "layernorm":
            made.append(LayerNorm(4, 1e-5))
        else:
            made.append(MaxPool2D(2, 2) if kind == "pool" else ACTIVATIONS[kind])
    batches = (2,) if images else (6, 4)
    case_name = f"check/{pair.name}{word and '-' + word}"
    shape = (4, 6, 3) if images else (5,)
    cases = [Case(f"{case_name}/batch{m}", architecture(*made), (m,), shape) for m in batches]
    told = (
        f"images are {layout}"
        if images
        else ("examples are columns" if LAYOUTS[layout].columns else "examples are rows")
    )
    title = " and ".join(
        {"dense": "dense layer", "conv": "convolution", "batchnorm": "batch norm"}.get(k, k) for k in kinds
    )
    options = {"layout": layout, "mean": mean, "images": images, "word": word}
    return unit_of(file, pair, title, cases, options, told, MEANS if mean else "")


def _model(file: UserFile, unit: Unit, case: Case) -> Model:
    pair, options = pair_of(unit), unit.options
    layout: Any = IMAGE_LAYOUTS[options["layout"]] if options["images"] else LAYOUTS[options["layout"]]
    back = layout.x_back if options["images"] else layout.x
    w_back = layout.w_back if options["images"] else layout.w
    names = [n for n, _ in case.architecture.layers]
    owners = {p: n for n, layer in case.architecture.layers for p in layer.parameter_shapes()}

    def run(params: dict[str, dict[str, Array]], x: Array, _: Any, dy: Array, training: bool, __: Any) -> Pass:
        m = len(x) if options["mean"] else 1
        roles: dict[str, Any] = {"x": layout.x(x)}
        for p, n in owners.items():
            a = params[n][p]
            bare = a.copy() if p in ("gamma", "beta") and not options["images"] and not layout.columns else None
            roles[p] = layout.w(a) if p == "W" else (layout.b(a).copy() if bare is None else bare)
        bn_param: dict[str, Any] = {"mode": "train", "eps": 1e-5, "momentum": 0.9}
        for averages in model.buffers.values():
            columns = not options["images"] and layout.columns
            bn_param |= {n: layout.b(a).copy() if columns else a.copy() for n, a in averages.items()}
        roles |= {"conv_param": {"stride": 1, "pad": 1}, "bn_param": bn_param,
                  "pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2}}  # fmt: skip
        if options["word"]:
            roles["activation"] = options["word"]
        out, given = run_pair(file, pair, roles, layout.x(m * dy), ORDER, aliases=ALIASES)
        quiet(file, pair.forward, "bn_param")
        before, model.buffers = model.buffers, {}
        for n, averages in before.items():
            after = {p: shaped(array(bn_param[p], p), a.shape) for p, a in averages.items()}
            # Where none moves, they are kept elsewhere, or the file's batch norm is the one to tell.
            if any(not np.array_equal(after[p], a) for p, a in averages.items()):
                model.buffers[n] = after
        grads: dict[str, dict[str, Array]] = {}
        for p, n in owners.items():
            if p in given:
                g = array(given[p], f"{pair.backward}: the gradient of {p}")
                grads.setdefault(n, {})[p] = w_back(g) if p == "W" else shaped(g, params[n][p].shape)
        inputs = {}
        if "x" in given:
            inputs[names[0]] = back(array(given["x"], f"{pair.backward}: the gradient of the input")) / m
        outputs = {} if out is None else {names[-1]: back(array(out, f"{pair.forward}: the output"))}
        return Pass(outputs, None, grads, inputs, dy)

    model = PassModel(case, run)
    return model
