"""Softmax network on MNIST, mini-batches, plain script."""
import gzip, pickle
import numpy as np
import matplotlib.pyplot as plt

with gzip.open('mnist.pkl.gz', 'rb') as f:
    train_set, valid_set, test_set = pickle.load(f, encoding='latin1')

X_train, y_train = train_set
Y_train = np.eye(10)[y_train]
m = 50000

D = X_train.shape[1]
H = 64
K = 10
lr = 0.1
batch_size = 32

w1 = 0.01 * np.random.randn(D, H)
b1 = np.zeros((1, H))
w2 = 0.01 * np.random.randn(H, K)
b2 = np.zeros((1, K))


def relu(z):
    return np.maximum(z, 0)


def forward(x):
    h = relu(x.dot(w1) + b1)
    scores = h.dot(w2) + b2
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)


losses = []
for epoch in range(20):
    h, probs = forward(X_train)
    losses.append(-np.log(probs[np.arange(len(probs)), Y_train.argmax(axis=1)]).mean())

    dscores = (probs - Y_train) / m
    dw2 = h.T.dot(dscores)
    db2 = dscores.sum(axis=0, keepdims=True)
    dh = dscores.dot(w2.T)
    dh[h <= 0] = 0
    dw1 = X_train.T.dot(dh)
    db1 = dh.sum(axis=0, keepdims=True)

    w1 -= lr * dw1
    b1 -= lr * db1
    w2 -= lr * dw2
    b2 -= lr * db2
    print(epoch, losses[-1])

plt.plot(losses)
plt.show()
