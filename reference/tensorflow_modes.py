"""The TensorFlow twin as graphs: the same Keras layers, tape and optimizer, traced by `tf.function` or compiled by XLA."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from reference.tensorflow_layers import Tensor
from reference.tensorflow_twin import FrameworkTwin
from reference.twin import NotInMode
from scratch.network import Architecture
from scratch.optimizers import Optimizer


class FunctionTwin(FrameworkTwin):
    """Pass, evaluation and update are a `tf.function` each, traced once per batch size; see `reference.Twin`."""

    def __init__(
        self,
        arch: Architecture,
        optimizer: Optimizer | None = None,
        dtype: str = "float64",
        ignored: frozenset[str] = frozenset(),
        compiled: bool = True,
    ) -> None:
        super().__init__(arch, optimizer, dtype, ignored, compiled=True)
        self._met_while_tracing_evaluation: set[str] = set()
        self._traced_evaluation = tf.function(super()._evaluate, jit_compile=self.jit)

    def _evaluate(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        before, self.applied = self.applied, self._met_while_tracing_evaluation
        try:
            return self._traced_evaluation(x)
        finally:
            self.applied = before | self.applied


class XlaTwin(FunctionTwin):
    """The functions compiled by XLA, which fuses operations and chooses its own order of summation.

    Raises
    ------
    NotInMode
        By whatever computes, if XLA has no kernel for an operation.
    """

    jit = True

    def _run_compiled(self, *arguments: Any) -> Any:
        return _refusals_named(super()._run_compiled, *arguments)

    def _evaluate(self, x: Tensor) -> Any:
        return _refusals_named(super()._evaluate, x)

    def update(self, grads: Any = None) -> None:
        """One step of the Keras optimizer, compiled; see `FrameworkTwin.update`."""
        _refusals_named(super().update, grads)


def _refusals_named(compute: Any, *arguments: Any) -> Any:
    try:
        return compute(*arguments)
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        said = str(error.message).strip()
        if "compile" not in said and not isinstance(error, tf.errors.UnimplementedError):
            raise
        raise NotInMode(f"XLA cannot compile it: {said.splitlines()[0]}") from error
