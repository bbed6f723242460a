"""Linear classifiers whose loss is written nowhere: training asks on which side of a threshold an example lies, and moves w and b by that.

A support vector machine, Pegasos, a perceptron. The forward pass is the user's own: of every comparison that training makes, the difference
of its two sides is noted (see `decisions`). Where on one side nothing moves the weights but their decay, the loss is 0 there, and rises from
the threshold on the other: it is a hinge. Its derivative by w and b, with that of the decay, is what they must move by.

One example is given at a time: then it does not matter whether training goes through all of them before it moves.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np

from comparisons.check.differences import FLOOR, Derived, gradient
from comparisons.check.locating import Spot
from comparisons.check.styles.cost_arguments import BIAS, Given, N, choices
from comparisons.check.styles.costs import MOST, NEAR, classes_left
from comparisons.check.styles.decisions import Watched, exchanged, lines_run, noting, watched_codes
from comparisons.check.styles.network_arguments import RATE, is_x, is_y, required, role
from comparisons.check.styles.opened_functions import Turn, compiled, definition, missing_names, training_loop
from comparisons.check.styles.opened_training import Opened, asked, templates
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
LABELS = ((-1, 1), (0, 1))
"""What the two classes may be called, the likely ones first."""
DRAWS = 12
"""Examples of each class that show on which side of the threshold the loss is 0."""
MOST_DRAWS = 80
"""Examples that are tried until there is one of each class on each side."""
OF_EACH = 1, 2
"""Examples of both classes on each side; not as many of one as of the other, or what they move a bias by would cancel."""
CLEAR = 0.05
"""So far from the threshold an example must be."""
SMALL = 1e-3
"""Multiples are alike if they differ by no more than rounding makes of this."""
STEERING = ("rate", "epochs", "batch_size", "flag", "seed", "momentum")


@dataclass(frozen=True)
class Seen:
    """What training makes of one example.

    Attributes
    ----------
    label : int
    x : ndarray of shape (1, n)
    difference : float
        How far the comparison is from its threshold.
    moved : dict of str to ndarray
        Minus how far each parameter has moved, over the rate.
    """

    label: int
    x: Array
    difference: float
    moved: dict[str, Array]


_Placed = tuple[Seen, dict[str, Array]]
"""With the parameters that it was seen under."""


@dataclass
class LinearModel(Opened):
    """A training function that moves its weights on one side of a threshold.

    Attributes
    ----------
    x, y : str
        Its arguments for data.
    column : bool
        Whether labels stand in a column.
    labels : tuple of int
    site : str
        The comparison that decides.
    text : str
        How it is written, and where.
    rising : dict of int to int
        For each class the side on which there is a loss, 1 above the threshold, -1 below it.
    steepness : float
        Of the loss.
    decays : dict of str to ndarray
        By what multiple of itself each element of a parameter moves where there is no loss.
    """

    x: str = ""
    y: str = ""
    column: bool = False
    labels: tuple[int, ...] = ()
    site: str = ""
    text: str = ""
    rising: dict[int, int] = field(default_factory=dict)
    steepness: float = 1.0
    decays: dict[str, Array] = field(default_factory=dict)
    watching: tuple[Any, Any] = (None, None)

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "linear classifier with its update"

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        decayed = [f"{np.abs(c).max():.4g}/2 {_short(p)}^2" for p, c in self.decays.items() if c.any()]
        return [
            f"the loss is 0 on one side of {self.text} and rises on the other"
            + (f", by {self.steepness:.4g} times the distance" if abs(self.steepness - 1) > NEAR else "")
            + (f"; to it comes {' + '.join(decayed)}" if decayed else ""),
            "it was given one example at a time",
        ]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """How far each parameter moves for examples of each class on each side, one by one, beside the gradient of their losses."""
        inner = self._inner(rng)
        seen = self.one_of_each(inner, rng)
        for name in self.parameters:
            claimed = np.asarray(sum(s.moved[name] for s in seen))
            wanted, error, kinks = gradient(self._loss_by(name, seen, inner), inner[name], np.ones(()))
            if np.abs(claimed - wanted).max() <= FLOOR * np.abs(wanted).max():
                yield Derived(f"grad/{self.gradient}.{name}", claimed, wanted, error, kinks)
                continue
            told = (*self._of_decay(name, seen, inner, claimed - wanted), *self._of_slope(name, seen, inner))
            spot = self._spot(name, inner, seen)
            yield Derived(f"grad/{self.gradient}.{name}", claimed, wanted, error, kinks, 1, told, spot=spot)

    def _loss_by(self, name: str, seen: list[Seen], inner: dict[str, Array]) -> Any:
        """The loss of all examples as a function of one parameter."""
        decay = np.abs(self.decays[name]) / 2 * len(seen)

        def loss(v: Array) -> Array:
            total = float((decay * v**2).sum())
            for s in seen:
                difference = self.seen(inner | {name: v}, s.label, s.x).difference
                total += self.steepness * max(0.0, self.rising[s.label] * difference)
            return np.asarray(total)

        return loss

    def _of_decay(
        self, name: str, seen: list[Seen], inner: dict[str, Array], rest: Array
    ) -> Iterator[tuple[str, Array]]:
        """What it would be with another decay, where that is all that is wrong."""
        a, short, wants = inner[name], _short(name), float(np.abs(self.decays[name]).max())
        by = _multiple(rest, a) if a.size > 1 else None
        if by is None:
            return
        wanted = gradient(self._loss_by(name, seen, inner), a, np.ones(()))[0]
        if self.decays[name].min() < 0:
            yield f"the decay of {short} has the wrong sign: {short} grows by it", wanted + by * a
        else:
            has = wants + by / sum(OF_EACH)
            yield (
                f"where there is a loss the decay of {short} is {has:.4g} {short}, elsewhere {wants:.4g} {short}",
                wanted + by * a,
            )

    def _of_slope(self, name: str, seen: list[Seen], inner: dict[str, Array]) -> Iterator[tuple[str, Array]]:
        """What it would be if the loss of one class, or of both, were learned with the wrong sign."""
        decay = np.abs(self.decays[name]) * inner[name]
        parts = []
        for label in self.labels:
            own = [s for s in seen if s.label == label]
            whole, _, _ = gradient(self._loss_by(name, own, inner), inner[name], np.ones(()))
            parts.append(whole - len(own) * decay)
        if decay.any():
            text = f"{_short(name)} goes uphill where there is a loss: a sign is flipped, that of the decay is right"
            yield text, len(seen) * decay - sum(parts)
        for label, sign in zip(self.labels, (1, -1), strict=True):
            text = f"the examples of class {label} are learned with the wrong sign: is it multiplied by the class?"
            yield text, len(seen) * decay + sign * (parts[1] - parts[0])

    def _spot(self, name: str, inner: dict[str, Array], seen: list[Seen]) -> Spot | None:
        """The last line that moves a parameter, in the training function or else in what it calls."""
        growing = self.decays[name].min() < 0  # which shows where there is no loss
        one = next(s for s in seen if (self.rising[s.label] * s.difference < 0) == growing)
        with lines_run(self.file.path) as run:
            self.run(inner, one.label, one.x)
        homes = [(self.owner, self.gradient)]
        methods = vars(self.file.namespace[self.owner]) if self.owner else {}
        homes += [(self.owner, n) for n in methods if n not in (self.gradient, "__init__")]
        for owner, function in homes:
            tree = definition(self.file, owner, function)
            loop = training_loop(tree) if tree is not None else None
            moving = [
                n
                for n in (ast.walk(loop) if loop is not None else ())
                if isinstance(n, ast.Assign | ast.AugAssign)
                and n.lineno in run
                and re.search(rf"\b{re.escape(_short(name))}\b", ast.unparse(n).partition("=")[0])
            ]
            if moving:
                last = max(moving, key=lambda n: n.lineno)
                called = f"{owner}.{function}" if owner else function
                return Spot(called, last.lineno, ast.unparse(last))
        return None

    def one_of_each(self, inner: dict[str, Array], rng: np.random.Generator) -> list[Seen]:
        """Examples of each class on each side of the threshold.

        Raises
        ------
        UserError
            If there is none.
        """
        found: dict[tuple[int, bool], list[Seen]] = {}
        for i in range(MOST_DRAWS):
            s = self.seen(inner, self.labels[i % 2], self.example(rng))
            cell = found.setdefault((s.label, s.difference > 0), [])
            if abs(s.difference) > CLEAR and len(cell) < OF_EACH[self.labels.index(s.label)]:
                cell.append(s)
            if sum(map(len, found.values())) == 2 * sum(OF_EACH):
                return [s for some in found.values() for s in some]
        raise UserError(f"{self.gradient} decides always the same")

    def example(self, rng: np.random.Generator) -> Array:
        """One row."""
        return 2.0 * rng.standard_normal((1, N))

    def run(self, inner: dict[str, Array], label: int, x: Array) -> Watched:
        """One turn over one example."""
        values, _ = super()._drawn(np.random.default_rng(1))
        target = np.array([[label]] if self.column else [label])
        turn = self.turned(values | {self.x: x, self.y: target}, inner, RATE)
        assert isinstance(turn, Watched)
        return turn

    def seen(self, inner: dict[str, Array], label: int, x: Array) -> Seen:
        """What one example shows at the comparison that decides.

        Raises
        ------
        UserError
            If it is not asked for, or a parameter is lost.
        """
        return self.look(self.run(inner, label, x), inner, label, x)

    def look(self, turn: Watched, inner: dict[str, Array], label: int, x: Array) -> Seen:
        """The same of a turn."""
        difference = turn.differences.get(self.site)
        if difference is None or difference.size != 1 or not np.isfinite(difference).all():
            raise UserError(f"{self.gradient} compares nothing for one example")
        moved = {}
        for p, a in inner.items():
            if p not in turn.after or turn.after[p].size != a.size or not np.isfinite(turn.after[p]).all():
                raise UserError(f"{p} is lost")
            moved[p] = (a - turn.after[p].reshape(a.shape)) / turn.pace
        return Seen(label, x, float(difference.reshape(())), moved)

    def settle(self) -> bool:
        """Find the comparison that decides, the side on which there is no loss, and how steep the loss is on the other."""
        sites = _tried(self._begun) or {}
        for site in sorted(sites, key=lambda s: not s.startswith(f"{self.gradient}#")):
            self.site, self.text = site, sites[site]
            if _tried(self._shaped):
                return True
        return False

    def _begun(self) -> dict[str, str]:
        """Find the parameters: what training moves and a comparison depends on; the comparisons that depend on them."""
        rng = np.random.default_rng(11)
        x = self.example(rng)
        turns = [self.run({}, label, x) for label in self.labels]
        places = {
            p: a.shape
            for p, a in turns[0].before.items()
            if any(_has_moved(t, p) for t in turns) and (a.size > 1 or BIAS.fullmatch(_short(p)))
        }
        if not any(np.prod(s) > 1 for s in places.values()) or sum(int(np.prod(s)) for s in places.values()) > MOST:
            return {}
        self.places = places
        inner = self._inner(rng)
        here = self.run(inner, 1, x).differences
        depends: dict[str, set[str]] = {}
        for p, a in self._inner(rng).items():
            there = self.run(inner | {p: a}, 1, x).differences
            for site, d in here.items():
                if (
                    d.size == 1
                    and site in there
                    and there[site].shape == d.shape
                    and not np.array_equal(there[site], d)
                ):
                    depends.setdefault(site, set()).add(p)
        used = set().union(*depends.values())
        self.places = {p: s for p, s in places.items() if p in used}
        self.parameters = tuple(sorted(self.places, key=lambda p: -int(np.prod(self.places[p]))))
        texts = self._sites()
        return {site: texts.get(site, site) for site, on in depends.items() if on == used}

    def _sites(self) -> dict[str, str]:
        """Every comparison in words."""
        names = [(self.owner, n) for n in vars(self.file.namespace[self.owner])] if self.owner else []
        found: dict[str, str] = {}
        for owner, name in [*names, *(("", n) for n in self.file.functions())]:
            function = copy.deepcopy(definition(self.file, owner, name))
            if function is not None:
                found |= {site: f"`{text}` (line {line})" for site, (line, text) in noting(function).items()}
        return found

    def _shaped(self) -> bool:
        """Whether it is a hinge, and at least one parameter moves by its gradient."""
        rng = np.random.default_rng(13)
        weights = self.parameters[0]
        cells: dict[tuple[int, int], list[_Placed]] = {}
        for inner in (self._inner(rng), self._inner(rng)):
            for label, _ in itertools.product(self.labels, range(DRAWS)):
                s = self.seen(inner, label, self.example(rng))
                if abs(s.difference) > CLEAR:
                    cells.setdefault((label, 1 if s.difference > 0 else -1), []).append((s, inner))
        # Under both: an L1 penalty moves by the same multiple of the weights as long as the weights are the same.
        if len(cells) < 2 * len(self.labels) or any(len({id(at) for _, at in c}) < 2 for c in cells.values()):
            return False
        for label in self.labels:
            still = {side: _decay(cells[label, side], weights) is not None for side in (1, -1)}
            if still[1] == still[-1]:
                return False
            self.rising[label] = -1 if still[1] else 1
        quiet = [pair for label in self.labels for pair in cells[label, -self.rising[label]]]
        loud = [pair for label in self.labels for pair in cells[label, self.rising[label]][:2]]
        if _decay(quiet, weights) is None:
            return False  # another decay for one class than for the other
        self.decays = {}
        for p in self.parameters:
            decay = _decay(quiet, p)
            self.decays[p] = decay if decay is not None else np.zeros(self.places[p])
        return self._steep(loud)

    def _steep(self, loud: list[_Placed]) -> bool:
        """Find out by what multiple of the slope most elements move where there is a loss."""
        rests: list[Array] = []
        slopes: list[Array] = []
        for s, at in loud:
            rest, slope = [], []
            for p in self.parameters:
                by, _, _ = gradient(self._difference_by(p, s, at), at[p], np.ones(()))
                rest.append((s.moved[p] - self.decays[p] * at[p]).ravel())
                slope.append(self.rising[s.label] * by.ravel())
                if not self.decays[p].any() and _spanned(rest[-1], slope[-1], at[p].ravel()):
                    return False  # only what is learned decays: that is no gradient, but may be meant
            rests.append(np.concatenate(rest))
            slopes.append(np.concatenate(slope))
        with np.errstate(all="ignore"):
            found = np.array(rests) / np.array(slopes)
        single = np.repeat([self.places[p] == () for p in self.parameters], [at[p].size for p in self.parameters])
        if any((r > 0).all() and not _alike(r) for r in found.T[single]):
            return False  # the bias goes downhill, but by a length of its own for each example
        agreed = [float(r[0]) for r in found.T if r[0] > 0 and _alike(r)]
        counts = {k: sum(abs(other / k - 1) < NEAR for other in agreed) for k in agreed}
        if counts:
            self.steepness = max(counts, key=lambda k: counts[k])
            return True
        # Uphill throughout, or without the sign of the class.
        self.steepness = float(np.abs(found).flat[0])
        return self.steepness > 0 and _alike(np.abs(found).ravel())

    def _difference_by(self, name: str, s: Seen, inner: dict[str, Array]) -> Any:
        return lambda v: np.asarray(self.seen(inner | {name: v}, s.label, s.x).difference)

    def _turn(self, inner: dict[str, Array], rate: float) -> Turn:
        return Watched(inner, rate)

    def _record(self, stack: ExitStack, turn: Turn) -> None:
        """Have the comparisons of all other functions noted, too."""
        methods = list(vars(self.file.namespace[self.owner]).values()) if self.owner else []
        key = [getattr(f, "__code__", None) for f in (*methods, *self.file.functions().values())]
        if self.watching[0] != key:
            self.watching = key, list(watched_codes(self.file, self.owner, self.gradient))
        for f, code in self.watching[1]:
            stack.enter_context(exchanged(f, code))

    def _opened(self) -> tuple[FunctionType, dict[str, Any]]:
        """The opened function, its comparisons noted."""
        home = vars(self.file.namespace[self.owner]) if self.owner else self.file.namespace
        code = home[self.gradient].__code__
        if self.compiled is None or self.compiled[0] is not code:
            made = compiled(self.file, self.owner, self.gradient, True, noting)
            if made is None:
                raise UserError(f"{self.gradient} has no loop")
            made.__defaults__ = home[self.gradient].__defaults__
            self.compiled = (
                code,
                made,
                missing_names(made.__code__, self.file.namespace | {"__backproof_noted__": None}),
            )
        return self.compiled[1:]


def _tried(what: Callable[[], Any]) -> Any:
    """What it gives; None if the code does not run so."""
    try:
        return what()
    except (UserError, ValueError, TypeError, IndexError):
        return None


def _short(place: str) -> str:
    """The last name of a place."""
    return place.rpartition(".")[2]


def _has_moved(turn: Turn, place: str) -> bool:
    before, after = turn.before[place], turn.after.get(place)
    return after is not None and after.size == before.size and bool((after.reshape(before.shape) != before).any())


def _multiple(claimed: Array, of: Array) -> float | None:
    """The one number by which an array is a multiple of another; None if there is none."""
    square = float((of * of).sum())
    found = float((claimed * of).sum() / square) if square else 0.0
    return found if np.abs(claimed - found * of).max() <= NEAR * np.abs(claimed).max() else None


def _decay(pairs: list[_Placed], name: str) -> Array | None:
    """By what multiple of itself each element of a parameter moves for all these examples; None if something else moves it."""
    found = np.array([s.moved[name] / at[name] for s, at in pairs])
    return found.mean(axis=0) if all(_alike(column) for column in found.reshape(len(found), -1).T) else None


def _alike(numbers: Array) -> bool:
    """Whether numbers are the same, up to rounding."""
    return bool(np.isfinite(numbers).all() and np.ptp(numbers) <= NEAR * max(np.abs(numbers).max(), SMALL))


def _spanned(rest: Array, slope: Array, place: Array) -> bool:
    """Whether an array is made of a slope and of the parameter itself, and not of the slope alone."""
    if len(rest) < 3 or _multiple(rest, slope) is not None:
        return False
    basis = np.stack([slope, place], axis=1)
    found, *_ = np.linalg.lstsq(basis, rest, rcond=None)
    return bool(np.abs(basis @ found - rest).max() <= NEAR * np.abs(rest).max())


def find_linear(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[LinearModel]:
    """Training functions and methods that decide by a comparison.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    for name, f in file.functions().items():
        if name not in taken and name not in done and _likely(file, "", name, f):
            yield from itertools.islice(_settled(LinearModel(file, "", name, name, updates=True), f), 1)
    for owner, cls in classes_left(file, taken, done):
        for name, f in list(vars(cls).items()):
            if isinstance(f, FunctionType) and not name.startswith("__") and _likely(file, owner, name, f):
                tried = (LinearModel(file, owner, name, name, template=t, updates=True) for t in templates(file, cls))
                yield from itertools.islice((m for base in tried for m in _settled(base, f)), 1)


def _likely(file: UserFile, owner: str, name: str, f: Callable[..., Any]) -> bool:
    """Whether a function is given data, has a loop, and compares something, others that it calls included."""
    needed = _data(f, bool(owner))
    if len(needed) != 2 or not is_x(needed[0]) or not is_y(needed[1]):
        return False
    function = definition(file, owner, name)
    return function is not None and training_loop(function) is not None and _compares(file, owner, f)


def _compares(file: UserFile, owner: str, f: Callable[..., Any]) -> bool:
    methods = vars(file.namespace[owner]) if owner else {}
    waiting, seen = [f.__name__, "__init__"], set[str]()
    while waiting:
        name = waiting.pop()
        for home, found in ((owner, methods.get(name)), ("", file.functions().get(name))):
            if isinstance(found, FunctionType) and (key := f"{home}.{name}") not in seen:
                seen.add(key)
                function = definition(file, home, name)
                if function is not None and noting(ast.parse(ast.unparse(function)).body[0]):  # type: ignore[arg-type]
                    return True
                given = (getattr(d, "__name__", "") for d in found.__defaults__ or ())
                waiting += [*found.__code__.co_names, *given]
    return False


def _data(f: Callable[..., Any], method: bool) -> list[str]:
    return [p.name for p in required(f)[method:] if role(p.name) not in STEERING or is_x(p.name) or is_y(p.name)]


def _settled(base: LinearModel, f: Callable[..., Any]) -> Iterator[LinearModel]:
    """The function as it is called, if it is a hinge: best with labels under which all agree."""
    x, y = _data(f, bool(base.owner))
    given: dict[str, Given] = {}
    for name in asked(f, bool(base.owner)):
        if name in (x, y):
            continue
        some = choices(name)
        if not some:
            return
        given[name] = some[0]
    found = []
    for labels in LABELS:
        for column in (False, True):
            tried = replace(base, x=x, y=y, labels=labels, column=column, given=given, rising={}, decays={})
            if tried.settle():
                break
        else:
            continue
        if all(np.abs(d.subject - d.reference).max() <= NEAR * np.abs(d.reference).max() for d in _derived(tried)):
            yield tried
            return
        found.append(tried)
    yield from found


def _derived(model: LinearModel) -> list[Derived]:
    try:
        return list(model.derived(np.random.default_rng(23)))
    except UserError:
        return []
