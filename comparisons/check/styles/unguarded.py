"""The small numbers against log 0 and division by 0 taken out of all code that a cost runs through."""

from __future__ import annotations

from collections.abc import Iterable
from types import CodeType, FunctionType

from comparisons.check.homes import TINY, without_guards
from comparisons.check.unit import UserFile


def unguard(file: UserFile, owner: str, names: Iterable[str]) -> list[float]:
    """Set tiny numbers to 0 in functions, and in those of the file that they call, for good.

    Parameters
    ----------
    file : UserFile
    owner : str
        The class whose methods they are; empty at the top level.
    names : iterable of str

    Returns
    -------
    list of float
        What they were.
    """
    methods = vars(file.namespace[owner]) if owner else {}
    waiting, seen = list(names), set[str]()
    found: list[float] = []
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for f in (methods.get(name), file.namespace.get(name)):
            inner = getattr(f, "__func__", f)
            if isinstance(inner, FunctionType) and inner.__code__.co_filename == file.path:
                waiting += inner.__code__.co_names
                found += without_guards(file, inner)
    return sorted(set(found))


def emptied(code: CodeType) -> tuple[CodeType, list[float]]:
    """The same for code that stands alone."""
    tiny = [c for c in code.co_consts if isinstance(c, float) and 0 < abs(c) <= TINY]
    return code.replace(co_consts=tuple(0.0 if isinstance(c, float) and c in tiny else c for c in code.co_consts)), tiny


def told(guards: list[float]) -> list[str]:
    """In words."""
    return [f"{', '.join(f'{g:g}' for g in guards)} against log 0 or division by 0 is taken as 0"] if guards else []
