"""What may be given for the arguments of a function that computes a cost: several things by name, of sizes that differ from each other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.styles.network_arguments import RATE, SIZES, UNLIMITED, is_x, is_y, limits, role

Array = np.ndarray
M, N, H, K = 7, 4, 6, 3
"""Examples, features, hidden units (or words of a vocabulary), outputs."""
STRENGTH = 0.7
"""Of a regulariser: not 0, so that it shows."""
_SIZES = {"input_size": N, "hidden_size": H, "output_size": K, "batch_size": M, "epochs": 1, "rate": RATE, "flag": False, "seed": 0}  # fmt: skip
_COUNT = re.compile(r"size|dim|num|layer|count|units|nodes|neurons|^n_|^n[a-z]?$", re.IGNORECASE)
STRENGTHS = re.compile(
    r"(lambda|lam|lamda|lmbda|lmd|lambd|reg|l2|l1|alpha|mu|c|decay|rho|sparsity|corruption)\w*", re.IGNORECASE
)
FLAT = re.compile(r"\w*(theta|params?|parameters|weights?|coef\w*|beta)\w*|w|beta", re.IGNORECASE)
_MATRIX = re.compile(r"(W|U|V|Theta|weights?|w)_?\w{0,3}|theta\d")
BIAS = re.compile(r"(?!beta|batch|base|best|bound|buf)(b|bias|intercept)\w{0,4}", re.IGNORECASE)
VECTORS = re.compile(r"\w*(vec(tor)?s|embeddings?|matrix)", re.IGNORECASE)
_VECTOR = re.compile(r"\w*(vec(tor)?|predicted)", re.IGNORECASE)
_INDEX = re.compile(r"\w*(idx|index|word|token|target|id)", re.IGNORECASE)
_SAMPLER = re.compile(r"dataset|sampler|corpus|vocab\w*", re.IGNORECASE)
STATE = re.compile(
    r"(h|c|s)_?(prev|0|init|t_?1)|(prev|init)\w*_?(h|c|state|hidden)\w*|hprev|cprev|state\w*|hidden", re.IGNORECASE
)


class Sampler:
    """In the place of a data set that draws words: whatever is asked of it, it gives indices, some of them again and again."""

    ORDER = (1, 3, 1, 4, 0, 1, 3, 5)

    def __init__(self) -> None:
        self._drawn = 0

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name.startswith("_"):
            raise AttributeError(name)

        def draw(*args: Any, **kwargs: Any) -> int:
            self._drawn += 1
            return self.ORDER[self._drawn % len(self.ORDER)]

        return draw


@dataclass(frozen=True)
class Given:
    """One way of filling an argument.

    Attributes
    ----------
    kind : str
        `real`, `ones and more` (a first column of ones), `binary`, `signs`, `one-hot`, `labels`, `labels from 1`, `numbers`, `positive`, `mask`,
        `masked` (0 where a mask of the same shape is), `sampler`, `fixed`.
    shape : tuple of int
    value : object
        Of what is fixed.
    classes : int
        How many there are.
    """

    kind: str
    shape: tuple[int, ...] = ()
    value: Any = None
    classes: int = K

    def drawn(self, rng: np.random.Generator) -> Any:
        """Fresh numbers of this kind."""
        match self.kind:
            case "real":
                return 0.5 * (rng.standard_normal(self.shape) if self.shape else rng.standard_normal())
            case "ones and more":
                a = 0.5 * rng.standard_normal(self.shape)
                a[:, 0] = 1.0
                return a
            case "binary":
                return (np.arange(M) % 2).astype(float).reshape(self.shape)
            case "signs":
                return (2.0 * (np.arange(M) % 2) - 1).reshape(self.shape)
            case "one-hot":
                a = np.eye(self.classes)[np.arange(M) % self.classes]
                return a if self.shape == a.shape else a.T.copy()
            case "labels":
                return (np.arange(M) % self.classes).reshape(self.shape)
            case "positive":
                return rng.uniform(0.3, 3.0, self.shape)
            case "mask":
                return self._mask()
            case "masked":
                return 0.5 * rng.standard_normal(self.shape) * self._mask()
            case "labels from 1":
                return (1 + np.arange(M) % K).reshape(self.shape)
            case "sampler":
                return Sampler()
        return self.value

    def _mask(self) -> Array:
        """Which entries are known: the same ones for a mask and for what it masks."""
        return (np.random.default_rng(self.shape).random(self.shape) < 0.6).astype(float)


def _reals(*shapes: tuple[int, ...]) -> list[Given]:
    return [Given("real", shape) for shape in shapes]


def _flat() -> list[Given]:
    """All parameters in one vector: of a linear model, with or without a bias; of a network; of an autoencoder."""
    lengths = (N, N + 1, H * (N + 1) + K * (H + 1), 2 * H * N + H + N, K * N, K * (N + 1))
    return [*_reals(*((n,) for n in lengths)), *_reals((N, 1), (N + 1, 1), (1, N), (1, N + 1))]


def strengthened(arguments: dict[str, Any]) -> dict[str, Any]:
    """Those of the arguments that are strengths of a penalty, with one that shows."""
    return {n: STRENGTH for n, v in arguments.items() if STRENGTHS.fullmatch(n) and isinstance(v, float | int)}


def choices(name: str, widths: tuple[int, ...] = ()) -> list[Given]:
    """What may be given for an argument of this name, the likely ones first.

    Parameters
    ----------
    name : str
    widths : tuple of int
        Sizes that inputs may have besides the usual one.
    """
    meaning = role(name)
    data = not _COUNT.search(name)
    if limits(name, UNLIMITED):
        return [Given("fixed", value=UNLIMITED)]
    if meaning == "sizes":
        return [Given("fixed", value=[N, H, K]), Given("fixed", value=[N, H, 1])]
    if meaning in _SIZES and not (data and (is_x(name) or is_y(name))):
        return [Given("fixed", value=_SIZES[meaning])]
    if STATE.fullmatch(name):
        return _reals((H, 1), (H,), (1, H), (SIZES[1], 1), (SIZES[1],), (1, SIZES[1]))
    if BIAS.fullmatch(name):
        weights = _reals((N,), (N, 1), (N + 1,), (N + 1, 1)) if name == "B" else []
        return [Given("fixed", value=np.asarray(0.3)), *_reals((K,), (1, K), (K, 1), (1,)), *weights]
    if _MATRIX.fullmatch(name) and not FLAT.fullmatch(name):
        return _reals((N, K), (K, N), (N,), (N, 1), (H, N), (N, H), (K, H), (H, K))
    if VECTORS.fullmatch(name):
        return _reals((H, N))
    if _SAMPLER.fullmatch(name):
        return [Given("sampler")]
    if _VECTOR.fullmatch(name):
        return _reals((N,), (1, N), (N, 1))
    if FLAT.fullmatch(name):
        return [*_flat(), *_reals((N, K), (K, N), (N + 1, K), (K, N + 1))]
    if is_y(name):
        kinds = [("binary", (M,)), ("binary", (M, 1)), ("labels", (M,)), ("one-hot", (M, K)), ("labels from 1", (M,)),
                 ("labels", (M, 1)), ("labels from 1", (M, 1)), ("binary", (1, M)), ("one-hot", (K, M)),
                 ("signs", (M, 1)), ("signs", (M,))]  # fmt: skip
        found = [*(Given(*kind) for kind in kinds), Given("fixed", value=[2, 1, 3])]
        return [*found, Given("fixed", value=2)] if _INDEX.fullmatch(name) else found
    if is_x(name):
        wide = [shape for n in widths for shape in ((M, n), (n, M))]
        found = [Given("real", (M, N)), Given("ones and more", (M, N + 1)), *_reals((N, M), (N + 1, M), (N,), *wide)]
        return [*found, Given("fixed", value=[0, 2, 1])]
    if _INDEX.fullmatch(name):
        return [Given("fixed", value=2)]
    if STRENGTHS.fullmatch(name):
        return [Given("fixed", value=STRENGTH)]
    if meaning == "keep":
        return [Given("fixed", value=1.0)]
    return []


WORDS = {word: i for i, word in enumerate("abcdef")}
"""A vocabulary of H words."""
_MAIN = r"[wv](_?(main|cent(er|re)|i))?|cent(er|re)\w*"
_OTHER = r"[wvu]_?(tilde|context|ctx|c|j|2|hat|out\w*)|u|context\w*"
_ONE = Given("real", (N,))
_FAMILIES: tuple[tuple[tuple[str, Given], ...], ...] = (
    *(  # GloVe, whose biases are vectors or columns, over counts or their logarithms
        (
            (_MAIN, Given("real", (H, N))),
            (_OTHER, Given("real", (H, N))),
            (r"b(ias)?(_?(w|main|cent(er|re)|i|v))?", Given("real", column)),
            (r"b(ias)?_?(tilde|context|ctx|c|j|u|2|hat)", Given("real", column)),
            (r"x(_?ij)?|(log_?)?(cooc\w*|co_?occ\w*|counts?)", Given(kind, (H, H))),
        )
        for kind in ("positive", "real")
        for column in ((H,), (H, 1))
    ),
    (  # negative sampling
        (r"v(_?c)?|(v_?)?(cent(er|re)|input|target_?word)\w*|h", _ONE),
        (r"u(_?o)?|(u_?)?(outside|context|pos\w*|output)\w*", _ONE),
        (r"(u_?)?neg\w*|noise\w*|u_?k", Given("real", (H, N))),
    ),
    (  # collaborative filtering, all in one vector: K users, H movies
        (r"params|parameters|theta|x0?", Given("real", ((K + H) * N,))),
        (r"y|ratings", Given("masked", (H, K))),
        (r"r|mask", Given("mask", (H, K))),
        (r"(num|n)_?users|nu", Given("fixed", value=K)),
        (r"(num|n)_?(movies|items)|nm", Given("fixed", value=H)),
        (r"(num|n)_?features|nf", Given("fixed", value=N)),
        (r"lambda_?|lam\w*|lmb?da?|reg\w*", Given("fixed", value=STRENGTH)),
    ),
    *(  # collaborative filtering, both matrices apart
        (
            (r"x|movies?\w*", Given("real", (H, N))),
            (r"theta|w|users?\w*", Given("real", (K, N))),
            (r"y|ratings", Given("masked", (H, K))),
            (r"r|mask", Given("mask", (H, K))),
            (r"b", Given("real", (1, K))),
            (r"lambda_?|lam\w*|lmb?da?|reg\w*", Given("fixed", value=strength)),
        )
        for strength in (STRENGTH,)
    ),
    (  # skip-gram and CBOW over both tables of vectors
        (r"current(center)?_?word|center_?word|word", Given("fixed", value="c")),
        (r"c|window_?size", Given("fixed", value=4)),
        (r"(context|outside)_?words", Given("fixed", value=["a", "b", "d", "a"])),
        (r"tokens|word2ind|word_?to_?ind(ex)?", Given("fixed", value=WORDS)),
        (r"(input|center_?word|center)_?vectors", Given("real", (H, N))),
        (r"(output|outside)_?vectors", Given("real", (H, N))),
        (r"dataset", Given("sampler")),
    ),
)  # fmt: skip
"""Arguments that go together, by their names: what the same name stands for depends on the others."""


def _families(names: list[str]) -> Iterator[dict[str, Given]]:
    """Ways of filling arguments that are all of one family."""
    for family in _FAMILIES if len(names) > 2 else ():
        found: dict[str, Given] = {}
        left = list(family)
        for name in names:
            fitting = next((e for e in left if re.fullmatch(rf"(my_?)?({e[0]})", name, re.IGNORECASE)), None)
            if fitting is not None:
                left.remove(fitting)
                found[name] = fitting[1]
            elif role(name) in _SIZES:
                found[name] = Given("fixed", value=_SIZES[role(name)])
            else:
                break
        if len(found) == len(names):
            yield found


_AGE = r"new|current|curr|cur|old|now|updated|next|start(ing)?|init(ial)?|te?mp"
_SLOPE = re.compile(r"(w|weight|theta|beta|b|coef\w*|slope|k|a)_?[1-3]?|m_?[1-3]?", re.IGNORECASE)
_INTERCEPT = re.compile(r"b|bias|c|const(ant)?|y?_?intercept|(w|theta|beta|b|a)_?0", re.IGNORECASE)
POINTS = re.compile(r"(data_?)?points|coord\w*|pts", re.IGNORECASE)
_EXAMPLES = re.compile(r"n|m|length|(n|num|no)_?(points|samples|examples|data)", re.IGNORECASE)


def bare(name: str) -> str:
    """A name without what tells whether its value is the one before or after a step: `b` of `b_current` and of `new_b`.

    Examples
    --------
    >>> [bare(name) for name in ("b_current", "new_b", "m_curr", "X")]
    ['b', 'b', 'm', 'x']
    """
    lower = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_")
    return re.sub(rf"^({_AGE})_|_({_AGE})$", "", lower)


def is_number(name: str) -> bool:
    """Whether a single number of this name may be a parameter of a line: its slope, its intercept."""
    return bool(_SLOPE.fullmatch(bare(name)) or _INTERCEPT.fullmatch(bare(name)))


def lines(names: list[str]) -> Iterator[dict[str, Given]]:
    """Ways of filling the arguments of a model whose parameters are single numbers: a slope, an intercept, and data beside them."""
    counted = any(_SLOPE.fullmatch(bare(n)) and bare(n) not in ("m", "b") for n in names)
    numbers, data, given = [], [], {}
    for name in names:
        own = bare(name)
        if role(name) in ("rate", "epochs", "flag") and own not in ("a", "b", "m"):
            given[name] = Given("fixed", value=_SIZES[role(name)])
        elif _EXAMPLES.fullmatch(own) and (own != "m" or counted):
            given[name] = Given("fixed", value=M)
        elif _SLOPE.fullmatch(own) or _INTERCEPT.fullmatch(own):
            numbers.append(name)
        else:
            data.append(name)
    if len(numbers) < 2 or not 0 < len(data) < 4 or any(STRENGTHS.fullmatch(n) and not is_x(n) for n in data):
        return
    given |= dict.fromkeys(numbers, Given("real", ()))
    if len(data) == 1:
        yield {n: given.get(n, Given("real", (M, 2))) for n in names}
        return
    yield {n: given.get(n, Given("real", (M,))) for n in names}
    yield {n: given.get(n, Given("binary" if is_y(n) else "real", (M,))) for n in names}


def counted(names: list[str]) -> Iterator[dict[str, Given]]:
    """Ways of filling the arguments of a linear model whose code counts its parameters, `theta[0]` and `theta[1]`: there are two or three."""
    weights = [n for n in names if FLAT.fullmatch(n)]
    inputs = [n for n in names if n not in weights and is_x(n)]
    targets = [n for n in names if n not in (*weights, *inputs) and is_y(n)]
    if not len(weights) == len(inputs) == len(targets) == 1:
        return
    others = {n: found[0] for n in names if n not in (*weights, *inputs, *targets) and (found := choices(n))}
    if len(others) + 3 < len(names):
        return
    for n in (2, 3):
        rows = Given("ones and more", (M, n)), Given("real", (M, n - 1)), *([Given("real", (M,))] if n == 2 else [])
        for x, target, shape in itertools.product(rows, ((M, 1), (M,)), ((n, 1), (n,), (1, n))):
            yield others | {weights[0]: Given("real", shape), inputs[0]: x, targets[0]: Given("binary", target)}


def combinations(names: list[str], widths: tuple[int, ...], most: int) -> Iterator[dict[str, Given]]:
    """Ways of filling all arguments, the likely ones first: those whose places in the lists of choices add up to little."""
    yield from _families(names)
    lists = [choices(name, widths) for name in names]
    if not all(lists):
        return
    places = itertools.product(*(range(len(given)) for given in lists))
    for chosen in sorted(itertools.islice(places, 20_000), key=sum)[:most]:
        yield {name: given[i] for name, given, i in zip(names, lists, chosen, strict=True)}
