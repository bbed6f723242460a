"""From cases to the tables of a run: every implementation traced, aligned by name, and judged."""

from __future__ import annotations

import gc
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import metadata
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.course_practice_model import course_model
from comparisons.diagnosis import Mismatch, diagnose
from comparisons.discrepancy import Kink, judge
from comparisons.errors import MissingData
from comparisons.kinks import crossings, decisive, inherits
from comparisons.local import local_tensors
from comparisons.logistic_model import LoopLogistic, VectorisedLogistic
from comparisons.naming import place
from comparisons.plan import Plan, plan
from comparisons.subject import ScratchModel
from comparisons.tolerance import UNDECIDABLE, K, Runs, largest, noise
from comparisons.trace import Distances, Model, Trace, distances, record
from reference import CONVENTIONS, MODES, REFERENCES, NotInMode, Twin, Unsupported, twin_class, version

SUBJECTS: dict[str, Callable[..., Model]] = {
    "scratch": ScratchModel,
    "course": course_model,
    "logistic-loops": LoopLogistic,
    "logistic-vectorised": VectorisedLogistic,
}
"""Implementations that are judged, by name."""
DTYPES = ("float64", "float32")
TELLING = 0.1
"""Relative difference from which it is shown that a convention matters: it is not measured in further cases."""
COMPILE_FROM = 50
"""Number of steps from which compiling a framework's training step pays for itself."""

LARGE = 10**6
"""Number of parameters from which a twin is not kept for the next run."""


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
    """One framework's runs of one case: only of the first are the tensors kept.

    Attributes
    ----------
    r64 : Trace
    r32 : Distances
        How far the float32 run is from it.
    perturbed : Distances
        How far the runs with inputs and weights moved by one ulp are: the larger of two draws.
    conventions : tuple of str
    """

    r64: Trace
    r32: Distances
    perturbed: Distances
    conventions: tuple[str, ...]

    @property
    def overhead(self) -> float:
        """Seconds of comparing within these runs."""
        return self.r64.overhead + self.r32.overhead + self.perturbed.overhead

    def runs(self, name: str, s64: np.ndarray, s32: np.ndarray) -> Runs:
        """What is known of one tensor."""
        rounding, spread = (run.largest.get(name, 0.0) for run in (self.r32, self.perturbed))
        return Runs(s64, s32, self.r64.tensors[name], rounding, spread)


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
        """What is known of one tensor."""
        known = self.traces.runs(name, self.s64.tensors[name], self.s32.tensors[name])
        return replace(known, s_spread=self.s64.spread.get(name, 0.0))

    def kink(self, name: str, dtype: str) -> Kink | None:
        """What decides about elements of this tensor that may rightly differ."""
        driver = self.s64.kinks.get(name)
        seen = driver in self.s64.tensors and driver in self.traces.r64.tensors
        if driver is None or not seen:
            return None
        runs = self.runs(driver)
        subject = runs.s64 if dtype == "float64" else runs.s32
        if subject.shape != runs.r64.shape:
            return None
        s, r = (decisive(self.case.architecture, name, a) for a in (subject, runs.r64))
        return Kink(s, r, noise(runs, dtype))

    @cached_property
    def _crossed(self) -> dict[str, dict[str, int]]:
        """By dtype: the input gradients of which rounding has put elements on the other side of a kink, and how many."""
        found: dict[str, dict[str, int]] = {}
        for dtype in DTYPES:
            names = (name for name in self.s64.kinks if name.endswith(".input"))
            found[dtype] = {n: count for n in names if (kink := self.kink(n, dtype)) and (count := crossings(kink))}
        return found

    def excused(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of a mismatch; vacuous if the tensor inherits from a kink that rounding has crossed."""
        arch, name = self.case.architecture, row["tensor"]
        decided = [(c, n) for c, n in self._crossed[row["dtype"]].items() if inherits(arch, name, c)]
        if not decided or "needed" not in row:
            return row
        crossed, elements = decided[0]
        reason = (
            f"rounding decided on which side of a kink {elements} of {crossed} lie: what follows from it may differ"
        )
        return row | {"verdict": "vacuous", "diagnosis": reason}

    def row(self, name: str, subject: np.ndarray, dtype: str, noise: float, kink: Kink | None) -> dict[str, Any]:
        """One row of the table."""
        start = time.perf_counter()
        reference = self.traces.r64.tensors[name]
        floors = {CONVENTIONS[c].floor: c for c in self.traces.conventions} if dtype == "float64" else {}
        floor = max(floors, default=0.0)
        row = self.common | _where(name) | judge(subject, reference, dtype, noise, floor, kink)
        if floor and row.get("tolerance") == floor:
            row["floor"] = floors[floor]
        another_shape = subject.shape != reference.shape
        if row["verdict"] == "mismatch" and (another_shape or not row["diagnosis"]):
            allowed = K * noise if another_shape else row["tolerance"] * row["scale"]
            given = self.traces.r64.tensors
            cause = diagnose(Mismatch(self.case, self.drawn, name, subject, reference, given, allowed))
            row["diagnosis"] = ": ".join(part for part in (row["diagnosis"], cause) if part)
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
    announce : callable
        Called with a line before something that takes long: a mode compiles.
    """

    def __init__(
        self,
        frameworks: Iterable[str],
        dtypes: tuple[str, ...] = DTYPES,
        measure: bool = True,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.frameworks, self.dtypes, self.measure, self.announce = tuple(frameworks), dtypes, measure, announce
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
        begun = time.perf_counter()
        try:
            s64, s32 = self._subject_trace(case, drawn, "float64"), self._subject_trace(case, drawn, "float32")
            moved = spread(self._subject(case, "float64"), case, drawn, s64)
            s64.spread, s64.overhead = moved.largest, s64.overhead + moved.overhead
        except Unsupported as refusal:
            self._failure(result, case, "*", "vacuous", f"not comparable: {refusal}", refusal.convention)
            return result
        except NotInMode as refusal:
            result.skipped.append({"case": case.id, "implementation": case.subject, "reason": str(refusal)})
            return result
        except Exception as error:
            self._failure(result, case, "*", "error", f"{case.subject} raised {_one_line(error)}", "")
            return result
        self._time(result, case, case.subject, 4, time.perf_counter() - begun - s64.overhead - s32.overhead)
        _curves(result, case, case.subject, s64)
        for framework in self.frameworks:
            self._against(result, case, drawn, framework, s64, s32)
        inside = sum(t["seconds"] for t in result.timings)
        self._time(result, case, "comparison", 1, max(time.perf_counter() - start - inside, 0.0))
        return result

    def _subject_trace(self, case: Case, drawn: Plan, dtype: str) -> Trace:
        drawn = drawn if dtype == "float64" else drawn.astype(dtype)
        subject = self._subject(case, dtype)
        trace = record(subject, case, drawn)
        trace.conventions = tuple(sorted(getattr(subject, "applied", ())))
        return trace

    def _subject(self, case: Case, dtype: str) -> Model:
        if case.subject in SUBJECTS:
            return SUBJECTS[case.subject](case.architecture, case.optimizer, "float64")
        return self._twin(case.subject, case, dtype)

    def _against(self, result: CaseResult, case: Case, drawn: Plan, framework: str, s64: Trace, s32: Trace) -> None:
        start = time.perf_counter()
        try:
            traces = self.reference_traces(result, case, drawn, framework)
        except Unsupported as refusal:
            met = {"convention": refusal.convention, "implementation": framework, "case": case.id, "difference": np.nan}
            result.conventions.append(met)
            self._failure(result, case, framework, "vacuous", f"not comparable: {refusal}", refusal.convention)
            return
        except NotInMode as refusal:
            result.skipped.append({"case": case.id, "implementation": framework, "reason": str(refusal)})
            return
        except Exception as error:
            self._failure(result, case, framework, "error", f"{framework} raised {_one_line(error)}", "")
            return
        finally:
            self._time(result, case, framework, 0, time.perf_counter() - start)
        result.timings[-1]["seconds"] -= traces.overhead
        measured = sum(
            row["implementation"] == framework and row["difference"] == row["difference"] for row in result.conventions
        )
        result.timings[-1]["runs"] = 4 + measured
        _curves(result, case, framework, traces.r64)
        traces = replace(traces, conventions=tuple(sorted({*traces.conventions, *s64.conventions})))
        common = self.common(case, framework, traces.conventions)
        judged = Judged(case, drawn, common, traces, s64, s32)
        result.discrepancies += self._judge_traces(judged)
        alone = case.subject == "scratch" and len(case.architecture.layers) > 1 and not case.recorded_gradients
        if alone and "float64" in self.dtypes:
            result.discrepancies += self._judge_local(judged)

    def reference_traces(
        self, result: CaseResult, case: Case, drawn: Plan, framework: str, ignored: frozenset[str] = frozenset()
    ) -> ReferenceTraces:
        twin = self._twin(framework, case, "float64", ignored)
        r64 = record(twin, case, drawn)
        perturbed = spread(twin, case, drawn, r64)
        applied = tuple(sorted(twin.applied))
        del twin  # if it is large, it is the only reference to it
        r32 = distances(self._twin(framework, case, "float32", ignored), case, drawn.astype("float32"), r64)
        traces = ReferenceTraces(r64, r32, perturbed, applied)
        for convention in applied:
            result.conventions.append(self._cost_of_ignoring(convention, case, drawn, framework, traces))
        _tidy(case)
        return traces

    def _twin(self, framework: str, case: Case, dtype: str, ignored: frozenset[str] = frozenset()) -> Twin:
        # Where modes are compared, a framework without one is eager however long the training is.
        compiled = len(case.batches) >= COMPILE_FROM and not MODES.keys() & {case.subject, *self.frameworks}
        key = (framework, case.architecture, case.optimizer, dtype, ignored, compiled)
        if key in self._twins:
            self._twins.move_to_end(key)
            return self._twins[key]
        _tidy(case)
        if framework in MODES:
            self.announce(f"compiling for {framework}: {case.id}")
        twin = twin_class(framework)(case.architecture, case.optimizer, dtype, ignored, compiled)
        if not _large(case):
            self._twins[key] = twin
            if len(self._twins) > 8:  # neighbouring cases share an architecture; older ones will not come back
                self._twins.popitem(last=False)
        return twin

    def _cost_of_ignoring(
        self, convention: str, case: Case, drawn: Plan, framework: str, traces: ReferenceTraces
    ) -> dict[str, Any]:
        """How far the framework's stock behaviour is from the mapped one, in the tensor where it is furthest."""
        row = {"convention": convention, "implementation": framework, "case": case.id, "difference": np.nan}
        shown = (convention, framework) in self._shown
        # A mode's own are measured where little has to be compiled for it; the others are the framework's.
        mode = framework in MODES
        measured = case.recorded_gradients if mode else not case.data
        if CONVENTIONS[convention].kind != ("mode" if mode else "value") or not measured or shown or not self.measure:
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

    def common(self, case: Case, framework: str, conventions: tuple[str, ...]) -> dict[str, Any]:
        own = version(case.subject) if case.subject in REFERENCES else self.versions["numpy"]
        return {
            "case": case.id,
            "suite": case.suite,
            "subject": case.subject,
            "reference": framework,
            "versions": f"{own}, {self.versions[framework]}",
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
                    row = j.row(name, subject, dtype, noise(runs, dtype), j.kink(name, dtype))
                    yield j.excused(row) if row["verdict"] == "mismatch" else row
                continue
            lacking = j.common["reference"] if name in j.s64.tensors else j.case.subject
            for dtype in self.dtypes:
                verdict = {"dtype": dtype, "verdict": "missing", "diagnosis": f"{lacking} has no such tensor"}
                yield j.common | _where(name) | verdict

    def _judge_local(self, j: Judged) -> Iterator[dict[str, Any]]:
        """The first pass again, each layer fed the reference's values: what differs here is the layer's own fault."""
        for name, local in local_tensors(j.case, j.drawn, j.traces.r64):
            if name in j.traces.r64.tensors and name in j.s64.tensors:
                # The noise is the propagated tensor's: the layer's own is never larger.
                yield j.row(name, local, "float64", noise(j.runs(name), "float64"), None) | {"scope": "local"}

    def _failure(
        self, result: CaseResult, case: Case, framework: str, verdict: str, reason: str, convention: str
    ) -> None:
        references = self.frameworks if framework == "*" else (framework,)
        for reference in references:
            row = self.common(case, reference, (convention,) if convention else ())
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


def _large(case: Case) -> bool:
    shapes = (shape for _, layer in case.architecture.layers for shape in layer.parameter_shapes().values())
    return sum(math.prod(shape) for shape in shapes) >= LARGE


def spread(model: Model, case: Case, drawn: Plan, origin: Trace) -> Distances:
    """How far each tensor moves from `origin` when inputs and weights move by one ulp: the larger of two draws."""
    found = Distances()
    for draw in (1, 2):
        _tidy(case)
        moved = distances(model, case, drawn.perturbed(draw), origin)
        found.overhead += moved.overhead
        found.largest = {name: max(move, found.largest.get(name, 0.0)) for name, move in moved.largest.items()}
    return found


def _tidy(case: Case) -> None:
    """Give back what earlier runs of a large network left: twins and tapes refer to themselves, and would live on for a while."""
    if _large(case):
        gc.collect()


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
