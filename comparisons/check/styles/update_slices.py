"""Update rules written out in the middle of training code: `vW1 = beta * vW1 + (1 - beta) * dW1; W1 -= lr * vW1`.

Such code can seldom be run as a whole, for want of its data or of its helpers, and its gradients hide what its optimizer does with
them. So the statements of the update alone are taken out and run with recorded gradients, as any optimizer. What is a moment is
told by the way it is used: it is made of itself, and a parameter moves by it. Which rule it is, and the numbers in it, are found
by running it.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.homes import source_text
from comparisons.check.locating import statement as shown
from comparisons.check.models import OptimizerModel
from comparisons.check.source import syntax
from comparisons.check.styles.network_access import stem
from comparisons.check.styles.optimizers import KINDS, TITLES, USED
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.check.update_forms import EPSILON, SMALL, Form, State, forms
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import Adam, Dense, Optimizer, architecture
from scratch.weights import flatten

Array = np.ndarray
STEPS = 6
SIZE = 4
_GRADIENT = re.compile(
    r"^_?(d(?!ec|rop|im|ata|ropout|isc|amp)[A-Za-z]?\w*|g|gt?|g_\w*|g[WwbB]\w*|nabla\w*|delta\w*|del_\w*|.*grad.*|.*deriv.*|partial\w*|.*_d)$", re.IGNORECASE)  # fmt: skip
_COUNTER = re.compile(r"^_?(t|ts|time_?step|step\w*|i|j|k|it|iter\w*|num_?iter\w*|n_?iter\w*|epoch\w*|e|ep|counter?|n_?steps|n_?updates|adam_counter|adam_?t|global_?step)$", re.IGNORECASE)  # fmt: skip
_ONE = re.compile(r"^_?(m|n|bs|batch_?size|mini_?batch_?size|num_?(examples|samples)|n_?(samples|examples)|m_?train|size)$", re.IGNORECASE)  # fmt: skip
_RATE = re.compile(r"^_?(lr\w*|alpha|eta|l?_?rate|learn\w*_?rate|learning|step_?size|stepsize|a)$", re.IGNORECASE)
_ELEMENTWISE = {"sqrt", "square", "power", "abs", "maximum", "minimum", "multiply", "divide", "add", "subtract", "sign", "exp", "pow", "copy", "asarray", "array", "float", "true_divide"}  # fmt: skip
_ZEROS = re.compile(r"zeros|np\.float|0\.?0*$|None|\{\}|\[\]|defaultdict")


@dataclass(frozen=True)
class Piece:
    """One assignment: `key op= value`."""

    key: str
    target: ast.expr
    op: ast.operator | None
    value: ast.expr
    line: int

    @property
    def own(self) -> bool:
        """Whether it is made of itself."""
        return self.op is not None or any(_text(n) == self.key for n in ast.walk(self.value) if isinstance(n, ast.expr))

    @property
    def adds(self) -> bool:
        """Whether it is itself with something added."""
        if self.op is not None:
            return isinstance(self.op, ast.Add | ast.Sub)
        v = self.value
        if not isinstance(v, ast.BinOp) or not isinstance(v.op, ast.Add | ast.Sub):
            return False
        return _leftmost(v) == self.key or (isinstance(v.op, ast.Add) and _text(v.right) == self.key)

    @property
    def counts(self) -> bool:
        """Whether it grows by a constant."""
        rest = [n for n in ast.walk(self.value) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript | ast.Call)]
        return self.own and all(self.key.startswith(_text(n)) for n in rest)


def _leftmost(node: ast.expr) -> str:
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        node = node.left
    return _text(node)


def _text(node: ast.AST) -> str:
    return ast.unparse(node)


@dataclass(frozen=True)
class Block:
    """Statements in a row, with the loops and the function around them, the innermost last."""

    home: str
    pieces: tuple[Piece, ...]
    loops: tuple[ast.For | ast.While, ...]
    function: ast.FunctionDef | None
    branched: bool = False


def blocks(tree: ast.Module) -> Iterator[Block]:
    """All blocks of a file."""

    def visit(
        body: list[ast.stmt],
        home: str,
        loops: tuple[ast.For | ast.While, ...],
        function: ast.FunctionDef | None,
        branched: bool = False,
    ) -> Iterator[Block]:
        yield Block(home, tuple(p for s in body for p in _pieces(s)), loops, function, branched)
        for s in body:
            if isinstance(s, ast.FunctionDef):
                yield from visit(s.body, f"{home}.{s.name}" if home else s.name, (), s)
            elif isinstance(s, ast.ClassDef):
                yield from visit(s.body, s.name, (), None)
            elif isinstance(s, ast.For | ast.While):
                yield from visit(s.body, home, (*loops, s), function, branched)
            elif isinstance(s, ast.If):
                main = "__name__" in _text(s.test)
                for inner in (s.body, s.orelse):
                    yield from visit(inner, home, loops, function, branched or not main)
            elif isinstance(s, ast.With | ast.Try):
                yield from visit(s.body, home, loops, function, branched)

    yield from visit(tree.body, "", (), None)


def _pieces(s: ast.stmt) -> Iterator[Piece]:
    if isinstance(s, ast.AugAssign):
        yield Piece(_text(s.target), s.target, s.op, s.value, s.lineno)
    elif isinstance(s, ast.AnnAssign) and s.value is not None:
        yield Piece(_text(s.target), s.target, None, s.value, s.lineno)
    elif isinstance(s, ast.Assign):
        for target in s.targets:
            pairs: Iterable[tuple[ast.expr, ast.expr]] = [(target, s.value)]
            if isinstance(target, ast.Tuple | ast.List) and isinstance(s.value, ast.Tuple | ast.List):
                pairs = zip(target.elts, s.value.elts, strict=False)
            for t, v in pairs:
                if not isinstance(t, ast.Tuple | ast.List):
                    yield Piece(_text(t), t, None, v, s.lineno)


@dataclass
class Slice:
    """The statements of an update.

    Attributes
    ----------
    block : Block
    pieces : list of Piece
        In order.
    moments : dict of str to tuple of str
        By parameter, what it moves by.
    scalars : dict of str to float
    counters : dict of str to (float, float)
        Value in the first step, and by how much it grows from step to step.
    gradients : dict of str to str
        Each gradient, with the parameter that it is the gradient of.
    every_time : tuple of str
        Moments that are set anew in every step.
    every_epoch : tuple of str
        Moments that are set anew in an outer loop, where parameters are not.
    fixed : tuple of str
        Counters that never grow.
    """

    block: Block
    pieces: list[Piece]
    moments: dict[str, tuple[str, ...]]
    scalars: dict[str, float] = field(default_factory=dict)
    counters: dict[str, tuple[float, float]] = field(default_factory=dict)
    gradients: dict[str, str] = field(default_factory=dict)
    every_time: tuple[str, ...] = ()
    every_epoch: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    @property
    def params(self) -> list[str]:
        """Parameters, in order."""
        return list(self.moments)


class Unknown(Exception):
    """Something in an update is neither gradient nor number as far as can be told."""


def sliced(block: Block, tree: ast.Module) -> Slice | None:
    """The update in a block, if moments take part in it."""
    own = {p.key for p in block.pieces if p.own and not p.counts and not _is_gradient(p.target)}
    counters = {p.key for p in block.pieces if p.counts}
    own -= {p.key for p in block.pieces if _decays(p)}  # a schedule: the rate is taken to be constant
    between = {p.key: p for p in block.pieces if not p.own and p.key not in own and _elementwise(p.value) and not _is_gradient(p.target) and not _decays(p)}  # fmt: skip

    def reached(value: ast.expr, seen: frozenset[str] = frozenset()) -> set[str]:
        found: set[str] = set()
        for node in _leaves(value):
            text = _text(node)
            if text in own:
                found.add(text)
            elif text in between and text not in seen:
                found |= reached(between[text].value, seen | {text})
        return found

    adding = {p.key: reached(p.value) - {p.key} for p in block.pieces if p.key in own and p.adds}
    moving = {k for k, of in adding.items() if of}
    params = {k: tuple(sorted(of - moving)) for k, of in adding.items() if of - moving}
    if not params:
        return None
    moments = {m for of in params.values() for m in of}
    needed = params.keys() | moments
    waiting = list(needed)
    while waiting:
        key = waiting.pop()
        for p in block.pieces:
            if p.key == key:
                for node in _leaves(p.value):
                    text = _text(node)
                    if (text in between or text in counters or text in own) and text not in needed:
                        needed = needed | {text}
                        waiting.append(text)
    pieces = [p for p in block.pieces if p.key in needed]
    if any(not p.own and p.key in params for p in pieces):
        return None  # parameters are made here, not moved
    left = own - params.keys() - moments - moving
    unmoved = {f: (m,) for m in sorted(left) if (f := _forgotten(m, params, block, tree))}
    needed |= {m for of in unmoved.values() for m in of}
    found = Slice(block, [p for p in block.pieces if p.key in needed], params | unmoved)
    try:
        _resolve(found, tree, needed)
    except Unknown:
        return None
    if not all(p in found.gradients.values() for p in found.params):
        return None
    _resets(found, tree, moments)
    return found


def _decays(p: Piece) -> bool:
    """Whether a learning rate is made of itself and of other numbers, with no root or power as Adam's correction has."""
    return bool(_RATE.match(_word(p.target))) and not re.search(r"sqrt|\*\*", _text(p.value))


def _forgotten(moment: str, params: dict[str, tuple[str, ...]], block: Block, tree: ast.Module) -> str:
    """The parameter that a moment is made for, where nothing in the file moves by it."""
    bare = _canonical_moment(moment)
    if bare == _canonical(moment) or any(_canonical(p) == bare for p in params):
        return ""
    own = {n for p in block.pieces if p.key == moment for n in ast.walk(p.value)}
    inside = {id(n) for q in ast.walk(tree) if isinstance(q, ast.Assign | ast.AugAssign)
              and any(p.key == moment for p in _pieces(q)) for n in ast.walk(q)}  # fmt: skip
    read = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript) and id(n) not in inside
            and isinstance(n.ctx, ast.Load) and _text(n) == moment]  # fmt: skip
    if not own or read:
        return ""
    every = {p.key for b in blocks(tree) for p in b.pieces if not p.own}
    return next((k for k in sorted(every) if _canonical(k) == bare and k != moment and not _GRADIENT.match(k)), "")


_MEMORY = re.compile(
    r"^_?(v|s|m|u|h|vel\w*|velocit\w*|mom\w*|cache\w*|adam\w*|sq\w*|rms\w*|accum\w*|memory|ema\w*|[vms]_\w+|[vms]t|first\w*|second\w*|prev\w*|last\w*|opt\w*|state\w*)$",
    re.IGNORECASE,
)


def _is_gradient(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        # `v['dW1']` is no gradient, though its key is that of one.
        base = _word(node.value)
        return bool(_GRADIENT.match(base)) or (bool(_GRADIENT.match(_word(node))) and not _MEMORY.match(base))
    return bool(_GRADIENT.match(_word(node)))


def _word(node: ast.AST) -> str:
    """The name by which a person knows it: `dW1` of `grads['dW1']` and `self.dW1`, `dW` of `dW[l]`."""
    if isinstance(node, ast.Subscript):
        key = node.slice
        first = next((n.value for n in ast.walk(key) if isinstance(n, ast.Constant) and isinstance(n.value, str)), None)
        return first if first and first.isidentifier() else _word(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _word(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def _elementwise(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        matrix = isinstance(node.op, ast.MatMult)
        return not matrix and _elementwise(node.left) and _elementwise(node.right)
    if isinstance(node, ast.UnaryOp):
        return _elementwise(node.operand)
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean", "reshape", "copy"):
            return _elementwise(node.func.value)
        return _word(node.func) in _ELEMENTWISE and all(_elementwise(a) for a in node.args)
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Constant)


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression is made of: names, attributes, entries, and what is no plain arithmetic."""
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult):
        yield from _leaves(node.left)
        yield from _leaves(node.right)
    elif isinstance(node, ast.UnaryOp):
        yield from _leaves(node.operand)
    elif isinstance(node, ast.Subscript) and any(isinstance(n, ast.Slice) for n in ast.walk(node.slice)):
        yield from _leaves(node.value)
    elif isinstance(node, ast.Call) and _word(node.func) in _ELEMENTWISE:
        for a in node.args:
            yield from _leaves(a)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr != "dot":
        # A sum over an axis, a transpose: what it is taken of counts.
        yield from (
            _leaves(node.func.value)
            if not isinstance(node.func.value, ast.Name)
            or node.func.value.id
            not in (
                "np",
                "numpy",
            )
            else iter([node])
        )
    elif not isinstance(node, ast.Constant):
        yield node


def _resolve(found: Slice, tree: ast.Module, needed: set[str]) -> None:
    """Tell gradients, numbers and counters apart among what the update does not make itself."""
    every = [p for b in blocks(tree) for p in b.pieces]
    loose: dict[str, ast.expr] = {}
    for p in found.pieces:
        if not (_starts(p) and p.key in {m for of in found.moments.values() for m in of}):
            loose |= {_text(n): n for n in _leaves(p.value) if _text(n) not in needed}
    gradients = {}
    for text, node in loose.items():
        word = _word(node)
        number = _number(text, node, found.block, every)
        grows = any(p.counts and p.key == text for p in every)
        if start := _loop_start(text, found.block):
            found.counters[text] = start
        elif _COUNTER.match(word) and (grows or number is None):
            found.counters[text] = (1.0, 1.0)
        elif re.search(r"^_?(reg|lamb|lmbda|l2|weight_?decay|wd)", word, re.IGNORECASE):
            found.scalars[text] = 0.0  # regularisation goes with the gradient
        elif number is not None:
            found.scalars[text] = number
            if _COUNTER.match(word) and not isinstance(node, ast.Constant):
                found.fixed += (text,)
        elif (
            _ONE.match(word)
            or (isinstance(node, ast.Call) and word in ("len", "float", "int"))
            or (isinstance(node, ast.Subscript) and ".shape[" in text)
        ):
            found.scalars[text] = 1.0
        elif _is_gradient(node) or (isinstance(node, ast.Call | ast.BinOp) and not _RATE.match(word)):
            gradients[text] = node
        elif (usual := _usual(word)) is not None:
            found.scalars[text] = usual
        else:
            raise Unknown(text)
    for p in found.pieces:
        if p.counts:
            first = next((v for q in every if q.key == p.key and not q.own and (v := _value(q.value)) is not None), 0.0)
            found.scalars[p.key] = first
    _owners(found, gradients)


def _starts(p: Piece) -> bool:
    return not p.own and bool(_ZEROS.search(_text(p.value)))


def _number(text: str, node: ast.expr, block: Block, every: list[Piece]) -> float | None:
    """A number that the file gives to a name: where it is assigned, or as a default."""
    names = {text, text.removeprefix("self.")}
    functions = [block.function] if block.function else []
    for f in functions:
        spec = f.args
        for a, d in zip(reversed(spec.args), reversed(spec.defaults), strict=False):
            if a.arg == text and (v := _value(d)) is not None:
                return v
        for a, kw in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            if a.arg == text and kw is not None and (v := _value(kw)) is not None:
                return v
        if any(a.arg == text for a in spec.args):
            return None
    for p in every:
        if p.key in names and p.op is None and (v := _value(p.value)) is not None:
            return v
    return None


def _value(node: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _loop_start(text: str, block: Block) -> tuple[float, float] | None:
    """First value and growth of a loop's counter."""
    for loop in reversed(block.loops):
        if not isinstance(loop, ast.For) or text not in {
            n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)
        }:
            continue
        call = loop.iter
        while isinstance(call, ast.Call) and _word(call.func) in ("tqdm", "trange", "tqdm_notebook") and call.args:
            call = call.args[0]
        if isinstance(call, ast.Call) and _word(call.func) in ("range", "xrange", "arange"):
            first = _value(call.args[0]) if len(call.args) > 1 else 0.0
            return (0.0 if first is None else first, 1.0)
        return (0.0, 1.0)
    return None


def _usual(word: str) -> float | None:
    """What a setting has by default."""
    called = word.lower().replace("_", "").lstrip("_")
    if _RATE.match(word):
        return USED["learning_rate"]
    if re.search(r"eps|tiny|smooth", called):
        return USED["epsilon"]
    if re.fullmatch(r"(beta|b|rho|decay(rate)?|momentum|m|mu|gamma|betav|betatwo)2?", called) and called[-1] in "2vo":
        return USED["beta2"]
    if re.fullmatch(r"(beta|b|rho|decay(rate)?|momentum|m|mu|gamma)1|betam|betaone", called):
        return USED["beta1"]
    if re.fullmatch(r"beta|momentum\w*|mu|gamma|rho|mom|friction|decayrate|moment\w*|discount|b", called):
        return USED["beta"]
    if re.search(r"lamb|reg|l2|weightdecay|wd", called):
        return 0.0
    return None


def _owners(found: Slice, gradients: dict[str, ast.expr]) -> None:
    """Which gradient belongs to which parameter: by name, else because it alone takes part in moving it."""
    params = {_canonical(p): p for p in found.params}
    values = {p.key: p for p in found.pieces if not p.own}

    def used(key: str, seen: frozenset[str]) -> set[str]:
        some: set[str] = set()
        for p in found.pieces:
            if p.key == key:
                for node in _leaves(p.value):
                    text = _text(node)
                    if text in gradients:
                        some.add(text)
                    elif text not in seen and (text in values or any(q.key == text for q in found.pieces)):
                        some |= used(text, seen | {text})
        return some

    reach = {p: set().union(*(used(k, frozenset({p, k})) for k in (p, *found.moments[p]))) for p in found.params}
    for text, node in gradients.items():
        named = params.get(_canonical(_word(node) if not isinstance(node, ast.Call) else text))
        named = named or params.get(_canonical(text))
        if named is not None:
            found.gradients[text] = named
    for p in found.params:
        if p not in found.gradients.values():
            free = [g for g in reach[p] if g not in found.gradients]
            sharing = [q for q in found.params if q != p and reach[q] & set(free)]
            if len(free) == 1 and not sharing:
                found.gradients[free[0]] = p
    for p in found.params:
        # Only gradients that are by name those of others move it: its own takes no part.
        if p not in found.gradients.values() and reach[p] and all(found.gradients.get(g, p) != p for g in reach[p]):
            found.gradients[f"the gradient of {p}"] = p
    if any(g not in found.gradients for g in gradients):
        # Some gradient belongs to nobody: with one for each parameter, in order.
        left = [g for g in gradients if g not in found.gradients]
        bare = [p for p in found.params if p not in found.gradients.values()]
        if len(left) != len(bare):
            raise Unknown(left[0])
        found.gradients |= dict(zip(left, bare, strict=True))


def _canonical(text: str) -> str:
    """A name in which a parameter and its gradient are the same: `w1` of `self.W1`, `dW1`, `grads['dW' + '1']`, `np.clip(dW1, -1, 1)`."""
    word, index = _named(text)
    bare = stem(word).lower().replace("_", "")
    bare = re.sub(r"^(weights?|ws)(?=\d|$)", "w", bare)
    return re.sub(r"^(bias(es)?|bs)(?=\d|$)", "b", bare) + index


def _named(text: str) -> tuple[str, str]:
    """The word by which something is known, and which of several it is."""
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return text, ""
    parts = [n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript)]
    if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        node = next((n for n in parts if _is_gradient(n)), node)
    index = ""
    if isinstance(node, ast.Subscript):
        index = "".join(n.id for n in ast.walk(node.slice) if isinstance(n, ast.Name) and n.id != "str")
        index += "".join(
            str(n.value) for n in ast.walk(node.slice) if isinstance(n, ast.Constant) and type(n.value) is int
        )
    return _word(node) or text, index


def _resets(found: Slice, tree: ast.Module, moments: set[str]) -> None:
    """Moments that are set anew again and again where they should last."""
    block = found.block
    here = {p.key for p in found.pieces if p.key in moments and not p.own and not block.branched}
    around = list(blocks(tree))
    local = {p.key for b in around if b.function is block.function and b.home == block.home for p in b.pieces if not p.own}  # fmt: skip
    made = [p for p in found.params if p in local]
    if here and not made:
        found.every_time = _in_order(here, found)
        return
    if block.function is not None and not block.loops and not made:
        # A function that makes one step: what it makes itself is gone when it is called again.
        body = {p.key for s in block.function.body for p in _pieces(s) if not p.own and _starts(p)}
        anew = {m for m in moments & body if m.isidentifier() and not _global(block.function, m)}
        found.every_time = _in_order(anew, found)
        return
    indices = {n.id for m in moments for n in ast.walk(ast.parse(m)) if isinstance(n, ast.Name)}
    steps = [loop for loop in block.loops if not (isinstance(loop, ast.For) and _text(loop.target) in indices)]
    for loop in steps:
        inside = {p.key for s in loop.body for p in _pieces(s) if not p.own}
        anew = {m for m in moments if {m, _base(m)} & inside}
        if any({p, _base(p)} & inside for p in found.params):
            continue  # training starts anew
        if anew:
            innermost = loop is steps[-1]
            if innermost:
                found.every_time = _in_order(anew, found)
            else:
                found.every_epoch = _in_order(anew, found)
            return


def _base(text: str) -> str:
    """The container of an entry."""
    return text.partition("[")[0]


def _in_order(names: set[str], found: Slice) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.key for p in found.pieces if p.key in names))


def _global(function: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in ast.walk(function))


class _Renamed(ast.NodeTransformer):
    """Every name, attribute and entry of an update under a plain name."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and (new := self._names.get(_text(node))):
            return ast.Name(new, getattr(node, "ctx", None) or ast.Load())
        return self.generic_visit(node)


@dataclass(frozen=True)
class Program:
    """An update that can be run."""

    found: Slice
    names: dict[str, str]
    path: str = "<update>"
    """Of the file: lines keep their numbers."""
    small: bool = False

    def start(self) -> Any:
        """A step function with a memory of its own."""
        found, names = self.found, self.names
        moments = sorted({m for of in found.moments.values() for m in of})
        values: dict[str, Any] = {"np": np, "numpy": np, "math": np, "sqrt": np.sqrt}
        shape = (SIZE, SIZE)
        values |= {names[m]: np.zeros(shape) for m in moments}
        values |= {names[n]: self._small(v, n) for n, v in found.scalars.items()}
        code = self._code()
        count = itertools.count(0)

        def step(params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
            t = next(count)
            order = list(params)
            mine = dict(zip(found.params, order, strict=True))
            own: dict[str, Any] = {names[p]: params[n].copy() for p, n in mine.items()}
            own |= {names[g]: grads[mine[p]].copy() for g, p in found.gradients.items()}
            own |= {names[c]: first + t * by for c, (first, by) in found.counters.items()}
            again = found.every_time if not found.every_epoch else found.every_epoch if t % 3 == 0 else ()
            values.update(own | {names[m]: np.zeros(shape) for m in again})
            with np.errstate(all="ignore"):
                try:
                    exec(code, values)
                except Exception as error:
                    raise UserError(f"{found.block.home or 'the loop'}: {type(error).__name__}: {error}") from error
            return {n: np.asarray(values[names[p]]) for p, n in mine.items()}

        return step

    def _small(self, value: float, name: str) -> float:
        return SMALL if self.small and 0 < value <= EPSILON and not _RATE.match(name.rpartition(".")[2]) else value

    def _code(self) -> Any:
        moments = {m for of in self.found.moments.values() for m in of}
        statements: list[ast.stmt] = []
        for p in self.found.pieces:
            if p.key in moments and not p.own:
                continue  # set to 0 by whoever runs it
            target = ast.Name(self.names[p.key], ast.Store())
            value = _Renamed(self.names).visit(_copy(p.value))
            if self.small:
                for n in ast.walk(value):
                    if isinstance(n, ast.Constant) and isinstance(n.value, float) and 0 < n.value <= EPSILON:
                        n.value = SMALL
            new: ast.stmt = ast.AugAssign(target, p.op, value) if p.op else ast.Assign([target], value)
            for n in ast.walk(new):
                if isinstance(n, ast.expr | ast.stmt):
                    n.lineno, n.end_lineno, n.col_offset, n.end_col_offset = p.line, p.line, 0, 0
            statements.append(new)
        return compile(ast.Module(statements, []), self.path, "exec")


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(_text(node), mode="eval").body


def program(found: Slice) -> Program:
    """The update, with a plain name for everything in it."""
    keys = dict.fromkeys(
        [*(p.key for p in found.pieces), *found.params, *found.scalars, *found.counters, *found.gradients]
    )
    return Program(found, {key: f"_{i}" for i, key in enumerate(keys)})


def _architecture(n: int) -> Any:
    return architecture(*(Dense(SIZE, SIZE, bias=False) for _ in range(n)))


def _case(name: str, n: int, rule: Optimizer) -> Case:
    return Case(f"check/{name}/steps", _architecture(n), (1,) * STEPS, (SIZE,), optimizer=rule, recorded_gradients=True,
                recorded_steps=(1, 2, 3, STEPS))  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """Settings of an update, as it behaves."""

    kind: str
    rate: float
    betas: tuple[float, ...]
    epsilon: float


def _behaviour(made: Program) -> Numbers | None:
    """Which rule it is by its structure, and the numbers in it."""
    found = made.found
    steady = replace(made, found=replace(found, every_time=(), every_epoch=()))
    kinds: Counter[str] = Counter()
    firsts: Counter[float] = Counter()
    seconds: Counter[float] = Counter()
    for p, of in found.moments.items():
        roles = [(m, *_moment(steady, p, m)) for m in of]
        squares = [keep for _, keep, square in roles if square]
        plain = [keep for _, keep, square in roles if not square]
        if any(k is None for k in (*squares, *plain)):
            continue
        if squares and plain:
            kinds["Adam"] += 1
        elif squares:
            kinds["Adagrad" if squares[0] == 1 else "RMSprop"] += 1
        elif plain:
            kinds["Momentum"] += 1
        firsts.update(k for k in plain if k is not None)
        seconds.update(k for k in squares if k is not None)
    if not kinds:
        return None
    kind = kinds.most_common(1)[0][0]
    beta = [c.most_common(1)[0][0] for c in (firsts, seconds) if c]
    small = [v for n, v in found.scalars.items() if 0 < v <= EPSILON and not _RATE.match(n.rpartition(".")[2])]
    small += [
        n.value
        for p in found.pieces
        for n in ast.walk(p.value)
        if isinstance(n, ast.Constant) and isinstance(n.value, float) and 0 < n.value <= EPSILON
    ]
    rates = [v for n, v in found.scalars.items() if _RATE.match(re.findall(r"\w+", n)[-1])]
    return Numbers(kind, rates[0] if rates else 0.0, tuple(beta), small[0] if small else 0.0)


def _moment(made: Program, param: str, moment: str) -> tuple[float | None, bool]:
    """What share of a moment is kept, and whether it is one of squares."""
    found, names = made.found, made.names
    code = made._code()

    def after(m: float, g: float) -> Array:
        shape = (SIZE, SIZE)
        values: dict[str, Any] = {"np": np, "numpy": np, "math": np, "sqrt": np.sqrt}
        values |= {names[k]: np.zeros(shape) for of in found.moments.values() for k in of}
        values |= {names[n]: v for n, v in found.scalars.items()}
        values |= {names[n]: first + by for n, (first, by) in found.counters.items()}
        values |= {names[p]: np.ones(shape) for p in found.params} | {
            names[n]: np.full(shape, g) for n in found.gradients
        }
        values[names[moment]] = np.full(shape, m)
        with np.errstate(all="ignore"):
            exec(code, values)
        return np.asarray(values[names[moment]], dtype=float)

    try:
        kept, one, two = after(1.0, 0.0), after(0.0, 1.0), after(0.0, 2.0)
    except Exception:
        return None, False
    keep = float(kept.ravel()[0])
    if not np.isfinite(keep) or not 0 < keep <= 1:
        return None, False
    under_root = any(_rooted(p.value, moment) for p in found.pieces) or any(
        _rooted(p.value, q.key) for p in found.pieces for q in found.pieces if not q.own and moment in map(_text, _leaves(q.value))
    )  # fmt: skip
    a, b = float(one.ravel()[0]), float(two.ravel()[0])
    return round(keep, 12), under_root or (a != 0 and abs(b / a - 4) < 1e-9)


def _rooted(node: ast.expr, key: str) -> bool:
    """Whether a name stands under a root."""
    for n in ast.walk(node):
        root = isinstance(n, ast.Call) and _word(n.func) == "sqrt"
        root = root or (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow) and _value(n.right) in (0.5, -0.5))
        if root and any(_text(m) == key for m in ast.walk(n) if isinstance(m, ast.expr)):
            return True
    return False


class UpdateSlices:
    """Updates with moments inside training code."""

    name = "update slices"

    def __init__(self) -> None:
        self._programs: dict[str, Program] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every update whose statements stand together."""
        tree = syntax(file)
        units: list[Unit] = []
        text = source_text(file)
        for block in blocks(tree):
            owner, _, method = block.home.partition(".")
            of_optimizer = any(re.search(pattern, owner.lower().replace("_", "")) for pattern, _ in KINDS)
            if owner in taken and (of_optimizer if method else _handed(block)):
                continue  # judged as an optimizer already
            found = sliced(block, tree)
            if found is None:
                continue
            unit = self._unit(file, found, text, {u.name for u in units})
            if unit is not None:
                units.append(unit)
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The statements, run as an optimizer."""
        return OptimizerModel(case, replace(self._programs[unit.name], small=unit.options["small"]).start)

    def _unit(self, file: UserFile, found: Slice, text: str, names: set[str]) -> Unit | None:
        made = replace(program(found), path=file.path)
        try:
            numbers = _behaviour(made)
        except UserError:
            return None
        if numbers is None:
            return None
        form, agreeing, followed = _followed(made, numbers)
        wrong = [p for p in found.params if p not in agreeing]
        crossing = 0
        where = found.block.home
        line = found.pieces[0].line
        called = _called(numbers.kind, f"{where} {text}")
        cause = _reset_cause(found)
        sure = called and not re.search(VARIANTS, text, re.IGNORECASE) and numbers.kind == "Adam"
        if wrong and not agreeing and not followed and not cause and not found.fixed and not sure:
            file.notes.append(f"the update at line {line} is not compared: it is that of no rule known here")
            return None
        if not agreeing and numbers.kind == "Adam" and not called and followed == NO_CORRECTION and not cause:
            file.notes.append(
                f"the update at line {line} has averages of gradients and of their squares without bias correction; "
                "nothing calls it Adam, so it is not compared"
            )
            return None
        if wrong and followed and cause:
            cause = f"{followed}; {cause}" if "kept" not in followed else cause
        if wrong and not cause:
            cause, crossing = _crossed(made, wrong)
            cause = cause or (
                f"the step counter {found.fixed[0]} never grows" if found.fixed and followed != NO_CORRECTION else ""
            )
        if wrong and not cause and not followed:
            cause = _mixed(made, form, wrong)
        located = bool(cause)
        if len(wrong) > len(agreeing) and not cause and followed:
            cause = followed  # of all steps: the first alone may look like something else
        name = f"update in {where}" if where else f"update at line {line}"
        name = f"{name} (line {line})" if name in names else name
        own = {f"dense{i}.W": p for i, p in enumerate(found.params, start=1)}
        options: dict[str, Any] = {"names": own, "small": form.small}
        if form.alone and not wrong:
            options["alone"] = form.told
        if cause:
            options["cause"] = cause
        if located:
            spot = crossing or _spot(found, wrong)
            options["at"] = (where, spot, shown(file.path, spot))
        self._programs[name] = made
        case = _case(name, len(found.params), form.rule)
        told = [form.told] if form.told and not form.alone else []
        told.append(f"its statements were run by themselves, with gradients of ours for {', '.join(found.params)}")
        members = (where or "training loop",)
        title = TITLES.get(numbers.kind, numbers.kind)
        return Unit(name, self.name, f"{title} within training", line, members, (case,), options, tuple(told))


VARIANTS = r"nadam|amsgrad|adamax|amsbound|adabound|lamb\b|radam|adabelief|yogi|adadelta|np\.maximum\([vs]|clip"
"""What is not Adam though it is called so."""
NO_CORRECTION = "Adam without bias correction"


def _handed(block: Block) -> bool:
    """Whether gradients are arguments of the function."""
    f = block.function
    return f is not None and any(_GRADIENT.match(a.arg) for a in f.args.args)


def _called(kind: str, text: str) -> bool:
    return {"Adam": "adam", "RMSprop": "rms", "Adagrad": "ada", "Momentum": "moment"}[kind] in text.lower()


def _reset_cause(found: Slice) -> str:
    if found.every_time:
        return f"{_listed(found.every_time)} {_are(found.every_time)} set to 0 again in every step: nothing is kept from step to step"
    if found.every_epoch:
        return f"{_listed(found.every_epoch)} {_are(found.every_epoch)} set to 0 again in every turn of the outer loop"
    return ""


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: Iterable[str]) -> str:
    some = list(names)
    return ", ".join(some[:4]) + (" and others" if len(some) > 4 else "")


def _spot(found: Slice, wrong: list[str]) -> int:
    """The line to be told: where a moment is set to 0 again, else where the first wrong parameter's moment is made."""
    reset = found.every_time or found.every_epoch
    if reset and found.block.function is not None:
        names = (reset[0], _base(reset[0]))
        lines = [n.lineno for n in ast.walk(found.block.function) if isinstance(n, ast.stmt)
                 and any(p.key in names and not p.own for p in _pieces(n))]  # fmt: skip
        before = [line for line in lines if line <= max(p.line for p in found.pieces)]
        if before:
            return max(before)
    for p in found.pieces:
        if wrong and p.key in found.moments[wrong[0]]:
            return p.line
    return found.pieces[0].line


def _run(step: Any, n: int) -> list[dict[str, Array]]:
    drawn = plan(_case("probe", n, Adam(0.1)))
    params = {name: a.copy() for name, a in flatten(drawn.weights.params)}
    found = []
    for grads in drawn.gradients[:STEPS]:
        params = step({k: a.copy() for k, a in params.items()}, {k: g.copy() for k, g in flatten(grads)})
        found.append({k: np.array(a) for k, a in params.items()})
    return found


def _of(rule: Any, start: Any) -> Any:
    states: dict[str, Any] = {}
    count = itertools.count(1)

    def step(params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
        t = next(count)
        for k, a in params.items():
            if k not in states:
                states[k] = start(a)
        return {k: rule(a, grads[k], states[k], t) for k, a in params.items()}

    return step


def _same(a: list[dict[str, Array]], b: list[dict[str, Array]], key: str) -> bool:
    return all(
        x[key].shape == y[key].shape and np.allclose(x[key], y[key], rtol=0, atol=1e-10, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )


def _values(numbers: Numbers) -> dict[str, float]:
    b = numbers.betas
    values = {"learning_rate": numbers.rate, "epsilon": numbers.epsilon}
    if numbers.kind == "Adam":
        return values | {"beta1": b[0], "beta2": b[-1]}
    return values | {"beta": b[0] if b else 0.0}


def _rates(made: Program, numbers: Numbers) -> Iterator[float]:
    """Learning rates that it may have: the one that is named, else one of its numbers."""
    if numbers.rate:
        yield numbers.rate
    for p in made.found.pieces:
        for n in ast.walk(p.value):
            if isinstance(n, ast.Constant) and isinstance(n.value, float) and EPSILON < n.value <= 1:
                yield n.value
    yield 1.0


def _followed(made: Program, numbers: Numbers) -> tuple[Form, set[str], str]:
    """The published form that most parameters follow, which those are, and the known mistake that others share."""
    n = len(made.found.params)
    keys = [f"dense{i}.W" for i in range(1, n + 1)]
    try:
        plain = _run(made.start(), n)
        hidden = _run(replace(made, small=True).start(), n)
    except UserError:
        plain = hidden = []
    best: tuple[Form, set[str]] | None = None
    kinds = [numbers.kind, *(["Nesterov"] if numbers.kind == "Momentum" else [])]
    for rate in dict.fromkeys(_rates(made, numbers)):
        for kind in kinds:
            for form in forms(kind, _values(replace(numbers, rate=rate))):
                theirs = plain if form.formula is not None or not form.small else hidden
                expected = _run(_of(form.step, form.start), n)
                agreeing = {
                    p for p, k in zip(made.found.params, keys, strict=True) if theirs and _same(theirs, expected, k)
                }
                if best is None or len(agreeing) > len(best[1]):
                    best = form, agreeing
                if len(agreeing) == n:
                    return form, agreeing, ""
    assert best is not None
    form, agreeing = best
    if not agreeing:
        inside = any(_inside(p.value) for p in made.found.pieces)
        choices = list(forms(numbers.kind, _values(numbers)))
        form = (
            next((f for f in choices if f.small and "inside the root" in f.told), choices[0]) if inside else choices[0]
        )
    steady = replace(made, found=replace(made.found, every_time=(), every_epoch=()), small=form.small)
    try:
        theirs = _run(steady.start(), n)
    except UserError:
        return form, agreeing, ""
    return form, agreeing, _mistake(form.rule, theirs, keys, made.found.params, agreeing)


def _inside(node: ast.expr) -> bool:
    """Whether something is added within a root."""
    return any(
        isinstance(n, ast.Call) and _word(n.func) == "sqrt" and n.args and isinstance(n.args[0], ast.BinOp) and isinstance(n.args[0].op, ast.Add)
        for n in ast.walk(node)
    )  # fmt: skip


def _mistake(
    rule: Optimizer, theirs: list[dict[str, Array]], keys: list[str], params: list[str], right: set[str]
) -> str:
    """The known mistake that moves the parameters that are wrong."""
    from comparisons.diagnosis.optimizers import _rules

    wrong = [k for k, p in zip(keys, params, strict=True) if p not in right]
    n = len(keys)
    for told, changed in _rules(rule):
        try:
            with np.errstate(all="ignore"):
                expected = _run(_of(changed, rule.initial_state), n)
        except (KeyError, ValueError, ZeroDivisionError):
            continue
        if wrong and any(_same(theirs, expected, k) for k in wrong):
            return told
    return ""


def _mixed(made: Program, form: Form, wrong: list[str]) -> str:
    """Which of Adam's factors has another number in it, if that alone makes all that is wrong."""
    rule = form.rule
    if not isinstance(rule, Adam):
        return ""
    n = len(made.found.params)
    theirs = _run(replace(made, small=form.small).start(), n)
    keys = [f"dense{made.found.params.index(p) + 1}.W" for p in wrong]
    b1, b2 = rule.beta1, rule.beta2
    shares = {"beta1": b1, "beta2": b2}
    for (kept, k), (taken, f), (which, own, v) in itertools.product(
        shares.items(), {"1 - beta1": 1 - b1, "1 - beta2": 1 - b2, "1": 1.0, "beta1": b1, "beta2": b2}.items(),
        (("first", "beta1", True), ("second", "beta2", False)),
    ):  # fmt: skip

        def step(w: Array, g: Array, s: State, t: int, k: float = k, f: float = f, v: bool = v) -> Array:
            s["v"] = k * s["v"] + f * g if v else b1 * s["v"] + (1 - b1) * g
            s["s"] = b2 * s["s"] + (1 - b2) * g**2 if v else k * s["s"] + f * g**2
            first, second = s["v"] / (1 - b1**t), s["s"] / (1 - b2**t)
            return w - rule.learning_rate * first / (np.sqrt(second) + rule.epsilon)

        expected = _run(_of(step, lambda w: {"v": np.zeros_like(w), "s": np.zeros_like(w)}), n)
        if all(_same(theirs, expected, key) for key in keys):
            told = f"{kept} v + ({taken}) g" if v else f"{kept} s + ({taken}) g^2"
            right = f"{own} {'v' if v else 's'} + (1 - {own}) {'g' if v else 'g^2'}"
            return f"the {which} moment of {_listed(wrong)} is {told}, not {right}"
    return ""


def _crossed(made: Program, wrong: list[str]) -> tuple[str, int]:
    """Whether what is wrong is right with another parameter's gradient or moments in the place of its own; and the line."""
    found = made.found
    told: list[str] = []
    lines: list[int] = []
    moments = {m: p for p, of in reversed(list(found.moments.items())) for m in of}
    for p in wrong:
        of_others = [m for m in found.moments[p] if _canonical_moment(m) and _canonical_moment(m) != _canonical(p)
                     and _canonical_moment(m) in {_canonical(q) for q in found.params}]  # fmt: skip
        pieces = {q.key: q for q in found.pieces}
        for m in found.moments[p]:
            names = [_text(x) for q in found.pieces if q.key == m for x in _leaves(q.value)]
            others = [g for g in names if g in found.gradients and found.gradients[g] != p]
            if others and moments.get(m) == p:
                told.append(f"{m} takes {others[0]}, the gradient of {found.gradients[others[0]]}")
                lines.append(pieces[m].line)
            strange = [x for x in names if x != m and moments.get(x, p) != p and x in pieces]
            if strange:
                told.append(f"{m} is made of {strange[0]}, which belongs to {moments[strange[0]]}")
                lines.append(pieces[m].line)
        if of_others and not told:
            told.append(f"{p} moves by {of_others[0]}, which belongs to another parameter")
            lines += [
                q.line for q in found.pieces if of_others[0] in map(_text, _leaves(q.value)) and q.key not in moments
            ]
    return "; ".join(dict.fromkeys(told)), lines[-1] if lines else 0


def _canonical_moment(text: str) -> str:
    """What a moment is the moment of, by its name: `w1` of `vW1`, `m_w1`, `v['dW1']`."""
    word, index = _named(text)
    bare = re.sub(r"_?(hat|corrected|corr|v|m|s|vel\w*|velocity|mom\w*|cache)$", "", word) or word
    bare = re.sub(r"^(v|m|s|vel\w*?|velocity|mom\w*?|cache|prev|sq|rms|moment\w*?|u|h)_?(?=d?_?[WwbB])", "", bare)
    return _canonical(bare) + index if bare.isidentifier() else bare + index
