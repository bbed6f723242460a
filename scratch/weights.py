"""The arrays of a network, by layer and name: what all implementations exchange."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from scratch.layer import Array

Arrays = dict[str, dict[str, Array]]


def flatten(arrays: Arrays) -> Iterator[tuple[str, Array]]:
    """`("dense1.W", array)` for every array, in order."""
    for layer, named in arrays.items():
        for name, array in named.items():
            yield f"{layer}.{name}", array


@dataclass
class Weights:
    """Parameters and buffers of a network in canonical layout: `params["dense1"]["W"]` has shape (n_in, n_out).

    Attributes
    ----------
    params, buffers : dict of str to dict of str to ndarray
        By layer, then by name. Layers without any are left out.
    """

    params: Arrays = field(default_factory=dict)
    buffers: Arrays = field(default_factory=dict)

    def astype(self, dtype: DTypeLike) -> Weights:
        """A copy in another precision; no array is shared with the original."""

        def convert(arrays: Arrays) -> Arrays:
            return {layer: {n: np.array(a, dtype=dtype) for n, a in named.items()} for layer, named in arrays.items()}

        return Weights(convert(self.params), convert(self.buffers))
