"""Layer objects: classes with a forward and a backward method, that keep parameters and gradients where they like.

A class's name says of which kind it may be. Which arguments its constructor takes, how its data and weights lie, whether its gradients
are means: that is found out by trying. Of all readings the one is taken whose output agrees, and then the most gradients.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import plain, tree
from comparisons.check.construct import ROLES, arguments, plans
from comparisons.check.drawing import planned_draws
from comparisons.check.homes import source_text
from comparisons.check.layouts import MTN, SPOKEN, STEPS, Layout
from comparisons.check.models import LayerModel, PassModel, Ran
from comparisons.check.modes import told_apart
from comparisons.check.objects import BACKWARD, FORWARD, Driven, Puzzled, Spec, method
from comparisons.check.outside import BATCH, EXAMPLE, shaped
from comparisons.check.styles.layer_kinds import KINDS, Kind, Variant
from comparisons.check.unit import Unit, UserError, UserFile, refuses
from comparisons.plan import plan
from comparisons.subject import ScratchModel
from comparisons.trace import Model, record
from scratch import (
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    LayerNorm,
    LayerState,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    architecture,
)
from scratch.network import Architecture, Pass

Array = np.ndarray
NEAR = 1e-9
DENSE = re.compile(r"dense|linear|affine|full|^fc|innerprod")
MEANS = "gradients of parameters are divided by the number of examples, so the upstream gradient is not"
SPARSE = "backward takes the gradient of one output at a time, as cross-entropy gives it; it is called once for each"
HANDED_ON = (
    "backward hands its argument on: it expects the gradient of the logits, as softmax with cross-entropy gives it"
)
_SCALED = re.compile(r"\*\s*(\w+\.)?(tanh|sigmoid|exp)\(|(tanh|sigmoid)\([^()]*\)\s*\*(?!\*)")
"""A forward pass that multiplies its curve by something."""
_LOSS = re.compile(r"loss|cost|crossentropy|cross_entropy|mse|error|criterion|softmaxwith|sigmoidwith|objective")
_NETWORK = re.compile(r"network|model|mlp|net$|^nn$|trainer|sequential|optimi[sz]er")


@dataclass(frozen=True)
class Reading:
    """How a class is taken.

    Attributes
    ----------
    kind : Kind
    variant : Variant
    spec : Spec
    activation : Layer, optional
        That the class applies after its own layer.
    more : tuple of Reading
        Other strides, paddings, ... that are compared too.
    evaluated : bool
        Whether evaluation is compared too: the class knows it from training, and they differ.
    of_logits : bool
        Whether what goes back into a dense layer with softmax is the gradient of the logits.
    """

    kind: Kind
    variant: Variant
    spec: Spec
    activation: Layer | None = None
    more: tuple[Reading, ...] = ()
    evaluated: bool = False
    of_logits: bool = False

    @property
    def arch(self) -> Architecture:
        """The layer, and the activation if there is one."""
        return architecture(self.variant.layer, *([self.activation] if self.activation else []))


class Failed(UserError):
    """The backward pass raised after the forward pass had given an output."""

    def __init__(self, error: UserError, output: Array) -> None:
        super().__init__(str(error))
        self.output = output


class LayerObjects:
    """Classes that are layers."""

    name = "layers"

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every class that can be made and driven as a layer of a known kind."""
        self._readings.clear()
        units = []
        for name, cls in file.classes().items():
            if name in taken or _LOSS.search(name.lower()) or _NETWORK.search(name.lower()):
                continue
            forward, backward = method(cls, FORWARD), method(cls, BACKWARD)
            if not forward or not backward or forward == backward:
                continue
            try:
                found = self._units(file, name, cls, forward, backward)
            except Exception as error:  # a strange class must not hide the others
                file.notes.append(f"{name} is not compared: {type(error).__name__}: {error}")
                continue
            units += found
        file.mutated.clear()
        return units

    def _units(self, file: UserFile, name: str, cls: type, forward: str, backward: str) -> list[Unit]:
        least, chosen, why = (float(PUZZLED), 0.0), None, None
        for kind in KINDS:
            if not kind.names.search(name.lower()):
                continue
            score, reading, told = _best(file, cls, kind, forward, backward)
            if score < least and not (score[0] == RAISED and not _raises_itself(told)):
                if score[0] > AGREES and (
                    kind.title == "activation layer"
                    or (kind.title == "dense layer" and not _surely_dense(name, cls))
                    or (kind.title in ("simple recurrent layer", "LSTM") and "cell" in name.lower())
                ):
                    continue
                least, chosen = score, reading
            # Of a class that is called some layer, no more was to be expected.
            why = why or (told if kind.title != "dense layer" or DENSE.search(name.lower()) else None)
            if score[0] == AGREES:
                break
        if chosen is None:
            if why is not None and not _abstract(why):
                file.notes.append(f"{name} is not compared: {why}")
            return []
        if (
            least > (AGREES, 0)
            and chosen.kind.title in ("tanh", "sigmoid")
            and _SCALED.search(_source_of(cls, forward))
        ):
            return []  # LeCun's 1.7159 tanh(2/3 x), say
        if least > (AGREES, 0) and _gives_derivatives(file, cls, chosen):
            return []  # the style of activation functions has it
        if least > (AGREES, 0) and _takes_targets(file, cls, chosen):
            return []
        chosen = _handed_on(file, cls, chosen)
        chosen = replace(_with_more(file, cls, chosen), evaluated=_evaluated(cls, chosen))
        others = list(_other_activations(file, cls, chosen)) if "activation" in chosen.spec.arguments.values() else []
        units = []
        for reading in (chosen, *others):
            with_ = type(reading.activation).__name__.lower() if reading.activation else "no activation"
            units.append(_described(file, name, f"{name} with {with_}" if others else name, reading))
            self._readings[units[-1].name] = reading
        return units

    def recognised(self, file: UserFile) -> bool:
        """Whether any class was taken for a layer."""
        return any(unit.split(" with ")[0] in file.classes() for unit in self._readings)

    def right(self, file: UserFile) -> list[tuple[str, Reading]]:
        """Classes that agree with their twins, and how they are taken."""
        known = [(unit.split(" with ")[0], reading) for unit, reading in self._readings.items()]
        own = file.classes()
        return [(name, reading) for name, reading in known if name in own and self.agrees(file, own[name], reading)]

    def agrees(self, file: UserFile, cls: type, reading: Reading) -> bool:
        """Whether a class, taken like this, is the layer in every number that it shows."""
        return _score(file, cls, reading)[0] == (AGREES, 0)

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The class as a layer."""
        known = self._readings[unit.name]
        cls = file.classes()[unit.members[0]]
        fitting = next(r for r in (known, *known.more) if r.arch == case.architecture)
        return _model(file, cls, _resized(fitting, case.input_shape), case)


def _resized(reading: Reading, shape: tuple[int, ...]) -> Reading:
    """The reading for images of another size, where the class is told one."""
    told = reading.variant.values.get("input_shape")
    if shape == reading.variant.shape or not isinstance(told, tuple) or len(told) != len(shape):
        return reading
    first = told[0] == reading.variant.shape[-1]
    values = reading.spec.values | {"input_shape": (shape[-1], *shape[:-1]) if first else shape}
    return replace(reading, spec=replace(reading.spec, values=values))


AGREES, DISAGREES, BACKWARD_RAISED, RAISED, PUZZLED = range(5)
Score = tuple[float, float]


def _abstract(error: UserError) -> bool:
    """Whether a class is there to be derived from: its methods are empty."""
    if "abstract class" in str(error):
        return True
    return isinstance(error.__cause__, NotImplementedError) or str(error).endswith(" is None")


def _gives_derivatives(file: UserFile, cls: type, reading: Reading) -> bool:
    """Whether backward is no backward pass, but the derivative of the activation at what it is given, as z or as a."""
    layer = reading.variant.layer
    if not isinstance(layer, Sigmoid | Tanh | ReLU | LeakyReLU):
        return False
    z = np.random.default_rng(5).uniform(0.1, 0.9, (6, 5))
    given = np.random.default_rng(6).uniform(0.1, 0.9, z.shape)
    try:
        found, _ = _driven(file, cls, reading, z, given)
    except UserError:
        return False
    wanted = [layer.backward(np.ones_like(z), LayerState(), layer.forward(given, LayerState())[1])[0]]
    wanted += [given * (1 - given)] if isinstance(layer, Sigmoid) else [1 - given**2] if isinstance(layer, Tanh) else []
    return found is not None and any(_agree(found, w) for w in wanted)


def _takes_targets(file: UserFile, cls: type, reading: Reading) -> bool:
    """Whether backward is given the targets, a - y: then zeros are no gradient that vanishes."""
    if not isinstance(reading.variant.layer, Softmax | Sigmoid):
        return False
    x = np.random.default_rng(5).standard_normal((1 if reading.spec.x.single else 6, *reading.variant.shape))
    try:
        found, _ = _driven(file, cls, reading, x, np.zeros_like(x))
    except UserError:
        return False
    return found is not None and bool(found.any())


def _hands_on(file: UserFile, cls: type, reading: Reading) -> bool:
    """Whether backward returns what it is given."""
    x, dy = np.random.default_rng(5).standard_normal((2, 1 if reading.spec.x.single else 6, 5))
    try:
        dx, _ = _driven(file, cls, reading, x, dy)
    except UserError:
        return False
    return dx is not None and np.array_equal(dx, dy)


def _driven(file: UserFile, cls: type, reading: Reading, x: Array, dy: Array) -> tuple[Array | None, dict[str, Array]]:
    driven = Driven(file, cls, reading.spec, {}, {}, len(x))
    driven.forward(x, True)
    return driven.backward(dy, x)


def _with_more(file: UserFile, cls: type, reading: Reading) -> Reading:
    """The reading with all further variants that the class takes."""
    more = (
        reading.kind.more(reading.variant, tuple(reading.spec.arguments.values())) if reading.activation is None else []
    )
    taken = []
    for variant in more:
        tried = replace(reading, variant=variant, spec=replace(reading.spec, values=variant.values))
        score, error = _score(file, cls, tried)
        if score[0] < RAISED or (score[0] == RAISED and _raises_itself(error)):
            taken.append(tried)
    return replace(reading, more=tuple(taken))


def _evaluated(cls: type, reading: Reading) -> bool:
    layer = reading.variant.layer
    knows = isinstance(layer, Dropout) or (isinstance(layer, BatchNorm) and bool(reading.spec.buffers))
    return knows and told_apart(cls, reading.spec.forward)


def _default_momentum(cls: type, reading_arguments: dict[str, str]) -> float | None:
    """What the constructor takes for momentum unless it is told."""
    found = [p.default for p in arguments(cls) if reading_arguments.get(p.name) == "momentum"]
    return float(found[0]) if found and isinstance(found[0], int | float) else None


def _other_activations(file: UserFile, cls: type, chosen: Reading) -> Iterator[Reading]:
    """The class with each other activation function that it knows."""
    done = {chosen.activation}
    spec = chosen.spec
    for reading in _readings(file, cls, chosen.kind, spec.forward, spec.backward):
        same = (reading.spec.x, reading.spec.y, reading.spec.arguments) == (spec.x, spec.y, spec.arguments)
        if same and reading.activation not in done and reading.variant.layer == chosen.variant.layer:
            tried = replace(reading, spec=replace(reading.spec, mean=spec.mean, turns=spec.turns))
            if _score(file, cls, tried)[0][0] in (AGREES, BACKWARD_RAISED):
                done.add(reading.activation)
                yield _handed_on(file, cls, tried)


def _handed_on(file: UserFile, cls: type, reading: Reading) -> Reading:
    """The reading for gradients of the logits, where a dense layer with softmax agrees with those and not otherwise."""
    if not isinstance(reading.activation, Softmax) or _score(file, cls, reading)[0] == (AGREES, 0):
        return reading
    handed = replace(reading, of_logits=True)
    return handed if _score(file, cls, handed)[0] == (AGREES, 0) else reading


def _surely_dense(name: str, cls: type) -> bool:
    """Whether a class whose output is no dense layer's was meant to be one all the same, and nothing more."""
    body = tree(cls)
    if body is not None and re.search("activ|nonlin|dropout|norm", ast.unparse(body).lower()):
        return False
    return bool(DENSE.search(name.lower()))


def _raises_itself(error: UserError | None) -> bool:
    """Whether what was raised looks like a mistake in the code, not like something that it lacks here."""
    cause = error.__cause__ if error is not None else None
    return isinstance(cause, ValueError | IndexError | NameError | ZeroDivisionError) and not isinstance(
        cause, NotImplementedError
    )


def _source_of(cls: type, name: str) -> str:
    body = tree(getattr(cls, name))
    return ast.unparse(body) if body is not None else ""


def _best(
    file: UserFile, cls: type, kind: Kind, forward: str, backward: str
) -> tuple[Score, Reading | None, UserError | None]:
    score, chosen, told = (9.0, 0.0), None, None
    hidden: UserError | None = None
    for reading in _readings(file, cls, kind, forward, backward):
        now, error = _score(file, cls, reading)
        if error is not None and re.search("no array is found|wants labels", str(error)):
            hidden = error
        if now < score and _admissible(file, cls, reading, chosen, score):
            score, chosen, told = now, reading, error
        if score == (AGREES, 0):
            break
    if chosen is not None and score[0] == AGREES and score[1]:
        meant = replace(chosen, spec=replace(chosen.spec, mean=True))
        # Where one gradient is a mean and the other a sum, the custom decides: with examples as columns, means.
        now = _score(file, cls, meant)[0] if chosen.spec.params else (RAISED, 0)
        if now < score or (now == score and chosen.spec.x.name == "columns"):
            score, chosen = now, meant
    if chosen is not None and score[0] == AGREES and score[1] and chosen.spec.x.single:
        sparse = replace(chosen, spec=replace(chosen.spec, sparse=True))
        if (now := _score(file, cls, sparse)[0]) == (AGREES, 0):
            score, chosen = now, sparse
    if chosen is not None and score[0] == AGREES and chosen.spec.params:
        score, chosen = _over_time(file, cls, score, chosen, _readings(file, cls, kind, forward, backward))
    if score[0] == RAISED and hidden is not None:
        return (
            (PUZZLED, 0.0),
            None,
            hidden,
        )  # it runs in another layout, and raises in this one because it is not its own
    return score, chosen, told


def _over_time(
    file: UserFile, cls: type, score: Score, chosen: Reading, readings: Iterator[Reading]
) -> tuple[Score, Reading]:
    """The reading with sequences as inputs, where only with those all gradients come back in the shapes of their parameters."""
    shown = _shown(file, cls, chosen)
    if len(shown) == len(chosen.spec.params) or chosen.spec.x in (MTN, STEPS):
        return score, chosen
    for reading in readings:
        if reading.spec.x in (MTN, STEPS) and len(_shown(file, cls, reading)) > len(shown):
            now = _score(file, cls, reading)[0]
            if now[0] == AGREES:
                return now, reading
    return score, chosen


def _shown(file: UserFile, cls: type, reading: Reading) -> set[str]:
    """Parameters whose gradients the code shows."""
    case = _cases(cls.__name__, reading)[0]
    np.random.seed(0)  # noqa: NPY002
    try:
        found = record(_model(file, cls, reading, case), case, plan(case)).tensors
    except UserError:
        return set()
    return {name for name in found if name.startswith("grad/") and not name.endswith(".input")}


def _admissible(file: UserFile, cls: type, reading: Reading, chosen: Reading | None, score: Score) -> bool:
    """A reading that sees less must not win because it sees less."""
    if chosen is None or score[0] > AGREES:
        return True
    if len(reading.spec.params) < len(chosen.spec.params) or len(reading.spec.buffers) < len(chosen.spec.buffers):
        return False
    # Its output tells which layer it is; that gradients agree with another one's proves nothing.
    if reading.arch != chosen.arch and not isinstance(chosen.variant.layer, BatchNorm):
        return False
    return not (reading.spec.x.single and not chosen.spec.x.single and _knows_batches(file, cls))


def _knows_batches(file: UserFile, cls: type) -> bool:
    """Whether the code shows that several examples come at once."""
    body = tree(cls)
    if body is not None and re.search(r"axis|keepdims|shape\[|\.mean\(|len\(|batch", ast.unparse(body)):
        return True
    return "batch" in source_text(file).lower()


def _readings(file: UserFile, cls: type, kind: Kind, forward: str, backward: str) -> Iterator[Reading]:
    known = (EXAMPLE, BATCH) if shaped(cls, (forward, backward)) else (EXAMPLE,)
    for variant, outside in itertools.product(kind.variants(_constants(cls)), known):
        params = variant.layer.parameter_shapes()
        buffers = {n: a.shape for n, a in variant.layer.initial_buffers().items()}
        for arguments_ in plans(cls, kind.roles, kind.optional):
            # A default of 0.9 is the share of the old average, one of 0.1 that of the new value.
            usual, meant = _default_momentum(cls, arguments_), variant.values.get("momentum")
            if usual is not None and meant is not None and (usual < 0.5) != (meant < 0.5):
                continue
            for activation, more in _activations(file, cls, kind, arguments_):
                for turns in _turns(params, arguments_):
                    for x, y in _layouts(kind, variant):
                        spec = Spec(
                            forward,
                            backward,
                            arguments_,
                            variant.values | more,
                            x,
                            y,
                            params,
                            buffers,
                            turns,
                            factor=variant.factor,
                            gates=variant.gates,
                            example=variant.shape,
                            result=variant.layer.output_shape(variant.shape),
                            outside=outside,
                        )
                        yield Reading(kind, variant, spec, activation)
    if buffers:
        yield from _readings_without_buffers(file, cls, kind, forward, backward)


def _readings_without_buffers(file: UserFile, cls: type, kind: Kind, forward: str, backward: str) -> Iterator[Reading]:
    for variant in kind.variants(_constants(cls)):
        for arguments_ in plans(cls, kind.roles, kind.optional):
            for x, y in _layouts(kind, variant):
                spec = Spec(
                    forward,
                    backward,
                    arguments_,
                    variant.values,
                    x,
                    y,
                    variant.layer.parameter_shapes(),
                    factor=variant.factor,
                    example=variant.shape,
                    result=variant.layer.output_shape(variant.shape),
                )
                yield Reading(kind, variant, spec)


def _layouts(kind: Kind, variant: Variant) -> list[tuple[Layout, Layout]]:
    """Those of the kind that fit the shapes of the variant."""
    sizes = 1 + len(variant.shape), 1 + len(variant.layer.output_shape(variant.shape))
    return [(x, y) for x, y in (*kind.batch, *kind.single) if (len(x.axes), len(y.axes)) == sizes]


def _turns(params: dict[str, tuple[int, ...]], arguments_: dict[str, str]) -> list[dict[str, int]]:
    """Which way round matrices are handed to the constructor, and kernels and square matrices lie."""
    turned = [
        n
        for n, shape in params.items()
        if (len(shape) == 2 and (n in arguments_.values() or shape[0] == shape[1])) or len(shape) == 4
    ]
    found: list[dict[str, int]] = [{}]
    for name in turned:
        found = [f | {name: turn} for turn in (0, 1) for f in found]
    return found


def _activations(
    file: UserFile, cls: type, kind: Kind, arguments_: dict[str, str]
) -> Iterator[tuple[Layer | None, dict[str, Any]]]:
    """The class's activation function, and what it is told of it."""
    asked = [p for p in arguments(cls) if plain(p.name) in ROLES["activation"] or plain(p.name) == "activation"]
    told = "activation" in arguments_.values()
    if kind.title not in ("dense layer", "convolution"):
        yield None, {}
        return
    if not told:
        yield None, {}
        if asked or kind.title == "dense layer":
            yield from ((act, {}) for act in ACTIVATIONS.values())
        return
    for name, act in ACTIVATIONS.items():
        for value, prime in _functions_called(file, name):
            yield act, {"activation": value, "activation_prime": prime}
    for value in ("linear", "identity", None, lambda z: z):
        yield None, {"activation": value, "activation_prime": lambda z: np.ones_like(z)}


ACTIVATIONS: dict[str, Layer] = {"sigmoid": Sigmoid(), "tanh": Tanh(), "relu": ReLU(), "softmax": Softmax()}


def _functions_called(file: UserFile, name: str) -> Iterator[tuple[Any, Any]]:
    """What a file may want as the activation of this name: its own function, object or class, or the name itself."""
    found: dict[str, Any] = {**file.functions(), **file.classes()}
    own = {plain(n): f for n, f in found.items()}
    primes = [
        own[n]
        for n in (f"{name}prime", f"{name}derivative", f"d{name}", f"{name}grad", f"{name}deriv", f"{name}gradient")
        if n in own
    ]
    if name in own:
        prime = primes[0] if primes else None
        if isinstance(own[name], type):
            with contextlib.suppress(UserError):
                yield file.call(own[name]), prime
        yield own[name], prime
    yield name, name
    yield name.upper(), None


def _constants(cls: type) -> tuple[float, ...]:
    """Numbers in the code of the class, defaults included."""
    body = tree(cls)
    found = (
        [n.value for n in ast.walk(body) if isinstance(n, ast.Constant) and isinstance(n.value, float)] if body else []
    )
    products = (
        [
            n
            for n in ast.walk(body)
            if isinstance(n, ast.BinOp) and isinstance(n.left, ast.Constant) and isinstance(n.right, ast.Constant)
        ]
        if body
        else []
    )
    for node in products:
        try:
            found.append(float(eval(compile(ast.Expression(node), "", "eval"), {})))  # a product of two numbers
        except (ArithmeticError, TypeError, ValueError):
            continue
    return tuple(dict.fromkeys(found))


def _score(file: UserFile, cls: type, reading: Reading) -> tuple[Score, UserError | None]:
    """How far a reading is from agreeing, and what was raised."""
    wrong, state, told = 0, AGREES, None
    for case in _cases(cls.__name__, reading)[:2]:
        drawn = plan(case)
        expected = record(ScratchModel(case.architecture, None, "float64"), case, drawn).tensors
        last = f"forward/{case.architecture.layers[-1][0]}"
        np.random.seed(0)  # noqa: NPY002  (what the user's code draws itself)
        try:
            found = dict(record(_model(file, cls, reading, case), case, drawn).tensors)
        except Failed as error:
            found, told = {last: error.output}, error
            state = max(state, BACKWARD_RAISED)
        except Puzzled as error:
            return (PUZZLED, 0), error
        except UserError as error:
            return (PUZZLED if refuses(error) else RAISED, 0), error
        if last in found and not _agree(found[last], expected[last]):
            state = max(state, DISAGREES)
        wrong += sum(not _agree(a, expected[name]) for name, a in found.items() if name in expected)
    return (state, wrong), told


def _agree(a: Array, b: Array) -> bool:
    near = NEAR if a.dtype != np.float32 else 1e-4
    return a.shape == b.shape and bool(
        np.allclose(a, b, rtol=0, atol=near * (np.abs(b).max(initial=0.0) or 1.0), equal_nan=True)
    )


def _cases(name: str, reading: Reading) -> list[Case]:
    kind, single = reading.kind, reading.spec.x.single
    sizes = (1, 1) if single else kind.sizes
    if reading.spec.x.steps:
        sizes = (6, 1)  # two sequences
    if reading.activation:
        sizes = sizes[::-1]  # one example tells where a mistake is
    cases = []
    for regime in kind.regimes:
        for i, m in enumerate(sizes):
            what = f"example{i + 1}" if single else f"batch{m}"
            what += _text(reading.variant.layer) + (
                f"-{type(reading.activation).__name__.lower()}" if reading.activation else ""
            )
            cases.append(Case(f"check/{name}/{what}-{regime}", reading.arch, (m,), reading.variant.shape, regime))
    if reading.evaluated:
        cases.append(Case(f"check/{name}/evaluation", reading.arch, sizes[:1], reading.variant.shape, training=False))
    return cases


def _text(layer: Layer) -> str:
    """What tells variants apart in a case's name."""
    if isinstance(layer, Sigmoid | Tanh | ReLU):
        return f"-{type(layer).__name__.lower()}"
    return "".join(f"-{n}{getattr(layer, n)}" for n in ("stride", "padding") if hasattr(layer, n)).replace(" ", "")


def _described(file: UserFile, name: str, unit: str, reading: Reading) -> Unit:
    told = [SPOKEN[reading.spec.x.name]] if reading.spec.x.name in SPOKEN else []
    if len(reading.variant.shape) == 3:
        told.append(f"images have shape {reading.spec.x.name}")
    if reading.spec.x in (MTN, STEPS) and isinstance(reading.variant.layer, Dense | LayerNorm):
        told.append(f"inputs are sequences of shape {reading.spec.x.name}")
    if reading.spec.mean:
        told.append(MEANS)
    softmax = isinstance(reading.variant.layer, Softmax) and _hands_on(file, file.classes()[name], reading)
    if softmax or reading.of_logits:
        told.append(HANDED_ON)
    if reading.spec.sparse:
        told.append(SPARSE)
    if reading.variant.told and not (reading.kind.title == "activation layer" and not reading.spec.arguments):
        told.append(reading.variant.told)
    title = reading.kind.title + (f" with {type(reading.activation).__name__.lower()}" if reading.activation else "")
    cases = tuple(case for r in (reading, *reading.more) for case in _cases(name, r))
    return Unit(unit, LayerObjects.name, title, file.own[name], (name,), cases, {}, tuple(told))


def _model(file: UserFile, cls: type, reading: Reading, case: Case) -> Model:
    if reading.activation is None:
        return LayerModel(
            case,
            lambda params, buffers, x, dy, training, mask: _ran(
                file, cls, reading, params, buffers, x, dy, training, mask
            ),
        )
    (dense, _), (activation, _) = case.architecture.layers

    def run(params: Any, x: Array, target: Any, dy: Array, training: bool, masks: Any) -> Pass:
        if reading.of_logits:
            kept = Softmax().forward(x @ params[dense]["W"] + params[dense].get("b", 0), LayerState())[1]
            dy = Softmax().backward(dy, LayerState(), kept)[0]
        ran = _ran(file, cls, reading, params[dense], {}, x, dy, training, None)
        grads: dict[str, Array] = {}
        if ran.input_grad is not None:
            grads[dense] = ran.input_grad
        between = _between(x, ran.grads)
        if between is not None:
            grads[activation] = between
        outputs = {} if ran.output is None else {activation: ran.output}
        return Pass(outputs, None, {dense: ran.grads}, grads, dy)

    return PassModel(case, run)


def _between(x: Array, grads: dict[str, Array]) -> Array | None:
    """Gradient of a dense layer's output, from those of its parameters: of one example the bias's is just that."""
    db, dW = grads.get("b"), grads.get("W")
    if len(x) != 1 or x.ndim != 2 or db is None or dW is None or db.ndim != 1 or dW.shape != (x.shape[1], db.size):
        return None
    return db[np.newaxis] if _agree(np.outer(x[0], db), dW) else None


def _ran(
    file: UserFile,
    cls: type,
    reading: Reading,
    params: dict[str, Array],
    buffers: dict[str, Array],
    x: Array,
    dy: Array,
    training: bool,
    mask: Array | None,
) -> Ran:
    spec = reading.spec
    if spec.sparse:
        return _summed(file, cls, reading, params, buffers, x, dy, training)
    driven = Driven(file, cls, spec, params, {n: buffers[n] for n in spec.buffers if n in buffers}, len(x))
    if isinstance(reading.variant.layer, Dropout):
        return _dropped(driven, reading, x, dy, training, mask)
    driven.load(x)
    y = spec.y.back(driven.forward(x, training))
    if not training:
        return Ran(y)  # few go back in evaluation
    try:
        dx, grads = driven.backward(dy, x)
    except Puzzled:
        raise
    except UserError as error:
        raise Failed(error, y) from error.__cause__
    if isinstance(reading.variant.layer, Softmax) and dx is not None and np.array_equal(dx, dy):
        dx = None  # see HANDED_ON
    return Ran(y, dx, grads, driven.moved_buffers())


def _summed(
    file: UserFile,
    cls: type,
    reading: Reading,
    params: dict[str, Array],
    buffers: dict[str, Array],
    x: Array,
    dy: Array,
    training: bool,
) -> Ran:
    """The backward pass for each element of the upstream gradient alone; it is linear, so the gradients add up."""
    whole = replace(reading, spec=replace(reading.spec, sparse=False))
    total: Ran | None = None
    for place in np.ndindex(dy.shape):
        alone = np.zeros_like(dy)
        alone[place] = dy[place]
        ran = _ran(file, cls, whole, params, buffers, x, alone, training, None)
        if total is None:
            total = ran
            continue
        total.input_grad = (
            None if ran.input_grad is None or total.input_grad is None else total.input_grad + ran.input_grad
        )
        total.grads = {n: total.grads[n] + g for n, g in ran.grads.items() if n in total.grads}
    assert total is not None
    return total


def _dropped(driven: Driven, reading: Reading, x: Array, dy: Array, training: bool, mask: Array | None) -> Ran:
    """A dropout layer's output with the planned mask, whichever side of its threshold it keeps."""
    assert isinstance(reading.variant.layer, Dropout)
    if mask is None:
        return Ran(driven.spec.y.back(driven.forward(x, training)) * reading.spec.factor)
    seen: list[tuple[int, Array, Array | None]] = []
    for low in (True, False):
        with planned_draws([driven.spec.x.there(mask)], reading.variant.layer.keep_prob, low):
            y = driven.spec.y.back(driven.forward(x, training))
        dx, _ = driven.backward(dy, x)
        seen.append((int(((y != 0) != mask).sum()) if y.shape == mask.shape else y.size, y, dx))
    _, y, dx = min(seen, key=lambda s: s[0])
    return Ran(y * reading.spec.factor, None if dx is None else dx * reading.spec.factor)
