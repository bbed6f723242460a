"""Causes in convolution and transposed convolution: kernels, strides, padding and overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.diagnosis.dense import of_bias
from comparisons.diagnosis.mismatch import Array, Explained, Mismatch, off_by, parts
from scratch import Conv2D, Conv2DTranspose
from scratch.windows import Windows

LARGE = 10**6
"""From this many elements on, windows are not slid again."""


@dataclass(frozen=True)
class Slide:
    """A kernel that slides: padded size of the images, number of positions, groups."""

    windows: Windows
    padded: tuple[int, int]
    positions: tuple[int, int]
    groups: int = 1

    def gather(self, padded: Array, w: Array) -> Array:
        """sum_ij (what (i, j) meets) w_ij."""
        out = np.zeros((len(padded), *self.positions, w.shape[3]))
        for i, j, seen in self.windows.elements(padded, self.positions):
            out += _product(seen, w[i, j], self.groups)
        return out

    def scatter(self, dz: Array, w: Array, overwrite: str = "") -> Array:
        """The gather's backward pass; `overwrite` assigns where it should add, kernel element by element or window by window.

        Windows come row by row, or column by column: `windows, columns first`.
        """
        out = np.zeros((len(dz), *self.padded, w.shape[2] * self.groups), dz.dtype)
        if overwrite.startswith("windows"):
            (sh, sw), (dh, dw), (eh, ew) = self.windows.stride, self.windows.dilation, self.windows.span
            order = list(np.ndindex(*self.positions))
            for r, q in sorted(order, key=lambda p: p[::-1]) if overwrite.endswith("columns first") else order:
                window = out[:, sh * r : sh * r + eh : dh, sw * q : sw * q + ew : dw]
                window[...] = np.stack(
                    [np.stack([_back(dz[:, r, q], w_ij, self.groups) for w_ij in row], 1) for row in w], 1
                )
            return out
        for i, j, target in self.windows.elements(out, self.positions):
            share = _back(dz, w[i, j], self.groups)
            if overwrite:
                target[...] = share
            else:
                target += share
        return out

    def weights(self, padded: Array, dz: Array) -> Array:
        """dW of each image: (m, kh, kw, c / groups, n_out)."""
        m, g = len(dz), self.groups
        grouped = dz.reshape(*dz.shape[:3], g, -1)
        kh, kw = self.windows.kernel
        dw = np.zeros((m, kh, kw, padded.shape[3] // g, dz.shape[3]))
        for i, j, seen in self.windows.elements(padded, self.positions):
            terms = np.einsum("mrqgc,mrqgo->mcgo", seen.reshape(*seen.shape[:3], g, -1), grouped)
            dw[:, i, j] = terms.reshape(m, -1, dz.shape[3])
        return dw


def _product(seen: Array, w: Array, groups: int) -> Array:
    grouped = seen.reshape(*seen.shape[:-1], groups, -1)
    out = np.einsum("...gc,cgo->...go", grouped, w.reshape(w.shape[0], groups, -1))
    return out.reshape(*seen.shape[:-1], -1)


def _back(dz: Array, w: Array, groups: int) -> Array:
    grouped = dz.reshape(*dz.shape[:-1], groups, -1)
    out = np.einsum("...go,cgo->...gc", grouped, w.reshape(w.shape[0], groups, -1))
    return out.reshape(*dz.shape[:-1], -1)


def _kernels(w: Array) -> Iterator[tuple[str, Array]]:
    if w.shape[0] * w.shape[1] > 1:
        yield "the kernel is flipped: turned by half a turn", w[::-1, ::-1]
        yield "the kernel is flipped upside down", w[::-1]
        yield "the kernel is flipped left to right", w[:, ::-1]
    if w.shape[0] == w.shape[1] > 1:
        yield "height and width of the kernel are swapped", w.swapaxes(0, 1)
    if w.shape[2] == w.shape[3]:
        yield "input and output channels of the kernel are swapped", w.swapaxes(2, 3)
    if w.shape[2] > 1:
        yield "the input channels of the kernel are in reverse (BGR for RGB)", w[:, :, ::-1]


def convolution(mismatch: Mismatch) -> Iterator[Explained]:
    """Kernels flipped, windows moved or overwritten, terms of dW and db left out."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if not isinstance(layer, Conv2D) or known is None or max(known[0].size, known[1].size) > LARGE:
        return
    (x, dy), w, windows = known, mismatch.params["W"], layer.windows
    padded = windows.padded(x)
    slide = Slide(windows, padded.shape[1:3], dy.shape[1:3], layer.groups)
    if mismatch.is_output:
        yield from _convolved(mismatch, slide, padded, w)
    elif mismatch.is_input_gradient:
        yield from _convolved_back(mismatch, slide, x, dy, w)
    elif mismatch.leaf == "W":
        terms = slide.weights(padded, dy)
        for told, kernel in _kernels(terms.sum(axis=0)):
            yield told.replace("the kernel", "dW").replace("of the kernel", "of dW"), kernel + mismatch.penalty
        yield from parts(mismatch, "example", terms)
        yield from _last_window(mismatch, slide, padded, dy)
        yield from _some_positions(mismatch, slide, padded, dy)
        for told, other in moves(slide):
            yield told, other.weights(room(other, padded), dy).sum(axis=0) + mismatch.penalty
        for told, moved in (*_shifted(windows, x, padded), *_filled(windows, x)):
            yield told, slide.weights(moved, dy).sum(axis=0) + mismatch.penalty
    elif mismatch.leaf == "b":
        yield from of_bias(mismatch, dy)
        yield "only the last position of the last example is counted: = for +=", dy[-1, -1, -1]
        yield "only the last position is counted: = for +=", dy[:, -1, -1].sum(axis=0)
        yield "only the first position is counted, the pixel (0, 0)", dy[:, 0, 0].sum(axis=0)
        for told, place in _LINES:
            yield f"only the {told} of positions is counted", dy[place].sum(axis=(0, 1))


_LINES: tuple[tuple[str, Any], ...] = (
    ("first row", np.s_[:, 0]),
    ("last row", np.s_[:, -1]),
    ("first column", np.s_[:, :, 0]),
    ("last column", np.s_[:, :, -1]),
)
"""What loops over positions begin or end with, and the index of it in (m, oh, ow, c)."""


def _some_positions(mismatch: Mismatch, slide: Slide, padded: Array, dy: Array) -> Iterator[Explained]:
    """dW of one line of positions alone, or of all but that."""
    whole = slide.weights(padded, dy).sum(axis=0) + mismatch.penalty
    for told, place in _LINES:
        rest = dy.copy()
        rest[place] = 0
        without = slide.weights(padded, rest).sum(axis=0) + mismatch.penalty
        yield f"only the {told} of positions is counted", whole - without + mismatch.penalty
        yield f"the {told} of positions is left out", without


def _last_window(mismatch: Mismatch, slide: Slide, padded: Array, dy: Array) -> Iterator[Explained]:
    """dW overwritten at every position instead of accumulated: what the last one gives is left, of all examples or of the last."""
    alone = np.zeros_like(dy)
    alone[:, -1, -1] = dy[:, -1, -1]
    terms = slide.weights(padded, alone)
    text = "overwritten instead of accumulated, = for +=: only the last window"
    yield f"{text} of the last example is counted", terms[-1] + mismatch.penalty
    yield f"{text} is counted", terms.sum(axis=0) + mismatch.penalty


def _convolved(mismatch: Mismatch, slide: Slide, padded: Array, w: Array) -> Iterator[Explained]:
    b = mismatch.params.get("b", 0.0)
    if "b" in mismatch.params:
        yield from off_by(mismatch, "the bias", b)
    for told, kernel in _kernels(w):
        yield told, slide.gather(padded, kernel) + b
    for told, other in moves(slide):
        yield told, other.gather(room(other, padded), w) + b
    x = slide.windows.cropped(padded, _unpadded(mismatch))
    for told, moved in _shifted(slide.windows, x, padded):
        yield told, slide.gather(moved, w) + b
    for told, filled in _filled(slide.windows, x):
        yield told, slide.gather(filled, w) + b
    yield from _channels(mismatch, slide, padded, w)


def _unpadded(mismatch: Mismatch) -> tuple[int, int]:
    x = mismatch.input()
    assert x is not None
    return x.shape[1], x.shape[2]


def _channels(mismatch: Mismatch, slide: Slide, padded: Array, w: Array) -> Iterator[Explained]:
    if slide.groups == 1 and 1 < padded.shape[3] <= 16:
        terms = [slide.gather(padded[..., c : c + 1], w[:, :, c : c + 1]) for c in range(padded.shape[3])]
        yield from parts(mismatch, "input channel", np.stack(terms))


def _convolved_back(mismatch: Mismatch, slide: Slide, x: Array, dy: Array, w: Array) -> Iterator[Explained]:
    windows, size = slide.windows, (x.shape[1], x.shape[2])
    for told, kernel in _kernels(w):
        if kernel.shape == w.shape:
            yield told + " in the backward pass", windows.cropped(slide.scatter(dy, kernel), size)
    text = "overwritten instead of accumulated where windows overlap"
    yield text, windows.cropped(slide.scatter(dy, w, "elements"), size)
    for order in ("windows", "windows, columns first"):
        yield text, windows.cropped(slide.scatter(dy, w, order), size)
        if slide.groups == 1 and w.shape[3] > 1:
            # With the filters in a loop of their own, within or around that of the windows, the last one stays.
            yield (
                "overwritten instead of accumulated: = for +=, over windows and filters",
                windows.cropped(slide.scatter(dy[..., -1:], w[..., -1:], order), size),
            )
    if slide.groups == 1 and w.shape[3] > 1:
        of_last = windows.cropped(slide.scatter(dy[..., -1:], w[..., -1:]), size)
        yield "only the last filter is counted: overwritten instead of accumulated, = for +=", of_last
    whole = slide.scatter(dy, w)
    for told, moved in _cut(windows, whole, size):
        yield told, moved
    for told, other in moves(slide):
        yield (
            told + " in the backward pass",
            windows.cropped(other.scatter(dy, w)[:, : slide.padded[0], : slide.padded[1]], size),
        )
    if slide.groups == 1 and 1 < w.shape[3] <= 16:
        filters = [slide.scatter(dy[..., o : o + 1], w[..., o : o + 1]) for o in range(w.shape[3])]
        yield from parts(
            mismatch,
            "filter",
            windows.cropped(np.stack(filters).reshape(-1, *whole.shape[1:]), size).reshape(len(filters), *x.shape),
        )
    for i, j in np.ndindex(*windows.kernel):
        alone = np.zeros_like(w)
        alone[i, j] = w[i, j]
        last = (i, j) == (windows.kernel[0] - 1, windows.kernel[1] - 1)
        yield (
            f"only {'the last element' if last else f'element ({i}, {j})'} of the kernel is counted",
            windows.cropped(slide.scatter(dy, alone), size),
        )


def moves(slide: Slide) -> Iterator[tuple[str, Slide]]:
    """The same positions, reached otherwise."""
    w = slide.windows
    others = {
        "the stride is ignored": replace(w, stride=(1, 1)),
        "the dilation is ignored": replace(w, dilation=(1, 1)),
        "the strides of height and width are swapped": replace(w, stride=w.stride[::-1]),
        "the dilations of height and width are swapped": replace(w, dilation=w.dilation[::-1]),
        "the stride is taken for the dilation": replace(w, dilation=w.stride),
        "the window's size is taken for the stride": replace(w, stride=w.kernel),
    }
    for told, other in others.items():
        if other != w:
            extent = tuple(
                max(n, (p - 1) * s + k)
                for n, p, s, k in zip(slide.padded, slide.positions, other.stride, other.span, strict=True)
            )
            yield told, Slide(other, (extent[0], extent[1]), slide.positions, slide.groups)


def room(slide: Slide, padded: Array) -> Array:
    """The images with zeros after them, so that every window lies within."""
    (high, wide), (h, w) = slide.padded, padded.shape[1:3]
    return padded if (high, wide) == (h, w) else np.pad(padded, ((0, 0), (0, high - h), (0, wide - w), (0, 0)))


def _shifted(windows: Windows, x: Array, padded: Array) -> Iterator[tuple[str, Array]]:
    """The images elsewhere within their zeros."""
    (h, w), (high, wide) = x.shape[1:3], padded.shape[1:3]
    (top, _), (left, _) = windows.pads((h, w))
    for t in range(high - h + 1):
        for q in range(wide - w + 1):
            if (t, q) != (top, left):
                moved = np.zeros_like(padded)
                moved[:, t : t + h, q : q + w] = x
                yield f"the padding is shifted: {t} rows before and {q} columns before, for {top} and {left}", moved


def _filled(windows: Windows, x: Array) -> Iterator[tuple[str, Array]]:
    """The images with something else than zeros around them."""
    (top, bottom), (left, right) = windows.pads(x.shape[1:3])
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    if not top + bottom + left + right or max(top, bottom) >= x.shape[1] or max(left, right) >= x.shape[2]:
        return
    yield "the border is repeated, not padded with zeros", np.pad(x, around, mode="edge")
    yield "the images are mirrored at the border, not padded with zeros", np.pad(x, around, mode="reflect")
    yield "the images are mirrored with their border, not padded with zeros", np.pad(x, around, mode="symmetric")
    yield "the opposite border follows, not zeros", np.pad(x, around, mode="wrap")
    yield "padded with ones, not zeros", np.pad(x, around, constant_values=1.0)


def _cut(windows: Windows, whole: Array, size: tuple[int, int]) -> Iterator[Explained]:
    (top, _), (left, _) = windows.pads(size)
    high, wide = whole.shape[1:3]
    for t in range(high - size[0] + 1):
        for q in range(wide - size[1] + 1):
            if (t, q) != (top, left):
                text = f"shifted by the padding: cut off from ({t}, {q}), for ({top}, {left})"
                yield text, whole[:, t : t + size[0], q : q + size[1]]


def transposed_convolution(mismatch: Mismatch) -> Iterator[Explained]:
    """The same of the transposed convolution, where the forward pass scatters."""
    layer, known = mismatch.layer_object, mismatch.passed()
    if not isinstance(layer, Conv2DTranspose) or known is None or max(known[0].size, known[1].size) > LARGE:
        return
    (x, dy), w, windows = known, mismatch.params["W"], layer.windows
    size = (dy.shape[1], dy.shape[2])
    padded = windows.padded(dy)
    slide = Slide(windows, padded.shape[1:3], x.shape[1:3])
    if mismatch.is_output:
        b = mismatch.params.get("b", 0.0)
        if "b" in mismatch.params:
            yield from off_by(mismatch, "the bias", b)
        for told, kernel in _kernels(w):
            if kernel.shape == w.shape:
                yield told, windows.cropped(slide.scatter(x, kernel), size) + b
        for order in ("elements", "windows"):
            yield (
                "overwritten instead of accumulated where windows overlap",
                windows.cropped(slide.scatter(x, w, order), size) + b,
            )
        for told, other in moves(slide):
            yield told, windows.cropped(other.scatter(x, w)[:, : slide.padded[0], : slide.padded[1]], size) + b
        for told, moved in _cut(windows, slide.scatter(x, w), size):
            yield told, moved + b
    elif mismatch.is_input_gradient:
        for told, kernel in _kernels(w):
            yield told + " in the backward pass", slide.gather(padded, kernel)
        for i, j, seen in windows.elements(padded, x.shape[1:3]):
            last = (i, j) == (windows.kernel[0] - 1, windows.kernel[1] - 1)
            yield (
                f"only {'the last element' if last else f'element ({i}, {j})'} of the kernel is counted",
                seen @ w[i, j],
            )
        for told, other in moves(slide):
            yield told + " in the backward pass", other.gather(room(other, padded), w)
    elif mismatch.leaf == "W":
        terms = slide.weights(padded, x)
        for told, kernel in _kernels(terms.sum(axis=0)):
            yield told.replace("the kernel", "dW"), kernel + mismatch.penalty
        yield from parts(mismatch, "example", terms)
    elif mismatch.leaf == "b":
        yield from of_bias(mismatch, dy)
