# everything in one file, from several habits
import numpy as np


class Loss:
    def calculate(self, output, y):
        return np.mean(self.forward(output, y))

class Loss_MeanAbsoluteError(Loss):
    def forward(self, y_pred, y_true):
        sample_losses = np.mean(np.abs(y_true - y_pred), axis=-1)
        return sample_losses

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        outputs = len(dvalues[0])
        self.dinputs = np.sign(dvalues - y_true) / outputs
        self.dinputs = self.dinputs / samples

class Loss_Huber(Loss):
    def __init__(self, delta=1.35):
        self.delta = delta

    def forward(self, y_pred, y_true):
        e = y_true - y_pred
        small = np.abs(e) <= self.delta
        return np.mean(np.where(small, 0.5 * e ** 2, self.delta * (np.abs(e) - 0.5 * self.delta)), axis=-1)

    def backward(self, dvalues, y_true):
        e = dvalues - y_true
        small = np.abs(e) <= self.delta
        self.dinputs = np.where(small, e, self.delta * np.sign(e)) / dvalues.shape[1] / len(dvalues)


class Cost:
    """static"""
    @staticmethod
    def kl_div(p, q):
        return np.sum(p * (np.log(p) - np.log(q)), axis=1).mean()

    @staticmethod
    def kl_div_grad(p, q):
        return -p / q / len(p)

    @staticmethod
    def log_cosh(y, a):
        return np.log(np.cosh(a - y)).mean()

    @staticmethod
    def log_cosh_deriv(y, a):
        return np.tanh(a - y) / a.size


def smooth_l1(x, t, grad=False):
    d = x - t
    if grad:
        return np.where(np.abs(d) < 1, d, np.sign(d))
    return np.sum(np.where(np.abs(d) < 1, 0.5 * d * d, np.abs(d) - 0.5))


def multiclass_hinge_loss(scores, y):
    n = scores.shape[0]
    correct = scores[np.arange(n), y][:, None]
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(n), y] = 0
    loss = margins.sum() / n
    mask = (margins > 0).astype(float)
    mask[np.arange(n), y] = -mask.sum(axis=1)
    return loss, mask / n


def sparse_categorical_focal_loss(logits, labels, gamma=2.0):
    z = logits - logits.max(axis=1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    n = len(labels)
    pt = p[np.arange(n), labels]
    loss = -np.mean((1 - pt) ** gamma * np.log(pt))
    dpt = (gamma * (1 - pt) ** (gamma - 1) * np.log(pt) - (1 - pt) ** gamma / pt) / n
    onehot = np.eye(p.shape[1])[labels]
    grad = (dpt * pt)[:, None] * (onehot - p)
    return loss, grad


def quantile_loss(y_true, y_pred, q=0.9):
    e = y_true - y_pred
    return np.mean(np.maximum(q * e, (q - 1) * e))

def quantile_loss_grad(y_true, y_pred, q=0.9):
    e = y_true - y_pred
    return np.where(e > 0, -q, 1 - q) / e.size


def iou_loss(pred, target, eps=1e-6):
    inter = (pred * target).sum()
    union = pred.sum() + target.sum() - inter
    return 1 - (inter + eps) / (union + eps)

def iou_loss_backward(pred, target, eps=1e-6):
    inter = (pred * target).sum()
    union = pred.sum() + target.sum() - inter
    return -(target * (union + eps) - (inter + eps) * (1 - target)) / (union + eps) ** 2


def contrastive_loss(e1, e2, y, margin=1.0):
    d = np.linalg.norm(e1 - e2, axis=1)
    return np.mean((1 - y) * 0.5 * d ** 2 + y * 0.5 * np.maximum(0, margin - d) ** 2)

def contrastive_loss_grad(e1, e2, y, margin=1.0):
    diff = e1 - e2
    d = np.linalg.norm(diff, axis=1, keepdims=True)
    yy = y.reshape(-1, 1)
    g = (1 - yy) * diff - yy * np.maximum(0, margin - d) * diff / d
    return g / len(y), -g / len(y)


def cosine_embedding_loss(x1, x2, y, margin=0.0):
    n1 = np.sqrt((x1 ** 2).sum(axis=1))
    n2 = np.sqrt((x2 ** 2).sum(axis=1))
    c = (x1 * x2).sum(axis=1) / (n1 * n2)
    loss = np.where(y == 1, 1 - c, np.maximum(0, c - margin)).mean()
    w = np.where(y == 1, -1.0, (c > margin) * 1.0)[:, None] / len(y)
    c_ = c[:, None]
    dx1 = w * (x2 / (n1 * n2)[:, None] - c_ * x1 / (n1 ** 2)[:, None])
    dx2 = w * (x1 / (n1 * n2)[:, None] - c_ * x2 / (n2 ** 2)[:, None])
    return loss, dx1, dx2


def gaussian_nll_loss(mu, log_var, y):
    return 0.5 * np.mean(log_var + (y - mu) ** 2 / np.exp(log_var))

def gaussian_nll_loss_grad(mu, log_var, y):
    dmu = (mu - y) / np.exp(log_var) / y.size
    dlog_var = 0.5 * (1 - (y - mu) ** 2 / np.exp(log_var)) / y.size
    return dmu, dlog_var


def vae_kl_loss(mu, logvar):
    return -0.5 * np.sum(1 + logvar - mu ** 2 - np.exp(logvar)) / len(mu)

def vae_kl_loss_backward(mu, logvar):
    return mu / len(mu), 0.5 * (np.exp(logvar) - 1) / len(mu)


def nt_xent_loss(zi, zj, temperature=0.5):
    s = zi @ zj.T / temperature
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    n = len(zi)
    loss = -np.log(np.diag(p)).mean()
    ds = (p - np.eye(n)) / n / temperature
    dzi = ds @ zj
    dzj = ds.T @ zi
    return loss, dzi, dzj
