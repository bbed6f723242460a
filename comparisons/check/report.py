"""What a check tells at the terminal: one block per unit, the culprit first, at most 80 columns."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from comparisons.check.judging import Checked, CheckResult
from comparisons.check.unit import Unit
from comparisons.naming import place
from reports.schema import FAILING

UNEXPLAINED = "no known mistake"
LABELS = {"match": ("agrees", "green"), "wrong": ("WRONG", "red"), "vacuous": ("not decided", "yellow")}


def tell(path: Path, result: CheckResult) -> None:
    """Print everything."""
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    for checked in result.checked:
        click.echo()
        for line in block(checked):
            click.echo(line)
    click.echo()
    for note in result.found.notes:
        _say(f"note: {note}")
    if result.found.unknown:
        _say(f"not compared: {', '.join(result.found.unknown)}")
    click.echo(headline(path, len(result.checked), len(wrong)))


def headline(path: Path, count: int, wrong: int) -> str:
    """The result in one line."""
    if not count:
        return f"{path.name}: nothing was recognised that could be compared"
    things = f"{count} thing{'s' if count > 1 else ''} compared"
    if wrong:
        return click.style(f"{path.name}: {wrong} WRONG of {things}", fg="red", bold=True)
    return click.style(f"{path.name}: {things}, no mistake found", fg="green", bold=True)


def verdict(checked: Checked) -> str:
    """`match`, `wrong` or `vacuous` for a whole unit."""
    found = {row["verdict"] for row in checked.rows}
    if found & set(FAILING):
        return "wrong"
    return "match" if "match" in found else "vacuous"


def block(checked: Checked) -> Iterator[str]:
    """Lines about one unit, styled."""
    unit = checked.unit
    label, colour = LABELS[verdict(checked)]
    at = f" (line {unit.line})" if unit.line else ""
    head, *more = _wrapped(f"{label}  {unit.title}: {', '.join(unit.members)}{at}", "", "    ")
    yield click.style(label, fg=colour, bold=True) + head.removeprefix(label)
    yield from more
    failing = [row for row in checked.rows if row["verdict"] in FAILING]
    told, folded = _folded(_distinct(failing))
    for row in told:
        yield from _failure(unit, row)
    if folded:
        yield from _lines("also wrong", ", ".join(dict.fromkeys(spoken(unit, row["tensor"]) for row in folded)))
    good = dict.fromkeys(row["tensor"] for row in checked.rows if row["verdict"] == "match")
    bad = {row["tensor"] for row in failing}
    right = dict.fromkeys(spoken(unit, name, steps=False) for name in good if name not in bad)
    if right:
        yield from _lines("right", ", ".join(right))
    undecided = dict.fromkeys(row["diagnosis"] for row in checked.rows if row["verdict"] == "vacuous")
    if verdict(checked) == "vacuous":
        yield from _lines("why", "; ".join(undecided) or "no tensor could be compared")
    # A network shows little of what lies inside, and nobody expects it to: only its parameters' gradients are missed.
    names = unit.options.get("names")
    unseen = [n for n in checked.unseen if names is None or n.removeprefix("grad/") in names]
    unseen = [n for n in unseen if not place(n).step]
    if unseen and not failing:
        yield from _lines("unseen", ", ".join(dict.fromkeys(spoken(unit, name) for name in unseen)))
    for text in unit.assumptions:
        yield from _lines("assumed", text)
    for text in unit.alternatives:
        yield from _lines("or else", text)
    for text in checked.remarks:
        yield from _lines("note", text)


def _distinct(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first failing row of each tensor."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["tensor"], row)
    return list(first.values())


def _folded(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The first row and those with a cause of their own; the others, which mostly inherit."""
    told: list[dict[str, Any]] = []
    causes = {""}
    for row in rows:
        cause = "" if row["diagnosis"].startswith(UNEXPLAINED) else row["diagnosis"]
        if not told or cause not in causes:
            told.append(row)
            causes.add(cause)
    return told, [row for row in rows if not any(row is t for t in told)]


def _failure(unit: Unit, row: dict[str, Any]) -> Iterator[str]:
    if row["verdict"] == "error":
        yield from _lines("error", row["diagnosis"])
        return
    name = spoken(unit, row["tensor"])
    if "needed" in row:
        what = f"differs from {row['reference']} by {row['needed']:.1e} of the largest element"
        what += f", allowed {row['tolerance']:.0e}"
        at = f"{row['worst_index']}: {row['subject_value']:.6g}, {row['reference']} has {row['reference_value']:.6g}"
        yield from _lines(name, f"{what}; at {at}")
        yield from _lines("", row["diagnosis"] or "no known mistake explains it")
    else:
        yield from _lines(name, row["diagnosis"])


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
        if where.phase in ("forward", "trajectory"):
            return "output"
    if where.phase in ("loss", "trajectory"):
        return where.phase
    if where.phase == "forward":
        return f"output{layer}{after}"
    if where.phase == "gradient":
        return f"gradient of {'the input' if leaf == 'input' else leaf}{layer}{after}"
    return f"{'' if after else 'updated '}{leaf}{layer}{after}"


def _lines(label: str, text: str) -> Iterator[str]:
    yield from _wrapped(text, f"  {label}  " if label else "    ", "    ")


def _wrapped(text: str, first: str, others: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, 100) - 2
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others)


def _say(text: str) -> None:
    for line in _wrapped(text, "", "  "):
        click.echo(line)
