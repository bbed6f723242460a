"""Where in a user's file a tensor arises: the code is followed line by line until some value in it is that tensor.

Names prove nothing (`dW` may be `grads["W1"]`, `nabla_w[-l]` or `delta`), numbers do: of all values that lines of the file set,
functions return or attributes hold, the first that has the tensor's numbers, in any layout, tells the line that made it.
"""

from __future__ import annotations

import ast
import linecache
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from comparisons.check.tensors import seen

Array = np.ndarray
NEAR = 1e-9
"""Relative difference up to which a value is the tensor, whatever way it was summed and scaled afterwards."""
DEPTH = 3
"""Attributes of attributes, entries of lists: how deep a value is looked into."""
MOST = 400
"""Entries of a container that are looked at."""
SECONDS = 5.0
"""Time after which the code is left to run on unwatched."""
WIDTH = 60
"""Characters of a statement that are shown."""


@dataclass(frozen=True)
class Spot:
    """A line of the user's file.

    Attributes
    ----------
    function : str
        In which it stands; empty at the top level.
    line : int
        1-based.
    text : str
        The statement, on one line, cut off where it is long.
    """

    function: str
    line: int
    text: str


@dataclass
class Follower:
    """Listens to the interpreter while the user's code runs.

    Parameters
    ----------
    path : str
        Of the user's file: other code is not looked into.
    wanted : mapping of str to ndarray
        Tensors, by name, as they were judged: in scratch's layout.
    parts : mapping of str to tuple of ndarray
        Parts of tensors that may have been put together from several, to be looked for where the whole is not there.
    sound : frozenset of str
        Functions and classes that are right by themselves: where a tensor is wrong that one of them makes, whoever calls it is at fault.
    """

    path: str
    wanted: Mapping[str, Array]
    parts: Mapping[str, tuple[Array, ...]] = field(default_factory=dict)
    sound: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        known = dict(self.wanted) | {f"{name}/{i}": a for name, of in self.parts.items() for i, a in enumerate(of)}
        self._numbers = {name: _sorted(a) for name, a in known.items()}
        self._numbers = {name: a for name, a in self._numbers.items() if a.size and a[-1] > 0}
        # What was summed over too much is one number, which was repeated to be judged.
        self._single = {n for n, a in self._numbers.items() if a.size > 1 and (np.asarray(known[n]) == a[-1]).all()}
        self._sizes = {a.size for a in self._numbers.values()} | ({1} if self._single else set())
        # Whole tensors come first.
        self._found: dict[str, list[tuple[float, CodeType, int]]] = {name: [] for name in self._numbers}
        self._before: dict[int, dict[str, Array]] = {}
        self._lines: dict[int, int] = {}
        self._until = 0.0

    @contextmanager
    def following(self) -> Iterator[None]:
        """The time in which the code runs."""
        self._until = time.thread_time() + SECONDS
        before = sys.gettrace()
        if self._numbers:
            sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)

    def spots(self) -> dict[str, Spot]:
        """Where each tensor was first there; those that no line of the file made are left out."""
        told: dict[str, Spot] = {}
        for key, found in self._found.items():
            name = key if key in self.wanted else key.rpartition("/")[0]
            if not found or name in told:
                continue
            # As it was judged, else as it was in the end: what is divided by m afterwards is not yet it.
            factors = [f for f, _, _ in found]
            factor = next((f for f in factors if abs(f - 1) <= NEAR), factors[-1])
            places = [(code, line) for f, code, line in found if abs(f / factor - 1) <= NEAR]
            code, line = next((p for p in places if not self._is_sound(p[0])), places[0])
            told[name] = Spot("" if code.co_name == "<module>" else _qualified(code), line, statement(self.path, line))
        return told

    def _is_sound(self, code: CodeType) -> bool:
        return _qualified(code).partition(".")[0] in self.sound

    # What the interpreter tells

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != self.path or time.thread_time() > self._until:
            return None
        self._before[id(frame)] = dict(self._values(frame))  # arguments were made elsewhere
        self._lines[id(frame)] = frame.f_lineno
        return self._went_on

    def _went_on(self, frame: FrameType, event: str, argument: Any) -> Any:
        if time.thread_time() > self._until:
            frame.f_trace = None
            return None
        key, line = id(frame), self._lines[id(frame)]
        before, now = self._before[key], dict(self._values(frame))
        for name, a in now.items():
            old = before.get(name)
            if old is None or old.shape != a.shape or not np.array_equal(old, a, equal_nan=True):
                self._compare(a, frame, line)
                if old is not None and old.shape == a.shape:
                    self._compare(old - a, frame, line)  # an update: by what it moved
        if event == "return":
            for _, a in _walk("", argument, self._sizes, DEPTH):
                self._compare(a, frame, line)
            self._before.pop(key, None)
            self._lines.pop(key, None)
            return None
        self._before[key] = now
        self._lines[key] = frame.f_lineno
        return self._went_on

    def _values(self, frame: FrameType) -> Iterator[tuple[str, Array]]:
        """Copies of all that the frame can name and that may be one of the tensors."""
        for name, value in list(frame.f_locals.items()):
            if name[:2] != "__":
                yield from ((n, a.copy()) for n, a in _walk(name, value, self._sizes, DEPTH))

    def _compare(self, a: Array, frame: FrameType, line: int) -> None:
        numbers = _sorted(a)
        if not numbers.size or not numbers[-1] > 0:
            return
        for name, wanted in self._numbers.items():
            factor = wanted[-1] / numbers[-1]
            if numbers.size == 1 and abs(factor - 1) > NEAR:
                continue  # any number is a multiple of any other
            if wanted.size != numbers.size and not (numbers.size == 1 and name in self._single):
                continue
            if np.abs(numbers * factor - wanted).max() <= NEAR * wanted[-1]:
                self._found[name].append((float(factor), frame.f_code, line))


def _sorted(a: Any) -> Array:
    """Magnitudes in order, the largest last; nothing if they are not all finite."""
    found = np.sort(np.abs(np.asarray(a, dtype=np.float64)).ravel())
    return found if found.size and np.isfinite(found[-1]) else np.zeros(0)


def _walk(name: str, value: Any, sizes: set[int], depth: int) -> Iterator[tuple[str, Array]]:
    """Arrays of the sizes that are looked for, in a value and in what it holds."""
    value = seen(value)
    if isinstance(value, np.ndarray):
        if value.size in sizes and value.dtype.kind == "f":
            yield name, value
    elif isinstance(value, float | np.floating):
        if 1 in sizes:
            yield name, np.asarray(float(value))
    elif depth and isinstance(value, dict):
        for k, v in list(value.items())[:MOST]:
            yield from _walk(f"{name}[{k!r}]", v, sizes, depth - 1)
    elif depth and isinstance(value, list | tuple):
        if value and all(isinstance(v, float | list) for v in value):
            a = _listed(value)
            if a is not None and a.size in sizes:
                yield name, a
        for i, v in enumerate(value[:MOST]):
            if not isinstance(v, float):
                yield from _walk(f"{name}[{i}]", v, sizes, depth - 1)
    elif depth and hasattr(value, "__dict__") and not isinstance(value, type | FunctionType | MethodType | ModuleType):
        for k, v in list(vars(value).items())[:MOST]:
            yield from _walk(f"{name}.{k}", v, sizes, depth - 1)


def _listed(value: Any) -> Array | None:
    try:
        return np.array(value, dtype=np.float64)
    except (ValueError, TypeError):
        return None


def _qualified(code: CodeType) -> str:
    """`Network.backprop`, without the functions around it."""
    return str(getattr(code, "co_qualname", code.co_name)).rpartition("<locals>.")[2]


def statement(path: str, line: int) -> str:
    """The statement that a line belongs to, on one line."""
    around = [n for n in ast.walk(_tree(path)) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 0)]
    if around:
        inner = max(around, key=lambda n: (n.lineno, -(n.end_lineno or 0)))
        found = ast.get_source_segment("".join(linecache.getlines(path)), inner) or ""
        found = found.partition("\n")[0] if hasattr(inner, "body") else found
    else:
        found = linecache.getline(path, line)
    found = " ".join(part.strip() for part in found.split("\n"))
    return found if len(found) <= WIDTH else found[: WIDTH - 3].rstrip() + "..."


def by_name(path: str, members: Iterable[str], tensor: str, names: Mapping[str, str]) -> Spot | None:
    """Where the code of a unit sets what is called like a gradient, or returns all that it computes: less sure than numbers.

    Parameters
    ----------
    path : str
    members : iterable of str
        Functions, methods and classes of the unit.
    tensor : str
        As in a trace.
    names : mapping of str to str
        What the file calls its parameters, by `layer.name`.
    """
    bodies = _bodies(_tree(path), members)
    where, _, leaf = tensor.removeprefix("grad/").rpartition(".")
    own = names.get(f"{where}.{leaf}") or leaf + "".join(re.findall(r"\d+$", where))
    called = (
        {form.format(w) for w in {_plain(own), _plain(leaf)} for form in _GRADIENTS} if "grad/" in tensor else set()
    )
    for node, function in bodies:
        for n in ast.walk(node):
            if not isinstance(n, ast.Assign | ast.AugAssign):
                continue
            targets = n.targets if isinstance(n, ast.Assign) else [n.target]
            parts = [e for t in targets for e in (t.elts if isinstance(t, ast.Tuple) else [t])]
            if any(_plain(_target(t)) in called for t in parts):
                return Spot(function, n.lineno, statement(path, n.lineno))
    if not bodies:
        return None
    node, function = bodies[-1 if tensor.startswith("grad/") else 0]
    inside = [n for n in getattr(node, "body", []) if not isinstance(n, ast.Expr)]
    if isinstance(node, ast.FunctionDef) and len(inside) == 1 and isinstance(inside[0], ast.Return):
        return Spot(function, inside[0].lineno, statement(path, inside[0].lineno))
    return None


_GRADIENTS = ("d{}", "{}grad", "grad{}", "delta{}", "nabla{}", "{}gradient", "{}delta", "gradient{}", "grads{}")


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name).lower()


def _target(node: ast.expr) -> str:
    """The name that an assignment gives: of a variable, an attribute or an entry."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return str(node.slice.value) if isinstance(node.slice, ast.Constant) else ""
    return node.id if isinstance(node, ast.Name) else ""


def used(path: str, members: Iterable[str]) -> set[str]:
    """Names that functions, classes and methods of a file use, of those that the file defines at its top level."""
    tree = _tree(path)
    defined = {n.name for n in tree.body if isinstance(n, _DEFINITIONS)}
    return {n.id for body, _ in _bodies(tree, members) for n in ast.walk(body) if isinstance(n, ast.Name)} & defined


_DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def _tree(path: str) -> ast.Module:
    try:
        return ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
        return ast.Module([], [])


def _bodies(tree: ast.Module, members: Iterable[str]) -> list[tuple[ast.stmt, str]]:
    """Definitions of members, each with its name."""
    found: list[tuple[ast.stmt, str]] = []
    for member in members:
        owner, _, method = member.partition(".")
        for node in tree.body:
            if isinstance(node, _DEFINITIONS) and node.name == owner:
                own = [n for n in node.body if isinstance(n, ast.FunctionDef) and (not method or n.name == method)]
                if isinstance(node, ast.ClassDef) and own:
                    found += [(n, f"{owner}.{n.name}") for n in own]
                else:
                    found.append((node, owner))
    return found
