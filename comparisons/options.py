"""Option values that several commands take: names separated by commas."""

from __future__ import annotations

import click

from comparisons.errors import UnknownName


def names(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """The names, in order and once each."""
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def frameworks(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """The names, each a framework's; a mode is none.

    Raises
    ------
    UnknownName
        If one is not.
    """
    from reference import FRAMEWORKS

    for name in names(ctx, param, value):
        if name not in FRAMEWORKS:
            raise UnknownName(f"no framework is named {name!r}; known are {', '.join(FRAMEWORKS)}")
    return names(ctx, param, value)
