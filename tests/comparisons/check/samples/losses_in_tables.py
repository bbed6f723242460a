import numpy as np

def huber_loss(y_hat, y, derivative=False, delta=1.0):
    e = y_hat - y
    if derivative:
        return np.where(np.abs(e) < delta, e, delta * np.sign(e)) / e.size
    return np.where(np.abs(e) < delta, e ** 2 / 2, delta * (np.abs(e) - delta / 2)).mean()

LOSSES = {
    'mse': (lambda y, t: np.mean((y - t) ** 2), lambda y, t: 2 * (y - t) / y.size),
    'mae': (lambda y, t: np.mean(np.abs(y - t)), lambda y, t: np.sign(y - t) / y.size),
    'logcosh': (lambda y, t: np.mean(np.log(np.cosh(y - t))), lambda y, t: np.tanh(y - t) / y.size),
    'bce': (lambda y, t: -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y)), lambda y, t: (y - t) / (y * (1 - y)) / y.size),
}

loss_functions = {
    'poisson': {'f': lambda y, t: np.mean(y - t * np.log(y)), 'df': lambda y, t: (1 - t / y) / y.size},
    'hinge': {'f': lambda y, t: np.mean(np.maximum(0, 1 - y * t)), 'df': lambda y, t: -t * (y * t < 1) / y.size},
}
