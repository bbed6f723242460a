"""Cases of the course's networks for images: reduced ones in training, those of full size as slow cases."""

from __future__ import annotations

from comparisons.case import Case
from comparisons.networks_full import FULL_NETWORKS
from comparisons.networks_images import IMAGE_NETWORKS
from scratch import GradientDescent


def image_cases() -> list[Case]:
    """Two steps of each reduced network, on three images a step, and one pass of each network of full size."""
    reduced = [
        Case(f"network/{name}/batch3", arch, (3, 3), shape, optimizer=GradientDescent(0.001), recorded_steps=(1, 2))
        for name, (arch, shape) in IMAGE_NETWORKS.items()
    ]
    return [
        *reduced,
        _full("alexnet", "evaluation", 2, training=False),
        _full("vgg16", "full", 1),
        _full("resnet18", "full", 2),
        _full("resnet50", "full", 2),
    ]


def _full(name: str, variant: str, batch: int, training: bool = True) -> Case:
    arch, shape = FULL_NETWORKS[name]
    step = {"optimizer": GradientDescent(0.001), "recorded_steps": (1,)} if training else {"training": False}
    return Case(f"network/{name}/{variant}", arch, (batch,), shape, slow=True, **step)
