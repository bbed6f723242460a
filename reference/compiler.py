"""Whether what `torch.compile` builds its kernels with is there: asked before torch is imported."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

OLDEST = (2, 13)
"""The first torch whose compiled functions each count their own recompilations."""


def cannot_compile() -> str | None:
    """Why `torch.compile` cannot be used here, with the way out; None if nothing is known to be in the way."""
    version = metadata.version("torch")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return f"torch {version} is too old for it; install torch {'.'.join(map(str, OLDEST))} or later"
    if shutil.which(_compiler()) is None:
        return "no C++ compiler found; install one or set CXX"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python.h not found; install Python's development headers (python3-dev)"
    return None


def _compiler() -> str:
    """What torch will call."""
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return os.environ.get("CXX", usual)
