"""One subject explained: the course's formula, what each framework does, the mapping, and live numbers with and without it."""

from __future__ import annotations

import difflib
import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from comparisons.case import Case
from comparisons.cases import all_cases, select
from comparisons.errors import UnknownName
from comparisons.runner import Runner
from reference import CONVENTIONS, Convention, twin_class
from reference.demonstrations import IMPLEMENTATIONS, Shown, demonstrate
from scratch import Decayed, Layer, Loss, Optimizer, Regulariser, Schedule

EXAMPLES = {
    "gru-gate-order": "layer/gru/steps4-batch3",
    "bidirectional-last-state": "layer/lstm/bidirectional-last-step",
    "attention-scale": "layer/attention/steps4-batch3",
    "hinge-scale": "loss/hinge/normal-batch6",
    "probability-sum": "loss/categorical-cross-entropy/probabilities-batch6",
    "loss-scale": "loss/mean-squared-error/normal-batch6",
    "batchnorm-momentum": "layer/batchnorm/normal",
    "batchnorm-epsilon": "layer/batchnorm/small-epsilon",
    "batchnorm-running-variance": "layer/batchnorm/normal",
    "frozen-penalty": "network/transfer-head/batch8",
    "frozen-batchnorm": "network/transfer-head/batch8",
    "leaky-relu-slope": "layer/leaky-relu/normal",
    "l2-factor": "network/deep-relu/batch8",
    "l1-factor": "network/sparse/batch8",
    "momentum-scale": "optimizer/momentum/default",
    "rmsprop-epsilon": "optimizer/rmsprop/default",
    "adam-epsilon-hat": "optimizer/adam/default",
    "float32-hyperparameters": "optimizer/adam/default",
    "nesterov-velocity": "optimizer/nesterov/default",
    "adagrad-epsilon": "optimizer/adagrad/default",
    "adagrad-initial-accumulator": "optimizer/adagrad/initial-accumulator",
    "adamw-weight-decay": "optimizer/adamw/strong-decay",
    "momentum-changing-rate": "optimizer/decay/momentum",
    "clip-norm-epsilon": "optimizer/clipping/global-norm",
    "clip-norm-scope": "optimizer/clipping/norm",
    "conv-same-padding": "layer/conv/same-stride-batch3",
    "global-max-ties": "layer/pool/global-max-zeros",
    "flatten-order": "layer/pool/flatten-batch3",
    "layernorm-epsilon": "layer/layernorm/small-epsilon",
    "lrn-alpha": "layer/lrn/alexnet-normal",
    "conv-transpose-same-padding": "layer/conv-transpose/same-batch3",
}
"""The case in which each convention that changes numbers is measured."""


@dataclass(frozen=True)
class Measured:
    """One convention ignored: the largest difference relative to the tensor's largest element, where, and with the mapping."""

    framework: str
    case: str
    tensor: str
    difference: float
    mapped: float


@dataclass(frozen=True)
class Agreement:
    """How one framework stands to a kind: its own class, and the largest relative difference left in a case, and where."""

    framework: str
    part: str
    case: str
    tensor: str
    needed: float


def kinds() -> dict[str, type]:
    """Everything of `scratch` that can be explained, by name."""
    ours = {**Layer.kinds, **Loss.kinds, **Optimizer.kinds, **Regulariser.kinds, **Schedule.kinds}
    return {name: kind for name, kind in ours.items() if kind.__module__.startswith("scratch.")}


def measure(conventions: Iterable[Convention], frameworks: Iterable[str]) -> dict[str, list[Measured]]:
    """What ignoring each convention costs, measured now; conventions that change no numbers are left out."""
    wanted = {c.id for c in conventions if c.id in EXAMPLES}
    measured: dict[str, list[Measured]] = {}
    cases = all_cases()
    for framework in frameworks:
        for name in sorted({EXAMPLES[w] for w in wanted}):
            (case,) = select(cases, (name,))
            # A runner of its own: one that has seen a convention matter does not measure it again.
            result = Runner((framework,), ("float64",)).compare(case)
            needed = {
                row["tensor"]: row["needed"]
                for row in result.discrepancies
                if row["scope"] == "propagated" and "needed" in row
            }
            for row in result.conventions:
                if row["convention"] in wanted and EXAMPLES[row["convention"]] == name and "tensor" in row:
                    found = Measured(framework, name, row["tensor"], row["difference"], needed[row["tensor"]])
                    measured.setdefault(row["convention"], []).append(found)
    return measured


def shown(conventions: Iterable[Convention], frameworks: Iterable[str]) -> dict[str, list[Shown]]:
    """What scratch and each framework do where a convention is met, found out now; conventions with nothing to show are left out."""
    present = [name for name in IMPLEMENTATIONS if name in ("scratch", *frameworks)]
    found = {c.id: [one for name in present for one in demonstrate(c.id, name)] for c in conventions}
    return {name: some for name, some in found.items() if some}


def example(kind: type) -> Case | None:
    """The first case in which a kind is compared, of several examples and of little else if there is one."""
    found = [case for case in all_cases() if not case.slow and not case.data and kind in _kinds_in(case)]
    found.sort(key=lambda case: (max(case.batches) == 1 and not case.recorded_gradients, len(_kinds_in(case))))
    return found[0] if found else None


def _kinds_in(case: Case) -> set[type]:
    arch, rule = case.architecture, case.optimizer
    parts = [*(layer for _, layer in arch.layers), arch.loss, arch.regulariser]
    # An optimizer's case has a layer to hold the parameters, which is not compared.
    parts = [] if case.recorded_gradients else parts
    schedule = rule.schedule if isinstance(rule, Decayed) else None
    return {type(part) for part in (*parts, rule, schedule) if part is not None}


def agreements(kind: type, frameworks: Iterable[str]) -> Iterator[Agreement]:
    """How far scratch is from each framework in the kind's example, measured now, with all mappings."""
    case = example(kind)
    for framework in frameworks if case else ():
        assert case is not None
        twin = twin_class(framework)(case.architecture, case.optimizer)
        owner = next((name for name, layer in case.architecture.layers if type(layer) is kind), "optimizer")
        part = twin.parts().get(owner, "") if issubclass(kind, Layer | Optimizer) else ""
        rows = Runner((framework,), ("float64",), measure=False).compare(case).discrepancies
        decided = [row for row in rows if row["verdict"] in ("match", "mismatch")]
        if decided:
            worst = max(decided, key=lambda row: row["needed"])
            yield Agreement(framework, part, case.id, worst["tensor"], worst["needed"])


def find(name: str) -> tuple[type | None, list[Convention]]:
    """The kind that a name means, if it is one, and the conventions that concern it.

    Raises
    ------
    UnknownName
        If it is neither a kind nor a convention; the message offers the closest names.
    """
    if name in CONVENTIONS:
        return None, [CONVENTIONS[name]]
    by_plain = {_plain(kind): kind for kind in kinds()}
    if _plain(name) in by_plain:
        kind = by_plain[_plain(name)]
        return kinds()[kind], [c for c in CONVENTIONS.values() if kind in c.about]
    near = difflib.get_close_matches(_plain(name), [*by_plain, *CONVENTIONS], n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(by_plain.get(n, n) for n in near)}?" if near else f"known are {', '.join(kinds())}"
    )
    raise UnknownName(f"nothing is named {name!r}; {hint}")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def formula(kind: type) -> str:
    """What the code says of a kind: its own docstring, and its module's, where the derivation stands."""
    own, module = inspect.getdoc(kind) or "", inspect.getdoc(sys.modules[kind.__module__])
    return f"{own}\n\n{module}"


def spell(agreement: Agreement) -> tuple[str, str]:
    """An agreement as a labelled line."""
    where = (
        f"differs by {agreement.needed:.1e} of the largest element at most, in {agreement.tensor} of {agreement.case}"
    )
    return agreement.framework, f"{agreement.part}: {where}" if agreement.part else where


def lines(convention: Convention, measured: list[Measured], found: Iterable[Shown] = ()) -> Iterator[tuple[str, str]]:
    """A convention as labelled lines; what was measured and found out on the spot before the source."""
    yield "scratch", convention.scratch
    yield "torch", convention.torch
    yield "tensorflow", convention.tensorflow
    yield "mapping", convention.mapping
    if convention.floor:
        yield "floor", f"{convention.floor:.1e} of the largest element: the tolerance is never smaller where it is met"
    for m in measured:
        yield (
            "if ignored",
            f"{m.difference:.1e} instead of {m.mapped:.1e} against {m.framework}, in {m.tensor} of {m.case}",
        )
    for implementation, some in itertools.groupby(found, key=lambda one: one.implementation):
        yield "found now", f"{implementation}: {'; '.join(one.spell() for one in some)}"
    yield "see", convention.source
