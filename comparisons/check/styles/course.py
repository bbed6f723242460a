"""The functions of Andrew Ng's course: examples in columns, caches as tuples, gradients that carry the 1/m, images NHWC."""

from __future__ import annotations

from comparisons.check.recipes import Composed
from comparisons.check.styles.course_logistic import costs, logistic
from comparisons.check.styles.course_networks import course_networks
from comparisons.check.styles.course_updates import course_updates
from comparisons.check.styles.pair_chains import activated
from comparisons.check.styles.pair_images import convolution, pooling, single_step
from comparisons.check.styles.pair_layers import activations, dense
from comparisons.check.styles.pair_sequences import recurrent

COURSE = Composed(
    "course",
    {
        "dense": dense(("linear",), "columns", mean=True),
        "activation": activations("columns", bare=True),
        "dense and activation": activated("columns", mean=True),
        "network": course_networks(),
        "logistic regression": logistic(),
        "cost": costs(),
        "update": course_updates(),
        "recurrent": recurrent(columns=True),
        "convolution": convolution(("conv", "convolution"), "NHWC"),
        "single step": single_step(),
        "pooling": pooling(("pool", "pooling"), "NHWC", "both"),
    },
)
