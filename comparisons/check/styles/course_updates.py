"""The course's update rules on dictionaries: `update_parameters`, with gradient descent, momentum, RMSprop, Adam."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, bound, parameters, plain, shaped
from comparisons.check.models import OptimizerModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.cs231n_updates import BETA, RATE, STEPS, TITLES, assumed, published, readings
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.check.update_forms import Form, hidden_epsilon
from comparisons.trace import Model
from scratch import Architecture, Dense, Momentum, architecture

Array = np.ndarray
NAMES = re.compile(
    r"(?:update|optimi[sz]e)?(?:parameters|params|weights|parameter|param)?(?:update)?(?:with|using|by)?"
    r"(gd|sgd|gradientdescent|momentum|rmsprop|adam)?(?:optimi[sz]er|optimi[sz]ation|update|parameters)?"
)
ALIASES: Aliases = {
    "parameters": ("parameters", "params", "param", "p", "weights"),
    "grads": ("grads", "gradients", "grad", "g", "dparams"),
    "v": ("v", "velocity", "vel", "m", "vt", "vdw"),
    "s": ("s", "sqr", "st", "cache", "sdw"),
    "t": ("t", "step", "iteration", "epoch", "i", "time", "it"),
    "learning_rate": ("learningrate", "lr", "alpha", "eta", "rate"),
    "beta": ("beta", "beta1", "momentum", "mu", "gamma", "decayrate", "rho"),
    "beta1": ("beta1", "b1", "rho1"),
    "beta2": ("beta2", "b2", "rho2", "beta"),
    "epsilon": ("epsilon", "eps"),
    "L": ("l", "nlayers", "layers", "numlayers"),
}
ARCH: Architecture = architecture(Dense(6, 5), Dense(5, 4))


def course_updates() -> Recipe:
    """Functions of parameters and gradients that return the parameters moved."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            match = NAMES.fullmatch(plain(name))
            takes = [plain(p.name) for p in parameters(f)]
            if match and plain(name) and _takes(takes, "parameters") and _takes(takes, "grads"):
                kind = {"gd": "sgd", "gradientdescent": "sgd"}.get(match[1] or "", match[1] or _guessed(takes))
                units = ((form, _unit(file, name, kind, form)) for form in _forms(kind, f))
                yield readings(file, units, _model)

    return Recipe(find, _model)


def _takes(takes: list[str], role: str) -> bool:
    return any(n in ALIASES[role] for n in takes)


def _guessed(takes: list[str]) -> str:
    if "v" in takes and "s" in takes:
        return "adam"
    return "momentum" if "v" in takes or "velocity" in takes else "rmsprop" if "s" in takes else "sgd"


def _forms(kind: str, f: Any) -> list[Form]:
    """The published forms, the course's own momentum first."""
    found = published(kind, f)
    return (
        sorted(found, key=lambda form: form.rule != Momentum(RATE, BETA) or form.alone) if kind == "momentum" else found
    )


def _unit(file: UserFile, name: str, kind: str, form: Form) -> Unit:
    steps = STEPS[:-1] if kind == "sgd" else STEPS
    case = Case(f"check/{name}/steps", ARCH, (1,) * max(steps), (6,), optimizer=form.rule, recorded_gradients=True,
                recorded_steps=steps)  # fmt: skip
    start = next((n for n in file.functions() if plain(n) in _STARTS[kind]), "")
    members = (start, name) if start else (name,)
    options = {"tentative": "runs", "kind": kind, "start": start, "small": form.small}
    options |= {"alone": form.told} if form.alone else {}
    usual = kind == "momentum" and not form.alone and form.rule == Momentum(RATE, BETA)
    told = "" if usual else assumed(form)
    return Unit(name, "", TITLES[kind], file.own[name], members, (case,), options, (told,) if told else ())


_STARTS = {
    "sgd": (),
    "momentum": ("initializevelocity", "initvelocity", "initializemomentum"),
    "rmsprop": ("initializermsprop",),
    "adam": ("initializeadam", "initadam"),
}


MOMENTS = {"sgd": (), "momentum": ("v",), "rmsprop": ("s",), "adam": ("v", "s")}
"""What a rule remembers, in the order in which it is given and returned."""


def _columns(a: Array) -> Array:
    return a.T.copy() if a.ndim == 2 else a.reshape(-1, 1).copy()


def _model(file: UserFile, unit: Unit, case: Case) -> Model:
    f, rule, start = file.namespace[unit.name], case.optimizer, unit.options["start"]
    numbers = {f"dense{l}.{p}": f"{p}{l}" for l in (1, 2) for p in "Wb"}  # noqa: E741

    def begin() -> Any:
        moments: dict[str, Any] = {}
        count = itertools.count(1)

        def step(params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
            own = {numbers[n]: _columns(a) for n, a in params.items()}
            if not moments:
                moments.update(_moments(file, start, own, unit.options["kind"]))
            given = {"parameters": own, "grads": {f"d{numbers[n]}": _columns(g) for n, g in grads.items()}}
            with hidden_epsilon([f] if unit.options["small"] else ()):
                result = file.call(f, **bound(f, given | moments | {"t": next(count)} | _hyper(rule), ALIASES))
            file.mutated -= {told for told in file.mutated if told.startswith(f"{unit.name} changes its argument")}
            moved, rest = _results(unit.name, result, own)
            moments.update(zip(MOMENTS[unit.options["kind"]], rest, strict=False))
            return {n: _rows(array(moved[numbers[n]], f"{unit.name}: {numbers[n]}"), w) for n, w in params.items()}

        return step

    return OptimizerModel(case, begin)


def _hyper(rule: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"learning_rate": RATE, "L": 2}
    for name in ("beta", "beta1", "beta2", "epsilon"):
        if hasattr(rule, name):
            found[name] = getattr(rule, name)
    if "beta" in found:  # a rule with one has it under Adam's name for it, as in the lectures: `beta2` of RMSprop
        found |= {"beta1": found["beta"], "beta2": found["beta"]}
    return found


def _moments(file: UserFile, start: str, own: dict[str, Array], kind: str) -> dict[str, Any]:
    zeros = [{f"d{n}": np.zeros_like(a) for n, a in own.items()} for _ in "vs"]
    names = MOMENTS[kind]
    if start:
        made = file.call(start, {n: a.copy() for n, a in own.items()})
        made = made if isinstance(made, tuple | list) else (made,)
        if all(isinstance(m, dict) for m in made):
            return dict(zip(names, made, strict=False))
    return dict(zip(names, zeros, strict=False))


def _results(name: str, result: Any, own: dict[str, Array]) -> tuple[dict[str, Any], list[Any]]:
    """The moved parameters, and the moments after them; parameters changed in place if nothing is returned."""
    parts = list(result) if isinstance(result, tuple | list) else [own if result is None else result]
    for i, part in enumerate(parts):
        if isinstance(part, dict) and own.keys() <= part.keys():
            return part, [p for p in parts[i + 1 :] if isinstance(p, dict)]
    raise UserError(f"{name} returns no dictionary with {', '.join(own)}")


def _rows(a: Array, like: Array) -> Array:
    return np.ascontiguousarray(a.T) if like.ndim == 2 and a.ndim == 2 else shaped(a, like.shape)
