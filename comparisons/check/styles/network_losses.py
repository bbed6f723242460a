"""Networks that hold layers of any kind and know their own loss: its gradients beside finite differences of it.

`loss(x, t)` and `gradient(x, t)`, as in "Deep Learning from Scratch", with convolutions, batch norm, dropout, a penalty. Of large
parameters some elements are compared. The layers are watched, so that a backward pass in the wrong order is told as such.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import plain
from comparisons.check.differences import Derived, gradient, ratio
from comparisons.check.homes import source_text
from comparisons.check.locating import Spot
from comparisons.check.members import changed, is_gradient, label, places, snapshot
from comparisons.check.modes import TRAINING
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.styles.container_blocks import Call
from comparisons.check.styles.container_drives import LOSS_NAMED, inside_objects
from comparisons.check.styles.container_reading import order_causes
from comparisons.check.styles.layer_faults import faults
from comparisons.check.styles.losses import TYPES
from comparisons.check.styles.network_access import found_arrays, match_gradients, stem
from comparisons.check.styles.network_arguments import (
    constructor_arguments,
    is_output,
    is_x,
    is_y,
    parameters_of,
    required,
)
from comparisons.check.styles.network_objects import construct
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from scratch import architecture

Array = np.ndarray
LOSS = ("loss", "computeloss", "calculateloss", "getloss", "cost", "computecost", "calcloss", "lossfunction", "costfunction", "calculatecost",
        "totalloss")  # fmt: skip
GRADIENT = ("gradient", "gradients", "computegradients", "computegradient", "calculategradients", "getgradients", "backprop", "backward",
            "backpropagation", "grad", "backwardpass", "backwardpropagation", "lossandgradient")  # fmt: skip
ALL = 40
"""Elements of a parameter up to which all are compared."""
SOME = 8
"""Of larger ones so many are."""
SECONDS = 4.0
"""For the differences of one network."""
NEAR = 1e-5
STEP = 2.0**-7
"""Steps are shortened by this, since a small one meets fewer kinks: there are many ReLUs in an image."""
PENALTY = 0.1
EXAMPLES = 3
GUARDED = 1e-6
"""Relative error that a small number inside a logarithm makes."""
_DECAY = re.compile(r"(weight_?)?(decay|regulari[sz]ation)(_?(lambda|strength|rate))?|reg(_?(lambda|strength))?|l2(_?\w+)?|lambd?a?|weight_decay_lambda")  # fmt: skip
_SWITCH = re.compile(r"(use|with|has|apply)_?(batch_?norm\w*|bn|dropout\w*|drop|layer_?norm)|batch_?norm|dropout")
_UPHILL = re.compile(r"\+=?\s*(self\.)?(lr|learning_?rate|eta|alpha|rate|step_size)\b")
UNCOMPARED = "the loss was taken as it is, and compared with nothing"


THROUGH = "a random sum of the outputs"


def _upstream(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(9).standard_normal(shape)


MEASURES: dict[str, Callable[[Array, Array], Any]] = {
    THROUGH: lambda p, t: (p * _upstream(p.shape)).sum(),
    "the cross-entropy": lambda p, t: -(t * np.log(p)).sum(),
    "the cross-entropy of logits": lambda z, t: -(t * (z - np.log(np.exp(z).sum(axis=1, keepdims=True)))).sum(),
    "half the squared error": lambda p, t: 0.5 * ((p - t) ** 2).sum(),
}
"""What a network that has no loss itself may go backward from."""


@dataclass
class Known:
    """A class, how its objects are made and called.

    Attributes
    ----------
    file : UserFile
    cls : type
    arguments : dict
        Of its constructor.
    loss, back : str
        Its methods; the same one where `loss` returns gradients too. `loss` may be its forward method.
    x, t : ndarray
        A batch.
    measure : str
        The key of `MEASURES` that is taken of its output, where it has no loss itself.
    told : str
        Which options were set.
    scale : float
        The gradients are so many times the derivatives, all of them.
    agrees : bool
        Whether all gradients are right.
    calls, spoken : list
        What the layers were asked to do, and their names.
    """

    file: UserFile
    cls: type
    arguments: dict[str, Any]
    loss: str
    back: str
    x: Array
    t: Array
    measure: str = ""
    told: str = ""
    scale: float = 1.0
    agrees: bool = True
    calls: list[Call] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the unit."""
        return self.cls.__name__ + (f" with {self.told}" if self.told else "")

    def made(self, seed: int) -> tuple[Any, dict[str, Array]]:
        """An object with random parameters, and these by name: the arrays themselves."""
        thing = construct(self.file, self.cls, self.arguments)
        held = _parameters(thing)
        rng = np.random.default_rng(seed)
        for name, a in held.items():
            fan = max(1, a.size // a.shape[-1] if a.ndim == 2 else a.size // a.shape[0] if a.ndim > 2 else 1)
            small = 0.7 / np.sqrt(fan) if a.ndim > 1 else 0.2
            a[...] = small * rng.standard_normal(a.shape) + (1.0 if "gamma" in name.lower() else 0.0)
        return thing, held

    def value(self, thing: Any) -> float:
        """The loss.

        Raises
        ------
        UserError
            If it is no number.
        """
        result = self._called(thing, self.loss)
        if isinstance(result, tuple | list) and result:
            result = result[0]
        a = np.asarray(result, dtype=float) if result is not None else np.empty(0)
        if self.measure:
            self.output = a
            if a.shape[:1] != self.x.shape[:1] or a.ndim != 2 or (self.measure != THROUGH and a.shape != self.t.shape):
                raise UserError(f"{self.cls.__name__}.{self.loss} gives no rows")
            with np.errstate(all="ignore"):
                a = np.asarray(MEASURES[self.measure](a, self.t))
        if a.size != 1 or not np.isfinite(a).all():
            raise UserError(f"{self.cls.__name__}.{self.loss} gives no number")
        return float(a.ravel()[0])

    def _called(self, thing: Any, name: str) -> Any:
        f = getattr(thing, name)
        given: dict[str, Any] = {}
        for p in parameters_of(f):
            if plain(p.name) in TRAINING:
                given[p.name] = True
            elif (
                self.measure and name == self.back and p.default is p.empty and (is_output(p.name) or not is_y(p.name))
            ):
                given[p.name] = _upstream(self.output.shape) if self.measure == THROUGH else self.output.copy()
            elif p.default is not p.empty and not (is_y(p.name) or is_x(p.name)):
                continue
            elif is_y(p.name) and (not is_x(p.name) or given):
                given[p.name] = self.t.copy()
            elif is_x(p.name) or not given:
                given[p.name] = self.x.copy()
            else:
                raise UserError(f"{self.cls.__name__}.{name} takes an argument {p.name!r} that is not known")
        np.random.seed(0)  # noqa: NPY002
        return self.file.call(f, **given)

    def gradients(self, thing: Any, held: dict[str, Array]) -> dict[str, Array]:
        """What it claims, by parameter.

        Raises
        ------
        UserError
            If it raises; the cause that the layers' calls show is told too.
        """
        self.calls, self.spoken = [], []
        before = snapshot(thing)
        with _watched(thing, self.calls, self.spoken):
            if self.measure:
                self.value(thing)
            elif not _asks_data(getattr(thing, self.back)):
                self._called(thing, self.loss)
            try:
                result = self._called(thing, self.back)
            except UserError as error:
                causes = self.causes()
                raise UserError(f"{error}{'; ' if causes else ''}{'; '.join(causes)}") from error.__cause__
        if isinstance(result, tuple | list) and self.back == self.loss and len(result) > 1:
            result = result[1]
        shown = dict(found_arrays(result)) if result is not None else {}
        if isinstance(result, dict):
            shown = {str(k): np.asarray(v) for k, v in result.items() if isinstance(v, np.ndarray | np.floating)}
        by_stem = {stem(n).lower(): a for n, a in shown.items()}
        found = {n: by_stem[stem(n).lower()] for n in held if stem(n).lower() in by_stem}
        if len(found) < len(held):
            found = match_gradients(held, shown) | found
        if not found:
            new = {label(p): a for p, a in changed(thing, before).items() if is_gradient(p)}
            found = match_gradients(held, {n: a for n, a in new.items() if stem(n).lower() in {stem(h).lower() for h in held}})  # fmt: skip
        return {n: np.asarray(g, dtype=np.float64) for n, g in found.items()}

    def causes(self) -> list[str]:
        """What the calls of the layers show."""
        return [str(c) for c in order_causes(self.calls, self.spoken)]

    def derived(self, seed: int) -> list[Derived]:
        """All gradients beside differences of the loss."""
        thing, held = self.made(seed)
        try:
            claimed = self.gradients(thing, held)
        except UserError as error:
            if not self.causes():
                raise
            return [self._raised(thing, held, str(error))]
        causes = "; ".join(self.causes())
        started = time.process_time()
        self.value(thing)
        each = time.process_time() - started
        some = int(min(SECONDS / (7 * max(each, 1e-6) * max(1, len(claimed))), ALL))
        if some < 3:
            return self._along_directions(thing, held, claimed, causes)
        found, slopes = [], {}
        for name, g in claimed.items():
            a = held[name]
            if g.shape != a.shape:
                found.append(self._misshapen(name, g, a, causes))
                continue
            at = _telling(g, min(some, SOME if a.size > ALL else ALL))
            slopes[name] = at, *self._slopes(thing, a, at)
        for name, (at, wanted, off, kinks) in slopes.items():
            a, g = held[name], claimed[name] / self.scale
            shape = a.shape if len(at) == a.size else (len(at),)
            some = g.ravel()[at]
            told = causes or (
                "" if _near(some, wanted, kinks) else self._explained(name, at, wanted, a, claimed, slopes)
            )
            spot = self._calls_back() if causes else self._spot(name) if told else None
            g, wanted, kinks = (x.reshape(shape) for x in (some, wanted, kinks))
            found.append(Derived(f"grad/network.{name}", g, wanted, off, kinks, len(self.x), cause=told, spot=spot))
        return found[::-1]

    def _misshapen(self, name: str, g: Array, a: Array, causes: str) -> Derived:
        none, spot = np.zeros(a.shape, bool), None if causes else self._spot(name)
        return Derived(f"grad/network.{name}", g, np.zeros(a.shape), 0.0, none, cause=causes, spot=spot)

    def _explained(
        self, name: str, at: Array, wanted: Array, a: Array, claimed: dict[str, Array], slopes: dict[str, Any]
    ) -> str:
        some, kinks = claimed[name].ravel()[at] / self.scale, slopes[name][3]
        found = self._explanations(name, at, wanted, a, claimed, slopes)
        return next((text for text, expected in found if _near(some, expected, kinks)), "")

    def _spot(self, name: str) -> Spot | None:
        """The line of the backward method that speaks of a gradient, where the layer it comes from is not at fault."""
        f = getattr(self.cls, self.back)
        code = f.__code__
        if code.co_filename != self.file.path:
            return None
        lines = inspect.getsource(f).splitlines()
        for wanted in (name, re.sub(r"\d+$", "", name)):
            for i, line in enumerate(lines):
                target, is_set, _ = line.replace(" ", "").partition("=")
                if is_set and re.search(rf"[\[.]['\"]?{re.escape(wanted)}['\"]?([\]+,]|$)", target):
                    return Spot(f.__qualname__, code.co_firstlineno + i, line.strip())
        return None

    def _raised(self, thing: Any, held: dict[str, Array], told: str) -> Derived:
        """A backward pass that ends with an exception, as its layers are called in the wrong way: it gives no gradient."""
        name, a = min(held.items(), key=lambda item: item[1].size)
        at = _telling(np.zeros(a.shape), SOME)
        wanted, error, kinks = self._slopes(thing, a, at)
        cause = "; ".join((*self.causes(), told.partition("; ")[0]))
        where = self._calls_back()
        return Derived(
            f"grad/network.{name}", np.zeros(len(at)), wanted, error, kinks, len(self.x), cause=cause, spot=where
        )

    def _calls_back(self) -> Spot | None:
        """The line of the backward method from which its layers are called: that of the loop over them."""
        f = getattr(self.cls, self.back)
        if f.__code__.co_filename != self.file.path:
            return None
        lines = inspect.getsource(f).splitlines()
        at = next((i for i, line in enumerate(lines) if re.search(r"\.(backward|backprop|bprop|back)\w*\(", line)), -1)
        loop = [i for i in range(at) if re.match(r"\s*for\b", lines[i])]
        at = loop[-1] if loop and _indent(lines[loop[-1]]) < _indent(lines[at]) else at
        return Spot(f.__qualname__, f.__code__.co_firstlineno + at, lines[at].strip()) if at > 0 else None

    def _slopes(self, thing: Any, a: Array, at: Array) -> tuple[Array, float, Array]:
        """Derivatives by some elements of a parameter."""
        base = a.ravel()[at].copy()

        def f(v: Array) -> Array:
            a.reshape(-1)[at] = base + STEP * v
            try:
                return np.asarray(self.value(thing))
            finally:
                a.reshape(-1)[at] = base

        total, error, kinks = gradient(f, np.zeros(len(at)), np.asarray(1.0))
        return total / STEP, max(error / STEP, GUARDED * float(np.abs(total).max(initial=0.0)) / STEP), kinks

    def _along_directions(
        self, thing: Any, held: dict[str, Array], claimed: dict[str, Array], causes: str
    ) -> list[Derived]:
        """The same of a network whose loss takes long: along random directions of all parameters, and where these differ of each."""
        fitting = [n for n, g in claimed.items() if g.shape == held[n].shape]
        found = [self._misshapen(n, claimed[n], held[n], causes) for n in claimed if n not in fitting]
        rng = np.random.default_rng(3)
        ways = [{n: _like(held[n], rng) for n in fitting} for _ in range(2)]
        whole = self._along(thing, held, claimed, ways, "all parameters", causes)
        if _near(whole.subject, whole.reference, whole.kinks):
            return [*found, whole]
        return [*found, *(self._along(thing, held, claimed, [{n: ways[0][n]}], n, causes) for n in reversed(fitting))]

    def _along(
        self,
        thing: Any,
        held: dict[str, Array],
        claimed: dict[str, Array],
        ways: list[dict[str, Array]],
        name: str,
        causes: str,
    ) -> Derived:
        """How the loss changes when parameters go along each of these ways."""
        base = {n: held[n].copy() for n in ways[0]}

        def f(v: Array, way: dict[str, Array]) -> Array:
            for n, direction in way.items():
                held[n][...] = base[n] + 2.0**-9 * v * direction
            try:
                return np.asarray(self.value(thing))
            finally:
                for n in way:
                    held[n][...] = base[n]

        slopes = [gradient(lambda v, w=way: f(v, w), np.asarray(0.0), np.asarray(1.0)) for way in ways]  # type: ignore[misc]
        wanted = np.array([2.0**9 * float(t) for t, _, _ in slopes])
        some = np.array([sum(float((claimed[n] * d).sum()) for n, d in way.items()) for way in ways]) / self.scale
        error = max(2.0**9 * max(e for _, e, _ in slopes), GUARDED * float(np.abs(wanted).max(initial=0.0)))
        kinks = np.array([bool(k) for _, _, k in slopes])
        return Derived(f"grad/network.{name}", some, wanted, error, kinks, len(self.x), cause=causes)

    def _explanations(
        self, name: str, at: Array, wanted: Array, a: Array, claimed: dict[str, Array], slopes: dict[str, Any]
    ) -> Iterator[tuple[str, Array]]:
        own = a.ravel()[at]
        if not wanted.any() and claimed[name].any():
            yield f"the loss does not depend on this array: the layer works with a copy of {name}", claimed[name].ravel()[at] / self.scale  # fmt: skip
        for c in (1.0, 2.0, 0.5, 1 / EXAMPLES, 2 / EXAMPLES, 1 / (2 * EXAMPLES)):
            yield "the penalty's gradient is missing", wanted - c * PENALTY * own
            yield "the penalty's gradient is added twice", wanted + c * PENALTY * own
        for other, g in claimed.items():
            if other != name and g.shape == a.shape and other in slopes:
                yield f"this is the gradient of {other}", g.ravel()[at] / self.scale


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _like(a: Array, rng: np.random.Generator) -> Array:
    """A direction in which a parameter moves by a share of its own size."""
    return (float(np.abs(a).mean()) or 1.0) * rng.standard_normal(a.shape)


def _near(a: Array, b: Array, kinks: Array) -> bool:
    """Equality up to what differences leave open."""
    a, b = a[~kinks], b[~kinks]
    return bool(np.abs(a - b).max(initial=0.0) <= NEAR * max(np.abs(b).max(initial=0.0), 1e-12))


def _telling(g: Array, some: int) -> Array:
    """Where to look: at all elements, or where the gradient is largest and at a few other places."""
    if g.size <= some:
        return np.arange(g.size)
    order = np.argsort(-np.abs(g).ravel(), kind="stable")
    half = max(1, some // 2)
    rest = order[half :: max(1, (g.size - half) // max(1, some - half))][: some - half]
    return np.sort(np.concatenate([order[:half], rest]))


def _parameters(thing: Any) -> dict[str, Array]:
    """The arrays of a dictionary `params`, else those that the layers and the object hold."""
    for name in ("params", "parameters", "weights", "_params"):
        found = getattr(thing, "__dict__", {}).get(name)  # a property may run anything
        if isinstance(found, dict) and found and all(isinstance(a, np.ndarray) for a in found.values()):
            return {str(n): a for n, a in found.items() if a.dtype.kind == "f" and a.flags.writeable}
    held: dict[int, tuple[str, Array]] = {}
    for place, a in places(thing).items():
        if a.dtype == np.float64 and a.ndim and a.flags.writeable and not is_gradient(place) and not re.search(r"running|moving|mean|var|mask|cache|input|veloc|moment", label(place).lower()):  # fmt: skip
            held.setdefault(id(a), (label(place), a))
    return dict(held.values())


def _asks_data(f: Callable[..., Any]) -> bool:
    return any(is_x(p.name) or is_y(p.name) for p in required(f)) and len(required(f)) > 1


@contextmanager
def _watched(thing: Any, calls: list[Call], spoken: list[str]) -> Iterator[None]:
    """Note the calls of all layer objects inside."""
    layers = _layers(thing)
    names = [type(o).__name__ for o, _, _ in layers]
    spoken += [n if names.count(n) == 1 else f"{n} {names[:i].count(n) + 1} of {names.count(n)}" for i, n in enumerate(names)]  # fmt: skip
    for i, (layer, *passes) in enumerate(layers):
        for name, backward in zip(passes, (False, True), strict=True):
            setattr(layer, name, _noting(getattr(layer, name), backward, i, calls))
    try:
        yield
    finally:
        for layer, *passes in layers:
            for name in passes:
                layer.__dict__.pop(name, None)


def _layers(thing: Any) -> list[tuple[Any, str, str]]:
    """The layer objects inside, with the names of their two passes."""
    return [
        (o, f, b) for o in inside_objects(thing)
        if (f := method(type(o), FORWARD)) and (b := method(type(o), BACKWARD)) and f != b and not LOSS_NAMED.search(type(o).__name__.lower())
    ]  # fmt: skip


def _noting(f: Callable[..., Any], backward: bool, number: int, calls: list[Call]) -> Callable[..., Any]:
    def noting(*args: Any, **kwargs: Any) -> Any:
        given = next((np.array(a) for a in args if isinstance(a, np.ndarray)), None)
        call = Call(backward, number, given, None)
        calls.append(call)
        result = f(*args, **kwargs)
        call.result = result.copy() if isinstance(result, np.ndarray) else None
        return result

    return noting


class NetworkLosses(Twinless):
    """Classes that know their own loss and its gradients."""

    name = "network losses"

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Each such class, with a penalty where it can have one, and once more with what can be switched on."""
        self._known = {}
        units = []
        for name, cls in file.classes().items():
            loss, backs = method(cls, LOSS), [m for n in GRADIENT if (m := method(cls, (n,)))]
            if LOSS_NAMED.search(name.lower()):
                continue
            if not loss:
                known = _measured(file, cls, backs) if name not in taken else None
                if known is not None:
                    self._known[known.name] = known
                    units.append(_unit(file, known))
                    file.notes[:] = [n for n in file.notes if not n.startswith(f"{name} is not compared: something")]
                continue
            ways = list(dict.fromkeys([*backs, loss]))
            options = [(given, told) for given, told in _options(cls) if told or name not in taken]
            if name in taken and options:
                base = _runnable(file, cls, loss, ways, {}, "")
                options = (
                    options if base is not None and base.agrees else []
                )  # what is wrong there is told by who has it
            for given, told in options:
                known = _runnable(file, cls, loss, ways, given, told)
                if known is None or (name in taken and not known.agrees and known.causes()):
                    continue
                self._known[known.name] = known
                units.append(_unit(file, known))
                if not known.agrees:
                    break  # with more in it, it would be told once more
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The gradients beside derivatives of the loss; where a layer inside is wrong by itself, that is the cause."""
        known = self._known[unit.name]
        found = known.derived(zlib.crc32(case.id.encode()))
        if all(
            d.cause or (d.subject.shape == d.reference.shape and _near(d.subject, d.reference, d.kinks)) for d in found
        ):
            return found
        wrong = next(faults(file, _layers(known.made(0)[0]), known.calls), None)
        if wrong is None:
            return found
        name, spot = wrong
        return [replace(d, cause=d.cause or f"{name} is wrong by itself", spot=d.spot or spot) for d in found]


def _unit(file: UserFile, known: Known) -> Unit:
    case = Case(f"check/{known.name}/differences", architecture(), (EXAMPLES,), (1,))
    told = [f"it goes backward from {known.measure}"] if known.measure else []
    told += [UNCOMPARED] if known.scale == 1 else [f"gradients are {known.scale:.4g} times the derivatives of the loss", UNCOMPARED]  # fmt: skip
    members = tuple(f"{known.cls.__name__}.{n}" for n in dict.fromkeys((known.loss, known.back)))
    _, held = known.made(0)
    names = {f"network.{n}": n for n in held} | {
        "network.all parameters": "all parameters, along two random directions"
    }
    f = getattr(known.cls, known.back)
    line = f.__code__.co_firstlineno if f.__code__.co_filename == file.path else file.own[known.cls.__name__]
    title = ("network of layers" if known.measure else "network with its own loss") + (
        f", with {known.told}" if known.told else ""
    )
    return Unit(known.name, NetworkLosses.name, title, line, members, (case,), {"differences": True, "names": names}, tuple(told))  # fmt: skip


def _measured(file: UserFile, cls: type, backs: list[str]) -> Known | None:
    """A network that makes its layers itself and is told targets, or an upstream gradient, when it goes backward."""
    forward = method(cls, FORWARD)
    best: tuple[int, Known] | None = None
    started = time.process_time()
    for back in (b for b in backs if forward and b != forward):
        asked = [p for p in parameters_of(getattr(cls, back))[1:] if p.default is p.empty]
        some = [m for m in MEASURES if (m == THROUGH) != any(is_y(p.name) and not is_output(p.name) for p in asked)]
        for arguments in _constructors(cls, {}):
            try:
                thing = construct(file, cls, arguments)
            except UserError:
                continue
            held = _parameters(thing)
            if not 1 < len(held) < 80 or len(_layers(thing)) < 2:
                continue
            for (x, t), measure in itertools.product(_batches(cls, arguments, held), some):
                if time.process_time() - started > 4 * SECONDS:
                    break
                known = Known(file, cls, arguments, forward, back, x, t, measure)
                agreeing = _fitted(known) if t.ndim == 2 else 0
                if known.agrees and agreeing:
                    return known
                if agreeing > max(1, len(held) // 4) and (best is None or agreeing > best[0]):
                    best = agreeing, known
            if best is not None:
                return best[1]
    return None


def _fitted(known: Known) -> int:
    """How many gradients agree up to one factor, which the network is then taken to have; 0 if it does not run."""
    known.agrees = False
    try:
        thing, _ = known.made(1)
        known.value(thing)
        found = known.derived(7)
    except UserError:
        return 0
    ratios = [ratio(d) if d.subject.shape == d.reference.shape else None for d in found]
    known_ratios = [r for r in ratios if r is not None]
    counts = [sum(abs(r - q) < NEAR * abs(r) for q in known_ratios) for r in known_ratios]
    if not counts or len(found) < 2:
        return 0
    factor = float(known_ratios[int(np.argmax(counts))])
    uphill = factor < 0 and bool(_UPHILL.search(source_text(known.file)))  # what goes back is added to the parameters
    known.scale = factor if uphill else abs(factor)
    known.agrees = max(counts) == len(found) and (factor > 0 or uphill)
    return max(counts)


def _options(cls: type) -> Iterator[tuple[dict[str, Any], str]]:
    """Arguments of a constructor that are set beside the sizes: a penalty; and with it all that is off unless it is asked for."""
    asked = [p for p in parameters_of(cls) if p.default is not p.empty]
    penalty = {p.name: PENALTY for p in asked if _DECAY.fullmatch(p.name.lower()) and _number(p.default)}
    switches = {p.name: True for p in asked if _SWITCH.fullmatch(p.name.lower()) and p.default is False}
    told = ", ".join(f"{n} {v}" for n, v in penalty.items())
    if penalty:
        yield penalty, told
    else:
        yield {}, ""
    if switches:
        yield penalty | switches, ", ".join(filter(None, (told, ", ".join(switches))))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _runnable(
    file: UserFile, cls: type, loss: str, backs: list[str], options: dict[str, Any], told: str
) -> Known | None:
    """A way in which a class can be made, gives a loss, and gradients of it."""
    failed: Known | None = None
    for arguments in _constructors(cls, options):
        try:
            thing = construct(file, cls, arguments)
        except UserError:
            continue
        held = _parameters(thing)
        if not 1 < len(held) < 80 or any(a.dtype != np.float64 for a in held.values()):
            continue  # in single precision differences show nothing
        for x, t in _batches(cls, arguments, held):
            known = Known(file, cls, arguments, loss, loss, x, t, told=told)
            try:
                known.value(thing)
            except UserError:
                continue
            for back in backs:
                known.back = back
                try:
                    made, own = known.made(1)
                    claimed = known.gradients(made, own)
                except UserError:
                    if back != loss and _asks_data(getattr(cls, back)) and known.causes():
                        failed = failed or copy.copy(known)
                    continue
                if len(claimed) >= max(2, len(own) // 2):
                    return _scaled(known)
            break
        if failed is not None:
            return replace(failed, agrees=False)
    return None


def _scaled(known: Known) -> Known:
    """With the factor that all of its gradients share, which is a convention unless it turns them round."""
    try:
        found = known.derived(7)
    except UserError:
        return known
    ratios = [r for d in found if d.subject.shape == d.reference.shape and (r := ratio(d)) is not None]
    if (
        len(ratios) == len(found)
        and ratios[0] > 0
        and np.ptp(ratios) < NEAR * abs(ratios[0])
        and abs(ratios[0] - 1) > NEAR
    ):
        known.scale = float(ratios[0])
        found = known.derived(7)
    known.agrees = all(d.subject.shape == d.reference.shape and _near(d.subject, d.reference, d.kinks) for d in found)
    return known


def _constructors(cls: type, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Small sizes where defaults can be replaced, then the defaults themselves."""
    asked = parameters_of(cls)
    base = list(itertools.islice(constructor_arguments(cls, 3), 12)) or [{}]
    small: dict[str, Any] = {}
    for p in asked:
        name, value = plain(p.name), p.default
        if name in TYPES:
            small[p.name] = np.float64
        elif name in ("inputdim", "inputshape", "inputdims", "inputsize", "imageshape", "indim") and isinstance(value, tuple) and len(value) == 3:  # fmt: skip
            small[p.name] = (2, 8, 8) if value[0] <= 4 else (8, 8, 2)
        elif isinstance(value, dict) and any("num" in str(k) for k in value):
            small[p.name] = {k: 2 if "num" in str(k) else v for k, v in value.items()}
        elif re.fullmatch(r"(n|num)_?(filters|kernels|channels)|filter_?num", p.name.lower()) and isinstance(
            value, int
        ):
            small[p.name] = 2
        elif re.search("hidden", p.name.lower()) and isinstance(value, int) and not isinstance(value, bool):
            small[p.name] = 5
        elif re.fullmatch(r"(output_?(size|dim)|n(um)?_?classes|classes)", p.name.lower()) and isinstance(value, int):
            small[p.name] = 4
    for arguments in base:
        arguments = {n: v for n, v in arguments.items() if n not in options}
        if small:
            yield arguments | small | options
        yield arguments | options


def _batches(cls: type, arguments: dict[str, Any], held: dict[str, Array]) -> Iterator[tuple[Array, Array]]:
    """Inputs and targets of sizes that the arguments and the parameters allow."""
    rng = np.random.default_rng(11)
    defaults = {p.name: p.default for p in parameters_of(cls) if p.default is not p.empty} | arguments
    shapes: dict[tuple[int, ...], None] = {}
    for value in defaults.values():
        if isinstance(value, tuple) and len(value) == 3 and all(isinstance(n, int) for n in value):
            shapes[value] = None
    arrays = list(held.values())
    first = next((a for a in arrays if a.ndim in (2, 4)), None)
    if first is not None and first.ndim == 2:
        shapes |= dict.fromkeys([(first.shape[0],), (first.shape[1],)])
    elif first is not None:
        for side in (28, 32, 8):
            shapes |= dict.fromkeys([(first.shape[1], side, side), (side, side, first.shape[2])])
    last = [a.size for a in arrays if a.ndim == 1 or 1 in a.shape]
    classes = dict.fromkeys([*last[::-1][:2], 10, 3])
    for shape in shapes:
        x = rng.standard_normal((EXAMPLES, *shape))
        for k in classes:
            labels = (np.arange(EXAMPLES) + 1) % k
            yield x, np.eye(k)[labels]
            yield x, labels
