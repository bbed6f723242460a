"""Update rules `rule(w, dw, config) -> w, config`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import array, bound, parameters, plain, tree
from comparisons.check.models import OptimizerModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.check.update_forms import Form, follows, forms, hidden_epsilon, within_root
from comparisons.trace import Model
from scratch import Adagrad, Adam, Dense, RMSprop, architecture

Array = np.ndarray
STEPS = (1, 2, 3, 12)
RATE, BETA = 0.05, 0.9


def published(kind: str, f: Any) -> list[Form]:
    """The forms in which a rule is written, the usual one first; epsilons and decay rates as the function has them, or usual ones."""
    numbers = constants(f)
    epsilons = dict.fromkeys([EPSILONS[0], *(n for n in numbers if n <= LARGEST), *EPSILONS])
    rates = (0.99, BETA) if kind == "rmsprop" else (BETA,)
    known = {"learning_rate": RATE, "beta1": 0.9, "beta2": 0.999}
    found = [
        form
        for rate in rates
        for epsilon in epsilons
        for form in forms(KINDS[kind], known | {"beta": rate, "epsilon": epsilon}, numbers)
    ]
    return list(dict.fromkeys(found))


def readings(file: UserFile, units: Iterable[tuple[Form, Unit]], model: Callable[..., Model]) -> list[Unit]:
    """Units to choose from, those that are compared as they are first; of a form that no framework has, that one alone.

    Where epsilon is hidden, it is seen before that the code has it where the form has.
    """
    known = list(units)
    hidden: list[Unit] = []
    for form, unit in known:
        (case,) = unit.cases
        if form.small:
            case = replace(case, optimizer=replace(form.rule, epsilon=form.epsilon))  # type: ignore[call-arg]
        if form.formula is not None and follows(model(file, _as_it_is(unit, case), case), case, form):
            if form.alone:
                return [unit]
            hidden.append(unit)
    whole = [unit for form, unit in known if form.formula is None]
    if hidden or not known:
        return whole + hidden
    # Of code that follows none the epsilon is left out of sight, where it stands elsewhere: something else is wrong.
    any_ = [*{unit.assumptions: unit for form, unit in known if form.small}.values()]
    return any_ + whole if within_root(file.functions()[known[0][1].name]) else whole + any_


def _as_it_is(unit: Unit, case: Case) -> Unit:
    return replace(unit, cases=(case,), options=unit.options | {"small": False})


def constants(f: Any) -> list[float]:
    """Numbers between 0 and 1 in the text of a function."""
    body = tree(f)
    found = [n.value for n in ast.walk(body) if isinstance(n, ast.Constant)] if body else []
    return [float(n) for n in found if isinstance(n, float) and 0 < n < 1]


LARGEST = 1e-3
"""Numbers in the code up to this one may be epsilons."""
KINDS = {
    "sgd": "GradientDescent",
    "momentum": "Momentum",
    "nesterov": "Nesterov",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adam": "Adam",
}
EPSILONS = (1e-8, 1e-7, 1e-6, 1e-10, 1e-5, 1e-4)
NAMES = {
    "sgd": "sgd|vanillasgd|gd|gradientdescent",
    "momentum": "sgdmomentum|momentum|sgdwithmomentum|momentumupdate",
    "nesterov": "nesterov|sgdnesterov|nesterovmomentum|nag",
    "rmsprop": "rmsprop|rmspropupdate",
    "adagrad": "adagrad",
    "adam": "adam|adamupdate",
}
TITLES = {"sgd": "gradient descent", "momentum": "momentum", "nesterov": "Nesterov's momentum", "rmsprop": "RMSprop",
          "adagrad": "Adagrad", "adam": "Adam"}  # fmt: skip
ROLES = {
    "w": ("w", "x", "param", "theta", "weights"),
    "dw": ("dw", "dx", "grad", "g", "dtheta", "gradient"),
    "config": ("config", "conf", "cfg", "state", "optimconfig"),
}


def update_rules() -> Recipe:
    """`sgd`, `sgd_momentum`, `rmsprop`, `adam` as the assignments have them."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            takes = [plain(p.name) for p in parameters(f)]
            for kind, names in NAMES.items():
                if re.fullmatch(names, plain(name)) and len(takes) == 3 and takes[2] in ROLES["config"]:
                    units = ((form, _unit(file, name, kind, form)) for form in published(kind, f))
                    yield readings(file, units, _model)

    return Recipe(find, _model)


def _unit(file: UserFile, name: str, kind: str, form: Form) -> Unit:
    case = Case(f"check/{name}/steps", architecture(Dense(6, 4)), (1,) * max(STEPS), (6,), optimizer=form.rule,
                recorded_gradients=True, recorded_steps=STEPS)  # fmt: skip
    options = {"kind": kind, "small": form.small} | ({"alone": form.told} if form.alone else {})
    told = assumed(form)
    return Unit(name, "", TITLES[kind], file.own[name], (name,), (case,), options, (told,) if told else ())


def assumed(form: Form) -> str:
    """What a form takes for granted, with the numbers that the code may have been given otherwise."""
    rule = form.rule
    if form.told or form.small:
        return "" if form.alone else form.told
    if isinstance(rule, RMSprop):
        return f"decay rate {rule.beta:g}, epsilon {rule.epsilon:g}"
    usual = isinstance(rule, Adam) and rule.epsilon == EPSILONS[0]
    return f"epsilon {rule.epsilon:g}" if isinstance(rule, Adam | Adagrad) and not usual else ""


def _model(file: UserFile, unit: Unit, case: Case) -> Model:
    f, name = file.namespace[unit.name], unit.name

    def start() -> Any:
        rule = case.optimizer
        first = {"learning_rate": RATE, "momentum": BETA} | (
            {"decay_rate": rule.beta, "epsilon": rule.epsilon} if isinstance(rule, RMSprop) else {}
        )
        if isinstance(rule, Adam):
            first |= {"beta1": rule.beta1, "beta2": rule.beta2, "epsilon": rule.epsilon}
        configs: dict[str, Any] = {}

        def step(params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
            moved = {}
            for p, w in params.items():
                config = configs.setdefault(p, dict(first))
                with hidden_epsilon([f] if unit.options["small"] else ()):
                    result = file.call(f, **bound(f, {"w": w.copy(), "dw": grads[p], "config": config}, ROLES))
                if not isinstance(result, tuple | list) or len(result) != 2:
                    raise UserError(f"{name} returns no tuple (next w, config)")
                moved[p] = array(result[0], f"{name}: the next w")
                configs[p] = config if result[1] is None else result[1]
            file.mutated -= {told for told in file.mutated if " config " in told}
            return moved

        return step

    return OptimizerModel(case, start)
