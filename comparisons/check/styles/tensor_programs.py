"""Scripts with torch's tensors as lists of statements, of which those run that the gradients need, each once, in double precision.

A training loop turns once. What a script reads is made up: a list of words for text, small batches for arrays. What is printed, drawn,
stored or left to autograd is left out. See `tensor_scripts`.
"""

from __future__ import annotations

import ast
import copy
import io
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.styles.network_arguments import is_x, is_y
from comparisons.check.unit import UserFile

Array = np.ndarray
WORDS = "anna\nbert\nclara\ndana\nedgar\nfelix\ngreta\nhugo\nida\njakob\nkarla\nlotte\nmax\nnora\notto\npaula\nquirin\nrosa\nsven\ntilda\nuwe\nvera\nwanda\nxaver\nyara\nzeno"  # fmt: skip
"""In the place of a text that a file reads."""
SECONDS = 6.0
"""For all that runs once."""
ROWS, WIDTH = 12, 5
"""Of data that are not here."""
LOSS = re.compile(r"(?!.*(list|hist|log|es$|_fn|func))\w*(loss|cost|nll|criterion_out)\w*|J|L|mse", re.IGNORECASE)
_GRADIENT = re.compile(
    r"(?:d(?:l|loss|L|J)_?d_?(?P<dldx>\w+)|d_?(?P<dx>\w+)|grad_(?P<gx>\w+)|(?P<xg>\w+?)_(?:grad|gradient))$"
)
KEPT = ("g", "grad", "gradient")
"""Attributes of tensors in which gradients are put."""
_HARM = re.compile(
    r"\b(load\w*|read_\w+|fetch_\w+|urlopen|urlretrieve|input|savetxt|save|show|plot|imshow|fit|train|loadtxt|genfromtxt|sleep|"
    r"system|remove|makedirs|mkdir|download|write|savefig|display|DataLoader|step|backward)\(|\b(requests|urllib|subprocess|shutil|wandb)\."
)
_AUTOGRAD = re.compile(r"\.grad\b(?! *=[^=])|autograd|jacobian")
_NO_GRAPH = re.compile(r"(torch\.)?(no_grad|inference_mode|enable_grad|set_grad_enabled|autograd\.\w+)\(")
_CHANGES = re.compile(r"append|extend|add|update|insert|setdefault|(?!requires_grad_|retain_|zero_)[a-z]\w*[a-z]_")


@dataclass
class Step:
    """One statement.

    Attributes
    ----------
    node : ast.stmt
    stores, loads : set of str
        Names that it gives a value, or whose value it changes, and names that it uses. A tensor's attribute that keeps a gradient has the
        name `x.g`.
    line : int
        Of what it does last.
    """

    node: ast.stmt
    stores: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)
    line: int = 0

    def __post_init__(self) -> None:
        self.line = self.line or self.node.lineno
        self.stores, self.loads = used(self.node)

    @property
    def text(self) -> str:
        """Its code."""
        return ast.unparse(self.node)

    def begins(self, name: str) -> bool:
        """Whether a name gets a value that owes nothing to the one before."""
        plain = isinstance(self.node, ast.Assign | ast.AnnAssign) and name in targets(self.node)
        return plain and name not in self.loads

    def last(self, name: str) -> int:
        """The last line in it that changes a name."""
        inner = [n.lineno for n in ast.walk(self.node) if isinstance(n, ast.stmt) and name in used(n)[0]]
        return max(inner, default=self.line)


def targets(node: ast.stmt) -> set[str]:
    """Names that an assignment gives a value as a whole."""
    found = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    parts = [e for t in found for e in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
    return {name for p in parts if p is not None and (name := _place(p))}


def _place(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and node.attr in KEPT and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def used(node: ast.AST) -> tuple[set[str], set[str]]:
    """Names that a statement gives values or changes, and those that it uses."""
    stores, loads = set[str](), set[str]()
    inside = {id(n) for c in ast.walk(node) for n in ast.walk(getattr(c, "target", ast.Pass())) if _counts(c)}
    own = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) in inside}
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and id(n) not in inside:
            stores.add(n.id)
        elif isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Load) and (name := _place(n)):
            loads.add(name)
        elif isinstance(n, ast.Attribute | ast.Subscript) and isinstance(n.ctx, ast.Store):
            base = _place(n) or _base(n)
            stores |= {base} if base.partition(".")[0] not in own else set()
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and _CHANGES.fullmatch(n.func.attr):
            stores |= {_base(n.func)} - own
        if isinstance(n, ast.AugAssign):
            loads.add(_place(n.target) or _base(n.target))
    return stores - {""}, loads - {""}


def _counts(node: ast.AST) -> bool:
    return isinstance(node, ast.For | ast.comprehension)


def _base(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
        if name := _place(node):
            return name
    return ""


def of_what(name: str) -> list[str]:
    """Of what names a name says that it is the gradient."""
    head, _, attribute = name.partition(".")
    if attribute:
        return [head]
    match = _GRADIENT.match(name)
    found = [v for v in match.groupdict().values() if v] if match else []
    if name.startswith("d") and len(name) > 1:
        found.append(name[1:].removeprefix("_"))
    return list(dict.fromkeys(found))


def flattened(
    body: list[ast.stmt], inlines: Callable[[ast.stmt], bool], functions: dict[str, ast.FunctionDef]
) -> Iterator[Step]:
    """Statements one after the other; loops that are to turn once are opened, and so are calls of some functions."""
    for node in body:
        if _transparent(node):
            yield from flattened(node.body, inlines, functions)  # type: ignore[attr-defined]
        elif isinstance(node, ast.For | ast.While | ast.If) and inlines(node):
            if isinstance(node, ast.For):
                first = ast.Call(ast.Name("next", ast.Load()), [_iterated(node.iter)], [])
                assign = ast.Assign([node.target], first)
                yield Step(ast.fix_missing_locations(ast.copy_location(assign, node)))
            yield from flattened(node.body, inlines, functions)
        elif isinstance(node, ast.Expr) and (opened := _called(node.value, functions)):
            yield from flattened(opened, inlines, functions)
        elif not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Global
        ):
            yield Step(node)


def _transparent(node: ast.stmt) -> bool:
    """Whether what stands in a statement runs as it would without it."""
    if isinstance(node, ast.With):
        return bool(_NO_GRAPH.match(ast.unparse(node.items[0].context_expr)))
    return isinstance(node, ast.Try) or (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))


def _called(node: ast.expr, functions: dict[str, ast.FunctionDef]) -> list[ast.stmt]:
    """The body of a function that is called by its name, with what it is given for its arguments."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in functions:
        return []
    f = functions[node.func.id]
    given = dict(zip((a.arg for a in f.args.args), node.args, strict=False))
    given |= {k.arg: k.value for k in node.keywords if k.arg}

    class Put(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.AST:
            value = given.get(name.id)
            if value is None:
                return name
            return ast.Name(value.id, name.ctx) if isinstance(value, ast.Name) else value

    return [ast.fix_missing_locations(Put().visit(copy.deepcopy(s))) for s in f.body]


def _iterated(of: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("iter", ast.Load()), [of], [])


class _Prepared(ast.NodeTransformer):
    """A statement as it can run by itself: no loop to leave, no device but this, a loss that keeps its graph."""

    def __init__(self, loss: bool) -> None:
        self._loss = loss
        self._depth = 0

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        device = isinstance(node.value, str) and re.fullmatch(r"(cuda|mps)(:\d+)?", node.value)
        return ast.copy_location(ast.Constant("cpu"), node) if device else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        f = node.func
        if self._loss and isinstance(f, ast.Attribute) and f.attr in ("item", "detach") and not node.args:
            return f.value
        return node.args[0] if self._loss and isinstance(f, ast.Name) and f.id == "float" and node.args else node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._looped(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._looped(node)

    def _looped(self, node: ast.stmt) -> ast.AST:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        return node

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return node if self._depth else ast.copy_location(ast.Pass(), node)

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return node if self._depth else ast.copy_location(ast.Pass(), node)


def needed(steps: list[Step], wanted: set[str], functions: dict[str, Any]) -> list[Step]:
    """The steps that give values to what is wanted, and to all that they use."""
    names = set(wanted)
    while True:
        before = len(names)
        for step in steps:
            if step.stores & names:
                names |= step.loads
        for name in names & functions.keys():
            names |= set(functions[name].__code__.co_names)
        if len(names) == before:
            return [s for s in steps if s.stores & names and not _left_out(s)]


def _left_out(step: Step) -> bool:
    """Whether a statement reads, writes, shows or trains; text is read all the same, as it is made up."""
    return bool(_HARM.search(re.sub(r"\bopen\([^()]*\)\.\w+\(", "", step.text)))


@dataclass
class Run:
    """What has come of a program.

    Attributes
    ----------
    claims : dict of (int, str) to ndarray
        By step that finishes a gradient, and its name: its numbers.
    losses : list of (int, dict)
        Each loss's step, and autograd's gradients by name.
    failed : set of int
        Steps that raised.
    leaves : set of str
        Names of tensors that were made by nothing that has a gradient: parameters and data.
    unclear : set of str
        Names of tensors that were changed in place: before or after, which of the two is meant cannot be told.
    """

    claims: dict[tuple[int, str], Array] = field(default_factory=dict)
    losses: list[tuple[int, dict[str, list[Array]]]] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    leaves: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)


@dataclass
class Program:
    """Steps that can be run, with the names of gradients that they make.

    Attributes
    ----------
    file : UserFile
    steps : list of Step
    gradients : dict of str to list of str
        Names of gradients, and of what they may be that.
    finished : dict of (int, str) to tuple of int
        By the step that finishes a gradient and its name: all steps that have a part in it.
    """

    file: UserFile
    steps: list[Step]
    gradients: dict[str, list[str]]
    finished: dict[tuple[int, str], tuple[int, ...]]
    floats: bool = False
    """Whether targets that are not here are real numbers."""

    def run(
        self,
        forced: dict[tuple[int, str], Array] | None = None,
        instead: dict[int, ast.stmt] | None = None,
        without: frozenset[int] = frozenset(),
    ) -> Run:
        """Run it from the start, with all global names as they were afterwards.

        Parameters
        ----------
        forced : dict of (int, str) to ndarray
            Gradients that are put in the place of those that the code has made, once those have been seen.
        instead : dict of int to ast.stmt
            Other statements for some steps.
        without : frozenset of int
            Steps that are left out.
        """
        import torch

        space = self.file.namespace
        kept = dict(space)
        found, tracked = Run(), dict[str, list[tuple[Any, int]]]()
        end = time.process_time() + SECONDS
        try:
            with _double(), np.errstate(all="ignore"):
                space["open"] = _opened
                for i, step in enumerate(self.steps):
                    if i in without:
                        continue
                    node = (instead or {}).get(i, step.node)
                    if time.process_time() > end or not self._ran(node, step, torch):
                        found.failed.add(i)
                        for name in step.stores:
                            space.pop(name, None)
                        self._made_up(step)
                    self._after(i, step, found, tracked, forced or {})
        finally:
            space.clear()
            space.update(kept)
        return found

    def _ran(self, node: ast.stmt, step: Step, torch: Any) -> bool:
        """Whether a statement has run: within the graph, if it belongs to the forward pass."""
        if f"line {step.line}" in self.file.attempts.excluded:
            return False
        loss = any(LOSS.fullmatch(n) for n in step.stores)
        changed = ast.fix_missing_locations(_Prepared(loss).visit(copy.deepcopy(node)))
        backward = bool(step.stores) and step.stores <= self.gradients.keys()
        code = compile(ast.Module([changed], []), self.file.path, "exec")
        for _ in range(2):
            try:
                with torch.set_grad_enabled(not backward), self.file.attempts.of(f"line {step.line}"):
                    exec(code, self.file.namespace)
                return True
            except Exception as error:
                if "leaf Variable that requires grad" not in str(error):
                    return False
                for name in step.stores:  # what is changed in place begins anew
                    value = self.file.namespace.get(name)
                    if isinstance(value, torch.Tensor) and value.is_leaf:
                        self.file.namespace[name] = value.detach()
        return False

    def _made_up(self, step: Step) -> None:
        """Small batches for data that are not here."""
        import torch

        for name in sorted(step.stores):
            bare = re.sub(r"_?(train|tr|batch|b)(?=_|$|\d)", "", name) or name
            if is_x(bare) or is_x(name):
                self.file.namespace[name] = torch.randn(ROWS, WIDTH)
            elif is_y(bare) or is_y(name):
                labels = torch.arange(ROWS) % 3
                self.file.namespace[name] = torch.randn(ROWS) if self.floats else labels

    def _after(
        self,
        i: int,
        step: Step,
        found: Run,
        tracked: dict[str, list[tuple[Any, int]]],
        forced: dict[tuple[int, str], Array],
    ) -> None:
        """What a step has made: a gradient, a loss, or tensors of the forward pass."""
        import torch

        space = self.file.namespace
        for name in sorted(step.stores):
            value = _value(space, name)
            if (i, name) in self.finished:
                if isinstance(value, torch.Tensor) and value.is_floating_point():
                    found.claims[i, name] = value.detach().double().numpy().copy()
                if (i, name) in forced:
                    _put(space, name, torch.from_numpy(np.array(forced[i, name])))
            if not isinstance(value, torch.Tensor) or not value.is_floating_point() or name in self.gradients:
                continue
            if value.is_leaf and value.dtype is not torch.float64:
                value = space[name] = value.double()
            if value.is_leaf and not value.requires_grad:
                value.requires_grad_(True)
            if LOSS.fullmatch(name) and value.numel() == 1 and not value.is_leaf:
                found.losses.append((i, _differentiated(value, tracked)))
                found.leaves |= {n for n, some in tracked.items() if some[-1][0].is_leaf}
                changed = {id(t) for some in tracked.values() for t, version in some if t._version != version}
                found.unclear |= {n for n, some in tracked.items() if id(some[-1][0]) in changed}
            known = [(t, v) for t, v in tracked.get(name, []) if t is not value]
            tracked[name] = [*known[-2:], (value, value._version)]


def _differentiated(loss: Any, tracked: dict[str, list[tuple[Any, int]]]) -> dict[str, list[Array]]:
    """Autograd's gradients of all that has a name; the last of a name first."""
    import torch

    flat = [(n, t) for n, some in tracked.items() for t, _ in reversed(some) if t.requires_grad]
    try:
        grads = torch.autograd.grad(loss, [t for _, t in flat], retain_graph=True, allow_unused=True)
    except RuntimeError:
        return {}  # what it is made of has been changed in place
    found: dict[str, list[Array]] = {}
    for (name, _), g in zip(flat, grads, strict=True):
        if g is not None:
            found.setdefault(name, []).append(g.detach().double().numpy().copy())
    return found


def _value(space: dict[str, Any], name: str) -> Any:
    head, _, attribute = name.partition(".")
    value = space.get(head)
    return getattr(value, attribute, None) if attribute else value


def _put(space: dict[str, Any], name: str, value: Any) -> None:
    head, _, attribute = name.partition(".")
    if attribute:
        setattr(space[head], attribute, value)
    else:
        space[head] = value


def by_hand(step: Step) -> bool:
    """Whether a statement owes nothing to autograd."""
    return not _AUTOGRAD.search(step.text)


def _opened(*args: Any, **kwargs: Any) -> io.StringIO:
    """In the place of any file: words, one on each line."""
    return io.StringIO(WORDS)


@contextmanager
def _double() -> Iterator[None]:
    """Torch in double precision on the processor, with the same random numbers each time."""
    import torch

    before = torch.get_default_dtype()
    with ExitStack() as stack:
        for where, name, new in (
            (torch, "float32", torch.float64),
            (torch, "float", torch.float64),
            (torch, "FloatTensor", torch.DoubleTensor),
            (torch.Tensor, "float", torch.Tensor.double),
            (torch.Tensor, "cuda", lambda self, *_, **__: self),
            (torch.cuda, "is_available", lambda: False),
        ):
            stack.enter_context(patch.object(where, name, new))
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            torch.set_default_dtype(before)
