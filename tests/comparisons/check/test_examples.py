"""The worked examples of docs/check.md: what the page quotes is what the command prints."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from comparisons.check import report
from comparisons.check.judging import check
from reference import missing

DOCS = Path(__file__).parents[3] / "docs"
QUOTED = dict(re.findall(r"<!-- backproof check (\S+) -->\n```\n(.*?)```", (DOCS / "check.md").read_text(), re.DOTALL))


@pytest.mark.parametrize("name", QUOTED)
def test_the_page_quotes_what_is_printed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for framework in ("torch", *(["tensorflow"] if name == "port.py" else [])):
        if reason := missing(framework):
            pytest.skip(reason)
    monkeypatch.setenv("COLUMNS", "80")
    result = check(DOCS / "examples" / name, ("torch",), seconds=120.0)
    for checked in result.checked:
        for line in map(click.unstyle, report.block(checked)):
            # Keras numbers its layers through a process; the last digits are the machine's.
            assert _without_numbers(line) in _without_numbers(QUOTED[name]), line


def _without_numbers(text: str) -> str:
    return re.sub(r"[-+.\de]*\d[-+.\de]*", "#", text)
