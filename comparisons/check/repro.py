"""`--repro`: the smallest case in which something of a user's file fails, as a pytest file that stands alone.

It holds the user's own definitions, the numbers that they are given, and what plain torch makes of them. Nothing is handed out
that was not run: the file must fail, with the very numbers that were recorded, against the very numbers of the reference.
"""

from __future__ import annotations

import ast
import json
import os
import pprint
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from comparisons.case import Case
from comparisons.check.judging import Checked, CheckResult, Judge
from comparisons.check.old_numpy import REMOVED
from comparisons.check.python2 import NAMES
from comparisons.check.report import spoken, verdict
from comparisons.check.repro_find import Way, expression, way
from comparisons.check.repro_record import Recording, Step
from comparisons.check.repro_source import Unavailable, defined, excerpt
from comparisons.check.repro_torch import Torch, Unwritten, lines
from comparisons.check.sandbox import Sandbox
from comparisons.check.unit import Unit
from comparisons.check.worker import Answer
from comparisons.plan import Plan, plan
from comparisons.runner import CaseResult, Runner
from comparisons.trace import record
from reference import twin_class
from reports.schema import FAILING

Array = np.ndarray
TRIES = 4
"""Failing tensors of a unit that are tried in turn."""
SECONDS = 60.0
"""In which a written file must have run."""
IMAGES = ((3, 2), (4, 3), (4, 5), (5, 6))
"""Smaller images."""
SIZES: dict[str, int] = {"n": 2, "n_in": 3, "n_out": 2}
"""What sizes of layers become, where the code can take them."""
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


class Impossible(Exception):
    """No file can be written; one line."""


@dataclass(frozen=True)
class Failure:
    """A case that fails, as small as it was made.

    Attributes
    ----------
    unit : Unit
    case : Case
    row : dict
        The row of its table that leads the report.
    """

    unit: Unit
    case: Case
    row: dict[str, Any]


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
        If the code is not compared by calling it.
    """
    if unit.options.get("port"):
        raise Impossible("two models are compared, which is not done by calls")
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


# What the file says


@dataclass
class Text:
    """The parts of a test function.

    Attributes
    ----------
    given : dict of str to ndarray
        Variables with numbers.
    expected, calls, judged : list of str
    patched : bool
        Whether pytest's `monkeypatch` is asked for.
    """

    given: dict[str, Array]
    expected: list[str]
    calls: list[str]
    judged: list[str]
    seeded: bool = False


def _of_error(path: Path, target: Path, failure: Failure, answer: Answer, recording: Recording) -> Path:
    if not recording.raised or not answer.error:
        raise Impossible("the code does not raise when it is asked again")
    last = recording.steps[-1]
    needed = sliced(recording.steps, len(recording.steps) - 1, last.uses)
    text = Text(recording.literals, [], [*needed, "# " + answer.error], [], recording.seeded)
    _write(path, target, failure, text, recording)
    outcome = _run(target)
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
        raise Impossible(f"{spoken(failure.unit, tensor)} is put together from several results of the code")
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
        _write(path, target, failure, text, recording)
        outcome = _run(target)
        if not _near(outcome.get("actual"), seen.value.ravel() if flat else seen.value, AGREES):
            target.unlink(missing_ok=True)
            raise Impossible(f"run alone, the code gives something else ({outcome.get('raised') or 'other numbers'})")
        if _near(outcome.get("expected"), expected, 1e-9) and outcome.get("failed"):
            return target
    target.unlink(missing_ok=True)
    raise Impossible("torch alone does not give what the comparison expects")


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
    if failure.row["reference"] == "finite differences":
        derived = next((d for d in answer.derived if d.tensor == tensor), None)
        if derived is None or derived.kinks.any():
            raise Impossible("it is compared with finite differences, at a kink")
        return np.asarray(derived.subject), derived.reference, "finite differences of the code's own forward pass"
    import torch

    twin = twin_class("torch")(failure.case.architecture, failure.case.optimizer, "float64")
    reference = record(twin, failure.case, drawn).tensors
    if tensor not in reference or tensor not in answer.tensors:
        raise Impossible(f"asked again, the code does not show {spoken(failure.unit, tensor)}")
    return answer.tensors[tensor], reference[tensor], f"torch {torch.__version__}"


@dataclass(frozen=True)
class Seen:
    """Where the failing tensor stands among what the code gave.

    Attributes
    ----------
    step : int
        After which call.
    expression : str
    way : Way
        From there to the tensor.
    value : ndarray
        What is there; of an update, how far it moved.
    moved : bool
        Whether it is the difference between before and after.
    summed : bool
        Whether all its elements are added up.
    spread : bool
        Whether it is one number where there should be many.
    """

    step: int
    expression: str
    way: Way
    value: Array
    moved: bool
    summed: bool = False
    spread: bool = False

    @property
    def actual(self) -> str:
        """The expression for what is compared."""
        value = f"before - {self.expression}" if self.moved else self.expression
        return f"np.sum({value})" if self.summed else value

    def lines(self, recording: Recording) -> list[str]:
        """The calls that lead there."""
        root = re.split(r"\W", self.expression, maxsplit=1)[0]
        found = sliced(recording.steps, self.step, {root})
        if self.moved:
            last = recording.steps[self.step].lines[-1]
            found.insert(len(found) - 1 - found[::-1].index(last), f"before = np.array({self.expression})")
        return found


def located(recording: Recording, subject: Array, case: Case) -> Seen | None:
    """The first result or attribute that is the tensor, in whatever layout; with a factor only if none is without."""
    m = max(case.batches)
    counts = {float(m), *(float(n) for n in case.input_shape), *(float(n) for n in subject.shape), 2.0}
    factors = sorted({f for n in counts if n > 1 for f in (n, 1 / n, -n, -1 / n)} | {-1.0})
    largest = float(np.abs(subject).max(initial=0.0))
    # What is returned comes before what is kept somewhere; the last time comes first, as earlier ones may have been trials.
    places = [(k, name) for k, step in enumerate(recording.steps) for name in step.found]
    places.sort(key=lambda p: (p[1].count(".") + p[1].count("["), -p[0], len(p[1])))
    for sign in ((1.0,), tuple(factors)):
        for moved in (False, True):
            for k, name in places:
                step = recording.steps[k]
                a = step.found[name]
                if moved and (name not in step.moved or step.moved[name].shape != a.shape):
                    continue
                value = step.moved[name] - a if moved else a
                tried = list(sign)
                top = float(np.abs(value).max(initial=0.0))
                if sign != (1.0,) and value.size > 1 and top and largest:
                    tried += [largest / top, -largest / top]
                found = way(value, subject, tried, flips=True)
                if found is not None:
                    return Seen(k, name, found, value, moved)
                if not subject.ndim and value.size > 1:
                    # A loss for each example, of which we took the mean.
                    total = np.asarray(value.sum())
                    found = way(total, subject, tried)
                    if found is not None:
                        return Seen(k, name, found, total, moved, summed=True)
    if subject.size > 1 and (subject == subject.flat[0]).all():
        one = np.asarray(subject.flat[0])
        for k, name in places:
            value = recording.steps[k].found[name]
            found = way(value, one) if value.size == 1 else None
            if found is not None:
                return Seen(k, name, found, value, moved=False, spread=True)
    return None


def sliced(steps: Sequence[Step], last: int, wanted: set[str]) -> list[str]:
    """The lines up to a step without those that what is wanted does not depend on."""
    needed, kept = set(wanted), [steps[last]]
    needed |= steps[last].uses
    for step in reversed(steps[:last]):
        if (step.defines | step.touches) & needed:
            kept.append(step)
            needed |= step.uses
    return [line for step in reversed(kept) for line in step.lines]


def _by_torch(
    failure: Failure, drawn: Plan, tensor: str, recording: Recording, expected: Array
) -> tuple[dict[str, Array], list[str]] | None:
    """Torch's lines that end with `expected`, and the numbers that they need beside those that are there."""
    if failure.row["reference"] == "finite differences":
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


def _write(path: Path, target: Path, failure: Failure, text: Text, recording: Recording) -> None:
    try:
        imports, definitions = excerpt(path, recording.names, recording.there)
    except Unavailable as why:
        raise Impossible(str(why)) from why
    body = [*text.expected, *text.calls, *text.judged]
    used = set(re.findall(r"\w+", "\n".join(body)))
    assigned = [f"{name} = {numbers(a)}" for name, a in text.given.items() if name in used]
    head = _head(path, failure)
    own = "\n".join(definitions)
    needed = ["import types"] if "types.SimpleNamespace" in "\n".join(body) else []
    needed += ["import numpy as np"]
    if "torch." in "\n".join(body):
        needed += ["import torch"]
    if re.search(r"\bF\.", "\n".join(text.expected)):
        needed += ["import torch.nn.functional as F"]
    needed += [line for line in imports if line not in needed]
    revived = [
        f"np.{name} = {value.__name__}  # NumPy has this name no more"
        for name, value in REMOVED.items()
        if isinstance(value, type) and value.__module__ == "builtins" and re.search(rf"\bnp\.{name}\b", own)
        if name not in np.__dict__
    ]
    loaded = {n.id for d in definitions for n in ast.walk(ast.parse(d)) if isinstance(n, ast.Name)}
    bound = {n for d in definitions for s in ast.parse(d).body for n in defined(s)}
    revived += [
        f"{name} = {getattr(NAMES[name], '__name__', name)}  # Python 2's"
        for name in sorted(loaded & NAMES.keys() - bound)
    ]
    revived += [f"{name} = {recording.numbers[name]!r}" for name in sorted(loaded & recording.numbers.keys() - bound)]
    function = re.sub(r"\W+", "_", f"{failure.unit.name}_{_named(failure)}").strip("_").lower()
    patched = "monkeypatch" if any("monkeypatch." in line for line in body) else ""
    inside = [*assigned]
    if text.expected:
        inside += [
            "",
            "# What PyTorch computes." if "torch." in "\n".join(text.expected) else "# What is right.",
            *text.expected,
        ]
    inside += [
        "",
        "# What this code computes.",
        *(["np.random.seed(0)"] if text.seeded else []),
        *text.calls,
        *text.judged,
    ]
    indented = "\n".join("    " + line if line else "" for block in inside for line in block.split("\n"))
    parts = [head, "\n".join(needed), *(["\n".join(revived)] if revived else []), "\n\n\n".join(definitions)]
    target.write_text(
        "\n\n".join(parts[:2]) + "\n\n" + "\n\n\n".join([*parts[2:], f"def test_{function}({patched}):\n{indented}\n"]),
        encoding="utf-8",
    )


def _head(path: Path, failure: Failure) -> str:
    row = failure.row
    told = f"{failure.unit.title} {failure.unit.name} of {path.name}: {_named(failure)}"
    if "needed" in row:
        told += f" differs from {row['reference']} by {row['needed']:.1e} of the largest element."
    cause = row.get("diagnosis", "")
    if cause and row["verdict"] != "error":
        cause = cause[:1].upper() + cause[1:]
    text = f"{told}\n\n{cause}." if cause else told
    text = text.replace("\\", "/").replace('"""', "'''")
    return f'"""{text}\n\nRun it with pytest; it needs NumPy and torch. Written by backproof check --repro.\n"""'


def _named(failure: Failure) -> str:
    """What is wrong, as a person says it."""
    return "error" if failure.row["verdict"] == "error" else spoken(failure.unit, failure.row["tensor"])


def numbers(a: Array) -> str:
    """An array as Python, every digit of it."""
    if a.size == 0 or (a.size > 4 and not a.any()):
        return f"np.zeros({a.shape}{'' if a.dtype.kind == 'f' else f', dtype={a.dtype.name!r}'})"
    listed = pprint.pformat(a.tolist(), width=110, compact=True)
    listed = re.sub(r"\b(nan|inf)\b", r"np.\1", listed)
    text = f"np.array({listed})".replace("\n", "\n" + " " * 9)
    if a.dtype == np.float64 or a.dtype == np.int64 or a.dtype == bool:
        return text
    return f"{text}.astype({a.dtype.name!r})"


# Whether it does what it says

_CHECK = """
import json, runpy, sys
import numpy as np
kept = {}
whole = np.testing.assert_allclose
def keep(actual, expected, **how):
    kept.update(actual=np.asarray(actual).tolist(), expected=np.asarray(expected).tolist())
    whole(actual, expected, **how)
np.testing.assert_allclose = keep
class Patch:
    setattr = staticmethod(setattr)
try:
    for name, test in runpy.run_path(sys.argv[1]).items():
        if name.startswith("test_") and getattr(test, "__code__", None):
            test(*[Patch] * test.__code__.co_argcount)
except AssertionError as error:
    kept["failed"] = "actual" in kept
    kept["raised"] = "AssertionError: " + str(error).strip().split(chr(10))[0]
except BaseException as error:
    kept["raised"] = type(error).__name__ + ": " + str(error).split(chr(10))[0]
with open(sys.argv[2], "w") as out:
    json.dump(kept, out)
"""


def _run(target: Path) -> dict[str, Any]:
    """What a written file compares, and whether it fails, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="backproof-") as folder:
        out = Path(folder) / "kept.json"
        try:
            subprocess.run(
                [sys.executable, "-P", "-c", _CHECK, str(target), str(out)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"MPLBACKEND": "Agg"},
                cwd=folder,
                timeout=SECONDS,
                check=False,
            )
            return json.loads(out.read_text()) if out.exists() else {"raised": "it ended the process"}
        except subprocess.TimeoutExpired:
            return {"raised": f"not finished within {SECONDS:g} s"}


def _near(found: Any, wanted: Array, tolerance: float) -> bool:
    if found is None:
        return False
    a = np.asarray(found, dtype=np.float64)
    if a.shape != wanted.shape:
        return False
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    return bool(np.allclose(a, wanted, rtol=0, atol=tolerance * scale, equal_nan=True))
