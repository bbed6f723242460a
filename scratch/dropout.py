"""Inverted dropout with an injected mask (Srivastava et al. 2014; Ng, Improving Deep Neural Networks, week 1)."""

from __future__ import annotations

from dataclasses import dataclass

from scratch.layer import Array, Layer, LayerState, require


@dataclass(frozen=True)
class Dropout(Layer):
    """y = x D / keep_prob in training mode, y = x in evaluation mode.

    D (m, n) is 1 with probability keep_prob. Dividing by keep_prob keeps the expected activation, so nothing has to be
    rescaled at test time. y is linear in x, so dx = dy D / keep_prob with the *same* D.

    Parameters
    ----------
    keep_prob : float
        Probability of keeping a unit, in (0, 1]. (torch's `p` and Keras's `rate` are 1 - keep_prob.)

    Notes
    -----
    The mask is an input, drawn and recorded outside (`LayerState.mask`): no two libraries share a random stream.
    """

    keep_prob: float

    def __post_init__(self) -> None:
        require(0 < self.keep_prob <= 1, f"Dropout: keep_prob must lie in (0, 1], not {self.keep_prob}")

    def forward(self, x: Array, state: LayerState) -> tuple[Array, Array | None]:
        if not state.training:
            return x, None
        mask = state.mask
        require(mask is not None, "Dropout: training needs an injected mask")
        assert mask is not None
        require(mask.shape == x.shape, f"Dropout: the mask has shape {mask.shape}, the input {x.shape}")
        return x * mask / self.keep_prob, mask

    def backward(self, upstream: Array, state: LayerState, cache: Array | None) -> tuple[Array, dict[str, Array]]:
        mask = cache
        if mask is None:
            return upstream, {}
        return upstream * mask / self.keep_prob, {}
