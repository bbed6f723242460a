"""Which layer of one model belongs to which of the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from comparisons.naming import place
from reference.model import Model, ModelLayer, OtherLayers
from scratch.weights import Arrays

Array = np.ndarray
FRAMEWORK_NAMES = {"torch": "torch", "tensorflow": "Keras"}
SWAPS = 60
"""Exchanges of two layers that are tried at most."""
Look = tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]


class Pair:
    """Both models in one precision, and which layer belongs to which.

    Attributes
    ----------
    partners : list of (ModelLayer, ModelLayer)
        A layer of the reference and one of the subject.
    sure : bool
        Whether the same layers ran in the same order.
    activations : list of (ModelLayer, ModelLayer)
        Those with a number of their own, if both models have the same.
    """

    def __init__(self, subject: Model, reference: Model) -> None:
        self.subject, self.reference = subject, reference
        self.partners = list(_paired(subject, reference))
        looks = [[_look(layer, arrays) for layer in m.layers] for m in (subject, reference) for arrays in (m.read(),)]
        self.sure = looks[0] == looks[1]
        self._same_arrays()
        kinds = [[a.kind for a in m.activations] for m in (subject, reference)]
        same = kinds[0] == kinds[1]
        self.activations = list(zip(reference.activations, subject.activations, strict=True)) if same else []

    def _same_arrays(self) -> None:
        """Refuse layers whose arrays are others: a bias too many, other sizes."""
        ours, theirs = self.subject.read(), self.reference.read()
        for r, s in self.partners:
            for name in dict.fromkeys([*theirs[r.name], *ours[s.name]]):
                shapes = [a.get(name) for a in (ours[s.name], theirs[r.name])]
                sizes = [None if a is None else a.shape for a in shapes]
                if sizes[0] == sizes[1]:
                    continue
                setting = next((k for k in ("reset_after", "key_dim", "heads", "units", "filters", "kernel", "groups", "tokens")
                                if k in r.settings and r.settings[k] != s.settings.get(k)), "")  # fmt: skip
                if setting:
                    raise OtherLayers(
                        f"{s.name} has {setting} {s.settings.get(setting)}, the reference's {r.name} {r.settings[setting]}"
                    )
                words = {"b": "bias", "b_recurrent": "second bias"}
                what = words.get(name, name)
                if None in sizes:
                    has, lacks = (
                        (s.name, f"the reference's {r.name}")
                        if sizes[1] is None
                        else (f"the reference's {r.name}", s.name)
                    )
                    raise OtherLayers(f"{has} has a {what}, {lacks} has none")
                raise OtherLayers(f"{s.name}: {what} has shape {sizes[0]}, the reference's {r.name} {sizes[1]}")

    def exchange(self, one: str, other: str) -> None:
        """Let two of the reference's layers have each other's partner."""
        mine = {r.name: s for r, s in self.partners}
        mine[one], mine[other] = mine[other], mine[one]
        self.partners = [(r, mine[r.name]) for r, _ in self.partners]

    def adopt(self, other: Pair) -> None:
        """Take over which layer belongs to which from the same models in another precision."""
        mine = {s.name: s for s in self.subject.layers}
        theirs = {r.name: r for r in self.reference.layers}
        self.partners = [(theirs[r.name], mine[s.name]) for r, s in other.partners]

    @property
    def names(self) -> dict[str, str]:
        """The subject's layers with the reference's names for them."""
        return {mine.name: theirs.name for theirs, mine in self.partners}

    def write(self, arrays: Arrays) -> None:
        """The same weights into both."""
        self.reference.write(arrays)
        self.subject.write({mine.name: arrays[theirs.name] for theirs, mine in self.partners})

    def renamed(self, tensors: dict[str, Array]) -> dict[str, Array]:
        """The subject's tensors under the reference's names."""
        names, renamed = self.names, {}
        for name, a in tensors.items():
            layer = place(name).layer
            renamed[name.replace(f"/{layer}", f"/{names[layer]}", 1) if layer in names else name] = a
        return renamed


def _paired(subject: Model, reference: Model) -> Iterator[tuple[ModelLayer, ModelLayer]]:
    """Layers that look alike: in the order in which they ran, or by name where that is another."""
    ours, theirs = subject.layers, reference.layers
    looks = [[_look(layer, m.read()) for layer in m.layers] for m in (subject, reference)]
    if looks[0] == looks[1]:
        yield from zip(theirs, ours, strict=True)
        return
    named = {layer.name: layer for layer in ours}
    if len(ours) == len(theirs) and all(t.name in named and named[t.name].kind == t.kind for t in theirs):
        yield from ((t, named[t.name]) for t in theirs)
        return
    if Counter(looks[0]) == Counter(looks[1]):
        # Branches run one after the other in torch, side by side in Keras's functional models.
        waiting = list(zip(looks[0], ours, strict=True))
        for look, r in zip(looks[1], theirs, strict=True):
            found = next(pair for pair in waiting if pair[0] == look)
            waiting.remove(found)
            yield r, found[1]
        return
    if [layer.kind for layer in ours] == [layer.kind for layer in theirs]:
        yield from zip(theirs, ours, strict=True)
        return
    names = [FRAMEWORK_NAMES[m.framework] for m in (subject, reference)]
    for i, (s, r) in enumerate(zip(ours, theirs, strict=False), start=1):
        if s.kind != r.kind:
            raise OtherLayers(f"layer {i} with parameters is {s.kind} {s.name!r} in the port ({names[0]}), "
                               f"{r.kind} {r.name!r} in the reference ({names[1]})")  # fmt: skip
    raise OtherLayers(
        f"the port ({names[0]}) has {len(ours)} layers with parameters, the reference ({names[1]}) {len(theirs)}"
    )


def _look(layer: ModelLayer, arrays: Arrays) -> Look:
    """Kind and sizes: what tells layers apart without a name."""
    return layer.kind, tuple(sorted((name, a.shape) for name, a in arrays.get(layer.name, {}).items()))


def rearranged(pair: Pair, agrees: Callable[[], list[str]]) -> bool:
    """Exchange partners that look alike until as many outputs as can be agree; the first that does not decides.

    Parameters
    ----------
    pair : Pair
        Changed in place.
    agrees : callable
        The reference's layers whose outputs differ, in the order in which they ran, with the partners as they are.

    Returns
    -------
    bool
        Whether any were exchanged.
    """
    changed, tried = False, 0
    wrong = agrees()
    while wrong:
        looks = {r.name: _look(r, pair.reference.read()) for r, _ in pair.partners}
        first = wrong[0]
        better: list[str] | None = None
        for other in (n for n in wrong[1:] if looks[n] == looks[first]):
            tried += 1
            pair.exchange(first, other)
            now = agrees()
            if first not in now and tried <= SWAPS:
                better = now
                break
            pair.exchange(first, other)
            if tried > SWAPS:
                return changed
        if better is None:
            return changed
        changed, wrong = True, better
    return changed
