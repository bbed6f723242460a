"""A network's weights as torch keeps them: the `state_dict` of an `nn.Sequential` of the layers, saved with `torch.save`."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reference.torch_twin import FrameworkTwin
from scratch.network import Architecture
from scratch.weights import Weights


def sequential(twin: FrameworkTwin) -> nn.Sequential:
    """The twin's modules under their layers' names."""
    return nn.Sequential(OrderedDict((name, layer.module) for name, layer in twin.layers.items()))


def save(path: Path, arch: Architecture, weights: Weights, dtype: str) -> None:
    """Write a `.pt` file that `torch.load(path, weights_only=True)` and `load_state_dict` understand."""
    twin = FrameworkTwin(arch, dtype=dtype)
    twin.load(weights)
    torch.save(sequential(twin).state_dict(), path)


def load(path: Path, arch: Architecture) -> Weights:
    """Read one, in its own precision.

    Raises
    ------
    ValueError
        If it is not a state dict of tensors, or not of this architecture; the message says what differs.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise ValueError(
            f"not a state dict that torch can read safely ({' '.join(str(error).split())[:80]})"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError("not a state dict: it should map names to tensors")
    dtypes = {str(t.dtype).removeprefix("torch.") for t in state.values() if t.is_floating_point()} or {"float64"}
    if len(dtypes) > 1 or not dtypes <= {"float32", "float64"}:
        raise ValueError(f"its tensors are {', '.join(sorted(dtypes))}; all should be float32, or all float64")
    twin = FrameworkTwin(arch, dtype=dtypes.pop())
    try:
        sequential(twin).load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())) from error
    return twin.weights()
