"""Time of one training step of a dense network, 784-512-512-10, on 128 examples: scratch : torch : TensorFlow, side by side.

Forward, loss, backward and gradient descent, each implementation as its users would write it: NumPy arrays, `nn.Sequential`,
a Keras model in a `tf.function`.
"""

from __future__ import annotations

from side_by_side import THREADS, Step, compare, keras_training, torch_training  # first: it sets the number of threads  # isort: skip

import numpy as np

from scratch import Dense, GradientDescent, Network, ReLU, SoftmaxCrossEntropy, Trainer, architecture, initial_weights

BATCH, RATE = 128, 0.01


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """One batch of inputs (128, 784) and one-hot targets (128, 10)."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 784)).astype(dtype), np.eye(10, dtype=dtype)[rng.integers(0, 10, BATCH)]


def scratch_step(dtype: str) -> Step:
    """The from-scratch network's training step."""
    layers = (Dense(784, 512), ReLU(), Dense(512, 512), ReLU(), Dense(512, 10))
    arch = architecture(*layers, loss=SoftmaxCrossEntropy())
    network = Network(arch, initial_weights(arch, np.random.default_rng(1), dtype=dtype))
    trainer = Trainer(network, GradientDescent(RATE))
    x, y = data(dtype)
    return lambda: trainer.update(network.differentiate(x, y).grads)


def torch_step(dtype: str) -> Step:
    """torch's, eager."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    layers = [nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)]
    model = nn.Sequential(*layers).to(getattr(torch, dtype))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    x, y = (torch.from_numpy(a) for a in data(dtype))
    return torch_training(model, optimizer, x, y)


def tensorflow_step(dtype: str) -> Step:
    """Keras's, compiled by `tf.function`."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    keras.config.set_floatx(dtype)
    of = keras.layers
    model = keras.Sequential([of.Dense(512), of.ReLU(), of.Dense(512), of.ReLU(), of.Dense(10)])
    x, y = (tf.constant(a) for a in data(dtype))
    return keras_training(model, keras.optimizers.SGD(RATE), x, y)


def main() -> None:
    """Print one table per precision."""
    for dtype in ("float32", "float64"):
        steps = {"scratch": scratch_step(dtype), "torch": torch_step(dtype), "tensorflow": tensorflow_step(dtype)}
        compare(f"one training step, dense 784-512-512-10, batch {BATCH}, {dtype}", steps, repeats=10)


if __name__ == "__main__":
    main()
