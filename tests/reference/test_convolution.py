"""Every framework's twin computes what scratch computes: convolution and pooling."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Twin, Unsupported, twin_class
from scratch import (
    L2,
    Architecture,
    AveragePool2D,
    Batch,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    MaxPool2D,
    Momentum,
    Network,
    Pass,
    ReLU,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    Weights,
    architecture,
    initial_weights,
)
from scratch.weights import flatten

# Largest difference, relative to the largest element: one operation, and training, which amplifies rounding.
TOLERANCE = {"float64": 1e-12, "float32": 5e-6}
TRAINING_TOLERANCE = {"float64": 1e-12, "float32": 2e-4}

LAYERS: dict[str, tuple[Layer, tuple[int, int, int]]] = {
    "valid": (Conv2D(2, 3, 3), (7, 6, 2)),
    "oblong": (Conv2D(2, 3, (2, 4), bias=False), (5, 7, 2)),
    "stride that does not divide": (Conv2D(3, 2, (3, 2), stride=(2, 3)), (8, 9, 3)),
    "number of zeros": (Conv2D(2, 3, 3, stride=2, padding=2), (6, 7, 2)),
    "same": (Conv2D(2, 3, 3, padding="same"), (5, 6, 2)),
    "same, even kernel": (Conv2D(2, 3, (4, 2), padding="same"), (5, 6, 2)),
    "same, stride": (Conv2D(2, 3, 3, stride=2, padding="same"), (8, 7, 2)),
    "same, even kernel and uneven stride": (Conv2D(2, 3, (2, 4), stride=(1, 3), padding="same"), (5, 8, 2)),
    "same, stride above kernel": (Conv2D(2, 3, 2, stride=3, padding="same"), (7, 8, 2)),
    "dilation": (Conv2D(2, 3, (3, 2), dilation=(2, 3)), (7, 6, 2)),
    "same, dilation": (Conv2D(2, 3, (3, 2), dilation=(2, 3), padding="same"), (7, 6, 2)),
    "1x1": (Conv2D(5, 3, 1), (4, 3, 5)),
    "1x1, stride": (Conv2D(5, 3, 1, stride=2), (5, 4, 5)),
    "kernel as large as the image": (Conv2D(2, 3, (4, 3)), (4, 3, 2)),
    "groups": (Conv2D(4, 6, 3, groups=2, padding="same"), (5, 4, 4)),
    "depthwise": (Conv2D(3, 3, 3, groups=3), (6, 5, 3)),
    "depthwise, two each": (Conv2D(3, 6, 3, groups=3, stride=2, padding="same"), (6, 7, 3)),
    "depthwise, uneven stride": (Conv2D(3, 6, 3, groups=3, stride=(2, 1)), (6, 7, 3)),
    "depthwise, dilation": (Conv2D(3, 3, 2, groups=3, dilation=2, padding=1, bias=False), (6, 7, 3)),
    "max": (MaxPool2D(2), (6, 4, 3)),
    "max, left over": (MaxPool2D((2, 3)), (5, 8, 2)),
    "max, overlapping": (MaxPool2D(3, 2), (8, 7, 2)),
    "max, gaps": (MaxPool2D(2, 3), (8, 7, 2)),
    "average": (AveragePool2D(2), (6, 4, 3)),
    "average, overlapping": (AveragePool2D((3, 2), (2, 1)), (8, 5, 2)),
    "global average": (GlobalAveragePool2D(), (5, 4, 3)),
    "flatten": (Flatten(), (3, 4, 2)),
}


def random_weights(arch: Architecture, rng: np.random.Generator, dtype: str) -> Weights:
    weights = initial_weights(arch, rng)
    for layer, name in [(layer, name) for layer, named in weights.params.items() for name in named]:
        array = weights.params[layer][name]
        weights.params[layer][name] = array + rng.uniform(0.1, 0.9, array.shape)
    return weights.astype(dtype)


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float) -> None:
    """The same names, shapes and dtypes, and no element further off than the tolerance times the largest one."""
    assert found.keys() == wanted.keys()
    for name, reference in wanted.items():
        assert (found[name].shape, found[name].dtype) == (reference.shape, reference.dtype), name
        difference = np.abs(found[name] - reference).max()
        assert difference <= tolerance * (np.abs(reference).max() or 1.0), f"{name}: off by {difference}"


def tensors(result: Pass) -> dict[str, np.ndarray]:
    named = {f"output {n}": a for n, a in result.outputs.items()} | {
        f"input of {n}": a for n, a in result.input_grads.items()
    }
    named |= dict(flatten(result.grads)) | {"output gradient": result.output_grad}
    return named if result.loss is None else named | {"loss": result.loss}


def images(rng: np.random.Generator, m: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Few different values, so that maxima are tied; zeros of both signs, and an image of zeros alone."""
    x = rng.integers(-2, 3, (m, *shape)) * rng.choice([0.5, 0.75], (m, *shape))
    x[rng.random(x.shape) < 0.1] = -0.0
    if m > 1:
        x[-1] = 0
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_agrees_forward_and_backward(framework: type[Twin], name: str, m: int, dtype: str) -> None:
    layer, shape = LAYERS[name]
    rng = np.random.default_rng(m)
    arch = architecture(layer)
    x, weights = images(rng, m, shape, dtype), random_weights(arch, rng, dtype)
    network, twin = Network(arch, weights), framework(arch, dtype=dtype)
    twin.load(weights)
    upstream = rng.standard_normal((m, *layer.output_shape(shape))).astype(dtype)
    wanted, found = network.differentiate(x, upstream=upstream), twin.differentiate(x, upstream=upstream)
    assert_close(tensors(found), tensors(wanted), TOLERANCE[dtype])
    assert_close(twin.evaluate(x), network.forward(x), TOLERANCE[dtype])
    assert_close(dict(flatten(twin.weights().params)), dict(flatten(weights.params)), 0.0)


STRIDE_AND_DILATION = architecture(Conv2D(2, 3, (3, 2), stride=2, dilation=(1, 2), padding="same"))


def test_stride_with_dilation_agrees_with_torch() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, weights = rng.standard_normal((2, 7, 6, 2)), random_weights(STRIDE_AND_DILATION, rng, "float64")
    network, twin = Network(STRIDE_AND_DILATION, weights), twin_class("torch")(STRIDE_AND_DILATION)
    twin.load(weights)
    upstream = rng.standard_normal((2, 4, 3, 3))
    wanted, found = network.differentiate(x, upstream=upstream), twin.differentiate(x, upstream=upstream)
    assert_close(tensors(found), tensors(wanted), TOLERANCE["float64"])


def test_keras_refuses_stride_with_dilation() -> None:
    pytest.importorskip("keras")
    with pytest.raises(Unsupported, match="conv-stride-dilation"):
        twin_class("tensorflow")(STRIDE_AND_DILATION)


NETWORK = architecture(
    Conv2D(1, 4, 5, padding="same"),
    ReLU(),
    MaxPool2D(2),
    Conv2D(4, 4, 3, groups=4, bias=False),
    Conv2D(4, 6, 1),
    Tanh(),
    AveragePool2D(2, 1),
    Conv2D(6, 4, 2, stride=2, padding="same"),
    Flatten(),
    Dense(16, 3),
    loss=SoftmaxCrossEntropy(),
    regulariser=L2(0.3),
)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_network_agrees_in_every_tensor_of_every_training_step(framework: type[Twin], dtype: str) -> None:
    rng = np.random.default_rng(8)
    weights = random_weights(NETWORK, rng, dtype)
    trainer, twin = Trainer(Network(NETWORK, weights), Momentum(0.05)), framework(NETWORK, Momentum(0.05), dtype)
    twin.load(weights)
    for m in (4, 4, 1):
        x, y = rng.standard_normal((m, 12, 13, 1)), np.eye(3)[rng.integers(0, 3, m)]
        (wanted,) = trainer.fit([Batch(x.astype(dtype), y.astype(dtype))])
        found = twin.differentiate(x.astype(dtype), y.astype(dtype))
        twin.update()
        assert_close(tensors(found), tensors(wanted), TRAINING_TOLERANCE[dtype])
        params = (dict(flatten(n.weights().params)) for n in (twin, trainer.network))
        assert_close(*params, TRAINING_TOLERANCE[dtype])
        states = ({f"{n}.{p}.{s}": a for n, ps in o.items() for p, ss in ps.items() for s, a in ss.items()}
                  for o in (twin.optimizer_state(), trainer.states))  # fmt: skip
        assert_close(*states, TRAINING_TOLERANCE[dtype])


def test_a_compiled_network_is_the_same(framework: type[Twin]) -> None:
    rng = np.random.default_rng(2)
    weights, x, y = random_weights(NETWORK, rng, "float64"), rng.standard_normal((3, 12, 13, 1)), np.eye(3)
    eager, compiled = (framework(NETWORK, compiled=c) for c in (False, True))
    eager.load(weights)
    compiled.load(weights)
    assert_close(tensors(compiled.differentiate(x, y)), tensors(eager.differentiate(x, y)), 1e-13)


def test_only_the_first_of_equal_maxima_gets_the_gradient(framework: type[Twin]) -> None:
    x, upstream = np.zeros((1, 2, 2, 1)), np.full((1, 1, 1, 1), 3.0)
    x[0, 0, 0] = -1
    found = framework(architecture(MaxPool2D(2))).differentiate(x, upstream=upstream)
    np.testing.assert_array_equal(found.input_grads["maxpool2d1"][0, :, :, 0], [[0, 3], [0, 0]])


def test_ignored_same_padding_is_torch_s_symmetric_one() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    arch = architecture(Conv2D(2, 3, (3, 2), stride=2, padding="same"))
    x, weights = rng.standard_normal((2, 8, 7, 2)), random_weights(arch, rng, "float64")
    stock, mapped = (twin_class("torch")(arch, ignored=frozenset(i)) for i in ({"conv-same-padding"}, ()))
    stock.load(weights)
    mapped.load(weights)
    kernel, bias = weights.params["conv2d1"]["W"].transpose(3, 2, 0, 1), weights.params["conv2d1"]["b"]
    tensor = torch.from_numpy
    z = torch.nn.functional.conv2d(tensor(x.transpose(0, 3, 1, 2)), tensor(kernel), tensor(bias), stride=2, padding=1)
    found = stock.evaluate(x)["conv2d1"]
    np.testing.assert_allclose(found, z.numpy().transpose(0, 2, 3, 1), rtol=1e-13)
    assert np.abs(found - mapped.evaluate(x)["conv2d1"]).max() > 0.1


def test_ignored_flatten_order_is_channels_first() -> None:
    pytest.importorskip("torch")
    x, arch = np.random.default_rng(0).standard_normal((2, 3, 4, 2)), architecture(Flatten())
    found = twin_class("torch")(arch, ignored=frozenset({"flatten-order"})).evaluate(x)["flatten1"]
    np.testing.assert_array_equal(found, x.transpose(0, 3, 1, 2).reshape(2, -1))
