"""The same random numbers for the same requests: what a network draws in one run, a dropout mask above all, it draws in every other run too.

A seed alone is not enough: a pass that is run by itself draws a mask first, where a training step has shuffled before. So the numbers
depend on the shape that is asked for, and on how often it was asked for. Examples stay in their order, since they are compared one
by one with their targets.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...]
REAL = {name: getattr(np.random, name) for name in ("default_rng", "RandomState", "Generator")}


_salt = 0


@contextmanager
def salted(salt: int) -> Iterator[None]:
    """While it lasts, other numbers are drawn, the same in every run too: what depends on them shows."""
    global _salt
    before, _salt = _salt, salt
    try:
        yield
    finally:
        _salt = before


class Numbers:
    """Random numbers that depend on the shapes asked for alone."""

    def __init__(self) -> None:
        self._asked: Counter[Shape] = Counter()

    def uniform(self, shape: Shape) -> Array:
        """Numbers spread over [0, 1), so that even a small mask keeps some units and drops others."""
        rng = self._generator(shape)
        size = int(np.prod(shape))
        return ((rng.permutation(size) + rng.random(size)) / size).reshape(shape)

    def normal(self, shape: Shape) -> Array:
        """Standard normal numbers."""
        return self._generator(shape).standard_normal(shape)

    def _generator(self, shape: Shape) -> np.random.Generator:
        count = self._asked[shape]
        self._asked[shape] += 1
        return REAL["default_rng"]([zlib.crc32(repr(shape).encode()), count, _salt])


class Stream:
    """What stands in for `np.random`, and for the generators that it makes."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(REAL["RandomState"](0), name)

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        return self.uniform(0.0, 1.0, size)

    random_sample = ranf = sample = random

    def rand(self, *shape: int) -> Any:
        return self.uniform(0.0, 1.0, shape or None)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        u = self._numbers.uniform(_shape(size))
        return low + (high - low) * (u if size is not None else float(u))

    def randn(self, *shape: int) -> Any:
        return self.normal(size=shape or None)

    def standard_normal(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        return self.normal(size=size)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        z = self._numbers.normal(_shape(size))
        return loc + scale * (z if size is not None else float(z))

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        if not isinstance(n, int) or size is None:
            return REAL["RandomState"](0).binomial(n, p, size)
        return sum((self._numbers.uniform(_shape(size)) < p).astype(int) for _ in range(n))

    def randint(self, low: int, high: int | None = None, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        low, high = (0, low) if high is None else (low, high)
        shape = _shape(size)
        if size is None:
            return int(low)
        if len(shape) == 1 and high - low >= shape[0] and high - low > 2:
            return np.arange(low, low + shape[0])  # examples of a batch
        return (low + np.floor((high - low) * self._numbers.uniform(shape))).astype(int)

    integers = randint

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, *args: Any, **kwargs: Any) -> Any:
        values = np.arange(a) if isinstance(a, int | np.integer) else np.asarray(a)
        shape = _shape(size)
        if size is None:
            return values[0]
        if p is None and len(shape) == 1 and len(values) >= shape[0] and len(values) > 2:
            return values[: shape[0]]
        shares = np.full(len(values), 1 / len(values)) if p is None else np.asarray(p, dtype=np.float64)
        at = np.searchsorted(np.cumsum(shares)[:-1], self._numbers.uniform(shape), side="right")
        return values[at]

    def permutation(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        return np.arange(x) if isinstance(x, int | np.integer) else np.array(x)

    def shuffle(self, x: Any, *args: Any, **kwargs: Any) -> None:
        return None


def _shape(size: Any) -> Shape:
    if size is None:
        return ()
    return (int(size),) if isinstance(size, int | np.integer) else tuple(int(n) for n in size)


_OWN = ("random", "random_sample", "ranf", "sample", "rand", "uniform", "randn", "standard_normal", "normal", "binomial", "randint", "choice", "permutation", "shuffle")  # fmt: skip


ORIGINAL = {name: getattr(np.random, name) for name in _OWN}


class _OldStream(REAL["RandomState"]):  # type: ignore[misc,valid-type,name-defined]
    """What `RandomState(seed)` makes meanwhile: a class, as NumPy itself asks whether something is one."""


@contextmanager
def repeated(*namespaces: MutableMapping[str, Any]) -> Iterator[None]:
    """While it lasts, every run draws the same; generators held under names of `namespaces` do so too."""
    stream = Stream(Numbers())
    old = type("RandomState", (_OldStream,), {name: staticmethod(getattr(stream, name)) for name in _OWN})
    replaced: dict[str, Callable[..., Any] | type] = {name: getattr(stream, name) for name in _OWN}
    replaced |= {"default_rng": lambda *_, **__: stream, "RandomState": old, "seed": lambda *_, **__: None}
    held = [(n, k, v, given) for n in namespaces for k, v in n.items() if (given := _instead(v, stream)) is not None]
    state = random.getstate()
    with ExitStack() as stack:
        for name, f in replaced.items():
            stack.enter_context(patch.object(np.random, name, f))
        stack.enter_context(patch.object(random, "shuffle", lambda *_, **__: None))
        stack.enter_context(patch.object(random, "sample", lambda population, k: list(population)[:k]))
        random.seed(0)
        for namespace, name, _, given in held:
            namespace[name] = given
        try:
            yield
        finally:
            random.setstate(state)
            for namespace, name, value, _ in held:
                namespace[name] = value


def _instead(value: Any, stream: Stream) -> Any:
    """What stands in for a generator, or for a function of `np.random` that was imported by itself; None for all else."""
    if isinstance(value, REAL["Generator"] | REAL["RandomState"]):
        return stream
    # Bound methods are made anew whenever they are asked for.
    return next((getattr(stream, name) for name, f in ORIGINAL.items() if callable(value) and value == f), None)
