"""Timing several implementations of one step side by side: rounds alternate, so that a busy machine slows all of them."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

THREADS = 2
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, str(THREADS))  # before NumPy and the frameworks are imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

Step = Callable[[], None]


def torch_training(model: Any, optimizer: Any, x: Any, y: Any) -> Step:
    """A torch user's training step: softmax cross-entropy, backward, update."""
    from torch import nn

    loss = nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return step


def keras_training(model: Any, optimizer: Any, x: Any, y: Any) -> Step:
    """A Keras user's training step, compiled by `tf.function`."""
    import keras
    import tensorflow as tf

    model.build(x.shape)
    optimizer.build(model.trainable_variables)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            cost = loss(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(cost, variables), variables, strict=True))

    return step


def compare(title: str, steps: dict[str, Step], repeats: int, rounds: int = 9) -> None:
    """Print the median time of each step, and its ratio to the first; one round more, before the others, warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(repeats):
                step()
            if round_:
                seconds[name].append((time.perf_counter() - start) / repeats)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(middle))
    print(f"{title}, {THREADS} threads")
    for name, value in middle.items():
        print(f"  {name:<11} {value * 1e6:8.0f} us   {value / middle[first]:5.2f} x {first}")
