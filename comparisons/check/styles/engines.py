"""Small autograd engines (micrograd's `Value`, a `Tensor` over NumPy): every operation beside finite differences of the engine's own numbers.

Whatever the engine refuses is left out. What an operation computes is compared with NumPy where its name leaves no doubt.
"""

from __future__ import annotations

import inspect
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import plain, source_of
from comparisons.check.differences import Derived, gradient, row
from comparisons.check.edits import repaired
from comparisons.check.homes import source_text
from comparisons.check.locating import Spot, statement
from comparisons.check.styles.custom_functions import agrees
from comparisons.check.styles.engine_access import SCALARS, Engine, engines
from comparisons.check.styles.engine_operations import Operation, broadcast, functions, operations
from comparisons.check.styles.network_arguments import required
from comparisons.check.unit import Twinless, Unit, UserError, UserFile, refuses
from scratch import architecture

Array = np.ndarray
SAME_VALUE = 1e-4
"""Relative difference to NumPy from which an operation computes something else: guards like `log(x + 1e-6)` are none."""
PER_OPERATION = 5.0
"""Time in which the cause is looked for, for one function."""
SECONDS = 15.0
"""Time in which causes are looked for, for a whole engine."""
CALLS = 100_000
"""Calls that an edited function may make, NumPy's included: a trial needs some thousands."""
_WRAPS = ("np.exp({0})", "np.tanh({0})", "(1 - {0})", "(1 - {0} ** 2)", "(1 - {0} * {0})",
          "{0}.sum(axis=-1, keepdims=True)")  # fmt: skip
_CURVES = ("sigmoid", "tanh", "softmax", "exp", "relu")
"""Functions of the file that may have been forgotten around a name."""
_MUST = {"__add__", "__mul__", "__sub__", "__truediv__", "__neg__", "__pow__", "__matmul__", "__getitem__", "exp", "log", "tanh", "relu",
         "sigmoid", "sum", "mean", "matmul", "dot", "mm", "T", "transpose", "reshape", "add", "mul", "sub"}  # fmt: skip
"""Operations over which an engine that computes them must be able to go back."""
_TWICE = "a value that is used twice does not get the sum of both gradients"
_ORDER = ("a value hands its gradient on before it has all of it, or more than once: go back in topological order, "
          "each value after all that use it")  # fmt: skip
_FOLLOWS = "what {} does with gradients is wrong, see there"
_BROADCASTS = re.compile(r"broadcast|sum_to|reduce_shape", re.IGNORECASE)
_ADDS_BIAS = re.compile(r"(@|\.dot\(|\.mm\(|matmul\().*\+ *(self\.)?\w*b(ias)?\w*(?![\w.(\[])")


@dataclass
class Engined:
    """One engine with the operations that it takes."""

    engine: Engine
    operations: list[Operation]
    broadcasts: bool = True
    mended: dict[str, tuple[FunctionType, str, int]] = field(default_factory=dict)
    told: dict[int, list[Derived]] = field(default_factory=dict)
    unsound: set[str] = field(default_factory=set)

    def derived(self, seed: int) -> list[Derived]:
        """Gradients of all operations, and their values where NumPy has them."""
        if seed not in self.told:
            until = time.process_time() + SECONDS
            found: list[Derived] = []
            measured_ = [(o, self._one(o, seed)) for o in sorted(self.operations, key=lambda o: not self._own_code(o))]
            self.unsound = {o.method for o, one in measured_ if o.kind == "" and not all(agrees(d) for d in one)}
            for operation, one in measured_:
                found += [
                    d if agrees(d) else self._placed(operation, self._caused(operation, d, seed, until)) for d in one
                ]
            self.told[seed] = found
        return self.told[seed]

    def _variants(self, operation: Operation) -> list[Operation]:
        """The same method with other numbers: a cause must explain them all."""
        others = [
            o
            for o in self.operations
            if o.method == operation.method and o.kind == operation.kind == "" and o != operation
        ]
        if operation.kind == "shared":
            return [
                o
                for o in self.operations
                if o != operation and (o.kind == "shared" or o.method in ("__add__", "__mul__"))
            ][:5]
        if operation.kind == "broadcast" and self.engine.way is not None:
            others = [
                o for o in self.operations if o.kind == "broadcast" and o.method == operation.method and o != operation
            ]
        return others[:3] if operation.method else []

    def _own_code(self, operation: Operation) -> bool:
        """Whether an operation has a backward pass of its own, as far as can be seen: mistakes of others are consequences."""
        method = _function(self.engine.cls, operation.method)
        if operation.kind in ("shared", "broadcast"):
            return False
        return method is None or (_has_nested(method) or self.engine.name in method.__code__.co_names)

    def _one(self, operation: Operation, seed: int) -> list[Derived]:
        try:
            found = list(measured(self.engine, operation, seed))
        except UserError:
            return []
        # Few engines are for batches of matrices: what is right for them is told, what is not is no mistake.
        products = operation.kind == "broadcast" and "@" in operation.text
        if products or (operation.kind == "rare" and _takes_slices_alone(self.engine.file)):
            return [d for d in found if agrees(d)]  # of what it takes each element counts once
        return found if self.broadcasts or operation.kind != "broadcast" else [d for d in found if agrees(d)]

    def _caused(self, operation: Operation, wrong: Derived, seed: int, until: float) -> Derived:
        """With the cause that an edit shows."""
        if wrong.subject.shape != wrong.reference.shape:
            return replace(wrong, cause="broadcast operand: its gradient is not summed to the operand's shape")
        if wrong.tensor.startswith("forward/"):
            return replace(wrong, cause=f"{operation.method} does not give {operation.text}: {self._given(operation)}")
        if operation.method in self.mended:
            return _told(wrong, *self.mended[operation.method])
        if self.engine.way is not None and (known := self._known(operation)):
            return (
                _told(wrong, *self.mended[known])
                if known in self.mended
                else replace(wrong, cause=_FOLLOWS.format(known))
            )
        right = {d.tensor for d in self._one(operation, seed) if agrees(d)}
        about_it = None if wrong.cause and self.engine.way is not None else right | {wrong.tensor}
        draws = [(operation, _draw(self.engine, operation, s, about_it)) for s in (seed, seed + 1)]
        draws += [(o, _draw(self.engine, o, seed, None)) for o in self._variants(operation)]
        for function, put, nested in self._suspects(operation):
            seconds = until - time.process_time()
            if seconds < 0.2:
                break

            def mends(made: Callable[..., Any], put: Any = put) -> bool:
                with put(made), _few_calls():
                    return all(_mended(self.engine, o, draw) for o, draw in draws)

            about = operation.method.strip("_")
            own = tuple(f"{n}({{0}})" for n in self.engine.file.functions() if plain(n) in _CURVES)
            found = repaired(function, mends, (*_WRAPS, *own), nested, min(seconds, PER_OPERATION), about)
            if found is not None:
                self.mended[operation.method] = (function, *found)
                if _BROADCASTS.search(function.__name__):
                    self.mended["broadcast"] = self.mended[operation.method]
                return _told(wrong, function, *found)
        if operation.kind == "shared" and not wrong.cause:
            return replace(wrong, cause=_ORDER if operation.key == "shared_order" else _TWICE)
        return wrong

    def _known(self, operation: Operation) -> str:
        """What an operation is made of that is wrong by itself; empty if nothing is."""
        if operation.kind == "broadcast" and "broadcast" in self.mended:
            return "broadcast"
        names = ("__add__", "__mul__", "add", "mul") if operation.kind == "shared" else (operation.method,)
        functions = [(n, _function(self.engine.cls, n) or self.engine.file.namespace.get(n)) for n in names]
        used = [u for n, f in functions if isinstance(f, FunctionType) for u in (n, *f.__code__.co_names)]
        return next((u for u in used if u != operation.method and u in self.unsound), "")

    def _placed(self, operation: Operation, wrong: Derived) -> Derived:
        """With the definition of the operation, where no line is known."""
        made = self.engine.file.namespace.get(operation.method)
        f = next((suspect for suspect, _, _ in self._suspects(operation)), None) if operation.method else None
        f = (
            f
            or _function(self.engine.cls, operation.method or self.engine.back)
            or (made if isinstance(made, FunctionType) else None)
            or self._collecting()
        )
        if wrong.spot or f is None or f.__code__.co_filename != self.engine.file.path:
            return wrong
        line = f.__code__.co_firstlineno
        return replace(wrong, spot=Spot(f.__qualname__, line, statement(f.__code__.co_filename, line)))

    def _given(self, operation: Operation) -> str:
        """What it gives instead, if that is simple."""
        swapped = {
            "__rsub__": "the operands are swapped",
            "__rtruediv__": "the operands are swapped",
            "__rpow__": "the operands are swapped",
        }
        return swapped.get(operation.method, "its value is another")

    def _suspects(self, operation: Operation) -> Iterator[tuple[FunctionType, Any, bool]]:
        """Functions in which the backward pass of an operation may stand, how to replace each, and whether it stands within."""
        cls, file = self.engine.cls, self.engine.file
        methods = [operation.method] if operation.method else ["__add__", "__mul__"]
        if self.engine.way is not None and operation.kind == "broadcast":
            for name, helper in file.functions().items():
                if isinstance(helper, FunctionType) and _BROADCASTS.search(name):
                    yield helper, _entry(file.namespace, name), False
        for name in methods:
            method = _function(cls, name) or file.namespace.get(name)
            if not isinstance(method, FunctionType):
                made = next((c for n, c in file.classes().items() if plain(n) == plain(name)), None)
                inner = _function(made, "backward") if isinstance(made, type) else None
                if inner is not None:
                    yield inner, _attribute(made, "backward"), False
                continue
            if _has_nested(method) or self._hands_numbers(method):
                put = _attribute(cls, name) if _function(cls, name) else _entry(file.namespace, name)
                yield method, put, _has_nested(method)
            for used in method.__code__.co_names:
                other = file.namespace.get(used)
                if isinstance(other, FunctionType) and (_has_nested(other) or self._hands_numbers(other)):
                    yield other, _entry(file.namespace, used), _has_nested(other)
                elif isinstance(other, type) and other is not cls and (inner := _function(other, "backward")):
                    yield inner, _attribute(other, "backward"), False
        if self.engine.way is not None and not self.engine.way.method:
            collecting = self._collecting()
            if operation.kind == "shared" and collecting is not None:
                yield collecting, _entry(file.namespace, self.engine.back), False
            return
        back = _function(cls, self.engine.back)
        closures = any(_has_nested(f) for n in ("__add__", "__mul__") if (f := _function(cls, n)))
        if back is not None and (operation.kind == "shared" or not closures):
            yield back, _attribute(cls, self.engine.back), False

    def _collecting(self) -> FunctionType | None:
        """The function of the file from which gradients come back."""
        f = self.engine.file.namespace.get(self.engine.back) if self.engine.way is not None else None
        return f if isinstance(f, FunctionType) else None

    def _hands_numbers(self, f: FunctionType) -> bool:
        """Whether a function makes a value of the engine with local derivatives, not with functions that go back."""
        return self.engine.way is not None and self.engine.name in f.__code__.co_names


def _told(wrong: Derived, function: FunctionType, cause: str, line: int) -> Derived:
    general = row(wrong, {})["diagnosis"]
    known = general and not general.startswith("no known mistake") and "+=" not in cause
    path = function.__code__.co_filename
    spot = Spot(function.__qualname__.replace(".<locals>", ""), line, statement(path, line))
    if known:
        cause = (
            f"{general}: {cause.partition(': ')[2]}" if "sign" in general and "sign" in cause else f"{general}; {cause}"
        )
    return replace(wrong, cause=cause, spot=spot)


@dataclass(frozen=True)
class Draw:
    """Operands, a weighting, and the derivatives that must come out, by operand."""

    values: list[Array]
    output: Array
    upstream: Array
    wanted: dict[int, Derived]


def _draw(engine: Engine, operation: Operation, seed: int, tensors: set[str] | None) -> Draw:
    """For the tensors named, or all of the operation."""
    values, upstream = _values(engine, operation, seed)
    found = [d for d in measured(engine, operation, seed) if d.tensor.startswith("grad/")]
    output = engine.forward(operation.run, values, operation.text)
    return Draw(
        values,
        output,
        upstream,
        {int(d.tensor.rpartition(".")[2]): d for d in found if tensors is None or d.tensor in tensors},
    )


def _mended(engine: Engine, operation: Operation, draw: Draw) -> bool:
    if engine.way is not None and not np.array_equal(
        engine.forward(operation.run, draw.values, operation.text), draw.output
    ):
        return False  # the forward pass stands in the same function, and stays
    found = engine.gradients(operation.run, draw.values, draw.upstream, operation.text)
    return all((g := found[i]) is not None and agrees(replace(d, subject=g)) for i, d in draw.wanted.items())


def _function(cls: Any, name: str) -> FunctionType | None:
    found = inspect.getattr_static(cls, name, None) if isinstance(cls, type) else None
    found = getattr(found, "__func__", found)
    return found if isinstance(found, FunctionType) else None


def _has_nested(f: FunctionType) -> bool:
    return any(inspect.iscode(c) for c in f.__code__.co_consts)


def _attribute(owner: Any, name: str) -> Callable[[Any], Any]:
    @contextmanager
    def put(made: Any) -> Iterator[None]:
        own = name in vars(owner)
        before = inspect.getattr_static(owner, name)
        setattr(owner, name, staticmethod(made) if isinstance(before, staticmethod) else made)
        try:
            yield
        finally:
            setattr(owner, name, before) if own else delattr(owner, name)

    return put


def _entry(namespace: dict[str, Any], name: str) -> Callable[[Any], Any]:
    @contextmanager
    def put(made: Any) -> Iterator[None]:
        before = namespace[name]
        namespace[name] = made
        try:
            yield
        finally:
            namespace[name] = before

    return put


@contextmanager
def _few_calls() -> Iterator[None]:
    """Stop an edit by which values come to depend on themselves: it would never end."""
    left = CALLS

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise RecursionError("too many calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)


def measured(engine: Engine, operation: Operation, seed: int) -> Iterator[Derived]:
    """An operation's value beside NumPy's, and its gradients beside finite differences.

    Raises
    ------
    UserError
        If the engine does not take it.
    """
    values, upstream = _values(engine, operation, seed)

    def forward(given: list[Array]) -> Array:
        return engine.forward(operation.run, given, operation.method or operation.text)

    output, why = forward(values), ""
    if not np.isfinite(output).all():
        raise UserError(f"{operation.text} is not finite")
    if operation.plain is not None and operation.method:
        yield from _value(engine, operation, values, output)
    try:
        claimed = engine.gradients(operation.run, values, upstream, operation.method or operation.text)
    except UserError as error:
        if operation.kind or refuses(error) or operation.method not in _MUST:
            raise
        claimed, why = [None] * len(values), f"going back over {operation.text} fails: {error}"
    for i, (place, given) in enumerate(zip(values, claimed, strict=True)):
        wanted, deviation, kinks = gradient(lambda v, i=i: forward([*values[:i], v, *values[i + 1 :]]), place, upstream)  # type: ignore[misc]
        if given is None and not wanted.any():
            continue
        subject = np.zeros_like(place) if given is None else given
        if subject.shape != place.shape and subject.size == place.size:
            subject = subject.reshape(place.shape)
        if subject.shape == () and place.shape:
            subject = np.full(place.shape, subject)  # a gradient that starts as 0 and was never reached
        yield Derived(f"grad/{engine.name}.{operation.key}.{i}", subject, wanted, deviation, kinks, cause=why)


def _values(engine: Engine, operation: Operation, seed: int) -> tuple[list[Array], Array]:
    """Operands and a weighting of the output."""
    rng = np.random.default_rng([seed, len(operation.key)])
    values = [_drawn(rng, shape if engine.arrays else (SCALARS,), operation.positive) for shape in operation.shapes]
    output = engine.forward(operation.run, values, operation.method or operation.text)
    return values, engine.upstream(rng, output.shape)


def _value(engine: Engine, operation: Operation, values: list[Array], output: Array) -> Iterator[Derived]:
    assert operation.plain is not None
    with np.errstate(all="ignore"):
        wanted = np.asarray(operation.plain(*values))
    if wanted.size == output.size and np.isfinite(wanted).all():
        error = SAME_VALUE * float(np.abs(wanted).max(initial=0)) / 10
        yield Derived(f"forward/{engine.name}.{operation.key}", output.reshape(wanted.shape), wanted, error,
                      np.zeros(wanted.shape, dtype=bool), against="NumPy")  # fmt: skip


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], positive: bool) -> Array:
    if positive:
        return rng.uniform(0.5, 2.0, shape)
    a = rng.uniform(0.3, 1.6, shape)
    return a * (np.where(np.arange(a.size) % 2, 1.0, -1.0).reshape(shape) if shape else 1.0)


_TAKES_SLICES = re.compile(r"\[\w+ *: *\w+\]")
_TAKES_ROWS = re.compile(r"embed|emb_|_emb\b|lookup|vocab|token|word", re.IGNORECASE)
"""Show what a file takes out of arrays: batches, or rows by their numbers, some of them several times."""


def _takes_slices_alone(file: UserFile) -> bool:
    """Whether a file takes batches out of its arrays, and no rows by their numbers."""
    text = source_text(file)
    return bool(_TAKES_SLICES.search(text)) and not _TAKES_ROWS.search(text)


class Engines(Twinless):
    """Autograd engines."""

    name = "engines"

    def __init__(self) -> None:
        self._engines: dict[str, Engined] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Engines that can be run."""
        units = []
        for engine in engines(file, taken):
            engined, members = _explored(engine, taken)
            if not engined.operations:
                continue
            if members:
                self._engines[members[0]] = engined
                units.append(_unit(engined, members))
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """Gradients of all operations."""
        return self._engines[unit.name].derived(case.seed)


def _explored(engine: Engine, taken: frozenset[str]) -> tuple[Engined, tuple[str, ...]]:
    """The operations that an engine takes, and what of the file belongs to it."""
    kept: list[Operation] = []
    handled = False
    wanted = [] if engine.imported else list(operations(engine.cls, engine.arrays))
    members = [] if engine.imported else [engine.name]
    for name, operation in _outside(engine, taken):
        wanted.append(operation)
        members.append(name)
    for operation in wanted:
        try:
            found = list(measured(engine, operation, 0))
        except UserError:
            continue
        kept.append(operation)
        handled |= operation.kind == "broadcast" and "@" not in operation.text and all(agrees(d) for d in found)
    text = source_of(engine.cls)
    whole = "".join(source_of(c) for c in engine.file.classes().values())
    if engine.way is not None:
        text = source_text(engine.file)
    means = handled or bool(_BROADCASTS.search(text)) or bool(_ADDS_BIAS.search(whole))
    names = {o.method for o in kept}
    lower = {plain(n) for n in names}
    members += [
        n for n, c in engine.file.classes().items() if plain(n) in lower and n not in taken and _function(c, "backward")
    ]
    back = [engine.back] if engine.way is not None and engine.back in engine.file.own else []
    return Engined(engine, kept, means), tuple(
        dict.fromkeys([*(m for m in members if m == engine.name or plain(m) in lower), *back])
    )


def _outside(engine: Engine, taken: frozenset[str]) -> Iterator[tuple[str, Operation]]:
    """Functions and function objects of the file that take values of the engine."""
    file = engine.file
    things: dict[str, Any] = dict(file.functions())
    for name, cls in file.classes().items():
        goes = _function(cls, "backward") or _function(cls, "forward")
        if cls is not engine.cls and goes and _function(cls, "__call__"):
            things[name] = cls
    for name, thing in things.items():
        if name in taken or name.startswith("__"):
            continue
        if isinstance(thing, type):
            if required(thing):
                continue

            def made(*given: Any, thing: Any = thing) -> Any:
                return thing()(*given)

            yield from ((name, o) for o in _takes(engine, name, made, (1, 2)))
        elif len(required(thing)) in (1, 2, 3):

            def call(*given: Any, name: str = name) -> Any:
                return file.namespace[name](*given)  # as it is then: it may be edited

            f = thing if engine.way is None else call
            yield from ((name, o) for o in _takes(engine, name, f, (len(required(thing)),)))
            if engine.arrays and engine.way is not None:
                yield from ((name, o) for o in broadcast(name, f, engine.cls))


def _takes(engine: Engine, name: str, f: Callable[..., Any], numbers: tuple[int, ...]) -> Iterator[Operation]:
    for operation in (o for n in numbers for o in functions(name, f, n, engine.cls)):
        try:
            list(measured(engine, operation, 0))
        except UserError:
            continue
        yield operation
        return


def _unit(engined: Engined, members: tuple[str, ...]) -> Unit:
    engine = engined.engine
    case = Case(f"check/{engine.name}/differences", architecture(), (1,), (1,))
    names = {}
    for o in engined.operations:
        names[f"forward/{engine.name}.{o.key}"] = o.text
        names |= {f"{engine.name}.{o.key}.{i}": o.operand(i) for i in range(len(o.shapes))}
    assumed = [f"{engine.name} holds {'arrays' if engine.arrays else 'single numbers'}"]
    if not engined.broadcasts and any(o.kind == "broadcast" for o in engined.operations):
        assumed.append(
            "operands of different shapes are not meant to be combined: gradients are not summed to an operand's shape"
        )
    what = "arrays" if engine.arrays else "numbers"
    line = engine.file.own[members[0]]
    if engine.imported:
        what = f"{what}, {engine.name}"
    return Unit(members[0], Engines.name, f"autograd engine of {what}", line, members, (case,),
                {"differences": True, "names": names}, tuple(assumed))  # fmt: skip
