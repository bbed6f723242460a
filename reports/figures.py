"""Matplotlib figures as inline SVG that takes its colours and fonts from the page around it.

Artists are drawn in stand-in colours, one per role, which become CSS variables in the SVG: the same figure is right on a
light page, on a dark one and on paper. Text stays text, so it is searchable and in the page's own font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

ROLES = ("fg", "muted", "line", "bg", "fail", *(f"phase{i}" for i in range(6)), *(f"curve{i}" for i in range(4)))
_STAND_IN = {role: f"#fe01{index:02x}" for index, role in enumerate(ROLES)}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def colour(role: str) -> str:
    """The stand-in of a role; the page's stylesheet gives it its colour, as `--<role>`."""
    return _STAND_IN[role]


@contextmanager
def axes(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of one plot, `width` by `height` CSS pixels, in the style of the page.

    No pyplot: its global state would keep every figure, and would care about a display.
    """
    import matplotlib
    from matplotlib.figure import Figure

    style: dict[str, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "backproof",
        "text.parse_math": False,
        "font.size": 11,
        "text.color": colour("fg"),
        "axes.labelcolor": colour("fg"),
        "axes.edgecolor": colour("muted"),
        "axes.facecolor": "none",
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": colour("line"),
        "grid.linewidth": 0.6,
        "axes.grid": True,
        "axes.axisbelow": True,
        **{f"{side}tick.{key}": value for side in "xy" for key, value in
           {"color": colour("muted"), "labelcolor": colour("muted"), "major.size": 3, "minor.size": 0}.items()},
    }  # fmt: skip
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained", facecolor="none")
        yield figure, figure.subplots()


def svg(figure: Figure, label: str) -> str:
    """The figure as one `<svg>` element.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    label : str
        What a reader who cannot see the figure is told.

    Returns
    -------
    str
        The same text for the same figure, byte for byte.
    """
    from html import escape

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    # Two figures may define the same marker or clip path; an id must be unique in a page.
    prefix = f"f{abs(_checksum(label)):08x}-"
    text = re.sub(r'(\bid="|href="#|url\(#)', lambda found: found.group(1) + prefix, text)
    text = re.sub(r"(\d+\.\d\d)\d+", r"\1", text)
    for role, stand_in in _STAND_IN.items():
        text = text.replace(stand_in, f"var(--{role})")
    text = re.sub(
        r"font: [^;\"]*", lambda found: "font-size: " + (re.findall(r"[\d.]+px", found.group()) or ["9px"])[0], text
    )
    text = re.sub(r"\n\s*", "\n", text)
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{escape(label)}" ', text, count=1)


def _checksum(text: str) -> int:
    from zlib import crc32

    return crc32(text.encode())


def dots(ax: Axes, x: ArrayLike, y: ArrayLike, role: str, size: float = 4.0, alpha: float = 0.6) -> None:
    """Round dots as one path of zero-length strokes: thousands weigh little, and overlaps do not add up to black."""
    import numpy as np
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = np.repeat(np.column_stack([x, y]).astype(float), 2, axis=0)
    if not len(points):
        return
    path = Path(points, np.tile([Path.MOVETO, Path.LINETO], len(points) // 2))
    path.should_simplify = False
    ax.add_patch(PathPatch(path, fc="none", ec=colour(role), lw=size, alpha=alpha, capstyle="round", zorder=3))


def decade(exponent: float) -> str:
    """`10⁻¹⁵`."""
    return "1" if exponent == 0 else f"10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def decades(low: float, high: float, at_most: int = 7) -> list[int]:
    """Whole exponents from `low` to `high`, evenly spaced and not too many."""
    import math

    first, last = math.ceil(low), math.floor(high)
    stride = max(1, math.ceil((last - first + 1) / at_most))
    return [exponent for exponent in range(first, last + 1) if exponent % stride == 0]
