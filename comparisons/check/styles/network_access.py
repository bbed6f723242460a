"""What a whole network in a user's file looks like from outside, however it is written: object, functions or script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from comparisons.check.tensors import seen

if TYPE_CHECKING:
    from comparisons.check.unit import UserFile

Array = np.ndarray


@dataclass
class Seen:
    """What one run of the user's code showed, in the user's layout.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Everything that may be an output, by where it was found; what was returned comes first.
    grads : dict of str to ndarray
        Gradients by parameter, where the code shows them.
    moved : dict of str to ndarray
        All parameters after the code's own update; empty if it made none.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    grads: dict[str, Array] = field(default_factory=dict)
    moved: dict[str, Array] = field(default_factory=dict)


class Access(Protocol):
    """One network, ready to be run on any parameters and data of the right sizes.

    Attributes
    ----------
    file : UserFile
    name, what : str
        The unit's name, and what it is called in a sentence (`class`, `functions`, `script`).
    line : int
    members : tuple of str
    parameters : dict of str to ndarray
        As the code makes them: names, shapes and order.
    rate : float or None
        Learning rate of `moved`; None where the code keeps it to itself.
    forms : tuple of str
        How a batch may be handed over: see `FORMS`.
    batched : bool
        Whether the code is plainly meant for several examples at a time.
    """

    name: str
    what: str
    line: int
    members: tuple[str, ...]
    parameters: dict[str, Array]
    rate: float | None
    forms: tuple[str, ...]
    batched: bool

    @property
    def file(self) -> UserFile: ...

    def forward(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """Outputs alone; `y` is for code that asks for it."""
        ...

    def step(self, params: dict[str, Array], x: Any, y: Any, m: int) -> Seen:
        """Gradients, or parameters after one update."""
        ...


LIST = "list"
FORMS = ("rows", "columns", "one row", "one column", "vector", LIST, "column pairs", "vector pairs")
"""Examples in rows; in columns; one example alone, as a row, a column, a vector or a list; a list of (x, y), each a column, or a vector."""
SINGLE = ("one row", "one column", "vector", LIST)
"""Forms of one example."""
LABELS = ("as the output", "labels", "labels in a column", "labels in a row")


def put(x: Array, form: str) -> Any:
    """Rows in the user's form."""
    match form:
        case "rows" | "one row":
            return x.copy()
        case "columns" | "one column":
            return x.T.copy()
        case "vector":
            return x[0].copy()
        case "list":
            return x[0].tolist()
        case "column pairs":
            return [row.reshape(-1, 1).copy() for row in x]
    return [row.copy() for row in x]


def put_target(y: Array, form: str, labels: str) -> Any:
    """One-hot or real targets in the user's form, or class numbers."""
    if labels == LABELS[0]:
        return put(y, form)
    numbers = y.argmax(axis=1) if y.shape[1] > 1 else y.ravel()
    numbers = numbers.astype(int) if y.shape[1] > 1 else numbers.copy()
    if form in ("vector", LIST):
        return numbers[0]
    return {"labels": numbers, "labels in a column": numbers.reshape(-1, 1), "labels in a row": numbers.reshape(1, -1)}[
        labels
    ]


def as_rows(a: Array, m: int, k: int, form: str) -> Array | None:
    """An output as (m, k); None if it cannot be one."""
    a = np.asarray(a)
    if a.size != m * k:
        return None
    columns = form in ("columns", "one column", "column pairs")
    if a.shape in ((m, k), (k, m)):
        # Code may take rows and give columns; where both shapes are one, it is taken to keep to its form.
        return a.T if a.shape == (k, m) and (columns or m != k) else a
    if a.ndim < 2 or 1 in a.shape:
        return a.reshape(m, k) if m == 1 or k == 1 else None
    return None


def found_arrays(value: Any, prefix: str = "", depth: int = 6) -> Iterator[tuple[str, Array]]:
    """All numeric arrays in nested containers and in attributes of the file's own objects, by place."""
    value = seen(value)
    if isinstance(value, np.ndarray | np.floating) or (isinstance(value, float) and not isinstance(value, bool)):
        a = np.asarray(value)
        if a.dtype.kind in "fiu":
            yield prefix, a
        return
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and re.search(r"(^|[.'_])(b|bias|b0|intercept)(['\]]|$)", prefix)
    ):
        yield prefix, np.asarray(float(value))  # a bias starts at 0, written as an integer
        return
    if depth == 0:
        return
    if isinstance(value, dict):
        for k, v in value.items():
            yield from found_arrays(v, f"{prefix}[{k!r}]", depth - 1)
    elif isinstance(value, list | tuple):
        if value and len(value) < 2000 and all(isinstance(v, float | int | np.floating) for v in value):
            yield prefix, np.asarray(value, dtype=float)
            return
        for i, v in enumerate(value[:2000]):
            yield from found_arrays(v, f"{prefix}[{i}]", depth - 1)
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        for k, v in vars(value).items():
            yield from found_arrays(v, f"{prefix}.{k}" if prefix else k, depth - 1)


_GRADIENT = re.compile(
    r"^(d|g|grads?|gradients?|nabla|delta|Delta|D|partial|deriv|djd|dJd|dCd|dLd|dloss|dcost|dE)_?(?=[A-Za-z0-9_\[]|$)"
)


def stem(name: str) -> str:
    """A name's last part without what marks it as a gradient: `W1` of `dW1`, `grads['dW1']`, `grad_W1`, `W1_grad`."""
    last = re.findall(r"[A-Za-z_]\w*", name)
    bare = last[-1] if last else name
    bare = (
        re.sub(r"_?(grads?|gradients?|delta|adjustments?|updates?|derivative)$", "", bare, flags=re.IGNORECASE) or bare
    )
    for _ in range(2):
        shorter = re.sub(_GRADIENT, "", bare)
        if not shorter or shorter == bare:
            break
        bare = shorter
    number = re.findall(r"\[(\d+)\]", name)
    return f"{bare}{number[0]}" if number else bare


def looks_like_gradient(name: str) -> bool:
    """Whether the last part of a name marks a gradient."""
    last = re.findall(r"[A-Za-z_]\w*", name)
    return bool(last) and any(stem(part) != part for part in last)


def match_gradients(parameters: dict[str, Array], found: dict[str, Array]) -> dict[str, Array]:
    """Which of the arrays found are gradients of which parameter: by name, else by shape if only one fits, else in order."""
    given: dict[str, Array] = {}
    left = dict(found)
    stems = [canonical(name) for name in parameters]
    named = {c: name for c, name in zip(stems, parameters, strict=True) if stems.count(c) == 1}
    for place in found:
        name = named.get(canonical(place))
        if name is not None and name not in given and looks_like_gradient(place):
            given[name] = left.pop(place)
    for name, w in parameters.items():
        if name in given:
            continue
        fitting = [place for place, a in left.items() if a.shape == w.shape and not np.may_share_memory(a, w)]
        if fitting:
            # A dictionary of gradients may have the parameters' own names, in the order in which they came about.
            given[name] = left.pop(next((p for p in fitting if canonical(p) == canonical(name)), fitting[0]))
    return given


def canonical(name: str) -> str:
    """A stem in which weights and biases have one name each: `w0` for `weights[0]` and `nabla_w[0]`."""
    bare = stem(name).lower().replace("_", "")
    bare = re.sub(r"^(weights?|ws)(?=\d|$)", "w", bare)
    return re.sub(r"^(bias(es)?|bs)(?=\d|$)", "b", bare)
