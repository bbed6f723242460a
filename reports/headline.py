"""The run in one line: what every report begins with."""

from __future__ import annotations

from dataclasses import dataclass

from reports.numbers import count, plural
from reports.summary import DECIDED, culprits
from reports.tables import RunTables, exit_code, failing


@dataclass(frozen=True)
class Headline:
    """The verdict on a whole run.

    Parameters
    ----------
    state : str
        `match`, `fail`, `nothing` (no tensor was decided) or `incomplete` (cut short, nothing failing so far).
    verdict : str
        Two words, in capitals.
    sentence : str
        What was compared, against which versions.
    remarks : tuple of str
        What the verdict alone would hide: vacuous rows, where the failing cases begin, an incomplete run.
    """

    state: str
    verdict: str
    sentence: str
    remarks: tuple[str, ...]


_VERDICTS = {
    "match": "ALL MATCH",
    "fail": "NOT EQUAL",
    "nothing": "NOTHING COMPARED",
    "incomplete": "INCOMPLETE",
}


def headline(tables: RunTables) -> Headline:
    """Sum a run up."""
    state = _state(tables)
    return Headline(state, _VERDICTS[state], _sentence(tables, state), _remarks(tables, state))


def references(tables: RunTables) -> str:
    """The references of the run with their versions: `torch 2.13.0 and tensorflow 2.21.0`."""
    versions = tables.info.get("frameworks") or {}
    names = [name for name in tables.discrepancies["reference"].drop_duplicates() if name]
    named = [f"{name} {versions[name]}" if versions.get(name) else str(name) for name in names]
    return " and ".join(", ".join(named).rsplit(", ", 1))


def _judged(tables: RunTables) -> str:
    """Which framework was judged, with its version, where one was in scratch's place: ` of torch 2.13.0`."""
    versions = tables.info.get("frameworks") or {}
    names = [name for name in tables.discrepancies["subject"].drop_duplicates() if name in versions]
    return f" of {' and '.join(f'{name} {versions[name]}' for name in names)}" if names else ""


def _state(tables: RunTables) -> str:
    code = exit_code(tables)
    if code == 2:
        decided = tables.discrepancies["verdict"].isin(DECIDED).any()
        return "incomplete" if decided else "nothing"
    return "fail" if code else "match"


def _sentence(tables: RunTables, state: str) -> str:
    rows = tables.discrepancies
    against = f" against {references(tables)}" if references(tables) else ""
    of = _judged(tables)
    if state == "nothing":
        return f"No tensor{of} could be compared{against}."
    decided = rows[rows["verdict"] != "vacuous"]
    compared = (
        f"{plural(len(decided), 'tensor comparison')}{of} in {plural(decided['case'].nunique(), 'case')}{against}"
    )
    if state != "fail":
        return compared
    bad = decided[failing(decided)]
    where = f"{count(bad['case'].nunique())} of {plural(decided['case'].nunique(), 'case')}"
    return f"{count(len(bad))} of {plural(len(decided), 'tensor comparison')}{of} fail, in {where},{against}"


def _remarks(tables: RunTables, state: str) -> tuple[str, ...]:
    remarks = []
    if state == "fail":
        first = culprits(tables).iloc[0]
        cause = f" ({first['diagnosis']})" if first["diagnosis"] else ""
        remarks.append(f"Look first at {first['case']}: {first['tensor'] or 'the whole case'}{cause}.")
    vacuous = int((tables.discrepancies["verdict"] == "vacuous").sum())
    if vacuous:
        remarks.append(f"{plural(vacuous, 'tensor comparison')} tested nothing (vacuous); the reasons are below.")
    asked, seen = tables.info.get("cases"), tables.discrepancies["case"].nunique()
    if tables.info.get("complete") is False:
        of = f" {count(seen)} of {plural(asked, 'case')} left results." if asked else ""
        remarks.append(f"The run was cut short.{of}")
    return tuple(remarks)
