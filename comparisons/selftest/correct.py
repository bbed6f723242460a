"""Correct code must raise no alarm: random networks at many scales and depths, and the cases with other seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.cases import all_cases, quick
from comparisons.plan import Plan, PlannedBatch, plan
from comparisons.selftest.bench import Bench, Rows
from scratch import (
    GRU,
    L1,
    L2,
    LSTM,
    Adagrad,
    Adam,
    Architecture,
    AveragePool2D,
    BatchNorm,
    BinaryCrossEntropyFromLogits,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GradientDescent,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    Loss,
    MaxPool2D,
    MeanSquaredError,
    Momentum,
    MultiHeadAttention,
    Optimizer,
    ReLU,
    Residual,
    RMSprop,
    Sigmoid,
    SimpleRNN,
    SoftmaxCrossEntropy,
    Tanh,
    Weights,
    architecture,
)

Progress = Callable[[str, int, int], None]
DEEPEST = 20


@dataclass(frozen=True)
class Drawn:
    """One piece of correct work: a case, the scale of its inputs and of its weights, and what it is an example of."""

    case: Case
    family: str
    inputs: float = 1.0
    weights: float = 1.0

    def plan(self) -> Plan:
        """The case's arrays, scaled."""
        drawn = plan(self.case)
        if self.inputs == self.weights == 1:
            return drawn

        def scaled(batch: PlannedBatch) -> PlannedBatch:
            return replace(batch, x=self.inputs * batch.x)

        params = {
            layer: {p: self.weights * a if a.ndim > 1 else a for p, a in named.items()}
            for layer, named in drawn.weights.params.items()
        }
        held_out = None if drawn.held_out is None else scaled(drawn.held_out)
        batches = [scaled(batch) for batch in drawn.batches]
        return replace(
            drawn, weights=Weights(params, drawn.weights.buffers), batches=batches, held_out=held_out
        )  # fmt: skip


def random_work(count: int, seed: int = 0) -> Iterator[Drawn]:
    """Random networks of every family in turn; the same seed, the same networks."""
    makers = (_dense, _normalised, _images, _sequence)
    for i in range(count):
        rng = np.random.default_rng([20140413, seed, i])
        make = makers[i % len(makers)]
        arch, shape = make(rng)
        name = make.__name__.strip("_")
        batch = int(rng.integers(2, 9))
        regime = str(rng.choice(["normal", "zeros", "saturated", "offset"], p=[0.5, 0.2, 0.2, 0.1]))
        case = Case(f"network/random-{name}-{i}/seed{seed}", arch, (batch, batch, 2), shape, regime,
                    optimizer=_optimizer(rng), recorded_steps=(1, 2, 3), seed=seed)  # fmt: skip
        yield Drawn(case, f"random {name} networks", 10.0 ** rng.uniform(-3, 3), 10.0 ** rng.uniform(-0.5, 0.3))


def other_seeds(seeds: range, short: bool = False) -> Iterator[Drawn]:
    """The cases that are compared anyway, drawn anew."""
    for seed in seeds:
        cases = [case for case in all_cases(seed) if not (case.slow or case.data) and case.subject == "scratch"]
        for case in quick(cases) if short else cases:
            yield Drawn(case, f"{case.suite} cases, other seeds")


def correct(work: list[Drawn], bench: Bench, progress: Progress = lambda *_: None) -> tuple[Rows, Rows]:
    """Judge correct code.

    Returns
    -------
    tallies, alarms : list of dict
        One for each family, and one for each false alarm; columns as in `reports.selftest`.
    """
    tallies: dict[str, dict[str, Any]] = {}
    alarms: Rows = []
    for done, drawn in enumerate(work):
        progress(drawn.case.id, done, len(work))
        tally = tallies.setdefault(
            drawn.family,
            {"family": drawn.family, "cases": 0, "comparisons": 0, "undecided": 0, "alarms": 0, "margin": 0.0},
        )
        tally["cases"] += 1
        for row in bench.judge(bench.prepare(drawn.case, drawn.plan())):
            if row["verdict"] == "vacuous":
                tally["undecided"] += 1
                continue
            tally["comparisons"] += 1
            if row["verdict"] == "match":
                tally["margin"] = max(tally["margin"], row["needed"] / row["tolerance"])
                continue
            tally["alarms"] += 1
            alarms.append(
                {
                    "alarm": f"{drawn.case.id} inputs x {drawn.inputs:.3g}, weights x {drawn.weights:.3g}",
                    "tensor": row["tensor"],
                    "reference": row["reference"],
                    "margin": row.get("needed", np.inf) / (row.get("tolerance") or np.inf),
                    "diagnosis": row["diagnosis"],
                }
            )
    return list(tallies.values()), alarms


def _activation(rng: np.random.Generator) -> Layer:
    return (ReLU(), Tanh(), Sigmoid(), LeakyReLU(0.1))[rng.integers(4)]


def _regulariser(rng: np.random.Generator) -> L1 | L2 | None:
    return (None, L2(float(rng.uniform(0.1, 1))), L1(float(rng.uniform(0.1, 1))))[rng.integers(3)]


def _loss(rng: np.random.Generator, outputs: int) -> Loss:
    return (SoftmaxCrossEntropy(), MeanSquaredError(), BinaryCrossEntropyFromLogits())[rng.integers(3)]


def _optimizer(rng: np.random.Generator) -> Optimizer:
    return (
        GradientDescent(0.05),
        Momentum(0.05),
        RMSprop(0.01, epsilon=1e-4),
        Adam(0.01, epsilon=1e-4),
        Adagrad(0.05, epsilon=1e-4),
    )[rng.integers(5)]


def _chain(rng: np.random.Generator, n_in: int, between: Callable[[int], list[Layer]]) -> Architecture:
    depth, layers, n = int(rng.integers(2, DEEPEST + 1)), [], n_in
    for _ in range(depth - 1):
        width = int(rng.integers(3, 10))
        layers += [Dense(n, width, bias=bool(rng.integers(2))), *between(width)]
        n = width
    k = int(rng.integers(2, 6))
    return architecture(*layers, Dense(n, k), loss=_loss(rng, k), regulariser=_regulariser(rng))


def _dense(rng: np.random.Generator) -> tuple[Architecture, tuple[int, ...]]:
    n = int(rng.integers(3, 12))
    return _chain(rng, n, lambda _: [_activation(rng)]), (n,)


def _normalised(rng: np.random.Generator) -> tuple[Architecture, tuple[int, ...]]:
    def between(width: int) -> list[Layer]:
        epsilon = float(10.0 ** -rng.integers(3, 9))
        norm = BatchNorm(width, momentum=0.8, epsilon=epsilon) if rng.random() < 0.6 else LayerNorm(width, epsilon)
        return [norm, _activation(rng), *([Dropout(0.8)] if rng.random() < 0.3 else [])]

    n = int(rng.integers(3, 12))
    return _chain(rng, n, between), (n,)


def _images(rng: np.random.Generator) -> tuple[Architecture, tuple[int, ...]]:
    c, size = int(rng.integers(1, 4)), int(rng.integers(7, 11))
    layers: list[Layer] = []
    shape: tuple[int, ...] = (size, size + 1, c)
    for _ in range(int(rng.integers(1, 5))):
        out = 2 * int(rng.integers(1, 4))
        block: list[Layer] = [Conv2D(shape[2], out, 3, stride=int(rng.integers(1, 3)), padding="same")]
        norms: tuple[list[Layer], ...] = ([], [BatchNorm(out)], [GroupNorm(out, 2)])
        block += [*norms[rng.integers(3)], _activation(rng)]
        if min(shape[:2]) > 5:
            block.append((MaxPool2D(2), AveragePool2D(3, 2))[rng.integers(2)])
        if rng.random() < 0.4:
            block.append(Residual((Conv2D(out, out, 3, padding="same"), Tanh())))
        layers += block
        for layer in block:
            shape = layer.output_shape(shape)
    n = int(np.prod(shape))
    return architecture(*layers, Flatten(), Dense(n, 3), loss=SoftmaxCrossEntropy(), regulariser=_regulariser(rng)), (
        size,
        size + 1,
        c,
    )


def _sequence(rng: np.random.Generator) -> tuple[Architecture, tuple[int, ...]]:
    n, steps, hidden = int(rng.integers(2, 6)), int(rng.integers(1, 9)), int(rng.integers(3, 7))
    kind = (SimpleRNN, LSTM, GRU)[rng.integers(3)]
    layers: list[Layer] = [MultiHeadAttention(n, 1, causal=bool(rng.integers(2)))] if rng.random() < 0.3 else []
    width = n
    for _ in range(int(rng.integers(0, 3))):
        layers.append(kind(width, hidden))
        width = hidden
    layers += [kind(width, hidden, return_sequences=False), Dense(hidden, 3)]
    return architecture(*layers, loss=SoftmaxCrossEntropy(), regulariser=_regulariser(rng)), (steps, n)
