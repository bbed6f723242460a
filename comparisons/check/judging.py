"""Every unit of a file against the frameworks: the tables of a run, and what a person is to be told beside them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived
from comparisons.check.differences import row as differences_row
from comparisons.check.known_losses import beside_torch
from comparisons.check.locating import Spot
from comparisons.check.repair import Repair
from comparisons.check.sandbox import Sandbox
from comparisons.check.unit import Unit
from comparisons.check.worker import Answer, Found
from comparisons.naming import place
from comparisons.plan import Plan, plan
from comparisons.runner import CaseResult, Judged, Runner
from comparisons.tolerance import K, distance, largest, noise
from comparisons.trace import Trace
from reference import FRAMEWORKS, MissingFramework, Unsupported, twin_class, version
from reports import RunTables, frame
from reports.schema import FAILING
from scratch import AveragePool2D, Conv2D, MaxPool2D

Array = np.ndarray
SLIDING = (Conv2D, MaxPool2D, AveragePool2D)
"""Layers that take images of any size."""
FOLLOWED = ("torch",)
"""Frameworks whose conventions a user's code may follow; see `conventions`."""
DOUBTFUL = (
    "nothing agrees, and no known mistake explains it; the gradients are those of another function: of another cost, or of data that were "
    "meant otherwise"
)
_SPREAD = "keepdims=True is missing: the gradient has shape ({0},), and taken from a bias of shape ({0}, 1) it makes ({0}, {0})"
UNEXPLAINED = "no known mistake"
"""How a diagnosis begins that says what does not fit."""
VANISHED = K * 2.0**-52
"""Beside the upstream gradient: what a reference may have rounded to 0."""
LOCATED = 6
"""Tensors of a unit whose lines are looked for: what is wrong after them mostly inherits."""
Progress = Callable[[str, int, int], None]


class Source(Protocol):
    """Where units and their traces come from: the sandbox of a file, or objects in this process."""

    def find(self) -> Found: ...
    def trace(self, unit: Unit, case: Case, dtype: str, draw: int = 0) -> Answer: ...
    def locate(
        self,
        unit: Unit,
        case: Case,
        wanted: dict[str, Array],
        parts: dict[str, tuple[Array, ...]],
        sound: frozenset[str] = frozenset(),
    ) -> dict[str, Spot]: ...
    def mend(
        self, unit: Unit, case: Case, wanted: dict[str, Array], derived: tuple[Derived, ...] = ()
    ) -> Repair | None: ...


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
    spots : dict of (str, str) to Spot
        By case and tensor: lines of the file that make what is wrong, as far as they were found.
    """

    unit: Unit
    rows: list[dict[str, Any]] = field(default_factory=list)
    unseen: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    spots: dict[tuple[str, str], Spot] = field(default_factory=dict)
    mended: bool = False
    """Whether an edit that mends it has been looked for."""


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
        judge = Judge(Runner(usable, ("float64",), measure=False), source, result, seed, others=not frameworks)
        for i, unit in enumerate(units):
            progress(unit.name, i, len(units))
            checked.append(judge.unit(unit))
            judge.remember(checked[-1])
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
class Run:
    """The user's code on one case.

    Attributes
    ----------
    unit : Unit
    case : Case
    s64, s32 : Answer
        In both precisions.
    spread : dict of str to float, optional
        Once it has been measured: by tensor, how far it moves with inputs and weights moved by one ulp.
    wanted : dict of str to ndarray
        The reference's tensors of those that the code has.
    """

    unit: Unit
    case: Case
    s64: Answer
    s32: Answer
    spread: dict[str, float] | None = None
    wanted: dict[str, Array] = field(default_factory=dict)


@dataclass
class Judge:
    """Compares units one by one."""

    runner: Runner
    source: Source
    result: CaseResult
    seed: int
    others: bool = False
    """Whether another framework is asked where the first has no such layer."""
    searches: int = 4
    """How often one may still look for an edit in vain: that takes long."""
    vain: set[str] = field(default_factory=set)
    """Functions and classes for which it was in vain: another reading of the same would be so too."""
    sound: frozenset[str] = frozenset()
    """Functions and classes that have been found right by themselves."""

    def unit(self, unit: Unit) -> Checked:
        """One unit on all its cases; after an error or a time-out the remaining ones are left out."""
        if unit.options.get("differences") or unit.options.get("port"):
            return self._without_twin(unit)
        checked = Checked(unit)
        alone, unusual = unit.options.get("alone"), unit.options.get("unusual")
        if alone or unusual:
            why = f"a published form that the frameworks do not have: {alone}" if alone else f"it is {unusual}"
            undecided = (self._error(unit.cases[0], framework, why) for framework in self.runner.frameworks)
            checked.rows += [row | {"verdict": "vacuous"} for row in undecided]
            return checked
        remarks: dict[str, None] = dict.fromkeys(unit.options.get("remarks", ()))
        unseen: dict[str, None] = {}
        for case in (replace(case, seed=self.seed) for case in unit.cases):
            run, rows, lacking = self._on_case(unit, case)
            if (_fails(rows) or run.s64.error) and (square := _squared(case)):
                again = self._on_case(unit, square)
                if not (_fails(again[1]) or again[0].s64.error):
                    remarks["right for square images only, wrong or not possible where height and width differ"] = None
                    case, (run, rows, lacking) = square, again
            remarks |= dict.fromkeys(run.s64.mutated)
            unseen |= dict.fromkeys(lacking)
            if run.s64.error:
                checked.rows += rows
                break
            told = {row["tensor"] for row in rows if row["verdict"] != "vacuous"}
            self._mend(checked, case, rows, {n: a for n, a in run.wanted.items() if n in told})
            self._locate(checked, case, rows, run.s64.tensors)
            checked.rows += rows
        checked.remarks, checked.unseen = tuple(remarks), tuple(unseen)
        return checked

    def _on_case(self, unit: Unit, case: Case) -> tuple[Run, list[dict[str, Any]], list[str]]:
        """The code on one case, its rows, and tensors of the twins that it has no counterpart of."""
        s64 = self.source.trace(unit, case, "float64")
        run = Run(unit, case, s64, s64 if s64.error else self.source.trace(unit, case, "float32"))
        rows: list[dict[str, Any]] = []
        unseen: list[str] = []
        if s64.error:
            verdict = "vacuous" if s64.ours else "error"
            errors = [self._error(case, framework, s64.error) for framework in self.runner.frameworks]
            return run, [row | {"verdict": verdict} for row in errors], unseen
        floor = unit.options.get("floor", 0.0)
        for framework in self.runner.frameworks:
            found, lacking = self._against(run, plan(case), framework)
            rows += [_within(row, floor) for row in found] if floor else found
            unseen += lacking
        if unit.options.get("cause"):
            rows = [_caused(row, unit.options["cause"]) for row in rows]
        return run, rows, unseen

    def remember(self, checked: Checked) -> None:
        """Whether the functions and classes of a unit are right by themselves, for what uses them."""
        verdicts = {row["verdict"] for row in checked.rows}
        members = {member.partition(".")[0] for member in checked.unit.members}
        if "match" in verdicts and not verdicts & {*FAILING, "error"}:
            self.sound |= members
        else:
            self.sound -= members

    def _against(self, run: Run, drawn: Plan, framework: str) -> tuple[list[dict[str, Any]], list[str]]:
        case, s64 = run.case, run.s64
        try:
            ignored = frozenset(run.unit.options.get("ignored", ()))
            traces = self.runner.reference_traces(self.result, case, drawn, framework, ignored)
        except Unsupported as refusal:
            if other := self._other(framework):
                return self._against(run, drawn, other)
            return [self._error(case, framework, f"not comparable: {refusal}") | {"verdict": "vacuous"}], []
        single = {n: a for n, a in run.s32.tensors.items() if a.dtype == "float32"}
        judged = Judged(
            case,
            drawn,
            self.runner.common(case, framework, traces.conventions) | {"subject": "file"},
            traces,
            _trace(s64),
            # Where the code cannot run in float32, its own term falls out of the noise.
            _trace(Answer(s64.tensors | single, s64.kinks, ())),
        )
        run.wanted = {name: a for name, a in traces.r64.tensors.items() if name in s64.tensors}
        rows, lacking = [], []
        for name in traces.r64.tensors:
            if framework not in FOLLOWED and ignored and "running_var" in name:
                continue  # it has not the convention that the code follows
            if name not in s64.tensors:
                # Nobody has to keep moments where we do, or to offer an evaluation of its own.
                if "/state/" not in name and "/evaluation/" not in name and not run.unit.options.get("partial"):
                    lacking.append(name)
                continue
            row = _row(judged, name)
            if row["verdict"] == "mismatch" and not judged.s64.spread:
                # It can only widen the tolerance, so it is measured where that could matter.
                judged.s64.spread = self._spread(run)
                row = _row(judged, name) if judged.s64.spread.get(name) else row
            if told := re.match(r"shape \((\d+), \1\), the reference has \(\1,\)", row.get("diagnosis", "")):
                row = row | {"diagnosis": _SPREAD.format(told[1])}
            rows.append(row)
        return rows, lacking

    def _spread(self, run: Run) -> dict[str, float]:
        """How far the code's own tensors move when inputs and weights move by one ulp; empty if it gives other numbers each time."""
        if run.spread is not None:
            return run.spread
        run.spread = {}
        again, *moved = (self.source.trace(run.unit, run.case, "float64", draw) for draw in (0, 1, 2))
        same = all(_equal(a, again.tensors.get(name)) for name, a in run.s64.tensors.items())
        if same and not any(answer.error for answer in moved):
            for name, a in run.s64.tensors.items():
                runs = [m.tensors[name] for m in moved if name in m.tensors]
                run.spread[name] = max((distance(b, a) for b in runs), default=0.0)
        return run.spread

    def _mend(
        self,
        checked: Checked,
        case: Case,
        rows: list[dict[str, Any]],
        wanted: dict[str, Array],
        derived: tuple[Derived, ...] = (),
    ) -> None:
        """Where no known mistake explains what fails of the gradients, say which small edit mends it, if one does."""
        wrong = [row for row in rows if row["verdict"] in FAILING]
        gradients = all(row["tensor"].startswith("grad/") for row in wrong)
        explained = not all(_unexplained(row) for row in wrong)
        same = checked.unit.members[0].partition(".")[0]
        if checked.mended or not wrong or not gradients or explained or not self.searches or same in self.vain:
            return
        checked.mended = True
        found = self.source.mend(checked.unit, case, wanted, derived)
        if found is None:
            self.searches -= 1
            self.vain.add(same)
        else:
            wrong[0]["diagnosis"] = found.told
            checked.spots[case.id, wrong[0]["tensor"]] = Spot(found.function, found.line, found.old)

    def _locate(self, checked: Checked, case: Case, rows: list[dict[str, Any]], tensors: Mapping[str, Array]) -> None:
        """Find the lines of the first failing tensors of a case, those left out that an earlier one of its mode has shown."""
        modes = {c.id: c.training for c in checked.unit.cases}
        known = {tensor for at, tensor in checked.spots if modes.get(at) == case.training}
        wrong = [row["tensor"] for row in rows if row["verdict"] in FAILING and row["tensor"] not in known]
        wanted = {n: np.asarray(tensors[n]) for n in list(dict.fromkeys(wrong))[:LOCATED] if n in tensors}
        if wanted and len(checked.spots) < LOCATED:
            worst = {row["tensor"]: row["worst_index"] for row in rows if "worst_index" in row}
            parts = {n: tuple(_parts(a, worst[n])) for n, a in wanted.items() if n in worst}
            own = {member.partition(".")[0] for member in checked.unit.members}
            found = self.source.locate(checked.unit, case, wanted, parts, self.sound - own)
            if at := checked.unit.options.get("at"):
                # What the unit calls is right by itself: the place is in the unit's own functions.
                inside = {tensor: spot for tensor, spot in found.items() if spot.function in checked.unit.members}
                # Who has told the cause has told its place.
                found = dict.fromkeys(wanted, Spot(*at)) | ({} if checked.unit.options.get("cause") else inside)
            checked.spots |= {(case.id, tensor): spot for tensor, spot in found.items()}

    def _other(self, framework: str) -> str:
        """Another framework that is installed; none if one was asked for by name."""
        for name in ("torch", "tensorflow") if self.others else ():
            if name == framework or name in self.runner.frameworks:
                continue
            try:
                twin_class(name)
            except MissingFramework:
                continue
            self.runner.versions.setdefault(name, version(name))
            return name
        return ""

    def _without_twin(self, unit: Unit) -> Checked:
        """A unit whose gradients stand beside derivatives of its own forward pass, or a model beside its port."""
        checked = Checked(unit)
        remarks: dict[str, None] = dict.fromkeys(unit.options.get("remarks", ()))
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
            found = tuple(beside_torch(answer.derived))
            rows = [differences_row(derived, common) for derived in found]
            seen = zip(found, rows, strict=True)
            wanted = {d.tensor: d.reference for d, row in seen if row["verdict"] != "vacuous"}
            self._mend(checked, case, rows, wanted, found)
            if unit.options.get("doubtful") and all(_unexplained(row) for row in rows if row["verdict"] in FAILING):
                rows = [row | {"verdict": "vacuous", "diagnosis": DOUBTFUL} for row in rows]
            self._locate(checked, case, rows, {d.tensor: d.subject for d in found})
            checked.spots |= {(case.id, d.tensor): d.spot for d in found if d.spot}
            checked.rows += rows
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


def _fails(rows: list[dict[str, Any]]) -> bool:
    return any(row["verdict"] in FAILING for row in rows)


def _squared(case: Case) -> Case | None:
    """The same convolution or pooling on images as high as wide, if its own are not: much code has been written for those alone."""
    if not all(isinstance(layer, SLIDING) for _, layer in case.architecture.layers) or len(case.input_shape) != 3:
        return None
    h, w, channels = case.input_shape
    side = max(h, w)
    return None if h == w else replace(case, id=f"{case.id}-square", input_shape=(side, side, channels))


def _row(judged: Judged, name: str) -> dict[str, Any]:
    # Code that computes in float32 whatever it is given is judged as such.
    subject, reference = judged.s64.tensors[name], judged.traces.r64.tensors[name]
    dtype = "float32" if subject.dtype == "float32" else "float64"
    row = judged.row(name, subject, dtype, noise(judged.runs(name), dtype), judged.kink(name, dtype))
    upstream = judged.drawn.batches[0].upstream if judged.drawn.batches else None
    scale = 1.0 if upstream is None else largest(upstream)
    if (
        row["verdict"] == "mismatch"
        and "needed" in row
        and not np.any(reference)
        and largest(subject) <= VANISHED * scale
    ):
        # Where 1 - a^2 rounds to 0 everywhere, a formula that does not cancel is nearer to what is right.
        return row | {"verdict": "vacuous", "diagnosis": "the reference is zero throughout, by rounding"}
    return row


def _parts(a: Array, worst: str) -> Iterator[Array]:
    """The block of columns with the worst element, where a tensor may have been put together from those of gates."""
    indices = [int(i) for i in re.findall(r"\d+", worst)]
    for gates in (4, 3, 2):
        if a.ndim and len(indices) == a.ndim and a.shape[-1] >= 2 * gates and a.shape[-1] % gates == 0:
            size = a.shape[-1] // gates
            start = indices[-1] // size * size
            yield a[..., start : start + size]


def _equal(a: Array, b: Array | None) -> bool:
    return b is not None and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _unexplained(row: dict[str, Any]) -> bool:
    """Whether nothing is known about why, or a bare factor alone."""
    return not row["diagnosis"] or row["diagnosis"].startswith((UNEXPLAINED, "exactly "))


def _caused(row: dict[str, Any], cause: str) -> dict[str, Any]:
    """The row of a unit whose style has seen why it is wrong."""
    return row | {"diagnosis": cause} if row["verdict"] in FAILING else row


def _within(row: dict[str, Any], floor: float) -> dict[str, Any]:
    """The row of a unit in which an epsilon of the code's own stands: what it amounts to is no mistake."""
    if row["verdict"] != "mismatch" or not row.get("needed", floor + 1) <= floor:
        return row
    return row | {"verdict": "match", "tolerance": floor, "diagnosis": ""}


def _trace(answer: Answer) -> Trace:
    trace = Trace(kinks=answer.kinks)
    trace.tensors.update(answer.tensors)
    return trace
