"""A logistic classifier that trains inside `fit`, with the bias before the weights; one with a bias of its own; a linear loop that draws."""

import matplotlib.pyplot as plt
import numpy as np


class SpamFilter:
    """The bias is the first of the weights; the cost is kept, and belongs to no method."""

    def __init__(self, eta=0.1, n_iter=20, seed=3):
        self.eta = eta
        self.n_iter = n_iter
        self.seed = seed

    def fit(self, X, y):
        self.w_ = np.random.RandomState(self.seed).normal(scale=0.1, size=X.shape[1] + 1)
        self.cost_ = []
        for _ in range(self.n_iter):
            p = self.activation(self.net_input(X))
            miss = y - p
            self.w_[1:] += self.eta * X.T.dot(miss)
            self.w_[0] += self.eta * miss.sum()
            self.cost_.append(-y.dot(np.log(p)) - (1 - y).dot(np.log(1 - p)))
        return self

    def net_input(self, X):
        return X.dot(self.w_[1:]) + self.w_[0]

    def activation(self, z):
        return 1.0 / (1.0 + np.exp(-z))


class Churn:
    """Weights and a bias; averaged, and doubled as a squared error would be."""

    def __init__(self, eta=0.1, n_iter=20):
        self.eta = eta
        self.n_iter = n_iter

    def fit(self, X, y):
        self.w_ = np.full(X.shape[1], 0.01)
        self.b_ = np.float64(0.0)
        self.losses_ = []
        for _ in range(self.n_iter):
            output = self.activation(np.dot(X, self.w_) + self.b_)
            errors = y - output
            self.w_ += self.eta * 2.0 * X.T.dot(errors) / X.shape[0]
            self.b_ += self.eta * 2.0 * errors.mean()
            loss = (-y.dot(np.log(output)) - (1 - y).dot(np.log(1 - output))) / X.shape[0]
            self.losses_.append(loss)
        return self

    def activation(self, z):
        return 1.0 / (1.0 + np.exp(-z))


def plot_classes(X, y, colors):
    for i, label in enumerate(np.unique(y)):
        plt.scatter(x=X[y == label, 0], y=X[y == label, 1], c=colors[i], label=label)
