"""The modes of the frameworks: each computes what the eager twin does, really is that mode, and says what it cannot compile."""

from __future__ import annotations

import sysconfig
from importlib import metadata, util
from typing import Any

import numpy as np
import pytest

from reference import CONVENTIONS, FRAMEWORKS, MODES, REFERENCES, NotInMode, Twin, Unsupported, missing, twin_class
from scratch import (
    GRU,
    L2,
    LSTM,
    Adam,
    Architecture,
    BatchNorm,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Momentum,
    MultiHeadAttention,
    Optimizer,
    ScaledDotProductAttention,
    SimpleRNN,
    SoftmaxCrossEntropy,
    architecture,
    initial_weights,
)
from scratch.weights import flatten

RNG = np.random.default_rng(23)
X, MASKS = RNG.standard_normal((6, 4)), {"dropout1": RNG.random((6, 3)) < 0.7}
TARGET = np.eye(3)[RNG.integers(0, 3, 6)]
# Without a bias in front of batch norm: its gradient is nothing but rounding, which Adam makes large.
NETWORK = architecture(
    Dense(4, 3, bias=False), BatchNorm(3), Dropout(0.7), loss=SoftmaxCrossEntropy(), regulariser=L2(0.3)
)
WEIGHTS = initial_weights(NETWORK, np.random.default_rng(4))


def twin(reference: str, arch: Architecture = NETWORK, optimizer: Optimizer | None = None, *ignored: str) -> Twin:
    if reason := missing(reference):
        pytest.skip(reason)
    return twin_class(reference)(arch, optimizer, ignored=frozenset(ignored))


def trained(model: Twin, sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Everything that a training of a few steps and an evaluation after it produce, by name."""
    found: dict[str, np.ndarray] = {}
    model.load(WEIGHTS)
    for step, m in enumerate(sizes):
        masks = {name: mask[:m] for name, mask in MASKS.items()}
        result = model.differentiate(X[:m], TARGET[:m], masks=masks)
        tensors = {"loss": result.loss, "output": result.output_grad} | dict(flatten(result.grads))
        tensors |= {f"{name}.y": a for name, a in result.outputs.items()}
        tensors |= {f"{name}.dx": a for name, a in result.input_grads.items()}
        model.update()
        weights = model.weights()
        tensors |= {f"new {name}": a for name, a in (*flatten(weights.params), *flatten(weights.buffers))}
        tensors |= {
            f"state {p}.{name}": a for p, s in model.optimizer_state()["dense1"].items() for name, a in s.items()
        }
        found |= {f"{step} {name}": a for name, a in tensors.items()}
    return found | {f"evaluation {name}": a for name, a in model.evaluate(X).items()}


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, a in wanted.items():
        np.testing.assert_allclose(found[name], a, rtol=0, atol=tolerance * max(np.abs(a).max(), 1e-3), err_msg=name)


@pytest.mark.parametrize("mode", ["tensorflow-function", "tensorflow-xla"])
def test_a_traced_network_trains_and_evaluates_as_the_eager_one(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    eager, traced = twin("tensorflow", NETWORK, Adam(0.01)), twin(mode, NETWORK, Adam(0.01))
    calls: list[Any] = []
    forward = traced._forward
    monkeypatch.setattr(traced, "_forward", lambda *a, **k: calls.append(a) or forward(*a, **k))
    wanted = trained(eager, (6, 6, 4, 6))
    first = trained(traced, (6, 6, 4, 6))
    assert len(calls) == 3, "Python runs once for each batch size, and once for the evaluation"
    assert_close(first, wanted, 1e-12)
    assert traced.applied == eager.applied
    again = trained(traced, (6, 6, 4, 6))
    assert len(calls) == 3
    assert traced.applied == eager.applied
    assert {name: a.tobytes() for name, a in again.items()} == {name: a.tobytes() for name, a in first.items()}


SEQUENCES = {
    "recurrent": (
        architecture(Bidirectional(LSTM(4, 2)), GRU(4, 3), SimpleRNN(3, 3, return_sequences=False), loss=SoftmaxCrossEntropy()),
        RNG.standard_normal((6, 5, 4)),
    ),
    "attention": (
        architecture(MultiHeadAttention(6, 2, causal=True), ScaledDotProductAttention(), Flatten(), Dense(12, 3), loss=SoftmaxCrossEntropy()),
        RNG.standard_normal((6, 6, 6)),
    ),
    "tokens": (
        architecture(Embedding(7, 4), Flatten(), Dense(20, 3), loss=SoftmaxCrossEntropy(), regulariser=L2(0.3)),
        RNG.integers(0, 7, (6, 5)).astype(float),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("mode", MODES)
def test_sequences_are_trained_in_a_mode_as_eagerly(mode: str, name: str) -> None:
    """Two steps and an evaluation. Momentum, as Adam would turn the rounding of the key bias's zero gradient into steps."""
    if (mode, name) == ("torch-compile", "recurrent"):
        pytest.skip("torch does not compile them: see test_what_torch_cannot_compile_is_named")
    arch, x = SEQUENCES[name]
    weights, found = initial_weights(arch, np.random.default_rng(3)), []
    for reference in (MODES[mode].name, mode):
        model = twin(reference, arch, Momentum(0.1))
        model.load(weights)
        tensors: dict[str, np.ndarray] = {}
        for step in range(2):
            result = model.differentiate(x, TARGET)
            model.update()
            tensors |= {f"{step} {n}": a for n, a in (*flatten(result.grads), *result.outputs.items())}
            tensors |= {f"{step} d{n}": a for n, a in result.input_grads.items()}
        tensors |= dict(flatten(model.weights().params)) | model.evaluate(x)
        found.append(tensors)
    eager, compiled = found
    assert_close(compiled, eager, 1e-12)


def test_what_xla_cannot_compile_is_named_and_a_function_can_be_traced_all_the_same() -> None:
    arch = architecture(Dense(4, 3))
    upstream = RNG.standard_normal((6, 3))
    traced, compiled = twin("tensorflow-function", arch), twin("tensorflow-xla", arch)
    import tensorflow as tf

    for model in (traced, compiled):
        layer = model.layers["dense1"]
        stock = layer.forward
        # Text is something that XLA has no kernels for.
        layer.forward = lambda x, *a, stock=stock: tf.strings.to_number(tf.strings.as_string(stock(x, *a)), tf.float64)
        model.load(initial_weights(arch, np.random.default_rng(4)))
    assert set(traced.evaluate(X)) == {"dense1"}
    with pytest.raises(NotInMode, match=r"XLA cannot compile it: .*AsString") as refusal:
        compiled.evaluate(X)
    assert "\n" not in str(refusal.value)
    with pytest.raises(NotInMode):
        compiled.differentiate(X, upstream=upstream)


def test_a_compiled_torch_network_trains_and_evaluates_as_the_eager_one() -> None:
    eager, compiled = twin("torch", NETWORK, Adam(0.01)), twin("torch-compile", NETWORK, Adam(0.01))
    from torch._dynamo.utils import counters

    wanted = trained(eager, (6, 6, 6))
    before = counters["stats"]["unique_graphs"]
    first = trained(compiled, (6, 6, 6))
    made = counters["stats"]["unique_graphs"]
    assert made - before >= 3, "the pass, the step and the evaluation"
    assert_close(first, wanted, 1e-12)
    again = trained(compiled, (6, 6, 6))
    assert counters["stats"]["unique_graphs"] == made, "a second run compiles nothing"
    for name, a in first.items():
        np.testing.assert_array_equal(again[name], a, err_msg=name)
    assert compiled.applied == eager.applied | {"compiled-step-count"}


def test_ignored_the_step_count_makes_a_compiled_adam_a_float32_one() -> None:
    arch = architecture(Dense(4, 3))
    ends = []
    for model in (twin("torch", arch, Adam(0.1)), twin("torch-compile", arch, Adam(0.1), "compiled-step-count")):
        start = initial_weights(arch, np.random.default_rng(4))
        model.load(start)
        for _ in range(3):
            model.update(start.params)
        ends.append(model.weights().params["dense1"]["W"])
    eager, stock = ends
    assert 1e-8 < np.abs(stock - eager).max() < 1e-4
    import torch

    assert torch.get_default_dtype() == torch.float32


def test_any_number_of_networks_is_compiled_in_one_process() -> None:
    models = [twin("torch-compile", architecture(Dense(4, n))) for n in range(1, 5)]
    import torch._dynamo

    with torch._dynamo.config.patch(recompile_limit=1, accumulated_recompile_limit=2):
        for model in models:
            model.load(initial_weights(model.architecture, np.random.default_rng(4)))
            found = model.evaluate(X)["dense1"]
            np.testing.assert_allclose(found, X @ model.weights().params["dense1"]["W"], rtol=0, atol=1e-14)


def test_what_torch_cannot_compile_is_named() -> None:
    arch = architecture(LSTM(4, 3))
    model = twin("torch-compile", arch)
    model.load(initial_weights(arch, np.random.default_rng(4)))
    with pytest.raises(NotInMode, match=r"torch cannot compile it: .*LSTM") as refusal:
        model.evaluate(X[:, None])
    assert "\n" not in str(refusal.value)


def test_a_compiled_network_refuses_what_the_eager_one_refuses() -> None:
    model = twin("torch-compile", architecture(BatchNorm(4)))
    model.load(initial_weights(model.architecture, np.random.default_rng(4)))
    with pytest.raises(Unsupported, match="batchnorm-batch-of-one"):
        model.differentiate(X[:1], upstream=X[:1])
    with pytest.raises(ValueError, match=r"upstream: shape \(6, 3\)"):
        model.differentiate(X, upstream=X[:, :3])


def test_every_mode_is_a_framework_with_another_twin() -> None:
    for name, mode in MODES.items():
        framework = FRAMEWORKS[mode.name]
        assert name.startswith(f"{mode.name}-")
        assert (mode.packages, mode.environment) == (framework.packages, framework.environment)
        assert (mode.module, mode.twin) != (framework.module, framework.twin)
    assert list(REFERENCES) == [*FRAMEWORKS, *MODES]
    assert CONVENTIONS["compiled-step-count"].kind == "mode"


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("compiler", "no C++ compiler found; install one or set CXX"),
        ("headers", "Python.h not found; install Python's development headers (python3-dev)"),
        ("version", "torch 2.4.1+cpu is too old for it; install torch 2.13 or later"),
    ],
)
def test_what_torch_compile_lacks_is_told_in_one_line(
    lacking: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    compiler = tmp_path / "compiler"
    compiler.touch(mode=0o755)
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(util, "find_spec", lambda package: package)
    monkeypatch.setattr(metadata, "version", lambda package: "2.4.1+cpu" if lacking == "version" else "2.13.0+cpu")
    monkeypatch.setenv("CXX", str(tmp_path / "absent" if lacking == "compiler" else compiler))
    where = tmp_path / "absent" if lacking == "headers" else tmp_path
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(where))
    assert missing("torch-compile") == f"torch-compile: {message}"
    assert missing("torch") is None
