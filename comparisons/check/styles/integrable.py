"""Whether what a training step moves parameters by is the gradient of any function at all.

A field g is one if and only if its Jacobian is symmetric. Where no gradient agrees with a cost, this tells a cost that is only
printed (the step is the gradient of another loss) from a wrong gradient (it is that of none).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from comparisons.check.unit import UserError

Array = np.ndarray
STEP = 1e-4
"""Central differences err by its square."""
LOPSIDED = 1e-3
"""Of the largest element of the Jacobian: so far it may be from symmetric, for kinks and rounding."""
MOST = 300
"""Parameters from which the Jacobian would take too long."""


def is_a_gradient(objective: Any) -> bool:
    """Whether the claims of an objective are derivatives of some function; where that cannot be told, they are taken to be.

    Parameters
    ----------
    objective : Objective
    """
    values, inner = objective._drawn(np.random.default_rng(41))
    names = list(objective.parameters)
    places = {n: objective._place(n, values, inner) for n in names}
    if sum(a.size for a in places.values()) > MOST:
        return True

    def claims(moved: dict[str, Array]) -> Array:
        own = {n: a for n, a in moved.items() if n in inner}
        found = objective._claims(values | {n: a for n, a in moved.items() if n not in inner}, inner | own)
        if any(n not in found or found[n].shape != a.shape for n, a in places.items()):
            raise UserError("a gradient is missing")
        return np.concatenate([np.ravel(found[n]) for n in names])

    columns = []
    try:
        for name, a in places.items():
            for index in np.ndindex(a.shape):
                sides = []
                for step in (STEP, -STEP):
                    b = a.copy()
                    b[index] += step
                    sides.append(claims(places | {name: b}))
                columns.append((sides[0] - sides[1]) / (2 * STEP))
    except (UserError, ValueError):
        return True
    jacobian = np.array(columns)
    largest = float(np.abs(jacobian).max(initial=0))
    if not np.isfinite(largest) or largest < STEP:
        return True
    return float(np.abs(jacobian - jacobian.T).max()) <= LOPSIDED * largest
