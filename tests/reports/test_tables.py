"""The tables, the exit code they amount to, and the small frames made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports import RunTables, exit_code, frame
from reports.schema import DISCREPANCIES, TABLES
from reports.summary import by_phase, culprits, curve_differences, failing_rows, floored, margins, most_telling


def with_rows(rows, **info) -> RunTables:
    return RunTables(frame("discrepancies", rows), info=info)


@pytest.mark.parametrize(
    ("verdicts", "complete", "code"),
    [
        (["match", "match"], True, 0),
        (["match", "vacuous"], True, 0),
        (["match", "mismatch"], True, 1),
        (["match", "missing"], True, 1),
        (["match", "error"], True, 1),
        (["match", "misspelt"], True, 1),
        (["vacuous"], True, 2),
        ([], True, 2),
        (["match"], False, 2),
        (["mismatch"], False, 1),
    ],
)
def test_exit_code(verdicts: list[str], complete: bool, code: int, make_row) -> None:
    rows = [make_row(verdict=verdict) for verdict in verdicts]
    assert exit_code(with_rows(rows, complete=complete)) == code


def test_a_frame_has_the_schemas_columns_types_and_blanks() -> None:
    table = frame("discrepancies", [{"case": "a", "size": 3}, {"needed": 1e-3}])
    assert list(table.columns) == list(DISCREPANCIES)
    assert [str(dtype).lower() for dtype in table.dtypes] == [kind.lower() for kind, _ in DISCREPANCIES.values()]
    assert table["case"].tolist() == ["a", ""]
    assert table["size"].isna().tolist() == [False, True]
    assert np.isnan(table["needed"][0])


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("nothing", {}, "no such table"),
        ("timings", {"secs": 1.0}, "unknown column secs"),
        ("timings", {"runs": 1.5}, "timings.runs"),
        ("timings", {"seconds": "long"}, "timings.seconds"),
    ],
)
def test_what_the_schema_does_not_know_is_refused(name: str, row: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frame(name, [row])


def test_a_local_error_leads_its_case_and_a_propagated_one_follows(make_row) -> None:
    rows = [
        make_row(case="n", tensor="loss", verdict="mismatch", scope="propagated"),
        make_row(case="n", tensor="grad/dense2.W", verdict="match", scope="local"),
        make_row(case="n", tensor="grad/dense1.b", verdict="mismatch", scope="local"),
        make_row(case="m", tensor="step2/param/a.W", step=2, verdict="mismatch"),
        make_row(case="m", tensor="step1/param/a.W", step=1, verdict="mismatch"),
    ]
    found = culprits(with_rows(rows))
    assert list(zip(found["case"], found["tensor"], strict=True)) == [("n", "grad/dense1.b"), ("m", "step1/param/a.W")]
    assert failing_rows(with_rows(rows))["culprit"].tolist() == [True, True, False, False]


def test_the_worst_row_of_a_phase_is_the_one_that_needs_most_but_for_floors(make_row) -> None:
    rows = [
        make_row(tensor="a", needed=1e-14, tolerance=1e-13),
        make_row(tensor="b", needed=3e-13, tolerance=1e-9),
        make_row(tensor="c", needed=1e-9, tolerance=1e-7, floor="float32-slope"),
        make_row(tensor="d", verdict="vacuous", needed=1.0, tolerance=2.0),
    ]
    phase = by_phase(with_rows(rows), "float64").iloc[0]
    assert (phase["tensors"], phase["match"], phase["vacuous"], phase["failing"]) == (4, 3, 1, 0)
    assert (phase["tensor"], phase["needed"]) == ("b", 3e-13)
    assert phase["margin"] == pytest.approx(0.1)
    assert floored(with_rows(rows)).iloc[0]["needed"] == 1e-9


def test_margins_of_nothing_and_of_no_finite_value(make_row) -> None:
    nan = float("nan")
    rows = [make_row(needed=0.0, tolerance=0.0), make_row(needed=nan), make_row(needed=1e-14, tolerance=2e-14)]
    assert margins(frame("discrepancies", rows)).tolist() == [0.0, np.inf, 0.5]


def test_the_most_telling_rows_come_first(make_row) -> None:
    rows = [
        make_row(tensor="vacuous", verdict="vacuous", needed=1.0),
        make_row(tensor="far", needed=1e-16, tolerance=1e-12),
        make_row(tensor="near", needed=1e-13, tolerance=1e-12),
        make_row(tensor="nan", verdict="mismatch", needed=float("nan")),
        make_row(tensor="lost", verdict="missing", needed=float("nan"), case="z"),
    ]
    found = most_telling(with_rows(rows))
    assert found["tensor"].tolist() == ["nan", "lost", "near", "far", "vacuous"]
    assert found["needed"][0] == np.inf
    assert np.isnan(found["needed"][1])


@pytest.mark.parametrize(
    ("left", "right", "difference"),
    [
        (1.0, 1.5, 0.5),
        (np.nan, np.nan, 0.0),
        (np.inf, np.inf, 0.0),
        (np.nan, 1.0, np.inf),
        (np.inf, -np.inf, np.inf),
    ],
)
def test_difference_of_curves_with_and_without_finite_values(left: float, right: float, difference: float) -> None:
    row = {"case": "c", "quantity": "loss", "step": 1}
    rows = [{**row, "implementation": "scratch", "value": left}, {**row, "implementation": "torch", "value": right}]
    tables = RunTables(frame("discrepancies", []), curves=frame("curves", rows))
    assert curve_differences(tables)["difference"].tolist() == [difference]


def test_the_documentation_describes_every_column() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
    for table, columns in TABLES.items():
        section = text.partition(f"## {table}.csv")[2].partition("\n## ")[0]
        for column, (kind, meaning) in columns.items():
            assert f"| {column} | {kind} | {meaning.replace('|', chr(92) + '|')} |" in section
