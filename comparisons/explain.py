"""One subject explained: the course's formula, what each framework does, the mapping, and live numbers with and without it."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from comparisons.cases import all_cases, select
from comparisons.errors import UnknownName
from comparisons.runner import Runner
from reference import CONVENTIONS, Convention
from scratch import L2, Layer, Loss, Optimizer

EXAMPLES = {
    "gru-gate-order": "layer/gru/steps4-batch3",
    "bidirectional-last-state": "layer/lstm/bidirectional-last-step",
    "attention-scale": "layer/attention/steps4-batch3",
    "loss-scale": "loss/mean-squared-error/normal-batch6",
    "batchnorm-momentum": "layer/batchnorm/normal",
    "batchnorm-epsilon": "layer/batchnorm/small-epsilon",
    "batchnorm-running-variance": "layer/batchnorm/normal",
    "leaky-relu-slope": "layer/leaky-relu/normal",
    "l2-factor": "network/deep-relu/batch8",
    "momentum-scale": "optimizer/momentum/default",
    "rmsprop-epsilon": "optimizer/rmsprop/default",
    "adam-epsilon-hat": "optimizer/adam/default",
    "float32-hyperparameters": "optimizer/adam/default",
    "nesterov-velocity": "optimizer/nesterov/default",
    "adagrad-epsilon": "optimizer/adagrad/default",
    "adagrad-initial-accumulator": "optimizer/adagrad/initial-accumulator",
    "adamw-weight-decay": "optimizer/adamw/strong-decay",
    "conv-same-padding": "layer/conv/same-stride-batch3",
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


def kinds() -> dict[str, type]:
    """Everything of `scratch` that can be explained, by name."""
    ours = {**Layer.kinds, **Loss.kinds, **Optimizer.kinds, "L2": L2}
    return {name: kind for name, kind in ours.items() if kind.__module__.startswith("scratch.")}


def measure(conventions: Iterable[Convention], frameworks: Iterable[str]) -> dict[str, list[Measured]]:
    """What ignoring each convention costs, measured now; conventions that change no numbers are left out."""
    wanted = {c.id for c in conventions if c.id in EXAMPLES}
    measured: dict[str, list[Measured]] = {}
    cases = all_cases()
    for framework in frameworks:
        runner = Runner((framework,), ("float64",))
        for example in sorted({EXAMPLES[name] for name in wanted}):
            (case,) = select(cases, (example,))
            result = runner.compare(case)
            needed = {row["tensor"]: row["needed"] for row in result.discrepancies if row["scope"] == "propagated"}
            for row in result.conventions:
                if row["convention"] in wanted and EXAMPLES[row["convention"]] == example and "tensor" in row:
                    found = Measured(framework, example, row["tensor"], row["difference"], needed[row["tensor"]])
                    measured.setdefault(row["convention"], []).append(found)
    return measured


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
    """What the code says of a kind: its own docstring, and its module's derivation where the module is about it alone."""
    own = inspect.getdoc(kind) or ""
    module = sys.modules[kind.__module__]
    alone = sum(k.__module__ == kind.__module__ for k in kinds().values()) == 1
    return f"{inspect.getdoc(module)}\n\n{own}" if alone else own


def lines(convention: Convention, measured: list[Measured]) -> Iterator[tuple[str, str]]:
    """A convention as labelled lines."""
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
    yield "see", convention.source
