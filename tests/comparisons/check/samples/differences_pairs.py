import numpy as np

def swish(x):
    return x / (1 + np.exp(-x))

def swish_derivative(x):
    s = 1 / (1 + np.exp(-x))
    return s + x * s * (1 - s)

def mish(x):
    return x * np.tanh(np.log(1 + np.exp(x)))

def mish_derivative(x):
    sp = np.log(1 + np.exp(x))
    return np.tanh(sp) + x * (1 - np.tanh(sp) ** 2) / (1 + np.exp(-x))

def softsign(x):
    return x / (1 + np.abs(x))

def dsoftsign(a):
    return (1 - np.abs(a)) ** 2

def gelu_forward(x):
    out = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))
    cache = x
    return out, cache

def gelu_backward(dout, cache):
    x = cache
    u = np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)
    t = np.tanh(u)
    du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x ** 2)
    return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * du)

def l2norm_forward(x):
    n = np.sqrt((x ** 2).sum(axis=1, keepdims=True))
    return x / n, (x, n)

def l2norm_backward(dout, cache):
    x, n = cache
    return (dout - x * (dout * x).sum(axis=1, keepdims=True) / n ** 2) / n

class Cube:
    def forward(self, x):
        self.x = x
        return x ** 3
    def backward(self, dout):
        return 3 * self.x ** 2 * dout
