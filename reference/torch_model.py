"""Somebody's `torch.nn.Module`, read layer by layer; see `reference.model`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from reference.model import Draw, ModelLayer, UnknownLayer
from scratch.layer import Array, require
from scratch.weights import Arrays

Axes = tuple[int, ...]
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_RECURRENT = {nn.RNN: ("rnn", 1), nn.LSTM: ("lstm", 4), nn.GRU: ("gru", 3)}
_CONVOLUTIONS = {nn.Conv1d: "conv1d", nn.Conv2d: "conv2d", nn.Conv3d: "conv3d"}
_CHANNELS_FIRST = (*_CONVOLUTIONS, nn.ConvTranspose2d, *_NORMS, nn.GroupNorm)
_GRU = (1, 0, 2)
"""torch has the gates r, z, n; scratch z, r, n."""


class TorchModel:
    """A copy of a module in one precision.

    Parameters
    ----------
    module : nn.Module
    example : ndarray
        An input, images in (m, h, w, c): with it the order of the layers is found out.
    dtype : {"float64", "float32"}

    Raises
    ------
    UnknownLayer
        For a layer with parameters that has no known counterpart.
    """

    framework = "torch"

    def __init__(self, module: nn.Module, example: Array, dtype: str) -> None:
        self.module = copy.deepcopy(module).to(getattr(torch, dtype)).cpu()
        for m in self.module.modules():
            if hasattr(m, "inplace"):
                m.inplace = False  # it would write over the output of the layer before
        self._named = {m: name.replace(".", "_") or "model" for name, m in self.module.named_modules()}
        self.random = tuple(n for m, n in self._named.items() if type(m).__name__.find("Dropout") >= 0 and m.p > 0)
        self._modules: list[nn.Module] = []
        self._flattened: dict[nn.Module, tuple[int, ...]] = {}
        first = next((m for m in self.module.modules() if _has_parameters(m)), None)
        self._turned = example.ndim >= 4 or (example.ndim == 3 and isinstance(first, nn.Conv1d))
        self.module.eval()
        with torch.no_grad():
            self._forward(self._entering(example, dtype), self._noted)
        self.layers = [ModelLayer(self._named[m], *_described(m)) for m in self._modules]

    def _noted(self, module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(module, nn.Linear):
            shape = self._flattening.shape_of(given[0])
            if shape is not None:
                self._flattened[module] = shape
        if _has_parameters(module):
            if module not in self._modules:
                self._modules.append(module)
            self._flattening.channels_first = isinstance(module, _CHANNELS_FIRST)

    def _forward(self, x: Tensor, seen: Callable[[nn.Module, Any, Any], None]) -> Tensor:
        self._flattening = _Flattening(self._turned)
        leaves = [m for m in self._named if _has_parameters(m) or not list(m.children())]
        hooks = [m.register_forward_hook(seen) for m in leaves]
        try:
            with self._flattening:
                return _first(self.module(x))
        finally:
            for hook in hooks:
                hook.remove()

    def _entering(self, x: Array, dtype: str) -> Tensor:
        """Images to channels first; whole numbers stay."""
        array = x if x.dtype.kind in "iu" else x.astype(dtype)
        return torch.from_numpy(np.array(np.moveaxis(array, -1, 1) if self._turned else array, order="C"))

    def _arrays(self) -> Iterator[tuple[str, str, Tensor, Callable[[Array], Array], Callable[[Array], Array]]]:
        """Layer, name, tensor, and the ways to scratch's layout and back."""
        for module, layer in zip(self._modules, self.layers, strict=True):
            for name, tensor, out, back in _places(module, self._flattened.get(module)):
                yield layer.name, name, tensor, out, back

    def read(self) -> Arrays:
        """Parameters and running averages by layer and name."""
        arrays: Arrays = {}
        for layer, name, tensor, out, _ in self._arrays():
            arrays.setdefault(layer, {})[name] = np.array(out(tensor.detach().numpy()), order="C")
        return arrays

    def write(self, arrays: Arrays) -> None:
        """Set them; the second bias of a recurrent layer becomes 0."""
        with torch.no_grad():
            for module in self._modules:
                if isinstance(module, nn.RNN | nn.LSTM) and module.bias:
                    module.bias_hh_l0.zero_()
            for layer, name, tensor, _, back in self._arrays():
                array = back(arrays[layer][name])
                shape = tuple(tensor.shape)
                require(array.shape == shape, f"{layer}.{name}: shape {array.shape}, torch has {shape}")
                tensor.copy_(torch.from_numpy(np.array(array, order="C")))

    def differentiate(self, x: Array, draw: Draw, training: bool) -> dict[str, Array]:
        """One pass; see `reference.model.Model`."""
        self.module.train(training).zero_grad()
        outputs: dict[str, tuple[nn.Module, Tensor]] = {}
        values: dict[str, int] = {}
        before = self.read()

        def keep(module: nn.Module, given: Any, output: Any) -> None:
            first = _first(output)
            if _has_parameters(module) and self._named[module] not in outputs:
                if first.requires_grad:
                    first.retain_grad()
                outputs[self._named[module]] = (module, first)
                values[self._named[module]] = first.numel() // first.shape[1]

        inputs = self._entering(x, str(next(self.module.parameters()).dtype).removeprefix("torch."))
        whole = not inputs.is_floating_point()
        output = self._forward(inputs if whole else inputs.requires_grad_(), keep)
        leaving = _leaving(output, None)
        output.backward(torch.from_numpy(_back(draw(leaving.shape).astype(leaving.dtype), output.ndim)))
        tensors = {f"forward/{name}": _leaving(t, m) for name, (m, t) in outputs.items()} | {"forward/output": leaving}
        for name, (module, t) in reversed(outputs.items()):
            if t.grad is not None:
                tensors[f"grad/{name}.output"] = _leaving(t.grad, module)
            for layer, p, tensor, out, _ in self._arrays():
                if layer == name and tensor.grad is not None:
                    tensors[f"grad/{name}.{p}"] = np.array(out(tensor.grad.numpy()), order="C")
        if not whole and inputs.grad is not None:
            grad = inputs.grad.numpy()
            tensors["grad/model.input"] = np.array(np.moveaxis(grad, 1, -1) if self._turned else grad, order="C")
        return tensors | (self._buffers(before, values) if training else {})

    def _buffers(self, before: Arrays, values: dict[str, int]) -> dict[str, Array]:
        """Moved running averages; the variance as Keras has it, of the biased batch variance (`batchnorm-running-variance`)."""
        after, found = self.read(), {}
        for layer in self.layers:
            for name in ("running_mean", "running_var"):
                if name in after.get(layer.name, {}):
                    new, m = after[layer.name][name], values[layer.name]
                    if name == "running_var":
                        kept = layer.settings["momentum"] * before[layer.name][name]
                        new = kept + (new - kept) * ((m - 1) / m)
                    found[f"step1/buffer/{layer.name}.{name}"] = new
        return found

    def set(self, layer: str, setting: str, value: Any) -> None:
        """Change a setting of a normalisation layer: `epsilon` or `momentum`."""
        module = next(m for m, name in self._named.items() if name == layer)
        setattr(module, "eps" if setting == "epsilon" else setting, value if setting == "epsilon" else 1 - value)


class _Flattening(TorchFunctionMode):
    """Notices which rows are flattened images, whatever function flattens them, and of which shape the images were.

    Attributes
    ----------
    channels_first : bool
        Whether the last layer with parameters gave channels first: of three axes alone one cannot tell.
    """

    def __init__(self, channels_first: bool) -> None:
        super().__init__()
        self.channels_first = channels_first
        self._rows: list[tuple[Tensor, tuple[int, ...]]] = []

    def shape_of(self, rows: Tensor) -> tuple[int, ...] | None:
        """Shape (c, ...) of the images that these rows were."""
        return next((shape for known, shape in self._rows if known is rows), None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function; note what it flattened."""
        result = func(*args, **(kwargs or {}))
        given = args[0] if args else None
        if isinstance(result, Tensor) and result.ndim == 2 and isinstance(given, Tensor) and len(given) == len(result):
            image = given.ndim >= 4 or (given.ndim == 3 and self.channels_first)
            if image and given.numel() == result.numel():
                self._rows.append((result, tuple(given.shape[1:])))
            elif given.shape == result.shape and (shape := self.shape_of(given)):
                self._rows.append((result, shape))  # an activation or dropout between flattening and the dense layer
        return result


def _has_parameters(module: nn.Module) -> bool:
    return isinstance(module, (*_RECURRENT, nn.MultiheadAttention)) or bool(list(module.parameters(recurse=False)))


def _first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _back(a: Array, axes: int) -> Array:
    return np.ascontiguousarray(np.moveaxis(a, -1, 1)) if axes >= 4 else a


def _leaving(t: Tensor, module: nn.Module | None) -> Array:
    """A tensor in scratch's layout: images to channels last."""
    a = t.detach().numpy()
    first = a.ndim >= 4 if module is None else isinstance(module, _CHANNELS_FIRST) and a.ndim >= 3
    return np.array(np.moveaxis(a, 1, -1) if first else a, order="C")


def _described(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """Kind and settings."""
    if isinstance(module, nn.Linear):
        return "dense", {"units": module.out_features}
    for convolution, kind in _CONVOLUTIONS.items():
        if isinstance(module, convolution):
            return kind, {
                "kernel": tuple(module.kernel_size), "stride": tuple(module.stride),
                "dilation": tuple(module.dilation), "filters": module.out_channels, "groups": module.groups,
            }  # fmt: skip
    if isinstance(module, nn.ConvTranspose2d):
        return "conv2d_transpose", {"kernel": tuple(module.kernel_size), "stride": tuple(module.stride)}
    if isinstance(module, _NORMS):
        kept = None if module.momentum is None else round(1 - module.momentum, 12)
        return "batchnorm", {"epsilon": module.eps, "momentum": kept}
    if isinstance(module, nn.LayerNorm):
        return "layernorm", {"epsilon": module.eps}
    if isinstance(module, nn.GroupNorm):
        return "groupnorm", {"epsilon": module.eps, "groups": module.num_groups}
    if isinstance(module, nn.Embedding):
        return "embedding", {"tokens": module.num_embeddings, "units": module.embedding_dim}
    for recurrent, (kind, _) in _RECURRENT.items():
        if isinstance(module, recurrent):
            plain = module.num_layers == 1 and not module.bidirectional and not getattr(module, "proj_size", 0)
            if not plain or not module.batch_first:
                raise UnknownLayer(
                    f"{type(module).__name__}: only one layer, one direction and batch_first are compared"
                )
            return kind, {"units": module.hidden_size}
    raise UnknownLayer(f"{type(module).__name__} has parameters, but no counterpart in Keras that is known here")


Place = tuple[str, Tensor, Callable[[Array], Array], Callable[[Array], Array]]


def _moved(to: Axes) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return lambda a: a.transpose(to), lambda a: a.transpose(tuple(np.argsort(to)))


def _same(a: Array) -> Array:
    return a


def _places(module: nn.Module, image: tuple[int, ...] | None) -> Iterator[Place]:
    """Scratch's name of each array, the tensor, and the ways between the layouts."""
    if isinstance(module, tuple(_RECURRENT)):
        yield from _recurrent_places(module)
        return
    norm = isinstance(module, (*_NORMS, nn.LayerNorm, nn.GroupNorm))
    weight = getattr(module, "weight", None)
    if weight is not None:
        yield ("gamma" if norm else "W", weight, *_weight_ways(module, image))
    bias = getattr(module, "bias", None)
    if bias is not None:
        yield "beta" if norm else "b", bias, _same, _same
    if isinstance(module, _NORMS) and module.track_running_stats:
        yield "running_mean", module.running_mean, _same, _same
        yield "running_var", module.running_var, _same, _same


def _weight_ways(
    module: nn.Module, image: tuple[int, ...] | None
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    if isinstance(module, nn.Linear) and image is not None:
        # Behind a flattened image the rows stand in the order (c, h, w); scratch and Keras flatten (h, w, c).
        channels_last = np.arange(int(np.prod(image))).reshape(image)
        rows = np.moveaxis(channels_last, 0, -1).ravel()
        return lambda a: a.T[rows], lambda a: a[np.argsort(rows)].T
    if isinstance(module, nn.Linear):
        return _moved((1, 0))
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        axes = tuple(range(2, 2 + len(module.kernel_size)))
        return _moved((*axes, 1, 0))
    if isinstance(module, nn.ConvTranspose2d):
        return _moved((2, 3, 1, 0))
    return _same, _same


def _recurrent_places(module: Any) -> Iterator[Place]:
    gates = _RECURRENT[type(module)][1]
    order = _GRU if isinstance(module, nn.GRU) else tuple(range(gates))

    def out(a: Array) -> Array:
        blocks = np.split(a.T if a.ndim == 2 else a, gates, axis=-1)
        return np.concatenate([blocks[k] for k in order], axis=-1)

    def back(a: Array) -> Array:
        blocks = np.split(a, gates, axis=-1)
        joined = np.concatenate([blocks[int(k)] for k in np.argsort(order)], axis=-1)
        return joined.T if joined.ndim == 2 else joined

    yield "W", module.weight_ih_l0, out, back
    yield "U", module.weight_hh_l0, out, back
    if module.bias:
        yield "b", module.bias_ih_l0, out, back
        if isinstance(module, nn.GRU):
            yield "b_recurrent", module.bias_hh_l0, out, back
