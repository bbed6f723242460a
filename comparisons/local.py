"""Each layer of the subject alone, fed what the reference fed it: what differs then is that layer's own mistake.

In a network one wrong layer makes everything after it (forward) and before it (backward) wrong too. Running the layer on
the reference's input and upstream gradient separates the culprit from those that merely inherit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from comparisons.case import Case
from comparisons.plan import Plan
from comparisons.subject import ScratchModel
from comparisons.trace import Trace

Array = np.ndarray


def local_tensors(case: Case, plan: Plan, reference: Trace) -> Iterator[tuple[str, Array]]:
    """The subject's tensors of the first pass, layer by layer, from the reference's inputs and upstream gradients.

    Yields
    ------
    str, ndarray
        Named as in the trace; layers for which the reference lacks an input or upstream gradient are left out.
    """
    model = ScratchModel(case.architecture, case.optimizer, "float64")
    batch, given = plan.batches[0], reference.tensors
    names = [name for name, _ in case.architecture.layers]
    x: Array | None = batch.x
    for i, name in enumerate(names):
        after = f"grad/{names[i + 1]}.input" if i + 1 < len(names) else "grad/loss.input"
        upstream = batch.upstream if batch.upstream is not None and i + 1 == len(names) else given.get(after)
        if x is None or upstream is None:
            continue
        y, dx, grads, buffers = model.run_layer(name, x, upstream, case.training, batch.masks, plan.weights)
        yield f"forward/{name}", y
        yield from ((f"grad/{name}.{p}", g) for p, g in grads.items())
        yield f"grad/{name}.input", dx
        if case.training:
            yield from ((f"step1/buffer/{name}.{b}", a) for b, a in buffers.items())
        x = given.get(f"forward/{name}")
