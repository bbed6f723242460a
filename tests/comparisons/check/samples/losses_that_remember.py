"""Losses that keep what their backward pass needs."""
import numpy as np


class MSELoss:
    def forward(self, A, Y):
        self.A = A
        self.Y = Y
        self.N, self.C = A.shape
        se = (A - Y) * (A - Y)
        return np.sum(se) / (self.N * self.C)

    def backward(self):
        return 2 * (self.A - self.Y) / (self.N * self.C)


class L1Loss:
    def forward(self, pred, target):
        self.pred, self.target = pred, target
        return np.abs(pred - target).mean()

    def backward(self):
        return np.sign(self.pred - self.target) / self.pred.size


class SmoothL1Loss:
    def __init__(self, beta=1.0):
        self.beta = beta

    def __call__(self, pred, target):
        return self.forward(pred, target)

    def forward(self, pred, target):
        self.diff = pred - target
        a = np.abs(self.diff)
        return np.where(a < self.beta, 0.5 * a ** 2 / self.beta, a - 0.5 * self.beta).mean()

    def backward(self):
        return np.where(np.abs(self.diff) < self.beta, self.diff / self.beta, np.sign(self.diff)) / self.diff.size


class BCEWithLogitsLoss:
    def forward(self, z, y):
        self.z, self.y = z, y
        return np.mean(np.log(1 + np.exp(-np.abs(z))) + np.maximum(z, 0) - z * y)

    def backward(self):
        return (1 / (1 + np.exp(-self.z)) - self.y) / self.z.size


class LabelSmoothingCrossEntropy:
    def __init__(self, smoothing=0.1):
        self.smoothing = smoothing

    def forward(self, logits, labels):
        n, k = logits.shape
        z = logits - logits.max(axis=1, keepdims=True)
        self.p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        self.t = np.full((n, k), self.smoothing / k)
        self.t[np.arange(n), labels] += 1 - self.smoothing
        return -np.sum(self.t * np.log(self.p)) / n

    def backward(self):
        return (self.p - self.t) / len(self.p)


class ContrastiveLoss:
    def __init__(self, margin=1.0):
        self.margin = margin

    def forward(self, x1, x2, y):
        self.x1, self.x2, self.y = x1, x2, y
        self.d = np.sqrt(((x1 - x2) ** 2).sum(axis=1))
        return np.mean(y * self.d ** 2 + (1 - y) * np.maximum(0, self.margin - self.d) ** 2) / 2

    def backward(self):
        n = len(self.y)
        c = self.y - (1 - self.y) * np.maximum(0, self.margin - self.d) / self.d
        dx1 = c[:, None] * (self.x1 - self.x2) / n
        return dx1, -dx1


class TripletLoss:
    def __init__(self, margin=0.5):
        self.margin = margin

    def forward(self, anchor, positive, negative):
        self.a, self.p, self.n = anchor, positive, negative
        d = ((anchor - positive) ** 2).sum(1) - ((anchor - negative) ** 2).sum(1) + self.margin
        self.active = (d > 0).astype(float)[:, None]
        return np.maximum(d, 0).mean()

    def backward(self):
        s = 2 * self.active / len(self.a)
        return s * (self.n - self.p), s * (self.p - self.a), s * (self.a - self.n)
