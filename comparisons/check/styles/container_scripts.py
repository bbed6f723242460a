"""Training loops of a script that run the file's own layer objects: made into containers that keep those layers.

What stands before the loop is run, so that the layers are there; a step is the loop's body run once, with our batch for its data.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from comparisons.check.calling import plain
from comparisons.check.objects import BACKWARD
from comparisons.check.repeated import repeated
from comparisons.check.source import syntax
from comparisons.check.styles.container_blocks import Part
from comparisons.check.styles.container_drives import RATE, inside
from comparisons.check.styles.network_arguments import is_x, is_y, role
from comparisons.check.styles.network_scripts import NoReturns, dangerous
from comparisons.check.unit import UserFile

Array = np.ndarray
STEP = "loop"
_COUNTS = re.compile(r"m|m_train|num_examples|n_?samples|n|n_examples|num_samples|examples|train_size", re.IGNORECASE)
_FILLS = ("append", "add", "extend", "insert", "addlayer", "push")
OVER_LAYERS = "training loop over layers"
LONG = 200
"""Turns from which a loop before the training loop is taken for training itself."""


@dataclass
class Script:
    """A training loop over layer objects.

    Attributes
    ----------
    file : UserFile
    statement : For or While
        The loop.
    before : list of statements
        What stands before it.
    x, y : str
        Names of its inputs and targets.
    classes : tuple of type
        Layers that may be in it.
    """

    file: UserFile
    statement: ast.For | ast.While
    before: list[ast.stmt]
    x: str
    y: str
    classes: tuple[type, ...]
    prelude: list[tuple[CodeType, list[str]]] = field(default_factory=list)
    body: CodeType | None = None

    @property
    def name(self) -> str:
        """With its line."""
        return f"loop at line {self.statement.lineno}"

    def prepare(self) -> None:
        """Compile what is to be run."""
        self.prelude = [(_compiled(self.file, [s]), _assigned(s)) for s in self.before if _makes(s)]
        once = ast.parse("for _backproof_once in (0,): pass").body[0]
        assert isinstance(once, ast.For)
        once.body = [NoReturns().visit(copy.deepcopy(s)) for s in self.statement.body]
        self.body = _compiled(self.file, [once])

    def names(self) -> set[str]:
        """Names in the loop, and in the functions that it calls."""
        functions = self.file.functions()
        found = {n.id for n in ast.walk(self.statement) if isinstance(n, ast.Name)}
        waiting = list(found & functions.keys())
        while waiting:
            new = set(functions[waiting.pop()].__code__.co_names) - found
            found |= new
            waiting += new & functions.keys()
        return found

    def namespace(self, x: Any = None, y: Any = None) -> dict[str, Any]:
        """Names and values before the loop, with the file's own data where they are there, unless others are given."""
        found = dict(self.file.namespace)
        np.random.seed(1)  # noqa: NPY002
        for code, names in self.prelude:
            self._run(code, names, found, x, y)
        _rebound(self.file, found)
        return found

    def _run(self, code: CodeType, names: list[str], space: dict[str, Any], x: Any, y: Any) -> None:
        try:
            with np.errstate(all="ignore"), self.file.attempts.of(self.name):
                exec(code, space)
        except Exception:  # data that are not here; what is missed otherwise shows in the body
            for n in names:
                if n not in space and x is not None and (is_x(n) or _is_y(n)):
                    space[n] = x if is_x(n) else y
        if x is not None:
            space[self.x], space[self.y] = x, y

    def again(self, space: dict[str, Any], held: set[int], x: Any, y: Any) -> None:
        """What depends on the data, once more: everything before the loop that makes no layers."""
        x_, y_ = (a.copy() if isinstance(a, np.ndarray) else a for a in (x, y))
        space[self.x], space[self.y] = x_, y_
        m = len(x)
        for code, names in self.prelude:
            if names and not any(_keeps(space.get(n), held, self.classes) for n in names):
                self._run(code, names, space, x_, y_)
        for name in self.names():
            value = space.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if role(name) == "rate":
                space[name] = RATE
            elif role(name) == "momentum" and isinstance(value, float):
                space[name] = 0.0
            elif role(name) == "batch_size" or (
                _COUNTS.fullmatch(name) and isinstance(value, int) and value not in np.shape(x)
            ):
                space[name] = m
        if isinstance(self.statement, ast.For):
            counters = {n.id for n in ast.walk(self.statement.target) if isinstance(n, ast.Name)}
            space |= dict.fromkeys(counters - {self.x, self.y}, 1)


def scripts(file: UserFile, known: list[Part]) -> Iterator[Script]:
    """Training loops over layers that are right by themselves."""
    classes = tuple({p.cls for p in known})
    tree = syntax(file)
    for statement, before in _loops(tree):
        if not _goes_back(file, statement):
            continue
        loaded = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        stored = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        names = [n for n in dict.fromkeys(loaded) if n not in stored and not callable(file.namespace.get(n))]
        made = {n for s in before for n in _assigned(s)}
        xs, ys = ([n for n in names if fits(n) and n not in _layered(file, before, classes)] for fits in (is_x, _is_y))
        for x, y in [(x, y) for y in _likely(ys, made) for x in _likely(xs, made) if x != y][:1]:
            script = Script(file, statement, before, x, y, classes)
            script.prepare()
            yield script


def trains_layers(file: UserFile) -> bool:
    """Whether there may be such a loop."""
    return any(_goes_back(file, s) for s, _ in _loops(syntax(file)))


def _is_y(name: str) -> bool:
    """Whether a name is one for targets: `t_train` too."""
    return is_y(name) or bool(
        re.fullmatch(r"(t|train|one_?hot)_?(train|batch|data|labels?|targets?|y|one_?hot)", name.lower())
    )


def _likely(names: list[str], made: set[str]) -> list[str]:
    """Names for data, those of all of them first, and of training before testing."""
    return sorted(names, key=lambda n: (bool(re.search("test|val", n.lower())), n.lower()[:1] not in "xy"))


def _layered(file: UserFile, before: list[ast.stmt], classes: tuple[type, ...]) -> set[str]:
    """Names before the loop that hold layers: `output_layer = Dense(3, 1)` is no target."""
    own = {c.__name__ for c in classes} | set(file.classes())
    return {
        n for s in before for n in _assigned(s) if any(isinstance(c, ast.Name) and c.id in own for c in ast.walk(s))
    }


def _loops(tree: ast.Module) -> Iterator[tuple[ast.For | ast.While, list[ast.stmt]]]:
    """Loops at the top level, under `if __name__`, and in functions that are given nothing, with what stands before each."""
    blocks: list[tuple[list[ast.stmt], list[ast.stmt]]] = [([], tree.body)]
    blocks += [
        (tree.body, s.body)
        for s in tree.body
        if isinstance(s, ast.If) or (isinstance(s, ast.FunctionDef) and len(s.args.args) == len(s.args.defaults))
    ]
    for above, statements in blocks:
        for i, s in enumerate(statements):
            if isinstance(s, ast.For | ast.While):
                yield s, [*(a for a in above if isinstance(a, ast.Assign | ast.AnnAssign)), *statements[:i]]


def _goes_back(file: UserFile, statement: ast.stmt) -> bool:
    """Whether a loop calls a backward method, by itself or through a function of the file."""
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
    tree = syntax(file)
    bodies: list[ast.AST] = [statement, *(s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name in names)]
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and plain(n.func.attr) in BACKWARD
        for body in bodies
        for n in ast.walk(body)
    )


def _assigned(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return []
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _makes(statement: ast.stmt) -> bool:
    """Whether a statement before the loop makes something, or puts a layer into a list, and does nothing else."""
    text = ast.unparse(statement)
    if dangerous(text):
        return isinstance(statement, ast.Assign)  # its data are missed, which is seen when it is run
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        f = statement.value.func
        return isinstance(f, ast.Attribute) and plain(f.attr) in _FILLS
    if isinstance(statement, ast.For):
        turns = [n.value for n in ast.walk(statement.iter) if isinstance(n, ast.Constant) and isinstance(n.value, int)]
        return max(turns, default=0) < LONG and not any(
            isinstance(n, ast.Attribute) and plain(n.attr) in BACKWARD for n in ast.walk(statement)
        )
    return isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.If | ast.Global)


def _compiled(file: UserFile, statements: list[ast.stmt]) -> CodeType:
    if any(dangerous(ast.unparse(s)) for s in statements) and isinstance(statements[0], ast.Assign):
        statements = ast.parse("raise LookupError").body  # it reads data
    return compile(ast.fix_missing_locations(ast.Module(statements, [])), file.path, "exec")


def _rebound(file: UserFile, space: dict[str, Any]) -> None:
    """Let the file's functions see these names instead of the file's own."""
    for name, f in file.functions().items():
        if space.get(name) is f and f.__globals__ is file.namespace:
            again = FunctionType(f.__code__, space, f.__name__, f.__defaults__, f.__closure__)
            again.__kwdefaults__, again.__qualname__ = f.__kwdefaults__, f.__qualname__
            space[name] = again


def _keeps(value: Any, held: set[int], classes: tuple[type, ...]) -> bool:
    """Whether a value is one of these layers or holds one."""
    if id(value) in held or isinstance(value, classes):
        return True
    if isinstance(value, list | tuple | dict) or hasattr(value, "__dict__"):
        return not isinstance(value, type | FunctionType) and any(
            id(v) in held for v in inside({"value": value}, classes, 4)
        )
    return False


def container(script: Script) -> type | None:
    """A class whose objects hold the layers of a script and run its loop once; None if there are none."""
    file = script.file
    given = next((data for data in _guesses(script) if len(_found(script, script.namespace(*data))) > 1), None)
    if given is None:
        return None
    x, y = given
    order = _order(script, script.namespace(x, y))

    class Training:
        """The layers of a script."""

        __slots__ = ("__dict__", "_space")

        def __init__(self) -> None:
            self._space = script.namespace(x, y)
            things = _found(script, self._space)
            self.layers = [things[i] for i in order]

        def loop(self, x: Any, y: Any) -> None:
            space = self._space
            script.again(space, {id(thing) for thing in self.layers}, x, y)
            assert script.body is not None
            with repeated(space):
                exec(script.body, space)

        def values(self) -> dict[str, float]:
            """Numbers that the loop left behind: losses."""
            held = ((n, self._space.get(n)) for n in script.names())
            return {
                n: float(np.mean(v)) for n, v in held if isinstance(v, float | np.floating) and not isinstance(v, bool)
            }

    code = Training.loop.__code__
    Training.loop.__code__ = code.replace(co_filename=file.path, co_firstlineno=script.statement.lineno)
    Training.script = script  # type: ignore[attr-defined]
    Training.__name__ = Training.__qualname__ = Training.loop.__qualname__ = "training loop"
    return Training


def _guesses(script: Script) -> Iterator[tuple[Any, Any]]:
    """Data with which the statements before the loop may run: the file's own, or some in rows or columns."""
    yield None, None
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((6, 4)), np.eye(3)[[0, 1, 2, 0, 1, 0]]
    yield from ((x, y), (x, y.argmax(1)), (x, y[:, :1]), (x.T.copy(), y.T.copy()), (x.T.copy(), y.T[:1].copy()))


def _found(script: Script, space: dict[str, Any]) -> list[Any]:
    """Layers that the loop's names lead to, in the order in which they were made."""
    names = script.names()
    own = {n: v for n, v in space.items() if n in names and not isinstance(v, type | FunctionType)}
    return inside(own, script.classes, 4)


def _order(script: Script, space: dict[str, Any]) -> list[int]:
    """The layers in the order of the forward pass: that of a list that holds them all, or of their names."""
    things = _found(script, space)
    ids = [id(t) for t in things]
    for value in space.values():
        if isinstance(value, list | tuple) and set(ids) <= {id(v) for v in value}:
            return [ids.index(id(v)) for v in value if id(v) in ids]
    run = [n.value.id for s in script.statement.body for n in ast.walk(s)
           if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and plain(n.attr) not in BACKWARD]  # fmt: skip
    named = [space.get(n) for n in dict.fromkeys(run)]
    called = [ids.index(id(v)) for v in named if id(v) in ids]
    return called if len(called) > 1 else list(range(len(things)))


def measured(values: list[dict[str, float]], losses: dict[str, list[float]], sizes: list[int]) -> str:
    """Which loss a number that the loop keeps is, by its values for several batches; empty if none.

    Parameters
    ----------
    values : list of dict
        Numbers that the loop left behind, for each batch.
    losses : dict of str to list of float
        What known losses are for these batches.
    sizes : list of int
        Of the batches.
    """
    for name in values[0]:
        if not re.search(r"loss|cost|err|mse|crit|obj|^[lj]$", name.lower()) or not all(name in v for v in values):
            continue
        for kind, wanted in losses.items():
            for power in (0, 1, -1):
                ratios = [v[name] / (w * float(m) ** power) if w else 0.0 for v, w, m in zip(values, wanted, sizes, strict=True)]  # fmt: skip
                if abs(ratios[0]) > 0 and np.ptp(ratios) < 1e-4 * abs(ratios[0]):
                    return kind
    return ""
