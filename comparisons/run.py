"""A whole run: which frameworks are there, every case in turn, and the tables that come of it."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from comparisons.case import Case
from comparisons.cases import all_cases, quick, select
from comparisons.errors import UnknownName
from comparisons.runner import DTYPES, CaseResult, Runner
from reference import CONVENTIONS, FRAMEWORKS, REFERENCES, MissingFramework, twin_class, version
from reports import RunTables, frame

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many cases are finished, and how many there are."""


@dataclass(frozen=True)
class Request:
    """What a run is asked to do.

    Attributes
    ----------
    selection : tuple of str
        Case ids, leading parts of ids, or patterns; all cases if empty.
    frameworks, required : tuple of str
        Frameworks and modes to compare with; those of them whose absence is an error.
    dtypes : tuple of str
        Tiers in which verdicts are reached.
    seed : int
    quick : bool
        Only one case of each kind, of those that the selection names, and conventions mapped but not measured.
    subject : str
        What is judged: `scratch` (in the course's cases, the course's functions), or a framework or mode.
    """

    selection: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = tuple(FRAMEWORKS)
    required: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    seed: int = 0
    quick: bool = False
    subject: str = "scratch"

    def __post_init__(self) -> None:
        for name in (*self.frameworks, *self.required):
            if name not in REFERENCES:
                raise UnknownName(f"no framework is named {name!r}; known are {', '.join(REFERENCES)}")
        if self.subject not in ("scratch", *REFERENCES):
            known = ", ".join(("scratch", *REFERENCES))
            raise UnknownName(f"nothing that can be judged is named {self.subject!r}; known are {known}")
        for name in self.required:
            if name not in (*self.frameworks, self.subject):
                raise UnknownName(
                    f"{name} is required but not among the frameworks {', '.join(self.frameworks)}; add it"
                )
        if self.frameworks and not self.references:
            raise UnknownName(f"{self.subject} would be compared with itself alone; name another with --frameworks")

    @property
    def references(self) -> tuple[str, ...]:
        """The frameworks but for the subject, in order and once each: compared with itself it would prove nothing."""
        return tuple(name for name in dict.fromkeys(self.frameworks) if name != self.subject)

    def cases(self) -> list[Case]:
        """The selected cases, in order."""
        selected = select(all_cases(self.seed), self.selection)
        selected = quick(selected) if self.quick else selected
        return selected if self.subject == "scratch" else [replace(case, subject=self.subject) for case in selected]


def compare(request: Request, progress: Progress = lambda *_: None) -> RunTables:
    """Compare everything that a request names.

    An interrupt (Ctrl-C) ends the run early; what was compared until then is returned, marked as incomplete.

    Parameters
    ----------
    request : Request
    progress : callable, optional
        See `Progress`.

    Returns
    -------
    RunTables

    Raises
    ------
    MissingFramework
        If a required framework, or the subject, cannot be used.
    UnknownName
        If the selection names no case.
    """
    begun, started = time.perf_counter(), datetime.now(UTC)
    cases = request.cases()
    results: list[CaseResult] = []
    complete = False
    absent: list[dict[str, Any]] = []
    runner = Runner((), request.dtypes)
    try:
        usable, absent = _usable(request, lambda what: progress(what, 0, len(cases)))
        runner = Runner(
            usable,
            request.dtypes,
            measure=not request.quick,
            announce=lambda what: progress(what, len(results), len(cases)),
        )
        for case in cases:
            progress(case.id, len(results), len(cases))
            results.append(runner.compare(case))
        progress("", len(cases), len(cases))
        complete = True
    except KeyboardInterrupt:
        pass
    tables = _tables(results, absent, run=f"{started:%Y%m%dT%H%M%SZ}-seed{request.seed}")
    tables.info.update(_facts(request, started, complete, len(cases), runner))
    tables.info["wall_seconds"] = time.perf_counter() - begun
    return tables


def _usable(request: Request, announce: Callable[[str], None]) -> tuple[list[str], list[dict[str, Any]]]:
    """The references that import, and a row for each that does not. The subject has to."""
    usable, absent = [], []
    if request.subject in REFERENCES:
        announce(f"importing {request.subject}")
        twin_class(request.subject)
    for name in request.references:
        announce(f"importing {name}")
        try:
            twin_class(name)
            usable.append(name)
        except MissingFramework as error:
            if name in request.required:
                raise
            absent.append({"case": "*", "implementation": name, "reason": str(error)})
    return usable, absent


def _tables(results: Sequence[CaseResult], absent: list[dict[str, Any]], run: str) -> RunTables:
    timings = [row for result in results for row in result.timings]
    return RunTables(
        frame("discrepancies", [{"run": run} | row for result in results for row in result.discrepancies]),
        frame("conventions", _conventions(row for result in results for row in result.conventions)),
        frame("timings", timings),
        frame("skipped", absent + [row for result in results for row in result.skipped]),
        frame("curves", [row for result in results for row in result.curves]),
        {"run": run} | _ratio(timings),
    )


def _conventions(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per convention and framework: in how many cases it was met, and what ignoring it costs in one of them."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["convention"], row["implementation"]), []).append(row)
    table = []
    for (name, implementation), met in sorted(grouped.items()):
        convention = CONVENTIONS[name]
        # NaN (not measured) never wins.
        worst = max(met, key=lambda row: row["difference"] if row["difference"] == row["difference"] else -1.0)
        described = {"title": convention.title, "mapping": convention.mapping, "kind": convention.kind}
        table.append(worst | described | {"implementation": implementation, "cases": len(met)})
    return table


def _ratio(timings: list[dict[str, Any]]) -> dict[str, float]:
    """Time spent comparing, as a part of the time spent inside the implementations."""
    own = sum(row["seconds"] for row in timings if row["implementation"] == "comparison")
    inside = sum(row["seconds"] for row in timings) - own
    return {"harness_ratio": own / inside} if inside else {}


def _facts(request: Request, started: datetime, complete: bool, cases: int, runner: Runner) -> dict[str, Any]:
    used = [name for name in dict.fromkeys((request.subject, *runner.frameworks)) if name in REFERENCES]
    return {
        "started": started.isoformat(timespec="seconds"),
        "seed": request.seed,
        "dtypes": list(request.dtypes),
        "frameworks": {"numpy": metadata.version("numpy")}
        | {name: version(name).removeprefix(f"{REFERENCES[name].name} ") for name in used},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "peak_memory_mb": _peak_memory(),
        "complete": complete,
        "cases": cases,
    }


def _peak_memory() -> float | None:
    """Largest resident set of this process so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
