"""Causes in Adam and AdamW: corrections, counters, epsilon, decay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from comparisons.diagnosis.mismatch import Array
from scratch import Adam, AdamW

State = dict[str, Array]
Rule = Callable[[Array, Array, State, int], Array]
"""(w, g, state, t) -> the new w; renews the state."""


def of_adam(o: Adam) -> Iterator[tuple[str, Rule]]:
    yield from ((told, _adam(o, **changed)) for told, changed in _ADAM.items())


_ADAM: dict[str, dict[str, Any]] = {
    "Adam without bias correction": {"first": "none", "second": "none"},
    "Adam without bias correction of the first moment": {"first": "none"},
    "Adam without bias correction of the second moment": {"second": "none"},
    "the step counter is not used: the correction is that of the first step, 1 - beta": {
        "first": "fixed",
        "second": "fixed",
    },
    "the step counter is not used for the first moment": {"first": "fixed"},
    "the step counter is not used for the second moment": {"second": "fixed"},
    "the step counter is one too high": {"first": "late", "second": "late"},
    "the step counter is one too low": {"first": "early", "second": "early"},
    "beta t for beta^t in the bias correction": {"first": "product", "second": "product"},
    "beta t for beta^t in the first moment's bias correction": {"first": "product"},
    "beta t for beta^t in the second moment's bias correction": {"second": "product"},
    "1 + beta^t for 1 - beta^t in the bias correction": {"first": "plus", "second": "plus"},
    "multiplied by the bias correction instead of divided": {"first": "times", "second": "times"},
    "the corrections of the two moments are swapped": {"first": "other", "second": "other"},
    "the second moment is corrected with beta1: 1 - beta1^t for 1 - beta2^t": {"second": "other"},
    "the first moment is corrected with beta2: 1 - beta2^t for 1 - beta1^t": {"first": "other"},
    "epsilon is added before the bias correction: this is Keras's Adam": {"root": "keras"},
    "epsilon stands inside the root": {"root": "inside"},
    "epsilon is missing": {"root": "none"},
    "the root of the second moment is not taken": {"root": "square"},
    "the gradient is not squared in the second moment": {"power": 1},
    "(g - s)^2 is added for g^2 - s in the second moment: s stands within the square": {
        "squared": "apart from s",
        "keep_s": 1.0,
    },
    "(g - s)^2 is averaged in the second moment, not g^2": {"squared": "apart from s"},
    "(g - v)^2 is averaged in the second moment, not g^2": {"squared": "apart from v"},
    "the first moment is squared in the second moment, not the gradient": {"squared": "v"},
    "|g| is averaged in the second moment, not g^2": {"power": 0},
    "beta1 is used for beta2": {"betas": (1, 1)},
    "beta2 is used for beta1": {"betas": (2, 2)},
    "beta1 and beta2 are swapped": {"betas": (2, 1)},
    "v is not kept from step to step": {"keep_v": 0.0},
    "s is not kept from step to step": {"keep_s": 0.0},
    "the factor 1 - beta is missing in the first moment": {"take_v": 1.0},
    "the factor 1 - beta is missing in the second moment": {"take_s": 1.0},
    "the corrected moments are kept": {"kept": "vs"},
    "the corrected first moment is kept: the running average itself must stay uncorrected": {"kept": "v"},
    "the corrected second moment is kept: the running average itself must stay uncorrected": {"kept": "s"},
    "beta1 and 1 - beta1 are swapped": {"swap_v": True},
    "beta2 and 1 - beta2 are swapped": {"swap_s": True},
    "the gradient is used for the first moment": {"moved": "g"},
    "the second moment is left out: this is momentum": {"root": "one"},
}


def _adam(
    o: Adam,
    first: str = "",
    second: str = "",
    root: str = "outside",
    power: int = 2,
    betas: tuple[int, int] = (1, 2),
    keep_v: float | None = None,
    keep_s: float | None = None,
    take_v: float | None = None,
    take_s: float | None = None,
    swap_v: bool = False,
    swap_s: bool = False,
    moved: str = "v",
    kept: str = "",
    squared: str = "",
) -> Rule:
    alpha, eps = o.learning_rate, o.epsilon
    of = {1: o.beta1, 2: o.beta2}
    b1, b2 = of[betas[0]], of[betas[1]]

    def share(beta: float, swap: bool, keep: float | None, take: float | None) -> tuple[float, float]:
        left, right = (1 - beta, beta) if swap else (beta, 1 - beta)
        return left if keep is None else keep, right if take is None else take

    def correction(how: str, beta: float, other: float, t: int) -> Any:
        return {
            "none": 1.0,
            "fixed": 1 - beta,
            "late": 1 - beta ** (t + 1),
            "early": 1 - np.float64(beta) ** (t - 1),
            "product": 1 - beta * t,
            "plus": 1 + beta**t,
            "times": 1 / (1 - beta**t),
            "other": 1 - other**t,
        }.get(how, 1 - beta**t)

    def update(w: Array, g: Array, s: State, t: int) -> Array:
        (vl, vr), (sl, sr) = share(b1, swap_v, keep_v, take_v), share(b2, swap_s, keep_s, take_s)
        s["v"] = vl * s["v"] + vr * g
        base = {"apart from s": g - s["s"], "apart from v": g - s["v"], "v": s["v"]}.get(squared, g)
        s["s"] = sl * s["s"] + sr * (np.abs(base) if power == 0 else base**power)
        c1, c2 = correction(first, b1, b2, t), correction(second, b2, b1, t)
        v, square = s["v"] / c1, s["s"] / c2
        s |= {name: corrected for name, corrected in (("v", v), ("s", square)) if name in kept}
        divisor = {
            "keras": np.sqrt(square) + eps / np.sqrt(c2),
            "inside": np.sqrt(square + eps),
            "none": np.sqrt(square),
            "square": square + eps,
            "one": np.ones_like(square),
        }.get(root, np.sqrt(square) + eps)
        return w - alpha * (g if moved == "g" else v) / divisor

    return update


def of_adamw(o: AdamW) -> Iterator[tuple[str, Rule]]:
    alpha, decay = o.learning_rate, o.weight_decay
    plain = replace(o, weight_decay=0.0)

    def decayed(step: float, of_new: bool = False, gradient: float = 0.0) -> Rule:
        rule = _adam(plain)

        def update(w: Array, g: Array, s: State, t: int) -> Array:
            moved = rule(w, g + gradient * w, s, t)
            return moved - step * (moved if of_new else w)

        return update

    yield "the weight decay is missing: this is Adam", decayed(0.0)
    yield "the decay is added to the gradient: this is Adam with L2", decayed(0.0, gradient=decay)
    yield "the decay is not multiplied by the learning rate", decayed(decay)
    yield "the weight decay has the wrong sign", decayed(-alpha * decay)
    yield "the decay is counted 2 times", decayed(2 * alpha * decay)
    yield "the decay acts on the parameter after the step", decayed(alpha * decay, of_new=True)
    for told, changed in _ADAM.items():
        yield told, _after_decay(_adam(plain, **changed), alpha * decay)


def _after_decay(rule: Rule, share: float) -> Rule:
    return lambda w, g, s, t: rule(w - share * w, g, s, t)
