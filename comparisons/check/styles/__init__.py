"""The ways of writing backprop that are recognised; the first style that takes a name has it."""

from __future__ import annotations

from comparisons.check.styles.activations import ActivationFunctions
from comparisons.check.styles.cells import CellObjects
from comparisons.check.styles.course import COURSE
from comparisons.check.styles.cs231n import CS231N
from comparisons.check.styles.declared import Declared
from comparisons.check.styles.differences import Differences
from comparisons.check.styles.layers import LayerObjects
from comparisons.check.styles.losses import LossFunctions
from comparisons.check.styles.networks import Networks
from comparisons.check.styles.optimizers import OptimizerObjects
from comparisons.check.styles.ports import Ports
from comparisons.check.unit import Style

STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Declared(),
        Ports(),
        COURSE,
        CS231N,
        CellObjects(),
        LayerObjects(),
        OptimizerObjects(),
        Networks(),
        LossFunctions(),
        ActivationFunctions(),
        Differences(),
    )
}
