"""Modules that lie beside a user's file, or above it: imported as the file itself is read, definitions only.

A file of a package says `from .base import Layer` or `from mypackage.ops import im2col`, one of a book's folders
`from common.functions import *`. Found they are wherever the folders above the file have a module of that name; what is
installed comes first.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

HEIGHT = 5
"""Folders above the file in which modules are looked for."""
Run = Callable[[Path, ModuleType], None]
"""Runs the definitions of a file in a module."""


class Siblings(MetaPathFinder):
    """Finds modules in the folder of a file and in those above it.

    Parameters
    ----------
    path : Path
        The user's file.
    run : callable
    """

    def __init__(self, path: Path, run: Run) -> None:
        self._folders = path.resolve().parents[:HEIGHT]
        self._run = run
        self._packages: dict[str, Path] = {}
        self._found: set[str] = set()

    def package(self, tree: ast.Module) -> str:
        """Name of the package that a file with this syntax tree belongs to, for its relative imports; empty if it has none.

        Its folders are those with an `__init__.py`, or as many as the dots of the imports ask for.
        """
        dots = max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)
        if not dots:
            return ""
        marked = 0
        while marked < len(self._folders) and (self._folders[marked] / "__init__.py").is_file():
            marked += 1
        *inner, top = (folder.name for folder in self._folders[: max(dots, marked)])
        if "." in "".join([top, *inner]):
            return ""
        # An installed package, or one of backproof's own, may have the same name.
        name = f"package_of_{top}"
        self._packages[name] = self._folders[len(inner)]
        return ".".join([name, *reversed(inner)])

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module is; None if it is not beside the file."""
        if name in self._packages:
            return self._spec(name, self._packages[name])
        if path is None and any(f.find_spec(name, None, target) for f in sys.meta_path if f is not self):
            return None
        above, _, last = name.rpartition(".")
        if above in self._found:
            folders = [Path(p) for p in path or ()]
        elif not above and not _elsewhere(name):
            folders = list(self._folders)
        else:
            return None  # of a package that is installed
        for folder in folders:
            if (file := folder / f"{last}.py").is_file():
                return importlib.util.spec_from_file_location(name, file, loader=Definitions(self._run))
            if (folder / last).is_dir() and any((folder / last).glob("*.py")):
                return self._spec(name, folder / last)
        return None

    def _spec(self, name: str, folder: Path) -> ModuleSpec | None:
        self._found.add(name)
        file = folder / "__init__.py"
        if not file.is_file():
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
            return spec
        loader = Definitions(self._run)
        return importlib.util.spec_from_file_location(
            name, file, loader=loader, submodule_search_locations=[str(folder)]
        )


class Definitions(Loader):
    """Runs the definitions of a module's file."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def create_module(self, spec: ModuleSpec) -> None:
        """Nothing special."""

    def exec_module(self, module: ModuleType) -> None:
        """Run them."""
        assert module.__file__ is not None
        self._run(Path(module.__file__), module)


def installed(finder: Siblings) -> None:
    """Let imports find a file's siblings, in place of those of a file before it.

    It is asked first: a package once found, Python would find the modules in it by itself, and run the whole of them.
    """
    sys.meta_path[:] = [finder, *(f for f in sys.meta_path if not isinstance(f, Siblings))]


def _elsewhere(name: str) -> bool:
    """Whether a module is installed."""
    others = [f for f in sys.meta_path if not isinstance(f, Siblings)]
    return any(f.find_spec(name, None) is not None for f in others)
