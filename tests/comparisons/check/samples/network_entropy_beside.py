# Who survives? A small classifier, logistic output, cross entropy printed every now and then.
import numpy as np


def logistic(t):
    return 1 / (1 + np.exp(-t))


def logloss(target, prob):
    prob = np.clip(prob, 1e-9, 1 - 1e-9)
    return -np.mean(target * np.log(prob) + (1 - target) * np.log(1 - prob))


class Classifier:
    def __init__(self, inputs, hidden=6):
        self.w1 = 0.1 * np.random.randn(inputs, hidden)
        self.b1 = np.zeros(hidden)
        self.w2 = 0.1 * np.random.randn(hidden, 1)
        self.b2 = np.zeros(1)

    def forward(self, X):
        self.h = np.tanh(X @ self.w1 + self.b1)
        self.p = logistic(self.h @ self.w2 + self.b2)
        return self.p

    def backward(self, X, target):
        d2 = (self.p - target) / len(X)
        self.dw2 = self.h.T @ d2
        self.db2 = d2.sum(axis=0)
        d1 = (d2 @ self.w2.T) * (1 - self.h ** 2)
        self.dw1 = X.T @ d1
        self.db1 = d1.sum(axis=0)

    def step(self, rate):
        for name in ('w1', 'b1', 'w2', 'b2'):
            setattr(self, name, getattr(self, name) - rate * getattr(self, 'd' + name))


def learn(X, target, rounds=1000):
    model = Classifier(X.shape[1])
    for k in range(rounds):
        prob = model.forward(X)
        model.backward(X, target)
        model.step(0.5)
        if k % 100 == 0:
            print(k, logloss(target, prob))
    return model
