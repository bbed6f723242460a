"""What may be wrong with the backward pass of an activation of any kind, where its derivative at every element is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Array = np.ndarray
NEAR = 1e-7
SHIFT = 2.0**-6


def is_elementwise(f: Callable[[Array], Array], x: Array) -> bool:
    """Whether an element of the output depends on the same one of the input, and on no other."""
    here = f(x)
    if here.shape != x.shape or x.size < 2:
        return False
    for place in (0, x.size // 2, x.size - 1):
        moved = x.copy()
        moved.ravel()[place] += SHIFT
        changed = np.flatnonzero((f(moved) != here).ravel())
        if not set(changed) <= {place}:
            return False
    return True


def explanations(
    x: Array, output: Array, upstream: Array, wanted: Array, claimed: Array
) -> Iterator[tuple[str, Array]]:
    """What is claimed by usual mistakes, with the mistake in words.

    Parameters
    ----------
    x, output : ndarray
        Of the forward pass.
    upstream : ndarray
    wanted, claimed : ndarray
        The gradient of the input, and what the code gives for it.
    """
    if claimed.shape != wanted.shape:
        return
    slope = wanted / upstream
    yield "the derivative alone: it is not multiplied by the upstream gradient", slope
    yield "the upstream gradient is divided by the derivative", upstream / np.where(slope, slope, 1.0)
    for side, where in ((x < 0, "below 0"), (x > 0, "above 0")):
        if not side.any() or side.all():
            continue
        more = slope[side] - output[side]
        if np.ptp(more) < NEAR * max(1.0, np.abs(more).max()) and abs(more[0]) > NEAR:
            text = f"where the input is {where}, the output is taken for the derivative, which is the output plus {more[0]:.4g}"
            yield text, np.where(side, upstream * output, wanted)
        yield (
            f"the upstream gradient goes through unchanged where the input is {where}",
            np.where(side, upstream, wanted),
        )
        yield f"0 where the input is {where}: nothing goes back there", np.where(side, 0.0, wanted)
        yield f"the sign is wrong where the input is {where}", np.where(side, -wanted, wanted)
    yield "the output is taken for the derivative", upstream * output
    for side, where in ((x < 0, "below 0"), (x > 0, "above 0")):
        if np.allclose(claimed[~side], wanted[~side], rtol=NEAR, atol=NEAR) and side.any():
            yield f"the derivative is wrong where the input is {where}, and only there", np.where(side, claimed, wanted)
