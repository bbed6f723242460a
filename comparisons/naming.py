"""What the name of a tensor in a trace says: its phase, step and layer."""

from __future__ import annotations

import re
from typing import NamedTuple

_NAME = re.compile(r"(?:step(?P<step>\d+)/)?(?P<group>[a-z]+)(?:/(?P<owner>[^.]+)(?:\.(?P<rest>.+))?)?")
_PHASES = {
    "forward": "forward",
    "setting": "forward",
    "evaluation": "forward",
    "loss": "loss",
    "grad": "gradient",
    "param": "step",
    "state": "step",
    "buffer": "buffer",
    "trajectory": "trajectory",
}


class Place(NamedTuple):
    """Where a tensor belongs."""

    phase: str
    step: int
    layer: str


def place(name: str) -> Place:
    """Phase, step and layer of `step3/state/dense1.W.v` and its like."""
    match = _NAME.fullmatch(name)
    assert match, name
    group, owner = match["group"], match["owner"] or ""
    decisions = group == "evaluation" and owner in ("margin", "correct")
    phase = "trajectory" if decisions else _PHASES[group]
    of_layer = group != "trajectory" and not decisions and owner not in ("loss", "predictions")
    return Place(phase, int(match["step"] or 0), owner if of_layer else "")
