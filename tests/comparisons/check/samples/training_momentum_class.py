import numpy as np
from keras.datasets import mnist

class Net:
    def __init__(self, sizes, lr=0.1, momentum=0.9):
        n_in, n_h, n_out = sizes
        self.W1 = np.random.randn(n_h, n_in) / np.sqrt(n_in)
        self.b1 = np.zeros((n_h, 1))
        self.W2 = np.random.randn(n_out, n_h) / np.sqrt(n_h)
        self.b2 = np.zeros((n_out, 1))
        self.lr, self.mu = lr, momentum
        self.vW1 = np.zeros(self.W1.shape)
        self.vb1 = np.zeros(self.b1.shape)
        self.vW2 = np.zeros(self.W2.shape)
        self.vb2 = np.zeros(self.b2.shape)

    def sigmoid(self, z):
        return 1.0 / (1.0 + np.exp(-z))

    def fit(self, X, Y, epochs=20):
        m = X.shape[1]
        for epoch in range(epochs):
            A1 = self.sigmoid(self.W1 @ X + self.b1)
            A2 = self.sigmoid(self.W2 @ A1 + self.b2)
            dZ2 = A2 - Y
            dW2 = dZ2 @ A1.T / m
            db2 = dZ2.sum(axis=1, keepdims=True) / m
            dZ1 = self.W2.T @ dZ2 * A1 * (1 - A1)
            dW1 = dZ1 @ X.T / m
            db1 = dZ1.sum(axis=1, keepdims=True) / m
            self.vW2 = self.mu * self.vW2 - self.lr * dW2
            self.W2 += self.vW2
            self.vb2 = self.mu * self.vb2 - self.lr * db2
            self.b2 += self.vb2
            self.vW1 = self.mu * self.vW1 - self.lr * dW1
            self.W1 += self.vW1
            self.vb1 = self.mu * self.vb1 - self.lr * db1
            self.b1 += self.vb1

(x_train, y_train), (x_test, y_test) = mnist.load_data()
X = x_train.reshape(60000, 784).T / 255.
Y = np.eye(10)[y_train].T
net = Net([784, 64, 10])
net.fit(X, Y)
