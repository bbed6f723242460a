"""Training loops of scripts that keep gradients and costs to themselves, opened up as training functions are.

A sine wave is made, then `for epoch in range(25)` calculates a loss and goes through the examples, one after the other, each with its own
update. What stands before the loop is run once, with few hidden units; the loop is then a function of the parameters: it turns once, with
few examples, and what it leaves is seen. See `opened_training`.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from comparisons.check.differences import Derived
from comparisons.check.homes import source_tree
from comparisons.check.locating import Spot, statement
from comparisons.check.styles.cost_arguments import Given
from comparisons.check.styles.costs import NEAR
from comparisons.check.styles.derivative_places import places
from comparisons.check.styles.network_access import looks_like_gradient, stem
from comparisons.check.styles.network_arguments import RATE, is_x, is_y, role
from comparisons.check.styles.network_functions import Patched
from comparisons.check.styles.network_scripts import dangerous, runs_before
from comparisons.check.styles.opened_functions import COST, Turn, missing_names, nested_loops, opened_loop
from comparisons.check.styles.opened_training import Opened, settled
from comparisons.check.styles.unguarded import emptied
from comparisons.check.styles.update_reading import assignments
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
LOOP = "training loop"
HIDDEN = 4
EXAMPLES = 3
STEPS = 6
"""Of sequences."""
WHOLE = 1000
"""Steps after which gradients are cut off."""
KEPT = 8
"""Smaller numbers are no counts."""
SECONDS = 3.0
"""For what stands before the loop."""
SLOW = 0.5
"""Seconds of a turn from which finite differences would take too long."""


@dataclass
class OpenedScript(Opened):
    """A loop at the top level, as a function of global names."""

    loop: ast.For | ast.While | None = None
    called: tuple[str, ...] = ()
    """Functions of the file that it calls."""
    names: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    """Names of numbers that say how many examples there are."""
    cause: tuple[str, Spot | None] | None = None
    """What is known about why it is wrong, and where; None before it has been asked for."""

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (LOOP, *self.called)

    @property
    def line(self) -> int:
        """Of the loop."""
        return self.loop.lineno if self.loop is not None else 0

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """As for any objective; what the loop itself calculates has its line."""
        found = [replace(d, spot=self._spot(d.tensor.rpartition(".")[2])) for d in super().derived(rng)]
        if self.cause is None:
            self.cause = self._at_input() if not all(map(_right, found)) else ("", None)
        told, spot = self.cause
        yield from (replace(d, cause=told, spot=spot) if told and not _right(d) else d for d in found)

    def _at_input(self) -> tuple[str, Spot | None]:
        """Where a derivative that is written for the output is given the input, if all agrees once it is not."""
        tree = source_tree(self.file)
        codes: list[ast.AST] = [self.loop] if self.loop is not None else []
        codes += [s for s in (tree.body if tree else ()) if isinstance(s, ast.FunctionDef) and s.name in self.called]
        for code in codes:
            for place in places(code):
                if self._agrees_as(place.changed):
                    function = code.name if isinstance(code, ast.FunctionDef) else LOOP
                    return place.told, Spot(function, place.line, statement(self.file.path, place.line))
        return "", None

    def _agrees_as(self, changed: ast.AST) -> bool:
        """Whether all gradients are right with a changed loop or function."""
        other, extra = replace(self, compiled=None, cause=("", None)), dict[str, Any]()
        if isinstance(changed, ast.For | ast.While):
            other.loop = changed
        elif isinstance(changed, ast.FunctionDef):
            module = ast.fix_missing_locations(ast.Module([changed], []))
            exec(compile(module, self.file.path, "exec"), self.file.namespace, extra)
        try:
            with Patched(self.file.namespace, extra):
                agreed = other.agreement()
        except (UserError, ValueError):
            return False
        return agreed is not None and agreed[2]

    def _spot(self, parameter: str) -> Spot | None:
        """The last line of the loop that makes the gradient of a parameter, and does so by itself."""
        wanted = stem(parameter).lower()
        own = [n for n in ast.walk(self.loop or ast.Pass()) if isinstance(n, ast.Assign | ast.AugAssign)]
        lines = [
            p.line for n in own for p in assignments(n) if looks_like_gradient(p.key) and stem(p.key).lower() == wanted
        ]
        line = max(lines, default=0)
        return Spot(LOOP, line, statement(self.file.path, line)) if line else None

    def _drawn(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Array]]:
        values, inner = super()._drawn(rng)
        return values | (dict.fromkeys(self.counts, 1) if self.single else {}), inner

    def turned(self, values: dict[str, Any], inner: dict[str, Array], rate: float) -> Turn:
        """One turn of the loop; all global names are what they were, afterwards."""
        space = self.file.namespace
        kept = dict(space)
        space.update({n: copy.deepcopy(v) for n, v in values.items()})
        try:
            return super().turned({}, inner, rate)
        finally:
            space.clear()
            space.update(kept)

    def _opened(self) -> tuple[FunctionType, dict[str, Any]]:
        assert self.loop is not None
        if self.compiled is None:
            made = opened_loop(self.file, LOOP, self.loop, self.names, self.first)
            made.__code__, _ = emptied(made.__code__)
            self.compiled = made, made, missing_names(made.__code__, self.file.namespace | dict.fromkeys(self.given))
        return self.compiled[1:]


def _right(d: Derived) -> bool:
    """Whether a gradient agrees with the derivative."""
    return bool(np.abs(d.subject - d.reference).max(initial=0) <= NEAR * np.abs(d.reference).max(initial=0))


def find_opened_scripts(file: UserFile, taken: frozenset[str]) -> Iterator[Opened]:
    """Loops at the top level that calculate a loss and move arrays."""
    tree = source_tree(file)
    if tree is None or LOOP in taken or "training loop over layers" in taken:
        return
    for before, loop in _loops(tree):
        if f"loop at line {loop.lineno}" in taken or not _likely(loop, file):
            continue
        script = _script(file, before, loop)
        if script is not None:
            inner = bool(nested_loops(loop))
            yield from settled(script, [script.given], inner)


def _loops(tree: ast.Module) -> Iterator[tuple[list[ast.stmt], ast.For | ast.While]]:
    for above, body in (([], tree.body), *((tree.body, s.body) for s in tree.body if isinstance(s, ast.If))):
        for i, s in enumerate(body):
            if isinstance(s, ast.For | ast.While):
                yield [*(a for a in above if isinstance(a, ast.Assign)), *body[:i]], s


def _likely(loop: ast.stmt, file: UserFile) -> bool:
    """Whether a loop moves something by itself, and has a loss and a learning rate."""
    own = {n.id for n in ast.walk(loop) if isinstance(n, ast.Name)}
    moved = any(
        (
            isinstance(n, ast.AugAssign)
            and isinstance(n.op, ast.Add | ast.Sub)
            and any(role(m.id) == "rate" for m in ast.walk(n.value) if isinstance(m, ast.Name))
        )
        or (isinstance(n, ast.Assign) and len(n.targets) == 1 and _moves(n))
        for n in ast.walk(loop)
    )
    return moved and any(role(n) == "rate" for n in own) and any(COST.fullmatch(n) and not n.isupper() for n in own)


def _moves(n: ast.Assign) -> bool:
    value, target = n.value, ast.unparse(n.targets[0])
    return (
        isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub) and ast.unparse(value.left) == target
    )


def _script(file: UserFile, before: list[ast.stmt], loop: ast.For | ast.While) -> OpenedScript | None:
    """The loop with all that it needs; None if that is not there, or if a turn takes too long."""
    space = _made(file, before)
    functions = file.functions()
    called = _called(loop, functions)
    used = {n.id for n in ast.walk(loop) if isinstance(n, ast.Name)} | {
        n for f in called for n in functions[f].__code__.co_names
    }
    known = {n: v for n in sorted(used) if n in space and not callable(v := space[n]) and not isinstance(v, ModuleType)}
    stored = {n.id for n in ast.walk(loop) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    if not any(isinstance(known.get(n), np.ndarray) and known[n].dtype.kind == "f" for n in stored):
        return None
    # Short sequences are enough; a code that counts on their length has them whole.
    tried = (_settings(file, loop, called, stored, known, steps) for steps in (STEPS, None))
    return next((script for script in tried if script is not None), None)


def _settings(
    file: UserFile,
    loop: ast.For | ast.While,
    called: list[str],
    stored: set[str],
    known: dict[str, Any],
    steps: int | None,
) -> OpenedScript | None:
    """The loop with few examples, which runs and is quick."""
    cut, counts = _cut(known, stored, steps)
    given = {n: Given("fixed", value=v) for n, v in cut.items()}
    names = tuple(sorted(given.keys() | stored))
    script = OpenedScript(
        file, "", LOOP, LOOP, given=given, updates=True, loop=loop, called=tuple(called), names=names, counts=counts
    )
    started = time.process_time()
    try:
        script.turned({n: g.value for n, g in given.items()}, {}, RATE)
    except (UserError, ValueError, TypeError):
        return None
    return script if time.process_time() - started < SLOW else None


def _called(loop: ast.stmt, functions: dict[str, Any]) -> list[str]:
    """Functions of the file that a loop comes to."""
    found: dict[str, None] = {}
    waiting = [n.id for n in ast.walk(loop) if isinstance(n, ast.Name)]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in found:
            found[name] = None
            waiting += functions[name].__code__.co_names
    return list(found)


def _made(file: UserFile, before: list[ast.stmt]) -> dict[str, Any]:
    """Global names before the loop, with few hidden units."""
    space = dict(file.namespace)
    np.random.seed(1)  # noqa: NPY002
    started = time.process_time()
    for s in before:
        if not runs_before(s) or dangerous(ast.unparse(s)) or time.process_time() - started > SECONDS:
            continue
        try:
            with np.errstate(all="ignore"), file.attempts.of(f"line {s.lineno}"):
                exec(compile(ast.Module([s], []), file.path, "exec"), space)
        except Exception:
            continue  # what is missed shows in the loop
        for n in ast.walk(s):
            size = isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and role(n.id) == "hidden_size"
            if isinstance(n, ast.Name) and size and type(value := space.get(n.id)) is int:
                space[n.id] = min(value, HIDDEN)
    return space


def _cut(known: dict[str, Any], stored: set[str], steps: int | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Names and values with few examples, however often the code has counted them, and of sequences with few steps; names of counts.

    Gradients that are cut off after some steps are those of no loss: here they go all the way back.
    """
    found, counts = dict(known), []
    data = {n: v for n, v in known.items() if n not in stored and _is_data(n, v)}
    lengths = {len(v) for v in data.values()}
    long = {v.shape[1] for n, v in data.items() if _is_sequences(n, v)}
    for name, value in data.items():
        few = value[:EXAMPLES]
        found[name] = few[:, :steps] if _is_sequences(name, value) else few
    for name, value in known.items():
        if type(value) is not int or name in stored:
            continue
        if "trunc" in name.lower():
            found[name] = WHOLE
        elif value in long:
            # One number may be that of steps and of examples; taken for the wrong one, it stops the loop.
            found[name] = steps or value
        elif value in lengths and value > KEPT:
            found[name] = EXAMPLES
            counts.append(name)
    return found, tuple(counts)


def _is_data(name: str, value: Any) -> bool:
    bare = _bare(name)
    return (is_x(bare) or is_y(bare)) and isinstance(value, np.ndarray | list) and len(value) > EXAMPLES


def _is_sequences(name: str, value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[1] > KEPT and is_x(_bare(name))


def _bare(name: str) -> str:
    """What the data are called, for training or not."""
    return name.lower().removesuffix("_val").removesuffix("_test").removesuffix("_train")
