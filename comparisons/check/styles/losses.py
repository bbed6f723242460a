"""Losses with their gradients: plain functions, methods, small classes.

Sums and means, halves and wholes are all in use, and all right as long as cost and gradient belong together. So the scale of the
cost is found by its value, and the gradient has to have the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import array, parameters, plain, tree
from comparisons.check.homes import Home, homes, instance, line, resolve, without_guards
from comparisons.check.layouts import COLUMN, COLUMNS, ROWS, VECTOR, Layout
from comparisons.check.members import changed, is_gradient, snapshot
from comparisons.check.models import LossModel, PassModel
from comparisons.check.objects import BACKWARD, FORWARD
from comparisons.check.styles.activations import DERIVATIVE, PREFIXES, SUFFIXES
from comparisons.check.styles.loss_scales import adds, averages_costs, divides_elsewhere, offered_for_several
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import (
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Layer,
    LayerState,
    Loss,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
)
from scratch.activations import sigmoid, softmax
from scratch.network import Pass

Array = np.ndarray

PREDICTION = ("yhat", "ypred", "ypredicted", "predicted", "pred", "preds", "prediction", "predictions", "output", "outputs", "a", "al", "p", "out",
              "yp", "h", "dvalues", "prob", "probs", "probabilities", "logits", "x", "z", "a2", "outputactivations", "activations", "yestimated",
              "ytilde", "hypothesis", "inputs", "input", "estimate", "scores", "o", "yh", "y_", "estimated", "guess", "aout", "lastactivation",
              "outputactivation", "a3", "yout", "computed", "probas", "yprob", "finaloutput", "yprediction", "predictedoutput", "predict")  # fmt: skip
TARGET = ("y", "ytrue", "t", "target", "targets", "label", "labels", "actual", "expected", "truth", "gt", "d", "desired", "yreal", "true", "trueval",
          "trues", "groundtruth", "ytrain", "truelabels", "correct", "yactual", "expectedoutput", "desiredoutput", "targetoutput", "ylabel", "real",
          "ytarget", "yexpected", "yt", "ybatch", "onehot", "labelsonehot")  # fmt: skip
SQUARED = ("mse", "meansquarederror", "squarederror", "quadraticcost", "l2loss", "squareloss", "quadraticloss", "mseloss", "meansquaredloss", "sse",
           "sumsquarederror", "sumsquarederrors", "quadratic", "halfmse", "squaredloss", "squaredcost", "meansquareerror", "msecost", "meansquarederrorloss",
           "sumofsquares", "meansquare", "euclideanloss", "ssr", "leastsquares", "sumofsquareserror", "mselossfunction", "lossmse", "costmse",
           "meansquareloss", "sumsquares", "quadraticcostfunction", "meansquaredcost", "squarederrorloss", "lossmeansquarederror")  # fmt: skip
ENTROPY = ("binarycrossentropy", "bce", "logloss", "binarycrossentropyloss", "bceloss", "crossentropy", "categoricalcrossentropy", "crossentropyloss", "cce",
           "softmaxcrossentropy", "nll", "negativeloglikelihood", "crossentropyerror", "xent", "softmaxloss", "crossentropycost", "categoricalcrossentropyloss",
           "softmaxcrossentropyloss", "nllloss", "celoss", "ce", "logisticloss", "binarycrossentropycost", "lossbinarycrossentropy", "softmaxwithloss",
           "losscategoricalcrossentropy", "activationsoftmaxlosscategoricalcrossentropy", "crossentropywithsoftmax", "softmaxwithcrossentropy", "crossentropywithlogits",
           "sigmoidwithloss", "softmaxcrossentropywithlogits", "softmaxcategoricalcrossentropy", "bcewithlogits", "sigmoidcrossentropy", "logcost",
           "softmaxwithcrossentropyloss", "crossentropylosswithsoftmax", "softmaxandcrossentropy", "logisticcost", "loglikelihood", "crossentropyfunction")  # fmt: skip
VAGUE = ("loss", "cost", "computecost", "lossfunction", "costfunction", "error", "computeloss", "getloss", "calculateloss", "calcloss", "lossfunc",
         "lossfn", "costfunc", "getcost", "errorfunction", "calculatecost", "costfn", "objective", "j")  # fmt: skip
VALUE = ("calculate", "forward", "loss", "__call__", "cost", "fn", "compute", "f", "value", "error", "computeloss", "calc", "evaluate", "call", "lossfunction",
         "computecost", "function", "forwardpass", "calculateloss", "getloss", "lossfn", "fun", "apply", "costfunction")  # fmt: skip
GRADIENT = ("backward", "gradient", "grad", "delta", *DERIVATIVE, "lossderivative", "dloss", "lossgrad", "lossprime", "backwardpass", "gradients", "lossgradient",
            "costderivative", "costprime", "backpropagation", "backpropagate", "computegradient", "calculategradient", "dcost", "errorderivative")  # fmt: skip
ALONE = (
    "costderivative",
    "lossderivative",
    "delta",
    "outputdelta",
    "costprime",
    "lossprime",
    "lossgradient",
    "dloss",
    "msegrad",
    "outputerror",
)
"""Names of gradients without a cost beside them."""


@dataclass(frozen=True)
class Found:
    """A cost with its gradient; one of them may be missing.

    Attributes
    ----------
    sort : str
        `squared`, `entropy` or `vague`.
    owner, value, gradient : str
    before : str
        Method that is given the logits before the gradient is asked for, by a layer that is given labels then.
    """

    sort: str
    owner: str
    value: str
    gradient: str
    before: str = ""


@dataclass(frozen=True)
class Scale:
    """The user's loss is scratch's times m^a k^b c."""

    a: int = 0
    b: int = 0
    c: Fraction = Fraction(1)

    def at(self, m: int, k: int) -> float:
        """The factor for m examples of k outputs."""
        return float(m**self.a * k**self.b * self.c)


SCALES = tuple(Scale(a, b, c) for b in (0, -1) for c in (Fraction(1), Fraction(2), Fraction(1, 2)) for a in (0, 1, -1))


@dataclass(frozen=True)
class Reading:
    """How a loss is taken.

    Attributes
    ----------
    loss : Loss
        Of what scratch calls the prediction, x.
    value_of, gradient_of : str
        What the code is given for the prediction: `x` itself, or its `sigmoid` or `softmax`.
    through : Layer, optional
        Activation in front of the loss, where the gradient is that of its input: Nielsen's `delta(z, a, y)`.
    layout : Layout
    k : int
        Number of outputs.
    labels : bool
        Whether targets are class numbers.
    flat : bool
        Whether predictions and targets are vectors, one number for each example.
    swapped : bool
        Whether the target is the first argument.
    scale, gradient_scale : Scale
    sign : int
        -1 where the code calculates the negative gradient.
    one_output : bool
        Whether cost and gradient are of different scales if there are several outputs.
    of_shares : bool
        Whether the gradient is that of the cross-entropy of p / sum(p), as in Keras: by sum(y) / sum(p) larger for all classes.
    """

    loss: Loss
    value_of: str = "x"
    gradient_of: str = "x"
    through: Layer | None = None
    layout: Layout = ROWS
    k: int = 3
    labels: bool = False
    flat: bool = False
    swapped: bool = False
    scale: Scale = field(default_factory=Scale)
    gradient_scale: Scale = field(default_factory=Scale)
    sign: int = 1
    of_shares: bool = False
    one_output: bool = False


OF_SEVERAL = "with k outputs the gradient is k times that of the cost, which is averaged over them: a convention as long as the cost is there to be looked at"
OTHER_TARGETS = "-other-targets"
"""Ends the name of a case that has class numbers where the unit's first cases have one-hot rows, or the other way round."""


class LossFunctions:
    """Costs and their gradients."""

    name = "losses"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every loss whose name is known, and every pair of vaguer names whose values are those of a known loss."""
        units: dict[str, Unit] = {}
        for home in homes(file):
            if home.owner in taken:
                continue
            used: set[str] = set()
            for found in _found(home):
                if _taken(found, home, taken) or {found.value, found.gradient} - {""} & used or not _fits(file, found):
                    continue
                own = _units(file, found)
                for unit in own:
                    if not home.owner and found.value in taken:
                        unit = replace(unit, name=unit.name.replace(found.value, found.gradient, 1))
                    units.setdefault(unit.name, unit)
                if own:
                    used |= {found.value, found.gradient} - {""}
        file.mutated.clear()
        return list(units.values())

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The loss behind the common door."""
        found, reading = unit.options["found"], unit.options["reading"]
        if case.id.endswith(OTHER_TARGETS):
            reading = replace(reading, labels=not reading.labels)
        if reading.through is None:
            return LossModel(case, lambda x, target: _run(file, found, reading, x, target))
        ((activation, _),) = case.architecture.layers

        def run(params: Any, x: Array, target: Array, *_: Any) -> Pass:
            cost, grad = _run(file, found, reading, x, target)
            return Pass({}, cost, {}, {} if grad is None else {activation: grad}, None)  # type: ignore[arg-type]

        return PassModel(case, run)


def _taken(found: Found, home: Home, taken: frozenset[str]) -> bool:
    """Whether another style has it; a cost that is taken alone is taken again with its gradient."""
    if home.owner:
        return False
    return (
        not ({found.value, found.gradient} - {""} - taken if found.gradient else {found.value} - taken)
        or found.gradient in taken
    )


def _found(home: Home) -> Iterator[Found]:
    called = plain(home.owner)
    sort = _sort(called)
    if home.owner and re.search("softmax|sigmoid|output", called):
        forward, backward = (
            next((home.functions[n] for n in names if n in home.functions), "") for names in (FORWARD, BACKWARD)
        )
        if forward and backward:
            yield Found("entropy", home.owner, "", backward, forward)
    if home.owner and (sort or (called in VAGUE and {"gradient", "grad"} & home.functions.keys())):
        value = next((home.functions[n] for n in VALUE if n in home.functions), "")
        gradient = next((home.functions[n] for n in GRADIENT if n in home.functions and home.functions[n] != value), "")
        if value or gradient:
            yield Found(sort or "vague", home.owner, value, gradient)
            return
    for sort, names in (("squared", SQUARED), ("entropy", ENTROPY), ("vague", VAGUE)):
        for name in names:
            value = home.functions.get(name, "")
            if not value:
                continue
            stems = {
                name,
                name.removesuffix("loss"),
                name.removesuffix("cost"),
                name.removesuffix("function"),
                name.removeprefix("compute"),
            } - {""}
            beside = [
                home.functions[n]
                for stem in stems
                for n in gradient_names(stem)
                if n in home.functions and home.functions[n] != value
            ]
            if not beside and home.owner and sort == "vague":
                beside = [home.functions[n] for n in GRADIENT if n in home.functions and home.functions[n] != value]
            yield Found(sort, home.owner, value, beside[0] if beside else "")
    for name in ALONE:
        if name in home.functions:
            yield Found("vague", home.owner, "", home.functions[name])


def gradient_names(stem: str) -> Iterator[str]:
    """Names, in plain form, that the gradient of a loss of this name may have."""
    yield from (stem + s for s in (*SUFFIXES, "delta", "lossgrad", "lossprime", "lossderivative"))
    yield from (p + stem for p in PREFIXES)


def _sort(called: str) -> str:
    if re.search(r"(dev|vari|dist|diverg|import)[a-z]*celoss$", called):
        return ""  # `DistanceLoss` is no `CELoss`
    if any(called.startswith(n) or called.endswith(n) for n in SQUARED if len(n) > 2) or called in SQUARED:
        return "squared"
    if (
        any(called.startswith(n) or called.endswith(n) for n in ENTROPY if len(n) > 2)
        or called in ENTROPY
        or "crossentropy" in called
    ):
        return "entropy"
    return ""


def _fits(file: UserFile, found: Found) -> bool:
    """Whether a cost takes a prediction and a target, and nothing else that it cannot do without."""
    if found.before:
        one, labels = (asked_for(resolve(file, found.owner, n)) for n in (found.before, found.gradient))
        return len(one) == len(labels) == 1 and plain(labels[0].name) in TARGET and plain(labels[0].name) not in ("d",)
    if (
        found.gradient
        and len(asked_for(of := resolve(file, found.owner, found.gradient))) > 2
        and "z" not in (_told(of) or {}).values()
    ):
        return False
    name = found.value or found.gradient
    asked = asked_for(resolve(file, found.owner, name))
    return len(asked) == 2 or (len(asked) in (2, 3) and not found.value)


TYPES = ("dtype", "nptype", "floattype")
"""Names of arguments that say of which type the numbers are."""


def asked_for(f: Callable[..., Any]) -> list[Any]:
    """Arguments without a default, but for those that name a type of numbers."""
    return [p for p in parameters(f) if p.default is p.empty and plain(p.name) not in TYPES]


def _arguments(
    f: Callable[..., Any], prediction: Any, raw: Any, target: Any, reading: Reading, m: int
) -> dict[str, Any]:
    """Values of a function's arguments; `raw` is what the prediction was calculated from."""
    given: dict[str, Any] = {}
    asked = asked_for(f)
    told = _told(f)
    for i, p in enumerate(asked):
        name = plain(p.name)
        if told is not None and p.name in told:
            given[p.name] = {"prediction": prediction, "target": target, "z": raw}[told[p.name]]
        elif name in ("m", "n", "batchsize", "nsamples"):
            given[p.name] = m
        elif len(asked) == 1 and name in TARGET:
            given[p.name] = target
        elif name in ("dout", "upstream", "grad", "dl"):
            given[p.name] = 1.0
        else:
            given[p.name] = (target, prediction)[i % 2] if reading.swapped else (prediction, target)[i % 2]
    return given | {p.name: np.float64 for p in parameters(f) if p.default is p.empty and plain(p.name) in TYPES}


def _told(f: Callable[..., Any]) -> dict[str, str] | None:
    """Which argument is which, if the names say so."""
    asked = asked_for(f)
    if len(asked) < 2:
        return None
    names = {p.name: plain(p.name) for p in asked}
    predictions = [n for n, w in names.items() if w in PREDICTION]
    targets = [n for n, w in names.items() if w in TARGET and n not in predictions]
    if len(predictions) == 1 and len(targets) >= 1:
        return {predictions[0]: "prediction", targets[0]: "target"}
    if len(predictions) == 1 and len(asked) == 2:
        return {n: "prediction" if n == predictions[0] else "target" for n in names}
    if not predictions and len(targets) == 2:  # (y, t): y is what comes out of the network
        first = [n for n in targets if names[n] == "y"]
        if len(first) == 1:
            other = next(n for n in targets if n != first[0])
            return {first[0]: "prediction", other: "target"}
    if len(predictions) == 2 and len(asked) == 3 and len(targets) == 1:  # (z, a, y)
        return {predictions[0]: "z", predictions[1]: "prediction", targets[0]: "target"}
    return None


def _run(file: UserFile, found: Found, reading: Reading, x: Array, target: Array) -> tuple[Array | None, Array | None]:
    """Loss and gradient, in scratch's scale."""
    cost, grad = _raw(file, found, reading, x, target)
    m, k = x.shape
    if cost is not None:
        cost = np.asarray(_mean(cost, m) / reading.scale.at(m, k))
    if grad is not None:
        grad = np.asarray(grad) / reading.gradient_scale.at(m, k) * reading.sign
        grad = grad - _of_sum(x, target) if reading.of_shares and grad.shape == x.shape else grad
    return cost, grad


def _of_sum(p: Array, target: Array) -> Array:
    """The gradient of mean(sum(y) log sum(p)), the same for all classes: a softmax in front of the loss takes it away."""
    return target.sum(axis=1, keepdims=True) / p.sum(axis=1, keepdims=True) / len(p)


def _mean(cost: Array, m: int) -> Array:
    """A cost that is given for each example, or each element, as their mean over the examples."""
    return np.asarray(cost.sum() / m if cost.size > 1 else cost.reshape(()))


def _raw(file: UserFile, found: Found, reading: Reading, x: Array, target: Array) -> tuple[Array | None, Array | None]:
    given = _target(reading, target)
    thing = instance(file, file.namespace[found.owner]) if found.owner else None
    cost = grad = None
    raw = _prediction(reading, "x", x)
    if found.value:
        f = _bound(file, found, found.value, thing)
        result = file.call(f, **_arguments(f, _prediction(reading, reading.value_of, x), raw, given, reading, len(x)))
        cost = _first(result, thing)
        if not found.gradient and isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], np.ndarray):
            grad = _back(reading, result[1], x.shape)  # both at once
    if found.gradient:
        f = _bound(file, found, found.gradient, thing)
        prediction = _prediction(reading, reading.gradient_of, x)
        if found.before:
            file.call(getattr(thing, found.before), raw)
        before = snapshot(thing) if thing is not None else {}
        result = file.call(f, **_arguments(f, prediction, raw, given, reading, len(x)))
        if result is None and thing is not None:
            new = [a for p, a in changed(thing, before).items() if is_gradient(p) or a.shape == prediction.shape]
            result = new[-1] if new else None
        if isinstance(result, tuple) and result:
            result = result[0]
        if result is not None or thing is None:
            grad = _back(reading, array(result, f"what {found.gradient} returns"), x.shape)
    return cost, grad


def _first(result: Any, thing: Any) -> Array | None:
    if result is None and thing is not None:
        result = next(
            (
                vars(thing)[n]
                for n in ("loss", "cost", "output", "value", "error")
                if n in getattr(thing, "__dict__", {})
            ),
            None,
        )
    if isinstance(result, tuple) and result:
        result = result[0]
    return None if result is None else array(result, "the loss")


def _bound(file: UserFile, found: Found, name: str, thing: Any) -> Callable[..., Any]:
    """The function; methods of one class are called on one object, for what one of them keeps for the other."""
    f = resolve(file, found.owner, name)
    return (
        getattr(thing, name) if thing is not None and hasattr(f, "__self__") and not isinstance(f.__self__, type) else f
    )


def _prediction(reading: Reading, of: str, x: Array) -> Array:
    functions: dict[str, Callable[[Array], Array]] = {
        "x": lambda z: z.copy(),
        "sigmoid": sigmoid,
        "softmax": softmax,
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
    }
    p = functions[of](x)
    return p.ravel() if reading.flat else reading.layout.there(p)


def _target(reading: Reading, target: Array) -> Array:
    if reading.labels:
        return target.argmax(axis=1)
    return target.ravel().copy() if reading.flat else reading.layout.there(target)


def _back(reading: Reading, g: Array, shape: tuple[int, ...]) -> Array:
    if reading.flat:
        return g.reshape(shape) if g.shape == (shape[0],) else g
    return reading.layout.back(g)


def _readings(sort: str, of_z: tuple[str, ...] = ()) -> Iterator[Reading]:
    """All readings of a sort, the usual ones first; `of_z` are the activations of whose input the gradient may be."""
    squared = [Reading(MeanSquaredError()), Reading(MeanSquaredError(), k=1)]
    binary = [
        Reading(BinaryCrossEntropy(), k=1),
        Reading(BinaryCrossEntropy()),
        Reading(BinaryCrossEntropyFromLogits(), "sigmoid", "sigmoid", k=1),
        Reading(BinaryCrossEntropyFromLogits(), "sigmoid", "sigmoid"),
        Reading(BinaryCrossEntropyFromLogits(), k=1),
    ]
    several = [
        Reading(CategoricalCrossEntropy()),
        Reading(SoftmaxCrossEntropy(), "softmax", "softmax"),
        Reading(SoftmaxCrossEntropy()),
        Reading(SoftmaxCrossEntropy(), "x", "softmax"),
        Reading(CategoricalCrossEntropy(), of_shares=True),
    ]
    if of_z:
        named: dict[str, Layer] = {"sigmoid": Sigmoid(), "tanh": Tanh(), "relu": ReLU()}
        squared = [replace(r, value_of=n, gradient_of=n, through=named[n]) for n in of_z for r in squared]
        binary, several = ([r for r in some if r.gradient_of != "x"] for some in (binary, several))
    base = {"squared": squared, "entropy": [*several, *binary], "vague": [*squared, *several, *binary]}[sort]
    for layout in (ROWS, COLUMNS, VECTOR, COLUMN):
        for reading in base:
            yield replace(reading, layout=layout)
            if isinstance(reading.loss, SoftmaxCrossEntropy | CategoricalCrossEntropy):
                yield replace(reading, layout=layout, labels=True)
            elif reading.k == 1 and layout is ROWS:
                yield replace(reading, flat=True)


def _units(file: UserFile, found: Found) -> list[Unit]:
    functions = [resolve(file, found.owner, n) for n in (found.value, found.gradient) if n]
    guarded = functions if not found.owner else [f for f in vars(file.namespace[found.owner]).values() if callable(f)]
    guards = list(dict.fromkeys(g for f in guarded for g in without_guards(file, getattr(f, "__func__", f))))
    ordered = _told(functions[0]) is not None
    best: tuple[tuple[float, ...], Reading] | None = None
    for swapped in (False,) if ordered else (False, True):
        for i, reading in enumerate(_readings(found.sort, _takes_logits(file, found))):
            reading = replace(reading, swapped=swapped)
            result = _score(file, found, reading)
            if result is None:
                continue
            score, fitted = result
            if best is None or (*score, i) < best[0]:
                best = (*score, i), fitted
            if not any(score):
                break
    if best is None:
        return []
    score_, reading = best
    if any(score_[:2]) and (_of_its_gradient(file, found) or _is_another(file, found, bool(score_[0]))):
        return []
    if not any(score_[:3]) and (several := _of_several(file, found, reading)) is not None:
        if offered_for_several(file) and isinstance(reading.loss, MeanSquaredError):
            reading = several
        else:
            reading = replace(reading, one_output=True)
    if score_[0] > 0 and (found.sort == "vague" or not _surely(found, reading)):
        return []
    return _with_other_targets(file, found, reading, _described(file, found, reading, guards), any(score_[:2]))


def _of_its_gradient(file: UserFile, found: Found) -> bool:
    """Whether a cost is calculated from the gradient, so that it cannot be what the gradient is one of."""
    if not (found.value and found.gradient):
        return False
    f = resolve(file, found.owner, found.value)
    code = getattr(getattr(f, "__func__", f), "__code__", None)
    return found.gradient in getattr(code, "co_names", ())


def _is_another(file: UserFile, found: Found, other_cost: bool) -> bool:
    """Whether a cost whose name only resembles that of the known loss, which it is not, has the gradient of its own."""
    from comparisons.check.styles.loss_pairs import is_consistent

    name = plain(found.owner or found.value)
    if not (other_cost and found.value and found.gradient) or name in (*SQUARED, *ENTROPY):
        return False
    return is_consistent(file, f"{found.owner}.{found.value}" if found.owner else found.value)


def _of_several(file: UserFile, found: Found, reading: Reading) -> Reading | None:
    """The reading with several outputs, where the gradient is so many times that of the cost as there are outputs."""
    if (
        reading.k != 1
        or not (found.value and found.gradient)
        or reading.layout not in (ROWS, COLUMNS)
        or reading.through
    ):
        return None
    wide = replace(reading, k=3, flat=False)
    result = _score(file, found, wide)
    if result is None or result[0][:2] != (0.0, 0.5):
        return None  # it cannot be called so, agrees, or is another loss then
    batch = plan(_case("probe", wide, 7)).batches[0]
    assert batch.target is not None
    grad = _raw(file, found, wide, batch.x, batch.target)[1]
    expected = _expected(wide, batch.x, batch.target)[1] * result[1].scale.at(7, 3)
    return result[1] if grad is not None and _near(grad, 3 * expected) else None


def _with_other_targets(file: UserFile, found: Found, reading: Reading, unit: Unit, wrong: bool) -> list[Unit]:
    """The unit, compared on class numbers as well as on one-hot rows if the code takes both.

    Where they differ, they have branches of their own in the code, so the one that is wrong is a unit of its own.
    """
    several = isinstance(reading.loss, SoftmaxCrossEntropy | CategoricalCrossEntropy)
    if not several or reading.layout in (VECTOR, COLUMN):
        return [unit]
    other = replace(reading, labels=not reading.labels)
    result = _score(file, found, other)
    if result is None or (result[0][0] > 0 and (not found.gradient or not found.value or result[0][1] == 1.0)):
        return [unit]  # it raises, or has neither the loss nor its gradient at any scale: these targets are not meant
    same = (result[1].scale, result[1].gradient_scale) == (reading.scale, reading.gradient_scale)
    if wrong or (same and not any(result[0][:2])):
        cases = tuple(replace(c, id=c.id + OTHER_TARGETS) for c in unit.cases)
        told = (*unit.assumptions, "it takes class numbers and one-hot rows: both are compared")
        return [replace(unit, cases=(*unit.cases, *cases), assumptions=told)]
    given = "class numbers" if other.labels else "one-hot rows"
    return [
        unit,
        replace(
            unit,
            name=f"{unit.name} given {given}",
            cases=tuple(replace(c, id=f"{c.id}-{given.replace(' ', '-')}") for c in unit.cases),
            options=unit.options | {"reading": other},
            assumptions=(*unit.assumptions, f"targets are {given}, which it takes too"),
        ),
    ]


def _takes_logits(file: UserFile, found: Found) -> tuple[str, ...]:
    """Activations f in front of a gradient that is given z beside a = f(z), and uses it or stands beside such an f; none otherwise."""
    if not found.gradient:
        return ()
    f = resolve(file, found.owner, found.gradient)
    given = [n for n, what in (_told(f) or {}).items() if what == "z"]
    body = tree(f)
    used = {n.id for n in ast.walk(body) if isinstance(n, ast.Name)} if body else set()
    own = {plain(n) for n in file.functions()}
    if not given or not (given[0] in used or {"sigmoid", "tanh"} & own):
        return ()
    # An input that happens to be positive tells nothing about ReLU, so it is taken only where there is no other.
    smooth = tuple(n for n in ("sigmoid", "tanh") if n in own)
    return smooth or (("relu",) if "relu" in own else ("sigmoid",))


def _surely(found: Found, reading: Reading) -> bool:
    """Whether a cost that is no known loss's was meant to be one: there is a gradient too, or it is a squared error."""
    return bool(found.gradient) or found.sort == "squared"


def _score(file: UserFile, found: Found, reading: Reading) -> tuple[tuple[float, ...], Reading] | None:
    """(cost disagrees, gradient disagrees, scales apart, how odd the scale is), and the reading with its scales; None if it cannot be called."""
    costs, grads = [], []
    single = reading.layout in (VECTOR, COLUMN)
    for i, m in enumerate((1,) * 6 if single else (7, 4)):
        case = _case(f"probe{i}", reading, m)
        batch = plan(case).batches[0]
        assert batch.target is not None
        try:
            cost, grad = _raw(file, found, reading, batch.x, batch.target)
        except UserError:
            return None
        expected, gradient = _expected(reading, batch.x, batch.target)
        if cost is not None and cost.size not in (1, m, m * reading.k):
            return None
        costs.append((None if cost is None else _mean(cost, m), expected, m))
        grads.append((grad, gradient, m))
    if all(given[0] is None for given in (*costs, *grads)):
        return None  # methods of a base class
    k = reading.k
    fitting = [
        s for s in _distinct(SCALES, single, k) if all(c is None or _near(c, e * s.at(m, k)) for c, e, m in costs)
    ]
    has_cost = costs[0][0] is not None
    both = [
        (s, sign)
        for sign in (1, -1)
        for s in _distinct(SCALES, single, k)
        if all(g is not None and _near(g, sign * e * s.at(m, k)) for g, e, m in grads)
    ]
    if grads[0][0] is None:
        return ((0.0 if fitting else 1.0, 0.0, 0.0, 0.0), replace(reading, scale=(fitting or [Scale()])[0]))
    if not has_cost:
        scale, sign = both[0] if both else (Scale(), 1)
        return (0.0 if both else 1.0, 0.0, 0.0 if sign == 1 else 0.5, 0.0), replace(
            reading, scale=scale, gradient_scale=scale, sign=_sign(file, sign)
        )
    scale = fitting[0] if fitting else Scale()
    per_example = costs[0][0] is not None and _is_per_example(file, found, reading)
    for s, sign in both:
        if s in fitting or _belongs(file, scale, s, per_example):
            own = s if s in fitting else scale
            return (
                0.0 if fitting else 1.0,
                0.0,
                float(s not in fitting and not per_example),
                float(sign < 0),
            ), replace(reading, scale=own, gradient_scale=s, sign=_sign(file, sign))
    partly = 0.5 if both else 1.0
    if not fitting and both:
        scale = both[0][0]
    return (0.0 if fitting else 1.0, partly, 1.0, 0.0), replace(reading, scale=scale, gradient_scale=scale)


def _expected(reading: Reading, x: Array, target: Array) -> tuple[Array, Array]:
    """Scratch's cost and gradient."""
    if reading.through is None:
        cost, cache = reading.loss.forward(x, target)
        grad = reading.loss.backward(target, cache)
        return cost, grad + _of_sum(x, target) if reading.of_shares else grad
    a, kept = reading.through.forward(x, LayerState())
    cost, cache = reading.loss.forward(a, target)
    return cost, reading.through.backward(reading.loss.backward(target, cache), LayerState(), kept)[0]


def _distinct(scales: tuple[Scale, ...], single: bool, k: int) -> list[Scale]:
    return [s for s in scales if not (single and s.a) and not (k == 1 and s.b)]


def _near(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=1e-9 * (np.abs(b).max(initial=0.0) or 1.0)))


def _is_per_example(file: UserFile, found: Found, reading: Reading) -> bool:
    case = _case("probe", reading, 1 if reading.layout in (VECTOR, COLUMN) else 7)
    batch = plan(case).batches[0]
    assert batch.target is not None
    cost, _ = _raw(file, replace(found, gradient=""), reading, batch.x, batch.target)
    return cost is not None and cost.size > 1


def _belongs(file: UserFile, cost: Scale, gradient: Scale, per_example: bool) -> bool:
    """Whether a gradient of another scale goes with a cost: 1/m may stand with the weights' gradients, a cost may be of each example.

    Or costs are added up over batches, and divided by the number of all examples in the end.
    """
    if (cost.b, cost.c) != (gradient.b, gradient.c):
        return False
    if gradient.a == cost.a - 1 and averages_costs(file):
        return True
    return per_example or (gradient.a == cost.a + 1 and divides_elsewhere(file))


def _sign(file: UserFile, sign: int) -> int:
    """-1 is accepted where the file adds what it calculates to its weights."""
    return sign if sign == 1 or adds(file) else 1


def _case(name: str, reading: Reading, m: int) -> Case:
    regime = "probabilities" if isinstance(reading.loss, BinaryCrossEntropy | CategoricalCrossEntropy) else "normal"
    before = [] if reading.through is None else [reading.through]
    return Case(f"check/{name}/batch{m}", architecture(*before, loss=reading.loss), (m,), (reading.k,), regime)


TITLES = {
    "MeanSquaredError": "squared error",
    "BinaryCrossEntropy": "binary cross-entropy",
    "BinaryCrossEntropyFromLogits": "binary cross-entropy",
    "CategoricalCrossEntropy": "cross-entropy",
    "SoftmaxCrossEntropy": "softmax cross-entropy",
}


def _described(file: UserFile, found: Found, reading: Reading, guards: list[float]) -> Unit:
    kind = type(reading.loss).__name__
    told = []
    if guards:
        told.append(f"{', '.join(f'{g:g}' for g in guards)} against log 0 is taken as 0")
    if reading.gradient_of != "x" and found.gradient:
        told.append(f"{found.gradient} gives the gradient of the logits, in front of the {reading.gradient_of}")
    if reading.layout in (VECTOR, COLUMN):
        told.append("one example at a time")
    elif reading.layout is COLUMNS:
        told.append("examples are columns")
    told.append(_scale_told(reading.scale if found.value else reading.gradient_scale, kind))
    if found.value and found.gradient and reading.gradient_scale != reading.scale:
        told.append(f"{found.gradient} leaves the division by the number of examples to others")
    if reading.of_shares:
        told.append(
            f"{found.gradient} is that of p / sum(p), as Keras has it: a number more for all classes, which softmax takes away"
        )
    if reading.sign < 0:
        told.append(f"{found.gradient} gives the direction of descent: the weights are moved by adding it")
    name = found.owner or found.value or found.gradient
    sizes = (1, 1) if reading.layout in (VECTOR, COLUMN) else (7, 1)
    cases = tuple(replace(_case(name, reading, m), id=f"check/{name}/{i}-batch{m}") for i, m in enumerate(sizes))
    members = tuple(
        f"{found.owner}.{n}" if found.owner else n for n in (found.before, found.value, found.gradient) if n
    )
    title = TITLES[kind] + (
        " and its gradient" if found.value and found.gradient else ": the gradient" if found.gradient else ""
    )
    options: dict[str, Any] = {"found": found, "reading": reading}
    if reading.one_output:
        options["remarks"] = [OF_SEVERAL]
    at = line(file, found.owner, found.value or found.gradient)
    return Unit(name, LossFunctions.name, title, at, members, cases, options, tuple(t for t in told if t))


def _scale_told(scale: Scale, kind: str) -> str:
    """The scale in words."""
    how = {0: "averaged over the examples", 1: "summed over the examples", -1: "averaged over the examples twice"}[
        scale.a
    ]
    if scale.b:
        how += " and the outputs"
    c = scale.c / 2 if kind == "MeanSquaredError" else scale.c
    return f"the loss is {how}" + (f", times {c}" if c != 1 else "")
