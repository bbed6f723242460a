"""Nesterov's momentum, Adagrad and AdamW as Keras's; importing this module enters them in `OPTIMIZERS`."""

from __future__ import annotations

from typing import Any

import keras

from reference.tensorflow_layers import Precision, number
from reference.tensorflow_optimizers import (
    OPTIMIZERS,
    AdamWithPlainEpsilon,
    EpsilonOutside,
    Moment,
    OptimizerTwin,
    SGDWithRateInside,
    _built,
)
from scratch.optimizers_more import Adagrad, AdamW, Nesterov


class AdamWWithPlainEpsilon(AdamWithPlainEpsilon, keras.optimizers.AdamW):
    """Keras's AdamW with epsilon added after the bias correction; see `AdamWithPlainEpsilon`."""


class AdagradWithEpsilonOutside(EpsilonOutside, keras.optimizers.Adagrad):
    """Keras's Adagrad with epsilon outside the root."""

    squares = "_accumulators"


def _nesterov(optimizer: Nesterov, parameters: list[Any], to: Precision) -> OptimizerTwin:
    momentum = number(optimizer.beta, to.dtype, to.maps)
    stock = SGDWithRateInside(float(optimizer.learning_rate), momentum=momentum, nesterov=bool(optimizer.beta))
    # Keras keeps nothing with beta = 0, and only zeros with alpha = 0: nothing to compare v with.
    if not optimizer.beta or not optimizer.learning_rate:
        return _built(stock, parameters)
    # Keras: vel = mu vel - lr g, w += mu vel - lr g: it holds -alpha v.
    factor = -1 / optimizer.learning_rate if to.maps("nesterov-velocity") else 1.0
    return _built(stock, parameters, {"v": Moment("momentums", factor)})


def _adagrad(optimizer: Adagrad, parameters: list[Any], to: Precision) -> OptimizerTwin:
    kind = AdagradWithEpsilonOutside if to.maps("adagrad-epsilon") else keras.optimizers.Adagrad
    first = {}
    if to.maps("adagrad-initial-accumulator"):
        first["initial_accumulator_value"] = number(optimizer.initial_accumulator, to.dtype, to.maps)
    stock = kind(float(optimizer.learning_rate), epsilon=optimizer.epsilon, **first)
    return _built(stock, parameters, {"s": Moment("_accumulators")})


def _adamw(optimizer: AdamW, parameters: list[Any], to: Precision) -> OptimizerTwin:
    kind = AdamWWithPlainEpsilon if to.maps("adam-epsilon-hat") else keras.optimizers.AdamW
    beta1, beta2 = (number(b, to.dtype, to.maps) for b in (optimizer.beta1, optimizer.beta2))
    decay = {}
    if to.maps("adamw-weight-decay"):
        decay["weight_decay"] = number(optimizer.weight_decay, to.dtype, to.maps)
    stock = kind(float(optimizer.learning_rate), beta_1=beta1, beta_2=beta2, epsilon=optimizer.epsilon, **decay)
    return _built(stock, parameters, {"v": Moment("_momentums"), "s": Moment("_velocities")})


OPTIMIZERS |= {Nesterov: _nesterov, Adagrad: _adagrad, AdamW: _adamw}
