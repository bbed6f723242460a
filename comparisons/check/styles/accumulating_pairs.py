"""Backward functions that add gradients to arrays they are given: `backward_pass(w1, b1, t, x, s1, x1, dl_dw1, dl_db1)`.

They take what the forward function took and returned, the target, and an array for each gradient. A loss of two arguments beside them
makes the number whose derivatives the gradients are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.styles.function_pairs import FunctionPair
from comparisons.check.styles.lazy_arguments import Filled, Options, arguments, run
from comparisons.check.styles.network_arguments import is_y, required
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
_LOSS = re.compile(r"\w*(loss|cost|mse|criterion)\w*|J", re.IGNORECASE)
_DERIVATIVE = re.compile(r"d_?\w*|\w*(grad|prime|deriv)\w*", re.IGNORECASE)


@dataclass
class AccumulatingPair(FunctionPair):
    """The two functions and the loss.

    Attributes
    ----------
    loss : str
    target : str
        The backward function's argument for it.
    into : dict of str to str
        The array that each gradient is added to, by the argument that it is a gradient of.
    """

    loss: str = ""
    target: str = ""
    into: dict[str, str] | None = None

    def _run(self, filled: Filled, options: Options) -> tuple[Array, Any]:
        returned = run(self.file, self.forward, filled, options)
        output = returned[-1] if isinstance(returned, tuple | list) and returned else returned
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f":
            raise UserError(f"{self.forward} returns no array")
        value = self.file.call(self.loss, output.copy(), _aim(output))
        if np.size(value) != 1 or not np.isfinite(value):
            raise UserError(f"{self.loss} is no number")
        return np.asarray(value, dtype=np.float64).reshape(1), returned

    def _claimed(
        self, filled: Filled, options: Options, returned: Any, upstream: Array
    ) -> dict[tuple[str, ...], Array]:
        f, b = self.file.namespace[self.forward], self.file.namespace[self.backward]
        parts = list(returned) if isinstance(returned, tuple | list) else [returned]
        names = returned_names(f)
        known = arguments(f, filled, options) | (
            dict(zip(names, parts, strict=True)) if len(names) == len(parts) else {}
        )
        known[self.target] = _aim(parts[-1])
        into = self.into or {}
        known |= {d: np.zeros(filled[(of,)].shape) for of, d in into.items()}
        asked = [p.name for p in required(b)]
        if any(n not in known for n in asked):
            raise UserError("it takes something else")
        self.file.call(b, **{n: known[n] for n in asked})
        self.file.mutated.clear()  # that is what it is for
        return {(of,): known[d] * upstream[0] for of, d in into.items()}


def _aim(output: Array) -> Array:
    """A target of the output's shape."""
    return np.random.default_rng(5).standard_normal(output.shape)


def find_accumulating_pairs(file: UserFile, functions: dict[str, Callable[..., Any]]) -> Iterator[AccumulatingPair]:
    """Those whose names of arguments tell what they are, and that run."""
    losses = [
        n
        for n, f in file.functions().items()
        if _LOSS.fullmatch(n) and not _DERIVATIVE.fullmatch(n) and len(required(f)) == 2
    ]
    for backward, b in functions.items():
        asked = [p.name for p in required(b)]
        for forward, f in functions.items():
            own = [p.name for p in required(f)]
            into = {
                n: d
                for n in own
                for d in asked
                if re.fullmatch(rf"\w*d_?{re.escape(n)}|(grad|g)_?{re.escape(n)}", d) and d != n
            }
            targets = [
                n for n in asked if is_y(n) and n not in own and n not in into.values() and n not in returned_names(f)
            ]
            if forward == backward or len(into) < 2 or len(targets) != 1:
                continue
            for loss in losses:
                pair = AccumulatingPair(file, forward, backward, loss=loss, target=targets[0], into=into)
                if pair.settle():
                    yield pair
                    break
