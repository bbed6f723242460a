import numpy as np

class NeuralNet:
    """Deep network, columns, everything in dictionaries."""
    def __init__(self, layer_dims, learning_rate=0.0075, num_iterations=3000):
        self.layer_dims = layer_dims
        self.learning_rate = learning_rate
        self.num_iterations = num_iterations
        self.parameters = {}
        self.L = len(layer_dims) - 1
        np.random.seed(1)
        for l in range(1, self.L + 1):
            self.parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) / np.sqrt(layer_dims[l - 1])
            self.parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))

    def sigmoid(self, Z):
        return 1 / (1 + np.exp(-Z))

    def forward(self, X):
        store = {}
        A = X.T
        for l in range(self.L - 1):
            Z = self.parameters["W" + str(l + 1)].dot(A) + self.parameters["b" + str(l + 1)]
            A = self.sigmoid(Z)
            store["A" + str(l + 1)] = A
            store["W" + str(l + 1)] = self.parameters["W" + str(l + 1)]
            store["Z" + str(l + 1)] = Z
        Z = self.parameters["W" + str(self.L)].dot(A) + self.parameters["b" + str(self.L)]
        A = np.exp(Z - np.max(Z))
        A = A / A.sum(axis=0, keepdims=True)
        store["A" + str(self.L)] = A
        store["W" + str(self.L)] = self.parameters["W" + str(self.L)]
        store["Z" + str(self.L)] = Z
        return A, store

    def sigmoid_derivative(self, Z):
        s = 1 / (1 + np.exp(-Z))
        return s * (1 - s)

    def backward(self, X, Y, store):
        derivatives = {}
        n = X.shape[0]
        store["A0"] = X.T
        A = store["A" + str(self.L)]
        dZ = A - Y.T
        dW = dZ.dot(store["A" + str(self.L - 1)].T) / n
        db = np.sum(dZ, axis=1, keepdims=True) / n
        dAPrev = store["W" + str(self.L)].T.dot(dZ)
        derivatives["dW" + str(self.L)] = dW
        derivatives["db" + str(self.L)] = db
        for l in range(self.L - 1, 0, -1):
            dZ = dAPrev * self.sigmoid_derivative(store["Z" + str(l)])
            dW = 1. / n * dZ.dot(store["A" + str(l - 1)].T)
            db = 1. / n * np.sum(dZ, axis=1, keepdims=True)
            if l > 1:
                dAPrev = store["W" + str(l)].T.dot(dZ)
            derivatives["dW" + str(l)] = dW
            derivatives["db" + str(l)] = db
        return derivatives

    def fit(self, X, Y):
        for loop in range(self.num_iterations):
            A, store = self.forward(X)
            cost = -np.mean(Y * np.log(A.T + 1e-8))
            derivatives = self.backward(X, Y, store)
            for l in range(1, self.L + 1):
                self.parameters["W" + str(l)] = self.parameters["W" + str(l)] - self.learning_rate * derivatives["dW" + str(l)]
                self.parameters["b" + str(l)] = self.parameters["b" + str(l)] - self.learning_rate * derivatives["db" + str(l)]
