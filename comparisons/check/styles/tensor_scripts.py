"""Backprop by hand in torch's tensors, `dlogits = ...`, `dW2 = h.T @ dlogits`, `dC[Xb] += demb`, statement by statement beside autograd.

The variable `dh` claims to be the gradient of the tensor `h` (so do `grad_h`, `h_grad` and the attribute `h.g`). What is wrong is put right
before the next statement uses it, so that only those are told which are wrong by themselves. See `tensor_programs`.
"""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from comparisons.check.differences import Derived, row
from comparisons.check.homes import source_text
from comparisons.check.locating import Spot, statement
from comparisons.check.source import syntax
from comparisons.check.statement_edits import (
    added,
    added_products,
    compared,
    halved,
    names_of,
    operators,
    shown,
    squares,
    swapped,
    transposed,
)
from comparisons.check.styles.opened_scripts import LOOP
from comparisons.check.styles.tensor_programs import (
    KEPT,
    LOSS,
    Program,
    Run,
    Step,
    by_hand,
    flattened,
    needed,
    of_what,
    used,
)
from comparisons.check.unit import UserFile

Array = np.ndarray
NAME = "backprop by hand"
AGAINST = "autograd"
NEAR = 1e-7
NOISE = 1e-12
"""Beside the largest gradient: what is 0 but for rounding."""
MOST = 8
"""Mistakes that are looked for."""
SECONDS = 5.0
"""For edits that mend a statement."""
ONCE = "rows that are used several times get the gradient of one use: {0} adds once for each index"
_UPHILL = re.compile(r"\+=? *\(?(lr|learning_rate|alpha|eta|step_size|rate|epsilon)\b")
"""Shows that a file goes the way of what it calls gradients, which are those of minus the loss."""
Place = tuple[int, str]


@dataclass
class Culprit:
    """A gradient that is wrong by itself."""

    place: Place
    claim: Array
    reference: Array
    by: float
    """What was asked for is so many times the reference."""
    forced: dict[Place, Array]
    """What had been put right before it."""
    cause: str = ""
    spot: Spot | None = None


@dataclass
class TensorScript:
    """A program whose gradients are known.

    Attributes
    ----------
    program : Program
    name : str
        Of the function whose body it is, or `NAME` for what stands at the top level.
    told : frozenset of str
        Gradients that the code itself sets beside autograd's.
    scale : float
        All gradients are so many times those of the loss.
    """

    program: Program
    name: str
    told: frozenset[str]
    scale: float = 1.0
    _rows: list[Derived] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "gradients of tensors"

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (self.name,)

    @property
    def line(self) -> int:
        """Of the first gradient."""
        steps = self.program.steps
        return min((steps[i].line for some in self.program.finished.values() for i in some), default=0)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        by = f"; they are {self.scale:.4g} times those of the loss, all of them" if self.scale != 1 else ""
        return [f"the gradients are compared with torch's autograd{by}"]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Every gradient; the same numbers each time, as the code draws them itself."""
        if not self._rows:
            self._rows = list(_judged(self))
        yield from self._rows


def find_tensor_scripts(file: UserFile, taken: frozenset[str]) -> Iterator[TensorScript]:
    """The top level, and functions that have both passes in their body."""
    if "torch" not in sys.modules or not re.search(r"^\s*(import|from) torch\b", source_text(file), re.MULTILINE):
        return
    tree = syntax(file)
    told = _told(tree)
    blocks: list[tuple[str, list[Step]]] = []
    if LOOP not in taken and NAME not in taken and not any(n.startswith("loop at line") for n in taken):
        blocks.append((NAME, list(flattened(tree.body, _turns, _inlined(tree)))))
    own = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name not in taken and _both(f.body)]
    blocks += [(f.name, list(_body(tree, f))) for f in own]
    for name, steps in blocks:
        program = _program(file, steps)
        for floats in (False, True) if program else ():
            assert program is not None
            script = TensorScript(replace(program, floats=floats), name, told)
            if list(script.derived(np.random.default_rng(0))):
                yield script
                break


def _both(body: list[ast.stmt]) -> bool:
    """Whether statements calculate a loss, and gradients."""
    stores = set[str]().union(*(used(s)[0] for s in body))
    return any(LOSS.fullmatch(n) for n in stores) and sum(any(w in stores for w in of_what(n)) for n in stores) > 1


def _turns(node: ast.stmt) -> bool:
    """Whether a loop or a branch is opened: it trains."""
    stores = used(node)[0]
    gradients = sum(n.startswith(("d", "grad")) or n.endswith("grad") or "." in n for n in stores) > 1
    return any(LOSS.fullmatch(n) for n in stores) and (gradients or not isinstance(node, ast.If))


def _inlined(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Functions that put gradients into their arguments: `lin_grad(inp, out, w, b)`."""
    found = {}
    for f in tree.body:
        if isinstance(f, ast.FunctionDef):
            arguments = {a.arg for a in f.args.args}
            stored = {n for s in f.body for n in used(s)[0] if n.partition(".")[2] in KEPT}
            if any(n.partition(".")[0] in arguments for n in stored):
                found[f.name] = f
    return found


def _body(tree: ast.Module, f: ast.FunctionDef) -> Iterator[Step]:
    """What stands before a function is called, its arguments, and its body."""
    calls = [
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == f.name
    ]
    names = [a.arg for a in f.args.args]
    own = [s for s in tree.body if not any(c in ast.walk(s) for c in calls)]
    yield from flattened(own, _turns, {})
    given = dict(zip(names[len(names) - len(f.args.defaults) :], f.args.defaults, strict=True))
    if calls:
        given |= dict(zip(names, calls[0].args, strict=False))
        given |= {k.arg: k.value for k in calls[0].keywords if k.arg}
    for name in names:
        value = given.get(name, ast.Name(name, ast.Load()))
        if not (isinstance(value, ast.Name) and value.id == name):
            made = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value), f)
            yield Step(ast.fix_missing_locations(made))
    yield from flattened(f.body, _turns, _inlined(tree))


def _told(tree: ast.Module) -> frozenset[str]:
    """Gradients that stand beside autograd's in one statement: `cmp('h', dh, h)`, `(dh - h.grad).abs().max()`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call | ast.BinOp | ast.Compare):
            names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            outer = {a.id for a in getattr(node, "args", []) if isinstance(a, ast.Name)}
            beside = {
                n.value.id
                for n in ast.walk(node)
                if isinstance(n, ast.Attribute) and n.attr == "grad" and isinstance(n.value, ast.Name)
            }
            called = isinstance(node, ast.Call) and re.match(
                r"(\w+\.)?\w*(cmp|compare|check|close|diff)", ast.unparse(node)
            )
            found |= {n for n in names for w in of_what(n) if w in beside or (called and {n, w} <= outer)}
    return frozenset(found)


def _program(file: UserFile, steps: list[Step]) -> Program | None:
    """What of the steps gradients need; None if they have none."""
    stored = set[str]().union(*(s.stores for s in steps))
    forward = _before_loss(steps)
    gradients = {
        n: some
        for n in sorted(stored)
        if n not in forward and (some := [w for w in of_what(n) if w in stored and w != n])
    }
    if not gradients or not forward:
        return None
    wanted = gradients.keys() | {w for some in gradients.values() for w in some} | forward
    kept = needed(steps, wanted, file.functions())
    return Program(file, kept, gradients, _finished(kept, gradients))


def _before_loss(steps: list[Step]) -> set[str]:
    """Names of the first loss, and of what it is calculated from."""
    at = next((i for i, s in enumerate(steps) if any(LOSS.fullmatch(n) for n in s.stores)), None)
    if at is None:
        return set()
    names = {n for n in steps[at].stores if LOSS.fullmatch(n)}
    for step in reversed(steps[: at + 1]):
        if step.stores & names:
            names |= step.loads
    return names


def _finished(steps: list[Step], gradients: dict[str, list[str]]) -> dict[Place, tuple[int, ...]]:
    """Steps that have a part in each gradient, by the last of them."""
    found: dict[Place, tuple[int, ...]] = {}
    for name in gradients:
        parts: list[int] = []
        for i, step in enumerate(steps):
            if name not in step.stores:
                continue
            if parts and step.begins(name):
                found[parts[-1], name] = tuple(parts)
                parts = []
            parts.append(i)
        if parts:
            found[parts[-1], name] = tuple(parts)
    return {place: some for place, some in found.items() if all(by_hand(steps[i]) for i in some)}


# What is right, and what is wrong by itself


@dataclass
class _Seen:
    """What a run shows: by gradient, autograd's of what it may be that."""

    run: Run
    references: dict[Place, list[Array]]
    floor: float
    """What is 0 but for rounding."""

    def right(self, place: Place, scale: float) -> bool:
        """Whether a gradient is that of a tensor of its name."""
        claim = self.run.claims[place]
        return any(_near(claim, scale * r, self.floor) for r in self.references[place])

    def zero(self, place: Place) -> bool:
        """Whether a gradient is 0 but for rounding, so that agreement says nothing."""
        return all(np.abs(r).max(initial=0) <= self.floor for r in self.references[place])

    def ratio(self, place: Place) -> float | None:
        """By what a gradient is a multiple of autograd's."""
        claim = self.run.claims[place]
        for r in self.references[place]:
            if r.shape == claim.shape and r.size > 1 and not self.zero(place):
                at = np.unravel_index(np.abs(r).argmax(), r.shape)
                by = float(claim[at] / r[at])
                if by and _near(claim, by * r, self.floor):
                    return by
        return None


def _near(a: Array, b: Array, floor: float) -> bool:
    a = _like(a, b)
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= max(NEAR * np.abs(b).max(initial=0), floor))


def _like(a: Array, b: Array) -> Array:
    """A gradient of shape (n,) for one of (1, n), and the other way round."""
    alike = a.size == b.size and [n for n in a.shape if n != 1] == [n for n in b.shape if n != 1]
    return a.reshape(b.shape) if alike else a


def _seen(program: Program, run: Run) -> _Seen:
    """Each claim with the gradients of the losses before it; with that of the first after it, if there is none."""
    final = [(i, g) for k, (i, g) in enumerate(run.losses) if g and not _superseded(program.steps, run.losses, k)]
    references: dict[Place, list[Array]] = {}
    for i, name in run.claims:
        losses = [g for j, g in final if j <= i][::-1] or [g for j, g in final if j > i][:1]
        found = [a for g in losses for w in program.gradients[name] for a in g.get(w, [])]
        if found:
            references[i, name] = found
    largest = max((float(np.abs(a).max(initial=0)) for some in references.values() for a in some), default=0.0)
    return _Seen(run, references, NOISE * largest)


def _superseded(steps: list[Step], losses: list[tuple[int, dict[str, list[Array]]]], k: int) -> bool:
    """Whether a loss is a part of a later one."""
    i = losses[k][0]
    names = {n for n in steps[i].stores if LOSS.fullmatch(n)}
    others = {j for j, _ in losses}
    for j, step in enumerate(steps[i + 1 :], i + 1):
        if names & step.loads and j in others:
            return True
        names -= {n for n in names if step.begins(n)}
    return False


def _judged(script: TensorScript) -> Iterator[Derived]:
    """Rows of all gradients; nothing where too little agrees."""
    program = script.program
    first = program.run()
    seen = _seen(program, first)
    if not seen.references:
        return
    script.scale = _common(seen, script)
    after = _users(program)
    forced: dict[Place, Array] = {}
    culprits: dict[Place, Culprit] = {}
    while True:
        wrong = [p for p in sorted(seen.references) if p not in culprits and not seen.right(p, script.scale)]
        dropped = {p for p in wrong if _excused(p, script, seen, after, set(wrong))}
        free = {p for p in wrong if p[1] not in script.told and _target(program, p) not in first.leaves}
        usual = _usual([r for p in dropped if (r := seen.ratio(p))]) or script.scale
        dropped |= {p for p in free if (r := seen.ratio(p)) and abs(r / usual - 1) < NEAR}
        wrong = [p for p in wrong if p not in dropped]
        if not wrong or len(culprits) == MOST:
            break
        place = wrong[0]
        reference = seen.references[place][0]
        # Examples may be divided by in the end only, where parameters get their gradients.
        scales = [usual, usual * reference.shape[0]] if place in free and reference.ndim else [script.scale]
        tried = []
        for by in scales:
            value = _like(by * reference, seen.run.claims[place])
            found = _seen(program, program.run(forced | {place: value}))
            tried.append((sum(found.right(p, script.scale) for p in found.references), by, value, found))
        _, by, value, after_it = max(tried, key=lambda t: t[0])
        culprits[place] = Culprit(place, seen.run.claims[place] / by, reference, by, dict(forced))
        forced[place] = value
        seen = after_it
    right = [p for p in seen.references if p not in culprits and p not in dropped]
    telling = [p for p in right if not seen.zero(p)]
    guessed = [p for p in culprits if p[1] not in script.told]
    if (guessed and len(telling) < 2 * len(culprits)) or not (telling or culprits):
        return
    m = next((seen.references[p][0].shape[0] for p in sorted(seen.references) if seen.references[p][0].ndim), 1)
    end = time.process_time() + SECONDS
    for culprit in culprits.values():
        _explain(script, culprit, m, end)
    yield from _rows(script, seen, right, culprits, m)


def _target(program: Program, place: Place) -> str:
    return program.gradients[place[1]][0]


def _common(seen: _Seen, script: TensorScript) -> float:
    """A factor that all gradients of parameters have, where the code does not set them beside autograd's."""
    telling = [p for p in seen.references if not seen.zero(p) and seen.references[p][0].size > 1]
    leaves = [p for p in telling if _target(script.program, p) in seen.run.leaves]
    # Examples may be divided by where parameters get their gradients, and not before.
    ratios = [seen.ratio(p) for p in (leaves if len(leaves) > 1 else telling)]
    told = any(p[1] in script.told for p in seen.references)
    first = ratios[0] if ratios else None
    if told or len(ratios) < 2 or first is None or abs(first - 1) < NEAR:
        return 1.0
    if first < 0 and not _UPHILL.search(source_text(script.program.file)):
        return 1.0
    return first if all(r is not None and abs(r / first - 1) < NEAR for r in ratios) else 1.0


def _usual(ratios: list[float]) -> float | None:
    """The factor of those that were excused, if they all have one."""
    alike = ratios and all(abs(r / ratios[0] - 1) < NEAR for r in ratios)
    return ratios[0] if alike else None


def _users(program: Program) -> dict[Place, set[Place]]:
    """By gradient: those that are made from it, one after the other."""
    direct: dict[Place, set[Place]] = {p: set() for p in program.finished}
    for place, parts in program.finished.items():
        for i in parts:
            for name in program.steps[i].loads & program.gradients.keys():
                before = [p for p in program.finished if p[1] == name and program.finished[p][0] < i and p != place]
                if before:
                    direct[max(before)].add(place)
    found = {}
    for place in direct:
        reached, waiting = set[Place](), [place]
        while waiting:
            fresh = direct[waiting.pop()] - reached
            reached |= fresh
            waiting += fresh
        found[place] = reached
    return found


def _excused(
    place: Place, script: TensorScript, seen: _Seen, after: dict[Place, set[Place]], wrong: set[Place]
) -> bool:
    """Whether a name may mean something else: what is made from it is right all the same, or what it speaks of was changed in place."""
    several = len(seen.references[place]) > 1 and _twice(script, place)
    if several or _target(script.program, place) in seen.run.unclear:
        return True
    if place[1] in script.told:
        return False
    return any(p not in wrong and p in seen.references and not seen.zero(p) for p in after[place])


def _twice(script: TensorScript, place: Place) -> bool:
    """Whether the forward pass gives one name to several tensors."""
    name, steps = _target(script.program, place), script.program.steps
    made = [i for i, s in enumerate(steps) if name in s.stores and i < place[0]]
    losses = [i for i, s in enumerate(steps) if any(LOSS.fullmatch(n) for n in s.stores)]
    parts = [sum(1 for i in made if i < j) for j in losses]
    return any(b - a > 1 for a, b in zip([0, *parts], parts, strict=False))


def _rows(
    script: TensorScript, seen: _Seen, right: list[Place], culprits: dict[Place, Culprit], m: int
) -> Iterator[Derived]:
    program = script.program
    places = sorted([*right, *culprits])
    targets = [_target(program, p) for p in places]
    for place, target in zip(places, targets, strict=True):
        at = f" (line {program.steps[place[0]].last(place[1])})" if targets.count(target) > 1 else ""
        label = f"grad/{script.name}.{target}{at}"
        if place in culprits:
            c = culprits[place]
            yield _derived(label, c.claim, c.reference, seen.floor, m, c.cause, c.spot)
            continue
        claim = seen.run.claims[place] / script.scale
        reference = next(r for r in seen.references[place] if _near(claim, r, seen.floor))
        yield _derived(label, claim, reference, seen.floor, m)


def _derived(
    label: str, claim: Array, reference: Array, floor: float, m: int, cause: str = "", spot: Spot | None = None
) -> Derived:
    kinks = np.zeros(reference.shape, bool)
    return Derived(label, _like(claim, reference), reference, floor, kinks, m, (), AGAINST, cause, spot)


# Why it is wrong


def _explain(script: TensorScript, c: Culprit, m: int, end: float) -> None:
    """The line of a culprit, and an edit that mends it where no general cause is known."""
    program, (i, name) = script.program, c.place
    function = "" if script.name == NAME else script.name
    line = program.steps[i].last(name)
    c.spot = Spot(function, line, statement(program.file.path, line))
    floor = NOISE * float(np.abs(c.reference).max(initial=0))

    def agrees(run: Run) -> bool:
        return c.place in run.claims and _near(run.claims[c.place] / c.by, c.reference, floor)

    for part in program.finished[c.place]:
        gathered = _gathered(program.steps[part].node)
        if gathered is not None and agrees(program.run(c.forced, {part: gathered})):
            c.cause = ONCE.format(shown(program.steps[part].node))
            return
    updates = [j for j in range(i) if _updates(program, j)]
    if updates and agrees(program.run(c.forced, without=frozenset(updates))):
        moved = sorted(set[str]().union(*(program.steps[j].stores for j in updates)) & program.steps[i].loads)
        c.cause = f"calculated after {', '.join(moved) or 'the parameters'} had been updated"
        return
    known = row(_derived("grad/x", c.claim, c.reference, floor, m), {}).get("diagnosis") or ""
    if not known.startswith("no known mistake"):
        return
    around = ast.FunctionDef("f", ast.arguments([], [], None, [], [], None, []), [s.node for s in program.steps], [])
    names = names_of(around)
    for kind in (compared, transposed, operators, halved, swapped, squares, added, added_products):
        for part in program.finished[c.place]:
            step = program.steps[part]
            if not isinstance(step.node, ast.Assign | ast.AugAssign):
                continue
            for edited in kind(step.node, names):
                if time.process_time() > end:
                    return
                if agrees(program.run(c.forced, {part: edited})):
                    c.cause = f"line {step.line}: `{shown(step.node)}` agrees as `{shown(edited)}`"
                    c.spot = Spot(function, step.line, statement(program.file.path, step.line))
                    return


def _gathered(node: ast.stmt) -> ast.stmt | None:
    """`dC[Xb] += demb` as it adds for every index."""
    if not isinstance(node, ast.Assign | ast.AugAssign):
        return None
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if not isinstance(target, ast.Subscript):
        return None
    index = target.slice if isinstance(target.slice, ast.Tuple) else ast.Tuple([target.slice], ast.Load())
    if any(isinstance(n, ast.Slice) for n in ast.walk(index)):
        return None
    array = ast.unparse(target.value)
    text = f"{array}.index_put_({ast.unparse(index)}, {ast.unparse(node.value)}, accumulate=True)"
    return ast.copy_location(ast.parse(text).body[0], node)


def _updates(program: Program, j: int) -> bool:
    """Whether a step moves a parameter by its gradient."""
    step = program.steps[j]
    moved = step.stores - program.gradients.keys()
    return any(set(program.gradients.get(n, ())) & moved for n in step.loads)
