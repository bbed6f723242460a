"""Letting planned dropout masks into code that draws its own: for one call NumPy's random functions give the planned numbers.

Whatever way a mask is drawn, a comparison of uniform numbers with the probability decides. So the numbers are drawn such that
the usual comparison gives the planned mask, to the threshold: where a unit is to be kept they are uniform below `keep_prob`,
elsewhere uniform above it (or, for code that keeps what lies above, the other way round).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

Array = np.ndarray


@dataclass
class Draws:
    """Uniform numbers that have not been asked for yet; `normal` tells that normal ones of a mask's shape were."""

    left: list[Array] = field(default_factory=list)
    normal: bool = False

    def take(self, shape: Any) -> Array | None:
        """The next numbers, if they are of this shape."""
        wanted = (shape,) if isinstance(shape, int | np.integer) else tuple(int(n) for n in shape or ())
        for i, u in enumerate(self.left):
            if u.shape == wanted:
                return self.left.pop(i)
        return None


@contextmanager
def planned_draws(masks: Sequence[Array], keep_prob: float, low: bool = True) -> Iterator[Draws]:
    """Make what is drawn inside give these masks, in turn; what has another shape is drawn as ever.

    Parameters
    ----------
    masks : sequence of ndarray of bool
        In the layout of the code.
    keep_prob : float
    low : bool
        Whether the code keeps where its number lies below `keep_prob`; else where it lies above 1 - `keep_prob`.

    Yields
    ------
    Draws
        Empty once all masks were taken.
    """
    draws = Draws([_uniform(np.asarray(mask, bool), keep_prob, low, i) for i, mask in enumerate(masks)])
    if not masks:
        yield draws
        return
    with ExitStack() as stack:
        for name, f in _replacements(draws).items():
            stack.enter_context(patch.object(np.random, name, f))
        yield draws


def _uniform(mask: Array, keep_prob: float, low: bool, seed: int) -> Array:
    u = np.random.default_rng([20140615, seed]).random(mask.shape)
    numbers = np.where(mask, u * keep_prob, keep_prob + u * (1 - keep_prob))
    return numbers if low else 1 - numbers


def _replacements(draws: Draws) -> dict[str, Any]:
    old = np.random

    own = {
        name: getattr(old, name)
        for name in ("rand", "randn", "random", "binomial", "uniform", "choice", "RandomState", "default_rng")
    }

    def rand(*shape: int) -> Any:
        u = draws.take(shape)
        return own["rand"](*shape) if u is None else u

    def random(size: Any = None, *args: Any, **kwargs: Any) -> Any:
        u = draws.take(size)
        return own["random"](size) if u is None else u

    def uniform(low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        u = draws.take(size)
        return own["uniform"](low, high, size) if u is None else low + (high - low) * u

    def binomial(n: int, p: float, size: Any = None) -> Any:
        u = draws.take(size) if n == 1 else None
        return own["binomial"](n, p, size) if u is None else (u < p).astype(int)

    def choice(a: Any, size: Any = None, replace: bool = True, p: Any = None) -> Any:
        values = np.arange(a) if isinstance(a, int) else np.asarray(a)
        u = draws.take(size) if len(values) == 2 and p is not None else None
        if u is None:
            return own["choice"](a, size, replace, p)
        kept = bool(values[1])
        return np.where(u < p[int(kept)], values[int(kept)], values[int(not kept)])

    def randn(*shape: int) -> Any:
        draws.normal |= any(u.shape == shape for u in draws.left)
        return own["randn"](*shape)

    class OldStream(own["RandomState"]):  # type: ignore[misc,valid-type,name-defined]
        """What `RandomState(seed)` makes; a class, as NumPy itself asks whether something is one."""

    class Stream:
        """A generator for the functions that draw masks; all else is drawn as ever."""

        def __init__(self, real: Any) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return drawing.get(name) or getattr(self._real, name)

    drawing = {"rand": rand, "random": random, "random_sample": random, "uniform": uniform, "binomial": binomial}
    for name, f in drawing.items():
        setattr(OldStream, name, staticmethod(f))  # type: ignore[arg-type]

    return {
        "rand": rand,
        "randn": randn,
        "random": random,
        "random_sample": random,
        "ranf": random,
        "sample": random,
        "uniform": uniform,
        "binomial": binomial,
        "choice": choice,
        "RandomState": OldStream,
        "default_rng": lambda *args, **kwargs: Stream(own["default_rng"](*args, **kwargs)),
    }
