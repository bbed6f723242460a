"""A forward function of any arrays, dictionaries and options with its backward function, beside finite differences of the former.

`multi_head_attention_forward(query, key, value, params, num_heads, attn_mask=None)` and `..._backward(dout, cache)`: what the arrays look
like is found out by running the forward function. Of all ways in which both run, with gradients in the shapes of arguments, the one
counts in which most gradients are right. Strides, paddings and masks are tried in several settings.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from comparisons.check.calling import tree
from comparisons.check.differences import Derived, gradient, ratio
from comparisons.check.styles.gradient_names import matched
from comparisons.check.styles.lazy_arguments import (
    OPTIONS,
    SPECIAL,
    Filled,
    Options,
    Search,
    arguments,
    first_shape,
    kind_of_number,
    run,
    told_ranks,
)
from comparisons.check.styles.network_access import found_arrays, stem
from comparisons.check.styles.network_arguments import parameters_of, required
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
NEAR = 1e-6
READINGS = 6
"""Ways in which both functions run that are compared at most, before the best of them is taken."""
MOST = 420
"""Elements of all arrays that are differentiated by, from which only a part of each array is looked at."""
LOOKED, FEW = 24, 10
"""Elements of each array that are looked at then, and while a reading is chosen."""
_BACKWARD = re.compile(r"(?P<before>\w+?)_?(backward|backprop|back_prop|bwd|bprop|back|Backward|Backprop|grad|Back|backward_pass|vjp)(?P<ending>_\w+)?|(backward|backprop|back_prop|bprop|bwd|grad|back)_?(?P<after>\w+)")  # fmt: skip
_BACKWARDS = re.compile(r"back|bwd|bprop", re.IGNORECASE)
_FORWARDS = ("{}_forward{}", "{}_fwd{}", "{}Forward{}", "forward_{}{}", "{}_fprop{}", "fwd_{}{}", "{}{}", "{}_forward_pass{}", "{}_prop{}", "{}_forward", "{}")  # fmt: skip
_CACHE = re.compile(r"\w*cache\w*|saved\w*|ctx|context|mem(ory)?|tape|intermediates?|stash|residuals?|store|state|aux|shape|\w*_shape|acts?|activations|c|mask|idx|\w*indices",
                    re.IGNORECASE)  # fmt: skip
_UPSTREAM = re.compile(
    r"d[A-Za-z_]?\w*|\w*grad\w*|delta\w*|\w*err(or)?\w*|upstream\w*|g|gy|\w*_bar|top_?diff|eta", re.IGNORECASE
)


@dataclass(frozen=True)
class Reading:
    """One way of calling both.

    Attributes
    ----------
    filled : dict
        Values of the arguments that have none by default.
    options : Options
    right, wrong : int
        Gradients that are derivatives, and that are not.
    """

    filled: Filled
    options: Options
    right: int = 0
    wrong: int = 0


@dataclass
class FunctionPair:
    """The two functions.

    Attributes
    ----------
    file : UserFile
    forward, backward : str
    readings : list of Reading
        One for each setting under which they are compared.
    remark : str
        What was found out about what they take.
    """

    file: UserFile
    forward: str
    backward: str
    readings: list[Reading] = field(default_factory=list)
    remark: str = ""
    lost: int = 0
    """Arrays that the backward function gave the last time, and that are gradients of nothing."""
    means: bool = False
    """Whether gradients of parameters are divided by the number of examples."""

    @property
    def settings(self) -> int:
        """How many cases there are."""
        return len(self.readings)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        means = ["gradients of parameters are divided by the number of examples, so the upstream gradient is not"]
        return [*([self.remark] if self.remark else []), *(means if self.means else [])]

    def derived(self, rng: np.random.Generator, setting: int = 0) -> Iterator[Derived]:
        """Gradients by all arrays for which one comes back."""
        yield from self._derived(self.readings[setting], rng)

    def _derived(self, reading: Reading, rng: np.random.Generator, looked: int = 0) -> Iterator[Derived]:
        filled = {place: _drawn(v, rng) for place, v in reading.filled.items()}
        if not self._finite(filled, reading.options):  # a logarithm or a root
            filled = {place: np.abs(v) + 0.5 if v is not reading.filled[place] else v for place, v in filled.items()}
        reals = {place: v for place, v in filled.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
        output, returned = self._run(filled, reading.options)
        upstream = rng.standard_normal(output.shape)
        claimed = self._claimed(filled, reading.options, returned, upstream)
        if self.means:
            first, *others = claimed
            claimed |= {place: claimed[place] * len(reals[first]) for place in others}
        size = sum(reals[place].size for place in claimed)
        for place, g in claimed.items():
            a = reals[place]
            if looked and g.shape != a.shape:
                yield Derived(f"grad/{self.forward}.{_label(place)}", g, np.ones(a.shape), 0.0, np.zeros(a.shape, bool))
                continue
            few = looked or (LOOKED if size > MOST else 0)
            some = 0 < few < a.size and g.shape == a.shape
            at = np.unravel_index(np.sort(rng.permutation(a.size)[:few]), a.shape) if some else ...

            def f(v: Array, place: tuple[str, ...] = place, a: Array = a, at: Any = at) -> Array:
                moved = a.copy()
                moved[at] = v
                return self._run(filled | {place: moved}, reading.options)[0]

            wanted, error, kinks = gradient(f, a[at], upstream)
            yield Derived(f"grad/{self.forward}.{_label(place)}", g[at] if some else g, wanted, error, kinks, 1)

    def _finite(self, filled: Filled, options: Options) -> bool:
        try:
            self._run(filled, options)
        except UserError:
            return False
        return True

    def _run(self, filled: Filled, options: Options) -> tuple[Array, Any]:
        returned = run(self.file, self.forward, filled, options)
        output = returned[0] if isinstance(returned, tuple | list) and returned else returned
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or not np.isfinite(output).all():
            raise UserError(f"{self.forward} returns no array")
        return output, returned

    def _claimed(
        self, filled: Filled, options: Options, returned: Any, upstream: Array
    ) -> dict[tuple[str, ...], Array]:
        """The gradients that the backward function gives, by what they are gradients of."""
        b, f = self.file.namespace[self.backward], self.file.namespace[self.forward]
        given = arguments(f, filled, options)
        own = _own(b, f, given, returned, upstream)
        np.random.seed(0)  # noqa: NPY002
        result = self.file.call(b, **own)
        places = {_label(p): p for p, v in filled.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
        found = {n: np.asarray(g, dtype=np.float64) for n, g in _named(b, result) if np.asarray(g).dtype.kind == "f"}
        if isinstance(result, np.ndarray):
            return {next(iter(places.values())): np.asarray(result, dtype=np.float64)}
        claimed = _at_paths(places, found)
        left = {n: g for n, g in found.items() if not any(g is c for c in claimed.values())}
        given = {n: filled[p] for n, p in places.items() if p not in claimed}
        claimed |= {places[n]: g for n, g in matched(given, left).items()}
        left = {_plain(n): g for n, g in left.items() if not any(g is c for c in claimed.values())}
        # Of the right name, but not of the right shape.
        claimed |= {p: left.pop(_plain(n)) for n, p in places.items() if p not in claimed and _plain(n) in left}
        open_ = [p for p in places.values() if p not in claimed]
        if len(open_) == len(left) == 1 and claimed:
            claimed[open_[0]] = left.popitem()[1]
        self.lost = len(left)
        return {p: claimed[p] for p in places.values() if p in claimed}

    def settle(self) -> bool:
        """Find the readings; whether there is one."""
        ranks = told_ranks(self.file.namespace[self.forward])
        for options in self._options():
            found = self._best(Search(self.file, self.forward, options, ranks))
            if found is None:
                found = self._best(Search(self.file, self.forward, options, ranks, alike=True))
                if found is not None and sum(len(np.shape(v)) > 2 for v in found.filled.values()) > 1:
                    self.remark = f"all sequences have one length: with others {self.backward} raises"
            if found is not None:
                self.readings.append(found)
        self.means = bool(self.readings) and all(map(self._averages, self.readings))
        return bool(self.readings)

    def _averages(self, reading: Reading) -> bool:
        """Whether the input's gradient is right, and those of two parameters at least are so once they are multiplied by the examples."""
        if not reading.wrong:
            return False
        first, *others = self._derived(reading, np.random.default_rng(23), FEW)
        m = first_shape(reading.filled)[0]
        if any(d.subject.shape != d.reference.shape for d in (first, *others)):
            return False
        ratios = [ratio(d) for d in others]
        return len(others) > 1 and m > 1 and _right(first) and all(r and abs(r * m - 1) < NEAR for r in ratios)

    def _options(self) -> list[Options]:
        """The settings that make a difference to what the forward function speaks of."""
        f = self.file.namespace[self.forward]
        body = tree(f)
        text = ast.unparse(body) if body is not None else ""
        kinds = {kind_of_number(p.name) for p in parameters_of(f)}
        of = {"stride": "stride", "padding": r"\bpad|padding", "dilation": "dilat", "causal": "mask|causal"}
        asked = [n for n, pattern in of.items() if n in kinds or re.search(pattern, text)]
        found: dict[tuple[Any, ...], Options] = {}
        for options in OPTIONS:
            found.setdefault(tuple(getattr(options, n) for n in asked), options)
        return list(found.values())

    def _best(self, search: Search) -> Reading | None:
        """The reading in which most gradients are right; one in which some have the wrong shape, if there is no other."""
        best: Reading | None = None
        misshapen: Reading | None = None
        partly: Reading | None = None
        compared = 0
        for filled in search.ways():
            if best is not None and first_shape(filled) in SPECIAL:
                break
            reading = Reading(filled, search.options)
            try:
                found = list(self._derived(reading, np.random.default_rng(23), FEW))
            except (UserError, ValueError, TypeError, KeyError, IndexError, AttributeError):
                search.refuse(filled)
                continue
            if not any(np.abs(d.reference).max(initial=0) > 0 for d in found):
                search.refuse(filled)
                continue
            whole = [d for d in found if d.subject.shape == d.reference.shape]
            if self.lost:
                partly = partly or Reading(
                    filled, search.options, sum(map(_right, whole)), len(found) - sum(map(_right, whole))
                )
                search.refuse(filled)
                continue
            right = sum(map(_right, whole))
            reading = Reading(filled, search.options, right, len(found) - right)
            if len(whole) < len(found):
                misshapen = misshapen or (reading if 0 < right == len(whole) else None)
                search.refuse(filled)
                continue
            if (
                best is not None
                and best.wrong
                and not reading.wrong
                and len(first_shape(filled)) < len(first_shape(best.filled))
            ):
                self.remark = f"the first array has {len(first_shape(filled))} axes: with {len(first_shape(best.filled))} gradients are wrong"
            best = reading if best is None or reading.wrong < best.wrong else best
            search.settle(filled)
            compared += 1
            if best.wrong == 0 or compared >= READINGS:
                break
        return best or misshapen or (partly if partly and not partly.wrong else None)


def _at_paths(places: dict[str, tuple[str, ...]], found: dict[str, Array]) -> dict[tuple[str, ...], Array]:
    """Gradients in dictionaries like those of the parameters: `grads['mlp']['w']` is that of `params['mlp']['w']`."""
    by_path: dict[tuple[str, ...], list[Array]] = {}
    for name, g in found.items():
        keys = re.findall(r"\['?(\w[^'\]]*)'?\]", name)
        by_path.setdefault(tuple(keys), []).append(g)
    exact = {p: by_path[p[1:]] for p in places.values() if len(p) > 1 and p[1:] in by_path}
    return {p: gs[0] for p, gs in exact.items() if len(gs) == 1}


def _plain(name: str) -> str:
    """A name without what marks it as a gradient, as it is compared with others."""
    return stem(name).lower().replace("_", "")


def _drawn(value: Any, rng: np.random.Generator) -> Any:
    """Other numbers of the same shape; masks and indices stay."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isin(value, (0.0, 1.0)).all():
        return rng.standard_normal(value.shape)
    return value


def _label(place: tuple[str, ...]) -> str:
    return place[0] + "".join(f"['{key}']" for key in place[1:])


def _right(d: Derived) -> bool:
    return bool(
        np.abs(d.subject - d.reference)[~d.kinks].max(initial=0) <= NEAR * max(np.abs(d.reference).max(initial=0), 1e-3)
    )


def _own(
    b: Callable[..., Any], f: Callable[..., Any], given: dict[str, Any], returned: Any, upstream: Array
) -> dict[str, Any]:
    """Arguments of the backward function: the upstream gradient, what the forward function returned, and its own arguments again."""
    parts = list(returned) if isinstance(returned, tuple | list) else [returned]
    names = returned_names(f)
    results = dict(zip(names, parts, strict=True)) if len(names) == len(parts) else {}
    lower = {n.lower(): n for n in given}
    own: dict[str, Any] = {}
    open_ = []
    asked = required(b)
    for i, p in enumerate(asked):
        name = p.name
        if i == 0 and _UPSTREAM.fullmatch(name) and name not in given:
            own[name] = upstream.copy()
        elif name in results and name != names[0]:
            own[name] = results[name]
        elif name.lower() in lower:
            own[name] = given[lower[name.lower()]]
        elif name in results:
            own[name] = results[name]
        else:
            open_.append(name)
    if not any(v is not None and isinstance(v, np.ndarray) and v.shape == upstream.shape for v in own.values()) or (
        asked and asked[0].name in open_
    ):
        first = next(
            (n for n in open_ if _UPSTREAM.fullmatch(n) and not _CACHE.fullmatch(n)), open_[0] if open_ else ""
        )
        if not first:
            raise UserError("it takes no upstream gradient")
        own[first] = upstream.copy()
        open_.remove(first)
    left = parts[1:] if len(parts) > 1 else []
    if len(open_) == 1 and left:
        own[open_[0]] = left[0] if len(left) == 1 else tuple(left)
    elif open_ and len(open_) == len(left):
        own |= dict(zip(open_, left, strict=True))
    elif len(open_) == 1 and len(given) >= 1:
        own[open_[0]] = next(iter(given.values()))
    elif open_:
        raise UserError(f"it takes an argument {open_[0]} that is not known")
    for p in parameters_of(b):
        if p.default is not p.empty and p.name in given and not isinstance(given[p.name], np.ndarray):
            own[p.name] = given[p.name]
    return own


def _named(b: Callable[..., Any], result: Any) -> Iterator[tuple[str, Array]]:
    """Gradients that came back, by the names that they have there."""
    if isinstance(result, tuple | list):
        names = returned_names(b)
        for i, part in enumerate(result):
            name = names[i] if len(names) == len(result) and re.fullmatch(r"[\w.]+", names[i]) else f"grad[{i}]"
            yield from found_arrays(part, name)
    else:
        yield from found_arrays(result, "" if isinstance(result, dict) else "grad")


def find_function_pairs(file: UserFile, functions: dict[str, Callable[..., Any]]) -> Iterator[FunctionPair]:
    """Backward functions with their forward functions, by their names, that run."""
    for backward in functions:
        forward = _forward_of(backward, functions)
        if not forward or not required(functions[forward]) or len(parameters_of(functions[backward])) < 2:
            continue
        own = {p.name for p in parameters_of(functions[forward])}
        if all(p.name in own for p in required(functions[backward])):
            continue  # there is no upstream gradient
        pair = FunctionPair(file, forward, backward)
        if pair.settle():
            yield pair


def _forward_of(backward: str, functions: dict[str, Callable[..., Any]]) -> str:
    owner, dot, name = backward.rpartition(".")
    if dot:
        beside = [n for n in functions if n.rpartition(".")[0] == owner and not _BACKWARDS.search(n.rpartition(".")[2])]
        return beside[0] if beside and _BACKWARDS.search(name) else ""
    found = _BACKWARD.fullmatch(name)
    base, ending = ((found["before"] or found["after"] or ""), found["ending"] or "") if found else ("", "")
    names = (p.format(base, ending) for p in _FORWARDS if p.count("{}") == 2) if base else ()
    more = (p.format(base) for p in _FORWARDS if p.count("{}") == 1) if base else ()
    return next((n for n in itertools.chain(names, more) if n in functions and n != backward), "")
