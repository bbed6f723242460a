"""Making a user's container of layers and calling it: what its arguments mean, which methods run forward, backward and a step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np

from comparisons.check.calling import parameters, plain, strings
from comparisons.check.layouts import Layout
from comparisons.check.objects import CALL_ALIASES, FORWARD, LABELS, Puzzled, method
from comparisons.check.styles.network_arguments import is_output, is_x, is_y, role
from comparisons.check.unit import UserFile

Array = np.ndarray
RATE = 0.5
"""A power of two, and large: what is moved too early shows."""
ADD = (
    "add",
    "addlayer",
    "append",
    "addlayers",
    "push",
    "register",
    "insertlayer",
    "addmodule",
    "appendlayer",
    "stack",
    "extend",
)
SET = ("use", "set", "compile", "configure", "setloss", "setoptimizer", "setlossfunction", "uselossfunction", "setcost", "addloss",
       "setlossfunc", "setlr", "setlearningrate", "configureloss", "useoptimizer", "setcriterion")  # fmt: skip
FINISH = ("finalize", "finalise", "build", "initialize", "initialise", "init", "initweights", "initializeparameters", "initializeweights",
          "connect", "link", "setup", "initparams", "linklayers", "connectlayers", "initlayers", "prepare", "initializelayers")  # fmt: skip
RUN = (*FORWARD, "predictproba", "forwardpropagation", "predictvalues", "infer", "inference", "getoutput", "feed", "query", "think",
       "predictbatch", "modelforward", "netforward", "getprediction", "__call__")  # fmt: skip
BACK = ("backward", "backwardpass", "backprop", "backpropagation", "backpropagate", "backpropogate", "backwardpropagation", "bprop",
        "backwardprop", "back", "computegradients", "bp", "backwards", "backwardpropagate", "propagateback")  # fmt: skip
UPDATE = ("update", "step", "updateparams", "updateparameters", "updateweights", "applygradients", "optimize", "applygrads", "sgdstep",
          "gradientdescent", "updatelayers", "updateparam", "optimise", "updatenetwork", "adjust")  # fmt: skip
TRAIN = ("trainonbatch", "trainstep", "trainbatch", "updateminibatch", "trainone", "fitbatch", "trainsingle", "train", "fit", "learn",
         "partialfit", "gradientdescent", "sgd", "optimize", "trainnetwork", "trainmodel", "trainnn", "trainepoch", "training",
         "fitmodel", "runtraining", "step", "backpropandupdate", "stochasticgradientdescent", "minibatchgd", "trainnet")  # fmt: skip
SHOW = ("gradient", "gradients", "getgradients", "computegradient", "computegradients", "calculategradients", "backprop", "grad",
        "backpropagation", "calcgradients", "lossandgradient", "lossandgrads", "loss")  # fmt: skip
ZERO = (
    "zerograd",
    "zerogradients",
    "zerograds",
    "cleargradients",
    "cleargrads",
    "resetgradients",
    "resetgrads",
    "cleargrad",
    "zerogradparameters",
)
LOSS_NAMED = re.compile(r"loss|cost|entropy|criterion")
NET = re.compile(r"(neural_?)?(net|network|nn|model|mlp|layers|sequential|seq)(work)?s?")
_PRIME = re.compile(
    r"(loss|cost|error|err|mse|criterion|objective)\w*(prime|deriv|grad|delta|der)|^d_?(loss|cost|error|mse)|grad_?(loss|cost)"
)
_LOSS = re.compile(r"loss|cost|criterion|objective|err(or)?_?f|^obj")
_OPTIMIZER = re.compile(r"optim|^opt$|solver|^sgd$|updater")
_METRIC = re.compile(r"accura|metric|scor|evaluat")
_SIZE = re.compile(r"size|dim|shape|units|nodes|neurons|features|^n_|^num")
_MODE = ("training", "train", "istraining", "trainflg", "trainflag", "trainmode", "istrain", "trainable")


class Undrivable(Puzzled):
    """A container wants something that is not known here."""


@dataclass(frozen=True)
class Form:
    """How a batch is handed to a container.

    Attributes
    ----------
    layout : Layout
        Of what its first layer is given.
    stacked : bool
        Whether examples come one by one, each of this layout, along a first axis of their own.
    targets : str
        `rows` as the output has them, `labels` for class numbers, `flat` for one number each.
    """

    layout: Layout
    stacked: bool = False
    targets: str = "rows"

    def put(self, rows: Array) -> Array:
        """Scratch's rows as the container wants them."""
        if not self.stacked:
            return self.layout.there(rows)
        return np.stack([self.layout.there(rows[i : i + 1]) for i in range(len(rows))])

    def target(self, rows: Array) -> Array:
        """Targets likewise."""
        if self.targets == "rows":
            return self.put(rows)
        return rows.argmax(axis=1) if rows.shape[1] > 1 else rows.ravel().copy()

    def back(self, out: Any, m: int, k: int) -> Array | None:
        """An output as rows; None if it is none."""
        try:
            a = np.asarray(out, dtype=None)
        except ValueError:
            return None
        if a.dtype.kind != "f" or a.size != m * k:
            return None
        if not self.stacked and a.shape == self.layout.shape((m, k)):
            return self.layout.back(a)
        return a.reshape(m, k) if self.stacked or m == 1 or k == 1 else None


@dataclass(frozen=True)
class Fresh:
    """An object of a class that is made anew for every container."""

    cls: type


@dataclass(frozen=True)
class Offer:
    """A loss that a container may be given.

    Attributes
    ----------
    value, prime : object
        What is given where a loss, or its gradient, is asked for; a class stands for itself.
    kinds : tuple of str
        Names of scratch's losses that it is; empty if that is not known.
    """

    value: Any = None
    prime: Any = None
    kinds: tuple[str, ...] = ()


@dataclass
class Pool:
    """What there is to be given, by what it means."""

    values: dict[str, Any] = field(default_factory=dict)

    def given(self, f: Callable[..., Any], back: bool = False) -> dict[str, Any]:
        """Arguments of a function.

        Parameters
        ----------
        f : callable
        back : bool
            Whether it runs backward: then a gradient is meant where the name could also be a loss's.

        Raises
        ------
        Undrivable
            If nothing is known for one that it cannot do without.
        """
        found: dict[str, Any] = {}
        asked = parameters(f)
        for i, p in enumerate(asked):
            meaning = self._meaning(p.name, back, [q.name for q in asked[:i]])
            must = p.default is p.empty
            if meaning in self.values and (must or self._worth(meaning, p.default)):
                value = self.values[meaning]
                if meaning == "input_size" and re.search("shape|dims", p.name.lower()):
                    value = (value,)
                found[p.name] = value.copy() if isinstance(value, np.ndarray) else value
            elif must:
                if meaning in ("flag", "seed", "momentum", "metric", "validation"):
                    found[p.name] = {"momentum": 0.0, "seed": 0, "flag": False}.get(meaning)
                else:
                    raise Undrivable(f"{getattr(f, '__qualname__', f)} takes an argument {p.name!r} that is not known")
            elif (
                meaning == "momentum"
                and isinstance(p.default, int | float)
                and p.default
                and not isinstance(p.default, bool)
            ):
                found[p.name] = 0.0
            elif meaning == "flag" and isinstance(p.default, bool) and not plain(p.name).startswith("shuf"):
                found[p.name] = False
        return found

    def _worth(self, meaning: str, default: Any) -> bool:
        """Whether an argument with a default is set all the same."""
        if meaning in ("loss", "loss_prime", "optimizer"):
            return self.values[meaning] is not None
        return meaning in ("rate", "epochs", "batch_size", "training", "x", "y", "net")

    def wants(self, f: Callable[..., Any], meaning: str) -> bool:
        """Whether one of a function's arguments has this meaning."""
        asked = [p.name for p in parameters(f)]
        return any(self._meaning(name, False, asked[:i]) == meaning for i, name in enumerate(asked))

    def _meaning(self, name: str, back: bool, before: list[str]) -> str:
        lower, bare = name.lower(), plain(name)
        if back and bare in LABELS:
            return "y"
        if back and (bare in CALL_ALIASES["upstream"] or _PRIME.search(lower)) and "upstream" in self.values:
            return "upstream"
        if bare in _MODE or (bare == "mode" and "training" in self.values):
            return "training"
        if re.match(r"(x_?|y_?)?(val|test|dev|validation)", lower):
            return "validation"
        if _PRIME.search(lower):
            return "loss_prime"
        if _METRIC.search(lower):
            return "metric"
        if _OPTIMIZER.search(lower):
            return "optimizer"
        if _LOSS.search(lower):
            return "loss"
        if NET.fullmatch(lower):
            return "net"
        known = role(name)
        if known in ("input_size", "output_size") and known in self.values and _SIZE.search(lower):
            return known
        if known in ("rate", "epochs", "batch_size", "flag", "seed", "momentum", "keep"):
            return known
        if back and "output" in self.values and is_output(name):
            return "output"
        if is_y(name) and (not is_x(name) or any(is_x(n) for n in before)):
            return "y"
        if is_x(name):
            return "x"
        return known if known != "other" else ("upstream" if back else "other")


def functions_of(file: UserFile) -> dict[str, Callable[..., Any]]:
    """Functions of a file that take a network or a list of layers."""
    found = {}
    for name, f in file.functions().items():
        asked = [p.name for p in parameters(f)]
        if any(NET.fullmatch(n.lower()) for n in asked):
            found[name] = f
    return found


def takes_layers(cls: type) -> bool:
    """Whether objects of a class may be given layers."""
    import inspect

    if method(cls, ADD):
        return True
    try:
        asked = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.kind is p.VAR_POSITIONAL or re.search(r"layer|module|block", p.name.lower()) for p in asked)


def made(file: UserFile, cls: type, things: list[Any], pool: Pool) -> Any:
    """A container that holds these layers.

    Raises
    ------
    UserError
        If it cannot be made, or does not hold them in the end.
    """
    import inspect

    asked = inspect.signature(cls).parameters.values()
    star = any(p.kind is p.VAR_POSITIONAL for p in asked)
    listed = next((p.name for p in asked if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
                   and (re.fullmatch(r"(net)?layers?(_list)?|modules?|blocks?|stack|net(work)?|seq\w*|architecture|model", p.name.lower()))), "")  # fmt: skip
    own = Pool(
        {n: v for n, v in pool.values.items() if n not in ("x", "y", "output", "upstream")} | {"net": list(things)}
    )
    given = own.given(cls)
    if listed:
        given[listed] = list(things)
    container = file.call(cls, *things) if star and not given else file.call(cls, **given)
    add = method(cls, ADD)
    if not holds(container, things) and add:
        _add(file, container, add, things)
    if not holds(container, things) and isinstance(getattr(container, "layers", None), list):
        container.layers = list(things)
    if not holds(container, things):
        raise Undrivable(f"{cls.__name__}: the layers that it was given are not found in it")
    return container


def _add(file: UserFile, container: Any, add: str, things: list[Any]) -> None:
    f = getattr(container, add)
    if len([p for p in parameters(f) if p.default is p.empty]) > 1:
        for i, thing in enumerate(things):
            file.call(f, f"layer{i + 1}", thing)
        return
    for thing in things:
        file.call(f, thing)


def holds(container: Any, things: list[Any]) -> bool:
    """Whether all layers are somewhere in the container."""
    found = {id(v) for v in _inside(container, 3)}
    return all(id(thing) in found for thing in things)


def _inside(thing: Any, depth: int) -> Iterator[Any]:
    members = (
        list(thing.values()) if isinstance(thing, dict) else list(thing) if isinstance(thing, list | tuple)
        else list(vars(thing).values()) if hasattr(thing, "__dict__") and not isinstance(thing, type) else []
    )  # fmt: skip
    for value in members:
        yield value
        if depth > 1 and not isinstance(value, np.ndarray | str | int | float):
            yield from _inside(value, depth - 1)


def inside(thing: Any, classes: tuple[type, ...], depth: int = 3) -> list[Any]:
    """Objects of these classes in a container, in its order, each once."""
    found: dict[int, Any] = {}
    for value in _inside(thing, depth):
        if type(value) in classes:
            found.setdefault(id(value), value)
    return list(found.values())


def inside_objects(thing: Any) -> list[Any]:
    """Objects of the user's classes in a container, each once."""
    found: dict[int, Any] = {}
    for value in _inside(thing, 3):
        if (
            hasattr(value, "__dict__")
            and not isinstance(value, type)
            and not callable(getattr(value, "__code__", None))
        ):
            found.setdefault(id(value), value)
    return list(found.values())


def prepared(file: UserFile, container: Any, pool: Pool) -> None:
    """Call what sets the loss and what comes before training."""
    for names in (SET, FINISH):
        for name in dict.fromkeys(m for n in names if (m := method(type(container), (n,)))):
            f = getattr(container, name)
            try:
                given = pool.given(f)
            except Undrivable:
                continue
            file.call(f, **given)


@contextmanager
def known_order(reverse: bool = False) -> Iterator[None]:
    """Shuffling that is known: things stay as they are, or come in reverse."""
    import random

    def permutation(n: Any, *_: Any, **__: Any) -> Any:
        a = np.arange(n) if isinstance(n, int | np.integer) else np.array(n)
        return a[::-1].copy() if reverse else a

    def shuffle(a: Any, *_: Any, **__: Any) -> None:
        if reverse:
            a[:] = a[::-1].copy() if isinstance(a, np.ndarray) else list(a)[::-1]

    with ExitStack() as stack:
        for owner, name, f in (
            (np.random, "permutation", permutation),
            (np.random, "shuffle", shuffle),
            (random, "shuffle", shuffle),
        ):
            stack.enter_context(patch.object(owner, name, f))
        yield


class Descent:
    """Stands in for an optimizer that layers hold: plain descent."""

    learning_rate = lr = RATE

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `update`, or as the factory of itself where nothing is given."""
        return self.update(*args, **kwargs) if args else self

    def update(self, w: Any, g: Any, *args: Any, **kwargs: Any) -> Any:
        """w - RATE g."""
        return w - RATE * g


def named(f: Any, names: tuple[str, ...]) -> Iterator[str]:
    """Which of these words stand as texts in a file's code."""
    own = {plain(t.replace("-", "_").replace(" ", "_")): t for t in strings(f)}
    return (own[n] for n in names if n in own)


def in_mode(container: Any, things: list[Any], training: bool) -> None:
    """Set the attributes that choose between training and evaluation."""
    for thing in (container, *things):
        for name in ("training", "is_training", "train_mode", "_training"):
            if isinstance(getattr(thing, "__dict__", {}).get(name), bool):
                setattr(thing, name, training)


def told_mode(f: Callable[..., Any], training: bool) -> dict[str, Any]:
    """Arguments that choose the mode."""
    found: dict[str, Any] = {}
    for p in parameters(f):
        bare = plain(p.name)
        if bare in _MODE:
            found[p.name] = training
        elif bare == "mode" and isinstance(p.default, str):
            found[p.name] = "train" if training else "test"
        elif bare in ("test", "testing", "istest", "inference", "testmode", "predict"):
            found[p.name] = not training
    return found
