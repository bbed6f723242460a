import numpy as np
import gzip, pickle

def load_data():
    with gzip.open('mnist.pkl.gz', 'rb') as f:
        train, valid, test = pickle.load(f, encoding='latin1')
    return train, valid, test

def train(X, Y, n_hidden=32, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, epochs=10, batch_size=64):
    n, d = X.shape
    k = Y.shape[1]
    W1 = np.random.randn(d, n_hidden) * 0.01
    b1 = np.zeros((1, n_hidden))
    W2 = np.random.randn(n_hidden, k) * 0.01
    b2 = np.zeros((1, k))
    m_W1, v_W1 = np.zeros_like(W1), np.zeros_like(W1)
    m_b1, v_b1 = np.zeros_like(b1), np.zeros_like(b1)
    m_W2, v_W2 = np.zeros_like(W2), np.zeros_like(W2)
    m_b2, v_b2 = np.zeros_like(b2), np.zeros_like(b2)
    t = 0
    for epoch in range(epochs):
        t += 1
        z1 = X.dot(W1) + b1
        a1 = np.tanh(z1)
        z2 = a1.dot(W2) + b2
        e = np.exp(z2 - z2.max(axis=1, keepdims=True))
        probs = e / e.sum(axis=1, keepdims=True)
        loss = -np.sum(Y * np.log(probs + 1e-12)) / n

        dz2 = (probs - Y) / n
        dW2 = a1.T.dot(dz2)
        db2 = dz2.sum(axis=0, keepdims=True)
        dz1 = dz2.dot(W2.T) * (1 - a1 ** 2)
        dW1 = X.T.dot(dz1)
        db1 = dz1.sum(axis=0, keepdims=True)

        # adam
        m_W1 = beta1 * m_W1 + (1 - beta1) * dW1
        v_W1 = beta2 * v_W1 + (1 - beta2) * dW1 ** 2
        m_b1 = beta1 * m_b1 + (1 - beta1) * db1
        v_b1 = beta2 * v_b1 + (1 - beta2) * db1 ** 2
        m_W2 = beta1 * m_W2 + (1 - beta1) * dW2
        v_W2 = beta2 * v_W2 + (1 - beta2) * dW2 ** 2
        m_b2 = beta1 * m_b2 + (1 - beta1) * db2
        v_b2 = beta2 * v_b2 + (1 - beta2) * db2 ** 2

        m_W1_hat = m_W1 / (1 - beta1 ** t)
        v_W1_hat = v_W1 / (1 - beta2 ** t)
        m_b1_hat = m_b1 / (1 - beta1 ** t)
        v_b1_hat = v_b1 / (1 - beta2 ** t)
        m_W2_hat = m_W2 / (1 - beta1 ** t)
        v_W2_hat = v_W2 / (1 - beta2 ** t)
        m_b2_hat = m_b2 / (1 - beta1 ** t)
        v_b2_hat = v_b2 / (1 - beta2 ** t)

        W1 -= lr * m_W1_hat / (np.sqrt(v_W1_hat) + eps)
        b1 -= lr * m_b1_hat / (np.sqrt(v_b1_hat) + eps)
        W2 -= lr * m_W2_hat / (np.sqrt(v_W2_hat) + eps)
        b2 -= lr * m_b2_hat / (np.sqrt(v_b2_hat) + eps)
        if epoch % 10 == 0:
            print(epoch, loss)
    return W1, b1, W2, b2
