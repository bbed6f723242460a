"""The report in a terminal: 80 columns, readable in a pipe, the verdict first and names never cut.

Only ASCII is added to what the tables hold, and what they hold is transliterated where the console's encoding lacks
it, so that a log file or an old console shows the same report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any

from reports import numbers, summary
from reports.headline import headline
from reports.tables import RunTables

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

SHOWN_FAILING = 20
SHOWN_REASONS = 8
_STATE_STYLE = {"match": "bold green", "fail": "bold red", "nothing": "bold yellow", "incomplete": "bold yellow"}


def render(tables: RunTables, console: Console | None = None, folder: Path | str | None = None) -> None:
    """Print the report.

    Parameters
    ----------
    tables : RunTables
    console : rich.console.Console, optional
        Where to print; standard output by default, without colours when it is no terminal.
    folder : path, optional
        Where the run's files are, to be named at the end.
    """
    from rich.console import Console

    page = _Page(console or Console(highlight=False))
    _headline(page, tables)
    for dtype in summary.dtypes(tables):
        _phases(page, summary.by_phase(tables, dtype), dtype)
        if dtype == "float64":
            _floored(page, summary.floored(tables))
    _failing(page, summary.failing_rows(tables))
    _vacuous(page, summary.vacuous_reasons(tables))
    _conventions(page, summary.conventions_by_difference(tables))
    _skipped(page, summary.skipped_reasons(tables))
    _time(page, summary.time_per_implementation(tables), tables.info)
    _files(page, folder)


class _Wrapper(TextWrapper):
    """Breaks lines at blanks and after slashes, so that a long case name is cut between its parts."""

    def _split(self, text: str) -> list[str]:
        return re.findall(r"\s+|[^\s/]*/+|[^\s/]+", text)


class _Page:
    """A console that is given plain text: no markup, no highlighting, nothing it cannot encode."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def text(self, content: Any, style: str = "") -> Any:
        from rich.text import Text

        encoding = self.console.encoding or "ascii"
        plain = str(content).encode(encoding, "replace").decode(encoding)
        return Text("".join(c if c.isprintable() or c == "\n" else " " for c in plain), style=style)

    def line(self, content: Any, style: str = "", label: str = "") -> None:
        """One paragraph after a `label`, wrapped under its own beginning."""
        width = max(self.console.width, len(label) + 10)
        body = _Wrapper(width=width - len(label), replace_whitespace=True, expand_tabs=True).wrap(str(content)) or [""]
        for index, piece in enumerate(body):
            lead = self.text(label if index == 0 else " " * len(label), "dim" if label.strip() else "")
            self.console.print(lead.append_text(self.text(piece, style)), soft_wrap=True)

    def title(self, content: str, remark: str = "") -> None:
        self.console.print()
        self.console.print(self.text(content, "bold").append_text(self.text(f"  {remark}" if remark else "", "dim")))

    def labelled(self, rows: Iterable[tuple[Any, Any]], indent: int = 2) -> None:
        """Lines with a label each, the labels in one column."""
        rows = [(str(label), content) for label, content in rows]
        width = max((len(label) for label, _ in rows), default=0)
        for label, content in rows:
            self.line(content, label=" " * indent + label.ljust(width + 2))

    def table(self, header: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1, red: str = "") -> None:
        """Right-aligned columns after the first `left`; a non-zero cell of the column `red` stands out."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for index, name in enumerate(header):
            is_text = index < left
            table.add_column(name, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
        for row in rows:
            styles = ["bold red" if name == red and cell != "0" else "" for name, cell in zip(header, row, strict=True)]
            table.add_row(*(self.text(cell, style) for cell, style in zip(row, styles, strict=True)))
        self.console.print(table)


def _headline(page: _Page, tables: RunTables) -> None:
    summed = headline(tables)
    page.line(summed.verdict, _STATE_STYLE[summed.state])
    for sentence in (summed.sentence, *summed.remarks):
        page.line(sentence)


def _phases(page: _Page, phases: pd.DataFrame, dtype: str) -> None:
    page.title(dtype or "no precision", "needed: the worst of each phase; share: of its tolerance, at most")
    header = ("phase", "tensors", "match", "vacuous", "failing", "needed", "allowed", "share")
    rows = phases.to_dict("records")
    cells = [
        (
            row["phase"] or "(none)",
            *(numbers.count(row[name]) for name in ("tensors", "match", "vacuous", "failing")),
            *(numbers.small(row[name]) for name in ("needed", "tolerance")),
            numbers.margin(row["margin"]),
        )
        for row in rows
    ]
    page.table(header, cells, red="failing")
    page.labelled((row["phase"], _where(row)) for row in rows if row["case"])


def _where(row: dict[str, Any]) -> str:
    return "  ".join(filter(None, (row["case"], row["tensor"], row["reference"])))


def _floored(page: _Page, rows: pd.DataFrame) -> None:
    for row in rows.itertuples():
        page.line(
            f"{numbers.small(row.needed)} in {numbers.plural(row.tensors, 'tensor')} against {row.reference}, "
            f"where a float32 constant stands in the way: {row.floor}",
            label="  besides     ",
        )


def _failing(page: _Page, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    page.title("Failing", f"{numbers.plural(len(rows), 'row')}; first the culprit of each case")
    case, told = None, set()
    for row in rows.head(SHOWN_FAILING).to_dict("records"):
        if row["culprit"]:
            page.line(row["case"], "bold red")
            # One mistake shows in many cases: the second time its numbers are enough.
            lines = _culprit(row) if row["diagnosis"] not in told else [("as above", _follower(row))]
            page.labelled(lines)
            told |= {row["diagnosis"]} - {""}
            continue
        if row["case"] != case:
            case = row["case"]
            page.line(case, "bold", label="also in ")
        page.line(_follower(row), label="  ")
    if len(rows) > SHOWN_FAILING:
        page.line(f"... and {numbers.count(len(rows) - SHOWN_FAILING)} more in discrepancies.csv")


def _culprit(row: dict[str, Any]) -> list[tuple[str, str]]:
    against = f"against {row['reference']}" if row["reference"] else ""
    kind = "  ".join(filter(None, (row["verdict"], against, row["dtype"], row["scope"])))
    lines = [("tensor", row["tensor"] or "(the whole case)"), ("verdict", kind)]
    if row["verdict"] == "mismatch":
        lines += [("needed", _needed(row)), ("worst", _worst_element(row))]
    if row["diagnosis"]:
        lines.append(("cause", row["diagnosis"]))
    return lines


def _follower(row: dict[str, Any]) -> str:
    place = (row["tensor"] or "(the whole case)", row["reference"], row["dtype"], row["scope"])
    excess = f"{numbers.small(row['needed'])} > {numbers.small(row['tolerance'])}"
    return "  ".join(filter(None, (*place, excess if row["verdict"] == "mismatch" else row["verdict"])))


def _needed(row: dict[str, Any]) -> str:
    needed = numbers.small(row["needed"])
    if needed in ("-", "inf"):
        return "no tolerance would do, the difference is not finite"
    return f"{needed}, allowed {numbers.small(row['tolerance'])}: {numbers.margin(row['margin'])}"


def _worst_element(row: dict[str, Any]) -> str:
    subject, reference = numbers.pair(row["subject_value"], row["reference_value"])
    values = f"{subject} in {row['subject'] or 'the subject'}, {reference} in {row['reference'] or 'the reference'}"
    return f"at {row['worst_index']}: {values}" if row["worst_index"] else values


def _vacuous(page: _Page, reasons: pd.DataFrame) -> None:
    if reasons.empty:
        return
    page.title("Vacuous", "nothing was tested there")
    page.labelled((numbers.count(row.tensors), row.reason) for row in reasons.head(SHOWN_REASONS).itertuples())
    rest = reasons.iloc[SHOWN_REASONS:]
    if len(rest):
        page.line(f"... and {numbers.count(rest['tensors'].sum())} more, for {len(rest)} further reasons", label="  ")


def _conventions(page: _Page, conventions: pd.DataFrame) -> None:
    if conventions.empty:
        return
    page.title("Conventions mapped", "cost: the relative difference if ignored")
    cells = [
        (row.convention, row.implementation, numbers.count(row.cases), numbers.small(row.difference))
        for row in conventions.itertuples()
    ]
    page.table(("convention", "implementation", "cases", "cost"), cells, left=2)


def _skipped(page: _Page, reasons: pd.DataFrame) -> None:
    if reasons.empty:
        return
    page.title("Skipped")
    page.labelled(
        (
            row.implementation,
            row.reason if row.cases == "*" else f"{row.reason} ({numbers.plural(int(row.cases), 'case')})",
        )
        for row in reasons.itertuples()
    )


def _time(page: _Page, times: pd.DataFrame, info: dict[str, Any]) -> None:
    known = numbers.facts(info)
    if times.empty and not known:
        return
    page.title("Time", f"`{summary.HARNESS}` is the harness itself" if len(times) else "")
    if len(times):
        cells = [
            (
                row.implementation,
                *(numbers.count(number) for number in (row.cases, row.runs)),
                numbers.duration(row.seconds),
                numbers.percent(row.share),
            )
            for row in times.itertuples()
        ]
        page.table(("implementation", "cases", "runs", "time", "share"), cells)
    if known:
        page.line(", ".join(f"{name} {value}" for name, value in known.items()))


def _files(page: _Page, folder: Path | str | None) -> None:
    if folder is not None:
        page.title("Files")
        page.labelled([("page", Path(folder) / "report.html"), ("table", Path(folder) / "discrepancies.csv")])
