"""`backproof notes`: the audit of the course notes."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from comparisons.notes import Claim

PICTURES = {
    "002": "![The cost of the run on the cat images, every 100 iterations: from 0.715732 to 0.034411](cost.png)"
}
"""What is shown below a document's table; drawn by `docs/make_cost.py`."""
COLOUR = {"verified": "green", "wrong": "red", "convention": "cyan", "unclear": "yellow"}


@click.command()
@click.argument("document", type=click.Choice(["000", "001", "002", "003", "004"]), required=False)
@click.option("--verdict", type=click.Choice(list(COLOUR)), help="Show only claims with this verdict.")
@click.option("--markdown", is_flag=True, help="Print the page docs/notes.md.")
def notes(document: str | None, verdict: str | None, markdown: bool) -> None:
    """Audit the formulas of five sets of course notes: verdict, correct form, and numbers computed now.

    DOCUMENT: 000 (whole course), 001 (teaching script), 002 (assignments), 003 (lecture notes), 004 (practical aspects).
    """
    from comparisons.notes import claims

    found = claims(document, verdict)
    if markdown:
        click.echo(_page(found), nl=False)
        return
    width = min(shutil.get_terminal_size().columns, 100)
    for claim in found:
        click.echo(
            f"{claim.document}  {claim.heading}  " + click.style(claim.verdict, COLOUR[claim.verdict], bold=True)
        )
        for label, content in _lines(claim):
            click.echo(textwrap.fill(content, width, initial_indent=f"  {label:<9}", subsequent_indent=" " * 11))
        click.echo()
    click.echo(_summary(found), err=True)


def _lines(claim: Claim) -> list[tuple[str, str]]:
    from comparisons.notes import spell

    numbers = "; ".join(f"{label}: {spell(value)}" for label, value in claim.show().items())
    return [("claim", claim.text), *([("correct", claim.correct)] if claim.correct else []), ("shown", numbers)]


def _summary(found: list[Claim]) -> str:
    counted: Counter[str] = Counter(claim.verdict for claim in found)
    return f"{len(found)} claims: " + ", ".join(
        f"{counted[verdict]} {verdict}" for verdict in COLOUR if counted[verdict]
    )


def _page(found: list[Claim]) -> str:
    from comparisons.notes import __doc__ as about

    lines = ["# The course notes, audited", "", *(about or "").strip().splitlines()[2:], "", f"{_summary(found)}.", ""]
    lines += ["Written by `backproof notes --markdown`; the numbers are computed on every run.", ""]
    for document in sorted({claim.document for claim in found}):
        lines += [f"## {document}", "", "| heading | claim | verdict | correct form | shown |", "|---|---|---|---|---|"]
        for claim in (c for c in found if c.document == document):
            shown = _lines(claim)[-1][1]
            cells = (claim.heading, claim.text, f"**{claim.verdict}**", claim.correct, shown)
            lines.append(
                "| "
                + " | ".join(
                    cell.replace("|", r"\|").replace("*", r"\*") if i != 2 else cell for i, cell in enumerate(cells)
                )
                + " |"
            )
        lines += ["", PICTURES[document], ""] if document in PICTURES else [""]
    return "\n".join(lines).rstrip("\n") + "\n"
