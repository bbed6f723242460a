import numpy as np


class LogisticRegression:
    def __init__(self, lr=0.01, n_iters=1000, reg_lambda=0.1, verbose=False):
        self.lr = lr
        self.n_iters = n_iters
        self.reg_lambda = reg_lambda
        self.verbose = verbose
        self.weights = None
        self.bias = None
        self.losses = []

    def _sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def _loss(self, y, y_pred):
        m = len(y)
        loss = -np.mean(y * np.log(y_pred) + (1 - y) * np.log(1 - y_pred))
        return loss + self.reg_lambda / (2 * m) * np.sum(self.weights ** 2)

    def _gradients(self, X, y, y_pred):
        m = X.shape[0]
        dw = X.T @ (y_pred - y) / m + self.reg_lambda / m * self.weights
        db = np.mean(y_pred - y)
        return dw, db

    def fit(self, X, y):
        self.weights = np.zeros(X.shape[1])
        self.bias = 0
        for i in range(self.n_iters):
            y_pred = self.predict_proba(X)
            self.losses.append(self._loss(y, y_pred))
            dw, db = self._gradients(X, y, y_pred)
            self.weights -= self.lr * dw
            self.bias -= self.lr * db
        return self

    def predict_proba(self, X):
        return self._sigmoid(X @ self.weights + self.bias)
