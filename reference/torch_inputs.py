"""A `torch.nn.Module` of several inputs as one of a single input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from reference.model import Part, columns


class SplitModule(nn.Module):
    """A module that takes its inputs side by side, as the columns of one matrix.

    Its layers keep the names that they have in the module itself.

    Parameters
    ----------
    inner : nn.Module
    parts : tuple of Part
        In the order of the columns; images are (h, w, c) there.
    order : tuple of int
        Which part is each argument of `forward`.
    """

    def __init__(self, inner: nn.Module, parts: tuple[Part, ...], order: tuple[int, ...]) -> None:
        super().__init__()
        self.inner, self.parts, self.order = inner, parts, order

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:
        """Those of the module inside."""
        yield from self.inner.named_modules(*args, **kwargs)

    def forward(self, x: Tensor) -> Any:
        """The module's own output.

        Parameters
        ----------
        x : Tensor (m, columns of all parts)
        """
        given = []
        for part, (start, stop) in zip(self.parts, columns(self.parts), strict=True):
            a = x[:, start:stop].reshape(len(x), *part.shape)
            a = a.movedim(-1, 1) if len(part.shape) == 3 else a
            given.append(a.long() if part.tokens else a.to(next(self.inner.parameters()).dtype))
        return self.inner(*(given[i] for i in self.order))
