"""pytest plugin: what `backproof.assert_matches` compared in a session, as one table and, if asked for, one report.

Entered as `backproof` among pytest's plugins. Nothing heavy is imported before a test compares something.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from comparisons.check.judging import CheckResult

SENT = "backproof_rows"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--backproof-report=DIR`."""
    group = parser.getgroup("backproof", "hand-derived backprop against PyTorch and TensorFlow")
    group.addoption(
        "--backproof-report",
        metavar="DIR",
        type=Path,
        help="write one report (CSV, Parquet, Markdown, HTML) of all tensors that backproof.assert_matches compared",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect in every process; report in the one that is not a worker of pytest-xdist."""
    folder: Path | None = config.getoption("--backproof-report")
    if folder is not None and not hasattr(config, "workerinput"):
        from comparisons.errors import BackproofError
        from comparisons.report_folder import report_folder

        try:
            report_folder(folder, overwrite=True)
        except BackproofError as error:
            raise pytest.UsageError(f"--backproof-report: {error}") from error
    config.pluginmanager.register(Session(config), "backproof-session")


class Session:
    """All rows of a session, and where they came from."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.rows: list[dict[str, Any]] = []
        self.test = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Remember which test is running."""
        self.test = nodeid

    def pytest_sessionstart(self) -> None:
        """Listen to `assert_matches`, without importing it."""
        from comparisons.check import recorders

        recorders.append(self.record)

    def record(self, result: CheckResult) -> None:
        """Keep the rows of one call."""
        for checked in result.checked:
            self.rows += [row | {"case": f"{self.test}::{checked.unit.name}"} for row in checked.rows]

    def pytest_sessionfinish(self) -> None:
        """Hand the rows of a worker over; write the report elsewhere."""
        from comparisons.check import recorders

        recorders.remove(self.record)
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[SENT] = json.dumps(self.rows, default=float)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the rows of a worker of pytest-xdist."""
        self.rows += json.loads(getattr(node, "workeroutput", {}).get(SENT, "[]"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One table of what differs, and where the report is."""
        folder: Path | None = self.config.getoption("--backproof-report")
        if not self.rows and folder is None:
            return
        failing = [row for row in self.rows if row["verdict"] not in ("match", "vacuous")]
        terminalreporter.section("backproof")
        terminalreporter.write_line(f"{len(self.rows):,} tensors compared, {len(failing):,} wrong")
        for case, rows in itertools.groupby(failing, key=lambda row: row["case"]):
            first, *others = rows
            needed = (
                f"{first['needed']:.1e} of the largest, allowed {first['tolerance']:.0e}" if "needed" in first else ""
            )
            more = f"  (and {len(others)} more)" if others else ""
            for line in (f"  {case}", f"    {first['tensor']}  {needed}{more}", f"    {first['diagnosis']}"):
                terminalreporter.write_line(line)
        if folder is not None:
            self._write(folder)
            terminalreporter.write_line(f"report: {folder / 'report.html'}")

    def _write(self, folder: Path) -> None:
        from comparisons.report_folder import write_report
        from reports import RunTables, frame

        table = frame("discrepancies", [{"run": "pytest"} | row for row in self.rows])
        write_report(folder, RunTables(table, info={"run": "pytest", "command": "pytest"}))
