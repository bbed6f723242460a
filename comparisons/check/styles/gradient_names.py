"""Which of the arrays that come back is the gradient of which parameter, where names tell more than shapes."""

from __future__ import annotations

import itertools
import re

import numpy as np

from comparisons.check.styles.network_access import match_gradients

Array = np.ndarray
_CALCULATED = re.compile(r"[@*+/]|\w\(|^-")
"""Shows that what stands in a `return` is no name."""


def matched(parameters: dict[str, Array], found: dict[str, Array]) -> dict[str, Array]:
    """Gradients by parameter: those under the very names of parameters, as in a dictionary beside theirs, then as the others."""
    named = {last_name(p): a for p, a in found.items() if not _CALCULATED.search(p)}
    direct = {
        n: g for n, a in parameters.items() if (g := named.get(last_name(n))) is not None and g.shape == np.shape(a)
    }
    left = {p: a for p, a in found.items() if not any(a is d for d in direct.values())}
    for place, g in [(p, a) for p, a in left.items() if not _CALCULATED.search(p)]:
        alike = {n: _shared(place, n) for n, a in parameters.items() if n not in direct and g.shape == np.shape(a)}
        best = max(alike.values(), default=0)
        if len(alike) > 1 and best > 1 and sum(shared == best for shared in alike.values()) == 1:
            direct[max(alike, key=lambda n: alike[n])] = left.pop(place)
    left = {f"number {i}" if _CALCULATED.search(p) else p: a for i, (p, a) in enumerate(left.items())}
    return direct | match_gradients({n: a for n, a in parameters.items() if n not in direct}, left)


def _shared(place: str, name: str) -> int:
    """Letters with which a gradient's name and a parameter's begin alike: `gradIn` and `inputVectors`."""
    bare = re.sub(r"^(grad(ient)?s?_?|d_?|delta_?)|_?grad(ient)?$", "", last_name(place), flags=re.IGNORECASE)
    pairs = zip(bare.lower().replace("_", ""), last_name(name).lower().replace("_", ""), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def last_name(place: str) -> str:
    """The last name of a place: `W1` of `params['W1']`."""
    return (re.findall(r"\w+", place) or [place])[-1]
