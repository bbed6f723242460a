"""What TensorFlow and Keras do where conventions are met, of numbers, optimizers and training."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference.demonstrations import Found, outcome
from reference.demonstrations.in_tensorflow import TABLE


def _stepped(optimizer: Any, *gradients: float) -> float:
    """A weight that starts at 0, after updates with these gradients."""
    w = keras.Variable([0.0])
    for g in gradients:
        optimizer.apply([keras.ops.convert_to_tensor([g])], [w])
    return float(w.numpy()[0])


@TABLE.of("gradient-accumulation")
def _accumulation() -> Found:
    w = tf.Variable([1.0])
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(2 * w)
        found = tape.gradient(loss, w)
    yield "gradient of 2 w after two backward passes", float(found[0])


@TABLE.of("weight-decay-meaning")
def _weight_decay() -> Found:
    w = keras.Variable([4.0])
    keras.optimizers.Adam(0.1, weight_decay=0.5).apply([keras.ops.zeros(1)], [w])
    yield "Adam on w = 4, g = 0, decay 0.5, rate 0.1", float(w.numpy()[0])


@TABLE.of("clip-not-finite")
def _clip_not_finite() -> Found:
    (found,), _ = tf.clip_by_global_norm([tf.constant([1.0, np.inf])], 1.0)
    yield "(1, inf) clipped to the global norm 1", found.numpy()
    yield "to the norm 1", tf.clip_by_norm(tf.constant([1.0, np.inf]), 1.0).numpy()


@TABLE.of("schedule-count")
def _schedule_count() -> Found:
    schedule = keras.optimizers.schedules.InverseTimeDecay(1.0, 1, 1.0)
    optimizer, w = keras.optimizers.SGD(schedule), keras.Variable([0.0])
    moved = []
    for _ in range(3):
        before = float(w.numpy()[0])
        optimizer.apply([keras.ops.ones(1)], [w])
        moved.append(before - float(w.numpy()[0]))
    yield "rates of 1/(1 + t)", moved


@TABLE.of("optimizer-state-names")
def _state_names() -> Found:
    for optimizer in (keras.optimizers.SGD(momentum=0.9), keras.optimizers.RMSprop(), keras.optimizers.Adam()):
        optimizer.build([keras.Variable([0.0], name="w")])
        names = [v.name.removeprefix("w_") for v in optimizer.variables if v.name.startswith("w_")]
        yield type(optimizer).__name__, ", ".join(names)


@TABLE.of("penalty-in-loss")
def _penalty_in_loss() -> Found:
    layer = keras.layers.Dense(
        1, use_bias=False, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5)
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(loss="mse", run_eagerly=True)
    x, y = np.array([[2.0]]), np.array([[1.0]])
    yield "a loss that is called, w = 1, l2 = 0.5", float(keras.losses.MeanSquaredError()(y, model(x)))
    yield "evaluate()", float(model.evaluate(x, y, verbose=0))


@TABLE.of("default-dtype")
def _default_dtype() -> Found:
    array = np.ones((1, 1))
    yield "of [0.5]", tf.constant([0.5]).dtype.name
    yield "constant(float64 array)", tf.constant(array).dtype.name
    yield "a Keras layer of it", keras.layers.ReLU()(array).dtype.name


@TABLE.of("mixed-dtypes")
def _mixed() -> Found:
    x = tf.ones(2)
    yield "float32 times np.float64", (x * np.sqrt(5)).dtype.name
    yield "times a float64 tensor", outcome(lambda: x * tf.ones(2, tf.float64))


@TABLE.of("float32-rounding")
def _rounding() -> Found:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((64, 256), (256, 64)))
    whole, alone = (a @ tf.constant(b)).numpy(), (a[:1] @ tf.constant(b)).numpy()
    exact = a.astype(np.float64) @ b
    yield "a float32 product, largest error", float(np.abs(whole - exact).max() / np.abs(exact).max())
    yield "share of its elements that are NumPy's bit for bit", float((whole == a @ b).mean())
    yield "a row alone against the same in 64", float(np.abs(whole[:1] - alone).max())


@TABLE.of("tensor-float-32")
def _tf32() -> Found:
    yield "allowed", tf.config.experimental.tensor_float_32_execution_enabled()


@TABLE.of("course-gradient-scale")
def _gradient_scale() -> Found:
    z = tf.reshape(tf.cast(tf.linspace(-1.0, 1.0, 7), tf.float64), (7, 1))
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = keras.losses.BinaryCrossentropy(from_logits=True, dtype="float64")(tf.zeros_like(z), z)
    yield "(A - Y) / dJ/dz, m = 7", float(tf.reduce_mean(tf.sigmoid(z) / tape.gradient(loss, z)))


@TABLE.of("momentum-dampening")
def _dampening() -> Found:
    yield "dampening in SGD", "dampening" in inspect.signature(keras.optimizers.SGD).parameters
    yield "first step for g = 1, rate 1, momentum 0.9", _stepped(keras.optimizers.SGD(1.0, momentum=0.9), 1.0)


@TABLE.of("default-rate")
def _default_rate() -> Found:
    for kind in (keras.optimizers.SGD, keras.optimizers.RMSprop, keras.optimizers.Adagrad, keras.optimizers.Adam):
        yield kind.__name__, inspect.signature(kind).parameters["learning_rate"].default


@TABLE.of("rate-type")
def _rate_type() -> Found:
    yield "a rate of 1", outcome(lambda: keras.optimizers.SGD(1))


@TABLE.of("missing-gradient")
def _missing_gradient() -> Found:
    v, w = keras.Variable([1.0]), keras.Variable([1.0])
    optimizer = keras.optimizers.SGD(1.0)
    yield "all None", outcome(lambda: optimizer.apply([None, None], [v, w]))
    optimizer.apply([keras.ops.ones(1), None], [v, w])
    yield "moved by None beside a gradient of 1", float(w.numpy()[0]) - 1
    once, twice = (_stepped(keras.optimizers.Adam(1.0), *g) for g in ((1.0,), (1.0, 0.0)))
    yield "moved by a step of Adam with g = 0 after g = 1", twice - once


@TABLE.of("average-start")
def _average_start() -> Found:
    # A rate of 1 and gradients of the way to go make the weight 1, then 0.
    optimizer, w = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.9), keras.Variable([1.0])
    found = []
    for g in (0.0, 1.0):
        optimizer.apply([keras.ops.convert_to_tensor([g])], [w])
        found.append(float(optimizer._model_variables_moving_average[0].numpy()[0]))
    yield "average of (1, 0), momentum 0.9", found


@TABLE.of("decay-start")
def _decay_start() -> Found:
    class Root(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return 1 / keras.ops.sqrt(keras.ops.cast(step, "float32"))

    yield "rate of 1/sqrt(t) at the first update", float(keras.optimizers.SGD(Root()).learning_rate)


@TABLE.of("batching")
def _batching() -> Found:
    sizes: list[int] = []

    class Watched(keras.Model):
        def call(self, x: Any) -> Any:
            sizes.append(len(x))
            return self.dense(x)

    model = Watched()
    model.dense = keras.layers.Dense(1)
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.zeros((40, 1)), np.zeros((40, 1)), verbose=0)
    yield "sizes of 40 examples", sizes[-2:]
    yield "shuffled", inspect.signature(keras.Model.fit).parameters["shuffle"].default


@TABLE.of("epoch-loss")
def _epoch_loss() -> Found:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    x, y = np.ones((10, 1)), np.repeat([1.0, 3.0], [8, 2]).reshape(-1, 1)
    history = model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    yield "of fit, two batches", float(history.history["loss"][0])
    yield "of evaluate afterwards", float(model.evaluate(x, y, verbose=0))


@TABLE.of("accuracy-threshold")
def _accuracy_threshold() -> Found:
    def accuracy(prediction: float) -> float:
        return float(keras.metrics.BinaryAccuracy()(np.array([[1.0]]), np.array([[prediction]])))

    yield "BinaryAccuracy of 0.5 for a yes", accuracy(0.5)
    yield "of the logit 0.3, a probability of 0.57", accuracy(0.3)


@TABLE.of("gradient-check-step")
def _gradient_check_step() -> Found:
    for dtype in (tf.float64, tf.float32):
        analytic, numeric = tf.test.compute_gradient(tf.tanh, [tf.constant([0.3, -0.8], dtype)])
        yield f"error of the quotients of tanh in {dtype.name}", float(np.abs(analytic[0] - numeric[0]).max())
