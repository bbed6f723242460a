"""Cases of training with a part of the network frozen, and of L1 regularisation with weights that are exactly 0."""

from __future__ import annotations

from dataclasses import replace

from comparisons.case import Case
from comparisons.networks import NETWORKS, input_shape
from scratch import Adam, BatchNorm, GradientDescent, Momentum, Optimizer


def transfer_cases() -> list[Case]:
    """Several steps each, the last batch short; a single example where the frozen batch norms are the only ones."""
    optimizers: dict[str, Optimizer] = {
        "transfer-head": Adam(0.01),
        "transfer-images": Momentum(0.05),
        "frozen-within": Adam(0.01),
        "frozen-between": GradientDescent(0.1),
        "sparse": GradientDescent(0.1),
    }
    cases = []
    for name, optimizer in optimizers.items():
        arch, steps = NETWORKS[name], (1, 2, 3, 4)
        shape = input_shape(arch)
        case = Case(f"network/{name}/batch8", arch, (8, 8, 8, 3), shape, optimizer=optimizer, recorded_steps=steps)
        cases.append(case)
        if all(
            layer in arch.frozen for layer, kind in arch.layers if isinstance(kind, BatchNorm)
        ):  # else torch refuses
            cases.append(replace(case, id=f"network/{name}/batch1", batches=(1, 1, 1), recorded_steps=(1, 2, 3)))
    zeros = replace(cases[-1], id="network/sparse/zeros", batches=(8, 8, 3), regime="zeros", recorded_steps=(1, 2, 3))
    return [*cases, zeros]
