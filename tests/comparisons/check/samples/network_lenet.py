import numpy as np


class Conv:
    def __init__(self, nb_filters, filter_size, nb_channels, stride=1, padding=0):
        self.n_F = nb_filters
        self.f = filter_size
        self.n_C = nb_channels
        self.s = stride
        self.p = padding
        bound = 1 / np.sqrt(self.f * self.f)
        self.W = {'val': np.random.uniform(-bound, bound, size=(self.n_F, self.n_C, self.f, self.f)),
                  'grad': np.zeros((self.n_F, self.n_C, self.f, self.f))}
        self.b = {'val': np.random.uniform(-bound, bound, size=(self.n_F)), 'grad': np.zeros((self.n_F))}
        self.cache = None

    def forward(self, X):
        self.cache = X
        X = np.pad(X, ((0, 0), (0, 0), (self.p, self.p), (self.p, self.p)))
        self.cache = X
        m, n_C_prev, n_H_prev, n_W_prev = X.shape
        n_H = int((n_H_prev - self.f) / self.s) + 1
        n_W = int((n_W_prev - self.f) / self.s) + 1
        out = np.zeros((m, self.n_F, n_H, n_W))
        for c in range(self.n_F):
            for h in range(n_H):
                for w in range(n_W):
                    win = X[:, :, h*self.s:h*self.s+self.f, w*self.s:w*self.s+self.f]
                    out[:, c, h, w] = np.sum(win * self.W['val'][c], axis=(1, 2, 3)) + self.b['val'][c]
        return out

    def backward(self, dout):
        X = self.cache
        dX = np.zeros(X.shape)
        dW = np.zeros(self.W['val'].shape)
        m, n_F, n_H, n_W = dout.shape
        for c in range(n_F):
            for h in range(n_H):
                for w in range(n_W):
                    hs, ws = h * self.s, w * self.s
                    dW[c] += np.sum(dout[:, c, h, w][:, None, None, None] * X[:, :, hs:hs+self.f, ws:ws+self.f], axis=0)
                    dX[:, :, hs:hs+self.f, ws:ws+self.f] += dout[:, c, h, w][:, None, None, None] * self.W['val'][c]
        self.W['grad'] = dW
        self.b['grad'] = dout.sum(axis=(0, 2, 3))
        p = self.p
        return dX[:, :, p:dX.shape[2] - p, p:dX.shape[3] - p], self.W['grad'], self.b['grad']


class AvgPool:
    def __init__(self, filter_size, stride):
        self.f = filter_size
        self.s = stride
        self.cache = None

    def forward(self, X):
        self.cache = X
        m, c, h, w = X.shape
        oh, ow = (h - self.f) // self.s + 1, (w - self.f) // self.s + 1
        A = np.zeros((m, c, oh, ow))
        for i in range(oh):
            for j in range(ow):
                A[:, :, i, j] = X[:, :, i*self.s:i*self.s+self.f, j*self.s:j*self.s+self.f].mean(axis=(2, 3))
        return A

    def backward(self, dout):
        dX = np.zeros_like(self.cache)
        m, c, oh, ow = dout.shape
        for i in range(oh):
            for j in range(ow):
                dX[:, :, i*self.s:i*self.s+self.f, j*self.s:j*self.s+self.f] += (dout[:, :, i, j] / self.f ** 2)[:, :, None, None]
        return dX


class Fc:
    def __init__(self, row, column):
        bound = 1 / np.sqrt(row)
        self.W = {'val': np.random.uniform(-bound, bound, size=(row, column)), 'grad': 0}
        self.b = {'val': np.random.uniform(-bound, bound, size=(1, row)), 'grad': 0}
        self.cache = None

    def forward(self, fc):
        self.cache = fc
        return np.dot(fc, self.W['val'].T) + self.b['val']

    def backward(self, deltaL):
        fc = self.cache
        self.W['grad'] = np.dot(deltaL.T, fc)
        self.b['grad'] = np.sum(deltaL, axis=0, keepdims=True)
        new_deltaL = np.dot(deltaL, self.W['val'])
        return new_deltaL, self.W['grad'], self.b['grad']


class TanH:
    def forward(self, X):
        self.cache = X
        return np.tanh(X)

    def backward(self, new_deltaL):
        return new_deltaL * (1 - np.tanh(self.cache) ** 2)


class Softmax:
    def forward(self, X):
        e_x = np.exp(X - np.max(X, axis=1, keepdims=True))
        return e_x / np.sum(e_x, axis=1, keepdims=True)

    def backward(self, y_pred, y):
        return y_pred - y


class LeNet5:
    def __init__(self):
        self.conv1 = Conv(nb_filters=3, filter_size=5, nb_channels=1)
        self.tanh1 = TanH()
        self.pool1 = AvgPool(filter_size=2, stride=2)
        self.conv2 = Conv(nb_filters=4, filter_size=5, nb_channels=3)
        self.tanh2 = TanH()
        self.pool2 = AvgPool(filter_size=2, stride=2)
        self.fc1 = Fc(row=10, column=4 * 4 * 4)
        self.tanh3 = TanH()
        self.fc2 = Fc(row=5, column=10)
        self.softmax = Softmax()

    def forward(self, X):
        c1 = self.tanh1.forward(self.conv1.forward(X))
        p1 = self.pool1.forward(c1)
        c2 = self.tanh2.forward(self.conv2.forward(p1))
        p2 = self.pool2.forward(c2)
        self.pool2_shape = p2.shape
        flat = p2.reshape(p2.shape[0], -1)
        a3 = self.tanh3.forward(self.fc1.forward(flat))
        return self.softmax.forward(self.fc2.forward(a3))

    def backward(self, y_pred, y):
        deltaL = self.softmax.backward(y_pred, y)
        deltaL, dW5, db5 = self.fc2.backward(deltaL)
        deltaL = self.tanh3.backward(deltaL)
        deltaL, dW4, db4 = self.fc1.backward(deltaL)
        deltaL = deltaL.reshape(self.pool2_shape)
        deltaL = self.pool2.backward(deltaL)
        deltaL = self.tanh2.backward(deltaL)
        deltaL, dW2, db2 = self.conv2.backward(deltaL)
        deltaL = self.pool1.backward(deltaL)
        deltaL = self.tanh1.backward(deltaL)
        deltaL, dW1, db1 = self.conv1.backward(deltaL)
        return {'dW1': dW1, 'db1': db1, 'dW2': dW2, 'db2': db2, 'dW4': dW4, 'db4': db4, 'dW5': dW5, 'db5': db5}
