"""A training function opened up: its loop turns once, with parameters that are put in before it, and what it leaves is seen.

`fit(X, y)` and `model(X, Y, ...)` make their weights themselves and keep gradients and costs to themselves. So the function is compiled
anew with two additions: before every loop what it has made so far may be replaced, and at its end its local names are looked at. The
lines stay what they are.
"""

from __future__ import annotations

import ast
import builtins
import copy
import dis
import itertools
import re
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from comparisons.check.source import syntax
from comparisons.check.styles.cost_arguments import is_number
from comparisons.check.styles.network_arguments import UNLIMITED, limits, role
from comparisons.check.styles.network_objects import assign, held
from comparisons.check.unit import UserFile

Array = np.ndarray
COST = re.compile(r"\w*(cost|loss|error|nll|likelihood|objective)\w*|J|E|L|ll", re.IGNORECASE)
"""Names of numbers that a training function may minimise."""
_PUT, _SEEN, _ONCE = "__backproof_put__", "__backproof_seen__", "__backproof_once__"
_BLOCKS = (ast.If, ast.With, ast.Try)


def definition(file: UserFile, owner: str, name: str) -> ast.FunctionDef | None:
    """The syntax of a function or method; of an edit of it while one is tried."""
    if file.edited is not None and file.edited.name == name:
        return file.edited
    body: list[ast.stmt] = syntax(file).body
    if owner:
        body = next((c.body for c in body if isinstance(c, ast.ClassDef) and c.name == owner), [])
    return next((f for f in reversed(body) if isinstance(f, ast.FunctionDef) and f.name == name), None)


def training_loop(function: ast.FunctionDef) -> ast.For | ast.While | None:
    """The longest of the loops that stand in a function itself."""
    found = [s for s in _statements(function.body) if isinstance(s, ast.For | ast.While)]
    return max(found, key=lambda s: len(ast.unparse(s)), default=None)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a block, and of those that a condition or a `with` makes."""
    for statement in body:
        yield statement
        if isinstance(statement, _BLOCKS):
            yield from _statements(statement.body)
            yield from _statements(getattr(statement, "orelse", []))


class _Opening(ast.NodeTransformer):
    """Puts in the calls."""

    def __init__(self, function: ast.FunctionDef, loop: ast.stmt, first: bool) -> None:
        self._loop, self._first = loop, first
        self._names = [a.arg for a in function.args.args]

    def open(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A block with what may be replaced before each of its loops."""
        found: list[ast.stmt] = []
        for statement in body:
            if isinstance(statement, ast.For | ast.While):
                found += [self._replaced(n, statement) for n in dict.fromkeys(self._names)]
            elif isinstance(statement, _BLOCKS):
                statement.body = self.open(statement.body)
                if getattr(statement, "orelse", None):
                    statement.orelse = self.open(statement.orelse)  # type: ignore[union-attr]
            self._names += [
                n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            ]
            found.append(self._turned_once(statement) if statement is self._loop else statement)
            if self._first and statement is self._loop:
                for inner in nested_loops(statement):
                    self._turned_once(inner)
        return found

    def _replaced(self, name: str, at: ast.stmt) -> ast.stmt:
        text = f"try:\n {name} = {_PUT}({name!r}, {name})\nexcept NameError:\n pass"
        made = ast.parse(text).body[0]
        for node in ast.walk(made):
            ast.copy_location(node, at)
        return made

    def _turned_once(self, loop: ast.stmt) -> ast.stmt:
        if isinstance(loop, ast.For):
            loop.iter = ast.copy_location(ast.Call(ast.Name(_ONCE, ast.Load()), [loop.iter], []), loop.iter)
        elif isinstance(loop, ast.While):
            loop.body.append(ast.copy_location(ast.Break(), loop.body[-1]))
        return loop


def nested_loops(loop: ast.stmt) -> list[ast.For]:
    """Loops that stand in a loop itself."""
    return [s for s in _statements(getattr(loop, "body", [])) if isinstance(s, ast.For)]


def compiled(
    file: UserFile,
    owner: str,
    name: str,
    first: bool = False,
    change: Callable[[ast.FunctionDef], object] = lambda function: None,
) -> FunctionType | None:
    """The opened function; None if it has no loop.

    Parameters
    ----------
    file : UserFile
    owner, name : str
    first : bool
        Whether loops in the training loop turn once, too: then it sees the first example, or the first batch.
    change : callable
        What else is done to its syntax, in place.
    """
    original = definition(file, owner, name)
    function = copy.deepcopy(original)
    if function is not None:
        change(function)
    loop = training_loop(function) if function is not None else None
    if function is None or loop is None:
        return None
    opening = _Opening(function, loop, first)
    seen = ast.parse(f"{_SEEN}(locals())").body
    function.decorator_list = []
    for node in ast.walk(seen[0]):
        ast.copy_location(node, function.body[-1])
    whole = ast.Try(opening.open(function.body), [], [], seen)
    function.body = [ast.copy_location(whole, function.body[0])]
    # Inside a class, for names with two underscores.
    alone: ast.stmt = ast.ClassDef(owner, [], [], [function], []) if owner else function
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(alone, function)], []))
    made: dict[str, Any] = {}
    exec(compile(module, file.path, "exec"), file.namespace, made)
    found = vars(made[owner])[name] if owner else made[name]
    found.__qualname__ = f"{owner}.{name}" if owner else name
    return found


def opened_loop(
    file: UserFile, called: str, loop: ast.For | ast.While, names: tuple[str, ...], first: bool = False
) -> FunctionType:
    """A loop of a script as an opened function of nothing, whose names are all global.

    Parameters
    ----------
    file : UserFile
    called : str
        The name of the function in messages.
    loop : For or While
    names : tuple of str
        That may be replaced before the loop, or seen after it.
    first : bool
        As in `compiled`.
    """
    function = ast.parse("def loop(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    loop = copy.deepcopy(loop)
    function.args.args = [ast.arg(n) for n in names]
    body = _Opening(function, loop, first).open([loop])
    function.args.args = []
    left = ", ".join(f"{n!r}: globals().get({n!r})" for n in names)
    seen = ast.parse(f"{_SEEN}({{{left}}})").body
    for node in ast.walk(seen[0]):
        ast.copy_location(node, loop)
    function.body = [ast.Global(list(names)), ast.copy_location(ast.Try(body, [], [], seen), loop)]
    module = ast.fix_missing_locations(ast.Module([ast.copy_location(function, loop)], []))
    made: dict[str, Any] = {}
    exec(compile(module, file.path, "exec"), file.namespace, made)
    found: FunctionType = made["loop"]
    found.__qualname__ = called
    return found


class Turn:
    """One run of an opened function.

    Parameters
    ----------
    inner : dict of str to ndarray
        What takes the place of arrays before the loop: `W1`, `params['W1']`, `self.w`.
    rate : float
        For whatever is called a learning rate.
    """

    def __init__(self, inner: dict[str, Array], rate: float) -> None:
        self._inner, self._rate = inner, rate
        self._done: set[str] = set()
        self._kept: list[tuple[str, Array]] = []
        self.before: dict[str, Array] = {}
        self.after: dict[str, Array] = {}
        self.costs: dict[str, float] = {}
        self.called: dict[str, float] = {}

    @property
    def names(self) -> dict[str, Any]:
        """What the opened function calls."""
        return {_PUT: self._put, _SEEN: self._seen, _ONCE: lambda turns: itertools.islice(turns, 1)}

    def _put(self, name: str, value: Any) -> Any:
        if name in self._done or callable(value) or isinstance(value, bool):
            return value
        self._done.add(name)
        if isinstance(value, int | float) or (isinstance(value, np.number) and value.ndim == 0):
            number = instead(name, value, self._rate)  # type: ignore[arg-type]
            if number is not None:
                return number
            if is_number(name):
                self.before[name] = np.asarray(float(value))
                return float(self._inner[name]) if np.shape(self._inner.get(name, [0])) == () else value
        settle_numbers(value, self._rate)
        namespace = SimpleNamespace(**{name: value})
        for place, a in _arrays(namespace).items():
            self._kept.append((place, a))
            if place in self._inner and self._inner[place].shape == a.shape:
                assign(namespace, place, self._inner[place].copy())
        self.before |= {p: a.copy() for p, a in _arrays(namespace).items()}
        return getattr(namespace, name)

    def elsewhere(self, place: str) -> tuple[str, ...]:
        """Other places that held the very same array before the loop: `W1 = parameters["W1"]`."""
        own = [a for p, a in self._kept if p == place]
        return tuple(p for p, a in self._kept if p != place and any(a is o for o in own))

    def _seen(self, names: dict[str, Any]) -> None:
        kept = {n: v for n, v in names.items() if n.isidentifier() and not callable(v)}
        self.after = {p: np.array(a) for p, a in _arrays(SimpleNamespace(**kept)).items()}
        numbers = {n for n, a in self.before.items() if a.ndim == 0}
        self.after |= {n: np.asarray(v) for n, v in kept.items() if n in numbers and isinstance(v, float | np.floating)}
        self.costs = dict(costs_in(kept))


def _arrays(namespace: SimpleNamespace) -> dict[str, Array]:
    return {p: np.asarray(a) for p, a in held(namespace).items() if np.asarray(a).dtype.kind == "f"}


def instead(name: str, value: float, rate: float) -> float | None:
    """What stands in for a number of this name in training; None if it may stay."""
    match role(name):
        case "rate" if isinstance(value, float | np.floating) or value == 1:
            return rate
        case "epochs" if isinstance(value, int) or (value >= 1 and float(value).is_integer()):
            return 1
        case "momentum" if re.fullmatch(r"_?(momentum|mu)", name.lower()):
            return 0.0
    return UNLIMITED if limits(name, value) else None


def settle_numbers(value: Any, rate: float) -> None:
    """The same for what an object keeps."""
    for name, own in list(getattr(value, "__dict__", {}).items()):
        if isinstance(own, int | float) and not isinstance(own, bool):
            number = instead(name, own, rate)
            if number is not None:
                setattr(value, name, number)


def costs_in(names: dict[str, Any], prefix: str = "", depth: int = 2) -> Iterator[tuple[str, float]]:
    """Numbers that are named as costs, and the last of lists of such, in names and in objects that stand under them."""
    for name, value in names.items():
        place = f"{prefix}{name}"
        if COST.fullmatch(str(name)):
            number = last_number(value)
            if number is not None:
                yield place, number
        if isinstance(value, dict):
            yield from costs_in({str(k): v for k, v in value.items()}, f"{place}.", depth - 1) if depth else ()
        elif depth and hasattr(value, "__dict__") and not isinstance(value, type):
            yield from costs_in(vars(value), f"{place}.", depth - 1)


def last_number(value: Any) -> float | None:
    """A number, or the last of several."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size > 1:
        return None
    if isinstance(value, bool) or not isinstance(value, float | np.floating | np.ndarray):
        return None
    return (
        float(np.asarray(value).reshape(-1)[0]) if np.size(value) == 1 and np.asarray(value).dtype.kind == "f" else None
    )


def recorded(f: Callable[..., Any], name: str, turn: Turn) -> Callable[..., Any]:
    """A cost function that notes what it gives the first time."""

    def call(*args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)
        number = last_number(result[0] if isinstance(result, tuple) and result else result)
        if number is not None:
            turn.called.setdefault(f"{name}()", number)
        return result

    return call


def missing_names(code: CodeType, namespace: dict[str, Any]) -> dict[str, Any]:
    """Functions that a code calls and that are nowhere, each giving None: what shows how far it is may need them."""
    asked = {str(i.argval) for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    return {n: _nothing for n in asked if n not in namespace and not hasattr(builtins, n) and not n.startswith("__")}


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None
