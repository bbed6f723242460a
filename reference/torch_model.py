"""Somebody's `torch.nn.Module`, read layer by layer; see `reference.model`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from reference.model import Draw, Drop, ModelLayer, UnknownLayer
from reference.torch_dropping import Dropping, without_attention_dropout
from scratch.layer import Array, require
from scratch.weights import Arrays

Axes = tuple[int, ...]
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_RECURRENT = {nn.RNN: ("rnn", 1), nn.LSTM: ("lstm", 4), nn.GRU: ("gru", 3)}
_CONVOLUTIONS = {nn.Conv1d: "conv1d", nn.Conv2d: "conv2d", nn.Conv3d: "conv3d"}
_TRANSPOSED = {
    nn.ConvTranspose1d: "conv1d_transpose",
    nn.ConvTranspose2d: "conv2d_transpose",
    nn.ConvTranspose3d: "conv3d_transpose",
}
_CHANNELS_FIRST = (*_CONVOLUTIONS, *_TRANSPOSED, *_NORMS, nn.GroupNorm)
_TIMED = (*_RECURRENT, nn.MultiheadAttention)
_SLOPES = {nn.LeakyReLU: ("leaky_relu", "negative_slope"), nn.ELU: ("elu", "alpha")}
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
    time_first : bool
        Whether it is given sequences as (T, m, n), as its recurrent layers without `batch_first` want them.

    Raises
    ------
    UnknownLayer
        For a layer with parameters that has no known counterpart.
    """

    framework = "torch"
    headless = False
    random: tuple[str, ...] = ()

    def __init__(self, module: nn.Module, example: Array, dtype: str, time_first: bool = False) -> None:
        self.module = _unstacked(copy.deepcopy(module)).to(getattr(torch, dtype)).cpu()
        self._time_first = time_first and 2 <= example.ndim <= 3
        for m in self.module.modules():
            if hasattr(m, "inplace"):
                m.inplace = False  # it would write over the output of the layer before
        self._named = {m: name.replace(".", "_") or "model" for name, m in self.module.named_modules()}
        self.inside: dict[str, tuple[float, float]] = {}
        without_attention_dropout(self.module)
        self._modules: list[nn.Module] = []
        self._padded: dict[nn.Module, Callable[[], None]] = {}
        self._flattened: dict[nn.Module, tuple[int, ...]] = {}
        first = next((m for m in self.module.modules() if _has_parameters(m)), None)
        self._turned = example.ndim >= 4 or (example.ndim == 3 and isinstance(first, nn.Conv1d))
        self.module.eval()
        # With gradients, as without them an encoder layer takes a short cut past its own layers.
        self._forward(self._entering(example, dtype), self._noted)
        self.drops: tuple[Drop, ...] = tuple(self._dropping.drops)
        self.layers = [ModelLayer(self._named[m], *_described(m)) for m in self._modules]
        sloping = [m for m in self.module.modules() if type(m) in _SLOPES]
        self.activations = [
            ModelLayer(self._named[m], _SLOPES[type(m)][0], {"slope": getattr(m, _SLOPES[type(m)][1])}) for m in sloping
        ]

    def _noted(self, module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(module, nn.Linear):
            shape = self._flattening.shape_of(given[0])
            if shape is not None:
                self._flattened[module] = shape
        if _has_parameters(module):
            if module not in self._modules:
                self._modules.append(module)
            self._flattening.channels_first = isinstance(module, _CHANNELS_FIRST)

    def _forward(self, x: Tensor, seen: Callable[[nn.Module, Any, Any], Any]) -> Tensor:
        self._flattening = _Flattening(self._turned)
        self._dropping = Dropping(self.module.training)
        leaves = [m for m in self._named if _has_parameters(m) or not list(m.children())]
        hooks = [m.register_forward_hook(seen) for m in leaves]
        hooks += [m.register_forward_pre_hook(self._running) for m in leaves]
        hooks += [m.register_forward_hook(self._ran) for m in leaves]
        try:
            with self._flattening, self._dropping:
                return _first(self.module(x))
        finally:
            for hook in hooks:
                hook.remove()

    def _running(self, module: nn.Module, given: Any) -> None:
        self._dropping.running = self._named[module]

    def _ran(self, module: nn.Module, given: Any, output: Any) -> None:
        self._dropping.running = ""
        if _has_parameters(module):
            self._dropping.last = self._named[module]

    def _entering(self, x: Array, dtype: str) -> Tensor:
        """Images to channels first; whole numbers stay."""
        array = x if x.dtype.kind in "iu" else x.astype(dtype)
        if self._time_first:
            return torch.from_numpy(np.array(array.swapaxes(0, 1), order="C"))
        return torch.from_numpy(np.array(np.moveaxis(array, -1, 1) if self._turned else array, order="C"))

    def _arrays(self) -> Iterator[tuple[str, str, Tensor, Callable[[Array], Array], Callable[[Array], Array]]]:
        """Layer, name, tensor, and the ways to scratch's layout and back."""
        for module, layer in zip(self._modules, self.layers, strict=True):
            for name, tensor, out, back in _places(module, self._flattened.get(module)):
                yield layer.name, name, tensor, out, back

    def read(self) -> Arrays:
        """Parameters and running averages by layer and name; the two biases of a recurrent layer as their sum."""
        arrays: Arrays = {}
        for layer, name, tensor, out, _ in self._arrays():
            arrays.setdefault(layer, {})[name] = np.array(out(tensor.detach().numpy()), order="C")
        for module, direction, second in self._second_biases():
            arrays[self._named[module]][f"b{direction}"] += second.detach().numpy()
        return arrays

    def _second_biases(self) -> Iterator[tuple[nn.Module, str, Tensor]]:
        """What RNN and LSTM add to their bias, by direction: with nothing between the two, only the sum counts."""
        for module in self._modules:
            if isinstance(module, nn.RNN | nn.LSTM) and module.bias:
                for direction in _directions(module):
                    yield module, direction, module.get_parameter(f"bias_hh_l0{direction}")

    def write(self, arrays: Arrays) -> None:
        """Set them; the second bias of a recurrent layer becomes 0."""
        with torch.no_grad():
            for _, _, second in self._second_biases():
                second.zero_()
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
        ends: dict[str, Tensor] = {}
        self.entering: dict[str, Array] = {}
        before = self.read()

        def keep(module: nn.Module, given: Any, output: Any) -> Any:
            first = _first(output)
            if not _has_parameters(module) or self._named[module] in outputs:
                return None
            if first.requires_grad:
                first.retain_grad()
                if isinstance(module, tuple(_RECURRENT)):
                    ends[self._named[module]] = end = output[1][0] if isinstance(output[1], tuple) else output[1]
                    end.retain_grad()
            outputs[self._named[module]] = (module, first)
            self.entering[self._named[module]] = _leaving(given[0], module)
            values[self._named[module]] = first.numel() // first.shape[1]
            # The model goes on with a copy, as it may write over it: `out += self.shortcut(x)`.
            return (first.clone(), *output[1:]) if isinstance(output, tuple) else first.clone()

        inputs = self._entering(x, str(next(self.module.parameters()).dtype).removeprefix("torch."))
        whole = not inputs.is_floating_point()
        output = self._forward(inputs if whole else inputs.requires_grad_(), keep)
        last = next(reversed(outputs.values()))
        if self.headless:
            output = last[1]
        there, back = self._outside(output, last)
        leaving = np.array(there(output.detach().numpy()), order="C")
        upstream = torch.from_numpy(np.ascontiguousarray(back(draw(leaving.shape).astype(leaving.dtype))))
        (output * upstream).sum().backward()
        tensors = {f"forward/{name}": _leaving(t, m) for name, (m, t) in outputs.items()} | {"forward/output": leaving}
        for name, (module, t) in reversed(outputs.items()):
            if t.grad is not None:
                tensors[f"grad/{name}.output"] = _leaving(t.grad, module)
            elif name in ends and (last_states := ends[name].grad) is not None:
                # Of the sequence nothing is used but its last states, which torch returns beside it.
                tensors[f"grad/{name}.output"] = np.concatenate(list(last_states.numpy()), axis=-1)
            for layer, p, tensor, out, _ in self._arrays():
                if layer == name and tensor.grad is not None:
                    tensors[f"grad/{name}.{p}"] = np.array(out(tensor.grad.numpy()), order="C")
        if not whole and inputs.grad is not None:
            grad = inputs.grad.numpy()
            grad = grad.swapaxes(0, 1) if self._time_first else np.moveaxis(grad, 1, -1) if self._turned else grad
            tensors["grad/model.input"] = np.array(grad, order="C")
        return tensors | (self._buffers(before, values) if training else {})

    def _outside(self, output: Tensor, last: tuple[nn.Module, Tensor]) -> tuple[Way, Way]:
        """The ways of the model's output into scratch's layout and back: channels last, examples first."""
        module, own = last
        if output.ndim >= 4 or (
            output.ndim == 3 and isinstance(module, _CHANNELS_FIRST) and output.shape[1] == own.shape[1]
        ):
            return lambda a: np.moveaxis(a, 1, -1), lambda a: np.moveaxis(a, -1, 1)
        if output.ndim == 3 and self._time_first:
            return _swapped, _swapped
        return _same, _same

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
        """Change a setting of a layer: `epsilon`, `momentum`, `batch_first` or `slope`."""
        module = next(m for m, name in self._named.items() if name == layer)
        if setting == "slope":
            setattr(module, _SLOPES[type(module)][1], value)
            return
        if setting == "batch_first":
            module.batch_first = value
            return
        if setting == "padding":
            self._padded.pop(module, lambda: None)()
            module.padding = (0,) * len(module.kernel_size) if value == "same" else value
            if value == "same":
                self._padded[module] = module.register_forward_pre_hook(_pad_as_keras).remove
            return
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
        self._last: list[Tensor] = []

    def _channels_last(self, func: Any, args: Any, given: Tensor, result: Tensor) -> bool:
        """Whether images have been moved to channels last, or were before something that keeps their shape."""
        if any(given is known for known in self._last):
            return given.shape == result.shape
        name, moves = getattr(func, "__name__", ""), [a for a in args[1:] if isinstance(a, int | tuple | list)]
        axes = [n for a in moves for n in (a if isinstance(a, tuple | list) else (a,))]
        axes = [n % given.ndim for n in axes if isinstance(n, int)]
        if name == "permute":
            return axes == [0, *range(2, given.ndim), 1]
        if name in ("movedim", "moveaxis"):
            return axes == [1, given.ndim - 1]
        return name in ("transpose", "swapaxes") and given.ndim == 3 and sorted(axes) == [1, 2] and self.channels_first

    def shape_of(self, rows: Tensor) -> tuple[int, ...] | None:
        """Shape (c, ...) of the images that these rows were."""
        return next((shape for known, shape in self._rows if known is rows), None)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function; note what it flattened."""
        result = func(*args, **(kwargs or {}))
        given = args[0] if args else None
        both = isinstance(result, Tensor) and isinstance(given, Tensor) and given.ndim == result.ndim >= 3
        if both and self._channels_last(func, args, given, result):
            self._last.append(result)
            return result
        if any(given is known for known in self._last):
            return result  # its rows stand as Keras has them
        if isinstance(result, Tensor) and result.ndim == 2 and isinstance(given, Tensor) and len(given) == len(result):
            image = given.ndim >= 4 or (given.ndim == 3 and self.channels_first)
            if image and given.numel() == result.numel():
                self._rows.append((result, tuple(given.shape[1:])))
            elif given.shape == result.shape and (shape := self.shape_of(given)):
                self._rows.append((result, shape))  # an activation or dropout between flattening and the dense layer
        return result


def _has_parameters(module: nn.Module) -> bool:
    return isinstance(module, (*_RECURRENT, nn.MultiheadAttention)) or bool(list(module.parameters(recurse=False)))


def _pad_as_keras(module: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Zeros as 'same' wants them: as few as let every stride start inside, and the odd one behind."""
    x, pads = given[0], []
    for n, k, s, d in zip(x.shape[2:], module.kernel_size, module.stride, module.dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return (nn.functional.pad(x, [side for both in reversed(pads) for side in both]),)


def _first(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _leaving(t: Tensor, module: nn.Module) -> Array:
    """What a layer gives in scratch's layout: images to channels last, sequences to examples first."""
    a = t.detach().numpy()
    if isinstance(module, _TIMED) and a.ndim == 3 and not module.batch_first:
        return np.array(a.swapaxes(0, 1), order="C")
    return np.array(np.moveaxis(a, 1, -1) if isinstance(module, _CHANNELS_FIRST) and a.ndim >= 3 else a, order="C")


class _Stack(nn.Module):
    """A recurrent layer of several layers as that many layers of one, so that each can be watched.

    Parameters
    ----------
    stack : nn.RNN, nn.LSTM or nn.GRU
        With its weights; in every direction the same.
    """

    def __init__(self, stack: Any) -> None:
        super().__init__()
        self.batch_first, self.dropout = stack.batch_first, nn.Dropout(stack.dropout)
        self.hidden_size, self.num_layers, self.bidirectional = stack.hidden_size, stack.num_layers, stack.bidirectional
        directions = _directions(stack)
        for k in range(stack.num_layers):
            n_in = stack.input_size if k == 0 else stack.hidden_size * len(directions)
            more = {"nonlinearity": stack.nonlinearity} if isinstance(stack, nn.RNN) else {}
            one = type(stack)(
                n_in,
                stack.hidden_size,
                bias=stack.bias,
                batch_first=stack.batch_first,
                bidirectional=stack.bidirectional,
                **more,
            )
            for name, parameter in one.named_parameters():
                with torch.no_grad():
                    parameter.copy_(stack.get_parameter(name.replace("_l0", f"_l{k}")))
            self.add_module(f"l{k}", one)
        self.train(stack.training)

    def forward(self, x: Tensor, states: Any = None) -> Any:
        """As the stack: the last layer's states, and the last states of all."""
        ends, n = [], 2 if self.bidirectional else 1
        for k in range(self.num_layers):
            start = None
            if states is not None:
                rows = slice(k * n, (k + 1) * n)
                start = tuple(s[rows] for s in states) if isinstance(states, tuple) else states[rows]
            x, end = self.get_submodule(f"l{k}")(x if k == 0 else self.dropout(x), start)
            ends.append(end)
        if isinstance(ends[0], tuple):
            return x, tuple(torch.cat(parts) for parts in zip(*ends, strict=True))
        return x, torch.cat(ends)


def _unstacked(module: nn.Module) -> nn.Module:
    """The module with every stack of recurrent layers taken apart."""
    if isinstance(module, nn.RNN | nn.LSTM | nn.GRU) and module.num_layers > 1 and not module.proj_size:
        return _Stack(module)
    for name, child in module.named_children():
        setattr(module, name, _unstacked(child))
    return module


def _directions(module: Any) -> tuple[str, ...]:
    return ("", "_reverse") if module.bidirectional else ("",)


def _described(module: nn.Module) -> tuple[str, dict[str, Any]]:
    """Kind and settings."""
    if isinstance(module, nn.Linear):
        return "dense", {"units": module.out_features}
    for convolution, kind in _CONVOLUTIONS.items():
        if isinstance(module, convolution):
            return kind, {
                "kernel": tuple(module.kernel_size), "stride": tuple(module.stride),
                "dilation": tuple(module.dilation), "filters": module.out_channels, "groups": module.groups,
                "padding": module.padding if isinstance(module.padding, str) or any(module.padding) else "valid",
            }  # fmt: skip
    for transposed, kind in _TRANSPOSED.items():
        if isinstance(module, transposed):
            return kind, {
                "kernel": tuple(module.kernel_size),
                "stride": tuple(module.stride),
                "filters": module.out_channels,
            }
    if isinstance(module, _NORMS):
        kept = None if module.momentum is None else round(1 - module.momentum, 12)
        return "batchnorm", {"epsilon": module.eps, "momentum": kept}
    if isinstance(module, nn.LayerNorm):
        return "layernorm", {"epsilon": module.eps}
    if isinstance(module, nn.GroupNorm):
        return "groupnorm", {"epsilon": module.eps, "groups": module.num_groups}
    if isinstance(module, nn.Embedding):
        return "embedding", {"tokens": module.num_embeddings, "units": module.embedding_dim}
    if isinstance(module, nn.MultiheadAttention):
        if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
            raise UnknownLayer("MultiheadAttention: only with queries, keys and values of one size is it compared")
        size = module.embed_dim // module.num_heads
        return "attention", {"heads": module.num_heads, "key_dim": size, "batch_first": module.batch_first}
    for recurrent, (kind, _) in _RECURRENT.items():
        if isinstance(module, recurrent):
            if getattr(module, "proj_size", 0):
                raise UnknownLayer(f"{type(module).__name__} with proj_size has no counterpart in Keras")
            settings = {
                "units": module.hidden_size,
                "activation": getattr(module, "nonlinearity", "tanh"),
                "batch_first": module.batch_first,
            }
            settings |= {} if kind == "rnn" else {"recurrent_activation": "sigmoid"}
            settings |= {"reset_after": True} if kind == "gru" else {}
            return ("bidirectional " if module.bidirectional else "") + kind, settings
    raise UnknownLayer(f"{type(module).__name__} has parameters, but no counterpart in Keras that is known here")


Way = Callable[[Array], Array]
Place = tuple[str, Tensor, Way, Way]


def _moved(to: Axes) -> tuple[Way, Way]:
    return lambda a: a.transpose(to), lambda a: a.transpose(tuple(np.argsort(to)))


def _swapped(a: Array) -> Array:
    return a.swapaxes(0, 1)


def _same(a: Array) -> Array:
    return a


def _places(module: nn.Module, image: tuple[int, ...] | None) -> Iterator[Place]:
    """Scratch's name of each array, the tensor, and the ways between the layouts."""
    if isinstance(module, tuple(_RECURRENT)):
        for direction in _directions(module):
            yield from _recurrent_places(module, direction)
        return
    if isinstance(module, nn.MultiheadAttention):
        yield from _attention_places(module)
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


def _weight_ways(module: nn.Module, image: tuple[int, ...] | None) -> tuple[Way, Way]:
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
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        axes = tuple(range(2, 2 + len(module.kernel_size)))
        return _moved((*axes, 1, 0))
    return _same, _same


def _recurrent_places(module: Any, direction: str) -> Iterator[Place]:
    gates = _RECURRENT[type(module)][1]
    order = _GRU if isinstance(module, nn.GRU) else tuple(range(gates))

    def out(a: Array) -> Array:
        blocks = np.split(a.T if a.ndim == 2 else a, gates, axis=-1)
        return np.concatenate([blocks[k] for k in order], axis=-1)

    def back(a: Array) -> Array:
        blocks = np.split(a, gates, axis=-1)
        joined = np.concatenate([blocks[int(k)] for k in np.argsort(order)], axis=-1)
        return joined.T if joined.ndim == 2 else joined

    def place(name: str, there: str) -> Place:
        return name + direction, module.get_parameter(f"{there}_l0{direction}"), out, back

    yield place("W", "weight_ih")
    yield place("U", "weight_hh")
    if module.bias:
        yield place("b", "bias_ih")
        if isinstance(module, nn.GRU):
            yield place("b_recurrent", "bias_hh")


def _attention_places(module: nn.MultiheadAttention) -> Iterator[Place]:
    """Queries, keys and values apart: torch has them in one array, Keras in three."""
    n = module.embed_dim
    assert module.in_proj_weight is not None
    for k, letter in enumerate("qkv"):
        rows = slice(k * n, (k + 1) * n)
        yield f"W_{letter}", module.in_proj_weight, *_part(module.in_proj_weight, rows)
        if module.in_proj_bias is not None:
            yield f"b_{letter}", module.in_proj_bias, *_part(module.in_proj_bias, rows)
    yield "W_o", module.out_proj.weight, *_moved((1, 0))
    if module.out_proj.bias is not None:
        yield "b_o", module.out_proj.bias, _same, _same


def _part(whole: Tensor, rows: slice) -> tuple[Way, Way]:
    """Some rows of an array, transposed; back, into the array as it is."""

    def back(a: Array) -> Array:
        held = whole.detach().numpy().copy()
        held[rows] = a.T
        return held

    return lambda a: a[rows].T, back
