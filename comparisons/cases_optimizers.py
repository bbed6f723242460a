"""Cases of `scratch.optimizers_more`: Nesterov's momentum, Adagrad and AdamW on recorded gradient sequences."""

from __future__ import annotations

from comparisons.case import Case
from scratch import Adagrad, AdamW, Dense, Nesterov, Optimizer, architecture


def more_optimizer_cases() -> list[Case]:
    """One case per optimizer and setting: 50 updates, of which the first, some around a gradient's death and the last are kept."""
    optimizers: dict[str, Optimizer] = {
        "nesterov/default": Nesterov(0.05),
        "nesterov/short-memory": Nesterov(0.02, beta=0.5),
        "adagrad/default": Adagrad(0.05),
        "adagrad/large-epsilon": Adagrad(0.05, epsilon=1e-3),
        "adagrad/initial-accumulator": Adagrad(0.05, initial_accumulator=0.3),
        "adamw/default": AdamW(0.05),
        "adamw/strong-decay": AdamW(0.02, beta1=0.8, beta2=0.99, epsilon=1e-6, weight_decay=0.5),
    }
    return [
        Case(
            f"optimizer/{name}",
            architecture(Dense(6, 4)),
            batches=(1,) * 50,
            input_shape=(6,),
            optimizer=optimizer,
            recorded_gradients=True,
            recorded_steps=(1, 2, 3, 10, 11, 50),
        )
        for name, optimizer in optimizers.items()
    ]
