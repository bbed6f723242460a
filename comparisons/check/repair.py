"""What would make a gradient right: small edits of the code that is wrong, each tried and judged by the reference.

Where no known mistake explains a difference, the functions that take part are changed in one place at a time: another name, a
transpose, a sign, one step earlier, `+=` for `=`, a square, a factor or a term more or less. An edit that brings every wrong
tensor to the reference, and leaves the others, is what the author meant, or as good; it is told with its line. The file itself
stays as it is.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.source import syntax
from comparisons.check.unit import UserFile

Array = np.ndarray
NEAR = 1e-6
"""Relative difference up to which an edit has mended a tensor: finite differences are no more exact."""
SECONDS = 12.0
"""Time that a search may take, of the processor: how busy the machine is must not decide."""
_GRADIENT = re.compile(r"^(d|delta|grad|g$|err)|_(d|grad|delta)$|\['?d|nabla", re.IGNORECASE)

_BACKWARD = re.compile(r"back|bwd|bprop|grad|deriv|prime", re.IGNORECASE)
_HANDED = re.compile(r"next|prev|back|carry|last")
_PARAMETER = re.compile(r"(^|\[['\"]|\.)[WUVb]\w{0,4}(['\"]\])?$")


@dataclass(frozen=True)
class Repair:
    """An edit that makes everything agree.

    Attributes
    ----------
    function : str
        In which it stands.
    line : int
    old, new : str
        The statement as it is, and as it agrees.
    """

    function: str
    line: int
    old: str
    new: str

    @property
    def told(self) -> str:
        """In words."""
        return f"line {self.line}: `{self.old}` agrees as `{self.new}`"


def repair(
    file: UserFile, members: tuple[str, ...], attempt: Callable[[], dict[str, Array]], wanted: dict[str, Array]
) -> Repair | None:
    """Look for an edit.

    Parameters
    ----------
    file : UserFile
    members : tuple of str
        Functions, classes or methods of the unit; what they call in the file is searched too.
    attempt : callable
        Runs the unit; its tensors by name.
    wanted : dict of str to ndarray
        The reference of all tensors, right and wrong.

    Returns
    -------
    Repair or None
    """
    tree = syntax(file)
    names = _reached(tree, {m.partition(".")[0] for m in members})
    end = time.thread_time() + SECONDS
    right, wrong = _told_apart(attempt, wanted)
    places = [p for d in tree.body if getattr(d, "name", None) in names for p in _places(d, right)]
    # Where one gradient alone is wrong, it is its own statement; where several are, what they share, from the last on.
    places.sort(key=lambda p: (p.own(wrong) != (len(wrong) == 1), -p.statement.lineno))
    for edit in file.edits:  # what has mended something else
        for place in places:
            same = (place.statement.lineno, type(place.statement)) == (edit.lineno, type(edit))
            if same and _agrees_with(file, place, edit, attempt, wanted):
                return Repair(place.name, place.statement.lineno, shown(place.statement), shown(edit))
    # What is handed on to the step before is forgotten most easily.
    handed = [p for p in places if any(_HANDED.search(t) for t in _targets(p.statement))]
    itself = [p for p in places if _adds_itself(p.statement)]
    rounds = [
        (_undrawn, places),
        (_swapped, itself),
        *((kind, handed) for kind in (_swapped, _transposed, _added_products)),
    ]
    usual = (
        _compared,
        _transposed,
        _operators,
        _halved,
        _softmaxes,
        _swapped,
        _shifted,
        _squares,
        _added,
        _added_products,
        _added_paths,
    )
    rounds += [(kind, places) for kind in usual]
    helpers = [p for d in tree.body if getattr(d, "name", None) in names for p in _places(d, right, helping=True)]
    rounds += [(kind, helpers) for kind in (_squares, _swapped, _operators)]
    for kind, some in [(None, places), *rounds]:
        for place in some:
            for edited in kind(place.statement, place.names) if kind else _indented(place):
                if time.thread_time() > end:
                    return None
                if _agrees_with(file, place, edited, attempt, wanted):
                    file.edits.append(ast.copy_location(edited, place.statement))
                    return Repair(place.name, place.statement.lineno, shown(place.statement), shown(edited))
    return None


def _adds_itself(statement: ast.stmt) -> bool:
    """Whether a statement adds a multiple of something to itself."""
    return isinstance(statement, ast.AugAssign) and ast.unparse(statement.target) in map(
        ast.unparse, _operands(statement)
    )


def _told_apart(attempt: Callable[[], dict[str, Array]], wanted: dict[str, Array]) -> tuple[set[str], set[str]]:
    """Leaves of the tensors that are right as things are, and of the others."""
    try:
        got = attempt()
    except Exception:
        return set(), set()
    right = {n for n, r in wanted.items() if n in got and _close(got[n], r)}
    return {_leaf(n) for n in right}, {_leaf(n) for n in wanted if n not in right}


def _leaf(tensor: str) -> str:
    last = re.findall(r"\w+", tensor.rpartition(".")[2] or tensor)
    return last[-1].lower() if last else ""


@dataclass(frozen=True)
class _Place:
    """A statement that may be edited.

    Attributes
    ----------
    definition : ast.FunctionDef or ast.ClassDef
        Of the file.
    function : ast.FunctionDef
        The definition itself, or a method of it.
    statement : ast.stmt
    siblings : (list of ast.stmt, int)
        The block that it stands in, and where.
    names : list of str
        What may stand in it.
    """

    definition: ast.FunctionDef | ast.ClassDef
    function: ast.FunctionDef
    statement: ast.stmt
    siblings: tuple[list[ast.stmt], int]
    names: list[str]

    @property
    def name(self) -> str:
        """The function, with the class of a method."""
        of = f"{self.definition.name}." if isinstance(self.definition, ast.ClassDef) else ""
        return of + self.function.name

    def own(self, leaves: set[str]) -> bool:
        """Whether it makes one of these gradients, not something on the way."""
        return bool(_targets(self.statement) & {form for leaf in leaves for form in (f"d{leaf}", f"grad{leaf}", leaf)})


def _targets(statement: ast.stmt) -> set[str]:
    """Names that are assigned to, plainly; of a subscript its text."""
    found = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    words = [w for t in found if t is not None for w in re.findall(r"\w+", ast.unparse(t))[-1:]]
    return {w.lower().replace("_", "") for w in words}


def _places(definition: ast.stmt, right: set[str], helping: bool = False) -> Iterator[_Place]:
    """Statements about gradients, but those that make one that is right; or what helps them in a backward function."""
    body = definition.body if isinstance(definition, ast.ClassDef) else [definition]
    for function in (f for f in body if isinstance(f, ast.FunctionDef)):
        if helping and not _BACKWARD.search(function.name):
            continue
        names = list(dict.fromkeys([*_names(function), *_masks(definition)]))
        for node in ast.walk(function):
            block = getattr(node, "body", [])
            for i, statement in enumerate(block if isinstance(block, list) else []):
                if (
                    isinstance(statement, ast.Assign | ast.AugAssign | ast.Return)
                    and _about_gradients(statement) != helping
                ):
                    place = _Place(definition, function, statement, (block, i), names)  # type: ignore[arg-type]
                    if not place.own({leaf.replace("_", "") for leaf in right}):
                        yield place


def _reached(tree: ast.Module, names: set[str]) -> set[str]:
    """The names, and of the file's definitions what they use."""
    known = {d.name: d for d in tree.body if isinstance(d, ast.FunctionDef | ast.ClassDef)}
    found: set[str] = set()
    waiting = [n for n in names if n in known]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [n.id for n in ast.walk(known[name]) if isinstance(n, ast.Name) and n.id in known]
    return found


def shown(statement: ast.stmt) -> str:
    """A statement on one line, cut where it is long."""
    text = " ".join(ast.unparse(statement).split())
    return text if len(text) < 90 else text[:87] + "..."


def _agrees_with(
    file: UserFile, place: _Place, edited: ast.stmt, attempt: Callable[[], dict[str, Array]], wanted: dict[str, Array]
) -> bool:
    """Whether all is right while the function runs with the edited statement."""
    function = _held(file, place)
    if function is None:
        return False
    kept = function.__code__
    siblings, i = place.siblings
    siblings[i] = edited
    file.edited = place.function
    try:
        function.__code__ = _code(place, file)
        got = attempt()
    except Exception:  # what the edit makes of the code
        return False
    finally:
        siblings[i] = place.statement
        function.__code__ = kept
        file.edited = None
    return all(n in got and _close(got[n], r) for n, r in wanted.items())


def _held(file: UserFile, place: _Place) -> FunctionType | None:
    """The function object itself, which whoever found it may have kept."""
    owner = file.namespace.get(place.definition.name)
    if isinstance(place.definition, ast.ClassDef):
        owner = vars(owner).get(place.function.name) if isinstance(owner, type) else None
        owner = owner.__func__ if isinstance(owner, staticmethod | classmethod) else owner
    return owner if isinstance(owner, FunctionType) else None


def _code(place: _Place, file: UserFile) -> CodeType:
    alone: ast.stmt = place.function
    if isinstance(place.definition, ast.ClassDef):
        # Inside a class, for names with two underscores and for super().
        alone = ast.ClassDef(place.definition.name, [], [], [place.function], [])
    module = ast.Module([ast.copy_location(alone, place.function)], [])
    made: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(module), file.path, "exec"), dict(file.namespace), made)
    found = made[alone.name]  # type: ignore[attr-defined]
    found = vars(found)[place.function.name] if isinstance(found, type) else found
    return getattr(found, "__func__", found).__code__


def _close(a: Array, b: Array) -> bool:
    a = np.asarray(a)
    if a.shape != b.shape:
        return False
    return bool(np.abs(a - b).max(initial=0) <= NEAR * max(float(np.abs(b).max(initial=0)), 1e-300))


class Replayed:
    """Finite differences that are not computed again: the forward pass stays, so that later runs get the same answers in turn.

    Parameters
    ----------
    derived : sequence of Derived
        What was found before.
    """

    def __init__(self, derived: Sequence[Derived]) -> None:
        self._answers = [(d.reference, d.error, d.kinks) for d in derived]
        self._next = 0

    def rewind(self) -> None:
        """From the first on."""
        self._next = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Stand in for the function in every style that has it."""
        with ExitStack() as stack:
            for module in [m for n, m in list(sys.modules.items()) if n.startswith("comparisons.check.styles.")]:
                if getattr(module, "gradient", None) is gradient:
                    stack.enter_context(patch.object(module, "gradient", self._replay))
            yield

    def _replay(self, *_: Any) -> tuple[Array, float, Array]:
        self._next += 1
        return self._answers[self._next - 1]


# Edits


def _about_gradients(statement: ast.stmt) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if isinstance(statement, ast.Return):
        return statement.value is not None and len(ast.unparse(statement.value)) > 12
    return any(t is not None and _GRADIENT.search(re.sub(r"^self\.", "", ast.unparse(t))) for t in targets)


def _replaced(definition: ast.stmt, statement: ast.stmt, edited: ast.stmt) -> ast.stmt:
    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return edited if node is statement else self.generic_visit(node)

    memo: dict[int, Any] = {id(statement): statement}
    return Put().visit(copy.deepcopy(definition, memo))


def _names(function: ast.FunctionDef) -> list[str]:
    """Arrays of the function: `dhnext`, `z[t]`, `self.h`, no functions, loop counters or dictionaries of steps."""
    called = {id(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
    held = {ast.unparse(n.value) for n in ast.walk(function) if isinstance(n, ast.Subscript)}
    loops = {
        n.id
        for f in ast.walk(function)
        if isinstance(f, ast.For)
        for n in ast.walk(f.target)
        if isinstance(n, ast.Name)
    }
    inside = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Attribute)}
    found: dict[str, None] = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Name | ast.Subscript | ast.Attribute) or id(node) in called or id(node) in inside:
            continue
        text = ast.unparse(node)
        if len(text) < 24 and text not in held | loops and not re.search(r"^np\b|^self$|\.T$|\.shape|[(:]", text):
            found[text] = None
    return list(found)


def _masks(definition: ast.stmt) -> list[str]:
    """Attributes in which a class keeps a mask: its way back may have forgotten it."""
    if not isinstance(definition, ast.ClassDef):
        return []
    stored = [n for n in ast.walk(definition) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return [t for t in dict.fromkeys(map(ast.unparse, stored)) if re.search(r"mask|drop", t) and "rate" not in t]


def _undrawn(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
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


def _operands(statement: ast.stmt) -> list[ast.expr]:
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


def _swapped(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """Another name in the place of one."""
    added_to = ast.unparse(statement.target) if isinstance(statement, ast.AugAssign) else ""
    for node in _operands(statement):
        here = ast.unparse(node)
        gradient = bool(_GRADIENT.search(here))
        for name in names:
            # What is added to itself was meant to be something else: `dW += reg * dW` for `dW += reg * W`.
            if name != here and (bool(_GRADIENT.search(name)) == gradient or here == added_to):
                yield exchanged(statement, node, _parsed(name))


def _transposed(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield exchanged(statement, node, node.value)
    for node in _operands(statement):
        yield exchanged(statement, node, ast.Attribute(copy.deepcopy(node), "T", ast.Load()))
        yield exchanged(statement, node, _parsed(f"np.swapaxes({ast.unparse(node)}, -1, -2)"))


def _operators(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
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


def _compared(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
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


def _halved(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
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


def _shifted(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A step earlier or later."""
    for node in ast.walk(_value(statement) or ast.Pass()):
        if isinstance(node, ast.Subscript) and not any(isinstance(n, ast.Slice) for n in ast.walk(node.slice)):
            text = ast.unparse(node.slice)
            for more in (" - 1", " + 1"):
                yield exchanged(statement, node.slice, _parsed(text + more))
            if re.search(r"\w ?[-+] ?1$", text):
                yield exchanged(statement, node.slice, _parsed(re.sub(r" ?[-+] ?1$", "", text)))


def _squares(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
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


def _inside(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return node.left
    if isinstance(node, ast.Call) and len(node.args) == 1:
        return node.args[0]
    return None


def _indented(place: _Place) -> Iterator[ast.stmt]:
    """The statement under the condition that stands before it: a slip of the indentation."""
    siblings, i = place.siblings
    if i and isinstance(before := siblings[i - 1], ast.If) and not before.orelse:
        inside = ast.If(copy.deepcopy(before.test), [place.statement], [])
        yield ast.fix_missing_locations(ast.copy_location(inside, place.statement))


def _softmaxes(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """The gradient through a softmax, which has a part for every other element; and the scale of dot products."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    read = [ast.unparse(n) for n in _operands(statement)]
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


def _added(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A factor or a term more: a name, the derivative of tanh or the sigmoid there, or the product of two names."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    text = ast.unparse(value)
    for name in names:
        yield exchanged(statement, value, _parsed(f"({text}) + {name}"))
        yield exchanged(statement, value, _parsed(f"({text}) - {name}"))
    own = [n for n in names if not _GRADIENT.search(n)]
    for name in own:
        for form in ("{}", "(1 - {})", "(1 - {} ** 2)", "{} * (1 - {})", "(1 - np.tanh({}) ** 2)"):
            yield exchanged(statement, value, _parsed(f"({text}) * {form.format(name, name)}"))


def _added_paths(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A term more that is a gradient that goes back through a matrix."""
    value = _value(statement)
    if value is None or isinstance(value, ast.Tuple):
        return
    text = ast.unparse(value)
    for name in sorted((n for n in names if _GRADIENT.search(n)), key=len):
        for matrix in (n for n in names if _PARAMETER.search(n) and not _GRADIENT.search(n)):
            for form in ("{} @ {}.T", "{1}.T @ {0}"):
                yield exchanged(statement, value, _parsed(f"{text} + {form.format(name, matrix)}"))


def _added_products(statement: ast.stmt, names: list[str]) -> Iterator[ast.stmt]:
    """A term more that is a gradient times something of the forward pass."""
    value = _value(statement)
    if value is None or isinstance(statement, ast.Return):
        return
    text = ast.unparse(value)
    for name in sorted((n for n in names if _GRADIENT.search(n)), key=len):
        for factor in (n for n in names if not _GRADIENT.search(n) and not _PARAMETER.search(n)):
            for form in ("{}", "(1 - {})"):
                yield exchanged(statement, value, _parsed(f"({text}) + {name} * {form.format(factor)}"))


def statement_edits(function: ast.FunctionDef) -> Iterator[tuple[list[ast.stmt], int, ast.stmt]]:
    """The changes of one statement about gradients that `repair` tries, for code that is no function of the file: block, place, statement."""
    names = _names(function)
    places = [
        (block, i)
        for node in ast.walk(function)
        if isinstance(block := getattr(node, "body", None), list)
        for i, s in enumerate(block)
        if isinstance(s, ast.Assign | ast.AugAssign) and _about_gradients(s)
    ]
    for kind in (_transposed, _operators, _swapped, _squares, _added, _added_paths):
        for block, i in sorted(places, key=lambda p: -p[0][p[1]].lineno):
            for new in kind(block[i], names):
                yield block, i, new
