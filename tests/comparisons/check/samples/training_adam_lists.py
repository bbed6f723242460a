import numpy as np
from tensorflow.keras.datasets import mnist

class MLP:
    def __init__(self, layer_sizes, learning_rate=0.001):
        self.weights = [np.random.randn(i, o) * np.sqrt(2 / i) for i, o in zip(layer_sizes[:-1], layer_sizes[1:])]
        self.biases = [np.zeros((1, o)) for o in layer_sizes[1:]]
        self.m_w = [np.zeros_like(w) for w in self.weights]
        self.v_w = [np.zeros_like(w) for w in self.weights]
        self.m_b = [np.zeros_like(b) for b in self.biases]
        self.v_b = [np.zeros_like(b) for b in self.biases]
        self.beta1, self.beta2, self.eps = 0.9, 0.999, 1e-8
        self.learning_rate = learning_rate
        self.iterations = 0

    def forward(self, x):
        self.a = [x]
        for i, (w, b) in enumerate(zip(self.weights, self.biases)):
            z = self.a[-1] @ w + b
            if i < len(self.weights) - 1:
                self.a.append(np.maximum(0, z))
            else:
                e = np.exp(z - np.max(z, axis=1, keepdims=True))
                self.a.append(e / np.sum(e, axis=1, keepdims=True))
        return self.a[-1]

    def train_step(self, x, y):
        out = self.forward(x)
        delta = (out - y) / x.shape[0]
        dw, db = [None] * len(self.weights), [None] * len(self.weights)
        for i in reversed(range(len(self.weights))):
            dw[i] = self.a[i].T @ delta
            db[i] = np.sum(delta, axis=0, keepdims=True)
            if i > 0:
                delta = (delta @ self.weights[i].T) * (self.a[i] > 0)
        self.iterations += 1
        for i in range(len(self.weights)):
            self.m_w[i] = self.beta1 * self.m_w[i] + (1 - self.beta1) * dw[i]
            self.v_w[i] = self.beta2 * self.v_w[i] + (1 - self.beta2) * (dw[i] ** 2)
            self.m_b[i] = self.beta1 * self.m_b[i] + (1 - self.beta1) * db[i]
            self.v_b[i] = self.beta2 * self.v_b[i] + (1 - self.beta2) * (db[i] ** 2)
            mw = self.m_w[i] / (1 - self.beta1 ** self.iterations)
            vw = self.v_w[i] / (1 - self.beta2 ** self.iterations)
            mb = self.m_b[i] / (1 - self.beta1 ** self.iterations)
            vb = self.v_b[i] / (1 - self.beta2 ** self.iterations)
            self.weights[i] -= self.learning_rate * mw / (np.sqrt(vw) + self.eps)
            self.biases[i] -= self.learning_rate * mb / (np.sqrt(vb) + self.eps)

    def fit(self, x, y, epochs=5, batch_size=64):
        for epoch in range(epochs):
            idx = np.random.permutation(len(x))
            for s in range(0, len(x), batch_size):
                b = idx[s:s + batch_size]
                self.train_step(x[b], y[b])

(x_train, y_train), (x_test, y_test) = mnist.load_data()
model = MLP([784, 128, 64, 10])
model.fit(x_train.reshape(-1, 784) / 255, np.eye(10)[y_train])
