"""Models that learn from one example at a time, and show no gradients."""
import numpy as np


def logistic(a):
    return 1.0 / (1.0 + np.exp(-a))


class Adaline:
    def __init__(self, eta=0.01, n_iter=20):
        self.eta = eta
        self.n_iter = n_iter

    def fit(self, X, y):
        self.coef = np.zeros(X.shape[1])
        self.bias = 0.0
        for _ in range(self.n_iter):
            for xi, target in zip(X, y):
                self.learn_one(xi, target)
        return self

    def learn_one(self, xi, target):
        error = target - self.net_input(xi)
        self.coef += self.eta * error * xi
        self.bias += self.eta * error

    def net_input(self, x):
        return np.dot(x, self.coef) + self.bias

    def predict(self, x):
        return np.where(self.net_input(x) >= 0, 1, -1)


class RBFNetwork:
    """Gaussian units whose centers and widths are learned with the weights."""

    def __init__(self, n_in, n_centers, n_out, eta_w=0.05, eta_c=0.01, eta_s=0.01):
        self.centers = np.random.uniform(-1, 1, (n_centers, n_in))
        self.sigmas = np.ones(n_centers)
        self.weights = np.random.randn(n_centers, n_out) * 0.1
        self.bias = np.zeros(n_out)
        self.eta_w, self.eta_c, self.eta_s = eta_w, eta_c, eta_s

    def _phi(self, x):
        d2 = np.sum((self.centers - x) ** 2, axis=1)
        return np.exp(-d2 / (2 * self.sigmas ** 2)), d2

    def forward(self, x):
        return self._phi(x)[0] @ self.weights + self.bias

    def train_step(self, x, t):
        phi, d2 = self._phi(x)
        e = phi @ self.weights + self.bias - t
        back = self.weights @ e
        grad_c = (back * phi / self.sigmas ** 2)[:, None] * (x - self.centers)
        grad_s = back * phi * d2 / self.sigmas ** 3
        self.weights -= self.eta_w * np.outer(phi, e)
        self.bias -= self.eta_w * e
        self.centers -= self.eta_c * grad_c
        self.sigmas -= self.eta_s * grad_s


class BagOfWords:
    """The words around predict the one in the middle, against a few that are drawn."""

    def __init__(self, vocab_size, dim=50, lr=0.025):
        self.U = (np.random.rand(vocab_size, dim) - 0.5) / dim
        self.V = np.zeros((vocab_size, dim))
        self.lr = lr

    def nll(self, context, word, negatives):
        h = self.U[context].mean(axis=0)
        return -np.log(logistic(self.V[word] @ h)) - sum(np.log(logistic(-self.V[n] @ h)) for n in negatives)

    def update(self, context, word, negatives):
        h = self.U[context].mean(axis=0)
        back = np.zeros_like(h)
        for w, t in [(word, 1.0)] + [(n, 0.0) for n in negatives]:
            g = self.lr * (logistic(self.V[w] @ h) - t)
            back += g * self.V[w]
            self.V[w] -= g * h
        for c in context:
            self.U[c] -= back / len(context)
