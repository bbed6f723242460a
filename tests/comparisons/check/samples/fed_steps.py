"""Readers that are given one input after the other, then the targets: gradients are left in the object that holds the weights."""

import numpy as np


class Weights:
    def __init__(self, cells, x_dim):
        self.cells = cells
        self.wu = np.random.randn(cells, x_dim + cells) * 0.1
        self.wn = np.random.randn(cells, x_dim + cells) * 0.1
        self.bu, self.bn = np.zeros(cells), np.zeros(cells)
        self.clear()

    def clear(self):
        self.wu_diff, self.wn_diff = np.zeros_like(self.wu), np.zeros_like(self.wn)
        self.bu_diff, self.bn_diff = np.zeros_like(self.bu), np.zeros_like(self.bn)


class FirstCell:
    @classmethod
    def loss(cls, state, wanted):
        return (state[0] - wanted) ** 2

    @classmethod
    def slope(cls, state, wanted):
        g = np.zeros_like(state)
        g[0] = 2 * (state[0] - wanted)
        return g


class GatedReader:
    """h is the old h as far as the gate u is shut, n as far as it is open."""

    def __init__(self, weights):
        self.weights = weights
        self.steps = []

    def feed(self, x):
        w = self.weights
        h = self.steps[-1][-1] if self.steps else np.zeros(w.cells)
        joined = np.hstack((x, h))
        u = 1 / (1 + np.exp(-(w.wu @ joined + w.bu)))
        n = np.tanh(w.wn @ joined + w.bn)
        self.steps.append((joined, h, u, n, (1 - u) * h + u * n))

    def targets_are(self, targets, first_cell):
        w, total, later = self.weights, 0.0, np.zeros(self.weights.cells)
        for (joined, h, u, n, out), wanted in zip(self.steps[::-1], targets[::-1]):
            total += first_cell.loss(out, wanted)
            d = first_cell.slope(out, wanted) + later
            au = d * (n - h) * u * (1 - u)
            an = d * u * (1 - n**2)
            w.wu_diff += np.outer(au, joined)
            w.wn_diff += np.outer(an, joined)
            w.bu_diff += au
            w.bn_diff += an
            later = d * (1 - u) + (w.wu.T @ au + w.wn.T @ an)[-len(h) :]
        return total


class LetterReader:
    def __init__(self, vocab_size, hidden_size=64):
        rng = np.random.default_rng(0)
        self.params = {
            "E": 0.1 * rng.standard_normal((vocab_size, hidden_size)),
            "W": 0.1 * rng.standard_normal((hidden_size, hidden_size)),
            "V": 0.1 * rng.standard_normal((hidden_size, vocab_size)),
        }
        self.grads = {name: np.zeros_like(a) for name, a in self.params.items()}
        self.letters, self.states = [], [np.zeros(hidden_size)]

    def push(self, inp):
        self.letters.append(inp)
        self.states.append(np.tanh(self.params["E"][inp] + self.states[-1] @ self.params["W"]))

    def compute_loss(self, targets):
        self.probs, total = [], 0.0
        for h, t in zip(self.states[1:], targets):
            e = np.exp(h @ self.params["V"])
            self.probs.append(e / e.sum())
            total -= np.log(self.probs[-1][t])
        return total / len(targets)

    def backward(self, targets):
        later = np.zeros_like(self.states[0])
        for t in reversed(range(len(targets))):
            dz = self.probs[t].copy()
            dz[targets[t]] -= 1
            dz /= len(targets)
            self.grads["V"] += np.outer(self.states[t + 1], dz)
            da = (self.params["V"] @ dz + later) * (1 - self.states[t + 1] ** 2)
            self.grads["E"][self.letters[t]] += da
            self.grads["W"] += np.outer(self.states[t], da)
            later = self.params["W"] @ da
