"""The terminal, Markdown and HTML reports: whole, escaped, and no wider or heavier than promised."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from rich.console import Console

from reports import RunTables, frame, render
from reports.html import html
from reports.markdown import markdown

VOID = {"meta", "br", "input", "path", "use", "rect", "line", "circle"}


def terminal(tables: RunTables, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    render(tables, console, "backproof-runs/x")
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_terminal_keeps_to_its_width_and_names_are_whole(green: RunTables, red: RunTables, width: int) -> None:
    for tables in (green, red):
        text = terminal(tables, width)
        assert max(map(len, text.splitlines())) <= width
    joined = re.sub(r"\s+", "", text)
    for name in red.discrepancies.query("verdict == 'mismatch'")["case"].unique():
        assert name in joined


def test_terminal_says_the_verdict_first_and_the_cause(green: RunTables, red: RunTables) -> None:
    assert terminal(green).splitlines()[0] == "ALL MATCH"
    text = terminal(red)
    assert text.splitlines()[0] == "NOT EQUAL"
    assert "Failing  19 rows; first the culprit of each case" in text
    assert "cause    grad is exactly 1/32 of the reference: divided by m twice" in text


def test_terminal_counts_tensors_per_phase(green: RunTables) -> None:
    line = next(line for line in terminal(green).splitlines() if line.startswith("gradient"))
    rows = green.discrepancies.query("dtype == 'float64' and phase == 'gradient'")
    matching = (rows["verdict"] == "match").sum()
    assert line.split()[1:5] == [str(len(rows)), str(matching), str(len(rows) - matching), "0"]


def test_terminal_tells_a_repeated_diagnosis_once(make_row) -> None:
    rows = [
        make_row(case=f"layer/{i}", verdict="mismatch", needed=0.5, diagnosis="divided by m twice") for i in range(3)
    ]
    text = terminal(RunTables(frame("discrepancies", rows)))
    failing = text.partition("Failing  ")[2]
    assert failing.count("divided by m twice") == 1
    assert failing.count("as above") == 2
    assert all(f"layer/{i}" in failing for i in range(3))


def test_nothing_compared_is_said_plainly(empty: RunTables) -> None:
    assert terminal(empty).splitlines()[:2] == ["NOTHING COMPARED", "No tensor could be compared."]
    assert "NOTHING COMPARED" in markdown(empty)
    assert "No tensor could be compared" in html(empty)


def test_markdown_tables_are_well_formed(red: RunTables) -> None:
    text = markdown(red)
    width = None
    for line in text.splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert width in (None, cells), line
        width = cells
    assert r"grad/embedding1.W\|E" in text
    assert "<zeros>" not in re.sub(r"`[^`]*`", "", text)
    assert text.count("<details>") == text.count("</details>")


class Checker(HTMLParser):
    """Follows the nesting of elements and collects what is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                self.loads.append(value)
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "td", "th", "li", "p") or tag in VOID:
            while self.open and self.open[-1] != tag and self.open[-1] in ("tr", "td", "th", "li", "p"):
                self.open.pop()
        if tag not in VOID:
            assert self.open.pop() == tag, tag


@pytest.mark.parametrize("kind", ["green", "red"])
def test_page_is_well_formed_and_loads_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    page = html(request.getfixturevalue(kind))
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.loads == []
    assert len(checker.ids) == len(set(checker.ids))
    assert "url(http" not in page
    assert "@import" not in page


def test_page_escapes_what_tables_hold(red: RunTables) -> None:
    page = html(red)
    assert "layer/dense/&lt;zeros&gt;" in page
    assert "<zeros>" not in page


def test_page_names_the_culprit_and_folds_what_inherits(red: RunTables) -> None:
    page = html(red)
    assert page.index("divided by m twice") < page.index("further rows of this case")
    assert page.count('class="culprit"') == 4


def test_page_tells_a_repeated_diagnosis_once_with_all_its_cases(make_row) -> None:
    rows = [
        make_row(case=f"layer/{i}", verdict="mismatch", needed=0.5, diagnosis="divided by m twice") for i in range(3)
    ]
    page = html(RunTables(frame("discrepancies", rows)))
    assert page.count("<h3>divided by m twice</h3>") == 1
    assert page.count('class="culprit"') == 3


def test_page_counts_every_suite_against_every_reference(red: RunTables) -> None:
    matrix = html(red).partition('<table class="matrix">')[2].partition("</table>")[0]
    rows = red.discrepancies
    assert matrix.count("<tr>") == 1 + len(rows[["suite", "reference"]].drop_duplicates())
    numbers = [int(n) for n in re.findall(r">(\d+)</span>", matrix)]
    assert sum(numbers) == (rows["verdict"] == "match").sum()
    assert sum(int(n) for n in re.findall(r">(\d+) fail<", matrix)) == 19


def carried(page: str) -> dict[str, list]:
    """The rows that the page's script gets, as columns."""
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    columns = json.loads(data.group(1))
    return {
        name: [column["words"][code] for code in column["rows"]] if isinstance(column, dict) else column
        for name, column in columns.items()
    }


def test_page_carries_every_row_and_the_failing_first(red: RunTables) -> None:
    columns = carried(html(red))
    assert sorted(columns["tensor"]) == sorted(red.discrepancies["tensor"])
    assert len(columns["needed"]) == len(red.discrepancies)
    assert set(columns["verdict"][:19]) == {"mismatch", "error", "missing"}
    assert set(columns["verdict"][19:-7]) == {"match"}
    assert set(columns["verdict"][-7:]) == {"vacuous"}


def test_without_a_script_the_page_still_shows_what_fails(red: RunTables) -> None:
    table = html(red).partition('<table id="tensors">')[2].partition("</table>")[0]
    assert table.count("<tr>") == 1 + 100
    assert table.count('class="fail"') == 19


@pytest.mark.parametrize("rows_per_case", [2, 50])
def test_page_stays_light_when_everything_fails_and_says_what_it_leaves_out(make_row, rows_per_case: int) -> None:
    rows = [
        make_row(
            case=f"network/dense-batchnorm-relu-dropout/depth{i // rows_per_case}/input-scale-1e3/batch32",
            tensor=f"grad/dense{i}.W",
            verdict="mismatch",
            diagnosis=f"exactly {i}/7 of the reference, which no known mistake explains at all",
        )
        for i in range(10_000)
    ]
    page = html(RunTables(frame("discrepancies", rows)))
    assert len(page.encode()) < 2_000_000
    kept = len(carried(page)["case"])
    left_out = f"{10_000 - kept:,}"
    assert f"{left_out} rows of 10,000 are left out of this page, {left_out} of them failing" in page
    assert ("further cases are not shown here" in page) == (rows_per_case == 2)


def test_curves_are_called_equal_only_when_they_are(green: RunTables) -> None:
    scratch = green.curves.query("quantity == 'loss' and implementation == 'scratch'")

    def twin(value: float | None) -> RunTables:
        other = scratch.assign(implementation="torch")
        if value is not None:
            other.loc[other["step"] == 7, "value"] = value
        rows = [*scratch.to_dict("records"), *other.to_dict("records")]
        return dataclasses.replace(green, curves=frame("curves", rows))

    assert "bit for bit" in html(twin(None))
    assert "bit for bit" not in html(twin(float("nan")))
    assert "at most inf" in html(twin(float("inf")))
    alone = html(dataclasses.replace(green, curves=scratch))
    assert "bit for bit" not in alone
    assert "there is nothing to compare" in alone


def test_page_of_ten_thousand_rows_stays_light_and_repeats_itself(build_run: Callable[..., RunTables]) -> None:
    tables = build_run(copies=20)
    assert len(tables.discrepancies) > 10_000
    page = html(tables)
    assert len(page.encode()) < 2_000_000
    assert page == html(tables)


def test_the_parts_of_a_checked_file_come_first(red: RunTables) -> None:
    told = [{"verdict": "wrong", "text": "WRONG  f (line 3)\n  cause  a < b, ``` and all"}]
    checked = dataclasses.replace(red, info=red.info | {"parts": told})
    page, text = html(checked), markdown(checked)
    assert '<pre class="part wrong">WRONG  f (line 3)\n  cause  a &lt; b' in page
    assert page.index('id="parts"') < page.index('id="phases"')
    assert "````text\nWRONG  f (line 3)\n" in text
    assert "Part by part" not in html(red)
