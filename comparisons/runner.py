"""From cases to the tables of a run: every implementation traced, aligned by name, and judged."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.course_model import CourseModel
from comparisons.diagnosis import Mismatch, diagnose
from comparisons.discrepancy import Kink, judge
from comparisons.errors import MissingData
from comparisons.local import local_tensors
from comparisons.naming import place
from comparisons.plan import Plan, plan
from comparisons.subject import ScratchModel
from comparisons.tolerance import UNDECIDABLE, K, Runs, largest, noise
from comparisons.trace import Trace, record
from reference import CONVENTIONS, Twin, Unsupported, twin_class, version

SUBJECTS: dict[str, type[ScratchModel] | type[CourseModel]] = {"scratch": ScratchModel, "course": CourseModel}
"""Implementations that are judged, by name."""
DTYPES = ("float64", "float32")
TELLING = 0.1
"""Relative difference from which it is shown that a convention matters: it is not measured in further cases."""
COMPILE_FROM = 50
"""Number of steps from which compiling a framework's training step pays for itself."""


@dataclass
class CaseResult:
    """The table rows of one case; see `reports.schema`."""

    discrepancies: list[dict[str, Any]] = field(default_factory=list)
    conventions: list[dict[str, Any]] = field(default_factory=list)
    timings: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class ReferenceTraces:
    """One framework's runs of one case."""

    r64: Trace
    r32: Trace
    perturbed: tuple[Trace, ...]
    conventions: tuple[str, ...]

    def runs(self, name: str, s64: np.ndarray, s32: np.ndarray) -> Runs:
        """One tensor in every run."""
        perturbed = [p.tensors[name] for p in self.perturbed if name in p.tensors]
        return Runs(s64, s32, self.r64.tensors[name], self.r32.tensors.get(name), perturbed)


@dataclass(frozen=True)
class Judged:
    """One case against one framework, with all its traces."""

    case: Case
    drawn: Plan
    common: dict[str, Any]
    traces: ReferenceTraces
    s64: Trace
    s32: Trace

    def runs(self, name: str) -> Runs:
        """One tensor in every run."""
        return self.traces.runs(name, self.s64.tensors[name], self.s32.tensors[name])

    def kink(self, name: str, dtype: str) -> Kink | None:
        """What decides about elements of this tensor that may rightly differ."""
        driver = self.s64.kinks.get(name)
        if driver is None or driver not in self.traces.r64.tensors:
            return None
        runs = self.runs(driver)
        subject = runs.s64 if dtype == "float64" else runs.s32
        return Kink(subject, runs.r64, noise(runs, dtype)) if subject.shape == runs.r64.shape else None

    def row(self, name: str, subject: np.ndarray, dtype: str, noise: float, kink: Kink | None) -> dict[str, Any]:
        """One row of the table."""
        start = time.perf_counter()
        reference = self.traces.r64.tensors[name]
        floors = {CONVENTIONS[c].floor: c for c in self.traces.conventions} if dtype == "float64" else {}
        floor = max(floors, default=0.0)
        row = self.common | _where(name) | judge(subject, reference, dtype, noise, floor, kink)
        if floor and row.get("tolerance") == floor:
            row["floor"] = floors[floor]
        if row["verdict"] == "mismatch" and not row["diagnosis"]:
            allowed = row["tolerance"] * row["scale"]
            given = self.traces.r64.tensors
            row["diagnosis"] = diagnose(Mismatch(self.case, self.drawn, name, subject, reference, given, allowed))
        return row | {"seconds": time.perf_counter() - start}


class Runner:
    """Compares cases; keeps the frameworks' objects between cases of the same architecture.

    Parameters
    ----------
    frameworks : iterable of str
        The references; each is imported when the first case needs it.
    dtypes : tuple of str
        Tiers in which verdicts are reached.
    measure : bool
        Whether to run each case once more per convention, without its mapping, to tell what it is worth.
    """

    def __init__(self, frameworks: Iterable[str], dtypes: tuple[str, ...] = DTYPES, measure: bool = True) -> None:
        self.frameworks, self.dtypes, self.measure = tuple(frameworks), dtypes, measure
        self._twins: OrderedDict[tuple, Twin] = OrderedDict()
        self._shown: set[tuple[str, str]] = set()
        self.versions = {"numpy": f"numpy {metadata.version('numpy')}"} | {f: version(f) for f in self.frameworks}

    def run(self, cases: Iterable[Case]) -> Iterator[CaseResult]:
        """Compare each case in turn."""
        for case in cases:
            yield self.compare(case)

    def compare(self, case: Case) -> CaseResult:
        """Every tensor of one case against every framework."""
        start = time.perf_counter()
        result = CaseResult()
        try:
            drawn = plan(case)
        except MissingData as error:
            result.skipped.append({"case": case.id, "implementation": "all", "reason": str(error)})
            return result
        try:
            model = SUBJECTS[case.subject](case.architecture, case.optimizer, "float64")
            s64, s32 = record(model, case, drawn), record(model, case, drawn.astype("float32"))
        except Exception as error:
            self._failure(result, case, "*", "error", f"{case.subject} raised {_one_line(error)}", "")
            return result
        self._time(result, case, case.subject, 2, s64.seconds + s32.seconds)
        _curves(result, case, case.subject, s64)
        for framework in self.frameworks:
            self._against(result, case, drawn, framework, s64, s32)
        inside = sum(t["seconds"] for t in result.timings)
        self._time(result, case, "comparison", 1, max(time.perf_counter() - start - inside, 0.0))
        return result

    def _against(self, result: CaseResult, case: Case, drawn: Plan, framework: str, s64: Trace, s32: Trace) -> None:
        start = time.perf_counter()
        try:
            traces = self._reference_traces(result, case, drawn, framework)
        except Unsupported as refusal:
            met = {"convention": refusal.convention, "implementation": framework, "case": case.id, "difference": np.nan}
            result.conventions.append(met)
            self._failure(result, case, framework, "vacuous", f"not comparable: {refusal}", refusal.convention)
            return
        except Exception as error:
            self._failure(result, case, framework, "error", f"{framework} raised {_one_line(error)}", "")
            return
        finally:
            self._time(result, case, framework, 0, time.perf_counter() - start)
        measured = sum(
            row["implementation"] == framework and row["difference"] == row["difference"] for row in result.conventions
        )
        result.timings[-1]["runs"] = 4 + measured
        _curves(result, case, framework, traces.r64)
        common = self._common(case, framework, traces.conventions)
        judged = Judged(case, drawn, common, traces, s64, s32)
        result.discrepancies += self._judge_traces(judged)
        alone = case.subject == "scratch" and len(case.architecture.layers) > 1 and not case.recorded_gradients
        if alone and "float64" in self.dtypes:
            result.discrepancies += self._judge_local(judged)

    def _reference_traces(self, result: CaseResult, case: Case, drawn: Plan, framework: str) -> ReferenceTraces:
        twin = self._twin(framework, case, "float64")
        r64 = record(twin, case, drawn)
        perturbed = tuple(record(twin, case, drawn.perturbed(draw)) for draw in (1, 2))
        r32 = record(self._twin(framework, case, "float32"), case, drawn.astype("float32"))
        applied = tuple(sorted(twin.applied))
        traces = ReferenceTraces(r64, r32, perturbed, applied)
        for convention in applied:
            result.conventions.append(self._cost_of_ignoring(convention, case, drawn, framework, traces))
        return traces

    def _twin(self, framework: str, case: Case, dtype: str, ignored: frozenset[str] = frozenset()) -> Twin:
        compiled = len(case.batches) >= COMPILE_FROM
        key = (framework, case.architecture, case.optimizer, dtype, ignored, compiled)
        if key not in self._twins:
            self._twins[key] = twin_class(framework)(case.architecture, case.optimizer, dtype, ignored, compiled)
            if len(self._twins) > 8:  # neighbouring cases share an architecture; older ones will not come back
                self._twins.popitem(last=False)
        self._twins.move_to_end(key)
        return self._twins[key]

    def _cost_of_ignoring(
        self, convention: str, case: Case, drawn: Plan, framework: str, traces: ReferenceTraces
    ) -> dict[str, Any]:
        """How far the framework's stock behaviour is from the mapped one, in the tensor where it is furthest."""
        row = {"convention": convention, "implementation": framework, "case": case.id, "difference": np.nan}
        shown = (convention, framework) in self._shown
        if CONVENTIONS[convention].kind != "value" or case.data or shown or not self.measure:
            return row
        stock = record(self._twin(framework, case, "float64", frozenset({convention})), case, drawn)
        costs = {
            name: largest(stock.tensors[name] - r) / largest(r)
            for name, r in traces.r64.tensors.items()
            if largest(r) and K * noise(traces.runs(name, r, r), "float64") <= UNDECIDABLE * largest(r)
        }
        worst = max(costs, key=costs.__getitem__)
        if costs[worst] >= TELLING:
            self._shown.add((convention, framework))
        return row | {"tensor": worst, "difference": costs[worst]}

    def _common(self, case: Case, framework: str, conventions: tuple[str, ...]) -> dict[str, Any]:
        return {
            "case": case.id,
            "suite": case.suite,
            "subject": case.subject,
            "reference": framework,
            "versions": f"{self.versions['numpy']}, {self.versions[framework]}",
            "convention": " ".join(conventions),
            "scope": "propagated",
        }

    def _judge_traces(self, j: Judged) -> Iterator[dict[str, Any]]:
        names = [*j.s64.tensors, *(n for n in j.traces.r64.tensors if n not in j.s64.tensors)]
        for name in names:
            if name in j.s64.tensors and name in j.traces.r64.tensors:
                runs = j.runs(name)
                for dtype in self.dtypes:
                    subject = runs.s64 if dtype == "float64" else runs.s32
                    yield j.row(name, subject, dtype, noise(runs, dtype), j.kink(name, dtype))
                continue
            lacking = j.common["reference"] if name in j.s64.tensors else j.case.subject
            for dtype in self.dtypes:
                verdict = {"dtype": dtype, "verdict": "missing", "diagnosis": f"{lacking} has no such tensor"}
                yield j.common | _where(name) | verdict

    def _judge_local(self, j: Judged) -> Iterator[dict[str, Any]]:
        """The first pass again, each layer fed the reference's values: what differs here is the layer's own fault."""
        for name, local in local_tensors(j.case, j.drawn, j.traces.r64).items():
            if name in j.traces.r64.tensors and name in j.s64.tensors:
                # The noise is the propagated tensor's: the layer's own is never larger.
                yield j.row(name, local, "float64", noise(j.runs(name), "float64"), None) | {"scope": "local"}

    def _failure(
        self, result: CaseResult, case: Case, framework: str, verdict: str, reason: str, convention: str
    ) -> None:
        references = self.frameworks if framework == "*" else (framework,)
        for reference in references:
            row = self._common(case, reference, (convention,) if convention else ())
            for dtype in self.dtypes:
                result.discrepancies.append(
                    row
                    | {
                        "phase": "forward",
                        "step": 0,
                        "tensor": "*",
                        "dtype": dtype,
                        "verdict": verdict,
                        "diagnosis": reason,
                    }
                )

    def _time(self, result: CaseResult, case: Case, implementation: str, runs: int, seconds: float) -> None:
        result.timings.append({"case": case.id, "implementation": implementation, "runs": runs, "seconds": seconds})


def _where(name: str) -> dict[str, Any]:
    where = place(name)
    return {"phase": where.phase, "step": where.step, "layer": where.layer, "tensor": name}


def _one_line(error: Exception) -> str:
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first}"


def _curves(result: CaseResult, case: Case, implementation: str, trace: Trace) -> None:
    if not case.data:
        return
    common = {"case": case.id, "implementation": implementation}
    for step, loss in enumerate(trace.tensors["trajectory/loss"], start=1):
        result.curves.append(common | {"quantity": "loss", "step": step, "value": float(loss)})
    for name, correct in trace.tensors.items():
        if name.endswith("evaluation/correct"):
            row = {"quantity": "test_accuracy", "step": place(name).step, "value": float(correct.mean())}
            result.curves.append(common | row)
