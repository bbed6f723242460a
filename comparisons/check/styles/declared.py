"""Functions that were declared with `backproof.layer`, `backproof.loss` or `backproof.optimizer`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.binding import ATTRIBUTE, Binding
from comparisons.check.models import LayerModel, LossModel, OptimizerModel, Ran
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import Dense, Layer, Loss, Optimizer, architecture

Array = np.ndarray


class Declared:
    """Nothing is guessed: the declaration says what the function is."""

    name = "declared"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """All functions that carry a declaration."""
        found = {n: getattr(f, ATTRIBUTE, None) for n, f in file.functions().items() if n not in taken}
        return [_unit(file, n, binding) for n, binding in found.items() if binding is not None]

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The function behind the common door."""
        what = getattr(file.namespace[unit.name], ATTRIBUTE).what
        if isinstance(what, Loss):
            return LossModel(case, lambda x, target: _pair(unit.name, file.call(unit.name, x, target)))
        if isinstance(what, Optimizer):
            return OptimizerModel(case, lambda: _stepping(file, unit.name))
        return LayerModel(case, lambda *given: _ran(file, unit.name, *given))


def _unit(file: UserFile, name: str, binding: Binding) -> Unit:
    what = binding.what
    return Unit(name, "declared", type(what).__name__, file.own[name], (name,), tuple(_cases(name, binding)))


def _cases(name: str, binding: Binding) -> list[Case]:
    what, shape = binding.what, binding.input_shape
    if isinstance(what, Optimizer):
        steps = (1, 2, 3, 10)
        return [Case(f"check/{name}/steps", architecture(Dense(6, 4)), (1,) * 10, (6,), optimizer=what,
                     recorded_gradients=True, recorded_steps=steps)]  # fmt: skip
    if isinstance(what, Loss):
        batches, arch = (6, 1), architecture(loss=what)
    else:
        batches, arch = (6, 2) if isinstance(what, Layer) and what.initial_buffers() else (6, 1), architecture(what)
        shape = shape or _one_example(what)
    cases = [Case(f"check/{name}/batch{m}", arch, (m,), shape, **_regime(what, "normal")) for m in batches]
    return [*cases, Case(f"check/{name}/zeros", arch, (5,), shape, **_regime(what, "zeros"))]


def _regime(what: Layer | Loss, regime: str) -> dict[str, Any]:
    """Probabilities for a loss that takes them."""
    return {"regime": "probabilities" if type(what).__name__ == "BinaryCrossEntropy" else regime}


def _one_example(layer: Layer) -> tuple[int, ...]:
    for field in ("n_in", "n"):
        if hasattr(layer, field):
            return (getattr(layer, field),)
    return (5,)


def _ran(
    file: UserFile,
    name: str,
    params: dict[str, Array],
    buffers: dict[str, Array],
    x: Array,
    upstream: Array,
    training: bool,
    mask: Array | None,
) -> Ran:
    wanted = inspect.signature(file.namespace[name]).parameters
    any_name = any(p.kind is p.VAR_KEYWORD for p in wanted.values())
    offered = params | buffers | {"training": training, "mask": mask}
    given = {n: a for n, a in offered.items() if any_name or n in wanted}
    result = file.call(name, x, upstream, **given)
    if not isinstance(result, tuple) or len(result) not in (3, 4):
        raise UserError(f"{name} returns no tuple (output, input gradient, parameter gradients)")
    y, dx, grads = result[:3]
    moved = result[3] if len(result) == 4 else {}
    known = {n: np.asarray(g) for n, g in (grads or {}).items() if g is not None}
    return Ran(np.asarray(y), None if dx is None else np.asarray(dx), known, moved or {})


def _pair(name: str, result: Any) -> tuple[Array | None, Array | None]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise UserError(f"{name} returns no tuple (loss, gradient)")
    loss, grad = result
    return None if loss is None else np.asarray(loss), None if grad is None else np.asarray(grad)


def _stepping(file: UserFile, name: str) -> Any:
    step = file.call(name)
    if not callable(step):
        raise UserError(f"{name} returns no function step(params, grads)")
    return lambda params, grads: file.call(step, params, grads)
