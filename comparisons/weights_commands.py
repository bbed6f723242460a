"""`backproof weights`: make, look at, convert and verify weights files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from comparisons.errors import UnknownName
from comparisons.options import frameworks as framework_names

if TYPE_CHECKING:
    from scratch import Architecture, Weights

IMPLEMENTATION = click.Choice(["scratch", "torch", "tensorflow"])
FILE = click.Path(path_type=Path)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")


@click.group()
def weights() -> None:
    """One weights file for all three implementations.

    \b
    backproof weights new digits --out digits.h5
    backproof weights show digits.h5
    backproof weights export digits.h5 --to torch --out digits.pt
    backproof weights import digits.pt --from torch --network digits --out same.h5
    backproof weights verify digits.h5
    """


@weights.command()
@click.argument("network")
@click.option("--out", required=True, type=FILE, help="The weights file to write.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the initialiser.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option(
    "--initialiser",
    type=click.Choice(["he", "xavier", "bengio", "small_random", "zeros"]),
    default="he",
    show_default=True,
)
@overwrite_option
def new(network: str, out: Path, seed: int, dtype: str, initialiser: str, overwrite: bool) -> None:
    """Write the first weights of NETWORK, drawn by an initialiser."""
    import numpy as np

    from comparisons.weights_file import write_weights
    from scratch import initial_weights

    arch = _network(network)
    drawn = initial_weights(arch, np.random.default_rng(seed), initialiser, dtype)
    write_weights(out, arch, drawn, overwrite)
    click.echo(f"{out}: {_count(drawn)}, {dtype}, {initialiser}, seed {seed}")


@weights.command()
@click.argument("file", type=FILE)
def show(file: Path) -> None:
    """Show the architecture and every array of a weights FILE."""
    from rich.console import Console
    from rich.table import Table

    from comparisons.weights_file import read_weights
    from scratch.weights import flatten

    arch, read = read_weights(file)
    console = Console(highlight=False)
    for name, layer in arch.layers:
        console.print(f"{name:<14} {layer}", markup=False)
    frozen = f"{'frozen':<14} {', '.join(arch.frozen)}\n" if arch.frozen else ""
    console.print(f"{'loss':<14} {arch.loss}\n{'regulariser':<14} {arch.regulariser}\n{frozen}", markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("array", "shape", "dtype", "smallest", "mean", "largest"):
        table.add_column(heading, justify="left" if heading in ("array", "shape", "dtype") else "right")
    for name, a in (*flatten(read.params), *flatten(read.buffers)):
        table.add_row(name, str(a.shape), str(a.dtype), *(f"{value:.4g}" for value in (a.min(), a.mean(), a.max())))
    console.print(table)


@weights.command("export")
@click.argument("file", type=FILE)
@click.option("--to", "implementation", required=True, type=IMPLEMENTATION, help="Whose own format to write.")
@click.option("--out", required=True, type=FILE, help=".npz (scratch), .pt (torch) or .weights.h5 (tensorflow).")
@overwrite_option
def export_(file: Path, implementation: str, out: Path, overwrite: bool) -> None:
    """Write a weights FILE in an implementation's own checkpoint format."""
    from comparisons.checkpoints import export_weights
    from comparisons.weights_file import read_weights

    arch, read = read_weights(file)
    export_weights(out, implementation, arch, read, overwrite)
    click.echo(f"{out}: {_count(read)}, as {implementation} keeps them")


@weights.command("import")
@click.argument("file", type=FILE)
@click.option("--from", "implementation", required=True, type=IMPLEMENTATION, help="Whose own format FILE has.")
@click.option("--network", help="Name of the network the arrays belong to.")
@click.option("--like", type=FILE, help="Or a weights file of the same network.")
@click.option("--out", required=True, type=FILE, help="The weights file to write.")
@overwrite_option
def import_(
    file: Path, implementation: str, network: str | None, like: Path | None, out: Path, overwrite: bool
) -> None:
    """Write a weights file from an implementation's own checkpoint FILE."""
    from comparisons.checkpoints import import_weights
    from comparisons.weights_file import read_weights, write_weights

    if (network is None) == (like is None):
        raise click.UsageError("give either --network or --like")
    arch = _network(network) if network is not None else read_weights(like or "")[0]
    read = import_weights(file, implementation, arch)
    write_weights(out, arch, read, overwrite)
    click.echo(f"{out}: {_count(read)}, from {implementation}")


@weights.command()
@click.argument("file", type=FILE)
@click.option(
    "--frameworks",
    default="torch,tensorflow",
    show_default=True,
    callback=framework_names,
    metavar="NAMES",
    help="Frameworks to load it into besides scratch, separated by commas.",
)
@click.pass_context
def verify(ctx: click.Context, file: Path, frameworks: tuple[str, ...]) -> None:
    """Load a weights FILE into every implementation, read it back, and compare bit for bit.

    Exit code 1 if a bit is lost; a framework that is not installed is skipped, with a note.

    \b
    backproof weights verify digits.h5
    backproof weights verify digits.h5 --frameworks torch
    """
    from comparisons.weights_file import read_weights
    from reference import MissingFramework

    arch, read = read_weights(file)
    lost = False
    for implementation in ("scratch", *frameworks):
        try:
            differing = _differing(read, _through(implementation, arch, read))
        except MissingFramework as error:
            click.echo(f"{implementation:<11} skipped: {error}")
            continue
        lost = lost or bool(differing)
        result = f"differs in {', '.join(differing)}" if differing else f"bit for bit, {_count(read)}"
        click.echo(f"{implementation:<11} {result}")
    ctx.exit(1 if lost else 0)


def _through(implementation: str, arch: Architecture, given: Weights) -> Weights:
    """The weights after they were loaded into an implementation."""
    from reference import twin_class
    from scratch import Network

    if implementation == "scratch":
        return Network(arch, given).weights()
    dtype = next((str(a.dtype) for named in given.params.values() for a in named.values()), "float64")
    twin = twin_class(implementation)(arch, dtype=dtype)
    twin.load(given)
    return twin.weights()


def _differing(given: Weights, found: Weights) -> list[str]:
    from scratch.weights import flatten

    def stored(of: Weights) -> dict[str, Any]:
        return {name: (a.shape, a.dtype, a.tobytes()) for name, a in (*flatten(of.params), *flatten(of.buffers))}

    before, after = stored(given), stored(found)
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _network(name: str) -> Architecture:
    from comparisons.networks import NETWORKS

    if name not in NETWORKS:
        raise UnknownName(f"no network is named {name!r}; known are {', '.join(NETWORKS)}")
    return NETWORKS[name]


def _count(of: Weights) -> str:
    from scratch.weights import flatten

    arrays = [a for _, a in (*flatten(of.params), *flatten(of.buffers))]
    return f"{len(arrays)} arrays, {sum(a.size for a in arrays):,} numbers"
