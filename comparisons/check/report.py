"""What a check tells at the terminal: the verdict, then one block per part, what is wrong first, at most 80 columns."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from comparisons.check.fixes import fix, plain
from comparisons.check.judging import Checked, CheckResult
from comparisons.check.locating import used
from comparisons.check.unit import Unit
from comparisons.naming import place
from reports.schema import FAILING

UNEXPLAINED = "no known mistake"
LABELS = {"match": ("agrees", "green"), "wrong": ("WRONG", "red"), "vacuous": ("not decided", "yellow")}
ORDER = ("wrong", "vacuous", "match")
EDIT = re.compile(r"line (?P<line>\d+): `(?P<old>.*)` agrees as `(?P<new>.*)`$")
"""A cause that was found by trying another line; see `repair`."""
ERROR = "*"
"""The tensor of a row that says why there is none."""
NAMED = 8
"""Names of tensors that are listed; of more, the rest is counted."""


def tell(path: Path, result: CheckResult) -> None:
    """Print everything."""
    click.echo(headline(path, [verdict(c) for c in result.checked]))
    for _, text in parts(path, result):
        click.echo("\n" + text)
    if result.found.notes or result.found.unknown:
        click.echo()
    for note in result.found.notes:
        _say(f"note: {note}")
    if result.found.unknown:
        _say(f"not compared: {', '.join(result.found.unknown)}")


def parts(path: Path, result: CheckResult) -> Iterator[tuple[str, str]]:
    """The verdict on each unit and the lines about it, styled; what is wrong comes first."""
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    for checked in sorted(result.checked, key=lambda c: ORDER.index(verdict(c))):
        yield verdict(checked), "\n".join(block(checked, _needs(path, checked, wrong)))


def headline(path: Path, verdicts: Sequence[str]) -> str:
    """The result in one line, from the units' verdicts."""
    if not verdicts:
        return f"{path.name}: nothing was recognised that could be compared"
    things = f"{len(verdicts)} thing{'s' if len(verdicts) > 1 else ''} compared"
    wrong, open_ = verdicts.count("wrong"), verdicts.count("vacuous")
    if open_ == len(verdicts):
        return click.style(f"{path.name}: nothing could be compared, {open_} not decided", fg="yellow", bold=True)
    undecided = f", {open_} not decided" if open_ else ""
    if wrong:
        return click.style(f"{path.name}: {wrong} WRONG of {things}{undecided}", fg="red", bold=True)
    return click.style(f"{path.name}: {things}, no mistake found{undecided}", fg="green", bold=True)


def _needs(path: Path, checked: Checked, wrong: list[Checked]) -> list[str]:
    """What is wrong by itself of what the unit uses."""
    if checked not in wrong:
        return []
    others: set[str] = set()
    for other in wrong:
        if other is not checked:
            made = {spot.function for spot in other.spots.values()}
            others |= {name.partition(".")[0] for name in made or other.unit.members}
    own = {name.partition(".")[0] for name in checked.unit.members}
    return sorted((used(str(path), checked.unit.members) & others) - own)


def verdict(checked: Checked) -> str:
    """`match`, `wrong` or `vacuous` for a whole unit."""
    found = {row["verdict"] for row in checked.rows}
    if found & set(FAILING):
        return "wrong"
    return "match" if "match" in found else "vacuous"


def block(checked: Checked, needs: Sequence[str] = ()) -> Iterator[str]:
    """Lines about one unit, styled; `needs` names what it calls that is wrong too."""
    unit = checked.unit
    label, colour = LABELS[verdict(checked)]
    at = f" (line {unit.line})" if unit.line else ""
    head, *more = _wrapped(f"{label}  {unit.title}: {', '.join(unit.members)}{at}", "", "    ")
    yield click.style(label, fg=colour, bold=True) + head.removeprefix(label)
    yield from more
    failing = [row for row in checked.rows if row["verdict"] in FAILING]
    told, folded = _folded(_distinct(checked, failing))
    for row in told:
        yield from _failure(checked, row)
    also = list(_also(checked, told, folded))
    if also:
        yield from _lines("also wrong, perhaps only as a consequence", _listed(also))
    if needs:
        yield from _lines("note", f"it uses {', '.join(needs)}, which {'is' if len(needs) == 1 else 'are'} wrong too")
    right = list(_right(checked, failing))
    if right:
        yield from _lines("right", _listed(right))
    undecided = dict.fromkeys(row["diagnosis"] for row in checked.rows if row["verdict"] == "vacuous")
    if verdict(checked) == "vacuous":
        yield from _lines("why", "; ".join(undecided) or "no tensor could be compared")
    unseen = list(_unseen(checked))
    if unseen and not failing:
        yield from _lines("not in the code, so not compared", _listed(unseen))
    if unit.assumptions:
        yield from _lines("assumed", "; ".join(unit.assumptions))
    if unit.alternatives:
        yield from _lines("or else", "; ".join(unit.alternatives))
    for text in checked.remarks:
        yield from _lines("note", text)


def _named(checked: Checked, row: dict[str, Any], steps: bool = True) -> str:
    """The tensor of a row as a person says it, with the mode where a unit is compared in both."""
    modes = {case.id: case.training for case in checked.unit.cases}
    evaluation = not modes.get(row["case"], True) and len(set(modes.values())) > 1
    if row["tensor"] == ERROR:
        return "error"
    return spoken(checked.unit, row["tensor"], steps) + (" in evaluation" if evaluation else "")


def _also(checked: Checked, told: list[dict[str, Any]], folded: list[dict[str, Any]]) -> Iterator[str]:
    """What else is wrong; of steps the first, as the later ones follow from it."""
    done = {_named(checked, row, steps=False) for row in told if row["step"]}
    for row in (row for row in folded if row["tensor"] != ERROR):
        stepless = _named(checked, row, steps=False)
        if stepless not in done:
            yield _named(checked, row)
        if row["step"]:
            done.add(stepless)


def _right(checked: Checked, failing: list[dict[str, Any]]) -> Iterator[str]:
    """What agrees, each name once; of what goes wrong at a later step, until when it agrees."""
    wrong = {_named(checked, row) for row in failing}
    stepless = {_named(checked, row, steps=False) for row in failing}
    for row in checked.rows:
        if row["verdict"] == "match" and _named(checked, row) not in wrong:
            by_step = bool(row["step"]) and _named(checked, row, steps=False) in stepless
            yield _named(checked, row, steps=by_step)


def _unseen(checked: Checked) -> Iterator[str]:
    """What is missed: of a network, which shows little of what lies inside, only its parameters' gradients."""
    unit = checked.unit
    names, whole = unit.options.get("names"), any(case.architecture.loss is not None for case in unit.cases)
    seen = {_named(checked, row) for row in checked.rows}
    for name in checked.unseen:
        inside = place(name).step or (whole and place(name).phase == "forward")
        if not inside and (names is None or name.removeprefix("grad/") in names) and spoken(unit, name) not in seen:
            yield spoken(unit, name)


def _distinct(checked: Checked, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first failing row of each tensor, in each mode."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(_named(checked, row), row)
    return list(first.values())


def _folded(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The first row and those with a cause of their own; the others, which mostly inherit, all but one update among them."""
    told: list[dict[str, Any]] = []
    causes = {""}
    moves = [row for row in rows if row["phase"] == "step"]
    lead = next((row for row in moves if _cause(row)), moves[0] if moves else None)
    if any(row["phase"] == "gradient" for row in rows):
        lead = None  # a wrong gradient moves its parameter wrongly
    for row in rows:
        if row["phase"] == "step" and row is not lead:
            continue
        if not told or _cause(row) not in causes:
            told.append(row)
            causes.add(_cause(row))
    return told, [row for row in rows if not any(row is t for t in told)]


def _cause(row: dict[str, Any]) -> str:
    return "" if row["diagnosis"].startswith(UNEXPLAINED) else plain(row["diagnosis"])


def _failure(checked: Checked, row: dict[str, Any]) -> Iterator[str]:
    """One tensor that is wrong: where it is made, why, what to do, and the numbers that show it."""
    unit, cause = checked.unit, row["diagnosis"]
    if row["verdict"] == "error":
        yield from _lines("error", cause)
        return
    spot = checked.spots.get((row["case"], row["tensor"]))
    within = f" in {spot.function}" if spot and spot.function else ""
    yield from _wrapped(f"{_named(checked, row)} is wrong{within}", "  ", "      ")
    if spot:
        yield from _inner("line", f"{spot.line}: {spot.text}")
    edit = EDIT.match(cause)
    if not edit:
        yield from _inner("cause", cause or "no known mistake fits")
    columns = any("are columns" in text for text in unit.assumptions)
    todo = "" if edit or cause.startswith(UNEXPLAINED) else fix(cause, columns)
    if edit:
        yield from _inner("fix", f"write {edit['new']} for {edit['old']} (line {edit['line']}): then it agrees")
    if todo:
        # A parameter goes wrong where it moves, whatever led there.
        at = f" (line {spot.line})" if spot and not row["step"] else ""
        yield from _inner("fix", todo + at)
    if "needed" in row:
        yield from _inner("seen", _numbers(row))


def _numbers(row: dict[str, Any]) -> str:
    """Where the difference is largest, and how large it is beside rounding."""
    by = row["reference"]
    has = "finite differences give" if by == "finite differences" else f"{by} has"
    needed = row["needed"]
    share = f"{needed:.1%}" if needed < 0.1 else f"{needed:.0%}"
    percent = 1e-3 <= needed < 100
    off = f"{share[:-1]} % of" if percent else f"{needed:.1e} times"
    at = "" if row["worst_index"] == "()" else f"at {row['worst_index']} "
    return (
        f"{at}{row['subject_value']:.6g}, {has} {row['reference_value']:.6g}: "
        f"off by {off} the largest element, allowed {row['tolerance']:.0e}"
    )


def spoken(unit: Unit, tensor: str, steps: bool = True) -> str:
    """`grad/dense1.W` as a person says it: `gradient of W`, with the layer's name where there are several."""
    where, leaf = place(tensor), tensor.rpartition(".")[2]
    several = "port" in unit.options or not unit.cases or any(len(case.architecture.layers) > 1 for case in unit.cases)
    # `forward/output` and `grad/model.input` belong to a whole model; see `reference.model`.
    owner = "the model" if where.layer in ("output", "model") else where.layer
    layer = f" of {owner}" if several and owner not in ("", "loss") else ""
    after = f" after step {where.step}" if where.step and steps else ""
    own = unit.options.get("names")
    if own is not None:
        if tensor in own:
            return own[tensor]
        if tensor.removeprefix("grad/") in own:
            return f"gradient of {own[tensor.removeprefix('grad/')]}"
        if named := own.get(re.sub(r"^step\d+/param/", "", tensor)):
            return f"{named}{after}" if after else f"updated {named}"
        if where.phase in ("forward", "trajectory"):
            return "output"
    if where.phase in ("loss", "trajectory"):
        return where.phase
    if tensor.startswith("setting/"):
        return f"{leaf}{layer}"
    if where.phase == "forward":
        return f"output{layer}{after}"
    if where.phase == "gradient":
        return f"gradient of {'the input' if leaf == 'input' else leaf}{layer}{after}"
    return f"{'' if after else 'updated '}{leaf}{layer}{after}"


def _listed(names: Iterable[str]) -> str:
    """Names, each once; where there are many, the first of them and how many more."""
    found = list(dict.fromkeys(names))
    if len(found) <= NAMED + 1:
        return ", ".join(found)
    return f"{', '.join(found[:NAMED])} and {len(found) - NAMED} more"


def _lines(label: str, text: str) -> Iterator[str]:
    yield from _wrapped(text, f"  {label}  ", "    ")


def _inner(label: str, text: str) -> Iterator[str]:
    yield from _wrapped(text, f"    {label:5}  ", " " * 11)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, 100) - 2
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


def _say(text: str) -> None:
    for line in _wrapped(text, "", "  "):
        click.echo(line)
