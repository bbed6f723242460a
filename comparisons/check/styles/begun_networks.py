"""Networks of any inside, as classes, whose backward pass begins at the target: their gradients beside finite differences.

`y_hat = net.forward(xs)`, then `grads = net.backward(y_hat, y)`: a recurrent or a convolutional network in one class, with its loss in
the training loop or nowhere. The losses that go with such an output are tried; under the right one the gradients of the last layer, at
least, are derivatives of the code's own forward pass, and the others must be.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.repeated import repeated
from comparisons.check.styles.cost_arguments import BIAS, STRENGTHS, Given, M
from comparisons.check.styles.costs import Objective, classes_left
from comparisons.check.styles.kept_gradients import STEPS, Kept, choices_of, runs, templates
from comparisons.check.styles.network_arguments import RATE, is_output, is_x, is_y, required, role
from comparisons.check.styles.network_objects import assign, held
from comparisons.check.styles.summed_losses import class_axis, summed
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
TARGET = "target of the network"
WAYS = 4
"""Ways of giving inputs, of those under which the forward pass runs, that are tried on one class."""
_OUTPUT = re.compile(r"(y_?)?(hat|pred\w*|prob\w*|output\w*)|ys|ps", re.IGNORECASE)


LOSSES = ("binary cross-entropy", "cross-entropy", "squared error", "cross-entropy of logits")
"""In this order they are tried; see `summed_losses`."""


@dataclass
class Begun(Kept):
    """A forward method (`cost`), and a backward method that is given the target, and perhaps the output.

    Attributes
    ----------
    loss : str
        One of `LOSSES`.
    labels : bool
        Whether the target is handed over as class numbers.
    """

    loss: str = ""
    labels: bool = False

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "network with its gradients"

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        scale = [] if self.scale == 1 else [f"gradients are {self.scale:.4g} times the derivatives, throughout"]
        return [*scale, f"the loss is the {self.loss}"]

    def _drawn(self, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Array]]:
        """Arguments and parameters, and a target that stays when a parameter moves."""
        values, inner = super()._drawn(rng)
        output = stacked(self._run(self.cost, values, inner)[0])
        if not _goes_with(self.loss, output):
            raise UserError(f"the loss of {self.cost} is no {self.loss}")
        return values | {TARGET: target(self.loss, output)}, inner

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        """Fresh numbers for all parameters, biases of one output included."""
        single = {p: a for p, a in held(self.template).items() if a.size == 1 and a.ndim and BIAS.fullmatch(p)}
        return super()._inner(rng) | {p: 0.5 * rng.standard_normal(a.shape) for p, a in single.items()}

    def _run(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any], Any]:
        made = copy.deepcopy(self.template)
        for place, a in inner.items():
            assign(made, place, a.copy())
        with repeated(self.file.namespace, vars(made)):
            given = {n: copy.deepcopy(v) for n, v in values.items() if n != TARGET}
            returned = self.file.call(getattr(made, self.cost), **given)
            if name != self.cost:
                wanted = self._handed_target(values[TARGET], returned)
                data = next(iter(values.values()))
                arguments = _arguments(getattr(made, name), data, _first(returned), wanted)
                returned = self.file.call(getattr(made, name), **arguments)
        return returned, {}, made

    def _handed_target(self, wanted: Array, returned: Any) -> Any:
        """The target as the code takes it: a list for a list of outputs, class numbers for one-hot arrays."""
        if self.labels:
            numbers = wanted.argmax(axis=class_axis(wanted))
            return int(numbers.reshape(())) if numbers.size == 1 else numbers.reshape(-1)
        return list(wanted) if isinstance(_first(returned), list | dict) else wanted.copy()

    def _cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        output = stacked(self._run(self.cost, values, inner)[0])
        return summed(self.loss, output, values[TARGET], self.cost)

    def dependent(self) -> tuple[str, ...]:
        """Arrays of the object; inputs are none, whatever they are called."""
        return tuple(n for n in super().dependent() if n not in self.given)

    def _shown(self, returned: Any) -> dict[str, Array]:
        """All that comes back, whatever it is called."""
        return Objective._shown(self, returned)


def _first(returned: Any) -> Any:
    return returned[0] if isinstance(returned, tuple) and returned else returned


def stacked(returned: Any) -> Array:
    """What a forward pass gives as one array: those of all steps, if it gives a list of them.

    Raises
    ------
    UserError
        If that cannot be.
    """
    value = _first(returned)
    if isinstance(value, dict):
        value = [v for k, v in value.items() if k != -1]
    if isinstance(value, list) and value and len({np.shape(v) for v in value}) == 1:
        value = np.stack(value)
    if isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f" and np.isfinite(value).all():
        return np.asarray(value, dtype=np.float64)
    raise UserError("the forward pass gives no array")


def target(loss: str, output: Array) -> Array:
    """A target for an output; one near it where any number will do, as some code clips large gradients."""
    if loss == "squared error":
        return np.asarray(output + 0.1 * np.random.default_rng(output.size).standard_normal(output.shape))
    if loss == "binary cross-entropy":
        return (np.arange(output.size) % 2 == 0).astype(float).reshape(output.shape)
    axis = class_axis(output)
    classes = output.shape[axis]
    rest = np.arange(output.size // classes).reshape(np.delete(output.shape, axis))
    return np.moveaxis(np.eye(classes)[(2 * rest + 1) % classes], -1, axis)


def _goes_with(loss: str, output: Array) -> bool:
    if loss == "squared error":
        return bool(output.ndim or output.size)
    if not output.ndim or (output.shape[class_axis(output)] < 2 and loss != "binary cross-entropy"):
        return False
    summing = np.abs(output.sum(axis=class_axis(output)) - 1).max() < 1e-9
    within = bool(((output > 0) & (output < 1)).all())
    return {"cross-entropy": within and summing, "binary cross-entropy": within and not summing}.get(loss, not within)


def _meaning(name: str) -> str:
    """What an argument of a backward method is: `output`, `target`, `data` or `rate`; empty if it is none of them."""
    if is_output(name) or _OUTPUT.fullmatch(name.strip("_")):
        return "output"
    if role(name) == "rate":
        return "rate"
    return "target" if is_y(name) else "data" if is_x(name) else ""


def _arguments(f: Callable[..., Any], data: Any, output: Any, wanted: Any) -> dict[str, Any]:
    given = {"output": output, "target": wanted, "data": data, "rate": RATE}
    return {p.name: copy.deepcopy(given[_meaning(p.name)]) for p in required(f)}


def find_begun(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[Begun]:
    """Classes with such methods.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    for owner, cls in classes_left(file, taken, done):
        forward, backward = method(cls, FORWARD), method(cls, BACKWARD)
        if not forward or not backward:
            continue
        asked = [p.name for p in required(getattr(cls, forward))][1:]
        meanings = [_meaning(p.name) for p in required(getattr(cls, backward))[1:]]
        if len(asked) != 1 or "" in meanings or "target" not in meanings:
            continue
        for template in itertools.islice(templates(file, cls), 2):
            _unregularised(template)
            updates = "rate" in meanings
            found = _best(Begun(file, owner, forward, backward, "", template, updates=updates), asked[0])
            if found is not None:
                yield found
                break


def _unregularised(template: Any) -> None:
    """Switch penalties off: they are in the gradients, and in no loss that is known."""
    for name, value in vars(template).items():
        if STRENGTHS.fullmatch(name) and role(name) != "rate" and type(value) is float:
            setattr(template, name, 0.0)


def _best(base: Begun, data: str) -> Begun | None:
    """The loss and the arguments under which most gradients agree, if that is enough to say that the others are wrong."""
    best: tuple[int, Begun] | None = None
    running = list(_running(base, data))
    most = max((len(tried.parameters) for tried in running), default=0)
    # A sequence of a single step uses no state: what is wrong with that would not show.
    for tried in (tried for tried in running if len(tried.parameters) == most):
        agreed = tried.agreement()
        if agreed is None:
            continue
        agreeing, tried.scale, whole = agreed
        if whole:
            return tried
        if agreeing >= max(2, len(tried.parameters) / 6) and (best is None or agreeing > best[0]):
            best = agreeing, tried
    return best[1] if best else None


def _running(base: Begun, data: str) -> Iterator[Begun]:
    """Ways of giving inputs and targets under which gradients come back."""
    known = {n for a in held(base.template).values() for n in a.shape}
    # What is as wide as input and state side by side tells the input's width, too.
    widths = tuple(sorted({n for n in known | {n - k for n in known for k in known} if n > 1}))
    fitting = (given for given in _inputs(data, widths) if _outputs(base, data, given) is not None)
    for given, loss in itertools.product(itertools.islice(fitting, WAYS), LOSSES):
        for labels in (False, True) if loss in ("cross-entropy", "cross-entropy of logits") else (False,):
            tried = replace(base, given={data: given}, loss=loss, labels=labels)
            if runs(tried):
                yield tried


def _inputs(name: str, widths: tuple[int, ...]) -> Iterator[Given]:
    """Batches and sequences of every width that the object knows, or of single numbers."""
    yield from choices_of(name, widths)
    for n in (*widths, 1):
        yield from (
            Given("real", shape)
            for shape in ((STEPS, n), (STEPS, n, 1), (n,), (n, 1), (1, n), (M, STEPS, n), (STEPS, M, n))
        )
    yield from (Given("real", shape) for shape in ((STEPS,), (6, 6), (M, 6, 6), (1, 6, 6), (M, 1, 6, 6), (M, 6, 6, 1)))


def _outputs(base: Begun, data: str, given: Given) -> Array | None:
    """What the forward pass gives for such inputs, if it runs."""
    rng = np.random.default_rng(3)
    try:
        return stacked(base._run(base.cost, {data: given.drawn(rng)}, {})[0])
    except (UserError, ValueError):
        return None
