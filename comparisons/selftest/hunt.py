"""Every mutant planted, judged and told of: killed or not, located or not, named or not."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable
from typing import Any

from comparisons.cases import all_cases
from comparisons.selftest.bench import Bench, Prepared, Rows
from comparisons.selftest.mutant import Mutant, planted
from reports import RunTables, frame
from reports.schema import FAILING
from reports.summary import culprits

Progress = Callable[[str, int, int], None]


def hunt(mutants: Iterable[Mutant], bench: Bench, progress: Progress = lambda *_: None) -> list[dict[str, Any]]:
    """Plant each mutant in turn and judge its case.

    Returns
    -------
    list of dict
        Rows of the table `mutants`, in the order of the cases.

    Raises
    ------
    LookupError
        If a mutant does not fit scratch as it is, or its case is unknown.
    """
    cases = {case.id: case for case in all_cases()}
    mutants = sorted(mutants, key=lambda mutant: mutant.case)
    prepared: Prepared | None = None
    planted_ones, judged = [], []
    for done, mutant in enumerate(mutants):
        progress(mutant.id, done, len(mutants))
        if mutant.case not in cases:
            raise LookupError(f"mutant {mutant.id}: there is no case {mutant.case}")
        if prepared is None or prepared.case.id != mutant.case:
            prepared = bench.prepare(cases[mutant.case])
            _must_be_green(mutant.case, bench.judge(prepared))
        if prepared.traces:  # else none of the frameworks has such a part
            planted_ones.append(mutant)
            judged += [row | {"case": mutant.id} for row in bench.judge(prepared, planted(mutant)) if _fails(row)]
    # To the report each mutant is a case of its own, with a row that leads.
    leading = {row["case"]: row for _, row in culprits(RunTables(frame("discrepancies", judged))).iterrows()}
    return [_verdict(mutant, leading.get(mutant.id)) for mutant in planted_ones]


def _fails(row: dict[str, Any]) -> bool:
    return row["verdict"] in FAILING


def _must_be_green(case: str, rows: Rows) -> None:
    wrong = [row["tensor"] for row in rows if _fails(row)]
    if wrong:
        raise LookupError(f"{case}: {wrong[0]} fails without any mutant; set that right first")


def _verdict(mutant: Mutant, leading: Any) -> dict[str, Any]:
    """One row: what became of a mutant."""
    row = {
        "mutant": mutant.id,
        "subject": mutant.subject,
        "what": mutant.what,
        "case": mutant.case,
        "expected": mutant.tensor,
        "killed": leading is not None,
        "located": False,
        "named": False,
        "exposed_by": mutant.exposed_by,
    }
    if leading is None:
        return row
    return row | {
        "tensor": leading["tensor"],
        "located": any(fnmatch.fnmatchcase(leading["tensor"], tensor) for tensor in mutant.tensor.split()),
        "diagnosis": leading["diagnosis"],
        "named": mutant.cause in leading["diagnosis"],
    }
