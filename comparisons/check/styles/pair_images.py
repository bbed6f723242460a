"""Layers on images as pairs of functions: convolution, pooling, normalisation over channels."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, bound, parameters, plain, quiet, shaped, tree
from comparisons.check.models import LayerModel, Ran
from comparisons.check.modes import function_told_apart
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.pair_layers import (
    EPSILONS,
    NORM_ALIASES,
    NORM_ORDER,
    moves,
    norm_roles,
    pair_of,
    unit_of,
)
from comparisons.check.styles.pairs import Pair, pairs, run_pair
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import AveragePool2D, BatchNorm, Conv2D, GroupNorm, MaxPool2D, architecture

Array = np.ndarray


@dataclass(frozen=True)
class ImageLayout:
    """Axes of images and kernels, and the shape of a bias of n channels."""

    images: tuple[int, ...]
    kernels: tuple[int, ...]
    bias: tuple[int, ...]

    def x(self, x: Array) -> Array:
        """Images from NHWC."""
        return np.ascontiguousarray(x.transpose(self.images)) if x.ndim == 4 else x

    def x_back(self, x: Array) -> Array:
        """Images to NHWC."""
        return np.ascontiguousarray(x.transpose(np.argsort(self.images))) if x.ndim == 4 else x

    def w(self, w: Array) -> Array:
        """Kernels from HWIO."""
        return np.ascontiguousarray(w.transpose(self.kernels))

    def w_back(self, w: Array) -> Array:
        """Kernels to HWIO."""
        return np.ascontiguousarray(w.transpose(np.argsort(self.kernels))) if w.ndim == 4 else w

    def b(self, b: Array) -> Array:
        """One number for each channel."""
        return b.reshape(self.bias)


NCHW, NHWC = (0, 3, 1, 2), (0, 1, 2, 3)
OIHW, HWIO, OHWI = (3, 2, 0, 1), (0, 1, 2, 3), (3, 0, 1, 2)
IMAGE_LAYOUTS = {
    "NCHW": ImageLayout(NCHW, OIHW, (-1,)),
    "NCHW, b (F, 1)": ImageLayout(NCHW, OIHW, (-1, 1)),
    "NHWC": ImageLayout(NHWC, HWIO, (1, 1, 1, -1)),
    "NHWC, b (n,)": ImageLayout(NHWC, HWIO, (-1,)),
    "NHWC, kernels first": ImageLayout(NHWC, OHWI, (-1,)),
    "NCHW, b (1, F, 1, 1)": ImageLayout(NCHW, OIHW, (1, -1, 1, 1)),
}
CONV_ALIASES: Aliases = {
    "x": ("x", "aprev", "inp", "input", "a", "image", "images"),
    "param": ("convparam", "convparams", "hparameters", "hparams", "hyperparameters", "param", "params", "hparam", "poolparam",
              "poolparams"),
    "stride": ("stride", "s", "strides"),
    "pad": ("pad", "padding", "p", "pads"),
    "upstream": ("dout", "dz", "dh", "da", "dy", "delta"),
}  # fmt: skip
GEOMETRIES = ((5, 5, 3, 1, 1), (7, 5, 3, 2, 1), (5, 7, 3, 2, 0), (4, 6, 2, 1, 0))
"""Height, width, kernel, stride, padding; windows fit evenly, as the assignments demand."""


def _told(free: Free, pair: Pair, usual: str) -> str:
    """The usual layout, as the name of the dictionary of hyperparameters tells it: CS231n's is `conv_param`."""
    named = {plain(p.name) for n in pair.members for p in parameters(free[n])}
    if named & {"convparam", "poolparam"}:
        return "NCHW"
    return "NHWC" if named & {"hparameters", "hparams"} else usual


def _order(usual: str) -> list[str]:
    return sorted(IMAGE_LAYOUTS, key=lambda name: not name.startswith(usual))


def convolution(bases: tuple[str, ...], usual: str) -> Recipe:
    """Convolutions; `usual` is NCHW or NHWC."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, bases):
            padded = _padded_alone(file, pair)
            yield [
                _conv_unit(file, pair, layout, mean, padded)
                for layout in _order(_told(free, pair, usual))
                for mean in ((False, True) if pair.backward else (False,))
            ]

    return Recipe(find, _conv_model)


def _conv_unit(file: UserFile, pair: Pair, layout: str, mean: bool, padded: bool) -> Unit:
    cases = [
        Case(f"check/{pair.name}/stride{s}-pad{p}-{h}x{w}", architecture(Conv2D(3, 4, k, s, p)), (2,), (h, w, 3))
        for h, w, k, s, p in GEOMETRIES
        if p or not padded
    ]
    told = "gradients of parameters are means over the examples" if mean else ""
    options: dict[str, Any] = {"layout": layout, "mean": mean}
    if padded:
        options["remarks"] = (
            f"{pair.backward} takes pad:-pad for what is not padding, which is nothing where pad is 0",
        )
    return unit_of(file, pair, "convolution", cases, options, f"images are {layout}", told)


def _padded_alone(file: UserFile, pair: Pair) -> bool:
    """Whether a backward pass runs only with padding, as the course's own does."""
    body = tree(file.namespace[pair.backward]) if pair.backward else None
    text = ast.unparse(body) if body is not None else ""
    cut = re.search(r"\b(\w*pad\w*):-\1\b", text)
    return cut is not None and not re.search(rf"(if|or|max\(|min\().*\b{cut[1]}\b", text)


def _conv_model(file: UserFile, unit: Unit, case: Case) -> Model:
    layout, pair = IMAGE_LAYOUTS[unit.options["layout"]], pair_of(unit)
    ((_, layer),) = case.architecture.layers
    assert isinstance(layer, Conv2D)
    stride, pad = layer.windows.stride[0], layer.padding

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, *__: Any) -> Ran:
        m = len(x) if unit.options["mean"] else 1
        roles: dict[str, Any] = {"x": layout.x(x), "W": layout.w(params["W"]), "b": layout.b(params["b"])}
        roles |= {"param": {"stride": stride, "pad": pad}, "stride": stride, "pad": pad}
        cache = tuple(roles[r] for r in ("x", "W", "b", "param"))
        out, grads = run_pair(file, pair, roles, layout.x(m * dy), ("x", "W", "b"), cache, CONV_ALIASES)
        return images_ran(pair, out, grads, params, layout, m)

    return LayerModel(case, run)


def images_ran(
    pair: Pair, out: Any, grads: dict[str, Any], params: dict[str, Array], layout: ImageLayout, m: int = 1
) -> Ran:
    """What a pair returned, in NHWC."""
    back, found = pair.backward, {}
    for p, w in params.items():
        if p in grads:
            g = array(grads[p], f"{back}: the gradient of {p}")
            found[p] = layout.w_back(g) if w.ndim == 4 else shaped(g, w.shape)
    dx = layout.x_back(array(grads["x"], f"{back}: the gradient of the input")) / m if "x" in grads else None
    output = None if out is None else layout.x_back(array(out, f"{pair.forward}: the output"))
    return Ran(output, dx, found)


def single_step() -> Recipe:
    """`conv_single_step(a_slice_prev, W, b)`: one window and one kernel."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name in free:
            if plain(name) in ("convsinglestep", "convonestep", "convstep", "singlestepconv"):
                case = Case(f"check/{name}/one", architecture(Conv2D(3, 1, 3)), (3,), (3, 3, 3))
                yield [unit_of(file, Pair(name, ""), "convolution of one window", [case], {})]

    return Recipe(find, _single_model)


def _single_model(file: UserFile, unit: Unit, case: Case) -> Model:
    f = file.namespace[unit.name]

    def run(params: dict[str, Array], _: Any, x: Array, *__: Any) -> Ran:
        W, b = params["W"][..., 0].copy(), params["b"].reshape(1, 1, 1)
        aliases = {"x": ("aslice", "asliceprev", "slice", "window", *CONV_ALIASES["x"])}
        found = [file.call(f, **bound(f, {"x": a, "W": W, "b": b.copy()}, aliases)) for a in x]
        numbers = [array(z, f"{unit.name}: Z") for z in found]
        if any(z.size != 1 for z in numbers):
            raise UserError(f"{unit.name} returns an array of shape {numbers[0].shape}, not a number")
        return Ran(np.array([z.item() for z in numbers], x.dtype).reshape(-1, 1, 1, 1))

    return LayerModel(case, run)


# Pooling


def pooling(bases: tuple[str, ...], usual: str, kind: str) -> Recipe:
    """Pooling; `kind` is max, average or both, where the function has an argument for it."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, bases):
            for mode in ("max", "average") if kind == "both" else (kind,):
                first = _told(free, pair, usual)
                ways = (first, "NHWC" if first == "NCHW" else "NCHW")
                yield [_pool_unit(file, pair, layout, mode, kind) for layout in ways]

    return Recipe(find, _pool_model)


def _pool_unit(file: UserFile, pair: Pair, layout: str, mode: str, kind: str) -> Unit:
    layer = MaxPool2D if mode == "max" else AveragePool2D
    # Fast versions take windows that do not overlap; the others are tried on overlapping ones too.
    geometries = [(4, 4, 2, 2), (6, 4, 2, 2)] if "fast" in pair.name or "reshape" in pair.name else _POOLS
    cases = [
        Case(f"check/{pair.name}/{mode}-size{f}-stride{s}-{h}x{w}", architecture(layer(f, s)), (2,), (h, w, 3))
        for h, w, f, s in geometries
    ]
    unit = unit_of(file, pair, f"{mode} pooling", cases, {"layout": layout, "mode": mode}, f"images are {layout[:4]}")
    if kind != "both" or mode == "max":
        return unit
    return replace(unit, name=f"{unit.name}, {mode}")


_POOLS = [(4, 4, 2, 2), (6, 4, 2, 2), (5, 7, 3, 2), (4, 5, 2, 1)]
POOL_ALIASES: Aliases = {
    **CONV_ALIASES,
    "f": ("f", "size", "poolsize", "poolheight", "filtersize", "k", "hh"),
    "width": ("poolwidth", "ww"),
    "mode": ("mode", "pooling", "type", "poolmode", "pooltype"),
}


def _pool_model(file: UserFile, unit: Unit, case: Case) -> Model:
    layout, pair, mode = IMAGE_LAYOUTS[unit.options["layout"]], pair_of(unit), unit.options["mode"]
    ((_, layer),) = case.architecture.layers
    assert isinstance(layer, MaxPool2D | AveragePool2D)
    f, stride = layer.windows.kernel[0], layer.windows.stride[0]
    param = {"f": f, "stride": stride, "pad": 0, "pool_height": f, "pool_width": f, "pool_size": f}

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, *__: Any) -> Ran:
        roles = {"x": layout.x(x), "param": dict(param), "mode": mode, "f": f, "width": f, "stride": stride, "pad": 0}
        cache = (roles["x"], roles["param"])
        out, grads = run_pair(file, pair, roles, layout.x(dy), ("x",), cache, POOL_ALIASES)
        return images_ran(pair, out, grads, params, layout)

    return LayerModel(case, run)


# Normalisation of channels


def channel_norm(bases: tuple[str, ...], groups: bool, usual: str) -> Recipe:
    """Batch norm of channels, or group norm."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, bases):
            names = [n for n in _order(usual) if groups or "1, 1" not in n]
            if groups:
                names.sort(key=lambda n: "1, F" not in n)
            yield [_channel_unit(file, pair, groups, eps, name) for name in names for eps in EPSILONS]

    return Recipe(find, _channel_model)


def _channel_unit(file: UserFile, pair: Pair, groups: bool, epsilon: float, layout: str) -> Unit:
    layer = GroupNorm(6, 3, epsilon) if groups else BatchNorm(6, 0.9, epsilon)
    arch = architecture(layer)
    cases = [
        Case(f"check/{pair.name}/training", arch, (3, 2), (4, 5, 6)),
        Case(f"check/{pair.name}/small", arch, (3,), (3, 2, 6), "tiny"),
    ]
    if not groups and pair.forward and function_told_apart(file, pair.forward):
        cases.append(Case(f"check/{pair.name}/evaluation", arch, (2,), (4, 5, 6), training=False))
    eps = "" if epsilon == EPSILONS[0] else f"epsilon is {epsilon:g}"
    title = "group norm" if groups else "batch norm of channels"
    return unit_of(file, pair, title, cases, {"layout": layout}, f"images are {layout}", eps)


def _channel_model(file: UserFile, unit: Unit, case: Case) -> Model:
    layout, pair = IMAGE_LAYOUTS[unit.options["layout"]], pair_of(unit)
    ((_, layer),) = case.architecture.layers

    def run(params: dict[str, Array], buffers: dict[str, Array], x: Array, dy: Array, training: bool, _: Any) -> Ran:
        roles, param = norm_roles(layer, layout.x(x), {p: layout.b(a) for p, a in params.items()}, training)
        if isinstance(layer, GroupNorm):
            roles = {k: roles[k] for k in ("x", "gamma", "beta")} | {"G": layer.groups} | roles
        param |= buffers
        aliases = {**NORM_ALIASES, "G": ("g", "groups", "numgroups")}
        up = layout.x(dy) if training else None
        out, grads = run_pair(file, pair, roles, up, NORM_ORDER, aliases=aliases)
        quiet(file, pair.forward, "bn_param")
        done = images_ran(pair, out, grads, params, layout)
        if training and buffers and _spatial_moves(file, pair):
            done.buffers = {n: shaped(array(param[n], n), a.shape) for n, a in buffers.items() if n in param}
        return done

    return LayerModel(case, run)


def _spatial_moves(file: UserFile, pair: Pair) -> bool:
    """Whether running averages are kept, here or in the batch norm of features that this one calls."""
    return moves(file, pair) or any(moves(file, Pair(n, "")) for n in file.functions() if "batchnorm" in n)
