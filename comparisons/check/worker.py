"""The process in which the user's code runs: answers requests of `sandbox` until it is told to stop, or killed.

Nothing that the code does here can harm the judge: it may print, never return, raise, or leave with `os._exit`.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check import source
from comparisons.check.attempts import Attempts
from comparisons.check.conventions import followed
from comparisons.check.differences import Derived
from comparisons.check.locating import Follower, Spot, by_name
from comparisons.check.old_numpy import revive
from comparisons.check.own_forward import OWN, as_it_is
from comparisons.check.own_forward import derived as own_derivatives
from comparisons.check.repair import Repair, Replayed, repair
from comparisons.check.repro_port import PortLines, Unportable
from comparisons.check.repro_record import Recorder, Recording
from comparisons.check.styles import STYLES
from comparisons.check.unit import Differentiating, Unit, UserError, UserFile, guessed, refuses
from comparisons.plan import plan
from comparisons.trace import record

Array = np.ndarray


@dataclass(frozen=True)
class Found:
    """What the file holds.

    Attributes
    ----------
    units : tuple of Unit
    unknown : tuple of str
        Functions and classes of the file that belong to no unit.
    notes : tuple of str
        What was done to make the file run.
    """

    units: tuple[Unit, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The trace of one unit on one case, or why there is none.

    Attributes
    ----------
    tensors : dict of str to ndarray
    kinks : dict of str to str
    mutated : tuple of str
        Arguments that the code changed in place.
    error : str
    ours : bool
        Whether the error is backproof's: the user's code could not be called as it was taken to want to be.
    derived : tuple of Derived
        Instead of a trace, where the unit's options have `differences`: its gradients beside finite differences.
    rows : tuple of dict
        Instead of a trace, where they have `port`: finished rows, as both models live in this process.
    """

    tensors: dict[str, Array]
    kinks: dict[str, str]
    mutated: tuple[str, ...]
    error: str = ""
    ours: bool = False
    derived: tuple[Derived, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()


def find(file: UserFile) -> Found:
    """Ask every style in turn what it recognises; a name belongs to the first that takes it.

    A unit that cannot be run the way its style means to is offered to the styles after it: what looks like a mistake of the
    file's may be another way of writing. If none of them takes it, it stays what it was.
    """
    units: list[Unit] = []
    held: list[Unit] = []
    taken: set[str] = set()
    for style in STYLES.values():
        file.partly = _partly(units)
        try:
            recognised = style.find(file, frozenset(taken))
        except Exception as error:  # one way of writing that we misread must not hide the others
            file.notes.append(f"looking for {style.name} failed, a mistake of backproof's: {_short(error)}")
            continue
        for unit in recognised:
            answer = trace(file, unit, unit.cases[0], "float64") if unit.cases else None
            if answer is not None and answer.error:
                held.append(unit)
                continue
            known = unit if answer is None else followed(unit, unit.cases[0], answer)
            units.append(as_it_is(file, style, known))
            taken |= {*_names(unit), *unit.members}
    for unit in held:
        if not taken & _names(unit):
            units.append(unit)
            taken |= {*_names(unit), *unit.members}
    own = [*file.functions(), *file.classes()]
    units.sort(key=lambda unit: unit.line)
    # One style may have given up what another one has compared.
    compared = {f"{name} is not compared" for unit in units for name in {*unit.members, *_names(unit)}}
    notes = (note for note in file.notes if note.partition(":")[0] not in compared)
    return Found(tuple(units), tuple(n for n in own if n not in taken), tuple(notes))


def _partly(units: list[Unit]) -> frozenset[str]:
    """Classes of which no more than an activation function has been compared."""
    activations = {name for unit in units if unit.style == "activations" for name in _names(unit)}
    return frozenset(activations.difference(*(_names(unit) for unit in units if unit.style != "activations")))


def _names(unit: Unit) -> set[str]:
    return {member.partition(".")[0] for member in unit.members}


def trace(file: UserFile, unit: Unit, case: Case, dtype: str, draw: int = 0) -> Answer:
    """Run one unit on one case; with inputs and weights moved by one ulp if `draw` is not 0."""
    file.mutated.clear()
    drawn = plan(case).perturbed(draw) if draw else plan(case)
    if dtype != "float64":
        drawn = drawn.astype(dtype)
    np.random.seed(0)  # noqa: NPY002  (what the user's code draws itself)
    try:
        if unit.options.get(OWN):
            own = tuple(own_derivatives(file, STYLES[unit.style], unit, case))
            return Answer({}, {}, tuple(sorted(file.mutated)), derived=own)
        if unit.options.get("differences"):
            style = STYLES[unit.style]
            assert isinstance(style, Differentiating)
            derived = tuple(style.differences(file, unit, case))
            return Answer({}, {}, tuple(sorted(file.mutated)), derived=derived)
        if unit.options.get("port"):
            port = STYLES[unit.style].port(file, unit, case)  # type: ignore[attr-defined]
            return Answer({}, {}, port.remarks, rows=tuple(port.rows))
        found = record(STYLES[unit.style].model(file, unit, case), case, drawn)
    except UserError as error:
        # Who says what a function is, says what it takes. Targets have so many forms that a loss which raises was given others.
        loss_alone = case.architecture.loss is not None and not case.architecture.layers
        ours = (refuses(error) or guessed(error, unit) or loss_alone) and unit.style != "declared"
        return Answer({}, {}, tuple(sorted(file.mutated)), str(error), ours=ours)
    except Exception as error:
        return Answer({}, {}, (), f"could not be called, a mistake of backproof's: {_short(error)}", ours=True)
    return Answer(dict(found.tensors), found.kinks, tuple(sorted(file.mutated)))


def calls(file: UserFile, unit: Unit, case: Case) -> tuple[Answer, Recording]:
    """Run one unit on one case and write down what its code is asked to do."""
    file.recorder = recorder = Recorder(file.namespace)
    try:
        return trace(file, unit, case, "float64"), recorder.recording
    finally:
        file.recorder = None


def port(file: UserFile, unit: Unit, tensor: str, training: bool) -> PortLines:
    """A port's failing case as lines of a test, or why there are none."""
    try:
        return STYLES["ports"].lines(file, unit, tensor, training)  # type: ignore[attr-defined]
    except Unportable as why:
        return PortLines(problem=str(why))


def locate(
    file: UserFile,
    unit: Unit,
    case: Case,
    wanted: dict[str, Array],
    parts: dict[str, tuple[Array, ...]],
    sound: frozenset[str] = frozenset(),
) -> dict[str, Spot]:
    """Run one unit on one case once more, and see where these tensors of it, or parts of them, arise; see `Follower`."""
    follower = Follower(file.path, wanted, parts, sound)
    try:
        with follower.following():
            trace(file, unit, case, "float64")
        found = follower.spots()
    except Exception:  # what is told beside a verdict must not cost the verdict
        return {}
    for name in wanted.keys() - found.keys():
        spot = by_name(file.path, unit.members, name, unit.options.get("names") or {})
        found |= {name: spot} if spot else {}
    return found


def mend(
    file: UserFile, unit: Unit, case: Case, wanted: dict[str, Array], derived: tuple[Derived, ...] = ()
) -> Repair | None:
    """An edit of the unit's code that brings all its tensors to these, if a small one does."""
    replayed = Replayed(derived)

    def attempt() -> dict[str, Array]:
        replayed.rewind()
        answer = trace(file, unit, case, "float64")
        return answer.tensors | {d.tensor: d.subject for d in answer.derived}

    try:
        with replayed.inside():
            return repair(file, unit.members, attempt, wanted)
    except Exception:  # code that is edited may do anything; it is a suggestion that is lost
        return None


def _short(error: Exception) -> str:
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(at.filename).name}, line {at.lineno})"


ANSWERS: dict[str, Callable[..., Any]] = {"trace": trace, "calls": calls, "locate": locate, "mend": mend, "port": port}
"""What can be asked of the worker once it has said what the file holds."""


def serve(connection: Connection, path: Path, attempts: Attempts) -> None:
    """Load the file, say what it holds, then trace on request."""
    try:
        file = source.run(path, attempts, alone=True)
        answer: Any = find(file)
    except Exception as error:
        connection.send(error if _expected(error) else _told(error))
        return
    connection.send(answer)
    while (request := connection.recv()) is not None:
        try:
            what, *asked = request
            answer = ANSWERS[what](file, *asked)
        except Exception as error:
            answer = _told(error)
        connection.send(answer)


def _expected(error: Exception) -> bool:
    from comparisons.errors import BackproofError

    return isinstance(error, BackproofError)


def _told(error: Exception) -> RuntimeError:
    """A mistake of ours, with its place: exceptions of any kind may not survive pickling."""
    return RuntimeError("".join(traceback.format_exception(error)))


def main() -> None:
    """Connect to the sandbox named by the arguments."""
    address, path, told = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    connection = Client(address, authkey=bytes.fromhex(os.environ.pop("BACKPROOF_KEY")))
    source.silence()
    revive()
    serve(connection, path, Attempts(told, connection.recv()))
