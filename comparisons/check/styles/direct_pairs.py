"""Backward functions that take the forward function's own arguments again, without a cache, beside finite differences.

`convolutionBackward(dout, conv_in, filt, stride)` beside `convolution(image, filt, bias, stride)`: arguments are matched by their names, and
what is left by the order in which it comes.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.styles.gradient_names import matched
from comparisons.check.styles.network_arguments import parameters_of, required
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
MOST = 220
"""Elements of all arrays together from which it would take too long."""
WAYS = 60
NEAR = 1e-6
_BACKWARD = re.compile(r"(?P<before>\w+?)_?(backward|backprop|bwd|back|Backward|bprop|BackProp|Back)(_\w+)?|(?:backward|backprop|bprop)_?(?P<after>\w+)")  # fmt: skip
_FORWARDS = ("{}", "{}_forward", "{}Forward", "forward_{}", "{}_fwd", "{}_prop")
_UPSTREAM = re.compile(r"d[A-Za-z_]\w*|grad\w*|delta\w*|error\w*|upstream", re.IGNORECASE)
_FILTER = re.compile(r"filt\w*|kernels?|w\w{0,3}|weights?|k", re.IGNORECASE)
_BIAS = re.compile(r"b|bias\w*", re.IGNORECASE)
_SIZE = re.compile(r"f|k|size|pool_?\w*|kernel_?size|window\w*|h|w|s|stride\w*|pad\w*|p", re.IGNORECASE)
INPUTS = ((5, 4), (2, 7, 7), (7, 7, 2), (1, 2, 7, 7), (1, 7, 7, 2), (7, 6))
"""Images are square and so large that a pixel is the maximum of several windows that overlap."""
FILTERS = ((4, 3), (3, 2, 3, 3), (3, 3, 2, 3), (2, 2, 3, 3), (3, 3))
BIASES = ((3,), (3, 1), (1, 3), (1,))


@dataclass
class DirectPair:
    """A forward function, and a backward function of the upstream gradient and the forward function's arguments.

    Attributes
    ----------
    file : UserFile
    forward, backward : str
    names : dict of str to str
        By argument of the backward function, that of the forward function which it is.
    shapes : dict of str to tuple of int
        Of the arrays that the forward function takes.
    numbers : dict of str to int
        What else it takes.
    """

    file: UserFile
    forward: str
    backward: str
    names: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    numbers: dict[str, Any]

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        return [
            f"{one} of {self.backward} is {other} of {self.forward}"
            for one, other in self.names.items()
            if one != other
        ]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of the arrays for which one comes back."""
        given = {n: rng.standard_normal(shape) for n, shape in self.shapes.items()}
        output = self._run(given)
        upstream = rng.standard_normal(output.shape)
        f = self.file.namespace[self.backward]
        first = required(f)[0].name
        handed = {n: given[of].copy() if of in given else self.numbers[of] for n, of in self.names.items()}
        returned = self.file.call(f, **{first: upstream.copy()}, **handed)
        for name, claimed in self._claimed(f, returned, given).items():
            wanted, error, kinks = gradient(lambda v, n=name: self._run(given | {n: v}), given[name], upstream)  # type: ignore[misc]
            yield Derived(f"grad/{self.backward}.{name}", claimed, wanted, error, kinks)

    def _run(self, given: dict[str, Array]) -> Array:
        returned = self.file.call(self.forward, **{n: a.copy() for n, a in given.items()}, **self.numbers)
        returned = returned[0] if isinstance(returned, tuple) and returned else returned
        if not isinstance(returned, np.ndarray) or returned.dtype.kind != "f" or not np.isfinite(returned).all():
            raise UserError(f"{self.forward} returns no array")
        return returned

    def _claimed(self, f: Callable[..., Any], returned: Any, given: dict[str, Array]) -> dict[str, Array]:
        parts = list(returned) if isinstance(returned, tuple | list) else [returned]
        names = returned_names(f)
        names = names if len(names) == len(parts) else [f"grad[{i}]" for i in range(len(parts))]
        found = {
            n: np.asarray(p, dtype=np.float64) for n, p in zip(names, parts, strict=True) if isinstance(p, np.ndarray)
        }
        return matched(given, found)

    def settle(self) -> bool:
        """Whether both run, and gradients come back in the shapes of arguments, one of them right if there are several."""
        if sum(int(np.prod(s)) for s in self.shapes.values()) > MOST:
            return False
        try:
            found = list(self.derived(np.random.default_rng(23)))
        except (UserError, ValueError, TypeError, KeyError):
            return False
        whole = bool(found) and all(d.subject.shape == d.reference.shape for d in found)
        some = any(
            np.abs(d.subject - d.reference)[~d.kinks].max(initial=0) <= NEAR * np.abs(d.reference).max(initial=1)
            for d in found
            if d.subject.shape == d.reference.shape
        )
        return whole and (len(found) == 1 or some) and any(np.abs(d.reference).max() > 0 for d in found)


def find_direct_pairs(file: UserFile, functions: dict[str, Callable[..., Any]]) -> Iterator[DirectPair]:
    """Backward functions whose forward function stands beside them, by their names."""
    for backward, f in functions.items():
        found = _BACKWARD.fullmatch(backward)
        base = (found["before"] or found["after"]) if found else ""
        forward = next((c for p in _FORWARDS if base and (c := p.format(base)) in functions and c != backward), "")
        names = _names(functions[forward], f) if forward else None
        if not names:
            continue
        pairs = (
            DirectPair(file, forward, backward, names, *way)
            for way in itertools.islice(_ways(functions[forward]), WAYS)
        )
        settled = next((pair for pair in pairs if pair.settle()), None)
        if settled is not None:
            yield settled


def _names(forward: Callable[..., Any], backward: Callable[..., Any]) -> dict[str, str] | None:
    """Which argument of the forward function each of the backward function is; None if they are not those again."""
    own = [p.name for p in parameters_of(forward)]
    asked = [p.name for p in parameters_of(backward)]
    if len(asked) < 2 or not _UPSTREAM.fullmatch(asked[0]):
        return None
    lower = {n.lower(): n for n in own}
    found = {n: lower[n.lower()] for n in asked[1:] if n.lower() in lower}
    left = [n for n in own if n not in found.values()]
    for n in asked[1:]:
        if n not in found:
            if not left or re.search("cache|mem", n, re.IGNORECASE):
                return None
            found[n] = left.pop(0)
    return found


def _ways(forward: Callable[..., Any]) -> Iterator[tuple[dict[str, tuple[int, ...]], dict[str, Any]]]:
    """Shapes of arrays and numbers for a forward function."""
    shapes: dict[str, tuple[tuple[int, ...], ...]] = {}
    numbers: dict[str, Any] = {}
    for i, p in enumerate(parameters_of(forward)):
        if p.default is not inspect.Parameter.empty:
            numbers[p.name] = p.default
        elif i == 0:
            shapes[p.name] = INPUTS
        elif _BIAS.fullmatch(p.name):
            shapes[p.name] = BIASES
        elif (_FILTER.fullmatch(p.name) and len(p.name) > 1) or p.name in ("W", "w", "K"):
            shapes[p.name] = FILTERS
        elif _SIZE.fullmatch(p.name):
            numbers[p.name] = 0 if p.name.lower().startswith("p") and not p.name.lower().startswith("pool") else 2
        else:
            return
    for chosen in itertools.product(*shapes.values()):
        yield dict(zip(shapes, chosen, strict=True)), numbers
