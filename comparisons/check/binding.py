"""Saying outright what a function computes, where recognition does not find out.

The function is a door: it takes and gives arrays in scratch's layout under scratch's names, and calls the code to be checked
as that wants to be called.

    @backproof.layer(Dense(4, 3))
    def my_dense(x, upstream, W, b):
        layer = MyLinear(W.T, b)
        y = layer.fprop(x.T).T
        dx = layer.bprop(upstream.T).T
        return y, dx, {"W": layer.grad_w.T, "b": layer.grad_b}
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from scratch import Layer, Loss, Optimizer

F = TypeVar("F", bound=Callable[..., Any])
ATTRIBUTE = "_backproof_binding"


@dataclass(frozen=True)
class Binding:
    """What a function was declared to compute, and the shape of one example of its input."""

    what: Layer | Loss | Optimizer
    input_shape: tuple[int, ...] = ()


def layer(what: Layer, input_shape: tuple[int, ...] = ()) -> Callable[[F], F]:
    """Declare a function to be a layer.

    Parameters
    ----------
    what : scratch.Layer
        The layer that it should be, with its sizes, e.g. `scratch.Conv2D(3, 4, 3, stride=2)`.
    input_shape : tuple of int, optional
        Shape of one example; needed where the layer does not tell, e.g. `(8, 8, 3)` for images.

    Returns
    -------
    callable
        Decorator for `f(x, upstream, **parameters)`, which also gets the buffers (`running_mean`), `training` and `mask` if it
        names them, and returns `(output, input gradient, {parameter: gradient})` and, if buffers move, a fourth, `{buffer: new
        value}`. What is None is not compared. Layouts are those of the scratch layer: rows, `W` of shape (n_in, n_out).
    """
    return _declare(Binding(what, input_shape))


def loss(what: Loss, input_shape: tuple[int, ...] = (4,)) -> Callable[[F], F]:
    """Declare a function to be a loss: `f(x, target)` returns `(loss, gradient of x)`; what is None is not compared."""
    return _declare(Binding(what, input_shape))


def optimizer(what: Optimizer) -> Callable[[F], F]:
    """Declare a generator function or factory to be an update rule.

    `f()` returns `step`, and `step(params, grads)` takes and returns dictionaries of arrays; it keeps its own memory.
    """
    return _declare(Binding(what))


def _declare(binding: Binding) -> Callable[[F], F]:
    def decorate(f: F) -> F:
        setattr(f, ATTRIBUTE, binding)
        return f

    return decorate
