"""The course's whole network as functions of a dictionary of parameters: forward, cost, backward.

`L_model_forward(X, parameters)` and `L_model_backward(AL, Y, caches)`; `forward_propagation(X, parameters)` and
`backward_propagation(parameters, cache, X, Y)`; the three layers with L2 or dropout; and learners' relatives of these. What the
functions do not return is read off their local variables.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, bound, parameters, plain, returned, strings, tree
from comparisons.check.drawing import planned_draws
from comparisons.check.models import PassModel
from comparisons.check.recipes import Free, Recipe
from comparisons.check.source import syntax
from comparisons.check.styles.guards import GUARDS, unguarded
from comparisons.check.styles.loss_scales import averages_costs
from comparisons.check.styles.pair_layers import COLUMNS, LAYOUTS
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.check.watching import Frame, watched
from comparisons.trace import Model
from scratch import (
    L2,
    Architecture,
    BinaryCrossEntropy,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Pass,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    architecture,
)
from scratch.course_practice import forward_propagation_n

Array = np.ndarray
FORWARD = re.compile(r"(lmodelforward|forwardpropagation|forwardprop|forwardpass|forwardpropagate|forward|feedforward|modelforward|nnforward|forwardmodel|deepforward|llayerforward|propagateforward|forwardprog)(propagation|prop|n|nn|model|deep|2layer|llayer|withdropout|dropout|withl2|)")  # fmt: skip
BACKWARD = re.compile(r"(lmodelbackward|backwardpropagation|backwardprop|backwardpass|backwardpropagate|backpropagation|backpropagate|backprop|backward|modelbackward|nnbackward|backwardmodel|deepbackward|llayerbackward|propagatebackward)(propagation|prop|n|nn|model|deep|2layer|llayer|withregularization|withregularisation|withl2|withdropout|dropout|regularization|withreg|)")  # fmt: skip
COST = re.compile(r"(compute|calculate|calc|get)?(multiclass|binary|total|nn)?(cost|loss|crossentropy|crossentropycost|crossentropyloss|costfunction)(function|withregularization|withregularisation|withl2|withreg|regularization)?")  # fmt: skip
SQUASHING = re.compile(r"\w*(softmax|sigmoid)", re.IGNORECASE)
LAMBDA, KEEP = 0.7, 0.8
ALIASES: Aliases = {
    "X": ("x", "a0", "inputs", "input", "xtrain", "data", "trainx"),
    "Y": ("y", "labels", "target", "targets", "ytrain", "t", "trainy", "ytrue"),
    "AL": (
        "al",
        "a2",
        "a3",
        "a",
        "yhat",
        "aout",
        "ypred",
        "output",
        "out",
        "probs",
        "predictions",
        "aoutput",
        "af",
        "alast",
    ),
    "parameters": ("parameters", "params", "weights", "param", "theta", "p"),
    "cache": ("cache", "caches", "memory", "forwardcache", "activations"),
    "lambd": ("lambd", "lambda", "lam", "lmd", "lmbda", "reg", "lbd", "l2", "regparam", "regularization", "lambtha"),
    "keep_prob": ("keepprob", "keep", "keepprobs", "kp", "p"),
    "m": ("m", "n", "numexamples", "batchsize", "mbatch", "nsamples", "numsamples", "batchm"),
    "L": ("l", "nlayers", "numlayers", "layers"),
    "dims": ("layersdims", "layerdims", "dims", "layersizes", "layerssizes"),
}
HIDDEN: tuple[Layer, ...] = (ReLU(), Tanh(), Sigmoid(), LeakyReLU(0.01), LeakyReLU(0.1), LeakyReLU(0.2))


@dataclass(frozen=True)
class Functions:
    """Names of the functions of one network; empty where there is none."""

    forward: str
    backward: str
    cost: str
    kind: str = ""
    """What they do beside: `dropout`, `regularised`."""
    squashed: str = ""
    """What callers apply to the forward function's result before they hand it on: `z, h = forward(...)`, `yhat = softmax(z)`."""

    @property
    def members(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(n for n in (self.forward, self.backward, self.cost) if n)


def course_networks() -> Recipe:
    """Whole networks of functions."""
    return Recipe(_find, _model, (_scales, _guards))


def _find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
    for found in _sets(free):
        functions = replace(found, squashed=_squashed(file, found.forward))
        candidates = list(_readings(file, functions))
        if candidates:
            yield candidates


def _sets(free: Free) -> Iterator[Functions]:
    """Forward and backward functions that belong together, by their endings (`_with_dropout`)."""
    forwards = {n: f for n, f in free.items() if FORWARD.fullmatch(plain(n)) and _takes_parameters(f)}
    backwards = {n: f for n, f in free.items() if BACKWARD.fullmatch(plain(n)) and len(parameters(f)) >= 2}
    costs = [n for n, f in free.items() if COST.fullmatch(plain(n)) and len(parameters(f)) >= 2]
    for name in backwards:
        kind = _kind(name) or ("regularised" if _takes_lambda(backwards[name]) else "")
        if any(plain(p.name) in ("da", "dz", "dout") for p in parameters(backwards[name])):
            continue  # one layer's
        beside = plain(name).replace("backward", "forward")
        forward = next((n for n in forwards if plain(n) == beside), None)
        forward = forward or next((n for n in forwards if _kind(n) == kind), None)
        if forward is None and kind != "dropout":
            # One with dropout that has a share to keep by default is the usual one, too.
            forward = next((n for n in forwards if _kind(n) == "" or _keeps_all(forwards[n])), "")
        cost = next((n for n in costs if _kind(n) == kind), next((n for n in costs if not _kind(n)), ""))
        if not kind and cost and _takes_lambda(free[cost]) and not any(map(_takes_lambda, backwards.values())):
            kind = "regularised"  # forgotten in the gradient
        if kind == "regularised" and cost and not _takes_lambda(free[cost]):
            cost = ""
        if forward or kind == "regularised" or plain(name) == "backwardpropagationn":
            # The one for gradient checking returns the cost itself.
            takes = [plain(p.name) for p in parameters(forwards[forward])] if forward else []
            found = Functions(forward or "", name, "" if set(takes) & set(ALIASES["Y"]) else cost, kind)
            yield found
            if kind != "dropout" and forward and all(map(_takes_share, (forwards[forward], backwards[name]))):
                yield replace(found, cost="", kind="dropout")  # the same functions, with their dropout switched on


def _squashed(file: UserFile, forward: str) -> str:
    """The softmax or sigmoid that is applied to what a forward function returns, where it is called."""
    for scope in ast.walk(syntax(file)):
        if not isinstance(scope, ast.FunctionDef | ast.Module):
            continue
        firsts = set()
        for node in ast.walk(scope):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            target, name = node.targets[0], ast.unparse(node.value.func)
            if name == forward:
                firsts.add(ast.unparse(target.elts[0] if isinstance(target, ast.Tuple) else target))
            elif SQUASHING.fullmatch(name) and {ast.unparse(a) for a in node.value.args} & firsts:
                return name if callable(file.namespace.get(name)) else ""
    return ""


def _kind(name: str) -> str:
    if "dropout" in plain(name):
        return "dropout"
    return "regularised" if re.search(r"regulari[sz]ation|withl2|withreg", plain(name)) else ""


def _takes_share(f: Callable[..., Any]) -> bool:
    """Whether a function is told the share of units that dropout keeps."""
    return any(plain(p.name) in ALIASES["keep_prob"] and p.name != "p" for p in parameters(f))


def _keeps_all(f: Callable[..., Any]) -> bool:
    """Whether dropout is an option that is off by default."""
    return any(plain(p.name) in ALIASES["keep_prob"] and p.default in (1, 1.0, None) for p in parameters(f))


def _takes_lambda(f: Callable[..., Any]) -> bool:
    return any(plain(p.name) in ALIASES["lambd"] for p in parameters(f))


def _takes_parameters(f: Callable[..., Any]) -> bool:
    names = {p.name: plain(p.name) for p in parameters(f)}
    held = {n for n, told in names.items() if told in ALIASES["parameters"]}
    return (bool(held) and not any(map(_foreign, _keys(f, held)))) or {"w1", "w2"} <= set(names.values())


def _keys(f: Callable[..., Any], held: set[str]) -> Iterator[str]:
    """Names under which a function looks into the arguments `held`."""
    for node in ast.walk(tree(f) or ast.Module([], [])):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))) if name in held:
                yield key


def _foreign(key: str) -> bool:
    """Whether a key is none of the course's: a transformer's `Wq`, an embedding's `E`."""
    return not re.fullmatch(r"(W|b|w|B|gamma|beta|v|s|Z|A)_?(\d+)?", key)


def _depth(file: UserFile, functions: Functions) -> tuple[int, str]:
    """Number of layers that the code is written for (3 if any), and how it spells W."""
    texts: set[str] = set()
    for name in (functions.forward, functions.backward):
        texts |= strings(file.namespace.get(name))
    numbered = [int(n) for t in texts for n in re.findall(r"^[dD]?[wW](\d)$", t)]
    spelled = (
        "w"
        if any(re.fullmatch(r"w\d?", t) for t in texts) and not any(re.fullmatch(r"W\d?", t) for t in texts)
        else "W"
    )
    return (max(numbered), spelled) if numbered and not {"W", "w"} & texts else (3, spelled)


USUAL = {
    "layout": "columns",
    "hidden": HIDDEN[0],
    "output": "sigmoid",
    "total": "",
    "mean": True,
    "low": True,
    "guard": 0.0,
    "decay": "lambda/(2m)",
}
"""How the course has it."""
DECAYS = ("lambda/(2m)", "lambda/m", "lambda/2", "lambda")
"""What the sum of the squared weights is multiplied by in the cost."""


def _readings(file: UserFile, functions: Functions) -> Iterator[Unit]:
    if not functions.forward:
        # The assignment brings the forward pass of its three layers.
        yield _unit(file, functions, USUAL | {"depth": 3, "spelled": "W"})
        return
    depth, spelled = _depth(file, functions)
    first = USUAL | {"depth": depth, "spelled": spelled}
    dropout = functions.kind == "dropout"
    for layout in ("columns", "rows, b (1, n)", "columns, W (in, out)", "rows, W (out, in), b (1, n)"):
        for output in ("sigmoid", "softmax", "identity"):
            for hidden in HIDDEN if depth > 1 else HIDDEN[:1]:
                for low in (True, False) if dropout else (True,):
                    yield _unit(
                        file, functions, first | {"layout": layout, "output": output, "hidden": hidden, "low": low}
                    )


def _scales(file: UserFile, unit: Unit) -> list[Unit]:
    """Other places of the 1/m."""
    # Without a cost there is nothing that a penalty could be told by.
    decays = (
        DECAYS if unit.options["functions"].kind == "regularised" and unit.options["functions"].cost else DECAYS[:1]
    )
    totals = ["", "cost and gradients"]
    if unit.options["functions"].cost and averages_costs(file):
        totals.append("cost")
    choices = itertools.product(totals, (True, False), decays)
    return [_other(file, unit, total=total, mean=mean, decay=decay) for total, mean, decay in choices]


def _guards(file: UserFile, unit: Unit) -> list[Unit]:
    """Small numbers inside the logarithms."""
    return (
        [_other(file, unit, guard=g) for g in GUARDS[1:]]
        if unit.options["functions"].cost or _takes_labels(file, unit)
        else []
    )


def _by_the_book(file: UserFile, functions: Functions) -> bool:
    """Whether parameters come in a dictionary and the cache goes from one function to the other, as in the course."""
    if not functions.forward:
        return True
    forward, backward = (file.namespace[n] for n in (functions.forward, functions.backward))
    takes = {plain(p.name) for p in parameters(forward)}, {plain(p.name) for p in parameters(backward)}
    return bool(takes[0] & {"parameters", "params"}) and bool(takes[1] & {"cache", "caches"})


def _takes_labels(file: UserFile, unit: Unit) -> bool:
    forward = file.namespace.get(unit.options["functions"].forward)
    return forward is not None and any(plain(p.name) in ALIASES["Y"] for p in parameters(forward))


def _other(file: UserFile, unit: Unit, **choice: Any) -> Unit:
    known = {k: v for k, v in unit.options.items() if k not in ("functions", "recipe")}
    return _unit(file, unit.options["functions"], known | choice)


def _unit(file: UserFile, functions: Functions, choice: dict[str, Any]) -> Unit:
    kind, depth, hidden, output = functions.kind, choice["depth"], choice["hidden"], choice["output"]
    own, decay = functions.backward, choice["decay"]
    optional = kind == "dropout" and not _kind(own)
    name = f"{own} with dropout" if optional else own
    cases = []
    for m in (6, 4):
        # scratch's penalty is lambda/(2m).
        below = decay.removeprefix("lambda")
        times = (2 if "2" not in below else 1) * (1 if "m" in below else m)
        regulariser = L2(LAMBDA * times) if kind == "regularised" else None
        arch = _architecture(depth, hidden, output, kind == "dropout", regulariser)
        cases.append(Case(f"check/{name}/batch{m}", arch, (m,), (5,)))
    told = [COLUMNS if LAYOUTS[choice["layout"]].columns else "examples are rows"]
    told += ["cost and gradients are sums over the examples"] if choice["total"] == "cost and gradients" else []
    told += ["the cost is a sum over the examples, gradients are means"] if choice["total"] == "cost" else []
    told += [] if choice["mean"] else ["dZ carries the 1/m"]
    told += [] if decay == USUAL["decay"] else [f"the penalty is {decay} sum W^2"]
    if choice["guard"]:
        told.append(f"{choice['guard']:g} inside the logarithms guards them: its effect on the cost is taken out")
    title = f"network of {depth} layer{'s' if depth > 1 else ''}, "
    title += f"{type(hidden).__name__} and {output}" if depth > 1 else output
    title += {"": "", "dropout": ", dropout", "regularised": ", L2"}[kind]
    options = choice | {"functions": functions}
    options["names"] = Chain(arch).names()
    options["tentative"] = "" if _by_the_book(file, functions) and not optional else "agrees"
    return Unit(name, "", title, file.own[own], functions.members, tuple(cases), options, tuple(told))


def _architecture(depth: int, hidden: Layer, output: str, dropout: bool, regulariser: L2 | None) -> Architecture:
    sizes = (*(5, 4, 3, 4, 3, 4)[:depth], 1 if output == "sigmoid" else 3)
    layers: list[Layer] = []
    for i, (n, n_next) in enumerate(itertools.pairwise(sizes), start=1):
        layers.append(Dense(n, n_next))
        if i < depth:
            layers += [hidden, Dropout(KEEP)] if dropout else [hidden]
    if output == "sigmoid":
        return architecture(*layers, Sigmoid(), loss=BinaryCrossEntropy(), regulariser=regulariser)
    loss = SoftmaxCrossEntropy() if output == "softmax" else MeanSquaredError()
    return architecture(*layers, loss=loss, regulariser=regulariser)


@dataclass(frozen=True)
class Chain:
    """Names of an architecture's layers, by their number in the course."""

    arch: Architecture

    @property
    def dense(self) -> list[str]:
        """Dense layers in order."""
        return [n for n, layer in self.arch.layers if isinstance(layer, Dense)]

    def after(self, l: int) -> list[str]:  # noqa: E741  (the course's letter)
        """What stands between the l-th dense layer and the next."""
        names = [n for n, _ in self.arch.layers]
        start = names.index(self.dense[l - 1]) + 1
        end = names.index(self.dense[l]) if l < len(self.dense) else len(names)
        return names[start:end]

    def names(self) -> dict[str, str]:
        """What a report calls tensors: W1, Z1, A1."""
        found: dict[str, str] = {}
        for l, dense in enumerate(self.dense, start=1):  # noqa: E741
            found |= {f"{dense}.{p}": f"{p}{l}" for p in "Wb"}
            found |= {f"forward/{dense}": f"Z{l}", f"{dense}.input": f"A{l - 1}" if l > 1 else "X"}
            after = self.after(l)
            if after:
                found |= {f"{after[0]}.input": f"Z{l}", f"forward/{after[-1]}": f"A{l}"}
            if len(after) > 1:
                found |= {f"forward/{after[0]}": f"A{l} before dropout", f"{after[1]}.input": f"A{l} before dropout"}
        return found

    def outputs(self, seen: dict[str, Array]) -> dict[str, Array]:
        """Outputs of layers, from Z1, A1, ..., in order."""
        found = {}
        for l, dense in enumerate(self.dense, start=1):  # noqa: E741
            if f"z{l}" in seen:
                found[dense] = seen[f"z{l}"]
            if self.after(l) and f"a{l}" in seen:
                found[self.after(l)[-1]] = seen[f"a{l}"]
        return found

    def input_grads(self, seen: dict[str, Array]) -> dict[str, Array]:
        """Gradients of layers' inputs, from dZ1, dA1, ..."""
        found = {}
        for l in range(1, len(self.dense) + 1):  # noqa: E741
            if self.after(l) and f"dz{l}" in seen:
                found[self.after(l)[0]] = seen[f"dz{l}"]
            # dA after its mask is the gradient of what dropout was given.
            if l < len(self.dense) and f"da{l}" in seen:
                found[self.after(l)[-1] if len(self.after(l)) > 1 else self.dense[l]] = seen[f"da{l}"]
        if "da0" in seen:
            found[self.dense[0]] = seen["da0"]
        return found


def _model(file: UserFile, unit: Unit, case: Case) -> Model:
    return Network(file, unit, case)


class Network(PassModel):
    """The functions behind the common door."""

    def __init__(self, file: UserFile, unit: Unit, case: Case) -> None:
        super().__init__(case, self._pass)
        self.file, self.options = file, unit.options
        self.functions = unit.options["functions"]
        self._own_cost: Array | None = None
        self.layout, self.chain = LAYOUTS[unit.options["layout"]], Chain(case.architecture)

    def _parameters(self) -> dict[str, Array]:
        letter = self.options["spelled"]
        found = {}
        for l, dense in enumerate(self.chain.dense, start=1):  # noqa: E741
            found[f"{letter}{l}"] = self.layout.w(self.params[dense]["W"])
            found[f"b{l}"] = self.layout.b(self.params[dense]["b"]).copy()
        return found

    def evaluate(self, x: Array) -> dict[str, Array]:
        """The network's predictions, where the forward function has no dropout to switch off."""
        if not self.functions.forward or self.functions.kind == "dropout":
            return {}
        y = np.zeros((len(x), self.params[self.chain.dense[-1]]["W"].shape[1]))
        AL, _, frames = self._forward(self.layout.x(x), self.layout.x(y), {})
        z = self._seen(frames, backwards=False).get(f"z{self.options['depth']}")
        if not self._identity and AL is not None and z is not None and np.array_equal(AL, z):
            return {}  # scores, whose softmax the cost takes
        return {} if AL is None else {"predictions": self.layout.x(AL)}

    def _forward(self, X: Array, Y: Array, masks: dict[str, Array]) -> tuple[Array | None, Any, list[Frame]]:
        """The last activation, the cache, and what was seen on the way."""
        roles = self._roles(X, Y)
        f = self.file.namespace[self.functions.forward]
        drawing = nullcontext()
        if masks:
            drawing = planned_draws([self.layout.x(m) for m in masks.values()], KEEP, self.options["low"])  # type: ignore[assignment]
        with watched(self.file.path) as frames, drawing:
            result = self.file.call(f, **bound(f, roles, ALIASES))
        AL, cache = self._parts(result, Y)
        if AL is not None and self.functions.squashed:
            squash = self.functions.squashed
            AL = array(self.file.call(self.file.namespace[squash], AL.copy()), squash)
        return AL, cache, frames

    def _parts(self, result: Any, Y: Array) -> tuple[Array | None, Any]:
        """The last activation, if a forward function returns it first or alone, and the cache."""
        if isinstance(result, tuple | list) and len(result) >= 2:
            first = np.asarray(result[0]) if not isinstance(result[0], dict) else None
            cache = result[-1] if len(result) == 2 else tuple(result[1:])
            alone = first is None or first.size != Y.size
            if first is not None and first.size == 1:
                self._own_cost = first
            return (None if alone else array(first, self.functions.forward)), cache
        return (None if isinstance(result, dict) else array(result, self.functions.forward)), result

    def _roles(self, X: Array, Y: Array) -> dict[str, Any]:
        own = self._parameters()
        sizes = [X.shape[0 if self.layout.columns else 1], *(a.size for n, a in own.items() if n.startswith("b"))]
        keep = KEEP if self.functions.kind == "dropout" else 1.0
        strength = LAMBDA if self.functions.kind == "regularised" else 0.0
        extra = {
            "lambd": strength,
            "keep_prob": keep,
            "m": len(self._last_x),
            "L": self.options["depth"],
            "dims": sizes,
        }
        return {"X": X, "parameters": own, "Y": Y} | own | extra

    def _pass(
        self, params: Any, x: Array, target: Array, upstream: Any, training: bool, masks: dict[str, Array]
    ) -> Pass:
        self._last_x = x
        self._own_cost = None
        X, Y, m = self.layout.x(x), self.layout.x(target), len(x)
        if self.functions.forward:
            AL, cache, frames = self._forward(X, Y, masks)
        else:
            _, cache = forward_propagation_n(X, Y, self._parameters())
            AL, frames = cache[9], []
        seen = self._seen(frames, backwards=False) | _of_cache(cache)
        if AL is None:
            AL = seen.get(f"a{self.options['depth']}", cache.get("AL") if isinstance(cache, dict) else None)
        last = self.chain.after(self.options["depth"])
        outputs = {n: self._rows(a) for n, a in self.chain.outputs(seen).items()}
        if AL is not None and (last or self._identity):
            outputs[last[-1] if last else self.chain.dense[-1]] = self._rows(np.asarray(AL))
        loss = self._cost(AL, Y, m)
        if loss is None and self._own_cost is not None:
            total = m if self.options["total"] else 1
            loss = np.asarray(array(self._own_cost, self.functions.forward)).reshape(()) / total
            if AL is not None:
                loss = unguarded(loss, self.options["guard"], self.architecture.loss, self._rows(AL), target)
            loss = np.asarray(loss)
        grads, inputs = self._backward(X, Y, AL, cache, m)
        return Pass(outputs, loss, grads, inputs, None)  # type: ignore[arg-type]  # dA of the loss is not asked for

    @property
    def _identity(self) -> bool:
        return isinstance(self.architecture.loss, MeanSquaredError)

    def _rows(self, a: Array) -> Array:
        return np.ascontiguousarray(self.layout.x(a))

    def _cost(self, AL: Array | None, Y: Array, m: int) -> Array | None:
        if not self.functions.cost or AL is None:
            return None
        f = self.file.namespace[self.functions.cost]
        own = self._parameters()
        roles = {"AL": AL.copy(), "Y": Y.copy(), "parameters": own, "lambd": LAMBDA, "m": m}
        J = np.asarray(array(self.file.call(f, **bound(f, roles, ALIASES)), f"{self.functions.cost}: the cost"))
        if J.size != 1:
            raise UserError(f"{self.functions.cost} returns a cost of shape {J.shape}, not a number")
        if self._identity and not np.isfinite(J).all():
            return None  # a logarithm of scores: it is no cost of what the forward function returns
        J = J.reshape(()) / (m if self.options["total"] else 1)
        return np.asarray(unguarded(J, self.options["guard"], self.architecture.loss, self._rows(AL), self._rows(Y)))

    def _backward(
        self, X: Array, Y: Array, AL: Array | None, cache: Any, m: int
    ) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:  # fmt: skip
        f = self.file.namespace[self.functions.backward]
        # The number of examples may be a global name, which the training sets.
        wanted = [n for n in f.__code__.co_names if plain(n) in ALIASES["m"] and n not in self.file.own]
        self.file.namespace |= dict.fromkeys(wanted, m)
        roles = {"AL": AL, "Y": Y.copy(), "cache": cache} | self._roles(X, Y)
        if isinstance(cache, dict):
            roles |= {n: a for n, a in cache.items() if n not in roles}
        with watched(self.file.path) as frames:
            result = self.file.call(f, **bound(f, roles, ALIASES))
        summed = self.options["total"] == "cost and gradients"
        total = m if summed else 1
        grads = self._grads(f, result, total)
        scale = total * (m if self.options["mean"] else 1)
        if summed:
            scale = m
        seen = self._seen(frames, backwards=True)
        return grads, {n: self._rows(a) / scale for n, a in self.chain.input_grads(seen).items()}

    def _grads(self, f: Any, result: Any, total: int) -> dict[str, dict[str, Array]]:
        named = result if isinstance(result, dict) else None
        if named is None and isinstance(result, tuple | list):
            dicts = [r for r in result if isinstance(r, dict)]
            if dicts:
                named = dicts[0]
            else:
                names = returned(f)
                fits = len(names) == len(result)
                named = dict(zip(names, result, strict=True)) if fits else _in_order(result, self.options["depth"])
        if not isinstance(named, dict):
            raise UserError(f"{self.functions.backward} returns no gradients by name")
        by_name = {plain(str(n)): a for n, a in named.items()}
        found: dict[str, dict[str, Array]] = {}
        for l, dense in enumerate(self.chain.dense, start=1):  # noqa: E741
            own = found.setdefault(dense, {})
            for p, given in (("W", self.params[dense]["W"]), ("b", self.params[dense]["b"])):
                name = next(
                    (
                        n
                        for n in (f"d{p.lower()}{l}", f"gradw{l}" if p == "W" else f"gradb{l}", f"{p.lower()}{l}")
                        if n in by_name
                    ),
                    "",
                )
                if name:
                    g = array(by_name[name], f"{self.functions.backward}: d{p}{l}") / total
                    own[p] = self.layout.w(g) if p == "W" and g.ndim == 2 else self.layout.vector(g, given.shape)
        if not any(found.values()):
            raise UserError(f"{self.functions.backward} returns no dW1, db1, ...")
        return found

    def _seen(self, frames: list[Frame], backwards: bool) -> dict[str, Array]:
        """Arrays by plain name and number of the layer, from numbered names or from calls made once for each layer."""
        depth = self.options["depth"]
        found: dict[str, Array] = {}
        calls: dict[str, list[dict[str, Array]]] = {}
        for frame in frames:
            own = {plain(n): a for n, a in frame.arrays.items()}
            found |= {n: a for n, a in own.items() if re.fullmatch(r"d?[za]\d", n) and a.ndim == 2}
            if backwards and "dx" in own and "dz1" in own:
                found["da0"] = own["dx"]
            calls.setdefault(frame.function, []).append(own)
        for made in calls.values():
            if len(made) != depth:
                continue
            for i, own in enumerate(made):
                l = depth - i if backwards else i + 1  # noqa: E741
                names = {"dz": f"dz{l}", "daprev": f"da{l - 1}"} if backwards else {"z": f"z{l}", "a": f"a{l}"}
                for n, key in names.items():
                    if n in own and own[n].ndim == 2:
                        found.setdefault(key, own[n])
        return found


def _of_cache(cache: Any) -> dict[str, Array]:
    """Z1, A1, ... of a cache that is a dictionary."""
    if not isinstance(cache, dict):
        return {}
    named = {plain(str(n)): a for n, a in cache.items() if isinstance(a, np.ndarray)}
    return {n: a for n, a in named.items() if re.fullmatch(r"[za]\d", n) and a.ndim == 2}


def _in_order(result: Sequence[Any], depth: int) -> dict[str, Any]:
    names = [f"d{p}{l}" for l in range(1, depth + 1) for p in "wb"]  # noqa: E741
    return dict(zip(names, result, strict=False)) if len(result) == len(names) else {}
