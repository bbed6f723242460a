"""Engines that hand gradients over in another way than by an attribute which a method sets.

`get_gradients(loss)` returns a dictionary of them, or a list for the values asked for; `backward(loss)` is a function of the file; or a value
is asked for its gradient, `x.grad()`, and asks those that were computed from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from comparisons.check.styles.network_arguments import required
from comparisons.check.unit import UserFile

_NAME = re.compile(
    r"_*((get|compute|calc|calculate|find|collect|eval|evaluate)_?)?(all_?)?(grad(ient)?s?|derivatives?|partials?|adjoints?)(_?(of|wrt|dict|map|for))?|"
    r"((run|do|perform|start)_)?(back_?prop(agat(e|ion))?|backwards?(_pass)?|reverse(_mode)?(_\w+)?|auto_?diff(erentiate)?|differentiate)",
    re.IGNORECASE,
)
_SEED = re.compile(r"_*\w*(grad|adj|deriv|bar)\w*", re.IGNORECASE)
_ARITHMETIC = ("add", "mul", "multiply", "plus", "times", "sub")


@dataclass(frozen=True)
class Way:
    """How gradients are asked for.

    Attributes
    ----------
    name : str
        Of the function, or of the method.
    method : bool
    kind : {"returned", "asked", "asked one", "set", "pulled"}
        A dictionary comes back; gradients of the values that are handed over, or of one; an attribute is set; every value is asked.
    seed : str
        Attribute of the output which is set to its own derivative.
    """

    name: str
    method: bool
    kind: str
    seed: str = ""

    def gradients(self, namespace: Mapping[str, Any], out: Any, leaves: list[Any], grad: str) -> list[Any]:
        """Gradients of a node by the values, None where there is none."""

        def ask(node: Any, *more: Any) -> Any:
            return getattr(node, self.name)(*more) if self.method else namespace[self.name](node, *more)

        if self.kind == "pulled":
            setattr(out, self.seed, 1.0)
            return [ask(leaf) for leaf in leaves]
        if self.kind == "asked one":
            return [ask(out, leaf) for leaf in leaves]
        returned = ask(out, list(leaves)) if self.kind == "asked" else ask(out)
        if self.kind == "set":
            return [getattr(leaf, grad, None) for leaf in leaves]
        if isinstance(returned, Mapping):
            return [_of(returned, leaf) for leaf in leaves]
        if self.kind == "asked" and isinstance(returned, list | tuple) and len(returned) == len(leaves):
            return list(returned)
        raise TypeError("no gradients come back")


def _of(gradients: Mapping[Any, Any], leaf: Any) -> Any:
    """The gradient under a value itself, or under its number; looked for without making entries."""
    return next((g for key, g in gradients.items() if key is leaf or (type(key) is int and key == id(leaf))), None)


def ways(file: UserFile, cls: type) -> Iterator[Way]:
    """Functions of the file and methods of the class that may go back; none is run."""
    if not _computes(file, cls):
        return
    for name, f in file.functions().items():
        if _NAME.fullmatch(name):
            yield from _kinds(name, f, False)
    for name, f in list(vars(cls).items()):
        if isinstance(f, FunctionType) and _NAME.fullmatch(name):
            yield from _kinds(name, f, True)


def _kinds(name: str, f: Callable[..., Any], method: bool) -> Iterator[Way]:
    asked = len(required(f)) - 1
    if asked == 0:
        for kind in ("returned", "set"):
            yield Way(name, method, kind)
        if method:
            yield Way(name, method, "pulled")
    if asked == 1:
        for kind in ("asked", "asked one"):
            yield Way(name, method, kind)


def seeds(way: Way, leaf: Any) -> Iterator[Way]:
    """The way itself, or, where a value is asked, one for every attribute that may hold the output's own derivative."""
    if way.kind != "pulled":
        yield way
        return
    for name in vars(leaf) if hasattr(leaf, "__dict__") else ():
        if _SEED.fullmatch(name):
            yield Way(way.name, way.method, way.kind, name)


def _computes(file: UserFile, cls: type) -> bool:
    """Whether a class has operators, or functions of the file make objects of it."""
    if any(o in vars(cls) for o in ("__add__", "__mul__")):
        return True
    made = [f for n, f in file.functions().items() if n.lower().strip("_") in _ARITHMETIC]
    return any(isinstance(f, FunctionType) and cls.__name__ in f.__code__.co_names for f in made)
