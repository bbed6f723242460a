"""Imports that fail: what stands in for modules that are not here, so that the rest of a file can be run."""

from __future__ import annotations

import ast
import builtins
import configparser
import functools
import importlib
import io
import itertools
import pickle
import queue
import re
import types
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np

from comparisons.check.book_layers import LAYERS
from comparisons.check.data_imports import ENCODERS
from comparisons.check.stand_ins import stand_ins

Array = np.ndarray
DICTIONARIES = (
    "params",
    "parameters",
    "weights",
    "grads",
    "gradients",
    "derived_variables",
    "cache",
    "_params",
    "_grads",
    "_cache",
)


class Missing:
    """In the place of a base class that could not be imported: it has the dictionaries that such classes make, and no more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __getattr__(self, name: str) -> dict[str, Any]:
        if name not in DICTIONARIES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.__dict__.setdefault(name, {})


class Placeholder:
    """Stands in for what could not be imported; whoever uses it is told what is missing."""

    def __init__(self, name: str) -> None:
        self._backproof_name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return ENCODERS.get(attribute) or Placeholder(f"{self._backproof_name}.{attribute}")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (Missing,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # As a decorator (numba.jit) it leaves the function as it is.
        if len(args) == 1 and isinstance(args[0], types.FunctionType) and not kwargs:
            return args[0]
        raise ImportError(f"{self._backproof_name} is not here")


def stand_in(
    statement: ast.stmt, tree: ast.Module, error: ImportError, namespace: dict[str, Any], notes: list[str]
) -> None:
    """Give the names that an import would have given, as far as that can be done without the module; `tree` is the whole file's."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            _module(alias, namespace, notes)
    elif isinstance(statement, ast.ImportFrom):
        _members(statement, namespace, notes)
        if statement.names[0].name == "*":
            home = statement.module or "."
            for name in _undefined(tree) - namespace.keys():
                namespace[name] = np if name in ("np", "numpy") else Placeholder(f"{home}.{name}")
    else:
        notes.append(f"line {statement.lineno}: {error}")


def _undefined(tree: ast.Module) -> set[str]:
    """Names that a file uses and nothing in it defines: an import of everything must have given them."""
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    defined = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    defined |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    defined |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)}
    defined |= {
        a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names
    }
    defined |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    return used - defined - vars(builtins).keys()


def without(statement: ast.stmt, namespace: dict[str, Any]) -> None:
    """Give the names of an import that is there for data sets alone, which are not loaded."""
    assert isinstance(statement, ast.Import | ast.ImportFrom)
    for alias in statement.names:
        name = alias.asname or (alias.name.partition(".")[0] if isinstance(statement, ast.Import) else alias.name)
        namespace[name] = ENCODERS.get(alias.name) or Placeholder(alias.name)


def _module(alias: ast.alias, namespace: dict[str, Any], notes: list[str]) -> None:
    name = alias.asname or alias.name.partition(".")[0]
    try:
        module = importlib.import_module(alias.name)
        namespace[name] = module if alias.asname else importlib.import_module(name)
    except ImportError:
        if alias.name in RENAMED:
            namespace[name] = RENAMED[alias.name]
            return
        namespace[name] = Placeholder(alias.name)
        notes.append(f"import {alias.name}: not installed; what needs it cannot be run")


def offers(home: str) -> dict[str, Any]:
    """What can stand in for members of a module that is not here."""
    if re.match(r"(past|future|six|builtins|__builtin__)(\.|$)|itertools$|functools$", home):
        return COMPATIBLE
    return (
        stand_ins(home)
        | (BOOK | LAYERS if home.startswith("common") else {})
        | (NUMPY_ML if home.endswith("initializers") else {})
    )


def _members(statement: ast.ImportFrom, namespace: dict[str, Any], notes: list[str]) -> None:
    home, given = statement.module or ".", []
    offered = offers(home)
    for alias in statement.names:
        if alias.name == "*":
            for name, f in offered.items():
                if isinstance(namespace.get(name), Placeholder | None):
                    namespace[name] = f
            given.append("functions of their names")
        elif alias.name in offered:
            namespace[alias.asname or alias.name] = offered[alias.name]
            given.append(alias.name)
        else:
            namespace[alias.asname or alias.name] = Placeholder(f"{home}.{alias.name}")
    if offered is COMPATIBLE and len(given) == len(statement.names):
        return
    told = f"backproof's {', '.join(given)} stand in" if given else "what needs it cannot be run"
    notes.append(f"{home} is not here; {told}")


def _old_div(a: Any, b: Any) -> Any:
    """Python 2's division."""
    whole = isinstance(a, int) and isinstance(b, int)
    return a // b if whole else a / b


def _same(value: Any = None, *_: Any) -> Any:
    return value


COMPATIBLE: dict[str, Any] = {
    "xrange": range, "range": range, "zip": zip, "map": map, "filter": filter, "izip": zip, "imap": map, "ifilter": filter,
    "izip_longest": itertools.zip_longest, "zip_longest": itertools.zip_longest, "reduce": functools.reduce, "input": input, "raw_input": input,
    "unicode": str, "basestring": str, "str": str, "long": int, "int": int, "object": object, "super": super, "bytes": bytes, "dict": dict,
    "list": list, "open": open, "pow": pow, "round": round, "chr": chr, "hex": hex, "oct": oct, "next": next, "unichr": chr, "cmp": lambda a, b: (a > b) - (a < b),
    "iteritems": lambda d: iter(d.items()), "itervalues": lambda d: iter(d.values()), "iterkeys": lambda d: iter(d),
    "viewitems": lambda d: d.items(), "viewkeys": lambda d: d.keys(), "viewvalues": lambda d: d.values(), "lrange": lambda *a: list(range(*a)),
    "lzip": lambda *a: list(zip(*a, strict=False)), "lmap": lambda *a: list(map(*a)), "old_div": _old_div, "cPickle": pickle, "pickle": pickle, "print_": print,
    "with_metaclass": lambda meta, *bases: meta("Base", bases or (object,), {}), "python_2_unicode_compatible": _same, "native": _same,
    "standard_library": types.SimpleNamespace(install_aliases=_same, install_hooks=_same), "install_aliases": _same, "string_types": (str,),
    "integer_types": (int,), "text_type": str, "PY2": False, "PY3": True, "StringIO": io.StringIO, "BytesIO": io.BytesIO, "u": _same,
    "add_metaclass": lambda meta: lambda cls: meta(cls.__name__, cls.__bases__, {n: v for n, v in vars(cls).items() if n not in ("__dict__", "__weakref__")}),
    "utils": types.SimpleNamespace(iteritems=lambda d: iter(d.items()), old_div=_old_div), "absolute_import": None, "division": None,
    "print_function": None,
}  # fmt: skip
"""What `past`, `future`, `six` and Python 2's own modules offer for code of both Pythons."""
_SIX = types.SimpleNamespace(**COMPATIBLE, moves=types.SimpleNamespace(**COMPATIBLE))
RENAMED: dict[str, Any] = {
    "cPickle": pickle, "six.moves.cPickle": pickle, "six": _SIX, "six.moves": _SIX.moves, "future.utils": _SIX, "past.builtins": _SIX, "past": _SIX,
    "future": _SIX, "__builtin__": builtins, "StringIO": io, "cStringIO": io, "Queue": queue, "urllib2": urllib.request, "ConfigParser": configparser,
}  # fmt: skip
"""Modules that have another name in Python 3, or stand for both."""


def softmax(x: Array) -> Array:
    """Along the last axis, as in "Deep Learning from Scratch"."""
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def cross_entropy_error(y: Array, t: Array) -> Any:
    """Mean of -log of the probability of the right class, of labels or one-hot rows (the same book's)."""
    y, t = np.atleast_2d(y), np.atleast_1d(t)
    labels = t.reshape(y.shape).argmax(axis=1) if t.size == y.size else t
    return -np.sum(np.log(y[np.arange(len(y)), labels])) / len(y)  # the book adds 1e-7 inside the logarithm


def im2col(input_data: Array, filter_h: int, filter_w: int, stride: int = 1, pad: int = 0) -> Array:
    """Windows of images (N, C, H, W) as rows (N OH OW, C FH FW) (the same book's)."""
    x = np.pad(input_data, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (filter_h, filter_w), axis=(2, 3))[:, :, ::stride, ::stride]
    n, c, oh, ow = windows.shape[:4]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * filter_h * filter_w)


def col2im(
    col: Array, input_shape: tuple[int, ...], filter_h: int, filter_w: int, stride: int = 1, pad: int = 0
) -> Array:
    """The sum of windows back at their places: the transpose of `im2col`."""
    n, c, h, w = input_shape
    oh, ow = (h + 2 * pad - filter_h) // stride + 1, (w + 2 * pad - filter_w) // stride + 1
    windows = col.reshape(n, oh, ow, c, filter_h, filter_w).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((n, c, h + 2 * pad, w + 2 * pad), dtype=col.dtype)
    for i in range(filter_h):
        for j in range(filter_w):
            image[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] += windows[:, :, i, j]
    return image[:, :, pad : pad + h, pad : pad + w]


class WeightInitializer:
    """numpy-ml's: called with a shape, it draws weights."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, shape: tuple[int, ...]) -> Array:
        return np.random.standard_normal(shape)  # noqa: NPY002


class ActivationInitializer:
    """numpy-ml's: called, it gives the identity, which is also the default there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self) -> Any:
        return _Identity()


class _Identity:
    def __call__(self, z: Array) -> Array:
        return z

    def fn(self, z: Array) -> Array:
        return z

    def grad(self, z: Array, **kwargs: Any) -> Array:
        return np.ones_like(z)


class OptimizerInitializer:
    """numpy-ml's: called, it gives the layer's own optimizer, of which a comparison makes no use."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self) -> None:
        return None


NUMPY_ML: dict[str, Callable[..., Any]] = {
    "WeightInitializer": WeightInitializer,
    "ActivationInitializer": ActivationInitializer,
    "OptimizerInitializer": OptimizerInitializer,
}
"""What numpy-ml's layers import from `initializers`."""

BOOK: dict[str, Callable[..., Any]] = {
    "softmax": softmax,
    "cross_entropy_error": cross_entropy_error,
    "im2col": im2col,
    "col2im": col2im,
}
"""What the book's layers import from `common.functions` and `common.util`."""
