"""What would make the step of a training loop right: one change of its body after the other, until its gradients are the derivatives.

`repair` does the same for functions and methods. A loop's body is neither, and has two mistakes of its own: weights that are moved
before they were used on the way back, and masks that are drawn anew there.
"""

from __future__ import annotations

import ast
import copy
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from comparisons.check.locating import Spot
from comparisons.check.statement_edits import every_edit, exchanged, shown
from comparisons.check.styles.network_scripts import ScriptAccess, edited

SECONDS = 6.0
"""Time of the processor that a search may take."""
_MASK = re.compile(r"(^|[._])(\w*mask\w*|\w*drop_?out\w*|[dD]\d|keep_?units)$", re.IGNORECASE)


@dataclass(frozen=True)
class Edit:
    """A block with one statement changed or moved: what it becomes, and how that is told."""

    block: list[ast.stmt]
    new: list[ast.stmt]
    line: int
    told: str


def mended(access: ScriptAccess, agrees: Callable[[ScriptAccess], bool]) -> tuple[str, Spot] | None:
    """The cause that the first change shows with which all agrees, and its place."""
    end = time.thread_time() + SECONDS
    function = ast.parse("def step(): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = access.loop.body
    for edit in _edits(access, function):
        if time.thread_time() > end:
            return None
        kept = edit.block[:]
        edit.block[:] = edit.new
        try:
            right = agrees(edited(access))
        except Exception:  # what the change makes of the code
            right = False
        finally:
            edit.block[:] = kept
        if right:
            return edit.told, Spot(
                access.loop.function, edit.line, shown(next(s for s in kept if s.lineno == edit.line))
            )
    return None


def _edits(access: ScriptAccess, function: ast.FunctionDef) -> Iterator[Edit]:
    blocks = [function.body, *(n.body for n in ast.walk(function) if isinstance(n, ast.For | ast.While | ast.If))]
    for block in blocks:
        yield from _moved(access, block)
    masks = list(
        dict.fromkeys(
            ast.unparse(n)
            for n in ast.walk(function)
            if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Store) and _MASK.search(ast.unparse(n))
        )
    )
    for block in blocks:
        yield from _masked(block, masks)
    for block, i, new in every_edit(function):
        old = block[i]
        yield Edit(block, [*block[:i], new, *block[i + 1 :]], old.lineno, _told(old, new))


def _told(old: ast.stmt, new: ast.stmt) -> str:
    return f"line {old.lineno}: `{shown(old)}` agrees as `{shown(new)}`"


def _moved(access: ScriptAccess, block: list[ast.stmt]) -> Iterator[Edit]:
    """A parameter moved at the end instead: it was used again after its update."""
    for i, s in enumerate(block):
        target = s.target if isinstance(s, ast.AugAssign) else s.targets[0] if isinstance(s, ast.Assign) else None
        if target is None or ast.unparse(target) not in access.places:
            continue
        name = ast.unparse(target)
        later = [
            t for t in block[i + 1 :] if any(isinstance(n, ast.expr) and ast.unparse(n) == name for n in ast.walk(t))
        ]
        if later:
            told = f"{name} is updated (line {s.lineno}) before its old value was used on the way back (line {later[0].lineno})"
            yield Edit(block, [*block[:i], *block[i + 1 :], s], s.lineno, told)


def _masked(block: list[ast.stmt], masks: list[str]) -> Iterator[Edit]:
    """The mask of the forward pass, where another is drawn or none is applied."""
    for i, s in enumerate(block):
        if not isinstance(s, ast.Assign | ast.AugAssign) or s.value is None:
            continue
        drawn = [n for n in ast.walk(s.value) if isinstance(n, ast.Call) and "random" in ast.unparse(n.func)]
        target = ast.unparse(s.target if isinstance(s, ast.AugAssign) else s.targets[0])
        for mask in masks:
            if target == mask:
                continue
            for call in drawn:
                for old in (
                    call,
                    *(n for n in ast.walk(s.value) if isinstance(n, ast.Compare) and call in ast.walk(n)),
                ):
                    new = exchanged(s, old, ast.parse(mask, mode="eval").body)
                    told = f"another mask is drawn on the way back than {mask} of the forward pass ({_told(s, new)})"
                    yield Edit(block, [*block[:i], new, *block[i + 1 :]], s.lineno, told)
            if not drawn and re.search(r"d|err|grad|g", target, re.IGNORECASE) and mask not in ast.unparse(s):
                again = copy.deepcopy(s)
                after = ast.parse(f"{target} = {target} * {mask}").body[0]
                told = f"the mask {mask} is not applied on the way back: `{target} *= {mask}` is missing after line {s.lineno}"
                yield Edit(block, [*block[:i], again, after, *block[i + 1 :]], s.lineno, told)
