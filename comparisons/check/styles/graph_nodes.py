"""Graphs of nodes: each is made of the nodes it takes, `forward()` sets its value, `backward()` its gradients.

Miniflow and its relatives. A node is looked at alone: the nodes that it takes are the file's own inputs, with values that are found out as
for any function, and what comes after it are two nodes that hand it an upstream gradient each. So it is seen, too, whether gradients
are summed over all nodes that use a value. Libraries in which operations compute from values, and gradients are functions that are
registered for them, are driven the same way.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import tree
from comparisons.check.differences import Derived, generator
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.source import syntax
from comparisons.check.styles.function_pairs import FunctionPair
from comparisons.check.styles.lazy_arguments import kind_of_number
from comparisons.check.styles.network_arguments import required
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from scratch import architecture

Array = np.ndarray
UNCOMPARED = "the forward pass was taken as it is, and compared with nothing"
VALUES = ("value", "output", "data", "val", "out", "_value", "result", "output_value", "values", "forward_value")
_GRADIENTS = re.compile(r"grad|deriv|jacob|partial|delta")
_AFTER = re.compile(
    r"out(bound|put|going)?_?(nodes?|edges?|s)?|consumers?|children|next\w*|successors?|downstream|users?|fan_?out|parents"
)
_COMPUTE = (*FORWARD, "compute", "computeoutput", "eval")
_LIST = re.compile(r"(inbound_?|in_?|input_?)?(nodes|inputs|parents|children|args|operands)")


@dataclass
class Graph:
    """What the nodes of a file have in common.

    Attributes
    ----------
    file : UserFile
    leaf : type
        The class of nodes that take no others.
    value, gradients, after : str
        Attributes that hold a node's value, its gradients, and the nodes that use it.
    """

    file: UserFile
    leaf: type
    value: str
    gradients: str
    after: str

    def input(self, value: Any) -> Any:
        """A node with a value."""
        needed = required(self.leaf)
        node = self.leaf(*([value] * len(needed)))
        setattr(node, self.value, value)
        return node


def _graph(file: UserFile) -> Graph | None:
    """What the file's nodes are like, if it has any."""
    for cls in file.classes().values():
        if not method(cls, _COMPUTE) or len(required(cls)) > 1 or not _no_arguments(cls, method(cls, _COMPUTE)):
            continue
        try:
            node = file.call(cls, *([np.ones((2, 2))] * len(required(cls))))
            file.call(getattr(node, method(cls, _COMPUTE)))
        except UserError:
            continue  # the base of all nodes, or one that takes others
        held = vars(node)
        value = next((n for n in VALUES if n in held), "")
        gradients = next((n for n in held if _GRADIENTS.search(n)), "")
        after = next(
            (n for n, v in held.items() if isinstance(v, list) and not v and _AFTER.fullmatch(n.strip("_"))), ""
        )
        if value and gradients:
            return Graph(file, cls, value, gradients, after)
    return None


def _no_arguments(cls: type, name: str) -> bool:
    return len(required(getattr(cls, name))) == 1


@dataclass(eq=False)
class NodeForward:
    """A node as a function of the values that it takes."""

    graph: Graph
    cls: type
    names: tuple[str, ...]
    listed: bool = False

    def __post_init__(self) -> None:
        self.__qualname__ = f"{self.cls.__name__}.{method(self.cls, _COMPUTE)}"

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(n, kind) for n in self.names])

    def __call__(self, **values: Any) -> tuple[Array, Any]:
        """The node's value, and the node with those that it takes."""
        graph = self.graph
        if not self.names:
            raise TypeError("it takes nothing")
        if self.cls is graph.leaf:
            leaves = {n: graph.input(v) for n, v in values.items()}
            return np.asarray(next(iter(values.values())) * 1.0), (next(iter(leaves.values())), leaves)
        leaves = {n: v if kind_of_number(n, False) else graph.input(v) for n, v in values.items()}
        given = list(leaves.values())
        node = self.cls(given) if self.listed else self.cls(*given)
        for leaf in given:
            if isinstance(leaf, graph.leaf):
                kept = getattr(leaf, graph.value)
                getattr(leaf, method(graph.leaf, _COMPUTE))()
                setattr(leaf, graph.value, kept)
        getattr(node, method(self.cls, _COMPUTE))()
        return np.atleast_1d(np.asarray(getattr(node, graph.value), dtype=np.float64)), (node, leaves)


@dataclass(eq=False)
class NodeBackward:
    """Its backward pass, from the gradient of its value."""

    graph: Graph
    cls: type

    def __post_init__(self) -> None:
        self.__qualname__ = f"{self.cls.__name__}.{method(self.cls, BACKWARD)}"

    def __call__(self, dout: Any, cache: Any) -> dict[str, Any]:
        """Gradients by the names of what the node takes."""
        graph, (node, leaves) = self.graph, cache
        f = getattr(node, method(self.cls, BACKWARD))
        single = np.ndim(getattr(node, graph.value)) == 0
        upstream = 1.0 if single else dout
        if isinstance(getattr(node, graph.gradients), dict):
            self._use(node, upstream)
            f(*([upstream] if required(f) else []))
            held = getattr(node, graph.gradients)
            found = {n: held[leaf] for n, leaf in leaves.items() if leaf in held}
        else:
            setattr(node, graph.gradients, upstream)
            for leaf in leaves.values():
                if leaf is not node:
                    setattr(leaf, graph.gradients, 0.0 * getattr(leaf, graph.value))
            result = f(*([upstream] if required(f) else []))
            parts = list(result) if isinstance(result, tuple | list) else [result]
            found = {n: getattr(leaf, graph.gradients) for n, leaf in leaves.items()}
            if len(parts) == len(leaves) and all(p is not None for p in parts):
                found = dict(zip(leaves, parts, strict=True))
        return {
            n: np.asarray(g, dtype=np.float64) * (float(np.ravel(dout)[0]) if single else 1.0) for n, g in found.items()
        }

    def _use(self, node: Any, upstream: Any) -> None:
        """Let nodes use it that hand it this gradient in all."""
        graph = self.graph
        if not graph.after:
            return
        parts = [upstream]
        body = tree(getattr(self.cls, method(self.cls, BACKWARD)))
        if body is not None and re.search(rf"for \w+ in self\.{graph.after}", ast.unparse(body)):
            parts = [0.25 * upstream, 0.75 * upstream]
        users = [SimpleNamespace(**{graph.gradients: {node: part}}) for part in parts]
        setattr(node, graph.after, users)


class GraphNodes(Twinless):
    """The nodes of a file's graphs, each compared alone."""

    name = "graph nodes"

    def __init__(self) -> None:
        self._pairs: dict[str, FunctionPair] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every node that can be run."""
        self._pairs = {}
        units = []
        for pair in find_graph_nodes(file, taken):
            name = pair.forward.partition(".")[0]
            members = tuple(dict.fromkeys((pair.forward, pair.backward.removesuffix(".gradient"))))
            cases = tuple(
                Case(f"check/{name}/differences{i or ''}", architecture(), (5,), (4,)) for i in range(pair.settings)
            )
            found = pair.derived(np.random.default_rng(23))
            names = {d.tensor.removeprefix("grad/"): d.tensor.rpartition(".")[2] for d in found}
            options = {"differences": True, "names": names}
            line = file.own[name]
            self._pairs[name] = pair
            units.append(
                Unit(name, self.name, "node of a graph", line, members, cases, options, (*pair.remarks, UNCOMPARED))
            )
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The gradients beside derivatives of the node's own value."""
        rng = generator(case)
        return list(self._pairs[unit.name].derived(rng, unit.cases.index(case)))


def find_graph_nodes(file: UserFile, taken: frozenset[str]) -> Iterator[FunctionPair]:
    """Nodes that can be run, each as a pair of functions."""
    graph = _graph(file)
    if graph is not None:
        for name, cls in file.classes().items():
            forward, backward = method(cls, _COMPUTE), method(cls, BACKWARD)
            if name in taken or not forward or not backward or forward == backward or not _no_arguments(cls, forward):
                continue
            for names, listed in _taken_nodes(cls, graph):
                pair = _paired(file, name, NodeForward(graph, cls, names, listed), NodeBackward(graph, cls), backward)
                if pair is not None:
                    yield pair
                    break
    yield from _registered(file, taken)


def _taken_nodes(cls: type, graph: Graph) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Names for the nodes that a constructor takes, and whether it takes them in a list."""
    if cls is graph.leaf:
        yield ("value",), False
        return
    try:
        found = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):
        return
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        yield ("x", "y"), False
        return
    names = tuple(p.name for p in found if p.default is p.empty and p.kind is not p.VAR_KEYWORD)
    if len(names) == 1 and _LIST.fullmatch(names[0]):
        yield ("x", "y"), True
        yield ("x",), True
    elif names:
        yield names, False


def _paired(
    file: UserFile, name: str, forward: Callable[..., Any], backward: Callable[..., Any], told: str
) -> FunctionPair | None:
    """The pair, under names of its own in the file, if it runs."""
    there, back = f"{name}.{getattr(forward, '__qualname__', '').rpartition('.')[2]}", f"{name}.{told}"
    file.namespace[there], file.namespace[back] = forward, backward
    pair = FunctionPair(file, there, back)
    return pair if pair.settle() else None


@dataclass(eq=False)
class OperationForward:
    """An operation that computes from values: `compute(self, x, y)`."""

    file: UserFile
    cls: type
    compute: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        self.__qualname__ = f"{self.cls.__name__}.{self.compute}"

    @property
    def __signature__(self) -> inspect.Signature:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(n, kind) for n in self.names])

    def __call__(self, **values: Any) -> tuple[Array, Any]:
        """The output, and the operation as a session leaves it."""
        operation: Any = object.__new__(self.cls)
        nodes = [SimpleNamespace(output=v, value=v, consumers=[]) for v in values.values()]
        given = list(values.values())
        operation.input_nodes, operation.inputs, operation.consumers = nodes, given, []
        operation.input_values = given
        output = getattr(operation, self.compute)(*given)
        operation.output = operation.value = operation.output_value = output
        return np.atleast_1d(np.asarray(output, dtype=np.float64)), (operation, self.names)


@dataclass(eq=False)
class OperationBackward:
    """The function that is registered for its gradient: `_matmul_gradient(op, grad)`."""

    f: Callable[..., Any]

    def __post_init__(self) -> None:
        self.__qualname__ = self.f.__qualname__

    def __call__(self, dout: Any, cache: Any) -> dict[str, Any]:
        """Gradients by the names of the values."""
        operation, names = cache
        single = np.ndim(operation.output) == 0
        result = self.f(operation, dout[0] if single else dout)
        parts = list(result) if isinstance(result, tuple | list) else [result]
        return {n: np.asarray(p, dtype=np.float64) for n, p in zip(names, parts, strict=False)}


def _registered(file: UserFile, taken: frozenset[str]) -> Iterator[FunctionPair]:
    """Gradient functions with a decorator that names an operation, `@RegisterGradient("matmul")`."""
    classes = file.classes()
    for node in syntax(file).body:
        if not isinstance(node, ast.FunctionDef) or len(node.args.args) != 2 or node.name in taken:
            continue
        told = [
            a.value
            for d in node.decorator_list
            if isinstance(d, ast.Call)
            for a in d.args
            if isinstance(a, ast.Constant)
        ]
        told += [
            a.id for d in node.decorator_list if isinstance(d, ast.Call) for a in d.args if isinstance(a, ast.Name)
        ]
        cls, f = classes.get(str(told[0])) if told else None, file.namespace.get(node.name)
        compute = method(cls, ("compute", *FORWARD)) if cls is not None else ""
        if cls is None or not compute or not callable(f):
            continue
        names = tuple(p.name for p in required(getattr(cls, compute))[1:])
        if names:
            there = f"{cls.__name__}.{compute}"
            file.namespace[there] = OperationForward(file, cls, compute, names)
            back = f"{node.name}.gradient"
            file.namespace[back] = OperationBackward(f)
            pair = FunctionPair(file, there, back)
            if pair.settle():
                yield pair
