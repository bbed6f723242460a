"""Optimizer objects: update rules that are handed parameters and gradients, or layers that hold both.

The rule is known by the class's name. Its form, momentum as a sum or an average, epsilon inside or outside the root, before or after
the bias correction, is found by following the object for a few steps. All forms that a framework or a paper has are right.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import array, parameters, plain, tree
from comparisons.check.construct import arguments
from comparisons.check.homes import source_text
from comparisons.check.models import OptimizerModel
from comparisons.check.objects import method
from comparisons.check.tensors import handed
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.check.update_forms import SMALL, Form, State, forms, hidden_epsilon, within_root
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import Dense, GradientDescent, Optimizer, architecture

Array = np.ndarray
Arrays = dict[str, Array]
Step = Callable[[Arrays, Arrays], Arrays]

RATE = 0.05
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


@dataclass(frozen=True)
class Reading:
    """How an optimizer is taken.

    Attributes
    ----------
    kind : str
        Name of the scratch class.
    step : str
        Its method.
    form : str
        How parameters and gradients are handed over.
    arguments : dict
        Values of the constructor's arguments.
    rule : Optimizer
    small : bool
        Whether epsilon is set to `SMALL`, as it stands elsewhere than in scratch.
    alone : str
        What the frameworks do not have of its form.
    names : tuple of str
        Of weights and biases, and of their gradients, in a layer.
    entries : bool
        Whether a layer's weights are dictionaries of value and gradient: `layer.W["val"]`, `layer.W["grad"]`.
    told : str
    """

    kind: str
    step: str
    form: str
    arguments: dict[str, Any]
    rule: Optimizer
    small: bool = False
    alone: str = ""
    names: tuple[str, str, str, str] = ("W", "b", "dW", "db")
    entries: bool = False
    told: str = ""


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
    if kind == "GradientDescent" and "beta" in _roles(cls, "Momentum").values():
        kind = "Momentum"
    given = _arguments(cls, kind)
    for form in _forms(cls, step):
        held = itertools.product(
            (False, True) if "layer" in form and _Entries.READ.search(source_text(file)) else (False,),
            _names(file, form),
        )
        for entries, names in held:
            reading = Reading(kind, step, form, given, GradientDescent(RATE), names=names, entries=entries)
            try:
                fitted = _fitted(file, cls, reading)
            except UserError as error:
                told = told or error
                continue
            if fitted is not None:
                return _described(file, name, fitted)
    if told is not None and not isinstance(told.__cause__, NotImplementedError):
        file.notes.append(f"{name} is not compared: {told}")
    return None


HELD = ("params", "parameters", "model", "net", "network", "layers", "layer", "weights", "modelparams", "param", "grads", "gradients", "shape")  # fmt: skip


COUNTERS = ("t", "step", "iteration", "epoch", "timestep", "iter", "batchnum", "niter", "nsteps", "it")
KEYS = ("key", "id", "index", "i", "layerindex", "layeridx", "layerid", "layername", "name")
ONE = ("batchsize", "m", "nsamples", "minibatchsize", "epochnum", "epochnumber")
"""Names of what comes beside parameters and gradients: how many steps there were, which layer it is; how many examples, in the first epoch."""
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
    of_layer = {_of_layer(n) for n in names} - {""}
    if {"w", "b", "dw", "db"} <= {_of_layer(plain(p.name)) for p in parameters(getattr(cls, step))} and (
        of_layer | set(names) & {*COUNTERS, *KEYS, *ONE, "self"}
    ) >= {_of_layer(n) or n for n in names}:
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


def _of_layer(name: str) -> str:
    """What an argument of this name is of a layer: `w`, `b`, `dw` or `db`; empty if it is none of them."""
    found = re.fullmatch(r"(d|grad|gradient|delta|nabla)?(w|weights?|b|bias|biases)(d|grads?|gradients?|delta)?", name)
    if found is None:
        return ""
    return ("d" if found[1] or found[3] else "") + found[2][0]


def _names(file: UserFile, form: str) -> list[tuple[str, str, str, str]]:
    """Names of a layer's weights, biases and their gradients."""
    usual = [("weights", "biases", "dweights", "dbiases"), ("W", "b", "dW", "db"), ("weights", "bias", "dweights", "dbias"), ("w", "b", "dw", "db"),
             ("weights", "biases", "weights_gradient", "biases_gradient"), ("weight", "bias", "dweight", "dbias"), ("weights", "bias", "grad_weights", "grad_bias"),
             ("W", "b", "grad_W", "grad_b"), ("weights", "bias", "weights_grad", "bias_grad"), ("weights", "biases", "d_weights", "d_biases"),
             ("weights", "bias", "dW", "db"), ("weights", "biases", "dW", "db"), ("W", "b", "W_grad", "b_grad"), ("w", "b", "grad_w", "grad_b")]  # fmt: skip
    if "layer" not in form and "network" not in form:
        return usual[1:2]
    text = source_text(file)
    return (
        sorted(usual, key=lambda names: -sum(len(re.findall(rf"\b{n}\b", text)) for n in names))[:6] if text else usual
    )


def _started(file: UserFile, cls: type, reading: Reading) -> Step:
    """A fresh optimizer; each call of what is returned is one step."""
    world = World(reading)
    made: list[Any] = []

    def step(params: Arrays, grads: Arrays) -> Arrays:
        world.set(params, grads)
        with hidden_epsilon(vars(cls).values() if reading.small else ()):
            if not made:
                made.append(_made(file, cls, reading, world))
            return world.stepped(file, made[0])

    return step


def _made(file: UserFile, cls: type, reading: Reading, world: World) -> Any:
    given = {n: world.held(v) if isinstance(v, str) else v for n, v in reading.arguments.items()}
    thing = file.call(cls, **given)
    if reading.form == "parameters set up":
        file.call(thing.setup, world.network)
    if reading.small:
        for name in vars(thing):
            if plain(name) in HYPER["epsilon"]:
                setattr(thing, name, SMALL)
    return thing


class World:
    """Parameters and gradients in the form that an optimizer wants.

    Parameters
    ----------
    reading : Reading
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.layer: Any = None
        self.values: list[Array] = []
        self.held_objects: list[_Parameter] = []
        self._steps = 0

    def set(self, params: Arrays, grads: Arrays) -> None:
        """The present values; objects stay the same, as optimizers may remember by identity."""
        self.params, self.grads = params, grads
        self._steps += 1
        if self.layer is None:
            self.layer = _thing(self.reading)
            self.network = SimpleNamespace(layers=[self.layer], trainable_layers=[self.layer], params_and_grads=self._pairs,
                                           parameters=lambda: self.values, params=lambda: self.held_objects)  # fmt: skip
            self.dictionary = {_short(n): a for n, a in params.items()}
            self.values = list(params.values())
            self.gradient_dictionary: Arrays = {}
            self.gradient_list: list[Array] = []
            self.held_objects = [_Parameter(a) for a in self.values]
        self.gradient_dictionary.update({_short(n): g for n, g in grads.items()})
        self.gradient_list[:] = list(grads.values())
        w, b = params.values()
        dw, db = grads.values()
        names = self.reading.names
        for name, a in zip(names, (w, b, dw, db), strict=True):
            setattr(self.layer, name, a)
        if self.reading.entries:
            for name, a, g in zip(names, (w, b), (dw, db), strict=False):
                setattr(self.layer, name, _Entries(a, g))
        for held, a, g in zip(self.held_objects, params.values(), grads.values(), strict=True):
            held.data = held.value = held.weight = a
            held.grad = held.gradient = g.view(_Gradient)
            if held.pair is not None:
                held.pair[0][...], held.pair[1][...] = a, g
        self.dictionary.update({_short(n): a for n, a in params.items()})
        self.values[:] = list(params.values())
        self.layer.params = {names[0]: w, names[1]: b}
        self.layer.grads = {names[0]: dw, names[1]: db, names[2]: dw, names[3]: db}
        self.layer.parameters, self.layer.gradients = self.layer.params, self.layer.grads

    def _pairs(self) -> Iterator[tuple[Array, Array]]:
        yield from zip(self.values, self.gradient_list, strict=True)

    def held(self, name: str) -> Any:
        """What the constructor is given for an argument of this name."""
        called = plain(name)
        if called in ("layers",):
            return [self.layer]
        if called in ("model", "net", "network"):
            return self.network
        if called in ("layer",):
            return self.layer
        if called in ("grads", "gradients"):
            return self.gradient_dictionary
        return self.held_objects if self.reading.form == "parameters held" else self.dictionary

    def stepped(self, file: UserFile, thing: Any) -> Arrays:
        """Parameters after one step."""
        f = getattr(thing, self.reading.step)
        for name in ("pre_update_params", "pre_update"):
            if hasattr(thing, name):
                file.call(getattr(thing, name))
        moved = self._call(file, f, thing)
        for name in ("post_update_params", "post_update"):
            if hasattr(thing, name):
                file.call(getattr(thing, name))
        file.mutated.clear()  # to change parameters in place is what optimizers do
        return dict(zip(self.params, (array(a, "a parameter after the step") for a in moved), strict=True))

    def _call(self, file: UserFile, f: Callable[..., Any], thing: Any) -> list[Any]:
        form, names = self.reading.form, self.reading.names
        match form:
            case "dictionaries":
                result = file.call(f, self.dictionary, self.gradient_dictionary)
                return (
                    list(result.values())
                    if isinstance(result, dict) and len(result) == 2
                    else list(self.dictionary.values())
                )
            case "lists":
                result = file.call(f, self.values, self.gradient_list)
                return list(result) if isinstance(result, list | tuple) and len(result) == 2 else self.values
            case "one array" | "one array by name":
                return self._each(file, f, thing)
            case "layer" | "layers" | "network":
                file.call(f, {"layer": self.layer, "layers": [self.layer], "network": self.network}[form])
            case "both":
                (w, b), (dw, db) = self.params.values(), self.grads.values()
                known = {"w": w, "b": b, "dw": dw, "db": db}
                given = {
                    p.name: known[_of_layer(plain(p.name))] if _of_layer(plain(p.name)) else self._more(plain(p.name))
                    for p in parameters(f)
                    if p.default is p.empty or _of_layer(plain(p.name))
                }
                result = file.call(f, **given)
                return [w, b] if result is None else list(result)[:2]
            case "pairs":
                file.call(f, list(self._pairs()))
                return self.values
            case "parameters held" | "parameters set up":
                file.call(f)
                return [
                    p.pair[0].copy() if p.pair is not None else p.value if p.value is not a else p.data
                    for p, a in zip(self.held_objects, self.params.values(), strict=True)
                ]
            case _:
                file.call(f)
        now = [getattr(self.layer, n) for n in names[:2]]
        if self.reading.entries:
            return [held.value for held in now]
        kept = [self.layer.params[n] for n in names[:2]]
        return [k if k is not a else n for k, n, a in zip(kept, now, self.params.values(), strict=True)]

    def _each(self, file: UserFile, f: Callable[..., Any], thing: Any) -> list[Any]:
        """Each parameter on its own; optimizers that keep moments for one parameter alone come as several."""
        results = []
        asked = [p for p in parameters(f) if p.default is p.empty]
        for i, (name, w) in enumerate(self.params.items()):
            own = self._own(thing, i)
            g = getattr(own, self.reading.step)
            given: dict[str, Any] = {}
            for j, p in enumerate(asked):
                called = plain(p.name)
                if "name" in called or called in KEYS:
                    given[p.name] = _short(name)
                elif called in (*COUNTERS, *ONE, "lr", "learningrate"):
                    given[p.name] = self._more(called)
                else:
                    given[p.name] = self.grads[name] if ("grad" in called or (called.startswith("d") and j) or (j == 1 and not _gradient_first(asked))
                                                         or (j == 0 and _gradient_first(asked))) else w  # fmt: skip
            result = file.call(g, **given)
            results.append(w if result is None else result)
        return results

    def _more(self, called: str) -> Any:
        """What goes with the parameters in a step."""
        if called in ("lr", "learningrate"):
            return RATE
        if called in ONE:
            return 1
        if called in COUNTERS:
            return self._steps
        return 0 if called in ("i", "index", "layerindex", "layeridx") else "layer1"

    def _own(self, thing: Any, i: int) -> Any:
        import copy

        if self.reading.form == "one array by name":
            return thing
        if not hasattr(self, "_copies"):
            self._copies = [thing, *(copy.deepcopy(thing) for _ in range(3))]
        return self._copies[i]


def _gradient_first(asked: list[Any]) -> bool:
    return "grad" in plain(asked[0].name)


class _Gradient(np.ndarray):
    """A gradient that is an array, and has one under the name of those who keep it in an object."""

    @property
    def data(self) -> Array:  # type: ignore[override]
        """The array."""
        return self.view(np.ndarray)


class _Entries(dict[str, Any]):
    """A parameter and its gradient as entries of a dictionary, whatever they are called."""

    VALUES = ("val", "value", "data", "param")
    READ = re.compile(rf"""\[['"]({"|".join(VALUES)})['"]\]""")

    def __init__(self, a: Array, g: Array) -> None:
        super().__init__(dict.fromkeys(self.VALUES, a) | dict.fromkeys(("grad", "gradient", "g", "d"), g))
        self._first = a

    @property
    def value(self) -> Array:
        """The parameter as it is now."""
        return next((self[n] for n in self.VALUES if self[n] is not self._first), self._first)


class _Parameter:
    """A parameter with its gradient, under the usual names."""

    def __init__(self, a: Array) -> None:
        self.data = self.value = self.weight = a
        self.grad = self.gradient = np.zeros_like(a)
        self.shape = a.shape
        self.requires_grad = True
        self.pair: tuple[Array, Array] | None = None

    def __iter__(self) -> Iterator[Any]:
        """For those who hold parameters as pairs, (value, gradient): arrays that stay the same, to be changed in place."""
        if self.pair is None:
            self.pair = (np.array(self.value), np.array(self.grad))
        yield from map(handed, self.pair)


def _thing(reading: Reading) -> Any:
    return SimpleNamespace(trainable=True, name="layer1", weight_regularizer_l1=0, weight_regularizer_l2=0)


def _short(name: str) -> str:
    return name.rpartition(".")[2] + "1"


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


def _of_form(form: Form) -> Step:
    """The same door for a form of ours."""
    states: dict[str, State] = {}
    count = [0]

    def step(params: Arrays, grads: Arrays) -> Arrays:
        count[0] += 1
        for n, a in params.items():
            states.setdefault(n, form.start(a))
        return {n: form.step(a, grads[n], states[n], count[0]) for n, a in params.items()}

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
            break
    return chosen


def _agreeing(a: list[Arrays], b: list[Arrays]) -> int:
    """How many steps two histories have in common from the first on; a convention is one that holds for most of them."""
    for i in range(len(a)):
        if not _apart(a[i : i + 1], b[i : i + 1]) <= 1e-11:
            return i
    return len(a)


def _values(file: UserFile, cls: type, reading: Reading) -> dict[str, float]:
    """Hyper-parameters of the object: as it was told, or as it has them."""
    world = World(reading)
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
    return Unit(
        name,
        OptimizerObjects.name,
        TITLES.get(kind, kind),
        file.own[name],
        (f"{name}.{reading.step}",),
        (case,),
        {"reading": reading} | ({"alone": reading.alone} if reading.alone else {}),
        () if reading.alone else tuple(told),
    )
