"""Training steps without a cost of their own, `nn_epoch(X, y, W1, W2, lr)`: whether what they use has been updated already.

Such a step cannot be held beside a cost. But the way it goes, divided by the learning rate, does not depend on the rate, unless a
gradient is calculated from parameters that have moved. Then one parameter's way, that of the one which moved first, is the same at all
rates, and those of others are not; and all ways are the gradient of a function at a small rate, and of none at a large one.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.check.calling import source_of, tree
from comparisons.check.differences import Derived
from comparisons.check.styles.cost_arguments import BIAS, H, K, M, N
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.network_arguments import RATE, is_x, is_y, parameters_of, role
from comparisons.check.styles.opened_functions import COST
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
SLOW = 2.0**-20
"""A learning rate at which it does not matter what has been updated already."""
NEAR = 1e-4
"""So far a way at the small rate may be from what it is at none."""
_WEIGHTS = re.compile(r"(w|theta|v|u|weights?|syn)_?(\d|in|out|ih|ho|xh|hy|hidden|output)", re.IGNORECASE)
_BATCH = re.compile(r"(mini_?)?batch(_?size)?|bs", re.IGNORECASE)


@dataclass
class OrderedStep:
    """A function that moves its parameters, with values for its arguments.

    Attributes
    ----------
    file : UserFile
    name : str
    given : dict
        Data and sizes.
    shapes : dict of str to tuple of int
        Of the parameters, by argument.
    rates : tuple of str
        Arguments that are learning rates.
    rate : float
    """

    file: UserFile
    name: str
    given: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    rates: tuple[str, ...]
    rate: float = RATE

    title = "training step"

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (self.name,)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Of which the way should be a gradient."""
        return tuple(self.shapes)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        return ["its step at a large learning rate is compared with that at a small one, divided by the rate"]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Ways at the large rate beside those at the small one."""
        values, inner = self._drawn(rng)
        large, small = self._claims(values, inner), replace(self, rate=SLOW)._claims(values, inner)
        first = [n for n in large if _same(large[n], small[n])]
        for n, way in small.items():
            cause = "" if n in first else f"calculated after {' or '.join(first)} had been updated"
            error = NEAR * float(np.abs(way).max(initial=0))
            yield Derived(
                f"grad/{self.name}.{n}", large[n], way, error, np.zeros(way.shape, bool), M,
                against="a small learning rate gives", cause=cause,
            )  # fmt: skip

    def _drawn(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Array]]:
        return self.given, {n: 0.5 * rng.standard_normal(shape) for n, shape in self.shapes.items()}

    def _place(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> Array:
        return inner[name]

    def _claims(self, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Array]:
        held = {n: a.copy() for n, a in inner.items()}
        data = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in values.items()}
        returned = self.file.call(self.name, **data, **held, **dict.fromkeys(self.rates, self.rate))
        back = [a for a in returned if isinstance(a, np.ndarray)] if isinstance(returned, tuple | list) else []
        if [a.shape for a in back] == [a.shape for a in inner.values()]:
            held = dict(zip(inner, back, strict=True))
        found = {n: (a - held[n]) / self.rate for n, a in inner.items()}
        if any(not np.isfinite(a).all() or not a.any() for a in found.values()):
            raise UserError(f"{self.name} does not move all of its parameters")
        return found

    def late(self) -> bool:
        """Whether one parameter at least moves by what it should, and another by what is left after that."""
        values, inner = self._drawn(np.random.default_rng(7))
        slow = replace(self, rate=SLOW)
        large, small, half = (replace(self, rate=r)._claims(values, inner) for r in (RATE, SLOW, RATE / 2))
        right = {n for n in large if _same(large[n], small[n])}
        # Weights that have moved by a part of the rate enter once: twice the rate is twice the error, unlike where a way is cut short.
        linear = all(_same(large[n] - small[n], 2 * (half[n] - small[n])) for n in large if n not in right)
        if not right or len(right) == len(large) or not linear:
            return False
        return is_a_gradient(slow) and not is_a_gradient(self)


def _same(a: Array, b: Array) -> bool:
    return bool(np.abs(a - b).max(initial=0) <= NEAR * np.abs(b).max(initial=0))


def find_ordered_steps(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[OrderedStep]:
    """Functions of data, several matrices of weights and a learning rate that use what they have updated already."""
    for name, f in file.functions().items():
        asked = parameters_of(f)
        weights = [p.name for p in asked if _WEIGHTS.fullmatch(p.name)]
        rates = tuple(p.name for p in asked if role(p.name) == "rate")
        if name in taken | done or len(weights) < 2 or len(rates) != 1 or _has_cost(f):
            continue
        for tried in _filled(file, name, asked, weights, rates):
            try:
                late = tried.late()
            except (UserError, ValueError, TypeError, IndexError):
                continue
            if late:
                yield tried
            break


def _has_cost(f: Any) -> bool:
    """Whether a function calculates what may be its cost, or leaves open whether it moves anything."""
    body = tree(f)
    stored = (
        {n.id for n in ast.walk(body) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} if body else set()
    )
    return any(COST.fullmatch(n) for n in stored - {"error", "E"}) or not re.search(
        r"-=|\+=|- \w*lr|-.*rate", source_of(f)
    )


def _filled(
    file: UserFile, name: str, asked: list[Any], weights: list[str], rates: tuple[str, ...]
) -> Iterator[OrderedStep]:
    """The function with its arguments filled in all likely ways: examples as rows and columns, classes as numbers and rows."""
    rng = np.random.default_rng(3)
    labels, sizes = rng.permutation(np.arange(M) % K), [N, *[H + i for i in range(len(weights) - 1)], K]
    for rows, kind, flat in itertools.product((True, False), ("labels", "one-hot", "numbers"), (True, False)):
        given: dict[str, Any] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for p in asked:
            if p.name in weights:
                i = weights.index(p.name)
                shapes[p.name] = (sizes[i], sizes[i + 1]) if rows else (sizes[i + 1], sizes[i])
            elif _BATCH.fullmatch(p.name):
                given[p.name] = M
            elif BIAS.fullmatch(p.name):
                width = sizes[1 + sum(bool(BIAS.fullmatch(n)) for n in shapes)]
                shapes[p.name] = (width,) if flat else (1, width) if rows else (width, 1)
            elif is_x(p.name):
                x = rng.standard_normal((M, N))
                given[p.name] = x if rows else x.T
            elif is_y(p.name):
                y = {"labels": labels, "one-hot": np.eye(K)[labels], "numbers": rng.standard_normal((M, K))}[kind]
                given[p.name] = y if rows or y.ndim == 1 else y.T
            elif role(p.name) == "epochs":
                given[p.name] = 1
            elif p.name not in rates and p.default is p.empty:
                return
        yield OrderedStep(file, name, given, shapes, rates)
