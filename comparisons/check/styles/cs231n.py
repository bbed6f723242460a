"""The functions of CS231n's assignments: examples in rows, images NCHW, caches, hyperparameters in dictionaries."""

from __future__ import annotations

from comparisons.check.recipes import Composed
from comparisons.check.styles.cs231n_networks import networks
from comparisons.check.styles.cs231n_updates import update_rules
from comparisons.check.styles.pair_chains import chains
from comparisons.check.styles.pair_images import channel_norm, convolution, pooling
from comparisons.check.styles.pair_layers import activations, dense, dropout, norm
from comparisons.check.styles.pair_losses import linear_losses, score_losses
from comparisons.check.styles.pair_sequences import embedding, over_time, recurrent, temporal_loss

CS231N = Composed(
    "cs231n",
    {
        "dense": dense(("affine", "fc", "fullyconnected", "dense", "denselayer"), "rows", mean=False),
        "activation": activations("rows", bare=False),
        "batch norm": norm(("batchnorm", "bn", "batchnormalization"), batch=True, usual="rows"),
        "layer norm": norm(("layernorm", "ln"), batch=False, usual="rows"),
        "dropout": dropout(("dropout",), "rows"),
        "convolution": convolution(("conv", "conv2d", "convolution"), "NCHW"),
        "max pooling": pooling(("maxpool", "maxpooling", "maxpool2d"), "NCHW", "max"),
        "average pooling": pooling(("avgpool", "averagepool", "meanpool"), "NCHW", "average"),
        "channel norm": channel_norm(("spatialbatchnorm",), False, "NCHW"),
        "group norm": channel_norm(("spatialgroupnorm",), True, "NCHW"),
        "chain": chains("rows", mean=False),
        "recurrent": recurrent(columns=False),
        "over time": over_time(),
        "embedding": embedding(),
        "temporal loss": temporal_loss(),
        "score loss": score_losses(),
        "linear loss": linear_losses(),
        "update": update_rules(),
        "network": networks(),
    },
)
