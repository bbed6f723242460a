"""A network with its own loss, examples in columns, whose layers average their gradients; update with a rate."""
import numpy as np


class Linear:
    def __init__(self, n_prev, n):
        self.W = np.random.randn(n, n_prev) * 0.1
        self.b = np.zeros((n, 1))

    def forward(self, A_prev):
        self.A_prev = A_prev
        return np.dot(self.W, A_prev) + self.b

    def backward(self, dZ):
        m = dZ.shape[1]
        self.dW = np.dot(dZ, self.A_prev.T) / m
        self.db = np.sum(dZ, axis=1, keepdims=True) / m
        return np.dot(self.W.T, dZ)

    def update(self, lr):
        self.W = self.W - lr * self.dW
        self.b = self.b - lr * self.db


class ReLU:
    def forward(self, Z):
        self.Z = Z
        return np.maximum(0, Z)

    def backward(self, dA):
        return dA * (self.Z > 0)


class Sigmoid:
    def forward(self, Z):
        self.A = 1 / (1 + np.exp(-Z))
        return self.A

    def backward(self, dA):
        return dA * self.A * (1 - self.A)


class MLP:
    def __init__(self, layers, lr=0.1):
        self.layers = layers
        self.lr = lr
        self.costs = []

    def forward(self, X):
        A = X
        for layer in self.layers:
            A = layer.forward(A)
        return A

    def cost(self, A, Y):
        m = Y.shape[1]
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m

    def backward(self, A, Y):
        dA = -(Y / A) + (1 - Y) / (1 - A)
        for layer in reversed(self.layers):
            dA = layer.backward(dA)

    def update(self):
        for layer in self.layers:
            if hasattr(layer, 'update'):
                layer.update(self.lr)

    def train(self, X, Y, iterations=1000):
        for i in range(iterations):
            A = self.forward(X)
            self.costs.append(self.cost(A, Y))
            self.backward(A, Y)
            self.update()
