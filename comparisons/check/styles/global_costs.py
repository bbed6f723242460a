"""Functions of data alone that return a cost and the gradients of global parameters, beside finite differences of that cost.

`gradients(x, x_tilde)` that returns `cost, dW1, db1`, or `forward_backward(x, y)` that returns a vector of losses, one for each example,
beside `d_l1, d_l2`: scripts and notebooks keep their parameters so. Large sizes are made small, wherever the code writes them. Character
models that take a list of numbers are found by `global_losses`; here the file's own `np.zeros((S, B), dtype=int)` tells another shape.
"""

from __future__ import annotations

import argparse
import ast
import copy
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.calling import tree
from comparisons.check.differences import ratio
from comparisons.check.homes import source_text
from comparisons.check.repeated import repeated
from comparisons.check.source import syntax
from comparisons.check.styles.cost_arguments import BIAS, STATE, Given, K, M, choices
from comparisons.check.styles.costs import NEAR, Objective
from comparisons.check.styles.global_losses import TEXT, made_up, smaller, used_names, zeros
from comparisons.check.styles.network_access import canonical, found_arrays, looks_like_gradient
from comparisons.check.styles.network_arguments import is_x, is_y, required
from comparisons.check.styles.network_functions import Patched
from comparisons.check.styles.network_objects import assign
from comparisons.check.styles.shrinking import KEPT
from comparisons.check.styles.unguarded import told, unguard
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
MOST = 400
"""Parameters from which finite differences would take too long."""
WAYS = 300
"""Ways of filling the arguments that are tried."""
CALLS = 1500
"""Calls of the cost after which no other way is looked for."""
STEPS = 3
SMALL = (5, 6, 8, 9, 11, 4), (3, 4, 2, 5, 6, 8)
"""What large sizes become, all different, and none of them the number of examples; smaller yet where that is still too large."""
_COUNTS = (3, 4, 5, 6, 8, 9)
"""What large numbers become of which no parameter is made: of steps, and of examples."""
_LOSS = re.compile(r"(?!.*(grad|prime|deriv))\w*(loss|cost|error|nll|objective|likelihood)\w*|[JLCE]", re.IGNORECASE)
_GRADIENT = re.compile(r"\w*(grad|back|bprop|bptt|deriv)\w*", re.IGNORECASE)
_CHECKS = re.compile(r"\w*(check|numeric|approx|test|plot|clip|update|apply)\w*", re.IGNORECASE)
_ADDED = re.compile(r"(\+=|=\s*[\w\[\]'\"]+\s*\+)\s*(\w*(lr|alpha|eta|rate|step_?size)\w*)\s*\*", re.IGNORECASE)
MEAN, SUM = "mean", "sum"


@dataclass
class GlobalCost(Objective):
    """A function with a cost and gradients, or two of the same arguments, whose parameters are global names.

    Attributes
    ----------
    known : dict
        Global names that it needs, as they are to be; parameters among them.
    sizes : dict of int to int
        What stands in for large numbers in the code.
    reduced : str
        What the cost is of the numbers that come back, where there are several: their mean or their sum.
    vector : bool
        Whether there are several.
    guards : tuple of float
        Small numbers against log 0 that have been taken out.
    """

    known: dict[str, Any] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    reduced: str = MEAN
    vector: bool = False
    guards: tuple[float, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        several = [f"the loss is the {self.reduced} of what it returns for each example"] if self.vector else []
        return [*super().remarks, *several, *told(list(self.guards))]

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh numbers for global arrays that may be parameters; for those alone once they are known."""
        found = {}
        for place, a in _places(self.known).items():
            bias = a.size == 1 and BIAS.fullmatch(re.findall(r"[A-Za-z_]\w*", place)[-1])
            if a.dtype.kind == "f" and (a.size > 1 or bias) and (not self.parameters or place in self.parameters):
                found[place] = np.asarray(0.5 * rng.standard_normal(a.shape))
        return found

    def _run(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any], Any]:
        namespace = self.file.namespace
        known = copy.deepcopy(self.known)
        for place, a in inner.items():
            root, rest = re.fullmatch(r"(\w+)(.*)", place, re.DOTALL).groups()  # type: ignore[union-attr]
            if rest:
                assign(known[root], rest, a.copy())
            else:
                known[root] = a.copy()
        if self.sizes:
            known |= {n: smaller(f, self.sizes, namespace) for n, f in self.file.functions().items()}
        drawn = repeated(namespace) if "random" in source_text(self.file) else nullcontext()
        with Patched(namespace, known), drawn, _in_double(self.file):
            f = namespace[name]
            given = {p.name: copy.deepcopy(values[p.name]) for p in required(f)}
            returned = self.file.call(f, **given)
        return returned, given, None

    def _cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        returned = self._run(self.cost, values, inner)[0]
        found = losses(_labelled(self._method(self.cost), returned))
        if not found:
            raise UserError(f"{self.cost} returns no cost")
        self.vector = found[0].size > 1
        cost = float(found[0].sum() if self.reduced == SUM else found[0].mean())
        if not np.isfinite(cost):
            raise UserError(f"{self.cost} returns no number")
        return cost

    def _claims(self, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Array]:
        """Gradients by parameter: by their names, and by shapes that only one of them has."""
        returned = self._run(self.gradient, values, inner)[0]
        labelled = _labelled(self._method(self.gradient), returned)
        found = {p: np.asarray(a, np.float64).copy() for p, a in _places(labelled).items() if not _LOSS.fullmatch(p)}
        return _matched(inner, found)

    def dependent(self) -> tuple[str, ...]:
        """Global arrays on which the cost depends."""
        rng = np.random.default_rng(5)
        values, inner = self._drawn(rng)
        others = self._inner(rng)
        before = self._cost(values, inner)
        return tuple(p for p, a in others.items() if self._cost(values, inner | {p: a}) != before)


def _in_double(file: UserFile) -> AbstractContextManager[Any]:
    """While it lasts, `np.float32` is float64: differences tell nothing in single precision."""
    return patch.object(np, "float32", np.float64) if "float32" in source_text(file) else nullcontext()


def _places(values: dict[str, Any]) -> dict[str, Array]:
    """Arrays by place, as code writes it: `W1`, `params['W1']`, `weights[0]`."""
    return {re.sub(r"^\['([^']*)'\]", r"\1", place): a for place, a in found_arrays(values)}


def _labelled(f: Callable[..., Any], returned: Any) -> dict[str, Any]:
    """What a function returns, by the names in its last `return`, those inside brackets too."""
    expressions = _returns(f)
    parts = list(returned) if isinstance(returned, tuple | list) and len(expressions) > 1 else [returned]
    if len(parts) != len(expressions):
        return {f"number {i}": part for i, part in enumerate(parts)}
    labelled: dict[str, Any] = {}
    for i, (e, part) in enumerate(zip(expressions, parts, strict=True)):
        inside = e.elts if isinstance(e, ast.List | ast.Tuple) else []
        if inside and isinstance(part, list | tuple) and len(inside) == len(part):
            labelled |= {_label(n, f"number {i} {j}"): v for j, (n, v) in enumerate(zip(inside, part, strict=True))}
        else:
            labelled[_label(e, f"number {i}")] = part
    return labelled


def _label(e: ast.expr, otherwise: str) -> str:
    """A name, or that of which something is calculated: `loss` of `loss / m`."""
    names = [n.id for n in ast.walk(e) if isinstance(n, ast.Name)]
    return ast.unparse(e) if isinstance(e, ast.Name) else names[0] if len(set(names)) == 1 else otherwise


@functools.cache
def _returns(f: Callable[..., Any]) -> list[ast.expr]:
    """Expressions of the last `return` of a function."""
    body = tree(f)
    found = [n.value for n in ast.walk(body) if isinstance(n, ast.Return) and n.value is not None] if body else []
    if not found:
        return []
    return list(found[-1].elts) if isinstance(found[-1], ast.Tuple) else [found[-1]]


def losses(labelled: dict[str, Any]) -> list[Array]:
    """What may be a cost among results: those called so, numbers before arrays; else a single number."""
    real = {
        n: np.asarray(v, np.float64)
        for n, v in labelled.items()
        if isinstance(v, float | np.floating | np.ndarray) and np.asarray(v).dtype.kind == "f" and np.size(v)
    }
    named = [a for n, a in real.items() if _LOSS.fullmatch(n)]
    return sorted(named, key=np.size) or [a for a in real.values() if a.size == 1]


def _matched(parameters: dict[str, Array], found: dict[str, Array]) -> dict[str, Array]:
    """Gradients by parameter; what neither names nor shapes tell is left out."""
    given: dict[str, Array] = {}
    stems = [canonical(n) for n in parameters]
    own = {c: n for c, n in zip(stems, parameters, strict=True) if stems.count(c) == 1}
    left = dict(found)
    for place, g in found.items():
        name = own.get(canonical(place))
        marked = looks_like_gradient(place) or "grad" in place.lower() or "[" in place
        if name is not None and name not in given and marked and not np.array_equal(g, parameters[name]):
            given[name] = left.pop(place)
    open_ = {n: a for n, a in parameters.items() if n not in given}
    marked_left = {p: g for p, g in left.items() if looks_like_gradient(p) or "grad" in p.lower()}
    for name, a in open_.items():
        fitting = [g for g in marked_left.values() if g.shape == a.shape]
        if len(fitting) == 1 and sum(b.shape == a.shape for b in open_.values()) == 1:
            given[name] = fitting[0]
    return given


def find_global_costs(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[GlobalCost]:
    """Such functions at the top level.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    functions = dict(file.functions())
    pairs = [(c, g) for c, g in _pairs(functions) if not {c, g} & (taken | done)]
    known: dict[str, Any] = {}
    used: set[str] = set()
    for cost, gradient in pairs:
        if gradient in used:
            continue
        known = known or made_up(file, syntax(file))
        base = _based(file, cost, gradient, functions, known)
        found = _best(base) if base is not None else None
        if found is not None:
            used |= {cost, gradient}
            found.guards = tuple(unguard(file, "", [found.cost, found.gradient]))
            yield found


def _pairs(functions: dict[str, Callable[..., Any]]) -> Iterator[tuple[str, str]]:
    """Functions that give both, by the names that they return; then a cost with a gradient of the same arguments."""
    labels = {n: [_label(e, "") for e in _flat(_returns(f))] for n, f in functions.items() if not _CHECKS.fullmatch(n)}
    backs = [n for n, some in labels.items() if any(looks_like_gradient(s) or "grad" in s.lower() for s in some)]
    for name in backs:
        if any(_LOSS.fullmatch(s) for s in labels[name]):
            yield name, name
    for name in (n for n in backs if _GRADIENT.fullmatch(n)):
        asked = {p.name for p in required(functions[name])}
        for cost, f in functions.items():
            if cost != name and cost not in backs and _LOSS.fullmatch(cost) and {p.name for p in required(f)} == asked:
                yield cost, name


def _flat(expressions: list[ast.expr]) -> Iterator[ast.expr]:
    for e in expressions:
        yield from e.elts if isinstance(e, ast.List | ast.Tuple) else [e]


def _based(
    file: UserFile, cost: str, gradient: str, functions: dict[str, Callable[..., Any]], known: dict[str, Any]
) -> GlobalCost | None:
    """The functions with global arrays that are small enough; None if there are none."""
    names = list(dict.fromkeys(n for f in (cost, gradient) for n in used_names(functions[f], functions)))
    arguments = {p.name for f in (cost, gradient) for p in required(functions[f])}
    plain = GlobalCost(file, "", cost, gradient, known=_needed(known, names, functions, arguments))
    if not plain._inner(np.random.default_rng(0)):
        return None
    for small in SMALL:
        sizes = smaller_numbers(file, plain.known, names, arguments, small)
        again = made_up(file, syntax(file), sizes) if sizes else known
        base = replace(plain, sizes=sizes, known=_needed(again, names, functions, arguments))
        if 0 < sum(a.size for a in base._inner(np.random.default_rng(0)).values()) <= MOST:
            return base
    return None


def _needed(known: dict[str, Any], names: list[str], functions: dict[str, Any], arguments: set[str]) -> dict[str, Any]:
    """Of the global names those that functions use and that are data: arrays, numbers, and containers of them."""
    plain = (np.ndarray, np.generic, float, int, str, list, tuple, dict, argparse.Namespace)
    found = {n: v for n in names if n not in functions and isinstance(v := known.get(n), plain)}
    return {n: v for n, v in found.items() if n not in arguments}


def smaller_numbers(
    file: UserFile, known: dict[str, Any], names: Iterable[str], arguments: Iterable[str], small: tuple[int, ...]
) -> dict[int, int]:
    """Small numbers for large ones that are sizes of parameters, or global numbers that functions use, or arguments are made of.

    Parameters
    ----------
    file : UserFile
    known : dict
        Global names, parameters among them.
    names : iterable of str
        Global names that the functions use.
    arguments : iterable of str
        What they are given.
    small : tuple of int
        What sizes become, one of `SMALL`.
    """
    shapes = [a.shape for a in _places(known).values()]
    written = {c for f in file.functions().values() for c in _integers(f.__code__)}
    statements: list[ast.stmt] = [s for s in syntax(file).body if isinstance(s, ast.Assign)]
    written |= set(_integers(compile(ast.Module(statements, []), file.path, "exec")))
    numbers = {n: v for n in file.own if type(v := file.namespace.get(n)) is int and v > KEPT}
    text = "\n".join(ast.unparse(s) for s in statements)
    made_of = {n for n in numbers if any(re.search(rf"\b{a}\b.*=.*zeros\(.*\b{n}\b", text) for a in arguments)}
    axes = [n for shape in shapes for n in shape if n > KEPT and n in written | set(numbers.values())]
    counts = [v for n, v in numbers.items() if v not in axes and (n in names or n in made_of)]
    taken = {n for shape in shapes for n in shape} | {M}
    found: dict[int, int] = {}
    for large, sizes in ((axes, small), (counts, _COUNTS)):
        for n in dict.fromkeys(large):
            free = [s for s in sizes if s not in taken]
            if not free:
                return {}
            found[n] = free[0]
            taken.add(free[0])
    return found


def _integers(code: CodeType) -> Iterator[int]:
    for c in code.co_consts:
        if isinstance(c, CodeType):
            yield from _integers(c)
        elif isinstance(c, tuple):
            yield from (v for v in c if type(v) is int)
        elif type(c) is int:
            yield c


@dataclass
class Fit:
    """How well gradients fit the cost under one way of filling the arguments: agreeing, on which scale, of how many."""

    ratios: list[float]
    scale: float
    count: int

    @property
    def agreeing(self) -> int:
        """Gradients that are the derivative on the common scale."""
        return sum(abs(r / self.scale - 1) < NEAR for r in self.ratios)

    @property
    def exact(self) -> int:
        """Gradients that are the derivative as they are."""
        return sum(abs(r - 1) < NEAR for r in self.ratios)


def _fit(tried: GlobalCost) -> Fit | None:
    """None where it cannot be run, or where gradients have other shapes."""
    try:
        compared = tried._compared(*tried._drawn(np.random.default_rng(23)))
    except (UserError, ValueError):
        return None
    found = [d for d in compared.values() if not d.kinks.all() and np.abs(d.reference).max() > 0]
    if not found or any(d.subject.shape != d.reference.shape or not np.isfinite(d.reference).all() for d in found):
        return None
    ratios = [r for d in found if d.subject.size > 1 and (r := ratio(d)) is not None]
    shared = {r: sum(abs(other / r - 1) < NEAR for other in ratios) for r in ratios}
    scale = max(shared, key=lambda r: (shared[r], abs(r - 1) < NEAR), default=1.0)
    return Fit(ratios, scale, len(found))


def _best(base: GlobalCost) -> GlobalCost | None:
    """The arguments under which most gradients agree; none where nothing agrees, on whatever scale."""
    best: tuple[float, GlobalCost, Fit] | None = None
    spent = 0
    for tried in _tried(base):
        fit = _fit(tried)
        spent += 6 * sum(a.size for a in tried._inner(np.random.default_rng(0)).values())
        if fit is None:
            continue
        tried.scale = tried._accepted(fit.scale, fit.agreeing, fit.count)
        weight = fit.agreeing + 0.5 * (fit.exact == fit.agreeing)
        if best is None or weight > best[0]:
            best = weight, tried, fit
        if fit.exact == fit.count or fit.exact >= max(2, fit.count - 1) or spent > CALLS:
            break
    if best is None:
        return None
    _, found, fit = best
    if any(r > 0 for r in fit.ratios):
        return found
    # Of the wrong sign, unless they are added to the parameters, as steps downhill. Where none is a multiple of the derivative,
    # what is returned may be meant to be another thing: contrastive divergence beside an error of reconstruction.
    return found if fit.ratios and not _ADDED.search(source_text(base.file)) else None


def _tried(base: GlobalCost) -> Iterator[GlobalCost]:
    """Ways that run; where several losses come back, their mean and their sum."""
    for given in _ways(base):
        tried = replace(base, given=given)
        if _runs(tried):
            yield tried
            if tried.vector:
                yield replace(tried, reduced=SUM)


def _runs(tried: GlobalCost) -> bool:
    """Whether the cost is a number that depends on parameters, and gradients come back in their shapes."""
    try:
        tried.parameters = ()
        values, inner = tried._drawn(np.random.default_rng(7))
        tried.vector = False
        dependent = tried.dependent()
        claims = tried._claims(values, {n: inner[n] for n in dependent})
    except (UserError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    tried.parameters = tuple(n for n in dependent if n in claims)
    if not claims or 2 * len(claims) < len(dependent):
        return False
    return all(a.shape == np.shape(inner[n]) and np.isfinite(a).all() and a.any() for n, a in claims.items())


def _ways(base: GlobalCost) -> Iterator[dict[str, Given]]:
    """Ways of filling the arguments, the likely ones first."""
    functions = [base.file.namespace[n] for n in (base.cost, base.gradient)]
    names = list(dict.fromkeys(p.name for f in functions for p in required(f)))
    shapes = [a.shape for a in base._inner(np.random.default_rng(0)).values()]
    widths = tuple(dict.fromkeys(n for shape in shapes for n in shape if n > 1))[:6]
    whole = syntax(base.file)
    known = base.file.namespace | base.known if not base.sizes else made_up(base.file, whole, base.sizes)
    made = {n: zeros(n, whole, known) for n in names}
    batches = [n for a in made.values() if a is not None and a.dtype.kind in "iu" for n in a.shape]
    lists = [list(_given(n, widths, made[n], list(dict.fromkeys((*batches, M))))) for n in names]
    places = itertools.product(*(range(len(given)) for given in lists))
    for chosen in sorted(itertools.islice(places, 20_000), key=sum)[:WAYS]:
        yield {n: given[i] for n, given, i in zip(names, lists, chosen, strict=True)}


def _given(name: str, widths: tuple[int, ...], made: Array | None, batches: list[int]) -> Iterator[Given]:
    """What may be given for an argument: what is like what the file makes under this name, else batches, columns and single examples."""
    if made is not None and made.size and (made.dtype.kind in "iu" or not (is_x(name) or is_y(name))):
        yield _like(made, later=is_y(name))
    if STATE.fullmatch(name) or re.fullmatch(r"[hc]\w{0,6}", name):
        yield from (Given("real", shape) for n in widths for m in batches[:-1] for shape in ((m, n), (n, m)))
        yield from (Given("real", shape) for n in widths for shape in ((n, 1), (n,), (1, n), (M, n), (n, M)))
    elif is_y(name):
        yield from (Given("labels", (M,)), *(Given("one-hot", (M, n), classes=n) for n in widths))
        yield from (Given("real", (M, n)) for n in widths)
        yield from (Given("binary", (M, 1)), Given("binary", (M,)), Given("real", (M, 1)), Given("real", (M,)))
        yield from (Given("labels", (M,), classes=2), Given("labels", (M, 1)), Given("binary", (1, M)))
        yield from (Given("one-hot", (n, M), classes=n) for n in widths)
        yield from (Given("real", (n, M)) for n in widths)
        yield from (Given("fixed", value=[2, 1, 0][:STEPS]), Given("fixed", value=1))
    elif is_x(name) or not choices(name, widths):
        yield from (Given("real", (M, n)) for n in widths)
        yield from (Given("real", (n, M)) for n in widths)
        yield from (Given("real", shape) for n in widths for shape in ((n,), (M, STEPS, n), (n, 1), (1, n)))
        yield from (Given("fixed", value=[0, 2, 1]), Given("real", (M, 1)), Given("real", (M,)))
    else:
        yield from choices(name, widths)


def _like(made: Array, later: bool) -> Given:
    """Whole numbers of a vocabulary, or a state, in the shape of what the file makes."""
    if made.dtype.kind == "f":
        return Given("real", made.shape)
    classes = min(
        len(set(TEXT)), K + 2
    )  # squares come again within rows and columns: so `+=` shows that counts them once
    return Given("fixed", value=((np.arange(made.size) ** 2 + 3 * later) % classes).reshape(made.shape))
