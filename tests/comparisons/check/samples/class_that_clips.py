"""Softmax classifier with one hidden layer; long gradients are cut, the rate goes down, everything can be penalised."""
import numpy as np


class Net(object):
    def __init__(self, n_in, n_hid, n_cls, weight_penalty=0.0):
        self.W = [np.random.randn(n_in, n_hid) * .3, np.random.randn(n_hid, n_cls) * .3]
        self.B = [np.zeros(n_hid), np.zeros(n_cls)]
        self.weight_penalty = weight_penalty

    def cost_and_grads(self, X, y):
        n = len(X)
        h = np.tanh(X.dot(self.W[0]) + self.B[0])
        s = h.dot(self.W[1]) + self.B[1]
        s = s - s.max(axis=1, keepdims=True)
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        cost = -np.log(p[range(n), y]).sum()
        cost += 0.5 * self.weight_penalty * sum((w ** 2).sum() for w in self.W)
        d = p.copy()
        d[range(n), y] -= 1
        gW1 = h.T.dot(d) + self.weight_penalty * self.W[1]
        gB1 = d.sum(axis=0)
        d = d.dot(self.W[1].T) * (1 - h * h)
        gW0 = X.T.dot(d) + self.weight_penalty * self.W[0]
        gB0 = d.sum(axis=0)
        return cost, [gW0, gW1], [gB0, gB1]

    def fit(self, X, y, lr=0.05, epochs=30, batch_size=50, decay=0.9, max_norm=1.0):
        for epoch in range(epochs):
            order = np.random.permutation(len(X))
            total = 0.0
            for i in range(0, len(X), batch_size):
                pick = order[i:i + batch_size]
                cost, gW, gB = self.cost_and_grads(X[pick], y[pick])
                total += cost
                size = np.sqrt(sum((g ** 2).sum() for g in gW + gB))
                if size > max_norm:
                    gW, gB = [g * max_norm / size for g in gW], [g * max_norm / size for g in gB]
                for k in (0, 1):
                    self.W[k] -= lr * gW[k]
                    self.B[k] -= lr * gB[k]
            lr *= decay
            print(epoch, total / len(X))
        return self
