"""Expected failures: each is one clear line that names the thing and the way out, and carries the command's exit code."""

from __future__ import annotations


class BackproofError(Exception):
    """An expected failure; its message is one line for the person at the terminal."""

    exit_code = 2


class WeightsError(BackproofError):
    """A weights file that cannot be read, written or used."""


class UnknownName(BackproofError):
    """A case, network, framework or option value that does not exist."""


class MissingData(BackproofError):
    """A data set that is not there."""
