"""Running a user's container: made afresh, given weights, asked for its output and for one step, with its layers watched."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain
from comparisons.check.drawing import planned_draws
from comparisons.check.members import apart, label, places, snapshot
from comparisons.check.objects import method
from comparisons.check.styles.container_blocks import Block, Call, Part, orientation
from comparisons.check.styles.container_drives import (
    RATE,
    ZERO,
    Form,
    Fresh,
    Offer,
    Pool,
    Undrivable,
    in_mode,
    inside,
    known_order,
    made,
    prepared,
    told_mode,
)
from comparisons.check.styles.network_access import found_arrays, match_gradients, stem
from comparisons.check.styles.network_objects import construct
from comparisons.check.unit import UserError, UserFile
from scratch import BatchNorm, Dropout, Layer
from scratch.network import Architecture, architecture
from scratch.weights import Weights

Array = np.ndarray
PREDICTS = re.compile(r"predict|infer|eval|query|test|think")


@dataclass(frozen=True)
class Recipe:
    """How a container makes one step.

    Attributes
    ----------
    sort : str
        `through`: forward, and backward from an upstream gradient; `steps`: forward, backward from targets, perhaps an update;
        `train`: one function does it all.
    names : tuple of str
        Methods, in turn; a name that starts with `:` is a function of the file.
    """

    sort: str
    names: tuple[str, ...]

    @property
    def told(self) -> str:
        """The names as a person says them."""
        return ", ".join(n.lstrip(":") for n in self.names)


@dataclass(frozen=True)
class Way:
    """A container, what it holds, and how it is run.

    Attributes
    ----------
    cls : type, optional
        None for a plain list of layers.
    parts : tuple of Part
    layers : tuple of Layer
        Scratch's layer of each part, of its size here.
    form : Form
    recipe : Recipe
    offer : Offer
    optimizer : callable, optional
        Makes one for a container.
    constructor : dict, optional
        Arguments of a class that makes its layers itself.
    forward : str
        Its method or function for the output.
    low : bool
        See `planned_draws`.
    """

    cls: type | None
    parts: tuple[Part, ...]
    layers: tuple[Layer, ...]
    form: Form
    recipe: Recipe
    offer: Offer = field(default_factory=Offer)
    optimizer: Callable[[Any], Any] | None = None
    constructor: dict[str, Any] | None = None
    forward: str = ""
    low: bool = True

    @property
    def stack(self) -> list[list[Layer]]:
        """Scratch's layers by part: one, or a dense layer and its activation."""
        return [[layer, *part.layers[1:]] for part, layer in zip(self.parts, self.layers, strict=True)]

    @property
    def arch(self) -> Architecture:
        """Without a loss."""
        return architecture(*(layer for some in self.stack for layer in some))

    @property
    def names(self) -> list[list[str]]:
        """Names of scratch's layers by part."""
        left = [name for name, _ in self.arch.layers]
        return [[left.pop(0) for _ in some] for some in self.stack]

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of inputs and outputs."""
        shapes = [s["W"] for layer in self.layers if "W" in (s := layer.parameter_shapes())]
        return shapes[0][0], shapes[-1][1]


@dataclass
class Stepped:
    """What one step showed.

    Attributes
    ----------
    grads : dict
        By scratch's layer and parameter, in the code's scale.
    calls : list of Call
        Of the layers' methods, in turn.
    moved : bool
        Whether they are differences of parameters.
    result : object
        What the code returned.
    """

    grads: dict[str, dict[str, Array]]
    calls: list[Call]
    moved: bool
    result: Any


class Session:
    """One container at work.

    Parameters
    ----------
    file : UserFile
    way : Way
    m : int
        Examples in a batch.
    rate : float
        Learning rate where one is asked for.

    Raises
    ------
    UserError
        If it cannot be made.
    """

    def __init__(self, file: UserFile, way: Way, m: int, rate: float = RATE) -> None:
        self.file, self.way, self.m, self.rate = file, way, m, rate
        self.pool: dict[str, Any] = {"epochs": 1, "batch_size": m, "rate": rate, "training": True}
        if way.constructor is None:
            self.pool |= {"input_size": way.sizes[0], "output_size": way.sizes[1]}
        value = way.offer.value
        self.pool |= {
            "loss": file.call(value.cls) if isinstance(value, Fresh) else value,
            "loss_prime": way.offer.prime,
        }
        metrics = [c for n, c in file.classes().items() if "accura" in n.lower() and not parameters(c)]
        metric = metrics[-1] if metrics else None
        self.pool["metric"] = file.call(metric) if metric else None
        self.pool = {n: v for n, v in self.pool.items() if v is not None}
        np.random.seed(1)  # noqa: NPY002  (initial weights of the user's)
        if way.constructor is None:
            self._assemble()
        else:
            self._take_apart()
        self.dropouts = [(i, layer) for i, layer in enumerate(way.layers) if isinstance(layer, Dropout)]

    def _assemble(self) -> None:
        way = self.way
        scale, self.blocks = 1.0, []
        for part, layer in zip(way.parts, way.layers, strict=True):
            held = "W" in layer.parameter_shapes()
            turns = self._turns(part, layer)
            block = Block(self.file, part, layer, self.m, way.form.layout, scale=scale if held else 1.0, turns=turns)
            self.blocks.append(block)
            scale = 1.0 if held else scale / (part.reading.spec.factor if isinstance(layer, Dropout) else 1.0)
        things = [b.object for b in self.blocks]
        if way.cls is None:
            self.container: Any = things
        else:
            optimizer = None if way.optimizer is None else self._optimizer(None)
            self.container = made(self.file, way.cls, things, Pool(self.pool | {"optimizer": optimizer}))
        self.net = self.container
        if way.optimizer is not None:
            self.pool["optimizer"] = self._optimizer(self.container)
        if way.cls is not None:
            prepared(self.file, self.container, Pool(self.pool))

    def _take_apart(self) -> None:
        way = self.way
        assert way.cls is not None
        assert way.constructor is not None
        self.container = self.net = construct(self.file, way.cls, way.constructor)
        things = inside(self.container, tuple({p.cls for p in way.parts}))
        if [type(t) for t in things] != [p.cls for p in way.parts]:
            raise Undrivable(f"{way.cls.__name__}: its layers are not those that it had before")
        scale, self.blocks = 1.0, []
        for thing, part, layer in zip(things, way.parts, way.layers, strict=True):
            held = "W" in layer.parameter_shapes()
            turns = self._turns(part, layer)
            if held and turns and hasattr(way.cls, "script"):
                # Made by a script in sizes that differ, where equal ones are wanted.
                other = Block(self.file, part, layer, self.m, way.form.layout, turns=turns).object
                thing.__dict__.update(other.__dict__)
            block = Block(self.file, part, layer, self.m, way.form.layout, thing, scale if held else 1.0, turns)
            scale = 1.0 if held else scale / (part.reading.spec.factor if isinstance(layer, Dropout) else 1.0)
            self.blocks.append(block)
        if way.optimizer is not None:
            self.pool["optimizer"] = self._optimizer(self.container)
        prepared(self.file, self.container, Pool(self.pool))

    def _turns(self, part: Part, layer: Layer) -> dict[str, int]:
        """How weights stand that are as high as wide."""
        shape = layer.parameter_shapes().get("W", (0, 1))
        if shape[0] != shape[1]:
            return {}
        return orientation(self.file, part, np.zeros((self.m, part.layers[0].parameter_shapes()["W"][0])))

    def _optimizer(self, container: Any) -> Any:
        assert self.way.optimizer is not None
        return self.way.optimizer(container)

    def _apart(self) -> AbstractContextManager[None]:
        """Layers of a container may be linked to each other and to it: each is looked at alone."""
        container = [] if isinstance(self.container, list) else [self.container]
        return apart([*container, *(b.object for b in self.blocks)])

    def load(self, weights: Weights) -> None:
        """Put weights and running averages into the layers."""
        with self._apart():
            self._load(weights)

    def _load(self, weights: Weights) -> None:
        n = self.way.sizes[0]
        if not all(b.found() for b in self.blocks):
            try:
                if not self.way.forward:
                    raise Undrivable(f"{type(self.container).__name__} has no forward pass of its own")
                self.predict(np.zeros((self.m, n)))
            except UserError:
                width = n
                for block in self.blocks:
                    block.prepare(np.zeros((self.m, width)))
                    shape = block.layer.parameter_shapes().get("W")
                    width = shape[1] if shape else width
        for block, names in zip(self.blocks, self.way.names, strict=True):
            if not block.found():
                raise Undrivable(f"{block.cls.__name__}: its parameters are not found inside the container")
            block.set(weights.params.get(names[0], {}), weights.buffers.get(names[0], {}))
        self._aliases = self._named()

    def _named(self) -> dict[str, tuple[Block, str]]:
        """Other places in the container that hold a layer's parameters: `params['W1']`."""
        own: dict[int, tuple[Block, str]] = {}
        for block in self.blocks:
            held = places(block.object)
            own |= {id(held[place]): (block, name) for name, (place, _) in block.where.items() if place in held}
        if isinstance(self.container, list):
            return {}
        found: dict[str, tuple[Block, str]] = {}
        for place, a in places(self.container).items():
            if id(a) in own:
                found.setdefault(label(place), own[id(a)])
        return found

    def predict(self, x: Array, training: bool = False) -> Array | None:
        """The output that its forward method gives; None if it is no array of this size."""
        name = self.way.forward
        f = self.function(name)
        in_mode(self.container, [b.object for b in self.blocks], training)
        switches = told_mode(f, training)
        if not self.way.form.stacked or not self._one_by_one(f, name):
            out = self.ran(f, {"x": self.way.form.put(x)}, switches)
            return self.way.form.back(out, len(x), self.way.sizes[1])
        each = [self.ran(f, {"x": self.way.form.layout.there(row[None])}, switches) for row in x]
        rows = [replace(self.way.form, stacked=False).back(out, 1, self.way.sizes[1]) for out in each]
        return None if any(r is None for r in rows) else np.concatenate([r for r in rows if r is not None])

    def evaluates(self) -> bool:
        """Whether the forward method can be told from that of training, where layers make that differ."""
        if not any(isinstance(layer, Dropout | BatchNorm) for layer in self.way.layers):
            return True
        if not self.way.forward:
            return False
        modes = ("training", "is_training", "train_mode", "_training")
        held = any(isinstance(getattr(b.object, n, None), bool) for b in self.blocks for n in modes)
        return bool(
            held or PREDICTS.search(plain(self.way.forward)) or told_mode(self.function(self.way.forward), False)
        )

    def _one_by_one(self, f: Callable[..., Any], name: str) -> bool:
        """Whether the function is meant for a single example: it has no loop of its own."""
        import ast

        from comparisons.check.calling import tree

        body = tree(f)
        loops = [n for n in ast.walk(body) if isinstance(n, ast.For | ast.comprehension)] if body else []
        return not any(re.search(r"range|len|\bx|input|data|sample", ast.unparse(n.iter).lower()) for n in loops) or (
            all(re.search(r"layer|network|net|model", ast.unparse(n.iter).lower()) for n in loops)
        )

    def ran(self, f: Callable[..., Any], more: dict[str, Any], switches: dict[str, Any]) -> Any:
        given = Pool(self.pool | {"net": self.net} | more).given(f)
        return self.file.call(f, **given | switches)

    def function(self, name: str) -> Callable[..., Any]:
        if name.startswith(":"):
            return self.file.namespace[name[1:]]
        return getattr(self.container, name)

    def step(
        self, x: Array, y: Array | None, upstream: Array | None, masks: list[Array], reverse: bool = True
    ) -> Stepped:
        """One step of the recipe, with its layers watched.

        What is shuffled comes in reverse: of a batch that changes nothing, unless targets are not shuffled with their inputs.

        Raises
        ------
        UserError
            If the code raises, or a parameter changes its shape.
        """
        form = self.way.form
        calls: list[Call] = []
        pool = self.pool | {"x": form.put(x), "net": self.net, "training": True}
        if self.way.recipe.sort != "through" and y is not None:
            pool["y"] = form.target(y)
        elif upstream is not None:
            pool["upstream"] = form.put(upstream)
        in_mode(self.container, [b.object for b in self.blocks], True)
        with self._apart():
            raw = [b.raw() for b in self.blocks]
            before = [snapshot(b.object) for b in self.blocks]
        with ExitStack() as stack:
            stack.enter_context(self._apart())
            stack.enter_context(known_order(reverse and not form.stacked and not self.dropouts))
            left = None
            if self.dropouts:
                there = [form.layout.there(mask) for mask in masks]
                left = stack.enter_context(planned_draws(there, self.dropouts[0][1].keep_prob, self.way.low))
            if self.file.recorder is None:
                for i, block in enumerate(self.blocks):
                    stack.callback(block.watch(calls, i))
            result = self._recipe(pool)
        if left is not None and left.left:
            raise Undrivable(
                f"{self.way.recipe.told}: its dropout masks are drawn in a way that is not known, or not at all"
            )
        if not form.stacked:
            _in_order(calls, form, form.put(x))
        with self._apart():
            return self._stepped(result, calls, raw, before)

    def sequence(self, x: Array, y: Array) -> dict[str, dict[str, Array]]:
        """Parameters after one call for several batches, which come in their own order.

        Raises
        ------
        UserError
            As `step`.
        """
        pool = self.pool | {"x": self.way.form.put(x), "y": self.way.form.target(y), "net": self.net}
        in_mode(self.container, [b.object for b in self.blocks], True)
        with self._apart(), known_order():
            self._recipe(pool)
            return {names[0]: b.held() for b, names in zip(self.blocks, self.way.names, strict=True) if b.spec.params}

    def _recipe(self, pool: dict[str, Any]) -> Any:
        result: Any = None
        if self.way.recipe.sort != "train":
            self._zero()
        for i, name in enumerate(self.way.recipe.names):
            f = self.function(name)
            back = i > 0
            given = Pool(pool).given(f, back)
            result = self.file.call(f, **given | told_mode(f, True))
            if i == 0 and result is not None:
                out = result[0] if isinstance(result, tuple) and result else result
                pool["output"] = out
        return result

    def _zero(self) -> None:
        """What a training loop would call before it goes backward."""
        for owner in (self.container, *(b.object for b in self.blocks)):
            name = "" if isinstance(owner, list) else method(type(owner), ZERO)
            if name and not [p for p in parameters(getattr(owner, name)) if p.default is p.empty]:
                self.file.call(getattr(owner, name))

    def _stepped(self, result: Any, calls: list[Call], raw: list[dict[str, Array]], before: list[Any]) -> Stepped:
        now = [b.raw() for b in self.blocks]
        for block, old, new in zip(self.blocks, raw, now, strict=True):
            for name in old:
                if new[name].shape != old[name].shape:
                    raise UserError(
                        f"{self.way.recipe.told}: {name} of {block.cls.__name__} has the shape {new[name].shape} after it, it was {old[name].shape}"
                    )
        moved = any(not np.array_equal(o[n], c[n]) for o, c in zip(raw, now, strict=True) for n in o)
        moved = moved or (self.way.recipe.sort == "train" and (self._optimizes() or _of_nothing(calls)))
        grads: dict[str, dict[str, Array]] = {}
        shown = None if moved else self._returned(result)
        called = {c.block for c in calls if c.backward}
        for i, (block, names, old, new, snap) in enumerate(
            zip(self.blocks, self.way.names, raw, now, before, strict=True)
        ):
            if moved:
                own = {n: block.gradient(n, old[n] - new[n]) for n in block.spec.params}
            elif shown is not None:
                own = {n: block.gradient(n, g) for (b, n), g in shown.items() if b is block}
            else:
                own = block.shown(snap, old)
            if called and i not in called and i < max(called):
                own = {n: np.zeros(shape) for n, shape in block.spec.params.items()} | own  # left out
            if own:
                grads[names[0]] = own
        return Stepped(grads, calls, moved, result)

    def _optimizes(self) -> bool:
        """Whether a step was given an optimizer, so that parameters are meant to move."""
        f = self.function(self.way.recipe.names[0])
        return self.way.optimizer is not None and Pool(self.pool).wants(f, "optimizer")

    def _returned(self, result: Any) -> dict[tuple[Block, str], Array] | None:
        """Gradients that were returned, by what they belong to; None if there are none."""
        if not isinstance(result, dict | list | tuple):
            return None
        found = {f"returned{p}": a for p, a in found_arrays(result)}
        if self._aliases:
            known = dict(self._aliases)
        else:
            dense = [b for b in self.blocks if b.spec.params]
            known = {f"{plain(n)}{i + 1}": (b, n) for i, b in enumerate(dense) for n in b.spec.params}
        arrays = {place: b.raw()[n] for place, (b, n) in known.items()}
        stems = [stem(place) for place in found]
        by_name = {stem(place): place for place in found if stems.count(stem(place)) == 1}
        given = {place: found[by_name[stem(place)]] for place in arrays if stem(place) in by_name}
        if len(given) < len(arrays):
            given = match_gradients(arrays, found)
        if len(given) < max(1, len(arrays) // 2):
            return None
        return {known[place]: g for place, g in given.items()}


def _of_nothing(calls: list[Call]) -> bool:
    """Whether the backward pass was handed zeros: then nothing moves."""
    first = next((c.given for c in calls if c.backward), None)
    return first is not None and not first.any()


def _in_order(calls: list[Call], form: Form, x: Array) -> None:
    """Turn back what was shuffled, that is, came in reverse."""
    axis = form.layout.axes.index(0) if not form.layout.dropped else 0
    given = calls[0].given if calls else None
    if (
        given is None
        or given.shape != x.shape
        or np.array_equal(given, x)
        or not np.array_equal(np.flip(given, axis), x)
    ):
        return
    for call in calls:
        for name in ("given", "result"):
            a = getattr(call, name)
            if a is not None and a.ndim == x.ndim and a.shape[axis] == x.shape[axis]:
                setattr(call, name, np.flip(a, axis))
