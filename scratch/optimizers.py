"""Update rules: how a parameter w moves, given its gradient g, at step t = 1, 2, ...

An optimizer is a frozen description; its memory for one parameter is a dictionary of arrays made by `initial_state` and
renewed by `update`. Source: Ng, Improving Deep Neural Networks, week 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from scratch.layer import Array, require
from scratch.weights import Arrays

State = dict[str, Array]


@dataclass(frozen=True)
class Optimizer:
    """Base of the update rules; known by class name in `Optimizer.kinds`."""

    learning_rate: float
    kinds: ClassVar[dict[str, type[Optimizer]]] = {}
    state_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Optimizer.kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in ("beta", "beta1", "beta2", "rho"):
                require(0 <= value < 1, f"{type(self).__name__}: {name} must lie in [0, 1), not {value}")
            else:
                require(value >= 0, f"{type(self).__name__}: {name} must not be negative, not {value}")

    def initial_state(self, w: Array) -> State:
        """Zeros of the parameter's shape and dtype for every moment."""
        return {name: np.zeros_like(w) for name in self.state_names}

    def at_rate(self, learning_rate: float) -> Optimizer:
        """The same rule with another learning rate."""
        return replace(self, learning_rate=learning_rate)

    def prepared(self, grads: Arrays) -> Arrays:
        """All gradients of a step as the rule takes them: unless it clips, as they are."""
        return grads

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        """The new parameter; `state` is renewed in place."""
        raise NotImplementedError


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """w := w - alpha g."""

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        return w - self.learning_rate * g


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v := beta v + (1 - beta) g;  w := w - alpha v. The course's form: v is an average of gradients, without bias correction."""

    beta: float = 0.9
    state_names: ClassVar[tuple[str, ...]] = ("v",)

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        state["v"] = self.beta * state["v"] + (1 - self.beta) * g
        return w - self.learning_rate * state["v"]


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """s := beta s + (1 - beta) g^2;  w := w - alpha g / (sqrt(s) + epsilon). Epsilon stands outside the root."""

    beta: float = 0.9
    epsilon: float = 1e-8
    state_names: ClassVar[tuple[str, ...]] = ("s",)

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        state["s"] = self.beta * state["s"] + (1 - self.beta) * g**2
        return w - self.learning_rate * g / (np.sqrt(state["s"]) + self.epsilon)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moments with bias correction (Kingma & Ba 2015, algorithm 1).

    v := beta1 v + (1 - beta1) g          s := beta2 s + (1 - beta2) g^2
    v^ = v / (1 - beta1^t)                s^ = s / (1 - beta2^t)
    w := w - alpha v^ / (sqrt(s^) + epsilon)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    state_names: ClassVar[tuple[str, ...]] = ("v", "s")

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        state["v"] = self.beta1 * state["v"] + (1 - self.beta1) * g
        state["s"] = self.beta2 * state["s"] + (1 - self.beta2) * g**2
        # The corrections stay Python floats: a NumPy scalar would turn a float32 parameter into float64.
        v_scale = 1 - self.beta1**t
        s_root_scale = math.sqrt(1 - self.beta2**t)
        v_hat = state["v"] / v_scale
        s_hat_root = np.sqrt(state["s"]) / s_root_scale
        return w - self.learning_rate * v_hat / (s_hat_root + self.epsilon)
