"""A run's tables and what can be made of them: files, terminal, Markdown, HTML.

Nothing heavy is imported here: pandas, rich, Jinja and matplotlib are loaded by the function that needs them, so that
listing cases or printing help does not pay for a report. The pages are `reports.markdown.markdown` and
`reports.html.html`; a function named as its module is not lifted to the package, where the module would hide it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.errors import ReportError
    from reports.files import read, write
    from reports.tables import RunTables, exit_code, frame
    from reports.terminal import render

_HOME = {
    "ReportError": "reports.errors",
    "read": "reports.files",
    "write": "reports.files",
    "RunTables": "reports.tables",
    "exit_code": "reports.tables",
    "frame": "reports.tables",
    "render": "reports.terminal",
}

__all__ = ["ReportError", "RunTables", "exit_code", "frame", "read", "render", "write"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
