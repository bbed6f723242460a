"""Networks as functions: `forward(X, params)`, `backward(...)`, `update(...)`, with parameters as arguments or in a container.

What one function returns is handed to the next by name: the names in its `return` statement are those of the next one's
arguments, in nearly all code of this kind.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from comparisons.check.repeated import repeated
from comparisons.check.styles import described_layers
from comparisons.check.styles.dropping import dropped
from comparisons.check.styles.network_access import LIST, Array, Seen, found_arrays, match_gradients
from comparisons.check.styles.network_arguments import (
    RATE,
    SIZES,
    SMALL,
    constructor_arguments,
    is_output,
    is_x,
    is_y,
    parameters_of,
    required,
    role,
)
from comparisons.check.styles.network_objects import adds_lists, assign, batched, bind, held, returned_names
from comparisons.check.styles.network_reading import chains, natural
from comparisons.check.unit import UserError, UserFile, set_at_the_top

INIT = re.compile(r"(_?(init|initiali[sz]e?|initiali[sz]ation|create|make|build|random|get|generate|setup|define|gen)\w*(param|weight|network|model|nn|net|wb|layers?|theta)\w*)|init|initiali[sz]e|initiali[sz]ation|parameters_init\w*|weights_init\w*|params?_init\w*|weight_init\w*", re.IGNORECASE)  # fmt: skip
FORWARD = re.compile(r"_?(f_|full_|nn_|net_|network_|mlp_|l_model_|model_)?(feed_?)?(forward|fwd|ff|fprop|propagat\w*|predict\w*|hypothesis|h|net|nn|model|network|inference|think|run)(_?(prop\w*|pass|step|propagat\w*|feed|model|function|nn|net|network|once|all|proba|probs?))?(_?with_?\w+)?", re.IGNORECASE)  # fmt: skip
BACKWARD = re.compile(r"(_?(full_|nn_|net_|network_|mlp_|l_model_|model_|compute_|calc\w*_|get_|calculate_|find_)?(back(ward)?s?|bwd|bprop|backprop\w*|grad\w*|derivatives?)(_?(prop\w*|pass|step|propagat\w*|model|nn|net|network|function|descent_step))?|(loss|cost)_?(and|with)_?grad\w*|nn_?cost_?\w*|propagate|cost_?function\w*|loss_?grad\w*|(compute|calc)\w*_?grad\w*)(_?with_?\w+)?", re.IGNORECASE)  # fmt: skip
UPDATE = re.compile(r"_?(update|optimi[sz]e|apply|sgd|step|adjust|gd)(_?\w*)|gradient_?descent\w*", re.IGNORECASE)
TRAIN = re.compile(r"_?(train\w*|fit\w*|learn\w*|gradient_?descent\w*|optimi[sz]e\w*|nn_model|\w*_?model|model|sgd|run|l_layer_model|neural_?net\w*)", re.IGNORECASE)  # fmt: skip
CONTAINER = re.compile(
    r"_?(param\w*|weights?|model|(neural_?)?network|net|nn|theta\w*|p|ws|w|layers?|syn\w*|wb|weights_and_biases)",
    re.IGNORECASE,
)

TARGET = "the target"
"""Where it is kept when a function returns something of the name y."""
LAYERS = "the layers"
"""Where a description of the network is kept."""


@dataclass
class Source:
    """Where parameters come from.

    Attributes
    ----------
    value : object
        A container of all of them, as the file's own initialiser returns it.
    names : tuple of str
        By element, where it returns several.
    places : list of str
        Of the parameters in the container.
    init : str
        The initialiser; empty if they are globals.
    around : dict
        Other global names that the functions need, where they are made later than the functions.
    known_as : str
        Global name of the container, where functions reach for it.
    called : str
        What the file's script calls the container, for a person.
    layers : list of dict
        The description of the network that the initialiser was given, which other functions take as well.
    """

    value: Any
    names: tuple[str, ...]
    places: list[str]
    init: str = ""
    around: dict[str, Any] = field(default_factory=dict)
    known_as: str = ""
    called: str = ""
    layers: described_layers.Layers = field(default_factory=list)

    def shown(self, name: str) -> str:
        """A parameter's name as it may stand in the script: `network[0]` for rows of numbers in a list of that name."""
        return self.called + name.replace("[*]", "") if self.called and name.startswith("[") else name

    def name(self, place: str) -> str:
        """What a person calls the parameter at a place."""
        if self.names and (found := re.match(r"\[(\d+)\]", place)):
            return self.names[int(found[1])] + place[found.end() :]
        return re.sub(r"^\['([^']*)'\]$", r"\1", place)


@dataclass
class FunctionAccess:
    """Functions that are called one after the other."""

    file: UserFile
    source: Source
    forward_name: str
    recipe: tuple[str, ...]
    name: str
    line: int
    members: tuple[str, ...]
    rate: float | None = None
    what: str = "functions"
    forms: tuple[str, ...] = ("rows", "columns", "one row", "one column", "vector")
    batched: bool = False
    parameters: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arrays = held(self.source.value)
        self.parameters = {self.source.name(p): arrays[p].copy() for p in self.source.places}

    def forward(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """What the forward function returns."""
        pool = self._pool(params, x, y, m)
        with self._globals(params, x, y, m, pool), repeated(self.file.namespace):
            returned = self._call(self.forward_name, pool)
        return Seen(dict(found_arrays(returned, "returned")))

    def cost(self, name: str, swapped: bool, params: dict[str, Array], x: Any, y: Any, m: int) -> float:
        """What a cost function gives after the forward function.

        Raises
        ------
        UserError
            If it gives no number.
        """
        f = self.file.namespace[name]
        asked = [p.name for p in required(f)]
        pool = self._pool(params, x, y, m)
        with self._globals(params, x, y, m, pool), repeated(self.file.namespace):
            returned = self._call(self.forward_name, pool)
            values = list(returned) if isinstance(returned, tuple | list) else [returned]
            names = returned_names(self.file.namespace[self.forward_name])
            pool |= {
                n: v for n, v in zip(names, values, strict=False) if len(names) == len(values) and n.isidentifier()
            }
            # What is not an output by its name is the output that is returned first.
            pool |= {"output": values[0], "previous": (values[0],)}
            known = any(n in pool for n in asked) or any(map(is_x, asked))
            if len(asked) == 2 and not known and not any(map(is_output, asked)):
                given = dict(zip(asked, (y, values[0]) if swapped else (values[0], y), strict=True))
            else:
                given = bind_function(f, pool, self.parameters)
            found = self.file.call(f, **copy.deepcopy(given))
        found = np.asarray(found[0] if isinstance(found, tuple) and found else found)
        if found.size != 1 or found.dtype.kind != "f":
            raise UserError(f"{name} gives no number")
        return float(found.reshape(()))

    def step(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """What the functions return, or change in place."""
        pool = self._pool(params, x, y, m)
        container = pool["container"]
        shown: dict[str, Array] = {}
        moved: dict[str, Array] = {}
        with self._globals(params, x, y, m, pool) as namespace, repeated(self.file.namespace):
            for function in self.recipe:
                returned = self._call(function, pool)
                names = returned_names(self.file.namespace[function])
                values = list(returned) if isinstance(returned, tuple | list) else [returned]
                labelled = dict(zip(names, values, strict=True)) if len(names) == len(values) and names else {}
                pool |= {n: v for n, v in labelled.items() if n.isidentifier()}
                pool["output"] = returned
                pool["previous"] = tuple(values)
                if isinstance(returned, dict | list) and not labelled:
                    pool["grads" if function != self.recipe[0] or len(self.recipe) == 1 else "cache"] = returned
                shown = dict(found_arrays(labelled or returned))
            if labelled:
                shown = {re.sub(r"^\['([^']*)'\]", r"\1", p): a for p, a in shown.items()}
            moved = self._moved(params, container, pool["output"], shown, namespace)
        if moved:
            return Seen({}, {}, moved)
        return Seen({}, match_gradients(self.parameters, shown), {})

    def _moved(
        self,
        params: dict[str, Array],
        container: Any,
        returned: Any,
        shown: dict[str, Array],
        namespace: dict[str, Any],
    ) -> dict[str, Array]:
        """Parameters after the step, if it was one: returned under their own names, or changed in place."""
        after = {self.source.name(p): a for p, a in held(container).items()}
        if not self.source.init:
            after = {n: np.asarray(namespace[n]) for n in self.parameters if n in namespace}
        after = {n: after[n] for n in self.parameters if n in after}
        if any(not np.array_equal(a, params[n]) for n, a in after.items()):
            return {n: a.copy() for n, a in after.items()}
        returns = returned_names(self.file.namespace[self.recipe[-1]])
        if BACKWARD.fullmatch(self.recipe[-1]) and not (self.rate and set(self.parameters) <= set(returns)):
            return {}
        again = {self.source.name(p): a for p, a in held(returned).items()} | shown
        again = {n: again[n] for n in self.parameters if n in again and again[n].shape == params[n].shape}
        if len(again) == len(self.parameters) and any(not np.array_equal(a, params[n]) for n, a in again.items()):
            return again
        return {}

    def _pool(self, params: dict[str, Array], x: Any, y: Any, m: int) -> dict[str, Any]:
        container = copy.deepcopy(self.source.value)
        if isinstance(container, tuple):
            container = list(container)
        own = {}
        for place in self.source.places:
            name = self.source.name(place)
            assign(container, place, params[name].copy())
        parts = list(container) if isinstance(container, list) else [container]
        if self.source.names and len(self.source.names) == len(parts):
            own = dict(zip(self.source.names, parts, strict=True))
        else:
            own = {self.source.name(p): a for p, a in found_arrays(container) if self.source.name(p).isidentifier()}
            if isinstance(container, dict):
                own |= {n: v for n, v in container.items() if isinstance(n, str) and isinstance(v, list)}
        known = {"x": x, "y": y, TARGET: y, "m": m, "container": container}
        return known | ({LAYERS: self.source.layers} if self.source.layers else {}) | own

    def _call(self, function: str, pool: dict[str, Any]) -> Any:
        f = self.file.namespace[function]
        return self.file.call(f, **bind_function(f, pool, self.parameters))

    def _is_data(self, name: str) -> bool:
        """Whether a global name is that of inputs or targets, which may be read from where they are not."""
        known = self.file.namespace.get(name)
        missing = name not in self.file.namespace and name in set_at_the_top(self.file.path)
        return (missing and (is_x(name) or is_y(name))) or (isinstance(known, np.ndarray) and is_y(name))

    def _globals(self, params: dict[str, Array], x: Any, y: Any, m: int, pool: dict[str, Any]) -> Patched:
        extra: dict[str, Any] = {n: SMALL[role(n)][0] if role(n) in SMALL else v for n, v in self.source.around.items()}
        if self.source.known_as:
            extra[self.source.known_as] = pool["container"]
        if not self.source.init:
            extra |= {n: a.copy() for n, a in params.items()}
        for f in (self.file.namespace[n] for n in dict.fromkeys((self.forward_name, *self.recipe))):
            for name in f.__code__.co_names:
                known = self.file.namespace.get(name)
                if name in (
                    "m",
                    "m_train",
                    "num_examples",
                    "n_samples",
                    "N",
                    "n_examples",
                    "batch_size",
                    "num_samples",
                ):
                    extra[name] = m
                elif name not in self.file.namespace and role(name) in SMALL:
                    extra[name] = SMALL[role(name)][0]
                elif name not in params and isinstance(known, np.ndarray) and is_x(name):
                    extra[name] = x
                elif name not in params and self._is_data(name):
                    extra[name] = y if is_y(name) else x
                elif name in self.file.own and (share := dropped(name, known)) is not None:
                    extra[name] = share
        return Patched(self.file.namespace, extra)


class Patched:
    """Global names of the user's file set for a while."""

    def __init__(self, namespace: dict[str, Any], extra: dict[str, Any]) -> None:
        self._namespace, self._extra = namespace, extra

    def __enter__(self) -> dict[str, Any]:
        self._before = {n: self._namespace[n] for n in self._extra if n in self._namespace}
        self._namespace.update(self._extra)
        return self._namespace

    def __exit__(self, *_: object) -> None:
        for n in self._extra:
            self._namespace.pop(n, None)
        self._namespace.update(self._before)


def bind_function(f: Callable[..., Any], pool: dict[str, Any], parameters: Iterable[str]) -> dict[str, Any]:
    """Arguments by name: parameters, their container, and what earlier functions returned; the rest as `bind` does."""
    lower = {n.lower(): v for n, v in pool.items()}
    known: dict[str, Any] = dict(pool)
    container = pool["container"]
    for p in parameters_of(f):
        name = p.name
        if name in pool:
            continue
        if LAYERS in pool and role(name) == "sizes":
            known[name] = pool[LAYERS]
        elif pool["y"] is not pool.get(TARGET) and TARGET in pool and is_y(name) and not is_output(name):
            known[name] = pool[TARGET]  # the forward function has an output of the name y
        elif name.lower() in lower and name not in ("X", "Y", "x", "y"):
            known[name] = lower[name.lower()]
        elif name == "row" and np.ndim(pool["x"]) == 1 and _drops_label(f):
            known[name] = [*pool["x"], 0.0] if isinstance(pool["x"], list) else np.append(pool["x"], 0.0)
        elif CONTAINER.fullmatch(name) and not is_x(name):
            known[name] = container
        elif re.fullmatch(r"(d?grad\w*|nabla\w*|d(W|w)s?|d(b|B)s?|derivs?|delta\w*)", name) and "grads" in pool:
            known[name] = pool["grads"]
        elif re.fullmatch(r"(m|m_train|num_examples|n_samples|N|batch_size|num_samples)", name):
            known[name] = pool["m"]
    return bind(f, known)


@functools.cache
def _drops_label(f: Callable[..., Any]) -> bool:
    """Whether a function takes an example with its label at the end."""
    try:
        return "row[:-1]" in inspect.getsource(f)
    except (OSError, TypeError):
        return False


def find_functions(file: UserFile, taken: frozenset[str]) -> Iterator[Iterable[FunctionAccess]]:
    """Functions that together are a network."""
    functions = {n: f for n, f in file.functions().items() if n not in taken}
    forward = named_forward(functions)
    if forward:
        yield accesses(file, functions, forward, itertools.islice(sources(file, functions, forward), 14))


def named_forward(functions: Iterable[str]) -> list[str]:
    """Functions that may run a network forward, by their names, the likely ones first."""
    forward = [n for n in functions if FORWARD.fullmatch(n)]
    return sorted(forward, key=lambda n: ("forward" not in n.lower() and "feed" not in n.lower(), "pred" in n.lower()))


def backward_or_training(name: str) -> bool:
    """Whether a function of this name may run a network backward, or train it."""
    return bool(BACKWARD.fullmatch(name) or UPDATE.fullmatch(name) or TRAIN.fullmatch(name))


def accesses(
    file: UserFile, functions: dict[str, Any], forward: list[str], sources: Iterable[Source]
) -> Iterator[FunctionAccess]:
    """Ways of running functions as a network: forward and backward, with an update, or one that trains.

    Parameters
    ----------
    file : UserFile
    functions : dict
        By name.
    forward : list of str
        Names of those that may run forward.
    sources : iterable of Source
        Where the parameters may come from.
    """
    backward = [n for n in functions if BACKWARD.fullmatch(n) and n not in forward]
    update = [n for n in functions if UPDATE.fullmatch(n)]
    train = [n for n in functions if TRAIN.fullmatch(n) and n not in forward]
    for source in sources:
        recipes: list[tuple[str, ...]] = []
        for f, b in itertools.product(forward[:3], backward[:3]):
            recipes += [(f, b), (b,), *((f, b, u) for u in update[:2] if u != b)]
        recipes += [(t,) for t in [*train, *update][:3]]
        for recipe in recipes:
            rated = any(role(p.name) == "rate" for r in recipe for p in parameters_of(functions[r]))
            used = {n for r in recipe for n in functions[r].__code__.co_names}
            rated = rated or any(role(n) == "rate" for n in used & source.around.keys())
            lists = any("[*]" in p for p in source.places) and adds_lists(*(functions[r] for r in (*forward, *recipe)))
            forms = FunctionAccess.forms
            yield FunctionAccess(
                file,
                source,
                next((r for r in recipe if r in forward), forward[0]),
                recipe,
                recipe[-1],
                file.own[recipe[-1]],
                tuple(dict.fromkeys((forward[0], *recipe))),
                RATE if rated else None,
                forms=(LIST, *forms) if lists else forms,
                batched=any(batched(functions[r]) for r in recipe),
            )


def sources(file: UserFile, functions: dict[str, Any], forward: list[str]) -> Iterator[Source]:
    """Parameters of a network, from an initialiser or from global names."""
    yield from _of_descriptions(file, functions)
    for name, f in functions.items():
        if not INIT.fullmatch(name):
            continue
        for arguments in itertools.islice(constructor_arguments(f), 8):
            np.random.seed(1)  # noqa: NPY002
            try:
                value = file.call(f, **arguments)
            except UserError:
                continue
            names = tuple(returned_names(f)) if isinstance(value, tuple) else ()
            arrays = {p: a for p, a in held(value).items() if a.dtype.kind == "f" and a.ndim in (0, 1, 2)}
            source = Source(value, names, [], name)
            if arrays and next(chains({source.name(p): a for p, a in arrays.items()}), None) is not None:
                source.places = sorted(arrays, key=lambda p: natural(source.name(p)))
                yield source
                break
    used = {n for f in forward for n in functions[f].__code__.co_names}
    own = {
        n: a
        for n in file.own
        if n in used and isinstance(a := file.namespace.get(n), np.ndarray) and a.dtype.kind == "f" and not is_x(n)
    }
    if own and next(chains(own), None) is not None:
        yield Source(own, (), [f"[{n!r}]" for n in own], "")
    yield from _by_arguments(functions, forward)


def _of_descriptions(file: UserFile, functions: dict[str, Any]) -> Iterator[Source]:
    """Parameters made of a list of dictionaries, one for each layer, that stands in the file."""
    makers = [n for n in functions if INIT.fullmatch(n)]
    for known_as, layers in described_layers.described(file).items() if makers else ():
        for name in makers:
            given = described_layers.arguments(functions[name], layers)
            with Patched(file.namespace, {known_as: layers}):
                np.random.seed(1)  # noqa: NPY002
                try:
                    value = file.call(functions[name], **(given or {}))
                except UserError:
                    continue
            arrays = {p: a for p, a in held(value).items() if a.dtype.kind == "f" and a.ndim in (1, 2)}
            names = tuple(returned_names(functions[name])) if isinstance(value, tuple) else ()
            source = Source(value, names, [], name, around={known_as: layers}, layers=layers)
            if arrays and next(chains({source.name(p): a for p, a in arrays.items()}), None) is not None:
                source.places = sorted(arrays, key=lambda p: natural(source.name(p)))
                yield source


def _by_arguments(functions: dict[str, Any], forward: list[str]) -> Iterator[Source]:
    """Parameters that no initialiser makes: those that the forward function takes under their usual names."""
    for name in forward:
        names = [
            p.name for p in required(functions[name]) if re.fullmatch(r"([wWbB]|theta|Theta|syn|bias)_?\w{0,6}", p.name)
        ]
        weights = [n for n in names if not n.lower().startswith("b")]
        biases = [n for n in names if n.lower().startswith("b")]
        if not weights or len(weights) > 4:
            continue
        sizes = [SIZES[0], *([5, 6, 7][: len(weights) - 1]), SIZES[2]]
        shapes = list(itertools.pairwise(sizes))
        for k in (sizes[-1], 1):
            shapes[-1] = (shapes[-1][0], k)
            for rows, bias in itertools.product((True, False), ("row", "column", "flat")):
                arrays = {w: np.ones(s if rows else s[::-1]) for w, s in zip(weights, shapes, strict=True)}
                for b, (_, n) in zip(biases, shapes, strict=False):
                    arrays[b] = np.ones({"row": (1, n), "column": (n, 1), "flat": (n,)}[bias])
                yield Source(arrays, (), [f"[{n!r}]" for n in arrays], "arguments")
