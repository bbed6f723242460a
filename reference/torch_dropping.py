"""Dropout in somebody's `torch.nn.Module`: noticed wherever it is called, and switched off; see `reference.model.Drop`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from reference.model import Drop

_SPATIAL = ("dropout1d", "dropout2d", "dropout3d", "feature_dropout", "feature_dropout_")
_ALPHA = ("alpha_dropout", "alpha_dropout_", "feature_alpha_dropout", "feature_alpha_dropout_")
_PLAIN = ("dropout", "dropout_")
_NAMES = (*_PLAIN, *_SPATIAL, *_ALPHA)
_ATTENTION = "scaled_dot_product_attention"


def without_attention_dropout(module: nn.Module) -> None:
    """Let attention drop none of its scores: its own function does that, out of reach."""
    for m in module.modules():
        if isinstance(m, nn.MultiheadAttention):
            m.dropout = 0.0


class Dropping(TorchFunctionMode):
    """Sees every dropout, of a layer or a function, however often one is used, and lets everything pass.

    Parameters
    ----------
    training : bool
        Whether the module is in training; only then dropout belongs there.

    Attributes
    ----------
    last : str
        The layer with parameters that ran last: to be set from outside.
    running : str
        The dropout layer that runs, if one does: likewise.
    drops : list of Drop
    """

    def __init__(self, training: bool) -> None:
        super().__init__()
        self._training = training
        self.last = self.running = ""
        self.drops: list[Drop] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function, of dropout with rate 0."""
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name == _ATTENTION and kwargs.get("dropout_p"):
            kwargs["dropout_p"] = 0.0
        if name not in _NAMES:
            return func(*args, **kwargs)
        given, p, training = _arguments(func, args, kwargs)
        always = bool(training) and not self._training
        if p > 0:
            kind = "spatial dropout" if name in _SPATIAL else "alpha dropout" if name in _ALPHA else "dropout"
            # Images lose whole channels, rows single numbers whatever the function's name says.
            kind = "dropout" if kind == "spatial dropout" and given.ndim < 3 else kind
            self.drops.append(Drop(self.running or name, kind, p, self.last, always))
        return given.clone()


def _arguments(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[torch.Tensor, float, bool]:
    """Input, rate, and whether it drops: of `F.dropout(input, p=0.5, training=True)` and `torch.dropout(input, p, train)`."""
    own = getattr(func, "__module__", "") == "torch.nn.functional"
    names = ("input", "p", "training" if own else "train")
    given = dict(zip(names, args, strict=False)) | kwargs
    return given["input"], float(given.get("p", 0.5)), bool(given.get(names[2], "alpha" not in func.__name__))
