"""A cost among the methods of a network that is a class: is it the loss whose gradients the network calculates?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from comparisons.check.styles.container_drives import RATE
from comparisons.check.styles.cost_beside import Beside, Probed, beside, costs, penalised, value
from comparisons.check.styles.network_access import Access, as_rows, put, put_target
from comparisons.check.styles.network_objects import ObjectAccess
from comparisons.check.styles.network_reading import LOSS_TITLES, Reading, drawn_batch, drawn_weights
from comparisons.check.unit import UserError
from scratch import Network
from scratch.weights import Weights

Array = np.ndarray


def cost_beside(access: Access, reading: Reading) -> Beside | None:
    """How a cost among a network's methods stands to its loss; None if there is none, or nothing can be said."""
    loss = reading.arch.loss
    if not isinstance(access, ObjectAccess) or loss is None or reading.single or reading.decay or not reading.output:
        return None
    if reading.agreeing < reading.total or reading.deviation > 1e-11 or reading.factor <= 0:
        return None
    if penalised(access.instance.template):
        return None
    cls = access.instance.cls
    used = {*access.recipe, access.forward_name}
    own = {n: f for n, f in vars(cls).items() if callable(f) and not isinstance(f, type) and n not in used}
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
    found = (beside(name, f, probes, loss, title) for name, f in costs(own))
    return next((b for b in found if b is not None), None)


def cost_value(
    access: ObjectAccess, reading: Reading, name: str, swapped: bool, weights: Weights, x: Array, y: Array
) -> float:
    """What a network's cost gives for a batch, after its forward pass.

    Raises
    ------
    UserError
        If it gives no number.
    """
    params = {n: a.astype(x.dtype) for n, a in reading.chain.to_user(weights, access.parameters).items()}
    given, target = put(x, reading.form), put_target(y, reading.form, reading.labels)
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
    found = value(access.instance.file, getattr(made, name), pool, swapped)
    if found is None:
        raise UserError(f"{name} gives no number")
    return found
