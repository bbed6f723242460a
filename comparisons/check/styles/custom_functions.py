"""Backward passes written by hand inside a framework, beside finite differences of their own forward pass.

`torch.autograd.Function` subclasses and functions under `tf.custom_gradient` run through their framework, so that contexts, missing
gradients and sums over broadcast axes are as in use. Many such functions are not meant to be derivatives: straight-through
estimators, surrogate gradients, gradient reversal. Those are left alone.
"""

from __future__ import annotations

import ast
import inspect
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import FLOOR, SAFETY, Derived, gradient, row
from comparisons.check.edits import repaired
from comparisons.check.homes import source_tree
from comparisons.check.locating import Spot, statement
from comparisons.check.styles.function_arguments import PARAMETER, Filling, M, N, combinations
from comparisons.check.styles.function_backends import Custom, TensorFlowFunction, double, found_in
from comparisons.check.styles.known_functions import expected, explanations
from comparisons.check.unit import Twinless, Unit, UserError, UserFile, refuses
from comparisons.tolerance import largest
from scratch import architecture

Array = np.ndarray
RUNNING = 5
"""Ways of filling the arguments that run, of which the one is chosen that agrees best."""
_STANDS_IN = re.compile(
    r"straight|\bste\b|STE\b|surrogate|spik|quanti|binar|ternar|revers|guided|deconv|fake|scale_?grad|grad(ient)?_?(scal|clip|mult|flip)|"
    r"(scal|clip|mult|flip)\w*_?grad|hook|not the true|biased estimat|pseudo",
    re.IGNORECASE,
)
_WRAPS = {"torch": ("torch.sigmoid({})", "torch.tanh({})", "torch.exp({})", "(1 - {})", "(1 - {0} * {0})"),
          "tensorflow": ("tf.sigmoid({})", "tf.tanh({})", "tf.exp({})", "(1 - {})", "(1 - {0} * {0})")}  # fmt: skip


@dataclass
class Reading:
    """A function with a way of filling its arguments.

    Attributes
    ----------
    custom : Custom
    fillings : dict of str to Filling
    stand_ins : frozenset of str
        Arguments whose gradients are not meant to be derivatives.
    """

    custom: Custom
    fillings: dict[str, Filling]
    stand_ins: frozenset[str] = frozenset()

    def values(self, rng: np.random.Generator) -> dict[str, Any]:
        """Fresh arguments."""
        return {n: f.draw(rng) for n, f in self.fillings.items()}

    @property
    def by(self) -> list[str]:
        """Arguments by which a gradient is asked for."""
        return [n for n, f in self.fillings.items() if f.by]

    def known(self, values: dict[str, Any]) -> Iterator[Derived]:
        """The output beside torch's own operation of that name."""
        outputs = self.custom.outputs(values)
        found = expected(self.custom.name, list(values.values()), outputs[0]) if len(outputs) == 1 else None
        if found is not None:
            wanted = found[1]
            yield Derived(f"forward/{self.custom.name}", outputs[0], wanted, 1e-12 * (largest(wanted) or 1.0),
                          np.zeros(wanted.shape, dtype=bool), M, against=f"torch's {found[0]}")  # fmt: skip

    def derived(self, rng: np.random.Generator) -> list[Derived]:
        """The gradient by every argument."""
        values = self.values(rng)
        shapes = [o.shape for o in self.custom.outputs(values)]
        upstream = [rng.standard_normal(shape) for shape in shapes]
        claimed = self.custom.gradients(values, self.by, [u.copy() for u in upstream])
        flat = np.concatenate([u.ravel() for u in upstream])
        found = []
        for name in self.by:
            if name in self.stand_ins or (claimed[name] is None and not PARAMETER.fullmatch(name)):
                continue

            def f(v: Array, name: str = name) -> Array:
                return np.concatenate([o.ravel() for o in self.custom.outputs(values | {name: v})])

            wanted, error, kinks = gradient(f, values[name], flat)
            missing = claimed[name] is None
            if missing and not wanted.any():
                continue
            subject = np.zeros_like(wanted) if missing else np.asarray(claimed[name])
            cause = f"no gradient is returned for {name}: None stands in its place" if missing else ""
            found.append(Derived(_tensor(self.custom, name), subject, wanted, error, kinks, M, cause=cause))
        return found

    def explained(self, seed: list[int]) -> list[Derived]:
        """The same, with the causes of what is wrong."""
        found = self.derived(np.random.default_rng(seed))
        return [d if agrees(d) or d.cause else self._caused(d, found, seed) for d in found]

    def _caused(self, wrong: Derived, others: list[Derived], seed: list[int]) -> Derived:
        backward = self.custom.backward()
        if backward is None:
            return wrong
        right = {d.tensor for d in others if agrees(d)} | {wrong.tensor}
        draws = [self._drawn(seed, right), self._drawn([*seed, 1], right)]

        def mends(made: Callable[..., Any]) -> bool:
            other = self.custom.edited(made)
            return all(_same(other, *draw) for draw in draws)

        framework = "tensorflow" if isinstance(self.custom, TensorFlowFunction) else "torch"
        for text, wanted in explanations(self.custom.name, draws[0][0], draws[0][2]):
            if agrees(replace(wrong, reference=wanted)):
                return replace(wrong, cause=text)
        found = repaired(backward, mends, _WRAPS[framework], nested=framework == "tensorflow")
        path, owner = backward.__code__.co_filename, backward.__qualname__.replace(".<locals>", "")
        if found is None:
            at = backward.__code__.co_firstlineno
            return replace(wrong, spot=Spot(owner, at, statement(path, at)))
        cause, line = found
        general = row(wrong, {})["diagnosis"]
        told = cause if not general or general.startswith("no known mistake") else f"{general}; {cause}"
        return replace(wrong, cause=told, spot=Spot(owner, line, statement(path, line)))

    def _drawn(
        self, seed: list[int], tensors: set[str]
    ) -> tuple[dict[str, Any], list[str], list[Array], list[Derived]]:
        """Arguments, by what, upstream gradients, and what must come out."""
        rng = np.random.default_rng(seed)
        values = self.values(rng)
        upstream = [rng.standard_normal(o.shape) for o in self.custom.outputs(values)]
        wanted = [d for d in self.derived(np.random.default_rng(seed)) if d.tensor in tensors]
        return values, self.by, upstream, wanted


def _same(custom: Custom, values: dict[str, Any], by: list[str], upstream: list[Array], wanted: list[Derived]) -> bool:
    claimed = custom.gradients(values, by, [u.copy() for u in upstream])
    found = {_tensor(custom, name): g for name, g in claimed.items()}
    return all((g := found[d.tensor]) is not None and agrees(replace(d, subject=g)) for d in wanted)


def _tensor(custom: Custom, name: str) -> str:
    return f"grad/{custom.name}.{name}"


def agrees(derived: Derived) -> bool:
    """Whether a gradient is the derivative, elements at kinks left out."""
    a, b = np.asarray(derived.subject), derived.reference
    if a.shape != b.shape:
        return False
    tolerance = max(FLOOR * (largest(b) or 1.0), SAFETY * derived.error)
    return bool((np.abs(a - b)[~derived.kinks] <= tolerance).all())


class CustomFunctions(Twinless):
    """Functions with a backward pass of their own, in a framework."""

    name = "custom functions"

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._told: dict[tuple[str, int], list[Derived]] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Those whose arguments could be found."""
        units = []
        for custom in found_in(file, taken):
            with double():
                reading, why = _settled(file, custom)
                if reading is not None:
                    self._readings[custom.name] = reading
                    units.append(_unit(file, reading))
                elif why:
                    file.notes.append(f"{custom.name} is not compared: {why}")
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """Output and gradients."""
        reading, key = self._readings[unit.name], (unit.name, case.seed)
        if key not in self._told:
            seed = [case.seed, zlib.crc32(case.id.encode())]
            with double():
                known = reading.known(reading.values(np.random.default_rng(seed)))
                self._told[key] = [*known, *reading.explained(seed)]
        return self._told[key]


def _settled(file: UserFile, custom: Custom) -> tuple[Reading | None, str]:
    """The way of filling the arguments under which most agrees, or why there is none."""
    running: list[tuple[int, int, Reading]] = []
    failing: tuple[Reading, UserError] | None = None
    why = "no way was found to call it"
    for fillings in combinations(custom.parameters):
        reading = Reading(custom, fillings)
        try:
            if not _sensible(custom.outputs(reading.values(np.random.default_rng(3)))) or not reading.by:
                continue
        except UserError as error:
            why = str(error) if "single precision" in str(error) else why
            continue
        try:
            found = reading.derived(np.random.default_rng(23))
        except UserError as error:
            failing = failing or (reading, error)
            continue
        if not found or any(not np.isfinite(d.reference).all() for d in found):
            continue
        wrong = [d for d in found if not agrees(d)]
        running.append((len(wrong), len(running), reading))
        if not wrong or len(running) == RUNNING:
            break
    if running:
        return _meant(file, min(running, key=lambda r: r[:2])[2])
    if failing is not None and not refuses(failing[1]) and not isinstance(failing[1].__cause__, ImportError):
        return failing[0], ""
    return None, str(failing[1]) if failing else why


def _sensible(outputs: list[Array]) -> bool:
    return bool(outputs) and all(np.isfinite(o).all() and o.size for o in outputs)


def _meant(file: UserFile, reading: Reading) -> tuple[Reading | None, str]:
    """The reading without gradients that are not meant to be derivatives."""
    found = reading.derived(np.random.default_rng(23))
    wrong = [d for d in found if not agrees(d)]
    if not wrong:
        return reading, ""
    values = reading.values(np.random.default_rng(23))
    outputs = reading.custom.outputs(values)
    text = _source(file, reading.custom.name)
    first = values[reading.by[0]]
    if _STANDS_IN.search(text):
        left, why = {d.tensor for d in wrong}, "its gradient is not meant to be the derivative of its forward pass"
    elif any(o.shape == np.shape(first) and np.array_equal(o, first) for o in outputs):
        left, why = {d.tensor for d in wrong}, "it hands its input on and changes only the gradient, on purpose"
    else:
        left = {d.tensor for d in wrong if not d.reference.any() and not d.cause}
        why = "its forward pass has steps, so its gradient stands in for a derivative that is 0 everywhere"
    names = frozenset(n for n in reading.by if _tensor(reading.custom, n) in left)
    if names and len(left) == len(found):
        return None, why
    return replace(reading, stand_ins=names), ""


def _source(file: UserFile, name: str) -> str:
    try:
        text = inspect.getsource(inspect.unwrap(getattr(file.namespace[name], "_f", file.namespace[name])))
    except (OSError, TypeError):
        text = ""
    return f"{name}\n{text}"


def _unit(file: UserFile, reading: Reading) -> Unit:
    custom = reading.custom
    values = reading.values(np.random.default_rng(3))
    known = list(reading.known(values))
    title = (
        f"{known[0].against.removeprefix('torch' + chr(39) + 's ')} with a backward pass of its own"
        if known
        else ("function with a custom gradient" if isinstance(custom, TensorFlowFunction) else "autograd Function")
    )
    members = (custom.name, *_wrappers(file, custom.name))
    case = Case(f"check/{custom.name}/differences", architecture(), (M,), (N,))
    names = {f"{custom.name}.{n}": n for n in reading.by}
    shapes = ", ".join(f"{n} {np.shape(values[n])}" for n in reading.by)
    assumed = [f"real arguments are {shapes}" if len(reading.by) > 1 else ""]
    numbers = [f"{n} = {v:g}" for n, v in values.items() if isinstance(v, float | int) and not isinstance(v, bool)]
    assumed.append(", ".join(numbers))
    if reading.stand_ins:
        assumed.append(
            f"the gradient of {', '.join(sorted(reading.stand_ins))} stands in for a derivative, and was not compared"
        )
    if not known:
        assumed.append("the forward pass was taken as it is, and compared with nothing")
    return Unit(custom.name, CustomFunctions.name, title, file.own[custom.name], members, (case,),
                {"differences": True, "names": names}, tuple(a for a in assumed if a))  # fmt: skip


def _wrappers(file: UserFile, name: str) -> Iterator[str]:
    """Functions and modules that only call it."""
    tree = source_tree(file)
    for node in tree.body if tree is not None else ():
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        for f in [node] if isinstance(node, ast.FunctionDef) else node.body:
            if not isinstance(f, ast.FunctionDef) or f.name not in (node.name, "forward", "call", "__call__"):
                continue
            if node.name != name and _only_calls(f, name):
                yield node.name


def _only_calls(f: ast.FunctionDef, name: str) -> bool:
    body = [s for s in f.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    if len(body) != 1 or not isinstance(body[0], ast.Return) or not isinstance(body[0].value, ast.Call):
        return False
    return ast.unparse(body[0].value.func) in (name, f"{name}.apply")


__all__ = ["CustomFunctions", "agrees"]
