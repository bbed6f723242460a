"""Losses as functions of scores and labels that return the loss and its gradient, and linear classifiers with such a loss."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import ALIASES, Aliases, array, bound, parameters, plain
from comparisons.check.models import LossModel, PassModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.guards import guarded, unguarded
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import L2, Dense, Hinge, Loss, Pass, SoftmaxCrossEntropy, architecture

Array = np.ndarray
LOSSES: dict[str, Loss] = {
    "softmax": SoftmaxCrossEntropy(),
    "svm": Hinge(),
    "hinge": Hinge(),
    "multiclasshinge": Hinge(),
}
TITLES = {"SoftmaxCrossEntropy": "softmax cross-entropy", "Hinge": "multi-class hinge loss"}
SCORES: Aliases = {"x": ("x", "scores", "score", "logits", "z", "s", "pred", "out"), "Y": ("y", *ALIASES["Y"])}


def score_losses() -> Recipe:
    """`softmax_loss(x, y)`, `svm_loss(x, y)`: labels are whole numbers."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            match = re.fullmatch(f"({'|'.join(LOSSES)})(?:crossentropy)?(?:loss|cost)(.*)", plain(name))
            takes = [plain(p.name) for p in parameters(f)]
            if match and len(takes) >= 2 and takes[0] not in ("w", "theta", "weights") and "reg" not in takes:
                yield [_loss_unit(file, name, LOSSES[match[1]], total) for total in (False, True)]

    return Recipe(find, _loss_model, (_guards,))


def _loss_unit(file: UserFile, name: str, loss: Loss, total: bool) -> Unit:
    arch = architecture(loss=loss)
    cases = tuple(
        Case(f"check/{name}/{regime}{m}", arch, (m,), (5,), regime)
        for m, regime in ((6, "normal"), (1, "normal"), (4, "saturated"))
    )
    told = ("the loss is a sum over the examples",) if total else ()
    title = TITLES[type(loss).__name__]
    return Unit(name, "", title, file.own[name], (name,), cases, {"total": total}, told)


def _loss_model(file: UserFile, unit: Unit, case: Case) -> Model:
    def run(x: Array, target: Array) -> tuple[Array | None, Array | None]:
        f = file.namespace[unit.name]
        result = file.call(f, **bound(f, {"x": x, "Y": target.argmax(axis=1)}, SCORES))
        loss, grad = scaled_loss(unit.name, result, len(x) if unit.options["total"] else 1)
        return _exact(unit, case, loss, x, target), grad

    return LossModel(case, run)


def _guards(file: UserFile, unit: Unit) -> list[Unit]:
    return guarded(unit) if isinstance(unit.cases[0].architecture.loss, SoftmaxCrossEntropy) else []


def _exact(unit: Unit, case: Case, J: Array | None, scores: Array, target: Array) -> Array | None:
    """The loss without the effect of a guard."""
    loss, guard = case.architecture.loss, unit.options.get("guard", 0.0)
    if J is None or loss is None or not guard:
        return J
    return np.asarray(unguarded(J, guard, loss, loss.probabilities(scores), target))


def scaled_loss(name: str, result: Any, m: float) -> tuple[Array | None, Array | None]:
    """A loss and its gradient (if there is one), each by m."""
    loss, grad = result if isinstance(result, tuple | list) and len(result) == 2 else (result, None)
    J = np.asarray(array(loss, f"{name}: the loss") / m)
    if J.size != 1:
        raise UserError(f"{name} returns a loss of shape {J.shape}, not a number")
    return np.asarray(J).reshape(()), None if grad is None else array(grad, f"{name}: the gradient") / m


LINEAR: Aliases = {
    "W": ("w", "theta", "weights"),
    "x": ("x",),
    "Y": ("y",),
    "reg": ("reg", "lambda", "lambd", "lam", "l2reg"),
}
PENALTIES = {
    2.0: "the penalty is reg sum W^2",
    1.0: "the penalty is reg/2 sum W^2",
    4.0: "the penalty is 2 reg sum W^2",
    0.0: "no penalty is added",
}
"""Gradient of the penalty in units of reg W, by what it then is."""


def linear_losses() -> Recipe:
    """`softmax_loss_naive(W, X, y, reg)`, `svm_loss_vectorized(W, X, y, reg)` and the like."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            match = re.fullmatch(f"({'|'.join(LOSSES)})(?:crossentropy)?(?:loss|cost)?(.*)", plain(name))
            takes = [plain(p.name) for p in parameters(f)]
            if match and len(takes) >= 3 and takes[0] in ("w", "theta", "weights"):
                factors = (2.0, 1.0, 4.0) if len(takes) > 3 else (0.0,)
                yield [
                    _linear_unit(file, name, LOSSES[match[1]], factor, columns)
                    for columns in (False, True)
                    for factor in factors
                ]

    return Recipe(find, _linear_model, (_guards,))


REG = 0.35


def _linear_unit(file: UserFile, name: str, loss: Loss, factor: float, columns: bool) -> Unit:
    cases = tuple(
        Case(
            f"check/{name}/batch{m}",
            architecture(Dense(5, 4, bias=False), loss=loss, regulariser=L2(factor * REG * m) if factor else None),
            (m,),
            (5,),
        )
        for m in (6, 3)
    )
    told = (PENALTIES[factor], *(("examples are columns: X has shape (D, N), W (C, D)",) if columns else ()))
    title = f"linear classifier, {TITLES[type(loss).__name__]}"
    return Unit(name, "", title, file.own[name], (name,), cases, {"columns": columns}, told)


def _linear_model(file: UserFile, unit: Unit, case: Case) -> Model:
    f, columns = file.namespace[unit.name], unit.options["columns"]
    ((dense, _),) = case.architecture.layers

    def run(params: dict[str, dict[str, Array]], x: Array, target: Array, *_: Any) -> Pass:
        W = params[dense]["W"]
        flipped = (W.T.copy(), x.T.copy()) if columns else (W, x)
        roles = {"W": flipped[0], "x": flipped[1], "Y": target.argmax(axis=1), "reg": REG}
        loss, dW = scaled_loss(unit.name, file.call(f, **bound(f, roles, LINEAR)), 1)
        loss = _exact(unit, case, loss, x @ W, target)
        grads = {} if dW is None else {dense: {"W": dW.T if columns else dW}}
        return Pass({}, loss, grads, {}, None)  # type: ignore[arg-type]  # the scores' gradient stays inside

    return PassModel(case, run)
