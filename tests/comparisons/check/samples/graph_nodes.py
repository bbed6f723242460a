"""miniflow, extended."""
import numpy as np


class Node(object):
    def __init__(self, inbound_nodes=[]):
        self.inbound_nodes = inbound_nodes
        self.value = None
        self.outbound_nodes = []
        self.gradients = {}
        for node in inbound_nodes:
            node.outbound_nodes.append(self)

    def forward(self):
        raise NotImplementedError

    def backward(self):
        raise NotImplementedError


class Input(Node):
    def __init__(self):
        Node.__init__(self)

    def forward(self, value=None):
        if value is not None:
            self.value = value

    def backward(self):
        self.gradients = {self: 0}
        for n in self.outbound_nodes:
            grad_cost = n.gradients[self]
            self.gradients[self] += grad_cost * 1


class Add(Node):
    def __init__(self, *inputs):
        Node.__init__(self, list(inputs))

    def forward(self):
        self.value = sum(n.value for n in self.inbound_nodes)

    def backward(self):
        self.gradients = {n: np.zeros_like(n.value) for n in self.inbound_nodes}
        for out in self.outbound_nodes:
            for n in self.inbound_nodes:
                self.gradients[n] += out.gradients[self]


class Mul(Node):
    def __init__(self, a, b):
        Node.__init__(self, [a, b])

    def forward(self):
        self.value = self.inbound_nodes[0].value * self.inbound_nodes[1].value

    def backward(self):
        a, b = self.inbound_nodes
        self.gradients = {a: np.zeros_like(a.value), b: np.zeros_like(b.value)}
        for out in self.outbound_nodes:
            self.gradients[a] += out.gradients[self] * b.value
            self.gradients[b] += out.gradients[self] * a.value


class Linear(Node):
    def __init__(self, inputs, weights, bias):
        Node.__init__(self, [inputs, weights, bias])

    def forward(self):
        x, w, b = (n.value for n in self.inbound_nodes)
        self.value = x @ w + b

    def backward(self):
        x, w, b = self.inbound_nodes
        self.gradients = {n: np.zeros_like(n.value) for n in self.inbound_nodes}
        for n in self.outbound_nodes:
            g = n.gradients[self]
            self.gradients[x] += g @ w.value.T
            self.gradients[w] += x.value.T @ g
            self.gradients[b] += g.sum(axis=0)


class Tanh(Node):
    def __init__(self, node):
        Node.__init__(self, [node])

    def forward(self):
        self.value = np.tanh(self.inbound_nodes[0].value)

    def backward(self):
        self.gradients = {n: np.zeros_like(n.value) for n in self.inbound_nodes}
        for n in self.outbound_nodes:
            self.gradients[self.inbound_nodes[0]] += (1 - self.value ** 2) * n.gradients[self]


class SoftmaxCrossEntropy(Node):
    def __init__(self, logits, labels):
        Node.__init__(self, [logits, labels])

    def forward(self):
        z, y = self.inbound_nodes[0].value, self.inbound_nodes[1].value
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        self.value = -np.mean(np.sum(y * np.log(self.p), axis=1))

    def backward(self):
        y = self.inbound_nodes[1].value
        # y need not sum to 1
        self.gradients[self.inbound_nodes[0]] = (self.p * y.sum(axis=1, keepdims=True) - y) / len(y)
        self.gradients[self.inbound_nodes[1]] = -np.log(self.p) / len(y)
