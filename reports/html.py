"""The report as one page: no network, no fonts to load, light and dark, readable without scripts and on paper.

The page itself holds what a reader needs first, and a table of the most telling rows. All rows travel beside it as
columns of numbers with their strings told once, so that thousands weigh little; a small script makes of them a table to
search and sort. What a limit leaves out is said where it is left out, and failing rows are the last to be left out.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import TYPE_CHECKING, Any

from reports import numbers, plots, summary
from reports.headline import headline
from reports.schema import PHASES
from reports.tables import RunTables, failing

if TYPE_CHECKING:
    import pandas as pd
    from jinja2 import Template

SHOWN_CULPRITS = 200
SHOWN_INHERITED = 30
SHOWN_CASES = 500
SHOWN_REASONS = 50
SHOWN_ROWS = 100
CARRIED_BYTES = 1_100_000
_INHERITED_IN_ALL = 600
_TEXT = ("case", "tensor", "reference", "dtype", "phase", "scope", "verdict", "diagnosis")


def html(tables: RunTables) -> str:
    """Render a run as one self-contained HTML page.

    Parameters
    ----------
    tables : RunTables

    Returns
    -------
    str
        The same text for the same tables.
    """
    failing_rows = summary.failing_rows(tables)
    return _template().render(
        summed=headline(tables),
        facts=_facts(tables),
        parts=tables.info.get("parts") or (),
        causes=_causes(failing_rows),
        culprits_left_out=max(0, int(failing_rows["culprit"].sum()) - SHOWN_CULPRITS),
        phases=[(dtype, _records(summary.by_phase(tables, dtype))) for dtype in summary.dtypes(tables)],
        floored=_records(summary.floored(tables)),
        vacuous=_limited(summary.vacuous_reasons(tables), SHOWN_REASONS),
        matrix=_matrix(summary.by_suite(tables)),
        scatter=plots.limit_scatter(tables),
        strip=plots.margin_strip(tables),
        phase_names=[
            (index, phase) for index, phase in enumerate(PHASES) if (tables.discrepancies["phase"] == phase).any()
        ],
        curves=_curves(tables),
        conventions=_records(summary.conventions_by_difference(tables)),
        times=_records(summary.time_per_implementation(tables)),
        skipped=_records(summary.skipped_reasons(tables)),
        cases=_limited(summary.by_case(tables), SHOWN_CASES),
        tensors=_tensors(summary.most_telling(tables)),
    )


def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = resources.files("reports").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        name: getattr(numbers, name) for name in ("count", "small", "margin", "duration", "percent", "plural")
    }
    return environment.from_string(source)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _limited(table: pd.DataFrame, most: int) -> dict[str, Any]:
    """The first rows of a table, and how many there are in all."""
    return {"rows": _records(table.head(most)), "total": len(table), "left_out": max(0, len(table) - most)}


def _facts(tables: RunTables) -> list[tuple[str, str]]:
    info = tables.info
    versions = ", ".join(f"{name} {version}" for name, version in (info.get("frameworks") or {}).items())
    known = {
        "versions": versions,
        "seed": info.get("seed"),
        "command": info.get("command"),
        "started": info.get("started"),
        **numbers.facts(info),
        "python": info.get("python"),
        "platform": info.get("platform"),
    }
    return [(name, str(value)) for name, value in known.items() if value not in (None, "")]


def _causes(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The culprits, those with one diagnosis together: one mistake shows in many cases. In order of appearance."""
    culprits = _records(rows[rows["culprit"]].head(SHOWN_CULPRITS))
    most = min(SHOWN_INHERITED, max(3, _INHERITED_IN_ALL // max(1, len(culprits))))
    followers = {str(case): of_case for case, of_case in rows[~rows["culprit"]].groupby("case", sort=False)}
    causes: dict[str, list[dict[str, Any]]] = {}
    for culprit in culprits:
        inherited = followers.get(culprit["case"], rows.head(0))
        values = numbers.pair(culprit["subject_value"], culprit["reference_value"])
        failure = {"row": culprit, "pair": values, "inherited": _limited(inherited, most)}
        causes.setdefault(culprit["diagnosis"], []).append(failure)
    return [{"diagnosis": diagnosis, "failures": failures} for diagnosis, failures in causes.items()]


def _matrix(tallies: pd.DataFrame) -> dict[str, Any]:
    """Suites and references down, phases across; a cell is a row of `tallies`, or None where nothing was compared."""
    found = {(row["suite"], row["reference"], row["phase"]): row for row in _records(tallies)}
    phases = [phase for phase in (*PHASES, "") if (tallies["phase"] == phase).any()]
    lines = dict.fromkeys((suite, reference) for suite, reference, _ in found)
    return {
        "phases": phases,
        "lines": [(*line, [found.get((*line, phase)) for phase in phases]) for line in lines],
    }


def _curves(tables: RunTables) -> list[dict[str, Any]]:
    differences = summary.curve_differences(tables).groupby(["case", "quantity"])["difference"].max()
    pairs = tables.curves[["case", "quantity"]].drop_duplicates().itertuples(index=False)
    return [
        {
            "case": pair.case,
            "quantity": pair.quantity.replace("_", " "),
            "svg": plots.curve(tables, pair.case, pair.quantity),
            "difference": plots.curve_difference(tables, pair.case, pair.quantity),
            "compared": (pair.case, pair.quantity) in differences.index,
            "names": list(enumerate(_implementations(tables.curves, *pair))),
        }
        for pair in pairs
    ]


def _implementations(curves: pd.DataFrame, case: str, quantity: str) -> list[str]:
    rows = curves[(curves["case"] == case) & (curves["quantity"] == quantity)]
    return rows["implementation"].drop_duplicates().tolist()


def _tensors(rows: pd.DataFrame) -> dict[str, Any]:
    """The rows for the table of all tensors: some as they are, as many as a page can bear as data."""
    data, carried = _columns(rows), len(rows)
    while len(data) > CARRIED_BYTES:
        carried = int(carried * min(0.95, CARRIED_BYTES / len(data)))
        data = _columns(rows.head(carried))
    return {
        **_limited(rows, SHOWN_ROWS),
        "failing_left_out": int(failing(rows.iloc[SHOWN_ROWS:]).sum()),
        "not_carried": len(rows) - carried,
        "failing_not_carried": int(failing(rows.iloc[carried:]).sum()),
        "data": data,
    }


def _columns(rows: pd.DataFrame) -> str:
    """Rows as JSON columns: strings once each, with an index per row; numbers with four digits, null for none."""
    columns: dict[str, Any] = {}
    for name in _TEXT:
        codes, words = rows[name].factorize()
        columns[name] = {"words": [str(word) for word in words], "rows": codes.tolist()}
    for name in ("needed", "tolerance"):
        columns[name] = [float(f"{v:.3e}") if math.isfinite(v) else None for v in rows[name].tolist()]
    # Inside a script element `<` could end it; JSON may spell it as an escape.
    return json.dumps(columns, separators=(",", ":")).replace("<", "\\u003c")
