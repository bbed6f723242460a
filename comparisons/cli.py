"""The `backproof` command. Modules that take long to import are imported by the command that needs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from comparisons.check_commands import check
from comparisons.convention_commands import conventions, explain
from comparisons.errors import BackproofError
from comparisons.notes_commands import notes
from comparisons.options import names
from comparisons.progress import progress_bar
from comparisons.report_folder import RUNS, report_folder, write_and_show
from comparisons.selftest_commands import selftest
from comparisons.weights_commands import weights


class Failure(click.ClickException):
    """An expected failure: one line, exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line to the error stream."""
        click.echo(f"backproof: error: {self.message}", file=file, err=True)


class Commands(click.Group):
    """The commands; expected errors become one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        from reference import MissingFramework
        from reports import ReportError

        try:
            return super().invoke(ctx)
        except (BackproofError, MissingFramework, ReportError) as error:
            raise Failure(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="backproof", message="%(prog)s %(version)s")
def main() -> None:
    """Proof for hand-derived backprop.

    From-scratch NumPy networks and their PyTorch and TensorFlow/Keras twins get identical weights, inputs and dropout
    masks; every activation, gradient, optimizer step and running average is compared.

    \b
    backproof list                    what there is to compare
    backproof run                     compare everything, write a report
    backproof run layer/batchnorm     compare some of it
    backproof check FILE              compare your own backprop
    backproof report                  show the latest report again
    backproof conventions             where the frameworks differ, measured
    backproof explain BatchNorm       one thing: formula, frameworks, mapping
    backproof notes                   course notes audited, formula by formula
    backproof selftest                check the checker itself
    backproof weights --help          the weights file that all implementations share
    """


main.add_command(weights)
main.add_command(conventions)
main.add_command(explain)
main.add_command(notes)
main.add_command(check)
main.add_command(selftest)


@main.command("list")
@click.argument("selection", nargs=-1)
def list_cases(selection: tuple[str, ...]) -> None:
    """List the cases, or those that SELECTION names.

    SELECTION: whole ids, their leading parts (`layer/dense`) or patterns (`'*/batch1'`).
    """
    from comparisons.cases import all_cases, select
    from reference import REFERENCES, missing

    chosen = select(all_cases(), selection) if selection else all_cases()
    for case in chosen:
        click.echo(f"{case.id}  (takes minutes; runs only when named)" if case.slow else case.id)
    click.echo(f"\n{len(chosen)} cases", err=True)
    for reference in REFERENCES:
        reason = missing(reference)
        click.echo(f"reference {reason}" if reason else f"reference {reference}: installed", err=True)


@main.command()
@click.argument("selection", nargs=-1)
@click.option("--frameworks", default="torch,tensorflow", show_default=True, callback=names, metavar="NAMES",
              help="References to compare with, separated by commas; also torch-compile, tensorflow-function, "
                   "tensorflow-xla. One that is not installed is skipped, with a note.")  # fmt: skip
@click.option("--subject", default="scratch", show_default=True, metavar="NAME",
              help="What is judged: scratch, or a framework or mode, to compare it with another.")  # fmt: skip
@click.option("--require", default="", callback=names, metavar="NAMES",
              help="References whose absence is an error (exit code 2), separated by commas.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["both", "float64", "float32"]), default="both", show_default=True,
              help="Precisions in which verdicts are reached. float64 decides whether a derivation is right.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of everything that is drawn; same seed, same numbers.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER",
              help=f"Folder for the report.  [default: {RUNS}/<date and time>]")  # fmt: skip
@click.option("--quick", is_flag=True, help="One case of each family of layer, loss, optimizer, network: some seconds.")
@click.option("--overwrite", is_flag=True, help="Replace the report that FOLDER already holds.")
@click.pass_context
def run(
    ctx: click.Context,
    selection: tuple[str, ...],
    frameworks: tuple[str, ...],
    subject: str,
    require: tuple[str, ...],
    dtype: str,
    seed: int,
    out: Path | None,
    quick: bool,
    overwrite: bool,
) -> None:
    """Compare the cases and write a report: terminal, CSV, Parquet, Markdown, HTML.

    SELECTION: case ids, their leading parts (`layer/dense`) or patterns (`'*/batch1'`); all but the slow cases
    without one.

    \b
    Exit code: 0  everything compared agrees
               1  there are discrepancies
               2  could not compare
    """
    from comparisons.run import Request, compare

    dtypes = ("float64", "float32") if dtype == "both" else (dtype,)
    request = Request(selection, frameworks, require, dtypes, seed, quick, subject)
    count = len(request.cases())  # an unknown name is told before a folder is made
    folder = report_folder(out, overwrite)
    with progress_bar(count) as progress:
        tables = compare(request, progress, apart=True)
    tables.info["command"] = " ".join(["backproof", "run", *_arguments(ctx)])
    write_and_show(folder, tables)
    from reports import exit_code

    ctx.exit(exit_code(tables))


def _arguments(ctx: click.Context) -> Iterator[str]:
    """The command's arguments that were given, but for the folder: what has to be typed to see the same again."""
    yield from ctx.params["selection"]
    for name, value in ctx.params.items():
        given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name not in ("selection", "out", "overwrite"):
            shown = ",".join(value) if isinstance(value, tuple) else value
            yield f"--{name}" if value is True else f"--{name}={shown}"


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.pass_context
def report(ctx: click.Context, folder: Path | None) -> None:
    """Show the report in FOLDER again, without running anything; the latest one without FOLDER.

    The pages (Markdown and HTML) are written anew from its tables. The exit code is that of the run.
    """
    from reports import exit_code, read

    if folder is None:
        runs = sorted(path.parent for path in RUNS.glob("*/run.json"))
        if not runs:
            raise BackproofError(f"no report under {RUNS}; start one with `backproof run`, or name a folder")
        folder = runs[-1]
    tables = read(folder)
    write_and_show(folder, tables)
    ctx.exit(exit_code(tables))
