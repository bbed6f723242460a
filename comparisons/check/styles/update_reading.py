"""The statements of an update in training code: parameters, their moments, gradients, numbers and counters.

What is a moment is told by the way it is used: it is made of itself, and a parameter moves by it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from comparisons.check.styles.network_access import stem
from comparisons.check.styles.optimizers import USED

GRADIENT = re.compile(
    r"^_?(d(?!ec|rop|im|ata|ropout|isc|amp)[A-Za-z]?\w*|g|gt?|g_\w*|g[WwbB]\w*|nabla\w*|delta\w*|del_\w*|.*grad.*|.*deriv.*|partial\w*|.*_d)$", re.IGNORECASE)  # fmt: skip
_COUNTER = re.compile(r"^_?(t|ts|time_?step|step\w*|i|j|k|it|iter\w*|num_?iter\w*|n_?iter\w*|epoch\w*|e|ep|counter?|n_?steps|n_?updates|adam_counter|adam_?t|global_?step)$", re.IGNORECASE)  # fmt: skip
_ONE = re.compile(r"^_?(m|n|bs|batch_?size|mini_?batch_?size|num_?(examples|samples)|n_?(samples|examples)|m_?train|size)$", re.IGNORECASE)  # fmt: skip
RATE = re.compile(r"^_?(lr\w*|alpha|eta|l?_?rate|learn\w*_?rate|learning|step_?size|stepsize|a)$", re.IGNORECASE)
_ELEMENTWISE = {"sqrt", "square", "power", "abs", "maximum", "minimum", "multiply", "divide", "add", "subtract", "sign", "exp", "pow", "copy", "asarray", "array", "float", "true_divide"}  # fmt: skip
_MEMORY = re.compile(
    r"^_?(v|s|m|u|h|vel\w*|velocit\w*|mom\w*|cache\w*|adam\w*|sq\w*|rms\w*|accum\w*|memory|ema\w*|[vms]_\w+|[vms]t|first\w*|second\w*|prev\w*|last\w*|opt\w*|state\w*)$",
    re.IGNORECASE,
)
_CORRECTED = re.compile(r"sqrt|\*\*")
"""A rate that has Adam's bias correction in it: `lr_t = lr * np.sqrt(1 - b2 ** t) / (1 - b1 ** t)`."""
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
        return self.op is not None or any(
            written(n) == self.key for n in ast.walk(self.value) if isinstance(n, ast.expr)
        )

    @property
    def adds(self) -> bool:
        """Whether it is itself with something added."""
        if self.op is not None:
            return isinstance(self.op, ast.Add | ast.Sub)
        v = self.value
        if not isinstance(v, ast.BinOp) or not isinstance(v.op, ast.Add | ast.Sub):
            return False
        return _leftmost(v) == self.key or (isinstance(v.op, ast.Add) and written(v.right) == self.key)

    @property
    def counts(self) -> bool:
        """Whether it grows by a constant."""
        rest = [n for n in ast.walk(self.value) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript | ast.Call)]
        return self.own and all(self.key.startswith(written(n)) for n in rest)


def _leftmost(node: ast.expr) -> str:
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        node = node.left
    return written(node)


def written(node: ast.AST) -> str:
    """The source text of an expression."""
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
        rates: tuple[Piece, ...] = (),
    ) -> Iterator[Block]:
        own = tuple(p for s in body for p in assignments(s))
        yield Block(home, rates + own, loops, function, branched)
        rates += tuple(
            p for p in own if RATE.match(known_as(p.target)) and not p.own and _CORRECTED.search(written(p.value))
        )
        for s in body:
            if isinstance(s, ast.FunctionDef):
                yield from visit(s.body, f"{home}.{s.name}" if home else s.name, (), s)
            elif isinstance(s, ast.ClassDef):
                yield from visit(s.body, s.name, (), None)
            elif isinstance(s, ast.For | ast.While):
                yield from visit(s.body, home, (*loops, s), function, branched, rates)
            elif isinstance(s, ast.If):
                main = "__name__" in written(s.test)
                for inner in (s.body, s.orelse):
                    yield from visit(inner, home, loops, function, branched or not main)
            elif isinstance(s, ast.With | ast.Try):
                yield from visit(s.body, home, loops, function, branched)

    yield from visit(tree.body, "", (), None)


def assignments(s: ast.stmt) -> Iterator[Piece]:
    """The assignments of a statement."""
    if isinstance(s, ast.AugAssign):
        yield Piece(written(s.target), s.target, s.op, s.value, s.lineno)
    elif isinstance(s, ast.AnnAssign) and s.value is not None:
        yield Piece(written(s.target), s.target, None, s.value, s.lineno)
    elif isinstance(s, ast.Assign):
        for target in s.targets:
            pairs: Iterable[tuple[ast.expr, ast.expr]] = [(target, s.value)]
            if isinstance(target, ast.Tuple | ast.List) and isinstance(s.value, ast.Tuple | ast.List):
                pairs = zip(target.elts, s.value.elts, strict=False)
            for t, v in pairs:
                if not isinstance(t, ast.Tuple | ast.List):
                    yield Piece(written(t), t, None, v, s.lineno)


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
        for node in leaves(value):
            text = written(node)
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
                for node in leaves(p.value):
                    text = written(node)
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
    return bool(RATE.match(known_as(p.target))) and not re.search(r"sqrt|\*\*", written(p.value))


def _forgotten(moment: str, params: dict[str, tuple[str, ...]], block: Block, tree: ast.Module) -> str:
    """The parameter that a moment is made for, where nothing in the file moves by it."""
    bare = canonical_moment(moment)
    if bare == canonical(moment) or any(canonical(p) == bare for p in params):
        return ""
    own = {n for p in block.pieces if p.key == moment for n in ast.walk(p.value)}
    inside = {id(n) for q in ast.walk(tree) if isinstance(q, ast.Assign | ast.AugAssign)
              and any(p.key == moment for p in assignments(q)) for n in ast.walk(q)}  # fmt: skip
    read = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript) and id(n) not in inside
            and isinstance(n.ctx, ast.Load) and written(n) == moment]  # fmt: skip
    if not own or read:
        return ""
    every = {p.key for b in blocks(tree) for p in b.pieces if not p.own}
    return next((k for k in sorted(every) if canonical(k) == bare and k != moment and not GRADIENT.match(k)), "")


def _is_gradient(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        # `v['dW1']` is no gradient, though its key is that of one.
        base = known_as(node.value)
        return bool(GRADIENT.match(base)) or (bool(GRADIENT.match(known_as(node))) and not _MEMORY.match(base))
    return bool(GRADIENT.match(known_as(node)))


def known_as(node: ast.AST) -> str:
    """The name by which a person knows it: `dW1` of `grads['dW1']` and `self.dW1`, `dW` of `dW[l]`."""
    if isinstance(node, ast.Subscript):
        key = node.slice
        first = next((n.value for n in ast.walk(key) if isinstance(n, ast.Constant) and isinstance(n.value, str)), None)
        return first if first and first.isidentifier() else known_as(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return known_as(node.func)
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
        return known_as(node.func) in _ELEMENTWISE and all(_elementwise(a) for a in node.args)
    return isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Constant)


def leaves(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression is made of: names, attributes, entries, and what is no plain arithmetic."""
    if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.MatMult):
        yield from leaves(node.left)
        yield from leaves(node.right)
    elif isinstance(node, ast.UnaryOp):
        yield from leaves(node.operand)
    elif isinstance(node, ast.Subscript) and any(isinstance(n, ast.Slice) for n in ast.walk(node.slice)):
        yield from leaves(node.value)
    elif isinstance(node, ast.Call) and known_as(node.func) in _ELEMENTWISE:
        for a in node.args:
            yield from leaves(a)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr != "dot":
        # A sum over an axis, a transpose: what it is taken of counts.
        yield from (
            leaves(node.func.value)
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
            loose |= {written(n): n for n in leaves(p.value) if written(n) not in needed}
    gradients = {}
    for text, node in loose.items():
        word = known_as(node)
        known = number(text, node, found.block, every)
        grows = any(p.counts and p.key == text for p in every)
        if start := _loop_start(text, found.block):
            found.counters[text] = start
        elif _COUNTER.match(word) and (grows or known is None):
            found.counters[text] = (1.0, 1.0)
        elif re.search(r"^_?(reg|lamb|lmbda|l2|weight_?decay|wd)", word, re.IGNORECASE):
            found.scalars[text] = 0.0  # regularisation goes with the gradient
        elif known is not None:
            found.scalars[text] = known
            if _COUNTER.match(word) and not isinstance(node, ast.Constant):
                found.fixed += (text,)
        elif (
            _ONE.match(word)
            or (isinstance(node, ast.Call) and word in ("len", "float", "int"))
            or (isinstance(node, ast.Subscript) and ".shape[" in text)
        ):
            found.scalars[text] = 1.0
        elif _is_gradient(node) or (isinstance(node, ast.Call | ast.BinOp) and not RATE.match(word)):
            gradients[text] = node
        elif (default := usual(word)) is not None:
            found.scalars[text] = default
        else:
            raise Unknown(text)
    for p in found.pieces:
        if p.counts:
            first = next(
                (v for q in every if q.key == p.key and not q.own and (v := literal(q.value)) is not None), 0.0
            )
            found.scalars[p.key] = first
    _owners(found, gradients)


def _starts(p: Piece) -> bool:
    return not p.own and bool(_ZEROS.search(written(p.value)))


def number(text: str, node: ast.expr, block: Block, every: list[Piece]) -> float | None:
    """A number that the file gives to a name: where it is assigned, or as a default."""
    names = {text, text.removeprefix("self.")}
    functions = [block.function] if block.function else []
    for f in functions:
        spec = f.args
        for a, d in zip(reversed(spec.args), reversed(spec.defaults), strict=False):
            if a.arg == text and (v := literal(d)) is not None:
                return v
        for a, kw in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            if a.arg == text and kw is not None and (v := literal(kw)) is not None:
                return v
        if any(a.arg == text for a in spec.args):
            return None
    for p in every:
        if p.key in names and p.op is None and (v := literal(p.value)) is not None:
            return v
    return None


def literal(node: ast.expr) -> float | None:
    """The number that an expression is; None if it is none."""
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
        while isinstance(call, ast.Call) and known_as(call.func) in ("tqdm", "trange", "tqdm_notebook") and call.args:
            call = call.args[0]
        if isinstance(call, ast.Call) and known_as(call.func) in ("range", "xrange", "arange"):
            first = literal(call.args[0]) if len(call.args) > 1 else 0.0
            return (0.0 if first is None else first, 1.0)
        return (0.0, 1.0)
    return None


def usual(word: str) -> float | None:
    """What a setting has by default."""
    called = word.lower().replace("_", "").lstrip("_")
    if RATE.match(word):
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
    params = {canonical(p): p for p in found.params}
    values = {p.key: p for p in found.pieces if not p.own}

    def used(key: str, seen: frozenset[str]) -> set[str]:
        some: set[str] = set()
        for p in found.pieces:
            if p.key == key:
                for node in leaves(p.value):
                    text = written(node)
                    if text in gradients:
                        some.add(text)
                    elif text not in seen and (text in values or any(q.key == text for q in found.pieces)):
                        some |= used(text, seen | {text})
        return some

    reach = {p: set().union(*(used(k, frozenset({p, k})) for k in (p, *found.moments[p]))) for p in found.params}
    for text, node in gradients.items():
        named = params.get(canonical(known_as(node) if not isinstance(node, ast.Call) else text))
        named = named or params.get(canonical(text))
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


def canonical(text: str) -> str:
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
    return known_as(node) or text, index


def _resets(found: Slice, tree: ast.Module, moments: set[str]) -> None:
    """Moments that are set anew again and again where they should last."""
    block = found.block
    here = {p.key for p in found.pieces if p.key in moments and _anew(p) and not block.branched}
    around = list(blocks(tree))
    local = {p.key for b in around if b.function is block.function and b.home == block.home for p in b.pieces if not p.own}  # fmt: skip
    made = [p for p in found.params if p in local]
    if here and not made:
        found.every_time = _in_order(here, found)
        return
    if block.function is not None and not block.loops and not made:
        # A function that makes one step: what it makes itself is gone when it is called again.
        body = {p.key for s in block.function.body for p in assignments(s) if not p.own and _starts(p)}
        anew = {m for m in moments & body if m.isidentifier() and not _global(block.function, m)}
        found.every_time = _in_order(anew, found)
        return
    indices = {n.id for m in moments for n in ast.walk(ast.parse(m)) if isinstance(n, ast.Name)}
    steps = [loop for loop in block.loops if not (isinstance(loop, ast.For) and written(loop.target) in indices)]
    for loop in steps:
        assigned = [p for s in loop.body for p in assignments(s) if not p.own]
        inside = {p.key for p in assigned}
        fresh = {p.key for p in assigned if _anew(p)}
        anew = {m for m in moments if {m, base(m)} & fresh}
        if any({p, base(p)} & inside for p in found.params):
            continue  # training starts anew
        if anew:
            innermost = loop is steps[-1]
            if innermost:
                found.every_time = _in_order(anew, found)
            else:
                found.every_epoch = _in_order(anew, found)
            return


def _anew(p: Piece) -> bool:
    """Whether something is made of other things; `prev = neuron["prev"]` only names what lasts."""
    return not p.own and not isinstance(p.value, ast.Name | ast.Attribute | ast.Subscript)


def base(text: str) -> str:
    """The container of an entry."""
    return text.partition("[")[0]


def _in_order(names: set[str], found: Slice) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.key for p in found.pieces if p.key in names))


def _global(function: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(n, ast.Global | ast.Nonlocal) and name in n.names for n in ast.walk(function))


def canonical_moment(text: str) -> str:
    """What a moment is the moment of, by its name: `w1` of `vW1`, `m_w1`, `v['dW1']`."""
    word, index = _named(text)
    bare = re.sub(r"_?(hat|corrected|corr|v|m|s|vel\w*|velocity|mom\w*|cache)$", "", word) or word
    bare = re.sub(r"^(v|m|s|vel\w*?|velocity|mom\w*?|cache|prev|sq|rms|moment\w*?|u|h)_?(?=d?_?[WwbB])", "", bare)
    return canonical(bare) + index if bare.isidentifier() else bare + index
