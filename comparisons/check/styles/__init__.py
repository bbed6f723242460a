"""The ways of writing backprop that are recognised; the first style that takes a name has it."""

from __future__ import annotations

from comparisons.check.styles.activations import ActivationFunctions
from comparisons.check.styles.cells import CellObjects
from comparisons.check.styles.containers import Containers
from comparisons.check.styles.course import COURSE
from comparisons.check.styles.cs231n import CS231N
from comparisons.check.styles.custom_functions import CustomFunctions
from comparisons.check.styles.declared import Declared
from comparisons.check.styles.differences import ComposedLayers, Differences
from comparisons.check.styles.engines import Engines
from comparisons.check.styles.gated import Gated
from comparisons.check.styles.graph_nodes import GraphNodes
from comparisons.check.styles.layers import LayerObjects
from comparisons.check.styles.loss_pairs import LossPairs
from comparisons.check.styles.losses import LossFunctions
from comparisons.check.styles.module_twins import ModuleTwins
from comparisons.check.styles.network_losses import NetworkLosses
from comparisons.check.styles.networks import Networks
from comparisons.check.styles.optimizers import OptimizerObjects
from comparisons.check.styles.ports import Ports
from comparisons.check.styles.training_loops import TrainingLoops
from comparisons.check.styles.update_slices import UpdateSlices
from comparisons.check.unit import Style

LAYERS = LayerObjects()
STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Declared(),
        Ports(),
        CustomFunctions(),
        Engines(),
        GraphNodes(),
        ModuleTwins(),
        TrainingLoops(),
        COURSE,
        CS231N,
        CellObjects(),
        LAYERS,
        Gated(),
        OptimizerObjects(),
        Containers(LAYERS),
        ComposedLayers(),
        NetworkLosses(),
        Networks(),
        UpdateSlices(),
        LossPairs(known=True),
        LossFunctions(),
        LossPairs(known=False),
        ActivationFunctions(),
        Differences(),
    )
}
