"""Training loops in which gradients add up from step to step because nothing resets them.

With an engine of the file's own, the script is run until the second step, twice: as it is, and with the gradients of all that has moved
set to 0 before that step. Where that makes a difference, old gradients are still in there. A loop over torch, or one whose data are not
here, cannot be run; it is judged by its text alone, and only where nothing that it reaches could reset a gradient.
"""

from __future__ import annotations

import ast
import contextlib
import random
import re
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived
from comparisons.check.homes import source_text, source_tree
from comparisons.check.locating import Spot, statement
from comparisons.check.styles.engine_access import BACKWARDS, Engine, engines
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from comparisons.ports import PortResult
from scratch import architecture

Array = np.ndarray
NAME = "training loop"
CAUSE = "the gradients are never reset: those of earlier steps are still in them, as backward() adds to what is there"
EXACT = 1e-10
SECONDS = 6
"""Time that a script may take to its second step."""
CALLS = 60
"""Ways back after which no second step is expected any more."""
_OUTSIDE = re.compile(
    r"\b(open|input|urlopen|urlretrieve|savetxt|save\w*|to_csv|read_\w+|load\w*|fetch_\w+|system|Popen|download|show|remove|rmtree)\("
)
_RESETS = re.compile(r"zero|clear|reset|set_to_none|fresh|detach_|requires_grad_", re.IGNORECASE)


class _Enough(BaseException):
    """The second step has been seen, or will not come."""


@dataclass
class Watch:
    """Goes along with a script.

    Attributes
    ----------
    engine : Engine
    reset : bool
        Whether gradients are set to 0 before the second step.
    """

    engine: Engine
    reset: bool
    nodes: list[Any] = field(default_factory=list)
    state: dict[int, tuple[Array, Array | None]] = field(default_factory=dict)
    depth: int = 0
    calls: int = 0
    line: int = 0
    gradients: list[Array] = field(default_factory=list)
    """Of what has moved, after the second way back."""
    first: list[Array] = field(default_factory=list)
    """The same after the first."""
    changed: bool = False
    """Whether the code did something else to them than resetting them: a momentum."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """The time in which the script runs."""
        cls, back = self.engine.cls, self.engine.back
        own = {n: vars(cls).get(n) for n in ("__init__", back)}
        made, goes = getattr(cls, "__init__"), getattr(cls, back)  # noqa: B009

        def init(node: Any, *args: Any, **kwargs: Any) -> None:
            made(node, *args, **kwargs)
            self.nodes.append(node)

        def backward(node: Any, *args: Any, **kwargs: Any) -> Any:
            if self.depth:
                return goes(node, *args, **kwargs)
            moved = self._before(sys._getframe(1))
            self.depth += 1
            try:
                result = goes(node, *args, **kwargs)
            finally:
                self.depth -= 1
            self._after(moved)
            return result

        setattr(cls, "__init__", init)  # noqa: B010
        setattr(cls, back, backward)
        try:
            yield
        finally:
            for name, f in own.items():
                setattr(cls, name, f) if f is not None else delattr(cls, name)

    def _numbers(self, node: Any) -> tuple[Array, Array | None]:
        data, grad = (self.engine.read(node, n) for n in (self.engine.data, self.engine.grad))
        return np.zeros(0) if data is None else data, grad

    def _before(self, frame: FrameType | None) -> list[Any]:
        """What has moved since the last way back from the same line of a loop."""
        self.calls += 1
        if self.calls > CALLS:
            raise _Enough
        line = frame.f_lineno if frame is not None else 0
        again, self.line = line == self.line, line
        moved = []
        for node in self.nodes if again else ():
            if id(node) in self.state:
                data, grad = self.state[id(node)]
                now, left = self._numbers(node)
                if data.shape == now.shape and not np.array_equal(data, now):
                    moved.append(node)
                    same = left is None or not left.any() or (grad is not None and np.array_equal(left, grad))
                    self.changed |= not same
        if moved:
            self.first = [g if (g := self.state[id(n)][1]) is not None else np.zeros(0) for n in moved]
        if self.reset:
            for node in moved:
                self._clear(node)
        return moved

    def _clear(self, node: Any) -> None:
        found = getattr(node, self.engine.grad, None)
        if isinstance(found, self.engine.cls):
            inner = np.asarray(getattr(found, self.engine.data), dtype=np.float64)
            setattr(found, self.engine.data, np.zeros_like(inner))
        elif found is not None:
            setattr(node, self.engine.grad, np.zeros_like(found) if isinstance(found, np.ndarray) else 0.0)

    def _after(self, moved: list[Any]) -> None:
        if moved:
            self.gradients = [g if (g := self._numbers(n)[1]) is not None else np.zeros(0) for n in moved]
            raise _Enough
        self.state = {id(n): self._numbers(n) for n in self.nodes}


def _run(file: UserFile, engine: Engine, reset: bool) -> Watch:
    """Run the whole script until the second step of its training."""
    tree = source_tree(file)
    watch = Watch(engine, reset)
    kept = dict(file.namespace)

    def script() -> None:
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        for one in _statements(tree):
            try:
                exec(compile(ast.Module([one], []), file.path, "exec"), file.namespace)
            except Exception:  # it needs what is not here; what needs it in turn fails as well
                continue

    def guarded() -> None:
        with watch.watching(), _time_limit(), contextlib.suppress(_Enough):
            script()

    guarded.__qualname__ = NAME
    try:
        file.call(guarded)
    finally:
        file.namespace.clear()
        file.namespace.update(kept)
    return watch


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Ends the script after some seconds, where signals can."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise _Enough

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _statements(tree: ast.Module | None) -> Iterator[ast.stmt]:
    """What the script does, definitions aside, as long as it stays within itself."""
    for one in tree.body if tree is not None else ():
        inside = one.body if isinstance(one, ast.If) and "__name__" in ast.unparse(one.test) else [one]
        for s in inside:
            defines = isinstance(s, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)
            if not defines and not _OUTSIDE.search(ast.unparse(s)):
                yield s


@dataclass(frozen=True)
class Loop:
    """A loop that goes back and updates, by its text."""

    node: ast.stmt
    function: str
    back: int
    """Line of the way back."""


def loops(tree: ast.Module, backs: tuple[str, ...], without: str = "") -> Iterator[Loop]:
    """Outermost loops with a way back and an update; those of one class left out."""

    def visit(node: ast.AST, function: str) -> Iterator[Loop]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef) and child.name == without:
                continue
            inside = child.name if isinstance(child, ast.FunctionDef) else function
            if isinstance(child, ast.For | ast.While):
                lines = [getattr(n, "lineno", 0) for n in ast.walk(child) if _calls(n, backs)]
                if lines and any(_updates(n) for n in ast.walk(child)) and not _once(child):
                    yield Loop(child, function, min(lines))
                    continue
            yield from visit(child, inside)

    yield from visit(tree, "")


def _calls(node: ast.AST, names: tuple[str, ...]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def _once(loop: ast.stmt) -> bool:
    return isinstance(loop, ast.For) and ast.unparse(loop.iter) == "range(1)"


def _updates(node: ast.AST) -> bool:
    """Whether something is moved by its gradient."""
    if _calls(node, ("step",)) and isinstance(node, ast.Call):
        return not node.args and not node.keywords
    if not isinstance(node, ast.Assign | ast.AugAssign) or not re.search(r"\.grad\b", ast.unparse(node.value)):
        return False
    moves = isinstance(node, ast.AugAssign) or re.search(rf"{re.escape(_targets(node))} *[-+]", ast.unparse(node.value))
    return bool(moves) and not re.search(r"grad", _targets(node))


def _targets(node: ast.Assign | ast.AugAssign) -> str:
    return " ".join(ast.unparse(t) for t in (node.targets if isinstance(node, ast.Assign) else [node.target]))


def _resetting(node: ast.AST) -> bool:
    """Whether a piece of code may reset gradients, or make parameters anew."""
    for n in ast.walk(node):
        if isinstance(n, ast.Call):
            name = n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")
            if _RESETS.search(name):
                return True
        if isinstance(n, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = _targets(n) if not isinstance(n, ast.AnnAssign) else ast.unparse(n.target)
            if re.search(r"\.\w*grad\w*\b", targets):
                return True
        if isinstance(n, ast.Delete):
            return True
    return False


def reached(tree: ast.Module, start: ast.AST, without: str) -> Iterator[ast.AST]:
    """A piece of code, and all functions and methods of the file that it may come to; those of one class left out.

    Methods go by their names alone, and those with names like `__call__` are always taken to be reached.
    """
    defined: dict[str, list[ast.AST]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef) and node.name != without:
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    implicit = method.name.startswith("__") or method.name == "forward"
                    defined.setdefault("" if implicit else method.name, []).append(method)
    waiting, seen = ["", *_named(start)], set()
    yield start
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for code in defined.get(name, ()):
            yield code
            waiting += _named(code)


def _named(node: ast.AST) -> list[str]:
    names = [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
    return names + [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def accumulates(engine: Engine) -> bool:
    """Whether going back twice adds the gradients up."""
    value = np.ones((2, 3)) if engine.arrays else np.asarray(2.0)
    upstream = np.ones(value.shape)
    leaf, found = engine.leaf(value), []
    for _ in range(2):
        out = engine.called(lambda: leaf + leaf if hasattr(leaf, "__add__") else leaf.add(leaf), "add")
        engine.called(lambda out=out: engine._weighted(out, upstream), engine.back)  # type: ignore[misc]
        found.append(engine.read(leaf, engine.grad))
    first, second = found
    return first is not None and second is not None and np.allclose(second, 2 * first)


class TrainingLoops(Twinless):
    """Loops that train, with an engine of the file or with torch."""

    name = "training loops"

    def __init__(self) -> None:
        self._told: dict[str, list[Derived]] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """A loop whose second step could be seen, or that certainly lacks a reset."""
        tree = source_tree(file)
        if tree is None:
            return []
        try:
            units = list(self._of_engines(file, tree)) or list(_of_torch(file, tree))
        except UserError:
            units = []
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """Gradients in the second step."""
        return self._told[unit.name]

    def port(self, file: UserFile, unit: Unit, case: Case) -> PortResult:
        """What is told by the text of the loop."""
        row = {
            "case": case.id, "suite": case.suite, "phase": "gradient", "step": 0, "layer": "", "tensor": "grad/loop.parameters",
            "subject": "file", "reference": unit.options["reference"], "dtype": "float64", "scope": "local", "verdict": "mismatch",
            "diagnosis": unit.options["why"],
        }  # fmt: skip
        return PortResult([row], ())

    def _of_engines(self, file: UserFile, tree: ast.Module) -> Iterator[Unit]:
        for engine in engines(file, frozenset()):
            found = list(loops(tree, (engine.back,), engine.name))
            if not found:
                continue
            derived = self._seen(file, engine)
            if derived:
                line = derived[0].spot.line if derived[0].spot else 0
                around = [loop for loop in found if loop.node.lineno <= line <= (loop.node.end_lineno or 0)]
                at = (around or found)[0]
                self._told[NAME] = derived
                yield _unit(at, {"differences": True})
                return
            for loop in found:
                if accumulates(engine) and not any(_resetting(code) for code in reached(tree, loop.node, engine.name)):
                    why = f"{CAUSE} (line {loop.back}); nothing that the loop calls resets them"
                    yield _unit(loop, {"port": True, "why": why, "reference": "a reset"})
                    return

    def _seen(self, file: UserFile, engine: Engine) -> list[Derived]:
        """Gradients in the second step, as they are and after a reset; empty if there is no second step to be seen."""
        try:
            plain, reset = (_run(file, engine, reset) for reset in (False, True))
        except UserError:
            return []
        a, b = plain.gradients, reset.gradients
        # Sets of nodes have no order, so sums may round otherwise.
        same_start = len(plain.first) == len(reset.first) and all(
            x.shape == y.shape and np.allclose(x, y, rtol=1e-9, atol=1e-12)
            for x, y in zip(plain.first, reset.first, strict=True)
        )
        if not a or plain.changed or not same_start or [g.shape for g in a] != [g.shape for g in b]:
            return []
        subject, wanted, first = (np.concatenate([g.ravel() for g in gs]) for gs in (a, b, plain.first))
        top = float(np.abs(wanted).max(initial=0)) or 1.0
        derived = Derived("grad/loop.parameters", subject, wanted, EXACT * top, np.zeros(wanted.shape, dtype=bool),
                          against="a reset of the gradients",
                          spot=Spot("", plain.line, statement(file.path, plain.line)))  # fmt: skip
        if not np.allclose(subject, wanted, rtol=1e-9, atol=1e-9 * top):
            if not np.allclose(subject, wanted + first, rtol=1e-6, atol=1e-9 * top):
                return []
            return [replace(derived, cause=f"{CAUSE}; they are exactly the sum of the first step's and the second's")]
        return [derived]


def _unit(loop: Loop, options: dict[str, Any]) -> Unit:
    names = {"loop.parameters": "the parameters in the second step"}
    case = Case("check/training-loop/differences", architecture(), (1,), (1,))
    where = f"{NAME} in {loop.function}" if loop.function else NAME
    return Unit(
        NAME,
        TrainingLoops.name,
        "resetting of gradients",
        loop.node.lineno,
        (where,),
        (case,),
        options | {"names": names},
    )


def _of_torch(file: UserFile, tree: ast.Module) -> Iterator[Unit]:
    """A loop over torch in a file that resets gradients nowhere at all."""
    if "torch" not in sys.modules or not re.search(r"^\s*(import|from) torch\b", source_text(file), re.MULTILINE):
        return
    own = [
        c for c in tree.body if isinstance(c, ast.ClassDef) and "Function" not in " ".join(map(ast.unparse, c.bases))
    ]
    methods = {m.name for c in own for m in c.body if isinstance(m, ast.FunctionDef)}
    if _resetting(tree) or methods & {*BACKWARDS, "step"}:
        return
    for loop in loops(tree, ("backward",)):
        if _certain(tree, loop):
            why = f"{CAUSE} (line {loop.back}); nothing in the file resets them"
            yield _unit(loop, {"port": True, "why": why, "reference": "torch"})
            return


def _certain(tree: ast.Module, loop: Loop) -> bool:
    """Whether it is plain what is updated, and that it outlives a step."""
    stored = {n.id for n in ast.walk(loop.node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(loop.node):
        if not _updates(node):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and _targets(n) == owner]
            optimizers = all(
                re.match(r"(torch\.)?optim\.\w+\(|(SGD|Adam|AdamW|RMSprop|Adagrad)\(", ast.unparse(n.value))
                for n in made
            )
            handed = any(
                isinstance(n, ast.Call) and owner in [ast.unparse(a) for a in n.args] for n in ast.walk(loop.node)
            )
            if made and optimizers and owner not in stored and not handed:
                return True
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
            grads = re.findall(r"(\w+)\.grad\b", ast.unparse(node.value))
            parameters = {g for g in grads if re.match(rf"{g}\b", _targets(node))}
            assigned = {
                n for s in ast.walk(loop.node) if isinstance(s, ast.Assign) for n in re.findall(r"\w+", _targets(s))
            }
            if parameters and not parameters & assigned:
                return True
    return False
