import numpy as np
def log_softmax(x):
    c = x.max(axis=1, keepdims=True)
    return x - c - np.log(np.exp(x - c).sum(axis=1, keepdims=True))

def cross_entropy_with_label_smoothing(logits, y, eps=0.1):
    N, K = logits.shape
    lp = log_softmax(logits)
    loss = -(1 - eps) * lp[np.arange(N), y].mean() - eps / K * lp.sum(axis=1).mean()
    p = np.exp(lp)
    d = p - eps / K
    d[np.arange(N), y] -= 1 - eps
    return loss, d / N

def sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2.0):
    p = 1 / (1 + np.exp(-logits))
    ce = -(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    pt = targets * p + (1 - targets) * (1 - p)
    at = targets * alpha + (1 - targets) * (1 - alpha)
    return np.mean(at * (1 - pt) ** gamma * ce)

def sigmoid_focal_loss_grad(logits, targets, alpha=0.25, gamma=2.0):
    p = 1 / (1 + np.exp(-logits))
    pt = targets * p + (1 - targets) * (1 - p)
    at = targets * alpha + (1 - targets) * (1 - alpha)
    s = 2 * targets - 1
    g = at * (1 - pt) ** gamma * (gamma * pt * np.log(pt) + pt - 1) * s
    return g / logits.size

def kl_div_with_logits(student, teacher, T=2.0):
    ps = np.exp(log_softmax(student / T)); pt = np.exp(log_softmax(teacher / T))
    loss = np.sum(pt * (np.log(pt) - np.log(ps))) / len(student) * T ** 2
    grad = T * (ps - pt) / len(student)
    return loss, grad

def bpr_loss(pos, neg):
    return -np.mean(np.log(1 / (1 + np.exp(-(pos - neg)))))

def bpr_loss_grad(pos, neg):
    s = 1 / (1 + np.exp(pos - neg))
    return -s / len(pos), s / len(pos)

def margin_ranking_loss(x1, x2, y, margin=0.5):
    return np.maximum(0, -y * (x1 - x2) + margin).mean()

def margin_ranking_loss_backward(x1, x2, y, margin=0.5):
    m = (-y * (x1 - x2) + margin > 0) / x1.size
    return -y * m, y * m
