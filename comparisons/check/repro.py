"""`--repro`: the smallest case in which something of a user's file fails, as a pytest file that stands alone.

It holds the user's own definitions, the numbers that they are given, and what plain torch makes of them. Nothing is handed out
that was not run: the file must fail, with the very numbers that were recorded, against the very numbers of the reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import BY_DIFFERENCES
from comparisons.check.judging import Checked, CheckResult, Judge
from comparisons.check.known_losses import beside_torch
from comparisons.check.report import spoken, verdict
from comparisons.check.repro_find import Way, expression, way
from comparisons.check.repro_record import Recording
from comparisons.check.repro_seen import located, located_part, sliced
from comparisons.check.repro_torch import Torch, Unwritten, lines
from comparisons.check.repro_write import Failure, Impossible, Text, near, run, write
from comparisons.check.sandbox import Sandbox
from comparisons.check.unit import Unit
from comparisons.check.worker import Answer
from comparisons.plan import Plan, plan
from comparisons.runner import CaseResult, Runner
from comparisons.trace import record
from reference import FRAMEWORKS, twin_class
from reports.schema import FAILING

Array = np.ndarray
TRIES = 4
"""Failing tensors of a unit that are tried in turn."""
IMAGES = ((3, 2), (4, 3), (4, 5), (5, 6))
"""Smaller images."""
SIZES: dict[str, int] = {"n": 2, "n_in": 3, "n_out": 2}
"""What sizes of layers become, where the code can take them."""
TWO_FRAMEWORKS = 240.0
"""Seconds in which a file must have run that imports both frameworks."""
AGREES = 1e-6
"""Relative difference up to which the file, run alone, gives what was recorded: a guard of 1e-8 within a logarithm is no difference."""


@dataclass(frozen=True)
class Reproduction:
    """What came of one wrong unit.

    Attributes
    ----------
    unit : str
    path : Path or None
        The file that was written.
    problem : str
        Why there is none.
    """

    unit: str
    path: Path | None
    problem: str = ""


def reproduce(
    path: Path, result: CheckResult, folder: Path, seconds: float = 20.0, seed: int = 0
) -> list[Reproduction]:
    """Write one file for every wrong unit.

    Parameters
    ----------
    path : Path
        The user's file.
    result : CheckResult
        What `check` said of it.
    folder : Path
        Made if it is not there; files of the same names are replaced.
    seconds : float
        Time limit of each run of the user's code.
    seed : int
        The one that `check` had.

    Raises
    ------
    MissingFramework
        If torch is not installed: the files need it.
    """
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    if not wrong:
        return []
    twin_class("torch")
    folder.mkdir(parents=True, exist_ok=True)
    done: list[Reproduction] = []
    with Sandbox(path, seconds) as sandbox:
        sandbox.find()
        judge = Judge(Runner(("torch",), ("float64",), measure=False), sandbox, CaseResult(), seed)
        for checked in wrong:
            name = checked.unit.name
            target = folder / f"test_{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_').lower()}.py"
            try:
                done.append(Reproduction(name, _written(path, target, checked, judge, sandbox)))
            except Impossible as why:
                done.append(Reproduction(name, None, str(why)))
            except Exception as error:  # what is written beside a report must not cost the report
                done.append(Reproduction(name, None, f"a mistake of backproof's: {type(error).__name__}: {error}"))
    return done


def _written(path: Path, target: Path, checked: Checked, judge: Judge, sandbox: Sandbox) -> Path:
    first: dict[str, dict[str, Any]] = {}
    for row in checked.rows:
        if row["verdict"] in FAILING:
            first.setdefault(row["tensor"], row)
    # What leads the report; if that cannot be seen in the code's own results, what else is wrong.
    why = Impossible("nothing fails")
    for row in list(first.values())[:TRIES]:
        try:
            return _one(path, target, smallest(checked.unit, row, judge), sandbox)
        except Impossible as problem:
            why = why if why.args[0] != "nothing fails" else problem
    raise why


def _one(path: Path, target: Path, failure: Failure, sandbox: Sandbox) -> Path:
    if failure.unit.options.get("port"):
        return _of_port(path, target, failure, sandbox)
    answered = sandbox.calls(failure.unit, failure.case)
    if answered is None:
        raise Impossible("the code did not come back when it was asked again")
    answer, recording = answered
    if recording.problem:
        raise Impossible(recording.problem)
    if failure.row["verdict"] == "error":
        return _of_error(path, target, failure, answer, recording)
    return _of_difference(path, target, failure, answer, recording)


def smallest(unit: Unit, row: dict[str, Any], judge: Judge) -> Failure:
    """A failing tensor on fewer examples, fewer steps and smaller sizes, as long as it fails in the same way.

    Raises
    ------
    Impossible
        If its case is not among the unit's.
    """
    if unit.options.get("port"):
        return Failure(unit, unit.cases[0], row)
    case = next((replace(c, seed=judge.seed) for c in unit.cases if c.id == row["case"]), None)
    if case is None:
        raise Impossible(f"there is no case {row['case']}")
    found = Failure(unit, case, row)
    if row["reference"] == "finite differences":
        return found
    for shrink in (_fewer, _smaller):
        for candidate in shrink(found.case, found.row["tensor"]):
            smaller = _fails(unit, candidate, found.row, judge)
            if smaller is not None:
                found = Failure(unit, candidate, smaller)
                break
    return found if found.case != case else Failure(unit, case, _fails(unit, case, row, judge) or row)


def _fails(unit: Unit, case: Case, row: dict[str, Any], judge: Judge) -> dict[str, Any] | None:
    """The row of the same tensor on another case, if it fails in the same way."""
    rows = judge.unit(replace(unit, cases=(case,))).rows
    for other in rows:
        if other["tensor"] == row["tensor"] and other["verdict"] == row["verdict"]:
            # Of an error: the same one. Of a difference: one large enough to be seen without a tolerance of its own.
            same = (
                other["diagnosis"] == row["diagnosis"]
                if row["verdict"] == "error"
                else "needed" in other or "needed" not in row
            )
            return other if same else None
    return None


def _fewer(case: Case, tensor: str) -> Iterator[Case]:
    step = re.match(r"step(\d+)/", tensor)
    count = int(step[1]) if step else 1
    steps = tuple(s for s in case.recorded_steps if s <= count)
    if case.recorded_gradients:
        yield replace(case, batches=case.batches[:count], recorded_steps=steps)
        return
    for m in (1, 2, 3):
        if m < max(case.batches):
            yield replace(case, batches=(m,) * min(count, len(case.batches)), recorded_steps=steps)


def _smaller(case: Case, _: str) -> Iterator[Case]:
    """Layers with fewer features, or smaller images; what the code was made for other sizes cannot take falls out by itself."""
    if case.recorded_gradients or len(case.architecture.layers) > 1:
        return
    if len(case.input_shape) == 3:
        yield from (
            replace(case, input_shape=(h, w, case.input_shape[2])) for h, w in IMAGES if h < case.input_shape[0]
        )
    if len(case.input_shape) != 1:
        return
    n, layers = 3, []
    for name, layer in case.architecture.layers:
        own = {f.name for f in fields(cast("Any", layer))}
        sizes = {k: min(v, getattr(layer, k)) for k, v in SIZES.items() if k in own}
        n = sizes.get("n_in", sizes.get("n", 2))
        layers.append((name, replace(cast("Any", layer), **sizes)))
    if n < case.input_shape[0]:
        yield replace(case, architecture=replace(case.architecture, layers=tuple(layers)), input_shape=(n,))


def _of_error(path: Path, target: Path, failure: Failure, answer: Answer, recording: Recording) -> Path:
    if not recording.raised or not answer.error:
        raise Impossible("the code does not raise when it is asked again")
    last = recording.steps[-1]
    needed = sliced(recording.steps, len(recording.steps) - 1, last.uses)
    text = Text(recording.literals, [], [*needed, "# " + answer.error], [], recording.seeded)
    write(path, target, failure, text, recording)
    outcome = run(target)
    wanted = re.findall(r"(\w+(?:Error|Exception|Exit))", answer.error)
    if not outcome.get("raised") or (wanted and outcome["raised"].partition(":")[0] != wanted[0]):
        target.unlink(missing_ok=True)
        raise Impossible(f"run alone, the code does not end as it did here ({outcome.get('raised') or 'no error'})")
    return target


def _of_difference(path: Path, target: Path, failure: Failure, answer: Answer, recording: Recording) -> Path:
    tensor = failure.row["tensor"]
    drawn = plan(failure.case)
    subject, reference, by = _sides(failure, answer, drawn)
    seen = located(recording, subject, failure.case)
    if seen is None:
        part = located_part(recording, subject, reference)
        if part is None:
            raise Impossible(f"{spoken(failure.unit, tensor)} is put together from several results of the code")
        seen, subject, reference = part.seen, subject[part.block], reference[part.block]
    misshapen = seen.spread or subject.shape != reference.shape
    # Of a bias, a row or a column will do; of all else, a gradient has the layout of what it belongs to.
    flat = misshapen and reference.ndim == 1
    laid = _belongs(recording, drawn, tensor) if misshapen and not flat else seen.way
    if laid is None:
        raise Impossible(
            f"{spoken(failure.unit, tensor)} has another shape than the reference, so that no layout can be told"
        )
    expected = reference if flat else laid.back(reference)
    scale = float(np.abs(expected).max()) or 1.0
    needed = failure.row.get("needed", 1.0)
    atol = scale * min(AGREES, float(np.sqrt(needed * max(failure.row.get("tolerance", 0.0), 1e-12))))
    calls = seen.lines(recording)
    judged = [
        f"actual = {f'np.ravel({seen.actual})' if flat else seen.actual}",
        f"np.testing.assert_allclose(actual, expected, rtol=0, atol={atol:.0e})",
    ]
    for made in (_by_torch(failure, drawn, tensor, recording, expected), _literal(expected, by, failure)):
        if made is None:
            continue
        given, lines_ = made
        text = Text(recording.literals | given, lines_, calls, judged, recording.seeded)
        write(path, target, failure, text, recording)
        outcome = run(target)
        if not near(outcome.get("actual"), seen.value.ravel() if flat else seen.value, AGREES):
            target.unlink(missing_ok=True)
            raise Impossible(f"run alone, the code gives something else ({outcome.get('raised') or 'other numbers'})")
        if near(outcome.get("expected"), expected, 1e-9) and outcome.get("failed"):
            return target
    target.unlink(missing_ok=True)
    raise Impossible("torch alone does not give what the comparison expects")


def _of_port(path: Path, target: Path, failure: Failure, sandbox: Sandbox) -> Path:
    row = failure.row
    if row["verdict"] == "error" or "needed" not in row:
        raise Impossible("the two models cannot be compared")
    made = sandbox.port(failure.unit, _of_model(row), row["case"].endswith("/training"))
    if made.problem:
        raise Impossible(made.problem)
    judged = [f"np.testing.assert_allclose(actual, expected, rtol=0, atol={AGREES:.0e} * np.abs(expected).max())"]
    # Keras would compute in float32, and hide small differences.
    text = Text({}, made.expected, made.calls, judged, first=('keras.config.set_floatx("float64")',))
    write(path, target, failure, text, Recording(names=set(made.names), there=set(made.there)))
    outcome = run(target, TWO_FRAMEWORKS)
    if not outcome.get("failed"):
        target.unlink(missing_ok=True)
        raise Impossible(
            f"run alone, the models do not differ as they did here ({outcome.get('raised') or 'they agree'})"
        )
    return target


def _of_model(row: dict[str, Any]) -> str:
    """What shows a difference within a model in evaluation: its output."""
    return "forward/output" if row["case"].endswith("/evaluation") else str(row["tensor"])


def _belongs(recording: Recording, drawn: Plan, tensor: str) -> Way | None:
    """The layout of the parameter or input that a gradient belongs to."""
    layer, _, leaf = tensor.removeprefix("grad/").partition(".")
    inputs = {"input": drawn.batches[0].x} if drawn.batches and len(drawn.weights.params) < 2 else {}
    target = (drawn.weights.params.get(layer, {}) | inputs).get(leaf)
    if target is None or not tensor.startswith("grad/"):
        return None
    ways = (way(a, target) for a in recording.literals.values() if a.dtype.kind == "f")
    return next((w for w in ways if w is not None), None)


def _sides(failure: Failure, answer: Answer, drawn: Plan) -> tuple[Array, Array, str]:
    tensor = failure.row["tensor"]
    if answer.error:
        raise Impossible(f"asked again, the code fails: {answer.error}")
    if answer.derived:
        derived = next((d for d in beside_torch(answer.derived) if d.tensor == tensor), None)
        if derived is None or derived.kinks.any():
            raise Impossible("it is compared with finite differences, at a kink")
        own = derived.against == BY_DIFFERENCES
        told = "finite differences of the code's own forward pass" if own else derived.against
        return np.asarray(derived.subject), derived.reference, told
    import torch

    twin = twin_class("torch")(failure.case.architecture, failure.case.optimizer, "float64")
    reference = record(twin, failure.case, drawn).tensors
    if tensor not in reference or tensor not in answer.tensors:
        raise Impossible(f"asked again, the code does not show {spoken(failure.unit, tensor)}")
    return answer.tensors[tensor], reference[tensor], f"torch {torch.__version__}"


def _by_torch(
    failure: Failure, drawn: Plan, tensor: str, recording: Recording, expected: Array
) -> tuple[dict[str, Array], list[str]] | None:
    """Torch's lines that end with `expected`, and the numbers that they need beside those that are there."""
    if failure.row["reference"] not in FRAMEWORKS:
        return None
    more: dict[str, Array] = {}

    def say(a: Array, name: str) -> str:
        there = recording.literals | more
        found = expression(there, a) or _one_hot(recording.literals, a)
        if found:
            return found
        fresh, n = f"given_{name}", 1
        while fresh in there:
            n += 1
            fresh = f"given_{name}{n}"
        more[fresh] = np.array(a)
        return fresh

    try:
        made: Torch = lines(failure.case, drawn, tensor, say)
    except Unwritten:
        return None
    twin = twin_class("torch")(failure.case.architecture, failure.case.optimizer, "float64")
    reference = made.to_torch(record(twin, failure.case, drawn).tensors[tensor])
    largest, top = float(np.abs(expected).max()), float(np.abs(reference).max())
    turned = way(reference, expected, (1.0, *((largest / top, -largest / top) if top else ())), flips=True)
    if turned is None:
        return None
    return more, [*made.lines, f"expected = {turned.told(made.value)}"]


def _one_hot(literals: dict[str, Array], a: Array) -> str:
    if a.ndim != 2 or not ((a == 0) | (a == 1)).all() or not (a.sum(axis=1) == 1).all():
        return ""
    labels = a.argmax(axis=1)
    for name, given in literals.items():
        if given.dtype.kind in "iu" and given.size == len(a) and np.array_equal(given.ravel(), labels):
            flat = name if given.ndim == 1 else f"{name}.ravel()"
            return f"np.eye({a.shape[1]})[{flat}]"
    return ""


def _literal(expected: Array, by: str, failure: Failure) -> tuple[dict[str, Array], list[str]]:
    kinds = ", ".join(type(layer).__name__ for _, layer in failure.case.architecture.layers)
    said = f"computed by {by}" + (f" for {kinds}" if kinds and by.startswith("torch") else "")
    return {"reference": expected}, [f"expected = reference  # {said}"]
