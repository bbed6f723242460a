"""Logistic regression in loops and vectorised, behind the same door as the twins: columns become rows, dZ gets its 1/m."""

from __future__ import annotations

import numpy as np

from scratch import Architecture, GradientDescent, Optimizer, Pass, Weights
from scratch.layer import Array, require
from scratch.logistic import Propagated, propagate_loop, propagate_vectorised
from scratch.weights import Arrays


class VectorisedLogistic:
    """`scratch.logistic.propagate_vectorised` and gradient descent, with the methods of `reference.Twin`.

    Parameters
    ----------
    arch : Architecture
        Dense of one output, Sigmoid; binary cross-entropy of probabilities.
    optimizer : GradientDescent, optional
    dtype : str

    Raises
    ------
    ValueError
        For any other architecture or optimizer.
    """

    def __init__(self, arch: Architecture, optimizer: Optimizer | None, dtype: str) -> None:
        kinds = [type(layer).__name__ for _, layer in arch.layers]
        loss = type(arch.loss).__name__
        shapes = arch.layers[0][1].parameter_shapes() if arch.layers else {}
        fits = kinds == ["Dense", "Sigmoid"] and shapes.get("b") == (1,) and loss == "BinaryCrossEntropy"
        require(
            fits and not arch.frozen and arch.regulariser is None,
            "logistic regression is Dense of one output with a bias, Sigmoid and the cross-entropy of probabilities, "
            f"not {', '.join(kinds)} and {loss}",
        )
        known = isinstance(optimizer, GradientDescent | None)
        require(known, f"logistic regression learns by gradient descent, not {type(optimizer).__name__}")
        self.architecture, self.optimizer, self.dtype = arch, optimizer, dtype
        self.dense, self.sigmoid = (name for name, _ in arch.layers)

    @staticmethod
    def propagate(w: Array, b: Array, X: Array, Y: Array) -> Propagated:
        """Forward and backward, in columns."""
        return propagate_vectorised(w, b, X, Y)

    def load(self, weights: Weights) -> None:
        """Set w and b."""
        self.w, self.b = weights.params[self.dense]["W"].copy(), weights.params[self.dense]["b"].reshape(()).copy()

    def weights(self) -> Weights:
        """w and b under the layer's names."""
        return Weights(self._named(self.w, self.b))

    def _named(self, w: Array, b: Array) -> Arrays:
        return {self.dense: {"W": w.copy(), "b": b.reshape(1)}}

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Outputs of both layers, and `predictions`."""
        unlabelled = np.full((1, len(x)), 0.5, x.dtype)
        found = self.propagate(self.w, self.b, x.T, unlabelled)
        return self._outputs(found) | {"predictions": np.ascontiguousarray(found.A.T)}

    def _outputs(self, found: Propagated) -> dict[str, Array]:
        return {self.dense: np.ascontiguousarray(found.Z.T), self.sigmoid: np.ascontiguousarray(found.A.T)}

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, cost and backward for one batch."""
        require(target is not None, "logistic regression needs targets")
        assert target is not None
        m = len(x)
        self._last = found = self.propagate(self.w, self.b, x.T, target.T)
        return Pass(
            outputs=self._outputs(found),
            loss=found.J,
            grads=self._named(found.dw, found.db),
            input_grads={self.dense: found.dX.T / m, self.sigmoid: found.dZ.T / m},
            output_grad=found.dA.T / m,
        )

    def update(self, grads: Arrays | None = None) -> None:
        """w := w - alpha dw, b := b - alpha db."""
        require(grads is None, "logistic regression learns from the gradients of its own pass")
        rate = self.optimizer.learning_rate if self.optimizer else 0.0
        self.w, self.b = self.w - rate * self._last.dw, np.asarray(self.b - rate * self._last.db)

    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """Nothing: gradient descent has no memory."""
        return {self.dense: {"W": {}, "b": {}}}


class LoopLogistic(VectorisedLogistic):
    """`scratch.logistic.propagate_loop` and gradient descent."""

    @staticmethod
    def propagate(w: Array, b: Array, X: Array, Y: Array) -> Propagated:
        """Forward and backward, in columns."""
        return propagate_loop(w, b, X, Y)
