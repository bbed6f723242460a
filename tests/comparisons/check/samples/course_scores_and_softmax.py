"""Words from their neighbours: the forward function returns scores, and the training loop takes their softmax."""
import numpy as np
from helpers_that_are_not_here import word_batches


def initialise(n, v, seed=1):
    rng = np.random.RandomState(seed)
    return rng.rand(n, v), rng.rand(v, n), rng.rand(n, 1), rng.rand(v, 1)


def softmax(z):
    e = np.exp(z)
    return e / np.sum(e, axis=0)


def forward_prop(x, W1, W2, b1, b2):
    h = np.maximum(0, np.dot(W1, x) + b1)
    z = np.dot(W2, h) + b2
    return z, h


def compute_cost(y, yhat, batch_size):
    logprobs = np.multiply(np.log(yhat), y)
    return np.squeeze(-1 / batch_size * np.sum(logprobs))


def back_prop(x, yhat, y, h, W1, W2, b1, b2, batch_size):
    z1 = np.dot(W1, x) + b1
    l1 = np.dot(W2.T, yhat - y)
    l1[z1 < 0] = 0
    grad_W1 = np.dot(l1, x.T) / batch_size
    grad_W2 = np.dot(yhat - y, h.T) / batch_size
    grad_b1 = np.sum(l1, axis=1, keepdims=True) / batch_size
    grad_b2 = np.sum(yhat - y, axis=1, keepdims=True) / batch_size
    return grad_W1, grad_W2, grad_b1, grad_b2


def train(data, n, v, steps, alpha=0.03):
    W1, W2, b1, b2 = initialise(n, v)
    for i, (x, y) in enumerate(word_batches(data, v, 128)):
        z, h = forward_prop(x, W1, W2, b1, b2)
        yhat = softmax(z)
        if i % 10 == 0:
            print(i, compute_cost(y, yhat, 128))
        g1, g2, gb1, gb2 = back_prop(x, yhat, y, h, W1, W2, b1, b2, 128)
        W1, W2, b1, b2 = W1 - alpha * g1, W2 - alpha * g2, b1 - alpha * gb1, b2 - alpha * gb2
        if i == steps:
            return W1, W2, b1, b2
