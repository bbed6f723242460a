"""A sine wave, one number after the other: all in one script, example by example."""
import math

import numpy as np
import matplotlib.pyplot as plt

wave = np.array([math.sin(0.3 * t + 0.5) for t in np.arange(120)])
seq_len = 25
X, Y = [], []
for i in range(len(wave) - seq_len - 30):
    X.append(wave[i:i + seq_len])
    Y.append(wave[i + seq_len])
X = np.expand_dims(np.array(X), axis=2)
Y = np.expand_dims(np.array(Y), axis=1)

learning_rate = 0.01
nepoch = 40
T = 25
hidden_dim = 64
output_dim = 1

U = np.random.uniform(-0.5, 0.5, (hidden_dim, 1))
W = np.random.uniform(-0.1, 0.1, (hidden_dim, hidden_dim))
V = np.random.uniform(-0.5, 0.5, (output_dim, hidden_dim))

for epoch in range(nepoch):
    loss = 0.0
    for i in range(Y.shape[0]):
        x, y = X[i], Y[i]
        prev_s = np.zeros((hidden_dim, 1))
        for t in range(T):
            s = np.tanh(np.dot(U, x[t].reshape(1, 1)) + np.dot(W, prev_s))
            prev_s = s
        loss += ((y - np.dot(V, s)) ** 2 / 2).item()
    print("epoch", epoch, "loss", loss / Y.shape[0])

    for i in range(Y.shape[0]):
        x, y = X[i], Y[i]
        states = [np.zeros((hidden_dim, 1))]
        for t in range(T):
            states.append(np.tanh(np.dot(U, x[t].reshape(1, 1)) + np.dot(W, states[-1])))
        error = np.dot(V, states[-1]) - y
        dV = np.dot(error, states[-1].T)
        dU, dW = np.zeros_like(U), np.zeros_like(W)
        ds = np.dot(V.T, error)
        for t in range(T, 0, -1):
            dz = (1 - states[t] ** 2) * ds
            dW += np.dot(dz, states[t - 1].T)
            dU += np.dot(dz, x[t - 1].reshape(1, 1))
            ds = np.dot(W.T, dz)
        U -= learning_rate * dU
        V -= learning_rate * dV
        W -= learning_rate * dW

plt.plot(wave)
plt.show()
