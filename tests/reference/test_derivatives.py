"""The table of derivatives, the computation graph and logistic regression against the frameworks' autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scratch import computation_graph
from scratch.derivatives import DERIVATIVES
from scratch.logistic import propagate_loop, propagate_vectorised

TOLERANCE = {"float64": 1e-14, "float32": 2e-6}
POINTS = {"ln": np.array([1e-3, 0.1, 0.8, 1.0, 7.5, 1e4])}
EVERYWHERE = np.array([-20.0, -3.0, -0.7, 0.0, 1e-3, 0.8, 2.0, 5.0])

Gradients = tuple[list[np.ndarray], np.ndarray]
"""Of every argument, and the value."""


def torch_gradients(arrays: list[np.ndarray], function: Callable[..., Any]) -> Gradients:
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = function(torch, *tensors)
    return [g.numpy() for g in torch.autograd.grad(value.sum(), tensors)], value.detach().numpy()


def tensorflow_gradients(arrays: list[np.ndarray], function: Callable[..., Any]) -> Gradients:
    tf = pytest.importorskip("tensorflow")
    variables = [tf.Variable(a) for a in arrays]
    with tf.GradientTape() as tape:
        value = function(tf, *variables)
    return [g.numpy() for g in tape.gradient(value, variables)], value.numpy()


FRAMEWORKS = pytest.mark.parametrize("autodiff", [torch_gradients, tensorflow_gradients], ids=["torch", "tensorflow"])
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)


def is_torch(framework: Any) -> bool:
    return framework.__name__ == "torch"


# The frameworks' own functions, by the table's names.
STOCK: dict[str, Callable[[Any, Any], Any]] = {
    "square": lambda framework, a: framework.square(a),
    "cube": lambda framework, a: framework.pow(a, 3),
    "ln": lambda framework, a: (framework.log if is_torch(framework) else framework.math.log)(a),
    "exp": lambda framework, a: framework.exp(a),
    "sigmoid": lambda framework, a: framework.sigmoid(a),
    "tanh": lambda framework, a: framework.tanh(a),
}


def test_the_whole_table_is_compared() -> None:
    assert STOCK.keys() == DERIVATIVES.keys()


@FRAMEWORKS
@DTYPES
@pytest.mark.parametrize("name", STOCK)
def test_the_table_agrees_with_autodiff(autodiff: Callable[..., Gradients], dtype: str, name: str) -> None:
    at = POINTS.get(name, EVERYWHERE).astype(dtype)
    (gradient,), value = autodiff([at], STOCK[name])
    f, derivative = DERIVATIVES[name]
    # tanh and sigma are flat far away: relative to 1, the largest slope, where digits of 1 - a cancel.
    atol = TOLERANCE[dtype] if name in ("sigmoid", "tanh") else 0
    np.testing.assert_allclose(f(at), value, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(derivative(at), gradient, rtol=TOLERANCE[dtype], atol=atol)


@FRAMEWORKS
@DTYPES
def test_the_graph_s_derivatives_agree_with_autodiff(autodiff: Callable[..., Gradients], dtype: str) -> None:
    abc = list(np.random.default_rng(0).standard_normal((3, 20)).astype(dtype))
    gradients, J = autodiff(abc, lambda _, a, b, c: 3 * (a + b * c))
    values = computation_graph.forward(*abc)
    np.testing.assert_allclose(values.J, J, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    found = computation_graph.backward(values)
    for ours, theirs in zip((found.a, found.b, found.c), gradients, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[dtype])


def cost(framework: Any, w: Any, b: Any, X: Any, Y: Any) -> Any:
    """J with the framework's own cross-entropy."""
    Z = framework.einsum("jk,ji->ki", w, X) + b
    if is_torch(framework):
        return framework.nn.functional.binary_cross_entropy_with_logits(Z, Y)
    return framework.reduce_mean(framework.nn.sigmoid_cross_entropy_with_logits(Y, Z))


@FRAMEWORKS
@DTYPES
@pytest.mark.parametrize("propagate", [propagate_loop, propagate_vectorised])
def test_logistic_regression_agrees_with_autodiff(
    autodiff: Callable[..., Gradients], dtype: str, propagate: Any
) -> None:
    rng = np.random.default_rng(2)
    w, b, X = (np.asarray(rng.standard_normal(shape), dtype) for shape in ((4, 1), (), (4, 9)))
    Y = rng.integers(0, 2, (1, 9)).astype(dtype)
    (dw, db, dX, _), J = autodiff([w, b, X, Y], cost)
    found, tolerance = propagate(w, b, X, Y), 20 * TOLERANCE[dtype]
    for ours, theirs in ((found.J, J), (found.dw, dw), (found.db, db), (found.dX / 9, dX)):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
