"""The report as Markdown, for a CI job's page (GitHub's step summary)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reports import numbers, summary
from reports.headline import headline
from reports.tables import RunTables

if TYPE_CHECKING:
    import pandas as pd

SHOWN_FAILING = 50
SHOWN_REASONS = 30
_NUMBERS = frozenset(
    ["tensors", "match", "vacuous", "failing", "needed", "allowed", "share", "cases", "runs", "time", "difference"]
)
_MARK = {"match": "✅", "fail": "❌", "nothing": "⚠️", "incomplete": "⚠️"}


def markdown(tables: RunTables) -> str:
    """Render a run as GitHub-flavoured Markdown.

    Parameters
    ----------
    tables : RunTables

    Returns
    -------
    str
        Headline, phases, failing rows, then what is only looked up (conventions, time) folded away.
    """
    summed = headline(tables)
    parts = [f"## {_MARK[summed.state]} backproof: {summed.verdict}", text(summed.sentence)]
    parts += [text(remark) for remark in summed.remarks]
    parts += [fenced(part["text"]) for part in tables.info.get("parts") or ()]
    parts += [_phases(summary.by_phase(tables, dtype), dtype) for dtype in summary.dtypes(tables)]
    parts += [_floored(summary.floored(tables))]
    parts += [_failing(summary.failing_rows(tables)), _vacuous(summary.vacuous_reasons(tables))]
    parts += [_skipped(summary.skipped_reasons(tables))]
    parts += [_conventions(summary.conventions_by_difference(tables))]
    parts += [_time(summary.time_per_implementation(tables), tables.info)]
    return "\n\n".join(part for part in parts if part) + "\n"


def text(content: Any) -> str:
    """Escape what Markdown or HTML would take for its own, and keep it on one line."""
    flat = " ".join(str(content).split())
    return re.sub(r"([\\`*_\[\]|~])", r"\\\1", flat).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(content: Any) -> str:
    """A name in backticks, safe inside a table cell; empty stays empty."""
    flat = " ".join(str(content).split())
    if not flat:
        return ""
    # In a table GitHub splits cells at every bare pipe, even between backticks; `\\|` is its only escape there.
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", flat)), default=0))
    inner = flat.replace("|", r"\|")
    return f"{fence} {inner} {fence}" if "`" in inner else f"`{inner}`"


def fenced(content: str) -> str:
    """Lines as they are, in a fence longer than any inside."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", content)), default=0))
    return f"{fence}text\n{content}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table of finished cells; the columns of numbers are right-aligned."""
    rule = ["---:" if name in _NUMBERS else "---" for name in header]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])


def _details(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>"


def _phases(phases: pd.DataFrame, dtype: str) -> str:
    header = ("phase", "tensors", "match", "vacuous", "failing", "needed", "allowed", "share", "worst")
    cells = [
        (
            text(row["phase"] or "(none)"),
            *(numbers.count(row[name]) for name in ("tensors", "match", "vacuous", "failing")),
            *(numbers.small(row[name]) for name in ("needed", "tolerance")),
            text(numbers.margin(row["margin"])),
            " ".join(filter(None, (code(row["tensor"]), code(row["case"]), text(row["reference"])))),
        )
        for row in phases.to_dict("records")
    ]
    return f"### {text(dtype or 'no precision')}\n\n{table(header, cells)}"


def _floored(rows: pd.DataFrame) -> str:
    lines = [
        f"- {numbers.small(row.needed)} in {numbers.plural(row.tensors, 'tensor')} against {text(row.reference)}, where a "
        f"float32 constant inside the framework stands in the way: {code(row.floor)}"
        for row in rows.itertuples()
    ]
    return "\n".join(["Besides, in float64:", "", *lines]) if lines else ""


def _failing(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    header = ("case", "tensor", "against", "verdict", "scope", "cause", "needed", "allowed", "worst element")
    cells = [
        (
            f"**{code(row['case'])}**" if row["culprit"] else code(row["case"]),
            code(row["tensor"]) or "(the whole case)",
            text(f"{row['reference']} {row['dtype']}"),
            text(row["verdict"]),
            text(row["scope"]),
            text(row["diagnosis"]),
            numbers.small(row["needed"]),
            numbers.small(row["tolerance"]),
            _worst(row),
        )
        for row in rows.head(SHOWN_FAILING).to_dict("records")
    ]
    note = "The first failing row of each case, its culprit, is in bold and comes first."
    rest = len(rows) - SHOWN_FAILING
    more = f"\n\n… and {numbers.count(rest)} more in `discrepancies.csv`." if rest > 0 else ""
    return f"### Failing\n\n{note}\n\n{table(header, cells)}{more}"


def _worst(row: dict[str, Any]) -> str:
    if row["verdict"] != "mismatch" or not row["worst_index"]:
        return ""
    subject, reference = numbers.pair(row["subject_value"], row["reference_value"])
    return text(f"{row['worst_index']}: {subject} instead of {reference}")


def _vacuous(reasons: pd.DataFrame) -> str:
    if reasons.empty:
        return ""
    cells = [
        (text(row.reason), numbers.count(row.tensors), numbers.count(row.cases))
        for row in reasons.head(SHOWN_REASONS).itertuples()
    ]
    title = f"Vacuous: {numbers.plural(reasons['tensors'].sum(), 'tensor comparison')} tested nothing"
    rest = reasons.iloc[SHOWN_REASONS:]
    more = (
        f"\n\n… and {numbers.count(rest['tensors'].sum())} more, for {len(rest)} further reasons." if len(rest) else ""
    )
    return _details(title, table(("reason", "tensors", "cases"), cells) + more)


def _skipped(reasons: pd.DataFrame) -> str:
    if reasons.empty:
        return ""
    cells = [
        (text(row.implementation), "all" if row.cases == "*" else row.cases, text(row.reason))
        for row in reasons.itertuples()
    ]
    return f"### Skipped\n\n{table(('implementation', 'cases', 'reason'), cells)}"


def _conventions(conventions: pd.DataFrame) -> str:
    if conventions.empty:
        return ""
    cells = [
        (
            code(row.convention),
            text(row.title),
            text(row.implementation),
            text(row.mapping),
            numbers.small(row.difference),
        )
        for row in conventions.itertuples()
    ]
    header = ("convention", "what differs", "implementation", "mapping", "difference")
    title = f"Conventions mapped ({len(cells)}), with the difference that ignoring one would make"
    return _details(title, table(header, cells))


def _time(times: pd.DataFrame, info: dict[str, Any]) -> str:
    cells = [
        (
            text(row.implementation),
            *(numbers.count(number) for number in (row.cases, row.runs)),
            numbers.duration(row.seconds),
            numbers.percent(row.share),
        )
        for row in times.itertuples()
    ]
    known = [f"{name} {value}" for name, value in numbers.facts(info).items()]
    known += [f"python {text(info['python'])}"] if info.get("python") else []
    known += [f"command {code(info['command'])}"] if info.get("command") else []
    body = [table(("implementation", "cases", "runs", "time", "share"), cells)] if cells else []
    body += [", ".join(known)] if known else []
    return _details("Time and machine", "\n\n".join(body)) if body else ""
