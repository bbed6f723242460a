"""Scratch layers as torch modules: one function per kind, with the place of every array beside it.

A new kind of layer is one function and one line in `LAYERS` (or one file that adds its line); the twin's loop knows no kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reference.twin import Maps, Unsupported
from scratch.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from scratch.batchnorm import BatchNorm
from scratch.dense import Dense
from scratch.dropout import Dropout
from scratch.layer import Array, Layer, require


def to_tensor(array: Array, dtype: torch.dtype, name: str) -> Tensor:
    """A copy as tensor; never a conversion, which would hide that two implementations got different numbers."""
    # Row-major: torch takes no negative strides. Copied: torch wants writable memory, and must not write to the caller's.
    tensor = torch.from_numpy(np.array(array, order="C"))
    require(tensor.dtype == dtype, f"{name}: is {array.dtype}, but the torch twin was built for {_plain(dtype)}")
    return tensor


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Slot:
    """Where a scratch array lives in a torch module.

    Attributes
    ----------
    module : torch.nn.Module
    attribute : str
        Name of the module's parameter or buffer.
    axes : tuple of int
        Scratch's axes in torch's order; empty where the order is the same.
    """

    module: nn.Module
    attribute: str
    axes: tuple[int, ...] = ()

    @property
    def tensor(self) -> Tensor:
        """The parameter or buffer itself."""
        return getattr(self.module, self.attribute)

    def to_torch(self, array: Array, name: str) -> Tensor:
        """An array in scratch's layout (weight, gradient) as a tensor in torch's; ValueError unless it fits exactly."""
        array = array.transpose(self.axes) if self.axes else array
        shape = tuple(self.tensor.shape)
        require(array.shape == shape, f"{name}: shape {array.shape} in torch's order of axes, where torch has {shape}")
        return to_tensor(array, self.tensor.dtype, name)

    def to_scratch(self, tensor: Tensor) -> Array:
        """A tensor of the parameter's shape (weight, gradient, moment) as a row-major copy in scratch's layout."""
        array = tensor.detach().numpy()
        return np.array(array.transpose(np.argsort(self.axes)) if self.axes else array, order="C")

    def write(self, array: Array, name: str) -> None:
        """Set the parameter or buffer, bit for bit."""
        with torch.no_grad():
            self.tensor.copy_(self.to_torch(array, name))

    def read(self) -> Array:
        """The parameter or buffer, bit for bit."""
        return self.to_scratch(self.tensor)


@dataclass
class LayerTwin:
    """A torch module in the place of a scratch layer.

    Attributes
    ----------
    module : torch.nn.Module
    params, buffers : dict of str to Slot
        By scratch's names.
    """

    module: nn.Module
    params: dict[str, Slot] = field(default_factory=dict)
    buffers: dict[str, Slot] = field(default_factory=dict)

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module in this mode; `mask` is the keep mask of a dropout layer."""
        return self.module.train(training)(x)


def _dense(layer: Dense, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    linear = nn.Linear(layer.n_in, layer.n_out, bias=layer.bias, dtype=dtype)
    params = {"W": Slot(linear, "weight", (1, 0) if maps("dense-layout") else ())}
    return LayerTwin(linear, params | {"b": Slot(linear, "bias")} if layer.bias else params)


@dataclass(kw_only=True)
class BatchNormTwin(LayerTwin):
    """`nn.BatchNorm1d` or `nn.BatchNorm2d`, whose running variance is made to average the biased batch variance.

    Attributes
    ----------
    images : nn.BatchNorm2d
        Takes the place of the module for images, on the module's own parameters and buffers.
    kept : float
        Weight of the past in a new running value.
    maps : callable
    """

    images: nn.BatchNorm2d
    kept: float
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module; in training mode the running variance is corrected as well."""
        if not training:
            return self._normalise(x, training)
        m = x.numel() // x.shape[-1]  # of images, every pixel counts
        if m == 1:
            raise Unsupported("batchnorm-batch-of-one")
        before = self.buffers["running_var"].tensor.clone()
        y = self._normalise(x, training)
        if self.maps("batchnorm-running-variance"):
            self._use_biased_variance(before, m)
        return y

    def _normalise(self, x: Tensor, training: bool) -> Tensor:
        norm = self.images if x.ndim == 4 else self.module
        return norm.train(training)(x.movedim(-1, 1)).movedim(1, -1)

    def _use_biased_variance(self, before: Tensor, m: int) -> None:
        # running = kept + p S/(m - 1), with S the sum of squares; S/m is wanted: the new part times (m - 1)/m, that is
        # less one m-th of itself. It is subtracted, not rebuilt, so that its rounding errors are divided by m too.
        # `data`: autograd keeps the buffer for the backward pass, where training mode does not read it.
        running = self.buffers["running_var"].tensor.data
        running -= (running - self.kept * before) / m


def _batch_norm(layer: BatchNorm, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    maps("channels-axis")
    momentum = 1 - layer.momentum if maps("batchnorm-momentum") else layer.momentum
    norm = nn.BatchNorm1d(layer.n, eps=layer.epsilon, momentum=momentum, dtype=dtype)
    images = nn.BatchNorm2d(layer.n, eps=layer.epsilon, momentum=momentum, dtype=dtype)
    for name in ("weight", "bias", "running_mean", "running_var"):
        setattr(images, name, getattr(norm, name))
    params = {"gamma": Slot(norm, "weight"), "beta": Slot(norm, "bias")}
    buffers = {name: Slot(norm, name) for name in ("running_mean", "running_var")}
    return BatchNormTwin(norm, params, buffers, images=images, kept=1 - momentum, maps=maps)


@dataclass(kw_only=True)
class DropoutTwin(LayerTwin):
    """`nn.Dropout`, with the recorded mask in the place of its own draw."""

    keep_prob: float
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The input in evaluation mode, the masked and rescaled input in training mode."""
        if not training or not self.maps("dropout-mask"):
            return super().forward(x, training, mask)
        require(mask is not None, "Dropout: training needs an injected mask")
        assert mask is not None
        given, shape = tuple(mask.shape), tuple(x.shape)
        require(given == shape, f"Dropout: the mask has shape {given}, the input {shape}")
        # Multiplied, then divided, as scratch does: the other order differs in the last bit.
        return x * mask.to(x.dtype) / self.keep_prob


def _dropout(layer: Dropout, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return DropoutTwin(nn.Dropout(1 - layer.keep_prob), keep_prob=layer.keep_prob, maps=maps)


def _sigmoid(layer: Sigmoid, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return LayerTwin(nn.Sigmoid())


def _tanh(layer: Tanh, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return LayerTwin(nn.Tanh())


def _relu(layer: ReLU, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return LayerTwin(nn.ReLU())


def _leaky_relu(layer: LeakyReLU, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return LayerTwin(nn.LeakyReLU(layer.slope))


def _softmax(layer: Softmax, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return LayerTwin(nn.Softmax(dim=-1))


LAYERS: dict[type[Layer], Callable[[Any, torch.dtype, Maps], LayerTwin]] = {
    Dense: _dense,
    BatchNorm: _batch_norm,
    Dropout: _dropout,
    Sigmoid: _sigmoid,
    Tanh: _tanh,
    ReLU: _relu,
    LeakyReLU: _leaky_relu,
    Softmax: _softmax,
}
