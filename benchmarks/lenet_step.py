"""Time of one training step of LeNet-5 on 64 images: scratch : torch : TensorFlow, side by side in one process.

Forward, loss, backward and gradient descent, each implementation as its users would write it: NumPy arrays in NHWC,
`nn.Sequential` in NCHW, a Keras model in a `tf.function`.
"""

from __future__ import annotations

from side_by_side import THREADS, Step, compare, keras_training, torch_training  # first: it sets the number of threads  # isort: skip

import numpy as np

from comparisons.networks import NETWORKS
from scratch import GradientDescent, Network, Trainer, initial_weights

BATCH, RATE = 64, 0.01


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """One batch of images (64, 32, 32, 1) and one-hot targets (64, 10)."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 32, 32, 1)).astype(dtype), np.eye(10, dtype=dtype)[rng.integers(0, 10, BATCH)]


def scratch_step(dtype: str) -> Step:
    """The from-scratch network's training step."""
    network = Network(NETWORKS["lenet5"], initial_weights(NETWORKS["lenet5"], np.random.default_rng(1), dtype=dtype))
    trainer = Trainer(network, GradientDescent(RATE))
    x, y = data(dtype)
    return lambda: trainer.update(network.differentiate(x, y).grads)


def torch_step(dtype: str) -> Step:
    """torch's, eager, channels first."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    layers = [
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
    ]
    layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    model = nn.Sequential(*layers).to(getattr(torch, dtype))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    images, targets = data(dtype)
    x, y = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(targets)
    return torch_training(model, optimizer, x, y)


def tensorflow_step(dtype: str) -> Step:
    """Keras's, compiled by `tf.function`."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    keras.config.set_floatx(dtype)
    of = keras.layers
    layers = [of.Conv2D(6, 5), of.ReLU(), of.AveragePooling2D(2), of.Conv2D(16, 5), of.ReLU(), of.AveragePooling2D(2)]
    layers += [of.Flatten(), of.Dense(120), of.ReLU(), of.Dense(84), of.ReLU(), of.Dense(10)]
    model = keras.Sequential(layers)
    x, y = (tf.constant(a) for a in data(dtype))
    return keras_training(model, keras.optimizers.SGD(RATE), x, y)


def main() -> None:
    """Print one table per precision."""
    for dtype in ("float32", "float64"):
        steps = {"scratch": scratch_step(dtype), "torch": torch_step(dtype), "tensorflow": tensorflow_step(dtype)}
        compare(f"one training step, LeNet-5, batch {BATCH}, {dtype}", steps, repeats=5)


if __name__ == "__main__":
    main()
