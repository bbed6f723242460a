"""Activation functions and their derivatives as plain functions, methods, or small classes.

A derivative may be a function of z or of a = f(z): `1 - np.tanh(x)**2` or `1 - x**2`. Which one it is shows when it is called; which
one it is taken for shows where the file calls it. If these two differ, the file is wrong.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import array, parameters, plain
from comparisons.check.homes import Home, homes, line, resolve, source_tree
from comparisons.check.layouts import COLUMN, COLUMNS, ROWS, VECTOR, Layout
from comparisons.check.models import LayerModel, Ran
from comparisons.check.styles.layer_kinds import OTHER_CURVE
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import Layer, LayerState, LeakyReLU, ReLU, Sigmoid, Softmax, Tanh, architecture

Array = np.ndarray

ALIASES: dict[str, tuple[str, ...]] = {
    "sigmoid": ("sigmoid", "sigm", "logistic", "sigma", "logsig", "nonlin", "expit", "sigmoidfunction", "sigmoidactivation", "logisticfunction",
                "sig", "sigmoidfunc", "sigmoidfn", "sigmoidal", "logisticsigmoid", "activationfunction", "activation", "nonlinear", "act",
                "activate", "sgm", "s", "sigmoidunit"),
    "tanh": ("tanh", "hyperbolictangent", "tanhactivation", "tanhfunction", "tanhfunc", "hyperbolictan", "tanhyp", "activation", "activationfunction",
             "nonlin", "act"),
    "relu": ("relu", "rectifier", "reluactivation", "relufunction", "rectifiedlinear", "relufunc", "rectified", "rectifiedlinearunit", "rel",
             "activation", "activationfunction", "act"),
    "leaky ReLU": ("leakyrelu", "lrelu", "leaky", "reluleaky", "leakyrelufunction", "relu", "leakyreluactivation", "leakyrelufunc"),
    "softmax": ("softmax", "softmaxfunction", "softmaxactivation", "stablesoftmax", "softmaxfunc", "softmaxstable"),
}  # fmt: skip
SUFFIXES = ("derivative", "prime", "grad", "gradient", "deriv", "der", "d", "dx", "derv", "derivate", "derivation", "dash", "diff", "deri", "p",
            "2deriv", "outputtoderivative", "outputderivative", "todderivative", "dz", "primes", "derivatives", "differential", "dv", "back",
            "backprop", "backward", "grads", "toderivative", "derived", "prim", "jacobian", "derivativefunction", "derivativefromoutput")  # fmt: skip
PREFIXES = ("d", "derivative", "deriv", "der", "grad", "gradient", "dactivation", "derivativeof", "diff", "gradof", "prime", "gradientof",
            "backward", "delta", "derivate",   "partial", "derv", "der", "dz", "derivada", "gradientfor", "derive")  # fmt: skip
FLAGS = ("deriv", "derivative", "prime", "grad", "d", "der", "derive", "isderivative", "backward", "gradient", "derivate", "getderivative", "diff",
         "dx", "derv", "isderiv", "returnderivative", "back", "usederivative", "inverse")  # fmt: skip
VALUE = ("__call__", "forward", "fn", "f", "function", "activation", "activate", "call", "compute", "value", "func", "evaluate", "apply", "calc", "run",
         "activationfunction", "forwardpass", "output", "fun", "calculate", "feedforward", "transform")  # fmt: skip
DERIVATIVE = ("grad", "gradient", "derivative", "deriv", "prime", "df", "d", "dfn", "fprime", "activatederivative", "diff", "derive", "der", "backward",
              "dactivation", "activationprime", "derivate", "gradientfunction", "derivativefunction", "gradfn", "dfunc", "activationderivative",
              "backprop", "derv", "dfunction", "backwardpass", "bprop")  # fmt: skip
LAYERS: dict[str, Layer] = {
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
    "relu": ReLU(),
    "leaky ReLU": LeakyReLU(0.01),
    "softmax": Softmax(),
}
TITLES = {"relu": "ReLU"}
_VAGUE = ("activation", "activationfunction", "nonlin", "nonlinear", "act", "activate", "s", "sigma", "rel")
"""Names that may be any function: taken only if the values agree."""


@dataclass(frozen=True)
class Found:
    """A function with its derivative.

    Attributes
    ----------
    kind : str
    owner, value, derivative : str
        Names; no derivative if it is empty.
    flag : str
        Argument that turns the value into the derivative.
    vague : bool
        Whether the name may mean something else.
    """

    kind: str
    owner: str
    value: str
    derivative: str = ""
    flag: str = ""
    vague: bool = False


class ActivationFunctions:
    """Pairs of an elementwise function, or softmax, and its derivative."""

    name = "activations"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every activation function whose name is known."""
        units: dict[str, Unit] = {}
        calls = Calls(source_tree(file))
        for home in homes(file):
            used: set[str] = set()
            for found in (*_classes(home, file), *_pairs(home, file)):
                # Of a class that is a unit already, a function is compared only beside its derivative.
                if home.owner in taken and not (
                    (found.derivative or found.flag) and plain(found.value) in ALIASES[found.kind]
                ):
                    continue
                beside = (
                    found.derivative and found.derivative not in taken
                )  # a value that is taken alone is taken again with it
                if not home.owner and found.value in taken and not beside:
                    continue
                if {found.value, found.derivative} & used:
                    continue
                unit = _unit(file, found, calls)
                if unit is not None:
                    if not home.owner and found.value in taken:
                        unit = replace(unit, name=found.derivative)
                    units.setdefault(unit.name, unit)
                    used |= {found.value, found.derivative} - {""}
        file.mutated.clear()
        return list(units.values())

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The function as a layer."""
        found, options = unit.options["found"], unit.options
        return LayerModel(case, lambda _, __, x, dy, *___: _run(file, found, options, x, dy))


def _pairs(home: Home, file: UserFile) -> Iterator[Found]:
    """Functions by their names; pairs before single ones."""
    single: list[Found] = []
    for kind, aliases in ALIASES.items():
        for alias in aliases:
            value = home.functions.get(alias)
            if value is None:
                continue
            vague = alias in _VAGUE or (alias == "relu" and kind == "leaky ReLU") or (alias == "s")
            flag = _flag(file, home, value)
            if flag:
                yield Found(kind, home.owner, value, "", flag, vague)
                continue
            named = [home.functions.get(n) for n in (*(alias + s for s in SUFFIXES), *(p + alias for p in PREFIXES))]
            derivatives = [n for n in named if n is not None and n != value and _takes_one(file, home, n)]
            if derivatives:
                yield from (Found(kind, home.owner, value, d, "", vague) for d in dict.fromkeys(derivatives[:1]))
            else:
                single.append(Found(kind, home.owner, value, "", "", vague))
    yield from single


def _classes(home: Home, file: UserFile) -> Iterator[Found]:
    """A class that is an activation by name, with methods for the value and the derivative."""
    if not home.owner:
        return
    called = plain(home.owner)
    if re.search(OTHER_CURVE, called):
        return
    for kind in ("leaky ReLU", "relu", "sigmoid", "tanh", "softmax"):
        if kind.replace(" ", "").lower() in called or (kind == "leaky ReLU" and "leaky" in called):
            value = next((home.functions[n] for n in VALUE if n in home.functions), None)
            derivative = next(
                (home.functions[n] for n in DERIVATIVE if n in home.functions and home.functions[n] != value), ""
            )
            if (
                value is not None
                and derivative
                and _takes_one(file, home, value)
                and _takes_one(file, home, derivative)
                and "loss" not in called
                and "cross" not in called
            ):
                yield Found(kind, home.owner, value, derivative)
            return


def _flag(file: UserFile, home: Home, name: str) -> str:
    """The argument that asks for the derivative, if there is one."""
    for p in parameters(resolve(file, home.owner, name))[1:]:
        if plain(p.name) in FLAGS:
            return p.name
    return ""


def _takes_one(file: UserFile, home: Home, name: str) -> bool:
    found = parameters(resolve(file, home.owner, name))
    return bool(found) and sum(p.default is p.empty for p in found) == 1


def _unit(file: UserFile, found: Found, calls: Calls) -> Unit | None:
    x = np.random.default_rng(7).standard_normal((6, 5))
    layer = LAYERS[found.kind]
    reading = _value_reading(file, found, x)
    if reading is None:
        if found.vague or not _callable(file, found, x):
            return None
        reading = {"layout": ROWS, "each": False, "layer": layer}
    options: dict[str, Any] = {"found": found} | reading
    layer = options["layer"]
    told = ["one example at a time"] if options["layout"] in (VECTOR, COLUMN) else []
    if found.derivative and _is_absent(file, found, options, x):
        found = replace(found, derivative="")
        options["found"] = found
    left = found.kind == "softmax" and _is_one(file, found, options, x)
    if left:
        told.append("softmax's derivative is given as 1, for a loss whose gradient p - y has it")
    elif found.derivative or found.flag:
        place, why = _place(file, found, options, calls, x)
        options["place"] = place
        told += why
    elif found.kind == "leaky ReLU":
        return None
    m = 1 if options["layout"] in (VECTOR, COLUMN) else 6
    name = found.owner + "." + found.value if found.owner else found.value
    cases = tuple(Case(f"check/{name}/{i}", architecture(layer), (n,), (5,)) for i, n in enumerate((m, 1)))
    members = tuple(f"{found.owner}.{n}" if found.owner else n for n in (found.value, found.derivative) if n)
    title = TITLES.get(found.kind, found.kind) + (" and its derivative" if "place" in options else "")
    return Unit(name, "activations", title, line(file, found.owner, found.value), members, cases, options, tuple(told))


def _is_absent(file: UserFile, found: Found, options: dict[str, Any], x: Array) -> bool:
    """Whether the derivative is a method that says it is not there."""
    try:
        _derivative(file, found, options, x[:1] if options["layout"] in (VECTOR, COLUMN) else x)
    except UserError as error:
        return isinstance(error.__cause__, NotImplementedError)
    return False


def _is_one(file: UserFile, found: Found, options: dict[str, Any], x: Array) -> bool:
    """Whether the derivative is a mere 1."""
    if not (found.derivative or found.flag):
        return False
    try:
        d = _derivative(file, found, options, x[:1] if options["layout"] in (VECTOR, COLUMN) else x)
    except UserError:
        return False
    return bool((d == 1).all())


def _callable(file: UserFile, found: Found, x: Array) -> bool:
    """Whether a function can be called with an array alone at all, if only to raise a mistake of its own."""
    try:
        _value(file, found, {"layout": ROWS, "each": False}, x)
    except UserError as error:
        return isinstance(error.__cause__, NameError | ValueError | IndexError)
    return True


def _value_reading(file: UserFile, found: Found, x: Array) -> dict[str, Any] | None:
    """Layout under which the values agree, and the slope of a leaky ReLU."""
    layers: list[Layer] = [LAYERS[found.kind]]
    if found.kind == "leaky ReLU":
        layers = [LeakyReLU(s) for s in (0.01, 0.1, 0.2, 0.3, 0.05, 0.02, 0.001, 0.25)]
    layouts = (ROWS, COLUMNS, COLUMN, VECTOR) if found.kind == "softmax" else (ROWS,)
    for layout in layouts:
        given = x[:1] if layout in (VECTOR, COLUMN) else x
        for each in (False, True) if found.kind != "softmax" else (False,):
            options = {"layout": layout, "each": each}
            try:
                y = _value(file, found, options, given)
            except UserError:
                continue
            for layer in layers:
                expected = layer.forward(given, LayerState())[0]
                if y.shape == expected.shape and np.allclose(y, expected, rtol=0, atol=1e-9):
                    return options | {"layer": layer}
    return None


def _value(file: UserFile, found: Found, options: dict[str, Any], x: Array) -> Array:
    f = resolve(file, found.owner, found.value)
    more = {found.flag: False} if found.flag else {}
    result = _called(file, f, options["layout"].there(x), options["each"], more)
    if isinstance(result, tuple) and result:
        result = result[0]  # a cache may come with it
    return _back(options["layout"], array(result, f"what {found.value} returns"))


def _derivative(file: UserFile, found: Found, options: dict[str, Any], u: Array) -> Array:
    f = resolve(file, found.owner, found.derivative or found.value)
    more = {found.flag: True} if found.flag else {}
    result = _called(file, f, options["layout"].there(u), options["each"], more)
    return array(result, f"what {found.derivative or found.value} returns")


def _called(file: UserFile, f: Callable[..., Any], x: Array, each: bool, more: dict[str, Any]) -> Any:
    if not each:
        return file.call(f, x.copy(), **more)
    return np.array([file.call(f, v, **more) for v in x.ravel().tolist()], dtype=x.dtype).reshape(x.shape)


def _back(layout: Layout, a: Array) -> Array:
    return layout.back(a)


def _of_output(kind: str, layer: Layer, a: Array) -> Array | None:
    """The derivative as a function of the output."""
    if kind == "sigmoid":
        return a * (1 - a)
    if kind == "tanh":
        return 1 - a**2
    return None


def _place(file: UserFile, found: Found, options: dict[str, Any], calls: Calls, x: Array) -> tuple[str, list[str]]:
    """Whether the derivative is taken at z or at a, and why that is assumed."""
    told: list[str] = []
    if found.kind not in ("sigmoid", "tanh"):
        return "z", told
    u = np.random.default_rng(8).uniform(0.1, 0.9, x.shape)
    try:
        d = _back(options["layout"], _derivative(file, found, options, u))
    except UserError:
        return "z", told
    layer = options["layer"]
    at_z = layer.backward(np.ones_like(u), LayerState(), layer.forward(u, LayerState())[1])[0]
    at_a = _of_output(found.kind, layer, u)
    assert at_a is not None
    name = found.derivative or found.value
    right = "z" if _near(d, at_z) else "a" if _near(d, at_a) else ""
    site = calls.at(found.derivative, found.value, found.flag)
    if right and site is not None and site[0] != right:
        words = {"z": "the input z", "a": "the output a"}
        told.append(
            f"{name} is the derivative in terms of {words[right]}, but line {site[1]} calls it with {words[site[0]]}"
        )
        return site[0], told
    if right:
        if right == "a":
            told.append(f"{name} takes the activation's output a, not its input z")
        return right, told
    return (site[0] if site is not None else _guess(file, found)), told


def _near(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=1e-9))


def _guess(file: UserFile, found: Found) -> str:
    """Of a wrong derivative: code that calculates an exponential, or calls a function, takes z."""
    f = resolve(file, found.owner, found.derivative or found.value)
    try:
        text = inspect.getsource(getattr(f, "__func__", f))
    except (OSError, TypeError):
        return "z"
    body = text.partition(":")[2]
    return "z" if re.search(r"exp\(|tanh\(|" + re.escape(found.value) + r"\(", body) and not found.flag else "a"


def _run(file: UserFile, found: Found, options: dict[str, Any], x: Array, dy: Array) -> Ran:
    y = _value(file, found, options, x)
    if "place" not in options:
        return Ran(y)
    u = y if options["place"] == "a" else x
    k = x.shape[1]
    if found.kind == "softmax" and len(x) > 1 and not _takes_batches(file, found, options, u):
        jacobians = [_of_one(file, found, options, row) for row in u]
        return Ran(y, np.stack([g @ J for g, J in zip(dy, jacobians, strict=True)]))
    d = _derivative(file, found, options, u)
    if found.kind == "softmax" and d.shape == (k, k) and len(x) == 1:
        return Ran(y, dy @ d)
    if found.kind == "softmax" and d.shape == (len(x), k, k):
        return Ran(y, np.einsum("mj,mjk->mk", dy, d))
    d = _back(options["layout"], d)
    return Ran(y, d * dy if d.shape == dy.shape else d)


def _takes_batches(file: UserFile, found: Found, options: dict[str, Any], u: Array) -> bool:
    """Whether softmax's derivative gives something for each example of a batch: a row, or a Jacobian."""
    try:
        shape = _derivative(file, found, options, u).shape
    except UserError:
        return False
    return shape in (options["layout"].shape(u.shape), (*u.shape, u.shape[1]))


def _of_one(file: UserFile, found: Found, options: dict[str, Any], row: Array) -> Array:
    """The Jacobian for one example, given as a vector or as a column."""
    for layout in (VECTOR, COLUMN):
        try:
            jacobian = _derivative(file, found, options | {"layout": layout}, row[np.newaxis])
        except UserError:
            continue
        if jacobian.shape == (len(row), len(row)):
            return jacobian
    raise UserError(
        f"{found.derivative or found.value} gives neither derivatives for a batch nor a Jacobian for one example"
    )


class Calls:
    """Calls of derivatives in a file: whether with what goes into an activation function, or with what comes out of it.

    Parameters
    ----------
    tree : ast.Module or None
    """

    def __init__(self, tree: ast.Module | None) -> None:
        self._tree = tree
        self._scopes = list(_scopes(tree)) if tree is not None else []

    def at(self, derivative: str, value: str, flag: str) -> tuple[str, int] | None:
        """`z` or `a`, and the line of the first call that tells; None if none does.

        Where both functions are handed to a class together, it is that class's call that tells.
        """
        found = self._own(derivative, value, flag)
        for inner, outer in self._handed(derivative, value) if found is None and derivative else ():
            found = found or self._own(inner, outer, "")
        return found

    def _handed(self, derivative: str, value: str) -> Iterator[tuple[str, str]]:
        """Names under which classes keep the derivative and the function that they are given."""
        classes = {n.name: n for n in self._tree.body if isinstance(n, ast.ClassDef)} if self._tree is not None else {}
        for node in ast.walk(self._tree) if self._tree is not None else ():
            if not isinstance(node, ast.Call):
                continue
            names = [a.id if isinstance(a, ast.Name) else "" for a in node.args]
            if value in names and derivative in names and _called_name(node) in classes:
                kept = _kept(classes[_called_name(node)], len(names))
                if kept[names.index(derivative)] and kept[names.index(value)]:
                    yield kept[names.index(derivative)], kept[names.index(value)]

    def _own(self, derivative: str, value: str, flag: str) -> tuple[str, int] | None:
        for scope, shared in self._scopes:
            into, out = _flows(scope, shared, value, flag)
            for call in _calls(scope, derivative or value, flag, True):
                if not call.args:
                    continue
                key = ast.unparse(call.args[0])
                if key in out and key not in into:
                    return "a", call.lineno
                if key in into and key not in out:
                    return "z", call.lineno
        return None


def _scopes(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """The top level, every function, and every method with its class, whose attributes are shared."""
    inside = [n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)]
    yield ast.Module(inside, []), None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, None
        elif isinstance(node, ast.ClassDef):
            yield from ((n, node) for n in node.body if isinstance(n, ast.FunctionDef))


def _kept(cls: ast.ClassDef, count: int) -> list[str]:
    """Attributes in which a constructor keeps its first arguments."""
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            names = [a.arg for a in node.args.args[1:]]
            held = {s.value.id: s.targets[0].attr for s in node.body
                    if isinstance(s, ast.Assign) and isinstance(s.value, ast.Name) and isinstance(s.targets[0], ast.Attribute)}  # fmt: skip
            return [held.get(n, "") for n in names[:count]] + [""] * (count - len(names))
    return [""] * count


def _calls(scope: ast.AST, name: str, flag: str, derivative: bool) -> Iterator[ast.Call]:
    for node in ast.walk(scope):
        if (
            isinstance(node, ast.Call)
            and _called_name(node) == name
            and (not flag or _flagged(node, flag) == derivative)
        ):
            yield node


def _called_name(call: ast.Call) -> str:
    f = call.func
    return f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""


def _flagged(call: ast.Call, flag: str) -> bool:
    given = [k.value for k in call.keywords if k.arg == flag] + call.args[1:2]
    return any(isinstance(v, ast.Constant) and bool(v.value) for v in given)


def _flows(scope: ast.AST, shared: ast.AST | None, value: str, flag: str) -> tuple[set[str], set[str]]:
    """Expressions that go into the function, and those that are assigned what comes out of it."""
    into, out = _own_flows(scope, value, flag)
    if shared is not None:
        more_into, more_out = _own_flows(shared, value, flag)
        into |= {key for key in more_into if key.startswith("self.")}
        out |= {key for key in more_out if key.startswith("self.")}
    return into, out


def _own_flows(scope: ast.AST, value: str, flag: str) -> tuple[set[str], set[str]]:
    into = {ast.unparse(call.args[0]) for call in _calls(scope, value, flag, False) if call.args}
    out = set()
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            call = node.value
            if _called_name(call) == value and (not flag or not _flagged(call, flag)):
                out |= {ast.unparse(t) for t in node.targets}
    return into, out
