"""Convolution and pooling: their formulas written as loops, their gradients as differences, their shapes and their refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scratch import (
    Architecture,
    AveragePool2D,
    Conv2D,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    LayerState,
    MaxPool2D,
    architecture,
)

STEP = 1e-6
LAYERS: dict[str, tuple[Layer, tuple[int, int, int]]] = {
    "valid": (Conv2D(2, 3, (3, 2)), (4, 5, 2)),
    "without bias": (Conv2D(2, 3, 2, bias=False), (4, 3, 2)),
    "stride that does not divide": (Conv2D(2, 2, (2, 3), stride=(3, 2)), (6, 6, 2)),
    "zeros": (Conv2D(1, 2, 3, stride=2, padding=2), (4, 3, 1)),
    "same": (Conv2D(2, 2, (3, 2), padding="same"), (3, 4, 2)),
    "same, stride": (Conv2D(2, 2, 3, stride=2, padding="same"), (4, 5, 2)),
    "dilation": (Conv2D(1, 2, 2, dilation=(2, 3)), (5, 5, 1)),
    "everything": (Conv2D(4, 2, (2, 3), stride=(2, 1), dilation=(3, 2), padding="same", groups=2), (5, 4, 4)),
    "groups": (Conv2D(4, 6, 2, groups=2), (3, 4, 4)),
    "depthwise": (Conv2D(3, 3, 2, groups=3, padding=1), (3, 4, 3)),
    "depthwise, two each": (Conv2D(2, 4, 3, stride=2, padding="same", groups=2), (4, 5, 2)),
    "1x1": (Conv2D(3, 2, 1), (2, 3, 3)),
    "max": (MaxPool2D(2), (5, 4, 2)),
    "max, overlapping": (MaxPool2D((3, 2), 1), (5, 4, 2)),
    "average": (AveragePool2D((2, 3)), (5, 7, 2)),
    "average, overlapping": (AveragePool2D(3, 2), (7, 5, 2)),
    "global average": (GlobalAveragePool2D(), (3, 4, 2)),
    "flatten": (Flatten(), (3, 2, 2)),
}


def random_state(layer: Layer, rng: np.random.Generator, dtype: str = "float64") -> LayerState:
    return LayerState({p: rng.standard_normal(s).astype(dtype) for p, s in layer.parameter_shapes().items()})


def assert_gradient(found: np.ndarray, f, a: np.ndarray) -> None:
    """Against central differences of `f`, which reads `a`."""
    wanted = np.empty_like(a)
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + STEP
        above = f()
        a[index] = kept - STEP
        wanted[index] = (above - f()) / (2 * STEP)
        a[index] = kept
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7 * np.abs(wanted).max())


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_derivative_of_forward(name: str, m: int) -> None:
    layer, shape = LAYERS[name]
    rng = np.random.default_rng(m)
    x, state = rng.standard_normal((m, *shape)), random_state(layer, rng)
    y, cache = layer.forward(x, state)
    assert y.shape == (m, *layer.output_shape(shape))
    upstream = rng.standard_normal(y.shape)
    dx, grads = layer.backward(upstream, state, cache)

    def projected() -> float:
        return float((layer.forward(x, state)[0] * upstream).sum())

    assert_gradient(dx, projected, x)
    assert grads.keys() == state.params.keys()
    for p, g in grads.items():
        assert_gradient(g, projected, state.params[p])


@pytest.mark.parametrize("few", [0, 100], ids=["windows first", "positions first"])
@pytest.mark.parametrize("band", [1, 100], ids=["row by row", "several rows or images"])
@pytest.mark.parametrize("name", [name for name, (layer, _) in LAYERS.items() if isinstance(layer, Conv2D)])
def test_bands_are_as_good_as_the_whole(name: str, band: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, shape = LAYERS[name]
    assert isinstance(layer, Conv2D)
    monkeypatch.setattr("scratch.unfolding.BAND", band)
    monkeypatch.setattr("scratch.unfolding.FEW", few)
    test_backward_is_the_derivative_of_forward(name, 3)
    rng = np.random.default_rng(0)
    x, state = rng.standard_normal((3, *shape)), random_state(layer, rng)
    b = state.params.get("b", np.zeros(layer.n_out))
    wanted = convolved(layer, x, state.params["W"], b)
    np.testing.assert_allclose(layer.forward(x, state)[0], wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_precision_shape_and_arguments_are_kept(name: str, dtype: str) -> None:
    layer, shape = LAYERS[name]
    rng = np.random.default_rng(0)
    packed, state = rng.standard_normal((4, *shape)).astype(dtype), random_state(layer, rng, dtype)
    x = np.asfortranarray(packed)
    y, cache = layer.forward(x, state)
    upstream = np.asfortranarray(rng.standard_normal(y.shape).astype(dtype))
    before = [a.copy() for a in (x, upstream, *state.params.values())]
    dx, grads = layer.backward(upstream, state, cache)
    assert y.dtype == dx.dtype == dtype
    assert dx.shape == x.shape
    assert {p: (g.shape, g.dtype) for p, g in grads.items()} == {p: (a.shape, a.dtype) for p, a in state.params.items()}
    for a, b in zip((x, upstream, *state.params.values()), before, strict=True):
        np.testing.assert_array_equal(a, b)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(y, layer.forward(packed, state)[0], rtol=tolerance, atol=tolerance)


def convolved(layer: Conv2D, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of the definition, one output after the other, with zeros wherever the image ends."""
    (sh, sw), (dh, dw), (kh, kw) = layer.windows.stride, layer.windows.dilation, layer.windows.kernel
    (top, _), (left, _) = layer.windows.pads(x.shape[1:3])
    z = np.empty((len(x), *layer.output_shape(x.shape[1:])))
    channels, outputs = layer.n_in // layer.groups, layer.n_out // layer.groups
    for n, r, q, o in np.ndindex(z.shape):
        z[n, r, q, o] = b[o]
        for i, j, c in np.ndindex(kh, kw, channels):
            row, column = sh * r + dh * i - top, sw * q + dw * j - left
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                z[n, r, q, o] += x[n, row, column, o // outputs * channels + c] * w[i, j, c, o]
    return z


@pytest.mark.parametrize("name", [n for n, (layer, _) in LAYERS.items() if isinstance(layer, Conv2D) and layer.bias])
def test_convolution_is_the_sum_of_its_definition(name: str) -> None:
    layer, shape = LAYERS[name]
    assert isinstance(layer, Conv2D)
    rng = np.random.default_rng(1)
    x, state = rng.standard_normal((2, *shape)), random_state(layer, rng)
    wanted = convolved(layer, x, state.params["W"], state.params["b"])
    np.testing.assert_allclose(layer.forward(x, state)[0], wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())


def test_the_kernel_is_not_flipped() -> None:
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    w = np.array([[0.0, 1.0], [0.0, 0.0]]).reshape(2, 2, 1, 1)
    z, _ = Conv2D(1, 1, 2, bias=False).forward(x, LayerState({"W": w}))
    np.testing.assert_array_equal(z[0, :, :, 0], [[1, 2, 3], [5, 6, 7]])


@pytest.mark.parametrize(
    ("n", "k", "stride", "dilation", "pads"),
    [(8, 3, 1, 1, (1, 1)), (8, 3, 2, 1, (0, 1)), (7, 3, 2, 1, (1, 1)), (5, 4, 1, 1, (1, 2)), (6, 3, 1, 2, (2, 2)),
     (9, 2, 3, 1, (0, 0)), (7, 2, 3, 1, (0, 1))],
)  # fmt: skip
def test_same_padding_puts_the_odd_zero_behind(n: int, k: int, stride: int, dilation: int, pads: tuple) -> None:
    layer = Conv2D(1, 1, k, stride, "same", dilation)
    assert layer.windows.pads((n, n)) == (pads, pads)
    assert layer.output_shape((n, n, 1))[0] == -(-n // stride)


def test_the_first_of_equal_maxima_gets_the_whole_gradient() -> None:
    x = np.zeros((1, 4, 4, 1))
    x[0, 2, 3, 0] = x[0, 3, 2, 0] = 1
    layer, upstream = MaxPool2D(2), np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    y, cache = layer.forward(x, LayerState())
    dx, _ = layer.backward(upstream, LayerState(), cache)
    np.testing.assert_array_equal(y[0, :, :, 0], [[0, 0], [0, 1]])
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 0, 4], [0, 0, 0, 0]])


def test_pooling_lets_nan_through() -> None:
    x = np.arange(8.0).reshape(1, 2, 4, 1)
    x[0, 0, 0, 0] = np.nan
    for layer in (MaxPool2D(2), AveragePool2D(2)):
        y, _ = layer.forward(x, LayerState())
        np.testing.assert_array_equal(np.isnan(y[0, 0, :, 0]), [True, False])


def test_flatten_keeps_the_channels_of_a_pixel_together() -> None:
    x = np.arange(12).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(Flatten().forward(x, LayerState())[0], [np.arange(12)])


def test_descriptions_have_one_form_and_survive_json() -> None:
    assert Conv2D(1, 2, 3) == Conv2D(1, 2, (3, 3), (1, 1), "valid", (1, 1))
    assert MaxPool2D(2) == MaxPool2D((2, 2), 2)
    arch = architecture(*(layer for layer, _ in LAYERS.values()))
    again = Architecture.from_config(json.loads(json.dumps(arch.config())))
    assert again == arch
    assert hash(again) == hash(arch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": 0}, "kernel must be a positive integer"),
        ({"kernel": (3, 3, 3)}, "kernel must be a positive integer or two"),
        ({"kernel": 3, "stride": 0}, "stride must be"),
        ({"kernel": 3, "dilation": -1}, "dilation must be"),
        ({"kernel": 3, "padding": "full"}, "padding must be 'valid', 'same' or a number"),
        ({"kernel": 3, "padding": -1}, "padding must be"),
        ({"kernel": 3, "groups": 3}, "3 groups do not divide"),
        ({"kernel": 3, "groups": 0}, "0 groups do not divide"),
        ({"kernel": 3, "n_out": 0}, "both numbers must be positive"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Conv2D(**({"n_in": 4, "n_out": 6} | options))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(2, 3, 3), (1, 4, 4, 3), r"not \(m, h, w, 2\)"),
        (Conv2D(2, 3, 3), (4, 4, 2), r"not \(m, h, w, 2\)"),
        (Conv2D(2, 3, 5), (1, 4, 6, 2), "does not fit into an image of"),
        (MaxPool2D(3), (1, 2, 4, 2), "does not fit into an image of"),
        (AveragePool2D(2), (4, 4, 2), r"not \(m, h, w, c\)"),
        (GlobalAveragePool2D(), (4, 2), r"not \(m, h, w, c\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer.forward(np.zeros(shape), random_state(layer, np.random.default_rng(0)))
