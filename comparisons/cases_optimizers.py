"""Cases of `scratch.optimizers_more`, and of decaying learning rates and clipping, on recorded gradient sequences."""

from __future__ import annotations

from comparisons.case import Case
from scratch import (
    Adagrad,
    Adam,
    AdamW,
    Clipped,
    Decayed,
    Dense,
    ExponentialDecay,
    GradientDescent,
    InverseDecay,
    InverseSqrtDecay,
    Momentum,
    Nesterov,
    Optimizer,
    RMSprop,
    architecture,
)


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
        "decay/inverse": Decayed(GradientDescent(0.1), InverseDecay(0.3)),
        "decay/exponential": Decayed(Adam(0.05), ExponentialDecay(0.95)),
        "decay/inverse-sqrt": Decayed(RMSprop(0.05), InverseSqrtDecay(1.5)),
        "decay/staircase": Decayed(Adagrad(0.1), ExponentialDecay(0.5, interval=10)),
        "decay/inverse-staircase": Decayed(AdamW(0.05), InverseDecay(0.5, interval=5)),
        "decay/momentum": Decayed(Momentum(0.05), InverseDecay(0.5)),
        "decay/nesterov": Decayed(Nesterov(0.02), ExponentialDecay(0.8, interval=3)),
        "clipping/value": Clipped(GradientDescent(0.05), 0.5, by="value"),
        "clipping/norm": Clipped(Momentum(0.05), 2.0, by="norm"),
        "clipping/global-norm": Clipped(Adam(0.05), 3.0),
        "clipping/decayed": Decayed(Clipped(Nesterov(0.02), 1.0), InverseSqrtDecay()),
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
