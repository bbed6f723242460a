"""Causes behind a layer: where only the gradients of parameters are seen, a mistake further on shows in them.

A dense layer's dW = X^T dZ and db = sum of dZ are linear in dZ. So whatever hypothesis says of a dZ that the code never shows
can be tried on dW and db.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from comparisons.diagnosis.activations import activation
from comparisons.diagnosis.losses import loss
from comparisons.diagnosis.mismatch import Array, Explained, Mismatch
from scratch import Dense, Layer, Softmax
from scratch.layer import LayerState


def behind(mismatch: Mismatch) -> Iterator[Explained]:
    """What a mistake in the layers between this dense layer and the next one, or the loss, makes of its gradients."""
    known = mismatch.passed()
    if not isinstance(mismatch.layer_object, Dense) or not mismatch.is_parameter_gradient or known is None:
        return
    x, _ = known
    for text, dz in upstreams(mismatch):
        if dz.shape != (len(x), mismatch.layer_object.n_out):
            continue
        if mismatch.leaf == "W":
            yield text, x.T @ dz + mismatch.penalty
        else:
            yield text, dz.sum(axis=0)
    yield from _updated_first(mismatch, x)


def upstreams(mismatch: Mismatch) -> Iterator[Explained]:
    """What may have been taken for the gradient with respect to the layer's output."""
    layers = list(mismatch.case.architecture.layers)
    here = [name for name, _ in layers].index(mismatch.layer)
    last = here + 1 == len(layers)
    if last or (here + 2 == len(layers) and not isinstance(layers[here + 1][1], Dense)):
        yield from _of_loss(mismatch, None if last else layers[here + 1])
    if last:
        return
    name, layer = layers[here + 1]
    if isinstance(layer, Dense):
        yield from _of_next(mismatch, here + 1, None)
        return
    gradient = _gradient(mismatch, name)
    if gradient is None:
        return
    yield from activation(gradient)
    yield "the upstream gradient's sign is flipped", -gradient.reference
    if here + 2 < len(layers) and isinstance(layers[here + 2][1], Dense):
        yield from _of_next(mismatch, here + 2, (name, layer))
        yield from _other_place(mismatch, here, layer)


def _gradient(mismatch: Mismatch, layer: str) -> Mismatch | None:
    """The gradient with respect to a later layer's input, as if it were what is looked at."""
    name = f"grad/{layer}.input"
    reference = mismatch.given.get(name)
    return None if reference is None else replace(mismatch, name=name, subject=reference, reference=reference)


def _of_loss(mismatch: Mismatch, act: tuple[str, Layer] | None) -> Iterator[Explained]:
    """Another gradient of the loss, through the activation before it if there is one."""
    reference = mismatch.given.get("grad/loss.input")
    if reference is None:
        return
    for text, da in loss(replace(mismatch, name="grad/loss.input", subject=reference, reference=reference)):
        if da.shape == reference.shape:
            yield text, da if act is None else _through(mismatch, act, da)


def _of_next(mismatch: Mismatch, index: int, act: tuple[str, Layer] | None) -> Iterator[Explained]:
    """A mistake in what the next dense layer hands back: its weights, or what lies behind it."""
    layers = mismatch.case.architecture.layers
    name, dense = layers[index]
    at = replace(mismatch, name=f"grad/{name}.input")
    known, w = at.passed(), at.params["W"]
    if known is None or not isinstance(dense, Dense):
        return
    dy = known[1]
    handed = []
    if w.shape[0] == w.shape[1]:
        handed.append((f"the weights of {name} are not transposed on the way back", dy @ w))
        handed.append((f"the weights of {name} are not multiplied in on the way back", dy))
    if dy.shape[1] == 1:
        handed.append(
            (f"the weights of {name} are not multiplied in on the way back", np.repeat(dy, w.shape[0], axis=1))
        )
    handed.append((f"the absolute weights of {name} are used on the way back", dy @ np.abs(w).T))
    behind_it = layers[index + 1 : index + 2]
    if behind_it and not isinstance(behind_it[0][1], Dense):
        # dA of the activation after it: what comes back when that activation's derivative is forgotten.
        da = replace(mismatch, name=f"grad/{behind_it[0][0]}.input").passed()
        if da is not None and da[1].shape == dy.shape:
            text = f"the derivative of {name}'s activation is left out on the way back"
            handed.append((text, da[1] @ w.T))
            a = mismatch.given.get(f"forward/{behind_it[0][0]}")
            error = mismatch.plan.batches[0].target
            if a is not None and error is not None and index + 2 == len(layers) and a.shape == error.shape:
                handed.append((f"the plain error a - y is handed back through {name}", (a - error) / mismatch.m @ w.T))
    for text, da_here in handed:
        yield text, da_here if act is None else _through(mismatch, act, da_here)


def _other_place(mismatch: Mismatch, here: int, layer: Layer) -> Iterator[Explained]:
    """The derivative of this layer's activation, taken at another layer's values."""
    layers = mismatch.case.architecture.layers
    name = layers[here + 1][0]
    da = replace(mismatch, name=f"grad/{name}.input").passed()
    if da is None or isinstance(layer, Softmax):
        return
    for other, value in mismatch.given.items():
        if not other.startswith("forward/") or other == f"forward/{mismatch.layer}":
            continue
        if value.ndim == 2 and len(value) == len(da[1]) and value.shape[1] in (1, da[1].shape[1]):
            slope, _ = _backward(layer, value, np.ones_like(value))
            yield (
                f"the derivative of the activation is taken at the output of {other.removeprefix('forward/')}",
                da[1] * slope,
            )
    x = mismatch.plan.batches[0].x
    if x.shape == da[1].shape:
        yield "the derivative of the activation is taken at the input", da[1] * _backward(layer, x, np.ones_like(x))[0]


def _updated_first(mismatch: Mismatch, x: Array) -> Iterator[Explained]:
    """The next layer's weights were updated before they handed the gradient back."""
    layers = list(mismatch.case.architecture.layers)
    here = [name for name, _ in layers].index(mismatch.layer)
    later = [i for i in range(here + 1, len(layers)) if isinstance(layers[i][1], Dense)]
    if not later:
        return
    name = layers[later[0]][0]
    dw = mismatch.given.get(f"grad/{name}.W")
    known = replace(mismatch, name=f"grad/{name}.input").passed()
    if dw is None or known is None:
        return
    change = known[1] @ dw.T
    if later[0] == here + 2:
        change = _through(mismatch, layers[here + 1], change)
    moved = x.T @ change if mismatch.leaf == "W" else change.sum(axis=0)
    weight = float(np.vdot(moved, moved))
    if weight > 0 and moved.size > 2:
        rate = -float(np.vdot(mismatch.subject - mismatch.reference, moved)) / weight
        yield (
            f"{name} was updated before its weights were used to go back: W - {rate:.4g} dW",
            mismatch.reference - rate * moved,
        )


def _through(mismatch: Mismatch, act: tuple[str, Layer], da: Array) -> Array:
    """Back through an activation, at the reference's input to it."""
    name, layer = act
    known = replace(mismatch, name=f"forward/{name}").input()
    assert known is not None
    return _backward(layer, known, da)[0]


def _backward(layer: Layer, z: Array, da: Array) -> tuple[Array, dict[str, Array]]:
    state = LayerState()
    _, cache = layer.forward(z, state)
    return layer.backward(da, state, cache)
