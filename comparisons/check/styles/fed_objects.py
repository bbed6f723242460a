"""Objects that are fed step by step and then give the loss, with the gradients left in the object that has the parameters.

`net.x_list_add(x)` for every step, then `loss = net.y_list_is(ys, ToyLossLayer)`, after which `param.wg_diff` is the gradient of
`param.wg`; or `rnn.step(x)`, `rnn.loss(ys)` and `rnn.backward()`. What a constructor asks for may be an object of another class of the file.
See `kept_gradients`.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.check.calling import plain
from comparisons.check.differences import Derived
from comparisons.check.repeated import repeated
from comparisons.check.styles.cost_arguments import Given, K, choices
from comparisons.check.styles.costs import classes_left
from comparisons.check.styles.gradient_names import last_name
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.kept_gradients import STEPS, Kept, runs, templates
from comparisons.check.styles.network_arguments import is_x, is_y, required
from comparisons.check.styles.network_objects import assign, held
from comparisons.check.styles.unguarded import unguard
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
FED = "what it is fed"
WAYS = 150
"""Ways of filling the arguments that are tried."""
_FEED = re.compile(
    r"_*(?!.*(clear|reset|list_is|predict|sample))(\w*add\w*|feed\w*|push\w*|append\w*|step\w*|forward\w*|fprop\w*|observe\w*|"
    r"input\w*|put\w*|next\w*|__call__|run\w*|propagate\w*|bottom\w*|x_\w*)",
    re.IGNORECASE,
)
_COST = re.compile(
    r"(?!.*(deriv|prime|print|plot|train|fit|update))\w*(loss|cost|error|nll|back\w*|bptt|y_list|targets?|labels?|grads?|gradients?)\w*",
    re.IGNORECASE,
)
_BACKWARD = re.compile(r"_*(back|bptt|bprop|compute_grad|calc\w*_grad|grad)\w*", re.IGNORECASE)
_BEFORE = re.compile(r"^(d_?|grads?_?|gradients?_?|delta_?|nabla_?|diff_?)(?=\w)", re.IGNORECASE)
_AFTER = re.compile(r"_?(diffs?|grads?|gradients?|delta)$|_(d|g)$", re.IGNORECASE)
_INSIDE = re.compile(r"(^|[._])(d|g)?(grads?|gradients?|diffs?|deltas?)\b", re.IGNORECASE)
"""Names of dictionaries that hold gradients."""
_VALUES = ("v", "value", "val", "data", "w", "weight")
"""Of an object that holds a parameter with its gradient."""
_MEMORY = re.compile(
    r"(^|_)(m|v|cache|mem\w*|velocity|moment\w*|adam\w*|prev|last|old|state|node|list|history|loss)(_|$|\d)"
)


@dataclass
class Fed(Kept):
    """A method that takes one step's input, one that gives the loss, and one after which the gradients are there; the last two may be one.

    Attributes
    ----------
    feed : str
    """

    feed: str = ""

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "loss over steps with its gradients"

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file."""
        return tuple(dict.fromkeys(f"{self.owner}.{n}" for n in (self.gradient, self.cost, self.feed)))

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """As for any objective; of an object that holds a parameter, its name says which one it is."""
        for d in super().derived(rng):
            head, _, own = d.tensor.rpartition(".")
            yield replace(d, tensor=head) if own in _VALUES and "." in head else d

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        arrays = {p: a for p, a in held(self.template).items() if a.dtype.kind == "f" and a.size > 1}
        of = {p: _of(p, arrays) for p in arrays}
        own = [p for p in arrays if not of[p] and (p in of.values() or not _MEMORY.search(last_name(p)))]
        return {p: 0.5 * rng.standard_normal(arrays[p].shape) for p in own}

    def _run(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any], Any]:
        made, pool = copy.deepcopy(self.template), copy.deepcopy(values)
        for place, a in inner.items():
            assign(made, place, a.copy())
        with repeated(self.file.namespace, vars(made)):
            for x in pool[FED]:
                self.file.call(getattr(made, self.feed), x)
            returned = self._bound(made, self.cost, pool)
            if name != self.cost:
                returned = self._bound(made, name, pool)
        return returned, pool, made

    def dependent(self) -> tuple[str, ...]:
        """Arrays on which the loss depends and for which there is a gradient: states have none."""
        found = super().dependent()
        values, inner = self._drawn(np.random.default_rng(5))
        claimed = replace(self, parameters=found)._claims(values, inner)
        if len(claimed) < 2:
            raise UserError(f"{self.gradient} leaves no gradients")
        return tuple(n for n in found if n in claimed)

    def _claims(self, values: dict[str, Any], inner: dict[str, Array]) -> dict[str, Array]:
        """What is called the gradient of a parameter, and has its shape."""
        after = held(self._run(self.gradient, values, inner)[2])
        found: dict[str, Array] = {}
        for place, a in after.items():
            name = _of(place, inner)
            if name in self.parameters and a.shape == inner[name].shape:
                found.setdefault(name, np.asarray(a, dtype=np.float64).copy())
        return found


def _of(place: str, arrays: dict[str, Array]) -> str:
    """The place of the array of which one is called the gradient; nothing if there is none: `param.wg` for `param.wg_diff`."""
    own = last_name(place)
    head = place.rpartition(own)[0]
    bare = {_BEFORE.sub("", own), _AFTER.sub("", own)} - {own, ""}
    near = [p for p in arrays if p != place and last_name(p) in bare]
    if not near and _INSIDE.search(head):
        near = [p for p in arrays if p != place and last_name(p) == own and not _INSIDE.search(p)]
    if not near and own in ("d", "g", "grad", "diff", "gradient", "dv"):
        near = [f"{head}{v}" for v in _VALUES if f"{head}{v}" in arrays]
    return min(near, key=lambda p: (not p.startswith(head), len(p)), default="")


def find_fed(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[Fed]:
    """Classes with such methods.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    for owner, cls in classes_left(file, taken, done):
        ways = list(_ways(cls))
        for template in itertools.islice(_templates(file, cls), 2) if ways else ():
            best = _best(file, owner, template, ways)
            if best is not None:
                best.guards = tuple(unguard(file, owner, [best.cost, best.gradient]))
                yield best
                break


def _ways(cls: type) -> Iterator[tuple[str, str, str]]:
    """Methods that feed, give the loss, and calculate gradients."""
    methods = {n: f for n, f in vars(cls).items() if callable(f) and not isinstance(f, type)}
    asked = {n: [p.name for p in required(f)][1:] for n, f in methods.items()}
    feeds = [n for n, names in asked.items() if len(names) == 1 and is_x(names[0]) and _FEED.fullmatch(n)]
    costs = [
        n
        for n, names in asked.items()
        if n not in feeds and _COST.fullmatch(n) and any(map(is_y, names)) and not any(_is_input(a) for a in names)
    ]
    for feed, cost in itertools.product(feeds, costs):
        yield feed, cost, cost
        for back, names in asked.items():
            if back not in (feed, cost) and _BACKWARD.fullmatch(back) and set(names) <= set(asked[cost]):
                yield feed, cost, back


def _is_input(name: str) -> bool:
    return is_x(name) and not is_y(name)


def _templates(file: UserFile, cls: type) -> Iterator[Any]:
    """Objects, made from those of other classes where arguments are called like classes."""
    names = [p.name for p in required(cls)]
    others = {n: other for n in names if (other := _class_of(file, n, cls)) is not None}
    if not others:
        yield from templates(file, cls)
        return
    parts = {n: itertools.islice(templates(file, other), 2) for n, other in others.items()}
    for made in itertools.product(*parts.values()):
        given = dict(zip(parts, made, strict=True))
        given |= dict.fromkeys((n for n in names if n not in given), 1)
        try:
            yield file.call(cls, **copy.deepcopy(given))
        except UserError:
            continue


def _class_of(file: UserFile, name: str, but: type) -> type | None:
    """The class of the file that an argument is called like: `LstmParam` for `lstm_param`, `param` or `params`."""
    bare = plain(name).removesuffix("s")
    classes = {plain(n).removesuffix("s"): c for n, c in file.classes().items() if c is not but}
    if bare in classes:
        return classes[bare]
    return next((c for n, c in classes.items() if len(bare) > 3 and n.endswith(bare)), None)


def _best(file: UserFile, owner: str, template: Any, ways: list[tuple[str, str, str]]) -> Fed | None:
    """The methods and the arguments under which most gradients agree."""
    best: tuple[int, Fed] | None = None
    for feed, cost, back in ways:
        for found in itertools.islice(_running(Fed(file, owner, cost, back, "", template, feed=feed)), 2):
            agreed = found.agreement()
            if agreed is None:
                continue
            found.scale = agreed[1]
            if best is None or agreed[0] > best[0]:
                best = agreed[0], found
            if agreed[2]:
                return found
    # Where none agrees, it is wrong only if no function has these gradients.
    return best[1] if best and (best[0] or not is_a_gradient(best[1])) else None


def _running(base: Fed) -> Iterator[Fed]:
    """Ways of filling the arguments under which the loss is a number and gradients are left."""
    widths = list(dict.fromkeys(n for a in held(base.template).values() for n in a.shape if n > 1))
    names = [p.name for p in required(getattr(base.template, base.cost))]
    lists = [_inputs(widths), *(_choices(base.file, n, widths) for n in names)]
    places = itertools.product(*(range(len(given)) for given in lists))
    for chosen in sorted(itertools.islice(places, 20_000), key=sum)[:WAYS]:
        given = {n: some[i] for n, some, i in zip((FED, *names), lists, chosen, strict=True)}
        tried = replace(base, given=given)
        if runs(tried):
            yield tried


def _inputs(widths: list[int]) -> list[Given]:
    """An input for every step: vectors, columns, words."""
    rng = np.random.default_rng(8)
    shapes = [*((n, *more) for n in widths for more in ((), (1,))), *((1, n) for n in widths)]
    vectors = [[rng.standard_normal(shape) for _ in range(STEPS)] for shape in shapes]
    return [Given("fixed", value=v) for v in (*vectors, [(2 * t) % K for t in range(STEPS)])]


def _choices(file: UserFile, name: str, widths: list[int]) -> list[Given]:
    """Targets of every step; a class where one is asked for, such as that of the loss."""
    if (cls := _class_of(file, name, object)) is not None:
        return [Given("fixed", value=cls)]
    if not is_y(name):
        return choices(name) or [Given("fixed", value=1)]
    rng = np.random.default_rng(9)
    # Real numbers in the place of one-hot targets would be no mistake's fault.
    numbers = [-0.5, 0.2, 0.1, -0.4]
    columns = [(n, *more) for n in dict.fromkeys((K, *widths)) for more in ((1,), ())]
    hot = [[np.eye(s[0])[(2 * t + 1) % s[0]].reshape(s) for t in range(STEPS)] for s in columns]
    real = [[rng.standard_normal(s) for _ in range(STEPS)] for s in columns]
    words = [(2 * t + 1) % K for t in range(STEPS)]
    return [Given("fixed", value=v) for v in (*hot, words, numbers, *real)]
