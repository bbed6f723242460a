"""Every framework's twin computes what scratch computes: residual blocks."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Twin
from scratch import (
    L2,
    Batch,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Momentum,
    Network,
    Pass,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    Weights,
    architecture,
    initial_weights,
)
from scratch.network import Architecture
from scratch.weights import flatten

# Largest difference, relative to the largest element: one operation, and training, which amplifies rounding.
TOLERANCE = {"float64": 1e-12, "float32": 5e-6}
TRAINING_TOLERANCE = {"float64": 1e-12, "float32": 2e-4}

BLOCKS: dict[str, tuple[Residual, tuple[int, ...]]] = {
    "identity": (Residual((Dense(4, 6), Tanh(), Dense(6, 4))), (4,)),
    "projection": (Residual((Dense(4, 6), Tanh(), Dense(6, 3)), (Dense(4, 3, bias=False),)), (4,)),
    "batch norm in both": (
        Residual((Dense(4, 3, bias=False), BatchNorm(3)), (Dense(4, 3, bias=False), BatchNorm(3, momentum=0.7))),
        (4,),
    ),
    "block in a block": (Residual((Dense(4, 4), Residual((Tanh(), Dense(4, 4))))), (4,)),
    "images": (Residual((Conv2D(2, 2, 3, padding="same", bias=False), BatchNorm(2), Tanh())), (4, 3, 2)),
    "images, projection": (
        Residual((Conv2D(2, 3, 3, stride=2, padding=1), Tanh(), Conv2D(3, 3, 3, padding="same")),
                 (Conv2D(2, 3, 2, stride=2, padding="same"),)),
        (5, 4, 2),
    ),
}  # fmt: skip


def random_weights(arch: Architecture, rng: np.random.Generator, dtype: str) -> Weights:
    """Initial weights moved off the 0 and 1 that would hide a forgotten bias, gamma or beta; variances stay positive."""
    weights = initial_weights(arch, rng)
    for arrays in (weights.params, weights.buffers):
        for layer, name in [(layer, name) for layer, named in arrays.items() for name in named]:
            arrays[layer][name] = arrays[layer][name] + rng.uniform(0.1, 0.9, arrays[layer][name].shape)
    return weights.astype(dtype)


def tensors(result: Pass) -> dict[str, np.ndarray]:
    named = {f"output {n}": a for n, a in result.outputs.items()}
    named |= {f"input of {n}": a for n, a in result.input_grads.items()}
    named |= dict(flatten(result.grads)) | {"output gradient": result.output_grad}
    return named if result.loss is None else named | {"loss": result.loss}


def arrays_of(weights: Weights) -> dict[str, np.ndarray]:
    return dict(flatten(weights.params)) | dict(flatten(weights.buffers))


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float) -> None:
    """The same names, shapes and dtypes, and no element further off than the tolerance times the largest one."""
    assert found.keys() == wanted.keys()
    for name, reference in wanted.items():
        assert (found[name].shape, found[name].dtype) == (reference.shape, reference.dtype), name
        difference = np.abs(found[name] - reference).max()
        assert difference <= tolerance * (np.abs(reference).max() or 1.0), f"{name}: off by {difference}"


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("regulariser", [None, L2(0.7)], ids=["plain", "l2"])
@pytest.mark.parametrize("name", BLOCKS)
def test_block_agrees_forward_and_backward(
    framework: type[Twin], name: str, regulariser: L2 | None, training: bool, dtype: str
) -> None:
    layer, shape = BLOCKS[name]
    rng = np.random.default_rng(2)
    arch = architecture(layer, regulariser=regulariser)
    x, weights = rng.standard_normal((5, *shape)).astype(dtype), random_weights(arch, rng, dtype)
    upstream = rng.standard_normal((5, *layer.output_shape(shape))).astype(dtype)
    network, twin = Network(arch, weights), framework(arch, dtype=dtype)
    twin.load(weights)
    np.testing.assert_equal(arrays_of(twin.weights()), arrays_of(weights))
    for _ in range(2):  # the second pass meets buffers that the first has moved
        wanted = network.differentiate(x, upstream=upstream, training=training)
        found = twin.differentiate(x, upstream=upstream, training=training)
        assert_close(tensors(found), tensors(wanted), TOLERANCE[dtype])
    assert_close(arrays_of(twin.weights()), arrays_of(network.weights()), TOLERANCE[dtype])
    assert_close(twin.evaluate(x), network.forward(x), TOLERANCE[dtype])


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_network_of_blocks_agrees_in_every_step_of_training(framework: type[Twin], dtype: str, compiled: bool) -> None:
    arch = architecture(
        BLOCKS["images"][0], Tanh(), BLOCKS["images, projection"][0], Flatten(), Dense(18, 3),
        loss=SoftmaxCrossEntropy(), regulariser=L2(0.3),
    )  # fmt: skip
    rng = np.random.default_rng(6)
    weights = random_weights(arch, rng, dtype)
    trainer = Trainer(Network(arch, weights), Momentum(0.05))
    twin = framework(arch, Momentum(0.05), dtype, compiled=compiled)
    twin.load(weights)
    for m in (4, 4, 3):
        x, y = rng.standard_normal((m, 5, 4, 2)).astype(dtype), np.eye(3, dtype=dtype)[rng.integers(0, 3, m)]
        (wanted,) = trainer.fit([Batch(x, y)])
        found = twin.differentiate(x, y)
        twin.update()
        assert_close(tensors(found), tensors(wanted), TRAINING_TOLERANCE[dtype])
        assert_close(arrays_of(twin.weights()), arrays_of(trainer.network.weights()), TRAINING_TOLERANCE[dtype])
