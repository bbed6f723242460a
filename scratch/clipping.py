"""Gradient clipping: by value, by the norm of one gradient, by the norm of all together.

Derivation. The longest vector of norm c or less in the direction of g is g where ||g|| <= c and c g / ||g|| beyond:

    clip(g) = g min(1, c / ||g||)

so the direction stays, and with the global norm sqrt(sum of all ||g_i||^2) the direction of the whole step. Clipping by
value bends the direction: each element is cut on its own (Ng, Sequence Models, week 1). Source of the norms: Pascanu,
Mikolov & Bengio, On the difficulty of training recurrent neural networks, 2013.

A gradient with an inf or NaN in it has no direction to keep: by norm it becomes NaN in every element, in all gradients
if they are clipped together, so that a run that has exploded cannot look healthy.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from scratch.layer import Array, require
from scratch.weights import Arrays, flatten


def clip_by_value(g: Array, limit: float) -> Array:
    """Every element cut to [-limit, limit].

    Parameters
    ----------
    g : ndarray
        Any shape; not changed.
    limit : float
        Not negative.
    """
    _require_limit(limit)
    return np.clip(g, -limit, limit)


def clip_by_norm(g: Array, limit: float) -> Array:
    """g min(1, limit / ||g||), with the Euclidean norm of all elements of g."""
    _require_limit(limit)
    return _scaled(g, _norm([g]), limit)


def clip_by_global_norm(grads: Arrays, limit: float) -> tuple[Arrays, float]:
    """All gradients scaled by the same min(1, limit / norm).

    Parameters
    ----------
    grads : dict of str to dict of str to ndarray
        By layer and name, as `Network.backward` gives them; not changed.
    limit : float
        Not negative.

    Returns
    -------
    clipped : dict of str to dict of str to ndarray
    norm : float
        Global norm before clipping.
    """
    _require_limit(limit)
    norm = _norm(g for _, g in flatten(grads))
    return {layer: {p: _scaled(g, norm, limit) for p, g in named.items()} for layer, named in grads.items()}, norm


def _norm(gradients: Iterable[Array]) -> float:
    """Euclidean norm of all elements together, without overflow or underflow of the squares."""
    return math.hypot(*(_norm_of(g) for g in gradients))


def _norm_of(g: Array) -> float:
    peak = float(np.abs(g).max(initial=0))
    if peak == 0 or not math.isfinite(peak):
        return peak
    # A power of 2, so that scaling is exact, and one that the dtype can hold.
    scale = math.ldexp(1.0, min(-math.frexp(peak)[1], int(np.finfo(g.dtype).maxexp) - 2))
    scaled = g.ravel() * scale
    return math.sqrt(float(scaled @ scaled)) / scale


def _scaled(g: Array, norm: float, limit: float) -> Array:
    if not math.isfinite(norm):
        return np.full_like(g, np.nan)
    return g * (limit / norm) if norm > limit else g.copy()


def _require_limit(limit: float) -> None:
    require(limit >= 0, f"the limit of a gradient must not be negative, not {limit}")
