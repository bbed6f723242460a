"""Cases of logistic regression written in loops and vectorised, each judged as a subject of its own."""

from __future__ import annotations

from comparisons.case import Case
from scratch import BinaryCrossEntropy, Dense, GradientDescent, Sigmoid, architecture


def logistic_cases() -> list[Case]:
    """Both forms on the same kinds of input: a single example, several features and one, soft labels."""
    cases = []
    for form in ("loops", "vectorised"):
        for variant, n, regime, batches in (
            ("batch8", 7, "normal", (8, 8, 8, 3)),
            ("batch1", 7, "normal", (1, 1, 1)),
            ("one-feature", 1, "normal", (6, 5)),
            ("zeros", 7, "zeros", (8, 3)),
            ("tiny", 7, "tiny", (8, 3)),
            ("soft", 7, "soft", (8, 3)),
        ):
            arch = architecture(Dense(n, 1), Sigmoid(), loss=BinaryCrossEntropy())
            cases.append(
                Case(f"course/logistic-{form}/{variant}", arch, batches, (n,), regime, optimizer=GradientDescent(0.1),
                     recorded_steps=tuple(range(1, len(batches) + 1)), subject=f"logistic-{form}")
            )  # fmt: skip
    return cases
