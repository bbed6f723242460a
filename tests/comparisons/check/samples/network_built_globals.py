"""Functions that reach for weights which the main part makes, for images that are not here; an activation of its own."""
import numpy as np


def bent(z):
    return z / (1 + np.abs(z))


def forward(X):
    global Z, H
    Z = X @ W_in + b_in
    H = bent(Z)
    return H @ W_out + b_out


def backward(X, y, out):
    global W_in, b_in, W_out, b_out
    err = (out - y) / len(X)
    back = (err @ W_out.T) / (1 + np.abs(Z)) ** 2
    W_out = W_out - lr * (H.T @ err)
    b_out = b_out - lr * err.sum(axis=0)
    W_in = W_in - lr * (X.T @ back)
    b_in = b_in - lr * back.sum(axis=0)


if __name__ == "__main__":
    images = np.load("images.npz")
    X, y = images["x"], images["y"]
    pixels, wide, lr = 784, 32, 0.01
    W_in = np.random.randn(pixels, wide) * 0.05
    b_in = np.zeros(wide)
    W_out = np.random.randn(wide, 10) * 0.05
    b_out = np.zeros(10)
    for step in range(100):
        backward(X, y, forward(X))
