"""Every unit of a file against the frameworks: the tables of a run, and what a person is to be told beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from comparisons.case import Case
from comparisons.check.differences import row as differences_row
from comparisons.check.sandbox import Sandbox
from comparisons.check.unit import Unit
from comparisons.check.worker import Answer, Found
from comparisons.naming import place
from comparisons.plan import Plan, plan
from comparisons.runner import CaseResult, Judged, Runner
from comparisons.tolerance import noise
from comparisons.trace import Trace
from reference import FRAMEWORKS, MissingFramework, Unsupported, twin_class
from reports import RunTables, frame

Progress = Callable[[str, int, int], None]


class Source(Protocol):
    """Where units and their traces come from: the sandbox of a file, or objects in this process."""

    def find(self) -> Found: ...
    def trace(self, unit: Unit, case: Case, dtype: str) -> Answer: ...


@dataclass
class Checked:
    """One unit, with what came of it.

    Attributes
    ----------
    unit : Unit
    rows : list of dict
        Rows of the discrepancy table.
    unseen : tuple of str
        Tensors of the twin that the file offers no counterpart for.
    remarks : tuple of str
        What is worth knowing though it makes no number wrong.
    """

    unit: Unit
    rows: list[dict[str, Any]] = field(default_factory=list)
    unseen: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass
class CheckResult:
    """A whole file.

    Attributes
    ----------
    found : Found
    checked : list of Checked
    tables : RunTables
        The same rows as the reports show them.
    """

    found: Found
    checked: list[Checked]
    tables: RunTables


def check(
    path: Path,
    frameworks: tuple[str, ...] = (),
    seconds: float = 20.0,
    seed: int = 0,
    only: tuple[str, ...] = (),
    progress: Progress = lambda *_: None,
) -> CheckResult:
    """Find out what a file holds, and compare all of it.

    Parameters
    ----------
    path : Path
        A Python file or a notebook.
    frameworks : tuple of str
        References; the first that is installed if empty.
    seconds : float
        Time limit for each run of the user's code.
    seed : int
    only : tuple of str
        Names of units, or of their members; all if empty.
    progress : callable

    Raises
    ------
    BackproofError
        If the file cannot be loaded.
    MissingFramework
        If no framework can be used, or one of those named.
    """
    progress(f"loading {path.name}", 0, 1)
    with Sandbox(path, seconds) as sandbox:
        return judge_all(sandbox, frameworks, seed, only, progress)


def judge_all(
    source: Source,
    frameworks: tuple[str, ...] = (),
    seed: int = 0,
    only: tuple[str, ...] = (),
    progress: Progress = lambda *_: None,
) -> CheckResult:
    """Compare all units that a source of traces has; see `check`."""
    begun, started = time.perf_counter(), datetime.now(UTC)
    found = source.find()
    units = [u for u in found.units if not only or {u.name, *u.members} & set(only)]
    result = CaseResult()
    checked: list[Checked] = []
    if units:
        usable = _usable(frameworks, lambda what: progress(what, 0, len(units)))
        judge = Judge(Runner(usable, ("float64",), measure=False), source, result, seed)
        for i, unit in enumerate(units):
            progress(unit.name, i, len(units))
            checked.append(judge.unit(unit))
    run = f"{started:%Y%m%dT%H%M%SZ}-seed{seed}"
    tables = RunTables(
        frame("discrepancies", [{"run": run} | row for c in checked for row in c.rows]),
        info={"run": run, "wall_seconds": time.perf_counter() - begun},
    )
    return CheckResult(found, checked, tables)


def _usable(frameworks: tuple[str, ...], announce: Callable[[str], None]) -> tuple[str, ...]:
    """The frameworks asked for, imported; the first that is there if none is."""
    reasons = []
    for name in frameworks or FRAMEWORKS:
        announce(f"importing {name}")
        try:
            twin_class(name)
        except MissingFramework as error:
            if frameworks:
                raise
            reasons.append(str(error))
            continue
        if not frameworks:
            return (name,)
    if not frameworks:
        raise MissingFramework("; ".join(reasons))
    return frameworks


@dataclass
class Judge:
    """Compares units one by one."""

    runner: Runner
    source: Source
    result: CaseResult
    seed: int

    def unit(self, unit: Unit) -> Checked:
        """One unit on all its cases; after an error or a time-out the remaining ones are left out."""
        if unit.options.get("differences") or unit.options.get("port"):
            return self._without_twin(unit)
        checked = Checked(unit)
        remarks: dict[str, None] = {}
        unseen: dict[str, None] = {}
        for case in (replace(case, seed=self.seed) for case in unit.cases):
            s64 = self.source.trace(unit, case, "float64")
            remarks |= dict.fromkeys(s64.mutated)
            if s64.error:
                verdict = "vacuous" if s64.ours else "error"
                errors = [self._error(case, framework, s64.error) for framework in self.runner.frameworks]
                checked.rows += [row | {"verdict": verdict} for row in errors]
                break
            s32 = self.source.trace(unit, case, "float32")
            drawn = plan(case)
            for framework in self.runner.frameworks:
                rows, lacking = self._against(case, drawn, framework, s64, s32)
                floor = unit.options.get("floor", 0.0)
                checked.rows += [_within(row, floor) for row in rows] if floor else rows
                unseen |= dict.fromkeys(lacking)
        checked.remarks, checked.unseen = tuple(remarks), tuple(unseen)
        return checked

    def _against(
        self, case: Case, drawn: Plan, framework: str, s64: Answer, s32: Answer
    ) -> tuple[list[dict[str, Any]], list[str]]:
        try:
            traces = self.runner.reference_traces(self.result, case, drawn, framework)
        except Unsupported as refusal:
            return [self._error(case, framework, f"not comparable: {refusal}") | {"verdict": "vacuous"}], []
        single = {n: a for n, a in s32.tensors.items() if a.dtype == "float32"}
        judged = Judged(
            case,
            drawn,
            self.runner.common(case, framework, traces.conventions) | {"subject": "file"},
            traces,
            _trace(s64),
            # Where the code cannot run in float32, its own term falls out of the noise.
            _trace(Answer(s64.tensors | single, s64.kinks, ())),
        )
        rows, lacking = [], []
        for name in traces.r64.tensors:
            if name not in s64.tensors:
                # Nobody has to keep moments where we do, or to offer an evaluation of its own.
                if "/state/" not in name and "/evaluation/" not in name:
                    lacking.append(name)
                continue
            # Code that computes in float32 whatever it is given is judged as such.
            dtype = "float32" if s64.tensors[name].dtype == "float32" else "float64"
            runs = judged.runs(name)
            rows.append(judged.row(name, s64.tensors[name], dtype, noise(runs, dtype), judged.kink(name, dtype)))
        return rows, lacking

    def _without_twin(self, unit: Unit) -> Checked:
        """A unit whose gradients stand beside derivatives of its own forward pass, or a model beside its port."""
        checked = Checked(unit)
        remarks: dict[str, None] = {}
        for case in (replace(case, seed=self.seed) for case in unit.cases):
            answer = self.source.trace(unit, case, "float64")
            remarks |= dict.fromkeys(answer.mutated)
            if answer.error:
                verdict = "vacuous" if answer.ours else "error"
                checked.rows.append(self._error(case, unit.style, answer.error) | {"verdict": verdict})
                break
            checked.rows += answer.rows
            common = {
                "case": case.id,
                "suite": case.suite,
                "subject": "file",
                "versions": self.runner.versions["numpy"],
                "scope": "propagated",
                "phase": "gradient",
                "step": 0,
                "layer": "",
            }
            for derived in answer.derived:
                checked.rows.append(differences_row(derived, common))
        checked.remarks = tuple(remarks)
        return checked

    def _error(self, case: Case, framework: str, why: str) -> dict[str, Any]:
        where = place("forward/" + (case.architecture.layers[0][0] if case.architecture.layers else "loss"))
        common = {"case": case.id, "suite": case.suite, "reference": framework, "scope": "propagated"}
        if framework in self.runner.versions:
            common = self.runner.common(case, framework, ())
        return common | {
            "subject": "file",
            "phase": where.phase,
            "step": 0,
            "tensor": "*",
            "dtype": "float64",
            "verdict": "error",
            "diagnosis": why,
        }


def _within(row: dict[str, Any], floor: float) -> dict[str, Any]:
    """The row of a unit in which an epsilon of the code's own stands: what it amounts to is no mistake."""
    if row["verdict"] != "mismatch" or not row.get("needed", floor + 1) <= floor:
        return row
    return row | {"verdict": "match", "tolerance": floor, "diagnosis": ""}


def _trace(answer: Answer) -> Trace:
    trace = Trace(kinks=answer.kinks)
    trace.tensors.update(answer.tensors)
    return trace
