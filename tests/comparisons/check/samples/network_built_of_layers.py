"""Layers hold the weights, the network is given them: how both are made shows below the classes alone."""
import numpy as np
import matplotlib.pyplot as plt


class Weights:
    def __init__(self, n_out, n_in):
        self.w = np.random.uniform(-1, 1, (n_in, n_out))
        self.b = np.zeros((1, n_out))


class TwoLayers:
    def __init__(self, lower, upper):
        self.lower, self.upper = lower, upper

    def think(self, x):
        hidden = np.tanh(x.dot(self.lower.w) + self.lower.b)
        return hidden, 1 / (1 + np.exp(-(hidden.dot(self.upper.w) + self.upper.b)))

    def train(self, inputs, targets, epochs):
        for _ in range(epochs):
            hidden, out = self.think(inputs)
            out_error = (targets - out) * out * (1 - out)
            hidden_error = out_error.dot(self.upper.w.T) * (1 - hidden ** 2)
            self.upper.w += hidden.T.dot(out_error)
            self.upper.b += out_error.sum(axis=0, keepdims=True)
            self.lower.w += inputs.T.dot(hidden_error)
            self.lower.b += hidden_error.sum(axis=0, keepdims=True)


def main(epochs=20000):
    table = np.loadtxt("table.csv", delimiter=",")
    inputs, targets = table[:, :-1], table[:, -1:]
    lower = Weights(5, inputs.shape[1])
    upper = Weights(1, 5)
    net = TwoLayers(lower, upper)
    net.train(inputs, targets, epochs)
    plt.plot(net.think(inputs)[1])
    plt.show()


if __name__ == "__main__":
    main()
