"""The networks that cases compare, by name: descriptions only, no arrays."""

from __future__ import annotations

from comparisons.networks_images import IMAGE_NETWORKS
from comparisons.networks_transfer import TRANSFER_NETWORKS
from scratch import (
    L1,
    L2,
    Architecture,
    AveragePool2D,
    BatchNorm,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
)

NETWORKS: dict[str, Architecture] = {
    "logistic": architecture(Dense(7, 1), loss=BinaryCrossEntropyFromLogits()),
    # The course's: its cost takes the probabilities.
    "shallow-tanh": architecture(Dense(5, 4), Tanh(), Dense(4, 1), Sigmoid(), loss=BinaryCrossEntropy()),
    "deep-relu": architecture(
        Dense(9, 8),
        ReLU(),
        Dense(8, 6),
        ReLU(),
        Dense(6, 4),
        ReLU(),
        Dense(4, 3),
        loss=SoftmaxCrossEntropy(),
        regulariser=L2(0.7),
    ),
    "leaky-regression": architecture(
        Dense(6, 8), LeakyReLU(0.25), Dense(8, 5), Sigmoid(), Dense(5, 2), loss=MeanSquaredError()
    ),
    "batchnorm-dropout": architecture(
        Dense(6, 8, bias=False),
        BatchNorm(8),
        Tanh(),
        Dropout(0.8),
        Dense(8, 7, bias=False),
        BatchNorm(7, momentum=0.75, epsilon=1e-3),
        ReLU(),
        Dropout(0.6),
        Dense(7, 4),
        loss=SoftmaxCrossEntropy(),
        regulariser=L2(0.3),
    ),
    # The bias has no effect: batch norm's mean removes it. Its gradient is 0, up to rounding.
    "bias-before-batchnorm": architecture(
        Dense(5, 4), BatchNorm(4), Sigmoid(), Dense(4, 3), loss=SoftmaxCrossEntropy()
    ),
    "digits": architecture(
        Dense(64, 48, bias=False), BatchNorm(48), ReLU(), Dropout(0.8), Dense(48, 10), loss=SoftmaxCrossEntropy()
    ),
    # As the course tells it (Convolutional Neural Networks, week 2): average pooling as in LeCun et al. 1998, but ReLU,
    # softmax, and all channels connected.
    "lenet5": architecture(
        Conv2D(1, 6, 5),
        ReLU(),
        AveragePool2D(2),
        Conv2D(6, 16, 5),
        ReLU(),
        AveragePool2D(2),
        Flatten(),
        Dense(400, 120),
        ReLU(),
        Dense(120, 84),
        ReLU(),
        Dense(84, 10),
        loss=SoftmaxCrossEntropy(),
    ),
    # Many weights that are, or become, exactly 0.
    "sparse": architecture(
        Dense(7, 6),
        Tanh(),
        Dense(6, 5, bias=False),
        BatchNorm(5),
        Tanh(),
        Dense(5, 3),
        loss=SoftmaxCrossEntropy(),
        regulariser=L1(0.7),
    ),
    **{name: arch for name, (arch, _) in (IMAGE_NETWORKS | TRANSFER_NETWORKS).items()},
}
IMAGES = {NETWORKS["lenet5"]: (32, 32, 1)} | dict((IMAGE_NETWORKS | TRANSFER_NETWORKS).values())
"""Shape of one example of the networks that take images: their layers take any size."""


def input_shape(arch: Architecture) -> tuple[int, ...]:
    """Shape of one example, as the first layer that knows tells it."""
    if arch in IMAGES:
        return IMAGES[arch]
    for _, layer in arch.layers:
        for attribute in ("n_in", "n"):
            if hasattr(layer, attribute):
                return (getattr(layer, attribute),)
    raise ValueError("no layer tells the shape of an example")
