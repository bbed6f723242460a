"""Train a small classifier with an off-the-shelf minimiser: one flat vector holds all weights."""

import numpy as np

LAYERS = (5, 4, 2)
REG = 0.05


def make_start(layers=LAYERS, seed=0):
    rng = np.random.RandomState(seed)
    return np.concatenate([0.3 * rng.randn((i + 1) * o) for i, o in zip(layers[:-1], layers[1:])])


def unpack(p, layers=LAYERS):
    out, start = [], 0
    for i, o in zip(layers[:-1], layers[1:]):
        W = p[start:start + i * o].reshape(i, o)
        start += i * o
        b = p[start:start + o]
        start += o
        out.append((W, b))
    return out


def objective(params, X, Y, reg=REG):
    """X: examples in rows, Y: one-hot rows. Value and gradient."""
    (W1, b1), (W2, b2) = unpack(params)
    n = len(X)
    s1 = X @ W1 + b1
    h = 1 / (1 + np.exp(-s1))
    s2 = h @ W2 + b2
    e = np.exp(s2 - s2.max(axis=1, keepdims=True))
    q = e / e.sum(axis=1, keepdims=True)
    loss = -(Y * np.log(q)).sum() / n + reg / 2 * ((W1 ** 2).sum() + (W2 ** 2).sum())

    ds2 = (q - Y) / n
    dW2 = h.T @ ds2 + reg * W2
    db2 = ds2.sum(axis=0)
    dh = ds2 @ W2.T
    ds1 = dh * h * (1 - h)
    dW1 = X.T @ ds1 + reg * W1
    db1 = ds1.sum(axis=0)
    grad = np.concatenate([dW1.ravel(), db1, dW2.ravel(), db2])
    return loss, grad


if __name__ == "__main__":
    from scipy.optimize import minimize

    X = np.random.randn(50, 5)
    Y = np.eye(2)[(X[:, 0] > 0).astype(int)]
    found = minimize(objective, make_start(), args=(X, Y), jac=True, method="CG")
    print(found.fun)
