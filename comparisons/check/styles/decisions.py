"""What training code compares: the difference of the two sides of every comparison that it makes, noted while it runs.

`if y[i] * (np.dot(w, x[i]) + b) >= 1`, `np.where(margin < 1)`, `np.sign(net_input)`, `max(0, 1 - margin)`: where a loss has a kink, the code
that differentiates it by hand asks on which side it is.
"""

from __future__ import annotations

import ast
import copy
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from comparisons.check.styles.network_arguments import role
from comparisons.check.styles.opened_functions import Turn, definition
from comparisons.check.unit import UserFile

Array = np.ndarray
NOTED = "__backproof_noted__"
_ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_NAMES = {f.__name__: f for f in _ORDERS.values()}
_SIGNS = ("sign", "heaviside")
_CUTS = ("max", "maximum")


class _Noting(ast.NodeTransformer):
    """Puts in the calls."""

    def __init__(self, function: str) -> None:
        self._function = function
        self.sites: dict[str, tuple[int, str]] = {}

    def _site(self, node: ast.AST) -> ast.Constant:
        site = f"{self._function}#{len(self.sites)}"
        self.sites[site] = getattr(node, "lineno", 0), ast.unparse(node)
        return ast.Constant(site)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """`a < b` becomes a call that gives the same."""
        if len(node.ops) != 1 or type(node.ops[0]) not in _ORDERS:
            return self.generic_visit(node)
        site = self._site(node)
        self.generic_visit(node)
        order = ast.Constant(_ORDERS[type(node.ops[0])].__name__)
        return ast.copy_location(_call(site, order, node.left, node.comparators[0]), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`np.sign(a)` and `max(0, a)` keep their meaning; a is noted."""
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        zero = [i for i, a in enumerate(node.args) if isinstance(a, ast.Constant) and a.value == 0]
        if node.args and (name in _SIGNS or (name in _CUTS and len(node.args) == 2 and len(zero) == 1)):
            at = 0 if name in _SIGNS else 1 - zero[0]
            site = self._site(node)
            self.generic_visit(node)
            node.args[at] = ast.copy_location(_call(site, ast.Constant(""), node.args[at], ast.Constant(0)), node)
            return node
        return self.generic_visit(node)


def _call(site: ast.expr, order: ast.expr, left: ast.expr, right: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(NOTED, ast.Load()), [site, order, left, right], [])


def noting(function: ast.FunctionDef) -> dict[str, tuple[int, str]]:
    """Put the notes into a function's syntax.

    Returns
    -------
    dict of str to (int, str)
        Line and text of every comparison, by the name under which it is noted.
    """
    made = _Noting(function.name)
    function.body = [made.visit(s) for s in function.body]
    return made.sites


class Watched(Turn):
    """A run of an opened function whose comparisons are noted.

    Attributes
    ----------
    differences : dict of str to ndarray
        Left side less right side, when the comparison was made first.
    pace : float
        The learning rate, of the function's own where it has calculated one: `eta = 1 / (lambda * t)`.
    """

    def __init__(self, inner: dict[str, Array], rate: float) -> None:
        super().__init__(inner, rate)
        self.differences: dict[str, Array] = {}
        self.pace = rate

    @property
    def names(self) -> dict[str, Any]:
        """What the opened function calls."""
        return super().names | {NOTED: self._noted}

    def _seen(self, names: dict[str, Any]) -> None:
        super()._seen(names)
        own = (v for n, v in names.items() if role(n) == "rate" and isinstance(v, float | np.floating))
        self.pace = next((float(v) for v in own if v > 0), self.pace)

    def _noted(self, site: str, order: str, left: Any, right: Any) -> Any:
        if site not in self.differences:
            try:
                found = np.asarray(left) - np.asarray(right)
            except TypeError:
                found = np.asarray(0)
            if found.dtype.kind == "f":
                self.differences[site] = found
        return _NAMES[order](left, right) if order else left


def watched_codes(file: UserFile, owner: str, opened: str) -> Iterator[tuple[FunctionType, CodeType]]:
    """Other functions and methods that compare something, with the code that notes it.

    The code takes the place of theirs for as long as comparisons are noted: objects may keep the functions themselves.

    Parameters
    ----------
    file : UserFile
    owner : str
        The class; empty at the top level.
    opened : str
        The function that is opened, which is left out.
    """
    methods = [(owner, n, f) for n, f in vars(file.namespace[owner]).items()] if owner else []
    for home, name, f in [*methods, *(("", n, f) for n, f in file.functions().items())]:
        if not isinstance(f, FunctionType) or (home, name) == (owner, opened):
            continue
        function = copy.deepcopy(definition(file, home, name))
        if function is None or function.decorator_list or not noting(function):
            continue
        alone: ast.stmt = ast.ClassDef(home, [], [], [function], []) if home else function
        module = ast.fix_missing_locations(ast.Module([ast.copy_location(alone, function)], []))
        made: dict[str, Any] = {}
        exec(compile(module, file.path, "exec"), file.namespace, made)
        code = (vars(made[home])[name] if home else made[name]).__code__
        if code.co_freevars == f.__code__.co_freevars:
            yield f, code


@contextmanager
def exchanged(f: FunctionType, code: CodeType) -> Iterator[None]:
    """While it lasts, a function has another code."""
    before = f.__code__
    f.__code__ = code
    try:
        yield
    finally:
        f.__code__ = before


@contextmanager
def lines_run(path: str) -> Iterator[set[int]]:
    """The lines of a file that run while it lasts."""
    found: set[int] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != path:
            return None
        if event == "line":
            found.add(frame.f_lineno)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)
