"""Networks that take one example at a time within a step: is what a step does the sum over its examples?

With one example all may be right, and still `dW = ...` for `dW += ...` leaves only the last of them. So a step of several examples is
compared with steps of one example each, of which it must be the sum, the mean, or the succession.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from comparisons.check.differences import Derived
from comparisons.check.locating import Spot, statement
from comparisons.check.styles import whole_softmax
from comparisons.check.styles.network_access import Access, Array, looks_like_gradient, put, put_target, stem
from comparisons.check.styles.network_reading import Reading, drawn_batch, drawn_weights, gradients, same
from comparisons.check.styles.network_scripts import ScriptAccess
from comparisons.check.unit import UserError

TOGETHER = {"one row": "rows", "one column": "columns", "vector": "rows"}
"""How several examples are handed over, where one is handed over so."""
EXAMPLES = 3
AGAINST = "the sum over steps of one example each"
LAST = "only the last example counts: the gradient of each example is assigned, not added (= for +=)"
FIRST = "only the first example counts"
NEAR = 1e-9
Step = Callable[[slice, str, dict[str, Array]], dict[str, Array]]
"""What a step does with some of the examples, handed over in a form, from these parameters."""


@dataclass(frozen=True)
class Summed:
    """A step of several examples beside steps of one each: by parameter what it gives, what it should, and why it does not."""

    given: dict[str, Array]
    wanted: dict[str, Array]
    causes: dict[str, str]


def summed(access: Access, reading: Reading, seed: int = 31) -> Summed | None:
    """The comparison, if the code takes several examples and at least one parameter tells how it puts them together."""
    form = TOGETHER.get(reading.form)
    if form is None:
        return None
    rng = np.random.default_rng(seed)
    chain = reading.chain
    weights = drawn_weights(chain, rng)
    x, y = drawn_batch(chain.sizes, EXAMPLES, rng)
    params = chain.to_user(weights, access.parameters)

    def step(rows: slice, form: str, start: dict[str, Array]) -> dict[str, Array]:
        own = {n: a.copy() for n, a in start.items()}
        given, target = put(x[rows], form), put_target(y[rows], form, reading.labels)
        return gradients(access, start, access.step(own, given, target, len(x[rows])))

    try:
        together = step(slice(None), form, params)
        each = [step(slice(i, i + 1), reading.form, params) for i in range(EXAMPLES)]
    except (UserError, ValueError):
        return None
    if not together or any(e.keys() != together.keys() for e in each):
        return None
    if any(a.shape != together[n].shape for e in each for n, a in e.items()):
        return None
    sums = {n: np.sum([e[n] for e in each], axis=0) for n in together}
    if _shares_softmax(access, reading, params, x, y):
        wanted = {n: s / EXAMPLES for n, s in sums.items()}
        return Summed(together, wanted, dict.fromkeys(together, whole_softmax.CAUSE))
    if _in_turn(step, params, access, together, reading):
        return None
    found = [_compared(together, each, {n: c * s for n, s in sums.items()}, c) for c in (1.0, 1 / EXAMPLES)]
    best = max((f for f in found if f is not None), key=lambda f: -len(f.causes), default=None)
    return best if best is not None and best.causes else None


def _shares_softmax(access: Access, reading: Reading, params: dict[str, Array], x: Array, y: Array) -> bool:
    """Whether outputs of several examples add up to 1 together, in code that divides by their number and so is meant for them."""
    if not whole_softmax.divides_by_examples(access.file, access.members):
        return False

    def outputs(rows: slice, form: str) -> dict[str, Array]:
        own = {n: a.copy() for n, a in params.items()}
        target = put_target(y[rows], form, reading.labels)
        return access.forward(own, put(x[rows], form), target, len(x[rows])).arrays

    try:
        together = outputs(slice(None), TOGETHER[reading.form])
        each = [outputs(slice(i, i + 1), reading.form) for i in range(EXAMPLES)]
    except (UserError, ValueError):
        return False
    known = [n for n in together if all(n in e for e in each)]
    columns = TOGETHER[reading.form] == "columns"
    return any(whole_softmax.shared(together[n].T if columns else together[n], [e[n] for e in each]) for n in known)


def _compared(
    together: dict[str, Array], each: list[dict[str, Array]], wanted: dict[str, Array], c: float
) -> Summed | None:
    """What is no sum, if a known mistake is why."""
    causes = {}
    for n, g in together.items():
        if same(g, wanted[n], NEAR):
            continue
        if same(g, c * each[-1][n], NEAR):
            causes[n] = LAST
        elif same(g, c * each[0][n], NEAR):
            causes[n] = FIRST
        else:
            return None
    # A step of a first example alone is stochastic descent; so is, perhaps, one that draws the last.
    if len(causes) == len(together) and FIRST in causes.values():
        return None
    return Summed(together, wanted, causes)


def _in_turn(
    step: Step, params: dict[str, Array], access: Access, together: dict[str, Array], reading: Reading
) -> bool:
    """Whether every example makes a step of its own, one after the other."""
    rate = access.rate or 1.0
    start = {n: a.copy() for n, a in params.items()}
    try:
        for i in range(EXAMPLES):
            moved = step(slice(i, i + 1), reading.form, start)
            start = {n: start[n] - rate * moved[n] if n in moved else start[n] for n in start}
    except (UserError, ValueError):
        return False
    return all(same((params[n] - start[n]) / rate, g, 1e-7) for n, g in together.items())


def derived_sums(access: Access, reading: Reading, seed: int) -> list[Derived]:
    """The gradients of a step of several examples beside the sums."""
    found = summed(access, reading, seed)
    if found is None:
        return []
    return [
        Derived(
            f"grad/network.{n}", g, found.wanted[n], 1e-13, np.zeros(g.shape, bool), EXAMPLES, against=AGAINST,
            cause=found.causes.get(n, ""), spot=_spot(access, n, found.causes[n]) if n in found.causes else None,
        )
        for n, g in reversed(list(found.given.items()))
    ]  # fmt: skip


def _spot(access: Access, name: str, cause: str) -> Spot | None:
    """The sum of a softmax over too much, else the assignment inside a loop that should add."""
    if cause == whole_softmax.CAUSE:
        return whole_softmax.spot(access.file, access.members)
    if not isinstance(access, ScriptAccess):
        return None
    loop = access.loop
    for inner in (n for s in loop.body for n in ast.walk(s) if isinstance(n, ast.For | ast.While)):
        for n in ast.walk(inner):
            if isinstance(n, ast.Assign) and len(n.targets) == 1:
                target = ast.unparse(n.targets[0])
                if looks_like_gradient(target) and stem(target).lower() == stem(name).lower():
                    return Spot(loop.function, n.lineno, statement(access.file.path, n.lineno))
    return None
