"""The frameworks' own layers, autodiff and optimizers as reference. Nothing here imports a framework before it is needed."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata

from reference.compiler import cannot_compile
from reference.conventions import CONVENTIONS, Convention
from reference.twin import NotInMode, Twin, Unsupported

__all__ = [
    "CONVENTIONS",
    "FRAMEWORKS",
    "MODES",
    "REFERENCES",
    "Convention",
    "MissingFramework",
    "NotInMode",
    "Twin",
    "Unsupported",
    "missing",
    "twin_class",
    "version",
]


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Framework:
    """Where a framework's twin lives, what has to be installed for it, and what is set before it is imported.

    Attributes
    ----------
    name : str
        As pip's extra is called; the modes of a framework share it.
    module, twin : str
        Module and class.
    packages : tuple of str
    environment : dict of str to str
        Variables set unless they are.
    obstacle : callable
        What else is in the way, as one line with the way out; None if nothing is.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    twin: str = "FrameworkTwin"
    obstacle: Callable[[], str | None] = _nothing


FRAMEWORKS = {
    "torch": Framework("torch", "reference.torch_twin", ("torch",)),
    # The reference is to round alike on every machine, which oneDNN's own orders of summation do not promise (and announce on
    # the error stream). What the user has set stays.
    "tensorflow": Framework(
        "tensorflow",
        "reference.tensorflow_twin",
        ("tensorflow", "keras"),
        {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
    ),
}
"""The frameworks, running eagerly: what is compared unless something else is named."""

MODES = {
    "torch-compile": replace(
        FRAMEWORKS["torch"], module="reference.torch_compile", twin="CompileTwin", obstacle=cannot_compile
    ),
    "tensorflow-function": replace(FRAMEWORKS["tensorflow"], module="reference.tensorflow_modes", twin="FunctionTwin"),
    "tensorflow-xla": replace(FRAMEWORKS["tensorflow"], module="reference.tensorflow_modes", twin="XlaTwin"),
}
"""Other ways in which a framework runs the same network: each is an implementation of its own."""

REFERENCES = FRAMEWORKS | MODES


class MissingFramework(Exception):
    """A framework that was asked for is not installed, or fails to import."""


def missing(reference: str) -> str | None:
    """Why a framework or mode cannot be used, with the way out; None if its packages are there. Imports nothing."""
    asked = REFERENCES[reference]
    for package in asked.packages:
        if importlib.util.find_spec(package) is None:
            return f"{reference}: package {package} is not installed; pip install 'backproof[{asked.name}]'"
    obstacle = asked.obstacle()
    return f"{reference}: {obstacle}" if obstacle else None


def twin_class(reference: str) -> type[Twin]:
    """The twin of a framework or mode; imports the framework.

    Raises
    ------
    MissingFramework
        If it is not installed, lacks something that it needs, or its import fails.
    """
    reason = missing(reference)
    if reason is not None:
        raise MissingFramework(reason)
    asked = REFERENCES[reference]
    for name, value in asked.environment.items():
        os.environ.setdefault(name, value)
    try:
        return getattr(importlib.import_module(asked.module), asked.twin)
    except ImportError as error:  # installed, but broken: a wrong wheel, a missing shared library
        raise MissingFramework(f"{reference}: installed but does not import ({error}); reinstall it") from error


def version(reference: str) -> str:
    """Installed version of the framework, e.g. `torch 2.13.0`, read without importing it."""
    names = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "keras": ("keras",)}
    found = []
    for package in REFERENCES[reference].packages:
        for distribution in names.get(package, (package,)):
            try:
                found.append(f"{package} {metadata.version(distribution)}")
                break
            except metadata.PackageNotFoundError:
                continue
    return ", ".join(found)
