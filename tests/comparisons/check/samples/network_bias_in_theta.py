import numpy as np
def sigmoid(z): return 1 / (1 + np.exp(-z))
class NN:
    def __init__(self, n_in, n_hidden, n_out):
        self.theta1 = np.random.randn(n_hidden, n_in + 1) * 0.12
        self.theta2 = np.random.randn(n_out, n_hidden + 1) * 0.12
    def forward(self, X):
        m = X.shape[0]
        a1 = np.insert(X, 0, values=np.ones(m), axis=1)
        z2 = a1 @ self.theta1.T
        a2 = np.insert(sigmoid(z2), 0, values=np.ones(m), axis=1)
        z3 = a2 @ self.theta2.T
        return a1, z2, a2, z3, sigmoid(z3)
    def backprop(self, X, y):
        m = X.shape[0]
        a1, z2, a2, z3, h = self.forward(X)
        d3 = h - y
        d2 = (d3 @ self.theta2)[:, 1:] * sigmoid(z2) * (1 - sigmoid(z2))
        self.grad1 = d2.T @ a1 / m
        self.grad2 = d3.T @ a2 / m
        return self.grad1, self.grad2
