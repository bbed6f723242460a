"""The frameworks' own layers, autodiff and optimizers as reference. Nothing here imports a framework before it is needed."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata

from reference.conventions import CONVENTIONS, Convention
from reference.twin import Twin, Unsupported

__all__ = [
    "CONVENTIONS",
    "FRAMEWORKS",
    "Convention",
    "MissingFramework",
    "Twin",
    "Unsupported",
    "missing",
    "twin_class",
    "version",
]


@dataclass(frozen=True)
class Framework:
    """Where a framework's twin lives, what has to be installed for it, and what is set before it is imported."""

    module: str
    packages: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


FRAMEWORKS = {
    "torch": Framework("reference.torch_twin", ("torch",)),
    # The reference is to round alike on every machine, which oneDNN's own orders of summation do not promise (and announce on
    # the error stream). What the user has set stays.
    "tensorflow": Framework(
        "reference.tensorflow_twin",
        ("tensorflow", "keras"),
        {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
    ),
}


class MissingFramework(Exception):
    """A framework that was asked for is not installed, or fails to import."""


def missing(framework: str) -> str | None:
    """Why the framework cannot be used, with the way out; None if its packages are there. Imports nothing."""
    for package in FRAMEWORKS[framework].packages:
        if importlib.util.find_spec(package) is None:
            return f"{framework}: package {package} is not installed; pip install 'backproof[{framework}]'"
    return None


def twin_class(framework: str) -> type[Twin]:
    """The framework's twin; imports the framework.

    Raises
    ------
    MissingFramework
        If it is not installed or its import fails.
    """
    reason = missing(framework)
    if reason is not None:
        raise MissingFramework(reason)
    for name, value in FRAMEWORKS[framework].environment.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module(FRAMEWORKS[framework].module).FrameworkTwin
    except ImportError as error:  # installed, but broken: a wrong wheel, a missing shared library
        raise MissingFramework(f"{framework}: installed but does not import ({error}); reinstall it") from error


def version(framework: str) -> str:
    """Installed version of the framework, e.g. `torch 2.13.0`, read without importing it."""
    names = {"tensorflow": ("tensorflow", "tensorflow-cpu"), "keras": ("keras",)}
    found = []
    for package in FRAMEWORKS[framework].packages:
        for distribution in names.get(package, (package,)):
            try:
                found.append(f"{package} {metadata.version(distribution)}")
                break
            except metadata.PackageNotFoundError:
                continue
    return ", ".join(found)
