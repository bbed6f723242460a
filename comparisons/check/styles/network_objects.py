"""Networks as objects: a class that holds its parameters, and methods that run forward and backward."""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.repeated import repeated
from comparisons.check.styles.dropping import dropped
from comparisons.check.styles.network_access import (
    LIST,
    Array,
    Seen,
    found_arrays,
    looks_like_gradient,
    match_gradients,
    stem,
)
from comparisons.check.styles.network_arguments import (
    RATE,
    SMALL,
    UNLIMITED,
    constructor_arguments,
    is_output,
    is_x,
    is_y,
    limits,
    parameters_of,
    required,
    role,
)
from comparisons.check.styles.network_preparing import Prepared, data_attributes, prepared, steps
from comparisons.check.styles.network_reading import chains, natural
from comparisons.check.tensors import put_into
from comparisons.check.unit import UserError, UserFile

FORWARD = (
    "forward", "feedforward", "feed_forward", "feedForward", "forward_pass", "forward_prop", "forward_propagation",
    "forwardprop", "forwardPropagation", "forward_propagate", "fprop", "propagate", "think", "predict_proba", "query", "predict", "compute",
    "run", "activate", "calculate", "evaluate", "inference", "__call__", "model", "output", "classify", "loss",
    "update",
)  # fmt: skip
BACKWARD = (
    "backprop", "back_prop", "backward", "backward_pass", "backpropagation", "back_propagation", "backpropagate",
    "back_propagate", "backwardPropagation", "backPropagate", "backProp", "backward_prop", "backward_propagation", "backward_propagate", "bprop", "propagate_back",
    "compute_gradients", "calculate_gradients", "get_gradients", "gradients", "gradient", "grad", "calc_gradient",
    "costFunctionPrime", "cost_function_prime", "numerical", "backwards", "loss", "backpropagation_algorithm",
)  # fmt: skip
UPDATE = (
    "update", "update_params", "update_parameters", "update_weights", "step", "apply_gradients", "gradient_descent",
    "optimize", "optimise", "sgd", "update_weights_and_biases", "adjust_weights", "apply_grads", "gradient_step",
)  # fmt: skip
TRAIN = (
    "train_step", "train_on_batch", "update_mini_batch", "update_batch", "train_one", "train_batch", "train", "fit", "learn", "partial_fit",
    "gradient_descent", "optimize", "step", "SGD", "sgd", "train_network", "update", "train_epoch", "_train", "training", "run_training",
)  # fmt: skip


@dataclass
class Instance:
    """A class with arguments that make a network of it.

    Attributes
    ----------
    file : UserFile
    cls : type
    arguments : dict
        For the constructor.
    places : list of str
        Where the parameters lie in the object.
    inputs, targets : str
        Attribute that holds the training set, where the constructor took it.
    later : Prepared or None
        How the parameters are made, where that is later than the object: by `fit`, for one.
    """

    file: UserFile
    cls: type
    arguments: dict[str, Any]
    template: Any
    places: list[str]
    inputs: str = ""
    targets: str = ""
    later: Prepared | None = None

    def made(self, params: dict[str, Array], x: Any, y: Any) -> Any:
        """A fresh object with these parameters and this training set."""
        made = self.later.again(self.file, self.cls, construct, x, y) if self.later else None
        try:
            made = made or copy.deepcopy(self.template)
        except Exception:
            made = construct(self.file, self.cls, self.arguments)
        for place, a in params.items():
            assign(made, place, a.copy())
        for attribute, value in ((self.inputs, x), (self.targets, y)):
            if attribute:
                setattr(made, attribute, value)
        for name, value in list(vars(made).items()):
            if (share := dropped(name, value)) is not None:
                setattr(made, name, share)
            elif role(name) == "rate" and isinstance(value, float | int) and not isinstance(value, bool):
                setattr(made, name, RATE)
            elif role(name) == "momentum" and isinstance(value, float | int) and value:
                setattr(made, name, 0.0)
            elif role(name) == "epochs" and isinstance(value, int) and not isinstance(value, bool):
                setattr(made, name, 1)
            elif limits(name, value):
                setattr(made, name, UNLIMITED)
        return made

    @property
    def has_rate(self) -> bool:
        """Whether the learning rate is an attribute."""
        return any(role(n) == "rate" and isinstance(v, float | int) for n, v in vars(self.template).items())


def constructions(file: UserFile, cls: type, more: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Any]:
    """Objects of a class, for each of the first ways in which its constructor runs; none where they hold nothing.

    Parameters
    ----------
    file : UserFile
    cls : type
    more : callable
        Arguments to put over those that a way has.
    """
    for arguments in itertools.islice(constructor_arguments(cls), 4):
        try:
            made = construct(file, cls, arguments | more(arguments))
            copy.deepcopy(made)
        except Exception:
            continue
        if not hasattr(made, "__dict__"):
            return
        yield made


def construct(file: UserFile, cls: type, arguments: dict[str, Any]) -> Any:
    """An instance; a fresh copy of every argument."""
    np.random.seed(1)  # noqa: NPY002
    return file.call(cls, **{n: a.copy() if isinstance(a, np.ndarray) else copy.copy(a) for n, a in arguments.items()})


_TOKEN = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+)\]|\['([^']*)'\]")


def walk(owner: Any, place: str) -> tuple[Any, Any]:
    """The container of a place such as `layers[0].W` or `params['W1']`, and its key there."""
    steps = [(name, number, key) for name, number, key in _TOKEN.findall(place)]
    if not steps:
        raise UserError("what is to be set is in nothing")
    for name, number, key in steps[:-1]:
        owner = getattr(owner, name) if name else owner[int(number)] if number else owner[key]
    name, number, key = steps[-1]
    return owner, name or (int(number) if number else key)


def held(value: Any) -> dict[str, Array]:
    """All arrays of a value by place; rows of numbers in lists, one for each neuron, stand together as a matrix: `[0][*]['weights']`."""
    found = dict(found_arrays(value))
    groups: dict[str, list[str]] = {}
    for place, a in found.items():
        if a.ndim == 1 and "[" in place:
            container, key = walk(value, place)
            leaf = container[key] if isinstance(container, list | dict) else getattr(container, str(key), None)
            if isinstance(leaf, list):
                groups.setdefault(re.sub(r"\[\d+\](?!.*\[\d+\])", "[*]", place), []).append(place)
    for group, places in groups.items():
        if "[*]" in group and len({found[p].shape for p in places}) == 1:
            rows = [found.pop(p) for p in places]
            found[group] = np.stack(rows)
    return found


def assign(owner: Any, place: str, a: Array) -> None:
    """Put an array where it belongs."""
    if "[*]" in place:
        for i, row in enumerate(a):
            assign(owner, place.replace("[*]", f"[{i}]"), row)
        return
    container, key = walk(owner, place)
    value: Any = a
    if put_into(
        container[key] if isinstance(container, list | tuple | dict) else getattr(container, str(key), None), a
    ):
        return
    if a.ndim == 0:
        old = container[key] if isinstance(container, list | dict) else getattr(container, str(key), None)
        value = a if isinstance(old, np.ndarray) else a[()]
    if isinstance(container, list | dict):
        if isinstance(container[key], list):  # a row of numbers
            value = a.tolist()
        container[key] = value
    elif isinstance(container, np.ndarray):
        container[key] = value
    else:
        listed = isinstance(getattr(container, str(key), None), list)
        setattr(container, str(key), a.tolist() if listed else value)


_OTHER = re.compile(r"^(x|y|yh|y_?hat|y_?pred\w*|dims?|sizes?|input|inputs|output|outputs|target|targets|a\d*|z\d*|l\d|layer\d|delta\w*|error\w*|loss\w*|cost\w*|v\w?\d*|m\w?\d*|s\w?\d*|velocity\w*|mask\w*|cache\w*|prev\w*|last\w*|activations?|zs|lr|alpha|eta|\w*rate|momentum|epsilon|lambda\w*|reg\w*|acc\w*|history|seed)$", re.IGNORECASE)  # fmt: skip


def parameter_places(made: Any, given: list[Array]) -> list[str]:
    """Where the parameters of an object lie: arrays that look like none of inputs, outputs, gradients or memories, and chain."""
    everything = {
        place: a
        for place, a in held(made).items()
        if a.size and not any(a.shape == g.shape and np.array_equal(a, g) for g in given)
    }
    last = {place: (re.findall(r"[A-Za-z_]\w*", place) or [place])[-1] for place in everything}
    names = set(last.values())

    def gradient(word: str) -> bool:
        return looks_like_gradient(word) and any(
            stem(word).lower() == other.lower() for other in names if other != word
        )

    kept = {p: a for p, a in everything.items() if not gradient(last[p]) and a.dtype.kind == "f"}
    named = {p: a for p, a in kept.items() if not _OTHER.match(last[p]) or re.match(r"^(params?|weights)", p)}
    like = {
        p: a
        for p, a in named.items()
        if re.search(r"w|b|theta|syn|bias|coef|kernel|param|intercept", last[p], re.IGNORECASE)
    }
    for some in (like, named):
        some = {p: a for p, a in some.items() if a.ndim in (1, 2) or (a.ndim == 0 and re.match(r"b", last[p]))}
        if some and next(chains(some), None) is not None:
            return sorted(some, key=natural)
        matrices = {p: a for p, a in some.items() if a.ndim == 2}
        if matrices and next(chains(matrices), None) is not None:
            return sorted(matrices, key=natural)
    return []


def instances(file: UserFile, cls: type) -> Iterator[Instance]:
    """Objects of a class that hold the parameters of a network."""
    for k in (1, 3) if any(is_y(p.name) for p in parameters_of(cls)) else (1,):
        for arguments in constructor_arguments(cls, k):
            try:
                made = construct(file, cls, arguments)
            except UserError:
                continue
            given = {n: a for n, a in arguments.items() if isinstance(a, np.ndarray)}
            if not hasattr(made, "__dict__"):
                return
            attributes = {
                n: attribute
                for n, a in given.items()
                for attribute, value in vars(made).items()
                if isinstance(value, np.ndarray) and value.shape == a.shape and np.array_equal(value, a)
            }
            places = parameter_places(made, list(given.values()))
            if places:
                x = next((at for n, at in attributes.items() if is_x(n)), "")
                y = next((at for n, at in attributes.items() if is_y(n) and at != x), "")
                yield Instance(file, cls, arguments, made, places, x, y)
                break
    yield from _prepared(file, cls)


def _prepared(file: UserFile, cls: type) -> Iterator[Instance]:
    """Objects that make their parameters later on."""
    for found in prepared(file, cls, construct):
        x, y = data_attributes(found.made)
        kept = [vars(found.made)[n] for n in (x, y) if n and isinstance(vars(found.made)[n], np.ndarray)]
        places = parameter_places(found.made, kept)
        if places:
            yield Instance(file, cls, found.arguments, found.made, places, x, y, found)
            return


@dataclass
class ObjectAccess:
    """A class, the method that runs forward, and those that make one step."""

    instance: Instance
    forward_name: str
    recipe: tuple[str, ...]
    forms: tuple[str, ...]
    name: str = ""
    what: str = "class"
    line: int = 0
    members: tuple[str, ...] = ()
    parameters: dict[str, Array] = field(default_factory=dict)
    rate: float | None = None
    batched: bool = False

    def __post_init__(self) -> None:
        made = self.instance.template
        self.parameters = {p: a.copy() for p, a in held(made).items() if p in self.instance.places}
        self.parameters = {p: self.parameters[p] for p in self.instance.places}

    @property
    def file(self) -> UserFile:
        """In which the class stands."""
        return self.instance.file

    def forward(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """What the forward method returns and leaves behind."""
        if is_pairs(x):
            each = [self.forward(params, one, y, 1).arrays for one in x]
            return Seen(
                {p: np.stack([e[p].ravel() for e in each], axis=1) for p in each[0] if all(p in e for e in each)}
            )
        made = self.instance.made(params, x, y)
        with self._repeated(made):
            returned = self._call(made, self.forward_name, {"x": x, "y": y})
        return Seen(dict([*found_arrays(returned, "returned"), *found_arrays(made)]))

    def ran(self, made: Any, x: Any, y: Any) -> Any:
        """What the forward method of an object returns; what it keeps is there for the methods that come after."""
        return self._call(made, self.forward_name, {"x": x, "y": y})

    def step(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """What the recipe returns, leaves behind and changes."""
        made = self.instance.made(params, x, y)
        pool: dict[str, Any] = {"x": x, "y": y, "training": True}
        if is_pairs(x):
            pool["pairs"] = list(zip(x, y, strict=True))
        before = held(made)
        before = {p: a.copy() for p, a in before.items()}
        returned: Any = None
        with self._repeated(made):
            for method in self.recipe:
                returned = self._call(made, method, pool)
                pool["output"] = returned
                pool["previous"] = returned if isinstance(returned, tuple) else (returned,)
                names = returned_names(getattr(self.instance.cls, method, None))
                if isinstance(returned, tuple | list) and len(names) == len(returned):
                    pool |= {n: value for n, value in zip(names, returned, strict=True) if n not in ("x", "y")}
        after = held(made)
        moved = {p: after[p].copy() for p in self.parameters if p in after}
        changed = any(m.shape != params[p].shape or not np.array_equal(m, params[p]) for p, m in moved.items())
        shown = {f"returned{p}": a for p, a in found_arrays(returned)}
        kept = {
            p: a
            for p, a in after.items()
            if p not in self.parameters
            and looks_like_gradient(p)
            and (p not in before or before[p].shape != a.shape or not np.array_equal(before[p], a))
        }
        names = returned_names(getattr(self.instance.cls, self.recipe[-1], None))
        if names and isinstance(returned, tuple) and len(names) == len(returned):
            shown = {re.sub(r"^returned\[(\d+)\]", lambda m: names[int(m[1])], p): a for p, a in shown.items()}
        grads = match_gradients(self.parameters, shown | kept) if shown or kept else {}
        whole = len(grads) >= max(1, len(self.parameters) // 2)
        if changed and not (whole and set(grads) == set(self.parameters)):
            return Seen({}, {}, moved)
        return Seen({}, grads if whole else {}, moved if changed else {})

    def _repeated(self, made: Any) -> AbstractContextManager[None]:
        return repeated(self.instance.file.namespace, vars(made))

    def _call(self, made: Any, method: str, pool: dict[str, Any]) -> Any:
        f = getattr(made, method)
        args = bind(f, pool)
        return self.instance.file.call(f, **args)


def is_pairs(x: Any) -> bool:
    """Whether a batch is a list of examples, not one example that is a list of numbers."""
    return isinstance(x, list) and isinstance(x[0], np.ndarray)


_ADDS_LISTS = re.compile(r"\+ ?\[|\] ?\+|\.append\(1|\.insert\(|\.extend\(")


def adds_lists(*things: Any) -> bool:
    """Whether code puts a list before or behind another, such as `inputs + [1]`, which means something else for arrays."""
    return any(_ADDS_LISTS.search(source_of(thing)) for thing in things)


_BATCHED = re.compile(r"\.shape\[|axis|keepdims|mean\(|\.sum\(|/ ?m\b|/ ?n\b|1\.?/ ?\(?m\b")


def batched(f: Callable[..., Any], cls: type | None = None) -> bool:
    """Whether a function's text, or that of a backward method that it calls, sums or averages over examples."""
    try:
        text = inspect.getsource(f)
    except (OSError, TypeError):
        return False
    if _BATCHED.search(text):
        return True
    called = [n for n in re.findall(r"self\.(\w+)\(", text) if n in BACKWARD]
    if any(batched(getattr(cls, n), cls) for n in called if hasattr(cls, n) and getattr(cls, n) is not f):
        return True
    # Layers that it holds, each with a backward method of its own.
    others = {n for n in re.findall(r"(?<!self)(?<!super\(\))\.(\w+)\(", text) if n in BACKWARD}
    near = [c for c in getattr(f, "__globals__", {}).values() if isinstance(c, type) and c is not cls]
    return any(_BATCHED.search(source_of(vars(c)[n])) for c in near for n in others & vars(c).keys())


def returned_names(f: Callable[..., Any] | None) -> list[str]:
    """Names in a function's last `return a, b, c`."""
    return list(_returned_names(f))


@functools.cache
def _returned_names(f: Callable[..., Any] | None) -> list[str]:
    import ast
    import textwrap

    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(f)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError, IndentationError):
        return []
    found: list[str] = []
    inner = {
        n
        for f in ast.walk(tree)
        if isinstance(f, ast.Lambda | ast.FunctionDef) and f is not tree.body[0]
        for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.List) and node not in inner:
            found = [ast.unparse(e) for e in node.value.elts]
    return found


def bind(f: Callable[..., Any], pool: dict[str, Any]) -> dict[str, Any]:
    """Arguments for a method from what is at hand.

    Raises
    ------
    UserError
        If nothing is known for an argument that must be given.
    """
    given: dict[str, Any] = {}
    left: list[str] = []
    spare = list(pool.get("previous", ()))
    wanted = parameters_of(f)
    must = [p for p in wanted if p.default is p.empty]
    for p in wanted:
        meaning, name = role(p.name), p.name
        optional = p.default is not p.empty
        spare = [v for v in spare if not any(v is known for known in given.values())]
        if optional and is_y(name) and not pool.get("training") and dropped(name, p.default) is None:
            continue  # `loss(X, y=None)` gives scores without targets
        if (share := dropped(name, p.default)) is not None:
            given[name] = share
        elif name in pool and name != "training":
            given[name] = pool[name]
        elif (meaning := factor(f, name) or meaning) in SMALL:
            given[name] = SMALL[meaning][0]
        elif optional and not (is_y(name) and pool.get("training") and p.default is None):
            continue
        elif meaning == "pairs" and "pairs" in pool:
            given[name] = pool["pairs"]
        elif is_output(name) and "output" in pool and not (is_y(name) and "y" not in given.values() and len(must) < 3):
            given[name] = spare.pop(0) if isinstance(pool["output"], tuple) and spare else pool["output"]
        elif is_y(name) and not any(v is pool["y"] for v in given.values()):
            given[name] = pool["y"]
        elif is_x(name) and not any(v is pool["x"] for v in given.values()):
            given[name] = pool["x"]
        elif "output" in pool and name.lower() in ("cache", "caches", "activations", "memory", "zs"):
            given[name] = spare.pop(-1) if isinstance(pool["output"], tuple) and spare else pool["output"]
        elif name == "n" and "pairs" in pool:
            given[name] = len(pool["pairs"])
        else:
            left.append(name)
    for name in left:
        fresh = [key for key in ("x", "y") if not any(v is pool[key] for v in given.values())]
        if not fresh or len(left) > 2:
            raise UserError(f"{getattr(f, '__qualname__', f)}: nothing is known for its argument {name}")
        given[name] = pool[fresh[0]]
    return given


@functools.cache
def factor(f: Callable[..., Any], name: str) -> str:
    """What `N` and `M` are where a function multiplies by them: learning rate and momentum, as in bpnn.py and its descendants."""
    if name not in ("N", "M"):
        return ""
    try:
        text = inspect.getsource(f)
    except (OSError, TypeError):
        return ""
    return {"N": "rate", "M": "momentum"}[name] if re.search(rf"\b{name} ?\*|\* ?{name}\b", text) else ""


def find_objects(file: UserFile, taken: frozenset[str]) -> Iterator[Iterator[ObjectAccess]]:
    """Classes that are networks."""
    for name, cls in file.classes().items():
        if name in taken:
            continue
        methods = {n for n in dir(cls) if callable(getattr(cls, n, None))}
        forward = forward_methods(cls)
        if not forward:
            continue
        yield itertools.chain.from_iterable(
            accesses(file, name, instance, forward, methods) for instance in itertools.islice(instances(file, cls), 2)
        )


def forward_methods(cls: type) -> list[str]:
    """Methods of a class that may run it forward, the likely ones first."""
    methods = {n for n in dir(cls) if callable(getattr(cls, n, None))}
    forward = [n for n in _called(FORWARD, methods) if n != "__call__" or n in vars(cls)]
    # bpnn.py and its descendants update their activations, from inputs alone.
    if "update" in forward and [is_x(p.name) for p in required(cls.update)][-1:] != [True]:  # type: ignore[attr-defined]
        forward.remove("update")
    return forward


def _called(names: tuple[str, ...], methods: set[str]) -> list[str]:
    """Methods with these names, those with an underscore before it included: `_forward`."""
    return [m for n in names for m in (n, f"_{n}") if m in methods]


def accesses(
    file: UserFile, name: str, instance: Instance, forward: list[str], methods: set[str]
) -> Iterator[ObjectAccess]:
    """Ways of running a network that is an object: each of its forward methods with each that goes back or trains."""
    backward = _called(BACKWARD, methods)
    training = _called(TRAIN, methods)
    if instance.later:
        training = steps(training)
    recipes: list[tuple[str, ...]] = []
    for b in backward:
        recipes += [(forward[0], b), (b,)]
    recipes += [(t,) for t in training]
    forms: tuple[str, ...] = ("rows", "columns", "one row", "one column", "vector")
    if any("[*]" in place for place in instance.places) and adds_lists(instance.cls):
        forms = (LIST, *forms)
    ways = [(f, recipe) for recipe in recipes for f in forward[:1]]
    # A class with several: `predict` may give class numbers, where another gives what they are made of.
    ways += [(f, recipe) for f in forward[1:3] for recipe in recipes[:4]]
    for runs, recipe in ways:
        pairs = any(role(p.name) == "pairs" for p in parameters_of(getattr(instance.cls, recipe[-1])))
        members = tuple(dict.fromkeys([f"{name}.{runs}", *(f"{name}.{r}" for r in recipe)]))
        yield ObjectAccess(
            instance,
            runs,
            recipe,
            ("column pairs", "vector pairs", *forms) if pairs else forms,
            f"{name}.{recipe[-1]}",
            "class",
            file.own[name],
            members,
            rate=RATE if _rated(instance, recipe) else None,
            batched=any(batched(getattr(instance.cls, r), instance.cls) for r in recipe),
        )


def _rated(instance: Instance, recipe: tuple[str, ...]) -> bool:
    if instance.has_rate:
        return True
    methods = [getattr(instance.cls, r) for r in recipe]
    return any("rate" in (role(p.name), factor(f, p.name)) for f in methods for p in parameters_of(f))
