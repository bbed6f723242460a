"""Derivatives of activations that are written for the output and given the input: `z * (1 - z)` for a sigmoid, `1 - z ** 2` for a tanh.

Each such place of a piece of code is changed so that it has the output there, one at a time; whoever asks tries whether all agrees then.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A changed piece of code.

    Attributes
    ----------
    changed : ast.AST
        The whole piece.
    line : int
    told : str
        The cause, if that is what is wrong.
    """

    changed: ast.AST
    line: int
    told: str


def _written_for_output(node: ast.AST) -> tuple[str, ast.expr] | None:
    """The activation, and what its derivative is given."""
    if not isinstance(node, ast.BinOp):
        return None
    left, right = node.left, node.right
    if (
        isinstance(node.op, ast.Mult)
        and isinstance(right, ast.BinOp)
        and isinstance(right.op, ast.Sub)
        and _is(right.left, 1)
    ):
        return ("sigmoid", left) if ast.unparse(left) == ast.unparse(right.right) else None
    if isinstance(node.op, ast.Sub) and _is(left, 1):
        if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Pow) and _is(right.right, 2):
            return "tanh", right.left
        if (
            isinstance(right, ast.BinOp)
            and isinstance(right.op, ast.Mult)
            and ast.unparse(right.left) == ast.unparse(right.right)
        ):
            return "tanh", right.left
    return None


def _is(node: ast.expr, number: int) -> bool:
    return isinstance(node, ast.Constant) and node.value == number


_OUTPUTS = {"sigmoid": "1 / (1 + np.exp(-({0})))", "tanh": "np.tanh({0})"}
_DERIVATIVES = {"sigmoid": "({0}) * (1 - ({0}))", "tanh": "1 - ({0}) ** 2"}


def places(code: ast.AST) -> Iterator[Place]:
    """Every place of a piece of code, changed."""
    for i, node in enumerate(ast.walk(code)):
        found = _written_for_output(node)
        if found is None or not isinstance(found[1], ast.Name | ast.Attribute | ast.Subscript):
            continue
        kind, given = found
        output = _OUTPUTS[kind].format(ast.unparse(given))
        new = ast.parse(_DERIVATIVES[kind].format(output), mode="eval").body
        changed = copy.deepcopy(code)
        target = list(ast.walk(changed))[i]
        assert isinstance(target, ast.BinOp)
        assert isinstance(new, ast.BinOp)
        target.left, target.op, target.right = new.left, new.op, new.right
        for n in ast.walk(target):
            if isinstance(n, ast.expr):
                ast.copy_location(n, node)
        told = f"`{ast.unparse(node)}` is the derivative of the {kind} in terms of its output a, but {ast.unparse(given)} is z: the derivative is taken at z"
        yield Place(changed, getattr(node, "lineno", 0), told)
