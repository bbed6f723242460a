"""The TensorFlow twin: Keras layers and losses, `tf.GradientTape`, Keras optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

import reference.tensorflow_optimizers_more  # noqa: F401  (fills OPTIMIZERS)
from reference import (
    tensorflow_convolution,  # noqa: F401  (fills LAYERS)
    tensorflow_normalisation,  # noqa: F401  (fills LAYERS)
    tensorflow_optimizers_around,  # noqa: F401  (fills OPTIMIZERS)
    tensorflow_recurrent,  # noqa: F401  (fills LAYERS)
    tensorflow_residual,  # noqa: F401  (fills LAYERS)
)
from reference.tensorflow_layers import LAYERS, LayerTwin, Precision, Tensor, floatx, penalty, to_tensor
from reference.tensorflow_losses import LOSSES
from reference.tensorflow_optimizers import OPTIMIZERS, OptimizerTwin
from reference.twin import Twin, choose, stock_name
from scratch.layer import Array, require
from scratch.network import Architecture, Pass, check_weights
from scratch.optimizers import Optimizer
from scratch.weights import Arrays, Weights, flatten

# TensorFlow warns of every function that is traced anew; here a network is, once per batch size.
tf.get_logger().setLevel("ERROR")


class FrameworkTwin(Twin):
    """A Keras network with the architecture, weights and optimizer of a scratch network; see `reference.Twin`.

    Notes
    -----
    Eager by default; with `compiled`, one `tf.function` each for the pass and for the update, traced per batch size.

    Attributes
    ----------
    jit : bool
        Whether XLA compiles what is traced.
    """

    jit = False

    def __init__(
        self,
        arch: Architecture,
        optimizer: Optimizer | None = None,
        dtype: str = "float64",
        ignored: frozenset[str] = frozenset(),
        compiled: bool = False,
    ) -> None:
        super().__init__(arch, optimizer, dtype, ignored, compiled)
        self._precision = to = Precision(dtype, self.maps)
        with floatx(dtype):
            self.layers: dict[str, LayerTwin] = {
                name: choose(LAYERS, layer)(layer, to, arch.regulariser) for name, layer in arch.layers
            }
            for name in arch.frozen:
                self.layers[name].layer.trainable = False
            self._loss = choose(LOSSES, arch.loss)(arch.loss, to) if arch.loss else None
            self._parameters = [variable for _, _, variable in self._named_parameters()]
            self._optimizer: OptimizerTwin | None = None
            if optimizer is not None and self._parameters:
                self._optimizer = choose(OPTIMIZERS, optimizer)(optimizer, self._parameters, to)
        self._gradients: list[Tensor] | None = None
        self._met_while_tracing: dict[bool, set[str]] = {True: set(), False: set()}
        self._run, self._apply = self._run_eagerly, self._apply_eagerly
        if compiled:
            self._run = self._run_compiled
            self._traced_run = tf.function(self._run_eagerly, jit_compile=self.jit)
            self._apply = tf.function(self._apply_eagerly, jit_compile=self.jit)

    def _named_parameters(self) -> Iterator[tuple[str, str, Any]]:
        """Layer, name and variable of everything that is learned."""
        for layer, twin in self.layers.items():
            for p, variable in twin.params.items():
                if self.architecture.learns(layer, p):
                    yield layer, p, variable

    def parts(self) -> dict[str, str]:
        """The Keras class in the place of each layer, by the layer's name, and of the `optimizer`."""
        found = {name: stock_name(twin.layer, "keras") for name, twin in self.layers.items()}
        return found | ({"optimizer": stock_name(self._optimizer.stock, "keras")} if self._optimizer else {})

    def load(self, weights: Weights) -> None:
        """Set all parameters and buffers, bit for bit, and forget gradients and the optimizer's memory and step count.

        Raises
        ------
        ValueError
            If an array is missing, unknown or of another shape or dtype.
        """
        self._start()
        check_weights(self.architecture, weights)
        self._gradients = None  # first: both at once may be large
        for name, twin in self.layers.items():
            for p, variable in twin.params.items():
                variable.assign(to_tensor(weights.params[name][p], self.dtype, f"{name}.{p}"))
            for b, variable in twin.buffers.items():
                variable.assign(to_tensor(weights.buffers[name][b], self.dtype, f"{name}.{b}"))
        if self._optimizer is not None:
            self._optimizer.reset()

    def weights(self) -> Weights:
        """All parameters and buffers, as copies in scratch's layout."""

        def copies(named: dict[str, Any]) -> dict[str, Array]:
            return {name: np.array(variable.numpy()) for name, variable in named.items()}

        twins = self.layers.items()
        return Weights(
            {name: copies(twin.params) for name, twin in twins if twin.params},
            {name: copies(twin.buffers) for name, twin in twins if twin.buffers},
        )

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer in evaluation mode, and `predictions` if there is a loss: the probabilities."""
        tensors, predictions = self._evaluate(to_tensor(x, self.dtype, "x"))
        outputs = {name: h.numpy() for name, h in zip(self.layers, tensors, strict=True)}
        return outputs if predictions is None else outputs | {"predictions": predictions.numpy()}

    def _evaluate(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        tensors = self._forward(x, training=False, masks={})
        return tensors[1:], None if self._loss is None else self._loss.probabilities(tensors[-1])

    def _forward(self, x: Tensor, training: bool, masks: dict[str, Tensor]) -> list[Tensor]:
        """The input, then the output of every layer."""
        tensors = [x]
        for name, layer in self.layers.items():
            tensors.append(layer.forward(tensors[-1], training, masks.get(name)))
        return tensors

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, loss and autodiff for one batch, as `scratch.Network.differentiate`; buffers move in training mode."""
        if self._loss is not None:
            require(target is not None, "a network with a loss needs targets")
            given, name = target, "target"
        else:
            require(upstream is not None, "a network without a loss needs an upstream gradient")
            given, name = upstream, "upstream"
        assert given is not None
        tensors, loss, found = self._run(
            to_tensor(x, self.dtype, "x"),
            to_tensor(given, self.dtype, name),
            training,
            {layer: tf.constant(mask) for layer, mask in (masks or {}).items()},
        )
        arrays = [h.numpy() for h in tensors]
        if self._loss is not None:
            self._loss.refuse(arrays[-1], given)
        return self._as_pass(arrays, loss, found)

    def _run_eagerly(
        self, x: Tensor, given: Tensor, training: bool, masks: dict[str, Tensor]
    ) -> tuple[list[Tensor], Tensor | None, list[Tensor]]:
        """Input and outputs of all layers, the loss, and the gradients of those and of the parameters."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            tensors = self._forward(x, training, masks)
            output = tensors[-1]
            fits, name = output.shape == given.shape, "upstream" if self._loss is None else "target"
            require(fits, f"{name}: shape {given.shape}, but the network's output has shape {output.shape}")
            roots, seeds, loss = self._roots(output, given, x.shape[0])
        return tensors, loss, tape.gradient(roots, [*tensors, *self._parameters], seeds)

    def _run_compiled(
        self, x: Tensor, given: Tensor, training: bool, masks: dict[str, Tensor]
    ) -> tuple[list[Tensor], Tensor | None, list[Tensor]]:
        # Only tracing asks for mappings, but each call applies them: what was met then is met by every later call too.
        before, self.applied = self.applied, self._met_while_tracing[training]
        try:
            return self._traced_run(x, given, training, masks)
        finally:
            self.applied = before | self.applied

    def _roots(self, output: Tensor, given: Tensor, m: int) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
        """Where autodiff starts, with which upstream gradients, and the loss if there is one."""
        regulariser = self.architecture.regulariser
        extra = penalty(regulariser, list(self.layers.values()), m, self._precision) if regulariser else None
        if self._loss is not None:
            loss = self._loss.cost(output, given)
            loss = loss if extra is None else loss + extra
            return [loss], [tf.ones_like(loss)], loss
        return ([output], [given], None) if extra is None else ([output, extra], [given, tf.ones_like(extra)], None)

    def _as_pass(self, arrays: list[Array], loss: Tensor | None, found: list[Tensor]) -> Pass:
        activation_grads, self._gradients = found[: len(arrays)], found[len(arrays) :]
        grads: Arrays = {}
        for (layer, p, _), gradient in zip(self._named_parameters(), self._gradients, strict=True):
            grads.setdefault(layer, {})[p] = gradient.numpy()
        return Pass(
            outputs=dict(zip(self.layers, arrays[1:], strict=True)),
            loss=None if loss is None else np.asarray(loss.numpy()),
            grads=grads,
            input_grads={name: g.numpy() for name, g in zip(self.layers, activation_grads[:-1], strict=True)},
            output_grad=activation_grads[-1].numpy(),
        )

    def update(self, grads: Arrays | None = None) -> None:
        """One step of the Keras optimizer, on these gradients or on those of the last `differentiate`.

        Raises
        ------
        ValueError
            If there is no optimizer, or not exactly one gradient for every parameter.
        """
        require(self.optimizer is not None, "the TensorFlow twin was built without an optimizer")
        gradients = self._gradients if grads is None else self._as_gradients(dict(flatten(grads)))
        if self._optimizer is not None:
            require(gradients is not None, "there are no gradients yet: differentiate first")
            assert gradients is not None
            self._apply(gradients)
        if grads is not None:  # they are not the last pass's: `update()` is not to take them for it
            self._gradients = None

    def _apply_eagerly(self, gradients: list[Tensor]) -> None:
        assert self._optimizer is not None
        self._optimizer.stock.apply(gradients)

    def _as_gradients(self, grads: dict[str, Array]) -> list[Tensor]:
        shapes = {f"{layer}.{p}": tuple(variable.shape) for layer, p, variable in self._named_parameters()}
        differing = sorted(grads.keys() ^ shapes.keys())
        require(not differing, f"gradients and parameters do not belong together: {', '.join(differing)}")
        for name, shape in shapes.items():
            require(
                grads[name].shape == shape, f"gradient of {name}: shape {grads[name].shape}, the parameter has {shape}"
            )
        return [to_tensor(grads[name], self.dtype, f"gradient of {name}") for name in shapes]

    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """The optimizer's memory by layer, parameter and scratch's name for it: `["dense1"]["W"]["v"]`."""
        if self._optimizer is None:
            return {}
        states: dict[str, dict[str, dict[str, Array]]] = {}
        for index, (layer, p, _) in enumerate(self._named_parameters()):
            states.setdefault(layer, {})[p] = self._optimizer.state(index, self._precision)
        return states
