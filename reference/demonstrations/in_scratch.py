"""What scratch does where conventions are met."""

from __future__ import annotations

import numpy as np

from reference.demonstrations import Found, Table, outcome
from scratch import (
    LSTM,
    BatchNorm,
    BinaryCrossEntropy,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Layer,
    LayerState,
    MaxPool2D,
    MeanSquaredError,
    Momentum,
    Network,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
    course,
    initial_weights,
)
from scratch.averages import exponentially_weighted_average
from scratch.gradient_check import two_sided
from scratch.initialisers import fan_in
from scratch.schedules import inverse_sqrt_decay

Array = np.ndarray
TABLE = Table()


def _network(layer: Layer, dtype: str = "float64") -> Network:
    arch = architecture(layer)
    return Network(arch, initial_weights(arch, np.random.default_rng(0), dtype=dtype))


def _output(layer: Layer, x: Array) -> Array:
    return _network(layer, "float32" if x.dtype == np.float32 else "float64").forward(x, training=True)[
        type(layer).__name__.lower() + "1"
    ]


@TABLE.of("maxpool-nan")
def _maxpool_nan() -> Found:
    x = np.array([1, np.nan, 3, 4]).reshape(1, 2, 2, 1)
    yield "the maximum of (1, NaN, 3, 4)", _output(MaxPool2D(2), x).item()


@TABLE.of("pool-ties")
def _pool_ties() -> Found:
    layer, x = MaxPool2D(2), np.ones((1, 2, 2, 1))
    _, cache = layer.forward(x, LayerState())
    yield (
        "gradient of the maximum of (1, 1, 1, 1)",
        layer.backward(np.ones((1, 1, 1, 1)), LayerState(), cache)[0].ravel(),
    )


@TABLE.of("batchnorm-batch-of-one")
def _batch_of_one() -> Found:
    yield "output for one example, beta = 0", _output(BatchNorm(2), np.array([[3.0, 4.0]])).ravel()


@TABLE.of("embedding-range")
def _embedding_range() -> Found:
    yield "token -1", outcome(lambda: _output(Embedding(3, 2), np.array([[-1.0]])))


@TABLE.of("softmax-target-sum")
def _target_sum() -> Found:
    z = np.array([[1.0, 2.0, 3.0]])
    loss, y = SoftmaxCrossEntropy(), np.zeros((1, 3))
    yield "gradient for targets that are all 0", loss.backward(y, loss.forward(z, y)[1]).ravel()


@TABLE.of("probability-clip")
def _probability_clip() -> Found:
    yield "loss of a = 1e-300, y = 1", BinaryCrossEntropy().forward(np.array([[1e-300]]), np.ones((1, 1)))[0].item()


@TABLE.of("initial-weights")
def _initial_weights() -> Found:
    W = _network(Dense(400, 300)).weights().params["dense1"]["W"]
    yield "deviation of W (400, 300), He", W.std()
    yield "furthest weight, in deviations", np.abs(W).max() / W.std()


@TABLE.of("empty-batch")
def _empty_batch() -> Found:
    for layer, shape in (
        (Dense(4, 3), (4,)),
        (Conv2D(3, 2, 3), (8, 8, 3)),
        (LSTM(4, 3), (5, 4)),
        (MaxPool2D(2), (8, 8, 3)),
    ):
        yield f"shape out of {type(layer).__name__}", _output(layer, np.zeros((0, *shape))).shape


@TABLE.of("empty-batch-loss")
def _empty_batch_loss() -> Found:
    yield "squared error of nothing", MeanSquaredError().forward(np.zeros((0, 4)), np.zeros((0, 4)))[0].item()


@TABLE.of("empty-batch-averages")
def _empty_batch_averages() -> Found:
    network = _network(BatchNorm(2))
    network.forward(np.zeros((0, 2)), training=True)
    yield "running mean afterwards", network.weights().buffers["batchnorm1"]["running_mean"]


@TABLE.of("denormals")
def _denormals() -> Found:
    yield "e^-100 in float32", np.exp(np.float32(-100))


@TABLE.of("unbatched-input")
def _unbatched() -> Found:
    yield "Dense on (4,)", outcome(lambda: _output(Dense(4, 3), np.zeros(4)))


@TABLE.of("integer-input")
def _integers() -> Found:
    yield "dtype out of Dense", _output(Dense(4, 3), np.ones((2, 4), int)).dtype


@TABLE.of("mixed-dtypes")
def _mixed() -> Found:
    x = np.ones(2, np.float32)
    yield "float32 / 0.1", (x / 0.1).dtype
    yield "float32 / np.sqrt(5)", (x / np.sqrt(5)).dtype


@TABLE.of("dropout-nan")
def _dropout_nan() -> Found:
    layer = Dropout(0.5)
    state = LayerState(training=True, mask=np.array([[False, True]]))
    yield "a NaN that is dropped", layer.forward(np.array([[np.nan, 1.0]]), state)[0][0, 0]


@TABLE.of("softmax-overflow")
def _softmax_overflow() -> Found:
    z = np.array([[1000.0, 0.0]])
    t = np.exp(z)
    yield "softmax of (1000, 0)", _output(Softmax(), z).ravel()
    yield "t / sum t with t = e^z", (t / t.sum()).ravel()


@TABLE.of("probability-range")
def _probability_range() -> Found:
    yield "loss of a = 1.5, y = 0", BinaryCrossEntropy().forward(np.array([[1.5]]), np.zeros((1, 1)))[0].item()


@TABLE.of("correlation")
def _correlation() -> Found:
    layer, x = Conv2D(1, 1, (1, 2), bias=False), np.array([1.0, 2.0, 4.0]).reshape(1, 1, 3, 1)
    y, _ = layer.forward(x, LayerState({"W": np.array([1.0, 10.0]).reshape(1, 2, 1, 1)}))
    yield "(1, 2, 4) with the kernel (1, 10)", y.ravel()
    yield "numpy.convolve", np.convolve(x.ravel(), [1.0, 10.0], "valid")


@TABLE.of("large-mean")
def _large_mean() -> Found:
    x = (np.random.default_rng(0).standard_normal((64, 1)) + 1e4).astype(np.float32)
    exact = _output(BatchNorm(1), x.astype(np.float64))
    yield "largest error at mean 1e4, deviation 1, float32", float(np.abs(_output(BatchNorm(1), x) - exact).max())


@TABLE.of("deviation-degrees")
def _deviation_degrees() -> Found:
    yield "numpy.std of (1, 3)", np.std([1.0, 3.0])


@TABLE.of("depthwise-fan")
def _depthwise_fan() -> Found:
    yield "inputs of a 3 x 3 kernel, 8 channels, depthwise", fan_in(Conv2D(8, 8, 3, groups=8).parameter_shapes()["W"])


@TABLE.of("course-gradient-scale")
def _course_gradient_scale() -> Found:
    rng, m = np.random.default_rng(0), 7
    X, Y = rng.standard_normal((3, m)), rng.integers(0, 2, (1, m)).astype(float)
    parameters = {"W1": rng.standard_normal((1, 3)), "b1": np.zeros((1, 1))}
    AL, caches = course.L_model_forward(X, parameters)
    grads = course.L_model_backward(AL, Y, caches)
    loss = BinaryCrossEntropy()
    dA = loss.backward(Y.T, loss.forward(AL.T, Y.T)[1]).T
    W = two_sided(lambda: float(course.compute_cost(course.L_model_forward(X, parameters)[0], Y)), parameters["W1"])
    yield "the course's dA / dJ/dA, m = 7", float((grads["dA1"] / dA).mean())
    yield "the course's dW / dJ/dW", float((grads["dW1"] / W).mean())


@TABLE.of("momentum-dampening")
def _momentum_dampening() -> Found:
    rule = Momentum(1.0, beta=0.9)
    w = np.zeros(1)
    yield "first step for g = 1, alpha = 1, beta = 0.9", rule.update(w, np.ones(1), rule.initial_state(w), 1).item()


@TABLE.of("average-start")
def _average_start() -> Found:
    values = np.array([1.0, 0.0])
    yield "average of (1, 0), beta 0.9", exponentially_weighted_average(values, 0.9)
    yield "corrected", exponentially_weighted_average(values, 0.9, bias_correction=True)


@TABLE.of("decay-start")
def _decay_start() -> Found:
    yield "rate at t = 1, k = 1", inverse_sqrt_decay(1.0, 1)
    yield "at t = 0", outcome(lambda: inverse_sqrt_decay(1.0, 0))


@TABLE.of("gradient-check-step")
def _gradient_check_step() -> Found:
    rng = np.random.default_rng(0)
    x, layer = rng.standard_normal(20), Tanh()

    def cost() -> float:
        return float(layer.forward(x, LayerState())[0].sum())

    y, cache = layer.forward(x, LayerState())
    dx, _ = layer.backward(np.ones_like(y), LayerState(), cache)
    for step in (1e-5, 1e-7):
        yield f"largest error with {step:g}", float(np.abs(two_sided(cost, x, step) - dx).max())
