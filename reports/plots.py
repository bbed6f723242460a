"""The figures of the page: how far each tensor is from its limit, and the training curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports import figures, numbers, summary
from reports.schema import PHASES
from reports.tables import RunTables, failing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

K = 1000
"""tolerance / noise, by the schema."""
_CELL = 0.06  # of a decade: dots closer than this fall on the same pixel
_WIDTHS = ((5.0, "solid", 0.4), (2.2, (0, (6, 3)), 0.9), (1.3, (0, (1.5, 2)), 1.0), (1.0, "solid", 1.0))


def limit_scatter(tables: RunTables) -> str:
    """needed against tolerance, one dot per decided tensor; empty when nothing was decided.

    The axes carry exponents of ten. A `needed` of 0 is drawn on a floor marked 0, one without a finite value on a
    ceiling marked with the infinity sign.
    """
    points = _points(tables)
    if points.empty:
        return ""
    finite = points.loc[points["y"].abs() < math.inf, "y"]
    low, high = (math.floor(finite.min()), math.ceil(finite.max())) if len(finite) else (-16, -10)
    x_low, x_high = math.floor(points["x"].min()) - 0.3, math.ceil(points["x"].max()) + 0.3
    low, high = min(low, math.floor(x_low - math.log10(K))), max(high, math.ceil(x_high))
    points["y"] = points["y"].clip(low - 1, high + 1)
    with figures.axes(660, 420) as (figure, ax):
        ax.set(xlim=(x_low, x_high), ylim=(low - 1.6, high + (1.6 if points["y"].max() > high else 0.3)))
        _diagonals(ax, x_low, x_high)
        _phase_dots(ax, points)
        _exponents(ax.xaxis, figures.decades(x_low, x_high))
        ends = [(low - 1, "0")] + ([(high + 1, "∞")] if points["y"].max() > high else [])
        _exponents(ax.yaxis, figures.decades(low, high, 8), ends)
        ax.axhline(low - 0.5, color=figures.colour("muted"), lw=0.6, ls=(0, (2, 3)))
        ax.set_xlabel("tolerance: 1000 × the measured rounding noise of the tensor")
        ax.set_ylabel("needed: the largest difference")
        bad = numbers.plural(points["fails"].sum(), "mark")
        return figures.svg(
            figure, f"Scatter of needed against tolerance, one dot per tensor; {bad} for those that fail."
        )


def _points(tables: RunTables) -> pd.DataFrame:
    """Exponents of tolerance (x) and needed (y), phase and failure; what falls on the same pixel once."""
    import numpy as np

    rows = tables.discrepancies
    rows = rows[rows["verdict"].isin(summary.DECIDED) & (rows["tolerance"] > 0) & (rows["tolerance"] < np.inf)]
    with np.errstate(divide="ignore"):
        x, y = np.log10(rows["tolerance"]), np.log10(rows["needed"].fillna(np.inf))
    grid = {"x": (x / _CELL).round() * _CELL, "y": (y / _CELL).round() * _CELL}
    return rows[["phase"]].assign(fails=failing(rows), **grid).drop_duplicates()


def _phase_dots(ax: Axes, points: pd.DataFrame) -> None:
    for index, phase in enumerate(PHASES):
        chosen = points[(points["phase"] == phase) & ~points["fails"]]
        figures.dots(ax, chosen["x"], chosen["y"], f"phase{index}")
    bad = points[points["fails"]]
    ax.plot(bad["x"], bad["y"], "x", color=figures.colour("fail"), ms=6, mew=1.6, zorder=4)


def _diagonals(ax: Axes, low: float, high: float) -> None:
    ax.fill_between([low, high], [low, high], [ax.get_ylim()[1]] * 2, color=figures.colour("fail"), alpha=0.07, lw=0)
    ax.plot([low, high], [low, high], color=figures.colour("fail"), lw=1.4)
    noise = [low - math.log10(K), high - math.log10(K)]
    ax.plot([low, high], noise, color=figures.colour("muted"), lw=1, ls=(0, (4, 3)))
    right: dict[str, Any] = {"ha": "right", "size": 11, "xytext": (-4, 5), "textcoords": "offset points"}
    middle = low + 0.62 * (high - low)
    ax.annotate("limit: needed = tolerance", (middle, middle), color=figures.colour("fail"), **right)
    below: dict[str, Any] = {**right, "ha": "left", "xytext": (6, -11)}
    ax.annotate("noise = tolerance / 1000", (middle, middle - math.log10(K)), color=figures.colour("muted"), **below)


def _exponents(axis: Any, exponents: list[int], ends: list[tuple[float, str]] | None = None) -> None:
    places = [(float(exponent), figures.decade(exponent)) for exponent in exponents] + (ends or [])
    axis.set_ticks([place for place, _ in places], [text for _, text in places])


def margin_strip(tables: RunTables) -> str:
    """needed / tolerance of every decided tensor, one strip per phase; empty when nothing was decided."""
    import numpy as np

    rows = tables.discrepancies
    rows = summary.with_margin(rows[rows["verdict"].isin(summary.DECIDED)])
    phases = [phase for phase in PHASES if (rows["phase"] == phase).any()]
    positive = rows.loc[(rows["margin"] > 0) & (rows["margin"] < np.inf), "margin"]
    if not phases or positive.empty:
        return ""
    low, high = math.floor(math.log10(positive.min())), max(1, math.ceil(math.log10(positive.max())))
    with figures.axes(660, 70 + 40 * len(phases)) as (figure, ax):
        right = high + 1.5 + 0.1 * (high - low)  # room for the number beside the last dot
        ax.set(xlim=(low - 1.5, right), ylim=(len(phases) - 0.5, -0.5))
        ax.axvspan(0, right, color=figures.colour("fail"), alpha=0.07, lw=0)
        ax.axvline(0, color=figures.colour("fail"), lw=1.4)
        for place, phase in enumerate(phases):
            _strip(ax, place, PHASES.index(phase), rows.loc[rows["phase"] == phase, "margin"], low, high)
        infinite = [(high + 1.0, "∞")] if np.isinf(rows["margin"]).any() else []
        _exponents(ax.xaxis, figures.decades(low, high, 9), [(low - 1.0, "0"), *infinite])
        ax.set_yticks(range(len(phases)), phases)
        ax.tick_params(axis="y", labelcolor=figures.colour("fg"), length=0)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("share of the tolerance used: needed / tolerance (1 is the limit)")
        worst = "; ".join(
            f"{phase} {numbers.margin(rows.loc[rows['phase'] == phase, 'margin'].max())}" for phase in phases
        )
        return figures.svg(figure, f"Share of the tolerance used by each tensor, by phase. Largest: {worst}.")


def _strip(ax: Axes, place: int, role: int, margins: pd.Series, low: int, high: int) -> None:
    import numpy as np

    with np.errstate(divide="ignore"):
        x = np.unique((np.log10(margins.to_numpy()) / _CELL).round(), return_counts=False) * _CELL
        exact = np.clip((np.log10(margins.to_numpy()) / _CELL).round() * _CELL, low - 1, high + 1)
    shown, counts = np.unique(exact, return_counts=True)
    # One column of dots per cell, higher where more tensors share it: a histogram that still shows single rows.
    heights = np.ceil(14 * np.sqrt(counts / counts.max())).astype(int)
    column = np.repeat(shown, heights)
    row = np.concatenate([place + 0.024 * (np.arange(height) - (height - 1) / 2) for height in heights])
    bad = column > 0
    figures.dots(ax, column[~bad], row[~bad], f"phase{role}", 2.6, 0.75)
    figures.dots(ax, column[bad], row[bad], "fail", 3.4, 1.0)
    top = float(np.clip(x.max(), low - 1, high + 1))
    text = numbers.margin(margins.max())
    ax.annotate(text, (top, place), xytext=(6, 0), textcoords="offset points", va="center", size=10.5)


def curve(tables: RunTables, case: str, quantity: str) -> str:
    """One training curve, all implementations: the first wide and pale, the next dashed and narrower upon it."""
    rows = tables.curves
    rows = rows[(rows["case"] == case) & (rows["quantity"] == quantity)]
    names = list(rows["implementation"].drop_duplicates())
    with figures.axes(480, 260) as (figure, ax):
        for index, name in enumerate(names):
            width, dashes, alpha = _WIDTHS[min(index, 3)]
            one = rows[rows["implementation"] == name].sort_values("step")
            x, y = one["step"].to_numpy(float), one["value"].to_numpy(float)
            ax.plot(x, y, color=figures.colour(f"curve{min(index, 3)}"), lw=width, ls=dashes, alpha=alpha)
        ax.set(xlabel="optimizer step", ylabel=quantity.replace("_", " "))
        ax.margins(x=0.01)
        return figures.svg(figure, f"{quantity} of {case} along the steps, for {', '.join(names)}.")


def curve_difference(tables: RunTables, case: str, quantity: str) -> str:
    """|difference| between each two implementations along the steps, on a log axis.

    Exact agreement is drawn on a floor marked 0, a value that only one of them lacks on a ceiling marked infinite. Empty
    when there is nothing to draw: all agree exactly, or no two implementations recorded the same step.
    """
    import numpy as np

    rows = summary.curve_differences(tables)
    rows = rows[(rows["case"] == case) & (rows["quantity"] == quantity)]
    if not (rows["difference"] > 0).any():
        return ""
    finite = rows.loc[(rows["difference"] > 0) & (rows["difference"] < np.inf), "difference"]
    low, high = (
        (math.floor(math.log10(finite.min())), math.ceil(math.log10(finite.max()))) if len(finite) else (-16, -15)
    )
    high = max(high, low + 1)
    infinite = [(high + 1.0, "∞")] if np.isinf(rows["difference"]).any() else []
    with figures.axes(480, 260) as (figure, ax):
        for index, ((left, right), one) in enumerate(rows.groupby(["left", "right"], sort=False)):
            one = one.sort_values("step")
            with np.errstate(divide="ignore"):
                y = np.clip(np.log10(one["difference"].to_numpy()), low - 1, high + 1)
            # Points, not lines: rounding leaves no path from one step to the next.
            ax.plot(one["step"].to_numpy(float), y, color=figures.colour(f"curve{min(index + 1, 3)}"), lw=0, ms=3,
                    marker=("o", "s", "^")[index % 3], mew=0, alpha=0.8, label=f"|{left} − {right}|")  # fmt: skip
        top = high + (1.3 if infinite else 0.1)
        ax.set(ylim=(low - 1.3, top), xlabel="optimizer step", ylabel="|difference|")
        _exponents(ax.yaxis, figures.decades(low, high, 6), [(low - 1.0, "0"), *infinite])
        ax.margins(x=0.01)
        ax.legend(
            frameon=False,
            fontsize=10,
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=2,
            handletextpad=0.1,
            markerscale=2,
        )
        largest = numbers.small(rows["difference"].max())
        return figures.svg(figure, f"Difference of {quantity} of {case} between implementations, at most {largest}.")
