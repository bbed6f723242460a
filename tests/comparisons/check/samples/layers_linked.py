import numpy as np


class Layer:
    def __init__(self):
        self.prev = None
        self.next = None

    def link(self, nxt):
        self.next = nxt
        nxt.prev = self


class Input(Layer):
    def forward(self, x):
        self.out = x
        return self.next.forward(x)

    def backward(self, grad):
        return grad


class Linear(Layer):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = np.random.randn(n_in, n_out) * 0.1
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        self.out = x @ self.W + self.b
        return self.next.forward(self.out) if self.next is not None else self.out

    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0)
        g = grad @ self.W.T
        return self.prev.backward(g) if self.prev is not None else g

    def update(self, lr):
        self.W -= lr * self.dW
        self.b -= lr * self.db
        if self.next is not None:
            self.next.update(lr)


class Sigmoid(Layer):
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.next.forward(self.out) if self.next is not None else self.out

    def backward(self, grad):
        g = grad * self.out * (1 - self.out)
        return self.prev.backward(g) if self.prev is not None else g

    def update(self, lr):
        if self.next is not None:
            self.next.update(lr)


class Network:
    def __init__(self, layers):
        self.layers = layers
        self.first = layers[0]
        self.last = layers[-1]
        for a, b in zip(layers, layers[1:]):
            a.link(b)

    def forward(self, x):
        return self.first.forward(x)

    def backward(self, grad):
        return self.last.backward(grad)

    def train_step(self, x, y, lr=0.1):
        out = self.forward(x)
        grad = (out - y) / len(x)
        self.backward(grad)
        self.first.update(lr)
        return np.mean((out - y) ** 2)
