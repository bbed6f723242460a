"""Networks that a file puts together below its definitions: `net = Network(Layer(4, 3), Layer(1, 4))` in its main part.

Such a class, or such functions, cannot be given what they need by guessing; the file itself shows how it is made. Of the statements
at its top level, under `if __name__`, and in functions such as `main()`, those are run that make something and do nothing else: no
training, no reading of files, no pictures. Sizes that are too large for finite differences are made small.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import random
import re
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.check.source import syntax
from comparisons.check.styles import network_functions, network_objects
from comparisons.check.styles.container_scripts import LONG
from comparisons.check.styles.network_access import Access
from comparisons.check.styles.network_arguments import is_x, is_y, parameters_of
from comparisons.check.styles.network_functions import CONTAINER, Source, named_forward
from comparisons.check.styles.network_objects import Instance, forward_methods, held, parameter_places
from comparisons.check.styles.network_reading import chains, natural
from comparisons.check.styles.network_scripts import dangerous
from comparisons.check.styles.shrinking import rewritten, smaller_sizes, too_large
from comparisons.check.unit import UserFile

Array = np.ndarray
_FILLS = ("append", "add", "extend", "insert", "add_layer", "addLayer", "push", "connect", "link", "add_layers")
_MODULES = ("numpy", "math", "random", "itertools", "functools", "copy", "collections")
"""What is imported again where it is imported in the main part alone."""
_ROUNDS = re.compile(r"epoch|n_?iter|iteration|max_?iter", re.IGNORECASE)
Block = tuple[list[ast.stmt], dict[str, Any]]
"""Statements in order, with names that are there before: defaults of the function in which they stand."""
LOOSE = (np.ndarray, list, tuple, dict)
"""What arrays are handed over in, one by one."""


def find_built(file: UserFile, taken: frozenset[str]) -> Iterator[Iterable[Access]]:
    """Networks of classes and functions that the file's own script puts together."""
    tree = syntax(file)
    scripts = list(_blocks(file, tree))
    called = {n.func.id for s, _ in scripts for part in s for n in _calls(part) if isinstance(n.func, ast.Name)}
    classes = {n: c for n, c in file.classes().items() if n in called - taken and _is_network(c)}
    functions = {n: f for n, f in file.functions().items() if n not in taken}
    forward = named_forward(functions)
    if not any(map(network_functions.backward_or_training, functions.keys() - set(forward))):
        forward = []
    if not classes and not (forward and called & functions.keys()):
        return
    for statements, before in scripts:
        made = _made(file, statements, before, {})
        used: set[str] = set()
        for name, cls in classes.items():
            found = list(_objects(file, cls, statements, before, made))
            if found:
                used.add(name)
                methods = {n for n in dir(cls) if callable(getattr(cls, n, None))}
                yield itertools.chain.from_iterable(
                    network_objects.accesses(file, name, i, forward_methods(cls), methods) for i in found[:2]
                )
        classes = {n: c for n, c in classes.items() if n not in used}
        if forward:
            sources = list(_sources(file, functions, forward, statements, before, made))
            if sources:
                yield network_functions.accesses(file, functions, forward, sources)
                forward = []


def _is_network(cls: type) -> bool:
    """Whether a class has a method that runs forward, and one that runs backward or trains."""
    other = (*network_objects.BACKWARD, *network_objects.TRAIN)
    return bool(forward_methods(cls)) and any(hasattr(cls, n) or hasattr(cls, f"_{n}") for n in other)


def _blocks(file: UserFile, tree: ast.Module) -> Iterator[Block]:
    """The statements of the file's script; then those of each function that it calls with nothing, behind them."""
    script: list[ast.stmt] = []
    for s in tree.body:
        if isinstance(s, ast.If):
            script += s.body
        elif not isinstance(s, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            script.append(s)
    yield script, {}
    called = {n.func.id for s in script for n in _calls(s) if isinstance(n.func, ast.Name) and not n.args}
    for s in tree.body:
        f = file.namespace.get(getattr(s, "name", ""))
        if not isinstance(s, ast.FunctionDef) or not isinstance(f, FunctionType):
            continue
        arguments = inspect.signature(f).parameters.values()
        if (s.name in called or s.name == "main") and all(p.default is not p.empty for p in arguments):
            yield [*script, *s.body], {p.name: p.default for p in arguments}


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Call))


def _made(file: UserFile, statements: list[ast.stmt], before: dict[str, Any], sizes: dict[int, int]) -> dict[str, Any]:
    """Names and values that a script makes, with other numbers for some of its constants.

    The file's functions see them while it runs. For data that are not here ours are taken.
    """
    known = dict(file.namespace)
    state = random.getstate()
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    try:
        file.namespace.update(before)
        for statement in statements:
            if not _makes(file, statement) or not _ran(file, statement, sizes):
                _put_data(file, statement)
        return {n: v for n, v in file.namespace.items() if n not in known or v is not known[n]}
    finally:
        random.setstate(state)
        file.namespace.clear()
        file.namespace.update(known)


def _ran(file: UserFile, statement: ast.stmt, sizes: dict[int, int]) -> bool:
    """Run one statement; whether it did not raise."""
    place = f"line {statement.lineno}"
    if place in file.attempts.excluded:
        return False
    try:
        with np.errstate(all="ignore"), file.attempts.of(place):
            if isinstance(statement, ast.For):
                turns = eval(compile(ast.Expression(statement.iter), file.path, "eval"), file.namespace)
                file.namespace["_backproof_turns"] = list(itertools.islice(turns, LONG + 1))
                if len(file.namespace.pop("_backproof_turns")) > LONG:
                    return False
            code = compile(ast.Module([statement], []), file.path, "exec")
            exec(rewritten(code, sizes), file.namespace)
    except Exception:
        return False
    return True


def _put_data(file: UserFile, statement: ast.stmt) -> None:
    """Our data under the names for data that a statement would have set."""
    if not isinstance(statement, ast.Assign):
        return
    x = np.random.default_rng(3).standard_normal((6, 4))
    for n in (n for target in statement.targets for n in ast.walk(target) if isinstance(n, ast.Name)):
        if n.id not in file.namespace and (is_x(n.id) or is_y(n.id)):
            file.namespace[n.id] = x.copy() if is_x(n.id) else np.eye(3)[np.arange(6) % 3]


def _makes(file: UserFile, statement: ast.stmt) -> bool:
    """Whether a statement makes something, or puts it into something else, and does nothing besides."""
    if isinstance(statement, ast.FunctionDef):
        return True
    if isinstance(statement, ast.Import | ast.ImportFrom):
        names = [a.name for a in statement.names] if isinstance(statement, ast.Import) else [statement.module or ""]
        return all(n.partition(".")[0] in _MODULES for n in names)
    if dangerous(ast.unparse(statement)) or any(isinstance(n, ast.While | ast.Await) for n in ast.walk(statement)):
        return False
    if isinstance(statement, ast.For):
        return not statement.orelse and all(_makes(file, s) for s in statement.body)
    if isinstance(statement, ast.Expr):
        if not isinstance(statement.value, ast.Call) or not isinstance(statement.value.func, ast.Attribute):
            return False
        return statement.value.func.attr in _FILLS and all(_may_be_called(file, c) for c in _calls(statement))
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return all(_may_be_called(file, c) for c in _calls(statement))
    return False


def _may_be_called(file: UserFile, call: ast.Call) -> bool:
    """Whether a call makes something: a library's, a class of the file, or a function of the file that does not train."""
    if isinstance(call.func, ast.Attribute):
        return not _works(call.func.attr)
    if not isinstance(call.func, ast.Name) or call.func.id not in file.own:
        return isinstance(call.func, ast.Name)
    f = file.namespace.get(call.func.id)
    if isinstance(f, type) or network_functions.INIT.fullmatch(call.func.id):
        return True
    if not isinstance(f, FunctionType) or _works(call.func.id):
        return False
    inside = (*f.__code__.co_names, *f.__code__.co_varnames)
    return not any(_works(n) or _ROUNDS.search(n) or dangerous(f"{n}(") for n in inside)


def _works(name: str) -> bool:
    """Whether a function or method of this name runs a network, or trains it."""
    bare = name.lstrip("_")
    return (
        bare in (*network_objects.BACKWARD, *network_objects.TRAIN, *network_objects.UPDATE)
        or network_functions.backward_or_training(bare)
        or bool(re.match(r"train|fit|learn|optimi[sz]e", bare))
    )


def _objects(
    file: UserFile, cls: type, statements: list[ast.stmt], before: dict[str, Any], made: dict[str, Any]
) -> Iterator[Instance]:
    """Objects of a class with the parameters of a network, as the script makes them; small ones where they are large."""
    for name, value in made.items():
        if type(value) is not cls:
            continue
        instance = _instance(file, cls, value, made)
        if instance is None:
            continue
        arrays = {p: a for p, a in held(value).items() if p in instance.places}
        if sizes := _smaller(arrays):
            again = _made(file, statements, before, sizes)
            if type(again.get(name)) is cls:
                instance = _instance(file, cls, again[name], again) or instance
        yield instance


def _instance(file: UserFile, cls: type, value: Any, made: dict[str, Any]) -> Instance | None:
    """An object as one that networks are read from; None if it holds none, or cannot be copied."""
    try:
        copy.deepcopy(value)
    except Exception:
        return None
    data = {n: a for n, a in made.items() if isinstance(a, np.ndarray) and (is_x(n) or is_y(n))}
    kept = {at: n for at, v in getattr(value, "__dict__", {}).items() for n, a in data.items() if v is a}
    places = parameter_places(value, [data[n] for n in kept.values()])
    if not places:
        return None
    x = next((at for at, n in kept.items() if is_x(n)), "")
    y = next((at for at, n in kept.items() if is_y(n) and at != x), "")
    return Instance(file, cls, {}, value, places, x, y)


def _smaller(arrays: dict[str, Array]) -> dict[int, int]:
    return smaller_sizes(arrays.values()) if too_large(arrays) else {}


def _sources(
    file: UserFile,
    functions: dict[str, Any],
    forward: list[str],
    statements: list[ast.stmt],
    before: dict[str, Any],
    made: dict[str, Any],
) -> Iterator[Source]:
    """Parameters of functions, as the script makes them."""
    asked = _handed_over(functions, statements)
    used = _globals(functions)
    for source in _sources_in(made, asked, used):
        arrays = {p: a for p, a in held(source.value).items() if p in source.places}
        if sizes := _smaller(arrays):
            again = _made(file, statements, before, sizes)
            source = next((s for s in _sources_in(again, asked, used) if s.init == source.init), source)
        yield source


def _sources_in(made: dict[str, Any], asked: dict[str, str], used: set[str]) -> Iterator[Source]:
    """Containers that are handed over, arrays that are, containers that functions reach for, and arrays likewise."""
    around = {n: v for n, v in made.items() if n in used}
    given = {n: a for n, a in asked.items() if n in made and not is_x(a) and not is_y(a)}
    reached = {n: v for n, v in around.items() if not is_x(n) and not is_y(n)}
    loose = {a: made[n] for n, a in given.items() if isinstance(made[n], LOOSE)}
    candidates = [Source(made[n], (), [], n, around, "", n) for n, a in given.items() if CONTAINER.fullmatch(a)]
    candidates.append(Source(loose, (), [], "arguments", around))
    candidates += [Source(v, (), [], n, around, n, n) for n, v in reached.items() if isinstance(v, list | tuple | dict)]
    candidates.append(Source({n: v for n, v in reached.items() if isinstance(v, np.ndarray)}, (), [], "", around))
    yield from filter(_placed, candidates)


def _placed(source: Source) -> bool:
    """Find the parameters in a container; whether there are some that make a network."""
    try:
        copy.deepcopy(source.value)
    except Exception:
        return False
    arrays = {p: a for p, a in held(source.value).items() if a.dtype.kind == "f" and a.size and a.ndim in (0, 1, 2)}
    if not any(a.ndim == 2 for a in arrays.values()):
        return False
    if next(chains({source.name(p): a for p, a in arrays.items()}), None) is None:
        return False
    source.places = sorted(arrays, key=lambda p: natural(source.name(p)))
    return True


def _handed_over(functions: dict[str, Any], statements: list[ast.stmt]) -> dict[str, str]:
    """Names of the script that it gives to functions of the file, each with the name of the argument there."""
    found: dict[str, str] = {}
    for call in (c for s in statements for c in _calls(s)):
        if not isinstance(call.func, ast.Name) or call.func.id not in functions:
            continue
        names = [p.name for p in parameters_of(functions[call.func.id])]
        pairs = [*zip(call.args, names, strict=False), *((k.value, k.arg) for k in call.keywords if k.arg)]
        found |= {a.id: n for a, n in pairs if isinstance(a, ast.Name) and a.id not in found}
    return found


def _globals(functions: dict[str, Any]) -> set[str]:
    return {n for f in functions.values() for n in f.__code__.co_names}
