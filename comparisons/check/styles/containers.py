"""Containers of layers: classes and functions that run a user's own layers forward, backward and through training steps.

The layers stand in other units; here a container is built of those that are right, given weights, and compared as a whole: what it
gives out, the gradients that its backward pass leaves in the layers, how its training moves them, for two batches in turn.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import linecache
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import parameters, plain, tree
from comparisons.check.models import Base
from comparisons.check.objects import method
from comparisons.check.styles.container_blocks import Part, parts, usable
from comparisons.check.styles.container_branches import NO_CHAIN, no_chain
from comparisons.check.styles.container_drives import (
    BACK,
    RUN,
    SET,
    SHOW,
    TRAIN,
    UPDATE,
    Offer,
    Pool,
    functions_of,
    takes_layers,
)
from comparisons.check.styles.container_offers import LOSS, Around, named_losses
from comparisons.check.styles.container_reading import (
    STEPS,
    Cause,
    Reading,
    by_its_loss,
    contradicted,
    cost_value,
    has_cost,
    in_sequence,
    read,
    with_cost,
)
from comparisons.check.styles.container_runs import PREDICTS, Recipe, Session, Way
from comparisons.check.styles.container_scripts import OVER_LAYERS, STEP, Script, container, scripts, trains_layers
from comparisons.check.styles.container_stacks import SIZES, chain, made_stacks, stacks
from comparisons.check.styles.layers import LayerObjects
from comparisons.check.styles.network_arguments import is_x
from comparisons.check.styles.network_reading import LOSS_TITLES
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import BatchNorm, Dense, Dropout, GradientDescent, Layer
from scratch.network import Pass
from scratch.weights import Weights

Array = np.ndarray
SEQUENCE = "in one call"
"""Ends the id of a case in which several batches are handed over at once."""
SECONDS = 3.0
"""For which one way to make a step is looked at."""
MOST = 400
"""Ways of running one container that are tried."""


class Containers:
    """Containers of a user's layers.

    Parameters
    ----------
    layers : LayerObjects
        The style that has recognised the layers.
    """

    name = "containers"

    def __init__(self, layers: LayerObjects) -> None:
        self._layers = layers
        self._known: dict[tuple[str, str], Reading] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every container that runs layers which are right by themselves."""
        accesses = list(_accesses(file, taken))
        known = parts(file, self._layers) if accesses or trains_layers(file) else []
        accesses += _scripts(file, known)
        if not accesses:
            return []
        if not any(isinstance(p.layers[0], Dense) for p in known):
            held = [access.name for access in accesses if not access.makes]
            if held and self._layers.recognised(file):
                file.notes.append(f"{', '.join(held)} is not compared: there is no dense layer that is right by itself")
            return []
        around = Around(file)
        units = []
        for access in accesses:
            units += self._units(file, access, known, around)
        file.mutated.clear()
        return units

    def _units(self, file: UserFile, access: Access, known: list[Part], around: Around) -> list[Unit]:
        """All ways in which a container agrees are one unit; each in which it does not is one of its own."""
        right: list[Reading] = []
        wrong: list[Reading] = []
        told, partly = "", ""
        for recipes in access.recipes:
            best, error = _best(file, access, recipes, known, around)
            if best is None or (best.doubt and error):
                best = _square(file, access, recipes, known, around) or best
            if best is not None and access.script is not None:
                best = by_its_loss(file, best)
            if best is not None and not best.complete and not best.doubt and no_chain(file, best, access.makes):
                best = replace(best, doubt=NO_CHAIN)
            if best is None or best.doubt:
                told = told or (best.doubt if best else error)
                continue
            if best.complete and best.cost is not None and best.cost.wrong:
                best = replace(best, late=best.cost.told)
            (right if best.complete and not best.late else wrong).append(best)
            if best.complete and not best.late:
                more = _with_norm_and_dropout(file, best, known)
                if isinstance(more, str):
                    partly = partly or more
                elif more is not None:
                    (right if more.complete else wrong).append(more)
        if not right and not wrong and told:
            file.notes.append(f"{access.name} is not compared: {told}")
        elif partly and not wrong:
            file.notes.append(f"{access.name} is not compared {partly}")
        units = []
        alike: dict[tuple[str, ...], list[Reading]] = {}
        for r in wrong:
            alike.setdefault(r.causes or (r.late, r.way.recipe.told), []).append(r)
        for i, readings in enumerate([*alike.values(), *([right] if right else [])]):
            name = access.name if not i else f"{access.name}, {readings[0].way.recipe.told}"
            cases = {case: r for r in readings for case in _cases(name, r)}
            units.append(_unit(file, access, name, readings, tuple(cases)))
            self._known |= {(name, case.id): r for case, r in cases.items()}
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The container behind the common door."""
        return ContainerModel(case, file, self._known[unit.name, case.id])


@dataclass
class Access:
    """A container and how it may be run.

    Attributes
    ----------
    name : str
    cls : type, optional
    makes : bool
        Whether it makes its layers itself.
    forwards : list of str
    recipes : list of list of Recipe
        Ways to make a step, in groups; each group is compared.
    script : Script, optional
        The training loop that it stands for.
    """

    name: str
    cls: type | None
    makes: bool
    forwards: list[str]
    recipes: list[list[Recipe]]
    script: Script | None = None


def _accesses(file: UserFile, taken: frozenset[str]) -> Iterator[Access]:
    functions = {n: f for n, f in functions_of(file).items() if n not in taken}
    trains = [n for n in functions if plain(n) in TRAIN or plain(n).startswith("train")]
    used = False
    for name, cls in file.classes().items():
        if name in taken or not method(cls, RUN) or LOSS.search(plain(name)):
            continue
        makes = not takes_layers(cls)
        if makes and not method(cls, (*BACK, *TRAIN, *SHOW)):
            continue
        forwards = _own(cls, RUN)
        recipes = list(_recipes(cls, forwards))
        if trains and not makes and not any(r.sort == "train" for group in recipes for r in group):
            recipes.append([Recipe("train", (f":{n}",)) for n in trains])
        if recipes:
            used = used or not makes
            yield Access(name, cls, makes, forwards, recipes)
    if trains and not used:
        forwards = [f":{n}" for n in functions if plain(n) in RUN and n not in trains]
        yield Access(trains[0], None, False, forwards, [[Recipe("train", (f":{n}",)) for n in trains]])


def _scripts(file: UserFile, known: list[Part]) -> Iterator[Access]:
    """Training loops of a script that run such layers."""
    if not any(isinstance(p.layers[0], Dense) for p in known):
        return
    for script in scripts(file, known):
        cls = container(script)
        if cls is not None:
            yield Access(script.name, cls, True, [], [[Recipe("train", (STEP,))]], script)


def _own(cls: type, names: tuple[str, ...]) -> list[str]:
    """Methods of a class with these names, in this order."""
    return list(dict.fromkeys(m for n in names if (m := method(cls, (n,)))))


def _recipes(cls: type, forwards: list[str]) -> Iterator[list[Recipe]]:
    backs = [b for b in _own(cls, BACK) if b not in forwards]
    updates = _own(cls, UPDATE)
    no_update: list[tuple[str, ...]] = [()]
    whole = [n for n in _own(cls, TRAIN) if _takes_data(getattr(cls, n))]
    running = [f for f in forwards if plain(f) not in ("predict", "evaluate")] or forwards
    if backs and running:
        yield [Recipe("through", (running[0], b)) for b in backs]
        steps = [
            Recipe("steps", (f, b, *u))
            for f in running[:2]
            for b in backs
            for u in ([(n,) for n in updates[:2]] or no_update)
        ]
        yield list(dict.fromkeys((*steps, *(Recipe("steps", (running[0], b)) for b in backs))))
    shows = [n for n in _own(cls, SHOW) if n not in backs and _takes_data(getattr(cls, n))]
    alone = [b for b in backs if _takes_data(getattr(cls, b))]
    if shows or alone:
        yield [Recipe("train", (n,)) for n in (*shows, *alone)]
    for name in whole:
        yield [Recipe("train", (name,))]


def _takes_data(f: Callable[..., Any]) -> bool:
    """Whether a method is given inputs and targets."""
    asked = [p.name for p in parameters(f) if p.name != "self"]
    return len(asked) >= 2 and is_x(asked[0])


def _with_norm_and_dropout(file: UserFile, reading: Reading, known: list[Part]) -> Reading | str | None:
    """A container that is right, now with batch norm and dropout in it; in words what keeps it from being compared, None without such layers."""
    way = reading.way
    if way.constructor is not None:
        return _with_own_dropout(file, reading, known)
    if not reading.at_once:
        return None
    fitting = [p for p in known if usable(p, way.form.layout)]
    norm, drop = (next((p for p in fitting if isinstance(p.layers[0], kind)), None) for kind in (BatchNorm, Dropout))
    if norm is None and drop is None:
        return None
    pieces = list(zip(way.parts, way.layers, strict=True))
    first = 1 if len(way.parts[0].layers) > 1 or len(pieces) < 3 else 2
    extra: list[tuple[Part, Layer]] = [(p, p.layers[0]) for p in (norm, drop) if p is not None]
    if norm is not None and way.layers[0].parameter_shapes()["W"][1] != norm.reading.variant.shape[0]:
        return None
    stack = chain(*pieces[:first], *extra, *pieces[first:])
    best: Reading | None = None
    told = ""
    for low in (True, False) if drop is not None else (True,):
        try:
            found = read(file, replace(way, parts=stack.parts, layers=stack.layers, low=low))
        except UserError as error:
            told = str(error)
            continue
        if found is not None and found.total and (best is None or found.rank > best.rank):
            best = found
    spoken = " and ".join(p.cls.__name__ for p, _ in extra)
    if best is None:
        return f"with {spoken} in it: {told}" if told else None
    if not best.output and best.total == best.agreeing:
        return replace(best, doubt="", causes=(f"{way.forward} runs {spoken} as in training",))
    return replace(best, doubt="")


def _with_own_dropout(file: UserFile, reading: Reading, known: list[Part]) -> Reading | str | None:
    """A network that makes its layers itself, told to make dropout too."""
    way = reading.way
    assert way.cls is not None
    assert way.constructor is not None
    asked = [p for p in parameters(way.cls) if "drop" in plain(p.name) and isinstance(p.default, bool | float | int)]
    layer = next((p.layers[0] for p in known if isinstance(p.layers[0], Dropout)), None)
    if not asked or not isinstance(layer, Dropout):
        return None
    rate = layer.keep_prob if any("keep" in plain(p.name) for p in asked) else 1 - layer.keep_prob
    told = way.constructor | {p.name: True if isinstance(p.default, bool) else rate for p in asked}
    for stack in made_stacks(file, way.cls, known, False, told):
        if not any(isinstance(layer, Dropout) for layer in stack.layers):
            continue
        readings = []
        for low in (True, False):
            with contextlib.suppress(UserError):
                changed = replace(way, parts=stack.parts, layers=stack.layers, constructor=stack.constructor, low=low)
                readings.append(read(file, changed))
        found = [r for r in readings if r is not None and r.total]
        if not found:
            return "with its dropout: its masks are drawn in a way that is not known"
        return replace(max(found, key=lambda r: r.rank), doubt="")
    return None


def _square(file: UserFile, access: Access, recipes: list[Recipe], known: list[Part], around: Around) -> Reading | None:
    """A reading with layers as wide as each other, where sizes that differ make the code raise: it calls layers in the wrong order."""
    best, _ = _best(file, access, recipes, known, around, (4, 4, 4))
    return best if best is not None and best.causes and not best.complete else None


def _best(
    file: UserFile,
    access: Access,
    recipes: list[Recipe],
    known: list[Part],
    around: Around,
    sizes: tuple[int, int, int] = SIZES,
) -> tuple[Reading | None, str]:
    """The most likely reading of a container under one of several recipes, and why there is none."""
    best: Reading | None = None
    told = inner = ""
    once = False
    failed: Counter[tuple[Any, Any]] = Counter()
    started = time.process_time()
    ways = itertools.islice(_ways(file, access, recipes, known, around, sizes), MOST)
    for way in ways:
        if (once and way.form.stacked) or failed[way.offer, way.optimizer] > 1:
            continue  # it takes whole batches, or does not take this loss
        if time.process_time() - started > SECONDS:
            break
        try:
            way = _with_forward(file, way, access.forwards)
        except UserError as error:
            told = told or str(error)
            failed[way.offer, way.optimizer] += 1
            continue
        failed[way.offer, way.optimizer] = -1000
        for targets in _targets(way):
            try:
                reading = read(file, replace(way, form=replace(way.form, targets=targets)))
            except UserError as error:
                inner = inner or str(error)
                continue
            if reading is not None and reading.total and (best is None or reading.rank > best.rank):
                best = reading
            if best is not None and best.complete:
                best = with_cost(file, best)
                if best.cost is None or best.cost.rank < 3:
                    best = _with_fitting_cost(file, best, ways, access.forwards)
                return contradicted(file, in_sequence(file, best)), ""
            once = once or (best is not None and best.at_once and not best.doubt)
    return best, inner or told


def _with_fitting_cost(file: UserFile, reading: Reading, ways: Iterator[Way], forwards: list[str]) -> Reading:
    """Of several last layers under which all agrees, the one to which the container's own cost belongs."""
    best = reading
    if reading.way.cls is None or not has_cost(reading.way.cls):
        return best
    for way in ways:
        if (way.form.layout, way.form.stacked, way.recipe) != (
            reading.way.form.layout,
            reading.way.form.stacked,
            reading.way.recipe,
        ):
            return best
        try:
            form = replace(way.form, targets=reading.way.form.targets)
            found = read(file, replace(_with_forward(file, way, forwards), form=form))
        except UserError:
            continue
        if found is not None and found.complete:
            found = with_cost(file, found)
            if found.cost is not None and (best.cost is None or found.cost.rank > best.cost.rank):
                best = found
        if best.cost is not None and best.cost.rank == 3:
            return best
    return best


def _ways(
    file: UserFile,
    access: Access,
    recipes: list[Recipe],
    known: list[Part],
    around: Around,
    sizes: tuple[int, int, int] = SIZES,
) -> Iterator[Way]:
    """Everything that may be tried, the usual first."""
    for recipe in recipes:
        loss, optimizer = (_asks(file, access, recipe, what) for what in ("loss", "optimizer"))
        offers = [*around.losses, *named_losses(access.cls)] if loss else []
        for stack, form in stacks(file, access.cls, access.makes, known, sizes):
            for offer, make in itertools.product(offers or [Offer()], around.optimizers if optimizer else [None]):
                yield Way(access.cls, stack.parts, stack.layers, form, recipe, offer, make, stack.constructor)


def _targets(way: Way) -> tuple[str, ...]:
    """Ways to hand over targets."""
    if way.recipe.sort == "through":
        return ("rows",)
    return ("rows", "labels") if way.sizes[1] > 1 else ("rows", "flat")


def _asks(file: UserFile, access: Access, recipe: Recipe, meaning: str) -> bool:
    """Whether a container or its step wants a loss, or an optimizer."""
    asked: list[Callable[..., Any]] = [file.namespace[n[1:]] for n in recipe.names if n.startswith(":")]
    if access.cls is not None:
        asked += [
            access.cls,
            *(getattr(access.cls, n) for n in (*_own(access.cls, SET), *recipe.names) if not n.startswith(":")),
        ]
    return any(Pool().wants(f, meaning) for f in asked)


def _with_forward(file: UserFile, way: Way, names: list[str]) -> Way:
    """The way with the first method that gives an output of the right size.

    Raises
    ------
    UserError
        If the container cannot be made.
    """
    m = 1 if way.form.layout.single and not way.form.stacked else 6
    session = Session(file, way, m)
    x = np.random.default_rng(3).standard_normal((m, way.sizes[0]))
    for name in sorted(names, key=lambda n: not PREDICTS.search(plain(n))):
        session.way = replace(way, forward=name)
        try:
            out = session.predict(x)
        except UserError:
            continue
        if out is not None and not np.array_equal(out, np.round(out)):
            return session.way
    return way


def _unit(file: UserFile, access: Access, name: str, readings: list[Reading], cases: tuple[Case, ...]) -> Unit:
    way = readings[0].way
    owned = dict.fromkeys(
        n for r in readings for n in (r.way.forward, *r.way.recipe.names, *([r.cost.name] if r.cost else [])) if n
    )
    members = tuple(n[1:] if n.startswith(":") else f"{access.name}.{n}" for n in owned)
    if access.script is not None:
        members = (OVER_LAYERS,)
    spoken = ", ".join(p.cls.__name__ for p in way.parts)
    what = "network made of" if way.constructor is not None else "container of layers, here"
    causes = [c for r in readings for c in ((r.late,) if r.complete else r.causes) if c]
    return Unit(
        name,
        Containers.name,
        f"{what} {spoken}",
        _line(file, access, way.recipe.names[-1].lstrip(":")),
        members,
        cases,
        {"partial": True, "at": _at(file, access, readings[0], causes)}
        | ({"cause": "; ".join(dict.fromkeys(causes))} if causes else {}),
        tuple(dict.fromkeys(text for r in readings for text in _assumed(r))),
    )


def _at(file: UserFile, access: Access, reading: Reading, causes: list[str]) -> tuple[str, int, str]:
    """Function, line and text of the place that a cause speaks of: where the container calls its layers, forward or backward."""
    way = reading.way
    spec = way.parts[0].reading.spec
    forward = any(c.startswith(("the forward pass", "in the forward pass")) for c in causes)
    about = spec.forward if forward else spec.backward
    if access.script is not None:
        line = _within(
            access.script.statement, about, next((c.line for c in causes if isinstance(c, Cause) and c.line), 0)
        )
        if any(c.startswith("the parameters are not updated") for c in causes):
            line = access.script.statement.lineno
        return OVER_LAYERS, line, linecache.getline(file.path, line).strip()
    for name, f in _reached(file, access, reading) if any("pass" in c for c in causes) else ():
        body, code = tree(f), getattr(f, "__code__", None)
        if body is None or code is None:
            continue
        calls = [
            n
            for n in ast.walk(body)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == about
        ]
        loops = [n for n in ast.walk(body) if isinstance(n, ast.For) and any(c in ast.walk(n) for c in calls)]
        nearest = max(loops, key=lambda n: n.lineno, default=None) or next(iter(calls), None)
        if nearest is not None:
            line = code.co_firstlineno + nearest.lineno - 1
            return name, line, linecache.getline(file.path, line).strip()
    last = way.forward if any("as in training" in c for c in causes) else way.recipe.names[-1]
    if reading.cost is not None and reading.cost.wrong:
        last = reading.cost.name
    line = _line(file, access, last.lstrip(":"))
    function = last[1:] if last.startswith(":") else f"{access.name}.{last}"
    return function, line, linecache.getline(file.path, line).strip()


def _within(statement: ast.stmt, about: str, line: int) -> int:
    """The line of a training loop where its layers are called: that of the loop over them, else of one call."""
    calls = [
        n
        for n in ast.walk(statement)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == about
    ]
    loops = [
        n
        for n in ast.walk(statement)
        if isinstance(n, ast.For) and n is not statement and any(c in ast.walk(s) for s in n.body for c in calls)
    ]
    over = [n for n in loops if re.search(r"layer|network|net|model", ast.unparse(n.iter).lower())]
    if line and not any(n.lineno <= line <= (n.end_lineno or 0) for n in over):
        return line
    nearest = max(over, key=lambda n: n.lineno, default=None) or min(calls, key=lambda n: n.lineno, default=statement)
    return nearest.lineno


def _reached(file: UserFile, access: Access, reading: Reading) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of the recipe, last first, then all others of the container."""
    if access.cls is not None:
        own = [n.lstrip(":") for n in reversed(reading.way.recipe.names)]
        for name in dict.fromkeys((*own, *(n for n, f in vars(access.cls).items() if callable(f)))):
            f = getattr(access.cls, name, None)
            if callable(f):
                yield f"{access.cls.__name__}.{name}", f
    yield from functions_of(file).items()


def _line(file: UserFile, access: Access, last: str) -> int:
    f = getattr(access.cls, last, None) or file.namespace.get(last)
    code = getattr(f, "__code__", None)
    return code.co_firstlineno if code is not None and code.co_filename == file.path else file.own.get(access.name, 1)


def _cases(name: str, reading: Reading) -> Iterator[Case]:
    n = reading.way.sizes[0]
    if any(isinstance(layer, BatchNorm | Dropout) for layer in reading.way.layers):
        name = f"{name} with norm and dropout"
    single = not reading.batched or (reading.way.form.layout.single and not reading.way.form.stacked)
    if reading.way.recipe.sort == "through":
        for i, m in enumerate((1, 1) if single else (6, 1)):
            yield Case(f"check/{name}/{reading.way.recipe.told} {i + 1}-batch{m}", reading.arch, (m,), (n,))
        return
    sizes: tuple[int, ...] = (1, 1) if single else (6, 4)
    sizes = sizes[:1] if reading.remembers else sizes
    # The penalty of an architecture is that of one size of a batch, unless the code divides it by m as scratch does.
    sizes = sizes[:1] * 2 if reading.penalty and not reading.per_example else sizes
    yield Case(
        f"check/{name}/{reading.way.recipe.told} batches{'-'.join(map(str, sizes))}",
        reading.trained(sizes[0]),
        sizes,
        (n,),
        recorded_steps=() if reading.remembers else (1,),
    )
    if reading.sequence:
        yield Case(
            f"check/{name}/{reading.way.recipe.told} {SEQUENCE}",
            reading.arch,
            (reading.sequence,) * STEPS,
            (n,),
            optimizer=GradientDescent(reading.rate),
            recorded_steps=(STEPS,),
        )


def _assumed(reading: Reading) -> Iterator[str]:
    way = reading.way
    if way.form.stacked and not reading.batched:
        yield "it makes a step for each example"
    elif way.form.layout.name in ("columns", "column"):
        yield "examples are columns"
    if way.form.targets == "labels":
        yield "targets are class numbers"
    if reading.cost is not None and reading.cost.told and not reading.cost.wrong:
        yield reading.cost.told
    if reading.penalty:
        yield f"its step adds {reading.penalty:.6g}{'/m' if reading.per_example else ''} W to the gradients of weights: L2"
    if reading.arch.loss is not None:
        yield f"the loss is the {LOSS_TITLES.get(type(reading.arch.loss), 'cross-entropy')}"


class ContainerModel(Base):
    """A user's container on weights and batches of a case.

    Parameters
    ----------
    case : Case
    file : UserFile
    reading : Reading
    """

    def __init__(self, case: Case, file: UserFile, reading: Reading) -> None:
        super().__init__(case)
        self._file, self._reading = file, reading

    def load(self, weights: Weights) -> None:
        """Take the arrays; the container is made anew."""
        super().load(weights)
        self._session: Session | None = None
        self._batches: list[tuple[Array, Array]] = []

    def update(self, grads: Any = None) -> None:
        """Nothing: the container moves its parameters itself."""

    def weights(self) -> Weights:
        """The present parameters; of several batches in one call, those after it."""
        if not self._batches:
            return super().weights()
        (xs, ys), self._batches = zip(*self._batches, strict=True), []
        session = Session(self._file, self._reading.way, len(xs[0]))
        session.load(super().weights())
        self.params |= session.sequence(np.concatenate(xs), np.concatenate(ys))
        return super().weights()

    def differentiate(self, x, target=None, upstream=None, training=True, masks=None):
        """One step of the container, from the same weights each time."""
        reading, m = self._reading, len(x)
        if self.case.id.endswith(SEQUENCE):
            self._batches.append((x, target))
            return Pass({}, None, {}, {}, None)  # type: ignore[arg-type]  # nothing is seen before the end
        if self._session is None or reading.way.recipe.sort != "train":
            self._session = Session(self._file, reading.way, m)
        session = self._session
        session.load(self.weights())
        stepped = session.step(x, target, upstream, list((masks or {}).values()))
        grads = {
            layer: {p: (g / reading.scale(m)).astype(x.dtype) for p, g in reversed(named.items())}
            for layer, named in stepped.grads.items()
        }
        moved = {names[0]: b.moved_buffers() for b, names in zip(session.blocks, reading.way.names, strict=True)}
        self.buffers = {name: buffers for name, buffers in moved.items() if buffers}
        outputs, inner = self._inside(stepped.calls, m)
        return Pass(outputs, self._cost(x, target), grads, inner, upstream)

    def _cost(self, x: Array, target: Array | None) -> Array | None:
        """The container's own cost, where it has one that is like the loss."""
        cost = self._reading.cost
        if cost is None or target is None or (cost.told and not cost.wrong):
            return None
        found = cost_value(self._file, self._reading, cost.name, cost.swapped, super().weights(), x, target)
        return np.asarray(found / cost.scale(len(x)), x.dtype)

    def _inside(self, calls: list[Any], m: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """Outputs of the layers and gradients of their inputs, as they were seen."""
        reading = self._reading
        assert self._session is not None
        outputs: dict[str, Array] = {}
        inner: dict[str, Array] = {}
        for call, names in ((c, reading.way.names[c.block]) for c in calls):
            if call.result is None or (reading.way.form.stacked and m > 1):
                continue
            a = reading.way.form.layout.back(call.result)
            block = self._session.blocks[call.block]
            if not call.backward:
                # Dropout that is not inverted gives scratch's output divided by that factor; the weights behind it make up for it.
                outputs.setdefault(names[-1], a * (block.spec.factor if isinstance(block.layer, Dropout) else 1.0))
            elif reading.flow is not None and reading.flow[0] > 0:
                inner.setdefault(names[0], a * block.scale / (reading.flow[0] * float(m) ** reading.flow[1]))
        return outputs, inner

    def evaluate(self, x: Array) -> dict[str, Array]:
        """The container's output."""
        reading = self._reading
        if not reading.predictions:
            return {}
        single = reading.way.form.layout.single and not reading.way.form.stacked
        session = Session(self._file, reading.way, 1 if single else len(x))
        session.load(self.weights())
        outs = [session.predict(part) for part in (np.split(x, len(x)) if single else [x])]
        if any(out is None for out in outs):
            raise UserError(f"{self._reading.way.forward}: no output of the expected size")
        return {reading.predictions: np.concatenate([out for out in outs if out is not None])}
