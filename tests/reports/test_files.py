"""A run on disk: everything comes back bit for bit, and nothing damaged passes."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import ReportError, RunTables, frame, read, write
from reports.files import _csv_bytes, read_csv
from reports.schema import TABLES


@pytest.fixture(scope="session")
def written(red: RunTables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "run"
    write(folder, red)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of the one run that is written: drawing its pages is the slow part."""
    return Path(shutil.copytree(written, tmp_path / "run"))


def test_all_tables_and_facts_return(red: RunTables, folder: Path) -> None:
    again = read(folder)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(red, name), check_exact=True)
    assert again.info == red.info


def test_csv_and_parquet_hold_the_same(folder: Path) -> None:
    parquet = read(folder).discrepancies
    pd.testing.assert_frame_equal(read_csv(folder / "discrepancies.csv", "discrepancies"), parquet, check_exact=True)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(), min_size=1, max_size=8),
    text=st.text(max_size=8),
)
def test_any_float_and_text_survive_csv(values: list[float], text: str, tmp_path: Path) -> None:
    rows = [{"case": text, "needed": value, "size": index} for index, value in enumerate(values)]
    table = frame("discrepancies", rows)
    (tmp_path / "t.csv").write_bytes(_csv_bytes(table))
    again = read_csv(tmp_path / "t.csv", "discrepancies")
    for wrote, got in zip(values, again["needed"].tolist(), strict=True):
        assert (math.isnan(wrote) and math.isnan(got)) or (
            wrote == got and math.copysign(1, wrote) == math.copysign(1, got)
        )
    assert again["case"].tolist() == table["case"].tolist()
    # Half a surrogate pair and a carriage return, which files cannot hold, are an escape and a line feed from the start.
    lines = text.encode("utf-8", "backslashreplace").decode().replace("\r\n", "\n").replace("\r", "\n")
    assert again["case"].tolist() == [lines] * len(values)


def cut(name: str, bytes_left: int | float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(bytes_left * len(content)) if bytes_left < 1 else int(bytes_left)])

    return damage


def drop_last_line(folder: Path) -> None:
    lines = (folder / "timings.csv").read_text().splitlines(keepends=True)
    (folder / "timings.csv").write_text("".join(lines[:-1]))


def edit_json(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "run.json").read_text()) | changes
        (folder / "run.json").write_text(json.dumps({k: v for k, v in content.items() if v is not None}))

    return damage


def drop_column(folder: Path) -> None:
    pd.read_csv(folder / "timings.csv").drop(columns="seconds").to_csv(folder / "timings.csv", index=False)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "run.json").unlink(), "not a finished run"),
        (lambda f: (f / "timings.csv").unlink(), "timings.csv: missing"),
        (lambda f: (f / "discrepancies.parquet").unlink(), "discrepancies.parquet: missing"),
        (cut("discrepancies.parquet", 0.6), "cut short or not Parquet"),
        (cut("timings.csv", 0.6), "cut short"),
        (cut("run.json", 0.6), "not valid JSON"),
        (cut("curves.csv", 0), "cut short"),
        (drop_last_line, "timings has 27 rows, run.json promises 28"),
        (drop_column, "column missing: seconds"),
        (edit_json(schema_version=99), "schema version 99, this backproof reads 1"),
        (edit_json(schema_version=None), "no schema_version"),
    ],
)
def test_damage_is_one_line(damage: Callable[[Path], None], message: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(ReportError, match=message) as caught:
        read(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_what_is_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="not a finished run"):
        read(tmp_path / "nowhere")


def test_writing_again_leaves_no_parts(green: RunTables, folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    write(folder, green)
    assert sorted(path.name for path in folder.iterdir()) == names
    assert len(read(folder).discrepancies) == len(green.discrepancies)


@pytest.mark.parametrize("name", ["run.json", "discrepancies.parquet", "skipped.csv", "timings.csv"])
def test_no_damage_whatever_ends_in_another_error(name: str, folder: Path) -> None:
    rng, whole = random.Random(name), (folder / name).read_bytes()
    for _ in range(40):
        damaged = bytearray(whole[: rng.randrange(1, len(whole))] if rng.random() < 0.3 else whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (folder / name).write_bytes(damaged)
        try:
            read(folder)
        except ReportError as error:
            assert "\n" not in str(error)  # noqa: PT017 - damage within a number may well go unnoticed


def test_a_report_that_cannot_be_drawn_leaves_no_stale_pages(
    green: RunTables, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tables: RunTables) -> str:
        raise MemoryError

    monkeypatch.setattr("reports.html.html", fail)
    with pytest.raises(MemoryError):
        write(folder, green)
    assert not (folder / "report.html").exists()
    assert len(read(folder).discrepancies) == len(green.discrepancies)


def test_facts_in_another_encoding_are_written_and_read(green: RunTables, tmp_path: Path) -> None:
    info = {"command": "backproof run na\udcefve.py"}
    write(tmp_path, RunTables(green.discrepancies, info=info))
    assert read(tmp_path).info == info
