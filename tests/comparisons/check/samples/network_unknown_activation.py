import numpy as np

class MLP:
    def __init__(self, n_in, n_hidden, n_out, lr=0.1):
        self.W1 = np.random.randn(n_in, n_hidden)
        self.b1 = np.zeros(n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out)
        self.b2 = np.zeros(n_out)
        self.lr = lr

    def elu(self, z):
        return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)

    def elu_prime(self, z):
        return np.where(z > 0, 1, np.exp(np.minimum(z, 0)))

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = self.elu(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        return self.softmax(self.z2)

    def backward(self, X, y):
        out = self.forward(X)
        d2 = (out - y) / len(X)
        self.dW2 = self.a1.T @ d2
        self.db2 = d2.sum(0)
        d1 = d2 @ self.W2.T * self.elu_prime(self.z1)
        self.dW1 = X.T @ d1
        self.db1 = d1.sum(0)
