"""Networks of which a part is frozen, as in transfer learning (Ng, Convolutional Neural Networks, week 2).

With little data all but a new softmax is frozen; with more, fewer layers are.
"""

from __future__ import annotations

from scratch import (
    L1,
    L2,
    Architecture,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
)

TRANSFER_NETWORKS: dict[str, tuple[Architecture, tuple[int, ...]]] = {
    # A new softmax on a network that stays as it is.
    "transfer-head": (
        architecture(
            Dense(6, 8, bias=False),
            BatchNorm(8),
            Tanh(),
            Dense(8, 7),
            Tanh(),
            Dense(7, 4),
            loss=SoftmaxCrossEntropy(),
            regulariser=L2(0.3),
            frozen=("dense1", "batchnorm1", "dense2"),
        ),
        (6,),
    ),
    # More of it learns: above the frozen layers a batch norm that uses the batch, and dropout.
    "transfer-images": (
        architecture(
            Conv2D(2, 4, 3, bias=False),
            BatchNorm(4, momentum=0.8),
            ReLU(),
            AveragePool2D(2),
            Residual((Conv2D(4, 4, 3, padding="same", bias=False), BatchNorm(4))),
            Flatten(),
            Dense(36, 6, bias=False),
            BatchNorm(6, momentum=0.8),
            ReLU(),
            Dropout(0.8),
            Dense(6, 3),
            loss=SoftmaxCrossEntropy(),
            frozen=("conv2d1", "batchnorm1", "residual1"),
        ),
        (8, 8, 2),
    ),
    # Fine-tuning within a block: batch norm in evaluation mode beside one that uses the batch; the projection stays.
    "frozen-within": (
        architecture(
            Conv2D(2, 3, 3, bias=False),
            Residual(
                (
                    Conv2D(3, 4, 3, padding="same", bias=False),
                    BatchNorm(4, momentum=0.8),
                    ReLU(),
                    Conv2D(4, 4, 3, padding="same", bias=False),
                    BatchNorm(4, momentum=0.8),
                ),
                (Conv2D(3, 4, 1, bias=False), BatchNorm(4)),
                frozen=("main0", "main1", "shortcut0", "shortcut1"),
            ),
            ReLU(),
            Residual((Residual((Conv2D(4, 4, 1), Tanh()), frozen=("main0",)), Conv2D(4, 4, 1)), frozen=("main1",)),
            Flatten(),
            Dense(64, 3),
            loss=SoftmaxCrossEntropy(),
            regulariser=L2(0.3),
        ),
        (6, 6, 2),
    ),
    # Gradients pass through what is frozen to what learns below it.
    "frozen-between": (
        architecture(
            Dense(5, 6),
            Tanh(),
            Dense(6, 7, bias=False),
            BatchNorm(7),
            Tanh(),
            Dense(7, 3),
            loss=SoftmaxCrossEntropy(),
            regulariser=L1(0.3),
            frozen=("dense2", "batchnorm1"),
        ),
        (5,),
    ),
}
"""The networks, and the shape of one example."""
