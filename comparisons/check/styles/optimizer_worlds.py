"""Parameters and gradients in the form that an optimizer of a user's file wants them in, and one step of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from comparisons.check.calling import array, parameters, plain
from comparisons.check.tensors import handed
from comparisons.check.unit import UserFile
from scratch import Optimizer

Array = np.ndarray
Arrays = dict[str, Array]
RATE = 0.05
BEFORE, AFTER = ("pre_update_params", "pre_update"), ("post_update_params", "post_update")
"""Methods that are called around every step."""
COUNTERS = ("t", "step", "iteration", "epoch", "timestep", "iter", "batchnum", "niter", "nsteps", "it")
KEYS = ("key", "id", "index", "i", "layerindex", "layeridx", "layerid", "layername", "name")
ONE = ("batchsize", "m", "nsamples", "minibatchsize", "epochnum", "epochnumber")
"""Names of what comes beside parameters and gradients: how many steps there were, which layer it is; how many examples, in the first epoch."""


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
    tick : str
        A method that counts the steps.
    early : bool
        Whether it is called before each step, not after.
    cause : str
        Why it follows no form, where that is known.
    at : tuple of (str, int, str)
        The method, line and statement of the cause.
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
    tick: str = ""
    early: bool = False
    cause: str = ""
    at: tuple[str, int, str] | None = None


def of_layer(name: str) -> str:
    """What an argument of this name is of a layer: `w`, `b`, `dw` or `db`; empty if it is none of them."""
    found = re.fullmatch(r"(d|grad|gradient|delta|nabla)?(w|weights?|b|bias|biases)(d|grads?|gradients?|delta)?", name)
    if found is None:
        return ""
    return ("d" if found[1] or found[3] else "") + found[2][0]


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
            self.layer = _layer(self.reading)
            self.network = SimpleNamespace(layers=[self.layer], trainable_layers=[self.layer], params_and_grads=self._pairs,
                                           parameters=lambda: self.values, params=lambda: self.held_objects)  # fmt: skip
            self.dictionary = {short(n): a for n, a in params.items()}
            self.values = list(params.values())
            self.gradient_dictionary: Arrays = {}
            self.gradient_list: list[Array] = []
            self.held_objects = [_Parameter(a) for a in self.values]
        self.gradient_dictionary.update({short(n): g for n, g in grads.items()})
        self.gradient_list[:] = list(grads.values())
        w, b = params.values()
        dw, db = grads.values()
        names = self.reading.names
        for name, a in zip(names, (w, b, dw, db), strict=True):
            setattr(self.layer, name, a)
        if self.reading.entries:
            for name, a, g in zip(names, (w, b), (dw, db), strict=False):
                setattr(self.layer, name, Entries(a, g))
        for held, a, g in zip(self.held_objects, params.values(), grads.values(), strict=True):
            held.data = held.value = held.weight = a
            held.grad = held.gradient = g.view(_Gradient)
            if held.pair is not None:
                held.pair[0][...], held.pair[1][...] = a, g
        self.dictionary.update({short(n): a for n, a in params.items()})
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
        for name in BEFORE:
            if hasattr(thing, name):
                file.call(getattr(thing, name))
        moved = self._call(file, f, thing)
        for name in AFTER:
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
                    p.name: known[of_layer(plain(p.name))] if of_layer(plain(p.name)) else self._more(plain(p.name))
                    for p in parameters(f)
                    if p.default is p.empty or of_layer(plain(p.name))
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
                    given[p.name] = short(name)
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


class Entries(dict[str, Any]):
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


def _layer(reading: Reading) -> Any:
    return SimpleNamespace(trainable=True, name="layer1", weight_regularizer_l1=0, weight_regularizer_l2=0)


def short(name: str) -> str:
    return name.rpartition(".")[2] + "1"
