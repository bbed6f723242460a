"""Causes in update rules: each mistake is the rule with one line of it changed, run from the first step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.diagnosis.adam import Rule, State, of_adam, of_adamw
from comparisons.diagnosis.mismatch import Array, Explained, Mismatch
from comparisons.diagnosis.schedules import around
from comparisons.naming import place
from scratch import (
    Adagrad,
    Adam,
    AdamW,
    Clipped,
    Decayed,
    GradientDescent,
    Momentum,
    Nesterov,
    Optimizer,
    RMSprop,
)
from scratch.weights import Arrays

_LONG = 12
"""Later steps are not followed: the first ones tell."""


def update_rule(mismatch: Mismatch) -> Iterator[Explained]:
    """The first updates of a parameter, or its state after them, made by a variant of the rule."""
    optimizer, step = mismatch.case.optimizer, place(mismatch.name).step
    found = re.fullmatch(r"step\d+/(?:param/[^.]+\.(?P<p>.+)|state/[^.]+\.(?P<q>.+)\.(?P<s>\w+))", mismatch.name)
    if optimizer is None or found is None or not 1 <= step <= _LONG:
        return
    leaf = found["p"] or found["q"]
    w = mismatch.params[leaf]
    if mismatch.frozen:
        # Whatever moved it: the reference did not.
        yield "a parameter of a frozen layer is updated", mismatch.subject
        return
    gradients = _gradients(mismatch, step)
    if not gradients:
        return
    own = [grads[mismatch.layer][leaf] for grads in gradients]
    if found["p"]:
        yield from _plain(mismatch, optimizer, w, own)
    if isinstance(optimizer, Decayed | Clipped):
        for told, way in around(optimizer):
            moved, state = w, optimizer.initial_state(w)
            for t, grads in enumerate(gradients, start=1):
                given, rule = way(grads, t)
                moved = rule.update(moved, given[mismatch.layer][leaf], state, t)
            yield told, moved if found["p"] else state[found["s"]]
    for told, changed in _rules(optimizer):
        moved, state = w, optimizer.initial_state(w)
        for t, g in enumerate(own, start=1):
            moved = changed(moved, g, state, t)
        if found["p"]:
            yield told, moved
        elif found["s"] in state:
            yield told, state[found["s"]]
    if not isinstance(optimizer, Decayed | Clipped):
        yield from _other_numbers(optimizer, w, own, found["s"])


def _other_numbers(
    optimizer: Optimizer, w: Array, gradients: list[Array], state_name: str | None
) -> Iterator[Explained]:
    """The rule as it should be, with another number in the place of one of its settings: mostly a default written in."""
    for setting, values in _USUAL.items():
        right = vars(optimizer).get(setting)
        for value in values if isinstance(right, float) else ():
            if value == right:
                continue
            # A schedule's or a clipping's rate is that of the rule within.
            of_rate = setting == "learning_rate"
            rule = optimizer.at_rate(value) if of_rate else replace(optimizer, **{setting: value})
            moved, state = w, rule.initial_state(w)
            for t, g in enumerate(gradients, start=1):
                moved = rule.update(moved, g, state, t)
            yield f"{setting} {value:g} is used for {right:g}", moved if state_name is None else state[state_name]


_USUAL = {
    "epsilon": (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-15),
    "beta": (0.9, 0.99, 0.999, 0.95, 0.5),
    "beta1": (0.9, 0.99, 0.999, 0.95, 0.5),
    "beta2": (0.9, 0.99, 0.999, 0.95),
    "learning_rate": (1e-4, 1e-3, 1e-2, 0.1, 1.0),
    "weight_decay": (1e-4, 1e-2),
}
"""Values that are often written into the code."""


def _gradients(mismatch: Mismatch, step: int) -> list[Arrays]:
    """The reference's gradients of all steps so far, by layer and parameter; empty if some are not known."""
    if mismatch.plan.gradients:
        return mismatch.plan.gradients[:step]
    steps: list[Arrays] = []
    for prefix in ("", *(f"step{t}/" for t in range(1, step))):
        grads: Arrays = {}
        for layer, named in mismatch.plan.weights.params.items():
            for p in named:
                if (g := mismatch.given.get(f"{prefix}grad/{layer}.{p}")) is not None:
                    grads.setdefault(layer, {})[p] = g
        if mismatch.layer not in grads:
            return []
        steps.append(grads)
    return steps


def _plain(mismatch: Mismatch, optimizer: Optimizer, w: Array, gradients: list[Array]) -> Iterator[Explained]:
    yield "the parameter is not updated", w
    if len(gradients) == 1:
        r, alpha = mismatch.reference, optimizer.learning_rate
        yield "the step goes uphill: the sign of the update is flipped", 2 * w - r
        yield "the learning rate is left out", w + (r - w) / alpha if alpha else r
        yield "the update is made twice", 2 * r - w
        yield "the update is halved", (r + w) / 2
        yield "the learning rate is multiplied in twice", w + (r - w) * alpha
        m = mismatch.m
        if m > 1:
            yield f"the step is divided by m (m = {m})", w + (r - w) / m
            yield f"the step is m times too long (m = {m})", w + (r - w) * m
        yield "the step alone: it is not added to the parameter", r - w


def _rules(optimizer: Optimizer) -> Iterator[tuple[str, Rule]]:
    rules: dict[type[Optimizer], Callable[[Any], Iterator[tuple[str, Rule]]]] = {
        GradientDescent: _of_gradient_descent,
        Momentum: _of_momentum,
        Nesterov: _of_nesterov,
        RMSprop: _of_rmsprop,
        Adagrad: _of_adagrad,
        Adam: of_adam,
        AdamW: of_adamw,
    }
    found = rules.get(type(optimizer))
    return found(optimizer) if found else iter(())


def _of_gradient_descent(o: GradientDescent) -> Iterator[tuple[str, Rule]]:
    yield (
        "the learning rate is multiplied by the parameter, not the gradient",
        lambda w, g, s, t: w - o.learning_rate * w,
    )
    yield "the sign of the gradient is used", lambda w, g, s, t: w - o.learning_rate * np.sign(g)
    yield "the learning rate decays as 1/t", lambda w, g, s, t: w - o.learning_rate / t * g


def _of_momentum(o: Momentum) -> Iterator[tuple[str, Rule]]:
    alpha, beta = o.learning_rate, o.beta

    def rule(keep: float, take: float, step: str = "v") -> Rule:
        def update(w: Array, g: Array, s: State, t: int) -> Array:
            old = s["v"]
            s["v"] = keep * old + take * g
            moved = {
                "v": s["v"],
                "old": old,
                "g": g,
                "corrected": s["v"] / (1 - beta**t),
                "nesterov": take * g + keep * s["v"],
            }[step]
            return w - alpha * moved

        return update

    yield "the factor 1 - beta is missing: this is the frameworks' momentum", rule(beta, 1.0)
    yield "beta and 1 - beta are swapped", rule(1 - beta, beta)
    yield "v is not kept from step to step", rule(0.0, 1 - beta)
    yield "v is not kept from step to step, and the factor 1 - beta is missing", rule(0.0, 1.0)
    yield "the factor beta is missing: v never decays", rule(1.0, 1 - beta)
    yield "moved by v before its update", rule(beta, 1 - beta, "old")
    yield "moved by the gradient, not by v", rule(beta, 1 - beta, "g")
    yield "v is corrected for its bias, as in Adam", rule(beta, 1 - beta, "corrected")
    yield "this is Nesterov's momentum", rule(beta, 1 - beta, "nesterov")
    yield "this is Nesterov's momentum with a sum of gradients", rule(beta, 1.0, "nesterov")
    yield "v has the wrong sign: v = beta v - (1 - beta) g", rule(beta, beta - 1)
    yield "the learning rate is inside v", _inside(alpha, beta, 1.0)
    yield "the learning rate is inside v, with the sign: v = beta v - alpha g, w += v", _inside(alpha, beta, -1.0)


def _inside(alpha: float, beta: float, sign: float) -> Rule:
    def update(w: Array, g: Array, s: State, t: int) -> Array:
        s["v"] = beta * s["v"] + sign * alpha * g
        return w - sign * s["v"]

    return update


def _of_nesterov(o: Nesterov) -> Iterator[tuple[str, Rule]]:
    alpha, beta = o.learning_rate, o.beta

    def rule(take: float, step: str, keep: float = beta) -> Rule:
        def update(w: Array, g: Array, s: State, t: int) -> Array:
            old = s["v"]
            s["v"] = keep * old + take * g
            return (
                w
                - alpha
                * {
                    "v": s["v"],
                    "full": take * g + beta * s["v"],
                    "old": g + beta * old,
                    "both": g + s["v"],
                    "late": (1 + beta) * g + beta**2 * s["v"],
                }[step]
            )

        return update

    yield "plain momentum: the look-ahead g + beta v is missing", rule(1.0, "v")
    yield "1 - beta times the gradient enters v: an average, not a sum", rule(1 - beta, "full")
    yield "the look-ahead uses v before its update", rule(1.0, "old")
    yield "beta is missing in the look-ahead", rule(1.0, "both")
    yield (
        "v is updated too early: the step beta^2 v - (1 + beta) g is written for v before its update",
        rule(1.0, "late"),
    )
    yield "v is not kept from step to step", rule(1.0, "full", 0.0)


def _of_rmsprop(o: RMSprop) -> Iterator[tuple[str, Rule]]:
    alpha, beta, eps = o.learning_rate, o.beta, o.epsilon

    def rule(
        keep: float = beta, take: float = 1 - beta, power: int = 2, root: str = "outside", start: bool = False
    ) -> Rule:
        def update(w: Array, g: Array, s: State, t: int) -> Array:
            old = s["s"]
            s["s"] = keep * old + take * (np.abs(g) if power == 0 else g**power)
            return w - alpha * g / _divisor(old if start else s["s"], eps, root, beta, t)

        return update

    yield "epsilon stands inside the root: this is Keras's RMSprop", rule(root="inside")
    yield "epsilon is missing", rule(root="none")
    yield "the root of the average square is not taken", rule(root="square")
    yield "beta and 1 - beta are swapped", rule(1 - beta, beta)
    yield "the factor 1 - beta is missing", rule(take=1.0)
    yield "the factor 1 - beta is missing: squares are summed without decay, this is Adagrad", rule(1.0, 1.0)
    yield "the gradient is not squared", rule(power=1)
    yield "|g| is averaged, not g^2", rule(power=0)
    yield "s is not kept from step to step", rule(keep=0.0)
    yield "s is corrected for its bias, as in Adam", rule(root="corrected")
    yield "divided by s before its update", rule(start=True)


def _divisor(s: Array, eps: float, root: str, beta: float, t: int) -> Array:
    return {
        "inside": lambda: np.sqrt(s + eps),
        "none": lambda: np.sqrt(s),
        "square": lambda: s + eps,
        "corrected": lambda: np.sqrt(s / (1 - beta**t)) + eps,
        "squared epsilon": lambda: np.sqrt(s + eps**2),
    }.get(root, lambda: np.sqrt(s) + eps)()


def _of_adagrad(o: Adagrad) -> Iterator[tuple[str, Rule]]:
    alpha, eps = o.learning_rate, o.epsilon

    def rule(keep: float = 1.0, power: int = 2, root: str = "outside", start: float = 0.0) -> Rule:
        def update(w: Array, g: Array, s: State, t: int) -> Array:
            old = s["s"] if t > 1 or not start else 0 * s["s"]
            s["s"] = keep * old + g**power
            return w - alpha * g / _divisor(s["s"], eps, root, 0.0, t)

        return update

    yield "s is not kept from step to step: overwritten instead of accumulated", rule(keep=0.0)
    yield "epsilon stands inside the root: this is Keras's Adagrad", rule(root="inside")
    yield "epsilon is missing", rule(root="none")
    yield "the root of the sum of squares is not taken", rule(root="square")
    yield "the gradient is not squared", rule(power=1)
    yield "s decays, as in RMSprop", rule(keep=0.9)
    yield "the initial accumulator is not used", rule(start=1.0)
