"""The torch twin behind `torch.compile`: the same modules, loss, autograd and optimizer, compiled to C++ by inductor.

Three things are compiled: the pass (whose backward is compiled with it), evaluation, and the optimizer's step. A compiled
function hides what lies between its inputs and its outputs: autograd cannot be asked for the gradient of an inner
activation. So zeros are added to every layer's output, as an input of the function: h + p has the gradient of h with
respect to p too.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch._dynamo
from torch import Tensor

from reference.torch_optimizers import OptimizerTwin
from reference.torch_twin import FrameworkTwin
from reference.twin import NotInMode
from scratch.network import Architecture
from scratch.optimizers import Adam, Optimizer
from scratch.optimizers_more import Adagrad, AdamW

# torch warns that it leaves its profiler's mark out of the optimizer's step.
logging.getLogger("torch._dynamo").setLevel(logging.ERROR)

COUNT_STEPS = (Adam, AdamW, Adagrad)
"""Optimizers whose update depends on how many there were."""
OWN: dict[str, Any] = {"dynamic": False, "isolate_recompiles": True}
"""Each function is compiled for the shapes it meets, and counts its own recompilations: torch gives up after 8, and would
count those of every other twin in, and guess from their sizes which of this one's may vary."""
LIMITS = {"accumulated_recompile_limit": sys.maxsize, "fail_on_recompile_limit_hit": True}
"""While a function is called: any number of twins may compile the same code, and one that is compiled too often is not to go on
eagerly, unsaid."""


class CompileTwin(FrameworkTwin):
    """A compiled torch network; see `reference.Twin`.

    Raises
    ------
    NotInMode
        By whatever computes, if torch cannot compile it whole.
    """

    def __init__(
        self,
        arch: Architecture,
        optimizer: Optimizer | None = None,
        dtype: str = "float64",
        ignored: frozenset[str] = frozenset(),
        compiled: bool = True,
    ) -> None:
        super().__init__(arch, optimizer, dtype, ignored, compiled=True)
        self._compiled_pass = torch.compile(self._pass, fullgraph=True, **OWN)
        self._compiled_evaluation = torch.compile(super()._evaluate, fullgraph=True, **OWN)
        self._met_while_tracing: dict[str, set[str]] = {}

    # Evaluated while tracing, and a constant of what is traced.
    @torch.compiler.assume_constant_result
    def maps(self, convention: str) -> bool:
        """Note that the convention was met; True if its mapping is to be applied."""
        return super().maps(convention)

    def _run(
        self, x: Tensor, given: Tensor, training: bool, masks: dict[str, Tensor]
    ) -> tuple[list[Tensor], Tensor | None, Sequence[Tensor]]:
        probes = self._probes(x)
        arguments = (x, given, training, masks)
        with self._tracing("training" if training else "pass", lambda: super(CompileTwin, self)._run(*arguments)):
            tensors, roots, loss = self._compiled_pass(*arguments, probes)
        seeds = [None] if self._loss is not None else [given, *[None] * (len(roots) - 1)]
        return tensors, loss, torch.autograd.grad(roots, [x, *probes, *self._parameters], seeds)

    def _probes(self, x: Tensor) -> list[Tensor]:
        """Zeros of every layer's output shape."""
        shape, probes = tuple(x.shape[1:]), []
        for _, layer in self.architecture.layers:
            shape = layer.output_shape(shape)
            probes.append(torch.zeros((len(x), *shape), dtype=self._dtype, requires_grad=True))
        return probes

    def _pass(
        self, x: Tensor, given: Tensor, training: bool, masks: dict[str, Tensor], probes: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], Tensor | None]:
        tensors = self._forward(x, training, masks, probes)
        roots, _, loss = self._roots(tensors[-1], given, len(x))
        return tensors, roots, loss

    def _evaluate(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        with self._tracing("evaluation", lambda: super(CompileTwin, self)._evaluate(x)):
            return self._compiled_evaluation(x)

    @contextmanager
    def _tracing(self, what: str, eagerly: Callable[[], Any]) -> Iterator[None]:
        """Where a function is called that may be traced now, or was before."""
        # Only tracing asks for mappings, but each call applies them: what was met then is met by every later call too.
        before, self.applied = self.applied, self._met_while_tracing.setdefault(what, set())
        try:
            with torch._dynamo.config.patch(LIMITS):
                yield
        except torch._dynamo.exc.TorchDynamoException as error:
            eagerly()  # an exception of our own, which torch does not trace, is raised by this
            raise NotInMode(f"torch cannot compile it: {_first_line(error)}") from error
        finally:
            self.applied = before | self.applied

    def _make_optimizer(self) -> OptimizerTwin | None:
        with self._exact_step_count():
            made = super()._make_optimizer()
        if made is not None:
            self._compiled_step = torch.compile(made.stock.step, **OWN)
        return made

    def _step(self) -> None:
        # The step is not one graph: torch breaks it itself.
        with self._exact_step_count(), torch._dynamo.config.patch(LIMITS):
            try:
                self._compiled_step()
            except torch._dynamo.exc.TorchDynamoException as error:
                raise NotInMode(f"torch cannot compile the optimizer: {_first_line(error)}") from error

    def _reset(self) -> None:
        # In place, as the compiled step knows the arrays by their identity.
        if self._optimizer is not None:
            self._optimizer.rewind()

    @contextmanager
    def _exact_step_count(self) -> Iterator[None]:
        """While the optimizer makes its step count, which it keeps in torch's default precision."""
        kept = torch.get_default_dtype()
        if isinstance(self.optimizer, COUNT_STEPS) and self.maps("compiled-step-count"):
            torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(kept)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
