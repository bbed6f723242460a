"""Cases of convolution and pooling: sizes that are odd or do not divide, every padding, and maxima that are tied."""

from __future__ import annotations

from comparisons.case import Case
from comparisons.networks import NETWORKS, input_shape
from scratch import (
    AveragePool2D,
    Conv2D,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    Layer,
    MaxPool2D,
    Momentum,
    architecture,
)

CONVOLUTIONS: dict[str, tuple[Conv2D, tuple[int, int, int]]] = {
    "valid": (Conv2D(2, 3, 3), (7, 6, 2)),
    "oblong": (Conv2D(3, 2, (2, 5)), (5, 8, 3)),
    "no-bias": (Conv2D(2, 4, 2, bias=False), (4, 5, 2)),
    "stride": (Conv2D(2, 3, 3, stride=(2, 3)), (8, 9, 2)),
    "explicit": (Conv2D(2, 3, 3, stride=2, padding=1), (8, 7, 2)),
    "explicit-wide": (Conv2D(1, 2, 3, padding=3), (4, 3, 1)),
    "same": (Conv2D(2, 3, 3, padding="same"), (5, 6, 2)),
    "same-even-kernel": (Conv2D(2, 3, (4, 2), padding="same"), (5, 6, 2)),
    "same-stride": (Conv2D(2, 3, 3, stride=2, padding="same"), (8, 6, 2)),
    "same-stride-odd": (Conv2D(2, 3, 5, stride=3, padding="same"), (7, 9, 2)),
    "dilation": (Conv2D(2, 3, 3, dilation=2), (7, 8, 2)),
    "same-dilation": (Conv2D(2, 3, (3, 2), padding="same", dilation=(2, 3)), (7, 6, 2)),
    "stride-dilation": (Conv2D(2, 3, 2, stride=2, dilation=2), (8, 7, 2)),
    "1x1": (Conv2D(5, 3, 1), (4, 3, 5)),
    "whole-image": (Conv2D(2, 4, (4, 3)), (4, 3, 2)),
    "many-channels": (Conv2D(5, 3, 3), (5, 6, 5)),
    "groups": (Conv2D(4, 6, 3, groups=2), (5, 6, 4)),
    "depthwise": (Conv2D(3, 3, 3, padding="same", groups=3), (6, 5, 3)),
    "depthwise-multiple": (Conv2D(3, 6, 3, stride=2, padding="same", groups=3), (6, 7, 3)),
}
POOLS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "max": (MaxPool2D(2), (6, 4, 3)),
    "max-left-over": (MaxPool2D((2, 3)), (5, 8, 2)),
    "max-overlapping": (MaxPool2D(3, 2), (8, 7, 2)),
    "average": (AveragePool2D(2), (6, 4, 3)),
    "average-overlapping": (AveragePool2D((3, 2), (2, 1)), (8, 5, 2)),
    "global-average": (GlobalAveragePool2D(), (5, 4, 3)),
    "global-max": (GlobalMaxPool2D(), (5, 4, 3)),
    "flatten": (Flatten(), (3, 4, 2)),
}


def convolution_cases() -> list[Case]:
    """Each layer alone, a single image and three, once with zeros (to a maximum, ties); and LeNet-5 in training."""
    cases = []
    for kind, layers in (("conv", CONVOLUTIONS), ("pool", POOLS)):
        for name, (layer, shape) in layers.items():
            arch = architecture(layer)
            for variant, batch, regime in (("batch1", 1, "normal"), ("batch3", 3, "normal"), ("zeros", 3, "zeros")):
                cases.append(Case(f"layer/{kind}/{name}-{variant}", arch, (batch,), shape, regime))
    lenet = NETWORKS["lenet5"]
    training = Case(
        "network/lenet5/batch3", lenet, (3, 3), input_shape(lenet), optimizer=Momentum(0.01), recorded_steps=(1, 2)
    )
    return [*cases, training]
