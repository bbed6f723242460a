"""Every framework's twin computes what scratch computes: every layer, loss and optimizer alone, and whole networks in training."""

from __future__ import annotations

import numpy as np
import pytest

from reference import Twin
from scratch import (
    L2,
    Adam,
    Architecture,
    Batch,
    BatchNorm,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    GradientDescent,
    Layer,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    Momentum,
    Network,
    Optimizer,
    Pass,
    ReLU,
    RMSprop,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    Weights,
    architecture,
    dropout_mask,
    initial_weights,
)
from scratch.weights import Arrays, flatten

# Largest difference, relative to the largest element: one operation, and training, which amplifies rounding.
TOLERANCE = {"float64": 1e-12, "float32": 5e-6}
TRAINING_TOLERANCE = {"float64": 1e-12, "float32": 2e-4}

LAYERS: dict[str, tuple[Layer, int]] = {
    "dense": (Dense(4, 3), 4),
    "dense-without-bias": (Dense(3, 5, bias=False), 3),
    "dense-to-one": (Dense(6, 1), 6),
    "batchnorm": (BatchNorm(4, momentum=0.7, epsilon=1e-3), 4),
    "batchnorm-without-memory": (BatchNorm(3, momentum=0.0), 3),
    "dropout": (Dropout(0.7), 9),
    "sigmoid": (Sigmoid(), 5),
    "tanh": (Tanh(), 5),
    "relu": (ReLU(), 5),
    "leaky-relu": (LeakyReLU(0.25), 5),
    "softmax": (Softmax(), 5),
}
LOSSES: dict[str, tuple[Loss, int]] = {
    "binary-cross-entropy": (BinaryCrossEntropy(), 1),
    "binary-cross-entropy-units": (BinaryCrossEntropy(), 3),
    "binary-cross-entropy-from-logits": (BinaryCrossEntropyFromLogits(), 1),
    "binary-cross-entropy-from-logits-units": (BinaryCrossEntropyFromLogits(), 4),
    "softmax-cross-entropy": (SoftmaxCrossEntropy(), 4),
    "categorical-cross-entropy": (CategoricalCrossEntropy(), 4),
    "mean-squared-error": (MeanSquaredError(), 1),
    "mean-squared-error-outputs": (MeanSquaredError(), 3),
}
OPTIMIZERS: dict[str, Optimizer] = {
    "gradient-descent": GradientDescent(0.05),
    "momentum": Momentum(0.05, beta=0.8),
    "rmsprop": RMSprop(0.05, beta=0.9, epsilon=1e-8),
    "rmsprop-large-epsilon": RMSprop(0.02, beta=0.95, epsilon=1e-3),
    "adam": Adam(0.05),
    "adam-other-betas": Adam(0.02, beta1=0.8, beta2=0.99, epsilon=1e-6),
}


def random_weights(arch: Architecture, rng: np.random.Generator, dtype: str) -> Weights:
    """Initial weights moved off the 0 and 1 that would hide a forgotten bias, gamma or beta; variances stay positive."""
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


def moments(states: dict[str, dict[str, dict[str, np.ndarray]]]) -> dict[str, np.ndarray]:
    return {f"{n}.{p}.{s}": a for n, named in states.items() for p, state in named.items() for s, a in state.items()}


def edgy(rng: np.random.Generator, shape: tuple[int, int], dtype: str) -> np.ndarray:
    """Standard normal, with both zeros and values at which sigmoid and tanh saturate in the first example."""
    x = rng.standard_normal(shape)
    x[0, :3] = 0.0, -0.0, 40.0
    return x.astype(dtype)


PASSES = [
    pytest.param(name, m, training, id=f"{name}-batch{m}-{'training' if training else 'evaluation'}")
    for name, (layer, _) in LAYERS.items()
    for m in (1, 4, 7)
    for training in (True, False)
    if not (isinstance(layer, BatchNorm) and training and m == 1)  # torch refuses it
]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "m", "training"), PASSES)
def test_layer_agrees_forward_and_backward(
    framework: type[Twin], name: str, m: int, training: bool, dtype: str
) -> None:
    layer, n = LAYERS[name]
    rng = np.random.default_rng(m)
    arch = architecture(layer)
    x, weights = edgy(rng, (m, n), dtype), random_weights(arch, rng, dtype)
    masks = {"dropout1": dropout_mask(rng, (m, n), 0.7)} if isinstance(layer, Dropout) else {}
    network, twin = Network(arch, weights), framework(arch, dtype=dtype)
    twin.load(weights)
    upstream = rng.standard_normal(network.forward(x, masks=masks)[next(iter(network.states))].shape).astype(dtype)
    for _ in range(2):  # the second pass meets buffers that the first has moved
        wanted = network.differentiate(x, upstream=upstream, training=training, masks=masks)
        found = twin.differentiate(x, upstream=upstream, training=training, masks=masks)
        assert_close(tensors(found), tensors(wanted), TOLERANCE[dtype])
    assert_close(arrays_of(twin.weights()), arrays_of(network.weights()), TOLERANCE[dtype])
    assert_close(twin.evaluate(x), network.forward(x), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("m", [1, 6])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_without_layers_agrees_for_soft_targets(framework: type[Twin], name: str, m: int, dtype: str) -> None:
    loss, k = LOSSES[name]
    rng = np.random.default_rng(k)
    from_probabilities = isinstance(loss, BinaryCrossEntropy | CategoricalCrossEntropy)
    x = (rng.uniform(0.02, 0.98, (m, k)) if from_probabilities else 5 * rng.standard_normal((m, k))).astype(dtype)
    target = rng.uniform(0, 1, (m, k))
    if isinstance(loss, SoftmaxCrossEntropy):
        target /= target.sum(axis=1, keepdims=True)
    target = target.astype(dtype)
    arch = architecture(loss=loss)
    network, twin = Network(arch, Weights()), framework(arch, dtype=dtype)
    twin.load(Weights())
    found = twin.differentiate(x, target)
    assert_close(tensors(found), tensors(network.differentiate(x, target)), TOLERANCE[dtype])
    assert (found.outputs, found.grads, found.input_grads, twin.weights()) == ({}, {}, {}, Weights())
    assert_close(twin.evaluate(x), {"predictions": loss.probabilities(x)}, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), None], ids=["loss", "upstream"])
def test_l2_reaches_the_gradients_with_and_without_loss(framework: type[Twin], loss: Loss | None, dtype: str) -> None:
    rng = np.random.default_rng(3)
    arch = architecture(Dense(5, 4), Tanh(), Dense(4, 3), loss=loss, regulariser=L2(0.7))
    weights, x = random_weights(arch, rng, dtype), rng.standard_normal((6, 5)).astype(dtype)
    y = (rng.standard_normal((6, 3)) if loss is None else np.eye(3)[rng.integers(0, 3, 6)]).astype(dtype)
    network, twin = Network(arch, weights), framework(arch, dtype=dtype)
    twin.load(weights)
    given = {"upstream" if loss is None else "target": y}
    found, wanted = twin.differentiate(x, **given), network.differentiate(x, **given)
    assert_close(tensors(found), tensors(wanted), TOLERANCE[dtype])
    if loss is None:
        assert found.loss is None
        np.testing.assert_array_equal(found.output_grad, y)


def test_regulariser_without_anything_to_act_on_changes_nothing(framework: type[Twin]) -> None:
    arch = architecture(Tanh(), loss=MeanSquaredError(), regulariser=L2(0.7))
    x, y = np.random.default_rng(0).standard_normal((2, 3, 4))
    twin = framework(arch)
    assert_close(tensors(twin.differentiate(x, y)), tensors(Network(arch, Weights()).differentiate(x, y)), 1e-12)


def recorded_gradients(dtype: str) -> list[Arrays]:
    """50 gradients of a Dense(6, 4): one component always 0, one of scale 1e-4, one of 1e-8, one that dies after step 10."""
    rng = np.random.default_rng(11)
    sequence = []
    for step in range(50):
        w, b = rng.standard_normal((6, 4)), rng.standard_normal(4)
        w[0, 0], w[1, 2], w[3, 1] = 0.0, w[1, 2] * 1e-4, w[3, 1] * 1e-8
        w[5, 3] *= step < 10
        sequence.append({"dense1": {"W": w.astype(dtype), "b": b.astype(dtype)}})
    return sequence


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_agrees_over_fifty_recorded_gradients(framework: type[Twin], name: str, dtype: str) -> None:
    arch, optimizer = architecture(Dense(6, 4)), OPTIMIZERS[name]
    weights = random_weights(arch, np.random.default_rng(5), dtype)
    trainer, twin = Trainer(Network(arch, weights), optimizer), framework(arch, optimizer, dtype)
    twin.load(weights)
    assert_close(moments(twin.optimizer_state()), moments(trainer.states), 0.0)
    for grads in recorded_gradients(dtype):
        trainer.update(grads)
        twin.update(grads)
        assert_close(arrays_of(twin.weights()), arrays_of(trainer.network.weights()), TOLERANCE[dtype])
        assert_close(moments(twin.optimizer_state()), moments(trainer.states), TOLERANCE[dtype])
    assert twin.optimizer_state().keys() == trainer.states.keys()


NETWORK = architecture(
    Dense(7, 6, bias=False),
    BatchNorm(6, momentum=0.8),
    ReLU(),
    Dropout(0.8),
    Dense(6, 5),
    LeakyReLU(0.125),
    Dense(5, 3),
    loss=SoftmaxCrossEntropy(),
    regulariser=L2(0.3),
)


def batches(dtype: str) -> list[Batch]:
    """Twelve batches; the last of each epoch is short, which shows in lambda / m and in the running variance."""
    rng = np.random.default_rng(21)
    drawn = []
    for m in (8, 8, 8, 3) * 3:
        x, y = rng.standard_normal((m, 7)), np.eye(3)[rng.integers(0, 3, m)]
        drawn.append(Batch(x.astype(dtype), y.astype(dtype), {"dropout1": dropout_mask(rng, (m, 6), 0.8)}))
    return drawn


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_network_agrees_in_every_tensor_of_every_training_step(framework: type[Twin], name: str, dtype: str) -> None:
    weights = random_weights(NETWORK, np.random.default_rng(8), dtype)
    held_out = np.random.default_rng(9).standard_normal((4, 7)).astype(dtype)
    trainer, twin = (
        Trainer(Network(NETWORK, weights), OPTIMIZERS[name]),
        framework(NETWORK, OPTIMIZERS[name], dtype),
    )
    twin.load(weights)
    for batch in batches(dtype):
        (wanted,) = trainer.fit([batch])
        found = twin.differentiate(batch.x, batch.target, masks=batch.masks)
        twin.update()
        assert_close(tensors(found), tensors(wanted), TRAINING_TOLERANCE[dtype])
        assert_close(arrays_of(twin.weights()), arrays_of(trainer.network.weights()), TRAINING_TOLERANCE[dtype])
        assert_close(moments(twin.optimizer_state()), moments(trainer.states), TRAINING_TOLERANCE[dtype])
        np.testing.assert_allclose(
            twin.evaluate(held_out)["predictions"], trainer.network.predict(held_out), atol=TRAINING_TOLERANCE[dtype]
        )
