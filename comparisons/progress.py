"""Progress on the error stream: a bar on a terminal, lines in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comparisons.run import Progress


@contextmanager
def progress_bar(total: int, lines: bool = True) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere (CI logs) one line per suite, or nothing."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _line_per_suite(console.print) if lines else lambda *_: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=total)
        yield lambda what, finished, all_: bar.update(task, completed=finished, total=all_, description=what)


def _line_per_suite(print_line: Any) -> Progress:
    said: list[str] = []

    def progress(what: str, finished: int, total: int) -> None:
        suite = what.partition("/")[0]
        if suite and suite not in said:
            said.append(suite)
            said_whole = suite.startswith(("importing", "compiling"))
            print_line(suite if said_whole else f"comparing {suite} ({finished} of {total} cases done)")

    return progress
