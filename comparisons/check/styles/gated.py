"""Recurrent steps and layers whose parameters are arrays of single gates, or of a GRU: functions and objects, steps and sequences.

What an array holds is read from its name (`comparisons.check.gates`); how data lie, in which order gates stand side by side and
which of the usual forms of a GRU it is, is found out by calling the code.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, Unbound, parameters, plain, returned, strings
from comparisons.check.construct import Arguments, made, plans
from comparisons.check.gates import ALL, WORDS, D, Gates, H, Named, Part, assignments, owners
from comparisons.check.layouts import SPOKEN
from comparisons.check.members import Place, changed, is_gradient, is_memory, numbers, places, put, snapshot
from comparisons.check.models import LayerModel, Ran
from comparisons.check.objects import method
from comparisons.check.series import SEQUENCES, STEPS, Series
from comparisons.check.styles.cells import STEP, STEP_BACK
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import GRU, LSTM, Layer, LayerState, SimpleRNN, architecture

Array = np.ndarray
ALIASES: Aliases = {
    "x": ("x", "xt", "xs", "inputs", "input", "inp", "xseq", "sequence", "seq", "data", "batch"),
    "h": ("hprev", "prevh", "h", "aprev", "a0", "h0", "hiddenprev", "prevhidden", "hidden", "state", "prevstate", "hold", "hiddenstate", "stateprev",
          "hin", "ht1", "s", "sprev", "hs", "hinit", "hprevious", "inith", "initialh", "prevhiddenstate", "htprev", "htminus1", "hpre", "hlast"),
    "c": ("cprev", "prevc", "c", "c0", "cellprev", "prevcell", "cell", "cellstate", "cold", "cin", "ct1", "cs", "cinit", "initc", "prevcellstate",
          "ctprev", "ctminus1", "cpre", "clast"),
    "upstream": ("dhnext", "dnexth", "dh", "dout", "danext", "da", "dht", "gradh", "dhidden", "dhcurr", "dhs", "dy", "grad", "upstream", "dhnew",
                 "gradoutput", "dhiddenstate", "dlossdh", "deltah", "dhout", "dldh", "gradhnext", "doutput", "delta", "gradhidden"),
    "dc": ("dcnext", "dnextc", "dc", "dct", "gradc", "dcell", "dcellnext", "dcnew", "dldc", "gradcnext", "dcellstate", "gradcell"),
    "cache": ("cache", "caches", "cached", "memory", "saved", "values", "states", "ctx", "tape", "intermediates", "forwardcache"),
    "H": ("hiddensize", "nhidden", "na", "nh", "hsize", "hiddendim", "numhidden", "hdim", "units", "nunits"),
    "D": ("inputsize", "nx", "ninput", "inputdim", "xsize", "dsize", "nin", "xdim"),
    "T": ("t", "tx", "timesteps", "seqlen", "seqlength", "nsteps", "length"),
}  # fmt: skip
PARAMETERS = ("parameters", "params", "param", "p", "weights", "theta", "w", "model", "wts", "par")
_BACK = re.compile(r"backwards?|backprop(agation|agate)?|bprop|bptt|bwd|grad(ients?)?(?=_|$)", re.IGNORECASE)
_AHEAD = re.compile(r"forwards?|fprop|fwd|forwardprop|forwardpropagation", re.IGNORECASE)
_FILLING = re.compile(r"[_]|prop(agation|agate)?$|pass", re.IGNORECASE)
_KIND = re.compile(r"gru|lstm|rnn|recurrent|elman")
_MORE = re.compile(
    r"relu|peep|dropout|hard_?sig|attention|batch_?norm|layer_?norm|embed|softmax|crossentropy|cross_entropy"
)
NEAR, SINGLE = 1e-9, 1e-4
"""Relative difference up to which a reading agrees, in float64 and in float32."""
KNOWN = 1.0
"""Distance, of the outputs' largest difference to their largest element, up to which a wrong output is taken for such a step's all the same."""


@dataclass(frozen=True)
class Code:
    """The code of a unit.

    Attributes
    ----------
    forward, backward : str
        Names of functions of the file, or of methods of the class.
    cls : str
        Name of the class; empty for functions.
    """

    forward: str
    backward: str
    cls: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (self.cls,) if self.cls else tuple(n for n in (self.forward, self.backward) if n)


@dataclass(frozen=True)
class Reading:
    """How code is taken.

    Attributes
    ----------
    gates : Gates
    named : dict
        What each array is.
    series : Series
        How inputs and states lie.
    last : bool
        Whether a sequence's output is its last state alone.
    dictionary : str
        The argument in which parameters are handed over; empty where each is its own.
    arguments : dict
        Of the constructor.
    stepwise : bool
        Whether an object keeps its state itself, and is given one step after the other.
    """

    gates: Gates
    named: Named
    series: Series
    last: bool = False
    dictionary: str = ""
    arguments: Arguments = field(default_factory=dict)
    stepwise: bool = False

    @property
    def layer(self) -> Layer:
        """The twin's description."""
        if not self.series.timed:
            return self.gates.cell
        if self.gates.kind == "gru":
            return GRU(D, H, not self.last, self.gates.reset_after)
        return (LSTM if self.gates.kind == "lstm" else SimpleRNN)(D, H, not self.last)

    def cases(self, name: str) -> list[Case]:
        """Batches, or single examples, of steps or sequences."""
        cell, single = self.gates.cell, self.series.single
        if not self.series.timed:
            width = D + cell.states * H
            sizes = (1,) if single else (5, 2)
            return [Case(f"check/{name}/batch{m}", architecture(self.layer), (m,), (width,)) for m in sizes]
        return [Case(f"check/{name}/steps{t}", architecture(self.layer), (1 if single else 3,), (t, D)) for t in (4, 2)]


class Gated:
    """Pairs of functions and classes."""

    name = "gated"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """All whose parameters are recognised and whose output is that of such a step, or nearly."""
        units = []
        for code in (*_functions(file, taken), *_classes(file, taken)):
            try:
                reading = _best(file, code)
            except Exception as error:  # strange code must not hide the rest
                file.notes.append(f"{code.members[0]} is not compared: {type(error).__name__}: {error}")
                continue
            if reading is not None:
                file.notes[:] = [n for n in file.notes if not n.startswith(f"{code.members[0]} is not compared")]
                units.append(_unit(file, code, reading))
        file.mutated.clear()
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The code as a layer."""
        code, reading = unit.options["code"], unit.options["reading"]
        return LayerModel(case, lambda params, _, x, dy, *__: _ran(file, code, reading, params, x, dy))


def _functions(file: UserFile, taken: frozenset[str]) -> Iterator[Code]:
    free = [n for n in (*file.functions(), *file.statics()) if n not in taken and n.partition(".")[0] not in taken]
    ahead: dict[str, str] = {}
    for name in free:
        if _AHEAD.search(name) and not _BACK.search(name):
            ahead.setdefault(_base(name), name)
    for name in free:
        if not _BACK.search(name):
            ahead.setdefault(_base(name), name)
    for name in free:
        if _BACK.search(name) and (forward := ahead.get(_base(name))):
            yield Code(forward, name)


def _base(name: str) -> str:
    return _FILLING.sub("", _AHEAD.sub("", _BACK.sub("", name))).lower()


def _classes(file: UserFile, taken: frozenset[str]) -> Iterator[Code]:
    for name, cls in file.classes().items():
        forward, backward = method(cls, STEP), method(cls, STEP_BACK)
        if name not in taken and _KIND.search(name.lower()) and forward and backward and forward != backward:
            yield Code(forward, backward, name)


def _kinds(file: UserFile, code: Code) -> list[str]:
    told = plain(code.cls or code.forward)
    known = [k for k in ("gru", "lstm", "rnn") if k in told]
    if known:
        return known[:1]
    text = _text(file, code)
    if _KIND.search(told) or "tanh" in text:
        return ["lstm", "gru", "rnn"]
    return []


def _text(file: UserFile, code: Code) -> str:
    import inspect

    found = []
    for name in code.members:
        try:
            found.append(inspect.getsource(file.namespace[name]))
        except (OSError, TypeError):
            continue
    return "\n".join(found).lower()


def _readings(file: UserFile, code: Code) -> Iterator[Reading]:
    for kind in _kinds(file, code):
        for base in _shapes_of(file, code, kind):
            if _keeps_state(file, code, kind):
                yield from _forms(replace(base, series=SEQUENCES[0], stepwise=True))
                continue
            for series in STEPS if _one_step(file, code, kind) else SEQUENCES:
                yield from _forms(replace(base, series=series))


def _keeps_state(file: UserFile, code: Code, kind: str) -> bool:
    """Whether a cell is given its input alone."""
    if not code.cls or "cell" not in code.cls.lower():
        return False
    asked = [p for p in parameters(_callable(file, code, code.forward)) if p.name != "self" and p.default is p.empty]
    return len(asked) == 1


def _prepared(file: UserFile, thing: Any) -> Any:
    """The object with its parameters, where it makes them once it knows its input's size."""
    make = method(type(thing), ("initparams", "initializeparams", "build", "initweights"))
    if make and getattr(thing, "n_in", 0) is None and not parameters(getattr(thing, make)):
        thing.n_in = D
        file.call(getattr(thing, make))
    return thing


def _one_step(file: UserFile, code: Code, kind: str) -> bool:
    """Whether a state comes in beside the input, and the code does not walk through time itself."""
    f = _callable(file, code, code.forward)
    asked = {plain(p.name) for p in parameters(f)}
    told = plain(code.forward + code.cls)
    if re.search("step|cell|unit", told):
        return True
    body = plain(_source(f))
    walks = re.search(r"forvin|forvi|inrange\(|inreversed\(|inenumerate\(|inxs?:", body.replace(" ", ""))
    return bool(asked & set(ALIASES["h"])) and not walks


def _source(f: Any) -> str:
    import inspect

    try:
        return inspect.getsource(f)
    except (OSError, TypeError):
        return ""


def _callable(file: UserFile, code: Code, name: str) -> Any:
    return getattr(file.namespace[code.cls], name) if code.cls else file.namespace[name]


def _shapes_of(file: UserFile, code: Code, kind: str) -> Iterator[Reading]:
    """Readings as far as the names go."""
    some = STEPS[0]
    gates = Gates(kind, tuple(range(len(WORDS[kind]))))
    if code.cls:
        cls = file.classes()[code.cls]
        seen = []
        for roles in (("n_in", "n_out"), ("Wx", "Wh", "b")):
            for arguments in plans(cls, roles):
                if arguments in seen:
                    continue
                seen.append(arguments)
                try:
                    thing = _prepared(file, made(file, cls, arguments, _given(gates)))
                except UserError:
                    continue
                for named in _of_object(thing, kind):
                    yield Reading(gates, named, some, arguments=arguments)
        return
    f = file.namespace[code.forward]
    asked = [p.name for p in parameters(f)]
    for named in assignments(asked, kind):
        yield Reading(gates, named, some)
    holders = [n for n in asked if plain(n) in PARAMETERS]
    keys = [s for s in strings(f) if s.isidentifier() and len(s) < 16 and s not in asked]
    for holder in holders:
        for named in assignments(sorted(keys), kind):
            yield Reading(gates, named, some, dictionary=holder)


def _given(gates: Gates) -> dict[str, Any]:
    """What a constructor may want: sizes, or arrays of all gates."""
    columns = len(gates.order) * H
    return {"n_in": D, "n_out": H, "Wx": np.zeros((D, columns)), "Wh": np.zeros((H, columns)), "b": np.zeros(columns)}


def _of_object(thing: Any, kind: str) -> Iterator[Named]:
    """Parameters of an object, by the label of their place."""
    held = {p: a for p, a in places(thing).items() if p and not is_gradient(p) and not is_memory(p)}
    named = {_word(p): a for p, a in held.items() if isinstance(p[-1][1], str)}
    for found in assignments(named, kind):
        gates = Gates(kind, tuple(range(len(WORDS[kind]))))
        if all(_fits(gates, part, named[n]) for n, part in found.items()):
            yield found
    listed = {str(p[-1][1]): a for p, a in held.items() if isinstance(p[-1][1], int)}
    sizes = {D * H: "x", H * H: "h", H: "b", (D + H) * H: "xh"}
    n = len(WORDS[kind])
    parts = {i: Part(sizes[a.size // n], ALL) for i, a in listed.items() if a.size % n == 0 and a.size // n in sizes}
    if sorted(p.rows for p in parts.values()) in (["b", "h", "x"], ["b", "xh"]):
        yield parts


def _fits(gates: Gates, part: Part, a: Array) -> bool:
    rows, columns = gates.size(part)
    return sorted(n for n in a.shape if n != 1) == sorted(n for n in (rows, columns) if n != 1)


def _word(place: Place) -> str:
    words = [str(name) for _, name in place]
    return (
        words[-2]
        if len(words) > 1 and plain(words[-1]) in ("value", "v", "data", "val", "w", "array", "p")
        else words[-1]
    )


def _forms(reading: Reading) -> Iterator[Reading]:
    """All that names do not tell."""
    kind, parts = reading.gates.kind, reading.named.values()
    n = len(WORDS[kind])
    by_kind: dict[str, list[tuple[int, ...]]] = {
        "lstm": [(0, 1, 3, 2), (0, 1, 2, 3), (1, 0, 3, 2), (1, 2, 0, 3), (1, 0, 2, 3)],
        "gru": [(0, 1, 2), (1, 0, 2)],
    }
    usual = by_kind.get(kind, [(0,)])
    orders = [*usual, *(o for o in itertools.permutations(range(n)) if o not in usual)]
    if all(p.gate != ALL for p in parts):
        orders = [tuple(range(n))]
    firsts = (True, False) if any("xh" in p.rows for p in parts) else (True,)
    two = any(p.rows == "bh" for p in parts)
    resets = ((True, False) if two else (False,)) if kind == "gru" else (False,)
    swaps = (False, True) if kind == "gru" else (False,)
    lasts = (False, True) if reading.series.timed else (False,)
    for turned, last, reset, swapped, order, first in itertools.product(
        reading.series.turns, lasts, resets, swaps, orders, firsts
    ):
        gates = Gates(kind, order, first, turned, reset, swapped, reading.series.columns)
        yield replace(reading, gates=gates, last=last)


def _best(file: UserFile, code: Code) -> Reading | None:
    """The first reading whose output and gradients agree; else of those whose output agrees the one with most gradients;
    else, of code that is plainly such a step, the one whose output comes nearest.
    """
    chosen, least, nearest, best = None, np.inf, None, np.inf
    broken: Reading | None = None
    for reading in _readings(file, code):
        case = reading.cases("probe")[0]
        drawn = plan(case)
        params, batch = next(iter(drawn.weights.params.values())), drawn.batches[0]
        assert batch.upstream is not None
        y, cache = reading.layer.forward(batch.x, LayerState(params))
        try:
            got = _ran(file, code, reading, params, batch.x.copy(), None)
        except UserError:
            continue
        if got.output is None or got.output.shape != y.shape:
            continue
        off = float(np.abs(got.output - y).max() / np.abs(y).max())
        near = NEAR if got.output.dtype == np.float64 else SINGLE
        if not off < near:
            if off < best:
                best, nearest = off, reading
            continue
        expected = reading.layer.backward(batch.upstream, LayerState(params), cache)
        try:
            ran = _ran(file, code, reading, params, batch.x.copy(), batch.upstream.copy())
        except UserError as error:
            if not isinstance(error, Unbound):
                broken = broken or reading
            continue
        pairs = [(g, expected[1].get(n)) for n, g in ran.grads.items()]
        pairs += [] if ran.input_grad is None else [(ran.input_grad, expected[0])]
        right = sum(
            w is not None
            and g.shape == w.shape
            and np.allclose(g, w, atol=NEAR if g.dtype == np.float64 and near == NEAR else SINGLE)
            for g, w in pairs
        )
        wrong = len(pairs) - right + (len(expected[1]) + 1 - len(pairs)) * 0.5
        if reading.series.single:
            wrong += _knows_batches(file, code)
        if wrong < least:
            least, chosen = wrong, reading
        if not wrong:
            break
    if chosen is None and broken is not None:
        return broken
    plainly = best < KNOWN and not _MORE.search(_text(file, code)) and "tanh" in _text(file, code)
    return chosen or (nearest if plainly else None)


def _knows_batches(file: UserFile, code: Code) -> float:
    """How much speaks against single examples: sums over an axis, or only words."""
    text = _text(file, code)
    if re.search(r"sum\([^\n]*axis|\.mean\(|batch_?size", text):
        return 10.0
    return 0.25 if re.search(r"axis|keepdims|batch|\bm\b\s*=|\bn\b\s*,", text) else 0.0


# Calling


def _ran(file: UserFile, code: Code, reading: Reading, params: dict[str, Array], x: Array, dy: Array | None) -> Ran:
    whole = reading.gates.whole(params)
    series = reading.series
    states = reading.gates.cell.states
    new, *before = (x, *_zeros(x, states)) if series.timed else reading.gates.cell.split(x)
    values: dict[str, Any] = {"x": series.there(new)}
    values |= {r: series.state(a) for r, a in zip(("h", "c"), before, strict=False)}
    values |= {"H": H, "D": D, "T": x.shape[1]}
    user = _User(file, code, reading, whole.astype(x.dtype))
    result = user.forward(values)
    output = user.states(result, 1 if series.timed else states)
    if dy is None:
        return Ran(output)
    ups = [dy] if series.timed else np.split(dy, states, axis=1)
    there = series.state if reading.last or not series.timed else series.there
    offered = {"upstream": there(ups[0])} | ({"dc": there(ups[1])} if len(ups) > 1 else {})
    if series.timed:
        offered["dc"] = series.state(np.zeros((len(x), H), x.dtype))
    found = user.backward(offered, values, result)
    grads = user.gradients(found)
    order = ("x",) if series.timed else ("x", "h", "c")[: 1 + states]
    seen = (series.back(found[f"input {r}"], D if r == "x" else H) for r in order if f"input {r}" in found)
    back = [a for a in seen if a is not None]
    fits = len(back) == len(order) and all(a.ndim == 2 and len(a) == len(x) for a in back)
    dx = back[0] if series.timed and back else np.hstack(back) if fits else None
    return Ran(output, dx, grads)


def _zeros(x: Array, states: int) -> list[Array]:
    return [np.zeros((len(x), H), x.dtype) for _ in range(states)]


class _User:
    """One call of the code, forwards and back."""

    def __init__(self, file: UserFile, code: Code, reading: Reading, whole: Array) -> None:
        self.file, self.code, self.reading = file, code, reading
        gates = reading.gates
        self.shapes = {n: gates.there(whole, p).shape for n, p in reading.named.items()}
        self.thing: Any = None
        if code.cls:
            self._make(whole)
        self.arrays = {n: gates.there(whole, p, self.shapes[n]) for n, p in reading.named.items()}

    def _make(self, whole: Array) -> None:
        gates = self.reading.gates
        given = _given(gates)
        if "Wx" in self.reading.arguments.values():
            for role, rows in (("Wx", "x"), ("Wh", "h"), ("b", "b")):
                given[role] = gates.there(whole, Part(rows, ALL))
        thing = made(self.file, self.file.classes()[self.code.cls], self.reading.arguments, given)
        self.thing = _prepared(self.file, thing)
        for place, a in places(self.thing).items():
            name = _word(place) if place else ""
            if not place or is_gradient(place) or is_memory(place) or name not in self.reading.named:
                continue
            if not _fits(gates, self.reading.named[name], a):
                continue
            self.shapes[name] = a.shape
            put(self.thing, place, gates.there(whole, self.reading.named[name], a.shape))

    def forward(self, values: dict[str, Any]) -> Any:
        f = getattr(self.thing, self.code.forward) if self.code.cls else self.file.namespace[self.code.forward]
        self.given = self._bound(f, values)
        if self.thing is not None:
            self.before_forward = snapshot(self.thing)
        if self.reading.stepwise:
            steps = values["x"].shape[1]
            return np.stack([self.file.call(f, np.ascontiguousarray(values["x"][:, t])) for t in range(steps)], axis=1)
        return self.file.call(f, **self.given)

    def _bound(self, f: Any, values: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        left, open_ = dict(values), []
        for p in parameters(f):
            if p.name in self.arrays:
                given[p.name] = self.arrays[p.name].copy()
            elif self.reading.dictionary and plain(p.name) in PARAMETERS:
                given[p.name] = self._dictionary(f)
            elif (role := _role(p.name, left)) is not None:
                value = left.pop(role)
                given[p.name] = value.copy() if isinstance(value, np.ndarray) else value
            elif p.default is p.empty:
                open_.append(p.name)
        for name in open_:
            role = next((r for r in left if r not in ("H", "D", "T")), None)
            if role is None:
                raise Unbound(f"{self.code.forward} takes an argument {name!r} that is not known")
            given[name] = left.pop(role)
        return given

    def _dictionary(self, f: Any) -> dict[str, Array]:
        held = {n: a.copy() for n, a in self.arrays.items()}
        rng = np.random.default_rng(1)
        turned, columns = self.reading.gates.turned, self.reading.gates.columns
        for key in strings(f):
            if key not in held and plain(key) in ("wy", "wya", "why", "v", "wv", "wout", "whq"):
                held[key] = rng.standard_normal((2, H) if turned else (H, 2))
            elif key not in held and plain(key) in ("by", "bq", "bv", "bout"):
                held[key] = rng.standard_normal((2, 1) if columns else 2)
        return held

    def states(self, result: Any, wanted: int) -> Array | None:
        """The first returned things that are states, or what the object keeps."""
        parts = list(result) if isinstance(result, tuple) else [result]
        found = [a for part in parts if (a := self._state(part)) is not None]
        if not found and self.thing is not None and (result is None or result is self.thing):
            new = changed(self.thing, self.before_forward)
            found = [
                a
                for n in ("h", "hs", "hnext", "hstates")
                for p, v in new.items()
                if plain(_word(p)) == n and (a := self._state(v)) is not None
            ]
        if len(found) < wanted:
            return None
        if wanted == 1:
            return found[0]
        names = [plain(n) for n in returned(_callable(self.file, self.code, self.code.forward))]
        self.cell_first = len(names) > 1 and names[0].startswith("c") and names[1].startswith("h")
        return np.hstack([found[1], found[0]] if self.cell_first else found[:2])

    def _state(self, part: Any) -> Array | None:
        series = self.reading.series
        try:
            a = series.back(part, H) if not self.reading.last else series.state_back(part)
        except (ValueError, TypeError, KeyError, IndexError):
            return None
        return a if a is not None and a.dtype.kind == "f" else None

    def backward(self, upstream: dict[str, Any], values: dict[str, Any], result: Any) -> dict[str, Any]:
        """Everything that came back, by name; gradients of inputs as `input x`."""
        b = getattr(self.thing, self.code.backward) if self.code.cls else self.file.namespace[self.code.backward]
        parts = list(result) if isinstance(result, tuple) else [result]
        names = returned(_callable(self.file, self.code, self.code.forward))
        by_name = dict(zip(names, parts, strict=True)) if len(names) == len(parts) else {}
        more = {n: v for n, v in by_name.items() if n}
        offered = dict(upstream)
        if len(parts) > 1:
            offered["cache"] = parts[-1]
        before = snapshot(self.thing) if self.thing is not None else {}
        if self.reading.stepwise:
            dy = upstream["upstream"]
            back = [self.file.call(b, np.ascontiguousarray(dy[:, t])) for t in reversed(range(dy.shape[1]))]
            return self._read(b, np.stack(back[::-1], axis=1), before)
        given = self._bound_back(b, offered, values, more)
        got = self.file.call(b, **given)
        return self._read(b, got, before)

    def _bound_back(
        self, b: Any, offered: dict[str, Any], values: dict[str, Any], more: dict[str, Any]
    ) -> dict[str, Any]:
        given: dict[str, Any] = {}
        left, open_ = dict(offered) | {n: v for n, v in values.items() if n not in offered}, []
        for p in parameters(b):
            if p.name in self.arrays:
                given[p.name] = self.arrays[p.name].copy()
            elif self.reading.dictionary and plain(p.name) in PARAMETERS:
                given[p.name] = self._dictionary(b)
            elif p.name in more and _role(p.name, offered) is None:
                given[p.name] = more[p.name]
            elif (role := _role(p.name, left)) is not None:
                given[p.name] = left.pop(role)
            elif p.default is p.empty:
                open_.append(p.name)
        for name in open_:
            role = next((r for r in left if r in ("upstream", "dc", "cache")), None)
            if role is None:
                raise Unbound(f"{self.code.backward} takes an argument {name!r} that is not known")
            given[name] = left.pop(role)
        if "upstream" in left:
            raise Unbound(f"{self.code.backward} is not given the gradient of the state")
        return given

    def _read(self, b: Any, got: Any, before: dict[Any, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.thing is not None:
            own = set(self.reading.named)
            seen = {**changed(self.thing, before), **_lone(self.thing, own)}
            # What the object holds itself comes before what its steps hold.
            for place in sorted(seen, key=len):
                if place and not is_memory(place) and (is_gradient(place) or str(place[0][1]).startswith("d")):
                    found.setdefault(_word(place), seen[place])
        flat: list[tuple[str, Any]] = []
        if isinstance(got, dict):
            flat = [(str(n), v) for n, v in got.items()]
        elif isinstance(got, tuple):
            names = returned(b)
            names = names if len(names) == len(got) else [""] * len(got)
            for name, value in zip(names, got, strict=True):
                flat += [(str(n), v) for n, v in value.items()] if isinstance(value, dict) else [(name, value)]
        elif got is not None and got is not self.thing:
            flat = [("dx", got)]
        found |= {n: v for n, v in flat if n and v is not None}
        unnamed = [v for n, v in flat if not n]
        roles = ("x", "h", "c")
        for name, value in list(found.items()):
            role = next((r for r in roles if _bare(name) in (r, *ALIASES[r])), None)
            if role is not None and not any(_bare(name) == plain(n) for n in self.reading.named):
                found.setdefault(f"input {role}", value)
        if unnamed and len(unnamed) == len(flat):
            asked = [p.name for p in parameters(_callable(self.file, self.code, self.code.forward))]
            for name, value in zip(asked, unnamed, strict=False):
                role = _role(name, {"x": 0, "h": 0, "c": 0})
                found.setdefault(name if role is None else f"input {role}", value)
        return found

    def gradients(self, found: dict[str, Any]) -> dict[str, Array]:
        """Gradients of the parameters as far as all parts are seen; one of another shape stands for the whole."""
        whole = np.full((D + H + 2, len(WORDS[self.reading.gates.kind]) * H), np.nan)
        odd: dict[str, Array] = {}
        bare = {_bare(n): v for n, v in found.items()}
        for name, part in self.reading.named.items():
            value = bare.get(plain(name))
            if value is None:
                continue
            g = np.asarray(value)
            if g.dtype.kind not in "fiu":
                continue
            if not self.reading.gates.back(whole, part, g.astype(np.result_type(g, np.float32)), self.shapes[name]):
                odd |= dict.fromkeys(owners(part), g.astype(float))
        shapes = self.reading.gates.cell.parameter_shapes()
        return {n: g for n, g in (self.reading.gates.apart(whole) | odd).items() if n in shapes}


def _lone(thing: Any, names: set[str]) -> dict[Place, Array]:
    return {p: a for p, a in numbers(thing).items() if any(_bare(_word(p)) == plain(n) for n in names)}


def _bare(name: str) -> str:
    short = plain(name)
    if short.startswith("input "):
        return short
    for affix in ("gradient", "grads", "grad", "delta", "dl", "d"):
        if short.startswith(affix) and len(short) > len(affix):
            return short[len(affix) :].removeprefix("wrt")
    return short


def _role(name: str, left: dict[str, Any]) -> str | None:
    wanted = plain(name)
    for role in left:
        if name == role or (wanted == plain(role) and role not in ("H", "D", "T")):
            return role
    return next((r for r in left if wanted in ALIASES.get(r, ())), None)


def _unit(file: UserFile, code: Code, reading: Reading) -> Unit:
    gates = reading.gates
    title = {"gru": "GRU", "lstm": "LSTM", "rnn": "simple RNN"}[gates.kind] + (
        "" if reading.series.timed else ", one step"
    )
    told = (
        [SPOKEN[reading.series.name]]
        if reading.series.name in SPOKEN
        else [reading.series.told]
        if reading.series.told
        else []
    )
    if any(p.gate == ALL for p in reading.named.values()) and len(gates.order) > 1:
        letters = {"lstm": "ifgo", "gru": "zrn"}[gates.kind]
        told.append("the gates stand in the order " + ", ".join(letters[g] for g in gates.order))
    if gates.kind == "gru":
        kept = "h = (1 - z) h_prev + z n" if gates.swapped else "h = z h_prev + (1 - z) n"
        where = "after" if gates.reset_after else "before"
        told.append(
            f"update gate z, reset gate r, candidate n: {kept}, with r {where} the product with the state's weights"
        )
    name = code.cls or code.forward
    together = "[x, previous state" + (", previous cell]" if gates.cell.states > 1 else "]")
    layer = architecture(reading.layer).layers[0][0]
    listed = {"x": "Wx", "h": "Wh", "xh": "W", "b": "b"}  # what is in a list has no name of its own
    names = {
        f"{layer}.{p}": ", ".join(
            listed[part.rows] if n.isdigit() else n for n, part in reading.named.items() if p in owners(part)
        )
        for p in gates.cell.parameter_shapes()
    }
    names = {n: words for n, words in names.items() if words}
    if one := next((p.rows for p in reading.named.values() if "1" in p.rows), ""):
        told.append(f"the biases are the {'first' if one[0] == '1' else 'last'} row of the weights")
        names[f"{layer}.b"] += " (the row of the bias)"
    if any("xh" in p.rows for p in reading.named.values()):
        names |= {
            f"{layer}.W": f"{names[f'{layer}.W']} (the part of x)",
            f"{layer}.U": f"{names[f'{layer}.U']} (the part of the state)",
        }
    if not reading.series.timed:
        told.append(f"input stands for {together}")
        names[f"{layer}.input"] = f"the input {together}"
    if reading.stepwise:
        told.append("the object keeps the state, and is given one step after the other")
    options = {"code": code, "reading": reading, "names": names}
    return Unit(
        name,
        Gated.name,
        title,
        file.own[code.members[0]],
        code.members,
        tuple(reading.cases(name)),
        options,
        tuple(told),
    )
