import numpy as np
from abc import ABC, abstractmethod

EPS = 1e-12

class Loss(ABC):
    @abstractmethod
    def loss(self, y_true, y_pred):
        pass

    @abstractmethod
    def gradient(self, y_true, y_pred):
        pass


class MeanAbsoluteError(Loss):
    def loss(self, y_true, y_pred):
        return np.abs(y_true - y_pred).mean()

    def gradient(self, y_true, y_pred):
        return np.sign(y_pred - y_true) / y_true.size


class HuberLoss(Loss):
    def __init__(self, delta=1.0):
        self.delta = delta

    def loss(self, y_true, y_pred):
        d = y_pred - y_true
        a = np.abs(d)
        quadratic = np.minimum(a, self.delta)
        return np.mean(0.5 * quadratic ** 2 + self.delta * (a - quadratic))

    def gradient(self, y_true, y_pred):
        return np.clip(y_pred - y_true, -self.delta, self.delta) / y_true.size


class LogCosh(Loss):
    def loss(self, y_true, y_pred):
        return np.mean(np.log(np.cosh(y_pred - y_true)))

    def gradient(self, y_true, y_pred):
        return np.tanh(y_pred - y_true) / y_true.size


class Hinge(Loss):
    def loss(self, y_true, y_pred):
        return np.mean(np.maximum(0.0, 1.0 - y_true * y_pred))

    def gradient(self, y_true, y_pred):
        return -y_true * (y_true * y_pred < 1) / y_true.size


class KLDivergence(Loss):
    def loss(self, y_true, y_pred):
        return np.mean(np.sum(y_true * np.log((y_true + EPS) / (y_pred + EPS)), axis=1))

    def gradient(self, y_true, y_pred):
        return -y_true / (y_pred + EPS) / y_true.shape[0]


class Poisson(Loss):
    def loss(self, y_true, y_pred):
        return np.mean(y_pred - y_true * np.log(y_pred))

    def gradient(self, y_true, y_pred):
        return (1 - y_true / y_pred) / y_true.size


class CosineProximity(Loss):
    def loss(self, y_true, y_pred):
        t = y_true / np.linalg.norm(y_true, axis=-1, keepdims=True)
        p = y_pred / np.linalg.norm(y_pred, axis=-1, keepdims=True)
        return -np.mean(np.sum(t * p, axis=-1))

    def gradient(self, y_true, y_pred):
        nt = np.linalg.norm(y_true, axis=-1, keepdims=True)
        n = np.linalg.norm(y_pred, axis=-1, keepdims=True)
        t, p = y_true / nt, y_pred / n
        return -(t - (t * p).sum(-1, keepdims=True) * p) / n / len(y_true)


class MeanSquaredLogarithmicError(Loss):
    def loss(self, y_true, y_pred):
        return np.mean((np.log1p(y_true) - np.log1p(y_pred)) ** 2)

    def gradient(self, y_true, y_pred):
        return 2 * (np.log1p(y_pred) - np.log1p(y_true)) / (1 + y_pred) / y_true.size


class BinaryCrossEntropyWithLogits(Loss):
    def loss(self, y_true, logits):
        return np.mean(np.maximum(logits, 0) - logits * y_true + np.log1p(np.exp(-np.abs(logits))))

    def gradient(self, y_true, logits):
        return (1 / (1 + np.exp(-logits)) - y_true) / y_true.size


class FocalLoss(Loss):
    def __init__(self, gamma=2):
        self.gamma = gamma

    def loss(self, y_true, y_pred):
        p = np.clip(y_pred, EPS, 1 - EPS)
        return -np.mean(np.sum(y_true * (1 - p) ** self.gamma * np.log(p), axis=1))

    def gradient(self, y_true, y_pred):
        p = np.clip(y_pred, EPS, 1 - EPS)
        g = self.gamma
        return y_true * (g * (1 - p) ** (g - 1) * np.log(p) - (1 - p) ** g / p) / len(y_true)
