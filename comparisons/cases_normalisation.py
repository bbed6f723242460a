"""Cases of normalisation within an example, of batch norm over images, and of transposed convolution."""

from __future__ import annotations

from comparisons.case import Case
from scratch import BatchNorm, Conv2DTranspose, GroupNorm, Layer, LayerNorm, LocalResponseNorm, architecture

NORMALISATIONS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "layernorm/rows": (LayerNorm(6), (6,)),
    "layernorm/steps": (LayerNorm(5), (4, 5)),
    "layernorm/images": (LayerNorm(3, 1e-3), (4, 5, 3)),
    "groupnorm/groups": (GroupNorm(6, 3), (4, 5, 6)),
    "groupnorm/one-group": (GroupNorm(4, 1), (3, 5, 4)),
    "groupnorm/instance": (GroupNorm(3, 3, 1e-3), (5, 4, 3)),
    "lrn/alexnet": (LocalResponseNorm(), (4, 3, 9)),
    "lrn/strong": (LocalResponseNorm(3, 0.5, 0.6, 1.0), (4, 3, 6)),
    "lrn/wider-than-image": (LocalResponseNorm(9, 0.25, 0.5, 1.0), (3, 4, 3)),
}
TRANSPOSED: dict[str, tuple[Conv2DTranspose, tuple[int, int, int]]] = {
    "valid": (Conv2DTranspose(2, 3, 3), (4, 5, 2)),
    "oblong": (Conv2DTranspose(3, 2, (2, 4), bias=False), (4, 3, 3)),
    "stride": (Conv2DTranspose(2, 3, 3, stride=2), (4, 5, 2)),
    "stride-above-kernel": (Conv2DTranspose(2, 3, 2, stride=(3, 2)), (4, 3, 2)),
    "same": (Conv2DTranspose(2, 3, 3, stride=2, padding="same"), (4, 5, 2)),
    "same-no-stride": (Conv2DTranspose(2, 3, (3, 4), padding="same"), (5, 4, 2)),
    "same-even": (Conv2DTranspose(3, 2, 4, stride=2, padding="same"), (3, 4, 3)),
    "same-stride-above-kernel": (Conv2DTranspose(2, 3, (2, 1), stride=(3, 2), padding="same"), (4, 3, 2)),
    "1x1": (Conv2DTranspose(4, 3, 1), (3, 4, 4)),
}
REGIMES = ("normal", "large", "tiny", "zeros")


def normalisation_cases() -> list[Case]:
    """Each layer alone: a single example and three, and inputs of other scales or with zeros (to a norm, constant ones)."""
    cases = []
    for name, (layer, shape) in NORMALISATIONS.items():
        cases.append(Case(f"layer/{name}-batch1", architecture(layer), (1,), shape))
        cases += [Case(f"layer/{name}-{regime}", architecture(layer), (3,), shape, regime) for regime in REGIMES]
    small = architecture(LayerNorm(5, 1e-8))
    cases += [Case("layer/layernorm/small-epsilon", small, (4,), (5,))]
    cases += [Case("layer/layernorm/offset", architecture(LayerNorm(6)), (3,), (6,), "offset")]
    cases += [Case("layer/groupnorm/offset", architecture(GroupNorm(4, 2)), (3,), (4, 3, 4), "offset")]
    images = architecture(BatchNorm(3, momentum=0.8, epsilon=1e-3))
    for regime in (*REGIMES, "offset"):
        cases.append(Case(f"layer/batchnorm-images/{regime}", images, (4, 3, 2), (4, 5, 3), regime))
    cases.append(Case("layer/batchnorm-images/batch1", images, (1, 1), (4, 5, 3)))
    cases.append(Case("layer/batchnorm-images/single-pixel", images, (1,), (1, 1, 3)))
    cases.append(Case("layer/batchnorm-images/evaluation", images, (3,), (4, 5, 3), training=False))
    for name, (transposed, size) in TRANSPOSED.items():
        for variant, batch, regime in (("batch1", 1, "normal"), ("batch3", 3, "normal"), ("zeros", 3, "zeros")):
            cases.append(
                Case(f"layer/conv-transpose/{name}-{variant}", architecture(transposed), (batch,), size, regime)
            )
    return cases
