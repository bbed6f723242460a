import numpy as np
class Net:
    def __init__(self, n_x, n_h, n_y):
        self.W1 = np.random.randn(n_x, n_h); self.b1 = np.zeros(n_h)
        self.W2 = np.random.randn(n_h, n_y); self.b2 = np.zeros(n_y)
    def forward(self, X):
        self.X = X; self.h = np.tanh(X @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2
    def backward(self, X, y):
        out = self.forward(X)
        d = np.clip(out - y, -1, 1) / len(X)
        dW2 = self.h.T @ d; db2 = d.sum(0)
        dh = d @ self.W2.T * (1 - self.h ** 2)
        return {'dW1': X.T @ dh, 'db1': dh.sum(0), 'dW2': dW2, 'db2': db2}
class AdamNet:
    def __init__(self, layers):
        self.W = [np.random.randn(a, b) * 0.1 for a, b in zip(layers[:-1], layers[1:])]
        self.b = [np.zeros(b) for b in layers[1:]]
        self.m = [np.zeros_like(w) for w in self.W]; self.v = [np.zeros_like(w) for w in self.W]
        self.mb = [np.zeros_like(w) for w in self.b]; self.vb = [np.zeros_like(w) for w in self.b]
        self.t = 0
    def predict(self, x):
        self.a = [x]
        for i, (w, b) in enumerate(zip(self.W, self.b)):
            z = self.a[-1] @ w + b
            self.a.append(np.tanh(z) if i < len(self.W) - 1 else z)
        return self.a[-1]
    def fit(self, x, y, lr=1e-3, epochs=10):
        for _ in range(epochs):
            self.t += 1
            d = (self.predict(x) - y) / len(x)
            for i in reversed(range(len(self.W))):
                gw, gb = self.a[i].T @ d, d.sum(0)
                if i: d = d @ self.W[i].T * (1 - self.a[i] ** 2)
                self.m[i] = 0.9 * self.m[i] + 0.1 * gw; self.v[i] = 0.999 * self.v[i] + 0.001 * gw ** 2
                self.mb[i] = 0.9 * self.mb[i] + 0.1 * gb; self.vb[i] = 0.999 * self.vb[i] + 0.001 * gb ** 2
                self.W[i] -= lr * self.m[i] / (1 - 0.9 ** self.t) / (np.sqrt(self.v[i] / (1 - 0.999 ** self.t)) + 1e-8)
                self.b[i] -= lr * self.mb[i] / (1 - 0.9 ** self.t) / (np.sqrt(self.vb[i] / (1 - 0.999 ** self.t)) + 1e-8)
