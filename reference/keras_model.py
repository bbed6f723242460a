"""Somebody's Keras model, read layer by layer; see `reference.model`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference.model import Draw, ModelLayer, UnknownLayer
from scratch.layer import Array, require
from scratch.weights import Arrays

_CONVOLUTIONS = {keras.layers.Conv1D: "conv1d", keras.layers.Conv2D: "conv2d", keras.layers.Conv3D: "conv3d"}
_NORMS = {
    keras.layers.BatchNormalization: "batchnorm",
    keras.layers.LayerNormalization: "layernorm",
    keras.layers.GroupNormalization: "groupnorm",
}
_RECURRENT = {keras.layers.SimpleRNN: "rnn", keras.layers.LSTM: "lstm", keras.layers.GRU: "gru"}
_NAMES = {"gamma": "gamma", "beta": "beta", "moving_mean": "running_mean", "moving_variance": "running_var"}


class KerasModel:
    """A copy of a model in one precision.

    Parameters
    ----------
    model : keras.Model
        Sequential, functional, or a class with `get_config`; built.
    example : ndarray
        An input, images in (m, h, w, c): with it the order of the layers is found out.
    dtype : {"float64", "float32"}

    Raises
    ------
    UnknownLayer
        For a layer with parameters that has no known counterpart.
    """

    framework = "tensorflow"

    def __init__(self, model: Any, example: Array, dtype: str) -> None:
        self.model, self.dtype = _in_precision(model, dtype), dtype
        self._run(example, training=False)
        self._by_name = dict(self._seen)
        self.layers = [ModelLayer(_plain(name), *_described(layer)) for name, (layer, _) in self._by_name.items()]
        drawing = (keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.GaussianNoise)
        self.random = tuple(m.name for m in _leaves(self.model) if isinstance(m, drawing))

    def _run(self, x: Array | Any, training: bool) -> Any:
        """Output; what the layers with parameters gave stands in `_seen`, before a fused activation."""
        self._seen: dict[str, tuple[Any, Any]] = {}
        with _watched(self.model, self._seen):
            return self.model(x if tf.is_tensor(x) else tf.constant(_as(x, self.dtype)), training=training)

    def _variables(self) -> Iterator[tuple[str, str, Any]]:
        for name, (layer, _) in self._by_name.items():
            for variable in layer.variables:
                known = _scratch_name(layer, variable)
                if known:
                    yield _plain(name), known, variable

    def read(self) -> Arrays:
        """Parameters and running averages by layer and name."""
        arrays: Arrays = {}
        for layer, name, variable in self._variables():
            for part, a in _parted(name, variable.numpy()):
                arrays.setdefault(layer, {})[part] = np.array(a)
        return arrays

    def write(self, arrays: Arrays) -> None:
        """Set them."""
        for layer, name, variable in self._variables():
            array = _joined(name, arrays[layer], tuple(variable.shape))
            shape = tuple(variable.shape)
            require(array.shape == shape, f"{layer}.{name}: shape {array.shape}, Keras has {shape}")
            variable.assign(array)

    def differentiate(self, x: Array, draw: Draw, training: bool) -> dict[str, Array]:
        """One pass; see `reference.model.Model`."""
        inputs = tf.constant(_as(x, self.dtype))
        whole = x.dtype.kind in "iu"
        with tf.GradientTape() as tape:
            if not whole:
                tape.watch(inputs)
            output = self._run(inputs, training)
        seen = {_plain(name): tensor for name, (_, tensor) in self._seen.items()}
        variables = [(layer, name, v) for layer, name, v in self._variables() if v.trainable]
        sources = [*seen.values(), *(v.value for _, _, v in variables), *([] if whole else [inputs])]
        found = tape.gradient(output, sources, tf.constant(draw(tuple(output.shape)).astype(self.dtype)))
        tensors = {f"forward/{name}": t.numpy() for name, t in seen.items()} | {"forward/output": output.numpy()}
        gradients = dict(zip(seen, found, strict=False))
        of_parameters = list(zip(variables, found[len(seen) :], strict=False))
        for name in reversed(seen):
            if gradients[name] is not None:
                tensors[f"grad/{name}.output"] = gradients[name].numpy()
            for (layer, p, _), g in of_parameters:
                if layer == name and g is not None:
                    dense = tf.convert_to_tensor(g).numpy()
                    tensors |= {f"grad/{name}.{part}": np.array(a) for part, a in _parted(p, dense)}
        if not whole and found[-1] is not None:
            tensors["grad/model.input"] = found[-1].numpy()
        if training:
            tensors |= {f"step1/buffer/{n}.{p}": v.numpy() for n, p, v in self._variables() if p.startswith("running")}
        return tensors

    def set(self, layer: str, setting: str, value: Any) -> None:
        """Change a setting of a normalisation layer: `epsilon` or `momentum`."""
        found = next(known for name, (known, _) in self._by_name.items() if _plain(name) == layer)
        setattr(found, setting, value)


def _plain(name: str) -> str:
    return name.replace(".", "_").replace("/", "_")


def _as(x: Array, dtype: str) -> Array:
    return x if x.dtype.kind in "iu" else x.astype(dtype)


def _in_precision(model: Any, dtype: str) -> Any:
    """A copy in that precision, with the same weights, stochastic state included."""
    config = _with_dtype(model.get_config(), dtype)
    kept = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        copied = type(model).from_config(config)
        if not copied.built:
            copied.build(model.input_shape)
    finally:
        keras.config.set_floatx(kept)
    for mine, theirs in zip(copied.weights, model.weights, strict=True):
        mine.assign(theirs.numpy())
    return copied


def _with_dtype(config: Any, dtype: str) -> Any:
    """A configuration with every precision in it replaced; whole numbers stay."""
    if isinstance(config, list | tuple):
        return type(config)(_with_dtype(c, dtype) for c in config)
    if not isinstance(config, dict):
        return config
    changed = {k: _with_dtype(v, dtype) for k, v in config.items()}
    given = changed.get("dtype")
    if (isinstance(given, dict) and given.get("class_name") == "DTypePolicy") or given in (
        "float32",
        "float64",
        "float16",
        "bfloat16",
    ):
        changed["dtype"] = dtype
    return changed


def _leaves(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False, recursive=True))


def _with_weights(model: Any) -> list[Any]:
    """Layers that hold weights themselves; a recurrent layer's cell belongs to it."""
    layers = _leaves(model)
    cells = {id(inner) for m in layers if isinstance(m, tuple(_RECURRENT)) for inner in _inside(m)}
    return [
        m
        for m in layers
        if m.weights
        and id(m) not in cells
        and (isinstance(m, tuple(_RECURRENT)) or not any(i.weights for i in _inside(m)))
    ]


def _inside(layer: Any) -> list[Any]:
    return [inner for inner in layer._flatten_layers(include_self=False, recursive=True) if inner is not layer]


@contextmanager
def _watched(model: Any, seen: dict[str, tuple[Any, Any]]) -> Iterator[None]:
    """Note what each layer with parameters gives; of one with a fused activation, what goes into that."""
    replaced: list[tuple[Any, str, Any]] = []

    def note(layer: Any, tensor: Any) -> Any:
        first = tensor[0] if isinstance(tensor, list | tuple) else tensor
        seen.setdefault(layer.name, (layer, first))
        return tensor

    for layer in _with_weights(model):
        fused = getattr(layer, "activation", None)
        if fused is not None and not isinstance(layer, tuple(_RECURRENT)):
            replaced.append((layer, "activation", fused))
            layer.activation = lambda z, layer=layer, fused=fused: fused(note(layer, z))
        else:
            replaced.append((layer, "call", layer.call))
            layer.call = _noting(layer, layer.call, note)
    try:
        yield
    finally:
        for layer, attribute, original in replaced:
            setattr(layer, attribute, original)


def _noting(layer: Any, call: Any, note: Any) -> Any:
    import functools

    @functools.wraps(call)
    def noting(*args: Any, **kwargs: Any) -> Any:
        return note(layer, call(*args, **kwargs))

    return noting


def _described(layer: Any) -> tuple[str, dict[str, Any]]:
    """Kind and settings."""
    if isinstance(layer, keras.layers.Dense):
        return "dense", {"units": layer.units}
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        raise UnknownLayer(f"{layer.name}: DepthwiseConv2D is not compared yet")
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return "conv2d_transpose", {"kernel": tuple(layer.kernel_size), "stride": tuple(layer.strides)}
    for convolution, kind in _CONVOLUTIONS.items():
        if isinstance(layer, convolution):
            return kind, {
                "kernel": tuple(layer.kernel_size), "stride": tuple(layer.strides),
                "dilation": tuple(layer.dilation_rate), "filters": layer.filters, "groups": layer.groups,
            }  # fmt: skip
    for norm, kind in _NORMS.items():
        if isinstance(layer, norm):
            momentum = {"momentum": layer.momentum} if kind == "batchnorm" else {}
            groups = {"groups": layer.groups} if kind == "groupnorm" else {}
            return kind, {"epsilon": layer.epsilon} | momentum | groups
    if isinstance(layer, keras.layers.Embedding):
        return "embedding", {"tokens": layer.input_dim, "units": layer.output_dim}
    for recurrent, kind in _RECURRENT.items():
        if isinstance(layer, recurrent):
            return kind, {"units": layer.units}
    raise UnknownLayer(
        f"{layer.name}: {type(layer).__name__} has parameters, but no counterpart in torch that is known"
    )


def _scratch_name(layer: Any, variable: Any) -> str:
    name = variable.path.rpartition("/")[2]
    if name in _NAMES:
        return _NAMES[name]
    return {"kernel": "W", "embeddings": "W", "recurrent_kernel": "U", "bias": "b"}.get(name, "")


def _parted(name: str, a: Array) -> Iterator[tuple[str, Array]]:
    """A GRU's two biases are rows of one array; everything else is itself."""
    if name == "b" and a.ndim == 2:
        yield from (("b", a[0]), ("b_recurrent", a[1]))
    else:
        yield name, a


def _joined(name: str, arrays: dict[str, Array], shape: tuple[int, ...]) -> Array:
    if name == "b" and len(shape) == 2:
        return np.stack([arrays["b"], arrays["b_recurrent"]])
    return arrays[name]
