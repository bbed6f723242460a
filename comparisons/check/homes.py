"""Where functions live in a file: at the top level, or in classes, as static methods or as methods that need no state."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from comparisons.check.calling import plain
from comparisons.check.unit import UserError, UserFile

TINY = 1e-5
"""Numbers up to this one in a loss guard against log 0 and division by 0."""


@dataclass(frozen=True)
class Home:
    """Functions beside each other.

    Attributes
    ----------
    owner : str
        Name of their class; empty at the top level.
    functions : dict of str to str
        Their names by `calling.plain` form.
    """

    owner: str
    functions: dict[str, str]

    def full(self, name: str) -> str:
        """A function's name as a person says it."""
        return f"{self.owner}.{name}" if self.owner else name


def homes(file: UserFile) -> Iterator[Home]:
    """The top level, then every class."""
    yield Home("", {plain(n): n for n in file.functions()})
    for owner, cls in file.classes().items():
        if inspect.isabstract(cls):
            continue  # nobody can make one
        names = [
            n
            for n in dir(cls)
            if (n[:2] != "__" or n == "__call__")
            and isinstance(_raw(cls, n), FunctionType | staticmethod | classmethod)
        ]
        own = {n if n == "__call__" else plain(n): n for n in names}
        if own:
            yield Home(owner, own)


def _raw(cls: type, name: str) -> Any:
    return inspect.getattr_static(cls, name, None)


def resolve(file: UserFile, owner: str, name: str) -> Callable[..., Any]:
    """The function itself; a method is bound to an object made without arguments, or not initialised at all.

    Raises
    ------
    UserError
        If it is not there.
    """
    try:
        if not owner:
            return file.namespace[name]
        cls = file.namespace[owner]
        if isinstance(_raw(cls, name), staticmethod | classmethod):
            return getattr(cls, name)
        return MethodType(_function(cls, name), instance(file, cls)) if _takes_self(cls, name) else _function(cls, name)
    except (KeyError, AttributeError) as error:
        raise UserError(f"{owner}.{name} is not there") from error


def _function(cls: type, name: str) -> Any:
    return _raw(cls, name)


def _takes_self(cls: type, name: str) -> bool:
    """Whether a method's first argument is the object: some write functions into a class and call them by its name."""
    code = _function(cls, name).__code__
    return code.co_argcount > 0 and code.co_varnames[0] in ("self", "this", "_", "s", "cls", "obj")


def instance(file: UserFile, cls: type) -> Any:
    """An object of a class; not initialised where that needs arguments."""
    try:
        needed = [
            p
            for p in inspect.signature(cls).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if not needed:
            return file.call(cls)
    except (TypeError, ValueError, UserError):
        pass
    return object.__new__(cls)


def line(file: UserFile, owner: str, name: str) -> int:
    """Where a function is defined."""
    if owner and name not in vars(file.namespace[owner]):
        return file.own.get(owner, 0)  # inherited
    found = _raw(file.namespace[owner], name) if owner else file.namespace.get(name)
    found = getattr(found, "__func__", found)
    code = getattr(found, "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == file.path else file.own.get(owner or name, 0)


def source_text(file: UserFile) -> str:
    """Text of the whole file."""
    return "".join(linecache.getlines(file.path))


def source_tree(file: UserFile) -> ast.Module | None:
    """Syntax tree of the whole file, training loops included; None if it has another syntax by now."""
    try:
        return ast.parse(source_text(file))
    except (SyntaxError, ValueError):
        return None


def without_guards(file: UserFile, f: Callable[..., Any]) -> list[float]:
    """Set the tiny numbers in a function's code and defaults to 0, for good.

    `log(a + 1e-8)` is a habit against log 0, no mistake, but one that shows in the eighth digit.

    Returns
    -------
    list of float
        What they were.
    """
    function = getattr(f, "__func__", f)
    if not isinstance(function, FunctionType) or function.__code__.co_filename != file.path:
        return []
    code, found = function.__code__, []

    def emptied(value: Any) -> Any:
        if isinstance(value, float) and 0 < abs(value) <= TINY:
            found.append(value)
            return 0.0
        return value

    function.__code__ = code.replace(co_consts=tuple(emptied(c) for c in code.co_consts))
    if function.__defaults__:
        function.__defaults__ = tuple(emptied(d) for d in function.__defaults__)
    for name in code.co_names:
        if name in function.__globals__ and isinstance(function.__globals__[name], float):
            function.__globals__[name] = emptied(function.__globals__[name])
    return found
