"""Gradient clipping as part of an optimizer: all gradients of a step are clipped before the rule sees any of them.

The three ways and their derivation are in `scratch.clipping`. Clipping comes first: what is clipped is the gradient, L2 included,
and the rule's averages take what is left of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from scratch.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from scratch.layer import Array, require
from scratch.optimizers import Optimizer, State
from scratch.weights import Arrays


@dataclass(frozen=True)
class Clipped(Optimizer):
    """An update rule on clipped gradients.

    Parameters
    ----------
    rule : Optimizer
    limit : float
        Largest absolute element, or largest norm; positive.
    by : {"value", "norm", "global_norm"}
        Each element, the norm of each parameter's gradient, or the norm of all gradients together.
    """

    learning_rate: float = field(init=False)
    rule: Optimizer
    limit: float
    by: str = "global_norm"
    ways: ClassVar[tuple[str, ...]] = ("value", "norm", "global_norm")

    def __post_init__(self) -> None:
        require(self.limit > 0, f"Clipped: the limit must be positive, not {self.limit}")
        require(self.by in self.ways, f"Clipped: by {self.by!r}; known are {', '.join(self.ways)}")
        wrapped = hasattr(self.rule, "rule")
        require(not wrapped, "Clipped: clip inside, Decayed(Clipped(rule, ...), schedule)")
        object.__setattr__(self, "learning_rate", self.rule.learning_rate)

    def at_rate(self, learning_rate: float) -> Optimizer:
        return replace(self, rule=self.rule.at_rate(learning_rate))

    def initial_state(self, w: Array) -> State:
        return self.rule.initial_state(w)

    def prepared(self, grads: Arrays) -> Arrays:
        if self.by == "global_norm":
            return clip_by_global_norm(grads, self.limit)[0]
        clip = clip_by_value if self.by == "value" else clip_by_norm
        return {layer: {p: clip(g, self.limit) for p, g in named.items()} for layer, named in grads.items()}

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        return self.rule.update(w, g, state, t)
