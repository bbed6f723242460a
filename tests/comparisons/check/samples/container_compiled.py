"""A small Keras: layers with an activation of their own, compile with names, fit in mini-batches that are shuffled."""
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class Dense:
    def __init__(self, n_in, n_out, activation='relu'):
        self.W = np.random.randn(n_in, n_out) * np.sqrt(2 / n_in)
        self.b = np.zeros((1, n_out))
        self.activation = activation

    def forward(self, X):
        self.X = X
        self.Z = X @ self.W + self.b
        if self.activation == 'relu':
            self.A = np.maximum(self.Z, 0)
        elif self.activation == 'sigmoid':
            self.A = sigmoid(self.Z)
        elif self.activation == 'tanh':
            self.A = np.tanh(self.Z)
        else:
            self.A = self.Z
        return self.A

    def backward(self, dA):
        if self.activation == 'relu':
            dZ = dA * (self.Z > 0)
        elif self.activation == 'sigmoid':
            dZ = dA * self.A * (1 - self.A)
        elif self.activation == 'tanh':
            dZ = dA * (1 - self.A ** 2)
        else:
            dZ = dA
        self.dW = self.X.T @ dZ
        self.db = np.sum(dZ, axis=0, keepdims=True)
        return dZ @ self.W.T


class Sequential:
    def __init__(self, layers=None):
        self.layers = layers if layers is not None else []
        self.history = []

    def add(self, layer):
        self.layers.append(layer)

    def compile(self, loss='mse', learning_rate=0.01):
        self.loss_name = loss
        self.lr = learning_rate

    def _loss(self, y, p):
        if self.loss_name == 'mse':
            return np.mean((p - y) ** 2)
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    def _loss_grad(self, y, p):
        if self.loss_name == 'mse':
            return 2 * (p - y) / y.size
        p = np.clip(p, 1e-12, 1 - 1e-12)
        return (p - y) / (p * (1 - p)) / y.size

    def predict(self, X):
        out = X
        for layer in self.layers:
            out = layer.forward(out)
        return out

    def fit(self, X, y, epochs=10, batch_size=32, shuffle=True, verbose=0):
        n = X.shape[0]
        for epoch in range(epochs):
            idx = np.random.permutation(n)
            Xs, ys = X[idx], y[idx]
            total = 0
            for start in range(0, n, batch_size):
                xb, yb = Xs[start:start + batch_size], ys[start:start + batch_size]
                out = self.predict(xb)
                total += self._loss(yb, out) * len(xb)
                grad = self._loss_grad(yb, out)
                for layer in reversed(self.layers):
                    grad = layer.backward(grad)
                for layer in self.layers:
                    layer.W -= self.lr * layer.dW
                    layer.b -= self.lr * layer.db
            self.history.append(total / n)
        return self.history
