"""The course's networks for images at the size that they were published in (Ng, Convolutional Neural Networks, week 2).

`comparisons.networks_images` has them reduced to a few thousand parameters; these have 12 to 138 million.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from scratch import (
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    architecture,
)

CLASSES = 1000


def alexnet() -> Architecture:
    """Krizhevsky et al. 2012, for images of 227 x 227: the groups are the halves that its two GPUs held."""
    return architecture(
        Conv2D(3, 96, 11, stride=4),
        ReLU(),
        LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
        MaxPool2D(3, 2),
        Conv2D(96, 256, 5, padding="same", groups=2),
        ReLU(),
        LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
        MaxPool2D(3, 2),
        Conv2D(256, 384, 3, padding="same"),
        ReLU(),
        Conv2D(384, 384, 3, padding="same", groups=2),
        ReLU(),
        Conv2D(384, 256, 3, padding="same", groups=2),
        ReLU(),
        MaxPool2D(3, 2),
        *_dense_end(6 * 6 * 256),
        loss=SoftmaxCrossEntropy(),
    )


def _dense_end(n_in: int) -> list[Layer]:
    """The three dense layers that AlexNet and VGG end with."""
    wide = [Dense(n_in, 4096), ReLU(), Dropout(0.5), Dense(4096, 4096), ReLU(), Dropout(0.5)]
    return [Flatten(), *wide, Dense(4096, CLASSES)]


def vgg_block(n_in: int, n_out: int, convolutions: int) -> list[Layer]:
    """3x3 "same" convolutions with ReLU, then the maxima of 2x2 windows, which halve the image."""
    layers: list[Layer] = []
    for channels in (n_in, *(n_out,) * (convolutions - 1)):
        layers += [Conv2D(channels, n_out, 3, padding="same"), ReLU()]
    return [*layers, MaxPool2D(2)]


VGG16_BLOCKS = ((3, 64, 2), (64, 128, 2), (128, 256, 3), (256, 512, 3), (512, 512, 3))
"""Channels in, channels out and convolutions of VGG-16's blocks."""


def vgg16() -> Architecture:
    """Simonyan & Zisserman 2015, configuration D, for images of 224 x 224."""
    blocks = itertools.chain.from_iterable(vgg_block(*block) for block in VGG16_BLOCKS)
    return architecture(*blocks, *_dense_end(7 * 7 * 512), loss=SoftmaxCrossEntropy())


def _normalised(n_in: int, n_out: int, kernel: int, stride: int = 1) -> list[Layer]:
    return [Conv2D(n_in, n_out, kernel, stride=stride, padding="same", bias=False), BatchNorm(n_out)]


def _residual(layers: list[Layer], n_in: int, n_out: int, stride: int) -> Residual:
    """The layers beside the identity or, where the shape changes, a projection."""
    changes = (n_in, stride) != (n_out, 1)
    return Residual(tuple(layers), tuple(_normalised(n_in, n_out, 1, stride)) if changes else ())


def basic_block(n_in: int, width: int, stride: int) -> Residual:
    """Two 3x3 convolutions."""
    layers = [*_normalised(n_in, width, 3, stride), ReLU(), *_normalised(width, width, 3)]
    return _residual(layers, n_in, width, stride)


def bottleneck_block(n_in: int, width: int, stride: int) -> Residual:
    """A 3x3 convolution between two of 1x1, which reduce the channels and restore them to four times the width."""
    reduce, restore = _normalised(n_in, width, 1, stride), _normalised(width, 4 * width, 1)
    layers = [*reduce, ReLU(), *_normalised(width, width, 3), ReLU(), *restore]
    return _residual(layers, n_in, 4 * width, stride)


def _resnet(block: Callable[[int, int, int], Residual], expansion: int, depths: tuple[int, ...]) -> Architecture:
    """He et al. 2016, for images of 224 x 224. As in the course, the maximum after the stem sees no padding."""
    layers: list[Layer] = [Conv2D(3, 64, 7, stride=2, padding=3, bias=False), BatchNorm(64), ReLU(), MaxPool2D(3, 2)]
    n_in = 64
    for stage, depth in enumerate(depths):
        width = 64 * 2**stage
        for i in range(depth):
            layers += [block(n_in, width, 2 if stage and not i else 1), ReLU()]
            n_in = expansion * width
    return architecture(*layers, GlobalAveragePool2D(), Dense(n_in, CLASSES), loss=SoftmaxCrossEntropy())


def resnet18() -> Architecture:
    """He et al. 2016: 8 basic blocks."""
    return _resnet(basic_block, 1, (2, 2, 2, 2))


def resnet50() -> Architecture:
    """He et al. 2016: 16 bottleneck blocks."""
    return _resnet(bottleneck_block, 4, (3, 4, 6, 3))


FULL_NETWORKS: dict[str, tuple[Architecture, tuple[int, int, int]]] = {
    "alexnet": (alexnet(), (227, 227, 3)),
    "vgg16": (vgg16(), (224, 224, 3)),
    "resnet18": (resnet18(), (224, 224, 3)),
    "resnet50": (resnet50(), (224, 224, 3)),
}
"""The networks, and the shape of one of their images."""
