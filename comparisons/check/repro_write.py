"""The text of a pytest file that stands alone, and what it does when it is run."""

from __future__ import annotations

import ast
import json
import os
import pprint
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.old_numpy import REMOVED
from comparisons.check.python2 import NAMES
from comparisons.check.report import spoken
from comparisons.check.repro_record import Recording
from comparisons.check.repro_source import Unavailable, defined, excerpt
from comparisons.check.unit import Unit

Array = np.ndarray
SECONDS = 60.0
"""In which a written file must have run."""


class Impossible(Exception):
    """No file can be written; one line."""


@dataclass(frozen=True)
class Failure:
    """A case that fails, as small as it was made.

    Attributes
    ----------
    unit : Unit
    case : Case
    row : dict
        The row of its table that leads the report.
    """

    unit: Unit
    case: Case
    row: dict[str, Any]


@dataclass
class Text:
    """The parts of a test function.

    Attributes
    ----------
    given : dict of str to ndarray
        Variables with numbers.
    expected, calls, judged : list of str
    seeded : bool
        Whether the code draws numbers of its own.
    first : tuple of str
        Lines in front of the definitions.
    """

    given: dict[str, Array]
    expected: list[str]
    calls: list[str]
    judged: list[str]
    seeded: bool = False
    first: tuple[str, ...] = ()


def write(path: Path, target: Path, failure: Failure, text: Text, recording: Recording) -> None:
    """Write a test.

    Parameters
    ----------
    path : Path
        The user's file.
    target : Path
        The test.
    failure : Failure
    text : Text
    recording : Recording
        What the code needs of its file.

    Raises
    ------
    Impossible
        If that is not all here.
    """
    try:
        imports, definitions = excerpt(path, recording.names, recording.there)
    except Unavailable as why:
        raise Impossible(str(why)) from why
    body = [*text.expected, *text.calls, *text.judged]
    used = set(re.findall(r"\w+", "\n".join(body)))
    assigned = [f"{name} = {numbers(a)}" for name, a in text.given.items() if name in used]
    head = _head(path, failure)
    own = "\n".join(definitions)
    needed = ["import types"] if "types.SimpleNamespace" in "\n".join(body) else []
    needed += ["import numpy as np"]
    needed += [f"import {name}" for name in ("keras", "torch") if f"{name}." in "\n".join((*text.first, *body))]
    if re.search(r"\bF\.", "\n".join(text.expected)):
        needed += ["import torch.nn.functional as F"]
    needed += [line for line in imports if line not in needed]
    revived = list(text.first)
    revived += [
        f"np.{name} = {value.__name__}  # NumPy has this name no more"
        for name, value in REMOVED.items()
        if isinstance(value, type) and value.__module__ == "builtins" and re.search(rf"\bnp\.{name}\b", own)
        if name not in np.__dict__
    ]
    loaded = {n.id for d in definitions for n in ast.walk(ast.parse(d)) if isinstance(n, ast.Name)}
    bound = {n for d in definitions for s in ast.parse(d).body for n in defined(s)}
    revived += [
        f"{name} = {getattr(NAMES[name], '__name__', name)}  # Python 2's"
        for name in sorted(loaded & NAMES.keys() - bound)
    ]
    revived += [f"{name} = {recording.numbers[name]!r}" for name in sorted(loaded & recording.numbers.keys() - bound)]
    function = re.sub(r"\W+", "_", f"{failure.unit.name}_{named(failure)}").strip("_").lower()
    patched = "monkeypatch" if any("monkeypatch." in line for line in body) else ""
    inside = [*assigned]
    if text.expected:
        inside += [
            "",
            _headed(text, failure),
            *text.expected,
        ]
    inside += [
        "",
        "# What the port computes." if failure.unit.options.get("port") else "# What this code computes.",
        *(["np.random.seed(0)"] if text.seeded else []),
        *text.calls,
        *text.judged,
    ]
    inside = inside[1:] if inside[0] == "" else inside
    indented = "\n".join("    " + line if line else "" for block in inside for line in block.split("\n"))
    parts = [head, "\n".join(needed), *(["\n".join(revived)] if revived else []), "\n\n\n".join(definitions)]
    target.write_text(
        "\n\n".join(parts[:2]) + "\n\n" + "\n\n\n".join([*parts[2:], f"def test_{function}({patched}):\n{indented}\n"]),
        encoding="utf-8",
    )


def _headed(text: Text, failure: Failure) -> str:
    if failure.unit.options.get("port"):
        return "# What the original computes."
    return "# What PyTorch computes." if "torch." in "\n".join(text.expected) else "# What is right."


def _head(path: Path, failure: Failure) -> str:
    row = failure.row
    told = f"{failure.unit.title} {failure.unit.name} of {path.name}: {named(failure)}"
    if "needed" in row:
        told += f" differs from {row['reference']} by {row['needed']:.1e} of the largest element."
    cause = row.get("diagnosis", "")
    if cause and row["verdict"] != "error":
        cause = cause[:1].upper() + cause[1:]
    text = f"{told}\n\n{cause}." if cause else told
    text = text.replace("\\", "/").replace('"""', "'''")
    and_keras = ", Keras" if failure.unit.options.get("port") else ""
    return f'"""{text}\n\nRun it with pytest; it needs NumPy{and_keras} and torch. Written by backproof check --repro.\n"""'


def named(failure: Failure) -> str:
    """What is wrong, as a person says it."""
    return "error" if failure.row["verdict"] == "error" else spoken(failure.unit, failure.row["tensor"])


def numbers(a: Array) -> str:
    """An array as Python, every digit of it."""
    if a.size == 0 or (a.size > 4 and not a.any()):
        return f"np.zeros({a.shape}{'' if a.dtype.kind == 'f' else f', dtype={a.dtype.name!r}'})"
    listed = pprint.pformat(a.tolist(), width=110, compact=True)
    listed = re.sub(r"\b(nan|inf)\b", r"np.\1", listed)
    text = f"np.array({listed})".replace("\n", "\n" + " " * 9)
    if a.dtype == np.float64 or a.dtype == np.int64 or a.dtype == bool:
        return text
    return f"{text}.astype({a.dtype.name!r})"


_CHECK = """
import json, runpy, sys
import numpy as np
kept = {}
whole = np.testing.assert_allclose
def keep(actual, expected, **how):
    kept.update(actual=np.asarray(actual).tolist(), expected=np.asarray(expected).tolist())
    whole(actual, expected, **how)
np.testing.assert_allclose = keep
class Patch:
    setattr = staticmethod(setattr)
try:
    for name, test in runpy.run_path(sys.argv[1]).items():
        if name.startswith("test_") and getattr(test, "__code__", None):
            test(*[Patch] * test.__code__.co_argcount)
except AssertionError as error:
    kept["failed"] = "actual" in kept
    kept["raised"] = "AssertionError: " + str(error).strip().split(chr(10))[0]
except BaseException as error:
    kept["raised"] = type(error).__name__ + ": " + str(error).split(chr(10))[0]
with open(sys.argv[2], "w") as out:
    json.dump(kept, out)
"""


def run(target: Path, seconds: float = SECONDS) -> dict[str, Any]:
    """What a written file compares, and whether it fails, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="backproof-") as folder:
        out = Path(folder) / "kept.json"
        try:
            subprocess.run(
                [sys.executable, "-P", "-c", _CHECK, str(target.resolve()), str(out)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"MPLBACKEND": "Agg"},
                cwd=folder,
                timeout=seconds,
                check=False,
            )
            return json.loads(out.read_text()) if out.exists() else {"raised": "it ended the process"}
        except subprocess.TimeoutExpired:
            return {"raised": f"not finished within {seconds:g} s"}


def near(found: Any, wanted: Array, tolerance: float) -> bool:
    """Whether what a test told is an array, to a part of its largest element."""
    if found is None:
        return False
    a = np.asarray(found, dtype=np.float64)
    if a.shape != wanted.shape:
        return False
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    return bool(np.allclose(a, wanted, rtol=0, atol=tolerance * scale, equal_nan=True))
