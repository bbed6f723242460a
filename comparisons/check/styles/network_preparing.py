"""Objects that have no parameters when they are made: they make them when told to, or when they are given data.

`net.init_weights()`, `clf._build(n_features, n_classes)`, or `clf.fit(X, y)`, which begins with that. What methods expect to find in the
object, `self.X` and `self.y`, is None until then.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.styles.network_access import found_arrays
from comparisons.check.styles.network_arguments import (
    RATE,
    SIZES,
    constructor_arguments,
    is_x,
    is_y,
    parameters_of,
    required,
    role,
)
from comparisons.check.styles.shrinking import KEPT, NEW
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
M = 6
"""Examples."""
MADE = 4
"""Ways of making an object that are tried."""
_INITIALISE = re.compile(
    r"_*(re|n|nn|net|param)?_?(init(ial)?(i[sz]e|i[sz]ation)?|build|set_?up|create|make|reset|compile)_?\w*|_*(weights?|params|parameters)_?init\w*",
    re.IGNORECASE,
)
_FIT = ("fit", "train", "fit_transform", "learn")
_STEPS = re.compile(r"\w*(step|batch)\w*", re.IGNORECASE)


def empty(made: Any, given: list[Array]) -> bool:
    """Whether an object holds no matrix but those that it was given, and zeros for results."""
    return not any(
        a.ndim == 2 and a.size > 1 and a.any() and not any(np.array_equal(a, g) for g in given)
        for _, a in found_arrays(made)
    )


def steps(methods: list[str]) -> list[str]:
    """Of training methods those that make one step: `fit` would make its parameters anew."""
    return [n for n in methods if _STEPS.fullmatch(n)]


@dataclass
class Prepared:
    """An object with parameters.

    Attributes
    ----------
    arguments : dict
        Of the constructor.
    made : object
    method : str
        That made the parameters.
    given : dict
        For this method.
    """

    arguments: dict[str, Any]
    made: Any
    method: str
    given: dict[str, Any]

    def again(self, file: UserFile, cls: type, construct: Callable[..., Any], x: Any, y: Any) -> Any:
        """Another one with other data, where the constructor takes data; None where it does not."""
        data = {n: x if is_x(n) else y for n, a in self.arguments.items() if isinstance(a, np.ndarray)}
        if not data or self.method in _FIT:
            return None
        made = construct(file, cls, self.arguments | data)
        file.call(getattr(made, self.method), **self.given)
        return made


def prepared(file: UserFile, cls: type, construct: Callable[..., Any]) -> Iterator[Prepared]:
    """Objects with parameters, and how they were made.

    Parameters
    ----------
    file : UserFile
    cls : type
    construct : callable
        Makes an object from a file, a class and arguments.
    """
    ways = [n for n, f in inspect.getmembers(cls, inspect.isfunction) if _INITIALISE.fullmatch(n) and n != "__init__"]
    fits = [n for n in _FIT if inspect.isfunction(getattr(cls, n, None))]
    for arguments in itertools.islice(constructor_arguments(cls), MADE):
        arguments = arguments | _small(cls)
        try:
            made = construct(file, cls, arguments)
        except UserError:
            continue
        given = [a for a in arguments.values() if isinstance(a, np.ndarray)]
        if not hasattr(made, "__dict__") or not empty(made, given):
            return
        for name in [*ways, *fits]:
            f = getattr(cls, name)
            for more in _fit_arguments(f) if name in fits else _initial_arguments(f):
                own = _settled(copy.deepcopy(made))
                try:
                    file.call(getattr(own, name), **more)
                except (UserError, TypeError):
                    continue
                if not empty(own, given):
                    yield Prepared(arguments, own, name, more)
                    break
        return


def data_attributes(made: Any) -> tuple[str, str]:
    """Attributes that wait for inputs and for targets; empty where there are none."""
    waiting = [n for n, v in vars(made).items() if v is None or (isinstance(v, np.ndarray) and M in v.shape)]
    x = next(
        (
            n
            for n in waiting
            if is_x(n) and n.strip("_").lower() in ("x", "inputs", "input", "data", "x_train", "x_data", "a0")
        ),
        "",
    )
    y = next((n for n in waiting if n != x and is_y(n)), "")
    return (x, y) if x else ("", "")


def _settled(made: Any) -> Any:
    """The object set to one epoch."""
    for name, value in list(vars(made).items()):
        if type(value) in (int, float) and role(name) == "epochs" and value >= 1:
            setattr(made, name, 1)  # 1e4 as well as 10000
        elif type(value) is float and role(name) == "rate":
            setattr(made, name, RATE)
    return made


def _small(cls: type) -> dict[str, Any]:
    """Sizes that have a large default, made small."""
    new = iter(NEW)
    found: dict[str, Any] = {}
    for p in parameters_of(cls):
        if role(p.name) not in ("sizes", "hidden_size", "input_size", "output_size"):
            continue
        if type(p.default) is int and p.default > KEPT:
            found[p.name] = next(new, 4)
        elif isinstance(p.default, tuple | list) and p.default and all(type(n) is int for n in p.default):
            found[p.name] = type(p.default)(next(new, 4) if n > KEPT else n for n in p.default)
    return found


def _initial_arguments(f: Any) -> Iterator[dict[str, Any]]:
    """What is given to a method that makes parameters; nothing if it asks for what is not known."""
    sizes = {"input_size": SIZES[0], "hidden_size": SIZES[1], "output_size": SIZES[2], "sizes": list(SIZES)}
    given: dict[str, Any] = {}
    for p in required(f)[1:]:
        if role(p.name) in sizes and p.name not in ("x", "X", "y", "Y"):
            given[p.name] = sizes[role(p.name)]
        elif is_x(p.name):
            given[p.name] = _inputs()
        elif is_y(p.name):
            given[p.name] = _one_hot()
        else:
            return
    yield given


def _fit_arguments(f: Any) -> Iterator[dict[str, Any]]:
    """Small data for a method that trains, in rows, then in columns."""
    asked = [p.name for p in required(f)[1:]]
    if len(asked) < 2 or not is_x(asked[0]) or not is_y(asked[1]):
        return
    others: dict[str, Any] = {}
    for p in parameters_of(f)[3:]:
        if role(p.name) in ("epochs", "rate"):
            others[p.name] = 1 if role(p.name) == "epochs" else RATE
        elif p.default is p.empty:
            return
    x, numbers = _inputs(), np.arange(M) % SIZES[2]
    binary = (np.arange(M) % 2).reshape(-1, 1)
    pairs = [(x, _one_hot()), (x, numbers), (x, binary), (x.T, _one_hot().T), (x.T, binary.T)]
    for given in pairs:
        yield others | {asked[0]: given[0].copy(), asked[1]: given[1].copy()}


def _inputs() -> Array:
    return np.random.default_rng(3).standard_normal((M, SIZES[0]))


def _one_hot() -> Array:
    return np.eye(SIZES[2])[np.arange(M) % SIZES[2]]
