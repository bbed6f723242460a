"""Update rules `rule(w, dw, config) -> w, config`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import array, bound, parameters, plain
from comparisons.check.models import OptimizerModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import Adagrad, Adam, Dense, GradientDescent, Momentum, Nesterov, Optimizer, RMSprop, architecture

Array = np.ndarray
STEPS = (1, 2, 3, 12)
RATE, BETA = 0.05, 0.9


def rules(kind: str) -> list[tuple[Optimizer, str]]:
    """The forms in which a rule is written, the usual one first, with what each takes for granted."""
    match kind:
        case "sgd":
            return [(GradientDescent(RATE), "")]
        case "momentum":
            # v sums gradients; as an average of them it is 1 - beta times that.
            return [
                (Momentum(RATE / (1 - BETA), BETA), "the velocity sums gradients, without 1 - momentum"),
                (Momentum(RATE, BETA), "the velocity averages gradients, with 1 - momentum"),
            ]
        case "nesterov":
            return [(Nesterov(RATE, BETA), "")]
        case "rmsprop":
            return [
                (RMSprop(RATE, rate, eps), f"decay rate {rate:g}, epsilon {eps:g}")
                for rate in (0.99, 0.9)
                for eps in EPSILONS
            ]
        case "adagrad":
            return [(Adagrad(RATE, eps), f"epsilon {eps:g}") for eps in EPSILONS]
        case "adam":
            return [(Adam(RATE, 0.9, 0.999, eps), "") for eps in EPSILONS]
    raise ValueError(kind)


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
                    yield [_unit(file, name, kind, rule, told) for rule, told in rules(kind)]

    return Recipe(find, _model)


def _unit(file: UserFile, name: str, kind: str, rule: Optimizer, told: str) -> Unit:
    case = Case(f"check/{name}/steps", architecture(Dense(6, 4)), (1,) * max(STEPS), (6,), optimizer=rule,
                recorded_gradients=True, recorded_steps=STEPS)  # fmt: skip
    return Unit(name, "", TITLES[kind], file.own[name], (name,), (case,), {"kind": kind}, (told,) if told else ())


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
                result = file.call(f, **bound(f, {"w": w.copy(), "dw": grads[p], "config": config}, ROLES))
                if not isinstance(result, tuple | list) or len(result) != 2:
                    raise UserError(f"{name} returns no tuple (next w, config)")
                moved[p] = array(result[0], f"{name}: the next w")
                configs[p] = config if result[1] is None else result[1]
            file.mutated -= {told for told in file.mutated if " config " in told}
            return moved

        return step

    return OptimizerModel(case, start)
