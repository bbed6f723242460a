"""`assert_matches`: objects of this process compared as a file's are, for tests."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from types import FunctionType, ModuleType
from typing import Any

import click
import numpy as np

from comparisons import ports
from comparisons.case import REGIMES, Case
from comparisons.check import recorders, report, worker
from comparisons.check.differences import Derived
from comparisons.check.judging import Checked, CheckResult, judge_all
from comparisons.check.locating import Spot
from comparisons.check.repair import Repair
from comparisons.check.unit import Unit, UserFile
from comparisons.check.worker import Answer, Found
from comparisons.errors import BackproofError, UnknownName
from reports import RunTables, frame

Array = np.ndarray


def assert_matches(
    *subjects: Any,
    frameworks: Iterable[str] = (),
    regimes: Iterable[str] = (),
    input_shape: tuple[int, ...] | None = None,
    seed: int = 0,
) -> CheckResult:
    """Compare hand-derived backprop with PyTorch or TensorFlow, or a model with its port; fail where they differ.

    Parameters
    ----------
    *subjects : function, class or module
        A forward and its backward function, a layer or optimizer class, a whole module; what `backproof check` recognises
        in a file, or what is declared with `backproof.layer`, `backproof.loss`, `backproof.optimizer`. Or exactly two models,
        `torch.nn.Module` or `keras.Model`: the port, and what it was ported from (see `comparisons.ports`).
    frameworks : iterable of str
        References; by default the first that is installed.
    regimes : iterable of str
        How inputs are drawn, keys of `backproof.REGIMES`; by default what each unit needs.
    input_shape : tuple of int, optional
        Of two models: shape of one example, images as (h, w, c); needed unless a Keras model tells.
    seed : int

    Returns
    -------
    CheckResult
        With the tables of the comparison.

    Raises
    ------
    AssertionError
        If something differs; the message is the report.
    BackproofError
        If nothing is recognised among the subjects, or two models have not the same layers.
    UnknownName
        If there is no such regime.

    Examples
    --------
    >>> import backproof
    >>> backproof.assert_matches(affine_forward, affine_backward)
    """
    __tracebackhide__ = True
    chosen = tuple(regimes)
    for regime in chosen:
        if regime not in REGIMES:
            raise UnknownName(f"no regime is named {regime!r}; known are {', '.join(REGIMES)}")
    if len(subjects) == 2 and all(ports.reader(subject) for subject in subjects):
        result = _port(*subjects, input_shape, seed)
    else:
        result = judge_all(InProcess(live(*subjects), chosen), tuple(frameworks), seed)
    for recorder in recorders:
        recorder(result)
    if not result.checked:
        names = ", ".join(str(getattr(subject, "__name__", subject)) for subject in subjects) or "nothing"
        raise BackproofError(f"{names}: not recognised; say what it is with @backproof.layer, .loss or .optimizer")
    wrong = [c for c in result.checked if report.verdict(c) == "wrong"]
    if wrong:
        raise AssertionError("\n".join(click.unstyle(line) for c in wrong for line in report.block(c)))
    return result


def _port(subject: Any, reference: Any, shape: tuple[int, ...] | None, seed: int) -> CheckResult:
    name = type(subject).__name__
    compared = ports.compare_models(subject, reference, name, shape, seed)
    title = f"port of {type(reference).__name__}"
    unit = Unit(name, "port", title, 0, (name,), ())
    rows = [{"run": f"seed{seed}"} | row for row in compared.rows]
    tables = RunTables(frame("discrepancies", rows), info={"run": f"seed{seed}"})
    checked = Checked(unit, compared.rows, remarks=compared.remarks)
    return CheckResult(Found((unit,), (), ()), [checked], tables)


def live(*subjects: Any) -> UserFile:
    """Objects as if they were the definitions of a file.

    Raises
    ------
    BackproofError
        If one of them is no function, class or module.
    """
    named: dict[str, Any] = {}
    for subject in subjects:
        if isinstance(subject, ModuleType):
            named |= {n: o for n, o in vars(subject).items() if getattr(o, "__module__", None) == subject.__name__}
        elif isinstance(subject, FunctionType | type):
            named[subject.__name__] = subject
        else:
            raise BackproofError(f"{subject!r}: give functions, classes or modules, not instances")
    first = next(iter(named.values()), None)
    path = inspect.getsourcefile(first) if first is not None else None
    globals_ = dict(getattr(first, "__globals__", None) or {})
    return UserFile(path or "", globals_ | named, {name: _line(o) for name, o in named.items()})


def _line(o: Any) -> int:
    try:
        return inspect.getsourcelines(o)[1]
    except (OSError, TypeError):
        return 0


@dataclass
class InProcess:
    """Units and traces of objects in this process."""

    file: UserFile
    regimes: tuple[str, ...] = ()

    def find(self) -> Found:
        """What the objects are."""
        found = worker.find(self.file)
        if not self.regimes:
            return found
        return replace(found, units=tuple(replace(u, cases=self._drawn(u.cases)) for u in found.units))

    def _drawn(self, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        """The cases of the first regime they come in, once for each regime that was asked for."""
        first = [case for case in cases if case.regime == cases[0].regime]
        return tuple(replace(c, id=f"{c.id}-{r}", regime=r) for c in first for r in self.regimes)

    def trace(self, unit: Unit, case: Case, dtype: str, draw: int = 0) -> Answer:
        """The unit's trace on a case."""
        return worker.trace(self.file, unit, case, dtype, draw)

    def mend(
        self, unit: Unit, case: Case, wanted: dict[str, Array], derived: tuple[Derived, ...] = ()
    ) -> Repair | None:
        """An edit that makes the unit agree."""
        return worker.mend(self.file, unit, case, wanted, derived)

    def locate(
        self,
        unit: Unit,
        case: Case,
        wanted: dict[str, Array],
        parts: dict[str, tuple[Array, ...]],
        sound: frozenset[str] = frozenset(),
    ) -> dict[str, Spot]:
        """Where tensors of the unit arise."""
        return worker.locate(self.file, unit, case, wanted, parts, sound)
