"""Linear classifiers that ask for the side of a threshold while they train, and calculate no loss."""
import numpy as np


class MarginClassifier:
    """A soft margin, one example after the other."""

    def __init__(self, lr=0.01, lam=0.001, epochs=500):
        self.lr, self.lam, self.epochs = lr, lam, epochs

    def train(self, data, labels):
        signs = np.where(labels > 0, 1, -1)
        self.coef = np.zeros(data.shape[1])
        self.bias = 0
        for _ in range(self.epochs):
            self._one_pass(data, signs)

    def _one_pass(self, data, signs):
        for row, sign in zip(data, signs):
            if sign * (np.dot(row, self.coef) - self.bias) < 1:
                d_coef = self.lam * self.coef - sign * row
                d_bias = sign
            else:
                d_coef = self.lam * self.coef
                d_bias = 0
            self.coef = self.coef - self.lr * d_coef
            self.bias = self.bias - self.lr * d_bias


class Pegasos:
    """Steps that become smaller with time."""

    def __init__(self, lambda_=0.01, n_iter=1000):
        self.lambda_, self.n_iter = lambda_, n_iter

    def fit(self, X, y):
        self.w = np.zeros(X.shape[1])
        for t in range(1, self.n_iter + 1):
            i = np.random.randint(len(X))
            eta = 1.0 / (self.lambda_ * t)
            margin = y[i] * self.w.dot(X[i])
            self.w *= 1 - eta * self.lambda_
            if margin < 1:
                self.w += eta * y[i] * X[i]
        return self


def step(a):
    return np.where(a >= 0.0, 1, 0)


class Perceptron:
    """Weights and bias in one vector; the decision is that of a function it was given."""

    def __init__(self, eta=0.1, n_iter=10, decide=step):
        self.eta, self.n_iter, self.decide = eta, n_iter, decide

    def fit(self, X, y):
        self.w = np.zeros(1 + X.shape[1])
        for _ in range(self.n_iter):
            for xi, target in zip(X, y):
                change = self.eta * (target - self.decide(np.dot(xi, self.w[1:]) + self.w[0]))
                self.w[1:] += change * xi
                self.w[0] += change
        return self


def svm_of_batches(X, y, C=1.0, lr=0.001, epochs=100):
    """Gradients of a batch that are added up."""
    w, b = np.zeros(X.shape[1]), 0.0
    for epoch in range(epochs):
        outside = y * (X @ w + b) < 1
        w -= lr * (w - C * (y * outside) @ X)
        b -= lr * -C * np.sum(y * outside)
    return w, b


class Shrinking:
    """No gradient of anything: only what is learned decays. Nothing is said about it."""

    def __init__(self, lr=0.01, lam=0.1):
        self.lr, self.lam = lr, lam

    def fit(self, X, y):
        self.w = np.zeros(X.shape[1])
        for xi, t in zip(X, y):
            if t * (xi @ self.w) < 1:
                self.w += self.lr * (t * xi - self.lam * self.w)


class Counted:
    """Rises on both sides: no threshold below which there is no loss."""

    def fit(self, X, y, lr=0.1, max_iter=1e7, tol=1e-7):
        self.w = np.zeros(X.shape[1])
        for _ in range(int(max_iter)):
            error = X @ self.w - y
            if np.abs(error).max() < tol:
                return
            self.w -= lr * X.T @ error
