"""Learning-rate decay: the rate alpha of an epoch (or step), given the first one alpha_0.

Source: Ng, Improving Deep Neural Networks, week 2. Each rule is a function of its count alone, so that any epoch's rate can
be told without running the ones before. An optimizer is frozen; it moves to the next rate with
`dataclasses.replace(optimizer, learning_rate=...)`.

Epochs are counted from 0, as the frameworks count them: epoch 0 has alpha_0. The course's lecture counts from 1, so its first
epoch is already decayed; call with `epoch + 1` for its numbers. Where the course divides by the root of the count
(`inverse_sqrt_decay`), the count starts at 1 here too: at 0 the rate would be infinite.
"""

from __future__ import annotations

import math

from scratch.layer import require


def inverse_decay(learning_rate: float, epoch: float, decay: float) -> float:
    """alpha_0 / (1 + decay epoch).

    Parameters
    ----------
    learning_rate : float
        alpha_0.
    epoch : float
        Counted from 0.
    decay : float
        With 1 the rates are alpha_0 times 1, 1/2, 1/3, ...
    """
    _require_count(epoch, 0)
    require(decay >= 0, f"decay must not be negative, not {decay}")
    return learning_rate / (1 + decay * epoch)


def exponential_decay(learning_rate: float, epoch: float, base: float = 0.95) -> float:
    """alpha_0 base^epoch, epochs counted from 0."""
    _require_count(epoch, 0)
    require(0 < base <= 1, f"base must lie in (0, 1], not {base}")
    return learning_rate * base**epoch


def inverse_sqrt_decay(learning_rate: float, count: float, k: float = 1.0) -> float:
    """alpha_0 k / sqrt(count).

    Parameters
    ----------
    learning_rate : float
        alpha_0.
    count : float
        Number of the epoch, or t, the number of the mini-batch: both counted from 1.
    k : float
        The course's constant; with alpha_0 = 1 it is the first rate.
    """
    _require_count(count, 1)
    require(k > 0, f"k must be positive, not {k}")
    return learning_rate * k / math.sqrt(count)


def staircase(learning_rate: float, epoch: float, interval: int, factor: float = 0.5) -> float:
    """alpha_0 factor^floor(epoch / interval): the rate is cut every `interval` epochs, and constant in between."""
    return exponential_decay(learning_rate, step_of(epoch, interval), factor)


def step_of(epoch: float, interval: int) -> int:
    """floor(epoch / interval): the step of the staircase on which an epoch lies, from 0.

    In the place of the epoch it turns any of the rules into a staircase; the course's exercise has
    `inverse_decay(learning_rate, step_of(epoch, interval), decay)`.
    """
    _require_count(epoch, 0)
    require(interval > 0, f"interval must be positive, not {interval}")
    return int(epoch // interval)


def _require_count(count: float, first: int) -> None:
    require(count >= first, f"the count starts at {first}, so it cannot be {count}")
