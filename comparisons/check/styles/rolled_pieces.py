"""Which matrices and biases a vector of all parameters consists of: the arrays that a cost makes of it, found by their numbers.

`W1, b1, W2, b2 = unroll(theta)` or `Theta1 = params[:n].reshape(h, d)`: whatever way it is taken apart, the local variables of the
cost hold the numbers of the vector, so a gradient of the vector can be told piece by piece.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

from comparisons.check.differences import Derived
from comparisons.check.styles.network_access import found_arrays

Array = np.ndarray


@contextmanager
def _locals_of(path: str, function: str) -> Iterator[dict[str, Array]]:
    """Arrays among the local variables of a function, as they are when it first returns."""
    seen: dict[str, Array] = {}

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "return" and code.co_filename == path and code.co_name == function and not seen:
            own = {n: v for n, v in frame.f_locals.items() if n != "self"}
            seen.update({_plain(place): np.array(a) for place, a in found_arrays(own)})

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield seen
    finally:
        sys.setprofile(before)


def _plain(place: str) -> str:
    """`W1` for `['W1']`, and `Ws[0]` for `['Ws'][0]`."""
    name, _, rest = place.removeprefix("['").partition("']")
    return name + rest


def pieces(path: str, function: str, run: Callable[[], Any], vector: Array) -> dict[str, Array]:
    """Places in the vector of each array that it consists of, the last first, as gradients are; nothing if they do not make up the whole.

    Parameters
    ----------
    path : str
        Of the user's file.
    function : str
        Whose variables are looked at.
    run : callable
        Calls it with the vector.
    vector : ndarray of shape (n,)
        All numbers differ.
    """
    with _locals_of(path, function) as seen:
        run()
    at = {float(v): i for i, v in enumerate(vector)}
    places = {
        name: np.array([at[float(v)] for v in a.ravel()]).reshape(a.shape)
        for name, a in seen.items()
        if 0 < a.size < vector.size and all(float(v) in at for v in a.ravel())
    }
    # A name may be a loop's last: entries of lists are told by their numbers where the names do not make up the whole.
    named = {n: a for n, a in places.items() if "[" not in n}
    for some in (named, dict(sorted(places.items(), key=lambda item: "[" not in item[0]))):
        found = _disjoint(some)
        if len(found) > 1 and sum(a.size for a in found.values()) == vector.size:
            return dict(sorted(found.items(), key=lambda item: -int(item[1].min())))
    return {}


def _disjoint(places: dict[str, Array]) -> dict[str, Array]:
    """The largest that do not overlap."""
    found: dict[str, Array] = {}
    used: set[int] = set()
    for name, a in sorted(places.items(), key=lambda item: -item[1].size):
        own = set(a.ravel().tolist())
        if len(own) == a.size and not own & used:
            found[name] = a
            used |= own
    return found


def split(derived: Derived, into: dict[str, Array]) -> Iterable[Derived]:
    """The gradient of each piece; as it is where there are none, or where the gradient has another shape."""
    if not into or derived.subject.shape != derived.reference.shape or derived.subject.ndim != 1:
        return [derived]
    prefix = derived.tensor.rpartition(".")[0]
    return [
        replace(
            derived,
            tensor=f"{prefix}.{name}",
            subject=derived.subject[at],
            reference=derived.reference[at],
            kinks=derived.kinks[at],
            explanations=tuple((text, expected[at]) for text, expected in derived.explanations),
            whole=derived,
        )
        for name, at in into.items()
    ]
