"""A forward function of parameters in a dictionary, and the backward function that gives their gradients, beside finite differences.

Transformers and other models that have no twin are written so: `logits, cache = forward(params, tokens)` and
`grads = backward(params, cache, dlogits)`. The dictionary is the file's own, or one with arrays of its shapes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain, returned
from comparisons.check.differences import Derived, gradient
from comparisons.check.styles.network_arguments import required
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
DICTIONARY = re.compile(r"param(eter)?s?|p|weights|theta|model")
_CACHE = re.compile(
    r"cache\w*|saved|ctx|context|memory|acts?|activations|tape|intermediates?|states?|values|forward_\w+|store|mem"
)
_AHEAD = re.compile(r"forward|fwd|fprop|feed_?forward|predict", re.IGNORECASE)
BACK = re.compile(r"backward|backprop\w*|bwd|bprop", re.IGNORECASE)
MOST = 4000
"""Elements of all parameters, from which no more than a part of them is looked at."""
LOOKED = 12
"""Elements of each parameter that are looked at where there are many."""


@dataclass
class DictionaryPair:
    """The two functions.

    Attributes
    ----------
    file : UserFile
    forward, backward : str
    held : dict of str to ndarray
        Parameters, with the shapes that they have.
    x : ndarray
        The input.
    """

    file: UserFile
    forward: str
    backward: str
    held: dict[str, Array]
    x: Array

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient by every parameter, from a random upstream gradient."""
        params = {n: rng.uniform(0.2, 0.6, a.shape) * rng.choice([-1.0, 1.0], a.shape) for n, a in self.held.items()}
        parts = self._run(params)
        output = parts[0]
        upstream = rng.standard_normal(output.shape)
        grads = self._gradients(params, parts, upstream)
        found = {n: g for n in params if (g := _named(grads, n)) is not None}
        if not found:
            raise UserError(f"{self.backward} gives no gradients by name")
        for name, g in found.items():
            places = _places(params[name], rng)

            def f(v: Array, name: str = name, places: tuple[Array, ...] = places) -> Array:
                moved = params[name].copy()
                moved[places] = v
                return np.asarray(self._run(params | {name: moved})[0])

            wanted, error, kinks = gradient(f, params[name][places], upstream)
            g = np.asarray(g, dtype=np.float64)
            seen = g[places] if g.shape == params[name].shape else g
            yield Derived(f"grad/{self.forward}.{name}", seen, wanted, error, kinks, len(self.x))

    def _run(self, params: dict[str, Array]) -> list[Any]:
        f = self.file.namespace[self.forward]
        given = {}
        for p in required(f):
            given[p.name] = {n: a.copy() for n, a in params.items()} if DICTIONARY.fullmatch(p.name) else self.x.copy()
        result = self.file.call(f, **given)
        parts = list(result) if isinstance(result, tuple) else [result]
        if not isinstance(parts[0], np.ndarray) or parts[0].dtype.kind != "f":
            raise UserError(f"{self.forward} returns no array first")
        return parts

    def _gradients(self, params: dict[str, Array], parts: list[Any], upstream: Array) -> dict[str, Any]:
        b = self.file.namespace[self.backward]
        names = returned(self.file.namespace[self.forward])
        by_name = dict(zip(names, parts, strict=True)) if len(names) == len(parts) else {}
        given: dict[str, Any] = {}
        open_ = []
        for p in required(b):
            if DICTIONARY.fullmatch(p.name):
                given[p.name] = {n: a.copy() for n, a in params.items()}
            elif p.name in by_name and p.name != names[0]:
                given[p.name] = by_name[p.name]
            elif _CACHE.fullmatch(p.name) and len(parts) > 1:
                given[p.name] = parts[-1]
            elif plain(p.name) in ("x", "tokens", "inputs", "ids", "idx"):
                given[p.name] = self.x.copy()
            elif plain(p.name) in ("y", "targets", "labels", "target", "t", "ytrue"):
                raise UserError(f"{self.backward} wants labels")
            else:
                open_.append(p.name)
        if len(open_) != 1:
            raise UserError(f"{self.backward} takes arguments that are not known")
        result = self.file.call(b, **given, **{open_[0]: upstream.copy()})
        dicts = [r for r in (result if isinstance(result, tuple) else (result,)) if isinstance(r, dict)]
        if not dicts:
            raise UserError(f"{self.backward} returns no dictionary")
        return dicts[0]


def _named(grads: dict[str, Any], name: str) -> Array | None:
    for key in (name, f"d{name}", f"d_{name}", f"grad_{name}", f"{name}_grad"):
        value = grads.get(key)
        if isinstance(value, np.ndarray | np.floating):
            return np.asarray(value)
    return None


def _places(a: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    """Indices of the elements that are looked at."""
    every = np.arange(a.size) if a.size <= LOOKED else np.sort(rng.permutation(a.size)[:LOOKED])
    return np.unravel_index(every, a.shape)


def find_dictionary_pairs(
    file: UserFile, functions: dict[str, Callable[..., Any]], known: Callable[[], dict[str, Any]]
) -> Iterator[DictionaryPair]:
    """Functions with a dictionary of parameters among their arguments that run.

    Parameters
    ----------
    file : UserFile
    functions : dict of str to callable
        Those that belong to nothing else.
    known : callable
        The file's global names, with what its statements make where that does no harm.
    """
    backs = [
        n for n, f in functions.items() if BACK.search(n) and any(DICTIONARY.fullmatch(p.name) for p in parameters(f))
    ]
    for backward in backs:
        for forward in forwards(functions, backward):
            asked = [p.name for p in required(file.namespace[forward])]
            if len(asked) != 2 or not any(DICTIONARY.fullmatch(n) for n in asked):
                continue
            for held, x in itertools.product(_dictionaries(known()), _inputs()):
                pair = DictionaryPair(file, forward, backward, held, x)
                try:
                    list(itertools.islice(pair.derived(np.random.default_rng(23)), 1))
                except (UserError, ValueError, TypeError, IndexError, KeyError):
                    continue
                yield pair
                break


def forwards(functions: dict[str, Callable[..., Any]], backward: str) -> list[str]:
    """Forward functions that are called as a backward one is."""
    base = BACK.sub("", backward).strip("_").lower()
    return [n for n in functions if n != backward and _AHEAD.search(n) and _AHEAD.sub("", n).strip("_").lower() == base]


def _dictionaries(names: dict[str, Any]) -> list[dict[str, Array]]:
    found = []
    for name, value in names.items():
        if isinstance(value, dict) and DICTIONARY.fullmatch(name) and value:
            arrays = {str(n): a for n, a in value.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
            if len(arrays) == len(value):
                found.append(arrays)
    return found


def _inputs() -> list[Array]:
    """Tokens, rows, sequences: whatever the forward function takes."""
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 3, (2, 4))
    rows = [rng.standard_normal((3, n)) for n in (1, 2, 3, 4, 5, 8, 10, 16, 32, 64)]
    timed = [rng.standard_normal((2, 4, n)) for n in (1, 2, 3, 4, 5, 8, 10, 16, 32, 64)]
    return [tokens, tokens[0], *timed, *rows]
