"""The report as one page: no network, no fonts to load, light and dark, readable without scripts and on paper.

The table of all tensors is carried as columns of numbers with their strings told once, so that thousands of rows weigh little;
the page's script draws the part that is looked at. Everything a reader needs first stands in the page itself.
"""

from __future__ import annotations

import json
import math
from importlib import resources
from typing import TYPE_CHECKING, Any

from reports import numbers, plots, summary
from reports.headline import headline
from reports.schema import PHASES
from reports.tables import RunTables

if TYPE_CHECKING:
    import pandas as pd

SHOWN_INHERITED = 30
SHOWN_CULPRITS = 200
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
    from jinja2 import BaseLoader, Environment, StrictUndefined

    source = resources.files("reports").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        loader=BaseLoader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        name: getattr(numbers, name) for name in ("count", "small", "margin", "duration", "percent", "plural")
    }
    return environment.from_string(source).render(
        summed=headline(tables),
        facts=_facts(tables),
        failures=_failures(summary.failing_rows(tables)),
        shown_culprits=SHOWN_CULPRITS,
        phases=[(dtype, _records(summary.by_phase(tables, dtype))) for dtype in summary.dtypes(tables)],
        floored=_records(summary.floored(tables)),
        vacuous=_records(summary.vacuous_reasons(tables)),
        scatter=plots.limit_scatter(tables),
        strip=plots.margin_strip(tables),
        phase_names=[
            (index, phase) for index, phase in enumerate(PHASES) if (tables.discrepancies["phase"] == phase).any()
        ],
        curves=_curves(tables),
        conventions=_records(summary.conventions_by_difference(tables)),
        times=_records(summary.time_per_implementation(tables)),
        skipped=_records(summary.skipped_reasons(tables)),
        cases=_records(summary.by_case(tables)),
        data=_columns(tables.discrepancies),
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _facts(tables: RunTables) -> list[tuple[str, str]]:
    info = tables.info
    versions = ", ".join(f"{name} {version}" for name, version in (info.get("frameworks") or {}).items())
    known = {
        "started": info.get("started"),
        "command": info.get("command"),
        "seed": info.get("seed"),
        "versions": versions,
        "python": info.get("python"),
        "platform": info.get("platform"),
        **numbers.facts(info),
    }
    return [(name, str(value)) for name, value in known.items() if value not in (None, "")]


def _failures(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Each failing case's culprit, with the rows that inherit (not all of very many)."""
    failures = []
    for culprit in _records(rows[rows["culprit"]].head(SHOWN_CULPRITS)):
        inherited = rows[(rows["case"] == culprit["case"]) & ~rows["culprit"]]
        values = numbers.pair(culprit["subject_value"], culprit["reference_value"])
        shown = _records(inherited.head(SHOWN_INHERITED))
        failures.append({"row": culprit, "values": values, "inherited": shown, "more": len(inherited) - len(shown)})
    return failures


def _curves(tables: RunTables) -> list[dict[str, Any]]:
    pairs = tables.curves[["case", "quantity"]].drop_duplicates().itertuples(index=False)
    return [
        {
            "case": pair.case,
            "quantity": pair.quantity.replace("_", " "),
            "svg": plots.curve(tables, pair.case, pair.quantity),
            "difference": plots.curve_difference(tables, pair.case, pair.quantity),
            "names": list(enumerate(tables.curves["implementation"].drop_duplicates())),
        }
        for pair in pairs
    ]


def _columns(rows: pd.DataFrame) -> str:
    """All rows as JSON columns: strings once each, with an index per row; numbers with three digits, null for none."""
    columns: dict[str, Any] = {}
    for name in _TEXT:
        codes, words = rows[name].factorize()
        columns[name] = {"words": [str(word) for word in words], "rows": codes.tolist()}
    for name in ("needed", "tolerance"):
        columns[name] = [float(f"{v:.2e}") if math.isfinite(v) else None for v in rows[name].tolist()]
    # Inside a script element `<` could end it; JSON may spell it as an escape.
    return json.dumps(columns, separators=(",", ":")).replace("<", "\\u003c")
