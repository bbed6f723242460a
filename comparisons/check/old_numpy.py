"""Files written for older NumPys: what was allowed there and is an error today is no mistake in their backprop.

- `float(a)`, `int(a)` of an array with one element and axes, and `A[i, j] = a` of such an array, worked until NumPy 2.4;
- `np.float`, `np.asscalar`, `np.Inf` and other names were taken away;
- dictionaries had `iteritems` in the Python of that time.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any

import numpy as np

NUMBER, ELEMENT = "_backproof_number", "_backproof_element"
ITERATORS = {"iteritems": "items", "itervalues": "values", "iterkeys": "keys"}
"""Python 2's methods of dictionaries."""
REMOVED: dict[str, Any] = {
    "float": float,
    "int": int,
    "object": object,
    "str": str,
    "complex": complex,
    "float_": np.float64,
    "Inf": np.inf,
    "infty": np.inf,
    "NaN": np.nan,
    "NAN": np.nan,
    "asscalar": lambda a: np.asarray(a).item(),
    "product": np.prod,
    "cumproduct": np.cumprod,
    "alltrue": np.all,
    "sometrue": np.any,
    "asfarray": lambda a, dtype=np.float64: np.asarray(a, dtype),
    "mat": np.asmatrix,
}


def revive() -> None:
    """Give NumPy the names back that were taken away: for a process that runs such code and nothing else."""
    for name, value in REMOVED.items():
        if name not in vars(np):
            setattr(np, name, value)


def number(kind: Any, *args: Any, **kwargs: Any) -> Any:
    """`float(a)` and `int(a)`, of arrays of one element too."""
    if kind in (builtins.float, builtins.int) and args and isinstance(args[0], np.ndarray) and args[0].size == 1:
        return kind(args[0].item())
    return kind(*args, **kwargs)


def element(target: Any, value: Any) -> Any:
    """What is put into a place of an array: an array of one element without its axes, all else as it is."""
    alone = isinstance(target, np.ndarray) and isinstance(value, np.ndarray) and value.size == 1 and value.ndim > 0
    return np.asarray(value).reshape(()) if alone and target.dtype != object else value  # a matrix keeps its axes


class Revived(ast.NodeTransformer):
    """A syntax tree with these calls and assignments going through `number` and `element`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`float(a)`; `d.iteritems()`."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in ITERATORS and not node.args:
            node.func.attr = ITERATORS[node.func.attr]
        if isinstance(node.func, ast.Name) and node.func.id in ("float", "int") and len(node.args) == 1:
            return _located(ast.Call(ast.Name(NUMBER, ast.Load()), [node.func, *node.args], node.keywords), node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """`A[i, j] = a`."""
        self.generic_visit(node)
        if len(node.targets) == 1:
            node.value = _element(node.targets[0], node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """`A[i, j] += a`."""
        self.generic_visit(node)
        node.value = _element(node.target, node.value)
        return node


def _element(target: ast.expr, value: ast.expr) -> ast.expr:
    if not isinstance(target, ast.Subscript) or not _plain(target.value):
        return value
    array = ast.parse(ast.unparse(target.value), mode="eval").body
    return _located(ast.Call(ast.Name(ELEMENT, ast.Load()), [array, value], []), value)


def _plain(node: ast.expr) -> bool:
    """Whether a thing can be looked up twice without harm: `A`, `self.A`, `grads["W"]`, but no call."""
    return not any(isinstance(n, ast.Call | ast.NamedExpr | ast.Yield | ast.Await) for n in ast.walk(node))


def _located(new: ast.Call, old: ast.expr) -> ast.Call:
    for n in ast.walk(new):
        if isinstance(n, ast.expr) and not hasattr(n, "lineno"):
            ast.copy_location(n, old)
    for n in ast.walk(new.args[0]):
        ast.copy_location(n, old)
    return ast.copy_location(new, old)
