"""layers of a small keras-like library"""
import numpy as np


class Layer:
    def __init__(self):
        self.input_shape = None
        self.output_shape = None
        self.trainable = True

    def forward(self, x):
        raise NotImplementedError

    def backward(self, grad):
        raise NotImplementedError


class Flatten(Layer):
    def forward(self, x):
        self.batch = x.shape[0]
        return x.reshape(self.batch, int(np.prod(self.input_shape)))

    def backward(self, grad):
        return grad.reshape((self.batch,) + self.input_shape)


class Dense(Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units
        self.W = None
        self.b = None

    def build(self):
        self.W = np.random.randn(self.input_shape[0], self.units) * 0.1
        self.b = np.zeros((1, self.units))
        self.output_shape = (self.units,)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0, keepdims=True)
        return grad @ self.W.T


class ReLU(Layer):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask


class MaxPool(Layer):
    def __init__(self, size=2):
        super().__init__()
        self.size = size

    def forward(self, x):
        self.x = x
        n, h, w, c = x.shape
        s = self.size
        out = np.zeros((n,) + self.output_shape)
        for i in range(self.output_shape[0]):
            for j in range(self.output_shape[1]):
                out[:, i, j] = x[:, i*s:i*s+s, j*s:j*s+s].max(axis=(1, 2))
        self.out = out
        return out

    def backward(self, grad):
        dx = np.zeros_like(self.x)
        s = self.size
        for i in range(self.output_shape[0]):
            for j in range(self.output_shape[1]):
                win = self.x[:, i*s:i*s+s, j*s:j*s+s]
                mask = win == self.out[:, i, j][:, None, None]
                dx[:, i*s:i*s+s, j*s:j*s+s] += mask * grad[:, i, j][:, None, None]
        return dx


class Network:
    def __init__(self, layers, input_shape):
        self.layers = layers
        prev = input_shape
        for layer in layers:
            layer.input_shape = prev
            if hasattr(layer, 'build'):
                layer.build()
            elif isinstance(layer, Flatten):
                layer.output_shape = (int(np.prod(prev)),)
            elif isinstance(layer, MaxPool):
                layer.output_shape = (prev[0] // layer.size, prev[1] // layer.size, prev[2])
            else:
                layer.output_shape = prev
            prev = layer.output_shape

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad
