"""Recurrent layers, attention and embeddings: every framework's twin computes what scratch computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reference import Twin, Unsupported
from scratch import (
    GRU,
    L2,
    LSTM,
    Adam,
    Architecture,
    Batch,
    Bidirectional,
    Dense,
    Embedding,
    Layer,
    LayerState,
    Momentum,
    MultiHeadAttention,
    Network,
    Optimizer,
    Pass,
    ScaledDotProductAttention,
    SimpleRNN,
    SoftmaxCrossEntropy,
    Trainer,
    Weights,
    architecture,
    initial_weights,
)
from scratch.weights import flatten

TOLERANCE = {"float64": 1e-12, "float32": 5e-6}
TRAINING_TOLERANCE = {"float64": 1e-12, "float32": 2e-4}
LAYERS: dict[str, tuple[Layer, int]] = {
    "rnn": (SimpleRNN(4, 5), 4),
    "rnn-last-step": (SimpleRNN(4, 5, return_sequences=False), 4),
    "lstm": (LSTM(4, 3), 4),
    "lstm-last-step": (LSTM(4, 3, return_sequences=False), 4),
    "gru": (GRU(4, 3), 4),
    "gru-last-step": (GRU(4, 3, return_sequences=False), 4),
    "gru-reset-before": (GRU(4, 3, reset_after=False), 4),
    "bidirectional-rnn": (Bidirectional(SimpleRNN(4, 3, return_sequences=False)), 4),
    "bidirectional-lstm": (Bidirectional(LSTM(4, 3, return_sequences=False)), 4),
    "bidirectional-gru": (Bidirectional(GRU(4, 3)), 4),
    "attention": (ScaledDotProductAttention(), 9),
    "attention-causal": (ScaledDotProductAttention(causal=True), 9),
    "multi-head": (MultiHeadAttention(6, heads=2), 6),
    "multi-head-causal": (MultiHeadAttention(6, heads=3, causal=True), 6),
}


def random_weights(arch: Architecture, rng: np.random.Generator, dtype: str) -> Weights:
    """No bias is 0: that would hide one that is forgotten."""
    weights = initial_weights(arch, rng, "xavier")
    for named in weights.params.values():
        for name, a in named.items():
            named[name] = a + 0.5 * rng.standard_normal(a.shape)
    return weights.astype(dtype)


def tensors(result: Pass) -> dict[str, np.ndarray]:
    named = {f"output {n}": a for n, a in result.outputs.items()}
    named |= {f"input of {n}": a for n, a in result.input_grads.items()} | dict(flatten(result.grads))
    return named if result.loss is None else named | {"loss": result.loss}


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, reference in wanted.items():
        assert (found[name].shape, found[name].dtype) == (reference.shape, reference.dtype), name
        difference = np.abs(found[name] - reference).max()
        assert difference <= tolerance * (np.abs(reference).max() or 1.0), f"{name}: off by {difference}"


def pair(framework: type[Twin], arch: Architecture, dtype: str = "float64", **options) -> tuple[Network, Twin]:
    """Scratch's network and the twin, with the same weights; skipped where the framework cannot express it."""
    weights = random_weights(arch, np.random.default_rng(1), dtype)
    try:
        twin = framework(arch, dtype=dtype, **options)
    except Unsupported as refusal:
        pytest.skip(str(refusal))
    twin.load(weights)
    return Network(arch, weights), twin


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("m", "steps"), [(1, 1), (1, 4), (3, 1), (3, 7)])
@pytest.mark.parametrize("name", LAYERS)
def test_layer_agrees(framework: type[Twin], name: str, m: int, steps: int, dtype: str) -> None:
    layer, n = LAYERS[name]
    network, twin = pair(framework, architecture(layer), dtype)
    rng = np.random.default_rng([m, steps])
    x = rng.standard_normal((m, steps, n)).astype(dtype)
    upstream = rng.standard_normal((m, *layer.output_shape((steps, n)))).astype(dtype)
    wanted, found = network.differentiate(x, upstream=upstream), twin.differentiate(x, upstream=upstream)
    assert_close(tensors(found), tensors(wanted), TOLERANCE[dtype])
    assert_close(twin.evaluate(x), wanted.outputs, TOLERANCE[dtype])
    for layer_name, p in [(n, p) for n, named in network.weights().params.items() for p in named]:
        np.testing.assert_array_equal(twin.weights().params[layer_name][p], network.weights().params[layer_name][p])


NETWORKS = {
    "rnn": architecture(
        Bidirectional(SimpleRNN(4, 3)), SimpleRNN(6, 5, return_sequences=False), Dense(5, 3), loss=SoftmaxCrossEntropy()
    ),
    "lstm": architecture(
        LSTM(4, 5, return_sequences=False), Dense(5, 3), loss=SoftmaxCrossEntropy(), regulariser=L2(0.4)
    ),
    "gru": architecture(
        Bidirectional(GRU(4, 3)), GRU(6, 5, return_sequences=False), Dense(5, 3), loss=SoftmaxCrossEntropy(), regulariser=L2(0.4)
    ),
    "attention": architecture(
        MultiHeadAttention(4, heads=2), GRU(4, 5, return_sequences=False), Dense(5, 3),
        loss=SoftmaxCrossEntropy(), regulariser=L2(0.4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("optimizer", [Momentum(0.1), Adam(0.01, epsilon=1e-4)], ids=["momentum", "adam"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network_agrees_in_every_training_step(
    framework: type[Twin], name: str, optimizer: Optimizer, dtype: str
) -> None:
    network, twin = pair(framework, NETWORKS[name], dtype, optimizer=optimizer)
    trainer, rng = Trainer(network, optimizer), np.random.default_rng(2)
    for m in (5, 5, 2):
        x, y = rng.standard_normal((m, 6, 4)).astype(dtype), np.eye(3)[rng.integers(0, 3, m)].astype(dtype)
        (wanted,) = trainer.fit([Batch(x, y)])
        found = twin.differentiate(x, y)
        twin.update()
        assert_close(tensors(found), tensors(wanted), TRAINING_TOLERANCE[dtype])
        params = dict(flatten(twin.weights().params))
        assert_close(params, dict(flatten(network.weights().params)), TRAINING_TOLERANCE[dtype])
        for layer, named in trainer.states.items():
            for p, state in named.items():
                assert_close(twin.optimizer_state()[layer][p], state, TRAINING_TOLERANCE[dtype])


@pytest.mark.parametrize("name", ["gru", "attention"])
def test_a_compiled_twin_computes_the_same(framework: type[Twin], name: str) -> None:
    network, twin = pair(framework, NETWORKS[name], compiled=True)
    rng = np.random.default_rng(3)
    for _ in range(2):
        x, y = rng.standard_normal((3, 4, 4)), np.eye(3)[rng.integers(0, 3, 3)]
        assert_close(tensors(twin.differentiate(x, y)), tensors(network.differentiate(x, y)), 1e-12)


def first_output(twin: Twin, arch: Architecture, x: np.ndarray) -> np.ndarray:
    twin.load(random_weights(arch, np.random.default_rng(4), "float64"))
    return twin.evaluate(x)[arch.layers[0][0]]


def test_torch_gru_without_its_permutation_is_another_function() -> None:
    pytest.importorskip("torch")
    from reference.torch_twin import FrameworkTwin

    arch, x = architecture(GRU(4, 3)), np.random.default_rng(5).standard_normal((2, 5, 4))
    mapped, stock = FrameworkTwin(arch), FrameworkTwin(arch, ignored=frozenset({"gru-gate-order"}))
    assert np.abs(first_output(mapped, arch, x) - first_output(stock, arch, x)).max() > 0.1
    assert "gru-gate-order" in mapped.applied


def test_torch_cannot_reset_before() -> None:
    pytest.importorskip("torch")
    from reference.torch_twin import FrameworkTwin

    with pytest.raises(Unsupported, match="gru-reset-before"):
        FrameworkTwin(architecture(GRU(4, 3, reset_after=False)))


@pytest.mark.parametrize("layer", [SimpleRNN(4, 3), LSTM(4, 3)], ids=["rnn", "lstm"])
def test_torch_s_second_bias_stays_out_of_the_way_but_is_not_lost(layer: Layer) -> None:
    torch = pytest.importorskip("torch")
    from reference.torch_twin import FrameworkTwin

    arch = architecture(layer)
    name = arch.layers[0][0]
    twin, rng = FrameworkTwin(arch, Momentum(0.1)), np.random.default_rng(6)
    weights = random_weights(arch, rng, "float64")
    twin.load(weights)
    twin.differentiate(rng.standard_normal((2, 3, 4)), upstream=rng.standard_normal((2, 3, 3)))
    twin.update()
    second = twin.layers[name].module.bias_hh_l0
    assert not second.any()
    kept = twin.weights().params[name]["b"]
    with torch.no_grad():
        second += 1.0  # as in a checkpoint of a stock module
    np.testing.assert_array_equal(twin.weights().params[name]["b"], kept + 1)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "multi-head"])
def test_torch_checkpoints_hold_stock_names_and_come_back(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from reference import torch_checkpoint

    layer, _ = LAYERS[name]
    arch = architecture(layer)
    weights = random_weights(arch, np.random.default_rng(7), "float64")
    torch_checkpoint.save(tmp_path / "weights.pt", arch, weights, "float64")
    stock = torch.nn.MultiheadAttention(6, 2) if name == "multi-head" else getattr(torch.nn, name.upper())(4, 3)
    prefix = arch.layers[0][0] + "."
    assert {key.removeprefix(prefix) for key in torch.load(tmp_path / "weights.pt")} == set(stock.state_dict())
    again = torch_checkpoint.load(tmp_path / "weights.pt", arch)
    for p, a in weights.params[arch.layers[0][0]].items():
        np.testing.assert_array_equal(again.params[arch.layers[0][0]][p], a)


def test_keras_attention_does_not_divide_its_scores() -> None:
    pytest.importorskip("keras")
    from reference.tensorflow_twin import FrameworkTwin

    arch, x = architecture(ScaledDotProductAttention()), np.random.default_rng(8).standard_normal((2, 5, 9))
    stock = FrameworkTwin(arch, ignored=frozenset({"attention-scale"}))
    scaled = np.concatenate([x[..., :3] * np.sqrt(3), x[..., 3:]], axis=-1)
    wanted = arch.layers[0][1].forward(scaled, LayerState())[0]
    np.testing.assert_allclose(first_output(stock, arch, x), wanted, rtol=0, atol=1e-14)


def test_keras_multi_head_attention_rounds_its_scale_unless_told_otherwise() -> None:
    pytest.importorskip("keras")
    from reference.tensorflow_twin import FrameworkTwin

    arch, x = architecture(MultiHeadAttention(6, heads=2)), np.random.default_rng(9).standard_normal((2, 5, 6))
    mapped, stock = FrameworkTwin(arch), FrameworkTwin(arch, ignored=frozenset({"float32-hyperparameters"}))
    difference = np.abs(first_output(mapped, arch, x) - first_output(stock, arch, x)).max()
    assert 1e-10 < difference < 1e-6


TOKENS = np.array([[2, 5, 2, 0], [5, 5, 1, 2]])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_embedding_agrees_with_torch_where_tokens_repeat(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(10)
    table, upstream = rng.standard_normal((6, 3)).astype(dtype), rng.standard_normal((2, 4, 3)).astype(dtype)
    stock = torch.nn.Embedding.from_pretrained(torch.from_numpy(table.copy()), freeze=False)
    y = stock(torch.from_numpy(TOKENS))
    y.backward(torch.from_numpy(upstream))
    own, grads = embedded(table, upstream)
    np.testing.assert_array_equal(own, y.detach().numpy())
    np.testing.assert_allclose(grads["E"], stock.weight.grad.numpy(), rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_embedding_agrees_with_keras_where_tokens_repeat(dtype: str) -> None:
    pytest.importorskip("keras")
    import reference.tensorflow_twin  # noqa: F401  (first: it sets what Keras reads when it is imported)

    import keras  # isort: skip
    import tensorflow as tf  # isort: skip

    rng = np.random.default_rng(11)
    table, upstream = rng.standard_normal((6, 3)).astype(dtype), rng.standard_normal((2, 4, 3)).astype(dtype)
    stock = keras.layers.Embedding(6, 3, dtype=dtype)
    stock.build((2, 4))
    stock.embeddings.assign(table)
    with tf.GradientTape() as tape:
        y = stock(TOKENS)
    slices = tape.gradient(y, stock.embeddings, upstream)
    own, grads = embedded(table, upstream)
    np.testing.assert_array_equal(own, y.numpy())
    np.testing.assert_allclose(grads["E"], tf.convert_to_tensor(slices).numpy(), rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_network_on_tokens_agrees_in_every_training_step(framework: type[Twin], compiled: bool, dtype: str) -> None:
    arch = architecture(
        Embedding(6, 3), GRU(3, 4, return_sequences=False), Dense(4, 2), loss=SoftmaxCrossEntropy(), regulariser=L2(0.4)
    )
    optimizer = Adam(0.01, epsilon=1e-4)
    network, twin = pair(framework, arch, dtype, optimizer=optimizer, compiled=compiled)
    trainer, x, y = Trainer(network, optimizer), TOKENS.astype(dtype), np.eye(2, dtype=dtype)
    for _ in range(3):
        (wanted,) = trainer.fit([Batch(x, y)])
        assert_close(tensors(twin.differentiate(x, y)), tensors(wanted), TRAINING_TOLERANCE[dtype])
        twin.update()
        params = dict(flatten(twin.weights().params))
        assert_close(params, dict(flatten(network.weights().params)), TRAINING_TOLERANCE[dtype])


def embedded(table: np.ndarray, upstream: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    layer, state = Embedding(6, 3), LayerState({"E": table})
    y, cache = layer.forward(TOKENS, state)
    return y, layer.backward(upstream, state, cache)[1]
