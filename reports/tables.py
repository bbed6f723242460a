"""The tables of one run in memory, typed by the schema, and the exit code they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reports.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

PASSING = ("match", "vacuous")
"""Every other verdict fails, an unknown one too: a misspelt verdict must not turn a run green."""


@dataclass(frozen=True, eq=False)
class RunTables:
    """Everything a report shows.

    Parameters
    ----------
    discrepancies, conventions, timings, skipped, curves : DataFrame
        One frame per table of `reports.schema.TABLES`, made by `frame`.
    info : dict
        What is known about the run as a whole, JSON-able; any key may be missing. Known keys: `run`, `started`
        (ISO 8601), `command`, `seed`, `dtypes` (list), `frameworks` (name to version), `python`, `platform`,
        `wall_seconds`, `peak_memory_mb`, `complete` (bool), `cases` (how many were asked for), `harness_ratio`.
    """

    discrepancies: pd.DataFrame
    conventions: pd.DataFrame = field(default_factory=lambda: frame("conventions", []))
    timings: pd.DataFrame = field(default_factory=lambda: frame("timings", []))
    skipped: pd.DataFrame = field(default_factory=lambda: frame("skipped", []))
    curves: pd.DataFrame = field(default_factory=lambda: frame("curves", []))
    info: dict[str, Any] = field(default_factory=dict)


def frame(table_name: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build one of the schema's tables from its rows.

    Parameters
    ----------
    table_name : str
        A key of `reports.schema.TABLES`.
    rows : iterable of mappings
        Column to value. An absent column, or None, becomes an empty string, NA (integers) or NaN (floats).

    Returns
    -------
    DataFrame
        All columns of the schema, in its order and with its dtypes.

    Raises
    ------
    ValueError
        For a table or column the schema does not know, or a value its column cannot hold.
    """
    import pandas as pd

    if table_name not in TABLES:
        raise ValueError(f"{table_name}: no such table; the tables are {', '.join(TABLES)}")
    schema = TABLES[table_name]
    rows = list(rows)
    unknown = set().union(*rows) - set(schema)
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise ValueError(f"{table_name}: unknown column {names}; the columns are {', '.join(schema)}")
    columns = {name: _column(f"{table_name}.{name}", kind, [row.get(name) for row in rows])
               for name, (kind, _) in schema.items()}  # fmt: skip
    return pd.DataFrame(columns)


def _column(name: str, kind: str, values: Sequence[Any]) -> Any:
    import pandas as pd

    blank = {"string": "", "Int64": pd.NA, "float64": float("nan")}[kind]
    filled = [blank if value is None or value is pd.NA else value for value in values]
    if kind == "string":
        filled = [_storable(str(value)) for value in filled]
    try:
        return pd.array(filled, dtype=kind)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: a value is not {kind} ({error})") from error


def _storable(text: str) -> str:
    """The text as every file can hold it.

    A file name or a message from elsewhere may hold half a surrogate pair, which no file or page can, or a carriage return,
    which ends a row for readers of CSV: they become an escape and a line feed.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def failing(discrepancies: pd.DataFrame) -> pd.Series:
    """Boolean mask of the rows that turn a run red."""
    return ~discrepancies["verdict"].isin(PASSING).astype(bool)


def exit_code(tables: RunTables) -> int:
    """The process exit code a run amounts to.

    Returns
    -------
    int
        0: everything compared agrees (vacuous rows are allowed beside it). 1: at least one row fails. 2: nothing
        fails, but nothing was decided either, or the run was cut short.
    """
    rows = tables.discrepancies
    if failing(rows).any():
        return 1
    if tables.info.get("complete") is False or not (rows["verdict"] == "match").any():
        return 2
    return 0
