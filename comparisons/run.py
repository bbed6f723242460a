"""A whole run: which frameworks are there, every case in turn, and the tables that come of it."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from comparisons.case import Case
from comparisons.cases import all_cases, quick, select
from comparisons.errors import UnknownName
from comparisons.runner import DTYPES, CaseResult, Runner
from comparisons.workers import families, parts, peak_memory, processes
from reference import CONVENTIONS, FRAMEWORKS, REFERENCES, MissingFramework, missing, twin_class, version
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
        Only one case of each family (see `comparisons.cases.quick`), of those that the selection names, and conventions
        mapped but not measured.
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


def compare(request: Request, progress: Progress = lambda *_: None, apart: bool = False) -> RunTables:
    """Compare everything that a request names.

    An interrupt (Ctrl-C) ends the run early; what was compared until then is returned, marked as incomplete.

    Parameters
    ----------
    request : Request
    progress : callable, optional
        See `Progress`.
    apart : bool
        In several processes where that is faster; see `comparisons.workers`. Only for the main thread, and for a program
        that can be imported (`if __name__ == "__main__"`), as `multiprocessing` asks.

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
    finished: list[CaseResult] = []
    complete = False
    run = _Run(request, cases, progress)
    try:
        # Closed before the tables are made: other processes end with it.
        with contextlib.closing(run.results(processes(request, cases) if apart else 1)) as found:
            finished.extend(found)
        progress("", len(cases), len(cases))
        complete = True
    except KeyboardInterrupt:
        pass
    tables = _tables(finished, run.absent, run=f"{started:%Y%m%dT%H%M%SZ}-seed{request.seed}")
    tables.info.update(_facts(request, started, complete, len(cases), run))
    tables.info["wall_seconds"] = time.perf_counter() - begun
    return tables


class _Run:
    """The comparisons of a request, and what is found out on the way.

    Attributes
    ----------
    usable : list of str
        The references that can be used.
    absent : list of dict
        A row for each of the others.
    peaks : dict of int to float
        Largest resident set of each further process, in MiB.
    """

    def __init__(self, request: Request, cases: Sequence[Case], progress: Progress) -> None:
        self.request, self.cases, self.progress = request, cases, progress
        self.usable: list[str] = []
        self.absent: list[dict[str, Any]] = []
        self.peaks: dict[int, float] = {}
        self._done = 0

    def results(self, count: int) -> Generator[CaseResult]:
        """The result of each case, in order, from so many processes. The subject has to be there, and what is required."""
        yield from self._here() if count == 1 else self._apart(count)

    def _here(self) -> Iterator[CaseResult]:
        if self.request.subject in REFERENCES:
            self._announce(f"importing {self.request.subject}")
            twin_class(self.request.subject)
        for name in self.request.references:
            self._announce(f"importing {name}")
            try:
                twin_class(name)
                self.usable.append(name)
            except MissingFramework as error:
                self._lacks(name, str(error))
        for family in families(self.cases):
            runner = Runner(self.usable, self.request.dtypes, not self.request.quick, self._announce)
            for case in family:
                self._announce(case.id)
                yield runner.compare(case)
                self._done += 1

    def _apart(self, count: int) -> Iterator[CaseResult]:
        for name in self.request.references:
            if reason := missing(name):
                self._lacks(name, reason)
            else:
                self.usable.append(name)
        self._announce(f"importing {' and '.join(self.usable)}, in {count} processes")
        for part in parts(self.request, self.usable, self.cases, count):
            for name in [name for name in self.usable if name in part.broken]:
                self.usable.remove(name)
                self._lacks(name, part.broken[name])
            self.peaks |= {part.process: part.peak} if part.peak else {}
            yield from part.results
            self._done += len(part.results)
            if self._done < len(self.cases):
                self._announce(self.cases[self._done].id)

    def _announce(self, what: str) -> None:
        self.progress(what, self._done, len(self.cases))

    def _lacks(self, name: str, reason: str) -> None:
        """Note that a reference cannot be used; an error if it is required."""
        if name in self.request.required:
            raise MissingFramework(reason)
        self.absent.append({"case": "*", "implementation": name, "reason": reason})

    def peak_memory(self) -> float | None:
        """Of all processes together."""
        own = peak_memory()
        return own and own + sum(self.peaks.values())


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


def _facts(request: Request, started: datetime, complete: bool, cases: int, run: _Run) -> dict[str, Any]:
    used = [name for name in dict.fromkeys((request.subject, *run.usable)) if name in REFERENCES]
    return {
        "started": started.isoformat(timespec="seconds"),
        "seed": request.seed,
        "dtypes": list(request.dtypes),
        "frameworks": {"numpy": metadata.version("numpy")}
        | {name: version(name).removeprefix(f"{REFERENCES[name].name} ") for name in used},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "peak_memory_mb": run.peak_memory(),
        "complete": complete,
        "cases": cases,
    }
