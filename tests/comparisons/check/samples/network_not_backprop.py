import numpy as np
def unit_step_func(x):
    return np.where(x > 0, 1, 0)
class Perceptron:
    def __init__(self, learning_rate=0.01, n_iters=1000):
        self.lr = learning_rate
        self.n_iters = n_iters
        self.activation_func = unit_step_func
        self.weights = None
        self.bias = None
    def fit(self, X, y):
        n_samples, n_features = X.shape
        self.weights = np.zeros(n_features)
        self.bias = 0
        y_ = np.where(y > 0, 1, 0)
        for _ in range(self.n_iters):
            for idx, x_i in enumerate(X):
                linear_output = np.dot(x_i, self.weights) + self.bias
                y_predicted = self.activation_func(linear_output)
                update = self.lr * (y_[idx] - y_predicted)
                self.weights += update * x_i
                self.bias += update
    def predict(self, X):
        return self.activation_func(np.dot(X, self.weights) + self.bias)
class SVM:
    def __init__(self, learning_rate=0.001, lambda_param=0.01, n_iters=1000):
        self.lr = learning_rate
        self.lambda_param = lambda_param
        self.n_iters = n_iters
        self.w = None
        self.b = None
    def fit(self, X, y):
        y_ = np.where(y <= 0, -1, 1)
        n_samples, n_features = X.shape
        self.w = np.zeros(n_features)
        self.b = 0
        for _ in range(self.n_iters):
            for idx, x_i in enumerate(X):
                condition = y_[idx] * (np.dot(x_i, self.w) - self.b) >= 1
                if condition:
                    self.w -= self.lr * (2 * self.lambda_param * self.w)
                else:
                    self.w -= self.lr * (2 * self.lambda_param * self.w - np.dot(x_i, y_[idx]))
                    self.b -= self.lr * y_[idx]
    def predict(self, X):
        return np.sign(np.dot(X, self.w) - self.b)
class RBM:
    def __init__(self, n_visible, n_hidden, learning_rate=0.1):
        self.W = np.random.randn(n_visible, n_hidden)
        self.bv = np.zeros(n_visible); self.bh = np.zeros(n_hidden)
        self.lr = learning_rate
    def sigmoid(self, x): return 1 / (1 + np.exp(-x))
    def forward(self, v): return self.sigmoid(v @ self.W + self.bh)
    def backward(self, h): return self.sigmoid(h @ self.W.T + self.bv)
    def train(self, X, epochs=10):
        for _ in range(epochs):
            h = self.forward(X); v = self.backward(h); h2 = self.forward(v)
            self.W += self.lr * (X.T @ h - v.T @ h2)
            self.bv += self.lr * (X - v).sum(0); self.bh += self.lr * (h - h2).sum(0)
class KMeans:
    def __init__(self, k=3): self.k = k
    def fit(self, X):
        self.centroids = X[:self.k].copy()
        for _ in range(10):
            d = ((X[:, None] - self.centroids) ** 2).sum(-1); lab = d.argmin(1)
            for j in range(self.k): self.centroids[j] = X[lab == j].mean(0)
class LinearRegression:
    def __init__(self, lr=0.01, n_iters=1000):
        self.lr, self.n_iters = lr, n_iters
    def fit(self, X, y):
        n_samples, n_features = X.shape
        self.weights = np.zeros(n_features); self.bias = 0
        for _ in range(self.n_iters):
            y_pred = np.dot(X, self.weights) + self.bias
            dw = (1 / n_samples) * np.dot(X.T, (y_pred - y))
            db = (1 / n_samples) * np.sum(y_pred - y)
            self.weights -= self.lr * dw
            self.bias -= self.lr * db
