"""Batch norm folded into the layer before it: what remains of it at inference, where its statistics are constants.

Derivation. In evaluation mode batch norm is affine in each feature, and so is the dense layer or convolution before it. With
s = sqrt(running_var + eps), per output feature,

    gamma (x W + b - running_mean) / s + beta  =  x W' + b'      W' = W gamma / s      b' = (b - running_mean) gamma / s + beta

The output features are W's last axis, in a matrix (n_in, n_out) as in a kernel (kh, kw, n_in, n_out), so that one multiplication
serves both. Source: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, 2018, section 3.2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scratch.batchnorm import BatchNorm
from scratch.convolution import Conv2D
from scratch.dense import Dense
from scratch.layer import Array, Layer
from scratch.network import Architecture, check_weights
from scratch.weights import Weights


def fold_batch_norm(arch: Architecture, weights: Weights) -> tuple[Architecture, Weights]:
    """The network for inference: every batch norm that follows a dense layer or a convolution becomes part of it.

    Parameters
    ----------
    arch : Architecture
    weights : Weights
        Trained ones; left as they are.

    Returns
    -------
    arch : Architecture
        Without the folded layers, every other one under its name; the layers before them have a bias in any case.
    weights : Weights
        Of the same dtype. In evaluation mode the network gives what it gave before, but for rounding; it is not for training.

    Raises
    ------
    ValueError
        If the weights do not fit the network.
    """
    check_weights(arch, weights)
    layers: list[tuple[str, Layer]] = []
    params, buffers = dict(weights.params), dict(weights.buffers)
    for name, layer in arch.layers:
        before, previous = layers[-1] if layers else ("", None)
        if isinstance(layer, BatchNorm) and isinstance(previous, Dense | Conv2D):
            layers[-1] = (before, replace(previous, bias=True))
            params[before] = _folded(layer, params[before], params.pop(name), buffers.pop(name))
        else:
            layers.append((name, layer))
    return replace(arch, layers=tuple(layers)), Weights(params, buffers)


def _folded(
    norm: BatchNorm, params: dict[str, Array], learned: dict[str, Array], running: dict[str, Array]
) -> dict[str, Array]:
    factor = learned["gamma"] / np.sqrt(running["running_var"] + norm.epsilon)
    bias = params.get("b", 0)
    return {"W": params["W"] * factor, "b": (bias - running["running_mean"]) * factor + learned["beta"]}
