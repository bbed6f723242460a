import numpy as np

class MSE:
    @staticmethod
    def calc_loss(y_hat, y):
        return np.sum((y_hat - y) ** 2) / (2 * y.shape[0])
    @staticmethod
    def calc_grad(y_hat, y):
        return (y_hat - y) / y.shape[0]

class LogCosh:
    def __call__(self, y_pred, y_true):
        return np.mean(np.log(np.cosh(y_pred - y_true)))
    def derivative(self, y_pred, y_true):
        return np.tanh(y_pred - y_true) / y_true.size

class CrossEntropy():
    def __init__(self): pass
    def loss(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return - y * np.log(p) - (1 - y) * np.log(1 - p)
    def acc(self, y, p):
        return np.mean(np.argmax(y, axis=1) == np.argmax(p, axis=1))
    def gradient(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return - (y / p) + (1 - y) / (1 - p)

class SquareLoss():
    def __init__(self): pass
    def loss(self, y, y_pred):
        return 0.5 * np.power((y - y_pred), 2)
    def gradient(self, y, y_pred):
        return -(y - y_pred)

class SotfMaxLoss:
    def loss(self, y, p):
        return 0

class HuberLoss:
    def __init__(self, delta=1.0):
        self.delta = delta
    def loss(self, y, y_pred):
        r = y - y_pred
        return np.where(np.abs(r) <= self.delta, 0.5 * r ** 2, self.delta * np.abs(r) - 0.5 * self.delta ** 2)
    def gradient(self, y, y_pred):
        r = y - y_pred
        return np.where(np.abs(r) <= self.delta, -r, -self.delta * np.sign(r))

class Exponential:
    def loss(self, y, f):
        return np.mean(np.exp(-y * f))
    def gradient(self, y, f):
        return -y * np.exp(-y * f) / y.size

class BinomialDevianceLoss:
    def loss(self, y, f):
        return np.mean(np.log(1 + np.exp(-2 * y * f)))
    def gradient(self, y, f):
        return -2 * y / (1 + np.exp(2 * y * f)) / y.size
