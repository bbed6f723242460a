"""Cases of layers on sequences: recurrent layers and attention alone, and networks of them in training."""

from __future__ import annotations

from dataclasses import replace

from comparisons.case import Case
from scratch import (
    GRU,
    L2,
    LSTM,
    Adam,
    Architecture,
    Bidirectional,
    Dense,
    Embedding,
    GradientDescent,
    GRUCell,
    Layer,
    LSTMCell,
    MultiHeadAttention,
    Optimizer,
    RMSprop,
    RNNCell,
    ScaledDotProductAttention,
    SimpleRNN,
    SoftmaxCrossEntropy,
    architecture,
)

LAYERS: dict[str, tuple[Layer, int]] = {
    "rnn": (SimpleRNN(5, 4), 5),
    "lstm": (LSTM(5, 4), 5),
    "gru": (GRU(5, 4), 5),
    "gru/reset-before": (GRU(5, 4, reset_after=False), 5),
    "attention": (ScaledDotProductAttention(), 15),
    "attention/causal": (ScaledDotProductAttention(causal=True), 15),
    "attention/multi-head": (MultiHeadAttention(6, heads=2), 6),
    "attention/multi-head-causal": (MultiHeadAttention(6, heads=3, causal=True), 6),
}
"""Each layer with its number of input features; 5 and 3 features a head, as powers of 4 would hide a float32 square root."""
CELLS: dict[str, RNNCell | LSTMCell | GRUCell] = {
    "rnn-cell": RNNCell(5, 4),
    "lstm-cell": LSTMCell(5, 4),
    "gru-cell": GRUCell(5, 4),
    "gru-cell/reset-before": GRUCell(5, 4, reset_after=False),
}
"""Single steps, from a state that is not zero."""


def _layer_cases() -> list[Case]:
    cases = []

    def add(name: str, layer: Layer, shape: tuple[int, ...], batch: int, regime: str = "normal") -> None:
        cases.append(Case(f"layer/{name}", architecture(layer), (batch,), shape, regime=regime))

    for name, (layer, n) in LAYERS.items():
        for steps in (1, 4, 7):
            for batch in (1, 3):
                add(f"{name}/steps{steps}-batch{batch}", layer, (steps, n), batch)
        for regime in ("tiny", "saturated"):
            add(f"{name}/{regime}", layer, (4, n), 3, regime)
    for name, cell in CELLS.items():
        width = cell.n_in + cell.states * cell.n_hidden
        for batch, regime in ((1, "normal"), (3, "normal"), (3, "saturated")):
            cases.append(Case(f"layer/{name}/{regime}-batch{batch}", architecture(cell), (batch,), (width,), regime))
    # Tokens that come several times, and one of the vocabulary that never comes.
    for batch in (1, 3):
        add(f"embedding/batch{batch}", Embedding(6, 4), (4,), batch, "tokens")
    to_one: dict[str, SimpleRNN | LSTM | GRU] = {
        "rnn": SimpleRNN(5, 4, return_sequences=False),
        "lstm": LSTM(5, 4, return_sequences=False),
        "gru": GRU(5, 4, return_sequences=False),
    }
    for name, last in to_one.items():
        add(f"{name}/last-step", last, (7, 5), 3)
        add(f"{name}/bidirectional", Bidirectional(replace(last, return_sequences=True)), (7, 5), 3)
        add(f"{name}/bidirectional-last-step", Bidirectional(last), (7, 5), 3)
    return cases


def _network_cases() -> list[Case]:
    networks: dict[str, tuple[Architecture, Optimizer]] = {
        "rnn": (architecture(SimpleRNN(3, 6, return_sequences=False), Dense(6, 4), loss=SoftmaxCrossEntropy()),
                GradientDescent(0.1)),
        "lstm": (architecture(LSTM(3, 5), LSTM(5, 4, return_sequences=False), Dense(4, 4),
                              loss=SoftmaxCrossEntropy(), regulariser=L2(0.3)), Adam(0.01)),
        "gru": (architecture(GRU(3, 6, return_sequences=False), Dense(6, 4), loss=SoftmaxCrossEntropy(),
                             regulariser=L2(0.3)), RMSprop(0.01)),
        # No Adam here: the key bias has no effect, and Adam would turn the rounding of its zero gradient into steps.
        "attention": (architecture(MultiHeadAttention(3, heads=1), LSTM(3, 5, return_sequences=False), Dense(5, 4),
                                   loss=SoftmaxCrossEntropy(), regulariser=L2(0.3)), GradientDescent(0.1)),
    }  # fmt: skip
    return [
        Case(f"network/sequence-{name}/batch8", arch, (8, 8, 8, 3), (6, 3), optimizer=optimizer,
             recorded_steps=(1, 2, 3, 4))
        for name, (arch, optimizer) in networks.items()
    ]  # fmt: skip


def sequence_cases() -> list[Case]:
    """Each layer at 1, 4 and 7 steps, alone and in a batch, on tiny and saturated inputs; and networks in training."""
    return [*_layer_cases(), *_network_cases()]
