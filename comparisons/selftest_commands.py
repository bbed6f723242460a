"""`backproof selftest`."""

from __future__ import annotations

from pathlib import Path

import click

from comparisons.options import frameworks as framework_names


@click.command()
@click.option("--short", is_flag=True, help="A third of the mistakes and some of the correct code: for CI.")
@click.option("--frameworks", default="torch", show_default=True, callback=framework_names, metavar="NAMES",
              help="References to compare with, separated by commas.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Seed of the correct code that must raise no alarm.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Write the tables (CSV) and the report (Markdown) there.")  # fmt: skip
@click.pass_context
def selftest(ctx: click.Context, short: bool, frameworks: tuple[str, ...], seed: int, out: Path | None) -> None:
    """Check the checker.

    Plants mistakes that people make into scratch, one line each, and tells how many were found, located in the right
    tensor and named; then compares correct code at many scales and depths, which must raise no alarm. Takes minutes; some
    seconds with --short.

    \b
    Exit code: 0  all mistakes killed, 95% located, 80% named, no false alarm
               1  one of these was missed
               2  could not test
    """
    from comparisons.errors import BackproofError, UnknownName
    from comparisons.progress import progress_bar
    from comparisons.selftest.run import selftest as run
    from reference import FRAMEWORKS, missing
    from reports.selftest import by_subject, lines, notes, write

    if not frameworks:
        raise UnknownName(f"--frameworks names none; known are {', '.join(FRAMEWORKS)}")
    for name in frameworks:
        if reason := missing(name):
            raise BackproofError(reason)
    try:
        with progress_bar(1) as progress:
            test = run(frameworks, short, seed, progress)
    except LookupError as error:
        raise BackproofError(str(error.args[0])) from error
    for line in lines(test):
        click.echo(line)
    click.echo(f"\n{'mistakes in':<20}{'planted':>8}{'killed':>8}{'located':>8}{'named':>8}")
    for subject, *counts in by_subject(test):
        click.echo(f"{subject:<20}" + "".join(f"{count:>8}" for count in counts))
    for title, entries in notes(test):
        click.echo(f"\n{title}")
        for entry in entries:
            click.echo(f"  {entry}")
    if out is not None:
        try:
            written = write(out, test)
        except OSError as error:
            raise BackproofError(f"{out}: cannot be written to ({error.strerror}); choose another --out") from error
        click.echo(f"\nwritten: {', '.join(str(path) for path in written)}")
    ctx.exit(test.exit_code)
