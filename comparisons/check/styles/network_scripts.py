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
from dataclasses import dataclass, field, replace
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from comparisons.check.repeated import repeated
from comparisons.check.source import syntax
from comparisons.check.styles.dropping import dropped
from comparisons.check.styles.network_access import Array, Seen, canonical, found_arrays, looks_like_gradient, stem
from comparisons.check.styles.network_arguments import RATE, SIZES, constructor_arguments, is_x, is_y, role
from comparisons.check.styles.network_functions import INIT
from comparisons.check.styles.network_objects import assign, construct
from comparisons.check.styles.network_reading import chains, natural
from comparisons.check.styles.shrinking import rewrite_functions, rewritten, smaller_sizes, too_large
from comparisons.check.unit import UserError, UserFile

_DANGEROUS = re.compile(
    r"\b(open|load\w*|read_\w+|fetch_\w+|urlopen|input|savetxt|save|show|plot|imshow|fit|train|loadtxt|genfromtxt|sleep)\("
)
VANISHED = 1e-12
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
    sizes: dict[int, int] = field(default_factory=dict)
    """By which its constants were replaced."""
    named: set[str] | None = None
    """Names in it and in the functions that it calls, once they have been asked for."""
    absent: set[int] = field(default_factory=set)
    """Statements before it that read files or download what is not here: they are not tried again."""


class NoReturns(ast.NodeTransformer):
    """A body taken out of its function returns nothing."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)


def loops(file: UserFile, tree: ast.Module, taken: frozenset[str]) -> Iterator[list[Loop]]:
    """Loops that may train, each with those inside it."""
    blocks: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    blocks += [("", s.body) for s in tree.body if isinstance(s, ast.If)]
    blocks += [(s.name, s.body) for s in tree.body if isinstance(s, ast.FunctionDef) and s.name not in taken]
    for c in tree.body:
        if isinstance(c, ast.ClassDef) and c.name not in taken:
            blocks += [(f"{c.name}.{s.name}", s.body) for s in c.body if isinstance(s, ast.FunctionDef)]
    objects = _of_taken(tree, taken)
    for function, statements in blocks:
        above = [] if statements is tree.body else [s for s in tree.body if harmless(file, s)]
        for i, statement in enumerate(statements):
            if not isinstance(statement, ast.For | ast.While):
                continue
            if any(isinstance(n, ast.Yield | ast.YieldFrom | ast.Await) for n in ast.walk(statement)):
                continue  # a generator's loop gives out batches
            if {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)} & (taken | objects):
                continue
            name = function or f"loop at line {statement.lineno}"
            if "training loop over layers" in taken and not function:
                continue  # of `container_scripts`
            if _recurrent(file, statement):
                continue  # what is read here goes forward alone
            yield list(_nested(statement, [*above, *statements[:i]], name, function))
    for function, statements in blocks:
        text = "\n".join(map(ast.unparse, statements))
        if (
            function
            and not re.search(r"\b(for|while)\b.*(epoch|range\((n_?|num_?|max_?)?iter)|\byield\b", text)
            and _STEP.search(text)
        ):
            above = [s for s in tree.body if harmless(file, s)]
            yield [Loop(function, statements[0].lineno, above, statements, {}, function, text)]


def _of_taken(tree: ast.Module, taken: frozenset[str]) -> set[str]:
    """Names of objects whose class is a network that is compared already: `net.train(X, y)` is no other one."""
    passes = {name.partition(".")[0] for name in taken if _PASS.fullmatch(name.partition(".")[2])}
    return {
        target.id
        for s in ast.walk(tree)
        if isinstance(s, ast.Assign) and isinstance(s.value, ast.Call) and ast.unparse(s.value.func) in passes
        for target in s.targets
        if isinstance(target, ast.Name)
    }


_PASS = re.compile(
    r"_*(forward|backward|back_?prop|feed_?forward|train|fit|think|predict|step|learn)\w*", re.IGNORECASE
)
"""Methods of a network."""
_CARRIED = re.compile(r"prev_?([shac]|state\w*|hidden\w*|act\w*)|([shac]|state|hidden)_?(prev\w*|old|last)")
"""Names of a state that a step of time leaves to the next one."""


def _recurrent(file: UserFile, statement: ast.stmt) -> bool:
    """Whether a loop, or a function of the file that it calls, walks through time: a state is handed from step to step."""
    functions = {s.name: s for s in syntax(file).body if isinstance(s, ast.FunctionDef)}
    waiting: list[ast.stmt] = [statement]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        inner = [n for n in ast.walk(node) if isinstance(n, ast.For) and n is not statement]
        carried = (a for n in inner for s in n.body if isinstance(s, ast.Assign) for a in _assigned(s))
        if any(_CARRIED.fullmatch(name.lower()) for name in carried):
            return True
        new = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} & functions.keys() - seen
        seen |= new
        waiting += [functions[n] for n in sorted(new)]
    return False


_STEP = re.compile(r"(^|\n) *([\w.\[\]'\"]+) ([-+]= |= \2 [-+] )")
"""A function that moves something is a step as a whole."""


def _nested(statement: ast.For | ast.While, before: list[ast.stmt], name: str, function: str) -> Iterator[Loop]:
    """A loop, and those within it: epochs, and the batches of one."""
    counters = _counters(statement)
    yield Loop(name, statement.lineno, before, statement.body, counters, function, ast.unparse(statement))
    for i, inner in enumerate(statement.body):
        if isinstance(inner, ast.For | ast.While):
            within = [*before, *statement.body[:i]]
            # The first batch, as others may be empty; of examples that are given out, what stands for them is put in.
            own = counters | dict.fromkeys(_counters(inner), 0)
            yield Loop(name, inner.lineno, within, inner.body, own, function, ast.unparse(inner))


def _counters(statement: ast.For | ast.While) -> dict[str, Any]:
    if isinstance(statement, ast.While):
        return {}
    return {n.id: 1 for n in ast.walk(statement.target) if isinstance(n, ast.Name)}


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
    shows: dict[str, str] = field(default_factory=dict)
    """Where the gradient of each parameter is left, for code whose update hides it."""
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
        if self.shows:
            return Seen({}, {p: after[g].copy() for p, g in self.shows.items() if g in after})
        return Seen({}, {}, {p: after[p].copy() for p in self.places if p in after})

    def _left(self, namespace: dict[str, Any]) -> Iterator[tuple[str, Array]]:
        for name in sorted(self._names() & namespace.keys()):
            value = namespace[name]
            if _held(self.file, value):
                yield from found_arrays(value, name, 3)

    def _names(self) -> set[str]:
        """Names in the body and in the file's functions that it calls."""
        if self.loop.named is None:
            self.loop.named = self._all_names()
        return self.loop.named

    def _all_names(self) -> set[str]:
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
        namespace = self.prepared(x, y, m)
        for name in _COUNTS & self._names():
            # A number of examples that does not come from our data comes from data that are not here.
            if type(value := namespace.get(name, 0)) is int and value not in np.shape(x):
                namespace[name] = m
        try:
            for place, a in (params or {}).items():
                assign(_Names(namespace), place, a.copy())
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            raise UserError(f"{self.loop.name}: its parameters are not made for these data") from error
        owners = [vars(v) for v in namespace.values() if type(v).__name__ in self.file.own and hasattr(v, "__dict__")]
        with repeated(namespace, *owners):
            self.file.call(_Body(self._body, namespace, self.loop.name, self._text))
        return namespace

    def prepared(self, x: Any, y: Any, m: int = 0) -> dict[str, Any]:
        """Names and values before the loop."""
        namespace = dict(self.file.namespace) | copy.deepcopy(self.arguments)
        ours = {n: v for n, v in ((self.x_name, x), (self.y_name, y)) if n}

        def put_ours(flipped: bool = False) -> None:
            for n, v in ours.items():
                namespace[n] = (v.T if flipped else v).copy() if isinstance(v, np.ndarray) else v

        put_ours(self.flipped)
        np.random.seed(1)  # noqa: NPY002
        for i, (code, names) in enumerate(self._prelude):
            try:
                if i in self.loop.absent:
                    raise FileNotFoundError
                with np.errstate(all="ignore"), self.file.attempts.of(self.name):
                    exec(code, namespace)
            except Exception as error:
                if isinstance(error, OSError | ImportError):
                    self.loop.absent.add(i)
                # Data that are not here: ours take their place. What is missed otherwise shows in the body.
                for n in names:
                    if n not in namespace and (is_x(n) or is_y(n)):
                        value = x if is_x(n) else y
                        namespace[n] = value.T if self.flipped and isinstance(value, np.ndarray) else value
            put_ours(self.flipped)
        for name, value in list(namespace.items()):
            if not callable(value) and (share := dropped(name, value)) is not None and name != self.x_name:
                namespace[name] = share
            elif isinstance(value, float | int) and not isinstance(value, bool) and not name.startswith("_"):
                if role(name) == "rate":
                    namespace[name] = RATE
                elif role(name) == "momentum":
                    namespace[name] = 0.0
                elif role(name) == "batch_size" and m:
                    namespace[name] = m
        for value in namespace.values() if m else ():
            if type(value).__name__ in self.file.own and not isinstance(value, type):
                for name, held in list(getattr(value, "__dict__", {}).items()):
                    if (share := dropped(name, held)) is not None:
                        setattr(value, name, share)
                    elif role(name) == "batch_size" and type(held) is int:
                        setattr(value, name, m)
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


def edited(access: ScriptAccess) -> ScriptAccess:
    """The same network, of a loop whose body was changed after it had been read."""
    loop = access.loop
    assert loop.compiled is not None
    once = _once(loop)
    code = rewritten(_compiled(access.file, [once]), loop.sizes)
    return replace(access, loop=replace(loop, compiled=(loop.compiled[0], code, loop.compiled[2])))


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
    used = {n.id for s in loop.body for n in ast.walk(s) if isinstance(n, ast.Name)}
    return [
        (_compiled(file, [s if runs_before(s) else _FAILS]), _assigned(s))
        for s in loop.before
        if (runs_before(s) or _assigned(s)) and (used & set(_assigned(s)) or not _plots(s))
    ]


def _plots(statement: ast.stmt) -> bool:
    """Whether a statement draws a picture, which takes long: with pyplot, or with axes that nothing else would be called."""
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
    return bool(names & {"plt", "sns", "ax", "axes", "axs", "fig"})


def _once(loop: Loop) -> ast.For:
    """The loop's body, to be run once; `break` and `continue` stay what they are."""
    once = ast.parse("for _backproof_once in (0,): pass").body[0]
    assert isinstance(once, ast.For)
    kept = [NoReturns().visit(copy.deepcopy(s)) for s in loop.body if not _looks_on(s, loop.body)]
    once.body = kept or once.body  # a loop may do nothing but draw
    return once


def _looks_on(statement: ast.stmt, body: list[ast.stmt]) -> bool:
    """Whether a statement shows now and then how far it is, with what nothing else goes on: it may need data that are not here."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return bool(
            re.match(r"print$|(plt|sys\.stdout|tqdm|pbar|bar|logging|logger)\.", ast.unparse(statement.value.func))
        )
    if not isinstance(statement, ast.If) or not re.search("%|verbose|print|debug|display", ast.unparse(statement.test)):
        return False
    stored: set[str] = set()
    for n in ast.walk(statement):
        if isinstance(n, ast.AugAssign) and not isinstance(n.target, ast.Name):
            return False
        if isinstance(n, ast.Attribute | ast.Subscript) and isinstance(n.ctx, ast.Store):
            return False
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            stored.add(n.id)
    others = [s for s in body if s is not statement]
    return not any(isinstance(n, ast.Name) and n.id in stored for s in others for n in ast.walk(s))


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


ALIKE = 10
"""Failures in a row, all the same, after which no other data are tried."""


def find_scripts(file: UserFile, taken: frozenset[str]) -> Iterator[Iterable[ScriptAccess]]:
    """Training loops that update matrices."""
    for nested in loops(file, syntax(file), taken):
        yield itertools.chain.from_iterable(_accesses(file, loop) for loop in nested)


def _accesses(file: UserFile, loop: Loop) -> Iterator[ScriptAccess]:
    """The loop as it is; if it is too large for finite differences, small as well."""
    for access in _as_written(file, loop):
        yield access
        sizes = smaller_sizes(access.template.values()) if too_large(access.template) else {}
        if sizes and loop.compiled is not None:
            prelude, body, text = loop.compiled
            small = [(rewritten(code, sizes), names) for code, names in prelude], rewritten(body, sizes), text
            loop.sizes = sizes
            # Functions have the new sizes from here on; the loop as it is has been asked before.
            rewrite_functions(file, sizes)
            yield from _as_written(file, replace(loop, compiled=small))


def _as_written(file: UserFile, loop: Loop) -> Iterator[ScriptAccess]:
    loaded = [n.id for s in loop.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    stored = {n.id for s in loop.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = [n for n in dict.fromkeys([*loaded, *loop.counters]) if n not in stored]
    attempts = list(_arguments(file, loop))
    xs, ys = _data(file, names, is_x), _data(file, names, is_y)
    if not xs or not ys:
        # Under names of their own: arrays that the loop reads, and leaves as they are.
        arrays = [n for n in names if isinstance(a := file.namespace.get(n), np.ndarray) and a.ndim == 2 and len(a) > 1]
        xs, ys = xs or arrays, ys or arrays
    for arguments, x_name, y_name in itertools.product(attempts, xs[:3], ys[:3]):
        if x_name == y_name:
            continue
        samples = list(_samples(file, loop, arguments, x_name, y_name))
        failures: list[str] = []
        for flipped, (x, y) in itertools.product((False, True), samples):
            try:
                found = _found(file, loop, arguments, x_name, y_name, x, y, flipped)
            except UserError as error:
                failures.append(str(error))
                if failures[-ALIKE:].count(failures[-1]) == ALIKE:
                    break  # whatever the data are
                continue
            if found is not None:
                yield found
                return


def _samples(
    file: UserFile, loop: Loop, arguments: dict[str, Any], x_name: str, y_name: str
) -> Iterator[tuple[Array, Any]]:
    """The code's own data, or some of every width that one of its matrices has, with targets of several kinds."""
    before = ScriptAccess(file, loop, "", "", [], {}, arguments).prepared(None, None)
    own_x, own_y = before.get(x_name), before.get(y_name)
    # What a function was given for its arguments is no data of its own.
    ours = x_name in arguments and y_name in arguments
    own = isinstance(own_x, np.ndarray) and isinstance(own_y, np.ndarray) and own_x.dtype.kind in "fiu" and own_x.ndim
    if own and not ours:
        yield np.asarray(own_x, dtype=float), own_y
    widths = {SIZES[0]: None}
    for name, value in before.items():
        if isinstance(value, np.ndarray) or (type(value).__name__ in file.own and _held(file, value)):
            widths |= dict.fromkeys(n for _, a in found_arrays(value, name, 2) if a.ndim == 2 for n in a.shape)
    widths |= dict.fromkeys(v for v in before.values() if type(v) is int and 1 < v <= 1024)
    rng = np.random.default_rng(5)
    for width in itertools.islice(widths, 6):
        x = rng.standard_normal((6, width))
        for k in (SIZES[2], 10, 2, 1) if _classifies(loop) else (1, 2, SIZES[2], 10):
            # Not balanced: else the gradient of a bias that starts at 0 would be 0.
            targets = np.eye(max(k, 2))[np.array([0, 1, 0, 0, 1, 0])][:, :k]
            yield x, targets
            yield x.T.copy(), targets.T.copy()
        yield x, np.array([0, 1, 0, 0, 1, 0])


def _classifies(loop: Loop) -> bool:
    """Whether there is more than one class: a softmax over one is 1, and hides everything."""
    return bool(re.search(r"soft_?max|argmax|np\.exp\([^\n]*max\(", loop.text, re.IGNORECASE))


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
    """The loop with its parameters: matrices from before the loop that its body changes.

    Raises
    ------
    UserError
        If it does not run.
    """
    access = ScriptAccess(file, loop, x_name, y_name, [], {}, arguments, flipped=flipped)
    before = access.prepared(x, y)
    held = {
        p: a.copy()
        for n, v in before.items()
        if n not in (x_name, y_name) and not n.startswith("_") and _held(file, v)
        for p, a in found_arrays(v, n, 3)
    }
    after = dict(access._left(access.run(None, x, y, _examples(x, y))))
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
    lasting = {p: a for p, a in changed.items() if not (_MEMORY.search(p) and _beside(a, p, held))}
    for some in (changed, lasting, *({p: a for p, a in found.items() if a.ndim == 2} for found in (changed, lasting))):
        if some and (scalars or next(chains(some), None) is not None):
            places = sorted(some, key=natural)
            template = {p: some[p] for p in places}
            access = ScriptAccess(file, loop, x_name, y_name, places, template, arguments, flipped=flipped)
            access.rate = RATE if _uses_rate(loop) else None
            if re.search(r"sqrt\(|\*\* ?0?\.5", loop.text):
                shown = {p: a for p, a in after.items() if looks_like_gradient(p) and p not in held}
                access.shows = _named_gradients(template, shown)
                if access.shows and not any(np.abs(after[g]).max(initial=0) > VANISHED for g in access.shows.values()):
                    return None  # a softmax over one class
            return access
    return None


_MEMORY = re.compile(
    r"(^|[.'_\[])(([vmshu]|vel\w*?|mom\w*?|cache|prev\w*?|last\w*?|old\w*?|rms\w*?|sq\w*?|adam\w*?|ema|avg\w*?|acc\w*?|memory|[vms]d|exp\w*?)s?"
    r"(?=_|\d|'|\]|\[|\.|$|[A-Z]|[wb]\d?$|d[Wwb]))|(_|^)(v|m|s|vel\w*|mom\w*|cache|prev|last|old|memory)$",
)
"""Names of what an optimizer remembers: `vW1`, `m_b2`, `self.v['dW1']`, `W1_velocity`."""


def _beside(a: Array, place: str, others: dict[str, Array]) -> bool:
    """Whether there is another array of the same shape that an optimizer may remember this for."""
    return any(o.shape == a.shape and p != place and not _MEMORY.search(p) for p, o in others.items())


def _named_gradients(parameters: dict[str, Array], found: dict[str, Array]) -> dict[str, str]:
    """The gradient of every parameter, by name; nothing if one is missing."""
    given: dict[str, str] = {}
    for name, w in parameters.items():
        fitting = [
            p
            for p, a in found.items()
            if a.shape == w.shape and canonical(p) == canonical(name) and not _MEMORY.search(p)
        ]
        if not fitting:
            return {}
        given[name] = fitting[0]
    return given


def _examples(x: Array, y: Any) -> int:
    """How many examples there are, whichever way they lie."""
    y = np.asarray(y)
    if y.ndim and x.ndim and y.shape[0] != x.shape[0] and y.shape[-1] == x.shape[-1]:
        return int(x.shape[-1])
    return len(x)


def _held(file: UserFile, value: Any) -> bool:
    """Whether a value may hold parameters: arrays, containers, and objects of the file's own classes."""
    if isinstance(value, np.ndarray | np.floating | float | list | dict | tuple):
        return True
    return type(value).__name__ in file.own and not isinstance(value, type)


def _uses_rate(loop: Loop) -> bool:
    names = (n.id if isinstance(n, ast.Name) else getattr(n, "attr", "") for s in loop.body for n in ast.walk(s))
    return any(role(n) == "rate" for n in names if n)
