"""The registry of conventions: documented differences between implementations that are nobody's bug.

A twin asks the registry for every mapping it applies (`Twin.maps`), so that a report can say which were used, and can
measure what ignoring each of them would have cost: the case is run once more with the mapping left out. No mapping lives
anywhere else than in the twin's line that asks for it.
"""

from __future__ import annotations

from reference.conventions import defaults, edges, images, layers, losses, normalisation, optimizers, sequences
from reference.conventions.convention import FLOAT32_CONSTANT, Convention

__all__ = ["CONVENTIONS", "FLOAT32_CONSTANT", "Convention"]

CONVENTIONS: dict[str, Convention] = {
    convention.id: convention
    for subject in (layers, losses, images, normalisation, sequences, optimizers, defaults, edges)
    for convention in subject.CONVENTIONS
}
"""All conventions by id, subject by subject."""
