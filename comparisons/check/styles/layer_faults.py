"""Which layer of a network is wrong by itself, where the gradients of those before it are wrong: told once, by its name."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from comparisons.check.calling import tree
from comparisons.check.differences import ratio
from comparisons.check.locating import Spot
from comparisons.check.styles.container_blocks import Call
from comparisons.check.styles.unknown_layers import NEAR, UnknownLayer
from comparisons.check.unit import UserFile


def faults(file: UserFile, layers: list[tuple[Any, str, str]], calls: list[Call]) -> Iterator[tuple[str, Spot | None]]:
    """Layers whose backward pass is not that of their own forward pass, from the last one to the first.

    Parameters
    ----------
    file : UserFile
    layers : list of (object, str, str)
        With the names of their two passes.
    calls : list of Call
        As they were seen; `block` counts the layers.
    """
    seen = set()
    for call in reversed([c for c in calls if not c.backward]):
        layer, forward, backward = layers[call.block]
        cls = type(layer)
        back = next((c for c in calls if c.backward and c.block == call.block), None)
        if cls in seen or call.given is None or back is None or _hands_on(back):
            continue
        seen.add(cls)
        try:
            own = UnknownLayer(file, cls, forward, backward, copy.deepcopy(layer), call.given.shape)
            wrong = own.settle() and not own.agrees and not _hands_back_well(own)
        except Exception:  # a strange layer hides nothing else
            continue
        if wrong:
            yield cls.__name__, _returns(file, cls, backward)


def _hands_back_well(layer: UnknownLayer) -> bool:
    """Whether the gradient of a layer's input is right, whatever those of its parameters are."""
    found = next(iter(layer.derived(np.random.default_rng(23))))
    scale = ratio(found)
    return scale is not None and abs(scale - 1) < NEAR


def _hands_on(call: Call) -> bool:
    """Whether a backward pass returns what it is given, as one that stands together with its loss."""
    return call.given is not None and call.result is not None and np.array_equal(call.given, call.result)


def _returns(file: UserFile, cls: type, name: str) -> Spot | None:
    """The line that makes what a method returns."""
    f = getattr(cls, name)
    body, code = tree(f), getattr(f, "__code__", None)
    if body is None or code is None or code.co_filename != file.path:
        return None
    last = next((n for n in reversed(list(ast.walk(body))) if isinstance(n, ast.Return) and n.value is not None), None)
    if last is None:
        return None
    at: ast.stmt = last
    if isinstance(last.value, ast.Name):
        own = [n for n in ast.walk(body) if isinstance(n, ast.Assign) and _sets(n, last.value.id)]
        at = max(own, key=lambda n: n.lineno, default=last)
    return Spot(f"{cls.__name__}.{name}", code.co_firstlineno + at.lineno - 1, ast.unparse(at).splitlines()[0])


def _sets(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for t in statement.targets for n in ast.walk(t))
