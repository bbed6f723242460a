"""A class that makes its weights when it is given data; its gradient is handed all that the forward pass returned."""
import numpy as np


class Regressor:
    def __init__(self, hidden=(32, 16), delta=1.0, alpha=1e-4, lr=0.05, epochs=100, slope=0.1, random_state=0):
        self.hidden, self.delta, self.alpha, self.slope = hidden, delta, alpha, slope
        self.lr, self.epochs = lr, epochs
        self.rng = np.random.RandomState(random_state)

    def _init(self, n_features):
        sizes = [n_features, *self.hidden, 1]
        self.coefs_ = [self.rng.randn(a, b) * np.sqrt(2.0 / a) for a, b in zip(sizes[:-1], sizes[1:])]
        self.intercepts_ = [np.zeros(b) for b in sizes[1:]]

    def _forward(self, X):
        acts = [X]
        for i in range(len(self.coefs_)):
            z = acts[-1] @ self.coefs_[i] + self.intercepts_[i]
            acts.append(np.where(z > 0, z, self.slope * z) if i < len(self.coefs_) - 1 else z)
        return acts

    def _loss(self, X, y):
        r = self._forward(X)[-1].ravel() - y
        a = np.abs(r)
        huber = np.where(a <= self.delta, 0.5 * r ** 2, self.delta * (a - 0.5 * self.delta))
        return huber.mean() + self.alpha * sum((W ** 2).sum() for W in self.coefs_)

    def _backward(self, acts, y):
        delta = np.clip(acts[-1].ravel() - y, -self.delta, self.delta)[:, None] / len(y)
        gW, gb = [], []
        for i in range(len(self.coefs_) - 1, -1, -1):
            gW.insert(0, acts[i].T @ delta + 2 * self.alpha * self.coefs_[i])
            gb.insert(0, delta.sum(axis=0))
            if i > 0:
                delta = delta @ self.coefs_[i].T * np.where(acts[i] > 0, 1.0, self.slope)
        return gW, gb

    def fit(self, X, y):
        self._init(X.shape[1])
        for _ in range(self.epochs):
            gW, gb = self._backward(self._forward(X), y)
            for i in range(len(self.coefs_)):
                self.coefs_[i] -= self.lr * gW[i]
                self.intercepts_[i] -= self.lr * gb[i]
            self.loss_ = self._loss(X, y)
        return self
