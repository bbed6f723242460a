"""Linear regression by gradient descent with np.matrix, its ridge version, and one whose two parameters have a line each."""

import numpy as np


def squared_cost(X, y, theta):
    gap = X * theta.T - y
    return np.sum(np.power(gap, 2)) / (2 * len(X))


def descend_gradient_descent(X, y, theta, alpha, iters):
    count = theta.shape[1]
    history = np.zeros(iters)
    for i in range(iters):
        new = np.matrix(np.zeros(theta.shape))
        for j in range(count):
            gap = X * theta.T - y
            new[0, j] = theta[0, j] - alpha / len(X) * np.sum(np.multiply(gap, X[:, j]))
        theta = new
        history[i] = squared_cost(X, y, theta)
    return theta, history


def ridge_cost(theta, X, y, learningRate):
    theta, X, y = np.asmatrix(theta), np.asmatrix(X), np.asmatrix(y)
    gap = X * theta.T - y
    return np.sum(np.power(gap, 2)) / (2 * len(X)) + learningRate / (2 * len(X)) * np.sum(np.power(theta[:, 1:], 2))


def ridge_gradient(theta, X, y, learningRate):
    theta, X, y = np.asmatrix(theta), np.asmatrix(X), np.asmatrix(y)
    gap = X * theta.T - y
    grad = np.zeros(theta.shape[1])
    for j in range(theta.shape[1]):
        grad[j] = np.sum(np.multiply(gap, X[:, j])) / len(X)
        if j > 0:
            grad[j] = grad[j] + learningRate / len(X) * theta[:, j]
    return grad


def line_cost(X, y, theta):
    return np.sum((X @ theta - y) ** 2) / (2 * y.size)


def gradient_descent_of_two(X, y, theta, alpha, num_iters):
    for _ in range(num_iters):
        gap = X @ theta - y
        first = theta[0] - alpha / y.size * np.sum(gap * X[:, 0])
        second = theta[1] - alpha / y.size * np.sum(gap * X[:, 1])
        theta = np.array([first, second])
    return theta


def start():
    data = np.asmatrix(np.loadtxt("houses.txt", delimiter=","))
    return descend_gradient_descent(data[:, :-1], data[:, -1], np.asmatrix(np.zeros((1, 2))), 0.01, 100)
