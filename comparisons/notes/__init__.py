"""The course notes audited: every formula claim in five documents, judged, corrected, and shown by number.

The documents are learners' notes on Ng's deep-learning course: 000 (the whole course, with the author's own derivation of
backprop), 001 (a teaching script, chapter 1), 002 (the programming assignments on deep networks), 003 (lecture notes to word
embeddings), 004 (practical aspects). A claim is a function whose numbers come out as the audit says, on every run.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["verified", "wrong", "convention", "unclear"]
Numbers = dict[str, float | str]
"""What a demonstration found: a label and a value each."""

DOCUMENTS = ("000", "001", "002", "003", "004")


@dataclass(frozen=True)
class Claim:
    """One formula claim.

    Attributes
    ----------
    document, heading : str
        Where it stands.
    text : str
        The claim, in the notes' terms.
    verdict : {"verified", "wrong", "convention", "unclear"}
    correct : str
        The correct form, or what the claim means; empty where it is right as it stands.
    show : callable
        Computes the numbers that show it.
    """

    document: str
    heading: str
    text: str
    verdict: Verdict
    correct: str
    show: Callable[[], Numbers]


_CLAIMS: list[Claim] = []


def claim(
    document: str, heading: str, text: str, verdict: Verdict, correct: str = ""
) -> Callable[[Callable[[], Numbers]], Callable[[], Numbers]]:
    """Register a demonstration as the proof of a claim."""

    def register(show: Callable[[], Numbers]) -> Callable[[], Numbers]:
        _CLAIMS.append(Claim(document, heading, text, verdict, correct, show))
        return show

    return register


def claims(document: str | None = None, verdict: str | None = None) -> list[Claim]:
    """All claims, by document in the order of its text, or those of one document or verdict."""
    for name in DOCUMENTS:
        importlib.import_module(f"comparisons.notes.document{name}")
    return [c for c in _CLAIMS if document in (None, c.document) and verdict in (None, c.verdict)]


def spell(value: float | str) -> str:
    """A number as the audit prints it: what is only rounding is called so, for it differs from machine to machine."""
    if isinstance(value, str):
        return value
    if value != 0 and abs(value) < 1e-8:
        return "0 (to rounding)"
    return f"{value:.6g}"
