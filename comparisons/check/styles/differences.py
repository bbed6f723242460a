"""What no other style knows: a function with its derivative, a forward with its backward, a layer object, beside finite differences.

Only the user's own forward pass is differentiated here; whether it computes what its name says is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived, generator, gradient
from comparisons.check.homes import homes, resolve
from comparisons.check.source import syntax
from comparisons.check.styles import whole_softmax
from comparisons.check.styles.accumulating_pairs import find_accumulating_pairs
from comparisons.check.styles.activations import VALUE
from comparisons.check.styles.attention_layers import AttentionLayer, find_attention_layers
from comparisons.check.styles.begun_networks import find_begun
from comparisons.check.styles.composed_layers import ComposedLayer, find_composed, layers_in, spoken
from comparisons.check.styles.costs import Objective, find_objectives
from comparisons.check.styles.dictionary_pairs import DictionaryPair, find_dictionary_pairs
from comparisons.check.styles.direct_pairs import DirectPair, find_direct_pairs
from comparisons.check.styles.elementwise_causes import explanations, is_elementwise
from comparisons.check.styles.factorisations import Factorisation, find_factorisations
from comparisons.check.styles.fed_objects import find_fed
from comparisons.check.styles.function_pairs import FunctionPair, find_function_pairs
from comparisons.check.styles.global_costs import find_global_costs
from comparisons.check.styles.global_losses import GlobalLoss, find_losses, made_up
from comparisons.check.styles.kept_gradients import find_kept
from comparisons.check.styles.kept_in_models import find_kept_in_models
from comparisons.check.styles.linear_models import find_linear
from comparisons.check.styles.network_access import Array, found_arrays, match_gradients, stem
from comparisons.check.styles.network_arguments import parameters_of, required
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.styles.online_models import find_online
from comparisons.check.styles.opened_scripts import find_opened_scripts
from comparisons.check.styles.opened_training import find_opened
from comparisons.check.styles.ordered_steps import OrderedStep, find_ordered_steps
from comparisons.check.styles.primitive_backwards import Primitive, find_primitives
from comparisons.check.styles.sampled_words import SampledWords, find_sampled_words
from comparisons.check.styles.stacked_policies import StackedPolicy, find_stacked_policies
from comparisons.check.styles.staged_costs import find_staged
from comparisons.check.styles.tensor_scripts import TensorScript, find_tensor_scripts
from comparisons.check.styles.trained_inside import TrainedInside, find_trained_inside
from comparisons.check.styles.unknown_layers import UnknownLayer, find_unknown_layers
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from scratch import architecture

SHAPE = (5, 4)
OUT = 3
UNCOMPARED = "the forward pass was taken as it is, and compared with nothing"
_SLOPES = (
    "gradient",
    "grad",
    "derivative",
    "deriv",
    "prime",
    "derivate",
    "diff",
    "der",
    "activationprime",
    "activationderivative",
)
_DERIVATIVE = re.compile(
    r"^(?:(?:d_|deriv(?:ative)?(?:_of)?_|grad_|d(?=[a-z]))(?P<after>\w+)|(?P<before>\w+?)_?(?:prime|deriv(?:ative|itive)?|der|grad(?:ient)?|Prime|Deriv(?:ative)?|_d|Grad))$"
)
_BACKWARD = re.compile(
    r"^(?:(?P<before>\w+?)_?(?:backward|backprop|bwd|back|Backward|bprop)|(?:backward|back|bwd|backprop)_?(?P<after>\w+))$"
)
_FORWARDS = ("{}_forward", "{}_fwd", "forward_{}", "{}", "{}Forward", "{}_fprop", "fwd_{}")


@dataclass
class Elementwise:
    """A function and its derivative, each of one array; or two methods of a class, `owner`."""

    file: UserFile
    function: str
    derivative: str
    at_output: bool = False
    owner: str = ""

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The derivative at random places, a few of them far out."""
        x = 1.5 * rng.standard_normal(SHAPE)

        def f(v: Array) -> Array:
            return _array(self.file.call(resolve(self.file, self.owner, self.function), v.copy()))

        if self.owner and not is_elementwise(f, x):
            raise UserError(f"{self.owner} is no function of single numbers")
        place = f(x) if self.at_output else x
        claimed = _array(self.file.call(resolve(self.file, self.owner, self.derivative), place.copy()))
        wanted, error, kinks = gradient(f, x, np.ones(SHAPE))
        told = tuple(explanations(x, f(x), np.ones(SHAPE), wanted, claimed)) if self.owner else ()
        yield Derived(
            f"grad/{self.owner or self.function}.input", claimed, wanted, error, kinks, len(x), explanations=told
        )


@dataclass
class Pair:
    """`thing_forward(x, ...)` and `thing_backward(dout, cache)`."""

    file: UserFile
    forward: str
    backward: str
    timed: bool = False

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of all arrays that the forward function takes."""
        asked = [p.name for p in required(self.file.namespace[self.forward])]
        plain = {n: v for n in asked if (v := _number(n)) is not None}
        given = {n: rng.standard_normal(_shape(n, self.timed)) for n in asked if n not in plain and not _is_mask(n)}
        more = plain | {n: None for n in asked if _is_mask(n)}

        def run(values: dict[str, Array]) -> Any:
            np.random.seed(0)  # noqa: NPY002
            return self.file.call(self.forward, **{n: v.copy() for n, v in values.items()}, **more)

        returned = run(given)
        output, cache = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
        output = _array(output)
        upstream = rng.standard_normal(output.shape)
        if cache is None:
            cache = next(iter(given.values())).copy()
        back = self.file.call(self.backward, upstream.copy(), cache)
        for name, g in _named(self.file.namespace[self.backward], back, given).items():

            def f(v: Array, name: str = name) -> Array:
                value = run(given | {name: v})
                return _array(value[0] if isinstance(value, tuple) else value)

            wanted, error, kinks = gradient(f, given[name], upstream)
            yield Derived(f"grad/{self.forward}.{name}", g, wanted, error, kinks, SHAPE[0])


Thing = (
    Elementwise
    | Pair
    | DirectPair
    | FunctionPair
    | UnknownLayer
    | Objective
    | GlobalLoss
    | DictionaryPair
    | StackedPolicy
    | AttentionLayer
    | ComposedLayer
    | Factorisation
    | TrainedInside
    | SampledWords
    | OrderedStep
    | TensorScript
    | Primitive
)


class Differences(Twinless):
    """Backward code without a twin."""

    name = "differences"

    def __init__(self) -> None:
        self._things: dict[str, Thing] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Functions with derivatives, pairs and layer objects that can be run."""
        units = []
        self._things = {}  # of the file before
        for thing, title, members in self._candidates(file, taken):
            try:
                found = list(thing.derived(np.random.default_rng(23)))
            except UserError:
                continue
            if members[0] in self._things or not found or any(not np.isfinite(d.reference).all() for d in found):
                continue
            assumptions = [UNCOMPARED]
            if isinstance(
                thing,
                GlobalLoss
                | Objective
                | UnknownLayer
                | ComposedLayer
                | DirectPair
                | FunctionPair
                | Factorisation
                | TrainedInside
                | SampledWords
                | OrderedStep
                | TensorScript,
            ):
                assumptions = [*thing.remarks, *assumptions]
            if isinstance(thing, Primitive):
                assumptions = thing.remarks
            if isinstance(thing, Elementwise):
                if not _agrees(found) and _agrees_at_output(thing):
                    thing.at_output = True
                    assumptions.insert(0, f"{thing.derivative} takes the output of {thing.function}, not its input")
                elif any(d.subject.shape != d.reference.shape for d in found):
                    continue
            names = {
                d.tensor.removeprefix("grad/"): spoken(d.tensor)
                if isinstance(thing, ComposedLayer)
                else _short(d.tensor.rpartition(".")[2]).replace("input", "the input")
                for d in found
            }
            self._things[members[0]] = thing
            if isinstance(thing, ComposedLayer):
                file.notes[:] = [n for n in file.notes if not n.startswith(f"{members[0]} is not compared")]
            at = thing.line if isinstance(thing, Objective | TensorScript) else file.own[members[0]]
            settings = thing.settings if isinstance(thing, FunctionPair) else 1
            cases = tuple(
                Case(f"check/{members[0]}/differences{i or ''}", architecture(), (SHAPE[0],), (SHAPE[1],))
                for i in range(settings)
            )
            options = {"differences": True, "names": names, "doubtful": isinstance(thing, Objective) and thing.doubtful}
            units.append(Unit(members[0], self.name, title, at, members, cases, options, tuple(assumptions)))
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The gradients beside derivatives of the user's own forward pass."""
        rng = generator(case)
        thing = self._things[unit.name]
        if isinstance(thing, FunctionPair):
            return list(thing.derived(rng, unit.cases.index(case)))
        found = list(thing.derived(rng))
        if isinstance(thing, Objective) and not _agrees(found):
            at = whole_softmax.explained(file, unit.members, lambda: list(thing.derived(generator(case))))
            if at is not None:
                return [replace(d, cause=whole_softmax.CAUSE, spot=at) for d in found]
        return found

    def _candidates(self, file: UserFile, taken: frozenset[str]) -> Iterator[tuple[Thing, str, tuple[str, ...]]]:
        functions = {n: f for n, f in file.functions().items() if n not in taken}
        for name, f in functions.items():
            matched = _BACKWARD.match(name)
            base = (matched["before"] or matched["after"]) if matched else ""
            forward = next((c for p in _FORWARDS if (c := p.format(base)) in functions and c != name), "")
            if matched and forward and len(required(f)) == 2 and required(functions[forward]):
                for timed in (False, True):
                    yield Pair(file, forward, name, timed), "function with its backward pass", (forward, name)
                continue
            matched = _DERIVATIVE.match(name)
            base = (matched["before"] or matched["after"]) if matched else ""
            if base in functions and _unary(f) and _unary(functions[base]):
                yield Elementwise(file, base, name), "function with its derivative", (base, name)
        for curve in _curves(file, taken):
            yield curve, "function with its derivative", (curve.owner,)
        for direct in find_direct_pairs(file, functions):
            yield direct, "function with its backward pass", (direct.forward, direct.backward)
        free = functions | {n: f for n, f in file.statics().items() if n.partition(".")[0] not in taken}
        free = {n: f for n, f in free.items() if not any(n in _members(t) for t in self._things.values())}
        for pair in (*find_function_pairs(file, free), *find_accumulating_pairs(file, free)):
            yield pair, "function with its backward pass", (pair.forward, pair.backward)
        for primitive in find_primitives(file, free):
            yield primitive, primitive.title, primitive.members
        for thing in find_dictionary_pairs(file, functions, lambda: made_up(file, syntax(file))):
            yield thing, "forward and backward with a dictionary of parameters", (thing.forward, thing.backward)
        for kept in find_kept_in_models(file, functions):
            yield kept, "forward and backward with a dictionary of parameters", (kept.forward, kept.backward)
        for policy in find_stacked_policies(file, functions, lambda: made_up(file, syntax(file))):
            yield policy, "policy with its gradients over an episode", (policy.forward, policy.backward)
        for made_of in find_composed(file, taken, False):
            yield made_of, "network made of layers", (made_of.cls.__name__,)
        for layer in find_attention_layers(file, taken):
            yield layer, "attention layer", (layer.cls.__name__,)
        for factorisation in find_factorisations(file, taken):
            yield factorisation, "matrix factorisation", factorisation.members
        for trained in find_trained_inside(file, taken):
            yield trained, "loss with an update", trained.members
        for loss in find_losses(file, functions):
            yield loss, "loss with gradients of global parameters", (loss.function,)
        done: set[str] = set()
        for objective in whole_softmax.settled(file, lambda: find_objectives(file, taken)):
            done |= set(objective.members)
            # Of two gradients of one cost the second goes by its own name.
            first, *others = objective.members
            yield objective, objective.title, (*others, first) if first in self._things else objective.members
        for find in (find_global_costs, find_staged, find_kept, find_begun, find_online, find_sampled_words, find_fed):
            for found in find(file, taken, done):
                done |= set(found.members)
                yield found, found.title, found.members
        # Of a class whose cost and gradient have been compared, training shows no more, a regulariser apart.
        compared = {member.partition(".")[0] for member in done if "." in member}
        costs = [t for t in self._things.values() if isinstance(t, Objective)]
        compared |= {c.gradient for c in costs if c.updates and not c.owner}
        for opened in find_opened(file, taken | compared, frozenset(c.owner for c in costs if c.penalised)):
            done |= set(opened.members)
            yield opened, opened.title, opened.members
        for linear in find_linear(file, taken, done):
            yield linear, linear.title, linear.members
        for step in find_ordered_steps(file, taken, done):
            yield step, step.title, step.members
        for script in find_opened_scripts(file, taken):
            yield script, script.title, script.members
        for unknown in find_unknown_layers(file, taken):
            if not unknown.agrees and layers_in(file, unknown.template):
                continue  # what is wrong is one of its layers, or it has been looked at as a whole
            yield unknown, "layer", (unknown.cls.__name__,)
        for written in find_tensor_scripts(file, taken):
            yield written, written.title, written.members


def _curves(file: UserFile, taken: frozenset[str]) -> Iterator[Elementwise]:
    """Classes of activations that no framework is asked for, such as a scaled ELU: `__call__(x)` and `gradient(x)`."""
    for home in homes(file):
        value = next((home.functions[n] for n in VALUE if n in home.functions), "")
        slope = next((home.functions[n] for n in _SLOPES if n in home.functions), "")
        if not home.owner or home.owner in taken or not value or not slope:
            continue
        with suppress(UserError):
            if all(len(required(resolve(file, home.owner, n))) == 1 for n in (value, slope)):
                yield Elementwise(file, value, slope, owner=home.owner)


class ComposedLayers(Differences):
    """Blocks that are made of other layers, before one of them is tried as a network."""

    name = "composed layers"

    def _candidates(self, file: UserFile, taken: frozenset[str]) -> Iterator[tuple[Thing, str, tuple[str, ...]]]:
        for made_of in find_composed(file, taken, True):
            yield made_of, "layer made of layers", (made_of.cls.__name__,)


def _members(thing: Thing) -> tuple[str, ...]:
    """The functions of a pair."""
    return (thing.forward, thing.backward) if isinstance(thing, Pair | DirectPair | FunctionPair) else ()


def _short(place: str) -> str:
    """What a person calls the entry of a dictionary."""
    return re.sub(r"^\w*\['(\w+)'\]$", r"\1", place)


def _unary(f: Callable[..., Any] | None, more: int = 0) -> bool:
    """Whether a function must be given one argument, besides `self` for a method of a class."""
    return f is not None and len(required(f)) == 1 + more and len(parameters_of(f)) <= 3


def _number(name: str) -> int | None:
    """A size that a forward function of attention is told."""
    lower = name.lower().replace("_", "")
    if lower in ("numheads", "nheads", "heads", "nhead", "h" * 2):
        return 2
    return SHAPE[1] if lower in ("dk", "dmodel", "dim", "headdim", "dhead") else None


def _is_mask(name: str) -> bool:
    return "mask" in name.lower()


def _shape(name: str, timed: bool = False) -> tuple[int, ...]:
    """Shape for an argument of a forward function, by what its name usually means.

    Raises
    ------
    UserError
        If the name tells nothing.
    """
    lower = name.lower()
    if re.fullmatch(r"(w|weights?)_?(q|k|v|o|query|key|value|out)", lower):
        return (SHAPE[1], SHAPE[1])
    if re.fullmatch(r"(b|bias)_?(q|k|v|o|query|key|value|out)", lower):
        return (SHAPE[1],)
    if lower in ("q", "k", "query", "key", "value", "queries", "keys", "values"):
        return (2, SHAPE[0], 3) if timed else (SHAPE[0], 3)  # whose root is no whole number
    if lower == "v":
        return (2, SHAPE[0], 3) if timed else (SHAPE[0], 3)
    if timed and lower in ("x", "inp", "input", "inputs"):
        return (2, *SHAPE)
    if lower in ("x", "z", "inp", "input", "inputs", "a", "h", "a_prev", "x_in", "logits", "v", "t", "arr"):
        return SHAPE
    if lower in ("w", "weight", "weights", "theta", "kernel"):
        return (SHAPE[1], OUT)
    if lower in ("b", "bias", "biases"):
        return (OUT,)
    if lower in ("gamma", "beta", "scale", "shift", "g", "gain"):
        return (SHAPE[1],)
    raise UserError(f"nothing is known for the argument {name}")


def _named(backward: Callable[..., Any], returned: Any, given: dict[str, Array]) -> dict[str, Array]:
    """Gradients by argument."""
    if isinstance(returned, tuple | list):
        names = returned_names(backward)
        found = {(names[i] if len(names) == len(returned) else f"d[{i}]"): v for i, v in enumerate(returned)}
        arrays = {n: np.asarray(v) for n, v in found.items() if isinstance(v, np.ndarray | np.floating)}
        by_name = {n: arrays[p] for p in arrays for n in given if stem(p).lower() == n.lower()}
        return by_name if len(by_name) == len(arrays) else match_gradients(given, arrays)
    if isinstance(returned, dict):
        return match_gradients(given, dict(found_arrays(returned)))
    first = next(iter(given))
    return {first: _array(returned)} if isinstance(returned, np.ndarray) else {}


def _array(value: Any) -> Array:
    """The array, or the first of several.

    Raises
    ------
    UserError
        If it is none of floats.
    """
    if isinstance(value, tuple | list) and value and isinstance(value[0], np.ndarray):
        value = value[0]
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.astype(np.float64)
    raise UserError("no array was returned")


def _agrees(found: list[Derived]) -> bool:
    return all(
        d.subject.shape == d.reference.shape
        and np.allclose(d.subject[~d.kinks], d.reference[~d.kinks], rtol=1e-6, atol=1e-8 * np.abs(d.reference).max())
        for d in found
    )


def _agrees_at_output(thing: Elementwise) -> bool:
    other = replace(thing, at_output=True)
    try:
        return _agrees(list(other.derived(np.random.default_rng(29))))
    except UserError:
        return False
