"""Which cases there are, and which of them a selection names."""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import replace

from comparisons.case import Case
from comparisons.cases_basic import basic_cases
from comparisons.cases_convolution import convolution_cases
from comparisons.cases_images import image_cases
from comparisons.cases_logistic import logistic_cases
from comparisons.cases_normalisation import normalisation_cases
from comparisons.cases_optimizers import more_optimizer_cases
from comparisons.cases_sequences import sequence_cases
from comparisons.cases_transfer import transfer_cases
from comparisons.errors import UnknownName

SUITES = ("layer", "loss", "optimizer", "network", "course", "training")


def all_cases(seed: int = 0) -> list[Case]:
    """Every case, in the order in which they run: suite by suite."""
    cases = [
        *basic_cases(),
        *convolution_cases(),
        *image_cases(),
        *logistic_cases(),
        *normalisation_cases(),
        *more_optimizer_cases(),
        *sequence_cases(),
        *transfer_cases(),
    ]
    return sorted((replace(case, seed=seed) for case in cases), key=lambda case: SUITES.index(case.suite))


def quick(cases: list[Case]) -> list[Case]:
    """One case of each kind of layer, loss, optimizer and network (`suite/what`): the first with several examples."""
    kept: dict[str, Case] = {}
    for case in cases:
        what = "/".join(case.id.split("/")[:2])
        if not case.slow and not case.data and (max(case.batches) > 1 or case.recorded_gradients):
            kept.setdefault(what, case)
    return list(kept.values())


def select(cases: list[Case], selection: tuple[str, ...]) -> list[Case]:
    """The cases that a selection names: whole ids, their leading parts (`layer/dense`) or patterns (`*/batch1`).

    Without a selection: all but the slow ones.

    Raises
    ------
    UnknownName
        If a part of the selection names no case; the message offers the closest ids.
    """
    if not selection:
        return [case for case in cases if not case.slow]
    chosen: set[str] = set()
    for pattern in selection:
        stem = pattern.rstrip("/")
        found = {
            c.id for c in cases if c.id == stem or c.id.startswith(stem + "/") or fnmatch.fnmatchcase(c.id, pattern)
        }
        if not found:
            known = {c.id for c in cases} | {c.id.rpartition("/")[0] for c in cases} | {c.suite for c in cases}
            near = difflib.get_close_matches(stem, sorted(known), n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(near)}?" if near else "`backproof list` shows all cases"
            raise UnknownName(f"no case is named {pattern!r}; {hint}")
        chosen |= found
    return [c for c in cases if c.id in chosen]
