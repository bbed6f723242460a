"""Networks described by a list of dictionaries, one for each layer: `[{"input_dim": 2, "output_dim": 25, "activation": "relu"}, ...]`.

The file's own list is made small: the keys and the activations are kept, the sizes are exchanged for small unequal ones.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from comparisons.check.source import syntax
from comparisons.check.styles.network_arguments import SIZES, SMALL, required, role
from comparisons.check.unit import UserFile

INNER = (SIZES[1], 6)
"""Units of hidden layers."""
Layers = list[dict[str, Any]]


def described(file: UserFile) -> dict[str, Layers]:
    """The descriptions of networks in a file, made small, by the names they are kept under."""
    found: dict[str, Layers] = {}
    for node in ast.walk(syntax(file)):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List) or len(node.targets) != 1:
            continue
        target, rows = node.targets[0], node.value.elts
        if isinstance(target, ast.Name) and len(rows) > 1 and all(isinstance(row, ast.Dict) for row in rows):
            layers = _literal(node.value) or file.namespace.get(target.id)
            small = made_small(layers) if layers and _is_description(layers) else None
            if small is not None:
                found[target.id] = small
    return found


def arguments(f: Callable[..., Any], layers: Layers) -> dict[str, Any] | None:
    """What to give to a function that makes parameters of a description; None if it takes no such thing."""
    given: dict[str, Any] = {}
    for p in required(f):
        meaning = role(p.name)
        if meaning in SMALL:
            given[p.name] = SMALL[meaning][0]
        elif layers in given.values():
            return None
        else:
            given[p.name] = layers
    return given if layers in given.values() else None


def made_small(layers: Layers) -> Layers | None:
    """Up to three of the layers with small sizes; None if it cannot be told which numbers are sizes.

    Examples
    --------
    >>> made_small([{"in": 2, "out": 25}, {"in": 25, "out": 1}])
    [{'in': 4, 'out': 5}, {'in': 5, 'out': 1}]
    """
    rest = [{k: v for k, v in row.items() if not _is_size(v)} for row in layers]
    middle = next((i for i in range(1, len(layers) - 1) if rest[i] != rest[0]), 1)
    kept = layers if len(layers) <= len(INNER) + 1 else [layers[0], layers[middle], layers[-1]]
    pair = next(_joined(layers), None)
    if pair is not None:
        into, out = pair
        last = layers[-1][out]
        sizes = (SIZES[0], *INNER[: len(kept) - 1], last if last == 1 else SIZES[2])
        return [row | {into: a, out: b} for row, (a, b) in zip(kept, itertools.pairwise(sizes), strict=True)]
    single = [k for k in layers[0] if all(_is_size(row.get(k)) for row in layers)]
    if len(single) != 1:
        return None
    last = layers[-1][single[0]]
    sizes = (SIZES[0], *INNER[: len(kept) - 2], last if last == 1 else SIZES[2])
    return [row | {single[0]: n} for row, n in zip(kept, sizes, strict=True)]


def _joined(layers: Layers) -> Iterator[tuple[str, str]]:
    """Keys of the sizes of inputs and outputs: the outputs of one layer are the inputs of the next."""
    keys = [k for k in layers[0] if all(_is_size(row.get(k)) for row in layers)]
    for into, out in itertools.permutations(keys, 2):
        if all(before[out] == after[into] for before, after in itertools.pairwise(layers)):
            yield into, out


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_description(value: Any) -> bool:
    rows = value if isinstance(value, list) else []
    return len(rows) > 1 and all(isinstance(row, dict) and any(map(_is_size, row.values())) for row in rows)


def _literal(node: ast.List) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
