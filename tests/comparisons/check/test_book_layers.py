"""The book's layers that stand in, beside torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comparisons.check import book_layers as book

torch = pytest.importorskip("torch")

Array = np.ndarray
RNG = np.random.default_rng(4)
IMAGES, ROWS = RNG.standard_normal((3, 2, 7, 6)), RNG.standard_normal((6, 5))
KERNELS, WEIGHTS = RNG.standard_normal((4, 2, 3, 3)), RNG.standard_normal((5, 3))
F = torch.nn.functional


def affine(x: Any, w: Any, b: Any) -> Any:
    return x.flatten(1) @ w + b


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return F.batch_norm(x, None, None, gamma, beta, True, 0.1, 10e-7)


LAYERS: dict[str, tuple[Any, Any, Array, tuple[Array, ...], tuple[str, ...]]] = {
    "affine": (book.Affine, affine, ROWS, (WEIGHTS, np.arange(3.0)), ("dW", "db")),
    "affine of images": (
        book.Affine,
        affine,
        IMAGES,
        (RNG.standard_normal((84, 3)), np.arange(3.0)),
        ("dW", "db"),
    ),
    "convolution": (book.Convolution, F.conv2d, IMAGES, (KERNELS, np.arange(4.0)), ("dW", "db")),
    "convolution with stride and padding": (
        lambda W, b: book.Convolution(W, b, 2, 1),
        lambda x, W, b: F.conv2d(x, W, b, 2, 1),
        IMAGES,
        (KERNELS, np.arange(4.0)),
        ("dW", "db"),
    ),
    "pooling": (lambda: book.Pooling(3, 2, 2), lambda x: F.max_pool2d(x, (3, 2), 2), IMAGES, (), ()),
    "relu": (book.Relu, torch.relu, ROWS, (), ()),
    "sigmoid": (book.Sigmoid, torch.sigmoid, ROWS, (), ()),
    "batch norm": (book.BatchNormalization, batch_norm, ROWS, (np.arange(1.0, 6), np.arange(5.0)), ("dgamma", "dbeta")),
}


@pytest.mark.parametrize("name", LAYERS)
def test_passes_are_those_of_torch(name: str) -> None:
    cls, reference, x, params, shown = LAYERS[name]
    layer = cls(*(p.copy() for p in params))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, *params)]
    expected = reference(*tensors)
    np.testing.assert_allclose(layer.forward(x), expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    upstream = RNG.standard_normal(expected.shape)
    expected.backward(torch.tensor(upstream))
    found = [layer.backward(upstream), *(getattr(layer, n) for n in shown)]
    for a, t in zip(found, tensors, strict=True):
        np.testing.assert_allclose(a, t.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("one_hot", [True, False])
def test_the_loss_is_the_mean_cross_entropy(one_hot: bool) -> None:
    labels = np.array([0, 2, 1, 4, 3, 3])
    z = torch.tensor(ROWS, requires_grad=True)
    expected = F.cross_entropy(z, torch.tensor(labels))
    expected.backward()
    layer = book.SoftmaxWithLoss()
    assert layer.forward(ROWS, np.eye(5)[labels] if one_hot else labels) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(layer.backward(), z.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_dropout_scales_at_test_time() -> None:
    layer = book.Dropout(0.25)
    y = layer.forward(ROWS)
    assert set(np.unique(y / ROWS)) <= {0.0, 1.0}
    np.testing.assert_array_equal(layer.backward(ROWS), y)
    np.testing.assert_array_equal(layer.forward(ROWS, False), 0.75 * ROWS)


def test_numerical_gradient() -> None:
    x = ROWS.copy()
    np.testing.assert_allclose(book.numerical_gradient(lambda v: (v**2).sum(), x), 2 * ROWS, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(x, ROWS)
