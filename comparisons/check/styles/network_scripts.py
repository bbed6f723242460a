"""Networks as scripts: a training loop whose body is one step, at the top level, under `__main__`, or in a function that makes its own parameters.

The statements before the loop are run anew for every step, with our batch in place of the data, so that what the code takes from their
shapes is right; then the parameters are replaced, then the body runs once.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from comparisons.check.source import syntax
from comparisons.check.styles.network_access import Array, Seen, found_arrays, looks_like_gradient, stem
from comparisons.check.styles.network_arguments import RATE, SIZES, constructor_arguments, is_x, is_y, role
from comparisons.check.styles.network_functions import INIT
from comparisons.check.styles.network_objects import assign, construct
from comparisons.check.styles.network_reading import chains, natural
from comparisons.check.unit import UserError, UserFile

_DANGEROUS = re.compile(
    r"\b(open|load\w*|read_\w+|fetch_\w+|urlopen|input|savetxt|save|show|plot|imshow|fit|train|loadtxt|genfromtxt|sleep)\("
)
LONG = 200
"""Turns from which a loop before the training loop is taken for training itself."""
_BATCHED = re.compile(r"axis|keepdims|mean\(|\.sum\(|/ ?m\b|/ ?len\(|num_examples|\.shape\[")


@dataclass
class Loop:
    """A loop with what stands before it."""

    name: str
    line: int
    before: list[ast.stmt]
    body: list[ast.stmt]
    counters: dict[str, Any]
    function: str = ""
    text: str = ""
    compiled: tuple[list[tuple[CodeType, list[str]]], CodeType, str] | None = None


class _NoReturns(ast.NodeTransformer):
    """A body taken out of its function returns nothing."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)


def loops(file: UserFile, tree: ast.Module, taken: frozenset[str]) -> Iterator[Loop]:
    """Loops that may train."""
    blocks: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    blocks += [("", s.body) for s in tree.body if isinstance(s, ast.If)]
    blocks += [(s.name, s.body) for s in tree.body if isinstance(s, ast.FunctionDef) and s.name not in taken]
    for c in tree.body:
        if isinstance(c, ast.ClassDef) and c.name not in taken:
            blocks += [(f"{c.name}.{s.name}", s.body) for s in c.body if isinstance(s, ast.FunctionDef)]
    for function, statements in blocks:
        for i, statement in enumerate(statements):
            if not isinstance(statement, ast.For | ast.While):
                continue
            if any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in ast.walk(statement)):
                continue  # a generator's loop gives out batches
            if {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)} & taken:
                continue
            counters = {}
            if isinstance(statement, ast.For):
                counters = {n.id: 1 for n in ast.walk(statement.target) if isinstance(n, ast.Name)}
            name = function or f"loop at line {statement.lineno}"
            above = [] if statements is tree.body else [s for s in tree.body if harmless(file, s)]
            before = [*above, *statements[:i]]
            text = ast.unparse(statement)
            yield Loop(name, statement.lineno, before, statement.body, counters, function, text)


@dataclass
class ScriptAccess:
    """A training loop whose body is one step."""

    file: UserFile
    loop: Loop
    x_name: str
    y_name: str
    places: list[str]
    template: dict[str, Array]
    arguments: dict[str, Any]
    flipped: bool = False
    """Whether the data stand the other way round before the loop than in it: `X = X_train.T`."""
    name: str = ""
    what: str = "script"
    line: int = 0
    members: tuple[str, ...] = ()
    rate: float | None = None
    forms: tuple[str, ...] = ("rows", "columns", "one row", "one column", "vector")
    batched: bool = False
    parameters: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parameters = self.template
        self.name, self.line = self.loop.name, self.loop.line
        self.members = (self.loop.function or "training loop",)
        self.batched = bool(_BATCHED.search(self.loop.text))
        if self.loop.compiled is None:
            once = _once(self.loop)
            self.loop.compiled = _prelude(self.file, self.loop), _compiled(self.file, [once]), ast.unparse(once)
        self._prelude, self._body, self._text = self.loop.compiled

    def forward(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """What the body leaves behind."""
        namespace = self.run(params, x, y, m)
        given = {self.x_name, self.y_name, *self.loop.counters, *self.places}
        return Seen({p: a for p, a in self._left(namespace) if p not in given})

    def step(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """The parameters after the body."""
        after = dict(self._left(self.run(params, x, y, m)))
        return Seen({}, {}, {p: after[p].copy() for p in self.places if p in after})

    def _left(self, namespace: dict[str, Any]) -> Iterator[tuple[str, Array]]:
        for name in sorted(self._names() & namespace.keys()):
            value = namespace[name]
            if _held(self.file, value):
                yield from found_arrays(value, name, 3)

    def _names(self) -> set[str]:
        """Names in the body and in the file's functions that it calls."""
        functions = self.file.functions()
        found = {n.id for s in self.loop.body for n in ast.walk(s) if isinstance(n, ast.Name)}
        waiting = list(found & functions.keys())
        while waiting:
            new = set(functions[waiting.pop()].__code__.co_names) - found
            found |= new
            waiting += new & functions.keys()
        return found

    def run(self, params: dict[str, Array] | None, x: Any, y: Any, m: int) -> dict[str, Any]:
        """Names and values after one step.

        Raises
        ------
        UserError
            If the body raises.
        """
        namespace = self.prepared(x, y)
        for name in _COUNTS & self._names():
            # A number of examples that does not come from our data comes from data that are not here.
            if type(value := namespace.get(name, 0)) is int and value not in np.shape(x):
                namespace[name] = m
        for place, a in (params or {}).items():
            assign(_Names(namespace), place, a.copy())
        self.file.call(_Body(self._body, namespace, self.loop.name, self._text))
        return namespace

    def prepared(self, x: Any, y: Any) -> dict[str, Any]:
        """Names and values before the loop."""
        namespace = dict(self.file.namespace) | copy.deepcopy(self.arguments)
        ours = {n: v for n, v in ((self.x_name, x), (self.y_name, y)) if n}

        def put_ours(flipped: bool = False) -> None:
            for n, v in ours.items():
                namespace[n] = (v.T if flipped else v).copy() if isinstance(v, np.ndarray) else v

        put_ours(self.flipped)
        np.random.seed(1)  # noqa: NPY002
        for code, names in self._prelude:
            try:
                with np.errstate(all="ignore"), self.file.attempts.of(self.name):
                    exec(code, namespace)
            except Exception:
                # Data that are not here: ours take their place. What is missed otherwise shows in the body.
                for n in names:
                    if n not in namespace and (is_x(n) or is_y(n)):
                        value = x if is_x(n) else y
                        namespace[n] = value.T if self.flipped and isinstance(value, np.ndarray) else value
            put_ours(self.flipped)
        for name, value in list(namespace.items()):
            if isinstance(value, float | int) and not isinstance(value, bool) and not name.startswith("_"):
                if role(name) == "rate":
                    namespace[name] = RATE
                elif role(name) == "momentum":
                    namespace[name] = 0.0
        namespace.update(self.loop.counters)
        put_ours()
        self._rebind(namespace)
        return namespace

    def _rebind(self, namespace: dict[str, Any]) -> None:
        """Let the file's functions see these names instead of the file's own."""
        if self.loop.function:
            return
        for name, f in self.file.functions().items():
            if namespace.get(name) is f and f.__globals__ is self.file.namespace:
                again = FunctionType(f.__code__, namespace, f.__name__, f.__defaults__, f.__closure__)
                again.__kwdefaults__ = f.__kwdefaults__
                again.__qualname__ = f.__qualname__
                namespace[name] = again


_COUNTS = {"m", "m_train", "num_examples", "n_samples", "N", "n_examples", "num_samples", "examples"}
_FAILS = ast.parse("raise LookupError").body[0]
"""In place of a statement that reads data."""


def _assigned(statement: ast.stmt) -> list[str]:
    if not isinstance(statement, ast.Assign):
        return []
    return [n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)]


class _Names:
    """A namespace with attributes, as `assign` wants it."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        object.__setattr__(self, "__dict__", namespace)


class _Body:
    """The body as something that can be called, under the loop's name; `text` is what a reproduction shows."""

    def __init__(self, code: CodeType, namespace: dict[str, Any], name: str, text: str) -> None:
        self._code, self.namespace, self.__qualname__, self.text = code, namespace, name, text

    def __call__(self) -> None:
        exec(self._code, self.namespace)


def _prelude(file: UserFile, loop: Loop) -> list[tuple[CodeType, list[str]]]:
    """Statements before the loop, each with the names that it makes."""
    return [
        (_compiled(file, [s if runs_before(s) else _FAILS]), _assigned(s))
        for s in loop.before
        if runs_before(s) or _assigned(s)
    ]


def _once(loop: Loop) -> ast.For:
    """The loop's body, to be run once; `break` and `continue` stay what they are."""
    once = ast.parse("for _backproof_once in (0,): pass").body[0]
    assert isinstance(once, ast.For)
    once.body = [_NoReturns().visit(copy.deepcopy(s)) for s in loop.body]
    return once


def _compiled(file: UserFile, statements: list[ast.stmt]) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Module(statements, [])), file.path, "exec")


def harmless(file: UserFile, statement: ast.stmt) -> bool:
    """Whether a statement at the top level assigns what no function of the file computes, initialisers apart."""
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return False
    called = {n.func.id for n in ast.walk(statement) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    return all(name not in file.own or INIT.fullmatch(name) for name in called)


def dangerous(text: str) -> bool:
    """Whether a statement reads, writes, shows or trains."""
    return bool(_DANGEROUS.search(text))


def runs_before(statement: ast.stmt) -> bool:
    """Whether a statement before the loop makes something and does nothing else."""
    if isinstance(statement, ast.For):
        arguments = [
            n.value for n in ast.walk(statement.iter) if isinstance(n, ast.Constant) and isinstance(n.value, int)
        ]
        return max(arguments, default=0) < LONG and not dangerous(ast.unparse(statement))
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign):
        return not dangerous(ast.unparse(statement))
    return False


def find_scripts(file: UserFile, taken: frozenset[str]) -> Iterator[Iterable[ScriptAccess]]:
    """Training loops that update matrices."""
    for loop in loops(file, syntax(file), taken):
        yield _accesses(file, loop)


def _accesses(file: UserFile, loop: Loop) -> Iterator[ScriptAccess]:
    loaded = [n.id for s in loop.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    stored = {n.id for s in loop.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = [n for n in dict.fromkeys([*loaded, *loop.counters]) if n not in stored]
    attempts = list(_arguments(file, loop))
    xs, ys = _data(file, names, is_x), _data(file, names, is_y)
    for arguments, x_name, y_name in itertools.product(attempts, xs[:3], ys[:3]):
        if x_name == y_name:
            continue
        samples = list(_samples(file, loop, arguments, x_name, y_name))
        for flipped, (x, y) in itertools.product((False, True), samples):
            found = _found(file, loop, arguments, x_name, y_name, x, y, flipped)
            if found is not None:
                yield found
                return


def _samples(
    file: UserFile, loop: Loop, arguments: dict[str, Any], x_name: str, y_name: str
) -> Iterator[tuple[Array, Any]]:
    """The code's own data, or some of every width that one of its matrices has, with targets of several kinds."""
    before = ScriptAccess(file, loop, "", "", [], {}, arguments).prepared(None, None)
    own_x, own_y = before.get(x_name), before.get(y_name)
    if isinstance(own_x, np.ndarray) and isinstance(own_y, np.ndarray) and own_x.dtype.kind in "fiu" and own_x.ndim:
        yield np.asarray(own_x, dtype=float), own_y
    widths = {SIZES[0]: None}
    for value in before.values():
        if isinstance(value, np.ndarray) and value.ndim == 2:
            widths |= dict.fromkeys(value.shape)
        elif isinstance(value, int) and 1 < value <= 1024:
            widths[value] = None
    rng = np.random.default_rng(5)
    for width in itertools.islice(widths, 6):
        x = rng.standard_normal((6, width))
        for k in (1, 2, SIZES[2], 10):
            # Not balanced: else the gradient of a bias that starts at 0 would be 0.
            targets = np.eye(max(k, 2))[np.array([0, 1, 0, 0, 1, 0])][:, :k]
            yield x, targets
            yield x.T.copy(), targets.T.copy()
        yield x, np.array([0, 1, 0, 0, 1, 0])


def _arguments(file: UserFile, loop: Loop) -> Iterator[dict[str, Any]]:
    if not loop.function:
        yield {}
        return
    owner, _, method = loop.function.rpartition(".")
    f = getattr(file.namespace.get(owner), method, None) if owner else file.namespace.get(loop.function)
    if not callable(f) or isinstance(f, type):
        return
    first = next(iter(inspect.signature(f).parameters), "") if owner else ""
    defaults = {n: p.default for n, p in inspect.signature(f).parameters.items() if p.default is not p.empty}
    for arguments in itertools.islice(constructor_arguments(f), 4):
        arguments.pop(first, None)
        for made in _objects(file, owner):
            yield defaults | arguments | ({first: made} if owner else {})


def _objects(file: UserFile, owner: str) -> Iterator[Any]:
    """An object whose method the loop is in."""
    if not owner:
        yield None
        return
    cls = file.namespace.get(owner)
    if not isinstance(cls, type):
        return
    for arguments in itertools.islice(constructor_arguments(cls), 6):
        try:
            made = construct(file, cls, arguments)
        except UserError:
            continue
        for name, value in list(getattr(made, "__dict__", {}).items()):
            if isinstance(value, float | int) and not isinstance(value, bool) and role(name) in ("rate", "momentum"):
                setattr(made, name, RATE if role(name) == "rate" else 0.0)
        yield made
        return


def _data(file: UserFile, names: list[str], fits: Any) -> list[str]:
    """Names for data, those that hold arrays first."""
    found = [n for n in names if fits(n) and not callable(file.namespace.get(n))]
    return sorted(found, key=lambda n: (not isinstance(file.namespace.get(n), np.ndarray), n.lower() not in ("x", "y")))


def _found(
    file: UserFile,
    loop: Loop,
    arguments: dict[str, Any],
    x_name: str,
    y_name: str,
    x: Array,
    y: Any,
    flipped: bool = False,
) -> ScriptAccess | None:
    """The loop with its parameters: matrices from before the loop that its body changes."""
    access = ScriptAccess(file, loop, x_name, y_name, [], {}, arguments, flipped)
    before = access.prepared(x, y)
    held = {
        p: a.copy()
        for n, v in before.items()
        if n not in (x_name, y_name) and not n.startswith("_") and _held(file, v)
        for p, a in found_arrays(v, n, 3)
    }
    try:
        after = dict(access._left(access.run(None, x, y, len(np.atleast_1d(y)))))
    except UserError:
        return None
    words = {stem(p) for p in held if not looks_like_gradient(p)}
    changed = {
        p: a
        for p, a in held.items()
        if p in after
        and after[p].shape == a.shape
        and a.dtype.kind == "f"
        and a.size
        and not np.array_equal(after[p], a)
        and not (looks_like_gradient(p) and stem(p) in words)
    }
    # Single numbers, each with a name of its own, are no chain, but can be compared with finite differences.
    scalars = len(changed) > 2 and all(a.ndim == 0 for a in changed.values())
    for some in (changed, {p: a for p, a in changed.items() if a.ndim == 2}):
        if some and (scalars or next(chains(some), None) is not None):
            places = sorted(some, key=natural)
            access = ScriptAccess(file, loop, x_name, y_name, places, {p: some[p] for p in places}, arguments, flipped)
            access.rate = RATE if _uses_rate(loop) else None
            return access
    return None


def _held(file: UserFile, value: Any) -> bool:
    """Whether a value may hold parameters: arrays, containers, and objects of the file's own classes."""
    if isinstance(value, np.ndarray | np.floating | float | list | dict | tuple):
        return True
    return type(value).__name__ in file.own and not isinstance(value, type)


def _uses_rate(loop: Loop) -> bool:
    names = (n.id if isinstance(n, ast.Name) else getattr(n, "attr", "") for s in loop.body for n in ast.walk(s))
    return any(role(n) == "rate" for n in names if n)
