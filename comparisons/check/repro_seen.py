"""Where a failing tensor stands among what the user's code gave, and the calls that lead there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comparisons.case import Case
from comparisons.check.repro_find import Way, piece, way
from comparisons.check.repro_record import Recording, Step

Array = np.ndarray


@dataclass(frozen=True)
class Seen:
    """Where the failing tensor stands among what the code gave.

    Attributes
    ----------
    step : int
        After which call.
    expression : str
    way : Way
        From there to the tensor.
    value : ndarray
        What is there; of an update, how far it moved.
    moved : bool
        Whether it is the difference between before and after.
    summed : bool
        Whether all its elements are added up.
    spread : bool
        Whether it is one number where there should be many.
    """

    step: int
    expression: str
    way: Way
    value: Array
    moved: bool
    summed: bool = False
    spread: bool = False

    @property
    def actual(self) -> str:
        """The expression for what is compared."""
        value = f"before - {self.expression}" if self.moved else self.expression
        return f"np.sum({value})" if self.summed else value

    def lines(self, recording: Recording) -> list[str]:
        """The calls that lead there."""
        root = re.split(r"\W", self.expression, maxsplit=1)[0]
        found = sliced(recording.steps, self.step, {root})
        if self.moved:
            last = recording.steps[self.step].lines[-1]
            found.insert(len(found) - 1 - found[::-1].index(last), f"before = np.array({self.expression})")
        return found


def located(recording: Recording, subject: Array, case: Case) -> Seen | None:
    """The first result or attribute that is the tensor, in whatever layout; with a factor only if none is without."""
    m = max(case.batches)
    counts = {float(m), *(float(n) for n in case.input_shape), *(float(n) for n in subject.shape), 2.0}
    factors = sorted({f for n in counts if n > 1 for f in (n, 1 / n, -n, -1 / n)} | {-1.0})
    largest = float(np.abs(subject).max(initial=0.0))
    places = _places(recording)
    for sign in ((1.0,), tuple(factors)):
        for moved in (False, True):
            for k, name in places:
                step = recording.steps[k]
                a = step.found[name]
                if moved and (name not in step.moved or step.moved[name].shape != a.shape):
                    continue
                value = step.moved[name] - a if moved else a
                tried = list(sign)
                top = float(np.abs(value).max(initial=0.0))
                if sign != (1.0,) and value.size > 1 and top and largest:
                    tried += [largest / top, -largest / top]
                found = way(value, subject, tried, flips=True)
                if found is not None:
                    return Seen(k, name, found, value, moved)
                if not subject.ndim and value.size > 1:
                    # A loss for each example, of which we took the mean.
                    total = np.asarray(value.sum())
                    found = way(total, subject, tried)
                    if found is not None:
                        return Seen(k, name, found, total, moved, summed=True)
    if subject.size > 1 and (subject == subject.flat[0]).all():
        one = np.asarray(subject.flat[0])
        for k, name in places:
            value = recording.steps[k].found[name]
            found = way(value, one) if value.size == 1 else None
            if found is not None:
                return Seen(k, name, found, value, moved=False, spread=True)
    return None


def _places(recording: Recording) -> list[tuple[int, str]]:
    """Steps and expressions: what is returned comes first, and the last time, as earlier ones may have been trials."""
    places = [(k, name) for k, step in enumerate(recording.steps) for name in step.found]
    return sorted(places, key=lambda p: (p[1].count(".") + p[1].count("["), -p[0], len(p[1])))


def sliced(steps: Sequence[Step], last: int, wanted: set[str]) -> list[str]:
    """The lines up to a step without those that what is wanted does not depend on."""
    needed, kept = set(wanted), [steps[last]]
    needed |= steps[last].uses
    for step in reversed(steps[:last]):
        if (step.defines | step.touches) & needed:
            kept.append(step)
            needed |= step.uses
    return [line for step in reversed(kept) for line in step.lines]


@dataclass(frozen=True)
class Part:
    """A block of a failing tensor that the code holds, where the whole was put together from several results.

    Attributes
    ----------
    seen : Seen
    block : tuple of slice
        Of the tensor.
    """

    seen: Seen
    block: tuple[slice, ...]


def located_part(recording: Recording, subject: Array, reference: Array) -> Part | None:
    """The first result or attribute that shares a block with the tensor in which something is wrong."""
    if subject.shape != reference.shape or not 1 <= subject.ndim <= 2:
        return None
    wrong = ~(np.abs(subject - reference) <= 1e-9 * (np.abs(reference).max(initial=0.0) or 1.0))
    for k, name in _places(recording):
        found = piece(recording.steps[k].found[name], subject, wrong)
        if found is not None:
            own, turned, block = found
            value = recording.steps[k].found[name][own]
            whole = all(s == slice(0, n) for s, n in zip(own, recording.steps[k].found[name].shape, strict=True))
            cut = "" if whole else f"[{', '.join(f'{s.start}:{s.stop}' for s in own)}]"
            return Part(Seen(k, name + cut, turned, value, moved=False), block)
    return None
