"""The folder that a run's report goes into."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from comparisons.errors import BackproofError, UnknownName

if TYPE_CHECKING:
    from reports import RunTables

RUNS = Path("backproof-runs")


def report_folder(out: Path | None, overwrite: bool) -> Path:
    """The folder to write into, made and tried before any work is done."""
    folder = out if out is not None else RUNS / f"{datetime.now():%Y-%m-%d-%H%M%S}"
    if (folder / "run.json").exists() and not overwrite:
        raise UnknownName(f"{folder}: already holds a report; choose another --out, or give --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{os.getpid()}.part"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise BackproofError(f"{folder}: cannot be written to ({error.strerror}); choose another --out") from error
    return folder


def write_report(folder: Path, tables: RunTables) -> None:
    """Write all files of a report."""
    from reports import write

    try:
        write(folder, tables)
    except OSError as error:
        raise BackproofError(f"{folder}: the report could not be written ({error.strerror})") from error


def write_and_show(folder: Path, tables: RunTables) -> None:
    """Write all files of a report and print its summary."""
    from rich.console import Console

    from reports import render

    write_report(folder, tables)
    render(tables, Console(highlight=False), folder)
