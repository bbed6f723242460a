"""Logistic regression of the course's second week: `propagate(w, b, X, Y)` and `optimize`; and the cost on its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, bound, parameters, plain, shaped, tree
from comparisons.check.models import LossModel, PassModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.course_networks import ALIASES as NETWORK
from comparisons.check.styles.course_networks import COST
from comparisons.check.styles.guards import GUARDS, unguarded
from comparisons.check.styles.pair_layers import COLUMNS
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import BinaryCrossEntropy, Dense, GradientDescent, Pass, Sigmoid, SoftmaxCrossEntropy, architecture
from scratch.weights import Arrays

Array = np.ndarray
RATE = 0.05
ALIASES: Aliases = {
    "w": ("w", "weights", "theta", "weight"),
    "b": ("b", "bias"),
    "X": ("x", "xtrain", "data"),
    "Y": ("y", "ytrain", "labels", "target"),
    "num_iterations": ("numiterations", "iterations", "numiters", "niter", "epochs", "numiter", "iters", "niterations"),
    "learning_rate": ("learningrate", "alpha", "lr", "eta"),
    "print_cost": ("printcost", "verbose"),
}


def logistic() -> Recipe:
    """`propagate(w, b, X, Y)`, with `optimize` for the update where the file has it."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            takes = {plain(p.name) for p in parameters(f)}
            if re.fullmatch("propagate|propagation|forwardandbackward|forwardbackward|grad|gradient|computegradients?", plain(name)) and {"w", "b", "x", "y"} <= takes:  # fmt: skip
                if "grad" in plain(name) and not _of_sigmoid(file, f):
                    continue  # of a linear model
                optimize = next((n for n in free if plain(n) in ("optimize", "optimise", "gradientdescent")), "")
                yield [
                    _unit(file, name, optimize, columns, total, guard)
                    for guard in GUARDS
                    for columns in (True, False)
                    for total in (False, True)
                ]

    return Recipe(find, _Logistic)


def _of_sigmoid(file: UserFile, f: Any) -> bool:
    """Whether a function, or one that it calls, has an exponential or calls something after the sigmoid."""
    if not isinstance(f, FunctionType):
        return False
    reached = [f, *(file.namespace[n] for n in f.__code__.co_names if isinstance(file.namespace.get(n), FunctionType))]
    return any(re.search(r"sig|exp|logistic", "\n".join(g.__code__.co_names), re.IGNORECASE) for g in reached)


def _unit(file: UserFile, name: str, optimize: str, columns: bool, total: bool, guard: float) -> Unit:
    arch = architecture(Dense(4, 1), Sigmoid(), loss=BinaryCrossEntropy())
    rule = GradientDescent(RATE) if optimize else None
    cases = tuple(
        Case(f"check/{name}/batch{m}", arch, (m,), (4,), optimizer=rule, recorded_steps=(1,) if rule else ())
        for m in (6, 3)
    )
    told = [COLUMNS if columns else "examples are rows"]
    told += ["cost and gradients are sums over the examples"] if total else []
    told += [f"{guard:g} inside the logarithms guards them: its effect on the cost is taken out"] if guard else []
    options = {"tentative": "runs", "optimize": optimize, "columns": columns, "total": total, "guard": guard}
    members = (name, optimize) if optimize else (name,)
    return Unit(name, "", "logistic regression", file.own[name], members, cases, options, tuple(told))


class _Logistic(PassModel):
    """The functions behind the common door."""

    def __init__(self, file: UserFile, unit: Unit, case: Case) -> None:
        super().__init__(case, self._pass)
        self.file, self.unit, self.options = file, unit, unit.options

    def _roles(self, x: Array, target: Array) -> dict[str, Any]:
        own = self.params["dense1"]
        X, Y = (x.T.copy(), target.T.copy()) if self.options["columns"] else (x, target)
        return {"w": own["W"].copy(), "b": own["b"][0].item(), "X": X, "Y": Y}

    def _pass(self, params: Arrays, x: Array, target: Array, *_: Any) -> Pass:
        name, self._batch = self.unit.name, (x, target)
        m = len(x) if self.options["total"] else 1
        f = self.file.namespace[name]
        result = self.file.call(f, **bound(f, self._roles(x, target), ALIASES))
        grads, cost = _parts(name, result)
        named = {plain(str(n)): g for n, g in grads.items()}
        own, found = params["dense1"], {}
        for p, key in (("W", "dw"), ("b", "db")):
            if key in named:
                found[p] = shaped(np.asarray(array(named[key], f"{name}: {key}") / m), own[p].shape)
        if cost is not None:
            cost = np.asarray(array(cost, f"{name}: the cost") / m)
            if cost.size != 1:
                raise UserError(f"{name} returns a cost of shape {cost.shape}, not a number")
            z = x @ own["W"] + own["b"]
            cost = unguarded(
                cost.reshape(()), self.options["guard"], BinaryCrossEntropy(), 1 / (1 + np.exp(-z)), target
            )
        return Pass({}, None if cost is None else np.asarray(cost), {"dense1": found}, {}, None)  # type: ignore[arg-type]

    def update(self, grads: Arrays | None = None) -> None:
        """One iteration of the file's own gradient descent."""
        name = self.options["optimize"]
        f = self.file.namespace[name]
        roles = self._roles(*self._batch) | {"num_iterations": 1, "learning_rate": RATE, "print_cost": False}
        result = self.file.call(f, **bound(f, roles, ALIASES))
        self.file.mutated -= {told for told in self.file.mutated if told.startswith(f"{name} changes its argument w ")}
        own = self.params["dense1"]
        found = _moved(result, own)
        if found is None:
            raise UserError(f"{name} returns no dictionary with w and b")
        w, b = (np.asarray(array(v, f"{name}: {p}")) for v, p in zip(found, "wb", strict=True))
        self.params["dense1"] = {
            "W": shaped(w, own["W"].shape).astype(own["W"].dtype, copy=False),
            "b": shaped(b, own["b"].shape).astype(own["b"].dtype, copy=False),
        }


def _parts(name: str, result: Any) -> tuple[dict[str, Any], Any]:
    """Gradients by name, and the cost; in whatever order they come."""
    parts = list(result) if isinstance(result, tuple | list) else [result]
    dicts = [p for p in parts if isinstance(p, dict)]
    rest = [p for p in parts if not isinstance(p, dict)]
    if dicts:
        return dicts[0], rest[-1] if rest else dicts[0].get("cost")
    if len(parts) in (2, 3):  # dw, db and the cost, which stands first or last
        first = np.asarray(parts[0]).size == 1 and np.asarray(parts[1]).size > 1
        order = parts[1:] if first else parts
        cost = parts[0] if first else (parts[2] if len(parts) == 3 else None)
        return {"dw": order[0], "db": order[1]}, cost
    raise UserError(f"{name} returns no gradients and cost")


def _moved(result: Any, own: dict[str, Array]) -> tuple[Any, Any] | None:
    parts = list(result) if isinstance(result, tuple | list) else [result]
    for part in parts:
        if isinstance(part, dict) and {"w", "b"} <= {plain(str(n)) for n in part}:
            named = {plain(str(n)): a for n, a in part.items()}
            return named["w"], named["b"]
    if len(parts) >= 2 and np.asarray(parts[0]).size == own["W"].size:
        return parts[0], parts[1]
    return None


# The cost alone


_CLASSES = re.compile(r"\barange\(|\beye\(|one_?hot\w*\(|range\((len\(y\w*\)|m|n)\), ?y", re.IGNORECASE)


def costs() -> Recipe:
    """`compute_cost(AL, Y)` of probabilities, where no network takes it."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            takes = [plain(p.name) for p in parameters(f)]
            fits = len(takes) >= 2 and takes[0] in NETWORK["AL"] and takes[1] in NETWORK["Y"]
            body = tree(f)
            text = ast.unparse(body) if body is not None else "log"
            # Without a logarithm it is another loss; with class numbers as targets that of several classes.
            logarithm = "log" in text and not _CLASSES.search(text)
            if COST.fullmatch(plain(name)) and fits and logarithm and not set(takes) & set(NETWORK["lambd"]):
                yield [
                    _cost_unit(file, name, columns, several, total, guard)
                    for several in (False, True)
                    for columns in (True, False)
                    for total in (False, True)
                    for guard in GUARDS
                ]

    return Recipe(find, _cost_model)


def _cost_unit(file: UserFile, name: str, columns: bool, several: bool, total: bool, guard: float) -> Unit:
    loss, k = (SoftmaxCrossEntropy(), 3) if several else (BinaryCrossEntropy(), 1)
    regime = "normal" if several else "probabilities"
    cases = tuple(Case(f"check/{name}/batch{m}", architecture(loss=loss), (m,), (k,), regime) for m in (6, 4))
    told = [COLUMNS if columns else "examples are rows"]
    told += ["the cost is a sum over the examples"] if total else []
    told += [f"{guard:g} inside the logarithms guards them: its effect on the cost is taken out"] if guard else []
    options = {"columns": columns, "total": total, "guard": guard}
    title = "cross-entropy of softmax's probabilities" if several else "binary cross-entropy"
    return Unit(name, "", title, file.own[name], (name,), cases, options, tuple(told))


def _cost_model(file: UserFile, unit: Unit, case: Case) -> Model:
    f, options, loss = file.namespace[unit.name], unit.options, case.architecture.loss
    assert loss is not None

    def run(x: Array, target: Array) -> tuple[Array | None, Array | None]:
        a = loss.probabilities(x)
        given = (a.T.copy(), target.T.copy()) if options["columns"] else (a.copy(), target)
        W = np.zeros((2, 2))
        roles = {"AL": given[0], "Y": given[1], "parameters": {"W1": W, "b1": W, "W2": W, "b2": W}, "m": len(x)}
        J = np.asarray(array(file.call(f, **bound(f, roles, NETWORK)), f"{unit.name}: the cost"))
        if J.size != 1:
            raise UserError(f"{unit.name} returns a cost of shape {J.shape}, not a number")
        J = J.reshape(()) / (len(x) if options["total"] else 1)
        return np.asarray(unguarded(J, options["guard"], loss, a, target)), None

    return LossModel(case, run)
