"""Time of the whole default run : time spent inside the three implementations, in one run of one process.

Imports of the frameworks and the writing of the report belong to the whole; what is inside is the sum of the times that
the three implementations took for their passes and updates, the report's table of timings.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Print the parts and their ratios."""
    begun = time.perf_counter()
    from comparisons.run import Request, compare
    from reference import FRAMEWORKS, twin_class
    from reports import write

    for framework in FRAMEWORKS:
        twin_class(framework)
    imported = time.perf_counter()
    tables = compare(Request())
    compared = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), tables)
    written = time.perf_counter()

    per = tables.timings.groupby("implementation")["seconds"].sum()
    inside = per.drop("comparison").sum()
    parts = {
        "importing": imported - begun,
        **{f"inside {name}": seconds for name, seconds in per.drop("comparison").items()},
        "comparing": compared - imported - inside,
        "writing the report": written - compared,
    }
    for name, seconds in parts.items():
        print(f"{name:<20} {seconds:6.2f} s")
    print(f"cases and comparison : inside   {(compared - imported) / inside:.2f}")
    print(f"whole run : inside              {(written - begun) / inside:.2f}")
    if tables.info["peak_memory_mb"]:
        print(f"peak memory          {tables.info['peak_memory_mb']:6.0f} MiB", file=sys.stdout)


if __name__ == "__main__":
    main()
