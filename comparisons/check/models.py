"""Doors for what users write: a single layer, loss or optimizer as a `comparisons.trace.Model`.

A style says how one call is made; everything around it (weights in, tensors out, in scratch's layout) is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from comparisons.case import Case
from scratch.network import Architecture, Pass
from scratch.weights import Arrays, Weights, flatten

Array = np.ndarray


@dataclass
class Ran:
    """What one layer produced, in scratch's layout and names; what the user's code does not offer is left out.

    Attributes
    ----------
    output : ndarray, optional
    input_grad : ndarray, optional
    grads : dict of str to ndarray
        By parameter.
    buffers : dict of str to ndarray
        Moved running averages.
    """

    output: Array | None
    input_grad: Array | None = None
    grads: dict[str, Array] = field(default_factory=dict)
    buffers: dict[str, Array] = field(default_factory=dict)


class Base:
    """Weights in and out; a subclass runs something on copies of them."""

    def __init__(self, case: Case) -> None:
        self.case, self.architecture = case, case.architecture

    architecture: Architecture

    def load(self, weights: Weights) -> None:
        """Take copies of all arrays, in their own dtype."""
        self.params = _copied(weights.params)
        self.buffers = _copied(weights.buffers)

    def weights(self) -> Weights:
        """Copies of the present arrays."""
        return Weights(_copied(self.params), _copied(self.buffers))

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Nothing: evaluation is compared in cases of its own."""
        return {}

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward and backward for one batch."""
        raise NotImplementedError

    def update(self, grads: Arrays | None = None) -> None:
        """One optimizer step."""
        raise NotImplementedError

    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """Nothing: what users call their moments says little."""
        return {}


def _copied(nested: Arrays) -> Arrays:
    return {layer: {name: a.copy() for name, a in named.items()} for layer, named in nested.items()}


class LayerModel(Base):
    """The single layer of the case's architecture.

    Parameters
    ----------
    case : Case
    run : callable
        `run(params, buffers, x, upstream, training, mask) -> Ran`, with copies that it may change.
    """

    def __init__(self, case: Case, run: Callable[..., Ran]) -> None:
        super().__init__(case)
        self._run = run

    def differentiate(self, x, target=None, upstream=None, training=True, masks=None):
        """Forward and backward for one batch."""
        ((name, _),) = self.architecture.layers
        assert upstream is not None
        own = self.weights()
        mask = (masks or {}).get(name)
        params, buffers = own.params.get(name, {}), own.buffers.get(name, {})
        ran = self._run(params, buffers, x.copy(), upstream.copy(), training, mask)
        # What the code does not move is not seen, rather than seen unmoved.
        self.buffers = {name: ran.buffers} if ran.buffers else {}
        return Pass(
            outputs={} if ran.output is None else {name: ran.output},
            loss=None,
            grads={name: ran.grads},
            input_grads={} if ran.input_grad is None else {name: ran.input_grad},
            output_grad=upstream,
        )


class PassModel(Base):
    """A chain of layers, or one with a loss, that the user's code runs through in one go.

    Parameters
    ----------
    case : Case
    run : callable
        `run(params, x, target, upstream, training, masks) -> Pass`, with copies that it may change; the Pass holds what can be seen.
    """

    def __init__(self, case: Case, run: Callable[..., Pass]) -> None:
        super().__init__(case)
        self._run = run

    def differentiate(self, x, target=None, upstream=None, training=True, masks=None):
        """Forward and backward for one batch."""
        copies = (None if a is None else a.copy() for a in (target, upstream))
        return self._run(_copied(self.params), x.copy(), *copies, training, masks or {})


class LossModel(Base):
    """A network of nothing but a loss.

    Parameters
    ----------
    case : Case
    run : callable
        `run(x, target) -> (loss, gradient with respect to x)`; either may be None.
    """

    def __init__(self, case: Case, run: Callable[[Array, Array], tuple[Array | None, Array | None]]) -> None:
        super().__init__(case)
        self._run = run

    def differentiate(self, x, target=None, upstream=None, training=True, masks=None):
        """The loss and its gradient."""
        loss, grad = self._run(x.copy(), target.copy())
        return Pass({}, loss, {}, {}, grad)  # type: ignore[arg-type]  # not all code gives a gradient


class OptimizerModel(Base):
    """An update rule, fed recorded gradients.

    Parameters
    ----------
    case : Case
    start : callable
        `start() -> step`, called once per run; `step(params, grads)` takes and gives dictionaries of arrays by `layer.name`.
    """

    def __init__(
        self, case: Case, start: Callable[[], Callable[[dict[str, Array], dict[str, Array]], dict[str, Array]]]
    ) -> None:
        super().__init__(case)
        self._start = start

    def load(self, weights: Weights) -> None:
        """Take the parameters and start afresh."""
        super().load(weights)
        self._step = self._start()

    def update(self, grads: Arrays | None = None) -> None:
        """One step."""
        assert grads is not None
        moved = self._step(dict(flatten(self.params)), {name: g.copy() for name, g in flatten(grads)})
        for name, a in moved.items():
            layer, _, p = name.partition(".")
            self.params[layer][p] = a
