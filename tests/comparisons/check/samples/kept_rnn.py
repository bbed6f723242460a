import numpy as np


class VanillaRNN(object):
    """Character level model; gradients of the last pass are attributes."""

    def __init__(self, vocab_size, hidden_size=64, seq_length=20, lr=1e-1):
        self.vocab_size, self.hidden_size, self.seq_length, self.lr = vocab_size, hidden_size, seq_length, lr
        self.Wxh = np.random.randn(hidden_size, vocab_size) * 0.01
        self.Whh = np.random.randn(hidden_size, hidden_size) * 0.01
        self.Why = np.random.randn(vocab_size, hidden_size) * 0.01
        self.bh = np.zeros((hidden_size, 1))
        self.by = np.zeros((vocab_size, 1))
        self.mem = {n: np.zeros_like(getattr(self, n)) for n in ("Wxh", "Whh", "Why", "bh", "by")}

    def loss_pass(self, inputs, targets, h0):
        xs, hs, ps = {}, {-1: np.copy(h0)}, {}
        loss = 0
        for t in range(len(inputs)):
            xs[t] = np.zeros((self.vocab_size, 1))
            xs[t][inputs[t]] = 1
            hs[t] = np.tanh(self.Wxh @ xs[t] + self.Whh @ hs[t - 1] + self.bh)
            y = self.Why @ hs[t] + self.by
            ps[t] = np.exp(y) / np.sum(np.exp(y))
            loss += -np.log(ps[t][targets[t], 0])
        self.dWxh, self.dWhh, self.dWhy = map(np.zeros_like, (self.Wxh, self.Whh, self.Why))
        self.dbh, self.dby = np.zeros_like(self.bh), np.zeros_like(self.by)
        dhnext = np.zeros_like(hs[0])
        for t in reversed(range(len(inputs))):
            dy = np.copy(ps[t])
            dy[targets[t]] -= 1
            self.dWhy += dy @ hs[t].T
            self.dby += dy
            dh = self.Why.T @ dy + dhnext
            dhraw = (1 - hs[t] * hs[t]) * dh
            self.dbh += dhraw
            self.dWxh += dhraw @ xs[t].T
            self.dWhh += dhraw @ hs[t - 1].T
            dhnext = self.Whh.T @ dhraw
        return loss, hs[len(inputs) - 1]

    def step(self):
        for n in self.mem:
            d = np.clip(getattr(self, "d" + n), -5, 5)
            self.mem[n] += d * d
            setattr(self, n, getattr(self, n) - self.lr * d / np.sqrt(self.mem[n] + 1e-8))


if __name__ == "__main__":
    text = open("input.txt").read()
