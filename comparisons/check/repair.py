"""What would make a gradient right: small edits of the code that is wrong, each tried and judged by the reference.

Where no known mistake explains a difference, the functions that take part are changed in one place at a time, by `statement_edits`. An
edit that brings every wrong tensor to the reference, and leaves the others, is what the author meant, or as good; it is told with its
line. The file itself stays as it is.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.source import syntax
from comparisons.check.statement_edits import (
    about_gradients,
    added,
    added_paths,
    added_products,
    compared,
    halved,
    masks_of,
    moved_axes,
    multiplied,
    names_of,
    operands,
    operators,
    shifted,
    shown,
    slopes,
    softmaxes,
    squares,
    swapped,
    transposed,
    undrawn,
)
from comparisons.check.unit import UserFile

Array = np.ndarray


NEAR = 1e-6
"""Relative difference up to which an edit has mended a tensor: finite differences are no more exact."""


SECONDS = 12.0
"""Time that a search may take, of the processor: how busy the machine is must not decide."""


_BACKWARD = re.compile(r"back|bwd|bprop|grad|deriv|prime", re.IGNORECASE)


_HANDED = re.compile(r"next|prev|back|carry|last")


@dataclass(frozen=True)
class Repair:
    """An edit that makes everything agree.

    Attributes
    ----------
    function : str
        In which it stands.
    line : int
    old, new : str
        The statement as it is, and as it agrees.
    """

    function: str
    line: int
    old: str
    new: str

    @property
    def told(self) -> str:
        """In words."""
        return f"line {self.line}: `{self.old}` agrees as `{self.new}`"


def repair(
    file: UserFile, members: tuple[str, ...], attempt: Callable[[], dict[str, Array]], wanted: dict[str, Array]
) -> Repair | None:
    """Look for an edit.

    Parameters
    ----------
    file : UserFile
    members : tuple of str
        Functions, classes or methods of the unit; what they call in the file is searched too.
    attempt : callable
        Runs the unit; its tensors by name.
    wanted : dict of str to ndarray
        The reference of all tensors, right and wrong.

    Returns
    -------
    Repair or None
    """
    tree = syntax(file)
    names = _reached(tree, {m.partition(".")[0] for m in members})
    end = time.thread_time() + SECONDS
    right, wrong = _told_apart(attempt, wanted)
    places = [p for d in tree.body if getattr(d, "name", None) in names for p in _places(d, right)]
    # Where one gradient alone is wrong, it is its own statement; where several are, what they share, from the last on.
    places.sort(key=lambda p: (p.own(wrong) != (len(wrong) == 1), -p.statement.lineno))
    for edit in file.edits:  # what has mended something else
        for place in places:
            same = (place.statement.lineno, type(place.statement)) == (edit.lineno, type(edit))
            if same and _agrees_with(file, place, edit, attempt, wanted):
                return Repair(place.name, place.statement.lineno, shown(place.statement), shown(edit))
    # What is handed on to the step before is forgotten most easily.
    handed = [p for p in places if _carries(p.statement) or any(_HANDED.search(t) for t in _targets(p.statement))]
    itself = [p for p in places if _adds_itself(p.statement)]
    rounds = [
        (undrawn, places),
        (slopes, places),
        (swapped, itself),
        *((kind, handed) for kind in (swapped, multiplied, transposed, added_products)),
    ]
    usual = (
        compared,
        transposed,
        moved_axes,
        operators,
        halved,
        softmaxes,
        swapped,
        shifted,
        squares,
        added,
        added_products,
        added_paths,
    )
    rounds += [(kind, places) for kind in usual]
    helpers = [p for d in tree.body if getattr(d, "name", None) in names for p in _places(d, right, helping=True)]
    rounds += [(kind, helpers) for kind in (squares, swapped, operators)]
    for kind, some in [(None, places), *rounds]:
        for place in some:
            for edited in kind(place.statement, place.names) if kind else _indented(place):
                if time.thread_time() > end:
                    return None
                if _agrees_with(file, place, edited, attempt, wanted):
                    file.edits.append(ast.copy_location(edited, place.statement))
                    return Repair(place.name, place.statement.lineno, shown(place.statement), shown(edited))
    return None


def _adds_itself(statement: ast.stmt) -> bool:
    """Whether a statement adds a multiple of something to itself."""
    return isinstance(statement, ast.AugAssign) and ast.unparse(statement.target) in map(
        ast.unparse, operands(statement)
    )


def _carries(statement: ast.stmt) -> bool:
    """Whether something is made anew of itself: what goes from step to step."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    name = statement.targets[0].id
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(statement.value))


def _told_apart(attempt: Callable[[], dict[str, Array]], wanted: dict[str, Array]) -> tuple[set[str], set[str]]:
    """Leaves of the tensors that are right as things are, and of the others."""
    try:
        got = attempt()
    except Exception:
        return set(), set()
    right = {n for n, r in wanted.items() if n in got and _close(got[n], r)}
    return {_leaf(n) for n in right}, {_leaf(n) for n in wanted if n not in right}


def _leaf(tensor: str) -> str:
    last = re.findall(r"\w+", tensor.rpartition(".")[2] or tensor)
    return last[-1].lower() if last else ""


@dataclass(frozen=True)
class _Place:
    """A statement that may be edited.

    Attributes
    ----------
    definition : ast.FunctionDef or ast.ClassDef
        Of the file.
    function : ast.FunctionDef
        The definition itself, or a method of it.
    statement : ast.stmt
    siblings : (list of ast.stmt, int)
        The block that it stands in, and where.
    names : list of str
        What may stand in it.
    """

    definition: ast.FunctionDef | ast.ClassDef
    function: ast.FunctionDef
    statement: ast.stmt
    siblings: tuple[list[ast.stmt], int]
    names: list[str]

    @property
    def name(self) -> str:
        """The function, with the class of a method."""
        of = f"{self.definition.name}." if isinstance(self.definition, ast.ClassDef) else ""
        return of + self.function.name

    def own(self, leaves: set[str]) -> bool:
        """Whether it makes one of these gradients, not something on the way."""
        return bool(_targets(self.statement) & {form for leaf in leaves for form in (f"d{leaf}", f"grad{leaf}", leaf)})


def _targets(statement: ast.stmt) -> set[str]:
    """Names that are assigned to, plainly; of a subscript its text."""
    found = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    words = [w for t in found if t is not None for w in re.findall(r"\w+", ast.unparse(t))[-1:]]
    return {w.lower().replace("_", "") for w in words}


def _places(definition: ast.stmt, right: set[str], helping: bool = False) -> Iterator[_Place]:
    """Statements about gradients, but those that make one that is right; or what helps them in a backward function."""
    body = definition.body if isinstance(definition, ast.ClassDef) else [definition]
    for function in (f for f in body if isinstance(f, ast.FunctionDef)):
        if helping and not _BACKWARD.search(function.name):
            continue
        names = list(dict.fromkeys([*names_of(function), *masks_of(definition)]))
        for node in ast.walk(function):
            block = getattr(node, "body", [])
            for i, statement in enumerate(block if isinstance(block, list) else []):
                if (
                    isinstance(statement, ast.Assign | ast.AugAssign | ast.Return)
                    and about_gradients(statement) != helping
                ):
                    place = _Place(definition, function, statement, (block, i), names)  # type: ignore[arg-type]
                    if not place.own({leaf.replace("_", "") for leaf in right}):
                        yield place


def _reached(tree: ast.Module, names: set[str]) -> set[str]:
    """The names, and of the file's definitions what they use."""
    known = {d.name: d for d in tree.body if isinstance(d, ast.FunctionDef | ast.ClassDef)}
    found: set[str] = set()
    waiting = [n for n in names if n in known]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [n.id for n in ast.walk(known[name]) if isinstance(n, ast.Name) and n.id in known]
    return found


def _agrees_with(
    file: UserFile, place: _Place, edited: ast.stmt, attempt: Callable[[], dict[str, Array]], wanted: dict[str, Array]
) -> bool:
    """Whether all is right while the function runs with the edited statement."""
    function = _held(file, place)
    if function is None:
        return False
    kept = function.__code__
    siblings, i = place.siblings
    siblings[i] = edited
    file.edited = place.function
    try:
        function.__code__ = _code(place, file)
        got = attempt()
    except Exception:  # what the edit makes of the code
        return False
    finally:
        siblings[i] = place.statement
        function.__code__ = kept
        file.edited = None
    return all(n in got and _close(got[n], r) for n, r in wanted.items())


def _held(file: UserFile, place: _Place) -> FunctionType | None:
    """The function object itself, which whoever found it may have kept."""
    owner = file.namespace.get(place.definition.name)
    if isinstance(place.definition, ast.ClassDef):
        owner = vars(owner).get(place.function.name) if isinstance(owner, type) else None
        owner = owner.__func__ if isinstance(owner, staticmethod | classmethod) else owner
    return owner if isinstance(owner, FunctionType) else None


def _code(place: _Place, file: UserFile) -> CodeType:
    alone: ast.stmt = place.function
    if isinstance(place.definition, ast.ClassDef):
        # Inside a class, for names with two underscores and for super().
        alone = ast.ClassDef(place.definition.name, [], [], [place.function], [])
    module = ast.Module([ast.copy_location(alone, place.function)], [])
    made: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(module), file.path, "exec"), dict(file.namespace), made)
    found = made[alone.name]  # type: ignore[attr-defined]
    found = vars(found)[place.function.name] if isinstance(found, type) else found
    return getattr(found, "__func__", found).__code__


def _close(a: Array, b: Array) -> bool:
    a = np.asarray(a)
    if a.shape != b.shape:
        return False
    return bool(np.abs(a - b).max(initial=0) <= NEAR * max(float(np.abs(b).max(initial=0)), 1e-300))


class Replayed:
    """Finite differences that are not computed again: the forward pass stays, so that later runs get the same answers in turn.

    Parameters
    ----------
    derived : sequence of Derived
        What was found before.
    """

    def __init__(self, derived: Sequence[Derived]) -> None:
        asked = {id(of): of for d in derived for of in [d.whole or d]}
        self._answers = [(d.reference, d.error, d.kinks) for d in asked.values()]
        self._next = 0

    def rewind(self) -> None:
        """From the first on."""
        self._next = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Stand in for the function in every style that has it."""
        with ExitStack() as stack:
            for module in [m for n, m in list(sys.modules.items()) if n.startswith("comparisons.check.styles.")]:
                if getattr(module, "gradient", None) is gradient:
                    stack.enter_context(patch.object(module, "gradient", self._replay))
            yield

    def _replay(self, *_: Any) -> tuple[Array, float, Array]:
        self._next += 1
        return self._answers[self._next - 1]


def _replaced(definition: ast.stmt, statement: ast.stmt, edited: ast.stmt) -> ast.stmt:
    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return edited if node is statement else self.generic_visit(node)

    memo: dict[int, Any] = {id(statement): statement}
    return Put().visit(copy.deepcopy(definition, memo))


def _indented(place: _Place) -> Iterator[ast.stmt]:
    """The statement under the condition that stands before it: a slip of the indentation."""
    siblings, i = place.siblings
    if i and isinstance(before := siblings[i - 1], ast.If) and not before.orelse:
        inside = ast.If(copy.deepcopy(before.test), [place.statement], [])
        yield ast.fix_missing_locations(ast.copy_location(inside, place.statement))
