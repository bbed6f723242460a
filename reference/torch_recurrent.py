"""Recurrent layers, attention and embeddings as torch's; importing this module enters them in `LAYERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.torch_layers import LAYERS, LayerTwin, Slot
from reference.twin import Maps, Unsupported, choose
from scratch.attention import MultiHeadAttention, ScaledDotProductAttention
from scratch.bidirectional import Bidirectional
from scratch.cells import GRUCell, LSTMCell, RNNCell
from scratch.embedding import Embedding
from scratch.layer import Array
from scratch.recurrent import GRU, LSTM, SimpleRNN


@dataclass(frozen=True)
class GateSlot(Slot):
    """Where an array lives whose gates torch has in another order.

    Attributes
    ----------
    gates : tuple of int
        Scratch's gates in torch's order, as blocks of scratch's last axis; empty where the order is the same.
    added : str
        Name of a second parameter that torch adds to this one; empty if there is none. It is kept at 0.
    """

    gates: tuple[int, ...] = ()
    added: str = ""

    def to_torch(self, array: Array, name: str) -> Tensor:
        """An array in scratch's layout as a tensor in torch's; ValueError unless it fits exactly."""
        return super().to_torch(_reordered(array, self.gates), name)

    def to_scratch(self, tensor: Tensor) -> Array:
        """A tensor of the parameter's shape as a row-major copy in scratch's layout."""
        back = tuple(int(k) for k in np.argsort(self.gates))
        return _reordered(super().to_scratch(tensor), back)

    def write(self, array: Array, name: str) -> None:
        """Set the parameter, bit for bit, and what torch adds to it to 0."""
        super().write(array, name)
        if self.added:
            with torch.no_grad():
                getattr(self.module, self.added).zero_()

    def read(self) -> Array:
        """The parameter, with what torch adds to it: another's checkpoint may hold something there."""
        added = getattr(self.module, self.added).detach() if self.added else 0.0
        return self.to_scratch(self.tensor.detach() + added)


def _reordered(array: Array, gates: tuple[int, ...]) -> Array:
    if not gates or array.shape[-1] % len(gates):
        return array
    blocks = np.split(array, len(gates), axis=-1)
    return np.concatenate([blocks[k] for k in gates], axis=-1)


@dataclass(kw_only=True)
class RecurrentTwin(LayerTwin):
    """`nn.RNN`, `nn.LSTM` or `nn.GRU`, which return the last state besides the sequence."""

    return_sequences: bool
    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The states after every step, or after the last: for the direction from the end that is the first."""
        sequence, _ = self.module.train(training)(x)
        if self.return_sequences:
            return sequence
        if not self.module.bidirectional or not self.maps("bidirectional-last-state"):
            return sequence[:, -1]
        n = self.module.hidden_size
        return torch.cat([sequence[:, -1, :n], sequence[:, 0, n:]], dim=-1)


def _slots(layer: SimpleRNN | LSTM | GRU, module: nn.Module, maps: Maps, direction: str = "") -> dict[str, Slot]:
    """The place of every array of one direction."""
    ih, hh = f"ih_l0{direction}", f"hh_l0{direction}"
    axes = (1, 0) if maps("recurrent-layout") else ()
    # Scratch has z, r, n; torch r, z, n.
    gates = (1, 0, 2) if isinstance(layer, GRU) and maps("gru-gate-order") else ()
    slots: dict[str, Slot] = {
        "W": GateSlot(module, f"weight_{ih}", axes, gates),
        "U": GateSlot(module, f"weight_{hh}", axes, gates),
    }
    if isinstance(layer, GRU):
        slots["b"] = GateSlot(module, f"bias_{ih}", gates=gates)
        slots["b_recurrent"] = GateSlot(module, f"bias_{hh}", gates=gates)
        return slots
    # Trained, it would get the same gradient as the other, so that their sum moved twice as far.
    module.get_parameter(f"bias_{hh}").requires_grad_(False)
    slots["b"] = GateSlot(module, f"bias_{ih}", added=f"bias_{hh}" if maps("recurrent-two-biases") else "")
    return slots


MODULES: dict[type, Callable[..., nn.Module]] = {SimpleRNN: nn.RNN, LSTM: nn.LSTM, GRU: nn.GRU}


def _recurrent(layer: SimpleRNN | LSTM | GRU, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    module = _module(layer, dtype)
    return RecurrentTwin(module, _slots(layer, module, maps), return_sequences=layer.return_sequences, maps=maps)


def _bidirectional(layer: Bidirectional, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    inner = layer.layer
    module = _module(inner, dtype, bidirectional=True)
    back = {f"{p}_reverse": slot for p, slot in _slots(inner, module, maps, "_reverse").items()}
    return RecurrentTwin(module, _slots(inner, module, maps) | back, return_sequences=inner.return_sequences, maps=maps)


def _module(layer: SimpleRNN | LSTM | GRU, dtype: torch.dtype, bidirectional: bool = False) -> nn.Module:
    if isinstance(layer, GRU) and not layer.reset_after:
        raise Unsupported("gru-reset-before")
    make = choose(MODULES, layer)
    return make(layer.n_in, layer.n_hidden, batch_first=True, bidirectional=bidirectional, dtype=dtype)


@dataclass(kw_only=True)
class CellTwin(LayerTwin):
    """`nn.RNNCell`, `nn.LSTMCell` or `nn.GRUCell`, given the input and the state before it beside each other."""

    n_in: int

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The new state; of an LSTM, state and cell beside each other."""
        new, state = x[:, : self.n_in], x[:, self.n_in :]
        if isinstance(self.module, nn.LSTMCell):
            h, c = state.chunk(2, dim=1)
            return torch.cat(self.module(new, (h, c)), dim=1)
        return self.module(new, state)


CELLS: dict[type, Callable[..., nn.Module]] = {RNNCell: nn.RNNCell, LSTMCell: nn.LSTMCell, GRUCell: nn.GRUCell}


def _cell(layer: RNNCell | LSTMCell | GRUCell, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    if isinstance(layer, GRUCell) and not layer.reset_after:
        raise Unsupported("gru-reset-before")
    module = choose(CELLS, layer)(layer.n_in, layer.n_hidden, dtype=dtype)
    axes = (1, 0) if maps("recurrent-layout") else ()
    if isinstance(layer, GRUCell):
        # Scratch has z, r, n; torch r, z, n.
        gates = (1, 0, 2) if maps("gru-gate-order") else ()
        places = {
            "W": ("weight_ih", axes),
            "U": ("weight_hh", axes),
            "b": ("bias_ih", ()),
            "b_recurrent": ("bias_hh", ()),
        }
        own = {p: GateSlot(module, name, turned, gates) for p, (name, turned) in places.items()}
        return CellTwin(module, dict(own), n_in=layer.n_in)
    # Trained, it would get the same gradient as the other, so that their sum moved twice as far.
    module.get_parameter("bias_hh").requires_grad_(False)
    slots: dict[str, Slot] = {
        "W": GateSlot(module, "weight_ih", axes),
        "U": GateSlot(module, "weight_hh", axes),
        "b": GateSlot(module, "bias_ih", added="bias_hh" if maps("recurrent-two-biases") else ""),
    }
    return CellTwin(module, slots, n_in=layer.n_in)


class DotProductAttention(nn.Module):
    """`functional.scaled_dot_product_attention` as a module, of queries, keys and values beside each other."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = x.chunk(3, dim=-1)
        return functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)


def _attention(layer: ScaledDotProductAttention, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    return LayerTwin(DotProductAttention(layer.causal))


@dataclass(kw_only=True)
class MultiHeadTwin(LayerTwin):
    """`nn.MultiheadAttention` of a sequence to itself."""

    causal: bool

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """Output of the module; what it attends to is not asked for."""
        steps = x.shape[1]
        # Here True means that a step is not seen.
        hidden = torch.ones(steps, steps, dtype=torch.bool).triu(1) if self.causal else None
        y, _ = self.module.train(training)(x, x, x, need_weights=False, attn_mask=hidden, is_causal=self.causal)
        return y


def _multi_head(layer: MultiHeadAttention, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    module = nn.MultiheadAttention(layer.n, layer.heads, batch_first=True, dtype=dtype)
    axes = (1, 0) if maps("attention-layout") else ()
    out: nn.Module = module.out_proj
    params = {
        "W": Slot(module, "in_proj_weight", axes),
        "b": Slot(module, "in_proj_bias"),
        "W_o": Slot(out, "weight", axes),
        "b_o": Slot(out, "bias"),
    }
    return MultiHeadTwin(module, params, causal=layer.causal)


@dataclass(kw_only=True)
class EmbeddingTwin(LayerTwin):
    """`nn.Embedding`, given its tokens as floats, like any input."""

    maps: Maps

    def forward(self, x: Tensor, training: bool, mask: Tensor | None) -> Tensor:
        """The tokens' rows."""
        y = self.module.train(training)(x.long())
        return y + 0 * x.unsqueeze(-1) if self.maps("embedding-tokens") else y


def _embedding(layer: Embedding, dtype: torch.dtype, maps: Maps) -> LayerTwin:
    module = nn.Embedding(layer.vocabulary, layer.n, dtype=dtype)
    return EmbeddingTwin(module, {"E": Slot(module, "weight")}, maps=maps)


LAYERS.update(
    {
        SimpleRNN: _recurrent,
        LSTM: _recurrent,
        GRU: _recurrent,
        RNNCell: _cell,
        LSTMCell: _cell,
        GRUCell: _cell,
        Bidirectional: _bidirectional,
        Embedding: _embedding,
        ScaledDotProductAttention: _attention,
        MultiHeadAttention: _multi_head,
    }
)
