"""`backproof conventions` and `backproof explain`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from comparisons.explain import Measured
    from reference import Convention
    from reference.demonstrations import Shown


@click.command()
@click.option(
    "--measure/--no-measure",
    default=True,
    show_default=True,
    help="Measure what ignoring each one would cost, and find out what each framework does.",
)
def conventions(measure: bool) -> None:
    """List the documented differences between scratch, torch and Keras, and the mappings.

    What a convention is worth is measured now, in the installed frameworks: a case is run with and without the mapping.
    Where no number is at stake, but a shape, a default or a refusal, what each framework does is found out now.
    """
    from comparisons import explain
    from reference import CONVENTIONS

    frameworks = _installed() if measure else []
    measured = explain.measure(CONVENTIONS.values(), frameworks)
    found = explain.shown(CONVENTIONS.values(), frameworks) if measure else {}
    for convention in CONVENTIONS.values():
        _print(convention, measured.get(convention.id, []), found.get(convention.id, []))
    click.echo(f"{len(CONVENTIONS)} conventions", err=True)


@click.command()
@click.argument("name")
def explain(name: str) -> None:
    """Explain a layer, loss, optimizer or convention: formula, frameworks, mapping, live numbers.

    \b
    backproof explain BatchNorm
    backproof explain adam
    backproof explain momentum-scale
    """
    from comparisons import explain as explaining

    kind, concerned = explaining.find(name)
    if kind is not None:
        click.echo(click.style(kind.__name__, bold=True) + f"  {kind.__module__}")
        click.echo(explaining.formula(kind) + "\n")
        click.echo(
            click.style("agreement", bold=True) + "  measured now, in float64, with the conventions below mapped"
        )
        found = [explaining.spell(one) for one in explaining.agreements(kind, _installed())]
        _print_lines(found or [("", "no case compares it, or no framework is installed")])
        if not concerned:
            click.echo("The frameworks do the same; no convention is registered.")
    measured, found_now = explaining.measure(concerned, _installed()), explaining.shown(concerned, _installed())
    for convention in concerned:
        _print(convention, measured.get(convention.id, []), found_now.get(convention.id, []))


def _installed() -> list[str]:
    from reference import FRAMEWORKS, missing

    return [name for name in FRAMEWORKS if not missing(name)]


def _print(convention: Convention, measured: list[Measured], found: list[Shown]) -> None:
    from comparisons.explain import lines

    width = min(shutil.get_terminal_size().columns, 100)
    click.echo(click.style(convention.id, bold=True))
    click.echo(textwrap.fill(convention.title, width, initial_indent="  ", subsequent_indent="  "))
    _print_lines(lines(convention, measured, found))


def _print_lines(labelled: Iterable[tuple[str, str]]) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    for label, content in labelled:
        click.echo(textwrap.fill(content, width, initial_indent=f"  {label:<12}", subsequent_indent=" " * 14))
    click.echo()
