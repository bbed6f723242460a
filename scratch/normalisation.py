"""Normalisation within one example: over all its features, over groups of its channels, and by neighbouring channels.

Layer norm (Ba et al. 2016) and group norm (Wu & He 2018) are batch norm's formula over another set of K elements, the same in
training and evaluation. Layer norm: the features of one row, or of one pixel or step, K = n. Group norm: in one image, every pixel of
one group of neighbouring channels, K = h w n / groups; one group for each channel is instance norm. In such a set

    mu = 1/K sum_k x_k        v = 1/K sum_k (x_k - mu)^2        s = sqrt(v + eps)
    n_k = (x_k - mu) / s      y_k = gamma n_k + beta            gamma, beta: one for each feature or channel

Backward. With dn = gamma dy the three paths, direct, through v and through mu, add up as in `scratch.batchnorm`:

    dx_k = 1/s (dn_k - mean_j dn_j - n_k mean_j dn_j n_j)

What differs is gamma: it varies within the set, so dn is formed before the means; and dgamma = sum dy n, dbeta = sum dy run over all
examples and pixels, which are not the axes of the means.

Local response norm (Krizhevsky et al. 2012) has nothing to learn. In each pixel, with the `size` channels around channel i (fewer
at both ends), N(i):

    d_i = k + alpha sum_(j in N(i)) x_j^2        y_i = x_i d_i^-beta

x_j reaches y_j directly, and through d_i every y_i that has j as neighbour. As i is j's neighbour where j is i's, the sum runs over N(j):

    dd_i = -beta dy_i x_i d_i^(-beta - 1) = -beta dy_i y_i / d_i            dd_i/dx_j = 2 alpha x_j

    dx_j = dy_j d_j^-beta - 2 alpha beta x_j sum_(i in N(j)) dy_i y_i / d_i
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scratch.layer import Array, Layer, LayerState, require
from scratch.windows import check_image

Mean = Callable[[Array], Array]
"""Each element's mean over the set that it is normalised in: of an array's shape, or with axes of length 1."""


def _normalised(x: Array, mean: Mean, epsilon: float) -> tuple[Array, Array]:
    """n, of x's shape, and s, of the means' shape."""
    centred = x - mean(x)
    s = np.sqrt(mean(centred**2) + epsilon)
    centred /= s
    return centred, s


def _through_statistics(dn: Array, n: Array, s: Array, mean: Mean) -> Array:
    """dx from dn: the three paths."""
    return (dn - mean(dn) - n * mean(dn * n)) / s


def _over_features(a: Array) -> Array:
    return a.mean(axis=-1, keepdims=True)


def _check(name: str, n: int, epsilon: float) -> None:
    require(n > 0, f"{name}({n}): the number of features must be positive")
    require(epsilon >= 0, f"{name}: epsilon must not be negative, not {epsilon}")


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Each row, pixel or step normalised over its features, with a scale and a shift for each feature.

    Parameters
    ----------
    n : int
        Number of features: the length of the last axis.
    epsilon : float
        Added to the variance under the root.

    Notes
    -----
    Input (m, n), (m, steps, n) or (m, h, w, n), output likewise. Parameters `gamma`, `beta` of shape (n,).
    """

    n: int
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check("LayerNorm", self.n, self.epsilon)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"gamma": (self.n,), "beta": (self.n,)}

    def forward(self, x: Array, state: LayerState) -> tuple[Array, tuple[Array, Array]]:
        require(x.ndim >= 2 and x.shape[-1] == self.n, f"LayerNorm({self.n}): input has shape {x.shape}")
        normalised, s = _normalised(x, _over_features, self.epsilon)
        y = normalised * state.params["gamma"]
        y += state.params["beta"]
        return y, (normalised, s)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        (normalised, s), dy = cache, upstream
        examples = tuple(range(dy.ndim - 1))
        grads = {"gamma": (dy * normalised).sum(axis=examples), "beta": dy.sum(axis=examples)}
        return _through_statistics(dy * state.params["gamma"], normalised, s, _over_features), grads


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Each image normalised over the pixels of each group of channels, with a scale and a shift for each channel.

    Parameters
    ----------
    n : int
        Number of channels.
    groups : int
        Blocks of n / groups neighbouring channels with common statistics; n of them is instance norm.
    epsilon : float
        Added to the variance under the root.

    Notes
    -----
    Input and output (m, h, w, n). Parameters `gamma`, `beta` of shape (n,).
    """

    n: int
    groups: int
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check("GroupNorm", self.n, self.epsilon)
        divides = self.groups > 0 and self.n % self.groups == 0
        require(divides, f"GroupNorm({self.n}): {self.groups} groups do not divide the channels")

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"gamma": (self.n,), "beta": (self.n,)}

    def forward(self, x: Array, state: LayerState) -> tuple[Array, tuple[Array, Array]]:
        check_image(x.shape, self.n, f"GroupNorm({self.n}, {self.groups})")
        normalised, s = _normalised(x, self._over_groups, self.epsilon)
        y = normalised * state.params["gamma"]
        y += state.params["beta"]
        return y, (normalised, s)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        (normalised, s), dy = cache, upstream
        grads = {"gamma": (dy * normalised).sum(axis=(0, 1, 2)), "beta": dy.sum(axis=(0, 1, 2))}
        return _through_statistics(dy * state.params["gamma"], normalised, s, self._over_groups), grads

    def _over_groups(self, images: Array) -> Array:
        """(m, 1, 1, n): at each channel its group's mean, which is the mean of its channels' means."""
        channels = images.mean(axis=(1, 2)).reshape(len(images), self.groups, -1)
        return channels.mean(axis=2).repeat(self.n // self.groups, axis=1)[:, None, None]


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """y_i = x_i / (k + alpha sum x_j^2)^beta, the sum over the `size` channels around channel i.

    Parameters
    ----------
    size : int
        Channels in the sum; odd, so that as many lie before channel i as after it.
    alpha, beta, k : float
        AlexNet's by default. alpha multiplies the sum, not the mean (torch).

    Notes
    -----
    Input and output (m, h, w, c). No parameters.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        odd = self.size > 0 and self.size % 2 == 1
        require(odd, f"LocalResponseNorm: size must be a positive odd number, not {self.size}")
        positive = self.alpha >= 0 and self.beta >= 0 and self.k > 0
        require(positive, "LocalResponseNorm: k must be positive, alpha and beta must not be negative")

    def forward(self, x: Array, state: LayerState) -> tuple[Array, tuple[Array, Array, Array]]:
        check_image(x.shape, None, "LocalResponseNorm")
        d = self._over_neighbours(x**2)
        d *= self.alpha
        d += self.k
        power = d**-self.beta
        return x * power, (x, d, power)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        (x, d, power), dy = cache, upstream
        direct = dy * power
        through = self._over_neighbours(direct * x / d)
        return direct - 2 * self.alpha * self.beta * x * through, {}

    def _over_neighbours(self, a: Array) -> Array:
        """In each channel the sum over it and its neighbours. Shifted images are added: differences of running sums cancel."""
        total = a.copy()
        for apart in range(1, min(self.size // 2, a.shape[-1] - 1) + 1):
            total[..., apart:] += a[..., :-apart]
            total[..., :-apart] += a[..., apart:]
        return total
