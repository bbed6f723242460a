"""Update rules written out in the middle of training code: `vW1 = beta * vW1 + (1 - beta) * dW1; W1 -= lr * vW1`.

Such code can seldom be run as a whole, for want of its data or of its helpers, and its gradients hide what its optimizer does with
them. So the statements of the update alone are taken out (`update_reading`) and run with recorded gradients, as any optimizer
(`update_programs`). Which rule it is, and the numbers in it, are found by running it; `update_causes` tells the known mistakes.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Any

from comparisons.case import Case
from comparisons.check.homes import source_text
from comparisons.check.locating import statement as shown
from comparisons.check.models import OptimizerModel
from comparisons.check.source import syntax
from comparisons.check.styles.optimizers import KINDS, TITLES
from comparisons.check.styles.update_causes import NO_CORRECTION, cause_of, reset_cause, rule_followed
from comparisons.check.styles.update_lookahead import Judged, judged, lookahead
from comparisons.check.styles.update_programs import Program, behaviour, program, steps_case
from comparisons.check.styles.update_reading import GRADIENT, Block, Slice, blocks, sliced
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import Optimizer


class UpdateSlices:
    """Updates with moments inside training code."""

    name = "update slices"

    def __init__(self) -> None:
        self._programs: dict[str, Program] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every update whose statements stand together."""
        tree = syntax(file)
        units: list[Unit] = []
        text = source_text(file)
        for block in blocks(tree):
            owner, _, method = block.home.partition(".")
            of_optimizer = any(re.search(pattern, owner.lower().replace("_", "")) for pattern, _ in KINDS)
            if owner in taken and (of_optimizer if method else _handed(block)):
                continue  # judged as an optimizer already
            found = sliced(block, tree)
            if found is None:
                continue
            unit = self._unit(file, found, tree, text, {u.name for u in units})
            if unit is not None:
                units.append(unit)
        return units

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The statements, run as an optimizer."""
        return OptimizerModel(case, replace(self._programs[unit.name], small=unit.options["small"]).start)

    def _unit(self, file: UserFile, found: Slice, tree: ast.Module, text: str, names: set[str]) -> Unit | None:
        made = replace(program(found), path=file.path)
        try:
            numbers = behaviour(made)
        except UserError:
            return None
        if numbers is None:
            return None
        form, agreeing, followed = rule_followed(made, numbers)
        if not agreeing and not any(map(_NAMED.search, found.gradients)):
            down = replace(made, downhill=True)
            other = rule_followed(down, numbers)
            if other[1]:
                made, (form, agreeing, followed) = down, other
        wrong = [p for p in found.params if p not in agreeing]
        where, line = found.block.home, found.pieces[0].line
        reason = _uncompared(found, numbers.kind, bool(agreeing), followed, f"{where} {text}")
        if wrong and reason:
            file.notes.append(f"the update at line {line} {reason}")
            return None
        name = f"update in {where}" if where else f"update at line {line}"
        name = f"{name} (line {line})" if name in names else name
        own = {f"dense{i}.W": p for i, p in enumerate(found.params, start=1)}
        options: dict[str, Any] = {"names": own, "small": form.small}
        if form.alone and not wrong:
            options["alone"] = form.told
        if wrong:
            cause, spot = cause_of(made, form, wrong, followed)
            if cause:
                options["cause"] = cause
            if spot:
                options["at"] = (where, spot, shown(file.path, spot))
        told = [form.told] if form.told and not form.alone else []
        ours = "negative gradients" if made.downhill else "gradients"
        told.append(f"its statements were run by themselves, with {ours} of ours for {', '.join(found.params)}")
        rule, kind = form.rule, numbers.kind
        judgement = None if wrong or form.alone else self._ahead(file, made, rule, tree)
        if judgement is not None:
            made, rule, kind = judgement.program, judgement.rule, "Nesterov"
            options["names"] = {n: f"{p} ahead" for n, p in own.items()}
            told.append("the places at which the gradients are taken are compared: they are torch's parameters")
            if judgement.cause:
                options |= {"cause": judgement.cause, "at": (where, judgement.line, shown(file.path, judgement.line))}
        self._programs[name] = made
        case = steps_case(name, len(found.params), rule)
        members = (where or "training loop",)
        title = f"{TITLES.get(kind, kind)} within training"
        return Unit(name, self.name, title, line, members, (case,), options, tuple(told))

    def _ahead(self, file: UserFile, made: Program, rule: Optimizer, tree: ast.Module) -> Judged | None:
        """Where a momentum that is right by itself looks ahead, if it is known what comes of that."""
        ahead = lookahead(made, tree)
        judgement = judged(made, ahead, rule) if ahead is not None else None
        if ahead is None or judgement is None:
            return None
        if judgement.right or judgement.cause:
            return judgement
        file.notes.append(
            f"the look-ahead of line {min(line for _, line in ahead.written.values())} is not compared: it is no multiple of the momentum"
        )
        return None


_NAMED = re.compile(r"(^|[^A-Za-z])(d_?([WwbBUVX]|gamma|beta|theta)|g\b|gt\b|nabla|\w*grad)")
"""Names of gradients that can be nothing else: an error or a delta may be target - output, which points down."""
VARIANTS = r"nadam|amsgrad|adamax|amsbound|adabound|lamb\b|radam|adabelief|yogi|adadelta|np\.maximum\([vs]|clip"
"""What is not Adam though it is called so."""


def _handed(block: Block) -> bool:
    """Whether gradients are arguments of the function."""
    f = block.function
    return f is not None and any(GRADIENT.match(a.arg) for a in f.args.args)


def _uncompared(found: Slice, kind: str, some_agree: bool, followed: str, text: str) -> str:
    """Why an update that follows no rule is not called wrong; empty if it is."""
    if some_agree or reset_cause(found):
        return ""
    called = _called(kind, text)
    sure = called and kind == "Adam" and not re.search(VARIANTS, text, re.IGNORECASE)
    if not followed and not found.fixed and not sure:
        return "is not compared: it is that of no rule known here"
    if kind == "Adam" and not called and followed == NO_CORRECTION:
        return "has averages of gradients and of their squares without bias correction; nothing calls it Adam, so it is not compared"
    return ""


def _called(kind: str, text: str) -> bool:
    return {"Adam": "adam", "RMSprop": "rms", "Adagrad": "ada", "Momentum": "moment"}[kind] in text.lower()
