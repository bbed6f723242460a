"""Layers on sequences: every backward pass against central differences, formulas step by step, precision, words as vectors."""

from __future__ import annotations

import numpy as np
import pytest

from scratch import (
    GRU,
    LSTM,
    Bidirectional,
    Dense,
    Embedding,
    Layer,
    LayerState,
    MultiHeadAttention,
    Network,
    ScaledDotProductAttention,
    SimpleRNN,
    SoftmaxCrossEntropy,
    architecture,
    initial_weights,
)
from scratch.activations import sigmoid, softmax
from scratch.embedding import analogy, cosine_similarity, most_similar, one_hot
from scratch.network import Architecture

LAYERS: dict[str, tuple[Layer, int]] = {
    "rnn": (SimpleRNN(3, 4), 3),
    "rnn, last step": (SimpleRNN(3, 4, return_sequences=False), 3),
    "lstm": (LSTM(3, 4), 3),
    "lstm, last step": (LSTM(3, 2, return_sequences=False), 3),
    "gru": (GRU(3, 4), 3),
    "gru, last step": (GRU(3, 2, return_sequences=False), 3),
    "gru, reset before": (GRU(3, 4, reset_after=False), 3),
    "gru, reset before, last step": (GRU(3, 1, return_sequences=False, reset_after=False), 3),
    "bidirectional": (Bidirectional(LSTM(3, 2)), 3),
    "bidirectional, last step": (Bidirectional(GRU(3, 2, return_sequences=False)), 3),
    "attention": (ScaledDotProductAttention(), 6),
    "causal attention": (ScaledDotProductAttention(causal=True), 6),
    "multi-head attention": (MultiHeadAttention(6, heads=3), 6),
    "causal multi-head attention": (MultiHeadAttention(4, heads=2, causal=True), 4),
}
STEP, TOLERANCE = 1e-6, 1e-7


def random_state(layer: Layer, rng: np.random.Generator, dtype: str = "float64") -> LayerState:
    return LayerState({p: rng.standard_normal(s).astype(dtype) for p, s in layer.parameter_shapes().items()})


def central_difference(f, a: np.ndarray) -> np.ndarray:
    gradient = np.empty_like(a)
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + STEP
        above = f()
        a[index] = kept - STEP
        gradient[index] = (above - f()) / (2 * STEP)
        a[index] = kept
    return gradient


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_derivative_of_forward(name: str, m: int, steps: int) -> None:
    rng = np.random.default_rng([m, steps])
    layer, n = LAYERS[name]
    state, x = random_state(layer, rng), rng.standard_normal((m, steps, n))
    y, cache = layer.forward(x, state)
    upstream = rng.standard_normal(y.shape)
    dx, grads = layer.backward(upstream, state, cache)

    def projected() -> float:
        return float((layer.forward(x, state)[0] * upstream).sum())

    assert list(grads) == list(state.params)
    for analytic, a in [(dx, x), *((grads[p], state.params[p]) for p in grads)]:
        numeric = central_difference(projected, a)
        assert analytic.shape == numeric.shape
        assert np.abs(analytic - numeric).max() <= TOLERANCE * max(np.abs(numeric).max(), 1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_precision_and_shape_are_kept(name: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    layer, n = LAYERS[name]
    state, x = random_state(layer, rng, dtype), rng.standard_normal((3, 5, n)).astype(dtype)
    y, cache = layer.forward(x, state)
    dx, grads = layer.backward(rng.standard_normal(y.shape).astype(dtype), state, cache)
    assert y.shape == (3, *layer.output_shape((5, n)))
    assert {a.dtype for a in (y, dx, *grads.values())} == {np.dtype(dtype)}
    assert dx.shape == x.shape
    assert {p: g.shape for p, g in grads.items()} == layer.parameter_shapes()


@pytest.mark.parametrize("name", LAYERS)
def test_the_output_is_not_the_cache(name: str) -> None:
    rng = np.random.default_rng(3)
    layer, n = LAYERS[name]
    state, x = random_state(layer, rng), rng.standard_normal((2, 3, n))
    y, cache = layer.forward(x, state)
    upstream = rng.standard_normal(y.shape)
    before = layer.backward(upstream, state, cache)[0]
    y[:] = np.nan
    np.testing.assert_array_equal(layer.backward(upstream, state, cache)[0], before)


@pytest.mark.parametrize("name", LAYERS)
def test_descriptions_survive_json(name: str) -> None:
    arch = architecture(LAYERS[name][0])
    assert Architecture.from_config(arch.config()) == arch


def test_a_shared_base_is_no_layer() -> None:
    assert "Recurrent" not in Layer.kinds


def test_lstm_is_its_formula() -> None:
    rng = np.random.default_rng(4)
    layer = LSTM(3, 2)
    state, x = random_state(layer, rng), rng.standard_normal((2, 4, 3))
    h = c = np.zeros((2, 2))
    for t in range(4):
        z = x[:, t] @ state.params["W"] + h @ state.params["U"] + state.params["b"]
        i, f, g, o = (z[:, 2 * k : 2 * k + 2] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        np.testing.assert_allclose(layer.forward(x, state)[0][:, t], h, rtol=0, atol=1e-15)


def test_gru_that_resets_before_is_the_course_s_with_the_update_gate_turned_round() -> None:
    rng = np.random.default_rng(5)
    layer = GRU(3, 2, reset_after=False)
    state, x = random_state(layer, rng), rng.standard_normal((2, 4, 3))
    w, u, b = (state.params[p] for p in ("W", "U", "b"))
    c = np.zeros((2, 2))
    for t in range(4):
        gamma_u = sigmoid(-(x[:, t] @ w[:, :2] + c @ u[:, :2] + b[:2]))
        gamma_r = sigmoid(x[:, t] @ w[:, 2:4] + c @ u[:, 2:4] + b[2:4])
        candidate = np.tanh(x[:, t] @ w[:, 4:] + (gamma_r * c) @ u[:, 4:] + b[4:])
        c = gamma_u * candidate + (1 - gamma_u) * c
        np.testing.assert_allclose(layer.forward(x, state)[0][:, t], c, rtol=0, atol=1e-15)


def test_the_two_grus_agree_where_there_is_no_state_yet_and_differ_after() -> None:
    rng = np.random.default_rng(6)
    after, before = GRU(3, 2), GRU(3, 2, reset_after=False)
    state, x = random_state(before, rng), rng.standard_normal((2, 3, 3))
    with_bias = LayerState(state.params | {"b_recurrent": np.zeros(6)})
    y, other = after.forward(x, with_bias)[0], before.forward(x, state)[0]
    np.testing.assert_allclose(y[:, 0], other[:, 0], rtol=0, atol=1e-15)
    assert np.abs(y[:, 1:] - other[:, 1:]).max() > 1e-3


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_the_last_step_is_the_last_of_the_sequence(kind: type[SimpleRNN | LSTM | GRU]) -> None:
    rng = np.random.default_rng(7)
    state, x = random_state(kind(3, 2), rng), rng.standard_normal((2, 5, 3))
    whole, last = kind(3, 2).forward(x, state)[0], kind(3, 2, return_sequences=False).forward(x, state)[0]
    np.testing.assert_array_equal(last, whole[:, -1])


def test_the_other_direction_is_the_layer_on_the_reversed_sequence() -> None:
    rng = np.random.default_rng(15)
    layer = Bidirectional(LSTM(3, 2))
    state, x = random_state(layer, rng), rng.standard_normal((2, 5, 3))
    back = LayerState({p: state.params[f"{p}_reverse"] for p in ("W", "U", "b")})
    y = layer.forward(x, state)[0]
    np.testing.assert_array_equal(y[..., 2:], layer.layer.forward(x[:, ::-1], back)[0][:, ::-1])
    last = Bidirectional(LSTM(3, 2, return_sequences=False)).forward(x, state)[0]
    np.testing.assert_array_equal(last, np.hstack([y[:, -1, :2], y[:, 0, 2:]]))


def test_only_recurrent_layers_have_two_directions() -> None:
    with pytest.raises(ValueError, match="Dense is no recurrent layer"):
        Bidirectional(Dense(3, 2))
    with pytest.raises(ValueError, match="unknown kind of layer: 'No'"):
        Architecture.from_config({"layers": [{"name": "a", "kind": "Bidirectional", "layer": {"kind": "No"}}],
                                  "loss": None, "regulariser": None})  # fmt: skip


def test_multi_head_attention_is_its_formula_head_by_head() -> None:
    rng = np.random.default_rng(8)
    layer = MultiHeadAttention(6, heads=2)
    state, x = random_state(layer, rng), rng.standard_normal((2, 4, 6))
    z = x @ state.params["W"] + state.params["b"]
    heads = []
    for k in range(2):
        q, key, v = (z[..., 6 * part + 3 * k : 6 * part + 3 * k + 3] for part in range(3))
        heads.append(softmax(q @ key.swapaxes(1, 2) / np.sqrt(3)) @ v)
    wanted = np.concatenate(heads, axis=-1) @ state.params["W_o"] + state.params["b_o"]
    np.testing.assert_allclose(layer.forward(x, state)[0], wanted, rtol=0, atol=1e-13)


def test_a_causal_step_does_not_see_the_future() -> None:
    rng = np.random.default_rng(9)
    layer = MultiHeadAttention(4, heads=2, causal=True)
    state, x = random_state(layer, rng), rng.standard_normal((2, 5, 4))
    y = layer.forward(x, state)[0]
    x[:, 3:] = rng.standard_normal((2, 2, 4))
    changed = layer.forward(x, state)[0]
    np.testing.assert_array_equal(changed[:, :3], y[:, :3])
    assert (changed[:, 3:] != y[:, 3:]).all()


@pytest.mark.parametrize("layer", [SimpleRNN(3, 2), LSTM(3, 2), GRU(3, 2)])
@pytest.mark.parametrize("shape", [(2, 3), (2, 0, 3), (2, 4, 5)])
def test_an_input_that_does_not_fit_is_refused(layer: Layer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="input has shape"):
        layer.forward(np.zeros(shape), random_state(layer, np.random.default_rng(0)))


@pytest.mark.parametrize("make", [lambda: LSTM(0, 2), lambda: GRU(2, -1), lambda: MultiHeadAttention(6, 4)])
def test_sizes_that_do_not_fit_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must"):
        make()


def test_attention_refuses_features_that_are_not_three_parts() -> None:
    with pytest.raises(ValueError, match="3 d"):
        ScaledDotProductAttention().forward(np.zeros((2, 3, 4)), LayerState())


def test_a_network_of_sequences_learns() -> None:
    rng = np.random.default_rng(10)
    arch = architecture(LSTM(1, 8, return_sequences=False), Dense(8, 2), loss=SoftmaxCrossEntropy())
    x = rng.standard_normal((64, 6, 1))
    target = np.eye(2)[(x.sum(axis=(1, 2)) > 0).astype(int)]
    network = Network(arch, initial_weights(arch, rng, "xavier"))
    losses = []
    for _ in range(150):
        result = network.differentiate(x, target)
        assert result.loss is not None
        losses.append(float(result.loss))
        for layer, grads in result.grads.items():
            for p, g in grads.items():
                network.states[layer].params[p] -= 1.0 * g
    assert losses[-1] < 0.3 * losses[0]


TOKENS = np.array([[2, 5, 2], [5, 5, 1]])


def test_embedding_is_the_dense_layer_on_one_hot_codes() -> None:
    rng = np.random.default_rng(11)
    layer = Embedding(6, 4)
    state, upstream = random_state(layer, rng), rng.standard_normal((2, 3, 4))
    codes = one_hot(TOKENS, 6)
    y, cache = layer.forward(TOKENS, state)
    dx, grads = layer.backward(upstream, state, cache)
    np.testing.assert_array_equal(y, codes @ state.params["E"])
    np.testing.assert_allclose(grads["E"], np.tensordot(codes, upstream, axes=((0, 1), (0, 1))), rtol=0, atol=1e-14)
    assert (dx.shape, bool(dx.any())) == (TOKENS.shape, False)


def test_embedding_gradient_is_the_derivative() -> None:
    rng = np.random.default_rng(12)
    layer = Embedding(6, 2)
    state, upstream = random_state(layer, rng), rng.standard_normal((2, 3, 2))
    _, cache = layer.forward(TOKENS, state)
    numeric = central_difference(lambda: float((layer.forward(TOKENS, state)[0] * upstream).sum()), state.params["E"])
    np.testing.assert_allclose(layer.backward(upstream, state, cache)[1]["E"], numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_embedding_takes_tokens_as_floats_and_keeps_the_precision_of_its_weights(dtype: str) -> None:
    rng = np.random.default_rng(13)
    layer = Embedding(6, 4)
    state = random_state(layer, rng, dtype)
    y, cache = layer.forward(TOKENS.astype(dtype), state)
    np.testing.assert_array_equal(y, layer.forward(TOKENS, state)[0])
    dx, grads = layer.backward(y, state, cache)
    assert {y.dtype, dx.dtype, grads["E"].dtype} == {np.dtype(dtype)}


def test_embedding_starts_a_network() -> None:
    rng = np.random.default_rng(14)
    arch = architecture(Embedding(6, 4), LSTM(4, 3, return_sequences=False), Dense(3, 2), loss=SoftmaxCrossEntropy())
    network = Network(arch, initial_weights(arch, rng))
    result = network.differentiate(TOKENS, np.eye(2))
    assert result.grads["embedding1"]["E"].any(axis=1).tolist() == [False, True, True, False, False, True]


@pytest.mark.parametrize("tokens", [[-1], [6], [1.5], [np.nan]])
def test_what_is_no_token_is_refused(tokens: list[float]) -> None:
    layer = Embedding(6, 4)
    with pytest.raises(ValueError, match="integers from 0 to 5"):
        layer.forward(np.array([tokens]), random_state(layer, np.random.default_rng(0)))


def test_one_hot_has_a_one_at_each_token() -> None:
    codes = one_hot(TOKENS, 6, "float32")
    assert (codes.shape, codes.dtype) == ((2, 3, 6), np.float32)
    np.testing.assert_array_equal(codes.argmax(axis=-1), TOKENS)
    np.testing.assert_array_equal(codes.sum(axis=-1), 1)


def test_cosine_similarity() -> None:
    u = np.array([[3.0, 4.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    v = np.array([[6.0, 8.0], [0.0, 5.0], [-2.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(cosine_similarity(u, v), [1, 0, -1, 0], rtol=0, atol=1e-15)
    assert cosine_similarity(u.astype("float32"), v.astype("float32")).dtype == np.float32


def test_man_is_to_woman_as_king_is_to_queen() -> None:
    words = ["man", "woman", "king", "queen", "apple", "orange"]
    gender, royal, age, food = np.eye(4)
    embeddings = np.stack(
        [-gender + 0.1 * age, gender, -gender + royal, gender + royal, food, food + 0.1 * age + 0.05 * gender]
    )
    man, woman, king, apple = (words.index(w) for w in ("man", "woman", "king", "apple"))
    assert words[analogy(man, woman, king, embeddings)] == "queen"
    assert [words[i] for i in most_similar(embeddings[apple], embeddings, without=(apple,))] == ["orange"]
    assert len(most_similar(embeddings[apple], embeddings, count=99)) == 6


def test_an_analogy_needs_a_fourth_token() -> None:
    with pytest.raises(ValueError, match="besides the three"):
        analogy(0, 1, 2, np.eye(3))
