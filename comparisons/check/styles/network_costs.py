"""A cost among the methods of a network that is a class, or among functions: is it the loss whose gradients the network calculates?"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from comparisons.check.calling import parameters
from comparisons.check.source import syntax
from comparisons.check.styles.container_drives import RATE
from comparisons.check.styles.cost_beside import Beside, Probed, beside, costs, penalised, value
from comparisons.check.styles.network_access import Access, as_rows, put, put_target
from comparisons.check.styles.network_functions import FunctionAccess
from comparisons.check.styles.network_objects import ObjectAccess
from comparisons.check.styles.network_reading import LOSS_TITLES, Reading, drawn_batch, drawn_weights
from comparisons.check.unit import UserError
from scratch import Network
from scratch.weights import Weights

Array = np.ndarray


FUNCTION = re.compile(r"(?!.*(grad|back|deriv|prime|plot|print|show|update|reg))\w*(cost|loss|objective|cross_?entropy|logloss)\w*|J|bce|mse",
                      re.IGNORECASE)  # fmt: skip
"""Names of functions that may be the cost of the network beside them."""


def cost_beside(access: Access, reading: Reading) -> Beside | None:
    """How a cost among a network's methods or functions stands to its loss; None if there is none, or nothing can be said."""
    loss = reading.arch.loss
    if loss is None or reading.single or reading.decay or not reading.output:
        return None
    if reading.agreeing < reading.total or reading.deviation > 1e-11 or reading.factor <= 0:
        return None
    rng = np.random.default_rng(17)

    def probes(f: Callable[..., Any], swapped: bool) -> list[Probed]:
        found = []
        for m in (6, 4, 6):
            weights = drawn_weights(reading.chain, rng)
            x, y = drawn_batch(reading.chain.sizes, m, rng)
            result = Network(reading.arch, weights).differentiate(x, y)
            assert result.loss is not None
            output = loss.probabilities(result.outputs[reading.arch.layers[-1][0]])
            found.append(
                Probed(output, y, float(result.loss), cost_value(access, reading, f.__name__, swapped, weights, x, y))
            )
        return found

    title = LOSS_TITLES.get(type(loss), "cross-entropy")
    found = [b for name, f in _costs(access) if (b := beside(name, f, probes, loss, title)) is not None]
    if any(b.wrong for b in found) and not isinstance(access, ObjectAccess):
        # Several costs are a collection, of which one is the loss, or none.
        found = [b for b in found if not b.wrong] or (found if len(found) == 1 else [])
    return (
        max(found, key=lambda b: b.rank, default=None)
        if not isinstance(access, ObjectAccess)
        else next(iter(found), None)
    )


def _costs(access: Access) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Methods of the same class, or functions that are called where the network's are."""
    if isinstance(access, ObjectAccess):
        if penalised(access.instance.template):
            return
        used = {*access.recipe, access.forward_name}
        own = vars(access.instance.cls).items()
        yield from costs({n: f for n, f in own if callable(f) and not isinstance(f, type) and n not in used})
        yield from _beside(access, used)
    elif isinstance(access, FunctionAccess):
        yield from _beside(access, {*access.recipe, access.forward_name, access.source.init})


def _beside(access: ObjectAccess | FunctionAccess, used: set[str]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Cost functions that are called where the network is."""
    together = _called_together(access)
    for name, f in access.file.functions().items():
        if name not in used and FUNCTION.fullmatch(name) and name in together and parameters(f):
            yield name, f


def _called_together(access: ObjectAccess | FunctionAccess) -> set[str]:
    """Names that are called in a function, or at the top level, where the network's own functions or methods are called."""
    tree, network = syntax(access.file), {access.forward_name, *access.recipe}
    blocks: list[list[ast.stmt]] = [[s] for s in tree.body if isinstance(s, ast.FunctionDef)]
    blocks.append([s for s in tree.body if not isinstance(s, ast.FunctionDef | ast.ClassDef)])
    found: set[str] = set()
    for block in blocks:
        called = {
            n.func.id if isinstance(n.func, ast.Name) else n.func.attr
            for s in block
            for n in ast.walk(s)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name | ast.Attribute)
        }  # fmt: skip
        if called & network:
            found |= called
    return found


def cost_value(
    access: Access, reading: Reading, name: str, swapped: bool, weights: Weights, x: Array, y: Array
) -> float:
    """What a network's cost gives for a batch, after its forward pass.

    Raises
    ------
    UserError
        If it gives no number.
    """
    params = {n: a.astype(x.dtype) for n, a in reading.chain.to_user(weights, access.parameters).items()}
    given, target = put(x, reading.form), put_target(y, reading.form, reading.labels)
    if isinstance(access, FunctionAccess):
        return access.cost(name, swapped, params, given, target, len(x))
    assert isinstance(access, ObjectAccess)
    seen = access.forward(params, given, target, len(x))
    out = (
        as_rows(seen.arrays[reading.output], len(x), reading.chain.sizes[-1], reading.form)
        if reading.output in seen.arrays
        else None
    )
    made = access.instance.made(params, given, target)
    access.ran(made, given, target)
    pool = {"x": given, "y": target, "training": False, "rate": RATE, "epochs": 1, "batch_size": len(x)}
    if out is not None:
        pool["output"] = put(out, reading.form)
    file = access.instance.file
    f = getattr(made, name) if callable(getattr(made, name, None)) else file.namespace[name]
    found = value(file, f, pool, swapped)
    if found is None:
        raise UserError(f"{name} gives no number")
    return found
