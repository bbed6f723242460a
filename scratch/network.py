"""A chain of named layers with a loss: its description (`Architecture`) and the thing that runs (`Network`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.initialisers import INITIALISERS
from scratch.layer import Array, Layer, LayerState, require
from scratch.losses import Loss
from scratch.regularisation import Regulariser
from scratch.weights import Arrays, Weights


@dataclass(frozen=True)
class Architecture:
    """What a network is, without its arrays: hashable, comparable, JSON-able.

    Attributes
    ----------
    layers : tuple of (str, Layer)
        Names and layers in order.
    loss : Loss, optional
        Without one, a pass starts from a given upstream gradient.
    regulariser : Regulariser, optional
        Acts on the parameters that each layer declares as regularised, unless the layer is frozen.
    frozen : tuple of str
        Names of the layers that do not learn: their parameters get no gradients and no updates, their buffers do not move, and so a
        layer that has some (batch norm) runs in evaluation mode even in training. Gradients with respect to their inputs
        flow on to the layers below. In the order of the layers, however given.

    Raises
    ------
    ValueError
        If a layer's name is empty, holds `.` or `/`, or is that of another, or a frozen layer is unknown.
    """

    layers: tuple[tuple[str, Layer], ...]
    loss: Loss | None = None
    regulariser: Regulariser | None = None
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.layers]
        require(len(set(names)) == len(names), f"layer names must be unique, not {names}")
        for name in names:
            require(
                bool(name) and not set(name) & set("./"), f"layer name {name!r}: must not be empty or hold '.' or '/'"
            )
        unknown = sorted(set(self.frozen) - set(names))
        require(not unknown, f"frozen: no layer is named {', '.join(unknown)}; the layers are {', '.join(names)}")
        # One form for one set: equal networks are to be equal.
        object.__setattr__(self, "frozen", tuple(name for name in names if name in self.frozen))

    def regularised(self) -> list[tuple[str, str]]:
        """(layer, parameter) of everything that the regulariser acts on."""
        layers = self.layers if self.regulariser else ()
        return [(name, p) for name, layer in layers for p in layer.regularised if self.learns(name, p)]

    def learns(self, name: str, parameter: str) -> bool:
        """Whether a parameter of a layer gets a gradient and updates: not if the layer is frozen, or what it belongs to within."""
        return name not in self.frozen and parameter not in dict(self.layers)[name].frozen_parameters

    def layer_trains(self, name: str, training: bool) -> bool:
        """Whether a layer runs in training mode when the network does, or not: a frozen one that remembers never."""
        return training and not (name in self.frozen and dict(self.layers)[name].initial_buffers())

    def config(self) -> dict[str, Any]:
        """The description as JSON-able values; `frozen` is there only if something is."""
        config = {
            "layers": [{"name": name} | layer.config() for name, layer in self.layers],
            "loss": self.loss.config() if self.loss else None,
            "regulariser": self.regulariser.config() if self.regulariser else None,
        }
        return config | ({"frozen": list(self.frozen)} if self.frozen else {})

    @staticmethod
    def from_config(config: Any) -> Architecture:
        """The inverse of `config`.

        Raises
        ------
        ValueError
            If a kind or field is unknown, a field is missing, or a value does not fit.
        """
        try:
            layers = tuple((str(layer["name"]), _made(Layer.kinds, layer, "layer")) for layer in config["layers"])
            loss, regulariser = config["loss"], config["regulariser"]
            return Architecture(
                layers,
                None if loss is None else _made(Loss.kinds, loss, "loss"),
                None if regulariser is None else _made(Regulariser.kinds, regulariser, "regulariser"),
                tuple(config.get("frozen", ())),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the description of a network: {error}") from error


def _made(kinds: Mapping[str, type[Any]], config: dict[str, Any], sort: str) -> Any:
    fields = {name: _nested(value) for name, value in config.items() if name not in ("kind", "name")}
    require(config["kind"] in kinds, f"unknown kind of {sort}: {config['kind']!r}; known are {', '.join(kinds)}")
    return kinds[config["kind"]](**fields)


def _nested(value: Any) -> Any:
    """The layers that a value of a configuration describes, alone or in a list; any other value as it is."""
    if isinstance(value, list):
        return tuple(_nested(v) for v in value)
    return _made(Layer.kinds, value, "layer") if isinstance(value, dict) else value


def architecture(
    *layers: Layer, loss: Loss | None = None, regulariser: Regulariser | None = None, frozen: tuple[str, ...] = ()
) -> Architecture:
    """Name the layers by kind and count (`dense1`, `batchnorm1`, `relu1`, `dense2`, ...) and chain them."""
    seen: Counter[str] = Counter()
    named = []
    for layer in layers:
        kind = type(layer).__name__.lower()
        seen[kind] += 1
        named.append((f"{kind}{seen[kind]}", layer))
    return Architecture(tuple(named), loss, regulariser, frozen)


def initial_weights(
    arch: Architecture, rng: np.random.Generator, initialiser: str = "he", dtype: DTypeLike = np.float64
) -> Weights:
    """Weights as training starts from them: W drawn by `initialiser`, b and beta 0, gamma 1, buffers as the layer says.

    Raises
    ------
    ValueError
        If `initialiser` is unknown.
    """
    require(initialiser in INITIALISERS, f"initialiser {initialiser!r}: known are {', '.join(INITIALISERS)}")
    draw = INITIALISERS[initialiser]
    weights = Weights()
    for name, layer in arch.layers:
        shapes, buffers = layer.parameter_shapes(), layer.initial_buffers()
        if shapes:
            weights.params[name] = {
                p: draw(rng, shape) if p in layer.regularised else np.full(shape, float(p.partition("_")[0] == "gamma"))
                for p, shape in shapes.items()
            }
        if buffers:
            weights.buffers[name] = buffers
    return weights.astype(dtype)


@dataclass
class Pass:
    """What one forward and backward pass produced.

    Attributes
    ----------
    outputs : dict of str to ndarray
        Output of every layer, in order.
    loss : ndarray or None
        J, including the regularisation penalty; None where the pass started from an upstream gradient.
    grads : Arrays
        dJ/d parameter, by layer and name, including the regulariser's part; nothing for frozen layers.
    input_grads : dict of str to ndarray
        dJ/d input of every layer.
    output_grad : ndarray
        dJ/d output of the last layer: where the backward pass started.
    """

    outputs: dict[str, Array]
    loss: Array | None
    grads: Arrays
    input_grads: dict[str, Array]
    output_grad: Array


class Network:
    """A chain of layers that runs forward and backward on its own weights.

    Parameters
    ----------
    arch : Architecture
        The description.
    weights : Weights
        Its arrays; copied. Their dtype is the precision of all that follows.

    Raises
    ------
    ValueError
        If a parameter or buffer is missing, unknown or of another shape.
    """

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        self.architecture = arch
        self.states = {name: LayerState() for name, _ in arch.layers}
        self._caches: dict[str, Any] = {}
        self.load(weights)

    def load(self, weights: Weights) -> None:
        """Replace all parameters and buffers by copies of these; nothing changes if one does not fit."""
        check_weights(self.architecture, weights)
        for name, state in self.states.items():
            state.params = {p: a.copy() for p, a in weights.params.get(name, {}).items()}
            state.buffers = {b: a.copy() for b, a in weights.buffers.get(name, {}).items()}

    def weights(self) -> Weights:
        """Copies of all parameters and buffers."""
        params = {n: {k: a.copy() for k, a in s.params.items()} for n, s in self.states.items() if s.params}
        buffers = {n: {k: a.copy() for k, a in s.buffers.items()} for n, s in self.states.items() if s.buffers}
        return Weights(params, buffers)

    def forward(self, x: Array, training: bool = False, masks: dict[str, Array] | None = None) -> dict[str, Array]:
        """Output of every layer, in order; `masks` holds the keep mask of every dropout layer by name."""
        outputs: dict[str, Array] = {}
        for name, layer in self.architecture.layers:
            state = self.states[name]
            state.training = self.architecture.layer_trains(name, training)
            state.mask = (masks or {}).get(name)
            x, self._caches[name] = layer.forward(x, state)
            outputs[name] = x
        return outputs

    def backward(self, upstream: Array) -> tuple[Arrays, dict[str, Array]]:
        """Gradients with respect to every parameter but the frozen ones, and every layer's input, for the last `forward`."""
        grads: Arrays = {}
        input_grads: dict[str, Array] = {}
        for name, layer in reversed(self.architecture.layers):
            upstream, own = layer.backward(upstream, self.states[name], self._caches[name])
            input_grads[name] = upstream
            if own and name not in self.architecture.frozen:
                grads[name] = own
        return grads, input_grads

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, loss and backward for one batch.

        Parameters
        ----------
        x : ndarray of shape (m, n_in)
        target : ndarray of shape (m, k), optional
            What the loss compares the output with.
        upstream : ndarray of the output's shape, optional
            dJ/d output, where the architecture has no loss.
        training : bool
        masks : dict of str to ndarray of bool, optional
            Keep masks of the dropout layers.
        """
        outputs = self.forward(x, training, masks)
        prediction = outputs[self.architecture.layers[-1][0]] if outputs else x
        loss = None
        if self.architecture.loss is not None:
            require(target is not None, "a network with a loss needs targets")
            assert target is not None
            loss, cache = self.architecture.loss.forward(prediction, target)
            upstream = self.architecture.loss.backward(target, cache)
        assert upstream is not None, "a network without a loss needs an upstream gradient"
        grads, input_grads = self.backward(upstream)
        if self.architecture.regulariser is not None:
            loss = self._regularise(loss, grads, len(x))
        return Pass(outputs, loss, grads, input_grads, upstream)

    def _regularise(self, loss: Array | None, grads: Arrays, m: int) -> Array | None:
        regulariser = self.architecture.regulariser
        assert regulariser is not None
        chosen = self.architecture.regularised()
        for layer, p in chosen:
            grads[layer][p] = grads[layer][p] + regulariser.gradient(self.states[layer].params[p], m)
        if loss is None:
            return None
        return np.asarray(loss + regulariser.penalty((self.states[n].params[p] for n, p in chosen), m))

    def predict(self, x: Array) -> Array:
        """Probabilities (or values) in evaluation mode."""
        prediction = self.forward(x)[self.architecture.layers[-1][0]]
        return self.architecture.loss.probabilities(prediction) if self.architecture.loss else prediction


def check_weights(arch: Architecture, weights: Weights) -> None:
    """Raise ValueError unless these are exactly the architecture's parameters and buffers, name by name and shape by shape."""
    expected = {
        "parameter": {f"{n}.{p}": shape for n, layer in arch.layers for p, shape in layer.parameter_shapes().items()},
        "buffer": {f"{n}.{b}": a.shape for n, layer in arch.layers for b, a in layer.initial_buffers().items()},
    }
    given = {"parameter": weights.params, "buffer": weights.buffers}
    for sort, shapes in expected.items():
        found = {f"{layer}.{name}": a.shape for layer, named in given[sort].items() for name, a in named.items()}
        for name in sorted(shapes.keys() - found.keys()):
            raise ValueError(f"{sort} {name}: missing; the network needs it with shape {shapes[name]}")
        for name in sorted(found.keys() - shapes.keys()):
            raise ValueError(
                f"{sort} {name}: the network has no such {sort}; the weights belong to another architecture"
            )
        for name, shape in shapes.items():
            require(
                found[name] == shape,
                f"{sort} {name}: shape {found[name]} in the weights, {shape} in the network; they belong to another architecture",
            )
