"""Small edits of one statement, as a person may have meant it.

Another name, a transpose, a sign, one step earlier, `+=` for `=`, a square, a factor or a term more or less. `edits` has those of
expressions in functions that can be judged by themselves.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from typing import Any

_GRADIENT = re.compile(r"^(d|delta|grad|g$|err)|_(d|grad|delta)$|\['?d|nabla", re.IGNORECASE)
_MOVED = (
    (1, 2, 3, 0),
    (1, 0, 2, 3),
    (0, 2, 3, 1),
    (3, 0, 1, 2),
    (2, 3, 0, 1),
    (0, 3, 1, 2),
    (3, 1, 2, 0),
    (2, 3, 1, 0),
)
_PARAMETER = re.compile(r"(^|\[['\"]|\.)[WUVb]\w{0,4}(['\"]\])?$")


def shown(statement: ast.stmt) -> str:
    """A statement on one line, cut where it is long."""
    text = " ".join(ast.unparse(statement).split())
    return text if len(text) < 90 else text[:87] + "..."


def about_gradients(statement: ast.stmt) -> bool:
    """Whether what a statement makes is called like a gradient, or returned by more than a name."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if isinstance(statement, ast.Return):
        return statement.value is not None and len(ast.unparse(statement.value)) > 12
    return any(t is not None and _GRADIENT.search(re.sub(r"^self\.", "", ast.unparse(t))) for t in targets)


def names_of(function: ast.FunctionDef) -> list[str]:
    """Arrays of the function: `dhnext`, `z[t]`, `self.h`, no functions, loop counters or dictionaries of steps.

    What a loop unpacks several of, `for x, h, z, r in reversed(steps)`, are arrays.
    """
    called = {id(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
    held = {ast.unparse(n.value) for n in ast.walk(function) if isinstance(n, ast.Subscript)}
    loops = {
        n.id
        for f in ast.walk(function)
        if isinstance(f, ast.For) and not (isinstance(f.target, ast.Tuple) and len(f.target.elts) > 2)
        for n in ast.walk(f.target)
        if isinstance(n, ast.Name)
    }
    inside = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Attribute) and n.attr != "T"}
    found: dict[str, None] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Name | ast.Subscript | ast.Attribute) or id(node) in called or id(node) in inside:
            continue
        text = ast.unparse(node)
        if len(text) < 24 and text not in held | loops and not re.search(r"^np\b|^self$|\.T$|\.shape|[(:]", text):
            found[text] = None
    return list(found)


def masks_of(definition: ast.stmt) -> list[str]:
    """Attributes in which a class keeps a mask: its way back may have forgotten it."""
    if not isinstance(definition, ast.ClassDef):
        return []
    stored = [n for n in ast.walk(definition) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return [t for t in dict.fromkeys(map(ast.unparse, stored)) if re.search(r"mask|drop", t) and "rate" not in t]


def undrawn(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A mask that is kept in the place of one that is drawn anew."""
    value = _value(statement)
    drawn = [n for n in ast.walk(value) if isinstance(n, ast.Call) and "random" in ast.unparse(n.func)] if value else []
    for mask in (n for n in names if re.search(r"mask|drop", n) and "rate" not in n) if drawn else ():
        for node in ast.walk(value) if value else ():
            # With the scale that follows it, without it, and the drawing alone.
            scaled = (
                isinstance(node, ast.BinOp)
                and isinstance(node.left, ast.BinOp)
                and drawn[0] in ast.walk(node.left.right)
            )
            if isinstance(node, ast.BinOp) and isinstance(node.left, ast.BinOp) and scaled:
                yield exchanged(statement, node, ast.BinOp(node.left.left, node.left.op, _parsed(mask)))
            if node is drawn[0] or (isinstance(node, ast.Compare) and drawn[0] in ast.walk(node)):
                yield exchanged(statement, node, _parsed(mask))


def _value(statement: ast.stmt) -> ast.expr | None:
    return getattr(statement, "value", None)


def exchanged(statement: ast.stmt, old: ast.AST, new: ast.AST) -> ast.stmt:
    """A copy of the statement with one node replaced."""

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return new if node is old else self.generic_visit(node)

    return Put().visit(copy.deepcopy(statement, {id(old): old}))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def operands(statement: ast.stmt) -> list[ast.expr]:
    """Names, elements and attributes that are read, the outermost of each."""
    value = _value(statement)
    found: list[ast.expr] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Attribute) and node.attr == "T":
            visit(node.value)
            return
        if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
            if not re.match(r"np\b", ast.unparse(node)):
                found.append(node)
            return
        if isinstance(node, ast.Call):
            for a in node.args:
                visit(a)
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    if value is not None:
        visit(value)
    return found


def swapped(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """Another name in the place of one."""
    added_to = ast.unparse(statement.target) if isinstance(statement, ast.AugAssign) else ""
    for node in operands(statement):
        here = ast.unparse(node)
        gradient = bool(_GRADIENT.search(here))
        for name in names:
            # What is added to itself was meant to be something else: `dW += reg * dW` for `dW += reg * W`.
            if name != here and (bool(_GRADIENT.search(name)) == gradient or here == added_to):
                yield exchanged(statement, node, _parsed(name))


def transposed(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A transpose more or less."""
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield exchanged(statement, node, node.value)
    for node in operands(statement):
        yield exchanged(statement, node, ast.Attribute(copy.deepcopy(node), "T", ast.Load()))
        yield exchanged(statement, node, _parsed(f"np.swapaxes({ast.unparse(node)}, -1, -2)"))


def moved_axes(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """Axes of images that are moved before they are reshaped: `dout.transpose(1, 2, 3, 0).reshape(channels, -1)`."""
    for node in ast.walk(_value(statement) or ast.Pass()):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        of = node.func.value
        if node.func.attr in ("reshape", "ravel", "flatten") and isinstance(
            of, ast.Name | ast.Attribute | ast.Subscript
        ):
            for axes in _MOVED:
                yield exchanged(statement, of, _parsed(f"{ast.unparse(of)}.transpose{axes}"))


def operators(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """Signs, a term or factor left out, `+=` for `=` and the other way round."""
    if isinstance(statement, ast.AugAssign):
        target = copy.deepcopy(statement.target)
        yield ast.copy_location(ast.Assign([target], statement.value), statement)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        to = copy.deepcopy(statement.targets[0])
        if isinstance(to, ast.Name | ast.Attribute | ast.Subscript):
            yield ast.copy_location(ast.AugAssign(to, ast.Add(), statement.value), statement)
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.BinOp):
            other = {ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Div(), ast.Div: ast.Mult()}.get(
                type(node.op)
            )
            if other is not None:
                yield exchanged(statement, node, ast.BinOp(node.left, other, node.right))
            yield exchanged(statement, node, node.left)
            yield exchanged(statement, node, node.right)
            if isinstance(node.op, ast.Sub):
                yield exchanged(statement, node, ast.BinOp(node.right, ast.Sub(), node.left))
            inner = node.left
            if isinstance(node.op, ast.Mult) and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult):
                yield exchanged(statement, node, inner.left)  # two factors less: the derivative of a sigmoid


def compared(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """What a mask asks: with or without equality, the other way round, of something else."""
    other = {
        ast.Lt: (ast.LtE, ast.Gt),
        ast.LtE: (ast.Lt, ast.GtE),
        ast.Gt: (ast.GtE, ast.Lt),
        ast.GtE: (ast.Gt, ast.LtE),
    }
    for node in ast.walk(statement):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in other:
            continue
        for operator in other[type(node.ops[0])]:
            yield exchanged(statement, node, ast.Compare(node.left, [operator()], node.comparators))
        for name in names:
            if name != ast.unparse(node.left) and not _GRADIENT.search(name):
                yield exchanged(statement, node.left, _parsed(name))


def halved(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A half or a 2 more in one of the terms."""
    value = _value(statement)
    if value is None or isinstance(value, ast.Tuple):
        return
    terms, waiting = [], [value]
    while waiting:
        node = waiting.pop()
        terms.append(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            waiting += [node.left, node.right]
    # A factor of the whole has been looked for.
    for node in (t for t in terms if t is not value):
        for factor in ("0.5", "2"):
            yield exchanged(statement, node, _parsed(f"{factor} * ({ast.unparse(node)})"))


def shifted(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A step earlier or later."""
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.Subscript) and not any(isinstance(n, ast.Slice) for n in ast.walk(node.slice)):
            text = ast.unparse(node.slice)
            for more in (" - 1", " + 1"):
                yield exchanged(statement, node.slice, _parsed(text + more))
            if re.search(r"\w ?[-+] ?1$", text):
                yield exchanged(statement, node.slice, _parsed(re.sub(r" ?[-+] ?1$", "", text)))


def squares(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """Derivatives of tanh and of the sigmoid for one another, and with and without a tanh or a square."""
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.BinOp | ast.Call | ast.Name | ast.Subscript | ast.Attribute):
            if isinstance(node, ast.Attribute) and (node.attr == "T" or ast.unparse(node).startswith("np.")):
                continue
            text = ast.unparse(node)
            if len(text) > 40:
                continue
            for form in ("{} ** 2", "1 - {}", "1 - ({}) ** 2", "np.tanh({})", "({}) * (1 - ({}))", "1 - np.tanh({}) ** 2", "np.sum({}, axis=0)",
                         "np.sum({}, axis=1, keepdims=True)", "-({})"):  # fmt: skip
                yield exchanged(statement, node, _parsed(f"({form.format(text, text)})"))
            inner = _inside(node)
            if inner is not None:
                yield exchanged(statement, node, inner)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.left, ast.BinOp):
            # A bracket too early: `(1 - a) ** 2` for `1 - a ** 2`.
            left = node.left
            yield exchanged(statement, node, ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, node.right)))


def slopes(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """Tanh's derivative, `1 - a ** 2`, at what tanh is taken of, and the other way round: `a` and `np.tanh(a)` for one another."""
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and ast.unparse(node.left) in ("1", "1.0"):
            squared = node.right
            if not isinstance(squared, ast.BinOp):
                continue
            power = isinstance(squared.op, ast.Pow) and ast.unparse(squared.right) == "2"
            twice = isinstance(squared.op, ast.Mult) and ast.unparse(squared.left) == ast.unparse(squared.right)
            if power or twice:
                inner = _inside(squared.left) if isinstance(squared.left, ast.Call) else None
                text = ast.unparse(inner or squared.left)
                yield exchanged(statement, squared, _parsed(f"({text}) ** 2" if inner else f"np.tanh({text}) ** 2"))


def _inside(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return node.left
    if isinstance(node, ast.Call) and len(node.args) == 1:
        return node.args[0]
    return None


def softmaxes(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """The gradient through a softmax, which has a part for every other element; and the scale of dot products."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    read = [ast.unparse(n) for n in operands(statement)]
    for p in (n for n in read if not _GRADIENT.search(n)):
        for dp in (n for n in read if _GRADIENT.search(n)):
            for axis in (-1, 0, 1):
                yield exchanged(
                    statement, value, _parsed(f"{p} * ({dp} - np.sum({dp} * {p}, axis={axis}, keepdims=True))")
                )
    text = ast.unparse(value)
    for name in names:
        if re.fullmatch(r"(self\.)?(q|k|queries|keys)", name, re.IGNORECASE):
            yield exchanged(statement, value, _parsed(f"({text}) / np.sqrt({name}.shape[-1])"))
        elif re.fullmatch(r"(self\.)?(d_?k|d|dim|d_?model|d_?head|head_?(dim|size)|n_embd)", name):
            yield exchanged(statement, value, _parsed(f"({text}) / np.sqrt({name})"))


def added(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A factor or a term more: a name, or the derivative of ReLU, of the sigmoid or of tanh there."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    text = ast.unparse(value)
    for name in names:
        yield exchanged(statement, value, _parsed(f"({text}) + {name}"))
        yield exchanged(statement, value, _parsed(f"({text}) - {name}"))
    own = [n for n in names if not _GRADIENT.search(n)]
    for name in own:
        for form in ("{}", "({} > 0)", "(1 - {})", "(1 - {} ** 2)", "{} * (1 - {})", "(1 - np.tanh({}) ** 2)"):
            yield exchanged(statement, value, _parsed(f"({text}) * {form.format(name, name)}"))


def multiplied(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A factor more of the forward pass, as it is: a gate of the whole value, or of one of its terms."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    gates = [n for n in names if not _GRADIENT.search(n) and not _PARAMETER.search(n)]
    terms = list(_terms(value))
    for term in [value, *(terms if len(terms) > 1 else [])]:
        for name in gates:
            yield exchanged(statement, term, _parsed(f"({ast.unparse(term)}) * {name}"))


def _terms(node: ast.expr) -> Iterator[ast.expr]:
    """What a sum consists of."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left)
        yield from _terms(node.right)
    else:
        yield node


def added_paths(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A term more that is a gradient that goes back through a matrix."""
    value = _value(statement)
    if value is None or isinstance(value, ast.Tuple):
        return
    text = ast.unparse(value)
    for name in sorted((n for n in names if _GRADIENT.search(n)), key=len):
        for matrix in (n for n in names if _PARAMETER.search(n) and not _GRADIENT.search(n)):
            for form in ("{} @ {}.T", "{1}.T @ {0}"):
                yield exchanged(statement, value, _parsed(f"{text} + {form.format(name, matrix)}"))


def added_products(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A term more that is a gradient times something of the forward pass."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    text = ast.unparse(value)
    for name in sorted((n for n in names if _GRADIENT.search(n)), key=len):
        for factor in (n for n in names if not _GRADIENT.search(n) and not _PARAMETER.search(n)):
            for form in ("{}", "(1 - {})"):
                yield exchanged(statement, value, _parsed(f"({text}) + {name} * {form.format(factor)}"))


def every_edit(function: ast.FunctionDef) -> Iterator[tuple[list[ast.stmt], int, ast.stmt]]:
    """The changes of one statement about gradients that `repair` tries, for code that is no function of the file: block, place, statement."""
    names = names_of(function)
    places = [
        (block, i)
        for node in ast.walk(function)
        if isinstance(block := getattr(node, "body", None), list)
        for i, s in enumerate(block)
        if isinstance(s, ast.Assign | ast.AugAssign) and about_gradients(s)
    ]
    for kind in (transposed, operators, swapped, squares, added, added_paths):
        for block, i in sorted(places, key=lambda p: -p[0][p[1]].lineno):
            for new in kind(block[i], names):
                yield block, i, new
