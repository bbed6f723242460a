"""The judge's end of the process in which the user's code runs: requests with a time limit, a fresh process after a crash."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.attempts import Watch
from comparisons.check.differences import Derived
from comparisons.check.locating import Spot
from comparisons.check.repair import Repair
from comparisons.check.repro_port import PortLines
from comparisons.check.repro_record import Recording
from comparisons.check.unit import Unit
from comparisons.check.worker import Answer, Found
from comparisons.errors import BackproofError
from reference import FRAMEWORKS

Array = np.ndarray
PATIENCE = 120.0
"""Seconds in which the worker must have come up, and in which it must have answered a request."""
LOADS = 8
"""How often a file is loaded: each time without what ended the process, or did not end, the time before."""


class Sandbox:
    """A worker process with one file loaded.

    Parameters
    ----------
    path : Path
        The user's file.
    seconds : float
        Time limit of a single call of the file's code.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._watch: Watch | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._excluded: dict[str, str] = {}

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def find(self) -> Found:
        """What the file holds.

        Raises
        ------
        BackproofError
            If it cannot be loaded.
        """
        found = self._start()
        if isinstance(found, str):
            raise BackproofError(f"{self._path}: while it was loaded, it {found}")
        members = {name for unit in found.units for name in (unit.name, *unit.members)}
        left = [f"{name} {why}; it was not tried again" for name, why in self._excluded.items() if name not in members]
        return replace(found, notes=(*found.notes, *left))

    def trace(self, unit: Unit, case: Case, dtype: str, draw: int = 0) -> Answer:
        """The unit's trace on a case; with inputs and weights moved by one ulp where a draw is given."""
        found = self._launched()
        if isinstance(found, str):
            return Answer({}, {}, (), f"loaded anew, the file {found}")
        answer = self._asked("trace", unit, case, dtype, draw)
        return Answer({}, {}, (), f"{unit.name} {answer}") if isinstance(answer, str) else answer

    def calls(self, unit: Unit, case: Case) -> tuple[Answer, Recording] | None:
        """The unit's trace on a case and what its code was asked; None if it did not come back."""
        answer = self._launched() or self._asked("calls", unit, case)
        return None if isinstance(answer, str) else answer

    def locate(
        self,
        unit: Unit,
        case: Case,
        wanted: dict[str, Array],
        parts: dict[str, tuple[Array, ...]],
        sound: frozenset[str] = frozenset(),
    ) -> dict[str, Spot]:
        """Where in the file tensors of the unit arise; empty if the code did not come back."""
        answer = self._launched() or self._asked("locate", unit, case, wanted, parts, sound)
        return {} if isinstance(answer, str) else answer

    def mend(
        self, unit: Unit, case: Case, wanted: dict[str, Array], derived: tuple[Derived, ...] = ()
    ) -> Repair | None:
        """An edit that makes the unit agree; none if there is no small one, or the code did not come back."""
        answer = self._launched() or self._asked("mend", unit, case, wanted, derived)
        return None if isinstance(answer, str) else answer

    def port(self, unit: Unit, tensor: str, training: bool) -> PortLines:
        """A port's failing case as lines of a test, or why there are none."""
        answer = self._launched() or self._asked("port", unit, tensor, training)
        return PortLines(problem=answer) if isinstance(answer, str) else answer

    def _launched(self) -> str | None:
        """See to it that there is a worker; why there is none."""
        if self._connection is not None:
            return None
        found = self._start()
        return found if isinstance(found, str) else None

    def _asked(self, *request: Any) -> Any:
        """The worker's answer to a request; a text if it did not come back, and then the worker is stopped."""
        assert self._connection is not None
        try:
            self._connection.send(request)
            answer = self._receive()
        except OSError:
            answer = "ended the process"
        if isinstance(answer, str):
            self._stop()
        return answer

    def _start(self) -> Found | str:
        """What the file holds; code that ends or stops the process while it is tried is left out of the next attempt."""
        answer: Found | str = ""
        for _ in range(LOADS):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                told = Path(folder, "attempt")
                self._watch = Watch(told)
                self._launch(told)
                answer = self._receive()
                if not isinstance(answer, str):
                    return answer
                self._stop()
                tried = self._watch.last()
            if not tried or tried in self._excluded:
                break
            self._excluded[tried] = answer
        return answer

    def _launch(self, told: Path) -> None:
        key = secrets.token_bytes(16)
        with Listener(authkey=key) as listener:
            # The user's folder must not hide installed modules: -P keeps the present one off the path.
            start = "from comparisons.check.worker import main; main()"
            path = os.path.abspath(self._path)
            command = [sys.executable, "-P", "-c", start, str(listener.address), path, str(told)]
            quiet = {"BACKPROOF_KEY": key.hex(), "MPLBACKEND": "Agg", **FRAMEWORKS["tensorflow"].environment}
            if searched := os.environ.get("PYTHONPATH"):
                quiet["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, searched.split(os.pathsep)))
            # What the code saves, pictures and weights, must not overwrite what lies in the present folder.
            self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            self._process = subprocess.Popen(
                command,
                cwd=self._folder.name,
                env=os.environ | quiet,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._connection = _accepted(listener, self._process)
        self._connection.send(self._excluded)

    def _receive(self) -> Any:
        """The worker's answer; a text if no single call may be waited for, or all together take too long."""
        assert self._connection is not None
        assert self._watch is not None
        begun, limit = time.monotonic(), max(self._seconds, PATIENCE)
        while not self._connection.poll(0.1):
            if self._watch.seconds() > self._seconds * _crowd():
                return f"did not finish within {self._seconds:g} s"
            if time.monotonic() - begun > limit * _crowd():
                return f"is too slow: no answer after {limit:g} s"
        try:
            answer = self._connection.recv()
        except (EOFError, OSError):
            return "ended the process"
        if isinstance(answer, Exception):
            self._stop()
            raise answer
        return answer

    def _stop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(None)
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()
        self._connection = self._process = self._folder = None


def _crowd() -> float:
    """How many processes want each processor, at least 1: on a busy machine all takes so much longer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0


def _accepted(listener: Listener, process: subprocess.Popen[bytes]) -> Connection:
    """The worker's connection; the wait ends when the worker does."""
    import threading

    accepted: list[Connection] = []

    def accept() -> None:
        with contextlib.suppress(OSError, EOFError):
            accepted.append(listener.accept())

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    waited = 0.0
    while thread.is_alive() and process.poll() is None and waited < PATIENCE:
        thread.join(0.1)
        waited += 0.1
    thread.join(0.1)
    if not accepted:
        process.kill()
        raise BackproofError("the process for the checked file could not be started")
    return accepted[0]
