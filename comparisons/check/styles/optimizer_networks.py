"""A small network that stands in for the one whose parameters an optimizer moves.

`self.net.params()` of an optimizer that a trainer hands its network, `net.params_and_grads()`, `model.grads[key]`: parameters and
gradients are there under all usual names, as attributes and as methods, in lists or by name. They are the same arrays in every step.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from comparisons.check.calling import array, parameters, plain, tree
from comparisons.check.outside import awaited, lacking, preparers
from comparisons.check.styles.optimizer_worlds import Array, Arrays, Reading, World, short
from comparisons.check.unit import UserFile

_PAIRS = re.compile(r"(get|all)?(params?|parameters|weights?)(and|with)?(grads?|gradients?)(pairs?)?")
_TOGETHER = re.compile(r"and|with|pairs")
_GRADIENTS = re.compile(
    r"(get|all|trainable)?((params?|parameters?|weights?)_?)?(grads?|gradients?)(list|s)?|d(params|parameters)"
)
_NAMED = re.compile(r"(get)?named(params?|parameters)")
_PARAMETERS = re.compile(r"(get|all|trainable|learnable|model)?(params?|parameters?|weights|variables|paramlist)")
_LAYERS = re.compile(r"(get|all|trainable|dense|linear|weighted)?(layers?|modules|blocks|sequence|components)(list)?")
_NETWORK = re.compile(
    r"(neural_?)?(net|network|nn|model|parent|container|owner|graph|module|mlp)(_?(obj|object|instance))?"
)
ATTACHED, GIVEN, HELD = "attached network", "given network", "held network"
BY_NAME = " by name"
FORMS = (ATTACHED, GIVEN, HELD)


class Held(np.ndarray):
    """A parameter that is an array, with its gradient beside it under the usual names."""

    def beside(self, g: Array) -> Held:
        """The same array with a gradient."""
        self.grad = self.gradient = self.g = g
        return self

    @property  # type: ignore[override]
    def data(self) -> Array:
        """The array."""
        return self.view(np.ndarray)

    @data.setter
    def data(self, value: Array) -> None:
        self[...] = value

    value = val = data


class Listed(list[Any]):
    """A list that can be called as well: `net.params` and `net.params()`."""

    def __call__(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(self)


class Named(dict[str, Any]):
    """A dictionary that can be called as well; of gradients, `dW1` is that of `W1`."""

    def __call__(self, *_: Any, **__: Any) -> Named:
        return self

    def __missing__(self, name: str) -> Any:
        bare = re.sub(r"^(d|grad_|grads_)|(_grad|_g)$", "", name)
        if bare != name and bare in self:
            return self[bare]
        raise KeyError(name)


class Network:
    """Whatever is asked for under a name for parameters, gradients, both, or layers."""

    def __init__(self, params: Listed | Named, grads: Listed | Named, layer: Any, order: tuple[str, ...]) -> None:
        self._params, self._grads, self._layers = params, grads, Listed([layer])
        self._order = order
        self.training = True

    def __getattr__(self, name: str) -> Any:
        called = plain(name)
        if name.startswith("__") or name == "_params":
            raise AttributeError(name)
        if _PAIRS.fullmatch(called) and _TOGETHER.search(called):
            return self._pairs()
        for pattern, found in ((_GRADIENTS, self._grads), (_PARAMETERS, self._params), (_LAYERS, self._layers)):
            if pattern.fullmatch(called):
                return found
        if _NAMED.fullmatch(called):
            return Listed(self._params.items() if isinstance(self._params, dict) else enumerate(self._params))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _pairs(self) -> Listed:
        held, theirs = (list(x.values()) if isinstance(x, dict) else x for x in (self._params, self._grads))
        names = [f"layer1.{'Wb'[i]}" for i in range(len(held))]
        parts = {"param": held, "grad": theirs, "name": names, "layer": list(self._layers) * len(held)}
        return Listed(zip(*(parts[part] for part in self._order), strict=True))


_PARTS = (
    ("grad", re.compile(r"d([wb]|params?|theta|p|weights?)?|g|\w*grad\w*|delta\w*")),
    ("name", re.compile(r"\w*(name|key|id|idx|index|label)|n|k|i|j")),
    ("layer", re.compile(r"layers?|l|module")),
)
PAIR = ("param", "grad")


def order_of_pairs(cls: type) -> tuple[str, ...]:
    """What comes with each parameter from `params_and_grads()`, by the names of a loop over it: `for name, param, grad in ...`."""
    for base in cls.__mro__[:-1]:
        for node in ast.walk(tree(base) or ast.Module([], [])):
            if not isinstance(node, ast.For | ast.comprehension):
                continue
            target = node.target
            inner = node.iter
            if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "enumerate" and inner.args:
                inner, target = inner.args[0], getattr(target, "elts", [target])[-1]
            called = inner.func if isinstance(inner, ast.Call) else inner
            if (
                isinstance(called, ast.Attribute)
                and _PAIRS.fullmatch(plain(called.attr))
                and isinstance(target, ast.Tuple)
            ):
                parts = [_part(ast.unparse(e)) for e in target.elts]
                if sorted(set(parts)) == sorted(parts) and set(parts) >= set(PAIR):
                    return tuple(parts)
    return PAIR


def _part(name: str) -> str:
    return next((part for part, pattern in _PARTS if pattern.fullmatch(plain(name))), "param")


class NetworkWorld(World):
    """Parameters in a network that the optimizer is handed, or that something else has put into it.

    Parameters
    ----------
    reading : Reading
    cls : type
        Of the optimizer.
    """

    def __init__(self, reading: Reading, cls: type) -> None:
        super().__init__(reading)
        self._arrays: list[Held] = []
        self._order = order_of_pairs(cls)

    def set(self, params: Arrays, grads: Arrays) -> None:
        """The present values, in arrays that stay the same."""
        self._steps += 1
        self.params, self.grads = params, grads
        if not self._arrays:
            self._make(params, grads)
        for own, a in zip(self._arrays, params.values(), strict=True):
            own[...] = a
        for mine, g in zip(self._gradients, grads.values(), strict=True):
            mine[...] = g
        self._fill()

    def _make(self, params: Arrays, grads: Arrays) -> None:
        self._gradients = [np.array(g) for g in grads.values()]
        # A subclass keeps what is set on an object alone: on the result of arithmetic there is no gradient.
        made = zip(params.values(), self._gradients, strict=True)
        self._arrays = [np.array(a).view(Held).beside(g) for a, g in made]
        self._names = [short(n) for n in params]
        self.layer = SimpleNamespace(trainable=True, name="layer1")
        if self._by_name:
            self._held: Any = Named()
            self._their: Any = Named()
        else:
            self._held, self._their = Listed(), Listed()
        self.network: Any = Network(self._held, self._their, self.layer, self._order)

    def _fill(self) -> None:
        if self._by_name:
            self._held.update(zip(self._names, self._arrays, strict=True))
            self._their.update(zip(self._names, self._gradients, strict=True))
        else:
            self._held[:], self._their[:] = self._arrays, self._gradients
        for name, a in zip(self.reading.names, (*self._arrays, *self._gradients), strict=True):
            setattr(self.layer, name, a)
        self.layer.params = self.layer.parameters = self._held
        self.layer.grads = self.layer.gradients = self.layer.param_grads = self._their

    @property
    def _by_name(self) -> bool:
        return self.reading.form.endswith(BY_NAME)

    def held(self, name: str) -> Any:
        """What is given for an argument or an attribute of this name."""
        called = plain(name)
        if _LAYERS.fullmatch(called):
            return Listed([self.layer])
        if _GRADIENTS.fullmatch(called):
            return self._their
        return self._held if _PARAMETERS.fullmatch(called) else self.network

    def prepare(self, file: UserFile, thing: Any) -> None:
        """Give an object the network that it waits for, by a method of its own where it has one."""
        if not self.reading.form.startswith(ATTACHED):
            return
        passes = (self.reading.step,)
        for name in preparers(thing, passes):
            f = getattr(thing, name)
            asked = [p for p in parameters(f) if p.default is p.empty]
            if len(asked) == 1 and handed_over(asked[0].name):
                file.call(f, self.held(asked[0].name))
        for name in lacking(thing, passes):
            if handed_over(name):
                setattr(thing, name, self.held(name))

    def stepped(self, file: UserFile, thing: Any) -> Arrays:
        """Parameters after one step."""
        before = [np.array(a) for a in self._arrays]
        f = getattr(thing, self.reading.step)
        asked = [p for p in parameters(f) if p.default is p.empty]
        file.call(f, **{p.name: self.held(p.name) if handed_over(p.name) else self._more(plain(p.name)) for p in asked})
        file.mutated.clear()  # to change parameters in place is what optimizers do
        moved = [self._after(i, a) for i, a in enumerate(before)]
        return dict(zip(self.params, (array(a, "a parameter after the step") for a in moved), strict=True))

    def _after(self, i: int, before: Array) -> Array:
        """A parameter, wherever the code has put its new value."""
        places = [self._arrays[i], getattr(self.layer, self.reading.names[i])]
        places.append(self._held[self._names[i]] if self._by_name else self._held[i])
        found = next((a for a in places if np.shape(a) != before.shape or not np.array_equal(a, before)), before)
        return np.array(found)


def handed_over(name: str) -> bool:
    """Whether a name is one for a network, its layers, its parameters or their gradients."""
    called = plain(name)
    return any(p.fullmatch(called) for p in (_NETWORK, _LAYERS, _PARAMETERS, _GRADIENTS))


def network_forms(cls: type, step: str, asked: list[str], held: list[str]) -> tuple[list[str], list[str]]:
    """Ways to hand a network over: those that come before all others, and those after.

    Parameters
    ----------
    cls : type
    step : str
    asked, held : list of str
        Arguments of the step that must be given, and of the constructor.
    """
    of_network = [n for n in asked if handed_over(n) and not _GRADIENTS.fullmatch(n)]
    if not of_network and any(handed_over(n) for n in awaited(cls, (step,))):
        return [ATTACHED, ATTACHED + BY_NAME], []
    if of_network and len(of_network) == len(asked):
        return [], [GIVEN, GIVEN + BY_NAME]
    if not of_network and any(map(handed_over, held)):
        return [], [HELD, HELD + BY_NAME]
    return [], []
