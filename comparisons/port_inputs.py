"""Models of several inputs, compared as models of one that holds them side by side."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reference.model import Part, columns

Array = np.ndarray
Makers = tuple[Callable[[], Any] | None, Callable[[], Any] | None]
BATCH, ROWS = 4, 12
"""Examples with images among them, and without."""


class Joined:
    """Two models of several inputs as models of one.

    Parameters
    ----------
    models : pair of torch.nn.Module or keras.Model
    makers : pair of callables
        As for `comparisons.ports.compare_models`.
    parts : tuple of Part

    Attributes
    ----------
    models : pair
        Wrapped: they share their weights with those that were given.
    makers : pair
    """

    def __init__(self, models: tuple[Any, Any], makers: Makers, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        wrapped = [self._wrapped(model, make) for model, make in zip(models, makers, strict=True)]
        self.models = wrapped[0][0], wrapped[1][0]
        self.makers: Makers = wrapped[0][1], wrapped[1][1]

    def _wrapped(self, model: Any, make: Callable[[], Any] | None) -> tuple[Any, Callable[[], Any] | None]:
        if hasattr(model, "named_modules"):
            from reference.torch_inputs import SplitModule

            return SplitModule(model, self.parts, self._order(model)), None
        from reference.keras_inputs import SplitModel, splitting

        return SplitModel(model, self.parts), splitting(model, make, self.parts)

    def _order(self, module: Any) -> tuple[int, ...]:
        """Which input is each argument of a torch module: by name, else the first order in which it runs."""
        import torch

        from reference.torch_inputs import SplitModule

        names = _arguments(module)
        usual = tuple(range(len(self.parts)))
        orders = [usual, *itertools.islice(itertools.permutations(usual), 1, 24)]
        if set(names) == {part.name for part in self.parts}:
            orders.insert(0, tuple([part.name for part in self.parts].index(n) for n in names))
        example = torch.from_numpy(self.example(np.random.default_rng(0))[:2])
        tried = copy.deepcopy(module).eval()
        for order in orders:
            try:
                SplitModule(tried, self.parts, order)(example)
            except Exception:  # whatever a model raises that gets what it cannot take
                continue
            return order
        return usual

    def example(self, rng: np.random.Generator) -> Array:
        """Inputs side by side: numbers, tokens among them, or tokens alone."""
        whole = all(part.tokens for part in self.parts)
        m = BATCH if any(len(part.shape) > 1 for part in self.parts) else ROWS
        x = np.zeros((m, columns(self.parts)[-1][1]), np.int64 if whole else np.float64)
        for part, (start, stop) in zip(self.parts, columns(self.parts), strict=True):
            size = (m, stop - start)
            x[:, start:stop] = rng.integers(0, part.tokens, size) if part.tokens else rng.standard_normal(size)
        return x


def joined(models: tuple[Any, Any], makers: Makers) -> Joined | None:
    """The two models with their inputs side by side; None if they have one input each, or none of them tells their shapes.

    Parameters
    ----------
    models : pair of torch.nn.Module or keras.Model
    makers : pair of callables
    """
    parts = next(_told(models), ())
    counts = [len(_arguments(m)) if hasattr(m, "named_modules") else len(parts) for m in models]
    timed = any(getattr(p, "batch_first", True) is False for m in models for p in getattr(m, "modules", list)())
    if not parts or counts != [len(parts)] * 2 or timed:
        return None
    return Joined(models, makers, parts)


def _told(models: tuple[Any, Any]) -> Iterator[tuple[Part, ...]]:
    """Inputs that a functional Keras model tells."""
    for model in models:
        if isinstance(getattr(model, "inputs", None), list):
            from reference.keras_inputs import parts_of

            if found := parts_of(model):
                yield found


def takes_several(model: Any) -> bool:
    """Whether a torch module must be given several inputs."""
    return hasattr(model, "named_modules") and len(_arguments(model)) > 1


def _arguments(module: Any) -> list[str]:
    """What a torch module's forward pass must be given."""
    return [p.name for p in inspect.signature(module.forward).parameters.values() if p.default is p.empty]
