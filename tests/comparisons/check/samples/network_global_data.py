import numpy as np
import pandas as pd
data = pd.read_csv('train.csv').values
X = data[:, 1:] / 255.
y = np.eye(10)[data[:, 0]]
n_samples = X.shape[0]
W1 = np.random.randn(4, 8) * 0.5
b1 = np.zeros((1, 8))
W2 = np.random.randn(8, 3) * 0.5
b2 = np.zeros((1, 3))
reg = 0.01

def forward():
    z1 = X.dot(W1) + b1
    a1 = np.tanh(z1)
    z2 = a1.dot(W2) + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    return a1, e / e.sum(axis=1, keepdims=True)

def loss(probs):
    return -np.sum(y * np.log(probs)) / n_samples + reg / 2 * (np.sum(W1 ** 2) + np.sum(W2 ** 2))

def backward(a1, probs):
    delta3 = (probs - y) / n_samples
    dW2 = a1.T.dot(delta3) + reg * W2
    db2 = np.sum(delta3, axis=0, keepdims=True)
    delta2 = delta3.dot(W2.T) * (1 - a1 ** 2)
    dW1 = X.T.dot(delta2) + reg * W1
    db1 = np.sum(delta2, axis=0, keepdims=True)
    return dW1, db1, dW2, db2

for i in range(1000):
    a1, probs = forward()
    dW1, db1, dW2, db2 = backward(a1, probs)
    W1 -= 0.1 * dW1
    b1 -= 0.1 * db1
    W2 -= 0.1 * dW2
    b2 -= 0.1 * db2
