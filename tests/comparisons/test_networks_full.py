"""The networks at full size have the sizes that are published."""

from __future__ import annotations

import math

import pytest

from comparisons.cases import all_cases
from comparisons.networks_full import FULL_NETWORKS
from scratch import Conv2D, Dense, Residual

PARAMETERS = {
    "alexnet": 60_965_224,  # Caffe's, with the paper's groups
    "vgg16": 138_357_544,  # torchvision and Keras
    "resnet18": 11_689_512,  # torchvision
    "resnet50": 25_557_032,  # torchvision
}
LEARNED_LAYERS = {"alexnet": 8, "vgg16": 16, "resnet18": 18, "resnet50": 50}
"""As the papers count them: convolutions and dense layers, without projections."""
IMAGES_BEFORE_THE_END = {
    "alexnet": (6, 6, 256),
    "vgg16": (7, 7, 512),
    "resnet18": (7, 7, 512),
    "resnet50": (7, 7, 2048),
}


@pytest.mark.parametrize("name", FULL_NETWORKS)
def test_size(name: str) -> None:
    arch, shape = FULL_NETWORKS[name]
    shapes = [shape]
    for _, layer in arch.layers:
        shapes.append(layer.output_shape(shapes[-1]))
    assert shapes[-1] == (1000,)
    assert [s for s in shapes if len(s) == 3][-1] == IMAGES_BEFORE_THE_END[name]
    learned = [layer for _, layer in arch.layers]
    learned += [inner for layer in learned if isinstance(layer, Residual) for inner in layer.layers]
    assert sum(isinstance(layer, Conv2D | Dense) for layer in learned) == LEARNED_LAYERS[name]
    sizes = [math.prod(s) for _, layer in arch.layers for s in layer.parameter_shapes().values()]
    assert sum(sizes) == PARAMETERS[name]


def test_they_run_only_where_they_are_named() -> None:
    full = {case.id for case in all_cases() if case.architecture in [arch for arch, _ in FULL_NETWORKS.values()]}
    assert len(full) == len(FULL_NETWORKS)
    assert all(case.slow for case in all_cases() if case.id in full)
