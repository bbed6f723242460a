import numpy as np
import matplotlib.pyplot as plt

def compute_cost(X, y, theta):
    m = len(y)
    return np.sum((X.dot(theta) - y) ** 2) / (2 * m)

def gradient_descent(X, y, theta, alpha, iterations):
    m = len(y)
    history = []
    for _ in range(iterations):
        error = X.dot(theta) - y
        theta = theta - alpha * X.T.dot(error) / m
        history.append(compute_cost(X, y, theta))
    return theta, history

class TiedAutoencoder:
    def __init__(self, input=None, n_visible=2, n_hidden=3, rng=None):
        self.rng = rng or np.random.RandomState(1)
        self.x = input
        self.W = self.rng.uniform(-.5, .5, (n_visible, n_hidden))
        self.hbias = np.zeros(n_hidden)
        self.vbias = np.zeros(n_visible)

    def encode(self, x):
        return 1 / (1 + np.exp(-(x.dot(self.W) + self.hbias)))

    def decode(self, h):
        return 1 / (1 + np.exp(-(h.dot(self.W.T) + self.vbias)))

    def train(self, lr=0.1, level=0.3, input=None):
        if input is not None:
            self.x = input
        noisy = self.rng.binomial(1, 1 - level, self.x.shape) * self.x
        y = self.encode(noisy)
        L2 = self.x - self.decode(y)
        L1 = L2.dot(self.W) * y * (1 - y)
        self.W += lr * (noisy.T.dot(L1) + L2.T.dot(y)) / len(self.x)
        self.hbias += lr * L1.mean(axis=0)
        self.vbias += lr * L2.mean(axis=0)

    def reconstruction_error(self, level=0.3):
        noisy = self.rng.binomial(1, 1 - level, self.x.shape) * self.x
        z = self.decode(self.encode(noisy))
        return -np.mean(np.sum(self.x * np.log(z) + (1 - self.x) * np.log(1 - z), axis=1))
