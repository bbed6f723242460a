"""The one error of this package: a run's files cannot be used, in one line that names the file and the way out."""

from __future__ import annotations


class ReportError(Exception):
    """A run's folder or file is not what it should be; the message is one line, fit to be printed as it is."""
