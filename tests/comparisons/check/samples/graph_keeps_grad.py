import numpy as np


class Variable:
    """A leaf of the graph."""

    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)
        self.children = []

    def forward(self):
        return self.data

    def backward(self):
        pass


class Op:
    def __init__(self, *parents):
        self.parents = parents
        self.data = None
        self.grad = None


class MatMul(Op):
    def __init__(self, a, b):
        super().__init__(a, b)

    def forward(self):
        self.data = self.parents[0].data @ self.parents[1].data

    def backward(self):
        a, b = self.parents
        a.grad += self.grad @ b.data.T
        b.grad += a.data.T @ self.grad


class Bias(Op):
    def __init__(self, x, b):
        super().__init__(x, b)

    def forward(self):
        x, b = self.parents
        self.data = x.data + b.data

    def backward(self):
        x, b = self.parents
        x.grad += self.grad
        b.grad += self.grad.sum(axis=0)


class Relu(Op):
    def __init__(self, x):
        super().__init__(x)

    def forward(self):
        self.data = np.maximum(self.parents[0].data, 0)

    def backward(self):
        self.parents[0].grad += self.grad * (self.data > 0)
