"""Losses of any kind with their gradients: absolute, Huber, log-cosh, hinge, Kullback-Leibler, focal, Dice, triplet, contrastive ...

The gradient is compared with finite differences of the code's own loss; where the loss has a known name, its value is compared with
torch's as well (`comparisons.check.known_losses`). Which numbers to give for the arguments is tried out. What scale a gradient may have
beside its cost is told in docs/verdicts.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import plain
from comparisons.check.differences import Derived, generator, gradient, ratio
from comparisons.check.known_losses import Sample, Samples
from comparisons.check.styles.loss_scales import Factor, factor_of, is_accepted, told
from comparisons.check.styles.loss_sites import Site, sites
from comparisons.check.styles.losses import PREDICTION, TARGET
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from scratch import architecture
from scratch.activations import sigmoid, softmax

Array = np.ndarray
SIZES = ((7, 3), (4, 3), (7, 2))
"""Examples and outputs of the batches on which the scale of a gradient is found."""
ALIKE = 0.3
"""Half of the correlation with the derivative from which a wrong gradient is taken to be meant as one, where the loss has no known name."""
SOME = 0.55
"""The same where the arguments say nothing: one of several gradients must be right."""
UNCOMPARED = "the loss was taken as it is, and compared with nothing"

Draw = Callable[[np.random.Generator, int, int], Array]


def _labels(rng: np.random.Generator, m: int, k: int) -> Array:
    return (rng.integers(k) + np.arange(m)) % k


def _binary(rng: np.random.Generator, m: int, k: int) -> Array:
    return (np.add.outer(np.arange(m), np.arange(k)) % 2).astype(float)


DRAWN: dict[str, Draw] = {
    # Rows of several sizes, so that those far apart and those near each other are met.
    "real": lambda rng, m, k: rng.standard_normal((m, k)) * np.linspace(0.35, 1.6, m)[:, None],
    "share": lambda rng, m, k: rng.uniform(0.15, 0.85, (m, k)),
    "distribution": lambda rng, m, k: softmax(rng.standard_normal((m, max(k, 2))))[:, :k],
    "positive": lambda rng, m, k: rng.uniform(0.3, 3.0, (m, k)),
    "count": lambda rng, m, k: 1.0 + rng.integers(0, 5, (m, k)),
    "binary": _binary,
    "signs": lambda rng, m, k: 2 * _binary(rng, m, k) - 1,
    "one-hot": lambda rng, m, k: np.eye(max(k, 2))[_labels(rng, m, max(k, 2))][:, :k],
    "labels": _labels,
}
DOMAINS: dict[str, tuple[str, str]] = {
    "real": ("real", "real"),
    "shares": ("share", "binary"),
    "distributions": ("distribution", "distribution"),
    "classes": ("distribution", "one-hot"),
    "signs": ("real", "signs"),
    "counts": ("positive", "count"),
    "scores": ("real", "one-hot"),
    "labelled scores": ("real", "labels"),
    "labelled classes": ("distribution", "labels"),
    "binary scores": ("real", "binary"),
    "positive": ("positive", "positive"),
}
"""What predictions and targets are drawn from."""
_OF_KIND: dict[str, tuple[str, ...]] = {
    "label smoothing": ("labelled scores", "scores", "labelled classes", "classes", "distributions", "shares", "binary scores"),
    "focal": ("shares", "classes", "labelled classes", "labelled scores", "scores", "binary scores"),
    "squared logarithmic error": ("positive",),
    "percentage error": ("positive",),
    "hinge": ("signs", "scores", "labelled scores", "binary scores"),
    "squared hinge": ("signs", "scores", "labelled scores", "binary scores"),
    "squared error": ("real",),
    "binary cross-entropy": ("shares", "binary scores"),
    "cross-entropy": ("classes", "labelled classes", "scores", "labelled scores", "shares", "binary scores"),
    "Kullback-Leibler divergence": ("distributions",),
    "Poisson": ("counts", "real"),
    "Dice": ("shares", "classes"),
    "Jaccard": ("shares", "classes"),
}  # fmt: skip
_THROUGH: dict[str, Callable[[Array], Array]] = {"softmax": softmax, "sigmoid": sigmoid}


@dataclass(frozen=True)
class Filling:
    """Which numbers are given for the arguments.

    Attributes
    ----------
    prediction : str
        The argument with which one gradient goes.
    drawn : dict of str to str
        What each argument is drawn from.
    domain, layout : str
    narrow : tuple of str
        Arguments with one number for each example.
    through : str
        Activation of which the prediction is the output, where the gradient is that of its input.
    """

    prediction: str
    drawn: dict[str, str]
    domain: str
    layout: str
    narrow: tuple[str, ...] = ()
    through: str = ""

    def values(self, rng: np.random.Generator, m: int, k: int) -> dict[str, Any]:
        """Fresh numbers."""
        k = 1 if self.layout in ("vector", "column") else k
        m = 1 if self.layout == "single" else m
        found: dict[str, Any] = {}
        for name, kind in self.drawn.items():
            a = DRAWN[kind](rng, m, k)
            if kind == "labels":
                found[name] = a[None, :] if self.layout == "steps" else a
            elif self.layout == "steps":
                found[name] = a.reshape(1, *a.shape) if name not in self.narrow else a[None, :, 0]
            elif name in self.narrow:
                found[name] = a[:, 0] if self.layout != "narrow columns" else a[:, :1]
                if self.layout == "single":
                    found[name] = float(a[0, 0])
            else:
                found[name] = _laid(a, self.layout)
        return found


def _laid(a: Array, layout: str) -> Array:
    match layout:
        case "columns":
            return a.T.copy()
        case "vector":
            return a[:, 0].copy()
        case "single":
            return a[0].copy()
    return a


@dataclass
class LossPair:
    """A loss with its gradient, with what was found out about it.

    Attributes
    ----------
    site : Site
    filling : Filling
    factor : Factor
        The gradient is so many times that of the loss.
    accepted : bool
        Whether that is a convention.
    """

    site: Site
    filling: Filling
    factor: Factor = field(default_factory=Factor)
    accepted: bool = True

    def compared(self, rng: np.random.Generator, m: int, k: int) -> tuple[dict[str, Any], Array, dict[str, Derived]]:
        """What is given, the loss, and the gradients by argument.

        Raises
        ------
        UserError
            If no gradient comes back in the shape of an argument.
        """
        values = self.filling.values(rng, m, k)
        through = _THROUGH.get(self.filling.through)
        place = values[self.filling.prediction]
        if through is not None:
            values = values | {self.filling.prediction: _applied(through, place, self.filling.layout)}
        value, shown = self.site.run(values)
        found = {}
        for name, claimed in self._assigned(shown, values).items():
            at = place if name == self.filling.prediction else values[name]

            def loss(v: Array, name: str = name) -> Array:
                moved = _applied(through, v, self.filling.layout) if through and name == self.filling.prediction else v
                return np.asarray(self.site.value(values | {name: moved}))

            wanted, error, kinks = gradient(loss, at, np.ones(()))
            found[name] = Derived(f"grad/{self.site.label}.{name}", claimed, wanted, error, kinks, m)
        if not found:
            raise UserError(f"{self.site.label} gives no gradient of its arguments")
        return values, value, found

    def _assigned(self, shown: list[tuple[str, Array]], values: dict[str, Any]) -> dict[str, Array]:
        """Gradients by argument: by their names, or one after the other."""
        real = [
            n
            for n, kind in self.filling.drawn.items()
            if isinstance(values[n], np.ndarray) and values[n].dtype.kind == "f" and not _is_target(n)
        ]
        if len(shown) == 1:
            name, g = self.filling.prediction, shown[0][1]
            return {name: g} if g.shape == np.shape(values[name]) else {}
        found: dict[str, Array] = {}
        named: list[str | None] = []
        for label, g in shown:
            bare = plain((re.findall(r"\w+", label) or [""])[-1])
            short = re.sub(r"^(d|grad|delta)|(grad|gradient)$", "", bare)
            of = [
                n
                for n in real
                if bare
                in {p.format(plain(n)) for p in ("d{}", "grad{}", "{}grad", "g{}", "delta{}", "{}", "dl{}", "dld{}")}
            ]
            of = of or [n for n in real if len(short) > 2 and plain(n).endswith(short)]
            named.append(of[0] if of and of[0] not in found else None)
            if of and of[0] not in found and g.shape == np.shape(values[of[0]]):
                found[of[0]] = g
        if len(found) < len(shown) == len(real) and all(n in (real[i], None) for i, n in enumerate(named)):
            found = {n: g for n, (_, g) in zip(real, shown, strict=True)}
        return found if all(g.shape == np.shape(values[n]) for n, g in found.items()) else {}

    def agreement(self) -> tuple[int, float, Factor | None] | None:
        """How many gradients come back, how much speaks for this filling, and the factor of all if they have one; None if it cannot be run."""
        try:
            _, _, found = self.compared(np.random.default_rng(23), *SIZES[0])
        except (UserError, ValueError, TypeError, IndexError):
            return None
        whole = [d for d in found.values() if np.isfinite(d.reference).all() and np.isfinite(d.subject).all()]
        if (
            len(whole) < len(found)
            or all(np.abs(d.reference).max(initial=0) < 1e-12 for d in whole)
            or any(d.kinks.mean() > 0.5 for d in whole)
        ):
            return None
        ratios = [ratio(d) for d in whole]
        if None in ratios or any(abs(r / ratios[0] - 1) > 1e-6 for r in ratios if r and ratios[0]):
            alike = [_alike(d) for d in whole]
            return len(whole), max(alike) * 0.5 + 0.4 * sum(r is not None for r in ratios) / len(ratios), None
        samples = []
        for m, k in SIZES:
            try:
                compared = self.compared(np.random.default_rng(29), m, k)[2]
            except (UserError, ValueError, TypeError, IndexError):
                continue
            r = ratio(next(iter(compared.values())))
            if r is not None:
                samples.append(
                    (
                        1 if self.filling.layout == "single" else m,
                        1 if self.filling.layout in ("vector", "column") else k,
                        r,
                    )
                )
        return len(whole), 1.0, factor_of(samples)

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The loss beside torch's where that is known, then every gradient."""
        (m, k), samples, first = SIZES[0], [], None
        for sizes in SIZES:
            values, value, found = self.compared(rng, *sizes)
            samples.append(Sample(_rows(values, self.filling), float(value.sum()), *sizes))
            first = first or (value, found)
        assert first is not None
        value, found = first
        if self.site.is_judged and len(self.filling.drawn) == 2 and self.filling.layout not in ("single", "steps"):
            total = np.asarray(value.sum())
            twin = Samples(
                self.site.kind, tuple(samples), tuple(self.site.settings()), self.filling.layout == "columns"
            )
            yield Derived(f"forward/{self.site.label}.loss", total, total, 0.0, np.zeros((), dtype=bool), m, twin=twin)
        for d in found.values():
            scale = self.factor.at(m, k) if self.accepted else 1.0
            explained = (
                ()
                if self.accepted
                else ((told(self.factor, self.site.per_example), d.reference * self.factor.at(m, k)),)
            )
            yield replace(d, subject=d.subject / scale, explanations=explained)

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        found = []
        if self.site.guards:
            found.append(f"{', '.join(f'{g:g}' for g in self.site.guards)} against division by 0 is taken as 0")
        if self.filling.through:
            found.append(f"the gradient is that of the logits, in front of the {self.filling.through}")
        if self.filling.layout == "columns":
            found.append("examples are columns")
        if self.filling.layout == "single":
            found.append("one example at a time")
        if self.accepted and self.factor.c < 0:
            found.append("the gradient is the direction of descent: weights are moved by adding it")
        elif self.accepted and not self.factor.is_one and self.site.per_example:
            found.append(told(self.factor, self.site.per_example))
        return found

    @property
    def notes(self) -> list[str]:
        """What is to be told though it is no mistake."""
        harmless = (
            self.accepted and (self.factor.a or self.factor.b) and self.factor.c > 0 and not self.site.per_example
        )
        return [f"{told(self.factor)}: a convention as long as the cost is there to be looked at"] if harmless else []


def _rows(values: dict[str, Any], filling: Filling) -> tuple[Array, Array]:
    """Prediction and target."""
    other = next((n for n in values if n != filling.prediction), filling.prediction)
    return np.asarray(values[filling.prediction]), np.asarray(values[other])


def _applied(through: Callable[[Array], Array], z: Array, layout: str) -> Array:
    return through(z.T).T if layout == "columns" else through(z)


def _alike(d: Derived) -> float:
    a, b = d.subject[~d.kinks].ravel(), d.reference[~d.kinks].ravel()
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return float(abs(a @ b) / scale) if scale else 0.0


def _is_target(name: str) -> bool:
    bare = plain(name)
    return bare not in PREDICTION and (bare in TARGET or bool(re.search("label|target|true|similar|flag", bare)))


class LossPairs(Twinless):
    """Losses that are neither squared errors nor cross-entropies.

    Parameters
    ----------
    known : bool
        Whether only those with a known name are taken; the others are left to who comes first.
    """

    def __init__(self, known: bool) -> None:
        self.known = known
        self.name = "known losses" if known else "losses with gradients"
        self._pairs: dict[str, LossPair] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Losses with gradients that can be run."""
        units = []
        self._pairs = {}
        for site in sites(file, taken):
            if bool(site.kind or site.flag) != self.known or site.label in self._pairs:
                continue
            pair = settled(file, site)
            if pair is None:
                continue
            self._pairs[site.label] = pair
            units.append(_unit(self.name, pair))
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The loss and its gradients beside what they should be."""
        rng = generator(case)
        return list(self._pairs[unit.name].derived(rng))


def _unit(style: str, pair: LossPair) -> Unit:
    site = pair.site
    alone = sum(kind != "labels" and not _is_target(n) for n, kind in pair.filling.drawn.items()) == 1
    names = {
        f"{site.label}.{n}": "the input" if alone and n == pair.filling.prediction else n for n in pair.filling.drawn
    }
    names[f"forward/{site.label}.loss"] = "loss"
    case = Case(f"check/{site.label}/loss", architecture(), (SIZES[0][0],), (SIZES[0][1],))
    options = {"differences": True, "names": names, "remarks": pair.notes}
    title = (
        site.kind
        if site.kind in ("Huber loss",)
        else f"{site.kind} loss"
        if site.kind and not site.kind.endswith(("error", "divergence"))
        else site.kind or "loss"
    )
    told_ = list(pair.remarks)
    if not site.is_judged:
        told_.append(UNCOMPARED)
    return Unit(site.label, style, f"{title} and its gradient", site.line, site.members, (case,), options, tuple(told_))


def settled(file: UserFile, site: Site) -> LossPair | None:
    """A loss with its arguments filled in the way that agrees, or else in the first that runs; None if none does."""
    try:
        arguments = site.arguments
    except UserError:
        return None
    told_apart = len(arguments) == 2 and any(_is_target(n) for n in arguments)
    best: tuple[int, float, LossPair] | None = None
    definite: set[tuple[str, str]] = set()
    for filling in _fillings(site, arguments):
        if (
            filling.layout in ("column", "vector", "single", "steps")
            and (filling.prediction, filling.domain) in definite
        ):
            continue  # with one example or one output, other scales look right too
        pair = LossPair(site, filling)
        found = pair.agreement()
        if found is None:
            continue
        count, score, factor = found
        if factor is not None:
            if filling.layout == "columns" and (filling.prediction, filling.domain) in definite and not factor.is_one:
                continue
            accepted = is_accepted(file, factor, site.per_example)
            pair = replace(pair, factor=factor, accepted=accepted)
            score += float(accepted) + float(factor.is_one)
            if told_apart or factor.is_one:
                definite.add((filling.prediction, filling.domain))
        elif filling.layout != "rows":
            score -= 0.2  # what agrees with nothing is taken as most code is written
        if filling.through and score < 2:
            continue  # a reading that is far-fetched must explain everything
        if best is None or (count, score) > best[:2]:
            best = count, score, pair
        if score >= 3:
            break
    if best is None:
        return None
    _, score, pair = best
    if score < 2 and site.of_its_gradient:
        return None
    meant = score >= ALIKE if told_apart else score >= SOME
    if site.doubtful and not told_apart and score < 2:
        return None
    return pair if site.kind or score >= 1 or meant else None


def _fillings(site: Site, arguments: list[str]) -> Iterator[Filling]:
    if len(arguments) == 2:
        yield from _of_two(site, arguments)
    elif 2 < len(arguments) <= 5:
        yield from _of_several(arguments)


def _of_two(site: Site, arguments: list[str]) -> Iterator[Filling]:
    targets = [n for n in arguments if _is_target(n)]
    predictions = [n for n in arguments if plain(n) in PREDICTION]
    if {plain(n) for n in arguments} == {"p", "q"}:
        orders = arguments[::-1]  # of two distributions either may be the one that is learned
    elif len(targets) == 1:
        orders = [next(n for n in arguments if n != targets[0])]
    elif len(predictions) == 1:
        orders = predictions
    else:
        orders = ["y"] if "y" in arguments and {"t", "target"} & set(arguments) else arguments
    domains = _OF_KIND.get(site.kind, ("real",) if site.kind else tuple(DOMAINS))
    for prediction in orders:
        other = next(n for n in arguments if n != prediction)
        for domain in domains:
            of_prediction, of_target = DOMAINS[domain]
            drawn = {prediction: of_prediction, other: of_target}
            for layout in (
                "rows",
                "columns",
                "column",
                "vector",
                "single",
                *(("steps",) if of_target == "labels" else ()),
            ):
                if of_target in ("labels", "one-hot", "distribution") and layout in ("column", "vector"):
                    continue
                yield Filling(prediction, {n: drawn[n] for n in arguments}, domain, layout)
    for prediction in orders:
        other = next(n for n in arguments if n != prediction)
        for domain in (d for d in domains if DOMAINS[d][0] in ("share", "distribution")):
            through = "softmax" if DOMAINS[domain][0] == "distribution" else "sigmoid"
            drawn = {prediction: "real", other: DOMAINS[domain][1]}
            for layout in ("rows", "columns"):
                yield Filling(prediction, {n: drawn[n] for n in arguments}, domain, layout, through=through)


def _of_several(arguments: list[str]) -> Iterator[Filling]:
    """Arrays of equal shapes, and for each example a number that says which case it is."""
    narrow = tuple(n for n in arguments if _is_target(n) or plain(n) in ("y", "t", "label", "labels", "issame", "same"))
    if len(narrow) >= len(arguments) - 1:
        narrow = ()
    wide = [n for n in arguments if n not in narrow]
    for kind in ("binary", "signs") if narrow else ("binary",):
        for layout in ("rows", "narrow columns", "single") if narrow else ("rows", "single", "columns"):
            yield Filling(wide[0], {n: kind if n in narrow else "real" for n in arguments}, "real", layout, narrow)
    if narrow:
        for kind in ("real", "binary", "signs"):
            yield Filling(wide[0], {n: kind if n in narrow else "real" for n in arguments}, "real", "rows")
        predictions = [n for n in wide if plain(n) in PREDICTION]
        if len(predictions) == 1:
            kinds = {predictions[0]: "share"} | dict.fromkeys(narrow, "binary")
            yield Filling(predictions[0], {n: kinds.get(n, "real") for n in arguments}, "shares", "rows")


def is_consistent(file: UserFile, value: str) -> bool:
    """Whether the loss of this name, `huber` or `Huber.loss`, has the gradient of its own: another loss than it may seem, but a right one."""
    for site in sites(file, frozenset()):
        if value in site.members:
            pair = settled(file, site)
            return pair is not None and pair.factor.is_one and pair.agreement() is not None
    return False
