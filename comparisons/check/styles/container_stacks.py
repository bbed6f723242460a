"""Which layers a container is built of, or has made itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.check.layouts import COLUMN, COLUMNS, ROW, ROWS, VECTOR
from comparisons.check.members import get
from comparisons.check.styles.container_blocks import ELEMENTWISE, Part, located, usable
from comparisons.check.styles.container_drives import (
    Form,
    inside,
)
from comparisons.check.styles.network_arguments import constructor_arguments
from comparisons.check.styles.network_objects import construct
from comparisons.check.unit import UserError, UserFile
from scratch import Dense, Dropout, Layer, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh

FORMS: dict[str, tuple[Form, ...]] = {
    "rows": (Form(ROWS), Form(ROW, True), Form(VECTOR, True)),
    "row": (Form(ROW, True), Form(ROW)),
    "vector": (Form(VECTOR, True), Form(VECTOR)),
    "columns": (Form(COLUMNS), Form(COLUMN, True)),
    "column": (Form(COLUMN, True), Form(COLUMN)),
}
"""Ways to hand a batch over, by the layout that the dense layer was found to have."""
SIZES = (4, 5, 3)
PREFERRED = (Tanh, Sigmoid, LeakyReLU, ReLU)


@dataclass(frozen=True)
class Stack:
    """Layers to put into a container, or that are in it.

    Attributes
    ----------
    parts : tuple of Part
    layers : tuple of Layer
        Scratch's layer of each, of its size.
    constructor : dict, optional
        Arguments of the class that makes them itself.
    """

    parts: tuple[Part, ...]
    layers: tuple[Layer, ...]
    constructor: dict[str, Any] | None = None


def stacks(
    file: UserFile, cls: type | None, makes: bool, known: list[Part], sizes: tuple[int, int, int]
) -> Iterator[tuple[Stack, Form]]:
    if makes:
        assert cls is not None
        for stack in made_stacks(file, cls, known, len(set(sizes)) == 1):
            dense = next(p for p in stack.parts if isinstance(p.layers[0], Dense))
            for form in FORMS.get(dense.reading.spec.x.name, ()):
                if all(usable(p, form.layout) for p in stack.parts):
                    yield stack, form
        return
    for name, forms in FORMS.items():
        dense_parts = [p for p in known if isinstance(p.layers[0], Dense) and p.reading.spec.x.name == name]
        for form in forms:
            fitting = [p for p in known if usable(p, form.layout)]
            for stack in _given(dense_parts, fitting, sizes):
                yield stack, form


def _given(dense_parts: list[Part], fitting: list[Part], sizes: tuple[int, int, int]) -> Iterator[Stack]:
    """A hidden layer with an activation, and an output layer with one or without."""
    own = {p.layers[1:]: p for p in reversed(dense_parts)}
    separate = {type(p.layers[0]): p for p in reversed(fitting) if isinstance(p.layers[0], (*ELEMENTWISE, Softmax))}
    plain_ = own.get(())
    hidden = next(((kind,) for kind in PREFERRED if kind in separate), ()) if plain_ else ()
    for k in dict.fromkeys((sizes[2], *((1,) if len(set(sizes)) > 1 else ()))):
        n_in, n_hidden, _ = sizes
        if plain_ is not None and hidden:
            first, act = (plain_, _dense(plain_, n_in, n_hidden)), (separate[hidden[0]], separate[hidden[0]].layers[0])
            last = (plain_, _dense(plain_, n_hidden, k))
            for end in ((), (Sigmoid,), *(() if k == 1 else ((Softmax,),)), hidden):
                if not end or end[0] in separate:
                    yield chain(first, act, last, *((separate[e], separate[e].layers[0]) for e in end))
        with_own = [p for acts, p in own.items() if acts and not isinstance(acts[0], Softmax)]
        for p in sorted(
            with_own, key=lambda p: PREFERRED.index(type(p.layers[1])) if type(p.layers[1]) in PREFERRED else 9
        )[:1]:
            for q in [plain_, *(own[a] for a in own if a)]:
                if q is not None and not (k == 1 and isinstance(q.layers[-1], Softmax)):
                    yield chain((p, _dense(p, n_in, n_hidden)), (q, _dense(q, n_hidden, k)))
        if plain_ is not None and not hidden and not with_own:
            yield chain((plain_, _dense(plain_, n_in, n_hidden)), (plain_, _dense(plain_, n_hidden, k)))


def chain(*pieces: tuple[Part, Layer]) -> Stack:
    return Stack(tuple(p for p, _ in pieces), tuple(layer for _, layer in pieces))


def _dense(part: Part, n_in: int, n_out: int) -> Dense:
    layer = part.layers[0]
    assert isinstance(layer, Dense)
    return replace(layer, n_in=n_in, n_out=n_out)


def made_stacks(
    file: UserFile, cls: type, known: list[Part], square: bool, told: dict[str, Any] | None = None
) -> Iterator[Stack]:
    """The layers that objects of a class make themselves, for some arguments."""
    classes = tuple({p.cls for p in known})
    found = 0
    for arguments in [told] if told else itertools.islice(constructor_arguments(cls, SIZES[2]), 40):
        if square:
            arguments = {n: _as_wide(value) for n, value in arguments.items()}
        try:
            things = inside(construct(file, cls, arguments), classes)
        except UserError:
            continue
        for chosen in itertools.islice(itertools.product(*([p for p in known if p.cls is type(t)] for t in things)), 8):
            layers = _layers(file, things, chosen)
            if layers is not None:
                if square and hasattr(cls, "script"):
                    layers = tuple(_widened(layer) for layer in layers)
                found += 1
                yield Stack(tuple(chosen), layers, arguments)
        if found:
            return


def _widened(layer: Layer) -> Layer:
    """A dense layer of a script, whose layers are made anew, as wide as high."""
    return replace(layer, n_in=SIZES[0], n_out=SIZES[0]) if isinstance(layer, Dense) else layer


def _as_wide(value: Any) -> Any:
    """Sizes that are all one."""
    if isinstance(value, list):
        return [_as_wide(v) for v in value]
    return SIZES[0] if isinstance(value, int) and not isinstance(value, bool) and value > 2 else value


def _layers(file: UserFile, things: list[Any], chosen: tuple[Part, ...]) -> tuple[Layer, ...] | None:
    """Scratch's layers of the sizes that a container's own have; None if they make no chain."""
    layers: list[Layer] = []
    width = 0
    for thing, part in zip(things, chosen, strict=True):
        layer = part.layers[0]
        if isinstance(layer, Dense):
            shape = _shape(file, thing, part)
            if shape is None or width not in (0, shape[0]):
                return None
            width = shape[1]
            layer = replace(layer, n_in=shape[0], n_out=shape[1])
        elif not isinstance(layer, (*ELEMENTWISE, Softmax, Dropout)):
            return None
        layers.append(layer)
    dense = sum(isinstance(layer, Dense) for layer in layers)
    return tuple(layers) if dense > 1 or (dense and len(layers) > 1) else None


def _shape(file: UserFile, thing: Any, part: Part) -> tuple[int, int] | None:
    """Numbers of inputs and outputs of a dense layer object."""
    small = located(file, part, np.zeros((1, part.layers[0].parameter_shapes()["W"][0])))
    if small is None:
        return None
    place, way = small.where["W"]
    there = get(thing, place)
    if not isinstance(there, np.ndarray) or there.ndim != 2:
        return None
    n_in, n_out = (there.shape[way.axes.index(i)] for i in (0, 1))
    return n_in, n_out
