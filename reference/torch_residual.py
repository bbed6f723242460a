"""Residual blocks of torch modules; importing this module enters them in `LAYERS`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reference.torch_layers import LAYERS, LayerTwin, Slot
from reference.twin import Maps, choose
from scratch.layer import Layer
from scratch.residual import Residual


@dataclass(kw_only=True)
class ResidualTwin(LayerTwin):
    """The twins of the layers within, and the sum of what both branches make of the input: torch has no module for that.

    Attributes
    ----------
    main, shortcut : dict of str to LayerTwin
        The branches, by place; no shortcut is the identity.
    frozen : tuple of str
        Places of the layers that do not learn.
    maps : callable
    """

    main: dict[str, LayerTwin]
    shortcut: dict[str, LayerTwin]
    frozen: tuple[str, ...]
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Sum of the branches' outputs; autograd differentiates it."""
        return self._chained(self.main, x, training) + self._chained(self.shortcut, x, training)

    def _chained(self, twins: dict[str, LayerTwin], x: Tensor, training: bool) -> Tensor:
        for place, twin in twins.items():
            averages = training and place in self.frozen and bool(twin.buffers)
            x = twin.forward(x, training and not (averages and self.maps("frozen-batchnorm")), None)
        return x


def _residual(layer: Residual, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    def twin(within: Layer) -> LayerTwin:
        return choose(LAYERS, within)(within, dtype, maps)

    main = {ending: twin(within) for ending, within in layer.main}
    side = {ending: twin(within) for ending, within in layer.side}
    both = main | side
    params: dict[str, Slot] = {f"{p}_{ending}": slot for ending, t in both.items() for p, slot in t.params.items()}
    buffers: dict[str, Slot] = {f"{b}_{ending}": slot for ending, t in both.items() for b, slot in t.buffers.items()}
    module = nn.ModuleDict({ending: t.module for ending, t in both.items()})
    return ResidualTwin(module, params, buffers, main=main, shortcut=side, frozen=layer.frozen, maps=maps)


LAYERS[Residual] = _residual
