"""Residual blocks of Keras layers; importing this module enters them in `LAYERS`."""

from __future__ import annotations

from typing import Any

import keras

from reference.tensorflow_layers import LAYERS, LayerTwin, Precision, Tensor, weight_penalty
from reference.twin import choose
from scratch.regularisation import Regulariser
from scratch.residual import Residual


class ResidualLayer(keras.layers.Layer):
    """The Keras layers within, and `keras.layers.Add` of what both branches make of the input.

    Parameters
    ----------
    main, shortcut : list of LayerTwin
        The branches; no shortcut is the identity.
    to : Precision
    regulariser : Regulariser, optional
    """

    def __init__(
        self, main: list[LayerTwin], shortcut: list[LayerTwin], to: Precision, regulariser: Regulariser | None
    ) -> None:
        super().__init__(dtype=to.dtype)
        self.add = keras.layers.Add(dtype=to.dtype)
        # Keras finds weights and losses through lists of layers, not through twins.
        self.within = [twin.layer for twin in (*main, *shortcut)]
        self._main, self._shortcut = _chain(main), _chain(shortcut)
        self.kernel_regularizer = weight_penalty(regulariser)
        for variable in self.weights:
            if variable.regularizer is not None:
                # One object for all: `tensorflow_layers.penalty` sets its factor.
                variable.regularizer = self.kernel_regularizer
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Sum of the branches' outputs."""
        return self.add([self._main(x, training), self._shortcut(x, training)])


def _chain(twins: list[LayerTwin]) -> Any:
    def forward(x: Tensor, training: bool) -> Tensor:
        for twin in twins:
            x = twin.forward(x, training, None)
        return x

    return forward


def _residual(layer: Residual, to: Precision, regulariser: Regulariser | None) -> LayerTwin:
    main = {ending: choose(LAYERS, within)(within, to, regulariser) for ending, within in layer.main}
    side = {ending: choose(LAYERS, within)(within, to, regulariser) for ending, within in layer.side}
    both = main | side
    for place in layer.frozen:
        both[place].layer.trainable = False
    params = {f"{p}_{ending}": variable for ending, twin in both.items() for p, variable in twin.params.items()}
    buffers = {f"{b}_{ending}": variable for ending, twin in both.items() for b, variable in twin.buffers.items()}
    stock = ResidualLayer(list(main.values()), list(side.values()), to, regulariser)
    return LayerTwin(stock, params, buffers)


LAYERS[Residual] = _residual
