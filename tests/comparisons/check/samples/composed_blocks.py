# Building blocks for small nets, numpy only
import numpy as np


class Linear:
    def __init__(self, in_dim, out_dim):
        self.W = np.random.randn(in_dim, out_dim) * np.sqrt(2.0 / in_dim)
        self.b = np.zeros(out_dim)
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class ReLU:
    def forward(self, x):
        self.mask = (x <= 0)
        x[self.mask] = 0
        return x

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * self.out * (1 - self.out)


class ResidualBlock:
    """y = x + W2 relu(W1 x)"""
    def __init__(self, dim, hidden_dim):
        self.fc1 = Linear(dim, hidden_dim)
        self.act = ReLU()
        self.fc2 = Linear(hidden_dim, dim)

    def forward(self, x):
        h = self.fc2.forward(self.act.forward(self.fc1.forward(x)))
        return x + h

    def backward(self, dout):
        dh = self.fc1.backward(self.act.backward(self.fc2.backward(dout.copy())))
        return dout + dh


class GLU:
    """gated linear unit: (x W + b) * sigmoid(x V + c)"""
    def __init__(self, dim):
        self.value = Linear(dim, dim)
        self.gate = Linear(dim, dim)
        self.sig = Sigmoid()

    def forward(self, x):
        self.v = self.value.forward(x)
        self.g = self.sig.forward(self.gate.forward(x))
        return self.v * self.g

    def backward(self, dout):
        dv = self.value.backward(dout * self.g)
        dg = self.gate.backward(self.sig.backward(dout * self.v))
        return dv + dg


class SqueezeExcite:
    """channel attention on (N, C, H, W)"""
    def __init__(self, channels, reduction=2):
        self.fc1 = Linear(channels, channels // reduction)
        self.relu = ReLU()
        self.fc2 = Linear(channels // reduction, channels)
        self.sigmoid = Sigmoid()

    def forward(self, x):
        self.x = x
        s = x.mean(axis=(2, 3))
        self.w = self.sigmoid.forward(self.fc2.forward(self.relu.forward(self.fc1.forward(s))))
        return x * self.w[:, :, None, None]

    def backward(self, dout):
        H, W = self.x.shape[2:]
        dw = np.sum(dout * self.x, axis=(2, 3))
        ds = self.fc1.backward(self.relu.backward(self.fc2.backward(self.sigmoid.backward(dw))))
        return dout * self.w[:, :, None, None] + ds[:, :, None, None] / (H * W)


class Branches:
    """three experts side by side, added up"""
    def __init__(self, dim):
        self.experts = [Linear(dim, dim) for _ in range(3)]

    def forward(self, x):
        return sum(e.forward(x) for e in self.experts)

    def backward(self, dout):
        dx = 0
        for e in self.experts:
            dx = dx + e.backward(dout)
        return dx
