import numpy as np
class Net:
    def __init__(self, n_in, n_hid, n_out, lr=0.1, momentum=0.9):
        self.w1 = np.random.randn(n_in, n_hid) * 0.1
        self.w2 = np.random.randn(n_hid, n_out) * 0.1
        self.v1 = np.zeros_like(self.w1)
        self.v2 = np.zeros_like(self.w2)
        self.lr, self.momentum = lr, momentum
    def forward(self, x):
        self.h = np.tanh(x @ self.w1)
        return self.h @ self.w2
    def train(self, x, y, epochs=100, batch_size=32):
        losses = []
        for e in range(epochs):
            idx = np.random.permutation(len(x))
            for s in range(0, len(x), batch_size):
                xb, yb = x[idx[s:s+batch_size]], y[idx[s:s+batch_size]]
                out = self.forward(xb)
                err = out - yb
                g2 = self.h.T @ err / len(xb)
                g1 = xb.T @ ((err @ self.w2.T) * (1 - self.h ** 2)) / len(xb)
                self.v1 = self.momentum * self.v1 - self.lr * g1
                self.v2 = self.momentum * self.v2 - self.lr * g2
                self.w1 += self.v1
                self.w2 += self.v2
            losses.append(np.mean(err ** 2))
        return losses
