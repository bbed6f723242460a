"""The kinds of layers that classes are taken for: how they are called, their sizes, how their data may lie.

Sizes are small and unequal, so that every layout can be told from its shape.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.layouts import (
    CHW,
    COLUMN,
    COLUMNS,
    HW,
    HWC,
    HWCM,
    MNT,
    MTN,
    NCHW,
    NHWC,
    ROW,
    ROWS,
    STEPS,
    TMN,
    TN,
    VECTOR,
    Layout,
)
from comparisons.check.objects import DATA
from scratch import (
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Sigmoid,
    SimpleRNN,
    Softmax,
    Tanh,
)

Layouts = tuple[tuple[Layout, Layout], ...]


@dataclass(frozen=True)
class Variant:
    """One way in which a class may be a layer of its kind.

    Attributes
    ----------
    layer : Layer
    shape : tuple of int
        One example of its input.
    values : dict
        Value of every role that the constructor may ask for.
    factor : float
        See `objects.Spec`.
    told : str
        The assumption in words.
    gates : tuple of int
        Scratch's gates in the code's order, for layers that have several.
    """

    layer: Layer
    shape: tuple[int, ...]
    values: dict[str, Any] = field(default_factory=dict)
    factor: float = 1.0
    told: str = ""
    gates: tuple[int, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes
    ----------
    title : str
    names : Pattern
        Matches the class's name in lower case.
    variants : callable
        `variants(constants)` gives the variants, the usual one first; `constants` are the small numbers in the class's code.
    roles, optional : tuple of str
        What the constructor is told; in the usual order.
    batch, single : tuple of (Layout, Layout)
        Layouts of input and output, of batches and of single examples.
    sizes : tuple of int
        Batch sizes of the cases.
    regimes : tuple of str
    more : callable
        `more(variant, roles)` gives further variants that are compared as well, for a constructor that is told these roles.
    """

    title: str
    names: re.Pattern[str]
    variants: Callable[[tuple[float, ...]], list[Variant]]
    roles: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    batch: Layouts = ((ROWS, ROWS), (COLUMNS, COLUMNS))
    single: Layouts = ((ROW, ROW), (COLUMN, COLUMN), (VECTOR, VECTOR))
    sizes: tuple[int, ...] = (7, 1)
    regimes: tuple[str, ...] = ("normal",)
    more: Callable[[Variant, tuple[str, ...]], list[Variant]] = lambda variant, roles: []


def _dense(constants: tuple[float, ...]) -> list[Variant]:
    values = {"n_in": 4, "n_out": 3, "dims": (4, 3), "input_shape": (4,)}
    found = [Variant(Dense(4, 3), (4,), values), Variant(Dense(4, 3, bias=False), (4,), values)]
    return [*found, *(Variant(Dense(4, 3), (4,), values | {"input_shape": shape}) for shape in (4, DATA))]


def _plain(layer: Layer, **values: Any) -> Callable[[tuple[float, ...]], list[Variant]]:
    return lambda constants: [Variant(layer, (5,), values | {"input_shape": shape}) for shape in (DATA, 5)]


def _leaky(constants: tuple[float, ...]) -> list[Variant]:
    slopes = dict.fromkeys((0.1, 0.01, 0.2, *(c for c in constants if 0 < c < 1)))
    return [Variant(LeakyReLU(s), (5,), {"slope": 0.1}) for s in slopes]


def _batch_norm(constants: tuple[float, ...]) -> list[Variant]:
    """Of the epsilons in the code; its momentum is the share of the old average, or, where that is torch's way, of the new value."""
    small = dict.fromkeys([*(c for c in constants if 0 < c <= 1e-2), 1e-5, 1e-8])
    kept = dict.fromkeys(
        round(r, 6) for r in (0.9, *(c for c in constants if 0.5 < c < 1), *(1 - c for c in constants if 0 < c < 0.5))
    )
    flat = {"n_features": 5, "input_shape": (5,)}
    found = []
    for layer, shape, values in ((5, (5,), flat), (3, (4, 2, 3), flat | {"n_features": 3, "input_shape": (3, 4, 2)})):
        for e in small:
            told = values | {"epsilon": e}
            found += [Variant(BatchNorm(layer, r, e), shape, told | {"momentum": r}) for r in kept if 0.5 < r < 1]
            found.append(Variant(BatchNorm(layer, 0.9, e), shape, told | {"momentum": 0.1}, told=OF_THE_NEW))
    return found


OF_THE_NEW = "momentum is the share of the batch's own mean and variance in the running ones, as in torch"


def _layer_norm(constants: tuple[float, ...]) -> list[Variant]:
    small = dict.fromkeys([*(c for c in constants if 0 < c <= 1e-2), 1e-5, 1e-8])
    return [
        Variant(LayerNorm(5, epsilon=e), shape, {"n_features": 5, "epsilon": e})
        for shape in ((5,), (3, 5))
        for e in small
    ]


def _dropout(constants: tuple[float, ...]) -> list[Variant]:
    keeps = {"keep_prob": 0.75, "drop_rate": 0.25}
    plain = "the mask is applied without 1/keep_prob: the code scales at test time"
    swapped = {"keep_prob": 0.25, "drop_rate": 0.75}
    # A rate that stands in the code is that of a class that is told none.
    own = dict.fromkeys(round(r, 6) for c in constants if 0 < c < 1 for r in (1 - c, c))
    fixed = [Variant(Dropout(k), (8,), {}, f, t) for k in own for f, t in ((1.0, ""), (1 / k, plain))]
    return [
        Variant(Dropout(0.75), (8,), keeps),
        Variant(
            Dropout(0.75), (8,), swapped, told="its argument is what it does not say: a rate of keeping for dropping"
        ),
        Variant(Dropout(0.75), (8,), keeps, 1 / 0.75, plain),
        Variant(Dropout(0.75), (8,), swapped, 1 / 0.75, plain),
        *fixed,
    ]


def _convolution(constants: tuple[float, ...]) -> list[Variant]:
    """Of stride 1 without padding, as every code has it, or of the padding that it always adds."""
    found = []
    for kernel in (3, (3, 3)):
        for padding, name in ((0, 0), (0, "valid"), (1, "same"), (1, 1)):
            values = {
                "in_channels": 2,
                "out_channels": 4,
                "kernel": kernel,
                "stride": 1,
                "padding": name,
                "height": 3,
                "width": 3,
            }
            for bias in (True, False):
                layer = Conv2D(2, 4, 3, padding=padding, bias=bias)
                found += [Variant(layer, (9, 11, 2), values | shape) for shape in _image_shapes(9, 11, 2)]
    return found


def _strided(variant: Variant, roles: tuple[str, ...]) -> list[Variant]:
    """The same convolution with the stride and the padding that it can be told."""
    layer = variant.layer
    assert isinstance(layer, Conv2D)
    stride = 2 if "stride" in roles else 1
    zeros = isinstance(variant.values["padding"], int) and "padding" in roles
    padding = 1 if zeros else layer.padding
    if (stride, padding) == (layer.stride, layer.padding):
        return []
    told = variant.values | {"stride": stride} | ({"padding": 1} if zeros else {})
    return [replace(variant, layer=replace(layer, stride=stride, padding=padding), values=told)]


def _overlapping(variant: Variant, roles: tuple[str, ...]) -> list[Variant]:
    """The same pooling with windows that overlap."""
    if not {"kernel", "stride"} <= set(roles) and not {"height", "width", "stride"} <= set(roles):
        return []
    layer = type(variant.layer)(3, 2)  # type: ignore[call-arg]
    size = (3, 3) if isinstance(variant.values["kernel"], tuple) else 3
    told = (
        variant.values
        | {"kernel": size, "height": 3, "width": 3, "stride": variant.values["stride"]}
        | {"input_shape": variant.values["input_shape"]}
    )
    return [replace(variant, layer=layer, shape=(7, 5, 3), values=told | _in_order(told["input_shape"], 7, 5, 3))]


def _in_order(shape: tuple[int, ...], h: int, w: int, c: int) -> dict[str, Any]:
    return {"input_shape": (c, h, w) if shape[0] == c else (h, w, c)}


def _one_channel(constants: tuple[float, ...]) -> list[Variant]:
    values = {"in_channels": 1, "out_channels": 4, "kernel": 3, "stride": 1, "padding": 0, "input_shape": (7, 6)}
    return [Variant(Conv2D(1, 4, 3, bias=b), (7, 6, 1), values) for b in (False, True)]


def _image_shapes(h: int, w: int, c: int) -> list[dict[str, Any]]:
    return [{"input_shape": (c, h, w)}, {"input_shape": (h, w, c)}]


def _pooling(layer: Callable[..., Layer]) -> Callable[[tuple[float, ...]], list[Variant]]:
    def variants(constants: tuple[float, ...]) -> list[Variant]:
        found = []
        for kernel, stride in ((2, 2), ((2, 2), 2), ((2, 2), (2, 2))):
            values = {"kernel": kernel, "stride": stride, "padding": 0, "height": 2, "width": 2}
            found += [Variant(layer(2), (6, 4, 3), values | shape) for shape in _image_shapes(6, 4, 3)]
        return found

    return variants


def _whole(layer: Layer) -> Callable[[tuple[float, ...]], list[Variant]]:
    """Pooling of whole images."""
    return lambda constants: [Variant(layer, (6, 4, 3), shape) for shape in _image_shapes(6, 4, 3)]


def _embedding(constants: tuple[float, ...]) -> list[Variant]:
    return [Variant(Embedding(6, 4), (5,), {"vocabulary": 6, "n_embedding": 4, "dims": (6, 4)})]


def _recurrent(constants: tuple[float, ...]) -> list[Variant]:
    values = {"n_in": 4, "n_out": 3, "T": 5}
    return [Variant(SimpleRNN(4, 3, s), (5, 4), values) for s in (True, False)]


def _lstm(constants: tuple[float, ...]) -> list[Variant]:
    """With the gates in any order; scratch has i, f, g, o."""
    values = {"n_in": 4, "n_out": 3, "T": 5}
    usual = [(0, 1, 2, 3), (1, 2, 0, 3), (0, 1, 3, 2), (1, 0, 2, 3), (1, 0, 3, 2)]
    orders = [*usual, *(o for o in itertools.permutations(range(4)) if o not in usual)]
    return [
        Variant(
            LSTM(4, 3, s),
            (5, 4),
            values,
            gates=order,
            told="the gates stand in the order " + ", ".join("ifgo"[g] for g in order),
        )
        for order in orders
        for s in (True, False)
    ]


def _given_function(constants: tuple[float, ...]) -> list[Variant]:
    told = "it is given tanh, and its derivative as a function of "
    of_z = {"activation": lambda z: np.tanh(z), "activation_prime": lambda z: 1 - np.tanh(z) ** 2}
    of_a = of_z | {"activation_prime": lambda a: 1 - a**2}
    return [
        Variant(Tanh(), (5,), of_z, told=told + "the input"),
        Variant(Tanh(), (5,), of_a, told=told + "the output"),
        *_NAMED_FUNCTIONS,
    ]


_NAMED_FUNCTIONS = tuple(
    Variant(layer, (5,), {"activation": name, "name": name}, told="it is given the names of functions")
    for name, layer in (("sigmoid", Sigmoid()), ("tanh", Tanh()), ("relu", ReLU()))
)


def _other_functions(variant: Variant, roles: tuple[str, ...]) -> list[Variant]:
    """The same layer with the other functions, where it is told their names."""
    told = {"activation", "name"} & set(roles)
    return [v for v in _NAMED_FUNCTIONS if v != variant] if told and variant in _NAMED_FUNCTIONS else []


IMAGES: Layouts = ((NCHW, NCHW), (NHWC, NHWC), (HWCM, HWCM))
IMAGE: Layouts = ((CHW, CHW), (HWC, HWC))


SEQUENCES: tuple[Layouts, Layouts] = (
    ((MTN, MTN), (TMN, TMN), (MNT, MNT), (MTN, ROWS), (TMN, ROWS)),
    ((TN, TN), (TN, VECTOR)),
)


FLAT: Layouts = ((ROWS, ROWS), (COLUMNS, COLUMNS))


def _named(pattern: str, but: str = "") -> re.Pattern[str]:
    """Names with this in them, and with nothing in them that makes it something else."""
    return re.compile(f"^(?!.*({but})).*({pattern})" if but else pattern)


OTHER_CURVE = "hard|elliot|log_?sig|log_?soft|approx|fast|bipolar|shrink|lecun|scaled|parametric|^p_?relu|clipped|squared|thresh|gumbel|sparse"
"""Says of an activation's name that it is another function: a hard sigmoid is no sigmoid."""


KINDS: tuple[Kind, ...] = (
    Kind("dropout layer", _named("dropout", "alpha|gauss|spatial|variational"), _dropout, ("drop_rate", "keep_prob"), sizes=(6,)),
    Kind("batch norm", _named(r"batch_?norm(?!.*3d)|^bn\d*d?$|^bnlayer"), _batch_norm, ("n_features", "gamma", "beta"),
         ("momentum", "epsilon", "input_shape"), (*FLAT, *IMAGES), sizes=(7,)),
    Kind("layer norm", _named("layer_?norm(?!al)|^ln$", "[23]d"), _layer_norm, ("n_features", "gamma", "beta"), ("epsilon",), (*FLAT, (MTN, MTN)), sizes=(7,)),
    Kind("maximum pooling", _named("max_?pool|^pool(ing)?(2d|layer|2)?$", "[13]d|global|adaptive|unpool|un_pool|roi|time"), _pooling(MaxPool2D), ("kernel", "stride"),
         ("height", "width", "input_shape", "padding"), IMAGES, IMAGE, (3, 1), more=_overlapping),
    Kind("average pooling", _named("(avg|average|mean)_?pool", "[13]d|global|adaptive|time"), _pooling(AveragePool2D), ("kernel", "stride"),
         ("height", "width", "input_shape", "padding"), IMAGES, IMAGE, (3, 1), more=_overlapping),
    Kind("global average pooling", _named("global_?(avg|average|mean)_?pool(ing)?(2d)?(?!.*[13]d)"), _whole(GlobalAveragePool2D()), (), ("input_shape",),
         ((NHWC, ROWS), (NCHW, ROWS)), ((HWC, VECTOR), (CHW, VECTOR)), (3, 1)),
    Kind("global maximum pooling", _named("global_?max_?pool(ing)?(2d)?(?!.*[13]d)"), _whole(GlobalMaxPool2D()), (), ("input_shape",),
         ((NHWC, ROWS), (NCHW, ROWS)), ((HWC, VECTOR), (CHW, VECTOR)), (3, 1)),
    Kind("convolution", _named("conv", "transpose|1d|3d|deconv|de_conv|depth|separable|lstm|rnn"), _convolution, ("in_channels", "out_channels", "kernel"),
         ("stride", "padding", "W", "b", "height", "width", "input_shape", "activation"), IMAGES, IMAGE, (3, 1), more=_strided),
    Kind("convolution of one channel", _named("conv", "transpose|1d|3d|deconv|de_conv|depth|separable|lstm|rnn"), _one_channel,
         ("in_channels", "out_channels", "kernel"), ("stride", "padding", "W", "b", "input_shape"), (), ((HW, HWC), (HW, CHW)), (1,)),
    Kind("flatten layer", _named("flatten"), lambda _: [Variant(Flatten(), (3, 2, 4), {"input_shape": (3, 2, 4)})], (), ("input_shape",),
         ((NHWC, ROWS), (NHWC, COLUMNS)), ((HWC, COLUMN), (HWC, VECTOR)), (3, 1)),
    Kind("embedding", _named("embed", "posit|sinus|rotary"), _embedding, ("vocabulary", "n_embedding"), ("W", "dims"), ((ROWS, MTN),), (), (3,), regimes=("tokens",)),
    Kind("simple recurrent layer", _named(r"rnn|recurrent", "bidirectional|birnn|bi_rnn"), _recurrent, ("n_in", "n_out"), ("Wx", "Wh", "b", "T"), *SEQUENCES, (3, 1)),
    Kind("LSTM", _named(r"lstm", "bidirectional|bi_?lstm|peep|conv"), _lstm, ("n_in", "n_out"), ("Wx", "Wh", "b", "T"), *SEQUENCES, (3, 1)),
    Kind("softmax", _named("softmax", OTHER_CURVE), _plain(Softmax()), (), ("input_shape",)),
    Kind("leaky ReLU", _named(r"leaky|lrelu"), _leaky, (), ("slope",)),
    Kind("ReLU", _named(r"relu(?!6)|rectif", OTHER_CURVE), _plain(ReLU()), (), ("input_shape",)),
    Kind("sigmoid", _named(r"sigmoid|logistic(?!reg)|^sigm", OTHER_CURVE), _plain(Sigmoid()), (), ("input_shape",)),
    Kind("tanh", _named(r"tanh", OTHER_CURVE), _plain(Tanh()), (), ("input_shape",)),
    Kind("activation layer", _named(r"activ|nonlin|lambda|func"), _given_function, ("activation", "activation_prime"), more=_other_functions),
    Kind("dense layer", _named(r"dense|linear|affine|full|^fc|innerprod|layer|neuron|perceptron|hidden|matmul|gemm|mul|softmax"), _dense,
         ("n_in", "n_out"), ("W", "b", "dims", "input_shape", "activation", "activation_prime"), (*FLAT, (STEPS, STEPS)), sizes=(7, 1)),
)  # fmt: skip
