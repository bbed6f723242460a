"""Recurrent layers, attention and embeddings as Keras's; importing this module enters them in `LAYERS`."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from reference.tensorflow_layers import LAYERS, LayerTwin, Precision, Tensor, number, weight_penalty
from reference.twin import Maps, choose
from scratch.attention import MultiHeadAttention, ScaledDotProductAttention
from scratch.bidirectional import Bidirectional
from scratch.cells import GRUCell, LSTMCell, RNNCell
from scratch.embedding import Embedding
from scratch.layer import Layer
from scratch.recurrent import GRU, LSTM, SimpleRNN
from scratch.regularisation import Regulariser


class Rearranged(keras.layers.Layer):
    """A stock layer whose weights are made, at every call, of weights in scratch's layout.

    That is for stock weights which are one array in Keras and several in scratch, or the other way round; gradients and
    optimizers see scratch's. Rearranging copies numbers and does nothing else.

    Parameters
    ----------
    stock : keras.layers.Layer
        Built.
    layer : Layer
        Whose parameters the weights are.
    to : Precision
    regulariser : Regulariser, optional
    rearranged : callable
        From scratch's parameters by name to the stock layer's weights in order.
    called_with : callable
        From the input to the stock layer's positional inputs.
    options : dict
        Further arguments of the stock layer's call.
    """

    def __init__(
        self,
        stock: Any,
        layer: Layer,
        to: Precision,
        regulariser: Regulariser | None,
        rearranged: Callable[[dict[str, Tensor]], list[Tensor]],
        called_with: Callable[[Tensor], tuple[Tensor, ...]] = lambda x: (x,),
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(dtype=to.dtype)
        self.kernel_regularizer = weight_penalty(regulariser)
        self.params = {
            p: self.add_weight(shape, name=p, regularizer=self.kernel_regularizer if p in layer.regularised else None)
            for p, shape in layer.parameter_shapes().items()
        }
        # The bound method and a function, not the layer and its variables: Keras would count those as weights too.
        self._stateless_call, self._others = stock.stateless_call, lambda: stock.non_trainable_variables
        self._rearranged, self._called_with, self._options = rearranged, called_with, options or {}
        self.stock = type(stock)
        self._has_modes = "training" in inspect.signature(stock.call).parameters
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Output of the stock layer with these weights."""
        weights = self._rearranged({p: tf.convert_to_tensor(variable) for p, variable in self.params.items()})
        options = self._options | ({"training": training} if self._has_modes else {})
        y, _ = self._stateless_call(weights, self._others(), *self._called_with(x), **options)
        return y


def _stock(layer: SimpleRNN | LSTM | GRU, to: Precision, regulariser: Regulariser | None) -> Any:
    """The Keras layer, not built; Keras returns the last state alone unless asked."""
    to.maps("recurrent-layout")
    # One object for both: `tensorflow_layers.penalty` sets its factor.
    penalty = weight_penalty(regulariser)
    options: dict[str, Any] = {"kernel_regularizer": penalty, "recurrent_regularizer": penalty, "dtype": to.dtype}
    if isinstance(layer, LSTM | GRU) and to.maps("recurrent-activation"):
        options["recurrent_activation"] = "sigmoid"
    if isinstance(layer, GRU):
        options["reset_after"] = layer.reset_after
    make = choose(STOCK, layer)
    return make(layer.n_hidden, return_sequences=layer.return_sequences, **options)


STOCK: dict[type, Any] = {SimpleRNN: keras.layers.SimpleRNN, LSTM: keras.layers.LSTM, GRU: keras.layers.GRU}


def _weights(layer: SimpleRNN | LSTM | GRU, params: dict[str, Tensor], maps: Maps, direction: str = "") -> list[Tensor]:
    """Kernel, recurrent kernel and bias of one direction."""
    w, u, b = (params[p + direction] for p in ("W", "U", "b"))
    if isinstance(layer, GRU) and layer.reset_after and maps("recurrent-two-biases"):
        b = tf.stack([b, params["b_recurrent" + direction]])
    return [w, u, b]


def _recurrent(layer: SimpleRNN | LSTM | GRU, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    two_biases = isinstance(layer, GRU) and layer.reset_after
    stock = _stock(layer, to, None if two_biases else regulariser)
    stock.build((None, None, layer.n_in))
    if not two_biases:
        cell = stock.cell
        return LayerTwin(stock, {"W": cell.kernel, "U": cell.recurrent_kernel, "b": cell.bias})
    rearranged = Rearranged(stock, layer, to, regulariser, lambda params: _weights(layer, params, to.maps))
    return LayerTwin(rearranged, dict(rearranged.params))


def _bidirectional(layer: Bidirectional, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    stock = keras.layers.Bidirectional(_stock(layer.layer, to, None), merge_mode="concat", dtype=to.dtype)
    stock.build((None, None, layer.n_in))

    def both(params: dict[str, Tensor]) -> list[Tensor]:
        return [w for direction in ("", "_reverse") for w in _weights(layer.layer, params, to.maps, direction)]

    rearranged = Rearranged(stock, layer, to, regulariser, both)
    return LayerTwin(rearranged, dict(rearranged.params))


CELLS: dict[type, Any] = {
    RNNCell: keras.layers.SimpleRNNCell,
    LSTMCell: keras.layers.LSTMCell,
    GRUCell: keras.layers.GRUCell,
}


@dataclass(kw_only=True)
class CellTwin(LayerTwin):
    """`keras.layers.SimpleRNNCell`, `LSTMCell` or `GRUCell`, given the input and the state before it beside each other."""

    sizes: tuple[int, ...]

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The new state; of an LSTM, state and cell beside each other."""
        new, *states = tf.split(x, self.sizes, axis=1)
        _, after = self.layer((new, *states)) if isinstance(self.layer, Rearranged) else self.layer(new, states)
        return tf.concat(after, axis=1)


def _cell(layer: RNNCell | LSTMCell | GRUCell, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    to.maps("recurrent-layout")
    two_biases = isinstance(layer, GRUCell) and layer.reset_after
    penalty = None if two_biases else weight_penalty(regulariser)
    options: dict[str, Any] = {"kernel_regularizer": penalty, "recurrent_regularizer": penalty, "dtype": to.dtype}
    if isinstance(layer, LSTMCell | GRUCell) and to.maps("recurrent-activation"):
        options["recurrent_activation"] = "sigmoid"
    if isinstance(layer, GRUCell):
        options["reset_after"] = layer.reset_after
    stock = choose(CELLS, layer)(layer.n_hidden, **options)
    stock.build((None, layer.n_in))
    sizes = (layer.n_in, *[layer.n_hidden] * layer.states)
    if not two_biases:
        return CellTwin(stock, {"W": stock.kernel, "U": stock.recurrent_kernel, "b": stock.bias}, sizes=sizes)

    def both_biases(params: dict[str, Tensor]) -> list[Tensor]:
        b = params["b"]
        return [
            params["W"],
            params["U"],
            tf.stack([b, params["b_recurrent"]]) if to.maps("recurrent-two-biases") else b,
        ]

    rearranged = Rearranged(stock, layer, to, regulariser, both_biases, lambda x: (x[0], [x[1]]))
    return CellTwin(rearranged, dict(rearranged.params), sizes=sizes)


@dataclass(kw_only=True)
class AttentionTwin(LayerTwin):
    """`keras.layers.Attention`, of queries, keys and values beside each other."""

    causal: bool
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the layer, whose scores are the products as they are: what divides them is put into the queries."""
        q, k, v = tf.split(x, 3, axis=-1)
        if self.maps("attention-scale"):
            q = q / math.sqrt(q.shape[-1])
        with warnings.catch_warnings():
            # A sequence of one step attends to itself alone, which Keras takes for a mistake.
            warnings.filterwarnings("ignore", "You are using a softmax over axis -1", UserWarning)
            return self.layer([q, v, k], training=training, use_causal_mask=self.causal)


def _attention(layer: ScaledDotProductAttention, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    return AttentionTwin(keras.layers.Attention(dtype=to.dtype), causal=layer.causal, maps=to.maps)


def _multi_head(layer: MultiHeadAttention, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    n, heads, size = layer.n, layer.heads, layer.n // layer.heads
    stock = keras.layers.MultiHeadAttention(heads, key_dim=size, dtype=to.dtype)
    # Keras keeps it as a Python float, for a cast through float32.
    stock._inverse_sqrt_key_dim = number(stock._inverse_sqrt_key_dim, to.dtype, to.maps)
    stock.build((None, None, n), (None, None, n))
    to.maps("attention-layout")

    def rearranged(params: dict[str, Tensor]) -> list[Tensor]:
        kernels = [tf.reshape(part, (n, heads, size)) for part in tf.split(params["W"], 3, axis=1)]
        biases = [tf.reshape(part, (heads, size)) for part in tf.split(params["b"], 3)]
        pairs = [weight for pair in zip(kernels, biases, strict=True) for weight in pair]
        return [*pairs, tf.reshape(params["W_o"], (heads, size, n)), params["b_o"]]

    options = {"use_causal_mask": layer.causal}
    keras_layer = Rearranged(stock, layer, to, regulariser, rearranged, lambda x: (x, x), options)
    return LayerTwin(keras_layer, dict(keras_layer.params))


@dataclass(kw_only=True)
class EmbeddingTwin(LayerTwin):
    """`keras.layers.Embedding`, given its tokens as floats, like any input."""

    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The tokens' rows."""
        y = self.layer(x, training=training)
        return y + 0 * x[..., tf.newaxis] if self.maps("embedding-tokens") else y


@tf.custom_gradient
def _dense_gradient(table: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The table; its gradient as one array, in which the parts of a token that comes several times are added up."""
    return tf.identity(table), tf.convert_to_tensor


def _embedding(layer: Embedding, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    stock = keras.layers.Embedding(layer.vocabulary, layer.n, dtype=to.dtype)
    stock.build()
    densify = _dense_gradient if to.maps("embedding-sparse-gradient") else tf.identity
    rearranged = Rearranged(stock, layer, to, regulariser, lambda params: [densify(params["E"])])
    return EmbeddingTwin(rearranged, dict(rearranged.params), maps=to.maps)


LAYERS.update(
    {
        SimpleRNN: _recurrent,
        LSTM: _recurrent,
        GRU: _recurrent,
        RNNCell: _cell,
        LSTMCell: _cell,
        GRUCell: _cell,
        Bidirectional: _bidirectional,
        Embedding: _embedding,
        ScaledDotProductAttention: _attention,
        MultiHeadAttention: _multi_head,
    }
)
