"""A recurrent model put together from small gates, which are made once and shared."""

import numpy as np


class Matmul:
    def forward(self, W, v):
        return W.dot(v)

    def backward(self, W, v, dout):
        return np.outer(dout, v), W.T.dot(dout)


class Squash:
    def forward(self, v):
        return np.tanh(v)

    def backward(self, v, dout):
        return dout * (1.0 - self.forward(v) ** 2)


class Softmax:
    def probs(self, v):
        e = np.exp(v - np.max(v))
        return e / e.sum()


mul = Matmul()
squash = Squash()
softmax = Softmax()


class SequenceModel:
    def __init__(self, n_words, n_hidden=50):
        self.n_words, self.n_hidden = n_words, n_hidden
        self.U = np.random.randn(n_hidden, n_words) * 0.1
        self.W = np.random.randn(n_hidden, n_hidden) * 0.1
        self.V = np.random.randn(n_words, n_hidden) * 0.1

    def forward(self, x):
        state, steps = np.zeros(self.n_hidden), []
        for word in x:
            onehot = np.zeros(self.n_words)
            onehot[word] = 1
            total = mul.forward(self.U, onehot) + mul.forward(self.W, state)
            previous, state = state, squash.forward(total)
            steps.append((onehot, previous, total, state, softmax.probs(mul.forward(self.V, state))))
        return steps

    def loss(self, x, y):
        return -sum(np.log(step[-1][word]) for step, word in zip(self.forward(x), y)) / len(y)

    def bptt(self, x, y):
        steps = self.forward(x)
        dU, dW, dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        carried = np.zeros(self.n_hidden)
        for (onehot, previous, total, state, probs), word in reversed(list(zip(steps, y))):
            dscores = probs.copy()
            dscores[word] -= 1
            dscores /= len(y)
            dV_t, dstate = mul.backward(self.V, state, dscores)
            dtotal = squash.backward(total, dstate + carried)
            dW_t, carried = mul.backward(self.W, previous, dtotal)
            dU_t, _ = mul.backward(self.U, onehot, dtotal)
            dV += dV_t
            dW += dW_t
            dU += dU_t
        return dU, dW, dV
