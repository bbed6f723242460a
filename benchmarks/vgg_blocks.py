"""Time of one training step of each of VGG-16's five blocks on 8 images: scratch : torch : TensorFlow, side by side in one process.

Forward, backward from a given upstream gradient to the parameters and to the block's input, and gradient descent, each
implementation as its users would write it: NumPy arrays in NHWC, `nn.Sequential` in NCHW, a Keras model in a `tf.function`.
"""

from __future__ import annotations

from side_by_side import THREADS, Step, compare  # first: it sets the number of threads  # isort: skip

import numpy as np

from comparisons.networks_full import VGG16_BLOCKS, vgg_block
from scratch import GradientDescent, Network, Trainer, architecture, initial_weights

BATCH, RATE, DTYPE = 8, 1e-6, "float32"
Block = tuple[int, int, int]


def data(block: Block, size: int) -> tuple[np.ndarray, np.ndarray]:
    """One batch of images (8, size, size, n_in) and a gradient of the block's output."""
    rng, (n_in, n_out, _) = np.random.default_rng(0), block
    images = rng.standard_normal((BATCH, size, size, n_in), DTYPE)
    return images, rng.standard_normal((BATCH, size // 2, size // 2, n_out), DTYPE)


def scratch_step(block: Block, size: int) -> Step:
    """The from-scratch block's training step."""
    arch = architecture(*vgg_block(*block))
    network = Network(arch, initial_weights(arch, np.random.default_rng(1), dtype=DTYPE))
    trainer = Trainer(network, GradientDescent(RATE))
    x, upstream = data(block, size)
    return lambda: trainer.update(network.differentiate(x, upstream=upstream).grads)


def torch_step(block: Block, size: int) -> Step:
    """torch's, eager, channels first."""
    import torch
    from torch import nn

    torch.set_num_threads(THREADS)
    n_in, n_out, convolutions = block
    layers: list[nn.Module] = []
    for channels in (n_in, *(n_out,) * (convolutions - 1)):
        layers += [nn.Conv2d(channels, n_out, 3, padding="same"), nn.ReLU()]
    model = nn.Sequential(*layers, nn.MaxPool2d(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    x, upstream = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous() for a in data(block, size))
    x.requires_grad_()

    def step() -> None:
        optimizer.zero_grad()
        x.grad = None
        model(x).backward(upstream)
        optimizer.step()

    return step


def tensorflow_step(block: Block, size: int) -> Step:
    """Keras's, compiled by `tf.function`."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    keras.config.set_floatx(DTYPE)
    _, n_out, convolutions = block
    layers = [keras.layers.Conv2D(n_out, 3, padding="same", activation="relu") for _ in range(convolutions)]
    model, optimizer = keras.Sequential([*layers, keras.layers.MaxPooling2D(2)]), keras.optimizers.SGD(RATE)
    x, upstream = (tf.constant(a) for a in data(block, size))
    model.build(x.shape)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
        variables = model.trainable_variables
        dx, *gradients = tape.gradient(y, [x, *variables], upstream)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return dx

    return lambda: step().numpy()


def main() -> None:
    """Print one table per block."""
    for number, block in enumerate(VGG16_BLOCKS, start=1):
        size = 224 // 2 ** (number - 1)
        steps = {
            "scratch": scratch_step(block, size),
            "torch": torch_step(block, size),
            "tensorflow": tensorflow_step(block, size),
        }
        compare(f"one training step, VGG-16's block {number}, batch {BATCH}, {DTYPE}", steps, repeats=1, rounds=5)


if __name__ == "__main__":
    main()
