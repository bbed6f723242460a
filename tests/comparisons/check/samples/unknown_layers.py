import numpy as np
from resampling import *


class Conv1d:
    def __init__(self, in_channels, out_channels, kernel_size, weight_init_fn=None):
        self.kernel_size = kernel_size
        self.W = np.random.normal(0, 1.0, (out_channels, in_channels, kernel_size))
        self.b = np.zeros(out_channels)

    def forward(self, A):
        self.A = A
        out = A.shape[2] - self.kernel_size + 1
        Z = np.zeros((A.shape[0], len(self.b), out))
        for i in range(out):
            Z[:, :, i] = np.tensordot(A[:, :, i:i + self.kernel_size], self.W, axes=([1, 2], [1, 2]))
        return Z + self.b[None, :, None]

    def backward(self, dLdZ):
        self.dLdb = np.sum(dLdZ, axis=(0, 2))
        self.dLdW = np.zeros(self.W.shape)
        dLdA = np.zeros(self.A.shape)
        for i in range(dLdZ.shape[2]):
            window = slice(i, i + self.kernel_size)
            self.dLdW += np.einsum('no,nck->ock', dLdZ[:, :, i], self.A[:, :, window])
            dLdA[:, :, window] += np.einsum('no,ock->nck', dLdZ[:, :, i], self.W)
        return dLdA


class Pooling(object):
    def __init__(self, hparameters, mode):
        self.hparameters = hparameters
        self.mode = mode

    def forward_prop(self, input_map):
        f, s = self.hparameters["f"], self.hparameters["stride"]
        self.input_map = input_map
        m, H, W, C = input_map.shape
        A = np.zeros((m, (H - f) // s + 1, (W - f) // s + 1, C))
        for h in range(A.shape[1]):
            for w in range(A.shape[2]):
                A[:, h, w] = input_map[:, h * s:h * s + f, w * s:w * s + f].mean(axis=(1, 2))
        return A

    def back_prop(self, dA):
        f, s = self.hparameters["f"], self.hparameters["stride"]
        dA_prev = np.zeros(self.input_map.shape)
        for h in range(dA.shape[1]):
            for w in range(dA.shape[2]):
                dA_prev[:, h * s:h * s + f, w * s:w * s + f] += dA[:, h:h + 1, w:w + 1] / (f * f)
        return dA_prev


class ScaledTanh:
    def forward_prop(self, x):
        self.x = x
        return 1.7159 * np.tanh(2.0 / 3.0 * x)

    def back_prop(self, dZ):
        t = np.tanh(2.0 / 3.0 * self.x)
        return 1.7159 * 2.0 / 3.0 * (1 - t * t) * dZ


class Highway:
    def __init__(self, lr=0.5):
        self.W = None

    def forward(self, x, training=False):
        if self.W is None:
            self.W = np.random.randn(x.shape[-1], x.shape[-1])
        self.x = x
        self.gate = 1 / (1 + np.exp(-x @ self.W))
        return self.gate * np.tanh(x) + (1 - self.gate) * x

    def backward(self, grad, lr):
        t = np.tanh(self.x)
        dgate = grad * (t - self.x) * self.gate * (1 - self.gate)
        dx = grad * self.gate * (1 - t ** 2) + grad * (1 - self.gate) + dgate @ self.W.T
        self.W -= lr * self.x.T @ dgate
        return dx
