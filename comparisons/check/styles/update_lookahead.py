"""Where an update in training code takes its gradients: ahead of the parameters, as Nesterov's momentum does, on a copy or in place.

`ahead = {k: v - gamma * velocity[k] for k, v in params.items()}`, `W_ahead = W - mu * vW`, `W += mu * vW` before the gradients: such a
statement is put behind the update, and what it gives is followed from step to step. In the frameworks' form of the rule these places
are the parameters, so that they can be compared with theirs.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from comparisons.check.styles.update_programs import Program, renamed, same, stepping, trajectory
from comparisons.check.styles.update_reading import (
    Slice,
    assignments,
    base,
    blocks,
    known_as,
    leaves,
    number,
    usual,
    written,
)
from comparisons.check.unit import UserError
from scratch import Momentum, Nesterov, Optimizer

Array = np.ndarray
Bindings = dict[str, ast.expr]
INDEX = "_i"
"""In the place of whatever counts parameters."""


@dataclass(frozen=True)
class Ahead:
    """A statement that looks ahead.

    Attributes
    ----------
    places : dict of str to ast.expr
        By parameter, in terms of the plain names of the program.
    written : dict of str to (str, int)
        By parameter, its text and its line.
    unused : str
        What is moved ahead, where nothing is done with it.
    """

    places: dict[str, ast.expr]
    written: dict[str, tuple[str, int]]
    unused: str = ""


@dataclass(frozen=True)
class _Candidate:
    """An expression that may be a parameter ahead."""

    target: ast.expr | None
    value: ast.expr
    bindings: Bindings
    line: int


def lookahead(made: Program, tree: ast.Module) -> Ahead | None:
    """The look-ahead before the gradients of an update; None if there is none for all of its parameters."""
    found = made.found
    scope = _scope(found, tree)
    copies = _copies(scope)
    loops: Bindings = {}
    for loop in found.block.loops:
        loops |= _bound(loop.target, loop.iter) if isinstance(loop, ast.For) else {}
    names = {written(_normal(ast.parse(key, mode="eval").body, loops, {})): plain for key, plain in made.names.items()}
    keys = {made.names[p]: p for p in found.params}
    until = _gradient_line(found, scope)
    places: dict[str, ast.expr] = {}
    texts: dict[str, tuple[str, int]] = {}
    for c in _candidates(scope):
        if c.line >= until:
            continue
        value = renamed(_normal(c.value, c.bindings, copies), names)
        param = keys.get(_parameter_of(value, made))
        if param is None or param in places or not _known(value, made, tree):
            continue
        own = c.target is not None and written(c.target) == param and any(p.line == c.line for p in found.pieces)
        places[param] = ast.Name(made.names[param], ast.Load()) if own else value
        texts[param] = written(c.value), c.line
    if places.keys() != set(found.params):
        return None
    in_place = any(isinstance(place, ast.Name) for place in places.values())
    last = max(line for _, line in texts.values())
    return Ahead(places, texts, "" if in_place else _unused(last, scope))


def _scope(found: Slice, tree: ast.Module) -> list[ast.stmt]:
    """The statements among which one that looks ahead may stand: those of the loop over steps, or of the function."""
    outer = [loop for loop in found.block.loops if not _over_parameters(loop, found)]
    if outer:
        return list(outer[-1].body)
    return list(found.block.function.body) if found.block.function is not None else []


def _over_parameters(loop: ast.For | ast.While, found: Slice) -> bool:
    """Whether a loop goes from parameter to parameter: its variable is in their names."""
    if not isinstance(loop, ast.For):
        return False
    targets = {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    used = {n.id for p in found.params for n in ast.walk(ast.parse(p)) if isinstance(n, ast.Name)}
    return bool(targets & used)


def _copies(scope: list[ast.stmt]) -> dict[str, ast.expr]:
    """Names of copies, with what they are copies of."""
    found: dict[str, ast.expr] = {}
    for statement in scope:
        for node in ast.walk(statement):
            for piece in assignments(node) if isinstance(node, ast.Assign) else ():
                call = piece.value
                if not isinstance(piece.target, ast.Name) or not isinstance(call, ast.Call):
                    continue
                if known_as(call.func) in ("deepcopy", "copy", "dict", "array", "list") and call.args:
                    found[piece.key] = call.args[0]
                elif isinstance(call.func, ast.Attribute) and call.func.attr == "copy" and not call.args:
                    found[piece.key] = call.func.value
    return found


def _gradient_line(found: Slice, scope: list[ast.stmt]) -> int:
    """From where on the gradients are there; the line of the first moment's update if they are made elsewhere."""
    bases = {base(g).partition(".")[0] for g in found.gradients}
    moments = {m for of in found.moments.values() for m in of}
    last = min((p.line for p in found.pieces if p.key in moments), default=0)
    lines = [
        n.lineno for s in scope for n in ast.walk(s)
        if isinstance(n, ast.Assign | ast.AugAssign) and n.lineno < last and bases & {m.id for m in ast.walk(n) if isinstance(m, ast.Name) and isinstance(m.ctx, ast.Store)}
    ]  # fmt: skip
    return min(lines, default=last)


def _unused(line: int, scope: list[ast.stmt]) -> str:
    """What a statement makes or changes, if nothing reads it from there on."""
    nodes = [n for s in scope for n in ast.walk(s)]
    made = next((n for n in nodes if isinstance(n, ast.stmt) and not isinstance(n, ast.For) and n.lineno == line), None)
    if isinstance(made, ast.Assign | ast.AugAssign):
        whole = made.targets[0] if isinstance(made, ast.Assign) else made.target
    elif isinstance(made, ast.Expr) and isinstance(made.value, ast.Call):
        whole = made.value.func
    else:
        return ""
    name = base(written(whole)).partition(".")[0]
    inside = {id(n) for n in ast.walk(made)}
    read = (n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in inside)
    return "" if name == "self" or any(n.id == name and n.lineno > line for n in read) else name


def _candidates(scope: list[ast.stmt]) -> Iterator[_Candidate]:
    """Values that are assigned, and those of comprehensions."""

    def visit(node: ast.AST, bindings: Bindings) -> Iterator[_Candidate]:
        if isinstance(node, ast.For):
            bindings = bindings | _bound(node.target, node.iter)
        if isinstance(node, ast.DictComp | ast.ListComp):
            inner = dict(bindings)
            for generator in node.generators:
                inner |= _bound(generator.target, generator.iter)
            yield _Candidate(None, node.value if isinstance(node, ast.DictComp) else node.elt, inner, node.lineno)
        if isinstance(node, ast.Assign | ast.AugAssign):
            for p in assignments(node):
                value = ast.BinOp(_load(p.target), p.op, p.value) if p.op else p.value
                yield _Candidate(p.target, value, bindings, p.line)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, bindings)

    for statement in scope:
        yield from visit(statement, {})


def _load(node: ast.expr) -> ast.expr:
    return ast.parse(written(node), mode="eval").body


def _bound(target: ast.expr, over: ast.expr) -> Bindings:
    """What the variables of a loop stand for: `k, v` over `params.items()` for the index and `params[k]`."""
    index = ast.Name(INDEX, ast.Load())

    def entry(container: ast.expr) -> ast.expr:
        return ast.Subscript(container, index, ast.Load())

    parts = list(target.elts) if isinstance(target, ast.Tuple) else [target]
    if isinstance(over, ast.Call):
        called = known_as(over.func)
        if called == "enumerate" and over.args and len(parts) == 2:
            return _bound(parts[1], over.args[0]) | _as(parts[0], index)
        if called == "zip" and len(parts) == len(over.args):
            found: Bindings = {}
            for part, a in zip(parts, over.args, strict=True):
                found |= _bound(part, a)
            return found
        if called == "items" and isinstance(over.func, ast.Attribute) and len(parts) == 2:
            return _as(parts[0], index) | _as(parts[1], entry(over.func.value))
        if called == "values" and isinstance(over.func, ast.Attribute):
            return _as(target, entry(over.func.value))
        return _as(target, index)
    if isinstance(over, ast.Name | ast.Attribute):
        # Either entries or keys: as keys they are an index, and nothing of it alone is a parameter.
        name = parts[0].id if len(parts) == 1 and isinstance(parts[0], ast.Name) else ""
        keys = (len(name) == 1 and name in "kijl") or name in ("key", "name", "layer", "param_name", "idx")
        return _as(target, index if keys else entry(over))
    return _as(target, index)


def _as(target: ast.expr, value: ast.expr) -> Bindings:
    return {target.id: value} if isinstance(target, ast.Name) else {}


class _Substituted(ast.NodeTransformer):
    def __init__(self, names: Bindings) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self._names.get(node.id, node))


def _normal(node: ast.expr, bindings: Bindings, copies: Bindings) -> ast.expr:
    """An expression in which loop variables are what they stand for, and copies what they are copies of."""
    found = _load(node)
    for names in (bindings, copies):
        found = _Substituted(names).visit(found)
    return found


def _parameter_of(value: ast.expr, made: Program) -> str:
    """The plain name of the parameter that an expression moves by its own moment; empty if it is none of that kind."""
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add | ast.Sub):
        return ""
    parts = {written(n) for n in leaves(value)}
    for p, of in made.found.moments.items():
        if made.names[p] in parts and parts & {made.names[m] for m in of}:
            gradients = {made.names[g] for g in made.found.gradients}
            return "" if parts & gradients else made.names[p]
    return ""


def _known(value: ast.expr, made: Program, tree: ast.Module) -> bool:
    """Whether all that an expression is made of is known; numbers that the update does not have are put in."""
    found = made.found
    every = [p for b in blocks(tree) for p in b.pieces]
    ours = set(made.names.values())
    extra: dict[str, ast.expr] = {}
    for node in leaves(value):
        text = written(node)
        if text in ours:
            continue
        known = number(text, node, found.block, every)
        known = usual(known_as(node)) if known is None else known
        if known is None or not isinstance(node, ast.Name):
            return False
        extra[text] = ast.Constant(known)
    _Substituted(extra).visit(value)
    return True


@dataclass(frozen=True)
class Judged:
    """What came of a look-ahead.

    Attributes
    ----------
    program : Program
        Whose steps give the places ahead.
    rule : Optimizer
    right : bool
    line : int
        Of the first place that is wrong.
    cause : str
        Empty where it is right, or where it is not clear what it is.
    """

    program: Program
    rule: Optimizer
    right: bool
    line: int = 0
    cause: str = ""


def judged(made: Program, ahead: Ahead, rule: Optimizer) -> Judged | None:
    """The places ahead beside those of Nesterov's momentum; None if they cannot be followed."""
    if not isinstance(rule, Momentum):
        return None
    beta = rule.beta
    nesterov = Nesterov(rule.learning_rate * (1 - beta), beta)
    lines = [line for _, line in ahead.written.values()]
    program = replace(made, ahead=tuple(ahead.places.items()), until=max(lines))
    n = len(made.found.params)
    try:
        theirs = trajectory(program.start(), n)
        plain = trajectory(made.start(), n)
    except UserError:
        return None
    wanted = trajectory(stepping(nesterov.update, nesterov.initial_state), n)
    if ahead.unused:
        told = f"the look-ahead {ahead.unused} is not used: the gradients are taken at the parameters themselves"
        return Judged(made, nesterov, False, min(lines), told)
    keys = {p: f"dense{i}.W" for i, p in enumerate(made.found.params, start=1)}
    wrong = [p for p, k in keys.items() if not same(theirs, wanted, k)]
    shares = {p: _share(theirs[2][keys[p]] - plain[2][keys[p]], wanted[2][keys[p]] - plain[2][keys[p]]) for p in wrong}
    causes = [_cause(ahead.written[p][0], share, beta, nesterov.learning_rate) for p, share in shares.items()]
    if not all(causes):
        return Judged(program, nesterov, False)
    return Judged(program, nesterov, not wrong, *((ahead.written[wrong[0]][1], causes[0]) if wrong else ()))


def _share(a: Array, b: Array) -> float | None:
    """By what `a` is a multiple of `b`; None if it is none."""
    share = float((a * b).sum() / (b * b).sum()) if b.any() else 0.0
    return share if np.allclose(a, share * b, rtol=0, atol=1e-10) else None


def _cause(text: str, share: float | None, beta: float, rate: float) -> str:
    """What is wrong with a look-ahead that is so many times as long as it should be; empty if that is not clear."""
    if share is None:
        return ""
    known = {
        1.0: "",
        1 / beta: "; the factor beta is missing",
        1 / rate: "; the learning rate is missing",
        1 / (rate * beta): "; the learning rate and beta are missing",
        1 / (1 - beta): "; the factor 1 - beta is missing",
    }  # fmt: skip
    told = next((why for size, why in known.items() if abs(abs(share) / size - 1) < 1e-9), None)
    if told is None:
        return ""
    if share < 0:
        return f"the look-ahead goes the wrong way: {text} lies behind the parameter, as the update moves it the other way{told}"
    return f"the look-ahead {text} goes {share:.4g} times as far as the momentum{told}"
