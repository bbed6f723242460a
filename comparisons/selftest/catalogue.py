"""All mutants, by subject."""

from __future__ import annotations

from comparisons.selftest.mistakes_dense import ACTIVATIONS, DENSE, DROPOUT, EMBEDDING, REGULARISATION, RESIDUAL
from comparisons.selftest.mistakes_images import CONVOLUTION, POOLING, TRANSPOSED
from comparisons.selftest.mistakes_losses import LOSSES
from comparisons.selftest.mistakes_normalisation import BATCH_NORM, OTHER_NORMS
from comparisons.selftest.mistakes_optimizers import CLIPPING, OPTIMIZERS, SCHEDULES
from comparisons.selftest.mistakes_sequences import ATTENTION, BIDIRECTIONAL, GRU, LSTM, RNN
from comparisons.selftest.mistakes_unseen import UNSEEN
from comparisons.selftest.mistakes_various import VARIOUS
from comparisons.selftest.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *DENSE,
    *ACTIVATIONS,
    *DROPOUT,
    *LOSSES,
    *REGULARISATION,
    *BATCH_NORM,
    *OTHER_NORMS,
    *CONVOLUTION,
    *TRANSPOSED,
    *POOLING,
    *RESIDUAL,
    *EMBEDDING,
    *RNN,
    *LSTM,
    *GRU,
    *BIDIRECTIONAL,
    *ATTENTION,
    *OPTIMIZERS,
    *SCHEDULES,
    *CLIPPING,
    *VARIOUS,
    *UNSEEN,
)
