"""What is given to a cost whose parameters lie in one vector, where the file itself says how long it is.

`init_theta()` makes the vector, for sizes that stand in the file: `SIZES = [4, 6, 5, 3]`. The same sizes tell how wide inputs and targets
are. Where the file's function makes matrices instead, another one that makes a vector of them, `roll(Ws, bs)`, is not asked.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from comparisons.check.styles.cost_arguments import FLAT, STRENGTH, STRENGTHS, Given, M, choices
from comparisons.check.styles.network_arguments import SMALL, is_x, is_y, parameters_of, role
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
MOST = 400
"""Elements of a vector from which finite differences take too long."""
_MAKES = re.compile(r"_?(init|make|create|build|new|rand|get|start)\w*|\w*(init\w*|theta0)", re.IGNORECASE)
_SIZED = ("sizes", "input_size", "hidden_size", "output_size")


def rolled(file: UserFile, names: list[str]) -> Iterator[dict[str, Given]]:
    """Ways of filling a cost's arguments with a vector that the file makes, the likely ones first.

    Parameters
    ----------
    file : UserFile
    names : list of str
        Arguments that must be given.
    """
    vectors = [n for n in names if FLAT.fullmatch(n) or n in ("p", "v", "vec")]
    if len(vectors) != 1 or not any(map(is_x, names)):
        return
    for sizes, length in _made(file):
        inputs, outputs = sizes[0], sizes[-1]
        lists = [_choices(n, vectors[0], length, inputs, outputs) for n in names]
        if all(lists):
            for chosen in sorted(_places(lists), key=sum):
                yield {n: given[i] for n, given, i in zip(names, lists, chosen, strict=True)}


def _places(lists: list[list[Given]]) -> Iterator[tuple[int, ...]]:
    return itertools.islice(itertools.product(*(range(len(given)) for given in lists)), 200)


def _choices(name: str, vector: str, length: int, inputs: int, outputs: int) -> list[Given]:
    if name == vector:
        return [Given("real", (length,))]
    if role(name) == "sizes":
        return []  # an argument of the cost: what stands in the file does not bind it
    if is_x(name):
        return [Given("real", (inputs, M)), Given("real", (M, inputs))]
    if is_y(name):
        shapes = ((outputs, M), (M, outputs))
        if outputs == 1:
            return [Given("binary", shape) for shape in ((1, M), (M, 1), (M,))]
        one_hot = [Given("one-hot", shape, classes=outputs) for shape in shapes]
        return [*one_hot, Given("labels", (M,), classes=outputs), *(Given("real", shape) for shape in shapes)]
    if STRENGTHS.fullmatch(name):
        return [Given("fixed", value=STRENGTH)]
    return choices(name)


def _made(file: UserFile) -> Iterator[tuple[list[int], int]]:
    """Sizes of the layers, with the length of the vector that is made for them."""
    for name, f in file.functions().items():
        if not _MAKES.fullmatch(name):
            continue
        for sizes in _sizes(file):
            length = _length(file, f, sizes)
            if length and length <= MOST and _holds(length, sizes):
                yield sizes, length
                return


def _holds(length: int, sizes: list[int]) -> bool:
    """Whether a vector may be that of a network of these sizes, with biases or without."""
    pairs = list(itertools.pairwise(sizes))
    return length in (sum(a * b for a, b in pairs), sum((a + 1) * b for a, b in pairs))


def _sizes(file: UserFile) -> Iterator[list[int]]:
    """Lists of sizes among the file's global values, and among defaults of its functions."""
    values = [file.namespace.get(n) for n in file.own]
    values += [p.default for f in file.functions().values() for p in parameters_of(f)]
    for value in values:
        if isinstance(value, list | tuple) and len(value) > 1 and all(type(v) is int and v > 0 for v in value):
            yield list(value)


def _length(file: UserFile, f: Callable[..., Any], sizes: list[int]) -> int:
    """Length of the vector that a function makes; 0 if it makes none."""
    given: dict[str, Any] = {}
    for p in parameters_of(f):
        if p.default is not p.empty:
            continue
        if role(p.name) == "sizes":
            given[p.name] = list(sizes)
        elif role(p.name) in SMALL:
            given[p.name] = SMALL[role(p.name)][0]
        else:
            return 0
    np.random.seed(1)  # noqa: NPY002
    try:
        made = file.call(f, **given)
    except UserError:
        return 0
    flat = isinstance(made, np.ndarray) and made.ndim == 1 and made.dtype.kind == "f"
    return made.size if flat else 0
