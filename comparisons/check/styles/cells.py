"""Single recurrent steps as objects: `forward(x, h_prev[, c_prev])` and its backward pass, with parameters in attributes.

All parameters of a step are parts of one matrix [W; U; b]: its rows belong to the input, to the state and to the bias, its columns
to the gates. An array of the user's is a choice of rows and columns, perhaps transposed: `Wx` of all gates side by side, or `Wf` that
acts on [h, x] alone.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, Unbound, array, bound, gradients, parameters, plain, returned, tree
from comparisons.check.construct import Arguments, made, plans
from comparisons.check.layouts import COLUMNS, ROWS, SPOKEN, Layout
from comparisons.check.members import (
    Place,
    changed,
    is_gradient,
    is_memory,
    numbers,
    places,
    put,
    snapshot,
    speaks_of,
)
from comparisons.check.models import LayerModel, Ran
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import LayerState, LSTMCell, RNNCell, architecture

Array = np.ndarray
D, H = 3, 5
"""Sizes of input and state, such that no two arrays of a step are of one size."""
ALIASES: Aliases = {
    "x": ("x", "xt", "inputs", "input", "inp"),
    "h": ("hprev", "prevh", "h", "aprev", "hiddenprev", "prevhidden", "hidden", "state", "prevstate", "hold", "hiddenstate", "stateprev", "hin", "ht1", "s"),
    "c": ("cprev", "prevc", "c", "cellprev", "prevcell", "cell", "cellstate", "cold", "cin", "ct1"),
    "upstream": ("dhnext", "dnexth", "dh", "dout", "danext", "da", "dht", "gradh", "dhidden", "dhcurr"),
    "dc": ("dcnext", "dnextc", "dc", "dct", "gradc", "dcell", "dcellnext"),
    "cache": ("cache", "caches"),
}  # fmt: skip
STEP = ("step", "forwardstep", "stepforward", "cellforward", "forwardcell", *FORWARD)
STEP_BACK = ("backwardstep", "stepbackward", "cellbackward", "backwardcell", *BACKWARD)
_NAMED = re.compile(r"rnn|lstm|recurrent|cell")
_GATE = {
    "i": ("i", "input", "in", "inputgate", "update", "u"),
    "f": ("f", "forget", "forgetgate"),
    "g": ("c", "g", "candidate", "cell", "cbar", "ctilde", "cc", "a", "z"),
    "o": ("o", "output", "out", "outputgate"),
}
"""What gates are called, by scratch's letter; scratch has i, f, g, o."""


@dataclass(frozen=True)
class Slot:
    """One array of the object.

    Attributes
    ----------
    place : Place
    shape : tuple of int
        As the object has it.
    rows, columns : tuple of int
        Of the matrix [W; U; b].
    turned : bool
        Whether it is transposed.
    """

    place: Place
    shape: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    turned: bool

    def there(self, whole: Array) -> Array:
        """The user's array."""
        part = whole[np.ix_(self.rows, self.columns)]
        return np.ascontiguousarray(part.T if self.turned else part).reshape(self.shape)

    def back(self, a: Array, whole: Array) -> bool:
        """Write a gradient into its part of the whole; False if it has another size."""
        size = (len(self.rows), len(self.columns))
        if a.size != size[0] * size[1] or [n for n in a.shape if n != 1] != [n for n in self.shape if n != 1]:
            return False
        whole[np.ix_(self.rows, self.columns)] = a.reshape(size[::-1]).T if self.turned else a.reshape(size)
        return True


@dataclass(frozen=True)
class Reading:
    """How a class is taken: constructor, layout, order of [h, x], order of the gates where they stand side by side."""

    arguments: Arguments
    layout: Layout
    state_first: bool
    gates: tuple[int, ...]
    lstm: bool
    turned: bool
    """Whether a square matrix is transposed, and what the constructor is given."""

    @property
    def cell(self) -> RNNCell | LSTMCell:
        """The twin's description."""
        return LSTMCell(D, H) if self.lstm else RNNCell(D, H)


class CellObjects:
    """Classes whose forward method takes an input and the state before it."""

    name = "cells"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every class that is called a recurrent layer and takes one step at a time."""
        units = []
        for name, cls in file.classes().items():
            if name in taken or not _NAMED.search(name.lower()) or "gru" in name.lower():
                continue
            forward, backward = method(cls, STEP), method(cls, STEP_BACK)
            if not forward or not backward or not _takes_state(cls, forward):
                continue
            try:
                reading = _best(file, cls)
            except Exception as error:  # a strange class must not hide the others
                file.notes.append(f"{name} is not compared: {type(error).__name__}: {error}")
                continue
            if reading is not None:
                units.append(_described(file, name, forward, backward, reading))
        file.mutated.clear()
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The class as a layer of one step."""
        cls, reading = file.classes()[unit.name], unit.options["reading"]
        return LayerModel(case, lambda params, _, x, dy, *__: _ran(file, cls, reading, params, x, dy))


def _takes_state(cls: type, forward: str) -> bool:
    asked = [plain(p.name) for p in parameters(getattr(cls, forward)) if p.default is p.empty and p.name != "self"]
    return len(asked) in (2, 3) and any(n in ALIASES["h"] for n in asked[1:])


def _is_lstm(cls: type) -> bool:
    asked = [plain(p.name) for p in parameters(getattr(cls, method(cls, STEP))) if p.name != "self"]
    return any(n in ALIASES["c"] for n in asked[1:])


def _readings(cls: type) -> Iterator[Reading]:
    lstm = _is_lstm(cls)
    usual = [(0, 1, 2, 3), (1, 2, 0, 3), (0, 1, 3, 2), (1, 0, 2, 3)] if lstm else [(0,)]
    orders = [*usual, *(o for o in itertools.permutations(range(4)) if o not in usual)] if lstm else usual
    for arguments in _arguments(cls):
        for gates in orders:
            for layout in (ROWS, COLUMNS):
                for state_first in (True, False):
                    for turned in (layout is COLUMNS, layout is ROWS):
                        yield Reading(arguments, layout, state_first, gates, lstm, turned)


def _arguments(cls: type) -> list[Arguments]:
    found: list[Arguments] = []
    for roles in (("n_in", "n_out"), ("Wx", "Wh", "b")):
        found += [a for a in plans(cls, roles) if a not in found]
    return found


def _best(file: UserFile, cls: type) -> Reading | None:
    """The first reading whose output agrees, and of those one whose gradients do; the first that runs if there is none."""
    first, partly, fitting = None, None, None
    for reading in _readings(cls):
        case = _cases("probe", reading)[0]
        drawn = plan(case)
        params, batch = next(iter(drawn.weights.params.values())), drawn.batches[0]
        assert batch.upstream is not None
        y, cache = reading.cell.forward(batch.x, LayerState(params))
        try:
            ran = _ran(file, cls, reading, params, batch.x.copy(), batch.upstream.copy())
        except UserError as error:
            if (
                first is None
                and isinstance(error.__cause__, ValueError | NameError | IndexError)
                and "forward" not in str(error)
            ):
                first = reading
            continue
        if ran.output is None or ran.output.shape != y.shape or len(ran.grads) == 0:
            continue
        first = first or reading
        if not np.allclose(ran.output, y, rtol=0, atol=1e-9):
            # A state that is wrong beside a cell that is right: the gates are where they seem to be.
            partly = partly or (reading if np.allclose(ran.output[:, H:], y[:, H:]) and reading.lstm else None)
            continue
        fitting = fitting or reading
        expected = reading.cell.backward(batch.upstream, LayerState(params), cache)[1]
        if all(g.shape == expected[n].shape and np.allclose(g, expected[n], atol=1e-9) for n, g in ran.grads.items()):
            return reading
    return fitting or ((partly or first) if _plainly(cls) else None)


def _plainly(cls: type) -> bool:
    """Whether a class whose output is no such step's was meant to be one all the same, and nothing more."""
    body = tree(cls)
    text = "" if body is None else ast.unparse(body).lower()
    more = re.search("relu|activ|norm|peep|dropout|hard_?sig|attention|softmax|embed", text)
    return "tanh" in text and not more and ("sigmoid" in text or "exp(" in text or not _is_lstm(cls))


def _cases(name: str, reading: Reading) -> list[Case]:
    width = D + (2 if reading.lstm else 1) * H
    return [Case(f"check/{name}/batch{m}", architecture(reading.cell), (m,), (width,)) for m in (5, 1)]


def _described(file: UserFile, name: str, forward: str, backward: str, reading: Reading) -> Unit:
    together = "[x, previous state" + (", previous cell]" if reading.lstm else "]")
    told = [SPOKEN[reading.layout.name]] if reading.layout.name in SPOKEN else []
    told.append(f"input stands for {together}")
    layer = "lstmcell1" if reading.lstm else "rnncell1"
    own = {"W": "the weights of x", "U": "the weights of the state", "b": "the bias"}
    names = {f"{layer}.{p}": words for p, words in own.items()} | {f"{layer}.input": f"the input {together}"}
    title = "LSTM, one step" if reading.lstm else "simple RNN, one step"
    options = {"reading": reading, "names": names}
    return Unit(
        name, CellObjects.name, title, file.own[name], (name,), tuple(_cases(name, reading)), options, tuple(told)
    )


def _slots(thing: Any, reading: Reading) -> list[Slot]:
    """The object's parameters; each part of the matrix once."""
    found: list[Slot] = []
    gates = len(reading.gates)
    covered = np.zeros((D + H + 1, gates * H), dtype=bool)
    for place, a in places(thing).items():
        if is_gradient(place) or is_memory(place) or not place:
            continue
        part = _part(plain(str(place[-1][1])), a, reading)
        if part is None or covered[np.ix_(part[0], part[1])].any():
            continue
        rows, columns = part
        covered[np.ix_(rows, columns)] = True
        found.append(Slot(place, a.shape, rows, columns, _turned(a, len(rows), len(columns), reading)))
    for place, a in places(thing).items() if not covered.all() else ():
        # Parameters in a list, which has no names: the shapes tell.
        listed = bool(place) and isinstance(place[-1][1], int)
        if not listed or is_gradient(place) or is_memory(place) or any(s.place == place for s in found):
            continue
        for rows in (_X, _H_ROWS, _B):
            columns = _all_columns(reading)
            if a.size == len(rows) * len(columns) and not covered[np.ix_(rows, columns)].any():
                covered[np.ix_(rows, columns)] = True
                found.append(Slot(place, a.shape, rows, columns, _turned(a, len(rows), len(columns), reading)))
                break
    return found if covered[:-1].all() else []


_X, _H_ROWS, _B = tuple(range(D)), tuple(range(D, D + H)), (D + H,)


def _all_columns(reading: Reading) -> tuple[int, ...]:
    return tuple(g * H + k for g in reading.gates for k in range(H))


def _turned(a: Array, rows: int, columns: int, reading: Reading) -> bool:
    sides = [n for n in a.shape if n != 1]
    if len(sides) < 2 or rows == columns:
        return len(sides) == 2 and reading.turned
    return sides == [columns, rows]


def _part(name: str, a: Array, reading: Reading) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Rows and columns that an array of this name and size holds."""
    joined = (*_H_ROWS, *_X) if reading.state_first else (*_X, *_H_ROWS)
    by_size = {n * c: rows for rows in (joined, _X, _H_ROWS, _B) for n, c in ((len(rows), H),)}
    whole = {len(rows) * len(reading.gates) * H: rows for rows in (joined, _X, _H_ROWS, _B)}
    if name[:1] not in ("w", "u", "b"):
        return None
    if len(reading.gates) > 1 and a.size in by_size:
        letter = next((k for k, words in enumerate(_GATE.values()) if _gate_of(name) in words), None)
        if letter is not None:
            return by_size[a.size], tuple(range(letter * H, (letter + 1) * H))
        return None
    sided = a.size in whole and (name[:1] == "b") == (whole[a.size] == _B)
    return (whole[a.size], _all_columns(reading)) if sided and not re.search("y$|out", name) else None


def _gate_of(name: str) -> str:
    """`wxi`, `wix`, `wi`, `ui`, `bi`, `weightforget`: what is left without what all gates have."""
    bare = re.sub(r"^(weights?|bias(es)?|[wub])", "", name)
    return re.sub(r"^[xh](?=.)", "", bare) if bare[:1] in ("x", "h") else re.sub(r"(?<=.)[xh]$", "", bare)


def _ran(file: UserFile, cls: type, reading: Reading, params: dict[str, Array], x: Array, dy: Array) -> Ran:
    whole = np.vstack([params["W"], params["U"], params["b"][np.newaxis]])
    thing = made(file, cls, reading.arguments, _values(reading, params))
    slots = _slots(thing, reading)
    if not slots:
        raise Unbound(f"{cls.__name__}: its parameters are not found")
    for slot in slots:
        put(thing, slot.place, slot.there(whole).astype(x.dtype))
    there, layer = reading.layout.there, reading.cell
    new, *before = (there(np.ascontiguousarray(a)) for a in layer.split(x))
    ups = [there(np.ascontiguousarray(a)) for a in np.split(dy, layer.states, axis=1)]
    states = dict(zip(("h", "c"), before, strict=False))
    f = getattr(thing, method(cls, STEP))
    result = file.call(f, **bound(f, {"x": new} | states, ALIASES))
    outs = list(result) if isinstance(result, tuple | list) else [result]
    if len(outs) < layer.states:
        raise UserError(f"{cls.__name__}: the step gives {len(outs)} of {layer.states} states")
    shown = [reading.layout.back(array(a, f"what {cls.__name__}'s step returns")) for a in outs[: layer.states]]
    dx, grads = _back(file, cls, thing, slots, reading, {"x": new} | states, ups, outs)
    return Ran(_beside(shown), dx, grads)


def _values(reading: Reading, params: dict[str, Array]) -> dict[str, Any]:
    columns = list(_all_columns(reading))
    W, U, b = (params[n][..., columns] for n in ("W", "U", "b"))
    square = reading.layout is COLUMNS
    given = {"Wx": W.T if square else W, "Wh": U.T if reading.turned else U, "b": b[:, np.newaxis] if square else b}
    return {"n_in": D, "n_out": H} | {n: a.copy() for n, a in given.items()}


def _back(
    file: UserFile,
    cls: type,
    thing: Any,
    slots: list[Slot],
    reading: Reading,
    roles: dict[str, Any],
    ups: list[Array],
    outs: list[Any],
) -> tuple[Array | None, dict[str, Array]]:
    b = getattr(thing, method(cls, STEP_BACK))
    states = reading.cell.states
    offered: dict[str, Any] = {"upstream": ups[0]} | ({"dc": ups[1]} if states > 1 else {})
    offered |= ({"cache": outs[-1]} if len(outs) > states else {}) | {n: a.copy() for n, a in roles.items()}
    before = snapshot(thing)
    given = bound(b, offered, ALIASES)
    if states > 1 and not any(a is ups[1] for a in given.values()):
        raise Unbound(f"{cls.__name__}: its backward step is not given the gradient of the cell")
    result = file.call(b, **given)
    spoken = tuple(plain(str(s.place[-1][1])) for s in slots)
    new = {p: a for p, a in changed(thing, before).items() if not is_memory(p)}
    named = {p: a for p, a in new.items() if is_gradient(p) or speaks_of(p, spoken)}
    named |= {p: a for p, a in numbers(thing).items() if speaks_of(p, spoken)}
    if isinstance(result, tuple) and len(result) == len(names := returned(b)):
        named |= {(("item", n),): np.asarray(a) for n, a in zip(names, result, strict=True) if n and a is not None}
    elif isinstance(result, dict):
        named |= {(("item", str(n)),): np.asarray(a) for n, a in result.items()}
    own = {s.place for s in slots}
    found = _gradients({p: a for p, a in named.items() if p not in own}, slots, len(reading.gates))
    order = ("x", "h", "c")[: 1 + states]
    of_inputs = gradients(b, result, order, ALIASES) if isinstance(result, tuple | list | dict) else {}
    if any(of_inputs.get(n) is None for n in order):
        return None, found
    return _beside([reading.layout.back(array(of_inputs[n], f"the gradient of {n}")) for n in order]), found


def _gradients(named: dict[Place, Array], slots: list[Slot], gates: int) -> dict[str, Array]:
    """Gradients of W, U and b, as far as all their parts are seen; one of another size stands for the whole."""
    whole = np.full((D + H + 1, gates * H), np.nan)
    odd: dict[str, Array] = {}
    for slot in slots:
        name = plain(str(slot.place[-1][1]))
        spoken = [a for p, a in named.items() if isinstance(p[-1][1], str) and speaks_of(p, (name,))]
        listed = [a for p, a in named.items() if p[-1] == slot.place[-1] and isinstance(p[-1][1], int)]
        sized = [a for a in named.values() if sorted(a.shape) == sorted(slot.shape)]
        twins = sum(s.shape == slot.shape for s in slots) > 1
        for g in (spoken or listed or ([] if twins else sized))[:1]:
            if not slot.back(g, whole):
                odd |= dict.fromkeys(_owners(slot), g)
    parts = {"W": whole[:D], "U": whole[D : D + H], "b": whole[-1]}
    seen = {n: a.copy() for n, a in parts.items() if not np.isnan(a).any() or n in odd}
    return seen | odd


def _owners(slot: Slot) -> list[str]:
    return [n for n, rows in (("W", _X), ("U", _H_ROWS), ("b", _B)) if set(rows) & set(slot.rows)]


def _beside(shown: list[Array]) -> Array:
    fits = all(a.ndim == 2 and len(a) == len(shown[0]) for a in shown)
    return np.hstack(shown) if fits else shown[0]
