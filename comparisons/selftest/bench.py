"""Where correct code and mutants are judged: the references of a case are traced once, and serve every run of the subject."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.local import local_tensors
from comparisons.plan import Plan, plan
from comparisons.runner import SUBJECTS, CaseResult, Judged, ReferenceTraces, Runner, spread
from comparisons.tolerance import noise
from comparisons.trace import Trace, record
from reference import Unsupported

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """A case with all that does not depend on the subject's code."""

    case: Case
    drawn: Plan
    traces: dict[str, ReferenceTraces]


@dataclass(frozen=True)
class Ran:
    """What the subject made of a case: in both precisions, and layer by layer against each framework."""

    s64: Trace
    s32: Trace
    local: dict[str, list[tuple[str, np.ndarray]]]


class Bench(Runner):
    """Judges in float64, the tier that decides whether a derivation is right.

    Parameters
    ----------
    frameworks : tuple of str
        References.
    """

    def __init__(self, frameworks: tuple[str, ...]) -> None:
        super().__init__(frameworks, ("float64",), measure=False)

    def prepare(self, case: Case, drawn: Plan | None = None) -> Prepared:
        """Trace the references on a case, on its own plan unless another one is given."""
        drawn = plan(case) if drawn is None else drawn
        traces = {}
        for framework in self.frameworks:
            with suppress(Unsupported):  # it has no such part
                traces[framework] = self.reference_traces(CaseResult(), case, drawn, framework)
        return Prepared(case, drawn, traces)

    def judge(self, prepared: Prepared, mistake: AbstractContextManager[None] | None = None) -> Rows:
        """The table's rows of the subject on a case, run with a mistake in it or without.

        Only the subject runs with the mistake: references and diagnosis use scratch's own descriptions and formulas of
        shapes, which it must not touch.
        """
        case, drawn = prepared.case, prepared.drawn
        try:
            with mistake or nullcontext():
                ran = self._run_subject(prepared)
        except Exception as error:
            result = CaseResult()
            self._failure(result, case, "*", "error", f"{case.subject} raised {type(error).__name__}: {error}", "")
            return result.discrepancies
        rows: Rows = []
        for framework, traces in prepared.traces.items():
            common = self.common(case, framework, traces.conventions)
            judged = Judged(case, drawn, common, traces, ran.s64, ran.s32)
            rows += self._judge_traces(judged)
            rows += _judge_locals(judged, ran.local[framework])
        return rows

    def _run_subject(self, prepared: Prepared) -> Ran:
        case, drawn = prepared.case, prepared.drawn
        with np.errstate(all="ignore"):
            s64, s32 = (
                record(SUBJECTS[case.subject](case.architecture, case.optimizer, dtype), case, drawn.astype(dtype))
                for dtype in ("float64", "float32")
            )
            subject = SUBJECTS[case.subject](case.architecture, case.optimizer, "float64")
            s64.spread = spread(subject, case, drawn, s64).largest
            alone = case.subject == "scratch" and len(case.architecture.layers) > 1 and not case.recorded_gradients
            local = {
                framework: list(local_tensors(case, drawn, traces.r64)) if alone else []
                for framework, traces in prepared.traces.items()
            }
        return Ran(s64, s32, local)


def _judge_locals(judged: Judged, local: list[tuple[str, np.ndarray]]) -> Iterator[dict[str, Any]]:
    for name, a in local:
        if name in judged.traces.r64.tensors and name in judged.s64.tensors:
            yield judged.row(name, a, "float64", noise(judged.runs(name), "float64"), None) | {"scope": "local"}
