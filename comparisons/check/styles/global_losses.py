"""Functions that return a loss with the gradients of global parameters, as character models do, beside finite differences.

Such a file reads its text first, and all sizes follow from it. Here a short text takes its place, and hidden layers are made small.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.source import syntax
from comparisons.check.styles.network_access import Array, found_arrays, looks_like_gradient, stem
from comparisons.check.styles.network_arguments import is_x, is_y, required, role
from comparisons.check.styles.network_functions import Patched
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.styles.network_reading import ratio
from comparisons.check.styles.network_scripts import dangerous, harmless
from comparisons.check.styles.shrinking import rewritten
from comparisons.check.unit import UserError, UserFile

TEXT = "abcdeabdceacebd" * 4
"""In place of the text that a file reads: five characters."""
HIDDEN = 4
STEPS = 3
"""Few, with other targets each, so that no gradient comes near the 1 or 5 at which such code clips."""
MOST = 600
"""Parameters from which finite differences would take too long."""
NEAR = 1e-6
_LOSS = re.compile(r"\w*(loss|cost|error|nll)\w*|J|L", re.IGNORECASE)
_INITIAL = re.compile(r"\w*(init|xavier|glorot|kaiming|he_normal|rand)\w*", re.IGNORECASE)
_READS = re.compile(r"\b(open|read\w*|urlopen|get)\(")


@dataclass
class GlobalLoss:
    """A function of a sequence that gives the loss and gradients.

    Attributes
    ----------
    file : UserFile
    function : str
    given : dict
        Global names that the function needs, parameters among them.
    parameters : tuple of str
    states : dict of str to tuple
        Shapes of the arguments that are neither inputs nor targets.
    scale : float
        The gradients are so many times those of the loss, all of them.
    """

    file: UserFile
    function: str
    given: dict[str, Any]
    parameters: tuple[str, ...]
    states: dict[str, tuple[int, ...]]
    scale: float = 1.0
    way: tuple[str, str] = field(default=("numbers", "numbers"))

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient by every parameter."""
        params = {n: 0.4 * rng.standard_normal(np.shape(self.given[n])) for n in self.parameters}
        states = {n: 0.3 * rng.standard_normal(shape) for n, shape in self.states.items()}
        claimed = self._gradients(params, states)
        for name, g in claimed.items():

            def loss(v: Array, name: str = name) -> Array:
                return np.asarray(self._run(params | {name: v}, states)[0])

            wanted, error, kinks = gradient(loss, params[name], np.ones(()))
            yield Derived(f"grad/{self.function}.{name}", g / self.scale, wanted, error, kinks)

    def _gradients(self, params: dict[str, Array], states: dict[str, Array]) -> dict[str, Array]:
        _, labelled = self._run(params, states)
        own = {n.lower(): n for n in self.parameters}
        found: dict[str, Array] = {}
        for place, a in found_arrays(labelled):
            name = own.get(stem(re.sub(r"^\['([^']*)'\]", r"\1", place)).lower())
            if name is not None and (looks_like_gradient(place) or "grad" in place.lower()):
                found.setdefault(name, np.asarray(a, dtype=np.float64).copy())
        if not found:
            raise UserError(f"{self.function} returns no gradients")
        return found

    def _run(self, params: dict[str, Array], states: dict[str, Array]) -> tuple[float, dict[str, Any]]:
        """The loss and all that is returned, by name."""
        f = self.file.namespace[self.function]
        arguments: dict[str, Any] = {}
        for p in required(f):
            if p.name in states:
                arguments[p.name] = states[p.name].copy()
            elif is_y(p.name):
                arguments[p.name] = self._sequence(self.way[1], 1)
            else:
                arguments[p.name] = self._sequence(self.way[0], 0)
        with Patched(self.file.namespace, self.given | {n: a.copy() for n, a in params.items()}):
            returned = self.file.call(f, **arguments)
        names = returned_names(f)
        if not isinstance(returned, tuple | list) or len(returned) != len(names):
            raise UserError(f"{self.function} returns something else")
        labelled = dict(zip(names, returned, strict=True))
        for name, value in labelled.items():
            if np.size(value) == 1 and _LOSS.fullmatch(name.rpartition(".")[2]):
                loss = float(np.asarray(value, dtype=np.float64).reshape(()))
                if np.isfinite(loss):
                    return loss, labelled
        raise UserError(f"{self.function} returns no loss")

    def _sequence(self, way: str, start: int) -> Any:
        numbers = [start + t for t in range(STEPS)]
        eye = np.eye(len(set(TEXT)))[numbers]
        return {"numbers": numbers, "columns": [row.reshape(-1, 1) for row in eye], "matrix": eye.T}[way]

    def settle(self) -> bool:
        """Find out how sequences are handed over, and on which scale the gradients are."""
        for inputs, targets in itertools.product(("numbers", "columns", "matrix"), repeat=2):
            self.way = inputs, targets
            try:
                found = list(self.derived(np.random.default_rng(23)))
            except UserError:
                continue
            scales = [s[0] for d in found if (s := ratio([d.subject] * 2, [d.reference] * 2, (1, 1), NEAR))]
            near = {s: sum(abs(other / s - 1) < NEAR for other in scales) for s in scales if s > 0}
            best = max(near, key=lambda s: (near[s], abs(s - 1) < NEAR), default=1.0)
            # One tensor alone may be off by a factor: that is a mistake, unless others are too.
            self.scale = best if near and near[best] > 1 and abs(best - 1) > NEAR else 1.0
            return True
        return False

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        return [] if self.scale == 1 else [f"gradients are {self.scale:.4g} times those of the loss that is returned"]


def find_losses(file: UserFile, functions: dict[str, Callable[..., Any]]) -> Iterator[GlobalLoss]:
    """Functions that return a loss and gradients of arrays that are no arguments."""
    likely = {n: f for n, f in functions.items() if _likely(returned_names(f))}
    if not likely:
        return
    tree = syntax(file)
    known = made_up(file, tree)
    for name, f in likely.items():
        arguments = [p.name for p in required(f)]
        used = used_names(f, functions)
        arrays = {n: v for n in used if isinstance(v := known.get(n), np.ndarray) and v.dtype.kind == "f"}
        grads = {stem(n).lower() for n in returned_names(f) if looks_like_gradient(n)}
        # Gradients may be returned one by one, or together in a dictionary.
        parameters = tuple(n for n in arrays if n.lower() in grads) or tuple(arrays)
        if not parameters or not any(map(is_x, arguments)) or sum(arrays[n].size for n in parameters) > MOST:
            continue
        size = next((a.shape[0] for n, a in arrays.items() if re.match(r"(W|w|U)_?(hh|h|rec)", n)), HIDDEN)
        others = [n for n in arguments if not is_x(n) and not is_y(n)]
        states = {n: (size, 1) if (made := zeros(n, tree, known)) is None else made.shape for n in others}
        given = {n: known[n] for n in used if n in known and n not in functions}
        loss = GlobalLoss(file, name, given, parameters, states)
        if loss.settle():
            yield loss


def _likely(names: list[str]) -> bool:
    plain = [n for n in names if n.isidentifier()]
    return any(_LOSS.fullmatch(n) for n in plain) and any(
        looks_like_gradient(n) or "grad" in n.lower() for n in plain if not _LOSS.fullmatch(n)
    )


def used_names(f: Callable[..., Any], functions: dict[str, Callable[..., Any]]) -> list[str]:
    """Global names that a function and those of the file that it calls use."""
    found: dict[str, None] = {}
    waiting, seen = [f], set()
    while waiting:
        code = waiting.pop().__code__
        if code in seen:
            continue
        seen.add(code)
        found |= dict.fromkeys(code.co_names)
        waiting += [functions[n] for n in code.co_names if n in functions]
    return list(found)


def made_up(file: UserFile, tree: ast.Module, sizes: dict[int, int] | None = None) -> dict[str, Any]:
    """Global names as they would be with a short text for data, and small hidden layers.

    Parameters
    ----------
    file : UserFile
    tree : ast.Module
    sizes : dict of int to int, optional
        Numbers that stand in for large ones, wherever code has these.
    """
    namespace = dict(file.namespace)
    sizes = sizes or {}
    if sizes:
        _put_small(namespace, file, sizes)
    np.random.seed(1)  # noqa: NPY002
    for statement in _statements(tree):
        text = ast.unparse(statement)
        if "parse_args" in text:
            continue  # its options are there already, or cannot be
        if isinstance(statement, ast.With) and _READS.search(text):
            assigned = (s for s in statement.body if isinstance(s, ast.Assign))
            namespace |= {n.id: TEXT for s in assigned for n in s.targets if isinstance(n, ast.Name)}
            continue
        if not isinstance(statement, ast.Assign):
            continue
        names = [n.id for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        if _READS.search(text) and len(names) == 1:
            namespace[names[0]] = TEXT
        elif (harmless(file, statement) or _makes(file, statement)) and not dangerous(text):
            code = rewritten(compile(ast.Module([statement], []), file.path, "exec"), sizes)
            try:
                with np.errstate(all="ignore"), file.attempts.of(f"line {statement.lineno}"):
                    exec(code, namespace)
            except Exception:
                continue  # what is missed shows in the function
            for n in names:
                if type(namespace.get(n)) is int:
                    namespace[n] = HIDDEN if role(n) == "hidden_size" else sizes.get(namespace[n], namespace[n])
    return namespace


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Those at the top level, and of the main program."""
    for statement in tree.body:
        if isinstance(statement, ast.If) and "__main__" in ast.unparse(statement.test):
            yield from statement.body
        else:
            yield statement


def _makes(file: UserFile, statement: ast.Assign) -> bool:
    """Whether all functions of the file that a statement calls are initialisers, by any name."""
    called = {n.func.id for n in ast.walk(statement) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    return all(n not in file.own or _INITIAL.fullmatch(n) for n in called)


def _put_small(namespace: dict[str, Any], file: UserFile, sizes: dict[int, int]) -> None:
    """Let global numbers, options and functions have the small sizes, in this namespace alone."""
    for name, value in list(namespace.items()):
        if type(value) is int and name in file.own:
            namespace[name] = sizes.get(value, value)
        elif isinstance(value, argparse.Namespace):
            small = {n: sizes.get(v, v) if type(v) is int else v for n, v in vars(value).items()}
            namespace[name] = argparse.Namespace(**small)
    namespace.update((n, smaller(f, sizes, namespace)) for n, f in file.functions().items())


def smaller(f: Callable[..., Any], sizes: dict[int, int], namespace: dict[str, Any]) -> Callable[..., Any]:
    """A function with small sizes for its large constants, in another namespace."""
    if not isinstance(f, FunctionType):
        return f
    defaults = tuple(sizes.get(v, v) if type(v) is int else v for v in f.__defaults__ or ())
    made = FunctionType(rewritten(f.__code__, sizes), namespace, f.__name__, defaults or None, f.__closure__)
    made.__kwdefaults__ = f.__kwdefaults__
    return made


def zeros(name: str, tree: ast.Module, known: dict[str, Any]) -> Array | None:
    """A state, from wherever the file first makes one of that name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or "zeros" not in ast.unparse(node.value):
            continue
        targets = [t for target in node.targets for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] * len(targets)
        for target, value in zip(targets, values, strict=False):
            if isinstance(target, ast.Name) and _plain(target.id) == _plain(name):
                try:
                    made = eval(compile(ast.Expression(value), "", "eval"), dict(known))
                except Exception:
                    continue
                if isinstance(made, np.ndarray):
                    return made
    return None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
