"""Twins of Nesterov's momentum, Adagrad and AdamW: agreement over 50 steps, and what each convention is worth."""

from __future__ import annotations

import numpy as np
import pytest

from reference import CONVENTIONS, Twin
from scratch import (
    Adagrad,
    AdamW,
    Batch,
    Dense,
    Nesterov,
    Network,
    Optimizer,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    architecture,
    initial_weights,
)
from scratch.weights import Arrays, flatten

TOLERANCE = {"float64": 1e-12, "float32": 5e-6}
OPTIMIZERS: dict[str, Optimizer] = {
    "nesterov": Nesterov(0.05),
    "nesterov-other-beta": Nesterov(0.02, beta=0.55),
    "nesterov-without-memory": Nesterov(0.05, beta=0.0),
    "adagrad": Adagrad(0.05),
    "adagrad-large-epsilon": Adagrad(0.05, epsilon=1e-3),
    "adagrad-initial-accumulator": Adagrad(0.05, initial_accumulator=0.1),
    "adamw": AdamW(0.05),
    "adamw-without-decay": AdamW(0.05, weight_decay=0.0),
    "adamw-binary-beta2": AdamW(0.05, beta2=1 - 2**-10),
    "adamw-other-values": AdamW(0.02, beta1=0.8, beta2=0.99, epsilon=1e-6, weight_decay=0.3),
}
ONE_LAYER = architecture(Dense(6, 4))


def recorded_gradients(dtype: str) -> list[Arrays]:
    """50 gradients of a Dense(6, 4): one component always 0, one of scale 1e-4, one of 1e-8, one that dies after step 10."""
    rng = np.random.default_rng(12)
    sequence = []
    for step in range(50):
        w, b = rng.standard_normal((6, 4)), rng.standard_normal(4)
        w.flat[:3] *= (0, 1e-4, 1e-8)
        w[5, 3] *= step < 10
        sequence.append({"dense1": {"W": w.astype(dtype), "b": b.astype(dtype)}})
    return sequence


def tensors(model: Trainer | Twin) -> dict[str, np.ndarray]:
    """Parameters and optimizer state by name."""
    weights, states = (
        (model.network.weights(), model.states)
        if isinstance(model, Trainer)
        else (model.weights(), model.optimizer_state())
    )
    moments = {f"{p}.{s}": a for layer in states.values() for p, state in layer.items() for s, a in state.items()}
    return dict(flatten(weights.params)) | moments


def difference(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    """The largest one, relative to the largest element; same names, shapes and dtypes are demanded."""
    assert found.keys() == wanted.keys()
    for name, a in wanted.items():
        assert (found[name].shape, found[name].dtype) == (a.shape, a.dtype), name
    return max(float(np.abs(found[n] - a).max() / (np.abs(a).max() or 1.0)) for n, a in wanted.items())


def started(twin: type[Twin], optimizer: Optimizer, dtype: str = "float64", **options) -> tuple[Trainer, Twin]:
    weights = initial_weights(ONE_LAYER, np.random.default_rng(5), dtype=dtype)
    made = twin(ONE_LAYER, optimizer, dtype, **options)
    made.load(weights)
    return Trainer(Network(ONE_LAYER, weights), optimizer), made


def compared(optimizer: Optimizer, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without memory the frameworks keep no velocity to compare with."""
    keep = not (isinstance(optimizer, Nesterov) and optimizer.beta == 0)
    return {name: a for name, a in state.items() if keep or not name.endswith(".v")}


def beta2_rounding(framework: type[Twin], optimizer: Optimizer, dtype: str) -> float:
    """By how much Keras's float32 step is off: it takes 1 - beta2^t from a beta2 rounded to float32.

    Half the relative error of 1 - beta2, as its root is taken: 6.4e-6 for 0.999, more than all other rounding together.
    """
    keras_rounds = framework.__module__ == "reference.tensorflow_twin" and dtype == "float32"
    if not keras_rounds or not isinstance(optimizer, AdamW):
        return 0.0
    return abs(float(np.float32(optimizer.beta2)) - optimizer.beta2) / (1 - optimizer.beta2) / 2


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_agrees_over_fifty_recorded_gradients(framework: type[Twin], name: str, dtype: str) -> None:
    optimizer = OPTIMIZERS[name]
    tolerance = TOLERANCE[dtype] + beta2_rounding(framework, optimizer, dtype)
    trainer, twin = started(framework, optimizer, dtype)
    assert difference(tensors(twin), compared(optimizer, tensors(trainer))) == 0
    for grads in recorded_gradients(dtype):
        trainer.update(grads)
        twin.update(grads)
        assert difference(tensors(twin), compared(optimizer, tensors(trainer))) <= tolerance


def test_only_a_decimal_beta2_in_keras_float32_is_allowed_more(framework: type[Twin]) -> None:
    """The first step shows it undiluted: off by the rounding of beta2 = 0.999, and not at all by that of 1 - 2^-10."""
    grads = recorded_gradients("float32")[0]
    off = {}
    for beta2 in (0.999, 1 - 2**-10):
        optimizer = AdamW(0.05, beta2=beta2, weight_decay=0.0)
        trainer, twin = started(framework, optimizer, "float32")
        trainer.update(grads)
        twin.update(grads)
        # The bias starts from 0, so it is the step itself.
        off[beta2] = difference({"b": tensors(twin)["dense1.b"]}, {"b": tensors(trainer)["dense1.b"]})
        assert abs(off[beta2] - beta2_rounding(framework, optimizer, "float32")) < 1e-6
    assert off[1 - 2**-10] < 5e-7


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_loading_forgets_every_step(framework: type[Twin], name: str) -> None:
    _, twin = started(framework, OPTIMIZERS[name])
    runs = []
    for _ in range(2):
        twin.load(initial_weights(ONE_LAYER, np.random.default_rng(5)))
        runs.append([tensors(twin)])
        for grads in recorded_gradients("float64")[:3]:
            twin.update(grads)
            runs[-1].append(tensors(twin))
    for first, second in zip(*runs, strict=True):
        assert difference(second, first) == 0


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_on_its_own_gradients_agrees(framework: type[Twin], name: str, compiled: bool) -> None:
    rng = np.random.default_rng(2)
    arch, optimizer = architecture(Dense(5, 4), Tanh(), Dense(4, 3), loss=SoftmaxCrossEntropy()), OPTIMIZERS[name]
    weights = initial_weights(arch, rng)
    trainer, twin = Trainer(Network(arch, weights), optimizer), framework(arch, optimizer, compiled=compiled)
    twin.load(weights)
    for m in (8, 8, 3):
        batch = Batch(rng.standard_normal((m, 5)), np.eye(3)[rng.integers(0, 3, m)])
        list(trainer.fit([batch]))
        twin.differentiate(batch.x, batch.target)
        twin.update()
    assert difference(tensors(twin), compared(optimizer, tensors(trainer))) <= 1e-12


@pytest.mark.parametrize(
    ("convention", "optimizer"),
    [
        ("nesterov-velocity", Nesterov(0.05)),
        ("adagrad-epsilon", Adagrad(0.05, epsilon=1e-3)),
        ("adagrad-initial-accumulator", Adagrad(0.05, initial_accumulator=0.3)),
        ("adamw-weight-decay", AdamW(0.05, weight_decay=0.3)),
        ("adam-epsilon-hat", AdamW(0.05, epsilon=1e-3)),
    ],
)
def test_ignoring_a_convention_shows_wherever_the_framework_meets_it(
    framework: type[Twin], convention: str, optimizer: Optimizer
) -> None:
    assert CONVENTIONS[convention].kind == "value"
    trainer, twin = started(framework, optimizer, ignored=frozenset({convention}))
    for grads in recorded_gradients("float64"):
        trainer.update(grads)
        twin.update(grads)
    off = difference(tensors(twin), tensors(trainer))
    assert off > 1e-4 if convention in twin.applied else off <= 1e-12


def test_every_parameter_is_decayed_biases_included(framework: type[Twin]) -> None:
    """With gradients of 0 nothing moves but by the decay: one step leaves 1 - alpha lambda of W and of b."""
    weights = initial_weights(ONE_LAYER, np.random.default_rng(5))
    weights.params["dense1"]["b"] += 1.5
    twin = framework(ONE_LAYER, AdamW(0.1, weight_decay=0.5))
    twin.load(weights)
    twin.update({"dense1": {name: np.zeros_like(a) for name, a in weights.params["dense1"].items()}})
    for name, a in weights.params["dense1"].items():
        np.testing.assert_allclose(twin.weights().params["dense1"][name], 0.95 * a, rtol=1e-14)
