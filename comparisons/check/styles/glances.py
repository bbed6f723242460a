"""Whether gradients are derivatives of a cost, by a few elements of each: where the cost takes long, all would take too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient, ratio
from comparisons.check.styles.cost_arguments import M
from comparisons.check.styles.costs import NEAR, Objective, uncut
from comparisons.check.unit import UserError

Array = np.ndarray


@dataclass
class Glanced(Objective):
    """A cost whose way of being called is chosen by a glance at its gradients."""

    @property
    def glances(self) -> int:
        """How many draws are looked at."""
        return 2

    def agreement(self) -> tuple[int, float, bool] | None:
        """As for any objective, but of a few elements of each parameter."""
        first, *others = [self._ratios(23 + i) for i in range(self.glances)]
        if not first or any(o.keys() != first.keys() for o in others):
            return None
        # Of one example, or of one number, any gradient is a multiple of any other: but not always the same one.
        steady = [n for n, r in first.items() if r is not None and all(_same(o[n], r) for o in others)]
        ratios = [r for n in steady if (r := first[n]) is not None]
        counts = {r: sum(abs(other / r - 1) < NEAR for other in ratios) for r in ratios}
        best = max(counts, key=lambda r: (counts[r], abs(r - 1) < NEAR), default=1.0)
        agreeing = counts.get(best, 0)
        return agreeing, self._accepted(best, agreeing, len(first)), agreeing == len(first)

    def _ratios(self, seed: int) -> dict[str, float | None]:
        """By what the claims are multiples of derivatives, as far as they are; nothing if it cannot be told."""
        try:
            values, inner = self._drawn(np.random.default_rng(seed))
            claims = self._claims(values, inner)
            if set(claims) != set(self.parameters) or not all(np.isfinite(a).all() for a in claims.values()):
                return {}
            return {n: ratio(self._glance(n, a, values, inner)) for n, a in claims.items()}
        except (UserError, ValueError):
            return {}

    def _glance(self, name: str, claimed: Array, values: dict[str, Any], inner: dict[str, Array]) -> Derived:
        """A few elements of a gradient: the largest, and others."""
        order = np.argsort(-np.abs(claimed).ravel(), kind="stable")
        some = np.unique(np.concatenate([order[:2], order[2 :: max(1, order.size // 3)]]))
        cost, place = self._as_function_of(name, values, inner), self._place(name, values, inner)

        def of_some(v: Array) -> Array:
            moved = place.copy()
            moved.ravel()[some] = v
            return cost(moved)

        wanted, error, kinks = gradient(of_some, place.ravel()[some], np.ones(()))
        return Derived(name, uncut(self.file, claimed.ravel()[some], wanted), wanted, error, kinks, M)


def _same(found: float | None, other: float) -> bool:
    return found is not None and abs(other / found - 1) < NEAR
