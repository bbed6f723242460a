"""Dropout of two models, by where it stands and how much it drops: a comparison of numbers does without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from reference.model import Drop, Model


class Setting(NamedTuple):
    """A number that is set in both models.

    Attributes
    ----------
    name : str
        `setting/<layer>.rate`, with the subject's layer.
    subject, reference : float
    told : str
        In words.
    """

    name: str
    subject: float
    reference: float
    told: str


def settings(subject: Model, reference: Model, names: dict[str, str]) -> Iterator[Setting]:
    """Rates of dropout that stand at the same places, and whether one of the models drops in evaluation too.

    Parameters
    ----------
    subject, reference : Model
    names : dict of str to str
        The subject's layers with parameters, with the reference's names for them.
    """
    told = set()
    for mine, theirs in _paired(subject, reference, names) or ():
        if mine.rate != theirs.rate and mine.name not in told:
            told.add(mine.name)
            text = f"{mine.name} has rate {mine.rate:g}, the reference's {theirs.name} {theirs.rate:g}"
            if abs(mine.rate + theirs.rate - 1) < 1e-9:
                text += ", which is the probability to keep: 1 - rate"
            yield Setting(f"setting/{mine.name}.rate", mine.rate, theirs.rate, text)
    active = [[d for d in m.drops if d.always] for m in (subject, reference)]
    if bool(active[0]) == bool(active[1]):
        return
    drop, whose = (active[0][0], "") if active[0] else (active[1][0], "in the reference ")
    rates = (drop.rate, 0.0) if active[0] else (0.0, drop.rate)
    how = "without training=self.training" if (subject if active[0] else reference).framework == "torch" else "with training=True"  # fmt: skip
    told_ = f"{whose}{drop.name} is called {how}, so it drops in evaluation too"
    yield Setting(f"setting/{drop.name}.rate in evaluation", *rates, told_)


def remarks(subject: Model, reference: Model, names: dict[str, str]) -> Iterator[str]:
    """What differs in ways that need not be mistakes, and what was not compared."""
    ours, theirs = subject.drops, reference.drops
    if ours or theirs:
        yield "dropout is switched off on both sides, and its rates are compared as they are written"
    pairs = _paired(subject, reference, names)
    if pairs is None:
        yield f"dropout stands elsewhere: {_listed(ours)} in the port, {_listed(theirs)} in the reference"
    for mine, other in pairs or ():
        if mine.kind != other.kind:
            yield f"{mine.name} is {mine.kind}, the reference's {other.name} {other.kind}"
    if any(d.always for d in ours) and any(d.always for d in theirs):
        yield "both models drop in evaluation too"
    for model in (subject, reference):
        for name, (inputs, states) in model.inside.items():
            yield f"{name} drops {inputs:g} of its inputs and {states:g} of its states: not compared"


def _paired(subject: Model, reference: Model, names: dict[str, str]) -> list[tuple[Drop, Drop]] | None:
    """Which belongs to which, if they stand behind the same layers or before the same; None if not."""
    for place in (_after, _before):
        ours = [(names.get(at, at), d) for at, d in zip(place(subject), subject.drops, strict=True)]
        theirs = list(zip(place(reference), reference.drops, strict=True))
        order = [at for at, _ in ours]
        if sorted(order) != sorted(at for at, _ in theirs):
            continue
        both = (sorted(drops, key=lambda pair: order.index(pair[0])) for drops in (ours, theirs))
        return [(mine, other) for (_, mine), (_, other) in zip(*both, strict=True)]
    return None


def _after(model: Model) -> list[str]:
    return [d.after for d in model.drops]


def _before(model: Model) -> list[str]:
    """The layers with parameters that come next: where branches join, one may have run last in one model and another in the other."""
    order = ["", *(layer.name for layer in model.layers), ""]
    return [order[order.index(d.after) + 1] for d in model.drops]


def _listed(drops: tuple[Drop, ...]) -> str:
    places = [f"{d.rate:g} behind {d.after or 'the input'}" for d in drops]
    return ", ".join(dict.fromkeys(places)) or "none"
