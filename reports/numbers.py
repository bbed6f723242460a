"""How numbers are written in every report: one spelling for the terminal, Markdown and HTML."""

from __future__ import annotations

import math
from typing import Any


def count(value: Any) -> str:
    """A whole number with thousands separated: `4,812`; `-` where there is none."""
    return "-" if _absent(value) else f"{int(value):,}"


def small(value: Any) -> str:
    """A relative size with two digits: `3.1e-15`; 0 stays `0`, NaN is `-`."""
    if _absent(value):
        return "-"
    value = float(value)
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    return f"{value:.1e}"


def margin(value: Any) -> str:
    """needed / tolerance as a reader weighs it: a share of the tolerance up to it, a multiple beyond."""
    if _absent(value):
        return "-"
    value = float(value)
    if math.isinf(value):
        return "inf"
    if value > 1:
        return f"{value:,.3g}x" if value < 1000 else f"{value:,.0f}x" if value < 1e6 else f"{value:.0e}x"
    if value == 1:
        return "100%"
    # Rounding must say neither "nothing" of a difference nor "all of it" of what is still below the limit.
    return "0%" if value == 0 else "<0.01%" if value < 1e-4 else f"{min(100 * value, 99.99):.2f}%"


def pair(subject: Any, reference: Any) -> tuple[str, str]:
    """Two values with as few digits as show that they differ."""
    left, right = (math.nan if _absent(value) else float(value) for value in (subject, reference))
    for digits in range(6, 17):
        if f"{left:.{digits}g}" != f"{right:.{digits}g}":
            return f"{left:.{digits}g}", f"{right:.{digits}g}"
    return f"{left:.17g}", f"{right:.17g}"


def duration(seconds: Any) -> str:
    """`0.42 s`, `37 s`, `4 min 05 s`."""
    if _absent(seconds):
        return "-"
    seconds = float(seconds)
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest:02d} s"


def megabytes(value: Any) -> str:
    """`812 MB`, `3.4 GB`."""
    if _absent(value):
        return "-"
    return f"{float(value):,.0f} MB" if float(value) < 1000 else f"{float(value) / 1000:,.1f} GB"


def percent(share: Any) -> str:
    """A share of one as a whole percentage, with a tenth where it is small."""
    if _absent(share):
        return "-"
    return f"{100 * float(share):.0f}%" if float(share) >= 0.1 else f"{100 * float(share):.1f}%"


def plural(number: Any, noun: str) -> str:
    """`1 case`, `3 cases`, `1,204 tensor comparisons`."""
    return f"{count(number)} {noun}{'' if int(number) == 1 else 's'}"


def facts(info: dict[str, Any]) -> dict[str, str]:
    """The wall time and the peak memory of a run, as far as they are known."""
    known = {"wall time": duration(info.get("wall_seconds")), "peak memory": megabytes(info.get("peak_memory_mb"))}
    return {name: value for name, value in known.items() if value != "-"}


def _absent(value: Any) -> bool:
    if value is None:
        return True
    try:
        return math.isnan(value)
    except TypeError:  # pandas' NA is no number
        return True
