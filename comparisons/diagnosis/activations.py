"""Causes in activation functions: another function's derivative, or the right one at the wrong place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from comparisons.diagnosis.mismatch import FEW, Array, Explained, Mismatch, combination, off_by
from scratch import Layer, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(z / 2))


def activation(mismatch: Mismatch) -> Iterator[Explained]:
    """A wrong function or derivative of an elementwise activation, or of softmax."""
    known, layer = mismatch.passed(), mismatch.layer_object
    a = mismatch.given.get(f"forward/{mismatch.layer}")
    if known is None or a is None or not isinstance(layer, Sigmoid | Tanh | ReLU | LeakyReLU | Softmax):
        return
    z, da = known
    if mismatch.is_output:
        yield from _function(mismatch, layer, z)
        return
    if not mismatch.is_input_gradient:
        return
    yield "the derivative of the activation is left out", da
    yield "the upstream gradient is not multiplied in: the derivative alone", _derivative(layer, z, a)
    if isinstance(layer, Softmax):
        yield from _softmax(mismatch, z, a, da)
        return
    slopes: dict[type[Layer], Callable[[Any, Array, Array, Array], Iterator[Explained]]] = {
        Sigmoid: _of_sigmoid,
        Tanh: _of_tanh,
        ReLU: _of_relu,
        LeakyReLU: _of_leaky,
    }
    for text, slope in slopes[type(layer)](layer, z, a, da):
        yield text, da * slope
    if isinstance(layer, LeakyReLU):
        alone = np.where(z > 0, da, layer.slope)
        yield "the upstream gradient is not multiplied in left of 0", alone
        yield "the upstream gradient is not multiplied in right of 0", np.where(z > 0, 1.0, layer.slope * da)
    if not isinstance(layer, Sigmoid | Tanh):
        yield from _threshold(mismatch, z, da, getattr(layer, "slope", 0.0))
    yield "the activation itself is multiplied in, not its derivative", da * a
    yield "the input z is multiplied in, not the derivative", da * z
    yield "the derivative is multiplied in twice", mismatch.reference * _derivative(layer, z, a)


def _function(mismatch: Mismatch, layer: Layer, z: Array) -> Iterator[Explained]:
    functions: dict[str, Callable[[Array], Array]] = {
        "sigmoid": _sigmoid,
        "tanh": np.tanh,
        "ReLU": lambda v: np.maximum(v, 0),
        "softplus": lambda v: np.logaddexp(0, v),
    }
    names: dict[type[Layer], str] = {Sigmoid: "sigmoid", Tanh: "tanh", ReLU: "ReLU"}
    kind = names.get(type(layer), "")
    yield "the activation is left out: z itself", z
    for name, function in functions.items():
        if name != kind:
            yield f"{name} is used for {kind or type(layer).__name__}", function(z)
    if kind:
        yield f"{kind} is applied twice", functions[kind](functions[kind](z))
        yield f"{kind} of -z: the sign in it is wrong", functions[kind](-z)
    if isinstance(layer, Sigmoid | Tanh):
        low, high = mismatch.subject.min(), mismatch.subject.max()
        yield f"cut to [{low:.6g}, {high:.6g}]", mismatch.reference.clip(low, high)
    if isinstance(layer, Tanh):
        yield "LeCun's 1.7159 tanh(2/3 z) is used for tanh", 1.7159 * np.tanh(2 / 3 * z)
    if isinstance(layer, LeakyReLU):
        yield "max(z, slope) for max(z, slope z)", np.maximum(z, layer.slope)
        for slope in (0.01, 0.2, 0.3, 0.1):
            yield f"slope {slope} is used for {layer.slope}", np.where(z > 0, z, slope * z)
        yield "the sides of 0 are swapped", np.where(z < 0, z, layer.slope * z)
    if isinstance(layer, ReLU | LeakyReLU):
        yield from _bent(mismatch, z)
    if isinstance(layer, Softmax):
        e = np.exp(z - z.max())
        yield "normalised over the examples: the sum is taken along the wrong axis", e / e.sum(axis=0, keepdims=True)
        rows = np.exp(z - z.max(axis=-1, keepdims=True))
        yield (
            "normalised over the examples, by the sum of the shifted exponentials",
            rows / rows.sum(axis=0, keepdims=True),
        )
        yield "normalised over the whole batch", rows / rows.sum()
        yield "normalised over the whole batch, of exponentials", e / e.sum()
        yield "not normalised: the exponentials alone", rows
        yield "not normalised: the exponentials alone", np.exp(z)
        yield "the logarithm of softmax", np.log(rows / rows.sum(axis=-1, keepdims=True))
        yield from _temperature(mismatch, z)


def _temperature(mismatch: Mismatch, z: Array) -> Iterator[Explained]:
    """The softmax of a multiple of z: its logarithms, but for their mean, are that multiple."""
    if (mismatch.subject <= 0).any():
        return
    logs = np.log(mismatch.subject)
    logs, centred = (a - a.mean(axis=-1, keepdims=True) for a in (logs, z))
    square = float(np.vdot(centred, centred))
    if np.count_nonzero(centred) >= FEW and square > 0:
        k = float(np.vdot(logs, centred)) / square
        yield f"softmax of {k:.6g} z", _softmax_of(k * z)


def _bent(mismatch: Mismatch, z: Array) -> Iterator[Explained]:
    """Two straight pieces that meet at 0, or z cut off from below, with other numbers."""
    s, low = mismatch.subject, z < 0
    if low.sum() >= FEW and (~low).sum() >= FEW:
        left = float(np.vdot(s[low], z[low]) / np.vdot(z[low], z[low]))
        right = float(np.vdot(s[~low], z[~low]) / (np.vdot(z[~low], z[~low]) or 1.0))
        yield f"{left:.6g} z left of 0 and {right:.6g} z right of it", np.where(low, left, right) * z
    yield f"max(z, {s.min():.6g})", np.maximum(z, s.min())
    yield f"cut off at {s.max():.6g} from above", np.minimum(mismatch.reference, s.max())


def _threshold(mismatch: Mismatch, z: Array, da: Array, slope: float) -> Iterator[Explained]:
    """The derivative jumps at another place than 0."""
    below = np.abs(mismatch.subject - slope * da) <= mismatch.tolerance
    if not below.any() or below.all():
        return
    highest, lowest = z[below].max(), z[~below].min()
    if highest < lowest:
        text = f"the derivative jumps at some z between {highest:.3g} and {lowest:.3g}, not at 0"
        yield text, np.where(z > highest, da, slope * da)


def _derivative(layer: object, z: Array, a: Array) -> Array:
    if isinstance(layer, Sigmoid | Softmax):
        return a * (1 - a)
    if isinstance(layer, Tanh):
        return 1 - a**2
    return np.where(z > 0, 1.0, getattr(layer, "slope", 0.0))


def _of_sigmoid(layer: object, z: Array, a: Array, da: Array) -> Iterator[Explained]:
    again = _sigmoid(a)
    yield "sigmoid is applied twice: the derivative is taken at a instead of z", again * (1 - again)
    yield "z (1 - z) is used for a (1 - a): the derivative is taken at z", z * (1 - z)
    yield "tanh's derivative 1 - a^2 is used for sigmoid's", 1 - a**2
    yield "a (1 + a) is used for a (1 - a)", a * (1 + a)
    yield "1 - a is used for a (1 - a)", 1 - a
    yield "a (a - 1) is used for a (1 - a)", a * (a - 1)
    yield "a (1 - z) is used for a (1 - a): z is used for a", a * (1 - z)
    yield "z (1 - a) is used for a (1 - a): z is used for a", z * (1 - a)
    yield "a^2 (1 - a) is used for a (1 - a)", a**2 * (1 - a)
    yield "ReLU's derivative is used for sigmoid's", (z > 0) * 1.0


def _of_tanh(layer: object, z: Array, a: Array, da: Array) -> Iterator[Explained]:
    yield "(1 - a)^2 is used for 1 - a^2", (1 - a) ** 2
    yield "1 - z^2 is used for 1 - a^2: the derivative is taken at z, not at a", 1 - z**2
    yield "1 + a^2 is used for 1 - a^2", 1 + a**2
    yield "1 - a is used for 1 - a^2: the square is missing", 1 - a
    yield "sigmoid's derivative a (1 - a) is used for tanh's", a * (1 - a)
    yield "tanh is applied twice: the derivative is taken at a instead of z", 1 - np.tanh(a) ** 2
    yield "a^2 - 1 is used for 1 - a^2", a**2 - 1
    yield "1 - 2 a is used for 1 - a^2", 1 - 2 * a
    yield "ReLU's derivative is used for tanh's", (z > 0) * 1.0


def _of_relu(layer: object, z: Array, a: Array, da: Array) -> Iterator[Explained]:
    yield "the gradient is let through where the upstream gradient is positive, not where z is", (da > 0) * 1.0
    yield "let through where both z and the upstream gradient are positive", ((da > 0) & (z > 0)) * 1.0
    yield "the derivative at 0 itself is taken for 1; it is 0", (z >= 0) * 1.0
    yield "the sides of 0 are swapped: let through where z < 0", (z < 0) * 1.0
    yield "the sides of 0 are swapped: let through where z <= 0", (z <= 0) * 1.0
    yield "the activation itself is multiplied in, not its derivative", a
    yield "sign(z) is used for ReLU's derivative", np.sign(z)
    for slope in (0.01, 0.1, 0.2, 0.3):
        yield f"leaky ReLU's derivative, slope {slope}, is used for ReLU's", np.where(z > 0, 1.0, slope)


def _of_leaky(layer: LeakyReLU, z: Array, a: Array, da: Array) -> Iterator[Explained]:
    yield "ReLU's derivative is used for leaky ReLU's: the slope left of 0 is missing", (z > 0) * 1.0
    yield "the sides of 0 are swapped", np.where(z < 0, 1.0, layer.slope)
    yield "the derivative at 0 itself is taken for 1; it is the slope", np.where(z >= 0, 1.0, layer.slope)
    yield "the slope has the wrong sign", np.where(z > 0, 1.0, -layer.slope)
    for slope in (0.01, 0.1, 0.2, 0.3):
        yield f"slope {slope} is used for {layer.slope}", np.where(z > 0, 1.0, slope)
    yield "decided by the upstream gradient's sign, not by z's", np.where(da > 0, 1.0, layer.slope)


def _softmax(mismatch: Mismatch, z: Array, a: Array, da: Array) -> Iterator[Explained]:
    together = (da * a).sum(axis=-1, keepdims=True)
    yield "only the diagonal of softmax's Jacobian: a (1 - a) da", da * a * (1 - a)
    yield from off_by(mismatch, "the sum over the classes, a (a . da),", -a * together)
    yield "the sum of a da is taken over the examples", a * (da - (da * a).sum(axis=0, keepdims=True))
    yield "the sum of a da is taken over the whole batch", a * (da - (da * a).sum())
    yield "a is not multiplied in: da - a . da", da - together
    yield "the sum of da, not of a da", a * (da - da.sum(axis=-1, keepdims=True))
    off = a[..., :, None] * a[..., None, :]
    yield (
        "the Jacobian has the wrong sign off the diagonal",
        da * a * (1 - a) + (off @ da[..., None])[..., 0] - a**2 * da,
    )
    yield "the derivative is taken at a: softmax is applied twice", _jacobian(_softmax_of(a), da)
    yield "the Jacobian is taken at z", _jacobian(z, da)


def _softmax_of(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _jacobian(a: Array, da: Array) -> Array:
    return a * (da - (da * a).sum(axis=-1, keepdims=True))


def activation_combination(mismatch: Mismatch) -> Iterator[Explained]:
    """Another polynomial of a or z in the place of a sigmoid's or tanh's derivative, or of a in softmax's."""
    known, layer, a = mismatch.passed(), mismatch.layer_object, mismatch.given.get(f"forward/{mismatch.layer}")
    if known is None or a is None or not mismatch.is_input_gradient:
        return
    z, da = known
    if isinstance(layer, Softmax):
        terms = {"a da": a * da, "a^2 da": a**2 * da, "a (a . da)": a * (a * da).sum(axis=-1, keepdims=True)}
        yield from combination(mismatch, "for a da - a (a . da) stands", terms)
    if not isinstance(layer, Sigmoid | Tanh):
        return
    told = f"for {'a (1 - a)' if isinstance(layer, Sigmoid) else '1 - a^2'} stands"
    yield from combination(mismatch, told, {"1": da, "a": da * a, "a^2": da * a**2})
    yield from combination(mismatch, told, {"1": da, "z": da * z, "z^2": da * z**2})
