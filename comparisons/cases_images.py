"""Cases of the course's networks for images, in training."""

from __future__ import annotations

from comparisons.case import Case
from comparisons.networks_images import IMAGE_NETWORKS
from scratch import GradientDescent


def image_cases() -> list[Case]:
    """Two steps of each network, on three images a step."""
    return [
        Case(f"network/{name}/batch3", arch, (3, 3), shape, optimizer=GradientDescent(0.001), recorded_steps=(1, 2))
        for name, (arch, shape) in IMAGE_NETWORKS.items()
    ]
