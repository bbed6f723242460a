import numpy as np
from scipy.optimize import minimize

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def cost(theta, X, y, learningRate):
    first = np.multiply(-y, np.log(sigmoid(X @ theta)))
    second = np.multiply((1 - y), np.log(1 - sigmoid(X @ theta)))
    reg = (learningRate / (2 * len(X))) * np.sum(np.power(theta[1:], 2))
    return np.sum(first - second) / len(X) + reg

def gradient(theta, X, y, learningRate):
    error = sigmoid(X @ theta) - y
    grad = X.T @ error / len(X)
    grad[1:] = grad[1:] + (learningRate / len(X)) * theta[1:]
    return grad
