"""Every framework's twin computes what scratch computes: normalisation and transposed convolution."""

from __future__ import annotations

import numpy as np
import pytest

from reference import CONVENTIONS, Twin, twin_class
from scratch import (
    L2,
    Adam,
    Architecture,
    Batch,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    GroupNorm,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    MeanSquaredError,
    Network,
    Pass,
    ReLU,
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

LAYERS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "layer norm, rows": (LayerNorm(6), (6,)),
    "layer norm, steps": (LayerNorm(5, 1e-3), (4, 5)),
    "layer norm, images": (LayerNorm(3), (4, 5, 3)),
    "group norm": (GroupNorm(6, 3), (4, 5, 6)),
    "group norm, one group": (GroupNorm(4, 1), (3, 5, 4)),
    "instance norm": (GroupNorm(3, 3, 1e-3), (5, 4, 3)),
    "local response norm, AlexNet's": (LocalResponseNorm(), (4, 3, 9)),
    "local response norm, strong": (LocalResponseNorm(3, 0.5, 0.6, 1.0), (4, 3, 6)),
    "local response norm, all channels": (LocalResponseNorm(9, 0.25, 0.5, 1.0), (3, 4, 3)),
    "batch norm, images": (BatchNorm(3, 0.8, 1e-3), (4, 5, 3)),
    "transposed": (Conv2DTranspose(2, 3, 3), (4, 5, 2)),
    "transposed, oblong": (Conv2DTranspose(3, 2, (2, 4), bias=False), (4, 3, 3)),
    "transposed, stride": (Conv2DTranspose(2, 3, 3, (2, 1)), (4, 5, 2)),
    "transposed, stride above kernel": (Conv2DTranspose(2, 3, (2, 4), (3, 2)), (4, 3, 2)),
    "transposed, same": (Conv2DTranspose(2, 3, 3, 2, "same"), (4, 5, 2)),
    "transposed, same, no stride": (Conv2DTranspose(2, 3, (3, 4), 1, "same"), (5, 4, 2)),
    "transposed, same, even": (Conv2DTranspose(3, 2, 4, 2, "same"), (3, 4, 3)),
    "transposed, same, stride above kernel": (Conv2DTranspose(2, 3, (2, 1), (3, 2), "same"), (4, 3, 2)),
    "transposed, same, uneven": (Conv2DTranspose(2, 3, (2, 5), (3, 2), "same"), (4, 3, 2)),
}


def random_weights(arch: Architecture, rng: np.random.Generator, dtype: str) -> Weights:
    weights = initial_weights(arch, rng)
    for arrays in (weights.params, weights.buffers):
        for layer, name in [(layer, name) for layer, named in arrays.items() for name in named]:
            arrays[layer][name] = arrays[layer][name] + rng.uniform(0.1, 0.9, arrays[layer][name].shape)
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


def arrays_of(weights: Weights) -> dict[str, np.ndarray]:
    return dict(flatten(weights.params)) | dict(flatten(weights.buffers))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_agrees_forward_and_backward(
    framework: type[Twin], name: str, m: int, training: bool, dtype: str
) -> None:
    layer, shape = LAYERS[name]
    rng = np.random.default_rng(m)
    arch = architecture(layer)
    weights = random_weights(arch, rng, dtype)
    network, twin = Network(arch, weights), framework(arch, dtype=dtype)
    twin.load(weights)
    # TensorFlow's local response norm computes in float32: the registered floor is all that can be asked of it.
    tolerance = max([TOLERANCE[dtype], *(CONVENTIONS[c].floor for c in twin.applied)])
    for _ in range(2):  # the second pass meets buffers that the first has moved
        x = rng.standard_normal((m, *shape)).astype(dtype)
        upstream = rng.standard_normal((m, *layer.output_shape(shape))).astype(dtype)
        wanted = network.differentiate(x, upstream=upstream, training=training)
        found = twin.differentiate(x, upstream=upstream, training=training)
        assert_close(tensors(found), tensors(wanted), tolerance)
    assert_close(arrays_of(twin.weights()), arrays_of(network.weights()), tolerance)
    assert_close(twin.evaluate(x), network.forward(x), tolerance)


NETWORK = architecture(
    Conv2D(2, 4, 3, bias=False),
    BatchNorm(4, momentum=0.7),
    ReLU(),
    Conv2DTranspose(4, 6, 3, 2, "same"),
    GroupNorm(6, 2),
    Tanh(),
    Conv2DTranspose(6, 4, (1, 2), 2),
    Tanh(),  # a bias that reaches batch norm unbent has no gradient but rounding
    Flatten(),
    Dense(7 * 12 * 4, 6, bias=False),
    BatchNorm(6),
    Tanh(),
    LayerNorm(6),
    Dense(6, 5),
    loss=MeanSquaredError(),
    regulariser=L2(0.3),
)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_network_agrees_in_every_tensor_of_every_training_step(
    framework: type[Twin], dtype: str, compiled: bool
) -> None:
    """Batch norm over images and over rows in one network; batches of several sizes."""
    rng = np.random.default_rng(8)
    weights, optimizer = random_weights(NETWORK, rng, dtype), Adam(0.01)
    trainer, twin = (
        Trainer(Network(NETWORK, weights), optimizer),
        framework(NETWORK, optimizer, dtype, compiled=compiled),
    )
    twin.load(weights)
    for m in (4, 3, 4):
        x, y = rng.standard_normal((m, 4, 5, 2)).astype(dtype), rng.standard_normal((m, 5)).astype(dtype)
        (wanted,) = trainer.fit([Batch(x, y)])
        found = twin.differentiate(x, y)
        twin.update()
        assert_close(tensors(found), tensors(wanted), TRAINING_TOLERANCE[dtype])
        assert_close(arrays_of(twin.weights()), arrays_of(trainer.network.weights()), TRAINING_TOLERANCE[dtype])
        assert_close(twin.evaluate(x), trainer.network.forward(x) | {"predictions": trainer.network.predict(x)},
                     TRAINING_TOLERANCE[dtype])  # fmt: skip


def test_one_batch_norm_takes_rows_and_images_in_turn(framework: type[Twin]) -> None:
    rng = np.random.default_rng(0)
    arch = architecture(BatchNorm(3))
    weights = random_weights(arch, rng, "float64")
    network, twin = Network(arch, weights), framework(arch)
    twin.load(weights)
    for shape in ((4, 3), (2, 5, 4, 3), (6, 3)):
        x, upstream = rng.standard_normal((2, *shape))
        wanted, found = network.differentiate(x, upstream=upstream), twin.differentiate(x, upstream=upstream)
        assert_close(tensors(found), tensors(wanted), 1e-12)
        assert_close(arrays_of(twin.weights()), arrays_of(network.weights()), 1e-12)


def test_ignored_same_padding_is_torch_s_own() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    arch = architecture(Conv2DTranspose(2, 3, 3, 2, "same"))
    x, weights = rng.standard_normal((2, 4, 5, 2)), random_weights(arch, rng, "float64")
    stock = twin_class("torch")(arch, ignored=frozenset({"conv-transpose-same-padding"}))
    stock.load(weights)
    kernel, bias = (
        weights.params["conv2dtranspose1"]["W"].transpose(3, 2, 0, 1),
        weights.params["conv2dtranspose1"]["b"],
    )
    tensor = torch.from_numpy
    options = {"stride": 2, "padding": 1, "output_padding": 1}
    z = torch.nn.functional.conv_transpose2d(tensor(x.transpose(0, 3, 1, 2)), tensor(kernel), tensor(bias), **options)
    np.testing.assert_allclose(
        stock.evaluate(x)["conv2dtranspose1"], z.numpy().transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-13
    )


def test_ignored_alpha_divides_by_the_size_in_torch() -> None:
    pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, 2, 7))
    layer = LocalResponseNorm(5, 0.5, 0.75, 1.0)
    stock = twin_class("torch")(architecture(layer), ignored=frozenset({"lrn-alpha"}))
    wanted = Network(architecture(LocalResponseNorm(5, 0.1, 0.75, 1.0)), Weights()).forward(x)
    assert_close(stock.evaluate(x), wanted, 1e-12)


def test_ignored_epsilon_is_keras_s_own() -> None:
    pytest.importorskip("keras")
    x = 0.01 * np.random.default_rng(0).standard_normal((2, 3, 2, 6))
    for theirs, ours in ((LayerNorm(6), LayerNorm(6, 1e-3)), (GroupNorm(6, 2), GroupNorm(6, 2, 1e-3))):
        arch = architecture(theirs)
        weights = random_weights(arch, np.random.default_rng(1), "float64")
        stock = twin_class("tensorflow")(arch, ignored=frozenset({"layernorm-epsilon"}))
        stock.load(weights)
        assert_close(stock.evaluate(x), Network(architecture(ours), weights).forward(x), 1e-12)
