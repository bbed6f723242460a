"""The shape of an example that two models take, where neither tells: tried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

Shape = tuple[int, ...]
FREE = 7
"""Length of an axis that may have any."""
TRIED = 40
_SIDES = (32, 28, 64, 16, 96, 128, 224)
"""Heights of images, the most common first."""


def input_shape(*models: Any) -> Shape | None:
    """Shape of one example, if one of the models tells: Keras's do once they are built. Free axes get a length."""
    for model in models:
        shape = getattr(model, "input_shape", None)
        if isinstance(shape, tuple) and len(shape) > 1 and all(n is None or isinstance(n, int) for n in shape):
            return tuple(FREE if n is None else n for n in shape[1:])
    return None


def found_shape(models: tuple[Any, Any], hints: Iterable[Shape] = (), makers: Any = None) -> Shape | None:
    """The first shape on which both models run.

    Parameters
    ----------
    models : pair of torch.nn.Module or keras.Model
    hints : iterable of tuple of int
        Shapes that a file speaks of, with or without the number of examples, channels first or last.
    makers : pair of callables, optional
        As for `comparisons.ports.compare_models`.
    """
    modules = [m for m in models if hasattr(m, "modules")]
    making = list(zip(models, makers or (None, None), strict=True))
    making.sort(key=lambda pair: not hasattr(pair[0], "modules"))  # torch's is quick to refuse
    wanted = [*(s for hint in hints for s in _readings(hint)), *(s for m in modules for s in _usual(m))]
    for shape in islice(dict.fromkeys(wanted), TRIED):
        if all(_runs(m, shape, make) for m, make in making):
            return shape
    return None


def _readings(hint: Shape) -> Iterator[Shape]:
    """As one example and as several, channels last first."""
    for shape in (hint, hint[1:]):
        if not shape or min(shape) < 1 or np.prod(shape) > 3 * 256 * 256:
            continue
        if len(shape) == 3 and shape[0] < shape[2]:
            yield (*shape[1:], shape[0])
        else:
            yield shape


def _usual(module: Any) -> Iterator[Shape]:
    """What the first layer with parameters lets expect."""
    first = next((m for m in module.modules() if list(m.parameters(recurse=False))), None)
    kind = type(first).__name__
    if kind == "Embedding":
        yield from ((n,) for n in (FREE, 20, 50, 100))
    elif kind == "Conv2d":
        yield from ((n, n, first.in_channels) for n in _SIDES)  # type: ignore[union-attr]
    elif kind == "Conv1d":
        yield from ((n, first.in_channels) for n in (16, 50, 100, 128))  # type: ignore[union-attr]
    elif kind.startswith("ConvTranspose"):
        yield (1, 1, first.in_channels)  # type: ignore[union-attr]
    elif kind in ("RNN", "LSTM", "GRU"):
        yield FREE, first.input_size  # type: ignore[union-attr]
    elif kind == "Linear":
        yield from ((first.in_features,), (FREE, first.in_features))  # type: ignore[union-attr]


def _runs(model: Any, shape: Shape, make: Callable[[], Any] | None) -> bool:
    from comparisons.ports import example_of, reader, reading

    read = reader(model)
    try:
        if read is not None:
            read(
                model,
                example_of(model, model, shape, np.random.default_rng(0))[:2],
                "float32",
                **reading(model, False, make),
            )
    except Exception:  # whatever a model raises that gets what it cannot take
        return False
    return read is not None
