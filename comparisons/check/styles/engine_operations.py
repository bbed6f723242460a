"""What can be asked of the values of a small autograd engine: operators, methods and functions, with the expression each stands for."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
ROWS, COLUMNS, OUT = 3, 4, 2
WIDE, ROW, COLUMN, FLAT = (ROWS, COLUMNS), (1, COLUMNS), (ROWS, 1), (COLUMNS,)
IMAGE, KERNEL = (2, 3, 5, 5), (OUT, 3, 3, 3)
NUMBER = 2.5
ORDINALS = ("first", "second", "third")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operation:
    """One expression of values of an engine.

    Attributes
    ----------
    key : str
        For names of tensors.
    text : str
        As a person writes it: `a / b`.
    run : callable
        The expression, of as many values as there are shapes.
    shapes : tuple
        Of the operands, where they are arrays.
    positive : bool
        Whether operands must be positive.
    plain : callable, optional
        The same in NumPy, of arrays.
    method : str
        What the class or file calls it: `__truediv__`.
    kind : {"", "broadcast", "shared", "rare"}
        Whether it asks for sums over broadcast axes, uses one value twice, or may well be refused on the way back.
    """

    key: str
    text: str
    run: Callable[..., Any]
    shapes: tuple[Shape, ...] = (WIDE,)
    positive: bool = False
    plain: Callable[..., Any] | None = None
    method: str = ""
    kind: str = ""

    def operand(self, i: int) -> str:
        """An operand as a person says it."""
        if self.kind == "shared":
            return f"{'ab'[i]} in {self.text}, where {'values are' if len(self.shapes) > 1 else 'it is'} used twice"
        if self.kind == "broadcast":
            return f"the {ORDINALS[i]} operand of {self.text} of shapes {' and '.join(map(str, self.shapes))}"
        return f"the {ORDINALS[i]} operand of {self.text}" if len(self.shapes) > 1 else f"a in {self.text}"


_BINARY: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("__add__", "+", lambda a, b: a + b),
    ("__mul__", "*", lambda a, b: a * b),
    ("__sub__", "-", lambda a, b: a - b),
    ("__truediv__", "/", lambda a, b: a / b),
)
_OPERATORS = {"add": "__add__", "mul": "__mul__", "sub": "__sub__", "div": "__truediv__"}
_REFLECTED = {"__add__": "__radd__", "__mul__": "__rmul__", "__sub__": "__rsub__", "__truediv__": "__rtruediv__"}
_PAIRS = ((WIDE, FLAT), (WIDE, ROW), (WIDE, COLUMN), (FLAT, WIDE), (WIDE, ()), (COLUMN, WIDE), (ROW, WIDE))
_UNARY: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "abs": np.abs, "sqrt": np.sqrt, "square": np.square, "log": np.log,
    "relu": lambda a: np.maximum(a, 0), "ReLU": lambda a: np.maximum(a, 0), "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "neg": np.negative, "softplus": lambda a: np.log1p(np.exp(a)),
}  # fmt: skip
"""Methods and functions whose meaning is not in doubt."""
_NAMED: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "mul": np.multiply,
    "sub": np.subtract,
    "dot": np.matmul,
    "matmul": np.matmul,
}


def summed(a: Any, b: Any) -> Any:
    """Of two values of an engine, by its operator, its method or a function of its file."""
    return a + b if hasattr(a, "__add__") else _called(a, ("add", "plus"), b)


def product(a: Any, b: Any) -> Any:
    """Of two values of an engine, likewise."""
    return a * b if hasattr(a, "__mul__") else _called(a, ("mul", "multiply", "times"), b)


def total(a: Any) -> Any:
    """The sum of a value's elements, likewise."""
    return _called(a, ("sum", "sum_", "reduce_sum"))


def _called(a: Any, names: tuple[str, ...], *more: Any) -> Any:
    """By the first name that there is, of a method or else of a function beside the class."""
    own = next((n for n in names if hasattr(a, n)), None)
    if own is not None:
        return getattr(a, own)(*more)
    beside = getattr(type(a).__init__, "__globals__", {})
    f = next((found for n in names if inspect.isfunction(found := beside.get(n))), None)
    return f(a, *more) if f is not None else getattr(a, names[0])(*more)


def _shared_twice(a: Any, b: Any) -> Any:
    ab = product(a, b)
    return product(ab, summed(ab, a))


_SHARED: tuple[tuple[str, str, Callable[..., Any], int], ...] = (
    ("sum", "a + a", lambda a: summed(a, a), 1),
    ("product", "a * a", lambda a: product(a, a), 1),
    ("twice", "a * b + a", lambda a, b: summed(product(a, b), a), 2),
    ("order", "(a * b) * (a * b + a)", _shared_twice, 2),
)
_ARGUMENTS: dict[str, list[tuple[str, tuple[Any, ...], dict[str, Any]]]] = {
    "sum": [("", (), {}), ("0", (0,), {}), ("1", (1,), {}), ("axis=0, keepdims=True", (), {"axis": 0, "keepdims": True})],
    "reshape": [("4, 3", (COLUMNS, ROWS), {}), ("(4, 3)", ((COLUMNS, ROWS),), {})],
    "transpose": [("", (), {}), ("1, 0", (1, 0), {}), ("(1, 0)", ((1, 0),), {})],
    "softmax": [("", (), {}), ("1", (1,), {}), ("axis=1", (), {"axis": 1})],
    "clip": [("-0.5, 0.8", (-0.5, 0.8), {})],
    "leaky_relu": [("", (), {}), ("0.1", (0.1,), {})],
    "pow": [("3", (3,), {})],
    "expand": [("0, 3", (0, 3), {})],
}  # fmt: skip
_LIKE = {"mean": "sum", "max": "sum", "min": "sum", "var": "sum", "std": "sum", "view": "reshape", "permute": "transpose",
         "log_softmax": "softmax", "logsoftmax": "softmax", "clamp": "clip", "elu": "leaky_relu", "power": "pow",
         "leakyrelu": "leaky_relu", "swapaxes": "transpose", "T": "transpose", "t": "transpose", "logsumexp": "sum"}  # fmt: skip
_PRODUCTS = ("matmul", "mm", "dot")
_TELL = {"backward", "backprop", "zero_grad", "detach", "copy", "clone", "numpy", "item", "tolist", "cleargrad", "zerograd", "clear_grad",
         "unchain", "unchain_backward", "no_grad", "zero_gradients", "reset_grad", "clear_gradient", "zero_gradient", "backpropagate"}  # fmt: skip
"""Methods that are no operations."""


def operations(cls: type, arrays: bool) -> Iterator[Operation]:
    """What may be asked, simple operations before those that are made of them; what the engine refuses is not known here.

    Parameters
    ----------
    cls : type
        The engine's class.
    arrays : bool
        Whether its values are arrays.
    """
    has = {n for n in dir(cls) if getattr(cls, n, None) is not getattr(object, n, None)}
    yield from _operators(has)
    yield from _methods(cls, has, arrays)
    for key, text, run, n in _SHARED:
        yield Operation(f"shared_{key}", text, run, (WIDE,) * n, plain=run, kind="shared")
    yield from _with_numbers(has)
    if arrays:
        yield from _array_operators(has)
        for name, sign, run in _BINARY:
            for a, b in _PAIRS if name in has else ():
                key = f"{name}_{'x'.join(map(str, a))}_{'x'.join(map(str, b))}"
                yield Operation(key, f"a {sign} b", run, (a, b), name == "__truediv__", run, name, "broadcast")


def broadcast(name: str, f: Callable[..., Any], cls: type) -> Iterator[Operation]:
    """A function of two values, `add(a, b)`, with operands of different shapes, where no operator of the class asks for it."""
    operator = _OPERATORS.get(name.lower(), "")
    if operator and not hasattr(cls, operator):
        run = next(run for n, _, run in _BINARY if n == operator)
        for a, b in _PAIRS:
            key = f"{name}_{'x'.join(map(str, a))}_{'x'.join(map(str, b))}"
            yield Operation(key, f"{name}(a, b)", f, (a, b), operator == "__truediv__", run, name, "broadcast")


def _operators(has: set[str]) -> Iterator[Operation]:
    for name, sign, run in _BINARY:
        if name in has:
            yield Operation(name, f"a {sign} b", run, (WIDE, WIDE), name == "__truediv__", run, name)
    if "__neg__" in has:
        yield Operation("__neg__", "-a", lambda a: -a, plain=lambda a: -a, method="__neg__")
    for power in (3, 2, -1, 0.5) if "__pow__" in has else ():
        key = f"__pow__{power}".replace(".", "_")
        yield Operation(key, f"a ** {power}", lambda a, p=power: a**p, positive=power in (-1, 0.5), plain=lambda a, p=power: a**p,
                        method="__pow__")  # fmt: skip
    if "__pow__" in has:
        yield Operation("__pow__", "a ** b", lambda a, b: a**b, (WIDE, WIDE), True, lambda a, b: a**b, "__pow__")
    if "__abs__" in has:
        yield Operation("__abs__", "abs(a)", abs, plain=np.abs, method="__abs__")


def _with_numbers(has: set[str]) -> Iterator[Operation]:
    for name, sign, run in _BINARY:
        if name in has:

            def right(a: Any, run: Callable[..., Any] = run) -> Any:
                return run(a, NUMBER)

            yield Operation(f"{name}number", f"a {sign} {NUMBER}", right, plain=right, method=name)
        if _REFLECTED[name] in has:

            def left(a: Any, run: Callable[..., Any] = run) -> Any:
                return run(NUMBER, a)

            yield Operation(
                _REFLECTED[name], f"{NUMBER} {sign} a", left, (WIDE,), name == "__truediv__", left, _REFLECTED[name]
            )
    if "__rpow__" in has:
        yield Operation("__rpow__", f"{NUMBER} ** a", lambda a: NUMBER**a, plain=lambda a: NUMBER**a, method="__rpow__")


def _array_operators(has: set[str]) -> Iterator[Operation]:
    if "__matmul__" in has:
        for a, b in (
            (WIDE, (COLUMNS, OUT)),
            ((OUT, *WIDE), (COLUMNS, OUT)),
            (WIDE, FLAT),
            ((OUT, *WIDE), (OUT, COLUMNS, OUT)),
        ):
            key = f"__matmul__{len(a)}_{len(b)}"
            kind = "broadcast" if len(a) != 2 or len(b) != 2 else ""
            yield Operation(key, "a @ b", lambda a, b: a @ b, (a, b), plain=np.matmul, method="__matmul__", kind=kind)
    if "__getitem__" in has:
        items = (("a[1]", 1), ("a[1:3]", slice(1, 3)), ("a[:, 1]", (slice(None), 1)), ("a[[0, 0, 2]]", [0, 0, 2]),
                 ("a[[0, 0, 2], [1, 1, 3]]", (np.array([0, 0, 2]), np.array([1, 1, 3]))))  # fmt: skip
        for i, (text, item) in enumerate(items):
            yield Operation(f"__getitem__{i}", text, lambda a, item=item: a[item], plain=lambda a, item=item: a[item],
                            method="__getitem__", kind="" if i < 3 else "rare")  # fmt: skip


def _methods(cls: type, has: set[str], arrays: bool) -> Iterator[Operation]:
    for name in dir(cls):
        if name.startswith("_") or name in _TELL:
            continue
        raw = inspect.getattr_static(cls, name)
        if isinstance(raw, property):
            if name in ("T",):
                yield Operation(name, f"a.{name}", lambda a, n=name: getattr(a, n), plain=np.transpose, method=name)
            continue
        if isinstance(raw, functools.partialmethod):
            # Entered from outside: `setattr(Tensor, "mul", partialmethod(...))`; how many values it takes is tried.
            plain = _NAMED.get(name)
            second = (COLUMNS, OUT) if name in _PRODUCTS else WIDE
            yield Operation(
                name,
                f"a.{name}(b)",
                lambda a, b, n=name: getattr(a, n)(b),
                (WIDE, second),
                name in ("pow", "div"),
                plain,
                name,
            )
            yield Operation(f"{name}_alone", f"a.{name}()", lambda a, n=name: getattr(a, n)(), positive=name in ("log", "sqrt"),
                            plain=_UNARY.get(name), method=name)  # fmt: skip
            continue
        if not inspect.isfunction(raw):
            continue
        yield from _method(name, raw, arrays)


def _method(name: str, raw: Callable[..., Any], arrays: bool) -> Iterator[Operation]:
    if name in _PRODUCTS and arrays:
        yield Operation(
            name, f"a.{name}(b)", lambda a, b: getattr(a, name)(b), (WIDE, (COLUMNS, OUT)), plain=np.matmul, method=name
        )
        return
    known = _ARGUMENTS.get(name) or _ARGUMENTS.get(_LIKE.get(name, ""))
    needed = [
        p
        for p in list(inspect.signature(raw).parameters.values())[1:]
        if p.default is p.empty and p.kind == p.POSITIONAL_OR_KEYWORD
    ]
    if known:
        for i, (text, args, kwargs) in enumerate(known):

            def run(a: Any, args: Any = args, kwargs: Any = kwargs) -> Any:
                return getattr(a, name)(*args, **kwargs)

            plain = run if name in ("sum", "mean") and arrays else None
            yield Operation(f"{name}_{i}", f"a.{name}({text})", run, method=name, plain=plain)
    elif not needed:
        plain = _UNARY.get(name)
        yield Operation(name, f"a.{name}()", lambda a: getattr(a, name)(), positive=name in ("log", "sqrt", "log2", "log10"), plain=plain,
                        method=name)  # fmt: skip
    elif name in ("index_select", "take", "gather", "embedding") and arrays:
        yield Operation(
            name, f"a.{name}([0, 0, 2])", lambda a: getattr(a, name)(type(a)(np.array([0, 0, 2]))), method=name
        )
    elif len(needed) == 1:
        # `a.add(b)`, where another value is meant; what else it may want, it refuses.
        yield Operation(name, f"a.{name}(b)", lambda a, b: getattr(a, name)(b), (WIDE, WIDE), method=name,
                        positive=name in ("div", "truediv", "pow", "divide"))  # fmt: skip


def functions(name: str, f: Callable[..., Any], takes: int, cls: type) -> Iterator[Operation]:
    """A function of the file, or an object of a class that is one, of one to three values; the ways in which it may be meant.

    Parameters
    ----------
    name : str
    f : callable
    takes : int
        How many values it takes.
    cls : type
        The engine's class.
    """
    last = name.lower()
    plain = _UNARY.get(last) if takes == 1 else None
    binary = _OPERATORS.get(last)
    if takes == 2 and binary:
        plain = next(run for n, _, run in _BINARY if n == binary)
    positive = last in ("log", "sqrt", "div", "pow", "divide")
    product: tuple[Shape, ...] = (WIDE, (COLUMNS, OUT), (OUT,))[:takes]
    like: tuple[Shape, ...] = (WIDE,) * takes
    usual = product if takes == 3 or last in (*_PRODUCTS, "_matmul") else like
    convolved = (IMAGE, KERNEL, KERNEL[:1])[:takes]
    for shapes in dict.fromkeys((usual, product, convolved)) if takes > 1 else (usual, (IMAGE,)):
        yield Operation(name, f"{name}({', '.join('abc'[:takes])})", f, shapes, positive, plain, name)
    if takes == 2:
        # A row that is taken twice is an embedding's; a slice takes each once.
        labels = np.array([2, 0, 1]) if re.search("slice|item|index", last) else np.arange(ROWS) * 2 % COLUMNS
        for given in (lambda: labels, lambda: cls(labels)):
            yield Operation(name, f"{name}(a, labels)", lambda a, given=given: f(a, given()), method=name)
        yield Operation(name, f"{name}(a, 2)", lambda a: f(a, 2), (IMAGE,), method=name)
