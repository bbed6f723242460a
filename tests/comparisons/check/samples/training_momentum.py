import numpy as np
from tensorflow.keras.datasets import fashion_mnist

def softmax(z):
    z = z - np.max(z, axis=1, keepdims=True)
    return np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)

def train_with_momentum(x_train, y_train, epochs=5, batch_size=128, learning_rate=0.1, beta=0.9):
    m, n = x_train.shape
    w1 = np.random.randn(n, 64) * 0.01
    b1 = np.zeros((1, 64))
    w2 = np.random.randn(64, 10) * 0.01
    b2 = np.zeros((1, 10))
    vdw1, vdw2 = np.zeros(w1.shape), np.zeros(w2.shape)
    vdb1, vdb2 = np.zeros(b1.shape), np.zeros(b2.shape)
    for epoch in range(epochs):
        perm = np.random.permutation(m)
        for k in range(0, m, batch_size):
            idx = perm[k:k + batch_size]
            xb, yb = x_train[idx], y_train[idx]
            h = np.maximum(0, xb @ w1 + b1)
            p = softmax(h @ w2 + b2)
            dz2 = (p - yb) / len(xb)
            dw2 = h.T @ dz2
            db2 = dz2.sum(axis=0, keepdims=True)
            dz1 = (dz2 @ w2.T) * (h > 0)
            dw1 = xb.T @ dz1
            db1 = dz1.sum(axis=0, keepdims=True)
            vdw1 = beta * vdw1 + (1 - beta) * dw1
            vdb1 = beta * vdb1 + (1 - beta) * db1
            vdw2 = beta * vdw2 + (1 - beta) * dw2
            vdb2 = beta * vdb2 + (1 - beta) * db2
            w1 -= learning_rate * vdw1
            b1 -= learning_rate * vdb1
            w2 -= learning_rate * vdw2
            b2 -= learning_rate * vdb2
    return w1, b1, w2, b2

(x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
x_train = x_train.reshape(-1, 784) / 255.0
y_train = np.eye(10)[y_train]
train_with_momentum(x_train, y_train)
