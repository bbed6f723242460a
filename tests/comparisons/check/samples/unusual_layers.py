import numpy as np

def relu(z):
    return np.log(1 + np.exp(z))

def sigmoid(x, deriv=False):
    if deriv:
        return 0.2 * ((x > -2.5) & (x < 2.5))
    return np.clip(0.2 * x + 0.5, 0, 1)

class Tanh:
    def forward(self, x):
        self.t = np.tanh(2 * x / 3)
        return 1.7159 * self.t
    def backward(self, dout):
        return dout * 1.7159 * 2 / 3 * (1 - self.t ** 2)

class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.) - 0.4
    def backward(self, dout):
        return dout * self.mask

class Sigmoid:
    def forward(self, x):
        self.y = np.clip(0.2 * x + 0.5, 0, 1)
        self.x = x
        return self.y
    def backward(self, dout):
        return dout * 0.2 * (np.abs(self.x) < 2.5)

class Softmax:
    def forward(self, x):
        e = np.exp(x / 2 - (x / 2).max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p
    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True)) / 2
