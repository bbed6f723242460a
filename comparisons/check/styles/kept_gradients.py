"""Methods that return a loss and leave the gradients in their object, beside finite differences of that loss.

`loss, h, c = model.forward_backward(x, y, h, c)`, then `model.grads["dWf"]`; or `loss = model.forward(x, y)` and `model.backward()`, as
classes of recurrent networks have them. Sequences are lists of whole numbers or of columns; what else is asked for are states.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.check.repeated import repeated
from comparisons.check.styles.cost_arguments import STATE, Given, K, M, N, choices
from comparisons.check.styles.costs import MOST, classes_left
from comparisons.check.styles.glances import Glanced
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.network_access import looks_like_gradient
from comparisons.check.styles.network_arguments import is_x, is_y, parameters_of, required, role
from comparisons.check.styles.network_objects import assign, constructions, held
from comparisons.check.styles.staged_costs import too_wide
from comparisons.check.styles.unguarded import told, unguard
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
STEPS = 4
"""Length of a sequence."""
HIDDEN = 4
WAYS = 120
"""Ways of filling the arguments that are tried."""
_LENGTH = re.compile(
    r"(seq(uence)?s?_?(len(gth)?|size)?|time_?steps?|t_?steps|n_?steps|num_?steps|T|bptt_?\w*|\w*trunc\w*|sample_?len)"
)
_VOCABULARY = re.compile(r"(n_?|num_?)?(vocab(ulary)?(_?(size|len|dim))?|n_?chars|num_?chars|word_?dim|char_?size|n_?vocab)", re.IGNORECASE)  # fmt: skip
_INDICES = re.compile(r"(char|word|token|ch|c|w)s?_?(to|2)_?(ix|idx|index|indices|i|id|ind)", re.IGNORECASE)
_NAMES = re.compile(r"(ix|idx|index|indices|i|id|ind)_?(to|2)_?(char|word|token|ch|c|w)s?", re.IGNORECASE)
_OTHER = re.compile(r"_*(predict|sample|generate|score|fit|train|learn|plot|update|sgd|adam|evaluate|accuracy|check|grad\w*check|test)\w*", re.IGNORECASE)  # fmt: skip
_BACKWARD = re.compile(r"_*(backward|back_?prop|bptt|bprop|backward_?pass|backpropagat\w*|compute_grad\w*)\w*", re.IGNORECASE)  # fmt: skip
_MEMORY = re.compile(r"^_?(m|v|s|mem|adam|velocity|cache|moment|smooth|loss)(?=_|[A-Z\[.]|$)")
_LETTERS = "abc"
assert len(_LETTERS) == K


@dataclass
class Kept(Glanced):
    """A method that gives the loss, and one after which the gradients are in the object; it may be the same.

    Attributes
    ----------
    guards : tuple of float
        Small numbers against log 0 that have been taken out.
    """

    guards: tuple[float, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        return [*super().remarks, "the loss is what it returns", *told(list(self.guards))]

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh numbers for parameters; gradients and what an optimizer keeps stay as they are."""
        return {
            p: 0.5 * rng.standard_normal(a.shape)
            for p, a in held(self.template).items()
            if a.dtype.kind == "f" and a.size > 1 and not looks_like_gradient(p) and not _MEMORY.match(p)
        }

    def _run(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any], Any]:
        """What the loss's method returns, the arguments, and the object after all."""
        made, pool = copy.deepcopy(self.template), copy.deepcopy(values)
        for place, a in inner.items():
            assign(made, place, a.copy())
        with repeated(self.file.namespace, vars(made)):
            returned = self._bound(made, self.cost, pool)
            if name != self.cost:
                returned = self._bound(made, name, pool)
        return returned, pool, made

    def _bound(self, made: Any, name: str, pool: dict[str, Any]) -> Any:
        f = getattr(made, name)
        return self.file.call(f, **{p.name: pool[p.name] for p in parameters_of(f) if p.name in pool})

    def _shown(self, returned: Any) -> dict[str, Array]:
        """Only what is called a gradient: states are returned as well."""
        return {p: a for p, a in super()._shown(returned).items() if looks_like_gradient(p) or "grad" in p.lower()}


def find_kept(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[Kept]:
    """Classes with such methods.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    for owner, cls in classes_left(file, taken, done):
        pairs = list(_pairs(cls))
        for template in itertools.islice(templates(file, cls), 2) if pairs else ():
            best = _best(file, owner, template, pairs)
            if best is not None:
                best.guards = tuple(unguard(file, owner, [best.cost, best.gradient]))
                yield best
                break


def _pairs(cls: type) -> Iterator[tuple[str, str]]:
    """Methods of inputs and targets, alone and with a backward method that can run after them."""
    methods = {n: f for n, f in vars(cls).items() if callable(f) and not n.startswith("__") and not isinstance(f, type)}
    for name, f in methods.items():
        asked = [p.name for p in required(f)][1:]
        if _OTHER.match(name) or not any(map(is_x, asked)) or not any(map(is_y, asked)):
            continue
        yield name, name
        for back, g in methods.items():
            if back != name and _BACKWARD.fullmatch(back) and {p.name for p in required(g)[1:]} <= set(asked):
                yield name, back


def templates(file: UserFile, cls: type) -> Iterator[Any]:
    """Objects with small sizes, whatever their defaults are, for a vocabulary of a few letters."""
    more: dict[str, Any] = {}
    small = iter((2, 6, 7))
    for p in parameters_of(cls):
        known = _vocabulary(p.name)
        if known is not None:
            more[p.name] = known
        elif too_wide(p.default) or (role(p.name) == "hidden_size" and type(p.default) is int and p.default > HIDDEN):
            sizes = {"input_size": N, "hidden_size": HIDDEN, "output_size": K, "batch_size": M, "epochs": 1}
            more[p.name] = sizes.get(role(p.name)) or next(small, 2)
    for made in constructions(file, cls, lambda _: more):
        if any(a.ndim == 2 for a in held(made).values()):
            yield made


def _vocabulary(name: str) -> Any:
    """What an argument is given that has to do with characters; None if it has nothing to do with them."""
    if _INDICES.fullmatch(name):
        return {c: i for i, c in enumerate(_LETTERS)}
    if _NAMES.fullmatch(name):
        return dict(enumerate(_LETTERS))
    if name in ("chars", "characters", "vocab", "vocabulary"):
        return list(_LETTERS)
    if _VOCABULARY.fullmatch(name):
        return K
    return STEPS if _LENGTH.fullmatch(name) else None


def _best(file: UserFile, owner: str, template: Any, pairs: list[tuple[str, str]]) -> Kept | None:
    """The methods and the arguments under which most gradients agree."""
    best: tuple[int, Kept] | None = None
    for cost, back in pairs:
        base = Kept(file, owner, cost, back, "", template)
        for found in itertools.islice(_running(base), 2):
            agreed = found.agreement()
            if agreed is None:
                continue
            found.scale = agreed[1]
            # Where none agrees, it is wrong only if no function has these gradients.
            weight = 2 * agreed[0] or int(not is_a_gradient(found))
            if weight and (best is None or weight > best[0]):
                best = weight, found
            if agreed[2]:
                return found
    return best[1] if best else None


def _running(base: Kept) -> Iterator[Kept]:
    """Ways of filling the arguments under which the loss is a number and gradients are left."""
    names = [p.name for p in required(getattr(base.template, base.cost))]
    widths = tuple(sorted({n for a in held(base.template).values() for n in a.shape if n > 1}))
    lists = [choices_of(n, widths) for n in names]
    places = itertools.product(*(range(len(given)) for given in lists))
    for chosen in sorted(itertools.islice(places, 20_000), key=sum)[:WAYS]:
        given = {n: some[i] for n, some, i in zip(names, lists, chosen, strict=True)}
        tried = replace(base, given=given)
        if runs(tried):
            yield tried


def choices_of(name: str, widths: tuple[int, ...]) -> list[Given]:
    """Sequences of words and of columns first, then batches; states of any width that the object knows."""
    if is_x(name) or is_y(name):
        shapes = [(n, *more) for more in ((1,), ()) for n in dict.fromkeys((K, *widths))]
        tokens = [(2 * t + 3 * is_y(name)) % K for t in range(STEPS)]
        sequences: list[Any] = [tokens, *(_vectors(shape, is_y(name)) for shape in shapes[:8])]
        return [
            *(Given("fixed", value=s) for s in sequences),
            *(g for g in choices(name, widths) if g.kind != "fixed"),
        ][:14]
    if STATE.fullmatch(name) or re.fullmatch(r"[hcs]\w{0,6}", name):
        return [Given("real", shape) for n in dict.fromkeys((HIDDEN, *widths)) for shape in ((n, 1), (n,), (1, n))][:9]
    return choices(name, widths) or [Given("fixed", value=1)]


def _vectors(shape: tuple[int, ...], target: bool) -> list[Array]:
    """A list of inputs, or of one-hot targets, one for each step."""
    rng = np.random.default_rng(shape)
    if target:
        return [np.eye(shape[0])[(2 * t + 1) % shape[0]].reshape(shape) for t in range(STEPS)]
    return [rng.standard_normal(shape) for _ in range(STEPS)]


def runs(tried: Kept) -> bool:
    """Whether gradients of most arrays on which the loss depends are left behind, in their shapes."""
    try:
        tried.parameters = tried.dependent()
        values, inner = tried._drawn(np.random.default_rng(7))
        claims = tried._claims(values, inner)
    except (UserError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    sizes = {n: inner[n].shape for n in tried.parameters if n in inner}
    if not sizes or sum(int(np.prod(s)) for s in sizes.values()) > MOST or 2 * len(claims) <= len(sizes):
        return False
    return all(n in sizes and a.shape == sizes[n] and np.isfinite(a).all() and a.any() for n, a in claims.items())
