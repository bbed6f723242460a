"""A class whose cost and gradient are handed what the forward pass returned, and its own weights, by their caller."""
import numpy as np


class Classifier:
    def __init__(self, n_output, n_features, n_hidden=30, l1=0.0, l2=0.0, epochs=500, eta=0.001, minibatches=1):
        self.n_output = n_output
        self.n_features = n_features
        self.n_hidden = n_hidden
        self.w1, self.w2 = self._initialize_weights()
        self.l1, self.l2 = l1, l2
        self.epochs, self.eta, self.minibatches = epochs, eta, minibatches

    def _initialize_weights(self):
        w1 = np.random.uniform(-1.0, 1.0, size=(self.n_hidden, self.n_features + 1))
        w2 = np.random.uniform(-1.0, 1.0, size=(self.n_output, self.n_hidden + 1))
        return w1, w2

    def _sigmoid(self, z):
        return 1.0 / (1.0 + np.exp(-z))

    def _sigmoid_gradient(self, z):
        sg = self._sigmoid(z)
        return sg * (1 - sg)

    def _add_bias_unit(self, X, how):
        if how == 'column':
            return np.hstack([np.ones((X.shape[0], 1)), X])
        return np.vstack([np.ones((1, X.shape[1])), X])

    def _feedforward(self, X, w1, w2):
        a1 = self._add_bias_unit(X, 'column')
        z2 = w1.dot(a1.T)
        a2 = self._add_bias_unit(self._sigmoid(z2), 'row')
        z3 = w2.dot(a2)
        a3 = self._sigmoid(z3)
        return a1, z2, a2, z3, a3

    def _get_cost(self, y_enc, output, w1, w2):
        cost = np.sum(-y_enc * np.log(output) - (1 - y_enc) * np.log(1 - output))
        cost += self.l1 * (np.abs(w1[:, 1:]).sum() + np.abs(w2[:, 1:]).sum())
        return cost + self.l2 / 2.0 * (np.sum(w1[:, 1:] ** 2) + np.sum(w2[:, 1:] ** 2))

    def _get_gradient(self, a1, a2, a3, z2, y_enc, w1, w2):
        sigma3 = a3 - y_enc
        z2 = self._add_bias_unit(z2, 'row')
        sigma2 = w2.T.dot(sigma3) * self._sigmoid_gradient(z2)
        grad1 = sigma2[1:, :].dot(a1)
        grad2 = sigma3.dot(a2.T)
        grad1[:, 1:] += self.l1 * np.sign(w1[:, 1:]) + self.l2 * w1[:, 1:]
        grad2[:, 1:] += self.l1 * np.sign(w2[:, 1:]) + self.l2 * w2[:, 1:]
        return grad1, grad2

    def fit(self, X, y_enc):
        for _ in range(self.epochs):
            for idx in np.array_split(np.arange(len(X)), self.minibatches):
                a1, z2, a2, z3, a3 = self._feedforward(X[idx], self.w1, self.w2)
                self.cost_ = self._get_cost(y_enc=y_enc[:, idx], output=a3, w1=self.w1, w2=self.w2)
                grad1, grad2 = self._get_gradient(
                    a1=a1, a2=a2, a3=a3, z2=z2, y_enc=y_enc[:, idx], w1=self.w1, w2=self.w2
                )
                self.w1 -= self.eta * grad1
                self.w2 -= self.eta * grad2
        return self
