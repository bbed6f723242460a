import numpy as np
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

np.random.seed(0)


class Linear:
    def __init__(self, n_in, n_out):
        self.w = np.random.randn(n_in, n_out) * np.sqrt(2 / n_in)
        self.b = np.zeros((1, n_out))

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dout):
        self.dw = self.x.T @ dout
        self.db = dout.sum(axis=0, keepdims=True)
        return dout @ self.w.T

    def step(self, lr):
        self.w -= lr * self.dw
        self.b -= lr * self.db


class ReLU:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout * (self.x > 0)

    def step(self, lr):
        pass


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


digits = load_digits()
X = digits.data / 16.0
y = digits.target
Y = np.eye(10)[y]

l1 = Linear(64, 32)
a1 = ReLU()
l2 = Linear(32, 10)
layers = [l1, a1, l2]
lr = 0.1
losses = []

for epoch in range(200):
    out = l1.forward(X)
    out = a1.forward(out)
    out = l2.forward(out)
    probs = softmax(out)
    loss = -np.mean(np.sum(Y * np.log(probs + 1e-9), axis=1))
    losses.append(loss)

    grad = (probs - Y) / len(X)
    grad = l2.backward(grad)
    grad = a1.backward(grad)
    grad = l1.backward(grad)

    for layer in layers:
        layer.step(lr)

    if epoch % 20 == 0:
        print(epoch, loss)

plt.plot(losses)
plt.show()
