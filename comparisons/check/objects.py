"""Driving a layer object: making it, putting parameters in, forward, backward, and reading gradients from wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from comparisons.check.calling import Aliases, array, bound, parameters, plain
from comparisons.check.construct import ROLES, Arguments, RecordingOptimizer, made
from comparisons.check.layouts import Arrangement, Layout, arrangements, same
from comparisons.check.members import (
    Place,
    changed,
    get,
    is_gradient,
    is_memory,
    label,
    numbers,
    places,
    put,
    snapshot,
    speaks_of,
)
from comparisons.check.modes import switches, turn
from comparisons.check.outside import BATCH, EXAMPLE, Surroundings, furnish, neighbour, neighbourly, preparers
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
Arrays = dict[str, Array]

FORWARD = ("forward", "forwardpass", "forwardprop", "forwardpropagation", "forwardpropagate", "feedforward", "fprop", "fwd", "call", "fp",
           "__call__", "forwardstep", "propagateforward", "propagate", "activate", "computeoutput", "evaluate", "output", "predict",
           "transform", "apply", "f", "run", "fire", "frontprop", "forwards", "calc", "passforward")  # fmt: skip
BACKWARD = ("backward", "backwardpass", "backwardprop", "backwardpropagation", "backprop", "backpropagation", "backpropagate", "bprop",
            "bwd", "bp", "backpass", "backwardpropagate", "backwardstep", "propagatebackward", "backpropogate", "backpropogation", "back",
            "backpropagateerror", "backwards", "computegradients", "backproperror", "backwardprogation", "bpropagate", "passbackward", "grad")  # fmt: skip
PREPARE = ("setinputshape", "build", "initialize", "init", "initweights", "initparams", "initializeparameters", "initializeweights", "setup",
           "initparameters", "compile", "resetparameters", "reset", "connect", "initialise", "initialiseweights")  # fmt: skip
UPDATE = (
    "update",
    "updateparams",
    "updateparameters",
    "updateweights",
    "step",
    "applygradients",
    "optimize",
    "applygradient",
    "updateweight",
)
PARAMETER_NAMES: dict[str, tuple[str, ...]] = {
    "W": ("w", "weight", "weights", "kernel", "kernels", "filter", "filters", "theta", "k", "wmat", "weightmatrix", "f"),
    "b": ("b", "bias", "biases", "intercept", "w0", "c"),
    "gamma": ("gamma", "scale", "scaler", "g", "weight", "weights", "bw", "gain", "w"),
    "beta": ("beta", "shift", "intercept", "b", "bias", "biases", "bb", "offset"),
    "running_mean": ("runningmean", "movingmean", "rmean", "meanrunning", "avgmean", "emamean", "mu", "runningmu", "globalmean", "popmean", "runningm", "movingm", "runningavg"),
    "running_var": ("runningvar", "movingvar", "rvar", "varrunning", "avgvar", "emavar", "runningvariance", "movingvariance", "globalvar",
                    "popvar", "runningv", "movingv", "runningsigma2"),
    "E": ("w", "e", "weight", "weights", "embedding", "embeddings", "table", "c"),
    "U": ("wh", "whh", "u", "wrec", "uh", "wa", "waa", "wrecurrent"),
}  # fmt: skip
INPUT_NAMES = ("x", "input", "inputs", "xin", "values", "a", "aprev", "z", "prev", "dinputs", "out")
OUTPUT_NAMES = (
    "output",
    "out",
    "outputs",
    "a",
    "y",
    "activations",
    "activation",
    "result",
    "activated",
    "z",
    "h",
    "lastoutput",
)
CALL_ALIASES: Aliases = {
    "upstream": ("dout", "dy", "dz", "da", "delta", "grad", "gradout", "gradoutput", "upstream", "dvalues", "outputgradient", "outputerror",
                 "accumgrad", "error", "err", "deltas", "dldy", "dlda", "dldout", "outgrad", "gradient", "gradients", "dldz", "gradin", "g",
                 "dnext", "nextgrad", "outputgrad", "dl", "residual", "loss", "lossgrad", "djdy", "topdiff", "eta", "d", "do", "diff",
                 "errorgradient", "gradients", "gradoutputs", "nextdelta", "gradnext", "dlout", "dlossdoutput", "derror", "doutput", "dh"),
    "learning_rate": ("learningrate", "lr", "alpha", "rate", "stepsize", "learnrate", "lrate"),
    "x": ("x", "input", "inputs", "xin", "aprev", "prev", "inp", "data", "inputdata", "previnput", "layerinput", "preva", "ain", "inputvalue"),
    "out": ("out", "output", "y", "a", "outputs"),
    "cache": ("cache", "caches", "ctx", "context", "saved", "memory"),
    "m": ("m", "batchsize", "n", "nsamples", "batch", "numsamples", "bs"),
    "optimizer": ("optimizer", "optim", "opt", "optimiser"),
    "training": ("training", "train", "istraining", "trainflg", "trainflag", "trainmode", "istrain"),
    "mode": ("mode",),
    "count": ("epoch", "epochnum", "epochnumber", "batchnum", "batchnumber", "iteration", "niter", "step"),
    "input_shape": ("inputshape", "shape", "inshape"),
    "n_in": ("nin", "inputsize", "inputdim", "ninputs", "inputunits", "prevunits", "infeatures", "numinputs", "dim"),
}  # fmt: skip
DATA = "shape of the batch"
"""In the place of a shape that is that of the whole input, examples included."""
LABELS = (
    "ytrue",
    "target",
    "targets",
    "labels",
    "label",
    "y",
    "actual",
    "expected",
    "groundtruth",
    "t",
    "ybatch",
    "ytrain",
)
_RATES = ("lr", "learning_rate", "eta", "alpha", "learningRate", "rate")


class Puzzled(UserError):
    """It is not known how the code wants to be called: no mistake of the user."""


def method(cls: type, names: tuple[str, ...]) -> str:
    """The class's own name of a method that is called one of these; empty if it has none. Earlier names come first."""
    found = {
        plain(n) if n != "__call__" else n: n
        for n in dir(cls)
        if callable(getattr(cls, n, None)) and (n[:2] != "__" or n == "__call__")
    }
    return next((found[n] for n in names if n in found), "")


@dataclass(frozen=True)
class Spec:
    """How a class is to be driven as a certain layer.

    Attributes
    ----------
    forward, backward : str
        Names of its methods.
    arguments : dict of str to str
        Roles of the constructor's arguments.
    values : dict
        Values of roles that do not depend on the case.
    x, y : Layout
        Layouts of the input and of the output.
    params, buffers : dict of str to tuple of int
        Shapes in scratch's layout.
    turns : dict of str to int
        For parameters that can stand in several ways: which to take.
    mean : bool
        Whether gradients of parameters are divided by the number of examples, which the upstream gradient then is not.
    factor : float
        The code's outputs and gradients, times this, are scratch's (dropout that is not inverted).
    sparse : bool
        Whether backward takes an upstream gradient with a single element that is not 0, and no other.
    gates : tuple of int
        Scratch's blocks of columns in the code's order; empty where there is one.
    example, result : tuple of int
        Shapes of one example of the input and of the output.
    outside : str
        Whether a shape that a container would set is that of one example or that of the whole input.
    """

    forward: str
    backward: str
    arguments: Arguments
    values: dict[str, Any]
    x: Layout
    y: Layout
    params: dict[str, tuple[int, ...]] = field(default_factory=dict)
    buffers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    mean: bool = False
    factor: float = 1.0
    sparse: bool = False
    gates: tuple[int, ...] = ()
    example: tuple[int, ...] = ()
    result: tuple[int, ...] = ()
    outside: str = EXAMPLE


class Driven:
    """One object of the user's class at work.

    Parameters
    ----------
    file : UserFile
    cls : type
    spec : Spec
    params, buffers : dict of str to ndarray
        In scratch's layout.
    m : int
        Number of examples.
    """

    def __init__(self, file: UserFile, cls: type, spec: Spec, params: Arrays, buffers: Arrays, m: int) -> None:
        self.file, self.cls, self.spec, self.m = file, cls, spec, m
        self.params, self.buffers = {n: _reordered(a, spec.gates) for n, a in params.items()}, buffers
        self.where: dict[str, tuple[Place, Arrangement]] = {}
        self._ran = False
        values: dict[str, Any] = {"name": "layer"} | spec.values
        values |= {"learning_rate": 1.0, "m": m, "optimizer": RecordingOptimizer()}
        values["regularisation"] = 0.0
        if values.get("input_shape") == DATA:
            values["input_shape"] = spec.x.shape((m, *spec.example))
        try:
            self.object = made(file, cls, spec.arguments, values | self._given())
        except UserError as error:
            # What a constructor wants may be guessed wrongly.
            raise Puzzled(str(error)) from error
        self._furnish()

    def _passes(self) -> tuple[str, str]:
        return self.spec.forward, self.spec.backward

    def _furnish(self) -> None:
        """Give the object what a container would set."""
        spec, m = self.spec, self.m
        shapes = (spec.x.shape((m, *spec.example)), spec.y.shape((m, *spec.result)) if spec.result else ())
        if spec.outside != BATCH:
            shapes = (_alone(spec.x, spec.example), _alone(spec.y, spec.result))
        furnish(self.object, self._passes(), shapes, m, RecordingOptimizer())

    def _given(self) -> Arrays:
        """Parameters as the constructor wants them, if it does."""
        columns = self.spec.y.name in ("columns", "column")
        given = {}
        for name, a in self.params.items():
            turned = self.spec.turns.get(name, 0)
            if a.ndim == 2:
                given[name] = (a.T if turned else a).copy()
            elif a.ndim == 4:
                given[name] = np.ascontiguousarray(a.transpose(3, 2, 0, 1) if self.spec.x.axes[1] == 3 else a)
            else:
                given[name] = a.reshape(-1, 1).copy() if columns else a.copy()
        for role, name in (("Wx", "W"), ("Wh", "U"), ("W", "E")):
            if name in given and role not in given:
                given[role] = given[name]
        return given

    def load(self, x: Array) -> None:
        """Put parameters and buffers in; layers that make them late are asked for their output once."""
        if not self._find():
            self._prepare(x)
        if not self._find() and (self.spec.params or self.spec.buffers):
            self.forward(x, True)
            self._find()
        lacking = [name for name in self.spec.params if name not in self.where]
        if lacking:
            raise Puzzled(f"{self.cls.__name__}: no array is found that could be {lacking[0]}")
        for name, (place, arrangement) in self.where.items():
            put(self.object, place, arrangement.there((self.params | self.buffers)[name]))

    def _find(self) -> bool:
        """Places of all parameters, then of buffers; whether nothing is lacking."""
        held = places(self.object)
        for name, shape in (self.spec.params | self.spec.buffers).items():
            if name in self.where:
                continue
            found = self._candidates(held, name, shape)
            if found:
                self.where[name] = found
        return all(name in self.where for name in self.spec.params | self.spec.buffers)

    def _candidates(
        self, held: dict[Place, Array], name: str, shape: tuple[int, ...]
    ) -> tuple[Place, Arrangement] | None:
        known = PARAMETER_NAMES.get(name, (plain(name),))
        used = {place for place, _ in self.where.values()}
        ranked: list[tuple[bool, int, Place, Arrangement]] = []
        for place, a in held.items():
            ways = arrangements(shape, a.shape)
            if not ways or place in used or is_gradient(place):
                continue
            speaks = speaks_of(place, known)
            if name in self.spec.buffers and self._ran and plain(str(place[-1][1])) == "mu":
                continue  # the batch's own mean
            # A parameter may go by any name where its shape tells; what is told by names alone must have one.
            if not speaks and (is_memory(place) or self._needs_name(name, shape)):
                continue
            ranked.append((not speaks, len(ranked), place, ways[min(self.spec.turns.get(name, 0), len(ways) - 1)]))
        if not ranked:
            return None
        _, _, place, way = min(ranked, key=lambda r: r[:2])
        return place, way

    def _needs_name(self, name: str, shape: tuple[int, ...]) -> bool:
        return name in self.spec.buffers or sum(s == shape for s in (self.spec.params | self.spec.buffers).values()) > 1

    def _prepare(self, x: Array) -> None:
        """Call what a network would call before it uses the layer."""
        roles: dict[str, Any] = {
            "input_shape": self.spec.values.get("input_shape", x.shape[1:]),
            "n_in": self.spec.values.get("n_in", x.shape[-1]),
            **{n: self.spec.values[n] for n in ("n_out",) if n in self.spec.values},
            "optimizer": RecordingOptimizer(),
            "learning_rate": 1.0,
            **dict.fromkeys(("rng", "random_state", "generator"), np.random.RandomState(0)),
        }
        whole = self.spec.x.shape((self.m, *self.spec.example)) if self.spec.example else x.shape
        named = [n for wanted in PREPARE if (n := method(self.cls, (wanted,)))]
        for name in dict.fromkeys((*named, *preparers(self.object, self._passes()))):
            f = getattr(self.object, name)
            asked = [p for p in parameters(f) if p.default is p.empty]
            known = {p.name: role for p in asked if (role := _prepared(p.name, roles))}
            for p in asked:
                if neighbourly(p.name):
                    roles[p.name] = neighbour(self.cls, _alone(self.spec.x, self.spec.example), self.m)
                    known[p.name] = p.name
            if len(known) < len(asked):
                continue
            # The shape of one example, or of a batch.
            for more in ({}, {"input_shape": whole}) if "input_shape" in known.values() else ({},):
                with suppress(UserError):
                    self.file.call(f, **{name: (roles | more)[role] for name, role in known.items()})
                    break

    def forward(self, x: Array, training: bool) -> Array:
        """Output in the user's layout, from an input in scratch's."""
        turn(self.object, training)
        f = getattr(self.object, self.spec.forward)
        self._x = self.spec.x.there(x)
        if "vocabulary" in self.spec.values:
            self._x = self._x.astype(int)
        chosen = switches(f, training)
        before = snapshot(self.object)
        try:
            given = bound(_Without(f, tuple(chosen)), {"x": self._x}, CALL_ALIASES)
        except UserError as error:
            raise Puzzled(str(error)) from error
        result = self.file.call(f, **given | chosen)
        self.cache, self._ran = None, True
        if isinstance(result, tuple | list) and result and not _numeric(result):
            self.cache = result[1] if len(result) == 2 else tuple(result[1:])
            result = result[0]
        self.output = self._output(result, before)
        return self.output

    def _output(self, result: Any, before: Any) -> Array:
        shown = f"what {self.cls.__name__}.{self.spec.forward} returns"
        if result is not None and not isinstance(result, self.cls):
            return array(result, shown)
        new = changed(self.object, before)
        named = sorted(new, key=lambda p: (new[p] is self._x, _rank(p, OUTPUT_NAMES)))
        if not named:
            raise UserError(f"{shown} is None")
        return array(new[named[0]], shown)

    def backward(self, dy: Array, x: Array) -> tuple[Array | None, Arrays]:
        """Gradients of the input and of the parameters, in scratch's layout."""
        f = getattr(self.object, self.spec.backward)
        upstream = self.spec.y.there(dy)
        roles = {
            "upstream": upstream,
            "learning_rate": 1.0,
            "x": self._x.copy(),
            "out": self.output.copy(),
            "cache": self.cache,
            "m": self.m,
            "optimizer": RecordingOptimizer(),
            "count": 1,
        }
        given = _call_roles(f, roles)
        before, alone = snapshot(self.object), numbers(self.object)
        held = {name: get(self.object, place).copy() for name, (place, _) in self.where.items()}
        result = self.file.call(f, **{name: roles[role] for name, role in given.items()})
        new = changed(self.object, before)
        rate = self._rate("learning_rate" in given.values() or "optimizer" in given.values())
        lone = {p: a for p, a in numbers(self.object).items() if p not in alone or not np.array_equal(a, alone[p])}
        grads = self._gradients(result, new, lone, held, rate)
        return self._input_gradient(result, new, x), grads

    def _rate(self, told: bool) -> float | None:
        """The learning rate at which parameters move; None if it is unknown."""
        if told or "learning_rate" in self.spec.arguments.values() or "optimizer" in self.spec.arguments.values():
            return 1.0
        for name in _RATES:
            value = getattr(self.object, name, None)
            if isinstance(value, int | float) and not isinstance(value, bool) and value:
                return float(value)
        if any(isinstance(value, RecordingOptimizer | Surroundings) for value in vars(self.object).values()):
            return 1.0
        return 1.0 if any(method(self.cls, (n,)) for n in PREPARE) else None

    def _gradients(
        self, result: Any, new: dict[Place, Array], lone: dict[Place, Array], held: Arrays, rate: float | None
    ) -> Arrays:
        """Gradients of the parameters; one that is found by its name alone keeps the shape that it has, to be judged."""
        returned = (
            {(("item", "returned"), *p): a for p, a in places({"": result}).items()}
            if isinstance(result, tuple | list | dict)
            else {}
        )
        found = {}
        for name in self.spec.params:
            place, way = self.where[name]
            after = get(self.object, place)
            moved = isinstance(after, np.ndarray) and not (
                after.shape == held[name].shape and np.array_equal(after, held[name])
            )
            if moved and rate:
                found[name] = way.back(self._difference(held[name], after, name) / rate)
                continue
            own = {p for p, _ in self.where.values()}
            g = _best(returned, name, way.user) if returned else None
            if g is None:
                g = _best({p: a for p, a in new.items() if p not in own and is_gradient(p)}, name, way.user)
            if g is None:
                g = _best({p: a for p, a in new.items() if p not in own and same(a.shape, way.user)}, name, way.user)
            if g is not None:
                found[name] = way.back(g)
        lacking = [name for name in self.spec.params if name not in found]
        if lacking and found:
            found |= self._summed_too_far(result, lone, lacking)
        if self.spec.params and not found:
            found = self._updated(held)
        scale = self.m if self.spec.mean else 1
        back = tuple(int(i) for i in np.argsort(self.spec.gates))
        return {name: _reordered(g, back) * scale for name, g in found.items()}

    def _summed_too_far(self, result: Any, lone: dict[Place, Array], lacking: list[str]) -> Arrays:
        """Gradients that are single numbers, by their names, or by their place in a tuple that is complete."""
        named = {p: a for p, a in lone.items() if is_gradient(p) and not is_memory(p)}
        named |= {(("item", "returned"), *p): a for p, a in numbers(result if isinstance(result, dict) else {}).items()}
        found = {}
        for name in lacking:
            known = PARAMETER_NAMES.get(name, (plain(name),))
            own = [a for p, a in named.items() if speaks_of(p, known)]
            if own:
                found[name] = own[0]
        if not found and len(lacking) == 1 and isinstance(result, tuple) and len(result) == 1 + len(self.spec.params):
            single = [r for r in result if isinstance(r, np.floating)]
            found = {lacking[0]: np.asarray(single[0])} if len(single) == 1 else {}
        return found

    def _difference(self, before: Array, after: Array, name: str) -> Array:
        if before.shape != after.shape:
            raise UserError(
                f"{self.cls.__name__}.{self.spec.backward} gives {label(self.where[name][0])} the shape {after.shape}, it was {before.shape}"
            )
        return before - after

    def _updated(self, held: Arrays) -> Arrays:
        """Gradients seen in a separate update with rate 1."""
        name = method(self.cls, UPDATE)
        if not name:
            return {}
        f = getattr(self.object, name)
        roles = {"learning_rate": 1.0, "m": self.m, "optimizer": RecordingOptimizer()}
        asked = {p.name: r for p in parameters(f) for r in roles if plain(p.name) in (*CALL_ALIASES[r], plain(r))}
        if any(p.default is p.empty and p.name not in asked for p in parameters(f)):
            return {}
        self.file.call(f, **{n: roles[r] for n, r in asked.items()})
        rate = self._rate("learning_rate" in asked.values() or "optimizer" in asked.values())
        if rate is None:
            return {}
        moved = {
            n: self._difference(held[n], np.asarray(get(self.object, place)), n)
            for n, (place, _) in self.where.items()
            if n in self.spec.params
        }
        if not any(d.any() for d in moved.values()):
            return {}
        return {n: self.where[n][1].back(d / rate) for n, d in moved.items()}

    def _input_gradient(self, result: Any, new: dict[Place, Array], x: Array) -> Array | None:
        wanted = self.spec.x.shape(x.shape)
        shown = f"what {self.cls.__name__}.{self.spec.backward} returns"
        if isinstance(result, dict):
            named = [
                a for k, a in result.items() if plain(str(k)).lstrip("d") in INPUT_NAMES and isinstance(a, np.ndarray)
            ]
            return self.spec.x.back(named[0]) if named else None
        if isinstance(result, tuple | list) and not _numeric(result):
            fitting = [a for a in result if isinstance(a, np.ndarray) and a.shape == wanted]
            return (
                self.spec.x.back(fitting[0])
                if fitting
                else (self.spec.x.back(array(result[0], shown)) if result and result[0] is not None else None)
            )
        if result is not None and not isinstance(result, self.cls):
            g = array(result, shown)
            taken = [way for _, way in self.where.values() if g.shape == way.user]
            return None if taken and g.shape != wanted else self.spec.x.back(g)
        own = {p for p, _ in self.where.values()}
        fitting_ = {p: a for p, a in new.items() if p not in own and is_gradient(p)}
        ranked = sorted(fitting_, key=lambda p: (not speaks_of(p, INPUT_NAMES), fitting_[p].shape != wanted))
        ranked = [p for p in ranked if speaks_of(p, INPUT_NAMES) or fitting_[p].shape == wanted]
        return self.spec.x.back(fitting_[ranked[0]]) if ranked else None

    def moved_buffers(self) -> Arrays:
        """Running averages as they are now."""
        found = {}
        for name in self.spec.buffers:
            if name in self.where:
                place, way = self.where[name]
                found[name] = way.back(np.asarray(get(self.object, place)))
        return found


def _prepared(name: str, roles: Mapping[str, Any]) -> str:
    """Which of these an argument of a method that makes parameters is for; empty if none."""
    wanted = plain(name)
    fitting = (r for r in roles if wanted == plain(r) or wanted in (*CALL_ALIASES.get(r, ()), *ROLES.get(r, ())))
    return next(fitting, "")


def _alone(layout: Layout, example: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of one example in the user's layout, without an axis for examples."""
    if not example:
        return ()
    full = layout.shape((1, *example))
    lone = [i for i, axis in enumerate(layout.axes) if axis == 0] if len(full) == len(layout.axes) else []
    return tuple(n for i, n in enumerate(full) if i not in lone)


def _reordered(a: Array, gates: tuple[int, ...]) -> Array:
    """Blocks of the last axis in another order."""
    if not gates or not a.ndim or a.shape[-1] % len(gates):
        return a
    blocks = np.split(a, len(gates), axis=-1)
    return np.concatenate([blocks[g] for g in gates], axis=-1)


class _Without:
    """A function without the arguments that are spoken for."""

    def __init__(self, f: Callable[..., Any], names: tuple[str, ...]) -> None:
        import inspect

        sign = inspect.signature(f)
        self.__signature__ = sign.replace(parameters=[p for n, p in sign.parameters.items() if n not in names])
        self.__qualname__ = getattr(f, "__qualname__", "function")

    def __call__(self) -> None:
        """Never called: only its signature is read."""


def _call_roles(f: Callable[..., Any], roles: Mapping[str, Any]) -> dict[str, str]:
    """Role of each argument of a backward method.

    Raises
    ------
    Puzzled
        If it cannot do without something that is not known.
    """
    given: dict[str, str] = {}
    open_ = []
    for p in parameters(f):
        wanted = plain(p.name)
        if wanted in LABELS and p.default is p.empty:
            raise Puzzled(f"{getattr(f, '__qualname__', f)} wants labels ({p.name}), not an upstream gradient")
        role = next(
            (
                r
                for r in roles
                if (r not in given.values() or r == "count")
                and (wanted == plain(r) or wanted in CALL_ALIASES.get(r, ()))
            ),
            None,
        )
        if role == "upstream" and given and p.default is not p.empty:
            continue
        if role is not None and (p.default is p.empty or role in ("upstream", "learning_rate")):
            given[p.name] = role
        elif p.default is p.empty:
            open_.append(p.name)
    if "upstream" not in given.values():
        if open_:
            given[open_.pop(0)] = "upstream"
        elif given:
            stand_in = next((n for n, r in given.items() if r in ("x", "out", "m")), None)
            if stand_in is not None:
                given[stand_in] = "upstream"
        elif parameters(f):
            given[parameters(f)[0].name] = "upstream"
    if open_ or "upstream" not in given.values():
        raise Puzzled(f"{getattr(f, '__qualname__', f)} takes an argument {(open_ or ['?'])[0]!r} that is not known")
    return given


def _numeric(result: tuple[Any, ...] | list[Any]) -> bool:
    """A list of numbers, or of lists of them, is an array."""
    return isinstance(result, list) and all(isinstance(r, int | float | np.number | list) for r in result)


def _rank(place: Place, names: tuple[str, ...]) -> int:
    last = plain(str(place[-1][1]))
    return names.index(last) if last in names else len(names)


def _best(found: dict[Place, Array], name: str, shape: tuple[int, ...]) -> Array | None:
    """The array that is this parameter's gradient, by its names and shape."""
    known = PARAMETER_NAMES.get(name, (plain(name),))
    ranked: list[tuple[bool, bool, bool, int, Place]] = []
    for place, a in found.items():
        speaks, fits = speaks_of(place, known), same(a.shape, shape)
        if speaks or fits:
            ranked.append((not (speaks and fits), not fits, is_memory(place), len(ranked), place))
    return found[min(ranked)[-1]] if ranked else None
