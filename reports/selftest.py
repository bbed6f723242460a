"""The report of a self-test: how many known mistakes were killed, located and named, and what alarms correct code raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports import numbers
from reports.markdown import code, table, text

if TYPE_CHECKING:
    import pandas as pd

MUTANTS = (
    "mutant",
    "subject",
    "what",
    "case",
    "expected",
    "tensor",
    "killed",
    "located",
    "named",
    "diagnosis",
    "exposed_by",
)
CORRECT = ("family", "cases", "comparisons", "undecided", "alarms", "margin")
ALARMS = ("alarm", "tensor", "reference", "margin", "diagnosis")
AIMS = {"killed": 1.0, "located": 0.95, "named": 0.8}
"""The share of mutants from which a self-test passes."""


@dataclass(frozen=True, eq=False)
class SelfTest:
    """What a self-test found.

    Parameters
    ----------
    mutants, correct, alarms : sequence of dict
        One for each mutant, family of correct work and false alarm, with the columns `MUTANTS`, `CORRECT` and `ALARMS`.
    not_run : sequence of str
        Mutants whose layer or rule none of the frameworks has.
    info : dict
        `frameworks` (name to version), `seed`, `short`, `wall_seconds`.
    """

    mutants: Sequence[dict[str, Any]]
    correct: Sequence[dict[str, Any]]
    alarms: Sequence[dict[str, Any]]
    not_run: Sequence[str] = ()
    info: dict[str, Any] = field(default_factory=dict)

    def share(self, what: str) -> float:
        """Which part of the mutants was `killed`, `located` or `named`."""
        return sum(bool(row[what]) for row in self.mutants) / len(self.mutants)

    def missed(self, what: str) -> list[dict[str, Any]]:
        """The mutants that were not; of those not located or not named, only what was killed."""
        return [row for row in self.mutants if not row[what] and (what == "killed" or row["killed"])]

    @property
    def passed(self) -> bool:
        """Whether every aim is reached."""
        return not self.alarms and all(self.share(what) >= aim for what, aim in AIMS.items())

    @property
    def exit_code(self) -> int:
        """0 if every aim is reached, else 1."""
        return 0 if self.passed else 1


def lines(test: SelfTest) -> list[str]:
    """The figures as plain lines."""
    total = len(test.mutants)
    found = [
        f"{what + ':':9} {sum(bool(row[what]) for row in test.mutants):>4} of {total}  "
        f"{100 * test.share(what):.1f} %  (aim {numbers.percent(aim)})"
        for what, aim in AIMS.items()
    ]
    compared = sum(row["comparisons"] for row in test.correct)
    closest = max((row["margin"] for row in test.correct), default=0.0)
    alarms = (
        f"false alarms: {len(test.alarms)} of {compared:,} correct comparisons; "
        f"the closest to an alarm needed {numbers.percent(closest)} of its tolerance"
    )
    return ["PASSED" if test.passed else "NOT PASSED", f"{total} known mistakes planted into scratch", *found, alarms]


def notes(test: SelfTest) -> list[tuple[str, list[str]]]:
    """What was missed, by title: survivors with the regime that would expose them, and what was not located or not named."""
    found = [
        ("Survivors", [f"{row['mutant']}: {row['what']}; exposed by {row['exposed_by'] or 'no known regime'}" for row in test.missed("killed")]),
        ("Not located", [f"{row['mutant']}: {row['tensor']}, not {row['expected']}" for row in test.missed("located")]),
        ("Not named", [f"{row['mutant']}: {row['what']}; told: {row['diagnosis'] or 'nothing'}" for row in test.missed("named")]),
        ("False alarms", [f"{row['alarm']}: {row['tensor']} against {row['reference']}" for row in test.alarms]),
        ("Not run, as no framework here has such a part", list(test.not_run)),
    ]  # fmt: skip
    return [(title, entries) for title, entries in found if entries]


def by_subject(test: SelfTest) -> list[tuple[str, int, int, int, int]]:
    """Subject, and how many of its mutants there are, were killed, located and named."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in test.mutants:
        groups.setdefault(row["subject"], []).append(row)
    return [
        (subject, len(rows), *(sum(bool(row[what]) for row in rows) for what in AIMS))  # type: ignore[misc]
        for subject, rows in sorted(groups.items())
    ]


def markdown(test: SelfTest) -> str:
    """The report as Markdown: figures, tables by subject and by family, what was missed, every mutant."""
    verdict, *figures = lines(test)
    versions = ", ".join(f"{name} {version}" for name, version in test.info.get("frameworks", {}).items())
    parts = [f"## backproof selftest: {verdict.lower()}", "\n".join(f"- {text(line)}" for line in figures)]
    if versions:
        parts.append(text(f"Against {versions}, seed {test.info.get('seed', 0)}."))
    counts = [(text(name), *map(numbers.count, rest)) for name, *rest in by_subject(test)]
    parts.append(table(("mistakes in", "planted", "killed", "located", "named"), counts))
    families = [
        (text(row["family"]), *(numbers.count(row[name]) for name in CORRECT[1:-1]), numbers.percent(row["margin"]))
        for row in test.correct
    ]
    parts.append(table(("correct code", "cases", "comparisons", "undecided", "alarms", "closest"), families))
    for title, entries in notes(test):
        parts += [f"### {title}", "\n".join(f"- {text(entry)}" for entry in entries)]
    rows = [
        (code(row["mutant"]), text(row["what"]), code(row.get("tensor", "")), text(row.get("diagnosis", "")))
        for row in test.mutants
    ]
    parts += ["### All mistakes", table(("mistake", "what the person did", "found in", "diagnosis"), rows)]
    return "\n\n".join(parts) + "\n"


def write(folder: Path, test: SelfTest) -> list[Path]:
    """Write `mutants.csv`, `correct.csv`, `alarms.csv` and `selftest.md` into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, columns in (("mutants", MUTANTS), ("correct", CORRECT), ("alarms", ALARMS)):
        paths.append(folder / f"{name}.csv")
        _frame(getattr(test, name), columns).to_csv(paths[-1], index=False, lineterminator="\n")
    paths.append(folder / "selftest.md")
    paths[-1].write_text(markdown(test), encoding="utf-8")
    return paths


def _frame(rows: Sequence[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([[row.get(name, "") for name in columns] for row in rows], columns=list(columns))
