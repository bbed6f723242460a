"""Causes in pooling and flattening: what is taken of a window, who gets the gradient, overlaps and ties."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from comparisons.diagnosis.mismatch import Array, Explained, Mismatch
from comparisons.diagnosis.windows import LARGE, Slide, moves, room
from scratch import AveragePool2D, Flatten, GlobalAveragePool2D, GlobalMaxPool2D, MaxPool2D
from scratch.windows import Windows


def pooling(mismatch: Mismatch) -> Iterator[Explained]:
    """Another number taken from each window, or the gradient given to other elements."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if known is None or max(known[0].size, known[1].size) > LARGE:
        return
    x, dy = known
    if isinstance(layer, Flatten):
        yield from _flatten(mismatch, x, dy)
    if isinstance(layer, GlobalMaxPool2D | GlobalAveragePool2D):
        yield from _global(mismatch, layer, x, dy)
    if isinstance(layer, MaxPool2D | AveragePool2D):
        yield from _windowed(mismatch, layer, x, dy)


def _global(
    mismatch: Mismatch, layer: GlobalMaxPool2D | GlobalAveragePool2D, x: Array, dy: Array
) -> Iterator[Explained]:
    """A window as large as the images, and what only there can be done."""
    if mismatch.is_output:
        kind = "maximum" if isinstance(layer, GlobalMaxPool2D) else "average"
        yield f"the sum, not the {kind}, of the pixels", x.sum(axis=(1, 2))
        for told, axes in (("the channels too", (1, 2, 3)), ("the examples too", (0, 1, 2)), ("everything", None)):
            over = x.max(axis=axes, keepdims=True) if kind == "maximum" else x.mean(axis=axes, keepdims=True)
            yield f"the {kind} over {told}", np.broadcast_to(over, (len(x), 1, 1, x.shape[3]))[:, 0, 0]
    pool = MaxPool2D if isinstance(layer, GlobalMaxPool2D) else AveragePool2D
    for told, expected in _windowed(mismatch, pool((x.shape[1], x.shape[2])), x, dy[:, None, None]):
        told = told.replace("each window", "each channel").replace("the window", "the image")
        yield told, expected.reshape(mismatch.reference.shape) if mismatch.is_output else expected


def _windowed(mismatch: Mismatch, layer: MaxPool2D | AveragePool2D, x: Array, dy: Array) -> Iterator[Explained]:
    windows, positions = layer.windows, (dy.shape[1], dy.shape[2])
    seen = np.stack([e for _, _, e in windows.elements(x, positions)])
    if mismatch.is_output:
        maximum = isinstance(layer, MaxPool2D)
        yield "the minimum of each window", seen.min(axis=0)
        yield (
            "the average of each window, not its maximum" if maximum else "the maximum of each window, not its average",
            (seen.mean(axis=0) if maximum else seen.max(axis=0)),
        )
        yield "the element of the largest magnitude", np.take_along_axis(seen, np.abs(seen).argmax(axis=0)[None], 0)[0]
        yield "the largest magnitude of each window", np.abs(seen).max(axis=0)
        yield "the first element of each window", seen[0]
        yield "the last element of each window", seen[-1]
        for told, other in moves(Slide(windows, x.shape[1:3], positions)):
            wide = room(other, x)
            moved = np.stack([e for _, _, e in other.windows.elements(wide, positions)])
            yield told, moved.max(axis=0) if maximum else moved.mean(axis=0)
    elif mismatch.is_input_gradient:
        for told, shares in _shares(layer, seen, dy):
            yield told, _spread(windows, x, shares, positions)
        right = next(iter(_right_shares(layer, seen, dy)))
        for told in ("elements", "windows"):
            text = "overwritten instead of accumulated where windows overlap"
            yield text, _spread(windows, x, right, positions, told)
        for told, other in moves(Slide(windows, x.shape[1:3], positions)):
            moved = _spread(other.windows, room(other, x), right, positions)
            yield told + " in the backward pass", moved[:, : x.shape[1], : x.shape[2]]


def _right_shares(layer: MaxPool2D | AveragePool2D, seen: Array, dy: Array) -> Iterator[Array]:
    if isinstance(layer, AveragePool2D):
        yield np.broadcast_to(dy / len(seen), seen.shape)
        return
    yield dy * (np.arange(len(seen)).reshape(-1, 1, 1, 1, 1) == seen.argmax(axis=0))


def _shares(layer: MaxPool2D | AveragePool2D, seen: Array, dy: Array) -> Iterator[Explained]:
    """What each element of a window gets of the window's gradient, (kh kw, m, oh, ow, c)."""
    n = len(seen)
    place, ties = np.arange(n).reshape(-1, 1, 1, 1, 1), seen == seen.max(axis=0)
    if isinstance(layer, MaxPool2D):
        yield "every one of equal elements gets the gradient: the mask x == max", dy * ties
        yield "the gradient is shared between equal elements", dy * ties / ties.sum(axis=0)
        last = n - 1 - seen[::-1].argmax(axis=0)
        yield "the last of equal elements gets the gradient, not the first", dy * (place == last)
        yield "the gradient is spread over the window, as in average pooling", np.broadcast_to(dy / n, seen.shape)
        yield "every element of the window gets the gradient", np.broadcast_to(dy, seen.shape)
        yield "the gradient is multiplied by the maximum", dy * ties * seen
    else:
        yield (
            "the largest element of the window gets the gradient, as in maximum pooling",
            dy * (place == seen.argmax(axis=0)),
        )
    for k, told in ((0, "first"), (n - 1, "last")):
        yield f"the {told} element of the window gets the gradient", dy * (place == k)
        yield f"only the {told} element of the window gets its share", dy / n * (place == k)


def _spread(windows: Windows, x: Array, shares: Array, positions: tuple[int, int], overwrite: str = "") -> Array:
    dx = np.zeros(x.shape, shares.dtype)
    if overwrite == "windows":
        (sh, sw), (kh, kw) = windows.stride, windows.kernel
        for r, q in np.ndindex(*positions):
            window = dx[:, sh * r : sh * r + kh, sw * q : sw * q + kw]
            window[...] = np.moveaxis(shares[:, :, r, q].reshape(kh, kw, len(x), -1), 2, 0)
        return dx
    for share, (_, _, target) in zip(shares, windows.elements(dx, positions), strict=True):
        if overwrite:
            np.copyto(target, share, where=share != 0)
        else:
            target += share
    return dx


def _flatten(mismatch: Mismatch, x: Array, dy: Array) -> Iterator[Explained]:
    if mismatch.is_output:
        if x.ndim == 4:
            yield "channels first, as torch keeps images", x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            yield "height and width are swapped", x.swapaxes(1, 2).reshape(len(x), -1)
        yield "in Fortran order: filled column by column", x.reshape(len(x), -1, order="F")
        yield "pixels of different examples are mixed: the batch is the last axis", x.reshape(-1, len(x)).T
    elif mismatch.is_input_gradient:
        if x.ndim == 4:
            m, h, w, c = x.shape
            yield "channels first, as torch keeps images", dy.reshape(m, c, h, w).transpose(0, 2, 3, 1)
            yield "height and width are swapped", dy.reshape(m, w, h, c).swapaxes(1, 2)
        yield "put back in Fortran order: column by column", dy.reshape(x.shape, order="F")
