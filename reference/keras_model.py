"""Somebody's Keras model, read layer by layer; see `reference.model`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference.keras_dropping import dropping, recurrent_rates, without_attention_dropout
from reference.model import Draw, Drop, ModelLayer, UnknownLayer
from scratch.layer import Array, require
from scratch.weights import Arrays

_CONVOLUTIONS = {keras.layers.Conv1D: "conv1d", keras.layers.Conv2D: "conv2d", keras.layers.Conv3D: "conv3d"}
_NORMS = {
    keras.layers.BatchNormalization: "batchnorm",
    keras.layers.LayerNormalization: "layernorm",
    keras.layers.GroupNormalization: "groupnorm",
}
_TRANSPOSED = {
    keras.layers.Conv1DTranspose: "conv1d_transpose",
    keras.layers.Conv2DTranspose: "conv2d_transpose",
    keras.layers.Conv3DTranspose: "conv3d_transpose",
}
_RECURRENT = {keras.layers.SimpleRNN: "rnn", keras.layers.LSTM: "lstm", keras.layers.GRU: "gru"}
_WHOLE = (*_RECURRENT, keras.layers.Bidirectional, keras.layers.MultiHeadAttention)
"""Layers whose weights lie in layers of their own, which belong to them."""
_SLOPES = {keras.layers.LeakyReLU: ("leaky_relu", "negative_slope"), keras.layers.ELU: ("elu", "alpha")}
_ATTENTION = {"query": "q", "key": "k", "value": "v", "attention_output": "o"}
_NAMES = {"gamma": "gamma", "beta": "beta", "moving_mean": "running_mean", "moving_variance": "running_var"}


class KerasModel:
    """A copy of a model in one precision.

    Parameters
    ----------
    model : keras.Model
        Sequential, functional, or a class with `get_config`; one that is not built gets weights of its own.
    example : ndarray
        An input, images in (m, h, w, c): with it the order of the layers is found out.
    dtype : {"float64", "float32"}
    make : callable, optional
        Makes such a model anew: for one that has no configuration it can be copied from.

    Raises
    ------
    UnknownLayer
        For a layer with parameters that has no known counterpart.
    """

    framework = "tensorflow"
    headless = False

    def __init__(self, model: Any, example: Array, dtype: str, make: Callable[[], Any] | None = None) -> None:
        self.model, self.dtype = _in_precision(model, dtype, example, make), dtype
        without_attention_dropout(_leaves(self.model))
        self.inside = recurrent_rates(_leaves(self.model))
        self._run(example, training=False)
        self.drops: tuple[Drop, ...] = tuple(self._drops)
        self._by_name = dict(self._seen)
        self.layers = [ModelLayer(_plain(name), *_described(layer)) for name, (layer, _) in self._by_name.items()]
        sloping = [m for m in _leaves(self.model) if type(m) in _SLOPES]
        self.activations = [
            ModelLayer(_plain(m.name), _SLOPES[type(m)][0], {"slope": float(getattr(m, _SLOPES[type(m)][1]))})
            for m in sloping
        ]
        self.random = tuple(m.name for m in _leaves(self.model) if type(m).__name__.startswith("Random"))

    def _run(self, x: Array | Any, training: bool) -> Any:
        """Output; what the layers with parameters gave stands in `_seen`, before a fused activation."""
        self._seen: dict[str, tuple[Any, Any]] = {}
        self._given: dict[str, Any] = {}

        def last() -> str:
            return _plain(next(reversed(self._seen), ""))

        with (
            _watched(self.model, self._seen, self._given),
            dropping(_leaves(self.model), last, training) as self._drops,
        ):
            return self.model(x if tf.is_tensor(x) else tf.constant(_as(x, self.dtype)), training=training)

    def _variables(self) -> Iterator[tuple[str, str, Any]]:
        for name, (layer, _) in self._by_name.items():
            for known, variable in _named_variables(layer):
                yield _plain(name), known, variable

    def _layers(self) -> dict[str, Any]:
        return {_plain(name): layer for name, (layer, _) in self._by_name.items()}

    def read(self) -> Arrays:
        """Parameters and running averages by layer and name."""
        arrays: Arrays = {}
        layer_of = self._layers()
        for layer, name, variable in self._variables():
            for part, a in _parted(layer_of[layer], name, variable.numpy()):
                arrays.setdefault(layer, {})[part] = np.array(a)
        return arrays

    def write(self, arrays: Arrays) -> None:
        """Set them."""
        layer_of = self._layers()
        for layer, name, variable in self._variables():
            shape = tuple(variable.shape)
            array = _joined(layer_of[layer], name, arrays[layer], shape)
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
            if self.headless:
                output = next(reversed(self._seen.values()))[1]
        seen = {_plain(name): tensor for name, (_, tensor) in self._seen.items()}
        self.entering = {_plain(name): tensor.numpy() for name, tensor in self._given.items()}
        variables = [(layer, name, v) for layer, name, v in self._variables() if v.trainable]
        sources = [*seen.values(), *(v.value for _, _, v in variables), *([] if whole else [inputs])]
        found = tape.gradient(output, sources, tf.constant(draw(tuple(output.shape)).astype(self.dtype)))
        tensors = {f"forward/{name}": t.numpy() for name, t in seen.items()} | {"forward/output": output.numpy()}
        gradients = dict(zip(seen, found, strict=False))
        of_parameters = list(zip(variables, found[len(seen) :], strict=False))
        layer_of = self._layers()
        for name in reversed(seen):
            if gradients[name] is not None:
                tensors[f"grad/{name}.output"] = gradients[name].numpy()
            for (layer, p, _), g in of_parameters:
                if layer == name and g is not None:
                    dense = tf.convert_to_tensor(g).numpy()
                    tensors |= {f"grad/{name}.{part}": np.array(a) for part, a in _parted(layer_of[name], p, dense)}
        if not whole and found[-1] is not None:
            tensors["grad/model.input"] = found[-1].numpy()
        if training:
            tensors |= {f"step1/buffer/{n}.{p}": v.numpy() for n, p, v in self._variables() if p.startswith("running")}
        return tensors

    def set(self, layer: str, setting: str, value: Any) -> None:
        """Change a setting of a layer: `epsilon`, `momentum`, `padding` or `slope`."""
        if setting == "slope":
            sloping = next(m for m in _leaves(self.model) if _plain(m.name) == layer)
            setattr(sloping, _SLOPES[type(sloping)][1], np.float64(value) if self.dtype == "float64" else value)
            return
        found = next(known for name, (known, _) in self._by_name.items() if _plain(name) == layer)
        if setting == "padding":
            _set_padding(found, value)
            return
        setattr(found, setting, value)


def _set_padding(layer: Any, value: Any) -> None:
    """As many zeros on either side, or again what the layer's word says."""
    vars(layer).pop("call", None)
    if isinstance(value, str):
        layer.padding = value
        return
    layer.padding, call = "valid", layer.call

    def padding_first(x: Any) -> Any:
        return call(keras.ops.pad(x, [(0, 0), *((p, p) for p in value), (0, 0)]))

    layer.call = padding_first


def _plain(name: str) -> str:
    return name.replace(".", "_").replace("/", "_")


def _as(x: Array, dtype: str) -> Array:
    return x if x.dtype.kind in "iu" else x.astype(dtype)


def _in_precision(model: Any, dtype: str, example: Array, make: Callable[[], Any] | None) -> Any:
    """A copy in that precision, with the same weights, stochastic state included."""
    with _floats(dtype):
        made = copied(model, dtype, make)
        _name_by_attribute(made, "")
        if not made.built or not made.weights:
            made(tf.constant(_as(example[:1], dtype)))
    for mine, theirs in zip(made.weights, model.weights, strict=bool(model.weights)):
        mine.assign(theirs.numpy())
    if dtype == "float64":
        for layer in _leaves(made):
            # A Python float would pass through float32 (`float32-hyperparameters`).
            for name, value in list(vars(layer).items()):
                if type(value) is float:
                    setattr(layer, name, np.float64(value))
    return made


@contextmanager
def _floats(dtype: str) -> Iterator[None]:
    """Let layers that are made have a precision, unless they ask for another."""
    kept = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(kept[0])
        keras.config.set_dtype_policy(kept[1])


def copied(model: Any, dtype: str, make: Callable[[], Any] | None) -> Any:
    """A model of the same configuration; of a class of somebody's own, or with layers that have none, made once more."""
    kind = type(model)
    try:
        if make is not None and not kind.__module__.startswith("keras."):
            return make()
        config = _separated(_with_dtype(model.get_config(), dtype))
        try:
            return kind.from_config(config)
        except TypeError:
            taken = inspect.signature(kind.__init__).parameters
            return kind(**{name: value for name, value in config.items() if name in taken})
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        if make is not None and kind.__module__.startswith("keras."):
            return make()
        raise UnknownLayer(f"{kind.__name__} cannot be copied: {' '.join(str(error).split())[:200]}") from error


def _name_by_attribute(owner: Any, prefix: str) -> None:
    """Call the layers of a class of somebody's own as its attributes: Keras counts on with every copy."""
    if type(owner).__module__.startswith("keras."):
        return
    for attribute, value in list(vars(owner).items()):
        several = isinstance(value, list | tuple)
        for i, layer in enumerate(value if several else [value]):
            if attribute[0] != "_" and isinstance(layer, keras.layers.Layer):
                layer.name = f"{prefix}{attribute}{i if several else ''}"
                _name_by_attribute(layer, f"{layer.name}_")


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


@keras.saving.register_keras_serializable(package="backproof")
class Separated(keras.layers.Layer):
    """A separable convolution as the two convolutions that it is, so that each can be watched, as torch has them.

    Parameters
    ----------
    config : dict
        Of the `SeparableConv1D` or `SeparableConv2D` whose place it takes.
    """

    def __init__(self, separable: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.separable = separable
        one = separable["class_name"].endswith("1D")
        given = separable["config"]
        shared = {k: given[k] for k in ("data_format", "dtype")}
        deep, point = (
            (keras.layers.DepthwiseConv1D, keras.layers.Conv1D)
            if one
            else (keras.layers.DepthwiseConv2D, keras.layers.Conv2D)
        )
        own = {k: given[k] for k in ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")}
        self.depthwise = deep(**own, **shared, use_bias=False, name=f"{given['name']}_depthwise")
        more = {k: given[k] for k in ("activation", "use_bias")}
        self.pointwise = point(given["filters"], 1, **more, **shared, name=f"{given['name']}_pointwise")

    def build(self, shape: Any) -> None:
        """Both convolutions."""
        self.depthwise.build(shape)
        self.pointwise.build(self.depthwise.compute_output_shape(shape))
        self.built = True

    def call(self, x: Any) -> Any:
        """One after the other."""
        return self.pointwise(self.depthwise(x))

    def compute_output_shape(self, shape: Any) -> Any:
        """As that of the second."""
        return self.pointwise.compute_output_shape(self.depthwise.compute_output_shape(shape))

    def get_config(self) -> dict[str, Any]:
        """The separable convolution's, inside."""
        return super().get_config() | {"separable": self.separable}


def _separated(config: Any) -> Any:
    """A configuration with every separable convolution in two."""
    if isinstance(config, list | tuple):
        return type(config)(_separated(c) for c in config)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in ("SeparableConv1D", "SeparableConv2D") and isinstance(config.get("config"), dict):
        kept = {k: config["config"][k] for k in ("name", "dtype", "trainable")}
        mine = {"class_name": "Separated", "module": None, "registered_name": "backproof>Separated"}
        return (
            config
            | mine
            | {"config": kept | {"separable": {"class_name": config["class_name"], "config": config["config"]}}}
        )
    return {k: _separated(v) for k, v in config.items()}


def _leaves(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False, recursive=True))


def _with_weights(model: Any) -> list[Any]:
    """Layers that hold weights themselves; a recurrent layer's cell belongs to it."""
    layers = _leaves(model)
    cells = {id(inner) for m in layers if isinstance(m, _WHOLE) for inner in _inside(m)}
    return [
        m
        for m in layers
        if m.weights and id(m) not in cells and (isinstance(m, _WHOLE) or not any(i.weights for i in _inside(m)))
    ]


def _inside(layer: Any) -> list[Any]:
    return [inner for inner in layer._flatten_layers(include_self=False, recursive=True) if inner is not layer]


@contextmanager
def _watched(model: Any, seen: dict[str, tuple[Any, Any]], given: dict[str, Any]) -> Iterator[None]:
    """Note what each layer with parameters is given, and gives; of one with a fused activation, what goes into that."""
    replaced: list[tuple[Any, str, Any]] = []

    def note(layer: Any, tensor: Any) -> Any:
        first = tensor[0] if isinstance(tensor, list | tuple) else tensor
        seen.setdefault(layer.name, (layer, first))
        return tensor

    for layer in _with_weights(model):
        fused = None if isinstance(layer, _WHOLE) else getattr(layer, "activation", None)
        if fused is not None:
            replaced.append((layer, "activation", fused))
            layer.activation = lambda z, layer=layer, fused=fused: fused(note(layer, z))
        replaced.append((layer, "call", layer.call))
        layer.call = _noting(layer, layer.call, given, note if fused is None else None)
    try:
        yield
    finally:
        for layer, attribute, original in replaced:
            setattr(layer, attribute, original)


def _noting(layer: Any, call: Any, given: dict[str, Any], note: Any) -> Any:
    """A layer's call that notes its first argument, and what it gives if that is asked for."""

    @functools.wraps(call)
    def noting(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else next(iter(kwargs.values()))
        if tf.is_tensor(first):
            given.setdefault(layer.name, first)
        result = call(*args, **kwargs)
        return result if note is None else note(layer, result)

    return noting


def _described(layer: Any) -> tuple[str, dict[str, Any]]:
    """Kind and settings."""
    if isinstance(layer, keras.layers.Dense):
        return "dense", {"units": layer.units}
    depthwise = {keras.layers.DepthwiseConv1D: "conv1d", keras.layers.DepthwiseConv2D: "conv2d"}
    for convolution, kind in depthwise.items():
        if isinstance(layer, convolution):
            channels = int(layer.kernel.shape[-2])
            return kind, {
                "kernel": tuple(layer.kernel_size), "stride": tuple(layer.strides), "dilation": tuple(layer.dilation_rate),
                "filters": channels * layer.depth_multiplier, "groups": channels, "padding": layer.padding,
            }  # fmt: skip
    for transposed, kind in _TRANSPOSED.items():
        if isinstance(layer, transposed):
            return kind, {"kernel": tuple(layer.kernel_size), "stride": tuple(layer.strides), "filters": layer.filters}
    for convolution, kind in _CONVOLUTIONS.items():
        if isinstance(layer, convolution):
            return kind, {
                "kernel": tuple(layer.kernel_size), "stride": tuple(layer.strides),
                "dilation": tuple(layer.dilation_rate), "filters": layer.filters, "groups": layer.groups, "padding": layer.padding,
            }  # fmt: skip
    for norm, kind in _NORMS.items():
        if isinstance(layer, norm):
            momentum = {"momentum": layer.momentum} if kind == "batchnorm" else {}
            groups = {"groups": layer.groups} if kind == "groupnorm" else {}
            return kind, {"epsilon": layer.epsilon} | momentum | groups
    if isinstance(layer, keras.layers.Embedding):
        return "embedding", {"tokens": layer.input_dim, "units": layer.output_dim}
    if isinstance(layer, keras.layers.MultiHeadAttention):
        return "attention", {"heads": layer.num_heads, "key_dim": layer.key_dim, "batch_first": True}
    if isinstance(layer, keras.layers.Bidirectional) and isinstance(layer.forward_layer, tuple(_RECURRENT)):
        kind, settings = _described(layer.forward_layer)
        if layer.merge_mode != "concat":
            raise UnknownLayer(f"{layer.name}: merge_mode={layer.merge_mode!r} has no counterpart in torch")
        return f"bidirectional {kind}", settings
    for recurrent, kind in _RECURRENT.items():
        if isinstance(layer, recurrent):
            settings = {"units": layer.units, "batch_first": True, "activation": layer.activation.__name__}
            settings |= {} if kind == "rnn" else {"recurrent_activation": layer.recurrent_activation.__name__}
            settings |= {"reset_after": layer.reset_after} if kind == "gru" else {}
            return kind, settings
    raise UnknownLayer(
        f"{layer.name}: {type(layer).__name__} has parameters, but no counterpart in torch that is known"
    )


def _named_variables(layer: Any) -> Iterator[tuple[str, Any]]:
    """Every variable that has a name in scratch, with it."""
    if isinstance(layer, keras.layers.Bidirectional):
        for direction, inner in (("", layer.forward_layer), ("_reverse", layer.backward_layer)):
            yield from ((name + direction, variable) for name, variable in _named_variables(inner))
        return
    for variable in layer.variables:
        *_, owner, name = variable.path.split("/")
        known = _NAMES.get(name) or {"kernel": "W", "embeddings": "W", "recurrent_kernel": "U", "bias": "b"}.get(
            name, ""
        )
        if isinstance(layer, keras.layers.MultiHeadAttention) and known:
            known = f"{known}_{_ATTENTION[owner]}"
        if known:
            yield known, variable


_ROW_BY_ROW = (
    keras.layers.Dropout,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
)


def _flattened(layer: Any) -> tuple[int, ...] | None:
    """Shape (c, h, w) of the images whose flattened pixels a dense layer is given channels first, as torch has them."""
    given = _from(layer)
    while isinstance(given, _ROW_BY_ROW):
        given = _from(given)
    before = _from(given) if isinstance(given, keras.layers.Flatten | keras.layers.Reshape) else None
    if not isinstance(before, keras.layers.Permute):
        return None
    axes = tuple(before.dims)
    return tuple(before.output.shape[1:]) if axes == (len(axes), *range(1, len(axes))) else None


def _from(layer: Any) -> Any:
    """The layer that a layer is given the output of, if there is one alone."""
    try:
        return layer.input._keras_history.operation
    except (AttributeError, ValueError):  # never called on a symbolic tensor, or on several
        return None


def _rows(layer: Any, name: str, a: Array) -> Array | None:
    """Places of the rows (h, w, c) of a dense layer's weights behind a flattened image; None if they stand so."""
    shape = _flattened(layer) if isinstance(layer, keras.layers.Dense) and name == "W" else None
    if shape is None or np.prod(shape) != len(a):
        return None
    return np.moveaxis(np.arange(len(a)).reshape(shape), 0, -1).ravel()


def _parted(layer: Any, name: str, a: Array) -> Iterator[tuple[str, Array]]:
    """In scratch's layout. A GRU's two biases are rows of one array; heads stand side by side."""
    if (rows := _rows(layer, name, a)) is not None:
        yield name, a[rows]
    elif isinstance(layer, keras.layers.MultiHeadAttention):
        yield name, _flat(name, a)
    elif isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D) and name == "W":
        # Output c * multiplier + j is the j-th of input c, in both frameworks.
        yield name, a.reshape(*a.shape[:-2], 1, -1)
    elif name.startswith("b") and a.ndim == 2:
        direction = name[1:]
        yield from ((f"b{direction}", a[0]), (f"b_recurrent{direction}", a[1]))
    else:
        yield name, a


def _flat(name: str, a: Array) -> Array:
    """Weights of attention with the heads in one axis: (n, heads, size) or (heads, size, n), biases (heads, size)."""
    if name.startswith("b"):
        return a.reshape(-1)
    return a.reshape(-1, a.shape[-1]) if name == "W_o" else a.reshape(a.shape[0], -1)


def _joined(layer: Any, name: str, arrays: dict[str, Array], shape: tuple[int, ...]) -> Array:
    """The inverse of `_parted`; what has another number of elements stays as it is, to be refused."""
    if (rows := _rows(layer, name, arrays[name])) is not None:
        return arrays[name][np.argsort(rows)]
    gathered = isinstance(
        layer, keras.layers.MultiHeadAttention | keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D
    )
    if gathered and arrays[name].size == np.prod(shape):
        return arrays[name].reshape(shape)
    if name.startswith("b") and not gathered and len(shape) == 2:
        direction = name[1:]
        return np.stack([arrays[name], arrays[f"b_recurrent{direction}"]])
    return arrays[name]
