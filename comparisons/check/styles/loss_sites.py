"""Where a file keeps a loss and its gradient, of whatever kind, and how both are called.

Two functions, two methods of a class, one of which remembers what the other was given, one function with a flag, one that returns
both, entries of dictionaries.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain
from comparisons.check.construct import copied
from comparisons.check.homes import Home, homes, resolve, without_guards
from comparisons.check.known_losses import JUDGED
from comparisons.check.members import changed, is_gradient, snapshot
from comparisons.check.styles.activations import DERIVATIVE, FLAGS
from comparisons.check.styles.losses import GRADIENT, PREDICTION, TARGET, TYPES, VALUE, asked_for, gradient_names
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
Values = dict[str, Any]
KINDS: tuple[tuple[str, str], ...] = (
    ("label smoothing", r"\w*(labelsmooth|smoothedlabel|smoothlabel)\w*|\w*smooth\w*(crossentropy|ce)"),
    ("focal", r"\w*focal\w*"),
    ("squared logarithmic error", r"msle|\w*logarithmic\w*"),
    ("root of the squared error", r"rmse|root\w*square\w*"),
    ("smooth absolute error", r"smooth(l1|mae)\w*"),
    ("absolute error", r"(mean|sum)?abs(olute)?(error|deviation|diff\w*)?|(mean)?l1(norm)?|mae|lad"),
    ("Huber loss", r"(mean)?huber\w*"),
    ("log-cosh", r"(mean)?logcosh\w*"),
    ("squared hinge", r"(squared?|sq|l2)hinge|hinge(squared?|sq)"),
    ("hinge", r"(binary)?hinge"),
    ("Kullback-Leibler divergence", r"kl(d|div\w*)?|kullback\w*|relativeentropy"),
    ("Poisson", r"poisson\w*"),
    ("cosine", r"\w*cosine\w*"),
    ("Dice", r"(soft|binary)*dice\w*"),
    ("Jaccard", r"(soft)?(jaccard|iou|tversky)\w*"),
    ("quantile", r"quantile|pinball"),
    ("triplet", r"\w*triplet\w*"),
    ("contrastive", r"\w*contrastive\w*|ntxent|infonce"),
    ("percentage error", r"s?mape|\w*percentage\w*"),
)  # fmt: skip
"""Losses by the names that people give them, in lower case without underscores and without `loss`."""
_WORDS = re.compile(
    r"loss(es)?|cost|error(?=function|func|fn)|function|func|criterion|objective|^(compute|calc(ulate)?|get|my)"
)
_LOSS = re.compile(
    r"\w*(loss|cost|error|criterion|objective|divergence|entropy|likelihood|nll|energy)\w*", re.IGNORECASE
)
_BOTH = re.compile(r"\w*(loss|cost|criterion|objective|nll)\w*", re.IGNORECASE)
NUMBERS = {"margin": 1.0, "delta": 1.0, "gamma": 2.0, "alpha": 0.3, "beta": 0.8, "smoothing": 0.1, "labelsmoothing": 0.1, "eps": 0.1, "epsilon": 0.1,
           "temperature": 0.7, "temp": 0.7, "tau": 0.3, "quantile": 0.3, "q": 0.3, "smooth": 1.0, "m": 1.0, "weight": 1.0, "scale": 1.0,
           "threshold": 1.0, "reduction": "mean"}  # fmt: skip
"""What is given for the settings that a loss cannot do without."""
USUAL: tuple[tuple[str, str], ...] = (
    ("binary cross-entropy", r"bce\w*|binary\w*|log(istic)?(loss)?|sigmoidcrossentropy\w*"),
    ("cross-entropy", r"c?ce|\w*crossentropy\w*|nll|softmax\w*|negativeloglikelihood"),
    ("squared error", r"mse|\w*square\w*|quadratic|l2|sse"),
)
"""Losses that `losses` compares, where they stand as functions of their own."""
_COUNTS = ("m", "n", "batchsize", "nsamples", "numsamples")
_UPSTREAM = ("dout", "upstream", "gradoutput", "dl", "dloss", "upstreamgrad", "dj")
_ENTRY_VALUE = ("f", "fn", "func", "function", "loss", "cost", "forward", "value", "fun")
_ENTRY_GRADIENT = ("df", "dfn", "dloss", "dcost", "dfunc", "dfunction", *DERIVATIVE, "backward", "loss_grad")


def kind(name: str, usual: bool = False) -> str:
    """The known loss that a name stands for; empty if it is none. Squared errors and cross-entropies only where they are `usual`."""
    bare = plain(name)
    for shorter in (bare, _WORDS.sub("", bare), re.sub(r"^mean|mean$", "", _WORDS.sub("", bare))):
        for known, pattern in (*KINDS, *(USUAL if usual else ())):
            if shorter and re.fullmatch(pattern, shorter):
                return known
    return ""


class Identity:
    """An activation that changes nothing, for gradients that go through one."""

    def __call__(self, z: Array) -> Array:
        """The input."""
        return z

    def grad(self, z: Array) -> Array:
        """1 everywhere."""
        return np.ones_like(z)

    fn = forward = __call__
    derivative = prime = backward = grad


@dataclass
class Site:
    """A loss and its gradient, ready to be called.

    Attributes
    ----------
    file : UserFile
    label : str
        How the file calls it.
    members : tuple of str
    value : callable
        `value() -> function`, made afresh, so that no call sees what another left behind.
    both : callable
        `both() -> (function, gradient function or None)`, the two methods of one object where it is one.
    kind : str
    numbers : dict
        Settings that both cannot do without.
    flag : str
        The argument with which one function gives its gradient.
    doubtful : bool
        Whether only its methods say that a class is a loss.
    """

    file: UserFile
    label: str
    members: tuple[str, ...]
    both: Callable[[], tuple[Callable[..., Any], Callable[..., Any] | None, Any]]
    kind: str = ""
    flag: str = ""
    guards: tuple[float, ...] = ()
    line: int = 0
    doubtful: bool = False
    per_example: bool = field(default=False, compare=False)

    @property
    def is_judged(self) -> bool:
        """Whether its value is compared with a framework's: not that of a divergence which takes scores."""
        f = self.both()[0]
        names = getattr(getattr(getattr(f, "__func__", f), "__code__", None), "co_names", ())
        of_scores = self.kind.startswith("Kullback") and {"exp", "softmax", "log_softmax"} & set(names)
        return self.kind in JUDGED and not of_scores

    @property
    def of_its_gradient(self) -> bool:
        """Whether the loss is calculated from the gradient, so that it cannot be what the gradient is one of."""
        f, g, _ = self.both()
        return g is not None and getattr(g, "__name__", "") in getattr(getattr(f, "__code__", None), "co_names", ())

    @property
    def arguments(self) -> list[str]:
        """Arrays that the loss takes."""
        f = self.both()[0]
        return [p.name for p in asked_for(f) if not _setting(p.name)]

    def settings(self) -> list[float]:
        """Numbers in the code: defaults, what its object holds, constants."""
        f, _, thing = self.both()
        f = getattr(f, "__func__", f)
        inside = [*(f.__defaults__ or ()), *f.__code__.co_consts, *NUMBERS.values()]
        return (
            [float(v) for v in (*vars(thing).values(), *inside) if type(v) in (int, float)]
            if hasattr(thing, "__dict__")
            else [float(v) for v in inside if type(v) in (int, float)]
        )

    def value(self, values: Values) -> float:
        """The loss; the sum of what is given for each example or element."""
        f, _, thing = self.both()
        return float(self._number(self.file.call(f, **self._handed(f, values)), thing).sum())

    def run(self, values: Values) -> tuple[Array, list[tuple[str, Array]]]:
        """The loss as it is returned, and gradients with their names in the code."""
        f, g, thing = self.both()
        returned = self.file.call(f, **self._handed(f, values))
        value = self._number(returned, thing)
        if g is None and not self.flag:
            names = returned_names(f)
            parts = list(returned)
            if len(parts) == 2 and isinstance(parts[1], dict | list | tuple):
                inside = parts[1].items() if isinstance(parts[1], dict) else enumerate(parts[1])
                return value, [(str(n), _array(a)) for n, a in inside if _is_array(a)]
            names = names if len(names) == len(parts) else [""] * len(parts)
            return value, [(n, _array(a)) for n, a in zip(names[1:], parts[1:], strict=True) if _is_array(a)]
        if g is None:
            result = self.file.call(f, **self._handed(f, values), **{self.flag: True})
            parts = list(result) if isinstance(result, tuple) else [result]
            return value, [("", _array(a)) for a in parts if _is_array(a)][-1:]
        before = snapshot(thing) if thing is not None else {}
        result = self.file.call(g, **self._again(f, g, values, returned))
        if result is None and thing is not None:
            shapes = {np.shape(a) for a in values.values()}
            new = changed(thing, before)
            result = tuple(a for p, a in new.items() if is_gradient(p)) or tuple(
                a for a in new.values() if a.shape in shapes
            )
        names = returned_names(g)
        if isinstance(result, dict):
            return value, [(str(n), _array(a)) for n, a in result.items() if _is_array(a)]
        parts = list(result) if isinstance(result, tuple | list) and not _is_vector(result) else [result]
        names = names if len(names) == len(parts) else [""] * len(parts)
        return value, [(n, _array(a)) for n, a in zip(names, parts, strict=True) if _is_array(a)]

    def _handed(self, f: Callable[..., Any], values: Values) -> Values:
        given: Values = {}
        for p in (p for p in parameters(f) if p.default is p.empty):
            if p.name in values:
                given[p.name] = copied(values[p.name])
            elif plain(p.name) in TYPES:
                given[p.name] = np.float64
            elif plain(p.name) in _COUNTS and "margin" not in plain(p.name) and self.kind != "contrastive":
                given[p.name] = _length(values)
            else:
                given[p.name] = _number(p.name)
        return given

    def _again(self, f: Callable[..., Any], g: Callable[..., Any], values: Values, returned: Any) -> Values:
        """What the gradient is given: the loss's arguments, and what the loss returned beside itself.

        Raises
        ------
        UserError
            If it asks for something else.
        """
        names = returned_names(f)
        shown = (
            dict(zip(names, returned, strict=True))
            if isinstance(returned, tuple) and len(names) == len(returned)
            else {}
        )
        asked = asked_for(g)
        given: Values = {p.name: copied(values[p.name]) for p in asked if p.name in values}
        left = [n for n in values if n not in given]
        for p in (p for p in asked if p.name not in given):
            bare = plain(p.name)
            fitting = [n for n in left if _meaning(n) == _meaning(p.name) != ""] or (
                left if bare in PREDICTION or len(left) == 1 else []
            )
            if p.name in shown:
                given[p.name] = copied(shown[p.name])
            elif bare in _UPSTREAM:
                given[p.name] = 1.0
            elif bare in ("actfn", "activation", "act"):
                given[p.name] = Identity()
            elif bare == "z" and len(left) == 0:
                given[p.name] = copied(
                    values[next((n for n in values if _meaning(n) == "prediction"), next(iter(values)))]
                )
            elif bare in ("cache", "caches", "ctx", "context", "saved") and isinstance(returned, tuple):
                given[p.name] = returned[-1]
            elif fitting:
                given[p.name] = copied(values[fitting[0]])
                left.remove(fitting[0])
            elif bare in _COUNTS:
                given[p.name] = _length(values)
            elif _setting(p.name):
                given[p.name] = _number(p.name)
            else:
                raise UserError(f"{self.label}: nothing is known for the argument {p.name}")
        return given | {p.name: np.float64 for p in parameters(g) if p.default is p.empty and plain(p.name) in TYPES}

    def _number(self, returned: Any, thing: Any) -> Array:
        """The loss: a number, or one for each example or element.

        Raises
        ------
        UserError
            If there is none.
        """
        if returned is None and thing is not None:
            kept = getattr(thing, "__dict__", {})
            returned = next((kept[n] for n in ("loss", "cost", "output", "value", "error") if n in kept), None)
        if isinstance(returned, tuple | list) and returned and not _is_vector(returned):
            numbers = [r for r in returned if np.size(r) == 1 and not isinstance(r, dict | tuple | list)]
            returned = (numbers or list(returned))[0]
        try:
            a = np.asarray(returned, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"{self.label} returns no number") from error
        if not a.size or not np.isfinite(a).all():
            raise UserError(f"{self.label} returns no number")
        self.per_example = a.size > 1
        return a


def sites(file: UserFile, taken: frozenset[str]) -> Iterator[Site]:
    """All losses with gradients in a file, those of a known kind first."""
    found = list(_of_functions(file, taken))
    used = taken | {member for site in found for member in site.members}
    seen: set[tuple[str, ...]] = set()
    for site in sorted([*found, *_of_entries(file, used)], key=lambda s: not s.kind):
        if site.members not in seen:
            seen.add(site.members)
            yield site


def _of_functions(file: UserFile, taken: frozenset[str]) -> Iterator[Site]:
    for home in homes(file):
        if home.owner and home.owner in taken:
            continue
        used: set[str] = set()
        for name, written in home.functions.items():
            if (not home.owner and written in taken) or written in used or name == "init":
                continue
            partner = _partner(home, name, taken)
            if partner:
                used |= {written, partner}
                yield _two(file, home.owner, written, partner)
            elif _BOTH.fullmatch(written) or kind(written):
                yield from _one(file, home.owner, written)
        named = (
            bool(kind(home.owner) or _LOSS.search(home.owner) or _is_loss(file, home.owner)) if home.owner else False
        )
        if home.owner and not used and (named or {"loss", "cost"} & home.functions.keys()):
            yield from (replace(site, doubtful=not named) for site in _of_class(file, home))


def _is_loss(file: UserFile, owner: str) -> bool:
    return any(_LOSS.fullmatch(base.__name__) for base in file.namespace[owner].__mro__[1:])


def _partner(home: Home, name: str, taken: frozenset[str]) -> str:
    """The gradient beside a function that is called a loss."""
    written = home.functions[name]
    if not (kind(written) or _LOSS.fullmatch(written)) or re.search("grad|deriv|prime|back", name):
        return ""
    stems = {
        name,
        re.sub(r"(loss|cost|error)(function|func|fn)?$", "", name),
        name.removesuffix("forward"),
        re.sub("^(compute|calc)", "", name),
    }
    for stem in sorted(stems - {""}, key=len, reverse=True):
        for candidate in (
            *gradient_names(stem),
            stem + "lossbackward",
            stem + "bwd",
            "compute" + stem + "grad",
            "compute" + stem + "gradient",
        ):
            found = home.functions.get(candidate, "")
            if found and found != written and (home.owner or found not in taken):
                return found
    return ""


def _two(file: UserFile, owner: str, value: str, gradient: str) -> Site:
    def both() -> tuple[Callable[..., Any], Callable[..., Any] | None, Any]:
        f = resolve(file, owner, value)
        thing = getattr(f, "__self__", None)
        if thing is None or isinstance(thing, type):
            return f, resolve(file, owner, gradient), None
        made = _made(file, file.namespace[owner])
        return getattr(made, value), getattr(made, gradient), made

    members = tuple(f"{owner}.{n}" if owner else n for n in (value, gradient))
    label = f"{owner}.{value}" if owner else value
    return _site(file, owner or value, label, members, both, (value, gradient), owner, kind(value) or kind(owner))


def _site(
    file: UserFile,
    name: str,
    label: str,
    members: tuple[str, ...],
    both: Any,
    functions: tuple[str, ...],
    owner: str,
    known: str,
    flag: str = "",
) -> Site:
    if owner:
        bodies = [f for f in vars(file.namespace[owner]).values() if callable(f) or isinstance(f, staticmethod)]
    else:
        bodies = [file.namespace[n] for n in functions]
    guards = tuple(dict.fromkeys(g for f in bodies for g in without_guards(file, getattr(f, "__func__", f))))
    line = getattr(getattr(bodies[0], "__code__", None), "co_firstlineno", 0) if not owner else file.own.get(owner, 0)
    if known.startswith("Kullback") and any(
        re.search(r"^mu$|mean|var|sigma|std", p.name) for p in parameters(both()[0])
    ):
        known = ""  # of two Gaussians, by their parameters
    return Site(file, label, members, both, known, flag, guards, line)


def _one(file: UserFile, owner: str, name: str) -> Iterator[Site]:
    """One function that gives both: with a flag, or at once."""
    f = resolve(file, owner, name)
    flags = [
        p.name for p in parameters(f) if plain(p.name) in FLAGS and p.default in (False, 0) and p.default is not p.empty
    ]
    names = returned_names(f)
    several = len(names) > 1 and not flags
    if not flags and not (several and any(re.search(r"grad|^d", n) for n in names[1:])):
        return
    if len([p for p in asked_for(f) if not _setting(p.name)]) < 2 or (
        owner and not isinstance(_static(file, owner, name), staticmethod)
    ):
        return
    label = f"{owner}.{name}" if owner else name

    def both() -> tuple[Callable[..., Any], Callable[..., Any] | None, Any]:
        return resolve(file, owner, name), None, None

    yield _site(
        file, label, label, (label,), both, (name,), owner, kind(name, usual=bool(flags)), flags[0] if flags else ""
    )


def _static(file: UserFile, owner: str, name: str) -> Any:
    return inspect.getattr_static(file.namespace[owner], name, None)


def _of_class(file: UserFile, home: Home) -> Iterator[Site]:
    """A class that is one loss."""
    value = next((home.functions[n] for n in VALUE if n in home.functions), "")
    gradient = next((home.functions[n] for n in GRADIENT if n in home.functions and home.functions[n] != value), "")
    if value and gradient:
        cls = file.namespace[home.owner]

        def both() -> tuple[Callable[..., Any], Callable[..., Any] | None, Any]:
            made = _made(file, cls)
            return getattr(made, value), getattr(made, gradient), made

        members = (f"{home.owner}.{value}", f"{home.owner}.{gradient}")
        yield _site(file, home.owner, home.owner, members, both, (), home.owner, kind(home.owner))


def _made(file: UserFile, cls: type) -> Any:
    """An object of a class, with settings where it cannot do without.

    Raises
    ------
    UserError
        If it wants something else.
    """
    needed = [p for p in parameters(cls) if p.default is p.empty]
    return file.call(cls, **{p.name: _number(p.name) for p in needed})


def _of_entries(file: UserFile, used: frozenset[str] | set[str]) -> Iterator[Site]:
    """Entries of dictionaries: pairs of functions, small dictionaries of them, or two dictionaries with the same keys."""
    tables = {n: v for n in file.own if isinstance(v := file.namespace.get(n), dict) and v}
    for table, entries in tables.items():
        for key, entry in entries.items():
            for f, g in _entry(entries, key, entry, tables, table):
                if f.__name__ in used or g.__name__ in used:
                    continue  # compared under its own name
                yield _of_entry(file, table, key, f, g)


def _entry(
    entries: dict[Any, Any], key: Any, entry: Any, tables: dict[str, dict[Any, Any]], table: str
) -> Iterator[tuple[FunctionType, FunctionType]]:
    if isinstance(entry, tuple | list) and len(entry) == 2 and all(isinstance(f, FunctionType) for f in entry):
        yield entry[0], entry[1]
    elif isinstance(entry, dict):
        named = {plain(str(n)): f for n, f in entry.items() if isinstance(f, FunctionType)}
        f = next((named[n] for n in _ENTRY_VALUE if n in named), None)
        g = next((named[n] for n in _ENTRY_GRADIENT if n in named and named[n] is not f), None)
        if f is not None and g is not None:
            yield f, g
    elif isinstance(entry, FunctionType) and isinstance(key, str):
        own = {plain(str(n)): f for n, f in entries.items()}
        beside = [own.get(n) for n in gradient_names(plain(key))]
        others = [
            t[key] for n, t in tables.items() if n != table and key in t and re.search("deriv|prime|grad|^d", n.lower())
        ]
        g = next((f for f in (*beside, *others) if isinstance(f, FunctionType) and f is not entry), None)
        if g is not None:
            yield entry, g


def _of_entry(file: UserFile, table: str, key: Any, f: FunctionType, g: FunctionType) -> Site:
    guards = tuple(dict.fromkeys(x for h in (f, g) for x in without_guards(file, h)))
    label = f"{table}[{key!r}]"
    known = kind(str(key), usual=True)
    return Site(file, label, (label,), lambda: (f, g, None), known, "", guards, f.__code__.co_firstlineno)


def _setting(name: str) -> bool:
    return (plain(name) in NUMBERS and plain(name) not in ("m", "q")) or plain(name) in _COUNTS


def _number(name: str) -> Any:
    if plain(name) not in NUMBERS:
        raise UserError(f"nothing is known for the argument {name}")
    return NUMBERS[plain(name)]


def _meaning(name: str) -> str:
    """Whether a name is one of a prediction or of a target."""
    bare = plain(name)
    return "prediction" if bare in PREDICTION else "target" if bare in TARGET else ""


def _length(values: Values) -> int:
    return len(next(a for a in values.values() if isinstance(a, np.ndarray)))


def _is_vector(parts: Any) -> bool:
    """Whether a list is one of numbers, which stands for an array."""
    return isinstance(parts, list) and bool(parts) and all(isinstance(p, float | int | np.floating) for p in parts)


def _is_array(a: Any) -> bool:
    return isinstance(a, np.ndarray | list | float | np.floating) and np.asarray(a).dtype.kind in "fiub"


def _array(a: Any) -> Array:
    return np.asarray(a, dtype=np.float64)
