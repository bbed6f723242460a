"""Neural networks from scratch: every forward and backward pass derived by hand, in NumPy alone."""

from scratch.activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from scratch.batchnorm import BatchNorm
from scratch.dense import Dense
from scratch.dropout import Dropout
from scratch.layer import Layer, LayerState
from scratch.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from scratch.minibatches import dropout_mask, minibatches
from scratch.network import Architecture, Network, Pass, architecture, initial_weights
from scratch.optimizers import Adam, GradientDescent, Momentum, Optimizer, RMSprop
from scratch.regularisation import L2
from scratch.training import Batch, Trainer
from scratch.weights import Weights

__all__ = [
    "L2",
    "Adam",
    "Architecture",
    "Batch",
    "BatchNorm",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyFromLogits",
    "Dense",
    "Dropout",
    "GradientDescent",
    "Layer",
    "LayerState",
    "LeakyReLU",
    "Loss",
    "MeanSquaredError",
    "Momentum",
    "Network",
    "Optimizer",
    "Pass",
    "RMSprop",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Tanh",
    "Trainer",
    "Weights",
    "architecture",
    "dropout_mask",
    "initial_weights",
    "minibatches",
]
