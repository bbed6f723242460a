"""Which published rule an update follows, and the known mistake if it follows none."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from comparisons.check.styles.update_programs import Numbers, Program, same, stepping, trajectory
from comparisons.check.styles.update_reading import (
    Slice,
    assignments,
    base,
    canonical,
    canonical_moment,
    known_as,
    leaves,
    written,
)
from comparisons.check.unit import UserError
from comparisons.check.update_forms import EPSILON, Form, State, forms
from scratch import Adam, Optimizer

Array = np.ndarray
NO_CORRECTION = "Adam without bias correction"


def cause_of(made: Program, form: Form, wrong: list[str], followed: str) -> tuple[str, int]:
    """The cause of what is wrong, and the line it stands at: empty and 0 where they are not known."""
    found = made.found
    cause, line = reset_cause(found), 0
    if cause:
        # A rule that keeps nothing is the same thing told twice.
        cause = cause if not followed or "kept" in followed else f"{followed}; {cause}"
    else:
        cause, line = _crossed(made, wrong)
    if not cause and found.fixed and followed != NO_CORRECTION:
        cause = f"the step counter {found.fixed[0]} never grows"
    if not cause and not followed:
        cause = _mixed(made, form, wrong)
    if cause:
        return cause, line or _spot(found, wrong)
    # A rule that most follow is that of all steps: the first alone may look like something else.
    return (followed if 2 * len(wrong) > len(found.params) else ""), 0


def reset_cause(found: Slice) -> str:
    """Which moments are set to 0 again and again, as a cause; empty if none is."""
    if found.every_time:
        return f"{_listed(found.every_time)} {_are(found.every_time)} set to 0 again in every step: nothing is kept from step to step"
    if found.every_epoch:
        return f"{_listed(found.every_epoch)} {_are(found.every_epoch)} set to 0 again in every turn of the outer loop"
    return ""


def _are(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _listed(names: Iterable[str]) -> str:
    some = list(names)
    return ", ".join(some[:4]) + (" and others" if len(some) > 4 else "")


def _spot(found: Slice, wrong: list[str]) -> int:
    """The line to be told: where a moment is set to 0 again, else where the first wrong parameter's moment is made."""
    reset = found.every_time or found.every_epoch
    if reset and found.block.function is not None:
        names = (reset[0], base(reset[0]))
        lines = [n.lineno for n in ast.walk(found.block.function) if isinstance(n, ast.stmt)
                 and any(p.key in names and not p.own for p in assignments(n))]  # fmt: skip
        before = [line for line in lines if line <= max(p.line for p in found.pieces)]
        if before:
            return max(before)
    for p in found.pieces:
        if wrong and p.key in found.moments[wrong[0]]:
            return p.line
    return found.pieces[0].line


def _values(numbers: Numbers) -> dict[str, float]:
    b = numbers.betas
    values = {"learning_rate": numbers.rate, "epsilon": numbers.epsilon}
    if numbers.kind == "Adam":
        return values | {"beta1": b[0], "beta2": b[-1]}
    return values | {"beta": b[0] if b else 0.0}


def _rates(made: Program, numbers: Numbers) -> Iterator[float]:
    """Learning rates that it may have: the one that is named, else one of its numbers."""
    if numbers.rate:
        yield numbers.rate
    for p in made.found.pieces:
        for n in ast.walk(p.value):
            if isinstance(n, ast.Constant) and isinstance(n.value, float) and EPSILON < n.value <= 1:
                yield n.value
    yield 1.0


def rule_followed(made: Program, numbers: Numbers) -> tuple[Form, set[str], str]:
    """The published form that most parameters follow, which those are, and the known mistake that others share."""
    n = len(made.found.params)
    keys = [f"dense{i}.W" for i in range(1, n + 1)]
    try:
        plain = trajectory(made.start(), n)
        hidden = trajectory(replace(made, small=True).start(), n)
    except UserError:
        plain = hidden = []
    best: tuple[Form, set[str]] | None = None
    kinds = [numbers.kind, *(["Nesterov"] if numbers.kind == "Momentum" else [])]
    for rate in dict.fromkeys(_rates(made, numbers)):
        for kind in kinds:
            for form in forms(kind, _values(replace(numbers, rate=rate))):
                theirs = plain if form.formula is not None or not form.small else hidden
                expected = trajectory(stepping(form.step, form.start), n)
                agreeing = {
                    p for p, k in zip(made.found.params, keys, strict=True) if theirs and same(theirs, expected, k)
                }
                if best is None or len(agreeing) > len(best[1]):
                    best = form, agreeing
                if len(agreeing) == n:
                    return form, agreeing, ""
    assert best is not None
    form, agreeing = best
    if not agreeing:
        inside = any(_inside(p.value) for p in made.found.pieces)
        choices = list(forms(numbers.kind, _values(numbers)))
        form = (
            next((f for f in choices if f.small and "inside the root" in f.told), choices[0]) if inside else choices[0]
        )
    steady = replace(made, found=replace(made.found, every_time=(), every_epoch=()), small=form.small)
    try:
        theirs = trajectory(steady.start(), n)
    except UserError:
        return form, agreeing, ""
    return form, agreeing, _mistake(form.rule, theirs, keys, made.found.params, agreeing)


def _inside(node: ast.expr) -> bool:
    """Whether something is added within a root."""
    return any(
        isinstance(n, ast.Call) and known_as(n.func) == "sqrt" and n.args and isinstance(n.args[0], ast.BinOp) and isinstance(n.args[0].op, ast.Add)
        for n in ast.walk(node)
    )  # fmt: skip


def _mistake(
    rule: Optimizer, theirs: list[dict[str, Array]], keys: list[str], params: list[str], right: set[str]
) -> str:
    """The known mistake that moves the parameters that are wrong."""
    from comparisons.diagnosis.optimizers import _rules

    wrong = [k for k, p in zip(keys, params, strict=True) if p not in right]
    n = len(keys)
    for told, changed in _rules(rule):
        try:
            with np.errstate(all="ignore"):
                expected = trajectory(stepping(changed, rule.initial_state), n)
        except (KeyError, ValueError, ZeroDivisionError):
            continue
        if wrong and any(same(theirs, expected, k) for k in wrong):
            return told
    return ""


def _mixed(made: Program, form: Form, wrong: list[str]) -> str:
    """Which of Adam's factors has another number in it, if that alone makes all that is wrong."""
    rule = form.rule
    if not isinstance(rule, Adam):
        return ""
    n = len(made.found.params)
    theirs = trajectory(replace(made, small=form.small).start(), n)
    keys = [f"dense{made.found.params.index(p) + 1}.W" for p in wrong]
    b1, b2 = rule.beta1, rule.beta2
    shares = {"beta1": b1, "beta2": b2}
    for (kept, k), (taken, f), (which, own, v) in itertools.product(
        shares.items(), {"1 - beta1": 1 - b1, "1 - beta2": 1 - b2, "1": 1.0, "beta1": b1, "beta2": b2}.items(),
        (("first", "beta1", True), ("second", "beta2", False)),
    ):  # fmt: skip

        def step(w: Array, g: Array, s: State, t: int, k: float = k, f: float = f, v: bool = v) -> Array:
            s["v"] = k * s["v"] + f * g if v else b1 * s["v"] + (1 - b1) * g
            s["s"] = b2 * s["s"] + (1 - b2) * g**2 if v else k * s["s"] + f * g**2
            first, second = s["v"] / (1 - b1**t), s["s"] / (1 - b2**t)
            return w - rule.learning_rate * first / (np.sqrt(second) + rule.epsilon)

        expected = trajectory(stepping(step, lambda w: {"v": np.zeros_like(w), "s": np.zeros_like(w)}), n)
        if all(same(theirs, expected, key) for key in keys):
            told = f"{kept} v + ({taken}) g" if v else f"{kept} s + ({taken}) g^2"
            right = f"{own} {'v' if v else 's'} + (1 - {own}) {'g' if v else 'g^2'}"
            return f"the {which} moment of {_listed(wrong)} is {told}, not {right}"
    return ""


def _crossed(made: Program, wrong: list[str]) -> tuple[str, int]:
    """Whether what is wrong is right with another parameter's gradient or moments in the place of its own; and the line."""
    found = made.found
    told: list[str] = []
    lines: list[int] = []
    moments = {m: p for p, of in reversed(list(found.moments.items())) for m in of}
    for p in wrong:
        of_others = [m for m in found.moments[p] if canonical_moment(m) and canonical_moment(m) != canonical(p)
                     and canonical_moment(m) in {canonical(q) for q in found.params}]  # fmt: skip
        pieces = {q.key: q for q in found.pieces}
        for m in found.moments[p]:
            names = [written(x) for q in found.pieces if q.key == m for x in leaves(q.value)]
            others = [g for g in names if g in found.gradients and found.gradients[g] != p]
            if others and moments.get(m) == p:
                told.append(f"{m} takes {others[0]}, the gradient of {found.gradients[others[0]]}")
                lines.append(pieces[m].line)
            strange = [x for x in names if x != m and moments.get(x, p) != p and x in pieces]
            if strange:
                told.append(f"{m} is made of {strange[0]}, which belongs to {moments[strange[0]]}")
                lines.append(pieces[m].line)
        if of_others and not told:
            told.append(f"{p} moves by {of_others[0]}, which belongs to another parameter")
            lines += [
                q.line for q in found.pieces if of_others[0] in map(written, leaves(q.value)) and q.key not in moments
            ]
    return "; ".join(dict.fromkeys(told)), lines[-1] if lines else 0
