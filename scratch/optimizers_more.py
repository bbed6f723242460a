"""Three more update rules: Nesterov's momentum, Adagrad and AdamW, in the form in which frameworks have them.

Derivation of Nesterov's form. Nesterov takes the gradient where momentum is about to carry the parameter. With theta the
parameter, and v the decaying sum of gradients:

    v := beta v + g(theta - alpha beta v)          theta := theta - alpha v

A gradient of another point than the network's weights is a nuisance, so the look-ahead point is stored instead,
w = theta - alpha beta v. With v the new and v' the old sum, v = beta v' + g(w'):

    w = theta - alpha beta v = theta' - alpha v - alpha beta v
      = w' + alpha beta v' - alpha v - alpha beta v
      = w' - alpha g(w') - alpha beta v            since beta v' - v = -g(w')

Hence v := beta v + g, w := w - alpha (g + beta v), with g at w itself. (Sutskever et al., On the importance of initialization
and momentum in deep learning, 2013; the rearrangement is Bengio, Boulanger-Lewandowski & Pascanu, 2013.) Here v sums
gradients, as in the frameworks, while the course's `Momentum` averages them.

Derivation of decoupled weight decay. L2 regularisation adds lambda w to the gradient; Adam then divides that part by
sqrt(s^) as well, so the weights with the largest gradients are decayed least. AdamW lets the decay pass by the moments:
v and s see g alone, and w loses the same share alpha lambda at every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratch.layer import Array
from scratch.optimizers import Adam, Optimizer, State


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """v := beta v + g;  w := w - alpha (g + beta v). Momentum that looks ahead; v is a sum of gradients, not an average.

    Parameters
    ----------
    learning_rate : float
        alpha. As v is a sum, the steps are 1 / (1 - beta) times those of `Momentum` with the same alpha.
    beta : float
        Share of v that stays, in [0, 1).
    """

    beta: float = 0.9
    state_names: ClassVar[tuple[str, ...]] = ("v",)

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        state["v"] = self.beta * state["v"] + g
        return w - self.learning_rate * (g + self.beta * state["v"])


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """s := s + g^2;  w := w - alpha g / (sqrt(s) + epsilon), s from `initial_accumulator` (Duchi, Hazan & Singer 2011).

    Every element has its own rate, which only falls: alpha / sqrt of all squared gradients so far.

    Parameters
    ----------
    learning_rate : float
    epsilon : float
        Stands outside the root.
    initial_accumulator : float
        What s is before the first step; not negative. With 0 the first step is alpha sign(g).
    """

    epsilon: float = 1e-8
    initial_accumulator: float = 0.0
    state_names: ClassVar[tuple[str, ...]] = ("s",)

    def initial_state(self, w: Array) -> State:
        """`initial_accumulator` in every element, of the parameter's shape and dtype."""
        return {"s": np.full_like(w, self.initial_accumulator)}

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        state["s"] = state["s"] + g**2
        return w - self.learning_rate * g / (np.sqrt(state["s"]) + self.epsilon)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).

    w := w - alpha lambda w, then Adam's step on g alone; v, s and the bias correction are those of `Adam`.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon : float
        As in `Adam`.
    weight_decay : float
        lambda; not negative. The paper's decay is lambda times the schedule's multiplier alone; here, as in the
        frameworks, it is lambda times the learning rate.

    Notes
    -----
    Every parameter is decayed, biases, gamma and beta included, as both frameworks do unless told otherwise;
    `scratch.L2` acts on the weights alone.
    """

    weight_decay: float = 0.01

    def update(self, w: Array, g: Array, state: State, t: int) -> Array:
        return super().update(w - self.learning_rate * self.weight_decay * w, g, state, t)
