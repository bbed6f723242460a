"""Values of known losses beside torch's: which published form a user's loss is, and on which scale, is found out on several batches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from comparisons.check.differences import Derived

Array = np.ndarray
NEAR = 1e-9
JUDGED = (
    "absolute error", "smooth absolute error", "Huber loss", "log-cosh", "hinge", "squared hinge", "Kullback-Leibler divergence", "Poisson",
    "cosine", "label smoothing", "squared error", "binary cross-entropy", "cross-entropy", "root of the squared error", "squared logarithmic error",
)  # fmt: skip
"""Losses whose published forms are known; the others have too many."""
Form = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Sample:
    """One batch: prediction and target as they were given, the loss, examples and outputs."""

    given: tuple[Array, Array]
    value: float
    m: int
    k: int


@dataclass(frozen=True)
class Samples:
    """A user's loss on several batches.

    Attributes
    ----------
    kind : str
        One of `JUDGED`.
    samples : tuple of Sample
    settings : tuple of float
        Numbers that the code has: its delta or its smoothing may be among them.
    columns : bool
        Whether examples are columns.
    """

    kind: str
    samples: tuple[Sample, ...]
    settings: tuple[float, ...] = ()
    columns: bool = False


def beside_torch(derived: Sequence[Derived]) -> list[Derived]:
    """Rows of a loss, with torch's value and gradient in the place of what stands there; without torch, the loss is left out."""
    twin = next((d.twin for d in derived if d.twin is not None), None)
    torch = sys.modules.get("torch")
    if twin is None:
        return list(derived)
    if torch is None:
        return [d for d in derived if d.twin is None]
    fitting = list(_fitting(torch, twin))
    gradients = [d for d in derived if d.twin is None]
    own = [f for f in fitting if f.error <= NEAR]
    if not own and len(gradients) == 1 and (by_gradient := _by_gradient(torch, twin, gradients[0])) is not None:
        own = [by_gradient]
    found = own[0] if own else min(fitting, key=lambda f: f.error, default=None)
    if found is None:
        return gradients
    first = twin.samples[0]
    against = f"torch's {found.name}"
    total, slope = _at(torch, found.form, first, twin.columns)
    rows = []
    for d in derived:
        if d.twin is not None:
            cause = "" if found.error <= NEAR else f"no published form of the {_called(twin.kind)} has this value"
            rows.append(
                replace(
                    d, reference=np.asarray(total * found.scale), against=against, twin=None, cause=d.cause or cause
                )
            )
        elif (
            own
            and len(gradients) == 1
            and slope.shape == d.reference.shape
            and not d.kinks.any()
            and found.error > NEAR
        ):
            rows.append(replace(d, reference=slope * found.scale, error=0.0, against=against))
        else:
            rows.append(d)
    return rows


def _called(kind: str) -> str:
    return kind if kind.endswith(("loss", "error", "divergence", "entropy", "smoothing")) else f"{kind} loss"


@dataclass(frozen=True)
class _Fit:
    name: str
    form: Form
    scale: float
    """The user's loss, in units of this one, for the first batch."""
    error: float


def _fitting(torch: Any, twin: Samples) -> Iterator[_Fit]:
    """Every form on its best scale."""
    for name, form in _forms(torch, twin.kind, twin.settings):
        try:
            totals = [float(_at(torch, form, s, twin.columns)[0]) for s in twin.samples]
        except Exception:
            continue  # a form for targets of another sort
        if not all(np.isfinite(totals)) or not all(totals):
            continue
        best = min(_scales(totals, twin), key=lambda f: f[1])
        yield _Fit(name, form, *best)


def _scales(totals: list[float], twin: Samples) -> Iterator[tuple[float, float]]:
    ratios = [s.value / t for s, t in zip(twin.samples, totals, strict=True)]
    for a in (-1, 0):
        for b in (-1, 0):
            for c in (1.0, 2.0, 0.5, 1 / np.log(2)):
                expected = [c * float(s.m) ** a * float(s.k) ** b for s in twin.samples]
                yield expected[0], max(abs(r / e - 1) for r, e in zip(ratios, expected, strict=True))


def _by_gradient(torch: Any, twin: Samples, derived: Derived) -> _Fit | None:
    """The form whose gradient the code has, on the scale of the gradient, where its loss is none."""
    first = twin.samples[0]
    for name, form in _forms(torch, twin.kind, twin.settings):
        try:
            slope = _at(torch, form, first, twin.columns)[1]
        except Exception:
            continue
        free = ~derived.kinks
        if slope.shape != derived.subject.shape or not np.abs(slope[free]).max(initial=0):
            continue
        at = np.abs(np.where(free, slope, 0)).argmax()
        scale = float(derived.subject.flat[at] / slope.flat[at])
        if scale > 0 and np.allclose(
            derived.subject[free], scale * slope[free], rtol=0, atol=1e-9 * np.abs(scale * slope).max()
        ):
            return _Fit(name, form, scale, 1.0)
    return None


def _at(torch: Any, form: Form, sample: Sample, columns: bool) -> tuple[Array, Array]:
    """A form's value for a batch, and its gradient by the prediction."""
    p, t = (torch.tensor(a.T.copy() if columns and a.ndim > 1 else a) for a in sample.given)
    p.requires_grad_()
    total = form(p, t)
    (slope,) = torch.autograd.grad(total, p)
    return total.detach().numpy(), slope.numpy().T if columns else slope.numpy()


def _forms(torch: Any, kind: str, settings: Sequence[float]) -> list[tuple[str, Form]]:
    """Published forms of a loss by name, each as a sum; torch's own first."""
    F = torch.nn.functional
    numbers = list(dict.fromkeys((1.0, *(s for s in settings if s > 0))))

    def each(
        make: Callable[[float], Form], name: str, some: Sequence[float] = tuple(numbers)
    ) -> list[tuple[str, Form]]:
        return [(name, make(s)) for s in some]

    def pseudo(d: float) -> Form:
        return lambda p, t: (d**2 * (torch.sqrt(1 + ((p - t) / d) ** 2) - 1)).sum()

    huber = each(lambda d: lambda p, t: F.huber_loss(p, t, reduction="sum", delta=d), "huber_loss")
    smooth = each(lambda d: lambda p, t: F.smooth_l1_loss(p, t, reduction="sum", beta=d), "smooth_l1_loss")
    shares = [s for s in dict.fromkeys((0.1, *settings)) if 0 <= s < 1]
    margin = torch.relu

    def classes(t: Any, p: Any) -> Any:
        return t if t.dtype.is_floating_point else F.one_hot(t, p.shape[-1]).to(p.dtype)

    def logs(p: Any, scores: bool) -> Any:
        return F.log_softmax(p, -1) if scores else torch.log(p)

    def smoothed(e: float, scores: bool, others: bool) -> Form:
        def form(p: Any, t: Any) -> Any:
            k, hot = p.shape[-1], classes(t, p)
            soft = (1 - e) * hot + (e / (k - 1) * (1 - hot) if others else e / k)
            return -(soft * logs(p, scores)).sum()

        return form

    def stock(e: float) -> Form:
        return lambda p, t: F.cross_entropy(p, t, reduction="sum", label_smoothing=e)

    def binary(e: float, scores: bool) -> Form:
        f = F.binary_cross_entropy_with_logits if scores else F.binary_cross_entropy
        return lambda p, t: f(p, t * (1 - e) + e / 2, reduction="sum")

    def hinges(power: int) -> list[tuple[str, Form]]:
        def many(p: Any, t: Any) -> Any:
            hot = classes(t, p)
            right = (hot * p).sum(-1, keepdim=True)
            return (margin(1 + p - right) * (1 - hot) ** 1).pow(power).sum()

        def strongest(p: Any, t: Any) -> Any:
            hot = classes(t, p)
            wrong = ((1 - hot) * p).max(-1).values
            return margin(1 + wrong - (hot * p).sum(-1)).pow(power).sum()

        return [("relu(1 - t p)", lambda p, t: margin(1 - t * p).pow(power).sum()),
                ("relu(1 - t p), t from 0 and 1", lambda p, t: margin(1 - (2 * t - 1) * p).pow(power).sum()),
                ("multi_margin_loss", many), ("categorical hinge", strongest)]  # fmt: skip

    def cosine(p: Any, t: Any, dim: int = -1) -> Any:
        return F.cosine_similarity(p, t, dim, eps=0.0)

    table: dict[str, list[tuple[str, Form]]] = {
        "absolute error": [("l1_loss", lambda p, t: F.l1_loss(p, t, reduction="sum"))],
        "smooth absolute error": smooth + huber,
        "Huber loss": [*huber, *smooth, *each(pseudo, "pseudo-Huber loss")],
        "log-cosh": [("log(cosh(p - t))", lambda p, t: torch.log(torch.cosh(p - t)).sum())],
        "hinge": hinges(1),
        "squared hinge": hinges(2),
        "Kullback-Leibler divergence": [
            ("kl_div", lambda p, t: F.kl_div(torch.log(p), t, reduction="sum")),
            ("kl_div", lambda p, t: F.kl_div(torch.log(t), p, reduction="sum")),
            ("kl_div", lambda p, t: (torch.xlogy(t, t) - t * torch.log(p) - t + p).sum()),
        ],
        "Poisson": [
            ("poisson_nll_loss", lambda p, t: F.poisson_nll_loss(p, t, log_input=False, eps=0, reduction="sum")),
            ("poisson_nll_loss", lambda p, t: F.poisson_nll_loss(p, t, log_input=True, reduction="sum")),
            ("poisson_nll_loss", lambda p, t: F.poisson_nll_loss(p, t, log_input=False, full=True, eps=0, reduction="sum")),
            ("poisson_nll_loss", lambda p, t: (p - t * torch.log(p) + torch.lgamma(t + 1)).sum()),
            ("Poisson deviance", lambda p, t: (torch.xlogy(t, t / p) - t + p).sum()),
        ],
        "cosine": [
            ("cosine_similarity", lambda p, t: (1 - cosine(p, t)).sum()),
            ("cosine_similarity", lambda p, t: -cosine(p, t).sum()),
            ("cosine_similarity", lambda p, t: cosine(p, t).sum()),
            ("cosine_similarity", lambda p, t: 1 - cosine(p.reshape(-1), t.reshape(-1))),
            ("cosine_similarity", lambda p, t: -cosine(p.reshape(-1), t.reshape(-1))),
        ],
        "label smoothing": [
            *each(stock, "cross_entropy", shares),
            *(("cross_entropy", smoothed(e, scores, others)) for e in shares for scores in (True, False) for others in (False, True)),
            *(("binary_cross_entropy", binary(e, scores)) for e in shares for scores in (True, False)),
        ],
        "squared error": [("mse_loss", lambda p, t: F.mse_loss(p, t, reduction="sum"))],
        "binary cross-entropy": [("binary_cross_entropy", binary(0, False)), ("binary_cross_entropy_with_logits", binary(0, True))],
        "cross-entropy": [
            ("cross_entropy", stock(0)),
            ("nll_loss", smoothed(0, False, False)),
            ("binary_cross_entropy", binary(0, False)),
            ("binary_cross_entropy_with_logits", binary(0, True)),
        ],
        "root of the squared error": [
            ("sqrt(mse_loss)", lambda p, t: torch.sqrt(F.mse_loss(p, t))),
            ("sqrt(mse_loss)", lambda p, t: torch.sqrt(((p - t) ** 2).sum() / len(p))),
            ("sqrt(mse_loss)", lambda p, t: torch.sqrt(((p - t) ** 2).mean(-1)).sum()),
            ("sqrt(mse_loss)", lambda p, t: torch.sqrt(((p - t) ** 2).mean(0)).sum()),
            ("sqrt(mse_loss)", lambda p, t: torch.sqrt(((p - t) ** 2).sum())),
        ],
        "squared logarithmic error": [
            ("mse_loss of log(1 + a)", lambda p, t: F.mse_loss(torch.log1p(p), torch.log1p(t), reduction="sum")),
            ("mse_loss of log(a)", lambda p, t: F.mse_loss(torch.log(p), torch.log(t), reduction="sum")),
            ("sqrt(mse_loss) of log(1 + a)", lambda p, t: torch.sqrt(F.mse_loss(torch.log1p(p), torch.log1p(t)))),
        ],
    }  # fmt: skip
    return table[kind]
