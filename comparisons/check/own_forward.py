"""Functions that are not what their names usually mean, and whose derivatives are right all the same.

`relu(x)` may be a ReLU less a half, `tanh` LeCun's 1.7159 tanh(2x/3), `mse` a sum of squares. A name alone proves nothing: where
the derivative in the file is that of the function in the file, by finite differences, the function is a choice. Where there is no
derivative beside it, it is one if it is a known variant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived, gradient
from comparisons.check.readings import Reader
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.plan import Plan, plan
from comparisons.subject import ScratchModel
from comparisons.trace import record
from scratch import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh

Array = np.ndarray
STYLES = ("activations", "layers", "known losses", "losses", "losses with gradients")
CURVES = (Sigmoid, Tanh, ReLU, LeakyReLU, Softmax)
NEAR = 1e-9
RIGHT = 1e-6
OWN = "own forward pass"
"""The option of a unit that is compared with the derivative of its own forward pass, whatever its name says."""


def as_it_is(file: UserFile, style: Reader, unit: Unit) -> Unit:
    """The unit as a function of its own kind, if it is one that its name does not tell; else the unit as it was."""
    if unit.style not in STYLES or not unit.cases or any(unit.options.get(o) for o in ("differences", "port", "alone")):
        return unit
    case = unit.cases[0]
    layers = [layer for _, layer in case.architecture.layers]
    if len(layers) > 1 or (layers and not isinstance(layers[0], CURVES)) or not (layers or case.architecture.loss):
        return unit
    try:
        return _as_it_is(file, style, unit)
    except (UserError, ValueError, TypeError, KeyError, IndexError):
        return unit


def _as_it_is(file: UserFile, style: Reader, unit: Unit) -> Unit:
    case = unit.cases[0]
    drawn = plan(case)
    value = _value(case)
    wanted = dict(record(ScratchModel(case.architecture, None, "float64"), case, drawn).tensors)
    for one in _places(unit):
        found = _run(file, style, one, case, drawn)
        if value not in found or _near(found[value], wanted[value]):
            return unit
        if found[value].shape != wanted[value].shape:
            return unit
        if not case.architecture.layers and not _descends(found, wanted):
            return unit
        layer = case.architecture.layers[0][1] if case.architecture.layers else None
        told = variant(layer, drawn.batches[0].x, found[value])
        name = unit.title.removesuffix(" and its derivative").removesuffix(" and its gradient")
        if _gradient_name(found) is None:
            return replace(unit, options=unit.options | {"unusual": f"{told}, not the usual {name}"}) if told else unit
        if isinstance(layer, Softmax) and not told:
            return unit  # along another axis its derivative may fit, too
        if all(_fits(d) for d in derived(file, style, one, case)):
            why = f"{told or 'what it computes'} is not the usual {name}: it was taken as it is, as its derivative fits it"
            options = one.options | {"differences": True, OWN: True}
            kept = tuple(text for text in unit.assumptions if not text.startswith("the loss is"))
            return replace(one, cases=unit.cases[:1], options=options, assumptions=(*kept, why))
    return unit


def derived(file: UserFile, style: Reader, unit: Unit, case: Case) -> list[Derived]:
    """The unit's gradient beside the derivative of its own value."""
    drawn = plan(case)
    x, value = drawn.batches[0].x, _value(case)
    found = _run(file, style, unit, case, drawn)
    name = _gradient_name(found)
    assert name is not None
    upstream = drawn.batches[0].upstream
    ups = np.ones_like(found[value]) if upstream is None else upstream

    def f(v: Array) -> Array:
        return np.asarray(_run(file, style, unit, case, _given(drawn, v))[value], dtype=np.float64)

    wanted, error, kinks = gradient(f, x, ups)
    return [Derived(name, found[name], wanted, error, kinks, len(x))]


def _run(file: UserFile, style: Reader, unit: Unit, case: Case, drawn: Plan) -> dict[str, Array]:
    np.random.seed(0)  # noqa: NPY002  (what the user's code draws itself)
    return dict(record(style.model(file, unit, case), case, drawn).tensors)


def _given(drawn: Plan, x: Array) -> Plan:
    return replace(drawn, batches=[replace(drawn.batches[0], x=x), *drawn.batches[1:]])


def _value(case: Case) -> str:
    return f"forward/{case.architecture.layers[0][0]}" if case.architecture.layers else "loss"


def _gradient_name(found: dict[str, Array]) -> str | None:
    return next((n for n in found if n.startswith("grad/")), None)


def _places(unit: Unit) -> Iterator[Unit]:
    """The unit; with the derivative taken at the input, and at the output, where that was a guess."""
    yield unit
    if "place" in unit.options:
        other = "a" if unit.options["place"] == "z" else "z"
        yield replace(unit, options=unit.options | {"place": other})


def _near(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=NEAR * max(1.0, np.abs(b).max(initial=0.0))))


def _fits(d: Derived) -> bool:
    if d.subject.shape != d.reference.shape or d.kinks.mean() > 0.5 or not np.abs(d.reference).max(initial=0):
        return False
    off = np.abs(d.subject - d.reference)[~d.kinks].max(initial=0)
    return bool(off <= RIGHT * np.abs(d.reference).max())


def _descends(found: dict[str, Array], wanted: dict[str, Array]) -> bool:
    """Whether the gradient of a loss leads to where that of the usual one does: a sign that is wrong on both sides is no choice."""
    name = _gradient_name(found)
    if name is None or name not in wanted or found[name].shape != wanted[name].shape:
        return False
    return bool((found[name] * wanted[name]).sum() > 0)


def variant(layer: object, x: Array, y: Array) -> str:
    """What a function's values are, of those that the usual one is near to; empty if they are none of these.

    Parameters
    ----------
    layer : Layer
        The usual one.
    x, y : ndarray
        Inputs and outputs.
    """
    if isinstance(layer, Softmax):
        return _warmed(x, y)
    if isinstance(layer, ReLU | LeakyReLU):
        for text, values in (("ReLU", np.maximum(x, 0)), ("softplus", np.logaddexp(0, x)), ("ELU", np.where(x > 0, x, np.expm1(np.minimum(x, 0))))):  # fmt: skip
            if told := _line(text, values, y):
                return told
        left = x < 0
        slope = float((x[left] * y[left]).sum() / (x[left] ** 2).sum()) if left.any() else 0.0
        if 0 < slope < 1 and _near(y, np.where(left, slope * x, x)):
            return f"a leaky ReLU with slope {slope:.4g}"
        return "a ReLU with a ceiling" if _near(y, np.clip(x, 0, y.max())) and y.max() > 1 else ""
    if isinstance(layer, Sigmoid | Tanh):
        curves: list[tuple[str, Array]] = [
            ("tanh", np.tanh(x)),
            ("tanh(2x/3)", np.tanh(2 * x / 3)),
            ("hard sigmoid", np.clip(0.2 * x + 0.5, 0, 1)),
            ("hard sigmoid", np.clip(x / 6 + 0.5, 0, 1)),
            ("hard tanh", np.clip(x, -1, 1)),
            ("softsign", x / (1 + np.abs(x))),
        ]
        if isinstance(layer, Sigmoid):  # of a tanh, 2 sigmoid(x) - 1 has lost a 2
            curves.insert(0, ("sigmoid", 1 / (1 + np.exp(-x))))
        return next((told for text, values in curves if (told := _line(text, values, y))), "")
    return ""


def _line(text: str, values: Array, y: Array) -> str:
    """`y` as a positive multiple of known values, perhaps with a constant."""
    if y.shape != values.shape or not np.ptp(values):
        return ""
    design = np.stack([values.ravel(), np.ones(values.size)], axis=1)
    (a, b), *_ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    if not a > 0 or not _near(y, a * values + b):
        return ""
    times = "" if math.isclose(a, 1, abs_tol=NEAR) else f"{a:.5g} "
    return f"{times}{text}" + ("" if abs(b) < NEAR else f" {'+' if b > 0 else '-'} {abs(b):.5g}")


def _warmed(x: Array, y: Array) -> str:
    """Softmax of k x, for a k above 0."""
    if y.shape != x.shape or not (y > 0).all():
        return ""
    logs = np.log(y)
    a, b = x - x.mean(axis=1, keepdims=True), logs - logs.mean(axis=1, keepdims=True)
    k = float((a * b).sum() / (a * a).sum())
    if k <= 0 or not _near(b, k * a) or not _near(y.sum(axis=1), np.ones(len(y))):
        return ""
    return f"softmax with a temperature of {1 / k:.4g}"
