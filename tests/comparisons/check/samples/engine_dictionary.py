from collections import defaultdict

import numpy as np


class Node:
    def __init__(self, value, local=()):
        self.value = value
        self.local = local

    def __add__(self, other):
        return add(self, other)

    def __truediv__(self, other):
        return mul(self, inverse(other))


def broadcast_back(shape, out):
    def undo(g):
        lead = len(out) - len(shape)
        axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(shape) if n == 1 and out[i + lead] > 1)
        return np.sum(g, axis=axes).reshape(shape)

    return undo


def add(a, b):
    value = a.value + b.value
    to_a, to_b = broadcast_back(a.value.shape, value.shape), broadcast_back(b.value.shape, value.shape)
    return Node(value, ((a, lambda g: to_a(g)), (b, lambda g: to_b(g))))


def mul(a, b):
    value = a.value * b.value
    to_a, to_b = broadcast_back(a.value.shape, value.shape), broadcast_back(b.value.shape, value.shape)
    return Node(value, ((a, lambda g: to_a(g * b.value)), (b, lambda g: to_b(g * a.value))))


def inverse(a):
    return Node(1.0 / a.value, ((a, lambda g: -g / a.value ** 2),))


def matmul(a, b):
    return Node(a.value @ b.value, ((a, lambda g: g @ b.value.T), (b, lambda g: a.value.T @ g)))


def log(a):
    return Node(np.log(a.value), ((a, lambda g: g / a.value),))


def get_gradients(node):
    gradients = defaultdict(lambda: 0)

    def walk(node, path):
        for child, through in node.local:
            arrives = through(path)
            gradients[child] += arrives
            walk(child, arrives)

    walk(node, np.ones(node.value.shape))
    return gradients
