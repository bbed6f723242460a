"""Dropout in somebody's Keras model: noticed wherever a layer is called, and switched off; see `reference.model.Drop`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from reference.model import Drop

_KINDS = {
    keras.layers.SpatialDropout1D: "spatial dropout",
    keras.layers.SpatialDropout2D: "spatial dropout",
    keras.layers.SpatialDropout3D: "spatial dropout",
    keras.layers.AlphaDropout: "alpha dropout",
    keras.layers.GaussianDropout: "gaussian dropout",
    keras.layers.GaussianNoise: "noise",
    keras.layers.Dropout: "dropout",
}


def recurrent_rates(layers: list[Any]) -> dict[str, tuple[float, float]]:
    """Rates of dropout inside recurrent layers, of inputs and of states, set to 0 for good.

    Parameters
    ----------
    layers : list of keras.Layer
        All of a model, cells included.
    """
    found = {}
    for layer in layers:
        if hasattr(layer, "get_dropout_mask") and "dropout" in vars(layer):
            if layer.dropout or layer.recurrent_dropout:
                found[layer.name] = (float(layer.dropout), float(layer.recurrent_dropout))
            layer.dropout = layer.recurrent_dropout = 0.0
    return found


def without_attention_dropout(layers: list[Any]) -> None:
    """Let attention drop none of its scores, as in torch's reader."""
    for layer in layers:
        if isinstance(layer, keras.layers.MultiHeadAttention):
            layer._dropout = 0.0


@contextmanager
def dropping(layers: list[Any], last: Callable[[], str], training: bool) -> Iterator[list[Drop]]:
    """Let every dropout pass everything, and note it.

    Parameters
    ----------
    layers : list of keras.Layer
        All of a model.
    last : callable
        Name of the layer with parameters that ran last.
    training : bool
        Whether the model is in training; only then dropout belongs there.
    """
    found: list[Drop] = []
    kinds = {layer: kind for layer in layers if (kind := _kind(layer)) and _rate(layer) > 0}
    calls = {layer: layer.call for layer in kinds}
    function = tf.nn.dropout

    def passing(layer: Any, call: Any) -> Any:
        @functools.wraps(call)
        def passed(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            active = bool(args[0] if args else kwargs.get("training", False))
            found.append(Drop(layer.name, kinds[layer], _rate(layer), last(), active and not training))
            return inputs

        return passed

    def without(x: Any, rate: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(Drop("dropout", "dropout", float(rate), last(), not training))
        return tf.identity(x)

    for layer, call in calls.items():
        layer.call = passing(layer, call)
    tf.nn.dropout = without
    try:
        yield found
    finally:
        tf.nn.dropout = function
        for layer in calls:
            vars(layer).pop("call", None)


def _kind(layer: Any) -> str:
    return next((kind for known, kind in _KINDS.items() if isinstance(layer, known)), "")


def _rate(layer: Any) -> float:
    return float(layer.stddev if isinstance(layer, keras.layers.GaussianNoise) else layer.rate)
