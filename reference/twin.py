"""What every framework module provides: a `Twin`, the reference counterpart of a scratch network with its optimizer.

Requirements that shaped this door:

- a framework is imported by its own module alone, when a case first needs it;
- arrays cross the door in canonical layout, as NumPy arrays, under the scratch network's names; behind it each framework
  is idiomatic: its own layers, its own autodiff, its own optimizers, never a formula typed again;
- every mapping that makes a stock part equal is asked for by its convention's id, so it can be reported and left out.

A new framework is one new module with a subclass of `Twin`, and one line in `reference.FRAMEWORKS`; another way of running one
(a mode) is a subclass of its twin, and one line in `reference.MODES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from reference.conventions import CONVENTIONS
from scratch.network import Architecture, Pass
from scratch.optimizers import Optimizer
from scratch.weights import Arrays, Weights

Array = np.ndarray
Maps = Callable[[str], bool]
"""`Twin.maps`: notes that a convention was met and says whether to map it."""
Made = TypeVar("Made")


def choose(table: Mapping[type, Made], description: object) -> Made:
    """The table's entry for a description's class or its nearest base: a subclass has its base's twin.

    Raises
    ------
    NotImplementedError
        If there is none.
    """
    for kind in type(description).__mro__:
        if kind in table:
            return table[kind]
    known = ", ".join(kind.__name__ for kind in table)
    raise NotImplementedError(f"no twin of {type(description).__name__}; there are twins of {known}")


def stock_name(part: object, package: str) -> str:
    """Public name of the framework's own class that an object is made from; empty where it is only a base for others."""
    stock = getattr(part, "stock", part)
    for kind in (stock if isinstance(stock, type) else type(stock)).__mro__:
        path = [p for p in kind.__module__.split(".") if p != "src"]
        if path[0] == package:
            base = path[1] == "backend" or kind.__name__ in ("Layer", "Module", "ModuleDict")
            return "" if base else f"{package}.{path[1]}.{kind.__name__}"
    return ""


class Unsupported(Exception):
    """The framework's stock part cannot express this; `convention` is the registered reason."""

    def __init__(self, convention: str) -> None:
        super().__init__(f"{convention}: {CONVENTIONS[convention].mapping}")
        self.convention = convention


class NotInMode(Exception):
    """The mode (XLA, `torch.compile`) cannot compile this, though the framework can compute it; the message is one line."""


class Twin(ABC):
    """A framework's network with the same architecture, weights and optimizer as a scratch network.

    Parameters
    ----------
    arch : Architecture
        The scratch network's description.
    optimizer : Optimizer, optional
        The scratch optimizer's description; without one, `update` is not available.
    dtype : {"float64", "float32"}
        Precision of everything.
    ignored : frozenset of str
        Ids of value conventions that are *not* to be mapped: their stock behaviour is shown instead.
    compiled : bool
        Whether to compile the training step where the framework can (`tf.function`): worth it for many steps.

    Attributes
    ----------
    applied : set of str
        Ids of the conventions met while building and since the last `load`, mapped or ignored.
    """

    def __init__(
        self,
        arch: Architecture,
        optimizer: Optimizer | None = None,
        dtype: str = "float64",
        ignored: frozenset[str] = frozenset(),
        compiled: bool = False,
    ) -> None:
        self.architecture, self.optimizer, self.dtype = arch, optimizer, dtype
        self.ignored, self.compiled = ignored, compiled
        self.applied: set[str] = set()
        self._met_while_building: frozenset[str] | None = None

    def _start(self) -> None:
        """To be called by `load`: what earlier runs of this twin met does not count as applied in the next."""
        if self._met_while_building is None:
            self._met_while_building = frozenset(self.applied)
        self.applied = set(self._met_while_building)

    def maps(self, convention: str) -> bool:
        """Note that the convention was met; True if its mapping is to be applied."""
        assert convention in CONVENTIONS, convention
        self.applied.add(convention)
        return convention not in self.ignored

    def parts(self) -> dict[str, str]:
        """The framework's own class in the place of each layer, by the layer's name, and of the `optimizer`."""
        return {}

    @abstractmethod
    def load(self, weights: Weights) -> None:
        """Set all parameters and buffers, bit for bit, and forget the optimizer's memory and step count."""

    @abstractmethod
    def weights(self) -> Weights:
        """All parameters and buffers, as copies in canonical layout."""

    @abstractmethod
    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer in evaluation mode, and `predictions` if there is a loss: the probabilities."""

    @abstractmethod
    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, loss and autodiff for one batch, as `scratch.Network.differentiate`; buffers move in training mode."""

    @abstractmethod
    def update(self, grads: Arrays | None = None) -> None:
        """One step of the framework's optimizer, on these gradients or on those of the last `differentiate`."""

    @abstractmethod
    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """The optimizer's memory by layer, parameter and scratch's name for it: `["dense1"]["W"]["v"]`."""
