"""A whole self-test: mutants, then correct code."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain

from comparisons.selftest.bench import Bench
from comparisons.selftest.catalogue import MUTANTS
from comparisons.selftest.correct import correct, other_seeds, random_work
from comparisons.selftest.hunt import hunt
from reports.selftest import SelfTest

Progress = Callable[[str, int, int], None]
NETWORKS, NETWORKS_SHORT = 60, 8
"""Number of random networks that must raise no alarm."""


def selftest(
    frameworks: tuple[str, ...], short: bool = False, seed: int = 0, progress: Progress = lambda *_: None
) -> SelfTest:
    """Plant every known mistake, and compare correct code of many kinds.

    Parameters
    ----------
    frameworks : tuple of str
        References; all must be usable.
    short : bool
        Every third mutant of each subject, and little correct code: for CI.
    seed : int
        Of the correct code; 0 is that of the comparisons, so the cases are drawn from `seed + 1` on.
    progress : callable, optional
        Called with what is being done, how much of it is finished, and how much there is.
    """
    begun = time.perf_counter()
    bench = Bench(frameworks)
    chosen = [mutant for i, mutant in enumerate(MUTANTS) if i % 3 == 0] if short else list(MUTANTS)
    mutants = hunt(chosen, bench, progress)
    judged = {row["mutant"] for row in mutants}
    networks = random_work(NETWORKS_SHORT if short else NETWORKS, seed)
    work = list(chain(networks, other_seeds(range(seed + 1, seed + 2), short)))
    tallies, alarms = correct(work, bench, progress)
    info = {
        "frameworks": {name: bench.versions[name].removeprefix(f"{name} ") for name in frameworks},
        "seed": seed,
        "short": short,
        "wall_seconds": time.perf_counter() - begun,
    }
    return SelfTest(mutants, tallies, alarms, [m.id for m in chosen if m.id not in judged], info)
