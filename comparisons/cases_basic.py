"""Cases of the layers, losses and optimizers on rows of features, of whole networks, of the course's functions, and on real data."""

from __future__ import annotations

import itertools
from dataclasses import replace

from comparisons.case import Case
from comparisons.networks import NETWORKS, input_shape
from scratch import (
    L2,
    Adam,
    Architecture,
    BatchNorm,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    GradientDescent,
    Hinge,
    Layer,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    Momentum,
    Optimizer,
    ReLU,
    Residual,
    RMSprop,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
)


def _layer_cases() -> list[Case]:
    cases = []

    def add(name: str, *layers, input_shape: tuple[int, ...], **options) -> None:
        cases.append(Case(f"layer/{name}", architecture(*layers), input_shape=input_shape, **options))

    for batch in (1, 5):
        add(f"dense/batch{batch}", Dense(4, 3), input_shape=(4,), batches=(batch,))
    add("dense/no-bias", Dense(3, 6, bias=False), input_shape=(3,), batches=(4,))
    add("dense/one-output", Dense(6, 1), input_shape=(6,), batches=(4,), regime="zeros")
    # Square, so that a matrix the wrong way round still fits.
    add("dense/square", Dense(4, 4), input_shape=(4,), batches=(3,))
    activations = {
        "sigmoid": Sigmoid(),
        "tanh": Tanh(),
        "relu": ReLU(),
        "leaky-relu": LeakyReLU(0.25),
        "leaky-relu-0.01": LeakyReLU(0.01),
        "softmax": Softmax(),
    }
    for name, layer in activations.items():
        for regime in ("normal", "zeros", "saturated", "tiny"):
            add(f"{name}/{regime}", layer, input_shape=(5,), batches=(4,), regime=regime)
        add(f"{name}/batch1", layer, input_shape=(9,), batches=(1,))
    # Beyond where the exponential overflows.
    add("softmax/large", Softmax(), input_shape=(5,), batches=(4,), regime="large")
    for regime in ("normal", "large", "tiny", "offset", "zeros"):
        add(
            f"batchnorm/{regime}",
            BatchNorm(4, momentum=0.8, epsilon=1e-3),
            input_shape=(4,),
            batches=(7, 5, 2),
            regime=regime,
        )
    add("batchnorm/small-epsilon", BatchNorm(4, epsilon=1e-8), input_shape=(4,), batches=(6, 3))
    add("batchnorm/batch1", BatchNorm(4), input_shape=(4,), batches=(1, 1))
    add("batchnorm/evaluation", BatchNorm(4), input_shape=(4,), batches=(5,), training=False)
    add("batchnorm/evaluation-batch1", BatchNorm(4), input_shape=(4,), batches=(1,), training=False)
    for keep in (0.5, 0.8):
        add(f"dropout/keep{keep}", Dropout(keep), input_shape=(9,), batches=(6,))
    block = (Dense(4, 6), Tanh(), Dense(6, 4))
    add("residual/identity", Residual(block), input_shape=(4,), batches=(5,))
    add("residual/projection", Residual((*block, Dense(4, 3)), (Dense(4, 3),)), input_shape=(4,), batches=(5,))
    add("dropout/evaluation", Dropout(0.5), input_shape=(9,), batches=(6,), training=False)
    return cases


def _loss_cases() -> list[Case]:
    losses: dict[str, tuple[Loss, int, tuple[str, ...]]] = {
        "binary-cross-entropy": (BinaryCrossEntropy(), 1, ("probabilities",)),
        "binary-cross-entropy-units": (BinaryCrossEntropy(), 3, ("probabilities",)),
        "binary-cross-entropy-logits": (BinaryCrossEntropyFromLogits(), 3, ("normal", "zeros", "saturated", "soft")),
        "softmax-cross-entropy": (SoftmaxCrossEntropy(), 4, ("normal", "zeros", "saturated", "soft")),
        "hinge": (Hinge(), 5, ("normal", "saturated")),
        "categorical-cross-entropy": (CategoricalCrossEntropy(), 4, ("probabilities",)),
        "mean-squared-error": (MeanSquaredError(), 3, ("normal", "large", "zeros")),
    }
    return [
        Case(
            f"loss/{name}/{regime}-batch{batch}",
            architecture(loss=loss),
            batches=(batch,),
            input_shape=(k,),
            regime=regime,
        )
        for name, (loss, k, regimes) in losses.items()
        for regime in regimes
        for batch in (1, 6)
    ]


def _optimizer_cases() -> list[Case]:
    optimizers: dict[str, Optimizer] = {
        "gradient-descent/default": GradientDescent(0.05),
        "momentum/default": Momentum(0.05, beta=0.9),
        "rmsprop/default": RMSprop(0.05, beta=0.9, epsilon=1e-8),
        "rmsprop/large-epsilon": RMSprop(0.05, beta=0.9, epsilon=1e-3),
        "adam/default": Adam(0.05),
        "adam/other-betas": Adam(0.02, beta1=0.8, beta2=0.99, epsilon=1e-6),
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


def _network_cases() -> list[Case]:
    optimizers: dict[str, Optimizer] = {
        "logistic": GradientDescent(0.1),
        "shallow-tanh": Momentum(0.1),
        "deep-relu": Adam(0.01),
        "leaky-regression": RMSprop(0.01),
        "batchnorm-dropout": Adam(0.01),
        "bias-before-batchnorm": GradientDescent(0.1),
        "digits": Adam(0.003),
    }
    cases = []
    for name, optimizer in optimizers.items():
        arch = NETWORKS[name]
        # The last batch is short, as the last one of an epoch is.
        several = Case(
            f"network/{name}/batch8",
            arch,
            (8, 8, 8, 3),
            input_shape(arch),
            optimizer=optimizer,
            recorded_steps=(1, 2, 3, 4),
        )
        cases.append(several)
        if not any(isinstance(layer, BatchNorm) for _, layer in arch.layers):  # torch refuses a batch of one
            cases.append(replace(several, id=f"network/{name}/batch1", batches=(1, 1, 1), recorded_steps=(1, 2, 3)))
        cases.append(replace(several, id=f"network/{name}/zeros", regime="zeros"))
    return cases


def _training_cases() -> list[Case]:
    epochs, per_epoch = 8, 23  # 1,437 examples in batches of 64, the last of 29
    sizes = ((64,) * (per_epoch - 1) + (29,)) * epochs
    ends = tuple(per_epoch * (e + 1) for e in range(epochs))
    return [
        Case(
            "training/digits/adam",
            NETWORKS["digits"],
            sizes,
            (64,),
            optimizer=Adam(0.003),
            recorded_steps=(1, 2, 3, *ends),
            data="digits",
        )
    ]


def _course_cases() -> list[Case]:
    def network(*sizes: int) -> Architecture:
        layers: list[Layer] = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [Dense(n_in, n_out), ReLU()]
        return architecture(*layers[:-1], Sigmoid(), loss=BinaryCrossEntropy())

    optimizers: dict[str, Optimizer] = {
        "gradient-descent": GradientDescent(0.0075),
        "momentum": Momentum(0.01),
        "adam": Adam(0.01),
    }
    cases = [
        Case(f"course/deep/{name}", network(7, 5, 4, 1), (8, 8, 1, 3), (7,), optimizer=optimizer,
             recorded_steps=(1, 2, 3, 4), subject="course")
        for name, optimizer in optimizers.items()
    ]  # fmt: skip
    cases.append(replace(cases[0], id="course/logistic/gradient-descent", architecture=network(7, 1)))
    shallow = architecture(Dense(7, 4), Tanh(), Dense(4, 1), Sigmoid(), loss=BinaryCrossEntropy())
    cases.append(replace(cases[0], id="course/shallow-tanh/gradient-descent", architecture=shallow))
    three = [Dense(7, 6), ReLU(), Dense(6, 5), ReLU(), Dense(5, 1), Sigmoid()]
    with_l2 = architecture(*three, loss=BinaryCrossEntropy(), regulariser=L2(0.7))
    cases.append(replace(cases[0], id="course/deep/l2", architecture=with_l2))
    dropped = [*three[:2], Dropout(0.8), *three[2:4], Dropout(0.8), *three[4:]]
    with_dropout = architecture(*dropped, loss=BinaryCrossEntropy())
    cases.append(replace(cases[0], id="course/deep/dropout", architecture=with_dropout))
    cats = network(12288, 20, 7, 5, 1)
    whole_set = Case("course/cats/seed002", cats, (209,) * 2500, (12288,), optimizer=GradientDescent(0.0075),
                     recorded_steps=(1, 2, 100, 1000, 2500), data="cats", subject="course", slow=True)  # fmt: skip
    return [*cases, whole_set]


def basic_cases() -> list[Case]:
    """All of them."""
    return [
        *_layer_cases(),
        *_loss_cases(),
        *_optimizer_cases(),
        *_network_cases(),
        *_course_cases(),
        *_training_cases(),
    ]
