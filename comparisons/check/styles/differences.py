"""What no other style knows: a function with its derivative, a forward with its backward, a layer object, beside finite differences.

Only the user's own forward pass is differentiated here; whether it computes what its name says is not asked.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived, gradient
from comparisons.check.styles.global_losses import GlobalLoss, find_losses
from comparisons.check.styles.network_access import Array, found_arrays, match_gradients, stem
from comparisons.check.styles.network_arguments import is_x, is_y, parameters_of, required
from comparisons.check.styles.network_objects import Instance, construct, returned_names
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import architecture

SHAPE = (5, 4)
OUT = 3
UNCOMPARED = "the forward pass was taken as it is, and compared with nothing"
_DERIVATIVE = re.compile(
    r"^(?:(?:d_|deriv(?:ative)?(?:_of)?_|grad_|d(?=[a-z]))(?P<after>\w+)|(?P<before>\w+?)_?(?:prime|deriv(?:ative|itive)?|der|grad(?:ient)?|Prime|Deriv(?:ative)?|_d|Grad))$"
)
_BACKWARD = re.compile(
    r"^(?:(?P<before>\w+?)_?(?:backward|backprop|bwd|back|Backward|bprop)|(?:backward|back|bwd|backprop)_?(?P<after>\w+))$"
)
_FORWARDS = ("{}_forward", "{}_fwd", "forward_{}", "{}", "{}Forward", "{}_fprop", "fwd_{}")


@dataclass
class Elementwise:
    """A function and its derivative, each of one array."""

    file: UserFile
    function: str
    derivative: str
    at_output: bool = False

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The derivative at random places, a few of them far out."""
        x = 1.5 * rng.standard_normal(SHAPE)

        def f(v: Array) -> Array:
            return _array(self.file.call(self.function, v.copy()))

        place = f(x) if self.at_output else x
        claimed = _array(self.file.call(self.derivative, place.copy()))
        wanted, error, kinks = gradient(f, x, np.ones(SHAPE))
        yield Derived(f"grad/{self.function}.input", claimed, wanted, error, kinks, len(x))


@dataclass
class Pair:
    """`thing_forward(x, ...)` and `thing_backward(dout, cache)`."""

    file: UserFile
    forward: str
    backward: str

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of all arrays that the forward function takes."""
        given = {p.name: rng.standard_normal(_shape(p.name)) for p in required(self.file.namespace[self.forward])}

        def run(values: dict[str, Array]) -> Any:
            np.random.seed(0)  # noqa: NPY002
            return self.file.call(self.forward, **{n: v.copy() for n, v in values.items()})

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


@dataclass
class Layer:
    """An object with `forward(x)` and `backward(dout)`."""

    file: UserFile
    cls: type
    arguments: dict[str, Any]

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient of the input."""
        x = rng.standard_normal(SHAPE)
        np.random.seed(0)  # noqa: NPY002
        template = construct(self.file, self.cls, self.arguments)
        instance = Instance(self.file, self.cls, self.arguments, template, [])

        def run(v: Array) -> tuple[Any, Array]:
            made = instance.made({}, None, None)
            np.random.seed(0)  # noqa: NPY002
            return made, _array(self.file.call(made.forward, v.copy()))

        made, output = run(x)
        upstream = rng.standard_normal(output.shape)
        dx = _array(self.file.call(made.backward, upstream.copy()))
        wanted, error, kinks = gradient(lambda v: run(v)[1], x, upstream)
        yield Derived(f"grad/{self.cls.__name__}.input", dx, wanted, error, kinks, len(x))


_COST = re.compile(r"\w*(cost|loss|objective|error|likelihood)\w*|J|j", re.IGNORECASE)
_GRADIENT_OF = re.compile(r"\w*(grad|deriv|prime|jac)\w*|d(J|cost|loss)\w*", re.IGNORECASE)
_PARAMETER = re.compile(r"theta\w*|w\d?|W\d?|weights?|beta|params?|b|bias|coef\w*|nn_params", re.IGNORECASE)


@dataclass
class Cost:
    """A cost and its gradient: two functions of the same arguments, or one that returns both."""

    file: UserFile
    cost: str
    gradient: str
    columns: bool = False

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient by every parameter that is returned."""
        names = [p.name for p in required(self.file.namespace[self.cost])]
        given = {n: self._value(n, rng) for n in names}
        back = self.file.call(self.gradient, **_copies(given))
        if self.cost == self.gradient:
            if not (isinstance(back, tuple) and len(back) >= 2):
                raise UserError("no gradient was returned")
            back = back[1:] if len(back) > 2 else back[1]
        parameters = {n: v for n, v in given.items() if _PARAMETER.fullmatch(n) and isinstance(v, np.ndarray)}
        for name, g in _claimed(back, parameters).items():
            wanted, error, kinks = gradient(lambda v, n=name: self._run(given, n, v), given[name], np.ones(()))  # type: ignore[misc]
            yield Derived(f"grad/{self.gradient}.{name}", g, wanted, error, kinks, SHAPE[0])

    def _run(self, given: dict[str, Any], name: str, v: Array) -> Array:
        value = self.file.call(self.cost, **_copies(given | {name: v}))
        value = np.asarray(value[0] if isinstance(value, tuple) else value, dtype=np.float64)
        if value.size != 1:
            raise UserError(f"{self.cost} returns no single number")
        return value.reshape(())

    def _value(self, name: str, rng: np.random.Generator) -> Any:
        m, n = SHAPE
        if _PARAMETER.fullmatch(name):
            if name.lower() in ("b", "bias"):
                return np.asarray(0.3)
            return 0.5 * rng.standard_normal((n, 1) if self.columns else n)
        if is_x(name):
            return rng.standard_normal(SHAPE)
        if is_y(name):
            y = (np.arange(m) % 2).astype(float)
            return y.reshape(-1, 1) if self.columns else y
        return 0.7  # the strength of a regulariser, whatever it is called


def _copies(given: dict[str, Any]) -> dict[str, Any]:
    return {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in given.items()}


def _claimed(back: Any, parameters: dict[str, Array]) -> dict[str, Array]:
    """The gradients returned, by parameter: a flattened one is put back into its parameter's shape."""
    values = list(back) if isinstance(back, tuple | list) and not all(isinstance(v, float) for v in back) else [back]
    found = {}
    for name, value in zip(parameters, values, strict=False):
        g = np.asarray(value, dtype=np.float64)
        w = parameters[name]
        found[name] = g.reshape(w.shape) if g.size == w.size and (g.ndim < 2 or 1 in g.shape) else g
    return found


Thing = Elementwise | Pair | Layer | Cost | GlobalLoss


class Differences:
    """Backward code without a twin."""

    name = "differences"

    def __init__(self) -> None:
        self._things: dict[str, Thing] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Functions with derivatives, pairs and layer objects that can be run."""
        units = []
        for thing, title, members in self._candidates(file, taken):
            try:
                found = list(thing.derived(np.random.default_rng(23)))
            except UserError:
                continue
            if members[0] in self._things or not found or any(not np.isfinite(d.reference).all() for d in found):
                continue
            if (
                isinstance(thing, Cost)
                and any(d.subject.shape != d.reference.shape for d in found)
                and not thing.columns
            ):
                continue
            assumptions = [UNCOMPARED]
            if isinstance(thing, GlobalLoss):
                assumptions = [*thing.remarks, *assumptions]
            if isinstance(thing, Elementwise):
                if not _agrees(found) and _agrees_at_output(thing):
                    thing.at_output = True
                    assumptions.insert(0, f"{thing.derivative} takes the output of {thing.function}, not its input")
                elif any(d.subject.shape != d.reference.shape for d in found):
                    continue
            if isinstance(thing, Layer) and found[0].subject.shape != SHAPE:
                continue
            names = {
                d.tensor.removeprefix("grad/"): d.tensor.rpartition(".")[2].replace("input", "the input") for d in found
            }
            self._things[members[0]] = thing
            case = Case(f"check/{members[0]}/differences", architecture(), (SHAPE[0],), (SHAPE[1],))
            options = {"differences": True, "names": names}
            units.append(
                Unit(members[0], self.name, title, file.own[members[0]], members, (case,), options, tuple(assumptions))
            )
        file.mutated.clear()
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """None: nothing here has a twin."""
        raise NotImplementedError

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The gradients beside derivatives of the user's own forward pass."""
        rng = np.random.default_rng([case.seed, zlib.crc32(case.id.encode())])
        return list(self._things[unit.name].derived(rng))

    def _candidates(self, file: UserFile, taken: frozenset[str]) -> Iterator[tuple[Thing, str, tuple[str, ...]]]:
        functions = {n: f for n, f in file.functions().items() if n not in taken}
        for name, f in functions.items():
            matched = _BACKWARD.match(name)
            base = (matched["before"] or matched["after"]) if matched else ""
            forward = next((c for p in _FORWARDS if (c := p.format(base)) in functions and c != name), "")
            if matched and forward and len(required(f)) == 2 and required(functions[forward]):
                yield Pair(file, forward, name), "function with its backward pass", (forward, name)
                continue
            matched = _DERIVATIVE.match(name)
            base = (matched["before"] or matched["after"]) if matched else ""
            if base in functions and _unary(f) and _unary(functions[base]):
                yield Elementwise(file, base, name), "function with its derivative", (base, name)
        yield from _costs(file, functions)
        for loss in find_losses(file, functions):
            yield loss, "loss with gradients of global parameters", (loss.function,)
        for name, cls in file.classes().items():
            passes = (getattr(cls, "forward", None), getattr(cls, "backward", None))
            if name not in taken and all(_unary(f, 1) for f in passes) and not required(cls):
                yield Layer(file, cls, {}), "layer", (name,)


def _costs(file: UserFile, functions: dict[str, Any]) -> Iterator[tuple[Thing, str, tuple[str, ...]]]:
    for name, f in functions.items():
        arguments = [p.name for p in required(f)]
        if not (
            2 <= len(arguments) <= 5 and any(_PARAMETER.fullmatch(a) for a in arguments) and any(map(is_x, arguments))
        ):
            continue
        both = _COST.fullmatch(name)
        if not _GRADIENT_OF.fullmatch(name) and not both:
            continue
        costs = [n for n, c in functions.items() if _COST.fullmatch(n) and [p.name for p in required(c)] == arguments]
        for cost in [name] if both else [n for n in costs if n != name]:
            for columns in (False, True):
                members = (cost,) if cost == name else (cost, name)
                yield Cost(file, cost, name, columns), "cost with its gradient", members


def _unary(f: Callable[..., Any] | None, more: int = 0) -> bool:
    """Whether a function must be given one argument, besides `self` for a method of a class."""
    return f is not None and len(required(f)) == 1 + more and len(parameters_of(f)) <= 3


def _shape(name: str) -> tuple[int, ...]:
    """Shape for an argument of a forward function, by what its name usually means.

    Raises
    ------
    UserError
        If the name tells nothing.
    """
    lower = name.lower()
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
    other = Elementwise(thing.file, thing.function, thing.derivative, at_output=True)
    try:
        return _agrees(list(other.derived(np.random.default_rng(29))))
    except UserError:
        return False
