"""The registry of conventions: documented differences between implementations that are nobody's bug.

A twin asks the registry for every mapping it applies (`Twin.maps`), so that a report can say which were used, and can
measure what ignoring each of them would have cost: the case is run once more with the mapping left out. No mapping lives
anywhere else than in the twin's line that asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["value", "layout", "unsupported"]


@dataclass(frozen=True)
class Convention:
    """One documented difference.

    Attributes
    ----------
    id : str
        Name used in code, tables and docs.
    title : str
        What differs, in one line.
    scratch, torch, tensorflow : str
        What each does.
    mapping : str
        How the twin makes them equal.
    kind : {"value", "layout", "unsupported"}
        `value`: ignoring it changes numbers, so its size is measured. `layout`: ignoring it makes shapes or names differ.
        `unsupported`: the framework's stock part cannot express it; such a comparison is left out, with this reason.
    floor : float
        Smallest tolerance, relative to the tensor's largest element, of a float64 row in which a float32 constant of the
        framework stands in the way; 0 where none does.
    source : str
        Where it can be checked.
    """

    id: str
    title: str
    scratch: str
    torch: str
    tensorflow: str
    mapping: str
    kind: Kind
    source: str
    floor: float = 0.0


FLOAT32_CONSTANT = 2.0**-24
"""Relative rounding error of a constant that passes through float32."""

_ALL = (
    Convention(
        id="dense-layout",
        title="Weights of a dense layer are stored transposed in torch",
        scratch="W (n_in, n_out), z = x W + b",
        torch="Linear.weight (n_out, n_in), z = x weight^T + bias",
        tensorflow="Dense.kernel (n_in, n_out)",
        mapping="weight = W^T on the way in, W = weight^T on the way out, gradients and optimizer state alike",
        kind="layout",
        source="torch.nn.Linear, keras.layers.Dense",
    ),
    Convention(
        id="loss-scale",
        title="1/m: the course divides the cost by the examples, the frameworks by the examples times the outputs",
        scratch="cross-entropy 1/m sum_i sum_k, squared error 1/(2m) sum_i sum_k",
        torch="mean over all m k elements",
        tensorflow="mean over the k outputs, then over the m examples",
        mapping="framework loss times k (binary cross-entropy) or k/2 (squared error)",
        kind="value",
        source="torch.nn.BCELoss, torch.nn.MSELoss; keras.losses.BinaryCrossentropy, MeanSquaredError",
    ),
    Convention(
        id="probability-clip",
        title="Cross-entropy of probabilities at saturation",
        scratch="log a as it is",
        torch="log clamped at -100; the gradient divided by max(a (1 - a), 1e-12)",
        tensorflow="a clipped to [1e-7, 1 - 1e-7], with gradient 0 outside",
        mapping="none with the stock loss: probabilities beyond the clip are not compared; use the loss from logits",
        kind="unsupported",
        source="keras.src.backend.tensorflow.nn.binary_crossentropy; torch.nn.BCELoss",
    ),
    Convention(
        id="hidden-logits",
        title="Keras's losses look behind probabilities for the logits they were computed from",
        scratch="cross-entropy of the probabilities it is given",
        torch="as scratch",
        tensorflow="a loss of a sigmoid's or softmax's output takes the layer's input instead: no gradient reaches the output",
        mapping="the output passes through tf.identity, which forgets where it came from",
        kind="layout",
        source="keras.src.backend.tensorflow.nn._get_logits",
    ),
    Convention(
        id="softmax-target-sum",
        title="Softmax cross-entropy of targets that do not sum to 1",
        scratch="dJ/dz = (s a - y) / m with s the sum of the example's targets",
        torch="as scratch",
        tensorflow="gradient (a - y) / m whatever the targets sum to, while the loss counts them as they are",
        mapping="none: TensorFlow's gradient is that of its loss only for targets that sum to 1; others are not compared",
        kind="unsupported",
        source="tf.nn.softmax_cross_entropy_with_logits: 'each row labels[i] must be a valid probability distribution'",
    ),
    Convention(
        id="batchnorm-momentum",
        title="torch's batch-norm momentum is the weight of the new batch, not of the past",
        scratch="running = rho running + (1 - rho) batch",
        torch="running = (1 - p) running + p batch",
        tensorflow="moving = rho moving + (1 - rho) batch",
        mapping="p = 1 - rho",
        kind="value",
        source="torch.nn.BatchNorm1d, keras.layers.BatchNormalization",
    ),
    Convention(
        id="batchnorm-epsilon",
        title="Default epsilon of batch norm",
        scratch="1e-5 by default",
        torch="1e-5 by default",
        tensorflow="1e-3 by default",
        mapping="epsilon is always set from the layer's description",
        kind="value",
        source="keras.layers.BatchNormalization(epsilon=0.001)",
    ),
    Convention(
        id="batchnorm-running-variance",
        title="torch averages the unbiased batch variance",
        scratch="biased, 1/m",
        torch="unbiased, 1/(m - 1)",
        tensorflow="biased, 1/m",
        mapping="after each training pass of m examples the new part of running_var is scaled by (m - 1)/m",
        kind="value",
        source="torch.nn.BatchNorm1d: 'stored in the moving average of the unbiased estimator'",
    ),
    Convention(
        id="batchnorm-batch-of-one",
        title="Batch norm in training mode on a single example",
        scratch="output beta, gradient 0",
        torch="raises ValueError: expected more than 1 value per channel",
        tensorflow="output beta, gradient 0",
        mapping="none: torch refuses, the comparison is left out",
        kind="unsupported",
        source="torch.nn.functional.batch_norm",
    ),
    Convention(
        id="dropout-mask",
        title="No two libraries share a random stream",
        scratch="keep mask D injected, x D / keep_prob",
        torch="nn.Dropout(p = 1 - keep_prob) draws its own mask",
        tensorflow="Dropout(rate = 1 - keep_prob) draws its own mask",
        mapping="the recorded mask is multiplied in and divided by keep_prob; autodiff does the rest",
        kind="layout",
        source="torch.nn.Dropout, keras.layers.Dropout",
    ),
    Convention(
        id="leaky-relu-slope",
        title="Default slope of leaky ReLU",
        scratch="0.01",
        torch="0.01",
        tensorflow="0.3 in the layer, 0.2 in the function",
        mapping="the slope is always set from the layer's description",
        kind="value",
        source="keras.layers.LeakyReLU(negative_slope=0.3)",
    ),
    Convention(
        id="leaky-relu-float32-slope",
        title="TensorFlow keeps the slope of leaky ReLU as a float32 attribute",
        scratch="exact",
        torch="exact",
        tensorflow="slope rounded to float32, in float64 models too",
        mapping="none with the stock layer: the row's tolerance has a floor of 2^-24",
        kind="layout",
        source="tf.raw_ops.LeakyRelu, attribute alpha: float",
        floor=FLOAT32_CONSTANT,
    ),
    Convention(
        id="l2-factor",
        title="Factor of the L2 penalty",
        scratch="lambda / (2m) sum W^2, so dW += lambda / m W",
        torch="no penalty in the loss; weight_decay adds wd W to the gradient",
        tensorflow="l2 sum W^2, without the 1/2",
        mapping="torch: lambda / (2m) in the loss; Keras: l2 = lambda / (2m) with the m of each batch",
        kind="value",
        source="keras.regularizers.L2, torch.optim.SGD(weight_decay=)",
    ),
    Convention(
        id="momentum-scale",
        title="The course's momentum averages gradients, the frameworks' sums them",
        scratch="v = beta v + (1 - beta) g, w -= alpha v",
        torch="buf = mu buf + g, w -= lr buf",
        tensorflow="vel = mu vel - lr g, w += vel",
        mapping="mu = beta, lr = alpha (1 - beta); v = (1 - beta) buf = -vel / alpha",
        kind="value",
        source="torch.optim.SGD, keras.optimizers.SGD",
    ),
    Convention(
        id="rmsprop-epsilon",
        title="Where RMSprop's epsilon stands",
        scratch="g / (sqrt(s) + eps)",
        torch="g / (sqrt(s) + eps)",
        tensorflow="g / sqrt(s + eps)",
        mapping="Keras is given eps_K = eps^2 + 2 eps sqrt(s), elementwise, so that sqrt(s + eps_K) = sqrt(s) + eps",
        kind="value",
        source="keras.optimizers.RMSprop.update_step",
    ),
    Convention(
        id="adam-epsilon-hat",
        title="Keras's Adam adds epsilon before the bias correction",
        scratch="alpha v^ / (sqrt(s^) + eps)",
        torch="alpha v^ / (sqrt(s^) + eps)",
        tensorflow="alpha sqrt(1 - beta2^t) / (1 - beta1^t) v / (sqrt(s) + eps): the paper's epsilon hat",
        mapping="Keras is given eps sqrt(1 - beta2^t) at step t",
        kind="value",
        source="keras.optimizers.Adam.update_step; Kingma & Ba 2015, end of section 2",
    ),
    Convention(
        id="float32-hyperparameters",
        title="Keras casts Python floats through float32, in float64 models too",
        scratch="exact",
        torch="exact",
        tensorflow="beta, momentum, l2 ... are rounded to float32",
        mapping="hyper-parameters are passed as np.float64",
        kind="value",
        source="keras.ops.cast -> tf.cast of a Python float",
    ),
    Convention(
        id="optimizer-state-names",
        title="Names of the optimizer's memory",
        scratch="v, s",
        torch="momentum_buffer; square_avg; exp_avg, exp_avg_sq",
        tensorflow="momentum; velocity; momentum, velocity",
        mapping="by meaning",
        kind="layout",
        source="Optimizer.state (torch), Optimizer.variables (Keras)",
    ),
)

CONVENTIONS: dict[str, Convention] = {c.id: c for c in _ALL}
