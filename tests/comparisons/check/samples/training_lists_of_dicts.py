# Backprop without any library: a network is a list of layers, a layer a list of units, a unit a dictionary.
from math import exp
from random import random, seed


def squash(z):
    return 1.0 / (1.0 + exp(-z))


def run_forward(net, row):
    signal = row
    for layer in net:
        out = []
        for unit in layer:
            z = unit['w'][-1] + sum(w * s for w, s in zip(unit['w'], signal))
            unit['out'] = squash(z)
            out.append(unit['out'])
        signal = out
    return signal


def run_backward(net, wanted):
    for i in range(len(net) - 1, -1, -1):
        for j, unit in enumerate(net[i]):
            if i == len(net) - 1:
                error = wanted[j] - unit['out']
            else:
                error = sum(after['w'][j] * after['delta'] for after in net[i + 1])
            unit['delta'] = error * unit['out'] * (1 - unit['out'])


def change_weights(net, row, rate, momentum):
    for i, layer in enumerate(net):
        inputs = row[:-1] if i == 0 else [unit['out'] for unit in net[i - 1]]
        for unit in layer:
            last = unit['last']
            for j in range(len(inputs)):
                last[j] = rate * unit['delta'] * inputs[j] + momentum * last[j]
                unit['w'][j] += last[j]
            last[-1] = rate * unit['delta'] + momentum * last[-1]
            unit['w'][-1] += last[-1]


def make(sizes):
    return [[{'w': [random() - .5 for _ in range(a + 1)], 'last': [0.0] * (a + 1)} for _ in range(b)]
            for a, b in zip(sizes, sizes[1:])]


if __name__ == '__main__':
    seed(3)
    rows = [[float(v) for v in line.split(',')] for line in open('seeds.csv')]
    net = make([len(rows[0]) - 1, 5, 3])
    for epoch in range(300):
        for row in rows:
            run_forward(net, row)
            run_backward(net, [1.0 if k == int(row[-1]) else 0.0 for k in range(3)])
            change_weights(net, row, 0.3, 0.5)
