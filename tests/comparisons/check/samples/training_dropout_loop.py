import numpy as np

class MLP(object):
    def __init__(self, n_in=2, n_hidden=16, n_out=1, lr=0.1, p=0.5):
        self.lr = lr
        self.p = p
        self.w1 = np.random.uniform(-1, 1, (n_in, n_hidden))
        self.bias1 = np.zeros((1, n_hidden))
        self.w2 = np.random.uniform(-1, 1, (n_hidden, n_out))
        self.bias2 = np.zeros((1, n_out))

    def train(self, X, y, n_epochs=1000):
        for epoch in range(n_epochs):
            h_act = np.tanh(X.dot(self.w1) + self.bias1)
            mask = np.random.binomial(1, self.p, size=h_act.shape) / self.p
            hidden = h_act * mask
            out = 1 / (1 + np.exp(-(hidden.dot(self.w2) + self.bias2)))
            d_out = (out - y) / len(X)
            d_hidden = d_out.dot(self.w2.T)
            d_hidden *= mask
            d_hidden = d_hidden * (1 - h_act ** 2)
            self.w2 -= self.lr * hidden.T.dot(d_out)
            self.bias2 -= self.lr * d_out.sum(axis=0, keepdims=True)
            self.w1 -= self.lr * X.T.dot(d_hidden)
            self.bias1 -= self.lr * d_hidden.sum(axis=0, keepdims=True)
            if epoch % 100 == 0:
                loss = -np.mean(y * np.log(out) + (1 - y) * np.log(1 - out))
                print(epoch, loss)

    def predict(self, X):
        h = np.tanh(X.dot(self.w1) + self.bias1)
        return 1 / (1 + np.exp(-(h.dot(self.w2) + self.bias2)))

if __name__ == '__main__':
    from sklearn.datasets import make_moons
    X, y = make_moons(200, noise=0.1)
    nn = MLP(2, 16, 1)
    nn.train(X, y.reshape(-1, 1))
