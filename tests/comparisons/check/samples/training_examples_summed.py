import numpy as np
import pickle

with open('data.pkl', 'rb') as f:
    X_train, y_train = pickle.load(f)

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def fit(X, y, hidden=10, lr=0.1, epochs=50):
    n, d = X.shape
    W1 = np.random.randn(hidden, d)
    b1 = np.zeros(hidden)
    W2 = np.random.randn(1, hidden)
    b2 = np.zeros(1)
    for epoch in range(epochs):
        dW1, db1 = np.zeros_like(W1), np.zeros_like(b1)
        dW2, db2 = np.zeros_like(W2), np.zeros_like(b2)
        cost = 0
        for i in range(n):
            x, t = X[i], y[i]
            a1 = sigmoid(W1.dot(x) + b1)
            a2 = sigmoid(W2.dot(a1) + b2)
            cost += -(t * np.log(a2) + (1 - t) * np.log(1 - a2))
            d2 = a2 - t
            d1 = W2.T.dot(d2) * a1 * (1 - a1)
            dW2 += np.outer(d2, a1)
            db2 += d2
            dW1 += np.outer(d1, x)
            db1 += d1
        W1 -= lr * dW1 / n
        b1 -= lr * db1 / n
        W2 -= lr * dW2 / n
        b2 -= lr * db2 / n
    return W1, b1, W2, b2

params = fit(X_train, y_train)
