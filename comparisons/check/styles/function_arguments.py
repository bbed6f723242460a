"""What may be given for the arguments of a `forward(ctx, ...)` or of a function with a custom gradient, by their names."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
M, N, K = 5, 4, 3
"""Examples, features, outputs."""
IMAGES = (2, 3, 5, 4)
"""Examples, channels, height, width."""
STATE = 3
TRIED = 400
"""Ways of filling the arguments that are tried at most."""


@dataclass(frozen=True)
class Filling:
    """One way of filling an argument.

    Attributes
    ----------
    draw : callable
        Fresh numbers from a generator; an array or a plain value.
    by : bool
        Whether a gradient by it may be asked for.
    """

    draw: Callable[[np.random.Generator], Any]
    by: bool = False


def _real(*shape: int) -> Filling:
    return Filling(lambda rng: _spread(rng, shape), by=True)


def _spread(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal numbers, a few of them far out: beyond the bends of hard activations."""
    a = 1.5 * rng.standard_normal(shape)
    if a.size > 2 * K:
        a.flat[:: a.size // 3] *= 1.5
        a.flat[1], a.flat[2] = 4.0, -4.0
    return a


def _positive(*shape: int) -> Filling:
    return Filling(lambda rng: rng.uniform(0.2, 0.9, shape), by=True)


def _fixed(value: Any) -> Filling:
    return Filling(lambda rng: value)


X = [_real(M, N), _real(*IMAGES), _real(2, M, N), _real(N), _positive(M, N)]
_WEIGHTS = [_real(K, N), _real(N, K), _real(N), _real(2, 3, 3, 2), _real(3 * STATE, STATE + N), _real(M, N)]
_BIASES = [_real(K), _real(N), _real(2), _real(1, K), _real(3 * STATE), _real(M, N), _fixed(None)]
_LABELS = [Filling(lambda rng: np.arange(M) % N), Filling(lambda rng: rng.standard_normal((M, N))),
           Filling(lambda rng: (np.arange(M * N) % 3 == 0).astype(float).reshape(M, N)),
           Filling(lambda rng: np.eye(N)[np.arange(M) % N]), Filling(lambda rng: (np.arange(M) % N).reshape(M, 1))]  # fmt: skip
_MASKS = [Filling(lambda rng: (np.arange(M * N) % 3 > 0).astype(float).reshape(M, N)),
          Filling(lambda rng: (np.arange(M * N) % 3 > 0).reshape(M, N))]  # fmt: skip
_ANY = [*X[:1], _real(N, K), _real(K, N), _real(N), _fixed(0.7), *X[1:], *_LABELS[:1], _fixed(2)]
_NAMED: tuple[tuple[str, list[Filling]], ...] = (
    (r"eps|epsilon", [_fixed(1e-3)]),
    (r"p|keep_?prob|drop\w*|prob\w*|dropout\w*", [_fixed(0.7)]),
    (r"stride|strides", [_fixed(2), _fixed(1)]),
    (r"padding|pad", [_fixed(1), _fixed(0)]),
    (r"dilation|groups|n_?heads?", [_fixed(1)]),
    (r"kernel_?size|pool_?size|size|k", [_fixed(2), _fixed(3), _fixed((2, 2))]),
    (r"dim|axis|dims", [_fixed(1), _fixed(-1), _fixed(0)]),
    (r"normalized_?shape|shape", [_fixed((N,)), _fixed(N)]),
    (r"inplace|in_?place|return_\w+|keepdim|keepdims|verbose|debug", [_fixed(False)]),
    (r"training|train|is_?train\w*", [_fixed(True)]),
    (r"reduction|mode", [_fixed("mean"), _fixed("sum"), _fixed("none")]),
    (r"num_?classes|n_?classes|depth", [_fixed(N)]),
    (r"\w*min\w*|low\w*|lo|a_min", [_fixed(-0.5)]),
    (r"\w*max\w*|upp\w*|high|hi|a_max", [_fixed(0.8)]),
    (r"exponent|power|n|degree", [_fixed(3), _fixed(2.5), *X[:1]]),
    (r"mask\w*", _MASKS),
    (r"(\w+_)?(target|label|truth|gt|ind(ex|ices)|idx|ids)s?|y_true|t", [*_LABELS, _fixed(2)]),
    (r"y|other", [*X[:1], *_LABELS, _real(N, K)]),
    (r"(old|prev|last)_?(h|c|cell|hidden|state)\w*|hx|cx|h_\w+|hidden|cell|h", [_real(M, STATE), *X[:1]]),
    (r"\w*bias\w*|b|b_?\d|shift", [*_BIASES, _real(N, K), _real(K, N)]),
    (r"gamma|gain", [_real(N), _fixed(0.7), *_WEIGHTS]),
    (r"beta|scale|alpha", [_fixed(0.7), _real(N), _real(1), _real()]),
    (r"\w*weights?\w*|w|W|w_?\d|kernel|filters?|theta|params?", _WEIGHTS),
    (r"\w*(slope|const\w*|scalar|lamb?da\w*|lambd|factor|temp\w*|tau|thr\w*|momentum|coef\w*|margin|value|delta|sigma|rate|num\w*)|c|s",
     [_fixed(0.7), _fixed(2), *X[:1]]),
    (r"inputs?|x\w*|tensor|inp|a|z|i|logits?|scores?|pred\w*|y_?hat|y_pred|features?|data|output", X),
)  # fmt: skip
PARAMETER = re.compile(r"x\w*|inputs?|inp|tensor|i|\w*weights?\w*|w|\w*bias|b|gamma|beta|a|z|logits?", re.IGNORECASE)
"""Arguments by which every such function has a gradient."""


def choices(parameter: inspect.Parameter) -> list[Filling]:
    """What may be given for an argument, the likely first."""
    name, default = parameter.name, parameter.default
    by_name = next((f for pattern, f in _NAMED if re.fullmatch(pattern, name, re.IGNORECASE)), None)
    if default is inspect.Parameter.empty:
        return by_name or _ANY
    if default is None:
        return [*(f for f in by_name or [] if f.by), _fixed(None)]
    if isinstance(default, bool | str | tuple):
        return [_fixed(default)]
    if isinstance(default, float) and not re.fullmatch(r"eps|epsilon", name, re.IGNORECASE):
        return [_fixed(round(0.7 * default + 0.1, 6)), _fixed(default)]  # a default of 1 would hide that it is not used
    return [_fixed(default)]


def combinations(parameters: list[inspect.Parameter]) -> Iterator[dict[str, Filling]]:
    """Ways of filling all arguments, the likely ones first."""
    operands = {"a", "b"} <= {p.name.lower() for p in parameters}  # two of a kind: b is no bias
    lists = [_ANY if operands and p.name in ("b", "B") else choices(p) for p in parameters]
    places = itertools.islice(itertools.product(*(range(len(given)) for given in lists)), 20_000)
    for chosen in sorted(places, key=sum)[:TRIED]:
        yield {p.name: given[i] for p, given, i in zip(parameters, lists, chosen, strict=True)}
