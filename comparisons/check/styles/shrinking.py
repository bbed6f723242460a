"""Sizes that are written into code, such as 784 and 100, made small, so that finite differences of a whole network can be taken.

The sizes of the layers are known from the arrays that the code has made. Wherever its constants are one of them, products that Python
folds included (`28 * 28`), a small number takes their place. Numbers up to `KEPT` stay: classes, counts, digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from comparisons.check.unit import UserFile

Array = np.ndarray
KEPT = 12
LARGEST = 400
"""Parameters from which finite differences would take too long."""
NEW = (7, 5, 6, 8, 9, 11)


def too_large(parameters: dict[str, Array]) -> bool:
    """Whether finite differences with respect to all parameters would take too long."""
    return sum(a.size for a in parameters.values()) > LARGEST


def smaller_sizes(arrays: Iterable[Array]) -> dict[int, int]:
    """A small size for each large one, all different."""
    large = dict.fromkeys(n for a in arrays for n in a.shape if n > KEPT)
    small = [n for n in NEW if not any(n in a.shape for a in arrays)]
    return dict(zip(large, small, strict=False)) if len(large) <= len(small) else {}


def rewritten(code: CodeType, sizes: dict[int, int]) -> CodeType:
    """Code with other numbers for its constants, in the functions inside it too."""
    return code.replace(co_consts=tuple(_constant(c, sizes) for c in code.co_consts))


def _constant(value: Any, sizes: dict[int, int]) -> Any:
    if isinstance(value, CodeType):
        return rewritten(value, sizes)
    if isinstance(value, tuple):
        return tuple(_constant(v, sizes) for v in value)
    return sizes.get(value, value) if type(value) is int else value


def rewrite_functions(file: UserFile, sizes: dict[int, int]) -> None:
    """Let all functions and methods of a file have the small sizes, as defaults too, and its global numbers."""
    for f in _functions(file):
        f.__code__ = rewritten(f.__code__, sizes)
        f.__defaults__ = _constant(f.__defaults__, sizes)
        if f.__kwdefaults__:
            f.__kwdefaults__ = {n: _constant(v, sizes) for n, v in f.__kwdefaults__.items()}
    for name in file.own:
        value = file.namespace.get(name)
        if type(value) is int:
            file.namespace[name] = sizes.get(value, value)
        elif isinstance(value, list) and all(type(v) is int for v in value):
            file.namespace[name] = [sizes.get(v, v) for v in value]


def _functions(file: UserFile) -> Iterable[FunctionType]:
    yield from (f for f in file.functions().values() if isinstance(f, FunctionType))
    for cls in file.classes().values():
        for f in vars(cls).values():
            inner = getattr(f, "__func__", f)
            if isinstance(inner, FunctionType):
                yield inner
