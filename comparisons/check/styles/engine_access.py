"""A class of a user's file that records what is computed with its objects, and goes back over it: how it is made, run and read."""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import random
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.homes import source_tree
from comparisons.check.siblings import Definitions
from comparisons.check.styles.engine_operations import product, summed, total
from comparisons.check.styles.engine_ways import Way, seeds, ways
from comparisons.check.styles.network_arguments import required
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
BACKWARDS = ("backward", "backprop", "back_prop", "backpropagate", "backpropagation", "back", "compute_gradients")
_DATA = ("data", "value", "val", "_data", "_value", "v", "array", "arr", "item", "x", "num", "values", "d")
_GRAD = ("grad", "_grad", "gradient", "g", "adjoint", "derivative", "deriv", "dv", "grad_value")
_FLAGS = re.compile(r"requires?_?grads?|autograd|trainable|requires_gradients?|track\w*", re.IGNORECASE)
_ENTERS = re.compile(r"register|setup|install|bind|attach|_?add_op")
_ARRAYS = re.compile(
    r"shape|zeros_like|ones_like|ndarray|np\.array|asarray|\.T\b|matmul|\.dot\(|keepdims|np\.zeros|np\.ones"
)
SCALARS = 5
"""Examples of an engine of single numbers: each is a graph of its own."""


@dataclass
class Engine:
    """A class whose objects remember how they were computed.

    Attributes
    ----------
    file : UserFile
    cls : type
    data, grad : str
        Attributes with the number or array and with the gradient.
    back : str
        Method that goes back.
    flags : dict
        Arguments of the constructor that turn gradients on.
    remembers : type, optional
        Class of which a value that gradients go to is given an empty object: `Scalar(v, ScalarHistory())`.
    arrays : bool
        Whether its objects hold arrays.
    weighting : int
        How the gradient of a weighted sum is asked for; see `_weighted`.
    way : Way, optional
        How gradients are asked for, where no method sets them; `back` is its name then.
    """

    file: UserFile
    cls: type
    data: str = "data"
    grad: str = "grad"
    back: str = "backward"
    flags: dict[str, Any] | None = None
    remembers: type | None = None
    arrays: bool = False
    weighting: int = 0
    way: Way | None = None

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self.cls.__name__

    @property
    def imported(self) -> bool:
        """Whether another file defines it."""
        return self.name not in self.file.own

    def leaf(self, value: Array) -> Any:
        """A new value, which gradients go to."""
        given = value.copy() if self.arrays else float(value)
        history = () if self.remembers is None else (self.file.call(self.remembers),)
        return self.file.call(self.cls, given, *history, **(self.flags or {}))

    def read(self, node: Any, name: str) -> Any:
        """Data or gradient of a node as an array; None if there is none."""
        return self._number(getattr(node, name, None))

    def _number(self, found: Any) -> Any:
        if isinstance(found, self.cls):
            found = getattr(found, self.data, None)
        if found is None or callable(found):
            return None
        try:
            a = np.array(found, dtype=np.float64)
        except (TypeError, ValueError):
            return None
        return a

    def called(self, f: Callable[[], Any], name: str) -> Any:
        """Run what the user's code has a part in."""
        f.__qualname__ = f"{self.name}.{name}"
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        return self.file.call(f)

    def forward(self, run: Callable[..., Any], values: list[Array], name: str) -> Array:
        """What an expression gives, of whole arrays or of one example after the other.

        Raises
        ------
        UserError
            If it gives no value of the engine.
        """
        if self.arrays:
            return self._value(run, values, name)
        examples = [self._value(run, [v[i] for v in values], name) for i in range(len(values[0]))]
        if any(a.shape for a in examples):
            raise UserError(f"{name} gives no single number")
        return np.array(examples)

    def _value(self, run: Callable[..., Any], values: list[Array], name: str) -> Array:
        leaves = [self.leaf(v) for v in values]
        return self.output(self.called(lambda: run(*leaves), name), name)

    def output(self, node: Any, name: str) -> Array:
        """The number of a node.

        Raises
        ------
        UserError
            If it is none.
        """
        found = self.read(node, self.data) if isinstance(node, self.cls) else None
        if found is None:
            raise UserError(f"{name} gives no {self.name}")
        return found

    def gradients(self, run: Callable[..., Any], values: list[Array], upstream: Array, name: str) -> list[Array | None]:
        """Gradients of a weighted sum of what the expression gives, by every operand."""
        if self.arrays:
            return self._gradients(run, values, upstream, name)
        found = [self._gradients(run, [v[i] for v in values], upstream[i], name) for i in range(len(upstream))]
        columns = [[g[k] for g in found] for k in range(len(values))]
        return [None if any(g is None for g in column) else np.array(column) for column in columns]

    def _gradients(self, run: Callable[..., Any], values: list[Array], upstream: Any, name: str) -> list[Array | None]:
        leaves = [self.leaf(v) for v in values]
        out = self.called(lambda: run(*leaves), name)
        self.output(out, name)
        if (way := self.way) is not None:
            node = self.called(lambda: self._weighed(out, upstream), "product")
            asked = self.called(lambda: way.gradients(self.file.namespace, node, leaves, self.grad), self.back)
            return [self._number(g) for g in asked]
        self.called(lambda: self._weighted(out, upstream), self.back)
        return [self.read(leaf, self.grad) for leaf in leaves]

    def _weighted(self, out: Any, upstream: Any) -> None:
        """Go back from a node: 0 with an upstream array, 1 with one of the engine, 2 after a product and a sum, 3 after a product,
        4 as it is."""
        match self.weighting:
            case 0:
                getattr(out, self.back)(np.array(upstream))
            case 1:
                getattr(out, self.back)(self.cls(np.array(upstream)))
            case 2:
                getattr(product(out, self.cls(np.array(upstream), **(self.flags or {}))).sum(), self.back)()
            case 3:
                getattr(product(out, self.cls(np.array(upstream)) if self.arrays else float(upstream)), self.back)()
            case _:
                getattr(out, self.back)()

    def _weighed(self, out: Any, upstream: Any) -> Any:
        """The node from which to go back: 2 a product and a sum, 3 a product, 4 as it is."""
        if self.weighting == 4:
            return out
        weighed = product(out, self.leaf(np.asarray(upstream)))
        return total(weighed) if self.weighting == 2 else weighed

    def upstream(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """A random weighting; ones where the engine takes none."""
        return np.ones(shape) if self.weighting == 4 else rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def registered(file: UserFile) -> None:
    """Run calls at the top level that only enter operations into a class: `register("mul", Mul)`."""
    tree = source_tree(file)
    for statement in tree.body if tree is not None else ():
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
            continue
        own = isinstance(file.namespace.get(call.func.id), FunctionType)
        if own and _ENTERS.match(call.func.id) and all(isinstance(a, ast.Name | ast.Constant) for a in call.args):
            given = [
                file.namespace.get(a.id) if isinstance(a, ast.Name) else getattr(a, "value", None) for a in call.args
            ]
            with contextlib.suppress(UserError):
                file.call(file.namespace[call.func.id], *given)


def _given_operators(file: UserFile, cls: type) -> None:
    """Call what gives a class its operators, `def setup_variable(): Variable.__add__ = add`, wherever it is called otherwise."""
    beside = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else file.namespace
    for name, f in list(beside.items()):
        if not _ENTERS.match(name) or not isinstance(f, FunctionType) or required(f):
            continue
        try:
            body = ast.parse(textwrap.dedent(source_of(f))).body
        except SyntaxError:
            continue
        targets = [t for s in body[0].body if isinstance(s, ast.Assign) for t in s.targets] if body else []  # type: ignore[attr-defined]
        if any(isinstance(t, ast.Attribute) and ast.unparse(t.value) == cls.__name__ for t in targets):
            with contextlib.suppress(UserError):
                file.call(f)


def _classes(file: UserFile) -> dict[str, type]:
    """The file's classes, and those of files beside it from which it imports anything."""
    beside: dict[str, type] = {}
    seen: set[str] = set()
    waiting = [file.namespace]
    while waiting:
        for thing in list(waiting.pop().values()):
            name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
            module = sys.modules.get(name) if isinstance(name, str) and name not in seen else None
            if isinstance(getattr(module, "__loader__", None), Definitions):
                seen.add(str(name))
                waiting.append(vars(module))
            if isinstance(thing, type) and name in seen:
                beside[thing.__name__] = thing
    return beside | file.classes()


def engines(file: UserFile, taken: frozenset[str]) -> Iterator[Engine]:
    """Classes with arithmetic and a way back."""
    if any(callable(getattr(cls, b, None)) for cls in file.classes().values() for b in BACKWARDS):
        registered(file)
    for name, cls in _classes(file).items():
        if name in taken:
            continue
        backs = [b for b in BACKWARDS if callable(getattr(cls, b, None))]
        if backs:
            _given_operators(file, cls)
        operators = [o for o in ("__add__", "add", "__mul__", "mul", "dot", "__matmul__") if hasattr(cls, o)]
        methods = bool(backs) and (len(operators) > 1 or any(o.startswith("__") for o in operators))
        text = source_of(cls) if methods else ""
        made = itertools.product((True, False) if _ARRAYS.search(text) else (False,), (None, *_histories(file, cls)))
        for arrays, history in made if methods else ():
            found = _settled(Engine(file, cls, back=backs[0], flags=_flags(cls), remembers=history, arrays=arrays))
            if found is not None:
                yield found
                break
        else:
            other = _by_another_way(file, cls)
            if other is not None:
                yield other


def _by_another_way(file: UserFile, cls: type) -> Engine | None:
    """An engine whose gradients come back from a function, or are asked for one by one."""
    possible = list(ways(file, cls))
    for arrays in (True, False) if possible and _ARRAYS.search(source_of(cls)) else (False, True):
        for way in possible:
            engine = Engine(file, cls, back=way.name, flags=_flags(cls), arrays=arrays, way=way)
            if (found := _settled(engine)) is not None:
                return found
    return None


def _flags(cls: type) -> dict[str, Any]:
    try:
        parameters = list(inspect.signature(cls).parameters.values())[1:]
    except (TypeError, ValueError):
        return {}
    return {p.name: True for p in parameters if _FLAGS.fullmatch(p.name)}


def _histories(file: UserFile, cls: type) -> list[type]:
    """Classes of the file that the constructor's second argument may be of, by its annotation."""
    try:
        second = list(inspect.signature(cls).parameters.values())[1:2]
    except (TypeError, ValueError):
        return []
    return [
        c
        for n, c in file.classes().items()
        for p in second
        if re.search(rf"\b{n}\b", str(p.annotation)) and not required(c)
    ]


def _settled(engine: Engine) -> Engine | None:
    """The engine with its attributes found by use; None if it does not work as one."""
    value = np.arange(1.0, 7.0).reshape(2, 3) if engine.arrays else np.asarray(2.5)
    try:
        leaf = engine.leaf(value)
    except UserError:
        return None
    data = [
        n for n in _DATA if (a := engine.read(leaf, n)) is not None and a.shape == value.shape and (a == value).all()
    ]
    if not data:
        return None
    engine.data = data[0]
    values = [value, value + 1]
    if engine.way is not None:
        return _settled_way(engine, engine.way, leaf, values)
    found: list[tuple[int, int, str]] = []
    for weighting in (0, 1, 2, 3, 4) if engine.arrays else (3, 4):
        for name in _GRAD:
            engine.weighting, engine.grad = weighting, name
            if name != engine.data and (right := _right(engine, values)):
                found.append((-right, weighting, name))
    if not found:
        return None
    _, engine.weighting, engine.grad = min(found, key=lambda way: way[:2])
    return engine


def _settled_way(engine: Engine, way: Way, leaf: Any, values: list[Array]) -> Engine | None:
    """The same, where gradients come in another way."""
    best = 0
    settled: Engine | None = None
    for one in seeds(way, leaf):
        for weighting in (3, 2, 4) if engine.arrays else (3, 4):
            for name in _GRAD if one.kind == "set" else _GRAD[:1]:
                engine = replace(engine, way=one, weighting=weighting, grad=name)
                if name != engine.data and (right := _right(engine, values)) > best:
                    best, settled = right, engine
    return settled


def _right(engine: Engine, values: list[Array]) -> int:
    """How many simple operations give the right gradients."""
    rng = np.random.default_rng(11)
    upstream = engine.upstream(rng, np.shape(values[0]))
    a, b = values
    probes: list[tuple[Callable[..., Any], list[Array]]] = [
        (lambda x, y: x + y, [upstream, upstream]), (lambda x, y: x * y, [upstream * b, upstream * a]),
        (lambda x, y: x - y, [upstream, -upstream]), (lambda x, y: -x, [-upstream, 0 * upstream]),
        (lambda x, y: x.add(y), [upstream, upstream]), (lambda x, y: x.mul(y), [upstream * b, upstream * a]),
    ]  # fmt: skip
    if engine.way is not None:
        probes += [(summed, [upstream, upstream]), (product, [upstream * b, upstream * a])]
    return sum(_gives(engine, run, values, upstream, wanted) for run, wanted in probes)


def _gives(engine: Engine, run: Callable[..., Any], values: list[Array], upstream: Array, wanted: list[Array]) -> bool:
    """Whether the gradient of an operand is right, at least of one."""
    try:
        found = engine._gradients(run, values, upstream, "probe")
    except UserError:
        return False
    return any(
        g is not None and g.shape == w.shape and w.any() and np.allclose(g, w)
        for g, w in zip(found, wanted, strict=True)
    )
