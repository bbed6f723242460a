"""A softmax that divides by the sum over all it is given: right for one example, and wrong for a batch.

`np.exp(z) / np.sum(np.exp(z))`: the probabilities of all examples together add up to 1. Nothing shows with one example.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.differences import Derived
from comparisons.check.locating import Spot, statement
from comparisons.check.source import syntax
from comparisons.check.styles.costs import Objective
from comparisons.check.styles.network_differences import right
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
CAUSE = "the softmax divides by the sum over the whole batch: the probabilities of all examples together add up to 1"
NEAR = 1e-9
_NAMED = re.compile(r"_*\w*soft_?max\w*", re.IGNORECASE)
_COUNT = r"(m|n|N|M|B|batch_?size|num_\w+|n_\w+|len\([^()]*\)|[\w.]+\.shape\[-?\d\]|[\w.]+\.size)\b"
_DIVIDED = re.compile(rf"/ ?(float\(|int\()?{_COUNT}|\b{_COUNT} ?\*\* ?-1")


def divides_by_examples(file: UserFile, members: Iterable[str]) -> bool:
    """Whether code divides by the number of examples, so that it is meant for several."""
    return any(_DIVIDED.search(source_of(_resolved(file, m))) for m in members)


def _resolved(file: UserFile, member: str) -> Any:
    owner, _, name = member.partition(".")
    thing = file.namespace.get(owner)
    return vars(thing).get(name) if name and isinstance(thing, type) else thing


def shared(rows: Array, each: list[Array]) -> bool:
    """Whether outputs of a batch, in rows, are those of its examples but for one sum that they share."""
    if rows.ndim != 2 or len(rows) != len(each) or abs(rows.sum() - 1) > NEAR or (rows <= 0).any():
        return False
    return all(
        p.size == r.size and np.allclose(r / r.sum(), p.ravel(), rtol=NEAR, atol=0)
        for r, p in zip(rows, each, strict=True)
    )


def spot(file: UserFile, members: Iterable[str]) -> Spot | None:
    """The line that sums without an axis: of a softmax of the file, else of some of its functions."""
    names = {m.partition(".")[0] for m in members}
    functions = [
        (f, f"{owner}.{f.name}" if owner else f.name, owner or f.name) for owner, f in _functions(syntax(file))
    ]
    named = [(f, called) for f, called, _ in functions if _NAMED.fullmatch(f.name)]
    for f, called in [*named, *((f, called) for f, called, top in functions if top in names)]:
        for node in ast.walk(f):
            if isinstance(node, ast.Call) and _sums_all(node):
                return Spot(called, node.lineno, statement(file.path, node.lineno))
    return None


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            yield from ((node.name, n) for n in node.body if isinstance(n, ast.FunctionDef))


def _sums_all(call: ast.Call) -> bool:
    """Whether a call sums over all axes."""
    text = ast.unparse(call.func)
    whole = len(call.args) == (0 if text.endswith(".sum") and not text.startswith(("np.", "numpy.")) else 1)
    return text.split(".")[-1] == "sum" and whole and not any(k.arg == "axis" for k in call.keywords)


def explained(file: UserFile, members: Iterable[str], derive: Callable[[], list[Derived]]) -> Spot | None:
    """Where the softmax stands, if all that `derive` gives agrees with one that sums over each example alone."""
    for axis in (0, 1):
        with each_alone(file, axis) as changed:
            if not changed:
                return None
            try:
                found = derive()
            except (UserError, ValueError):
                continue
        if found and all(right(d) for d in found):
            return spot(file, members)
    return None


def settled(file: UserFile, find: Callable[[], Iterable[Objective]]) -> Iterator[Objective]:
    """Costs with their gradients, filled as they agree once the softmax sums over each example alone, where they do not agree as they are."""
    with each_alone(file, 0) as changed:
        pass
    if not changed:
        yield from find()  # nothing is differentiated twice in a file without such a softmax
        return
    for found in find():
        yield next((other for other in _otherwise(file, find, found)), found) if _disagrees(found) else found


def _otherwise(file: UserFile, find: Callable[[], Iterable[Objective]], found: Objective) -> Iterator[Objective]:
    for axis in (0, 1):
        with each_alone(file, axis):
            again = [o for o in find() if o.members == found.members and not _disagrees(o)]
        yield from again


def _disagrees(found: Objective) -> bool:
    try:
        return not all(right(d) for d in found.derived(np.random.default_rng(23)))
    except UserError:
        return False


@contextmanager
def each_alone(file: UserFile, axis: int) -> Iterator[int]:
    """Every softmax of the file that sums over all, for a while applied to each example; examples stand along the axis."""
    before: list[tuple[Any, str, Any]] = []
    for home in (file.namespace, *file.classes().values()):
        for name, f in list((home if isinstance(home, dict) else vars(home)).items()):
            bare = getattr(f, "__func__", f)
            own = _NAMED.fullmatch(name) and callable(bare) and not isinstance(f, type) and name in _own(file, home)
            if own and _over_all(bare, home):
                before.append((home, name, f))
    try:
        for home, name, f in before:
            static = isinstance(f, staticmethod)
            changed = _applied(getattr(f, "__func__", f), axis)
            _put(home, name, staticmethod(changed) if static else changed)
        yield len(before)
    finally:
        for home, name, f in before:
            _put(home, name, f)


def _over_all(f: Callable[..., Any], home: Any) -> bool:
    """Whether what a softmax gives for two examples adds up to 1."""
    z = np.array([[0.1, 0.7, -0.3], [0.9, -0.2, 0.4]])
    for more in ((), () if isinstance(home, dict) else (object.__new__(home),)):
        try:
            p = f(*more, z.copy())
        except Exception:  # the user's code may raise anything
            continue
        if isinstance(p, np.ndarray) and p.shape == z.shape:
            return abs(p.sum() - 1) < NEAR
    return False


def _own(file: UserFile, home: Any) -> Iterable[str]:
    return file.own if isinstance(home, dict) else vars(home)


def _put(home: Any, name: str, value: Any) -> None:
    if isinstance(home, dict):
        home[name] = value
    else:
        setattr(home, name, value)


def _applied(f: Callable[..., Any], axis: int) -> Callable[..., Any]:
    def each(*args: Any, **more: Any) -> Any:
        at = next((i for i, a in enumerate(args) if isinstance(a, np.ndarray)), None)
        if at is None or args[at].ndim != 2 or args[at].shape[axis] == 1:
            return f(*args, **more)
        parts = [f(*args[:at], z, *args[at + 1 :], **more) for z in np.moveaxis(args[at], axis, 0)]
        return np.stack(parts, axis)

    return each
