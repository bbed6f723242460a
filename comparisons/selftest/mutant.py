"""A mutant: a mistake that a person makes, planted into scratch as one line in place of another.

The changed source of a function is compiled and its code object swapped in, so that every module that has imported the
function runs the mistake, and taking it out again is one assignment.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes
    ----------
    id : str
        `subject/mistake`; unique.
    what : str
        What the person did, in one line.
    at : str
        The function of scratch that has it: `dense:Dense.backward` is `Dense.backward` of `scratch.dense`.
    line, instead : str
        Text that the function's source holds exactly once, and what stands there instead.
    case : str
        Id of the case that must kill it.
    tensor : str
        Where it must be located: the name of the tensor that leads, or of several, separated by blanks.
    cause : str
        Words that the diagnosis must say.
    exposed_by : str
        For a mutant that the case cannot kill: the regime that would.
    """

    id: str
    what: str
    at: str
    line: str
    instead: str
    case: str
    tensor: str
    cause: str
    exposed_by: str = ""

    @property
    def subject(self) -> str:
        """The first part of the id."""
        return self.id.partition("/")[0]

    def function(self) -> FunctionType:
        """The function that has the mistake.

        Raises
        ------
        LookupError
            If scratch has no such function.
        """
        module, _, path = self.at.partition(":")
        found = importlib.import_module(f"scratch.{module}")
        for name in path.split("."):
            found = vars(found).get(name)  # type: ignore[assignment]
        function = getattr(found, "fget", found)
        if not isinstance(function, FunctionType):
            raise LookupError(f"mutant {self.id}: scratch has no function {self.at}")
        return function

    def source(self) -> str:
        """The function's source with the mistake in it.

        Raises
        ------
        LookupError
            If the source does not hold the line exactly once.
        """
        source = textwrap.dedent(inspect.getsource(self.function()))
        times = source.count(self.line)
        if times != 1:
            raise LookupError(f"mutant {self.id}: {self.at} holds {self.line!r} {times} times; it must be once")
        return source.replace(self.line, self.instead)

    def code(self) -> CodeType:
        """The compiled source.

        Raises
        ------
        LookupError, SyntaxError
            If the mistake cannot be planted.
        """
        function = self.function()
        tree = ast.parse(self.source())
        definition = tree.body[0]
        assert isinstance(definition, ast.FunctionDef)
        definition.decorator_list = []
        # Free variables (`__class__`, where `super()` is called) must be free again: a function around it binds them.
        around = ast.parse(f"def around({', '.join(function.__code__.co_freevars)}): pass").body[0]
        assert isinstance(around, ast.FunctionDef)
        around.body = [definition]
        flags = __future__.annotations.compiler_flag  # as in every module
        module = ast.fix_missing_locations(ast.Module([around], []))
        outer = compile(module, f"<mutant {self.id}>", "exec", flags=flags, dont_inherit=True)
        return _constant_code(_constant_code(outer))


def _constant_code(code: CodeType) -> CodeType:
    """The one function that is defined inside of a code object."""
    (inner,) = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return inner


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Run with the mistake in scratch.

    Raises
    ------
    LookupError
        If scratch no longer holds the line that the mutant changes.
    """
    function, code = mutant.function(), mutant.code()
    right = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = right
