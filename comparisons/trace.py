"""Running one implementation on one case and naming every tensor it produced.

Names: `forward/<layer>`, `loss`, `grad/<layer>.<param>`, `grad/<layer>.input`, `grad/loss.input` for the first pass;
`step3/param/<layer>.<param>`, `step3/state/<layer>.<param>.v`, `step3/buffer/<layer>.running_var` after the third step (or pass);
`step3/evaluation/<layer>` for held-out data after it; `trajectory/loss` for the losses of all steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from comparisons.case import Case
from comparisons.plan import Plan, PlannedBatch
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
    tensors : dict of str to ndarray
    kinks : dict of str to str
        For a tensor that jumps where another one crosses 0: that other one's name (same shape).
    final : Weights
        Parameters and buffers at the end.
    seconds : float
        Wall time of the run.
    """

    tensors: dict[str, Array] = field(default_factory=dict)
    kinks: dict[str, str] = field(default_factory=dict)
    final: Weights = field(default_factory=Weights)
    seconds: float = 0.0


def record(model: Model, case: Case, plan: Plan) -> Trace:
    """Run a case from the plan's weights and keep everything that is compared."""
    start = time.perf_counter()
    trace = Trace()
    model.load(plan.weights)
    if case.recorded_gradients:
        _record_updates(model, case, plan, trace)
    else:
        _record_passes(model, case, plan, trace)
    trace.final = model.weights()
    trace.seconds = time.perf_counter() - start
    return trace


def _record_updates(model: Model, case: Case, plan: Plan, trace: Trace) -> None:
    for step, grads in enumerate(plan.gradients, start=1):
        model.update(grads)
        if step in case.recorded_steps:
            trace.tensors |= _after_step(model, step, optimizer=True)


def _record_passes(model: Model, case: Case, plan: Plan, trace: Trace) -> None:
    losses = []
    for step, batch in enumerate(plan.batches, start=1):
        result = model.differentiate(batch.x, batch.target, batch.upstream, case.training, batch.masks)
        if step == 1:
            trace.tensors |= dict(_of_pass(result, ""))
            trace.kinks |= _kinks(case)
        elif step - 1 in case.recorded_steps:
            trace.tensors |= dict(_of_pass(result, f"step{step - 1}/"))
        if result.loss is not None:
            losses.append(result.loss)
        if case.optimizer is not None:
            model.update()
        if case.training and (step in case.recorded_steps or not case.recorded_steps):
            trace.tensors |= _after_step(model, step, optimizer=case.optimizer is not None)
            if case.data:
                _record_evaluation(model, plan.held_out, step, trace)
    if plan.held_out is not None and not case.data:
        _record_evaluation(model, plan.held_out, len(plan.batches), trace)
    if len(losses) > 1:
        trace.tensors["trajectory/loss"] = np.stack(losses)


def _of_pass(result: Pass, prefix: str) -> Iterator[tuple[str, Array]]:
    for layer, a in result.outputs.items():
        yield f"{prefix}forward/{layer}", a
    if result.loss is not None:
        yield f"{prefix}loss", result.loss
        yield f"{prefix}grad/loss.input", result.output_grad
    # Backward order: a mistake shows first where it starts.
    for layer in reversed(result.outputs):
        for p, g in result.grads.get(layer, {}).items():
            yield f"{prefix}grad/{layer}.{p}", g
        yield f"{prefix}grad/{layer}.input", result.input_grads[layer]


def _after_step(model: Model, step: int, optimizer: bool) -> dict[str, Array]:
    weights = model.weights()
    tensors: dict[str, Array] = {}
    if optimizer:
        for layer, params in model.optimizer_state().items():
            for p, state in params.items():
                tensors |= {f"step{step}/state/{layer}.{p}.{name}": a for name, a in state.items()}
        tensors |= {f"step{step}/param/{name}": a for name, a in flatten(weights.params)}
    tensors |= {f"step{step}/buffer/{name}": a for name, a in flatten(weights.buffers)}
    return tensors


def _record_evaluation(model: Model, held_out: PlannedBatch | None, step: int, trace: Trace) -> None:
    assert held_out is not None
    outputs = model.evaluate(held_out.x)
    trace.tensors |= {f"step{step}/evaluation/{layer}": a for layer, a in outputs.items()}
    margins = _margins(model.architecture.loss, outputs.get("predictions"), held_out.target)
    if margins is not None:
        prefix = f"step{step}/evaluation/"
        trace.tensors[prefix + "margin"] = margins
        trace.tensors[prefix + "correct"] = (margins > 0).astype(margins.dtype)
        trace.kinks[prefix + "correct"] = prefix + "margin"


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


def _kinks(case: Case) -> dict[str, str]:
    names = [name for name, _ in case.architecture.layers]
    return {
        f"grad/{name}.input": f"forward/{before}"
        for before, (name, layer) in zip(names, case.architecture.layers[1:], strict=False)
        if layer.kink_at_zero
    }
