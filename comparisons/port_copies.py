"""What a function of the user's that carries weights from one model to another has made of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from comparisons.discrepancy import judge
from comparisons.port_pairing import Pair, rearranged
from comparisons.ports import Incomparable, Makers, PortResult, disagreeing, entering, framework, reader, reading
from reference import version
from reference.model import UnknownLayer
from scratch.weights import Arrays

Array = np.ndarray
SCATTERED = (0.5, 1.5)
"""Between which the weights lie that a model has before anything is copied into it."""


def compare_copied(
    copy: Callable[[Any, Any], Any],
    subject: Any,
    reference: Any,
    name: str = "copy",
    shape: tuple[int, ...] | None = None,
    makers: Makers | None = None,
) -> PortResult:
    """What a function of the user's that carries weights over has made of them, beside how they belong.

    Parameters
    ----------
    copy : callable
        `copy(subject, reference)`; it changes one of them, which then is compared with the other.
    subject, reference : torch.nn.Module or keras.Model
    name, shape, makers
        As for `compare_models`.

    Raises
    ------
    BackproofError
        If the models have not the same layers, or are not known.
    """
    mine, theirs = reader(subject), reader(reference)
    if mine is None or theirs is None:
        raise Incomparable(f"{name}: the models are not known")
    (left, right), makers, example = entering((subject, reference), makers, name, shape, (), np.random.default_rng(1))
    options = [reading(m, False, make) for m, make in zip((left, right), makers, strict=True)]

    def paired(dtype: str) -> Pair:
        try:
            return Pair(mine(left, example, dtype, **options[0]), theirs(right, example, dtype, **options[1]))
        except (UnknownLayer, ValueError, RuntimeError) as error:
            raise Incomparable(f"{name}: {str(error).strip().splitlines()[0]}") from None

    for model in (left, right):
        _build(model, example)
        _scatter(model)
    first = paired("float32")
    before = first.subject.read()
    copy(subject, reference)
    pair = paired("float32")
    s, r = pair.subject.read(), pair.reference.read()
    if not pair.sure:
        _surer(pair, paired("float64"), example, s, r)
    of = {theirs.name: mine.name for theirs, mine in pair.partners}
    common = {
        "case": f"check/{name}/copied", "suite": "check", "phase": "update", "step": 0, "subject": pair.subject.framework,
        "reference": pair.reference.framework, "versions": version(pair.reference.framework), "scope": "propagated",
    }  # fmt: skip
    rows = []
    for layer, named in r.items():
        for p, wanted in named.items():
            row = common | {"layer": layer, "tensor": f"step0/param/{layer}.{p}"}
            copied = s[of[layer]][p]
            row |= judge(copied, wanted, "float32", 1e-10)
            if row["verdict"] == "mismatch":
                was = before[of[layer]][p]
                told = _second_bias(copied, wanted, pair.subject.framework) if p == "b" and "U" in named else ""
                row["diagnosis"] = told or _miscopied(copied, wanted, was, named)
            rows.append(row)
    return PortResult(rows, ())


def _surer(pair: Pair, precise: Pair, example: Array, s: Arrays, r: Arrays) -> None:
    """Let layers that look alike have partners with which the models agree; if those differ, partners that got their weights."""
    left = disagreeing(precise, example)
    if not left:
        pair.adopt(precise)
        return

    def uncopied() -> list[str]:
        return [
            theirs.name
            for theirs, mine in pair.partners
            if any(not np.array_equal(a, s[mine.name][p]) for p, a in r[theirs.name].items())
        ]

    rearranged(pair, uncopied)


def _build(model: Any, example: Array) -> None:
    """Give a Keras model weights that gets them with its first input."""
    if framework(type(model)) == "tensorflow" and not model.weights:
        import tensorflow as tf

        model(tf.constant(example[:1] if example.dtype.kind in "iu" else example[:1].astype("float32")))


def _scatter(model: Any) -> None:
    """Weights that hide nothing, none 0 or 1, in somebody's own model: positive, as some are variances."""
    rng = np.random.default_rng(7 if framework(type(model)) == "torch" else 8)
    if framework(type(model)) == "tensorflow":
        for w in model.weights:
            if "float" in str(w.dtype) and "seed" not in w.name:
                w.assign(rng.uniform(*SCATTERED, tuple(w.shape)))
        return
    import torch

    with torch.no_grad():
        for t in (*model.parameters(), *model.buffers()):
            if t.is_floating_point():
                t.copy_(torch.from_numpy(rng.uniform(*SCATTERED, tuple(t.shape))))


def _second_bias(s: Array, wanted: Array, subject: str) -> str:
    """What became of one of the two biases that torch adds up, if that is what differs."""
    if subject == "torch" and np.array_equal(s, 2 * wanted):
        return (
            "it is copied into both bias_ih and bias_hh, which torch adds up, so it counts twice: set one of them to 0"
        )
    left = s - wanted if subject == "torch" else wanted - s
    if (left < SCATTERED[0]).any() or (left > SCATTERED[1]).any():
        return ""
    if subject == "torch":
        return "torch adds up bias_ih and bias_hh, and one of them keeps what it had: set it to 0"
    return "torch adds up bias_ih and bias_hh, and one of them is left out: copy their sum"


def _miscopied(s: Array, wanted: Array, before: Array, others: dict[str, Array]) -> str:
    if np.array_equal(s, before):
        return "it is not copied at all"
    for p, other in others.items():
        if other.shape == s.shape and np.array_equal(other, s):
            return f"it is a copy of {p}"
    for axes in itertools.permutations(range(s.ndim)):
        if wanted.transpose(axes).shape == s.shape and np.array_equal(wanted.transpose(axes), s):
            return f"its axes stand in another order: {axes}"
    rows = {row.tobytes(): i for i, row in enumerate(np.ascontiguousarray(wanted))} if s.ndim == 2 else {}
    if rows and all(row.tobytes() in rows for row in np.ascontiguousarray(s)):
        return (
            "its rows are those wanted in another order: images are flattened as (c, h, w) in torch, (h, w, c) in Keras"
        )
    for gates in (3, 4):
        if s.shape[-1] % gates == 0:
            parts = np.split(wanted, gates, axis=-1)
            for order in itertools.permutations(range(gates)):
                if np.array_equal(np.concatenate([parts[k] for k in order], axis=-1), s):
                    return "its gates stand in another order" + (
                        ": torch has r, z, n, Keras z, r, n" if gates == 3 else ""
                    )
    return ""
