"""The course's functions behind the same door as the twins: columns become rows, W1 becomes dense1.W, dA loses its m.

This is what a learner's own file is compared through: only functions of `scratch.course` do mathematics here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scratch import Adam, Architecture, Dense, GradientDescent, Momentum, Optimizer, Pass, Weights, course
from scratch.layer import Array, require
from scratch.weights import Arrays


class CourseModel:
    """[LINEAR -> RELU] * (L - 1) -> LINEAR -> SIGMOID by the course's functions, with the methods of `reference.Twin`.

    Parameters
    ----------
    arch : Architecture
        Dense and ReLU in turn, Dense, Sigmoid; binary cross-entropy of probabilities.
    optimizer : GradientDescent, Momentum or Adam, optional
    dtype : str

    Raises
    ------
    ValueError
        For any other architecture or optimizer.
    """

    def __init__(self, arch: Architecture, optimizer: Optimizer | None, dtype: str) -> None:
        require(
            type(arch.loss).__name__ == "BinaryCrossEntropy", "the course's cost is the cross-entropy of probabilities"
        )
        known = isinstance(optimizer, GradientDescent | Momentum | Adam | None)
        require(known, f"the course has no {type(optimizer).__name__}")
        self.architecture, self.optimizer, self.dtype = arch, optimizer, dtype
        self.names = [name for name, _ in arch.layers]
        self._check([type(layer).__name__ for _, layer in arch.layers])

    def _check(self, kinds: list[str]) -> None:
        wanted = [*(["Dense", "ReLU"] * (len(kinds) // 2))[:-1], "Sigmoid"]
        require(kinds == wanted, f"the course's network is {wanted}, not {kinds}")
        require(self.architecture.regulariser is None, "the course regularises its network of three layers alone")

    def load(self, weights: Weights) -> None:
        """Set all parameters and forget the optimizer's memory."""
        self.parameters: dict[str, Array] = {}
        for l, dense in self._dense():  # noqa: E741
            self.parameters[f"W{l}"] = weights.params[dense]["W"].T.copy()
            self.parameters[f"b{l}"] = weights.params[dense]["b"].reshape(-1, 1).copy()
        self.v, self.s = course.initialize_adam(self.parameters)
        self.t = 0

    def _dense(self) -> Iterator[tuple[int, str]]:
        dense = (name for name, layer in self.architecture.layers if isinstance(layer, Dense))
        return enumerate(dense, start=1)

    def weights(self) -> Weights:
        """All parameters, in rows."""
        return Weights(self._in_rows(self.parameters, ""))

    def _in_rows(self, columns: dict[str, Array], prefix: str) -> Arrays:
        return {
            dense: {
                "W": np.ascontiguousarray(columns[f"{prefix}W{l}"].T),
                "b": columns[f"{prefix}b{l}"].ravel(),
            }
            for l, dense in self._dense()  # noqa: E741
        }

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer, and `predictions`."""
        AL, caches = course.L_model_forward(x.T, self.parameters)
        return self._outputs(AL, caches) | {"predictions": np.ascontiguousarray(AL.T)}

    def _outputs(self, AL: Array, caches: list) -> dict[str, Array]:
        # The input of layer l + 1, which its cache holds, is the output of layer l.
        outputs = [*(linear[0] for linear, _ in caches[1:]), AL]
        pairs = zip((Z for _, Z in caches), outputs, strict=True)
        return {
            name: np.ascontiguousarray(a.T)
            for name, a in zip(self.names, (a for pair in pairs for a in pair), strict=True)
        }

    def differentiate(
        self,
        x: Array,
        target: Array | None = None,
        upstream: Array | None = None,
        training: bool = True,
        masks: dict[str, Array] | None = None,
    ) -> Pass:
        """Forward, cost and backward for one batch."""
        require(target is not None, "the course's network needs targets")
        assert target is not None
        AL, caches = course.L_model_forward(x.T, self.parameters)
        self._grads = course.L_model_backward(AL, target.T, caches)
        return Pass(
            outputs=self._outputs(AL, caches),
            loss=np.asarray(course.compute_cost(AL, target.T)),
            grads=self._in_rows(self._grads, "d"),
            input_grads=self._input_grads(caches, len(x)),
            output_grad=self._grads[f"dA{len(caches)}"].T / len(x),
        )

    def _input_grads(self, caches: list, m: int) -> dict[str, Array]:
        """dJ/d input of every layer: the course's dA and dZ are m times that."""
        backward = [course.relu_backward] * (len(caches) - 1) + [course.sigmoid_backward]
        found = {}
        for l, (_, Z) in enumerate(caches, start=1):  # noqa: E741
            dense, activation = self.names[2 * l - 2 : 2 * l]
            found[dense] = self._grads[f"dA{l - 1}"].T / m
            found[activation] = backward[l - 1](self._grads[f"dA{l}"], Z).T / m
        return found

    def update(self, grads: Arrays | None = None) -> None:
        """One step of gradient descent, momentum or Adam."""
        require(grads is None, "the course's updates take the gradients of its own backward pass")
        rate, own = self.optimizer.learning_rate if self.optimizer else 0.0, self._grads
        self.t += 1
        if isinstance(self.optimizer, Momentum):
            self.parameters, self.v = course.update_parameters_with_momentum(
                self.parameters, own, self.v, self.optimizer.beta, rate
            )
        elif isinstance(self.optimizer, Adam):
            rule = self.optimizer
            self.parameters, self.v, self.s = course.update_parameters_with_adam(
                self.parameters, own, self.v, self.s, self.t, rate, rule.beta1, rule.beta2, rule.epsilon
            )
        else:
            self.parameters = course.update_parameters(self.parameters, own, rate)

    def optimizer_state(self) -> dict[str, dict[str, dict[str, Array]]]:
        """The optimizer's memory, in rows."""
        kept = {"v": self.v} if isinstance(self.optimizer, Momentum) else {}
        kept = {"v": self.v, "s": self.s} if isinstance(self.optimizer, Adam) else kept
        in_rows = {name: self._in_rows(moments, "d") for name, moments in kept.items()}
        return {
            dense: {p: {name: arrays[dense][p] for name, arrays in in_rows.items()} for p in ("W", "b")}
            for _, dense in self._dense()
        }
