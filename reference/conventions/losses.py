"""Conventions of losses and regularisation."""

from __future__ import annotations

from reference.conventions.convention import Convention

CONVENTIONS = (
    Convention(
        id="loss-scale",
        title="1/m: the course divides the cost by the examples, the frameworks by the examples times the outputs",
        scratch="cross-entropy 1/m sum_i sum_k, squared error 1/(2m) sum_i sum_k",
        torch="mean over all m k elements",
        tensorflow="mean over the k outputs, then over the m examples",
        mapping="framework loss times k (binary cross-entropy) or k/2 (squared error)",
        kind="value",
        source="torch.nn.BCELoss, torch.nn.MSELoss; keras.losses.BinaryCrossentropy, MeanSquaredError",
        about=("BinaryCrossEntropy", "BinaryCrossEntropyFromLogits", "MeanSquaredError"),
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
        about=("BinaryCrossEntropy",),
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
        about=("BinaryCrossEntropy", "Sigmoid", "Softmax"),
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
        about=("SoftmaxCrossEntropy",),
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
        about=("L2",),
    ),
)
