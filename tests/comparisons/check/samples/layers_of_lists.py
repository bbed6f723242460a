"""Layers without NumPy: rows of numbers in lists, one example at a time."""
import math
import random


class Affine:
    def __init__(self, n_in, n_out):
        self.weights = [[random.gauss(0, 0.3) for _ in range(n_in)] for _ in range(n_out)]
        self.bias = [0.1 * random.random() for _ in range(n_out)]

    def forward(self, x):
        self.x = x
        return [sum(w * v for w, v in zip(row, x)) + b for row, b in zip(self.weights, self.bias)]

    def backward(self, grad):
        self.grad_weights = [[g * v for v in self.x] for g in grad]
        self.grad_bias = [g for g in grad]
        return [sum(row[j] * g for row, g in zip(self.weights, grad)) for j in range(len(self.x))]


class Tanh:
    def forward(self, x):
        self.out = [math.tanh(v) for v in x]
        return self.out

    def backward(self, grad):
        return [g * (1 - a * a) for g, a in zip(grad, self.out)]


class Chain:
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad
