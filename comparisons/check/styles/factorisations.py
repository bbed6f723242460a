"""Matrix factorisation by steps over known ratings, beside finite differences of the squared error of its own predictions.

Such code has one method that draws its factors, goes over the ratings and moves the factors at once. So the same training is run for
some rounds and for one more, with the same random numbers and a single known rating: the difference is one step. A step is
c times the gradient of e^2 / 2 plus a decay; c and the decay are found on one rating, and judged on others.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.styles.network_arguments import parameters_of
from comparisons.check.styles.network_objects import assign, held, returned_names
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
USERS, ITEMS, FACTORS = 4, 5, 3
"""Unequal, so that shapes tell what is what."""
RATE, DECAY, ROUNDS = 0.0625, 0.3, 2
NEAR = 1e-7
_ABOUT = re.compile(r"factor|rating|latent|user|item", re.IGNORECASE)
_NAMES: tuple[tuple[str, str], ...] = (
    ("rounds", r"(n_?|num_?|max_?)?(epochs?|iter(ation)?s?|steps?)"),
    ("rate", r"lr|alpha|eta|gamma|(learning|learn)_?rate|step_?size"),
    ("decay", r"beta|reg\w*|l2\w*|lambd\w*|lmbda|lam|(user|item|bias)_?\w*_?reg\w*|weight_?decay"),
    ("factors", r"k|(n_?|num_?)?(latent_?)?(factors?|features?|dims?|components?)|latent\w*|rank|d|f|n_?latent"),
    ("users", r"(n_?|num_?)users?|n"),
    ("items", r"(n_?|num_?)(items?|movies?)|m"),
    ("P", r"p|u|w|users?(_?(factors|matrix|features|mat|vecs))?"),
    ("Q", r"q|v|h|items?(_?(factors|matrix|features|mat|vecs))?|movies?\w*"),
    ("ratings", r"r|ratings?\w*|data|matrix|x|train\w*|user_?item\w*|a|y|interactions?|samples"),
    ("flag", r"verbose|print\w*|shuffle|debug"),
    ("seed", r"seed|random_?state"),
    ("tolerance", r"tol\w*|eps\w*|threshold"),
)  # fmt: skip
_TRAIN = ("train", "fit", "run", "sgd", "learn", "optimize", "factorize", "fit_transform", "train_model")
_ONE = re.compile(
    r"_*(get_?|pred\w*|estimate\w*|compute_?)+(rating|single|one|score|prediction|estimate)?|predict\w*|rating",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"full_?matrix|predict\w*|reconstruct\w*|get_?(complete|full)_?matrix|(get_?)?predictions?|complete_?matrix",
    re.IGNORECASE,
)


@dataclass
class Factorisation:
    """A training over ratings that can be run for a number of rounds.

    Attributes
    ----------
    file : UserFile
    name : str
        Of the function, or of the class.
    method : str
        That trains, of a class.
    sort : str
        How ratings are handed over: `zeros`, `nan` or `triples`.
    turned : bool
        Whether a second factor that is an argument has its items in columns.
    """

    file: UserFile
    name: str
    method: str
    sort: str = "zeros"
    turned: bool = False
    factor: float = 1.0
    decays: dict[str, float] = field(default_factory=dict)

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return (self.name,)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        told = [f"the error is {'half ' if self.factor == 1 else ''}the square of rating minus prediction"]
        if abs(self.factor - 1) > NEAR and abs(self.factor - 2) > NEAR:
            told = [f"a step goes by {self.factor / 2:.4g} times the gradient of the squared error"]
        decayed = [f"{n} by {d:.4g}" for n, d in self.decays.items() if d > NEAR]
        if decayed:
            told.append(f"a regulariser of {DECAY} lets decay {', '.join(decayed)} times the rate")
        return told

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The step of every factor and bias, over the rate, beside the gradient."""
        step = self.step(rng)
        for name, before in step.before.items():
            slope, error, kinks = step.slope(name)
            wanted = self._with_decay(step, name, slope)
            claimed = (before - step.after[name]) / RATE
            data, decay = wanted - (rest := self._with_decay(step, name, np.zeros_like(slope))), rest
            told = [
                ("all but the decay has the wrong sign", decay - data),
                ("the decay has the wrong sign", data - decay),
                ("all but the decay is twice too large", 2 * data + decay),
                ("all but the decay is half as large as it should be", data / 2 + decay),
            ]
            for other in step.before:
                if other != name:
                    late = step.late(name, other)
                    told += [(self._too_late(other), self._with_decay(step, name, slope)) for slope in late]
            yield Derived(f"grad/{self.name}.{name}", claimed, wanted, self.factor * error, kinks, 1, tuple(told))

    def _with_decay(self, step: Step, name: str, slope: Array) -> Array:
        return self.factor * slope + self.decays.get(name, 0.0) * np.where(step.touched(name), step.before[name], 0)

    def _too_late(self, other: str) -> str:
        text = inspect.getsource(self.file.namespace[self.name])
        leaf = re.escape((re.findall(r"\w+", other) or [other])[-1])
        view = re.search(rf"(\w+)\s*=\s*(self\.)?{leaf}\[[^\]=]*\](\[:\])?[ \t]*(#.*)?\n", text)
        why = f": {view[1]} is a view of {other}, no copy" if view else ""
        return f"calculated after {other} had been updated{why}"

    def step(self, rng: np.random.Generator) -> Step:
        """One step on one rating.

        Raises
        ------
        UserError
            If nothing moves, or something of unknown shape.
        """
        i, j, rating, seed = (
            int(rng.integers(USERS)),
            int(rng.integers(ITEMS)),
            float(rng.uniform(2, 5)),
            int(rng.integers(1000)),
        )
        given = {"P": 0.6 * rng.standard_normal((USERS, FACTORS)), "Q": 0.6 * rng.standard_normal((ITEMS, FACTORS))}
        before, _ = self._trained(ROUNDS, (i, j, rating), seed, given)
        after, made = self._trained(ROUNDS + 1, (i, j, rating), seed, given)
        moved = {
            n: a
            for n, a in before.items()
            if n in after and a.shape == after[n].shape and not np.array_equal(a, after[n])
        }
        if any(not np.isfinite(after[n]).all() for n in moved):
            raise UserError(f"{self.name} gives no numbers")
        fixed = {n: a for n, a in before.items() if n not in moved}
        step = Step(self.file, made, moved, {n: after[n] for n in moved}, fixed, i, j, rating)
        if step.users() is None or step.items() is None:
            raise UserError(f"{self.name} moves no factors")
        step.settle()
        return step

    def _trained(
        self, rounds: int, known: tuple[int, int, float], seed: int, given: dict[str, Array]
    ) -> tuple[dict[str, Array], Any]:
        i, j, rating = known
        ratings: Any = np.full((USERS, ITEMS), np.nan if self.sort == "nan" else 0.0)
        ratings[i, j] = rating
        if self.sort == "triples":
            ratings = np.array([[i, j, rating]])
        values = {"rounds": rounds, "rate": RATE, "decay": DECAY, "factors": FACTORS, "users": USERS, "items": ITEMS, "ratings": ratings,
                  "P": given["P"], "Q": given["Q"].T if self.turned else given["Q"], "flag": False, "seed": seed, "tolerance": 0.0}  # fmt: skip
        np.random.seed(seed)  # noqa: NPY002
        thing = self.file.namespace[self.name]
        if not self.method:
            returned = self.file.call(thing, **_arguments(thing, values))
            parts = returned if isinstance(returned, tuple | list) else [returned]
            names = returned_names(thing)
            names = (
                [n.removesuffix(".T") for n in names]
                if len(names) == len(parts)
                else [f"factor {n + 1}" for n in range(len(parts))]
            )
            return {
                n: np.asarray(a, np.float64) for n, a in zip(names, parts, strict=True) if isinstance(a, np.ndarray)
            }, None
        made = self.file.call(thing, **_arguments(thing, values))
        for name, value in list(vars(made).items()):
            if type(value) in (int, float) and _role(name) in ("rounds", "rate", "decay"):
                setattr(made, name, values[_role(name)])
        train = getattr(made, self.method)
        self.file.call(train, **_arguments(train, values))
        shapes = (USERS, ITEMS, FACTORS)
        arrays = {
            n: np.asarray(a, np.float64)
            for n, a in held(made).items()
            if "[" not in n and all(s in (*shapes, 1) for s in a.shape)
        }
        return {n: a for n, a in arrays.items() if a.shape != (USERS, ITEMS)}, made

    def settle(self) -> bool:
        """Find the scale of a step and what decays; whether it is one of squared errors at all."""
        steps = [self.step(np.random.default_rng(seed)) for seed in (3, 4)]
        if any(s.before.keys() != steps[0].before.keys() for s in steps):
            return False
        factors: list[float] = []
        for name in steps[0].before:
            of = [_pair(s, name) for s in steps]
            if all(f is not None for f in of) and abs(of[0][0] - of[1][0]) < 1e-4 * abs(of[0][0]):  # type: ignore[index]
                factors += [of[0][0]]  # type: ignore[index]
        if not factors:
            return False
        counts = {f: sum(abs(other / f - 1) < 1e-4 for other in factors) for f in factors}
        best = max(counts, key=lambda f: (counts[f], min(abs(f - 1), abs(f - 2)) < 1e-4))
        self.factor = abs(best)
        for whole in (1.0, 2.0):
            if abs(self.factor / whole - 1) < 1e-6:
                self.factor = whole
        for name in steps[0].before:
            found = [s.decay(name, self.factor) for s in steps]
            if abs(found[0] - found[1]) < 1e-6 and found[0] > -1e-6:
                self.decays[name] = found[0]
        common = max(self.decays.values(), default=0.0)
        self.decays = {name: self.decays.get(name, common) for name in steps[0].before}
        return True


@dataclass
class Step:
    """One step: what moved, and from where to where.

    Attributes
    ----------
    file : UserFile
    made : object
        The trained object, if there is one.
    before, after : dict of str to ndarray
        What moved.
    fixed : dict of str to ndarray
        Other arrays and numbers.
    i, j, rating : int, int, float
        The known rating.
    """

    file: UserFile
    made: Any
    before: dict[str, Array]
    after: dict[str, Array]
    fixed: dict[str, Array]
    i: int
    j: int
    rating: float
    predict: Callable[[dict[str, Array]], float] | None = None

    def users(self) -> str | None:
        """The users' factors."""
        return next((n for n, a in self.before.items() if sorted(a.shape) == sorted((USERS, FACTORS))), None)

    def items(self) -> str | None:
        """The items' factors."""
        return next((n for n, a in self.before.items() if sorted(a.shape) == sorted((ITEMS, FACTORS))), None)

    def settle(self) -> None:
        """Choose how predictions are made: by the object's own method, or of the factors and biases."""
        for own in self._own():
            try:
                here = own(self.before)
                moved = own({n: a + 0.1 for n, a in self.before.items()})
            except (UserError, ValueError, TypeError, IndexError):
                continue
            if np.isfinite(here) and here != moved:
                self.predict = own
                return
        self.predict = self._usual

    def _own(self) -> Iterator[Callable[[dict[str, Array]], float]]:
        if self.made is None:
            return
        for name, f in inspect.getmembers(type(self.made), inspect.isfunction):
            needed = [p for p in parameters_of(f) if p.default is p.empty][1:]
            if len(needed) == 2 and _ONE.fullmatch(name):
                yield lambda a, name=name: self._asked(a, name, (self.i, self.j))  # type: ignore[misc]
            elif not needed and _ALL.fullmatch(name):
                yield lambda a, name=name: self._asked(a, name, ())  # type: ignore[misc]

    def _asked(self, arrays: dict[str, Array], name: str, places: tuple[int, ...]) -> float:
        made = copy.copy(self.made)
        for place, a in {**self._started(), **arrays}.items():
            assign(made, place, a.copy())
        found = np.asarray(self.file.call(getattr(made, name), *places), np.float64)
        return float(found[self.i, self.j] if found.shape == (USERS, ITEMS) else found.reshape(()))

    def _started(self) -> dict[str, Array]:
        return {n: a for n, a in self.fixed.items() if a.ndim}

    def _usual(self, arrays: dict[str, Array]) -> float:
        total = 0.0
        users, items = arrays[self.users() or ""], arrays[self.items() or ""]
        total += float(
            (users if users.shape[0] == USERS else users.T)[self.i]
            @ (items if items.shape[0] == ITEMS else items.T)[self.j]
        )
        for name, a in {**self.fixed, **arrays}.items():
            if a.size == 1 and re.search(r"\bb|bias|mu|mean|global", name):
                total += float(a.reshape(()))
            elif a.size == USERS and name in arrays:
                total += float(a.ravel()[self.i])
            elif a.size == ITEMS and name in arrays:
                total += float(a.ravel()[self.j])
        return total

    def slope(self, name: str, others: dict[str, Array] | None = None) -> tuple[Array, float, Array]:
        """The gradient of half the squared error."""
        arrays = self.before | (others or {})
        assert self.predict is not None
        f = self.predict
        return gradient(
            lambda v: np.asarray(0.5 * (self.rating - f(arrays | {name: v})) ** 2), self.before[name], np.ones(())
        )

    def late(self, name: str, other: str) -> Iterator[Array]:
        """The gradient once another array has been updated, with the error of before or a new one."""
        assert self.predict is not None
        f, moved = self.predict, self.before | {other: self.after[other]}
        error = self.rating - f(self.before)
        yield gradient(lambda v: np.asarray(-error * f(moved | {name: v})), self.before[name], np.ones(()))[0]
        yield self.slope(name, {other: self.after[other]})[0]

    def touched(self, name: str) -> Array:
        """Which elements of an array moved, or might have: the row of a user or item, or all."""
        return np.asarray(self.before[name] != self.after[name])

    def decay(self, name: str, factor: float) -> float:
        """What multiple of itself an array loses besides the gradient."""
        rest = (self.before[name] - self.after[name]) / RATE - factor * self.slope(name)[0]
        place = np.where(self.touched(name), self.before[name], 0)
        return float((rest * place).sum() / (place**2).sum()) if np.any(place) else 0.0


def _pair(step: Step, name: str) -> tuple[float, float] | None:
    """The multiples of the gradient and of the array itself that a step is; None if it is not made of these."""
    claimed = (step.before[name] - step.after[name]) / RATE
    slope, place = step.slope(name)[0], np.where(step.touched(name), step.before[name], 0)
    basis = np.stack([slope.ravel(), place.ravel()], axis=1)
    if np.linalg.matrix_rank(basis) < 2:
        return None
    found = np.linalg.lstsq(basis, claimed.ravel(), rcond=None)[0]
    near = np.abs(basis @ found - claimed.ravel()).max() <= NEAR * np.abs(claimed).max()
    return (float(found[0]), float(found[1])) if near and abs(found[0]) > NEAR else None


def _role(name: str) -> str:
    return next((role for role, pattern in _NAMES if re.fullmatch(pattern, name, re.IGNORECASE)), "")


def _arguments(f: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
    given = {}
    for p in parameters_of(f):
        role = _role(p.name)
        if p.default is not p.empty and role in ("", "P", "Q", "ratings", "users", "items"):
            continue
        if not role:
            raise UserError(f"nothing is known for the argument {p.name}")
        value = values[role]
        given[p.name] = value.copy() if isinstance(value, np.ndarray) else value
    return given


def find_factorisations(file: UserFile, taken: frozenset[str]) -> Iterator[Factorisation]:
    """Classes and functions that factorise a matrix of ratings."""
    for name, thing in {**file.functions(), **file.classes()}.items():
        if name in taken or not _likely(thing):
            continue
        methods = (
            [n for n in _TRAIN if inspect.isfunction(getattr(thing, n, None))] if isinstance(thing, type) else [""]
        )
        found = next((f for f in _ways(file, name, methods) if _works(f)), None)
        if found is not None:
            yield found


def _likely(thing: Any) -> bool:
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError):
        return False
    names = [p.name for p in parameters_of(thing)]
    if isinstance(thing, type):
        names += [p.name for n in _TRAIN if inspect.isfunction(f := getattr(thing, n, None)) for p in parameters_of(f)]
    roles = {_role(n) for n in names}
    return bool(_ABOUT.search(text)) and "ratings" in roles and bool(roles & {"factors", "P"}) and "rounds" in roles


def _ways(file: UserFile, name: str, methods: list[str]) -> Iterator[Factorisation]:
    for method in methods:
        for sort in ("zeros", "triples", "nan"):
            for turned in (False, True) if not method else (False,):
                yield Factorisation(file, name, method, sort, turned)


def _works(found: Factorisation) -> bool:
    try:
        return found.settle()
    except (UserError, ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError):
        return False
