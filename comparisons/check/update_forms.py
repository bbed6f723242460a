"""The forms in which update rules are published, and which of them a user's code follows.

Papers and frameworks write one rule in several ways: epsilon inside the root (Keras, TensorFlow) or outside (torch, CS231n, the
course), before the bias correction (Keras's Adam, the paper's own efficient form) or after it; momentum as a sum or an average; a
sum of squares that starts elsewhere than at 0. Code that is one of them throughout is right. The formulas here only recognise a
form. It is then judged against a framework's optimizer: one that is set to the same form, or, where that cannot be and epsilon
alone stands elsewhere, with an epsilon so small that its place does not show. A form that the frameworks have not is told, and
left undecided.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import tree
from comparisons.check.unit import UserError
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import Adagrad, Adam, AdamW, GradientDescent, Momentum, Nesterov, Optimizer, RMSprop
from scratch.weights import flatten

Array = np.ndarray
State = dict[str, Array]
Rule = Callable[[Array, Array, State, int], Array]
"""(w, g, state, t) -> the new w; renews the state."""
SMALL = 1e-37
"""An epsilon that does not show wherever it stands, within a root beside 1e-17 either; float32 has it still."""
HIDDEN = "for the comparison it is made so small that its place does not matter"


@dataclass(frozen=True)
class Form:
    """One way to write a rule.

    Attributes
    ----------
    rule : Optimizer
        What it is judged as.
    told : str
        What is taken for granted; empty for the usual form.
    formula : callable, optional
        The form itself, where `rule` has another one.
    small : bool
        Whether it is judged with an epsilon of `SMALL`.
    epsilon : float
        The code's own, where it is judged with another one.
    alone : bool
        Whether the frameworks have nothing of that form.
    """

    rule: Optimizer
    told: str = ""
    formula: Rule | None = None
    small: bool = False
    epsilon: float = 0.0
    alone: bool = False

    def start(self, w: Array) -> State:
        """What is remembered before the first step."""
        if self.formula is None:
            return self.rule.initial_state(w)
        return {"v": np.zeros_like(w), "s": np.zeros_like(w)}

    def step(self, w: Array, g: Array, state: State, t: int) -> Array:
        """The new parameter."""
        return (self.formula or self.rule.update)(w, g, state, t)


def forms(kind: str, v: dict[str, float], numbers: Iterable[float] = ()) -> Iterator[Form]:
    """The forms of a rule, the usual one first.

    Parameters
    ----------
    kind : str
        Name of the class in scratch.
    v : dict of str to float
        `learning_rate`, `beta`, `beta1`, `beta2`, `epsilon`, `weight_decay`, as far as the rule has them.
    numbers : iterable of float
        Numbers in the code, from which a sum of squares may start.
    """
    rate, beta, eps, b1, b2 = (v.get(n, 0.0) for n in ("learning_rate", "beta", "epsilon", "beta1", "beta2"))
    starts = dict.fromkeys(n for n in (0.1, 1.0, *numbers) if 0 < n <= 1)
    match kind:
        case "GradientDescent":
            yield Form(GradientDescent(rate))
        case "Momentum":
            yield Form(
                Momentum(rate / (1 - beta), beta), "momentum sums gradients, v = beta v + g, as the frameworks do"
            )
            yield Form(Momentum(rate, beta), "momentum averages gradients, v = beta v + (1 - beta) g")
            told = (
                "momentum averages gradients, and the average is corrected for its bias, v / (1 - beta^t), as Adam's is"
            )
            yield Form(Momentum(rate, beta), told, _corrected(rate, beta), alone=True)
            told = "momentum averages gradients from the first one on, as torch's with dampening"
            yield Form(Momentum(rate, beta), told, _dampened(rate, beta), alone=True)
        case "Nesterov":
            yield Form(Nesterov(rate, beta))
            yield Form(
                Nesterov(rate * (1 - beta), beta), "Nesterov's momentum averages gradients, v = beta v + (1 - beta) g"
            )
        case "RMSprop":
            usual = RMSprop(rate, beta, eps)
            yield Form(usual)
            yield _hidden(RMSprop(rate, beta, SMALL), INSIDE, _rms(v, inside=True), eps)
            yield Form(
                usual,
                "the average of squares is corrected for its bias, as Adam's is",
                _rms(v, corrected=True),
                alone=True,
            )
            for first in starts:
                for inside in (True, False):
                    told = f"the average of squares starts from {first:g}, as in TensorFlow 1"
                    yield Form(usual, told, _rms(v, first, inside), alone=True)
        case "Adagrad":
            yield Form(Adagrad(rate, eps))
            yield _hidden(Adagrad(rate, SMALL), INSIDE, _adagrad(v, inside=True), eps)
            for first in starts:
                told = f"the sum of squares starts from {first:g}"
                yield Form(Adagrad(rate, eps, first), told)
                yield _hidden(Adagrad(rate, SMALL, first), f"{told}; {INSIDE}", _adagrad(v, first, inside=True), eps)
        case "Adam" | "AdamW":
            decay = v.get("weight_decay", 0.0) if kind == "AdamW" else 0.0

            def rule(epsilon: float, share: float) -> Optimizer:
                return AdamW(rate, b1, b2, epsilon, share) if kind == "AdamW" else Adam(rate, b1, b2, epsilon)

            yield Form(rule(eps, decay))
            for place, told in (("hat", BEFORE), ("inside", WITHIN), ("inside hat", BEFORE)):
                yield _hidden(rule(SMALL, decay), told, _adam(v, place, rate * decay), eps)
            if kind == "AdamW":
                told = "the decay is not multiplied by the learning rate, as in the paper"
                yield Form(rule(eps, decay / rate), told)
                told = "the decay acts after the step, as in Hugging Face's AdamW"
                yield Form(rule(eps, decay), told, _adam(v, "after", rate * decay), alone=True)


def _hidden(rule: Optimizer, told: str, formula: Rule, epsilon: float) -> Form:
    return Form(rule, f"{told}; {HIDDEN}", formula, small=True, epsilon=epsilon)


INSIDE = "epsilon stands inside the root, as in Keras's RMSprop and Adagrad"
WITHIN = "epsilon stands inside the root, as TensorFlow's older optimizers have it"
BEFORE = "epsilon is added before the bias correction, as in Keras"


def _corrected(rate: float, beta: float) -> Rule:
    def step(w: Array, g: Array, s: State, t: int) -> Array:
        s["v"] = beta * s["v"] + (1 - beta) * g
        return w - rate * s["v"] / (1 - beta**t)

    return step


def _dampened(rate: float, beta: float) -> Rule:
    def step(w: Array, g: Array, s: State, t: int) -> Array:
        s["v"] = beta * s["v"] + (1 - beta) * g if t > 1 else g
        return w - rate * s["v"]

    return step


def _rms(v: dict[str, float], first: float = 0.0, inside: bool = False, corrected: bool = False) -> Rule:
    rate, beta, eps = v["learning_rate"], v["beta"], v["epsilon"]

    def step(w: Array, g: Array, s: State, t: int) -> Array:
        old = s["s"] if t > 1 else first
        s["s"] = beta * old + (1 - beta) * g**2
        mean = s["s"] / (1 - beta**t) if corrected else s["s"]
        return w - rate * g / _root(mean, eps, inside)

    return step


def _adagrad(v: dict[str, float], first: float = 0.0, inside: bool = False) -> Rule:
    def step(w: Array, g: Array, s: State, t: int) -> Array:
        s["s"] = (s["s"] if t > 1 else first) + g**2
        return w - v["learning_rate"] * g / _root(s["s"], v["epsilon"], inside)

    return step


def _root(a: Array, eps: float, inside: bool) -> Array:
    return np.sqrt(a + eps) if inside else np.sqrt(a) + eps


def _adam(v: dict[str, float], place: str, decay: float) -> Rule:
    rate, eps, b1, b2 = (v[n] for n in ("learning_rate", "epsilon", "beta1", "beta2"))

    def step(w: Array, g: Array, s: State, t: int) -> Array:
        s["v"], s["s"] = b1 * s["v"] + (1 - b1) * g, b2 * s["s"] + (1 - b2) * g**2
        first, second = 1 - b1**t, 1 - b2**t
        hat = "hat" in place
        root = _root(s["s"] if hat else s["s"] / second, eps, "inside" in place)
        move = rate * s["v"] / first * (np.sqrt(second) if hat else 1.0) / root
        return (w - move) * (1 - decay) if place == "after" else w - decay * w - move

    return step


def follows(model: Model, case: Case, form: Form) -> bool:
    """Whether a user's optimizer makes the first steps of a case as a form has them."""
    drawn = plan(case)
    params = {name: a.copy() for name, a in flatten(drawn.weights.params)}
    states = {name: form.start(a) for name, a in params.items()}
    try:
        model.load(drawn.weights)
        for t, grads in enumerate(drawn.gradients[:STEPS], start=1):
            model.update({layer: {p: g.copy() for p, g in named.items()} for layer, named in grads.items()})
            own = dict(flatten(grads))
            params = {name: form.step(a, own[name], states[name], t) for name, a in params.items()}
            moved = dict(flatten(model.weights().params))
            if any(moved[n].shape != a.shape or not np.abs(moved[n] - a).max() <= NEAR for n, a in params.items()):
                return False
    except UserError:
        return False
    return True


STEPS = 5
NEAR = 1e-11


def within_root(code: Any) -> bool:
    """Whether the text of a function or class has its epsilon inside the root."""
    body = tree(code)
    return body is not None and bool(
        re.search(r"sqrt\([^()]*(?:\([^()]*\)[^()]*)*\+ *(?:self\.)?(?:eps|1e-)", ast.unparse(body).lower())
    )


@contextmanager
def hidden_epsilon(functions: Iterable[Any]) -> Iterator[None]:
    """While it lasts, epsilons that stand in the code of functions as numbers are `SMALL`."""
    own = [f for f in functions if isinstance(f, FunctionType)]
    old = [(f, f.__code__, f.__defaults__) for f in own]
    for f in own:
        f.__code__ = f.__code__.replace(co_consts=tuple(smaller(c) for c in f.__code__.co_consts))
        f.__defaults__ = tuple(smaller(d) for d in f.__defaults__) if f.__defaults__ else f.__defaults__
    try:
        yield
    finally:
        for f, code, defaults in old:
            f.__code__, f.__defaults__ = code, defaults


def smaller(value: Any) -> Any:
    """`SMALL` in the place of an epsilon; all else as it is."""
    return SMALL if isinstance(value, float) and 0 < value <= EPSILON else value


EPSILON = 1e-4
"""Numbers up to this one are taken for epsilons, where they are replaced."""
