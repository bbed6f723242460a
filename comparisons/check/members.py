"""Finding, setting and following the arrays that an object holds, wherever it keeps them.

Layers keep parameters and gradients in attributes, in dictionaries, in lists, in objects of their own (`W.value`, `W.grad`), and
often the same array in several of these places. A *place* is the way to one of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from comparisons.check.calling import plain
from comparisons.check.source import MODULE
from comparisons.check.tensors import put_into, seen

Array = np.ndarray
Place = tuple[tuple[str, Any], ...]
"""Steps from the object to the array: `("attribute", name)` or `("item", key or index)`."""
DEPTH = 4
_GRADIENT = re.compile(r"grad|nabla|deriv|delta|jacob|^d_|^d[A-Z]|^(d|g)(w|b|x|z|a|u|v|k|f)\d*$|"
                       r"^d(weights?|bias(es)?|kernels?|filters?|gamma|beta|inputs?|values|out|wx|wh|params?|theta|embed\w*)$")  # fmt: skip
_MEMORY = re.compile(
    r"mom(ent)?|veloc|cache|adam|optim|_opt|opt_|prev|last|old|history|accum|^[vms]_?(w|b|dw|db)$|^(sq|avg)"
)
_WITH_ARRAYS = ("numpy", "torch", "tensorflow", "keras", "jax", "cupy", "autograd")

_apart: frozenset[int] = frozenset()


@contextmanager
def apart(things: Iterable[Any]) -> Iterator[None]:
    """While it lasts, none of these objects is looked into on the way from another one: layers that are linked to each other."""
    global _apart
    before, _apart = _apart, frozenset(id(thing) for thing in things)
    try:
        yield
    finally:
        _apart = before


def places(thing: Any) -> dict[Place, Array]:
    """Every array of floating-point numbers in an object, by place; one that is held twice comes twice.

    In code that knows no NumPy, lists of numbers, and of rows of numbers, are its arrays.
    """
    return dict(_walk(thing, (), DEPTH, set(_apart - {id(thing)}), lists=_has_lists(thing)))


def _has_lists(thing: Any) -> bool:
    """Whether lists of numbers are the arrays of an object."""
    kind: Any = type(thing)
    return _of_lists(kind)


@functools.cache
def _of_lists(cls: type) -> bool:
    """Whether a class stands in a file that takes nothing from NumPy or another library with arrays."""
    f = next((f for f in vars(cls).values() if isinstance(f, FunctionType)), None)
    if f is None or cls.__module__ != MODULE:
        return False
    homes = (
        str(getattr(v, "__name__" if isinstance(v, ModuleType) else "__module__", "")) for v in f.__globals__.values()
    )
    ufuncs = any(isinstance(v, np.ufunc) for v in f.__globals__.values())
    return not ufuncs and not any(home.partition(".")[0] in _WITH_ARRAYS for home in homes)


def listed(thing: Any) -> Array | None:
    """A list of numbers, or of rows of numbers, as an array; None if it is anything else, or has whole numbers alone."""
    if not isinstance(thing, list) or not thing or not isinstance(thing[0], float | int | list):
        return None
    try:
        a = np.array(thing)
    except ValueError:
        return None
    return a if a.dtype.kind == "f" else None


def numbers(thing: Any) -> dict[Place, Array]:
    """Every single floating-point number in an object that is no array, by place: what is left of a gradient summed too far."""
    found = _walk(thing, (), DEPTH, set(_apart - {id(thing)}), lone=True)
    return {place: np.asarray(a) for place, a in found if not isinstance(a, np.ndarray)}


def _walk(
    thing: Any, at: Place, depth: int, inside: set[int], lone: bool = False, lists: bool = False
) -> Iterator[tuple[Place, Array]]:
    thing = seen(thing)
    if lists and (a := listed(thing)) is not None:
        thing = a
    if isinstance(thing, np.ndarray):
        if thing.dtype.kind == "f":
            yield at, thing
        return
    if isinstance(thing, float | np.floating):
        if lone:
            yield at, thing  # type: ignore[misc]  # made an array by who asks for it
        return
    if depth == 0 or id(thing) in inside:
        return
    inside = inside | {id(thing)}
    for step, value in _members(thing):
        yield from _walk(value, (*at, step), depth - 1, inside, lone, lists)


def _members(thing: Any) -> Iterator[tuple[tuple[str, Any], Any]]:
    if isinstance(thing, dict):
        yield from ((("item", key), value) for key, value in list(thing.items()) if isinstance(key, str | int))
    elif isinstance(thing, list | tuple):
        yield from ((("item", i), value) for i, value in enumerate(thing[:32]))
    elif _own_object(thing):
        yield from ((("attribute", name), value) for name, value in list(vars(thing).items()))


def _own_object(thing: Any) -> bool:
    return hasattr(thing, "__dict__") and not isinstance(thing, type) and not callable(getattr(thing, "__code__", None))


def get(thing: Any, place: Place) -> Any:
    """What is at a place; None if there is nothing."""
    lists = _has_lists(thing)
    for sort, name in place:
        try:
            thing = getattr(thing, name) if sort == "attribute" else thing[name]
        except (AttributeError, KeyError, IndexError, TypeError):
            return None
    if lists and (a := listed(thing)) is not None:
        return a
    return seen(thing)


def put(thing: Any, place: Place, value: Array) -> None:
    """Set an array, in all the places where the object holds the same one."""
    old = get(thing, place)
    same = [p for p, a in places(thing).items() if a is old] or [place]
    for p in same:
        owner, (sort, name) = get(thing, p[:-1]), p[-1]
        there = getattr(owner, name, None) if sort == "attribute" else owner[name]
        if put_into(there, value):
            continue
        if isinstance(there, list) and _has_lists(thing) and listed(there) is not None:
            there[:] = value.tolist()  # who else holds the list sees it
            continue
        if sort == "attribute":
            setattr(owner, name, value)
        elif isinstance(owner, tuple):
            owner[name][...] = value
        else:
            owner[name] = value


def label(place: Place) -> str:
    """A place as it is written: `gradients['W']`."""
    text = ""
    for sort, name in place:
        text += f".{name}" if sort == "attribute" else f"[{name!r}]"
    return text.lstrip(".")


def _words(place: Place) -> list[str]:
    return [name for _, name in place if isinstance(name, str)]


def is_gradient(place: Place) -> bool:
    """Whether the names on the way say that it is a gradient."""
    return any(_GRADIENT.search(word) or _GRADIENT.search(word.lower().strip("_")) for word in _words(place))


def is_memory(place: Place) -> bool:
    """Whether the names on the way say that it is kept for something else, such as an optimizer's moments."""
    return any(_MEMORY.search(word.lower()) for word in _words(place))


def speaks_of(place: Place, names: tuple[str, ...]) -> bool:
    """Whether the last name on the way is one of these, a gradient's prefix or suffix aside."""
    words = _words(place)
    if not words:
        return False
    told = {plain(w) for w in words[-2:]}
    bare = {_bare(w) for w in told}
    return bool((told | bare) & set(names))


def _bare(word: str) -> str:
    for affix in ("gradients", "gradient", "grads", "grad", "delta", "deriv", "nabla", "dl", "d"):
        if word.startswith(affix) and len(word) > len(affix):
            return word[len(affix) :].removeprefix("wrt").removeprefix("d")
        if affix not in ("d", "dl") and word.endswith(affix) and len(word) > len(affix):
            return word[: -len(affix)].removeprefix("d")
    return word


def snapshot(thing: Any) -> dict[Place, tuple[int, Array]]:
    """Identity and copy of every array, to see later what has changed."""
    return {place: (id(a), a.copy()) for place, a in places(thing).items()}


def changed(thing: Any, before: dict[Place, tuple[int, Array]]) -> dict[Place, Array]:
    """Arrays that are new, replaced or changed in place since a snapshot."""
    found = {}
    for place, a in places(thing).items():
        if place in before:
            _, copy = before[place]
            if copy.shape == a.shape and np.array_equal(copy, a, equal_nan=True):
                continue
        found[place] = a
    return found
