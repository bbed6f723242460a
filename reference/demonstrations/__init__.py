"""Conventions that change no number of a comparison, shown: each implementation is run on something small, on the spot.

`comparisons.explain` prints what is found beside the registry's words, so that those who read see what their own versions
do; tests/reference/test_demonstrations.py holds what was found to what the registry says. A demonstration is entered in its
implementation's table by the id of its convention; it takes well under a second, and leaves no trace.
"""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from reference import twin_class

IMPLEMENTATIONS = ("scratch", "torch", "tensorflow")

Found = Iterator[tuple[str, object]]
"""What was tried, and what came of it: a number, an array, a word."""
Demonstration = Callable[[], Found]


@dataclass(frozen=True)
class Shown:
    """One thing found out.

    Attributes
    ----------
    implementation : str
    what : str
        What was tried.
    found : object
        A number, an array, a truth value or a word.
    """

    implementation: str
    what: str
    found: object

    def spell(self) -> str:
        """One line: what was tried, and what came of it."""
        return f"{self.what}: {_spell(self.found)}"


class Table(dict[str, Demonstration]):
    """The demonstrations of one implementation by the convention's id."""

    def of(self, convention: str) -> Callable[[Demonstration], Demonstration]:
        """Enter a function as the demonstration of a convention."""

        def enter(demonstration: Demonstration) -> Demonstration:
            assert convention not in self, convention
            self[convention] = demonstration
            return demonstration

        return enter


def table(implementation: str) -> Table:
    """All demonstrations of an implementation; imports it.

    Raises
    ------
    MissingFramework
        If it is not installed.
    """
    if implementation != "scratch":
        twin_class(implementation)  # set up as for a comparison, or refused
    modules = [f"in_{implementation}", *([] if implementation == "scratch" else [f"in_{implementation}_training"])]
    found = [importlib.import_module(f"reference.demonstrations.{module}") for module in modules]
    return found[0].TABLE


def demonstrate(convention: str, implementation: str) -> list[Shown]:
    """What an implementation does where a convention is met, found out now; nothing if there is nothing to show.

    Raises
    ------
    MissingFramework
        If it is not installed.
    """
    demonstration = table(implementation).get(convention)
    if demonstration is None:
        return []
    drawn = random.getstate()  # Keras's initialisers draw their seeds from it
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [Shown(implementation, what, found) for what, found in demonstration()]
    finally:
        random.setstate(drawn)


def outcome(compute: Callable[[], object]) -> str:
    """`taken`, or the name of the exception that it is refused with."""
    try:
        compute()
    except Exception as error:  # whatever a framework raises is what is to be shown
        return type(error).__name__
    return "taken"


def _spell(found: object) -> str:
    if isinstance(found, bool | np.bool_):
        return "yes" if found else "no"
    if isinstance(found, float | np.floating):
        return f"{float(found):.6g}"
    if isinstance(found, np.ndarray | list | tuple):
        return "(" + ", ".join(_spell(f) for f in (found.tolist() if isinstance(found, np.ndarray) else found)) + ")"
    return str(found)
