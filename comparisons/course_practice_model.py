"""The course's shallow tanh network, and its three layers with L2 or dropout, behind the same door as its deep network.

Their forward and backward passes are functions of their own in the course; gradients that those do not return (with respect
to a layer's input) come from the course's functions for one layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from comparisons.course_model import CourseModel
from scratch import L2, Architecture, Dropout, Optimizer, Pass, course
from scratch.layer import Array, require

SHALLOW = ["Dense", "Tanh", "Dense", "Sigmoid"]
THREE_LAYERS = ["Dense", "ReLU", "Dense", "ReLU", "Dense", "Sigmoid"]
DROPOUT = ["Dense", "ReLU", "Dropout", "Dense", "ReLU", "Dropout", "Dense", "Sigmoid"]


def course_model(arch: Architecture, optimizer: Optimizer | None, dtype: str) -> CourseModel:
    """The course's functions for this network; ValueError if it has none."""
    kinds = [type(layer).__name__ for _, layer in arch.layers]
    model: type[CourseModel] = CourseModel
    if kinds == SHALLOW:
        model = ShallowModel
    elif kinds == DROPOUT:
        model = DropoutModel
    elif kinds == THREE_LAYERS and arch.regulariser is not None:
        model = RegularisedModel
    return model(arch, optimizer, dtype)


class _OwnPasses(CourseModel):
    """A network whose gradients with respect to the parameters come from a function of the course's for it alone."""

    activations: tuple[str, ...]

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
        require(training, "the course differentiates in training alone")
        assert target is not None
        X, Y = x.T, target.T
        outputs, caches, cost = self._pass(X, Y, {name: D.T for name, D in (masks or {}).items()})
        return Pass(
            outputs={name: np.ascontiguousarray(a.T) for name, a in outputs.items()},
            loss=np.asarray(cost),
            grads=self._in_rows(self._grads, "d"),
            input_grads={name: g.T / len(x) for name, g in self._backwards(Y, outputs, caches).items()},
            output_grad=self._last(Y, outputs, caches)["dA1"].T / len(x),
        )

    def _pass(self, X: Array, Y: Array, masks: dict[str, Array]) -> tuple[dict[str, Array], list[Any], Any]:
        """Outputs in columns, a (linear cache, Z) per dense layer, and the cost; the gradients are kept."""
        raise NotImplementedError

    def _last(self, Y: Array, outputs: dict[str, Array], caches: list[Any]) -> dict[str, Array]:
        # The deep network's backward pass of the last layer alone, as if it were the first.
        return course.L_model_backward(outputs[self.names[-1]], Y, caches[-1:])

    def _backwards(self, Y: Array, outputs: dict[str, Array], caches: list[Any]) -> dict[str, Array]:
        """m dJ/d input of every layer."""
        dense = dict(self._dense())
        dA = self._last(Y, outputs, caches)["dA1"]
        found = {}
        for l in range(len(caches), 0, -1):  # noqa: E741
            linear, Z = caches[l - 1]
            after = self.names[self.names.index(dense[l]) + 1]
            found[after] = getattr(course, f"{self.activations[l - 1]}_backward")(dA, Z)
            found[dense[l]] = dA = course.linear_backward(found[after], linear)[0]
            if l > 1:
                dA = self._between(dA, dense[l], found)
        return found

    def _between(self, dA: Array, dense: str, found: dict[str, Array]) -> Array:
        """m dJ/dA before what stands between two layers."""
        return dA


class ShallowModel(_OwnPasses):
    """LINEAR -> TANH -> LINEAR -> SIGMOID by `forward_propagation` and `backward_propagation`."""

    activations = ("tanh", "sigmoid")

    def _check(self, kinds: list[str]) -> None:
        require(self.architecture.regulariser is None, "the course regularises its network of three layers alone")

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer, and `predictions`."""
        A2, cache = course.forward_propagation(x.T, self.parameters)
        outputs = dict(zip(self.names, cache.values(), strict=True)) | {"predictions": A2}
        return {name: np.ascontiguousarray(a.T) for name, a in outputs.items()}

    def _pass(self, X: Array, Y: Array, masks: dict[str, Array]) -> tuple[dict[str, Array], list[Any], Any]:
        p = self.parameters
        A2, cache = course.forward_propagation(X, p)
        self._grads = course.backward_propagation(p, cache, X, Y)
        caches = [((X, p["W1"], p["b1"]), cache["Z1"]), ((cache["A1"], p["W2"], p["b2"]), cache["Z2"])]
        return dict(zip(self.names, cache.values(), strict=True)), caches, course.compute_cost(A2, Y)


class RegularisedModel(_OwnPasses):
    """[LINEAR -> RELU] * 2 -> LINEAR -> SIGMOID with L2, by `backward_propagation_with_regularization`."""

    activations = ("relu", "relu", "sigmoid")

    def _check(self, kinds: list[str]) -> None:
        regulariser = self.architecture.regulariser
        require(isinstance(regulariser, L2), f"the course has no {type(regulariser).__name__} for its network")
        assert isinstance(regulariser, L2)
        self.lambda_ = regulariser.lambda_

    def _pass(self, X: Array, Y: Array, masks: dict[str, Array]) -> tuple[dict[str, Array], list[Any], Any]:
        p = self.parameters
        _, cache = course.forward_propagation_n(X, Y, p)
        Z1, A1, _, _, Z2, A2, _, _, Z3, A3, _, _ = cache
        self._grads = course.backward_propagation_with_regularization(X, Y, cache, self.lambda_)
        caches = [((X, p["W1"], p["b1"]), Z1), ((A1, p["W2"], p["b2"]), Z2), ((A2, p["W3"], p["b3"]), Z3)]
        outputs = dict(zip(self.names, (Z1, A1, Z2, A2, Z3, A3), strict=True))
        return outputs, caches, course.compute_cost_with_regularization(A3, Y, p, self.lambda_)


class DropoutModel(_OwnPasses):
    """The same with inverted dropout after both hidden layers, by `forward_` and `backward_propagation_with_dropout`."""

    activations = ("relu", "relu", "sigmoid")

    def _check(self, kinds: list[str]) -> None:
        require(self.architecture.regulariser is None, "the course has no L2 together with dropout")
        first, second = (layer.keep_prob for _, layer in self.architecture.layers if isinstance(layer, Dropout))
        require(first == second, f"the course has one keep_prob for both layers, not {first} and {second}")
        self.keep_prob = first

    def evaluate(self, x: Array) -> dict[str, Array]:
        """Output of every layer, and `predictions`: without dropout the network is the deep one."""
        AL, caches = course.L_model_forward(x.T, self.parameters)
        ((_, Z1), ((A1, _, _), Z2), ((A2, _, _), Z3)) = caches
        outputs = dict(zip(self.names, (Z1, A1, A1, Z2, A2, A2, Z3, AL), strict=True)) | {"predictions": AL}
        return {name: np.ascontiguousarray(a.T) for name, a in outputs.items()}

    def _pass(self, X: Array, Y: Array, masks: dict[str, Array]) -> tuple[dict[str, Array], list[Any], Any]:
        p = self.parameters
        D1, D2 = (masks[self.names[i]] for i in (2, 5))
        A3, cache = course.forward_propagation_with_dropout(X, p, self.keep_prob, (D1, D2))
        Z1, _, A1, _, _, Z2, _, A2, _, _, Z3, _, _, _ = cache
        self._grads = course.backward_propagation_with_dropout(X, Y, cache, self.keep_prob)
        caches = [((X, p["W1"], p["b1"]), Z1), ((A1, p["W2"], p["b2"]), Z2), ((A2, p["W3"], p["b3"]), Z3)]
        every = (Z1, course.relu(Z1)[0], A1, Z2, course.relu(Z2)[0], A2, Z3, A3)
        return dict(zip(self.names, every, strict=True)), caches, course.compute_cost(A3, Y)

    def _between(self, dA: Array, dense: str, found: dict[str, Array]) -> Array:
        l = self.names.index(dense) // 3  # noqa: E741
        found[self.names[3 * l - 1]] = before = self._grads[f"dA{l}"]
        return before
