"""The torch twin: `torch.nn` layers and losses, autograd, `torch.optim`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

import reference.torch_optimizers_more  # noqa: F401  (fills OPTIMIZERS)
from reference import (
    torch_convolution,  # noqa: F401  (fills LAYERS)
    torch_normalisation,  # noqa: F401  (fills LAYERS)
    torch_optimizers_around,  # noqa: F401  (fills OPTIMIZERS)
    torch_recurrent,  # noqa: F401  (fills LAYERS)
    torch_residual,  # noqa: F401  (fills LAYERS)
)
from reference.torch_layers import LAYERS, LayerTwin, Slot, to_tensor
from reference.torch_losses import LOSSES, PENALTIES
from reference.torch_optimizers import OPTIMIZERS, OptimizerTwin
from reference.twin import Twin, choose, stock_name
from scratch.layer import Array, require
from scratch.network import Architecture, Pass, check_weights
from scratch.optimizers import Optimizer
from scratch.weights import Arrays, Weights, flatten


class FrameworkTwin(Twin):
    """A torch network with the architecture, weights and optimizer of a scratch network; see `reference.Twin`.

    Notes
    -----
    torch runs eagerly here, whatever `compiled` says: it needs no tracing to be fast on small networks. The mode that
    compiles is `reference.torch_compile.CompileTwin`.
    """

    def __init__(
        self,
        arch: Architecture,
        optimizer: Optimizer | None = None,
        dtype: str = "float64",
        ignored: frozenset[str] = frozenset(),
        compiled: bool = False,
    ) -> None:
        super().__init__(arch, optimizer, dtype, ignored, compiled)
        self._dtype: torch.dtype = getattr(torch, dtype)
        # torch's layers draw initial weights, which `load` replaces; the caller's random stream is not to move for that.
        with torch.random.fork_rng(devices=[]):
            self.layers: dict[str, LayerTwin] = {
                name: choose(LAYERS, layer)(layer, self._dtype, self.maps) for name, layer in arch.layers
            }
        self._loss = choose(LOSSES, arch.loss)(arch.loss, self.maps) if arch.loss else None
        self._slots = {f"{layer}.{p}": slot for layer, p, slot in self._learning()}
        for layer, p, slot in self._named_slots():
            if not arch.learns(layer, p):
                slot.tensor.requires_grad_(False)
        self._parameters = [slot.tensor for slot in self._slots.values()]
        self._optimizer = self._make_optimizer()

    def parts(self) -> dict[str, str]:
        """The torch class in the place of each layer, by the layer's name, and of the `optimizer`."""
        found = {name: stock_name(twin.module, "torch") for name, twin in self.layers.items()}
        return found | ({"optimizer": stock_name(self._optimizer.stock, "torch")} if self._optimizer else {})

    def _learning(self) -> Iterator[tuple[str, str, Slot]]:
        return ((layer, p, slot) for layer, p, slot in self._named_slots() if self.architecture.learns(layer, p))

    def _named_slots(self) -> Iterator[tuple[str, str, Slot]]:
        for layer, twin in self.layers.items():
            for p, slot in twin.params.items():
                yield layer, p, slot

    def _make_optimizer(self) -> OptimizerTwin | None:
        if self.optimizer is None or not self._parameters:  # torch refuses to optimize nothing
            return None
        return choose(OPTIMIZERS, self.optimizer)(self.optimizer, self._parameters, self.maps)

    def load(self, weights: Weights) -> None:
        """Set all parameters and buffers, bit for bit, and forget gradients and the optimizer's memory and step count.

        Raises
        ------
        ValueError
            If an array is missing, unknown or of another shape or dtype.
        """
        self._start()
        check_weights(self.architecture, weights)
        self._forget_gradients()  # first: both at once may be large
        for name, twin in self.layers.items():
            for p, slot in twin.params.items():
                slot.write(weights.params[name][p], f"{name}.{p}")
            for b, slot in twin.buffers.items():
                slot.write(weights.buffers[name][b], f"{name}.{b}")
        self._reset()

    def _reset(self) -> None:
        if self._optimizer is not None:
            self._optimizer.reset()

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def weights(self) -> Weights:
        """All parameters and buffers, as copies in scratch's layout."""
        twins = self.layers.items()
        return Weights(
            {name: {p: slot.read() for p, slot in twin.params.items()} for name, twin in twins if twin.params},
            {name: {b: slot.read() for b, slot in twin.buffers.items()} for name, twin in twins if twin.buffers},
        )

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer in evaluation mode, and `predictions` if there is a loss: the probabilities."""
        with torch.no_grad():
            tensors, predictions = self._evaluate(to_tensor(x, self._dtype, "x"))
        outputs = {name: h.numpy() for name, h in zip(self.layers, tensors, strict=True)}
        return outputs if predictions is None else outputs | {"predictions": predictions.numpy()}

    def _evaluate(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        tensors = self._forward(x, training=False, masks={})
        return tensors[1:], None if self._loss is None else self._loss.probabilities(tensors[-1])

    def _forward(
        self, x: Tensor, training: bool, masks: dict[str, Tensor], probes: Sequence[Tensor] = ()
    ) -> list[Tensor]:
        """The input, then the output of every layer, to which its probe is added if there are any."""
        tensors = [x]
        for i, (name, layer) in enumerate(self.layers.items()):
            trains = training and not self._evaluates(name)
            h = layer.forward(tensors[-1], trains, masks.get(name))
            tensors.append(h + probes[i] if probes else h)
        return tensors

    def _evaluates(self, layer: str) -> bool:
        """Whether a layer is in evaluation mode whatever the network is in: a frozen one with running averages."""
        # requires_grad says nothing of them: left in training mode, batch norm goes on with them, and uses the batch's own.
        averages = layer in self.architecture.frozen and bool(self.layers[layer].buffers)
        return averages and self.maps("frozen-batchnorm")

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, loss and autograd for one batch, as `scratch.Network.differentiate`; buffers move in training mode."""
        if self._loss is not None:
            require(target is not None, "a network with a loss needs targets")
            given, name = target, "target"
        else:
            require(upstream is not None, "a network without a loss needs an upstream gradient")
            given, name = upstream, "upstream"
        assert given is not None
        tensors, loss, found = self._run(
            to_tensor(x, self._dtype, "x").requires_grad_(),
            to_tensor(given, self._dtype, name),
            training,
            {layer: torch.from_numpy(np.array(mask, order="C")) for layer, mask in (masks or {}).items()},
        )
        if self._loss is not None:
            self._loss.refuse(tensors[-1].detach())
        activation_grads, parameter_grads = found[: len(tensors)], found[len(tensors) :]
        grads: Arrays = {}
        for (layer, p, slot), gradient in zip(self._learning(), parameter_grads, strict=True):
            slot.tensor.grad = gradient
            grads.setdefault(layer, {})[p] = slot.to_scratch(gradient)
        return Pass(
            outputs={name: h.detach().numpy() for name, h in zip(self.layers, tensors[1:], strict=True)},
            loss=None if loss is None else np.asarray(loss.detach().numpy()),
            grads=grads,
            input_grads={name: g.numpy() for name, g in zip(self.layers, activation_grads[:-1], strict=True)},
            output_grad=activation_grads[-1].numpy(),
        )

    def _run(
        self, x: Tensor, given: Tensor, training: bool, masks: dict[str, Tensor]
    ) -> tuple[list[Tensor], Tensor | None, Sequence[Tensor]]:
        """Input and outputs of all layers, the loss, and the gradients of those and of the parameters."""
        tensors = self._forward(x, training, masks)
        roots, seeds, loss = self._roots(tensors[-1], given, len(x))
        return tensors, loss, torch.autograd.grad(roots, [*tensors, *self._parameters], seeds)

    def _roots(self, output: Tensor, given: Tensor, m: int) -> tuple[list[Tensor], list[Tensor | None], Tensor | None]:
        """Where autograd starts, with which upstream gradients (None for 1), and the loss if there is one."""
        shape, name = tuple(output.shape), "upstream" if self._loss is None else "target"  # torch would broadcast
        fits = tuple(given.shape) == shape
        require(fits, f"{name}: shape {tuple(given.shape)}, but the network's output has shape {shape}")
        penalty = self._penalty(m)
        if self._loss is not None:
            loss = self._loss.cost(output, given)
            loss = loss if penalty is None else loss + penalty
            return [loss], [None], loss
        return ([output], [given], None) if penalty is None else ([output, penalty], [given, None], None)

    def _penalised(self) -> list[tuple[str, str]]:
        """Layer and parameter of every weight that costs something."""
        arch = self.architecture
        layers = arch.layers if arch.regulariser else ()
        learning, everything = arch.regularised(), [(name, p) for name, layer in layers for p in layer.regularised]
        # A sum over a module's weights, which is what torch users write, knows nothing of requires_grad.
        return everything if learning != everything and not self.maps("frozen-penalty") else learning

    def _penalty(self, m: int) -> Tensor | None:
        weights = [self.layers[layer].params[p].tensor for layer, p in self._penalised()]
        if not weights:
            return None
        regulariser = self.architecture.regulariser
        return choose(PENALTIES, regulariser)(regulariser, weights, m, self.maps)

    def update(self, grads: Arrays | None = None) -> None:
        """One step of the torch optimizer, on these gradients or on those of the last `differentiate`.

        Raises
        ------
        ValueError
            If there is no optimizer, or not exactly one gradient for every parameter.
        """
        require(self.optimizer is not None, "the torch twin was built without an optimizer")
        if grads is not None:
            self._set_gradients(dict(flatten(grads)))
        if self._optimizer is not None:
            # torch would leave a parameter without gradient as it is, and say nothing.
            lacking = any(p.grad is None for p in self._parameters)
            require(not lacking, "there are no gradients yet: differentiate first")
            self._step()
        if grads is not None:  # they are not the last pass's: `update()` is not to take them for it
            self._forget_gradients()

    def _step(self) -> None:
        assert self._optimizer is not None
        self._optimizer.stock.step()

    def _set_gradients(self, grads: dict[str, Array]) -> None:
        differing = sorted(grads.keys() ^ self._slots.keys())
        require(not differing, f"gradients and parameters do not belong together: {', '.join(differing)}")
        for name, slot in self._slots.items():
            slot.tensor.grad = slot.to_torch(grads[name], f"gradient of {name}")

    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """The optimizer's memory by layer, parameter and scratch's name for it: `["dense1"]["W"]["v"]`."""
        if self._optimizer is None:
            return {}
        states: dict[str, dict[str, dict[str, Array]]] = {}
        for layer, p, slot in self._learning():
            arrays = self._optimizer.state(slot.tensor, self.maps)
            states.setdefault(layer, {})[p] = {name: slot.to_scratch(array) for name, array in arrays.items()}
        return states
