import numpy as np
import pandas as pd
from sklearn.preprocessing import MinMaxScaler


class BinaryNet:
    """One hidden layer, everything is kept in the object."""

    def __init__(self, hidden_units=16, eta=0.1, n_epochs=200, seed=None):
        self.hidden_units = hidden_units
        self.eta = eta
        self.n_epochs = n_epochs
        self.seed = seed
        self.X = None
        self.y = None
        self.weights = {}
        self.cache = {}
        self.history = []

    def _initialise(self, n_features):
        rgen = np.random.RandomState(self.seed)
        self.weights["W1"] = rgen.normal(scale=0.1, size=(n_features, self.hidden_units))
        self.weights["b1"] = np.zeros((1, self.hidden_units))
        self.weights["W2"] = rgen.normal(scale=0.1, size=(self.hidden_units, 1))
        self.weights["b2"] = np.zeros((1, 1))

    @staticmethod
    def _sigmoid(z):
        return 1.0 / (1.0 + np.exp(-np.clip(z, -250, 250)))

    def _forward(self):
        z1 = self.X @ self.weights["W1"] + self.weights["b1"]
        a1 = np.tanh(z1)
        z2 = a1 @ self.weights["W2"] + self.weights["b2"]
        self.cache["A1"] = a1
        self.cache["A2"] = self._sigmoid(z2)
        return self.cache["A2"]

    def _loss(self):
        p = np.clip(self.cache["A2"], 1e-12, 1 - 1e-12)
        return -np.mean(self.y * np.log(p) + (1 - self.y) * np.log(1 - p))

    def _backward(self):
        m = self.X.shape[0]
        dz2 = (self.cache["A2"] - self.y) / m
        dw2 = self.cache["A1"].T @ dz2
        db2 = dz2.sum(axis=0, keepdims=True)
        dz1 = (dz2 @ self.weights["W2"].T) * (1 - self.cache["A1"] ** 2)
        dw1 = self.X.T @ dz1
        db1 = dz1.sum(axis=0, keepdims=True)
        self.weights["W2"] -= self.eta * dw2
        self.weights["b2"] -= self.eta * db2
        self.weights["W1"] -= self.eta * dw1
        self.weights["b1"] -= self.eta * db1

    def fit(self, X, y):
        self.X = np.asarray(X, dtype=float)
        self.y = np.asarray(y, dtype=float).reshape(-1, 1)
        self._initialise(self.X.shape[1])
        for _ in range(self.n_epochs):
            self._forward()
            self.history.append(self._loss())
            self._backward()
        return self

    def predict(self, X):
        h = np.tanh(X @ self.weights["W1"] + self.weights["b1"])
        return (self._sigmoid(h @ self.weights["W2"] + self.weights["b2"]) >= 0.5).astype(int)


if __name__ == "__main__":
    df = pd.read_csv("diabetes.csv")
    X = MinMaxScaler().fit_transform(df.drop("Outcome", axis=1))
    net = BinaryNet(hidden_units=12).fit(X, df["Outcome"])
    print((net.predict(X).ravel() == df["Outcome"]).mean())
