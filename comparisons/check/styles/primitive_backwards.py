"""Backward functions of primitive operations whose forward pass is NumPy's own: `div_backward(grad_output, a, b)` beside `a / b`.

Nothing but its name tells what such a function is the derivative of, so more must speak for the reading than that it runs: a gradient of it
that is right, other functions of its kind in the file that are, or that what it returns is proportional to the upstream gradient, as
for every backward pass. Operands of different shapes are judged only where gradients come back in these shapes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient, row
from comparisons.check.edits import repaired
from comparisons.check.locating import Spot, statement
from comparisons.check.styles.custom_functions import agrees
from comparisons.check.styles.network_arguments import required
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
Shape = tuple[int, ...]
ROWS, COLUMNS, OUT = 5, 4, 3
WIDE, ROW, COLUMN, FLAT = (ROWS, COLUMNS), (1, COLUMNS), (ROWS, 1), (COLUMNS,)
_ELEMENTWISE = ((WIDE, WIDE), (WIDE, ROW), (WIDE, FLAT), (WIDE, COLUMN), (ROW, WIDE), (FLAT, WIDE))
_EXPONENT = 3
_NAME = re.compile(
    r"_*(?:(?P<before>\w+?)_?(?:[Bb]ackwards?|[Bb]ackprop|bwd|bprop|vjp|VJP|grad|gradient|grads|pullback|Grad)"
    r"|(?:backward|backprop|bwd|bprop|vjp|grad|pullback)_(?P<after>\w+))_*"
)
_FORWARDS = ("{}", "{}_forward", "forward_{}", "{}forward", "{}_fwd", "fwd_{}", "{}_op", "{}_", "_{}")
_UPSTREAM = re.compile(
    r"d|g|d_?y|d_?z|d_?out\w*|d_?l\w*|d_\w+|d[A-Z]\w*|g_?out\w*|g_?y|_?grad\w*|\w+_grad(ient)?s?|delta\w*|upstream\w*|incoming\w*|"
    r"err(or)?(_\w+)?|cotangent|ct|adjoint|\w+_bar|path_value|outgrad",
    re.IGNORECASE,
)
_OUTPUT = re.compile(r"ans|outputs?|out|res(ult)?", re.IGNORECASE)
_PACKED = re.compile(r"\w*cache\w*|inputs|operands|parents|saved\w*|args|xs|memory|ctx", re.IGNORECASE)
_NO_OPERAND = re.compile(
    r"max_?(norm|val\w*)|\w*(norm|cache|lr|rate|eps(ilon)?|scale|factor|size|lambda|reg|mask|ctx|memory|clip)|n|m|inputs|saved\w*",
    re.IGNORECASE,
)
"""Names of arguments for which no more is certain than that they are no operands."""
_WRAPS = (
    "{0}.T",
    "{0} ** 2",
    "np.exp({0})",
    "np.log({0})",
    "np.tanh({0})",
    "np.sqrt({0})",
    "(1 - {0})",
    "(1 - {0} ** 2)",
)
SECONDS = 2.0
"""Time in which the cause is looked for, for one function."""
_TRUSTED = 2
"""Other functions that must agree before one is wrong whose operation may mean several things."""


@dataclass(frozen=True)
class Meaning:
    """What a name may stand for.

    Attributes
    ----------
    text : str
        As a person writes it: `a / b`.
    run : callable
        The operation in NumPy, of as many arrays as there are shapes.
    settings : tuple of tuple of shapes
        Of the operands; the first is the usual one.
    positive : bool
        Whether operands must be positive.
    sure : bool
        Whether the name leaves no doubt.
    more : dict
        Other arguments, by their names in lower case.
    output : bool
        Whether the backward function is handed the operation's output in place of its operand.
    number : float, optional
        The second operand, where it is no array.
    """

    text: str
    run: Callable[..., Any]
    settings: tuple[tuple[Shape, ...], ...] = ((WIDE,),)
    positive: bool = False
    sure: bool = True
    more: dict[str, Any] = field(default_factory=dict)
    output: bool = False
    number: float | None = None


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


_BINARY: dict[str, tuple[str, Callable[..., Any], bool]] = {
    "add": ("a + b", np.add, False), "sub": ("a - b", np.subtract, False), "mul": ("a * b", np.multiply, False),
    "div": ("a / b", np.divide, True), "maximum": ("np.maximum(a, b)", np.maximum, False),
    "minimum": ("np.minimum(a, b)", np.minimum, False),
}  # fmt: skip
_UNARY: dict[str, tuple[str, Callable[..., Any], bool]] = {
    "exp": ("np.exp(a)", np.exp, False), "log": ("np.log(a)", np.log, True), "sqrt": ("np.sqrt(a)", np.sqrt, True),
    "square": ("a ** 2", np.square, False), "neg": ("-a", np.negative, False), "tanh": ("np.tanh(a)", np.tanh, False),
    "sin": ("np.sin(a)", np.sin, False), "cos": ("np.cos(a)", np.cos, False), "abs": ("np.abs(a)", np.abs, False),
    "reciprocal": ("1 / a", np.reciprocal, True), "sigmoid": ("1 / (1 + np.exp(-a))", _sigmoid, False),
    "relu": ("np.maximum(a, 0)", lambda a: np.maximum(a, 0), False), "identity": ("a", np.positive, False),
    "transpose": ("a.T", np.transpose, False),
}  # fmt: skip
_AT_OUTPUT = ("exp", "sqrt", "tanh", "sigmoid", "reciprocal")
"""Operations whose derivative is as often taken from the output."""
_WITHOUT = ("add", "sub", "neg", "identity", "transpose")
"""Operations whose derivative depends on no operand, which need not be handed over."""
_ASYMMETRIC = ("sub", "div", "pow", "matmul")
_OTHER_NAMES = {
    "plus": "add", "addition": "add", "addv": "add", "subtract": "sub", "minus": "sub", "subtraction": "sub", "multiply": "mul",
    "times": "mul", "mult": "mul", "multiplication": "mul", "emul": "mul", "hadamard": "mul", "divide": "div", "truediv": "div",
    "division": "div", "power": "pow", "mm": "matmul", "matrixmultiply": "matmul", "matrixmul": "matmul", "ln": "log",
    "exponential": "exp", "negative": "neg", "negate": "neg", "inv": "reciprocal", "logistic": "sigmoid", "average": "mean",
    "amax": "max", "amin": "min", "absolute": "abs", "logarithm": "log", "t": "transpose",
}  # fmt: skip
_REDUCTIONS: dict[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}


def operation(name: str) -> str:
    """The operation of a backward function, by its name; empty if it is none."""
    found = _NAME.fullmatch(name.rpartition(".")[2])
    base = re.sub(
        r"^(np|op|ew|elementwise|element_wise)_", "", (found["before"] or found["after"]).lower() if found else ""
    )
    bare = base.replace("_", "")
    bare = _OTHER_NAMES.get(bare, bare)
    return bare if bare in {*_BINARY, *_UNARY, *_REDUCTIONS, "pow", "matmul", "dot"} else ""


def _meanings(what: str) -> Iterator[Meaning]:
    """What an operation of this name may be, the usual one first."""
    if what in _BINARY:
        text, run, positive = _BINARY[what]
        yield Meaning(text, run, _ELEMENTWISE, positive)
    elif what in _UNARY:
        text, run, positive = _UNARY[what]
        yield Meaning(text, run, positive=positive)
        if what in _AT_OUTPUT:
            yield Meaning(text, run, positive=positive, output=True)
    elif what == "pow":
        yield Meaning("a ** b", np.power, _ELEMENTWISE, True)
        yield Meaning(f"a ** {_EXPONENT}", lambda a: a**_EXPONENT, positive=True, number=_EXPONENT)
    elif what in ("matmul", "dot"):
        yield Meaning("a @ b", np.matmul, ((WIDE, (COLUMNS, OUT)),))
        yield Meaning("a @ b", np.matmul, ((WIDE, FLAT),), sure=False)
        if what == "dot":
            yield Meaning("a @ b", np.matmul, ((FLAT, FLAT),), sure=False)
    else:
        if what == "max":
            yield Meaning("np.maximum(a, 0)", _UNARY["relu"][1], sure=False)
        yield from _reductions(what)


def _reductions(what: str) -> Iterator[Meaning]:
    reduce = _REDUCTIONS[what]
    for axis in (None, 0, 1):
        for keepdims in (False, True):
            inside = "" if axis is None else f", axis={axis}"
            text = f"np.{what}(a{inside}{', keepdims=True' if keepdims else ''})"
            more = {
                "axis": axis,
                "dim": axis,
                "axes": axis,
                "keepdims": keepdims,
                "keepdim": keepdims,
                "keep_dims": keepdims,
            }
            yield Meaning(
                text,
                functools.partial(reduce, axis=axis, keepdims=keepdims),
                sure=False,
                more=more,
            )


@dataclass
class Primitive:
    """A backward function with what it is taken for.

    Attributes
    ----------
    file : UserFile
    function : str
    what : str
        The operation.
    meaning : Meaning
    first : bool
        Whether the upstream gradient is its first argument, not its last.
    settings : list of tuple of shapes
        For which gradients come back in the operands' shapes; empty if the function raises.
    raised : str
        What it raises.
    """

    file: UserFile
    function: str
    what: str
    meaning: Meaning
    first: bool = True
    settings: list[tuple[Shape, ...]] = field(default_factory=list)
    raised: str = ""
    mended: tuple[str, int] | None = None
    searched: bool = False

    @property
    def title(self) -> str:
        """What it was taken for."""
        return f"backward pass of {self.meaning.text}"

    @property
    def members(self) -> tuple[str, ...]:
        """The function."""
        return (self.function,)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        given = ", and is handed that" if self.meaning.output else ""
        return [f"the file has no forward function for it: by its name it goes back over {self.meaning.text}{given}"]

    @property
    def operands(self) -> list[str]:
        """The operands as the function calls them."""
        names = self._names()
        n = len(self.meaning.settings[0])
        return names if len(names) == n else list("abc"[:n])

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of all operands, in all settings that it deals with."""
        seed = int(rng.integers(2**31))
        found = list(self.measured(seed))
        if not all(agrees(d) for d in found):
            found = [d if agrees(d) else self._caused(d, seed) for d in found]
        yield from found

    def measured(self, seed: int) -> Iterator[Derived]:
        """The same, without causes.

        Raises
        ------
        UserError
            If it cannot be run.
        """
        for number, shapes in enumerate(self.settings):
            values, output, upstream = self._drawn(seed, number, shapes)
            why = ""
            try:
                claimed = self._claimed(values, output, upstream)
            except UserError as error:
                if not self.raised:
                    raise
                claimed, why = [np.zeros_like(v) for v in values], f"it fails: {error}"
            where = f" where shapes are {' and '.join(map(str, shapes))}" if number else ""
            for i, (name, place) in enumerate(zip(self.operands, values, strict=True)):
                given = claimed[i]
                if given is None:
                    continue
                wanted, error_, kinks = gradient(
                    lambda v, i=i, values=values: np.asarray(self.meaning.run(*values[:i], v, *values[i + 1 :])),  # type: ignore[misc]
                    place,
                    upstream,
                )
                yield Derived(f"grad/{self.function}.{name}{where}", given, wanted, error_, kinks, cause=why)

    def _drawn(self, seed: int, number: int, shapes: tuple[Shape, ...]) -> tuple[list[Array], Array, Array]:
        """Operands, the output and a gradient of it."""
        rng = np.random.default_rng([seed, number])
        values = [_drawn(rng, shape, self.meaning.positive) for shape in shapes]
        output = np.asarray(self.meaning.run(*values), dtype=np.float64)
        return values, output, rng.uniform(0.5, 1.5, output.shape) * rng.choice([-1.0, 1.0], output.shape)

    def _again(self, seed: int, f: Callable[..., Any]) -> Iterator[Array | None]:
        """Gradients as another function in its place gives them, where this one gives any."""
        for number, shapes in enumerate(self.settings):
            yield from self._claimed(*self._drawn(seed, number, shapes), f)

    def proportional(self) -> bool:
        """Whether what comes back doubles with the upstream gradient."""
        values, output, upstream = self._drawn(7, 0, self.settings[0])
        try:
            once, twice = (self._claimed(values, output, k * upstream) for k in (1.0, 2.0))
        except UserError:
            return False
        return all(
            a is not None and b is not None and a.any() and np.allclose(2 * a, b)
            for a, b in zip(once, twice, strict=True)
        )

    @property
    def beside(self) -> bool:
        """Whether it takes one argument more than there are operands, which may be the output."""
        return len(self._names()) > len(self.meaning.settings[0])

    def _names(self) -> list[str]:
        """Arguments that hold operands."""
        names = self._asked()
        names = names[1:] if self.first else names[:-1]
        return [n for n in names if n.lower() not in self.meaning.more]

    def _asked(self) -> list[str]:
        return [p.name for p in required(self.file.namespace[self.function])]

    def _arguments(self, values: list[Array], output: Array) -> list[Any]:
        """What is handed over besides the upstream gradient.

        Raises
        ------
        UserError
            If the function takes something else.
        """
        asked = self._asked()
        asked = asked[1:] if self.first else asked[:-1]
        names = self._names()
        operands: list[Any] = [output.copy()] if self.meaning.output else [v.copy() for v in values]
        operands += [self.meaning.number] if self.meaning.number is not None else []
        given: dict[str, Any] = {n: self.meaning.more[n.lower()] for n in asked if n not in names}
        if len(names) == len(operands) + 1 and (at := [n for n in names if _OUTPUT.fullmatch(n)]):
            given[at[0]] = output.copy()  # beside the operands
            names = [n for n in names if n != at[0]]
        if len(names) == len(operands):
            shaped = [
                v.shape if isinstance(v, np.ndarray) and "shape" in n.lower() else v
                for n, v in zip(names, operands, strict=True)
            ]
            return [(given | dict(zip(names, shaped, strict=True)))[n] for n in asked]
        if len(names) == 1 and _PACKED.fullmatch(names[0]):
            return [(given | {names[0]: tuple(operands)})[n] for n in asked]
        if not names and self.what in _WITHOUT:
            return [given[n] for n in asked]
        raise UserError(f"{self.function} takes other arguments")

    def _claimed(
        self, values: list[Array], output: Array, upstream: Array, f: Callable[..., Any] | None = None
    ) -> list[Array | None]:
        arguments = self._arguments(values, output)
        gradient_of_output = upstream.copy() if upstream.shape else np.float64(upstream)
        arguments = [gradient_of_output, *arguments] if self.first else [*arguments, gradient_of_output]
        returned = self.file.call(f or self.file.namespace[self.function], *arguments)
        return self._in_order(returned, len(values))

    def _in_order(self, returned: Any, n: int) -> list[Array | None]:
        """Gradients in the order of the operands.

        Raises
        ------
        UserError
            If it is not one for each.
        """
        operands = self.operands
        parts: list[Any]
        if isinstance(returned, dict):
            parts = [returned.get(name) for name in operands]
        elif isinstance(returned, tuple | list) or (n > 1 and isinstance(returned, np.ndarray) and len(returned) == n):
            parts = list(returned)
            names = [_operand(name) for name in returned_names(self.file.namespace[self.function])]
            if len(names) == len(parts) and sorted(names) == sorted(map(str.lower, operands)):
                parts = [parts[names.index(name.lower())] for name in operands]
        else:
            parts = [returned]
        if self.meaning.number is not None and len(parts) == 2 and np.ndim(parts[1]) == 0:
            parts = parts[:1]
        if len(parts) != n or all(p is None for p in parts):
            raise UserError(f"{self.function} does not return a gradient for each operand")
        return [None if p is None else _array(p) for p in parts]

    def _caused(self, wrong: Derived, seed: int) -> Derived:
        f = self.file.namespace[self.function]
        path = f.__code__.co_filename
        if not self.searched:
            self.searched = True
            wanted = [list(self.measured(s)) for s in (seed, seed + 1)]

            def mends(made: Callable[..., Any]) -> bool:
                return all(
                    g is not None and agrees(replace(d, subject=g))
                    for s, found in zip((seed, seed + 1), wanted, strict=True)
                    for d, g in zip(found, self._again(s, made), strict=True)
                )

            self.mended = repaired(f, mends, _WRAPS, seconds=SECONDS) if isinstance(f, FunctionType) else None
        line = f.__code__.co_firstlineno if self.mended is None else self.mended[1]
        spot = Spot(f.__qualname__, line, statement(path, line))
        if self.mended is None:
            return replace(wrong, spot=spot)
        cause = self.mended[0]
        general = row(wrong, {})["diagnosis"]
        if general and not wrong.cause and not general.startswith("no known mistake"):
            cause = general if "sign" in general and "sign" in cause else f"{general}; {cause}"
        return replace(wrong, cause=f"{wrong.cause}; {cause}" if wrong.cause else cause, spot=spot)


def _operand(name: str) -> str:
    """The operand that a gradient's name tells: `a` of `a_grad`, `grad_a` and `da`."""
    bare = re.sub(
        r"^(grad(ient)?s?_?(of_|wrt_)?|d(?=\w)_?|g_)|_?(grad(ient)?s?|bar|_g)$", "", name, flags=re.IGNORECASE
    )
    return bare.strip("_").lower()


def _drawn(rng: np.random.Generator, shape: Shape, positive: bool) -> Array:
    if positive:
        return rng.uniform(0.5, 2.0, shape)
    a = rng.uniform(0.3, 1.6, shape)
    return a * np.where(np.arange(a.size) % 3, 1.0, -1.0).reshape(shape)


def _array(value: Any) -> Array:
    a = np.asarray(value)
    if a.dtype.kind not in "biuf":
        raise UserError("what comes back is no array")
    return a.astype(np.float64)


def find_primitives(file: UserFile, functions: dict[str, Callable[..., Any]]) -> Iterator[Primitive]:
    """Backward functions of operations that have no forward function in the file.

    Parameters
    ----------
    file : UserFile
    functions : dict
        Those that belong to nothing else.
    """
    named = {n: what for n in functions if (what := operation(n)) and not _has_forward(file, n)}
    right: list[Primitive] = []
    wrong: list[tuple[Primitive, list[Derived], bool]] = []
    for name, what in named.items():
        for told, found, named_upstream in _read(file, name, what):
            if all(_fits(d) for d in found):
                right.append(told)
            else:
                wrong.append((told, found, named_upstream))
    yield from right
    for told, found, named_upstream in wrong:
        if named_upstream and _believed(told, found, right):
            yield told


def _has_forward(file: UserFile, name: str) -> bool:
    owner, _, last = name.rpartition(".")
    found = _NAME.fullmatch(last)
    base = (found["before"] or found["after"]).lower() if found else ""
    own = {n.rpartition(".")[2].lower() for n in file.own if n.rpartition(".")[0] == owner}
    return any(pattern.format(base) in own for pattern in _FORWARDS)


def _read(file: UserFile, name: str, what: str) -> Iterator[tuple[Primitive, list[Derived], bool]]:
    """The reading that agrees, or else the first with which the function runs."""
    asked = [p.name for p in required(file.namespace[name])]
    if not asked:
        return
    ends = [bool(_UPSTREAM.fullmatch(asked[0])), bool(_UPSTREAM.fullmatch(asked[-1])) and len(asked) > 1]
    sides = [True, False] if ends[0] == ends[1] else [ends[0]]
    kept: list[tuple[Primitive, list[Derived]]] = []
    failed: list[tuple[Primitive, list[Derived]]] = []
    for first in sides if len(asked) > 1 else [True]:
        for place, meaning in enumerate(_meanings(what)):
            thing = Primitive(file, name, what, meaning, first)
            found = list(_settled(thing))
            if found and all(_fits(d) for d in found):
                yield thing, found, True
                return
            if found:
                kept.append((thing, found))
            elif not place and (found := _failing(thing)):
                failed.append((thing, found))
    for thing, found in (kept or failed)[:1]:
        yield thing, found, ends[0] != ends[1]


def _settled(thing: Primitive) -> Iterator[Derived]:
    """Judge the function in those settings in which gradients have the operands' shapes."""
    settings: list[tuple[Shape, ...]] = []
    for shapes in thing.meaning.settings:
        thing.settings = [shapes]
        try:
            found = list(thing.measured(0))
        except (UserError, ValueError, TypeError, KeyError, IndexError):
            continue
        if found and all(d.subject.shape == d.reference.shape for d in found):
            settings.append(shapes)
            yield from found
    thing.settings = settings


def _failing(thing: Primitive) -> list[Derived]:
    """A product of matrices that raises, or returns gradients of other shapes."""
    if thing.what not in ("matmul", "dot"):
        return []
    thing.settings = [thing.meaning.settings[0]]
    try:
        found = list(thing.measured(0))
    except UserError as error:
        if not isinstance(error.__cause__, ValueError):
            return []
        thing.raised = str(error)
        found = list(thing.measured(0))
    return found


def _believed(thing: Primitive, found: Sequence[Derived], right: Sequence[Primitive]) -> bool:
    """Whether enough speaks for the reading with which a function is wrong."""
    others = len({other.function for other in right})
    if any(_NO_OPERAND.fullmatch(name) for name in thing.operands):
        return False
    if thing.what == "relu" and all(agrees(replace(d, kinks=d.kinks | (d.reference == 0))) for d in found):
        return False  # a leaky one
    if _swapped(found) and not any(other.what in _ASYMMETRIC and len(other.operands) > 1 for other in right):
        return False
    if not thing.meaning.sure or thing.beside:
        return others >= _TRUSTED and not _of_gradients(thing.function)
    shaped = all(d.subject.shape == d.reference.shape for d in found) and not thing.raised
    if not shaped:
        return others >= 1 or any(agrees(d) for d in found)
    return others >= 1 or any(agrees(d) for d in found) or (len(found) > 1 and thing.proportional())


def _of_gradients(name: str) -> bool:
    """Whether a function may as well do something with gradients: `max_grad`, `mean_grads`."""
    return "grad" in name.lower()


def _fits(derived: Derived) -> bool:
    """Whether a gradient is right, but for a small number against a division by zero."""
    return agrees(derived) or row(derived, {})["verdict"] != "mismatch"


def _swapped(found: Sequence[Derived]) -> bool:
    """Whether the gradients of two operands are right in the other order."""
    if len(found) < 2:
        return False
    a, b = found[:2]
    if a.subject.shape != b.reference.shape or b.subject.shape != a.reference.shape:
        return False
    return agrees(replace(a, subject=b.subject)) and agrees(replace(b, subject=a.subject))
