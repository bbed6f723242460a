"""A network with a linear output whose changes are summed over the records of a batch, by methods that hand them on."""

import numpy as np


class RentalNet:
    """Squared error of a number of rentals."""

    def __init__(self, input_nodes, hidden_nodes, output_nodes, learning_rate):
        self.w_in = np.random.normal(0.0, input_nodes**-0.5, (input_nodes, hidden_nodes))
        self.w_out = np.random.normal(0.0, hidden_nodes**-0.5, (hidden_nodes, output_nodes))
        self.lr = learning_rate
        self.squash = lambda z: 1 / (1 + np.exp(-z))

    def train(self, features, targets):
        n_records = features.shape[0]
        change_in = np.zeros(self.w_in.shape)
        change_out = np.zeros(self.w_out.shape)
        for X, y in zip(features, targets):
            out, hidden = self.forward_pass(X)
            change_in, change_out = self.backpropagation(out, hidden, X, y, change_in, change_out)
        self.w_out += self.lr * change_out / n_records
        self.w_in += self.lr * change_in / n_records

    def forward_pass(self, X):
        hidden = self.squash(np.dot(X, self.w_in))
        return np.dot(hidden, self.w_out), hidden

    def backpropagation(self, out, hidden, X, y, change_in, change_out):
        error = y - out
        output_term = error
        hidden_term = np.dot(self.w_out, output_term) * hidden * (1 - hidden)
        change_in += hidden_term * X[:, None]
        change_out += output_term * hidden[:, None]
        return change_in, change_out

    def run(self, features):
        hidden = self.squash(np.dot(features, self.w_in))
        return np.dot(hidden, self.w_out)
