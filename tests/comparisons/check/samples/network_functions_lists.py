import numpy as np

def init_network(layers):
    weights, biases = [], []
    for i in range(len(layers) - 1):
        weights.append(np.random.randn(layers[i], layers[i + 1]) * np.sqrt(2 / layers[i]))
        biases.append(np.zeros(layers[i + 1]))
    return weights, biases

def feed_forward(x, weights, biases):
    zs, acts = [], [x]
    for i, (w, b) in enumerate(zip(weights, biases)):
        z = acts[-1] @ w + b
        zs.append(z)
        acts.append(np.maximum(0, z) if i < len(weights) - 1 else z)
    return zs, acts

def backprop(zs, acts, weights, y):
    n = len(y)
    grads_w = [None] * len(weights)
    grads_b = [None] * len(weights)
    delta = 2 * (acts[-1] - y) / y.size
    for i in reversed(range(len(weights))):
        grads_w[i] = acts[i].T @ delta
        grads_b[i] = delta.sum(axis=0)
        if i > 0:
            delta = (delta @ weights[i].T) * (zs[i - 1] > 0)
    return grads_w, grads_b
