"""The part of a user's file that some of its names need, as it stands there."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import textwrap
from collections.abc import Collection, Iterable
from pathlib import Path
from types import FunctionType

from comparisons.check import source
from comparisons.check.imports import offers


class Unavailable(Exception):
    """Something that the file imports is not here; one line."""


def excerpt(path: Path, names: Iterable[str], there: Collection[str]) -> tuple[list[str], list[str]]:
    """Imports and definitions that are needed for these names, in the file's order.

    Parameters
    ----------
    path : Path
    names : iterable of str
        Global names of the file.
    there : collection of str
        Those that exist once its definitions have been run.

    Returns
    -------
    imports, definitions : list of str
        Source text of whole statements.
    """
    text = source.read(path)
    notes: list[str] = []
    tree = source.parse(path, text, notes)
    # What was turned into Python 3 has no text of its own.
    as_it_is = not notes
    statements = [piece for statement in tree.body for piece in source._pieces(statement, {}) if _ran(piece, there)]
    needed, found = set(names), set()
    while True:
        more = {i for i, s in enumerate(statements) if i not in found and defined(s) & needed}
        if not more:
            break
        found |= more
        needed |= {n.id for i in more for n in ast.walk(statements[i]) if isinstance(n, ast.Name)}
    kept = [(s, _text(text, s) if as_it_is else ast.unparse(s)) for i, s in enumerate(statements) if i in found]
    helpers: dict[str, tuple[FunctionType, str]] = {}
    for s in statements:
        if isinstance(s, ast.ImportFrom) and not _importable(path, s):
            kept = [(k, text_) for k, text_ in kept if k is not s]
            _stand_in(s, needed, helpers)
    starred = [
        ast.unparse(s)
        for s in statements
        if isinstance(s, ast.ImportFrom) and s.names[0].name == "*" and _importable(path, s)
    ]
    imports = [t for s, t in kept if isinstance(s, ast.Import | ast.ImportFrom)]
    return [*starred, *imports], [text_ for _, text_ in helpers.values()] + [
        t for s, t in kept if not isinstance(s, ast.Import | ast.ImportFrom)
    ]


def _ran(statement: ast.stmt, there: Collection[str]) -> bool:
    """Whether a statement was run, as far as what it defines tells."""
    return isinstance(statement, ast.Import | ast.ImportFrom) or defined(statement) <= set(there)


def defined(statement: ast.stmt) -> set[str]:
    """Names that a statement of the top level defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Try):
        return {
            name for s in ast.walk(statement) if isinstance(s, ast.stmt) and s is not statement for name in defined(s)
        }
    return set(source._bound(statement))


def _importable(path: Path, statement: ast.ImportFrom) -> bool:
    """Whether a module is installed; one beside the user's file is not, for a test that stands alone."""
    try:
        return not statement.level and importlib.util.find_spec(statement.module or "") is not None
    except (ImportError, ValueError):
        return False


def _stand_in(statement: ast.ImportFrom, needed: Collection[str], found: dict[str, tuple[FunctionType, str]]) -> None:
    """The text of what stood in for the functions of a module that is not here."""
    offered = offers(statement.module or ".")
    names = {a.asname or a.name: a.name for a in statement.names if a.name != "*"}
    if statement.names[0].name == "*":
        names = {n: n for n in offered}
    for name, given in names.items():
        if name not in needed:
            continue
        f = offered.get(given)
        if not isinstance(f, FunctionType):
            raise Unavailable(f"it needs {statement.module}, which is not here")
        _ours(name, f, found)


def _ours(name: str, f: FunctionType, found: dict[str, tuple[FunctionType, str]]) -> None:
    """Collect a function of backproof's under a name, and those that it calls, without annotations."""
    if name in found:
        if found[name][0] is not f:
            raise Unavailable(f"two helpers that are not in the file are called {name}")
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(f))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise Unavailable("it needs a helper that is not in the file")
    tree.name, tree.returns, tree.decorator_list = name, None, []
    for argument in [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs]:
        argument.annotation = None
    found[name] = f, ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in f.__globals__ and node.id != "np":
            called = f.__globals__[node.id]
            if not isinstance(called, FunctionType) or not called.__module__.startswith(("scratch", "comparisons")):
                raise Unavailable("it needs a helper that is not in the file")
            if found.get(node.id, (called, ""))[0] is not called:
                node.id = f"{node.id}_of_{name}"  # the file knows another one by that name
            _ours(node.id, called, found)
    found[name] = f, ast.unparse(tree)


def _text(text: str, statement: ast.stmt) -> str:
    lines = text.split("\n")
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
    assert statement.end_lineno is not None
    found = "\n".join(lines[first - 1 : statement.end_lineno])
    # Of a statement within an `if`, the indent goes.
    if statement.col_offset or found[:1].isspace() or ";" in lines[statement.lineno - 1]:
        return ast.unparse(statement)
    return found.expandtabs(8) if "\t" in found else found
