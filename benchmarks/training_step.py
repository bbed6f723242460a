"""Time of one training step of the digits network: scratch : torch : TensorFlow, side by side in one process.

Forward, loss, backward and Adam on batches of 64, each implementation as its users would write it, on the same number of
threads: NumPy arrays, `nn.Sequential` with `torch.optim.Adam`, a Keras model in a `tf.function`. Dropout draws its masks
inside the step in all three.
"""

from __future__ import annotations

from side_by_side import THREADS, Step, compare, keras_training, torch_training  # first: it sets the number of threads  # isort: skip

import numpy as np

from comparisons.networks import NETWORKS
from scratch import Adam, Network, Trainer, dropout_mask, initial_weights

BATCH, RATE = 64, 0.003


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """One batch of inputs (64, 64) and one-hot targets (64, 10)."""
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 64)).astype(dtype), np.eye(10, dtype=dtype)[rng.integers(0, 10, BATCH)]


def scratch_step(dtype: str) -> Step:
    """The from-scratch network's training step."""
    arch, rng = NETWORKS["digits"], np.random.default_rng(1)
    network = Network(arch, initial_weights(arch, rng, dtype=dtype))
    trainer = Trainer(network, Adam(RATE))
    x, y = data(dtype)

    def step() -> None:
        masks = {"dropout1": dropout_mask(rng, (BATCH, 48), 0.8)}
        trainer.update(network.differentiate(x, y, masks=masks).grads)

    return step


def torch_step(dtype: str) -> Step:
    """torch's, eager."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    layers = [nn.Linear(64, 48, bias=False), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 10)]
    model = nn.Sequential(*layers).to(getattr(torch, dtype))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    x, y = (torch.from_numpy(a) for a in data(dtype))
    return torch_training(model, optimizer, x, y)


def tensorflow_step(dtype: str) -> Step:
    """Keras's, compiled by `tf.function`."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    keras.config.set_floatx(dtype)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Dense(48, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    x, y = (tf.constant(a) for a in data(dtype))
    return keras_training(model, keras.optimizers.Adam(RATE), x, y)


def main() -> None:
    """Print one table per precision."""
    for dtype in ("float32", "float64"):
        steps = {"scratch": scratch_step(dtype), "torch": torch_step(dtype), "tensorflow": tensorflow_step(dtype)}
        compare(f"one training step, digits network, batch {BATCH}, {dtype}", steps, repeats=200)


if __name__ == "__main__":
    main()
