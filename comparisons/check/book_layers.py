"""The layers of "Deep Learning from Scratch" (`common.layers`), for files that import them and come without.

They are built from scratch's layers, with the book's names, attributes and layouts: rows, images as (N, C, H, W).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratch import BatchNorm, Conv2D, Dense, Layer, LayerState, MaxPool2D, ReLU, SoftmaxCrossEntropy
from scratch import Sigmoid as ScratchSigmoid

Array = np.ndarray
EPSILON = 10e-7
"""The book's, inside batch norm."""


class _Book:
    """A layer with a forward and a backward pass as the book calls them."""

    def _layer(self, x: Array) -> Layer:
        raise NotImplementedError

    def _params(self) -> dict[str, Array]:
        return {}

    def _run(self, x: Array, training: bool = True, **state: Any) -> Array:
        self._made = self._layer(x)
        self._state = LayerState(self._params(), training=training, **state)
        y, self._cache = self._made.forward(x, self._state)
        return y

    def _back(self, dout: Array) -> tuple[Array, dict[str, Array]]:
        return self._made.backward(dout, self._state, self._cache)


class Relu(_Book):
    """max(0, x)."""

    def _layer(self, x: Array) -> Layer:
        return ReLU()

    def forward(self, x: Array) -> Array:
        return self._run(x)

    def backward(self, dout: Array) -> Array:
        return self._back(dout)[0]


class Sigmoid(Relu):
    """The logistic function."""

    def _layer(self, x: Array) -> Layer:
        return ScratchSigmoid()


class Affine(_Book):
    """x W + b, with images made rows."""

    def __init__(self, W: Array, b: Array) -> None:
        self.W, self.b = W, b
        self.dW: Array | None = None
        self.db: Array | None = None

    def _layer(self, x: Array) -> Layer:
        return Dense(*self.W.shape)

    def _params(self) -> dict[str, Array]:
        return {"W": self.W, "b": self.b}

    def forward(self, x: Array) -> Array:
        self._shape = x.shape
        return self._run(x.reshape(len(x), -1))

    def backward(self, dout: Array) -> Array:
        dx, grads = self._back(dout)
        self.dW, self.db = grads["W"], grads["b"]
        return dx.reshape(self._shape)


class Convolution(Affine):
    """Of kernels (FN, C, FH, FW)."""

    def __init__(self, W: Array, b: Array, stride: int = 1, pad: int = 0) -> None:
        super().__init__(W, b)
        self.stride, self.pad = stride, pad

    def _layer(self, x: Array) -> Layer:
        n, c, h, w = self.W.shape
        return Conv2D(c, n, (h, w), self.stride, self.pad)

    def _params(self) -> dict[str, Array]:
        return {"W": np.ascontiguousarray(self.W.transpose(2, 3, 1, 0)), "b": self.b}

    def forward(self, x: Array) -> Array:
        return self._run(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

    def backward(self, dout: Array) -> Array:
        dx, grads = self._back(dout.transpose(0, 2, 3, 1))
        self.dW, self.db = grads["W"].transpose(3, 2, 0, 1), grads["b"]
        return dx.transpose(0, 3, 1, 2)


class Pooling(_Book):
    """Maxima of windows."""

    def __init__(self, pool_h: int, pool_w: int, stride: int = 1, pad: int = 0) -> None:
        self.pool_h, self.pool_w, self.stride, self.pad = pool_h, pool_w, stride, pad

    def _layer(self, x: Array) -> Layer:
        return MaxPool2D((self.pool_h, self.pool_w), self.stride)

    def forward(self, x: Array) -> Array:
        return self._run(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

    def backward(self, dout: Array) -> Array:
        return self._back(dout.transpose(0, 2, 3, 1))[0].transpose(0, 3, 1, 2)


class Dropout:
    """Not inverted: the book scales at test time."""

    def __init__(self, dropout_ratio: float = 0.5) -> None:
        self.dropout_ratio = dropout_ratio
        self.mask: Array | None = None

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        if not train_flg:
            return x * (1.0 - self.dropout_ratio)
        self.mask = np.random.rand(*x.shape) > self.dropout_ratio  # noqa: NPY002  (so that its draws are the planned ones)
        return x * self.mask

    def backward(self, dout: Array) -> Array:
        return dout * self.mask


class BatchNormalization(_Book):
    """Over the examples; images are made rows."""

    def __init__(
        self, gamma: Array, beta: Array, momentum: float = 0.9, running_mean: Any = None, running_var: Any = None
    ) -> None:
        self.gamma, self.beta, self.momentum = gamma, beta, momentum
        self.running_mean, self.running_var = running_mean, running_var
        self.dgamma: Array | None = None
        self.dbeta: Array | None = None

    def _layer(self, x: Array) -> Layer:
        return BatchNorm(x.shape[1], self.momentum, EPSILON)

    def _params(self) -> dict[str, Array]:
        return {"gamma": self.gamma, "beta": self.beta}

    def forward(self, x: Array, train_flg: bool = True) -> Array:
        self._shape = x.shape
        rows = x.reshape(len(x), -1)
        kept = {"running_mean": self.running_mean, "running_var": self.running_var}
        kept = {n: np.zeros(rows.shape[1]) if a is None else a for n, a in kept.items()}
        y = self._run(rows, train_flg, buffers=kept)
        self.running_mean, self.running_var = kept["running_mean"], kept["running_var"]
        return y.reshape(self._shape)

    def backward(self, dout: Array) -> Array:
        dx, grads = self._back(dout.reshape(len(dout), -1))
        self.dgamma, self.dbeta = grads["gamma"], grads["beta"]
        return dx.reshape(self._shape)


class SoftmaxWithLoss:
    """The mean cross-entropy of logits; targets are class numbers or one-hot rows."""

    def __init__(self) -> None:
        self.loss: Any = None
        self.y: Array | None = None
        self.t: Array | None = None

    def forward(self, x: Array, t: Array) -> Any:
        self._target = np.eye(x.shape[1])[t] if np.ndim(t) == 1 else np.asarray(t, dtype=x.dtype)
        self.loss, self._cache = SoftmaxCrossEntropy().forward(x, self._target)
        self.y, self.t = SoftmaxCrossEntropy().probabilities(x), t
        return self.loss

    def backward(self, dout: float = 1) -> Array:
        return dout * SoftmaxCrossEntropy().backward(self._target, self._cache)


def numerical_gradient(f: Any, x: Array) -> Array:
    """Central differences of f, which reads x (the book's `common.gradient`)."""
    h, grad = 1e-4, np.zeros_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        values = []
        for x[index] in (kept + h, kept - h):
            values.append(f(x))
        x[index] = kept
        grad[index] = (values[0] - values[1]) / (2 * h)
    return grad


LAYERS: dict[str, Any] = {
    c.__name__: c
    for c in (Relu, Sigmoid, Affine, Convolution, Pooling, Dropout, BatchNormalization, SoftmaxWithLoss, numerical_gradient)
}  # fmt: skip
"""By the names under which files import them."""
