"""Nesterov's momentum in training code, in the ways in which people look ahead."""
import copy

import numpy as np


def softmax(X):
    eX = np.exp((X.T - np.max(X, axis=1)).T)
    return (eX.T / eX.sum(axis=1)).T


class Net(object):
    def __init__(self, D, C, H):
        self.model = dict(W1=np.random.randn(D, H), W2=np.random.randn(H, C), b1=np.zeros((1, H)), b2=np.zeros((1, C)))

    def train_step(self, X, y):
        raise NotImplementedError


def nesterov(nn, batches, alpha=1e-3, n_iter=2000):
    velocity = {k: np.zeros_like(v) for k, v in nn.model.items()}
    gamma = .9

    for iter in range(1, n_iter + 1):
        X_mini, y_mini = batches[iter % len(batches)]

        nn_ahead = copy.deepcopy(nn)
        nn_ahead.model.update({k: v - gamma * velocity[k] for k, v in nn.model.items()})
        grad, loss = nn_ahead.train_step(X_mini, y_mini)

        for layer in grad:
            velocity[layer] = gamma * velocity[layer] + alpha * grad[layer]
            nn.model[layer] -= velocity[layer]

    return nn


def train_nag(X, Y, epochs=10, lr=0.01, mu=0.9):
    W1, W2 = np.random.randn(4, 3), np.random.randn(3, 2)
    vW1, vW2 = np.zeros_like(W1), np.zeros_like(W2)
    for epoch in range(epochs):
        W1_ahead = W1 + mu * vW1
        W2_ahead = W2 + mu * vW2
        A1 = np.tanh(np.dot(X, W1_ahead))
        dZ2 = np.dot(A1, W2_ahead) - Y
        dW2 = np.dot(A1.T, dZ2)
        dW1 = np.dot(X.T, np.dot(dZ2, W2_ahead.T) * (1 - A1 ** 2))
        vW1 = mu * vW1 - lr * dW1
        vW2 = mu * vW2 - lr * dW2
        W1 += vW1
        W2 += vW2
    return W1, W2


def train_in_place(params, data, gradients, learning_rate=0.1, momentum=0.9):
    """The parameters go ahead themselves, and then by the gradient alone."""
    v = {k: np.zeros_like(params[k]) for k in params}
    for X, y in data:
        for k in params:
            params[k] += momentum * v[k]
        grads = gradients(params, X, y)
        for k in params:
            params[k] -= momentum * v[k]
        for k in params:
            v[k] = momentum * v[k] - learning_rate * grads[k]
            params[k] = params[k] + v[k]
    return params


class Regression:
    def fit(self, X, y, lr=0.05, beta=0.9, epochs=100):
        self.theta = np.zeros(X.shape[1])
        velocity = np.zeros(X.shape[1])
        for _ in range(epochs):
            lookahead = self.theta - lr * beta * velocity
            gradient = X.T @ (X @ lookahead - y) / len(y)
            velocity = beta * velocity + gradient
            self.theta = self.theta - lr * velocity
        return self


def fit_averaged(X, y, alpha=0.05, gamma=0.9, epochs=100):
    weights = [np.zeros((3, 2)), np.zeros((1, 2))]
    velocities = [np.zeros_like(w) for w in weights]
    for _ in range(epochs):
        ahead = [w - alpha * gamma * v for w, v in zip(weights, velocities)]
        grads = backward(ahead, X, y)
        for i in range(len(weights)):
            velocities[i] = gamma * velocities[i] + (1 - gamma) * grads[i]
            weights[i] -= alpha * velocities[i]
    return weights
