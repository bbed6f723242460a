"""A network of plain lists that the main part makes, one row of weights for each neuron, the bias last."""
from math import exp
from random import random, seed


def fire(row, values):
    return 1 / (1 + exp(-sum(w * v for w, v in zip(row, values))))


def feed_forward(layers, values):
    every = []
    for layer in layers:
        values = [fire(row, values + [1]) for row in layer]
        every.append(values)
    return every


def backpropagate(layers, values, wanted):
    inner, outer = feed_forward(layers, values)
    outer_deltas = [o * (1 - o) * (o - t) for o, t in zip(outer, wanted)]
    inner_deltas = [h * (1 - h) * sum(d * row[j] for d, row in zip(outer_deltas, layers[1])) for j, h in enumerate(inner)]
    for delta, row in zip(outer_deltas, layers[1]):
        for j, h in enumerate(inner + [1]):
            row[j] -= delta * h
    for delta, row in zip(inner_deltas, layers[0]):
        for j, v in enumerate(values + [1]):
            row[j] -= delta * v


if __name__ == "__main__":
    seed(3)
    pairs = [([0, 0, 1], [0, 1]), ([0, 1, 0], [1, 0]), ([1, 1, 1], [1, 1])]
    wide = 4
    brain = []
    for n_in, n_out in ((3, wide), (wide, 2)):
        brain.append([[2 * random() - 1 for _ in range(n_in + 1)] for _ in range(n_out)])
    for _ in range(5000):
        for values, wanted in pairs:
            backpropagate(brain, values, wanted)
    print([feed_forward(brain, values)[-1] for values, _ in pairs])
