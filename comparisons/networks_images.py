"""The course's networks for images (Ng, Convolutional Neural Networks, week 2), each reduced to a few thousand parameters.

What makes each of them is kept: the order of its layers, the sizes of its kernels and strides where a small image allows.
"""

from __future__ import annotations

from scratch import (
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    architecture,
)


def residual_block(n_in: int, n_out: int, stride: int = 1) -> Residual:
    """Two 3x3 convolutions with batch norm, beside the identity or, where the shape changes, a projection (He et al. 2016)."""
    layers = (
        Conv2D(n_in, n_out, 3, stride=stride, padding="same", bias=False),
        BatchNorm(n_out),
        ReLU(),
        Conv2D(n_out, n_out, 3, padding="same", bias=False),
        BatchNorm(n_out),
    )
    projection = (Conv2D(n_in, n_out, 1, stride=stride, bias=False), BatchNorm(n_out))
    return Residual(layers, () if (n_in, stride) == (n_out, 1) else projection)


IMAGE_NETWORKS: dict[str, tuple[Architecture, tuple[int, int, int]]] = {
    # He et al. 2016: stem, then blocks, the image halved where the channels double; a global average in front of the softmax.
    "resnet-small": (
        architecture(
            Conv2D(3, 8, 3, padding="same", bias=False),
            BatchNorm(8),
            ReLU(),
            residual_block(8, 8),
            ReLU(),
            residual_block(8, 12, stride=2),
            ReLU(),
            GlobalAveragePool2D(),
            Dense(12, 4),
            loss=SoftmaxCrossEntropy(),
        ),
        (16, 16, 3),
    ),
    # Krizhevsky et al. 2012: a large first kernel with a stride, local response norm, overlapping maxima, dropout between the
    # dense layers.
    "alexnet-small": (
        architecture(
            Conv2D(3, 8, 5, stride=2),
            ReLU(),
            LocalResponseNorm(5),
            MaxPool2D(3, 2),
            Conv2D(8, 12, 5, padding="same"),
            ReLU(),
            LocalResponseNorm(5),
            Conv2D(12, 12, 3, padding="same"),
            ReLU(),
            Conv2D(12, 8, 3, padding="same"),
            ReLU(),
            MaxPool2D(3, 2),
            Flatten(),
            Dense(32, 24),
            ReLU(),
            Dropout(0.5),
            Dense(24, 16),
            ReLU(),
            Dropout(0.5),
            Dense(16, 5),
            loss=SoftmaxCrossEntropy(),
        ),
        (27, 27, 3),
    ),
    # Simonyan & Zisserman 2015: nothing but 3x3 "same" convolutions and 2x2 maxima; channels double as the image halves.
    "vgg-small": (
        architecture(
            Conv2D(3, 6, 3, padding="same"),
            ReLU(),
            Conv2D(6, 6, 3, padding="same"),
            ReLU(),
            MaxPool2D(2),
            Conv2D(6, 12, 3, padding="same"),
            ReLU(),
            Conv2D(12, 12, 3, padding="same"),
            ReLU(),
            MaxPool2D(2),
            Flatten(),
            Dense(192, 16),
            ReLU(),
            Dropout(0.5),
            Dense(16, 5),
            loss=SoftmaxCrossEntropy(),
        ),
        (16, 16, 3),
    ),
}
"""The networks, and the shape of one of their images."""
