"""What an optimizer counts and keeps: who raises its step counter, how often, and what is lost because an argument is bound anew."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from comparisons.check.homes import source_tree
from comparisons.check.styles.optimizer_worlds import AFTER, BEFORE
from comparisons.check.unit import UserFile

COUNTER = re.compile(r"_*(t|ts|cur_?step|step\w*|n_?steps?|iter\w*|num_?iter\w*|n_?iter\w*|time_?step|counter?|updates?|n_?updates|k|i)", re.IGNORECASE)  # fmt: skip
_GIVEN = re.compile(
    r"(param|weight|w|p|x|theta)s?\w*|\w*grad\w*|d[wb]?|g|lr|learning_rate|t|step|iteration", re.IGNORECASE
)
_PARAMETER = re.compile(r"(param(eter)?|weights?|bias(es)?|theta|var(iable)?|w|b|p)s?", re.IGNORECASE)
EACH = "the step counter is raised for every parameter, not once a step: in the first step the first parameter has t = 1, the second t = 2"


@dataclass(frozen=True)
class Place:
    """A statement of a method.

    Attributes
    ----------
    function : str
        With its class.
    line : int
    name : str
        What the statement speaks of.
    """

    function: str
    line: int
    name: str


def _methods(file: UserFile, cls: type) -> dict[str, tuple[str, ast.FunctionDef]]:
    """The methods of a class and of its bases in the file, each with the class in which it stands."""
    found: dict[str, tuple[str, ast.FunctionDef]] = {}
    tree = source_tree(file)
    classes = {c.name: c for c in (tree.body if tree else ()) if isinstance(c, ast.ClassDef)}
    for base in cls.__mro__[:-1]:
        for node in classes[base.__name__].body if base.__name__ in classes else ():
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, (base.__name__, node))
    return found


def _called(f: ast.AST, names: dict[str, tuple[str, ast.FunctionDef]]) -> set[str]:
    return {n.attr for n in ast.walk(f) if isinstance(n, ast.Attribute) and n.attr in names and _own(n)}


def _own(node: ast.AST) -> bool:
    """Whether it is an attribute of the object itself."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _reached(methods: dict[str, tuple[str, ast.FunctionDef]], start: str) -> list[str]:
    """The step and the methods that it comes to, in order."""
    found, waiting = [start], [start]
    while waiting:
        new = _called(methods[waiting.pop()][1], methods) - set(found)
        found += sorted(new)
        waiting += new
    return found


def _raises(f: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Statements that add 1 to an attribute of the object."""
    for node in ast.walk(f):
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and ast.unparse(node.value) in ("1", "1.0"):
            target = node.target
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]  # type: ignore[assignment]
            if not re.fullmatch(rf"{re.escape(ast.unparse(target))} \+ 1(\.0)?", ast.unparse(node.value)):
                continue
        else:
            continue
        if _own(target) and isinstance(target, ast.Attribute) and COUNTER.fullmatch(target.attr):
            yield target.attr, node


def raised(file: UserFile, cls: type, step: str) -> Place | None:
    """Where the step raises the counter: the statement itself, or the call of the method that does."""
    methods = _methods(file, cls)
    if step not in methods:
        return None
    reached = _reached(methods, step)
    raising = {m: name for m in reached for name, _ in _raises(methods[m][1])}
    for m in reached:
        owner, f = methods[m]
        for name, statement in _raises(f):
            callers = [c for c in reached if c != m and m in _called(methods[c][1], methods)]
            only = len(f.body) - isinstance(f.body[0], ast.Expr) == 1  # it does nothing else
            if not (only and callers):
                return Place(f"{owner}.{m}", statement.lineno, name)
        for node in ast.walk(f):
            if isinstance(node, ast.Call) and _own(node.func) and getattr(node.func, "attr", "") in raising:
                return Place(f"{owner}.{m}", node.lineno, raising[getattr(node.func, "attr", "")])
    return None


def ticking(file: UserFile, cls: type, step: str) -> tuple[str, bool]:
    """A method that counts the steps and that others are to call once a step, and whether they must before it; empty if there is none."""
    methods = _methods(file, cls)
    if step not in methods:
        return "", False
    reached = _reached(methods, step)
    read = {n.attr for m in reached for n in ast.walk(methods[m][1]) if isinstance(n, ast.Attribute) and _own(n)}
    for name, (_, f) in methods.items():
        if name in (*reached, *BEFORE, *AFTER) or name.startswith("__") or len(f.args.args) != 1:
            continue
        for counter, _ in _raises(f):
            if counter in read and len(f.body) <= 3:
                text = "\n".join(ast.unparse(methods[m][1]) for m in reached)
                return name, not re.search(rf"self\.{counter} \+ 1|1 \+ self\.{counter}\b", text)
    return "", False


def rebound(file: UserFile, cls: type, step: str, parameter: bool = False) -> Place | None:
    """Where an argument, a moment or a parameter, is bound to a new array that nobody gets to see: the old one is what is kept."""
    methods = _methods(file, cls)
    for m in _reached(methods, step) if step in methods else ():
        owner, f = methods[m]
        arguments = {a.arg for a in (*f.args.args, *f.args.kwonlyargs) if a.arg != "self"}
        loops = {
            n.id for s in ast.walk(f) if isinstance(s, ast.For) for n in ast.walk(s.target) if isinstance(n, ast.Name)
        }
        kept = {f.args.kwarg.arg} if f.args.kwarg else set()
        for node in ast.walk(f):
            if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                continue
            target = node.targets[0]
            entry = isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id in kept
            name = ast.unparse(target)
            word = re.findall(r"\w+", name)[-1]
            local = isinstance(target, ast.Name) and target.id in arguments | loops
            itself = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", ast.unparse(node.value))
            fits = _PARAMETER.fullmatch(word) if parameter else not _GIVEN.fullmatch(word)
            if (entry or local) and itself and fits and not _handed_on(f, name):
                return Place(f"{owner}.{m}", node.lineno, name)
    return None


def _handed_on(f: ast.FunctionDef, name: str) -> bool:
    """Whether a function returns a value or stores it in an object or container."""
    for node in ast.walk(f):
        if isinstance(node, ast.Return) and node.value is not None and name in ast.unparse(node.value):
            return True
        if isinstance(node, ast.Assign) and ast.unparse(node.value) == name:
            return True
    return False
