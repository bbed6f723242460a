"""Functions with a backward pass of their own inside a framework, called with arrays: `torch.autograd.Function` and `tf.custom_gradient`.

A framework is used only if the user's file has imported it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Protocol

import numpy as np

from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
Values = Mapping[str, Any]


class Custom(Protocol):
    """A function with its own backward pass.

    Attributes
    ----------
    name : str
        In the file.
    parameters : list of Parameter
        Arguments of the forward pass, the context left out.
    """

    name: str

    @property
    def parameters(self) -> list[inspect.Parameter]: ...
    def outputs(self, values: Values) -> list[Array]:
        """All outputs of real numbers."""
        ...

    def gradients(self, values: Values, by: list[str], upstream: list[Array]) -> dict[str, Array | None]:
        """What the backward pass gives for these arguments."""
        ...

    def backward(self) -> FunctionType | None:
        """The function that is the backward pass, or has it within."""
        ...

    def edited(self, made: Callable[..., Any]) -> Custom:
        """The same with another `backward`."""
        ...


def _named(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function under the name by which the user knows what it calls."""
    f.__qualname__ = name
    return f


def _needed(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """One argument in the place of `*inputs`."""
    found: list[inspect.Parameter] = []
    for p in parameters:
        if p.kind == p.VAR_POSITIONAL:
            found += [
                p.replace(name=f"{p.name}_{i}", kind=p.POSITIONAL_OR_KEYWORD) for i in range(2 if not found else 1)
            ]
        elif p.kind != p.VAR_KEYWORD:
            found.append(p)
    return found


@dataclass
class TorchFunction:
    """A subclass of `torch.autograd.Function`."""

    file: UserFile
    name: str
    cls: Any

    @property
    def parameters(self) -> list[inspect.Parameter]:
        torch = sys.modules["torch"]
        found = list(inspect.signature(self.cls.forward).parameters.values())
        modern = self.cls.setup_context is not torch.autograd.function._SingleLevelFunction.setup_context
        return _needed(found if modern else found[1:])

    def _tensor(self, value: Any, by: bool = False) -> Any:
        torch = sys.modules["torch"]
        return torch.tensor(value, requires_grad=by) if isinstance(value, np.ndarray) else value

    def _applied(self, tensors: list[Any]) -> list[Any]:
        torch = sys.modules["torch"]
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        given = [t.clone() if isinstance(t, torch.Tensor) else t for t in tensors]
        run = _named(lambda: self.cls.apply(*given), f"{self.name}.forward")
        returned = self.file.call(run)
        parts = returned if isinstance(returned, tuple | list) else [returned]
        return [t for t in parts if isinstance(t, torch.Tensor) and t.is_floating_point()]

    def outputs(self, values: Values) -> list[Array]:
        found = [t.detach() for t in self._applied([self._tensor(v) for v in values.values()])]
        if any(str(t.dtype) != "torch.float64" for t in found):
            raise UserError(f"{self.name} computes in single precision whatever it is given")
        return [t.numpy() for t in found]

    def gradients(self, values: Values, by: list[str], upstream: list[Array]) -> dict[str, Array | None]:
        torch = sys.modules["torch"]
        leaves = {n: self._tensor(v, n in by) for n, v in values.items()}
        outputs = self._applied(list(leaves.values()))
        given = [torch.tensor(u) for u in upstream]
        before = [u.clone() for u in given]
        kept = [(o, u) for o, u in zip(outputs, given, strict=True) if o.requires_grad]
        if not kept:
            return dict.fromkeys(by)
        run = _named(
            lambda: torch.autograd.grad(
                [o for o, _ in kept], [leaves[n] for n in by], [u for _, u in kept], allow_unused=True
            ),
            f"{self.name}.backward",
        )
        found = self.file.call(run)
        if any(not torch.equal(a, b) for a, b in zip(given, before, strict=True)):
            self.file.mutated.add(
                f"{self.name}.backward changes the incoming gradient in place, which others may use too"
            )
        return {n: None if g is None else g.numpy() for n, g in zip(by, found, strict=True)}

    def backward(self) -> FunctionType | None:
        found = self.cls.__dict__.get("backward") or self.cls.__dict__.get("vjp")
        found = getattr(found, "__func__", found)
        found = inspect.unwrap(found) if found is not None else None
        return found if isinstance(found, FunctionType) else None

    def edited(self, made: Callable[..., Any]) -> TorchFunction:
        own = type(self.cls.__name__, (self.cls,), {"backward": staticmethod(made)})
        return TorchFunction(self.file, self.name, own)


@contextmanager
def double() -> Iterator[None]:
    """The time in which torch's new tensors are of double precision and stay so, on the processor."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_num_threads(1)  # the arrays are tiny, and threads that wait for each other take most of the time
    names = [n for n in ("float", "half", "bfloat16", "cuda") if n not in vars(torch.Tensor)]
    torch.set_default_dtype(torch.float64)
    plain = torch.Tensor.double
    for name in names:
        if name == "cuda":
            torch.Tensor.cuda = lambda self, *args, **kwargs: self
        else:
            setattr(torch.Tensor, name, lambda self, *args, **kwargs: plain(self))
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_num_threads(threads)
        for name in names:
            delattr(torch.Tensor, name)


@dataclass
class TensorFlowFunction:
    """A function under `tf.custom_gradient`."""

    file: UserFile
    name: str
    function: Any

    @property
    def parameters(self) -> list[inspect.Parameter]:
        return _needed(list(inspect.signature(self._plain()).parameters.values()))

    def _plain(self) -> Any:
        return inspect.unwrap(getattr(self.function, "_f", self.function))

    def _called(self, tensors: list[Any]) -> list[Any]:
        tf = sys.modules["tensorflow"]
        np.random.seed(0)  # noqa: NPY002
        tf.random.set_seed(0)
        run = _named(lambda: self.function(*tensors), self.name)
        returned = self.file.call(run)
        parts = returned if isinstance(returned, tuple | list) else [returned]
        return [t for t in parts if tf.is_tensor(t) and t.dtype.is_floating]

    def _tensors(self, values: Values) -> dict[str, Any]:
        tf = sys.modules["tensorflow"]
        return {n: tf.constant(v) if isinstance(v, np.ndarray) else v for n, v in values.items()}

    def outputs(self, values: Values) -> list[Array]:
        found = self._called(list(self._tensors(values).values()))
        if any(t.dtype.name != "float64" for t in found):
            raise UserError(f"{self.name} computes in single precision whatever it is given")
        return [np.asarray(t) for t in found]

    def gradients(self, values: Values, by: list[str], upstream: list[Array]) -> dict[str, Array | None]:
        tf = sys.modules["tensorflow"]
        leaves = self._tensors(values)
        with tf.GradientTape() as tape:
            for n in by:
                tape.watch(leaves[n])
            outputs = self._called(list(leaves.values()))
        given = [tf.constant(u) for u in upstream]
        run = _named(lambda: tape.gradient(outputs, [leaves[n] for n in by], given), f"{self.name}'s gradient")
        found = self.file.call(run)
        return {n: None if g is None else np.asarray(tf.convert_to_tensor(g)) for n, g in zip(by, found, strict=True)}

    def backward(self) -> FunctionType | None:
        found = self._plain()
        return found if isinstance(found, FunctionType) else None

    def edited(self, made: Callable[..., Any]) -> TensorFlowFunction:
        return TensorFlowFunction(self.file, self.name, sys.modules["tensorflow"].custom_gradient(made))


def found_in(file: UserFile, taken: frozenset[str]) -> Iterator[TorchFunction | TensorFlowFunction]:
    """All such functions of a file."""
    torch, tf = sys.modules.get("torch"), sys.modules.get("tensorflow")
    for name in file.own:
        thing = file.namespace.get(name)
        if name in taken or thing is None:
            continue
        if torch is not None and isinstance(thing, type) and issubclass(thing, torch.autograd.Function):
            if {"forward", "backward"} <= vars(thing).keys() and isinstance(vars(thing)["forward"], staticmethod):
                yield TorchFunction(file, name, thing)
        elif tf is not None and type(thing).__name__ == "Bind" and "custom_gradient" in type(thing).__module__:
            yield TensorFlowFunction(file, name, thing)
