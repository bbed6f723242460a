"""What may be given to a container of layers: losses and optimizers of the file that are right by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from comparisons.check.calling import parameters, plain
from comparisons.check.objects import method
from comparisons.check.styles.container_drives import (
    RATE,
    Descent,
    Fresh,
    Offer,
    named,
)
from comparisons.check.styles.losses import LossFunctions
from comparisons.check.styles.optimizers import HELD, HYPER, OptimizerObjects
from comparisons.check.unit import Style, Unit, UserError, UserFile
from comparisons.plan import plan
from comparisons.subject import ScratchModel
from comparisons.trace import record

Array = np.ndarray
LOSS = re.compile(r"loss|cost|entropy|criterion")


class Around:
    """What a file has beside its layers: losses and optimizers that are right, and all that may be offered to a container."""

    def __init__(self, file: UserFile) -> None:
        self.file = file
        notes = list(file.notes)
        self.losses = list(self._losses())
        self.optimizers = list(self._optimizers())
        file.notes[:] = notes  # told by the styles whose these are

    def _losses(self) -> Iterator[Offer]:
        style = LossFunctions()
        units = style.find(self.file, frozenset())
        names: set[str] = set()
        for unit in units:
            found, reading = unit.options["found"], unit.options["reading"]
            names |= {found.owner or found.value or found.gradient}
            if not right(self.file, style, unit):
                continue
            kinds = (type(reading.loss).__name__,)
            if found.owner:
                yield from self._of_class(found.owner, kinds)
            else:
                value, prime = (self.file.namespace[n] if n else None for n in (found.value, found.gradient))
                yield Offer(value, prime, _also(kinds))
        for name in self.file.classes():
            bare = plain(name)
            if name not in names and (
                "loss" in bare or "cost" in bare or "entropy" in bare or bare in ("mse", "bce", "cce")
            ):
                yield from self._of_class(name, ())

    def _of_class(self, owner: str, kinds: tuple[str, ...]) -> Iterator[Offer]:
        cls = self.file.namespace[owner]
        try:
            self.file.call(cls)
        except UserError:
            return
        yield Offer(Fresh(cls), None, _also(kinds))
        yield Offer(cls, None, _also(kinds))

    def _optimizers(self) -> Iterator[Callable[[Any], Any]]:
        style = OptimizerObjects()
        for unit in style.find(self.file, frozenset()):
            if unit.options["reading"].kind in ("GradientDescent", "Momentum") and right(self.file, style, unit):
                yield self._maker(self.file.classes()[unit.members[0].partition(".")[0]])
        yield lambda container: Descent()

    def _maker(self, cls: type) -> Callable[[Any], Any]:
        def make(container: Any) -> Any:
            given: dict[str, Any] = {}
            for p in parameters(cls):
                bare = plain(p.name)
                if bare in HYPER["learning_rate"]:
                    given[p.name] = RATE
                elif bare in HYPER["beta"] and isinstance(p.default, int | float):
                    given[p.name] = 0.0
                elif bare in HELD and p.default is p.empty:
                    given[p.name] = _held(container, bare)
            return self.file.call(cls, **given)

        return make


def _also(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """A cross-entropy of probabilities is one of logits where the container has the last function in its loss."""
    pairs = {
        "SoftmaxCrossEntropy": "CategoricalCrossEntropy",
        "CategoricalCrossEntropy": "SoftmaxCrossEntropy",
        "BinaryCrossEntropy": "BinaryCrossEntropyFromLogits",
        "BinaryCrossEntropyFromLogits": "BinaryCrossEntropy",
    }
    return (*kinds, *(pairs[k] for k in kinds if k in pairs))


def _held(container: Any, what: str) -> Any:
    if what in ("params", "parameters", "modelparams", "weights"):
        name = (
            ""
            if isinstance(container, list)
            else method(type(container), ("parameters", "params", "getparams", "getparameters"))
        )
        if name:
            return getattr(container, name)()
        return getattr(container, "params", container)
    if what in ("layers", "layer"):
        return getattr(container, "layers", container)
    return container


def right(file: UserFile, style: Style, unit: Unit) -> bool:
    """Whether a unit agrees with scratch on all of its cases."""
    for case in unit.cases:
        drawn = plan(case)
        expected = record(ScratchModel(case.architecture, case.optimizer, "float64"), case, drawn).tensors
        try:
            found = record(style.model(file, unit, case), case, drawn).tensors
        except UserError:
            return False
        for name, a in found.items():
            if name in expected and "/state/" not in name and not near(a, expected[name]):
                return False
    return True


def near(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=1e-8 * (np.abs(b).max(initial=0.0) or 1.0)))


def named_losses(cls: type | None) -> Iterator[Offer]:
    """Losses that a class knows by name."""
    if cls is None:
        return
    for names, kinds in (
        (("mse", "meansquarederror", "squarederror", "meansquaredloss"), ("MeanSquaredError",)),
        (("binarycrossentropy", "bce", "logloss"), ("BinaryCrossEntropy", "BinaryCrossEntropyFromLogits")),
        (("categoricalcrossentropy", "crossentropy", "cce", "softmaxcrossentropy", "ce"), ("CategoricalCrossEntropy", "SoftmaxCrossEntropy",
          "BinaryCrossEntropy", "BinaryCrossEntropyFromLogits")),
    ):  # fmt: skip
        for name in named(cls, names):
            yield Offer(name, None, kinds)
