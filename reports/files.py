"""A run on disk: its tables as CSV (for people) and Parquet (for programs), its facts as JSON, its pages.

`run.json` is removed first and written after the tables, so a folder that has one holds a whole set of tables. It also
records the number of rows of each table: a CSV file cut at the end of a line looks intact otherwise.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.errors import ReportError
from reports.schema import SCHEMA_VERSION, TABLES
from reports.tables import RunTables

if TYPE_CHECKING:
    import pandas as pd

RUN_FILE = "run.json"
PARQUET_FILE = "discrepancies.parquet"
SUMMARY_FILE = "summary.md"
PAGE_FILE = "report.html"
_VERSION_KEY = b"backproof.schema_version"
_AGAIN = "run again, or restore the file"


def write(folder: Path | str, tables: RunTables) -> list[Path]:
    """Write everything a run leaves behind.

    Parameters
    ----------
    folder : path
        Made if it does not exist; the files of an earlier run in it are replaced.
    tables : RunTables

    Returns
    -------
    list of Path
        The files written: tables first, then `run.json`, `summary.md` and `report.html`.
    """
    from reports.html import html
    from reports.markdown import markdown

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (
        RUN_FILE,
        SUMMARY_FILE,
        PAGE_FILE,
    ):  # the pages too: an earlier run's must not stand beside these tables
        (folder / name).unlink(missing_ok=True)
    paths = [_replace(folder / f"{name}.csv", _csv_bytes(getattr(tables, name))) for name in TABLES]
    paths.append(_replace(folder / PARQUET_FILE, lambda path: _write_parquet(path, tables.discrepancies)))
    paths.append(_replace(folder / RUN_FILE, _run_json(tables)))
    paths.append(_replace(folder / SUMMARY_FILE, _utf8(markdown(tables))))
    paths.append(_replace(folder / PAGE_FILE, _utf8(html(tables))))
    return paths


def read(folder: Path | str) -> RunTables:
    """Read back what `write` wrote.

    Raises
    ------
    ReportError
        If the folder holds no run, a file is missing, cut short or lacks a column, or the schema is another version.
    """
    folder = Path(folder)
    run = _read_run(folder / RUN_FILE)
    frames = {name: read_csv(folder / f"{name}.csv", name) for name in TABLES if name != "discrepancies"}
    frames["discrepancies"] = _read_parquet(folder / PARQUET_FILE)
    for name, expected in run.pop("rows").items():
        found = len(frames.get(name, ()))
        if found != expected:
            raise ReportError(f"{folder}: {name} has {found} rows, {RUN_FILE} promises {expected}; {_AGAIN}")
    return RunTables(**frames, info=run["info"])


def read_csv(path: Path, table_name: str) -> pd.DataFrame:
    """Read one table from CSV; floats come back bit for bit.

    Parameters
    ----------
    path : Path
    table_name : str
        A key of `reports.schema.TABLES`.

    Raises
    ------
    ReportError
        If the file is missing, cut short, lacks a column or holds a value of the wrong type.
    """
    import pandas as pd

    _check_ending(path)
    kinds = {name: kind for name, (kind, _) in TABLES[table_name].items()}
    read_as = {name: kind for name, kind in kinds.items() if kind != "float64"}
    blanks = {name: [] if kind == "string" else [""] for name, kind in read_as.items()}
    try:
        header = pd.read_csv(path, nrows=0).columns
        _check_columns(path, list(header), table_name)
        # Python's float() returns the very bits that were written; pandas' own default does so only in later versions.
        floats = dict.fromkeys((name for name, kind in kinds.items() if kind == "float64"), _float)
        table = pd.read_csv(
            path, dtype=read_as, converters=floats, na_values=blanks, keep_default_na=False, encoding="utf-8"
        )
    except ValueError as error:
        raise ReportError(f"{path}: not a readable table ({_one_line(error)}); {_AGAIN}") from error
    return table[list(kinds)].astype(kinds)


def _float(text: str) -> float:
    return float(text or "nan")


def _check_ending(path: Path) -> None:
    if not path.is_file():
        raise ReportError(f"{path}: missing; {_AGAIN}")
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        if file.read() != b"\n":
            raise ReportError(f"{path}: cut short, the last line has no end; {_AGAIN}")


def _check_columns(path: Path, columns: list[str], table_name: str) -> None:
    absent = [name for name in TABLES[table_name] if name not in columns]
    if absent:
        raise ReportError(f"{path}: column missing: {', '.join(absent)}; {_AGAIN}")


def _check_version(path: Path, version: Any) -> None:
    if str(version) != str(SCHEMA_VERSION):
        raise ReportError(
            f"{path}: schema version {version}, this backproof reads {SCHEMA_VERSION}; "
            "read it with the backproof that wrote it, or run again"
        )


def _read_run(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ReportError(f"{path.parent}: not a finished run, it has no {path.name}; name the folder a run wrote to")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ReportError(f"{path}: not valid JSON ({_one_line(error)}); {_AGAIN}") from error
    if not isinstance(run, dict) or "schema_version" not in run:
        raise ReportError(f"{path}: no schema_version in it; {_AGAIN}")
    _check_version(path, run.pop("schema_version"))
    rows = run.pop("rows", {})
    return {"info": run, "rows": rows if isinstance(rows, dict) else {}}


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise ReportError(f"{path}: missing; {_AGAIN}")
    kinds = {name: kind for name, (kind, _) in TABLES["discrepancies"].items()}
    try:
        table = pq.read_table(path)
        _check_version(path, (table.schema.metadata or {}).get(_VERSION_KEY, b"unknown").decode())
        _check_columns(path, table.column_names, "discrepancies")
        return table.to_pandas()[list(kinds)].astype(kinds)
    # Damage inside pandas' own notes or a string shows only when they are decoded, as a ValueError or TypeError.
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise ReportError(f"{path}: cut short or not Parquet ({_one_line(error)}); {_AGAIN}") from error


def _write_parquet(path: Path, table: pd.DataFrame) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {**(arrow.schema.metadata or {}), _VERSION_KEY: str(SCHEMA_VERSION).encode()}
    pq.write_table(arrow.replace_schema_metadata(metadata), path, compression="zstd")


def _csv_bytes(table: pd.DataFrame) -> bytes:
    # pandas prints a float64 as its shortest repr, which reads back to the same bits.
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")


def _run_json(tables: RunTables) -> bytes:
    rows = {name: len(getattr(tables, name)) for name in TABLES}
    content = {**_plain(tables.info), "schema_version": SCHEMA_VERSION, "rows": rows}
    return _utf8(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _utf8(text: str) -> bytes:
    # A command line may hold half a surrogate pair (a file name in another encoding); as an escape it stays readable.
    return text.encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    """JSON's own types: NumPy scalars unwrapped, NaN and infinities null (JSON has neither), the rest as text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _replace(path: Path, content: bytes | Callable[[Path], None]) -> Path:
    """Put a whole file in place of the old one: whoever looks sees the one or the other, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if isinstance(content, bytes):
            temporary.write_bytes(content)
        else:
            content(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
