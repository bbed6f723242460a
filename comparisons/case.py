"""What one comparison is: plain data, so that a case can be listed, selected, pickled, hashed and replayed in any order."""

from __future__ import annotations

from dataclasses import dataclass

from scratch import Architecture, Optimizer

REGIMES = {
    "normal": "standard normal inputs",
    "large": "inputs of scale 1e3",
    "tiny": "inputs of scale 1e-3",
    "zeros": "a third of the inputs exactly 0, and one example all zeros",
    "saturated": "standard normal inputs mixed with +-30 ... +-60",
    "offset": "mean 100, standard deviation 1",
    "probabilities": "uniform in (0.02, 0.98)",
    "tokens": "whole numbers from 0 to 4",
    "soft": "standard normal inputs, soft targets that sum to 1",
    "one-hot": "standard normal inputs, one-hot targets whatever the loss",
}


@dataclass(frozen=True)
class Case:
    """One thing to compare.

    Attributes
    ----------
    id : str
        `suite/what/variant`; unique.
    architecture : Architecture
        The network, often of a single layer, or of none but a loss.
    batches : tuple of int
        Size of each batch in turn; one pass each, and one optimizer step each if there is an optimizer.
    input_shape : tuple of int
        Shape of one example.
    regime : str
        A key of `REGIMES`: how the inputs are drawn.
    training : bool
        Training or evaluation mode of the passes.
    optimizer : Optimizer, optional
    recorded_gradients : bool
        Feed the optimizer a recorded gradient sequence instead of differentiating.
    recorded_steps : tuple of int
        Steps after which parameters, optimizer state and buffers are kept.
    data : str
        Name of a real data set (`digits`, `cats`); empty for drawn inputs.
    subject : str
        Which implementation is judged: `scratch`, `course` for the course's own functions, or logistic regression in one of
        two forms, `logistic-loops` and `logistic-vectorised`.
    slow : bool
        Whether the case takes minutes: it runs only where a selection names it.
    seed : int
        With the id, determines everything that is drawn.
    """

    id: str
    architecture: Architecture
    batches: tuple[int, ...]
    input_shape: tuple[int, ...]
    regime: str = "normal"
    training: bool = True
    optimizer: Optimizer | None = None
    recorded_gradients: bool = False
    recorded_steps: tuple[int, ...] = ()
    data: str = ""
    subject: str = "scratch"
    slow: bool = False
    seed: int = 0

    @property
    def suite(self) -> str:
        """The first part of the id: layer, loss, optimizer, network, course or training."""
        return self.id.partition("/")[0]
