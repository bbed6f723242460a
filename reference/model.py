"""Models that are not twins but somebody's own: what both frameworks' readers of them have in common. Imports no framework.

A model is seen as the chain of its layers that have parameters, in the order in which they run. Arrays leave and enter in scratch's
layout: rows, kernels (height, width, in, out), images (m, h, w, c), gates beside each other on the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import prod
from typing import Any, Protocol

from scratch.layer import Array
from scratch.weights import Arrays

Draw = Callable[[tuple[int, ...]], Array]
"""Draws an upstream gradient of a given shape."""


class UnknownLayer(Exception):
    """A layer with parameters whose counterpart in the other framework is not known."""


class OtherLayers(UnknownLayer):
    """The two models have not the same layers with parameters."""


@dataclass(frozen=True)
class ModelLayer:
    """One layer with parameters.

    Attributes
    ----------
    name : str
        As the model calls it, without dots.
    kind : str
        `dense`, `conv2d`, `batchnorm`, ...: the same word in both frameworks.
    settings : dict
        What both frameworks can say about it: `epsilon`, `momentum` (weight of the past), `stride`, `units`.
    """

    name: str
    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """One use of dropout, seen as the model ran in evaluation.

    Attributes
    ----------
    name : str
        Of its layer, or of the function that was called.
    kind : str
        `dropout`, `spatial dropout`, `alpha dropout`, `gaussian dropout`, `noise`.
    rate : float
        Share that is dropped; of noise its standard deviation.
    after : str
        The layer with parameters that ran last before it; empty at the beginning.
    always : bool
        Whether it drops in evaluation too.
    """

    name: str
    kind: str
    rate: float
    after: str
    always: bool


@dataclass(frozen=True)
class Part:
    """One of several inputs of a model.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Of one example, images as (h, w, c).
    tokens : int
        How many words it may hold; 0 where it holds numbers.
    """

    name: str
    shape: tuple[int, ...]
    tokens: int = 0


def columns(parts: Sequence[Part]) -> list[tuple[int, int]]:
    """Where the numbers of each input begin and end, in a row that holds them side by side."""
    ends = [0, *accumulate(prod(part.shape) for part in parts)]
    return list(pairwise(ends))


class Model(Protocol):
    """Somebody's model, made to run in one precision.

    Attributes
    ----------
    framework : str
    layers : list of ModelLayer
        In the order in which they ran on the example.
    activations : list of ModelLayer
        Those with a number of their own, which has another default in each framework: `leaky_relu`, `elu` with their `slope`.
    random : tuple of str
        Names of layers that draw random numbers in training and cannot be switched off.
    drops : tuple of Drop
        Where it drops at random, in the order in which it ran; `differentiate` does without.
    inside : dict of str to (float, float)
        Recurrent layers that drop inside: rates of their inputs and of their states.
    entering : dict of str to ndarray
        What each layer with parameters was given in the last pass.
    headless : bool
        Whether what comes behind the last layer with parameters (a softmax) is left out by `differentiate`.
    """

    framework: str
    layers: list[ModelLayer]
    activations: list[ModelLayer]
    random: tuple[str, ...]
    drops: tuple[Drop, ...]
    inside: dict[str, tuple[float, float]]
    entering: dict[str, Array]
    headless: bool

    def read(self) -> Arrays:
        """Parameters and running averages by layer and name."""
        ...

    def write(self, arrays: Arrays) -> None:
        """Set them; ValueError where a shape does not fit."""
        ...

    def differentiate(self, x: Array, draw: Draw, training: bool) -> dict[str, Array]:
        """One pass without dropout, forward and backward from a drawn upstream gradient, by names as in a trace.

        `forward/<layer>`, `forward/output`, `grad/<layer>.output` (with respect to the layer's output), `grad/<layer>.W`, ...,
        `grad/model.input` unless the input is whole numbers; in training `step1/buffer/<layer>.running_mean`, ...
        """
        ...

    def set(self, layer: str, setting: str, value: Any) -> None:
        """Change a setting of a layer (`epsilon`, `momentum`, `batch_first`, `slope`): to see whether it explains a difference."""
        ...
