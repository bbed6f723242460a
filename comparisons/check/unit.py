"""What is found in a user's file, and how it is called without doing harm."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import linecache
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from comparisons.case import Case
from comparisons.check import tensors
from comparisons.check.attempts import Attempts
from comparisons.check.outside import lacked
from comparisons.trace import Model

if TYPE_CHECKING:
    from comparisons.check.differences import Derived
    from comparisons.check.repro_record import Recorder

Array = np.ndarray
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")} | {"<"})
"""Where code lies that is not the user's."""


@dataclass(frozen=True)
class Unit:
    """One thing in a file that is compared on its own: a layer, a loss, an optimizer, a network.

    Attributes
    ----------
    name : str
        How the file calls it, e.g. `affine_forward`; unique within the file.
    style : str
        Name of the style that recognised it and knows how to call it.
    title : str
        What it was taken for, e.g. `dense layer`.
    line : int
        Where it is defined, 1-based.
    members : tuple of str
        The names in the file that belong to it.
    cases : tuple of Case
        What it is compared on.
    options : dict
        What the style found out about how it is to be called (layout, scale, ...); plain data.
    assumptions, alternatives : tuple of str
        One line each: what was taken for granted, and what else it could have been.
    """

    name: str
    style: str
    title: str
    line: int
    members: tuple[str, ...]
    cases: tuple[Case, ...]
    options: dict[str, Any] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


class UserError(Exception):
    """The user's code raised, or returned what cannot be compared; one line that names the place."""


_NO_ARRAY = re.compile(r"'(tuple|dict|int|float)' object has no attribute '(shape|ndim|T|dot|reshape|size|sum)'")
_NO_INDEX = "arrays used as indices must be of integer"
"""Class numbers are wanted where targets were given in rows."""
_NO_KEY = "tuple indices must be integers"
"""A cache is a dictionary, and was given as a tuple."""
_AN_ARRAY = re.compile(r"'(?:numpy\.ndarray|numpy\.float64|memoryview)' object has no attribute '(\w+)'")


def refuses(error: UserError) -> bool:
    """Whether the user's code was given what it says it does not take, which is no mistake of its.

    It raised this by a `raise` of its own, or an `assert` before anything goes backward, expects another number of axes, `batch, steps, n = x.shape`, an array where it was
    given a cache or a number, or an object of some class, `out.in_bounds`, where it was given an array. Or it lacks what a container
    sets from outside, what another function of the file puts into a dictionary, or what the training at the end of the file, which
    is not run, gives a global name.
    """
    cause = error.__cause__
    frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
    if cause is not None and lacked(cause):
        return True
    if not frames or frames[-1].filename.startswith(_LIBRARIES):
        return False
    if isinstance(cause, NameError) and not isinstance(cause, UnboundLocalError):
        return cause.name in set_at_the_top(frames[-1].filename)
    if isinstance(cause, AssertionError) and not _BACKWARD.search(frames[-1].name):
        return True  # of what it is given; a backward pass asserts what it has calculated
    if isinstance(cause, AttributeError) and _kept_elsewhere(cause, frames[-1]):
        return True
    if isinstance(cause, KeyError):
        return _made_elsewhere(cause, frames[-1].filename)
    if _NO_ARRAY.search(str(cause)) or _NO_INDEX in str(cause) or _NO_KEY in str(cause) or _given_nothing(cause):
        return True
    if asked := _AN_ARRAY.search(str(cause)):
        return not difflib.get_close_matches(asked[1], dir(np.ndarray), cutoff=0.75)  # a slip of the pen is a mistake
    line = frames[-1].line or ""
    other_axes = ("values to unpack", "tuple index out of range")
    return line.startswith("raise ") or (".shape" in line and any(text in str(cause) for text in other_axes))


_BACKWARD = re.compile(r"back|grad|bprop|bptt|deriv|prime|delta|update|step|train|fit", re.IGNORECASE)
AGREED = ("declared", "course", "cs231n")
"""Styles in which functions' names stand for arguments and shapes that are agreed on: what raises there is the code's own mistake."""


def guessed(error: UserError, unit: Unit) -> bool:
    """Whether a forward pass raised over shapes that were a guess of ours, which is no proof of a mistake.

    Where the forward pass has run, a backward pass that raises is wrong; and so is a slip of the pen, whatever the shapes are.
    """
    cause = error.__cause__
    agreed = unit.style in AGREED and not any("." in member for member in unit.members)
    if agreed or not isinstance(cause, ValueError | IndexError):
        return False
    ours = (*_LIBRARIES, str(Path(__file__).parent))
    users = [f for f in traceback.extract_tb(cause.__traceback__) if not f.filename.startswith(ours)]
    return bool(users) and not any(_BACKWARD.search(f.name) for f in users)


def _given_nothing(error: BaseException | None) -> bool:
    """Whether a function has used as an array what it was given None for."""
    if not isinstance(error, AttributeError | TypeError) or "NoneType" not in str(error):
        return False
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return False
    code, names = last.tb_frame.f_code, last.tb_frame.f_locals
    given = code.co_varnames[: code.co_argcount]
    return "self" not in given and any(names.get(n, 0) is None for n in given)


def _kept_elsewhere(error: AttributeError, at: traceback.FrameSummary) -> bool:
    """Whether an object lacks what another method of its class gives it, and this one does not: it has not been called."""
    cls = type(error.obj)
    methods = [f for f in vars(cls).values() if isinstance(f, FunctionType)] if hasattr(error.obj, "__dict__") else []
    stored = [f.__code__.co_name for f in methods if re.search(rf"\bself\.{error.name}\b[^=\n]*=(?!=)", _text(f))]
    return bool(stored) and at.name not in stored


def _text(f: FunctionType) -> str:
    try:
        return inspect.getsource(f)
    except (OSError, TypeError):
        return ""


def _made_elsewhere(error: KeyError, path: str) -> bool:
    """Whether a key that a dictionary lacks is no slip of the pen: the file stores it, or none that is nearly the same."""
    key = error.args[0] if error.args else None
    if not isinstance(key, str):
        return False
    stored = _keys(path)
    return key in stored or not difflib.get_close_matches(key, stored, cutoff=0.5)


@functools.cache
def _keys(path: str) -> frozenset[str]:
    """Keys that a file puts into dictionaries."""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except SyntaxError:
        return frozenset()
    keys: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys += node.keys
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys.append(node.slice)
    return frozenset(k.value for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str))


@functools.cache
def set_at_the_top(path: str) -> frozenset[str]:
    """Names that a file's own statements give a value, functions and classes aside."""
    try:
        waiting: list[ast.AST] = list(ast.parse("".join(linecache.getlines(path))).body)
    except SyntaxError:
        return frozenset()
    found = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return frozenset(found)


@dataclass
class UserFile:
    """A file whose definitions have been run.

    Attributes
    ----------
    path : str
    namespace : dict
        Its global names.
    own : dict of str to int
        Names that the file itself defines (not imports), in order, with their lines.
    notes : list of str
        What was done to make it run: statements left out, modules that stood in.
    mutated : set of str
        Arguments that the code changed in place since it was last emptied: `relu_backward changes its argument dA in place`.
    recorder : Recorder, optional
        Writes down every call, for a reproduction.
    attempts : Attempts
        Is told of every call, and knows what is not to be called again.
    edited : ast.FunctionDef, optional
        A function as it is tried with an edit.
    edits : list of ast.stmt
        Statements as they have mended something.
    partly : frozenset of str
        Classes of which no more than an activation function has been compared.
    on_tensors : bool
        Whether its functions take torch's tensors; they are called with arrays all the same, see `tensors`.
    """

    path: str
    namespace: dict[str, Any]
    own: dict[str, int]
    notes: list[str] = field(default_factory=list)
    mutated: set[str] = field(default_factory=set)
    recorder: Recorder | None = None
    attempts: Attempts = field(default_factory=Attempts)
    edited: ast.FunctionDef | None = None
    edits: list[ast.stmt] = field(default_factory=list)
    partly: frozenset[str] = frozenset()
    on_tensors: bool = False

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Functions that the file defines, lambdas included."""
        return {n: f for n in self.own if "." not in n and isinstance(f := self.namespace.get(n), FunctionType)}

    def statics(self) -> dict[str, Callable[..., Any]]:
        """Forward and backward functions that stand in classes which only keep them together: `LayerNorm.forward`."""
        return {n: f for n in self.own if "." in n and isinstance(f := self.namespace.get(n), FunctionType)}

    def classes(self) -> dict[str, type]:
        """Classes that the file defines."""
        return {n: c for n in self.own if isinstance(c := self.namespace.get(n), type)}

    def call(self, what: Callable[..., Any] | str, *args: Any, **kwargs: Any) -> Any:
        """Call the user's code; notice what it changes in place.

        Parameters
        ----------
        what : callable or str
            A function or bound method, or the name of a function of the file.
        *args, **kwargs
            Handed over as they are: give copies.

        Raises
        ------
        UserError
            If it raises anything, `SystemExit` included.
        """
        f = self.namespace[what] if isinstance(what, str) else what
        name = _told_apart(f)
        if name in self.attempts.excluded:
            raise UserError(f"{called(f)} {self.attempts.excluded[name]}")
        named = _arguments(f, args, kwargs)
        before = {name: [a.copy() for a in arrays(value)] for name, value in named.items()}
        try:
            with np.errstate(all="ignore"), self.attempts.of(name):
                result = self._called(f, args, kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UserError(self._told(f, error)) from error
        for name, old in before.items():
            now = list(arrays(named[name]))
            changed = len(now) == len(old) and any(
                a.shape == b.shape and not np.array_equal(a, b, equal_nan=b.dtype.kind in "fc")
                for a, b in zip(now, old, strict=True)
            )
            if changed:
                self.mutated.add(f"{called(f)} changes its argument {name} in place")
        return result

    def _called(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.on_tensors or not tensors.takes_tensors(f):
            return f(*args, **kwargs) if self.recorder is None else self.recorder.call(f, args, kwargs)
        tensors.seed()
        there, named = tensors.given(args), tensors.given(kwargs)
        result = f(*there, **named) if self.recorder is None else self.recorder.call(f, there, named)
        tensors.returned(list(args), list(there))
        tensors.returned(kwargs, named)
        return tensors.taken(result)

    def _told(self, f: Callable[..., Any], error: BaseException) -> str:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self.path]
        where = f", line {lines[-1]}" if lines else ""
        if isinstance(error, SystemExit):
            return f"{called(f)}{where}: ends the program (sys.exit)"
        message = (str(error).strip() or "no message").splitlines()[0]
        return f"{called(f)}{where}: {type(error).__name__}: {message}"


def called(f: Callable[..., Any]) -> str:
    """The name under which a person knows a function or method."""
    return str(getattr(f, "__qualname__", None) or type(f).__name__)


def _told_apart(f: Callable[..., Any]) -> str:
    """The name of a function, with the line of one that has none."""
    code = getattr(f, "__code__", None)
    return f"{called(f)} (line {code.co_firstlineno})" if code and "<" in called(f) else called(f)


def _arguments(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, as far as the signature tells."""
    code = getattr(getattr(f, "__func__", f), "__code__", None)
    names = list(code.co_varnames[: code.co_argcount]) if code else []
    if hasattr(f, "__self__") and names:
        names = names[1:]
    names += [f"number {i + 1}" for i in range(len(names), len(args))]
    return dict(zip(names, args, strict=False)) | kwargs


def arrays(value: Any) -> Iterator[Array]:
    """All arrays in nested dictionaries, lists and tuples."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from arrays(v)
    elif isinstance(value, list | tuple):
        for v in value:
            yield from arrays(v)


class Style(Protocol):
    """A way of writing backprop: recognises its units in a file and calls them. Runs in the worker, so it imports no framework.

    Attributes
    ----------
    name : str
        Unique; a `Unit` carries it.
    """

    name: str

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Units of this style; names in `taken` belong to units of styles that were asked before.

        It may call the user's code (through `file.call`) to find out about layouts and scales; a `UserError` there is the
        user's mistake, to be found again when the unit is run, so it is taken as no answer.
        """
        ...

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The unit behind the door that all implementations share, for one of its cases."""
        ...


class Twinless:
    """A style all of whose units are compared with something else than a twin: `worker.trace` asks it for that."""

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """Never asked for."""
        raise NotImplementedError


@runtime_checkable
class Differentiating(Protocol):
    """A style that compares some of its units with finite differences of the user's own forward pass: `options["differences"]`."""

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The unit's gradients, each with the derivative that it claims to be."""
        ...
