"""Neural networks from scratch: every forward and backward pass derived by hand, in NumPy alone."""

from scratch.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from scratch.attention import MultiHeadAttention, ScaledDotProductAttention
from scratch.averages import exponentially_weighted_average
from scratch.batchnorm import BatchNorm
from scratch.bidirectional import Bidirectional
from scratch.cells import GRUCell, LSTMCell, RNNCell
from scratch.clipped import Clipped
from scratch.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from scratch.convolution import Conv2D
from scratch.convolution_transpose import Conv2DTranspose
from scratch.decayed import Decayed, ExponentialDecay, InverseDecay, InverseSqrtDecay, Schedule
from scratch.dense import Dense
from scratch.dropout import Dropout
from scratch.embedding import Embedding
from scratch.folding import fold_batch_norm
from scratch.layer import Layer, LayerState
from scratch.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    CategoricalCrossEntropy,
    Hinge,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from scratch.minibatches import dropout_mask, minibatches
from scratch.network import Architecture, Network, Pass, architecture, initial_weights
from scratch.normalisation import GroupNorm, LayerNorm, LocalResponseNorm
from scratch.optimizers import Adam, GradientDescent, Momentum, Optimizer, RMSprop
from scratch.optimizers_more import Adagrad, AdamW, Nesterov
from scratch.pooling import AveragePool2D, Flatten, GlobalAveragePool2D, GlobalMaxPool2D, MaxPool2D
from scratch.preparation import (
    ColourComponents,
    EarlyStopping,
    Normalisation,
    bias_and_variance,
    colour_shift,
    mirror,
    pca_colour,
    random_crop,
    train_dev_test_split,
)
from scratch.recurrent import GRU, LSTM, SimpleRNN
from scratch.regularisation import L1, L2, Regulariser
from scratch.residual import Residual
from scratch.schedules import exponential_decay, inverse_decay, inverse_sqrt_decay, staircase, step_of
from scratch.search import Logarithmic, OneMinusLogarithmic, Scale, Uniform, WholeNumber, random_search
from scratch.training import Batch, Trainer
from scratch.transfer import freeze, transferred_weights
from scratch.tsne import TSNE, conditional_probabilities, initial_map, joint_probabilities, kl_divergence
from scratch.weights import Weights
from scratch.word2vec import (
    WordVectors,
    draw_negatives,
    initial_vectors,
    noise_distribution,
    skip_gram_negative_sampling,
    skip_gram_pairs,
    skip_gram_softmax,
    train_skip_gram,
)

__all__ = [
    "GRU",
    "L1",
    "L2",
    "LSTM",
    "TSNE",
    "Adagrad",
    "Adam",
    "AdamW",
    "Architecture",
    "AveragePool2D",
    "Batch",
    "BatchNorm",
    "Bidirectional",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyFromLogits",
    "CategoricalCrossEntropy",
    "Clipped",
    "ColourComponents",
    "Conv2D",
    "Conv2DTranspose",
    "Decayed",
    "Dense",
    "Dropout",
    "EarlyStopping",
    "Embedding",
    "ExponentialDecay",
    "Flatten",
    "GRUCell",
    "GlobalAveragePool2D",
    "GlobalMaxPool2D",
    "GradientDescent",
    "GroupNorm",
    "Hinge",
    "InverseDecay",
    "InverseSqrtDecay",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LayerState",
    "LeakyReLU",
    "LocalResponseNorm",
    "Logarithmic",
    "Loss",
    "MaxPool2D",
    "MeanSquaredError",
    "Momentum",
    "MultiHeadAttention",
    "Nesterov",
    "Network",
    "Normalisation",
    "OneMinusLogarithmic",
    "Optimizer",
    "Pass",
    "RMSprop",
    "RNNCell",
    "ReLU",
    "Regulariser",
    "Residual",
    "Scale",
    "ScaledDotProductAttention",
    "Schedule",
    "Sigmoid",
    "SimpleRNN",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Tanh",
    "Trainer",
    "Uniform",
    "Weights",
    "WholeNumber",
    "WordVectors",
    "architecture",
    "bias_and_variance",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "colour_shift",
    "conditional_probabilities",
    "draw_negatives",
    "dropout_mask",
    "exponential_decay",
    "exponentially_weighted_average",
    "fold_batch_norm",
    "freeze",
    "initial_map",
    "initial_vectors",
    "initial_weights",
    "inverse_decay",
    "inverse_sqrt_decay",
    "joint_probabilities",
    "kl_divergence",
    "minibatches",
    "mirror",
    "noise_distribution",
    "pca_colour",
    "random_crop",
    "random_search",
    "skip_gram_negative_sampling",
    "skip_gram_pairs",
    "skip_gram_softmax",
    "staircase",
    "step_of",
    "train_dev_test_split",
    "train_skip_gram",
    "transferred_weights",
]
