"""A network by hand beside PyTorch's, from the same weights."""
import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.first = nn.Linear(in_features, hidden)
        self.second = nn.Linear(hidden, out_features)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


class ByHand:
    def __init__(self, net):
        self.W1 = net.first.weight.detach().numpy().T.copy()
        self.b1 = net.first.bias.detach().numpy().copy()
        self.W2 = net.second.weight.detach().numpy().T.copy()
        self.b2 = net.second.bias.detach().numpy().copy()

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2

    def backward(self, dout):
        self.dW2 = self.h.T @ dout
        self.db2 = dout.sum(axis=0)
        dz = dout @ self.W2.T * (1 - self.h ** 2)
        self.dW1 = self.x.T @ dz
        self.db1 = dz.sum(axis=0)
        return dz @ self.W1.T


class TwiceByHand:
    """Half the squared error, summed over the outputs, mean over the batch."""

    def __init__(self, torch_model):
        self.p = {n: v.detach().numpy().copy() for n, v in torch_model.named_parameters()}
        self.g = {}

    def forward(self, x):
        self.x = x
        self.h = np.tanh(x @ self.p['first.weight'].T + self.p['first.bias'])
        self.out = self.h @ self.p['second.weight'].T + self.p['second.bias']
        return self.out

    def loss(self, out, y):
        self.y = y
        return np.mean((out - y) ** 2)

    def backward(self):
        d = 2 * (self.out - self.y) / self.out.size
        self.grads = {'second.weight': d.T @ self.h, 'second.bias': d.sum(0)}
        dz = d @ self.p['second.weight'] * (1 - self.h * self.h)
        self.grads['first.weight'] = dz.T @ self.x
        self.grads['first.bias'] = dz.sum(0)
