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

    def agreement(self) -> tuple[int, float, bool] | None:
        """As for any objective, but of a few elements of each parameter."""
        found = [self._ratios(seed) for seed in (23, 24)]
        if not found[0] or found[0].keys() != found[1].keys():
            return None
        # Of one example, or of one number, any gradient is a multiple of any other: but not always the same one.
        pairs = [(found[0][n], found[1][n]) for n in found[0]]
        ratios = [r for r, again in pairs if r is not None and again is not None and abs(r / again - 1) < NEAR]
        counts = {r: sum(abs(other / r - 1) < NEAR for other in ratios) for r in ratios}
        best = max(counts, key=lambda r: (counts[r], abs(r - 1) < NEAR), default=1.0)
        agreeing = counts.get(best, 0)
        return agreeing, self._accepted(best, agreeing, len(pairs)), agreeing == len(pairs)

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
