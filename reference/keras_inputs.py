"""A Keras model of several inputs as one of a single input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from reference.keras_model import copied
from reference.model import Part, columns

FREE = 7
"""Length of an axis that may have any."""


def parts_of(model: Any) -> tuple[Part, ...]:
    """What a functional model of several inputs takes, in its order; nothing for any other."""
    inputs = getattr(model, "inputs", None)
    if not isinstance(inputs, list) or len(inputs) < 2:
        return ()
    counted = {
        id(t): layer.input_dim
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if isinstance(layer, keras.layers.Embedding)
        for node in layer._inbound_nodes
        for t in node.input_tensors
    }
    return tuple(Part(t.name, tuple(n or FREE for n in t.shape[1:]), counted.get(id(t), 0)) for t in inputs)


class SplitModel(keras.Model):
    """A model that takes its inputs side by side, as the columns of one matrix.

    Parameters
    ----------
    inner : keras.Model
    parts : tuple of Part
        In the order of the columns and of the model's inputs.
    """

    def __init__(self, inner: Any, parts: tuple[Part, ...]) -> None:
        super().__init__()
        self.inner, self.parts = inner, parts
        self.built = True

    def call(self, x: Any, training: bool | None = None) -> Any:
        """The model's own output."""
        given = []
        for part, (start, stop) in zip(self.parts, columns(self.parts), strict=True):
            a = keras.ops.reshape(x[:, start:stop], (-1, *part.shape))
            given.append(keras.ops.cast(a, "int32") if part.tokens else keras.ops.cast(a, keras.config.floatx()))
        return self.inner(given, training=training)


def splitting(model: Any, make: Callable[[], Any] | None, parts: tuple[Part, ...]) -> Callable[[], SplitModel]:
    """What makes such a model anew, in the precision that layers get by then."""
    return lambda: SplitModel(copied(model, keras.config.floatx(), make), parts)
