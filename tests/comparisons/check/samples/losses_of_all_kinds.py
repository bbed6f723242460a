import numpy as np


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))

def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)

def mae(y_true, y_pred):
    return np.mean(np.abs(y_true - y_pred))

def mae_prime(y_true, y_pred):
    return np.where(y_pred > y_true, 1, -1) / np.size(y_true)

def rmse(y_true, y_pred):
    return np.sqrt(np.mean((y_true - y_pred) ** 2))

def rmse_prime(y_true, y_pred):
    return (y_pred - y_true) / (np.size(y_true) * rmse(y_true, y_pred))

def huber(y_true, y_pred, delta=1.0):
    error = y_true - y_pred
    small = np.abs(error) <= delta
    return np.mean(np.where(small, 0.5 * error ** 2, delta * (np.abs(error) - 0.5 * delta)))

def huber_prime(y_true, y_pred, delta=1.0):
    error = y_pred - y_true
    return np.where(np.abs(error) <= delta, error, delta * np.sign(error)) / np.size(y_true)

def log_cosh(y_true, y_pred):
    return np.sum(np.log(np.cosh(y_pred - y_true))) / len(y_true)

def log_cosh_prime(y_true, y_pred):
    return np.tanh(y_pred - y_true) / len(y_true)

def hinge(y_true, y_pred):
    return np.mean(np.maximum(0, 1 - y_true * y_pred))

def hinge_prime(y_true, y_pred):
    return np.where(y_true * y_pred < 1, -y_true, 0) / np.size(y_true)

def squared_hinge(y_true, y_pred):
    return np.mean(np.maximum(0, 1 - y_true * y_pred) ** 2)

def squared_hinge_prime(y_true, y_pred):
    return -2 * y_true * np.maximum(0, 1 - y_true * y_pred) / np.size(y_true)

def kl_divergence(y_true, y_pred):
    eps = 1e-12
    p = np.clip(y_true, eps, 1)
    q = np.clip(y_pred, eps, 1)
    return np.sum(p * np.log(p / q)) / y_true.shape[0]

def kl_divergence_prime(y_true, y_pred):
    return -(y_true / np.clip(y_pred, 1e-12, 1)) / y_true.shape[0]

def poisson(y_true, y_pred):
    return np.mean(y_pred - y_true * np.log(y_pred + 1e-8))

def poisson_prime(y_true, y_pred):
    return (1 - y_true / (y_pred + 1e-8)) / y_true.size

def focal_loss(y_true, y_pred, gamma=2.0, alpha=0.25):
    y_pred = np.clip(y_pred, 1e-7, 1 - 1e-7)
    pt = np.where(y_true == 1, y_pred, 1 - y_pred)
    at = np.where(y_true == 1, alpha, 1 - alpha)
    return np.mean(-at * (1 - pt) ** gamma * np.log(pt))

def focal_loss_prime(y_true, y_pred, gamma=2.0, alpha=0.25):
    y_pred = np.clip(y_pred, 1e-7, 1 - 1e-7)
    pt = np.where(y_true == 1, y_pred, 1 - y_pred)
    at = np.where(y_true == 1, alpha, 1 - alpha)
    sign = np.where(y_true == 1, 1, -1)
    g = at * (gamma * (1 - pt) ** (gamma - 1) * np.log(pt) - (1 - pt) ** gamma / pt)
    return sign * g / y_true.size

def cosine_similarity_loss(y_true, y_pred):
    nt = np.linalg.norm(y_true, axis=1, keepdims=True)
    np_ = np.linalg.norm(y_pred, axis=1, keepdims=True)
    cos = np.sum(y_true * y_pred, axis=1, keepdims=True) / (nt * np_)
    return np.mean(1 - cos)

def cosine_similarity_loss_prime(y_true, y_pred):
    nt = np.linalg.norm(y_true, axis=1, keepdims=True)
    np_ = np.linalg.norm(y_pred, axis=1, keepdims=True)
    cos = np.sum(y_true * y_pred, axis=1, keepdims=True) / (nt * np_)
    return -(y_true / (nt * np_) - cos * y_pred / np_ ** 2) / len(y_true)

def dice_loss(y_true, y_pred, smooth=1.0):
    inter = np.sum(y_true * y_pred)
    return 1 - (2 * inter + smooth) / (np.sum(y_true) + np.sum(y_pred) + smooth)

def dice_loss_prime(y_true, y_pred, smooth=1.0):
    inter = np.sum(y_true * y_pred)
    total = np.sum(y_true) + np.sum(y_pred) + smooth
    return -(2 * y_true * total - (2 * inter + smooth)) / total ** 2

def binary_cross_entropy(y_true, y_pred):
    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log(1 - y_pred))

def binary_cross_entropy_prime(y_true, y_pred):
    return ((1 - y_true) / (1 - y_pred) - y_true / y_pred) / np.size(y_true)
