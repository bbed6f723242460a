"""A forward and a backward function that belong together: finding them by name, calling them one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.calling import Aliases, bound, gradients, plain
from comparisons.check.recipes import Free
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
OUT: Aliases = {"x": ("z", "x", "input"), "out": ("a", "out", "output", "y", "s", "activation", "aout", "activations")}
"""In a backward function A is what the forward function returned."""


@dataclass(frozen=True)
class Pair:
    """Names of the two functions; one of them may be missing."""

    forward: str
    backward: str

    @property
    def name(self) -> str:
        """What the pair is known by."""
        return self.forward or self.backward

    @property
    def members(self) -> tuple[str, ...]:
        """The functions that there are."""
        return tuple(n for n in (self.forward, self.backward) if n)


def pairs(free: Free, bases: tuple[str, ...]) -> Iterator[Pair]:
    """Functions called `<base>_forward` and `<base>_backward`, with any ending and in any spelling.

    A backward function with an ending of its own (`batchnorm_backward_alt`) goes with the plain forward function.
    """
    found: dict[str, dict[tuple[str, str], str]] = {"forward": {}, "backward": {}}
    for name in free:
        for way in found:
            match = _named(plain(name).replace(".", ""), bases, way)
            if match:
                found[way][match] = name
    used = set()
    for (base, ending), backward in found["backward"].items():
        forward = found["forward"].get((base, ending)) or _unended(found["forward"], base)
        used.add(forward)
        yield Pair(forward or "", backward)
    for forward in found["forward"].values():
        if forward not in used:
            yield Pair(forward, "")


def _named(name: str, bases: tuple[str, ...], way: str) -> tuple[str, str] | None:
    short = {"forward": "(?:forward|fwd|fprop|fp)", "backward": "(?:backward|bwd|bprop|backprop|bp)"}[way]
    base = "|".join(bases)
    match = re.fullmatch(f"({base})(?:layer)?{short}(prop|propagation|pass|layer)?(.*)", name)
    if match:
        return match[1], match[3]
    match = re.fullmatch(f"{short}({base})(.*)", name)
    return (match[1], match[2]) if match else None


def _unended(forwards: dict[tuple[str, str], str], base: str) -> str:
    fits = [name for (b, _), name in forwards.items() if b == base]
    return forwards.get((base, ""), "") or (fits[0] if fits else "")


def run_pair(
    file: UserFile,
    pair: Pair,
    roles: Mapping[str, Any],
    upstream: Any,
    order: tuple[str, ...],
    cache: Any = None,
    aliases: Aliases | None = None,
    also: Mapping[str, Any] | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Forward, then backward.

    Parameters
    ----------
    file : UserFile
    pair : Pair
    roles : dict
        What the forward function may be given, in the documented order.
    upstream : object
        The gradient of the output; None for no backward pass.
    order : tuple of str
        Roles of what the backward function returns, in the documented order.
    cache : object
        What the backward function gets where there is no forward function, or none that returns a cache.
    aliases : dict, optional
        Names of the roles in this pair.
    also : dict, optional
        Further roles of the backward function.

    Returns
    -------
    output : object
        As the forward function returned it; None without one.
    grads : dict
        What the backward function returned, by role.
    """
    given = aliases or {}
    out = None
    if pair.forward:
        f = file.namespace[pair.forward]
        result = file.call(f, **bound(f, roles, given))
        out, found = split(result)
        cache = cache if found is None else found
    if not pair.backward or upstream is None:
        return out, {}
    f = file.namespace[pair.backward]
    offered = {"upstream": upstream, "cache": cache} | dict(also or {}) | dict(roles) | {"out": out}
    if cache is None:
        del offered["cache"]
    result = file.call(f, **bound(f, offered, {**OUT, **given}))
    if result is None:
        raise UserError(f"{pair.backward} returns nothing")
    found = gradients(f, result, order, given)
    if found and all(g is None for g in found.values()):
        note = f"{pair.backward} returns None: it is taken for unfinished"
        file.notes += [] if note in file.notes else [note]
        return out, {}
    return out, found


def split(result: Any) -> tuple[Any, Any]:
    """Output and cache; no cache where a single thing is returned."""
    if isinstance(result, tuple | list) and len(result) >= 2:
        return result[0], result[-1]
    return result, None
