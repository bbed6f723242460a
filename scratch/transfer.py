"""Transfer learning: the layers of a trained network under a new head (Ng, Convolutional Neural Networks, week 2).

The softmax of the older network is left off, a new one for the new classes put in its place. With little data all that was taken over
is frozen and the head alone learns; the more data there are, the fewer layers are frozen.

A frozen layer is a fixed function of its input, so nothing changes in the chain rule: dJ/dx passes through it as before, only dJ/dW
is not wanted. For batch norm that means evaluation mode, in which mu and v are constants; normalised by the batch instead, the features
that the head learns from would depend on which examples are together, and the averages would drift away from the trained gamma and beta.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scratch.layer import Array, require
from scratch.network import Architecture, initial_weights
from scratch.weights import Arrays, Weights, flatten


def freeze(arch: Architecture, last: str) -> Architecture:
    """The network with all layers up to and including `last` frozen, and no others.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    names = [name for name, _ in arch.layers]
    require(last in names, f"no layer is named {last}; the layers are {', '.join(names)}")
    return replace(arch, frozen=tuple(names[: names.index(last) + 1]))


def transferred_weights(
    source: Weights, arch: Architecture, rng: np.random.Generator, initialiser: str = "he"
) -> Weights:
    """Weights to start from: those of an older network where it has a layer of the same name and shapes, else new ones.

    Parameters
    ----------
    source : Weights
        Of the older network.
    arch : Architecture
        The new network.
    rng : Generator
    initialiser : str
        For the layers that are new; see `initial_weights`.

    Returns
    -------
    Weights
        Copies, all in the precision of `source`.

    Raises
    ------
    ValueError
        If a frozen layer would have new weights, which it could never learn, or `initialiser` is unknown.
    """
    dtype = next((a.dtype for _, a in flatten(source.params)), np.dtype("float64"))
    weights = initial_weights(arch, rng, initialiser, dtype)
    for name, layer in arch.layers:
        pairs = [(weights.params, source.params), (weights.buffers, source.buffers)]
        if all(_shapes(new, name) == _shapes(old, name) for new, old in pairs):
            for new, old in pairs:
                if name in old:
                    new[name] = {p: a.copy() for p, a in old[name].items()}
        else:
            require(
                name not in arch.frozen and not layer.frozen_parameters,
                f"{name} is frozen, but the older network has no layer of that name and shape: it would stay as it was drawn",
            )
    return weights


def _shapes(arrays: Arrays, layer: str) -> dict[str, tuple[int, ...]]:
    found: dict[str, Array] = arrays.get(layer, {})
    return {name: a.shape for name, a in found.items()}
