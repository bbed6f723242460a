"""Optimizer objects: update rules that are handed parameters and gradients, or layers that hold both.

The rule is known by the class's name. Its form, momentum as a sum or an average, epsilon inside or outside the root, before or after
the bias correction, is found by following the object for a few steps. All forms that a framework or a paper has are right.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import parameters, plain, tree
from comparisons.check.construct import arguments
from comparisons.check.homes import source_text
from comparisons.check.locating import statement
from comparisons.check.models import OptimizerModel
from comparisons.check.objects import method
from comparisons.check.styles.optimizer_counters import EACH, Place, raised, rebound, ticking
from comparisons.check.styles.optimizer_networks import FORMS as NETWORKS
from comparisons.check.styles.optimizer_networks import NetworkWorld, network_forms
from comparisons.check.styles.optimizer_worlds import (
    COUNTERS,
    KEYS,
    ONE,
    RATE,
    Arrays,
    Entries,
    Reading,
    World,
    of_layer,
)
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.check.update_forms import SMALL, Form, State, forms, hidden_epsilon, within_root
from comparisons.diagnosis.optimizers import _rules
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import Dense, GradientDescent, Optimizer, architecture

Step = Callable[[Arrays, Arrays], Arrays]

STEP = ("updateparams", "update", "step", "updateparameters", "applygradients", "optimize", "updateweights", "apply", "__call__", "call", "getupdates",
        "minimize", "optimise", "updateparam", "gradientdescent", "applygradient", "updatelayer", "performupdate", "run", "updateparamssingle")  # fmt: skip
KINDS: tuple[tuple[str, str], ...] = (
    (r"adamw", "AdamW"),
    (
        r"adadelta|adamax|nadam|(?<!optimi[sz]e)radam|ada(belief|bound|mod)|yogi|lookahead|amsgrad|lamb|lion|rmsprop(gravesmom)|lbfgs|newton|nadamw",
        "",
    ),
    (r"adam(?!ax)", "Adam"),
    (r"rms", "RMSprop"),
    (r"ada_?grad", "Adagrad"),
    (r"nesterov|^nag", "Nesterov"),
    (r"momentum", "Momentum"),
    (r"sgd|gradientdescent|^gd$|vanilla|stochastic|^optimizer$|^optimiser$", "GradientDescent"),
)
TITLES = {
    "GradientDescent": "gradient descent",
    "Momentum": "momentum",
    "Nesterov": "Nesterov's momentum",
    "Adagrad": "Adagrad",
}
HYPER: dict[str, tuple[str, ...]] = {
    "learning_rate": ("lr", "learningrate", "eta", "alpha", "stepsize", "learnrate", "rate", "l"),
    "beta1": ("beta1", "b1", "rho1", "betaone", "betam", "beta", "m1", "decay1"),
    "beta2": ("beta2", "b2", "rho2", "betatwo", "betav", "m2", "decay2"),
    "beta": ("momentum", "beta", "mu", "gamma", "rho", "decayrate", "decay", "alpha", "mom", "friction", "discount", "beta1", "b", "beta2", "momentumcoefficient",
             "forgettingfactor", "momentumrate"),
    "epsilon": ("eps", "epsilon", "e"),
    "weight_decay": ("weightdecay", "wd", "lambd", "decoupledweightdecay", "l2"),
}  # fmt: skip
WANTED = {
    "GradientDescent": (),
    "Momentum": ("beta",),
    "Nesterov": ("beta",),
    "RMSprop": ("beta", "epsilon"),
    "Adagrad": ("epsilon",),
    "Adam": ("beta1", "beta2", "epsilon"),
    "AdamW": ("beta1", "beta2", "epsilon", "weight_decay"),
}
USED = {"learning_rate": RATE, "beta": 0.8, "beta1": 0.85, "beta2": 0.97, "epsilon": 1e-8, "weight_decay": 0.02}
DEFAULTS = {"learning_rate": 0.01, "beta": 0.9, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01}


class OptimizerObjects:
    """Classes that are optimizers."""

    name = "optimizers"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every class of a known rule that can be made and stepped."""
        units = []
        for name, cls in file.classes().items():
            kind = _kind(name)
            step = method(cls, STEP)
            if name in taken or not kind or not step:
                continue
            unit = _unit(file, name, cls, kind, step)
            if unit is not None:
                units.append(unit)
        file.mutated.clear()
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The optimizer behind the common door."""
        reading = unit.options["reading"]
        return OptimizerModel(case, lambda: _started(file, file.classes()[unit.name], reading))


def _kind(name: str) -> str:
    called = plain(name)
    return next((kind for pattern, kind in KINDS if re.search(pattern, called)), "")


def _unit(file: UserFile, name: str, cls: type, kind: str, step: str) -> Unit | None:
    told: UserError | None = None
    still: Reading | None = None
    if kind == "GradientDescent" and "beta" in _roles(cls, "Momentum").values():
        kind = "Momentum"
    given = _arguments(cls, kind)
    tick, early = ticking(file, cls, step)
    for form in _forms(cls, step):
        held = itertools.product(
            (False, True) if "layer" in form and Entries.READ.search(source_text(file)) else (False,),
            _names(file, form),
        )
        for entries, names in held:
            reading = Reading(
                kind, step, form, given, GradientDescent(RATE), names=names, entries=entries, tick=tick, early=early
            )
            try:
                fitted = _fitted(file, cls, reading)
            except UserError as error:
                told = told or error
                continue
            if fitted is not None:
                return _described(file, name, fitted)
            if form.startswith(NETWORKS):
                still = still or reading
    place = rebound(file, cls, step, parameter=True) if still is not None else None
    if still is not None and place is not None:
        cause = f"the parameter is not updated: {place.name} is bound to a new array, and the one that the network has stays as it was"
        rule = next(forms(kind, _values(file, cls, still), _constants(cls))).rule
        return _described(file, name, replace(still, rule=rule, cause=cause, at=_at(file, place)))
    if told is not None and not isinstance(told.__cause__, NotImplementedError):
        file.notes.append(f"{name} is not compared: {told}")
    return None


HELD = ("params", "parameters", "model", "net", "network", "layers", "layer", "weights", "modelparams", "param", "grads", "gradients", "shape")  # fmt: skip


EXTRAS = (
    "weightdecay",
    "wd",
    "l2",
    "lambd",
    "decay",
    "lrdecay",
    "decayrate",
    "nesterov",
    "amsgrad",
    "dampening",
    "reg",
    "learningratedecay",
)


def _arguments(cls: type, kind: str) -> dict[str, Any]:
    """Values for the constructor: hyper-parameters by role; for what is to be held, its name."""
    roles = _roles(cls, kind)
    given: dict[str, Any] = {}
    for p in arguments(cls):
        if p.name in roles:
            given[p.name] = USED[roles[p.name]]
        elif plain(p.name) in HELD:
            given[p.name] = p.name
        elif plain(p.name) in EXTRAS and isinstance(p.default, int | float):
            given[p.name] = type(p.default)(0)  # a decay, a look-ahead: not what the class is named for
        elif p.default is p.empty:
            given[p.name] = RATE if plain(p.name) in HYPER["learning_rate"] else 0.0
    return given


def _roles(cls: type, kind: str) -> dict[str, str]:
    """Hyper-parameter that each argument of the constructor is; of several that could be one, the one with the usual name."""
    found: dict[str, str] = {}
    asked = {p.name: plain(p.name) for p in arguments(cls) if not _rate_decay(p.name, p.default)}
    for role in ("learning_rate", *WANTED[kind]):
        fitting = [n for n, called in asked.items() if called in HYPER[role] and n not in found]
        if fitting:
            found[min(fitting, key=lambda n: HYPER[role].index(asked[n]))] = role
    return found


def _rate_decay(name: str, default: Any) -> bool:
    """Whether `decay` is that of the learning rate: by default there is next to none."""
    return plain(name) == "decay" and isinstance(default, int | float) and default < 0.5


def _forms(cls: type, step: str) -> list[str]:
    """Ways to hand parameters over, those first that the arguments' names speak of."""
    names = [plain(p.name) for p in parameters(getattr(cls, step)) if p.default is p.empty and p.name != "self"]
    held = [plain(p.name) for p in arguments(cls)]
    first, last = network_forms(cls, step, names, held)
    return [*first, *_plain_forms(cls, step, names, held), *last]


def _plain_forms(cls: type, step: str, names: list[str], held: list[str]) -> list[str]:
    """Ways to hand arrays over, or a layer that holds them."""
    parts = {of_layer(n) for n in names} - {""}
    if {"w", "b", "dw", "db"} <= {of_layer(plain(p.name)) for p in parameters(getattr(cls, step))} and (
        parts | set(names) & {*COUNTERS, *KEYS, *ONE, "self"}
    ) >= {of_layer(n) or n for n in names}:
        return ["both"]
    if "layer" in names:
        return ["layer"]
    if any(n in ("layers", "network", "model", "net") for n in names):
        return ["layers", "network", "layer"]
    if not names:
        holds_layers = any(n in ("layers", "model", "net", "network") for n in held)
        if hasattr(cls, "setup"):
            return ["parameters set up"]
        return ["layers held", "network held"] if holds_layers else ["parameters held", "layers held"]
    if any("name" in n or n in KEYS for n in names) or len(names) >= 3:
        return ["one array by name", "one array", "layer"]
    if len(names) == 1:
        return ["layer", "layers", "network", "parameters held", "pairs"]
    if any(n.endswith("s") for n in names[:2]):
        return ["dictionaries", "lists", "one array"]
    return ["one array", "dictionaries", "lists"]


def _names(file: UserFile, form: str) -> list[tuple[str, str, str, str]]:
    """Names of a layer's weights, biases and their gradients."""
    usual = [("weights", "biases", "dweights", "dbiases"), ("W", "b", "dW", "db"), ("weights", "bias", "dweights", "dbias"), ("w", "b", "dw", "db"),
             ("weights", "biases", "weights_gradient", "biases_gradient"), ("weight", "bias", "dweight", "dbias"), ("weights", "bias", "grad_weights", "grad_bias"),
             ("W", "b", "grad_W", "grad_b"), ("weights", "bias", "weights_grad", "bias_grad"), ("weights", "biases", "d_weights", "d_biases"),
             ("weights", "bias", "dW", "db"), ("weights", "biases", "dW", "db"), ("W", "b", "W_grad", "b_grad"), ("w", "b", "grad_w", "grad_b"),
             ("W", "b", "dLdW", "dLdb")]  # fmt: skip
    if "layer" not in form and "network" not in form:
        return usual[1:2]
    text = source_text(file)
    return (
        sorted(usual, key=lambda names: -sum(len(re.findall(rf"\b{n}\b", text)) for n in names))[:6] if text else usual
    )


def _started(file: UserFile, cls: type, reading: Reading) -> Step:
    """A fresh optimizer; each call of what is returned is one step."""
    world = _world(reading, cls)
    made: list[Any] = []

    def step(params: Arrays, grads: Arrays) -> Arrays:
        world.set(params, grads)
        with hidden_epsilon(vars(cls).values() if reading.small else ()):
            if not made:
                made.append(_made(file, cls, reading, world))
            if reading.tick and reading.early:
                file.call(getattr(made[0], reading.tick))
            moved = world.stepped(file, made[0])
            if reading.tick and not reading.early:
                file.call(getattr(made[0], reading.tick))
            return moved

    return step


def _world(reading: Reading, cls: type) -> World:
    return NetworkWorld(reading, cls) if reading.form.startswith(NETWORKS) else World(reading)


def _made(file: UserFile, cls: type, reading: Reading, world: World) -> Any:
    given = {n: world.held(v) if isinstance(v, str) else v for n, v in reading.arguments.items()}
    thing = file.call(cls, **given)
    if reading.form == "parameters set up":
        file.call(thing.setup, world.network)
    if isinstance(world, NetworkWorld):
        world.prepare(file, thing)
    if reading.small:
        for name in vars(thing):
            if plain(name) in HYPER["epsilon"]:
                setattr(thing, name, SMALL)
    return thing


CASE_STEPS = 12


def _case(name: str, rule: Optimizer) -> Case:
    return Case(f"check/{name}/steps", architecture(Dense(5, 4)), (1,) * CASE_STEPS, (5,), optimizer=rule, recorded_gradients=True,
                recorded_steps=(1, 2, 3, CASE_STEPS))  # fmt: skip


def _followed(step: Step) -> list[Arrays]:
    """Parameters after each of a few steps."""
    drawn = plan(_case("probe", GradientDescent(RATE)))
    params = {f"dense1.{n}": a.copy() for n, a in drawn.weights.params["dense1"].items()}
    found = []
    for grads in drawn.gradients[:5]:
        params = step(
            {n: a.copy() for n, a in params.items()}, {f"dense1.{n}": g.copy() for n, g in grads["dense1"].items()}
        )
        found.append({n: np.array(a) for n, a in params.items()})
    return found


def _of_form(form: Form, each: bool = False) -> Step:
    """The same door for a form of ours; `each` raises the counter for every parameter."""
    states: dict[str, State] = {}
    count = [0]

    def step(params: Arrays, grads: Arrays) -> Arrays:
        count[0] += 1
        for n, a in params.items():
            states.setdefault(n, form.start(a))
        m = len(params)
        times = {n: m * (count[0] - 1) + i if each else count[0] for i, n in enumerate(params, start=1)}
        return {n: form.step(a, grads[n], states[n], times[n]) for n, a in params.items()}

    return step


def _apart(a: list[Arrays], b: list[Arrays]) -> float:
    """Largest difference of two histories."""
    worst = 0.0
    for x, y in zip(a, b, strict=True):
        for n in x:
            if x[n].shape != y[n].shape:
                return np.inf
            d = np.abs(x[n] - y[n]).max()
            worst = max(worst, float(d) if np.isfinite(d) else np.inf)
    return worst


def _fitted(file: UserFile, cls: type, reading: Reading) -> Reading | None:
    """The reading with the form that the code follows, or the usual one if it follows none; None if it moves nothing."""
    history = _followed(_started(file, cls, reading))
    drawn = plan(_case("probe", GradientDescent(RATE)))
    w = {f"dense1.{n}": a for n, a in drawn.weights.params["dense1"].items()}
    if all(np.array_equal(history[-1][n], w[n]) for n in w) or any(history[-1][n].shape != w[n].shape for n in w):
        return None
    longest, chosen = -1, reading
    hide = within_root(cls)
    for form in forms(reading.kind, _values(file, cls, reading), _constants(cls)):
        steps = _agreeing(history, _followed(_of_form(form)))
        # Of code that follows none the epsilon is left out of sight, where it stands elsewhere: something else is wrong.
        nearer = steps > longest or (form.small and hide and steps == longest and not chosen.small)
        if steps == len(history) or (nearer and not form.alone):
            told = form.told if steps or form.small else ""
            longest = steps
            chosen = replace(
                reading, rule=form.rule, small=form.small, alone=form.told if form.alone else "", told=told
            )
        if steps == len(history):
            return chosen
    return _counted_for_each(file, cls, reading, history) or _with_cause(file, cls, chosen, history)


def _counted_for_each(file: UserFile, cls: type, reading: Reading, history: list[Arrays]) -> Reading | None:
    """The reading with the form that the code follows if its counter is raised for every parameter; None if it follows none."""
    place = raised(file, cls, reading.step)
    for form in forms(reading.kind, _values(file, cls, reading), _constants(cls)) if place else ():
        if place and not form.alone and _agreeing(history, _followed(_of_form(form, each=True))) == len(history):
            at = _at(file, place)
            return replace(reading, rule=form.rule, small=form.small, told=form.told, cause=EACH, at=at)
    return None


def _at(file: UserFile, place: Place) -> tuple[str, int, str]:
    return place.function, place.line, statement(file.path, place.line)


def _with_cause(file: UserFile, cls: type, chosen: Reading, history: list[Arrays]) -> Reading:
    """The reading, with the statement that loses a moment if all is as if that were not kept."""
    place = rebound(file, cls, chosen.step)
    for told, changed in _rules(chosen.rule) if place and not chosen.small else ():
        form = Form(chosen.rule, formula=changed)
        if (
            place
            and "not kept from step to step" in told
            and _agreeing(history, _followed(_of_form(form))) == len(history)
        ):
            cause = (
                f"{told}: {place.name} is bound to a new array, and the one that the optimizer keeps stays as it was"
            )
            return replace(chosen, cause=cause, at=_at(file, place))
    return chosen


def _agreeing(a: list[Arrays], b: list[Arrays]) -> int:
    """How many steps two histories have in common from the first on; a convention is one that holds for most of them."""
    for i in range(len(a)):
        if not _apart(a[i : i + 1], b[i : i + 1]) <= 1e-11:
            return i
    return len(a)


def _values(file: UserFile, cls: type, reading: Reading) -> dict[str, float]:
    """Hyper-parameters of the object: as it was told, or as it has them."""
    world = _world(reading, cls)
    drawn = plan(_case("probe", GradientDescent(RATE)))
    named = {f"dense1.{n}": a for n, a in drawn.weights.params["dense1"].items()}
    world.set(named, {n: np.zeros_like(a) for n, a in named.items()})
    thing = _made(file, cls, reading, world)
    values, roles = dict(DEFAULTS), _roles(cls, reading.kind)
    constants = _constants(cls)
    asked = [plain(p.name) for p in parameters(getattr(cls, reading.step))]
    if any(n in HYPER["learning_rate"] for n in asked):
        values["learning_rate"] = RATE
    small = [c for c in constants if 0 < c <= 1e-5]
    if small:
        values["epsilon"] = small[0]
    for role in ("learning_rate", *WANTED[reading.kind]):
        told = [reading.arguments[n] for n, r in roles.items() if r == role]
        names = sorted((n for n in vars(thing) if plain(n) in HYPER[role]), key=lambda n: HYPER[role].index(plain(n)))
        held = [v for n in names if isinstance(v := vars(thing)[n], int | float) and not isinstance(v, bool)]
        if told or held:
            values[role] = float((told or held)[0])
        elif role == "beta":
            between = [c for c in constants if 0.5 <= c < 1]
            values[role] = between[0] if between else values[role]
    return values


def _constants(cls: type) -> list[float]:
    body = tree(cls)
    return (
        [n.value for n in ast.walk(body) if isinstance(n, ast.Constant) and isinstance(n.value, float)] if body else []
    )


def _described(file: UserFile, name: str, reading: Reading) -> Unit:
    kind = type(reading.rule).__name__
    told = [reading.told] if reading.told else []
    case = _case(name, reading.rule)
    options: dict[str, Any] = {"reading": reading} | ({"alone": reading.alone} if reading.alone else {})
    if reading.cause:
        options |= {"cause": reading.cause, "at": reading.at}
    return Unit(
        name,
        OptimizerObjects.name,
        TITLES.get(kind, kind),
        file.own[name],
        (f"{name}.{reading.step}",),
        (case,),
        options,
        () if reading.alone else tuple(told),
    )
