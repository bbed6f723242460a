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
    about : tuple of str
        Kinds of layer, loss, optimizer or regulariser that it concerns.
    """

    id: str
    title: str
    scratch: str
    torch: str
    tensorflow: str
    mapping: str
    kind: Kind
    source: str
    about: tuple[str, ...] = ()
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
        about=("Dense",),
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
        id="conv-layout",
        title="Images and kernels of a convolution are stored channels first in torch",
        scratch="images (m, h, w, c), W (kh, kw, c, o)",
        torch="images (m, c, h, w), Conv2d.weight (o, c, kh, kw)",
        tensorflow="as scratch",
        mapping="images are viewed in torch's order around each module; weight = W transposed by (3, 2, 0, 1) and back",
        kind="layout",
        source="torch.nn.Conv2d, keras.layers.Conv2D",
        about=("Conv2D", "MaxPool2D", "AveragePool2D", "GlobalAveragePool2D"),
    ),
    Convention(
        id="conv-same-padding",
        title="Padding that keeps the size, with a stride",
        scratch="p = max((ceil(n/s) - 1) s + d (k - 1) + 1 - n, 0) zeros, floor(p/2) before and the rest after",
        torch="padding='same' refuses a stride; a number means as many zeros before as after",
        tensorflow="padding='same' is scratch's rule",
        mapping="nn.ZeroPad2d with scratch's zeros in front of a convolution without padding",
        kind="value",
        source="torch.nn.Conv2d, tf.nn: notes on padding",
        about=("Conv2D",),
    ),
    Convention(
        id="conv-stride-dilation",
        title="A convolution with both stride and dilation",
        scratch="any",
        torch="any",
        tensorflow="raises ValueError: strides > 1 not supported in conjunction with dilation_rate > 1",
        mapping="none: Keras refuses, the comparison is left out",
        kind="unsupported",
        source="keras.layers.Conv2D",
        about=("Conv2D",),
    ),
    Convention(
        id="depthwise-layout",
        title="Keras's depthwise kernel has the outputs of a channel on an axis of their own",
        scratch="convolution in groups, W (kh, kw, 1, c q)",
        torch="convolution in groups, weight (c q, 1, kh, kw)",
        tensorflow="DepthwiseConv2D.kernel (kh, kw, c, q)",
        mapping="the variable has scratch's shape, and Keras's forward pass is given it reshaped",
        kind="layout",
        source="keras.layers.DepthwiseConv2D",
        about=("Conv2D",),
    ),
    Convention(
        id="pool-ties",
        title="Which of equal elements gets the gradient of a maximum",
        scratch="the first in the window, row by row (the course's mask x == max: each of them, the whole gradient)",
        torch="as scratch",
        tensorflow="as scratch",
        mapping="none needed",
        kind="layout",
        source="torch.nn.MaxPool2d, keras.layers.MaxPooling2D",
        about=("MaxPool2D",),
    ),
    Convention(
        id="flatten-order",
        title="Order in which an image becomes a row",
        scratch="(h, w, c): the channels of a pixel are neighbours",
        torch="(c, h, w): the pixels of a channel are neighbours",
        tensorflow="as scratch",
        mapping="nn.Flatten is given the image in scratch's order",
        kind="value",
        source="torch.nn.Flatten, keras.layers.Flatten",
        about=("Flatten",),
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
        about=("BatchNorm",),
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
        about=("BatchNorm",),
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
        about=("BatchNorm",),
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
        about=("BatchNorm",),
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
        about=("Dropout",),
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
        about=("LeakyReLU",),
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
        about=("LeakyReLU",),
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
        about=("L2",),
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
        about=("Momentum",),
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
        about=("RMSprop",),
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
        about=("Adam", "AdamW"),
    ),
    Convention(
        id="nesterov-velocity",
        title="Keras keeps the learning rate inside Nesterov's velocity",
        scratch="v = beta v + g, w -= alpha (g + beta v)",
        torch="buf = mu buf + g, w -= lr (g + mu buf)",
        tensorflow="vel = mu vel - lr g, w += mu vel - lr g",
        mapping="v = buf = -vel / alpha; equal as long as alpha is constant",
        kind="value",
        source="torch.optim.SGD(nesterov=True), keras.optimizers.SGD(nesterov=True)",
        about=("Nesterov",),
    ),
    Convention(
        id="adagrad-epsilon",
        title="Where Adagrad's epsilon stands",
        scratch="g / (sqrt(s) + eps)",
        torch="g / (sqrt(s) + eps)",
        tensorflow="g / sqrt(s + eps)",
        mapping="Keras is given eps_K = eps^2 + 2 eps sqrt(s), elementwise, so that sqrt(s + eps_K) = sqrt(s) + eps",
        kind="value",
        source="keras.optimizers.Adagrad.update_step",
        about=("Adagrad",),
    ),
    Convention(
        id="adagrad-initial-accumulator",
        title="What Adagrad's sum of squares starts from",
        scratch="0 by default",
        torch="0 by default",
        tensorflow="0.1 by default, and rounded to float32 if it is a Python float",
        mapping="initial_accumulator_value is always set from the optimizer's description",
        kind="value",
        source="keras.optimizers.Adagrad(initial_accumulator_value=0.1)",
        about=("Adagrad",),
    ),
    Convention(
        id="adamw-weight-decay",
        title="Default decay of AdamW",
        scratch="0.01 by default; w -= alpha lambda w for every parameter, before Adam's step",
        torch="0.01 by default; the same order, every parameter of the group",
        tensorflow="0.004 by default; the same order, every variable that is not excluded",
        mapping="weight_decay is always set from the optimizer's description",
        kind="value",
        source="torch.optim.AdamW, keras.optimizers.AdamW(weight_decay=0.004)",
        about=("AdamW",),
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
        about=("Momentum", "Nesterov", "RMSprop", "Adagrad", "Adam", "AdamW", "L2"),
    ),
    Convention(
        id="optimizer-state-names",
        title="Names of the optimizer's memory",
        scratch="v, s",
        torch="momentum_buffer; square_avg, sum; exp_avg, exp_avg_sq",
        tensorflow="momentum; velocity, accumulator; momentum, velocity",
        mapping="by meaning",
        kind="layout",
        source="Optimizer.state (torch), Optimizer.variables (Keras)",
        about=("Momentum", "Nesterov", "RMSprop", "Adagrad", "Adam", "AdamW"),
    ),
    Convention(
        id="recurrent-layout",
        title="Layout of recurrent weights and sequences",
        scratch="W (n_in, gates h), U (h, gates h); sequences (m, T, n), all states unless return_sequences=False",
        torch="weight_ih (gates h, n_in), weight_hh (gates h, h); sequences (T, m, n) by default, all states and the last",
        tensorflow="kernel (n_in, gates h), recurrent_kernel (h, gates h); sequences (m, T, n), the last state by default",
        mapping="torch: transposed, batch_first=True, the last state is that of the last step; Keras: return_sequences is set",
        kind="layout",
        source="torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU; keras.layers.SimpleRNN, LSTM, GRU",
        about=("SimpleRNN", "LSTM", "GRU", "Bidirectional"),
    ),
    Convention(
        id="gru-gate-order",
        title="torch has the gates of a GRU in another order",
        scratch="z, r, n: update, reset, new (the gates of an LSTM are i, f, g, o everywhere)",
        torch="r, z, n",
        tensorflow="z, r, h",
        mapping="the blocks of weights, biases, gradients and optimizer state are permuted",
        kind="value",
        source="torch.nn.GRU: 'weight_ih_l[k] (W_ir|W_iz|W_in)'; keras.layers.GRUCell.call",
        about=("GRU",),
    ),
    Convention(
        id="recurrent-two-biases",
        title="torch adds two biases where one would do",
        scratch="one b; a GRU with reset_after has b and b_recurrent, as r acts on the second",
        torch="bias_ih and bias_hh in every recurrent layer: both get the same gradient, so their sum moves twice as far",
        tensorflow="one bias; a GRU with reset_after has one array (2, 3h) of both",
        mapping="torch: bias_ih = b, bias_hh = 0 and not trained; GRU: b and b_recurrent are torch's two and Keras's two rows",
        kind="layout",
        source="torch.nn.RNN: 'Only present for CuDNN compatibility'; keras.layers.GRUCell.build",
        about=("SimpleRNN", "LSTM", "GRU", "Bidirectional"),
    ),
    Convention(
        id="gru-reset-before",
        title="A GRU that resets its state before the product with U",
        scratch="reset_after=False, n = tanh(x W_n + (r h) U_n + b_n): the paper and the course; else r (h U_n + b_n)",
        torch="resets after the product, always",
        tensorflow="reset_after=True by default, False on request",
        mapping="Keras: reset_after is set; torch: none, the comparison is left out",
        kind="unsupported",
        source="torch.nn.GRU: 'differs from the original paper'; keras.layers.GRU(reset_after=True)",
        about=("GRU",),
    ),
    Convention(
        id="recurrent-activation",
        title="Activation of the gates",
        scratch="sigmoid",
        torch="sigmoid",
        tensorflow="sigmoid by default; Keras before 2.3 hard sigmoid, which weights from then may be meant for",
        mapping="recurrent_activation is always set",
        kind="layout",
        source="keras.layers.LSTM(recurrent_activation='sigmoid')",
        about=("LSTM", "GRU"),
    ),
    Convention(
        id="bidirectional-last-state",
        title="The last state of the direction from the end",
        scratch="the state after all steps, that is at the first step of the sequence",
        torch="the sequence's last element holds that direction's first state; h_n has the last",
        tensorflow="as scratch",
        mapping="torch: the first half of the sequence's last element, the second half of its first",
        kind="value",
        source="torch.nn.LSTM: 'h_n is not equivalent to the last element of output'; keras.layers.Bidirectional",
        about=("Bidirectional",),
    ),
    Convention(
        id="embedding-tokens",
        title="Tokens have no derivative",
        scratch="tokens as integers or floats; gradient 0 with respect to them",
        torch="tokens as integers, which cannot have a gradient",
        tensorflow="tokens of any type; the gradient with respect to them is None",
        mapping="tokens are floats that are cast, and 0 times them is added to the output: gradient 0",
        kind="layout",
        source="torch.nn.Embedding, keras.layers.Embedding",
        about=("Embedding",),
    ),
    Convention(
        id="embedding-sparse-gradient",
        title="Keras's gradient of an embedding has one row per token, repeated tokens several",
        scratch="one array, the rows of a repeated token added up",
        torch="as scratch, unless sparse=True",
        tensorflow="IndexedSlices; Adam, RMSprop and clipping square or clip each slice before they are added up",
        mapping="tf.convert_to_tensor adds the slices up",
        kind="layout",
        source="tf.IndexedSlices; keras.optimizers.Adam.update_step",
        about=("Embedding",),
    ),
    Convention(
        id="attention-scale",
        title="Keras's attention layer does not divide the scores",
        scratch="softmax(Q K^T / sqrt(d)) V",
        torch="softmax(Q K^T / sqrt(d)) V",
        tensorflow="Attention: softmax(Q K^T) V; MultiHeadAttention divides by sqrt(d)",
        mapping="the queries are divided by sqrt(d)",
        kind="value",
        source="keras.layers.Attention, torch.nn.functional.scaled_dot_product_attention",
        about=("ScaledDotProductAttention",),
    ),
    Convention(
        id="attention-layout",
        title="Layout of the weights of multi-head attention",
        scratch="W (n, 3n) with the columns of queries, keys, values, W_o (n, n)",
        torch="in_proj_weight (3n, n), out_proj.weight (n, n): transposed",
        tensorflow="a kernel (n, heads, n/heads) each for queries, keys, values, and one (heads, n/heads, n) for the output",
        mapping="torch: transposed; Keras: split and reshaped",
        kind="layout",
        source="torch.nn.MultiheadAttention, keras.layers.MultiHeadAttention",
        about=("MultiHeadAttention",),
    ),
)

CONVENTIONS: dict[str, Convention] = {c.id: c for c in _ALL}
