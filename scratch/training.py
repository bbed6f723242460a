"""The training loop: differentiate a batch, update every parameter, go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scratch.layer import Array, require
from scratch.network import Network, Pass
from scratch.optimizers import Optimizer, State
from scratch.weights import Arrays


@dataclass(frozen=True)
class Batch:
    """One batch: inputs (m, n_in), targets (m, k), and the keep mask of every dropout layer by name."""

    x: Array
    target: Array
    masks: dict[str, Array] = field(default_factory=dict)


class Trainer:
    """A network with an optimizer's memory.

    Attributes
    ----------
    t : int
        Number of updates made.
    states : dict
        The optimizer's arrays by layer, parameter and name: `states["dense1"]["W"]["v"]`; none for what is frozen.
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network, self.optimizer, self.t = network, optimizer, 0
        learns = network.architecture.learns
        states: dict[str, dict[str, State]] = {
            layer: {p: optimizer.initial_state(w) for p, w in state.params.items() if learns(layer, p)}
            for layer, state in network.states.items()
        }
        self.states = {layer: named for layer, named in states.items() if named}

    def update(self, grads: Arrays) -> None:
        """Move every parameter that has a gradient by one optimizer step.

        Raises
        ------
        ValueError
            If there is a gradient for a frozen or unknown layer or parameter: nothing has moved then.
        """
        unknown = sorted(grads.keys() - self.states.keys())
        require(not unknown, f"gradients for layers that do not learn: {', '.join(unknown)}; leave them out")
        within = [f"{layer}.{p}" for layer, named in grads.items() for p in named.keys() - self.states[layer].keys()]
        require(not within, f"gradients for parameters that do not learn: {', '.join(sorted(within))}; leave them out")
        self.t += 1
        for layer, named in self.optimizer.prepared(grads).items():
            params = self.network.states[layer].params
            for p, g in named.items():
                params[p] = self.optimizer.update(params[p], g, self.states[layer][p], self.t)

    def fit(self, batches: Iterable[Batch]) -> Iterator[Pass]:
        """Train on each batch in turn, yielding what the pass produced, after the update."""
        for batch in batches:
            result = self.network.differentiate(batch.x, batch.target, training=True, masks=batch.masks)
            self.update(result.grads)
            yield result
