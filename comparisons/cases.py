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
from scratch import Residual

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
    """Of each family, one case with several examples, none that takes minutes, none on real data.

    A family is what the id names (`layer/conv`, `loss/hinge`, `optimizer/adam`, `course/deep`): its first such case. The
    networks are families by what one example is, and those with frozen layers are one: the one with the most kinds of layers.
    Where a kind of layer, loss, optimizer or regulariser has not come up then, the first case that holds it.
    """
    able = [c for c in cases if not c.slow and not c.data and (max(c.batches) > 1 or c.recorded_gradients)]
    kept: dict[tuple, Case] = {}
    for case in sorted(able, key=_layer_kinds, reverse=True):
        kept.setdefault(_family(case), case)
    chosen, met = list(kept.values()), set().union(*map(kinds, kept.values()))
    for case in able:
        if kinds(case) - met:
            chosen.append(case)
            met |= kinds(case)
    return [case for case in able if case in chosen]


def _family(case: Case) -> tuple:
    if case.suite != "network":
        return (named(case),)
    within = any(isinstance(layer, Residual) and layer.frozen for _, layer in case.architecture.layers)
    return case.suite, "frozen" if case.architecture.frozen or within else len(case.input_shape)


def named(case: Case) -> str:
    """What a case compares, without the variant: `layer/conv` of `layer/conv/same-batch1`."""
    return "/".join(case.id.split("/")[:2])


def _layer_kinds(case: Case) -> int:
    """How many kinds of layers a network has; of anything else the first case is taken."""
    return len({type(layer) for _, layer in case.architecture.layers}) if case.suite == "network" else 0


def kinds(case: Case) -> set[type]:
    """The classes of the layers, those within a block too, of the loss, the optimizer and the regulariser."""
    outer = [layer for _, layer in case.architecture.layers]
    blocks = [layer for layer in outer if isinstance(layer, Residual)]
    inner = [layer for block in blocks for layer in (*block.layers, *block.shortcut)]
    others = (case.architecture.loss, case.architecture.regulariser, case.optimizer)
    return {type(part) for part in (*outer, *inner, *others) if part is not None}


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
