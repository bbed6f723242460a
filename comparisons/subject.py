"""The scratch network behind the same door as the twins, plus what only the subject offers: one layer run on its own."""

from __future__ import annotations

import numpy as np

from scratch import Architecture, LayerState, Network, Optimizer, Pass, Trainer, Weights
from scratch.weights import Arrays

Array = np.ndarray


class ScratchModel:
    """A scratch network and its optimizer, with the methods of `reference.Twin`."""

    def __init__(self, arch: Architecture, optimizer: Optimizer | None, dtype: str) -> None:
        self.architecture, self.optimizer, self.dtype = arch, optimizer, dtype

    def load(self, weights: Weights) -> None:
        """Set all parameters and buffers and forget the optimizer's memory."""
        self.network = Network(self.architecture, weights)
        self.trainer = Trainer(self.network, self.optimizer) if self.optimizer else None

    def weights(self) -> Weights:
        """All parameters and buffers, as copies."""
        return self.network.weights()

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer in evaluation mode, and `predictions` if there is a loss."""
        outputs = self.network.forward(x)
        if self.architecture.loss is not None:
            last = list(outputs.values())[-1] if outputs else x
            outputs["predictions"] = self.architecture.loss.probabilities(last)
        return outputs

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, loss and backward for one batch."""
        self._last = self.network.differentiate(x, target, upstream, training, masks)
        return self._last

    def update(self, grads: Arrays | None = None) -> None:
        """One optimizer step on these gradients, or on those of the last `differentiate`."""
        assert self.trainer is not None
        self.trainer.update(self._last.grads if grads is None else grads)

    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """The optimizer's memory by layer, parameter and name."""
        return self.trainer.states if self.trainer else {}

    def run_layer(
        self, name: str, x: Array, upstream: Array, training: bool, masks: dict[str, Array], weights: Weights
    ) -> tuple[Array, Array, dict[str, Array], dict[str, Array]]:
        """One layer alone, on a given input and upstream gradient: output, input gradient, parameter gradients, buffers."""
        arch = self.architecture
        layer = dict(arch.layers)[name]
        params, buffers = weights.params.get(name, {}), dict(weights.buffers.get(name, {}))
        state = LayerState(params, buffers, arch.layer_trains(name, training), masks.get(name))
        y, cache = layer.forward(x, state)
        dx, grads = layer.backward(upstream, state, cache)
        if name in arch.frozen:
            return y, dx, {}, state.buffers
        if arch.regulariser is not None:
            for p in (p for p in layer.regularised if arch.learns(name, p)):
                grads[p] = grads[p] + arch.regulariser.gradient(params[p], len(x))
        return y, dx, grads, state.buffers
