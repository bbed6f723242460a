"""Proof for hand-derived backprop: from-scratch NumPy networks against their PyTorch and TensorFlow/Keras twins.

The public names, imported when they are first used, so that `import backproof` costs nothing and needs no framework.

>>> import backproof
>>> tables = backproof.compare(backproof.Request(("layer/dense",)))
>>> tables.discrepancies[["tensor", "reference", "needed", "verdict"]]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comparisons.case import REGIMES, Case
    from comparisons.cases import all_cases, quick, select
    from comparisons.check.binding import layer, loss, optimizer
    from comparisons.check.judging import check
    from comparisons.check.matching import assert_matches
    from comparisons.errors import BackproofError
    from comparisons.networks import NETWORKS
    from comparisons.run import Request, compare
    from comparisons.weights_file import read_weights, write_weights
    from reference import CONVENTIONS, FRAMEWORKS, MODES, Convention, MissingFramework
    from reports import ReportError, RunTables, exit_code, read, write

_HOME = {
    "comparisons.case": ("REGIMES", "Case"),
    "comparisons.cases": ("all_cases", "quick", "select"),
    "comparisons.check.binding": ("layer", "loss", "optimizer"),
    "comparisons.check.judging": ("check",),
    "comparisons.check.matching": ("assert_matches",),
    "comparisons.errors": ("BackproofError",),
    "comparisons.networks": ("NETWORKS",),
    "comparisons.run": ("Request", "compare"),
    "comparisons.weights_file": ("read_weights", "write_weights"),
    "reference": ("CONVENTIONS", "FRAMEWORKS", "MODES", "Convention", "MissingFramework"),
    "reports": ("ReportError", "RunTables", "exit_code", "read", "write"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "CONVENTIONS",
    "FRAMEWORKS",
    "MODES",
    "NETWORKS",
    "REGIMES",
    "BackproofError",
    "Case",
    "Convention",
    "MissingFramework",
    "ReportError",
    "Request",
    "RunTables",
    "all_cases",
    "assert_matches",
    "check",
    "compare",
    "exit_code",
    "layer",
    "loss",
    "optimizer",
    "quick",
    "read",
    "read_weights",
    "select",
    "write",
    "write_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
