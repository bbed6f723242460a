"""What a layer is: a frozen description with a hand-derived `forward` and `backward`, and the arrays it works on.

A layer holds its configuration and nothing else, so it can be compared, hashed, pickled and written into a weights
file; the arrays (parameters, buffers, the injected dropout mask) live in a `LayerState`. Data are row-wise: an input has
shape (m, features), m examples. `backward` is the plain chain rule: the 1/m of a mean lives in the loss alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray


@dataclass
class LayerState:
    """The arrays of one layer in one network.

    Attributes
    ----------
    params : dict of str to ndarray
        What is learned, e.g. `W` of shape (n_in, n_out).
    buffers : dict of str to ndarray
        What is remembered but not learned, e.g. `running_mean`.
    training : bool
        Training mode (batch statistics, dropout) or evaluation mode.
    mask : ndarray of bool, optional
        The injected keep mask of a dropout layer, shape of its input.
    """

    params: dict[str, Array] = field(default_factory=dict)
    buffers: dict[str, Array] = field(default_factory=dict)
    training: bool = False
    mask: Array | None = None


@dataclass(frozen=True)
class Layer:
    """Base of every layer: a frozen dataclass whose fields are the configuration.

    A subclass is known by its class name (`Layer.kinds`), so a weights file or a case can name it.
    """

    kinds: ClassVar[dict[str, type[Layer]]] = {}
    regularised: ClassVar[tuple[str, ...]] = ()
    """Parameters that weight regularisation acts on: weights, never biases or batch norm's gamma and beta."""
    frozen_parameters: ClassVar[tuple[str, ...]] = ()
    """Parameters that do not learn though the layer does: those of frozen layers within it."""
    kink_at_zero: ClassVar[bool] = False
    """Whether the derivative jumps where `decisive` is 0."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Layer.kinds[cls.__name__] = cls

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every parameter, in their canonical order."""
        return {}

    def initial_buffers(self) -> dict[str, Array]:
        """Name and first value (float64) of every buffer."""
        return {}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one example's output, given the shape of one example's input."""
        return shape

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        """Output of the layer, and the cache its `backward` needs."""
        raise NotImplementedError

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        """Gradient with respect to the input and to each parameter, given the gradient with respect to the output."""
        raise NotImplementedError

    def decisive(self, x: Array) -> Array:
        """Of x's shape: what decides by its sign on which side of a kink each input element lies; mostly x itself."""
        return x

    def config(self) -> dict[str, Any]:
        """Configuration as JSON-able values, including the kind."""
        return {"kind": type(self).__name__} | {f.name: getattr(self, f.name) for f in fields(self)}


def require(condition: bool, message: str) -> None:
    """Raise ValueError with `message` unless `condition` holds."""
    if not condition:
        raise ValueError(message)
