"""From a case to everything that goes into it: weights, batches, masks, gradient sequences, drawn once and recorded.

Every implementation gets the same arrays. Drawing is a pure function of the case, in float64; the float32 run gets the
same numbers rounded, the perturbed runs the same numbers moved by one unit in the last place.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from comparisons.blocks import blocks
from comparisons.case import Case
from comparisons.data import DATA
from comparisons.tensors import spilled
from scratch import (
    L1,
    CategoricalCrossEntropy,
    Dense,
    Dropout,
    Hinge,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    dropout_mask,
    initial_weights,
    minibatches,
)
from scratch.course import initialize_parameters_deep
from scratch.weights import Arrays, Weights

Array = np.ndarray


@dataclass(frozen=True)
class PlannedBatch:
    """What one pass is given: inputs, and targets or an upstream gradient, and the dropout masks."""

    x: Array
    target: Array | None = None
    upstream: Array | None = None
    masks: dict[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """All arrays of a case.

    Attributes
    ----------
    weights : Weights
        Where every implementation starts.
    batches : list of PlannedBatch
        Empty where recorded gradients are fed instead.
    gradients : list of Arrays
        The recorded gradient sequence of an optimizer case.
    held_out : PlannedBatch, optional
        What is evaluated at the end (and, in training, after every recorded step).
    """

    weights: Weights
    batches: list[PlannedBatch]
    gradients: list[Arrays]
    held_out: PlannedBatch | None = None

    def mapped(self, change: Callable[[Array], Array]) -> Plan:
        """The plan with `change` applied to every floating-point array but the targets' values, which it only casts."""

        done: dict[int, Array] = {}

        def once(a: Array) -> Array:
            # An array that many batches share is changed once, and shared again.
            if id(a) not in done:
                done[id(a)] = change(a)
            return done[id(a)]

        def arrays(nested: Arrays) -> Arrays:
            return {layer: spilled({n: change(a) for n, a in named.items()}) for layer, named in nested.items()}

        def batch(b: PlannedBatch) -> PlannedBatch:
            upstream = None if b.upstream is None else once(b.upstream)
            return replace(b, x=once(b.x), upstream=upstream)

        return Plan(
            Weights(arrays(self.weights.params), arrays(self.weights.buffers)),
            [batch(b) for b in self.batches],
            [arrays(g) for g in self.gradients],
            None if self.held_out is None else batch(self.held_out),
        )

    def astype(self, dtype: str) -> Plan:
        """The plan in another precision, targets included."""
        plan = self.mapped(lambda a: a.astype(dtype))
        targets = {id(b.target): b.target.astype(dtype) for b in plan.batches if b.target is not None}

        def cast(b: PlannedBatch) -> PlannedBatch:
            return replace(b, target=targets.get(id(b.target), None if b.target is None else b.target.astype(dtype)))

        return replace(
            plan,
            batches=[cast(b) for b in plan.batches],
            held_out=None if plan.held_out is None else cast(plan.held_out),
        )

    def perturbed(self, draw: int) -> Plan:
        """The plan with every input and weight moved by one ulp up or down, or not at all.

        Exact zeros stay zeros, and an array of whole numbers stays as it is: tokens cannot be moved a little.
        """
        rng = np.random.default_rng([20140412, draw])

        def moved(a: Array) -> Array:
            if all((block == np.floor(block)).all() for (block,) in blocks(a)):
                return a
            result = np.empty(a.shape, a.dtype)
            for block, out in blocks(a, result):
                np.multiply(block, 1 + rng.integers(-1, 2, block.shape) * np.finfo(a.dtype).eps, out=out)
            return result

        return self.mapped(moved)


def plan(case: Case) -> Plan:
    """Draw everything that a case needs.

    Raises
    ------
    MissingData
        If the case's data set is not installed.
    """
    rng = np.random.default_rng([case.seed, zlib.crc32(case.id.encode())])
    if case.data:
        return _real_plan(case, rng)
    weights = random_weights(case, rng)
    weights.params = {layer: spilled(named) for layer, named in weights.params.items()}
    if case.recorded_gradients:
        return Plan(weights, [], _gradient_sequence(weights, len(case.batches), rng))
    batches = [_batch(case, size, rng) for size in case.batches]
    held_out = _batch(case, 1 if case.slow else 5, rng) if case.architecture.layers and case.training else None
    return Plan(weights, batches, [], held_out)


def random_weights(case: Case, rng: np.random.Generator) -> Weights:
    """Weights that hide nothing: biases, gamma, beta and running averages are random too, never their first 1 and 0."""
    weights = initial_weights(case.architecture, rng, "he")
    for named in weights.params.values():
        for name, a in named.items():
            what = name.partition("_")[0]  # of `b_recurrent` or `gamma_main1`
            if what in ("b", "beta"):
                named[name] = 0.5 * rng.standard_normal(a.shape)
            elif what == "gamma":
                named[name] = rng.uniform(0.5, 1.5, a.shape)
    if isinstance(case.architecture.regulariser, L1):
        # Exact zeros, where |w| has its corner, and where L1 drives the weights that it can.
        for layer, p in case.architecture.regularised():
            weights.params[layer][p][rng.random(weights.params[layer][p].shape) < 1 / 3] = 0
    for named in weights.buffers.values():
        for name, a in named.items():
            named[name] = (
                rng.uniform(0.5, 2, a.shape) if name.startswith("running_var") else rng.standard_normal(a.shape)
            )
    return weights


def _batch(case: Case, size: int, rng: np.random.Generator) -> PlannedBatch:
    x = _inputs(case.regime, (size, *case.input_shape), rng)
    output = (size, *_shapes(case)[-1])
    masks = _masks(case, size, rng)
    loss = case.architecture.loss
    if loss is None:
        # Never ones: a sum has zero gradient through batch norm and softmax, and would test nothing.
        return PlannedBatch(x, upstream=rng.standard_normal(output), masks=masks)
    return PlannedBatch(x, target=_targets(case, output, rng), masks=masks)


def _inputs(regime: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    x = rng.standard_normal(shape)
    match regime:
        case "large":
            return 1e3 * x
        case "tiny":
            return 1e-3 * x
        case "offset":
            return 100 + x
        case "probabilities":
            return rng.uniform(0.02, 0.98, shape)
        case "tokens":
            return rng.integers(0, 5, shape).astype(float)
        case "zeros":
            x[rng.random(shape) < 1 / 3] = 0
            if len(x) > 1:
                x[-1] = 0
            return x
        case "saturated":
            far = rng.choice([-1, 1], shape) * rng.uniform(30, 60, shape)
            return np.where(rng.random(shape) < 0.4, far, x)
    return x


def _shapes(case: Case) -> list[tuple[int, ...]]:
    """Shape of one example at the input of every layer, and at the output of the last."""
    shapes = [case.input_shape]
    for _, layer in case.architecture.layers:
        shapes.append(layer.output_shape(shapes[-1]))
    return shapes


def _targets(case: Case, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    loss, m, k = case.architecture.loss, shape[0], shape[-1]
    if case.regime == "one-hot":
        return np.eye(k)[rng.integers(0, k, m)]
    if isinstance(loss, MeanSquaredError):
        return rng.standard_normal(shape)
    if isinstance(loss, Hinge):
        return np.eye(k)[rng.integers(0, k, m)]
    if isinstance(loss, SoftmaxCrossEntropy | CategoricalCrossEntropy):
        if case.regime == "soft":
            soft = rng.uniform(0.1, 1, shape)
            return soft / soft.sum(axis=1, keepdims=True)
        return np.eye(k)[rng.integers(0, k, m)]
    return rng.uniform(0.05, 0.95, shape) if case.regime == "soft" else rng.integers(0, 2, shape).astype(float)


def _masks(case: Case, size: int, rng: np.random.Generator) -> dict[str, Array]:
    return {
        name: dropout_mask(rng, (size, *shape), layer.keep_prob)
        for (name, layer), shape in zip(case.architecture.layers, _shapes(case), strict=False)
        if isinstance(layer, Dropout) and case.training
    }


def _gradient_sequence(weights: Weights, steps: int, rng: np.random.Generator) -> list[Arrays]:
    """Gradients that expose where epsilon stands, the first step and the bias correction.

    In every parameter: element 0 is always 0, element 1 of scale 1e-4, element 2 of scale 1e-8, element 3 dies after step 10.
    """
    sequence: list[Arrays] = []
    for t in range(steps):
        grads: Arrays = {}
        for layer, named in weights.params.items():
            grads[layer] = {}
            for name, w in named.items():
                g = rng.standard_normal(w.shape)
                g.flat[:3] *= (0, 1e-4, 1e-8)
                if t >= 10:
                    g.flat[3] = 0
                grads[layer][name] = g
        sequence.append(grads)
    return sequence


def _real_plan(case: Case, rng: np.random.Generator) -> Plan:
    x, y, x_test, y_test = DATA[case.data]()
    held_out = PlannedBatch(x_test, y_test)
    size = max(case.batches)
    if size >= len(x):  # the whole set each time, as the course trains, from the course's own first weights
        return Plan(_course_weights(case), [PlannedBatch(x, y)] * len(case.batches), [], held_out)
    weights = initial_weights(case.architecture, rng, "he")
    batches: list[PlannedBatch] = []
    while len(batches) < len(case.batches):
        epoch = minibatches(rng, len(x), size)
        batches += [PlannedBatch(x[i], y[i], masks=_masks(case, len(i), rng)) for i in epoch]
    return Plan(weights, batches[: len(case.batches)], [], held_out)


def _course_weights(case: Case) -> Weights:
    sizes = [case.input_shape[0], *(layer.n_out for _, layer in case.architecture.layers if isinstance(layer, Dense))]
    columns = initialize_parameters_deep(sizes)
    dense = [name for name, layer in case.architecture.layers if isinstance(layer, Dense)]
    return Weights(
        {name: {"W": columns[f"W{l}"].T.copy(), "b": columns[f"b{l}"].ravel()} for l, name in enumerate(dense, start=1)}  # noqa: E741
    )
