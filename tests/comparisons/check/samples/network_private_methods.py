import numpy as np


class TinyMLP:
    """fit / predict, labels are integers; weight decay and dropout."""

    def __init__(self, hidden=(32,), lr=0.1, alpha=1e-3, dropout=0.0, n_iter=20, random_state=0):
        self.hidden, self.lr, self.alpha, self.dropout, self.n_iter = hidden, lr, alpha, dropout, n_iter
        self.rng = np.random.RandomState(random_state)

    def _init_params(self, n_in, n_out):
        sizes = [n_in, *self.hidden, n_out]
        self.coefs = [self.rng.randn(a, b) / np.sqrt(a) for a, b in zip(sizes[:-1], sizes[1:])]
        self.intercepts = [np.zeros(b) for b in sizes[1:]]

    def _forward_pass(self, X, train=False):
        self._inputs, self._drops = [], []
        out = X
        for W, b in zip(self.coefs[:-1], self.intercepts[:-1]):
            self._inputs.append(out)
            out = np.maximum(0, out @ W + b)
            drop = np.ones_like(out)
            if train and self.dropout:
                drop = (self.rng.rand(*out.shape) >= self.dropout) / (1 - self.dropout)
            self._drops.append(drop)
            out = out * drop
        self._inputs.append(out)
        scores = out @ self.coefs[-1] + self.intercepts[-1]
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def _backprop(self, probs, y):
        m = len(y)
        d = probs.copy()
        d[np.arange(m), y] -= 1
        d /= m
        grads_w, grads_b = [], []
        for W, a, drop in zip(self.coefs[::-1], self._inputs[::-1], [*self._drops[::-1], None]):
            grads_w.insert(0, a.T @ d + self.alpha * W)
            grads_b.insert(0, d.sum(axis=0))
            if drop is not None:
                d = (d @ W.T) * drop * (a > 0)
        return grads_w, grads_b

    def fit(self, X, y):
        self._init_params(X.shape[1], len(np.unique(y)))
        for _ in range(self.n_iter):
            grads_w, grads_b = self._backprop(self._forward_pass(X, train=True), y)
            for i in range(len(self.coefs)):
                self.coefs[i] -= self.lr * grads_w[i]
                self.intercepts[i] -= self.lr * grads_b[i]
        return self

    def predict(self, X):
        return self._forward_pass(X).argmax(axis=1)
