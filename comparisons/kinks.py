"""Kinks: where a derivative jumps, rounding may decide which side is taken, and nobody is wrong.

A ReLU jumps where its input is 0, a maximum where its largest element changes. `Layer.decisive` tells by its sign on which
side an element lies. Where it is 0 within the measured noise, two correct implementations may lie on different sides: such
elements of the layer's input gradient are left out (`discrepancy.Kink`). If they really do lie on different sides, all that
the gradient flows on to differs as well, by far more than rounding, and agreement cannot be asked for there.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from comparisons.discrepancy import Kink
from comparisons.naming import place
from comparisons.tolerance import K
from scratch import Architecture

Array = np.ndarray


def drivers(arch: Architecture, names: Iterable[str]) -> dict[str, str]:
    """For each input gradient of a layer with a kink: the name of the layer's input, which decides."""
    layers = [name for name, _ in arch.layers]
    before = {name: layers[i - 1] for i, (name, layer) in enumerate(arch.layers) if i and layer.kink_at_zero}
    found = {}
    for name in names:
        prefix, gradient, owner = name.rpartition("grad/")
        layer, _, what = owner.partition(".")
        if gradient and what == "input" and layer in before:
            found[name] = f"{prefix}forward/{before[layer]}"
    return found


def decisive(arch: Architecture, name: str, driver: Array) -> Array:
    """What decides by its sign about the elements of a tensor, from the tensor that `drivers` names."""
    layer = dict(arch.layers).get(place(name).layer)
    return driver if layer is None else layer.decisive(driver)


def crossings(kink: Kink) -> int:
    """Number of elements that lie on different sides, and on either so near the kink that rounding took them there."""
    s, r = kink.subject, kink.reference
    apart = kink.elements() & ((s > 0) != (r > 0)) & (np.abs(s) <= 2 * K * kink.noise)
    return int(apart.sum())


def inherits(arch: Architecture, name: str, crossed: str) -> bool:
    """Whether a tensor depends on the input gradient `crossed` of a layer, in the same pass or through an update."""
    order = {layer: i for i, (layer, _) in enumerate(arch.layers)}
    here, there = place(name), place(crossed)
    if name == crossed or there.layer not in order:
        return False
    if name.startswith("trajectory/"):
        return True
    if here.phase == "gradient" and here.step == there.step:
        return order.get(here.layer, len(order)) < order[there.layer]
    return here.step > there.step  # an update came between
