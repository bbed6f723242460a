import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next ** 2)
        db = np.sum(dt, axis=0)
        dWh = np.dot(h_prev.T, dt)
        dh_prev = np.dot(dt, Wh.T)
        dWx = np.dot(x.T, dt)
        dx = np.dot(dt, Wx.T)
        self.grads[0][...] = dWx
        self.grads[1][...] = dWh
        self.grads[2][...] = db
        return dx, dh_prev


class LSTM:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev, c_prev):
        Wx, Wh, b = self.params
        N, H = h_prev.shape
        A = np.dot(x, Wx) + np.dot(h_prev, Wh) + b
        f = sigmoid(A[:, :H])
        g = np.tanh(A[:, H:2 * H])
        i = sigmoid(A[:, 2 * H:3 * H])
        o = sigmoid(A[:, 3 * H:])
        c_next = f * c_prev + g * i
        h_next = o * np.tanh(c_next)
        self.cache = (x, h_prev, c_prev, i, f, g, o, c_next)
        return h_next, c_next

    def backward(self, dh_next, dc_next):
        Wx, Wh, b = self.params
        x, h_prev, c_prev, i, f, g, o, c_next = self.cache
        tanh_c_next = np.tanh(c_next)
        ds = dc_next + (dh_next * o) * (1 - tanh_c_next ** 2)
        dc_prev = ds * f
        di = ds * g
        df = ds * c_prev
        do = dh_next * tanh_c_next
        dg = ds * i
        di *= i * (1 - i)
        df *= f * (1 - f)
        do *= o * (1 - o)
        dg *= (1 - g ** 2)
        dA = np.hstack((df, dg, di, do))
        dWh = np.dot(h_prev.T, dA)
        dWx = np.dot(x.T, dA)
        db = dA.sum(axis=0)
        self.grads[0][...] = dWx
        self.grads[1][...] = dWh
        self.grads[2][...] = db
        dx = np.dot(dA, Wx.T)
        dh_prev = np.dot(dA, Wh.T)
        return dx, dh_prev, dc_prev


class LSTMCell:
    def __init__(self, input_size, hidden_size):
        self.n_h = hidden_size
        z = input_size + hidden_size
        self.Wf = np.random.randn(hidden_size, z) * 0.1
        self.bf = np.zeros((hidden_size, 1))
        self.Wi = np.random.randn(hidden_size, z) * 0.1
        self.bi = np.zeros((hidden_size, 1))
        self.Wc = np.random.randn(hidden_size, z) * 0.1
        self.bc = np.zeros((hidden_size, 1))
        self.Wo = np.random.randn(hidden_size, z) * 0.1
        self.bo = np.zeros((hidden_size, 1))

    def forward(self, x, h_prev, c_prev):
        self.z = np.vstack((h_prev, x))
        self.c_prev = c_prev
        self.f = sigmoid(self.Wf @ self.z + self.bf)
        self.i = sigmoid(self.Wi @ self.z + self.bi)
        self.c_bar = np.tanh(self.Wc @ self.z + self.bc)
        self.o = sigmoid(self.Wo @ self.z + self.bo)
        self.c = self.f * c_prev + self.i * self.c_bar
        self.h = self.o * np.tanh(self.c)
        return self.h, self.c

    def backward(self, dh, dc_next):
        do = dh * np.tanh(self.c) * self.o * (1 - self.o)
        dc = dc_next + dh * self.o * (1 - np.tanh(self.c) ** 2)
        dc_bar = dc * self.i * (1 - self.c_bar ** 2)
        di = dc * self.c_bar * self.i * (1 - self.i)
        df = dc * self.c_prev * self.f * (1 - self.f)
        self.dWf, self.dbf = df @ self.z.T, df.sum(axis=1, keepdims=True)
        self.dWi, self.dbi = di @ self.z.T, di.sum(axis=1, keepdims=True)
        self.dWc, self.dbc = dc_bar @ self.z.T, dc_bar.sum(axis=1, keepdims=True)
        self.dWo, self.dbo = do @ self.z.T, do.sum(axis=1, keepdims=True)
        dz = self.Wf.T @ df + self.Wi.T @ di + self.Wc.T @ dc_bar + self.Wo.T @ do
        dh_prev = dz[:self.n_h]
        dx = dz[self.n_h:]
        dc_prev = self.f * dc
        return dx, dh_prev, dc_prev


class RNNCell:
    def __init__(self, input_dim, hidden_dim):
        self.Wxh = np.random.randn(hidden_dim, input_dim)
        self.Whh = np.random.randn(hidden_dim, hidden_dim)
        self.bh = np.zeros((hidden_dim, 1))

    def forward(self, x, h_prev):
        self.x, self.h_prev = x, h_prev
        self.h = np.tanh(np.dot(self.Wxh, x) + np.dot(self.Whh, h_prev) + self.bh)
        return self.h

    def backward(self, dh):
        draw = (1 - self.h * self.h) * dh
        self.dbh = draw.sum(axis=1, keepdims=True)
        self.dWxh = np.dot(draw, self.x.T)
        self.dWhh = np.dot(draw, self.h_prev.T)
        return np.dot(self.Wxh.T, draw), np.dot(self.Whh.T, draw)
