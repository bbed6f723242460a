"""Whether a container is a chain of layers at all, or its layers stand side by side, are added, joined or gated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from comparisons.case import Case
from comparisons.check.styles.container_blocks import Call
from comparisons.check.styles.container_drives import told_mode
from comparisons.check.styles.container_reading import Reading, same_up_to_shape
from comparisons.check.styles.container_runs import Session
from comparisons.check.unit import UserError, UserFile
from comparisons.plan import random_weights
from scratch.weights import Weights

Array = np.ndarray
NO_CHAIN = "its forward pass is no chain: it makes more of its layers' outputs than to hand each on to the next layer"
STEPS = 3


def no_chain(file: UserFile, reading: Reading, makes: bool) -> bool:
    """Whether the forward pass combines its layers otherwise, on purpose: what each layer gives has its part in the output.

    Where a layer is left out, or what it gave is dropped, it has none: that is a mistake in a chain.

    Parameters
    ----------
    file : UserFile
    reading : Reading
    makes : bool
        Whether the container makes its layers itself: then the order in which it holds them need not be that in which they run.
    """
    way = reading.way
    name = way.forward or (way.recipe.names[0] if way.recipe.sort != "train" else "")
    if not name:
        return False
    try:
        session = Session(file, way, 1)
        weights = random_weights(Case("check/container", way.arch, (1,), (way.sizes[0],)), np.random.default_rng(5))
        session.load(weights)
    except UserError:
        return False
    calls, out = _watched(session, name)
    ahead = [c for c in calls if not c.backward]
    order = [c.block for c in ahead]
    handed_on = all(_same(a.result, b.given) for a, b in itertools.pairwise(ahead))
    ends = way.recipe.sort != "through" or (bool(ahead) and _same(ahead[-1].result, out))
    if handed_on and ends and (not makes or order == list(range(len(order)))):
        return False
    held = [i for i, names in enumerate(way.names) if weights.params.get(names[0])]
    return set(order) >= set(held) and all(_matters(session, name, weights, i) for i in held)


def _same(a: Array | None, b: Array | None) -> bool:
    return a is None or b is None or same_up_to_shape(a, b)


def _watched(session: Session, name: str) -> tuple[list[Call], Array | None]:
    """The calls of layers in a forward pass, for the first input under which it runs, and its output."""
    for given in _inputs(session):
        calls: list[Call] = []
        with ExitStack() as stack:
            for i, block in enumerate(session.blocks):
                stack.callback(block.watch(calls, i))
            try:
                return calls, _output(session, name, given)
            except UserError:
                continue
    return [], None


def _matters(session: Session, name: str, weights: Weights, i: int) -> bool:
    """Whether the output depends on the parameters of one layer: for one example, or for several steps of time."""
    layer = session.way.names[i][0]
    moved = Weights(weights.params | {layer: {p: 0.5 - a for p, a in weights.params[layer].items()}}, weights.buffers)
    for given in _inputs(session):
        outs = []
        for w in (weights, moved):
            try:
                session.load(w)
                outs.append(_output(session, name, given))
            except UserError:
                break
        if len(outs) == 2 and not np.array_equal(outs[0], outs[1]):
            return True
    return False


def _inputs(session: Session) -> Iterator[Array]:
    """One example; several steps of time, alone and twice: over one step, attention does not look at its keys."""
    form, n, rng = session.way.form, session.way.sizes[0], np.random.default_rng(4)
    x = rng.standard_normal((1, n))
    yield form.layout.there(x)
    if form.stacked:
        yield form.put(x)
    for shape in ((STEPS, n), (2, STEPS, n)):
        yield rng.standard_normal(shape)


def _output(session: Session, name: str, given: Array) -> Array:
    f = session.function(name)
    out = session.ran(f, {"x": given.copy()}, told_mode(f, False))
    out = out[0] if isinstance(out, tuple) and out else out
    if not isinstance(out, np.ndarray):
        raise UserError("its forward pass returns no array")
    return np.array(out)
