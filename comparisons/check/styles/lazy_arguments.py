"""Filling a function's arguments while it runs: an argument is given a value when the code first looks at it.

A function of many arrays has too many combinations of shapes to try them all. So each argument is first an object that stops the call
when it is used. Then it is given the first shape that may fit, and the call goes on to the next argument. A shape that makes the
code raise is replaced by the next one, and what comes after it is never tried with it. The same holds for the entries of a
dictionary of parameters, whose keys show when the code asks for them.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from comparisons.check.calling import tree
from comparisons.check.construct import copied
from comparisons.check.styles.network_arguments import parameters_of
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
Shape = tuple[int, ...]
Filled = dict[tuple[str, ...], Any]
"""Values by argument, `("x",)`, or by an entry of a dictionary, `("params", "W1")`."""
CALLS = 1500
"""Calls that may be spent on one function."""
SECONDS = 4.0
"""Time, of the processor."""
REFUSED = 6
"""Ways of which nothing comes, after which the first array gets another shape."""
FRESH = (7, 5, 9, 8, 10)
"""Sizes for axes that no argument has yet."""
DATA: tuple[Shape, ...] = ((2, 4, 6), (5, 4), (2, 3, 7, 4), (2, 7, 4, 3), (2, 3, 9), (2, 9, 3), (2, 3, 7, 5), (2, 7, 5, 3), (2, 3, 4, 6),
                           (2, 3, 6, 4), (2, 6, 4, 3), (3, 7, 4), (7, 4, 3), (3, 9), (9, 3), (7, 5), (7, 4))  # fmt: skip
"""Rows and sequences, images and signals with the channels first and last, several heads, one example of each."""
SPECIAL: tuple[Shape, ...] = ((6, 1), (6,), (9,), (6, 6))
"""With these some mistakes do not show: only where nothing else runs."""
TOKENS: tuple[Array, ...] = (
    np.array([[1, 0, 3, 1], [2, 2, 1, 4]]),
    np.array([1, 0, 3, 1]),
    np.array([[[1], [0]], [[3], [1]]]),
)
HEADS, SIZE, VOCABULARY = 3, 3, 5
_DICTIONARY = re.compile(r"\w*param(eter)?s?|p|weights|theta|model|\w*config|\w*opts?|h_?par\w*|hyper\w*|state(_dict)?")
_WEIGHT = re.compile(r"(\w*_)?(w|weights?|kernels?|filters?|filt|theta|u|v)(_?\w{0,4}|_?(q|k|v|o|out|in|query|key|value|proj)\w*)|w[a-z]{0,4}\d?|\w+_w|\w*weights?|wte|wpe|\w*embed\w*|e|table|proj\w*|k",
                     re.IGNORECASE)  # fmt: skip
_VECTOR = re.compile(r"(\w*_)?(b|bias(es)?|gamma|beta|g|gain|scale|shift|offset|alpha|slope)(_?\w{0,6})|b[a-z]{0,4}\d?|\w*(bias|gamma|beta|scale|shift|gain)\w*", re.IGNORECASE)  # fmt: skip
_OPERAND = re.compile(r"[abxyuvpq](\d|_?val(ue)?s?)?|lhs|rhs|left|right|other|first|second|op\d", re.IGNORECASE)
_TOKENS = re.compile(r"\w*(tokens?|ids|idx|indices|indexes|words?|index)|captions?", re.IGNORECASE)
_MASK = re.compile(r"\w*mask\w*", re.IGNORECASE)
_ROWS = re.compile(r"x\w{0,6}|inp\w*|input\w*|q|k|v|query|key|value|queries|keys|values|h\w{0,5}|\w*hidden\w*|\w*context\w*|memory|enc\w*|dec\w*|img|images?|signal|data|a\w{0,5}|z\w{0,5}|src|tgt|\w*states?|residual|features?|y", re.IGNORECASE)  # fmt: skip
_NUMBERS: tuple[tuple[str, str], ...] = (
    ("heads", r"(n|num|number)_?(of_?)?(heads?|h)|heads?|nhead|n_?h|nhd"),
    ("groups", r"(n|num)?_?groups?|g"),
    ("stride", r"strides?\w?|s|step|stride_?size|str|(h|w)_?stride|stride_?(h|w|height|width)"),
    ("padding", r"pad(ding|s)?\w?|p|padding_?size|n_?pad"),
    ("output padding", r"out(put)?_?pad(ding)?"),
    ("dilation", r"dilation(_?rate)?|dil"),
    ("size", r"(kernel|filter|pool|window|k|f|ksize)_?(size|width|height|dim|w|h|len\w*|shape)|f|k|size|hh|ww|pool|window|kh|kw|ph|pw"),
    ("mask", r"\w*mask\w*"),
    ("causal", r"(is_?)?(causal|masked|autoregressive)|use_?mask"),
    ("epsilon", r"eps(ilon)?"),
    ("axis", r"axis|dim_?axis"),
    ("rate", r"p_?drop|drop\w*|rate"),
    ("keep", r"keep\w*"),
    ("width", r"d_?k|d_?model|dim|head_?dim|d_?head|n_?embd|embed_?(dim|size)|d|d_?v|n_?features|channels|c|in_?channels"),
    ("vocabulary", r"vocab(_?size)?|n_?vocab|num_?(classes|embeddings|words)|v"),
    ("scale", r"scale|temperature|tau|factor|alpha|slope|negative_?slope|momentum|lambd?a?|beta"),
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Settings under which a function is compared: those that it has no argument for do not matter."""

    stride: int = 2
    padding: int = 1
    dilation: int = 1
    causal: bool = False

    def number(self, kind: str) -> Any:
        """What is given for a number of this kind."""
        return {
            "heads": HEADS, "groups": 2, "stride": self.stride, "padding": self.padding, "output padding": 0, "dilation": self.dilation,
            "size": SIZE, "causal": self.causal, "epsilon": 1e-5, "axis": -1, "rate": 0.5, "keep": 0.5, "vocabulary": VOCABULARY,
            "scale": 0.5,
        }[kind]  # fmt: skip


OPTIONS = (Options(), Options(stride=1, padding=0, causal=True), Options(padding=0), Options(stride=1, dilation=2))


class Asked(BaseException):
    """The code looks at what has no value yet; no `except Exception` of its own is to catch this."""

    def __init__(self, place: tuple[str, ...]) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True)
class Stop:
    """Where a call ended: at an argument that has no value yet, at a mistake (no place), or at its end (no line)."""

    place: tuple[str, ...] = ()
    line: int = 0


class Unset:
    """In the place of an argument: whatever is done with it stops the call."""

    __slots__ = ("_place",)
    __array_priority__ = 1e9

    def __init__(self, place: tuple[str, ...]) -> None:
        object.__setattr__(self, "_place", place)

    def __getattr__(self, name: str) -> Any:
        if name in ("__array_interface__", "__array_struct__", "__deepcopy__"):
            raise AttributeError(name)
        raise Asked(object.__getattribute__(self, "_place"))

    @classmethod
    def __torch_function__(cls, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What torch calls where it is given one."""
        unset = [a for a in (*args, *(kwargs or {}).values()) if isinstance(a, cls)]
        _stops(unset[0])


def _stops(self: Unset, *_: Any, **__: Any) -> Any:
    raise Asked(object.__getattribute__(self, "_place"))


for _operator in ("add", "radd", "sub", "rsub", "mul", "rmul", "matmul", "rmatmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod",
                  "pow", "rpow", "neg", "pos", "abs", "lt", "le", "gt", "ge", "eq", "ne", "getitem", "setitem", "len", "iter", "bool", "int",
                  "float", "index", "array", "array_ufunc", "array_function", "contains", "and", "rand", "invert", "call"):  # fmt: skip
    setattr(Unset, f"__{_operator}__", _stops)


def _entry(self: Unset, key: Any) -> Any:
    place = object.__getattribute__(self, "_place")
    if isinstance(key, str) and len(place) > 1:
        return Unset((*place, key))  # a dictionary in a dictionary
    raise Asked(place)


setattr(Unset, "__getitem__", _entry)  # noqa: B010
Unset.__hash__ = object.__hash__  # type: ignore[method-assign]


class Entries(dict[str, Any]):
    """A dictionary of parameters, whose entries are asked for one by one; they may be dictionaries again."""

    def __init__(self, place: tuple[str, ...], filled: Filled) -> None:
        super().__init__()
        self._place, n = place, len(place)
        inside = {p: v for p, v in filled.items() if p[:n] == place and len(p) > n}
        for p, value in inside.items():
            self[p[n]] = copied(value) if len(p) == n + 1 else Entries(p[: n + 1], inside)

    def __missing__(self, key: str) -> Any:
        if not isinstance(key, str):
            raise KeyError(key)
        return Unset((*self._place, key))

    def get(self, key: str, default: Any = None) -> Any:
        """As of a dictionary, except that a number that has a name is given."""
        if key in self or kind_of_number(key, False) not in ("stride", "padding", "size"):
            return super().get(key, default)
        return self[key]


@dataclass
class Search:
    """Ways of filling the arguments of one function under which it runs.

    Attributes
    ----------
    file : UserFile
    function : str
        Its name in the file.
    options : Options
    ranks : dict of str to int
        Numbers of axes that the code itself tells, by argument.
    alike : bool
        Whether all sequences have one length.
    """

    file: UserFile
    function: str
    options: Options
    ranks: dict[str, int] = field(default_factory=dict)
    alike: bool = False
    calls: int = 0
    end: float = 0.0
    refused: dict[Shape, int] = field(default_factory=dict)

    def refuse(self, filled: Filled) -> None:
        """Say that nothing came of these values: after some such ways, the first array is to have another shape."""
        shape = first_shape(filled)
        self.refused[shape] = self.refused.get(shape, 0) + 1

    def settle(self, filled: Filled) -> None:
        """Say that these values will do for this shape of the first array; of masks and operands, others are tried too."""
        masks = any("mask" in place[-1].lower() for place in filled) or self._operands()
        shape = first_shape(filled)
        self.refused[shape] = self.refused.get(shape, 0) + (REFUSED // 3 if masks else REFUSED)

    def ways(self) -> Iterator[Filled]:
        """Values with which the function runs, the most usual first."""
        self.end = time.thread_time() + SECONDS
        yield from self._deeper({})

    def _deeper(self, filled: Filled) -> Iterator[Filled]:
        """Ways that begin with these values."""
        stop = self._stop(filled)
        if stop.place:
            yield from self._filling(filled, stop)
        elif not stop.line:
            yield filled

    def _filling(self, filled: Filled, asked: Stop) -> Iterator[Filled]:
        """Ways that begin with these values, and one for what the code asks for next."""
        # Of what is only added or multiplied, the first shape that the code takes is as good as the others.
        equal = self._operands()
        alone = _VECTOR.fullmatch(asked.place[-1]) is not None and not equal
        for value in candidates(asked.place, filled, self.options, self.ranks, self.alike, equal):
            if self.calls > CALLS or time.thread_time() > self.end:
                return
            tried = filled | {asked.place: value}
            if self.refused.get(first_shape(tried), 0) >= REFUSED:
                if first_shape(filled):
                    return
                continue
            stop = self._stop(tried)
            if stop.place:
                yield from self._filling(tried, stop)
            elif not stop.line:
                yield tried
            if alone and (stop.place or stop.line != asked.line):
                return

    def _operands(self) -> bool:
        """Whether the function is one of two operands, `a` and `b`, neither of which is a bias."""
        names = [p.name for p in _parameters(self.file.namespace[self.function])]
        first = {n[0].lower() for n in names}
        return len(names) == 2 and all(map(_OPERAND.fullmatch, names)) and ("b" not in first or "a" in first)

    def _stop(self, filled: Filled) -> Stop:
        self.calls += 1
        try:
            run(self.file, self.function, filled, self.options)
        except UserError as error:
            cause = error.__cause__
            frames = traceback.extract_tb(cause.__traceback__) if cause is not None else []
            lines = [frame.lineno or 0 for frame in frames if frame.filename == self.file.path]
            return Stop(cause.place if isinstance(cause, Asked) else (), lines[-1] if lines else -1)
        return Stop()


def first_shape(filled: Filled) -> Shape:
    """Shape of the first array."""
    return next((v.shape for v in filled.values() if isinstance(v, np.ndarray)), ())


def arguments(f: Callable[..., Any], filled: Filled, options: Options) -> dict[str, Any]:
    """Keyword arguments for a call: copies of what is known, the rest unset."""
    given: dict[str, Any] = {}
    for p in _parameters(f):
        if (p.name,) in filled:
            given[p.name] = copied(filled[(p.name,)])
            continue
        value = _default(p, options)
        if value is not _OPEN:
            if value is not _OMITTED:
                given[p.name] = value
            continue
        entries = _DICTIONARY.fullmatch(p.name) and _indexed(f, p.name)
        given[p.name] = Entries((p.name,), filled) if entries else Unset((p.name,))
    return given


@functools.cache
def _parameters(f: Callable[..., Any]) -> list[inspect.Parameter]:
    return parameters_of(f)


def run(file: UserFile, function: str, filled: Filled, options: Options) -> Any:
    """Call a function of the file."""
    f = file.namespace[function]
    np.random.seed(0)  # noqa: NPY002
    return file.call(f, **arguments(f, filled, options))


_OPEN, _OMITTED = object(), object()


def _default(p: inspect.Parameter, options: Options) -> Any:
    """What is given for an argument whatever the shapes of the others are."""
    kind = kind_of_number(p.name, p.default is p.empty)
    if p.default is p.empty:
        return None if kind == "mask" and not options.causal else _OPEN
    if kind == "mask":
        return _OPEN if options.causal and p.default is None else _OMITTED
    if isinstance(p.default, bool):
        return options.causal if kind == "causal" else _OMITTED
    if isinstance(p.default, int) and kind in ("stride", "padding", "dilation"):
        return options.number(kind)
    return _OMITTED


@functools.cache
def _indexed(f: Callable[..., Any], name: str) -> bool:
    """Whether a function takes entries of an argument by their names, or hands it on."""
    body = tree(f)
    definition = body.body[0] if isinstance(body, ast.Module) else None
    if not isinstance(definition, ast.FunctionDef):
        return False
    text = "\n".join(map(ast.unparse, definition.body))
    return bool(
        re.search(
            rf"\b{name}\[\s*[frFR]?['\"]|\b{name}\.get\(|\b{name}\[\w+ ?\+|[(,=]\s*{name}\s*[,)]|\*\*{name}", text
        )
    )


@functools.cache
def kind_of_number(name: str, needed: bool = True) -> str:
    """Which number a name speaks of; empty if it is none. Single letters count where something must be given."""
    lower = name.lower()
    if not needed and len(lower) == 1 and lower not in "sp":
        return ""
    return next((kind for kind, pattern in _NUMBERS if re.fullmatch(pattern, lower)), "")


def candidates(
    place: tuple[str, ...],
    filled: Filled,
    options: Options,
    ranks: dict[str, int],
    alike: bool = False,
    operands: bool = False,
) -> Iterator[Any]:
    """Values for an argument or an entry, the likely ones first."""
    name = place[-1]
    shapes = [v.shape for v in filled.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    first, rank = not shapes, ranks.get(name)
    if _MASK.fullmatch(name):
        yield from _masks(shapes)
        return
    if _TOKENS.fullmatch(name):
        yield from (a for a in TOKENS if rank in (None, a.ndim))
    kind = kind_of_number(name) if rank is None and not operands else ""
    if first and any(isinstance(v, np.ndarray) for v in filled.values()):
        yield from (_random(s) for s in ((VOCABULARY, 6), (VOCABULARY, 4)))  # a table in which indices look
    weight, vector = bool(_WEIGHT.fullmatch(name)), bool(_VECTOR.fullmatch(name)) and not operands
    single = len(name) == 1 and name.lower() in "kgdcvfp"
    if kind and not (single and (first or name.isupper())) and kind != "scale":
        yield from _numbers(kind, name, shapes, options)
        if not single and kind not in ("width", "scale", "vocabulary"):
            return
    if len(place) == 1 and first and not (kind and not single and kind != "scale"):
        yield from (_random(s) for s in (*DATA, *SPECIAL) if rank in (None, len(s)))
        return
    data = _data(filled, alike) if operands or not weight or _ROWS.fullmatch(name) else []
    groups = {"vector": list(_vectors(shapes)), "weight": list(_weights(shapes)), "data": data}
    order = (
        ["vector", "weight", "data"]
        if vector
        else ["weight", "vector", "data"]
        if weight and not data
        else ["data", "weight", "vector"]
    )
    done: set[Shape] = set()
    for group in order:
        for shape in groups[group]:
            if shape not in done and rank in (None, len(shape)) and int(np.prod(shape)) <= 400:
                done.add(shape)
                yield _random(shape)
    if kind == "scale":
        yield from (2, 0.5)


def _random(shape: Shape) -> Array:
    return np.random.default_rng([len(shape), *shape]).standard_normal(shape)


def _numbers(kind: str, name: str, shapes: list[Shape], options: Options) -> Iterator[Any]:
    if kind == "width":
        yield from dict.fromkeys([n for s in shapes for n in reversed(s)] or [6])
    elif kind == "size":
        yield from (SIZE, 2, (SIZE, 2))
    elif kind == "groups":
        yield from (HEADS, 2)
    elif kind == "heads":
        yield from (HEADS, 2, 1)
    elif kind != "mask":
        yield options.number(kind)


def _masks(shapes: list[Shape]) -> Iterator[Array]:
    """Causal masks for sequences of the lengths in use: what may be seen is 1, or what may not is."""
    lengths = dict.fromkeys([s[-2] for s in shapes if len(s) > 1])
    for rows in lengths:
        for columns in dict.fromkeys((rows, *lengths)):
            ones = np.tril(np.ones((rows, columns)))
            yield from (ones, ones[None], ones[None, None], ones.astype(bool), np.triu(np.ones((rows, columns)), 1))
    for batch in dict.fromkeys(s[0] for s in shapes if s):
        for steps in lengths:
            ones = np.ones((batch, steps))
            ones[0, -1:] = 0
            yield from (ones, ones[:, None, None, :])


def _data(filled: Filled, alike: bool) -> list[Shape]:
    """Another input beside those that there are: of another length, else like one of them."""
    every = {p: v.shape for p, v in filled.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim}
    shapes = [s for i, (p, s) in enumerate(every.items()) if i == 0 or (len(p) == 1 and _ROWS.fullmatch(p[0]))]
    like = [(*s[:-2], s[-2] + 1, s[-1]) for s in shapes[:1] if len(s) > 2 and not alike]
    states = [(s[0], s[-1]) for s in shapes[:1] if len(s) > 2]
    others = [s for s in every.values() if s not in shapes]
    return [*like, *reversed(shapes), *states, *reversed(others)]


def _sizes(shapes: list[Shape]) -> list[int]:
    """Sizes of axes in use, the latest and last ones first, and one that is in no use yet."""
    known = list(dict.fromkeys(n for s in reversed(shapes) for n in reversed(s) if n > 1))
    return [*known, next((n for n in FRESH if n not in known), 11)]


def _weights(shapes: list[Shape]) -> Iterator[Shape]:
    *known, new = _sizes(shapes)
    last = shapes[-1] if shapes else ()
    ranks = {len(s) for s in shapes[:1]}
    channels = list(dict.fromkeys(n for s in shapes[:1] for n in (s[-1], *s[1:2])))
    at = last[-1] if last else new
    pairs = [(at, new), *((n, new) for n in known), *((new, n) for n in known)]
    pairs += [(a, b) for a in known for b in known]
    yield from dict.fromkeys(pairs)
    if 4 in ranks:
        for k in ((3, 2), (3, 3), (2, 2)):
            for c in channels:
                yield from ((5, c, *k), (*k, c, 5), (c, 5, *k), (*k, 5, c), (*k, c), (c, *k), (5, *k, c), k)
            # One filter for each channel, or two; in groups.
            yield from (
                s
                for c in (HEADS, *channels)
                for s in ((2 * c, 1, *k), (*k, 1, 2 * c), (c, 1, *k), (*k, c, 1), (*k, c, 2))
            )
    if 3 in ranks:
        for c in channels:
            yield from ((5, c, 3), (3, c, 5), (c, 5, 3), (3, 5, c), (5, 3, c))
    if 3 in ranks:
        yield from (shape for c in channels for shape in ((3, c), (c, 3), (3, c, 1), (c, 1, 3)))
    if 3 in ranks and len(shapes[0]) == 3 and shapes[0][0] > 2:
        yield from ((5, shapes[0][0], 3, 2), (5, shapes[0][0], 3, 3), (3, 3, shapes[0][-1], 5))
    yield from ((3, 2), (3, 3), (3,), (1,)) if shapes and len(shapes[0]) <= 3 else ()
    yield from ((HEADS, n, 2) for n in known)


def _vectors(shapes: list[Shape]) -> Iterator[Shape]:
    known = _sizes(shapes)[:-1]
    for n in known:
        yield (n,)
    yield from ((1, n) for n in known)
    yield from ((n, 1) for n in known)
    yield from ((1, 1, 1, n) for n in known)
    yield from ((1, n, 1, 1) for n in known)
    yield from ((1, 1, n) for n in known)
    yield from ((1, n, 1) for n in known)
    yield (1,)


def told_ranks(f: Callable[..., Any]) -> dict[str, int]:
    """How many axes arguments have, where the code takes their shapes apart: `N, S, E = query.shape`."""
    try:
        text = inspect.getsource(f)
    except (OSError, TypeError):
        return {}
    found: dict[str, int] = {}
    for names, of in re.findall(r"^\s*\(?((?:\w+\s*,\s*)+\w*)\)?\s*=\s*(\w+)\.shape\s*(?:#.*)?$", text, re.MULTILINE):
        found.setdefault(of, len([n for n in names.split(",") if n.strip()]))
    return found
