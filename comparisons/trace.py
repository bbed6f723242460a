"""Running one implementation on one case and naming every tensor it produced.

Names: `forward/<layer>`, `loss`, `grad/<layer>.<param>`, `grad/<layer>.input`, `grad/loss.input` for the first pass;
`step3/param/<layer>.<param>`, `step3/state/<layer>.<param>.v`, `step3/buffer/<layer>.running_var` after the third step (or pass);
`step3/evaluation/<layer>` for held-out data after it; `trajectory/loss` for the losses of all steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from comparisons.case import Case
from comparisons.kinks import drivers
from comparisons.plan import Plan, PlannedBatch
from comparisons.tensors import Tensors
from comparisons.tolerance import distance
from scratch import BinaryCrossEntropy, BinaryCrossEntropyFromLogits, Loss, SoftmaxCrossEntropy
from scratch.network import Architecture, Pass
from scratch.weights import Arrays, Weights, flatten

Array = np.ndarray


class Model(Protocol):
    """What every implementation offers; see `reference.Twin`."""

    architecture: Architecture

    def load(self, weights: Weights) -> None: ...
    def weights(self) -> Weights: ...
    def evaluate(self, x: Array) -> dict[str, Array]: ...
    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass: ...
    def update(self, grads: Arrays | None = None) -> None: ...
    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]: ...


@dataclass
class Trace:
    """The ordered, named tensors of one implementation on one case.

    Attributes
    ----------
    tensors : Tensors
    kinks : dict of str to str
        For a tensor that jumps at a kink: the name of the one that decides (same shape; see `comparisons.kinks`).
    overhead : float
        Seconds that went into keeping the tensors, not into the implementation.
    conventions : tuple of str
        Those that were mapped, where the implementation is a framework's and is judged itself.
    """

    tensors: Tensors = field(default_factory=Tensors)
    kinks: dict[str, str] = field(default_factory=dict)
    overhead: float = 0.0
    spread: dict[str, float] = field(default_factory=dict)
    conventions: tuple[str, ...] = ()


@dataclass
class Distances:
    """What is kept of a run of which only the distance from another one matters.

    Attributes
    ----------
    largest : dict of str to float
        By name of the tensor: largest |difference| from the other run's.
    overhead : float
        Seconds that went into comparing, not into the implementation.
    """

    largest: dict[str, float] = field(default_factory=dict)
    overhead: float = 0.0


def record(model: Model, case: Case, plan: Plan) -> Trace:
    """Run a case from the plan's weights and keep everything that is compared."""
    trace, tensors = Trace(), _tensors(model, case, plan)
    del plan  # its weights are in the model now; they are not to be held twice
    for name, a in tensors:
        start = time.perf_counter()
        trace.tensors[name] = a
        trace.overhead += time.perf_counter() - start
    trace.kinks = drivers(case.architecture, trace.tensors) | {
        name: _margin(name) for name in trace.tensors if name.endswith("evaluation/correct")
    }
    return trace


def distances(model: Model, case: Case, plan: Plan, origin: Trace) -> Distances:
    """Run a case from the plan's weights and keep only how far each tensor is from the one in `origin`."""
    found, tensors = Distances(), _tensors(model, case, plan)
    del plan
    for name, a in tensors:
        start = time.perf_counter()
        if name in origin.tensors:
            found.largest[name] = distance(a, origin.tensors[name])
        found.overhead += time.perf_counter() - start
    return found


def _tensors(model: Model, case: Case, plan: Plan) -> Iterator[tuple[str, Array]]:
    """The named tensors of a model on a case, one by one as they arise."""
    model.load(plan.weights)
    rest = replace(plan, weights=Weights())
    return _of_updates(model, case, rest) if case.recorded_gradients else _of_passes(model, case, rest)


def _of_updates(model: Model, case: Case, plan: Plan) -> Iterator[tuple[str, Array]]:
    for step, grads in enumerate(plan.gradients, start=1):
        model.update(grads)
        if step in case.recorded_steps:
            yield from _after_step(model, step, optimizer=True)


def _of_passes(model: Model, case: Case, plan: Plan) -> Iterator[tuple[str, Array]]:
    losses = []
    for step, batch in enumerate(plan.batches, start=1):
        result = model.differentiate(batch.x, batch.target, batch.upstream, case.training, batch.masks)
        if step == 1 or step - 1 in case.recorded_steps:
            layers = [name for name, _ in model.architecture.layers]
            yield from _of_pass(result, "" if step == 1 else f"step{step - 1}/", layers)
        if result.loss is not None:
            losses.append(result.loss)
        del result  # not to be held during the update
        if case.optimizer is not None:
            model.update()
        if case.training and (step in case.recorded_steps or not case.recorded_steps):
            yield from _after_step(model, step, optimizer=case.optimizer is not None)
            if case.data:
                yield from _evaluation(model, plan.held_out, step)
    if plan.held_out is not None and not case.data:
        yield from _evaluation(model, plan.held_out, len(plan.batches))
    if len(losses) > 1:
        yield "trajectory/loss", np.stack(losses)


def _of_pass(result: Pass, prefix: str, layers: list[str]) -> Iterator[tuple[str, Array]]:
    """What a pass offers: of a user's code not all can be seen, gradients of layers without an output included."""
    for layer, a in result.outputs.items():
        yield f"{prefix}forward/{layer}", a
    if result.loss is not None:
        yield f"{prefix}loss", result.loss
    if result.output_grad is not None and (result.loss is not None or not result.outputs):
        yield f"{prefix}grad/loss.input", result.output_grad
    # Backward order: a mistake shows first where it starts.
    for layer in reversed(layers):
        for p, g in result.grads.get(layer, {}).items():
            yield f"{prefix}grad/{layer}.{p}", g
        if layer in result.input_grads:
            yield f"{prefix}grad/{layer}.input", result.input_grads[layer]


def _after_step(model: Model, step: int, optimizer: bool) -> Iterator[tuple[str, Array]]:
    if optimizer:
        for layer, params in model.optimizer_state().items():
            for p, state in params.items():
                yield from ((f"step{step}/state/{layer}.{p}.{name}", a) for name, a in state.items())
    weights = model.weights()
    if optimizer:
        yield from ((f"step{step}/param/{name}", a) for name, a in flatten(weights.params))
    yield from ((f"step{step}/buffer/{name}", a) for name, a in flatten(weights.buffers))


def _evaluation(model: Model, held_out: PlannedBatch | None, step: int) -> Iterator[tuple[str, Array]]:
    assert held_out is not None
    outputs, prefix = model.evaluate(held_out.x), f"step{step}/evaluation/"
    yield from ((prefix + layer, a) for layer, a in outputs.items())
    margins = _margins(model.architecture.loss, outputs.get("predictions"), held_out.target)
    if margins is not None:
        yield prefix + "margin", margins
        yield prefix + "correct", (margins > 0).astype(margins.dtype)


def _margin(correct: str) -> str:
    """Name of the tensor whose sign decides about that one."""
    return correct.removesuffix("correct") + "margin"


def _margins(loss: Loss | None, predictions: Array | None, target: Array | None) -> Array | None:
    """By how much each example is classified rightly (below 0: wrongly); None where nothing is classified."""
    if predictions is None or target is None:
        return None
    if isinstance(loss, SoftmaxCrossEntropy):  # the right class against the best other
        right = target.astype(bool)
        return predictions[right] - np.where(right, -np.inf, predictions).max(axis=1)
    if isinstance(loss, BinaryCrossEntropy | BinaryCrossEntropyFromLogits) and set(np.unique(target)) <= {0, 1}:
        return ((predictions - 0.5) * (2 * target - 1)).ravel()
    return None
