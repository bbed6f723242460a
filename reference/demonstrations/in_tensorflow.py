"""What TensorFlow and Keras do where conventions are met, of layers and losses; `in_tensorflow_training` has the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference.demonstrations import Found, Table, outcome

TABLE = Table()
Layer = Any
Tensor = Any
LAYERS = keras.layers


def _built(layer: Layer, *shape: int | None) -> Layer:
    layer.build((None, *shape))
    return layer


def _weights(layer: Layer) -> list[tuple[str, tuple[int, ...]]]:
    return [(w.name, tuple(w.shape)) for w in layer.weights]


def _gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> Any:
    """Of the sum of f's outputs."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(f(x))
    return tape.gradient(y, x)


def _slope(f: Callable[[Tensor], Tensor]) -> float:
    return float(_gradient(f, [0.0])[0])


def _ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@TABLE.of("dense-layout")
def _dense_layout() -> Found:
    yield from ((f"{name} of Dense(3) on 4", shape) for name, shape in _weights(_built(LAYERS.Dense(3), 4)))


@TABLE.of("conv-layout")
def _conv_layout() -> Found:
    yield "kernel of Conv2D(5, (2, 4)) on 3 channels", _weights(_built(LAYERS.Conv2D(5, (2, 4)), 8, 9, 3))[0][1]


@TABLE.of("depthwise-layout")
def _depthwise_layout() -> Found:
    layer = _built(LAYERS.DepthwiseConv2D(3, depth_multiplier=2), 8, 8, 4)
    yield "kernel of DepthwiseConv2D(3, depth_multiplier=2) on 4 channels", _weights(layer)[0][1]


@TABLE.of("conv-stride-dilation")
def _conv_stride_dilation() -> Found:
    yield (
        "stride 2 with dilation 2",
        outcome(lambda: LAYERS.Conv2D(1, 3, strides=2, dilation_rate=2)(_ones(1, 9, 9, 1))),
    )


@TABLE.of("pool-ties")
def _pool_ties() -> Found:
    yield (
        "gradient of the maximum of (1, 1, 1, 1)",
        _gradient(LAYERS.MaxPooling2D(2), _ones(1, 2, 2, 1)).numpy().ravel(),
    )


@TABLE.of("channels-axis")
def _channels_axis() -> Found:
    yield "averages of BatchNormalization on (2, 4, 4, 3)", _weights(_built(LAYERS.BatchNormalization(), 4, 4, 3))[2][1]


@TABLE.of("lrn-radius")
def _lrn_radius() -> Found:
    x = _ones(1, 1, 1, 13)
    moved = x.copy()
    moved[..., 6] = 2
    for label, given in (("depth_radius left out", {}), ("depth_radius 2", {"depth_radius": 2})):
        y, z = (tf.nn.local_response_normalization(a, **given) for a in (x, moved))
        yield f"channels that feel the middle one of 13, {label}", int(np.sum(y.numpy() != z.numpy()))


@TABLE.of("lrn-float32")
def _lrn_float32() -> Found:
    x = np.ones((1, 1, 1, 3))
    yield "a float64 tensor", outcome(lambda: tf.nn.local_response_normalization(tf.constant(x)))
    yield "dtype for a float64 array", tf.nn.local_response_normalization(x).dtype.name


@TABLE.of("conv-transpose-layout")
def _conv_transpose_layout() -> Found:
    layer = _built(LAYERS.Conv2DTranspose(5, (2, 4)), 8, 9, 3)
    yield "kernel of Conv2DTranspose(5, (2, 4)) on 3 channels", _weights(layer)[0][1]


@TABLE.of("conv-transpose-tail")
def _conv_transpose_tail() -> Found:
    yield "4 elements, kernel 2, stride 3", LAYERS.Conv2DTranspose(1, 2, strides=3)(_ones(1, 4, 4, 1)).shape[1]


@TABLE.of("batchnorm-batch-of-one")
def _batch_of_one() -> Found:
    norm = LAYERS.BatchNormalization()
    yield "output for one example, beta = 0", norm(np.array([[3.0, 4.0]]), training=True).numpy().ravel()


@TABLE.of("dropout-mask")
def _dropout_mask() -> Found:
    yield "kept of 8, seed 0", (LAYERS.Dropout(0.5, seed=0)(_ones(8), training=True).numpy() > 0).astype(int)
    yield "first normal number, seed 0", float(keras.random.normal((1,), seed=0)[0])


@TABLE.of("leaky-relu-float32-slope")
def _leaky_slope() -> Found:
    layer = LAYERS.LeakyReLU(negative_slope=0.1, dtype="float64")
    yield "slope 0.1 in float64, error", abs(float(layer(tf.constant([-1.0], tf.float64))[0]) + 0.1)


@TABLE.of("initial-weights")
def _initial_weights() -> Found:
    dense, lstm = _built(LAYERS.Dense(300), 400), _built(LAYERS.LSTM(2), 5, 3)
    yield "largest weight of Dense(300) on 400", float(np.abs(dense.kernel.numpy()).max())
    yield "largest bias", float(np.abs(dense.bias.numpy()).max())
    yield "biases of LSTM(2): gates i, f, c, o", lstm.cell.bias.numpy()
    drawn = keras.initializers.HeNormal(seed=0)((400, 300)).numpy()
    yield "deviation of he_normal (400, 300)", float(drawn.std())
    yield "furthest weight, in deviations", float(np.abs(drawn).max() / drawn.std())


@TABLE.of("training-mode")
def _training_mode() -> Found:
    x = _ones(10, 10)
    yield "Dropout(0.5) drops, if not told its mode", bool((LAYERS.Dropout(0.5, seed=0)(x).numpy() == 0).any())


@TABLE.of("keras-dtype")
def _dtype() -> Found:
    x = np.ones((2, 3))
    yield "dtype out of Dense, of float64", LAYERS.Dense(2)(x).dtype.name
    yield "of a loss", keras.losses.MeanSquaredError()(x, x).dtype.name


@TABLE.of("bias-before-batchnorm")
def _bias_before_batchnorm() -> Found:
    dense, norm = (
        _built(LAYERS.Dense(4, kernel_initializer=keras.initializers.HeNormal(seed=0)), 3),
        LAYERS.BatchNormalization(),
    )
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(norm(dense(x), training=True) * np.arange(32, dtype=np.float32).reshape(8, 4))
    db, dw = tape.gradient(y, [dense.bias, dense.kernel])
    yield "largest gradient of the bias", float(np.abs(db).max())
    yield "of the weights", float(np.abs(dw).max())


@TABLE.of("relu-at-zero")
def _relu_at_zero() -> Found:
    yield "slope at 0 of relu", _slope(tf.nn.relu)
    yield "of maximum(x, 0)", _slope(lambda x: tf.maximum(x, 0.0))
    yield "of LeakyReLU with 0.25", _slope(LAYERS.LeakyReLU(negative_slope=0.25))


@TABLE.of("softmax-axis")
def _softmax_axis() -> Found:
    y = LAYERS.Softmax()(np.arange(24, dtype=np.float32).reshape(2, 3, 4)).numpy()
    yield "axis of (2, 3, 4) that sums to 1", next(i for i in range(3) if np.allclose(y.sum(i), 1))


@TABLE.of("maxpool-nan")
def _maxpool_nan() -> Found:
    for label, values in (("(1, NaN, 3, 4)", (1, np.nan, 3, 4)), ("nothing but NaN", (np.nan,) * 4)):
        x = tf.reshape(tf.constant(values, tf.float32), (1, 2, 2, 1))
        yield f"the maximum of {label}", float(LAYERS.MaxPooling2D(2)(x)[0, 0, 0, 0])


@TABLE.of("class-labels")
def _class_labels() -> Found:
    z = tf.constant([[1.0, 2, 3]])
    yield (
        "loss of (1, 2, 3), class 2 as an index",
        float(keras.losses.SparseCategoricalCrossentropy(True)(np.array([2]), z)),
    )
    yield "as (0, 0, 1)", float(keras.losses.CategoricalCrossentropy(True)(np.eye(3)[2:], z))


@TABLE.of("loss-broadcast")
def _loss_broadcast() -> Found:
    loss = keras.losses.MeanSquaredError()(tf.constant([0.0, 1.0]), tf.constant([[0.0], [1.0]]))
    yield "MeanSquaredError of a perfect (2, 1) against (2,)", float(loss)


@TABLE.of("attention-arguments")
def _attention_arguments() -> Found:
    names = inspect.signature(LAYERS.MultiHeadAttention.call).parameters
    yield "order", ", ".join(n for n in names if n in ("query", "key", "value"))


@TABLE.of("embedding-range")
def _embedding_range() -> Found:
    layer = _built(LAYERS.Embedding(3, 1))
    layer.set_weights([np.array([[0.0], [1], [2]])])
    yield "row of token -1, of 3", float(layer(np.array([-1]))[0, 0])
    yield "token 3", outcome(lambda: layer(np.array([3])))


@TABLE.of("probability-clip")
def _probability_clip() -> Found:
    loss, a = keras.losses.BinaryCrossentropy(dtype="float64"), np.array([[1e-300]])
    yield "loss of a = 1e-300, y = 1", float(loss(np.ones((1, 1)), a))
    slope = _gradient(lambda a: loss(np.ones((1, 1)), a), a)
    yield "gradient", float(slope[0, 0])


@TABLE.of("hidden-logits")
def _hidden_logits() -> Found:
    loss, a = keras.losses.BinaryCrossentropy(), keras.activations.sigmoid(tf.constant([[40.0]]))
    yield "loss of sigmoid(40), y = 0, float32", float(loss(_ones(1, 1) * 0, a))
    yield "of the same number", float(loss(_ones(1, 1) * 0, tf.identity(a)))


@TABLE.of("softmax-target-sum")
def _target_sum() -> Found:
    def loss(z: Tensor) -> Tensor:
        return tf.nn.softmax_cross_entropy_with_logits(labels=_ones(1, 3) * 0, logits=z)

    z = tf.constant([[1.0, 2, 3]])
    yield "loss for targets that are all 0", float(loss(z)[0])
    yield "gradient", _gradient(loss, z).numpy().ravel()


@TABLE.of("hinge-worst")
def _hinge_worst() -> Found:
    loss = keras.losses.CategoricalHinge()
    yield (
        "CategoricalHinge of (1, 0.5, 0.75), class 0",
        float(loss(np.array([[1.0, 0, 0]]), np.array([[1.0, 0.5, 0.75]]))),
    )


@TABLE.of("recurrent-layout")
def _recurrent_layout() -> Found:
    layer = _built(LAYERS.LSTM(5), 7, 3)
    yield "weights of LSTM(5) on 3", [shape for _, shape in _weights(layer)[:2]]
    yield "output for (2, 7, 3)", tuple(layer(_ones(2, 7, 3)).shape)


@TABLE.of("recurrent-two-biases")
def _two_biases() -> Found:
    yield "biases of SimpleRNN(3)", sum("bias" in name for name, _ in _weights(_built(LAYERS.SimpleRNN(3), 4, 2)))
    yield "shape of GRU(3)'s", _weights(_built(LAYERS.GRU(3), 4, 2))[2][1]


@TABLE.of("gru-reset-before")
def _gru_reset() -> Found:
    yield "reset_after of GRU(1)", LAYERS.GRU(1).reset_after
    layer = _built(LAYERS.GRU(2, reset_after=False), 4, 3)
    yield "bias of GRU(2, reset_after=False)", _weights(layer)[2][1]
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(1, 4, 3)
    other = _built(LAYERS.GRU(2, reset_after=True), 4, 3)
    kernel, recurrent, bias = (np.linspace(-1, 1, w.size).reshape(w.shape) for w in layer.get_weights())
    layer.set_weights([kernel, recurrent, bias])
    other.set_weights([kernel, recurrent, np.stack([bias, np.zeros_like(bias)])])
    yield "with the same weights the two differ by", float(np.abs(layer(x) - other(x)).max())


@TABLE.of("recurrent-activation")
def _recurrent_activation() -> Found:
    yield "of LSTM's gates", LAYERS.LSTM(1).recurrent_activation.__name__
    yield "sigmoid(1)", float(keras.activations.sigmoid(tf.constant(1.0)))
    yield "hard sigmoid(1)", float(keras.activations.hard_sigmoid(tf.constant(1.0)))


@TABLE.of("embedding-tokens")
def _embedding_tokens() -> Found:
    layer, tokens = _built(LAYERS.Embedding(3, 2)), tf.constant([1.0])
    yield "tokens as floats", outcome(lambda: layer(tokens))
    yield "gradient with respect to them", _gradient(layer, tokens)


@TABLE.of("embedding-sparse-gradient")
def _embedding_sparse() -> Found:
    layer = _built(LAYERS.Embedding(3, 1))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(layer(tf.constant([1, 1, 0])))
    found = tape.gradient(y, layer.trainable_variables[0].value)
    yield "gradient for the tokens (1, 1, 0)", type(found).__name__
    yield "its rows", found.values.shape[0]
    yield "added up", tf.convert_to_tensor(found).numpy().ravel()


@TABLE.of("attention-layout")
def _attention_layout() -> Found:
    layer = LAYERS.MultiHeadAttention(2, 3)
    layer.build((None, 4, 6), (None, 4, 6), (None, 4, 6))
    shapes = {w.path.split("/")[-2]: tuple(w.shape) for w in layer.weights if w.name == "kernel"}
    yield "query's kernel of MultiHeadAttention(2, 3) on 6", shapes["query"]
    yield "the output's", shapes["attention_output"]


@TABLE.of("empty-batch")
def _empty_batch() -> Found:
    yield "shape out of Dense", tuple(LAYERS.Dense(3)(np.zeros((0, 4), np.float32)).shape)
    yield "out of MaxPooling2D", tuple(LAYERS.MaxPooling2D(2)(np.zeros((0, 8, 8, 3), np.float32)).shape)
    yield "Conv2D", outcome(lambda: LAYERS.Conv2D(2, 3)(np.zeros((0, 8, 8, 3), np.float32)))
    yield "LSTM", outcome(lambda: LAYERS.LSTM(3)(np.zeros((0, 5, 4), np.float32)))


@TABLE.of("empty-batch-loss")
def _empty_batch_loss() -> Found:
    loss = keras.losses.MeanSquaredError()
    for shape in ((0, 4), (0, 2, 4)):
        yield f"squared error of {shape}", loss(np.zeros(shape), np.zeros(shape)).numpy()
    layer = _built(LAYERS.Dense(1), 4)
    with tf.GradientTape() as tape:
        nothing = loss(np.zeros((0, 1), np.float32), layer(np.zeros((0, 4), np.float32)))
    yield "gradient of a weight", float(tape.gradient(nothing, layer.kernel.value)[0, 0])


@TABLE.of("empty-batch-averages")
def _empty_batch_averages() -> Found:
    norm = _built(LAYERS.BatchNormalization(), 2)
    norm(np.zeros((0, 2), np.float32), training=True)
    yield "moving mean afterwards", norm.moving_mean.numpy()


@TABLE.of("denormals")
def _denormals() -> Found:
    yield "e^-100 in float32", float(tf.exp(tf.constant([-100.0]))[0])


@TABLE.of("sequence-padding")
def _sequence_padding() -> Found:
    layer = _built(LAYERS.SimpleRNN(1, return_sequences=True), 3, 1)
    x = np.array([[[0.5], [1.0], [9.0]]], np.float32)
    steps = layer(x, mask=np.array([[True, True, False]])).numpy()
    yield "a padded step repeats the last real one", bool(steps[0, 2, 0] == steps[0, 1, 0])
    yield "real steps as without padding", bool(np.allclose(steps[:, :2], layer(x[:, :2])))


@TABLE.of("unbatched-input")
def _unbatched() -> Found:
    yield "Dense(3) on (4,)", outcome(lambda: LAYERS.Dense(3)(_ones(4)))
    yield "Conv2D(2, 3) on (8, 8, 3)", outcome(lambda: LAYERS.Conv2D(2, 3)(_ones(8, 8, 3)))


@TABLE.of("integer-input")
def _integers() -> Found:
    yield "dtype out of Dense, of int64", LAYERS.Dense(3)(np.ones((2, 4), int)).dtype.name
    yield "bytes into Conv2D", outcome(lambda: LAYERS.Conv2D(2, 3)(np.zeros((1, 8, 8, 3), np.uint8)))


@TABLE.of("dropout-nan")
def _dropout_nan() -> Found:
    y = LAYERS.Dropout(0.5, seed=0)(_ones(100) * np.nan, training=True)
    yield "NaN left of 100, half of them dropped", int(np.isnan(y).sum())


@TABLE.of("softmax-overflow")
def _softmax_overflow() -> Found:
    yield "softmax of (1000, 0)", LAYERS.Softmax()(np.array([[1000.0, 0]])).numpy().ravel()


@TABLE.of("probability-range")
def _probability_range() -> Found:
    yield "loss of a = 1.5, y = 0", float(keras.losses.BinaryCrossentropy()(_ones(1, 1) * 0, _ones(1, 1) * 1.5))
    yield "of y = 1", float(keras.losses.BinaryCrossentropy()(_ones(1, 1), _ones(1, 1) * 1.5))


@TABLE.of("attention-mask")
def _attention_mask() -> Found:
    q, v = np.zeros((1, 1, 1), np.float32), np.array([[[1.0], [3.0]]], np.float32)
    layer = LAYERS.MultiHeadAttention(1, 1, use_bias=False)
    layer.build(q.shape, v.shape, v.shape)
    layer.set_weights([np.zeros((1, 1, 1)), np.zeros((1, 1, 1)), np.ones((1, 1, 1)), np.ones((1, 1, 1))])
    found = layer(q, v, attention_mask=np.array([[[True, False]]]))
    yield "MultiHeadAttention of the values (1, 3), mask (True, False)", float(found[0, 0, 0])


@TABLE.of("batchnorm-names")
def _batchnorm_names() -> Found:
    yield "names", ", ".join(name for name, _ in _weights(_built(LAYERS.BatchNormalization(), 2)))


@TABLE.of("depthwise-fan")
def _depthwise_fan() -> Found:
    # The deviation that he_normal aims at is sqrt(2 / fan_in).
    layer = _built(LAYERS.DepthwiseConv2D(3, depthwise_initializer=keras.initializers.HeNormal(seed=0)), 8, 8, 512)
    yield (
        "inputs of a 3 x 3 kernel, 512 channels, as he_normal's deviation tells them",
        round(2 / float(np.var(layer.kernel))),
    )


@TABLE.of("large-mean")
def _large_mean() -> Found:
    x = np.random.default_rng(0).standard_normal((64, 1)) + 1e4
    single, double = (LAYERS.BatchNormalization(dtype=dtype) for dtype in ("float32", "float64"))
    y, exact = (norm(tf.constant(x, norm.dtype), training=True).numpy() for norm in (single, double))
    yield "largest error at mean 1e4, deviation 1, float32", float(np.abs(y - exact).max())


@TABLE.of("deviation-degrees")
def _deviation_degrees() -> Found:
    yield "reduce_std of (1, 3)", float(tf.math.reduce_std([1.0, 3.0]))


@TABLE.of("raw-float64")
def _raw_float64() -> Found:
    x = np.ones((1, 2, 2, 1))
    yield (
        "dtypes of max_pool2d of a float64 array, thrice more",
        ", ".join(tf.nn.max_pool2d(x, 2, 2, "VALID").dtype.name for _ in range(3)),
    )
    yield "of a tensor", tf.nn.max_pool2d(tf.constant(x), 2, 2, "VALID").dtype.name


@TABLE.of("channels-first-float64")
def _channels_first() -> Found:
    for dtype in ("float32", "float64"):
        layer = LAYERS.Conv2D(1, 1, data_format="channels_first", dtype=dtype)
        found = outcome(partial(layer, tf.ones((1, 3, 4, 4), dtype)))
        yield f"Conv2D(data_format='channels_first') in {dtype}", found
