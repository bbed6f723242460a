"""`backproof check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from comparisons.options import frameworks as framework_names
from comparisons.options import names

if TYPE_CHECKING:
    from comparisons.check.judging import CheckResult


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--only", default="", callback=names, metavar="NAMES", help="Functions or classes to check, separated by commas."
)
@click.option("--frameworks", default="", callback=framework_names, metavar="NAMES",
              help="References to compare with, separated by commas.  [default: torch, or else tensorflow]")  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all inputs and weights."
)
@click.option("--timeout", type=click.FloatRange(min=0.1), default=20.0, show_default=True, metavar="SECONDS",
              help="How long one run of your code may take.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Write the full report (CSV, Parquet, Markdown, HTML) there as well.")  # fmt: skip
@click.option("--repro", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Write the smallest failing case of each wrong part there, as a pytest file that stands alone.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace the report that FOLDER already holds.")
@click.pass_context
def check(
    ctx: click.Context,
    file: Path,
    only: tuple[str, ...],
    frameworks: tuple[str, ...],
    seed: int,
    timeout: float,
    out: Path | None,
    repro: Path | None,
    overwrite: bool,
) -> None:
    """Check hand-derived backprop in FILE, a Python file or a notebook.

    Finds out what is in it, layers, losses, optimizers, networks, and compares each with PyTorch (or TensorFlow). Only
    definitions are run, in a process of their own, never the training at the end of the file.

    \b
    Exit code: 0  no mistake found
               1  something is wrong
               2  could not compare
    """
    from comparisons.check import report
    from comparisons.check.judging import check as check_file
    from comparisons.errors import BackproofError, UnknownName
    from comparisons.progress import progress_bar
    from comparisons.report_folder import report_folder, write_report

    if not file.exists():
        raise BackproofError(f"{file}: no such file")
    folder = report_folder(out, overwrite) if out is not None else None
    with progress_bar(1, lines=False) as progress:
        result = check_file(file, frameworks, timeout, seed, only, progress)
    if only and not result.checked:
        known = ", ".join(unit.name for unit in result.found.units) or "nothing"
        raise UnknownName(f"{file}: no part is named {' or '.join(only)}; recognised are {known}")
    report.tell(file, result)
    if folder is not None:
        told = [{"verdict": verdict, "text": click.unstyle(text)} for verdict, text in report.parts(file, result)]
        result.tables.info.update(command=f"backproof check {file.name}", parts=told)
        write_report(folder, result.tables)
        click.echo(f"report: {folder / 'report.html'}")
    if repro is not None:
        _reproduce(file, result, repro, timeout, seed)
    verdicts = {report.verdict(c) for c in result.checked}
    ctx.exit(1 if "wrong" in verdicts else 0 if "match" in verdicts else 2)


def _reproduce(file: Path, result: CheckResult, folder: Path, timeout: float, seed: int) -> None:
    from comparisons.check.repro import reproduce

    for made in reproduce(file, result, folder, timeout, seed):
        told = str(made.path) if made.path else f"none for {made.unit}: {made.problem}"
        click.echo(f"reproduction: {told}")
