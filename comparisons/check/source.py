"""Reading a user's file, script or notebook, and running what it defines, not what it does.

Files with backprop are seldom modules: they read data, train and draw when run. So statements are run one by one, and only those
that define something: imports, functions, classes, constants. What else stands at the top level is left out, with a note
where it leaves a name undefined.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import linecache
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comparisons.check import pictures, tensors
from comparisons.check.attempts import Attempts
from comparisons.check.data_imports import for_data_alone
from comparisons.check.imports import stand_in, without
from comparisons.check.old_numpy import ELEMENT, NUMBER, Revived, element, number
from comparisons.check.python2 import NAMES, modernised
from comparisons.check.siblings import Siblings, installed
from comparisons.check.unit import UserFile
from comparisons.errors import BackproofError

MODULE = "checked_file"
"""`__name__` while the file runs: never `__main__`."""
_DEFINING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_ASSIGNS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_HARMLESS_CALLS = {"np", "numpy", "math", "float", "int", "range", "list", "dict", "tuple", "set", "len", "max", "min", "sum",
                   "str", "bool", "abs", "round", "zip", "sorted", "namedtuple", "collections", "torch", "nn", "tf", "keras",
                   "partial", "functools", "argparse", "ArgumentParser", "vectorize", "NamedTuple", "TypeVar", "typing",
                   "initializers", "regularizers"}  # fmt: skip
"""What a constant's value may call: libraries and builtins, nothing of the file's own that might train for hours."""
_MAGIC = re.compile(r"\s*(%{1,2}[A-Za-z]|[!?])|[^#]*\?\s*$")
_COMMAND_LINE = re.compile(
    r"(\(?\w+(, *\w+)*\)? *= *)?\w+\.(add_argument|add_argument_group|set_defaults|parse_args|parse_known_args)\("
)
_DANGEROUS = (
    "load",
    "loadtxt",
    "genfromtxt",
    "fromfile",
    "save",
    "savetxt",
    "read_csv",
    "urlopen",
    "open",
    "input",
    "fit",
)


def read(path: Path) -> str:
    """Text of a Python file or of a notebook's code cells.

    Raises
    ------
    BackproofError
        If there is no such file, or it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise BackproofError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix == ".ipynb":
        return _cells(path, text)
    if "\0" in text:
        raise BackproofError(f"{path}: not a Python file")
    return text


def _cells(path: Path, text: str) -> str:
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise BackproofError(f"{path}: not a notebook (format 4)") from error
    return "\n".join(map(_without_magics, sources))


def _without_magics(cell: str) -> str:
    """A cell's Python: magics and shell lines are none, and a comment in their place keeps the line numbers."""
    try:
        ast.parse(cell)  # a line may begin with % inside brackets
        return cell
    except SyntaxError:
        pass
    lines = cell.split("\n")
    first = next((line for line in lines if line.strip()), "")
    foreign = re.match(r"%%(?!time|capture|prun)", first)
    return "\n".join(
        f"{line[: len(line) - len(line.lstrip())]}pass  # {line.lstrip()}" if foreign or _MAGIC.match(line) else line
        for line in lines
    )


def cell_starts(path: Path) -> list[int]:
    """The lines at which the code cells of a notebook begin, counted through all of them."""
    cells = json.loads(path.read_text(encoding="utf-8-sig", errors="replace"))["cells"]
    sizes = ["".join(cell["source"]).count("\n") + 1 for cell in cells if cell["cell_type"] == "code"]
    return [1 + sum(sizes[:i]) for i in range(len(sizes))]


def parse(path: Path, text: str, notes: list[str]) -> ast.Module:
    """Syntax tree of the text; Python 2's print statements are understood.

    Raises
    ------
    BackproofError
        If it is no Python.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(text, str(path))
    except SyntaxError as first:
        try:
            tree = ast.parse(modernised(text), str(path))
        except SyntaxError:
            raise BackproofError(f"{path}, line {first.lineno}: {first.msg}; is it Python 3?") from first
        notes.append("written for Python 2: print statements were turned into calls")
        return tree


def syntax(file: UserFile) -> ast.Module:
    """The syntax tree of a whole file, Python 2's and a notebook's too; an empty one if it has none."""
    try:
        return parse(Path(file.path), read(Path(file.path)), [])
    except BackproofError:
        return ast.Module([], [])


def run(path: Path, attempts: Attempts | None = None, alone: bool = False) -> UserFile:
    """Run the definitions of a file.

    Parameters
    ----------
    path : Path
    attempts : Attempts, optional
        Is told of every statement.
    alone : bool
        Whether the process runs nothing else, so that torch may be set up for a file that calculates with tensors, and pictures left out.

    Returns
    -------
    UserFile

    Raises
    ------
    BackproofError
        If the file cannot be read or is no Python.
    """
    notes: list[str] = []
    attempts = attempts or Attempts()
    tree = _remembered(path, notes)
    if path.suffix == ".ipynb":
        notes.append(
            f"lines are counted through the code cells, which begin at {', '.join(map(str, cell_starts(path)))}"
        )
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module  # pickling and dataclasses look there
    siblings = Siblings(path, lambda file, beside: _run_sibling(file, beside, attempts))
    installed(siblings)
    module.__package__ = siblings.package(tree)
    own: dict[str, int] = {}
    left_out: dict[str, str] = {}
    if alone:
        pictures.left_out()
    on_tensors = alone and tensors.on_tensors(tree)
    if on_tensors:
        with contextlib.suppress(ImportError):
            tensors.prepare()
    tree = _run_all(tree, path, module, own, notes, left_out, attempts)
    _note_left_out(tree, module.__dict__, left_out, notes)
    _name_statics(module.__dict__, own)
    return UserFile(str(path), module.__dict__, own, notes, attempts=attempts, on_tensors=on_tensors)


def _name_statics(namespace: dict[str, Any], own: dict[str, int]) -> None:
    """Let static passes of classes have names of their own, `LayerNorm.forward`, so that they are found like functions."""
    for name in list(own):
        cls = namespace.get(name)
        if not isinstance(cls, type):
            continue
        passes = {n: f for n, f in vars(cls).items() if re.match(r"_*(forward|backward|fprop|bprop|fwd|bwd)", n)}
        found = {n: g for n, f in passes.items() if (g := _static(f)) is not None}
        if len(found) == len(passes) > 1:
            for n, f in found.items():
                namespace[f"{name}.{n}"] = f
                own[f"{name}.{n}"] = f.__code__.co_firstlineno


def _static(f: Any) -> types.FunctionType | None:
    """The function of a method that has nothing to do with an object."""
    inner = f.__func__ if isinstance(f, staticmethod) else f
    if not isinstance(inner, types.FunctionType) or not inner.__code__.co_argcount:
        return None
    return None if inner.__code__.co_varnames[0] in ("self", "cls", "ctx", "context") else inner


def _remembered(path: Path, notes: list[str]) -> ast.Module:
    """The file's syntax tree; its lines are kept where tracebacks and `inspect.getsource` find them, a notebook's cells too.

    Of Python 2 those in Python 3 are kept: `inspect` looks for a class in the syntax tree of its file.
    """
    text, before = read(path), len(notes)
    tree = parse(path, text, notes)
    text = text if len(notes) == before else modernised(text)
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    return tree


def _run_sibling(path: Path, module: types.ModuleType, attempts: Attempts) -> None:
    """Run a module that the file imports; what it lacks shows where it is used."""
    try:
        tree = _remembered(path, [])
    except BackproofError as error:
        raise ImportError(str(error)) from error
    _run_all(tree, path, module, {}, [], {}, attempts, f"{path.name}, ")


def _run_all(
    tree: ast.Module,
    path: Path,
    module: types.ModuleType,
    own: dict[str, int],
    notes: list[str],
    left_out: dict[str, str],
    attempts: Attempts,
    within: str = "",
) -> ast.Module:
    """Run the definitions of a syntax tree in a module, and return the tree as it was run."""
    namespace = module.__dict__
    namespace.update(NAMES)
    namespace.update({NUMBER: number, ELEMENT: element})
    tree = Revived().visit(tree)
    for statement in tree.body:
        for piece in _pieces(statement, namespace):
            if for_data_alone(piece, tree):
                without(piece, namespace)
                continue
            _run_one(piece, tree, path, namespace, own, notes, left_out, attempts, within)
    return tree


def _pieces(statement: ast.stmt, namespace: dict[str, Any]) -> Iterator[ast.stmt]:
    """Statements to run for one at the top level: those inside a `try` or `if` that only define things."""
    if isinstance(statement, ast.Try):
        inside = [*statement.body, *(s for handler in statement.handlers for s in handler.body)]
        if all(isinstance(s, (*_IMPORTS, ast.Pass, *_ASSIGNS)) for s in inside):
            yield statement
            return
    if isinstance(statement, ast.If) and not _asks_for_main(statement.test):
        for s in statement.body if _holds(statement.test, namespace) else statement.orelse:
            yield from _pieces(s, namespace)
        return
    if isinstance(statement, (*_DEFINING, *_IMPORTS, *_ASSIGNS, ast.Try)) or _of_command_line(statement):
        yield statement


def _of_command_line(statement: ast.stmt) -> bool:
    """Whether a statement makes a command line, which is empty here: its defaults are constants of the file."""
    return isinstance(statement, ast.Expr | ast.Assign) and bool(_COMMAND_LINE.match(ast.unparse(statement)))


def _holds(test: ast.expr, namespace: dict[str, Any]) -> bool:
    """What a condition of names and constants is; of one that calls something, and cannot be known here, yes."""
    if any(isinstance(node, ast.Call) for node in ast.walk(test)):
        return True
    try:
        return bool(eval(compile(ast.Expression(test), "<condition>", "eval"), namespace))
    except Exception:
        return True


def _asks_for_main(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))


def _run_one(
    statement: ast.stmt,
    tree: ast.Module,
    path: Path,
    namespace: dict[str, Any],
    own: dict[str, int],
    notes: list[str],
    left_out: dict[str, str],
    attempts: Attempts,
    within: str,
) -> None:
    names = list(_bound(statement))
    place = f"{within}line {statement.lineno}"
    if place in attempts.excluded:
        left_out |= dict.fromkeys(names, f"{place} {attempts.excluded[place]}")
        return
    if (
        isinstance(statement, _ASSIGNS)
        and not _of_command_line(statement)
        and not _harmless(statement)
        and not _plain_object(statement, namespace)
    ):
        left_out |= dict.fromkeys(names, f"line {statement.lineno}")
        return
    code = compile(ast.Module([statement], []), str(path), "exec")
    try:
        # A framework may take long to import, and that is nobody's endless loop; what a sibling runs has its own limit.
        timed = contextlib.nullcontext() if isinstance(statement, _IMPORTS) else attempts.of(place)
        with warnings.catch_warnings(action="ignore"), timed:
            exec(code, namespace)
    except ImportError as error:
        stand_in(statement, tree, error, namespace, notes)
        return
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        left_out |= dict.fromkeys(names, f"line {statement.lineno}: {type(error).__name__}: {error}")
        return
    if isinstance(statement, (*_DEFINING, *_ASSIGNS)):
        own |= dict.fromkeys(names, statement.lineno)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement defines."""
    if isinstance(statement, _DEFINING):
        yield statement.name
    elif isinstance(statement, _ASSIGNS):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _harmless(statement: ast.stmt) -> bool:
    """Whether a constant's value is computed by libraries alone, without files."""
    value = statement.value  # type: ignore[attr-defined]
    if value is None or isinstance(value, ast.Lambda):
        return True
    for node in ast.walk(value):
        if isinstance(node, ast.Call):
            root = node.func
            last = root.attr if isinstance(root, ast.Attribute) else ""
            while isinstance(root, ast.Attribute):
                root = root.value
            name = root.id if isinstance(root, ast.Name) else ""
            if name not in (*_HARMLESS_CALLS, ELEMENT, NUMBER) or last in _DANGEROUS or last.startswith("load"):
                return False
    return True


def _plain_object(statement: ast.stmt, namespace: dict[str, Any]) -> bool:
    """Whether an object of a class of the file is made, of nothing: gates and activations that its functions use."""
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or value.args or value.keywords:
        return False
    made = namespace.get(value.func.id)
    return isinstance(made, type) and made.__module__ == namespace.get("__name__")


def _note_left_out(tree: ast.Module, namespace: dict[str, Any], left_out: dict[str, str], notes: list[str]) -> None:
    """Tell of what was not run only where a function of the file needs it, in one note."""
    used = {
        node.id
        for statement in tree.body
        if isinstance(statement, _DEFINING)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    places: dict[str, list[str]] = {}
    for name, where in left_out.items():
        if name in used and name not in namespace:
            places.setdefault(where.partition(":")[0], []).append(name)
    if places:
        told = ", ".join(f"{', '.join(names)} ({place})" for place, names in places.items())
        notes.append(f"not run, as it reads data or calls more than definitions: {told}")


def silence() -> None:
    """Let the user's prints and questions go nowhere, and its command line be empty."""
    sys.stdout, sys.stderr, sys.stdin = io.StringIO(), io.StringIO(), io.StringIO()
    del sys.argv[1:]
