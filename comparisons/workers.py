"""A run in several processes: each imports the frameworks and compares whole families of cases.

A case's numbers do not depend on what ran before it, so neither the number of processes nor who got which family shows in
the result, and it comes in the order of the cases.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from comparisons.case import Case
from comparisons.cases import named
from comparisons.errors import BackproofError
from comparisons.runner import CaseResult, Runner
from reference import FRAMEWORKS, MissingFramework, missing, twin_class

if TYPE_CHECKING:
    from comparisons.run import Request

MANY = 20
"""Number of cases from which importing the frameworks several times pays for itself."""
AT_MOST = 4
"""Processes: each takes about a gigabyte with both frameworks."""
ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""Variables set to 1 for the processes unless they are set: the cases' arrays are small, and the processes share the cores."""
UNUSED = ("matplotlib", "sklearn")
"""What Keras imports if it is there, for parts that are not used here: a third of its own import."""


@dataclass(frozen=True)
class Part:
    """What a process found.

    Attributes
    ----------
    broken : dict of str to str
        Why frameworks could not be imported, by name.
    results : list of CaseResult
        One per case.
    process : int
        Its id.
    peak : float, optional
        Its largest resident set so far, in MiB.
    """

    broken: dict[str, str]
    results: list[CaseResult]
    process: int
    peak: float | None


def families(cases: Sequence[Case]) -> list[list[Case]]:
    """Neighbours that compare the same thing (`suite/what`): they share what is built for them, and what is measured."""
    return [list(group) for _, group in itertools.groupby(cases, key=named)]


def processes(request: Request, cases: Sequence[Case]) -> int:
    """How many processes a run is worth; 1 for this one alone.

    Networks of full size would need their memory several times, and every core. The modes compile at length, once.
    """
    usable = {name for name in request.references if not missing(name)}
    plain = request.subject == "scratch" and usable and usable <= FRAMEWORKS.keys()
    if not plain or len(cases) < MANY or any(case.slow for case in cases):
        return 1
    return min(_cores(), AT_MOST, len(families(cases)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts(request: Request, frameworks: Sequence[str], cases: Sequence[Case], count: int) -> Iterator[Part]:
    """What each family of cases gives, in order, from so many processes; they end with the iteration.

    Only for the main thread: an interrupt (Ctrl-C), which the terminal sends to every process, is left to this one.

    Raises
    ------
    BackproofError
        If a process is killed.
    """
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        before = multiprocessing.active_children()
        try:
            with _inherited():  # the processes start as work is handed in
                futures = [pool.submit(_part, request, tuple(frameworks), family) for family in families(cases)]
            for future in futures:
                yield _result(future)
        except BaseException:  # an interrupt too: what is under way is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                if child not in before:
                    child.terminate()
            raise


def _result(future: Future[Part]) -> Part:
    try:
        return future.result()
    except BrokenProcessPool as error:
        way = "compare fewer cases at once, or with fewer frameworks"
        raise BackproofError(f"a process that compared was killed, for want of memory perhaps; {way}") from error


@contextlib.contextmanager
def _inherited() -> Iterator[None]:
    """What a process started here begins with: one thread for its arithmetic, and deaf to interrupts."""
    unset = [name for name in ONE_THREAD if name not in os.environ]
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(unset, "1"))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]
        signal.signal(signal.SIGINT, kept)


def _part(request: Request, frameworks: tuple[str, ...], cases: Sequence[Case]) -> Part:
    """One family, in a process of the pool."""
    broken = _broken(frameworks)
    usable = [name for name in frameworks if name not in broken]
    runner = Runner(usable, request.dtypes, measure=not request.quick)
    return Part(broken, [runner.compare(case) for case in cases], os.getpid(), peak_memory())


@cache
def _broken(frameworks: tuple[str, ...]) -> dict[str, str]:
    """Import the frameworks; why those that do not import do not."""
    broken = {}
    with _hidden(UNUSED):
        for name in frameworks:
            try:
                twin_class(name)
            except MissingFramework as error:
                broken[name] = str(error)
    return broken


@contextlib.contextmanager
def _hidden(packages: Sequence[str]) -> Iterator[None]:
    """Packages that look as if not installed for a while; only for a process of our own."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python's own way to say so
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def peak_memory() -> float | None:
    """Largest resident set of this process so far, in MiB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
