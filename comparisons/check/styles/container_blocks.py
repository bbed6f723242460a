"""A user's layer objects inside a container: put together, given weights, watched at work.

Only layers that agree with their twins by themselves are used, so that a wrong layer is not blamed twice.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain
from comparisons.check.construct import ROLES
from comparisons.check.layouts import Layout
from comparisons.check.members import changed, get, listed, put, snapshot
from comparisons.check.objects import DATA, Arrays, Driven, Spec
from comparisons.check.styles.layers import ACTIVATIONS, LayerObjects, Reading
from comparisons.check.unit import UserError, UserFile
from scratch import BatchNorm, Dense, Dropout, Layer, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh

Array = np.ndarray
ELEMENTWISE = (Sigmoid, Tanh, ReLU, LeakyReLU)


@dataclass(frozen=True)
class Part:
    """A layer class that is right by itself.

    Attributes
    ----------
    cls : type
    reading : Reading
        How it is taken.
    """

    cls: type
    reading: Reading

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Scratch's layers that it stands for: one, or a dense layer and its activation."""
        return tuple(layer for _, layer in self.reading.arch.layers)


def parts(file: UserFile, layers: LayerObjects) -> list[Part]:
    """Every way in which a class of the file is a layer that agrees with its twin, those of dense layers first."""
    found = [Part(file.classes()[name], reading) for name, reading in layers.right(file)]
    found += [p for part in found for p in _told_its_activation(file, layers, part)]
    return sorted(found, key=lambda p: not isinstance(p.layers[0], Dense))


def _told_its_activation(file: UserFile, layers: LayerObjects, part: Part) -> Iterator[Part]:
    """A dense layer whose activation has a default, with the other ones that it may be told by name."""
    spec = part.reading.spec
    if not isinstance(part.layers[0], Dense) or "activation" in spec.arguments.values():
        return
    asked = [p for p in parameters(part.cls) if plain(p.name) in ROLES["activation"] and p.default is not p.empty]
    if not asked:
        return
    wanted: dict[str, Layer | None] = dict(ACTIVATIONS)
    for name, activation in [*wanted.items(), ("linear", None), ("none", None), (None, None)]:
        told = replace(
            spec, arguments=spec.arguments | {asked[0].name: "activation"}, values=spec.values | {"activation": name}
        )
        tried = replace(part.reading, activation=activation, spec=told)
        if tried.arch != part.reading.arch and layers.agrees(file, part.cls, tried):
            yield Part(part.cls, tried)
            if name in ("linear", "none"):
                return


@dataclass
class Call:
    """One call of a layer's method, as it was seen.

    Attributes
    ----------
    backward : bool
    block : int
        Number of the layer, from 0.
    given, result : ndarray or None
        What it was handed, and what it gave, in the user's layout.
    params : dict of str to ndarray
        The layer's parameters at that moment, in the user's layout.
    line : int
        From which it was called; 0 if that is not in the file.
    """

    backward: bool
    block: int
    given: Array | None
    result: Array | None
    params: Arrays = field(default_factory=dict)
    line: int = 0


class Block(Driven):
    """One layer object in a container.

    Parameters
    ----------
    file : UserFile
    part : Part
    layer : Layer
        Scratch's layer that holds the parameters, of the block's own sizes.
    m : int
    layout : Layout
        In which data come to it.
    thing : object, optional
        The layer, where it is there already.
    scale : float
        The code's weights, times this, are scratch's: they stand behind dropout that is not inverted.
    turns : dict of str to int
        See `Spec`; asked for where equal sizes tell nothing.
    """

    def __init__(
        self,
        file: UserFile,
        part: Part,
        layer: Layer,
        m: int,
        layout: Layout,
        thing: Any = None,
        scale: float = 1.0,
        turns: dict[str, int] | None = None,
    ) -> None:
        self.part, self.layer, self.scale = part, layer, scale
        spec = fitted(part.reading.spec, layer, layout)
        if turns:
            spec = replace(spec, turns=spec.turns | turns)
        shapes = {n: np.zeros(s) for n, s in layer.parameter_shapes().items()}
        if thing is None:
            super().__init__(file, part.cls, spec, shapes, layer.initial_buffers(), m)
            return
        self.file, self.cls, self.spec, self.m = file, part.cls, spec, m
        self.params, self.buffers, self.where, self.object = shapes, layer.initial_buffers(), {}, thing
        self._ran = False

    def found(self) -> bool:
        """Whether all parameters and buffers are there to be set."""
        return self._find()

    def prepare(self, x: Array) -> bool:
        """Call what makes parameters late; whether they are there then."""
        self._prepare(x)
        return self._find()

    def set(self, params: Arrays, buffers: Arrays) -> None:
        """Put values into the arrays that are there, so that who else holds them sees them; replace those that do not fit."""
        for name, (place, way) in self.where.items():
            a = (params | buffers)[name]
            value = way.there(a / self.scale if name == "W" else a)
            old = get(self.object, place)
            fits = isinstance(old, np.ndarray) and old.shape == value.shape
            if fits and np.may_share_memory(old, get(self.object, place)):  # a list is read as a new array each time
                with contextlib.suppress(ValueError):
                    old[...] = value
                    continue
            put(self.object, place, value)

    def held(self) -> Arrays:
        """The parameters as they are, in scratch's layout.

        Raises
        ------
        UserError
            If one is no array any more, or of another shape.
        """
        return {name: self._back(name, get(self.object, self.where[name][0])) for name in self.spec.params}

    def _back(self, name: str, a: Any) -> Array:
        if not isinstance(a, np.ndarray):
            raise UserError(f"{self.cls.__name__}: its parameter {name} is no array after the step")
        way = self.where[name][1]
        return way.back(a) * (self.scale if name == "W" else 1.0)

    def gradient(self, name: str, g: Array) -> Array:
        """A parameter's gradient in scratch's layout and scale."""
        return self.where[name][1].back(np.asarray(g)) / (self.scale if name == "W" else 1.0)

    def shown(self, before: dict[Any, tuple[int, Array]], held: Arrays) -> Arrays:
        """Gradients that the object keeps since a snapshot, or by which its parameters moved."""
        found = self._gradients(None, changed(self.object, before), {}, held, 1.0)
        return {n: g / (self.scale if n == "W" else 1.0) for n, g in found.items()}

    def raw(self) -> Arrays:
        """Copies of the parameters, in the user's layout."""
        return {
            name: np.array(get(self.object, place)) for name, (place, _) in self.where.items() if name in self.params
        }

    def watch(self, seen: list[Call], number: int) -> Callable[[], None]:
        """Note every call of forward and backward; what is returned ends that."""
        names = (self.spec.forward, self.spec.backward)
        for name in names:
            setattr(
                self.object, name, self._watched(getattr(self.object, name), name == self.spec.backward, seen, number)
            )

        def stop() -> None:
            for name in names:
                with contextlib.suppress(AttributeError):
                    delattr(self.object, name)

        return stop

    def _watched(self, f: Callable[..., Any], backward: bool, seen: list[Call], number: int) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            handed = (*args, *kwargs.values())
            given = next((np.array(a) for a in handed if isinstance(a, np.ndarray) or listed(a) is not None), None)
            caller = sys._getframe(1)
            line = caller.f_lineno if caller.f_code.co_filename == self.file.path else 0
            call = Call(backward, number, given, None, self.raw(), line)
            seen.append(call)
            before = snapshot(self.object)
            so_far = len(seen)
            result = f(*args, **kwargs)
            # A layer that calls the next one returns what that gives.
            if not any(other.backward is backward for other in seen[so_far:]):
                with contextlib.suppress(Exception):  # what is seen must not change what happens
                    call.result = self._result(result, before, backward, given)
            return result

        return watched

    def _result(self, result: Any, before: Any, backward: bool, given: Array | None) -> Array | None:
        if isinstance(result, np.ndarray) or listed(result) is not None:
            return np.array(result)
        if backward:
            own = {place for place, _ in self.where.values()}
            new = {p: a for p, a in changed(self.object, before).items() if p not in own}
            fitting = [p for p in new if any(plain(str(step[1])) in ("dinputs", "dx", "dinput", "dz", "daprev", "gradinput")
                                             for step in p)]  # fmt: skip
            return new[fitting[0]].copy() if fitting else None
        self._x = given if given is not None else np.empty(0)
        return self._output(result, before).copy()


def located(file: UserFile, part: Part, x: Array) -> Block | None:
    """A layer of the sizes at which its class was looked at, whose parameters were found; None if they were not."""
    small = Block(file, part, part.layers[0], len(x), part.reading.spec.x)
    return small if small.found() or small.prepare(x) else None


def orientation(file: UserFile, part: Part, x: Array) -> dict[str, int]:
    """How the weights of a dense layer stand, seen at unequal sizes: what `Spec.turns` is to be where sizes are equal."""
    small = located(file, part, x)
    if small is None:
        return {}
    return {
        name: int(way.axes != tuple(range(len(way.axes))))
        for name, (_, way) in small.where.items()
        if len(way.axes) == 2
    }


def fitted(spec: Spec, layer: Layer, layout: Layout) -> Spec:
    """How a class is driven, for a layer of other sizes."""
    values = dict(spec.values)
    if isinstance(layer, Dense):
        sizes = layer.parameter_shapes()["W"]
        values |= {"n_in": sizes[0], "n_out": sizes[1], "dims": sizes}
        values["input_shape"] = _like(values.get("input_shape"), sizes[0])
        example: tuple[int, ...] = (sizes[0],)
    else:
        example = spec.example
    buffers = {n: a.shape for n, a in layer.initial_buffers().items()}
    return replace(
        spec, values=values, x=layout, y=layout, params=layer.parameter_shapes(), buffers=buffers, example=example
    )


def _like(shape: Any, n: int) -> Any:
    return DATA if isinstance(shape, str) else n if isinstance(shape, int) else (n,)


def usable(part: Part, layout: Layout) -> bool:
    """Whether a layer can stand in a container whose data lie like this."""
    if isinstance(part.layers[0], (*ELEMENTWISE, Dropout)):
        return True
    if isinstance(part.layers[0], BatchNorm | Softmax):
        return part.reading.spec.x.name == layout.name and len(part.reading.variant.shape) == 1
    return isinstance(part.layers[0], Dense) and (
        part.reading.spec.x.name == layout.name or part.reading.spec.x.name in ALSO[layout.name]
    )


ALSO: dict[str, tuple[str, ...]] = {
    "rows": (),
    "row": ("rows",),
    "vector": ("rows", "row"),
    "columns": (),
    "column": ("columns",),
}
"""Layouts of layers that may be handed single examples of another one."""
