import numpy as np
LAMBDA = 0.01
class Net:
    def __init__(self, n_x, n_h, n_y):
        self.W1 = np.random.randn(n_h, n_x) * 0.01; self.b1 = np.zeros((n_h, 1))
        self.W2 = np.random.randn(n_y, n_h) * 0.01; self.b2 = np.zeros((n_y, 1))
    def forward(self, X):
        self.Z1 = self.W1 @ X + self.b1; self.A1 = np.tanh(self.Z1)
        self.Z2 = self.W2 @ self.A1 + self.b2; self.A2 = 1 / (1 + np.exp(-self.Z2))
        return self.A2
    def backward(self, X, Y):
        m = X.shape[1]
        dZ2 = self.A2 - Y
        self.dW2 = dZ2 @ self.A1.T / m + LAMBDA / m * self.W2
        self.db2 = dZ2.sum(axis=1, keepdims=True) / m
        dZ1 = self.W2.T @ dZ2 * (1 - self.A1 ** 2)
        self.dW1 = dZ1 @ X.T / m + LAMBDA / m * self.W1
        self.db1 = dZ1.sum(axis=1, keepdims=True) / m
