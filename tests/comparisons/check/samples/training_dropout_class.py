import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

class NeuralNetwork:
    """two layer net with dropout, trained on the kaggle digits data"""
    def __init__(self, n_features, n_hidden, n_classes, lr=0.01, dropout_rate=0.5):
        self.W1 = np.random.randn(n_features, n_hidden) * np.sqrt(2. / n_features)
        self.b1 = np.zeros(n_hidden)
        self.W2 = np.random.randn(n_hidden, n_classes) * np.sqrt(2. / n_hidden)
        self.b2 = np.zeros(n_classes)
        self.lr = lr
        self.dropout_rate = dropout_rate

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, X, training=True):
        self.z1 = X.dot(self.W1) + self.b1
        self.a1 = np.maximum(0, self.z1)
        if training:
            self.mask1 = (np.random.rand(*self.a1.shape) > self.dropout_rate) / (1 - self.dropout_rate)
            self.a1 = self.a1 * self.mask1
        self.z2 = self.a1.dot(self.W2) + self.b2
        self.probs = self.softmax(self.z2)
        return self.probs

    def backward(self, X, y):
        m = X.shape[0]
        delta2 = self.probs - y
        dW2 = self.a1.T.dot(delta2) / m
        db2 = delta2.sum(axis=0) / m
        delta1 = delta2.dot(self.W2.T) * self.mask1
        delta1 = delta1 * (self.z1 > 0)
        dW1 = X.T.dot(delta1) / m
        db1 = delta1.sum(axis=0) / m
        self.W1 -= self.lr * dW1
        self.b1 -= self.lr * db1
        self.W2 -= self.lr * dW2
        self.b2 -= self.lr * db2

    def train(self, X, y, epochs=10, batch_size=64):
        for epoch in range(epochs):
            idx = np.random.permutation(len(X))
            for i in range(0, len(X), batch_size):
                batch = idx[i:i + batch_size]
                self.forward(X[batch], training=True)
                self.backward(X[batch], y[batch])

    def predict(self, X):
        return np.argmax(self.forward(X, training=False), axis=1)

df = pd.read_csv('../input/train.csv')
y = df['label'].values
X = df.drop('label', axis=1).values / 255.0
Y = np.eye(10)[y]
X_train, X_val, y_train, y_val = train_test_split(X, Y, test_size=0.2)
net = NeuralNetwork(784, 128, 10)
net.train(X_train, y_train)
print(np.mean(net.predict(X_val) == y_val.argmax(axis=1)))
