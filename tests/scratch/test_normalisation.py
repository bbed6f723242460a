"""Normalisation and transposed convolution: their formulas, their gradients as differences, their shapes and their refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scratch import (
    Architecture,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    GroupNorm,
    Layer,
    LayerNorm,
    LayerState,
    LocalResponseNorm,
    architecture,
)

STEP = 1e-6
LAYERS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "layer norm, rows": (LayerNorm(5), (5,)),
    "layer norm, steps": (LayerNorm(4, 1e-3), (3, 4)),
    "layer norm, images": (LayerNorm(3), (2, 4, 3)),
    "group norm": (GroupNorm(6, 3), (2, 3, 6)),
    "group norm, one group": (GroupNorm(4, 1), (3, 2, 4)),
    "instance norm": (GroupNorm(3, 3, 1e-3), (3, 4, 3)),
    "local response norm": (LocalResponseNorm(5, 0.3, 0.75, 2.0), (2, 3, 8)),
    "local response norm, all channels": (LocalResponseNorm(9, 0.5, 0.5, 1.0), (2, 3, 4)),
    "local response norm, of itself": (LocalResponseNorm(1, 0.5, 1.0, 0.5), (2, 2, 3)),
    "batch norm, images": (BatchNorm(3, epsilon=1e-3), (3, 2, 3)),
    "transposed": (Conv2DTranspose(2, 3, (3, 2)), (3, 4, 2)),
    "transposed, without bias": (Conv2DTranspose(3, 2, 2, bias=False), (3, 2, 3)),
    "transposed, stride": (Conv2DTranspose(2, 3, 3, (2, 1)), (3, 4, 2)),
    "transposed, stride above kernel": (Conv2DTranspose(2, 3, (1, 2), 3), (3, 2, 2)),
    "transposed, same": (Conv2DTranspose(2, 2, 3, 2, "same"), (3, 4, 2)),
    "transposed, same, no stride": (Conv2DTranspose(2, 2, (3, 4), 1, "same"), (3, 5, 2)),
    "transposed, same, stride above kernel": (Conv2DTranspose(2, 2, (2, 1), (3, 2), "same"), (3, 2, 2)),
}
TRANSPOSED = [name for name, (layer, _) in LAYERS.items() if isinstance(layer, Conv2DTranspose)]


def random_state(layer: Layer, rng: np.random.Generator, dtype: str = "float64", training: bool = True) -> LayerState:
    params = {p: rng.standard_normal(s).astype(dtype) for p, s in layer.parameter_shapes().items()}
    buffers = {b: rng.uniform(0.5, 2, a.shape).astype(dtype) for b, a in layer.initial_buffers().items()}
    return LayerState(params, buffers, training)


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
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-7 * max(np.abs(wanted).max(), 1))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_derivative_of_forward(name: str, m: int, training: bool) -> None:
    layer, shape = LAYERS[name]
    rng = np.random.default_rng(m)
    x, state = rng.standard_normal((m, *shape)), random_state(layer, rng, training=training)
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
    assert all(b.dtype == dtype for b in state.buffers.values())
    for a, b in zip((x, upstream, *state.params.values()), before, strict=True):
        np.testing.assert_array_equal(a, b)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(y, layer.forward(packed, state)[0], rtol=tolerance, atol=tolerance)


def plain(layer: Layer) -> LayerState:
    """gamma 1 and beta 0: the output is what was normalised."""
    return LayerState({p: np.full(s, float(p == "gamma")) for p, s in layer.parameter_shapes().items()})


def test_layer_norm_leaves_mean_0_and_variance_1_in_each_row() -> None:
    layer, x = LayerNorm(50, 0.0), 3 + 7 * np.random.default_rng(0).standard_normal((2, 3, 50))
    y, _ = layer.forward(x, plain(layer))
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-13)


def test_a_group_is_a_block_of_neighbouring_channels() -> None:
    layer, x = GroupNorm(6, 2, 0.0), 3 + 7 * np.random.default_rng(0).standard_normal((2, 5, 4, 6))
    y, _ = layer.forward(x, plain(layer))
    for block in (y[..., :3], y[..., 3:]):
        np.testing.assert_allclose(block.mean(axis=(1, 2, 3)), 0, atol=1e-14)
        np.testing.assert_allclose(block.var(axis=(1, 2, 3)), 1, rtol=1e-13)


def test_batch_norm_of_images_is_batch_norm_of_their_pixels() -> None:
    rng = np.random.default_rng(3)
    layer, x, upstream = BatchNorm(3), rng.standard_normal((4, 5, 2, 3)), rng.standard_normal((4, 5, 2, 3))
    images, pixels = (random_state(layer, np.random.default_rng(1)) for _ in range(2))
    y, cache = layer.forward(x, images)
    dx, grads = layer.backward(upstream, images, cache)
    y_pixels, cache = layer.forward(x.reshape(-1, 3), pixels)
    dx_pixels, grads_pixels = layer.backward(upstream.reshape(-1, 3), pixels, cache)
    np.testing.assert_allclose(y.reshape(-1, 3), y_pixels, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dx.reshape(-1, 3), dx_pixels, rtol=1e-12, atol=1e-13)
    for found, wanted in ((grads, grads_pixels), (images.buffers, pixels.buffers)):
        for name, a in wanted.items():
            np.testing.assert_allclose(found[name], a, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5, 11])
def test_local_response_norm_is_the_formula_channel_by_channel(size: int) -> None:
    layer = LocalResponseNorm(size, 0.2, 0.75, 1.5)
    x = np.random.default_rng(2).standard_normal((2, 2, 3, 7))
    wanted, r = np.empty_like(x), size // 2
    for i in range(7):
        neighbours = x[..., max(i - r, 0) : i + r + 1]
        wanted[..., i] = x[..., i] / (1.5 + 0.2 * (neighbours**2).sum(axis=-1)) ** 0.75
    np.testing.assert_allclose(layer.forward(x, LayerState())[0], wanted, rtol=1e-13)


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolution_is_the_convolution_s_backward_pass(name: str) -> None:
    layer, shape = LAYERS[name]
    assert isinstance(layer, Conv2DTranspose)
    rng = np.random.default_rng(1)
    x, state = rng.standard_normal((2, *shape)), random_state(layer, rng)
    kernel = LayerState({"W": state.params["W"]})
    conv = Conv2D(layer.n_out, layer.n_in, layer.kernel, layer.stride, layer.padding, bias=False)
    size = layer.output_shape(shape)
    assert conv.output_shape(size) == shape
    wanted, _ = conv.backward(x, kernel, conv.forward(np.zeros((2, *size)), kernel)[1])
    np.testing.assert_allclose(
        layer.forward(x, state)[0], wanted + state.params.get("b", 0), rtol=0, atol=1e-13 * np.abs(wanted).max()
    )


def test_one_pixel_becomes_the_kernel_and_same_cuts_off_its_larger_half_behind() -> None:
    w = np.arange(9.0).reshape(3, 3, 1, 1)
    x = np.ones((1, 1, 1, 1))
    valid, _ = Conv2DTranspose(1, 1, 3, 2, bias=False).forward(x, LayerState({"W": w}))
    same, _ = Conv2DTranspose(1, 1, 3, 2, "same", bias=False).forward(x, LayerState({"W": w}))
    np.testing.assert_array_equal(valid, w.reshape(1, 3, 3, 1))
    np.testing.assert_array_equal(same, w[:2, :2].reshape(1, 2, 2, 1))


def test_descriptions_have_one_form_and_survive_json() -> None:
    assert Conv2DTranspose(1, 2, 3) == Conv2DTranspose(1, 2, (3, 3), (1, 1), "valid")
    arch = architecture(*(layer for layer, _ in LAYERS.values()))
    again = Architecture.from_config(json.loads(json.dumps(arch.config())))
    assert again == arch
    assert hash(again) == hash(arch)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerNorm(0), "the number of features must be positive"),
        (lambda: LayerNorm(3, -1.0), "epsilon must not be negative"),
        (lambda: GroupNorm(6, 4), "4 groups do not divide the channels"),
        (lambda: GroupNorm(6, 0), "0 groups do not divide"),
        (lambda: LocalResponseNorm(4), "size must be a positive odd number, not 4"),
        (lambda: LocalResponseNorm(k=0.0), "k must be positive"),
        (lambda: Conv2DTranspose(0, 2, 3), "both numbers must be positive"),
        (lambda: Conv2DTranspose(1, 2, 0), "kernel must be a positive integer"),
        (lambda: Conv2DTranspose(1, 2, 3, padding="full"), "padding must be 'valid' or 'same', not 'full'"),
        (lambda: Conv2DTranspose(1, 2, 3, padding=1), "padding must be 'valid' or 'same', not 1"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (LayerNorm(3), (2, 4)),
        (LayerNorm(3), (3,)),
        (GroupNorm(4, 2), (2, 4)),
        (GroupNorm(4, 2), (2, 3, 3, 2)),
        (LocalResponseNorm(), (2, 5)),
        (BatchNorm(3), (2, 4, 3)),
        (BatchNorm(3), (2, 3, 3, 4)),
        (Conv2DTranspose(2, 3, 3), (1, 4, 4, 3)),
        (Conv2DTranspose(2, 3, 3), (4, 4, 2)),
    ],
)
def test_inputs_that_do_not_fit_are_refused(layer: Layer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="input has shape"):
        layer.forward(np.zeros(shape), random_state(layer, np.random.default_rng(0)))
