"""A user's own file: found out what is in it, paired with twins, run in a process of its own, and judged.

`source` reads the file and runs its definitions, `styles` recognise what they are and call them, `worker` and `sandbox` are the
two ends of the process in which all of the user's code runs, `judging` compares, `report` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comparisons.check.judging import CheckResult

recorders: list[Callable[[CheckResult], None]] = []
"""Called with every result of `assert_matches`; the pytest plugin listens here."""
