"""From a run's tables to the small frames every report shows.

`noise`, `tolerance` and `needed` of a row are in units of the reference's largest element; `needed / tolerance` is the
row's margin: below 1 it passes, and how far below says how close it came. The *worst* row of a group is the decided row
(match or mismatch) with the largest `needed`; rows whose tolerance is set by a float32 constant inside a framework (`floor`)
need what that constant dictates, and are summed up on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.schema import PHASES, VERDICTS
from reports.tables import RunTables, failing

if TYPE_CHECKING:
    import pandas as pd

DECIDED = ("match", "mismatch")
HARNESS = "comparison"
_IMPLEMENTATIONS = ("scratch", "torch", "tensorflow")
_WORST = ["needed", "tolerance", "case", "tensor", "reference", "scope", "dtype"]


def margins(rows: pd.DataFrame) -> pd.Series:
    """needed / tolerance; 0 where nothing was needed, infinite where the subject has no finite value or no leeway."""
    import numpy as np

    needed = rows["needed"].fillna(np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = needed / rows["tolerance"]
    return ratio.mask(needed == 0, 0.0).fillna(np.inf).rename("margin")


def tally(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Count the verdicts of each group and name its worst row.

    Parameters
    ----------
    rows : DataFrame
        Rows of `discrepancies`.
    by : sequence of str
        The columns to group by; the groups keep the order in which they first appear.

    Returns
    -------
    DataFrame
        The columns of `by`; `cases`, `tensors`, one column per verdict and `failing` (counts); `margin`, the largest
        of all decided rows; `needed`, `tolerance`, `case`, `tensor`, `reference`, `scope`, `dtype` of the worst row (NaN
        and empty where nothing was decided). A column in `by` is not repeated.
    """
    by = list(by)
    rows = rows.assign(verdict=rows["verdict"].where(rows["verdict"].isin(VERDICTS), "error"), _fails=failing(rows))
    groups = rows.groupby(by, sort=False, dropna=False)
    result = groups.agg(cases=("case", "nunique"), tensors=("verdict", "size"), failing=("_fails", "sum"))
    for verdict in VERDICTS:
        result[verdict] = (rows["verdict"] == verdict).groupby([rows[name] for name in by], sort=False).sum()
    decided = with_margin(rows[rows["verdict"].isin(DECIDED)])
    result["margin"] = decided.groupby(by, sort=False, dropna=False)["margin"].max()
    worst = decided[decided["floor"] == ""].sort_values("needed", ascending=False, kind="stable")
    kept = [name for name in _WORST if name not in by]
    result = result.join(worst.drop_duplicates(by).set_index(by)[kept]).reset_index()
    texts = [name for name in kept if name not in ("needed", "tolerance")]
    return result.fillna(dict.fromkeys(texts, ""))


def with_margin(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their `margin` as a further column; `needed` is infinite where a difference is not finite."""
    not_finite = rows["needed"].isna() & rows["verdict"].isin(DECIDED)
    return rows.assign(margin=margins(rows), needed=rows["needed"].mask(not_finite, float("inf")))


def by_phase(tables: RunTables, dtype: str) -> pd.DataFrame:
    """`tally` of one precision's rows per phase, in the order of the schema; a row without a phase comes last."""
    rows = tables.discrepancies
    result = tally(rows[rows["dtype"] == dtype], ["phase"])
    place = result["phase"].map({phase: index for index, phase in enumerate(PHASES)}).fillna(len(PHASES))
    return result.iloc[place.argsort(kind="stable")].reset_index(drop=True)


def dtypes(tables: RunTables) -> list[str]:
    """The precisions in the table, the deciding float64 first."""
    found = tables.discrepancies["dtype"].drop_duplicates().tolist()
    return sorted(found, key=lambda name: (name != "float64", name))


def by_suite(tables: RunTables) -> pd.DataFrame:
    """`tally` per suite, reference and phase."""
    return tally(tables.discrepancies, ["suite", "reference", "phase"])


def by_case(tables: RunTables) -> pd.DataFrame:
    """`tally` per suite, case and reference; those that fail come first."""
    result = tally(tables.discrepancies, ["suite", "case", "reference"])
    return result.iloc[(result["failing"] == 0).argsort(kind="stable")].reset_index(drop=True)


def failing_rows(tables: RunTables) -> pd.DataFrame:
    """The rows that turn the run red, most telling first.

    Within a case, a local error comes before a propagated one, an early step before a late one, and what comes first
    in the trace before what follows; a trajectory, which sums up all steps, comes last. The row that leads is the case's
    culprit. The culprits of all cases come before the rows that only inherit.

    Returns
    -------
    DataFrame
        Rows of `discrepancies` with two further columns, `margin` and `culprit` (bool).
    """
    rows = with_margin(tables.discrepancies)
    # The trace index counts within one trace, so that a reference compared later does not lose to an earlier one.
    trace = rows.groupby(["case", "reference", "dtype", "scope"], sort=False, dropna=False).cumcount()
    rows = rows.assign(
        _case=rows.groupby("case", sort=False).ngroup(),
        _propagated=rows["scope"] != "local",
        _summed_up=rows["phase"] == "trajectory",
        _step=rows["step"].fillna(0),
        _trace=trace,
        _dtype=rows["dtype"] != "float64",
    )[failing(rows)]
    rows = rows.sort_values(["_case", "_propagated", "_summed_up", "_step", "_trace", "_dtype"], kind="stable")
    rows = rows.assign(culprit=~rows["case"].duplicated())
    rows = rows.sort_values("culprit", ascending=False, kind="stable").reset_index(drop=True)
    return rows.drop(columns=[name for name in rows if name.startswith("_")])


def culprits(tables: RunTables) -> pd.DataFrame:
    """The first failing row of each case, in `failing_rows`' order."""
    rows = failing_rows(tables)
    return rows[rows["culprit"]].reset_index(drop=True)


def most_telling(tables: RunTables) -> pd.DataFrame:
    """All rows with their `margin`: the failing as `failing_rows` has them, the closest to the limit, the vacuous."""
    import pandas as pd

    rows = with_margin(tables.discrepancies)
    rows = rows[~failing(rows)].sort_values("margin", ascending=False, kind="stable")
    vacuous = rows["verdict"] == "vacuous"
    return pd.concat([failing_rows(tables).drop(columns="culprit"), rows[~vacuous], rows[vacuous]], ignore_index=True)


def vacuous_reasons(tables: RunTables) -> pd.DataFrame:
    """Why some rows tested nothing: `reason`, `tensors`, `cases` (counts) and an `example`, most frequent first."""
    rows = tables.discrepancies
    rows = rows[rows["verdict"] == "vacuous"]
    rows = rows.assign(
        reason=rows["diagnosis"].replace("", "no reason given"), example=rows["case"] + "  " + rows["tensor"]
    )
    result = rows.groupby("reason", sort=False).agg(
        tensors=("tensor", "size"), cases=("case", "nunique"), example=("example", "first")
    )
    return result.sort_values("tensors", ascending=False, kind="stable").reset_index()


def floored(tables: RunTables) -> pd.DataFrame:
    """Per convention with a float32 constant: `floor`, `reference`, `tensors`, and the worst row's `needed` and `case`."""
    rows = tables.discrepancies
    rows = rows[(rows["floor"] != "") & rows["verdict"].isin(DECIDED)].sort_values(
        "needed", ascending=False, kind="stable"
    )
    result = rows.groupby(["floor", "reference"], sort=False).agg(
        tensors=("tensor", "size"), needed=("needed", "max"), tolerance=("tolerance", "max"), case=("case", "first")
    )
    return result.reset_index()


def time_per_implementation(tables: RunTables) -> pd.DataFrame:
    """`implementation`, `cases`, `runs`, `seconds` and its `share` of the sum; the harness (`comparison`) comes last."""
    groups = tables.timings.groupby("implementation", sort=False)
    result = groups.agg(cases=("case", "nunique"), runs=("runs", "sum"), seconds=("seconds", "sum")).reset_index()
    total = result["seconds"].sum()
    result["share"] = result["seconds"] / total if total else float("nan")
    order = {name: index for index, name in enumerate(_IMPLEMENTATIONS)} | {HARNESS: 99}
    return result.iloc[result["implementation"].map(order).fillna(50).argsort(kind="stable")].reset_index(drop=True)


def skipped_reasons(tables: RunTables) -> pd.DataFrame:
    """`implementation`, `reason` and the `cases` it holds for (a count, or * for all)."""
    groups = tables.skipped.groupby(["implementation", "reason"], sort=False)
    result = groups["case"].agg(lambda cases: "*" if (cases == "*").any() else str(cases.nunique()))
    return result.rename("cases").reset_index()


def conventions_by_difference(tables: RunTables) -> pd.DataFrame:
    """The conventions, the one that would cost most if ignored first and the unmeasured last."""
    return tables.conventions.sort_values("difference", ascending=False, kind="stable").reset_index(drop=True)


def curve_differences(tables: RunTables) -> pd.DataFrame:
    """|difference| between each two implementations along every training curve.

    Returns
    -------
    DataFrame
        `case`, `quantity`, `step`, `left`, `right` (implementations) and `difference`; only steps that both have. It is
        0 where both are NaN or the same infinity, and infinite where only one is.
    """
    curves = tables.curves
    pairs = curves.merge(curves, on=["case", "quantity", "step"], suffixes=("_left", "_right"))
    order = {name: index for index, name in enumerate(curves["implementation"].drop_duplicates())}
    before = pairs["implementation_left"].map(order) < pairs["implementation_right"].map(order)
    pairs = pairs[before.astype(bool)]
    left, right = pairs["value_left"], pairs["value_right"]
    same = (left == right) | (left.isna() & right.isna())
    pairs = pairs.assign(difference=(left - right).abs().mask(same, 0.0).fillna(float("inf")))
    pairs = pairs.rename(columns={"implementation_left": "left", "implementation_right": "right"})
    return pairs[["case", "quantity", "step", "left", "right", "difference"]].reset_index(drop=True)
