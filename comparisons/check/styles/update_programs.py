"""The statements of an update, run by themselves with recorded gradients."""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.styles.update_reading import RATE, Slice, known_as, leaves, literal, written
from comparisons.check.unit import UserError
from comparisons.check.update_forms import EPSILON, SMALL
from comparisons.plan import plan
from scratch import Adam, Dense, Optimizer, architecture
from scratch.weights import flatten

Array = np.ndarray
STEPS = 6
SIZE = 4


class _Renamed(ast.NodeTransformer):
    """Every name, attribute and entry of an update under a plain name."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and (new := self._names.get(written(node))):
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
    ahead: tuple[tuple[str, ast.expr], ...] = ()
    """By parameter, the place at which its gradient is taken: what a step gives instead of the parameter."""
    until: int = 0
    """The line up to which the update has been run by then."""
    downhill: bool = False
    """Whether what it takes points the way down already, as `target - output` does: it is given negative gradients."""

    def start(self) -> Any:
        """A step function with a memory of its own."""
        found, names = self.found, self.names
        moments = sorted({m for of in found.moments.values() for m in of})
        values: dict[str, Any] = {"np": np, "numpy": np, "math": np, "sqrt": np.sqrt}
        shape = (SIZE, SIZE)
        values |= {names[m]: np.zeros(shape) for m in moments}
        values |= {names[n]: self._small(v, n) for n, v in found.scalars.items()}
        code = self._code()
        kept: dict[str, Array] = {}
        count = itertools.count(0)

        def step(params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
            t = next(count)
            order = list(params)
            mine = dict(zip(found.params, order, strict=True))
            own: dict[str, Any] = {names[p]: kept.get(p, params[n]).copy() for p, n in mine.items()}
            sign = -1.0 if self.downhill else 1.0
            own |= {names[g]: sign * grads[mine[p]] for g, p in found.gradients.items()}
            own |= {names[c]: first + t * by for c, (first, by) in found.counters.items()}
            again = found.every_time if not found.every_epoch else found.every_epoch if t % 3 == 0 else ()
            values.update(own | {names[m]: np.zeros(shape) for m in again})
            with np.errstate(all="ignore"):
                try:
                    exec(code, values)
                except Exception as error:
                    raise UserError(f"{found.block.home or 'the loop'}: {type(error).__name__}: {error}") from error
            if not self.ahead:
                return {n: np.asarray(values[names[p]]) for p, n in mine.items()}
            kept.update({p: np.array(values[names[p]]) for p in mine})
            places = self._places(values)
            return {n: places[p] for p, n in mine.items()}

        return step

    def _places(self, values: dict[str, Any]) -> dict[str, Array]:
        """Where the next gradients are taken."""
        then = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in values.items()}
        exec(self._code(self.until), then)
        found = {}
        for p, place in self.ahead:
            code = compile(ast.fix_missing_locations(ast.Expression(_copy(place))), self.path, "eval")
            found[p] = np.array(eval(code, then))
        return found

    def _small(self, value: float, name: str) -> float:
        return SMALL if self.small and 0 < value <= EPSILON and not RATE.match(name.rpartition(".")[2]) else value

    def _code(self, until: float = np.inf) -> Any:
        moments = {m for of in self.found.moments.values() for m in of}
        statements: list[ast.stmt] = []
        for p in self.found.pieces:
            if p.line > until or (p.key in moments and not p.own):
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


def renamed(node: ast.expr, names: dict[str, str]) -> ast.expr:
    """An expression with plain names for the keys of an update."""
    found: ast.expr = _Renamed(names).visit(_copy(node))
    return found


def _copy(node: ast.expr) -> ast.expr:
    return ast.parse(written(node), mode="eval").body


def program(found: Slice) -> Program:
    """The update, with a plain name for everything in it."""
    keys = dict.fromkeys(
        [*(p.key for p in found.pieces), *found.params, *found.scalars, *found.counters, *found.gradients]
    )
    return Program(found, {key: f"_{i}" for i, key in enumerate(keys)})


def _architecture(n: int) -> Any:
    return architecture(*(Dense(SIZE, SIZE, bias=False) for _ in range(n)))


def steps_case(name: str, n: int, rule: Optimizer) -> Case:
    """Some steps of a rule with recorded gradients, for n parameters."""
    return Case(f"check/{name}/steps", _architecture(n), (1,) * STEPS, (SIZE,), optimizer=rule, recorded_gradients=True,
                recorded_steps=(1, 2, 3, STEPS))  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """Settings of an update, as it behaves."""

    kind: str
    rate: float
    betas: tuple[float, ...]
    epsilon: float


def behaviour(made: Program) -> Numbers | None:
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
    if kind == "Momentum" and beta == [1.0]:
        return None  # a sum of all gradients
    small = [v for n, v in found.scalars.items() if 0 < v <= EPSILON and not RATE.match(n.rpartition(".")[2])]
    small += [
        n.value
        for p in found.pieces
        for n in ast.walk(p.value)
        if isinstance(n, ast.Constant) and isinstance(n.value, float) and 0 < n.value <= EPSILON
    ]
    rates = [v for n, v in found.scalars.items() if RATE.match(re.findall(r"\w+", n)[-1])]
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
        _rooted(p.value, q.key) for p in found.pieces for q in found.pieces if not q.own and moment in map(written, leaves(q.value))
    )  # fmt: skip
    a, b = float(one.ravel()[0]), float(two.ravel()[0])
    return round(keep, 12), under_root or (a != 0 and abs(b / a - 4) < 1e-9)


def _rooted(node: ast.expr, key: str) -> bool:
    """Whether a name stands under a root."""
    for n in ast.walk(node):
        root = isinstance(n, ast.Call) and known_as(n.func) == "sqrt"
        root = root or (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow) and literal(n.right) in (0.5, -0.5))
        if root and any(written(m) == key for m in ast.walk(n) if isinstance(m, ast.expr)):
            return True
    return False


def trajectory(step: Any, n: int) -> list[dict[str, Array]]:
    """Parameters after each step, with the gradients of a plan."""
    drawn = plan(steps_case("probe", n, Adam(0.1)))
    params = {name: a.copy() for name, a in flatten(drawn.weights.params)}
    found = []
    for grads in drawn.gradients[:STEPS]:
        params = step({k: a.copy() for k, a in params.items()}, {k: g.copy() for k, g in flatten(grads)})
        found.append({k: np.array(a) for k, a in params.items()})
    return found


def stepping(rule: Any, start: Any) -> Any:
    """A rule as a step function with a memory of its own."""
    states: dict[str, Any] = {}
    count = itertools.count(1)

    def step(params: dict[str, Array], grads: dict[str, Array]) -> dict[str, Array]:
        t = next(count)
        for k, a in params.items():
            if k not in states:
                states[k] = start(a)
        return {k: rule(a, grads[k], states[k], t) for k, a in params.items()}

    return step


def same(a: list[dict[str, Array]], b: list[dict[str, Array]], key: str) -> bool:
    """Whether a parameter moves alike in both."""
    return all(
        x[key].shape == y[key].shape and np.allclose(x[key], y[key], rtol=0, atol=1e-10, equal_nan=True)
        for x, y in zip(a, b, strict=True)
    )
