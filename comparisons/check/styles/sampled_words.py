"""word2vec's inner loop over pairs of a word and its label, wherever it stands, beside finite differences of its cross-entropy.

    for target, label in classifiers:
        p = sigmoid(np.dot(neu1, syn1[target]))
        g = alpha * (label - p)
        neu1e += g * syn1[target]
        syn1[target] += g * neu1

What is around it reads files, runs in several processes, draws from tables. So the loop is taken out, with the statements before it that
make its vectors and those after it that use its sums, and is run with small tables of vectors. With a rate of 0 it shows every p with its
label, and so the loss -sum(label log p + (1 - label) log(1 - p)) as a function of the tables; with another one, how they move.
"""

from __future__ import annotations

import ast
import builtins
import copy
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.locating import Spot, statement
from comparisons.check.source import syntax
from comparisons.check.styles.cost_arguments import H, N
from comparisons.check.styles.network_arguments import role
from comparisons.check.styles.online_arguments import CONTEXT, NEGATIVES, WORD, is_rate
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
RATE, SLOW = 0.25, 2.0**-20
NEAR = 1e-6
APART = 0.02
"""What a table of sigmoids, or one that is cut off, may be off."""
PAIRS = [(WORD, 1), *((n, 0) for n in NEGATIVES)]
_CURVE = re.compile(r"sigmoid|expit|logistic|exp_?table|sigm|\bexp\(", re.IGNORECASE)
_SIZE = re.compile(r"\w*(dim|size|hidden|width)\w*|d|n", re.IGNORECASE)
_SEEN, _PAIRS = "_backproof_seen", "_backproof_pairs"


@dataclass
class Loop:
    """One such loop with the statements that belong to it.

    Attributes
    ----------
    file : UserFile
    owner, function : str
        Where it stands.
    statements : list of ast.stmt
        Changed so that they tell what they see.
    lists, words, tables : tuple of str
        Names, as they are written, of lists of words, of single words, and of tables of vectors.
    numbers : dict of str to str
        Other names, and whether they are a `rate` or a `size`.
    """

    file: UserFile
    owner: str
    function: str
    statements: list[ast.stmt]
    lists: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    numbers: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.statements[0].lineno

    def run(self, tables: dict[str, Array], rate: float) -> tuple[float, dict[str, Array]]:
        """The loss, and the tables after it.

        Raises
        ------
        UserError
            If the code raises, or p is no sigmoid.
        """
        seen: list[float] = []

        def noted(label: Any, p: Any, z: Any = None) -> Any:
            exact = p if z is None else 1 / (1 + np.exp(-np.asarray(z, dtype=np.float64)))
            if np.size(p) != 1 or abs(float(exact) - float(p)) > APART or float(label) not in (0.0, 1.0):
                raise UserError(f"{self.function}: its probabilities are no sigmoids")
            seen.append(-float(np.log(exact if label else 1 - exact)))
            return exact

        values: dict[str, Any] = {n: list(CONTEXT) for n in self.lists} | dict.fromkeys(self.words, CONTEXT[0])
        values |= {n: rate if kind == "rate" else N for n, kind in self.numbers.items()}
        own = {n: a.copy() for n, a in tables.items()}
        space = self._space(values | own) | {_SEEN: noted, _PAIRS: list(PAIRS)}
        code = compile(
            ast.fix_missing_locations(ast.Module(copy.deepcopy(self.statements), [])), self.file.path, "exec"
        )
        try:
            with np.errstate(all="ignore"), self.file.attempts.of(self.function):
                exec(code, space)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.function}: {type(error).__name__}: {error}") from error
        if not seen or not np.isfinite(seen).all():
            raise UserError(f"{self.function}: no loss is seen")
        return float(np.sum(seen)), {n: np.asarray(_value(space, n)) for n in tables}

    def _space(self, values: dict[str, Any]) -> dict[str, Any]:
        cls = self.file.namespace.get(self.owner) if self.owner else None
        thing: Any = SimpleNamespace()
        if isinstance(cls, type):
            try:
                thing = object.__new__(cls)
            except TypeError as error:
                raise UserError(f"{self.owner} cannot be made") from error
        space = dict(self.file.namespace)
        for name, value in values.items():
            if name.startswith("self."):
                setattr(thing, name[5:], value)
            else:
                space[name] = value
        return space | ({"self": thing} if self.owner else {})


def _value(space: dict[str, Any], name: str) -> Any:
    return getattr(space["self"], name[5:]) if name.startswith("self.") else space[name]


@dataclass
class SampledWords:
    """All such loops of one function or class."""

    file: UserFile
    name: str
    loops: list[Loop]
    title: str = "word vectors with labelled words"

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (self.name,)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        return ["the loop over words and labels was run by itself, once, with a vocabulary of a few words",
                "the loss is the cross-entropy of its sigmoids"]  # fmt: skip

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """How far every table moved, over the rate, beside the gradient of the loss."""
        for loop in self.loops:
            yield from _derived(loop, rng, f" (line {loop.line})" if len(self.loops) > 1 else "")


def _derived(loop: Loop, rng: np.random.Generator, more: str = "") -> Iterator[Derived]:
    tables = {n: 0.5 * rng.standard_normal((H, N)) for n in loop.tables}
    after, slowly = (loop.run(tables, rate)[1] for rate in (RATE, SLOW))
    for name, before in tables.items():
        wanted, error, kinks = gradient(
            lambda v, name=name: np.asarray(loop.run(tables | {name: v}, 0.0)[0]),  # type: ignore[misc]
            before,
            np.ones(()),
        )
        claimed, slow = (before - after[name]) / RATE, (before - slowly[name]) / SLOW
        n = len(CONTEXT)
        told = [(f"{n} times too large, and there are {n} words around: it is not divided by their number, though their mean is taken", n * wanted),
                (f"divided by the number of words around ({n}), though their sum is taken", wanted / n)]  # fmt: skip
        cause, spot = "", None
        if not _same(claimed, wanted):
            spot = _spot(loop, name)
            if np.abs(slow - wanted).max() < np.sqrt(SLOW) * np.abs(wanted).max():
                others = " or ".join(other for other in tables if other != name)
                spot = _late(loop, others) or spot
                cause = f"calculated after {others} had been updated: with a small learning rate it agrees"
        yield Derived(f"grad/{loop.function}.{name.removeprefix('self.')}{more}", claimed, wanted, error, kinks, 1, tuple(told), cause=cause, spot=spot)  # fmt: skip


def _same(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max(initial=0) <= NEAR * np.abs(b).max(initial=0))


def _spot(loop: Loop, table: str) -> Spot | None:
    """The last line that moves a table."""
    moving = [
        n
        for s in loop.statements
        for n in ast.walk(s)
        if isinstance(n, ast.Assign | ast.AugAssign) and _written(_target(n)).startswith(f"{table}[")
    ]
    if not moving:
        return None
    line = max(n.lineno for n in moving)
    return Spot(f"{loop.owner}.{loop.function}".lstrip("."), line, statement(loop.file.path, line))


def _late(loop: Loop, other: str) -> Spot | None:
    """The line that reads a table after it has been moved, in the loop over words."""
    over = next(s for s in loop.statements if isinstance(s, ast.For) and _PAIRS in _names(s.iter))
    moved = False
    for s in over.body:
        if moved and isinstance(s, ast.Assign | ast.AugAssign) and f"{other}[" in ast.unparse(s.value):
            return Spot(f"{loop.owner}.{loop.function}".lstrip("."), s.lineno, statement(loop.file.path, s.lineno))
        moved = moved or (isinstance(s, ast.Assign | ast.AugAssign) and _written(_target(s)).startswith(f"{other}["))
    return None


def _target(n: ast.Assign | ast.AugAssign) -> ast.expr:
    return n.targets[0] if isinstance(n, ast.Assign) else n.target


def find_sampled_words(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[SampledWords]:
    """Functions and classes with such loops, where at least one table of each goes by its gradient.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    others = {d.partition(".")[0] for d in (*done, *taken)}
    found: dict[str, list[Loop]] = {}
    for owner, f in _functions(syntax(file)):
        name = owner or f.name
        if name in others or name not in file.own:
            continue
        for block, i in _blocks(f):
            loop = next((t for t in _ways(file, owner, f.name, block, i) if _works(t)), None)
            if loop is not None:
                found.setdefault(name, []).append(loop)
    for name, loops in found.items():
        yield SampledWords(file, name, loops)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield "", node
        elif isinstance(node, ast.ClassDef):
            yield from ((node.name, f) for f in node.body if isinstance(f, ast.FunctionDef))


def _blocks(f: ast.FunctionDef) -> Iterator[tuple[list[ast.stmt], int]]:
    """Every loop over words and labels, as a place in the list of statements that it stands in."""
    for node in ast.walk(f):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            yield from ((block, i) for i, s in enumerate(block) if isinstance(s, ast.For) and _labels(s))


def _labels(loop: ast.For) -> str:
    """The name of the label in `for word, label in ...`, where it meets a sigmoid."""
    names = loop.target.elts if isinstance(loop.target, ast.Tuple) else []
    if len(names) != 2 or not all(isinstance(n, ast.Name) for n in names):
        return ""
    label = names[1].id  # type: ignore[attr-defined]
    return label if _residual(loop, label) is not None else ""


def _residual(loop: ast.For, label: str) -> ast.BinOp | None:
    """`label - p`, `p - label` or `1 - label - p`."""
    curves = {
        n.id
        for s in ast.walk(loop)
        if isinstance(s, ast.Assign) and _CURVE.search(ast.unparse(s.value))
        for t in s.targets
        for n in ast.walk(t)
        if isinstance(n, ast.Name)
    }
    for n in ast.walk(loop):
        if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub):
            sides = [_is_curve(e, curves) for e in (n.left, n.right)]
            other = n.left if sides[1] else n.right
            if sum(sides) == 1 and label in _names(other):
                return n
    return None


def _is_curve(e: ast.expr, curves: set[str]) -> bool:
    return (isinstance(e, ast.Name) and e.id in curves) or (
        isinstance(e, ast.Call) and bool(_CURVE.search(ast.unparse(e.func)))
    )


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _ways(file: UserFile, owner: str, function: str, block: list[ast.stmt], i: int) -> Iterator[Loop]:
    """The loop with its statements, and what its names may be."""
    loop = block[i]
    assert isinstance(loop, ast.For)
    statements = _around(block, i, _written(loop.iter))
    place = statements.index(loop)
    statements = copy.deepcopy(statements)
    loop = statements[place]
    assert isinstance(loop, ast.For)
    loop.iter = ast.Name(_PAIRS, ast.Load())
    _tell(loop)
    free = _free(statements, file, owner)
    tables = tuple(n for n in free if _is_table(statements, n))
    rest = [n for n in free if n not in tables]
    numbers = {n: "rate" for n in rest if is_rate(n.removeprefix("self."))}
    listed = [n for n in rest if n not in numbers and _is_listed(statements, n)]
    indices = [n for n in rest if n not in (*numbers, *listed) and _is_index(statements, n)]
    for n in rest:
        if n not in (*numbers, *listed, *indices):
            if not _SIZE.fullmatch(n.removeprefix("self.")) and role(n) == "other":
                return
            numbers[n] = "size"
    if len(tables) != 2 or "rate" not in numbers.values():
        return
    for several in itertools.product((False, True), repeat=min(len(indices), 2)):
        words = tuple(n for i, n in enumerate(indices) if i >= len(several) or not several[i])
        lists = (*listed, *(n for n in indices if n not in words))
        yield Loop(file, owner, function, statements, tuple(lists), words, tables, numbers)


def _around(block: list[ast.stmt], i: int, iterated: str) -> list[ast.stmt]:
    """The loop with what it needs of the statements before it, and those after it that use what it sums up."""
    chosen = [block[i]]
    for s in block[i + 1 :]:
        if not (_names(s) & _stored(block[i])) or isinstance(s, ast.Return):
            continue
        chosen.append(s)
    for s in reversed(block[:i]):
        if _stored(s) & set().union(*(_names(c) for c in chosen)) and iterated not in _stored(s):
            chosen.insert(0, s)
    return chosen


def _stored(s: ast.stmt) -> set[str]:
    return {n.id for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _tell(loop: ast.For) -> None:
    """Let the loop tell every label and probability where it takes their difference."""
    label = loop.target.elts[1].id  # type: ignore[attr-defined]
    residual = _residual(loop, label)
    assert residual is not None
    right = label in _names(residual.left)
    p, other = (residual.right, residual.left) if right else (residual.left, residual.right)
    call = ast.Call(ast.Name(_SEEN, ast.Load()), [copy.deepcopy(other), p, *_argument(loop, p)], [])
    if right:
        residual.right = call
    else:
        residual.left = call


def _argument(loop: ast.For, p: ast.expr) -> list[ast.expr]:
    """What the sigmoid is taken of, if that has a name: a dot product."""
    dots = [
        s.targets[0].id
        for s in ast.walk(loop)
        if isinstance(s, ast.Assign)
        and isinstance(s.targets[0], ast.Name)
        and re.search(r"\bdot\(|@|\bsum\(|inner\(", ast.unparse(s.value))
    ]
    own = p.id if isinstance(p, ast.Name) else ""
    dots = [n for n in dict.fromkeys(dots) if n != own]
    return [ast.Name(dots[0], ast.Load())] if len(dots) == 1 else []


def _written(node: ast.AST) -> str:
    return ast.unparse(node)


def _free(statements: list[ast.stmt], file: UserFile, owner: str) -> list[str]:
    """Names and attributes of the object that nothing gives a value before they are used, and that the file does not define."""
    stored = set().union(*(_stored(s) for s in statements))
    cls = file.namespace.get(owner) if owner else None
    found: dict[str, None] = {}
    for s in statements:
        for n in ast.walk(s):
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "self":
                if not callable(getattr(cls, n.attr, None)):
                    found[f"self.{n.attr}"] = None
            elif isinstance(n, ast.Name) and n.id not in stored and n.id not in (_PAIRS, _SEEN, "self"):
                known = file.namespace.get(n.id)
                plain = isinstance(known, np.ndarray | int | float | list) and not isinstance(known, bool)
                if not hasattr(builtins, n.id) and (known is None or (plain and n.id in file.own)):
                    found[n.id] = None
    return list(found)


def _subscripts(statements: list[ast.stmt]) -> Iterator[ast.Subscript]:
    yield from (n for s in statements for n in ast.walk(s) if isinstance(n, ast.Subscript))


def _is_table(statements: list[ast.stmt], name: str) -> bool:
    return any(_written(n.value) == name for n in _subscripts(statements))


def _is_index(statements: list[ast.stmt], name: str) -> bool:
    return any(_written(n.slice) in (name, f"{name}, :") for n in _subscripts(statements))


def _is_listed(statements: list[ast.stmt], name: str) -> bool:
    """Whether something goes over a name, or asks for its length."""
    for s in statements:
        for n in ast.walk(s):
            if isinstance(n, ast.For | ast.comprehension) and _written(n.iter) == name:
                return True
            if isinstance(n, ast.Call) and _written(n.func) == "len" and n.args and _written(n.args[0]) == name:
                return not _is_table(statements, name)
    return False


def _works(loop: Loop) -> bool:
    """Whether it runs, and one table at least moves by the gradient."""
    try:
        found = list(_derived(loop, np.random.default_rng(23)))
    except (UserError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return all(np.abs(d.reference).max() > 0 for d in found) and any(_same(d.subject, d.reference) for d in found)
