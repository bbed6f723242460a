"""Residual blocks: what a chain of layers adds to its input (He et al. 2016; Ng, Convolutional Neural Networks, week 2).

With F the chain and S the shortcut, the identity or, where F changes the shape, a chain of its own (a projection):

    y = F(x) + S(x)

The activation that follows the sum in the course, a = g(z + a_before), is the next layer.

Backward. The sum hands the upstream gradient dy to both branches as it is, and as x feeds both, its gradients add up:

    dx = J_F^T dy + J_S^T dy        J_S^T dy = dy for the identity

so that however small J_F is, dy reaches the layers below unweakened. Each J^T dy is the chain rule through the layers of the
branch, last to first, each given what the one after it left; their parameters' gradients arise on the way.

A frozen layer within (transfer learning, see `scratch.transfer`) hands its J^T dy on like any other; only its parameters' gradients are
left out, and its batch norm is in evaluation mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from scratch.dropout import Dropout
from scratch.layer import Array, Layer, LayerState, require

Branch = list[tuple[str, Layer]]
"""Layers in order, each with the ending of its arrays' names."""


@dataclass(frozen=True)
class Residual(Layer):
    """y = F(x) + S(x), for data of any shape.

    Parameters
    ----------
    layers : tuple of Layer
        F, in order.
    shortcut : tuple of Layer
        S, in order; without any, the identity.
    frozen : tuple of str
        The layers within that do not learn, by their places: `main0`, `shortcut1`, ... In that order, however given. To freeze
        all, name the block in `Architecture.frozen`.

    Notes
    -----
    Input (m, ...), output of the shape that both branches agree on. Parameters and buffers are those of the layers within,
    each followed by its place: `W_main0`, `gamma_main1`, `W_shortcut0`, ... Dropout needs a mask of its own, so it
    stands outside.
    """

    layers: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("layers", "shortcut"):
            # In one form only, a list from JSON included: equal layers are to be equal, and hashable.
            object.__setattr__(self, name, tuple(getattr(self, name)))
        require(len(self.layers) > 0, "Residual: there must be a layer beside the shortcut")
        for layer in (*self.layers, *self.shortcut):
            require(isinstance(layer, Layer), f"Residual: {layer!r} is no layer")
            require(
                not isinstance(layer, Dropout), "Residual: a dropout layer within would get no mask; put it outside"
            )
        places = [place for place, _ in (*self.main, *self.side)]
        unknown = sorted(set(self.frozen) - set(places))
        require(not unknown, f"Residual: no layer stands at {', '.join(unknown)}; the places are {', '.join(places)}")
        object.__setattr__(self, "frozen", tuple(place for place in places if place in self.frozen))

    @property
    def main(self) -> Branch:
        """F, with the endings `main0`, `main1`, ..."""
        return [(f"main{i}", layer) for i, layer in enumerate(self.layers)]

    @property
    def side(self) -> Branch:
        """S, with the endings `shortcut0`, `shortcut1`, ..."""
        return [(f"shortcut{i}", layer) for i, layer in enumerate(self.shortcut)]

    @property
    def n_in(self) -> int:
        """Number of input features or channels, as the first of the layers that knows tells it."""
        told = (getattr(layer, name) for layer in self.layers for name in ("n_in", "n") if hasattr(layer, name))
        for n in told:
            return n
        raise AttributeError("Residual: no layer tells how many features or channels it takes")

    @property
    def regularised(self) -> tuple[str, ...]:  # type: ignore[override]
        """Parameters that weight regularisation acts on: those of the layers within."""
        return tuple(f"{p}_{ending}" for ending, layer in (*self.main, *self.side) for p in layer.regularised)

    @property
    def frozen_parameters(self) -> tuple[str, ...]:  # type: ignore[override]
        """Parameters that do not learn: those of the frozen layers within, and of blocks within that freeze some."""
        return tuple(
            f"{p}_{ending}"
            for ending, layer in (*self.main, *self.side)
            for p in (layer.parameter_shapes() if ending in self.frozen else layer.frozen_parameters)
        )

    def trains(self, ending: str, layer: Layer, training: bool) -> bool:
        """Whether a layer within runs in training mode when the block does, or not: a frozen one that remembers never."""
        return training and not (ending in self.frozen and layer.initial_buffers())

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            f"{p}_{ending}": shape
            for ending, layer in (*self.main, *self.side)
            for p, shape in layer.parameter_shapes().items()
        }

    def initial_buffers(self) -> dict[str, Array]:
        return {
            f"{b}_{ending}": a for ending, layer in (*self.main, *self.side) for b, a in layer.initial_buffers().items()
        }

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        f, s = shape, shape
        for layer in self.layers:
            f = layer.output_shape(f)
        for layer in self.shortcut:
            s = layer.output_shape(s)
        # NumPy would broadcast.
        require(f == s, f"Residual: the layers make {f} of an example of shape {shape}, the shortcut makes {s}")
        return f

    def config(self) -> dict[str, Any]:
        branches = {"layers": self.layers, "shortcut": self.shortcut}
        config = {"kind": "Residual"} | {name: [layer.config() for layer in b] for name, b in branches.items()}
        return config | ({"frozen": list(self.frozen)} if self.frozen else {})

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Any]:
        self.output_shape(x.shape[1:])
        f, main = self._forward(self.main, x, state)
        s, side = self._forward(self.side, x, state)
        return f + s, (main, side)

    def backward(self, upstream: Array, state: LayerState, cache: Any) -> tuple[Array, dict[str, Array]]:
        main, side = cache
        df, grads = self._backward(self.main, upstream, state, main)
        ds, more = self._backward(self.side, upstream, state, side)
        return df + ds, grads | more

    def _own(self, layer: Layer, ending: str, state: LayerState) -> LayerState:
        """The state of one layer within, under its own names."""
        params = {p: state.params[f"{p}_{ending}"] for p in layer.parameter_shapes()}
        buffers = {b: state.buffers[f"{b}_{ending}"] for b in layer.initial_buffers()}
        return replace(state, params=params, buffers=buffers, training=self.trains(ending, layer, state.training))

    def _forward(self, branch: Branch, x: Array, state: LayerState) -> tuple[Array, list[Any]]:
        """Output of a chain, and the caches of its layers; what they remember moves in `state`."""
        caches = []
        for ending, layer in branch:
            own = self._own(layer, ending, state)
            x, cache = layer.forward(x, own)
            state.buffers |= {f"{b}_{ending}": a for b, a in own.buffers.items()}
            caches.append(cache)
        return x, caches

    def _backward(
        self, branch: Branch, upstream: Array, state: LayerState, caches: list[Any]
    ) -> tuple[Array, dict[str, Array]]:
        """Gradient with respect to a chain's input, and to the parameters of its layers that learn."""
        grads: dict[str, Array] = {}
        for (ending, layer), cache in zip(reversed(branch), reversed(caches), strict=True):
            upstream, own = layer.backward(upstream, self._own(layer, ending, state), cache)
            if ending not in self.frozen:
                grads = {f"{p}_{ending}": g for p, g in own.items()} | grads
        return upstream, grads
