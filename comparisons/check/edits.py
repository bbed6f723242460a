"""What would make a hand-written backward function right: one small edit of it after the other, until one agrees.

For functions that can be judged by themselves (a `backward` of a framework, an operator of an engine): the forward pass stays as it
is, only the backward function is compiled anew. A factor forgotten in one of two terms fits no general hypothesis, but people's
mistakes are small: a factor, a sign, an operator, a name. Nothing is concluded where no edit agrees. See also `repair`.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

SECONDS = 4.0
"""Time that a search may take, of the processor: how busy the machine is must not decide."""
WIDTH = 60
"""Characters of code that are shown."""
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
}
_OTHERS = {"mean": "sum", "sum": "mean", "reduce_mean": "reduce_sum", "reduce_sum": "reduce_mean"}
Path = tuple[tuple[str, int | None], ...]
"""The way to a node: field, and place in it where it is a list."""


@dataclass(frozen=True)
class Edit:
    """One change of a function.

    Attributes
    ----------
    tree : ast.FunctionDef
        The function with it.
    line : int
        Where, in the file.
    cause : str
        What is wrong if this makes it right.
    """

    tree: ast.FunctionDef
    line: int
    cause: str


def repaired(
    function: FunctionType,
    agrees: Callable[[Callable[..., Any]], bool],
    wraps: tuple[str, ...] = (),
    nested: bool = False,
    seconds: float = SECONDS,
    about: str = "",
) -> tuple[str, int] | None:
    """The cause that the first edit shows which makes a function agree, and its line.

    Parameters
    ----------
    function : function
        The user's.
    agrees : callable
        Whether all is right with a function in the place of the user's; an exception is a no.
    wraps : tuple of str
        Patterns of factors that may have been forgotten: `torch.sigmoid({0})`, to be filled with the function's own names.
    nested : bool
        Whether only functions defined within it are edited: they are the backward pass, the rest is the forward pass.
    seconds : float
        Time that the search may take.
    about : str
        Where branches ask for an operation by its name, the name: only its branch is edited.
    """
    tree = _definition(function)
    if tree is None:
        return None
    until = time.process_time() + seconds
    for edit in _edits(tree, wraps, nested, about):
        if time.process_time() > until:
            return None
        made = _compiled(edit.tree, function)
        try:
            if made is not None and agrees(made):
                return edit.cause, edit.line
        except Exception:
            continue
    return None


def _definition(function: FunctionType) -> ast.FunctionDef | None:
    """Syntax tree with the file's line numbers; None if there is no source."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if not isinstance(tree, ast.FunctionDef):
        return None
    ast.increment_lineno(tree, first - 1)
    return tree


def _compiled(tree: ast.FunctionDef, original: FunctionType) -> Callable[..., Any] | None:
    """The function itself, its decorators left out."""
    tree = copy.copy(tree)
    tree.decorator_list = []
    module = ast.fix_missing_locations(ast.Module([tree], []))
    found: dict[str, Any] = {}
    try:
        exec(compile(module, "<edited>", "exec"), original.__globals__, found)
    except (SyntaxError, ValueError, TypeError):
        return None
    made = found.get(tree.name)
    if isinstance(made, FunctionType):
        made.__defaults__, made.__kwdefaults__ = original.__defaults__, original.__kwdefaults__
    return made


def _edits(tree: ast.FunctionDef, wraps: tuple[str, ...], nested: bool, about: str) -> Iterator[Edit]:
    """All edits, those that people need most often first."""
    regions = _branches(tree, about) or _regions(tree, nested)
    for kind in (
        _accumulating,
        _comparisons,
        _methods,
        _signs,
        _operators,
        _fewer,
        _names,
        _sums,
        _everywhere,
        _factors,
    ):
        for path in regions:
            yield from kind(tree, path, wraps)


def _branches(tree: ast.FunctionDef, about: str) -> list[Path]:
    """Bodies of `if self.op == "tanh"`."""
    found = []
    for path, node in _walk(tree):
        if isinstance(node, ast.If) and any(
            isinstance(c, ast.Constant) and about and c.value == about for c in ast.walk(node.test)
        ):
            found += [(*path, ("body", i)) for i in range(len(node.body))]
    return found


def _regions(tree: ast.FunctionDef, nested: bool) -> list[Path]:
    """Where in the tree the backward pass stands."""
    if not nested:
        return [()]
    found = [path for path, node in _walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda) and path]
    return [p for p in found if not any(q != p and p[: len(q)] == q for q in found)]


def _walk(node: ast.AST, path: Path = ()) -> Iterator[tuple[Path, ast.AST]]:
    """All nodes with the way to them, outer ones first."""
    yield path, node
    for name, value in ast.iter_fields(node):
        if name in ("decorator_list", "args", "returns", "annotation") and not isinstance(node, ast.Call):
            continue
        for i, item in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(item, ast.AST):
                yield from _walk(item, (*path, (name, i)))


def _at(node: Any, path: Path) -> Any:
    for name, i in path:
        value = getattr(node, name)
        node = value if i is None else value[i]
    return node


def _replaced(tree: ast.FunctionDef, path: Path, new: ast.AST) -> ast.FunctionDef:
    """The tree with another node; only what lies on the way to it is copied."""
    top = node = copy.copy(tree)
    for name, i in path[:-1]:
        child = copy.copy(_at(node, ((name, i),)))
        _put(node, name, i, child)
        node = child
    _put(node, *path[-1], new)
    return top


def _put(node: Any, name: str, i: int | None, new: ast.AST) -> None:
    if i is None:
        setattr(node, name, new)
    else:
        entries = list(getattr(node, name))
        entries[i] = new
        setattr(node, name, entries)


def _inside(tree: ast.FunctionDef, path: Path) -> Iterator[tuple[Path, Any]]:
    yield from _walk(_at(tree, path), path)


def _values(tree: ast.FunctionDef, path: Path) -> Iterator[tuple[Path, ast.expr]]:
    """Expressions that are numbers or arrays, as far as their place tells: operands, arguments, what is returned or assigned."""
    for at, node in _inside(tree, path):
        if isinstance(node, ast.BinOp | ast.Name | ast.Attribute | ast.Call | ast.UnaryOp | ast.Subscript):
            read = isinstance(getattr(node, "ctx", None) or ast.Load(), ast.Load)
            if read and at[-1][0] not in ("func", "slice", "targets", "target"):
                yield at, node


def _edit(tree: ast.FunctionDef, path: Path, new: ast.AST, cause: str) -> Edit:
    old = _at(tree, path)
    text = f"{cause}: with {_short(new)} in place of {_short(old)} it agrees"
    return Edit(_replaced(tree, path, new), getattr(old, "lineno", tree.lineno), text)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return f"`{text}`" if len(text) <= WIDTH else f"`{text[: WIDTH - 1]}…`"


def _accumulating(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    assigned = [(at, n) for at, n in _inside(tree, path) if _assigns(n)]
    if len(assigned) > 1:
        whole = tree
        for at, node in assigned:
            whole = _replaced(
                whole, at, ast.AugAssign(copy.deepcopy(node.targets[0]), ast.Add(), copy.deepcopy(node.value))
            )
        texts = " and ".join(_short(n) for _, n in assigned)
        yield Edit(
            whole, assigned[0][1].lineno, f"= where += is needed in {texts}: the gradient is assigned, not accumulated"
        )
    for at, node in _inside(tree, path):
        if _assigns(node):
            new: ast.AST = ast.AugAssign(copy.deepcopy(node.targets[0]), ast.Add(), copy.deepcopy(node.value))
            cause = f"= where += is needed in {_short(node)}: the gradient is assigned, not accumulated"
            yield Edit(_replaced(tree, at, new), node.lineno, cause)
            so_far = copy.deepcopy(node.targets[0])
            so_far.ctx = ast.Load()
            summed = ast.BinOp(so_far, ast.Add(), copy.deepcopy(node.value))
            # Where there is none yet, it is None.
            first = ast.Compare(so_far, [ast.Is()], [ast.Constant(None)])
            new = ast.Assign(node.targets, ast.IfExp(first, copy.deepcopy(node.value), summed))
            yield Edit(_replaced(tree, at, new), node.lineno, cause)
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Subscript):
            add = ast.parse("np.add.at", mode="eval").body
            entry, index = copy.deepcopy(node.target.value), copy.deepcopy(node.target.slice)
            entry.ctx = ast.Load()  # type: ignore[attr-defined]
            at_once = ast.Expr(ast.Call(add, [entry, index, node.value], []))
            yield _edit(tree, at, at_once, "an entry that is used several times gets the gradient of one use")
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub | ast.Add):
            new = ast.AugAssign(copy.deepcopy(node.target), _OPERATORS[type(node.op)](), copy.deepcopy(node.value))
            yield _edit(tree, at, new, "a sign is wrong")


def _assigns(node: ast.AST) -> bool:
    """Whether a statement sets an attribute or an entry."""
    return (
        isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    )


def _signs(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    for at, node in _values(tree, path):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield _edit(tree, at, ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right), "a sign is wrong")
    for at, node in _values(tree, path):
        negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        new = node.operand if isinstance(node, ast.UnaryOp) and negative else ast.UnaryOp(ast.USub(), node)
        yield _edit(tree, at, new, "a sign is wrong")


def _operators(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    for at, node in _inside(tree, path):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            word = "multiplied instead of divided" if isinstance(node.op, ast.Mult) else "divided instead of multiplied"
            yield _edit(tree, at, ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right), word)
            if isinstance(node.op, ast.Mult):
                yield _edit(tree, at, ast.BinOp(node.right, ast.Div(), node.left), word)
            if isinstance(node.op, ast.Div):
                squared = ast.BinOp(node.right, ast.Pow(), ast.Constant(2))
                yield _edit(tree, at, ast.BinOp(node.left, ast.Div(), squared), "a square is missing")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            for op in (ast.Sub(), ast.Add()):
                power = ast.BinOp(node.right, op, ast.Constant(1))
                yield _edit(tree, at, ast.BinOp(node.left, ast.Pow(), power), "the exponent is off by one")
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            for value in dict.fromkeys((node.value + 1, node.value - 1, -node.value, 2 * node.value, node.value / 2)):
                yield _edit(tree, at, ast.Constant(value), "a number is wrong")


def _comparisons(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    for at, node in _inside(tree, path):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            turned = ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])]()], node.comparators)
            yield _edit(tree, at, turned, "a comparison is the wrong way round")


def _methods(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    """A sum for a mean and the like."""
    for at, node in _inside(tree, path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _OTHERS:
            other = ast.Attribute(node.func.value, _OTHERS[node.func.attr], ast.Load())
            cause = f"{node.func.attr} stands where {other.attr} is needed"
            yield _edit(tree, at, ast.Call(other, node.args, node.keywords), cause)


def _everywhere(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    """A function of a name, in one place or in all: the derivative is written in terms of the output, but taken at the input."""
    named: dict[str, list[tuple[Path, ast.expr]]] = {}
    for at, node in _values(tree, path):
        if isinstance(node, ast.Name | ast.Attribute):
            named.setdefault(ast.unparse(node), []).append((at, node))
    for name, places in named.items():
        for wrap, (at, _) in itertools.product(wraps, places):
            new = ast.parse(wrap.format(name), mode="eval").body
            yield _edit(tree, at, new, f"{name} stands where {ast.unparse(new)} is needed")
        for wrap in wraps if len(places) > 1 else ():
            new = ast.parse(wrap.format(name), mode="eval").body
            edited = tree
            for at, _ in reversed(places):
                edited = _replaced(edited, at, new)
            cause = (
                f"{name} stands where {ast.unparse(new)} is needed: with {_short(new)} in place of `{name}` it agrees"
            )
            yield Edit(edited, places[-1][1].lineno, cause)


def _fewer(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    for at, node in _values(tree, path):
        if isinstance(node, ast.BinOp):
            yield _edit(tree, at, node.left, f"{_short(node.right)} is too much")
            if not isinstance(node.op, ast.Pow | ast.Div):
                yield _edit(tree, at, node.right, f"{_short(node.left)} is too much")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            yield _edit(tree, at, node.func.value, f"{node.func.attr}() is too much")


def _pool(tree: ast.FunctionDef, path: Path) -> list[ast.expr]:
    """Names and attributes of the function, those of the backward pass first."""
    found: dict[str, ast.expr] = {}
    whole = not path or isinstance(
        _at(tree, path), ast.FunctionDef | ast.Lambda
    )  # else a branch, with names of its own
    for _, node in itertools.chain(_values(tree, path), _values(tree, ()) if whole else ()):
        if isinstance(node, ast.Name | ast.Attribute):
            found.setdefault(ast.unparse(node), node)
    for argument in tree.args.args:
        found.setdefault(argument.arg, ast.Name(argument.arg, ast.Load()))
    stored = {
        n.id
        for _, n in _walk(tree if whole else _at(tree, path))
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    found |= {name: ast.Name(name, ast.Load()) for name in sorted(stored - found.keys())}
    # What one operand has, the others have as well: `other.data` beside `self.data`.
    pairs = [
        n
        for _, n in _walk(tree if whole else _at(tree, path))
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    ]
    attributes, owners = {n.attr for n in pairs}, {n.value.id for n in pairs if isinstance(n.value, ast.Name)}
    for owner, attribute in itertools.product(sorted(owners), sorted(attributes)):
        found.setdefault(f"{owner}.{attribute}", ast.Attribute(ast.Name(owner, ast.Load()), attribute, ast.Load()))
    return list(found.values())


def _names(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    pool = _pool(tree, path)
    for at, node in _values(tree, path):
        if isinstance(node, ast.Name | ast.Attribute):
            own = ast.unparse(node)
            for other in pool:
                alike = type(other) is type(node) or ast.unparse(other).rpartition(".")[2] == own.rpartition(".")[2]
                if ast.unparse(other) != own and alike:
                    yield _edit(tree, at, other, f"{own} stands where {ast.unparse(other)} is needed")


def _sums(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    """A transpose, a sum over the examples, more or less."""
    for at, node in _values(tree, path):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield _edit(tree, at, node.value, "the transpose is too much")
        yield _edit(tree, at, ast.Attribute(node, "T", ast.Load()), "the transpose is missing")
        summed = ast.Call(ast.Attribute(node, "sum", ast.Load()), [ast.Constant(0)], [])
        yield _edit(tree, at, summed, "the sum over the examples is missing")


def _factors(tree: ast.FunctionDef, path: Path, wraps: tuple[str, ...]) -> Iterator[Edit]:
    plain = [n for n in _pool(tree, path) if ast.unparse(n) not in ("ctx", "out", "other")]
    plain += [ast.Constant(2), ast.Constant(0.5)]
    names = [n for n in plain if isinstance(n, ast.Name) or getattr(n, "attr", "") in ("data", "value", "val")]
    wrapped = [ast.parse(w.format(ast.unparse(n)), mode="eval").body for w in wraps for n in names]
    for factor in (*plain, *wrapped):
        text = ast.unparse(factor)
        for at, node in _values(tree, path):
            yield _edit(tree, at, ast.BinOp(node, ast.Mult(), factor), f"the factor {text} is missing")
            if not any(factor is w for w in wrapped):
                yield _edit(tree, at, ast.BinOp(node, ast.Div(), factor), f"the factor 1/{text} is missing")
